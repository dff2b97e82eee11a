//! [`VolumeDisk`]: a store's folder in a [`Volume`], read only.

use std::sync::Arc;

use chunkstore::base::StorePath;
use chunkstore::disk::{
    Capabilities, Disk, DiskError, DiskErrorKind, DiskFileKind, Lock, LockKind, Metadata, ReadAt, WriteFile,
};

use crate::volume::{NodeKind, Volume, VolumeError, VolumeFile, VolumeKind};

/// A folder of a volume.
pub struct VolumeDisk {
    volume: Arc<Volume>,
    root: String,
}

impl VolumeDisk {
    /// Takes a folder of a volume, whether or not it is there; parts of its path are joined by `/`.
    #[must_use]
    pub fn new(volume: impl Into<Arc<Volume>>, root: &str) -> Self {
        Self { volume: volume.into(), root: root.trim_matches('/').to_owned() }
    }

    /// Returns a path in the volume.
    fn path(&self, path: &StorePath) -> String {
        format!("{}/{}", self.root, path.as_str()).trim_matches('/').to_owned()
    }
}

/// Says what a failed read of a volume means to a store.
fn wrap(act: &'static str, path: &StorePath, error: &VolumeError) -> DiskError {
    let kind = match error {
        VolumeError::NotFound { .. } => DiskErrorKind::NotFound,
        VolumeError::WrongType { .. } => DiskErrorKind::WrongType,
        VolumeError::Damaged { .. } | VolumeError::NotMountable { .. } => DiskErrorKind::Io,
    };
    DiskError::of(kind, act, path, &error.to_string())
}

/// Refuses a change.
fn refuse<T>(act: &'static str, path: &StorePath) -> Result<T, DiskError> {
    Err(DiskError::of(DiskErrorKind::ReadOnly, act, path, "a recorded state is never written"))
}

/// Translates what stands under a name.
fn metadata_of(metadata: crate::volume::Metadata) -> Metadata {
    let kind = match metadata.kind {
        NodeKind::File => DiskFileKind::File,
        NodeKind::Dir => DiskFileKind::Dir,
    };
    Metadata { kind, len_bytes: metadata.len_bytes }
}

impl Disk for VolumeDisk {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            atomic_replace: false,
            sync_dir: true,
            case_sensitive: false,
            append_after_cut: false,
            max_file_bytes: match self.volume.kind() {
                VolumeKind::Fat32 => u64::from(u32::MAX),
                VolumeKind::ExFat => i64::MAX.unsigned_abs(),
            },
            read_only: true,
        }
    }

    fn metadata(&self, path: &StorePath) -> Result<Option<Metadata>, DiskError> {
        match self.volume.metadata(&self.path(path)) {
            Ok(metadata) => Ok(Some(metadata_of(metadata))),
            Err(VolumeError::NotFound { .. }) => Ok(None),
            Err(error) => Err(wrap("look at", path, &error)),
        }
    }

    fn list(&self, dir: &StorePath) -> Result<Vec<(String, Metadata)>, DiskError> {
        let listed = self.volume.list(&self.path(dir)).map_err(|error| wrap("list", dir, &error))?;
        let mut entries = Vec::with_capacity(listed.len());
        for entry in listed.into_iter().filter(|entry| is_store_name(&entry.name)) {
            match entry.metadata {
                Ok(metadata) => entries.push((entry.name, metadata_of(metadata))),
                // A name that is listed and not found is left out by the real disk too.
                Err(VolumeError::NotFound { .. }) => {}
                // As the real disk: a name that a cut damaged does not cost its neighbours.
                Err(_) => entries.push((entry.name, Metadata { kind: DiskFileKind::Other, len_bytes: 0 })),
            }
        }
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(entries)
    }

    fn open(&self, path: &StorePath) -> Result<Box<dyn ReadAt>, DiskError> {
        let file = self.volume.open_file(&self.path(path)).map_err(|error| wrap("open", path, &error))?;
        Ok(Box::new(OpenFile { file, path: path.clone() }))
    }

    fn create_new(&self, path: &StorePath) -> Result<Box<dyn WriteFile>, DiskError> {
        refuse("create", path)
    }

    fn append_after(&self, path: &StorePath, _keep_bytes: u64) -> Result<Box<dyn WriteFile>, DiskError> {
        refuse("append to", path)
    }

    fn rename(&self, from: &StorePath, _to: &StorePath) -> Result<(), DiskError> {
        refuse("rename", from)
    }

    fn remove(&self, path: &StorePath) -> Result<(), DiskError> {
        refuse("remove", path)
    }

    fn create_dir(&self, path: &StorePath) -> Result<(), DiskError> {
        refuse("create directory", path)
    }

    fn sync_dir(&self, _dir: &StorePath) -> Result<(), DiskError> {
        Ok(())
    }

    fn lock(&self, path: &StorePath, _kind: LockKind) -> Result<Option<Box<dyn Lock>>, DiskError> {
        // Nobody else has this state, so a lock is free wherever its file stands.
        self.volume.open_file(&self.path(path)).map_err(|error| wrap("lock", path, &error))?;
        Ok(Some(Box::new(FreeLock)))
    }

    fn free_bytes(&self) -> Result<u64, DiskError> {
        Ok(0)
    }
}

/// A lock that nobody else asks for.
struct FreeLock;

impl Lock for FreeLock {}

/// An open file of a volume.
struct OpenFile {
    file: VolumeFile,
    path: StorePath,
}

impl ReadAt for OpenFile {
    fn len_bytes(&self) -> u64 {
        self.file.len_bytes()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, DiskError> {
        self.file.read_at(offset, buffer).map_err(|error| wrap("read", &self.path, &error))
    }
}

/// Returns whether a name is one that a store may hold.
fn is_store_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('/') && StorePath::new(name).is_ok()
}

#[cfg(test)]
mod tests;
