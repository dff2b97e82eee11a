//! Giving a receipt: what a key says of its last run, for the publisher alone, put beside the store that it synced with.
//!
//! Done where a person or the agent's configuration asks for it, after the run and outside of it: a receipt that cannot be given
//! changes nothing.

use std::sync::Arc;

use crate::base::{Generation, StorePath};
use crate::crypto::sign::SignKey;
use crate::disk::Disk;
use crate::error::{Error, ErrorKind, Result};
use crate::format::receipt::Receipt;
use crate::ops::Run;
use crate::ops::sync::Synced;
use crate::remote::{Remote, RemoteError, RemoteErrorKind};
use crate::store::lock::WriteLock;
use crate::store::order::{purged_below, superseded};
use crate::store::{Store, StoreError, layout, receipt, replica};

/// Name and version as receipts have it.
const PROGRAM: &str = concat!("chunkstore ", env!("CARGO_PKG_VERSION"));

/// How a run ended, as its receipt says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunEnd {
    /// A word of the format.
    pub outcome: &'static str,
    /// The run brought the generation that the key holds now.
    pub brought: bool,
    /// Problems that it met; a remote that was left aside is one.
    pub problems: u64,
}

impl RunEnd {
    /// The end of a clone.
    #[must_use]
    pub fn of_clone(is_stale: bool) -> Self {
        Self { outcome: if is_stale { "stale" } else { "done" }, brought: true, problems: 0 }
    }

    /// Returns how a sync ended; nothing where no remote was reached, or no store, or where somebody stopped the run and waits for
    /// its end.
    #[must_use]
    pub fn of_sync(result: &Result<Synced>) -> Option<Self> {
        let outcome = match result {
            Ok(synced) => {
                let outcome = match (synced.stale, synced.changed) {
                    (true, _) => "stale",
                    (_, true) => "done",
                    _ => "nothing-new",
                };
                return Some(Self { outcome, brought: synced.changed, problems: synced.ignored.len() as u64 });
            }
            Err(error) => match error.kind() {
                ErrorKind::NotTrusted => "not-trusted",
                ErrorKind::Corrupt => "damaged",
                ErrorKind::NoSpace => "full",
                ErrorKind::Other | ErrorKind::Conflict | ErrorKind::NoIdentity => "failed",
                ErrorKind::Interrupted
                | ErrorKind::Remote
                | ErrorKind::Locked
                | ErrorKind::Gone
                | ErrorKind::NoStore
                | ErrorKind::Usage => {
                    return None;
                }
            },
        };
        Some(Self { outcome, brought: false, problems: 1 })
    }
}

/// Gives a receipt to the first of the remotes that takes it, that at `first` before all others: the one that was synced from.
///
/// Writes to the store once, when the key that signs is drawn.
///
/// # Errors
/// Those of opening the store, and what the last remote had to say.
pub fn send(
    disk: &Arc<dyn Disk>,
    remotes: &[Arc<dyn Remote>],
    first: Option<&str>,
    end: RunEnd,
    run: Run<'_>,
) -> Result<()> {
    let store = Store::open(Arc::clone(disk))?;
    let key = signing_key(disk.as_ref(), run)?;
    let receipt = receipt_of(&store, &key, end, run)?;
    let path = layout::receipt(receipt.replica);
    let sealed = receipt::seal(receipt, &key, &store.trust().newest().trust)?;
    let mut ordered: Vec<_> = remotes.iter().collect();
    ordered.sort_by_key(|remote| first != Some(remote.address().as_str()));
    let mut last = None;
    for remote in ordered {
        run.check()?;
        match put(remote.as_ref(), &path, &sealed) {
            Ok(()) => return Ok(()),
            Err(error) => last = Some(Error::from(error)),
        }
    }
    Err(last.unwrap_or_else(|| Error::new(ErrorKind::Usage, "no remote to give a receipt to")))
}

fn signing_key(disk: &dyn Disk, run: Run<'_>) -> Result<SignKey> {
    if let Some(key) = receipt::signing_key(disk)? {
        return Ok(key);
    }
    let _lock = WriteLock::take(disk)?;
    // Another run may have drawn one since.
    match receipt::signing_key(disk)? {
        Some(key) => Ok(key),
        None => Ok(receipt::draw_key(disk, run.random)?),
    }
}

fn receipt_of(store: &Store, key: &SignKey, end: RunEnd, run: Run<'_>) -> Result<Receipt> {
    let disk = store.disk().as_ref();
    let replica = replica::read_id(disk)?.ok_or_else(|| StoreError::damaged(layout::replica()))?;
    let tag = match replica::read_tag(disk) {
        Err(StoreError::Corrupt { .. }) => None,
        tag => tag?,
    };
    // While a record of before stands, the purge is not carried out.
    let purge = if superseded(store)?.is_empty() { purged_below(store)? } else { Generation(0) };
    let now = run.clock.now();
    Ok(Receipt {
        store: store.id(),
        replica,
        generation: store.head().head.generation,
        head: store.head().hash(),
        reached: end.brought.then_some(now),
        time: now,
        outcome: end.outcome.to_owned(),
        free_bytes: disk.free_bytes().ok(),
        problems: end.problems,
        tag,
        program: PROGRAM.to_owned(),
        purge,
        key: key.public(),
    })
}

/// Puts the file in place, and makes its folder where that is missing. Most servers have it, and let keys make none.
fn put(remote: &dyn Remote, path: &StorePath, bytes: &[u8]) -> std::result::Result<(), RemoteError> {
    use RemoteErrorKind::{Busy, NoSpace, Unavailable, Unreachable};
    let refused = match remote.connect()?.replace(path, bytes) {
        Ok(()) => return Ok(()),
        Err(error) if matches!(error.kind, Unavailable | Unreachable | Busy | NoSpace) => return Err(error),
        Err(error) => error,
    };
    let mut session = remote.connect()?;
    match session.create_dir(&path.parent()) {
        Ok(()) => session.replace(path, bytes),
        Err(_) => Err(refused),
    }
}
