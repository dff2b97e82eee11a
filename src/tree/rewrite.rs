//! A snapshot's tree made anew without some of its paths, and with other extents in place of some.
//!
//! Bottom-up: a directory is made anew where something below it changes, by the rules that made it, and what comes out as it was
//! keeps its pointer. So the tree is the very one that a commit of the same entries would make, and what is not on the way to a
//! change is not even read. Holds a leaf of each directory on the way down, and a pointer of each node of those.

use std::collections::HashMap;

use super::build::{ContentBuilder, NodeSink, TreeBuilder};
use super::cursor::{Cursor, Front};
use super::read::{Piece, for_each_piece};
use crate::base::{DedupGeneration, ObjectId, RelPath};
use crate::crypto::Secret;
use crate::format::tree::{Content, Entry, Node};
use crate::format::{Extent, Pointer};
use crate::store::StoreError;
use crate::store::reader::ObjectReader;

/// What changes.
pub trait Change {
    /// Returns whether an entry goes, with all below it.
    fn drops(&self, path: &RelPath) -> bool;

    /// Returns whether an entry may go that lies below a directory.
    fn drops_below(&self, dir: &RelPath) -> bool;

    /// Returns whether a tree node or a list may lead to an extent that is replaced.
    fn touches(&self, node: &Pointer) -> bool;

    /// Returns what stands in the place of an extent, of the same length; nothing where it stays.
    ///
    /// # Errors
    /// Those of the change; they end the run.
    fn replace(&self, extent: &Extent) -> Result<Option<Extent>, StoreError>;
}

/// Makes trees anew, each directory once, however many snapshots have it.
pub struct Rewriter<'a> {
    reader: &'a ObjectReader,
    boundary: Secret,
    change: &'a dyn Change,
    /// What became of directories that hold no path that goes.
    done: HashMap<(ObjectId, DedupGeneration), Pointer>,
}

/// A directory that is under way.
struct Level<'a, 'k> {
    path: RelPath,
    tree: Pointer,
    /// A path that goes may lie below, so the same nodes may come out otherwise elsewhere.
    is_on_a_path: bool,
    cursor: Cursor<'a>,
    builder: TreeBuilder<'k>,
    /// The nodes that it had.
    before: HashMap<ObjectId, Pointer>,
    /// The entry of the directory below that is under way.
    waits: Option<Entry>,
}

impl<'a> Rewriter<'a> {
    /// Prepares for a change of what a reader reads.
    #[must_use]
    pub fn new(reader: &'a ObjectReader, change: &'a dyn Change) -> Self {
        Self { reader, boundary: reader.keys().boundary_key(), change, done: HashMap::new() }
    }

    /// Makes a root directory anew; `put` takes the nodes that are new. One that does not change keeps its pointer.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when a node does not hold, and those of the change and of `put`.
    pub fn rewrite(&mut self, root: &Pointer, put: NodeSink<'_>) -> Result<Pointer, StoreError> {
        let (change, boundary) = (self.change, self.boundary.clone());
        if let Some(known) = self.known(&RelPath::root(), root) {
            return Ok(known);
        }
        let mut open = vec![self.level(RelPath::root(), root, &boundary)];
        loop {
            let Some(level) = open.last_mut() else { return Err(out_of_step()) };
            let Some(mut entry) = level.next_entry()? else {
                let Some(level) = open.pop() else { return Err(out_of_step()) };
                let tree = self.end(level, put)?;
                let Some(above) = open.last_mut() else { return Ok(tree) };
                let mut entry = above.waits.take().ok_or_else(out_of_step)?;
                entry.node = Node::Dir { tree };
                above.push(self.reader, entry, put)?;
                continue;
            };
            let path = level.path.join(&entry.name);
            let path = path.map_err(|_| StoreError::damaged("a path that is too long or nested too deep"))?;
            if change.drops(&path) {
                continue;
            }
            match &mut entry.node {
                Node::File { content, .. } => self.replace_in(content, &boundary, put)?,
                Node::Dir { tree } => match self.known(&path, tree) {
                    Some(known) => *tree = known,
                    None => {
                        let below = self.level(path, tree, &boundary);
                        level.waits = Some(entry);
                        open.push(below);
                        continue;
                    }
                },
                _ => {}
            }
            level.push(self.reader, entry, put)?;
        }
    }

    /// Returns what becomes of a directory where that is known without looking into it.
    fn known(&self, path: &RelPath, tree: &Pointer) -> Option<Pointer> {
        match (self.change.drops_below(path), self.change.touches(tree)) {
            (true, _) => None,
            (false, true) => self.done.get(&(tree.id, tree.dedup_generation)).copied(),
            (false, false) => Some(*tree),
        }
    }

    fn level<'k>(&self, path: RelPath, tree: &Pointer, boundary: &'k Secret) -> Level<'a, 'k> {
        Level {
            is_on_a_path: self.change.drops_below(&path),
            path,
            tree: *tree,
            cursor: Cursor::new(self.reader, tree),
            builder: TreeBuilder::new(boundary),
            before: HashMap::new(),
            waits: None,
        }
    }

    fn end(&mut self, level: Level<'_, '_>, put: NodeSink<'_>) -> Result<Pointer, StoreError> {
        let Level { tree, is_on_a_path, builder, before, .. } = level;
        let made = builder.finish(&mut reusing(self.reader, &before, put))?;
        if !is_on_a_path {
            self.done.insert((tree.id, tree.dedup_generation), made);
        }
        Ok(made)
    }

    /// Replaces extents of a file. What touches in one chunk becomes one extent, as when it was cut.
    fn replace_in(&self, content: &mut Content, boundary: &Secret, put: NodeSink<'_>) -> Result<(), StoreError> {
        if let Content::List(list) = content
            && !self.change.touches(list)
        {
            return Ok(());
        }
        let mut before: HashMap<ObjectId, Pointer> = HashMap::new();
        let mut builder = ContentBuilder::new(boundary);
        let mut last: Option<Extent> = None;
        let mut is_changed = false;
        for_each_piece(self.reader, content, &mut |piece| {
            let extent = match piece {
                Piece::Node(node) => {
                    before.insert(node.id, *node);
                    return Ok(());
                }
                Piece::Extent(extent) => *extent,
            };
            let replaced = self.change.replace(&extent)?;
            is_changed |= replaced.is_some();
            let next = replaced.unwrap_or(extent);
            match &mut last {
                Some(last) if replaced.is_some() && touch(last, &next) => last.len_bytes += next.len_bytes,
                last => {
                    if let Some(last) = last.replace(next) {
                        builder.push(last, &mut reusing(self.reader, &before, put))?;
                    }
                }
            }
            Ok(())
        })?;
        if !is_changed {
            return Ok(());
        }
        if let Some(last) = last {
            builder.push(last, &mut reusing(self.reader, &before, put))?;
        }
        *content = builder.finish(&mut reusing(self.reader, &before, put))?;
        Ok(())
    }
}

impl Level<'_, '_> {
    /// Returns the next entry, and notes the nodes that are read on the way.
    fn next_entry(&mut self) -> Result<Option<Entry>, StoreError> {
        while let Some(Front::Node(node)) = self.cursor.front() {
            self.before.insert(node.pointer.id, node.pointer);
            self.cursor.open()?;
        }
        self.cursor.next_entry()
    }

    fn push(&mut self, reader: &ObjectReader, entry: Entry, put: NodeSink<'_>) -> Result<(), StoreError> {
        self.builder.push(entry, &mut reusing(reader, &self.before, put))
    }
}

/// Takes nodes, and gives those that stood before their old pointers.
fn reusing<'s>(
    reader: &'s ObjectReader,
    before: &'s HashMap<ObjectId, Pointer>,
    put: NodeSink<'s>,
) -> impl FnMut(crate::format::Kind, &[u8]) -> Result<Pointer, StoreError> + 's {
    move |kind, plain| match before.get(&reader.keys().object_id(kind, plain)) {
        Some(pointer) => Ok(*pointer),
        None => put(kind, plain),
    }
}

/// Returns whether an extent goes on where another ends.
fn touch(one: &Extent, next: &Extent) -> bool {
    one.chunk == next.chunk && one.offset + one.len_bytes == next.offset
}

fn out_of_step() -> StoreError {
    StoreError::damaged("the way through a tree")
}

#[cfg(test)]
mod tests;
