//! `restore`: entries of a snapshot become files again, batch by batch, nothing half-written under its final name.
//!
//! What the target cannot hold is reported and the rest goes on; a file whose chunks are damaged is left out whole. Limits:
//! one thread; what stands in the target and not in the snapshot stays.

use std::collections::HashMap;
use std::sync::Arc;

use crate::base::monitor::{Amount, CountingMonitor, Problem, Task};
use crate::base::{FileId, RelPath};
use crate::crypto::wrap::Identity;
use crate::disk::folder::{Attributes, FileKind, FileTime};
use crate::disk::{Disk, DiskError, DiskErrorKind, Folder};
use crate::error::{Error, ErrorKind, Result};
use crate::folder::{BatchLimits, BatchWriter};
use crate::format::snapshot::Snapshot;
use crate::format::tree::{Entry, Meta, Node};
use crate::ops::Run;
use crate::ops::open::{Reading, Spot};
use crate::store::StoreError;
use crate::store::reader::ObjectReader;
use crate::tree::read::{Named, resolve, stream_file, walk};

/// What `restore` is asked for.
pub struct RestoreRequest<'a> {
    /// Which entries: a directory's content goes into the target itself, anything else under its own name.
    pub spot: Spot,
    /// Opens the store.
    pub identities: &'a [Identity],
    /// Whether owners are set, which takes rights.
    pub owners: bool,
}

/// What `restore` did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Restored {
    /// Files, links and others written.
    pub files: u64,
    /// Bytes of files written.
    pub bytes: u64,
    /// Entries that were left out because the store is damaged.
    pub damaged: u64,
    /// Entries or attributes that the target did not take.
    pub left_alone: u64,
}

/// Restores a part of a snapshot into a folder.
///
/// # Durability
/// Everything is durable when this returns; after a cut within, each final name holds what it held before or the whole entry.
///
/// # Errors
/// [`ErrorKind::NoSpace`], [`ErrorKind::Gone`], [`ErrorKind::Interrupted`] and others; temporary files are removed.
pub fn restore(
    disk: Arc<dyn Disk>,
    folder: &dyn Folder,
    request: &RestoreRequest<'_>,
    run: Run<'_>,
) -> Result<Restored> {
    let reading = Reading::open(disk, request.identities, run)?;
    let (_, snapshot) = reading.snapshot(&request.spot.snapshot)?;
    let named = resolve(&reading.reader, &snapshot, &request.spot.path).map_err(|error| reading.store.settle(error))?;
    let named =
        named.ok_or_else(|| Error::new(ErrorKind::Other, format!("the snapshot holds no {}", request.spot.path)))?;
    let monitor = CountingMonitor::new(run.monitor);
    let is_all = named == Named::Root;
    let total = Amount { files: snapshot.totals.files + snapshot.totals.others, bytes: snapshot.totals.bytes };
    run.monitor.begin(Task::Restore, is_all.then_some(total));
    let mut restorer = Restorer {
        reader: &reading.reader,
        batch: BatchWriter::new(folder, run.random, &monitor, BatchLimits::default()),
        monitor: &monitor,
        owners: request.owners,
        linked: HashMap::new(),
        done: Restored::default(),
    };
    let result = restorer.named(&named, &snapshot);
    let mut done = restorer.done;
    let result = result.and_then(|()| restorer.batch.finish().map_err(target_error));
    run.monitor.end(Task::Restore);
    result.map_err(|error| settle(&reading, error))?;
    // A medium that was pulled makes everything look damaged: believe it only while the marker still stands.
    if done.damaged > 0
        && let gone @ StoreError::Gone(_) = reading.store.settle(StoreError::damaged("an entry"))
    {
        return Err(gone.into());
    }
    done.left_alone = monitor.problems() - done.damaged;
    Ok(done)
}

fn settle(reading: &Reading, error: Stop) -> Error {
    match error {
        Stop::Store(error) => reading.store.settle(error).into(),
        Stop::Other(error) => error,
    }
}

/// Why a restore ends early: the store's medium, or the target and everything else.
enum Stop {
    Store(StoreError),
    Other(Error),
}

/// Returns whether damage in the store, a bad sector among it, costs one entry and what is below it, and not the run.
fn costs_one_entry(error: &StoreError) -> bool {
    match error {
        StoreError::Corrupt { .. } | StoreError::TooNew(_) => true,
        StoreError::Disk(error) => error.kind == DiskErrorKind::Io,
        _ => false,
    }
}

fn target_error(error: DiskError) -> Stop {
    Stop::Other(Error::from(error).within("cannot write to the target"))
}

struct Restorer<'a> {
    reader: &'a ObjectReader,
    batch: BatchWriter<'a>,
    monitor: &'a CountingMonitor<'a>,
    owners: bool,
    /// The first path of each file that has several.
    linked: HashMap<FileId, RelPath>,
    done: Restored,
}

impl Restorer<'_> {
    fn named(&mut self, named: &Named, snapshot: &Snapshot) -> std::result::Result<(), Stop> {
        let root = RelPath::root();
        let (tree, meta) = match named {
            Named::Root => (snapshot.root, &snapshot.root_meta),
            Named::Entry(entry) => match &entry.node {
                Node::Dir { tree } => (*tree, &entry.meta),
                _ => {
                    let path = root.join(&entry.name).unwrap_or_default();
                    return self.entry(&path, entry).map(|_| ());
                }
            },
        };
        let attributes = self.attributes(meta);
        self.batch.directory(&root, attributes).map_err(target_error)?;
        self.below(&tree, &root)
    }

    fn below(&mut self, tree: &crate::format::Pointer, path: &RelPath) -> std::result::Result<(), Stop> {
        // The walk knows store errors only; whatever else stops it is carried past it.
        let mut stopped = None;
        let mut damaged = Vec::new();
        let reader = self.reader;
        let walked = walk(
            reader,
            tree,
            path,
            &mut |path, entry| {
                self.entry(path, entry).map_err(|stop| match stop {
                    Stop::Store(error) => error,
                    Stop::Other(error) => {
                        stopped = Some(error);
                        StoreError::Interrupted
                    }
                })
            },
            &mut |path, error| {
                if !costs_one_entry(&error) {
                    return Err(error);
                }
                damaged.push((path.clone(), error));
                Ok(())
            },
        );
        for (path, error) in damaged {
            self.report_damage(&path, &error);
        }
        match stopped {
            Some(error) => Err(Stop::Other(error)),
            None => walked.map_err(Stop::Store),
        }
    }

    /// Restores one entry; tells whether to go into it.
    fn entry(&mut self, path: &RelPath, entry: &Entry) -> std::result::Result<bool, Stop> {
        if self.monitor_cancelled() {
            return Err(Stop::Other(Error::new(ErrorKind::Interrupted, "interrupted")));
        }
        let attributes = self.attributes(&entry.meta);
        let written = match &entry.node {
            Node::Dir { .. } => return self.batch.directory(path, attributes).map_err(target_error),
            Node::File { .. } => return self.file_or_link(path, entry, &attributes).map(|()| false),
            Node::Symlink { target } => self.batch.symlink(path, target, &attributes),
            Node::Fifo => self.batch.special(path, FileKind::Fifo, 0, &attributes),
            Node::Socket => self.batch.special(path, FileKind::Socket, 0, &attributes),
            Node::CharDevice(rdev) => self.batch.special(path, FileKind::CharDevice, *rdev, &attributes),
            Node::BlockDevice(rdev) => self.batch.special(path, FileKind::BlockDevice, *rdev, &attributes),
        };
        if written.map_err(target_error)? {
            self.count(0);
        }
        Ok(false)
    }

    fn file_or_link(
        &mut self,
        path: &RelPath,
        entry: &Entry,
        attributes: &Attributes,
    ) -> std::result::Result<(), Stop> {
        if entry.hard_linked
            && let Some(first) = self.linked.get(&entry.file_id)
            && self.batch.hard_link(first, path).map_err(target_error)?
        {
            self.count(0);
            return Ok(());
        }
        if self.file(path, entry, attributes)? && entry.hard_linked {
            self.linked.entry(entry.file_id).or_insert_with(|| path.clone());
        }
        Ok(())
    }

    /// Writes a file; tells whether it stands.
    fn file(&mut self, path: &RelPath, entry: &Entry, attributes: &Attributes) -> std::result::Result<bool, Stop> {
        let Node::File { len_bytes, content } = &entry.node else { return Ok(false) };
        let Some(mut file) = self.batch.begin_file(path).map_err(target_error)? else { return Ok(false) };
        let mut failed = None;
        let streamed = stream_file(self.reader, *len_bytes, content, &mut |bytes| {
            if self.monitor_cancelled() {
                return Err(StoreError::Interrupted);
            }
            file.append(bytes).map_err(|error| {
                failed = Some(error);
                StoreError::Interrupted
            })
        });
        if let Some(error) = failed {
            return Err(target_error(error));
        }
        match streamed {
            Ok(()) => {}
            Err(error) if costs_one_entry(&error) => {
                drop(file);
                self.report_damage(path, &error);
                return Ok(false);
            }
            Err(error) => return Err(Stop::Store(error)),
        }
        self.batch.finish_file(file, attributes).map_err(target_error)?;
        self.count(*len_bytes);
        Ok(true)
    }

    fn count(&mut self, bytes: u64) {
        self.done.files += 1;
        self.done.bytes += bytes;
        crate::base::Monitor::advance(self.monitor, Task::Restore, Amount { files: 1, bytes });
    }

    fn report_damage(&mut self, path: &RelPath, error: &StoreError) {
        self.done.damaged += 1;
        let reason = format!("left out, {error}");
        crate::base::Monitor::problem(self.monitor, Problem { subject: path.to_string(), reason });
    }

    fn monitor_cancelled(&self) -> bool {
        crate::base::Monitor::cancelled(self.monitor)
    }

    fn attributes(&self, meta: &Meta) -> Attributes {
        Attributes {
            mode: Some(meta.mode),
            owner: self.owners.then_some((meta.uid, meta.gid)),
            mtime: Some(FileTime { secs: meta.mtime_secs, nanos: meta.mtime_nanos }),
            extended: Vec::new(),
        }
    }
}
