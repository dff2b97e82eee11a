//! `commit`: a folder becomes a snapshot.
//!
//! ```text
//! lookout: lists directories, with what the last snapshot has in each
//!   |
//!   v
//! source ----> chunks, in order ----> workers: id, dedup, compress, seal ----\
//!   | (walks, reads, cuts)                                                     v
//!   \-------> order of chunks and directories -------------------------> assembler: packs, trees
//! ```
//!
//! The source never waits for a result and the assembler takes them in the order of the source, so packs and trees follow
//! from the folder alone, whatever the threads do. All queues are bounded.

mod assemble;
mod extensions;
mod lookout;
mod pipeline;
mod publish;
mod source;
mod stats;
mod steps;
mod survivors;

use std::path::Path;
use std::sync::Arc;

use crate::base::monitor::{Problem, Task};
use crate::base::random::random_array;
use crate::base::{Generation, ObjectId, RelPath, ReplicaId};
use crate::disk::folder::{FileKind, Stat};
use crate::disk::{Disk, Folder};
use crate::error::{Error, ErrorKind, Result};
use crate::folder::Excludes;
use crate::format::sealed::{SnapshotRef, TAGS_MAX};
use crate::format::snapshot::{AUTHOR_MAX_BYTES, MESSAGE_MAX_BYTES, Snapshot, Totals};
use crate::ops::Run;
use crate::ops::host_state::HostState;
use crate::ops::local_keys::WriterKey;
use crate::ops::purge::obey::obey;
use crate::ops::writing::{Writing, remember, require_newest};
use crate::store::lock::ReadLock;
use crate::store::writer::PackWriter;
use crate::store::{self, StoreError, layout, replica};
use crate::tree::snapshots;
use assemble::Tree;
pub use source::SMALL_BYTES;
use stats::StatCache;
pub use stats::{carry_stats, path_key};
pub use steps::Changes;
use steps::{Job, Levels, Parts};
use survivors::Survivors;

/// How hard objects are compressed. They are sealed once and fetched by every key, but level 5 takes twice the time of level 3
/// and makes 3 % less of programs and libraries; of runs of small files, which are text for the most part, it makes 9 % less.
const LEVELS: Levels = Levels { runs: 5, files: 3 };

/// What `commit` is asked for.
pub struct CommitRequest<'a> {
    /// Why.
    pub message: String,
    /// Who, as `user@host`.
    pub author: String,
    /// Names for the snapshot.
    pub tags: Vec<String>,
    /// What is left out.
    pub excludes: Excludes,
    /// Signs, and opens what it takes to write.
    pub writer: &'a WriterKey,
    /// The folder of this host's caches.
    pub cache: Option<&'a Path>,
}

/// What `commit` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The snapshot that now is the newest.
    pub snapshot: ObjectId,
    /// The store's generation.
    pub generation: Generation,
    /// Whether a snapshot was made; an unchanged folder makes none.
    pub changed: bool,
    /// What the snapshot holds.
    pub totals: Totals,
    /// Bytes of the packs that were written; without a change they bring back what the store had lost.
    pub new_bytes: u64,
    /// How the folder differs from the last snapshot.
    pub changes: Changes,
    /// What was left out or kept as it was before, with the reason.
    pub problems: Vec<Problem>,
}

/// The state that a commit starts from.
struct Start {
    writing: Writing,
    parent: Option<(SnapshotRef, Snapshot)>,
    replica: ReplicaId,
    /// The store lost the id that it had, and this one is not written yet.
    is_new_replica: bool,
}

impl Start {
    fn new(writing: Writing, run: Run<'_>) -> Result<Self> {
        let mut parent = None;
        for named in writing.unlocked.sealed.snapshots.iter().rev() {
            match snapshots::load(&writing.reader, named) {
                Ok(snapshot) => {
                    parent = Some((named.clone(), snapshot));
                    break;
                }
                // One that `repair` could not save is passed over; while a pack is only damaged, it may still come back.
                Err(StoreError::Corrupt { .. }) if writing.is_lost(named) => {
                    run.monitor.note(&format!("snapshot {} is lost; compared with the one before it", named.id));
                }
                Err(error) => return Err(error.into()),
            }
        }
        let known = match writing.store.replica() {
            Ok(known) => known,
            Err(error) if error.is_damage() => None,
            Err(error) => return Err(error.into()),
        };
        // An id is drawn by chance anyhow; whoever commits without one goes on as a new replica.
        let (replica, is_new_replica) = (known.unwrap_or_else(|| ReplicaId(random_array(run.random))), known.is_none());
        Ok(Self { writing, parent, replica, is_new_replica })
    }
}

/// Commits a folder.
///
/// # Durability
/// The new state is what opens once this returns; after a cut within, the old one, and packs that the next commit finds.
///
/// # Errors
/// [`ErrorKind::Locked`], [`ErrorKind::NoIdentity`], [`ErrorKind::NoSpace`], [`ErrorKind::Interrupted`] and others; the old state
/// stays.
#[expect(clippy::needless_pass_by_value, reason = "an op is handed its disk")]
pub fn commit(
    disk: Arc<dyn Disk>,
    folder: &dyn Folder,
    request: &CommitRequest<'_>,
    run: Run<'_>,
) -> Result<Committed> {
    check_request(request)?;
    store::read_marker(disk.as_ref())?.ok_or(StoreError::NoStore)?;
    lock_and_commit(&disk, folder, request, run).map_err(|error| settle(disk.as_ref(), folder, error))
}

/// Tells what a commit would do: reads, cuts and seals as it does, and writes nothing at all, neither in the store nor on
/// the host. `snapshot` and `generation` are those that stand; `new_bytes` leaves out what describes the new state.
///
/// # Errors
/// As [`commit`].
pub fn preview(
    disk: Arc<dyn Disk>,
    folder: &dyn Folder,
    request: &CommitRequest<'_>,
    run: Run<'_>,
) -> Result<Committed> {
    check_request(request)?;
    store::read_marker(disk.as_ref())?.ok_or(StoreError::NoStore)?;
    let medium = Arc::clone(&disk);
    lock_and_preview(disk, folder, request, run).map_err(|error| settle(medium.as_ref(), folder, error))
}

fn lock_and_preview(
    disk: Arc<dyn Disk>,
    folder: &dyn Folder,
    request: &CommitRequest<'_>,
    run: Run<'_>,
) -> Result<Committed> {
    let _lock = ReadLock::share(disk.as_ref())?;
    let start = Start::new(Writing::look(disk, request.writer, run)?, run)?;
    require_newest(&start.writing.store, &HostState::load(request.cache, start.writing.store.id()))?;
    let newest = start.parent.as_ref().map(|(named, _)| named.id);
    let memory = StatCache::look(request.cache, start.writing.store.id(), newest);
    let writer = start.writing.pack_writer()?.without_writing();
    run.monitor.begin(Task::Commit, None);
    let read = read_folder(&start, folder, (&memory, writer), request, run);
    run.monitor.end(Task::Commit);
    let (mut found, _, writer) = read?;
    found.new_bytes = writer.finish()?.len_bytes();
    Ok(found)
}

fn lock_and_commit(
    disk: &Arc<dyn Disk>,
    folder: &dyn Folder,
    request: &CommitRequest<'_>,
    run: Run<'_>,
) -> Result<Committed> {
    let (_lock, writing) = Writing::begin(disk, request.writer, request.cache, run)?;
    // A commit lets go of older records, by which a purge that was cut off is known to be unfinished.
    obey(&writing.store, run)?;
    commit_onto(&Start::new(writing, run)?, folder, request, run)
}

fn commit_onto(start: &Start, folder: &dyn Folder, request: &CommitRequest<'_>, run: Run<'_>) -> Result<Committed> {
    run.monitor.begin(Task::Commit, None);
    let result = read_and_publish(start, folder, request, run);
    run.monitor.end(Task::Commit);
    let committed = result?;
    remember(request.cache, &start.writing, committed.generation, run);
    Ok(committed)
}

/// Tells a missing medium from anything that a vanished one looks like, once the marker had been read.
fn settle(disk: &dyn Disk, folder: &dyn Folder, error: Error) -> Error {
    use ErrorKind::{Corrupt, NoIdentity, NoStore, Other};
    let suspicious = matches!(error.kind(), Corrupt | NoIdentity | NoStore | Other);
    if suspicious && folder.is_gone() {
        return folder_gone();
    }
    if suspicious && !matches!(store::read_marker(disk), Ok(Some(_))) {
        return Error::with_source(ErrorKind::Gone, "the medium went away", error);
    }
    error
}

fn folder_gone() -> Error {
    Error::new(ErrorKind::Gone, "the medium of the folder to commit went away")
}

fn check_request(request: &CommitRequest<'_>) -> Result<()> {
    if request.tags.len() > TAGS_MAX {
        return Err(Error::new(ErrorKind::Usage, format!("a snapshot has at most {TAGS_MAX} tags")));
    }
    for tag in &request.tags {
        let refused = |error| Error::with_source(ErrorKind::Usage, format!("{tag:?} cannot be a tag"), error);
        snapshots::check_tag(tag).map_err(refused)?;
    }
    if request.message.len() > MESSAGE_MAX_BYTES || request.author.len() > AUTHOR_MAX_BYTES {
        return Err(Error::new(ErrorKind::Usage, "a message is at most 64 KiB, an author 1 KiB"));
    }
    Ok(())
}

fn root_of(folder: &dyn Folder) -> Result<Stat> {
    match folder.stat(&RelPath::root())? {
        Some(stat) if stat.kind == FileKind::Dir => Ok(stat),
        _ => Err(Error::new(ErrorKind::Other, "the folder to commit is not there")),
    }
}

fn read_and_publish(
    start: &Start,
    folder: &dyn Folder,
    request: &CommitRequest<'_>,
    run: Run<'_>,
) -> Result<Committed> {
    let newest = start.parent.as_ref().map(|(named, _)| named.id);
    let memory = StatCache::open(request.cache, start.writing.store.id(), newest);
    let (mut committed, tree, writer) =
        read_folder(start, folder, (&memory, start.writing.pack_writer()?), request, run)?;
    if committed.changed {
        if start.is_new_replica {
            run.monitor.note("the store's replica id was lost: it goes on as a new replica");
            replica::write_id(start.writing.disk(), start.replica)?;
            start.writing.disk().sync_dir(&layout::replica().parent())?;
        }
        let place = (start.replica, next_sequence(start)?);
        let snapshot = publish::snapshot_of(start, &tree, place, request, run);
        let made = publish::publish(start, writer, &snapshot, request, LEVELS.runs, run)?;
        (committed.snapshot, committed.generation, committed.new_bytes) = made;
    } else {
        (committed.generation, committed.new_bytes) = publish::bring_back(start, writer, LEVELS.runs, run)?;
    }
    memory.save(committed.snapshot, &tree.stats);
    Ok(committed)
}

fn next_sequence(start: &Start) -> Result<u64> {
    let next = start.writing.store.head().head.generation.next();
    Ok(next.ok_or(StoreError::NoGenerationLeft)?.0)
}

/// Reads the folder into packs that are not finished; what comes of it is described as if nothing was published.
fn read_folder<'s>(
    start: &'s Start,
    folder: &dyn Folder,
    (memory, mut writer): (&StatCache, PackWriter<'s>),
    request: &CommitRequest<'_>,
    run: Run<'_>,
) -> Result<(Committed, Tree, PackWriter<'s>)> {
    let root_stat = root_of(folder)?;
    let parent = start.parent.as_ref();
    let job = Job {
        folder,
        excludes: &request.excludes,
        parent: parent.map(|(_, snapshot)| snapshot),
        memory,
        replica: start.replica,
        sequence: next_sequence(start)?,
        began: run.clock.now(),
        run,
    };
    let tree = read_tree(start, &job, &mut writer)?;
    // On a medium that went away the folder looks empty, or as the system last saw it.
    if folder.is_gone() {
        return Err(folder_gone());
    }
    let root_now = root_of(folder)?;
    if !same_root(&root_stat, &root_now) {
        return Err(Error::new(ErrorKind::Other, "the folder to commit was replaced while it was read"));
    }
    if was_removed(&root_stat, &root_now) {
        return Err(Error::new(ErrorKind::Other, "the folder to commit was removed while it was read"));
    }
    let committed = Committed {
        snapshot: parent.map_or(ObjectId([0; 32]), |(named, _)| named.id),
        generation: start.writing.store.head().head.generation,
        changed: !parent.is_some_and(|(_, last)| is_same(last, &tree)),
        totals: tree.totals,
        new_bytes: 0,
        changes: tree.changes,
        problems: tree.problems.clone(),
    };
    Ok((committed, tree, writer))
}

/// Returns whether a snapshot says of the folder what was found now.
fn is_same(last: &Snapshot, tree: &Tree) -> bool {
    let extensions = extensions::root_extensions(last);
    last.root == tree.root && last.root_meta == tree.root_meta && extensions == tree.root_extensions
}

fn read_tree(start: &Start, job: &Job<'_>, writer: &mut PackWriter<'_>) -> Result<Tree> {
    let maker = start.writing.key_maker()?;
    let root = start.parent.as_ref().map(|(_, snapshot)| snapshot.root);
    let survivors = Survivors::new(&start.writing.reader, root, maker.generation());
    let parts = Parts {
        survivors: &survivors,
        store: start.writing.store.id(),
        keys: &start.writing.unlocked.keys,
        maker: &maker,
        reader: &start.writing.reader,
        chunker: start.writing.unlocked.sealed.chunker,
        levels: LEVELS,
    };
    pipeline::run(&parts, job, writer)
}

/// Returns whether the folder is the same directory as before: a pulled medium leaves another in its place.
fn same_root(before: &Stat, after: &Stat) -> bool {
    (before.device, before.inode) == (after.device, after.inode)
}

/// Returns whether the folder has lost its last name since: an open directory can be looked at when it is gone, and is empty.
fn was_removed(before: &Stat, after: &Stat) -> bool {
    before.links > 0 && after.links == 0
}
