//! The sealed part of a manifest: the snapshots that are kept, how content is cut, and where to find objects.

use std::fmt;

use zeroize::Zeroizing;

use super::codec::{Decoder, Encoder, Extensions, FormatError, get_extensions_with, put_extensions};
use super::pointer::{Codec, Kind, Pointer};
use crate::base::limits::{OBJECT_MAX_BYTES, PACK_MAX_BYTES};
use crate::base::{DedupGeneration, Epoch, Generation, ObjectId, PackHash, Timestamp};

const WHOLE: &str = "a manifest's sealed part";
const VERSION: u8 = 1;
/// The extension that holds the index keys of epochs whose secrets are gone.
const INDEX_KEYS: u64 = 2;
/// Longest tag of a snapshot.
pub const TAG_MAX_BYTES: usize = 64;
/// Longest average of chunks: what the masks of FastCDC reach at every level.
pub const AVG_MAX_BYTES: u32 = 4 << 20;
/// Most tags of one snapshot.
pub const TAGS_MAX: usize = 64;

/// How content is cut: FastCDC of 2020 with normalised chunking and a gear table of the store's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkerParameters {
    /// Normalisation level, 0 to 3.
    pub level: u8,
    /// Shortest chunk in bytes, but for the last.
    pub min_bytes: u32,
    /// Wished-for average in bytes, a power of two.
    pub avg_bytes: u32,
    /// Longest chunk in bytes.
    pub max_bytes: u32,
}

impl ChunkerParameters {
    /// 256 KiB, 1 MiB, 4 MiB at level 3.
    pub const DEFAULT: Self = Self { level: 3, min_bytes: 256 << 10, avg_bytes: 1 << 20, max_bytes: 4 << 20 };
}

/// A secret or a key of an epoch; wiped when dropped.
pub type OfEpoch = (Epoch, Zeroizing<[u8; 32]>);

/// A snapshot that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotRef {
    /// The snapshot's id.
    pub id: ObjectId,
    /// The epoch whose root key seals it.
    pub epoch: Epoch,
    /// Length of its plaintext in bytes.
    pub len_bytes: u64,
    /// The generation that brought it.
    pub generation: Generation,
    /// When it was committed.
    pub time: Timestamp,
    /// Names given to it.
    pub tags: Vec<String>,
}

/// Where one part of a merged index lies; an index cannot say that of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexRef {
    /// The object.
    pub pointer: Pointer,
    /// The pack that holds it.
    pub pack: PackHash,
    /// Where its frame starts.
    pub offset: u64,
    /// Length of its frame in bytes.
    pub sealed_len_bytes: u64,
    /// How its payload was made.
    pub codec: Codec,
}

/// The decoded sealed part.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedPart {
    /// How content is cut.
    pub chunker: ChunkerParameters,
    /// The dedup generation that writers use now.
    pub dedup_generation: DedupGeneration,
    /// Kept snapshots, oldest first.
    pub snapshots: Vec<SnapshotRef>,
    /// Merged indexes; packs that none of them covers are asked for their own.
    pub indexes: Vec<IndexRef>,
    /// Secrets of older epochs, ascending; wiped when dropped.
    pub older_epochs: Vec<OfEpoch>,
    /// Index keys of epochs whose secrets are handed on no more, ascending: packs of those epochs still list what they hold.
    pub index_keys: Vec<OfEpoch>,
    /// Fields of later versions.
    pub extensions: Extensions,
}

impl fmt::Debug for SealedPart {
    /// Shows everything but secrets and keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let older: Vec<Epoch> = self.older_epochs.iter().map(|(epoch, _)| *epoch).collect();
        f.debug_struct("SealedPart")
            .field("chunker", &self.chunker)
            .field("dedup_generation", &self.dedup_generation)
            .field("snapshots", &self.snapshots)
            .field("indexes", &self.indexes)
            .field("older_epochs", &older)
            .field("index_keys", &self.index_keys.iter().map(|(epoch, _)| *epoch).collect::<Vec<_>>())
            .field("extensions", &self.extensions)
            .finish()
    }
}

impl SealedPart {
    /// Writes the part, with zeros behind it up to `padded_len` bytes. It holds secrets, so callers wipe it.
    #[must_use]
    pub fn encode(&self, padded_len: usize) -> Vec<u8> {
        // With all its room at once, since bytes that move as they grow leave secrets behind.
        let mut out = Encoder::with_capacity(self.room_bytes().max(padded_len));
        out.u8(VERSION);
        out.u8(1);
        out.u8(self.chunker.level);
        out.u32(self.chunker.min_bytes);
        out.u32(self.chunker.avg_bytes);
        out.u32(self.chunker.max_bytes);
        out.number(u64::from(self.dedup_generation.0));
        out.count(self.snapshots.len());
        self.snapshots.iter().for_each(|snapshot| put_snapshot(&mut out, snapshot));
        out.count(self.indexes.len());
        for index in &self.indexes {
            index.pointer.put(&mut out);
            out.raw(&index.pack.0);
            out.number(index.offset);
            out.number(index.sealed_len_bytes);
            out.u8(index.codec.byte());
        }
        put_secrets(&mut out, &self.older_epochs);
        self.put_extensions(&mut out);
        let mut bytes = out.finish();
        bytes.resize(bytes.len().max(padded_len), 0);
        bytes
    }

    /// Returns a bound on the length of the encoding: each number counts with its ten bytes.
    pub(super) fn room_bytes(&self) -> usize {
        let tags = |snapshot: &SnapshotRef| snapshot.tags.iter().map(|tag| 10 + tag.len()).sum::<usize>();
        let snapshots: usize = self.snapshots.iter().map(|snapshot| 32 + 5 * 10 + tags(snapshot)).sum();
        let extensions: usize = self.extensions.iter().map(|(_, bytes)| 20 + bytes.len()).sum();
        let indexes = self.indexes.len() * (1 + 10 + 10 + 64 + 32 + 10 + 10 + 1);
        64 + snapshots + indexes + self.older_epochs.len() * 42 + 30 + self.index_keys.len() * 42 + extensions
    }

    /// Writes the extensions, with that of the index keys in its place.
    fn put_extensions(&self, out: &mut Encoder) {
        if self.index_keys.is_empty() {
            return put_extensions(out, &self.extensions);
        }
        let mut keys = Encoder::with_capacity(10 + self.index_keys.len() * 42);
        put_secrets(&mut keys, &self.index_keys);
        let keys = Zeroizing::new(keys.finish());
        out.count(self.extensions.len() + 1);
        let after = self.extensions.partition_point(|(tag, _)| *tag < INDEX_KEYS);
        let others = |some: &[(u64, Vec<u8>)], out: &mut Encoder| {
            for (tag, bytes) in some {
                out.number(*tag);
                out.bytes(bytes);
            }
        };
        others(&self.extensions[..after], out);
        out.number(INDEX_KEYS);
        out.bytes(&keys);
        others(&self.extensions[after..], out);
    }

    /// Reads the part.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut input = Decoder::new(WHOLE, bytes);
        input.version(VERSION)?;
        input.version(1)?;
        let chunker = ChunkerParameters {
            level: input.u8()?,
            min_bytes: input.u32()?,
            avg_bytes: input.u32()?,
            max_bytes: input.u32()?,
        };
        check_chunker(&chunker)?;
        let dedup_generation = DedupGeneration(input.number_u32()?);
        let snapshots = (0..input.count(37)?).map(|_| get_snapshot(&mut input)).collect::<Result<Vec<_>, _>>()?;
        let indexes =
            (0..input.count(Pointer::MIN_BYTES + 35)?).map(|_| get_index(&mut input)).collect::<Result<Vec<_>, _>>()?;
        let older_epochs = get_secrets(&mut input)?;
        let mut extensions = get_extensions_with(&mut input, &[INDEX_KEYS])?;
        input.end_padding()?;
        let index_keys = match extensions.iter().position(|(tag, _)| *tag == INDEX_KEYS) {
            Some(at) => get_index_keys(&Zeroizing::new(extensions.remove(at).1))?,
            None => Vec::new(),
        };
        Ok(Self { chunker, dedup_generation, snapshots, indexes, older_epochs, index_keys, extensions })
    }
}

fn put_secrets(out: &mut Encoder, secrets: &[OfEpoch]) {
    out.count(secrets.len());
    for (epoch, secret) in secrets {
        out.number(u64::from(epoch.0));
        out.raw(&secret[..]);
    }
}

/// Reads what stands for epochs, each once and ascending.
fn get_secrets(input: &mut Decoder<'_>) -> Result<Vec<OfEpoch>, FormatError> {
    let count = input.count(33)?;
    let mut secrets = Vec::with_capacity(count);
    for _ in 0..count {
        secrets.push((Epoch(input.number_u32()?), Zeroizing::new(input.array()?)));
    }
    if secrets.is_sorted_by(|a, b| a.0 < b.0) { Ok(secrets) } else { Err(FormatError::NotCanonical(WHOLE)) }
}

/// Reads the extension, which does not stand there for no keys at all.
fn get_index_keys(bytes: &[u8]) -> Result<Vec<OfEpoch>, FormatError> {
    let mut input = Decoder::new(WHOLE, bytes);
    let keys = get_secrets(&mut input)?;
    input.end()?;
    if keys.is_empty() { Err(FormatError::NotCanonical(WHOLE)) } else { Ok(keys) }
}

fn check_chunker(chunker: &ChunkerParameters) -> Result<(), FormatError> {
    let ordered = chunker.min_bytes < chunker.avg_bytes && chunker.avg_bytes < chunker.max_bytes;
    let bounded = chunker.min_bytes >= 64 && u64::from(chunker.max_bytes) <= OBJECT_MAX_BYTES;
    let whole = chunker.avg_bytes.is_power_of_two()
        && chunker.min_bytes.is_multiple_of(2)
        && chunker.max_bytes.is_multiple_of(2);
    let fits = ordered && bounded && whole && (256..=AVG_MAX_BYTES).contains(&chunker.avg_bytes) && chunker.level <= 3;
    if fits { Ok(()) } else { Err(FormatError::Limit("chunker parameters")) }
}

fn put_snapshot(out: &mut Encoder, snapshot: &SnapshotRef) {
    out.raw(&snapshot.id.0);
    out.number(u64::from(snapshot.epoch.0));
    out.number(snapshot.len_bytes);
    out.number(snapshot.generation.0);
    out.signed(snapshot.time.0);
    out.count(snapshot.tags.len());
    snapshot.tags.iter().for_each(|tag| out.bytes(tag.as_bytes()));
}

fn get_snapshot(input: &mut Decoder<'_>) -> Result<SnapshotRef, FormatError> {
    let id = ObjectId(input.array()?);
    let epoch = Epoch(input.number_u32()?);
    let len_bytes = input.number_to(OBJECT_MAX_BYTES)?;
    let generation = Generation(input.number()?);
    let time = Timestamp(input.signed()?);
    let count = input.number_to(TAGS_MAX as u64)?;
    let tags = (0..count).map(|_| input.text(TAG_MAX_BYTES)).collect::<Result<_, _>>()?;
    Ok(SnapshotRef { id, epoch, len_bytes, generation, time, tags })
}

fn get_index(input: &mut Decoder<'_>) -> Result<IndexRef, FormatError> {
    Ok(IndexRef {
        pointer: Pointer::get(input, Kind::Index)?,
        pack: PackHash(input.array()?),
        offset: input.number_to(PACK_MAX_BYTES)?,
        sealed_len_bytes: input.number_to(PACK_MAX_BYTES)?,
        codec: Codec::from_byte(input.u8()?)?,
    })
}
