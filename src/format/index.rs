//! A part of a merged index: where the objects of many packs lie, sorted by id, as a meta object of its own.

use super::codec::{Decoder, Encoder, FormatError};
use super::pack::PackEntry;
use crate::base::PackHash;
use crate::base::limits::PACK_MAX_BYTES;

const WHOLE: &str = "a merged index";
const VERSION: u8 = 1;
/// Most entries of one part, so that its plaintext stays below the limit of an object.
pub const ENTRIES_MAX: usize = 200_000;

/// One entry: which of the part's packs, the frame's offset, and what the pack's own index says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexEntry {
    /// Place of the pack in [`IndexPart::packs`].
    pub pack: u32,
    /// Where the frame starts.
    pub offset: u64,
    /// The object.
    pub entry: PackEntry,
}

/// The decoded part.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IndexPart {
    /// The packs that the whole merged index covers.
    pub packs: Vec<PackHash>,
    /// Entries by (id, dedup generation), strictly ascending.
    pub entries: Vec<IndexEntry>,
}

impl IndexPart {
    /// Writes the plaintext.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::new();
        out.u8(VERSION);
        out.count(self.packs.len());
        self.packs.iter().for_each(|pack| out.raw(&pack.0));
        out.count(self.entries.len());
        for entry in &self.entries {
            entry.entry.put(&mut out);
            out.number(u64::from(entry.pack));
            out.number(entry.offset);
        }
        out.finish()
    }

    /// Reads the plaintext.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut input = Decoder::new(WHOLE, bytes);
        input.version(VERSION)?;
        let packs = (0..input.count(32)?).map(|_| Ok(PackHash(input.array()?))).collect::<Result<Vec<_>, _>>()?;
        let count = input.count(39)?;
        if count > ENTRIES_MAX {
            return Err(FormatError::Limit(WHOLE));
        }
        let mut entries: Vec<IndexEntry> = Vec::with_capacity(count);
        for _ in 0..count {
            let entry = PackEntry::get(&mut input)?;
            let pack = input.number_u32()?;
            let offset = input.number_to(PACK_MAX_BYTES)?;
            if pack as usize >= packs.len() {
                return Err(FormatError::Limit(WHOLE));
            }
            let order = |e: &PackEntry| (e.id, e.dedup_generation);
            if entries.last().is_some_and(|last| order(&last.entry) >= order(&entry)) {
                return Err(FormatError::NotCanonical(WHOLE));
            }
            entries.push(IndexEntry { pack, offset, entry });
        }
        input.end()?;
        Ok(Self { packs, entries })
    }
}
