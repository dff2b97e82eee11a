//! The lookout of a commit: lists the folder's directories, with what the last snapshot has in each, one ahead of the source
//! and in its order.
//!
//! A directory comes before those in it, and these in the order of their names. One that does not list has none.

use std::collections::HashMap;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::steps::Job;
use crate::base::{EntryName, RelPath};
use crate::disk::DiskError;
use crate::disk::folder::FileKind;
use crate::error::Result;
use crate::folder::{ScannedDir, Scanner};
use crate::format::Pointer;
use crate::format::tree::{Entry, Node};
use crate::store::StoreError;
use crate::store::reader::ObjectReader;
use crate::tree::read::entries;

/// Directories that wait for the source. A long one takes memory, so there are few.
const QUEUE: usize = 1;

/// The entries of a directory by name.
pub type Entries = HashMap<EntryName, Entry>;

/// What stands in a directory, and what stood there.
pub struct Sighted {
    /// Where it stands.
    pub path: RelPath,
    /// Its entries now.
    pub scanned: std::result::Result<ScannedDir, DiskError>,
    /// Its entries in the last snapshot, none where those do not read.
    pub before: Entries,
}

/// The source hung up, or was told of a failure and will.
struct Over;

/// Looks through the folder until all is seen or the source hangs up.
pub struct Lookout<'a> {
    job: &'a Job<'a>,
    reader: &'a ObjectReader,
    sighted: Sender<Result<Sighted>>,
}

impl<'a> Lookout<'a> {
    /// Makes a lookout and the queue of what it sees.
    #[must_use]
    pub fn new(job: &'a Job<'a>, reader: &'a ObjectReader) -> (Self, Receiver<Result<Sighted>>) {
        let (sighted, queue) = bounded(QUEUE);
        (Self { job, reader, sighted }, queue)
    }

    /// Looks through the folder.
    pub fn run(self) {
        let before = self.job.parent.map(|parent| parent.root);
        // The source hangs up when it fails, and says why itself.
        let _ = self.directory(&RelPath::root(), before.as_ref());
    }

    fn directory(&self, path: &RelPath, before: Option<&Pointer>) -> std::result::Result<(), Over> {
        let scanned = Scanner::new(self.job.folder, self.job.excludes).list(path);
        let before = match self.entries_before(before) {
            Ok(before) => before,
            Err(error) => {
                let _ = self.sighted.send(Err(error.into()));
                return Err(Over);
            }
        };
        let below = subdirectories(&scanned, &before);
        self.sighted.send(Ok(Sighted { path: path.clone(), scanned, before })).map_err(|_| Over)?;
        for (name, before) in below {
            if let Ok(path) = path.join(&name) {
                self.directory(&path, before.as_ref())?;
            }
        }
        Ok(())
    }

    /// Returns what the last snapshot had in a directory. If that does not read, everything is read from the folder.
    fn entries_before(&self, before: Option<&Pointer>) -> std::result::Result<Entries, StoreError> {
        let Some(pointer) = before else { return Ok(HashMap::new()) };
        match entries(self.reader, pointer) {
            Ok(entries) => Ok(entries.into_iter().map(|entry| (entry.name.clone(), entry)).collect()),
            Err(error) if error.is_damage() => Ok(HashMap::new()),
            Err(error) => Err(error),
        }
    }
}

/// Returns the directories in a directory, each with the root of what it held in the last snapshot.
fn subdirectories(
    scanned: &std::result::Result<ScannedDir, DiskError>,
    before: &Entries,
) -> Vec<(EntryName, Option<Pointer>)> {
    let Ok(scanned) = scanned else { return Vec::new() };
    let dirs = scanned.entries.iter().filter(|(_, stat)| stat.kind == FileKind::Dir);
    let tree = |name: &EntryName| match before.get(name).map(|entry| &entry.node) {
        Some(Node::Dir { tree }) => Some(*tree),
        _ => None,
    };
    dirs.map(|(name, _)| (name.clone(), tree(name))).collect()
}
