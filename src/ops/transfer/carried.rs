//! The small files that every replica carries and only their users read: fetched by hash and length, one at a time,
//! whatever kind they are of.

use super::TransferError;
use super::caller::{Caller, Known};
use crate::base::limits::SMALL_FILE_MAX_BYTES;
use crate::disk::{Disk, read_all};
use crate::error::Error;
use crate::format::manifest::FileRef;
use crate::store::pack::create_immutable;
use crate::store::{StoreError, layout};

/// Returns those of a manifest's files that the disk lacks or holds damaged; writes nothing.
#[must_use]
pub fn missing_files(disk: &dyn Disk, files: &[FileRef]) -> Vec<FileRef> {
    files.iter().filter(|file| !stands(disk, file)).copied().collect()
}

fn stands(disk: &dyn Disk, file: &FileRef) -> bool {
    let found = read_all(disk, &layout::carried_file(&file.hash), SMALL_FILE_MAX_BYTES);
    matches!(found, Ok(Some(bytes))
        if bytes.len() as u64 == u64::from(file.len_bytes) && *blake3::hash(&bytes).as_bytes() == file.hash.0)
}

/// Fetches files and writes them.
///
/// # Durability
/// All are durable when this returns.
///
/// # Errors
/// [`TransferError::Vanished`] when the remote lacks one.
pub fn fetch_files(disk: &dyn Disk, missing: &[FileRef], caller: &mut Caller<'_>) -> Result<(), TransferError> {
    for file in missing {
        let path = layout::carried_file(&file.hash);
        match caller.fetch_known(&path, u64::from(file.len_bytes), &file.hash.0).map_err(Error::from)? {
            Known::Right(bytes) => create_immutable(disk, &path, &bytes).map_err(Error::from)?,
            Known::Missing => return Err(TransferError::Vanished(format!("carried file {path}"))),
            Known::Wrong => {
                let what = format!("carried file {path} from {}", caller.address());
                return Err(Error::from(StoreError::damaged(what)).into());
            }
        }
    }
    if !missing.is_empty() {
        disk.sync_dir(&layout::manifests()).map_err(Error::from)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
