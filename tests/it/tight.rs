//! Small wrappers that make a disk tight, pull it out under a warm cache, and make a person impatient.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chunkstore::base::StorePath;
use chunkstore::base::monitor::{Amount, Monitor, Problem, Task};
use chunkstore::disk::{Capabilities, Disk, DiskError, Lock, LockKind, Metadata, ReadAt, WriteFile};

/// A disk whose medium was pulled while the system's cache goes on to take writes.
pub struct Pulled {
    pub inner: Arc<dyn Disk>,
}

/// A disk that says it has only so much room.
pub struct Tight {
    pub inner: Arc<dyn Disk>,
    pub free_bytes: u64,
}

impl Disk for Tight {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
    fn metadata(&self, path: &StorePath) -> Result<Option<Metadata>, DiskError> {
        self.inner.metadata(path)
    }
    fn list(&self, dir: &StorePath) -> Result<Vec<(String, Metadata)>, DiskError> {
        self.inner.list(dir)
    }
    fn open(&self, path: &StorePath) -> Result<Box<dyn ReadAt>, DiskError> {
        self.inner.open(path)
    }
    fn create_new(&self, path: &StorePath) -> Result<Box<dyn WriteFile>, DiskError> {
        self.inner.create_new(path)
    }
    fn append_after(&self, path: &StorePath, keep_bytes: u64) -> Result<Box<dyn WriteFile>, DiskError> {
        self.inner.append_after(path, keep_bytes)
    }
    fn rename(&self, from: &StorePath, to: &StorePath) -> Result<(), DiskError> {
        self.inner.rename(from, to)
    }
    fn remove(&self, path: &StorePath) -> Result<(), DiskError> {
        self.inner.remove(path)
    }
    fn create_dir(&self, path: &StorePath) -> Result<(), DiskError> {
        self.inner.create_dir(path)
    }
    fn sync_dir(&self, dir: &StorePath) -> Result<(), DiskError> {
        self.inner.sync_dir(dir)
    }
    fn lock(&self, path: &StorePath, kind: LockKind) -> Result<Option<Box<dyn Lock>>, DiskError> {
        self.inner.lock(path, kind)
    }
    fn free_bytes(&self) -> Result<u64, DiskError> {
        Ok(self.free_bytes)
    }
}

impl Disk for Pulled {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
    fn metadata(&self, path: &StorePath) -> Result<Option<Metadata>, DiskError> {
        self.inner.metadata(path)
    }
    fn list(&self, dir: &StorePath) -> Result<Vec<(String, Metadata)>, DiskError> {
        self.inner.list(dir)
    }
    fn open(&self, path: &StorePath) -> Result<Box<dyn ReadAt>, DiskError> {
        self.inner.open(path)
    }
    fn create_new(&self, path: &StorePath) -> Result<Box<dyn WriteFile>, DiskError> {
        self.inner.create_new(path)
    }
    fn append_after(&self, path: &StorePath, keep_bytes: u64) -> Result<Box<dyn WriteFile>, DiskError> {
        self.inner.append_after(path, keep_bytes)
    }
    fn rename(&self, from: &StorePath, to: &StorePath) -> Result<(), DiskError> {
        self.inner.rename(from, to)
    }
    fn remove(&self, path: &StorePath) -> Result<(), DiskError> {
        self.inner.remove(path)
    }
    fn create_dir(&self, path: &StorePath) -> Result<(), DiskError> {
        self.inner.create_dir(path)
    }
    fn sync_dir(&self, dir: &StorePath) -> Result<(), DiskError> {
        self.inner.sync_dir(dir)
    }
    fn lock(&self, path: &StorePath, kind: LockKind) -> Result<Option<Box<dyn Lock>>, DiskError> {
        self.inner.lock(path, kind)
    }
    fn free_bytes(&self) -> Result<u64, DiskError> {
        self.inner.free_bytes()
    }
    fn is_gone(&self) -> bool {
        true
    }
}

/// A monitor that asks to stop once so many bytes went by.
pub struct StopAfter {
    left: AtomicU64,
}

impl StopAfter {
    pub fn new(bytes: u64) -> Self {
        Self { left: AtomicU64::new(bytes) }
    }
}

impl Monitor for StopAfter {
    fn begin(&self, _: Task, _: Option<Amount>) {}
    fn advance(&self, _: Task, amount: Amount) {
        let _ = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(amount.bytes)));
    }
    fn end(&self, _: Task) {}
    fn problem(&self, _: Problem) {}
    fn note(&self, _: &str) {}
    fn cancelled(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }
}
