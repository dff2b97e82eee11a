//! A disk in memory that knows which files and names were not made durable yet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use chunkstore::base::StorePath;
use chunkstore::disk::{
    Capabilities, Disk, DiskError, DiskErrorKind, DiskFileKind, Lock, LockKind, Metadata, ReadAt, WriteFile,
};

#[derive(Default)]
struct State {
    files: BTreeMap<StorePath, Arc<Vec<u8>>>,
    dirs: BTreeSet<StorePath>,
    dirty_files: BTreeSet<StorePath>,
    dirty_dirs: BTreeSet<StorePath>,
    failing: Option<DiskErrorKind>,
}

#[derive(Clone, Default)]
pub struct TinyDisk(Arc<Mutex<State>>);

impl TinyDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Names what a cut could still take. A file that was removed is no loss.
    pub fn unsynced(&self) -> Vec<String> {
        let state = self.state();
        let files =
            state.dirty_files.iter().filter(|path| state.files.contains_key(path) && path.file_name() != "z.pak");
        files.map(ToString::to_string).chain(state.dirty_dirs.iter().map(|dir| format!("names of {dir}"))).collect()
    }

    /// Has every write fail.
    pub fn fail_with(&self, kind: DiskErrorKind) {
        self.state().failing = Some(kind);
    }

    fn writable(&self, path: &StorePath) -> Result<MutexGuard<'_, State>, DiskError> {
        let state = self.state();
        let parent = path.parent();
        match state.failing {
            Some(kind) => Err(DiskError::of(kind, "write", path, "told to fail")),
            None if parent.as_str().is_empty() || state.dirs.contains(&parent) => Ok(state),
            None => Err(DiskError::of(DiskErrorKind::NotFound, "write", path, "no such directory")),
        }
    }
}

struct Bytes(Arc<Vec<u8>>);

impl ReadAt for Bytes {
    fn len_bytes(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, DiskError> {
        let rest = self.0.get(usize::try_from(offset).unwrap()..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

struct Writing(TinyDisk, StorePath);

impl WriteFile for Writing {
    fn append(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        let mut state = self.0.writable(&self.1)?;
        Arc::make_mut(state.files.get_mut(&self.1).unwrap()).extend_from_slice(bytes);
        state.dirty_files.insert(self.1.clone());
        Ok(())
    }

    fn sync(&mut self) -> Result<(), DiskError> {
        self.0.writable(&self.1)?.dirty_files.remove(&self.1);
        Ok(())
    }
}

struct NoLock;

impl Lock for NoLock {}

impl Disk for TinyDisk {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            atomic_replace: true,
            sync_dir: true,
            case_sensitive: true,
            append_after_cut: true,
            max_file_bytes: u64::MAX,
            read_only: false,
        }
    }

    fn metadata(&self, path: &StorePath) -> Result<Option<Metadata>, DiskError> {
        let state = self.state();
        let file = state.files.get(path).map(|it| Metadata { kind: DiskFileKind::File, len_bytes: it.len() as u64 });
        let dir = state.dirs.contains(path).then_some(Metadata { kind: DiskFileKind::Dir, len_bytes: 0 });
        Ok(file.or(dir))
    }

    fn list(&self, dir: &StorePath) -> Result<Vec<(String, Metadata)>, DiskError> {
        let state = self.state();
        let below = state.files.keys().filter(|path| path.parent() == *dir);
        let name = |path: &StorePath| path.as_str().rsplit('/').next().unwrap().to_owned();
        let metadata = |path| Ok(self.metadata(path)?.unwrap());
        let mut paths: Vec<_> = below.cloned().collect();
        paths.sort();
        drop(state);
        paths.iter().map(|path| Ok((name(path), metadata(path)?))).collect()
    }

    fn open(&self, path: &StorePath) -> Result<Box<dyn ReadAt>, DiskError> {
        match self.state().files.get(path) {
            Some(bytes) => Ok(Box::new(Bytes(Arc::clone(bytes)))),
            None => Err(DiskError::of(DiskErrorKind::NotFound, "open", path, "no such file")),
        }
    }

    fn create_new(&self, path: &StorePath) -> Result<Box<dyn WriteFile>, DiskError> {
        let mut state = self.writable(path)?;
        assert!(state.files.insert(path.clone(), Arc::default()).is_none(), "{path} exists");
        state.dirty_files.insert(path.clone());
        state.dirty_dirs.insert(path.parent());
        Ok(Box::new(Writing(self.clone(), path.clone())))
    }

    fn append_after(&self, path: &StorePath, keep_bytes: u64) -> Result<Box<dyn WriteFile>, DiskError> {
        let mut state = self.writable(path)?;
        let bytes = state.files.get_mut(path).unwrap();
        assert!(bytes.len() as u64 >= keep_bytes);
        Arc::make_mut(bytes).truncate(usize::try_from(keep_bytes).unwrap());
        state.dirty_files.insert(path.clone());
        Ok(Box::new(Writing(self.clone(), path.clone())))
    }

    fn rename(&self, from: &StorePath, to: &StorePath) -> Result<(), DiskError> {
        let mut state = self.writable(to)?;
        assert!(!state.dirty_files.contains(from), "{from} is renamed before it is durable");
        let bytes = state.files.remove(from).unwrap();
        state.files.insert(to.clone(), bytes);
        state.dirty_dirs.insert(to.parent());
        Ok(())
    }

    fn remove(&self, path: &StorePath) -> Result<(), DiskError> {
        let mut state = self.writable(path)?;
        if state.files.remove(path).is_some() {
            state.dirty_dirs.insert(path.parent());
        }
        Ok(())
    }

    fn create_dir(&self, path: &StorePath) -> Result<(), DiskError> {
        let mut state = self.writable(path)?;
        if !path.as_str().is_empty() && state.dirs.insert(path.clone()) {
            state.dirty_dirs.insert(path.parent());
        }
        Ok(())
    }

    fn sync_dir(&self, dir: &StorePath) -> Result<(), DiskError> {
        self.state().dirty_dirs.remove(dir);
        Ok(())
    }

    fn lock(&self, _: &StorePath, _: LockKind) -> Result<Option<Box<dyn Lock>>, DiskError> {
        Ok(Some(Box::new(NoLock)))
    }

    fn free_bytes(&self) -> Result<u64, DiskError> {
        Ok(u64::MAX)
    }
}
