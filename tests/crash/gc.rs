//! `gc`: wherever it is cut, what the kept snapshots hold is there, and the next run ends what was begun.

use chunkstore::disk::SimDisk;
use chunkstore::disk::sim::Profile;
use chunkstore::ops::gc::Collected;
use chunkstore::ops::verify::ProblemKind;

use crate::sweep::{Met, Recorded, Seen, Sweep};
use crate::waste::{Waste, open, pack_files};

/// A recorded run, and the states that were found right after the next one.
struct Collecting {
    waste: Waste,
    at_publisher: bool,
    disk: SimDisk,
    last_generation: u64,
    right: Seen,
}

impl Collecting {
    fn record(waste: Waste, at_publisher: bool) -> Self {
        let disk = waste.disk.settled();
        let mut collecting = Self { waste, at_publisher, disk, last_generation: 0, right: Seen::default() };
        let before = pack_files(&collecting.disk);
        let done = collecting.collect(&collecting.disk);
        if let Some(packs) = done.packs {
            assert!(!packs.dropped.is_empty() && !packs.repacked.is_empty(), "{packs:?}");
        }
        collecting.last_generation = open(&collecting.disk).head().head.generation.0;
        assert!(pack_files(&collecting.disk) < before);
        collecting.waste.assert_clean(&collecting.disk);
        collecting
    }

    fn collect(&self, disk: &SimDisk) -> Collected {
        let done = if self.at_publisher { self.waste.collect(disk) } else { self.waste.collect_files(disk) };
        done.inspect(|done| assert!(!done.readers)).unwrap()
    }

    fn is_clean(disk: &SimDisk) -> bool {
        pack_files(disk) == open(disk).packs().packs().len()
    }
}

impl Recorded for Collecting {
    fn disk(&self) -> &SimDisk {
        &self.disk
    }

    fn again(&self, image: &SimDisk) -> (usize, usize) {
        let generation = open(image).head().head.generation.0;
        let before = generation >= self.last_generation && Self::is_clean(image);
        self.collect(image);
        (usize::from(before), 1)
    }

    // U5 U7 U13 D22
    fn check(&self, met: &Met, promise: usize, image: &SimDisk) {
        let opened = open(image).head().head.generation.0;
        let (first, last) = (self.waste.generation, self.last_generation);
        // A run that goes on with one that was cut may need a generation more than one that was not.
        assert!((first..=last + 2).contains(&opened), "opened generation {opened}");
        assert!(promise == 0 || (opened >= last && Self::is_clean(image)), "it was done");
        met.note(if opened == first { "old" } else { "new" });
        if opened > first {
            met.note(if Self::is_clean(image) { "clean" } else { "half clean" });
        }
        let findings = self.waste.findings(image);
        let head_only = findings.iter().all(|found| found.kind == ProblemKind::Head && found.file == "HEAD");
        assert!(head_only, "{findings:?}");
        self.waste.assert_kept(image);
        self.collect(image);
        let least = image.plug_back();
        self.right.once(open(&least).head().head.generation.0, &least, || self.waste.assert_clean(image));
    }
}

fn sweep(test: &'static str, profile: Profile) {
    let sweep = Sweep::new(test, 4);
    let count = sweep.run(|variant| Collecting::record(Waste::new(profile, variant), true));
    sweep.require(count, 30, &["old", "new", "half clean", "clean"]);
}

fn sweep_files(test: &'static str, profile: Profile) {
    let sweep = Sweep::new(test, 8);
    let count = sweep.run(|variant| Collecting::record(Waste::condemned(profile, variant), false));
    sweep.require(count, 9, &["old"]);
}

/// Cuts the next run, too, after each cut. // U7
fn sweep_again(test: &'static str, profile: Profile) {
    let sweep = Sweep::new(test, 1);
    let count = sweep.run_again(|variant| Collecting::record(Waste::new(profile, variant), true));
    sweep.require(count, 20, &["old", "new"]);
}

/// At the publisher: packs are copied, dropped and removed.
mod at_the_publisher {
    use super::*;

    #[test]
    fn ext4() {
        sweep("gc::at_the_publisher::ext4", Profile::Ext4);
    }

    #[test]
    fn ntfs() {
        sweep("gc::at_the_publisher::ntfs", Profile::Ntfs);
    }

    #[test]
    fn exfat() {
        sweep("gc::at_the_publisher::exfat", Profile::ExFat);
    }

    #[test]
    fn fat32() {
        sweep("gc::at_the_publisher::fat32", Profile::Fat32);
    }
}

/// On a key: files are removed that nothing names.
mod on_a_key {
    use super::*;

    #[test]
    fn ext4() {
        sweep_files("gc::on_a_key::ext4", Profile::Ext4);
    }

    #[test]
    fn ntfs() {
        sweep_files("gc::on_a_key::ntfs", Profile::Ntfs);
    }

    #[test]
    fn exfat() {
        sweep_files("gc::on_a_key::exfat", Profile::ExFat);
    }

    #[test]
    fn fat32() {
        sweep_files("gc::on_a_key::fat32", Profile::Fat32);
    }
}

/// A run at the publisher that is cut, gone on with and cut again.
mod cut_again {
    use super::*;

    #[test]
    fn ext4() {
        sweep_again("gc::cut_again::ext4", Profile::Ext4);
    }

    #[test]
    fn ntfs() {
        sweep_again("gc::cut_again::ntfs", Profile::Ntfs);
    }

    #[test]
    fn exfat() {
        sweep_again("gc::cut_again::exfat", Profile::ExFat);
    }

    #[test]
    fn fat32() {
        sweep_again("gc::cut_again::fat32", Profile::Fat32);
    }
}
