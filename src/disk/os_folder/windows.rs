//! The calls of [`Folder`] on Windows: paths whose directories are held in place ([`crate::disk::windows::pins`]).
//!
//! Names are those that Windows takes ([`crate::disk::windows_names`]). A mode is whether a file may be written to: one without
//! any right to write is read-only, and the other way round. Limits: symbolic links and junctions are read, but not made, since
//! that takes a privilege and the type of what they point to; special files, owners, access lists, extended attributes and
//! streams are not kept; names of one file count as files of their own; holes read as zeros; [`Folder::sync_all`] syncs what this
//! handle created or renamed file by file, and the directories that it changed.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::lock_alone;
use crate::base::clock::SystemClock;
use crate::base::{EntryName, RelPath};
use crate::disk::folder::{
    Attributes, ExtendedAttribute, FileKind, FileTime, Folder, FolderFile, FolderWriter, Hole, Listing, Stat,
};
use crate::disk::windows::listing::{self, RawStat};
use crate::disk::windows::patiently;
use crate::disk::windows::pins::{Pinned, PinnedRoot, look_at, open_file, open_to_change, open_to_list};
use crate::disk::windows::volume::Volume;
use crate::disk::windows_names::windows_takes;
use crate::disk::{DiskError, DiskErrorKind, Lock, Medium};

/// Permission bits as other systems have them: of a directory, a link, a file, a file that is read-only.
const DIR_MODE: u32 = 0o755;
const LINK_MODE: u32 = 0o777;
const FILE_MODE: u32 = 0o644;
const READ_ONLY_MODE: u32 = 0o444;
/// The bits that let anybody write.
const WRITE_BITS: u32 = 0o222;

/// A folder on a real file system.
pub struct OsFolder {
    root: PinnedRoot,
    volume: Volume,
    medium: Medium,
    unsynced: Mutex<Unsynced>,
}

/// What a sync has to write.
#[derive(Default)]
struct Unsynced {
    files: BTreeSet<PathBuf>,
    dirs: BTreeSet<PathBuf>,
}

/// A system's path whose directory is held in place as long as this lives.
struct Place {
    dir: Pinned,
    full: PathBuf,
}

impl OsFolder {
    /// Opens a directory as a folder; `root` itself may be or lead through links.
    ///
    /// # Errors
    /// [`DiskErrorKind::NotFound`], [`DiskErrorKind::WrongType`], [`DiskErrorKind::Denied`] and others.
    pub fn open(root: &Path) -> Result<Self, DiskError> {
        let medium = Medium::below(root);
        let wrap = |error| medium.judge(DiskError::new("open", root.display(), error));
        let pinned = PinnedRoot::open(root).map_err(wrap)?;
        let volume = Volume::below(pinned.path()).map_err(wrap)?;
        Ok(Self { root: pinned, volume, medium, unsynced: Mutex::default() })
    }

    /// Finds the system's path of an entry.
    fn place(&self, act: &'static str, path: &RelPath) -> Result<Place, DiskError> {
        let split = path.split_last();
        let dir = self.hold(act, path, split.as_ref().map_or(path, |(above, _)| above))?;
        let full = match &split {
            Some((_, name)) => dir.join(&plain_name(act, path, name)?),
            None => dir.path().to_owned(),
        };
        Ok(Place { dir, full })
    }

    /// Holds a directory on the way to `path`.
    fn hold(&self, act: &'static str, path: &RelPath, dir: &RelPath) -> Result<Pinned, DiskError> {
        let names = dir.names().map(|name| plain_name(act, path, &name)).collect::<Result<Vec<_>, _>>()?;
        self.root.pin(names.iter().map(String::as_str)).map_err(|error| DiskError::new(act, path, error))
    }

    /// Runs a call on an entry's path.
    fn run<T>(
        &self,
        act: &'static str,
        path: &RelPath,
        call: impl FnOnce(&Path) -> io::Result<T>,
    ) -> Result<T, DiskError> {
        let place = self.place(act, path)?;
        call(&place.full).map_err(|error| DiskError::new(act, path, error))
    }

    /// Runs a call that changes the names of a directory.
    fn change<T>(
        &self,
        act: &'static str,
        path: &RelPath,
        call: impl FnOnce(&Path) -> io::Result<T>,
    ) -> Result<T, DiskError> {
        let place = self.place(act, path)?;
        let done = call(&place.full).map_err(|error| DiskError::new(act, path, error))?;
        self.unsynced().dirs.insert(place.dir.path().to_owned());
        Ok(done)
    }

    fn unsynced(&self) -> MutexGuard<'_, Unsynced> {
        self.unsynced.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stat_of(&self, raw: &RawStat) -> Stat {
        stat_of(raw, self.volume.device())
    }

    /// Syncs what is due, and forgets of it what was synced.
    fn sync_due(&self, due: &mut Unsynced) -> Result<(), DiskError> {
        let is_missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        while let Some(path) = due.files.first() {
            let synced = sync_file(path);
            if let Err(error) = synced.or_else(|error| if is_missing(&error) { Ok(()) } else { Err(error) }) {
                return Err(DiskError::new("sync", path.display(), error));
            }
            due.files.pop_first();
        }
        while let Some(path) = due.dirs.first() {
            let synced = self.volume.sync_dir(path);
            if let Err(error) = synced.or_else(|error| if is_missing(&error) { Ok(()) } else { Err(error) }) {
                return Err(DiskError::new("sync", path.display(), error));
            }
            due.dirs.pop_first();
        }
        Ok(())
    }
}

/// Returns a name as Windows takes it.
fn plain_name(act: &'static str, path: &RelPath, name: &EntryName) -> Result<String, DiskError> {
    let text = std::str::from_utf8(name.as_bytes()).ok().filter(|text| windows_takes(text.as_bytes()));
    text.map(str::to_owned).ok_or_else(|| {
        DiskError::of(DiskErrorKind::BadName, act, path, "a name that stands for something else on this system")
    })
}

#[expect(clippy::disallowed_methods, reason = "one of the real implementations of the folder boundary")]
impl Folder for OsFolder {
    fn stat(&self, path: &RelPath) -> Result<Option<Stat>, DiskError> {
        match self.run("look at", path, |full| RawStat::of(&look_at(full)?)) {
            Ok(raw) => Ok(Some(self.stat_of(&raw))),
            Err(error) if error.kind == DiskErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn list(&self, dir: &RelPath) -> Result<Listing, DiskError> {
        let held = self.hold("list", dir, dir)?;
        let listed = open_to_list(held.path()).and_then(|handle| listing::list(&handle));
        let mut entries = Vec::new();
        for (name, raw) in listed.map_err(|error| DiskError::new("list", dir, error))? {
            // A name that is no text keeps its own bytes, so that it is told of and refused when it is used.
            let Ok(name) = EntryName::new(name.as_encoded_bytes()) else { continue };
            entries.push((name, Ok(self.stat_of(&raw))));
        }
        entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Ok(entries)
    }

    fn open(&self, path: &RelPath) -> Result<Box<dyn FolderFile>, DiskError> {
        let file = self.run("open", path, |full| open_file(full, OpenOptions::new().read(true)))?;
        Ok(Box::new(OsFile { file, path: path.clone(), device: self.volume.device() }))
    }

    fn read_link(&self, path: &RelPath) -> Result<Vec<u8>, DiskError> {
        if self.stat(path)?.is_some_and(|stat| stat.kind != FileKind::Symlink) {
            return Err(wrong_type("read the link", path));
        }
        let target = self.run("read the link", path, |full| fs::read_link(full))?;
        Ok(target.into_os_string().into_encoded_bytes())
    }

    fn extended_attributes(&self, _: &RelPath) -> Result<Vec<ExtendedAttribute>, DiskError> {
        Ok(Vec::new())
    }

    fn create_dir(&self, path: &RelPath) -> Result<(), DiskError> {
        if path.is_root() {
            return Ok(());
        }
        match self.change("create", path, |full| fs::create_dir(full)) {
            Err(error) if error.kind == DiskErrorKind::Exists => match self.stat(path)? {
                Some(stat) if stat.kind == FileKind::Dir => Ok(()),
                _ => Err(error),
            },
            result => result,
        }
    }

    fn create_file(&self, path: &RelPath) -> Result<Box<dyn FolderWriter>, DiskError> {
        let file = self.change("create", path, |full| {
            let file = open_file(full, OpenOptions::new().write(true).create_new(true))?;
            self.unsynced().files.insert(full.to_owned());
            Ok(file)
        })?;
        Ok(Box::new(OsWriter { file, path: path.clone(), len_bytes: 0, ends_in_hole: false }))
    }

    fn append_after(&self, path: &RelPath, keep_bytes: u64) -> Result<Box<dyn FolderWriter>, DiskError> {
        let file = self.change("write", path, |full| {
            let mut file = open_file(full, OpenOptions::new().write(true))?;
            file.set_len(keep_bytes)?;
            file.seek(SeekFrom::Start(keep_bytes))?;
            self.unsynced().files.insert(full.to_owned());
            Ok(file)
        })?;
        Ok(Box::new(OsWriter { file, path: path.clone(), len_bytes: keep_bytes, ends_in_hole: false }))
    }

    fn lock(&self, path: &RelPath) -> Result<Option<Box<dyn Lock>>, DiskError> {
        let file = self.change("lock", path, |full| {
            open_file(full, OpenOptions::new().read(true).write(true).create(true).truncate(false))
        })?;
        lock_alone(file).map_err(|error| DiskError::new("lock", path, error))
    }

    fn create_symlink(&self, path: &RelPath, _: &[u8]) -> Result<(), DiskError> {
        Err(self.refused("create", path))
    }

    fn create_special(&self, path: &RelPath, _: FileKind, _: u64) -> Result<(), DiskError> {
        Err(self.refused("create", path))
    }

    fn create_hard_link(&self, existing: &RelPath, path: &RelPath) -> Result<(), DiskError> {
        let from = self.place("link", existing)?;
        if self.stat(existing)?.is_some_and(|stat| stat.kind == FileKind::Dir) {
            return Err(wrong_type("link", existing));
        }
        self.change("link", path, |full| fs::hard_link(&from.full, full))
    }

    fn set_attributes(&self, path: &RelPath, attributes: &Attributes) -> Result<(), DiskError> {
        let file = self.run("set the attributes of", path, open_to_change)?;
        set_attributes(&file, path, attributes)
    }

    fn rename(&self, from: &RelPath, to: &RelPath) -> Result<(), DiskError> {
        let (source, target) = (self.place("rename", from)?, self.place("rename", to)?);
        let wrap = |error| DiskError::new("rename", to, error);
        let Some(moved) = self.stat(from)? else { return Err(wrap(io::ErrorKind::NotFound.into())) };
        if moved.kind == FileKind::Dir && is_below(to, from) {
            return Err(DiskError::of(DiskErrorKind::BadName, "rename", to, "a directory cannot move into itself"));
        }
        match self.stat(to)? {
            Some(there) if (there.device, there.inode) == (moved.device, moved.inode) => {
                // Two names of one file, or one name in other letters.
                return if is_same_name(from, to) {
                    self.move_over(&source, &target, wrap)
                } else {
                    self.remove_file(from)
                };
            }
            Some(there) if there.kind == FileKind::Dir || moved.kind == FileKind::Dir => {
                return Err(wrong_type("rename over", to));
            }
            // The system renames over files only.
            Some(there) if there.kind == FileKind::Symlink => self.remove_file(to)?,
            _ => {}
        }
        self.move_over(&source, &target, wrap)
    }

    fn remove_file(&self, path: &RelPath) -> Result<(), DiskError> {
        match self.stat(path)? {
            None => return Ok(()),
            Some(stat) if stat.kind == FileKind::Dir => return Err(wrong_type("remove", path)),
            Some(_) => {}
        }
        match self.change("remove", path, remove_entry) {
            Err(error) if error.kind == DiskErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    fn remove_dir(&self, path: &RelPath) -> Result<(), DiskError> {
        if self.stat(path)?.is_some_and(|stat| stat.kind != FileKind::Dir) {
            return Err(wrong_type("remove", path));
        }
        self.change("remove", path, |full| fs::remove_dir(full))
    }

    fn sync_all(&self) -> Result<(), DiskError> {
        let mut due = std::mem::take(&mut *self.unsynced());
        let synced = self.sync_due(&mut due);
        let mut unsynced = self.unsynced();
        unsynced.files.extend(due.files);
        unsynced.dirs.extend(due.dirs);
        synced
    }

    fn owner_names(&self, _: u32, _: u32) -> (Option<String>, Option<String>) {
        (None, None)
    }

    fn is_gone(&self) -> bool {
        self.medium.is_gone()
    }
}

#[expect(clippy::disallowed_methods, reason = "one of the real implementations of the folder boundary")]
impl OsFolder {
    /// Renames over a file or nothing.
    fn move_over(
        &self,
        source: &Place,
        target: &Place,
        wrap: impl Fn(io::Error) -> DiskError,
    ) -> Result<(), DiskError> {
        let rename = || patiently(&SystemClock, || fs::rename(&source.full, &target.full));
        let renamed = match rename() {
            // The system does not replace a read-only file.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && let_write(&target.full) => rename(),
            renamed => renamed,
        };
        renamed.map_err(wrap)?;
        let mut unsynced = self.unsynced();
        if unsynced.files.remove(&source.full) {
            unsynced.files.insert(target.full.clone());
        }
        unsynced.dirs.extend([source.dir.path().to_owned(), target.dir.path().to_owned()]);
        Ok(())
    }

    /// Says that a kind of entry is not made here, or why it could not be anyway.
    fn refused(&self, act: &'static str, path: &RelPath) -> DiskError {
        match self.stat(path) {
            Err(error) => error,
            Ok(Some(_)) => DiskError::new(act, path, io::ErrorKind::AlreadyExists.into()),
            // As where rights for it are missing: it costs the entry and not the run.
            Ok(None) => DiskError::of(DiskErrorKind::Denied, act, path, "entries of that type are not made on Windows"),
        }
    }
}

/// Removes a file or a link, a read-only one as well.
#[expect(clippy::disallowed_methods, reason = "one of the real implementations of the folder boundary")]
fn remove_entry(full: &Path) -> io::Result<()> {
    let raw = RawStat::of(&look_at(full)?)?;
    // A link to a directory is a directory to the system; what it points to stays.
    let remove = || if raw.is_dir() { fs::remove_dir(full) } else { fs::remove_file(full) };
    match remove() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && let_write(full) => remove(),
        removed => removed,
    }
}

/// Syncs a file, a read-only one as well, which nobody may open to write and so to flush.
fn sync_file(full: &Path) -> io::Result<()> {
    match open_to_change(full).and_then(|file| file.sync_all()) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && let_write(full) => {
            let file = open_to_change(full)?;
            let synced = file.sync_all();
            mark_read_only(&file, true).and(synced)
        }
        synced => synced,
    }
}

/// Takes the mark of a read-only file away; false where it has none.
fn let_write(full: &Path) -> bool {
    open_to_change(full).and_then(|file| mark_read_only(&file, false)).unwrap_or(false)
}

/// Sets or takes away the mark of a read-only file, and returns whether that changed anything.
fn mark_read_only(file: &File, is_wanted: bool) -> io::Result<bool> {
    let mut permissions = file.metadata()?.permissions();
    if permissions.readonly() == is_wanted {
        return Ok(false);
    }
    permissions.set_readonly(is_wanted);
    file.set_permissions(permissions).map(|()| true)
}

/// Returns whether two paths differ in nothing but their letters' cases.
fn is_same_name(one: &RelPath, other: &RelPath) -> bool {
    let lower = |path: &RelPath| String::from_utf8_lossy(path.as_bytes()).to_lowercase();
    lower(one) == lower(other)
}

/// Returns whether a path lies below another.
fn is_below(path: &RelPath, above: &RelPath) -> bool {
    path.as_bytes().strip_prefix(above.as_bytes()).is_some_and(|rest| rest.starts_with(b"/"))
}

/// Sets what Windows keeps: the time of a file or directory, and whether a file is read-only.
fn set_attributes(file: &File, path: &RelPath, attributes: &Attributes) -> Result<(), DiskError> {
    if !attributes.extended.is_empty() {
        return Err(unsupported("set an extended attribute of", path));
    }
    let metadata = file.metadata().map_err(|error| DiskError::new("look at", path, error))?;
    if metadata.is_symlink() {
        return Ok(());
    }
    if let Some(mtime) = attributes.mtime {
        let time = system_time(mtime).ok_or_else(|| unsupported("set the time of", path))?;
        file.set_modified(time).map_err(|error| DiskError::new("set the time of", path, error))?;
    }
    // On a directory the mark means something else to the system's own programs.
    if let Some(mode) = attributes.mode.filter(|_| metadata.is_file()) {
        let marked = mark_read_only(file, mode & WRITE_BITS == 0);
        marked.map_err(|error| DiskError::new("set the mode of", path, error))?;
    }
    Ok(())
}

fn unsupported(act: &'static str, path: &RelPath) -> DiskError {
    DiskError::new(act, path, io::Error::from(io::ErrorKind::Unsupported))
}

fn wrong_type(act: &'static str, path: &RelPath) -> DiskError {
    DiskError::of(DiskErrorKind::WrongType, act, path, "not of the type that is needed here")
}

fn system_time(time: FileTime) -> Option<SystemTime> {
    let since = Duration::new(time.secs.unsigned_abs(), 0);
    let whole = if time.secs < 0 { UNIX_EPOCH.checked_sub(since) } else { UNIX_EPOCH.checked_add(since) };
    whole.and_then(|whole| whole.checked_add(Duration::from_nanos(time.nanos.into())))
}

/// Takes over what the system says; a time that a file system does not keep is that of the content.
fn stat_of(raw: &RawStat, device: u64) -> Stat {
    let (kind, mode) = match raw {
        raw if raw.is_link() => (FileKind::Symlink, LINK_MODE),
        raw if raw.is_dir() => (FileKind::Dir, DIR_MODE),
        raw if raw.is_read_only() => (FileKind::File, READ_ONLY_MODE),
        _ => (FileKind::File, FILE_MODE),
    };
    let mtime = file_time(raw.written);
    Stat {
        kind,
        mode,
        uid: 0,
        gid: 0,
        len_bytes: if kind == FileKind::Dir { 0 } else { raw.len_bytes },
        mtime,
        ctime: if raw.changed == 0 { mtime } else { file_time(raw.changed) },
        device,
        inode: raw.number,
        links: 1,
        rdev: 0,
        birth: (raw.created != 0).then(|| file_time(raw.created)),
        is_sparse: false,
    }
}

fn file_time(ticks: i64) -> FileTime {
    let (secs, nanos) = listing::since_1970(ticks);
    FileTime { secs, nanos }
}

struct OsFile {
    file: File,
    path: RelPath,
    device: u64,
}

impl Read for OsFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

impl FolderFile for OsFile {
    fn stat(&self) -> Result<Stat, DiskError> {
        let raw = RawStat::of(&self.file).map_err(|error| DiskError::new("look at", &self.path, error))?;
        Ok(stat_of(&raw, self.device))
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

struct OsWriter {
    file: File,
    path: RelPath,
    len_bytes: u64,
    ends_in_hole: bool,
}

impl OsWriter {
    /// Gives the file its length where it ends in a hole.
    fn settle_len(&mut self) -> Result<(), DiskError> {
        if std::mem::replace(&mut self.ends_in_hole, false) {
            self.file.set_len(self.len_bytes).map_err(|error| DiskError::new("write", &self.path, error))?;
        }
        Ok(())
    }
}

impl FolderWriter for OsWriter {
    fn reserve(&mut self, _: u64) -> Result<(), DiskError> {
        Ok(())
    }

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
        self.settle_len()?;
        set_attributes(&self.file, &self.path, attributes)
    }

    fn finish(mut self: Box<Self>) -> Result<(), DiskError> {
        self.settle_len()
    }
}
