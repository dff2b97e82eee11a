//! The runner: waits for events, asks [`step`](super::step) what to do, and does it.
//!
//! One thread waits, blocked in a channel with the deadline of the only timer; each reading of a marker and each run has a thread
//! of its own. While nothing is plugged in there is no timer, so nobody wakes up. A run that is told to stop does so at its next
//! safe point, and the sessions with its remotes are ended, so that it does not sit out a server that says nothing.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::courtesy::Courteous;
use super::event::{Action, Ended, Event, Found, Notice, Outcome, Progress, Ticket, VolumeKey, What};
use super::now::Now;
use super::rules::Rules;
use super::step::view::View;
use super::step::{Record, State, step};
use super::volumes::{Seen, Volumes};
use super::work::Job;
use crate::base::monitor::{Amount, Problem, Task};
use crate::base::{Clock, Monitor, Random, random};
use crate::error::Result;
use crate::remote::Remote;

/// Least time between two reports of one run's progress.
const PROGRESS_GAP: Duration = Duration::from_secs(1);

/// Everything that an agent does besides deciding; the one place where a system is looked at.
pub trait Host: Send + Sync {
    /// Returns the moment.
    fn now(&self) -> Now;
    /// Returns the clock that threads go by.
    fn clock(&self) -> &Arc<dyn Clock>;
    /// Returns where random bytes come from.
    fn random(&self) -> &dyn Random;
    /// Reads what stands at a path; writes nothing.
    fn find(&self, path: &Path) -> Found;
    /// Makes the remotes of a job.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Usage`] where this host has none that it may use.
    fn remotes(&self, job: &Job) -> Result<Vec<Arc<Courteous>>>;
    /// Carries out a job in the thread that calls.
    fn work(&self, job: &Job, remotes: Result<Vec<Arc<Courteous>>>, monitor: &dyn Monitor) -> Ended;
    /// Hears that a run began or ended.
    fn ran(&self, job: &Job, ended: Option<&Ended>);
    /// Tells the person something of a volume, which may be gone already.
    fn tell(&self, key: &VolumeKey, path: Option<&Path>, notice: &Notice);
    /// Shows how things stand, and keeps what is known of keys; called whenever that may have changed.
    fn show(&self, view: &View);
    /// Reads the configuration again; nothing where it cannot be used, so that the last one holds.
    fn reload(&self) -> Option<Rules>;
    /// Hears that the agent is ready, or ends.
    fn stage(&self, stage: Stage);
    /// Hears that the agent is alive, while runs go on; returns how soon it wants to hear it again.
    fn beat(&self, is_busy: bool) -> Option<Duration>;
}

/// Where the agent itself stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It waits for volumes.
    Ready,
    /// It was told to end, and waits for its runs.
    Ending,
}

/// What is put into the inbox.
enum Mail {
    Seen(Seen),
    What(What),
    Reload,
}

/// Reaches a running agent, from any thread.
#[derive(Clone)]
pub struct Handle(Sender<Mail>);

impl Handle {
    /// Ends the agent; its runs stop at their next safe point.
    pub fn stop(&self) {
        // An agent that has ended hears nothing.
        let _ = self.0.send(Mail::What(What::Stop));
    }

    /// Makes the agent read its configuration again.
    pub fn reload(&self) {
        let _ = self.0.send(Mail::Reload);
    }
}

/// An agent that is about to run.
pub struct Agent {
    host: Arc<dyn Host>,
    state: Option<State>,
    inbox: Receiver<Mail>,
    sender: Sender<Mail>,
    runs: BTreeMap<Ticket, Running>,
    wake: Option<Duration>,
    has_ended: bool,
}

/// What it takes to stop a run.
struct Running {
    job: Job,
    stop: Arc<AtomicBool>,
    remotes: Arc<Mutex<Vec<Arc<Courteous>>>>,
}

impl Agent {
    /// Prepares an agent that knows of keys what an earlier one did.
    #[must_use]
    pub fn new(host: Arc<dyn Host>, rules: Rules, records: Vec<Record>) -> Self {
        let seed = u64::from_le_bytes(random::random_array(host.random()));
        let (sender, inbox) = channel();
        let state = Some(State::new(rules, seed, records));
        Self { host, state, inbox, sender, runs: BTreeMap::new(), wake: None, has_ended: false }
    }

    /// Returns a way to reach the agent.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle(self.sender.clone())
    }

    /// Runs until it is told to stop and all runs have ended.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Other`] when the source of volumes does not start.
    pub fn run(mut self, volumes: Box<dyn Volumes>) -> Result<()> {
        let sender = self.sender.clone();
        let watching = volumes.start(Arc::new(move |seen| drop(sender.send(Mail::Seen(seen)))))?;
        self.show();
        self.host.stage(Stage::Ready);
        while !self.has_ended {
            let what = self.wait();
            if what == What::Stop {
                self.host.stage(Stage::Ending);
            }
            self.hear(what);
        }
        drop(watching);
        Ok(())
    }

    /// Blocks until something happens.
    fn wait(&self) -> What {
        let is_busy = !self.runs.is_empty();
        let now = self.host.clock().monotonic();
        let beat = self.host.beat(is_busy).filter(|_| is_busy);
        let timer = self.wake.map(|wake| wake.saturating_sub(now));
        let mail = match timer.into_iter().chain(beat).min() {
            None => self.inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(span) => self.inbox.recv_timeout(span),
        };
        match mail {
            Ok(Mail::Seen(seen)) => what_of(seen),
            Ok(Mail::What(what)) => what,
            Ok(Mail::Reload) => self.host.reload().map_or(What::Tick, What::Configured),
            Err(_) => What::Tick,
        }
    }

    fn hear(&mut self, what: What) {
        let Some(state) = self.state.take() else { return };
        let is_quiet = what == What::Tick;
        if let What::Ended(ticket, ended) = &what
            && let Some(run) = self.runs.remove(ticket)
        {
            self.host.ran(&run.job, Some(ended));
        }
        let (state, actions) = step(state, Event { now: self.host.now(), what });
        self.state = Some(state);
        let is_quiet = is_quiet && actions.is_empty();
        actions.into_iter().for_each(|action| self.perform(action));
        if !is_quiet {
            self.show();
        }
    }

    fn show(&self) {
        if let Some(state) = &self.state {
            self.host.show(&state.view(&self.host.now()));
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Wake(wake) => self.wake = wake,
            Action::ReadMarker { ticket, path } => {
                let read = move |host: &dyn Host| What::MarkerRead(ticket, host.find(&path));
                let died = What::MarkerRead(ticket, Found::Unread("cannot start a thread".to_owned()));
                self.spawn("marker", read, died);
            }
            Action::Run { ticket, work, path, marked } => self.begin(ticket, Job { work, path, marked }),
            Action::Cancel(ticket) => self.cancel(ticket),
            Action::Tell(key, notice) => {
                let path = self.state.as_ref().and_then(|state| state.path(&key));
                self.host.tell(&key, path, &notice);
            }
            // Whatever is shown is kept.
            Action::Save => {}
            Action::Exit => self.has_ended = true,
        }
    }

    fn begin(&mut self, ticket: Ticket, job: Job) {
        let running = Running { job: job.clone(), stop: Arc::default(), remotes: Arc::default() };
        let (stop, held, sender) = (Arc::clone(&running.stop), Arc::clone(&running.remotes), self.sender.clone());
        self.runs.insert(ticket, running);
        self.host.ran(&job, None);
        let clock = Arc::clone(self.host.clock());
        let work = move |host: &dyn Host| {
            let monitor = RunMonitor { ticket, stop, sender, clock, state: Mutex::default() };
            let remotes = host.remotes(&job);
            if let Ok(remotes) = &remotes {
                held.lock().unwrap_or_else(PoisonError::into_inner).clone_from(remotes);
                // Whoever cancelled before this found nobody to hang up.
                if monitor.cancelled() {
                    remotes.iter().for_each(|remote| remote.hang_up());
                }
            }
            let worked = catch_unwind(AssertUnwindSafe(|| host.work(&job, remotes, &monitor)));
            let ended = worked.unwrap_or_else(|_| failed("the run broke down: this is a fault of the program"));
            What::Ended(ticket, ended)
        };
        self.spawn("run", work, What::Ended(ticket, failed("cannot start a thread")));
    }

    /// Does something in a thread of its own and puts what comes of it into the inbox.
    fn spawn(&self, name: &str, work: impl FnOnce(&dyn Host) -> What + Send + 'static, died: What) {
        let (host, sender) = (Arc::clone(&self.host), self.sender.clone());
        let run = move || drop(sender.send(Mail::What(work(host.as_ref()))));
        if std::thread::Builder::new().name(name.to_owned()).spawn(run).is_err() {
            let _ = self.sender.send(Mail::What(died));
        }
    }

    fn cancel(&self, ticket: Ticket) {
        let Some(running) = self.runs.get(&ticket) else { return };
        running.stop.store(true, Ordering::Relaxed);
        running.remotes.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(|remote| remote.hang_up());
    }
}

fn what_of(seen: Seen) -> What {
    match seen {
        Seen::Arrived(key) => What::Arrived(key),
        Seen::Mounted(key, path) => What::Mounted(key, path),
        Seen::Gone(key) => What::Gone(key),
        Seen::Jumped => What::Jumped,
    }
}

fn failed(why: &str) -> Ended {
    Ended { outcome: Outcome::Failed(why.to_owned()), free_bytes: None, no_receipt: None }
}

/// Passes a run's progress on, and the wish to stop back.
struct RunMonitor {
    ticket: Ticket,
    stop: Arc<AtomicBool>,
    sender: Sender<Mail>,
    clock: Arc<dyn Clock>,
    state: Mutex<Counting>,
}

/// How far a run came, and when that was last said.
#[derive(Default)]
struct Counting {
    progress: Progress,
    task: Option<Task>,
    said: Option<Duration>,
    problems: u64,
}

impl RunMonitor {
    fn change(&self, change: impl FnOnce(&mut Counting)) {
        let now = self.clock.monotonic();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        if state.progress.total_bytes > 0 && state.said.is_none_or(|said| now.saturating_sub(said) >= PROGRESS_GAP) {
            state.said = Some(now);
            let _ = self.sender.send(Mail::What(What::Progress(self.ticket, state.progress)));
        }
    }
}

impl Monitor for RunMonitor {
    fn begin(&self, task: Task, total: Option<Amount>) {
        let total_bytes = total.map_or(0, |total| total.bytes);
        self.change(|state| {
            state.task = Some(task);
            state.progress = Progress { done_bytes: 0, total_bytes };
        });
    }

    fn advance(&self, task: Task, amount: Amount) {
        self.change(|state| {
            if state.task == Some(task) {
                state.progress.done_bytes = state.progress.done_bytes.saturating_add(amount.bytes);
            }
        });
    }

    fn end(&self, _: Task) {}

    fn problem(&self, _: Problem) {
        self.change(|state| state.problems += 1);
    }

    fn note(&self, _: &str) {}

    fn cancelled(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
