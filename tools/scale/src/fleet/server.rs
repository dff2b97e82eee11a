//! A server's line that its sessions share evenly, up to what each one's own line takes.
//!
//! What a session has got by a moment is counted by one clock for all, which runs as fast as one session is served; so a session
//! that comes or goes changes the speed of that clock and nothing else (as in fair queueing; Demers and others, SIGCOMM 1989).

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

/// Names a transfer.
pub type Transfer = u64;

/// The line, with what goes over it.
#[derive(Debug)]
pub struct Link {
    line_bytes_per_sec: f64,
    key_bytes_per_sec: f64,
    sessions_max: usize,
    sessions: usize,
    /// Bytes that each transfer got which was there from the beginning.
    served_bytes: f64,
    at_secs: f64,
    /// By where the common clock stands when they end; those that were cut off stay until they come up.
    ends: BinaryHeap<Reverse<(Mark, Transfer)>>,
    going: BTreeSet<Transfer>,
    /// Bytes that went out in all.
    pub sent_bytes: f64,
}

/// A place on the common clock.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Mark(f64);

impl Eq for Mark {}

impl PartialOrd for Mark {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Mark {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Link {
    /// Makes a line that nobody uses.
    #[must_use]
    pub fn new(line_bytes_per_sec: u64, key_bytes_per_sec: u64, sessions_max: usize) -> Self {
        Self {
            line_bytes_per_sec: line_bytes_per_sec as f64,
            key_bytes_per_sec: key_bytes_per_sec as f64,
            sessions_max,
            sessions: 0,
            served_bytes: 0.0,
            at_secs: 0.0,
            ends: BinaryHeap::new(),
            going: BTreeSet::new(),
            sent_bytes: 0.0,
        }
    }

    /// Takes a session, unless there are too many.
    pub fn log_in(&mut self) -> bool {
        let is_free = self.sessions < self.sessions_max;
        self.sessions += usize::from(is_free);
        is_free
    }

    /// Gives a session back.
    pub fn log_out(&mut self) {
        self.sessions -= 1;
    }

    /// Returns how many sessions there are.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.sessions
    }

    /// Lets time pass.
    pub fn advance(&mut self, to_secs: f64) {
        let (span, count) = (to_secs - self.at_secs, self.going.len() as f64);
        let got = span * self.rate();
        self.served_bytes += got;
        self.sent_bytes += got * count;
        self.at_secs = to_secs;
    }

    /// Begins a transfer now; returns where the common clock stands.
    pub fn begin(&mut self, transfer: Transfer, len_bytes: f64) -> f64 {
        self.going.insert(transfer);
        self.ends.push(Reverse((Mark(self.served_bytes + len_bytes), transfer)));
        self.served_bytes
    }

    /// Cuts a transfer off now; returns what it got since the clock stood at `begun`.
    pub fn cut(&mut self, transfer: Transfer, begun: f64) -> f64 {
        self.going.remove(&transfer);
        self.served_bytes - begun
    }

    /// Returns when the next transfer ends if nothing else happens.
    pub fn next_end(&mut self) -> Option<f64> {
        while let Some(Reverse((Mark(mark), transfer))) = self.ends.peek() {
            if self.going.contains(transfer) {
                return Some(self.at_secs + (mark - self.served_bytes).max(0.0) / self.rate());
            }
            self.ends.pop();
        }
        None
    }

    /// Ends the transfer that [`Link::next_end`] spoke of, at that moment.
    pub fn end_next(&mut self) -> Option<Transfer> {
        let Reverse((mark, transfer)) = self.ends.pop()?;
        self.served_bytes = self.served_bytes.max(mark.0);
        self.going.remove(&transfer);
        Some(transfer)
    }

    fn rate(&self) -> f64 {
        (self.line_bytes_per_sec / self.going.len().max(1) as f64).min(self.key_bytes_per_sec)
    }
}
