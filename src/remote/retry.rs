//! [`Retry`]: whether, when and with how many sessions to try again. Pure: it never waits and never connects.

use std::time::Duration;

use super::{RemoteError, RemoteErrorKind};
use crate::base::{Random, random};

/// How often and how far apart to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries in a row without progress, the first included; at least 1.
    pub attempts: u32,
    /// Longest wait before the second try; it doubles with each further one.
    pub first_delay: Duration,
    /// Longest wait at all.
    pub longest_delay: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 6, first_delay: Duration::from_secs(1), longest_delay: Duration::from_secs(60) }
    }
}

/// The tries of one piece of work.
#[derive(Debug, Clone)]
pub struct Retry {
    policy: RetryPolicy,
    failed: u32,
}

impl Retry {
    /// Starts before the first try.
    #[must_use]
    pub fn new(policy: RetryPolicy) -> Self {
        Self { policy, failed: 0 }
    }

    /// Counts a failed try and returns how long to wait before the next; nothing when there should be none.
    ///
    /// The wait is drawn between half and all of a span that doubles, so that a hundred thousand keys which lost their
    /// server together do not come back together.
    pub fn next_delay(&mut self, error: &RemoteError, random: &dyn Random) -> Option<Duration> {
        self.failed = self.failed.saturating_add(1);
        if !may_pass(error.kind) || self.failed >= self.policy.attempts {
            return None;
        }
        let doubled = 1_u32.checked_shl(self.failed - 1).unwrap_or(u32::MAX);
        let span = self.policy.first_delay.saturating_mul(doubled).min(self.policy.longest_delay);
        let drawn = u16::from_le_bytes(random::random_array(random));
        Some(span / 2 + span.mul_f64(f64::from(drawn) / f64::from(u16::MAX) / 2.0))
    }

    /// Hears that a try brought the work further: the count of failures starts again.
    pub fn progressed(&mut self) {
        self.failed = 0;
    }
}

/// Returns whether a failure of this kind may pass on its own.
#[must_use]
pub fn may_pass(kind: RemoteErrorKind) -> bool {
    use RemoteErrorKind::{Busy, Protocol, Unavailable, Unreachable};
    matches!(kind, Busy | Protocol | Unavailable | Unreachable)
}

/// Returns how many sessions to use after a failure: one fewer where the remote said that it has too many, never none.
#[must_use]
pub fn sessions_after(kind: RemoteErrorKind, sessions: usize) -> usize {
    match kind {
        RemoteErrorKind::Busy => sessions.saturating_sub(1).max(1),
        _ => sessions.max(1),
    }
}

#[cfg(test)]
mod tests;
