//! What a bench needs around a verb: seeded content, a publisher in memory, and a remote with what it published.

use std::sync::Arc;

use chunkstore::base::clock::FixedClock;
use chunkstore::base::monitor::SilentMonitor;
use chunkstore::base::random::{Random, SeededRandom};
use chunkstore::base::{EntryName, RelPath, StoreId, StorePath, Timestamp};
use chunkstore::disk::sim::Profile;
use chunkstore::disk::{Disk, SimDisk, SimFolder};
use chunkstore::folder::Excludes;
use chunkstore::ops::Run;
use chunkstore::ops::commit::{CommitRequest, Committed, commit};
use chunkstore::ops::init::{InitRequest, init};
use chunkstore::ops::local_keys::{KeyDir, WriterKey};
use chunkstore::remote::mem::MemRemote;

pub const MIB: usize = 1 << 20;
/// 2026-11-21, long after the files of a simulated folder were made.
const NOW: Timestamp = Timestamp(1_795_246_500_000_000_000);

/// Returns bytes that do not compress.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    SeededRandom::new(seed).fill(&mut bytes);
    bytes
}

/// Returns text of a small vocabulary, which compresses to about a third.
pub fn prose(seed: u64, len: usize) -> Vec<u8> {
    const SYLLABLES: [&str; 16] =
        ["ba", "con", "der", "el", "fi", "gra", "hu", "in", "jo", "ka", "lis", "mo", "ne", "or", "pre", "tion"];
    let mut text = Vec::with_capacity(len + 8);
    for byte in noise(seed, len) {
        text.extend_from_slice(SYLLABLES[usize::from(byte % 16)].as_bytes());
        if byte >= 144 {
            text.push(if byte == 255 { b'\n' } else { b' ' });
        }
        if text.len() >= len {
            break;
        }
    }
    text.truncate(len);
    text
}

/// Returns a folder of 9 MiB: many small files, some pictures, a long one.
pub fn folder() -> SimFolder {
    let folder = SimFolder::default();
    for n in 0..400 {
        folder.put_file(&path(&["texts", &n.to_string()]), &prose(n, 2000 + 40 * n as usize));
    }
    for n in 0..8 {
        folder.put_file(&path(&["pictures", &n.to_string()]), &noise(n, MIB / 4));
    }
    folder.put_file(&path(&["long"]), &prose(1000, 3 * MIB));
    folder
}

/// Returns the lengths of all files of a folder together.
pub fn len_bytes(folder: &SimFolder) -> u64 {
    folder.entries().values().map(|entry| entry.bytes.len() as u64).sum()
}

/// Returns a path in a folder.
pub fn path(names: &[&str]) -> RelPath {
    let join = |path: RelPath, name: &&str| path.join(&EntryName::new(name.as_bytes()).unwrap()).unwrap();
    names.iter().fold(RelPath::root(), join)
}

/// A publisher with a new store in memory.
pub struct Publisher {
    pub id: StoreId,
    pub fingerprint: String,
    pub keys: KeyDir,
    /// Holds generation 1.
    pub empty: SimDisk,
    writer: WriterKey,
    clock: FixedClock,
    random: SeededRandom,
    monitor: SilentMonitor,
    dir: tempfile::TempDir,
}

impl Publisher {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (empty, clock) = (SimDisk::new(Profile::Ext4), FixedClock::new(NOW));
        let (random, monitor) = (SeededRandom::new(7), SilentMonitor);
        let request = InitRequest { readers: vec![], keys: dir.path(), root_keys: dir.path(), passphrase: None };
        let made = init(&empty, &request, Run { clock: &clock, random: &random, monitor: &monitor }).unwrap();
        let keys = KeyDir::new(dir.path(), made.store);
        let writer = keys.load_writer(&|_| unreachable!()).unwrap().unwrap();
        Self { id: made.store, fingerprint: made.fingerprint, keys, empty, writer, clock, random, monitor, dir }
    }

    pub fn run(&self) -> Run<'_> {
        Run { clock: &self.clock, random: &self.random, monitor: &self.monitor }
    }

    /// Commits a folder to a disk that holds a state of the store; only what goes by a cache knows the unchanged files.
    pub fn commit(&self, disk: &SimDisk, folder: &SimFolder, with_cache: bool) -> Committed {
        let cache = self.dir.path().join("cache");
        let request = CommitRequest {
            message: "a bench".to_owned(),
            author: "bench@here".to_owned(),
            tags: vec![],
            excludes: Excludes::none(),
            writer: &self.writer,
            cache: with_cache.then_some(&cache),
        };
        commit(Arc::new(disk.clone()), folder, &request, self.run()).unwrap()
    }

    /// Returns a settled disk with generation 1 and a commit of the folder.
    pub fn committed(&self, folder: &SimFolder, with_cache: bool) -> SimDisk {
        let disk = self.empty.settled();
        assert!(self.commit(&disk, folder, with_cache).changed);
        disk.settled()
    }
}

/// Returns a remote with everything of a store that a push would send.
pub fn remote_of(disk: &SimDisk) -> MemRemote {
    let remote = MemRemote::new();
    for name in disk.paths() {
        let is_local = name.starts_with("replica/") || ["lock", "readers"].contains(&name.as_str());
        if !is_local {
            remote.plant(&StorePath::new(&name).unwrap(), &disk.content(&name).unwrap());
        }
    }
    remote
}

/// Returns a disk as the verbs take it.
pub fn shared(disk: &SimDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}
