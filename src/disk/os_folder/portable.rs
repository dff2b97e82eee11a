//! A folder through the standard library alone, for systems without directory handles.
//!
//! Names are those that Windows takes, whatever the system ([`crate::disk::windows_names`]). Limits: each component
//! is checked for being a link before it is used, which whoever changes the folder at the same moment can outrun; owners, modes, special files, hard links' numbers and
//! times of links and directories are not kept; [`Folder::sync_all`] syncs what this handle created or renamed, file by file.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::base::{EntryName, RelPath};
use crate::disk::folder::{
    Attributes, ExtendedAttribute, FileKind, FileTime, Folder, FolderFile, FolderWriter, Hole, Listing, Stat,
};
use crate::disk::windows_names::windows_takes;
use crate::disk::{DiskError, DiskErrorKind};

/// A folder reached by path names.
pub struct PortableFolder {
    root: PathBuf,
    unsynced: Arc<Mutex<BTreeSet<PathBuf>>>,
}

#[expect(clippy::disallowed_methods, reason = "one of the real implementations of the folder boundary")]
impl PortableFolder {
    /// Opens a directory as a folder.
    ///
    /// # Errors
    /// [`DiskErrorKind::NotFound`], [`DiskErrorKind::WrongType`] and others.
    pub fn open(root: &Path) -> Result<Self, DiskError> {
        let wrap = |error| DiskError::new("open", root.display(), error);
        let root_path = fs::canonicalize(root).map_err(wrap)?;
        if !fs::metadata(&root_path).map_err(wrap)?.is_dir() {
            return Err(DiskError::of(DiskErrorKind::WrongType, "open", root.display(), "not a directory"));
        }
        Ok(Self { root: root_path, unsynced: Arc::default() })
    }

    /// Returns the system's path, having checked that no component above the last is a link.
    fn locate(&self, act: &'static str, path: &RelPath) -> Result<PathBuf, DiskError> {
        let mut full = self.root.clone();
        let depth = path.depth();
        for (at, name) in path.names().enumerate() {
            let text = std::str::from_utf8(name.as_bytes()).ok().filter(|text| windows_takes(text.as_bytes()));
            let text = text.ok_or_else(|| {
                DiskError::of(DiskErrorKind::BadName, act, path, "a name that stands for something else on this system")
            })?;
            full.push(text);
            if at + 1 < depth && !fs::symlink_metadata(&full).map_err(|e| DiskError::new(act, path, e))?.is_dir() {
                return Err(DiskError::of(DiskErrorKind::WrongType, act, path, "a link or file on the way"));
            }
        }
        Ok(full)
    }

    fn run<T>(
        &self,
        act: &'static str,
        path: &RelPath,
        call: impl FnOnce(&Path) -> io::Result<T>,
    ) -> Result<T, DiskError> {
        let full = self.locate(act, path)?;
        call(&full).map_err(|error| DiskError::new(act, path, error))
    }

    fn unsynced(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.unsynced.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::disallowed_methods, reason = "one of the real implementations of the folder boundary")]
impl Folder for PortableFolder {
    fn stat(&self, path: &RelPath) -> Result<Option<Stat>, DiskError> {
        match self.run("look at", path, |full| fs::symlink_metadata(full)) {
            Ok(metadata) => Ok(Some(stat_of(&metadata))),
            Err(error) if error.kind == DiskErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn list(&self, dir: &RelPath) -> Result<Listing, DiskError> {
        let mut entries = Vec::new();
        let listing = self.run("list", dir, |full| fs::read_dir(full)?.collect::<io::Result<Vec<_>>>())?;
        for entry in listing {
            let Ok(name) = EntryName::new(entry.file_name().as_encoded_bytes()) else { continue };
            let stat = entry.metadata().map(|metadata| stat_of(&metadata));
            let stat = stat.map_err(|error| DiskError::new("look at", &name, error));
            entries.push((name, stat));
        }
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(entries)
    }

    fn open(&self, path: &RelPath) -> Result<Box<dyn FolderFile>, DiskError> {
        match self.stat(path)?.map(|stat| stat.kind) {
            Some(FileKind::File) => {}
            Some(_) => return Err(DiskError::of(DiskErrorKind::WrongType, "open", path, "not a regular file")),
            None => return Err(DiskError::of(DiskErrorKind::NotFound, "open", path, "nothing stands there")),
        }
        let file = self.run("open", path, |full| File::open(full))?;
        Ok(Box::new(PortableFile { file, path: path.clone() }))
    }

    fn read_link(&self, path: &RelPath) -> Result<Vec<u8>, DiskError> {
        let target = self.run("read the link", path, |full| fs::read_link(full))?;
        Ok(target.into_os_string().into_encoded_bytes())
    }

    fn extended_attributes(&self, _: &RelPath) -> Result<Vec<ExtendedAttribute>, DiskError> {
        Ok(Vec::new())
    }

    fn create_dir(&self, path: &RelPath) -> Result<(), DiskError> {
        match self.run("create", path, |full| fs::create_dir(full)) {
            Err(error) if error.kind == DiskErrorKind::Exists => match self.stat(path)? {
                Some(stat) if stat.kind == FileKind::Dir => Ok(()),
                _ => Err(error),
            },
            result => result,
        }
    }

    fn create_file(&self, path: &RelPath) -> Result<Box<dyn FolderWriter>, DiskError> {
        let full = self.locate("create", path)?;
        let file = File::create_new(&full).map_err(|error| DiskError::new("create", path, error))?;
        self.unsynced().insert(full);
        Ok(Box::new(PortableWriter { file, path: path.clone(), len_bytes: 0, ends_in_hole: false }))
    }

    fn create_symlink(&self, path: &RelPath, _: &[u8]) -> Result<(), DiskError> {
        Err(unsupported("create", path))
    }

    fn create_special(&self, path: &RelPath, _: FileKind, _: u64) -> Result<(), DiskError> {
        Err(unsupported("create", path))
    }

    fn create_hard_link(&self, existing: &RelPath, path: &RelPath) -> Result<(), DiskError> {
        let from = self.locate("link", existing)?;
        self.run("link", path, |full| fs::hard_link(from, full))
    }

    fn set_attributes(&self, path: &RelPath, attributes: &Attributes) -> Result<(), DiskError> {
        if !attributes.extended.is_empty() {
            return Err(unsupported("set an extended attribute of", path));
        }
        let Some(mtime) = attributes.mtime else { return Ok(()) };
        if self.stat(path)?.is_none_or(|stat| stat.kind != FileKind::File) {
            return Ok(());
        }
        let time = system_time(mtime).ok_or_else(|| unsupported("set the time of", path))?;
        self.run("set the time of", path, |full| File::options().append(true).open(full)?.set_modified(time))
    }

    fn rename(&self, from: &RelPath, to: &RelPath) -> Result<(), DiskError> {
        let (source, target) = (self.locate("rename", from)?, self.locate("rename", to)?);
        if self.stat(to)?.is_some_and(|stat| stat.kind == FileKind::Dir) {
            return Err(DiskError::of(DiskErrorKind::WrongType, "rename over", to, "a directory stands there"));
        }
        fs::rename(&source, &target).map_err(|error| DiskError::new("rename", to, error))?;
        let mut unsynced = self.unsynced();
        unsynced.remove(&source);
        unsynced.insert(target);
        Ok(())
    }

    fn remove_file(&self, path: &RelPath) -> Result<(), DiskError> {
        match self.run("remove", path, |full| fs::remove_file(full)) {
            Err(error) if error.kind == DiskErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    fn remove_dir(&self, path: &RelPath) -> Result<(), DiskError> {
        self.run("remove", path, |full| fs::remove_dir(full))
    }

    fn sync_all(&self) -> Result<(), DiskError> {
        let paths = std::mem::take(&mut *self.unsynced());
        for path in &paths {
            match File::options().append(true).open(path).and_then(|file| file.sync_all()) {
                Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::IsADirectory) => {
                    let failed = DiskError::new("sync", path.display(), error);
                    self.unsynced().extend(paths);
                    return Err(failed);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn owner_names(&self, _: u32, _: u32) -> (Option<String>, Option<String>) {
        (None, None)
    }
}

fn unsupported(act: &'static str, path: &RelPath) -> DiskError {
    DiskError::new(act, path, io::Error::from(io::ErrorKind::Unsupported))
}

fn system_time(time: FileTime) -> Option<SystemTime> {
    let since = Duration::new(time.secs.unsigned_abs(), 0);
    let whole = if time.secs < 0 { UNIX_EPOCH.checked_sub(since) } else { UNIX_EPOCH.checked_add(since) };
    whole.and_then(|whole| whole.checked_add(Duration::from_nanos(time.nanos.into())))
}

fn stat_of(metadata: &fs::Metadata) -> Stat {
    let (kind, mode) = match metadata.file_type() {
        kind if kind.is_dir() => (FileKind::Dir, 0o755),
        kind if kind.is_symlink() => (FileKind::Symlink, 0o777),
        _ => (FileKind::File, 0o644),
    };
    let mtime = metadata.modified().map_or(FileTime::default(), file_time);
    let len_bytes = if kind == FileKind::Dir { 0 } else { metadata.len() };
    let birth = metadata.created().ok().map(file_time);
    Stat {
        kind,
        mode,
        uid: 0,
        gid: 0,
        len_bytes,
        mtime,
        ctime: mtime,
        device: 0,
        inode: 0,
        links: 1,
        rdev: 0,
        birth,
        is_sparse: false,
    }
}

fn file_time(time: SystemTime) -> FileTime {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => FileTime { secs: i64::try_from(after.as_secs()).unwrap_or(i64::MAX), nanos: after.subsec_nanos() },
        Err(before) => {
            let before = before.duration();
            let part = u32::from(before.subsec_nanos() > 0);
            let whole = i64::try_from(before.as_secs()).unwrap_or(i64::MAX - 1);
            FileTime { secs: -whole - i64::from(part), nanos: part * 1_000_000_000 - before.subsec_nanos() }
        }
    }
}

struct PortableFile {
    file: File,
    path: RelPath,
}

impl Read for PortableFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

impl FolderFile for PortableFile {
    fn stat(&self) -> Result<Stat, DiskError> {
        self.file.metadata().map(|m| stat_of(&m)).map_err(|error| DiskError::new("look at", &self.path, error))
    }

    fn holes(&mut self, _: usize) -> Result<Vec<Hole>, DiskError> {
        self.file.rewind().map_err(|error| DiskError::new("read", &self.path, error))?;
        Ok(Vec::new())
    }

    fn skip(&mut self, len_bytes: u64) -> Result<(), DiskError> {
        let by = i64::try_from(len_bytes).unwrap_or(i64::MAX);
        self.file.seek(SeekFrom::Current(by)).map(drop).map_err(|error| DiskError::new("read", &self.path, error))
    }

    fn extended_attributes(&self) -> Result<Vec<ExtendedAttribute>, DiskError> {
        Ok(Vec::new())
    }
}

struct PortableWriter {
    file: File,
    path: RelPath,
    len_bytes: u64,
    ends_in_hole: bool,
}

impl PortableWriter {
    /// Gives the file its length where it ends in a hole.
    fn settle_len(&mut self) -> Result<(), DiskError> {
        if std::mem::replace(&mut self.ends_in_hole, false) {
            self.file.set_len(self.len_bytes).map_err(|error| DiskError::new("write", &self.path, error))?;
        }
        Ok(())
    }
}

impl FolderWriter for PortableWriter {
    fn append(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        self.file.write_all(bytes).map_err(|error| DiskError::new("write", &self.path, error))?;
        self.len_bytes += bytes.len() as u64;
        self.ends_in_hole &= bytes.is_empty();
        Ok(())
    }

    fn skip(&mut self, len_bytes: u64) -> Result<(), DiskError> {
        let end = self.len_bytes.saturating_add(len_bytes);
        let moved = self.file.seek(SeekFrom::Start(end));
        moved.map_err(|error| DiskError::new("write", &self.path, error))?;
        self.len_bytes = end;
        self.ends_in_hole |= len_bytes > 0;
        Ok(())
    }

    fn set_attributes(&mut self, attributes: &Attributes) -> Result<(), DiskError> {
        if !attributes.extended.is_empty() {
            return Err(unsupported("set an extended attribute of", &self.path));
        }
        let Some(mtime) = attributes.mtime else { return Ok(()) };
        let time = system_time(mtime).ok_or_else(|| unsupported("set the time of", &self.path))?;
        self.settle_len()?;
        self.file.set_modified(time).map_err(|error| DiskError::new("set the time of", &self.path, error))
    }

    fn finish(mut self: Box<Self>) -> Result<(), DiskError> {
        self.settle_len()
    }
}
