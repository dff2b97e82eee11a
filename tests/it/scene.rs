//! The scene of a test: a publisher's store on a simulated disk, a folder, keys, a clock that stands still.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chunkstore::base::clock::FixedClock;
use chunkstore::base::monitor::RecordingMonitor;
use chunkstore::base::random::SeededRandom;
use chunkstore::base::{EntryName, RelPath, StoreId, Timestamp};
use chunkstore::crypto::wrap::Identity;
use chunkstore::disk::sim::Profile;
use chunkstore::disk::{Disk, Folder, OsFolder, SimDisk};
use chunkstore::error::Result;
use chunkstore::folder::Excludes;
use chunkstore::ops::Run;
use chunkstore::ops::commit::{CommitRequest, Committed, commit};
use chunkstore::ops::init::{InitRequest, init};
use chunkstore::ops::local_keys::{KeyDir, WriterKey};
use chunkstore::ops::open::Spot;
use chunkstore::ops::restore::{RestoreOptions, RestoreRequest, Restored, restore};

/// 2026-11-21T07:35:00Z, long after the files of a test were made as far as the racy rule sees.
pub const NOW: Timestamp = Timestamp(1_795_246_500_000_000_000);

/// A publisher with everything that a run needs.
pub struct Scene {
    pub disk: SimDisk,
    pub clock: FixedClock,
    pub random: SeededRandom,
    pub monitor: RecordingMonitor,
    pub store: StoreId,
    pub fingerprint: String,
    dir: tempfile::TempDir,
}

impl Scene {
    /// Makes a store with generation 1.
    pub fn new() -> Self {
        Self::with_seed(7)
    }

    /// Makes another store with generation 1.
    pub fn with_seed(seed: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (disk, clock) = (SimDisk::new(Profile::Ext4), FixedClock::new(NOW));
        let (random, monitor) = (SeededRandom::new(seed), RecordingMonitor::default());
        let keys = dir.path().join("keys");
        let request = InitRequest { readers: vec![], keys: &keys, root_keys: &keys, passphrase: None };
        let run = Run { clock: &clock, random: &random, monitor: &monitor };
        let made = init(&disk, &request, run).unwrap();
        std::fs::create_dir(dir.path().join("folder")).unwrap();
        Self { disk, clock, random, monitor, store: made.store, fingerprint: made.fingerprint, dir }
    }

    pub fn run(&self) -> Run<'_> {
        Run { clock: &self.clock, random: &self.random, monitor: &self.monitor }
    }

    /// The same with what a power cut now leaves at least.
    pub fn after_a_cut(self) -> Self {
        Self { disk: self.disk.plug_back(), ..self }
    }

    pub fn shared_disk(&self) -> Arc<dyn Disk> {
        Arc::new(self.disk.clone())
    }

    /// A path below the scene's own directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file into the folder to commit, with a time in the past.
    pub fn write(&self, name: &str, content: &[u8]) {
        let path = self.path("folder").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
    }

    pub fn writer(&self) -> WriterKey {
        self.keys().load_writer(&|_| panic!("no passphrase was set")).unwrap().unwrap()
    }

    pub fn readers(&self) -> Vec<Identity> {
        self.keys().load_reader(&|_| panic!("no passphrase was set")).unwrap()
    }

    fn keys(&self) -> KeyDir {
        KeyDir::new(&self.path("keys"), self.store)
    }

    /// Commits the folder, with a cache.
    pub fn commit(&self, message: &str) -> Result<Committed> {
        let folder = OsFolder::open(&self.path("folder")).unwrap();
        self.commit_folder(&folder, message)
    }

    /// Commits any folder, with a cache.
    pub fn commit_folder(&self, folder: &dyn Folder, message: &str) -> Result<Committed> {
        self.commit_with(folder, message, Excludes::none())
    }

    /// Commits any folder with excludes.
    pub fn commit_with(&self, folder: &dyn Folder, message: &str, excludes: Excludes) -> Result<Committed> {
        let (writer, cache) = (self.writer(), self.path("cache"));
        let request = CommitRequest {
            message: message.to_owned(),
            author: "tester@here".to_owned(),
            tags: vec![],
            excludes,
            writer: &writer,
            cache: Some(&cache),
        };
        commit(self.shared_disk(), folder, &request, self.run())
    }

    /// Restores a spot into a fresh directory of that name.
    pub fn restore(&self, spot: &str, target: &str) -> Result<Restored> {
        self.restore_with(spot, target, RestoreOptions::default())
    }

    /// Restores a spot into a directory, which is made if it is not there.
    pub fn restore_with(&self, spot: &str, target: &str, options: RestoreOptions) -> Result<Restored> {
        let target = self.path(target);
        std::fs::create_dir_all(&target).unwrap();
        let folder = OsFolder::open(&target).unwrap();
        let identities = self.readers();
        let spot = Spot::parse(spot.as_bytes()).unwrap();
        let request = RestoreRequest { spot, identities: &identities, owners: false, options };
        restore(self.shared_disk(), &folder, &request, self.run())
    }
}

/// Reads a file of the real disk.
pub fn read(path: impl AsRef<Path>) -> Vec<u8> {
    let path = path.as_ref();
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Pseudo-random bytes of a seed, which do not compress.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    chunkstore::base::Random::fill(&SeededRandom::new(seed), &mut bytes);
    bytes
}

/// A path in a folder.
pub fn rel(path: &str) -> RelPath {
    path.split('/').fold(RelPath::root(), |path, name| path.join(&EntryName::new(name.as_bytes()).unwrap()).unwrap())
}
