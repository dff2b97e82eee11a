//! [`Near`]: sealed bytes that came from far away, kept on the fixed disk, so that what was read once is read again without
//! asking for it. Never on a key.
//!
//! It holds what a server or a finder of the key sees as well, byte for byte: sealed frames, and the small files of the outer
//! layer. No plaintext, no name of a file, no key and no password ever comes here; what an entry is called is a hash.
//!
//! ```text
//! NNNNNNNN.seg   "CKSNEAR1", era: u64, then records
//! record         name: 16 bytes, length: u32, check: 12 bytes, the bytes
//! check          the beginning of BLAKE3 over name, length and bytes
//! ```
//!
//! Numbers are little-endian. A process appends to segments of its own, which it creates, and reads those of all; a segment is
//! never changed otherwise, and where too much is held the oldest goes, whole. Nothing is ever synced: a record is believed when
//! its check holds and no earlier, so a torn tail, zeros after a cut or a worn disk cost what they hit. Segments of another era,
//! which is for whoever opens it to count, are removed.
//!
//! Losing all of it costs time only, so no failure here is an error: who cannot read fetches, and who cannot write goes on without.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Capabilities, Disk, DiskError, Lock, LockKind, Metadata, ReadAt, WriteFile};
use crate::base::StorePath;
use crate::base::units::{KIB, MIB};

const MAGIC: &[u8; 8] = b"CKSNEAR1";
const SEGMENT_HEADER_BYTES: u64 = 16;
const RECORD_HEADER_BYTES: usize = 32;
const NAME_BYTES: usize = 16;
/// How many segments make up the whole.
const SEGMENTS: u64 = 8;
const SEGMENT_MIN_BYTES: u64 = 64 * KIB;
const SEGMENT_MAX_BYTES: u64 = 64 * MIB;
/// Most records that are known at a time: about 30 MiB of memory.
const RECORDS_MAX: usize = 1 << 19;
/// How many names are tried for a fresh segment while others take them.
const NAMES_TRIED: u64 = 64;
/// Bytes that are read at a time to find where records begin.
const SCAN_BYTES: usize = 64 << 10;

/// What an entry is called: the beginning of a hash.
pub type Name = [u8; NAME_BYTES];

/// The cache; shared by threads, and its directory by processes.
pub struct Near {
    disk: Arc<dyn Disk>,
    most_bytes: u64,
    era: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    places: HashMap<Name, Place>,
    segments: BTreeMap<u64, Segment>,
    /// The segment that this process appends to.
    own: Option<Own>,
    /// A write failed: nothing is written any more.
    is_closed: bool,
}

struct Segment {
    file: Arc<dyn ReadAt>,
    len_bytes: u64,
}

struct Own {
    number: u64,
    file: Box<dyn WriteFile>,
}

#[derive(Clone, Copy)]
struct Place {
    segment: u64,
    /// Where the record begins.
    offset: u64,
    len_bytes: u32,
}

impl Near {
    /// Opens what a directory holds, which has to be one of its own; keeps at most so many bytes. Costs a look at each record.
    #[must_use]
    pub fn open(disk: Arc<dyn Disk>, most_bytes: u64, era: u64) -> Self {
        let near = Self { disk, most_bytes, era, state: Mutex::default() };
        let mut state = near.lock();
        near.look_around(&mut state);
        near.shrink(&mut state, 0);
        drop(state);
        near
    }

    /// Returns what is kept under a name, as it was put there.
    #[must_use]
    pub fn get(&self, name: &Name) -> Option<Vec<u8>> {
        let (place, file) = {
            let state = self.lock();
            let place = *state.places.get(name)?;
            (place, Arc::clone(&state.segments.get(&place.segment)?.file))
        };
        let bytes = read_record(file.as_ref(), name, place);
        if bytes.is_none() {
            self.forget(name);
        }
        bytes
    }

    /// Keeps bytes under a name, unless some are kept there.
    pub fn put(&self, name: &Name, bytes: &[u8]) {
        let len_bytes = bytes.len() as u64 + RECORD_HEADER_BYTES as u64;
        let mut state = self.lock();
        let fits = !bytes.is_empty() && len_bytes + SEGMENT_HEADER_BYTES <= self.most_bytes / 2;
        if state.is_closed || !fits || state.places.contains_key(name) {
            return;
        }
        if self.append(&mut state, name, bytes, len_bytes).is_none() {
            // The medium is full or refuses; what a failed write left is a torn tail.
            (state.is_closed, state.own) = (true, None);
        }
    }

    /// Takes an entry for lost: what was found there is not what it should be.
    pub fn forget(&self, name: &Name) {
        self.lock().places.remove(name);
    }

    /// Returns how many bytes are kept.
    #[must_use]
    pub fn len_bytes(&self) -> u64 {
        self.lock().segments.values().map(|segment| segment.len_bytes).sum()
    }

    fn segment_bytes(&self) -> u64 {
        (self.most_bytes / SEGMENTS).clamp(SEGMENT_MIN_BYTES, SEGMENT_MAX_BYTES)
    }

    fn append(&self, state: &mut State, name: &Name, bytes: &[u8], len_bytes: u64) -> Option<()> {
        let filled = state.own.as_ref().and_then(|own| state.segments.get(&own.number)).map(|own| own.len_bytes);
        if filled.is_none_or(|filled| filled + len_bytes > self.segment_bytes()) {
            state.own = None;
            state.own = Some(self.begin_segment(state, len_bytes)?);
        }
        let length = u32::try_from(bytes.len()).ok()?;
        let mut record = Vec::with_capacity(RECORD_HEADER_BYTES + bytes.len());
        record.extend_from_slice(name);
        record.extend_from_slice(&length.to_le_bytes());
        record.extend_from_slice(&check(name, bytes));
        record.extend_from_slice(bytes);
        let own = state.own.as_mut()?;
        own.file.append(&record).ok()?;
        let number = own.number;
        let segment = state.segments.get_mut(&number)?;
        let place = Place { segment: number, offset: segment.len_bytes, len_bytes: length };
        segment.len_bytes += len_bytes;
        state.places.insert(*name, place);
        Some(())
    }

    /// Creates a segment behind all others, and makes room for it and for its first record, which may be longer than others are.
    fn begin_segment(&self, state: &mut State, first_bytes: u64) -> Option<Own> {
        self.look_around(state);
        self.shrink(state, self.segment_bytes().max(first_bytes + SEGMENT_HEADER_BYTES));
        let next = state.segments.last_key_value().map_or(1, |(number, _)| number + 1);
        for number in next..next.checked_add(NAMES_TRIED)? {
            let path = path_of(number)?;
            let mut file = match self.disk.create_new(&path) {
                Ok(file) => file,
                Err(error) if error.kind == super::DiskErrorKind::Exists => continue,
                Err(_) => return None,
            };
            file.append(&[MAGIC.as_slice(), &self.era.to_le_bytes()].concat()).ok()?;
            let segment = Segment { file: self.disk.open(&path).ok()?.into(), len_bytes: SEGMENT_HEADER_BYTES };
            state.segments.insert(number, segment);
            return Some(Own { number, file });
        }
        None
    }

    /// Learns of the segments that others made and removed.
    fn look_around(&self, state: &mut State) {
        let Ok(listed) = self.disk.list(&StorePath::root()) else { return };
        let numbers: Vec<u64> = listed.iter().filter_map(|(name, _)| number_of(name)).collect();
        let gone: Vec<u64> = state.segments.keys().filter(|number| !numbers.contains(number)).copied().collect();
        gone.into_iter().for_each(|number| state.drop_segment(number));
        for number in numbers {
            if !state.segments.contains_key(&number) && self.take_in(state, number).is_none() {
                self.remove(number);
            }
        }
    }

    /// Reads which records a segment holds; nothing where it is of another era, or no segment at all.
    fn take_in(&self, state: &mut State, number: u64) -> Option<()> {
        let file: Arc<dyn ReadAt> = self.disk.open(&path_of(number)?).ok()?.into();
        let mut header = [0; SEGMENT_HEADER_BYTES as usize];
        let is_whole = file.read_at(0, &mut header).ok()? == header.len();
        let is_ours = is_whole && header.starts_with(MAGIC) && header[MAGIC.len()..] == self.era.to_le_bytes();
        if !is_ours {
            // Another process may be about to write its beginning.
            return (file.len_bytes() < SEGMENT_HEADER_BYTES).then_some(());
        }
        let mut scan = Scan { file: file.as_ref(), offset: 0, bytes: Vec::new() };
        let mut offset = SEGMENT_HEADER_BYTES;
        while let Some((name, len_bytes)) = scan.record_at(offset) {
            state.places.insert(name, Place { segment: number, offset, len_bytes });
            offset += RECORD_HEADER_BYTES as u64 + u64::from(len_bytes);
        }
        let len_bytes = file.len_bytes();
        state.segments.insert(number, Segment { file, len_bytes });
        Some(())
    }

    /// Removes the oldest segments until so many bytes more have room.
    fn shrink(&self, state: &mut State, more_bytes: u64) {
        let own = state.own.as_ref().map(|own| own.number);
        loop {
            let held: u64 = state.segments.values().map(|segment| segment.len_bytes).sum();
            let is_too_much = held + more_bytes > self.most_bytes || state.places.len() > RECORDS_MAX;
            let oldest = state.segments.keys().next().copied().filter(|oldest| Some(*oldest) != own);
            let (true, Some(oldest)) = (is_too_much, oldest) else { return };
            state.drop_segment(oldest);
            self.remove(oldest);
        }
    }

    fn remove(&self, number: u64) {
        if let Some(path) = path_of(number) {
            // One that stays is met again by whoever opens the cache next.
            let _ = self.disk.remove(&path);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn drop_segment(&mut self, number: u64) {
        self.segments.remove(&number);
        self.places.retain(|_, place| place.segment != number);
        if self.own.as_ref().is_some_and(|own| own.number == number) {
            self.own = None;
        }
    }
}

/// Looks for records, a stretch of the file at a time.
struct Scan<'a> {
    file: &'a dyn ReadAt,
    offset: u64,
    bytes: Vec<u8>,
}

impl Scan<'_> {
    /// Returns the name and length of the record at an offset, if it lies in the file as a whole.
    fn record_at(&mut self, offset: u64) -> Option<(Name, u32)> {
        let header = self.at(offset)?;
        let (name, rest) = header.split_first_chunk::<NAME_BYTES>()?;
        let len_bytes = u32::from_le_bytes(*rest.first_chunk()?);
        let name = *name;
        let end = offset.checked_add(RECORD_HEADER_BYTES as u64)?.checked_add(u64::from(len_bytes))?;
        (len_bytes > 0 && end <= self.file.len_bytes()).then_some((name, len_bytes))
    }

    fn at(&mut self, offset: u64) -> Option<&[u8]> {
        let is_here = |scan: &Self| {
            let from = usize::try_from(offset.checked_sub(scan.offset)?).ok()?;
            (from.checked_add(RECORD_HEADER_BYTES)? <= scan.bytes.len()).then_some(from)
        };
        if is_here(self).is_none() {
            let left = self.file.len_bytes().checked_sub(offset)?;
            self.bytes.resize(SCAN_BYTES.min(usize::try_from(left).ok()?), 0);
            self.offset = offset;
            let count = self.file.read_at(offset, &mut self.bytes).ok()?;
            self.bytes.truncate(count);
        }
        let from = is_here(self)?;
        self.bytes.get(from..from + RECORD_HEADER_BYTES)
    }
}

fn read_record(file: &dyn ReadAt, name: &Name, place: Place) -> Option<Vec<u8>> {
    let mut header = [0; RECORD_HEADER_BYTES];
    let mut bytes = vec![0; usize::try_from(place.len_bytes).ok()?];
    let has_header = file.read_at(place.offset, &mut header).ok()? == header.len();
    let has_bytes = file.read_at(place.offset + RECORD_HEADER_BYTES as u64, &mut bytes).ok()? == bytes.len();
    let expected = [name.as_slice(), &place.len_bytes.to_le_bytes(), &check(name, &bytes)].concat();
    (has_header && has_bytes && header.as_slice() == expected).then_some(bytes)
}

fn check(name: &Name, bytes: &[u8]) -> [u8; 12] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(name).update(&(bytes.len() as u32).to_le_bytes()).update(bytes);
    let hash = hasher.finalize();
    let mut check = [0; 12];
    check.copy_from_slice(&hash.as_bytes()[..12]);
    check
}

fn path_of(number: u64) -> Option<StorePath> {
    StorePath::new(&format!("{number:08}.seg")).ok()
}

fn number_of(name: &str) -> Option<u64> {
    let number = name.strip_suffix(".seg")?.parse().ok()?;
    (format!("{number:08}.seg") == name).then_some(number)
}

/// A disk of whose sealed content some is kept near. Whatever is written goes to the disk alone.
pub struct NearDisk {
    inner: Arc<dyn Disk>,
    near: Arc<Near>,
}

impl NearDisk {
    /// Keeps what is read from a disk.
    #[must_use]
    pub fn new(inner: Arc<dyn Disk>, near: Arc<Near>) -> Self {
        Self { inner, near }
    }
}

impl Disk for NearDisk {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn metadata(&self, path: &StorePath) -> Result<Option<Metadata>, DiskError> {
        self.inner.metadata(path)
    }

    fn list(&self, dir: &StorePath) -> Result<Vec<(String, Metadata)>, DiskError> {
        self.inner.list(dir)
    }

    fn open(&self, path: &StorePath) -> Result<Box<dyn ReadAt>, DiskError> {
        self.inner.open(path)
    }

    fn create_new(&self, path: &StorePath) -> Result<Box<dyn WriteFile>, DiskError> {
        self.inner.create_new(path)
    }

    fn append_after(&self, path: &StorePath, keep_bytes: u64) -> Result<Box<dyn WriteFile>, DiskError> {
        self.inner.append_after(path, keep_bytes)
    }

    fn rename(&self, from: &StorePath, to: &StorePath) -> Result<(), DiskError> {
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &StorePath) -> Result<(), DiskError> {
        self.inner.remove(path)
    }

    fn create_dir(&self, path: &StorePath) -> Result<(), DiskError> {
        self.inner.create_dir(path)
    }

    fn sync_dir(&self, dir: &StorePath) -> Result<(), DiskError> {
        self.inner.sync_dir(dir)
    }

    fn lock(&self, path: &StorePath, kind: LockKind) -> Result<Option<Box<dyn Lock>>, DiskError> {
        self.inner.lock(path, kind)
    }

    fn free_bytes(&self) -> Result<u64, DiskError> {
        self.inner.free_bytes()
    }

    fn is_gone(&self) -> bool {
        self.inner.is_gone()
    }

    fn is_far(&self) -> bool {
        self.inner.is_far()
    }

    fn has_withheld(&self) -> bool {
        self.inner.has_withheld()
    }

    fn near(&self) -> Option<&Near> {
        Some(&self.near)
    }
}

#[cfg(test)]
mod tests;
