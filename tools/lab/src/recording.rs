//! [`Recording`]: a device before a story, every request that reached it, and the story's acknowledged steps; one `.rec` file.
//!
//! The file is one zstd stream. Integers are little-endian.
//!
//! ```text
//! "LABRECRD", u32 version 1
//! u32 length, header as JSON
//! u64 pages, each u64 offset and 4096 bytes, ascending    the device before the first request; the rest is zeros
//! u64 requests, each u8 kind and
//!     0 write, 1 write with FUA    u64 sector, u32 sectors, the bytes
//!     2 flush
//!     3 discard                    u64 sector, u64 sectors
//!     4 mark                       u32 length, text
//! ```

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::blocklog::{BlockLog, DATA_MAX_BYTES, ENTRIES_MAX, Entry, offset_of};
use crate::error::{LabError, Result};
use crate::image::{Image, SECTOR_BYTES};

const MAGIC: [u8; 8] = *b"LABRECRD";
const VERSION: u32 = 1;
const PAGE_BYTES: usize = 4096;
const HEADER_MAX_BYTES: u32 = 1 << 20;
/// Largest device that is taken: 8 GiB.
const DEVICE_MAX_BYTES: u64 = 8 << 30;
const WRITE_MAX_SECTORS: u32 = 1 << 17;
const MARK_TEXT_MAX_BYTES: u32 = 4096;
/// zstd's level for recordings: they are made once and kept in the repository.
const LEVEL: i32 = 19;
/// How a mark's sector begins.
const MARK_WORD: &str = "LABMARK";

/// What was recorded, where and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The kind of file system and mount: a name of the lab's `MEDIA`.
    pub medium: String,
    /// The options of the mount.
    pub mount: String,
    /// The kernel's version.
    pub kernel: String,
    /// When, as RFC 3339.
    pub recorded: String,
    /// The story's name.
    pub story: String,
    /// Length of the device.
    pub device_bytes: u64,
    /// Length of the file system at the device's beginning; marks are written behind it.
    pub volume_bytes: u64,
    /// Path of the store inside the volume.
    pub store: String,
    /// The story's commands in order.
    pub steps: Vec<String>,
    /// The keys that its states are opened with, by name, as files hold them. They open nothing else.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<String, String>,
}

/// A step that returned: from here on its generation is acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Which request of the log is the mark.
    pub at: usize,
    /// The number of the step.
    pub step: u64,
    /// What was done.
    pub verb: String,
    /// The generation that the store has since.
    pub generation: u64,
}

/// One story on one device.
#[derive(Clone)]
pub struct Recording {
    /// What was recorded.
    pub header: Header,
    /// The device before the first request.
    pub base: Image,
    /// What reached it.
    pub log: BlockLog,
    marks: Vec<Mark>,
}

impl Recording {
    /// Puts a recording together.
    ///
    /// # Errors
    /// [`LabError`] where a request reaches over the device's end, or a mark does not read.
    pub fn new(header: Header, base: Image, log: BlockLog) -> Result<Self> {
        if header.device_bytes > DEVICE_MAX_BYTES || base.len_bytes() != header.device_bytes {
            let len_bytes = header.device_bytes;
            return Err(LabError::new(format!(
                "its device has {len_bytes} bytes, which is too many or not those that it holds"
            )));
        }
        if header.volume_bytes > header.device_bytes || !header.volume_bytes.is_multiple_of(SECTOR_BYTES as u64) {
            return Err(LabError::new("its volume is no whole sectors of its device"));
        }
        let mut marks = Vec::new();
        for (at, entry) in log.entries.iter().enumerate() {
            let Some((sector, sectors)) = entry.reach() else { continue };
            if offset_of(sector.saturating_add(sectors)) > header.device_bytes {
                return Err(LabError::new(format!("request {at} reaches over the end of its device")));
            }
            match entry {
                Entry::Write { sector, data, .. } if offset_of(*sector) >= header.volume_bytes => {
                    marks.push(parse_mark(at, data)?);
                }
                _ => {}
            }
        }
        Ok(Self { header, base, log, marks })
    }

    /// Lets the recording begin with its first mark: what was written before it is what the device held, durable.
    #[must_use]
    pub fn from_first_mark(mut self) -> Self {
        let Some(begin) = self.marks.first().map(|mark| mark.at) else { return self };
        for at in 0..begin {
            if self.changed_sectors(at) > 0 {
                self.log.entries[at].apply(&mut self.base, u64::MAX);
            }
        }
        self.log.entries.drain(..begin);
        self.marks.iter_mut().for_each(|mark| mark.at -= begin);
        self
    }

    /// Returns the acknowledged steps in order.
    #[must_use]
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// Returns how many sectors of the volume a request changes; marks change none.
    #[must_use]
    pub fn changed_sectors(&self, at: usize) -> u64 {
        let reach = self.log.entries.get(at).and_then(Entry::reach);
        let inside = reach.filter(|(sector, _)| offset_of(*sector) < self.header.volume_bytes);
        inside.map_or(0, |(_, sectors)| sectors)
    }

    /// Returns whether a request is a mark.
    #[must_use]
    pub fn is_mark(&self, at: usize) -> bool {
        self.marks.binary_search_by_key(&at, |mark| mark.at).is_ok()
    }

    /// Reads a recording.
    ///
    /// # Errors
    /// [`LabError`] for a file that does not read, is no recording, or says what cannot be.
    pub fn read(path: &Path) -> Result<Self> {
        let what = || format!("cannot read the recording {}", path.display());
        let file = File::open(path).map_err(|error| LabError::because(what(), error))?;
        Self::decode(BufReader::new(file)).map_err(|error| LabError::because(what(), error))
    }

    /// Writes a recording.
    ///
    /// # Errors
    /// [`LabError`].
    pub fn write(&self, path: &Path) -> Result<()> {
        let what = || format!("cannot write the recording {}", path.display());
        let written = File::create(path).and_then(|file| self.encode(BufWriter::new(file)));
        written.map_err(|error| LabError::because(what(), error))
    }

    fn encode(&self, sink: impl Write) -> io::Result<()> {
        let mut sink = zstd::stream::write::Encoder::new(sink, LEVEL)?;
        let header = serde_json::to_vec(&self.header)?;
        sink.write_all(&MAGIC)?;
        sink.write_all(&VERSION.to_le_bytes())?;
        put_u32(&mut sink, header.len())?;
        sink.write_all(&header)?;
        let pages = self.base.written().filter(|(_, page)| page.iter().any(|byte| *byte != 0));
        let pages: Vec<_> = pages.collect();
        sink.write_all(&(pages.len() as u64).to_le_bytes())?;
        for (offset, page) in pages {
            sink.write_all(&offset.to_le_bytes())?;
            sink.write_all(page)?;
        }
        sink.write_all(&(self.log.entries.len() as u64).to_le_bytes())?;
        for entry in &self.log.entries {
            encode_entry(&mut sink, entry)?;
        }
        sink.finish()?.flush()
    }

    fn decode(source: impl Read) -> Result<Self> {
        let stream =
            zstd::stream::read::Decoder::new(source).map_err(|error| LabError::because("it is no zstd", error))?;
        let mut source = Source(BufReader::with_capacity(1 << 20, stream));
        if source.array()? != MAGIC || source.u32()? != VERSION {
            return Err(LabError::new("it is no recording of version 1"));
        }
        let len_bytes = source.u32()?;
        if len_bytes > HEADER_MAX_BYTES {
            return Err(LabError::new(format!("its header has {len_bytes} bytes")));
        }
        let header = source.bytes(len_bytes)?;
        let header: Header =
            serde_json::from_slice(&header).map_err(|error| LabError::because("its header does not read", error))?;
        if header.device_bytes > DEVICE_MAX_BYTES {
            return Err(LabError::new(format!("its device has {} bytes", header.device_bytes)));
        }
        let base = decode_base(&mut source, header.device_bytes)?;
        let log = decode_log(&mut source)?;
        if source.0.read(&mut [0]).map_err(|error| LabError::because("it does not read", error))? != 0 {
            return Err(LabError::new("something follows its last request"));
        }
        Self::new(header, base, log)
    }
}

fn parse_mark(at: usize, data: &[u8]) -> Result<Mark> {
    let wrong = || LabError::new(format!("request {at} lies behind the volume and is no mark"));
    let line = data.split(|byte| *byte == b'\n').next().and_then(|line| std::str::from_utf8(line).ok());
    let words: Vec<&str> = line.ok_or_else(wrong)?.split(' ').collect();
    let [word, step, verb, generation] = words[..] else { return Err(wrong()) };
    let (Ok(step), Ok(generation)) = (step.parse(), generation.parse()) else { return Err(wrong()) };
    if word != MARK_WORD {
        return Err(wrong());
    }
    Ok(Mark { at, step, verb: verb.to_owned(), generation })
}

/// Returns the sector that the machine writes behind the volume once a step has returned.
#[must_use]
pub fn mark_sector(step: u64, verb: &str, generation: u64) -> Vec<u8> {
    let mut sector = format!("{MARK_WORD} {step} {verb} {generation}\n").into_bytes();
    sector.resize(SECTOR_BYTES, 0);
    sector
}

fn put_u32(sink: &mut impl Write, value: usize) -> io::Result<()> {
    let value = u32::try_from(value).map_err(|_| io::Error::other("longer than a recording can say"))?;
    sink.write_all(&value.to_le_bytes())
}

fn encode_entry(sink: &mut impl Write, entry: &Entry) -> io::Result<()> {
    match entry {
        Entry::Write { sector, data, fua } => {
            sink.write_all(&[u8::from(*fua)])?;
            sink.write_all(&sector.to_le_bytes())?;
            put_u32(sink, data.len() / SECTOR_BYTES)?;
            sink.write_all(data)
        }
        Entry::Flush => sink.write_all(&[2]),
        Entry::Discard { sector, sectors } => {
            sink.write_all(&[3])?;
            sink.write_all(&sector.to_le_bytes())?;
            sink.write_all(&sectors.to_le_bytes())
        }
        Entry::Mark(text) => {
            sink.write_all(&[4])?;
            put_u32(sink, text.len())?;
            sink.write_all(text.as_bytes())
        }
    }
}

fn decode_base<R: Read>(source: &mut Source<R>, device_bytes: u64) -> Result<Image> {
    let mut base = Image::new(device_bytes);
    let pages = source.u64()?;
    if pages > device_bytes.div_ceil(PAGE_BYTES as u64) {
        return Err(LabError::new(format!("its device holds {pages} pages")));
    }
    let mut next = 0;
    for _ in 0..pages {
        let offset = source.u64()?;
        if offset < next || offset >= device_bytes || !offset.is_multiple_of(PAGE_BYTES as u64) {
            return Err(LabError::new(format!("a page lies at offset {offset}")));
        }
        next = offset + PAGE_BYTES as u64;
        base.write_at(offset, &source.array::<PAGE_BYTES>()?);
    }
    Ok(base)
}

fn decode_log<R: Read>(source: &mut Source<R>) -> Result<BlockLog> {
    let count = source.u64()?;
    if count > ENTRIES_MAX as u64 {
        return Err(LabError::new(format!("it has {count} requests")));
    }
    let mut log = BlockLog::default();
    let mut data_bytes = 0;
    for number in 0..count {
        let entry = decode_entry(source)
            .map_err(|error| LabError::because(format!("request {number} does not read"), error))?;
        if let Entry::Write { data, .. } = &entry {
            data_bytes += data.len() as u64;
        }
        if data_bytes > DATA_MAX_BYTES {
            return Err(LabError::new("its writes hold more than 4 GiB"));
        }
        log.entries.push(entry);
    }
    Ok(log)
}

fn decode_entry<R: Read>(source: &mut Source<R>) -> Result<Entry> {
    let [kind] = source.array()?;
    Ok(match kind {
        0 | 1 => {
            let (sector, sectors) = (source.u64()?, source.u32()?);
            if sectors > WRITE_MAX_SECTORS {
                return Err(LabError::new(format!("it writes {sectors} sectors at once")));
            }
            Entry::Write { sector, data: source.bytes(sectors * SECTOR_BYTES as u32)?, fua: kind == 1 }
        }
        2 => Entry::Flush,
        3 => Entry::Discard { sector: source.u64()?, sectors: source.u64()? },
        4 => {
            let len_bytes = source.u32()?;
            if len_bytes > MARK_TEXT_MAX_BYTES {
                return Err(LabError::new(format!("its text has {len_bytes} bytes")));
            }
            Entry::Mark(String::from_utf8_lossy(&source.bytes(len_bytes)?).into_owned())
        }
        _ => return Err(LabError::new(format!("it is of kind {kind}"))),
    })
}

/// Bytes that are left to read; every length is bounded by the caller.
struct Source<R>(R);

impl<R: Read> Source<R> {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        self.0.read_exact(buffer).map_err(|error| LabError::because("it ends too early or does not read", error))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn bytes(&mut self, len_bytes: u32) -> Result<Vec<u8>> {
        let mut bytes = vec![0; len_bytes as usize];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests;
