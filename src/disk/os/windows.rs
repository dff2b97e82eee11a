//! The same calls on Windows: paths whose directories are held in place ([`crate::disk::windows::pins`]).

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::{Access, is_store_name};
use crate::base::clock::SystemClock;
use crate::disk::windows::listing::{self, RawStat};
use crate::disk::windows::pins::{Pinned, PinnedRoot, look_at, open_file, open_to_list};
use crate::disk::windows::volume::Volume;
use crate::disk::windows::{calls, patiently};
use crate::disk::{Capabilities, DiskFileKind, Metadata};

/// The directory that all paths start from.
pub(super) struct Root {
    pinned: PinnedRoot,
    volume: Volume,
}

#[expect(clippy::disallowed_methods, reason = "one of the real implementations of the disk boundary")]
impl Root {
    /// Opens the root itself.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let pinned = PinnedRoot::open(path)?;
        let volume = Volume::below(pinned.path())?;
        Ok(Self { pinned, volume })
    }

    /// Holds the directory that has a path's last name, and returns the system's path with it.
    fn within(&self, path: &str) -> io::Result<(Pinned, PathBuf)> {
        let (dirs, name) = path.rsplit_once('/').unwrap_or(("", path));
        let dir = self.dir(dirs)?;
        let full = if name.is_empty() { dir.path().to_owned() } else { dir.join(name) };
        Ok((dir, full))
    }

    /// Holds a directory.
    fn dir(&self, path: &str) -> io::Result<Pinned> {
        self.pinned.pin(path.split('/').filter(|name| !name.is_empty()))
    }

    /// Opens a regular file.
    pub(super) fn open_file(&self, path: &str, access: Access) -> io::Result<File> {
        let (_dir, full) = self.within(path)?;
        let mut options = OpenOptions::new();
        options.read(access == Access::Read).write(access != Access::Read).create_new(access == Access::CreateNew);
        open_file(&full, &mut options)
    }

    /// Returns size and type, or nothing.
    pub(super) fn metadata(&self, path: &str) -> io::Result<Option<Metadata>> {
        let found = self.within(path).and_then(|(_dir, full)| look_at(&full)?.metadata());
        match found {
            Ok(metadata) => Ok(Some(metadata_of(&metadata))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Lists a directory in no order.
    pub(super) fn list(&self, path: &str) -> io::Result<Vec<(String, Metadata)>> {
        let dir = self.dir(path)?;
        let entries = listing::list(&open_to_list(dir.path())?)?;
        let named = entries.into_iter().filter_map(|(name, stat)| Some((name.into_string().ok()?, stat)));
        Ok(named.filter(|(name, _)| is_store_name(name)).map(|(name, stat)| (name, listed(&stat))).collect())
    }

    /// Renames a file and syncs it under its new name, since some media write its length only then.
    pub(super) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let ((_from_dir, from), (_to_dir, to)) = (self.within(from)?, self.within(to)?);
        patiently(&SystemClock, || std::fs::rename(&from, &to))?;
        open_file(&to, OpenOptions::new().write(true))?.sync_all()
    }

    /// Removes a file.
    pub(super) fn remove(&self, path: &str) -> io::Result<()> {
        let (_dir, full) = self.within(path)?;
        patiently(&SystemClock, || std::fs::remove_file(&full))
    }

    /// Creates a directory.
    pub(super) fn create_dir(&self, path: &str) -> io::Result<()> {
        let (_dir, full) = self.within(path)?;
        std::fs::create_dir(full)
    }

    /// Makes a directory's names durable.
    pub(super) fn sync_dir(&self, path: &str) -> io::Result<()> {
        let dir = self.dir(path)?;
        self.volume.sync_dir(dir.path())
    }

    /// Does nothing: what Linux needs on FAT, Windows sees to itself.
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "the same shape as where it does something")]
    pub(super) fn reserve(&self, _: &File, _: u64) -> io::Result<bool> {
        Ok(false)
    }

    /// Does nothing, as [`Root::reserve`].
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "the same shape as where it does something")]
    pub(super) fn sync_table(&self) -> io::Result<()> {
        Ok(())
    }

    /// Returns the bytes that can still be written.
    pub(super) fn free_bytes(&self) -> io::Result<u64> {
        calls::free_bytes(self.pinned.path())
    }

    /// Returns what the medium can do.
    #[expect(clippy::unnecessary_wraps, reason = "the same shape as on systems that can fail")]
    pub(super) fn capabilities(&self) -> io::Result<Capabilities> {
        Ok(Capabilities {
            atomic_replace: self.volume.has_log(),
            sync_dir: true,
            case_sensitive: false,
            append_after_cut: true,
            max_file_bytes: self.volume.max_file_bytes(),
            read_only: self.volume.is_read_only(),
        })
    }
}

/// Takes over what a store asks for.
fn metadata_of(metadata: &std::fs::Metadata) -> Metadata {
    match (metadata.is_file(), metadata.is_dir()) {
        (true, _) => Metadata { kind: DiskFileKind::File, len_bytes: metadata.len() },
        (_, true) => Metadata { kind: DiskFileKind::Dir, len_bytes: 0 },
        _ => Metadata { kind: DiskFileKind::Other, len_bytes: 0 },
    }
}

/// Takes over what a listing says.
fn listed(stat: &RawStat) -> Metadata {
    if stat.is_link() {
        Metadata { kind: DiskFileKind::Other, len_bytes: 0 }
    } else if stat.is_dir() {
        Metadata { kind: DiskFileKind::Dir, len_bytes: 0 }
    } else {
        Metadata { kind: DiskFileKind::File, len_bytes: stat.len_bytes }
    }
}

/// Reads at a position.
pub(super) fn read_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    // The system takes no further place for one.
    if i64::try_from(offset).is_err() {
        return Ok(0);
    }
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}
