//! What can go wrong with a store, with only the differences that someone acts on.

use std::fmt;

use crate::base::units::show_size;
use crate::disk::{DiskError, DiskErrorKind};
use crate::format::FormatError;

/// A store that could not be used as asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No marker stands there.
    #[error("there is no store here")]
    NoStore,
    /// Something stands there already.
    #[error("{0} is not empty")]
    NotEmpty(String),
    /// Another program writes to it.
    #[error("another program is writing to the store")]
    Locked,
    /// The medium went away.
    #[error("the medium went away")]
    Gone(#[source] Option<DiskError>),
    /// What holds the store is not to be reached now.
    #[error(transparent)]
    Offline(DiskError),
    /// There is no room.
    #[error("not enough space: {} needed, {} free", show_size(*needed_bytes), show_size(*free_bytes))]
    NoSpace {
        /// Bytes that the work needs.
        needed_bytes: u64,
        /// Bytes that are free.
        free_bytes: u64,
    },
    /// Something is not what its hash, its seal or the format says.
    #[error("{what} is damaged")]
    Corrupt {
        /// The file or object.
        what: String,
        /// How it is wrong.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// A newer format.
    #[error("{0}")]
    TooNew(FormatError),
    /// A signature, a chain of trust or an order of generations does not hold.
    #[error("{0}")]
    NotTrusted(String),
    /// No identity at hand opens it.
    #[error("no identity at hand opens the store")]
    NoIdentity,
    /// Its HEAD has the last generation that there can be: no state can follow.
    #[error(
        "its HEAD has the last generation that there can be, so nothing can follow it; the writer that signed it is not to be trusted"
    )]
    NoGenerationLeft,
    /// Its epoch or dedup generation has the last number that there can be: no keys can follow them.
    #[error(
        "its keys have the last number that there can be, so nobody can be shut out by new ones; the writer that signed it is not to be trusted"
    )]
    NoEpochLeft,
    /// More of something than the format has room for.
    #[error("{0} does not fit into a store: there is too much of it")]
    TooMuch(&'static str),
    /// It opened from an older record than it should and takes no commit until it is healed.
    #[error("the store opened from an older record than its newest (it is degraded); sync or heal it first")]
    Degraded,
    /// An earlier write failed; only reopening tells what the medium holds.
    #[error("an earlier write to the store failed; open it again")]
    Poisoned,
    /// Someone asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// Any other failure of the disk.
    #[error(transparent)]
    Disk(DiskError),
}

impl StoreError {
    /// Makes an error for something damaged.
    pub fn corrupt(what: impl fmt::Display, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Corrupt { what: what.to_string(), source: Some(Box::new(source)) }
    }

    /// Makes an error for something damaged, with no more to say.
    pub fn damaged(what: impl fmt::Display) -> Self {
        Self::Corrupt { what: what.to_string(), source: None }
    }

    /// Makes an error of a file that could not be read: a bad sector is damage.
    pub fn unread(what: impl fmt::Display, error: DiskError) -> Self {
        if error.is_unread() { Self::corrupt(what, error) } else { error.into() }
    }

    /// Makes an error of a format error in a named file: damaged, or of a newer format.
    pub fn format(what: impl fmt::Display, error: FormatError) -> Self {
        match error {
            FormatError::TooNew(_) => Self::TooNew(error),
            _ => Self::corrupt(what, error),
        }
    }
}

impl StoreError {
    /// Returns whether damage in the store, a bad sector or a file that a remote withholds among it, costs one entry and what is below it, and not the run.
    #[must_use]
    pub fn costs_one_entry(&self) -> bool {
        match self {
            Self::TooNew(_) => true,
            _ => self.is_damage() || self.is_withheld(),
        }
    }

    /// Returns whether it says nothing of what was asked for: the disk did not answer.
    #[must_use]
    pub fn is_of_the_disk(&self) -> bool {
        matches!(self, Self::Gone(_) | Self::Offline(_) | Self::Interrupted | Self::Disk(_))
    }

    /// Returns whether a remote does not give what was asked for now, and may give all else.
    #[must_use]
    pub fn is_withheld(&self) -> bool {
        matches!(self, Self::Disk(error) if error.kind == DiskErrorKind::Withheld)
    }

    /// Returns whether what was asked for is damaged, or on a bad sector.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Corrupt { .. } => true,
            Self::Disk(error) => error.kind == DiskErrorKind::Io,
            _ => false,
        }
    }
}

impl From<DiskError> for StoreError {
    fn from(error: DiskError) -> Self {
        match error.kind {
            DiskErrorKind::Gone => Self::Gone(Some(error)),
            DiskErrorKind::Offline => Self::Offline(error),
            DiskErrorKind::Interrupted => Self::Interrupted,
            // A file in a directory's place, a directory, a link or far too many bytes where a store has a small file: someone else's, so damage.
            DiskErrorKind::WrongType | DiskErrorKind::Exists => {
                Self::Corrupt { what: error.subject.clone(), source: Some(Box::new(error)) }
            }
            _ => Self::Disk(error),
        }
    }
}
