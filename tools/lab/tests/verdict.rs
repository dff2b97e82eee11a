//! The verdict itself: each way of breaking a promise is found, and what a cut may leave is not called broken.

use std::path::Path;
use std::sync::Arc;

use chunkstore::base::clock::FixedClock;
use chunkstore::base::monitor::SilentMonitor;
use chunkstore::base::random::{Random, SeededRandom};
use chunkstore::base::{DedupGeneration, Generation, StorePath, Timestamp};
use chunkstore::disk::sim::Profile;
use chunkstore::disk::{Disk, SimDisk};
use chunkstore::format::Kind;
use chunkstore::ops::Run;
use chunkstore::ops::init::{InitRequest, init};
use chunkstore::ops::local_keys::KeyDir;
use chunkstore::store::object::{Sealer, pointer_to};
use chunkstore::store::writer::PackWriter;
use chunkstore::store::{self, Basis, Next, Store, layout};
use lab::blocklog::{BlockLog, Entry};
use lab::check::{Facts, Failure, Outcome};
use lab::error::Result;
use lab::image::{Image, SECTOR_BYTES};
use lab::opening::{Opened, OpensImages};
use lab::recording::{Header, Recording, mark_sector};
use lab::replay::{Refused, Replay, Tally};
use lab::states::{Choice, StateId, Torn, states};
use lab::volume::{Act, NodeKind, Refusal};

const NOW: Timestamp = Timestamp(1_767_225_600_000_000_000);
const VOLUME_SECTORS: u64 = 8;

fn open(disk: &SimDisk) -> Store {
    Store::open(Arc::new(disk.clone())).unwrap()
}

/// Makes a store that holds generation 1.
fn new_store(seed: u64, keys: &Path) -> SimDisk {
    let (disk, random, clock) = (SimDisk::new(Profile::Fat32), SeededRandom::new(seed), FixedClock::new(NOW));
    let request = InitRequest { readers: vec![], keys, root_keys: keys, passphrase: None };
    init(&disk, &request, Run { clock: &clock, random: &random, monitor: &SilentMonitor }).unwrap();
    disk.settled()
}

/// Returns the store one generation on, with one new pack.
fn commit(before: &SimDisk, keys: &Path, seed: u64) -> SimDisk {
    let disk = &before.settled();
    let store = open(disk);
    let writer = KeyDir::new(keys, store.id()).load_writer(&|_| unreachable!()).unwrap().unwrap();
    let signer = writer.signer();
    let (keys, unlocked) = store.unlock_writer(&[writer.identity]).unwrap();
    let maker = keys.key_maker(DedupGeneration(1)).unwrap();
    let mut plain = vec![0; 3000];
    SeededRandom::new(seed).fill(&mut plain);
    let pointer = pointer_to(&keys.reader, &maker, Kind::Chunk, &plain);
    let epoch = keys.reader.epoch();
    let index_key = keys.reader.index_key(epoch).unwrap();
    let mut packs = PackWriter::new(disk, store.id(), epoch, index_key, Some(store.packs()));
    let mut sealer = Sealer::new(store.id(), 1).unwrap();
    packs.put(sealer.seal(Kind::Chunk, pointer.id, maker.generation(), &pointer.key, &plain).unwrap()).unwrap();
    let added = packs.finish().unwrap().packs;
    let next = Next { added, ..Next::following(store.packs(), unlocked.sealed, NOW) };
    let basis = Basis { store: store.id(), trust: store.trust(), current: Some((store.head(), store.packs())) };
    store::commit(disk, &basis, &keys.reader, &signer, next).unwrap();
    disk.settled()
}

/// A medium whose images are one byte: which of some stores is on it; Linux stops writing to the last.
struct Staged(Vec<SimDisk>, Vec<Refusal>);

impl OpensImages for Staged {
    fn open(&self, image: &Arc<Image>) -> Result<Opened> {
        let mut number = [0];
        image.read_at(0, &mut number);
        let mut opened = Opened::new(Arc::new(self.0[usize::from(number[0])].snapshot()), None);
        if usize::from(number[0]) + 1 == self.0.len() {
            opened.refusals.clone_from(&self.1);
        }
        Ok(opened)
    }
}

/// A store at generations 1, 2 and 3; before them an empty key.
struct Story {
    keys: tempfile::TempDir,
    stages: Vec<SimDisk>,
}

impl Story {
    fn new() -> Self {
        let keys = tempfile::tempdir().unwrap();
        let first = new_store(5, keys.path());
        let second = commit(&first, keys.path(), 2);
        let third = commit(&second, keys.path(), 3);
        Self { keys, stages: vec![SimDisk::new(Profile::Fat32), first, second, third] }
    }

    /// Returns a copy of a generation that may be harmed.
    fn stage(&self, generation: usize) -> SimDisk {
        self.stages[generation].settled()
    }

    /// Returns the path of the pack that a generation added.
    fn pack_of(&self, generation: usize) -> StorePath {
        layout::pack(&open(&self.stages[generation]).packs().packs().last().unwrap().hash)
    }

    /// Records the generations, each acknowledged, and one more state after the mark of generation `after`.
    fn recording(after: u64) -> Recording {
        let stage = |number: u64| {
            let data = vec![u8::try_from(number).unwrap(); SECTOR_BYTES];
            Entry::Write { sector: 0, data, fua: false }
        };
        let mark = |step| Entry::Write { sector: VOLUME_SECTORS, data: mark_sector(step, "commit", step), fua: false };
        let mut entries = Vec::new();
        for step in 0..=3 {
            if step > 0 {
                entries.extend([stage(step), mark(step)]);
            }
            if step == after {
                entries.push(stage(4));
            }
        }
        let device_bytes = (VOLUME_SECTORS + 1) * SECTOR_BYTES as u64;
        let header = Header {
            medium: "staged".into(),
            mount: String::new(),
            kernel: String::new(),
            recorded: NOW.to_string(),
            story: "verdict".into(),
            device_bytes,
            volume_bytes: VOLUME_SECTORS * SECTOR_BYTES as u64,
            store: String::new(),
            steps: vec![],
            keys: std::collections::BTreeMap::new(),
        };
        Recording::new(header, Image::new(device_bytes), BlockLog { entries }).unwrap()
    }

    fn medium(&self, more: &SimDisk) -> Staged {
        Staged([&self.stages[..], &[more.settled()]].concat(), vec![])
    }

    /// Judges all prefixes, with one more state after the mark of generation `after`.
    fn judge(&self, after: u64, more: &SimDisk) -> Tally {
        Self::judge_on(after, &self.medium(more), Refused::Fail, false)
    }

    fn judge_on(after: u64, medium: &Staged, refused: Refused, mends: bool) -> Tally {
        let recording = Self::recording(after);
        let facts = Facts::gather(&recording, medium).unwrap();
        let (recording, facts) = (&recording, &facts);
        let replay = Replay { recording, facts, medium, deep_every: 1, repair: None, refused, mends, threads: 2 };
        let choice = Choice { torn: Torn::None, torn_unit: 1, subsets: 0, seed: 1, window: 0 };
        replay.run(&states(recording, choice), &mut |_| {}).unwrap()
    }

    /// Requires that one more state breaks a promise, and alone, and that this is told.
    fn require_failure(&self, after: u64, more: &SimDisk, failure: Failure, why: &str) {
        let tally = self.judge(after, more);
        let count = usize::try_from(after).unwrap() * 2 + 1;
        let found: Vec<_> = tally.findings.iter().map(|found| (found.id, found.failed.failure)).collect();
        assert_eq!(found, [(StateId::Prefix { count }, failure)], "{why}: {:?}", tally.findings);
        assert!(tally.findings[0].failed.why.contains(why), "{}, not {why}", tally.findings[0].failed.why);
        assert_eq!(tally.total().failures(), 1);
    }

    /// Requires that one more state is right, and counted as an outcome.
    fn require(&self, after: u64, more: &SimDisk, outcome: Outcome) {
        let tally = self.judge(after, more);
        assert_eq!(tally.findings, []);
        let row = tally.total();
        // Without the state that is one more: empty, then each generation as the next and as the acknowledged one.
        let (count, others) = match outcome {
            Outcome::Old => (row.old, 3),
            Outcome::New => (row.new, 3),
            Outcome::None => (row.none, 1),
            Outcome::Unread => (row.unread, 0),
            Outcome::HeadLost => (row.head_lost, 0),
            Outcome::Older => (row.older, 0),
        };
        assert_eq!((count, row.states, tally.deep), (others + 1, 8, 8), "{outcome:?}: {row:?}");
    }
}

// U5 U7 U9
#[test]
fn the_acknowledged_generation_and_the_next_are_right() {
    let story = Story::new();
    story.require(2, &story.stage(2), Outcome::Old);
    story.require(2, &story.stage(3), Outcome::New);
    story.require(0, &story.stage(1), Outcome::New);
    story.require(0, &story.stage(0), Outcome::None);
}

// U7 U11
#[test]
fn what_a_cut_may_leave_is_not_called_broken() {
    let story = Story::new();
    let changed = |generation, change: &dyn Fn(&SimDisk)| {
        let disk = story.stage(generation);
        change(&disk);
        disk
    };
    story.require(0, &changed(1, &|disk| assert!(disk.wipe("STORE"))), Outcome::None);
    story.require(2, &changed(2, &|disk| assert!(disk.wipe("HEAD"))), Outcome::HeadLost);
    story.require(2, &changed(2, &|disk| disk.put("heads/00000003", b"")), Outcome::Old);
    let untrusted = story.stage(2).content("HEAD").unwrap();
    let untrusted = String::from_utf8(untrusted).unwrap().replace("generation 2\n", "generation 3\n");
    story.require(2, &changed(2, &|disk| disk.put("heads/00000003", untrusted.as_bytes())), Outcome::Older);
    let pack = story.pack_of(3);
    let bytes = story.stage(3).content(pack.as_str()).unwrap();
    story.require(2, &changed(2, &|disk| disk.put(pack.as_str(), &bytes)), Outcome::Old);
    story.require(2, &changed(2, &|disk| disk.put(pack.as_str(), &bytes[..700])), Outcome::Old);
}

#[test]
fn what_was_acknowledged_and_is_not_there_is_lost() {
    let story = Story::new();
    story.require_failure(1, &story.stage(0), Failure::Lost, "there is no store");
    story.require_failure(2, &story.stage(1), Failure::Lost, "opens as generation 1");
    let pack = story.pack_of(2);
    let harmed = story.stage(2);
    assert!(harmed.wipe(pack.as_str()));
    story.require_failure(2, &harmed, Failure::Lost, "missing-pack");
    let harmed = story.stage(3);
    assert!(harmed.corrupt(pack.as_str(), |bytes| bytes[100] ^= 1));
    story.require_failure(2, &harmed, Failure::Lost, "damaged-pack");
}

#[test]
fn what_the_remote_makes_whole_again_is_counted() {
    let story = Story::new();
    let mended = |wiped: &str| {
        let harmed = story.stage(2);
        assert!(harmed.wipe(wiped));
        let tally = Story::judge_on(2, &story.medium(&harmed), Refused::Fail, true);
        assert_eq!(tally.findings, [], "what is mended is no finding");
        (tally.total().failed, tally.total().mended)
    };
    assert_eq!(mended(story.pack_of(2).as_str()), (1, 1));
    assert_eq!(mended("STORE"), (1, 1));
    let whole = Story::judge_on(2, &story.medium(&story.stage(2)), Refused::Fail, true);
    assert_eq!(whole.total().mended, 0);
}

#[test]
fn what_nobody_made_is_inconsistent() {
    let story = Story::new();
    story.require_failure(1, &story.stage(3), Failure::Inconsistent, "generation 3");
    let harmed = story.stage(2);
    assert!(harmed.wipe("trust/1"));
    story.require_failure(2, &harmed, Failure::Inconsistent, "trust/1");
    let other = commit(&story.stage(1), story.keys.path(), 9);
    assert_eq!(open(&other).head().head.generation, Generation(2));
    story.require_failure(2, &other, Failure::Inconsistent, "another generation 2");
}

#[test]
fn a_next_run_that_cannot_go_on_is_told() {
    let story = Story::new();
    let harmed = story.stage(2);
    harmed.create_dir(&story.pack_of(3)).unwrap();
    story.require_failure(2, &harmed, Failure::Refetched, "the next run fails");
    let harmed = story.stage(0);
    harmed.put("notes.txt", b"not a store's");
    story.require_failure(0, &harmed, Failure::Refetched, "the next run fails");
}

#[test]
fn a_recording_that_contradicts_its_marks_is_refused() {
    let story = Story::new();
    let refused = |medium: &Staged| {
        let gathered = Facts::gather(&Story::recording(3), medium);
        gathered.err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert!(refused(&story.medium(&story.stage(2))).contains("not what its last step acknowledged"));
    let mut two_histories = story.medium(&story.stage(3));
    two_histories.0[2] = commit(&story.stage(1), story.keys.path(), 9);
    assert!(refused(&two_histories).contains("two records of generation 2"));
    let mut late = story.medium(&story.stage(3));
    late.0[2] = story.stage(3);
    assert!(refused(&late).contains("has generation 3, not 2"));
    let pack = story.pack_of(3);
    late.0[2] = story.stage(2);
    late.0[2].put(pack.as_str(), &story.stage(3).content(pack.as_str()).unwrap());
    assert!(refused(&late).contains("mark of step 2 came late"));
}

// U9
#[test]
fn a_state_to_which_linux_stops_writing_fails_once_something_is_acknowledged() {
    let story = Story::new();
    let refusal = |path: &str, act| Refusal { path: path.into(), kind: NodeKind::File, act, why: "a free cluster" };
    let judge = |after: u64, refusal: Refusal, refused| {
        let medium = Staged(story.medium(&story.stage(usize::try_from(after).unwrap())).0, vec![refusal]);
        let tally = Story::judge_on(after, &medium, refused, false);
        (tally.total().refused, tally.total().failures(), tally)
    };
    let (refused, failures, tally) = judge(2, refusal("heads/00000002", Act::Remove), Refused::Fail);
    assert_eq!((refused, failures, tally.findings.len()), (1, 1, 1));
    assert_eq!(tally.findings[0].failed.failure, Failure::Refused);
    assert!(tally.findings[0].failed.why.contains("when heads/00000002 is removed: a free cluster"));
    let counted = |after, refusal, refused| {
        let (refused, failures, _) = judge(after, refusal, refused);
        (refused, failures)
    };
    assert_eq!(counted(2, refusal("HEAD", Act::Read), Refused::Count), (1, 0));
    assert_eq!(counted(0, refusal("heads", Act::LookUp), Refused::Fail), (1, 0));
    // The store appends to none that a cut left.
    assert_eq!(counted(2, refusal("HEAD", Act::Append), Refused::Fail), (0, 0));
    assert_eq!(counted(2, refusal("packs/00/x", Act::Read), Refused::Fail), (1, 1));
}
