//! [`step`]: what an agent does, decided. Pure: time comes with the events, timers and work go out as actions.
//!
//! ```text
//! arrived -> settling -> reading -> waiting <-> queued -> working -> resting
//!                           |          ^                     |          |
//!                           v          \---------------------/----------/
//!                       left alone
//! ```
//!
//! A volume is in one stage, so however often and in whatever order its arrival is told, it has one run. A volume that goes takes
//! its stage with it; a run that has not ended yet is then `leaving`, and nothing new starts on that volume, nor on another with
//! the same replica, until it has. Whatever answers under a ticket that nobody waits for is ignored.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::event::{
    Action, Asked, Ended, Event, Found, Marked, Notice, Outcome, Progress, Ticket, VolumeKey, What, Work,
};
use super::now::Now;
use super::pace::{Backoff, Jitter, place_in};
use super::rules::Rules;
use crate::base::{ReplicaId, StoreId};
pub use records::Record;
use records::Records;

mod records;
pub mod view;

/// Waits for a remote that does not answer.
const UNREACHABLE: Backoff = Backoff { first: Duration::from_secs(30), longest: Duration::from_secs(3600) };
/// Waits for a remote that is busy and does not say how long. Short at its longest, so that whoever was turned away often is not
/// passed by those who come later.
const BUSY: Backoff = Backoff { first: Duration::from_secs(10), longest: Duration::from_secs(300) };
/// Waits for another program that works on the store.
const LOCKED: Backoff = Backoff { first: Duration::from_secs(5), longest: Duration::from_secs(300) };
/// Waits for what only a person can change.
const REFUSED: Backoff = Backoff { first: Duration::from_secs(600), longest: Duration::from_secs(6 * 3600) };
/// Waits for a marker that did not read.
const UNREAD: Backoff = Backoff { first: Duration::from_secs(2), longest: Duration::from_secs(30) };
/// What the window over which starts are spread is divided by each time that a key missed its place in it.
const MISSED_DIVISOR: u32 = 8;
/// Over less than this nothing is spread.
const WINDOW_MIN: Duration = Duration::from_secs(1);
/// How often a marker is read that does not.
const UNREAD_MAX: u32 = 3;
/// How long a way that costs by the byte is waited out before it is looked at again.
const METERED_GAP: Duration = Duration::from_secs(300);
/// How long the network may take to come back after a sleep.
const AFTER_SLEEP: Duration = Duration::from_secs(10);
/// Within so long of a sleep a volume that goes and comes back was not unplugged by anybody.
const SLEEP_SPAN: Duration = Duration::from_secs(30);
/// Longest that a remote's wish for patience is taken at its word.
const LATER_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// Most replicas whose places and sleeps are remembered.
const REMEMBERED_MAX: usize = 4096;

/// Why a volume waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// For its place in the window over which all keys are spread.
    Spread,
    /// For a window of time to open.
    Window,
    /// For a way that does not cost by the byte.
    Metered,
    /// For a remote that does not answer.
    Unreachable,
    /// For a remote that asked to come later.
    Later,
    /// For another program to let go of the store.
    Locked,
    /// For the system to say that the volume is gone, as a run found.
    Gone,
    /// After a failure that is unlikely to pass by itself.
    Refused,
}

/// Where a volume stands.
#[derive(Debug, Clone, PartialEq)]
enum Stage {
    Arrived,
    Settling { until: Duration },
    Reading { ticket: Ticket },
    LeftAlone,
    Waiting { until: Duration, why: Why },
    Queued { turn: u64 },
    Working { ticket: Ticket, work: Work, progress: Progress, is_stopping: bool },
    Resting { until: Option<Duration> },
}

#[derive(Debug, Clone)]
struct Volume {
    stage: Stage,
    path: Option<PathBuf>,
    marked: Option<Marked>,
    /// Runs, or readings of the marker, that failed in a row.
    failures: u32,
    has_collected: bool,
    has_healed: bool,
    told: Option<Notice>,
}

impl Volume {
    fn new() -> Self {
        let (path, marked, told) = (None, None, None);
        Self { stage: Stage::Arrived, path, marked, failures: 0, has_collected: false, has_healed: false, told }
    }

    fn replica(&self) -> Option<ReplicaId> {
        self.marked.and_then(|marked| marked.replica)
    }

    fn is_working(&self) -> bool {
        matches!(self.stage, Stage::Working { .. })
    }

    /// Returns when it is to be looked at again, as far as its stage alone says.
    fn timer(&self) -> Option<Duration> {
        match self.stage {
            Stage::Settling { until } | Stage::Waiting { until, .. } => Some(until),
            Stage::Resting { until } => until,
            _ => None,
        }
    }
}

/// A run that goes on without its volume.
#[derive(Debug, Clone)]
struct Leaving {
    key: VolumeKey,
    replica: Option<ReplicaId>,
}

/// A replica that went while it was up to date.
#[derive(Debug, Clone, Copy)]
struct Rested {
    replica: ReplicaId,
    gone_at: Duration,
    until: Option<Duration>,
}

/// A key's place in the window over which all are spread.
#[derive(Debug, Clone, Copy)]
struct Due {
    at: Duration,
    /// How often it was not there when its time came, or got nothing: those that missed their place in a day's window would all come
    /// at once on the next morning, so each gets a place in a window that is an eighth as long every time.
    misses: u32,
    /// What it came for has begun to arrive, and goes on whenever the key comes back.
    has_begun: bool,
}

/// What comes after a run.
#[derive(Clone, Copy)]
enum Next {
    Rest,
    Consider,
    Run(Work),
    Wait(Duration, Why),
}

/// Everything that an agent knows. Cheap to keep: a few hundred bytes for each volume and each key that was seen.
#[derive(Debug, Clone)]
pub struct State {
    rules: Rules,
    jitter: Jitter,
    volumes: BTreeMap<VolumeKey, Volume>,
    leaving: BTreeMap<Ticket, Leaving>,
    records: Records,
    /// When each key's start is due that was spread; kept while it is unplugged.
    due: BTreeMap<ReplicaId, Due>,
    /// Over how long a remote wants the keys of a store spread, and until when that holds.
    asked: BTreeMap<StoreId, (Duration, Duration)>,
    rested: VecDeque<Rested>,
    jumped: Option<Duration>,
    last_ticket: u64,
    wake: Option<Duration>,
    is_stopping: bool,
    has_ended: bool,
}

impl State {
    /// Begins with nothing plugged in; `records` is what an earlier run knew of keys.
    #[must_use]
    pub fn new(rules: Rules, seed: u64, records: Vec<Record>) -> Self {
        Self {
            rules,
            jitter: Jitter::new(seed),
            volumes: BTreeMap::new(),
            leaving: BTreeMap::new(),
            records: Records::new(records),
            due: BTreeMap::new(),
            asked: BTreeMap::new(),
            rested: VecDeque::new(),
            jumped: None,
            last_ticket: 0,
            wake: None,
            is_stopping: false,
            has_ended: false,
        }
    }

    /// Returns how many runs have not ended.
    #[must_use]
    pub fn running(&self) -> usize {
        self.leaving.len() + self.volumes.values().filter(|volume| volume.is_working()).count()
    }
}

/// Takes an event, and says what is to be done for it, in this order.
#[must_use]
pub fn step(mut state: State, event: Event) -> (State, Vec<Action>) {
    let mut out = Vec::new();
    let now = event.now;
    match event.what {
        What::Arrived(key) => state.arrived(key),
        What::Mounted(key, path) => state.mounted(key, path, &now),
        What::Gone(key) => state.gone(&key, &now, &mut out),
        What::MarkerRead(ticket, found) => state.marker_read(ticket, found, &now, &mut out),
        What::Progress(ticket, progress) => state.progressed(ticket, progress, &mut out),
        What::Ended(ticket, ended) => state.ended(ticket, &ended, &now, &mut out),
        What::Tick => {}
        What::Jumped => state.jumped(&now),
        What::Configured(rules) => state.configured(rules, &now, &mut out),
        What::Stop => state.stop(&mut out),
    }
    state.look_at_timers(&now, &mut out);
    state.admit(&mut out);
    state.set_timer(&now, &mut out);
    (state, out)
}

/// Volumes come and go.
impl State {
    fn arrived(&mut self, key: VolumeKey) {
        self.volumes.entry(key).or_insert_with(Volume::new);
    }

    fn mounted(&mut self, key: VolumeKey, path: PathBuf, now: &Now) {
        let until = now.monotonic + self.rules.settle;
        let volume = self.volumes.entry(key).or_insert_with(Volume::new);
        if volume.path.as_deref() == Some(&*path) {
            return;
        }
        volume.path = Some(path);
        // What is known of it holds under its new path, and a run that goes on finds out by itself.
        if matches!(volume.stage, Stage::Arrived | Stage::Settling { .. } | Stage::Reading { .. }) {
            volume.stage = Stage::Settling { until };
        }
    }

    fn gone(&mut self, key: &VolumeKey, now: &Now, out: &mut Vec<Action>) {
        let Some(volume) = self.volumes.remove(key) else { return };
        let replica = volume.replica();
        match volume.stage {
            Stage::Working { ticket, progress, is_stopping, .. } => {
                if !is_stopping {
                    out.push(Action::Cancel(ticket));
                }
                if volume.told == Some(Notice::Updating) {
                    out.push(Action::Tell(key.clone(), Notice::Unplugged(progress.percent())));
                }
                self.leaving.insert(ticket, Leaving { key: key.clone(), replica });
            }
            Stage::Resting { until } => {
                let rested = replica.map(|replica| Rested { replica, gone_at: now.monotonic, until });
                self.rested.extend(rested);
                self.rested.drain(..self.rested.len().saturating_sub(REMEMBERED_MAX));
            }
            _ => {}
        }
    }
}

/// What a volume is.
impl State {
    fn read_marker(&mut self, key: &VolumeKey, out: &mut Vec<Action>) {
        let ticket = self.new_ticket();
        let Some(volume) = self.volumes.get_mut(key) else { return };
        let Some(path) = volume.path.clone() else { return };
        volume.stage = Stage::Reading { ticket };
        out.push(Action::ReadMarker { ticket, path });
    }

    fn marker_read(&mut self, ticket: Ticket, found: Found, now: &Now, out: &mut Vec<Action>) {
        let reads = |volume: &Volume| volume.stage == Stage::Reading { ticket };
        let Some(key) = self.volumes.iter().find(|(_, volume)| reads(volume)).map(|(key, _)| key.clone()) else {
            return;
        };
        match found {
            Found::Store(marked) => self.met(&key, marked, now, out),
            Found::NoStore => self.leave_alone(&key, Notice::NoStore, out),
            Found::Newer => self.leave_alone(&key, Notice::Newer, out),
            Found::Unread(why) => self.not_read(&key, why, now, out),
        }
    }

    fn not_read(&mut self, key: &VolumeKey, why: String, now: &Now, out: &mut Vec<Action>) {
        let Some(volume) = self.volumes.get_mut(key) else { return };
        volume.failures += 1;
        if volume.failures >= UNREAD_MAX {
            return self.leave_alone(key, Notice::Unread(why), out);
        }
        let until = now.monotonic + UNREAD.delay(volume.failures, &mut self.jitter);
        volume.stage = Stage::Settling { until };
    }

    fn leave_alone(&mut self, key: &VolumeKey, notice: Notice, out: &mut Vec<Action>) {
        let Some(volume) = self.volumes.get_mut(key) else { return };
        volume.stage = Stage::LeftAlone;
        self.tell(key, notice, out);
    }

    /// A store is plugged in.
    fn met(&mut self, key: &VolumeKey, marked: Marked, now: &Now, out: &mut Vec<Action>) {
        let Some(volume) = self.volumes.get_mut(key) else { return };
        volume.marked = Some(marked);
        volume.failures = 0;
        let Some(replica) = marked.replica.filter(|_| self.is_ours(&marked)) else {
            return self.leave_alone(key, Notice::NotOurs(marked.store), out);
        };
        if self.volumes.iter().any(|(other, volume)| other != key && volume.replica() == Some(replica)) {
            self.tell(key, Notice::Twice, out);
        }
        let stage = match self.rest_through_sleep(replica, now) {
            Some(until) => Some(Stage::Resting { until }),
            None => self.place_of(&marked, replica, now).map(|until| Stage::Waiting { until, why: Why::Spread }),
        };
        match (stage, self.volumes.get_mut(key)) {
            (Some(stage), Some(volume)) => volume.stage = stage,
            _ => self.consider(key, now, out),
        }
    }

    /// A store that knows whom to trust and where to ask, and that the person wants synced.
    fn is_ours(&self, marked: &Marked) -> bool {
        marked.is_pinned && marked.has_remote && marked.replica.is_some() && self.rules.stores.contain(marked.store)
    }

    /// Returns until when a key rests that only seemed to be unplugged while the machine slept.
    fn rest_through_sleep(&mut self, replica: ReplicaId, now: &Now) -> Option<Option<Duration>> {
        let jumped = self.jumped?;
        let at = self.rested.iter().rposition(|rested| rested.replica == replica)?;
        let rested = self.rested.remove(at)?;
        let was_asleep = rested.gone_at.abs_diff(jumped) <= SLEEP_SPAN;
        (was_asleep && now.monotonic <= jumped + SLEEP_SPAN).then_some(rested.until)
    }

    /// Returns until when a key waits for its place among all keys; nothing where nobody wants that, or it is past.
    fn place_of(&mut self, marked: &Marked, replica: ReplicaId, now: &Now) -> Option<Duration> {
        let asked = self.asked.get(&marked.store).filter(|(_, until)| now.monotonic < *until);
        let window = self.rules.spread.or(asked.map(|(window, _)| *window))?;
        if self.due.len() >= REMEMBERED_MAX {
            self.due.retain(|_, due| due.at > now.monotonic);
        }
        let first = || Due { at: now.monotonic + place_in(window, &replica), misses: 0, has_begun: false };
        let due = self.due.entry(replica).or_insert_with(first);
        if due.at <= now.monotonic && !due.has_begun {
            due.misses = due.misses.saturating_add(1);
            let shorter = window.checked_div(MISSED_DIVISOR.saturating_pow(due.misses));
            let shorter = shorter.filter(|window| *window >= WINDOW_MIN).unwrap_or_default();
            due.at = now.monotonic + place_in(shorter, &replica);
        }
        (due.at > now.monotonic).then_some(due.at)
    }
}

/// Runs begin.
impl State {
    /// Lets a known volume wait for its turn, unless something speaks against a run now.
    fn consider(&mut self, key: &VolumeKey, now: &Now, out: &mut Vec<Action>) {
        let turn = self.new_ticket().0;
        let hindered = self.hindered(now);
        let Some(volume) = self.volumes.get_mut(key) else { return };
        let Some(marked) = volume.marked else { return };
        volume.stage = match hindered {
            Some((span, why)) => Stage::Waiting { until: now.monotonic + span, why },
            None => Stage::Queued { turn },
        };
        if !self.is_ours(&marked) {
            self.leave_alone(key, Notice::NotOurs(marked.store), out);
        }
    }

    /// Returns what keeps every run from going on now, and how long to wait before another look.
    fn hindered(&self, now: &Now) -> Option<(Duration, Why)> {
        if !self.rules.windows.is_open(now) {
            return Some((self.rules.windows.until_change(now).unwrap_or(METERED_GAP), Why::Window));
        }
        (now.is_metered && !self.rules.on_metered).then_some((METERED_GAP, Why::Metered))
    }

    /// Starts what may start, the longest waiting first.
    fn admit(&mut self, out: &mut Vec<Action>) {
        while !self.is_stopping && self.running() < self.rules.runs_max.max(1) {
            let Some(key) = self.first_in_queue() else { return };
            self.run(&key, Work::Sync, out);
        }
    }

    fn first_in_queue(&self) -> Option<VolumeKey> {
        let queued = self.volumes.iter().filter_map(|(key, volume)| match volume.stage {
            Stage::Queued { turn } if !self.is_taken(key, volume) => Some((turn, key)),
            _ => None,
        });
        queued.min().map(|(_, key)| key.clone())
    }

    /// Returns whether a run goes on where a volume lies, or on the same replica elsewhere.
    fn is_taken(&self, key: &VolumeKey, volume: &Volume) -> bool {
        let same = |replica: Option<ReplicaId>| replica.is_some() && replica == volume.replica();
        self.leaving.values().any(|left| left.key == *key || same(left.replica))
            || self.volumes.values().any(|other| other.is_working() && same(other.replica()))
    }

    fn run(&mut self, key: &VolumeKey, work: Work, out: &mut Vec<Action>) {
        let ticket = self.new_ticket();
        let Some(volume) = self.volumes.get_mut(key) else { return };
        let (Some(path), Some(marked)) = (volume.path.clone(), volume.marked) else { return };
        volume.stage = Stage::Working { ticket, work, progress: Progress::default(), is_stopping: false };
        out.push(Action::Run { ticket, work, path, marked });
    }

    fn new_ticket(&mut self) -> Ticket {
        self.last_ticket += 1;
        Ticket(self.last_ticket)
    }
}

/// Runs go on and end.
impl State {
    fn key_of(&self, ticket: Ticket) -> Option<VolumeKey> {
        let is_it = |volume: &Volume| matches!(volume.stage, Stage::Working { ticket: own, .. } if own == ticket);
        self.volumes.iter().find(|(_, volume)| is_it(volume)).map(|(key, _)| key.clone())
    }

    fn progressed(&mut self, ticket: Ticket, so_far: Progress, out: &mut Vec<Action>) {
        let Some(key) = self.key_of(ticket) else { return };
        let Some(Volume { stage: Stage::Working { work, progress, .. }, marked, .. }) = self.volumes.get_mut(&key)
        else {
            return;
        };
        *progress = so_far;
        if *work == Work::Sync && so_far.total_bytes > 0 {
            let replica = marked.and_then(|marked| marked.replica);
            if let Some(due) = replica.and_then(|replica| self.due.get_mut(&replica)) {
                due.has_begun = true;
            }
            self.tell(&key, Notice::Updating, out);
        }
    }

    fn ended(&mut self, ticket: Ticket, ended: &Ended, now: &Now, out: &mut Vec<Action>) {
        if self.leaving.remove(&ticket).is_some() {
            return self.end(out);
        }
        let Some(key) = self.key_of(ticket) else { return };
        let Some(Volume { stage: Stage::Working { work, .. }, marked: Some(marked), .. }) = self.volumes.get(&key)
        else {
            return;
        };
        let (work, marked) = (*work, *marked);
        if self.records.note(&marked, work, ended, now) {
            out.push(Action::Save);
        }
        self.tell_of(&key, &marked, work, &ended.outcome, out);
        let next = self.after(&key, &marked, work, ended, now);
        self.go_on(&key, next, now, out);
        self.end(out);
    }

    fn go_on(&mut self, key: &VolumeKey, next: Next, now: &Now, out: &mut Vec<Action>) {
        let until = self.rules.recheck.map(|gap| now.monotonic + self.jitter.upper_half(gap));
        let Some(volume) = self.volumes.get_mut(key) else { return };
        match next {
            Next::Rest => volume.stage = Stage::Resting { until },
            Next::Wait(span, why) => volume.stage = Stage::Waiting { until: now.monotonic + span, why },
            Next::Consider => self.consider(key, now, out),
            Next::Run(_) if self.is_stopping || self.hindered(now).is_some() => self.consider(key, now, out),
            Next::Run(work) => self.run(key, work, out),
        }
    }

    /// The table of what follows on what.
    fn after(&mut self, key: &VolumeKey, marked: &Marked, work: Work, ended: &Ended, now: &Now) -> Next {
        let Some(volume) = self.volumes.get_mut(key) else { return Next::Rest };
        if ended.outcome != Outcome::Interrupted {
            volume.failures = volume.failures.saturating_add(1);
        }
        let (failures, may_collect) = (volume.failures, self.rules.collect_below_bytes.is_some());
        match (work, &ended.outcome) {
            (_, Outcome::Interrupted) => Next::Consider,
            (_, Outcome::Locked) => Next::Wait(LOCKED.delay(failures, &mut self.jitter), Why::Locked),
            (_, Outcome::Gone) => Next::Wait(LOCKED.delay(failures, &mut self.jitter), Why::Gone),
            (Work::Sync, Outcome::Synced { .. }) => self.after_sync(key, marked, ended, now),
            (Work::Sync, Outcome::Full(_)) if may_collect && !volume.has_collected => {
                volume.has_collected = true;
                Next::Run(Work::Collect)
            }
            (Work::Sync, Outcome::Damaged(_)) if !volume.has_healed => {
                volume.has_healed = true;
                Next::Run(Work::Heal)
            }
            (_, Outcome::Unreachable(_)) => Next::Wait(UNREACHABLE.delay(failures, &mut self.jitter), Why::Unreachable),
            (_, Outcome::Later(asked)) => Next::Wait(self.patience(marked, *asked, failures, now), Why::Later),
            (Work::Collect, Outcome::Collected(_)) if volume.has_collected => Next::Consider,
            (Work::Heal, Outcome::Sound | Outcome::Healed) => Next::Consider,
            (Work::Collect, Outcome::Collected(_)) => self.after_collecting(key, marked, now),
            (Work::Sample, Outcome::Sound | Outcome::Healed) => Next::Rest,
            _ => Next::Wait(REFUSED.delay(failures, &mut self.jitter), Why::Refused),
        }
    }

    fn after_sync(&mut self, key: &VolumeKey, marked: &Marked, ended: &Ended, now: &Now) -> Next {
        if let Some(replica) = marked.replica {
            self.due.remove(&replica);
        }
        let Some(volume) = self.volumes.get_mut(key) else { return Next::Rest };
        volume.failures = 0;
        (volume.has_collected, volume.has_healed) = (false, false);
        let is_short = |below: u64| ended.free_bytes.is_some_and(|free| free < below);
        match self.rules.collect_below_bytes {
            Some(below) if is_short(below) => Next::Run(Work::Collect),
            _ => self.after_collecting(key, marked, now),
        }
    }

    fn after_collecting(&mut self, key: &VolumeKey, marked: &Marked, now: &Now) -> Next {
        if let Some(volume) = self.volumes.get_mut(key) {
            volume.failures = 0;
        }
        let last = self.records.get(marked).and_then(|record| record.last_sample);
        let is_due = |every: Duration| {
            // A time that lies ahead was noted by a clock that was wrong.
            let since = last.map(|last| now.wall.secs_since(last)).filter(|since| *since >= 0);
            since.is_none_or(|since| since.unsigned_abs() >= every.as_secs())
        };
        if self.rules.sample_every.is_some_and(is_due) { Next::Run(Work::Sample) } else { Next::Rest }
    }

    /// Returns how long to stay away from a remote that asked for it: never less than it asked for.
    fn patience(&mut self, marked: &Marked, asked: Asked, failures: u32, now: &Now) -> Duration {
        let place = match (asked.spread, marked.replica) {
            (Some(window), Some(replica)) => {
                let window = window.min(LATER_MAX);
                if self.asked.len() >= REMEMBERED_MAX {
                    self.asked.retain(|_, (_, until)| *until > now.monotonic);
                }
                self.asked.insert(marked.store, (window, now.monotonic + window));
                place_in(window, &replica)
            }
            _ => Duration::ZERO,
        };
        match asked.after.map(|after| after.min(LATER_MAX)) {
            Some(after) => place + after + self.jitter.upper_half(after / 4),
            None if place.is_zero() => BUSY.delay(failures, &mut self.jitter),
            None => place,
        }
    }

    fn end(&mut self, out: &mut Vec<Action>) {
        if self.is_stopping && !self.has_ended && self.running() == 0 {
            self.has_ended = true;
            out.push(Action::Exit);
        }
    }
}

/// What is said.
impl State {
    /// Tells of something, unless it was the last that was told of this volume.
    fn tell(&mut self, key: &VolumeKey, notice: Notice, out: &mut Vec<Action>) {
        let Some(volume) = self.volumes.get_mut(key) else { return };
        if volume.told.as_ref() != Some(&notice) {
            volume.told = Some(notice.clone());
            out.push(Action::Tell(key.clone(), notice));
        }
    }

    fn tell_of(&mut self, key: &VolumeKey, marked: &Marked, work: Work, outcome: &Outcome, out: &mut Vec<Action>) {
        // What a sync finds broken is mended first.
        let is_last_word = self.volumes.get(key).is_none_or(|volume| volume.has_healed || work != Work::Sync);
        let notice = match outcome {
            Outcome::Synced { stale: true, .. } => Notice::Stale,
            Outcome::Synced { changed: true, generation, .. } => Notice::Updated(*generation),
            Outcome::Healed => Notice::Healed,
            Outcome::Damaged(why) if is_last_word => Notice::Damaged(why.clone()),
            Outcome::Full(why) => Notice::Full(why.clone()),
            Outcome::Unreachable(why) => {
                let last_good = self.records.get(marked).and_then(|record| record.last_good);
                Notice::Unreachable { why: why.clone(), last_good }
            }
            Outcome::Refused(why) => Notice::Refused(why.clone()),
            Outcome::NotTrusted(why) => Notice::NotTrusted(why.clone()),
            Outcome::Failed(why) => Notice::Failed(why.clone()),
            _ => return,
        };
        self.tell(key, notice, out);
    }
}

/// Time, rules and the end.
impl State {
    fn look_at_timers(&mut self, now: &Now, out: &mut Vec<Action>) {
        let is_due = |volume: &Volume| volume.timer().is_some_and(|timer| timer <= now.monotonic);
        let due = self.volumes.iter().filter(|(_, volume)| !self.is_stopping && is_due(volume));
        let due: Vec<_> = due.map(|(key, volume)| (key.clone(), volume.marked.is_some())).collect();
        for (key, is_known) in due {
            if is_known { self.consider(&key, now, out) } else { self.read_marker(&key, out) }
        }
        if self.hindered(now).is_some() {
            self.cancel_where(|_, _| true, out);
        }
    }

    fn cancel_where(&mut self, chosen: impl Fn(&Rules, &Marked) -> bool, out: &mut Vec<Action>) {
        let Self { rules, volumes, .. } = self;
        for volume in volumes.values_mut() {
            let Some(marked) = volume.marked else { continue };
            if let Stage::Working { ticket, is_stopping, .. } = &mut volume.stage
                && !*is_stopping
                && chosen(rules, &marked)
            {
                *is_stopping = true;
                out.push(Action::Cancel(*ticket));
            }
        }
    }

    fn jumped(&mut self, now: &Now) {
        self.jumped = Some(now.monotonic);
        let Self { volumes, jitter, .. } = self;
        for volume in volumes.values_mut() {
            let Stage::Waiting { until, why } = &mut volume.stage else { continue };
            match why {
                Why::Window | Why::Metered => *until = now.monotonic,
                Why::Unreachable => *until = (*until).min(now.monotonic + jitter.upper_half(AFTER_SLEEP)),
                Why::Spread | Why::Later | Why::Locked | Why::Gone | Why::Refused => {}
            }
        }
    }

    fn configured(&mut self, rules: Rules, now: &Now, out: &mut Vec<Action>) {
        self.rules = rules;
        self.cancel_where(|rules, marked| !rules.stores.contain(marked.store), out);
        let keys: Vec<_> = self.volumes.keys().cloned().collect();
        for key in keys {
            let Some(Volume { stage, marked: Some(marked), .. }) = self.volumes.get(&key).cloned() else { continue };
            match stage {
                Stage::Waiting { why: Why::Later | Why::Locked, .. } => {}
                Stage::Waiting { .. } | Stage::Queued { .. } => self.consider(&key, now, out),
                Stage::LeftAlone if self.is_ours(&marked) => self.met(&key, marked, now, out),
                _ => {}
            }
        }
    }

    fn stop(&mut self, out: &mut Vec<Action>) {
        self.is_stopping = true;
        self.cancel_where(|_, _| true, out);
        self.end(out);
    }

    fn set_timer(&mut self, now: &Now, out: &mut Vec<Action>) {
        let timers = self.volumes.values().filter_map(Volume::timer);
        // A run ends with its window.
        let is_running = |volume: &Volume| matches!(volume.stage, Stage::Working { is_stopping: false, .. });
        let closes = self.volumes.values().any(is_running).then(|| self.rules.windows.until_change(now)).flatten();
        let next = timers.chain(closes.map(|span| now.monotonic + span)).min();
        let wake = next.filter(|_| !self.is_stopping);
        if wake != self.wake {
            self.wake = wake;
            out.push(Action::Wake(wake));
        }
    }
}

/// Returns where a volume can be read, for tests and tables.
impl State {
    /// Returns the path of a volume that is there.
    #[must_use]
    pub fn path(&self, key: &VolumeKey) -> Option<&Path> {
        self.volumes.get(key)?.path.as_deref()
    }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
