//! `init`: either there is no store and `init` works again, or there is a whole one.

use std::sync::Arc;

use chunkstore::disk::SimDisk;
use chunkstore::disk::sim::{ImageBudget, Profile};
use chunkstore::store::{Store, StoreError};

use crate::publisher::{Publisher, folder_after, holding};
use crate::sweep::{Met, Recorded, Seen, Sweep};

fn generation(disk: &SimDisk) -> Result<u64, StoreError> {
    Store::open(Arc::new(disk.clone())).map(|store| store.head().head.generation.0)
}

/// Checks that a store stands whole and takes its first commit.
fn check_whole(publisher: &Publisher, disk: &SimDisk) {
    assert_eq!(generation(disk).unwrap(), 1);
    assert_eq!(publisher.verify(disk).unwrap().findings, []);
    let folder = folder_after(1);
    assert_eq!(publisher.commit(disk, &folder).unwrap().generation.0, 2);
    assert_eq!(publisher.restored(&disk.plug_back()), holding(&folder));
}

/// A recorded `init`.
struct Init {
    publisher: Publisher,
    disk: SimDisk,
    whole: Seen,
}

impl Recorded for Init {
    fn disk(&self) -> &SimDisk {
        &self.disk
    }

    /// Makes a store where a cut left none.
    fn again(&self, image: &SimDisk) -> (usize, usize) {
        let before = usize::from(generation(image).is_ok());
        if before == 0 {
            Publisher::init_from(image, 8).unwrap();
        }
        (before, 1)
    }

    fn check(&self, met: &Met, promise: usize, image: &SimDisk) {
        match generation(image) {
            Ok(generation) => {
                assert_eq!(generation, 1);
                met.note("a whole store");
                check_whole(&self.publisher, image);
            }
            Err(StoreError::NoStore) => {
                assert_eq!(promise, 0, "init had returned");
                met.note("no store");
                if image.content("STORE").is_some() {
                    met.note("a torn marker");
                }
                let again = Publisher::init_from(image, 8).unwrap();
                let least = image.plug_back();
                self.whole.once(1, &least, || check_whole(&again, &least));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// The kinds of states that every sweep of `init` meets.
const KINDS: [&str; 3] = ["a whole store", "no store", "a torn marker"];

// U9
fn sweep(test: &'static str, profile: Profile) {
    let sweep = Sweep::new(test, 3);
    let count = sweep.run(|_| {
        let disk = SimDisk::new(profile);
        let publisher = Publisher::init(&disk).unwrap();
        Init { publisher, disk, whole: Seen::default() }
    });
    sweep.require(count, 250, &KINDS);
}

/// Records an `init` over what another one left that was cut off while it wrote the marker.
fn second(profile: Profile) -> Init {
    let first = SimDisk::new(profile);
    Publisher::init(&first).unwrap();
    let everything = ImageBudget { max_images: 20, seed: 1, tears: 0 };
    let images = first.crash_images(first.op_count() - 2, &everything);
    let torn = |(_, image): &(_, SimDisk)| {
        image.content("STORE").is_some() && matches!(generation(image), Err(StoreError::NoStore))
    };
    let (_, disk) = images.into_iter().find(torn).expect("an image with a torn marker");
    disk.put("pending", b"what a clone was working towards");
    disk.put("replica/remote", b"of another store");
    let disk = disk.settled();
    let publisher = Publisher::init_from(&disk, 9).unwrap();
    assert!(disk.content("replica/remote").is_none() && disk.content("pending").is_none());
    Init { publisher, disk, whole: Seen::default() }
}

fn sweep_second(test: &'static str, profile: Profile) {
    let sweep = Sweep::new(test, 8);
    let count = sweep.run(|_| second(profile));
    sweep.require(count, 25, &KINDS);
}

#[test]
fn ext4() {
    sweep("init::ext4", Profile::Ext4);
}

#[test]
fn ntfs() {
    sweep("init::ntfs", Profile::Ntfs);
}

#[test]
fn exfat() {
    sweep("init::exfat", Profile::ExFat);
}

#[test]
fn fat32() {
    sweep("init::fat32", Profile::Fat32);
}

mod over_a_cut_off_one {
    use super::*;

    #[test]
    fn ext4() {
        sweep_second("init::over_a_cut_off_one::ext4", Profile::Ext4);
    }

    #[test]
    fn ntfs() {
        sweep_second("init::over_a_cut_off_one::ntfs", Profile::Ntfs);
    }

    #[test]
    fn exfat() {
        sweep_second("init::over_a_cut_off_one::exfat", Profile::ExFat);
    }

    #[test]
    fn fat32() {
        sweep_second("init::over_a_cut_off_one::fat32", Profile::Fat32);
    }
}
