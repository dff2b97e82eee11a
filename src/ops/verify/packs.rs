//! Every pack by its length, and by its hash, several at a time where that is asked for.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::base::PackHash;
use crate::base::monitor::{Amount, Task};
use crate::disk::{DiskErrorKind, DiskFileKind};
use crate::error::Result;
use crate::format::manifest::PackRef;
use crate::ops::Run;
use crate::store::pack::{PackState, pack_is_whole, pack_state};
use crate::store::survey::Fault;
use crate::store::{Store, StoreError, layout};

/// What came of looking at packs.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// Packs that were to be hashed.
    pub packs: u64,
    /// Bytes that were hashed.
    pub hashed_bytes: u64,
    /// Those that are missing or wrong, in the order of the manifest.
    pub broken: Vec<(PackRef, Fault)>,
}

/// Looks at the length of every pack and hashes the chosen ones, `threads` at a time. Holds 1 MiB for each thread.
///
/// # Errors
/// [`crate::error::ErrorKind::Gone`], [`crate::error::ErrorKind::Interrupted`].
pub fn check_packs(store: &Store, chosen: &HashSet<PackHash>, threads: usize, run: Run<'_>) -> Result<Checked> {
    let packs = store.packs().packs();
    let bytes = packs.iter().filter(|pack| chosen.contains(&pack.hash)).map(|pack| pack.len_bytes).sum();
    run.monitor.begin(Task::Verify, Some(Amount { files: chosen.len() as u64, bytes }));
    let pool =
        Pool { store, chosen, run, next: AtomicUsize::new(0), stop: AtomicBool::new(false), done: Mutex::default() };
    thread::scope(|scope| {
        for _ in 1..threads.min(packs.len()) {
            scope.spawn(|| pool.work());
        }
        pool.work();
    });
    let mut done = pool.done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    let mut checked = Checked::default();
    for (at, verdict) in done {
        let Verdict { fault, hashed } = verdict?;
        let pack = packs[at];
        checked.packs += u64::from(chosen.contains(&pack.hash));
        checked.hashed_bytes += if hashed { pack.len_bytes } else { 0 };
        checked.broken.extend(fault.map(|fault| (pack, fault)));
    }
    run.monitor.end(Task::Verify);
    // An empty-looking medium makes every pack missing: believe it only while the store still stands.
    if !checked.broken.is_empty()
        && let gone @ StoreError::Gone(_) = store.settle(StoreError::damaged("a pack"))
    {
        return Err(gone.into());
    }
    Ok(checked)
}

/// What is wrong with one pack, and whether it was hashed.
struct Verdict {
    fault: Option<Fault>,
    hashed: bool,
}

struct Pool<'a> {
    store: &'a Store,
    chosen: &'a HashSet<PackHash>,
    run: Run<'a>,
    next: AtomicUsize,
    stop: AtomicBool,
    done: Mutex<Vec<(usize, Result<Verdict>)>>,
}

impl Pool<'_> {
    fn work(&self) {
        let packs = self.store.packs().packs();
        while !self.stop.load(Ordering::Relaxed) {
            let at = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(pack) = packs.get(at) else { return };
            let verdict = self.run.check().and_then(|()| self.judge(pack));
            if verdict.is_err() {
                self.stop.store(true, Ordering::Relaxed);
            }
            self.done.lock().unwrap_or_else(PoisonError::into_inner).push((at, verdict));
        }
    }

    fn judge(&self, pack: &PackRef) -> Result<Verdict> {
        let (store, run) = (self.store, self.run);
        let disk = store.disk().as_ref();
        let is_chosen = self.chosen.contains(&pack.hash);
        let unreadable = |error: crate::disk::DiskError| match error.kind {
            // A bad sector is this pack's; a vanished medium is everything's.
            DiskErrorKind::Io => match store.settle(error.into()) {
                gone @ StoreError::Gone(_) => Err(gone),
                error => Ok(Fault::Unreadable(error.to_string())),
            },
            _ => Err(store.settle(error.into())),
        };
        let state = match pack_state(disk, pack) {
            Ok(state) => state,
            // A cut on a file system without a journal may leave a name that nothing stands behind.
            Err(error) => return Ok(Verdict { fault: Some(unreadable(error)?), hashed: false }),
        };
        let mut hear = |bytes| run.monitor.advance(Task::Verify, Amount { files: 0, bytes });
        let fault = match state {
            PackState::Missing => Some(Fault::Missing),
            PackState::Partial(_) => Some(Fault::Damaged),
            PackState::Foreign => {
                let found = disk.metadata(&layout::pack(&pack.hash));
                // What is not known to be something else may still be a file, of which frames can be saved.
                let is_in_the_way = matches!(found, Ok(Some(found)) if found.kind != DiskFileKind::File);
                Some(if is_in_the_way { Fault::InTheWay } else { Fault::Damaged })
            }
            PackState::FullLength if !is_chosen => None,
            PackState::FullLength => match pack_is_whole(disk, pack, &mut hear) {
                Ok(whole) => (!whole).then_some(Fault::Damaged),
                Err(error) => Some(unreadable(error)?),
            },
        };
        if is_chosen || fault.is_some() {
            run.monitor.advance(Task::Verify, Amount { files: 1, bytes: 0 });
        }
        Ok(Verdict { fault, hashed: is_chosen && state == PackState::FullLength })
    }
}
