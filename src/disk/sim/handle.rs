//! The calls of [`Disk`] on a simulated medium: first the faults, then the contract.

use super::state::{Body, Ino, Key, Op};
use super::{CallCounts, FaultKind, SECTOR_BYTES, SimDisk, State, last_name};
use crate::base::StorePath;
use crate::disk::{
    Capabilities, Disk, DiskError, DiskErrorKind, DiskFileKind, Lock, LockKind, Metadata, ReadAt, WriteFile,
};

/// What a call shall do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// What the contract says.
    Normal,
    /// Lie as a medium that was pulled out.
    Gone,
    /// Fail; of an append, do half.
    Fail(DiskErrorKind),
    /// Do it and fail.
    DoneFail,
}

impl State {
    /// Counts a call and decides how it goes.
    fn enter(&mut self, count: impl FnOnce(&mut CallCounts) -> &mut u64, needs_space: bool) -> Way {
        *count(&mut self.counts) += 1;
        let number = self.calls;
        self.calls += 1;
        let fault = self.faults.remove(&number);
        self.gone |= fault == Some(FaultKind::Gone);
        match fault {
            _ if self.gone => Way::Gone,
            Some(FaultKind::Io) => Way::Fail(DiskErrorKind::Io),
            Some(FaultKind::IoDone) => Way::DoneFail,
            Some(FaultKind::NoSpace) if needs_space => Way::Fail(DiskErrorKind::NoSpace),
            _ => Way::Normal,
        }
    }

    /// Returns what stands under a path; the directories above it must be there.
    fn look(&self, act: &'static str, path: &StorePath) -> Result<(Key, Option<Body>), DiskError> {
        let key = self.key(path.as_str());
        if key.is_empty() {
            return Ok((key, Some(Body::Dir)));
        }
        for (at, _) in key.match_indices('/') {
            match self.now.live.get(&key[..at]).map(|node| node.body) {
                Some(Body::Dir) => {}
                Some(Body::File(_)) => return Err(error(DiskErrorKind::WrongType, act, path)),
                None => return Err(error(DiskErrorKind::NotFound, act, path)),
            }
        }
        let body = self.now.live.get(&key).map(|node| node.body);
        Ok((key, body))
    }

    /// Returns the file that stands under a path.
    fn look_file(&self, act: &'static str, path: &StorePath) -> Result<(Key, Ino), DiskError> {
        match self.look(act, path)? {
            (key, Some(Body::File(ino))) => Ok((key, ino)),
            (_, Some(Body::Dir)) => Err(error(DiskErrorKind::WrongType, act, path)),
            (_, None) => Err(error(DiskErrorKind::NotFound, act, path)),
        }
    }

    /// Refuses a change of a medium that takes none.
    fn writable(&self, act: &'static str, path: &StorePath) -> Result<(), DiskError> {
        if self.read_only { Err(error(DiskErrorKind::ReadOnly, act, path)) } else { Ok(()) }
    }

    /// Returns size and type.
    fn metadata_of(&self, body: Body) -> Metadata {
        match body {
            Body::Dir => Metadata { kind: DiskFileKind::Dir, len_bytes: 0 },
            Body::File(ino) => Metadata { kind: DiskFileKind::File, len_bytes: self.len_of(ino) },
        }
    }

    /// Returns a file's length.
    fn len_of(&self, ino: Ino) -> u64 {
        self.now.inodes.get(&ino).map_or(0, |inode| inode.live.len())
    }

    /// Adds bytes to a file as far as there is space.
    fn append(&mut self, ino: Ino, bytes: &[u8]) -> Option<DiskErrorKind> {
        let below_limit = self.now.profile.capabilities(false).max_file_bytes.saturating_sub(self.len_of(ino));
        let room = if self.capacity_bytes.is_some() { self.free_bytes().min(below_limit) } else { below_limit };
        let count = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        if count > 0 {
            self.record(Op::Append { ino, bytes: bytes[..count].into() });
        }
        (count < bytes.len()).then_some(DiskErrorKind::NoSpace)
    }
}

/// Makes an error.
fn error(kind: DiskErrorKind, act: &'static str, path: &StorePath) -> DiskError {
    let why = match kind {
        DiskErrorKind::NotFound => "no such file or directory",
        DiskErrorKind::Exists => "something stands there already",
        DiskErrorKind::NoSpace => "no space left",
        DiskErrorKind::Gone => "no such device",
        DiskErrorKind::ReadOnly => "the medium is read-only",
        DiskErrorKind::WrongType => "of another type",
        _ => "input or output error",
    };
    DiskError::of(kind, act, path, why)
}

impl SimDisk {
    /// Runs one change of the medium: the faults, then the change; `run` logs what it does.
    fn change<T>(
        &self,
        act: &'static str,
        path: &StorePath,
        count: impl FnOnce(&mut CallCounts) -> &mut u64,
        when_gone: Result<T, DiskErrorKind>,
        run: impl FnOnce(&mut State) -> Result<T, DiskError>,
    ) -> Result<T, DiskError> {
        let mut state = self.state();
        match state.enter(count, true) {
            Way::Gone => when_gone.map_err(|kind| error(kind, act, path)),
            Way::Fail(kind) => Err(error(kind, act, path)),
            way => {
                state.writable(act, path)?;
                let done = run(&mut state)?;
                if way == Way::DoneFail { Err(error(DiskErrorKind::Io, act, path)) } else { Ok(done) }
            }
        }
    }

    /// Runs one question.
    fn ask<T>(
        &self,
        act: &'static str,
        path: &StorePath,
        count: impl FnOnce(&mut CallCounts) -> &mut u64,
        when_gone: Result<T, DiskErrorKind>,
        run: impl FnOnce(&mut State) -> Result<T, DiskError>,
    ) -> Result<T, DiskError> {
        let mut state = self.state();
        match state.enter(count, false) {
            Way::Normal => run(&mut state),
            Way::Gone => when_gone.map_err(|kind| error(kind, act, path)),
            Way::Fail(_) | Way::DoneFail => Err(error(DiskErrorKind::Io, act, path)),
        }
    }

    /// Makes a handle for writing.
    fn writer(&self, path: &StorePath, ino: Ino) -> Box<dyn WriteFile> {
        Box::new(SimWriteFile { disk: self.clone(), path: path.clone(), ino, failed: false })
    }
}

impl Disk for SimDisk {
    fn capabilities(&self) -> Capabilities {
        let state = self.state();
        state.now.profile.capabilities(state.read_only)
    }

    fn metadata(&self, path: &StorePath) -> Result<Option<Metadata>, DiskError> {
        self.ask(
            "look at",
            path,
            |c| &mut c.metadata,
            Ok(None),
            |state| match state.look("look at", path) {
                Ok((_, body)) => Ok(body.map(|body| state.metadata_of(body))),
                Err(error) if error.kind == DiskErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            },
        )
    }

    fn list(&self, dir: &StorePath) -> Result<Vec<(String, Metadata)>, DiskError> {
        self.ask(
            "list",
            dir,
            |c| &mut c.lists,
            Ok(Vec::new()),
            |state| {
                let prefix = match state.look("list", dir)? {
                    (key, Some(Body::Dir)) if state.worn_dirs.contains(&key) => {
                        return Err(error(DiskErrorKind::Io, "list", dir));
                    }
                    (key, Some(Body::Dir)) if key.is_empty() => String::new(),
                    (key, Some(Body::Dir)) => format!("{key}/"),
                    (_, Some(Body::File(_))) => return Err(error(DiskErrorKind::WrongType, "list", dir)),
                    (_, None) => return Err(error(DiskErrorKind::NotFound, "list", dir)),
                };
                let from = state
                    .now
                    .live
                    .range::<str, _>((std::ops::Bound::Included(prefix.as_str()), std::ops::Bound::Unbounded));
                let mut entries: Vec<_> = from
                    .take_while(|(key, _)| key.starts_with(&prefix))
                    .filter(|(key, node)| !key[prefix.len()..].contains('/') && StorePath::new(&node.name).is_ok())
                    .map(|(_, node)| (node.name.to_string(), state.metadata_of(node.body)))
                    .collect();
                entries.sort_by(|a, b| a.0.cmp(&b.0));
                Ok(entries)
            },
        )
    }

    fn open(&self, path: &StorePath) -> Result<Box<dyn ReadAt>, DiskError> {
        self.ask(
            "open",
            path,
            |c| &mut c.opens,
            Err(DiskErrorKind::NotFound),
            |state| {
                let (_, ino) = state.look_file("open", path)?;
                let len_bytes = state.len_of(ino);
                Ok(Box::new(SimReadAt { disk: self.clone(), path: path.clone(), ino, len_bytes }) as Box<dyn ReadAt>)
            },
        )
    }

    fn create_new(&self, path: &StorePath) -> Result<Box<dyn WriteFile>, DiskError> {
        let ino = self.change(
            "create",
            path,
            |c| &mut c.creates,
            Err(DiskErrorKind::Gone),
            |state| {
                let (key, body) = state.look("create", path)?;
                if body.is_some() {
                    return Err(error(DiskErrorKind::Exists, "create", path));
                }
                let ino = state.new_ino();
                state.record(Op::Create { key, name: last_name(path.as_str()), ino });
                Ok(ino)
            },
        )?;
        Ok(self.writer(path, ino))
    }

    fn append_after(&self, path: &StorePath, keep_bytes: u64) -> Result<Box<dyn WriteFile>, DiskError> {
        let ino = self.change(
            "append to",
            path,
            |c| &mut c.creates,
            Err(DiskErrorKind::NotFound),
            |state| {
                let (_, ino) = state.look_file("append to", path)?;
                let len_bytes = state.len_of(ino);
                if len_bytes < keep_bytes {
                    return Err(error(DiskErrorKind::Io, "append to", path));
                }
                if len_bytes > keep_bytes {
                    state.record(Op::Truncate { ino, len: keep_bytes });
                }
                Ok(ino)
            },
        )?;
        Ok(self.writer(path, ino))
    }

    fn rename(&self, from: &StorePath, to: &StorePath) -> Result<(), DiskError> {
        self.change(
            "rename",
            from,
            |c| &mut c.renames,
            Err(DiskErrorKind::NotFound),
            |state| {
                let (from_key, _) = state.look_file("rename", from)?;
                let (to_key, body) = state.look("rename over", to)?;
                if body == Some(Body::Dir) {
                    return Err(error(DiskErrorKind::WrongType, "rename over", to));
                }
                if from_key != to_key {
                    state.record(Op::Rename { from: from_key, to: to_key, name: last_name(to.as_str()) });
                }
                Ok(())
            },
        )
    }

    fn remove(&self, path: &StorePath) -> Result<(), DiskError> {
        // The name of a medium that is gone is not found, and so there seems to be nothing to do.
        self.change(
            "remove",
            path,
            |c| &mut c.removes,
            Ok(()),
            |state| match state.look_file("remove", path) {
                Ok((key, _)) => {
                    state.record(Op::Remove { key });
                    Ok(())
                }
                Err(error) if error.kind == DiskErrorKind::NotFound => Ok(()),
                Err(error) => Err(error),
            },
        )
    }

    fn create_dir(&self, path: &StorePath) -> Result<(), DiskError> {
        self.change(
            "create directory",
            path,
            |c| &mut c.dirs,
            Err(DiskErrorKind::Gone),
            |state| match state.look("create directory", path)? {
                (_, Some(Body::Dir)) => Ok(()),
                (_, Some(Body::File(_))) => Err(error(DiskErrorKind::Exists, "create directory", path)),
                (key, None) => {
                    state.record(Op::CreateDir { key, name: last_name(path.as_str()) });
                    Ok(())
                }
            },
        )
    }

    fn sync_dir(&self, dir: &StorePath) -> Result<(), DiskError> {
        let act = "sync directory";
        // Syncing is allowed on a medium that takes no writes: there is nothing to write.
        let mut state = self.state();
        let way = state.enter(|c| &mut c.dir_syncs, true);
        match way {
            Way::Gone => return Err(error(DiskErrorKind::Gone, act, dir)),
            Way::Fail(kind) => return Err(error(kind, act, dir)),
            Way::Normal | Way::DoneFail => {}
        }
        match state.look(act, dir)? {
            (key, Some(Body::Dir)) => state.record(Op::SyncDir { dir: key }),
            (_, Some(Body::File(_))) => return Err(error(DiskErrorKind::WrongType, act, dir)),
            (_, None) => return Err(error(DiskErrorKind::NotFound, act, dir)),
        }
        if way == Way::DoneFail { Err(error(DiskErrorKind::Io, act, dir)) } else { Ok(()) }
    }

    fn lock(&self, path: &StorePath, kind: LockKind) -> Result<Option<Box<dyn Lock>>, DiskError> {
        self.ask(
            "lock",
            path,
            |c| &mut c.others,
            Err(DiskErrorKind::NotFound),
            |state| {
                let (_, ino) = state.look_file("lock", path)?;
                let holders = match (kind, state.locks.get(&ino)) {
                    (LockKind::Exclusive, None) => None,
                    (LockKind::Shared, None) => Some(1),
                    (LockKind::Shared, Some(Some(count))) => Some(count + 1),
                    _ => return Ok(None),
                };
                state.locks.insert(ino, holders);
                Ok(Some(Box::new(SimLock { disk: self.clone(), ino }) as Box<dyn Lock>))
            },
        )
    }

    fn free_bytes(&self) -> Result<u64, DiskError> {
        let mut state = self.state();
        let root = StorePath::root();
        match state.enter(|c| &mut c.others, false) {
            // A mount that lost its medium goes on telling what it remembers.
            Way::Normal | Way::Gone => Ok(state.free_bytes()),
            Way::Fail(_) | Way::DoneFail => Err(error(DiskErrorKind::Io, "ask the free space of", &root)),
        }
    }
}

/// A held lock.
struct SimLock {
    disk: SimDisk,
    ino: Ino,
}

impl Lock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        match state.locks.get_mut(&self.ino) {
            Some(Some(count)) if *count > 1 => *count -= 1,
            _ => drop(state.locks.remove(&self.ino)),
        }
    }
}

/// A file open for reading; it sees what happens to the file meanwhile.
struct SimReadAt {
    disk: SimDisk,
    path: StorePath,
    ino: Ino,
    len_bytes: u64,
}

impl ReadAt for SimReadAt {
    fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, DiskError> {
        self.disk.ask(
            "read",
            &self.path,
            |c| &mut c.reads,
            Err(DiskErrorKind::Gone),
            |state| {
                let end = offset.saturating_add(buffer.len() as u64);
                if state.worn.get(&self.ino).is_some_and(|bad| *bad < end && offset < bad + SECTOR_BYTES) {
                    return Err(error(DiskErrorKind::Io, "read", &self.path));
                }
                let read = state.now.inodes.get(&self.ino).map_or(0, |inode| inode.live.read_at(offset, buffer));
                state.counts.bytes_read += read as u64;
                Ok(read)
            },
        )
    }
}

/// A file open for writing at its end.
struct SimWriteFile {
    disk: SimDisk,
    path: StorePath,
    ino: Ino,
    failed: bool,
}

impl WriteFile for SimWriteFile {
    fn append(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        let mut state = self.disk.state();
        let way = state.enter(|c| &mut c.appends, true);
        if self.failed {
            return Err(error(DiskErrorKind::Io, "write", &self.path));
        }
        let failure = match way {
            // The bytes go to memory that nobody will ever write out.
            Way::Gone => return Ok(()),
            Way::Normal => state.append(self.ino, bytes),
            Way::DoneFail => state.append(self.ino, bytes).or(Some(DiskErrorKind::Io)),
            Way::Fail(kind) => {
                state.append(self.ino, &bytes[..bytes.len() / 2]);
                Some(kind)
            }
        };
        state.counts.bytes_written += bytes.len() as u64;
        self.failed = failure.is_some();
        failure.map_or(Ok(()), |kind| Err(error(kind, "write", &self.path)))
    }

    fn sync(&mut self) -> Result<(), DiskError> {
        let mut state = self.disk.state();
        let way = state.enter(|c| &mut c.syncs, true);
        let (op, failure) = match way {
            Way::Gone => return Err(error(DiskErrorKind::Gone, "sync", &self.path)),
            _ if self.failed => return Err(error(DiskErrorKind::Io, "sync", &self.path)),
            Way::Normal => (Op::Sync { ino: self.ino }, None),
            Way::DoneFail => (Op::Sync { ino: self.ino }, Some(DiskErrorKind::Io)),
            Way::Fail(kind) => (Op::FailedSync { ino: self.ino }, Some(kind)),
        };
        state.record(op);
        self.failed = failure.is_some();
        failure.map_or(Ok(()), |kind| Err(error(kind, "sync", &self.path)))
    }
}
