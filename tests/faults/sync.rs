//! A sync, a clone and a heal with a failing call: an error of the right kind or success, then the old or the new state, then it works
//! and fetches nothing again that is whole.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use chunkstore::disk::SimDisk;
use chunkstore::disk::sim::{FaultKind, Profile};
use chunkstore::error::ErrorKind;
use chunkstore::store::{Store, StoreError};

use crate::calls::{KINDS, check_kind};
use crate::story::{Publisher, Rotten, Story, is_whole, open, require_settled, sync_with};

pub fn each_call(what: &str, calls: u64, wanted: impl Fn(u64) -> bool, check: impl Fn(u64, FaultKind)) {
    let mut count = 0;
    for kind in KINDS {
        for call in (0..calls).filter(|call| wanted(*call)) {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(call, kind))) {
                eprintln!("{what}: {kind:?} at call {call} of {calls}");
                resume_unwind(panic);
            }
            count += 1;
        }
    }
    println!("faults | {what:24} | {calls:4} calls | {count:4} tried");
    assert!(count > 100, "only {count}");
}

// U9 U22
fn check_sync(story: &Story, disk: &SimDisk, returned: bool) {
    let store = open(disk);
    let opened = store.head().head.generation.0;
    assert!(opened == story.to || (opened == story.from && !returned), "opened generation {opened}");
    assert!(store.packs().packs().iter().all(|pack| is_whole(disk, pack)), "a pack of what opens is not whole");
    let packs = story.target.packs().packs();
    let whole = packs.iter().filter(|pack| is_whole(disk, pack)).count();
    let synced = sync_with(disk, &story.remote, story.accept_older).unwrap();
    assert_eq!((synced.generation.0, synced.packs_fetched as usize), (story.to, packs.len() - whole));
    require_settled(disk, story.to);
}

fn sweep_sync(name: &str, profile: Profile, story: &Story) {
    let disk = story.before.snapshot();
    sync_with(&disk, &story.remote, story.accept_older).unwrap();
    each_call(
        &format!("sync {name} {profile:?}"),
        disk.call_count(),
        |_| true,
        |call, kind| {
            let disk = story.before.snapshot();
            disk.fail_nth_call(call, kind);
            let result = sync_with(&disk, &story.remote, story.accept_older);
            check_kind(&result, call, kind);
            check_sync(story, &disk.plug_back(), result.is_ok());
            if kind != FaultKind::Gone {
                check_sync(story, &disk, result.is_ok());
            }
        },
    );
}

#[test]
fn an_update_on_ext4() {
    sweep_sync("update", Profile::Ext4, &Story::update(Profile::Ext4, 0));
}

#[test]
fn an_update_on_fat32() {
    sweep_sync("update", Profile::Fat32, &Story::update(Profile::Fat32, 0));
}

#[test]
fn a_repacked_pack_made_of_older_ones() {
    for profile in [Profile::Ext4, Profile::Fat32] {
        sweep_sync("repacked", profile, &Story::repacked(profile, 0));
    }
}

#[test]
fn a_way_back_on_exfat() {
    sweep_sync("back", Profile::ExFat, &Story::back(Profile::ExFat, 0));
}

#[test]
fn a_clone() {
    for profile in [Profile::Ntfs, Profile::Fat32] {
        let publisher = Publisher::new(0);
        publisher.commit(&[1_400_000, 9000, 2000]);
        let remote = publisher.remote();
        let whole = SimDisk::new(profile);
        publisher.clone_to(&whole, &remote).unwrap();
        let calls = whole.call_count();
        let last = move |call: u64| call < 24 || call + 120 > calls;
        each_call(&format!("clone {profile:?}"), calls, last, |call, kind| {
            let disk = SimDisk::new(profile);
            disk.fail_nth_call(call, kind);
            let result = publisher.clone_to(&disk, &remote);
            check_kind(&result, call.max(1), kind);
            for disk in [disk.plug_back(), disk].into_iter().take(if kind == FaultKind::Gone { 1 } else { 2 }) {
                match Store::open(Arc::new(disk.clone())) {
                    Ok(_) => assert!(!sync_with(&disk, &remote, false).unwrap().changed),
                    Err(StoreError::NoStore | StoreError::Corrupt { .. }) => {
                        assert!(result.is_err(), "clone had returned");
                        publisher.clone_to(&disk, &remote).unwrap();
                    }
                    Err(error) => panic!("{error}"),
                }
                require_settled(&disk, 2);
            }
        });
    }
}

// U10 U22
#[test]
fn a_heal() {
    for profile in [Profile::Ext4, Profile::Fat32] {
        let rotten = Rotten::new(profile, 0);
        let disk = rotten.disk.settled();
        assert_eq!(rotten.heal(&disk).unwrap().left().count(), 0);
        each_call(
            &format!("heal {profile:?}"),
            disk.call_count(),
            |_| true,
            |call, kind| {
                let disk = rotten.disk.settled();
                disk.fail_nth_call(call, kind);
                let result = rotten.heal(&disk);
                // Damage is believed only while the marker reads, and that may be the call that fails.
                if !result.as_ref().is_err_and(|error| error.kind() == ErrorKind::Gone) {
                    check_kind(&result, call, kind);
                }
                let is_done = result.is_ok_and(|report| report.left().next().is_none());
                for disk in [disk.plug_back(), disk].into_iter().take(if kind == FaultKind::Gone { 1 } else { 2 }) {
                    assert_eq!(open(&disk).head().head.generation.0, rotten.generation);
                    assert!(rotten.whole.iter().all(|pack| is_whole(&disk, pack)), "a whole pack was lost");
                    let again = rotten.heal(&disk).unwrap();
                    assert!(again.left().next().is_none(), "{again:?}");
                    assert!(!is_done || again.findings.is_empty(), "it was done, and yet {again:?}");
                }
            },
        );
    }
}
