//! `status`: which state a store is in, as far as can be told without a secret, and what an interrupted run left.
//!
//! [`orphans`] lists the directories of packs and says what `gc` would give back.

use std::sync::Arc;

use crate::base::limits::HEAD_MAX_BYTES;
use crate::base::{Generation, ObjectId, ReplicaId, StoreId, Timestamp};
use crate::crypto::wrap::Identity;
use crate::disk::{Disk, read_all};
use crate::error::Result;
use crate::format::head::{Group, SignedHead};
use crate::ops::Run;
use crate::ops::freshness::Freshness;
use crate::ops::gc::sweep::find_garbage;
use crate::ops::gc::usual_patience;
use crate::ops::host_state::{Accepted, HostState, LastVerify, Likeness, ReplicaSeen};
use crate::store::head::Soundness;
use crate::store::manifest::PackSet;
use crate::store::pack::{PackState, pack_state};
use crate::store::{Audience, Store, StoreError, layout, replica};

/// A sync that was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unfinished {
    /// The generation that it was working towards.
    pub generation: Generation,
    /// Bytes of its new packs that are here.
    pub here_bytes: u64,
    /// Bytes of all its new packs.
    pub total_bytes: u64,
}

/// Packs that stand in the store and that `gc` would remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Orphans {
    /// How many.
    pub packs: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What `status` tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The store's id.
    pub store: StoreId,
    /// This replica's id; nothing on a server's copy.
    pub replica: Option<ReplicaId>,
    /// The generation that opens.
    pub generation: Generation,
    /// For whom it is.
    pub audience: Audience,
    /// The rollout group that this key is in.
    pub group: Group,
    /// When it was signed.
    pub time: Timestamp,
    /// Until when the publisher vouches for it.
    pub expires: Timestamp,
    /// Now, as far as the clock and what was signed tell.
    pub now: Timestamp,
    /// Whether the publisher no longer vouches for it.
    pub stale: bool,
    /// By how many seconds the newest signed time lies ahead of this machine's clock, where that is more than a day.
    pub ahead_secs: Option<i64>,
    /// Whether it opened in another way than it should.
    pub soundness: Soundness,
    /// By which people recognise the store.
    pub fingerprint: String,
    /// The newest snapshot, where an identity opens the store.
    pub snapshot: Option<ObjectId>,
    /// Packs and their bytes.
    pub packs: (u64, u64),
    /// Packs that wait for their end, and their bytes, as the publisher lists them; a copy of the store need not hold them.
    pub condemned: (u64, u64),
    /// Packs that should be here and are not, or not in full length.
    pub missing_packs: u64,
    /// Bytes that can still be written.
    pub free_bytes: Option<u64>,
    /// When a sync last ended well on this host.
    pub last_sync: Option<Timestamp>,
    /// How it was last verified on this host.
    pub last_verify: Option<LastVerify>,
    /// The highest generation that this host saw of the store.
    pub highest_seen: Generation,
    /// The furthest that this host saw the replica id.
    pub replica_seen: Option<ReplicaSeen>,
    /// What that says of the store.
    pub likeness: Likeness,
    /// The ways back that a person took on this host, the oldest first.
    pub accepted: Vec<Accepted>,
    /// Where it was cloned from.
    pub remote: Option<String>,
    /// What an interrupted sync left.
    pub unfinished: Option<Unfinished>,
    /// Whether a run was cut off and its packs are looked at next time.
    pub unclean: bool,
}

/// Looks at a store; reads small files and the lengths of packs, writes nothing.
///
/// # Errors
/// [`crate::error::ErrorKind::NoStore`], [`crate::error::ErrorKind::Corrupt`] and others.
pub fn status(disk: Arc<dyn Disk>, identities: &[Identity], state: &HostState, run: Run<'_>) -> Result<Status> {
    let store = Store::open(disk)?;
    let disk = store.disk().as_ref();
    let said = store.head().head.clone();
    let mut missing_packs = 0;
    for pack in store.packs().packs() {
        if pack_state(disk, pack).map_err(StoreError::from)? != PackState::FullLength {
            missing_packs += 1;
        }
    }
    let condemned = &store.packs().top.condemned;
    let unlocked = store.unlock(identities).ok();
    let snapshot = unlocked.and_then(|unlocked| unlocked.sealed.snapshots.last().map(|newest| newest.id));
    let fresh = Freshness::of_store(&store, state, run.clock.now());
    let replica = readable(store.replica())?;
    Ok(Status {
        store: store.id(),
        replica,
        generation: said.generation,
        audience: Audience::of(&said),
        group: readable(replica::read_group(disk).map(Some))?.unwrap_or_else(Group::all),
        time: said.time,
        expires: said.expires,
        now: fresh.now,
        stale: fresh.is_stale,
        ahead_secs: fresh.ahead_secs,
        soundness: store.soundness(),
        fingerprint: store.trust().fingerprint(),
        snapshot,
        packs: (store.packs().packs().len() as u64, store.packs().len_bytes()),
        condemned: (condemned.len() as u64, condemned.iter().map(|pack| pack.len_bytes).sum()),
        missing_packs,
        free_bytes: disk.free_bytes().ok(),
        last_sync: state.last_sync(),
        last_verify: state.last_verify(),
        highest_seen: state.highest(),
        replica_seen: replica.and_then(|replica| state.replica(replica)),
        likeness: state.likeness(&store),
        accepted: state.accepted(),
        remote: readable(replica::read_remote(disk))?,
        unfinished: unfinished(&store)?,
        unclean: replica::read_unclean(disk)?.is_some(),
    })
}

/// Counts the packs that `gc` would remove without any wait; costs a listing of 256 directories. Writes nothing and takes no
/// lock, so the packs that another run is writing at the moment count, too. A degraded store has none: nothing of it goes.
///
/// # Errors
/// As [`status`].
pub fn orphans(disk: Arc<dyn Disk>, run: Run<'_>) -> Result<Orphans> {
    let store = Store::open(disk)?;
    if store.soundness() == Soundness::Older {
        return Ok(Orphans::default());
    }
    let garbage = find_garbage(&store, usual_patience(&store)?, run.clock.now())?;
    let packs = garbage.files.iter().filter(|file| layout::is_below_packs(&file.path));
    let (packs, bytes) = packs.fold((0, 0), |(packs, bytes), file| (packs + 1, bytes + file.len_bytes));
    Ok(Orphans { packs, bytes })
}

/// Takes a damaged file of this replica for a missing one: whoever asks for the state shall be told the rest of it.
fn readable<T>(read: std::result::Result<Option<T>, StoreError>) -> Result<Option<T>> {
    match read {
        Err(StoreError::Corrupt { .. }) => Ok(None),
        read => Ok(read?),
    }
}

/// Measures how far an interrupted sync came; nothing when there was none or what it left does not read.
fn unfinished(store: &Store) -> Result<Option<Unfinished>> {
    let disk = store.disk().as_ref();
    let pending = read_all(disk, &layout::pending(), HEAD_MAX_BYTES);
    let pending = pending.map_err(|error| store.settle(StoreError::unread(layout::pending(), error)));
    let pending = readable(pending)?;
    let Some(bytes) = pending else { return Ok(None) };
    let Ok(target) = SignedHead::decode(&bytes) else { return Ok(None) };
    // Anybody may have put it there.
    if store.trust().check_head(&target).is_err() {
        return Ok(None);
    }
    let said = &target.head;
    if said.generation <= store.head().head.generation {
        return Ok(None);
    }
    let Ok(packs) = PackSet::load_from_disk(disk, store.id(), said.manifest, said.manifest_len_bytes) else {
        return Ok(None);
    };
    let mut left = Unfinished { generation: said.generation, here_bytes: 0, total_bytes: 0 };
    for pack in packs.packs().iter().filter(|pack| store.packs().pack(&pack.hash).is_none()) {
        left.total_bytes += pack.len_bytes;
        left.here_bytes += match pack_state(disk, pack).map_err(StoreError::from)? {
            PackState::FullLength => pack.len_bytes,
            PackState::Partial(len) => len,
            PackState::Missing | PackState::Foreign => 0,
        };
    }
    Ok(Some(left))
}
