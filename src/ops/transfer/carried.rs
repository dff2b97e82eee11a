//! The small files that every replica carries and only their users read: fetched by hash and length, one at a time,
//! whatever kind they are of.

use super::caller::{Caller, fetch_from_any};
use super::{Shortfall, TransferError};
use crate::disk::{Disk, read_all};
use crate::error::Error;
use crate::format::manifest::FileRef;
use crate::store::StoreError;
use crate::store::layout;
use crate::store::pack::create_immutable;

/// Returns those of a manifest's files that the disk lacks or holds damaged; writes nothing.
#[must_use]
pub fn missing_files(disk: &dyn Disk, files: &[FileRef]) -> Vec<FileRef> {
    files.iter().filter(|file| read_file(disk, file).is_none()).copied().collect()
}

/// Reads a file that stands on the disk whole.
#[must_use]
pub fn read_file(disk: &dyn Disk, file: &FileRef) -> Option<Vec<u8>> {
    let bytes = read_all(disk, &layout::carried_file(&file.hash), u64::from(file.len_bytes)).ok()??;
    let is_it = bytes.len() as u64 == u64::from(file.len_bytes) && *blake3::hash(&bytes).as_bytes() == file.hash.0;
    is_it.then_some(bytes)
}

/// Fetches the files that are missing, each from the first remote that has it right, and writes them; with `in_doubt` it
/// syncs again those that stand, since a run that was killed may have left them in the system's cache alone.
///
/// # Durability
/// All are durable when this returns, but for those that stood without a doubt.
///
/// # Errors
/// [`TransferError::Vanished`] when no remote has one; the others are brought first.
pub fn bring_files(
    disk: &dyn Disk,
    files: &[FileRef],
    in_doubt: bool,
    callers: &mut [Caller<'_>],
) -> Result<(), TransferError> {
    let mut shortfall = Shortfall::default();
    let mut wrote = false;
    for file in files {
        let bytes = match read_file(disk, file) {
            Some(_) if !in_doubt => continue,
            Some(bytes) => bytes,
            None => match shortfall.pass(fetch_file(file, callers))? {
                Some(bytes) => bytes,
                None => continue,
            },
        };
        let created = create_immutable(disk, &layout::carried_file(&file.hash), &bytes);
        wrote |= shortfall.pass(created.map_err(|error| Error::from(error).into()))?.is_some();
    }
    if wrote {
        disk.sync_dir(&layout::manifests()).map_err(Error::from)?;
    }
    shortfall.end()
}

fn fetch_file(file: &FileRef, callers: &mut [Caller<'_>]) -> Result<Vec<u8>, TransferError> {
    let path = layout::carried_file(&file.hash);
    let bytes = fetch_from_any(callers, "carried file", &path, u64::from(file.len_bytes), &file.hash.0)?;
    if bytes.len() as u64 != u64::from(file.len_bytes) {
        return Err(Error::from(StoreError::damaged(format!("the length of carried file {path}"))).into());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
