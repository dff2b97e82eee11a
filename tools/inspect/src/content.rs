//! What decoded objects say: entries of directories, extents of files, snapshots.

use std::collections::HashSet;
use std::io;

use chunkstore::base::Timestamp;
use chunkstore::format::index::IndexPart;
use chunkstore::format::list::ListNode;
use chunkstore::format::snapshot::Snapshot;
use chunkstore::format::tree::{Content, Entry, Node, TreeNode};
use chunkstore::format::{Extent, Kind, Pointer};
use chunkstore::store::StoreError;
use chunkstore::store::layout;
use chunkstore::store::reader::ObjectReader;
use chunkstore::tree::read::{for_each_entry, for_each_extent};

use crate::report::Problems;
use crate::shown::{Screen, Shown};
use crate::{ITEMS_MAX, why};

/// What a table shows of an object's content.
pub const COLUMNS: &[&str] =
    &["what", "type", "size", "time", "id", "chunk", "offset", "len_bytes", "name", "first", "message"];

/// Returns what the plaintext of an object says; of a chunk there is nothing to say.
#[must_use]
pub fn rows(kind: Kind, plain: &[u8], problems: &mut Problems) -> Vec<Shown> {
    let decoded = match kind {
        Kind::Chunk => return Vec::new(),
        Kind::Snapshot => Snapshot::decode(plain).map(|snapshot| vec![describe_snapshot(&snapshot)]),
        Kind::Tree => TreeNode::decode(plain).map(|node| match node {
            TreeNode::Leaf(entries) => entries.iter().map(describe_entry).collect(),
            TreeNode::Inner(level, children) => {
                let child = |first: &[u8], pointer: &Pointer, below: u64| {
                    describe_pointer(Shown::new("child").with("level", level), pointer)
                        .with_bytes(["first", "first_hex"], first)
                        .with("entries", below)
                };
                children.iter().map(|c| child(c.first.as_bytes(), &c.pointer, c.entries)).collect()
            }
        }),
        Kind::List => ListNode::decode(plain).map(|node| match node {
            ListNode::Leaf(extents) => extents.iter().map(describe_extent).collect(),
            ListNode::Inner(level, children) => {
                let child = |pointer: &Pointer| describe_pointer(Shown::new("child").with("level", level), pointer);
                children.iter().map(|c| child(&c.pointer).with("len_bytes", c.len_bytes)).collect()
            }
        }),
        Kind::Index => IndexPart::decode(plain).map(|part| {
            vec![Shown::new("merged index").with("packs", part.packs.len()).with("objects", part.entries.len())]
        }),
    };
    decoded.unwrap_or_else(|error| {
        problems.add(format!("the content of the object: {error}"));
        Vec::new()
    })
}

/// Returns what a snapshot says.
#[must_use]
pub fn describe_snapshot(snapshot: &Snapshot) -> Shown {
    let parents: Vec<String> = snapshot.parents.iter().map(|parent| parent.id.to_string()).collect();
    Shown::new("state")
        .with_text("time", snapshot.time)
        .with("author", snapshot.author.as_str())
        .with("message", snapshot.message.as_str())
        .with_text("root", snapshot.root.id)
        .with("parents", parents)
        .with_text("replica", snapshot.replica)
        .with("sequence", snapshot.sequence)
        .with("epoch", snapshot.epoch.0)
        .with("files", snapshot.totals.files)
        .with("dirs", snapshot.totals.dirs)
        .with("others", snapshot.totals.others)
        .with("bytes", snapshot.totals.bytes)
        .with("conflicts", snapshot.conflicts.len())
}

/// Returns what an entry of a directory says.
#[must_use]
pub fn describe_entry(entry: &Entry) -> Shown {
    let shown = Shown::new("entry").with_bytes(["name", "name_hex"], entry.name.as_bytes());
    let shown = match &entry.node {
        Node::File { len_bytes, content } => {
            let shown = shown.with("type", "file").with("size", *len_bytes);
            match content {
                Content::Inline(extents) => shown.with("extents", extents.len()),
                Content::List(list) => shown.with_text("list", list.id),
            }
        }
        Node::Dir { tree } => shown.with("type", "dir").with_text("tree", tree.id),
        Node::Symlink { target } => shown.with("type", "symlink").with_bytes(["target", "target_hex"], target),
        Node::Fifo => shown.with("type", "fifo"),
        Node::Socket => shown.with("type", "socket"),
        Node::CharDevice(device) => shown.with("type", "char-device").with("device", *device),
        Node::BlockDevice(device) => shown.with("type", "block-device").with("device", *device),
    };
    let meta = &entry.meta;
    let nanos = meta.mtime_secs.saturating_mul(1_000_000_000).saturating_add(i64::from(meta.mtime_nanos));
    shown
        .with("mode", format!("{:04o}", meta.mode))
        .with_text("mtime", Timestamp(nanos))
        .with("uid", meta.uid)
        .with("gid", meta.gid)
        .with("user", meta.user.as_str())
        .with("group", meta.group.as_str())
        .with_text("file_id", entry.file_id)
        .with("hard_linked", entry.hard_linked)
        .with("extensions", entry.extensions.len())
}

fn describe_pointer(shown: Shown, pointer: &Pointer) -> Shown {
    shown.with_text("id", pointer.id).with("dedup_generation", pointer.dedup_generation.0)
}

fn describe_extent(extent: &Extent) -> Shown {
    Shown::new("extent")
        .with_text("chunk", extent.chunk.id)
        .with("dedup_generation", extent.chunk.dedup_generation.0)
        .with("offset", extent.offset)
        .with("len_bytes", extent.len_bytes)
}

/// Why a walk ended before its end: the store, the sink, or enough was shown.
enum Stop {
    Sink(io::Error),
    Enough,
}

/// Gives items to the screen until one of the three reasons to stop.
struct Items<'s, 'a> {
    screen: &'s mut Screen<'a>,
    left: usize,
    stop: Option<Stop>,
}

impl<'s, 'a> Items<'s, 'a> {
    fn new(screen: &'s mut Screen<'a>) -> Self {
        Self { screen, left: ITEMS_MAX, stop: None }
    }

    fn show(&mut self, item: &Shown) -> Result<(), StoreError> {
        if self.left == 0 {
            self.stop = Some(Stop::Enough);
            return Err(StoreError::Interrupted);
        }
        self.left -= 1;
        self.screen.show(item).map_err(|error| {
            self.stop = Some(Stop::Sink(error));
            StoreError::Interrupted
        })
    }

    fn end(self, walked: Result<(), StoreError>) -> io::Result<()> {
        match (walked, self.stop) {
            (_, Some(Stop::Sink(error))) => Err(error),
            (_, Some(Stop::Enough)) => self.screen.show(&Shown::new("more").with("shown", ITEMS_MAX)),
            (Ok(()), None) => Ok(()),
            (Err(error), None) => self.screen.show(&Shown::new("content").but(why(error))),
        }
    }
}

/// Shows the entries of a directory up to the first node that does not read.
///
/// # Errors
/// Those of the sink.
pub fn show_dir(reader: &ObjectReader, root: &Pointer, screen: &mut Screen<'_>) -> io::Result<()> {
    let mut items = Items::new(screen);
    let walked = for_each_entry(reader, root, &mut |entry| items.show(&describe_entry(&entry)));
    items.end(walked)
}

/// Shows the extents of a file, and for each chunk, the first time, where it lies and whether it opens.
///
/// # Errors
/// Those of the sink.
pub fn show_extents(reader: &ObjectReader, content: &Content, screen: &mut Screen<'_>) -> io::Result<()> {
    let mut items = Items::new(screen);
    let mut seen = HashSet::new();
    let walked = for_each_extent(reader, content, &mut |extent| {
        let shown = describe_extent(extent);
        let chunk = &extent.chunk;
        if !seen.insert((chunk.id, chunk.dedup_generation)) {
            return items.show(&shown);
        }
        let place = reader.index().find(&chunk.id, chunk.dedup_generation);
        let shown = shown.with("pack", place.map(|place| layout::pack(&place.pack).to_string()));
        items.show(&match reader.read(chunk) {
            Ok(_) => shown.with("opens", true),
            Err(error) => shown.with("opens", false).but(why(error)),
        })
    });
    items.end(walked)
}
