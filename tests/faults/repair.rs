//! A repair with a failing call: an error of the right kind or success, then the old state or the repaired one, the damaged pack as it
//! was, and after the next run nothing is lost.

use std::sync::Arc;

use chunkstore::disk::sim::{FaultKind, Profile};
use chunkstore::disk::{Disk, SimDisk};
use chunkstore::error::{ErrorKind, Result};
use chunkstore::ops::repair::{RepairRequest, Repaired, repair};
use chunkstore::store::layout;

use crate::calls::{KINDS, sweep};
use crate::publisher::{Publisher, folder_after};
use crate::story::open;

fn run(publisher: &Publisher, disk: &SimDisk) -> Result<Repaired> {
    let request = RepairRequest { writer: Some(&publisher.writer), ..RepairRequest::default() };
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    repair(&shared, &request, publisher.run())
}

// U11 U22
#[test]
fn a_repair() {
    for profile in [Profile::Ext4, Profile::Fat32] {
        let disk = SimDisk::new(profile);
        let publisher = Publisher::init(&disk).unwrap();
        for step in 1..=2 {
            publisher.commit(&disk, &folder_after(step)).unwrap();
        }
        let paths = open(&disk).packs().packs().to_vec().into_iter().map(|pack| layout::pack(&pack.hash).to_string());
        let damaged = paths.max_by_key(|path| disk.content(path).unwrap().len()).unwrap();
        assert!(disk.corrupt(&damaged, |bytes| bytes.extend([3; 70])));
        let before = disk.settled();
        let (remains, from) = (before.content(&damaged).unwrap(), open(&before).head().head.generation.0);
        let rehearsed = before.settled();
        assert!(run(&publisher, &rehearsed).unwrap().is_whole());
        for kind in KINDS {
            let what = format!("repair {profile:?} {kind:?}");
            sweep(
                "repair::a_repair",
                &what,
                rehearsed.call_count(),
                |_| true,
                |call| {
                    let disk = before.settled();
                    disk.fail_nth_call(call, kind);
                    let result = run(&publisher, &disk);
                    if let Err(error) = &result {
                        assert!(!matches!(error.kind(), ErrorKind::Usage | ErrorKind::Conflict), "{error}");
                    }
                    let after = [disk.plug_back(), disk];
                    for disk in after.into_iter().take(if kind == FaultKind::Gone { 1 } else { 2 }) {
                        let opened = open(&disk).head().head.generation.0;
                        let is_done = result.as_ref().is_ok_and(|done| done.generation.is_some());
                        assert!(opened > from || !is_done, "what was said to be done is lost");
                        assert!(disk.content(&damaged).as_ref() == Some(&remains), "the damaged pack was touched");
                        let again = run(&publisher, &disk).unwrap();
                        assert!(again.is_whole(), "{again:?}");
                        assert_eq!(publisher.verify(&disk).unwrap().findings, []);
                    }
                },
            );
        }
    }
}
