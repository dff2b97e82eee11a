//! Directory handles beneath one root: how a path becomes a handle without following a link.
//!
//! On Linux one `openat2` call walks the whole path; where the kernel has none, or the path is longer than a
//! system call takes, each component is opened on its own. A few recent handles are kept, so that reading or
//! writing many files of one directory opens it once. A kept handle stays with its directory when that is
//! renamed; it can never lead out through a link, since nothing is resolved through it but single names.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::base::RelPath;

/// Directory handles that are kept; deep trees are walked along few directories at a time.
const KEPT_HANDLES: usize = 16;
/// Longest path that one system call takes, its closing NUL left out.
#[cfg(target_os = "linux")]
const CALL_PATH_MAX_BYTES: usize = 4095;

/// A directory handle and the file system that it lies on.
#[derive(Clone)]
pub(super) struct Handle {
    fd: Arc<OwnedFd>,
    device: u64,
}

impl AsFd for Handle {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Handle {
    fn new(fd: OwnedFd) -> Result<Self, Errno> {
        // The field's width differs between systems.
        #[allow(clippy::unnecessary_cast)]
        let device = rustix::fs::fstat(&fd)?.st_dev as u64;
        Ok(Self { fd: Arc::new(fd), device })
    }
}

/// The root of a folder and the handles below it that were used last.
pub(super) struct Handles {
    root: Handle,
    recent: Mutex<VecDeque<(RelPath, Handle)>>,
    /// One handle for each file system written to, opened before the first write: the system tells a failed
    /// write-back only to handles that are older than it. Nothing where none could be had.
    written: Mutex<BTreeMap<u64, Option<OwnedFd>>>,
}

impl Handles {
    /// Opens the root, through links if a person named one.
    pub(super) fn open(root: &Path) -> Result<Self, Errno> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = match rustix::fs::open(root, flags | OFlags::RDONLY, Mode::empty()) {
            Err(Errno::ACCESS) => rustix::fs::open(root, flags | pass_only(), Mode::empty())?,
            other => other?,
        };
        Ok(Self { root: Handle::new(fd)?, recent: Mutex::default(), written: Mutex::default() })
    }

    /// Returns a handle that single names can be resolved in.
    pub(super) fn dir(&self, path: &RelPath) -> Result<Handle, Errno> {
        if path.is_root() {
            return Ok(self.root.clone());
        }
        if let Some(handle) = self.kept(path) {
            return Ok(handle);
        }
        let handle = Handle::new(self.open_dir(path, pass_only())?)?;
        self.keep(path, &handle);
        Ok(handle)
    }

    /// Returns [`Handles::dir`] and remembers its file system for [`Handles::sync`].
    pub(super) fn dir_to_write(&self, path: &RelPath) -> Result<Handle, Errno> {
        let handle = self.dir(path)?;
        lock(&self.written).entry(handle.device).or_insert_with(|| open_plain(&handle, b".", OFlags::RDONLY).ok());
        Ok(handle)
    }

    /// Opens a directory for listing; its handle is kept, since its entries are asked for next.
    pub(super) fn dir_to_list(&self, path: &RelPath) -> Result<Handle, Errno> {
        let fd = if path.is_root() {
            open_plain(&self.root, b".", OFlags::RDONLY)?
        } else {
            self.open_dir(path, OFlags::RDONLY)?
        };
        let handle = Handle::new(fd)?;
        self.keep(path, &handle);
        Ok(handle)
    }

    /// Forgets all kept handles, after a directory was moved or removed.
    pub(super) fn forget(&self) {
        lock(&self.recent).clear();
    }

    /// Returns whether a handle's directory was removed, so that a name missing in it says nothing.
    pub(super) fn is_dead(&self, handle: &Handle) -> bool {
        let alive = Arc::ptr_eq(&handle.fd, &self.root.fd) || rustix::fs::fstat(handle).is_ok_and(|s| s.st_nlink > 0);
        !alive
    }

    /// Syncs every file system that was written to.
    pub(super) fn sync(&self) -> Result<(), Errno> {
        self.forget();
        lock(&self.written).values().try_for_each(|dir| sync_one(dir.as_ref()))
    }

    /// Opens a directory from the nearest kept handle, or from the root.
    fn open_dir(&self, path: &RelPath, flags: OFlags) -> Result<OwnedFd, Errno> {
        let Some((parent, name)) = path.split_last() else { return open_plain(&self.root, b".", flags) };
        if let Some(handle) = self.kept(&parent).filter(|handle| !self.is_dead(handle)) {
            return open_plain(&handle, name.as_bytes(), flags);
        }
        match beneath(&self.root, path.as_bytes(), flags) {
            Some(result) => result,
            None => self.open_by_component(path, flags),
        }
    }

    fn open_by_component(&self, path: &RelPath, flags: OFlags) -> Result<OwnedFd, Errno> {
        let mut above: Option<OwnedFd> = None;
        let depth = path.depth();
        for (at, name) in path.names().enumerate() {
            let flags = if at + 1 == depth { flags } else { pass_only() };
            let parent = above.as_ref().map_or(self.root.as_fd(), OwnedFd::as_fd);
            let next = open_plain(parent, name.as_bytes(), flags)?;
            above = Some(next);
        }
        above.ok_or(Errno::INVAL)
    }

    fn kept(&self, path: &RelPath) -> Option<Handle> {
        let mut recent = lock(&self.recent);
        let at = recent.iter().position(|(kept, _)| kept == path)?;
        let entry = recent.remove(at)?;
        let handle = entry.1.clone();
        recent.push_front(entry);
        Some(handle)
    }

    fn keep(&self, path: &RelPath, handle: &Handle) {
        if path.is_root() {
            return;
        }
        let mut recent = lock(&self.recent);
        recent.retain(|(kept, _)| kept != path);
        recent.truncate(KEPT_HANDLES - 1);
        recent.push_front((path.clone(), handle.clone()));
    }
}

/// Returns the flags of a handle that only serves to reach what lies below; it needs no right to list.
fn pass_only() -> OFlags {
    #[cfg(target_os = "linux")]
    return OFlags::PATH;
    #[cfg(not(target_os = "linux"))]
    return OFlags::RDONLY;
}

/// Opens the directory of a single name, never a link's target.
fn open_plain(parent: impl AsFd, name: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty())
}

/// Opens a directory by one system call; nothing where this system or path needs to go by component.
#[cfg(target_os = "linux")]
fn beneath(root: &Handle, path: &[u8], flags: OFlags) -> Option<Result<OwnedFd, Errno>> {
    use rustix::fs::ResolveFlags;
    use std::sync::atomic::{AtomicBool, Ordering};

    // Kernels before 5.6 have no such call, and some sandboxes refuse it; one answer holds for the process.
    static MISSING: AtomicBool = AtomicBool::new(false);
    if path.len() > CALL_PATH_MAX_BYTES || MISSING.load(Ordering::Relaxed) {
        return None;
    }
    let flags = flags | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match rustix::fs::openat2(root, path, flags, Mode::empty(), resolve) {
        Err(Errno::NOSYS | Errno::PERM) => {
            MISSING.store(true, Ordering::Relaxed);
            None
        }
        // The kernel gives up when a rename runs at the same time; going by component has no such limit.
        Err(Errno::AGAIN) => None,
        result => Some(result),
    }
}

#[cfg(not(target_os = "linux"))]
fn beneath(_: &Handle, _: &[u8], _: OFlags) -> Option<Result<OwnedFd, Errno>> {
    None
}

/// Syncs the file system of one directory, or everything where no handle is at hand.
///
/// FAT drivers write everything on `syncfs` but do not tell the device to empty its cache; syncing one
/// directory does both, so it comes second.
fn sync_one(dir: Option<&OwnedFd>) -> Result<(), Errno> {
    let Some(dir) = dir else {
        rustix::fs::sync();
        return Ok(());
    };
    #[cfg(target_os = "linux")]
    rustix::fs::syncfs(dir)?;
    #[cfg(not(target_os = "linux"))]
    rustix::fs::sync();
    match rustix::fs::fsync(dir) {
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(()),
        other => other,
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
