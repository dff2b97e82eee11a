//! [`Folder`]: a person's folder, read by `commit` and written by `restore`.
//!
//! Every path is a [`RelPath`] resolved component by component without following any link and without leaving
//! the folder, so a planted link costs an error for that entry and never a write elsewhere.

use std::io::Read;

use super::{DiskError, Lock};
use crate::base::{EntryName, RelPath};

/// The type of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
}

/// A file time: seconds since 1970 and nanoseconds 0 to 999,999,999 after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FileTime {
    /// Seconds, before 1970 negative.
    pub secs: i64,
    /// Nanoseconds after `secs`.
    pub nanos: u32,
}

/// What the system says of an entry (of a link itself, never of what it points to).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Type.
    pub kind: FileKind,
    /// Permission bits, 0 to 0o7777.
    pub mode: u32,
    /// Owner's number.
    pub uid: u32,
    /// Group's number.
    pub gid: u32,
    /// Length in bytes of a regular file or link target, else 0.
    pub len_bytes: u64,
    /// Last change of the content.
    pub mtime: FileTime,
    /// Last change of the inode.
    pub ctime: FileTime,
    /// Device number of the file system.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// Names that the inode has.
    pub links: u64,
    /// Number of the device that a device entry stands for, else 0.
    pub rdev: u64,
    /// When the entry was made, where a listing or [`Folder::stat`] can tell.
    pub birth: Option<FileTime>,
    /// Whether a file takes less room than its length, so that it may have holes.
    pub is_sparse: bool,
}

impl Stat {
    /// Returns when the entry was last made or changed by the clock of its file system, whatever times were set on it since. FAT
    /// and exFAT only know when it was made.
    #[must_use]
    pub fn changed(&self) -> FileTime {
        self.birth.map_or(self.ctime, |birth| birth.max(self.ctime))
    }
}

/// Longest name of an extended attribute (Linux's `XATTR_NAME_MAX`).
pub const ATTRIBUTE_NAME_MAX_BYTES: usize = 255;
/// Longest value of one (Linux's `XATTR_SIZE_MAX`).
pub const ATTRIBUTE_VALUE_MAX_BYTES: usize = 64 * 1024;

/// A name and bytes that the system keeps with an entry, access lists among them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExtendedAttribute {
    /// The system's name, such as `user.comment` or `system.posix_acl_access`.
    pub name: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
}

/// A stretch of a file that takes no room and reads as zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hole {
    /// Where it starts.
    pub offset: u64,
    /// Its length in bytes, at least 1.
    pub len_bytes: u64,
}

/// Attributes to set on an entry. `None` leaves what is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attributes {
    /// Permission bits; not applied to links.
    pub mode: Option<u32>,
    /// Owner and group numbers.
    pub owner: Option<(u32, u32)>,
    /// Last change of the content.
    pub mtime: Option<FileTime>,
    /// Extended attributes to set; others that the entry has stay.
    pub extended: Vec<ExtendedAttribute>,
}

/// A directory's entries sorted by name, each with its state or why that could not be asked.
pub type Listing = Vec<(EntryName, Result<Stat, DiskError>)>;

/// An open regular file: read from the start to the end, with its state asked through the same handle.
pub trait FolderFile: Read + Send {
    /// Returns the file's state now.
    ///
    /// # Errors
    /// [`DiskError`].
    fn stat(&self) -> Result<Stat, DiskError>;

    /// Returns the first `max_count` holes, in order and apart; reading starts over at the first byte.
    ///
    /// # Errors
    /// [`DiskError`].
    fn holes(&mut self, max_count: usize) -> Result<Vec<Hole>, DiskError>;

    /// Goes on reading `len_bytes` further.
    ///
    /// # Errors
    /// [`DiskError`].
    fn skip(&mut self, len_bytes: u64) -> Result<(), DiskError>;

    /// Returns the extended attributes as [`Folder::extended_attributes`] does.
    ///
    /// # Errors
    /// [`DiskError`].
    fn extended_attributes(&self) -> Result<Vec<ExtendedAttribute>, DiskError>;
}

/// A new file being written.
pub trait FolderWriter: Send {
    /// Says how many bytes will be appended, so that the system finds room for them in one piece, or none at all now. A hint
    /// where the system has no such call; the file's length stays.
    ///
    /// # Errors
    /// [`super::DiskErrorKind::NoSpace`] and others.
    fn reserve(&mut self, len_bytes: u64) -> Result<(), DiskError>;

    /// Appends all bytes.
    ///
    /// # Errors
    /// [`DiskError`].
    fn append(&mut self, bytes: &[u8]) -> Result<(), DiskError>;

    /// Leaves a hole of `len_bytes` (zeros) at the end.
    ///
    /// # Errors
    /// [`DiskError`].
    fn skip(&mut self, len_bytes: u64) -> Result<(), DiskError>;

    /// Sets attributes of the file, as [`Folder::set_attributes`] does; a time holds only if nothing is written after it.
    ///
    /// # Errors
    /// As [`Folder::set_attributes`].
    fn set_attributes(&mut self, attributes: &Attributes) -> Result<(), DiskError>;

    /// Gives the file its length, should it end in a hole, and closes it; errors of the close are reported.
    ///
    /// Dropping the writer instead closes it as it is.
    ///
    /// # Errors
    /// [`DiskError`].
    fn finish(self: Box<Self>) -> Result<(), DiskError>;
}

/// A person's folder. Blocking; shared by threads.
pub trait Folder: Send + Sync {
    /// Returns the state of an entry, or nothing where none stands; the root's own for the root.
    ///
    /// # Errors
    /// [`super::DiskErrorKind::WrongType`] when a component on the way is a link or no directory, and others.
    fn stat(&self, path: &RelPath) -> Result<Option<Stat>, DiskError>;

    /// Lists a directory with each entry's state, sorted by name. An entry that cannot be asked carries its error.
    ///
    /// # Errors
    /// [`super::DiskErrorKind::NotFound`], [`super::DiskErrorKind::Denied`], [`super::DiskErrorKind::WrongType`] and others.
    fn list(&self, dir: &RelPath) -> Result<Listing, DiskError>;

    /// Opens a regular file for reading; never waits on a pipe.
    ///
    /// # Errors
    /// [`super::DiskErrorKind::WrongType`] for anything but a regular file, and others.
    fn open(&self, path: &RelPath) -> Result<Box<dyn FolderFile>, DiskError>;

    /// Returns a link's target.
    ///
    /// # Errors
    /// [`DiskError`].
    fn read_link(&self, path: &RelPath) -> Result<Vec<u8>, DiskError>;

    /// Returns the extended attributes that belong to the entry's owner and are readable, by name: access lists, file
    /// capabilities, and on Linux those of `user`. Links have none.
    ///
    /// # Errors
    /// [`DiskError`].
    fn extended_attributes(&self, path: &RelPath) -> Result<Vec<ExtendedAttribute>, DiskError>;

    /// Creates a directory with mode 0700; nothing happens where one stands.
    ///
    /// # Errors
    /// [`super::DiskErrorKind::Exists`] when something else stands there, and others.
    fn create_dir(&self, path: &RelPath) -> Result<(), DiskError>;

    /// Creates a file that must not exist, mode 0600.
    ///
    /// # Durability
    /// Nothing until [`Folder::sync_all`].
    ///
    /// # Errors
    /// [`super::DiskErrorKind::Exists`], [`super::DiskErrorKind::NoSpace`], [`super::DiskErrorKind::BadName`] and others.
    fn create_file(&self, path: &RelPath) -> Result<Box<dyn FolderWriter>, DiskError>;

    /// Opens a regular file that stands, to write on behind its first `keep_bytes` bytes; what follows them goes.
    ///
    /// # Durability
    /// Nothing until [`Folder::sync_all`].
    ///
    /// # Errors
    /// [`super::DiskErrorKind::NotFound`], [`super::DiskErrorKind::WrongType`] for anything but a regular file, and others.
    fn append_after(&self, path: &RelPath, keep_bytes: u64) -> Result<Box<dyn FolderWriter>, DiskError>;

    /// Makes an empty file where none stands, and locks it for this process alone; nothing when it is locked already.
    ///
    /// # Errors
    /// [`super::DiskErrorKind::WrongType`] for anything but a regular file, and others.
    fn lock(&self, path: &RelPath) -> Result<Option<Box<dyn Lock>>, DiskError>;

    /// Creates a symbolic link that must not exist.
    ///
    /// # Errors
    /// [`super::DiskErrorKind::Exists`], [`super::DiskErrorKind::BadName`] for a target that is empty, too long or
    /// holds a NUL, and others.
    fn create_symlink(&self, path: &RelPath, target: &[u8]) -> Result<(), DiskError>;

    /// Creates a pipe, socket or device node that must not exist; needs rights for devices.
    ///
    /// # Errors
    /// [`DiskError`].
    fn create_special(&self, path: &RelPath, kind: FileKind, rdev: u64) -> Result<(), DiskError>;

    /// Gives an existing file one more name, which must not exist.
    ///
    /// # Errors
    /// [`DiskError`].
    fn create_hard_link(&self, existing: &RelPath, path: &RelPath) -> Result<(), DiskError>;

    /// Sets attributes of an entry (of a link itself). Extended ones that [`Folder::extended_attributes`] would not
    /// return are refused.
    ///
    /// # Errors
    /// [`super::DiskErrorKind::Denied`] when rights are missing, and others.
    fn set_attributes(&self, path: &RelPath, attributes: &Attributes) -> Result<(), DiskError>;

    /// Renames within the folder, over anything but a directory; a directory is renamed over nothing at all.
    ///
    /// Of two names of one file, renaming one over the other leaves the second alone.
    ///
    /// # Durability
    /// Durable after [`Folder::sync_all`]. Without a sync before it, a cut may leave the new name with an empty
    /// or torn file.
    ///
    /// # Errors
    /// [`super::DiskErrorKind::WrongType`] when what stands there may not be replaced, and others.
    fn rename(&self, from: &RelPath, to: &RelPath) -> Result<(), DiskError>;

    /// Removes a file or link; nothing happens where none stands.
    ///
    /// # Errors
    /// [`DiskError`].
    fn remove_file(&self, path: &RelPath) -> Result<(), DiskError>;

    /// Removes an empty directory.
    ///
    /// # Errors
    /// [`DiskError`].
    fn remove_dir(&self, path: &RelPath) -> Result<(), DiskError>;

    /// Makes everything done in the folder so far survive a cut (`syncfs` where the system has it).
    ///
    /// # Errors
    /// [`DiskError`].
    fn sync_all(&self) -> Result<(), DiskError>;

    /// Returns the name of a user number, and of a group number, where the system knows them.
    fn owner_names(&self, uid: u32, gid: u32) -> (Option<String>, Option<String>);

    /// Returns whether the folder's medium is known to be gone, so that what it lists is no longer believed. No says nothing.
    fn is_gone(&self) -> bool {
        false
    }
}
