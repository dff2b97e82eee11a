//! Objects between plaintext and frame: id, compression, sealing, and all the way back with every check.

use zeroize::Zeroizing;

use super::error::StoreError;
use super::keyring::{KeyMaker, ReaderKeys};
use crate::base::limits::OBJECT_MAX_BYTES;
use crate::base::{DedupGeneration, Epoch, ObjectId, StoreId};
use crate::crypto::{Secret, seal};
use crate::format::pack::PackEntry;
use crate::format::{Codec, Kind, ObjectKey, Pointer};

/// What a sealed message is for; part of its associated data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// An object in a pack.
    Object,
    /// A pack's index.
    PackIndex,
    /// A manifest's sealed part.
    Manifest,
    /// A shard of the roster.
    Roster,
    /// Which snapshots a purge put in the place of which.
    OrderSnapshots,
    /// Which objects a purge took away.
    OrderObjects,
}

/// Length of the associated data of every seal in bytes.
pub const ASSOCIATED_BYTES: usize = 12 + 16 + 4 + 8 + 32;

/// Returns the associated data of a seal: format, store id, purpose, kind, codec, length, id.
///
/// Pack indexes, sealed parts and rosters have kind and codec 0 and an id of zeros.
#[must_use]
pub fn associated_data(
    store: StoreId,
    purpose: Purpose,
    object: Option<(Kind, Codec, ObjectId)>,
    len_bytes: u64,
) -> [u8; ASSOCIATED_BYTES] {
    let mut data = [0; ASSOCIATED_BYTES];
    data[..12].copy_from_slice(b"chunkstore 1");
    data[12..28].copy_from_slice(&store.0);
    data[28] = match purpose {
        Purpose::Object => 1,
        Purpose::PackIndex => 2,
        Purpose::Manifest => 3,
        Purpose::Roster => 4,
        Purpose::OrderSnapshots => 5,
        Purpose::OrderObjects => 6,
    };
    if let Some((kind, codec, id)) = object {
        data[29] = kind.byte();
        data[30] = codec.byte();
        data[40..].copy_from_slice(&id.0);
    }
    data[32..40].copy_from_slice(&len_bytes.to_le_bytes());
    data
}

/// An object ready for a pack.
#[derive(Debug)]
pub struct SealedObject {
    /// What the pack's index will say of it.
    pub entry: PackEntry,
    /// Nonce, ciphertext, tag.
    pub frame: Vec<u8>,
}

/// Seals objects: one per thread, since it keeps its compression contexts and buffers.
pub struct Sealer {
    store: StoreId,
    compressor: zstd::bulk::Compressor<'static>,
    decompressor: zstd::bulk::Decompressor<'static>,
    packed: Vec<u8>,
    check: Vec<u8>,
}

impl Sealer {
    /// Prepares for objects of a store at a zstd level.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when zstd cannot start.
    pub fn new(store: StoreId, level: i32) -> Result<Self, StoreError> {
        let failed = |error| StoreError::corrupt("the compressor", error);
        Ok(Self {
            store,
            compressor: zstd::bulk::Compressor::new(level).map_err(failed)?,
            decompressor: zstd::bulk::Decompressor::new().map_err(failed)?,
            packed: Vec::new(),
            check: Vec::new(),
        })
    }

    /// Compresses what follows at another zstd level.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when zstd does not take it.
    pub fn set_level(&mut self, level: i32) -> Result<(), StoreError> {
        self.compressor.set_compression_level(level).map_err(|error| StoreError::corrupt("the compressor", error))
    }

    /// Compresses and seals a plaintext under a key.
    ///
    /// What zstd made is decoded and compared before it is sealed.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when zstd does not give back what it was given, or the plaintext is over 16 MiB.
    pub fn seal(
        &mut self,
        kind: Kind,
        id: ObjectId,
        dedup_generation: DedupGeneration,
        key: &ObjectKey,
        plaintext: &[u8],
    ) -> Result<SealedObject, StoreError> {
        let len_bytes = plaintext.len() as u64;
        if len_bytes > OBJECT_MAX_BYTES {
            return Err(StoreError::damaged("an object longer than 16 MiB"));
        }
        let store = self.store;
        let (codec, payload) = self.compress(plaintext)?;
        let associated = associated_data(store, Purpose::Object, Some((kind, codec, id)), len_bytes);
        let frame = seal::seal(&key.0, &associated, payload);
        let frame = frame.map_err(|error| StoreError::corrupt("an object", error))?;
        let sealed_len_bytes = frame.len() as u64;
        Ok(SealedObject { entry: PackEntry { id, kind, codec, dedup_generation, len_bytes, sealed_len_bytes }, frame })
    }

    /// Returns the payload and how it was made.
    fn compress<'a>(&'a mut self, plaintext: &'a [u8]) -> Result<(Codec, &'a [u8]), StoreError> {
        let broken = |error| StoreError::corrupt("an object under compression", error);
        let bound = zstd::zstd_safe::compress_bound(plaintext.len());
        if self.packed.len() < bound {
            self.packed.resize(bound, 0);
        }
        let len = self.compressor.compress_to_buffer(plaintext, &mut self.packed[..]).map_err(broken)?;
        if len >= plaintext.len() {
            return Ok((Codec::Stored, plaintext));
        }
        if self.check.len() < plaintext.len() {
            self.check.resize(plaintext.len(), 0);
        }
        let room = &mut self.check[..plaintext.len()];
        let back = self.decompressor.decompress_to_buffer(&self.packed[..len], room).map_err(broken)?;
        if self.check[..back] != *plaintext {
            return Err(StoreError::damaged("an object under compression"));
        }
        Ok((Codec::Zstd, &self.packed[..len]))
    }
}

/// Makes the pointer to a plaintext, and its id with it.
#[must_use]
pub fn pointer_to(keys: &ReaderKeys, maker: &KeyMaker, kind: Kind, plaintext: &[u8]) -> Pointer {
    let id = keys.object_id(kind, plaintext);
    let key = maker.object_key(kind, &id);
    Pointer { kind, dedup_generation: maker.generation(), len_bytes: plaintext.len() as u64, id, key }
}

/// Opens frames: one per thread, since it keeps its decompression context.
pub struct Opener {
    store: StoreId,
    decompressor: zstd::bulk::Decompressor<'static>,
}

impl Opener {
    /// Prepares for objects of a store.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when zstd cannot start.
    pub fn new(store: StoreId) -> Result<Self, StoreError> {
        let decompressor =
            zstd::bulk::Decompressor::new().map_err(|error| StoreError::corrupt("the decompressor", error))?;
        Ok(Self { store, decompressor })
    }

    /// Opens a frame under a key and checks length and id against what the parent said.
    ///
    /// `frame` is used up; the plaintext is exactly `len_bytes` long, so no frame can swell beyond what its parent named.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when seal, compression, length or id do not hold.
    pub fn open(
        &mut self,
        keys: &ReaderKeys,
        pointer: &Pointer,
        codec: Codec,
        frame: &mut [u8],
    ) -> Result<Vec<u8>, StoreError> {
        let what = || format!("object {}", pointer.id);
        let object = Some((pointer.kind, codec, pointer.id));
        let associated = associated_data(self.store, Purpose::Object, object, pointer.len_bytes);
        let payload = seal::open_in_place(&pointer.key.0, &associated, frame)
            .map_err(|error| StoreError::corrupt(what(), error))?;
        let len = usize::try_from(pointer.len_bytes.min(OBJECT_MAX_BYTES)).unwrap_or(0);
        let plaintext = match codec {
            Codec::Stored => payload.to_vec(),
            Codec::Zstd => {
                let mut plaintext = vec![0; len];
                let made = self.decompressor.decompress_to_buffer(payload, &mut plaintext[..]);
                let made = made.map_err(|error| StoreError::corrupt(what(), error))?;
                plaintext.truncate(made);
                plaintext
            }
        };
        if plaintext.len() != len || keys.object_id(pointer.kind, &plaintext) != pointer.id {
            return Err(StoreError::damaged(what()));
        }
        Ok(plaintext)
    }
}

/// Seals a pack's index or a manifest's sealed part, whose plaintext is padded already.
///
/// # Errors
/// [`StoreError::Corrupt`] if the cipher refuses the length.
pub fn seal_outer(store: StoreId, purpose: Purpose, key: &Secret, plaintext: &[u8]) -> Result<Vec<u8>, StoreError> {
    let associated = associated_data(store, purpose, None, plaintext.len() as u64);
    seal::seal(key.expose(), &associated, plaintext).map_err(|error| StoreError::corrupt("an index", error))
}

/// Opens a pack's index or a manifest's sealed part.
///
/// # Errors
/// [`StoreError::Corrupt`] naming `what`.
pub fn open_outer(
    store: StoreId,
    purpose: Purpose,
    key: &Secret,
    what: &str,
    frame: &[u8],
) -> Result<Vec<u8>, StoreError> {
    let len_bytes = frame.len().saturating_sub(seal::OVERHEAD_BYTES) as u64;
    let associated = associated_data(store, purpose, None, len_bytes);
    // A sealed part holds the secrets of older epochs.
    let mut frame = Zeroizing::new(frame.to_vec());
    let plaintext = seal::open_in_place(key.expose(), &associated, &mut frame);
    plaintext.map(<[u8]>::to_vec).map_err(|error| StoreError::corrupt(what, error))
}

/// Returns the pointer to a snapshot, which is sealed under its epoch's root key.
#[must_use]
pub fn snapshot_pointer(keys: &ReaderKeys, id: ObjectId, epoch: Epoch, len_bytes: u64) -> Option<Pointer> {
    let key = ObjectKey(*keys.root_key(epoch)?.expose());
    Some(Pointer { kind: Kind::Snapshot, dedup_generation: DedupGeneration(0), len_bytes, id, key })
}
