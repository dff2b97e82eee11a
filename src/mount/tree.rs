//! The answers: a view's numbers, types, times and errors in the words of the kernel.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{
    Errno as Answer, FileAttr, FileType, Generation, INodeNo, ReplyAttr, ReplyData, ReplyDirectory, ReplyDirectoryPlus,
    ReplyEntry, ReplyXattr,
};

use crate::base::monitor::Problem;
use crate::base::{EntryName, Monitor};
use crate::disk::folder::FileKind;
use crate::format::attributes::Attribute;
use crate::view::{Listed, Stat, View, ViewError};

/// How long the kernel may keep a name or a state: none ever changes, so for about as long as it can count.
const KEPT: Duration = Duration::from_secs(1 << 24);
/// How long it may keep what the view makes: half of the second within which a sync is seen, with what loading it takes.
const KEPT_SHORT: Duration = Duration::from_millis(250);
/// How many entries stand before those of the view in a listing.
const DOTS: u64 = 2;
/// Entries that are asked for at a time.
const PAGE: usize = 256;
/// What a block counts in states.
pub const BLOCK_BYTES: u64 = 512;

/// What answers the kernel.
pub struct Tree {
    /// What is shown.
    pub view: Arc<View>,
    /// Hears of what does not read.
    pub monitor: Arc<dyn Monitor>,
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

    /// Answers what stands under a name.
    pub fn lookup(&self, parent: INodeNo, name: &[u8], reply: ReplyEntry) {
        let found = match EntryName::new(name) {
            Ok(name) => self.view.lookup(parent.0, &name),
            Err(_) => Err(ViewError::NoEntry),
        };
        match found {
            Ok(stat) => reply.entry(&self.kept(parent.0), &attr(&stat), Generation(0)),
            Err(error) => reply.error(self.refused(parent.0, &error)),
        }
    }

    /// Answers what a thing is.
    pub fn getattr(&self, inode: INodeNo, reply: ReplyAttr) {
        match self.view.stat(inode.0) {
            Ok(stat) => reply.attr(&self.kept(inode.0), &attr(&stat)),
            Err(error) => reply.error(self.refused(inode.0, &error)),
        }
    }

    /// Answers where a link leads.
    pub fn readlink(&self, inode: INodeNo, reply: ReplyData) {
        match self.view.readlink(inode.0) {
            Ok(target) => reply.data(&target),
            Err(error) => reply.error(self.refused(inode.0, &error)),
        }
    }

    /// Answers with bytes of a file.
    pub fn read(&self, inode: INodeNo, offset: u64, len_bytes: u32, reply: ReplyData) {
        match self.view.read(inode.0, offset, len_bytes as usize) {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(self.refused(inode.0, &error)),
        }
    }

    /// Answers with names from a place in a listing on.
    pub fn readdir(&self, dir: INodeNo, offset: u64, mut reply: ReplyDirectory) {
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

    /// Answers with names and what a lookup of each would bring.
    pub fn readdirplus(&self, dir: INodeNo, offset: u64, mut reply: ReplyDirectoryPlus) {
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

    /// Answers with one attribute.
    pub fn getxattr(&self, inode: INodeNo, name: &[u8], room_bytes: u32, reply: ReplyXattr) {
        match self.attribute(inode.0, name) {
            Ok(value) => answer(&value, room_bytes, reply),
            Err(errno) => reply.error(errno),
        }
    }

    /// Answers with the names of the attributes.
    pub fn listxattr(&self, inode: INodeNo, room_bytes: u32, reply: ReplyXattr) {
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
