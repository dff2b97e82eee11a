//! Reading the receipts that lie on a remote, over several sessions at a time.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::judge::Found;
use crate::base::limits::{FLEET_MAX, SEALED_RECEIPT_MAX_BYTES};
use crate::base::monitor::{Amount, Task};
use crate::base::{ReplicaId, StorePath};
use crate::crypto::wrap::Identity;
use crate::error::{Error, Result};
use crate::ops::Run;
use crate::ops::transfer::Meter;
use crate::ops::transfer::caller::{CallError, Caller};
use crate::remote::retry::{Retry, RetryPolicy};
use crate::remote::{Remote, RemoteError, RemoteErrorKind};
use crate::store::{StoreError, layout, receipt};

/// What lies where receipts do.
#[derive(Debug, Default)]
pub struct Gathered {
    /// What stands under the name of each replica.
    pub found: BTreeMap<ReplicaId, Found>,
    /// How many receipts were not read, since there are too many.
    pub left_out: u64,
}

type Tried = std::result::Result<Vec<u8>, RemoteError>;

/// What came of asking for one receipt.
enum Got {
    /// Something that stands there.
    Found(Found),
    /// Nothing stands there any more.
    Nothing,
    /// The remote has too many sessions; this one goes.
    Crowded,
}

struct Queue {
    wanted: Vec<ReplicaId>,
    workers: usize,
    found: BTreeMap<ReplicaId, Found>,
    failure: Option<Error>,
}

struct Pool<'a> {
    remote: &'a dyn Remote,
    identities: &'a [Identity],
    run: Run<'a>,
    queue: Mutex<Queue>,
}

/// Reads all receipts, at most [`FLEET_MAX`], those of replicas that are known first. Costs a list, and a small fetch each.
///
/// # Errors
/// Those of the remote, and of a wish to stop. A receipt that is wrong, or that a remote refuses, costs itself.
pub fn gather(
    remote: &dyn Remote,
    identities: &[Identity],
    is_known: &dyn Fn(ReplicaId) -> bool,
    run: Run<'_>,
) -> Result<Gathered> {
    let meter = Meter::default();
    let names = Caller::new(remote, run, &meter).call(&mut |session| session.list(&layout::receipts()))?;
    // Other names are of uploads that were cut off.
    let mut wanted: Vec<ReplicaId> = names.iter().filter_map(|name| name.parse().ok()).collect();
    drop(names);
    wanted.sort_by_key(|replica| !is_known(*replica));
    let left_out = wanted.len().saturating_sub(FLEET_MAX) as u64;
    wanted.truncate(FLEET_MAX);
    if wanted.is_empty() {
        return Ok(Gathered::default());
    }
    run.monitor.begin(Task::Fetch, Some(Amount { files: wanted.len() as u64, bytes: 0 }));
    let workers = remote.session_limit().clamp(1, wanted.len());
    let queue = Mutex::new(Queue { wanted, workers, found: BTreeMap::new(), failure: None });
    let pool = Pool { remote, identities, run, queue };
    std::thread::scope(|scope| {
        for _ in 1..workers {
            scope.spawn(|| pool.work());
        }
        pool.work();
    });
    run.monitor.end(Task::Fetch);
    let queue = pool.queue.into_inner().unwrap_or_else(PoisonError::into_inner);
    match queue.failure {
        Some(error) => Err(error),
        None => Ok(Gathered { found: queue.found, left_out }),
    }
}

impl Pool<'_> {
    fn work(&self) {
        let meter = Meter::default();
        let mut caller = Caller::new(self.remote, self.run, &meter);
        while let Some(replica) = self.next() {
            match self.fetch(&mut caller, replica) {
                Ok(Got::Found(found)) => {
                    lock(&self.queue).found.insert(replica, found);
                    self.run.monitor.advance(Task::Fetch, Amount { files: 1, bytes: 0 });
                }
                Ok(Got::Nothing) => {}
                Ok(Got::Crowded) => return,
                Err(error) => drop(lock(&self.queue).failure.get_or_insert(error.into())),
            }
        }
    }

    fn next(&self) -> Option<ReplicaId> {
        let mut queue = lock(&self.queue);
        let next = if queue.failure.is_none() { queue.wanted.pop() } else { None };
        if next.is_none() {
            queue.workers -= 1;
        }
        next
    }

    /// Gives a replica back and leaves, unless no other worker is there to take it.
    fn leave(&self, replica: ReplicaId) -> bool {
        let mut queue = lock(&self.queue);
        let others = queue.workers > 1;
        if others {
            queue.workers -= 1;
            queue.wanted.push(replica);
        }
        others
    }

    /// Fetches and opens one receipt.
    fn fetch(&self, caller: &mut Caller<'_>, replica: ReplicaId) -> std::result::Result<Got, CallError> {
        use RemoteErrorKind::{Busy, NoSpace, NotFound, Protocol, Refused, Unavailable, Unreachable, Unsupported};
        let path = layout::receipt(replica);
        let mut retry = Retry::new(RetryPolicy::default());
        loop {
            let error = match fetch_once(caller, &path)? {
                Ok(sealed) => return Ok(Got::Found(self.open(&sealed))),
                Err(error) => error,
            };
            match error.kind {
                NotFound => return Ok(Got::Nothing),
                Busy if self.leave(replica) => return Ok(Got::Crowded),
                Refused | Protocol | Unsupported | NoSpace => return Ok(Got::Found(Found::Unread(error.to_string()))),
                Unavailable => match caller.wait_after(&mut retry, error) {
                    Err(CallError::Remote(error)) => return Ok(Got::Found(Found::Unread(error.to_string()))),
                    waited => waited?,
                },
                Busy | Unreachable | RemoteErrorKind::Local => caller.wait_after(&mut retry, error)?,
            }
        }
    }

    fn open(&self, sealed: &[u8]) -> Found {
        match receipt::open(sealed, self.identities) {
            Ok(receipt) => Found::Receipt(Box::new(receipt)),
            Err(StoreError::NoIdentity) => Found::Sealed,
            Err(error) => Found::Unread(Error::from(error).in_full()),
        }
    }
}

/// Fetches a file of the length of a receipt; one byte more where it is longer, so that it does not open.
fn fetch_once(caller: &mut Caller<'_>, path: &StorePath) -> std::result::Result<Tried, CallError> {
    caller.once(&mut |session| {
        let mut bytes = Vec::new();
        session.fetch(path, 0, SEALED_RECEIPT_MAX_BYTES + 1, &mut |piece| {
            bytes.extend_from_slice(piece);
            ControlFlow::Continue(())
        })?;
        Ok(bytes)
    })
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}
