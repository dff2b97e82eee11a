//! Time: a moment, the clock that tells it, and a clock for tests that only moves when it is told to.

use std::fmt;
use std::str::FromStr;
use std::sync::Mutex;
use std::time::Duration;

/// A moment in nanoseconds since 1970 in UTC, as RFC 3339 text with nine decimals.
///
/// Covers the years that an `i64` of nanoseconds covers, 1677 to 2262; file times outside keep their own type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

/// Reports text that is not an RFC 3339 time in the covered years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 time")]
pub struct ParseTimeError;

impl Timestamp {
    /// Returns this moment moved by whole seconds; stays at the ends of the covered years.
    #[must_use]
    pub fn plus_secs(self, secs: i64) -> Self {
        Self(self.0.saturating_add(secs.saturating_mul(1_000_000_000)))
    }

    /// Returns the whole seconds from `earlier` to this moment, negative if it is later.
    #[must_use]
    pub fn secs_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0) / 1_000_000_000
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every i64 of nanoseconds lies inside jiff's range, so the fall-back is never shown.
        let time = jiff::Timestamp::from_nanosecond(i128::from(self.0)).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        write!(f, "{time:.9}")
    }
}

impl FromStr for Timestamp {
    type Err = ParseTimeError;

    fn from_str(text: &str) -> Result<Self, ParseTimeError> {
        let time: jiff::Timestamp = text.parse().map_err(|_| ParseTimeError)?;
        i64::try_from(time.as_nanosecond()).map(Self).map_err(|_| ParseTimeError)
    }
}

/// How far a time that was signed just now may lie ahead of another machine's clock: a day.
pub const CLOCKS_APART_MAX_SECS: i64 = 24 * 3600;

/// Returns the moment to judge by whether something has expired: what the clock says, but never before a time that was signed.
///
/// A clock that stands in 1970 or was set back so takes nothing for fresh that had expired when a later thing was signed.
#[must_use]
pub fn no_earlier_than(signed: impl IntoIterator<Item = Timestamp>, clock: Timestamp) -> Timestamp {
    signed.into_iter().fold(clock, Timestamp::max)
}

/// Returns by how many seconds a signed time lies ahead of the clock, where that is more than clocks of people lie apart: one
/// of the two is wrong, and nothing tells which.
#[must_use]
pub fn secs_ahead(signed: Timestamp, clock: Timestamp) -> Option<i64> {
    Some(signed.secs_since(clock)).filter(|secs| *secs > CLOCKS_APART_MAX_SECS)
}

/// Tells the time and waits.
pub trait Clock: Send + Sync {
    /// Returns the wall clock's time; it may jump.
    fn now(&self) -> Timestamp;
    /// Returns a time that never goes back, from an arbitrary start.
    fn monotonic(&self) -> Duration;
    /// Waits.
    fn sleep(&self, duration: Duration);
}

/// The system's clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one real clock")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    }

    #[expect(clippy::disallowed_methods, reason = "the one real clock")]
    fn monotonic(&self) -> Duration {
        use std::sync::OnceLock;
        static START: OnceLock<std::time::Instant> = OnceLock::new();
        START.get_or_init(std::time::Instant::now).elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "the one real wait")]
    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

/// A clock that stands still until it is told to move; sleeping moves it.
#[derive(Debug, Default)]
pub struct FixedClock {
    elapsed: Mutex<(Timestamp, Duration)>,
}

impl FixedClock {
    /// Starts at `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self { elapsed: Mutex::new((now, Duration::ZERO)) }
    }

    /// Moves both the wall clock and the monotonic one.
    pub fn advance(&self, duration: Duration) {
        let mut state = self.elapsed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.0 = Timestamp(state.0.0.saturating_add(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)));
        state.1 += duration;
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.elapsed.lock().unwrap_or_else(std::sync::PoisonError::into_inner).0
    }

    fn monotonic(&self) -> Duration {
        self.elapsed.lock().unwrap_or_else(std::sync::PoisonError::into_inner).1
    }

    fn sleep(&self, duration: Duration) {
        self.advance(duration);
    }
}

#[cfg(test)]
mod tests;
