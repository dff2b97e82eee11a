//! Files of the host outside any store: keys, configuration, state, and what is written for a person to take away.
//!
//! Paths come from the person or the system's conventions, so links on the way are followed. Every file that is read is read
//! whole and bounded; a replaced one is the old or the new after a cut, as far as the host's file system can.
#![expect(clippy::disallowed_methods, reason = "the one door to the host's own files")]

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[cfg(windows)]
pub use super::windows::calls::program_data;
use super::{DiskError, DiskErrorKind};
use crate::base::Clock;
use crate::base::clock::SystemClock;

/// How often a lock is asked for that another holds.
const LOCK_TRIES: u32 = 200;
/// How long to wait in between.
const LOCK_DELAY: Duration = Duration::from_millis(10);

/// Reads a whole file of at most `max_bytes`; nothing when there is none.
///
/// # Errors
/// [`DiskError`]; [`DiskErrorKind::WrongType`] when it is no regular file, [`DiskErrorKind::Io`] when it is longer.
pub fn read_host_file(path: &Path, max_bytes: u64) -> Result<Option<Vec<u8>>, DiskError> {
    let wrap = |error| DiskError::new("read", path.display(), error);
    // Asked before it is opened, since opening a pipe would wait for a writer.
    match std::fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => {
            return Err(DiskError::of(DiskErrorKind::WrongType, "read", path.display(), "not a regular file"));
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrap(error)),
    }
    let file = File::open(path).map_err(wrap)?;
    // With all the room that it takes, since a buffer that moves as it grows would leave parts of a key behind.
    let len_bytes = file.metadata().map_err(wrap)?.len().min(max_bytes);
    let mut bytes = Vec::with_capacity(usize::try_from(len_bytes).unwrap_or(0).saturating_add(1));
    file.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(wrap)?;
    if bytes.len() as u64 > max_bytes {
        return Err(DiskError::of(DiskErrorKind::Io, "read", path.display(), "longer than any such file may be"));
    }
    Ok(Some(bytes))
}

/// Writes a file that must not exist, readable for its owner alone (0600), creating its directories (0700).
///
/// # Durability
/// The bytes and the name survive a cut once this returned. A failure leaves no file, a cut may leave a part of it.
///
/// # Errors
/// [`DiskErrorKind::Exists`] and others.
pub fn write_host_file_new(path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
    create_private_dirs(parent_of(path))?;
    write_new(path, bytes, 0o600)?;
    sync_host_dir(parent_of(path))
}

/// Writes a file beside another and renames it over that one; `mode` are its permission bits where there are such.
///
/// # Durability
/// Once this returned the new bytes survive a cut; before, either the old or the new ones do. A cut may leave a
/// `*.tmp` file beside it.
///
/// # Errors
/// [`DiskError`]; the old file then stands, unless only the last sync failed.
pub fn replace_host_file(path: &Path, bytes: &[u8], mode: u32) -> Result<(), DiskError> {
    create_private_dirs(parent_of(path))?;
    let temp = write_temp(path, bytes, mode)?;
    rename(&temp, path).map_err(|error| {
        let _ = std::fs::remove_file(&temp);
        DiskError::new("replace", path.display(), error)
    })?;
    sync_host_dir(parent_of(path))
}

/// Takes the lock that goes with a file, an empty `*.lock` beside it that stays; it is let go when the returned handle is dropped, or
/// its process ends. Nothing where the host knows no locks, or another holds it longer than a short write can take: whoever asks
/// goes on without, and may lose what another writes at that moment.
#[must_use]
pub fn lock_host_file(path: &Path) -> Option<File> {
    create_private_dirs(parent_of(path)).ok()?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".lock");
    let file = OpenOptions::new().create(true).append(true).open(path.with_file_name(name)).ok()?;
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Some(file),
            Err(TryLockError::WouldBlock) => SystemClock.sleep(LOCK_DELAY),
            Err(TryLockError::Error(_)) => return None,
        }
    }
    None
}

/// Removes a file; says whether one stood there.
///
/// # Durability
/// It stays away once this returned.
///
/// # Errors
/// [`DiskError`].
pub fn remove_host_file(path: &Path) -> Result<bool, DiskError> {
    match std::fs::remove_file(path) {
        Ok(()) => sync_host_dir(parent_of(path)).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(DiskError::new("remove", path.display(), error)),
    }
}

/// A file of any length that is written beside its final name and takes that name once it is whole.
#[derive(Debug)]
pub struct NewHostFile {
    file: File,
    temp: PathBuf,
    path: PathBuf,
    is_kept: bool,
}

impl NewHostFile {
    /// Begins a file in a directory that is there; `mode` are its permission bits, less the umask, where there are such.
    ///
    /// # Errors
    /// [`DiskError`]; [`DiskErrorKind::WrongType`] when a directory, a pipe or a device has the name.
    pub fn create(path: &Path, mode: u32) -> Result<Self, DiskError> {
        if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            return Err(DiskError::of(DiskErrorKind::WrongType, "replace", path.display(), "not a regular file"));
        }
        let (file, temp) = create_temp(path, mode)?;
        Ok(Self { file, temp, path: path.to_owned(), is_kept: false })
    }

    /// Gives the file its name, in place of what had it.
    ///
    /// # Durability
    /// The bytes and the name survive a cut once this returned; before, what stood there does.
    ///
    /// # Errors
    /// [`DiskError`]; what stood there before still does, unless only the last sync failed.
    pub fn keep(mut self) -> Result<(), DiskError> {
        self.file.sync_all().map_err(|error| DiskError::new("write", self.path.display(), error))?;
        let renamed = rename(&self.temp, &self.path);
        renamed.map_err(|error| DiskError::new("replace", self.path.display(), error))?;
        self.is_kept = true;
        sync_host_dir(parent_of(&self.path))
    }
}

impl Write for NewHostFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewHostFile {
    fn drop(&mut self) {
        if !self.is_kept {
            let _ = std::fs::remove_file(&self.temp);
        }
    }
}

/// Returns whether others than a file's owner may read it; never where a system has no such bits.
#[must_use]
pub fn is_open_to_others(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
    }
    #[cfg(windows)]
    return super::windows::rights::is_open_to_others(path);
}

/// Returns a path without links, or nothing where nothing stands.
#[must_use]
pub fn real_path(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok()
}

/// Lists the names in a directory, sorted; those that are no text are left out. No directory counts as empty.
///
/// # Errors
/// [`DiskError`].
pub fn list_host_dir(path: &Path) -> Result<Vec<String>, DiskError> {
    let wrap = |error| DiskError::new("list", path.display(), error);
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(wrap(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(wrap)?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

/// Creates a directory in which a service of this machine keeps what is its own, and one below it whose files everybody may read.
///
/// # Errors
/// [`DiskError`].
#[cfg(windows)]
pub fn create_service_dirs(path: &Path, shown: &Path) -> Result<(), DiskError> {
    use super::windows::rights::create_service_dir;
    let wrap = |error| DiskError::new("create directory", path.display(), error);
    create_service_dir(path, false).and_then(|()| create_service_dir(shown, true)).map_err(wrap)?;
    sync_host_dir(path)?;
    sync_host_dir(parent_of(path))
}

/// Creates a directory and all that are missing above it, for their owner alone; each new name is synced.
pub(super) fn create_private_dirs(path: &Path) -> Result<(), DiskError> {
    let missing: Vec<&Path> = path.ancestors().take_while(|dir| !dir.as_os_str().is_empty() && !dir.is_dir()).collect();
    for dir in missing.into_iter().rev() {
        match create_private_dir(dir) {
            // Somebody else was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => {}
            result => result.map_err(|error| DiskError::new("create directory", dir.display(), error))?,
        }
        sync_host_dir(parent_of(dir))?;
    }
    Ok(())
}

#[cfg(unix)]
fn create_private_dir(dir: &Path) -> io::Result<()> {
    std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700).create(dir)
}

#[cfg(windows)]
fn create_private_dir(dir: &Path) -> io::Result<()> {
    std::fs::create_dir(dir)?;
    super::windows::rights::protect_dir(dir)
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(windows)]
    return super::windows::patiently(&SystemClock, || std::fs::rename(from, to));
    #[cfg(unix)]
    std::fs::rename(from, to)
}

/// Returns the directory that holds a path.
fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Creates, fills and syncs a file; takes it away again when that fails.
fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), DiskError> {
    let mut file = create_file(path, mode)?;
    fill(&mut file, path, bytes)
}

fn fill(file: &mut File, path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|error| {
        let _ = std::fs::remove_file(path);
        DiskError::new("write", path.display(), error)
    })
}

fn create_file(path: &Path, mode: u32) -> Result<File, DiskError> {
    create_with_mode(path, mode).map_err(|error| DiskError::new("create", path.display(), error))
}

#[cfg(unix)]
fn create_with_mode(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode).open(path)
}

/// Where there are no permission bits, a file is for its owner alone or for whomever its directory says.
#[cfg(windows)]
fn create_with_mode(path: &Path, mode: u32) -> io::Result<File> {
    if mode & 0o077 == 0 {
        return super::windows::rights::create_private(path);
    }
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// Writes a file under a fresh name beside `path`.
fn write_temp(path: &Path, bytes: &[u8], mode: u32) -> Result<PathBuf, DiskError> {
    let (mut file, temp) = create_temp(path, mode)?;
    fill(&mut file, &temp, bytes).map(|()| temp)
}

/// Creates a file under a fresh name beside `path`; a name left by a dead process is passed over.
fn create_temp(path: &Path, mode: u32) -> Result<(File, PathBuf), DiskError> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}-{}.tmp", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
        let temp = path.with_file_name(name);
        match create_file(&temp, mode) {
            Err(error) if error.kind == DiskErrorKind::Exists => {}
            result => return result.map(|file| (file, temp)),
        }
    }
}

/// Makes the names in a directory durable.
fn sync_host_dir(path: &Path) -> Result<(), DiskError> {
    #[cfg(unix)]
    let synced = File::open(path).and_then(|dir| dir.sync_all());
    #[cfg(windows)]
    let synced = super::windows::volume::Volume::below(path).and_then(|volume| volume.sync_dir(path));
    synced.map_err(|error| DiskError::new("sync directory", path.display(), error))
}

#[cfg(test)]
mod tests;
