//! `gc`: gives back the room of what nobody needs any more.
//!
//! ```text
//! mark -> plan -> copy what lives of mostly dead packs -> new generation: packs dropped, condemned   (writers alone)
//! records, pending, grace -> garbage -> HEAD durable -> files removed                               (anyone, no secret)
//! ```
//!
//! Nothing is removed that the last two valid records or `pending` lead to, nor while anybody reads. A dropped pack is first
//! condemned in the manifest, and leaves servers only after a grace: a key in the middle of a sync still finds it.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use crate::base::{Generation, PackHash};
use crate::disk::Disk;
use crate::error::{ErrorKind, Result};
use crate::format::manifest::{CondemnedPack, PackRef};
use crate::ops::Run;
use crate::ops::local_keys::WriterKey;
use crate::ops::merged_index::{INDEX_LEVEL, merge_indexes};
use crate::ops::transfer::settle;
use crate::ops::writing::{Writing, remember};
use crate::store::lock::{ReadLock, WriteLock};
use crate::store::object::Sealer;
use crate::store::sweep::Standing;
use crate::store::{self, Next, Store, StoreError, grace, layout};
use plan::{Plan, Policy, plan};
use repack::{Repacked, repack};
use sweep::{Garbage, Patience, find_garbage, remove_all};

pub mod mark;
pub mod plan;
pub mod repack;
pub mod sweep;

/// What `gc` is asked for.
#[derive(Default)]
pub struct GcRequest<'a> {
    /// Signs and opens; without it only what nothing names is removed.
    pub writer: Option<&'a WriterKey>,
    /// The folder of this host's caches.
    pub cache: Option<&'a Path>,
    /// Seconds that condemned packs stay, on servers and here; without it 30 days there and 24 hours here.
    pub grace_secs: Option<i64>,
    /// Looks and tells, and writes nothing.
    pub dry_run: bool,
}

/// What `gc` did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// The store's generation now.
    pub generation: Generation,
    /// A generation was made, or would be.
    pub changed: bool,
    /// Files that were removed.
    pub removed_files: u64,
    /// Their bytes.
    pub removed_bytes: u64,
    /// What is removed, by name.
    pub garbage: Garbage,
    /// What became of the packs; nothing without the writer's key.
    pub packs: Option<PackChanges>,
    /// Somebody reads the store, so no file was removed.
    pub readers: bool,
}

/// What a new generation makes of the packs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackChanges {
    /// Packs of which nothing lived, and that are listed no more.
    pub dropped: Vec<PackRef>,
    /// Packs of which what lived was copied, and that are listed no more.
    pub repacked: Vec<PackRef>,
    /// Packs that were made; of a dry run none.
    pub made: Vec<PackRef>,
    /// Bytes that were copied.
    pub copied_bytes: u64,
    /// Bytes of objects that live.
    pub live_bytes: u64,
    /// Bytes of objects that do not and stay where they are, in packs that mostly live.
    pub dead_bytes_left: u64,
    /// Packs that the next run makes anew, since one generation copies so much and no more.
    pub postponed: u64,
    /// Packs that stay against the plan.
    pub spared: u64,
    /// Packs that wait for their end, and their bytes.
    pub condemned: (u64, u64),
    /// Chunks that snapshots name and no pack holds.
    pub missing_chunks: u64,
}

/// Collects garbage.
///
/// # Durability
/// A new generation is what opens before anything that it drops is removed; a cut anywhere leaves the old or the new one, and
/// files that the next run removes.
///
/// # Errors
/// [`ErrorKind::Locked`], [`ErrorKind::Corrupt`] for a degraded store or where it cannot be told what lives,
/// [`ErrorKind::NoSpace`], [`ErrorKind::Interrupted`] and others; nothing that is needed is lost.
pub fn gc(disk: &Arc<dyn Disk>, request: &GcRequest<'_>, run: Run<'_>) -> Result<Collected> {
    store::read_marker(disk.as_ref())?.ok_or(StoreError::NoStore)?;
    let collected = if request.dry_run { look(disk, request, run) } else { collect(disk, request, run) };
    collected.map_err(|error| settle(disk.as_ref(), error))
}

fn look(disk: &Arc<dyn Disk>, request: &GcRequest<'_>, run: Run<'_>) -> Result<Collected> {
    let _lock = ReadLock::share(disk.as_ref())?;
    let mut done = Collected::default();
    if let Some(writer) = request.writer {
        let writing = Writing::look(Arc::clone(disk), writer, run)?;
        let marked = mark::mark(&writing, run)?;
        let plan = plan(&marked.uses, &Policy::default());
        done.changed = !plan.is_empty();
        done.packs = Some(PackChanges {
            copied_bytes: plan.copied_bytes,
            dropped: plan.drop.clone(),
            repacked: plan.repack.clone(),
            condemned: count(&writing.store.packs().top.condemned),
            ..described(&plan, marked.missing_chunks)
        });
    }
    let store = Store::open(Arc::clone(disk))?;
    done.generation = store.head().head.generation;
    done.garbage = find_garbage(&store, patience(&store, request)?, run.clock.now())?;
    done.removed_files = done.garbage.files.len() as u64;
    done.removed_bytes = bytes_of(&done.garbage.files);
    Ok(done)
}

fn collect(disk: &Arc<dyn Disk>, request: &GcRequest<'_>, run: Run<'_>) -> Result<Collected> {
    let mut done = Collected::default();
    let _lock = match request.writer {
        Some(writer) => {
            let (lock, writing) = Writing::begin(disk, writer, request.cache, run)?;
            let generation = drop_packs(&writing, request, run, &mut done)?;
            remember(request.cache, &writing, generation, run);
            lock
        }
        None => WriteLock::take(disk.as_ref()).map_err(|error| store::settle(disk.as_ref(), error))?,
    };
    let mut store = Store::open(Arc::clone(disk))?;
    let patience = patience(&store, request)?;
    let mut garbage = find_garbage(&store, patience, run.clock.now())?;
    let holds_packs = garbage.held_by_record.iter().any(|file| layout::is_below_packs(&file.path));
    if let Some(writer) = request.writer.filter(|_| holds_packs) {
        // What the record before the newest leads to stays. A second record of the same state lets go of it.
        let writing = Writing::look(Arc::clone(disk), writer, run)?;
        remember(request.cache, &writing, say_again(&writing, run)?, run);
        done.changed = true;
        store = Store::open(Arc::clone(disk))?;
        garbage = find_garbage(&store, patience, run.clock.now())?;
    }
    done.generation = store.head().head.generation;
    match remove_all(&store, &garbage, run, &mut done) {
        Err(error) if error.kind() == ErrorKind::Locked => done.readers = true,
        removed => removed?,
    }
    done.garbage = garbage;
    Ok(done)
}

/// Returns how long things wait in a store unless somebody says otherwise. A server's copy is no replica: pushes arrive there,
/// and whoever syncs from it has no lock on it.
///
/// # Errors
/// Those of the disk.
pub fn usual_patience(store: &Store) -> Result<Patience> {
    let is_copy = match store.replica() {
        Ok(replica) => replica.is_none(),
        Err(StoreError::Corrupt { .. }) => false,
        Err(error) => return Err(store.settle(error).into()),
    };
    let grace_secs = if is_copy { grace::REMOTE_SECS } else { grace::LOCAL_SECS };
    Ok(Patience { grace_secs, spares_arriving: is_copy })
}

fn patience(store: &Store, request: &GcRequest<'_>) -> Result<Patience> {
    let usual = usual_patience(store)?;
    let Some(grace_secs) = request.grace_secs else { return Ok(usual) };
    Ok(Patience { grace_secs, spares_arriving: usual.spares_arriving && grace_secs > 0 })
}

fn described(plan: &Plan, missing_chunks: u64) -> PackChanges {
    PackChanges {
        live_bytes: plan.live_bytes,
        dead_bytes_left: plan.dead_bytes_left,
        postponed: plan.postponed,
        missing_chunks,
        ..PackChanges::default()
    }
}

/// Makes the generation that lists what lives alone, where anything changes; returns the newest generation.
fn drop_packs(writing: &Writing, request: &GcRequest<'_>, run: Run<'_>, done: &mut Collected) -> Result<Generation> {
    let marked = mark::mark(writing, run)?;
    let plan = plan(&marked.uses, &Policy::default());
    let mut sealed = writing.unlocked.sealed.clone();
    let mut repacked = repack(writing, &marked, &plan, &mut sealed, run)?;
    let gone: HashSet<PackHash> = repacked.gone.iter().map(|pack| pack.hash).collect();
    let condemned = condemn(writing, &repacked, request, run);
    let is_same = gone.is_empty() && condemned == writing.store.packs().top.condemned;
    let mut changes = PackChanges {
        dropped: plan.drop.iter().filter(|pack| gone.contains(&pack.hash)).copied().collect(),
        repacked: plan.repack.iter().filter(|pack| gone.contains(&pack.hash)).copied().collect(),
        copied_bytes: repacked.copied_bytes,
        spared: repacked.spared,
        condemned: count(&condemned),
        ..described(&plan, marked.missing_chunks)
    };
    let mut generation = writing.store.head().head.generation;
    if !is_same {
        let mut sealer = Sealer::new(writing.store.id(), INDEX_LEVEL)?;
        merge_indexes(writing, writing.reader.index(), &gone, &mut sealed, &mut repacked.written, &mut sealer)?;
        changes.made = repacked.written.packs.clone();
        run.check()?;
        let following = Next::following(writing.store.packs(), sealed, run.clock.now());
        let removed = gone.into_iter().collect();
        let (added, recipes) = (repacked.written.packs, repacked.recipes);
        let record = writing.publish(Next { added, removed, condemned, recipes, ..following })?;
        generation = record.head.generation;
        done.changed = true;
    }
    done.packs = Some(changes);
    Ok(generation)
}

/// Returns all packs that wait for their end: those that did, until servers have had the time to hear of it, and those that
/// go now.
fn condemn(writing: &Writing, repacked: &Repacked, request: &GcRequest<'_>, run: Run<'_>) -> Vec<CondemnedPack> {
    let now = run.clock.now();
    let since = grace::condemned_since(now, request.grace_secs.unwrap_or(grace::REMOTE_SECS));
    let before = writing.store.packs().top.condemned.iter().copied();
    let mut condemned: Vec<CondemnedPack> = before.filter(|pack| !grace::may_be_forgotten(pack, now)).collect();
    if request.grace_secs.is_some() {
        condemned.iter_mut().for_each(|pack| pack.since = pack.since.min(since));
    }
    let gone = repacked.gone.iter();
    condemned.extend(gone.map(|pack| CondemnedPack { hash: pack.hash, len_bytes: pack.len_bytes, since }));
    condemned.sort_unstable_by_key(|pack| pack.hash);
    condemned.dedup_by_key(|pack| pack.hash);
    condemned
}

/// Makes a generation of the same packs and snapshots.
fn say_again(writing: &Writing, run: Run<'_>) -> Result<Generation> {
    let next = Next::following(writing.store.packs(), writing.unlocked.sealed.clone(), run.clock.now());
    Ok(writing.publish(next)?.head.generation)
}

fn count(condemned: &[CondemnedPack]) -> (u64, u64) {
    (condemned.len() as u64, condemned.iter().map(|pack| pack.len_bytes).sum())
}

fn bytes_of(files: &[Standing]) -> u64 {
    files.iter().map(|file| file.len_bytes).sum()
}
