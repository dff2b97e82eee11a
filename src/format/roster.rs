//! The roster: who holds the keys of a store, by name and recipient, so that a new epoch can be wrapped for all of them.
//!
//! A carried file of its own kind, sealed for writers alone. Many holders are spread over 2^bits shards by the top bits of
//! their tags, as key lists are, so that a change rewrites one of them.

use super::codec::{Decoder, Encoder, Extensions, FormatError, get_extensions, put_extensions};
use super::keylist::{KeyRole, KeyTag};
use super::manifest::SHARD_BITS_MAX;
use super::outer::{FileMagic, get_header, put_header};
use super::pack::SEAL_OVERHEAD_BYTES;
use crate::base::limits::SMALL_FILE_MAX_BYTES;
use crate::base::{DedupGeneration, Epoch, StoreId, Timestamp};

const WHOLE: &str = "a roster";
const PART: &str = "the sealed part of a roster";
const VERSION: u8 = 1;
/// What stands before the sealed part in bytes.
pub const ROSTER_HEADER_BYTES: usize = 40;
/// Longest name of a holder in bytes.
pub const HOLDER_NAME_MAX_BYTES: usize = 128;
/// Longest note on a holder in bytes.
pub const NOTE_MAX_BYTES: usize = 1024;
/// Longest text of a recipient in bytes: an SSH key of 16384 bits has less.
pub const RECIPIENT_MAX_BYTES: usize = 4096;
/// Longest identity under a passphrase in bytes.
pub const IDENTITY_MAX_BYTES: usize = 2048;

/// One shard of the roster as it lies in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterFile {
    /// Bumped until the file's name is free.
    pub clash_counter: u32,
    /// Which shard this is.
    pub shard: u16,
    /// How many shards there are, a power of two.
    pub shards: u16,
    /// The dedup generation from whose secret the key of the sealed part is derived.
    pub dedup_generation: DedupGeneration,
    /// The sealed part.
    pub frame: Vec<u8>,
}

impl RosterFile {
    /// Writes the file.
    #[must_use]
    pub fn encode(&self, store: StoreId) -> Vec<u8> {
        let mut out = Encoder::with_capacity(ROSTER_HEADER_BYTES + self.frame.len());
        put_header(&mut out, FileMagic::Roster, store, self.clash_counter);
        out.u16(self.shard);
        out.u16(self.shards);
        out.u32(self.dedup_generation.0);
        out.raw(&self.frame);
        out.finish()
    }

    /// Reads the file.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn decode(bytes: &[u8], store: StoreId) -> Result<Self, FormatError> {
        if bytes.len() as u64 > SMALL_FILE_MAX_BYTES {
            return Err(FormatError::Limit(WHOLE));
        }
        let mut input = Decoder::new(WHOLE, bytes);
        let clash_counter = get_header(&mut input, FileMagic::Roster, store)?;
        let (shard, shards) = (input.u16()?, input.u16()?);
        let dedup_generation = DedupGeneration(input.u32()?);
        if !shards.is_power_of_two() || shards > 1 << SHARD_BITS_MAX || shard >= shards {
            return Err(FormatError::Limit(WHOLE));
        }
        let frame = input.raw(input.remaining())?.to_vec();
        if (frame.len() as u64) < SEAL_OVERHEAD_BYTES {
            return Err(FormatError::Truncated(WHOLE));
        }
        Ok(Self { clash_counter, shard, shards, dedup_generation, frame })
    }
}

/// Someone who holds, or held, keys of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The name of the key file, the same in every epoch.
    pub tag: KeyTag,
    /// What the key file hands out: a reader's keys or a writer's.
    pub role: KeyRole,
    /// Whom key files are wrapped for.
    pub recipient: String,
    /// The identity of that recipient under a passphrase, as an age file; empty where the holder keeps it.
    pub identity: Vec<u8>,
    /// What people call the holder.
    pub name: String,
    /// Whatever else is worth knowing.
    pub note: String,
    /// When it was added.
    pub added: Timestamp,
    /// The first epoch that it was given.
    pub since: Epoch,
    /// The first epoch that it was not given any more.
    pub until: Option<Epoch>,
    /// Fields of later versions.
    pub extensions: Extensions,
}

/// Writes the holders of one shard, ascending by tag, with zeros behind them up to `padded_len` bytes.
#[must_use]
pub fn encode_holders(holders: &[&Holder], padded_len: usize) -> Vec<u8> {
    let mut out = Encoder::with_capacity(padded_len);
    out.u8(VERSION);
    out.count(holders.len());
    for holder in holders {
        out.raw(&holder.tag.0);
        out.u8(holder.role.byte());
        out.bytes(holder.recipient.as_bytes());
        out.bytes(&holder.identity);
        out.bytes(holder.name.as_bytes());
        out.bytes(holder.note.as_bytes());
        out.signed(holder.added.0);
        out.number(u64::from(holder.since.0));
        out.number(holder.until.map_or(0, |epoch| u64::from(epoch.0)));
        put_extensions(&mut out, &holder.extensions);
    }
    let mut bytes = out.finish();
    bytes.resize(bytes.len().max(padded_len), 0);
    bytes
}

/// Reads the holders of one shard.
///
/// # Errors
/// [`FormatError`].
pub fn decode_holders(bytes: &[u8]) -> Result<Vec<Holder>, FormatError> {
    let mut input = Decoder::new(PART, bytes);
    input.version(VERSION)?;
    let holders = (0..input.count(13)?).map(|_| get_holder(&mut input)).collect::<Result<Vec<_>, _>>()?;
    input.end_padding()?;
    if holders.is_sorted_by(|a, b| a.tag < b.tag) { Ok(holders) } else { Err(FormatError::NotCanonical(PART)) }
}

fn get_holder(input: &mut Decoder<'_>) -> Result<Holder, FormatError> {
    let tag = KeyTag(input.array()?);
    let role = KeyRole::from_byte(input.u8()?).filter(|role| *role != KeyRole::Identity);
    let role = role.ok_or(FormatError::TooNew(PART))?;
    let recipient = input.text(RECIPIENT_MAX_BYTES)?;
    let identity = input.bytes(IDENTITY_MAX_BYTES)?.to_vec();
    let (name, note) = (input.text(HOLDER_NAME_MAX_BYTES)?, input.text(NOTE_MAX_BYTES)?);
    let added = Timestamp(input.signed()?);
    let since = Epoch(input.number_u32()?);
    let until = Some(Epoch(input.number_u32()?)).filter(|epoch| epoch.0 > 0);
    let extensions = get_extensions(input)?;
    Ok(Holder { tag, role, recipient, identity, name, note, added, since, until, extensions })
}
