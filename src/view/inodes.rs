//! Inode numbers: 128 bits that say what a thing is, mapped to 63 that no other thing has.
//!
//! The number comes from the bits themselves, so a thing has the same one in every view, but for two things of one number, of which
//! the later takes the next. Only what somebody holds is known: a number is handed out with a reference, and the thing is
//! forgotten with the last. About 100 bytes a thing, and 300 a directory.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use crate::base::{EntryName, ObjectId};
use crate::format::Pointer;
use crate::format::codec::Extensions;
use crate::format::sealed::SnapshotRef;
use crate::format::tree::{Entry, Meta, TreeNode};

/// Most things that are known at a time.
pub const KNOWN_MAX: usize = 1 << 20;
/// Numbers that the view keeps for itself.
const FIRST: u64 = 16;
/// How far from its own number a thing may be.
const APART_MAX: u64 = 8;
/// References of what is never forgotten.
const PINNED: u64 = u64::MAX;

/// What a thing is, for good: two things are one where this is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity(pub [u8; 16]);

impl Identity {
    /// The root of a snapshot.
    #[must_use]
    pub fn of_snapshot(id: &ObjectId) -> Self {
        Self::of(b"snapshot", &[&id.0])
    }

    /// What has a number of its own for ever.
    #[must_use]
    pub fn of_fixed(number: u64) -> Self {
        Self::of(b"fixed", &[&number.to_le_bytes()])
    }

    /// The link to a snapshot under a name.
    #[must_use]
    pub fn of_link(name: &[u8], target: &[u8]) -> Self {
        Self::of(b"link", &[&(name.len() as u64).to_le_bytes(), name, target])
    }

    /// An entry of a directory. A directory is one by its place, since a kernel takes one number for one place. Anything else is one
    /// by its file id and all that is said of it but the name: hard links are one thing, and so is a file that did not change
    /// between two snapshots (unless it was cut anew), but never two contents of one file.
    #[must_use]
    pub fn of_entry(dir: &Self, entry: &Entry) -> Self {
        if matches!(entry.node, crate::format::tree::Node::Dir { .. }) {
            return Self::of(b"dir", &[&dir.0, &entry.file_id.0, entry.name.as_bytes()]);
        }
        let Ok(name) = EntryName::new(b"-") else { return Self::of(b"none", &[&dir.0, entry.name.as_bytes()]) };
        Self::of(b"file", &[&TreeNode::Leaf(vec![Entry { name, ..entry.clone() }]).encode()])
    }

    fn of(kind: &[u8], parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[kind.len() as u8]).update(kind);
        parts.iter().for_each(|part| {
            hasher.update(part);
        });
        let mut identity = [0; 16];
        identity.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Self(identity)
    }

    /// Returns the number that it would have alone.
    fn number(&self) -> u64 {
        let mut first = [0; 8];
        first.copy_from_slice(&self.0[..8]);
        (u64::from_le_bytes(first) >> 1).max(FIRST)
    }
}

/// A directory of a snapshot.
#[derive(Debug)]
pub struct Dir {
    /// Its number.
    pub number: u64,
    /// What it is.
    pub identity: Identity,
    /// Its name; of the root of a snapshot that of the snapshot.
    pub name: EntryName,
    /// The root node of its entries.
    pub tree: Pointer,
    /// The directory above and its position there; nothing for the root of a snapshot.
    pub above: Option<(Arc<Dir>, u32)>,
    /// How deep it lies.
    pub depth: usize,
    /// Whether its entry has attributes; of the root of a snapshot they are [`Root::extensions`].
    pub has_attributes: bool,
}

/// A kept snapshot, and its root once somebody went there.
#[derive(Debug)]
pub struct Kept {
    /// What the store says of it.
    pub named: SnapshotRef,
    /// Read the first time that it is asked for.
    pub root: OnceLock<Root>,
}

impl Kept {
    /// Knows no root yet.
    #[must_use]
    pub fn new(named: SnapshotRef) -> Arc<Self> {
        Arc::new(Self { named, root: OnceLock::new() })
    }
}

/// The root of a snapshot.
#[derive(Debug)]
pub struct Root {
    /// The directory.
    pub dir: Arc<Dir>,
    /// Its state.
    pub meta: Meta,
    /// What else the snapshot says of it.
    pub extensions: Extensions,
}

/// What a number stands for.
#[derive(Debug, Clone)]
pub enum Thing {
    /// The top of a view of a whole store.
    Top,
    /// `/snapshots`.
    Snapshots,
    /// `/by-id`.
    ById,
    /// A link to a snapshot, and where it points.
    Link(Arc<[u8]>),
    /// The root of a snapshot.
    Root(Arc<Kept>),
    /// A directory below it.
    Dir(Arc<Dir>),
    /// Anything else, in a directory at a position; without attributes, most often.
    Entry {
        /// The directory.
        dir: Arc<Dir>,
        /// The place there, by name.
        position: u32,
        /// Whether there are attributes.
        has_attributes: bool,
    },
}

#[derive(Debug)]
struct Known {
    identity: Identity,
    thing: Thing,
    references: u64,
}

/// The map.
#[derive(Debug)]
pub struct Inodes {
    known: HashMap<u64, Known>,
    known_max: usize,
}

impl Default for Inodes {
    fn default() -> Self {
        Self { known: HashMap::new(), known_max: KNOWN_MAX }
    }
}

impl Inodes {
    /// Knows something for ever, under one of the numbers below 16.
    pub fn pin_as(&mut self, number: u64, thing: Thing) {
        let identity = Identity::of_fixed(number);
        self.known.insert(number, Known { identity, thing, references: PINNED });
    }

    /// Hands out a reference to what `make` makes of its number; returns nothing where too much is known.
    pub fn refer(&mut self, identity: Identity, make: impl FnOnce(u64) -> Thing) -> Option<u64> {
        let number = self.number(&identity)?;
        if !self.known.contains_key(&number) {
            if self.known.len() >= self.known_max {
                return None;
            }
            self.known.insert(number, Known { identity, thing: make(number), references: 0 });
        }
        let known = self.known.get_mut(&number)?;
        known.references = known.references.saturating_add(1);
        Some(number)
    }

    /// Takes back references; with the last one the thing is forgotten.
    pub fn forget(&mut self, number: u64, count: u64) {
        let Some(known) = self.known.get_mut(&number).filter(|known| known.references != PINNED) else { return };
        known.references = known.references.saturating_sub(count);
        if known.references == 0 {
            self.known.remove(&number);
        }
    }

    /// Returns what a number stands for.
    #[must_use]
    pub fn thing(&self, number: u64) -> Option<Thing> {
        self.known.get(&number).map(|known| known.thing.clone())
    }

    /// Returns the number that a thing has, or would have now; nothing where none near its own is free.
    #[must_use]
    pub fn number(&self, identity: &Identity) -> Option<u64> {
        let own = identity.number();
        let near = || (0..APART_MAX).map(|apart| FIRST + (own - FIRST + apart) % (i64::MAX as u64 - FIRST));
        let has = |number: &u64| self.known.get(number).is_some_and(|known| known.identity == *identity);
        near().find(has).or_else(|| near().find(|number| !self.known.contains_key(number)))
    }

    /// Returns the directories of snapshots that are known and below which no other one is: their names, each with the number of
    /// the directory above; nothing of a root that lies in none. Costs a look at everything.
    #[must_use]
    pub fn lowest(&self, roots: Option<u64>) -> Vec<(u64, EntryName)> {
        let dirs = || {
            self.known.iter().filter_map(|(number, known)| match &known.thing {
                Thing::Dir(dir) => Some((*number, dir.above.as_ref().map(|(above, _)| above.number), dir.name.clone())),
                Thing::Root(kept) => Some((*number, roots, EntryName::new(kept.named.id.to_string().as_bytes()).ok()?)),
                _ => None,
            })
        };
        let above: HashSet<u64> = dirs().filter_map(|(_, above, _)| above).collect();
        let lowest = dirs().filter(|(number, ..)| !above.contains(number));
        lowest.filter_map(|(_, above, name)| Some((above?, name))).collect()
    }

    /// Returns how many things are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Returns whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

#[cfg(test)]
mod tests;
