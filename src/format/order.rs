//! A purge order: which packs are to be gone everywhere, in clear and signed; for readers, which snapshots stand in the place of
//! which; for writers, which objects are never to come back under an old key.
//!
//! A carried file of its own kind. Long orders are spread over several parts, each a whole file.

use super::codec::{Decoder, Encoder, FormatError};
use super::outer::{FileMagic, get_header, put_header};
use super::pack::SEAL_OVERHEAD_BYTES;
use crate::base::limits::SMALL_FILE_MAX_BYTES;
use crate::base::{DedupGeneration, Epoch, Generation, ObjectId, PackHash, PublicKey, StoreId};

const WHOLE: &str = "a purge order";
const PART: &str = "a sealed part of a purge order";
const VERSION: u8 = 1;
/// Most packs, snapshots and objects of one part, each.
pub const ORDER_ITEMS_MAX: usize = 4096;
/// Most parts of one order.
pub const ORDER_PARTS_MAX: u16 = 1024;
const SIGNATURE_BYTES: usize = 64;

/// One part of an order as it lies in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderFile {
    /// Bumped until the file's name is free.
    pub clash_counter: u32,
    /// The generation of the purge: what leads to older ones goes.
    pub generation: Generation,
    /// Which part this is.
    pub part: u16,
    /// How many parts there are.
    pub parts: u16,
    /// The epoch from whose root key that of the snapshots is derived.
    pub epoch: Epoch,
    /// The dedup generation from whose secret the key of the objects is derived.
    pub dedup_generation: DedupGeneration,
    /// The writer that signs it.
    pub writer: PublicKey,
    /// Packs that are to be gone, ascending.
    pub packs: Vec<PackHash>,
    /// The sealed snapshots.
    pub snapshots: Vec<u8>,
    /// The sealed objects.
    pub objects: Vec<u8>,
}

impl OrderFile {
    /// Writes what is signed.
    #[must_use]
    pub fn encode_body(&self, store: StoreId) -> Vec<u8> {
        let mut out = Encoder::new();
        put_header(&mut out, FileMagic::Order, store, self.clash_counter);
        out.u64(self.generation.0);
        out.u16(self.part);
        out.u16(self.parts);
        out.u32(self.epoch.0);
        out.u32(self.dedup_generation.0);
        out.u32(0);
        out.raw(&self.writer.0);
        out.count(self.packs.len());
        self.packs.iter().for_each(|pack| out.raw(&pack.0));
        out.bytes(&self.snapshots);
        out.bytes(&self.objects);
        out.finish()
    }

    /// Reads a file; returns the signature, and how many bytes before it are signed.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn decode(bytes: &[u8], store: StoreId) -> Result<(Self, [u8; 64], usize), FormatError> {
        if bytes.len() as u64 > SMALL_FILE_MAX_BYTES {
            return Err(FormatError::Limit(WHOLE));
        }
        let mut input = Decoder::new(WHOLE, bytes);
        let clash_counter = get_header(&mut input, FileMagic::Order, store)?;
        let generation = Generation(input.u64()?);
        let (part, parts) = (input.u16()?, input.u16()?);
        let (epoch, dedup_generation) = (Epoch(input.u32()?), DedupGeneration(input.u32()?));
        if input.u32()? != 0 {
            return Err(FormatError::NotCanonical(WHOLE));
        }
        if parts > ORDER_PARTS_MAX || part >= parts {
            return Err(FormatError::Limit(WHOLE));
        }
        let writer = PublicKey(input.array()?);
        let count = input.count(PackHash::LEN)?;
        let packs = (0..count).map(|_| Ok(PackHash(input.array()?))).collect::<Result<Vec<_>, FormatError>>()?;
        if count > ORDER_ITEMS_MAX {
            return Err(FormatError::Limit(WHOLE));
        }
        if !packs.is_sorted_by(|a, b| a < b) {
            return Err(FormatError::NotCanonical(WHOLE));
        }
        let (snapshots, objects) = (get_frame(&mut input)?, get_frame(&mut input)?);
        let signed = bytes.len() - input.remaining();
        let signature = input.array()?;
        input.end()?;
        debug_assert_eq!(signed + SIGNATURE_BYTES, bytes.len());
        let file =
            Self { clash_counter, generation, part, parts, epoch, dedup_generation, writer, packs, snapshots, objects };
        Ok((file, signature, signed))
    }
}

fn get_frame(input: &mut Decoder<'_>) -> Result<Vec<u8>, FormatError> {
    let frame = input.bytes(SMALL_FILE_MAX_BYTES as usize)?;
    if (frame.len() as u64) < SEAL_OVERHEAD_BYTES { Err(FormatError::Truncated(WHOLE)) } else { Ok(frame.to_vec()) }
}

/// Writes which snapshots stand in the place of which, ascending by the old id.
#[must_use]
pub fn encode_snapshots(snapshots: &[(ObjectId, ObjectId)], padded_len: usize) -> Vec<u8> {
    let mut out = Encoder::with_capacity(padded_len);
    out.u8(VERSION);
    out.count(snapshots.len());
    for (old, new) in snapshots {
        out.raw(&old.0);
        out.raw(&new.0);
    }
    padded(out, padded_len)
}

/// Reads them.
///
/// # Errors
/// [`FormatError`].
pub fn decode_snapshots(bytes: &[u8]) -> Result<Vec<(ObjectId, ObjectId)>, FormatError> {
    let mut input = Decoder::new(PART, bytes);
    input.version(VERSION)?;
    let count = item_count(&mut input, 2 * ObjectId::LEN)?;
    let pair = |input: &mut Decoder<'_>| Ok((ObjectId(input.array()?), ObjectId(input.array()?)));
    let pairs = (0..count).map(|_| pair(&mut input)).collect::<Result<Vec<_>, FormatError>>()?;
    input.end_padding()?;
    if pairs.is_sorted_by(|a, b| a.0 < b.0) { Ok(pairs) } else { Err(FormatError::NotCanonical(PART)) }
}

/// Writes ids of objects, ascending.
#[must_use]
pub fn encode_objects(objects: &[ObjectId], padded_len: usize) -> Vec<u8> {
    let mut out = Encoder::with_capacity(padded_len);
    out.u8(VERSION);
    out.count(objects.len());
    objects.iter().for_each(|id| out.raw(&id.0));
    padded(out, padded_len)
}

/// Reads them.
///
/// # Errors
/// [`FormatError`].
pub fn decode_objects(bytes: &[u8]) -> Result<Vec<ObjectId>, FormatError> {
    let mut input = Decoder::new(PART, bytes);
    input.version(VERSION)?;
    let count = item_count(&mut input, ObjectId::LEN)?;
    let ids = (0..count).map(|_| Ok(ObjectId(input.array()?))).collect::<Result<Vec<_>, FormatError>>()?;
    input.end_padding()?;
    if ids.is_sorted_by(|a, b| a < b) { Ok(ids) } else { Err(FormatError::NotCanonical(PART)) }
}

fn item_count(input: &mut Decoder<'_>, item_bytes: usize) -> Result<usize, FormatError> {
    let count = input.count(item_bytes)?;
    if count > ORDER_ITEMS_MAX { Err(FormatError::Limit(PART)) } else { Ok(count) }
}

fn padded(out: Encoder, padded_len: usize) -> Vec<u8> {
    let mut bytes = out.finish();
    bytes.resize(bytes.len().max(padded_len), 0);
    bytes
}
