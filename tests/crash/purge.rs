//! `purge`: wherever it is cut, the store opens as before or after, and running it again ends it: then nothing of before stands.

use chunkstore::disk::SimDisk;
use chunkstore::disk::sim::Profile;
use chunkstore::error::ErrorKind;
use chunkstore::ops::verify::ProblemKind;

use crate::purged::{is_ended, run, without_purged};
use crate::sweep::{Met, Recorded, Seen, Sweep};
use crate::waste::{Waste, open};

struct Purging {
    waste: Waste,
    disk: SimDisk,
    last_generation: u64,
    right: Seen,
}

impl Purging {
    fn record(waste: Waste) -> Self {
        let disk = waste.disk.settled();
        let done = run(&waste, &disk).unwrap();
        assert_eq!(done.plan.unwrap().snapshots.len(), 2);
        assert!(is_ended(&disk) && done.obeyed.files > 0);
        Self { waste, last_generation: done.generation.0, disk, right: Seen::default() }
    }

    fn end(&self, image: &SimDisk) {
        match run(&self.waste, image) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::Other, "{error:?}"),
        }
        assert!(is_ended(image), "it is not ended");
    }

    fn assert_purged(&self, disk: &SimDisk) {
        let least = disk.plug_back();
        assert_eq!(self.waste.findings(&least), []);
        self.waste.assert_kept_as(&least, &without_purged);
        assert!(is_ended(&least));
    }
}

impl Recorded for Purging {
    fn disk(&self) -> &SimDisk {
        &self.disk
    }

    fn again(&self, image: &SimDisk) -> (usize, usize) {
        let before = usize::from(open(image).head().head.generation.0 >= self.last_generation && is_ended(image));
        self.end(image);
        (before, 1)
    }

    // S19 U5 U7
    fn check(&self, met: &Met, promise: usize, image: &SimDisk) {
        let opened = open(image).head().head.generation.0;
        let (first, last) = (self.waste.generation, self.last_generation);
        assert!((first..=last).contains(&opened), "opened generation {opened}");
        assert!(promise == 0 || (opened == last && is_ended(image)), "it was done");
        let findings = self.waste.findings(image);
        let head_only = findings.iter().all(|found| found.kind == ProblemKind::Head && found.file == "HEAD");
        assert!(head_only, "{findings:?}");
        if opened == first {
            met.note("old");
            self.waste.assert_kept(image);
        } else {
            met.note(if is_ended(image) { "ended" } else { "new" });
            self.waste.assert_kept_as(image, &without_purged);
        }
        self.end(image);
        let least = image.plug_back();
        self.right.once(open(&least).head().head.generation.0, &least, || self.assert_purged(image));
    }
}

fn sweep(test: &'static str, profile: Profile) {
    let sweep = Sweep::new(test, 3);
    let count = sweep.run(|variant| Purging::record(Waste::new(profile, variant)));
    sweep.require(count, 30, &["old", "new", "ended"]);
}

fn sweep_again(test: &'static str, profile: Profile) {
    let sweep = Sweep::new(test, 1);
    let count = sweep.run_again(|variant| Purging::record(Waste::new(profile, variant)));
    sweep.require(count, 20, &["old", "ended"]);
}

/// At the publisher.
mod at_the_publisher {
    use super::*;

    #[test]
    fn ext4() {
        sweep("purge::at_the_publisher::ext4", Profile::Ext4);
    }

    #[test]
    fn ntfs() {
        sweep("purge::at_the_publisher::ntfs", Profile::Ntfs);
    }

    #[test]
    fn exfat() {
        sweep("purge::at_the_publisher::exfat", Profile::ExFat);
    }

    #[test]
    fn fat32() {
        sweep("purge::at_the_publisher::fat32", Profile::Fat32);
    }
}

/// A run that is cut, gone on with and cut again.
mod cut_again {
    use super::*;

    #[test]
    fn ext4() {
        sweep_again("purge::cut_again::ext4", Profile::Ext4);
    }

    #[test]
    fn fat32() {
        sweep_again("purge::cut_again::fat32", Profile::Fat32);
    }
}
