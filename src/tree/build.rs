//! Nodes out of entries and extents: split where the content says so, so that one change rewrites one path of nodes.
//!
//! The rule is part of the format (`objects-format.md`, "Where nodes end"): two writers that hold the same entries
//! make the same nodes.

use crate::crypto::Secret;
use crate::format::list::{ListChild, ListNode};
use crate::format::tree::{Child, Content, Entry, INLINE_EXTENTS_MAX, TreeNode, entry_len_alone};
use crate::format::{Extent, Kind, Pointer};
use crate::store::StoreError;

/// A node is closed at the first item that the boundary key picks at or above this size.
const NODE_MIN_BYTES: u64 = 16 * 1024;
/// A node is closed at this size whatever the key says.
const NODE_MAX_BYTES: u64 = 64 * 1024;
/// What an item of a list, or the fixed part of a child, counts as.
const ITEM_BYTES: u64 = 80;

/// Takes a finished node and returns the pointer to it.
pub type NodeSink<'a> = &'a mut dyn FnMut(Kind, &[u8]) -> Result<Pointer, StoreError>;

/// Decides after each item whether the node ends there.
struct Boundary<'a> {
    key: &'a Secret,
    size_bytes: u64,
}

impl Boundary<'_> {
    fn closes_after(&mut self, len_bytes: u64, parts: &[&[u8]]) -> bool {
        self.size_bytes += len_bytes;
        let hash = self.key.keyed_hash(parts);
        let mut first = [0; 8];
        first.copy_from_slice(&hash[..8]);
        let picked = u128::from(u64::from_le_bytes(first)) * u128::from(NODE_MIN_BYTES) < u128::from(len_bytes) << 64;
        let closes = self.size_bytes >= NODE_MAX_BYTES || (self.size_bytes >= NODE_MIN_BYTES && picked);
        if closes {
            self.size_bytes = 0;
        }
        closes
    }
}

/// Cuts items into runs where `closes` says so; a last run shorter than `last_min` joins the one before it.
fn runs<T>(items: Vec<T>, last_min: usize, mut closes: impl FnMut(&T) -> bool) -> Vec<Vec<T>> {
    let mut runs = Vec::new();
    let mut run = Vec::new();
    for item in items {
        let closed = closes(&item);
        run.push(item);
        if closed {
            runs.push(std::mem::take(&mut run));
        }
    }
    match runs.last_mut() {
        Some(last) if run.len() < last_min => last.append(&mut run),
        _ if run.is_empty() => {}
        _ => runs.push(run),
    }
    runs
}

/// Makes the nodes of a directory as its entries come, sorted by name and without doubles. Holds one leaf, and a name and a pointer
/// of each leaf before it.
pub struct TreeBuilder<'k> {
    key: &'k Secret,
    boundary: Boundary<'k>,
    leaf: Vec<Entry>,
    children: Vec<Child>,
}

impl<'k> TreeBuilder<'k> {
    /// Starts an empty directory.
    #[must_use]
    pub fn new(key: &'k Secret) -> Self {
        Self { key, boundary: Boundary { key, size_bytes: 0 }, leaf: Vec::new(), children: Vec::new() }
    }

    /// Adds the next entry.
    ///
    /// # Errors
    /// Whatever the sink returns.
    pub fn push(&mut self, entry: Entry, put: NodeSink<'_>) -> Result<(), StoreError> {
        debug_assert!(self.leaf.last().is_none_or(|last| last.name < entry.name), "entries are sorted");
        let closes = self.boundary.closes_after(entry_len_alone(&entry) as u64, &[entry.name.as_bytes()]);
        self.leaf.push(entry);
        if closes { self.close(put) } else { Ok(()) }
    }

    fn close(&mut self, put: NodeSink<'_>) -> Result<(), StoreError> {
        let leaf = std::mem::take(&mut self.leaf);
        let Some(first) = leaf.first().map(|entry| entry.name.clone()) else { return Ok(()) };
        let entries = leaf.len() as u64;
        self.children.push(Child { first, pointer: put(Kind::Tree, &TreeNode::Leaf(leaf).encode())?, entries });
        Ok(())
    }

    /// Ends the directory and returns the pointer to its root.
    ///
    /// # Errors
    /// Whatever the sink returns.
    pub fn finish(mut self, put: NodeSink<'_>) -> Result<Pointer, StoreError> {
        if self.leaf.is_empty() && self.children.is_empty() {
            return put(Kind::Tree, &TreeNode::Leaf(Vec::new()).encode());
        }
        self.close(put)?;
        let mut children = self.children;
        for level in 1.. {
            if let [only] = &children[..] {
                return Ok(only.pointer);
            }
            let mut boundary = Boundary { key: self.key, size_bytes: 0 };
            let nodes = runs(children, 2, |child| {
                let name = child.first.as_bytes();
                boundary.closes_after(ITEM_BYTES + name.len() as u64, &[name])
            });
            children = Vec::with_capacity(nodes.len());
            for node in nodes {
                let (first, entries) = (node[0].first.clone(), node.iter().map(|child| child.entries).sum());
                let pointer = put(Kind::Tree, &TreeNode::Inner(level, node).encode())?;
                children.push(Child { first, pointer, entries });
            }
        }
        unreachable_level()
    }
}

/// Makes the nodes of a directory and returns the pointer to their root. Entries are sorted by name, without doubles.
///
/// # Errors
/// Whatever the sink returns.
pub fn build_tree(entries: Vec<Entry>, key: &Secret, put: NodeSink<'_>) -> Result<Pointer, StoreError> {
    let mut builder = TreeBuilder::new(key);
    entries.into_iter().try_for_each(|entry| builder.push(entry, put))?;
    builder.finish(put)
}

/// Makes a file's content as its extents come: in the entry itself while they are few, else as a list. Holds one leaf, and a
/// pointer of each leaf before it.
pub struct ContentBuilder<'k> {
    key: &'k Secret,
    boundary: Boundary<'k>,
    leaf: Vec<Extent>,
    /// Whether there are more extents than an entry holds.
    is_list: bool,
    children: Vec<ListChild>,
}

impl<'k> ContentBuilder<'k> {
    /// Starts an empty file.
    #[must_use]
    pub fn new(key: &'k Secret) -> Self {
        let (leaf, children) = (Vec::new(), Vec::new());
        Self { key, boundary: Boundary { key, size_bytes: 0 }, leaf, is_list: false, children }
    }

    /// Adds the next extent.
    ///
    /// # Errors
    /// Whatever the sink returns.
    pub fn push(&mut self, extent: Extent, put: NodeSink<'_>) -> Result<(), StoreError> {
        if self.is_list {
            return self.push_to_list(extent, put);
        }
        self.leaf.push(extent);
        if self.leaf.len() > INLINE_EXTENTS_MAX {
            self.is_list = true;
            let first = std::mem::take(&mut self.leaf);
            first.into_iter().try_for_each(|extent| self.push_to_list(extent, put))?;
        }
        Ok(())
    }

    fn push_to_list(&mut self, extent: Extent, put: NodeSink<'_>) -> Result<(), StoreError> {
        let place = [extent.offset.to_le_bytes(), extent.len_bytes.to_le_bytes()];
        let closes = self.boundary.closes_after(ITEM_BYTES, &[&extent.chunk.id.0, &place[0], &place[1]]);
        self.leaf.push(extent);
        if closes { self.close(put) } else { Ok(()) }
    }

    fn close(&mut self, put: NodeSink<'_>) -> Result<(), StoreError> {
        let leaf = std::mem::take(&mut self.leaf);
        if leaf.is_empty() {
            return Ok(());
        }
        let len_bytes = leaf.iter().map(|extent| extent.len_bytes).sum();
        self.children.push(ListChild { pointer: put(Kind::List, &ListNode::Leaf(leaf).encode())?, len_bytes });
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// Whatever the sink returns.
    pub fn finish(mut self, put: NodeSink<'_>) -> Result<Content, StoreError> {
        if !self.is_list {
            return Ok(Content::Inline(self.leaf));
        }
        self.close(put)?;
        let mut children = self.children;
        for level in 1.. {
            if let [only] = children[..] {
                return Ok(Content::List(only.pointer));
            }
            let mut boundary = Boundary { key: self.key, size_bytes: 0 };
            let nodes = runs(children, 2, |child| boundary.closes_after(ITEM_BYTES, &[&child.pointer.id.0]));
            children = Vec::with_capacity(nodes.len());
            for node in nodes {
                let len_bytes = node.iter().map(|child| child.len_bytes).sum();
                children
                    .push(ListChild { pointer: put(Kind::List, &ListNode::Inner(level, node).encode())?, len_bytes });
            }
        }
        unreachable_level()
    }
}

/// Makes a file's content of its extents: in the entry itself, or as a list.
///
/// # Errors
/// Whatever the sink returns.
pub fn build_content(extents: Vec<Extent>, key: &Secret, put: NodeSink<'_>) -> Result<Content, StoreError> {
    let mut builder = ContentBuilder::new(key);
    extents.into_iter().try_for_each(|extent| builder.push(extent, put))?;
    builder.finish(put)
}

/// Each level has at most a fifteenth of the nodes of the one below, so 255 levels are never reached.
fn unreachable_level<T>() -> Result<T, StoreError> {
    Err(StoreError::damaged("a tree of nodes that does not narrow"))
}

#[cfg(test)]
mod tests;
