//! [`ServedDir`]: a directory that a server shows to a network, of any layout: stores may lie several levels deep.
//!
//! Every name of a path is opened on its own, below the directory before it and never through a link, so no path and
//! no link leads out of the root, even while somebody else moves things about.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};

use super::{DiskError, DiskErrorKind, ReadAt, WriteFile};

/// Most names of a path.
pub const SERVED_DEPTH_MAX: usize = 32;
/// Longest name in bytes.
pub const SERVED_NAME_MAX_BYTES: usize = 255;

/// A path below the root: plain names without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServedPath(Vec<String>);

impl ServedPath {
    /// Returns the path that `text` names from here: absolute with a leading `/`; `.` and `..` are taken by name, and
    /// `..` stays at the root. Nothing for names that are not plain, too long or too many.
    #[must_use]
    pub fn resolve(&self, text: &str) -> Option<Self> {
        let mut names = if text.starts_with('/') { Vec::new() } else { self.0.clone() };
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." => drop(names.pop()),
                part if part.len() > SERVED_NAME_MAX_BYTES || part.chars().any(char::is_control) => return None,
                part => names.push(part.to_owned()),
            }
        }
        (names.len() <= SERVED_DEPTH_MAX).then_some(Self(names))
    }

    /// Returns the directory that holds this path, and its name there; nothing for the root.
    #[must_use]
    pub fn split_last(&self) -> Option<(Self, &str)> {
        let (last, above) = self.0.split_last()?;
        Some((Self(above.to_vec()), last))
    }
}

impl fmt::Display for ServedPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.0.join("/"))
    }
}

/// What stands under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServedMetadata {
    /// Whether it is a directory; else it is a regular file.
    pub is_dir: bool,
    /// Length in bytes of a file, else 0.
    pub len_bytes: u64,
    /// Last change, seconds since 1970.
    pub mtime_secs: i64,
}

/// A served directory. Shared by threads.
pub struct ServedDir {
    root: OwnedFd,
}

impl ServedDir {
    /// Opens the root; links on the way to it are followed, links below it never.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn open_root(root: &Path) -> Result<Self, DiskError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(CWD, root, flags, Mode::empty());
        Ok(Self { root: opened.map_err(|error| DiskError::new("open", root.display(), error.into()))? })
    }

    /// Returns what stands there; nothing for links and devices too, which are not shown.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn metadata(&self, path: &ServedPath) -> Result<Option<ServedMetadata>, DiskError> {
        let found = match path.0.split_last() {
            None => rustix::fs::fstat(&self.root),
            Some((name, above)) => {
                self.dir(above).and_then(|dir| rustix::fs::statat(&dir, name.as_str(), AtFlags::SYMLINK_NOFOLLOW))
            }
        };
        match found {
            Ok(stat) => Ok(metadata_of(&stat)),
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => Ok(None),
            Err(error) => Err(DiskError::new("look at", path, error.into())),
        }
    }

    /// Lists a directory, sorted by name; links, devices and names that are not plain are left out.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn list(&self, path: &ServedPath) -> Result<Vec<(String, ServedMetadata)>, DiskError> {
        let failed = |error: rustix::io::Errno| DiskError::new("list", path, error.into());
        let dir = self.dir(&path.0).map_err(failed)?;
        let mut found = Vec::new();
        for entry in Dir::read_from(&dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = match entry.file_name().to_str() {
                Ok(name) if !matches!(name, "." | "..") && !name.chars().any(char::is_control) => name.to_owned(),
                _ => continue,
            };
            let stat = rustix::fs::statat(&dir, name.as_str(), AtFlags::SYMLINK_NOFOLLOW);
            if let Some(metadata) = stat.ok().as_ref().and_then(metadata_of) {
                found.push((name, metadata));
            }
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(found)
    }

    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// [`DiskErrorKind::NotFound`], [`DiskErrorKind::WrongType`] and others.
    pub fn open(&self, path: &ServedPath) -> Result<Box<dyn ReadAt>, DiskError> {
        let (file, len_bytes) = self.open_file("open", path, OFlags::RDONLY)?;
        Ok(Box::new(Served { file, len_bytes, subject: path.to_string() }))
    }

    /// Opens a file for writing after its first `keep_bytes`; creates it where none stands and 0 are kept.
    ///
    /// # Durability
    /// As [`WriteFile`] says.
    ///
    /// # Errors
    /// [`DiskErrorKind::Io`] when the file is shorter than `keep_bytes`, and others.
    pub fn write_after(&self, path: &ServedPath, keep_bytes: u64) -> Result<Box<dyn WriteFile>, DiskError> {
        let create = if keep_bytes == 0 { OFlags::CREATE } else { OFlags::empty() };
        let (file, len_bytes) = self.open_file("write", path, OFlags::WRONLY | create)?;
        if len_bytes < keep_bytes {
            return Err(DiskError::of(DiskErrorKind::Io, "write", path, "shorter than what was to be kept"));
        }
        file.set_len(keep_bytes).map_err(|error| DiskError::new("write", path, error))?;
        Ok(Box::new(Served { file, len_bytes: keep_bytes, subject: path.to_string() }))
    }

    /// Renames over whatever file stands there.
    ///
    /// # Durability
    /// Durable when this returns.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn rename(&self, from: &ServedPath, to: &ServedPath) -> Result<(), DiskError> {
        self.in_dir("rename", from, |from_dir, from_name| {
            let (to_name, above) = to.0.split_last().ok_or(rustix::io::Errno::INVAL)?;
            let to_dir = self.dir(above)?;
            rustix::fs::renameat(from_dir, from_name, &to_dir, to_name.as_str())?;
            rustix::fs::fsync(&to_dir)
        })
    }

    /// Removes a file.
    ///
    /// # Errors
    /// [`DiskErrorKind::NotFound`] and others.
    pub fn remove_file(&self, path: &ServedPath) -> Result<(), DiskError> {
        self.in_dir("remove", path, |dir, name| rustix::fs::unlinkat(dir, name, AtFlags::empty()))
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn remove_dir(&self, path: &ServedPath) -> Result<(), DiskError> {
        self.in_dir("remove", path, |dir, name| rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR))
    }

    /// Creates a directory that must not exist.
    ///
    /// # Durability
    /// Durable when this returns.
    ///
    /// # Errors
    /// [`DiskErrorKind::Exists`] and others.
    pub fn create_dir(&self, path: &ServedPath) -> Result<(), DiskError> {
        self.in_dir("create", path, |dir, name| {
            rustix::fs::mkdirat(dir, name, Mode::from_raw_mode(0o755))?;
            rustix::fs::fsync(dir)
        })
    }

    /// Makes the names beside `path` survive a cut.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn sync_names(&self, path: &ServedPath) -> Result<(), DiskError> {
        self.in_dir("sync", path, |dir, _| rustix::fs::fsync(dir))
    }

    /// Opens a directory name by name.
    fn dir(&self, names: &[String]) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut dir = rustix::fs::openat(&self.root, ".", flags, Mode::empty())?;
        for name in names {
            dir = rustix::fs::openat(&dir, name.as_str(), flags, Mode::empty())?;
        }
        Ok(dir)
    }

    fn in_dir(
        &self,
        act: &'static str,
        path: &ServedPath,
        body: impl FnOnce(&OwnedFd, &str) -> rustix::io::Result<()>,
    ) -> Result<(), DiskError> {
        let (name, above) = path
            .0
            .split_last()
            .ok_or_else(|| DiskError::of(DiskErrorKind::WrongType, act, path, "that is the served directory itself"))?;
        let done = self.dir(above).and_then(|dir| body(&dir, name));
        done.map_err(|error| DiskError::new(act, path, error.into()))
    }

    /// Opens a regular file, and nothing else: never waits on a pipe.
    fn open_file(&self, act: &'static str, path: &ServedPath, flags: OFlags) -> Result<(File, u64), DiskError> {
        let mut opened = None;
        self.in_dir(act, path, |dir, name| {
            let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let fd = rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(0o644))?;
            opened = Some((rustix::fs::fstat(&fd)?, fd));
            Ok(())
        })?;
        match opened {
            Some((stat, fd)) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                Ok((File::from(fd), u64::try_from(stat.st_size).unwrap_or(0)))
            }
            _ => Err(DiskError::of(DiskErrorKind::WrongType, act, path, "not a regular file")),
        }
    }
}

fn metadata_of(stat: &Stat) -> Option<ServedMetadata> {
    let mtime_secs = stat.st_mtime;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Some(ServedMetadata { is_dir: true, len_bytes: 0, mtime_secs }),
        FileType::RegularFile => {
            Some(ServedMetadata { is_dir: false, len_bytes: u64::try_from(stat.st_size).unwrap_or(0), mtime_secs })
        }
        _ => None,
    }
}

/// An open file.
struct Served {
    file: File,
    len_bytes: u64,
    subject: String,
}

impl ReadAt for Served {
    fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, DiskError> {
        loop {
            match self.file.read_at(buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done.map_err(|error| DiskError::new("read", &self.subject, error)),
            }
        }
    }
}

impl WriteFile for Served {
    fn append(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        let done = self.file.write_all_at(bytes, self.len_bytes);
        done.map_err(|error| DiskError::new("write", &self.subject, error))?;
        self.len_bytes += bytes.len() as u64;
        Ok(())
    }

    fn sync(&mut self) -> Result<(), DiskError> {
        self.file.sync_all().map_err(|error| DiskError::new("sync", &self.subject, error))
    }
}

#[cfg(test)]
mod tests;
