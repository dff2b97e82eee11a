//! A writer is removed while a call fails: the store opens with it or without it, and the next run removes it.

use std::collections::BTreeMap;
use std::sync::Arc;

use chunkstore::disk::sim::{FaultKind, Profile};
use chunkstore::disk::{Disk, SimDisk};
use chunkstore::error::{ErrorKind, Result};
use chunkstore::format::trust::Writer;
use chunkstore::ops::local_keys::WriterKey;
use chunkstore::ops::trust::{Applied, ApplyRequest, apply, propose};
use chunkstore::store::Store;
use chunkstore::store::trust::change::Edit;

use crate::calls::{check_kind, is_long};
use crate::publisher::{Publisher, folder_variant};
use crate::sync::each_call;

struct House {
    publisher: Publisher,
    second: WriterKey,
    disk: SimDisk,
}

impl House {
    fn new(profile: Profile) -> Self {
        let disk = SimDisk::new(profile);
        let publisher = Publisher::init(&disk).unwrap();
        let second = WriterKey::generate(&publisher.random);
        publisher.commit(&disk, &folder_variant(0, 1)).unwrap();
        let house = Self { publisher, second, disk };
        let recipient = house.second.identity.recipient().as_str().to_owned();
        let add = Edit::AddWriter(Writer { key: house.second.signer().public(), recipient });
        house.change(&house.disk, &house.publisher.writer, add).unwrap();
        Self { disk: house.disk.settled(), ..house }
    }

    fn change(&self, disk: &SimDisk, by: &WriterKey, edit: Edit) -> Result<Applied> {
        let (disk, run): (Arc<dyn Disk>, _) = (Arc::new(disk.clone()), self.publisher.run());
        let store = Store::open(Arc::clone(&disk))?;
        let proposal = propose(&store, &[edit], BTreeMap::new(), &self.publisher.roots, run.clock.now())?;
        apply(&disk, &proposal, &ApplyRequest { writer: by, back_to: None, cache: None }, run)
    }

    fn remove(&self, disk: &SimDisk) -> Result<Applied> {
        self.change(disk, &self.second, Edit::RemoveWriter(self.publisher.writer.signer().public()))
    }

    /// Checks that the first writer is there or not, in trust and in key files alike, and removes it.
    fn check(&self, disk: &SimDisk) {
        let is_removed = |disk: &SimDisk| {
            let store = Store::open(Arc::new(disk.clone())).unwrap();
            let version = store.trust().newest().trust.version;
            assert!([2, 3].contains(&version), "trust file {version}");
            let opens = store.unlock_writer(std::slice::from_ref(&self.publisher.writer.identity)).is_ok();
            assert_eq!(opens, version == 2);
            version == 3
        };
        if !is_removed(disk) {
            self.remove(disk).unwrap();
        }
        assert!(is_removed(disk));
        self.publisher.restored(disk);
    }
}

// U17 U22
#[test]
fn a_writer_is_removed() {
    let house = House::new(Profile::Fat32);
    let disk = house.disk.settled();
    house.remove(&disk).unwrap();
    each_call(
        "a writer is removed",
        disk.call_count(),
        |call| is_long() || call % 4 == 1,
        |call, kind| {
            let disk = house.disk.settled();
            disk.fail_nth_call(call, kind);
            let result = house.remove(&disk);
            // Damage is believed only while the marker reads, and that may be the call that fails.
            if !result
                .as_ref()
                .is_err_and(|error| matches!(error.kind(), ErrorKind::Gone | ErrorKind::Corrupt | ErrorKind::NoStore))
            {
                check_kind(&result, call, kind);
            }
            house.check(&disk.plug_back());
            if kind != FaultKind::Gone {
                house.check(&disk);
            }
        },
    );
}
