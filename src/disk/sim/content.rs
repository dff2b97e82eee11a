//! A file's bytes as shared pieces, so that a copy, a cut and an append cost pieces and not bytes.

use std::sync::{Arc, OnceLock};

/// Where a piece's bytes come from.
#[derive(Debug, Clone)]
enum Source {
    /// Bytes that were written, from this position on.
    Bytes(Arc<[u8]>, usize),
    /// Zeros: space that was allocated and never written.
    Zeros,
    /// What lay in the sectors before, as a stream that follows from a seed.
    Garbage(u64),
}

/// What fills sectors that were allocated and never written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fill {
    /// Zeros.
    Zeros,
    /// Old bytes of other files.
    Garbage,
}

/// One run of bytes that ends before `end` in the file.
#[derive(Debug, Clone)]
struct Piece {
    end: u64,
    source: Source,
}

/// The bytes of a file.
#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    pieces: Vec<Piece>,
    /// The hash of the bytes, once someone asked; it goes when bytes are added.
    hash: OnceLock<blake3::Hash>,
}

impl Content {
    /// Returns the length in bytes.
    pub(super) fn len(&self) -> u64 {
        self.pieces.last().map_or(0, |piece| piece.end)
    }

    /// Returns the BLAKE3 hash of the bytes, which are read for it once.
    pub(super) fn hash(&self) -> blake3::Hash {
        *self.hash.get_or_init(|| blake3::hash(&self.to_vec()))
    }

    /// Adds a piece at the end.
    fn push_piece(&mut self, len: u64, source: Source) {
        let end = self.len() + len;
        self.pieces.push(Piece { end, source });
        self.hash = OnceLock::new();
    }

    /// Adds bytes at the end.
    pub(super) fn push(&mut self, bytes: &Arc<[u8]>) {
        if !bytes.is_empty() {
            self.push_piece(bytes.len() as u64, Source::Bytes(Arc::clone(bytes), 0));
        }
    }

    /// Adds sectors that nobody wrote.
    pub(super) fn push_fill(&mut self, fill: Fill, count: u64) {
        if count > 0 {
            let source = match fill {
                Fill::Zeros => Source::Zeros,
                Fill::Garbage => Source::Garbage(self.len() + count),
            };
            self.push_piece(count, source);
        }
    }

    /// Adds the bytes `from..to` of another file; what lies behind its end is left out.
    pub(super) fn push_range(&mut self, other: &Self, from: u64, to: u64) {
        let first = other.pieces.partition_point(|piece| piece.end <= from);
        let mut start = if first == 0 { 0 } else { other.pieces[first - 1].end };
        for piece in &other.pieces[first..] {
            if start >= to {
                break;
            }
            let skip = from.saturating_sub(start);
            let count = piece.end.min(to) - (start + skip);
            let source = match &piece.source {
                Source::Bytes(bytes, at) => Source::Bytes(Arc::clone(bytes), at + index(skip)),
                other => other.clone(),
            };
            self.push_piece(count, source);
            start = piece.end;
        }
    }

    /// Returns the first bytes of this file.
    pub(super) fn prefix(&self, len: u64) -> Self {
        let mut prefix = Self::default();
        prefix.push_range(self, 0, len);
        prefix
    }

    /// Reads from a position; returns how many bytes there were.
    pub(super) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let first = self.pieces.partition_point(|piece| piece.end <= offset);
        let mut start = if first == 0 { 0 } else { self.pieces[first - 1].end };
        let mut filled = 0;
        for piece in &self.pieces[first..] {
            let skip = (offset + filled as u64) - start;
            let count = index(piece.end - start - skip).min(buffer.len() - filled);
            piece.source.fill(skip, &mut buffer[filled..filled + count]);
            filled += count;
            start = piece.end;
            if filled == buffer.len() {
                break;
            }
        }
        filled
    }

    /// Returns all bytes.
    pub(super) fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; index(self.len())];
        let read = self.read_at(0, &mut bytes);
        debug_assert_eq!(read, bytes.len());
        bytes
    }
}

impl Source {
    /// Writes the bytes that lie `skip` bytes behind the piece's start.
    fn fill(&self, skip: u64, buffer: &mut [u8]) {
        match self {
            Self::Bytes(bytes, at) => {
                let start = at + index(skip);
                buffer.copy_from_slice(&bytes[start..start + buffer.len()]);
            }
            Self::Zeros => buffer.fill(0),
            Self::Garbage(seed) => {
                for (at, byte) in (skip..).zip(buffer) {
                    *byte = mix(seed ^ (at / 8))[index(at % 8)];
                }
            }
        }
    }
}

/// Turns a number into eight bytes that look random (the finisher of SplitMix64).
fn mix(number: u64) -> [u8; 8] {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)).to_le_bytes()
}

/// Draws the next number of a seeded stream.
pub(super) fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    u64::from_le_bytes(mix(*state))
}

/// Turns a length that lies in memory into an index.
fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
