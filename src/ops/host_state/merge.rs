//! What comes of a memory that two runs changed at a time: each began with the same file, learned something of its own, and saves.
//!
//! A part that one run left as it was stays what the other made of it, also where that was to forget it. What both changed is
//! settled for the side that protects more: the higher rank, the later time, the fingerprint that stands already.

use std::collections::BTreeMap;

use super::seen::Seen;
use super::{Memory, RemoteMemory};

/// Returns what comes of one part: what this run made of `was`, unless it did nothing, or another run did something that `prevails`.
pub(super) fn settled<T: PartialEq>(was: &T, mine: T, theirs: T, prevails: impl FnOnce(&T, &T) -> bool) -> T {
    let is_theirs = mine == *was || (theirs != *was && prevails(&theirs, &mine));
    if is_theirs { theirs } else { mine }
}

/// Does the same for each thing of a map; `both` settles what both sides have, and what one of them forgot stays where the other
/// changed it.
pub(super) fn settled_each<T: Clone + Default + PartialEq>(
    was: &BTreeMap<String, T>,
    mine: BTreeMap<String, T>,
    mut theirs: BTreeMap<String, T>,
    both: impl Fn(&T, T, T) -> T,
) -> BTreeMap<String, T> {
    let mut merged = BTreeMap::new();
    for key in was.keys().filter(|key| !mine.contains_key(*key)) {
        // Forgotten here, unless another run changed it meanwhile.
        if theirs.get(key) == was.get(key) {
            theirs.remove(key);
        }
    }
    for (key, own) in mine {
        let before = was.get(&key).cloned().unwrap_or_default();
        match theirs.remove(&key) {
            Some(other) => {
                merged.insert(key, both(&before, own, other));
            }
            None if was.contains_key(&key) && own == before => {}
            None => {
                merged.insert(key, own);
            }
        }
    }
    merged.append(&mut theirs);
    merged
}

impl Memory {
    /// Returns what this run made of `was`, and what others did that saved `theirs` since.
    pub(super) fn merged(was: &Self, mine: Self, theirs: Self) -> Self {
        let later = |theirs: &Option<String>, mine: &Option<String>| theirs > mine;
        Self {
            // Times of one form, so that texts sort as times do.
            last_sync: settled(&was.last_sync, mine.last_sync, theirs.last_sync, later),
            last_verify: settled(&was.last_verify, mine.last_verify, theirs.last_verify, |theirs, mine| {
                theirs.as_ref().map(|it| &it.time) > mine.as_ref().map(|it| &it.time)
            }),
            highest: settled(&was.highest, mine.highest, theirs.highest, |theirs, mine| theirs.rank() > mine.rank()),
            remotes: settled_each(&was.remotes, mine.remotes, theirs.remotes, RemoteMemory::merged),
            seen: Seen::merged(&was.seen, mine.seen, theirs.seen),
        }
    }
}

impl RemoteMemory {
    fn merged(was: &Self, mine: Self, theirs: Self) -> Self {
        let shown = |it: &Self| (it.rank.clone(), it.head.clone());
        let (rank, head) =
            settled(&shown(was), shown(&mine), shown(&theirs), |theirs, mine| theirs.0.rank() > mine.0.rank());
        let mut sent = theirs.sent;
        sent.retain(|pack| mine.sent.contains(pack) || !was.sent.contains(pack));
        sent.extend(mine.sent.into_iter().filter(|pack| !was.sent.contains(pack)));
        Self {
            rank,
            head,
            sent,
            removed: settled(&was.removed, mine.removed, theirs.removed, |theirs, mine| {
                theirs.as_ref().map(|it| &it.since) > mine.as_ref().map(|it| &it.since)
            }),
            // Which order came later is not known here; one that is carried out again does no harm.
            obeyed: settled(&was.obeyed, mine.obeyed, theirs.obeyed, |_, _| false),
        }
    }
}

#[cfg(test)]
mod tests;
