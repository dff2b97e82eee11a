//! [`OsDisk`]: a store's directory on a real file system.
//!
//! Every path is resolved below a root handle without following links, so a planted link costs an error and never a
//! read or write elsewhere. Reads are positioned and never mapped. A file whose append or sync failed refuses all
//! that follows, since a kernel may report a lost write only once.

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use super::{
    Capabilities, Disk, DiskError, DiskErrorKind, DiskFileKind, Lock, LockKind, Medium, Metadata, ReadAt, WriteFile,
};
use crate::base::StorePath;

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

/// How a file is opened below the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// An existing file, for reading.
    Read,
    /// An existing file, for writing.
    Write,
    /// A file that must not exist, for writing.
    CreateNew,
}

/// A directory of the real file system.
pub struct OsDisk {
    root: Arc<system::Root>,
    capabilities: Capabilities,
    medium: Arc<Medium>,
}

impl OsDisk {
    /// Opens an existing directory; links on the way to it are followed, those below it never.
    ///
    /// # Errors
    /// [`DiskErrorKind::NotFound`], [`DiskErrorKind::WrongType`] and others.
    pub fn open(root: &Path) -> Result<Self, DiskError> {
        let medium = Arc::new(Medium::below(root));
        let wrap = |error| medium.judge(DiskError::new("open", root.display(), error));
        let opened = system::Root::open(root).map_err(wrap)?;
        let capabilities = opened.capabilities().map_err(wrap)?;
        Ok(Self { root: Arc::new(opened), capabilities, medium })
    }

    /// Creates a directory (not its parents) where none stands, readable for its owner alone, and opens it.
    ///
    /// # Durability
    /// The directory's own name survives a cut.
    ///
    /// # Errors
    /// As [`OsDisk::open`], and [`DiskErrorKind::ReadOnly`], [`DiskErrorKind::Denied`].
    pub fn create(root: &Path) -> Result<Self, DiskError> {
        super::host::create_private_dirs(root).map_err(|error| Medium::below(root).judge(error))?;
        Self::open(root)
    }

    /// Wraps a file that is open for writing.
    fn writing(&self, file: File, path: &StorePath) -> Box<dyn WriteFile> {
        let (root, medium) = (Arc::clone(&self.root), Arc::clone(&self.medium));
        Box::new(OsWriteFile { file, path: path.clone(), failed: false, reserved: false, root, medium })
    }

    /// Makes the error of a call that failed.
    fn failed(&self, act: &'static str, subject: impl std::fmt::Display, error: io::Error) -> DiskError {
        self.medium.judge(DiskError::new(act, subject, error))
    }

    /// Refuses to believe that nothing, or no more, stands there on a medium that is gone.
    fn believe<T>(&self, act: &'static str, path: &StorePath, found: T) -> Result<T, DiskError> {
        if self.medium.is_gone() {
            return Err(DiskError::of(DiskErrorKind::Gone, act, path, "the device is not there any more"));
        }
        Ok(found)
    }

    /// Opens a regular file.
    fn open_file(&self, act: &'static str, path: &StorePath, access: Access) -> Result<(File, u64), DiskError> {
        let file = self.root.open_file(path.as_str(), access).map_err(|error| self.failed(act, path, error))?;
        let metadata = file.metadata().map_err(|error| self.failed(act, path, error))?;
        if !metadata.is_file() {
            return Err(DiskError::of(DiskErrorKind::WrongType, act, path, "not a regular file"));
        }
        Ok((file, metadata.len()))
    }

    /// Refuses to go on unless a regular file stands there.
    fn require_file(&self, act: &'static str, path: &StorePath) -> Result<(), DiskError> {
        match self.metadata(path)?.map(|metadata| metadata.kind) {
            Some(DiskFileKind::File) => Ok(()),
            Some(_) => Err(DiskError::of(DiskErrorKind::WrongType, act, path, "not a regular file")),
            None => Err(DiskError::of(DiskErrorKind::NotFound, act, path, "no such file")),
        }
    }
}

impl Disk for OsDisk {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn metadata(&self, path: &StorePath) -> Result<Option<Metadata>, DiskError> {
        match self.root.metadata(path.as_str()).map_err(|error| self.failed("look at", path, error))? {
            None => self.believe("look at", path, None),
            found => Ok(found),
        }
    }

    fn list(&self, dir: &StorePath) -> Result<Vec<(String, Metadata)>, DiskError> {
        let mut entries = self.root.list(dir.as_str()).map_err(|error| self.failed("list", dir, error))?;
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        self.believe("list", dir, entries)
    }

    fn open(&self, path: &StorePath) -> Result<Box<dyn ReadAt>, DiskError> {
        let (file, len_bytes) = self.open_file("open", path, Access::Read)?;
        Ok(Box::new(OsReadAt { file, len_bytes, path: path.clone(), medium: Arc::clone(&self.medium) }))
    }

    fn create_new(&self, path: &StorePath) -> Result<Box<dyn WriteFile>, DiskError> {
        let (file, _) = self.open_file("create", path, Access::CreateNew)?;
        Ok(self.writing(file, path))
    }

    fn append_after(&self, path: &StorePath, keep_bytes: u64) -> Result<Box<dyn WriteFile>, DiskError> {
        let (mut file, len_bytes) = self.open_file("append to", path, Access::Write)?;
        if len_bytes < keep_bytes {
            return Err(DiskError::of(DiskErrorKind::Io, "append to", path, "shorter than what is to be kept"));
        }
        let wrap = |error| self.failed("append to", path, error);
        if len_bytes > keep_bytes {
            file.set_len(keep_bytes).map_err(wrap)?;
        }
        io::Seek::seek(&mut file, io::SeekFrom::Start(keep_bytes)).map_err(wrap)?;
        Ok(self.writing(file, path))
    }

    fn rename(&self, from: &StorePath, to: &StorePath) -> Result<(), DiskError> {
        self.require_file("rename", from)?;
        match self.metadata(to)?.map(|metadata| metadata.kind) {
            None | Some(DiskFileKind::File) => {}
            Some(_) => return Err(DiskError::of(DiskErrorKind::WrongType, "rename over", to, "not a regular file")),
        }
        self.root.rename(from.as_str(), to.as_str()).map_err(|error| self.failed("rename", from, error))
    }

    fn remove(&self, path: &StorePath) -> Result<(), DiskError> {
        match self.require_file("remove", path) {
            Ok(()) => {}
            Err(error) if error.kind == DiskErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        }
        match self.root.remove(path.as_str()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.failed("remove", path, error)),
            _ => Ok(()),
        }
    }

    fn create_dir(&self, path: &StorePath) -> Result<(), DiskError> {
        if path.as_str().is_empty() {
            return Ok(());
        }
        match self.root.create_dir(path.as_str()) {
            Ok(()) => Ok(()),
            Err(error) => match self.metadata(path) {
                Ok(Some(Metadata { kind: DiskFileKind::Dir, .. })) => Ok(()),
                _ => Err(self.failed("create directory", path, error)),
            },
        }
    }

    fn sync_dir(&self, dir: &StorePath) -> Result<(), DiskError> {
        self.root.sync_dir(dir.as_str()).map_err(|error| self.failed("sync directory", dir, error))
    }

    fn lock(&self, path: &StorePath, kind: LockKind) -> Result<Option<Box<dyn Lock>>, DiskError> {
        // Most systems lock through a handle for reading, so a lock works on a medium that cannot be written;
        // network file systems may want one for writing.
        let (mut file, _) = self.open_file("lock", path, Access::Read)?;
        let mut result = try_lock(&file, kind);
        if let Err(TryLockError::Error(error)) = &result
            && wants_writable(error)
        {
            (file, _) = self.open_file("lock", path, Access::Write)?;
            result = try_lock(&file, kind);
        }
        match result {
            Ok(()) => Ok(Some(Box::new(OsLock(file)))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(self.failed("lock", path, error)),
        }
    }

    fn free_bytes(&self) -> Result<u64, DiskError> {
        self.root.free_bytes().map_err(|error| self.failed("ask the free space of", "the store", error))
    }

    fn is_gone(&self) -> bool {
        self.medium.is_gone()
    }
}

/// Asks for a lock without waiting.
fn try_lock(file: &File, kind: LockKind) -> Result<(), TryLockError> {
    match kind {
        LockKind::Exclusive => file.try_lock(),
        LockKind::Shared => file.try_lock_shared(),
    }
}

/// Returns whether a lock was refused because its handle cannot write.
fn wants_writable(error: &io::Error) -> bool {
    #[cfg(unix)]
    return error.raw_os_error() == Some(rustix::io::Errno::BADF.raw_os_error());
    #[cfg(windows)]
    return error.kind() == io::ErrorKind::PermissionDenied;
}

/// A locked file.
struct OsLock(File);

impl Lock for OsLock {}

impl Drop for OsLock {
    fn drop(&mut self) {
        // Closing frees the lock too; a failure here has nobody to be told to.
        let _ = self.0.unlock();
    }
}

/// A file open for positioned reads.
struct OsReadAt {
    file: File,
    len_bytes: u64,
    path: StorePath,
    medium: Arc<Medium>,
}

impl ReadAt for OsReadAt {
    fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, DiskError> {
        let mut filled = 0;
        while filled < buffer.len() {
            let at = offset.saturating_add(filled as u64);
            match system::read_at(&self.file, at, &mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.medium.judge(DiskError::new("read", &self.path, error))),
            }
        }
        Ok(filled)
    }
}

/// A file open for writing at its end.
struct OsWriteFile {
    file: File,
    path: StorePath,
    failed: bool,
    /// Its clusters are durable already.
    reserved: bool,
    root: Arc<system::Root>,
    medium: Arc<Medium>,
}

impl OsWriteFile {
    /// Does one act, and remembers its failure for good.
    fn act(&mut self, act: &'static str, run: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), DiskError> {
        if self.failed {
            let earlier = DiskError::of(DiskErrorKind::Io, act, &self.path, "an earlier write or sync of it failed");
            return Err(self.medium.judge(earlier));
        }
        run(&mut self.file).map_err(|error| {
            self.failed = true;
            self.medium.judge(DiskError::new(act, &self.path, error))
        })
    }
}

impl WriteFile for OsWriteFile {
    fn reserve(&mut self, len_bytes: u64) -> Result<(), DiskError> {
        let root = Arc::clone(&self.root);
        let mut reserved = false;
        self.act("reserve room for", |file| root.reserve(file, len_bytes).map(|done| reserved = done))?;
        self.reserved = reserved;
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        self.act("write", |file| file.write_all(bytes))
    }

    fn sync(&mut self) -> Result<(), DiskError> {
        let (root, reserved) = (Arc::clone(&self.root), self.reserved);
        self.act("sync", |file| {
            if !reserved {
                root.sync_table()?;
            }
            file.sync_all()
        })
    }
}

/// Returns whether a name is one that a store may hold.
fn is_store_name(name: &str) -> bool {
    !name.contains('/') && !name.is_empty() && StorePath::new(name).is_ok()
}

#[cfg(test)]
mod tests;
