//! Names of files that are being written: `.chunkstore-<8 hex digits>.tmp`, beside their targets.
//!
//! A cut or a killed process leaves them behind; a scan leaves them out, and they may be removed at any time.

use crate::base::random::random_array;
use crate::base::{EntryName, Random, RelPath};

const PREFIX: &[u8] = b".chunkstore-";
const SUFFIX: &[u8] = b".tmp";

/// Returns whether a name is one that a restore gives to files it has not finished.
#[must_use]
pub fn is_temporary(name: &EntryName) -> bool {
    let middle = name.as_bytes().strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX));
    middle.is_some_and(|hex| hex.len() == 8 && hex.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

/// Draws a fresh temporary path beside a target; nothing for the root, or when it would be too long.
pub(super) fn temporary_beside(target: &RelPath, random: &dyn Random) -> Option<RelPath> {
    let (dir, _) = target.split_last()?;
    let hex = hex::encode(random_array::<4>(random));
    let name = EntryName::new(&[PREFIX, hex.as_bytes(), SUFFIX].concat()).ok()?;
    dir.join(&name).ok()
}
