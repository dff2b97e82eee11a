//! The verdict on a `gc`, a heal and a repair that were cut: each way of breaking their promises is found. The states are those
//! of the recordings in `data/`, harmed on their way to the verdict.

#![allow(clippy::disallowed_methods, reason = "the lab's tests read its recordings")]

use std::path::Path;
use std::sync::{Arc, Mutex};

use chunkstore::disk::SimDisk;
use chunkstore::store::sweep::list_standing;
use chunkstore::store::{Store, layout};
use lab::check::{Facts, Failure, load};
use lab::error::Result;
use lab::image::Image;
use lab::opening::{Opened, OpensImages, opener_of};
use lab::recording::Recording;
use lab::replay::{Refused, Replay};
use lab::states::StateId;

/// Opens what is on an image, and harms it.
struct Harming<'a> {
    inner: &'a dyn OpensImages,
    harm: &'a (dyn Fn(&SimDisk) + Sync),
}

impl OpensImages for Harming<'_> {
    fn open(&self, image: &Arc<Image>) -> Result<Opened> {
        let copy = load(self.inner.open(image)?.disk.as_ref())?;
        (self.harm)(&copy);
        Ok(Opened::new(Arc::new(copy.settled()), None))
    }
}

/// A recording of a story, on FAT.
struct Recorded {
    recording: Recording,
    medium: Box<dyn OpensImages>,
    facts: Facts,
}

impl Recorded {
    fn of(story: &str) -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("data/{story}-vfat.rec"));
        let recording = Recording::read(&file).unwrap();
        let medium = opener_of(&recording.header).unwrap();
        let facts = Facts::gather(&recording, medium.as_ref()).unwrap();
        Self { recording, medium, facts }
    }

    /// Judges the state right after a mark, harmed; returns how it failed and why.
    fn judge(&self, mark: usize, harm: &(dyn Fn(&SimDisk) + Sync)) -> Option<(Failure, String)> {
        let medium = Harming { inner: self.medium.as_ref(), harm };
        let (recording, facts) = (&self.recording, &self.facts);
        let replay = Replay {
            recording,
            facts,
            medium: &medium,
            deep_every: 1,
            repair: None,
            refused: Refused::Fail,
            mends: false,
            threads: 1,
        };
        let state = StateId::Prefix { count: self.recording.marks()[mark].at + 1 };
        let tally = replay.run(&[state], &mut |_| {}).unwrap();
        tally.findings.into_iter().next().map(|found| (found.failed.failure, found.failed.why))
    }

    /// Requires that a harm is found.
    fn require(&self, mark: usize, failure: Failure, why: &str, harm: &(dyn Fn(&SimDisk) + Sync)) {
        let (found, said) = self.judge(mark, harm).unwrap_or_else(|| panic!("not found: {why}"));
        assert!(found == failure && said.contains(why), "{found:?}: {said}, not {why}");
    }
}

/// Returns the files of the listed packs; of those that stand, the longest first, then those that do not.
fn listed(disk: &SimDisk) -> Vec<String> {
    let store = Store::open(Arc::new(disk.clone())).unwrap();
    let mut packs: Vec<_> = store.packs().packs().iter().map(|pack| layout::pack(&pack.hash).to_string()).collect();
    packs.sort_by_key(|path| std::cmp::Reverse(disk.content(path).map(|bytes| bytes.len())));
    packs
}

/// Returns the listed packs that are what they should be.
fn whole(disk: &SimDisk) -> Vec<String> {
    let store = Store::open(Arc::new(disk.clone())).unwrap();
    let is_whole = |pack: &&_| chunkstore::store::pack::pack_is_whole(disk, pack, &mut |_| {}).unwrap_or(false);
    store.packs().packs().iter().filter(is_whole).map(|pack| layout::pack(&pack.hash).to_string()).collect()
}

/// Lays a record beside the others that is newer and that nobody signed.
fn lay_untrusted_record(disk: &SimDisk) {
    let store = Store::open(Arc::new(disk.clone())).unwrap();
    let generation = store.head().head.generation.0;
    let text = String::from_utf8(disk.content("HEAD").unwrap()).unwrap();
    let newer = text.replace(&format!("generation {generation}\n"), &format!("generation {}\n", generation + 1));
    assert_ne!(newer, text);
    disk.put(&format!("heads/{:08}", generation + 1), newer.as_bytes());
}

/// Returns how many packs stand that the store does not list: condemned ones, and others.
fn unlisted(disk: &SimDisk) -> (usize, usize) {
    let store = Store::open(Arc::new(disk.clone())).unwrap();
    let condemned: Vec<_> =
        store.packs().top.condemned.iter().map(|pack| layout::pack(&pack.hash).to_string()).collect();
    let listed = listed(disk);
    let standing = list_standing(disk).unwrap().into_iter().map(|file| file.path.to_string());
    let unlisted: Vec<_> = standing.filter(|path| path.starts_with("packs/") && !listed.contains(path)).collect();
    let dropped = unlisted.iter().filter(|path| condemned.contains(path)).count();
    (dropped, unlisted.len() - dropped)
}

#[test]
fn there_is_something_of_each_sort_to_collect() {
    for (story, mark) in [("gc-key", 0), ("gc-publisher", 1)] {
        let recorded = Recorded::of(story);
        let counted = Mutex::new((0, 0));
        recorded.judge(mark, &|disk| *counted.lock().unwrap() = unlisted(disk));
        let (dropped, orphans) = *counted.lock().unwrap();
        assert!((dropped > 0) == (story == "gc-key") && orphans > 0, "{story}: {dropped} {orphans}");
    }
}

// U5 U7 U13
#[test]
fn a_collection_may_lose_nothing_and_leave_nothing() {
    for story in ["gc-key", "gc-publisher"] {
        let recorded = Recorded::of(story);
        for mark in 0..recorded.recording.marks().len() {
            assert_eq!(recorded.judge(mark, &|_| {}), None);
            recorded.require(mark, Failure::Lost, "missing-pack", &|disk| assert!(disk.wipe(&listed(disk)[0])));
            // What a cut brings back of what was removed is removed again.
            assert_eq!(recorded.judge(mark, &|disk| disk.put("packs/00/00000000.000", b"an orphan")), None);
        }
    }
    let recorded = Recorded::of("gc-publisher");
    recorded.require(0, Failure::Refetched, "the next run fails", &lay_untrusted_record);
}

// U5 U7 U10
#[test]
fn a_heal_may_lose_no_whole_pack() {
    let recorded = Recorded::of("heal");
    assert_eq!((recorded.judge(0, &|_| {}), recorded.judge(1, &|_| {})), (None, None));
    recorded.require(0, Failure::Lost, "missing-pack", &|disk| assert!(disk.wipe(&whole(disk)[0])));
    let wipe_broken = |disk: &SimDisk| {
        let whole = whole(disk);
        let broken = listed(disk).into_iter().find(|path| !whole.contains(path)).unwrap();
        assert!(disk.wipe(&broken));
    };
    assert_eq!(recorded.judge(0, &wipe_broken), None);
    // Once it has returned nothing may be broken.
    recorded.require(1, Failure::Lost, "damaged-pack", &|disk| {
        assert!(disk.corrupt(&listed(disk)[0], |bytes| bytes[5000] ^= 1));
    });
}

// U5 U7
#[test]
fn a_repair_may_lose_nothing_that_opened() {
    let recorded = Recorded::of("repair");
    for mark in [0, 1] {
        assert_eq!(recorded.judge(mark, &|_| {}), None);
        recorded.require(mark, Failure::Lost, "damaged-pack", &|disk| {
            assert!(disk.corrupt(&whole(disk)[0], |bytes| bytes[100] ^= 1));
        });
    }
    // What was damaged already may not rot further either: objects of it opened.
    recorded.require(0, Failure::Lost, "is not what it was", &|disk| {
        let (all, whole) = (listed(disk), whole(disk));
        let broken = all.iter().find(|path| !whole.contains(path)).unwrap();
        assert!(disk.corrupt(broken, |bytes| bytes[200..].fill(0)));
    });
}
