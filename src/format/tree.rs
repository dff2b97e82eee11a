//! Tree nodes: the entries of a directory, sorted by name, in a leaf or below an inner node.

use super::codec::{Decoder, Encoder, Extensions, FormatError, get_extensions, put_extensions};
use super::pointer::{Extent, Kind, Pointer, PointerTable, ReadTable, get_extent, put_extent};
use crate::base::{EntryName, FileId};

const WHOLE: &str = "a tree";
const VERSION: u8 = 1;
/// Most levels of one directory's or one file's nodes.
pub const LEVELS_MAX: u8 = 16;
/// Longest plaintext of one node: where the splitting rule closes it, and one entry of the longest kind with room.
pub const NODE_MAX_BYTES: usize = 8 << 20;
/// Longest target of a symbolic link.
pub const TARGET_MAX_BYTES: usize = 64 * 1024;
/// Longest name of a user or group.
pub const OWNER_MAX_BYTES: usize = 256;
/// Most extents that a file's entry holds itself; more go to a list.
pub const INLINE_EXTENTS_MAX: usize = 32;

/// Permission bits, owner and time of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Meta {
    /// Permission bits, 0 to 0o7777.
    pub mode: u32,
    /// Last change of the content: seconds since 1970.
    pub mtime_secs: i64,
    /// Nanoseconds after them, below 1,000,000,000.
    pub mtime_nanos: u32,
    /// Owner's number.
    pub uid: u32,
    /// Group's number.
    pub gid: u32,
    /// Owner's name, empty where the system knows none.
    pub user: String,
    /// Group's name, likewise.
    pub group: String,
}

/// Where a file's content lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Up to 32 extents.
    Inline(Vec<Extent>),
    /// The root of a list of extents.
    List(Pointer),
}

/// What an entry is, with what only that type has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A regular file.
    File {
        /// Length in bytes; the extents add up to it.
        len_bytes: u64,
        /// Its content.
        content: Content,
    },
    /// A directory.
    Dir {
        /// The root node of its entries.
        tree: Pointer,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points, as bytes.
        target: Vec<u8>,
    },
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character device and its number.
    CharDevice(u64),
    /// A block device and its number.
    BlockDevice(u64),
}

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: EntryName,
    /// The id that it keeps through renames; hard links share it.
    pub file_id: FileId,
    /// Whether other entries of the snapshot may be the same file.
    pub hard_linked: bool,
    /// Permission bits, owner, time.
    pub meta: Meta,
    /// What it is.
    pub node: Node,
    /// Extended attributes, time of birth, holes (see [`super::attributes`]), and fields of later versions.
    pub extensions: Extensions,
}

/// A child of an inner node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// The name of the first entry below it.
    pub first: EntryName,
    /// The node, one level lower.
    pub pointer: Pointer,
    /// How many entries lie below it.
    pub entries: u64,
}

/// One node of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TreeNode {
    /// Level 0: entries by name, strictly ascending; only an empty directory's root has none.
    Leaf(Vec<Entry>),
    /// A higher level: its number and its children by first name, at least two.
    Inner(u8, Vec<Child>),
}

impl TreeNode {
    /// Writes the plaintext.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::new();
        out.u8(VERSION);
        match self {
            Self::Leaf(entries) => {
                let mut table = PointerTable::default();
                let mut body = Encoder::new();
                entries.iter().for_each(|entry| put_entry(&mut body, &mut table, entry));
                out.u8(0);
                table.put(&mut out);
                out.count(entries.len());
                out.raw(&body.finish());
            }
            Self::Inner(level, children) => {
                out.u8(*level);
                out.count(children.len());
                for child in children {
                    out.bytes(child.first.as_bytes());
                    child.pointer.put(&mut out);
                    out.number(child.entries);
                }
            }
        }
        out.finish()
    }

    /// Reads the plaintext.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        if bytes.len() > NODE_MAX_BYTES {
            return Err(FormatError::Limit(WHOLE));
        }
        let mut input = Decoder::new(WHOLE, bytes);
        input.version(VERSION)?;
        let level = input.u8()?;
        let node = if level == 0 { Self::Leaf(get_leaf(&mut input)?) } else { get_inner(&mut input, level)? };
        input.end()?;
        Ok(node)
    }
}

/// Returns the length in bytes that an entry would take alone in a node, which is what node boundaries go by.
#[must_use]
pub fn entry_len_alone(entry: &Entry) -> usize {
    let mut table = PointerTable::default();
    let mut out = Encoder::new();
    put_entry(&mut out, &mut table, entry);
    table.put(&mut out);
    out.len()
}

fn get_leaf(input: &mut Decoder<'_>) -> Result<Vec<Entry>, FormatError> {
    let mut table = ReadTable::get(input)?;
    let count = input.count(ENTRY_MIN_BYTES)?;
    let mut entries: Vec<Entry> = Vec::with_capacity(count);
    for _ in 0..count {
        let entry = get_entry(input, &mut table)?;
        if entries.last().is_some_and(|last| last.name >= entry.name) {
            return Err(FormatError::NotCanonical(WHOLE));
        }
        entries.push(entry);
    }
    table.end(WHOLE)?;
    Ok(entries)
}

fn get_inner(input: &mut Decoder<'_>, level: u8) -> Result<TreeNode, FormatError> {
    let count = input.count(Pointer::MIN_BYTES + 3)?;
    if level > LEVELS_MAX || count < 2 {
        return Err(FormatError::Limit(WHOLE));
    }
    let mut children: Vec<Child> = Vec::with_capacity(count);
    for _ in 0..count {
        let child =
            Child { first: get_name(input)?, pointer: Pointer::get(input, Kind::Tree)?, entries: input.number()? };
        if children.last().is_some_and(|last| last.first >= child.first) {
            return Err(FormatError::NotCanonical(WHOLE));
        }
        children.push(child);
    }
    Ok(TreeNode::Inner(level, children))
}

fn get_name(input: &mut Decoder<'_>) -> Result<EntryName, FormatError> {
    let bytes = input.bytes(crate::base::paths::NAME_MAX_BYTES)?;
    EntryName::new(bytes).map_err(|_| FormatError::Limit("the name of an entry"))
}

const HARD_LINKED: u8 = 1;
/// A pipe with a name of one byte and nothing else to say.
const ENTRY_MIN_BYTES: usize = 2 + 2 + 16 + 7 + 1;

fn put_entry(out: &mut Encoder, table: &mut PointerTable, entry: &Entry) {
    out.bytes(entry.name.as_bytes());
    out.u8(match entry.node {
        Node::File { .. } => 1,
        Node::Dir { .. } => 2,
        Node::Symlink { .. } => 3,
        Node::Fifo => 4,
        Node::Socket => 5,
        Node::CharDevice(_) => 6,
        Node::BlockDevice(_) => 7,
    });
    out.u8(if entry.hard_linked { HARD_LINKED } else { 0 });
    out.raw(&entry.file_id.0);
    put_meta(out, &entry.meta);
    match &entry.node {
        Node::File { len_bytes, content } => {
            out.number(*len_bytes);
            put_content(out, table, content);
        }
        Node::Dir { tree } => out.number(table.place(tree)),
        Node::Symlink { target } => out.bytes(target),
        Node::CharDevice(rdev) | Node::BlockDevice(rdev) => out.number(*rdev),
        Node::Fifo | Node::Socket => {}
    }
    put_extensions(out, &entry.extensions);
}

fn get_entry(input: &mut Decoder<'_>, table: &mut ReadTable) -> Result<Entry, FormatError> {
    let name = get_name(input)?;
    let kind = input.u8()?;
    let flags = input.u8()?;
    if flags & !HARD_LINKED != 0 {
        return Err(FormatError::TooNew(WHOLE));
    }
    let file_id = FileId(input.array()?);
    let meta = get_meta(input)?;
    let node = match kind {
        1 => {
            let len_bytes = input.number()?;
            Node::File { len_bytes, content: get_content(input, table, len_bytes)? }
        }
        2 => Node::Dir { tree: table.take(input, Kind::Tree)? },
        3 => Node::Symlink { target: input.bytes(TARGET_MAX_BYTES)?.to_vec() },
        4 => Node::Fifo,
        5 => Node::Socket,
        6 => Node::CharDevice(input.number()?),
        7 => Node::BlockDevice(input.number()?),
        _ => return Err(FormatError::TooNew("the type of an entry")),
    };
    Ok(Entry { name, file_id, hard_linked: flags & HARD_LINKED != 0, meta, node, extensions: get_extensions(input)? })
}

/// Writes mode, time and owner.
pub(super) fn put_meta(out: &mut Encoder, meta: &Meta) {
    out.number(u64::from(meta.mode));
    out.signed(meta.mtime_secs);
    out.number(u64::from(meta.mtime_nanos));
    out.number(u64::from(meta.uid));
    out.number(u64::from(meta.gid));
    out.bytes(meta.user.as_bytes());
    out.bytes(meta.group.as_bytes());
}

/// Reads mode, time and owner.
pub(super) fn get_meta(input: &mut Decoder<'_>) -> Result<Meta, FormatError> {
    Ok(Meta {
        mode: input.number_to(0o7777)? as u32,
        mtime_secs: input.signed()?,
        mtime_nanos: input.number_to(999_999_999)? as u32,
        uid: input.number_u32()?,
        gid: input.number_u32()?,
        user: input.text(OWNER_MAX_BYTES)?,
        group: input.text(OWNER_MAX_BYTES)?,
    })
}

fn put_content(out: &mut Encoder, table: &mut PointerTable, content: &Content) {
    match content {
        Content::Inline(extents) => {
            out.count(extents.len());
            extents.iter().for_each(|extent| put_extent(out, table, extent));
        }
        Content::List(pointer) => {
            out.count(INLINE_EXTENTS_MAX + 1);
            out.number(table.place(pointer));
        }
    }
}

fn get_content(input: &mut Decoder<'_>, table: &mut ReadTable, len_bytes: u64) -> Result<Content, FormatError> {
    let count = input.number_to(INLINE_EXTENTS_MAX as u64 + 1)?;
    if count > INLINE_EXTENTS_MAX as u64 {
        return Ok(Content::List(table.take(input, Kind::List)?));
    }
    let extents = (0..count).map(|_| get_extent(input, table)).collect::<Result<Vec<_>, _>>()?;
    let total: u64 = extents.iter().map(|extent| extent.len_bytes).sum();
    if total == len_bytes { Ok(Content::Inline(extents)) } else { Err(FormatError::Limit("the length of a file")) }
}
