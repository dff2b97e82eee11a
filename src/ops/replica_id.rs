//! A replica id of its own for a copy of a store: what a person asks for when a key was cloned byte for byte, or a store came
//! back from a backup while the original lives on.
//!
//! Never done unasked: two stores under one id are told apart only by what a host saw of them, and the wrong one of the two
//! might be renamed.

use crate::base::ReplicaId;
use crate::base::random::random_array;
use crate::disk::Disk;
use crate::error::Result;
use crate::ops::Run;
use crate::store::lock::WriteLock;
use crate::store::{self, StoreError, layout, read_marker, replica};

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewed {
    /// The id that the store had, if that read.
    pub old: Option<ReplicaId>,
    /// The one that it has now.
    pub new: ReplicaId,
}

/// Draws a new replica id for a store. What it holds, and its history, stay as they are; its next receipt is signed
/// by a new key.
///
/// # Durability
/// The store has the new id once this returns; after a cut within, the old one, the new one or none, which the next commit draws.
///
/// # Errors
/// [`crate::error::ErrorKind::NoStore`], [`crate::error::ErrorKind::Locked`] and those of the disk.
pub fn renew(disk: &dyn Disk, run: Run<'_>) -> Result<Renewed> {
    read_marker(disk)?.ok_or(StoreError::NoStore)?;
    let _lock = WriteLock::take(disk).map_err(|error| store::settle(disk, error))?;
    let old = match replica::read_id(disk) {
        Ok(old) => old,
        Err(StoreError::Corrupt { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let new = ReplicaId(random_array(run.random));
    replica::write_id(disk, new)?;
    // The copy has the seed as well; with it, it would pass for this one.
    disk.remove(&layout::receipt_key())?;
    disk.sync_dir(&layout::replica().parent())?;
    Ok(Renewed { old, new })
}
