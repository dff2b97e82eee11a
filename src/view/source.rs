//! The copies of a store that a view reads from: each locked against gc, opened and with its index in memory.

use std::sync::Arc;

use crate::base::Monitor;
use crate::base::monitor::Problem;
use crate::crypto::wrap::Identity;
use crate::disk::Disk;
use crate::error::{Error, ErrorKind, Result};
use crate::store::index::ObjectIndex;
use crate::store::lock::ReadLock;
use crate::store::{Store, StoreError, Unlocked, layout, read_marker, settle};

/// A copy.
pub struct Source {
    /// The store.
    pub store: Store,
    /// What the identity opened.
    pub unlocked: Unlocked,
    #[expect(dead_code, reason = "held for its drop")]
    lock: ReadLock,
}

/// Opens a copy. Packs whose index does not read are told to the monitor. Writes nothing.
///
/// # Errors
/// As [`crate::store::Store::open`] and [`crate::store::Store::unlock`]; [`ErrorKind::Locked`] while gc removes files.
pub fn open(disk: &Arc<dyn Disk>, identities: &[Identity], monitor: &dyn Monitor) -> Result<(Source, ObjectIndex)> {
    read_marker(disk.as_ref())?.ok_or(StoreError::NoStore)?;
    // Before it is opened, so that gc cannot take away what is read.
    let lock = ReadLock::share(disk.as_ref())?;
    let gone = |error| if matches!(error, StoreError::NoStore) { StoreError::Gone(None) } else { error };
    let store = Store::open(Arc::clone(disk)).map_err(|error| settle(disk.as_ref(), gone(error)))?;
    let unlocked = store.unlock(identities).map_err(|error| store.settle(error))?;
    let index = store.load_index(&unlocked, &mut |pack, error| {
        monitor.problem(Problem { subject: format!("pack {}", layout::pack(&pack.hash)), reason: error.to_string() });
    });
    let index = index.map_err(|error| store.settle(error))?;
    Ok((Source { store, unlocked, lock }, index))
}

/// Opens a further copy; one that does not open is told to the monitor.
///
/// # Errors
/// [`ErrorKind::Usage`] when it is no copy of the same store.
pub fn open_other(
    disk: &Arc<dyn Disk>,
    first: &Source,
    what: &str,
    identities: &[Identity],
    monitor: &dyn Monitor,
) -> Result<Option<(Source, ObjectIndex)>> {
    if let Ok(Some(marker)) = read_marker(disk.as_ref())
        && marker.store != first.store.id()
    {
        let (other, own) = (marker.store, first.store.id());
        return Err(Error::new(ErrorKind::Usage, format!("{what} is of the store {other}, and the first of {own}")));
    }
    match open(disk, identities, monitor) {
        Ok(opened) => Ok(Some(opened)),
        Err(error) => {
            let reason = format!("it is left out: {}", error.in_full());
            monitor.problem(Problem { subject: what.to_owned(), reason });
            Ok(None)
        }
    }
}
