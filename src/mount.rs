//! A view as a file system of Linux, through `/dev/fuse` and without libfuse.
//!
//! Only translates: numbers, types, times and errors. The kernel checks permissions where others are let in, keeps names and content for as long as it
//! likes, since neither ever changes under a number but in the few directories that the view makes, and hands out no devices and no set-user-id bits of what somebody committed.
//! Content that does not read is `EIO`, content on a medium that went away `ENODEV`; nothing waits for a medium to come back.
//!
//! One thread takes what the kernel asks and answers what is known; several that took turns at it cost more CPU, most of it in
//! waking each other. What may have to read from a medium goes to workers, so that a chunk that is being opened holds up no lookup.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use fuser::{
    BackgroundSession, Config, FileHandle, Filesystem, FopenFlags, INodeNo, InitFlags, KernelConfig, LockOwner,
    MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEntry, ReplyOpen,
    ReplyStatfs, ReplyXattr, Request, SessionACL,
};
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};

use crate::base::monitor::Problem;
use crate::base::{Clock, Monitor};
use crate::crypto::wrap::Identity;
use crate::error::ErrorKind;
use crate::view::View;
use crate::view::inodes::KNOWN_MAX;

mod tree;
mod workers;

use tree::{BLOCK_BYTES, Tree};
use workers::Workers;

/// How often the wish to stop, the medium and HEAD are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

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
        let view = Arc::new(view);
        let tree = Arc::new(Tree { view: Arc::clone(&view), monitor: Arc::clone(&monitor) });
        let session = fuser::spawn_mount(Answering { tree, workers: Workers::start() }, dir, &config)?;
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

/// What takes the kernel's requests.
struct Answering {
    tree: Arc<Tree>,
    workers: Workers,
}

impl Answering {
    /// Has a worker answer what may have to read.
    fn hand_over(&self, answer: impl FnOnce(&Tree) + Send + 'static) {
        let tree = Arc::clone(&self.tree);
        self.workers.take(Box::new(move || answer(&tree)));
    }

    /// Answers at once, since listings ask for attributes of every file, unless there are some to read.
    fn tell_attributes(&self, inode: INodeNo, answer: impl FnOnce(&Tree) + Send + 'static) {
        if self.tree.view.has_attributes(inode.0) { self.hand_over(answer) } else { answer(&self.tree) }
    }
}

impl Filesystem for Answering {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // Listings bring what a lookup would, and lookups and listings of one directory do not wait for each other. A kernel that is
        // too old for one of them does without.
        for flag in [InitFlags::FUSE_DO_READDIRPLUS, InitFlags::FUSE_PARALLEL_DIROPS, InitFlags::FUSE_CACHE_SYMLINKS] {
            let _ = config.add_capabilities(flag);
        }
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let name = name.as_bytes().to_vec();
        self.hand_over(move |tree| tree.lookup(parent, &name, reply));
    }

    fn forget(&self, _: &Request, inode: INodeNo, references: u64) {
        self.tree.view.forget(inode.0, references);
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        self.hand_over(move |tree| tree.getattr(inode, reply));
    }

    fn readlink(&self, _: &Request, inode: INodeNo, reply: ReplyData) {
        self.hand_over(move |tree| tree.readlink(inode, reply));
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
        self.hand_over(move |tree| tree.read(inode, offset, len_bytes, reply));
    }

    fn opendir(&self, _: &Request, dir: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let kept = FopenFlags::FOPEN_KEEP_CACHE | FopenFlags::FOPEN_CACHE_DIR;
        let flags = if self.tree.view.may_change(dir.0) { FopenFlags::empty() } else { kept };
        reply.opened(FileHandle(0), flags);
    }

    fn readdir(&self, _: &Request, dir: INodeNo, _: FileHandle, offset: u64, reply: ReplyDirectory) {
        self.hand_over(move |tree| tree.readdir(dir, offset, reply));
    }

    fn readdirplus(&self, _: &Request, dir: INodeNo, _: FileHandle, offset: u64, reply: ReplyDirectoryPlus) {
        self.hand_over(move |tree| tree.readdirplus(dir, offset, reply));
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let name_max = u32::try_from(crate::base::paths::NAME_MAX_BYTES).unwrap_or(u32::MAX);
        reply.statfs(0, 0, 0, 0, 0, BLOCK_BYTES as u32, name_max, 0);
    }

    fn getxattr(&self, _: &Request, inode: INodeNo, name: &OsStr, room_bytes: u32, reply: ReplyXattr) {
        let name = name.as_bytes().to_vec();
        self.tell_attributes(inode, move |tree| tree.getxattr(inode, &name, room_bytes, reply));
    }

    fn listxattr(&self, _: &Request, inode: INodeNo, room_bytes: u32, reply: ReplyXattr) {
        self.tell_attributes(inode, move |tree| tree.listxattr(inode, room_bytes, reply));
    }
}
