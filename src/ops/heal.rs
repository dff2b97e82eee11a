//! Healing: what is broken in a store's outer layer is fetched from any stores or mirrors that hold the same files.
//!
//! Every file is known by its hash, so no remote is trusted and no `HEAD` of one is asked for: an older mirror is as good as
//! a newer one for what it has. The work is that of a sync whose target is the state that stands.

use std::collections::HashSet;
use std::sync::Arc;

use super::transfer::caller::{Caller, fetch_from_any};
use super::transfer::receive::{Local, Settle, receive};
use super::transfer::target::Target;
use super::transfer::{Meter, Shortfall, TransferError};
use crate::base::{PackHash, StorePath};
use crate::disk::Disk;
use crate::error::{Error, ErrorKind, Result};
use crate::ops::Run;
use crate::remote::Remote;
use crate::store::head::Soundness;
use crate::store::lock::WriteLock;
use crate::store::pack::create_immutable;
use crate::store::survey::{Fault, Flaw, Part, Survey, Wanted, survey};
use crate::store::{self, Store, StoreError, layout};

/// What a try to heal a store came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Healing {
    /// Addresses of the remotes that were asked.
    pub sources: Vec<String>,
    /// Bytes of files that they gave.
    pub fetched_bytes: u64,
    /// Why not all was brought, if so.
    pub failure: Option<Failure>,
}

/// Why a store could not be healed as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What a caller can do about it.
    pub kind: ErrorKind,
    /// The chain of causes, on one line.
    pub reason: String,
}

impl Healing {
    /// Adds what another try came to.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.fetched_bytes += other.fetched_bytes;
        self.failure = self.failure.or(other.failure);
        self
    }

    /// Returns whether what reads right now is durable: nothing failed but remotes, and files that stay broken.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.failure.as_ref().is_none_or(|failure| matches!(failure.kind, ErrorKind::Remote | ErrorKind::Corrupt))
    }
}

/// A small file that is wrong, and what should stand there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Small {
    /// What kind of file it is, in a word or two.
    pub what: &'static str,
    /// Where it stands.
    pub path: StorePath,
    /// Its hash and length.
    pub wanted: Wanted,
}

/// Mends what a store opens by, as far as it is known without believing a remote: trust files, manifests and records by the
/// hashes that lead to them, one after the other, and the marker from what the records say. `HEAD` is for [`heal`].
///
/// # Durability
/// What was brought is durable once this returns; nothing that holds is touched.
///
/// # Errors
/// As [`heal`].
pub fn heal_roots(disk: &Arc<dyn Disk>, remotes: &[Arc<dyn Remote>], run: Run<'_>) -> Result<Healing> {
    attempt(remotes, |meter| {
        let _lock = WriteLock::take(disk.as_ref())?;
        let mut callers: Vec<_> = remotes.iter().map(|remote| Caller::new(remote.as_ref(), run, meter)).collect();
        let mut shortfall = Shortfall::default();
        let mut tried = HashSet::new();
        // Each round may name what the next one lacks: a manifest its base, a trust file the one before it.
        loop {
            // A store stood here a moment ago.
            let found = survey(disk.as_ref())?.ok_or(StoreError::Gone(None))?;
            let mut lost: Vec<Small> = found.flaws.iter().filter_map(small).collect();
            lost.retain(|lost| tried.insert(lost.path.clone()));
            if lost.is_empty() {
                mend_marker(disk.as_ref(), &found)?;
                break;
            }
            bring_small(disk.as_ref(), &lost, &mut callers, &mut shortfall)?;
        }
        Ok(shortfall.end()?)
    })
}

fn small(flaw: &Flaw) -> Option<Small> {
    let what = match flaw.part {
        Part::Marker => "marker",
        Part::Trust => "trust file",
        Part::Head => "record",
        Part::Manifest => "manifest",
        Part::Replica => "replica's file",
    };
    Some(Small { what, path: flaw.path.clone(), wanted: flaw.wanted? })
}

/// Writes the marker again where the chain of trust and all records agree which store it is; says whether it did.
///
/// # Durability
/// The marker is durable when this returns.
///
/// # Errors
/// Those of the disk.
pub fn mend_marker(disk: &dyn Disk, found: &Survey) -> Result<bool> {
    let (Some(flaw), Some(store)) = (found.flaw(&layout::marker()), found.vouched) else { return Ok(false) };
    if flaw.fault == Fault::InTheWay {
        return Ok(false);
    }
    store::write_marker(disk, store)?;
    Ok(true)
}

fn bring_small(
    disk: &dyn Disk,
    lost: &[Small],
    callers: &mut [Caller<'_>],
    shortfall: &mut Shortfall,
) -> std::result::Result<(), TransferError> {
    for Small { what, path, wanted } in lost {
        let brought = fetch_from_any(callers, what, path, wanted.max_bytes, &wanted.hash)
            .and_then(|bytes| create_immutable(disk, path, &bytes).map_err(|error| Error::from(error).into()));
        if shortfall.pass(brought)?.is_some() {
            disk.sync_dir(&path.parent()).map_err(Error::from)?;
        }
    }
    Ok(())
}

/// Brings what a store's state lacks or holds damaged; `broken` are the packs that were found so, and no other whole one is
/// fetched, and `small` other files that only a hash tells of. What a remote cannot give is a [`Failure`], and the rest is
/// brought all the same.
///
/// # Durability
/// What was brought is durable once this returns; after a cut within, the same state opens and the next run goes on.
///
/// # Errors
/// [`ErrorKind::Locked`], [`ErrorKind::Gone`], [`ErrorKind::NoSpace`], [`ErrorKind::Interrupted`].
pub fn heal(
    store: &Store,
    remotes: &[Arc<dyn Remote>],
    broken: &[PackHash],
    small: &[Small],
    run: Run<'_>,
) -> Result<Healing> {
    attempt(remotes, |meter| {
        let brought = lock_and_bring(store, remotes, (broken, small), run, meter);
        brought.map_err(|error| settled(store, error))
    })
}

/// Tries to mend, and takes for a failure to be told whatever leaves other remotes and files to hope for.
fn attempt(remotes: &[Arc<dyn Remote>], mend: impl FnOnce(&Meter) -> Result<()>) -> Result<Healing> {
    use ErrorKind::{Gone, Interrupted, Locked, NoSpace};
    let meter = Meter::default();
    let failure = match mend(&meter) {
        Ok(()) => None,
        Err(error) if matches!(error.kind(), Locked | Gone | NoSpace | Interrupted) => return Err(error),
        Err(error) => Some(Failure { kind: error.kind(), reason: error.in_full() }),
    };
    let sources = remotes.iter().map(|remote| remote.address()).collect();
    Ok(Healing { sources, fetched_bytes: meter.fetched_bytes(), failure })
}

/// Tells a medium that went away from what that looks like.
fn settled(store: &Store, error: Error) -> Error {
    use ErrorKind::{Corrupt, NoStore, Other};
    let is_suspicious = matches!(error.kind(), Corrupt | NoStore | Other);
    match store.settle(StoreError::damaged("the store")) {
        StoreError::Gone(_) if is_suspicious => Error::with_source(ErrorKind::Gone, "the medium went away", error),
        _ => error,
    }
}

fn lock_and_bring(
    seen: &Store,
    remotes: &[Arc<dyn Remote>],
    (broken, small): (&[PackHash], &[Small]),
    run: Run<'_>,
    meter: &Meter,
) -> Result<()> {
    let _lock = WriteLock::take(seen.disk().as_ref()).map_err(|error| seen.settle(error))?;
    // It may have moved on since it was looked at.
    let store = seen.open_again()?;
    let disk = store.disk();
    let mut shortfall = Shortfall::default();
    let mut callers: Vec<_> = remotes.iter().map(|remote| Caller::new(remote.as_ref(), run, meter)).collect();
    bring_small(disk.as_ref(), small, &mut callers, &mut shortfall)?;
    drop(callers);
    let target = Target::standing(store.head(), store.trust(), store.packs());
    let settle = match store.soundness() {
        // `HEAD` may be all that tells of the newer state, which a sync brings back.
        Soundness::Older => Settle::Never,
        _ if store.is_settled() => Settle::InDoubt,
        _ => Settle::Always,
    };
    let current = Some((store.head(), store.packs()));
    let local = Local { disk, trust: store.trust(), current, settle, distrusted: broken };
    shortfall.pass(receive(local, &target, remotes, run, meter))?;
    Ok(shortfall.end()?)
}
