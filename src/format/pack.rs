//! A pack: a header in clear, sealed frames that touch each other, and the sealed index that ends the file.
//!
//! Only class, epoch, set label and lengths are visible; where one object ends and the next begins is not.

use super::codec::{Decoder, Encoder, FormatError};
use super::outer::{FileMagic, HEADER_BYTES, get_header, put_header};
use super::pointer::{Class, Codec, Kind};
use crate::base::limits::{OBJECT_MAX_BYTES, PACK_MAX_BYTES};
use crate::base::{DedupGeneration, Epoch, ObjectId, StoreId};

const WHOLE: &str = "a pack";
const INDEX: &str = "a pack's index";
/// Length of a pack's header in bytes.
pub const PACK_HEADER_BYTES: usize = HEADER_BYTES + 32;
/// What sealing adds to a payload: nonce and tag.
pub const SEAL_OVERHEAD_BYTES: u64 = 40;
const INDEX_VERSION: u8 = 1;

/// The clear part of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackHeader {
    /// Bumped until the file's name is free.
    pub clash_counter: u32,
    /// What the pack holds.
    pub class: Class,
    /// Which part of the archive it belongs to; 0 is for every key. Reserved for sparse keys.
    pub set_label: u16,
    /// The epoch whose index key seals the index.
    pub epoch: Epoch,
    /// Length of the whole file in bytes.
    pub len_bytes: u64,
    /// Length of the sealed index in bytes; it ends the file.
    pub index_len_bytes: u32,
}

impl PackHeader {
    /// Returns where the index starts.
    #[must_use]
    pub fn index_offset(&self) -> u64 {
        self.len_bytes.saturating_sub(u64::from(self.index_len_bytes))
    }

    /// Writes the header, 64 bytes.
    #[must_use]
    pub fn encode(&self, store: StoreId) -> Vec<u8> {
        let mut out = Encoder::new();
        put_header(&mut out, FileMagic::Pack, store, self.clash_counter);
        out.u8(self.class.byte());
        out.u8(0);
        out.u16(self.set_label);
        out.u32(self.epoch.0);
        out.u64(self.len_bytes);
        out.u64(self.index_offset());
        out.u32(self.index_len_bytes);
        out.u32(0);
        out.finish()
    }

    /// Reads the header from a file's first 64 bytes.
    ///
    /// # Errors
    /// [`FormatError`]; lengths must fit each other and the limits.
    pub fn decode(bytes: &[u8], store: StoreId) -> Result<Self, FormatError> {
        let mut input = Decoder::new(WHOLE, bytes);
        let clash_counter = get_header(&mut input, FileMagic::Pack, store)?;
        let class = Class::from_byte(input.u8()?)?;
        let reserved = input.u8()?;
        let set_label = input.u16()?;
        let epoch = Epoch(input.u32()?);
        let len_bytes = input.u64()?;
        let index_offset = input.u64()?;
        let index_len_bytes = input.u32()?;
        let reserved = u32::from(reserved) | input.u32()?;
        input.end()?;
        let index_len = u64::from(index_len_bytes);
        let fits = index_len >= SEAL_OVERHEAD_BYTES
            && index_offset >= PACK_HEADER_BYTES as u64
            && index_offset.checked_add(index_len) == Some(len_bytes)
            && len_bytes <= PACK_MAX_BYTES;
        if !fits {
            return Err(FormatError::Limit(WHOLE));
        }
        if reserved != 0 {
            return Err(FormatError::NotCanonical(WHOLE));
        }
        Ok(Self { clash_counter, class, set_label, epoch, len_bytes, index_len_bytes })
    }
}

/// One object as a pack's index lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackEntry {
    /// The id.
    pub id: ObjectId,
    /// What it is.
    pub kind: Kind,
    /// How its payload was made.
    pub codec: Codec,
    /// Which dedup secret its key came from.
    pub dedup_generation: DedupGeneration,
    /// Length of the plaintext in bytes.
    pub len_bytes: u64,
    /// Length of the frame in bytes, nonce and tag included.
    pub sealed_len_bytes: u64,
}

impl PackEntry {
    const MIN_BYTES: usize = 37;

    /// Writes what pack indexes and merged indexes share: id, kind, codec, dedup generation, both lengths.
    pub(super) fn put(&self, out: &mut Encoder) {
        out.raw(&self.id.0);
        out.u8(self.kind.byte());
        out.u8(self.codec.byte());
        out.number(u64::from(self.dedup_generation.0));
        out.number(self.len_bytes);
        out.number(self.sealed_len_bytes);
    }

    pub(super) fn get(input: &mut Decoder<'_>) -> Result<Self, FormatError> {
        let entry = Self {
            id: ObjectId(input.array()?),
            kind: Kind::from_byte(input.u8()?)?,
            codec: Codec::from_byte(input.u8()?)?,
            dedup_generation: DedupGeneration(input.number_u32()?),
            len_bytes: input.number_to(OBJECT_MAX_BYTES)?,
            sealed_len_bytes: input.number_to(PACK_MAX_BYTES)?,
        };
        let stored = entry.codec == Codec::Stored && entry.sealed_len_bytes != entry.len_bytes + SEAL_OVERHEAD_BYTES;
        if stored || entry.sealed_len_bytes < SEAL_OVERHEAD_BYTES {
            return Err(FormatError::Limit(input.whole()));
        }
        Ok(entry)
    }
}

/// Writes a pack's index in the order of its frames, with zeros behind it up to `padded_len` bytes.
#[must_use]
pub fn encode_index(entries: &[PackEntry], padded_len: usize) -> Vec<u8> {
    let mut out = Encoder::new();
    out.u8(INDEX_VERSION);
    out.count(entries.len());
    entries.iter().for_each(|entry| entry.put(&mut out));
    let mut bytes = out.finish();
    bytes.resize(bytes.len().max(padded_len), 0);
    bytes
}

/// Reads a pack's index; the frames must fill the space between header and index exactly.
///
/// Returns each entry with the offset of its frame.
///
/// # Errors
/// [`FormatError`].
pub fn decode_index(bytes: &[u8], header: &PackHeader) -> Result<Vec<(u64, PackEntry)>, FormatError> {
    let mut input = Decoder::new(INDEX, bytes);
    input.version(INDEX_VERSION)?;
    let count = input.count(PackEntry::MIN_BYTES)?;
    let mut entries = Vec::with_capacity(count);
    let mut offset = PACK_HEADER_BYTES as u64;
    for _ in 0..count {
        let entry = PackEntry::get(&mut input)?;
        if entry.kind.class() != header.class {
            return Err(FormatError::WrongKind("an object that belongs in this class of pack"));
        }
        entries.push((offset, entry));
        offset += entry.sealed_len_bytes;
    }
    input.end_padding()?;
    if offset == header.index_offset() { Ok(entries) } else { Err(FormatError::Limit(INDEX)) }
}

/// Returns the PADME length for `len`: the top bits of a length stay, the lower ones are rounded up, so that a length
/// tells O(log log) bits and grows by less than 12 % (Nikitin and others, PoPETs 2019-4, "Reducing Metadata Leakage
/// from Encrypted Files and Communication with PURBs").
#[must_use]
pub fn padme(len: u64) -> u64 {
    if len < 2 {
        return len;
    }
    let exponent = u64::from(len.ilog2());
    let kept_bits = u64::from(exponent.ilog2().min(63)) + 1;
    let mask = (1u64 << (exponent - kept_bits.min(exponent))) - 1;
    len.checked_add(mask).map_or(u64::MAX, |sum| sum & !mask)
}
