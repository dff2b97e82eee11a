//! How far apart to try: spans that double with jitter, and each key's own place in a window. Pure.

use std::time::Duration;

use crate::base::ReplicaId;

/// A small stream of numbers from a seed, so that agents which lost their server together do not come back together. Nothing
/// secret hangs on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jitter(u64);

impl Jitter {
    /// Starts the stream of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Draws a number (SplitMix64).
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a span between half and all of the given one.
    pub fn upper_half(&mut self, span: Duration) -> Duration {
        span / 2 + fraction_of(span / 2, self.draw())
    }
}

/// Tries that lie further and further apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Longest wait after the first failure; it doubles with each further one.
    pub first: Duration,
    /// Longest wait at all.
    pub longest: Duration,
}

impl Backoff {
    /// Returns how long to wait after so many failures in a row, at least 1.
    #[must_use]
    pub fn delay(self, failures: u32, jitter: &mut Jitter) -> Duration {
        let doubled = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        jitter.upper_half(self.first.saturating_mul(doubled).min(self.longest))
    }
}

/// Returns a replica's place in a window: always the same one, and even over all replicas.
#[must_use]
pub fn place_in(window: Duration, replica: &ReplicaId) -> Duration {
    let hash = blake3::hash(replica.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hash.as_bytes()[..8]);
    fraction_of(window, u64::from_le_bytes(first))
}

/// Returns the part of a span that a number is of all numbers.
fn fraction_of(span: Duration, number: u64) -> Duration {
    let nanos = (span.as_nanos().min(u128::from(u64::MAX)) * u128::from(number)) >> 64;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
