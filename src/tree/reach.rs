//! Which objects a directory reaches, each told once, however many places name it.
//!
//! Cost: a bit for each object of the store, and the meta objects read once each.

use super::cursor::{Unread, read_checked};
use crate::format::list::ListNode;
use crate::format::tree::{Content, Node, TreeNode};
use crate::format::{Extent, Pointer};
use crate::store::StoreError;
use crate::store::index::Place;
use crate::store::reader::ObjectReader;

/// The objects that were met so far. One set may serve several snapshots, the later ones of which then tell what only
/// they add.
#[derive(Debug, Clone, Default)]
pub struct Met {
    bits: Vec<u64>,
}

impl Met {
    /// Returns whether an object was met, by its number in the index.
    #[must_use]
    pub fn contains(&self, at: usize) -> bool {
        self.bits.get(at / 64).is_some_and(|word| word & 1 << (at % 64) != 0)
    }

    /// Notes an object by its number in the index; tells whether it is new.
    pub fn insert(&mut self, at: usize) -> bool {
        let (word, bit) = (at / 64, 1 << (at % 64));
        if self.bits.len() <= word {
            self.bits.resize(word + 1, 0);
        }
        let is_new = self.bits[word] & bit == 0;
        self.bits[word] |= bit;
        is_new
    }
}

/// Tells of objects that are met for the first time.
pub trait Visitor {
    /// Hears of an object.
    ///
    /// # Errors
    /// Those of the visitor; they end the visit.
    fn object(&mut self, place: &Place) -> Result<(), StoreError>;

    /// Hears of an object that is in no pack, or that does not read so that what it names stays unknown.
    ///
    /// # Errors
    /// Those of the visitor; they end the visit.
    fn lost(&mut self, pointer: &Pointer, error: StoreError) -> Result<(), StoreError>;
}

/// Visits a tree node and all that it reaches.
///
/// # Errors
/// Those of the visitor.
pub fn reach(
    reader: &ObjectReader,
    root: &Pointer,
    met: &mut Met,
    visitor: &mut dyn Visitor,
) -> Result<(), StoreError> {
    visit(reader, vec![Ahead::Tree(Unread { pointer: *root, said: None })], met, visitor)
}

/// Visits what the content of one file reaches.
///
/// # Errors
/// Those of the visitor.
pub fn reach_content(
    reader: &ObjectReader,
    content: &Content,
    met: &mut Met,
    visitor: &mut dyn Visitor,
) -> Result<(), StoreError> {
    let mut ahead = Vec::new();
    content_ahead(content, &mut ahead);
    visit(reader, ahead, met, visitor)
}

fn visit(
    reader: &ObjectReader,
    mut ahead: Vec<Ahead>,
    met: &mut Met,
    visitor: &mut dyn Visitor,
) -> Result<(), StoreError> {
    while let Some(next) = ahead.pop() {
        let pointer = next.pointer();
        let Some((at, place)) = reader.index().locate(&pointer.id, pointer.dedup_generation) else {
            visitor.lost(&pointer, StoreError::damaged(format!("object {} (it is in no pack)", pointer.id)))?;
            continue;
        };
        if !met.insert(at) {
            continue;
        }
        visitor.object(&place)?;
        if let Err(error) = next.open(reader, &mut ahead) {
            visitor.lost(&pointer, error)?;
        }
    }
    Ok(())
}

/// An object that was named and not visited yet.
enum Ahead {
    Tree(Unread),
    List(Pointer),
    Chunk(Pointer),
}

impl Ahead {
    fn pointer(&self) -> Pointer {
        match self {
            Self::Tree(node) => node.pointer,
            Self::List(pointer) | Self::Chunk(pointer) => *pointer,
        }
    }

    /// Reads the object and puts what it names on the stack.
    fn open(&self, reader: &ObjectReader, ahead: &mut Vec<Self>) -> Result<(), StoreError> {
        match self {
            Self::Chunk(_) => {}
            Self::List(pointer) => {
                let plain = reader.read(pointer)?;
                let node = ListNode::decode(&plain);
                match node.map_err(|error| StoreError::format(format!("list {}", pointer.id), error))? {
                    ListNode::Leaf(extents) => chunks(&extents, ahead),
                    ListNode::Inner(_, children) => {
                        ahead.extend(children.iter().rev().map(|child| Self::List(child.pointer)));
                    }
                }
            }
            Self::Tree(node) => match read_checked(reader, node)? {
                TreeNode::Inner(_, children) => ahead.extend(children.into_iter().rev().map(|child| {
                    // A node that several parents name is read once, so none of them is asked for its level.
                    Self::Tree(Unread { pointer: child.pointer, said: None })
                })),
                TreeNode::Leaf(entries) => {
                    for entry in entries.iter().rev() {
                        match &entry.node {
                            Node::Dir { tree } => ahead.push(Self::Tree(Unread { pointer: *tree, said: None })),
                            Node::File { content, .. } => content_ahead(content, ahead),
                            _ => {}
                        }
                    }
                }
            },
        }
        Ok(())
    }
}

fn content_ahead(content: &Content, ahead: &mut Vec<Ahead>) {
    match content {
        Content::List(list) => ahead.push(Ahead::List(*list)),
        Content::Inline(extents) => chunks(extents, ahead),
    }
}

/// Puts chunks on the stack; neighbours in one chunk name it once.
fn chunks(extents: &[Extent], ahead: &mut Vec<Ahead>) {
    let mut last = None;
    for extent in extents.iter().rev() {
        if last != Some(extent.chunk.id) {
            ahead.push(Ahead::Chunk(extent.chunk));
            last = Some(extent.chunk.id);
        }
    }
}

#[cfg(test)]
mod tests;
