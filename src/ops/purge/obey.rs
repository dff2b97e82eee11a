//! Obeying a purge: what led to earlier states goes at once, packs, manifests, key files and records, as gc removes them and
//! without a grace. Needs no secret.
//!
//! Records go last, once all else is gone for good: as long as one stands, there is something left to do.

use crate::error::{ErrorKind, Result};
use crate::format::manifest::FileKind;
use crate::ops::Run;
use crate::ops::gc::Collected;
use crate::ops::gc::sweep::{Patience, find_garbage, remove_all};
use crate::store::Store;
use crate::store::head::Soundness;
use crate::store::order::superseded;

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Obeyed {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Somebody reads the store, so what was before stays until the next run.
    pub readers: bool,
}

/// Removes what led to states before the newest purge, where any of it may be left.
///
/// # Durability
/// What was removed stays removed once this returns; after a cut within, the next run goes on.
///
/// # Errors
/// Those of the disk, [`ErrorKind::Interrupted`].
pub fn obey(store: &Store, run: Run<'_>) -> Result<Obeyed> {
    if superseded(store)?.is_empty() { Ok(Obeyed::default()) } else { sweep(store, run) }
}

/// Removes the same whether or not a record of an earlier state stands: a clone that was cut off leaves packs alone.
///
/// # Errors
/// As [`obey`].
pub fn sweep(store: &Store, run: Run<'_>) -> Result<Obeyed> {
    let orders = store.packs().top.files.iter().any(|file| file.kind == FileKind::ORDER);
    if !orders || store.soundness() == Soundness::Older {
        return Ok(Obeyed::default());
    }
    let patience = Patience { grace_secs: 0, spares_arriving: false };
    let garbage = find_garbage(store, patience, run.clock.now())?;
    if garbage.has_unknown {
        run.monitor.note("`pending` does not read, so what a purge took away stands here until a run that reads it");
    }
    let mut done = Collected::default();
    let readers = match remove_all(store, &garbage, run, &mut done) {
        Err(error) if error.kind() == ErrorKind::Locked => true,
        removed => removed.map(|()| false)?,
    };
    if readers {
        run.monitor.note("somebody reads the store, so what a purge took away stands here until the next run");
    }
    Ok(Obeyed { files: done.removed_files, bytes: done.removed_bytes, readers })
}
