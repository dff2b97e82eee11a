//! `restore`: entries of a snapshot become files again, batch by batch, nothing half-written under its final name.
//!
//! ```text
//! walk ----> places, in order ----> threads: open, decrypt, write, close ----> batch: one sync, then all renames
//!   | (one thread)                                                               ^
//!   \-------> directories, links, special files --------------------------------/
//! ```
//!
//! The walk goes through a directory in the order of the packs, so that each chunk is read once. What the target cannot hold
//! is reported and the rest goes on; a file whose chunks are damaged is left out whole. What stands in the target and not in
//! the snapshot stays unless it is asked to go; then it goes last, when all that was written is durable. The same restore done
//! again after one that ended early goes on where that stopped (`resume`).

mod content;
mod delete;
mod pool;
mod readback;
mod resume;
mod select;
mod standing;
mod walk;
mod write;

use crate::base::RelPath;
use crate::base::monitor::{Amount, CountingMonitor, Problem, Task};
use crate::crypto::wrap::Identity;
use crate::disk::{DiskError, Folder};
use crate::error::{Error, ErrorKind, Result};
use crate::folder::{BatchLimits, BatchWriter, RestoreId};
use crate::format::Pointer;
use crate::format::codec::Extensions;
use crate::format::snapshot::Snapshot;
use crate::format::tree::{Meta, Node};
use crate::ops::Run;
use crate::ops::open::{Copies, Reading, Spot};
use crate::store::StoreError;
use crate::tree::read::{Named, entries_max, resolve};
pub use delete::Deletion;
use resume::{Marker, PART_MIN_BYTES};
pub use select::Selection;
pub use standing::Overwrite;
use write::Restorer;

/// What `restore` is asked for.
pub struct RestoreRequest<'a> {
    /// Which entries: a directory's content goes into the target itself, anything else under its own name.
    pub spot: Spot,
    /// Opens the store.
    pub identities: &'a [Identity],
    /// Whether owners are set, which takes rights.
    pub owners: bool,
    /// How.
    pub options: RestoreOptions,
}

/// How entries are written; the default writes all of them over what stands there and removes nothing.
#[derive(Default)]
pub struct RestoreOptions {
    /// Which of the entries.
    pub selection: Selection,
    /// What becomes of those that stand there.
    pub overwrite: Overwrite,
    /// Whether what the snapshot does not have goes.
    pub delete: Option<Deletion>,
    /// Whether what was written is read back and compared.
    pub verify: bool,
    /// How many threads write; 0 for one a core, 1 for a run whose calls follow from the snapshot alone.
    pub threads: usize,
}

/// What becomes of one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// It is made; nothing stands there.
    Create,
    /// It is written over what stands there.
    Replace,
    /// It stands there as the snapshot has it.
    Keep,
    /// What stands there stays, as the overwrite mode says.
    Skip,
    /// It goes.
    Delete,
}

/// Hears of each entry and what becomes of it.
pub type Tell<'a> = &'a mut dyn FnMut(Act, &RelPath) -> Result<()>;

/// What `restore` did, or what [`preview`] found it would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Restored {
    /// Files, links and others written.
    pub files: u64,
    /// Bytes of files written.
    pub bytes: u64,
    /// Entries that stood there as the snapshot has them, and were not written.
    pub unchanged: u64,
    /// Entries that stayed as they were, as the overwrite mode says.
    pub skipped: u64,
    /// Entries that were removed.
    pub deleted: u64,
    /// Entries that were left out because the store is damaged.
    pub damaged: u64,
    /// Files and links that read back otherwise than they were written.
    pub differing: u64,
    /// Entries or attributes that the target did not take.
    pub left_alone: u64,
}

/// Restores a part of a snapshot into a folder.
///
/// # Durability
/// Everything is durable when this returns; after a cut within, each final name holds what it held before or the whole entry,
/// and the same restore goes on from there.
///
/// # Errors
/// [`ErrorKind::NoSpace`], [`ErrorKind::Gone`], [`ErrorKind::Interrupted`] and others; temporary files are removed but for long
/// ones. [`ErrorKind::Locked`] while another process restores the same there.
/// [`ErrorKind::Conflict`] where a deletion looks like a mistake, before anything is written.
pub fn restore(
    copies: impl Into<Copies>,
    folder: &dyn Folder,
    request: &RestoreRequest<'_>,
    run: Run<'_>,
) -> Result<Restored> {
    let reading = Reading::open(copies, request.identities, run)?;
    let source = Source::find(&reading, &request.spot)?;
    let monitor = CountingMonitor::new(run.monitor);
    let run = Run { monitor: &monitor, ..run };
    run.monitor.begin(Task::Restore, source.total);
    let result = write_all(&reading, folder, (&source, request), run);
    run.monitor.end(Task::Restore);
    let (mut done, hashes) = result.map_err(|stop| settle(&reading, Some(folder), stop))?;
    require_target(folder)?;
    reading.check_medium(done.restored.damaged)?;
    require_selected(request, done.seen)?;
    if let Some(hashes) = hashes {
        let compared = readback::compare(&reading.reader, folder, (&source, request), &hashes, run);
        done.restored.differing = compared.map_err(|stop| settle(&reading, Some(folder), stop))?;
        require_target(folder)?;
    }
    let told = done.restored.damaged + done.restored.differing;
    done.restored.left_alone = monitor.problems() - told;
    Ok(done.restored)
}

/// Tells what a restore would do, entry by entry, and writes nothing. Without a folder nothing stands there yet.
///
/// # Errors
/// Those of reading the store; whatever `tell` returns.
pub fn preview(
    copies: impl Into<Copies>,
    folder: Option<&dyn Folder>,
    request: &RestoreRequest<'_>,
    run: Run<'_>,
    tell: Tell<'_>,
) -> Result<Restored> {
    let reading = Reading::open(copies, request.identities, run)?;
    let source = Source::find(&reading, &request.spot)?;
    let monitor = CountingMonitor::new(run.monitor);
    let run = Run { monitor: &monitor, ..run };
    let mut looking = write::Looking::new(folder, request, run, tell);
    let walked = walk::walk(&reading.reader, &source, &request.options.selection, &mut looking);
    walked.map_err(|stop| settle(&reading, folder, stop))?;
    let (mut done, seen) = looking.done();
    reading.check_medium(done.damaged)?;
    require_selected(request, seen)?;
    if let (Some(folder), Some(_)) = (folder, &request.options.delete) {
        let plan = delete::plan(&reading.reader, folder, &source, request, run);
        for doomed in plan.map_err(|stop| settle(&reading, Some(folder), stop))?.all() {
            done.deleted += 1;
            tell(Act::Delete, &doomed.path)?;
        }
    }
    folder.map_or(Ok(()), require_target)?;
    done.left_alone = monitor.problems() - done.damaged;
    Ok(done)
}

/// What a run wrote, and how many entries were selected.
struct Done {
    restored: Restored,
    seen: u64,
}

/// The hash of each file that was written, in the order of the walk.
type Hashes = Vec<Option<[u8; 32]>>;

fn write_all(
    reading: &Reading,
    folder: &dyn Folder,
    (source, request): (&Source, &RestoreRequest<'_>),
    run: Run<'_>,
) -> std::result::Result<(Done, Option<Hashes>), Stop> {
    let plan = match request.options.delete {
        Some(_) => Some(delete::plan(&reading.reader, folder, source, request, run)?),
        None => None,
    };
    let mut deleted = 0;
    if let Some(plan) = &plan {
        plan.refuse_mistakes(source, request)?;
    }
    let marker = if source.is_long() { Marker::place(folder, source.restore)? } else { None };
    let earlier = marker.as_ref().and_then(|marker| marker.earlier);
    if earlier.is_some() {
        run.monitor.note("goes on with a restore of the same that was not finished");
    }
    if let Some(plan) = &plan {
        deleted += delete::remove(folder, &plan.in_the_way, run)?;
    }
    let mut batch = BatchWriter::new(folder, run.random, run.monitor, BatchLimits::default());
    if let Some(marker) = &marker {
        batch.go_on_later(marker.restore, &marker.path);
    }
    let (mut restorer, hashes) = pool::with_threads(&reading.reader, request, run, |writers| {
        let mut restorer = Restorer::new(folder, request, run, batch, writers, earlier);
        let walked = walk::walk(&reading.reader, source, &request.options.selection, &mut restorer);
        match walked.and_then(|()| restorer.wait_for_all()) {
            Ok(()) => Ok(restorer.written()),
            Err(stop) => {
                restorer.put_in_place(marker.is_some());
                Err(stop)
            }
        }
    })?;
    if let Some(plan) = plan.filter(|plan| !plan.extra.is_empty()) {
        if restorer.done.damaged > 0 {
            run.monitor.note("nothing was removed from the target, since the store is damaged");
        } else {
            restorer.batch.flush().and_then(|()| folder.sync_all()).map_err(target_error)?;
            deleted += delete::remove(folder, &plan.extra, run)?;
        }
    }
    // Before the times of directories are set.
    if let Some(marker) = marker {
        restorer.batch.flush().map_err(target_error)?;
        marker.lift(folder)?;
    }
    restorer.batch.finish().map_err(target_error)?;
    let restored = Restored { deleted, ..restorer.done };
    Ok((Done { restored, seen: restorer.seen }, request.options.verify.then_some(hashes)))
}

/// Refuses a selection that nothing matches, which most likely is a slip.
fn require_selected(request: &RestoreRequest<'_>, seen: u64) -> Result<()> {
    if seen > 0 || !request.options.selection.is_narrow() {
        return Ok(());
    }
    let text = "nothing in the snapshot matches --include, or --exclude leaves out all that does: patterns are \
                matched against the path below the one that is restored";
    Err(Error::new(ErrorKind::Other, text))
}

/// What is restored: the content of a directory, or one entry.
struct Source {
    /// What tells this restore from others.
    restore: RestoreId,
    named: Named,
    root: Pointer,
    meta: Meta,
    extensions: Extensions,
    total: Option<Amount>,
    /// Most entries that may lie below it.
    entries_max: u64,
}

impl Source {
    fn find(reading: &Reading, spot: &Spot) -> Result<Self> {
        let (listed, snapshot) = reading.snapshot(&spot.snapshot)?;
        let restore = [&reading.store.id().0[..], &listed.id.0, spot.path.as_bytes()].concat();
        let restore = RestoreId(*blake3::hash(&restore).as_bytes());
        let named = resolve(&reading.reader, &snapshot, &spot.path).map_err(|error| reading.store.settle(error))?;
        let none = || Error::new(ErrorKind::Other, format!("the snapshot holds no {}", spot.path));
        Ok(Self::of(restore, named.ok_or_else(none)?, snapshot))
    }

    fn of(restore: RestoreId, named: Named, snapshot: Snapshot) -> Self {
        let (totals, entries_max) = (snapshot.totals, entries_max(&snapshot));
        let total = Amount { files: totals.files + totals.others, bytes: totals.bytes };
        match &named {
            Named::Root => {
                let (root, meta, extensions) = (snapshot.root, snapshot.root_meta, snapshot.extensions);
                Self { restore, named, root, meta, extensions, total: Some(total), entries_max }
            }
            Named::Entry(entry) => {
                let root = if let Node::Dir { tree } = entry.node { tree } else { snapshot.root };
                let (meta, extensions) = (entry.meta.clone(), entry.extensions.clone());
                Self { restore, named, root, meta, extensions, total: None, entries_max }
            }
        }
    }

    /// Returns whether it is worth to be gone on with.
    fn is_long(&self) -> bool {
        match &self.named {
            Named::Root => true,
            Named::Entry(entry) => match entry.node {
                Node::File { len_bytes, .. } => len_bytes >= PART_MIN_BYTES,
                _ => self.dir().is_some(),
            },
        }
    }

    /// Returns the directory whose content is restored; nothing where it is another entry.
    fn dir(&self) -> Option<&Pointer> {
        match &self.named {
            Named::Root => Some(&self.root),
            Named::Entry(entry) => matches!(entry.node, Node::Dir { .. }).then_some(&self.root),
        }
    }
}

fn target_gone() -> Error {
    Error::new(ErrorKind::Gone, "the target's medium went away")
}

/// On a medium that went away files look written, and stand nowhere.
fn require_target(folder: &dyn Folder) -> Result<()> {
    if folder.is_gone() { Err(target_gone()) } else { Ok(()) }
}

fn settle(reading: &Reading, folder: Option<&dyn Folder>, stop: Stop) -> Error {
    let is_gone = || folder.is_some_and(Folder::is_gone);
    match stop {
        Stop::Other(error) if error.kind() == ErrorKind::Other && is_gone() => target_gone(),
        Stop::Store(error) => reading.store.settle(error).into(),
        Stop::Other(error) => error,
    }
}

/// Why a restore ends early: the store's medium, or the target and everything else.
enum Stop {
    Store(StoreError),
    Other(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

fn target_error(error: DiskError) -> Stop {
    Stop::Other(Error::from(error).within("cannot write to the target"))
}

fn damage(run: Run<'_>, path: &RelPath, error: &StoreError) {
    run.monitor.problem(Problem { subject: path.to_string(), reason: format!("left out, {error}") });
}
