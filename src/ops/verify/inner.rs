//! The inner layer: from every kept snapshot down to its chunks, each object once, however many places name it.
//!
//! Trees and lists are read and held to their shape, and every file's length to its extents. A directory that several
//! snapshots hold is gone through for the newest alone, so that is where its paths are told of.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{Finding, ProblemKind, Report};
use crate::base::monitor::{Amount, Task};
use crate::base::{DedupGeneration, EntryName, ObjectId, PackHash, RelPath};
use crate::error::Result;
use crate::format::list::ListNode;
use crate::format::sealed::SnapshotRef;
use crate::format::snapshot::Snapshot;
use crate::format::tree::{Content, Entry, LEVELS_MAX, Node, TreeNode};
use crate::format::{Extent, Pointer};
use crate::ops::Run;
use crate::store::index::read_part;
use crate::store::object::Opener;
use crate::store::reader::ObjectReader;
use crate::store::{Store, StoreError, Unlocked, layout};
use crate::tree::cursor::{Said, Unread, read_checked};
use crate::tree::snapshots;

/// Most paths that are named for one problem.
const PATHS_MAX: usize = 100;

/// What names an object.
type Name = (ObjectId, DedupGeneration);

/// What is looked at.
#[derive(Clone, Copy)]
pub struct Layer<'a> {
    /// The store.
    pub store: &'a Store,
    /// What an identity opened.
    pub unlocked: &'a Unlocked,
    /// Reads objects.
    pub reader: &'a ObjectReader,
}

/// Distinct paths: how many, and the first by name.
#[derive(Debug, Clone, Default)]
pub struct Paths {
    first: BTreeSet<RelPath>,
    /// The beginnings of their hashes, since a problem may touch millions.
    known: HashSet<[u8; 16]>,
}

impl Paths {
    fn add(&mut self, path: &RelPath) {
        let mut short = [0; 16];
        short.copy_from_slice(&blake3::hash(path.as_bytes()).as_bytes()[..16]);
        if self.known.insert(short) {
            self.first.insert(path.clone());
            if self.first.len() > PATHS_MAX {
                self.first.pop_last();
            }
        }
    }

    /// Returns how many there are.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.known.len() as u64
    }

    /// Returns at most the first hundred, by name.
    #[must_use]
    pub fn first(&self) -> Vec<RelPath> {
        self.first.iter().cloned().collect()
    }
}

/// What was found.
#[derive(Default)]
pub struct Found {
    /// Objects that were looked up or opened.
    pub objects: u64,
    /// Objects that are lost: in no pack, or not what their parents say.
    pub lost_objects: u64,
    /// Kept snapshots that do not read themselves.
    pub lost_snapshots: Vec<ObjectId>,
    /// Every path that is spoiled.
    pub paths: Paths,
    spoiled: BTreeMap<(ProblemKind, String), (Option<String>, Paths)>,
}

impl Found {
    /// Adds what was found to a report: the paths to the packs that are told of already, and the rest as findings.
    pub fn tell(self, report: &mut Report) {
        for ((kind, file), (why, paths)) in self.spoiled {
            let (first, total) = (paths.first(), paths.total());
            match report.findings.iter_mut().find(|finding| finding.file == file && !finding.healed) {
                Some(finding) => (finding.paths, finding.paths_total) = (first, total),
                None => report.add(Finding { paths: first, paths_total: total, ..Finding::new(kind, file, why) }),
            }
        }
    }
}

/// The check.
pub struct Inner<'a> {
    layer: Layer<'a>,
    broken: &'a HashSet<PackHash>,
    read_data: bool,
    run: Run<'a>,
    /// What merged indexes say of packs that are broken.
    was_in: HashMap<Name, PackHash>,
    seen: HashSet<Name>,
    bad: HashSet<Name>,
    found: Found,
}

impl<'a> Inner<'a> {
    /// Prepares a check; `broken` are packs that are known to be, whose objects count as lost unless `read_data` opens them.
    #[must_use]
    pub fn new(layer: Layer<'a>, broken: &'a HashSet<PackHash>, read_data: bool, run: Run<'a>) -> Self {
        let (was_in, seen, bad, found) = (HashMap::new(), HashSet::new(), HashSet::new(), Found::default());
        Self { layer, broken, read_data, run, was_in, seen, bad, found }
    }

    /// Checks everything; costs a read of each tree and list, and with `read_data` of each chunk.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Gone`], [`crate::error::ErrorKind::Interrupted`].
    pub fn check(mut self) -> Result<Found> {
        self.run.monitor.begin(Task::Read, None);
        self.indexes()?;
        let kept = &self.layer.unlocked.sealed.snapshots;
        for (at, named) in kept.iter().enumerate().rev() {
            self.found.objects += 1;
            match snapshots::load(self.layer.reader, named) {
                Ok(snapshot) => {
                    if let Some(why) = misfit(&kept[..at], named, &snapshot) {
                        self.spoil(ProblemKind::Object, format!("snapshot {}", named.id), Some(why), None);
                    }
                    self.tree(&snapshot.root, &RelPath::root())?;
                }
                Err(error) => {
                    let why = self.one_object(error)?;
                    self.found.lost_snapshots.push(named.id);
                    self.found.lost_objects += 1;
                    self.spoil(ProblemKind::Object, format!("snapshot {}", named.id), Some(why), None);
                }
            }
        }
        self.run.monitor.end(Task::Read);
        self.found.lost_objects += self.bad.len() as u64;
        Ok(self.found)
    }

    /// Tells damage of one object, as text, from what ends the run.
    fn one_object(&self, error: StoreError) -> Result<String> {
        match self.layer.store.settle(error) {
            error if error.costs_one_entry() => Ok(error.to_string()),
            error => Err(error.into()),
        }
    }

    fn spoil(&mut self, kind: ProblemKind, file: String, why: Option<String>, path: Option<&RelPath>) {
        let (_, paths) = self.found.spoiled.entry((kind, file)).or_insert_with(|| (why, Paths::default()));
        if let Some(path) = path {
            paths.add(path);
            self.found.paths.add(path);
        }
    }

    /// Notes that a path is spoiled by a broken pack that should hold an object, or by the object where no broken one does.
    fn blame(&mut self, pointer: &Pointer, why: &str, path: &RelPath) {
        let name = (pointer.id, pointer.dedup_generation);
        self.bad.insert(name);
        let place = self.layer.reader.index().find(&pointer.id, pointer.dedup_generation);
        let pack = place.map(|place| place.pack).filter(|pack| self.broken.contains(pack));
        match pack.or_else(|| self.was_in.get(&name).copied()) {
            Some(pack) => self.spoil(ProblemKind::DamagedPack, layout::pack(&pack).to_string(), None, Some(path)),
            None => {
                self.spoil(ProblemKind::Object, format!("object {}", pointer.id), Some(why.to_owned()), Some(path));
            }
        }
    }

    /// Says why an object is not where it should be, or not as its parent says.
    fn astray(&self, pointer: &Pointer) -> Option<&'static str> {
        let Some(place) = self.layer.reader.index().find(&pointer.id, pointer.dedup_generation) else {
            return Some("it is in no pack");
        };
        if place.entry.kind != pointer.kind || place.entry.len_bytes != pointer.len_bytes {
            return Some("its pack says that it is of another kind or length");
        }
        let class = self.layer.store.packs().pack(&place.pack).map(|pack| pack.class);
        (class != Some(pointer.kind.class())).then_some("it lies in a pack of the wrong class")
    }

    /// Notes that an object is named; tells whether it is for the first time and where it should be. What is bad is blamed.
    fn is_new(&mut self, pointer: &Pointer, path: &RelPath) -> bool {
        let name = (pointer.id, pointer.dedup_generation);
        if !self.seen.insert(name) {
            if self.bad.contains(&name) {
                self.blame(pointer, "it does not read", path);
            }
            return false;
        }
        self.found.objects += 1;
        self.run.monitor.advance(Task::Read, Amount { files: 1, bytes: pointer.len_bytes });
        if let Some(why) = self.astray(pointer) {
            self.blame(pointer, why, path);
            return false;
        }
        true
    }

    fn indexes(&mut self) -> Result<()> {
        let Layer { store, unlocked, .. } = self.layer;
        let mut opener = Opener::new(store.id())?;
        for part in &unlocked.sealed.indexes {
            let read = match store.packs().pack(&part.pack) {
                Some(_) => read_part(store.disk().as_ref(), part, &unlocked.keys, &mut opener),
                None => Err(StoreError::damaged("a merged index in a pack that is not listed")),
            };
            let error = match read {
                Ok(part) => {
                    let lost = part.entries.iter().map(|entry| (part.packs[entry.pack as usize], entry.entry));
                    let lost = lost.filter(|(pack, _)| self.broken.contains(pack));
                    self.was_in.extend(lost.map(|(pack, entry)| ((entry.id, entry.dedup_generation), pack)));
                    continue;
                }
                Err(StoreError::Disk(error)) if error.kind == crate::disk::DiskErrorKind::NotFound => {
                    StoreError::corrupt("the pack of a merged index", error)
                }
                Err(error) => error,
            };
            let why = format!("it lies in {}, where {}", layout::pack(&part.pack), self.one_object(error)?);
            self.spoil(ProblemKind::Index, format!("index {}", part.pointer.id), Some(why), None);
        }
        Ok(())
    }

    fn tree(&mut self, root: &Pointer, path: &RelPath) -> Result<()> {
        let mut directories = vec![(path.clone(), *root)];
        while let Some((path, root)) = directories.pop() {
            self.run.check()?;
            let mut ahead = vec![Unread { pointer: root, said: None }];
            let mut last: Option<EntryName> = None;
            while let Some(node) = ahead.pop() {
                if !self.is_new(&node.pointer, &path) {
                    continue;
                }
                match read_checked(self.layer.reader, &node) {
                    Ok(TreeNode::Inner(level, children)) => ahead.extend(children.into_iter().rev().map(|child| {
                        let said = Some(Said { level: level - 1, first: child.first });
                        Unread { pointer: child.pointer, said }
                    })),
                    Ok(TreeNode::Leaf(entries)) => {
                        if entries.first().is_some_and(|first| last.as_ref().is_some_and(|last| *last >= first.name)) {
                            self.blame(&node.pointer, "its entries are out of order", &path);
                        }
                        last = entries.last().map(|entry| entry.name.clone()).or(last);
                        for entry in entries {
                            self.entry(entry, &path, &mut directories)?;
                        }
                    }
                    Err(error) => {
                        let why = self.one_object(error)?;
                        self.blame(&node.pointer, &why, &path);
                    }
                }
            }
        }
        Ok(())
    }

    fn entry(&mut self, entry: Entry, path: &RelPath, directories: &mut Vec<(RelPath, Pointer)>) -> Result<()> {
        let Ok(path) = path.join(&entry.name) else {
            let why = "a path below it is too long or nested too deep".to_owned();
            self.spoil(ProblemKind::Object, format!("directory {path}"), Some(why), Some(path));
            return Ok(());
        };
        match entry.node {
            Node::Dir { tree } => directories.push((path, tree)),
            Node::File { len_bytes, content } => {
                let sum = match &content {
                    Content::Inline(extents) => Some(self.extents(extents, &path)?),
                    Content::List(root) => self.list(root, None, &path)?,
                };
                if let Some(sum) = sum.filter(|sum| *sum != len_bytes) {
                    let why = format!("its entry says {len_bytes} bytes, its extents come to {sum}");
                    self.spoil(ProblemKind::Object, format!("file {path}"), Some(why), Some(&path));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Checks a node of a list and what is below it; returns the bytes that it comes to, if all of it reads. No deeper than
    /// the levels that a list may have.
    fn list(&mut self, pointer: &Pointer, level: Option<u8>, path: &RelPath) -> Result<Option<u64>> {
        let name = (pointer.id, pointer.dedup_generation);
        self.is_new(pointer, path);
        if self.bad.contains(&name) {
            return Ok(None);
        }
        let read = self.layer.reader.read(pointer);
        let node = read.and_then(|plain| {
            ListNode::decode(&plain).map_err(|error| StoreError::format(format!("list {}", pointer.id), error))
        });
        match node {
            Ok(ListNode::Leaf(extents)) if level.is_none_or(|level| level == 0) => {
                self.extents(&extents, path).map(Some)
            }
            Ok(ListNode::Inner(own, children)) if level.is_none_or(|level| level == own) && own <= LEVELS_MAX => {
                let mut total = Some(0u64);
                for child in &children {
                    let below = self.list(&child.pointer, Some(own - 1), path)?;
                    if below.is_some_and(|below| below != child.len_bytes) {
                        self.blame(pointer, "it says another length than its children come to", path);
                    }
                    total = total.zip(below).map(|(total, below)| total.saturating_add(below));
                }
                Ok(total)
            }
            Ok(_) => {
                self.blame(pointer, "it is of another level than its parent says", path);
                Ok(None)
            }
            Err(error) => {
                let why = self.one_object(error)?;
                self.blame(pointer, &why, path);
                Ok(None)
            }
        }
    }

    fn extents(&mut self, extents: &[Extent], path: &RelPath) -> Result<u64> {
        let mut sum = 0u64;
        for extent in extents {
            sum = sum.saturating_add(extent.len_bytes);
            if extent.offset.saturating_add(extent.len_bytes) > extent.chunk.len_bytes {
                let why = "an extent lies outside its chunk".to_owned();
                self.spoil(ProblemKind::Object, format!("file {path}"), Some(why), Some(path));
            }
            self.chunk(&extent.chunk, path)?;
        }
        Ok(sum)
    }

    fn chunk(&mut self, chunk: &Pointer, path: &RelPath) -> Result<()> {
        if !self.is_new(chunk, path) {
            return Ok(());
        }
        if self.read_data {
            if let Err(error) = self.layer.reader.read(chunk) {
                let why = self.one_object(error)?;
                self.blame(chunk, &why, path);
            }
            return Ok(());
        }
        let place = self.layer.reader.index().find(&chunk.id, chunk.dedup_generation);
        if place.is_some_and(|place| self.broken.contains(&place.pack)) {
            self.blame(chunk, "its pack is damaged", path);
        }
        Ok(())
    }
}

/// Says how a snapshot does not fit what is kept, `older` being the snapshots before it.
fn misfit(older: &[SnapshotRef], named: &SnapshotRef, snapshot: &Snapshot) -> Option<String> {
    if snapshot.epoch != named.epoch {
        return Some("it says another epoch than the manifest".to_owned());
    }
    let mut known = HashSet::from([named.id]);
    for parent in &snapshot.parents {
        if !known.insert(parent.id) {
            return Some(format!("it names its parent {} twice, or itself", parent.id));
        }
        let kept = older.iter().find(|kept| kept.id == parent.id);
        if kept.is_some_and(|kept| kept.epoch != parent.epoch || kept.len_bytes != parent.len_bytes) {
            return Some(format!("it says another epoch or length of its parent {} than the manifest", parent.id));
        }
    }
    None
}
