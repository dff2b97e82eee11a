//! `sync` and `clone`: a key opens as exactly the old or the new state, and the next run fetches no pack again that is whole.

use std::sync::Arc;

use chunkstore::disk::SimDisk;
use chunkstore::disk::sim::Profile;
use chunkstore::store::{Store, StoreError, layout};

use crate::story::{Publisher, Story, is_whole, open, require_settled, sync_with};
use crate::sweep::{Cut, Met, Sweep};

impl Story {
    // U5 U7 U9 U12
    fn check(&self, met: &Met, cut: &Cut, image: &SimDisk) {
        let store = open(image);
        let opened = store.head().head.generation.0;
        assert!(opened == self.from || opened == self.to, "opened generation {opened}");
        assert!(cut.at_op < self.disk.op_count() || opened == self.to, "it was done");
        met.note(if opened == self.from { "old" } else { "new" });
        assert!(store.packs().packs().iter().all(|pack| is_whole(image, pack)), "a pack of what opens is not whole");
        let packs = self.target.packs().packs();
        let whole = packs.iter().filter(|pack| is_whole(image, pack)).count();
        let partial = packs.iter().any(|pack| {
            let len = image.content(layout::pack(&pack.hash).as_str()).map_or(0, |bytes| bytes.len() as u64);
            len > 1 << 20 && len < pack.len_bytes
        });
        if partial {
            met.note("partial");
        }
        let synced = sync_with(image, &self.remote, self.accept_older).unwrap();
        assert_eq!(synced.generation.0, self.to);
        let (fetched, reused) = (synced.packs_fetched as usize, synced.packs_reused as usize);
        assert_eq!((fetched, reused), (packs.len() - whole, whole), "a whole pack came again");
        if opened == self.from && reused > store.packs().packs().len() {
            met.note("packs found again");
        }
        require_settled(image, self.to);
    }
}

fn sweep(test: &'static str, story: &Story, needed: &[&'static str]) {
    let (sweep, met) = (Sweep::new(test, 24), Met::default());
    assert_eq!(open(&story.before).head().head.generation.0, story.from);
    let count = sweep.run(&story.disk, 0, |cut, image| story.check(&met, cut, image));
    met.require(&sweep, needed);
    sweep.require(count, 60);
}

/// Clones onto an empty medium.
fn sweep_clone(test: &'static str, profile: Profile) {
    let publisher = Publisher::new();
    publisher.commit(&[1_400_000, 9000, 2000]);
    let remote = publisher.remote();
    let empty = SimDisk::new(profile);
    publisher.clone_to(&empty, &remote).unwrap();
    let packs = open(&empty).packs().packs().to_vec();
    let made = first_op_after_layout(&empty);
    let (sweep, met) = (Sweep::new(test, 12), Met::default());
    let count = sweep.run(&empty, made, |cut, image| {
        let whole = packs.iter().filter(|pack| is_whole(image, pack)).count();
        match Store::open(Arc::new(image.clone())) {
            Ok(store) => {
                met.note("store");
                assert_eq!((store.head().head.generation.0, whole), (2, packs.len()));
                assert!(!sync_with(image, &remote, false).unwrap().changed);
            }
            Err(StoreError::NoStore | StoreError::Corrupt { .. }) => {
                met.note("none");
                assert!(cut.at_op < empty.op_count(), "it was done");
                let cloned = publisher.clone_to(image, &remote).unwrap();
                assert_eq!((cloned.packs_fetched as usize, cloned.packs_reused as usize), (packs.len() - whole, whole));
            }
            Err(error) => panic!("{error}"),
        }
        require_settled(image, 2);
    });
    met.require(&sweep, &["store", "none"]);
    sweep.require(count, 60);
}

/// Half of the operations of a clone make 256 directories; cuts there are all alike but for the last few.
fn first_op_after_layout(disk: &SimDisk) -> usize {
    disk.op_count().min(255)
}

mod update {
    use super::*;

    #[test]
    fn ext4() {
        sweep("sync::update::ext4", &Story::update(Profile::Ext4), &["old", "new", "partial", "packs found again"]);
    }

    #[test]
    fn ntfs() {
        sweep("sync::update::ntfs", &Story::update(Profile::Ntfs), &["old", "new", "partial", "packs found again"]);
    }

    #[test]
    fn exfat() {
        sweep("sync::update::exfat", &Story::update(Profile::ExFat), &["old", "new", "partial", "packs found again"]);
    }

    #[test]
    fn fat32() {
        sweep("sync::update::fat32", &Story::update(Profile::Fat32), &["old", "new", "partial", "packs found again"]);
    }
}

/// `--accept-older`: the newer state or the accepted one, and never one in between.
mod back {
    use super::*;

    #[test]
    fn ext4() {
        sweep("sync::back::ext4", &Story::back(Profile::Ext4), &["old", "new"]);
    }

    #[test]
    fn exfat() {
        sweep("sync::back::exfat", &Story::back(Profile::ExFat), &["old", "new"]);
    }

    #[test]
    fn fat32() {
        sweep("sync::back::fat32", &Story::back(Profile::Fat32), &["old", "new"]);
    }
}

mod clone {
    use super::*;

    #[test]
    fn ext4() {
        sweep_clone("sync::clone::ext4", Profile::Ext4);
    }

    #[test]
    fn ntfs() {
        sweep_clone("sync::clone::ntfs", Profile::Ntfs);
    }

    #[test]
    fn exfat() {
        sweep_clone("sync::clone::exfat", Profile::ExFat);
    }

    #[test]
    fn fat32() {
        sweep_clone("sync::clone::fat32", Profile::Fat32);
    }
}
