//! Wrapped key files: who opens a store, and the lists by which a manifest names them.

use super::error::StoreError;
use super::keyring::{KeyFileContent, ReaderKeys, WriterKeys, decode_key_file};
use super::layout;
use super::manifest::PackSet;
use super::near::read_known;
use super::pack::create_immutable;
use super::read_all;
use crate::base::limits::KEY_FILE_MAX_BYTES;
use crate::base::{Epoch, KeyListHash, StoreId};
use crate::crypto::wrap::{Identity, Recipient, WrapError, unwrap, wrap};
use crate::disk::{Disk, DiskErrorKind};
use crate::format::keylist::{KeyEntry, KeyList, KeyRole, KeyTag};
use crate::format::manifest::{KeyShards, SHARD_BITS_MAX};

/// Most key files that one shard lists before there are twice as many shards.
const SHARD_ENTRIES: usize = 1024;
/// Numbers of epochs above are no reason to go beyond them: whoever began one may have wanted to leave none. Those below keep
/// their eight digits for long.
const PASSED_EPOCH_MAX: Epoch = Epoch(49_999_999);

/// A key file that is made but not written.
pub struct NewKeyFile {
    /// How the manifest lists it.
    pub entry: KeyEntry,
    /// The age file.
    pub bytes: Vec<u8>,
}

impl NewKeyFile {
    /// Wraps the content of a key file for one recipient, under a tag.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if age cannot wrap it, [`StoreError::TooMuch`] if it is longer than a reader takes.
    pub fn wrap(recipient: &Recipient, role: KeyRole, content: &str, tag: KeyTag) -> Result<Self, StoreError> {
        let bytes = wrap(recipient, content.as_bytes()).map_err(|error| StoreError::corrupt("a key file", error))?;
        // A writer's grows with every dedup generation. One that nobody reads again would close the store for good.
        if bytes.len() as u64 > KEY_FILE_MAX_BYTES {
            return Err(StoreError::TooMuch("one more secret for writers (a purge begins their list anew)"));
        }
        Ok(Self::of(tag, role, bytes))
    }

    /// Takes an age file as it is, under a tag.
    #[must_use]
    pub fn of(tag: KeyTag, role: KeyRole, bytes: Vec<u8>) -> Self {
        // An age file of a key is a few hundred bytes.
        let entry = KeyEntry { tag, role, len_bytes: bytes.len() as u32, hash: *blake3::hash(&bytes).as_bytes() };
        Self { entry, bytes }
    }
}

/// Writes key files of an epoch.
///
/// # Durability
/// All are durable when this returns.
///
/// # Errors
/// [`StoreError`].
pub fn write_key_files(disk: &dyn Disk, epoch: Epoch, files: &[NewKeyFile]) -> Result<(), StoreError> {
    disk.create_dir(&layout::key_dir(epoch))?;
    for file in files {
        create_immutable(disk, &layout::key_file(epoch, file.entry.tag), &file.bytes)?;
    }
    disk.sync_dir(&layout::key_dir(epoch))?;
    Ok(disk.sync_dir(&layout::key_dir(epoch).parent())?)
}

/// Returns the epochs that have a folder of key files here, in any order.
///
/// # Errors
/// Those of the disk.
pub fn key_dirs(disk: &dyn Disk) -> Result<Vec<Epoch>, StoreError> {
    let names = match disk.list(&layout::keys_dir()) {
        Err(error) if error.kind == DiskErrorKind::NotFound => Vec::new(),
        names => names?,
    };
    Ok(names.iter().filter_map(|(name, _)| layout::key_dir_epoch(name)).collect())
}

/// Returns the newest epoch that has a folder of key files here, whether or not a state leads to it: one that was dropped may
/// have left it, and copies may hold others of its files under the same names.
///
/// # Errors
/// Those of the disk.
pub fn newest_key_dir(disk: &dyn Disk) -> Result<Epoch, StoreError> {
    let epochs = key_dirs(disk)?.into_iter();
    Ok(epochs.filter(|epoch| *epoch <= PASSED_EPOCH_MAX).max().unwrap_or_default())
}

/// Writes the lists that name the key files of an epoch, in any order; a list that stands already as it would be written stays.
/// Returns what the manifest says of them.
///
/// # Durability
/// All are durable when this returns.
///
/// # Errors
/// [`StoreError::TooMuch`] for more key files than an epoch can have, and those of the disk.
pub fn write_key_lists(
    disk: &dyn Disk,
    store: StoreId,
    epoch: Epoch,
    mut entries: Vec<KeyEntry>,
) -> Result<KeyShards, StoreError> {
    let shards = entries.len().div_ceil(SHARD_ENTRIES).next_power_of_two();
    if shards > 1 << SHARD_BITS_MAX {
        return Err(StoreError::TooMuch("the list of key files"));
    }
    entries.sort_unstable_by_key(|entry| entry.tag);
    let mut named = Vec::with_capacity(shards);
    for shard in 0..shards {
        let listed = entries.iter().filter(|entry| entry.tag.shard(shards) == shard).copied().collect();
        // There are at most 4096 shards.
        let list = KeyList { clash_counter: 0, epoch, shard: shard as u16, shards: shards as u16, entries: listed };
        let bytes = list.encode(store);
        let hash = KeyListHash(*blake3::hash(&bytes).as_bytes());
        create_immutable(disk, &layout::key_list(&hash), &bytes)?;
        named.push((hash, bytes.len() as u64));
    }
    disk.sync_dir(&layout::manifests())?;
    Ok(KeyShards { epoch, shards: named })
}

/// Reads which key files of an epoch a state lists, by tag.
///
/// # Errors
/// [`StoreError::Corrupt`] when a list is missing or wrong.
pub fn read_entries(
    disk: &dyn Disk,
    store: StoreId,
    packs: &PackSet,
    epoch: Epoch,
) -> Result<Vec<KeyEntry>, StoreError> {
    let lists = packs.top.key_lists.iter().filter(|lists| lists.epoch == epoch);
    let mut entries = Vec::new();
    for (hash, len_bytes) in lists.flat_map(|lists| &lists.shards) {
        entries.extend(read_key_list(disk, store, hash, *len_bytes)?.entries);
    }
    Ok(entries)
}

/// Reads one key list that a manifest names.
///
/// # Errors
/// [`StoreError::Corrupt`] when it is missing or wrong.
pub fn read_key_list(
    disk: &dyn Disk,
    store: StoreId,
    hash: &KeyListHash,
    len_bytes: u64,
) -> Result<KeyList, StoreError> {
    let path = layout::key_list(hash);
    let what = || format!("key list {path}");
    let bytes = read_known(disk, &path, &hash.0, len_bytes).map_err(|error| StoreError::unread(what(), error))?;
    let bytes = bytes.ok_or_else(|| StoreError::damaged(what()))?;
    check_key_list(&bytes, store, hash)
}

/// Checks the bytes of a key list against its hash and reads them.
///
/// # Errors
/// [`StoreError::Corrupt`].
pub fn check_key_list(bytes: &[u8], store: StoreId, hash: &KeyListHash) -> Result<KeyList, StoreError> {
    let what = format!("key list {}", layout::key_list(hash));
    if *blake3::hash(bytes).as_bytes() != hash.0 {
        return Err(StoreError::damaged(what));
    }
    KeyList::decode(bytes, store).map_err(|error| StoreError::format(what, error))
}

/// Opens the key file of an epoch that fits one of the identities; the one whose tag is `hint` is tried first.
///
/// # Errors
/// [`StoreError::NoIdentity`] when none fits, [`StoreError::Corrupt`] when the one that fits is damaged.
fn open_key_file(
    disk: &dyn Disk,
    store: StoreId,
    packs: &PackSet,
    epoch: Epoch,
    role: KeyRole,
    identities: &[Identity],
    hint: Option<KeyTag>,
) -> Result<KeyFileContent, StoreError> {
    let lists = packs.top.key_lists.iter().find(|lists| lists.epoch == epoch);
    let mut damaged = None;
    for (hash, len_bytes) in lists.into_iter().flat_map(|lists| &lists.shards) {
        let list = match read_key_list(disk, store, hash, *len_bytes) {
            Ok(list) => list,
            Err(error @ StoreError::Corrupt { .. }) => {
                damaged = Some(error);
                continue;
            }
            Err(error) => return Err(error),
        };
        let mut entries = list.entries;
        entries.sort_by_key(|entry| Some(entry.tag) != hint);
        for entry in entries.iter().filter(|entry| entry.role == role) {
            match open_listed(disk, store, epoch, entry, identities) {
                Ok(Some(content)) => return Ok(content),
                Ok(None) => {}
                Err(error @ StoreError::Corrupt { .. }) => damaged = Some(error),
                Err(error) => return Err(error),
            }
        }
    }
    Err(damaged.unwrap_or(StoreError::NoIdentity))
}

/// Opens one listed key file; nothing when it is not here or not for these identities.
fn open_listed(
    disk: &dyn Disk,
    store: StoreId,
    epoch: Epoch,
    entry: &KeyEntry,
    identities: &[Identity],
) -> Result<Option<KeyFileContent>, StoreError> {
    let path = layout::key_file(epoch, entry.tag);
    let unread = |error| StoreError::unread(format!("key file {path}"), error);
    let Some(bytes) = read_all(disk, &path, KEY_FILE_MAX_BYTES).map_err(unread)? else {
        return Ok(None);
    };
    if *blake3::hash(&bytes).as_bytes() != entry.hash {
        return Err(StoreError::damaged(format!("key file {path}")));
    }
    match unwrap(identities, &bytes, KEY_FILE_MAX_BYTES) {
        Ok(content) => decode_key_file(&content, store, epoch).map(Some),
        Err(WrapError::NoMatch) => Ok(None),
        Err(error) => Err(StoreError::corrupt(format!("key file {path}"), error)),
    }
}

/// Reads the identities under passphrases of an epoch that stand here, with the tags of their readers; the one of `hint` alone,
/// if there is one.
///
/// # Errors
/// [`StoreError::Corrupt`] when a list or a file is damaged.
pub fn read_identities(
    disk: &dyn Disk,
    store: StoreId,
    packs: &PackSet,
    epoch: Epoch,
    hint: Option<KeyTag>,
) -> Result<Vec<(KeyTag, Vec<u8>)>, StoreError> {
    let mut found = Vec::new();
    for entry in read_entries(disk, store, packs, epoch)? {
        let tag = entry.tag.twin();
        if entry.role != KeyRole::Identity || hint.is_some_and(|hint| hint != tag) {
            continue;
        }
        let path = layout::key_file(epoch, entry.tag);
        let unread = |error| StoreError::unread(format!("key file {path}"), error);
        let Some(bytes) = read_all(disk, &path, KEY_FILE_MAX_BYTES).map_err(unread)? else { continue };
        if *blake3::hash(&bytes).as_bytes() != entry.hash {
            return Err(StoreError::damaged(format!("key file {path}")));
        }
        found.push((tag, bytes));
    }
    Ok(found)
}

/// Opens what it takes to read.
///
/// # Errors
/// [`StoreError::NoIdentity`] when no identity fits, [`StoreError::Corrupt`] when the fitting file is damaged.
pub fn open_reader(
    disk: &dyn Disk,
    store: StoreId,
    packs: &PackSet,
    epoch: Epoch,
    identities: &[Identity],
    hint: Option<KeyTag>,
) -> Result<ReaderKeys, StoreError> {
    match open_key_file(disk, store, packs, epoch, KeyRole::Reader, identities, hint)? {
        KeyFileContent::Reader(keys) => Ok(keys),
        KeyFileContent::Writer(keys) => Ok(keys.reader),
    }
}

/// Opens what it takes to write.
///
/// # Errors
/// As [`open_reader`].
pub fn open_writer(
    disk: &dyn Disk,
    store: StoreId,
    packs: &PackSet,
    epoch: Epoch,
    identities: &[Identity],
) -> Result<WriterKeys, StoreError> {
    match open_key_file(disk, store, packs, epoch, KeyRole::Writer, identities, None)? {
        KeyFileContent::Writer(keys) => Ok(keys),
        KeyFileContent::Reader(_) => Err(StoreError::damaged("a writer's key file")),
    }
}

#[cfg(test)]
mod tests;
