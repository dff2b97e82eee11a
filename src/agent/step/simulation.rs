//! Whole lives of an agent from a seed: volumes that come, go and lie, doubled and reordered events, runs that end in any way,
//! clocks that jump. After every step the invariants hold; in the end every key that stayed is up to date.
//!
//! A failure names its seed: `CHUNKSTORE_AGENT_SEED=N cargo test agent::step::simulation` plays that one alone.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::base::random::{Random, SeededRandom, random_array};
use crate::base::{Generation, Timestamp};

const LIVES: u64 = 300;
const STEPS: usize = 400;
const VOLUMES: usize = 5;

/// What stands on a simulated volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ours(u8),
    Foreign,
    Empty,
    Newer,
    Dead,
}

struct Slot {
    kind: Kind,
    is_here: bool,
    plugs: u32,
    /// Told in this order; the last is true.
    telling: Vec<What>,
    synced_in_plug: bool,
}

struct Life {
    seed: u64,
    random: SeededRandom,
    state: Option<State>,
    now: Now,
    slots: Vec<Slot>,
    wake: Option<Duration>,
    reads: BTreeMap<Ticket, PathBuf>,
    runs: BTreeMap<Ticket, (PathBuf, Marked, Work)>,
    cancelled: BTreeSet<Ticket>,
    /// How many runs there were on each path, which is new with each plug.
    runs_on: BTreeMap<PathBuf, u32>,
    is_calm: bool,
    is_stopped: bool,
    exits: u32,
}

fn key(slot: usize) -> VolumeKey {
    VolumeKey(format!("disk{slot}"))
}

fn path(slot: usize, plug: u32) -> PathBuf {
    PathBuf::from(format!("/mnt/{slot}/{plug}"))
}

fn slot_of(path: &Path) -> usize {
    let text = path.to_str().unwrap();
    text.split('/').nth(2).unwrap().parse().unwrap()
}

/// Two slots hold the same replica, so that a copy is among them.
fn marked(replica: u8) -> Marked {
    let replica = ReplicaId([replica % 3; 16]);
    Marked { store: StoreId([1; 16]), replica: Some(replica), is_pinned: true, has_remote: true }
}

fn found(kind: Kind) -> Found {
    match kind {
        Kind::Ours(replica) => Found::Store(marked(replica)),
        Kind::Foreign => Found::Store(Marked { store: StoreId([9; 16]), ..marked(0) }),
        Kind::Empty => Found::NoStore,
        Kind::Newer => Found::Newer,
        Kind::Dead => Found::Unread("bad sector".into()),
    }
}

impl Life {
    fn new(seed: u64) -> Self {
        let random = SeededRandom::new(seed);
        let mut rules = Rules {
            stores: crate::agent::rules::Stores::Listed([StoreId([1; 16])].into()),
            runs_max: 1 + usize::from(random_array::<1>(&random)[0] % 3),
            ..Rules::default()
        };
        let flags = random_array::<1>(&random)[0];
        rules.collect_below_bytes = (flags & 1 != 0).then_some(1000);
        rules.sample_every = (flags & 2 != 0).then_some(Duration::from_secs(86_400));
        rules.spread = (flags & 12 == 0).then_some(Duration::from_secs(7200));
        if flags & 48 == 0 {
            rules.windows = super::super::windows::Windows::new(vec!["mon-fri 18:00-08:00".parse().unwrap()]).unwrap();
        }
        let kinds = [Kind::Ours(0), Kind::Ours(1), Kind::Ours(3), Kind::Foreign, Kind::Empty, Kind::Newer, Kind::Dead];
        let slots = (0..VOLUMES).map(|_| {
            let kind = kinds[usize::from(random_array::<1>(&random)[0]) % kinds.len()];
            Slot { kind, is_here: false, plugs: 0, telling: Vec::new(), synced_in_plug: false }
        });
        Self {
            seed,
            slots: slots.collect(),
            random,
            state: Some(State::new(rules, seed, Vec::new())),
            now: Now {
                monotonic: Duration::from_secs(100),
                wall: Timestamp(1_767_571_200_000_000_000),
                utc_offset_secs: 3600,
                is_metered: false,
            },
            wake: None,
            reads: BTreeMap::new(),
            runs: BTreeMap::new(),
            cancelled: BTreeSet::new(),
            runs_on: BTreeMap::new(),
            is_calm: false,
            is_stopped: false,
            exits: 0,
        }
    }

    fn draw(&self, below: usize) -> usize {
        let mut bytes = [0; 4];
        self.random.fill(&mut bytes);
        u32::from_le_bytes(bytes) as usize % below
    }

    fn advance(&mut self, span: Duration) {
        self.now.monotonic += span;
        self.now.wall = Timestamp(self.now.wall.0 + i64::try_from(span.as_nanos()).unwrap());
    }

    fn hear(&mut self, what: What) {
        let told = format!("{what:?}");
        let event = Event { now: self.now, what };
        let (state, actions) = step(self.state.take().unwrap(), event);
        self.state = Some(state);
        for action in actions {
            self.perform(action);
        }
        self.check(&told);
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Wake(wake) => {
                assert_ne!(wake, self.wake, "seed {}: a timer was set anew for nothing", self.seed);
                self.wake = wake;
            }
            Action::ReadMarker { ticket, path } => {
                assert!(self.reads.insert(ticket, path).is_none(), "seed {}: {ticket:?} twice", self.seed);
            }
            Action::Run { ticket, work, path, marked } => self.begin(ticket, work, path, marked),
            Action::Cancel(ticket) => {
                assert!(self.runs.contains_key(&ticket), "seed {}: {ticket:?} does not run", self.seed);
                assert!(self.cancelled.insert(ticket), "seed {}: {ticket:?} was told already", self.seed);
            }
            Action::Tell(key, notice) => {
                let slot: usize = key.0.trim_start_matches("disk").parse().unwrap();
                let is_ours = matches!(self.slots[slot].kind, Kind::Ours(_));
                let is_log = matches!(notice, Notice::NoStore | Notice::NotOurs(_) | Notice::Newer | Notice::Unread(_));
                // One of ours that was just pulled looks empty.
                assert!(is_ours || is_log, "seed {}: {notice:?} of {:?}", self.seed, self.slots[slot].kind);
            }
            Action::Save => {}
            Action::Exit => self.exits += 1,
        }
    }

    fn begin(&mut self, ticket: Ticket, work: Work, path: PathBuf, marked: Marked) {
        let slot = slot_of(&path);
        assert!(matches!(self.slots[slot].kind, Kind::Ours(_)), "seed {}: a run on {path:?}", self.seed);
        assert!(!self.is_stopped, "seed {}: a run after the end", self.seed);
        for (other, running, _) in self.runs.values() {
            assert_ne!(slot_of(other), slot, "seed {}: two runs on {path:?}", self.seed);
            assert_ne!(running.replica, marked.replica, "seed {}: two runs on one replica", self.seed);
        }
        *self.runs_on.entry(path.clone()).or_default() += 1;
        assert!(self.runs.insert(ticket, (path, marked, work)).is_none(), "seed {}: {ticket:?} twice", self.seed);
    }

    fn check(&self, told: &str) {
        let state = self.state.as_ref().unwrap();
        assert_eq!(state.running(), self.runs.len(), "seed {}: after {told}", self.seed);
        assert!(state.running() <= state.rules.runs_max, "seed {}: too many runs", self.seed);
        if state.volumes.is_empty() {
            assert_eq!(self.wake, None, "seed {}: a timer with nothing plugged in", self.seed);
        }
    }

    /// Plugs a volume in or pulls it, and tells of it badly.
    fn replug(&mut self) {
        let at = self.draw(VOLUMES);
        let noise = [self.draw(3), self.draw(4), self.draw(4)];
        let slot = &mut self.slots[at];
        slot.is_here = !slot.is_here;
        slot.synced_in_plug = false;
        if !slot.is_here {
            slot.telling.push(What::Gone(key(at)));
            (0..noise[0]).for_each(|_| slot.telling.push(What::Gone(key(at))));
            return;
        }
        slot.plugs += 1;
        let mounted = What::Mounted(key(at), path(at, slot.plugs));
        let mut telling = vec![What::Arrived(key(at)), mounted.clone()];
        (0..noise[0]).for_each(|_| telling.push(What::Arrived(key(at))));
        (0..noise[1]).for_each(|_| telling.push(mounted.clone()));
        let turn = noise[2] % telling.len();
        telling.rotate_left(turn);
        telling.push(mounted);
        slot.telling.extend(telling);
    }

    fn tell_one(&mut self) {
        let at = self.draw(VOLUMES);
        if !self.slots[at].telling.is_empty() {
            let what = self.slots[at].telling.remove(0);
            self.hear(what);
        }
    }

    fn answer_read(&mut self) {
        let Some(ticket) = self.reads.keys().nth(self.draw(self.reads.len().max(1))).copied() else { return };
        let path = self.reads.remove(&ticket).unwrap();
        let kind = self.slots[slot_of(&path)].kind;
        let is_gone = path != self.truth(slot_of(&path));
        self.hear(What::MarkerRead(ticket, if is_gone { Found::NoStore } else { found(kind) }));
        // Answered twice.
        self.hear(What::MarkerRead(ticket, found(kind)));
    }

    fn truth(&self, at: usize) -> PathBuf {
        path(at, self.slots[at].plugs)
    }

    fn answer_run(&mut self) {
        let Some(ticket) = self.runs.keys().nth(self.draw(self.runs.len().max(1))).copied() else { return };
        if !self.is_calm && self.draw(3) == 0 {
            return self.hear(What::Progress(ticket, Progress { done_bytes: 1, total_bytes: 2 }));
        }
        let (path, _, work) = self.runs.remove(&ticket).unwrap();
        let outcome = if self.cancelled.remove(&ticket) { Outcome::Interrupted } else { self.outcome(work) };
        let slot = slot_of(&path);
        if matches!(outcome, Outcome::Synced { .. }) && self.slots[slot].is_here && path == self.truth(slot) {
            self.slots[slot].synced_in_plug = true;
        }
        let ended = Ended { outcome, free_bytes: Some(self.draw(2000) as u64), no_receipt: None };
        self.hear(What::Ended(ticket, ended.clone()));
        self.hear(What::Ended(ticket, ended));
    }

    fn outcome(&self, work: Work) -> Outcome {
        let synced = Outcome::Synced { generation: Generation(2), changed: self.draw(2) == 0, stale: false };
        let good = match work {
            Work::Sync => synced,
            Work::Collect => Outcome::Collected(3),
            Work::Sample | Work::Heal => Outcome::Sound,
        };
        let why = || "so it was drawn".to_owned();
        let asked = Asked { after: Some(Duration::from_secs(40)), spread: Some(Duration::from_secs(600)) };
        match if self.is_calm { 99 } else { self.draw(30) } {
            0 => Outcome::Unreachable(why()),
            1 => Outcome::Later(asked),
            2 => Outcome::Later(Asked::default()),
            3 => Outcome::Refused(why()),
            4 => Outcome::NotTrusted(why()),
            5 => Outcome::Full(why()),
            6 => Outcome::Locked,
            7 => Outcome::Damaged(why()),
            8 => Outcome::Gone,
            9 => Outcome::Interrupted,
            10 => Outcome::Failed(why()),
            _ => good,
        }
    }

    fn wake_up(&mut self) {
        match self.wake {
            Some(wake) => {
                self.advance(wake.saturating_sub(self.now.monotonic));
                self.hear(What::Tick);
            }
            None => self.hear(What::Tick),
        }
    }

    fn play(&mut self) {
        for _ in 0..STEPS {
            match self.draw(12) {
                0 | 1 => self.replug(),
                2..=5 => self.tell_one(),
                6 | 7 => self.answer_read(),
                8 | 9 => self.answer_run(),
                10 => self.wake_up(),
                _ => self.odd_event(),
            }
        }
    }

    fn odd_event(&mut self) {
        match self.draw(5) {
            0 => self.hear(What::Jumped),
            1 => {
                // The wall clock is set, and nobody says so.
                let secs = self.draw(200_000) as i64 - 100_000;
                self.now.wall = self.now.wall.plus_secs(secs);
            }
            2 => self.now.is_metered = !self.now.is_metered,
            3 => {
                let rules = Rules { on_metered: self.draw(2) == 0, ..self.state.as_ref().unwrap().rules.clone() };
                self.hear(What::Configured(rules));
            }
            _ => self.advance(Duration::from_millis(700)),
        }
    }

    /// Nothing odd happens any more, and all that was asked is answered well.
    fn calm_down(&mut self) {
        self.is_calm = true;
        self.now.is_metered = false;
        for at in 0..VOLUMES {
            while !self.slots[at].telling.is_empty() {
                let what = self.slots[at].telling.remove(0);
                self.hear(what);
            }
        }
        for _ in 0..2000 {
            while !self.reads.is_empty() || !self.runs.is_empty() {
                self.answer_read();
                self.answer_run();
            }
            if self.is_all_synced() {
                return;
            }
            self.wake_up();
        }
    }

    fn is_all_synced(&self) -> bool {
        self.slots.iter().all(|slot| !slot.is_here || !matches!(slot.kind, Kind::Ours(_)) || slot.synced_in_plug)
    }

    fn end(&mut self) {
        self.is_stopped = true;
        self.hear(What::Stop);
        while !self.runs.is_empty() {
            assert_eq!(self.exits, 0, "seed {}: the end came before that of a run", self.seed);
            self.answer_run();
        }
        self.hear(What::Tick);
        assert_eq!(self.exits, 1, "seed {}: it ends once", self.seed);
    }
}

#[test]
fn whatever_happens_the_invariants_hold_and_every_key_is_synced_in_the_end() {
    // A test's own switch.
    #[expect(clippy::disallowed_methods, reason = "a switch of this test")]
    let chosen = std::env::var("CHUNKSTORE_AGENT_SEED").ok().and_then(|text| text.parse().ok());
    let seeds = chosen.map_or(0..LIVES, |seed| seed..seed + 1);
    let mut plugs = 0;
    for seed in seeds {
        let mut life = Life::new(seed);
        life.play();
        life.calm_down();
        assert!(
            life.is_all_synced(),
            "seed {seed}: a key was never synced: {:#?}",
            life.state.as_ref().unwrap().volumes
        );
        plugs += life.slots.iter().map(|slot| slot.plugs).sum::<u32>();
        life.end();
    }
    assert!(chosen.is_some() || plugs > 5000, "only {plugs} volumes were plugged in");
}

// U3
#[test]
fn where_nothing_fails_each_plug_has_one_run_however_often_it_is_told() {
    let mut runs = 0;
    for seed in 0..LIVES {
        let mut life = Life::new(seed);
        let stores = life.state.as_ref().unwrap().rules.stores.clone();
        life.hear(What::Configured(Rules { stores, recheck: None, ..Rules::default() }));
        life.is_calm = true;
        for _ in 0..STEPS {
            match life.draw(8) {
                0 => life.replug(),
                1..=3 => life.tell_one(),
                4 => life.answer_read(),
                5 => life.answer_run(),
                6 => life.hear(What::Jumped),
                _ => life.wake_up(),
            }
        }
        life.calm_down();
        for (path, count) in &life.runs_on {
            assert_eq!(*count, 1, "seed {seed}: {path:?}");
        }
        runs += life.runs_on.len();
        life.end();
    }
    assert!(runs > 400, "only {runs} runs");
}
