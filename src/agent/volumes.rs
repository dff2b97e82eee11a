//! [`Volumes`]: where volumes come from and go to. The boundary that each system implements in its own way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::event::VolumeKey;
use crate::error::Result;

/// What a source tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A volume is there; it may not be mounted yet, and may never be.
    Arrived(VolumeKey),
    /// A volume can be read at a path.
    Mounted(VolumeKey, PathBuf),
    /// A volume is not there any more.
    Gone(VolumeKey),
    /// The wall clock was set, or the machine slept. Optional.
    Jumped,
}

/// Takes what a source tells; returns at once, from any thread.
pub type Tell = Arc<dyn Fn(Seen) + Send + Sync>;

/// A source that was started. Dropping it ends the source and waits until nothing is told any more.
pub trait Watching: Send {}

/// A source of volumes.
///
/// # Contract
/// What the agent leans on:
/// - Volumes that are there at the start are told of like those that come later, before or soon after `start` returns.
/// - The last that is told of a key is true: a volume that can be read ends with [`Seen::Mounted`] and its path, one that was
///   unmounted or pulled with [`Seen::Gone`].
/// - Between two volumes under one key, or a volume that was pulled and plugged in again however fast, stands a
///   [`Seen::Gone`]: without it the second one is taken for the first.
/// - While nothing changes the source wakes nobody: it blocks in a call of the system. Where a system has no such call it may look
///   now and then, and says so in its doc.
/// - It opens no file on a volume and writes nothing anywhere.
///
/// What the agent does not lean on: events may be doubled, late, and in any order between different keys; mounted may be told
/// without arrived, gone of a key that was never told of; a volume that is mounted at a second place may be told of with the
/// new path, and stays the same volume. Keys mean nothing to the agent. Which volumes are worth telling is the source's choice:
/// fixed disks, network shares and the system's own file systems are left out, since nobody plugs them in.
pub trait Volumes: Send {
    /// Names the source for the log, as `uevents and the mount table`.
    fn name(&self) -> &'static str;

    /// Starts to tell.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Other`] when the system refuses; another source may do.
    fn start(self: Box<Self>, tell: Tell) -> Result<Box<dyn Watching>>;
}

#[cfg(target_os = "linux")]
pub mod linux;
pub mod scripted;
#[cfg(windows)]
pub mod windows;

/// What stands under a key: where, and what tells it from the next one under the same key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Where it can be read.
    pub path: PathBuf,
    /// Numbers of the system for it, as of its mounts: while one of them stays, it is the same volume.
    pub marks: BTreeSet<u64>,
}

/// Everything that stands at one moment.
pub type Standings = BTreeMap<VolumeKey, Standing>;

/// Tells what changed between two looks, by the contract of [`Volumes`]: the help of sources that look rather than hear.
pub fn tell_changes(before: &Standings, after: &Standings, tell: &dyn Fn(Seen)) {
    let is_same = |old: &Standing, new: &Standing| !old.marks.is_disjoint(&new.marks);
    for (key, old) in before {
        if !after.get(key).is_some_and(|new| is_same(old, new)) {
            tell(Seen::Gone(key.clone()));
        }
    }
    for (key, new) in after {
        let known = before.get(key).filter(|old| is_same(old, new));
        if known.is_none_or(|old| old.path != new.path) {
            tell(Seen::Mounted(key.clone(), new.path.clone()));
        }
    }
}

#[cfg(test)]
mod tests;
