//! Cutting content into chunks by FastCDC with a gear table of the store's own.
//!
//! The cut points are part of the format: the crate is pinned and golden vectors hold them, since an earlier
//! release moved them in silence. Source: Xia and others, "The Design of Fast Content-Defined Chunking for Data
//! Deduplication Based Storage Systems", IEEE TPDS 2020; the masks are those of the crate's table.

use fastcdc::v2020::{MASKS, cut_gear};
use zeroize::ZeroizeOnDrop;

/// Cuts streams into chunks: which bytes belong together depends on them alone, not on where they stand.
///
/// Its table is a secret of the store and wiped when dropped.
#[derive(ZeroizeOnDrop)]
pub struct Chunker {
    min_bytes: usize,
    avg_bytes: usize,
    max_bytes: usize,
    mask_small: u64,
    mask_large: u64,
    gear: Box<[u64; 256]>,
    gear_shifted: Box<[u64; 256]>,
}

impl Chunker {
    /// Makes a chunker. `table` is 2048 pseudo-random bytes: 256 little-endian numbers.
    ///
    /// Sizes are in bytes, even, ascending; the average is a power of two from 256 to 4 MiB; level is 0 to 3. Returns nothing
    /// for other parameters.
    #[must_use]
    pub fn new(min_bytes: u32, avg_bytes: u32, max_bytes: u32, level: u8, table: &[u8; 2048]) -> Option<Self> {
        let ordered = min_bytes < avg_bytes && avg_bytes < max_bytes;
        let even = min_bytes.is_multiple_of(2) && max_bytes.is_multiple_of(2) && avg_bytes.is_power_of_two();
        if !ordered || !even || level > 3 || !(256..=4 << 20).contains(&avg_bytes) {
            return None;
        }
        let bits = avg_bytes.ilog2() as usize;
        let level = usize::from(level);
        let mut gear = Box::new([0; 256]);
        for (value, bytes) in gear.iter_mut().zip(table.as_chunks::<8>().0) {
            *value = u64::from_le_bytes(*bytes);
        }
        let gear_shifted = Box::new(gear.map(|value| value << 1));
        Some(Self {
            min_bytes: min_bytes as usize,
            avg_bytes: avg_bytes as usize,
            max_bytes: max_bytes as usize,
            mask_small: MASKS[bits + level],
            mask_large: MASKS[bits - level],
            gear,
            gear_shifted,
        })
    }

    /// Returns the length of the longest chunk in bytes: the window that [`Chunker::cut`] wants to see.
    #[must_use]
    pub fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    /// Returns the length of the chunk that begins `window`: at most the window's.
    ///
    /// The window is the next `max_bytes` of the stream, or all that is left of it. One pass over the bytes.
    #[must_use]
    pub fn cut(&self, window: &[u8]) -> usize {
        let (_, len) = cut_gear(
            window,
            self.min_bytes,
            self.avg_bytes,
            self.max_bytes,
            self.mask_small,
            self.mask_large,
            self.mask_small << 1,
            self.mask_large << 1,
            &self.gear[..],
            &self.gear_shifted[..],
        );
        len
    }
}

#[cfg(test)]
mod tests;
