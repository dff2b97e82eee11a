//! A store that is reached over a wire: the one boundary that `ftp`, `ftps` and later `http` and `s3` implement.
//!
//! A remote is dumb: it names files, streams ranges of them, takes uploads. Nothing it says is trusted; callers
//! hash and check. Paths are [`StorePath`]s, whose grammar has no byte that could inject a command.

use std::io::Read;
use std::ops::ControlFlow;

use crate::base::StorePath;
use crate::base::units::MIB;

pub mod ftp;
pub mod http;
pub mod mem;
pub mod proxy;
pub mod rate;
pub mod retry;
pub mod url;

/// Longest list of names that is taken from a remote: half a million of replicas' ids.
pub const LIST_MAX_BYTES: u64 = 16 * MIB;

/// What a failed call means to its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteErrorKind {
    /// The remote says that no such file stands there.
    NotFound,
    /// Not reachable, reset, timed out, too slow: worth another try on a new session.
    Unreachable,
    /// The remote answers that it cannot give or take this one file now (FTP 450, 451, HTTP 500): worth another try on the same
    /// session, and no word on other files.
    Unavailable,
    /// Too many sessions (FTP 421, 530 with a limit): worth another try with fewer.
    Busy,
    /// Refused for good: credentials, rights, certificate.
    Refused,
    /// The remote has no room.
    NoSpace,
    /// The remote cannot do what was asked (rename over a file, resume).
    Unsupported,
    /// The remote broke its protocol.
    Protocol,
    /// Our own side failed: the source or sink of a transfer.
    Local,
}

impl RemoteErrorKind {
    /// Returns whether the session that met it can be used further: the remote answered, and the two are in step.
    #[must_use]
    pub fn leaves_session(self) -> bool {
        matches!(self, Self::NotFound | Self::Unavailable | Self::Unsupported | Self::Local)
    }
}

/// A call to a remote that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {act} {subject}: {reason}")]
pub struct RemoteError {
    /// What the caller can decide on.
    pub kind: RemoteErrorKind,
    /// The act: `connect to`, `fetch`, `send`.
    pub act: &'static str,
    /// The file or address, without credentials.
    pub subject: String,
    /// Why, with the server's words where it said any (controls escaped, bounded).
    pub reason: String,
}

impl RemoteError {
    /// Makes an error.
    #[must_use]
    pub fn new(
        kind: RemoteErrorKind,
        act: &'static str,
        subject: impl std::fmt::Display,
        reason: impl std::fmt::Display,
    ) -> Self {
        Self { kind, act, subject: subject.to_string(), reason: reason.to_string() }
    }
}

/// How a fetch ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetched {
    /// Bytes given to the sink.
    pub len_bytes: u64,
    /// The file ended there; false when the sink stopped it or `max_bytes` was reached with more to come.
    pub at_end: bool,
}

/// An address that sessions can be opened to. Shared by threads.
pub trait Remote: Send + Sync {
    /// Returns the address without credentials, as shown and recorded.
    fn address(&self) -> String;

    /// Opens a session: connects and logs in.
    ///
    /// # Errors
    /// [`RemoteErrorKind::Unreachable`], [`RemoteErrorKind::Busy`], [`RemoteErrorKind::Refused`].
    fn connect(&self) -> Result<Box<dyn Session>, RemoteError>;

    /// Returns how many sessions the configuration allows at a time, at least 1.
    fn session_limit(&self) -> usize;

    /// Returns the bytes that crossed the wire both ways so far, protocol included, as far as they are seen.
    fn wire_bytes(&self) -> u64;

    /// Ends every session's wait now, and every connect, from any thread: their calls fail soon, and no session is opened any more.
    /// For whoever wants to stop and does not want to sit out a server that says nothing. A remote that never waits long does
    /// nothing.
    fn hang_up(&self) {}
}

/// One logged-in session, used by one thread. After an error that says otherwise it is dead and must be dropped, as
/// [`RemoteErrorKind::leaves_session`] has it.
pub trait Session: Send {
    /// Returns a file's length, or nothing where none stands.
    ///
    /// # Errors
    /// [`RemoteError`].
    fn length(&mut self, path: &StorePath) -> Result<Option<u64>, RemoteError>;

    /// Streams a file from `offset` to `sink`, at most `max_bytes`, until its end or the sink breaks.
    ///
    /// Pieces are at most 256 KiB. An endless file is cut at `max_bytes`.
    ///
    /// # Errors
    /// [`RemoteErrorKind::NotFound`], [`RemoteErrorKind::Unreachable`] and others; pieces given before stay given.
    fn fetch(
        &mut self,
        path: &StorePath,
        offset: u64,
        max_bytes: u64,
        sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<Fetched, RemoteError>;

    /// Sends a whole file under its final name, replacing what stands there: what stood there is only ever a
    /// shorter or broken upload of the same immutable file.
    ///
    /// # Durability
    /// As far as the remote allows, the file is durable when this returns.
    ///
    /// # Errors
    /// [`RemoteError`]; the remote may hold any part.
    fn send(&mut self, path: &StorePath, source: &mut dyn Read) -> Result<(), RemoteError>;

    /// Goes on with an upload of which the remote holds the first `offset` bytes.
    ///
    /// # Errors
    /// [`RemoteErrorKind::Unsupported`] where the remote cannot; then [`Session::send`] is the way.
    fn send_from(&mut self, path: &StorePath, offset: u64, source: &mut dyn Read) -> Result<(), RemoteError>;

    /// Puts a small file in the place of another so that a reader sees the old or the new one: uploads under a
    /// temporary name and renames.
    ///
    /// # Errors
    /// [`RemoteErrorKind::Unsupported`] where the remote refuses to rename over a file and has no other way.
    fn replace(&mut self, path: &StorePath, bytes: &[u8]) -> Result<(), RemoteError>;

    /// Creates a directory; nothing happens where one stands.
    ///
    /// # Errors
    /// [`RemoteError`].
    fn create_dir(&mut self, path: &StorePath) -> Result<(), RemoteError>;

    /// Lists the names of the files in a directory, sorted, each once: those that a [`StorePath`] can have, so a name is the
    /// server's word and no more; directories may be among them. Where there is no such directory, nothing is listed: servers say the same of an empty one.
    ///
    /// # Errors
    /// [`RemoteErrorKind::Protocol`] for a list of more than [`LIST_MAX_BYTES`]; [`RemoteErrorKind::Unsupported`] where the
    /// remote lists nothing.
    fn list(&mut self, dir: &StorePath) -> Result<Vec<String>, RemoteError>;

    /// Removes a file; nothing happens where none stands.
    ///
    /// # Errors
    /// [`RemoteError`].
    fn remove(&mut self, path: &StorePath) -> Result<(), RemoteError>;
}
