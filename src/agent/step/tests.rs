//! What an agent does, row by row.

use super::*;
use crate::agent::rules::Stores;
use crate::base::{Generation, Timestamp};

const STORE: StoreId = StoreId([1; 16]);
const MONDAY: i64 = 1_767_571_200;

/// An agent, its time, and what it did last.
struct Agent {
    state: Option<State>,
    now: Now,
    did: Vec<Action>,
}

fn rules() -> Rules {
    Rules { stores: Stores::Listed([STORE].into()), recheck: None, ..Rules::default() }
}

fn marked(replica: u8) -> Marked {
    Marked { store: STORE, replica: Some(ReplicaId([replica; 16])), is_pinned: true, has_remote: true }
}

fn key(name: &str) -> VolumeKey {
    VolumeKey(name.into())
}

fn up_to_date() -> Outcome {
    Outcome::Synced { generation: Generation(7), changed: false, stale: false }
}

impl Agent {
    fn new(rules: Rules) -> Self {
        let wall = Timestamp(MONDAY * 1_000_000_000);
        let now = Now { monotonic: Duration::from_secs(50), wall, utc_offset_secs: 0, is_metered: false };
        Self { state: Some(State::new(rules, 1, Vec::new())), now, did: Vec::new() }
    }

    fn hear(&mut self, what: What) -> &[Action] {
        let (state, did) = step(self.state.take().unwrap(), Event { now: self.now, what });
        (self.state, self.did) = (Some(state), did);
        &self.did
    }

    fn after(&mut self, secs: f64) -> &[Action] {
        let span = Duration::from_secs_f64(secs);
        self.now.monotonic += span;
        self.now.wall = Timestamp(self.now.wall.0 + span.as_nanos() as i64);
        self.hear(What::Tick)
    }

    fn wake_in(&self) -> Option<f64> {
        self.state.as_ref().unwrap().wake.map(|wake| wake.as_secs_f64() - self.now.monotonic.as_secs_f64())
    }

    fn plug(&mut self, name: &str) {
        self.hear(What::Mounted(key(name), PathBuf::from("/mnt").join(name)));
    }

    /// Plugs a volume in and answers for its marker; returns what follows.
    fn meet(&mut self, name: &str, found: Found) -> Vec<Action> {
        self.plug(name);
        let ticket = read_ticket(self.after(2.0)).expect("the marker is read");
        self.hear(What::MarkerRead(ticket, found)).to_vec()
    }

    fn begin(&mut self, name: &str, replica: u8) -> Ticket {
        let did = self.meet(name, Found::Store(marked(replica)));
        run_of(&did).expect("a run begins").0
    }

    fn end(&mut self, ticket: Ticket, outcome: Outcome) -> Vec<Action> {
        self.hear(What::Ended(ticket, Ended { outcome, free_bytes: Some(5000), no_receipt: None })).to_vec()
    }
}

fn read_ticket(actions: &[Action]) -> Option<Ticket> {
    actions.iter().find_map(|action| match action {
        Action::ReadMarker { ticket, .. } => Some(*ticket),
        _ => None,
    })
}

fn run_of(actions: &[Action]) -> Option<(Ticket, Work)> {
    actions.iter().find_map(|action| match action {
        Action::Run { ticket, work, .. } => Some((*ticket, *work)),
        _ => None,
    })
}

fn told(actions: &[Action]) -> Vec<Notice> {
    let notice = |action: &Action| match action {
        Action::Tell(_, notice) => Some(notice.clone()),
        _ => None,
    };
    actions.iter().filter_map(notice).collect()
}

#[test]
fn u1_a_known_key_is_synced_after_it_settled() {
    let mut agent = Agent::new(rules());
    assert_eq!(agent.hear(What::Arrived(key("a"))), []);
    agent.plug("a");
    assert_eq!(agent.did, [Action::Wake(Some(Duration::from_secs(52)))]);
    assert_eq!(agent.after(1.9), []);
    let ticket = read_ticket(agent.after(0.1)).unwrap();
    let did = agent.hear(What::MarkerRead(ticket, Found::Store(marked(1)))).to_vec();
    let (ticket, work) = run_of(&did).unwrap();
    assert_eq!((did.len(), work), (1, Work::Sync));
    assert_eq!(told(&agent.end(ticket, up_to_date())), [], "nothing new is nothing to tell");
    assert_eq!(agent.wake_in(), None);
    assert_eq!(agent.hear(What::Gone(key("a"))), []);
}

#[test]
fn u1_other_volumes_get_a_line_and_no_run() {
    let unlisted = Marked { store: StoreId([2; 16]), ..marked(1) };
    let cases = [
        (Found::NoStore, Notice::NoStore),
        (Found::Newer, Notice::Newer),
        (Found::Store(unlisted), Notice::NotOurs(unlisted.store)),
        (Found::Store(Marked { has_remote: false, ..marked(1) }), Notice::NotOurs(STORE)),
        (Found::Store(Marked { is_pinned: false, ..marked(1) }), Notice::NotOurs(STORE)),
        (Found::Store(Marked { replica: None, ..marked(1) }), Notice::NotOurs(STORE)),
    ];
    for (found, notice) in cases {
        let mut agent = Agent::new(rules());
        assert_eq!(agent.meet("a", found), [Action::Tell(key("a"), notice)]);
        assert_eq!(agent.wake_in(), None);
        assert_eq!(agent.hear(What::Mounted(key("a"), "/mnt/a".into())), []);
    }
}

#[test]
fn u1_a_marker_that_does_not_read_is_read_a_few_times() {
    let mut agent = Agent::new(rules());
    agent.plug("a");
    let mut waits = 2.0;
    for _ in 1..UNREAD_MAX {
        let ticket = read_ticket(agent.after(waits)).unwrap();
        assert_eq!(told(agent.hear(What::MarkerRead(ticket, Found::Unread("bad".into())))), []);
        waits = agent.wake_in().unwrap();
    }
    let ticket = read_ticket(agent.after(waits)).unwrap();
    let did = agent.hear(What::MarkerRead(ticket, Found::Unread("bad".into())));
    assert_eq!(told(did), [Notice::Unread("bad".into())]);
    assert_eq!(agent.wake_in(), None);
}

#[test]
fn u3_doubled_events_and_a_new_path_make_one_run() {
    let mut agent = Agent::new(rules());
    let ticket = agent.begin("a", 1);
    for what in [What::Arrived(key("a")), What::Mounted(key("a"), "/mnt/a".into()), What::Jumped, What::Tick] {
        assert_eq!(run_of(agent.hear(what)), None);
    }
    agent.hear(What::Mounted(key("a"), "/mnt/other".into()));
    agent.end(ticket, up_to_date());
    agent.hear(What::Mounted(key("a"), "/mnt/third".into()));
    assert_eq!(run_of(agent.after(100.0)), None);
    assert_eq!(agent.state.as_ref().unwrap().path(&key("a")), Some(Path::new("/mnt/third")));
}

#[test]
fn u3_a_key_that_comes_back_from_sleep_is_not_synced_again() {
    for (jump_first, secs, is_run) in [(true, 5.0, false), (false, 5.0, false), (true, 60.0, true)] {
        let mut agent = Agent::new(rules());
        let ticket = agent.begin("a", 1);
        agent.end(ticket, up_to_date());
        if jump_first {
            agent.hear(What::Jumped);
            agent.after(secs);
        }
        agent.hear(What::Gone(key("a")));
        if !jump_first {
            agent.after(secs);
            agent.hear(What::Jumped);
        }
        assert_eq!(run_of(&agent.meet("b", Found::Store(marked(1)))).is_some(), is_run, "{jump_first} {secs}");
    }
}

#[test]
fn u22_removal_ends_the_run_and_the_next_plug_waits_for_its_end() {
    let mut agent = Agent::new(rules());
    let first = agent.begin("a", 1);
    agent.hear(What::Progress(first, Progress { done_bytes: 63, total_bytes: 100 }));
    assert_eq!(told(&agent.did), [Notice::Updating]);
    agent.hear(What::Gone(key("a")));
    assert_eq!(agent.did, [Action::Cancel(first), Action::Tell(key("a"), Notice::Unplugged(63))]);
    // Nothing of it is taken for the new one, and two runs never overlap.
    assert_eq!(run_of(&agent.meet("a", Found::Store(marked(1)))), None);
    let did = agent.end(first, Outcome::Interrupted);
    let (second, _) = run_of(&did).unwrap();
    assert_ne!(first, second);
    assert_eq!(agent.end(first, up_to_date()), [], "the first has ended");
}

#[test]
fn u25_two_keys_run_at_once_up_to_a_bound() {
    let mut agent = Agent::new(Rules { runs_max: 2, ..rules() });
    let a = agent.begin("a", 1);
    let _b = agent.begin("b", 2);
    assert_eq!(run_of(&agent.meet("c", Found::Store(marked(3)))), None);
    assert!(run_of(&agent.end(a, up_to_date())).is_some());
}

#[test]
fn u2_one_replica_twice_is_told_and_never_runs_twice_at_once() {
    let mut agent = Agent::new(rules());
    let a = agent.begin("a", 1);
    let did = agent.meet("b", Found::Store(marked(1)));
    assert_eq!((told(&did), run_of(&did)), (vec![Notice::Twice], None));
    assert!(run_of(&agent.end(a, up_to_date())).is_some());
}

#[test]
fn u16_waits_double_while_the_server_does_not_answer() {
    let mut agent = Agent::new(rules());
    let mut ticket = agent.begin("a", 1);
    let mut longest = 30.0;
    for round in 0..10 {
        let did = agent.end(ticket, Outcome::Unreachable("no route".into()));
        assert_eq!(told(&did).len(), usize::from(round == 0), "told once");
        let wait = agent.wake_in().unwrap();
        assert!(wait >= longest / 2.0 && wait <= longest, "round {round}: {wait}");
        longest = f64::min(longest * 2.0, 3600.0);
        ticket = run_of(agent.after(wait)).unwrap().0;
    }
    // After a sleep the network may be another one.
    agent.end(ticket, Outcome::Unreachable("no route".into()));
    agent.hear(What::Jumped);
    assert!(agent.wake_in().unwrap() <= 10.0);
}

#[test]
fn u16_a_clock_that_is_set_again_and_again_makes_no_storm() {
    let mut agent = Agent::new(rules());
    let mut ticket = Some(agent.begin("a", 1));
    let (year, mut runs) = (365 * 86_400, 0);
    for second in 0..3600 {
        if let Some(ticket) = ticket.take() {
            runs += 1;
            agent.end(ticket, Outcome::Unreachable("no route".into()));
        }
        agent.now.wall = agent.now.wall.plus_secs(if second % 2 == 0 { year } else { -year });
        assert_eq!(run_of(agent.hear(What::Jumped)), None);
        ticket = run_of(agent.after(1.0)).map(|(ticket, _)| ticket);
    }
    assert!((2..=3600 / 5).contains(&runs), "{runs}");
}

#[test]
fn u16_a_clock_that_is_set_changes_no_wait() {
    let years = 20 * 365 * 86_400;
    for secs in [years, -years] {
        let mut agent = Agent::new(Rules { sample_every: Some(Duration::from_secs(86_400)), ..rules() });
        let ticket = agent.begin("a", 1);
        agent.end(ticket, Outcome::Unreachable("no route".into()));
        let wait = agent.wake_in().unwrap();
        agent.now.wall = agent.now.wall.plus_secs(secs);
        assert_eq!((run_of(agent.hear(What::Tick)), agent.wake_in()), (None, Some(wait)));
        let (ticket, _) = run_of(agent.after(wait)).unwrap();
        let (ticket, work) = run_of(&agent.end(ticket, up_to_date())).unwrap();
        assert_eq!(work, Work::Sample);
        assert_eq!(run_of(&agent.end(ticket, Outcome::Sound)), None);
        // A sample that was noted for a time to come is due again, and only once.
        agent.now.wall = agent.now.wall.plus_secs(-secs);
        agent.hear(What::Gone(key("a")));
        let (ticket, _) = run_of(&agent.meet("a", Found::Store(marked(1)))).unwrap();
        let (ticket, _) = run_of(&agent.end(ticket, up_to_date())).unwrap();
        assert_eq!(run_of(&agent.end(ticket, Outcome::Sound)), None);
    }
}

#[test]
fn a_window_follows_the_clock_when_it_is_set() {
    let windows = crate::agent::windows::Windows::new(vec!["mon 02:00-04:00".parse().unwrap()]).unwrap();
    let mut agent = Agent::new(Rules { windows, ..rules() });
    assert_eq!(run_of(&agent.meet("a", Found::Store(marked(1)))), None);
    agent.now.wall = agent.now.wall.plus_secs(3 * 3600);
    let (ticket, _) = run_of(agent.hear(What::Jumped)).unwrap();
    agent.now.wall = agent.now.wall.plus_secs(-2 * 3600);
    assert!(agent.hear(What::Jumped).contains(&Action::Cancel(ticket)), "the window is no longer open");
    agent.end(ticket, Outcome::Interrupted);
    assert!(agent.wake_in().unwrap() <= 3600.0);
    assert!(run_of(agent.after(3600.0)).is_some());
}

#[test]
fn u16_a_server_that_asks_to_come_later_is_obeyed() {
    let mut agent = Agent::new(rules());
    let ticket = agent.begin("a", 1);
    agent.end(ticket, Outcome::Later(Asked { after: Some(Duration::from_secs(1800)), spread: None }));
    let wait = agent.wake_in().unwrap();
    assert!((1800.0..=2250.0).contains(&wait), "{wait}");
    agent.hear(What::Jumped);
    agent.hear(What::Configured(rules()));
    assert_eq!(run_of(agent.after(1700.0)), None);
    assert!(run_of(agent.after(wait - 1700.0)).is_some());
}

#[test]
fn u16_a_server_may_spread_the_keys_that_come_after() {
    let mut agent = Agent::new(rules());
    let ticket = agent.begin("a", 1);
    let window = Duration::from_secs(8 * 3600);
    agent.end(ticket, Outcome::Later(Asked { after: None, spread: Some(window) }));
    assert_eq!(agent.wake_in().unwrap(), place_in(window, &ReplicaId([1; 16])).as_secs_f64());
    agent.hear(What::Gone(key("a")));
    assert_eq!(run_of(&agent.meet("b", Found::Store(marked(2)))), None);
    assert_eq!(agent.wake_in().unwrap(), place_in(window, &ReplicaId([2; 16])).as_secs_f64());
}

#[test]
fn u16_a_spread_start_keeps_its_place_while_unplugged() {
    let window = Duration::from_secs(3600);
    let mut agent = Agent::new(Rules { spread: Some(window), ..rules() });
    let place = place_in(window, &ReplicaId([1; 16])).as_secs_f64();
    assert_eq!(run_of(&agent.meet("a", Found::Store(marked(1)))), None);
    assert_eq!(agent.wake_in(), Some(place));
    agent.hear(What::Gone(key("a")));
    assert_eq!(agent.wake_in(), None);
    agent.after(10.0);
    assert_eq!(run_of(&agent.meet("a", Found::Store(marked(1)))), None);
    // It settled in between.
    let left = agent.wake_in().unwrap();
    assert!((place - 15.0..place - 10.0).contains(&left), "{left} of {place}");
    assert!(run_of(agent.after(left)).is_some());
}

#[test]
fn u16_a_key_that_missed_its_place_gets_one_in_a_shorter_window_each_time() {
    let window = Duration::from_secs(8 * 3600);
    let mut agent = Agent::new(Rules { spread: Some(window), ..rules() });
    let mut shorter = window;
    for _ in 0..4 {
        assert_eq!(run_of(&agent.meet("a", Found::Store(marked(1)))), None);
        let place = place_in(shorter, &ReplicaId([1; 16])).as_secs_f64();
        assert!((agent.wake_in().unwrap() - place).abs() < 1e-6);
        agent.hear(What::Gone(key("a")));
        agent.after(place + 1.0);
        shorter /= 8;
    }
    // What is left of it is not worth a wait.
    let starts_at_once = (0..2).any(|_| {
        let started = run_of(&agent.meet("a", Found::Store(marked(1)))).is_some();
        agent.hear(What::Gone(key("a")));
        agent.after(10.0);
        started
    });
    assert!(starts_at_once);
}

#[test]
fn u16_what_has_begun_goes_on_at_once_when_the_key_comes_back() {
    let mut agent = Agent::new(Rules { spread: Some(Duration::from_secs(8 * 3600)), ..rules() });
    assert_eq!(run_of(&agent.meet("a", Found::Store(marked(1)))), None);
    let place = agent.wake_in().unwrap();
    let (ticket, _) = run_of(agent.after(place)).unwrap();
    agent.hear(What::Progress(ticket, Progress { done_bytes: 1, total_bytes: 9 }));
    agent.hear(What::Gone(key("a")));
    agent.end(ticket, Outcome::Interrupted);
    agent.after(86_400.0);
    assert!(run_of(&agent.meet("a", Found::Store(marked(1)))).is_some());
}

#[test]
fn runs_begin_and_end_with_their_window() {
    let windows = crate::agent::windows::Windows::new(vec!["mon 01:00-02:00".parse().unwrap()]).unwrap();
    let mut agent = Agent::new(Rules { windows, ..rules() });
    assert_eq!(run_of(&agent.meet("a", Found::Store(marked(1)))), None);
    let (ticket, _) = run_of(agent.after(3598.0)).unwrap();
    assert_eq!(agent.wake_in(), Some(3600.0));
    assert_eq!(agent.after(3600.0), [Action::Cancel(ticket), Action::Wake(None)]);
    assert_eq!(run_of(&agent.end(ticket, Outcome::Interrupted)), None);
    assert_eq!(agent.wake_in(), Some(7.0 * 86_400.0 - 3600.0));
}

#[test]
fn a_way_that_costs_is_waited_out_where_that_is_wanted() {
    let mut agent = Agent::new(Rules { on_metered: false, ..rules() });
    agent.now.is_metered = true;
    assert_eq!(run_of(&agent.meet("a", Found::Store(marked(1)))), None);
    assert_eq!(run_of(agent.after(300.0)), None);
    agent.now.is_metered = false;
    assert!(run_of(agent.after(300.0)).is_some());
}

#[test]
fn u13_a_full_key_is_collected_once_and_then_told_of() {
    let mut agent = Agent::new(Rules { collect_below_bytes: Some(1000), ..rules() });
    let ticket = agent.begin("a", 1);
    let full = || Outcome::Full("9 MB are missing".into());
    let did = agent.end(ticket, full());
    let (ticket, work) = run_of(&did).unwrap();
    assert_eq!(work, Work::Collect);
    let (ticket, work) = run_of(&agent.end(ticket, Outcome::Collected(17))).unwrap();
    assert_eq!(work, Work::Sync);
    let did = agent.end(ticket, full());
    assert_eq!(run_of(&did), None);
    assert!(agent.wake_in().unwrap() >= 300.0);
}

#[test]
fn what_follows_a_good_sync_is_what_the_rules_say() {
    let day = Duration::from_secs(86_400);
    let mut agent = Agent::new(Rules { collect_below_bytes: Some(6000), sample_every: Some(7 * day), ..rules() });
    let ticket = agent.begin("a", 1);
    let (ticket, work) = run_of(&agent.end(ticket, up_to_date())).unwrap();
    assert_eq!(work, Work::Collect, "5000 bytes are free");
    let (ticket, work) = run_of(&agent.end(ticket, Outcome::Collected(0))).unwrap();
    assert_eq!(work, Work::Sample, "none was ever verified");
    assert_eq!(run_of(&agent.end(ticket, Outcome::Sound)), None);
    agent.hear(What::Gone(key("a")));
    agent.after(86_400.0);
    let ticket = agent.begin("a", 1);
    let (ticket, _) = run_of(&agent.end(ticket, up_to_date())).unwrap();
    assert_eq!(run_of(&agent.end(ticket, Outcome::Collected(0))), None, "verified a day ago");
}

#[test]
fn u10_damage_is_healed_once_and_the_key_synced_again() {
    let mut agent = Agent::new(rules());
    let ticket = agent.begin("a", 1);
    let did = agent.end(ticket, Outcome::Damaged("a manifest".into()));
    let (ticket, work) = run_of(&did).unwrap();
    assert_eq!((work, told(&did)), (Work::Heal, vec![]));
    let did = agent.end(ticket, Outcome::Healed);
    let (ticket, work) = run_of(&did).unwrap();
    assert_eq!((work, told(&did)), (Work::Sync, vec![Notice::Healed]));
    let did = agent.end(ticket, Outcome::Damaged("a manifest".into()));
    assert_eq!((run_of(&did), told(&did)), (None, vec![Notice::Damaged("a manifest".into())]));
}

#[test]
fn u23_what_there_is_to_say_is_said_once() {
    let mut agent = Agent::new(Rules { recheck: Some(Duration::from_secs(3600)), ..rules() });
    let mut ticket = agent.begin("a", 1);
    let stale = || Outcome::Synced { generation: Generation(7), changed: false, stale: true };
    for round in 0..3 {
        let did = agent.end(ticket, stale());
        assert_eq!(told(&did), if round == 0 { vec![Notice::Stale] } else { vec![] });
        ticket = run_of(agent.after(agent.wake_in().unwrap())).unwrap().0;
    }
}

#[test]
fn new_rules_hold_at_once() {
    let mut agent = Agent::new(Rules { stores: Stores::Listed([].into()), ..rules() });
    assert_eq!(run_of(&agent.meet("a", Found::Store(marked(1)))), None);
    let (ticket, _) = run_of(agent.hear(What::Configured(rules()))).unwrap();
    let none = Rules { stores: Stores::Listed([].into()), ..rules() };
    assert_eq!(agent.hear(What::Configured(none)), [Action::Cancel(ticket)]);
    assert_eq!(run_of(&agent.end(ticket, Outcome::Interrupted)), None);
    // A login that was refused may be another one now.
    let (ticket, _) = run_of(agent.hear(What::Configured(rules()))).unwrap();
    agent.end(ticket, Outcome::Refused("530".into()));
    assert!(run_of(agent.hear(What::Configured(rules()))).is_some());
}

#[test]
fn it_ends_when_its_runs_have() {
    let mut agent = Agent::new(rules());
    let ticket = agent.begin("a", 1);
    assert_eq!(agent.hear(What::Stop), [Action::Cancel(ticket)]);
    assert!(agent.end(ticket, Outcome::Interrupted).contains(&Action::Exit));
    assert_eq!(Agent::new(rules()).hear(What::Stop), [Action::Exit]);
}

#[test]
fn a_view_says_how_things_stand() {
    let mut agent = Agent::new(rules());
    let ticket = agent.begin("a", 1);
    agent.hear(What::Progress(ticket, Progress { done_bytes: 1, total_bytes: 4 }));
    let view = agent.state.as_ref().unwrap().view(&agent.now);
    assert_eq!((view.volumes[0].stage, view.volumes[0].progress.unwrap().percent()), ("syncing", 25));
    agent.end(ticket, Outcome::Unreachable("no route".into()));
    let view = agent.state.as_ref().unwrap().view(&agent.now);
    assert_eq!((view.volumes[0].stage, view.volumes[0].why), ("waiting", Some("unreachable")));
    assert!(view.volumes[0].next.unwrap() > agent.now.wall);
    assert_eq!(view.records[0].result, "unreachable");
}
