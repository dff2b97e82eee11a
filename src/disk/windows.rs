//! What Windows has in place of directory handles, of the sync of a directory, and of permission bits.
//!
//! # What Windows promises
//!
//! `FlushFileBuffers` on a file writes its data and what the file system keeps about it, and has the device empty its cache. On
//! FAT it writes the file's entry and all directories above it as well, then the table (`FatCommonFlushBuffers` in Microsoft's
//! published fastfat), so that a synced file has its name. A directory is another matter: NTFS takes the flush of a handle that
//! may add to the directory and writes its log, which holds whatever was done in it before; FAT answers success and does
//! nothing, but for the root of the volume, whose flush writes all of it. So a directory is synced here through itself, and on
//! anything but NTFS and `ReFS` through the root of its volume, too. exFAT has no published source; it is taken to do as FAT does.
//!
//! A rename is `MoveFileExW` over what stands there: on NTFS a transaction of its log, on FAT and exFAT two changes of a
//! directory, of which a cut may leave one.
//!
//! # How a path stays below its root
//!
//! See [`pins`]: each directory on the way is held open so that nobody can move it or put a link in its place.

use std::io;
use std::time::Duration;

use super::DiskErrorKind;
use crate::base::Clock;

pub(super) mod calls;
pub(super) mod listing;
pub(super) mod pins;
pub(super) mod rights;
pub(super) mod volume;

/// What the system says of a device that was pulled (`ERROR_DEVICE_NOT_CONNECTED`).
pub(super) const NOT_CONNECTED: i32 = 1167;

/// Another program has a file open (`ERROR_SHARING_VIOLATION`), or a part of it locked (`ERROR_LOCK_VIOLATION`).
const SHARING_VIOLATION: i32 = 32;
const LOCK_VIOLATION: i32 = 33;
const IN_USE: [i32; 2] = [SHARING_VIOLATION, LOCK_VIOLATION];

/// Decides what a system error means to a caller, where its number says more than the standard library takes from it.
pub(super) fn kind_of(code: i32) -> Option<DiskErrorKind> {
    match code {
        // Unknown unit, not ready, wrong disk, no such device, no volume on it, the volume under an open file changed, medium
        // changed, no medium, not connected, removed.
        20 | 21 | 34 | 55 | 433 | 1005 | 1006 | 1110 | 1112 | NOT_CONNECTED | 1617 => Some(DiskErrorKind::Gone),
        19 => Some(DiskErrorKind::ReadOnly),
        SHARING_VIOLATION | LOCK_VIOLATION => Some(DiskErrorKind::Denied),
        // Too many links on the way, no link, a mark that nobody here follows.
        1920 | 1921 | 4390 | 4394 => Some(DiskErrorKind::WrongType),
        // Removed, but still open somewhere.
        303 => Some(DiskErrorKind::NotFound),
        _ => None,
    }
}

/// Waits between attempts at a file that another program has open, each twice as long as the one before.
const FIRST_WAIT: Duration = Duration::from_millis(10);
const ATTEMPTS: u32 = 7;

/// Does something to a file that a scanner or an indexer may hold for a moment, as they do with every file that is new: tries again
/// for about half a second where it is in use.
pub(super) fn patiently<T>(clock: &dyn Clock, mut act: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let mut wait = FIRST_WAIT;
    for _ in 1..ATTEMPTS {
        match act() {
            Err(error) if error.raw_os_error().is_some_and(|code| IN_USE.contains(&code)) => {
                clock.sleep(wait);
                wait *= 2;
            }
            done => return done,
        }
    }
    act()
}

#[cfg(test)]
mod tests;
