//! What a test needs around a verb: a publisher that commits random packs, a remote that holds what it published, a key,
//! a clock that stands still, and a monitor that remembers.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chunkstore::base::clock::FixedClock;
use chunkstore::base::monitor::RecordingMonitor;
use chunkstore::base::random::{Random, SeededRandom};
use chunkstore::base::{DedupGeneration, StoreId, StorePath, Timestamp};
use chunkstore::crypto::Secret;
use chunkstore::crypto::sign::{Purpose, SignKey};
use chunkstore::crypto::wrap::Identity;
use chunkstore::disk::{Disk, DiskFileKind, OsDisk, read_all};
use chunkstore::error::{ErrorKind, Result};
use chunkstore::format::Kind;
use chunkstore::format::head::Group;
use chunkstore::format::head::SignedHead;
use chunkstore::format::keylist::KeyTag;
use chunkstore::format::manifest::{CondemnedPack, PackRef};
use chunkstore::format::trust::{SignedTrust, Trust};
use chunkstore::ops::Run;
use chunkstore::ops::clone::{CloneRequest, Cloned, clone_store};
use chunkstore::ops::host_state::HostState;
use chunkstore::ops::init::{InitRequest, init};
use chunkstore::ops::local_keys::KeyDir;
use chunkstore::ops::sync::{SyncRequest, Synced, sync};
use chunkstore::remote::mem::MemRemote;
use chunkstore::remote::{Remote, RemoteError, Session};
use chunkstore::store::object::{Sealer, pointer_to};
use chunkstore::store::pack::{create_immutable, pack_is_whole};
use chunkstore::store::trust::TrustChain;
use chunkstore::store::writer::PackWriter;
use chunkstore::store::{self, Basis, Next, Store, layout};
use tempfile::TempDir;

/// 2026-01-01.
pub const NOW: Timestamp = Timestamp(1_767_225_600_000_000_000);
pub const MIB: usize = 1 << 20;

/// Time, randomness and a listener, all of which a test can look into.
pub struct World {
    pub clock: FixedClock,
    pub random: SeededRandom,
    pub monitor: RecordingMonitor,
}

impl World {
    pub fn new(seed: u64) -> Self {
        Self { clock: FixedClock::new(NOW), random: SeededRandom::new(seed), monitor: RecordingMonitor::default() }
    }

    pub fn run(&self) -> Run<'_> {
        Run { clock: &self.clock, random: &self.random, monitor: &self.monitor }
    }
}

/// A store with its writer's keys.
pub struct Publisher {
    pub world: World,
    pub disk: Arc<dyn Disk>,
    pub id: StoreId,
    pub fingerprint: String,
    pub tags: Vec<KeyTag>,
    pub dir: TempDir,
}

impl Publisher {
    pub fn new(seed: u64) -> Self {
        Self::with_readers(seed, 0)
    }

    pub fn with_readers(seed: u64, readers: usize) -> Self {
        let world = World::new(seed);
        let dir = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Disk> = Arc::new(OsDisk::create(&dir.path().join("store")).unwrap());
        let (keys, roots) = (dir.path().join("keys"), dir.path().join("roots"));
        let readers = (0..readers).map(|_| Identity::generate().recipient()).collect();
        let request = InitRequest { readers, keys: &keys, root_keys: &roots, passphrase: None };
        let made = init(disk.as_ref(), &request, world.run()).unwrap();
        Self { world, disk, id: made.store, fingerprint: made.fingerprint, tags: made.tags, dir }
    }

    /// Its store and keys, copied: two machines that do not know of each other.
    pub fn copied(&self, seed: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        copy_dir(self.dir.path(), dir.path());
        Self {
            world: World::new(seed),
            disk: Arc::new(OsDisk::open(&dir.path().join("store")).unwrap()),
            id: self.id,
            fingerprint: self.fingerprint.clone(),
            tags: self.tags.clone(),
            dir,
        }
    }

    pub fn keys(&self) -> PathBuf {
        self.dir.path().join("keys")
    }

    pub fn open(&self) -> Store {
        Store::open(Arc::clone(&self.disk)).unwrap()
    }

    /// Commits one new pack for each length; each holds random bytes of about that many.
    pub fn commit(&self, lengths: &[usize]) -> SignedHead {
        self.commit_removing(lengths, &[])
    }

    pub fn commit_removing(&self, lengths: &[usize], removed: &[PackRef]) -> SignedHead {
        self.commit_changed(lengths, |next| next.removed = removed.iter().map(|pack| pack.hash).collect())
    }

    /// Commits a state without a pack, which waits for its end from now on.
    pub fn condemn(&self, pack: &PackRef) -> SignedHead {
        self.commit_changed(&[], |next| {
            next.removed = vec![pack.hash];
            next.condemned.push(CondemnedPack { hash: pack.hash, len_bytes: pack.len_bytes, since: next.time });
        })
    }

    fn commit_changed(&self, lengths: &[usize], change: impl FnOnce(&mut Next)) -> SignedHead {
        let store = self.open();
        let writer = KeyDir::new(&self.keys(), self.id).load_writer(&|_| unreachable!()).unwrap().unwrap();
        let signer = writer.signer();
        let (keys, unlocked) = store.unlock_writer(&[writer.identity]).unwrap();
        let maker = keys.key_maker(DedupGeneration(1)).unwrap();
        let mut sealer = Sealer::new(self.id, 1).unwrap();
        let mut added = Vec::new();
        for &length in lengths {
            let index_key = keys.reader.index_key(keys.reader.epoch()).unwrap();
            let mut packs =
                PackWriter::new(self.disk.as_ref(), self.id, keys.reader.epoch(), index_key, Some(store.packs()));
            let mut plain = vec![0; length];
            self.world.random.fill(&mut plain);
            let pointer = pointer_to(&keys.reader, &maker, Kind::Chunk, &plain);
            let object = sealer.seal(Kind::Chunk, pointer.id, maker.generation(), &pointer.key, &plain).unwrap();
            packs.put(object).unwrap();
            added.extend(packs.finish().unwrap().packs);
        }
        let now = self.world.run().clock.now();
        let mut next = Next { added, ..Next::following(store.packs(), unlocked.sealed, now) };
        change(&mut next);
        // With a trust file that no record names yet.
        let trust = &TrustChain::load(self.disk.as_ref(), self.id).unwrap();
        let basis = Basis { store: self.id, trust, current: Some((store.head(), store.packs())) };
        store::commit(self.disk.as_ref(), &basis, &keys.reader, &signer, next).unwrap()
    }

    /// Writes the next trust file, signed by the root that it keeps.
    pub fn rotate_trust(&self) {
        let text = host_bytes(&self.dir.path().join("roots").join(self.id.to_string()).join("root.key"));
        let text = String::from_utf8(text).unwrap();
        let seed = text.lines().find_map(|line| line.strip_prefix("sign-seed ")).unwrap();
        let bytes = (0..32).map(|at| u8::from_str_radix(&seed[2 * at..2 * at + 2], 16).unwrap());
        let root = SignKey::from_seed(&Secret::from_bytes(bytes.collect::<Vec<_>>().try_into().unwrap()));
        let store = self.open();
        let last = store.trust().newest();
        let trust = Trust { version: last.trust.version + 1, previous: Some(last.hash()), ..last.trust.clone() };
        let signature = root.sign(Purpose::Trust, &trust.encode_body());
        let signed = SignedTrust::new(trust.clone(), vec![(root.public(), signature)]);
        create_immutable(self.disk.as_ref(), &layout::trust(trust.version), signed.bytes()).unwrap();
    }

    /// Puts everything that a push would send onto a remote, past all rules.
    pub fn plant(&self, remote: &MemRemote) {
        for path in files(self.disk.as_ref()) {
            let local = path.as_str().starts_with("replica/") || ["lock", "readers"].contains(&path.as_str());
            if !local {
                remote.plant(&path, &read(self.disk.as_ref(), &path));
            }
        }
    }

    /// A remote with everything.
    pub fn remote(&self) -> MemRemote {
        let remote = MemRemote::new();
        self.plant(&remote);
        remote
    }
}

pub fn read(disk: &dyn Disk, path: &StorePath) -> Vec<u8> {
    read_all(disk, path, 1 << 30).unwrap().unwrap()
}

/// Every file of a disk.
pub fn files(disk: &dyn Disk) -> Vec<StorePath> {
    let mut found = Vec::new();
    let mut dirs = vec![StorePath::root()];
    while let Some(dir) = dirs.pop() {
        for (name, metadata) in disk.list(&dir).unwrap() {
            let inner = if dir == StorePath::root() { name } else { format!("{dir}/{name}") };
            let path = StorePath::new(&inner).unwrap();
            match metadata.kind {
                DiskFileKind::Dir => dirs.push(path),
                _ => found.push(path),
            }
        }
    }
    found.sort();
    found
}

/// A key in a directory of its own, or nothing yet.
pub struct Key {
    pub world: World,
    pub dir: TempDir,
    pub disk: Arc<dyn Disk>,
    pub state: HostState,
}

impl Key {
    pub fn empty(seed: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Disk> = Arc::new(OsDisk::create(&dir.path().join("key")).unwrap());
        Self { world: World::new(seed), dir, disk, state: HostState::default() }
    }

    /// A clone of what a publisher has now.
    pub fn of(publisher: &Publisher, remote: &MemRemote) -> Self {
        let mut key = Self::empty(77);
        key.clone_from_remote(publisher, remote).unwrap();
        remote.reset_counts();
        key
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("key")
    }

    pub fn cache(&self) -> PathBuf {
        self.dir.path().join("cache")
    }

    pub fn clone_from_remote(&mut self, publisher: &Publisher, remote: &MemRemote) -> Result<Cloned> {
        self.clone_with(&arc(remote), Some(&publisher.fingerprint), None)
    }

    pub fn clone_with(
        &mut self,
        remote: &Arc<dyn Remote>,
        trust: Option<&str>,
        reader: Option<KeyTag>,
    ) -> Result<Cloned> {
        let trust = trust.map(str::to_owned);
        self.clone_as(
            remote,
            &CloneRequest { group: Group::all(), trust, confirm: &|_| Ok(false), reader, accept_older: false },
        )
    }

    pub fn clone_as(&mut self, remote: &Arc<dyn Remote>, request: &CloneRequest<'_>) -> Result<Cloned> {
        let cloned = clone_store(remote, &self.disk, request, Some(&self.cache()), self.world.run())?;
        self.state = HostState::load(Some(&self.cache()), cloned.store);
        Ok(cloned)
    }

    pub fn sync(&mut self, remote: &MemRemote) -> Result<Synced> {
        self.sync_all(&[arc(remote)])
    }

    pub fn sync_all(&mut self, remotes: &[Arc<dyn Remote>]) -> Result<Synced> {
        sync(&self.disk, remotes, SyncRequest::default(), &mut self.state, self.world.run())
    }

    pub fn sync_accepting(&mut self, remote: &MemRemote) -> Result<Synced> {
        sync(
            &self.disk,
            &[arc(remote)],
            SyncRequest { accept_older: true, ..SyncRequest::default() },
            &mut self.state,
            self.world.run(),
        )
    }

    /// The same key on a PC that never saw it.
    pub fn on_a_fresh_host(&mut self) {
        self.state = HostState::default();
    }

    pub fn open(&self) -> Store {
        Store::open(Arc::clone(&self.disk)).unwrap()
    }

    /// Checks that exactly this state opens, with every pack whole and no trace of a run.
    pub fn assert_holds(&self, head: &SignedHead) {
        assert_holds(&self.disk, head);
        assert!(self.disk.metadata(&layout::pending()).unwrap().is_none(), "pending stayed");
        assert!(self.disk.metadata(&layout::unclean()).unwrap().is_none(), "the unclean marker stayed");
    }

    /// Content and times of every file.
    pub fn snapshot(&self) -> Vec<(PathBuf, std::time::SystemTime, Vec<u8>)> {
        let mut all = Vec::new();
        walk(&self.path(), &mut all);
        all.sort();
        all
    }
}

pub fn assert_holds(disk: &Arc<dyn Disk>, head: &SignedHead) {
    let store = Store::open(Arc::clone(disk)).unwrap();
    assert_eq!(store.head().bytes(), head.bytes(), "another state opens");
    for pack in store.packs().packs() {
        assert!(pack_is_whole(disk.as_ref(), pack, &mut |_| {}).unwrap(), "{pack:?} is not whole");
    }
}

fn walk(dir: &Path, all: &mut Vec<(PathBuf, std::time::SystemTime, Vec<u8>)>) {
    for entry in list_dir(dir) {
        let metadata = std::fs::symlink_metadata(&entry).unwrap();
        if metadata.is_dir() {
            all.push((entry.clone(), metadata.modified().unwrap(), Vec::new()));
            walk(&entry, all);
        } else {
            all.push((entry.clone(), metadata.modified().unwrap(), host_bytes(&entry)));
        }
    }
}

fn list_dir(dir: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
}

pub fn host_bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

/// Damages a file of a store behind the program's back.
pub fn damage(root: &Path, path: &StorePath, change: impl FnOnce(&mut Vec<u8>)) {
    let file = root.join(path.as_str());
    let mut bytes = std::fs::read(&file).unwrap();
    change(&mut bytes);
    std::fs::write(&file, bytes).unwrap();
}

pub fn arc(remote: &MemRemote) -> Arc<dyn Remote> {
    Arc::new(remote.clone())
}

/// A remote in memory under an address of its own.
pub struct Named(pub MemRemote, pub &'static str);

impl Remote for Named {
    fn address(&self) -> String {
        self.1.to_owned()
    }

    fn connect(&self) -> std::result::Result<Box<dyn Session>, RemoteError> {
        self.0.connect()
    }

    fn session_limit(&self) -> usize {
        self.0.session_limit()
    }

    fn wire_bytes(&self) -> u64 {
        self.0.wire_bytes()
    }
}

pub fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.expect_err("it should have failed").kind()
}

/// Copies a directory behind the program's back, as a person copies a key.
pub fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(std::result::Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
