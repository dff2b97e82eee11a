//! The same calls through paths, for systems without directory handles (Windows).
//!
//! Each name on the way is asked whether it is a link before it is used; between the two somebody with rights on the
//! directory could swap it. The free space is not known here and counts as unlimited.
#![cfg_attr(test, allow(dead_code))]
#![expect(clippy::disallowed_methods, reason = "the portable door to a store's files")]

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::{Access, is_store_name};
use crate::disk::{Capabilities, DiskFileKind, Metadata};

/// The directory that all paths start from.
pub(super) struct Root(PathBuf);

impl Root {
    /// Opens the root itself.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if !std::fs::metadata(path)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self(path.canonicalize()?))
    }

    /// Joins a path to the root, refusing links on the way to its last name.
    fn within(&self, path: &str) -> io::Result<PathBuf> {
        let mut full = self.0.clone();
        let mut names = path.split('/').filter(|name| !name.is_empty()).peekable();
        while let Some(name) = names.next() {
            full.push(name);
            if names.peek().is_some() && !std::fs::symlink_metadata(&full)?.is_dir() {
                return Err(io::ErrorKind::NotADirectory.into());
            }
        }
        Ok(full)
    }

    /// Opens a regular file.
    pub(super) fn open_file(&self, path: &str, access: Access) -> io::Result<File> {
        let full = self.within(path)?;
        if access == Access::CreateNew {
            return OpenOptions::new().write(true).create_new(true).open(full);
        }
        if !std::fs::symlink_metadata(&full)?.is_file() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        OpenOptions::new().read(access == Access::Read).write(access == Access::Write).open(full)
    }

    /// Returns size and type, or nothing.
    pub(super) fn metadata(&self, path: &str) -> io::Result<Option<Metadata>> {
        match self.within(path).and_then(std::fs::symlink_metadata) {
            Ok(metadata) => Ok(Some(metadata_of(&metadata))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Lists a directory in no order.
    pub(super) fn list(&self, path: &str) -> io::Result<Vec<(String, Metadata)>> {
        let full = self.within(path)?;
        if !std::fs::symlink_metadata(&full)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(full)? {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().filter(|name| is_store_name(name)).map(str::to_owned) else {
                continue;
            };
            match std::fs::symlink_metadata(entry.path()) {
                Ok(metadata) => entries.push((name, metadata_of(&metadata))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(entries)
    }

    /// Renames a file and syncs it under its new name, since some media write its length only then.
    pub(super) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let to = self.within(to)?;
        std::fs::rename(self.within(from)?, &to)?;
        OpenOptions::new().write(true).open(to)?.sync_all()
    }

    /// Removes a file.
    pub(super) fn remove(&self, path: &str) -> io::Result<()> {
        std::fs::remove_file(self.within(path)?)
    }

    /// Creates a directory.
    pub(super) fn create_dir(&self, path: &str) -> io::Result<()> {
        std::fs::create_dir(self.within(path)?)
    }

    /// Makes a directory's names durable.
    pub(super) fn sync_dir(&self, path: &str) -> io::Result<()> {
        let full = self.within(path)?;
        if !std::fs::symlink_metadata(&full)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        sync_dir_at(&full)
    }

    /// Does nothing: what Linux needs on FAT, other systems see to themselves.
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "the same shape as where it does something")]
    pub(super) fn reserve(&self, _: &File, _: u64) -> io::Result<bool> {
        Ok(false)
    }

    /// Does nothing, as [`Root::reserve`].
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "the same shape as where it does something")]
    pub(super) fn sync_table(&self) -> io::Result<()> {
        Ok(())
    }

    /// Returns the bytes that can still be written: unknown here, so no limit.
    #[expect(clippy::unnecessary_wraps, reason = "the same shape as on systems that can fail")]
    pub(super) fn free_bytes(&self) -> io::Result<u64> {
        Ok(u64::MAX)
    }

    /// Returns what the medium can do: nothing is assumed.
    pub(super) fn capabilities(&self) -> io::Result<Capabilities> {
        Ok(Capabilities {
            atomic_replace: false,
            sync_dir: cfg!(any(unix, windows)),
            case_sensitive: false,
            append_after_cut: true,
            max_file_bytes: u64::from(u32::MAX),
            read_only: std::fs::metadata(&self.0)?.permissions().readonly() && !cfg!(windows),
        })
    }
}

/// Flushes a directory through a handle that may write it, which Windows wants for that.
#[cfg(windows)]
fn sync_dir_at(path: &Path) -> io::Result<()> {
    use std::os::windows::fs::OpenOptionsExt;
    /// The flag without which Windows opens no directory.
    const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;
    OpenOptions::new().read(true).write(true).custom_flags(FILE_FLAG_BACKUP_SEMANTICS).open(path)?.sync_all()
}

/// Flushes a directory through a plain handle.
#[cfg(not(windows))]
fn sync_dir_at(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Takes over what a store asks for.
fn metadata_of(metadata: &std::fs::Metadata) -> Metadata {
    match (metadata.is_file(), metadata.is_dir()) {
        (true, _) => Metadata { kind: DiskFileKind::File, len_bytes: metadata.len() },
        (_, true) => Metadata { kind: DiskFileKind::Dir, len_bytes: 0 },
        _ => Metadata { kind: DiskFileKind::Other, len_bytes: 0 },
    }
}

/// Reads at a position.
#[cfg(windows)]
pub(super) fn read_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

/// Reads at a position.
#[cfg(unix)]
pub(super) fn read_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}
