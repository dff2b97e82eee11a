//! Where what was purged still stands, as far as it can be asked: this store, and remotes. Keys are not known to anybody until they
//! give receipts, so nothing here says that a purge is done everywhere.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::base::{Generation, PackHash};
use crate::disk::Disk;
use crate::error::{ErrorKind, Result};
use crate::ops::Run;
use crate::ops::transfer::caller::Caller;
use crate::ops::transfer::remote_state::look;
use crate::ops::transfer::{Meter, settle};
use crate::remote::{Remote, RemoteErrorKind};
use crate::store::order::{orders_of, superseded};
use crate::store::{Store, StoreError, layout, read_marker};

/// What was ordered, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgeStatus {
    /// The generation of the newest purge; nothing where there was none.
    pub purged: Option<Generation>,
    /// Packs that are to be gone, of all purges.
    pub packs: u64,
    /// This store.
    pub here: Standing,
    /// The remotes that were asked.
    pub remotes: Vec<(String, RemoteStanding)>,
}

/// What of it stands in a place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Packs that are to be gone.
    pub packs: u64,
    /// Records of earlier states, with what they lead to.
    pub records: u64,
}

impl Standing {
    /// Returns whether nothing was found.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        self.packs == 0 && self.records == 0
    }
}

/// What a remote has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteStanding {
    /// It was asked for everything; the generation that it shows.
    Asked(Generation, Standing),
    /// It cannot be told, and why.
    Unknown(String),
}

impl PurgeStatus {
    /// Returns whether each place that was asked is known to be clear; nothing where this store is and no remote was asked.
    #[must_use]
    pub fn is_clear(&self) -> Option<bool> {
        let clear = |remote: &RemoteStanding| matches!(remote, RemoteStanding::Asked(_, found) if found.is_clear());
        match self.purged {
            None => Some(true),
            Some(_) if self.here.is_clear() && self.remotes.is_empty() => None,
            Some(_) => Some(self.here.is_clear() && self.remotes.iter().all(|(_, remote)| clear(remote))),
        }
    }
}

/// Looks. Costs a look at each pack that is to be gone, here and at each remote, and at each earlier record.
///
/// # Errors
/// [`ErrorKind::Corrupt`] when the order does not read, and those of opening the store.
pub fn status(disk: &Arc<dyn Disk>, remotes: &[Arc<dyn Remote>], run: Run<'_>) -> Result<PurgeStatus> {
    read_marker(disk.as_ref())?.ok_or(StoreError::NoStore)?;
    let look = || {
        let store = Store::open(Arc::clone(disk))?;
        let orders = orders_of(&store)?;
        let purged = orders.iter().map(|order| order.generation).max();
        let packs: BTreeSet<PackHash> = orders.iter().flat_map(|order| order.packs.iter().copied()).collect();
        let here = here(&store, &packs)?;
        let asked = remotes.iter().filter(|_| purged.is_some()).map(|remote| {
            Ok((remote.address(), ask(remote.as_ref(), &store, &packs, purged.unwrap_or_default(), run)?))
        });
        let remotes = asked.collect::<Result<_>>()?;
        Ok(PurgeStatus { purged, packs: packs.len() as u64, here, remotes })
    };
    look().map_err(|error| settle(disk.as_ref(), error))
}

fn here(store: &Store, packs: &BTreeSet<PackHash>) -> Result<Standing> {
    let mut found = Standing { packs: 0, records: superseded(store)?.len() as u64 };
    for pack in packs {
        found.packs += u64::from(store.disk().metadata(&layout::pack(pack))?.is_some());
    }
    Ok(found)
}

fn ask(
    remote: &dyn Remote,
    store: &Store,
    packs: &BTreeSet<PackHash>,
    purged: Generation,
    run: Run<'_>,
) -> Result<RemoteStanding> {
    let meter = Meter::default();
    let mut caller = Caller::new(remote, run, &meter);
    let mut asked = || -> Result<RemoteStanding> {
        let shows = look(&mut caller, store.trust())?.head.head.generation;
        let older = store.packs().heads.range(..purged).map(|(generation, _)| layout::head_record(*generation));
        let mut found = Standing::default();
        for path in packs.iter().map(layout::pack) {
            found.packs += u64::from(stands(&mut caller, &path)?);
        }
        for path in older {
            found.records += u64::from(stands(&mut caller, &path)?);
        }
        Ok(RemoteStanding::Asked(shows, found))
    };
    match asked() {
        Err(error) if error.kind() == ErrorKind::Interrupted => Err(error),
        Err(error) => Ok(RemoteStanding::Unknown(error.in_full())),
        found => found,
    }
}

fn stands(caller: &mut Caller<'_>, path: &crate::base::StorePath) -> Result<bool> {
    let length = caller.call(&mut |session| match session.length(path) {
        Err(error) if error.kind == RemoteErrorKind::NotFound => Ok(None),
        length => length,
    })?;
    Ok(length.is_some())
}
