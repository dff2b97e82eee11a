//! Deleting from a remote the packs that its state has condemned long enough ago: the last thing that a push does, and the one
//! thing that it can leave to the next.

use std::collections::{BTreeSet, HashSet};

use super::caller::{CallError, Caller};
use crate::base::monitor::{Amount, Task};
use crate::base::{PackHash, StorePath, Timestamp};
use crate::error::Result;
use crate::format::manifest::CondemnedPack;
use crate::ops::Run;
use crate::ops::host_state::{HostState, RemovedUpTo};
use crate::store::{Store, grace, layout};

/// What was deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// Packs; those that were gone already count as well.
    pub packs: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Deletes what the state that the remote shows has condemned, once no key can be in the middle of fetching it. What was
/// deleted before is not asked for again, nor what is `gone` since this run began. A failure is a note: the next push tries again.
///
/// # Errors
/// [`crate::error::ErrorKind::Interrupted`].
pub fn remove_condemned(
    caller: &mut Caller<'_>,
    store: &Store,
    gone: &BTreeSet<PackHash>,
    state: &mut HostState,
    run: Run<'_>,
) -> Result<Removed> {
    let (now, packs) = (run.clock.now(), store.packs());
    if !store.head().head.group.is_all() {
        // Keys outside the group may still have to go up to the floor, which holds what was condemned since.
        return Ok(Removed::default());
    }
    let is_due = |pack: &&CondemnedPack| grace::may_leave_remotes(pack, now) && packs.pack(&pack.hash).is_none();
    let due: Vec<_> = packs.top.condemned.iter().filter(is_due).collect();
    let Some(last) = due.iter().map(|pack| pack.since).max() else { return Ok(Removed::default()) };
    let address = caller.address();
    let before = state.removed_up_to(&address);
    let begin = before.map(|before| (before.since, up_to(&due, before.since) == before));
    let is_left = |pack: &&&CondemnedPack| {
        let is_new = begin.is_none_or(|(since, is_same)| pack.since > since || (pack.since == since && !is_same));
        is_new && !gone.contains(&pack.hash)
    };
    let left: Vec<_> = due.iter().filter(is_left).collect();
    // Names are shorter than hashes: none goes that a pack of the state may have.
    let kept: HashSet<StorePath> = packs.packs().iter().map(|pack| layout::pack(&pack.hash)).collect();
    let mut removed = Removed::default();
    if left.is_empty() {
        state.removed(&address, up_to(&due, last));
        return Ok(removed);
    }
    let bytes = left.iter().map(|pack| pack.len_bytes).sum();
    run.monitor.begin(Task::Remove, Some(Amount { files: left.len() as u64, bytes }));
    let mut failure = None;
    for pack in &left {
        let path = layout::pack(&pack.hash);
        let done = if kept.contains(&path) { Ok(()) } else { caller.call(&mut |session| session.remove(&path)) };
        if let Err(error) = done {
            failure = Some(error);
            break;
        }
        removed.packs += 1;
        removed.bytes += pack.len_bytes;
        run.monitor.advance(Task::Remove, Amount { files: 1, bytes: pack.len_bytes });
    }
    run.monitor.end(Task::Remove);
    match failure {
        None => state.removed(&address, up_to(&due, last)),
        Some(CallError::Interrupted) => return Err(CallError::Interrupted.into()),
        Some(CallError::Remote(error)) => {
            let count = left.len() as u64 - removed.packs;
            run.monitor.note(&format!("{count} condemned packs stay at {address} until the next push: {error}"));
        }
    }
    Ok(removed)
}

/// Says that all these were deleted that were condemned before a moment or at it.
fn up_to(due: &[&CondemnedPack], since: Timestamp) -> RemovedUpTo {
    let mut hasher = blake3::Hasher::new();
    due.iter().filter(|pack| pack.since == since).for_each(|pack| _ = hasher.update(&pack.hash.0));
    RemovedUpTo { since, packs: *hasher.finalize().as_bytes() }
}
