//! What a publisher's host remembers of one replica.

use serde::{Deserialize, Serialize};

use crate::base::{Generation, HeadHash, PublicKey, Timestamp};
use crate::format::keylist::KeyTag;

const DAY_SECS: i64 = 24 * 3600;

/// A day, counted from 1970-01-01 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Day(pub i64);

impl Day {
    /// Returns the day of a moment.
    #[must_use]
    pub fn of(time: Timestamp) -> Self {
        Self(time.secs_since(Timestamp(0)).div_euclid(DAY_SECS))
    }

    /// Returns its first moment.
    #[must_use]
    pub fn start(self) -> Timestamp {
        Timestamp(0).plus_secs(self.0.saturating_mul(DAY_SECS))
    }
}

/// What is remembered of one replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// The key that signs its receipts: that of the first one.
    pub key: PublicKey,
    /// The newest generation that it held; 0 where it never told of one that this store had.
    pub generation: Generation,
    /// The HEAD of that generation.
    pub head: HeadHash,
    /// The time of its last receipt.
    pub seen: Timestamp,
    /// The newest purge that it carried out.
    pub purge: Generation,
    /// The tag of the key file that it carried last.
    pub tag: Option<KeyTag>,
    /// The days on which it reached generations, of the last few.
    pub reached: Vec<(Generation, Day)>,
}
