//! The roster of a state: read with a writer's keys, changed in memory, written as the carried files of the next state.

use std::collections::BTreeMap;

use super::Store;
use super::error::StoreError;
use super::keyring::WriterKeys;
use super::layout;
use super::object::{Purpose, open_outer, seal_outer};
use super::pack::create_immutable;
use crate::base::limits::SMALL_FILE_MAX_BYTES;
use crate::base::{DedupGeneration, FileHash, StoreId};
use crate::disk::{Disk, read_all};
use crate::format::keylist::{KeyRole, KeyTag};
use crate::format::manifest::{FileKind, FileRef, SHARD_BITS_MAX};
use crate::format::pack::{SEAL_OVERHEAD_BYTES, padme};
use crate::format::roster::{Holder, ROSTER_HEADER_BYTES, RosterFile, decode_holders, encode_holders};

/// Most holders of one shard before there are twice as many shards.
const SHARD_HOLDERS: usize = 1024;

/// Everyone who holds or held keys, by tag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roster {
    holders: BTreeMap<KeyTag, Holder>,
}

impl Roster {
    /// Reads the roster of the state that a store opened as.
    ///
    /// # Errors
    /// As [`Roster::read`].
    pub fn of(store: &Store, keys: &WriterKeys) -> Result<Self, StoreError> {
        Self::read(store.disk().as_ref(), store.id(), &store.packs().top.files, keys)
    }

    /// Reads the roster among the carried files of a state; a state without one has nobody on it.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when a shard is missing or wrong, [`StoreError::NoIdentity`] when the keys lack the secret that
    /// it is sealed under.
    pub fn read(disk: &dyn Disk, store: StoreId, files: &[FileRef], keys: &WriterKeys) -> Result<Self, StoreError> {
        let mut holders = BTreeMap::new();
        for file in files.iter().filter(|file| file.kind == FileKind::ROSTER) {
            let listed = read_shard(disk, store, file, keys)?;
            holders.extend(listed.into_iter().map(|holder| (holder.tag, holder)));
        }
        Ok(Self { holders })
    }

    /// Writes the roster; shards that stand already as they would be written stay. Returns how the manifest lists them.
    ///
    /// # Durability
    /// Everything is durable when this returns.
    ///
    /// # Errors
    /// [`StoreError::TooMuch`] when a shard would be longer than 1 MiB however many there are, and those of the disk.
    pub fn write(
        &self,
        disk: &dyn Disk,
        store: StoreId,
        keys: &WriterKeys,
        generation: DedupGeneration,
    ) -> Result<Vec<FileRef>, StoreError> {
        let mut shards = self.holders.len().div_ceil(SHARD_HOLDERS).next_power_of_two();
        let files = loop {
            match self.seal(store, keys, generation, shards)? {
                Some(files) => break files,
                None if shards < 1 << SHARD_BITS_MAX => shards *= 2,
                None => return Err(StoreError::TooMuch("the roster")),
            }
        };
        let mut listed = Vec::with_capacity(files.len());
        for bytes in &files {
            let hash = FileHash(*blake3::hash(bytes).as_bytes());
            create_immutable(disk, &layout::carried_file(&hash), bytes)?;
            // No file is longer than 1 MiB.
            listed.push(FileRef { kind: FileKind::ROSTER, len_bytes: bytes.len() as u32, hash });
        }
        disk.sync_dir(&layout::manifests())?;
        listed.sort_unstable_by_key(|file| file.hash);
        Ok(listed)
    }

    /// Seals all shards; nothing when one of them is too long.
    fn seal(
        &self,
        store: StoreId,
        keys: &WriterKeys,
        generation: DedupGeneration,
        shards: usize,
    ) -> Result<Option<Vec<Vec<u8>>>, StoreError> {
        let key = keys.roster_key(generation).ok_or(StoreError::NoIdentity)?;
        let mut files = Vec::with_capacity(shards);
        for shard in 0..shards {
            let listed: Vec<&Holder> = self.all().filter(|holder| holder.tag.shard(shards) == shard).collect();
            let around = ROSTER_HEADER_BYTES as u64 + SEAL_OVERHEAD_BYTES;
            let padded = padme(encode_holders(&listed, 0).len() as u64 + around);
            if padded > SMALL_FILE_MAX_BYTES {
                return Ok(None);
            }
            let plain = encode_holders(&listed, usize::try_from(padded - around).unwrap_or(0));
            let frame = seal_outer(store, Purpose::Roster, &key, &plain)?;
            // There are at most 4096 shards.
            let (shard, shards) = (shard as u16, shards as u16);
            let file = RosterFile { clash_counter: 0, shard, shards, dedup_generation: generation, frame };
            files.push(file.encode(store));
        }
        Ok(Some(files))
    }

    /// Returns everyone, by tag.
    pub fn all(&self) -> impl Iterator<Item = &Holder> {
        self.holders.values()
    }

    /// Returns those who hold keys of the newest epoch.
    pub fn current(&self) -> impl Iterator<Item = &Holder> {
        self.all().filter(|holder| holder.until.is_none())
    }

    /// Returns one holder.
    #[must_use]
    pub fn holder(&self, tag: KeyTag) -> Option<&Holder> {
        self.holders.get(&tag)
    }

    /// Returns one holder, to change what is said of it.
    pub fn holder_mut(&mut self, tag: KeyTag) -> Option<&mut Holder> {
        self.holders.get_mut(&tag)
    }

    /// Returns whether a tag or its twin was ever given to anybody.
    #[must_use]
    pub fn is_taken(&self, tag: KeyTag) -> bool {
        self.holders.contains_key(&tag) || self.holders.contains_key(&tag.twin())
    }

    /// Puts someone on it, in place of whoever had the tag.
    pub fn put(&mut self, holder: Holder) {
        self.holders.insert(holder.tag, holder);
    }

    /// Returns those who hold keys now and go by a name, a tag or a recipient.
    #[must_use]
    pub fn find(&self, role: KeyRole, who: &str) -> Vec<&Holder> {
        let tag = who.parse::<KeyTag>().ok();
        let fits = |holder: &&Holder| {
            holder.role == role && (holder.name == who || holder.recipient == who || Some(holder.tag) == tag)
        };
        self.current().filter(fits).collect()
    }
}

fn read_shard(disk: &dyn Disk, store: StoreId, file: &FileRef, keys: &WriterKeys) -> Result<Vec<Holder>, StoreError> {
    let path = layout::carried_file(&file.hash);
    let what = format!("roster {path}");
    let bytes = read_all(disk, &path, u64::from(file.len_bytes)).map_err(|error| StoreError::unread(&what, error))?;
    let bytes = bytes.filter(|bytes| *blake3::hash(bytes).as_bytes() == file.hash.0);
    let bytes = bytes.ok_or_else(|| StoreError::damaged(&what))?;
    let shard = RosterFile::decode(&bytes, store).map_err(|error| StoreError::format(&what, error))?;
    let key = keys.roster_key(shard.dedup_generation).ok_or(StoreError::NoIdentity)?;
    let plain = open_outer(store, Purpose::Roster, &key, &what, &shard.frame)?;
    let holders = decode_holders(&plain).map_err(|error| StoreError::format(&what, error))?;
    let is_elsewhere = |holder: &Holder| holder.tag.shard(shard.shards.into()) != usize::from(shard.shard);
    if holders.iter().any(is_elsewhere) { Err(StoreError::damaged(what)) } else { Ok(holders) }
}

#[cfg(test)]
mod tests;
