//! Where what was purged still stands, as far as it can be asked: this store, and remotes; and which keys say in a receipt that they
//! carried it out. A key that gave none is not known to anybody, so nothing here says that a purge is done everywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use crate::base::{Generation, PackHash, ReplicaId, StoreId, Timestamp};
use crate::disk::Disk;
use crate::error::{ErrorKind, Result};
use crate::ops::Run;
use crate::ops::fleet::judge::{Flag, Row};
use crate::ops::fleet::memory::FleetMemory;
use crate::ops::fleet::{Fleet, survey};
use crate::ops::local_keys::WriterKey;
use crate::ops::transfer::caller::Caller;
use crate::ops::transfer::remote_state::look;
use crate::ops::transfer::{Meter, settle};
use crate::remote::{Remote, RemoteErrorKind};
use crate::store::order::{missing_parts, orders_of, superseded};
use crate::store::{Store, StoreError, layout, read_marker};

/// What was ordered, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgeStatus {
    /// The generation of the newest purge; nothing where there was none.
    pub purged: Option<Generation>,
    /// Packs that are to be gone, of all purges.
    pub packs: u64,
    /// Why not all of them are known, if so.
    pub lacks: Option<String>,
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
            Some(_) if self.lacks.is_some() => Some(false),
            Some(_) if self.here.is_clear() && self.remotes.is_empty() => None,
            Some(_) => Some(self.here.is_clear() && self.remotes.iter().all(|(_, remote)| clear(remote))),
        }
    }
}

/// What keys say of a purge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeysStanding {
    /// How many keys are known, by a receipt or from this host's memory.
    pub known: u64,
    /// Those of which no receipt that counts says that they carried it out, by replica id.
    pub pending: Vec<PendingKey>,
}

/// A key that may still hold what was purged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingKey {
    /// Which.
    pub replica: ReplicaId,
    /// Who holds the key file that it carries, as the roster has it.
    pub name: Option<String>,
    /// The generation that it holds.
    pub generation: Option<Generation>,
    /// When it last gave a receipt.
    pub seen: Option<Timestamp>,
}

/// Asks the receipts at remotes which keys carried out the newest purge; what this host remembers of keys is read and stays as it
/// is. Nothing where no remote could be asked. Costs a [`survey`] of each.
///
/// # Errors
/// [`ErrorKind::Interrupted`].
pub fn keys(
    disk: &Arc<dyn Disk>,
    store: StoreId,
    remotes: &[Arc<dyn Remote>],
    writer: &WriterKey,
    cache: Option<&Path>,
    run: Run<'_>,
) -> Result<Option<KeysStanding>> {
    let mut keys: BTreeMap<ReplicaId, Option<PendingKey>> = BTreeMap::new();
    let mut asked = false;
    for remote in remotes {
        let mut memory = FleetMemory::load(cache, store);
        match survey(disk, remote.as_ref(), writer, &mut memory, run) {
            Ok(fleet) => {
                asked = true;
                fleet.rows.iter().for_each(|row| note(&mut keys, &fleet, row));
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => return Err(error),
            Err(error) => run.monitor.note(&format!("the receipts are not known: {}", error.in_full())),
        }
    }
    let known = keys.len() as u64;
    Ok(asked.then(|| KeysStanding { known, pending: keys.into_values().flatten().collect() }))
}

/// Takes in what one remote has of a key: it carried a purge out if any receipt of its own says so.
fn note(keys: &mut BTreeMap<ReplicaId, Option<PendingKey>>, fleet: &Fleet, row: &Row) {
    let doubts = [Flag::PurgePending, Flag::AnotherKey, Flag::ForeignStore];
    let pending = doubts.into_iter().any(|flag| row.has(flag)).then(|| PendingKey {
        replica: row.replica,
        name: fleet.holder(row).map(|holder| holder.name.clone()),
        generation: row.generation,
        seen: row.seen,
    });
    let known = keys.entry(row.replica).or_insert_with(|| pending.clone());
    let is_newer = |last: &PendingKey| pending.as_ref().is_none_or(|new| new.seen > last.seen);
    if known.as_ref().is_some_and(is_newer) {
        *known = pending;
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
        Ok(PurgeStatus { purged, packs: packs.len() as u64, lacks: missing_parts(&orders), here, remotes })
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
