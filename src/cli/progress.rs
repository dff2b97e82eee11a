//! The monitor of the command line: a bar, lines in a log, or events; problems and notes on stderr as they come.
//!
//! Work may call from several threads. Only problems are kept, and of those the first thousand: the count goes on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle as BarStyle};
use serde_json::json;

use super::notices::Notices;
use super::output::{Output, on_one_line};
use super::settings::ProgressStyle;
use crate::base::monitor::{Amount, Problem, Task};
use crate::base::units::show_size;
use crate::base::{Clock, Monitor};

/// Least time between two events of one task.
const EVENT_GAP: Duration = Duration::from_millis(500);
/// Least time between two lines in a log.
const LINE_GAP: Duration = Duration::from_secs(5);
/// Most problems that are kept for a document of JSON.
const PROBLEMS_KEPT: usize = 1000;

const BAR: &str = "{msg} [{bar:30}] {percent:>3} %  {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left";
const SPINNER: &str = "{spinner} {msg}  {bytes}  {bytes_per_sec}";

/// How to show progress.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// On stderr.
    pub style: ProgressStyle,
    /// Events on stdout: JSON of long work.
    pub events: bool,
    /// 0 shows no notes.
    pub verbosity: u8,
}

/// What is going on.
struct Running {
    task: Task,
    done: Amount,
    total: Option<Amount>,
    began: Duration,
    shown: Duration,
    bar: Option<ProgressBar>,
}

#[derive(Default)]
struct State {
    running: Vec<Running>,
    problems: Vec<Problem>,
    problem_count: u64,
}

/// Hears of progress and shows it.
pub struct Progress {
    look: Look,
    output: Arc<Output>,
    notices: Notices,
    clock: Arc<dyn Clock>,
    stop: Arc<AtomicBool>,
    state: Mutex<State>,
}

impl Progress {
    /// Shows progress as `look` says; the run stops when `stop` turns true.
    #[must_use]
    pub fn new(
        look: Look,
        output: Arc<Output>,
        notices: Notices,
        clock: Arc<dyn Clock>,
        stop: Arc<AtomicBool>,
    ) -> Self {
        Self { look, output, notices, clock, stop, state: Mutex::default() }
    }

    /// Returns the first problems, and how many there were.
    #[must_use]
    pub fn problems(&self) -> (Vec<Problem>, u64) {
        let state = self.lock();
        (state.problems.clone(), state.problem_count)
    }

    /// Takes the bars away.
    pub fn finish(&self) {
        for running in self.lock().running.drain(..) {
            if let Some(bar) = running.bar {
                bar.finish_and_clear();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows where a task stands, if it was not shown a moment ago.
    fn show(&self, running: &mut Running, at_once: bool) {
        if let Some(bar) = &running.bar {
            bar.set_position(running.done.bytes);
        }
        let gap = if self.look.events { EVENT_GAP } else { LINE_GAP };
        let now = self.clock.monotonic();
        if !at_once && now.saturating_sub(running.shown) < gap {
            return;
        }
        running.shown = now;
        if self.look.events {
            self.output.event(&json!({
                "event": "progress",
                "task": running.task.name(),
                "files": running.done.files,
                "bytes": running.done.bytes,
                "total_files": running.total.map(|total| total.files),
                "total_bytes": running.total.map(|total| total.bytes),
            }));
        } else if self.look.style == ProgressStyle::Lines {
            self.notices.line(&line_of(running, now));
        }
    }

    fn bar(&self, task: Task, total: Option<Amount>) -> Option<ProgressBar> {
        if self.look.style != ProgressStyle::Bar || self.look.events {
            return None;
        }
        let bar = ProgressBar::with_draw_target(total.map(|total| total.bytes), ProgressDrawTarget::stderr_with_hz(8));
        if let Ok(style) = BarStyle::with_template(if total.is_some() { BAR } else { SPINNER }) {
            bar.set_style(style);
        }
        bar.set_message(label(task));
        bar.enable_steady_tick(Duration::from_millis(250));
        Some(bar)
    }

    /// Writes a line to stderr above the bar.
    fn say(&self, state: &State, line: &str) {
        match state.running.iter().rev().find_map(|running| running.bar.as_ref()) {
            Some(bar) => bar.suspend(|| self.notices.line(line)),
            None => self.notices.line(line),
        }
    }
}

impl Monitor for Progress {
    fn begin(&self, task: Task, total: Option<Amount>) {
        let mut state = self.lock();
        let bar = self.bar(task, total);
        let now = self.clock.monotonic();
        let mut running = Running { task, done: Amount::default(), total, began: now, shown: now, bar };
        if self.look.events {
            self.show(&mut running, true);
        }
        state.running.push(running);
    }

    fn advance(&self, task: Task, amount: Amount) {
        let mut state = self.lock();
        if let Some(running) = state.running.iter_mut().rev().find(|running| running.task == task) {
            running.done.files = running.done.files.saturating_add(amount.files);
            running.done.bytes = running.done.bytes.saturating_add(amount.bytes);
            self.show(running, false);
        }
    }

    fn end(&self, task: Task) {
        let mut state = self.lock();
        let Some(at) = state.running.iter().rposition(|running| running.task == task) else { return };
        let mut running = state.running.remove(at);
        self.show(&mut running, true);
        if let Some(bar) = running.bar {
            bar.finish_and_clear();
        }
    }

    fn problem(&self, problem: Problem) {
        let mut state = self.lock();
        state.problem_count += 1;
        self.say(&state, &format!("chunkstore: {}: {}", on_one_line(&problem.subject), on_one_line(&problem.reason)));
        if self.look.events {
            self.output.event(&json!({"event": "problem", "subject": problem.subject, "reason": problem.reason}));
        }
        if state.problems.len() < PROBLEMS_KEPT {
            state.problems.push(problem);
        }
    }

    fn note(&self, text: &str) {
        if self.look.verbosity > 0 {
            self.say(&self.lock(), &on_one_line(text));
        }
    }

    fn cancelled(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Returns what a task is called in front of a bar. A key may be pulled out at any time, and that is the place to say so.
fn label(task: Task) -> &'static str {
    match task {
        Task::Fetch => "fetching (you may unplug at any time)",
        Task::Send => "sending",
        Task::Commit => "committing",
        Task::Restore => "restoring",
        Task::Remove => "deleting",
        Task::Verify => "verifying",
        Task::Read => "reading",
        Task::Mark => "marking",
        Task::Repack => "repacking",
        Task::Sweep => "removing",
    }
}

/// Returns a line for a log: what is done, of what, how fast, how long still.
fn line_of(running: &Running, now: Duration) -> String {
    let Amount { files, bytes } = running.done;
    let spent = now.saturating_sub(running.began).as_secs_f64().max(0.001);
    let rate = bytes as f64 / spent;
    let mut line = format!("{}: {}", label(running.task), show_size(bytes));
    if let Some(total) = running.total {
        line.push_str(&format!(" of {}, {files} of {} files", show_size(total.bytes), total.files));
    } else {
        line.push_str(&format!(", {files} files"));
    }
    line.push_str(&format!(", {}/s", show_size(rate as u64)));
    if let Some(left) = running.total.map(|total| total.bytes.saturating_sub(bytes)).filter(|_| rate >= 1.0) {
        line.push_str(&format!(", {} s left", (left as f64 / rate).ceil() as u64));
    }
    line
}

#[cfg(test)]
mod tests;
