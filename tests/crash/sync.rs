//! `sync` and `clone`: a key opens as exactly the old or the new state, and the next run fetches no pack again that is whole.

use std::sync::Arc;

use chunkstore::base::clock::FixedClock;
use chunkstore::base::monitor::RecordingMonitor;
use chunkstore::base::random::{Random, SeededRandom};
use chunkstore::base::{DedupGeneration, Timestamp};
use chunkstore::disk::sim::Profile;
use chunkstore::disk::{Disk, SimDisk};
use chunkstore::error::Result;
use chunkstore::format::Kind;
use chunkstore::ops::Run;
use chunkstore::ops::clone::{CloneRequest, Cloned, clone_store};
use chunkstore::ops::host_state::HostState;
use chunkstore::ops::init::{InitRequest, init};
use chunkstore::ops::local_keys::KeyDir;
use chunkstore::ops::sync::{SyncRequest, Synced, sync};
use chunkstore::path_remote::PathRemote;
use chunkstore::remote::{Remote, RemoteError, Session};
use chunkstore::store::object::{Sealer, pointer_to};
use chunkstore::store::pack::pack_is_whole;
use chunkstore::store::writer::PackWriter;
use chunkstore::store::{self, Basis, EXPIRY_SECS, Next, Store, StoreError, layout};

use crate::sweep::{Cut, Met, Sweep};

const NOW: Timestamp = Timestamp(1_767_225_600_000_000_000);

/// A disk as a remote for one session at a time, so that a run is the same each time.
struct OneByOne(PathRemote);

impl Remote for OneByOne {
    fn address(&self) -> String {
        self.0.address()
    }

    fn connect(&self) -> std::result::Result<Box<dyn Session>, RemoteError> {
        self.0.connect()
    }

    fn session_limit(&self) -> usize {
        1
    }

    fn wire_bytes(&self) -> u64 {
        self.0.wire_bytes()
    }
}

/// A publisher whose store at each generation is kept as a remote.
struct Publisher {
    disk: SimDisk,
    keys: tempfile::TempDir,
    fingerprint: String,
    random: SeededRandom,
}

impl Publisher {
    fn new() -> Self {
        let (disk, keys) = (SimDisk::new(Profile::Ext4), tempfile::tempdir().unwrap());
        let request = InitRequest { readers: vec![], keys: keys.path(), root_keys: keys.path(), passphrase: None };
        let random = SeededRandom::new(5);
        let clock = FixedClock::new(NOW);
        let run = Run { clock: &clock, random: &random, monitor: &RecordingMonitor::default() };
        let fingerprint = init(&disk, &request, run).unwrap().fingerprint;
        Self { disk, keys, fingerprint, random }
    }

    /// Commits a pack for each length.
    fn commit(&self, lengths: &[usize]) {
        let disk = &self.disk;
        let store = open(disk);
        let writer = KeyDir::new(self.keys.path(), store.id()).load_writer(&|_| unreachable!()).unwrap().unwrap();
        let signer = writer.signer();
        let (keys, unlocked) = store.unlock_writer(&[writer.identity]).unwrap();
        let maker = keys.key_maker(DedupGeneration(1)).unwrap();
        let mut sealer = Sealer::new(store.id(), 1).unwrap();
        let mut added = Vec::new();
        for &length in lengths {
            let epoch = keys.reader.epoch();
            let index_key = keys.reader.index_key(epoch).unwrap();
            let mut packs = PackWriter::new(disk, store.id(), epoch, index_key, Some(store.packs()));
            let mut plain = vec![0; length];
            self.random.fill(&mut plain);
            let pointer = pointer_to(&keys.reader, &maker, Kind::Chunk, &plain);
            packs
                .put(&sealer.seal(Kind::Chunk, pointer.id, maker.generation(), &pointer.key, &plain).unwrap())
                .unwrap();
            added.extend(packs.finish().unwrap().packs);
        }
        let key_lists = store.packs().top.key_lists.clone();
        let (sealed, expires) = (unlocked.sealed, NOW.plus_secs(EXPIRY_SECS));
        let next = Next { added, removed: vec![], key_lists, sealed, time: NOW, expires };
        let basis = Basis { store: store.id(), trust: store.trust(), current: Some((store.head(), store.packs())) };
        store::commit(disk, &basis, &keys.reader, &signer, next).unwrap();
    }

    /// The store as it is now, as a remote.
    fn remote(&self) -> Arc<dyn Remote> {
        Arc::new(OneByOne(PathRemote::new(Arc::new(self.disk.settled()), "/publisher".into())))
    }

    fn clone_to(&self, disk: &SimDisk, remote: &Arc<dyn Remote>) -> Result<Cloned> {
        let request = CloneRequest { trust: Some(self.fingerprint.clone()), confirm: &|_| Ok(false), reader: None };
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let (clock, random) = (FixedClock::new(NOW), SeededRandom::new(3));
        let run = Run { clock: &clock, random: &random, monitor: &RecordingMonitor::default() };
        clone_store(remote, &shared, &request, None, run)
    }
}

fn open(disk: &SimDisk) -> Store {
    Store::open(Arc::new(disk.clone())).unwrap()
}

fn sync_with(disk: &SimDisk, remote: &Arc<dyn Remote>, accept_older: bool) -> Result<Synced> {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let (clock, random) = (FixedClock::new(NOW), SeededRandom::new(3));
    let run = Run { clock: &clock, random: &random, monitor: &RecordingMonitor::default() };
    sync(&shared, &[Arc::clone(remote)], SyncRequest { accept_older }, &mut HostState::default(), run)
}

fn is_whole(disk: &SimDisk, pack: &chunkstore::format::manifest::PackRef) -> bool {
    pack_is_whole(disk, pack, &mut |_| {}).unwrap()
}

/// Checks that a disk holds a generation with all its packs and no trace of a run, even if nothing more persists.
fn require_settled(disk: &SimDisk, generation: u64) {
    let least = disk.plug_back();
    let store = open(&least);
    assert_eq!(store.head().head.generation.0, generation);
    assert!(store.packs().packs().iter().all(|pack| is_whole(&least, pack)), "a pack is not whole");
    assert!(least.content("pending").is_none() && least.content("replica/unclean").is_none(), "a trace stayed");
}

/// A recorded sync from one generation to another.
struct Story {
    disk: SimDisk,
    remote: Arc<dyn Remote>,
    from: u64,
    to: u64,
    accept_older: bool,
    /// The packs of the target.
    target: Store,
}

impl Story {
    /// A week's update: small packs, and one that is long enough to be gone on with.
    fn update(profile: Profile) -> Self {
        let publisher = Publisher::new();
        publisher.commit(&[9000, 2000]);
        let disk = SimDisk::new(profile);
        publisher.clone_to(&disk, &publisher.remote()).unwrap();
        publisher.commit(&[1_400_000, 30_000, 700]);
        publisher.commit(&[5000]);
        Self::record(&disk.settled(), publisher.remote(), false)
    }

    /// A server that was set back on purpose.
    fn back(profile: Profile) -> Self {
        let publisher = Publisher::new();
        publisher.commit(&[9000, 2000]);
        let older = publisher.remote();
        let disk = SimDisk::new(profile);
        publisher.commit(&[3000]);
        publisher.commit(&[3000]);
        publisher.clone_to(&disk, &publisher.remote()).unwrap();
        Self::record(&disk.settled(), older, true)
    }

    fn record(disk: &SimDisk, remote: Arc<dyn Remote>, accept_older: bool) -> Self {
        let from = open(disk).head().head.generation.0;
        sync_with(disk, &remote, accept_older).unwrap();
        let target = open(disk);
        let to = target.head().head.generation.0;
        assert_ne!(from, to);
        require_settled(disk, to);
        Self { disk: disk.clone(), remote, from, to, accept_older, target }
    }

    // U5 U7 U9 U12
    fn check(&self, met: &Met, cut: &Cut, image: &SimDisk) {
        let store = open(image);
        let opened = store.head().head.generation.0;
        assert!(opened == self.from || opened == self.to, "opened generation {opened}");
        assert!(cut.at_op < self.disk.op_count() || opened == self.to, "it was done");
        met.note(if opened == self.from { "old" } else { "new" });
        assert!(store.packs().packs().iter().all(|pack| is_whole(image, pack)), "a pack of what opens is not whole");
        let packs = self.target.packs().packs();
        let whole = packs.iter().filter(|pack| is_whole(image, pack)).count();
        let partial = packs.iter().any(|pack| {
            let len = image.content(layout::pack(&pack.hash).as_str()).map_or(0, |bytes| bytes.len() as u64);
            len > 1 << 20 && len < pack.len_bytes
        });
        if partial {
            met.note("partial");
        }
        let synced = sync_with(image, &self.remote, self.accept_older).unwrap();
        assert_eq!(synced.generation.0, self.to);
        let (fetched, reused) = (synced.packs_fetched as usize, synced.packs_reused as usize);
        assert_eq!((fetched, reused), (packs.len() - whole, whole), "a whole pack came again");
        if opened == self.from && reused > store.packs().packs().len() {
            met.note("packs found again");
        }
        require_settled(image, self.to);
    }
}

fn sweep(test: &'static str, story: &Story, needed: &[&'static str]) {
    let (sweep, met) = (Sweep::new(test, 24), Met::default());
    let count = sweep.run(&story.disk, 0, |cut, image| story.check(&met, cut, image));
    met.require(&sweep, needed);
    sweep.require(count, 60);
}

/// Clones onto an empty medium.
fn sweep_clone(test: &'static str, profile: Profile) {
    let publisher = Publisher::new();
    publisher.commit(&[1_400_000, 9000, 2000]);
    let remote = publisher.remote();
    let empty = SimDisk::new(profile);
    publisher.clone_to(&empty, &remote).unwrap();
    let packs = open(&empty).packs().packs().to_vec();
    let made = first_op_after_layout(&empty);
    let (sweep, met) = (Sweep::new(test, 12), Met::default());
    let count = sweep.run(&empty, made, |cut, image| {
        let whole = packs.iter().filter(|pack| is_whole(image, pack)).count();
        match Store::open(Arc::new(image.clone())) {
            Ok(store) => {
                met.note("store");
                assert_eq!((store.head().head.generation.0, whole), (2, packs.len()));
                assert!(!sync_with(image, &remote, false).unwrap().changed);
            }
            Err(StoreError::NoStore | StoreError::Corrupt { .. }) => {
                met.note("none");
                assert!(cut.at_op < empty.op_count(), "it was done");
                let cloned = publisher.clone_to(image, &remote).unwrap();
                assert_eq!((cloned.packs_fetched as usize, cloned.packs_reused as usize), (packs.len() - whole, whole));
            }
            Err(error) => panic!("{error}"),
        }
        require_settled(image, 2);
    });
    met.require(&sweep, &["store", "none"]);
    sweep.require(count, 60);
}

/// Half of the operations of a clone make 256 directories; cuts there are all alike but for the last few.
fn first_op_after_layout(disk: &SimDisk) -> usize {
    disk.op_count().min(255)
}

mod update {
    use super::*;

    #[test]
    fn ext4() {
        sweep("sync::update::ext4", &Story::update(Profile::Ext4), &["old", "new", "partial", "packs found again"]);
    }

    #[test]
    fn ntfs() {
        sweep("sync::update::ntfs", &Story::update(Profile::Ntfs), &["old", "new", "partial", "packs found again"]);
    }

    #[test]
    fn exfat() {
        sweep("sync::update::exfat", &Story::update(Profile::ExFat), &["old", "new", "partial", "packs found again"]);
    }

    #[test]
    fn fat32() {
        sweep("sync::update::fat32", &Story::update(Profile::Fat32), &["old", "new", "partial", "packs found again"]);
    }
}

/// `--accept-older`: the newer state or the accepted one, and never one in between.
mod back {
    use super::*;

    #[test]
    fn ext4() {
        sweep("sync::back::ext4", &Story::back(Profile::Ext4), &["old", "new"]);
    }

    #[test]
    fn exfat() {
        sweep("sync::back::exfat", &Story::back(Profile::ExFat), &["old", "new"]);
    }

    #[test]
    fn fat32() {
        sweep("sync::back::fat32", &Story::back(Profile::Fat32), &["old", "new"]);
    }
}

mod clone {
    use super::*;

    #[test]
    fn ext4() {
        sweep_clone("sync::clone::ext4", Profile::Ext4);
    }

    #[test]
    fn ntfs() {
        sweep_clone("sync::clone::ntfs", Profile::Ntfs);
    }

    #[test]
    fn exfat() {
        sweep_clone("sync::clone::exfat", Profile::ExFat);
    }

    #[test]
    fn fat32() {
        sweep_clone("sync::clone::fat32", Profile::Fat32);
    }
}
