//! Reading snapshots, directories and files through pointers, with every order, level and length checked.
//!
//! Depth is bounded (16 levels of nodes, 512 of directories), so no tree, however made, runs without end.

use crate::base::paths::PATH_MAX_DEPTH;
use crate::base::{EntryName, RelPath};
use crate::format::list::ListNode;
use crate::format::snapshot::Snapshot;
use crate::format::tree::{Content, Entry, LEVELS_MAX, Node, TreeNode};
use crate::format::{Extent, FormatError, Pointer};
use crate::store::StoreError;
use crate::store::reader::ObjectReader;

/// What a path of a snapshot names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// The root directory, which has no entry of its own.
    Root,
    /// An entry.
    Entry(Box<Entry>),
}

/// Reads one node of a directory.
fn tree_node(reader: &ObjectReader, pointer: &Pointer) -> Result<TreeNode, StoreError> {
    let plain = reader.read(pointer)?;
    TreeNode::decode(&plain).map_err(|error| StoreError::format(format!("tree {}", pointer.id), error))
}

fn list_node(reader: &ObjectReader, pointer: &Pointer) -> Result<ListNode, StoreError> {
    let plain = reader.read(pointer)?;
    ListNode::decode(&plain).map_err(|error| StoreError::format(format!("list {}", pointer.id), error))
}

fn misshapen(pointer: &Pointer) -> StoreError {
    StoreError::corrupt(format!("node {}", pointer.id), FormatError::NotCanonical("the order or level of its children"))
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
    let mut last: Option<EntryName> = None;
    visit_tree(reader, root, None, None, &mut |entry| {
        if last.as_ref().is_some_and(|last| *last >= entry.name) {
            return Err(misshapen(root));
        }
        last = Some(entry.name.clone());
        take(entry)
    })
}

/// Visits the entries below a node of an expected level, the first of which must have the name that its parent says.
fn visit_tree(
    reader: &ObjectReader,
    pointer: &Pointer,
    level: Option<u8>,
    first: Option<&EntryName>,
    take: &mut dyn FnMut(Entry) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    match tree_node(reader, pointer)? {
        TreeNode::Leaf(entries) if level.is_none_or(|level| level == 0) => {
            if first.is_some() && entries.first().map(|entry| &entry.name) != first {
                return Err(misshapen(pointer));
            }
            entries.into_iter().try_for_each(take)
        }
        TreeNode::Inner(own, children) if level.is_none_or(|level| level == own) && own <= LEVELS_MAX => {
            if first.is_some() && children.first().map(|child| &child.first) != first {
                return Err(misshapen(pointer));
            }
            children
                .iter()
                .try_for_each(|child| visit_tree(reader, &child.pointer, Some(own - 1), Some(&child.first), take))
        }
        _ => Err(misshapen(pointer)),
    }
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
    let mut pointer = *root;
    for _ in 0..=LEVELS_MAX {
        match tree_node(reader, &pointer)? {
            TreeNode::Leaf(mut entries) => {
                let at = entries.binary_search_by(|entry| entry.name.cmp(name));
                return Ok(at.ok().map(|at| entries.swap_remove(at)));
            }
            TreeNode::Inner(_, children) => {
                let after = children.partition_point(|child| child.first <= *name);
                let Some(child) = after.checked_sub(1) else { return Ok(None) };
                pointer = children[child].pointer;
            }
        }
    }
    Err(misshapen(root))
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

/// Gives every entry below a directory to `take` with its path: a directory before what it holds.
///
/// `take` says whether to go into a directory. A directory that does not read is told to `broken`, and the walk goes on.
///
/// # Errors
/// Whatever `take` or `broken` return.
pub fn walk(
    reader: &ObjectReader,
    root: &Pointer,
    path: &RelPath,
    take: &mut dyn FnMut(&RelPath, &Entry) -> Result<bool, StoreError>,
    broken: &mut dyn FnMut(&RelPath, StoreError) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    if path.depth() >= PATH_MAX_DEPTH {
        return broken(path, StoreError::damaged("a directory that is nested too deep"));
    }
    let entries = match entries(reader, root) {
        Ok(entries) => entries,
        Err(error) => return broken(path, error),
    };
    for entry in &entries {
        let Ok(below) = path.join(&entry.name) else {
            broken(path, StoreError::damaged("a path that is too long"))?;
            continue;
        };
        let enter = take(&below, entry)?;
        if let Node::Dir { tree } = &entry.node
            && enter
        {
            walk(reader, tree, &below, take, broken)?;
        }
    }
    Ok(())
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
    match content {
        Content::Inline(extents) => extents.iter().try_for_each(take),
        Content::List(root) => visit_list(reader, root, None, take).map(|_| ()),
    }
}

/// Returns how many bytes lie below the node.
fn visit_list(
    reader: &ObjectReader,
    pointer: &Pointer,
    level: Option<u8>,
    take: &mut dyn FnMut(&Extent) -> Result<(), StoreError>,
) -> Result<u64, StoreError> {
    match list_node(reader, pointer)? {
        ListNode::Leaf(extents) if level.is_none_or(|level| level == 0) => {
            extents.iter().try_for_each(take)?;
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
        let start = usize::try_from(extent.offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(usize::try_from(extent.len_bytes).unwrap_or(usize::MAX));
        let slice = chunk.get(start..end).ok_or_else(|| StoreError::damaged("an extent outside its chunk"))?;
        total += extent.len_bytes;
        if total > len_bytes {
            return Err(StoreError::damaged("a file that is longer than its entry says"));
        }
        take(slice)
    })?;
    if total == len_bytes { Ok(()) } else { Err(StoreError::damaged("a file that is shorter than its entry says")) }
}
