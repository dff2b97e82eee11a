//! A purge with a failing call: whatever fails, the store holds what it held or all but what goes, and running it again ends it.

use chunkstore::disk::SimDisk;
use chunkstore::disk::sim::{FaultKind, Profile};
use chunkstore::error::ErrorKind;
use chunkstore::ops::verify::ProblemKind;

use crate::calls::{check_kind, is_long};
use crate::purged::{is_ended, run, without_purged};
use crate::sync::each_call;
use crate::waste::{Waste, open};

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
    assert!(is_ended(&least));
    assert_eq!(waste.findings(&least), []);
    waste.assert_kept_as(&least, &without_purged);
}

// S19 U22
#[test]
fn at_the_publisher() {
    let waste = Waste::new(Profile::Fat32, 0);
    let disk = waste.disk.settled();
    run(&waste, &disk).unwrap();
    each_call(
        "purge",
        disk.call_count(),
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
