//! A directory that something is to be mounted on, and the files that a process takes along into the background.
#![expect(clippy::disallowed_methods, reason = "a door to the host's own files, beside `host`")]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::io::Errno;

/// Why nothing can be mounted on a directory.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// The program behind a mount was killed.
    #[error("a mount stands there whose program was killed; `fusermount3 -u` takes it away")]
    Dead,
    /// Nothing stands there.
    #[error("there is no such directory")]
    Missing,
    /// Something else stands there.
    #[error("it is no directory")]
    NotADirectory,
    /// A file system begins there.
    #[error("something is mounted there already")]
    InUse,
    /// It has entries.
    #[error("it is not empty, and nobody would see what lies there")]
    NotEmpty,
    /// The system does not let anybody look.
    #[error("cannot look into it")]
    Unread(#[source] io::Error),
}

/// Checks that a directory is empty and that nothing is mounted on it.
///
/// # Errors
/// [`Unfit`].
pub fn check(dir: &Path) -> Result<(), Unfit> {
    if is_dead(dir) {
        return Err(Unfit::Dead);
    }
    let state = match std::fs::metadata(dir) {
        Ok(state) if state.is_dir() => state,
        Ok(_) => return Err(Unfit::NotADirectory),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Unfit::Missing),
        Err(error) => return Err(Unfit::Unread(error)),
    };
    let above = std::fs::canonicalize(dir).ok().and_then(|dir| std::fs::metadata(dir.parent()?).ok());
    if above.is_some_and(|above| above.dev() != state.dev()) {
        return Err(Unfit::InUse);
    }
    match std::fs::read_dir(dir).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Unfit::NotEmpty),
        Err(error) => Err(Unfit::Unread(error)),
    }
}

/// Returns whether a mount stands on a directory whose program is no more.
#[must_use]
pub fn is_dead(dir: &Path) -> bool {
    matches!(rustix::fs::stat(dir), Err(Errno::NOTCONN | Errno::CONNABORTED))
}

/// Opens a log of this person's to write at its end, with the directories above it; one of more than `most_bytes` is begun anew.
///
/// # Durability
/// None: a cut may take what was written last.
///
/// # Errors
/// Those of the system.
pub fn open_log(path: &Path, most_bytes: u64) -> io::Result<OwnedFd> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    if let Some(dir) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    if std::fs::metadata(path).is_ok_and(|state| state.is_file() && state.len() > most_bytes) {
        std::fs::remove_file(path)?;
    }
    Ok(OpenOptions::new().append(true).create(true).mode(0o600).open(path)?.into())
}

/// Opens what reads as empty and takes everything.
///
/// # Errors
/// Those of the system.
pub fn open_nothing() -> io::Result<OwnedFd> {
    Ok(File::options().read(true).write(true).open("/dev/null")?.into())
}
