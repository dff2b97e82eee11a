//! A purge with a failing call: whatever fails, the store holds what it held or all but what goes, and running it again ends it.

use chunkstore::disk::sim::{FaultKind, Profile};
use chunkstore::disk::{Disk, SimDisk};
use chunkstore::error::ErrorKind;
use chunkstore::format::manifest::PackRef;
use chunkstore::ops::verify::ProblemKind;
use chunkstore::store::layout;
use chunkstore::store::order::superseded;

use crate::calls::{check_kind, is_long};
use crate::purged::{is_ended, run, without_purged};
use crate::sync::each_call;
use crate::waste::{Waste, open};

/// Returns whether nothing stands that the purge was to take away. Packs that a run made which was cut off are orphans as any others.
fn is_rid_of_it(waste: &Waste, disk: &SimDisk) -> bool {
    let (store, before) = (open(disk), open(&waste.disk));
    let stands = |pack: &&PackRef| disk.metadata(&layout::pack(&pack.hash)).unwrap().is_some();
    superseded(&store).unwrap().is_empty()
        && before.packs().packs().iter().filter(stands).all(|pack| store.packs().pack(&pack.hash).is_some())
}

fn check(waste: &Waste, disk: &SimDisk) {
    assert!(waste.findings(disk).iter().all(|found| found.kind == ProblemKind::Head), "{:?}", waste.findings(disk));
    if open(disk).head().head.generation.0 == waste.generation {
        waste.assert_kept(disk);
    } else {
        waste.assert_kept_as(disk, &without_purged);
    }
    if let Err(error) = run(waste, disk) {
        assert_eq!(error.kind(), ErrorKind::Other, "{error:?}");
    }
    // What a run removed and could not sync may come back with the medium, and goes with the next one.
    let least = disk.plug_back();
    let _ = run(waste, &least);
    assert!(is_rid_of_it(waste, &least));
    assert_eq!(waste.findings(&least), []);
    waste.assert_kept_as(&least, &without_purged);
}

// S19 U22
#[test]
fn at_the_publisher() {
    let waste = Waste::new(Profile::Fat32, 0);
    let disk = waste.disk.settled();
    run(&waste, &disk).unwrap();
    let calls = disk.call_count();
    assert!(is_ended(&disk));
    each_call(
        "purge",
        calls,
        |call| is_long() || call % 19 == 0,
        |call, kind| {
            let disk = waste.disk.settled();
            disk.fail_nth_call(call, kind);
            let result = run(&waste, &disk);
            // Damage is believed only while the marker reads, and that may be the call that fails. A medium that goes between the
            // plan and what it approves is a place without a store to the second.
            let may_be = [ErrorKind::Gone, ErrorKind::Corrupt, ErrorKind::NoStore];
            if !result.as_ref().is_err_and(|error| may_be.contains(&error.kind())) {
                check_kind(&result, call, kind);
            }
            check(&waste, &disk.plug_back());
            if kind != FaultKind::Gone {
                check(&waste, &disk);
            }
        },
    );
}
