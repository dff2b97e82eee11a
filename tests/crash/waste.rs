//! A publisher's store with much to collect: packs of which nothing lives, one of which little lives, and the files of a
//! commit that was cut off.

use std::sync::Arc;

use chunkstore::disk::sim::Profile;
use chunkstore::disk::{Disk, LockKind, SimDisk, SimFolder};
use chunkstore::error::Result;
use chunkstore::ops::gc::{Collected, GcRequest, gc};
use chunkstore::ops::open::Spot;
use chunkstore::ops::restore::{RestoreOptions, RestoreRequest, restore};
use chunkstore::ops::verify::{Finding, VerifyRequest, verify};
use chunkstore::ops::writing::Writing;
use chunkstore::store::pack::create_immutable;
use chunkstore::store::{Next, Store, layout};

use crate::publisher::{Holding, Publisher, holding, noise, rel};

/// The store before it is collected, and what its kept snapshots hold.
pub struct Waste {
    pub publisher: Publisher,
    pub disk: SimDisk,
    pub generation: u64,
    /// Of the newest snapshot and the one before it.
    kept: [Holding; 2],
}

fn folder(variant: u64, step: u64) -> SimFolder {
    let folder = SimFolder::default();
    let file = |path: &str, seed: u64, len: usize| folder.put_file(&rel(path), &noise(seed + 1000 * variant, len));
    if step == 1 {
        file("dies/large", 1, 90_000);
        file("dies/more", 2, 9_000);
    }
    if step == 2 {
        file("whole/pack", 3, 30_000);
    }
    file("lives/long", 4, 40_000);
    file("lives/short", 5, 100 + 7 * usize::try_from(variant).unwrap());
    file("changes", 10 + step, 8_000);
    folder.settle();
    folder
}

impl Waste {
    /// Four commits of which the last two are kept.
    pub fn new(profile: Profile, variant: u64) -> Self {
        let disk = SimDisk::new(profile);
        let publisher = Publisher::init_from(&disk, 7 + variant).unwrap();
        for step in 1..=4 {
            publisher.commit(&disk, &folder(variant, step)).unwrap();
        }
        {
            let shared: Arc<dyn Disk> = Arc::new(disk.clone());
            let (_lock, writing) = Writing::begin(&shared, &publisher.writer, None, publisher.run()).unwrap();
            let mut sealed = writing.unlocked.sealed.clone();
            sealed.snapshots.drain(..2);
            writing.publish(Next::following(writing.store.packs(), sealed, crate::publisher::NOW)).unwrap();
        }
        let orphan = chunkstore::base::PackHash([0xAB; 32]);
        create_immutable(&disk, &layout::pack(&orphan), &noise(20, 5_000)).unwrap();
        let disk = disk.settled();
        let generation = open(&disk).head().head.generation.0;
        let kept = [0, 1].map(|back| restored(&publisher, &disk, back));
        Self { publisher, disk, generation, kept }
    }

    /// The same after a run at the publisher that removed no file, since somebody read: what is left takes no secret.
    pub fn condemned(profile: Profile, variant: u64) -> Self {
        let mut waste = Self::new(profile, variant);
        let reader = waste.disk.lock(&layout::read_lock(), LockKind::Shared).unwrap().unwrap();
        assert!(waste.collect(&waste.disk).unwrap().readers);
        drop(reader);
        waste.disk = waste.disk.settled();
        waste.generation = open(&waste.disk).head().head.generation.0;
        waste
    }

    /// Collects at the publisher, without a grace, so that every step is taken at once.
    pub fn collect(&self, disk: &SimDisk) -> Result<Collected> {
        let request = GcRequest { writer: Some(&self.publisher.writer), grace_secs: Some(0), ..GcRequest::default() };
        gc(&shared(disk), &request, self.publisher.run())
    }

    /// Collects as a key does, without any secret.
    pub fn collect_files(&self, disk: &SimDisk) -> Result<Collected> {
        gc(&shared(disk), &GcRequest { grace_secs: Some(0), ..GcRequest::default() }, self.publisher.run())
    }

    /// Returns what is wrong with a store, every object of it looked at.
    pub fn findings(&self, disk: &SimDisk) -> Vec<Finding> {
        let identities = &self.publisher.readers;
        let request = VerifyRequest { identities, read_data: true, ..VerifyRequest::default() };
        verify(shared(disk), &request, self.publisher.run()).unwrap().findings
    }

    /// Checks that both kept snapshots hold what they held.
    pub fn assert_kept(&self, disk: &SimDisk) {
        for (back, kept) in self.kept.iter().enumerate() {
            assert!(restored(&self.publisher, disk, back) == *kept, "HEAD~{back} holds something else");
        }
    }

    /// Checks that both kept snapshots hold what `change` leaves of what they held.
    pub fn assert_kept_as(&self, disk: &SimDisk, change: &dyn Fn(&Holding) -> Holding) {
        for (back, kept) in self.kept.iter().enumerate() {
            assert!(restored(&self.publisher, disk, back) == change(kept), "HEAD~{back} holds something else");
        }
    }

    /// Checks that nothing is left to collect, and nothing is lost, whatever persists of a disk.
    pub fn assert_clean(&self, disk: &SimDisk) {
        let least = disk.plug_back();
        assert_eq!(self.findings(&least), []);
        self.assert_kept(&least);
        assert_eq!(pack_files(&least), open(&least).packs().packs().len(), "what is listed and what stands");
    }
}

fn shared(disk: &SimDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

pub fn open(disk: &SimDisk) -> Store {
    Store::open(shared(disk)).unwrap()
}

/// Returns how many packs stand.
pub fn pack_files(disk: &SimDisk) -> usize {
    (0..=255).map(|first_byte| disk.list(&layout::pack_dir(first_byte)).unwrap().len()).sum()
}

fn restored(publisher: &Publisher, disk: &SimDisk, back: usize) -> Holding {
    let folder = SimFolder::default();
    let spot = Spot::parse(format!("HEAD~{back}:/").as_bytes()).unwrap();
    let options = RestoreOptions { threads: 1, ..RestoreOptions::default() };
    let request = RestoreRequest { spot, identities: &publisher.readers, owners: false, options };
    let done = restore(shared(disk), &folder, &request, publisher.run()).unwrap();
    assert_eq!((done.damaged, done.left_alone), (0, 0));
    holding(&folder)
}
