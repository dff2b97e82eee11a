//! A view as a file system of Linux, through `/dev/fuse` and without libfuse.
//!
//! Only translates: numbers, types, times and errors. The kernel checks permissions where others are let in, keeps names and content for as long as it
//! likes, since neither ever changes under a number but in the few directories that the view makes, and hands out no devices and no set-user-id bits of what somebody committed.
//! Content that does not read is `EIO`, content on a medium that went away `ENODEV`; nothing waits for a medium to come back.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{
    BackgroundSession, Config, Errno as Answer, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, InitFlags, KernelConfig, LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory,
    ReplyDirectoryPlus, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyXattr, Request, SessionACL,
};

use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};

use crate::base::monitor::Problem;
use crate::base::{Clock, EntryName, Monitor};
use crate::crypto::wrap::Identity;
use crate::disk::folder::FileKind;
use crate::error::ErrorKind;
use crate::format::attributes::Attribute;
use crate::view::inodes::KNOWN_MAX;
use crate::view::{Listed, Stat, View, ViewError};

/// How long the kernel may keep a name or a state: none ever changes, so for about as long as it can count.
const KEPT: Duration = Duration::from_secs(1 << 24);
/// How long it may keep what the view makes: half of the second within which a sync is seen, with what loading it takes.
const KEPT_SHORT: Duration = Duration::from_millis(250);
/// How often the wish to stop, the medium and HEAD are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Threads that answer: a chunk that is being opened holds up no lookup.
const THREADS: usize = 4;
/// How many entries stand before those of the view in a listing.
const DOTS: u64 = 2;
/// Entries that are asked for at a time.
const PAGE: usize = 256;
/// What a block counts in states.
const BLOCK_BYTES: u64 = 512;

/// A view that is mounted. Dropping it unmounts.
pub struct Mounted {
    session: Option<BackgroundSession>,
    dir: PathBuf,
    view: Arc<View>,
    monitor: Arc<dyn Monitor>,
}

/// How a mount comes to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It was asked for.
    Asked,
    /// Somebody unmounted it.
    Unmounted,
    /// The medium went away.
    Gone,
}

impl Mounted {
    /// Mounts a view on a directory. What does not read later is told to the monitor.
    ///
    /// Takes root's rights or `fusermount3`. `everybody` lets others than this user in.
    ///
    /// # Errors
    /// Those of the system: no `/dev/fuse`, no such directory, no rights.
    pub fn start(view: View, dir: &Path, everybody: bool, monitor: Arc<dyn Monitor>) -> io::Result<Self> {
        let mut config = Config::default();
        config.mount_options = vec![
            MountOption::RO,
            MountOption::NoDev,
            MountOption::NoSuid,
            MountOption::NoAtime,
            MountOption::FSName("chunkstore".to_owned()),
            MountOption::Subtype("chunkstore".to_owned()),
        ];
        if everybody {
            // Who is let in alone has the key, and may read what lies there whoever it belonged to.
            config.mount_options.push(MountOption::DefaultPermissions);
        }
        config.acl = if everybody { SessionACL::All } else { SessionACL::Owner };
        config.n_threads = Some(THREADS);
        let view = Arc::new(view);
        let tree = Tree { view: Arc::clone(&view), monitor: Arc::clone(&monitor) };
        let session = fuser::spawn_mount(tree, dir, &config)?;
        Ok(Self { session: Some(session), dir: dir.to_owned(), view, monitor })
    }

    /// Shows what a sync or a commit brings, until the monitor asks for the end, somebody unmounts, or the medium goes away.
    pub fn attend(&self, identities: &[Identity], clock: &dyn Clock) -> End {
        loop {
            if self.monitor.cancelled() {
                return End::Asked;
            }
            if self.is_ended() {
                return End::Unmounted;
            }
            if self.view.is_gone() {
                return End::Gone;
            }
            match self.view.refresh(identities, self.monitor.as_ref()) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Gone => return End::Gone,
                Err(error) => {
                    let subject = "the store's newer state, which is not shown".to_owned();
                    self.monitor.problem(Problem { subject, reason: error.in_full() });
                }
            }
            self.give_way();
            clock.sleep(LOOK_EVERY);
        }
    }

    /// Has the kernel forget what it saw, before more is known than there is room for.
    fn give_way(&self) {
        let Some(session) = self.session.as_ref().filter(|_| self.view.known() > KNOWN_MAX / 3) else { return };
        for (dir, name) in self.view.droppable() {
            // One that it has forgotten already is as good.
            let _ = session.notifier().inval_entry(INodeNo(dir), OsStr::from_bytes(name.as_bytes()));
        }
    }

    /// Returns whether somebody unmounted it.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.session.as_ref().is_none_or(|session| session.guard.is_finished())
    }

    /// Unmounts, whatever is open under the mount: that reads on until the process ends, and fails from then on.
    ///
    /// # Errors
    /// Those of the system.
    pub fn end(mut self) -> io::Result<()> {
        let Some(session) = self.session.take().filter(|session| !session.guard.is_finished()) else { return Ok(()) };
        match unmount(&self.dir, UnmountFlags::DETACH) {
            // Without root's rights the session goes through fusermount3. Nobody waits for what is open under it.
            Ok(()) | Err(Errno::PERM) => {
                drop(session);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Takes a dead mount away, as root or through `fusermount3`.
///
/// # Errors
/// Those of the system.
pub fn clear(dir: &Path) -> io::Result<()> {
    match unmount(dir, UnmountFlags::DETACH) {
        Err(Errno::PERM) => {
            let mut command = Command::new("fusermount3");
            let ended = command.args(["-u", "-z", "-q", "--"]).arg(dir).status()?;
            if ended.success() { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
        }
        done => Ok(done?),
    }
}

/// What answers the kernel.
struct Tree {
    view: Arc<View>,
    monitor: Arc<dyn Monitor>,
}

impl Tree {
    /// Turns an error into the system's, and tells of one that a person should know of.
    fn refused(&self, inode: u64, error: &ViewError) -> Answer {
        if let ViewError::Damaged(reason) = error {
            self.monitor.problem(Problem { subject: format!("inode {inode}"), reason: reason.clone() });
        }
        errno(error)
    }

    /// Returns how long what stands in a directory, or its own state, may be kept.
    fn kept(&self, dir: u64) -> Duration {
        if self.view.may_change(dir) { KEPT_SHORT } else { KEPT }
    }

    /// Adds the two entries that stand before those of the view, the directory itself and the one above, as far as they are asked
    /// for; returns whether the answer is full.
    fn dots(&self, dir: INodeNo, offset: u64, mut add: impl FnMut(u64, INodeNo, &str) -> bool) -> bool {
        let above = || INodeNo(self.view.parent(dir.0).unwrap_or(dir.0));
        (offset == 0 && add(1, dir, ".")) || (offset < DOTS && add(DOTS, above(), ".."))
    }

    fn attribute(&self, inode: u64, name: &[u8]) -> Result<Vec<u8>, Answer> {
        let attributes = self.view.attributes(inode).map_err(|error| self.refused(inode, &error))?;
        let at = attributes.binary_search_by(|(one, _)| one[..].cmp(name)).map_err(|_| Answer::ENODATA)?;
        Ok(attributes[at].1.clone())
    }
}

impl Filesystem for Tree {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // Listings bring what a lookup would, and lookups and listings of one directory do not wait for each other. A kernel that is
        // too old for one of them does without.
        for flag in [InitFlags::FUSE_DO_READDIRPLUS, InitFlags::FUSE_PARALLEL_DIROPS, InitFlags::FUSE_CACHE_SYMLINKS] {
            let _ = config.add_capabilities(flag);
        }
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found = match EntryName::new(name.as_bytes()) {
            Ok(name) => self.view.lookup(parent.0, &name),
            Err(_) => Err(ViewError::NoEntry),
        };
        match found {
            Ok(stat) => reply.entry(&self.kept(parent.0), &attr(&stat), Generation(0)),
            Err(error) => reply.error(self.refused(parent.0, &error)),
        }
    }

    fn forget(&self, _: &Request, inode: INodeNo, references: u64) {
        self.view.forget(inode.0, references);
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.view.stat(inode.0) {
            Ok(stat) => reply.attr(&self.kept(inode.0), &attr(&stat)),
            Err(error) => reply.error(self.refused(inode.0, &error)),
        }
    }

    fn readlink(&self, _: &Request, inode: INodeNo, reply: ReplyData) {
        match self.view.readlink(inode.0) {
            Ok(target) => reply.data(&target),
            Err(error) => reply.error(self.refused(inode.0, &error)),
        }
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE);
    }

    fn read(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        len_bytes: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.view.read(inode.0, offset, len_bytes as usize) {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(self.refused(inode.0, &error)),
        }
    }

    fn opendir(&self, _: &Request, dir: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let kept = FopenFlags::FOPEN_KEEP_CACHE | FopenFlags::FOPEN_CACHE_DIR;
        let flags = if self.view.may_change(dir.0) { FopenFlags::empty() } else { kept };
        reply.opened(FileHandle(0), flags);
    }

    fn readdir(&self, _: &Request, dir: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let is_full = |at, above: INodeNo, name: &str| reply.add(above, at, FileType::Directory, name);
        if self.dots(dir, offset, is_full) {
            return reply.ok();
        }
        let mut from = offset.saturating_sub(DOTS);
        loop {
            let page = match self.view.list(dir.0, from, PAGE) {
                Ok(page) => page,
                Err(error) => return reply.error(self.refused(dir.0, &error)),
            };
            let Some(last) = page.last() else { return reply.ok() };
            from = last.next;
            for listed in page {
                let name = OsStr::from_bytes(listed.name.as_bytes());
                if reply.add(INodeNo(listed.inode), listed.next.saturating_add(DOTS), type_of(listed.kind), name) {
                    return reply.ok();
                }
            }
        }
    }

    fn readdirplus(&self, _: &Request, dir: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectoryPlus) {
        let own = match self.view.stat(dir.0) {
            Ok(stat) => attr(&stat),
            Err(error) => return reply.error(self.refused(dir.0, &error)),
        };
        // A number of nothing hands out no reference: what is said is a name, a type and a number to show.
        let mut bare = |at, ino, name: &OsStr, kind| {
            reply.add(INodeNo(0), at, name, &Duration::ZERO, &FileAttr { ino, kind, ..own }, Generation(0))
        };
        if self.dots(dir, offset, |at, above, name| bare(at, above, OsStr::new(name), FileType::Directory)) {
            return reply.ok();
        }
        if self.view.may_change(dir.0) {
            let page = match self.view.list(dir.0, offset.saturating_sub(DOTS), PAGE) {
                Ok(page) => page,
                Err(error) => return reply.error(self.refused(dir.0, &error)),
            };
            for Listed { name, inode, kind, next } in page {
                let at = next.saturating_add(DOTS);
                if bare(at, INodeNo(inode), OsStr::from_bytes(name.as_bytes()), type_of(kind)) {
                    break;
                }
            }
            return reply.ok();
        }
        let mut taken = 0;
        let walked = self.view.walk(dir.0, offset.saturating_sub(DOTS), &mut |name, stat, next| {
            let (number, name) = (INodeNo(stat.inode), OsStr::from_bytes(name.as_bytes()));
            let is_taken = !reply.add(number, next.saturating_add(DOTS), name, &KEPT, &attr(stat), Generation(0));
            taken += u64::from(is_taken);
            is_taken
        });
        match walked {
            // What was taken is told, and the error the next time.
            Err(error) if taken == 0 => reply.error(self.refused(dir.0, &error)),
            _ => reply.ok(),
        }
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let name_max = u32::try_from(crate::base::paths::NAME_MAX_BYTES).unwrap_or(u32::MAX);
        reply.statfs(0, 0, 0, 0, 0, BLOCK_BYTES as u32, name_max, 0);
    }

    fn getxattr(&self, _: &Request, inode: INodeNo, name: &OsStr, room_bytes: u32, reply: ReplyXattr) {
        match self.attribute(inode.0, name.as_bytes()) {
            Ok(value) => answer(&value, room_bytes, reply),
            Err(errno) => reply.error(errno),
        }
    }

    fn listxattr(&self, _: &Request, inode: INodeNo, room_bytes: u32, reply: ReplyXattr) {
        match self.view.attributes(inode.0) {
            Ok(attributes) => answer(&names(&attributes), room_bytes, reply),
            Err(error) => reply.error(self.refused(inode.0, &error)),
        }
    }
}

/// Gives names as the system lists them, each with a NUL behind it.
fn names(attributes: &[Attribute]) -> Vec<u8> {
    attributes.iter().flat_map(|(name, _)| name.iter().copied().chain([0])).collect()
}

/// Gives bytes, or how many there are where nothing else was asked for.
fn answer(bytes: &[u8], room_bytes: u32, reply: ReplyXattr) {
    match u32::try_from(bytes.len()) {
        Ok(len_bytes) if room_bytes == 0 => reply.size(len_bytes),
        Ok(len_bytes) if len_bytes <= room_bytes => reply.data(bytes),
        _ => reply.error(Answer::ERANGE),
    }
}

fn errno(error: &ViewError) -> Answer {
    match error {
        ViewError::Unknown => Answer::ESTALE,
        ViewError::NoEntry => Answer::ENOENT,
        ViewError::NotADirectory => Answer::ENOTDIR,
        ViewError::NotAFile => Answer::EISDIR,
        ViewError::NotALink => Answer::EINVAL,
        ViewError::TooMany => Answer::ENFILE,
        // What a remote does not give now it may give later.
        ViewError::Damaged(_) | ViewError::Offline(_) => Answer::EIO,
        ViewError::Interrupted => Answer::EINTR,
        ViewError::Gone => Answer::ENODEV,
    }
}

fn type_of(kind: FileKind) -> FileType {
    match kind {
        FileKind::File => FileType::RegularFile,
        FileKind::Dir => FileType::Directory,
        FileKind::Symlink => FileType::Symlink,
        FileKind::Fifo => FileType::NamedPipe,
        FileKind::Socket => FileType::Socket,
        FileKind::CharDevice => FileType::CharDevice,
        FileKind::BlockDevice => FileType::BlockDevice,
    }
}

fn attr(stat: &Stat) -> FileAttr {
    let time = time(stat.meta.mtime_secs, stat.meta.mtime_nanos);
    FileAttr {
        ino: INodeNo(stat.inode),
        size: stat.len_bytes,
        blocks: stat.taken_bytes.div_ceil(BLOCK_BYTES),
        atime: time,
        mtime: time,
        ctime: time,
        crtime: time,
        kind: type_of(stat.kind),
        // Permission bits are 12.
        perm: stat.meta.mode as u16 & 0o7777,
        nlink: stat.links,
        uid: stat.meta.uid,
        gid: stat.meta.gid,
        rdev: u32::try_from(stat.rdev).unwrap_or(0),
        blksize: 4096,
        flags: 0,
    }
}

/// Returns a moment; the start of 1970 for one that the system cannot say.
fn time(secs: i64, nanos: u32) -> SystemTime {
    let whole = Duration::from_secs(secs.unsigned_abs());
    let at = if secs < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
    at.and_then(|at| at.checked_add(Duration::from_nanos(u64::from(nanos)))).unwrap_or(UNIX_EPOCH)
}
