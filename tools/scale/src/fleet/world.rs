//! Keys with their agents and habits, the server, and everything that happens between them in a week.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::path::PathBuf;
use std::time::Duration;

use chunkstore::agent::event::{
    Action, Asked, Ended, Event, Found, Marked, Outcome, Progress, Ticket, VolumeKey, What, Work,
};
use chunkstore::agent::now::Now;
use chunkstore::agent::rules::{Rules, Stores};
use chunkstore::agent::step::{State, step};
use chunkstore::base::{Generation, ReplicaId, StoreId, Timestamp};
use xtask::content::Draw;

use super::Spread;
use super::server::Link;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// What is played.
pub const WEEK: u64 = 7 * DAY;
/// When the release comes out.
pub const RELEASE: u64 = 8 * HOUR;
/// Monday, 2026-11-23, in seconds of the wall clock.
const BEGIN: u64 = 1_795_392_000;
/// How long a look at HEAD holds a session.
const LOOK_SECS: f64 = 1.0;
/// How long it takes to be turned away.
const REFUSAL_SECS: f64 = 0.2;
/// Whoever was plugged in so long since the release and has nothing of it starved.
const PATIENCE: u64 = 24 * HOUR;
/// How long whoever is turned away by a server that spreads is asked to stay away besides.
const STAY_AWAY: Duration = Duration::from_secs(60);

/// What happens to a key at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Plugged,
    Pulled,
    Woken,
    Refused(Ticket),
    Looked(Ticket),
}

/// A moment in microseconds, so that moments can be sorted.
type Moment = u64;

struct Key {
    state: Option<State>,
    replica: ReplicaId,
    left_bytes: f64,
    is_current: bool,
    is_in: bool,
    wake: Option<Moment>,
    /// The run that goes on, and where the common clock stood when its transfer began.
    run: Option<(Ticket, Option<f64>)>,
    plugs: u64,
    plugged_at: u64,
    /// Seconds that it was plugged in since the release without having it.
    waited: u64,
}

/// What the server saw, minute by minute.
#[derive(Debug, Clone, Default)]
pub struct Curve {
    /// Sessions at the end of the minute.
    pub sessions: Vec<u64>,
    /// Bytes that went out.
    pub bytes: Vec<u64>,
    /// How many were turned away.
    pub turned_away: Vec<u64>,
    /// How many keys had the release at its end.
    pub current: Vec<u64>,
}

/// How a week went.
#[derive(Debug, Clone)]
pub struct Week {
    /// Minute by minute.
    pub curve: Curve,
    /// Keys that had the release at the end.
    pub current: u64,
    /// Keys in all.
    pub keys: u64,
    /// Runs that asked the server.
    pub asked: u64,
    /// Those that were turned away.
    pub turned_away: u64,
    /// Bytes that went out.
    pub bytes: u64,
    /// Keys that were plugged in for a day's time since the release and do not have it.
    pub starved: u64,
}

impl Week {
    /// Returns how many hours after the release this share of all keys had it.
    #[must_use]
    pub fn hours_until(&self, share: f64) -> Option<f64> {
        let enough = (self.keys as f64 * share).ceil() as u64;
        let minute = self.curve.current.iter().position(|current| *current >= enough)? as u64;
        Some((minute * MINUTE).saturating_sub(RELEASE) as f64 / HOUR as f64)
    }
}

/// The week.
pub struct World {
    keys: Vec<Key>,
    link: Link,
    spread: Spread,
    window: Duration,
    update_bytes: f64,
    now: Moment,
    happenings: BinaryHeap<Reverse<(Moment, usize, Happening)>>,
    /// Whose transfers they are.
    transfers: HashMap<u64, usize>,
    last_transfer: u64,
    curve: Curve,
    asked: u64,
    turned_away: u64,
    counted: (u64, f64),
    current: u64,
}

impl World {
    /// Makes keys that have what was before the release, and draws when each is plugged in.
    pub fn new(count: usize, update_bytes: u64, link: Link, spread: Spread, window: Duration, seed: u64) -> Self {
        let mut draw = Draw::new(seed);
        let spread_by_rules = (spread == Spread::Configured).then_some(window);
        let rules = Rules { stores: Stores::Any, spread: spread_by_rules, ..Rules::default() };
        let mut happenings = BinaryHeap::new();
        let mut keys = Vec::with_capacity(count);
        for at in 0..count {
            plug_in(at, &mut draw, &mut happenings);
            let mut replica = [0; 16];
            draw.fill(&mut replica);
            keys.push(Key {
                state: Some(State::new(rules.clone(), draw.number(), Vec::new())),
                replica: ReplicaId(replica),
                left_bytes: 0.0,
                is_current: false,
                is_in: false,
                wake: None,
                run: None,
                plugs: 0,
                plugged_at: 0,
                waited: 0,
            });
        }
        Self {
            keys,
            link,
            spread,
            window,
            update_bytes: update_bytes as f64,
            now: 0,
            happenings,
            transfers: HashMap::new(),
            last_transfer: 0,
            curve: Curve::default(),
            asked: 0,
            turned_away: 0,
            counted: (0, 0.0),
            current: 0,
        }
    }

    /// Plays the week.
    pub fn play(&mut self) -> Week {
        self.keys.iter_mut().for_each(|key| key.left_bytes = self.update_bytes);
        loop {
            let end = self.link.next_end().map(|secs| (secs * 1e6).ceil() as Moment);
            let next = self.happenings.peek().map(|Reverse((at, ..))| *at);
            let at = end.unwrap_or(Moment::MAX).min(next.unwrap_or(Moment::MAX)).max(self.now);
            self.count_until(at.min(WEEK * 1_000_000));
            if at >= WEEK * 1_000_000 {
                break;
            }
            self.now = at;
            self.link.advance(at as f64 / 1e6);
            if end.is_some_and(|end| end <= at) {
                self.end_transfer();
            } else if let Some(Reverse((_, at, what))) = self.happenings.pop() {
                self.happen(at, what);
            }
        }
        let now = WEEK;
        let starved = self.keys.iter().filter(|key| !key.is_current && key.waited_by(now) >= PATIENCE);
        Week {
            current: self.current,
            keys: self.keys.len() as u64,
            asked: self.asked,
            turned_away: self.turned_away,
            bytes: self.link.sent_bytes as u64,
            starved: starved.count() as u64,
            curve: std::mem::take(&mut self.curve),
        }
    }

    /// Fills the curve up to a moment.
    fn count_until(&mut self, at: Moment) {
        while (self.curve.sessions.len() as u64 + 1) * MINUTE * 1_000_000 <= at {
            self.link.advance((self.curve.sessions.len() as u64 + 1) as f64 * MINUTE as f64);
            let (turned_away, bytes) = self.counted;
            self.curve.sessions.push(self.link.sessions() as u64);
            self.curve.bytes.push((self.link.sent_bytes - bytes) as u64);
            self.curve.turned_away.push(self.turned_away - turned_away);
            self.curve.current.push(self.current);
            self.counted = (self.turned_away, self.link.sent_bytes);
        }
    }

    fn happen(&mut self, at: usize, what: Happening) {
        let key = &mut self.keys[at];
        match what {
            Happening::Plugged => {
                (key.is_in, key.plugs) = (true, key.plugs + 1);
                key.plugged_at = self.now / 1_000_000;
                let path = PathBuf::from(format!("/k/{}", key.plugs));
                self.tell(at, What::Mounted(volume(), path));
            }
            Happening::Pulled => {
                key.waited = key.waited_by(self.now / 1_000_000);
                key.is_in = false;
                self.tell(at, What::Gone(volume()));
            }
            Happening::Woken if key.wake == Some(self.now) => {
                key.wake = None;
                self.tell(at, What::Tick);
            }
            Happening::Woken => {}
            Happening::Refused(ticket) => {
                let asked = match self.spread {
                    Spread::Asked => Asked { after: Some(STAY_AWAY), spread: Some(self.window) },
                    Spread::None | Spread::Configured => Asked::default(),
                };
                self.end(at, ticket, Outcome::Later(asked));
            }
            Happening::Looked(ticket) => self.looked(at, ticket),
        }
    }

    /// HEAD was fetched: there is something new, or there is not.
    fn looked(&mut self, at: usize, ticket: Ticket) {
        let key = &mut self.keys[at];
        if key.run != Some((ticket, None)) {
            return;
        }
        if self.now < RELEASE * 1_000_000 || key.is_current {
            self.link.log_out();
            return self.end(at, ticket, synced(key_generation(self.keys[at].is_current), false));
        }
        self.last_transfer += 1;
        let begun = self.link.begin(self.last_transfer, key.left_bytes);
        key.run = Some((ticket, Some(begun)));
        self.transfers.insert(self.last_transfer, at);
        let (total_bytes, left_bytes) = (self.update_bytes as u64, key.left_bytes as u64);
        let progress = Progress { done_bytes: total_bytes.saturating_sub(left_bytes), total_bytes };
        self.tell(at, What::Progress(ticket, progress));
    }

    fn end_transfer(&mut self) {
        let Some(at) = self.link.end_next().and_then(|transfer| self.transfers.remove(&transfer)) else { return };
        self.link.log_out();
        let key = &mut self.keys[at];
        let Some((ticket, _)) = key.run else { return };
        key.waited = key.waited_by(self.now / 1_000_000);
        (key.left_bytes, key.is_current) = (0.0, true);
        self.current += 1;
        self.end(at, ticket, synced(2, true));
    }

    fn end(&mut self, at: usize, ticket: Ticket, outcome: Outcome) {
        // A run that was cut off has answered already.
        if self.keys[at].run.is_some_and(|(own, _)| own == ticket) {
            self.keys[at].run = None;
            self.tell(at, ended(ticket, outcome));
        }
    }

    /// Tells an agent something, does what it says, and tells it what came of that at once.
    fn tell(&mut self, at: usize, what: What) {
        let mut heard = VecDeque::from([what]);
        while let Some(what) = heard.pop_front() {
            for action in self.step(at, what) {
                heard.extend(self.perform(at, action));
            }
        }
    }

    fn step(&mut self, at: usize, what: What) -> Vec<Action> {
        let Some(state) = self.keys[at].state.take() else { return Vec::new() };
        let wall = (BEGIN * 1_000_000 + self.now) * 1000;
        let now = Now {
            monotonic: Duration::from_micros(self.now),
            wall: Timestamp(i64::try_from(wall).unwrap_or(i64::MAX)),
            utc_offset_secs: 0,
            is_metered: false,
        };
        let (state, actions) = step(state, Event { now, what });
        self.keys[at].state = Some(state);
        actions
    }

    /// Does what an agent says; returns what it hears of that at once.
    fn perform(&mut self, at: usize, action: Action) -> Option<What> {
        match action {
            Action::Wake(wake) => {
                let wake = wake.map(|wake| u64::try_from(wake.as_nanos().div_ceil(1000)).unwrap_or(Moment::MAX));
                self.keys[at].wake = wake.map(|wake| wake.max(self.now));
                if let Some(wake) = self.keys[at].wake {
                    self.happenings.push(Reverse((wake, at, Happening::Woken)));
                }
            }
            Action::ReadMarker { ticket, .. } => {
                let replica = Some(self.keys[at].replica);
                let marked = Marked { store: StoreId([1; 16]), replica, is_pinned: true, has_remote: true };
                return Some(What::MarkerRead(ticket, Found::Store(marked)));
            }
            Action::Run { ticket, work: Work::Sync, .. } => self.ask(at, ticket),
            Action::Run { ticket, .. } => return Some(ended(ticket, Outcome::Sound)),
            Action::Cancel(ticket) => return self.cut_off(at, ticket),
            Action::Tell(..) | Action::Save | Action::Exit => {}
        }
        None
    }

    /// A run asks the server for a session.
    fn ask(&mut self, at: usize, ticket: Ticket) {
        self.asked += 1;
        self.keys[at].run = Some((ticket, None));
        let (secs, what) = if self.link.log_in() {
            (LOOK_SECS, Happening::Looked(ticket))
        } else {
            self.turned_away += 1;
            (REFUSAL_SECS, Happening::Refused(ticket))
        };
        self.happenings.push(Reverse((self.now + (secs * 1e6) as u64, at, what)));
    }

    /// A key was pulled in the middle: what it got stays on it.
    fn cut_off(&mut self, at: usize, ticket: Ticket) -> Option<What> {
        let is_refused = |Reverse((_, key, what)): &Reverse<(Moment, usize, Happening)>| {
            *key == at && *what == Happening::Refused(ticket)
        };
        let (_, begun) = self.keys[at].run.take_if(|(own, _)| *own == ticket)?;
        match begun {
            Some(begun) => {
                let transfer = self.transfers.iter().find(|(_, owner)| **owner == at).map(|(transfer, _)| *transfer);
                if let Some(transfer) = transfer {
                    self.transfers.remove(&transfer);
                    let got = self.link.cut(transfer, begun);
                    self.keys[at].left_bytes = (self.keys[at].left_bytes - got).max(0.0);
                }
                self.link.log_out();
            }
            None if self.happenings.iter().any(is_refused) => {}
            None => self.link.log_out(),
        }
        Some(ended(ticket, Outcome::Interrupted))
    }
}

impl Key {
    /// Returns for how many seconds it was plugged in since the release without having it.
    fn waited_by(&self, now: u64) -> u64 {
        let since = self.plugged_at.max(RELEASE);
        self.waited + if self.is_in && !self.is_current { now.saturating_sub(since) } else { 0 }
    }
}

fn volume() -> VolumeKey {
    VolumeKey("k".to_owned())
}

fn key_generation(is_current: bool) -> u64 {
    1 + u64::from(is_current)
}

fn ended(ticket: Ticket, outcome: Outcome) -> What {
    What::Ended(ticket, Ended { outcome, free_bytes: None, no_receipt: None })
}

fn synced(generation: u64, changed: bool) -> Outcome {
    Outcome::Synced { generation: Generation(generation), changed, stale: false }
}

/// Draws when a key is plugged in and pulled: on nine working days of ten, most within an hour of nine, for 2 to 8 hours.
fn plug_in(at: usize, draw: &mut Draw, happenings: &mut BinaryHeap<Reverse<(Moment, usize, Happening)>>) {
    for day in 0..5 {
        if draw.below(10) == 0 {
            continue;
        }
        // Three evenly drawn half hours together lie close to their middle.
        let from = day * DAY + 8 * HOUR + 15 * MINUTE + (0..3).map(|_| draw.below(30 * MINUTE)).sum::<u64>();
        let to = from + 2 * HOUR + draw.below(6 * HOUR);
        let spread = draw.below(1_000_000);
        happenings.push(Reverse((from * 1_000_000 + spread, at, Happening::Plugged)));
        happenings.push(Reverse((to * 1_000_000 + spread, at, Happening::Pulled)));
    }
}
