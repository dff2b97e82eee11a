//! The names inside a store: the only place that makes them.
//!
//! Files are created after `init` under names that FAT can hold in one short slot: digits or upper-case hex, eight and
//! three characters at most. Directories and the files of `init` are made once, so theirs may be friendlier.

use crate::base::limits::PACK_MAX_BYTES;
use crate::base::{Epoch, FileHash, Generation, KeyListHash, ManifestHash, PackHash, RecipeHash, ReplicaId, StorePath};
use crate::format::keylist::KeyTag;

/// Directories that every store has, parents first.
pub const DIRS: [&str; 6] = ["heads", "trust", "manifests", "packs", "keys", "replica"];
/// Most bytes that a name takes in a directory of FAT or exFAT, with room, for estimates of space.
pub const ENTRY_OVERHEAD_BYTES: u64 = 64 * 1024;

const _: () = assert!(PACK_MAX_BYTES < u32::MAX as u64, "a pack fits FAT32's longest file");

fn path(text: &str) -> StorePath {
    StorePath::new(text).unwrap_or_else(|_| StorePath::root())
}

/// Returns the directories that every store has, parents first.
pub fn dirs() -> impl Iterator<Item = StorePath> {
    DIRS.iter().map(|dir| path(dir))
}

/// The marker.
#[must_use]
pub fn marker() -> StorePath {
    path("STORE")
}

/// The pointer that is swung.
#[must_use]
pub fn head() -> StorePath {
    path("HEAD")
}

/// Where the next HEAD is written before it takes HEAD's name.
#[must_use]
pub fn head_new() -> StorePath {
    path("HEAD.new")
}

/// The signed target of a sync that is under way.
#[must_use]
pub fn pending() -> StorePath {
    path("pending")
}

/// The file that writers lock.
#[must_use]
pub fn write_lock() -> StorePath {
    path("lock")
}

/// The file that readers share.
#[must_use]
pub fn read_lock() -> StorePath {
    path("readers")
}

/// The directory of records.
#[must_use]
pub fn heads() -> StorePath {
    path("heads")
}

/// The record of one generation: `heads/<n>`, eight decimal digits or more.
#[must_use]
pub fn head_record(generation: Generation) -> StorePath {
    path(&format!("heads/{:08}", generation.0))
}

/// Reads the generation off a record's name.
#[must_use]
pub fn head_record_generation(name: &str) -> Option<Generation> {
    let generation = name.parse().ok().map(Generation)?;
    (format!("{:08}", generation.0) == name).then_some(generation)
}

/// The directory of trust files.
#[must_use]
pub fn trust_dir() -> StorePath {
    path("trust")
}

/// One trust file: `trust/<n>`.
#[must_use]
pub fn trust(version: u32) -> StorePath {
    path(&format!("trust/{version}"))
}

/// The directory of manifests, key lists, recipes and carried files.
#[must_use]
pub fn manifests() -> StorePath {
    path("manifests")
}

/// One manifest: 44 bits of its hash.
#[must_use]
pub fn manifest(hash: &ManifestHash) -> StorePath {
    path(&format!("manifests/{}", short_name(&hash.0)))
}

/// One key list, beside the manifests.
#[must_use]
pub fn key_list(hash: &KeyListHash) -> StorePath {
    path(&format!("manifests/{}", short_name(&hash.0)))
}

/// One recipe, beside the manifests.
#[must_use]
pub fn recipe(hash: &RecipeHash) -> StorePath {
    path(&format!("manifests/{}", short_name(&hash.0)))
}

/// One small file that every replica carries, beside the manifests.
#[must_use]
pub fn carried_file(hash: &FileHash) -> StorePath {
    path(&format!("manifests/{}", short_name(&hash.0)))
}

/// One of the 256 directories of packs.
#[must_use]
pub fn pack_dir(first_byte: u8) -> StorePath {
    path(&format!("packs/{first_byte:02X}"))
}

/// Returns the path of a name that a directory of a store lists; nothing where the name is outside the grammar.
#[must_use]
pub fn listed(dir: &StorePath, name: &str) -> Option<StorePath> {
    StorePath::new(&format!("{}/{name}", dir.as_str())).ok()
}

/// Returns whether a path lies where packs do.
#[must_use]
pub fn is_below_packs(path: &StorePath) -> bool {
    path.parent().parent() == self::path("packs")
}

/// One pack: 52 bits of its hash.
#[must_use]
pub fn pack(hash: &PackHash) -> StorePath {
    path(&format!("packs/{:02X}/{}", hash.0[0], short_name(&hash.0[1..])))
}

/// The directory of one epoch's key files.
#[must_use]
pub fn key_dir(epoch: Epoch) -> StorePath {
    path(&format!("keys/{:08}", epoch.0))
}

/// One wrapped key file.
#[must_use]
pub fn key_file(epoch: Epoch, tag: KeyTag) -> StorePath {
    path(&format!("keys/{:08}/{tag}.age", epoch.0))
}

/// The directory of epochs.
#[must_use]
pub fn keys_dir() -> StorePath {
    path("keys")
}

/// Reads the epoch off the name of a directory of key files.
#[must_use]
pub fn key_dir_epoch(name: &str) -> Option<Epoch> {
    let epoch = name.parse().ok().map(Epoch)?;
    (format!("{:08}", epoch.0) == name).then_some(epoch)
}

/// Returns whether a name is one that a wrapped key file can have.
#[must_use]
pub fn is_key_file_name(name: &str) -> bool {
    name.strip_suffix(".age").is_some_and(|tag| tag.len() == 8 && is_upper_hex(tag))
}

/// Returns whether a name is one that a pack, or a file beside the manifests, can have.
#[must_use]
pub fn is_hash_name(name: &str) -> bool {
    name.split_once('.')
        .is_some_and(|(stem, end)| (stem.len(), end.len()) == (8, 3) && is_upper_hex(stem) && is_upper_hex(end))
}

fn is_upper_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte))
}

/// The file that says which replica this is.
#[must_use]
pub fn replica() -> StorePath {
    path("replica/id")
}

/// The file that names the remote this store was cloned from.
#[must_use]
pub fn replica_remote() -> StorePath {
    path("replica/remote")
}

/// The file that names the key file this store carries.
#[must_use]
pub fn replica_tag() -> StorePath {
    path("replica/tag")
}

/// The file that names the rollout group this key is in.
#[must_use]
pub fn replica_group() -> StorePath {
    path("replica/group")
}

/// The file that holds the seed by which this replica's receipts are signed.
#[must_use]
pub fn receipt_key() -> StorePath {
    path("replica/receipt.key")
}

/// The directory of receipts, on a server.
#[must_use]
pub fn receipts() -> StorePath {
    path("receipts")
}

/// Where a server has the receipt of a replica.
#[must_use]
pub fn receipt(replica: ReplicaId) -> StorePath {
    path(&format!("receipts/{replica}"))
}

/// The marker of a run that has not ended.
#[must_use]
pub fn unclean() -> StorePath {
    path("replica/unclean")
}

/// Eight and three upper-case hex digits of a hash.
fn short_name(hash: &[u8]) -> String {
    let digits = hex::encode_upper(&hash[..6]);
    format!("{}.{}", &digits[..8], &digits[8..11])
}

#[cfg(test)]
mod tests;
