//! [`Image`]: the bytes of a device in memory, sparse and cheap to copy.

use std::sync::Arc;

/// Bytes of a sector: the unit of a device's writes.
pub const SECTOR_BYTES: usize = 512;
/// Bytes of a page: the unit of sharing between copies.
const PAGE_BYTES: usize = 4096;

type Page = [u8; PAGE_BYTES];

/// A device's bytes. Copies share pages until one of them is written; a page never written reads as zeros.
#[derive(Clone)]
pub struct Image {
    pages: Vec<Option<Arc<Page>>>,
    len_bytes: u64,
}

impl Image {
    /// Makes a device of zeros.
    #[must_use]
    pub fn new(len_bytes: u64) -> Self {
        let pages = usize::try_from(len_bytes).unwrap_or(usize::MAX).div_ceil(PAGE_BYTES);
        Self { pages: vec![None; pages], len_bytes }
    }

    /// Returns the device's length in bytes.
    #[must_use]
    pub fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// Fills a buffer from an offset; returns how much lay inside the device.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let inside = self.inside(offset, buffer.len());
        let mut done = 0;
        while done < inside {
            let (page, start, count) = piece(offset, done, inside);
            let target = &mut buffer[done..done + count];
            match &self.pages[page] {
                Some(bytes) => target.copy_from_slice(&bytes[start..start + count]),
                None => target.fill(0),
            }
            done += count;
        }
        inside
    }

    /// Writes bytes at an offset; what would lie beyond the device is left out.
    pub fn write_at(&mut self, offset: u64, bytes: &[u8]) {
        let inside = self.inside(offset, bytes.len());
        let mut done = 0;
        while done < inside {
            let (page, start, count) = piece(offset, done, inside);
            let page = Arc::make_mut(self.pages[page].get_or_insert_with(|| Arc::new([0; PAGE_BYTES])));
            page[start..start + count].copy_from_slice(&bytes[done..done + count]);
            done += count;
        }
    }

    /// Walks over the pages that were written, as offset and bytes.
    pub fn written(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let pages = self.pages.iter().enumerate();
        pages.filter_map(|(number, page)| page.as_ref().map(|page| ((number * PAGE_BYTES) as u64, page.as_slice())))
    }

    fn inside(&self, offset: u64, count: usize) -> usize {
        usize::try_from(self.len_bytes.saturating_sub(offset)).unwrap_or(usize::MAX).min(count)
    }
}

/// Returns page, offset in it and length of the next piece of a run of `total` bytes of which `done` are done.
fn piece(offset: u64, done: usize, total: usize) -> (usize, usize, usize) {
    let at = usize::try_from(offset).unwrap_or(usize::MAX) + done;
    let start = at % PAGE_BYTES;
    (at / PAGE_BYTES, start, (PAGE_BYTES - start).min(total - done))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_across_pages_are_read_back_and_copies_are_apart() {
        let mut image = Image::new(10_000);
        let before = image.clone();
        image.write_at(4000, &[7; 5000]);
        let mut buffer = [1; 7000];
        assert_eq!(image.read_at(3500, &mut buffer), 6500);
        assert!(buffer[..500].iter().all(|byte| *byte == 0) && buffer[500..5500].iter().all(|byte| *byte == 7));
        assert!(buffer[5500..6500].iter().all(|byte| *byte == 0) && buffer[6500..].iter().all(|byte| *byte == 1));
        assert_eq!((image.written().count(), before.written().count()), (3, 0));
    }

    #[test]
    fn nothing_lies_beyond_the_end() {
        let mut image = Image::new(4096);
        image.write_at(4000, &[7; 500]);
        image.write_at(u64::MAX, &[7; 500]);
        assert_eq!((image.read_at(5000, &mut [0; 9]), image.read_at(4090, &mut [0; 9])), (0, 6));
    }
}
