//! A disk as a process sees it that is killed at a call: nothing it wanted later happens, what it wrote stays in the cache.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chunkstore::base::StorePath;
use chunkstore::disk::{
    Capabilities, Disk, DiskError, DiskErrorKind, Lock, LockKind, Metadata, ReadAt, SimDisk, WriteFile,
};

/// The disk of a process that lives for so many calls.
#[derive(Clone)]
pub struct Killed {
    disk: SimDisk,
    left: Arc<AtomicU64>,
}

impl Killed {
    /// Lets a process do `calls` calls that change or sync something.
    pub fn after(disk: &SimDisk, calls: u64) -> Self {
        Self { disk: disk.clone(), left: Arc::new(AtomicU64::new(calls)) }
    }

    /// Returns how many calls were not used.
    pub fn left(&self) -> u64 {
        self.left.load(Ordering::Relaxed)
    }

    fn live(&self) -> Result<(), DiskError> {
        let one_less = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        one_less.map(drop).map_err(|_| DiskError::of(DiskErrorKind::Gone, "do", "anything", "the process is dead"))
    }
}

impl Disk for Killed {
    fn capabilities(&self) -> Capabilities {
        self.disk.capabilities()
    }

    fn metadata(&self, path: &StorePath) -> Result<Option<Metadata>, DiskError> {
        self.disk.metadata(path)
    }

    fn list(&self, dir: &StorePath) -> Result<Vec<(String, Metadata)>, DiskError> {
        self.disk.list(dir)
    }

    fn open(&self, path: &StorePath) -> Result<Box<dyn ReadAt>, DiskError> {
        self.disk.open(path)
    }

    fn create_new(&self, path: &StorePath) -> Result<Box<dyn WriteFile>, DiskError> {
        self.live()?;
        Ok(Box::new(KilledFile { file: self.disk.create_new(path)?, owner: self.clone() }))
    }

    fn append_after(&self, path: &StorePath, keep_bytes: u64) -> Result<Box<dyn WriteFile>, DiskError> {
        self.live()?;
        Ok(Box::new(KilledFile { file: self.disk.append_after(path, keep_bytes)?, owner: self.clone() }))
    }

    fn rename(&self, from: &StorePath, to: &StorePath) -> Result<(), DiskError> {
        self.live()?;
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &StorePath) -> Result<(), DiskError> {
        self.live()?;
        self.disk.remove(path)
    }

    fn create_dir(&self, path: &StorePath) -> Result<(), DiskError> {
        self.live()?;
        self.disk.create_dir(path)
    }

    fn sync_dir(&self, dir: &StorePath) -> Result<(), DiskError> {
        self.live()?;
        self.disk.sync_dir(dir)
    }

    fn lock(&self, path: &StorePath, kind: LockKind) -> Result<Option<Box<dyn Lock>>, DiskError> {
        self.disk.lock(path, kind)
    }

    fn free_bytes(&self) -> Result<u64, DiskError> {
        self.disk.free_bytes()
    }
}

struct KilledFile {
    file: Box<dyn WriteFile>,
    owner: Killed,
}

impl WriteFile for KilledFile {
    fn append(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        self.owner.live()?;
        self.file.append(bytes)
    }

    fn sync(&mut self) -> Result<(), DiskError> {
        self.owner.live()?;
        self.file.sync()
    }
}
