//! Files of the system that say when something changes: the table of mounts, and a watched directory. Linux only.
//!
//! Both are waited for by `poll` and wake nobody while nothing changes. Neither opens anything that they tell of.
#![expect(clippy::disallowed_methods, reason = "the one door to the system's own files")]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, ReadFlags};
use rustix::io::Errno;

use super::DiskError;

/// Longest table of mounts that is read.
const TABLE_MAX_BYTES: usize = 16 << 20;

/// One line of the table of mounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The kernel's number for this mount; a later one of the same device has another.
    pub id: u64,
    /// The device, major and minor; major 0 is none.
    pub device: (u32, u32),
    /// Where it is mounted.
    pub point: PathBuf,
}

/// The table of mounts.
#[derive(Debug)]
pub struct MountTable(File);

impl MountTable {
    /// Opens the table.
    ///
    /// # Errors
    /// [`DiskError`], also where a system has none.
    pub fn open() -> Result<Self, DiskError> {
        let path = "/proc/self/mountinfo";
        File::open(path).map(Self).map_err(|error| DiskError::new("open", path, error))
    }

    /// Reads what is mounted; lines that are not understood are left out.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn read(&self) -> Result<Vec<Mount>, DiskError> {
        let (mut bytes, mut piece) = (Vec::new(), [0; 8192]);
        while bytes.len() < TABLE_MAX_BYTES {
            let read = self.0.read_at(&mut piece, bytes.len() as u64);
            match read.map_err(|error| DiskError::new("read", "the table of mounts", error))? {
                0 => break,
                count => bytes.extend_from_slice(&piece[..count]),
            }
        }
        Ok(bytes.split(|&byte| byte == b'\n').filter_map(parse_mount).collect())
    }
}

impl AsFd for MountTable {
    /// Urgent data, or an error, means that it changed.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Reads `36 35 98:0 /root /mount/point options..`.
fn parse_mount(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|&byte| byte == b' ');
    let mut text = || std::str::from_utf8(fields.next()?).ok();
    let id = text()?.parse().ok()?;
    let _parent = text()?;
    let (major, minor) = text()?.split_once(':')?;
    let device = (major.parse().ok()?, minor.parse().ok()?);
    let point = unescape(fields.nth(1)?);
    Some(Mount { id, device, point: PathBuf::from(OsString::from_vec(point)) })
}

/// Spaces, tabs, newlines and backslashes stand as three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|digits| first == b'\\' && digits.iter().all(|d| (b'0'..b'8').contains(d)));
        let value = digits.map(|digits| digits.iter().fold(0_u32, |value, digit| value * 8 + u32::from(digit - b'0')));
        match value.and_then(|value| u8::try_from(value).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    bytes
}

/// A directory that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where.
    pub path: PathBuf,
    /// What tells it from another one of that name: device and inode.
    pub id: (u64, u64),
}

/// A directory whose own names are watched, not what lies below them.
#[derive(Debug)]
pub struct WatchedDir {
    path: PathBuf,
    /// Nothing where the system has no more to give: then somebody has to look now and then.
    notes: Option<OwnedFd>,
}

impl WatchedDir {
    /// Watches a directory that is there. Each user has so many watches (`max_user_instances`); where they are used up, nothing is
    /// noted.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn open(path: &Path) -> Result<Self, DiskError> {
        use inotify::{CreateFlags, WatchFlags};
        let failed = |error: Errno| DiskError::new("watch", path.display(), error.into());
        let used_up = |error: &Errno| matches!(*error, Errno::MFILE | Errno::NFILE | Errno::NOSPC);
        let notes = match inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK) {
            Err(error) if used_up(&error) => return Self::unwatched(path),
            notes => notes.map_err(failed)?,
        };
        let wanted = WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVE | WatchFlags::ONLYDIR;
        let wanted = wanted | WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF;
        match inotify::add_watch(&notes, path, wanted) {
            Err(error) if used_up(&error) => Self::unwatched(path),
            added => added.map(|_| Self { path: path.to_owned(), notes: Some(notes) }).map_err(failed),
        }
    }

    /// A directory that is only looked at.
    fn unwatched(path: &Path) -> Result<Self, DiskError> {
        let dir = Self { path: path.to_owned(), notes: None };
        dir.dirs()?;
        Ok(dir)
    }

    /// Takes what was noted, so that the next wait is for what comes after. Returns the names that went, whatever has them now.
    #[must_use]
    pub fn drain(&self) -> BTreeSet<String> {
        let mut room = [MaybeUninit::uninit(); 4096];
        let mut went = BTreeSet::new();
        let Some(notes) = &self.notes else { return went };
        let mut notes = inotify::Reader::new(notes, &mut room);
        // The end of the notes is an error.
        while let Ok(note) = notes.next() {
            let is_loss = note.events().intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM);
            went.extend(note.file_name().filter(|_| is_loss).map(|name| name.to_string_lossy().into_owned()));
        }
        went
    }

    /// Lists the directories in it by name. Links are none; a name that is no text is shown as best it can.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn dirs(&self) -> Result<BTreeMap<String, Found>, DiskError> {
        let failed = |error| DiskError::new("list", self.path.display(), error);
        let mut dirs = BTreeMap::new();
        for entry in std::fs::read_dir(&self.path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // Of the path and not of the entry, which does not know what is mounted over it.
            let Ok(metadata) = std::fs::symlink_metadata(entry.path()) else { continue };
            if metadata.is_dir() {
                let name = entry.file_name().to_string_lossy().into_owned();
                dirs.insert(name, Found { path: entry.path(), id: (metadata.dev(), metadata.ino()) });
            }
        }
        Ok(dirs)
    }
}

impl WatchedDir {
    /// Returns what has data when a name came or went; nothing where nothing is noted.
    #[must_use]
    pub fn notes(&self) -> Option<BorrowedFd<'_>> {
        self.notes.as_ref().map(AsFd::as_fd)
    }
}

#[cfg(test)]
mod tests;
