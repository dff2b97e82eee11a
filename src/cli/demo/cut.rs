//! Whoever pulls the key: a monitor that asks the run to stop once a share of a fetch is done.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::Monitor;
use crate::base::monitor::{Amount, Problem, Task};

/// Stops a fetch in its middle.
pub struct CutInHalf<'a> {
    inner: &'a dyn Monitor,
    total_bytes: AtomicU64,
    fetched_bytes: AtomicU64,
}

impl<'a> CutInHalf<'a> {
    /// Passes everything on to `inner`.
    #[must_use]
    pub fn new(inner: &'a dyn Monitor) -> Self {
        Self { inner, total_bytes: AtomicU64::new(u64::MAX), fetched_bytes: AtomicU64::new(0) }
    }

    /// Returns the bytes that were fetched until the cut.
    #[must_use]
    pub fn fetched_bytes(&self) -> u64 {
        self.fetched_bytes.load(Ordering::Relaxed)
    }
}

impl Monitor for CutInHalf<'_> {
    fn begin(&self, task: Task, total: Option<Amount>) {
        if let (Task::Fetch, Some(total)) = (task, total) {
            self.total_bytes.store(total.bytes, Ordering::Relaxed);
        }
        self.inner.begin(task, total);
    }

    fn advance(&self, task: Task, amount: Amount) {
        if task == Task::Fetch {
            self.fetched_bytes.fetch_add(amount.bytes, Ordering::Relaxed);
        }
        self.inner.advance(task, amount);
    }

    fn end(&self, task: Task) {
        self.inner.end(task);
    }

    fn problem(&self, problem: Problem) {
        self.inner.problem(problem);
    }

    fn note(&self, text: &str) {
        self.inner.note(text);
    }

    fn cancelled(&self) -> bool {
        self.inner.cancelled() || self.fetched_bytes() > self.total_bytes.load(Ordering::Relaxed) / 2
    }
}
