//! The calls of Windows: paths whose directories are held in place ([`crate::disk::windows::pins`]).

use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::fs::FileExt;
use std::path::{Path, PathBuf};

use super::{Access, ServedMetadata, split};
use crate::disk::windows::listing::{self, RawStat};
use crate::disk::windows::pins::{Pinned, PinnedRoot, look_at, open_file, open_to_list};
use crate::disk::windows::volume::Volume;
use crate::disk::windows_names::windows_takes;

/// The directory that all paths start from.
pub(super) struct Root {
    pinned: PinnedRoot,
    volume: Volume,
}

#[expect(clippy::disallowed_methods, reason = "one of the real implementations of a served directory")]
impl Root {
    /// Opens it, through links if the way leads through some.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let pinned = PinnedRoot::open(path)?;
        let volume = Volume::below(pinned.path())?;
        Ok(Self { pinned, volume })
    }

    /// Returns what stands there; nothing for what is neither file nor directory.
    pub(super) fn metadata(&self, names: &[String]) -> io::Result<Option<ServedMetadata>> {
        if names.is_empty() {
            let root = self.dir(names)?;
            return Ok(metadata_of(&RawStat::of(&look_at(root.path())?)?));
        }
        let (_dir, full) = self.within(names)?;
        Ok(metadata_of(&RawStat::of(&look_at(&full)?)?))
    }

    /// Lists a directory in no order.
    pub(super) fn list(&self, names: &[String]) -> io::Result<Vec<(String, ServedMetadata)>> {
        let dir = self.dir(names)?;
        let entries = listing::list(&open_to_list(dir.path())?)?;
        let shown =
            entries.into_iter().filter_map(|(name, stat)| Some((name.into_string().ok()?, metadata_of(&stat)?)));
        Ok(shown.collect())
    }

    /// Opens a file; a directory and a link are refused.
    pub(super) fn open_file(&self, names: &[String], access: Access) -> io::Result<File> {
        let (_dir, full) = self.within(names)?;
        let mut options = OpenOptions::new();
        options.read(access == Access::Read).write(access != Access::Read).create(access == Access::Create);
        open_file(&full, &mut options)
    }

    /// Renames over a file, durably.
    pub(super) fn rename(&self, from: &[String], to: &[String]) -> io::Result<()> {
        let ((_from_dir, from), (to_dir, to)) = (self.within(from)?, self.within(to)?);
        std::fs::rename(from, &to)?;
        // On FAT the sync of a file is what writes its entry.
        if !RawStat::of(&look_at(&to)?)?.is_dir() {
            open_file(&to, OpenOptions::new().write(true))?.sync_all()?;
        }
        self.volume.sync_dir(to_dir.path())
    }

    /// Removes a file.
    pub(super) fn remove_file(&self, names: &[String]) -> io::Result<()> {
        let (_dir, full) = self.within(names)?;
        std::fs::remove_file(full)
    }

    /// Removes an empty directory.
    pub(super) fn remove_dir(&self, names: &[String]) -> io::Result<()> {
        let (_dir, full) = self.within(names)?;
        if RawStat::of(&look_at(&full)?)?.is_link() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        std::fs::remove_dir(full)
    }

    /// Creates a directory, durably.
    pub(super) fn create_dir(&self, names: &[String]) -> io::Result<()> {
        let (dir, full) = self.within(names)?;
        std::fs::create_dir(full)?;
        self.volume.sync_dir(dir.path())
    }

    /// Makes the names beside an entry durable.
    pub(super) fn sync_names(&self, names: &[String]) -> io::Result<()> {
        self.volume.sync_dir(self.dir(split(names)?.1)?.path())
    }

    /// Holds the directory of an entry, and returns the entry's path with it.
    fn within(&self, names: &[String]) -> io::Result<(Pinned, PathBuf)> {
        let (name, above) = split(names)?;
        let dir = self.dir(above)?;
        let full = dir.join(plain(name)?);
        Ok((dir, full))
    }

    /// Holds a directory.
    fn dir(&self, names: &[String]) -> io::Result<Pinned> {
        names.iter().try_for_each(|name| plain(name).map(drop))?;
        self.pinned.pin(names.iter().map(String::as_str))
    }
}

/// Refuses a name that is that of a device, a stream, or another name than it says.
fn plain(name: &str) -> io::Result<&str> {
    if windows_takes(name.as_bytes()) { Ok(name) } else { Err(io::ErrorKind::InvalidFilename.into()) }
}

fn metadata_of(stat: &RawStat) -> Option<ServedMetadata> {
    if stat.is_link() {
        return None;
    }
    let len_bytes = if stat.is_dir() { 0 } else { stat.len_bytes };
    Some(ServedMetadata { is_dir: stat.is_dir(), len_bytes, mtime_secs: stat.written_secs() })
}

/// Reads at a position.
pub(super) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    file.seek_read(buffer, offset)
}

/// Writes all at a position.
pub(super) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        match file.seek_write(&bytes[done..], offset + done as u64) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
