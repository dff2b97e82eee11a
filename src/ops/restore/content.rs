//! The content of one file: chunks read ahead by other threads, holes left where the snapshot has them.
//!
//! A hole is left only where the content is zeros, so a snapshot whose holes are wrong loses nothing by it. What is read
//! ahead of one file is at most 4 MiB or one chunk.

use std::collections::VecDeque;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::resume::matching_bytes;
use crate::base::ObjectId;
use crate::disk::DiskError;
use crate::folder::NewFile;
use crate::format::tree::Content;
use crate::format::{Extent, Pointer};
use crate::store::StoreError;
use crate::store::cache::Plaintext;
use crate::store::reader::ObjectReader;
use crate::tree::read::for_each_extent;

/// Length from which on a file's chunks are read ahead.
const AHEAD_FILE_MIN_BYTES: u64 = 2 << 20;
/// How much is read ahead of what is written.
const AHEAD_MAX_BYTES: u64 = 4 << 20;
/// Length from which on it is remembered that a chunk holds zeros alone.
const ZEROS_MIN_BYTES: usize = 1 << 20;

/// Length from which on the target is asked for room before a file is written.
const RESERVE_MIN_BYTES: u64 = 1 << 20;

/// A chunk that is read, or why it does not read.
type Chunk = Result<Arc<Plaintext>, StoreError>;

/// A chunk that some thread is to read.
pub struct Ahead {
    chunk: Pointer,
    done: Sender<Chunk>,
}

impl Ahead {
    /// Reads it and hands it over.
    pub fn read(self, reader: &ObjectReader) {
        // Whoever asked may have given up.
        let _ = self.done.send(reader.read(&self.chunk));
    }
}

/// Why a file is not written.
pub enum Failure {
    /// Its content does not read, or someone asked to stop.
    Store(StoreError),
    /// The target fails.
    Target(DiskError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What is to be written into one file.
pub struct Wanted<'w> {
    /// Its length.
    pub len_bytes: u64,
    /// Its content.
    pub content: &'w Content,
    /// Its holes: offset and length, in order.
    pub holes: &'w [(u64, u64)],
}

/// An extent on its way, at a place in the file.
struct Coming {
    extent: Extent,
    at: u64,
    chunk: Option<Receiver<Chunk>>,
}

/// Writes the contents of files, one after the other.
pub struct ContentWriter<'r> {
    reader: &'r ObjectReader,
    ahead: Option<Sender<Ahead>>,
    hashes: bool,
    /// The chunk of zeros that was met last.
    zeros: Option<ObjectId>,
}

impl<'r> ContentWriter<'r> {
    /// Reads through `reader`; long files through whoever listens at `ahead`; `hashes` what it writes if asked to.
    #[must_use]
    pub fn new(reader: &'r ObjectReader, ahead: Option<Sender<Ahead>>, hashes: bool) -> Self {
        Self { reader, ahead, hashes, zeros: None }
    }

    /// Writes a file's content; returns the hash of what was written where that is asked for.
    ///
    /// # Errors
    /// [`Failure`]; drop the file then.
    pub fn write(
        &mut self,
        file: &mut NewFile<'_>,
        wanted: &Wanted<'_>,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<[u8; 32]>, Failure> {
        let mut hasher = self.hashes.then(blake3::Hasher::new);
        let kept_bytes = self.go_on(file, wanted, hasher.as_mut(), cancelled)?;
        let mut queue: VecDeque<Coming> = VecDeque::new();
        let (mut at, mut queued_bytes, mut failed) = (0u64, 0, None);
        let ahead = self.ahead.clone().filter(|_| wanted.len_bytes >= AHEAD_FILE_MIN_BYTES);
        let room = if ahead.is_some() { AHEAD_MAX_BYTES } else { 0 };
        let reader = self.reader;
        let mut out = |coming: Coming, this: &mut Self| {
            if cancelled() {
                return Err(StoreError::Interrupted);
            }
            this.put(file, wanted, coming, hasher.as_mut()).map_err(|failure| match failure {
                Failure::Store(error) => error,
                Failure::Target(error) => {
                    failed = Some(error);
                    StoreError::Interrupted
                }
            })
        };
        let mut streamed = for_each_extent(reader, wanted.content, &mut |extent| {
            let end = at.saturating_add(extent.len_bytes);
            if end > wanted.len_bytes {
                return Err(StoreError::damaged("a file that is longer than its entry says"));
            }
            if end <= kept_bytes {
                at = end;
                return Ok(());
            }
            let chunk = ahead.as_ref().and_then(|ahead| self.ask(ahead, extent, at, wanted.holes));
            queued_bytes += extent.chunk.len_bytes;
            queue.push_back(Coming { extent: *extent, at, chunk });
            at = end;
            while queued_bytes > room
                && let Some(next) = queue.pop_front()
            {
                queued_bytes -= next.extent.chunk.len_bytes;
                out(next, self)?;
            }
            Ok(())
        });
        if streamed.is_ok() {
            streamed = queue.into_iter().try_for_each(|next| out(next, self));
        }
        match (failed, streamed) {
            (Some(error), _) => Err(Failure::Target(error)),
            (None, Err(error)) => Err(error.into()),
            (None, Ok(())) if at < wanted.len_bytes => {
                Err(StoreError::damaged("a file that is shorter than its entry says").into())
            }
            (None, Ok(())) => Ok(hasher.map(|hasher| *hasher.finalize().as_bytes())),
        }
    }

    /// Goes on with what an earlier run left of a file, and asks the target for room for the rest; returns how many bytes stand.
    fn go_on(
        &self,
        file: &mut NewFile<'_>,
        wanted: &Wanted<'_>,
        hasher: Option<&mut blake3::Hasher>,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<u64, Failure> {
        let mut kept_bytes = 0;
        if let Some(mut left) = file.left() {
            let mut fresh = blake3::Hasher::new();
            let matching_bytes = matching_bytes(self.reader, left.as_mut(), wanted.content, &mut fresh, cancelled)?;
            let matching_bytes = matching_bytes.min(wanted.len_bytes);
            drop(left);
            if matching_bytes > 0 && file.go_on_behind(matching_bytes).map_err(Failure::Target)? {
                kept_bytes = matching_bytes;
                if let Some(hasher) = hasher {
                    *hasher = fresh;
                }
            }
        }
        if wanted.holes.is_empty() && wanted.len_bytes >= RESERVE_MIN_BYTES {
            file.reserve(wanted.len_bytes - kept_bytes).map_err(Failure::Target)?;
        }
        Ok(kept_bytes)
    }

    /// Asks another thread for a chunk, unless it is known to be zeros that are left out.
    fn ask(&self, ahead: &Sender<Ahead>, extent: &Extent, at: u64, holes: &[(u64, u64)]) -> Option<Receiver<Chunk>> {
        if self.is_hole(extent, at, holes) {
            return None;
        }
        let (done, chunk) = bounded(1);
        ahead.send(Ahead { chunk: extent.chunk, done }).ok().map(|()| chunk)
    }

    /// Returns whether an extent lies in a hole and is known to be zeros.
    fn is_hole(&self, extent: &Extent, at: u64, holes: &[(u64, u64)]) -> bool {
        let first = holes.partition_point(|(offset, len)| offset + len <= at);
        let covered =
            holes.get(first).is_some_and(|(offset, len)| *offset <= at && at + extent.len_bytes <= offset + len);
        covered && self.zeros == Some(extent.chunk.id)
    }

    fn put(
        &mut self,
        file: &mut NewFile<'_>,
        wanted: &Wanted<'_>,
        coming: Coming,
        hasher: Option<&mut blake3::Hasher>,
    ) -> Result<(), Failure> {
        let Coming { extent, at, chunk } = coming;
        if self.is_hole(&extent, at, wanted.holes) {
            if let Some(hasher) = hasher {
                hash_zeros(hasher, extent.len_bytes);
            }
            return file.skip(extent.len_bytes).map_err(Failure::Target);
        }
        let chunk = match chunk {
            Some(coming) => coming.recv().map_err(|_| StoreError::Interrupted)??,
            None => self.reader.read(&extent.chunk)?,
        };
        let start = usize::try_from(extent.offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(usize::try_from(extent.len_bytes).unwrap_or(usize::MAX));
        let slice = chunk.get(start..end).ok_or_else(|| StoreError::damaged("an extent outside its chunk"))?;
        if let Some(hasher) = hasher {
            hasher.update(slice);
        }
        if wanted.holes.is_empty() {
            return file.append(slice).map_err(Failure::Target);
        }
        if chunk.len() >= ZEROS_MIN_BYTES && is_zeros(&chunk) {
            self.zeros = Some(extent.chunk.id);
        }
        put_with_holes(file, slice, at, wanted.holes).map_err(Failure::Target)
    }
}

/// Writes a slice that stands at `at`, without what lies in holes and is zeros.
fn put_with_holes(file: &mut NewFile<'_>, slice: &[u8], at: u64, holes: &[(u64, u64)]) -> Result<(), DiskError> {
    let end = at + slice.len() as u64;
    let part = |from: u64, to: u64| &slice[(from - at) as usize..(to - at) as usize];
    let mut from = at;
    let first = holes.partition_point(|(offset, len)| offset + len <= at);
    for (offset, len) in &holes[first..] {
        let (hole_from, hole_to) = ((*offset).max(from), (offset + len).min(end));
        if hole_from >= end {
            break;
        }
        if is_zeros(part(hole_from, hole_to)) {
            file.append(part(from, hole_from))?;
            file.skip(hole_to - hole_from)?;
            from = hole_to;
        }
    }
    file.append(part(from, end))
}

fn is_zeros(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}

fn hash_zeros(hasher: &mut blake3::Hasher, mut len_bytes: u64) {
    static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
    while len_bytes > 0 {
        let count = len_bytes.min(ZEROS.len() as u64);
        hasher.update(&ZEROS[..count as usize]);
        len_bytes -= count;
    }
}
