//! A restore with a failing call, of the store or of the target: an error of the right kind, nothing half-written.

use chunkstore::base::RelPath;
use chunkstore::disk::sim::Profile;
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
                assert!(may_leave_temporaries, "{path} was left behind");
                continue;
            }
            let whole = self.expected.get(&path).unwrap_or_else(|| panic!("{path} is not of the snapshot"));
            let is_old = path == rel("a/large") && held.bytes == noise(1, 500);
            assert!(held.kind == whole.kind && (is_old || held.bytes == whole.bytes), "{path} is half-written");
        }
        self.publisher.restore(&self.disk, folder).unwrap();
        let mut found = holding(folder);
        found.retain(|path, _| !is_temporary_path(path));
        assert!(found == self.expected, "the second run");
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
            if let Ok(done) = &result
                && done.damaged == 0
            {
                assert!(holding(&folder) == stage.expected);
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
