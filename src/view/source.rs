//! The copies of a store that a view reads from: each locked against gc, opened and with its index in memory.

use std::sync::Arc;

use crate::base::Monitor;
use crate::base::limits::HEAD_MAX_BYTES;
use crate::base::monitor::Problem;
use crate::crypto::wrap::Identity;
use crate::disk::{Disk, read_all};
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
    /// HEAD's bytes when it last read; nothing where it never did.
    seen: Option<Vec<u8>>,
}

impl Source {
    /// Opens the copy as it is now; returns the index where it is another state. Costs one read of HEAD where that is the same.
    ///
    /// A state that does not open is not tried again before HEAD changes once more, and the one before stays open.
    ///
    /// # Errors
    /// As [`open`].
    pub fn refresh(&mut self, identities: &[Identity], monitor: &dyn Monitor) -> Result<Option<ObjectIndex>> {
        let Some(head) = self.look()? else { return Ok(None) };
        if self.seen.as_ref() == Some(&head) {
            return Ok(None);
        }
        self.seen = Some(head);
        let store = self.store.open_again()?;
        if store.head().bytes() == self.store.head().bytes() {
            return Ok(None);
        }
        self.require_same(&store)?;
        let (unlocked, index) = unlock(&store, identities, monitor)?;
        (self.store, self.unlocked) = (store, unlocked);
        Ok(Some(index))
    }

    /// Refuses another store in the place of this one, and an older state of it.
    fn require_same(&self, store: &Store) -> Result<()> {
        let is_same = store.id() == self.store.id() && store.trust().fingerprint() == self.store.trust().fingerprint();
        if !is_same {
            return Err(Error::new(ErrorKind::NotTrusted, "another store took the place of the one that is shown"));
        }
        if store.head().head.rank() < self.store.head().head.rank() {
            return Err(Error::new(
                ErrorKind::NotTrusted,
                "the store went back to an older state; the newer one stays shown",
            ));
        }
        Ok(())
    }

    /// Reads HEAD's bytes; nothing where there are none or they do not read, which tells of nothing new.
    ///
    /// # Errors
    /// [`ErrorKind::Gone`].
    pub fn look(&self) -> Result<Option<Vec<u8>>> {
        let gone = match seen_head(self.store.disk().as_ref()) {
            Ok(None) => self.store.settle(StoreError::damaged("HEAD")),
            Ok(head) => return Ok(head),
            Err(error) => self.store.settle(error),
        };
        if matches!(gone, StoreError::Gone(_)) { Err(gone.into()) } else { Ok(None) }
    }
}

fn seen_head(disk: &dyn Disk) -> std::result::Result<Option<Vec<u8>>, StoreError> {
    Ok(read_all(disk, &layout::head(), HEAD_MAX_BYTES)?)
}

/// Opens the sealed layer and reads the index; packs whose index does not read are told to the monitor.
fn unlock(store: &Store, identities: &[Identity], monitor: &dyn Monitor) -> Result<(Unlocked, ObjectIndex)> {
    let unlocked = store.unlock(identities).map_err(|error| store.settle(error))?;
    let index = store.load_index(&unlocked, &mut |pack, error| {
        monitor.problem(Problem { subject: format!("pack {}", layout::pack(&pack.hash)), reason: error.to_string() });
    });
    let index = index.map_err(|error| store.settle(error))?;
    Ok((unlocked, index))
}

/// Opens a copy. Packs whose index does not read are told to the monitor. Writes nothing.
///
/// # Errors
/// As [`crate::store::Store::open`] and [`crate::store::Store::unlock`]; [`ErrorKind::Locked`] while gc removes files.
pub fn open(disk: &Arc<dyn Disk>, identities: &[Identity], monitor: &dyn Monitor) -> Result<(Source, ObjectIndex)> {
    read_marker(disk.as_ref())?.ok_or(StoreError::NoStore)?;
    // Before it is opened, so that gc cannot take away what is read.
    let lock = ReadLock::share(disk.as_ref())?;
    // Before it is opened as well: what comes after this moment is then seen as new.
    let seen = seen_head(disk.as_ref()).unwrap_or_default();
    let gone = |error| if matches!(error, StoreError::NoStore) { StoreError::Gone(None) } else { error };
    let store = Store::open(Arc::clone(disk)).map_err(|error| settle(disk.as_ref(), gone(error)))?;
    let (unlocked, index) = unlock(&store, identities, monitor)?;
    Ok((Source { store, unlocked, lock, seen }, index))
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
