//! Two directories side by side: what differs, at the cost of what differs.
//!
//! Nodes are split where their content says so, so directories that share most entries share most nodes; a node that both
//! name is passed over unread, with all that lies below it.

use std::cmp::Ordering;

use super::cursor::{Cursor, Front};
use super::read::too_many;
use crate::base::{EntryName, RelPath};
use crate::format::Pointer;
use crate::format::tree::{Entry, Node};
use crate::store::StoreError;
use crate::store::reader::ObjectReader;

/// An entry that only one of two directories has, or that they have in two ways under one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Only the old one has it.
    Old(Entry),
    /// Only the new one has it.
    New(Entry),
    /// Both have it, and not the same.
    Both(Box<Entry>, Box<Entry>),
}

impl Difference {
    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &EntryName {
        match self {
            Self::Old(entry) | Self::New(entry) => &entry.name,
            Self::Both(old, _) => &old.name,
        }
    }

    /// Returns the entry that stands there now, else the one that stood there.
    #[must_use]
    pub fn latest(&self) -> &Entry {
        match self {
            Self::Old(entry) | Self::New(entry) => entry,
            Self::Both(_, new) => new,
        }
    }

    /// Returns the directories that it leads into.
    #[must_use]
    pub fn trees(&self) -> Trees {
        let tree = |entry: &Entry| if let Node::Dir { tree } = entry.node { Some(tree) } else { None };
        match self {
            Self::Old(entry) => Trees { old: tree(entry), new: None },
            Self::New(entry) => Trees { old: None, new: tree(entry) },
            Self::Both(old, new) => Trees { old: tree(old), new: tree(new) },
        }
    }
}

/// Two directories; one that is not there counts as empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trees {
    /// The old one's root node.
    pub old: Option<Pointer>,
    /// The new one's.
    pub new: Option<Pointer>,
}

/// Gives what differs at and below two directories to `take`, by path: a directory before what it holds.
///
/// `take` says whether to go into what it was given. Where a directory stops to read, `broken` is told, and the walk goes on
/// behind it.
///
/// # Errors
/// [`StoreError::Corrupt`] when more than `entries_max` differ; whatever `take` or `broken` return.
pub fn walk_differences(
    reader: &ObjectReader,
    trees: Trees,
    path: &RelPath,
    entries_max: u64,
    take: &mut dyn FnMut(&RelPath, &Difference) -> Result<bool, StoreError>,
    broken: &mut dyn FnMut(&RelPath, StoreError) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut left = entries_max;
    let mut open = vec![(path.clone(), Differences::new(reader, trees))];
    while let Some((path, differences)) = open.last_mut() {
        let difference = match differences.next_difference() {
            Ok(Some(difference)) => difference,
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
        let Ok(below) = path.join(difference.name()) else {
            broken(path, StoreError::damaged("a path that is too long or nested too deep"))?;
            continue;
        };
        let trees = difference.trees();
        if take(&below, &difference)? && trees.old != trees.new {
            open.push((below, Differences::new(reader, trees)));
        }
    }
    Ok(())
}

/// Runs over two directories and gives what differs, by name.
pub struct Differences<'a> {
    old: Cursor<'a>,
    new: Cursor<'a>,
}

impl<'a> Differences<'a> {
    /// Stands before the first difference; nothing was read yet.
    #[must_use]
    pub fn new(reader: &'a ObjectReader, trees: Trees) -> Self {
        let cursor = |tree: Option<Pointer>| match tree {
            Some(tree) => Cursor::new(reader, &tree),
            None => Cursor::empty(reader),
        };
        Self { old: cursor(trees.old), new: cursor(trees.new) }
    }

    /// Takes the next difference.
    ///
    /// # Errors
    /// As [`Cursor::open`]; there is nothing more to come then.
    pub fn next_difference(&mut self) -> Result<Option<Difference>, StoreError> {
        loop {
            match self.step()? {
                Step::Met => {}
                Step::Found(difference) => return Ok(Some(*difference)),
                Step::End => return Ok(None),
            }
        }
    }

    fn step(&mut self) -> Result<Step, StoreError> {
        let order = match (self.old.front(), self.new.front()) {
            (None, None) => return Ok(Step::End),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) if old == new => {
                self.old.skip();
                self.new.skip();
                return Ok(Step::Met);
            }
            (Some(old), Some(new)) => first_name(old).cmp(&first_name(new)),
        };
        let is_node = |cursor: &Cursor<'_>| matches!(cursor.front(), Some(Front::Node(_)));
        let (open_old, open_new) = match order {
            Ordering::Less => (is_node(&self.old), false),
            Ordering::Greater => (false, is_node(&self.new)),
            // Both begin alike: the higher one is opened, so that what they share comes to stand side by side.
            Ordering::Equal => {
                let (old, new) = (height(&self.old), height(&self.new));
                (is_node(&self.old) && old >= new, is_node(&self.new) && new >= old)
            }
        };
        if open_old {
            self.old.open()?;
        }
        if open_new {
            self.new.open()?;
        }
        if open_old || open_new {
            return Ok(Step::Met);
        }
        self.take(order)
    }

    fn take(&mut self, order: Ordering) -> Result<Step, StoreError> {
        let old = if order == Ordering::Greater { None } else { self.old.next_entry()? };
        let new = if order == Ordering::Less { None } else { self.new.next_entry()? };
        Ok(match (old, new) {
            (Some(old), Some(new)) => Step::Found(Box::new(Difference::Both(Box::new(old), Box::new(new)))),
            (Some(old), None) => Step::Found(Box::new(Difference::Old(old))),
            (None, Some(new)) => Step::Found(Box::new(Difference::New(new))),
            (None, None) => Step::End,
        })
    }
}

enum Step {
    /// Something was passed over or opened.
    Met,
    Found(Box<Difference>),
    End,
}

/// Returns the first name that lies there; nothing, which is before all names, for a root that was not read.
fn first_name(front: &Front) -> Option<&EntryName> {
    match front {
        Front::Entry(entry) => Some(&entry.name),
        Front::Node(node) => node.said.as_ref().map(|said| &said.first),
    }
}

/// Returns how high what comes next stands: 0 an entry, 1 a leaf, and a root that was not read above all.
fn height(cursor: &Cursor<'_>) -> u16 {
    match cursor.front() {
        None | Some(Front::Entry(_)) => 0,
        Some(Front::Node(node)) => node.said.as_ref().map_or(u16::MAX, |said| u16::from(said.level) + 1),
    }
}

#[cfg(test)]
mod tests;
