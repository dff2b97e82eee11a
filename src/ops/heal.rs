//! Healing: what is broken in a store's outer layer is fetched from any stores or mirrors that hold the same files.
//!
//! Every file is known by its hash, so no remote is trusted and no `HEAD` of one is asked for: an older mirror is as good as
//! a newer one for what it has. The work is that of a sync whose target is the state that stands.

use std::sync::Arc;

use super::transfer::receive::{Local, Settle, receive};
use super::transfer::target::Target;
use super::transfer::{Meter, settle};
use crate::base::PackHash;
use crate::disk::Disk;
use crate::error::{Error, ErrorKind, Result};
use crate::ops::Run;
use crate::remote::Remote;
use crate::store::head::Soundness;
use crate::store::lock::WriteLock;
use crate::store::{self, Store};

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
    /// Returns whether what reads right now is durable: nothing failed but remotes, and files that stay broken.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.failure.as_ref().is_none_or(|failure| matches!(failure.kind, ErrorKind::Remote | ErrorKind::Corrupt))
    }
}

/// Brings what a store's state lacks or holds damaged; `broken` are the packs that were found so, and no other whole one is
/// fetched. What a remote cannot give is a [`Failure`], and the rest is brought all the same.
///
/// # Durability
/// What was brought is durable once this returns; after a cut within, the same state opens and the next run goes on.
///
/// # Errors
/// [`ErrorKind::Locked`], [`ErrorKind::Gone`], [`ErrorKind::NoSpace`], [`ErrorKind::Interrupted`].
pub fn heal(disk: &Arc<dyn Disk>, remotes: &[Arc<dyn Remote>], broken: &[PackHash], run: Run<'_>) -> Result<Healing> {
    use ErrorKind::{Gone, Interrupted, Locked, NoSpace};
    let meter = Meter::default();
    let brought = bring(disk, remotes, broken, run, &meter).map_err(|error| settle(disk.as_ref(), error));
    let failure = match brought {
        Ok(()) => None,
        Err(error) if matches!(error.kind(), Locked | Gone | NoSpace | Interrupted) => return Err(error),
        Err(error) => Some(Failure { kind: error.kind(), reason: error.in_full() }),
    };
    let sources = remotes.iter().map(|remote| remote.address()).collect();
    Ok(Healing { sources, fetched_bytes: meter.fetched_bytes(), failure })
}

fn bring(
    disk: &Arc<dyn Disk>,
    remotes: &[Arc<dyn Remote>],
    broken: &[PackHash],
    run: Run<'_>,
    meter: &Meter,
) -> Result<()> {
    let _lock = WriteLock::take(disk.as_ref()).map_err(|error| store::settle(disk.as_ref(), error))?;
    let store = Store::open(Arc::clone(disk))?;
    let target = Target::standing(store.head(), store.trust(), store.packs());
    let settle = match store.soundness() {
        // `HEAD` may be all that tells of the newer state, which a sync brings back.
        Soundness::Older => Settle::Never,
        _ if store.is_settled() => Settle::InDoubt,
        _ => Settle::Always,
    };
    let current = Some((store.head(), store.packs()));
    let local = Local { disk, trust: store.trust(), current, settle, distrusted: broken };
    receive(local, &target, remotes, run, meter).map_err(Error::from)?;
    Ok(())
}
