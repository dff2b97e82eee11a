//! Progress, problems that do not end a run, and the wish to stop: how long work talks to whoever started it.
//!
//! Work calls a [`Monitor`]; it never prints. Calls may come from several threads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A named stretch of long work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Task {
    /// Reading a folder into a store.
    Commit,
    /// Writing files out of a store.
    Restore,
    /// Fetching packs from a remote.
    Fetch,
    /// Sending packs to a remote.
    Send,
    /// Deleting condemned packs from a remote.
    Remove,
    /// Hashing or opening what a store holds.
    Verify,
    /// Going through snapshots, or copying files out of one.
    Read,
    /// Finding out which objects snapshots reach.
    Mark,
    /// Copying what lives of packs into new ones.
    Repack,
    /// Removing files that nothing names.
    Sweep,
}

impl Task {
    /// Returns the task's name in events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Restore => "restore",
            Self::Fetch => "fetch",
            Self::Send => "send",
            Self::Remove => "remove",
            Self::Verify => "verify",
            Self::Read => "read",
            Self::Mark => "mark",
            Self::Repack => "repack",
            Self::Sweep => "sweep",
        }
    }
}

/// A count of files (or packs) and bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amount {
    /// Files or packs.
    pub files: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Something that was left out or left alone, while the run goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What it is about, as shown to people: a path, a pack.
    pub subject: String,
    /// Why, lower case, no full stop.
    pub reason: String,
}

/// Hears of progress and problems, and tells whether to stop.
pub trait Monitor: Send + Sync {
    /// Hears that a task starts; `total` is what is known of its size.
    fn begin(&self, task: Task, total: Option<Amount>);
    /// Hears that so much more of the task is done.
    fn advance(&self, task: Task, amount: Amount);
    /// Hears that the task ended.
    fn end(&self, task: Task);
    /// Hears of a problem.
    fn problem(&self, problem: Problem);
    /// Hears of something worth a line that is no problem.
    fn note(&self, text: &str);
    /// Returns whether the run should stop at the next safe point.
    fn cancelled(&self) -> bool;
}

/// A monitor that passes everything on and counts the problems, for a verb that says how many there were.
pub struct CountingMonitor<'a> {
    inner: &'a dyn Monitor,
    problems: AtomicU64,
}

impl<'a> CountingMonitor<'a> {
    /// Passes on to `inner`.
    #[must_use]
    pub fn new(inner: &'a dyn Monitor) -> Self {
        Self { inner, problems: AtomicU64::new(0) }
    }

    /// Returns how many problems there were so far.
    #[must_use]
    pub fn problems(&self) -> u64 {
        self.problems.load(Ordering::Relaxed)
    }
}

impl Monitor for CountingMonitor<'_> {
    fn begin(&self, task: Task, total: Option<Amount>) {
        self.inner.begin(task, total);
    }

    fn advance(&self, task: Task, amount: Amount) {
        self.inner.advance(task, amount);
    }

    fn end(&self, task: Task) {
        self.inner.end(task);
    }

    fn problem(&self, problem: Problem) {
        self.problems.fetch_add(1, Ordering::Relaxed);
        self.inner.problem(problem);
    }

    fn note(&self, text: &str) {
        self.inner.note(text);
    }

    fn cancelled(&self) -> bool {
        self.inner.cancelled()
    }
}

/// A monitor that ignores everything.
#[derive(Debug, Default, Clone, Copy)]
pub struct SilentMonitor;

impl Monitor for SilentMonitor {
    fn begin(&self, _: Task, _: Option<Amount>) {}
    fn advance(&self, _: Task, _: Amount) {}
    fn end(&self, _: Task) {}
    fn problem(&self, _: Problem) {}
    fn note(&self, _: &str) {}
    fn cancelled(&self) -> bool {
        false
    }
}

/// A monitor that keeps what it heard, for tests, and can be told to cancel.
#[derive(Debug, Default)]
pub struct RecordingMonitor {
    problems: Mutex<Vec<Problem>>,
    notes: Mutex<Vec<String>>,
    done: Mutex<Amount>,
    cancel: AtomicBool,
}

impl RecordingMonitor {
    /// Returns the problems so far.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        lock(&self.problems).clone()
    }

    /// Returns the notes so far.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        lock(&self.notes).clone()
    }

    /// Returns what all tasks together advanced by.
    #[must_use]
    pub fn done(&self) -> Amount {
        *lock(&self.done)
    }

    /// Asks the run to stop.
    pub fn cancel(&self) {
        self.cancel.store(true, Ordering::Relaxed);
    }
}

impl Monitor for RecordingMonitor {
    fn begin(&self, _: Task, _: Option<Amount>) {}

    fn advance(&self, _: Task, amount: Amount) {
        let mut done = lock(&self.done);
        done.files += amount.files;
        done.bytes += amount.bytes;
    }

    fn end(&self, _: Task) {}

    fn problem(&self, problem: Problem) {
        lock(&self.problems).push(problem);
    }

    fn note(&self, text: &str) {
        lock(&self.notes).push(text.to_owned());
    }

    fn cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
