//! `init`: either there is no store and `init` works again, or there is a whole one.

use std::sync::Arc;

use chunkstore::disk::SimDisk;
use chunkstore::disk::sim::{ImageBudget, Profile};
use chunkstore::store::{Store, StoreError};

use crate::publisher::{Publisher, folder_after, holding};
use crate::sweep::{Cut, Met, Sweep};

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

fn check(publisher: &Publisher, met: &Met, returned: bool, image: &SimDisk) {
    match generation(image) {
        Ok(generation) => {
            assert_eq!(generation, 1);
            met.note("a whole store");
            check_whole(publisher, image);
        }
        Err(StoreError::NoStore) => {
            assert!(!returned, "init had returned");
            met.note("no store");
            if image.content("STORE").is_some() {
                met.note("a torn marker");
            }
            let again = Publisher::init_from(image, 8).unwrap();
            check_whole(&again, &image.plug_back());
        }
        Err(error) => panic!("{error}"),
    }
}

// U9
fn sweep(test: &'static str, profile: Profile) {
    let (sweep, met) = (Sweep::new(test, 3), Met::default());
    let disk = SimDisk::new(profile);
    let publisher = Publisher::init(&disk).unwrap();
    let count = sweep.run(&disk, 0, |cut: &Cut, image| check(&publisher, &met, cut.at_op == disk.op_count(), image));
    met.require(&sweep, &["a whole store", "no store", "a torn marker"]);
    sweep.require(count, 600);
}

/// Sweeps an `init` over what another one left that was cut off while it wrote the marker.
fn sweep_second(test: &'static str, profile: Profile) {
    let (sweep, met) = (Sweep::new(test, 8), Met::default());
    let first = SimDisk::new(profile);
    Publisher::init(&first).unwrap();
    let everything = ImageBudget { max_images: 20, seed: 1 };
    let images = first.crash_images(first.op_count() - 2, &everything);
    let torn = |(_, image): &(_, SimDisk)| {
        image.content("STORE").is_some() && matches!(generation(image), Err(StoreError::NoStore))
    };
    let (_, disk) = images.into_iter().find(torn).expect("an image with a torn marker");
    disk.put("pending", b"what a clone was working towards");
    disk.put("replica/remote", b"of another store");
    let disk = disk.settled();
    let publisher = Publisher::init_from(&disk, 9).unwrap();
    let count = sweep.run(&disk, 0, |cut: &Cut, image| check(&publisher, &met, cut.at_op == disk.op_count(), image));
    assert!(disk.content("replica/remote").is_none() && disk.content("pending").is_none());
    met.require(&sweep, &["a whole store", "no store", "a torn marker"]);
    sweep.require(count, 60);
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
