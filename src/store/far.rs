//! [`FarDisk`]: what a remote holds of a store, as a disk that is only read.
//!
//! It fetches what is read and little more: a small file whole, of a pack the stretch that was asked for. Stretches that
//! follow each other are joined: a piece is as long as all that was asked of that pack before, between 32 and 512 KiB, so that a
//! pack that is read to its end costs few questions, and what nobody wanted is never more than what somebody did and 36 KiB. All of
//! them begin and end at multiples of 4 KiB.
//!
//! A remote shows what its reader may see, by the rules of a clone: `HEAD` and what is named from there. Nothing is listed, and
//! records, temporary files and what a replica keeps for itself are never asked for. What a small file said once stays so for
//! the life of this disk, so that what was checked is what is read.
//!
//! A remote cannot be locked. Its publisher deletes a pack a month after no state names it, so whoever reads longer from one
//! state, or opens one that old, may find packs gone; that is an error of what lies there, and another copy is asked first.
//!
//! Nothing a server says is believed: names and lengths are asked for, bytes are bounded here and checked by whoever reads. Each
//! call ends: it is tried a few times on sessions that bound their own waits, and a remote that is not reached, takes too long or
//! says that it cannot serve counts as offline for a while, in which every call fails at once for the same reason. An answer that is
//! about one file counts for that file alone: that it is not there or not for us, that it cannot be had now, and one that makes no sense. Such a file is not
//! asked for again for a while; only where many in a row are answered so is the remote as a whole left out.

use std::collections::{HashMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::layout;
use super::recipe::RANGE_ALIGN_BYTES;
use crate::base::limits::{
    HEAD_MAX_BYTES, KEY_FILE_MAX_BYTES, MANIFEST_MAX_BYTES, MARKER_MAX_BYTES, PACK_MAX_BYTES, TRUST_MAX_BYTES,
};
use crate::base::units::KIB;
use crate::base::{Clock, Random, StorePath};
use crate::disk::{
    Capabilities, Disk, DiskError, DiskErrorKind, DiskFileKind, Lock, LockKind, Metadata, ReadAt, WriteFile,
};
use crate::format::head::SignedHead;
use crate::remote::retry::{Retry, RetryPolicy, sessions_after};
use crate::remote::{Remote, RemoteError, RemoteErrorKind, Session};

/// Shortest piece of a pack that is fetched, unless the pack ends before.
const PIECE_MIN_BYTES: u64 = 32 * KIB;
/// Longest piece that is fetched where less was asked for.
const PIECE_MAX_BYTES: u64 = 512 * KIB;
/// Pieces of an open pack that are kept.
const PIECES_KEPT: usize = 2;
/// Bytes of small files that are remembered; the first ones that were read, HEAD among them.
const SMALL_KEPT_BYTES: usize = 8 << 20;
/// Lengths of packs that are remembered.
const LENGTHS_KEPT: usize = 1 << 16;
/// How often a HEAD is asked for that is torn or missing: a publisher may be writing it.
const HEAD_TRIES: u32 = 4;
/// How long to wait in between.
const HEAD_DELAY: Duration = Duration::from_millis(500);
/// How a call is tried again: whoever waits for it is a person.
const POLICY: RetryPolicy =
    RetryPolicy { attempts: 3, first_delay: Duration::from_secs(1), longest_delay: Duration::from_secs(4) };
/// How long a remote that failed counts as offline at first; it doubles with each further failure.
const OFFLINE_FIRST: Duration = Duration::from_secs(15);
/// How long a file is not asked for again whose answer made no sense.
const WRONG_FOR: Duration = Duration::from_secs(15);
/// How many files in a row may be answered so before the remote counts as offline.
const WRONG_MAX: u32 = 8;
/// The longest that it counts as offline.
const OFFLINE_LONGEST: Duration = Duration::from_secs(240);
/// Longest wait between two looks at whether someone asked to stop.
const SLICE: Duration = Duration::from_millis(250);

/// What a far disk is given besides its remote.
pub struct FarOptions {
    /// Bounds waits.
    pub clock: Arc<dyn Clock>,
    /// Spreads tries.
    pub random: Arc<dyn Random>,
    /// Somebody asked to stop.
    pub stop: Arc<AtomicBool>,
    /// Hears once of each time that the remote goes offline, in a sentence.
    pub tell: Box<dyn Fn(&str) + Send + Sync>,
}

/// A remote as a disk. Clones share sessions and what is remembered.
#[derive(Clone)]
pub struct FarDisk {
    far: Arc<Far>,
}

struct Far {
    remote: Arc<dyn Remote>,
    options: FarOptions,
    sessions: Mutex<Sessions>,
    freed: Condvar,
    memory: Mutex<Memory>,
    offline: Mutex<Option<Offline>>,
    wrong: Mutex<Wrong>,
}

struct Sessions {
    idle: Vec<Box<dyn Session>>,
    /// Those that are idle or in use.
    open: usize,
    most: usize,
}

/// What was learned, for the life of the disk.
#[derive(Default)]
struct Memory {
    small: HashMap<StorePath, Option<Arc<[u8]>>>,
    small_bytes: usize,
    lengths: HashMap<StorePath, u64>,
}

/// Why and until when nothing is asked for.
struct Offline {
    reason: String,
    until: Duration,
    span: Duration,
}

/// Files whose answers made no sense, or that the remote cannot give.
#[derive(Default)]
struct Wrong {
    /// What it means, the reason, and until when nothing is asked for.
    files: HashMap<StorePath, (DiskErrorKind, String, Duration)>,
    /// How many were answered so since the last right answer.
    in_a_row: u32,
    /// One was ever withheld.
    withheld: bool,
}

/// What of a store a reader asks a remote for.
enum Asked {
    /// A file that is fetched whole, of at most so many bytes.
    Small(u64),
    /// A pack.
    Pack,
    /// Nothing: a remote has no such file that is a reader's business.
    Nothing,
}

fn asked(path: &StorePath) -> Asked {
    let (dir, above) = (path.parent(), path.parent().parent());
    match path {
        path if *path == layout::head() => Asked::Small(HEAD_MAX_BYTES),
        path if *path == layout::marker() => Asked::Small(MARKER_MAX_BYTES),
        _ if dir == layout::trust_dir() => Asked::Small(TRUST_MAX_BYTES),
        _ if dir == layout::manifests() => Asked::Small(MANIFEST_MAX_BYTES),
        _ if above == layout::keys_dir() => Asked::Small(KEY_FILE_MAX_BYTES),
        path if layout::is_below_packs(path) => Asked::Pack,
        _ => Asked::Nothing,
    }
}

impl FarDisk {
    /// Wraps a remote; connects with the first call.
    #[must_use]
    pub fn new(remote: Arc<dyn Remote>, options: FarOptions) -> Self {
        let sessions = Sessions { idle: Vec::new(), open: 0, most: remote.session_limit().max(1) };
        let far = Far {
            remote,
            options,
            sessions: Mutex::new(sessions),
            freed: Condvar::new(),
            memory: Mutex::default(),
            offline: Mutex::default(),
            wrong: Mutex::default(),
        };
        Self { far: Arc::new(far) }
    }

    /// Returns the remote's address as people see it.
    #[must_use]
    pub fn address(&self) -> String {
        self.far.remote.address()
    }

    /// Returns the bytes that crossed the wire both ways so far.
    #[must_use]
    pub fn wire_bytes(&self) -> u64 {
        self.far.remote.wire_bytes()
    }
}

impl Far {
    /// Does one thing over a session, again after failures that may pass.
    fn call<T>(
        &self,
        act: &'static str,
        path: &StorePath,
        work: &mut dyn FnMut(&mut dyn Session) -> Result<T, RemoteError>,
    ) -> Result<T, DiskError> {
        use RemoteErrorKind::{Local, NotFound, Refused, Unsupported};
        self.require_right(act, path)?;
        let probes = self.require_online(act, path)?;
        let mut retry = Retry::new(RetryPolicy { attempts: if probes { 1 } else { POLICY.attempts }, ..POLICY });
        loop {
            self.require_going(act, path)?;
            let (error, is_own) = match self.once(work) {
                Ok(value) => {
                    self.answered();
                    return Ok(value);
                }
                Err(failed) => failed,
            };
            let kind = match error.kind {
                NotFound => Some(DiskErrorKind::NotFound),
                Refused if is_own => Some(DiskErrorKind::Denied),
                Unsupported | Local if is_own => Some(DiskErrorKind::Io),
                _ => None,
            };
            if let Some(kind) = kind {
                // Whoever answers is there.
                if is_own {
                    self.answered();
                }
                return Err(DiskError::of(kind, act, path, &error.to_string()));
            }
            match retry.next_delay(&error, self.options.random.as_ref()) {
                Some(delay) => self.wait(delay, act, path)?,
                None => match self.is_of_one_file(path, &error, is_own) {
                    Some(kind) => return Err(DiskError::of(kind, act, path, &error.to_string())),
                    None => return Err(self.gone_offline(act, path, &error)),
                },
            }
        }
    }

    /// Hears that the remote answered, and right.
    fn answered(&self) {
        *lock(&self.offline) = None;
        lock(&self.wrong).in_a_row = 0;
    }

    /// Fails at once for a file whose answer made no sense a moment ago.
    fn require_right(&self, act: &'static str, path: &StorePath) -> Result<(), DiskError> {
        let now = self.options.clock.monotonic();
        match lock(&self.wrong).files.get(path) {
            Some((kind, reason, until)) if now < *until => Err(DiskError::of(*kind, act, path, reason)),
            _ => Ok(()),
        }
    }

    /// Remembers a file whose answer makes no sense, or that it cannot be had; returns what that means to who asked, where it says
    /// nothing of other files as far as is known.
    fn is_of_one_file(&self, path: &StorePath, error: &RemoteError, is_own: bool) -> Option<DiskErrorKind> {
        let kind = match (asked(path), error.kind) {
            // Without one of the small files nothing is known of the store, so it is the remote that fails.
            (Asked::Small(_) | Asked::Nothing, RemoteErrorKind::Protocol | RemoteErrorKind::Unavailable) => {
                DiskErrorKind::Offline
            }
            // As good as damage; another copy is asked.
            (Asked::Pack, RemoteErrorKind::Protocol) => DiskErrorKind::Io,
            (Asked::Pack, RemoteErrorKind::Unavailable) => DiskErrorKind::Withheld,
            _ => return None,
        };
        let now = self.options.clock.monotonic();
        let mut wrong = lock(&self.wrong);
        if !is_own || wrong.in_a_row >= WRONG_MAX {
            return None;
        }
        wrong.in_a_row += 1;
        wrong.files.retain(|_, (_, _, until)| now < *until);
        wrong.files.insert(path.clone(), (kind, error.to_string(), now + WRONG_FOR));
        wrong.withheld |= kind == DiskErrorKind::Withheld;
        // Whoever answers is there.
        *lock(&self.offline) = None;
        Some(kind)
    }

    /// Does one thing once; says of a failure whether it is about that thing, and not about reaching the remote. A session that
    /// had been idle may have been closed since, so its failure costs no try.
    fn once<T>(
        &self,
        work: &mut dyn FnMut(&mut dyn Session) -> Result<T, RemoteError>,
    ) -> Result<T, (RemoteError, bool)> {
        loop {
            let idle = self.take_session();
            let was_idle = idle.is_some();
            let session = idle.map_or_else(|| self.remote.connect(), Ok);
            let mut session = session.map_err(|error| {
                self.lost_session(error.kind);
                (error, false)
            })?;
            match work(session.as_mut()) {
                Ok(value) => {
                    self.give_back(session);
                    return Ok(value);
                }
                Err(error) if error.kind.leaves_session() => {
                    self.give_back(session);
                    return Err((error, true));
                }
                Err(error) => {
                    drop(session);
                    self.lost_session(error.kind);
                    if !was_idle || error.kind == RemoteErrorKind::Refused {
                        return Err((error, true));
                    }
                }
            }
        }
    }

    /// Takes an idle session, or the right to open one: nothing is returned then. Waits while all that may be open are in use, each
    /// of which ends within its bounds.
    fn take_session(&self) -> Option<Box<dyn Session>> {
        let mut sessions = lock(&self.sessions);
        loop {
            if let Some(session) = sessions.idle.pop() {
                return Some(session);
            }
            if sessions.open < sessions.most {
                sessions.open += 1;
                return None;
            }
            sessions = self.freed.wait(sessions).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn give_back(&self, session: Box<dyn Session>) {
        lock(&self.sessions).idle.push(session);
        self.freed.notify_one();
    }

    fn lost_session(&self, kind: RemoteErrorKind) {
        let mut sessions = lock(&self.sessions);
        sessions.open -= 1;
        sessions.most = sessions_after(kind, sessions.most);
        drop(sessions);
        self.freed.notify_one();
    }

    /// Fails at once while the remote counts as offline; says whether this call is the one that finds out whether it still is.
    fn require_online(&self, act: &'static str, path: &StorePath) -> Result<bool, DiskError> {
        let now = self.options.clock.monotonic();
        match lock(&self.offline).as_mut() {
            None => Ok(false),
            Some(offline) if now < offline.until => Err(offline_error(act, path, &offline.reason)),
            Some(offline) => {
                // The others do not wait for it.
                offline.until = now + offline.span;
                Ok(true)
            }
        }
    }

    fn gone_offline(&self, act: &'static str, path: &StorePath, error: &RemoteError) -> DiskError {
        let reason = error.to_string();
        let now = self.options.clock.monotonic();
        let mut offline = lock(&self.offline);
        let is_news = offline.is_none();
        let span = offline.as_ref().map_or(OFFLINE_FIRST, |before| (before.span * 2).min(OFFLINE_LONGEST));
        *offline = Some(Offline { reason: reason.clone(), until: now + span, span });
        drop(offline);
        if is_news {
            (self.options.tell)(&format!("{} is left out for now: {reason}", self.remote.address()));
        }
        offline_error(act, path, &reason)
    }

    fn require_going(&self, act: &'static str, path: &StorePath) -> Result<(), DiskError> {
        if self.options.stop.load(Ordering::Relaxed) {
            return Err(DiskError::of(DiskErrorKind::Interrupted, act, path, "interrupted"));
        }
        Ok(())
    }

    fn wait(&self, delay: Duration, act: &'static str, path: &StorePath) -> Result<(), DiskError> {
        let mut left = delay;
        while !left.is_zero() {
            self.require_going(act, path)?;
            let slice = left.min(SLICE);
            self.options.clock.sleep(slice);
            left -= slice;
        }
        Ok(())
    }

    /// Returns a small file, or nothing where none stands: what it was when it was first asked for.
    fn small(&self, path: &StorePath, max_bytes: u64) -> Result<Option<Arc<[u8]>>, DiskError> {
        if let Some(known) = lock(&self.memory).small.get(path) {
            return Ok(known.clone());
        }
        let mut bytes = self.fetch_small(path, max_bytes)?;
        if *path == layout::head() {
            let is_torn = |bytes: &Option<Arc<[u8]>>| bytes.as_ref().is_none_or(|it| SignedHead::decode(it).is_err());
            for _ in 1..HEAD_TRIES {
                if !is_torn(&bytes) {
                    break;
                }
                self.wait(HEAD_DELAY, "read", path)?;
                bytes = self.fetch_small(path, max_bytes)?;
            }
        }
        let mut memory = lock(&self.memory);
        // Two threads may have asked; what the first of them got stays.
        if let Some(known) = memory.small.get(path) {
            return Ok(known.clone());
        }
        let len_bytes = bytes.as_ref().map_or(0, |bytes| bytes.len()) + path.as_str().len();
        if memory.small_bytes + len_bytes <= SMALL_KEPT_BYTES {
            memory.small_bytes += len_bytes;
            memory.small.insert(path.clone(), bytes.clone());
        }
        Ok(bytes)
    }

    /// Fetches a small file; a longer one is cut behind the first byte too many.
    fn fetch_small(&self, path: &StorePath, max_bytes: u64) -> Result<Option<Arc<[u8]>>, DiskError> {
        match self.fetch(path, 0, max_bytes + 1) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) if error.kind == DiskErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Fetches a stretch of a file, or what there is of it.
    fn fetch(&self, path: &StorePath, offset: u64, max_bytes: u64) -> Result<Vec<u8>, DiskError> {
        let most = usize::try_from(max_bytes).unwrap_or(usize::MAX);
        self.call("read", path, &mut |session| {
            let mut bytes = Vec::new();
            session.fetch(path, offset, max_bytes, &mut |piece| {
                let room = most - bytes.len();
                bytes.extend_from_slice(piece.get(..room).unwrap_or(piece));
                if bytes.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
            Ok(bytes)
        })
    }

    /// Returns the length of a pack, or nothing where none stands.
    fn length(&self, path: &StorePath) -> Result<Option<u64>, DiskError> {
        if let Some(known) = lock(&self.memory).lengths.get(path) {
            return Ok(Some(*known));
        }
        let length = match self.call("look at", path, &mut |session| session.length(path)) {
            Err(error) if error.kind == DiskErrorKind::NotFound => None,
            length => length?,
        };
        if let Some(length) = length {
            let mut memory = lock(&self.memory);
            if memory.lengths.len() >= LENGTHS_KEPT {
                memory.lengths.clear();
            }
            memory.lengths.insert(path.clone(), length);
        }
        Ok(length)
    }
}

fn offline_error(act: &'static str, path: &StorePath, reason: &str) -> DiskError {
    DiskError::of(DiskErrorKind::Offline, act, path, reason)
}

fn missing(act: &'static str, path: &StorePath, address: &str) -> DiskError {
    let why = format!("{address} does not have it; a publisher may have taken it away since: open the store again");
    DiskError::of(DiskErrorKind::NotFound, act, path, &why)
}

/// A small file, in memory.
struct Small(Arc<[u8]>);

impl ReadAt for Small {
    fn len_bytes(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, DiskError> {
        let from = usize::try_from(offset).ok().and_then(|offset| self.0.get(offset..)).unwrap_or_default();
        let count = from.len().min(buffer.len());
        buffer[..count].copy_from_slice(&from[..count]);
        Ok(count)
    }
}

/// A pack that is read in pieces; one piece at a time is fetched, and who waits for it finds it here.
struct Pack {
    far: Arc<Far>,
    path: StorePath,
    len_bytes: u64,
    pieces: Mutex<Pieces>,
}

#[derive(Default)]
struct Pieces {
    /// Where each begins, the one fetched last in front.
    kept: VecDeque<(u64, Vec<u8>)>,
    asked_bytes: u64,
}

impl Pieces {
    /// Copies what a kept piece has from an offset on.
    fn copy(&self, offset: u64, buffer: &mut [u8]) -> Option<usize> {
        self.kept.iter().find_map(|(begin, piece)| {
            let from = usize::try_from(offset.checked_sub(*begin)?).ok()?;
            let from = piece.get(from..).filter(|from| !from.is_empty())?;
            let count = from.len().min(buffer.len());
            buffer[..count].copy_from_slice(&from[..count]);
            Some(count)
        })
    }
}

impl Pack {
    /// Fetches the piece in which at least `wanted` bytes from an offset on are, as far as the pack goes. It is rounded out, so that who
    /// sees what is asked for does not see where a frame begins and how long it is.
    fn fetch(&self, pieces: &mut Pieces, offset: u64, wanted: u64) -> Result<(), DiskError> {
        let begin = offset - offset % RANGE_ALIGN_BYTES;
        let joined = pieces.asked_bytes.clamp(PIECE_MIN_BYTES, PIECE_MAX_BYTES).max(offset - begin + wanted);
        let most = joined.next_multiple_of(RANGE_ALIGN_BYTES).min(self.len_bytes - begin).min(PACK_MAX_BYTES);
        let piece = self.far.fetch(&self.path, begin, most)?;
        // What a server sends less than it says is no fault of the line: it would do so again.
        if (piece.len() as u64) < most {
            let why = format!("{} sends less of it than it says", self.far.remote.address());
            return Err(DiskError::of(DiskErrorKind::Io, "read", &self.path, &why));
        }
        // A long frame is read once; what is kept is for its neighbours.
        let kept = if most > PIECE_MAX_BYTES { 1 } else { PIECES_KEPT };
        pieces.kept.truncate(kept - 1);
        pieces.kept.push_front((begin, piece));
        Ok(())
    }
}

impl ReadAt for Pack {
    fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, DiskError> {
        let left = self.len_bytes.saturating_sub(offset);
        let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let mut pieces = lock(&self.pieces);
        pieces.asked_bytes = pieces.asked_bytes.saturating_add(wanted as u64);
        let mut filled = 0;
        while filled < wanted {
            let at = offset + filled as u64;
            match pieces.copy(at, &mut buffer[filled..wanted]) {
                Some(count) => filled += count,
                None => self.fetch(&mut pieces, at, (wanted - filled) as u64)?,
            }
        }
        Ok(filled)
    }
}

impl Disk for FarDisk {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            atomic_replace: false,
            sync_dir: false,
            case_sensitive: true,
            append_after_cut: false,
            max_file_bytes: u64::MAX,
            read_only: true,
        }
    }

    fn metadata(&self, path: &StorePath) -> Result<Option<Metadata>, DiskError> {
        let len_bytes = match asked(path) {
            Asked::Small(max_bytes) => self.far.small(path, max_bytes)?.map(|bytes| bytes.len() as u64),
            Asked::Pack => self.far.length(path)?,
            Asked::Nothing => None,
        };
        Ok(len_bytes.map(|len_bytes| Metadata { kind: DiskFileKind::File, len_bytes }))
    }

    /// Lists nothing, whatever the remote could.
    fn list(&self, _: &StorePath) -> Result<Vec<(String, Metadata)>, DiskError> {
        Ok(Vec::new())
    }

    fn open(&self, path: &StorePath) -> Result<Box<dyn ReadAt>, DiskError> {
        let missing = || missing("open", path, &self.address());
        match asked(path) {
            Asked::Small(max_bytes) => {
                let bytes = self.far.small(path, max_bytes)?.ok_or_else(missing)?;
                Ok(Box::new(Small(bytes)))
            }
            Asked::Pack => {
                let len_bytes = self.far.length(path)?.ok_or_else(missing)?;
                let (far, path) = (Arc::clone(&self.far), path.clone());
                Ok(Box::new(Pack { far, path, len_bytes, pieces: Mutex::default() }))
            }
            Asked::Nothing => Err(missing()),
        }
    }

    fn create_new(&self, path: &StorePath) -> Result<Box<dyn WriteFile>, DiskError> {
        Err(self.refused("create", path))
    }

    fn append_after(&self, path: &StorePath, _: u64) -> Result<Box<dyn WriteFile>, DiskError> {
        Err(self.refused("write", path))
    }

    fn rename(&self, from: &StorePath, _: &StorePath) -> Result<(), DiskError> {
        Err(self.refused("rename", from))
    }

    fn remove(&self, path: &StorePath) -> Result<(), DiskError> {
        Err(self.refused("remove", path))
    }

    fn create_dir(&self, path: &StorePath) -> Result<(), DiskError> {
        Err(self.refused("create directory", path))
    }

    fn sync_dir(&self, dir: &StorePath) -> Result<(), DiskError> {
        Err(self.refused("sync", dir))
    }

    /// Refuses: a remote cannot be locked.
    fn lock(&self, path: &StorePath, _: LockKind) -> Result<Option<Box<dyn Lock>>, DiskError> {
        Err(self.refused("lock", path))
    }

    fn free_bytes(&self) -> Result<u64, DiskError> {
        Ok(0)
    }

    fn is_far(&self) -> bool {
        true
    }

    fn has_withheld(&self) -> bool {
        lock(&self.far.wrong).withheld
    }
}

impl FarDisk {
    fn refused(&self, act: &'static str, path: &StorePath) -> DiskError {
        let why = format!("{} is only read from here", self.address());
        DiskError::of(DiskErrorKind::ReadOnly, act, path, &why)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
