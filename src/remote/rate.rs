//! Rates of a transfer: the limit that a person sets, and the least that a session accepts before it gives up.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::base::Clock;

/// Slows transfers down. Shared by all sessions of a run.
pub trait Throttle: Send + Sync {
    /// Hears that so many bytes passed, and waits as long as the limit asks for.
    fn passed(&self, bytes: usize);
}

/// A limit in bytes a second over all sessions that share it, with a burst of one second.
pub struct RateLimit {
    bytes_per_sec: u64,
    clock: Arc<dyn Clock>,
    /// The moment at which everything that passed is paid for.
    paid_at: Mutex<Duration>,
}

impl RateLimit {
    /// Limits to `bytes_per_sec`, at least 1.
    #[must_use]
    pub fn new(bytes_per_sec: u64, clock: Arc<dyn Clock>) -> Self {
        Self { bytes_per_sec: bytes_per_sec.max(1), clock, paid_at: Mutex::new(Duration::ZERO) }
    }
}

impl Throttle for RateLimit {
    fn passed(&self, bytes: usize) {
        let cost = Duration::from_secs_f64(bytes as f64 / self.bytes_per_sec as f64);
        let now = self.clock.monotonic();
        let mut paid_at = self.paid_at.lock().unwrap_or_else(PoisonError::into_inner);
        *paid_at = (*paid_at).max(now.saturating_sub(Duration::from_secs(1))).saturating_add(cost);
        let wait = paid_at.saturating_sub(now);
        drop(paid_at);
        if !wait.is_zero() {
            self.clock.sleep(wait);
        }
    }
}

/// Watches that a transfer does not crawl. Only time spent waiting for the wire counts.
#[derive(Debug)]
pub struct Meter {
    least_bytes_per_sec: u64,
    window: Duration,
    waited: Duration,
    bytes: u64,
}

impl Meter {
    /// Asks for `least_bytes_per_sec` over each `window`; 0 asks for nothing.
    #[must_use]
    pub fn new(least_bytes_per_sec: u64, window: Duration) -> Self {
        Self { least_bytes_per_sec, window, waited: Duration::ZERO, bytes: 0 }
    }

    /// Counts bytes and the wait for them; false when a window went by with too few.
    #[must_use]
    pub fn keeps_up(&mut self, bytes: usize, waited: Duration) -> bool {
        self.waited += waited;
        self.bytes = self.bytes.saturating_add(bytes as u64);
        if self.waited < self.window {
            return true;
        }
        let enough = self.bytes as f64 >= self.least_bytes_per_sec as f64 * self.waited.as_secs_f64();
        (self.waited, self.bytes) = (Duration::ZERO, 0);
        enough
    }
}

#[cfg(test)]
mod tests;
