//! The runner over a scripted source and a host that only notes what it hears.

use std::sync::mpsc;

use super::*;
use crate::agent::event::{Marked, Work};
use crate::agent::rules::Stores;
use crate::agent::volumes::scripted::Scripted;
use crate::base::clock::FixedClock;
use crate::base::random::SeededRandom;
use crate::base::{Generation, ReplicaId, StoreId, Timestamp};

/// What the work of a run does.
#[derive(Clone, Copy)]
enum Does {
    Ends,
    Panics,
    WaitsForCancel,
}

struct Noting {
    clock: Arc<dyn Clock>,
    random: SeededRandom,
    does: Mutex<Vec<Does>>,
    notes: Mutex<mpsc::Sender<String>>,
}

impl Noting {
    fn note(&self, line: String) {
        // Whoever listens may have heard enough.
        let _ = self.notes.lock().unwrap().send(line);
    }
}

impl Host for Noting {
    fn now(&self) -> Now {
        let monotonic = self.clock.monotonic();
        Now { monotonic, wall: Timestamp(0), utc_offset_secs: 0, is_metered: false }
    }

    fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    fn random(&self) -> &dyn Random {
        &self.random
    }

    fn find(&self, _: &Path) -> Found {
        let replica = Some(ReplicaId([2; 16]));
        Found::Store(Marked { store: StoreId([1; 16]), replica, is_pinned: true, has_remote: true })
    }

    fn remotes(&self, _: &Job) -> Result<Vec<Arc<Courteous>>> {
        Ok(Vec::new())
    }

    fn work(&self, _: &Job, _: Result<Vec<Arc<Courteous>>>, monitor: &dyn Monitor) -> Ended {
        let does = self.does.lock().unwrap().remove(0);
        self.note("works".into());
        match does {
            Does::Ends => {
                let outcome = Outcome::Synced { generation: Generation(1), changed: false, stale: false };
                Ended { outcome, free_bytes: None, no_receipt: None }
            }
            Does::Panics => panic!("as the test wants it"),
            Does::WaitsForCancel => {
                while !monitor.cancelled() {
                    std::thread::yield_now();
                }
                Ended { outcome: Outcome::Interrupted, free_bytes: None, no_receipt: None }
            }
        }
    }

    fn ran(&self, job: &Job, ended: Option<&Ended>) {
        assert_eq!(job.work, Work::Sync);
        self.note(ended.map_or("began".into(), |ended| ended.outcome.name().into()));
    }

    fn tell(&self, _: &VolumeKey, _: Option<&Path>, _: &Notice) {}

    fn show(&self, _: &View) {}

    fn reload(&self) -> Option<Rules> {
        self.note("reloads".into());
        None
    }

    fn stage(&self, stage: Stage) {
        self.note(format!("{stage:?}"));
    }

    fn beat(&self, _: bool) -> Option<Duration> {
        None
    }
}

/// Runs an agent whose runs do these things, through what a script says; returns what its host noted.
fn play(does: &[Does], script: impl FnOnce(&Scripted, &Handle, &mpsc::Receiver<String>)) -> Vec<String> {
    let (sender, notes) = mpsc::channel();
    let host = Arc::new(Noting {
        clock: Arc::new(FixedClock::new(Timestamp(0))),
        random: SeededRandom::new(1),
        does: Mutex::new(does.to_vec()),
        notes: Mutex::new(sender),
    });
    let rules = Rules { stores: Stores::Any, settle: Duration::ZERO, recheck: None, ..Rules::default() };
    let agent = Agent::new(host, rules, Vec::new());
    let (handle, source) = (agent.handle(), Scripted::default());
    let volumes = Box::new(source.clone());
    let running = std::thread::spawn(move || agent.run(volumes));
    script(&source, &handle, &notes);
    handle.stop();
    running.join().unwrap().unwrap();
    notes.try_iter().collect()
}

fn plug(source: &Scripted, name: &str) {
    source.say(Seen::Mounted(VolumeKey(name.into()), name.into()));
}

/// Hears notes up to this one.
fn hear(notes: &mpsc::Receiver<String>, wanted: &str) {
    while notes.recv().unwrap() != wanted {}
}

#[test]
fn a_volume_that_comes_is_worked_on_and_a_stop_ends_it_all() {
    let left = play(&[Does::Ends], |source, _, notes| {
        plug(source, "a");
        hear(notes, "began");
        hear(notes, "up-to-date");
    });
    assert_eq!(left, ["Ending"]);
}

#[test]
fn a_run_that_breaks_down_costs_itself_alone() {
    play(&[Does::Panics, Does::Ends], |source, _, notes| {
        plug(source, "a");
        hear(notes, "failed");
        source.say(Seen::Gone(VolumeKey("a".into())));
        plug(source, "b");
        hear(notes, "up-to-date");
    });
}

#[test]
fn a_volume_that_goes_takes_its_run_with_it_and_a_stop_waits_for_runs() {
    let left = play(&[Does::WaitsForCancel, Does::WaitsForCancel], |source, handle, notes| {
        plug(source, "a");
        hear(notes, "works");
        source.say(Seen::Gone(VolumeKey("a".into())));
        hear(notes, "interrupted");
        handle.reload();
        hear(notes, "reloads");
        plug(source, "b");
        hear(notes, "works");
    });
    assert_eq!(left, ["Ending", "interrupted"]);
}

#[test]
fn a_clock_that_jumps_all_the_time_costs_nothing() {
    let left = play(&[Does::Ends], |source, _, notes| {
        plug(source, "a");
        hear(notes, "up-to-date");
        (0..1000).for_each(|_| source.say(Seen::Jumped));
    });
    assert_eq!(left, ["Ending"]);
}
