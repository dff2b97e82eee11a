//! The calls of Unix systems below a directory handle: `openat2` where the kernel has it, else one step per name.
//!
//! Nothing here follows a link. What kind of file system it is, is only known on Linux; others count as unable.
//!
//! # FAT and exFAT on Linux
//!
//! A directory entry there names a chain of clusters in a table, and Linux writes both in an order of its own: the sync of a
//! file writes its data, its entry and last the table (`fat_file_fsync` in fs/fat/file.c, `exfat_file_fsync` in
//! fs/exfat/file.c). A plug pulled in between leaves an
//! entry whose clusters are free, and whoever then looks at the file makes Linux call the file system broken and refuse all
//! writes to it. So here the table comes first and goes last: a chain is durable before an entry names it, and an entry is
//! durably gone before its chain is let go of. The sync of any handle writes the whole table, and of entries only its own;
//! an entry on the medium names no chain until the file itself is synced; and a chain lives as long as a handle is open.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{AtFlags, Dir, FallocateFlags, FileType, Mode, OFlags, Stat, StatVfsMountFlags};
use rustix::io::Errno;

use super::{Access, is_store_name};
use crate::disk::{Capabilities, DiskFileKind, Metadata};

/// The directory that all paths start from.
pub(super) struct Root {
    dir: OwnedFd,
    kind: FileSystem,
    /// The directory that was made last and not yet synced by its parent. Its own entry is clean, so that its sync writes the
    /// table of clusters alone.
    made_dir: Mutex<Option<OwnedFd>>,
    /// So far everything belonged to whoever we are.
    is_own: AtomicBool,
}

/// Flags that every handle gets: a pipe must not block us, and a child must not inherit it.
const ALWAYS: OFlags = OFlags::CLOEXEC.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);
/// Reading changes nothing on the medium, not even when it was read last; for the owner of a file alone.
#[cfg(target_os = "linux")]
const UNNOTICED: OFlags = OFlags::NOATIME;
#[cfg(not(target_os = "linux"))]
const UNNOTICED: OFlags = OFlags::empty();

impl Root {
    /// Opens the root itself.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(path, flags, Mode::empty())?;
        let kind = file_system(&dir)?;
        Ok(Self { dir, kind, made_dir: Mutex::new(None), is_own: AtomicBool::new(true) })
    }

    /// Opens a file; the caller checks its type.
    pub(super) fn open_file(&self, path: &str, access: Access) -> io::Result<File> {
        let opened = match access {
            Access::Read => self.open_to_read(path, OFlags::RDONLY | ALWAYS),
            Access::Write => self.resolve(path, OFlags::WRONLY | ALWAYS, Mode::empty()),
            Access::CreateNew => {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
                self.resolve(path, flags | ALWAYS, Mode::RUSR | Mode::WUSR)
            }
        };
        match opened {
            Ok(fd) => Ok(File::from(fd)),
            // A socket, or a pipe that nobody reads, also says "no such device"; the medium is there.
            Err(Errno::NXIO) if self.stat(path).is_ok() => Err(Errno::ISDIR.into()),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens a directory.
    fn open_dir(&self, path: &str) -> rustix::io::Result<OwnedFd> {
        self.open_to_read(path, OFlags::RDONLY | OFlags::DIRECTORY | ALWAYS)
    }

    fn open_to_read(&self, path: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        if self.is_own.load(Ordering::Relaxed) {
            match self.resolve(path, flags | UNNOTICED, Mode::empty()) {
                // One file of somebody else is enough to ask no more.
                Err(Errno::PERM) => self.is_own.store(false, Ordering::Relaxed),
                other => return other,
            }
        }
        self.resolve(path, flags, Mode::empty())
    }

    /// Opens a path below the root without following links.
    fn resolve(&self, path: &str, flags: OFlags, mode: Mode) -> rustix::io::Result<OwnedFd> {
        let path = if path.is_empty() { "." } else { path };
        let mode = if flags.contains(OFlags::CREATE) { mode } else { Mode::empty() };
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::ResolveFlags;
            let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
            match rustix::fs::openat2(&self.dir, path, flags, mode, within) {
                // Old kernels lack the call, and some sandboxes forbid what they do not know.
                Err(Errno::NOSYS | Errno::PERM) => {}
                other => return other,
            }
        }
        resolve_by_steps(&self.dir, path, flags, mode)
    }

    /// Opens the directory that holds a path, and returns it with the path's last name.
    fn parent<'p>(&self, path: &'p str) -> rustix::io::Result<(OwnedFd, &'p str)> {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        Ok((self.open_dir(dir)?, if name.is_empty() { "." } else { name }))
    }

    /// Asks for the state of what stands under a path.
    fn stat(&self, path: &str) -> rustix::io::Result<Stat> {
        let (dir, name) = self.parent(path)?;
        rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// Returns size and type, or nothing.
    pub(super) fn metadata(&self, path: &str) -> io::Result<Option<Metadata>> {
        match self.stat(path) {
            Ok(stat) => Ok(Some(metadata_of(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Lists a directory in no order.
    pub(super) fn list(&self, path: &str) -> io::Result<Vec<(String, Metadata)>> {
        let dir = self.open_dir(path)?;
        let mut entries = Vec::new();
        for entry in Dir::read_from(&dir)? {
            let entry = entry?;
            let Some(name) = store_name(entry.file_name()) else { continue };
            match rustix::fs::statat(&dir, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => entries.push((name.to_owned(), metadata_of(&stat))),
                // It was removed since the directory was read.
                Err(Errno::NOENT) => {}
                // A name that a cut damaged must not cost its neighbours.
                Err(Errno::IO) => {
                    entries.push((name.to_owned(), Metadata { kind: DiskFileKind::Other, len_bytes: 0 }));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(entries)
    }

    /// Renames a file over what stands there; on media that do not replace atomically it is durable when this returns.
    pub(super) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from_dir, from_name) = self.parent(from)?;
        let (to_dir, to_name) = self.parent(to)?;
        // What is replaced is let go of when this handle closes.
        let _replaced = self.hold(&to_dir, to_name);
        rustix::fs::renameat(&from_dir, from_name, &to_dir, to_name)?;
        if self.kind != FileSystem::Journaled {
            // On FAT the new name has length 0 until the file itself is synced under it; the sync of the directory leaves that so.
            let flags = OFlags::RDONLY | ALWAYS;
            File::from(rustix::fs::openat(&to_dir, to_name, flags, Mode::empty())?).sync_all()?;
            self.sync_handle(to_dir)?;
        }
        Ok(())
    }

    /// Removes a file; where it has a chain, that is durable when this returns.
    pub(super) fn remove(&self, path: &str) -> io::Result<()> {
        let (dir, name) = self.parent(path)?;
        let held = self.hold(&dir, name);
        rustix::fs::unlinkat(&dir, name, AtFlags::empty())?;
        if held.is_some() { self.sync_handle(dir) } else { Ok(()) }
    }

    /// Opens a file whose name is about to go, where it has a chain, so that its clusters are let go of no earlier.
    fn hold(&self, dir: &OwnedFd, name: &str) -> Option<OwnedFd> {
        let flags = OFlags::RDONLY | ALWAYS;
        self.kind.has_chains().then(|| rustix::fs::openat(dir, name, flags, Mode::empty()).ok()).flatten()
    }

    /// Creates a directory.
    pub(super) fn create_dir(&self, path: &str) -> io::Result<()> {
        let (dir, name) = self.parent(path)?;
        rustix::fs::mkdirat(&dir, name, Mode::RWXU)?;
        if self.kind.has_chains() {
            *self.made_dir.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.open_dir(path)?);
        }
        Ok(())
    }

    /// Makes a directory's names durable.
    pub(super) fn sync_dir(&self, path: &str) -> io::Result<()> {
        let made = self.made_dir.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(made) = made {
            rustix::fs::fsync(made)?;
        }
        self.sync_handle(self.open_dir(path)?)
    }

    fn sync_handle(&self, dir: OwnedFd) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        if self.kind == FileSystem::UserSpace {
            // A driver in user space may leave out the sync of a directory and the kernel calls that success.
            rustix::fs::syncfs(&dir)?;
        }
        // Through `File`, since on Apple's systems a plain fsync leaves data in the drive's cache.
        let dir = File::from(dir);
        match dir.sync_all() {
            #[cfg(target_os = "linux")]
            Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::INVAL | Errno::NOTSUP)) => {
                Ok(rustix::fs::syncfs(&dir)?)
            }
            synced => synced,
        }
    }

    /// Makes the clusters of a whole file durable before its entry names them; true where that was needed.
    #[cfg_attr(
        not(target_os = "linux"),
        expect(clippy::unused_self, reason = "the same shape as where it does something")
    )]
    pub(super) fn reserve(&self, file: &File, len_bytes: u64) -> io::Result<bool> {
        #[cfg(target_os = "linux")]
        if self.kind == FileSystem::Fat && len_bytes > 0 {
            match rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, len_bytes) {
                Ok(()) => {}
                // Drivers of FAT other than the kernel's do not know the call.
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
            self.sync_table()?;
            return Ok(true);
        }
        let _ = (file, len_bytes);
        Ok(false)
    }

    /// Makes durable which clusters files have, where a table says so.
    pub(super) fn sync_table(&self) -> io::Result<()> {
        if self.kind.has_chains() { Ok(rustix::fs::fsync(&self.dir)?) } else { Ok(()) }
    }

    /// Returns the bytes that can still be written.
    pub(super) fn free_bytes(&self) -> io::Result<u64> {
        let state = rustix::fs::fstatvfs(&self.dir)?;
        Ok(state.f_bavail.saturating_mul(state.f_frsize))
    }

    /// Returns what the medium can do.
    pub(super) fn capabilities(&self) -> io::Result<Capabilities> {
        let kind = self.kind;
        let flags = rustix::fs::fstatvfs(&self.dir)?.f_flag;
        Ok(Capabilities {
            atomic_replace: kind == FileSystem::Journaled,
            sync_dir: kind != FileSystem::UserSpace,
            case_sensitive: kind == FileSystem::Journaled,
            append_after_cut: !kind.has_chains(),
            max_file_bytes: if kind == FileSystem::Fat { u64::from(u32::MAX) } else { i64::MAX.unsigned_abs() },
            read_only: flags.contains(StatVfsMountFlags::RDONLY),
        })
    }
}

/// Opens a path name by name, each without following a link.
pub(super) fn resolve_by_steps(root: impl AsFd, path: &str, flags: OFlags, mode: Mode) -> rustix::io::Result<OwnedFd> {
    let step = OFlags::RDONLY | OFlags::DIRECTORY | ALWAYS;
    let (dirs, name) = path.rsplit_once('/').unwrap_or(("", path));
    let mut at: Option<OwnedFd> = None;
    for dir in dirs.split('/').filter(|dir| !dir.is_empty()) {
        let from = at.as_ref().map_or_else(|| root.as_fd(), AsFd::as_fd);
        at = Some(rustix::fs::openat(from, dir, step, Mode::empty())?);
    }
    let from = at.as_ref().map_or_else(|| root.as_fd(), AsFd::as_fd);
    rustix::fs::openat(from, name, flags, mode)
}

/// Returns a directory entry's name if a store may hold it.
fn store_name(name: &CStr) -> Option<&str> {
    name.to_str().ok().filter(|name| is_store_name(name))
}

/// Takes over what a store asks for.
fn metadata_of(stat: &Stat) -> Metadata {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {
            Metadata { kind: DiskFileKind::File, len_bytes: u64::try_from(stat.st_size).unwrap_or(0) }
        }
        FileType::Directory => Metadata { kind: DiskFileKind::Dir, len_bytes: 0 },
        _ => Metadata { kind: DiskFileKind::Other, len_bytes: 0 },
    }
}

/// Reads at a position.
pub(super) fn read_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    if i64::try_from(offset).is_err() {
        return Ok(0);
    }
    file.read_at(buffer, offset)
}

/// What we need to know of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
enum FileSystem {
    /// Replaces a file atomically and tells cases apart.
    Journaled,
    /// FAT12, 16 and 32.
    Fat,
    /// exFAT.
    ExFat,
    /// Any that a process serves.
    UserSpace,
    /// NTFS, network file systems and those we do not know: nothing is assumed.
    Other,
}

impl FileSystem {
    /// Returns whether files are chains of clusters in a table.
    fn has_chains(self) -> bool {
        matches!(self, Self::Fat | Self::ExFat)
    }
}

/// Tells file systems apart by the kernel's magic numbers.
#[cfg(target_os = "linux")]
fn file_system(dir: impl AsFd) -> io::Result<FileSystem> {
    let magic = rustix::fs::fstatfs(dir)?.f_type as u64 & 0xffff_ffff;
    Ok(match magic {
        // ext2 to ext4, btrfs, xfs, f2fs, zfs, bcachefs.
        0xef53 | 0x9123_683e | 0x5846_5342 | 0xf2f5_2010 | 0x2fc1_2fc1 | 0xca45_1a4e => FileSystem::Journaled,
        // tmpfs and overlayfs; the first has nothing to survive, the second is as good as what lies below.
        0x0102_1994 | 0x794c_7630 => FileSystem::Journaled,
        0x4d44 => FileSystem::Fat,
        0x2011_bab0 => FileSystem::ExFat,
        0x6573_5546 => FileSystem::UserSpace,
        _ => FileSystem::Other,
    })
}

/// Assumes nothing.
#[cfg(not(target_os = "linux"))]
fn file_system(_: impl AsFd) -> io::Result<FileSystem> {
    Ok(FileSystem::Other)
}
