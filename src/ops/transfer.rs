//! Moving a store's files between a disk and remotes: what `sync`, `clone` and `push` share.
//!
//! Nothing that a remote says is believed: HEAD is checked against the pinned trust, everything else against a hash that
//! leads back to HEAD. What arrives is kept piece by piece, so that whatever ends a run costs at most a piece.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::disk::Disk;
use crate::error::{Error, ErrorKind};
use crate::store;

pub mod caller;
pub mod carried;
pub mod condemned;
pub mod fetch;
pub mod incoming;
pub mod judge;
pub mod key_files;
pub mod plan;
pub mod rebuild;
pub mod receive;
pub mod remote_state;
pub mod sample;
pub mod send;
pub mod stage;
pub mod superseded;
pub mod target;

/// Bytes of files that a run moved, counted by all its threads.
#[derive(Debug, Default)]
pub struct Meter {
    fetched_bytes: AtomicU64,
    sent_bytes: AtomicU64,
}

impl Meter {
    /// Counts bytes that a remote gave.
    pub fn fetched(&self, bytes: u64) {
        self.fetched_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts bytes that were given to a remote.
    pub fn sent(&self, bytes: u64) {
        self.sent_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Returns the bytes that remotes gave so far.
    #[must_use]
    pub fn fetched_bytes(&self) -> u64 {
        self.fetched_bytes.load(Ordering::Relaxed)
    }

    /// Returns the bytes that were given to remotes so far.
    #[must_use]
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes.load(Ordering::Relaxed)
    }
}

/// Why a transfer stopped.
#[derive(Debug)]
pub enum TransferError {
    /// The remote no longer has a file that its HEAD led to: its publisher may have moved on, so HEAD is worth another look.
    Vanished(String),
    /// Anything else.
    Failed(Error),
}

impl From<Error> for TransferError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<TransferError> for Error {
    fn from(error: TransferError) -> Self {
        match error {
            TransferError::Vanished(what) => Self::new(ErrorKind::Corrupt, format!("the remote lacks {what}")),
            TransferError::Failed(error) => error,
        }
    }
}

impl TransferError {
    /// Returns whether a remote alone failed, or one file of the store, so that the others can still be brought.
    fn costs_one_file(&self) -> bool {
        match self {
            Self::Vanished(_) => true,
            Self::Failed(error) => matches!(error.kind(), ErrorKind::Remote | ErrorKind::Corrupt),
        }
    }
}

/// What a run lacks and goes on without, to bring the rest; the first is told.
#[derive(Debug, Default)]
pub struct Shortfall(Option<TransferError>);

impl Shortfall {
    /// Returns what a step brought; nothing where it failed in a way that leaves the other steps to do.
    ///
    /// # Errors
    /// That of a step after which no other can work.
    pub fn pass<T>(&mut self, step: Result<T, TransferError>) -> Result<Option<T>, TransferError> {
        match step {
            Err(error) if error.costs_one_file() => {
                self.0.get_or_insert(error);
                Ok(None)
            }
            step => step.map(Some),
        }
    }

    /// Ends a run that nothing may be lacking of.
    ///
    /// # Errors
    /// The first that is.
    pub fn end(self) -> Result<(), TransferError> {
        self.0.map_or(Ok(()), Err)
    }
}

/// Returns the error that decides how a run with several ends; `cli.md` has the order.
#[must_use]
pub fn gravest(errors: Vec<Error>) -> Option<Error> {
    errors.into_iter().min_by_key(|error| gravity(error.kind()))
}

/// Ranks a kind of error, the one that decides first.
#[must_use]
pub fn gravity(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Interrupted => 0,
        ErrorKind::NotTrusted => 1,
        ErrorKind::Gone => 2,
        ErrorKind::NoSpace => 3,
        ErrorKind::Remote => 4,
        ErrorKind::Corrupt => 5,
        ErrorKind::NoIdentity => 6,
        ErrorKind::Conflict => 7,
        ErrorKind::NoStore => 8,
        ErrorKind::Locked => 9,
        ErrorKind::Usage | ErrorKind::Other => 10,
    }
}

/// Tells a medium that went away from damage and odd failures, which is how it looks to a run.
#[must_use]
pub fn settle(disk: &dyn Disk, error: Error) -> Error {
    let suspicious =
        matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::NoIdentity | ErrorKind::Other | ErrorKind::NoStore);
    if suspicious && (disk.is_gone() || !matches!(store::read_marker(disk), Ok(Some(_)))) {
        return Error::with_source(ErrorKind::Gone, "the medium went away", error);
    }
    error
}
