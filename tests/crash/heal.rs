//! `verify --heal`: wherever it is cut, the key opens as it did, what was whole is whole, and the next run mends the rest.

use chunkstore::disk::SimDisk;
use chunkstore::disk::sim::Profile;
use chunkstore::store::layout;

use crate::story::{Rotten, is_whole, open, verify_with};
use crate::sweep::{Met, Recorded, Seen, Sweep};
use crate::sync::settled_once;

/// A recorded heal, and the states that were found right after the next one.
struct Healing {
    rotten: Rotten,
    disk: SimDisk,
    right: Seen,
}

impl Healing {
    fn record(profile: Profile, variant: u64) -> Self {
        let rotten = Rotten::new(profile, variant);
        let disk = rotten.disk.settled();
        assert_eq!(rotten.heal(&disk).unwrap().left().count(), 0);
        settled_once(&disk, rotten.generation, &Seen::default());
        Self { rotten, disk, right: Seen::default() }
    }
}

impl Recorded for Healing {
    fn disk(&self) -> &SimDisk {
        &self.disk
    }

    fn again(&self, image: &SimDisk) -> (usize, usize) {
        let before = verify_with(image, &[]).unwrap().findings.is_empty();
        assert_eq!(self.rotten.heal(image).unwrap().left().count(), 0);
        (usize::from(before), 1)
    }

    // U5 U7 U10
    fn check(&self, met: &Met, promise: usize, image: &SimDisk) {
        let Rotten { generation, packs, whole, .. } = &self.rotten;
        assert_eq!(open(image).head().head.generation.0, *generation);
        assert!(whole.iter().all(|pack| is_whole(image, pack)), "a whole pack was lost");
        let report = self.rotten.heal(image).unwrap();
        assert!(promise == 0 || report.findings.is_empty(), "it was done");
        assert_eq!(report.left().count(), 0, "{report:?}");
        met.note(if report.findings.is_empty() { "mended" } else { "broken" });
        let damaged =
            packs.iter().filter(|pack| report.findings.iter().any(|found| found.file == file_of(pack))).count();
        if (1..packs.len() - whole.len()).contains(&damaged) {
            met.note("mended in part");
        }
        if report.findings.is_empty() {
            // A run that was cut at its very end may have left its marker, which the next sync takes away.
            return;
        }
        settled_once(image, *generation, &self.right);
    }
}

fn file_of(pack: &chunkstore::format::manifest::PackRef) -> String {
    layout::pack(&pack.hash).to_string()
}

fn sweep(test: &'static str, profile: Profile) {
    let sweep = Sweep::new(test, 24);
    let count = sweep.run(|variant| Healing::record(profile, variant));
    sweep.require(count, 30, &["broken", "mended", "mended in part"]);
}

/// Cuts the next heal, too, after each cut. // U7
fn sweep_again(test: &'static str, profile: Profile) {
    let sweep = Sweep::new(test, 3);
    let count = sweep.run_again(|variant| Healing::record(profile, variant));
    sweep.require(count, 20, &["broken", "mended"]);
}

mod cut {
    use super::*;

    #[test]
    fn ext4() {
        sweep("heal::cut::ext4", Profile::Ext4);
    }

    #[test]
    fn ntfs() {
        sweep("heal::cut::ntfs", Profile::Ntfs);
    }

    #[test]
    fn exfat() {
        sweep("heal::cut::exfat", Profile::ExFat);
    }

    #[test]
    fn fat32() {
        sweep("heal::cut::fat32", Profile::Fat32);
    }
}

/// A heal that is cut, gone on with and cut again.
mod cut_again {
    use super::*;

    #[test]
    fn ext4() {
        sweep_again("heal::cut_again::ext4", Profile::Ext4);
    }

    #[test]
    fn ntfs() {
        sweep_again("heal::cut_again::ntfs", Profile::Ntfs);
    }

    #[test]
    fn exfat() {
        sweep_again("heal::cut_again::exfat", Profile::ExFat);
    }

    #[test]
    fn fat32() {
        sweep_again("heal::cut_again::fat32", Profile::Fat32);
    }
}
