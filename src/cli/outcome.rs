//! How a run ended, as an exit code: one table, and which of several codes wins.

use crate::error::ErrorKind;

/// How a run that was carried through ended, short of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All of it.
    Done,
    /// Some inputs could not be read, or some items were left alone; they were listed.
    Partial,
    /// The publisher's HEAD has expired.
    Stale,
    /// Carried through, with findings of this kind: `verify` of a damaged store.
    Found(ErrorKind),
}

impl Outcome {
    /// Returns the exit code.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Partial => 3,
            Self::Stale => 19,
            Self::Found(kind) => kind.exit_code(),
        }
    }

    /// Returns the one that the caller has to act on first.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if strongest(&[self.exit_code(), other.exit_code()]) == self.exit_code() { self } else { other }
    }
}

/// From the one that wins over all others. Whoever stopped a run knows it; usage, a missing store, a lock and a plain
/// failure end a run alone, so their places matter only against the outcomes of runs that were carried through.
const ORDER: [u8; 15] = [130, 18, 16, 15, 14, 13, 12, 17, 11, 10, 2, 1, 3, 19, 0];

/// Returns the code that wins when several apply; 0 when none does.
#[must_use]
pub fn strongest(codes: &[u8]) -> u8 {
    ORDER.into_iter().find(|code| codes.contains(code)).unwrap_or(0)
}

#[cfg(test)]
mod tests;
