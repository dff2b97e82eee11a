//! A commit with a failing call: an error of the right kind or success, then the old or the new state, then it works.

use std::sync::Arc;

use chunkstore::disk::SimDisk;
use chunkstore::disk::sim::{FaultKind, Profile};
use chunkstore::store::Store;

use crate::calls::{KINDS, check_kind, profiles, sweep};
use crate::killed::Killed;
use crate::publisher::{Holding, Publisher, folder_after, holding};

/// A store with some commits and a next one to make.
struct Stage {
    publisher: Publisher,
    disk: SimDisk,
    step: u64,
    generation: u64,
    old: Holding,
    new: Holding,
}

impl Stage {
    fn new(profile: Profile, before: u64) -> Self {
        let disk = SimDisk::new(profile);
        let publisher = Publisher::init(&disk).unwrap();
        for step in 1..=before {
            publisher.commit(&disk, &folder_after(step)).unwrap();
        }
        let disk = disk.settled();
        let (old, new) = (holding(&folder_after(before)), holding(&folder_after(before + 1)));
        Self { publisher, disk, step: before + 1, generation: before + 1, old, new }
    }

    fn calls(&self) -> u64 {
        let disk = self.disk.snapshot();
        self.publisher.commit(&disk, &folder_after(self.step)).unwrap();
        disk.call_count()
    }

    /// Checks that the old or the new state opens, the new one if a commit has returned, with its content.
    fn check_state(&self, disk: &SimDisk, returned: bool) {
        let generation = Store::open(Arc::new(disk.clone())).unwrap().head().head.generation.0;
        assert!(generation == self.generation + 1 || (generation == self.generation && !returned), "{generation}");
        if generation > 1 {
            let expected = if generation == self.generation { &self.old } else { &self.new };
            assert!(self.publisher.restored(disk) == *expected, "content of generation {generation}");
        }
    }

    /// Checks that the commit works now and is durable once it returned.
    fn check_again(&self, disk: &SimDisk) {
        let committed = self.publisher.commit(disk, &folder_after(self.step)).unwrap();
        assert_eq!(committed.generation.0, self.generation + 1);
        let least = disk.plug_back();
        self.check_state(&least, true);
        assert_eq!(self.publisher.verify(&least).unwrap().findings, []);
    }

    fn fail(&self, call: u64, kind: FaultKind) {
        let disk = self.disk.snapshot();
        disk.fail_nth_call(call, kind);
        let result = self.publisher.commit(&disk, &folder_after(self.step));
        check_kind(&result, call, kind);
        let least = disk.plug_back();
        self.check_state(&least, result.is_ok());
        self.check_again(&least);
        if kind != FaultKind::Gone {
            self.check_state(&disk, result.is_ok());
            self.check_again(&disk);
        }
    }
}

fn sweep_kind(test: &str, before: u64, kind: FaultKind) {
    for &profile in profiles() {
        let stage = Stage::new(profile, before);
        sweep(test, &format!("{profile:?}, {kind:?}"), stage.calls(), |_| true, |call| stage.fail(call, kind));
    }
}

#[test]
fn the_first_with_each_call_failing() {
    KINDS.iter().for_each(|&kind| sweep_kind("commit::the_first_with_each_call_failing", 0, kind));
}

#[test]
fn a_later_one_with_each_call_failing() {
    KINDS.iter().for_each(|&kind| sweep_kind("commit::a_later_one_with_each_call_failing", 5, kind));
}

// U26
#[test]
fn killed_at_each_call_then_done_again_then_cut() {
    let test = "commit::killed_at_each_call_then_done_again_then_cut";
    for profile in Profile::ALL {
        let stage = Stage::new(profile, 5);
        let roomy = Killed::after(&stage.disk.snapshot(), 10_000);
        stage.publisher.commit(&roomy, &folder_after(stage.step)).unwrap();
        let calls = 10_000 - roomy.left();
        let check = |call| {
            let disk = stage.disk.snapshot();
            stage.publisher.commit(&Killed::after(&disk, call), &folder_after(stage.step)).unwrap_err();
            stage.check_state(&disk, false);
            // The next process finds what the dead one wrote in the cache of the system, durable or not.
            stage.check_again(&disk);
        };
        sweep(test, &format!("{profile:?}"), calls, |_| true, check);
    }
}
