//! `sync` and `clone`: a key opens as exactly the old or the new state, and the next run fetches no pack again that is whole.

use std::sync::Arc;

use chunkstore::disk::SimDisk;
use chunkstore::disk::sim::Profile;
use chunkstore::format::manifest::PackRef;
use chunkstore::remote::Remote;
use chunkstore::store::{Store, StoreError, layout};

use crate::story::{Publisher, Story, is_whole, open, require_generation, require_no_trace, sync_with};
use crate::sweep::{Met, Recorded, Seen, Sweep};

/// A recorded sync, and the states that were found right after the next one.
struct Syncing {
    story: Story,
    right: Seen,
}

impl From<Story> for Syncing {
    fn from(story: Story) -> Self {
        assert_eq!(open(&story.before).head().head.generation.0, story.from);
        Self { story, right: Seen::default() }
    }
}

/// Checks that a disk holds a generation whatever persists, and no trace of a run.
pub fn settled_once(disk: &SimDisk, generation: u64, right: &Seen) {
    let least = disk.plug_back();
    right.once(generation, &least, || require_generation(&least, generation));
    require_no_trace(disk);
}

impl Recorded for Syncing {
    fn disk(&self) -> &SimDisk {
        &self.story.disk
    }

    fn again(&self, image: &SimDisk) -> (usize, usize) {
        let before = open(image).head().head.generation.0 == self.story.to;
        assert_eq!(sync_with(image, &self.story.remote, self.story.accept_older).unwrap().generation.0, self.story.to);
        (usize::from(before), 1)
    }

    // U5 U7 U9 U12
    fn check(&self, met: &Met, promise: usize, image: &SimDisk) {
        let store = open(image);
        let opened = store.head().head.generation.0;
        assert!(opened == self.story.from || opened == self.story.to, "opened generation {opened}");
        assert!(promise == 0 || opened == self.story.to, "it was done");
        met.note(if opened == self.story.from { "old" } else { "new" });
        assert!(store.packs().packs().iter().all(|pack| is_whole(image, pack)), "a pack of what opens is not whole");
        let packs = self.story.target.packs().packs();
        let whole = packs.iter().filter(|pack| is_whole(image, pack)).count();
        let partial = packs.iter().any(|pack| {
            let len = image.content(layout::pack(&pack.hash).as_str()).map_or(0, |bytes| bytes.len() as u64);
            len > 1 << 20 && len < pack.len_bytes
        });
        if partial {
            met.note("partial");
        }
        let synced = sync_with(image, &self.story.remote, self.story.accept_older).unwrap();
        assert_eq!(synced.generation.0, self.story.to);
        let (fetched, reused) = (synced.packs_fetched as usize, synced.packs_reused as usize);
        assert_eq!((fetched, reused), (packs.len() - whole, whole), "a whole pack came again");
        if opened == self.story.from && reused > store.packs().packs().len() {
            met.note("packs found again");
        }
        settled_once(image, self.story.to, &self.right);
    }
}

/// The kinds of states that every sweep of an update meets.
const KINDS: [&str; 4] = ["old", "new", "partial", "packs found again"];

/// Those that the few images of a second cut are sure to meet; parts of packs are up to chance there.
const CUT_AGAIN_KINDS: [&str; 3] = ["old", "new", "packs found again"];

fn sweep(test: &'static str, profile: Profile) {
    let sweep = Sweep::new(test, 24);
    let count = sweep.run(|variant| Syncing::from(Story::update(profile, variant)));
    sweep.require(count, 40, &KINDS);
}

/// Makes a repacked pack of what the key holds.
fn sweep_repacked(test: &'static str, profile: Profile) {
    let sweep = Sweep::new(test, 12);
    let count = sweep.run(|variant| Syncing::from(Story::repacked(profile, variant)));
    sweep.require(count, 40, &KINDS);
}

/// Cuts the next sync, too, after each cut. // U7
fn sweep_again(test: &'static str, profile: Profile) {
    let sweep = Sweep::new(test, 3);
    let count = sweep.run_again(|variant| Syncing::from(Story::update(profile, variant)));
    sweep.require(count, 30, &CUT_AGAIN_KINDS);
}

/// Goes back to a state that a server was set back to.
fn sweep_back(test: &'static str, profile: Profile) {
    let sweep = Sweep::new(test, 24);
    let count = sweep.run(|variant| Syncing::from(Story::back(profile, variant)));
    sweep.require(count, 12, &KINDS[..2]);
}

/// A recorded clone onto an empty medium.
struct Clone {
    publisher: Publisher,
    remote: Arc<dyn Remote>,
    disk: SimDisk,
    packs: Vec<PackRef>,
    right: Seen,
}

impl Clone {
    fn record(profile: Profile, variant: u64) -> Self {
        let publisher = Publisher::new(variant);
        let len = |plain: u64| usize::try_from(plain + variant * 7919 % plain).unwrap();
        let more = [len(40_000), len(600)];
        publisher.commit(&[&[1_400_000, len(9000), len(2000)], &more[..variant as usize % 3]].concat());
        let remote = publisher.remote();
        let disk = SimDisk::new(profile);
        publisher.clone_to(&disk, &remote).unwrap();
        let packs = open(&disk).packs().packs().to_vec();
        Self { publisher, remote, disk, packs, right: Seen::default() }
    }
}

impl Recorded for Clone {
    fn disk(&self) -> &SimDisk {
        &self.disk
    }

    /// Half of the operations of a clone make 256 directories; cuts there are all alike but for the last few.
    fn first_op(&self) -> usize {
        self.disk.op_count().min(255)
    }

    fn again(&self, image: &SimDisk) -> (usize, usize) {
        let before = usize::from(Store::open(Arc::new(image.clone())).is_ok());
        if before == 0 {
            self.publisher.clone_to(image, &self.remote).unwrap();
        }
        (before, 1)
    }

    // U5 U7 U9
    fn check(&self, met: &Met, promise: usize, image: &SimDisk) {
        let whole = self.packs.iter().filter(|pack| is_whole(image, pack)).count();
        match Store::open(Arc::new(image.clone())) {
            Ok(store) => {
                met.note("store");
                assert_eq!((store.head().head.generation.0, whole), (2, self.packs.len()));
                assert!(!sync_with(image, &self.remote, false).unwrap().changed);
            }
            Err(StoreError::NoStore | StoreError::Corrupt { .. }) => {
                met.note("none");
                assert_eq!(promise, 0, "it was done");
                let cloned = self.publisher.clone_to(image, &self.remote).unwrap();
                let (fetched, reused) = (cloned.packs_fetched as usize, cloned.packs_reused as usize);
                assert_eq!((fetched, reused), (self.packs.len() - whole, whole));
            }
            Err(error) => panic!("{error}"),
        }
        settled_once(image, 2, &self.right);
    }
}

/// Clones onto an empty medium.
fn sweep_clone(test: &'static str, profile: Profile) {
    let sweep = Sweep::new(test, 12);
    let count = sweep.run(|variant| Clone::record(profile, variant));
    sweep.require(count, 50, &["store", "none"]);
}

/// Cuts the next clone, too, after each cut. // U7
fn sweep_clone_again(test: &'static str, profile: Profile) {
    let sweep = Sweep::new(test, 3);
    let count = sweep.run_again(|variant| Clone::record(profile, variant));
    sweep.require(count, 50, &["store", "none"]);
}

mod update {
    use super::*;

    #[test]
    fn ext4() {
        sweep("sync::update::ext4", Profile::Ext4);
    }

    #[test]
    fn ntfs() {
        sweep("sync::update::ntfs", Profile::Ntfs);
    }

    #[test]
    fn exfat() {
        sweep("sync::update::exfat", Profile::ExFat);
    }

    #[test]
    fn fat32() {
        sweep("sync::update::fat32", Profile::Fat32);
    }
}

/// A pack is made of older ones by a recipe.
mod repacked {
    use super::*;

    #[test]
    fn ext4() {
        sweep_repacked("sync::repacked::ext4", Profile::Ext4);
    }

    #[test]
    fn ntfs() {
        sweep_repacked("sync::repacked::ntfs", Profile::Ntfs);
    }

    #[test]
    fn exfat() {
        sweep_repacked("sync::repacked::exfat", Profile::ExFat);
    }

    #[test]
    fn fat32() {
        sweep_repacked("sync::repacked::fat32", Profile::Fat32);
    }
}

/// `--accept-older`: the newer state or the accepted one, and never one in between.
mod back {
    use super::*;

    #[test]
    fn ext4() {
        sweep_back("sync::back::ext4", Profile::Ext4);
    }

    #[test]
    fn ntfs() {
        sweep_back("sync::back::ntfs", Profile::Ntfs);
    }

    #[test]
    fn exfat() {
        sweep_back("sync::back::exfat", Profile::ExFat);
    }

    #[test]
    fn fat32() {
        sweep_back("sync::back::fat32", Profile::Fat32);
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

/// An update that is cut, gone on with and cut again.
mod cut_again {
    use super::*;

    #[test]
    fn ext4() {
        sweep_again("sync::cut_again::ext4", Profile::Ext4);
    }

    #[test]
    fn ntfs() {
        sweep_again("sync::cut_again::ntfs", Profile::Ntfs);
    }

    #[test]
    fn exfat() {
        sweep_again("sync::cut_again::exfat", Profile::ExFat);
    }

    #[test]
    fn fat32() {
        sweep_again("sync::cut_again::fat32", Profile::Fat32);
    }
}

/// A rebuilding that is cut, gone on with and cut again.
mod repacked_cut_again {
    use super::*;

    fn sweep(test: &'static str, profile: Profile) {
        let sweep = Sweep::new(test, 3);
        let count = sweep.run_again(|variant| Syncing::from(Story::repacked(profile, variant)));
        sweep.require(count, 30, &KINDS);
    }

    #[test]
    fn ext4() {
        sweep("sync::repacked_cut_again::ext4", Profile::Ext4);
    }

    #[test]
    fn fat32() {
        sweep("sync::repacked_cut_again::fat32", Profile::Fat32);
    }
}

/// A clone that is cut, gone on with and cut again.
mod clone_cut_again {
    use super::*;

    #[test]
    fn ext4() {
        sweep_clone_again("sync::clone_cut_again::ext4", Profile::Ext4);
    }

    #[test]
    fn ntfs() {
        sweep_clone_again("sync::clone_cut_again::ntfs", Profile::Ntfs);
    }

    #[test]
    fn exfat() {
        sweep_clone_again("sync::clone_cut_again::exfat", Profile::ExFat);
    }

    #[test]
    fn fat32() {
        sweep_clone_again("sync::clone_cut_again::fat32", Profile::Fat32);
    }
}
