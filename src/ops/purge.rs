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
use crate::store::lock::{ReadLock, WriteLock};
use crate::store::order::superseded;
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

/// What is to be done, and what was done already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// What ending an earlier purge removed, where one had been cut off.
    pub ended: Option<Obeyed>,
    /// The plan, or the generation of the store where that purge took everything away that is named.
    pub plan: std::result::Result<Plan, Generation>,
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
        let missing = find::missing(&writing, &paths, run)?;
        let is_cut_off = !missing.is_empty() && owes(&writing, request.writer)?;
        let within = |error: Error| error.within("an earlier purge was cut off: without --dry-run this ends it first");
        require_there(&missing).map_err(|error| if is_cut_off { within(error) } else { error })?;
        plan::plan(&writing, &paths, &find(&writing, &paths, run)?)
    };
    look().map_err(|error| settle(disk.as_ref(), error))
}

/// Ends an earlier purge that was cut off, if one was, and plans this one.
///
/// # Durability
/// As [`purge`], for what is ended.
///
/// # Errors
/// As [`plan()`].
pub fn prepare(disk: &Arc<dyn Disk>, request: &PurgeRequest<'_>, run: Run<'_>) -> Result<Prepared> {
    let paths = Paths::new(request.paths)?;
    read_marker(disk.as_ref())?.ok_or(StoreError::NoStore)?;
    let prepare = || {
        let (_lock, begun) = Begun::begin(disk, &paths, request, run)?;
        let Begun { writing, ended, is_gone, .. } = begun;
        let plan = match is_gone {
            true => Err(writing.store.head().head.generation),
            false => Ok(plan::plan(&writing, &paths, &find(&writing, &paths, run)?)?),
        };
        Ok(Prepared { ended, plan })
    };
    prepare().map_err(|error| settle(disk.as_ref(), error))
}

/// Carries out a plan that was approved by its hash, on the very state that it was made for. What an earlier run left that was cut
/// off after its generation was made is ended first; where nothing that is named is left then, that is all.
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
    let (_lock, Begun { writing, writer, ended, is_gone }) = Begun::begin(disk, paths, request, run)?;
    if is_gone {
        let (generation, obeyed) = (writing.store.head().head.generation, ended.unwrap_or_default());
        return Ok(Purged { generation, plan: None, made_bytes: 0, obeyed, rotated: None });
    }
    let found = find(&writing, paths, run)?;
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

/// A store in which no earlier purge owes anything.
struct Begun {
    writing: Writing,
    /// The writer's key as it is then.
    writer: WriterKey,
    /// What ending one removed.
    ended: Option<Obeyed>,
    /// One was ended, and nothing that is named is left.
    is_gone: bool,
}

impl Begun {
    /// Locks a store and ends what an earlier purge owes: until then its end cannot be told from this one's.
    fn begin(
        disk: &Arc<dyn Disk>,
        paths: &Paths,
        request: &PurgeRequest<'_>,
        run: Run<'_>,
    ) -> Result<(WriteLock, Self)> {
        let (lock, writing) = Writing::begin(disk, request.writer, request.cache, run)?;
        let writer = match request.own {
            Some(own) => settle_left(&writing, request.writer, own)?,
            None => request.writer.clone(),
        };
        let is_owing = !superseded(&writing.store)?.is_empty() || writer.rotating != request.writer.rotating;
        let obeyed = obey(&writing.store, run)?;
        let ended = is_owing.then_some(obeyed);
        require_whole(&writing)?;
        require_for_all(&writing.store)?;
        let missing = find::missing(&writing, paths, run)?;
        let is_gone = ended.is_some() && missing.len() == paths.0.len();
        if !is_gone {
            let after =
                |error: Error| error.within("an earlier purge that had been cut off was ended, and no more was done");
            require_there(&missing).map_err(|error| if ended.is_some() { after(error) } else { error })?;
        }
        Ok((lock, Self { writing, writer, ended, is_gone }))
    }
}

/// Returns whether an earlier purge is not ended: records of before it stand, or identities that it replaced.
fn owes(writing: &Writing, writer: &WriterKey) -> Result<bool> {
    let reached = writing.store.head().head.generation;
    let is_rotating = writer.rotating.is_some_and(|generation| generation <= reached);
    Ok(is_rotating || !superseded(&writing.store)?.is_empty())
}

fn require_there(missing: &[RelPath]) -> Result<()> {
    let Some(path) = missing.first() else { return Ok(()) };
    Err(Error::new(ErrorKind::Other, format!("no kept snapshot has {path}")))
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
