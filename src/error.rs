//! The public error: what kind it is, which decides the exit code, what was being done, and why it failed.
//!
//! Only floors 4 to 6 name it. The kinds are what a caller can act on; text is for people.

use std::fmt;

use crate::disk::{DiskError, DiskErrorKind};
use crate::remote::{RemoteError, RemoteErrorKind};
use crate::store::StoreError;
use crate::tree::snapshots::NameError;

/// What a caller can do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Nothing but read the message.
    Other,
    /// The request makes no sense.
    Usage,
    /// No store stands there.
    NoStore,
    /// Another writer holds the lock: retry later.
    Locked,
    /// No identity opens it, or the passphrase is wrong.
    NoIdentity,
    /// Something does not match its hash: `verify --heal`.
    Corrupt,
    /// The remote is unreachable or refuses: retry later.
    Remote,
    /// Not enough space.
    NoSpace,
    /// The medium went away: plug in again, run again.
    Gone,
    /// A conflict that needs a person.
    Conflict,
    /// Not trusted: do not use this remote.
    NotTrusted,
    /// Someone asked to stop.
    Interrupted,
}

impl ErrorKind {
    /// Returns the exit code, as `cli.md` has it.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Other => 1,
            Self::Usage => 2,
            Self::NoStore => 10,
            Self::Locked => 11,
            Self::NoIdentity => 12,
            Self::Corrupt => 13,
            Self::Remote => 14,
            Self::NoSpace => 15,
            Self::Gone => 16,
            Self::Conflict => 17,
            Self::NotTrusted => 18,
            Self::Interrupted => 130,
        }
    }

    /// Returns the word for the kind in `--json` output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Other => "other",
            Self::Usage => "usage",
            Self::NoStore => "no-store",
            Self::Locked => "locked",
            Self::NoIdentity => "no-identity",
            Self::Corrupt => "corrupt",
            Self::Remote => "remote",
            Self::NoSpace => "no-space",
            Self::Gone => "medium-gone",
            Self::Conflict => "conflict",
            Self::NotTrusted => "not-trusted",
            Self::Interrupted => "interrupted",
        }
    }
}

type Source = Box<dyn std::error::Error + Send + Sync>;

/// A run that failed.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    context: String,
    source: Option<Source>,
}

/// What a verb returns.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Makes an error that has no deeper cause.
    pub fn new(kind: ErrorKind, context: impl Into<String>) -> Self {
        Self { kind, context: context.into(), source: None }
    }

    /// Makes an error on top of its cause.
    pub fn with_source(kind: ErrorKind, context: impl Into<String>, source: impl Into<Source>) -> Self {
        Self { kind, context: context.into(), source: Some(source.into()) }
    }

    /// Says what was being done: the error becomes the cause of one of the same kind.
    #[must_use]
    pub fn within(self, context: impl Into<String>) -> Self {
        Self { kind: self.kind, context: context.into(), source: Some(Box::new(self)) }
    }

    /// Returns the whole chain on one line, outermost first, for a list of what was put aside.
    #[must_use]
    pub fn in_full(&self) -> String {
        chain_of(self)
    }

    /// Returns the kind.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as &(dyn std::error::Error + 'static))
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let kind = match &error {
            StoreError::NoStore => ErrorKind::NoStore,
            StoreError::Locked => ErrorKind::Locked,
            StoreError::Gone(_) => ErrorKind::Gone,
            StoreError::Offline(_) => ErrorKind::Remote,
            StoreError::NoSpace { .. } => ErrorKind::NoSpace,
            StoreError::Corrupt { .. } | StoreError::Degraded => ErrorKind::Corrupt,
            StoreError::NotTrusted(_) | StoreError::NoGenerationLeft | StoreError::NoEpochLeft => ErrorKind::NotTrusted,
            StoreError::NoIdentity => ErrorKind::NoIdentity,
            StoreError::Interrupted => ErrorKind::Interrupted,
            // What a medium does not give of a store is as good as damaged, and healed in the same way.
            StoreError::Disk(error) if error.is_unread() => ErrorKind::Corrupt,
            StoreError::Disk(error) => kind_of_disk(error.kind),
            StoreError::NotEmpty(_) | StoreError::TooNew(_) | StoreError::Poisoned | StoreError::TooMuch(_) => {
                ErrorKind::Other
            }
        };
        Self::lift(kind, error)
    }
}

impl From<DiskError> for Error {
    /// Takes an error of any disk or folder; one of a store's own disk that may be damage goes by [`StoreError`].
    fn from(error: DiskError) -> Self {
        if error.kind == DiskErrorKind::Gone {
            return StoreError::from(error).into();
        }
        Self::lift(kind_of_disk(error.kind), error)
    }
}

impl From<NameError> for Error {
    fn from(error: NameError) -> Self {
        let kind = match &error {
            NameError::NotADate(_) | NameError::NotAName(_) => ErrorKind::Usage,
            _ => ErrorKind::Other,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<RemoteError> for Error {
    fn from(error: RemoteError) -> Self {
        let kind = match error.kind {
            RemoteErrorKind::NoSpace => ErrorKind::NoSpace,
            RemoteErrorKind::Local => ErrorKind::Other,
            _ => ErrorKind::Remote,
        };
        Self::lift(kind, error)
    }
}

impl Error {
    /// Takes a lower error's text as the context and its cause as the source, so that nothing is said twice.
    fn lift(kind: ErrorKind, error: impl std::error::Error + Send + Sync + 'static) -> Self {
        let context = error.to_string();
        let source = error.source().map(|source| chain_of(source).into());
        Self { kind, context, source }
    }
}

/// Flattens a chain of causes into one line, outermost first.
fn chain_of(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

fn kind_of_disk(kind: DiskErrorKind) -> ErrorKind {
    match kind {
        DiskErrorKind::Gone => ErrorKind::Gone,
        DiskErrorKind::Offline | DiskErrorKind::Withheld => ErrorKind::Remote,
        DiskErrorKind::Interrupted => ErrorKind::Interrupted,
        DiskErrorKind::NoSpace => ErrorKind::NoSpace,
        _ => ErrorKind::Other,
    }
}
