//! [`Directory`]: the content of one directory, as it is listed and as names are found in it.

use std::collections::HashMap;

use super::NodeKind;
use super::heap::Damage;

/// Where the bytes of a file or directory lie, and how many they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Node {
    /// Type.
    pub kind: NodeKind,
    /// The first cluster, not yet checked; nothing where there is none, and then all bytes are zeros.
    pub first: Option<u32>,
    /// The clusters follow each other, and the table of links says nothing of them.
    pub contiguous: bool,
    /// Length in bytes, not yet checked; of a directory only where its kind of file system stores one.
    pub len_bytes: u64,
    /// Bytes that were written; the rest reads as zeros.
    pub valid_bytes: u64,
}

/// The content of a directory.
///
/// Drivers list and look up by different rules, which agree on a sound volume: a name may be listed and not be
/// found, or be found (by its short form) and not be listed.
#[derive(Debug, Default)]
pub(super) struct Directory {
    /// The names, in their order.
    pub listed: Vec<String>,
    /// What stands under each folded name.
    pub found: HashMap<String, Node>,
    /// Why listing fails in the end.
    pub listing_damage: Option<Damage>,
}

impl Directory {
    /// Lists a name; one that Linux shows to no program makes listing fail.
    pub fn show(&mut self, name: String) {
        if name.is_empty() || name.contains('/') {
            self.listing_damage.get_or_insert(Damage("a name in it is empty or holds a slash"));
        } else if self.listing_damage.is_none() {
            self.listed.push(name);
        }
    }

    /// Lets a folded name be found, unless an earlier entry has it.
    pub fn offer(&mut self, folded: String, node: Node) {
        self.found.entry(folded).or_insert(node);
    }
}
