//! Pages whose rows come as they are found: a search, a comparison. What is looked at is told on the way, and a client that goes
//! away ends the work.

use std::io::Write;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::State;
use super::html::{escape, several};
use super::pipe::{Pipe, Watch};
use crate::base::Monitor;
use crate::base::monitor::{Amount, Problem, Task};

/// Rows on such a page.
pub const ROWS_MAX: usize = 2000;
/// How many entries are looked at between two words of it.
const TOLD_EVERY: u64 = 5000;
/// Problems that are told.
const PROBLEMS_MAX: usize = 20;

/// The page while it is written.
pub struct Live {
    state: Arc<State>,
    watch: Watch,
    written: Mutex<Written>,
}

struct Written {
    pipe: Pipe,
    rows: usize,
    looked: u64,
    problems: usize,
}

impl Live {
    /// Begins with what stands before the rows.
    pub fn begin(state: &Arc<State>, mut pipe: Pipe, before: &str) -> Self {
        // A client that went away is seen by the first look.
        let _ = pipe.write_all(before.as_bytes()).and_then(|()| pipe.flush());
        let watch = pipe.watch();
        Self { state: Arc::clone(state), watch, written: Mutex::new(Written { pipe, rows: 0, looked: 0, problems: 0 }) }
    }

    /// Adds a row, an item of a list; returns false where there is no room for it.
    pub fn row(&self, row: &str) -> bool {
        let mut written = self.lock();
        let has_room = written.rows < ROWS_MAX;
        if has_room {
            written.rows += 1;
            let _ = written.pipe.write_all(row.as_bytes());
        }
        has_room
    }

    /// Counts what was looked at, and tells of it now and then.
    pub fn looked(&self, more: u64) {
        let mut written = self.lock();
        let before = written.looked / TOLD_EVERY;
        written.looked += more;
        if written.looked / TOLD_EVERY > before {
            let so_far = several(written.looked, "entry", "entries");
            let row = format!("<li class=\"progress\" role=\"status\">Looked at {so_far}…</li>");
            let _ = written.pipe.write_all(row.as_bytes()).and_then(|()| written.pipe.flush());
        }
    }

    /// Returns how much was looked at.
    pub fn looked_at(&self) -> u64 {
        self.lock().looked
    }

    /// Ends with what stands behind the rows.
    pub fn end(self, after: &str) {
        let Written { mut pipe, .. } = self.written.into_inner().unwrap_or_else(PoisonError::into_inner);
        if pipe.write_all(after.as_bytes()).is_ok() {
            pipe.end();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Monitor for Live {
    fn begin(&self, _: Task, _: Option<Amount>) {}

    fn advance(&self, _: Task, amount: Amount) {
        self.looked(amount.files);
    }

    fn end(&self, _: Task) {}

    fn problem(&self, problem: Problem) {
        let mut written = self.lock();
        written.problems += 1;
        if written.problems <= PROBLEMS_MAX {
            let (subject, reason) = (escape(&problem.subject), escape(&problem.reason));
            let row = format!("<li class=\"notice\" role=\"alert\"><bdi>{subject}</bdi>: {reason}</li>");
            let _ = written.pipe.write_all(row.as_bytes());
        }
    }

    fn note(&self, _: &str) {}

    fn cancelled(&self) -> bool {
        self.watch.is_gone() || self.state.is_stopping.load(Ordering::Relaxed)
    }
}

/// Sees that nobody waits for an archive any more.
pub struct Waiting {
    /// The server.
    pub state: Arc<State>,
    /// The client.
    pub watch: Watch,
}

impl Monitor for Waiting {
    fn begin(&self, _: Task, _: Option<Amount>) {}
    fn advance(&self, _: Task, _: Amount) {}
    fn end(&self, _: Task) {}
    fn problem(&self, _: Problem) {}
    fn note(&self, _: &str) {}

    fn cancelled(&self) -> bool {
        self.watch.is_gone() || self.state.is_stopping.load(Ordering::Relaxed)
    }
}
