//! A restore with a failing call, of the store or of the target: an error of the right kind, nothing half-written.

use chunkstore::base::RelPath;
use chunkstore::disk::sim::{FaultKind, Profile};
use chunkstore::disk::sim_folder::SimFault;
use chunkstore::disk::{DiskErrorKind, SimDisk, SimFolder};
use chunkstore::error::ErrorKind;
use chunkstore::folder::is_temporary;

use crate::calls::{KINDS, check_kind, sweep};
use crate::publisher::{Holding, Publisher, folder_after, holding, noise, rel};

struct Stage {
    publisher: Publisher,
    disk: SimDisk,
    expected: Holding,
}

impl Stage {
    fn new() -> Self {
        let disk = SimDisk::new(Profile::Ext4);
        let publisher = Publisher::init(&disk).unwrap();
        publisher.commit(&disk, &folder_after(3)).unwrap();
        Self { publisher, disk: disk.settled(), expected: holding(&folder_after(3)) }
    }

    /// A target where an older file stands already.
    fn target(&self) -> SimFolder {
        let folder = SimFolder::default();
        folder.put_file(&rel("a/large"), &noise(1, 500));
        folder.settle();
        folder
    }

    /// Checks that each name holds nothing, what it held before, or the whole entry; then that a second run completes.
    fn check_target(&self, folder: &SimFolder, may_leave_temporaries: bool) {
        for (path, held) in holding(folder) {
            if is_temporary_path(&path) {
                assert!(may_leave_temporaries || path.to_string().ends_with(".restore"), "{path} was left behind");
                continue;
            }
            let whole = self.expected.get(&path).unwrap_or_else(|| panic!("{path} is not of the snapshot"));
            let is_old = path == rel("a/large") && held.bytes == noise(1, 500);
            assert!(held.kind == whole.kind && (is_old || held.bytes == whole.bytes), "{path} is half-written");
        }
        self.publisher.restore(&self.disk, folder).unwrap();
        assert!(holding(folder) == self.expected, "the second run, which clears away what the first has left");
    }
}

pub fn is_temporary_path(path: &RelPath) -> bool {
    path.split_last().is_some_and(|(_, name)| is_temporary(&name))
}

#[test]
fn each_call_to_the_store_failing() {
    let stage = Stage::new();
    let calls = {
        let disk = stage.disk.snapshot();
        stage.publisher.restore(&disk, &stage.target()).unwrap();
        disk.call_count()
    };
    for kind in KINDS {
        let check = |call| {
            let (disk, folder) = (stage.disk.snapshot(), stage.target());
            disk.fail_nth_call(call, kind);
            let result = stage.publisher.restore(&disk, &folder);
            check_kind(&result, call, kind);
            if let Ok(done) = &result {
                assert!(kind != FaultKind::Gone || done.damaged == 0, "a pulled key is taken for a damaged store");
                assert!(done.damaged > 0 || holding(&folder) == stage.expected);
            }
            stage.check_target(&folder, false);
        };
        sweep("restore::each_call_to_the_store_failing", &format!("{kind:?}"), calls, |_| true, check);
    }
}

#[test]
fn each_call_to_the_target_failing() {
    let stage = Stage::new();
    let calls = {
        let folder = stage.target();
        let before = folder.counts().calls;
        stage.publisher.restore(&stage.disk, &folder).unwrap();
        folder.counts().calls - before
    };
    for kind in [DiskErrorKind::Io, DiskErrorKind::NoSpace, DiskErrorKind::Gone, DiskErrorKind::Denied] {
        let check = |at_call| {
            let folder = stage.target();
            folder.set_fault(Some(SimFault { at_call, kind }));
            let result = stage.publisher.restore(&stage.disk, &folder);
            folder.set_fault(None);
            match (&result, kind) {
                (Err(error), DiskErrorKind::NoSpace) => assert_eq!(error.kind(), ErrorKind::NoSpace),
                (Err(error), DiskErrorKind::Gone) => assert_eq!(error.kind(), ErrorKind::Gone),
                (Err(error), _) => assert_eq!(error.kind(), ErrorKind::Other, "{error:?}"),
                (Ok(done), _) if done.left_alone == 0 => assert!(holding(&folder) == stage.expected),
                (Ok(_), _) => {}
            }
            stage.check_target(&folder, result.is_err());
        };
        sweep("restore::each_call_to_the_target_failing", &format!("{kind:?}"), calls, |_| true, check);
    }
}

#[test]
fn a_bad_sector_under_a_directory_costs_that_directory_and_not_the_rest() {
    let stage = Stage::new();
    let calls = {
        let disk = stage.disk.snapshot();
        stage.publisher.restore(&disk, &stage.target()).unwrap();
        disk.call_count()
    };
    let mut went_on = 0;
    for call in 0..calls {
        let (disk, folder) = (stage.disk.snapshot(), stage.target());
        disk.fail_nth_call(call, FaultKind::Io);
        let Ok(done) = stage.publisher.restore(&disk, &folder) else { continue };
        let lost_dirs = [rel("a"), rel("b"), rel("c/3")].iter().filter(|dir| !is_filled(&folder, dir)).count();
        went_on += u64::from(done.damaged == 1 && lost_dirs == 1);
    }
    assert!(went_on >= 3, "of {calls} failed calls {went_on} cost one directory");
}

fn is_filled(folder: &SimFolder, dir: &RelPath) -> bool {
    let below = |path: &RelPath| path.split_last().is_some_and(|(above, _)| above == *dir);
    holding(folder).iter().any(|(path, held)| below(path) && !(*path == rel("a/large") && held.bytes == noise(1, 500)))
}

#[test]
fn a_key_that_is_pulled_is_never_taken_for_a_damaged_store() {
    let disk = SimDisk::new(Profile::Ext4);
    let publisher = Publisher::init(&disk).unwrap();
    let folder = SimFolder::default();
    folder.put_file(&rel("only"), &noise(1, 3_000));
    publisher.commit(&disk, &folder).unwrap();
    let disk = disk.settled();
    let calls = {
        let disk = disk.snapshot();
        publisher.restore(&disk, &SimFolder::default()).unwrap();
        disk.call_count()
    };
    for call in 1..calls {
        let disk = disk.snapshot();
        disk.fail_nth_call(call, FaultKind::Gone);
        let result = publisher.restore(&disk, &SimFolder::default());
        check_kind(&result, call, FaultKind::Gone);
        assert!(result.is_err() || result.is_ok_and(|done| done.damaged == 0), "call {call} of {calls}");
    }
}
