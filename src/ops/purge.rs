//! `purge`: truly removes content, from every kept snapshot and every pack, so that no secret which exists afterwards opens it.
//!
//! ```text
//! find -> plan, approved -> keys drawn: epoch and dedup generation, both cut off
//!   -> chunks, trees and snapshots made anew -> packs made anew without what goes -> order, key files
//!   -> the new generation -> what led to earlier ones goes at once
//! ```
//!
//! What is gone is gone by its keys: chunks were sealed under keys that stood in trees, trees under keys that stood in trees above,
//! and snapshots under the epoch's, which nobody is handed any more. What stays keeps its seal; the keys to it stand in what was
//! made anew. That packs and files are removed as well is for those who hold an old identity.

use std::path::Path;
use std::sync::Arc;

use crate::base::{Generation, RelPath};
use crate::disk::Disk;
use crate::error::{Error, ErrorKind, Result};
use crate::ops::Run;
use crate::ops::commit::carry_stats;
use crate::ops::host_state::HostState;
use crate::ops::local_keys::WriterKey;
use crate::ops::rekey::{Change, Rekeyed};
use crate::ops::transfer::settle;
use crate::ops::writing::{Writing, remember, require_newest};
use crate::store::keyring::Step;
use crate::store::lock::ReadLock;
use crate::store::{Store, StoreError, read_marker};
use find::{Found, Paths, find};
use obey::{Obeyed, obey};
use plan::Plan;
use rotate::{OwnKeys, Rotated, Rotation, settle_left};

pub mod find;
pub mod make;
pub mod obey;
pub mod plan;
pub mod publish;
pub mod rotate;
pub mod spans;
pub mod status;

/// What `purge` is asked for.
pub struct PurgeRequest<'a> {
    /// What goes, each with all below it.
    pub paths: &'a [RelPath],
    /// Signs and opens.
    pub writer: &'a WriterKey,
    /// The folder of this host's caches.
    pub cache: Option<&'a Path>,
    /// This machine's keys, which get new identities; without them the identities stay.
    pub own: Option<&'a OwnKeys<'a>>,
}

/// What `purge` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purged {
    /// The store's generation now.
    pub generation: Generation,
    /// What was done; nothing where an earlier run had done it, and this one only ended it.
    pub plan: Option<Plan>,
    /// Bytes of the packs that were made.
    pub made_bytes: u64,
    /// What was removed here.
    pub obeyed: Obeyed,
    /// What became of this machine's reader and writer identities; nothing where they were left out of it.
    pub rotated: Option<(Rotated, Rotated)>,
}

/// Plans a purge; writes nothing.
///
/// # Errors
/// [`ErrorKind::Usage`] for the root, [`ErrorKind::Other`] for a path that no kept snapshot has, [`ErrorKind::Corrupt`] where it
/// cannot be told what leads where, and those of [`Writing::begin`].
pub fn plan(disk: &Arc<dyn Disk>, request: &PurgeRequest<'_>, run: Run<'_>) -> Result<Plan> {
    let paths = Paths::new(request.paths)?;
    read_marker(disk.as_ref())?.ok_or(StoreError::NoStore)?;
    let look = || {
        let _lock = ReadLock::share(disk.as_ref())?;
        let writing = Writing::look(Arc::clone(disk), request.writer, run)?;
        require_newest(&writing.store, &HostState::load(request.cache, writing.store.id()))?;
        require_whole(&writing)?;
        require_for_all(&writing.store)?;
        let found = find(&writing, &paths, run)?;
        plan::plan(&writing, &paths, &found)
    };
    look().map_err(|error| settle(disk.as_ref(), error))
}

/// Carries out a plan that was approved by its hash, on the very state that it was made for. Where an earlier run was cut off
/// after its generation was made, this one ends it.
///
/// # Durability
/// The new state is what opens before anything of an earlier one is removed; a cut anywhere leaves the old state or the new one.
///
/// # Errors
/// As [`plan()`]; [`ErrorKind::Conflict`] when the plan is another by now, [`ErrorKind::Interrupted`] before the new generation was
/// made, [`ErrorKind::NoSpace`] and others: the old state stays.
pub fn purge(disk: &Arc<dyn Disk>, request: &PurgeRequest<'_>, approved: &str, run: Run<'_>) -> Result<Purged> {
    let paths = Paths::new(request.paths)?;
    read_marker(disk.as_ref())?.ok_or(StoreError::NoStore)?;
    lock_and_purge(disk, &paths, request, approved, run).map_err(|error| settle(disk.as_ref(), error))
}

fn lock_and_purge(
    disk: &Arc<dyn Disk>,
    paths: &Paths,
    request: &PurgeRequest<'_>,
    approved: &str,
    run: Run<'_>,
) -> Result<Purged> {
    let (_lock, writing) = Writing::begin(disk, request.writer, request.cache, run)?;
    // What an earlier purge owes is done first: until then its end cannot be told from this one's.
    let writer = match request.own {
        Some(own) => settle_left(&writing, request.writer, own)?,
        None => request.writer.clone(),
    };
    let owed = obey(&writing.store, run)?;
    require_whole(&writing)?;
    require_for_all(&writing.store)?;
    let found = match find(&writing, paths, run) {
        Err(error) if error.kind() == ErrorKind::Other && owed.files > 0 => {
            let generation = writing.store.head().head.generation;
            return Ok(Purged { generation, plan: None, made_bytes: 0, obeyed: owed, rotated: None });
        }
        found => found?,
    };
    let plan = plan::plan(&writing, paths, &found)?;
    if plan.hash != approved {
        let text = "the plan is another by now than the one that was approved; nothing was purged: look at it again";
        return Err(Error::new(ErrorKind::Conflict, text));
    }
    let request = PurgeRequest { writer: &writer, ..*request };
    let done = carry_out(writing, paths, &found, &request, run)?;
    let obeyed = obey(&Store::open(Arc::clone(disk))?, run)?;
    Ok(Purged { plan: Some(plan), obeyed, ..done })
}

fn carry_out(
    writing: Writing,
    paths: &Paths,
    found: &Found,
    request: &PurgeRequest<'_>,
    run: Run<'_>,
) -> Result<Purged> {
    let now = run.clock.now();
    let rotation = request.own.map(|own| Rotation::prepare(&writing, request.writer, own, now)).transpose()?;
    let replace = rotation.as_ref().map(Rotation::replacements).unwrap_or_default();
    let change = Change { epoch: Step::Cut, dedup: Step::Cut, replace, ..Change::default() };
    let rekeyed = Rekeyed::draw(&writing, change, run)?;
    let before = publish::Before::of(&writing, found)?;
    let newest = writing.unlocked.sealed.snapshots.last().map(|named| named.id);
    let made = make::make(&writing, &rekeyed.keys, paths, found, run)?;
    let made_bytes = made.written.len_bytes();
    let newer = newest.and_then(|newest| made.replaced.get(&newest).copied());
    let store = writing.store.id();
    let writing = writing.renewed(rekeyed.keys.clone(), made.snapshots.clone(), &made.written);
    let stage = || match &rotation {
        Some(rotation) => rotation.stage(&writing),
        None => Ok(writing.store.trust().clone()),
    };
    let record = publish::publish(&writing, before, made, &rekeyed, &stage, run)?;
    remember(request.cache, &writing, record.head.generation, run);
    if let (Some(newest), Some(newer)) = (newest, newer) {
        carry_stats(request.cache, store, (newest, newer), &|key| !found.gone_keys.contains(key));
    }
    let rotated = rotation.map(Rotation::settle).transpose()?;
    let (generation, obeyed) = (record.head.generation, Obeyed::default());
    Ok(Purged { generation, plan: None, made_bytes, obeyed, rotated })
}

/// Refuses a state that is for a group of keys so far: what all others stay at would go.
fn require_for_all(store: &Store) -> Result<()> {
    let group = &store.head().head.group;
    if group.is_all() {
        return Ok(());
    }
    let text = format!(
        "the newest generation is for the group {group} so far, and a purge is for all: push it with --group all"
    );
    Err(Error::new(ErrorKind::Conflict, text))
}

/// Refuses a store that lost packs: nobody knows what is in them, and what goes might be.
fn require_whole(writing: &Writing) -> Result<()> {
    if writing.unread.is_empty() {
        return Ok(());
    }
    let text = "packs of the store do not read, so it cannot be told what they hold: heal or repair it first";
    Err(Error::new(ErrorKind::Corrupt, text))
}
