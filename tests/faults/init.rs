//! An init with a failing call: an error of the right kind or success, then no store or a whole one, then it works.

use std::sync::Arc;

use chunkstore::disk::SimDisk;
use chunkstore::disk::sim::{FaultKind, Profile};
use chunkstore::store::{Store, StoreError};

use crate::calls::{KINDS, check_kind, profiles, sweep};
use crate::killed::Killed;
use crate::publisher::{Publisher, folder_after, holding};

/// Checks that a whole store of that publisher stands, or none and `init` works; then that it is durable once it took a commit.
fn check_after(disk: &SimDisk, publisher: Option<&Publisher>, returned: bool) {
    let again = match Store::open(Arc::new(disk.clone())) {
        Ok(store) => {
            assert_eq!(store.head().head.generation.0, 1);
            None
        }
        Err(StoreError::NoStore) => {
            assert!(!returned, "init had returned");
            Some(Publisher::init_from(disk, 8).unwrap())
        }
        Err(error) => panic!("{error}"),
    };
    let publisher = again.as_ref().or(publisher).expect("a store without keys");
    let folder = folder_after(1);
    publisher.commit(disk, &folder).unwrap();
    let least = disk.plug_back();
    assert_eq!(publisher.verify(&least).unwrap().findings, []);
    assert_eq!(publisher.restored(&least), holding(&folder));
}

fn fail(profile: Profile, call: u64, kind: FaultKind) {
    let disk = SimDisk::new(profile);
    disk.fail_nth_call(call, kind);
    let (result, publisher) = Publisher::try_init(&disk, 7);
    check_kind(&result, call, kind);
    check_after(&disk.plug_back(), publisher.as_ref(), result.is_ok());
    if kind != FaultKind::Gone {
        check_after(&disk, publisher.as_ref(), result.is_ok());
    }
}

// U26
#[test]
fn killed_at_each_call_then_a_commit_then_cut() {
    for profile in Profile::ALL {
        let roomy = Killed::after(&SimDisk::new(profile), 10_000);
        Publisher::init(&roomy).unwrap();
        let calls = 10_000 - roomy.left();
        let wanted = |call: u64| call < 10 || call + 48 > calls || call.is_multiple_of(16);
        sweep("init::killed_at_each_call_then_a_commit_then_cut", &format!("{profile:?}"), calls, wanted, |call| {
            let disk = SimDisk::new(profile);
            let (result, publisher) = Publisher::try_init(&Killed::after(&disk, call), 7);
            result.unwrap_err();
            // The next process finds what the dead one wrote in the cache of the system, durable or not.
            check_after(&disk, publisher.as_ref(), false);
        });
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
