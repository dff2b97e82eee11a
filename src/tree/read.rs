//! Reading snapshots, directories and files through pointers, with every order, level and length checked.
//!
//! Depth is bounded (16 levels of nodes, 512 of directories), and so is what a walk finds, by what the snapshot says
//! that it holds. So no tree, however made, runs without end.

use std::collections::VecDeque;

use super::cursor::{Cursor, Said, Unread, misshapen, read_checked};
use crate::base::{EntryName, RelPath};
use crate::disk::folder::FileKind;
use crate::format::list::ListNode;
use crate::format::snapshot::Snapshot;
use crate::format::tree::{Content, Entry, LEVELS_MAX, Node, TreeNode};
use crate::format::{Extent, Pointer};
use crate::store::StoreError;
use crate::store::reader::ObjectReader;

/// Entries that any snapshot may have beyond what it says.
const ENTRIES_ROOM: u64 = 1 << 16;
/// Entries that no snapshot may have, whatever it says: more than any file system holds.
const ENTRIES_CEILING: u64 = 1 << 32;

/// What a path of a snapshot names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// The root directory, which has no entry of its own.
    Root,
    /// An entry.
    Entry(Box<Entry>),
}

fn list_node(reader: &ObjectReader, pointer: &Pointer) -> Result<ListNode, StoreError> {
    let plain = reader.read(pointer)?;
    ListNode::decode(&plain).map_err(|error| StoreError::format(format!("list {}", pointer.id), error))
}

/// Gives every entry of a directory to `take`, by name.
///
/// # Errors
/// [`StoreError::Corrupt`] when a node does not hold; whatever `take` returns.
pub fn for_each_entry(
    reader: &ObjectReader,
    root: &Pointer,
    take: &mut dyn FnMut(Entry) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut cursor = Cursor::new(reader, root);
    while let Some(entry) = cursor.next_entry()? {
        take(entry)?;
    }
    Ok(())
}

/// Returns all entries of a directory, by name.
///
/// # Errors
/// As [`for_each_entry`].
pub fn entries(reader: &ObjectReader, root: &Pointer) -> Result<Vec<Entry>, StoreError> {
    let mut entries = Vec::new();
    for_each_entry(reader, root, &mut |entry| {
        entries.push(entry);
        Ok(())
    })?;
    Ok(entries)
}

/// Returns the entry of one name; costs one node a level.
///
/// # Errors
/// [`StoreError::Corrupt`].
pub fn lookup(reader: &ObjectReader, root: &Pointer, name: &EntryName) -> Result<Option<Entry>, StoreError> {
    let mut node = Unread { pointer: *root, said: None };
    // Each level is one below the last, which the check of a node holds to, so this ends.
    loop {
        match read_checked(reader, &node)? {
            TreeNode::Leaf(mut entries) => {
                let at = entries.binary_search_by(|entry| entry.name.cmp(name));
                return Ok(at.ok().map(|at| entries.swap_remove(at)));
            }
            TreeNode::Inner(level, mut children) => {
                let after = children.partition_point(|child| child.first <= *name);
                let Some(at) = after.checked_sub(1) else { return Ok(None) };
                let child = children.swap_remove(at);
                node = Unread { pointer: child.pointer, said: Some(Said { level: level - 1, first: child.first }) };
            }
        }
    }
}

/// Returns what a path names.
///
/// # Errors
/// [`StoreError::Corrupt`].
pub fn resolve(reader: &ObjectReader, snapshot: &Snapshot, path: &RelPath) -> Result<Option<Named>, StoreError> {
    let mut named = Named::Root;
    for name in path.names() {
        let tree = match &named {
            Named::Root => snapshot.root,
            Named::Entry(entry) => match entry.node {
                Node::Dir { tree } => tree,
                _ => return Ok(None),
            },
        };
        match lookup(reader, &tree, &name)? {
            Some(entry) => named = Named::Entry(Box::new(entry)),
            None => return Ok(None),
        }
    }
    Ok(Some(named))
}

/// Where a walk begins, and how much it may find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The directory's root node.
    pub tree: Pointer,
    /// The directory's path.
    pub path: RelPath,
    /// Most entries that may lie below it.
    pub entries_max: u64,
}

impl Start {
    /// Begins at a directory of a snapshot and bounds the walk by [`entries_max`].
    #[must_use]
    pub fn at(snapshot: &Snapshot, tree: &Pointer, path: &RelPath) -> Self {
        Self { tree: *tree, path: path.clone(), entries_max: entries_max(snapshot) }
    }
}

/// Returns how many entries a snapshot may unfold to: about what it says that it holds.
///
/// A hostile writer may name one directory from many places, so that a small store unfolds to more entries than anyone
/// could ever list. What a snapshot says is counted when it is made, but for what lay in a directory that was kept without
/// being readable; hence the room above it.
#[must_use]
pub fn entries_max(snapshot: &Snapshot) -> u64 {
    snapshot.totals.entries().saturating_mul(2).saturating_add(ENTRIES_ROOM).min(ENTRIES_CEILING)
}

/// Gives every entry below a directory to `take` with its path: a directory before what it holds.
///
/// `take` says whether to go into a directory. Where a directory stops to read, `broken` is told, and the walk goes on behind
/// it. Holds one node of each level of each directory on the way.
///
/// # Errors
/// [`StoreError::Corrupt`] when there is more than `entries_max`; whatever `take` or `broken` return.
pub fn walk(
    reader: &ObjectReader,
    start: &Start,
    take: &mut dyn FnMut(&RelPath, &Entry) -> Result<bool, StoreError>,
    broken: &mut dyn FnMut(&RelPath, StoreError) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut left = start.entries_max;
    let mut open = vec![(start.path.clone(), Cursor::new(reader, &start.tree))];
    while let Some((path, cursor)) = open.last_mut() {
        let entry = match cursor.next_entry() {
            Ok(Some(entry)) => entry,
            Ok(None) => {
                open.pop();
                continue;
            }
            Err(error) => {
                broken(path, error)?;
                open.pop();
                continue;
            }
        };
        left = left.checked_sub(1).ok_or_else(too_many)?;
        let Ok(below) = path.join(&entry.name) else {
            broken(path, StoreError::damaged("a path that is too long or nested too deep"))?;
            continue;
        };
        if take(&below, &entry)?
            && let Node::Dir { tree } = &entry.node
        {
            open.push((below, Cursor::new(reader, tree)));
        }
    }
    Ok(())
}

/// Makes the error for a snapshot that unfolds to more than it says.
#[must_use]
pub fn too_many() -> StoreError {
    StoreError::damaged("the snapshot, which holds more entries than it says,")
}

/// Gives every extent of a file's content to `take`, in order.
///
/// # Errors
/// [`StoreError::Corrupt`] when a node does not hold; whatever `take` returns.
pub fn for_each_extent(
    reader: &ObjectReader,
    content: &Content,
    take: &mut dyn FnMut(&Extent) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    for_each_piece(reader, content, &mut |piece| match piece {
        Piece::Node(_) => Ok(()),
        Piece::Extent(extent) => take(extent),
    })
}

/// Returns the type of a node as a folder has it.
#[must_use]
pub fn kind_of(node: &Node) -> FileKind {
    match node {
        Node::File { .. } => FileKind::File,
        Node::Dir { .. } => FileKind::Dir,
        Node::Symlink { .. } => FileKind::Symlink,
        Node::Fifo => FileKind::Fifo,
        Node::Socket => FileKind::Socket,
        Node::CharDevice(_) => FileKind::CharDevice,
        Node::BlockDevice(_) => FileKind::BlockDevice,
    }
}

/// What a file's content is made of.
#[derive(Debug, Clone, Copy)]
pub enum Piece<'a> {
    /// A node of a list, before what lies below it.
    Node(&'a Pointer),
    /// An extent.
    Extent(&'a Extent),
}

/// Gives every node and every extent of a file's content to `take`, in order.
///
/// # Errors
/// [`StoreError::Corrupt`] when a node does not hold; whatever `take` returns.
pub fn for_each_piece(
    reader: &ObjectReader,
    content: &Content,
    take: &mut dyn FnMut(Piece<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    match content {
        Content::Inline(extents) => extents.iter().try_for_each(|extent| take(Piece::Extent(extent))),
        Content::List(root) => visit_list(reader, root, None, take).map(|_| ()),
    }
}

/// Returns how many bytes lie below the node.
fn visit_list(
    reader: &ObjectReader,
    pointer: &Pointer,
    level: Option<u8>,
    take: &mut dyn FnMut(Piece<'_>) -> Result<(), StoreError>,
) -> Result<u64, StoreError> {
    take(Piece::Node(pointer))?;
    match list_node(reader, pointer)? {
        ListNode::Leaf(extents) if level.is_none_or(|level| level == 0) => {
            extents.iter().try_for_each(|extent| take(Piece::Extent(extent)))?;
            Ok(extents.iter().map(|extent| extent.len_bytes).sum())
        }
        ListNode::Inner(own, children) if level.is_none_or(|level| level == own) && own <= LEVELS_MAX => {
            let mut total = 0;
            for child in &children {
                let below = visit_list(reader, &child.pointer, Some(own - 1), take)?;
                if below != child.len_bytes {
                    return Err(misshapen(pointer));
                }
                total += below;
            }
            Ok(total)
        }
        _ => Err(misshapen(pointer)),
    }
}

/// Streams a file's bytes to `take` in order; checks that they add up to `len_bytes`.
///
/// # Errors
/// [`StoreError::Corrupt`] when a chunk is missing, does not open, or the lengths do not add up; whatever `take` returns.
pub fn stream_file(
    reader: &ObjectReader,
    len_bytes: u64,
    content: &Content,
    take: &mut dyn FnMut(&[u8]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut total = 0u64;
    for_each_extent(reader, content, &mut |extent| {
        let chunk = reader.read(&extent.chunk)?;
        let slice = slice_of(&chunk, extent)?;
        total += extent.len_bytes;
        if total > len_bytes {
            return Err(StoreError::damaged("a file that is longer than its entry says"));
        }
        take(slice)
    })?;
    if total == len_bytes { Ok(()) } else { Err(StoreError::damaged("a file that is shorter than its entry says")) }
}

/// Most extents of a file that are held to be compared: of files that long, and of lists that name one node time and again.
const COMPARED_EXTENTS_MAX: usize = 500_000;

/// Returns whether two contents of one length have the same bytes. Chunks that both name are not read. Contents of more than
/// half a million extents count as different.
///
/// # Errors
/// [`StoreError::Corrupt`] and others.
pub fn same_bytes(reader: &ObjectReader, one: &Content, other: &Content) -> Result<bool, StoreError> {
    let extents = |content: &Content| {
        let mut all = VecDeque::new();
        let listed = for_each_extent(reader, content, &mut |extent| {
            all.push_back(*extent);
            if all.len() <= COMPARED_EXTENTS_MAX { Ok(()) } else { Err(StoreError::damaged("a list without end")) }
        });
        if all.len() > COMPARED_EXTENTS_MAX { Ok(None) } else { listed.map(|()| Some(all)) }
    };
    let (Some(mut one), Some(mut other)) = (extents(one)?, extents(other)?) else { return Ok(false) };
    while let (Some(a), Some(b)) = (one.front_mut(), other.front_mut()) {
        let len_bytes = a.len_bytes.min(b.len_bytes);
        let is_shared = a.chunk == b.chunk && a.offset == b.offset;
        if !is_shared && stretch(reader, a, len_bytes)? != stretch(reader, b, len_bytes)? {
            return Ok(false);
        }
        for extents in [&mut one, &mut other] {
            if let Some(front) = extents.front_mut() {
                front.offset += len_bytes;
                front.len_bytes -= len_bytes;
            }
            extents.pop_front_if(|front| front.len_bytes == 0);
        }
    }
    Ok(one.is_empty() && other.is_empty())
}

/// Reads the first bytes of an extent.
fn stretch(reader: &ObjectReader, extent: &Extent, len_bytes: u64) -> Result<Vec<u8>, StoreError> {
    let chunk = reader.read(&extent.chunk)?;
    Ok(slice_of(&chunk, &Extent { len_bytes, ..*extent })?.to_vec())
}

/// Returns the part of a chunk that an extent names.
fn slice_of<'a>(chunk: &'a [u8], extent: &Extent) -> Result<&'a [u8], StoreError> {
    let start = usize::try_from(extent.offset).unwrap_or(usize::MAX);
    let end = start.saturating_add(usize::try_from(extent.len_bytes).unwrap_or(usize::MAX));
    chunk.get(start..end).ok_or_else(|| StoreError::damaged("an extent outside its chunk"))
}

#[cfg(test)]
mod tests;
