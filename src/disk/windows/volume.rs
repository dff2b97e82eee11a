//! The volume that a path lies on: what its file system can do, and whether it is still there.

use std::fs::OpenOptions;
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf, Prefix};

use super::calls;

/// A file system that keeps access lists (`FILE_PERSISTENT_ACLS`).
const KEEPS_ACCESS: u32 = 0x0000_0008;
/// A volume that refuses writes (`FILE_READ_ONLY_VOLUME`).
const READ_ONLY: u32 = 0x0008_0000;
/// Drives that people take the medium out of (`DRIVE_REMOVABLE`), that look fixed (`DRIVE_FIXED`), and of other machines
/// (`DRIVE_REMOTE`).
const DRIVE_REMOVABLE: u32 = 2;
const DRIVE_FIXED: u32 = 3;
const DRIVE_REMOTE: u32 = 4;
/// Buses whose devices people pull: IEEE 1394, USB, cards (`BusType…`).
const PLUGS: [u32; 4] = [4, 7, 12, 13];
/// The right to add to a directory, either of which a flush of it takes (`FILE_ADD_FILE`, `FILE_ADD_SUBDIRECTORY`).
const ADD_RIGHTS: [u32; 2] = [0x2, 0x4];
/// Without it, no directory is opened (`FILE_FLAG_BACKUP_SEMANTICS`).
pub const FLAG_DIRECTORY: u32 = 0x0200_0000;

/// What is mounted at a drive letter or in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    root: String,
    serial: u32,
    flags: u32,
    file_system: String,
}

impl Volume {
    /// Asks for the volume below a path, of which only the drive has to stand.
    pub fn below(path: &Path) -> io::Result<Self> {
        let path = plain(&std::path::absolute(path)?);
        // The system takes paths of 260 units here, and no volume is mounted deeper down than that.
        let root = path.ancestors().find_map(|above| calls::volume_root(above).ok());
        Self::at(&root.map_or_else(|| calls::volume_root(&path), Ok)?)
    }

    /// Asks for the volume whose root this is.
    pub fn at(root: &str) -> io::Result<Self> {
        let (serial, flags, file_system) = calls::volume_facts(root)?;
        Ok(Self { root: root.to_owned(), serial, flags, file_system })
    }

    /// Returns the number that was drawn when it was formatted.
    #[must_use]
    pub fn serial(&self) -> u32 {
        self.serial
    }

    /// Returns the number that was drawn when it was formatted, as the system writes it, where it has one. Anybody can set it
    /// to anything.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        (self.serial != 0).then(|| format!("{:04X}-{:04X}", self.serial >> 16, self.serial & 0xffff))
    }

    /// Returns the number that its files carry as that of their device.
    #[must_use]
    pub fn device(&self) -> u64 {
        u64::from(self.serial)
    }

    /// Returns whether it refuses writes.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.flags & READ_ONLY != 0
    }

    /// Returns whether its files have owners and access lists.
    #[must_use]
    pub fn keeps_access(&self) -> bool {
        self.flags & KEEPS_ACCESS != 0
    }

    /// Returns whether its changes of names go through a log, so that each is whole after a cut.
    #[must_use]
    pub fn has_log(&self) -> bool {
        ["NTFS", "ReFS"].iter().any(|name| self.file_system.eq_ignore_ascii_case(name))
    }

    /// Returns the longest file that it holds, in bytes.
    #[must_use]
    pub fn max_file_bytes(&self) -> u64 {
        let is_fat = ["FAT", "FAT12", "FAT16", "FAT32"].iter().any(|name| self.file_system.eq_ignore_ascii_case(name));
        if is_fat { u64::from(u32::MAX) } else { i64::MAX.unsigned_abs() }
    }

    /// Returns whether it went away or another stands in its place; never for one on another machine.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        if calls::drive_kind(&self.root) == DRIVE_REMOTE {
            return false;
        }
        if letter_of(&self.root).is_some_and(|letter| calls::drive_letters() & 1 << (letter - b'A') == 0) {
            return true;
        }
        calls::volume_facts(&self.root).map_or(true, |(serial, _, _)| serial != self.serial)
    }

    /// Returns whether its device is of a kind that people pull out.
    #[must_use]
    pub fn is_pluggable(&self) -> bool {
        Self::is_pluggable_at(&self.root)
    }

    /// Returns whether the device behind a root, with a medium in it or without, is of a kind that people pull out.
    #[must_use]
    pub fn is_pluggable_at(root: &str) -> bool {
        match calls::drive_kind(root) {
            DRIVE_REMOVABLE => true,
            // A disk in a USB case says that it is fixed, and only its bus tells.
            DRIVE_FIXED => bus(root).is_ok_and(|bus| PLUGS.contains(&bus)),
            _ => false,
        }
    }

    /// Makes the names in one of its directories durable.
    pub fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        flush_dir(dir)?;
        if self.has_log() { Ok(()) } else { flush_dir(Path::new(&self.root)) }
    }
}

#[expect(clippy::disallowed_methods, reason = "asks the device, reads nothing of it")]
fn bus(root: &str) -> io::Result<u32> {
    let letter = letter_of(root).ok_or(io::ErrorKind::Unsupported)?;
    // Opened for no access at all, which takes no rights.
    let device = OpenOptions::new().access_mode(0).open(format!(r"\\.\{}:", char::from(letter)))?;
    calls::bus_kind(&device)
}

/// Flushes a directory through a handle that may add to it.
#[expect(clippy::disallowed_methods, reason = "the one way to sync a directory")]
fn flush_dir(dir: &Path) -> io::Result<()> {
    let open = |right| OpenOptions::new().access_mode(right).custom_flags(FLAG_DIRECTORY).open(dir);
    let opened = match open(ADD_RIGHTS[0]) {
        // Whoever may only add directories, as on the root of the system's disk, has added nothing else.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => open(ADD_RIGHTS[1]),
        opened => opened,
    };
    opened?.sync_all()
}

/// Returns the letter of a drive's root.
fn letter_of(root: &str) -> Option<u8> {
    match Path::new(root).components().next()? {
        Component::Prefix(prefix) => match prefix.kind() {
            Prefix::Disk(letter) | Prefix::VerbatimDisk(letter) => Some(letter.to_ascii_uppercase()),
            _ => None,
        },
        _ => None,
    }
}

/// Writes a path without the prefix that keeps the system from reading it, where it can do without.
fn plain(path: &Path) -> PathBuf {
    let mut parts = path.components();
    match parts.next() {
        Some(Component::Prefix(prefix)) => match prefix.kind() {
            Prefix::VerbatimDisk(letter) => PathBuf::from(format!("{}:", char::from(letter))).join(parts.as_path()),
            _ => path.to_owned(),
        },
        _ => path.to_owned(),
    }
}
