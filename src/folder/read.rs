//! Reading a file that others may change at the same time, so that what is taken is never torn.
//!
//! A file counts as read when as many bytes came as its state says and the state (inode, size, both times) is
//! the same after as before. Times have a grain (2 s on FAT), so two changes within one grain look like one:
//! a file that changed a moment ago is therefore read a second time, and counts only when both readings give
//! the same bytes; then it held them all at the moment between the two. Limits: a time set by a server whose
//! clock is behind ours by more than the grain defeats this, and so does a change that is undone in between.

use crate::base::{Clock, RelPath};
use crate::disk::folder::{ExtendedAttribute, FileTime, FolderFile, Hole, Stat};
use crate::disk::{DiskError, DiskErrorKind, Folder};

/// Readings that are given up before a file counts as changing.
const RETRIES: u32 = 3;
/// Coarsest grain of a file time, FAT's, with room.
const GRAIN_SECS: i64 = 3;
/// Length of the reading buffer: a sink is given at most so much at a time.
pub const BUFFER_BYTES: usize = 256 * 1024;
/// Holes that are asked for; what follows is read as zeros.
const HOLES_MAX: usize = 8192;
/// Length from which on a hole is not read.
pub const UNREAD_HOLE_MIN_BYTES: u64 = 1024 * 1024;
/// Length from which on a file's state is asked before it is read, so that no long reading is in vain.
const ASK_FIRST_BYTES: u64 = 1024 * 1024;

/// How the reading of a file ended.
#[derive(Debug)]
pub enum ReadOutcome {
    /// All bytes were given to the sink, and this is the state that they belong to.
    Read {
        /// State of the file that was read.
        stat: Stat,
        /// What else the system keeps with it.
        extras: Extras,
    },
    /// The file changed each time it was read, or is no regular file any more.
    Changing,
    /// Nothing stands there any more.
    Vanished,
    /// The file cannot be read.
    Unreadable(DiskError),
}

/// What the system keeps with a file besides its bytes.
#[derive(Debug)]
pub struct Extras {
    /// Its holes, in order.
    pub holes: Vec<Hole>,
    /// Its extended attributes, or why they do not read.
    pub extended: Result<Vec<ExtendedAttribute>, DiskError>,
}

/// Takes the bytes of a file.
pub trait ReadSink {
    /// What the sink fails with; it ends the reading.
    type Error;

    /// Hears that a reading starts: what came before it is void. `len_bytes` is the length to expect.
    ///
    /// # Errors
    /// The sink's own.
    fn start(&mut self, len_bytes: u64) -> Result<(), Self::Error>;

    /// Takes the next bytes.
    ///
    /// # Errors
    /// The sink's own.
    fn take(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Takes so many zeros, which were not read.
    ///
    /// # Errors
    /// The sink's own.
    fn take_hole(&mut self, len_bytes: u64) -> Result<(), Self::Error>;
}

/// Collects a file, for those that are known to be small.
struct Collect<'b> {
    bytes: &'b mut Vec<u8>,
    max_bytes: u64,
}

/// A file that is longer than its collector takes.
struct TooLong;

impl ReadSink for Collect<'_> {
    type Error = TooLong;

    fn start(&mut self, len_bytes: u64) -> Result<(), Self::Error> {
        self.bytes.clear();
        // A reading gives no more than it announced, so this bounds all that is taken.
        if len_bytes <= self.max_bytes { Ok(()) } else { Err(TooLong) }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Self::Error> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn take_hole(&mut self, len_bytes: u64) -> Result<(), Self::Error> {
        let len = self.bytes.len().saturating_add(usize::try_from(len_bytes).unwrap_or(usize::MAX));
        self.bytes.resize(len, 0);
        Ok(())
    }
}

/// Reads files of one folder, one after the other, through one buffer.
pub struct StableReader<'a> {
    folder: &'a dyn Folder,
    clock: &'a dyn Clock,
    buffer: Vec<u8>,
}

/// What a pass over a file comes upon.
enum Piece<'b> {
    Bytes(&'b [u8]),
    Hole(u64),
}

/// How one attempt ended.
enum Attempt {
    Stable(Extras),
    Changed,
    Failed(DiskError),
}

impl<'a> StableReader<'a> {
    /// Reads from `folder`; `clock` tells which files changed a moment ago.
    #[must_use]
    pub fn new(folder: &'a dyn Folder, clock: &'a dyn Clock) -> Self {
        Self { folder, clock, buffer: vec![0; BUFFER_BYTES] }
    }

    /// Reads a file into `sink`, in order. `expected` is the state that a listing gave.
    ///
    /// No more bytes are read than the state says, so a file that grows without end does not hold anybody up.
    /// A file that did not change costs an open, its reads and one question for its state.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn read<S: ReadSink>(
        &mut self,
        path: &RelPath,
        expected: &Stat,
        sink: &mut S,
    ) -> Result<ReadOutcome, S::Error> {
        let mut expected = *expected;
        for _ in 0..=RETRIES {
            match self.attempt(path, &expected, sink)? {
                Attempt::Stable(extras) => return Ok(ReadOutcome::Read { stat: expected, extras }),
                Attempt::Failed(error) => return Ok(outcome_of(error)),
                Attempt::Changed => {}
            }
            match self.folder.stat(path) {
                Ok(Some(stat)) => expected = stat,
                Ok(None) => return Ok(ReadOutcome::Vanished),
                Err(error) => return Ok(outcome_of(error)),
            }
        }
        Ok(ReadOutcome::Changing)
    }

    /// Reads a file of at most `max_bytes` into a buffer that is used again, cleared first; nothing when the file grew
    /// beyond that.
    pub fn read_small(
        &mut self,
        path: &RelPath,
        expected: &Stat,
        max_bytes: u64,
        bytes: &mut Vec<u8>,
    ) -> Option<ReadOutcome> {
        self.read(path, expected, &mut Collect { bytes, max_bytes }).ok()
    }

    fn attempt<S: ReadSink>(&mut self, path: &RelPath, expected: &Stat, sink: &mut S) -> Result<Attempt, S::Error> {
        let mut file = match self.folder.open(path) {
            Ok(file) => file,
            Err(error) => return Ok(Attempt::Failed(error)),
        };
        if expected.len_bytes >= ASK_FIRST_BYTES {
            match file.stat() {
                Ok(stat) if same_state(&stat, expected) => {}
                Ok(_) => return Ok(Attempt::Changed),
                Err(error) => return Ok(Attempt::Failed(error)),
            }
        }
        let holes = match holes_of(file.as_mut(), expected) {
            Ok(holes) => holes,
            Err(error) => return Ok(Attempt::Failed(error)),
        };
        // Whether the file is fresh has to be decided by a time before the first byte is read.
        let fresh = self.is_fresh(expected);
        let mut hasher = fresh.then(blake3::Hasher::new);
        sink.start(expected.len_bytes)?;
        let mut failed = None;
        let whole = self.pass(file.as_mut(), path, expected.len_bytes, &holes, |piece| {
            hash_piece(hasher.as_mut(), &piece);
            let taken = match piece {
                Piece::Bytes(bytes) => sink.take(bytes),
                Piece::Hole(len_bytes) => sink.take_hole(len_bytes),
            };
            taken.map_err(|error| failed = Some(error))
        });
        if let Some(error) = failed {
            return Err(error);
        }
        let first = hasher.map(|hasher| hasher.finalize());
        // Before the last question for the state, which tells of a change of them, too.
        let extended = file.extended_attributes();
        Ok(match self.verdict(path, expected, file.as_ref(), whole, first) {
            Ok(true) => Attempt::Stable(Extras { holes, extended }),
            Ok(false) => Attempt::Changed,
            Err(error) => Attempt::Failed(error),
        })
    }

    /// Tells whether one reading counts, by the state after it and, where `first` is given, by a second reading.
    fn verdict(
        &mut self,
        path: &RelPath,
        expected: &Stat,
        file: &dyn FolderFile,
        whole: Result<bool, DiskError>,
        first: Option<blake3::Hash>,
    ) -> Result<bool, DiskError> {
        if !whole? || !same_state(&file.stat()?, expected) {
            return Ok(false);
        }
        first.map_or(Ok(true), |first| self.reads_again(path, expected, first))
    }

    /// Reads a fresh file once more and compares.
    fn reads_again(&mut self, path: &RelPath, expected: &Stat, first: blake3::Hash) -> Result<bool, DiskError> {
        let mut file = self.folder.open(path)?;
        let mut hasher = blake3::Hasher::new();
        let holes = holes_of(file.as_mut(), expected)?;
        let whole = self.pass(file.as_mut(), path, expected.len_bytes, &holes, |piece| {
            hash_piece(Some(&mut hasher), &piece);
            Ok(())
        })?;
        Ok(whole && hasher.finalize() == first && same_state(&file.stat()?, expected))
    }

    /// Reads `len_bytes` once but for long holes, or fewer when the file ends or `take` refuses; tells whether all came.
    fn pass(
        &mut self,
        file: &mut dyn FolderFile,
        path: &RelPath,
        len_bytes: u64,
        holes: &[Hole],
        mut take: impl FnMut(Piece<'_>) -> Result<(), ()>,
    ) -> Result<bool, DiskError> {
        let mut at = 0;
        for hole in holes.iter().filter(|hole| hole.len_bytes >= UNREAD_HOLE_MIN_BYTES) {
            if !self.read_to(file, path, &mut at, hole.offset, &mut take)? {
                return Ok(false);
            }
            file.skip(hole.len_bytes)?;
            if take(Piece::Hole(hole.len_bytes)).is_err() {
                return Ok(false);
            }
            at += hole.len_bytes;
        }
        self.read_to(file, path, &mut at, len_bytes, &mut take)
    }

    fn read_to(
        &mut self,
        file: &mut dyn FolderFile,
        path: &RelPath,
        at: &mut u64,
        end: u64,
        take: &mut impl FnMut(Piece<'_>) -> Result<(), ()>,
    ) -> Result<bool, DiskError> {
        while *at < end {
            let want = self.buffer.len().min(usize::try_from(end - *at).unwrap_or(usize::MAX));
            let count = match file.read(&mut self.buffer[..want]) {
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(DiskError::new("read", path, error)),
            };
            if count == 0 || take(Piece::Bytes(&self.buffer[..count])).is_err() {
                return Ok(false);
            }
            *at += count as u64;
        }
        Ok(true)
    }

    fn is_fresh(&self, stat: &Stat) -> bool {
        let now_secs = self.clock.now().0.div_euclid(1_000_000_000);
        let near = |time: FileTime| time.secs >= now_secs.saturating_sub(GRAIN_SECS);
        near(stat.mtime) || near(stat.ctime)
    }
}

/// Returns the holes of a file that may have some; those that reach beyond the length that is expected are left out.
fn holes_of(file: &mut dyn FolderFile, expected: &Stat) -> Result<Vec<Hole>, DiskError> {
    if !expected.is_sparse {
        return Ok(Vec::new());
    }
    let mut holes = file.holes(HOLES_MAX)?;
    holes.retain(|hole| hole.offset.saturating_add(hole.len_bytes) <= expected.len_bytes);
    Ok(holes)
}

fn hash_piece(hasher: Option<&mut blake3::Hasher>, piece: &Piece<'_>) {
    let Some(hasher) = hasher else { return };
    match piece {
        Piece::Bytes(bytes) => hasher.update(bytes),
        // Where a hole lies counts as much as what the bytes are.
        Piece::Hole(len_bytes) => hasher.update(b"hole").update(&len_bytes.to_le_bytes()),
    };
}

/// Returns whether two states belong to the same file with the same content, as far as the system tells.
#[must_use]
pub fn same_state(one: &Stat, other: &Stat) -> bool {
    let key = |stat: &Stat| (stat.kind, stat.device, stat.inode, stat.len_bytes, stat.mtime, stat.ctime);
    key(one) == key(other)
}

fn outcome_of(error: DiskError) -> ReadOutcome {
    match error.kind {
        DiskErrorKind::NotFound => ReadOutcome::Vanished,
        DiskErrorKind::WrongType => ReadOutcome::Changing,
        _ => ReadOutcome::Unreadable(error),
    }
}

/// Says on one line why an entry was left out.
pub(super) fn reason(error: &DiskError) -> String {
    format!("cannot {}: {}", error.act, error.source)
}

#[cfg(test)]
mod tests;
