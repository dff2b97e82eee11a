//! Decoded nodes of directories and of files' extents, kept for a while, and the ways down to one entry or one byte.
//!
//! A directory of a million entries costs a node a level for one name or one position. Positions come from the counts that inner
//! nodes hold, so each count is checked against what lies below it, and so are levels, first names and order.
//!
//! Memory: 16 MiB of nodes, counted as three times their plaintext.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::base::lru::Lru;
use crate::base::{EntryName, ObjectId};
use crate::format::list::{ListChild, ListNode};
use crate::format::tree::{Child, Content, Entry, TreeNode};
use crate::format::{Extent, Pointer};
use crate::store::StoreError;
use crate::store::cache::Plaintext;
use crate::store::reader::ObjectReader;
use crate::tree::cursor::misshapen;

const DECODED_BYTES: usize = 16 << 20;
/// What a decoded node takes, in lengths of its plaintext.
const DECODED_RATIO: usize = 3;

/// A directory's or a list's node.
#[derive(Clone)]
enum Decoded {
    Leaf(Arc<Vec<Entry>>),
    Inner(u8, Arc<Vec<Child>>),
    Extents(Arc<Vec<Extent>>),
    Lists(u8, Arc<Vec<ListChild>>),
}

/// A leaf, and the number of entries before it.
type Reached = (Arc<Vec<Entry>>, u64);

/// An entry in its leaf.
#[derive(Clone)]
pub struct Placed {
    leaf: Arc<Vec<Entry>>,
    at: usize,
    /// Its place in its directory, counted from 0 by name.
    pub position: u32,
}

impl Placed {
    /// Returns the entry.
    #[must_use]
    pub fn entry(&self) -> &Entry {
        &self.leaf[self.at]
    }

    /// Returns the next entry of the same leaf.
    #[must_use]
    pub fn next(&self) -> Option<Self> {
        let (at, position) = (self.at + 1, self.position.checked_add(1)?);
        (at < self.leaf.len()).then(|| Self { leaf: Arc::clone(&self.leaf), at, position })
    }
}

/// Reads nodes.
pub struct Nodes {
    reader: Arc<ObjectReader>,
    decoded: Mutex<Lru<ObjectId, Decoded>>,
}

impl Nodes {
    /// Reads through a reader.
    #[must_use]
    pub fn new(reader: impl Into<Arc<ObjectReader>>) -> Self {
        Self { reader: reader.into(), decoded: Mutex::new(Lru::new(DECODED_BYTES)) }
    }

    /// Returns the reader.
    #[must_use]
    pub fn reader(&self) -> &Arc<ObjectReader> {
        &self.reader
    }

    /// Returns the entry of a name; costs at most one node a level.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] and others.
    pub fn find(&self, tree: &Pointer, name: &EntryName) -> Result<Option<Placed>, StoreError> {
        let found =
            self.down(tree, &mut |children| children.partition_point(|child| child.first <= *name).checked_sub(1))?;
        let Some((leaf, before)) = found else { return Ok(None) };
        let at = leaf.binary_search_by(|entry| entry.name.cmp(name)).ok();
        at.map(|at| place(tree, leaf, at, before)).transpose()
    }

    /// Returns the entry at a position by name; costs at most one node a level.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] and others.
    pub fn at(&self, tree: &Pointer, position: u64) -> Result<Option<Placed>, StoreError> {
        let mut left = position;
        let found = self.down(tree, &mut |children| {
            children.iter().position(|child| {
                let is_below = left < child.entries;
                left -= if is_below { 0 } else { child.entries };
                is_below
            })
        })?;
        let Some((leaf, before)) = found else { return Ok(None) };
        let at = usize::try_from(left).ok().filter(|at| *at < leaf.len());
        at.map(|at| place(tree, leaf, at, before)).transpose()
    }

    /// Goes down to the leaf that `pick` leads to.
    fn down(
        &self,
        tree: &Pointer,
        pick: &mut dyn FnMut(&[Child]) -> Option<usize>,
    ) -> Result<Option<Reached>, StoreError> {
        let (mut pointer, mut said, mut before) = (*tree, None::<(u8, Child)>, 0u64);
        // The first name of what follows.
        let mut bound: Option<EntryName> = None;
        loop {
            let node = self.decoded(&pointer, false)?;
            let (level, first, last, entries) = match &node {
                Decoded::Leaf(leaf) => {
                    let name = |entry: Option<&Entry>| entry.map(|entry| entry.name.clone());
                    (0, name(leaf.first()), name(leaf.last()), Some(leaf.len() as u64))
                }
                Decoded::Inner(level, children) => {
                    let name = |child: Option<&Child>| child.map(|child| child.first.clone());
                    let entries = total(children.iter().map(|child| child.entries));
                    (*level, name(children.first()), name(children.last()), entries)
                }
                Decoded::Extents(_) | Decoded::Lists(..) => return Err(misshapen(&pointer)),
            };
            let is_said = said.as_ref().is_none_or(|(said_level, child)| {
                *said_level == level && first.as_ref() == Some(&child.first) && entries == Some(child.entries)
            });
            if !is_said || entries.is_none() || bound.as_ref().is_some_and(|bound| last.as_ref() >= Some(bound)) {
                return Err(misshapen(&pointer));
            }
            let children = match node {
                Decoded::Leaf(leaf) => return Ok(Some((leaf, before))),
                Decoded::Inner(_, children) => children,
                Decoded::Extents(_) | Decoded::Lists(..) => return Err(misshapen(&pointer)),
            };
            let Some(at) = pick(&children) else { return Ok(None) };
            let Some(child) = children.get(at) else { return Ok(None) };
            before += children[..at].iter().map(|child| child.entries).sum::<u64>();
            bound = children.get(at + 1).map(|next| next.first.clone()).or(bound);
            pointer = child.pointer;
            said = Some((level - 1, child.clone()));
        }
    }

    /// Reads bytes of a file; as many as asked for, but for the end of the file. Costs the chunks that hold them, and of a long
    /// file one node a level.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] and others.
    pub fn read(&self, file: (u64, &Content), offset: u64, len_bytes: usize) -> Result<Plaintext, StoreError> {
        let (file_bytes, content) = file;
        let end = offset.saturating_add(len_bytes as u64).min(file_bytes);
        let mut out = Vec::with_capacity(usize::try_from(end.saturating_sub(offset)).unwrap_or(0));
        let mut at = offset;
        while at < end {
            let was = at;
            match content {
                Content::Inline(extents) => self.copy(extents, 0, &mut at, end, &mut out)?,
                Content::List(root) => {
                    let (extents, start) = self.extents_at(root, file_bytes, at)?;
                    self.copy(&extents, start, &mut at, end, &mut out)?;
                }
            }
            if at == was {
                return Err(StoreError::damaged("a file that is shorter than its entry says"));
            }
        }
        Ok(Plaintext::new(out))
    }

    /// Copies what extents from `start` on hold between `at` and `end`, and moves `at` behind it.
    fn copy(
        &self,
        extents: &[Extent],
        start: u64,
        at: &mut u64,
        end: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        let mut from = start;
        for extent in extents {
            let to = from.saturating_add(extent.len_bytes);
            if from >= end {
                break;
            }
            if to > *at {
                let chunk = self.reader.read(&extent.chunk)?;
                let (skip, upto) = (*at - from, to.min(end) - from);
                let part = |inner: u64| usize::try_from(extent.offset.saturating_add(inner)).unwrap_or(usize::MAX);
                let slice = chunk.get(part(skip)..part(upto));
                out.extend_from_slice(slice.ok_or_else(|| StoreError::damaged("an extent outside its chunk"))?);
                *at = from + upto;
            }
            from = to;
        }
        Ok(())
    }

    /// Goes down a list to the leaf that holds a byte; returns it with the place in the file where it begins.
    fn extents_at(&self, root: &Pointer, file_bytes: u64, at: u64) -> Result<(Arc<Vec<Extent>>, u64), StoreError> {
        let (mut pointer, mut level, mut said_bytes, mut start) = (*root, None::<u8>, file_bytes, 0u64);
        loop {
            match self.decoded(&pointer, true)? {
                Decoded::Extents(extents)
                    if level.is_none_or(|level| level == 0)
                        && total(extents.iter().map(|extent| extent.len_bytes)) == Some(said_bytes) =>
                {
                    return Ok((extents, start));
                }
                Decoded::Lists(own, children)
                    if level.is_none_or(|level| level == own)
                        && total(children.iter().map(|child| child.len_bytes)) == Some(said_bytes) =>
                {
                    let holding = children.iter().find(|child| {
                        let is_before = start + child.len_bytes <= at;
                        start += if is_before { child.len_bytes } else { 0 };
                        !is_before
                    });
                    let child = holding.ok_or_else(|| misshapen(&pointer))?;
                    (pointer, said_bytes) = (child.pointer, child.len_bytes);
                    level = Some(own.checked_sub(1).ok_or_else(|| misshapen(root))?);
                }
                _ => return Err(misshapen(&pointer)),
            }
        }
    }

    fn decoded(&self, pointer: &Pointer, is_list: bool) -> Result<Decoded, StoreError> {
        if let Some(held) = lock(&self.decoded).get(&pointer.id) {
            return Ok(held);
        }
        let plain = self.reader.read(pointer)?;
        let node = if is_list {
            ListNode::decode(&plain).map(|node| match node {
                ListNode::Leaf(extents) => Decoded::Extents(Arc::new(extents)),
                ListNode::Inner(level, children) => Decoded::Lists(level, Arc::new(children)),
            })
        } else {
            TreeNode::decode(&plain).map(|node| match node {
                TreeNode::Leaf(entries) => Decoded::Leaf(Arc::new(entries)),
                TreeNode::Inner(level, children) => Decoded::Inner(level, Arc::new(children)),
            })
        };
        let node = node.map_err(|error| StoreError::format(format!("node {}", pointer.id), error))?;
        let gone = lock(&self.decoded).add(pointer.id, node.clone(), DECODED_RATIO * plain.len());
        drop(gone);
        Ok(node)
    }
}

fn place(tree: &Pointer, leaf: Arc<Vec<Entry>>, at: usize, before: u64) -> Result<Placed, StoreError> {
    let position = u32::try_from(before.saturating_add(at as u64)).map_err(|_| misshapen(tree))?;
    Ok(Placed { leaf, at, position })
}

fn total(mut lens: impl Iterator<Item = u64>) -> Option<u64> {
    lens.try_fold(0, u64::checked_add)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
