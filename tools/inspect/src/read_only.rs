//! A disk that refuses every call that could change something, so that no mistake above it can.

use chunkstore::base::StorePath;
use chunkstore::disk::{
    Capabilities, Disk, DiskError, DiskErrorKind, Lock, LockKind, Metadata, OsDisk, ReadAt, WriteFile,
};

/// Reads a disk and nothing else.
pub struct ReadOnly(OsDisk);

impl ReadOnly {
    /// Wraps a disk.
    #[must_use]
    pub fn new(disk: OsDisk) -> Self {
        Self(disk)
    }
}

fn refuse<T>(act: &'static str, path: &StorePath) -> Result<T, DiskError> {
    Err(DiskError::of(DiskErrorKind::ReadOnly, act, path, "looking at a store changes nothing"))
}

impl Disk for ReadOnly {
    fn capabilities(&self) -> Capabilities {
        Capabilities { read_only: true, ..self.0.capabilities() }
    }

    fn metadata(&self, path: &StorePath) -> Result<Option<Metadata>, DiskError> {
        self.0.metadata(path)
    }

    fn list(&self, dir: &StorePath) -> Result<Vec<(String, Metadata)>, DiskError> {
        self.0.list(dir)
    }

    fn open(&self, path: &StorePath) -> Result<Box<dyn ReadAt>, DiskError> {
        self.0.open(path)
    }

    fn create_new(&self, path: &StorePath) -> Result<Box<dyn WriteFile>, DiskError> {
        refuse("create", path)
    }

    fn append_after(&self, path: &StorePath, _: u64) -> Result<Box<dyn WriteFile>, DiskError> {
        refuse("write", path)
    }

    fn rename(&self, from: &StorePath, _: &StorePath) -> Result<(), DiskError> {
        refuse("rename", from)
    }

    fn remove(&self, path: &StorePath) -> Result<(), DiskError> {
        refuse("remove", path)
    }

    fn create_dir(&self, path: &StorePath) -> Result<(), DiskError> {
        refuse("create", path)
    }

    fn sync_dir(&self, dir: &StorePath) -> Result<(), DiskError> {
        refuse("sync", dir)
    }

    fn lock(&self, path: &StorePath, _: LockKind) -> Result<Option<Box<dyn Lock>>, DiskError> {
        refuse("lock", path)
    }

    fn free_bytes(&self) -> Result<u64, DiskError> {
        self.0.free_bytes()
    }
}
