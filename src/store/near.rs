//! Reading through what is kept near: what was fetched and held is kept, and what is kept and does not hold is fetched again.
//!
//! Everything here has a name that says what its bytes are: an object its id, a file of the outer layer its hash. So nothing
//! that is kept is ever stale, and whatever leads to a name, HEAD first of all, is never kept.

use super::error::StoreError;
use crate::base::{DedupGeneration, ObjectId, PackHash, StorePath};
use crate::disk::near::Name;
use crate::disk::{Disk, DiskError, read_all};

const OBJECT: &str = "chunkstore 1 name of a kept object";
const INDEX: &str = "chunkstore 1 name of a kept index";
const FILE: &str = "chunkstore 1 name of a kept file";

/// What is kept: a sealed object, the header and index of a pack.
#[derive(Debug, Clone, Copy)]
pub enum Kept {
    /// An object's frame.
    Object(ObjectId, DedupGeneration),
    /// What a pack says that it holds.
    Index(PackHash),
}

impl Kept {
    /// Returns the name, which leads nobody back to the object who does not have its id.
    fn name(&self) -> Name {
        match self {
            Self::Object(id, generation) => derive(OBJECT, &[&id.0, &generation.0.to_le_bytes()]),
            Self::Index(pack) => derive(INDEX, &[&pack.0]),
        }
    }
}

fn derive(context: &str, parts: &[&[u8]]) -> Name {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    parts.iter().for_each(|part| _ = hasher.update(part));
    let mut name = Name::default();
    hasher.finalize_xof().fill(&mut name);
    name
}

/// Returns what `open` makes of sealed bytes: those that are kept near, else those that `fetch` gets, which are then kept.
///
/// # Errors
/// Those of `fetch`, and of `open` for what was fetched.
pub fn through<T>(
    disk: &dyn Disk,
    kept: Kept,
    fetch: impl FnOnce() -> Result<Vec<u8>, StoreError>,
    mut open: impl FnMut(Vec<u8>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let Some(near) = disk.near() else { return open(fetch()?) };
    let name = kept.name();
    if let Some(bytes) = near.get(&name) {
        match open(bytes) {
            Ok(opened) => return Ok(opened),
            Err(_) => near.forget(&name),
        }
    }
    let bytes = fetch()?;
    let sealed = bytes.clone();
    let opened = open(bytes)?;
    near.put(&name, &sealed);
    Ok(opened)
}

/// Reads a whole file of at most `max_bytes` whose hash is known, from near where it is kept; nothing when there is none. What
/// comes from the disk may be anything.
///
/// # Errors
/// As [`read_all`].
pub fn read_known(
    disk: &dyn Disk,
    path: &StorePath,
    hash: &[u8; 32],
    max_bytes: u64,
) -> Result<Option<Vec<u8>>, DiskError> {
    let Some(near) = disk.near() else { return read_all(disk, path, max_bytes) };
    let is_right = |bytes: &[u8]| blake3::hash(bytes).as_bytes() == hash;
    let name = derive(FILE, &[hash]);
    if let Some(bytes) = near.get(&name) {
        if is_right(&bytes) {
            return Ok(Some(bytes));
        }
        near.forget(&name);
    }
    let bytes = read_all(disk, path, max_bytes)?;
    if let Some(bytes) = bytes.as_deref().filter(|bytes| is_right(bytes)) {
        near.put(&name, bytes);
    }
    Ok(bytes)
}
