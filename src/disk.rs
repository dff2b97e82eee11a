//! The only door to files: [`Disk`] for what is inside a store, [`Folder`] for a person's folder.
//!
//! Both are traits with a real implementation and a simulated twin. The doc comments on the methods are a
//! contract: they say what survives a power cut and what is not promised, and the simulated twins take every
//! liberty that the contract leaves.

use std::fmt;
use std::io;

use crate::base::StorePath;

pub mod cache;
#[cfg(windows)]
pub mod drives;
pub mod folder;
pub mod host;
pub mod medium;
#[cfg(target_os = "linux")]
pub mod mount_point;
pub mod near;
pub mod os;
pub mod os_folder;
pub mod served;
pub mod sim;
pub mod sim_folder;
#[cfg(target_os = "linux")]
pub mod watch;
#[cfg(windows)]
mod windows;
pub mod windows_names;

pub use folder::Folder;
pub use medium::Medium;
pub use os::OsDisk;
pub use os_folder::OsFolder;
pub use sim::SimDisk;
pub use sim_folder::SimFolder;

/// What a failed call means to its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskErrorKind {
    /// Nothing stands under that name (on removable media: believe it only after the marker was read).
    NotFound,
    /// Something stands there already.
    Exists,
    /// No space, quota or file size left.
    NoSpace,
    /// The medium went away.
    Gone,
    /// What holds it is reached over a wire, and that does not work now.
    Offline,
    /// What holds it is reached over a wire, and does not give this one file now.
    Withheld,
    /// Someone asked to stop while the call waited.
    Interrupted,
    /// The medium or file cannot be written.
    ReadOnly,
    /// Rights are missing.
    Denied,
    /// A name that this medium cannot hold.
    BadName,
    /// What stands there is of another type (a link, a directory, a device) than asked for.
    WrongType,
    /// Any other failure, a bad sector among them.
    Io,
}

impl DiskErrorKind {
    /// Returns whether no other file of the medium can be read now either.
    #[must_use]
    pub fn is_of_the_medium(self) -> bool {
        matches!(self, Self::Gone | Self::Offline | Self::Interrupted)
    }
}

/// A call to the disk that failed: what was done, to what, and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot {act} {subject}")]
pub struct DiskError {
    /// What the caller can decide on.
    pub kind: DiskErrorKind,
    /// The act: `read`, `create`, `sync`.
    pub act: &'static str,
    /// The path, as shown to people.
    pub subject: String,
    /// The system's error.
    #[source]
    pub source: io::Error,
}

impl DiskError {
    /// Wraps a system error, deciding its kind.
    #[must_use]
    pub fn new(act: &'static str, subject: impl fmt::Display, source: io::Error) -> Self {
        Self { kind: kind_of(&source), act, subject: subject.to_string(), source }
    }

    /// Returns whether the medium did not give what it holds: a bad sector, as far as one call can tell.
    #[must_use]
    pub fn is_unread(&self) -> bool {
        self.kind == DiskErrorKind::Io && ["read", "open", "list", "look at"].contains(&self.act)
    }

    /// Makes an error of a kind that no system call gave.
    #[must_use]
    pub fn of(kind: DiskErrorKind, act: &'static str, subject: impl fmt::Display, why: &str) -> Self {
        Self { kind, act, subject: subject.to_string(), source: io::Error::other(why.to_owned()) }
    }
}

/// Decides what a system error means to a caller.
fn kind_of(error: &io::Error) -> DiskErrorKind {
    use io::ErrorKind as E;
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NODEV | Errno::NXIO | Errno::NOMEDIUM | Errno::SHUTDOWN) => return DiskErrorKind::Gone,
            Some(Errno::LOOP) => return DiskErrorKind::WrongType,
            _ => {}
        }
    }
    #[cfg(windows)]
    if let Some(kind) = error.raw_os_error().and_then(windows::kind_of) {
        return kind;
    }
    match error.kind() {
        E::NotFound => DiskErrorKind::NotFound,
        E::AlreadyExists => DiskErrorKind::Exists,
        E::StorageFull | E::QuotaExceeded | E::FileTooLarge => DiskErrorKind::NoSpace,
        E::ReadOnlyFilesystem => DiskErrorKind::ReadOnly,
        E::PermissionDenied => DiskErrorKind::Denied,
        E::InvalidFilename | E::InvalidInput => DiskErrorKind::BadName,
        E::NotADirectory | E::IsADirectory => DiskErrorKind::WrongType,
        _ => DiskErrorKind::Io,
    }
}

/// What a medium can do; asked once when a store opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// A rename over an existing file leaves the old or the new one after a cut.
    pub atomic_replace: bool,
    /// Directories can be synced on their own.
    pub sync_dir: bool,
    /// `a` and `A` are two names.
    pub case_sensitive: bool,
    /// What a cut left of a file may be appended to. Where not, it is written anew: inside it may hold more room than its
    /// length says, which Linux on FAT takes for damage when it grows.
    pub append_after_cut: bool,
    /// Longest file in bytes.
    pub max_file_bytes: u64,
    /// Writes are refused.
    pub read_only: bool,
}

/// The type of what stands under a name in a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskFileKind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// Anything else; a store holds none, so it is foreign.
    Other,
}

/// Size and type of what stands under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// Type.
    pub kind: DiskFileKind,
    /// Length in bytes of a regular file, else 0.
    pub len_bytes: u64,
}

/// Who else may hold the same lock file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockKind {
    /// Nobody.
    Exclusive,
    /// Others that ask for `Shared`.
    Shared,
}

/// A lock that is held until it is dropped; the system frees it when the process dies.
pub trait Lock: Send + Sync {}

/// An open file for positioned reads; never mapped, since a mapped file on a pulled key kills the process.
pub trait ReadAt: Send + Sync {
    /// Returns the file's length in bytes at the time it was opened.
    fn len_bytes(&self) -> u64;

    /// Reads up to `buffer.len()` bytes from `offset`; fewer only at the end of the file, 0 beyond it.
    ///
    /// # Errors
    /// [`DiskErrorKind::Gone`] when the medium is gone, [`DiskErrorKind::Io`] on a bad sector.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, DiskError>;
}

/// A file open for writing at its end.
pub trait WriteFile: Send {
    /// Says how long a fresh file will be, before anything is appended. Where a cut between the two would leave a name whose
    /// content breaks the medium, its room is then made durable first; elsewhere nothing happens.
    ///
    /// # Errors
    /// [`DiskErrorKind::NoSpace`], [`DiskErrorKind::Gone`], [`DiskErrorKind::Io`].
    fn reserve(&mut self, len_bytes: u64) -> Result<(), DiskError> {
        let _ = len_bytes;
        Ok(())
    }

    /// Appends all bytes; a short write is an error.
    ///
    /// # Durability
    /// Nothing of it is promised until [`WriteFile::sync`]; any part, in any order, may survive a cut.
    ///
    /// # Errors
    /// [`DiskErrorKind::NoSpace`], [`DiskErrorKind::Gone`], [`DiskErrorKind::Io`]; the file may then hold any part.
    fn append(&mut self, bytes: &[u8]) -> Result<(), DiskError>;

    /// Makes everything appended so far survive a cut, as far as the name does.
    ///
    /// # Durability
    /// The bytes and the length survive. The name survives once [`Disk::sync_dir`] on its directory returned; on
    /// media where a name's parts lie elsewhere it may until then be missing or come back in its short form.
    ///
    /// # Errors
    /// [`DiskErrorKind::Gone`], [`DiskErrorKind::Io`]. After a failed sync nothing appended to this file may be relied on.
    fn sync(&mut self) -> Result<(), DiskError>;
}

/// A store's directory on some medium. Blocking; shared by threads.
///
/// Paths are [`StorePath`]s, so no call can leave the store's directory. Links are never followed.
pub trait Disk: Send + Sync {
    /// Returns what the medium can do.
    fn capabilities(&self) -> Capabilities;

    /// Returns size and type, or nothing where nothing stands.
    ///
    /// # Errors
    /// [`DiskError`]; a vanished medium may also look like "nothing".
    fn metadata(&self, path: &StorePath) -> Result<Option<Metadata>, DiskError>;

    /// Lists a directory's names with size and type, sorted by name; names outside the grammar of
    /// [`StorePath`] are left out, and one that the medium does not tell more of is [`DiskFileKind::Other`]. A vanished medium
    /// may look empty.
    ///
    /// # Errors
    /// [`DiskErrorKind::NotFound`] and others.
    fn list(&self, dir: &StorePath) -> Result<Vec<(String, Metadata)>, DiskError>;

    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// [`DiskErrorKind::NotFound`], [`DiskErrorKind::WrongType`] and others.
    fn open(&self, path: &StorePath) -> Result<Box<dyn ReadAt>, DiskError>;

    /// Creates a file that must not exist and opens it for writing.
    ///
    /// # Durability
    /// See [`WriteFile`]. Until both syncs the file may after a cut be missing, empty, short or hold garbage.
    ///
    /// # Errors
    /// [`DiskErrorKind::Exists`], [`DiskErrorKind::NoSpace`], [`DiskErrorKind::ReadOnly`] and others.
    fn create_new(&self, path: &StorePath) -> Result<Box<dyn WriteFile>, DiskError>;

    /// Opens an existing file for writing after its first `keep_bytes`; cuts off what lies behind.
    ///
    /// # Durability
    /// Bytes synced earlier and kept stay; the cutting itself is durable after the next sync.
    ///
    /// # Errors
    /// [`DiskErrorKind::NotFound`] and others; [`DiskErrorKind::Io`] when the file is shorter than `keep_bytes`.
    fn append_after(&self, path: &StorePath, keep_bytes: u64) -> Result<Box<dyn WriteFile>, DiskError>;

    /// Renames a file over whatever file stands there.
    ///
    /// # Durability
    /// Durable after [`Disk::sync_dir`] of the directory. Where [`Capabilities::atomic_replace`] is false, a cut
    /// may leave either name, both, none, or an empty file: no caller may need more than that.
    ///
    /// # Errors
    /// [`DiskError`]; both names may then be in any of those states.
    fn rename(&self, from: &StorePath, to: &StorePath) -> Result<(), DiskError>;

    /// Removes a file; nothing happens where none stands.
    ///
    /// # Durability
    /// Durable after [`Disk::sync_dir`]; until then a cut may bring it back.
    ///
    /// # Errors
    /// [`DiskError`].
    fn remove(&self, path: &StorePath) -> Result<(), DiskError>;

    /// Creates a directory; nothing happens where one stands.
    ///
    /// # Durability
    /// Durable after [`Disk::sync_dir`] of its parent.
    ///
    /// # Errors
    /// [`DiskErrorKind::Exists`] when something else stands there, and others.
    fn create_dir(&self, path: &StorePath) -> Result<(), DiskError>;

    /// Makes the names in a directory survive a cut: created, removed and renamed ones.
    ///
    /// Where the medium has no such call, it does the nearest that makes the promise true.
    ///
    /// # Errors
    /// [`DiskErrorKind::Gone`], [`DiskErrorKind::Io`].
    fn sync_dir(&self, dir: &StorePath) -> Result<(), DiskError>;

    /// Locks an existing file without writing to it; nothing when another process holds it.
    ///
    /// # Errors
    /// [`DiskErrorKind::NotFound`] where no lock file stands, and others.
    fn lock(&self, path: &StorePath, kind: LockKind) -> Result<Option<Box<dyn Lock>>, DiskError>;

    /// Returns the bytes that can still be written.
    ///
    /// # Errors
    /// [`DiskError`].
    fn free_bytes(&self) -> Result<u64, DiskError>;

    /// Returns whether the medium is known to be gone, so that a long run ends before a call fails: a system may take writes
    /// for a key that was pulled until its cache is full. No says nothing.
    fn is_gone(&self) -> bool {
        false
    }

    /// Returns whether each call is a question over a wire, so that nothing is asked for beforehand which shows when it is read.
    fn is_far(&self) -> bool {
        false
    }

    /// Returns whether a file was ever [`DiskErrorKind::Withheld`], so that what did not read may read later.
    fn has_withheld(&self) -> bool {
        false
    }

    /// Returns where sealed bytes that were read from here are kept, if anywhere.
    fn near(&self) -> Option<&near::Near> {
        None
    }
}

/// Writes a whole fresh file and syncs it.
///
/// # Durability
/// The content is durable when this returns; the name once its directory is synced.
///
/// # Errors
/// [`DiskError`]; the file may then hold any part.
pub fn write_whole(mut file: Box<dyn WriteFile>, bytes: &[u8]) -> Result<(), DiskError> {
    file.reserve(bytes.len() as u64)?;
    file.append(bytes)?;
    file.sync()
}

/// Reads a whole file of at most `max_bytes`; nothing when there is none.
///
/// # Errors
/// [`DiskError`]; [`DiskErrorKind::WrongType`] when the file is longer than `max_bytes`, [`DiskErrorKind::Io`] when it shrinks
/// while it is read.
pub fn read_all(disk: &dyn Disk, path: &StorePath, max_bytes: u64) -> Result<Option<Vec<u8>>, DiskError> {
    let file = match disk.open(path) {
        Ok(file) => file,
        Err(error) if error.kind == DiskErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let len_bytes = file.len_bytes();
    if len_bytes > max_bytes {
        return Err(DiskError::of(DiskErrorKind::WrongType, "read", path, "longer than any such file may be"));
    }
    let mut bytes = vec![0; usize::try_from(len_bytes).unwrap_or(usize::MAX)];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(filled as u64, &mut bytes[filled..])? {
            0 => return Err(DiskError::of(DiskErrorKind::Io, "read", path, "shorter than it was when opened")),
            count => filled += count,
        }
    }
    Ok(Some(bytes))
}
