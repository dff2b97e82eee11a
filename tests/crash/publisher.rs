//! A publisher whose store lies on any disk, and the folders that it commits.

use std::collections::BTreeMap;
use std::sync::Arc;

use chunkstore::base::clock::FixedClock;
use chunkstore::base::monitor::RecordingMonitor;
use chunkstore::base::random::SeededRandom;
use chunkstore::base::{EntryName, Random, RelPath, Timestamp};
use chunkstore::crypto::sign::SignKey;
use chunkstore::crypto::wrap::Identity;
use chunkstore::disk::folder::{FileKind, FileTime};
use chunkstore::disk::{Disk, Folder, SimFolder};
use chunkstore::error::Result;
use chunkstore::folder::Excludes;
use chunkstore::ops::Run;
use chunkstore::ops::commit::{CommitRequest, Committed, commit};
use chunkstore::ops::init::{InitRequest, init};
use chunkstore::ops::local_keys::{KeyDir, WriterKey};
use chunkstore::ops::open::Spot;
use chunkstore::ops::restore::{RestoreOptions, RestoreRequest, Restored, restore};
use chunkstore::ops::verify::{Report, VerifyRequest, verify};

/// 2026-11-21T07:35:00Z.
pub const NOW: Timestamp = Timestamp(1_795_246_500_000_000_000);

/// Keys, clock and randomness of one who writes.
pub struct Publisher {
    pub clock: FixedClock,
    pub random: SeededRandom,
    pub monitor: RecordingMonitor,
    pub writer: WriterKey,
    pub readers: Vec<Identity>,
    #[allow(dead_code, reason = "only some of the sweeps that share this change trust")]
    pub roots: Vec<SignKey>,
}

impl Publisher {
    /// Makes a store and returns its publisher.
    pub fn init(disk: &dyn Disk) -> Result<Self> {
        Self::init_from(disk, 7)
    }

    /// Makes a store whose secrets follow from a seed.
    pub fn init_from(disk: &dyn Disk, seed: u64) -> Result<Self> {
        let (made, publisher) = Self::try_init(disk, seed);
        made.map(|()| publisher.expect("init leaves its keys"))
    }

    /// Runs `init`, and returns with what it says the publisher whose keys it wrote, if it came that far.
    pub fn try_init(disk: &dyn Disk, seed: u64) -> (Result<()>, Option<Self>) {
        let dir = scratch();
        let (clock, random, monitor) = (FixedClock::new(NOW), SeededRandom::new(seed), RecordingMonitor::default());
        let keys = dir.path().join("keys");
        let request = InitRequest { readers: vec![], keys: &keys, root_keys: &keys, passphrase: None };
        let made = init(disk, &request, Run { clock: &clock, random: &random, monitor: &monitor }).map(drop);
        let name =
            std::fs::read_dir(&keys).ok().and_then(|mut stores| stores.next()).map(|entry| entry.unwrap().file_name());
        let Some(name) = name else { return (made, None) };
        let keys = KeyDir::new(&keys, name.to_str().unwrap().parse().unwrap());
        let writer = keys.load_writer(&|_| panic!("no passphrase was set")).unwrap().unwrap();
        let readers = keys.load_reader(&|_| panic!("no passphrase was set")).unwrap();
        let roots = keys.load_roots(&|_| panic!("no passphrase was set")).unwrap();
        (made, Some(Self { clock, random, monitor, writer, readers, roots }))
    }

    pub fn run(&self) -> Run<'_> {
        Run { clock: &self.clock, random: &self.random, monitor: &self.monitor }
    }

    pub fn commit<D: Disk + Clone + 'static>(&self, disk: &D, folder: &dyn Folder) -> Result<Committed> {
        let request = CommitRequest {
            message: "a commit".to_owned(),
            author: "tester@here".to_owned(),
            tags: vec![],
            excludes: Excludes::none(),
            writer: &self.writer,
            cache: None,
        };
        commit(Arc::new(disk.clone()), folder, &request, self.run())
    }

    pub fn verify<D: Disk + Clone + 'static>(&self, disk: &D) -> Result<Report> {
        let request = VerifyRequest { identities: &self.readers, read_data: false, ..VerifyRequest::default() };
        verify(Arc::new(disk.clone()), &request, self.run())
    }

    /// Restores the newest snapshot.
    pub fn restore<D: Disk + Clone + 'static>(&self, disk: &D, folder: &dyn Folder) -> Result<Restored> {
        let spot = Spot::parse(b"/").unwrap();
        let request = RestoreRequest {
            spot,
            identities: &self.readers,
            owners: false,
            options: RestoreOptions { threads: 1, ..RestoreOptions::default() },
        };
        restore(Arc::new(disk.clone()), folder, &request, self.run())
    }

    /// Returns what a restore of the newest snapshot holds.
    pub fn restored<D: Disk + Clone + 'static>(&self, disk: &D) -> Holding {
        let folder = SimFolder::default();
        let done = self.restore(disk, &folder).unwrap();
        assert_eq!((done.damaged, done.left_alone), (0, 0));
        holding(&folder)
    }
}

/// Makes a directory for key files, in memory where the system has such a place: they are synced, and there are thousands.
fn scratch() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    let in_memory = (cfg!(unix) && memory.is_dir()).then(|| tempfile::tempdir_in(memory).ok()).flatten();
    in_memory.unwrap_or_else(|| tempfile::tempdir().unwrap())
}

/// What one entry holds that a commit keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub kind: FileKind,
    pub mode: u32,
    pub mtime: FileTime,
    pub bytes: Vec<u8>,
}

/// Every entry of a folder by path.
pub type Holding = BTreeMap<RelPath, Held>;

/// Returns what a folder holds.
pub fn holding(folder: &SimFolder) -> Holding {
    let held = |entry: chunkstore::disk::sim_folder::SimEntry| Held {
        kind: entry.stat.kind,
        mode: entry.stat.mode,
        mtime: entry.stat.mtime,
        bytes: entry.bytes,
    };
    folder.entries().into_iter().map(|(path, entry)| (path, held(entry))).collect()
}

/// Builds the folder after the first `steps` changes: the first makes it, each other changes, adds and removes.
///
/// Variant 0 is the plain one; others have more files and other lengths.
pub fn folder_variant(variant: u64, steps: u64) -> SimFolder {
    let folder = SimFolder::default();
    let seed = |number| number + variant * 1000;
    let len = |plain: u64| usize::try_from(plain + variant * 7919 % plain).unwrap();
    for step in 1..=steps {
        if step == 1 {
            folder.put_file(&rel("a/large"), &noise(seed(100), len(90_000)));
            folder.put_file(&rel("a/small"), b"a small file");
            folder.put_file(&rel("a/twin"), b"its twin");
            folder.put_file(&rel("b/empty"), b"");
            folder.create_symlink(&rel("b/link"), b"../a/small").unwrap();
        }
        folder.put_file(&rel("b/changes"), &noise(seed(200 + step), len(3_000)));
        folder.put_file(&rel(&format!("c/{step}/new")), &noise(seed(300 + step), len(20_000)));
        for more in 0..variant % 4 {
            let plain = 1000 << more;
            folder.put_file(&rel(&format!("d/{step}-{more}")), &noise(seed(500 + 10 * step + more), len(plain)));
        }
        if step > 2 {
            folder.remove_file(&rel(&format!("c/{}/new", step - 1))).unwrap();
            folder.remove_dir(&rel(&format!("c/{}", step - 1))).unwrap();
        }
    }
    folder.settle();
    folder
}

/// Builds the plain folder after the first `steps` changes.
pub fn folder_after(steps: u64) -> SimFolder {
    folder_variant(0, steps)
}

/// Pseudo-random bytes of a seed, which do not compress.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    SeededRandom::new(seed).fill(&mut bytes);
    bytes
}

/// A path in a folder.
pub fn rel(path: &str) -> RelPath {
    path.split('/').fold(RelPath::root(), |path, name| path.join(&EntryName::new(name.as_bytes()).unwrap()).unwrap())
}
