//! The calls of [`Folder`] on systems with directory handles.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Mutex;

#[cfg(target_os = "linux")]
use rustix::fs::FallocateFlags;
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, RawMode, Timespec, Timestamps, UTIME_OMIT, Uid};
use rustix::io::Errno;

use super::attributes::{is_kept, of_entry, of_file, set_of_entry, set_of_file};
use super::lock_alone;
use super::resolve::{Handle, Handles, lock};
use crate::base::{EntryName, RelPath};
use crate::disk::folder::{
    Attributes, ExtendedAttribute, FileKind, FileTime, Folder, FolderFile, FolderWriter, Hole, Listing, Stat,
};
use crate::disk::{DiskError, DiskErrorKind, Lock, Medium};

/// A folder on a real file system.
pub struct OsFolder {
    handles: Handles,
    medium: Medium,
    users: Mutex<HashMap<u32, Option<String>>>,
    groups: Mutex<HashMap<u32, Option<String>>>,
}

impl OsFolder {
    /// Opens a directory as a folder; `root` itself may be or lead through links.
    ///
    /// # Errors
    /// [`DiskErrorKind::NotFound`], [`DiskErrorKind::WrongType`], [`DiskErrorKind::Denied`] and others.
    pub fn open(root: &Path) -> Result<Self, DiskError> {
        let medium = Medium::below(root);
        let wrap = |errno: Errno| medium.judge(DiskError::new("open", root.display(), errno.into()));
        let handles = Handles::open(root).map_err(wrap)?;
        Ok(Self { handles, medium, users: Mutex::default(), groups: Mutex::default() })
    }

    /// Runs a reading call on the handle and name that stand for a path.
    fn at<T>(
        &self,
        act: &'static str,
        path: &RelPath,
        call: impl Fn(BorrowedFd<'_>, &[u8]) -> Result<T, Errno>,
    ) -> Result<T, DiskError> {
        self.run(path, Handles::dir, call).map_err(|errno| failed(act, path, errno))
    }

    /// Runs a changing call on the handle and name that stand for a path.
    fn change<T>(
        &self,
        act: &'static str,
        path: &RelPath,
        call: impl Fn(BorrowedFd<'_>, &[u8]) -> Result<T, Errno>,
    ) -> Result<T, DiskError> {
        self.run(path, Handles::dir_to_write, call).map_err(|errno| failed(act, path, errno))
    }

    fn run<T>(
        &self,
        path: &RelPath,
        open: impl Fn(&Handles, &RelPath) -> Result<Handle, Errno>,
        call: impl Fn(BorrowedFd<'_>, &[u8]) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let split = path.split_last();
        let (dir, name) = split.as_ref().map_or((path, &b"."[..]), |(dir, name)| (dir, name.as_bytes()));
        let handle = open(&self.handles, dir)?;
        match call(handle.as_fd(), name) {
            // A kept handle whose directory was removed: another one may stand under that name now.
            Err(Errno::NOENT) if self.handles.is_dead(&handle) => {
                self.handles.forget();
                call(open(&self.handles, dir)?.as_fd(), name)
            }
            result => result,
        }
    }

    /// Opens what stands under a name without following a link, waiting on a pipe or changing its access time.
    fn open_for_reading(&self, path: &RelPath) -> Result<OwnedFd, DiskError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = self.run(path, Handles::dir, |dir, name| {
            match rustix::fs::openat(dir, name, flags | keep_access_time(), Mode::empty()) {
                // Only the owner may leave the access time alone.
                Err(Errno::PERM) => rustix::fs::openat(dir, name, flags, Mode::empty()),
                result => result,
            }
        });
        opened.map_err(|errno| match errno {
            // What a socket or a device without a driver answers; it does not mean that the medium went away.
            Errno::NXIO | Errno::NODEV
                if self.stat(path).is_ok_and(|s| s.is_some_and(|s| s.kind != FileKind::File)) =>
            {
                wrong_type("open", path)
            }
            errno => failed("open", path, errno),
        })
    }

    /// Opens a regular file to write, without following a link or waiting on a pipe.
    fn open_plain(&self, act: &'static str, path: &RelPath, flags: OFlags) -> Result<File, DiskError> {
        let fd = self.change(act, path, |dir, name| rustix::fs::openat(dir, name, flags, Mode::RUSR | Mode::WUSR));
        let fd = fd.map_err(|error| match self.stat(path) {
            Ok(Some(stat)) if stat.kind != FileKind::File => wrong_type(act, path),
            _ => error,
        })?;
        let stat = rustix::fs::fstat(&fd).map_err(|errno| failed(act, path, errno))?;
        if stat_of(&stat).kind == FileKind::File { Ok(File::from(fd)) } else { Err(wrong_type(act, path)) }
    }

    fn set_mode(&self, path: &RelPath, mode: u32) -> Result<(), DiskError> {
        // Truncation cannot happen: twelve bits fit into every system's type.
        let mode = Mode::from_raw_mode((mode & 0o7777) as RawMode);
        self.change("set the mode of", path, |dir, name| set_mode_at(dir, name, mode))
    }

    fn set_owner(&self, path: &RelPath, (uid, gid): (u32, u32)) -> Result<(), DiskError> {
        let (uid, gid) = owner_of(path, uid, gid)?;
        self.change("set the owner of", path, |dir, name| {
            rustix::fs::chownat(dir, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
        })
    }

    fn set_mtime(&self, path: &RelPath, mtime: FileTime) -> Result<(), DiskError> {
        self.change("set the time of", path, |dir, name| {
            rustix::fs::utimensat(dir, name, &only_mtime(mtime), AtFlags::SYMLINK_NOFOLLOW)
        })
    }

    fn set_extended(&self, path: &RelPath, one: &ExtendedAttribute) -> Result<(), DiskError> {
        if !is_kept(&one.name) {
            return Err(foreign_attribute(path));
        }
        self.change("set an extended attribute of", path, |dir, name| set_of_entry(dir, name, one))
    }
}

impl Folder for OsFolder {
    fn stat(&self, path: &RelPath) -> Result<Option<Stat>, DiskError> {
        match self.run(path, Handles::dir, stat_at) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(failed("look at", path, errno)),
        }
    }

    fn list(&self, dir: &RelPath) -> Result<Listing, DiskError> {
        let wrap = |errno| failed("list", dir, errno);
        let handle = self.handles.dir_to_list(dir).map_err(wrap)?;
        let mut entries = Vec::new();
        for entry in rustix::fs::Dir::read_from(&handle).map_err(wrap)? {
            let entry = entry.map_err(wrap)?;
            // Drops `.` and `..`; a system gives no other name outside the grammar.
            let Ok(name) = EntryName::new(entry.file_name().to_bytes()) else { continue };
            match stat_at(handle.as_fd(), name.as_bytes()) {
                // Removed since it was listed.
                Err(Errno::NOENT) => {}
                result => entries.push((name, result)),
            }
        }
        entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let shown = |name: &EntryName| dir.join(name).map_or_else(|_| name.to_string(), |path| path.to_string());
        Ok(entries
            .into_iter()
            .map(|(name, result)| {
                let result = result.map_err(|errno| DiskError::new("look at", shown(&name), errno.into()));
                (name, result)
            })
            .collect())
    }

    fn open(&self, path: &RelPath) -> Result<Box<dyn FolderFile>, DiskError> {
        let file = OsFile { file: File::from(self.open_for_reading(path)?), path: path.clone() };
        if file.stat()?.kind != FileKind::File {
            return Err(wrong_type("open", path));
        }
        Ok(Box::new(file))
    }

    fn read_link(&self, path: &RelPath) -> Result<Vec<u8>, DiskError> {
        self.at("read the link", path, |dir, name| match rustix::fs::readlinkat(dir, name, Vec::new()) {
            Ok(target) => Ok(Some(target.into_bytes())),
            Err(Errno::INVAL) => Ok(None),
            Err(errno) => Err(errno),
        })?
        .ok_or_else(|| wrong_type("read the link", path))
    }

    fn extended_attributes(&self, path: &RelPath) -> Result<Vec<ExtendedAttribute>, DiskError> {
        self.at("read the extended attributes of", path, of_entry)
    }

    fn create_dir(&self, path: &RelPath) -> Result<(), DiskError> {
        self.change("create", path, |dir, name| match rustix::fs::mkdirat(dir, name, Mode::RWXU) {
            Err(Errno::EXIST) if stat_at(dir, name)?.kind == FileKind::Dir => Ok(()),
            result => result,
        })
    }

    fn create_file(&self, path: &RelPath) -> Result<Box<dyn FolderWriter>, DiskError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd =
            self.change("create", path, |dir, name| rustix::fs::openat(dir, name, flags, Mode::RUSR | Mode::WUSR))?;
        Ok(Box::new(OsWriter { file: File::from(fd), path: path.clone(), len_bytes: 0, ends_in_hole: false }))
    }

    fn append_after(&self, path: &RelPath, keep_bytes: u64) -> Result<Box<dyn FolderWriter>, DiskError> {
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut file = self.open_plain("write", path, flags)?;
        let cut = file.set_len(keep_bytes).and_then(|()| file.seek(SeekFrom::Start(keep_bytes)));
        cut.map_err(|error| DiskError::new("write", path, error))?;
        Ok(Box::new(OsWriter { file, path: path.clone(), len_bytes: keep_bytes, ends_in_hole: false }))
    }

    fn lock(&self, path: &RelPath) -> Result<Option<Box<dyn Lock>>, DiskError> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        loop {
            let file = self.open_plain("lock", path, flags)?;
            let held = rustix::fs::fstat(&file).map_err(|errno| failed("lock", path, errno))?;
            let lock = lock_alone(file).map_err(|error| DiskError::new("lock", path, error))?;
            // Whoever had it before may have removed the file between the two calls: that lock would keep nobody out.
            let stands = self.stat(path)?.map(|stat| (stat.device, stat.inode));
            let held = stat_of(&held);
            if lock.is_none() || stands == Some((held.device, held.inode)) {
                return Ok(lock);
            }
        }
    }

    fn create_symlink(&self, path: &RelPath, target: &[u8]) -> Result<(), DiskError> {
        // The system would answer that nothing is found.
        if target.is_empty() {
            return Err(DiskError::of(DiskErrorKind::BadName, "create", path, "a link to nothing"));
        }
        self.change("create", path, |dir, name| rustix::fs::symlinkat(target, dir, name))
    }

    fn create_special(&self, path: &RelPath, kind: FileKind, rdev: u64) -> Result<(), DiskError> {
        let file_type = match kind {
            FileKind::Fifo => FileType::Fifo,
            FileKind::Socket => FileType::Socket,
            FileKind::CharDevice => FileType::CharacterDevice,
            FileKind::BlockDevice => FileType::BlockDevice,
            FileKind::File | FileKind::Dir | FileKind::Symlink => return Err(wrong_type("create", path)),
        };
        self.change("create", path, |dir, name| make_node(dir, name, file_type, rdev))
    }

    fn create_hard_link(&self, existing: &RelPath, path: &RelPath) -> Result<(), DiskError> {
        let linked = self.change("link", path, |dir, name| {
            self.run(existing, Handles::dir, |from, old| rustix::fs::linkat(from, old, dir, name, AtFlags::empty()))
        });
        match linked {
            Err(error) if error.kind == DiskErrorKind::Denied => match self.stat(existing)? {
                Some(stat) if stat.kind == FileKind::Dir => Err(wrong_type("link", existing)),
                _ => Err(error),
            },
            result => result,
        }
    }

    fn set_attributes(&self, path: &RelPath, attributes: &Attributes) -> Result<(), DiskError> {
        // A change of the owner clears the setuid bit, so the mode comes after it.
        if let Some(owner) = attributes.owner {
            self.set_owner(path, owner)?;
        }
        if let Some(mode) = attributes.mode {
            self.set_mode(path, mode)?;
        }
        attributes.extended.iter().try_for_each(|one| self.set_extended(path, one))?;
        attributes.mtime.map_or(Ok(()), |mtime| self.set_mtime(path, mtime))
    }

    fn rename(&self, from: &RelPath, to: &RelPath) -> Result<(), DiskError> {
        let moved = self.change("rename", to, |to_dir, new| {
            self.run(from, Handles::dir_to_write, |from_dir, old| rename_at(from_dir, old, to_dir, new))
        })?;
        match moved {
            Moved::File => Ok(()),
            Moved::Dir => {
                self.handles.forget();
                Ok(())
            }
            Moved::Refused => Err(wrong_type("rename over", to)),
        }
    }

    fn remove_file(&self, path: &RelPath) -> Result<(), DiskError> {
        let removed = self.run(path, Handles::dir_to_write, |dir, name| {
            match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
                // Some systems answer so for a directory.
                Err(Errno::PERM) if stat_at(dir, name)?.kind == FileKind::Dir => Err(Errno::ISDIR),
                result => result,
            }
        });
        match removed {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(failed("remove", path, errno)),
        }
    }

    fn remove_dir(&self, path: &RelPath) -> Result<(), DiskError> {
        self.change("remove", path, |dir, name| rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR))?;
        self.handles.forget();
        Ok(())
    }

    fn sync_all(&self) -> Result<(), DiskError> {
        self.handles.sync().map_err(|errno| failed("sync", &RelPath::root(), errno))
    }

    fn owner_names(&self, uid: u32, gid: u32) -> (Option<String>, Option<String>) {
        let user = || nix::unistd::User::from_uid(uid.into()).ok().flatten().map(|user| user.name);
        let group = || nix::unistd::Group::from_gid(gid.into()).ok().flatten().map(|group| group.name);
        let user = lock(&self.users).entry(uid).or_insert_with(user).clone();
        let group = lock(&self.groups).entry(gid).or_insert_with(group).clone();
        (user, group)
    }

    fn is_gone(&self) -> bool {
        self.medium.is_gone()
    }
}

/// How a rename went.
enum Moved {
    File,
    Dir,
    Refused,
}

fn rename_at(from_dir: BorrowedFd<'_>, old: &[u8], to_dir: BorrowedFd<'_>, new: &[u8]) -> Result<Moved, Errno> {
    let source = stat_at(from_dir, old)?;
    if source.kind == FileKind::Dir {
        // The system would replace an empty directory; the contract replaces files only, and by files only.
        return match stat_at(to_dir, new) {
            Err(Errno::NOENT) => rustix::fs::renameat(from_dir, old, to_dir, new).map(|()| Moved::Dir),
            Ok(_) => Ok(Moved::Refused),
            Err(errno) => Err(errno),
        };
    }
    // Renaming one name of a file over another of its names does nothing and leaves both.
    let same_file = source.links > 1
        && stat_at(to_dir, new).is_ok_and(|there| (there.device, there.inode) == (source.device, source.inode));
    if same_file {
        rustix::fs::unlinkat(from_dir, old, AtFlags::empty())?;
        return Ok(Moved::File);
    }
    match rustix::fs::renameat(from_dir, old, to_dir, new) {
        Ok(()) => Ok(Moved::File),
        Err(Errno::ISDIR | Errno::EXIST | Errno::NOTEMPTY) => Ok(Moved::Refused),
        Err(errno) => Err(errno),
    }
}

#[cfg(target_os = "linux")]
fn make_node(dir: BorrowedFd<'_>, name: &[u8], file_type: FileType, rdev: u64) -> Result<(), Errno> {
    rustix::fs::mknodat(dir, name, file_type, Mode::RUSR | Mode::WUSR, rdev)
}

#[cfg(not(target_os = "linux"))]
fn make_node(_: BorrowedFd<'_>, _: &[u8], _: FileType, _: u64) -> Result<(), Errno> {
    Err(Errno::OPNOTSUPP)
}

/// Sets permission bits of anything but a link.
///
/// Linux has no call that does so without following a link (before 6.6). A handle that grants no access is
/// opened, which pins the entry whatever its type and rights, and its name below `/proc` is changed.
#[cfg(target_os = "linux")]
fn set_mode_at(dir: BorrowedFd<'_>, name: &[u8], mode: Mode) -> Result<(), Errno> {
    use std::os::fd::AsRawFd;

    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let pinned = rustix::fs::openat(dir, name, flags | OFlags::PATH, Mode::empty())?;
    if stat_of(&rustix::fs::fstat(&pinned)?).kind == FileKind::Symlink {
        return Ok(());
    }
    match rustix::fs::chmod(format!("/proc/self/fd/{}", pinned.as_raw_fd()), mode) {
        // No `/proc` in this sandbox: a handle with access does as well, where one can be had.
        Err(Errno::NOENT | Errno::NOTDIR) => {
            let opened = rustix::fs::openat(dir, name, flags | OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty())?;
            rustix::fs::fchmod(opened, mode)
        }
        result => result,
    }
}

#[cfg(not(target_os = "linux"))]
fn set_mode_at(dir: BorrowedFd<'_>, name: &[u8], mode: Mode) -> Result<(), Errno> {
    if stat_at(dir, name)?.kind == FileKind::Symlink {
        return Ok(());
    }
    rustix::fs::chmodat(dir, name, mode, AtFlags::SYMLINK_NOFOLLOW)
}

fn keep_access_time() -> OFlags {
    #[cfg(target_os = "linux")]
    return OFlags::NOATIME;
    #[cfg(not(target_os = "linux"))]
    return OFlags::empty();
}

fn owner_of(path: &RelPath, uid: u32, gid: u32) -> Result<(Uid, Gid), DiskError> {
    if uid == u32::MAX || gid == u32::MAX {
        // The system reads that number as "leave it".
        return Err(DiskError::of(DiskErrorKind::BadName, "set the owner of", path, "no number of an owner"));
    }
    Ok((Uid::from_raw(uid), Gid::from_raw(gid)))
}

fn only_mtime(mtime: FileTime) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: mtime.secs, tv_nsec: mtime.nanos.min(999_999_999).into() },
    }
}

/// Returns the state with the time of birth, as far as kernel and file system tell it.
#[cfg(target_os = "linux")]
fn stat_at(dir: BorrowedFd<'_>, name: &[u8]) -> Result<Stat, Errno> {
    use rustix::fs::StatxFlags;

    let mask = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    let found = match rustix::fs::statx(dir, name, AtFlags::SYMLINK_NOFOLLOW, mask) {
        Ok(found) => found,
        // Kernels before 4.11 have no such call, and some sandboxes refuse it.
        Err(Errno::NOSYS | Errno::PERM) => return stat_plain(dir, name),
        Err(errno) => return Err(errno),
    };
    let kind = kind_of(found.stx_mode.into());
    let time = |time: rustix::fs::StatxTimestamp| FileTime { secs: time.tv_sec, nanos: time.tv_nsec };
    let has_birth = StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::BTIME);
    let device = matches!(kind, FileKind::CharDevice | FileKind::BlockDevice);
    Ok(Stat {
        kind,
        mode: u32::from(found.stx_mode) & 0o7777,
        uid: found.stx_uid,
        gid: found.stx_gid,
        len_bytes: if matches!(kind, FileKind::File | FileKind::Symlink) { found.stx_size } else { 0 },
        mtime: time(found.stx_mtime),
        ctime: time(found.stx_ctime),
        device: rustix::fs::makedev(found.stx_dev_major, found.stx_dev_minor),
        inode: found.stx_ino,
        links: found.stx_nlink.into(),
        rdev: if device { rustix::fs::makedev(found.stx_rdev_major, found.stx_rdev_minor) } else { 0 },
        birth: has_birth.then(|| time(found.stx_btime)),
        is_sparse: is_sparse(kind, found.stx_size, found.stx_blocks),
    })
}

#[cfg(not(target_os = "linux"))]
fn stat_at(dir: BorrowedFd<'_>, name: &[u8]) -> Result<Stat, Errno> {
    stat_plain(dir, name)
}

fn stat_plain(dir: BorrowedFd<'_>, name: &[u8]) -> Result<Stat, Errno> {
    rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).map(|stat| stat_of(&stat))
}

/// Returns whether a file may have holes: it lacks at least a page of the room that its length takes. Small files that
/// lie in their inode do not count.
fn is_sparse(kind: FileKind, len_bytes: u64, blocks: u64) -> bool {
    kind == FileKind::File && len_bytes.saturating_sub(blocks.saturating_mul(512)) >= 4096
}

fn kind_of(mode: RawMode) -> FileKind {
    match FileType::from_raw_mode(mode) {
        FileType::Directory => FileKind::Dir,
        FileType::Symlink => FileKind::Symlink,
        FileType::Fifo => FileKind::Fifo,
        FileType::Socket => FileKind::Socket,
        FileType::CharacterDevice => FileKind::CharDevice,
        FileType::BlockDevice => FileKind::BlockDevice,
        _ => FileKind::File,
    }
}

// The width of most fields differs between systems; none is wider than what it becomes.
#[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
fn stat_of(stat: &rustix::fs::Stat) -> Stat {
    let kind = kind_of(stat.st_mode);
    let sized = matches!(kind, FileKind::File | FileKind::Symlink);
    let device = matches!(kind, FileKind::CharDevice | FileKind::BlockDevice);
    let len_bytes = if sized { u64::try_from(stat.st_size).unwrap_or(0) } else { 0 };
    Stat {
        kind,
        mode: u32::from(stat.st_mode) & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        len_bytes,
        mtime: FileTime { secs: stat.st_mtime as i64, nanos: stat.st_mtime_nsec as u32 },
        ctime: FileTime { secs: stat.st_ctime as i64, nanos: stat.st_ctime_nsec as u32 },
        device: stat.st_dev as u64,
        inode: stat.st_ino as u64,
        links: stat.st_nlink as u64,
        rdev: if device { stat.st_rdev as u64 } else { 0 },
        birth: birth_of(stat),
        is_sparse: is_sparse(kind, len_bytes, u64::try_from(stat.st_blocks).unwrap_or(u64::MAX)),
    }
}

#[cfg(target_os = "macos")]
fn birth_of(stat: &rustix::fs::Stat) -> Option<FileTime> {
    Some(FileTime { secs: stat.st_birthtime, nanos: u32::try_from(stat.st_birthtime_nsec).unwrap_or(0) })
}

#[cfg(not(target_os = "macos"))]
fn birth_of(_: &rustix::fs::Stat) -> Option<FileTime> {
    None
}

fn foreign_attribute(path: &RelPath) -> DiskError {
    let why = "an attribute of that name is not for an archive to set";
    DiskError::of(DiskErrorKind::BadName, "set an extended attribute of", path, why)
}

fn failed(act: &'static str, path: &RelPath, errno: Errno) -> DiskError {
    DiskError::new(act, path, errno.into())
}

fn wrong_type(act: &'static str, path: &RelPath) -> DiskError {
    DiskError::of(DiskErrorKind::WrongType, act, path, "not of the type that is needed here")
}

/// A file open for reading.
struct OsFile {
    file: File,
    path: RelPath,
}

impl Read for OsFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

impl FolderFile for OsFile {
    fn stat(&self) -> Result<Stat, DiskError> {
        rustix::fs::fstat(&self.file).map(|stat| stat_of(&stat)).map_err(|errno| failed("look at", &self.path, errno))
    }

    fn holes(&mut self, max_count: usize) -> Result<Vec<Hole>, DiskError> {
        let len_bytes = self.stat()?.len_bytes;
        let found = find_holes(&self.file, len_bytes, max_count);
        let started_over = self.file.seek(SeekFrom::Start(0));
        started_over.map_err(|error| DiskError::new("read", &self.path, error))?;
        found.map_err(|errno| failed("find the holes of", &self.path, errno))
    }

    fn skip(&mut self, len_bytes: u64) -> Result<(), DiskError> {
        let by = i64::try_from(len_bytes).map_err(|_| failed("read", &self.path, Errno::OVERFLOW))?;
        self.file.seek(SeekFrom::Current(by)).map(drop).map_err(|error| DiskError::new("read", &self.path, error))
    }

    fn extended_attributes(&self) -> Result<Vec<ExtendedAttribute>, DiskError> {
        of_file(self.file.as_fd()).map_err(|errno| failed("read the extended attributes of", &self.path, errno))
    }
}

/// Asks where data begins and ends (`SEEK_DATA` and `SEEK_HOLE`); a system that cannot tell has no holes.
#[cfg(any(target_os = "linux", target_os = "macos"))]
fn find_holes(file: &File, len_bytes: u64, max_count: usize) -> Result<Vec<Hole>, Errno> {
    use rustix::fs::{SeekFrom as Ask, seek};

    let mut holes = Vec::new();
    let mut at = 0;
    while at < len_bytes && holes.len() < max_count {
        let data = match seek(file, Ask::Data(at)) {
            Ok(data) => data.min(len_bytes),
            // No data follows.
            Err(Errno::NXIO) => len_bytes,
            Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(Vec::new()),
            Err(errno) => return Err(errno),
        };
        if data > at {
            holes.push(Hole { offset: at, len_bytes: data - at });
        }
        if data >= len_bytes {
            break;
        }
        let end = match seek(file, Ask::Hole(data)) {
            Ok(end) => end,
            // It was cut short meanwhile, which the state after the reading tells.
            Err(Errno::NXIO) => break,
            Err(errno) => return Err(errno),
        };
        if end <= at {
            break;
        }
        at = end;
    }
    Ok(holes)
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn find_holes(_: &File, _: u64, _: usize) -> Result<Vec<Hole>, Errno> {
    Ok(Vec::new())
}

/// A file being written.
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
            self.wrap(self.file.set_len(self.len_bytes))?;
        }
        Ok(())
    }

    fn wrap<T>(&self, result: io::Result<T>) -> Result<T, DiskError> {
        result.map_err(|error| DiskError::new("write", &self.path, error))
    }
}

impl FolderWriter for OsWriter {
    fn reserve(&mut self, len_bytes: u64) -> Result<(), DiskError> {
        #[cfg(target_os = "linux")]
        match rustix::fs::fallocate(&self.file, FallocateFlags::KEEP_SIZE, self.len_bytes, len_bytes) {
            // File systems without the call, and lengths that it does not take.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {}
            Err(errno) => return Err(failed("reserve room for", &self.path, errno)),
        }
        let _ = len_bytes;
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let written = self.file.write_all(bytes);
        self.wrap(written)?;
        self.len_bytes += bytes.len() as u64;
        self.ends_in_hole = false;
        Ok(())
    }

    fn skip(&mut self, len_bytes: u64) -> Result<(), DiskError> {
        let end = self.len_bytes.checked_add(len_bytes).ok_or_else(|| failed("write", &self.path, Errno::FBIG))?;
        let moved = self.file.seek(SeekFrom::Start(end));
        self.wrap(moved)?;
        self.len_bytes = end;
        self.ends_in_hole |= len_bytes > 0;
        Ok(())
    }

    fn set_attributes(&mut self, attributes: &Attributes) -> Result<(), DiskError> {
        self.settle_len()?;
        let Self { file, path, .. } = self;
        if let Some((uid, gid)) = attributes.owner {
            let (uid, gid) = owner_of(path, uid, gid)?;
            rustix::fs::fchown(&*file, Some(uid), Some(gid))
                .map_err(|errno| failed("set the owner of", path, errno))?;
        }
        if let Some(mode) = attributes.mode {
            let mode = Mode::from_raw_mode((mode & 0o7777) as RawMode);
            rustix::fs::fchmod(&*file, mode).map_err(|errno| failed("set the mode of", path, errno))?;
        }
        for one in &attributes.extended {
            if !is_kept(&one.name) {
                return Err(foreign_attribute(path));
            }
            set_of_file(&*file, one).map_err(|errno| failed("set an extended attribute of", path, errno))?;
        }
        let Some(mtime) = attributes.mtime else { return Ok(()) };
        rustix::fs::futimens(&*file, &only_mtime(mtime)).map_err(|errno| failed("set the time of", path, errno))
    }

    fn finish(mut self: Box<Self>) -> Result<(), DiskError> {
        self.settle_len()?;
        // Some network file systems report a failed write only here.
        let Self { file, path, .. } = *self;
        nix::unistd::close(file).map_err(|errno| DiskError::new("close", path, errno.into()))
    }
}
