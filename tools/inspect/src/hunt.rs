//! Which snapshots reach some objects, and through which paths: one walk over all snapshots that reads each node once.
//!
//! Holds a byte for each object of the store beside the table, and the nodes on the way down. Whatever a store names, the walk
//! ends: it goes no deeper than any sound tree does, and a search for paths gives up after a number of steps.

use std::collections::{HashMap, HashSet};

use chunkstore::base::RelPath;
use chunkstore::format::list::ListNode;
use chunkstore::format::sealed::{SealedPart, SnapshotRef};
use chunkstore::format::snapshot::Snapshot;
use chunkstore::format::tree::{Content, LEVELS_MAX, Node, TreeNode};
use chunkstore::format::{Extent, FormatError, Kind, Pointer};
use chunkstore::store::object::snapshot_pointer;
use chunkstore::store::reader::ObjectReader;
use chunkstore::tree::cursor::{Cursor, Front};

use crate::places::Name;
use crate::report::Problems;
use crate::why;

/// The deepest that a walk goes: directories as deep as any path, each of as many levels as any node.
const DEPTH_MAX: usize = 512 * (LEVELS_MAX as usize + 1) + LEVELS_MAX as usize;
/// The most entries that a search for paths looks at.
const STEPS_MAX: u64 = 1 << 20;
/// The most paths of one snapshot that are told.
pub const PATHS_MAX: usize = 4;

/// What is known of a node.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Unread,
    ReachesNone,
    ReachesSome,
}

/// A search for some objects.
pub struct Hunt<'a> {
    reader: &'a ObjectReader,
    wanted: HashSet<Name>,
    /// By an object's number in the table.
    verdicts: Vec<Verdict>,
    pointers: HashMap<Name, Pointer>,
    problems: Problems,
}

/// A node that is being walked.
struct Frame {
    at: usize,
    ahead: Vec<Pointer>,
    reaches: bool,
}

/// The first paths of a snapshot that reach what is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Paths {
    /// The paths, at most [`PATHS_MAX`], in the order of the tree.
    pub first: Vec<RelPath>,
    /// Whether there may be more.
    pub more: bool,
}

/// Returns what names an object.
#[must_use]
pub fn name_of(pointer: &Pointer) -> Name {
    (pointer.id, pointer.dedup_generation)
}

/// Returns what an object names, in order.
///
/// # Errors
/// [`FormatError`].
pub fn children(pointer: &Pointer, plain: &[u8]) -> Result<Vec<Pointer>, FormatError> {
    let mut named = Vec::new();
    let chunks = |extents: &[Extent], named: &mut Vec<Pointer>| named.extend(extents.iter().map(|extent| extent.chunk));
    match pointer.kind {
        Kind::Snapshot => named.push(Snapshot::decode(plain)?.root),
        Kind::Tree => match TreeNode::decode(plain)? {
            TreeNode::Leaf(entries) => entries.iter().for_each(|entry| match &entry.node {
                Node::Dir { tree } => named.push(*tree),
                Node::File { content: Content::List(list), .. } => named.push(*list),
                Node::File { content: Content::Inline(extents), .. } => chunks(extents, &mut named),
                _ => {}
            }),
            TreeNode::Inner(_, children) => named.extend(children.iter().map(|child| child.pointer)),
        },
        Kind::List => match ListNode::decode(plain)? {
            ListNode::Leaf(extents) => chunks(&extents, &mut named),
            ListNode::Inner(_, children) => named.extend(children.iter().map(|child| child.pointer)),
        },
        Kind::Chunk | Kind::Index => {}
    }
    Ok(named)
}

impl<'a> Hunt<'a> {
    /// Starts a search for `wanted`.
    #[must_use]
    pub fn new(reader: &'a ObjectReader, wanted: HashSet<Name>) -> Self {
        let verdicts = vec![Verdict::Unread; reader.index().len()];
        Self { reader, wanted, verdicts, pointers: HashMap::new(), problems: Problems::default() }
    }

    /// Walks everything that a sealed part names; returns for each snapshot, oldest first, whether it reaches what is wanted.
    pub fn all(&mut self, part: &SealedPart) -> Vec<bool> {
        for index in &part.indexes {
            self.note(&index.pointer);
        }
        part.snapshots.iter().map(|named| self.reaches(named)).collect()
    }

    /// Returns whether a snapshot reaches what is wanted, as far as it reads.
    fn reaches(&mut self, named: &SnapshotRef) -> bool {
        match snapshot_pointer(self.reader.keys(), named.id, named.epoch, named.len_bytes) {
            Some(pointer) => self.walk(&pointer),
            None => {
                let wrong = format!("snapshot {}: the key of epoch {} is not at hand", named.id, named.epoch);
                self.problems.add(wrong);
                false
            }
        }
    }

    /// Returns the pointer to an object that was wanted and met.
    #[must_use]
    pub fn pointer(&self, name: &Name) -> Option<&Pointer> {
        self.pointers.get(name)
    }

    /// Returns whether some node on the way did not read, so that what lies below it was not looked at.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.problems.count() > 0
    }

    /// Returns what did not read.
    #[must_use]
    pub fn problems(&self) -> &Problems {
        &self.problems
    }

    fn note(&mut self, pointer: &Pointer) -> bool {
        let is_wanted = self.wanted.contains(&name_of(pointer));
        if is_wanted {
            self.pointers.insert(name_of(pointer), *pointer);
        }
        is_wanted
    }

    fn walk(&mut self, root: &Pointer) -> bool {
        let mut frames: Vec<Frame> = Vec::new();
        let mut known = self.enter(root, &mut frames);
        loop {
            let Some(frame) = frames.last_mut() else { return known.unwrap_or(false) };
            frame.reaches |= known.take().unwrap_or(false);
            if let Some(next) = frame.ahead.pop() {
                known = self.enter(&next, &mut frames);
            } else if let Some(Frame { at, reaches, .. }) = frames.pop() {
                self.verdicts[at] = verdict(reaches);
                known = Some(reaches);
            }
        }
    }

    /// Tells what is known of an object, or else begins to walk it.
    fn enter(&mut self, pointer: &Pointer, frames: &mut Vec<Frame>) -> Option<bool> {
        let is_wanted = self.note(pointer);
        if pointer.kind == Kind::Chunk {
            return Some(is_wanted);
        }
        let Some((at, _)) = self.reader.index().locate(&pointer.id, pointer.dedup_generation) else {
            self.problems.add(format!("{}: it is in no pack that reads", lost(pointer)));
            return Some(is_wanted);
        };
        if self.verdicts[at] != Verdict::Unread {
            return Some(self.verdicts[at] == Verdict::ReachesSome);
        }
        self.verdicts[at] = verdict(is_wanted);
        let read = self.reader.read(pointer).map_err(why);
        match read.and_then(|plain| children(pointer, &plain).map_err(|error| error.to_string())) {
            Ok(_) if frames.len() == DEPTH_MAX => self.problems.add(format!("{}: nested too deep", lost(pointer))),
            Err(error) => self.problems.add(format!("{}: {error}", lost(pointer))),
            Ok(mut ahead) => {
                ahead.reverse();
                frames.push(Frame { at, ahead, reaches: is_wanted });
                return None;
            }
        }
        Some(is_wanted)
    }

    /// Returns whether a node that was walked reaches what is wanted.
    fn leads(&self, pointer: &Pointer) -> bool {
        let place = self.reader.index().locate(&pointer.id, pointer.dedup_generation);
        self.wanted.contains(&name_of(pointer))
            || place.is_some_and(|(at, _)| self.verdicts[at] == Verdict::ReachesSome)
    }

    /// Finds the first paths of a snapshot that was walked; a directory whose own nodes are wanted is a path, too.
    #[must_use]
    pub fn paths(&self, root: &Pointer) -> Paths {
        let mut found = Paths::default();
        let mut steps = 0;
        let mut open = vec![(RelPath::root(), Cursor::new(self.reader, root))];
        while let Some((path, cursor)) = open.last_mut() {
            steps += 1;
            if found.first.len() == PATHS_MAX || steps == STEPS_MAX {
                found.more = true;
                return found;
            }
            match cursor.front() {
                None => {
                    open.pop();
                }
                Some(Front::Node(node)) => {
                    if self.wanted.contains(&name_of(&node.pointer)) && found.first.last() != Some(path) {
                        found.first.push(path.clone());
                    }
                    // A node that does not read was told when it was walked.
                    if !self.leads(&node.pointer) || cursor.open().is_err() {
                        cursor.skip();
                    }
                }
                Some(Front::Entry(_)) => {
                    let Ok(Some(entry)) = cursor.next_entry() else { continue };
                    let Ok(below) = path.join(&entry.name) else { continue };
                    match &entry.node {
                        Node::Dir { tree } if self.leads(tree) => open.push((below, Cursor::new(self.reader, tree))),
                        Node::File { content, .. } if self.content_leads(content) => found.first.push(below),
                        _ => {}
                    }
                }
            }
        }
        found
    }

    fn content_leads(&self, content: &Content) -> bool {
        match content {
            Content::List(list) => self.leads(list),
            Content::Inline(extents) => extents.iter().any(|extent| self.wanted.contains(&name_of(&extent.chunk))),
        }
    }
}

fn verdict(reaches: bool) -> Verdict {
    if reaches { Verdict::ReachesSome } else { Verdict::ReachesNone }
}

/// Returns the beginning of a sentence about an object that does not read.
#[must_use]
pub fn lost(pointer: &Pointer) -> String {
    format!("{} {}", crate::objects::kind_name(pointer.kind), pointer.id)
}
