//! The secrets of a store and every key derived from them; one table of contexts.
//!
//! ```text
//! store secret --+-- object id key        id = keyed BLAKE3(kind, plaintext)
//!                +-- gear table           2048 bytes for FastCDC
//!                +-- node boundary key    where trees and lists are split
//!                +-- file id key
//! dedup secret  --+- object key maker     key = keyed BLAKE3(kind, id)
//!                 +- roster key           who holds keys
//!                 +- order objects key    what purges took away
//! epoch secret  --+- root key --+- pack index key
//!                 |             +- order snapshots key
//!                 |             +- plan key
//!                 +- commitment key       what HEAD commits to, over store id, epoch and store secret
//! ```
//!
//! A reader holds the store secret and the epoch secrets; a writer the dedup secrets besides.

use std::collections::BTreeMap;
use std::fmt::Write;

use zeroize::Zeroizing;

use super::error::StoreError;
use crate::base::limits::KEY_FILE_MAX_BYTES;
use crate::base::random::random_array;
use crate::base::{DedupGeneration, Epoch, FileId, ObjectId, Random, ReplicaId, StoreId};
use crate::crypto::Secret;
use crate::format::text::{Lines, parse, parse_hex_to, words};
use crate::format::{FormatError, Kind, ObjectKey};

const READER_TITLE: &str = "chunkstore reader keys";
const WRITER_TITLE: &str = "chunkstore writer keys";
const WHOLE: &str = "the content of a key file";

/// What it takes to read a store.
#[derive(Clone)]
pub struct ReaderKeys {
    store: StoreId,
    store_secret: Secret,
    id_key: Secret,
    epochs: BTreeMap<Epoch, Secret>,
    /// Index keys of epochs whose secrets are gone.
    index_keys: BTreeMap<Epoch, Secret>,
}

impl ReaderKeys {
    /// Takes over the secrets of one epoch.
    #[must_use]
    pub fn new(store: StoreId, store_secret: Secret, epoch: Epoch, epoch_secret: Secret) -> Self {
        let id_key = store_secret.derive("chunkstore 1 object id");
        let epochs = BTreeMap::from([(epoch, epoch_secret)]);
        Self { store, store_secret, id_key, epochs, index_keys: BTreeMap::new() }
    }

    /// Returns which store they open.
    #[must_use]
    pub fn store(&self) -> StoreId {
        self.store
    }

    /// Returns the newest epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epochs.last_key_value().map_or(Epoch(0), |(epoch, _)| *epoch)
    }

    /// Adds the secrets of older epochs, as a manifest's sealed part lists them.
    pub fn add_older(&mut self, older: &[(Epoch, Zeroizing<[u8; 32]>)]) {
        for (epoch, secret) in older {
            self.epochs.entry(*epoch).or_insert_with(|| Secret::from_bytes(**secret));
        }
    }

    /// Adds the index keys of epochs whose secrets are gone, as a manifest's sealed part lists them.
    pub fn add_index_keys(&mut self, keys: &[(Epoch, Zeroizing<[u8; 32]>)]) {
        for (epoch, key) in keys {
            self.index_keys.entry(*epoch).or_insert_with(|| Secret::from_bytes(**key));
        }
    }

    /// Returns the index keys of epochs whose secrets are gone, ascending, as a manifest's sealed part lists them.
    #[must_use]
    pub fn index_keys(&self) -> Vec<(Epoch, Zeroizing<[u8; 32]>)> {
        self.index_keys.iter().map(|(epoch, key)| (*epoch, Zeroizing::new(*key.expose()))).collect()
    }

    /// Returns the same store's keys with a fresh secret for an epoch of a higher number; without those of the older ones if they
    /// are cut off.
    fn with_epoch(&self, epoch: Epoch, cut: bool, random: &dyn Random) -> Self {
        let mut next = self.clone();
        if cut {
            // Packs of those epochs stay, and what they hold must be known.
            let kept = self.epochs.keys().filter_map(|epoch| Some((*epoch, self.index_key(*epoch)?)));
            next.index_keys.extend(kept);
            next.epochs.clear();
        }
        next.epochs.insert(epoch, Secret::generate(random));
        next
    }

    /// Returns the secrets of all epochs before the newest, ascending, as a manifest's sealed part lists them.
    #[must_use]
    pub fn older(&self) -> Vec<(Epoch, Zeroizing<[u8; 32]>)> {
        let older = self.epochs.iter().filter(|(epoch, _)| **epoch != self.epoch());
        older.map(|(epoch, secret)| (*epoch, Zeroizing::new(*secret.expose()))).collect()
    }

    /// Returns the id of an object: one pass of keyed BLAKE3 over kind and plaintext.
    #[must_use]
    pub fn object_id(&self, kind: Kind, plaintext: &[u8]) -> ObjectId {
        ObjectId(self.id_key.keyed_hash(&[&[kind.byte()], plaintext]))
    }

    /// Returns the key of roots (snapshots and manifests' sealed parts) of an epoch, if its secret is known.
    #[must_use]
    pub fn root_key(&self, epoch: Epoch) -> Option<Secret> {
        self.epochs.get(&epoch).map(|secret| secret.derive("chunkstore 1 root"))
    }

    /// Returns the key of pack indexes of an epoch, if its secret is known.
    #[must_use]
    pub fn index_key(&self, epoch: Epoch) -> Option<Secret> {
        let derived = self.root_key(epoch).map(|root| root.derive("chunkstore 1 pack index"));
        derived.or_else(|| self.index_keys.get(&epoch).cloned())
    }

    /// Returns the key of the hashes by which plans are approved, of an epoch, if its secret is known.
    #[must_use]
    pub fn plan_key(&self, epoch: Epoch) -> Option<Secret> {
        self.root_key(epoch).map(|root| root.derive("chunkstore 1 plan"))
    }

    /// Returns the key of what purge orders say to readers, of an epoch, if its secret is known.
    #[must_use]
    pub fn order_key(&self, epoch: Epoch) -> Option<Secret> {
        self.root_key(epoch).map(|root| root.derive("chunkstore 1 order snapshots"))
    }

    /// Returns what HEAD commits to, so that one HEAD opens to one set of secrets only.
    #[must_use]
    pub fn commitment(&self, epoch: Epoch) -> Option<[u8; 32]> {
        let key = self.epochs.get(&epoch)?.derive("chunkstore 1 commitment");
        Some(key.keyed_hash(&[&self.store.0, &epoch.0.to_le_bytes(), self.store_secret.expose()]))
    }

    /// Returns the 2048 bytes of the chunker's gear table.
    #[must_use]
    pub fn gear_table(&self) -> Box<Zeroizing<[u8; 2048]>> {
        let mut table = Box::new(Zeroizing::new([0; 2048]));
        self.store_secret.derive("chunkstore 1 gear table").fill_stream(&mut table[..]);
        table
    }

    /// Returns the key that decides where trees are split into nodes.
    #[must_use]
    pub fn boundary_key(&self) -> Secret {
        self.store_secret.derive("chunkstore 1 node boundary")
    }

    /// Returns the id of a file that is seen for the first time.
    #[must_use]
    pub fn file_id(&self, replica: ReplicaId, sequence: u64, operation: u64, path: &[u8]) -> FileId {
        let key = self.store_secret.derive("chunkstore 1 file id");
        let hash = key.keyed_hash(&[&replica.0, &sequence.to_le_bytes(), &operation.to_le_bytes(), path]);
        let mut id = [0; FileId::LEN];
        id.copy_from_slice(&hash[..FileId::LEN]);
        FileId(id)
    }

    /// Writes what a reader's key file wraps.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<String> {
        self.encode_under(READER_TITLE)
    }

    fn encode_under(&self, title: &str) -> Zeroizing<String> {
        // With all the room that a key file has, since a text that moves as it grows leaves its secrets behind.
        let mut text = Zeroizing::new(String::with_capacity(KEY_FILE_MAX_BYTES as usize));
        // Writing to a String cannot fail.
        let _ = write!(text, "{title}\nstore {}\n", self.store);
        let _ = writeln!(text, "store-secret {}", *hex_of(&self.store_secret));
        if let Some((epoch, secret)) = self.epochs.last_key_value() {
            let _ = writeln!(text, "epoch {epoch} {}", *hex_of(secret));
        }
        text
    }
}

/// What becomes of a secret that has generations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Step {
    /// It stays.
    #[default]
    Keep,
    /// A fresh one follows, and whoever holds that one knows the older ones, too.
    Next,
    /// A fresh one follows, and the older ones are handed to nobody any more.
    Cut,
}

/// What it takes to write a store.
#[derive(Clone)]
pub struct WriterKeys {
    /// What it takes to read it.
    pub reader: ReaderKeys,
    dedup: BTreeMap<DedupGeneration, Secret>,
}

impl WriterKeys {
    /// Draws the secrets of a new store: epoch 1, dedup generation 1.
    #[must_use]
    pub fn generate(store: StoreId, random: &dyn Random) -> Self {
        let reader = ReaderKeys::new(store, Secret::generate(random), Epoch(1), Secret::generate(random));
        Self { reader, dedup: BTreeMap::from([(DedupGeneration(1), Secret::generate(random))]) }
    }

    /// Returns the keys of the same store after a step; the number of an epoch that begins is above another one as well. Nothing
    /// after the last epoch or dedup generation that there can be.
    ///
    /// Where a writer goes, which is when the dedup secret takes a step, the epoch leaps: whoever had that writer's key may have
    /// begun some that nobody here saw, and copies hold key files under their numbers.
    #[must_use]
    pub fn step(&self, epoch: Step, dedup: Step, above: Epoch, random: &dyn Random) -> Option<Self> {
        let mut next = self.clone();
        if epoch != Step::Keep {
            let follower = self.reader.epoch().max(above).next()?;
            let leap = if dedup == Step::Next { u16::from_le_bytes(random_array(random)) } else { 0 };
            let number = follower.0.checked_add(leap.into()).map_or(follower, Epoch);
            next.reader = self.reader.with_epoch(number, epoch == Step::Cut, random);
        }
        if dedup != Step::Keep {
            let newest = self.dedup_generation().next()?;
            if dedup == Step::Cut {
                next.dedup.clear();
            }
            next.dedup.insert(newest, Secret::generate(random));
        }
        Some(next)
    }

    /// Returns the newest dedup generation.
    #[must_use]
    pub fn dedup_generation(&self) -> DedupGeneration {
        self.dedup.last_key_value().map_or(DedupGeneration(0), |(generation, _)| *generation)
    }

    /// Returns the key of what purge orders say to writers, of a dedup generation, if its secret is known.
    #[must_use]
    pub fn order_key(&self, generation: DedupGeneration) -> Option<Secret> {
        self.dedup.get(&generation).map(|secret| secret.derive("chunkstore 1 order objects"))
    }

    /// Returns the key of the roster of a dedup generation, if its secret is known.
    #[must_use]
    pub fn roster_key(&self, generation: DedupGeneration) -> Option<Secret> {
        self.dedup.get(&generation).map(|secret| secret.derive("chunkstore 1 roster"))
    }

    /// Returns what makes object keys of a dedup generation, if its secret is known.
    #[must_use]
    pub fn key_maker(&self, generation: DedupGeneration) -> Option<KeyMaker> {
        let secret = self.dedup.get(&generation)?.derive("chunkstore 1 object key");
        Some(KeyMaker { generation, secret })
    }

    /// Writes what a writer's key file wraps.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<String> {
        let mut text = self.reader.encode_under(WRITER_TITLE);
        for (generation, secret) in &self.dedup {
            let _ = writeln!(text, "dedup {generation} {}", *hex_of(secret));
        }
        text
    }
}

/// Makes object keys of one dedup generation.
#[derive(Clone)]
pub struct KeyMaker {
    generation: DedupGeneration,
    secret: Secret,
}

impl KeyMaker {
    /// Returns the dedup generation.
    #[must_use]
    pub fn generation(&self) -> DedupGeneration {
        self.generation
    }

    /// Returns the key that an object is sealed under.
    #[must_use]
    pub fn object_key(&self, kind: Kind, id: &ObjectId) -> ObjectKey {
        ObjectKey(self.secret.keyed_hash(&[&[kind.byte()], &id.0]))
    }
}

/// What an unwrapped key file held.
pub enum KeyFileContent {
    /// A reader's.
    Reader(ReaderKeys),
    /// A writer's.
    Writer(WriterKeys),
}

/// Reads what a key file wrapped, of this store and epoch.
///
/// # Errors
/// [`StoreError::Corrupt`] when it is of another store or epoch, or not in the format.
pub fn decode_key_file(bytes: &[u8], store: StoreId, epoch: Epoch) -> Result<KeyFileContent, StoreError> {
    let corrupt = |error: FormatError| StoreError::corrupt("a key file", error);
    let is_writer = bytes.starts_with(WRITER_TITLE.as_bytes());
    let title = if is_writer { WRITER_TITLE } else { READER_TITLE };
    let lines = Lines::parse(WHOLE, title, bytes).map_err(corrupt)?;
    if lines.value::<StoreId>("store").map_err(corrupt)? != store {
        return Err(corrupt(FormatError::WrongKind("a key file of this store")));
    }
    let store_secret = secret_of(lines.one("store-secret").map_err(corrupt)?).map_err(corrupt)?;
    let (found, epoch_secret) = numbered(lines.one("epoch").map_err(corrupt)?).map_err(corrupt)?;
    if Epoch(found) != epoch {
        return Err(corrupt(FormatError::WrongKind("a key file of this epoch")));
    }
    let reader = ReaderKeys::new(store, store_secret, epoch, epoch_secret);
    if !is_writer {
        return Ok(KeyFileContent::Reader(reader));
    }
    let dedup = lines.all("dedup", 4096).map_err(corrupt)?.into_iter().map(numbered);
    let dedup = dedup.collect::<Result<Vec<_>, _>>().map_err(corrupt)?;
    if !dedup.is_sorted_by(|a, b| a.0 < b.0) {
        return Err(corrupt(FormatError::NotCanonical(WHOLE)));
    }
    let dedup = dedup.into_iter().map(|(number, secret)| (DedupGeneration(number), secret)).collect();
    Ok(KeyFileContent::Writer(WriterKeys { reader, dedup }))
}

fn numbered(value: &str) -> Result<(u32, Secret), FormatError> {
    let [number, secret] = words(WHOLE, value)?;
    Ok((parse(WHOLE, number)?, secret_of(secret)?))
}

fn hex_of(secret: &Secret) -> Zeroizing<String> {
    Zeroizing::new(hex::encode(secret.expose()))
}

fn secret_of(text: &str) -> Result<Secret, FormatError> {
    let mut bytes = Zeroizing::new([0; 32]);
    parse_hex_to(WHOLE, text, &mut bytes[..])?;
    Ok(Secret::from_bytes(*bytes))
}

#[cfg(test)]
mod tests;
