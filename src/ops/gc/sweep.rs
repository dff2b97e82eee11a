//! Removing what nothing names any more: needs no secret, and begins only once the state that stays is durable.

use std::collections::BTreeSet;

use super::Collected;
use crate::base::limits::HEAD_MAX_BYTES;
use crate::base::monitor::{Amount, Task};
use crate::base::{Generation, StorePath, Timestamp};
use crate::disk::{Disk, DiskErrorKind, read_all};
use crate::error::Result;
use crate::format::FormatError;
use crate::format::head::SignedHead;
use crate::ops::Run;
use crate::store::keys::key_dirs;
use crate::store::lock::SweepLock;
use crate::store::manifest::PackSet;
use crate::store::order::{purged_below, readable_orders_of, superseded};
use crate::store::sweep::{Reached, Standing, list_standing};
use crate::store::{Store, StoreError, head, layout};

/// How many records' states are spared.
const RECORDS_SPARED: usize = 2;

/// What stands in a store and may go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Garbage {
    /// Files that nothing leads to, by directory and name.
    pub files: Vec<Standing>,
    /// Files that the newest record does not lead to, but the one before it does.
    pub held_by_record: Vec<Standing>,
    /// Files that wait for the grace of condemned packs.
    pub waiting: Vec<Standing>,
    /// Records of states before the newest purge, which go once all the rest is gone; none while packs stay of which nobody can tell.
    pub superseded: Vec<Standing>,
    /// `pending` does not read or is of a newer program, so that every pack may be one that it leads to.
    pub has_unknown: bool,
    /// Files that look like garbage where pushes arrive, and may be of one that is under way.
    pub maybe_arriving: Vec<Standing>,
}

/// How long condemned packs wait, and what else is believed to be garbage.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Seconds that a condemned pack stays.
    pub grace_secs: i64,
    /// A server's copy: files that no record names may be those of a push that is under way.
    pub spares_arriving: bool,
}

/// Finds what may go from a store: whatever its last two valid records and `pending` do not lead to.
///
/// # Errors
/// [`StoreError::Degraded`] for a store that opened from an older record than its newest; those of the disk.
pub fn find_garbage(store: &Store, patience: Patience, now: Timestamp) -> Result<Garbage> {
    if store.soundness() == head::Soundness::Older {
        return Err(StoreError::Degraded.into());
    }
    let disk = store.disk().as_ref();
    let purged = purged_below(store)?;
    let superseded = superseded(store)?;
    let mut newest = Reached::default();
    newest.add(disk, store.id(), store.packs());
    let stale_pending = add_pending(store, purged, &mut newest)?;
    let mut both = newest.clone();
    for (record, packs) in head::newest_valid(disk, store.id(), store.trust(), RECORDS_SPARED)? {
        if !superseded.contains(&layout::head_record(record.head.generation)) {
            both.add(disk, store.id(), &packs);
        }
    }
    let mut waiting = Reached::default();
    for condemned in &store.packs().top.condemned {
        if now.secs_since(condemned.since) < patience.grace_secs {
            waiting.add_file(layout::pack(&condemned.hash));
        }
    }
    let mut condemned = Reached::default();
    store.packs().top.condemned.iter().for_each(|pack| condemned.add_file(layout::pack(&pack.hash)));
    let mut garbage = Garbage { has_unknown: newest.has_unknown(), ..Garbage::default() };
    for file in list_standing(disk)? {
        if newest.contains(&file.path) {
            continue;
        }
        let list = if waiting.contains(&file.path) {
            &mut garbage.waiting
        } else if both.contains(&file.path) {
            &mut garbage.held_by_record
        } else if patience.spares_arriving && !condemned.contains(&file.path) {
            &mut garbage.maybe_arriving
        } else {
            &mut garbage.files
        };
        list.push(file);
    }
    for record in superseded.into_iter().filter(|_| !newest.has_unknown()) {
        garbage.superseded.extend(standing(disk, record)?);
    }
    garbage.files.extend(stale_pending);
    garbage.files.extend(standing(disk, layout::head_new())?);
    Ok(garbage)
}

fn standing(disk: &dyn Disk, path: StorePath) -> Result<Option<Standing>> {
    let found = disk.metadata(&path)?;
    Ok(found.map(|found| Standing { path, len_bytes: found.len_bytes }))
}

/// Adds what an interrupted sync works towards; returns `pending` itself where it is none, as a cut may leave it, or is done, or is
/// older than the newest purge.
fn add_pending(store: &Store, purged: Generation, reached: &mut Reached) -> Result<Option<Standing>> {
    let disk = store.disk().as_ref();
    let bytes = match read_all(disk, &layout::pending(), HEAD_MAX_BYTES) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(None),
        Err(error) if error.kind == DiskErrorKind::Gone => return Err(error.into()),
        Err(_) => {
            reached.add_unknown();
            return Ok(None);
        }
    };
    let target = match SignedHead::decode(&bytes) {
        Ok(target) if target.bytes() == store.head().bytes() => return standing(disk, layout::pending()),
        Ok(target) if target.head.generation < purged => return standing(disk, layout::pending()),
        Ok(target) if store.trust().check_head(&target).is_ok() => target,
        // A newer program may be in the middle of something.
        Err(FormatError::TooNew(_)) => {
            reached.add_unknown();
            return Ok(None);
        }
        Ok(_) | Err(_) => return standing(disk, layout::pending()),
    };
    let said = &target.head;
    match PackSet::load_from_disk(disk, store.id(), said.manifest, said.manifest_len_bytes) {
        Ok(packs) => reached.add(disk, store.id(), &packs),
        Err(error @ StoreError::Gone(_)) => return Err(error.into()),
        Err(_) => reached.add_unknown(),
    }
    Ok(None)
}

/// Removes all garbage; records of before a purge last, once whatever led there is gone for good.
///
/// # Durability
/// As [`remove`].
///
/// # Errors
/// As [`remove`].
pub fn remove_all(store: &Store, garbage: &Garbage, run: Run<'_>, done: &mut Collected) -> Result<()> {
    remove(store, &garbage.files, run, done)?;
    if garbage.superseded.is_empty() {
        return Ok(());
    }
    settle_removed(store, run)?;
    remove(store, &garbage.superseded, run, done)
}

/// Makes durable what an earlier run removed for a purge and was cut off before it could: it lists no more, might come back with
/// the medium, and without a record of before nothing would tell of it.
fn settle_removed(store: &Store, run: Run<'_>) -> Result<()> {
    let disk = store.disk().as_ref();
    let orders = readable_orders_of(store)?;
    let packs = orders.iter().flat_map(|order| &order.packs);
    let mut dirs: BTreeSet<StorePath> = packs.map(|pack| layout::pack_dir(pack.0[0])).collect();
    dirs.insert(layout::manifests());
    let key_dirs = key_dirs(disk)?.into_iter().map(layout::key_dir);
    for dir in dirs.into_iter().chain(key_dirs) {
        run.check()?;
        if disk.metadata(&dir)?.is_some() {
            disk.sync_dir(&dir)?;
        }
    }
    Ok(())
}

/// Removes garbage; the state that stays is made durable first, and each directory is synced once its files are gone.
///
/// # Durability
/// What was removed stays removed once this returns; after a cut within, some of it may be back, and the next run finds it.
///
/// # Errors
/// [`StoreError::Locked`] while anybody reads the store; those of the disk, [`crate::error::ErrorKind::Interrupted`].
pub fn remove(store: &Store, garbage: &[Standing], run: Run<'_>, done: &mut Collected) -> Result<()> {
    if garbage.is_empty() {
        return Ok(());
    }
    let disk = store.disk().as_ref();
    let _readers = SweepLock::take(disk)?;
    // The record that opened may be in the system's cache alone, and at a cut its predecessor would open again.
    head::settle(disk, store.head())?;
    let bytes = garbage.iter().map(|file| file.len_bytes).sum();
    run.monitor.begin(Task::Sweep, Some(Amount { files: garbage.len() as u64, bytes }));
    let mut dirs = BTreeSet::new();
    let removed = remove_files(disk, garbage, run, &mut dirs, done);
    for dir in dirs {
        disk.sync_dir(&dir)?;
    }
    run.monitor.end(Task::Sweep);
    removed
}

fn remove_files(
    disk: &dyn Disk,
    garbage: &[Standing],
    run: Run<'_>,
    dirs: &mut BTreeSet<StorePath>,
    done: &mut Collected,
) -> Result<()> {
    for file in garbage {
        run.check()?;
        dirs.insert(file.path.parent());
        disk.remove(&file.path)?;
        done.removed_files += 1;
        done.removed_bytes += file.len_bytes;
        run.monitor.advance(Task::Sweep, Amount { files: 1, bytes: file.len_bytes });
    }
    Ok(())
}
