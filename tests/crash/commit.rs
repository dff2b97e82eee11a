//! `commit`: the store opens as exactly the old or the new snapshot, and the next commit finds what was written.

use std::sync::Arc;

use chunkstore::base::limits::HEAD_MAX_BYTES;
use chunkstore::disk::SimDisk;
use chunkstore::disk::sim::Profile;
use chunkstore::ops::verify::ProblemKind;
use chunkstore::store::{Store, layout};

use crate::publisher::{Holding, Publisher, folder_after, holding};
use crate::sweep::{Cut, Met, Sweep};

/// One committed state of a recorded run.
struct State {
    generation: u64,
    /// How many operations had been done when its commit returned.
    until_op: usize,
    content: Holding,
    /// Bytes that its commit wrote.
    written_bytes: u64,
    /// Its new packs: path and bytes.
    new_packs: Vec<(String, Vec<u8>)>,
}

/// Several commits in a row on one disk.
struct History {
    publisher: Publisher,
    disk: SimDisk,
    /// Steps of the folder that were committed before the record begins.
    before: u64,
    /// The state at the start and the one after each commit.
    states: Vec<State>,
}

fn open(disk: &SimDisk) -> Store {
    Store::open(Arc::new(disk.clone())).unwrap()
}

fn state_of(publisher: &Publisher, disk: &SimDisk, old: Option<&Store>) -> State {
    let store = open(disk);
    let is_new = |hash| old.is_some_and(|old| old.packs().pack(hash).is_none());
    let paths = store.packs().packs().iter().filter(|pack| is_new(&pack.hash)).map(|pack| layout::pack(&pack.hash));
    let new_packs = paths.map(|path| (path.to_string(), disk.content(path.as_str()).unwrap())).collect();
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
    fn record(profile: Profile, before: u64, commits: u64) -> Self {
        let disk = SimDisk::new(profile);
        let publisher = Publisher::init(&disk).unwrap();
        for step in 1..=before {
            assert!(publisher.commit(&disk, &folder_after(step)).unwrap().changed);
        }
        let disk = disk.settled();
        let mut states = vec![state_of(&publisher, &disk, None)];
        for step in before + 1..=before + commits {
            let old = open(&disk);
            disk.reset_counts();
            let folder = folder_after(step);
            assert!(publisher.commit(&disk, &folder).unwrap().changed);
            let state = state_of(&publisher, &disk, Some(&old));
            assert_eq!(state.content, holding(&folder));
            states.push(state);
        }
        Self { publisher, disk, before, states }
    }

    fn check(&self, met: &Met, cut: &Cut, image: &SimDisk) {
        let acked = self.states.iter().rposition(|state| state.until_op <= cut.at_op).unwrap_or(0);
        let store = open(image);
        let opened = store.head().head.generation.0;
        let at = self.states.iter().position(|state| state.generation == opened);
        let at = at.unwrap_or_else(|| panic!("opened generation {opened}"));
        assert!(at == acked || at == acked + 1, "opened state {at}, and {acked} was acknowledged");
        met.note(if at == acked { "old" } else { "new" });
        self.check_findings(met, image, opened);
        if opened > 1 {
            assert!(self.publisher.restored(image) == self.states[at].content, "content of state {at}");
        }
        self.check_next(met, image, at, (acked + 1).min(self.states.len() - 1));
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
        let (step, new) = (self.before + next as u64, &self.states[next]);
        let is_whole = |(path, bytes): &&(String, Vec<u8>)| image.content(path).as_ref() == Some(bytes);
        let whole_bytes: u64 = new.new_packs.iter().filter(is_whole).map(|(_, bytes)| bytes.len() as u64).sum();
        if at < next && whole_bytes > 0 {
            met.note("packs found again");
        }
        image.reset_counts();
        let committed = self.publisher.commit(image, &folder_after(step)).unwrap();
        assert_eq!((committed.generation.0, committed.changed), (new.generation, at < next));
        let written = image.counts().bytes_written;
        let expected = if at < next { new.written_bytes - whole_bytes } else { 0 };
        assert!(written <= expected + 2 * HEAD_MAX_BYTES, "wrote {written} bytes, expected {expected}");
        // The commit has returned, so even if nothing more persists the new state opens.
        let least = image.plug_back();
        assert_eq!(open(&least).head().head.generation.0, new.generation);
        assert_eq!(self.publisher.verify(&least).unwrap().findings, []);
        assert!(self.publisher.restored(&least) == new.content, "content after the next commit");
    }
}

fn sweep(test: &'static str, profile: Profile, short: usize, before: u64, commits: u64) {
    let (sweep, met) = (Sweep::new(test, short), Met::default());
    let history = History::record(profile, before, commits);
    let count = sweep.run(&history.disk, 0, |cut, image| history.check(&met, cut, image));
    met.require(&sweep, &["old", "new", "packs found again"]);
    if matches!(profile, Profile::ExFat | Profile::Fat32) {
        met.require(&sweep, &["HEAD torn"]);
    }
    sweep.require(count, 20 * commits as usize);
}

/// Six commits in a row from an empty store on, so that records are pruned.
mod in_a_row {
    use super::*;

    #[test]
    fn ext4() {
        sweep("commit::in_a_row::ext4", Profile::Ext4, 8, 0, 6);
    }

    #[test]
    fn ntfs() {
        sweep("commit::in_a_row::ntfs", Profile::Ntfs, 8, 0, 6);
    }

    #[test]
    fn exfat() {
        sweep("commit::in_a_row::exfat", Profile::ExFat, 8, 0, 6);
    }

    #[test]
    fn fat32() {
        sweep("commit::in_a_row::fat32", Profile::Fat32, 8, 0, 6);
    }
}

/// A commit that merges the indexes of the packs before it.
mod merging {
    use super::*;

    fn merging(test: &'static str, profile: Profile) {
        sweep(test, profile, 8, 8, 1);
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
        let history = History::record(Profile::Ext4, 8, 1);
        let unlocked = open(&history.disk).unlock(&history.publisher.readers).unwrap();
        assert_eq!(unlocked.sealed.indexes.len(), 1);
    }
}
