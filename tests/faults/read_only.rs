//! A store on a medium that takes no writes: whoever reads makes no call that would write. // U14

use std::sync::Arc;

use chunkstore::disk::sim::{CallCounts, Profile};
use chunkstore::disk::{SimDisk, SimFolder};
use chunkstore::ops::host_state::HostState;
use chunkstore::ops::list::{cat, log, ls};
use chunkstore::ops::open::{Reading, Spot};
use chunkstore::ops::status::status;

use crate::publisher::{Publisher, folder_after, holding, noise};

fn writing_calls(counts: CallCounts) -> u64 {
    counts.creates
        + counts.appends
        + counts.syncs
        + counts.dir_syncs
        + counts.renames
        + counts.removes
        + counts.dirs
        + counts.bytes_written
}

/// Runs every verb that reads.
fn read_everything(publisher: &Publisher, disk: &SimDisk, steps: u64) {
    let state = HostState::load(None, status_of(publisher, disk));
    let told = status(Arc::new(disk.clone()), &publisher.readers, &state, publisher.run()).unwrap();
    assert_eq!((told.generation.0, told.missing_packs), (steps + 1, 0));
    let reading = Reading::open(Arc::new(disk.clone()), &publisher.readers, publisher.run()).unwrap();
    assert_eq!(log(&reading).unwrap().len() as u64, steps);
    let mut entries = 0;
    let mut take = |_: &_, _: &_| {
        entries += 1;
        Ok(())
    };
    ls(&reading, &Spot::parse(b"/").unwrap(), true, &mut take).unwrap();
    assert_eq!(entries, holding(&folder_after(steps)).len());
    let mut bytes = Vec::new();
    let mut take = |piece: &[u8]| {
        bytes.extend_from_slice(piece);
        Ok(())
    };
    cat(&reading, &Spot::parse(b"/a/large").unwrap(), &mut take).unwrap();
    assert!(bytes == noise(100, 90_000));
    assert_eq!(publisher.restored(disk), holding(&folder_after(steps)));
}

fn status_of(publisher: &Publisher, disk: &SimDisk) -> chunkstore::base::StoreId {
    Reading::open(Arc::new(disk.clone()), &publisher.readers, publisher.run()).unwrap().store.id()
}

fn store(steps: u64) -> (Publisher, SimDisk) {
    let disk = SimDisk::new(Profile::Fat32);
    let publisher = Publisher::init(&disk).unwrap();
    (1..=steps).for_each(|step| drop(publisher.commit(&disk, &folder_after(step)).unwrap()));
    (publisher, disk.settled())
}

#[test]
fn everything_that_reads_works_and_writes_nothing() {
    let (publisher, disk) = store(3);
    disk.set_read_only(true);
    read_everything(&publisher, &disk, 3);
    assert_eq!(publisher.verify(&disk).unwrap().findings, []);
    assert_eq!(writing_calls(disk.counts()), 0, "{:?}", disk.counts());
}

#[test]
fn a_store_without_locks_and_head_is_read_all_the_same() {
    let (publisher, disk) = store(2);
    for name in ["lock", "readers", "HEAD"] {
        assert!(disk.wipe(name));
    }
    disk.set_read_only(true);
    disk.reset_counts();
    read_everything(&publisher, &disk, 2);
    assert_eq!(writing_calls(disk.counts()), 0, "{:?}", disk.counts());
}

#[test]
fn a_commit_fails_and_changes_nothing() {
    let (publisher, disk) = store(1);
    disk.set_read_only(true);
    let before: Vec<_> = disk.paths().into_iter().map(|path| (disk.content(&path), path)).collect();
    publisher.commit(&disk, &folder_after(2)).unwrap_err();
    assert!(disk.wipe("lock"));
    publisher.commit(&disk, &folder_after(2)).unwrap_err();
    for (content, path) in before.into_iter().filter(|(_, path)| path != "lock") {
        assert_eq!(disk.content(&path), content, "{path}");
    }
    let folder = SimFolder::default();
    publisher.restore(&disk, &folder).unwrap();
    assert_eq!(holding(&folder), holding(&folder_after(1)));
}
