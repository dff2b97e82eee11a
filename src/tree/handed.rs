//! The pointers that trees hand on: the only place where the key to an object stands once the secret that made it is gone.

use std::collections::HashMap;

use super::cursor::{Unread, read_checked};
use super::reach::Met;
use crate::base::ObjectId;
use crate::format::list::ListNode;
use crate::format::tree::{Content, Node, TreeNode};
use crate::format::{Kind, Pointer};
use crate::store::StoreError;
use crate::store::reader::ObjectReader;

/// Gathers the pointers to trees, lists and chunks that a directory leads to, as far as it reads, those that `wants` picks.
/// Objects that were met before are passed over.
///
/// Costs one reading of the trees and lists; of two pointers to one id, under two dedup generations, the later met stays.
///
/// # Errors
/// [`StoreError`] of a medium that went away, and what `check` returns between two nodes.
pub fn pointers(
    reader: &ObjectReader,
    root: &Pointer,
    met: &mut Met,
    wants: &dyn Fn(&Pointer) -> bool,
    check: &dyn Fn() -> Result<(), StoreError>,
    found: &mut HashMap<ObjectId, Pointer>,
) -> Result<(), StoreError> {
    let mut ahead = vec![*root];
    while let Some(pointer) = ahead.pop() {
        let Some((at, _)) = reader.index().locate(&pointer.id, pointer.dedup_generation) else { continue };
        if !met.insert(at) {
            continue;
        }
        if wants(&pointer) {
            found.insert(pointer.id, pointer);
        }
        let named = match pointer.kind {
            Kind::Tree => named_by_tree(reader, &pointer),
            Kind::List => named_by_list(reader, &pointer),
            _ => continue,
        };
        check()?;
        match named {
            Ok(named) => ahead.extend(named),
            Err(error) if error.costs_one_entry() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn named_by_tree(reader: &ObjectReader, pointer: &Pointer) -> Result<Vec<Pointer>, StoreError> {
    Ok(match read_checked(reader, &Unread { pointer: *pointer, said: None })? {
        TreeNode::Inner(_, children) => children.into_iter().map(|child| child.pointer).collect(),
        TreeNode::Leaf(entries) => {
            let mut named = Vec::new();
            for entry in entries {
                match entry.node {
                    Node::Dir { tree } => named.push(tree),
                    Node::File { content: Content::List(list), .. } => named.push(list),
                    Node::File { content: Content::Inline(extents), .. } => {
                        named.extend(extents.iter().map(|extent| extent.chunk));
                    }
                    _ => {}
                }
            }
            named
        }
    })
}

fn named_by_list(reader: &ObjectReader, pointer: &Pointer) -> Result<Vec<Pointer>, StoreError> {
    let plain = reader.read(pointer)?;
    let node = ListNode::decode(&plain);
    Ok(match node.map_err(|error| StoreError::format(format!("list {}", pointer.id), error))? {
        ListNode::Leaf(extents) => extents.iter().map(|extent| extent.chunk).collect(),
        ListNode::Inner(_, children) => children.into_iter().map(|child| child.pointer).collect(),
    })
}
