//! The simulated folder's inodes, and the small changes that every operation is made of.
//!
//! An operation is one or several [`Change`]s; a power cut may keep any of those that no sync has made durable.

use std::collections::BTreeMap;

use crate::base::{EntryName, RelPath};
use crate::disk::DiskErrorKind;
use crate::disk::folder::{Attributes, ExtendedAttribute, FileKind, FileTime, Hole, Stat};

/// Length of the blocks that are holes or not.
const BLOCK_BYTES: usize = 4096;
/// Number of the root's inode.
pub(super) const ROOT: u64 = 1;

/// What an inode holds.
#[derive(Debug, Clone)]
pub(super) enum Content {
    File(Vec<u8>),
    Dir(BTreeMap<EntryName, u64>),
    Symlink(Vec<u8>),
    Special(FileKind, u64),
}

/// One inode.
#[derive(Debug, Clone)]
pub(super) struct Inode {
    pub content: Content,
    pub mode: u32,
    pub owner: (u32, u32),
    pub mtime: FileTime,
    pub ctime: FileTime,
    pub extended: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// The smallest thing that survives a cut or does not.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// A new inode without a name; always kept, since nothing shows it.
    Inode(u64, Inode),
    /// A name for an inode.
    Link(u64, EntryName, u64),
    /// A name taken away, if it still means that inode.
    Unlink(u64, EntryName, u64),
    /// Bytes at an offset of a file.
    Write(u64, usize, Vec<u8>),
    /// A file's length.
    SetLen(u64, usize),
    /// Attributes.
    Attributes(u64, Attributes),
}

/// All inodes by number.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    inodes: BTreeMap<u64, Inode>,
    next_inode: u64,
    tick: u32,
    coarse_times: bool,
    zeros_are_holes: bool,
}

impl Tree {
    pub(super) fn new(coarse_times: bool, zeros_are_holes: bool) -> Self {
        let mut tree = Self { inodes: BTreeMap::new(), next_inode: ROOT + 1, tick: 0, coarse_times, zeros_are_holes };
        let root = tree.new_inode(Content::Dir(BTreeMap::new()), 0o700);
        tree.inodes.insert(ROOT, root);
        tree
    }

    /// Returns the time of the next change; each is later than the one before, where times are not coarse.
    pub(super) fn now(&mut self) -> FileTime {
        self.tick += 1;
        let nanos = if self.coarse_times { 0 } else { self.tick % 1_000 * 1_000_000 };
        FileTime { secs: 1_000_000_000 + i64::from(self.tick / 1_000), nanos }
    }

    pub(super) fn new_inode(&mut self, content: Content, mode: u32) -> Inode {
        let now = self.now();
        Inode { content, mode, owner: (1000, 1000), mtime: now, ctime: now, extended: BTreeMap::new() }
    }

    pub(super) fn take_number(&mut self) -> u64 {
        self.next_inode += 1;
        self.next_inode - 1
    }

    pub(super) fn get(&self, number: u64) -> Option<&Inode> {
        self.inodes.get(&number)
    }

    pub(super) fn entries(&self, dir: u64) -> Result<&BTreeMap<EntryName, u64>, DiskErrorKind> {
        match self.get(dir).map(|inode| &inode.content) {
            Some(Content::Dir(entries)) => Ok(entries),
            _ => Err(DiskErrorKind::WrongType),
        }
    }

    /// Returns what a name in a directory means, and the name as it stands there.
    pub(super) fn child(
        &self,
        dir: u64,
        name: &EntryName,
        fold_case: bool,
    ) -> Result<Option<(EntryName, u64)>, DiskErrorKind> {
        let entries = self.entries(dir)?;
        if !fold_case {
            return Ok(entries.get(name).map(|&number| (name.clone(), number)));
        }
        let same = |other: &EntryName| folded(other) == folded(name);
        Ok(entries.iter().find(|(other, _)| same(other)).map(|(other, &number)| (other.clone(), number)))
    }

    /// Returns the inode of a path, or nothing where its last name is missing.
    pub(super) fn find(&self, path: &RelPath, fold_case: bool) -> Result<Option<u64>, DiskErrorKind> {
        let mut at = Some(ROOT);
        for name in path.names() {
            let dir = at.ok_or(DiskErrorKind::NotFound)?;
            at = self.child(dir, &name, fold_case)?.map(|(_, number)| number);
        }
        Ok(at)
    }

    pub(super) fn stat(&self, number: u64) -> Option<Stat> {
        let inode = self.get(number)?;
        let (kind, len_bytes, rdev) = match &inode.content {
            Content::File(bytes) => (FileKind::File, bytes.len() as u64, 0),
            Content::Dir(_) => (FileKind::Dir, 0, 0),
            Content::Symlink(target) => (FileKind::Symlink, target.len() as u64, 0),
            Content::Special(kind, rdev) => (*kind, 0, *rdev),
        };
        Some(Stat {
            kind,
            mode: inode.mode,
            uid: inode.owner.0,
            gid: inode.owner.1,
            len_bytes,
            mtime: inode.mtime,
            ctime: inode.ctime,
            device: 7,
            inode: number,
            links: self.links(number),
            rdev,
            birth: None,
            is_sparse: !self.holes(number).is_empty(),
        })
    }

    /// Returns the holes of a file, where blocks of zeros count as such.
    pub(super) fn holes(&self, number: u64) -> Vec<Hole> {
        let Some(Content::File(bytes)) = self.get(number).map(|inode| &inode.content) else { return Vec::new() };
        let mut holes: Vec<Hole> = Vec::new();
        if !self.zeros_are_holes {
            return holes;
        }
        for (at, block) in bytes.chunks(BLOCK_BYTES).enumerate().filter(|(_, block)| block.iter().all(|&b| b == 0)) {
            let (offset, len_bytes) = ((at * BLOCK_BYTES) as u64, block.len() as u64);
            match holes.last_mut() {
                Some(last) if last.offset + last.len_bytes == offset => last.len_bytes += len_bytes,
                _ => holes.push(Hole { offset, len_bytes }),
            }
        }
        holes
    }

    pub(super) fn extended(&self, number: u64) -> Vec<ExtendedAttribute> {
        let pairs = self.get(number).into_iter().flat_map(|inode| &inode.extended);
        pairs.map(|(name, value)| ExtendedAttribute { name: name.clone(), value: value.clone() }).collect()
    }

    fn links(&self, number: u64) -> u64 {
        let names = self.inodes.values().filter_map(|inode| match &inode.content {
            Content::Dir(entries) => Some(entries.values().filter(|&&other| other == number).count() as u64),
            _ => None,
        });
        names.sum()
    }

    /// Applies a change, as far as what it needs is there.
    pub(super) fn apply(&mut self, change: &Change) {
        let now = self.now();
        match change {
            Change::Inode(number, inode) => {
                self.next_inode = self.next_inode.max(number + 1);
                self.inodes.insert(*number, inode.clone());
            }
            Change::Link(dir, name, number) => self.edit_dir(*dir, now, |entries| {
                entries.insert(name.clone(), *number);
            }),
            Change::Unlink(dir, name, number) => self.edit_dir(*dir, now, |entries| {
                if entries.get(name) == Some(number) {
                    entries.remove(name);
                }
            }),
            Change::Write(number, offset, bytes) => self.edit_file(*number, now, |content| {
                let end = offset + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*offset..end].copy_from_slice(bytes);
            }),
            Change::SetLen(number, len) => self.edit_file(*number, now, |content| content.resize(*len, 0)),
            Change::Attributes(number, attributes) => {
                let Some(inode) = self.inodes.get_mut(number) else { return };
                inode.owner = attributes.owner.unwrap_or(inode.owner);
                if !matches!(inode.content, Content::Symlink(_)) {
                    inode.mode = attributes.mode.map_or(inode.mode, |mode| mode & 0o7777);
                }
                let pairs = attributes.extended.iter().map(|one| (one.name.clone(), one.value.clone()));
                inode.extended.extend(pairs);
                inode.mtime = attributes.mtime.unwrap_or(inode.mtime);
                inode.ctime = now;
            }
        }
    }

    fn edit_dir(&mut self, dir: u64, now: FileTime, edit: impl FnOnce(&mut BTreeMap<EntryName, u64>)) {
        if let Some(Inode { content: Content::Dir(entries), mtime, ctime, .. }) = self.inodes.get_mut(&dir) {
            edit(entries);
            (*mtime, *ctime) = (now, now);
        }
    }

    fn edit_file(&mut self, number: u64, now: FileTime, edit: impl FnOnce(&mut Vec<u8>)) {
        if let Some(Inode { content: Content::File(bytes), mtime, ctime, .. }) = self.inodes.get_mut(&number) {
            edit(bytes);
            (*mtime, *ctime) = (now, now);
        }
    }
}

fn folded(name: &EntryName) -> String {
    String::from_utf8_lossy(name.as_bytes()).to_lowercase()
}
