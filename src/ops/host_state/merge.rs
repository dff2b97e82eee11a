//! What comes of a memory that two runs changed at a time.
//!
//! What both changed is settled for the side that protects more: the higher rank, the later time, the fingerprint that stands already.

use super::seen::Seen;
use super::{Memory, RemoteMemory};
use crate::ops::settle::{settled, settled_each};

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
