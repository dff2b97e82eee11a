//! [`BlockLog`]: every write, flush and discard that reached a device, in order.
//!
//! The file format is that of Linux's dm-log-writes target (`Documentation/admin-guide/device-mapper/log-writes.rst` and
//! `drivers/md/dm-log-writes.c`) as qemu's `blklogwrites` leaves it: a sector that says what the log is, then for each
//! request a sector that describes it and the bytes that it wrote, both in whole sectors of the log.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use crate::error::{LabError, Result};
use crate::image::{Image, SECTOR_BYTES};

const MAGIC: u64 = 0x006a_7366_7773_6872;
const VERSION: u64 = 1;
const SUPER_BYTES: usize = 28;
const ENTRY_BYTES: usize = 32;
const FLUSH: u64 = 1;
const FUA: u64 = 2;
const DISCARD: u64 = 4;
const MARK: u64 = 8;
/// Flags that are understood; the last one says that a write is of metadata, which makes no difference here.
const KNOWN_FLAGS: u64 = 0x1f;
/// Most sectors of one write: 64 MiB.
const WRITE_MAX_SECTORS: u64 = 1 << 17;
/// Most requests of one log.
pub const ENTRIES_MAX: usize = 1 << 22;
/// Most bytes that the writes of one log hold together: 4 GiB.
pub const DATA_MAX_BYTES: u64 = 1 << 32;
/// Sectors of a device of 2 TiB, the largest that is taken.
const DEVICE_MAX_SECTORS: u64 = 1 << 32;

/// One request to a device, as it returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Bytes were written from a sector on.
    Write {
        /// The first sector.
        sector: u64,
        /// Whole sectors.
        data: Vec<u8>,
        /// The device said that these bytes are durable when it returned.
        fua: bool,
    },
    /// All writes before it are durable.
    Flush,
    /// Sectors that nobody needs any more; they read as zeros.
    Discard {
        /// The first sector.
        sector: u64,
        /// How many.
        sectors: u64,
    },
    /// A word of the logger itself.
    Mark(String),
}

impl Entry {
    /// Returns the first sector and the number of sectors that it changes; nothing where it changes none.
    #[must_use]
    pub fn reach(&self) -> Option<(u64, u64)> {
        match self {
            Self::Write { sector, data, .. } => Some((*sector, (data.len() / SECTOR_BYTES) as u64)),
            Self::Discard { sector, sectors } => Some((*sector, *sectors)),
            Self::Flush | Self::Mark(_) => None,
        }
    }

    /// Does its first `sectors` to a device.
    pub fn apply(&self, image: &mut Image, sectors: u64) {
        match self {
            Self::Write { sector, data, .. } => {
                let len_bytes = usize::try_from(sectors).unwrap_or(usize::MAX).saturating_mul(SECTOR_BYTES);
                image.write_at(offset_of(*sector), &data[..len_bytes.min(data.len())]);
            }
            Self::Discard { sector, sectors: all } => {
                let zeros = vec![0; 1 << 16];
                let start = offset_of(*sector);
                let end = offset_of(sector.saturating_add(sectors.min(*all))).min(image.len_bytes());
                let mut at = start;
                while at < end {
                    let count = (end - at).min(zeros.len() as u64);
                    image.write_at(at, &zeros[..usize::try_from(count).unwrap_or(0)]);
                    at += count;
                }
            }
            Self::Flush | Self::Mark(_) => {}
        }
    }
}

/// Returns where a sector begins.
#[must_use]
pub fn offset_of(sector: u64) -> u64 {
    sector.saturating_mul(SECTOR_BYTES as u64)
}

/// All requests to a device, in the order in which they returned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockLog {
    /// The requests.
    pub entries: Vec<Entry>,
}

impl BlockLog {
    /// Reads a log file.
    ///
    /// # Errors
    /// [`LabError`] for a file that does not read, is no such log, or says what cannot be.
    pub fn read(path: &Path) -> Result<Self> {
        let failed =
            |error: io::Error| LabError::because(format!("cannot read the block log {}", path.display()), error);
        let file = File::open(path).map_err(failed)?;
        let len_bytes = file.metadata().map_err(failed)?.len();
        Self::decode(BufReader::with_capacity(1 << 20, file), len_bytes)
            .map_err(|error| LabError::because(format!("cannot read the block log {}", path.display()), error))
    }

    /// Decodes a log of a known length.
    ///
    /// The logger counts the requests now and then only, so what follows the last counted one is taken as far as it is
    /// whole: the machine may have been stopped while the last was being logged.
    ///
    /// # Errors
    /// [`LabError`] for another format, a counted request that is not whole, or more than is taken.
    pub fn decode(source: impl Read, len_bytes: u64) -> Result<Self> {
        let mut source = Source { source, left_bytes: len_bytes };
        let opening: [u8; SUPER_BYTES] = source.array("its beginning")?;
        let [magic, version, counted] = [0, 8, 16].map(|at| number(&opening, at));
        if magic != MAGIC || version != VERSION {
            return Err(LabError::new("it is no log of dm-log-writes, version 1"));
        }
        let sector_bytes = u64::from(u32::from_le_bytes(std::array::from_fn(|at| opening[24 + at])));
        if !sector_bytes.is_power_of_two() || !(512..=4096).contains(&sector_bytes) {
            return Err(LabError::new(format!("its sectors have {sector_bytes} bytes, 512 to 4096 are known")));
        }
        source.skip(sector_bytes - SUPER_BYTES as u64, "its beginning")?;
        let mut log = Self::default();
        let mut data_bytes = 0;
        for number in 0_u64.. {
            match read_entry(&mut source, sector_bytes, &mut log.entries) {
                _ if log.entries.len() > ENTRIES_MAX => return Err(LabError::new("it has too many requests")),
                Ok(Some(written_bytes)) => data_bytes += written_bytes,
                Ok(None) if number >= counted => break,
                Err(_) if number >= counted && source.left_bytes == 0 => break,
                Ok(None) => return Err(LabError::new(format!("it ends before request {number} of {counted}"))),
                Err(error) => return Err(LabError::because(format!("request {number} of {counted}"), error)),
            }
            if data_bytes > DATA_MAX_BYTES {
                return Err(LabError::new("its writes hold more than 4 GiB"));
            }
        }
        Ok(log)
    }

    /// Writes the log in the same format, with sectors of 512 bytes.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn encode(&self, mut sink: impl Write) -> io::Result<()> {
        let mut sector = [0; SECTOR_BYTES];
        for (at, value) in [(0, MAGIC), (8, VERSION), (16, self.entries.len() as u64), (24, SECTOR_BYTES as u64)] {
            sector[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        sink.write_all(&sector)?;
        for entry in &self.entries {
            let (start, sectors) = entry.reach().unwrap_or_default();
            let (flags, text, data): (u64, &[u8], &[u8]) = match entry {
                Entry::Write { data, fua, .. } => (if *fua { FUA } else { 0 }, &[], data),
                Entry::Flush => (FLUSH, &[], &[]),
                Entry::Discard { .. } => (DISCARD, &[], &[]),
                Entry::Mark(text) => (MARK, &text.as_bytes()[..text.len().min(SECTOR_BYTES - ENTRY_BYTES)], &[]),
            };
            let mut sector = [0; SECTOR_BYTES];
            for (at, value) in [(0, start), (8, sectors), (16, flags), (24, text.len() as u64)] {
                sector[at..at + 8].copy_from_slice(&value.to_le_bytes());
            }
            sector[ENTRY_BYTES..ENTRY_BYTES + text.len()].copy_from_slice(text);
            sink.write_all(&sector)?;
            sink.write_all(data)?;
        }
        sink.flush()
    }
}

/// Reads one request and what it stands for; returns the bytes that it wrote, or nothing at the end of the log.
fn read_entry<R: Read>(source: &mut Source<R>, sector_bytes: u64, entries: &mut Vec<Entry>) -> Result<Option<u64>> {
    if source.left_bytes == 0 {
        return Ok(None);
    }
    let opening: [u8; ENTRY_BYTES] = source.array("what it is")?;
    let [sector, sectors, flags, text_bytes] = [0, 8, 16, 24].map(|at| number(&opening, at));
    let is_nothing = opening == [0; ENTRY_BYTES];
    let room_bytes = sector_bytes - ENTRY_BYTES as u64;
    if flags & !KNOWN_FLAGS != 0 {
        return Err(LabError::new(format!("it has unknown flags ({flags:#x})")));
    }
    if text_bytes > room_bytes || (text_bytes > 0 && flags & MARK == 0) {
        return Err(LabError::new(format!("it has {text_bytes} bytes of text")));
    }
    let text = source.bytes(text_bytes, "its text")?;
    source.skip(room_bytes - text_bytes, "what it is")?;
    if is_nothing {
        return Ok(None);
    }
    // A request counts in sectors of 512 bytes or of the log, which are the same where the log's have 512 bytes.
    let scale = sector_bytes / SECTOR_BYTES as u64;
    let end = sector.checked_add(sectors).filter(|end| *end <= DEVICE_MAX_SECTORS / scale);
    if end.is_none() {
        return Err(LabError::new(format!("it reaches from sector {sector} over {sectors} sectors")));
    }
    let (sector, sectors) = (sector * scale, sectors * scale);
    if flags & MARK != 0 {
        entries.push(Entry::Mark(String::from_utf8_lossy(&text).into_owned()));
        return Ok(Some(0));
    }
    // A write may ask for a flush before it.
    if flags & FLUSH != 0 {
        entries.push(Entry::Flush);
    }
    if flags & DISCARD != 0 {
        entries.push(Entry::Discard { sector, sectors });
    } else if sectors > WRITE_MAX_SECTORS {
        return Err(LabError::new(format!("it writes {sectors} sectors at once")));
    } else if sectors > 0 {
        let data = source.bytes(sectors * SECTOR_BYTES as u64, "its data")?;
        entries.push(Entry::Write { sector, data, fua: flags & FUA != 0 });
        return Ok(Some(sectors * SECTOR_BYTES as u64));
    }
    Ok(Some(0))
}

/// Bytes that are left to read.
struct Source<R> {
    source: R,
    left_bytes: u64,
}

impl<R: Read> Source<R> {
    fn take(&mut self, len_bytes: u64, what: &str) -> Result<()> {
        if len_bytes > self.left_bytes {
            self.left_bytes = 0;
            return Err(LabError::new(format!("the file ends within {what}")));
        }
        self.left_bytes -= len_bytes;
        Ok(())
    }

    fn fill(&mut self, buffer: &mut [u8], what: &str) -> Result<()> {
        self.take(buffer.len() as u64, what)?;
        self.source.read_exact(buffer).map_err(|error| LabError::because(format!("cannot read {what}"), error))
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes, what)?;
        Ok(bytes)
    }

    /// Reads bytes whose number the caller has bounded.
    fn bytes(&mut self, len_bytes: u64, what: &str) -> Result<Vec<u8>> {
        if len_bytes > self.left_bytes {
            self.take(len_bytes, what)?;
        }
        let mut bytes = vec![0; usize::try_from(len_bytes).unwrap_or(0)];
        self.fill(&mut bytes, what)?;
        Ok(bytes)
    }

    fn skip(&mut self, len_bytes: u64, what: &str) -> Result<()> {
        self.take(len_bytes, what)?;
        match io::copy(&mut self.source.by_ref().take(len_bytes), &mut io::sink()) {
            Ok(count) if count == len_bytes => Ok(()),
            Ok(_) => Err(LabError::new(format!("the file ends within {what}"))),
            Err(error) => Err(LabError::because(format!("cannot read {what}"), error)),
        }
    }
}

fn number(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|digit| bytes[at + digit]))
}

#[cfg(test)]
mod tests;
