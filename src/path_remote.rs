//! [`PathRemote`]: a store on a disk used as a remote: another key, a network mount, a folder.
//!
//! It keeps every durability step of the disk's contract, so that what was sent survives a cut on that side too.

use std::io::{Cursor, Read};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::StorePath;
use crate::disk::{Disk, DiskError, DiskErrorKind, ReadAt, WriteFile};
use crate::remote::rate::Throttle;
use crate::remote::{Fetched, Remote, RemoteError, RemoteErrorKind, Session};

/// Longest piece of a transfer.
const PIECE_BYTES: usize = 256 * 1024;
/// Longest part of a name that a temporary file beside it takes over: what the grammar leaves before `.new`.
const FRESH_NAME_MAX_BYTES: usize = 28;

/// A disk as a remote.
pub struct PathRemote {
    shared: Arc<Shared>,
}

struct Shared {
    disk: Arc<dyn Disk>,
    address: String,
    throttle: Option<Arc<dyn Throttle>>,
    moved_bytes: AtomicU64,
}

impl Shared {
    /// Counts content that was read or written, and waits as long as the limit asks for.
    fn moved(&self, len_bytes: usize) {
        self.moved_bytes.fetch_add(len_bytes as u64, Ordering::Relaxed);
        if let Some(throttle) = &self.throttle {
            throttle.passed(len_bytes);
        }
    }
}

impl PathRemote {
    /// Wraps a disk; `address` is the path as shown and recorded.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>, address: String) -> Self {
        Self::throttled(disk, address, None)
    }

    /// As [`PathRemote::new`], slowed down by `throttle`: the path may be a network mount, or a disk that others need, too.
    #[must_use]
    pub fn throttled(disk: Arc<dyn Disk>, address: String, throttle: Option<Arc<dyn Throttle>>) -> Self {
        Self { shared: Arc::new(Shared { disk, address, throttle, moved_bytes: AtomicU64::new(0) }) }
    }
}

impl Remote for PathRemote {
    fn address(&self) -> String {
        self.shared.address.clone()
    }

    /// Looks at the store's own directory, so that a path that is not there is told at once.
    fn connect(&self) -> Result<Box<dyn Session>, RemoteError> {
        match self.shared.disk.list(&StorePath::root()) {
            Ok(_) => Ok(Box::new(PathSession { shared: Arc::clone(&self.shared), buffer: vec![0; PIECE_BYTES] })),
            Err(error) => {
                let error = refused("connect to", &self.shared.address, &error);
                let missing = error.kind == RemoteErrorKind::NotFound;
                Err(if missing { RemoteError { kind: RemoteErrorKind::Unreachable, ..error } } else { error })
            }
        }
    }

    fn session_limit(&self) -> usize {
        2
    }

    fn wire_bytes(&self) -> u64 {
        self.shared.moved_bytes.load(Ordering::Relaxed)
    }
}

struct PathSession {
    shared: Arc<Shared>,
    buffer: Vec<u8>,
}

/// Says what an error of a disk means to the user of a remote.
fn refused(act: &'static str, subject: &dyn std::fmt::Display, error: &DiskError) -> RemoteError {
    use DiskErrorKind as D;
    use RemoteErrorKind as R;
    let kind = match error.kind {
        D::NotFound => R::NotFound,
        D::NoSpace => R::NoSpace,
        D::Gone | D::Offline | D::Interrupted => R::Unreachable,
        D::Io | D::Withheld => R::Unavailable,
        D::ReadOnly | D::Denied | D::BadName | D::WrongType | D::Exists => R::Refused,
    };
    RemoteError::new(kind, act, subject, &error.source)
}

/// As [`refused`], for writing: a directory that is missing is no missing file.
fn unwritten(act: &'static str, path: &StorePath, error: &DiskError) -> RemoteError {
    let error = refused(act, path, error);
    let missing = error.kind == RemoteErrorKind::NotFound;
    if missing { RemoteError { kind: RemoteErrorKind::Refused, ..error } } else { error }
}

/// Most bytes of a leftover that are held in memory while it is written anew: more than any pack that this version makes.
const KEPT_MAX_BYTES: u64 = 64 << 20;

/// Reads the first bytes of a leftover. They were read and counted a moment ago, so they pass no limit again.
fn read_kept(path: &StorePath, there: &dyn ReadAt, len_bytes: u64) -> Result<Vec<u8>, RemoteError> {
    if len_bytes > KEPT_MAX_BYTES {
        let why = "what an earlier run left there is too long to be written anew: remove it";
        return Err(RemoteError::new(RemoteErrorKind::Unsupported, "resume sending", path, why));
    }
    let mut kept = vec![0; usize::try_from(len_bytes).unwrap_or(0)];
    let mut filled = 0;
    while filled < kept.len() {
        let room = kept.get_mut(filled..).unwrap_or_default();
        match there.read_at(filled as u64, room).map_err(|error| unwritten("send", path, &error))? {
            0 => {
                return Err(RemoteError::new(RemoteErrorKind::Local, "send", path, "the file there shrank meanwhile"));
            }
            count => filled += count,
        }
    }
    Ok(kept)
}

impl PathSession {
    /// Appends a source to an open file, and makes the file and its name durable.
    fn pour(
        &mut self,
        act: &'static str,
        path: &StorePath,
        mut file: Box<dyn WriteFile>,
        source: &mut dyn Read,
    ) -> Result<(), RemoteError> {
        let failed = |error: DiskError| unwritten(act, path, &error);
        loop {
            let count = match source.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(count) => count.min(self.buffer.len()),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(RemoteError::new(RemoteErrorKind::Local, act, path, error)),
            };
            file.append(self.buffer.get(..count).unwrap_or_default()).map_err(failed)?;
            self.shared.moved(count);
        }
        file.sync().map_err(failed)?;
        drop(file);
        self.shared.disk.sync_dir(&path.parent()).map_err(failed)
    }

    /// Reads a source as long as it gives what a file holds; returns how much that was, and what was read beyond it.
    fn skip_same(
        &mut self,
        path: &StorePath,
        there: &dyn ReadAt,
        source: &mut dyn Read,
    ) -> Result<(u64, Cursor<Vec<u8>>), RemoteError> {
        let (mut same_bytes, mut held) = (0, vec![0; self.buffer.len()]);
        loop {
            let count = match source.read(&mut self.buffer) {
                Ok(count) => count.min(self.buffer.len()),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(RemoteError::new(RemoteErrorKind::Local, "send", path, error)),
            };
            let given = self.buffer.get(..count).unwrap_or_default();
            // What cannot be read is not the same; a medium that is gone shows when the file is written.
            let there = there.read_at(same_bytes, held.get_mut(..count).unwrap_or_default()).unwrap_or(0);
            self.shared.moved(there);
            let same = given.iter().zip(held.iter().take(there)).take_while(|(one, other)| one == other).count();
            same_bytes += same as u64;
            if count == 0 || same < count {
                return Ok((same_bytes, Cursor::new(given.get(same..).unwrap_or_default().to_vec())));
            }
        }
    }

    /// Writes a whole file under a name where at most a leftover stands.
    fn write_fresh(&mut self, act: &'static str, path: &StorePath, source: &mut dyn Read) -> Result<(), RemoteError> {
        let failed = |error: DiskError| unwritten(act, path, &error);
        let disk = Arc::clone(&self.shared.disk);
        disk.remove(path).map_err(failed)?;
        let file = disk.create_new(path).map_err(failed)?;
        self.pour(act, path, file, source)
    }
}

impl Session for PathSession {
    fn list(&mut self, dir: &StorePath) -> Result<Vec<String>, RemoteError> {
        match self.shared.disk.list(dir) {
            Ok(found) => Ok(found.into_iter().map(|(name, _)| name).collect()),
            Err(error) if error.kind == DiskErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(refused("list", dir, &error)),
        }
    }

    fn length(&mut self, path: &StorePath) -> Result<Option<u64>, RemoteError> {
        let metadata = self.shared.disk.metadata(path).map_err(|error| refused("look at", path, &error))?;
        let is_file = |kind| kind == crate::disk::DiskFileKind::File;
        Ok(metadata.filter(|metadata| is_file(metadata.kind)).map(|metadata| metadata.len_bytes))
    }

    fn fetch(
        &mut self,
        path: &StorePath,
        offset: u64,
        max_bytes: u64,
        sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<Fetched, RemoteError> {
        let failed = |error: DiskError| refused("fetch", path, &error);
        let file = self.shared.disk.open(path).map_err(failed)?;
        let mut given = 0;
        while given < max_bytes {
            let most = usize::try_from(max_bytes - given).unwrap_or(usize::MAX).min(self.buffer.len());
            let room = self.buffer.get_mut(..most).unwrap_or_default();
            let count = file.read_at(offset.saturating_add(given), room).map_err(failed)?;
            if count == 0 {
                return Ok(Fetched { len_bytes: given, at_end: true });
            }
            given += count as u64;
            self.shared.moved(count);
            if sink(room.get(..count).unwrap_or_default()).is_break() {
                return Ok(Fetched { len_bytes: given, at_end: false });
            }
        }
        let more = file.read_at(offset.saturating_add(given), &mut [0]).map_err(failed)?;
        Ok(Fetched { len_bytes: given, at_end: more == 0 })
    }

    /// Keeps what stands as far as it is the same, so that a file which a committed state names is never taken away.
    fn send(&mut self, path: &StorePath, source: &mut dyn Read) -> Result<(), RemoteError> {
        let Ok(there) = self.shared.disk.open(path) else { return self.write_fresh("send", path, source) };
        let (keep_bytes, rest) = self.skip_same(path, there.as_ref(), source)?;
        let is_same = keep_bytes == there.len_bytes() && rest.get_ref().is_empty();
        if !is_same && !self.shared.disk.capabilities().append_after_cut {
            let kept = read_kept(path, there.as_ref(), keep_bytes)?;
            drop(there);
            return self.write_fresh("send", path, &mut kept.as_slice().chain(rest).chain(source));
        }
        drop(there);
        let opened = self.shared.disk.append_after(path, keep_bytes);
        let file = opened.map_err(|error| unwritten("send", path, &error))?;
        self.pour("send", path, file, &mut rest.chain(source))
    }

    fn send_from(&mut self, path: &StorePath, offset: u64, source: &mut dyn Read) -> Result<(), RemoteError> {
        if self.length(path)? != Some(offset) || !self.shared.disk.capabilities().append_after_cut {
            let why = "disk does not hold exactly what came before, or may not be appended to";
            return Err(RemoteError::new(RemoteErrorKind::Unsupported, "resume sending", path, why));
        }
        let opened = self.shared.disk.append_after(path, offset);
        let file = opened.map_err(|error| unwritten("resume sending", path, &error))?;
        self.pour("resume sending", path, file, source)
    }

    fn replace(&mut self, path: &StorePath, bytes: &[u8]) -> Result<(), RemoteError> {
        let failed = |error: DiskError| unwritten("replace", path, &error);
        // The longest names are ids, and two that begin alike so far are no two.
        let name: String = path.file_name().chars().take(FRESH_NAME_MAX_BYTES).collect();
        let parent = path.parent();
        let above = if parent.as_str().is_empty() { String::new() } else { format!("{}/", parent.as_str()) };
        let fresh = StorePath::new(&format!("{above}{name}.new"))
            .map_err(|error| RemoteError::new(RemoteErrorKind::Refused, "replace", path, error))?;
        self.write_fresh("replace", &fresh, &mut &bytes[..])?;
        self.shared.disk.rename(&fresh, path).map_err(failed)?;
        self.shared.disk.sync_dir(&path.parent()).map_err(failed)
    }

    fn create_dir(&mut self, path: &StorePath) -> Result<(), RemoteError> {
        let failed = |error: DiskError| unwritten("create", path, &error);
        self.shared.disk.create_dir(path).map_err(failed)?;
        self.shared.disk.sync_dir(&path.parent()).map_err(failed)
    }

    fn remove(&mut self, path: &StorePath) -> Result<(), RemoteError> {
        let failed = |error: DiskError| unwritten("remove", path, &error);
        match self.shared.disk.remove(path).and_then(|()| self.shared.disk.sync_dir(&path.parent())) {
            Err(error) if error.kind == DiskErrorKind::NotFound => Ok(()),
            other => other.map_err(failed),
        }
    }
}
