//! An init with a failing call: an error of the right kind or success, then no store or a whole one, then it works.

use std::sync::Arc;

use chunkstore::disk::SimDisk;
use chunkstore::disk::sim::{FaultKind, Profile};
use chunkstore::store::{Store, StoreError};

use crate::calls::{KINDS, check_kind, profiles, sweep};
use crate::publisher::{Publisher, folder_after, holding};

fn check_after(disk: &SimDisk, made: Option<&Publisher>) {
    let publisher = match Store::open(Arc::new(disk.clone())) {
        Ok(store) => {
            assert_eq!(store.head().head.generation.0, 1);
            None
        }
        Err(StoreError::NoStore) => {
            assert!(made.is_none(), "init had returned");
            Some(Publisher::init_from(disk, 8).unwrap())
        }
        Err(error) => panic!("{error}"),
    };
    // When an init failed at its very end a whole store may stand whose keys the test has no hold of.
    let Some(publisher) = made.or(publisher.as_ref()) else { return };
    let least = disk.plug_back();
    assert_eq!(publisher.verify(&least).unwrap().findings, []);
    let folder = folder_after(1);
    publisher.commit(&least, &folder).unwrap();
    assert_eq!(publisher.restored(&least.plug_back()), holding(&folder));
}

fn fail(profile: Profile, call: u64, kind: FaultKind) {
    let disk = SimDisk::new(profile);
    disk.fail_nth_call(call, kind);
    let result = Publisher::init(&disk);
    check_kind(&result, call, kind);
    check_after(&disk.plug_back(), result.as_ref().ok());
    if kind != FaultKind::Gone {
        check_after(&disk, result.as_ref().ok());
    }
}

#[test]
fn with_each_call_failing() {
    for &profile in profiles() {
        let disk = SimDisk::new(profile);
        Publisher::init(&disk).unwrap();
        let calls = disk.call_count();
        // The middle makes 256 directories, one like the other.
        let wanted = |call: u64| call < 24 || call + 64 > calls || call.is_multiple_of(16);
        for kind in KINDS {
            let what = format!("{profile:?}, {kind:?}");
            sweep("init::with_each_call_failing", &what, calls, wanted, |call| fail(profile, call, kind));
        }
    }
}
