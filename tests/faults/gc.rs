//! A run of gc with a failing call: whatever fails, nothing that is kept is lost, and the next run ends what was begun.

use chunkstore::disk::SimDisk;
use chunkstore::disk::sim::{FaultKind, Profile};
use chunkstore::error::ErrorKind;
use chunkstore::ops::verify::ProblemKind;

use crate::calls::{check_kind, is_long};
use crate::sync::each_call;
use crate::waste::{Waste, open};

fn check(waste: &Waste, disk: &SimDisk, at_publisher: bool) {
    let head_only = |kind: &ProblemKind| *kind == ProblemKind::Head;
    assert!(waste.findings(disk).iter().all(|found| head_only(&found.kind)), "{:?}", waste.findings(disk));
    waste.assert_kept(disk);
    assert!(open(disk).head().head.generation.0 >= waste.generation);
    let collect = |disk: &SimDisk| if at_publisher { waste.collect(disk) } else { waste.collect_files(disk) };
    collect(disk).unwrap();
    // What a run removed and could not sync may come back with the medium, and goes with the next one.
    let least = disk.plug_back();
    collect(&least).unwrap();
    waste.assert_clean(&least);
}

fn sweep(name: &str, waste: &Waste, at_publisher: bool) {
    let collect = |disk: &SimDisk| if at_publisher { waste.collect(disk) } else { waste.collect_files(disk) };
    let disk = waste.disk.settled();
    collect(&disk).unwrap();
    each_call(
        name,
        disk.call_count(),
        |call| is_long() || call % 13 == 0,
        |call, kind| {
            let disk = waste.disk.settled();
            disk.fail_nth_call(call, kind);
            let result = collect(&disk);
            // Damage is believed only while the marker reads, and that may be the call that fails.
            if !result.as_ref().is_err_and(|error| matches!(error.kind(), ErrorKind::Gone | ErrorKind::Corrupt)) {
                check_kind(&result, call, kind);
            }
            check(waste, &disk.plug_back(), at_publisher);
            if kind != FaultKind::Gone {
                check(waste, &disk, at_publisher);
            }
        },
    );
}

// D22 U22
#[test]
fn at_the_publisher() {
    sweep("gc at the publisher", &Waste::new(Profile::Fat32, 0), true);
}

#[test]
fn on_a_key() {
    sweep("gc on a key", &Waste::condemned(Profile::Ext4, 0), false);
}
