//! `forget`: wherever it is cut, the store opens with the old list or with the new one, and the next run makes the new one.

use std::sync::Arc;

use chunkstore::disk::sim::Profile;
use chunkstore::disk::{Disk, SimDisk};
use chunkstore::ops::forget::{Choice, ForgetRequest, Forgotten, forget};
use chunkstore::ops::verify::ProblemKind;
use chunkstore::store::Store;
use chunkstore::tree::retention::{Count, Policy};

use crate::publisher::{Holding, Publisher, folder_variant};
use crate::sweep::{Met, Recorded, Seen, Sweep};

/// Snapshots before anything is forgotten.
const SNAPSHOTS: u64 = 5;
/// How many snapshots each run in a row leaves.
const LEAVES: [u32; 3] = [4, 2, 1];

/// Several runs in a row on one disk.
struct Forgetting {
    publisher: Publisher,
    disk: SimDisk,
    /// How many operations had been done when each run returned, from the start on.
    ends: Vec<usize>,
    generation: u64,
    content: Holding,
    /// States that were found right after the next run.
    right: Seen,
}

fn open(disk: &SimDisk) -> Store {
    Store::open(Arc::new(disk.clone())).unwrap()
}

fn leave(publisher: &Publisher, disk: &SimDisk, count: u32) -> Forgotten {
    let policy = Policy { last: Some(Count::AtMost(count.try_into().unwrap())), ..Policy::default() };
    let request = ForgetRequest { choice: Choice::ByPolicy(policy), writer: &publisher.writer, cache: None };
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    forget(&disk, &request, publisher.run()).unwrap()
}

impl Forgetting {
    fn record(profile: Profile, variant: u64) -> Self {
        let disk = SimDisk::new(profile);
        let publisher = Publisher::init(&disk).unwrap();
        for step in 1..=SNAPSHOTS {
            publisher.commit(&disk, &folder_variant(variant, step)).unwrap();
        }
        let disk = disk.settled();
        let (generation, content) = (open(&disk).head().head.generation.0, publisher.restored(&disk));
        let mut ends = vec![disk.op_count()];
        for count in LEAVES {
            assert_eq!(leave(&publisher, &disk, count).kept.len(), count as usize);
            ends.push(disk.op_count());
        }
        Self { publisher, disk, ends, generation, content, right: Seen::default() }
    }

    /// Returns after how many runs the state is the one that opens, and checks that its list is the one of that state.
    fn opened(&self, image: &SimDisk) -> usize {
        let store = open(image);
        let at = usize::try_from(store.head().head.generation.0 - self.generation).unwrap();
        let sealed = store.unlock(&self.publisher.readers).unwrap().sealed;
        let left = at.checked_sub(1).map_or(SNAPSHOTS as usize, |run| LEAVES[run] as usize);
        assert_eq!(sealed.snapshots.len(), left, "the list after {at} runs");
        at
    }

    /// Runs the next step, or the last one again; returns after how many runs the state now is.
    fn go_on(&self, image: &SimDisk, at: usize) -> usize {
        let next = (at + 1).min(LEAVES.len());
        let done = leave(&self.publisher, image, LEAVES[next - 1]);
        assert_eq!(done.forgotten.is_empty(), at == next);
        assert_eq!(done.generation.0, self.generation + next as u64);
        next
    }
}

impl Recorded for Forgetting {
    fn disk(&self) -> &SimDisk {
        &self.disk
    }

    fn first_op(&self) -> usize {
        self.ends[0]
    }

    fn promised(&self, at_op: usize) -> usize {
        self.ends.iter().rposition(|end| *end <= at_op).unwrap_or(0)
    }

    fn again(&self, image: &SimDisk) -> (usize, usize) {
        let at = self.opened(image);
        (at, self.go_on(image, at))
    }

    // U7 U11
    fn check(&self, met: &Met, acked: usize, image: &SimDisk) {
        let at = self.opened(image);
        assert!(at == acked || at == acked + 1, "opened after {at} runs, and {acked} had returned");
        met.note(if at == acked { "old" } else { "new" });
        let findings = self.publisher.verify(image).unwrap().findings;
        let head_only = findings.iter().all(|found| found.kind == ProblemKind::Head && found.file == "HEAD");
        assert!(head_only, "{findings:?}");
        assert!(self.publisher.restored(image) == self.content, "the newest snapshot");
        let next = self.go_on(image, at);
        // The run has returned, so even if nothing more persists its state opens.
        let least = image.plug_back();
        self.right.once(next as u64, &least, || {
            assert_eq!(self.opened(&least), next);
            assert_eq!(self.publisher.verify(&least).unwrap().findings, []);
            assert!(self.publisher.restored(&least) == self.content, "the newest snapshot after the next run");
        });
    }
}

fn sweep(test: &'static str, profile: Profile) {
    let sweep = Sweep::new(test, 8);
    let count = sweep.run(|variant| Forgetting::record(profile, variant));
    sweep.require(count, 20, &["old", "new"]);
}

/// Cuts the next run, too, after each cut. // U7
fn sweep_again(test: &'static str, profile: Profile) {
    let sweep = Sweep::new(test, 3);
    let count = sweep.run_again(|variant| Forgetting::record(profile, variant));
    sweep.require(count, 15, &["old", "new"]);
}

/// Three runs in a row.
mod in_a_row {
    use super::*;

    #[test]
    fn ext4() {
        sweep("forget::in_a_row::ext4", Profile::Ext4);
    }

    #[test]
    fn ntfs() {
        sweep("forget::in_a_row::ntfs", Profile::Ntfs);
    }

    #[test]
    fn exfat() {
        sweep("forget::in_a_row::exfat", Profile::ExFat);
    }

    #[test]
    fn fat32() {
        sweep("forget::in_a_row::fat32", Profile::Fat32);
    }
}

/// Three runs, each cut, gone on with and cut again.
mod cut_again {
    use super::*;

    #[test]
    fn ext4() {
        sweep_again("forget::cut_again::ext4", Profile::Ext4);
    }

    #[test]
    fn ntfs() {
        sweep_again("forget::cut_again::ntfs", Profile::Ntfs);
    }

    #[test]
    fn exfat() {
        sweep_again("forget::cut_again::exfat", Profile::ExFat);
    }

    #[test]
    fn fat32() {
        sweep_again("forget::cut_again::fat32", Profile::Fat32);
    }
}
