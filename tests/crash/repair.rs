//! `repair`: wherever it is cut, the store opens, no object is lost that could be read before, and the next run ends it.

use std::sync::Arc;

use chunkstore::disk::sim::Profile;
use chunkstore::disk::{Disk, SimDisk};
use chunkstore::ops::repair::{RepairRequest, Repaired, repair};
use chunkstore::store::layout;

use crate::publisher::{Publisher, folder_variant};
use crate::story::open;
use crate::sweep::{Met, Recorded, Sweep};

/// A recorded repair of a damaged store.
struct Mending {
    publisher: Publisher,
    disk: SimDisk,
    /// Before and after.
    generations: (u64, u64),
    damaged: String,
    remains: Vec<u8>,
    lost_objects: u64,
}

impl Mending {
    fn record(profile: Profile, variant: u64) -> Self {
        let disk = SimDisk::new(profile);
        let publisher = Publisher::init(&disk).unwrap();
        for at in 1..=2 {
            publisher.commit(&disk, &folder_variant(variant, at)).unwrap();
        }
        let packs = open(&disk).packs().packs().to_vec();
        let paths = packs.iter().map(|pack| layout::pack(&pack.hash).to_string());
        let damaged = paths.max_by_key(|path| disk.content(path).unwrap().len()).unwrap();
        // Every frame stands, so that whatever is missing afterwards was lost by the repair.
        assert!(disk.corrupt(&damaged, |bytes| bytes.extend([3; 70])));
        assert!(disk.corrupt("HEAD", |bytes| bytes.truncate(9)));
        disk.put("pending", b"chunksto");
        let disk = disk.settled();
        let before = open(&disk).head().head.generation.0;
        let remains = disk.content(&damaged).unwrap();
        let mut mending =
            Self { publisher, disk, generations: (before, before + 1), damaged, remains, lost_objects: 0 };
        let done = mending.run(&mending.disk);
        assert_eq!(done.generation, Some(before + 1), "{done:?}");
        mending.lost_objects = done.lost_objects;
        mending
    }

    fn run(&self, disk: &SimDisk) -> Repaired {
        let request = RepairRequest { writer: Some(&self.publisher.writer), ..RepairRequest::default() };
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        repair(&shared, &request, self.publisher.run()).unwrap()
    }
}

impl Recorded for Mending {
    fn disk(&self) -> &SimDisk {
        &self.disk
    }

    fn again(&self, image: &SimDisk) -> (usize, usize) {
        let before = open(image).head().head.generation.0 == self.generations.1;
        self.run(image);
        (usize::from(before), 1)
    }

    // U5 U7 U11
    fn check(&self, met: &Met, promise: usize, image: &SimDisk) {
        let (before, after) = self.generations;
        let opened = open(image).head().head.generation.0;
        assert!(opened == after || (opened == before && promise == 0), "opened as {opened}");
        assert!(image.content(&self.damaged).as_ref() == Some(&self.remains), "the damaged pack was touched");
        met.note(if opened == after { "repaired" } else { "damaged" });
        let done = self.run(image);
        assert_eq!((done.lost_objects, done.unmended.len()), (self.lost_objects, 0), "{done:?}");
        assert_eq!(done.generation.is_none(), opened == after, "{done:?}");
        assert!(self.run(image).generation.is_none(), "nothing is left to repair");
        let findings = self.publisher.verify(image).unwrap().findings;
        assert_eq!(findings, [], "after the next run");
    }
}

fn sweep(test: &'static str, profile: Profile) {
    let sweep = Sweep::new(test, 24);
    let count = sweep.run(|variant| Mending::record(profile, variant));
    sweep.require(count, 20, &["damaged", "repaired"]);
}

mod cut {
    use super::*;

    #[test]
    fn ext4() {
        sweep("repair::cut::ext4", Profile::Ext4);
    }

    #[test]
    fn ntfs() {
        sweep("repair::cut::ntfs", Profile::Ntfs);
    }

    #[test]
    fn exfat() {
        sweep("repair::cut::exfat", Profile::ExFat);
    }

    #[test]
    fn fat32() {
        sweep("repair::cut::fat32", Profile::Fat32);
    }
}
