//! A publisher whose states are remotes, and keys that follow it: what a sweep of `sync` and `clone` is about.

use std::sync::Arc;

use chunkstore::base::clock::FixedClock;
use chunkstore::base::monitor::RecordingMonitor;
use chunkstore::base::random::{Random, SeededRandom};
use chunkstore::base::{DedupGeneration, Timestamp};
use chunkstore::disk::sim::Profile;
use chunkstore::disk::{Disk, SimDisk};
use chunkstore::error::Result;
use chunkstore::format::Kind;
use chunkstore::format::head::Group;
use chunkstore::format::manifest::PackRef;
use chunkstore::ops::Run;
use chunkstore::ops::clone::{CloneRequest, Cloned, clone_store};
use chunkstore::ops::host_state::HostState;
use chunkstore::ops::init::{InitRequest, init};
use chunkstore::ops::local_keys::KeyDir;
use chunkstore::ops::sync::{SyncRequest, Synced, sync};
use chunkstore::ops::verify::{Report, VerifyRequest, verify};
use chunkstore::path_remote::PathRemote;
use chunkstore::remote::{Remote, RemoteError, Session};
use chunkstore::store::grace::REMOTE_SECS;
use chunkstore::store::object::{Sealer, pointer_to};
use chunkstore::store::writer::PackWriter;
use chunkstore::store::{self, Basis, Next, Store, layout};

use crate::repack::Repacker;

const NOW: Timestamp = Timestamp(1_767_225_600_000_000_000);

/// A disk as a remote for one session at a time, so that a run is the same each time.
pub struct OneByOne(pub PathRemote);

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
pub struct Publisher {
    disk: SimDisk,
    keys: tempfile::TempDir,
    fingerprint: String,
    random: SeededRandom,
}

impl Publisher {
    pub fn new(variant: u64) -> Self {
        let (disk, keys) = (SimDisk::new(Profile::Ext4), tempfile::tempdir().unwrap());
        let request = InitRequest { readers: vec![], keys: keys.path(), root_keys: keys.path(), passphrase: None };
        let random = SeededRandom::new(5 + variant * 1000);
        let clock = FixedClock::new(NOW);
        let run = Run { clock: &clock, random: &random, monitor: &RecordingMonitor::default() };
        let fingerprint = init(&disk, &request, run).unwrap().fingerprint;
        Self { disk, keys, fingerprint, random }
    }

    /// Commits a pack for each length.
    pub fn commit(&self, lengths: &[usize]) {
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
            packs.put(sealer.seal(Kind::Chunk, pointer.id, maker.generation(), &pointer.key, &plain).unwrap()).unwrap();
            added.extend(packs.finish().unwrap().packs);
        }
        let next = Next { added, ..Next::following(store.packs(), unlocked.sealed, NOW) };
        let basis = Basis { store: store.id(), trust: store.trust(), current: Some((store.head(), store.packs())) };
        store::commit(disk, &basis, &keys.reader, &signer, next).unwrap();
    }

    /// Lets a repacker work on the store.
    fn repacking(&self, act: impl FnOnce(&Repacker<'_>)) {
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        act(&Repacker { disk: &disk, keys: self.keys.path(), random: &self.random, now: NOW });
    }

    /// The store as it is now, as a remote.
    pub fn remote(&self) -> Arc<dyn Remote> {
        Arc::new(OneByOne(PathRemote::new(Arc::new(self.disk.settled()), "/publisher".into())))
    }

    pub fn clone_to(&self, disk: &SimDisk, remote: &Arc<dyn Remote>) -> Result<Cloned> {
        let request = CloneRequest {
            group: Group::all(),
            trust: Some(self.fingerprint.clone()),
            confirm: &|_| Ok(false),
            reader: None,
            accept_older: false,
        };
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let (clock, random) = (FixedClock::new(NOW), SeededRandom::new(3));
        let run = Run { clock: &clock, random: &random, monitor: &RecordingMonitor::default() };
        clone_store(remote, &shared, &request, None, run)
    }
}

pub fn open(disk: &SimDisk) -> Store {
    Store::open(Arc::new(disk.clone())).unwrap()
}

pub fn sync_with(disk: &SimDisk, remote: &Arc<dyn Remote>, accept_older: bool) -> Result<Synced> {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let (clock, random) = (FixedClock::new(NOW), SeededRandom::new(3));
    let run = Run { clock: &clock, random: &random, monitor: &RecordingMonitor::default() };
    sync(
        &shared,
        &[Arc::clone(remote)],
        SyncRequest { accept_older, ..SyncRequest::default() },
        &mut HostState::default(),
        run,
    )
}

/// Verifies a key, and heals it where a remote is given.
pub fn verify_with(disk: &SimDisk, heal: &[Arc<dyn Remote>]) -> Result<Report> {
    let (clock, random) = (FixedClock::new(NOW), SeededRandom::new(3));
    let run = Run { clock: &clock, random: &random, monitor: &RecordingMonitor::default() };
    verify(Arc::new(disk.clone()), &VerifyRequest { heal, ..VerifyRequest::default() }, run)
}

pub fn is_whole(disk: &SimDisk, pack: &PackRef) -> bool {
    disk.content_hash(layout::pack(&pack.hash).as_str()).is_some_and(|hash| *hash.as_bytes() == pack.hash.0)
}

/// Checks that a disk holds a generation with all its packs even if nothing more persists, and no trace of a run.
pub fn require_settled(disk: &SimDisk, generation: u64) {
    require_generation(&disk.plug_back(), generation);
    require_no_trace(disk);
}

/// Checks that a disk opens as a generation with all its packs.
pub fn require_generation(disk: &SimDisk, generation: u64) {
    let store = open(disk);
    assert_eq!(store.head().head.generation.0, generation);
    assert!(store.packs().packs().iter().all(|pack| is_whole(disk, pack)), "a pack is not whole");
}

/// Checks that no trace of a run stayed; one that comes back with a cut is looked at by the next run.
pub fn require_no_trace(disk: &SimDisk) {
    assert!(disk.content("pending").is_none() && disk.content("replica/unclean").is_none(), "a trace stayed");
}

/// A key that is damaged in several ways, and the remote that heals it.
pub struct Rotten {
    pub disk: SimDisk,
    pub remote: Arc<dyn Remote>,
    pub generation: u64,
    pub packs: Vec<PackRef>,
    /// Those of the packs that are whole.
    pub whole: Vec<PackRef>,
}

impl Rotten {
    /// A pack with a flipped bit, one that is missing, one that is cut and long enough to be gone on with, one that is too
    /// long, and a `HEAD` and a key file that do not read.
    pub fn new(profile: Profile, variant: u64) -> Self {
        let publisher = Publisher::new(variant);
        let len = |plain: u64| usize::try_from(plain + variant * 7919 % plain).unwrap();
        publisher.commit(&[9000, len(2000), 1_400_000, len(6000), len(3000)]);
        let (disk, remote) = (SimDisk::new(profile), publisher.remote());
        publisher.clone_to(&disk, &remote).unwrap();
        let packs = open(&disk).packs().packs().to_vec();
        let path = |at: usize| layout::pack(&packs[at].hash).to_string();
        assert!(disk.corrupt(&path(0), |bytes| bytes[700] ^= 1));
        assert!(disk.wipe(&path(1)));
        assert!(disk.corrupt(&path(2), |bytes| bytes.truncate(1_200_000)));
        assert!(disk.corrupt(&path(3), |bytes| bytes.extend([9; 600])));
        assert!(disk.corrupt("HEAD", |bytes| bytes.fill(0)));
        let key_file = disk.paths().into_iter().find(|path| path.starts_with("keys/")).unwrap();
        assert!(disk.corrupt(&key_file, |bytes| bytes[90] ^= 1));
        let whole = packs.iter().filter(|pack| is_whole(&disk, pack)).copied().collect();
        Self { disk: disk.settled(), remote, generation: open(&disk).head().head.generation.0, packs, whole }
    }

    /// Heals a disk that began as this one.
    pub fn heal(&self, disk: &SimDisk) -> Result<Report> {
        verify_with(disk, std::slice::from_ref(&self.remote))
    }
}

/// A recorded sync from one generation to another.
pub struct Story {
    pub disk: SimDisk,
    /// What the key lay on before.
    pub before: SimDisk,
    pub remote: Arc<dyn Remote>,
    pub from: u64,
    pub to: u64,
    pub accept_older: bool,
    /// The packs of the target.
    pub target: Store,
    pub fetched_bytes: u64,
}

impl Story {
    /// A week's update: small packs, and one that is long enough to be gone on with.
    ///
    /// Variant 0 is the plain one; others have more packs and commits, and other lengths.
    pub fn update(profile: Profile, variant: u64) -> Self {
        let publisher = Publisher::new(variant);
        publisher.commit(&[9000, 2000]);
        let disk = SimDisk::new(profile);
        publisher.clone_to(&disk, &publisher.remote()).unwrap();
        let len = |plain: u64| usize::try_from(plain + variant * 7919 % plain).unwrap();
        publisher.commit(&[1_400_000, len(30_000), len(700)]);
        publisher.commit(&[len(5000)]);
        for more in 0..variant % 3 {
            publisher.commit(&[len(20_000 << more), len(900)]);
        }
        Self::record(&disk.settled(), publisher.remote(), false)
    }

    /// A server that was set back on purpose.
    pub fn back(profile: Profile, variant: u64) -> Self {
        let publisher = Publisher::new(variant);
        publisher.commit(&[9000, 2000]);
        let older = publisher.remote();
        let disk = SimDisk::new(profile);
        for _ in 0..2 + variant % 3 {
            publisher.commit(&[3000]);
        }
        publisher.clone_to(&disk, &publisher.remote()).unwrap();
        Self::record(&disk.settled(), older, true)
    }

    /// Two packs of which half is repacked into a new one, and a few new packs: what a key holds is copied.
    pub fn repacked(profile: Profile, variant: u64) -> Self {
        let publisher = Publisher::new(variant);
        (0..2).for_each(|_| publisher.repacking(|repacker| _ = repacker.commit(6, 200 << 10)));
        let disk = SimDisk::new(profile);
        publisher.clone_to(&disk, &publisher.remote()).unwrap();
        publisher.repacking(|repacker| _ = repacker.repack(REMOTE_SECS));
        let len = |plain: u64| usize::try_from(plain + variant * 7919 % plain).unwrap();
        publisher.commit(&[len(3000), len(700), 900]);
        let story = Self::record(&disk.settled(), publisher.remote(), false);
        let (fetched, repacked) = (story.fetched_bytes, story.target.packs().packs()[0].len_bytes);
        assert!(fetched < repacked / 10, "{fetched} bytes came of {repacked}");
        story
    }

    fn record(disk: &SimDisk, remote: Arc<dyn Remote>, accept_older: bool) -> Self {
        let (from, before) = (open(disk).head().head.generation.0, disk.settled());
        let fetched_bytes = sync_with(disk, &remote, accept_older).unwrap().fetched_bytes;
        let target = open(disk);
        let to = target.head().head.generation.0;
        assert_ne!(from, to);
        require_settled(disk, to);
        Self { disk: disk.clone(), before, remote, from, to, accept_older, target, fetched_bytes }
    }
}
