//! A place in a directory: its entries by name, one after the other, with whole nodes that can be passed over unread.
//!
//! Holds the nodes of one path from the root down, so a directory of any size costs little memory. Every level, every
//! first name and the order of the entries are checked as they come.

use crate::base::EntryName;
use crate::format::tree::{Entry, TreeNode};
use crate::format::{FormatError, Pointer};
use crate::store::StoreError;
use crate::store::reader::ObjectReader;

/// A node of a directory that was not read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// The node.
    pub pointer: Pointer,
    /// What its parent says of it; nothing for the root.
    pub said: Option<Said>,
}

/// What a parent says of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The level of the node.
    pub level: u8,
    /// The name of the first entry below it.
    pub first: EntryName,
}

/// What comes next in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Front {
    /// An entry.
    Entry(Box<Entry>),
    /// A node with at least one entry, or the root.
    Node(Unread),
}

/// Runs over one directory.
pub struct Cursor<'a> {
    reader: &'a ObjectReader,
    /// What is still to come, the next one last.
    ahead: Vec<Front>,
    last: Option<EntryName>,
}

impl<'a> Cursor<'a> {
    /// Stands before the first entry; nothing was read yet.
    #[must_use]
    pub fn new(reader: &'a ObjectReader, root: &Pointer) -> Self {
        Self { reader, ahead: vec![Front::Node(Unread { pointer: *root, said: None })], last: None }
    }

    /// Stands at the end of a directory that is not there.
    #[must_use]
    pub fn empty(reader: &'a ObjectReader) -> Self {
        Self { reader, ahead: Vec::new(), last: None }
    }

    /// Returns what comes next.
    #[must_use]
    pub fn front(&self) -> Option<&Front> {
        self.ahead.last()
    }

    /// Passes over what comes next, a node with all that lies below it.
    pub fn skip(&mut self) {
        self.ahead.pop();
    }

    /// Reads the node that comes next and puts what it holds in its place; an entry stays.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] and others; the cursor then stands at the end.
    pub fn open(&mut self) -> Result<(), StoreError> {
        let Some(Front::Node(node)) = self.ahead.last() else { return Ok(()) };
        let opened = read_checked(self.reader, node);
        self.ahead.pop();
        match opened {
            Ok(TreeNode::Leaf(entries)) => {
                self.ahead.extend(entries.into_iter().rev().map(|entry| Front::Entry(Box::new(entry))));
            }
            Ok(TreeNode::Inner(level, children)) => self.ahead.extend(children.into_iter().rev().map(|child| {
                let said = Some(Said { level: level - 1, first: child.first });
                Front::Node(Unread { pointer: child.pointer, said })
            })),
            Err(error) => {
                self.ahead.clear();
                return Err(error);
            }
        }
        Ok(())
    }

    /// Takes the next entry.
    ///
    /// # Errors
    /// As [`Cursor::open`].
    pub fn next_entry(&mut self) -> Result<Option<Entry>, StoreError> {
        while let Some(Front::Node(_)) = self.ahead.last() {
            self.open()?;
        }
        let Some(Front::Entry(entry)) = self.ahead.pop() else { return Ok(None) };
        if self.last.as_ref().is_some_and(|last| *last >= entry.name) {
            self.ahead.clear();
            return Err(StoreError::corrupt("a directory", FormatError::NotCanonical("the order of its entries")));
        }
        self.last = Some(entry.name.clone());
        Ok(Some(*entry))
    }
}

/// Reads a node and checks it against what its parent says.
///
/// # Errors
/// [`StoreError::Corrupt`] and others.
pub fn read_checked(reader: &ObjectReader, node: &Unread) -> Result<TreeNode, StoreError> {
    let pointer = &node.pointer;
    let plain = reader.read(pointer)?;
    let read = TreeNode::decode(&plain).map_err(|error| StoreError::format(format!("tree {}", pointer.id), error))?;
    let (level, first) = match &read {
        TreeNode::Leaf(entries) => (0, entries.first().map(|entry| &entry.name)),
        TreeNode::Inner(level, children) => (*level, children.first().map(|child| &child.first)),
    };
    let holds = node.said.as_ref().is_none_or(|said| said.level == level && Some(&said.first) == first);
    if holds { Ok(read) } else { Err(misshapen(pointer)) }
}

/// Makes the error for a node that is not what its place asks for.
#[must_use]
pub fn misshapen(pointer: &Pointer) -> StoreError {
    StoreError::corrupt(format!("node {}", pointer.id), FormatError::NotCanonical("the order or level of its children"))
}
