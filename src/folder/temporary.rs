//! Names of what a restore has not finished, `.chunkstore-<8 or 12 hex digits>` and an ending: `.tmp` for an entry that is being
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

/// Returns whether it is one of a restore's entries that are written from the start if they are written again.
pub(super) fn is_written_by(name: &EntryName, restore: RestoreId) -> bool {
    let own = format!("{PREFIX}{}", tag(restore));
    has_ending(name, WRITTEN) && name.as_bytes().starts_with(own.as_bytes())
}

/// Returns the digits by which a restore knows its own.
fn tag(restore: RestoreId) -> String {
    hex::encode(&restore.0[..2])
}

fn has_ending(name: &EntryName, ending: &str) -> bool {
    let rest = name.as_bytes().strip_prefix(PREFIX.as_bytes());
    let middle = rest.and_then(|rest| rest.strip_suffix(ending.as_bytes()));
    middle.is_some_and(|hex| matches!(hex.len(), 8 | 12) && hex.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

/// Draws a fresh temporary path beside a target, of a restore if there is one; nothing for the root, or when it would be too long.
pub(super) fn temporary_beside(target: &RelPath, restore: Option<RestoreId>, random: &dyn Random) -> Option<RelPath> {
    let digits = restore.map(tag).unwrap_or_default() + &hex::encode(random_array::<4>(random));
    named(&target.split_last()?.0, &digits, WRITTEN)
}

/// Returns the path of the unfinished target of a restore, the same in every run; nothing as for [`temporary_beside`].
pub(super) fn part_beside(target: &RelPath, restore: RestoreId) -> Option<RelPath> {
    let hash = blake3::keyed_hash(&restore.0, target.as_bytes());
    named(&target.split_last()?.0, &hex::encode(&hash.as_bytes()[..6]), PART)
}

/// Returns the path that stands in the target of a restore for as long as that is not done.
#[must_use]
pub fn marker_of(restore: RestoreId) -> Option<RelPath> {
    named(&RelPath::root(), &hex::encode(&restore.0[..4]), MARKER)
}

fn named(dir: &RelPath, digits: &str, ending: &str) -> Option<RelPath> {
    let name = EntryName::new(format!("{PREFIX}{digits}{ending}").as_bytes()).ok()?;
    dir.join(&name).ok()
}
