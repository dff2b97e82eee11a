//! `commit`: the store opens as exactly the old or the new snapshot, and the next commit finds what was written.

use std::sync::Arc;

use chunkstore::base::limits::HEAD_MAX_BYTES;
use chunkstore::disk::sim::Profile;
use chunkstore::disk::{SimDisk, SimFolder};
use chunkstore::ops::verify::ProblemKind;
use chunkstore::store::{Store, layout};

use crate::publisher::{Holding, Publisher, folder_after, folder_variant, holding, noise, rel};
use crate::sweep::{Met, Recorded, Seen, Sweep};

/// One committed state of a recorded run.
struct State {
    generation: u64,
    /// How many operations had been done when its commit returned.
    until_op: usize,
    content: Holding,
    /// Bytes that its commit wrote.
    written_bytes: u64,
    /// Its new packs: path, hash and length.
    new_packs: Vec<(String, blake3::Hash, u64)>,
}

/// Several commits in a row on one disk.
struct History {
    publisher: Publisher,
    disk: SimDisk,
    /// The folder that each state holds.
    folders: Vec<SimFolder>,
    /// The state at the start and the one after each commit.
    states: Vec<State>,
    /// States that were found right after the next commit.
    right: Seen,
}

fn open(disk: &SimDisk) -> Store {
    Store::open(Arc::new(disk.clone())).unwrap()
}

fn state_of(publisher: &Publisher, disk: &SimDisk, old: Option<&Store>) -> State {
    let store = open(disk);
    let is_new = |hash| old.is_some_and(|old| old.packs().pack(hash).is_none());
    let new = store.packs().packs().iter().filter(|pack| is_new(&pack.hash));
    let new_packs =
        new.map(|pack| (layout::pack(&pack.hash).to_string(), pack.hash.0.into(), pack.len_bytes)).collect();
    let has_snapshot = store.head().head.generation.0 > 1;
    State {
        generation: store.head().head.generation.0,
        until_op: disk.op_count(),
        content: if has_snapshot { publisher.restored(disk) } else { Holding::new() },
        written_bytes: disk.counts().bytes_written,
        new_packs,
    }
}

impl History {
    /// Commits `before` steps that are settled, then records `commits` more.
    fn record(profile: Profile, folder_after: impl Fn(u64) -> SimFolder, before: u64, commits: u64) -> Self {
        let disk = SimDisk::new(profile);
        let publisher = Publisher::init(&disk).unwrap();
        for step in 1..=before {
            assert!(publisher.commit(&disk, &folder_after(step)).unwrap().changed);
        }
        let disk = disk.settled();
        let mut states = vec![state_of(&publisher, &disk, None)];
        let folders: Vec<_> = (before..=before + commits).map(&folder_after).collect();
        for folder in &folders[1..] {
            let old = open(&disk);
            disk.reset_counts();
            assert!(publisher.commit(&disk, folder).unwrap().changed);
            let state = state_of(&publisher, &disk, Some(&old));
            assert!(state.content == holding(folder));
            states.push(state);
        }
        Self { publisher, disk, folders, states, right: Seen::default() }
    }

    /// Returns the state that opens.
    fn opened(&self, image: &SimDisk) -> usize {
        let opened = open(image).head().head.generation.0;
        let at = self.states.iter().position(|state| state.generation == opened);
        at.unwrap_or_else(|| panic!("opened generation {opened}"))
    }

    /// Checks that verify finds nothing but a HEAD that is torn while the record holds. // U11
    fn check_findings(&self, met: &Met, image: &SimDisk, opened: u64) {
        let findings = self.publisher.verify(image).unwrap().findings;
        if !findings.is_empty() {
            met.note("HEAD torn");
            let head_only = findings.iter().all(|found| found.kind == ProblemKind::Head && found.file == "HEAD");
            assert!(head_only, "{findings:?}");
            assert!(image.content(&format!("heads/{opened:08}")).is_some());
        }
    }

    /// Checks that the next commit makes the new state, durably, and writes no pack again that is there. // U5 U7
    fn check_next(&self, met: &Met, image: &SimDisk, at: usize, next: usize) {
        let new = &self.states[next];
        let whole = new.new_packs.iter().filter(|(path, hash, _)| image.content_hash(path) == Some(*hash));
        let whole_bytes: u64 = whole.map(|(.., len_bytes)| len_bytes).sum();
        if at < next && whole_bytes > 0 {
            met.note("packs found again");
        }
        image.reset_counts();
        let committed = self.publisher.commit(image, &self.folders[next]).unwrap();
        assert_eq!((committed.generation.0, committed.changed), (new.generation, at < next));
        let written = image.counts().bytes_written;
        let expected = if at < next { new.written_bytes - whole_bytes } else { 0 };
        assert!(written <= expected + 2 * HEAD_MAX_BYTES, "wrote {written} bytes, expected {expected}");
        // The commit has returned, so even if nothing more persists the new state opens.
        let least = image.plug_back();
        self.right.once(new.generation, &least, || {
            assert_eq!(open(&least).head().head.generation.0, new.generation);
            assert_eq!(self.publisher.verify(&least).unwrap().findings, []);
            assert!(self.publisher.restored(&least) == new.content, "content after the next commit");
        });
    }
}

impl Recorded for History {
    fn disk(&self) -> &SimDisk {
        &self.disk
    }

    /// Returns the state whose commit had returned.
    fn promised(&self, at_op: usize) -> usize {
        self.states.iter().rposition(|state| state.until_op <= at_op).unwrap_or(0)
    }

    /// Commits the state after the one that opens, or the last one again.
    fn again(&self, image: &SimDisk) -> (usize, usize) {
        let at = self.opened(image);
        let next = (at + 1).min(self.states.len() - 1);
        self.publisher.commit(image, &self.folders[next]).unwrap();
        (at, next)
    }

    fn check(&self, met: &Met, acked: usize, image: &SimDisk) {
        let at = self.opened(image);
        assert!(at == acked || at == acked + 1, "opened state {at}, and {acked} was acknowledged");
        met.note(if at == acked { "old" } else { "new" });
        let generation = self.states[at].generation;
        self.check_findings(met, image, generation);
        if generation > 1 {
            assert!(self.publisher.restored(image) == self.states[at].content, "content of state {at}");
        }
        self.check_next(met, image, at, (acked + 1).min(self.states.len() - 1));
    }
}

/// The kinds of states that every sweep of commits meets.
const KINDS: [&str; 3] = ["old", "new", "packs found again"];

fn sweep(test: &'static str, profile: Profile, before: u64, commits: u64) {
    let sweep = Sweep::new(test, 8);
    let record = |variant| History::record(profile, |step| folder_variant(variant, step), before, commits);
    let count = sweep.run(record);
    sweep.require(count, 15 * commits as usize, &KINDS);
    if matches!(profile, Profile::ExFat | Profile::Fat32) {
        sweep.require(count, 0, &["HEAD torn"]);
    }
}

/// Cuts the next commit, too, after each cut. // U7
fn sweep_again(test: &'static str, profile: Profile) {
    let sweep = Sweep::new(test, 3);
    let count = sweep.run_again(|variant| History::record(profile, |step| folder_variant(variant, step), 1, 3));
    sweep.require(count, 30, &KINDS);
}

/// Builds a folder whose bytes fill one pack of data and begin a second one; before the first step it is empty.
fn folder_of_two_packs(steps: u64) -> SimFolder {
    let folder = SimFolder::default();
    if steps > 0 {
        folder.put_file(&rel("first"), &noise(400, 9 << 20));
        folder.put_file(&rel("second"), &noise(401, 10 << 20));
    }
    folder.settle();
    folder
}

/// A commit whose data fill more than one pack. // U7
fn sweep_two_packs(test: &'static str, profile: Profile) {
    let sweep = Sweep::new(test, 1).costly();
    let count = sweep.run(|_| {
        let history = History::record(profile, folder_of_two_packs, 0, 1);
        let long = history.states[1].new_packs.iter().filter(|(.., len_bytes)| *len_bytes > 1 << 20).count();
        assert!(long > 1, "all data lie in one pack");
        history
    });
    sweep.require(count, 4, &KINDS[1..2]);
}

/// Six commits in a row from an empty store on, so that records are pruned.
mod in_a_row {
    use super::*;

    #[test]
    fn ext4() {
        sweep("commit::in_a_row::ext4", Profile::Ext4, 0, 6);
    }

    #[test]
    fn ntfs() {
        sweep("commit::in_a_row::ntfs", Profile::Ntfs, 0, 6);
    }

    #[test]
    fn exfat() {
        sweep("commit::in_a_row::exfat", Profile::ExFat, 0, 6);
    }

    #[test]
    fn fat32() {
        sweep("commit::in_a_row::fat32", Profile::Fat32, 0, 6);
    }
}

/// A commit that merges the indexes of the packs before it.
mod merging {
    use super::*;

    fn merging(test: &'static str, profile: Profile) {
        sweep(test, profile, 8, 1);
    }

    #[test]
    fn ext4() {
        merging("commit::merging::ext4", Profile::Ext4);
    }

    #[test]
    fn ntfs() {
        merging("commit::merging::ntfs", Profile::Ntfs);
    }

    #[test]
    fn exfat() {
        merging("commit::merging::exfat", Profile::ExFat);
    }

    #[test]
    fn fat32() {
        merging("commit::merging::fat32", Profile::Fat32);
    }

    #[test]
    fn the_ninth_commit_merges() {
        let history = History::record(Profile::Ext4, folder_after, 8, 1);
        let unlocked = open(&history.disk).unlock(&history.publisher.readers).unwrap();
        assert_eq!(unlocked.sealed.indexes.len(), 1);
    }
}

/// Three commits, each cut, gone on with and cut again.
mod cut_again {
    use super::*;

    #[test]
    fn ext4() {
        sweep_again("commit::cut_again::ext4", Profile::Ext4);
    }

    #[test]
    fn ntfs() {
        sweep_again("commit::cut_again::ntfs", Profile::Ntfs);
    }

    #[test]
    fn exfat() {
        sweep_again("commit::cut_again::exfat", Profile::ExFat);
    }

    #[test]
    fn fat32() {
        sweep_again("commit::cut_again::fat32", Profile::Fat32);
    }
}

/// A commit with more than one pack of data.
mod two_packs {
    use super::*;

    #[test]
    fn ext4() {
        sweep_two_packs("commit::two_packs::ext4", Profile::Ext4);
    }

    #[test]
    fn fat32() {
        sweep_two_packs("commit::two_packs::fat32", Profile::Fat32);
    }
}
