//! The calls of Unix systems: every name is opened below the handle of the directory before it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};

use super::{Access, ServedMetadata, split};

/// The directory that all paths start from.
pub(super) struct Root(OwnedFd);

impl Root {
    /// Opens it, through links if the way leads through some.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::openat(CWD, path, flags, Mode::empty())?))
    }

    /// Returns what stands there; nothing for what is neither file nor directory.
    pub(super) fn metadata(&self, names: &[String]) -> io::Result<Option<ServedMetadata>> {
        let Ok((name, above)) = split(names) else { return Ok(metadata_of(&rustix::fs::fstat(&self.0)?)) };
        let stat = rustix::fs::statat(self.dir(above)?, name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(metadata_of(&stat))
    }

    /// Lists a directory in no order.
    pub(super) fn list(&self, names: &[String]) -> io::Result<Vec<(String, ServedMetadata)>> {
        let dir = self.dir(names)?;
        let mut found = Vec::new();
        for entry in Dir::read_from(&dir)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            let stat = rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW);
            if let Some(metadata) = stat.ok().as_ref().and_then(metadata_of) {
                found.push((name.to_owned(), metadata));
            }
        }
        Ok(found)
    }

    /// Opens a file, or another thing that the caller refuses.
    pub(super) fn open_file(&self, names: &[String], access: Access) -> io::Result<File> {
        let (name, above) = split(names)?;
        let flags = match access {
            Access::Read => OFlags::RDONLY,
            Access::Write => OFlags::WRONLY,
            Access::Create => OFlags::WRONLY | OFlags::CREATE,
        };
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(self.dir(above)?, name, flags, Mode::from_raw_mode(0o644))?.into())
    }

    /// Renames over a file, durably.
    pub(super) fn rename(&self, from: &[String], to: &[String]) -> io::Result<()> {
        let ((from_name, from_above), (to_name, to_above)) = (split(from)?, split(to)?);
        let (from_dir, to_dir) = (self.dir(from_above)?, self.dir(to_above)?);
        rustix::fs::renameat(from_dir, from_name, &to_dir, to_name)?;
        Ok(rustix::fs::fsync(to_dir)?)
    }

    /// Removes a file.
    pub(super) fn remove_file(&self, names: &[String]) -> io::Result<()> {
        let (name, above) = split(names)?;
        Ok(rustix::fs::unlinkat(self.dir(above)?, name, AtFlags::empty())?)
    }

    /// Removes an empty directory.
    pub(super) fn remove_dir(&self, names: &[String]) -> io::Result<()> {
        let (name, above) = split(names)?;
        Ok(rustix::fs::unlinkat(self.dir(above)?, name, AtFlags::REMOVEDIR)?)
    }

    /// Creates a directory, durably.
    pub(super) fn create_dir(&self, names: &[String]) -> io::Result<()> {
        let (name, above) = split(names)?;
        let dir = self.dir(above)?;
        rustix::fs::mkdirat(&dir, name, Mode::from_raw_mode(0o755))?;
        Ok(rustix::fs::fsync(dir)?)
    }

    /// Makes the names beside an entry durable.
    pub(super) fn sync_names(&self, names: &[String]) -> io::Result<()> {
        Ok(rustix::fs::fsync(self.dir(split(names)?.1)?)?)
    }

    /// Opens a directory name by name.
    fn dir(&self, names: &[String]) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut dir = rustix::fs::openat(&self.0, ".", flags, Mode::empty())?;
        for name in names {
            dir = rustix::fs::openat(&dir, name.as_str(), flags, Mode::empty())?;
        }
        Ok(dir)
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

/// Reads at a position.
pub(super) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    file.read_at(buffer, offset)
}

/// Writes all at a position.
pub(super) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(bytes, offset)
}
