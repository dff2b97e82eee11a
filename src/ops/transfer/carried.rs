//! The small files that every replica carries and only their users read: fetched by hash and length, one at a time,
//! whatever kind they are of.

use super::TransferError;
use super::caller::{Caller, Known};
use crate::disk::{Disk, read_all};
use crate::error::Error;
use crate::format::manifest::FileRef;
use crate::store::pack::create_immutable;
use crate::store::{StoreError, layout};

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

/// Fetches the files that are missing and writes them; with `in_doubt` it syncs again those that stand, since a run that
/// was killed may have left them in the system's cache alone.
///
/// # Durability
/// All are durable when this returns, but for those that stood without a doubt.
///
/// # Errors
/// [`TransferError::Vanished`] when the remote lacks one.
pub fn bring_files(
    disk: &dyn Disk,
    files: &[FileRef],
    in_doubt: bool,
    caller: &mut Caller<'_>,
) -> Result<(), TransferError> {
    let mut wrote = false;
    for file in files {
        let bytes = match read_file(disk, file) {
            Some(_) if !in_doubt => continue,
            Some(bytes) => bytes,
            None => fetch_file(file, caller)?,
        };
        create_immutable(disk, &layout::carried_file(&file.hash), &bytes).map_err(Error::from)?;
        wrote = true;
    }
    if wrote {
        disk.sync_dir(&layout::manifests()).map_err(Error::from)?;
    }
    Ok(())
}

fn fetch_file(file: &FileRef, caller: &mut Caller<'_>) -> Result<Vec<u8>, TransferError> {
    let path = layout::carried_file(&file.hash);
    match caller.fetch_known(&path, u64::from(file.len_bytes), &file.hash.0).map_err(Error::from)? {
        Known::Right(bytes) => Ok(bytes),
        Known::Missing => Err(TransferError::Vanished(format!("carried file {path}"))),
        Known::Wrong => {
            let what = format!("carried file {path} from {}", caller.address());
            Err(Error::from(StoreError::damaged(what)).into())
        }
    }
}

#[cfg(test)]
mod tests;
