//! [`OsFolder`]: a person's folder on a real file system, reached only through directory handles.
//!
//! Each call opens the directory that holds the entry, beneath the root and without following a link, and then
//! works on the single name in it. So a link that is planted on the way costs an error and never an access
//! elsewhere. Limits: the root itself may be reached through links (a person named it); whoever may move
//! directories of the folder elsewhere while a call runs can move what the call writes along with them. What
//! Windows has in place of such handles is in `windows`.

#[cfg(unix)]
mod attributes;
#[cfg(unix)]
mod resolve;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::fs::{File, TryLockError};
use std::io;

use super::Lock;

#[cfg(unix)]
pub use unix::OsFolder;
#[cfg(windows)]
pub use windows::OsFolder;

/// A file that is locked until this is dropped.
struct LockedFile(#[expect(dead_code, reason = "held for its lock")] File);

impl Lock for LockedFile {}

/// Locks a file for this process alone; nothing when another has it.
fn lock_alone(file: File) -> io::Result<Option<Box<dyn Lock>>> {
    match file.try_lock() {
        Ok(()) => Ok(Some(Box::new(LockedFile(file)))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests;
