//! [`MemRemote`]: a remote in memory that does what a script tells it, so that every failure of a wire can be
//! replayed exactly.
//!
//! Clones share one state. There is no clock and no randomness: a stall is an error at once. It is as strict as the
//! contract allows: a session that failed stays dead, and nothing can be sent into a directory that was not created.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Fetched, Remote, RemoteError, RemoteErrorKind, Session};
use crate::base::StorePath;

/// Longest piece given to a sink.
const PIECE_BYTES: usize = 64 * 1024;

/// Something that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Opening a session fails with this kind.
    Connect(RemoteErrorKind),
    /// A fetch breaks off with `Unreachable` after so many bytes.
    Reset {
        /// Bytes that still reach the sink.
        after_bytes: u64,
    },
    /// A fetch ends after so many bytes as if the file ended there.
    Truncate {
        /// Bytes that reach the sink.
        after_bytes: u64,
    },
    /// A fetch stalls after so many bytes: `Unreachable`, as a real session reports it when its wait is over.
    Stall {
        /// Bytes that still reach the sink.
        after_bytes: u64,
    },
    /// A fetch delivers the byte at this offset of the file with its lowest bit flipped.
    FlipBit {
        /// Offset in the file.
        offset: u64,
    },
    /// A fetch delivers another file's bytes.
    ServeInstead(StorePath),
    /// A fetch never ends: zeros follow the file's bytes.
    Endless,
    /// A fetch or a question for the length says that no such file stands there.
    NotFound,
    /// A fetch is answered by something that makes no sense: `Protocol`.
    Nonsense,
    /// A fetch is answered with word that the file cannot be had now.
    Unavailable,
    /// An upload breaks off with `Unreachable`; the remote keeps so many bytes of it.
    SendReset {
        /// Bytes of the upload that are kept.
        after_bytes: u64,
    },
    /// An upload meets the end of the remote's room after so many bytes, which are kept.
    NoSpace {
        /// Bytes of the upload that are kept.
        after_bytes: u64,
    },
    /// Uploads cannot be resumed.
    NoResume,
    /// A file cannot be put in the place of another; the old one stays.
    RefuseRename,
    /// A file cannot be removed.
    RefuseRemove,
    /// A file is put in the place of another, but the answer is lost.
    LoseReplaceReply,
}

/// A fault, where it strikes, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    fault: Fault,
    path: Option<StorePath>,
    times: u32,
}

impl Rule {
    /// Strikes the next call that it fits.
    #[must_use]
    pub fn once(fault: Fault) -> Self {
        Self::times(fault, 1)
    }

    /// Strikes the next `times` calls that it fits.
    #[must_use]
    pub fn times(fault: Fault, times: u32) -> Self {
        Self { fault, path: None, times }
    }

    /// Strikes every call that it fits.
    #[must_use]
    pub fn always(fault: Fault) -> Self {
        Self::times(fault, u32::MAX)
    }

    /// Strikes only at this file.
    #[must_use]
    pub fn at(mut self, path: &StorePath) -> Self {
        self.path = Some(path.clone());
        self
    }
}

/// What a remote was asked for so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Sessions asked for, refused ones included.
    pub connects: u64,
    /// Fetches begun.
    pub fetches: u64,
    /// Bytes given to sinks.
    pub fetched_bytes: u64,
    /// Uploads and replacements begun.
    pub sends: u64,
    /// Bytes taken from sources.
    pub sent_bytes: u64,
}

#[derive(Default)]
struct State {
    files: BTreeMap<StorePath, Arc<Vec<u8>>>,
    dirs: BTreeSet<StorePath>,
    rules: Vec<Rule>,
    counts: Counts,
    asked: Vec<(StorePath, u64, u64)>,
    free_bytes: Option<u64>,
    open_sessions: usize,
}

impl State {
    /// Takes one strike of the first rule that fits the path and whose fault `pick` accepts.
    fn strike<T>(&mut self, path: Option<&StorePath>, pick: impl Fn(&Fault) -> Option<T>) -> Option<T> {
        let fits = |rule: &Rule| rule.times > 0 && (rule.path.is_none() || rule.path.as_ref() == path);
        let (rule, picked) =
            self.rules.iter_mut().filter(|rule| fits(rule)).find_map(|rule| pick(&rule.fault).map(|it| (rule, it)))?;
        if rule.times != u32::MAX {
            rule.times -= 1;
        }
        Some(picked)
    }

    /// Puts a file, within the remote's room; the bytes that it replaces give their room back.
    fn put(&mut self, path: &StorePath, bytes: Vec<u8>) -> Result<(), RemoteErrorKind> {
        if !path.parent().as_str().is_empty() && !self.dirs.contains(&path.parent()) {
            return Err(RemoteErrorKind::Refused);
        }
        if let Some(free) = &mut self.free_bytes {
            let room = *free + self.files.get(path).map_or(0, |old| old.len() as u64);
            *free = room.checked_sub(bytes.len() as u64).ok_or(RemoteErrorKind::NoSpace)?;
        }
        self.files.insert(path.clone(), Arc::new(bytes));
        Ok(())
    }
}

/// A remote in memory. Clones share one state.
#[derive(Clone, Default)]
pub struct MemRemote {
    state: Arc<Mutex<State>>,
}

impl MemRemote {
    /// Makes an empty remote without faults and without an end of its room.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a rule; older rules strike first.
    pub fn script(&self, rule: Rule) {
        self.lock().rules.push(rule);
    }

    /// Drops all rules.
    pub fn heal(&self) {
        self.lock().rules.clear();
    }

    /// Returns what was asked for so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// Returns of each fetch so far the file, the first byte, and how many bytes were asked for at most.
    #[must_use]
    pub fn asked(&self) -> Vec<(StorePath, u64, u64)> {
        self.lock().asked.clone()
    }

    /// Forgets what was asked for so far.
    pub fn reset_counts(&self) {
        let mut state = self.lock();
        (state.counts, state.asked) = (Counts::default(), Vec::new());
    }

    /// Sets the bytes that still fit.
    pub fn set_free_bytes(&self, free_bytes: Option<u64>) {
        self.lock().free_bytes = free_bytes;
    }

    /// Returns a file as it stands.
    #[must_use]
    pub fn file(&self, path: &StorePath) -> Option<Vec<u8>> {
        self.lock().files.get(path).map(|bytes| bytes.to_vec())
    }

    /// Puts a file as an operator would, past all rules; its directories are created.
    pub fn plant(&self, path: &StorePath, bytes: &[u8]) {
        let mut state = self.lock();
        let mut dir = path.parent();
        while !dir.as_str().is_empty() {
            state.dirs.insert(dir.clone());
            dir = dir.parent();
        }
        state.files.insert(path.clone(), Arc::new(bytes.to_vec()));
    }

    /// Removes a file as an operator would, past all rules.
    pub fn uproot(&self, path: &StorePath) {
        self.lock().files.remove(path);
    }

    /// Returns all paths of files, sorted.
    #[must_use]
    pub fn paths(&self) -> Vec<StorePath> {
        self.lock().files.keys().cloned().collect()
    }

    /// Returns an independent copy of files and directories, without rules and counts: the remote at this moment.
    #[must_use]
    pub fn fork(&self) -> Self {
        let state = self.lock();
        let copy = State { files: state.files.clone(), dirs: state.dirs.clone(), ..State::default() };
        Self { state: Arc::new(Mutex::new(copy)) }
    }

    /// Returns how many sessions are open now.
    #[must_use]
    pub fn open_sessions(&self) -> usize {
        self.lock().open_sessions
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Remote for MemRemote {
    fn address(&self) -> String {
        "mem:".to_owned()
    }

    fn connect(&self) -> Result<Box<dyn Session>, RemoteError> {
        let mut state = self.lock();
        state.counts.connects += 1;
        let refused = state.strike(None, |fault| match fault {
            Fault::Connect(kind) => Some(*kind),
            _ => None,
        });
        match refused {
            Some(kind) => Err(RemoteError::new(kind, "connect to", "mem:", "scripted")),
            None => {
                state.open_sessions += 1;
                Ok(Box::new(MemSession { remote: self.clone(), dead: false }))
            }
        }
    }

    fn session_limit(&self) -> usize {
        2
    }

    fn wire_bytes(&self) -> u64 {
        let counts = self.counts();
        counts.fetched_bytes + counts.sent_bytes
    }
}

/// How a scripted fetch goes.
#[derive(Default)]
struct Course {
    end_at: Option<u64>,
    then_error: Option<&'static str>,
    flip_at: Option<u64>,
    endless: bool,
    /// Refused so, with what it says.
    refused: Option<(RemoteErrorKind, &'static str)>,
}

struct MemSession {
    remote: MemRemote,
    dead: bool,
}

impl Drop for MemSession {
    fn drop(&mut self) {
        self.remote.lock().open_sessions -= 1;
    }
}

impl MemSession {
    fn fail<T>(
        &mut self,
        kind: RemoteErrorKind,
        act: &'static str,
        path: &StorePath,
        why: &str,
    ) -> Result<T, RemoteError> {
        self.dead |= !kind.leaves_session();
        Err(RemoteError::new(kind, act, path, why))
    }

    fn alive(&self, act: &'static str, path: &StorePath) -> Result<(), RemoteError> {
        if self.dead {
            return Err(RemoteError::new(RemoteErrorKind::Unreachable, act, path, "session is dead"));
        }
        Ok(())
    }

    /// Finds the bytes and the course of a fetch.
    fn plan_fetch(&self, path: &StorePath) -> (Option<Arc<Vec<u8>>>, Course) {
        let mut state = self.remote.lock();
        state.counts.fetches += 1;
        let mut file = state.files.get(path).cloned();
        let mut course = Course::default();
        let fault = state.strike(Some(path), |fault| match fault {
            Fault::Connect(_) | Fault::SendReset { .. } | Fault::NoSpace { .. } => None,
            Fault::NoResume | Fault::RefuseRename | Fault::RefuseRemove | Fault::LoseReplaceReply => None,
            other => Some(other.clone()),
        });
        match fault {
            Some(Fault::Nonsense) => course.refused = Some((RemoteErrorKind::Protocol, "the answer makes no sense")),
            Some(Fault::Unavailable) => {
                course.refused = Some((RemoteErrorKind::Unavailable, "it cannot be had now"));
            }
            Some(Fault::Reset { after_bytes }) => {
                (course.end_at, course.then_error) = (Some(after_bytes), Some("reset"));
            }
            Some(Fault::Stall { after_bytes }) => {
                (course.end_at, course.then_error) = (Some(after_bytes), Some("no data in time"));
            }
            Some(Fault::Truncate { after_bytes }) => course.end_at = Some(after_bytes),
            Some(Fault::FlipBit { offset }) => course.flip_at = Some(offset),
            Some(Fault::ServeInstead(other)) => file = state.files.get(&other).cloned(),
            Some(Fault::Endless) => course.endless = true,
            Some(Fault::NotFound) => file = None,
            _ => {}
        }
        (file, course)
    }

    /// Reads a source to its end or to the point where the script breaks the upload off.
    fn take(&mut self, path: &StorePath, source: &mut dyn Read) -> Result<Taken, RemoteError> {
        let broken = self.remote.lock().strike(Some(path), |fault| match fault {
            Fault::SendReset { after_bytes } => Some((*after_bytes, RemoteErrorKind::Unreachable)),
            Fault::NoSpace { after_bytes } => Some((*after_bytes, RemoteErrorKind::NoSpace)),
            _ => None,
        });
        let (keep_bytes, broken) = broken.map_or((u64::MAX, None), |(keep, kind)| (keep, Some(kind)));
        let mut bytes = Vec::new();
        let read = source.take(keep_bytes).read_to_end(&mut bytes);
        let local = read.err().map(|error| error.to_string());
        self.remote.lock().counts.sent_bytes += bytes.len() as u64;
        Ok(Taken { bytes, broken, local })
    }

    /// Keeps what an upload brought after `start`, and reports how it went.
    fn keep(
        &mut self,
        act: &'static str,
        path: &StorePath,
        mut start: Vec<u8>,
        taken: Taken,
    ) -> Result<(), RemoteError> {
        start.extend_from_slice(&taken.bytes);
        let put = self.remote.lock().put(path, start);
        if let Err(kind) = put {
            return self.fail(kind, act, path, "refused");
        }
        if let Some(why) = taken.local {
            return self.fail(RemoteErrorKind::Local, act, path, &why);
        }
        match taken.broken {
            Some(kind) => self.fail(kind, act, path, "scripted"),
            None => Ok(()),
        }
    }
}

/// What an upload brought, and how it broke off.
struct Taken {
    bytes: Vec<u8>,
    broken: Option<RemoteErrorKind>,
    local: Option<String>,
}

impl Session for MemSession {
    fn list(&mut self, dir: &StorePath) -> Result<Vec<String>, RemoteError> {
        self.alive("list", dir)?;
        let kind = self.remote.lock().strike(Some(dir), |fault| match fault {
            Fault::NotFound => Some(None),
            Fault::Reset { .. } => Some(Some(RemoteErrorKind::Unreachable)),
            _ => None,
        });
        match kind {
            Some(Some(kind)) => return self.fail(kind, "list", dir, "scripted"),
            Some(None) => return Ok(Vec::new()),
            None => {}
        }
        let state = self.remote.lock();
        let name_of = |path: &StorePath| {
            let (above, name) = path.as_str().rsplit_once('/').unwrap_or(("", path.as_str()));
            (above == dir.as_str()).then(|| name.to_owned())
        };
        Ok(state.files.keys().filter_map(name_of).collect())
    }

    fn length(&mut self, path: &StorePath) -> Result<Option<u64>, RemoteError> {
        self.alive("ask for", path)?;
        let mut state = self.remote.lock();
        if state.strike(Some(path), |fault| (*fault == Fault::NotFound).then_some(())).is_some() {
            return Ok(None);
        }
        Ok(state.files.get(path).map(|bytes| bytes.len() as u64))
    }

    fn fetch(
        &mut self,
        path: &StorePath,
        offset: u64,
        max_bytes: u64,
        sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<Fetched, RemoteError> {
        self.alive("fetch", path)?;
        self.remote.lock().asked.push((path.clone(), offset, max_bytes));
        let (file, course) = self.plan_fetch(path);
        let Some(file) = file else {
            return self.fail(RemoteErrorKind::NotFound, "fetch", path, "no such file");
        };
        if let Some((kind, why)) = course.refused {
            return self.fail(kind, "fetch", path, why);
        }
        let mut bytes = file.get(usize::try_from(offset).unwrap_or(usize::MAX)..).unwrap_or_default().to_vec();
        let flip_at = course.flip_at.and_then(|at| at.checked_sub(offset)).and_then(|at| usize::try_from(at).ok());
        if let Some(byte) = flip_at.and_then(|at| bytes.get_mut(at)) {
            *byte ^= 1;
        }
        let end_bytes = if course.endless { u64::MAX } else { bytes.len() as u64 };
        let end_bytes = course.end_at.map_or(end_bytes, |at| at.min(end_bytes));
        let zeros = [0; PIECE_BYTES];
        let mut given = 0;
        while given < end_bytes.min(max_bytes) {
            let rest = usize::try_from(given).ok().and_then(|at| bytes.get(at..)).filter(|rest| !rest.is_empty());
            let piece = rest.unwrap_or(&zeros);
            let most = (PIECE_BYTES as u64).min(end_bytes.min(max_bytes) - given);
            let piece = &piece[..piece.len().min(usize::try_from(most).unwrap_or(PIECE_BYTES))];
            given += piece.len() as u64;
            self.remote.lock().counts.fetched_bytes += piece.len() as u64;
            if sink(piece).is_break() {
                return Ok(Fetched { len_bytes: given, at_end: false });
            }
        }
        match course.then_error {
            Some(why) if given < max_bytes => self.fail(RemoteErrorKind::Unreachable, "fetch", path, why),
            _ => Ok(Fetched { len_bytes: given, at_end: given == end_bytes && course.then_error.is_none() }),
        }
    }

    fn send(&mut self, path: &StorePath, source: &mut dyn Read) -> Result<(), RemoteError> {
        self.alive("send", path)?;
        self.remote.lock().counts.sends += 1;
        let taken = self.take(path, source)?;
        self.keep("send", path, Vec::new(), taken)
    }

    fn send_from(&mut self, path: &StorePath, offset: u64, source: &mut dyn Read) -> Result<(), RemoteError> {
        self.alive("resume sending", path)?;
        let mut state = self.remote.lock();
        state.counts.sends += 1;
        let refused = state.strike(Some(path), |fault| (*fault == Fault::NoResume).then_some(())).is_some();
        let start = state.files.get(path).filter(|held| held.len() as u64 == offset).map(|held| held.to_vec());
        drop(state);
        let (false, Some(start)) = (refused, start) else {
            return self.fail(RemoteErrorKind::Unsupported, "resume sending", path, "cannot go on from there");
        };
        let taken = self.take(path, source)?;
        self.keep("resume sending", path, start, taken)
    }

    fn replace(&mut self, path: &StorePath, bytes: &[u8]) -> Result<(), RemoteError> {
        self.alive("replace", path)?;
        let mut state = self.remote.lock();
        state.counts.sends += 1;
        state.counts.sent_bytes += bytes.len() as u64;
        let fault = state.strike(Some(path), |fault| match fault {
            Fault::RefuseRename => Some(RemoteErrorKind::Unsupported),
            Fault::SendReset { .. } => Some(RemoteErrorKind::Unreachable),
            Fault::NoSpace { .. } => Some(RemoteErrorKind::NoSpace),
            _ => None,
        });
        if let Some(kind) = fault {
            drop(state);
            return self.fail(kind, "replace", path, "scripted");
        }
        let put = state.put(path, bytes.to_vec());
        let lost = state.strike(Some(path), |fault| (*fault == Fault::LoseReplaceReply).then_some(())).is_some();
        drop(state);
        match put {
            Err(kind) => self.fail(kind, "replace", path, "refused"),
            Ok(()) if lost => self.fail(RemoteErrorKind::Unreachable, "replace", path, "scripted"),
            Ok(()) => Ok(()),
        }
    }

    fn create_dir(&mut self, path: &StorePath) -> Result<(), RemoteError> {
        self.alive("create", path)?;
        let mut state = self.remote.lock();
        let parent = path.parent();
        let fits = parent.as_str().is_empty() || state.dirs.contains(&parent);
        if fits && !state.files.contains_key(path) {
            state.dirs.insert(path.clone());
            return Ok(());
        }
        drop(state);
        self.fail(RemoteErrorKind::Refused, "create", path, "no place for a directory")
    }

    fn remove(&mut self, path: &StorePath) -> Result<(), RemoteError> {
        self.alive("remove", path)?;
        let mut state = self.remote.lock();
        if state.strike(Some(path), |fault| (*fault == Fault::RefuseRemove).then_some(())).is_some() {
            drop(state);
            return self.fail(RemoteErrorKind::Refused, "remove", path, "scripted");
        }
        let freed = state.files.remove(path).map_or(0, |bytes| bytes.len() as u64);
        if let Some(free) = &mut state.free_bytes {
            *free += freed;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
