//! One writer at a time, any number of readers; the lock files are made by `init` and never written.

use super::error::StoreError;
use super::layout;
use crate::disk::{Disk, DiskErrorKind, Lock, LockKind};

/// Held by whoever writes to a store until it is dropped.
pub struct WriteLock(#[expect(dead_code, reason = "held for its drop")] Box<dyn Lock>);

impl WriteLock {
    /// Takes the lock without waiting.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another program holds it.
    pub fn take(disk: &dyn Disk) -> Result<Self, StoreError> {
        match disk.lock(&layout::write_lock(), LockKind::Exclusive) {
            Ok(Some(lock)) => Ok(Self(lock)),
            Ok(None) => Err(StoreError::Locked),
            Err(error) if error.kind == DiskErrorKind::NotFound => {
                match disk.create_new(&layout::write_lock()) {
                    // Another run was quicker; the lock itself tells which of the two goes on.
                    Err(error) if error.kind == DiskErrorKind::Exists => {}
                    created => drop(created?),
                }
                match disk.lock(&layout::write_lock(), LockKind::Exclusive)? {
                    Some(lock) => Ok(Self(lock)),
                    None => Err(StoreError::Locked),
                }
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Held by gc while it removes files: no reader has the store open.
pub struct SweepLock(#[expect(dead_code, reason = "held for its drop")] Option<Box<dyn Lock>>);

impl SweepLock {
    /// Takes the readers' lock alone, without waiting; without that file there can be no reader.
    ///
    /// # Errors
    /// [`StoreError::Locked`] while anybody reads.
    pub fn take(disk: &dyn Disk) -> Result<Self, StoreError> {
        match disk.lock(&layout::read_lock(), LockKind::Exclusive) {
            Ok(Some(lock)) => Ok(Self(Some(lock))),
            Ok(None) => Err(StoreError::Locked),
            Err(error) if error.kind == DiskErrorKind::NotFound => Ok(Self(None)),
            Err(error) => Err(error.into()),
        }
    }
}

/// Held by a reader, so that gc waits; nothing where the store cannot be locked, as on a read-only medium without one.
pub struct ReadLock(#[expect(dead_code, reason = "held for its drop")] Option<Box<dyn Lock>>);

impl ReadLock {
    /// Shares the readers' lock; writes nothing.
    ///
    /// # Errors
    /// [`StoreError::Locked`] while gc holds it alone.
    pub fn share(disk: &dyn Disk) -> Result<Self, StoreError> {
        match disk.lock(&layout::read_lock(), LockKind::Shared) {
            Ok(Some(lock)) => Ok(Self(Some(lock))),
            Ok(None) => Err(StoreError::Locked),
            Err(error) if matches!(error.kind, DiskErrorKind::Gone) => Err(error.into()),
            Err(_) => Ok(Self(None)),
        }
    }
}
