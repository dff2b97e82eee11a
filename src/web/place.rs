//! Places: addresses of pages to snapshots and paths, and references to things of the view that are given back.

use std::sync::Arc;

use crate::base::paths::PathError;
use crate::base::{EntryName, ObjectId, RelPath};
use crate::format::sealed::SnapshotRef;
use crate::view::{Stat, TOP, View, ViewError};

/// Hex digits of a snapshot's id in an address.
const DIGITS: usize = 16;
/// What stands for the newest snapshot in an address.
const NEWEST: &str = "latest";

/// A path in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Which, counted from the newest.
    pub snapshot: usize,
    /// From the committed folder on.
    pub path: RelPath,
}

impl Place {
    /// Reads the part of an address behind its word: a snapshot and a path, percent-encoded; nothing where it is none.
    #[must_use]
    pub fn parse(snapshots: &[SnapshotRef], text: &str) -> Option<Self> {
        let (name, path) = text.split_once('/').unwrap_or((text, ""));
        let snapshot = find(snapshots, name)?;
        Some(Self { snapshot, path: decode_path(path).ok()? })
    }

    /// Returns the address of a place below a run's home and a word: `/0a1b.../files/0123456789abcdef/a/b`.
    #[must_use]
    pub fn address(home: &str, word: &str, snapshot: &SnapshotRef, path: &RelPath) -> String {
        let mut address = format!("{home}{word}/{}/", short(&snapshot.id));
        for (at, name) in path.names().enumerate() {
            address.push_str(if at > 0 { "/" } else { "" });
            address.push_str(&encode(name.as_bytes()));
        }
        address
    }
}

/// Returns a snapshot's id as addresses have it.
#[must_use]
pub fn short(id: &ObjectId) -> String {
    let mut text = id.to_string();
    text.truncate(DIGITS);
    text
}

/// Finds a snapshot by what an address has of its id.
#[must_use]
pub fn find(snapshots: &[SnapshotRef], name: &str) -> Option<usize> {
    if name == NEWEST {
        return (!snapshots.is_empty()).then_some(0);
    }
    snapshots.iter().position(|snapshot| name.len() >= DIGITS && snapshot.id.to_string().starts_with(name))
}

/// Encodes a name for an address: letters, digits and `-._~` as they are, all else by its bytes.
#[must_use]
pub fn encode(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(*byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// Decodes what was percent-encoded; what is no code stays.
#[must_use]
pub fn decode(text: &str) -> Vec<u8> {
    let (text, mut bytes, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while let Some(byte) = text.get(at) {
        let digits = (*byte == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match digits.and_then(|digits| hex::decode(digits).ok()).as_deref() {
            Some([decoded]) => {
                bytes.push(*decoded);
                at += 3;
            }
            _ => {
                bytes.push(*byte);
                at += 1;
            }
        }
    }
    bytes
}

/// Decodes a path, a name at a time, so that no `%2F` makes two of one.
///
/// # Errors
/// [`PathError`] where a name is none, as `..`.
pub fn decode_path(text: &str) -> Result<RelPath, PathError> {
    let names = text.split('/').filter(|name| !name.is_empty());
    names.map(|name| EntryName::new(&decode(name))).try_fold(RelPath::root(), |path, name| path.join(&name?))
}

/// A reference to a thing of the view, given back when dropped.
pub struct Held {
    view: Arc<View>,
    /// What it is.
    pub stat: Stat,
}

impl Held {
    /// Finds the root of a snapshot.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn snapshot(view: &Arc<View>, id: &ObjectId) -> Result<Self, ViewError> {
        Self::below(view, by_id(view)?.stat.inode, &name(&id.to_string())?)
    }

    /// Finds a name in a directory.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn below(view: &Arc<View>, dir: u64, name: &EntryName) -> Result<Self, ViewError> {
        let stat = view.lookup(dir, name)?;
        Ok(Self { view: Arc::clone(view), stat })
    }

    /// Goes down a path.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn down(self, path: &RelPath) -> Result<Self, ViewError> {
        path.names().try_fold(self, |held, name| Self::below(&held.view, held.stat.inode, &name))
    }
}

/// Finds the directory of all snapshots.
///
/// # Errors
/// [`ViewError`].
pub fn by_id(view: &Arc<View>) -> Result<Held, ViewError> {
    Held::below(view, TOP, &name("by-id")?)
}

fn name(text: &str) -> Result<EntryName, ViewError> {
    EntryName::new(text.as_bytes()).map_err(|_| ViewError::NoEntry)
}

impl Drop for Held {
    fn drop(&mut self) {
        self.view.forget(self.stat.inode, 1);
    }
}

#[cfg(test)]
mod tests;
