//! The peer: a tree of the same names, types and states as a folder, all in memory, which answers as fast as fuser lets it.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, InitFlags,
    KernelConfig, MountOption, OpenFlags, ReplyAttr, ReplyDirectory, ReplyDirectoryPlus, ReplyEntry, ReplyOpen,
    ReplyXattr, Request,
};
use signal_hook::consts::SIGTERM;

use crate::Result;

const KEPT: Duration = Duration::from_secs(1 << 24);

struct Node {
    attr: FileAttr,
    children: Vec<(OsString, u64)>,
    by_name: HashMap<OsString, u64>,
}

struct Shape(Vec<Node>);

/// Serves the shape of a folder until it is unmounted or this process is told to end.
///
/// # Errors
/// Those of reading the folder and of mounting.
pub fn serve(shape: &Path, at: &Path) -> Result<()> {
    let mut tree = Shape(Vec::new());
    add(&mut tree, shape, FileType::Directory)?;
    let mut config = Config::default();
    config.mount_options = vec![MountOption::RO, MountOption::NoAtime];
    let session = fuser::spawn_mount(tree, at, &config)?;
    super::tell_mounted()?;
    let mut signals = signal_hook::iterator::Signals::new([SIGTERM])?;
    signals.forever().next();
    session.umount_and_join()?;
    Ok(())
}

fn add(tree: &mut Shape, path: &Path, kind: FileType) -> io::Result<u64> {
    let number = tree.0.len() as u64 + 1;
    let size = std::fs::symlink_metadata(path)?.len();
    let attr = FileAttr {
        ino: INodeNo(number),
        size,
        blocks: size.div_ceil(512),
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind,
        perm: 0o755,
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    };
    tree.0.push(Node { attr, children: Vec::new(), by_name: HashMap::new() });
    if kind == FileType::Directory {
        let mut children = Vec::new();
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            let is_dir = entry.file_type()?.is_dir();
            let kind = if is_dir { FileType::Directory } else { FileType::RegularFile };
            children.push((entry.file_name(), add(tree, &entry.path(), kind)?));
        }
        let node = &mut tree.0[number as usize - 1];
        node.by_name = children.iter().cloned().collect();
        node.children = children;
    }
    Ok(number)
}

impl Shape {
    fn node(&self, number: INodeNo) -> Option<&Node> {
        self.0.get((number.0 as usize).wrapping_sub(1))
    }
}

impl Filesystem for Shape {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        let _ = config.add_capabilities(InitFlags::FUSE_DO_READDIRPLUS);
        let _ = config.add_capabilities(InitFlags::FUSE_PARALLEL_DIROPS);
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.node(parent).and_then(|node| node.by_name.get(name)).and_then(|number| self.node(INodeNo(*number))) {
            Some(node) => reply.entry(&KEPT, &node.attr, Generation(0)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, number: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.node(number) {
            Some(node) => reply.attr(&KEPT, &node.attr),
            None => reply.error(Errno::ENOENT),
        }
    }

    // As a tree that has attributes has to: who answers that there are none at all is never asked again.
    fn getxattr(&self, _: &Request, _: INodeNo, _: &OsStr, _: u32, reply: ReplyXattr) {
        reply.error(Errno::ENODATA);
    }

    fn listxattr(&self, _: &Request, _: INodeNo, _: u32, reply: ReplyXattr) {
        reply.size(0);
    }

    fn opendir(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE | FopenFlags::FOPEN_CACHE_DIR);
    }

    fn readdir(&self, _: &Request, number: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let Some(node) = self.node(number) else { return reply.error(Errno::ENOENT) };
        for (at, (name, child)) in node.children.iter().enumerate().skip(offset as usize) {
            let kind = self.node(INodeNo(*child)).map_or(FileType::RegularFile, |node| node.attr.kind);
            if reply.add(INodeNo(*child), at as u64 + 1, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn readdirplus(&self, _: &Request, number: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectoryPlus) {
        let Some(node) = self.node(number) else { return reply.error(Errno::ENOENT) };
        for (at, (name, child)) in node.children.iter().enumerate().skip(offset as usize) {
            let Some(child) = self.node(INodeNo(*child)) else { continue };
            if reply.add(child.attr.ino, at as u64 + 1, name, &KEPT, &child.attr, Generation(0)) {
                break;
            }
        }
        reply.ok();
    }
}
