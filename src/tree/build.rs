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

/// Makes the nodes of a directory and returns the pointer to their root. Entries are sorted by name, without doubles.
///
/// # Errors
/// Whatever the sink returns.
pub fn build_tree(entries: Vec<Entry>, key: &Secret, put: NodeSink<'_>) -> Result<Pointer, StoreError> {
    debug_assert!(entries.is_sorted_by(|a, b| a.name < b.name), "entries are sorted");
    let mut boundary = Boundary { key, size_bytes: 0 };
    let mut leaves = runs(entries, 1, |e| boundary.closes_after(entry_len_alone(e) as u64, &[e.name.as_bytes()]));
    if leaves.len() < 2 {
        let only = leaves.pop().unwrap_or_default();
        return put(Kind::Tree, &TreeNode::Leaf(only).encode());
    }
    let mut children = Vec::with_capacity(leaves.len());
    for leaf in leaves {
        let (first, entries) = (leaf[0].name.clone(), leaf.len() as u64);
        children.push(Child { first, pointer: put(Kind::Tree, &TreeNode::Leaf(leaf).encode())?, entries });
    }
    for level in 1.. {
        let mut boundary = Boundary { key, size_bytes: 0 };
        let mut nodes = runs(children, 2, |child| {
            let name = child.first.as_bytes();
            boundary.closes_after(ITEM_BYTES + name.len() as u64, &[name])
        });
        if nodes.len() == 1 {
            let only = nodes.pop().unwrap_or_default();
            return put(Kind::Tree, &TreeNode::Inner(level, only).encode());
        }
        children = Vec::with_capacity(nodes.len());
        for node in nodes {
            let (first, entries) = (node[0].first.clone(), node.iter().map(|child| child.entries).sum());
            children.push(Child { first, pointer: put(Kind::Tree, &TreeNode::Inner(level, node).encode())?, entries });
        }
    }
    unreachable_level()
}

/// Makes a file's content of its extents: in the entry itself, or as a list.
///
/// # Errors
/// Whatever the sink returns.
pub fn build_content(extents: Vec<Extent>, key: &Secret, put: NodeSink<'_>) -> Result<Content, StoreError> {
    if extents.len() <= INLINE_EXTENTS_MAX {
        return Ok(Content::Inline(extents));
    }
    let mut boundary = Boundary { key, size_bytes: 0 };
    let leaves = runs(extents, 1, |extent| {
        let place = [extent.offset.to_le_bytes(), extent.len_bytes.to_le_bytes()];
        boundary.closes_after(ITEM_BYTES, &[&extent.chunk.id.0, &place[0], &place[1]])
    });
    let mut children = Vec::with_capacity(leaves.len());
    for leaf in leaves {
        let len_bytes = leaf.iter().map(|extent| extent.len_bytes).sum();
        children.push(ListChild { pointer: put(Kind::List, &ListNode::Leaf(leaf).encode())?, len_bytes });
    }
    for level in 1.. {
        if let [only] = children[..] {
            return Ok(Content::List(only.pointer));
        }
        let mut boundary = Boundary { key, size_bytes: 0 };
        let nodes = runs(children, 2, |child| boundary.closes_after(ITEM_BYTES, &[&child.pointer.id.0]));
        children = Vec::with_capacity(nodes.len());
        for node in nodes {
            let len_bytes = node.iter().map(|child| child.len_bytes).sum();
            children.push(ListChild { pointer: put(Kind::List, &ListNode::Inner(level, node).encode())?, len_bytes });
        }
    }
    unreachable_level()
}

/// Each level has at most a fifteenth of the nodes of the one below, so 255 levels are never reached.
fn unreachable_level<T>() -> Result<T, StoreError> {
    Err(StoreError::damaged("a tree of nodes that does not narrow"))
}

#[cfg(test)]
mod tests;
