//! A key list: the hashes of one epoch's wrapped key files, or of one shard of them.

use std::fmt;
use std::str::FromStr;

use super::codec::{Decoder, Encoder, FormatError};
use super::manifest::SHARD_BITS_MAX;
use super::outer::{FileMagic, get_header, put_header};
use crate::base::limits::{KEY_FILE_MAX_BYTES, KEY_LIST_MAX_BYTES};
use crate::base::{Epoch, StoreId};

const WHOLE: &str = "a key list";

/// The opaque name of one reader's or writer's key file: 8 upper-case hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyTag(pub [u8; 4]);

impl KeyTag {
    /// Returns which of `shards` (a power of two) lists this tag: its top bits.
    #[must_use]
    pub fn shard(self, shards: usize) -> usize {
        let bits = shards.max(1).ilog2();
        if bits == 0 { 0 } else { (u32::from_be_bytes(self.0) >> 32u32.saturating_sub(bits)) as usize }
    }

    /// Returns the tag with its lowest bit flipped, which is in the same shard: a reader's identity under a passphrase lies
    /// there, or the other way round.
    #[must_use]
    pub fn twin(self) -> Self {
        let [a, b, c, d] = self.0;
        Self([a, b, c, d ^ 1])
    }
}

impl fmt::Display for KeyTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode_upper(self.0))
    }
}

/// Reports text that is not a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a reader's tag is 8 hex digits")]
pub struct ParseTagError;

impl FromStr for KeyTag {
    type Err = ParseTagError;

    fn from_str(text: &str) -> Result<Self, ParseTagError> {
        let mut bytes = [0; 4];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| ParseTagError)?;
        Ok(Self(bytes))
    }
}

/// What a key file hands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyRole {
    /// What it takes to read.
    Reader,
    /// The dedup secrets besides.
    Writer,
    /// No keys: the identity of a reader under a passphrase.
    Identity,
}

impl KeyRole {
    /// Returns the byte that stands for it.
    #[must_use]
    pub fn byte(self) -> u8 {
        match self {
            Self::Reader => 1,
            Self::Writer => 2,
            Self::Identity => 3,
        }
    }

    /// Returns what people call one who holds such a key file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Writer => "writer",
            Self::Identity => "identity",
        }
    }

    /// Reads the byte; nothing for one that this version does not know.
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        [Self::Reader, Self::Writer, Self::Identity].into_iter().find(|role| role.byte() == byte)
    }
}

/// One key file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyEntry {
    /// Its name.
    pub tag: KeyTag,
    /// What it hands out.
    pub role: KeyRole,
    /// Length of the file in bytes.
    pub len_bytes: u32,
    /// BLAKE3 of the file.
    pub hash: [u8; 32],
}

/// The decoded file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyList {
    /// Bumped until the file's name is free.
    pub clash_counter: u32,
    /// The epoch.
    pub epoch: Epoch,
    /// Which shard this is.
    pub shard: u16,
    /// How many shards there are, a power of two.
    pub shards: u16,
    /// Key files by tag, strictly ascending.
    pub entries: Vec<KeyEntry>,
}

impl KeyList {
    /// Writes the file.
    #[must_use]
    pub fn encode(&self, store: StoreId) -> Vec<u8> {
        let mut out = Encoder::new();
        put_header(&mut out, FileMagic::KeyList, store, self.clash_counter);
        out.u32(self.epoch.0);
        out.u16(self.shard);
        out.u16(self.shards);
        for entry in &self.entries {
            out.raw(&entry.tag.0);
            out.u8(entry.role.byte());
            out.raw(&[0; 3]);
            out.u32(entry.len_bytes);
            out.raw(&entry.hash);
        }
        out.finish()
    }

    /// Reads the file.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn decode(bytes: &[u8], store: StoreId) -> Result<Self, FormatError> {
        if bytes.len() as u64 > KEY_LIST_MAX_BYTES {
            return Err(FormatError::Limit(WHOLE));
        }
        let mut input = Decoder::new(WHOLE, bytes);
        let clash_counter = get_header(&mut input, FileMagic::KeyList, store)?;
        let (epoch, shard, shards) = (Epoch(input.u32()?), input.u16()?, input.u16()?);
        if !shards.is_power_of_two() || shards > 1 << SHARD_BITS_MAX || shard >= shards {
            return Err(FormatError::Limit(WHOLE));
        }
        let mut entries: Vec<KeyEntry> = Vec::with_capacity(input.remaining() / 44);
        while input.remaining() > 0 {
            let entry = get_entry(&mut input)?;
            let misplaced = entry.tag.shard(usize::from(shards)) != usize::from(shard);
            if misplaced || entries.last().is_some_and(|last| last.tag >= entry.tag) {
                return Err(FormatError::NotCanonical(WHOLE));
            }
            entries.push(entry);
        }
        Ok(Self { clash_counter, epoch, shard, shards, entries })
    }
}

fn get_entry(input: &mut Decoder<'_>) -> Result<KeyEntry, FormatError> {
    let tag = KeyTag(input.array()?);
    let role = KeyRole::from_byte(input.u8()?).ok_or(FormatError::TooNew(WHOLE))?;
    let reserved: [u8; 3] = input.array()?;
    let len_bytes = input.u32()?;
    if reserved != [0; 3] {
        return Err(FormatError::NotCanonical(WHOLE));
    }
    if u64::from(len_bytes) > KEY_FILE_MAX_BYTES {
        return Err(FormatError::Limit(WHOLE));
    }
    Ok(KeyEntry { tag, role, len_bytes, hash: input.array()? })
}
