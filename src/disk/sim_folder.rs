//! [`SimFolder`]: the simulated twin of [`super::OsFolder`], in memory.
//!
//! It keeps every operation, and rebuilds the folders that a power cut after any of them may leave; it fails the
//! call that it is told to fail, refuses what it is told that the file system cannot do, changes a file while
//! it is being read, and counts calls. Limits: one file system, no rights but the ones that a test denies.

mod images;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::folder::{Attributes, ExtendedAttribute, FileKind, Folder, FolderFile, FolderWriter, Hole, Listing, Stat};
use super::windows_names::windows_takes;
use super::{DiskError, DiskErrorKind, Lock};
use crate::base::{EntryName, RelPath};

pub use images::ImageBudget;
use images::{Op, crash_trees};
use tree::{Change, Content, ROOT, Tree};

/// Longest file, since holes take memory here.
const FILE_MAX_BYTES: usize = 1 << 30;
/// Longest target of a link.
const TARGET_MAX_BYTES: usize = 4095;
/// Longest name, as on most file systems.
const NAME_MAX_BYTES: usize = 255;

/// What the simulated file system cannot do, or does its own way.
#[derive(Debug, Clone, Copy, Default)]
pub struct SimRules {
    /// `a` and `A` are one name.
    pub fold_case: bool,
    /// Names that Windows reserves or cannot hold are refused with [`DiskErrorKind::BadName`].
    pub windows_names: bool,
    /// Setting an owner fails with [`DiskErrorKind::Denied`].
    pub refuse_owners: bool,
    /// Setting a mode fails with [`DiskErrorKind::Denied`].
    pub refuse_modes: bool,
    /// Symbolic links, hard links and special files fail with [`DiskErrorKind::Io`].
    pub plain_files_only: bool,
    /// Setting an extended attribute fails with [`DiskErrorKind::Io`], as where the file system has none.
    pub refuse_extended: bool,
    /// Aligned blocks of 4 KiB that hold zeros alone are holes, as on file systems that look for them.
    pub zeros_are_holes: bool,
    /// Times are whole seconds, so that quick changes look alike.
    pub coarse_times: bool,
    /// The medium is known to be gone, while the system's cache goes on to answer for it.
    pub is_gone: bool,
}

/// A call that fails.
#[derive(Debug, Clone, Copy)]
pub struct SimFault {
    /// Which call, counted from 0 over all calls since the fault was set.
    pub at_call: u64,
    /// How. After [`DiskErrorKind::Gone`] and [`DiskErrorKind::NoSpace`] later calls fail the same way: all of
    /// them, or those that need space.
    pub kind: DiskErrorKind,
}

/// How often what was called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SimCounts {
    /// All calls, those of open files among them.
    pub calls: u64,
    /// [`Folder::open`].
    pub opens: u64,
    /// [`Folder::stat`] and [`FolderFile::stat`].
    pub stats: u64,
    /// [`Folder::list`].
    pub lists: u64,
    /// Reads of open files.
    pub reads: u64,
    /// [`FolderWriter::append`].
    pub appends: u64,
    /// [`Folder::sync_all`].
    pub syncs: u64,
}

/// What one entry of a simulated folder is and holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimEntry {
    /// State.
    pub stat: Stat,
    /// A file's bytes or a link's target; empty for others.
    pub bytes: Vec<u8>,
}

type ReadHook = Box<dyn FnMut(&SimFolder) + Send>;

struct State {
    tree: Tree,
    start: Tree,
    ops: Vec<Op>,
    rules: SimRules,
    counts: SimCounts,
    fault: Option<SimFault>,
    fault_base: u64,
    denied: BTreeSet<RelPath>,
    hooks: BTreeMap<u64, ReadHook>,
    locked: BTreeSet<u64>,
}

/// A folder in memory. Clones share it.
#[derive(Clone)]
pub struct SimFolder(Arc<Mutex<State>>);

impl Default for SimFolder {
    fn default() -> Self {
        Self::new(SimRules::default())
    }
}

/// What kind of right or resource a call needs, for the faults that outlive one call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Nothing,
    Space,
}

impl SimFolder {
    /// Makes an empty folder.
    #[must_use]
    pub fn new(rules: SimRules) -> Self {
        Self::from_tree(Tree::new(rules.coarse_times, rules.zeros_are_holes), rules)
    }

    fn from_tree(tree: Tree, rules: SimRules) -> Self {
        Self(Arc::new(Mutex::new(State {
            start: tree.clone(),
            tree,
            ops: Vec::new(),
            rules,
            counts: SimCounts::default(),
            fault: None,
            fault_base: 0,
            denied: BTreeSet::new(),
            hooks: BTreeMap::new(),
            locked: BTreeSet::new(),
        })))
    }

    /// Makes everything so far durable and forgets how it came about: operations count from here.
    pub fn settle(&self) {
        let mut state = self.lock_state();
        state.start = state.tree.clone();
        state.ops.clear();
    }

    /// Returns the number of operations since the folder settled.
    #[must_use]
    pub fn op_count(&self) -> usize {
        self.lock_state().ops.len()
    }

    /// Returns the folders that a power cut after the first `at_op` operations may leave.
    #[must_use]
    pub fn crash_images(&self, at_op: usize, budget: &ImageBudget) -> Vec<Self> {
        let state = self.lock_state();
        let trees = crash_trees(&state.start, &state.ops, at_op, budget);
        trees.into_iter().map(|tree| Self::from_tree(tree, state.rules)).collect()
    }

    /// Lets a call fail; `None` heals the folder.
    pub fn set_fault(&self, fault: Option<SimFault>) {
        let mut state = self.lock_state();
        state.fault = fault;
        state.fault_base = state.counts.calls;
    }

    /// Refuses to open or list what stands under a path.
    pub fn deny(&self, path: RelPath) {
        self.lock_state().denied.insert(path);
    }

    /// Calls `hook` before each read of the file that stands under a path now; it may change the folder.
    pub fn on_read(&self, path: &RelPath, hook: impl FnMut(&SimFolder) + Send + 'static) {
        let mut state = self.lock_state();
        if let Ok(Some(number)) = state.tree.find(path, state.rules.fold_case) {
            state.hooks.insert(number, Box::new(hook));
        }
    }

    /// Returns how often what was called.
    #[must_use]
    pub fn counts(&self) -> SimCounts {
        self.lock_state().counts
    }

    /// Writes a whole file as some other program would: in place if it stands, else new. Directories are made.
    pub fn put_file(&self, path: &RelPath, bytes: &[u8]) {
        let mut above = RelPath::root();
        let names: Vec<EntryName> = path.names().collect();
        for name in names.iter().take(names.len().saturating_sub(1)) {
            above = above.join(name).unwrap_or_default();
            // A directory that stands is what is wanted.
            let _ = self.lock_state().make("create", &above, 0o755, Content::Dir(BTreeMap::new()));
        }
        let mut state = self.lock_state();
        let number = match state.tree.find(path, state.rules.fold_case) {
            Ok(Some(number)) => number,
            _ => state.make("create", path, 0o644, Content::File(Vec::new())).unwrap_or(0),
        };
        state.log(vec![Change::SetLen(number, 0), Change::Write(number, 0, bytes.to_vec())]);
    }

    /// Returns every entry by path, the root left out.
    #[must_use]
    pub fn entries(&self) -> BTreeMap<RelPath, SimEntry> {
        let state = self.lock_state();
        let mut found = BTreeMap::new();
        let mut open = vec![(RelPath::root(), ROOT)];
        while let Some((dir, number)) = open.pop() {
            for (name, &child) in state.tree.entries(number).into_iter().flatten() {
                let (Ok(path), Some(stat)) = (dir.join(name), state.tree.stat(child)) else { continue };
                let bytes = match state.tree.get(child).map(|inode| &inode.content) {
                    Some(Content::File(bytes) | Content::Symlink(bytes)) => bytes.clone(),
                    Some(Content::Dir(_)) => {
                        open.push((path.clone(), child));
                        Vec::new()
                    }
                    _ => Vec::new(),
                };
                found.insert(path, SimEntry { stat, bytes });
            }
        }
        found
    }

    fn lock_state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call and fails it if it is the one to fail.
    fn enter(&self, act: &'static str, path: &RelPath, need: Need) -> Result<MutexGuard<'_, State>, DiskError> {
        let mut state = self.lock_state();
        state.enter(act, path, need)?;
        Ok(state)
    }
}

impl State {
    fn enter(&mut self, act: &'static str, path: &RelPath, need: Need) -> Result<(), DiskError> {
        let at = self.counts.calls - self.fault_base;
        self.counts.calls += 1;
        let Some(fault) = self.fault else { return Ok(()) };
        let fails = match fault.kind {
            DiskErrorKind::Gone => at >= fault.at_call,
            DiskErrorKind::NoSpace => at >= fault.at_call && need == Need::Space,
            _ => at == fault.at_call,
        };
        if fails { Err(DiskError::of(fault.kind, act, path, "simulated failure")) } else { Ok(()) }
    }

    fn log(&mut self, changes: Vec<Change>) {
        changes.iter().for_each(|change| self.tree.apply(change));
        self.ops.push(Op::Changes(changes));
    }

    fn find(&self, act: &'static str, path: &RelPath) -> Result<u64, DiskError> {
        match self.tree.find(path, self.rules.fold_case) {
            Ok(Some(number)) => Ok(number),
            Ok(None) => Err(simulated(DiskErrorKind::NotFound, act, path)),
            Err(kind) => Err(simulated(kind, act, path)),
        }
    }

    /// Returns the directory of a path, its name, and the entry that stands there, if any.
    fn place(&self, act: &'static str, path: &RelPath) -> Result<Place, DiskError> {
        let (parent, name) = path.split_last().ok_or_else(|| simulated(DiskErrorKind::BadName, act, path))?;
        if name.as_bytes().len() > NAME_MAX_BYTES || (self.rules.windows_names && !windows_takes(name.as_bytes())) {
            return Err(simulated(DiskErrorKind::BadName, act, path));
        }
        let dir = self.find(act, &parent)?;
        let there = self.tree.child(dir, &name, self.rules.fold_case).map_err(|kind| simulated(kind, act, path))?;
        Ok(Place { dir, name, there })
    }

    /// Makes a new inode under a name that must be free.
    fn make(&mut self, act: &'static str, path: &RelPath, mode: u32, content: Content) -> Result<u64, DiskError> {
        let place = self.place(act, path)?;
        if place.there.is_some() {
            return Err(simulated(DiskErrorKind::Exists, act, path));
        }
        let (number, inode) = (self.tree.take_number(), self.tree.new_inode(content, mode));
        self.log(vec![Change::Inode(number, inode), Change::Link(place.dir, place.name, number)]);
        Ok(number)
    }

    fn set_attributes(&mut self, path: &RelPath, number: u64, attributes: &Attributes) -> Result<(), DiskError> {
        let rules = self.rules;
        if (rules.refuse_owners && attributes.owner.is_some()) || (rules.refuse_modes && attributes.mode.is_some()) {
            return Err(simulated(DiskErrorKind::Denied, "set attributes of", path));
        }
        if attributes.extended.iter().any(|one| !is_of_the_owner(&one.name)) {
            return Err(simulated(DiskErrorKind::BadName, "set an extended attribute of", path));
        }
        if rules.refuse_extended && !attributes.extended.is_empty() {
            return Err(simulated(DiskErrorKind::Io, "set an extended attribute of", path));
        }
        self.log(vec![Change::Attributes(number, attributes.clone())]);
        Ok(())
    }

    fn kind(&self, number: u64) -> Option<FileKind> {
        self.tree.stat(number).map(|stat| stat.kind)
    }

    fn plain_only(&self, act: &'static str, path: &RelPath) -> Result<(), DiskError> {
        if self.rules.plain_files_only { Err(simulated(DiskErrorKind::Io, act, path)) } else { Ok(()) }
    }
}

/// Where a name would stand, and what stands there.
struct Place {
    dir: u64,
    name: EntryName,
    there: Option<(EntryName, u64)>,
}

fn simulated(kind: DiskErrorKind, act: &'static str, path: &RelPath) -> DiskError {
    DiskError::of(kind, act, path, "refused by the simulated folder")
}

/// Returns whether an extended attribute belongs to the entry's owner, as on Linux.
fn is_of_the_owner(name: &[u8]) -> bool {
    name.starts_with(b"user.") || name.starts_with(b"system.posix_acl_") || name == b"security.capability"
}

impl Folder for SimFolder {
    fn stat(&self, path: &RelPath) -> Result<Option<Stat>, DiskError> {
        let mut state = self.enter("look at", path, Need::Nothing)?;
        state.counts.stats += 1;
        match state.find("look at", path) {
            Ok(number) => Ok(state.tree.stat(number)),
            Err(error) if error.kind == DiskErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn list(&self, dir: &RelPath) -> Result<Listing, DiskError> {
        let mut state = self.enter("list", dir, Need::Nothing)?;
        state.counts.lists += 1;
        if state.denied.contains(dir) {
            return Err(simulated(DiskErrorKind::Denied, "list", dir));
        }
        let number = state.find("list", dir)?;
        let entries = state.tree.entries(number).map_err(|kind| simulated(kind, "list", dir))?;
        Ok(entries.iter().filter_map(|(name, &child)| Some((name.clone(), Ok(state.tree.stat(child)?)))).collect())
    }

    fn open(&self, path: &RelPath) -> Result<Box<dyn FolderFile>, DiskError> {
        let mut state = self.enter("open", path, Need::Nothing)?;
        state.counts.opens += 1;
        let number = state.find("open", path)?;
        if state.kind(number) != Some(FileKind::File) {
            return Err(simulated(DiskErrorKind::WrongType, "open", path));
        }
        if state.denied.contains(path) {
            return Err(simulated(DiskErrorKind::Denied, "open", path));
        }
        Ok(Box::new(SimFile { folder: self.clone(), path: path.clone(), number, offset: 0 }))
    }

    fn read_link(&self, path: &RelPath) -> Result<Vec<u8>, DiskError> {
        let state = self.enter("read the link", path, Need::Nothing)?;
        let number = state.find("read the link", path)?;
        match state.tree.get(number).map(|inode| &inode.content) {
            Some(Content::Symlink(target)) => Ok(target.clone()),
            _ => Err(simulated(DiskErrorKind::WrongType, "read the link", path)),
        }
    }

    fn extended_attributes(&self, path: &RelPath) -> Result<Vec<ExtendedAttribute>, DiskError> {
        let state = self.enter("read the extended attributes of", path, Need::Nothing)?;
        let number = state.find("read the extended attributes of", path)?;
        Ok(state.tree.extended(number))
    }

    fn create_dir(&self, path: &RelPath) -> Result<(), DiskError> {
        let mut state = self.enter("create", path, Need::Space)?;
        if let Ok(Some(number)) = state.tree.find(path, state.rules.fold_case)
            && state.kind(number) == Some(FileKind::Dir)
        {
            return Ok(());
        }
        state.make("create", path, 0o700, Content::Dir(BTreeMap::new())).map(drop)
    }

    fn create_file(&self, path: &RelPath) -> Result<Box<dyn FolderWriter>, DiskError> {
        let mut state = self.enter("create", path, Need::Space)?;
        let number = state.make("create", path, 0o600, Content::File(Vec::new()))?;
        Ok(Box::new(SimWriter { folder: self.clone(), path: path.clone(), number, len: 0, ends_in_hole: false }))
    }

    fn append_after(&self, path: &RelPath, keep_bytes: u64) -> Result<Box<dyn FolderWriter>, DiskError> {
        let mut state = self.enter("write", path, Need::Nothing)?;
        let number = state.find("write", path)?;
        if state.kind(number) != Some(FileKind::File) {
            return Err(simulated(DiskErrorKind::WrongType, "write", path));
        }
        let len = usize::try_from(keep_bytes).unwrap_or(FILE_MAX_BYTES);
        state.log(vec![Change::SetLen(number, len)]);
        Ok(Box::new(SimWriter { folder: self.clone(), path: path.clone(), number, len, ends_in_hole: false }))
    }

    fn lock(&self, path: &RelPath) -> Result<Option<Box<dyn Lock>>, DiskError> {
        let mut state = self.enter("lock", path, Need::Space)?;
        let number = match state.find("lock", path) {
            Ok(number) => number,
            Err(error) if error.kind == DiskErrorKind::NotFound => {
                state.make("lock", path, 0o600, Content::File(Vec::new()))?
            }
            Err(error) => return Err(error),
        };
        if state.kind(number) != Some(FileKind::File) {
            return Err(simulated(DiskErrorKind::WrongType, "lock", path));
        }
        let is_free = state.locked.insert(number);
        Ok(is_free.then(|| Box::new(SimFolderLock { folder: self.clone(), number }) as Box<dyn Lock>))
    }

    fn create_symlink(&self, path: &RelPath, target: &[u8]) -> Result<(), DiskError> {
        let mut state = self.enter("create", path, Need::Space)?;
        state.plain_only("create", path)?;
        if target.is_empty() || target.len() > TARGET_MAX_BYTES || target.contains(&0) {
            return Err(simulated(DiskErrorKind::BadName, "create", path));
        }
        state.make("create", path, 0o777, Content::Symlink(target.to_vec())).map(drop)
    }

    fn create_special(&self, path: &RelPath, kind: FileKind, rdev: u64) -> Result<(), DiskError> {
        let mut state = self.enter("create", path, Need::Space)?;
        if matches!(kind, FileKind::File | FileKind::Dir | FileKind::Symlink) {
            return Err(simulated(DiskErrorKind::WrongType, "create", path));
        }
        state.plain_only("create", path)?;
        let rdev = if matches!(kind, FileKind::CharDevice | FileKind::BlockDevice) { rdev } else { 0 };
        state.make("create", path, 0o600, Content::Special(kind, rdev)).map(drop)
    }

    fn create_hard_link(&self, existing: &RelPath, path: &RelPath) -> Result<(), DiskError> {
        let mut state = self.enter("link", path, Need::Space)?;
        state.plain_only("link", path)?;
        let number = state.find("link", existing)?;
        if state.kind(number) == Some(FileKind::Dir) {
            return Err(simulated(DiskErrorKind::WrongType, "link", existing));
        }
        let place = state.place("link", path)?;
        if place.there.is_some() {
            return Err(simulated(DiskErrorKind::Exists, "link", path));
        }
        state.log(vec![Change::Link(place.dir, place.name, number)]);
        Ok(())
    }

    fn set_attributes(&self, path: &RelPath, attributes: &Attributes) -> Result<(), DiskError> {
        let mut state = self.enter("set attributes of", path, Need::Nothing)?;
        let number = state.find("set attributes of", path)?;
        state.set_attributes(path, number, attributes)
    }

    fn rename(&self, from: &RelPath, to: &RelPath) -> Result<(), DiskError> {
        let mut state = self.enter("rename", to, Need::Space)?;
        let source = state.place("rename", from)?;
        let Some((old_name, number)) = source.there else {
            return Err(simulated(DiskErrorKind::NotFound, "rename", from));
        };
        let place = state.place("rename", to)?;
        let moves_dir = state.kind(number) == Some(FileKind::Dir);
        let mut changes = Vec::new();
        match place.there {
            // The same name, or its other spelling where case does not count: only the spelling changes.
            Some((ref name, there)) if there == number && *name == old_name && place.dir == source.dir => {}
            Some((_, there)) if moves_dir || state.kind(there) == Some(FileKind::Dir) => {
                return Err(simulated(DiskErrorKind::WrongType, "rename over", to));
            }
            Some((name, there)) => changes.push(Change::Unlink(place.dir, name, there)),
            None => {}
        }
        if moves_dir && from != to && to.as_bytes().starts_with(&[from.as_bytes(), b"/"].concat()) {
            return Err(simulated(DiskErrorKind::BadName, "rename", to));
        }
        changes.push(Change::Unlink(source.dir, old_name, number));
        changes.push(Change::Link(place.dir, place.name, number));
        state.log(changes);
        Ok(())
    }

    fn remove_file(&self, path: &RelPath) -> Result<(), DiskError> {
        let mut state = self.enter("remove", path, Need::Nothing)?;
        let place = match state.place("remove", path) {
            Err(error) if error.kind == DiskErrorKind::NotFound => return Ok(()),
            result => result?,
        };
        let Some((name, number)) = place.there else { return Ok(()) };
        if state.kind(number) == Some(FileKind::Dir) {
            return Err(simulated(DiskErrorKind::WrongType, "remove", path));
        }
        state.log(vec![Change::Unlink(place.dir, name, number)]);
        Ok(())
    }

    fn remove_dir(&self, path: &RelPath) -> Result<(), DiskError> {
        let mut state = self.enter("remove", path, Need::Nothing)?;
        let place = state.place("remove", path)?;
        let Some((name, number)) = place.there else {
            return Err(simulated(DiskErrorKind::NotFound, "remove", path));
        };
        let entries = state.tree.entries(number).map_err(|kind| simulated(kind, "remove", path))?;
        if !entries.is_empty() {
            return Err(simulated(DiskErrorKind::Io, "remove", path));
        }
        state.log(vec![Change::Unlink(place.dir, name, number)]);
        Ok(())
    }

    fn sync_all(&self) -> Result<(), DiskError> {
        let mut state = self.enter("sync", &RelPath::root(), Need::Nothing)?;
        state.counts.syncs += 1;
        state.ops.push(Op::Sync);
        Ok(())
    }

    fn owner_names(&self, uid: u32, gid: u32) -> (Option<String>, Option<String>) {
        let known = |id: u32, name: &str| (id == 1000).then(|| name.to_owned());
        (known(uid, "ada"), known(gid, "staff"))
    }

    fn is_gone(&self) -> bool {
        self.lock_state().rules.is_gone
    }
}

/// A lock on a file.
struct SimFolderLock {
    folder: SimFolder,
    number: u64,
}

impl Lock for SimFolderLock {}

impl Drop for SimFolderLock {
    fn drop(&mut self) {
        self.folder.lock_state().locked.remove(&self.number);
    }
}

/// A file open for reading.
struct SimFile {
    folder: SimFolder,
    path: RelPath,
    number: u64,
    offset: usize,
}

impl SimFile {
    /// Runs the hook of this file with nothing locked, so that it may change the folder.
    fn run_hook(&self) {
        let hook = self.folder.lock_state().hooks.remove(&self.number);
        if let Some(mut hook) = hook {
            hook(&self.folder);
            self.folder.lock_state().hooks.entry(self.number).or_insert(hook);
        }
    }
}

impl Read for SimFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.run_hook();
        let mut state = self.folder.enter("read", &self.path, Need::Nothing).map_err(as_read_error)?;
        state.counts.reads += 1;
        let Some(Content::File(bytes)) = state.tree.get(self.number).map(|inode| &inode.content) else { return Ok(0) };
        let rest = bytes.get(self.offset..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.offset += count;
        Ok(count)
    }
}

/// Returns what a system's read would answer, so that the same decisions are made on it.
fn as_read_error(error: DiskError) -> io::Error {
    #[cfg(unix)]
    if error.kind == DiskErrorKind::Gone {
        return rustix::io::Errno::NODEV.into();
    }
    #[cfg(windows)]
    if error.kind == DiskErrorKind::Gone {
        return io::Error::from_raw_os_error(super::windows::NOT_CONNECTED);
    }
    match error.kind {
        DiskErrorKind::Denied => io::ErrorKind::PermissionDenied.into(),
        _ => io::Error::other(error),
    }
}

impl FolderFile for SimFile {
    fn stat(&self) -> Result<Stat, DiskError> {
        let mut state = self.folder.enter("look at", &self.path, Need::Nothing)?;
        state.counts.stats += 1;
        state.tree.stat(self.number).ok_or_else(|| simulated(DiskErrorKind::NotFound, "look at", &self.path))
    }

    fn holes(&mut self, max_count: usize) -> Result<Vec<Hole>, DiskError> {
        let state = self.folder.enter("find the holes of", &self.path, Need::Nothing)?;
        let mut holes = state.tree.holes(self.number);
        holes.truncate(max_count);
        drop(state);
        self.offset = 0;
        Ok(holes)
    }

    fn skip(&mut self, len_bytes: u64) -> Result<(), DiskError> {
        self.offset = self.offset.saturating_add(usize::try_from(len_bytes).unwrap_or(usize::MAX));
        Ok(())
    }

    fn extended_attributes(&self) -> Result<Vec<ExtendedAttribute>, DiskError> {
        let state = self.folder.enter("read the extended attributes of", &self.path, Need::Nothing)?;
        Ok(state.tree.extended(self.number))
    }
}

/// A file being written.
struct SimWriter {
    folder: SimFolder,
    path: RelPath,
    number: u64,
    len: usize,
    ends_in_hole: bool,
}

impl FolderWriter for SimWriter {
    fn reserve(&mut self, _: u64) -> Result<(), DiskError> {
        self.folder.enter("reserve room for", &self.path, Need::Space).map(drop)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        match self.folder.enter("write", &self.path, Need::Space) {
            Ok(mut state) => {
                state.counts.appends += 1;
                state.log(vec![Change::Write(self.number, self.len, bytes.to_vec())]);
            }
            Err(error) => {
                // A write that fails may have written a part.
                let half = bytes[..bytes.len() / 2].to_vec();
                self.folder.lock_state().log(vec![Change::Write(self.number, self.len, half)]);
                return Err(error);
            }
        }
        self.len += bytes.len();
        self.ends_in_hole = false;
        Ok(())
    }

    fn skip(&mut self, len_bytes: u64) -> Result<(), DiskError> {
        drop(self.folder.enter("write", &self.path, Need::Nothing)?);
        let end = usize::try_from(len_bytes).ok().and_then(|more| self.len.checked_add(more));
        let end = end.filter(|&end| end <= FILE_MAX_BYTES);
        self.len = end.ok_or_else(|| simulated(DiskErrorKind::NoSpace, "write", &self.path))?;
        self.ends_in_hole |= len_bytes > 0;
        Ok(())
    }

    fn set_attributes(&mut self, attributes: &Attributes) -> Result<(), DiskError> {
        let mut state = self.folder.enter("set attributes of", &self.path, Need::Nothing)?;
        if std::mem::replace(&mut self.ends_in_hole, false) {
            state.log(vec![Change::SetLen(self.number, self.len)]);
        }
        state.set_attributes(&self.path, self.number, attributes)
    }

    fn finish(self: Box<Self>) -> Result<(), DiskError> {
        let mut state = self.folder.enter("close", &self.path, Need::Nothing)?;
        if self.ends_in_hole {
            state.log(vec![Change::SetLen(self.number, self.len)]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
