//! [`ServedDir`]: a directory that a server shows to a network, of any layout: stores may lie several levels deep.
//!
//! Every name of a path is opened on its own, below the directory before it and never through a link, so no path and
//! no link leads out of the root, even while somebody else moves things about.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;

use super::{DiskError, DiskErrorKind, ReadAt, WriteFile};

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

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

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// For reading.
    Read,
    /// For writing.
    Write,
    /// For writing, made where none stands.
    Create,
}

/// A served directory. Shared by threads.
pub struct ServedDir {
    root: system::Root,
}

impl ServedDir {
    /// Opens the root; links on the way to it are followed, links below it never.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn open_root(root: &Path) -> Result<Self, DiskError> {
        let opened = system::Root::open(root);
        Ok(Self { root: opened.map_err(|error| DiskError::new("open", root.display(), error))? })
    }

    /// Returns what stands there; nothing for links and devices too, which are not shown.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn metadata(&self, path: &ServedPath) -> Result<Option<ServedMetadata>, DiskError> {
        let failed = |error| DiskError::new("look at", path, error);
        match self.root.metadata(&path.0).map_err(failed) {
            Err(error) if matches!(error.kind, DiskErrorKind::NotFound | DiskErrorKind::WrongType) => Ok(None),
            found => found,
        }
    }

    /// Lists a directory, sorted by name; links, devices and names that are not plain are left out.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn list(&self, path: &ServedPath) -> Result<Vec<(String, ServedMetadata)>, DiskError> {
        let mut found = self.root.list(&path.0).map_err(|error| DiskError::new("list", path, error))?;
        found.retain(|(name, _)| !matches!(name.as_str(), "." | "..") && !name.chars().any(char::is_control));
        found.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(found)
    }

    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// [`DiskErrorKind::NotFound`], [`DiskErrorKind::WrongType`] and others.
    pub fn open(&self, path: &ServedPath) -> Result<Box<dyn ReadAt>, DiskError> {
        let (file, len_bytes) = self.open_file("open", path, Access::Read)?;
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
        let access = if keep_bytes == 0 { Access::Create } else { Access::Write };
        let (file, len_bytes) = self.open_file("write", path, access)?;
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
        self.act("rename", from, |names| self.root.rename(names, &to.0))
    }

    /// Removes a file.
    ///
    /// # Errors
    /// [`DiskErrorKind::NotFound`] and others.
    pub fn remove_file(&self, path: &ServedPath) -> Result<(), DiskError> {
        self.act("remove", path, |names| self.root.remove_file(names))
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn remove_dir(&self, path: &ServedPath) -> Result<(), DiskError> {
        self.act("remove", path, |names| self.root.remove_dir(names))
    }

    /// Creates a directory that must not exist.
    ///
    /// # Durability
    /// Durable when this returns.
    ///
    /// # Errors
    /// [`DiskErrorKind::Exists`] and others.
    pub fn create_dir(&self, path: &ServedPath) -> Result<(), DiskError> {
        self.act("create", path, |names| self.root.create_dir(names))
    }

    /// Makes the names beside `path` survive a cut.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn sync_names(&self, path: &ServedPath) -> Result<(), DiskError> {
        self.act("sync", path, |names| self.root.sync_names(names))
    }

    /// Does something to an entry, which the root is not.
    fn act<T>(
        &self,
        act: &'static str,
        path: &ServedPath,
        body: impl FnOnce(&[String]) -> io::Result<T>,
    ) -> Result<T, DiskError> {
        if path.0.is_empty() {
            return Err(DiskError::of(DiskErrorKind::WrongType, act, path, "that is the served directory itself"));
        }
        body(&path.0).map_err(|error| DiskError::new(act, path, error))
    }

    /// Opens a regular file, and nothing else: never waits on a pipe.
    fn open_file(&self, act: &'static str, path: &ServedPath, access: Access) -> Result<(File, u64), DiskError> {
        let (file, metadata) = self.act(act, path, |names| {
            let file = self.root.open_file(names, access)?;
            let metadata = file.metadata()?;
            Ok((file, metadata))
        })?;
        if !metadata.is_file() {
            return Err(DiskError::of(DiskErrorKind::WrongType, act, path, "not a regular file"));
        }
        Ok((file, metadata.len()))
    }
}

/// Splits a path into the names above its last one, and that.
fn split(names: &[String]) -> io::Result<(&str, &[String])> {
    let (name, above) = names.split_last().ok_or(io::ErrorKind::InvalidInput)?;
    Ok((name, above))
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
            match system::read_at(&self.file, buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done.map_err(|error| DiskError::new("read", &self.subject, error)),
            }
        }
    }
}

impl WriteFile for Served {
    fn append(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        let done = system::write_all_at(&self.file, bytes, self.len_bytes);
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
