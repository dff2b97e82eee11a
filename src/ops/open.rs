//! Opening a store for reading: lock, identity, index, and the snapshot that a person named.

use std::sync::Arc;

use crate::base::monitor::Problem;
use crate::base::paths::show_bytes;
use crate::base::{RelPath, Timestamp};
use crate::crypto::wrap::Identity;
use crate::disk::Disk;
use crate::error::{Error, ErrorKind, Result};
use crate::format::sealed::{SealedPart, SnapshotRef};
use crate::format::snapshot::Snapshot;
use crate::ops::Run;
use crate::ops::transfer::settle;
use crate::store::index::ObjectIndex;
use crate::store::lock::ReadLock;
use crate::store::reader::ObjectReader;
use crate::store::{Store, StoreError, Unlocked, layout, read_marker};
use crate::tree::read::{Named, resolve};
use crate::tree::snapshots;

/// Copies of one store.
pub struct Copies {
    /// Says what there is.
    pub first: Arc<dyn Disk>,
    /// Are asked, one after the other, for what those before them do not give.
    pub others: Vec<Arc<dyn Disk>>,
}

impl Copies {
    /// Returns all of them, the first in front.
    #[must_use]
    pub fn into_vec(self) -> Vec<Arc<dyn Disk>> {
        [self.first].into_iter().chain(self.others).collect()
    }
}

impl From<Arc<dyn Disk>> for Copies {
    fn from(first: Arc<dyn Disk>) -> Self {
        Self { first, others: Vec::new() }
    }
}

impl<D: Disk + 'static> From<Arc<D>> for Copies {
    fn from(first: Arc<D>) -> Self {
        (first as Arc<dyn Disk>).into()
    }
}

/// A store open for reading.
pub struct Reading {
    /// The store.
    pub store: Store,
    /// What the identity opened.
    pub unlocked: Unlocked,
    /// Reads objects.
    pub reader: Arc<ObjectReader>,
    /// When it was opened; what `@2w` and such count from.
    opened: Timestamp,
    #[expect(dead_code, reason = "held for their drop")]
    locks: Vec<ReadLock>,
}

impl Reading {
    /// Opens a store with whichever identity fits, from one copy or several. Packs whose index does not read are told to the
    /// monitor, and so are copies but the first that do not open, which are left out.
    ///
    /// # Errors
    /// [`ErrorKind::NoStore`], [`ErrorKind::NoIdentity`], [`ErrorKind::Corrupt`] and others; [`ErrorKind::Usage`] for a copy of
    /// another store.
    pub fn open(copies: impl Into<Copies>, identities: &[Identity], run: Run<'_>) -> Result<Self> {
        let Copies { first: disk, others } = copies.into();
        read_marker(disk.as_ref())?.ok_or(StoreError::NoStore)?;
        // Before it is opened, so that gc cannot take away what is read.
        let lock = ReadLock::share(disk.as_ref())?;
        // A store stood here a moment ago, so where there is none now the medium went away.
        let store = Store::open(Arc::clone(&disk)).map_err(|error| settle(disk.as_ref(), error.into()))?;
        Self::with(store, lock, &others, identities, run)
    }

    /// Opens a store that was opened already, by another way than its marker.
    ///
    /// # Errors
    /// As [`Reading::open`].
    pub fn over(store: &Store, identities: &[Identity], run: Run<'_>) -> Result<Self> {
        let lock = ReadLock::share(store.disk().as_ref())?;
        Self::with(store.open_again()?, lock, &[], identities, run)
    }

    /// Opens a store beside something that reads it already, with the same index and cache.
    ///
    /// # Errors
    /// As [`Reading::open`].
    pub fn sharing(
        disk: Arc<dyn Disk>,
        reader: Arc<ObjectReader>,
        identities: &[Identity],
        now: Timestamp,
    ) -> Result<Self> {
        let lock = ReadLock::share(disk.as_ref())?;
        let store = Store::open(disk)?;
        let unlocked = store.unlock(identities).map_err(|error| store.settle(error))?;
        Ok(Self { store, unlocked, reader, opened: now, locks: vec![lock] })
    }

    fn with(
        store: Store,
        lock: ReadLock,
        others: &[Arc<dyn Disk>],
        identities: &[Identity],
        run: Run<'_>,
    ) -> Result<Self> {
        let (unlocked, index) = unlock(&store, identities, run)?;
        let mut reader = ObjectReader::new(Arc::clone(store.disk()), store.id(), unlocked.keys.clone(), index);
        let mut locks = vec![lock];
        for (number, disk) in others.iter().enumerate() {
            let what = format!("copy {} of the store", number + 2);
            require_copy(disk.as_ref(), &store, &what)?;
            match open_other(disk, identities, run) {
                Ok((lock, index)) => {
                    reader = reader.or_from(Arc::clone(disk), index);
                    locks.push(lock);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => return Err(error),
                Err(error) => {
                    let reason = format!("it is left out: {}", error.in_full());
                    run.monitor.problem(Problem { subject: what, reason });
                }
            }
        }
        Ok(Self { store, unlocked, reader: Arc::new(reader), opened: run.clock.now(), locks })
    }

    /// Finds and reads the snapshot of a name.
    ///
    /// # Errors
    /// [`ErrorKind::Other`] when no snapshot goes by that name, [`ErrorKind::Usage`] when nothing could,
    /// [`ErrorKind::Corrupt`].
    pub fn snapshot(&self, name: &str) -> Result<(&SnapshotRef, Snapshot)> {
        let named = find_snapshot(&self.unlocked.sealed, name, self.opened)?;
        let snapshot = snapshots::load(&self.reader, named).map_err(|error| self.store.settle(error))?;
        Ok((named, snapshot))
    }
}

impl Reading {
    /// Tells a pulled medium, which makes everything look damaged, from damage: whatever was counted as damaged is believed
    /// only while the store's marker still stands, and while no remote said that it cannot give a file now.
    ///
    /// # Errors
    /// [`ErrorKind::Gone`], [`ErrorKind::Remote`].
    pub fn check_medium(&self, damaged: u64) -> Result<()> {
        match self.store.settle(StoreError::damaged("an entry")) {
            gone @ StoreError::Gone(_) if damaged > 0 => Err(gone.into()),
            _ if damaged > 0 && self.store.disk().has_withheld() => {
                let text = "the remote does not give all files of the store now; what needs those is left out";
                Err(Error::new(ErrorKind::Remote, text))
            }
            _ => Ok(()),
        }
    }
}

/// Opens the sealed layer and reads the index; what of that does not read is told to the monitor.
fn unlock(store: &Store, identities: &[Identity], run: Run<'_>) -> Result<(Unlocked, ObjectIndex)> {
    let unlocked = store.unlock(identities).map_err(|error| store.settle(error))?;
    let index = store.load_index(&unlocked, &mut |pack, error| {
        let subject = format!("pack {}", layout::pack(&pack.hash));
        run.monitor.problem(Problem { subject, reason: error.to_string() });
    });
    Ok((unlocked, index.map_err(|error| store.settle(error))?))
}

/// Refuses what shows that it is a copy of another store.
fn require_copy(disk: &dyn Disk, first: &Store, what: &str) -> Result<()> {
    match read_marker(disk) {
        Ok(Some(marker)) if marker.store != first.id() => {
            let (other, own) = (marker.store, first.id());
            Err(Error::new(ErrorKind::Usage, format!("{what} is of the store {other}, and the first of {own}")))
        }
        _ => Ok(()),
    }
}

/// Opens a further copy; what it holds is told from what it should by the pointers that lead there.
fn open_other(disk: &Arc<dyn Disk>, identities: &[Identity], run: Run<'_>) -> Result<(ReadLock, ObjectIndex)> {
    read_marker(disk.as_ref())?.ok_or(StoreError::NoStore)?;
    let lock = ReadLock::share(disk.as_ref())?;
    let store = Store::open(Arc::clone(disk)).map_err(|error| settle(disk.as_ref(), error.into()))?;
    let (_, index) = unlock(&store, identities, run)?;
    Ok((lock, index))
}

/// Finds a kept snapshot by its name, as [`snapshots::find`].
///
/// # Errors
/// [`ErrorKind::Other`] when no snapshot goes by that name, [`ErrorKind::Usage`] when nothing could.
pub fn find_snapshot<'a>(sealed: &'a SealedPart, name: &str, now: Timestamp) -> Result<&'a SnapshotRef> {
    Ok(snapshots::find(sealed, name, now)?)
}

/// Returns what a path of a snapshot names; nothing where it names nothing.
///
/// # Errors
/// [`ErrorKind::Corrupt`].
pub fn named_at(reading: &Reading, snapshot: &Snapshot, path: &RelPath) -> Result<Option<Named>> {
    resolve(&reading.reader, snapshot, path).map_err(|error| reading.store.settle(error).into())
}

/// An error of the verb that is carried past a walk, which knows store errors only.
#[derive(Debug, Default)]
pub struct Stopped(Option<Error>);

impl Stopped {
    /// Keeps the error of a step and stops the walk.
    ///
    /// # Errors
    /// [`StoreError::Interrupted`], in place of the step's own.
    pub fn keep<T>(&mut self, step: Result<T>) -> std::result::Result<T, StoreError> {
        step.map_err(|error| {
            self.0 = Some(error);
            StoreError::Interrupted
        })
    }

    /// Returns the error that was kept, else what the walk returned.
    ///
    /// # Errors
    /// Either.
    pub fn or<T>(self, reading: &Reading, walked: std::result::Result<T, StoreError>) -> Result<T> {
        match self.0 {
            Some(error) => Err(error),
            None => walked.map_err(|error| reading.store.settle(error).into()),
        }
    }
}

/// A place in a snapshot as people write it: `SNAP:PATH`, or a path in the newest one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// The snapshot's name.
    pub snapshot: String,
    /// The path from the committed folder.
    pub path: RelPath,
}

impl Spot {
    /// Reads `SNAP:PATH` or `/PATH`. A path begins with `/`, so a colon before the first `/` ends the snapshot's name.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a path that leaves the folder, or none at all.
    pub fn parse(text: &[u8]) -> Result<Self> {
        let slash = text.iter().position(|&b| b == b'/').unwrap_or(text.len());
        let colon = text[..slash].iter().rposition(|&b| b == b':');
        // A time such as @2026-11-21T07:35:00Z has colons of its own, but the one before the path is the last.
        let (name, path) = match colon {
            Some(colon) => (&text[..colon], &text[colon + 1..]),
            None => (&b"HEAD"[..], text),
        };
        let usage = |why: &str| Error::new(ErrorKind::Usage, why.to_owned());
        let snapshot = std::str::from_utf8(name).map_err(|_| usage("the snapshot's name is not text"))?;
        if snapshot.is_empty() {
            return Err(usage("there is no snapshot's name before the colon"));
        }
        let no_path = |error| usage(&format!("{} is no path in a snapshot: {error}", show_bytes(path)));
        let path = RelPath::new(path).map_err(no_path)?;
        Ok(Self { snapshot: snapshot.to_owned(), path })
    }
}

#[cfg(test)]
mod tests;
