//! Names of what a restore has not finished, `.chunkstore-<8 hex digits>` and an ending: `.tmp` for an entry that is being
//! written, beside its target; `.part` for a long file that the next run can go on with; `.restore` in the target itself for as
//! long as the whole is not done.
//!
//! A cut or a killed process leaves them behind; a scan leaves them out, and they may be removed at any time.

use crate::base::random::random_array;
use crate::base::{EntryName, Random, RelPath};

const PREFIX: &str = ".chunkstore-";
const WRITTEN: &str = ".tmp";
const PART: &str = ".part";
const MARKER: &str = ".restore";

/// What tells one restore from another: a hash of what is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestoreId(pub [u8; 32]);

/// Returns whether a name is one that a restore gives to what it has not finished.
#[must_use]
pub fn is_temporary(name: &EntryName) -> bool {
    [WRITTEN, PART, MARKER].iter().any(|ending| has_ending(name, ending))
}

/// Returns whether it is one of an entry that is written from the start if it is written again.
pub(super) fn is_written(name: &EntryName) -> bool {
    has_ending(name, WRITTEN)
}

fn has_ending(name: &EntryName, ending: &str) -> bool {
    let rest = name.as_bytes().strip_prefix(PREFIX.as_bytes());
    let middle = rest.and_then(|rest| rest.strip_suffix(ending.as_bytes()));
    middle.is_some_and(|hex| hex.len() == 8 && hex.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

/// Draws a fresh temporary path beside a target; nothing for the root, or when it would be too long.
pub(super) fn temporary_beside(target: &RelPath, random: &dyn Random) -> Option<RelPath> {
    beside(target, &random_array::<4>(random), WRITTEN)
}

/// Returns the path of the unfinished target of a restore, the same in every run; nothing as for [`temporary_beside`].
pub(super) fn part_beside(target: &RelPath, restore: RestoreId) -> Option<RelPath> {
    let hash = blake3::keyed_hash(&restore.0, target.as_bytes());
    beside(target, hash.as_bytes().first_chunk::<4>()?, PART)
}

/// Returns the path that stands in the target of a restore for as long as that is not done.
#[must_use]
pub fn marker_of(restore: RestoreId) -> Option<RelPath> {
    named(&RelPath::root(), restore.0.first_chunk::<4>()?, MARKER)
}

fn beside(target: &RelPath, number: &[u8; 4], ending: &str) -> Option<RelPath> {
    named(&target.split_last()?.0, number, ending)
}

fn named(dir: &RelPath, number: &[u8; 4], ending: &str) -> Option<RelPath> {
    let name = EntryName::new(format!("{PREFIX}{}{ending}", hex::encode(number)).as_bytes()).ok()?;
    dir.join(&name).ok()
}
