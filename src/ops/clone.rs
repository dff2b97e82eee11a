//! `clone`: makes an empty directory a store with what a remote shows, and pins the trust that a person confirmed.
//!
//! The marker is written last, so a clone that was cut off is no store; another `clone` goes on from what is there.

pub(in crate::ops) mod known;

use std::path::Path;
use std::sync::Arc;

use self::known::Known;
use super::freshness::{Freshness, ahead_remark};
use super::host_state::{Accepted, HostState};
use super::purge::obey::sweep;
use super::transfer::caller::Caller;
use super::transfer::key_files::KeyLack;
use super::transfer::receive::{Local, Received, Settle, receive};
use super::transfer::remote_state::{first_trust, look};
use super::transfer::stage::{Asking, Held, Meant, held_remark, meant};
use super::transfer::target::Target;
use super::transfer::{Meter, TransferError};
use crate::base::limits::{HEAD_MAX_BYTES, TRUST_MAX_BYTES};
use crate::base::random::random_array;
use crate::base::{Generation, ReplicaId, StoreId, StorePath};
use crate::disk::{Disk, DiskErrorKind, read_all};
use crate::error::{Error, ErrorKind, Result};
use crate::format::head::{Group, SignedHead};
use crate::format::keylist::KeyTag;
use crate::format::trust::SignedTrust;
use crate::ops::Run;
use crate::remote::Remote;
use crate::store::lock::WriteLock;
use crate::store::trust::TrustChain;
use crate::store::{self, Store, StoreError, head, layout, pack, replica};

/// How often a run starts again from the remote's new HEAD when files of the old one are gone.
const ROUNDS: u32 = 3;
/// Files that a clone which was cut off may have left in the store's own directory.
const LEFT_OVER: [&str; 6] = ["STORE", "lock", "readers", "HEAD", "HEAD.new", "pending"];

/// What `clone` is asked for.
pub struct CloneRequest<'a> {
    /// The fingerprint that the store's first trust file, or one after it, must have; without one `confirm` is asked.
    pub trust: Option<String>,
    /// Shows a fingerprint to a person and returns whether it is the right one.
    pub confirm: &'a dyn Fn(&str) -> Result<bool>,
    /// The one reader whose key file the store is to carry.
    pub reader: Option<KeyTag>,
    /// Takes a remote that shows less than it showed to this host before.
    pub accept_older: bool,
    /// The rollout group that the key is in.
    pub group: Group,
}

/// What `clone` made.
#[derive(Debug, Clone)]
pub struct Cloned {
    /// The store's id.
    pub store: StoreId,
    /// By which people recognise it.
    pub fingerprint: String,
    /// The new replica.
    pub replica: ReplicaId,
    /// The generation that it holds.
    pub generation: Generation,
    /// The newest generation that is for another group of keys so far, and that group.
    pub held: Option<Held>,
    /// The publisher's HEAD has expired.
    pub stale: bool,
    /// The way back that was asked for, where this was one.
    pub went_back: Option<Accepted>,
    /// By how many seconds the newest signed time lies ahead of this machine's clock, where that is more than a day.
    pub ahead_secs: Option<i64>,
    /// Why it carries no key file.
    pub key_lack: Option<KeyLack>,
    /// Bytes of files that the remote gave.
    pub fetched_bytes: u64,
    /// Bytes of packs that an earlier clone had left.
    pub reused_bytes: u64,
    /// Packs that were fetched.
    pub packs_fetched: u64,
    /// Packs that an earlier clone had left.
    pub packs_reused: u64,
    /// Bytes that crossed the wire both ways.
    pub wire_bytes: u64,
}

impl Cloned {
    /// Returns what a person should hear besides what was fetched, a sentence each.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        let held = self.held.iter().map(held_remark);
        let lack = self.key_lack.map(KeyLack::remark);
        let back = self.went_back.iter().map(Accepted::to_string);
        back.chain(held).chain(lack).chain(self.ahead_secs.map(ahead_remark)).collect()
    }
}

/// Clones a remote into an empty directory; `cache` is where the host's memory of stores lies.
///
/// # Durability
/// The store is there once this returns; after a cut within, a directory without a marker.
///
/// # Errors
/// [`ErrorKind::NotTrusted`] for another fingerprint or what does not hold, [`ErrorKind::Other`] for a directory that is
/// not empty, and those of [`super::sync::sync`].
pub fn clone_store(
    remote: &Arc<dyn Remote>,
    disk: &Arc<dyn Disk>,
    request: &CloneRequest<'_>,
    cache: Option<&Path>,
    run: Run<'_>,
) -> Result<Cloned> {
    require_room(disk.as_ref())?;
    let meter = Meter::default();
    let wire_before = remote.wire_bytes();
    let mut caller = Caller::new(remote.as_ref(), run, &meter);
    let pinned = first_trust(&mut caller)?;
    // What the remote shows must hold before the first byte is written.
    let found = look(&mut caller, &pinned)?;
    confirm(&pinned, &found.trust, request)?;
    require_same_store(disk.as_ref(), &pinned)?;
    let store = pinned.newest().trust.store;
    let mut state = HostState::load(cache, store);
    let known = Known { pinned: &pinned, state: &state, address: remote.address(), accept_older: request.accept_older };
    known.check(&found, run)?;
    store::create_layout(disk.as_ref())?;
    let made = make(remote, disk, &known, request, run, &meter);
    let (replica, received, target, shows) = made.map_err(|error| settle(disk.as_ref(), error))?;
    let shown = &target.head.head;
    let now = run.clock.now();
    let went_back = known.went_back(&shows, now);
    if went_back.is_some() {
        state.forget(&remote.address(), &shows);
    }
    state.saw(&remote.address(), &shows);
    // A person vouched for this fingerprint, whatever was met before.
    state.knows_as(pinned.fingerprint());
    // The store is made; a medium that goes away now costs the host's memory of it alone.
    if let Ok(made) = Store::open(Arc::clone(disk)) {
        if let Some(accepted) = &went_back {
            state.went_back(&made, &target.head, accepted);
        }
        state.met(&made, &target.head);
    }
    state.synced(now);
    let later: Vec<_> = state.signed_after(shown.rank()).into_iter().collect();
    let fresh = Freshness::of(&target.head, &target.trust, &later, now);
    state.save()?;
    Ok(Cloned {
        store,
        fingerprint: pinned.fingerprint(),
        replica,
        generation: received.generation,
        held: (shows != target.head).then(|| (shows.head.generation, shows.head.group.clone())),
        stale: fresh.is_stale,
        went_back,
        ahead_secs: fresh.ahead_secs,
        key_lack: received.key_lack,
        fetched_bytes: meter.fetched_bytes(),
        reused_bytes: received.reused_bytes,
        packs_fetched: received.packs_fetched,
        packs_reused: received.packs_reused,
        wire_bytes: remote.wire_bytes().saturating_sub(wire_before),
    })
}

/// Fills the directory and makes it a store.
fn make(
    remote: &Arc<dyn Remote>,
    disk: &Arc<dyn Disk>,
    known: &Known<'_>,
    request: &CloneRequest<'_>,
    run: Run<'_>,
    meter: &Meter,
) -> Result<(ReplicaId, Received, Target, SignedHead)> {
    let replica = prepare(disk.as_ref(), known, request, run)?;
    let _lock = WriteLock::take(disk.as_ref())?;
    let (received, target, shows) = rounds(remote, disk, known, &request.group, run, meter)?;
    finish(disk.as_ref(), known.pinned.newest().trust.store)?;
    // A clone that was cut off before a purge may have left what was purged since.
    sweep(&store::Store::open(Arc::clone(disk))?, run)?;
    Ok((replica, received, target, shows))
}

/// Tells a medium that went away from one that fails: directories were made, so an empty one is none.
fn settle(disk: &dyn Disk, error: Error) -> Error {
    let is_empty = || disk.list(&StorePath::root()).is_ok_and(|names| names.is_empty());
    let is_suspicious = matches!(error.kind(), ErrorKind::Other | ErrorKind::Corrupt | ErrorKind::NoStore);
    if is_suspicious && (disk.is_gone() || is_empty()) {
        return Error::with_source(ErrorKind::Gone, "the medium went away", error);
    }
    error
}

fn rounds(
    remote: &Arc<dyn Remote>,
    disk: &Arc<dyn Disk>,
    known: &Known<'_>,
    group: &Group,
    run: Run<'_>,
    meter: &Meter,
) -> Result<(Received, Target, SignedHead)> {
    let mut last = None;
    for _ in 0..ROUNDS {
        match round(remote, disk, known, group, run, meter) {
            Ok(done) => return Ok(done),
            Err(TransferError::Failed(error)) => return Err(error),
            Err(vanished @ TransferError::Vanished(_)) => last = Some(vanished),
        }
    }
    Err(last.map_or_else(|| Error::new(ErrorKind::Other, "no round was made"), Error::from))
}

fn round(
    remote: &Arc<dyn Remote>,
    disk: &Arc<dyn Disk>,
    known: &Known<'_>,
    group: &Group,
    run: Run<'_>,
    meter: &Meter,
) -> std::result::Result<(Received, Target, SignedHead), TransferError> {
    let mut caller = Caller::new(remote.as_ref(), run, meter);
    let found = look(&mut caller, known.pinned)?;
    // It may show something else than it did at first.
    known.check(&found, run)?;
    let shows = found.head.clone();
    let asking = Asking { disk: disk.as_ref(), group, mine: None, may_stay: false };
    let state = match meant(asking, &found, &mut caller)? {
        Meant::Floor(floor) => *floor,
        Meant::Itself | Meant::Nothing => found,
    };
    let target = Target::load(disk.as_ref(), None, state, &mut caller)?;
    drop(caller);
    let local = Local { disk, trust: known.pinned, current: None, settle: Settle::InDoubt, distrusted: &[] };
    let received = receive(local, &target, std::slice::from_ref(remote), run, meter)?;
    Ok((received, target, shows))
}

/// Writes the marker; one that may not be durable is taken away, so that nobody takes the directory for a store.
fn finish(disk: &dyn Disk, store: StoreId) -> Result<()> {
    let written = store::write_marker(disk, store);
    if written.is_err() {
        // The first failure is what is told.
        let _ = disk.remove(&layout::marker());
    }
    Ok(written?)
}

/// Has a person vouch for the first trust file, or for a later one that the remote's HEAD stands under: whoever was removed before
/// that signs nothing which is taken.
fn confirm(pinned: &TrustChain, shown: &TrustChain, request: &CloneRequest<'_>) -> Result<()> {
    let fingerprint = pinned.fingerprint();
    let agreed = match &request.trust {
        Some(expected) => {
            let is_expected = |file: &SignedTrust| expected.trim().eq_ignore_ascii_case(&file.fingerprint());
            shown.files().iter().any(is_expected)
        }
        None => (request.confirm)(&fingerprint)?,
    };
    if agreed {
        return Ok(());
    }
    let text = format!("the store's fingerprint {fingerprint} is not the one that was expected");
    Err(Error::new(ErrorKind::NotTrusted, text))
}

/// Refuses a directory that holds a store or anything that no clone leaves behind. A damaged marker is no store's: it may be
/// the last thing that a clone wrote before it was cut off.
fn require_room(disk: &dyn Disk) -> Result<()> {
    match store::read_marker(disk) {
        Ok(None) | Err(StoreError::Corrupt { .. }) => {}
        Ok(Some(_)) => return Err(StoreError::NotEmpty("the directory (it holds a store)".into()).into()),
        Err(error) => return Err(error.into()),
    }
    let names = disk.list(&StorePath::root())?;
    match names.iter().find(|(name, _)| !is_unfinished(name)) {
        Some((name, _)) => Err(StoreError::NotEmpty(format!("the directory (it holds {name})")).into()),
        None => Ok(()),
    }
}

/// Returns whether a cut-off run may have left a name. FAT may show the short form of a name that was not synced.
fn is_unfinished(name: &str) -> bool {
    let known = layout::DIRS.iter().chain(&LEFT_OVER);
    name.starts_with('.') || known.into_iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Refuses to go on over what was left of another store: its trust, or a record of it.
fn require_same_store(disk: &dyn Disk, pinned: &TrustChain) -> Result<()> {
    // A torn file is a clone's that was cut off, and is written again.
    let trust = read_left(disk, &layout::trust(1), TRUST_MAX_BYTES)?;
    let trust = trust.and_then(|bytes| TrustChain::start(&bytes).ok());
    let mut is_other = trust.is_some_and(|other| other.fingerprint() != pinned.fingerprint());
    if let Some(newest) = head::newest_name(disk)? {
        let record = read_left(disk, &layout::head_record(newest), HEAD_MAX_BYTES)?;
        let record = record.and_then(|bytes| SignedHead::decode(&bytes).ok());
        is_other |= record.is_some_and(|record| record.head.store != pinned.newest().trust.store);
    }
    if is_other {
        return Err(StoreError::NotEmpty("the directory (it holds parts of another store)".into()).into());
    }
    Ok(())
}

/// Reads what a run may have left; nothing where it does not read.
fn read_left(disk: &dyn Disk, path: &StorePath, max_bytes: u64) -> Result<Option<Vec<u8>>> {
    match read_all(disk, path, max_bytes) {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind == DiskErrorKind::Gone => Err(error.into()),
        Err(_) => Ok(None),
    }
}

/// Writes what the store is before it has content: its trust and its replica's files.
fn prepare(disk: &dyn Disk, known: &Known<'_>, request: &CloneRequest<'_>, run: Run<'_>) -> Result<ReplicaId> {
    pack::create_immutable(disk, &layout::trust(1), known.pinned.newest().bytes())?;
    disk.sync_dir(&layout::trust_dir())?;
    let replica = match replica::read_id(disk) {
        Ok(Some(replica)) => replica,
        _ => ReplicaId(random_array(run.random)),
    };
    replica::write_id(disk, replica)?;
    replica::write_remote(disk, &known.address)?;
    match request.reader {
        Some(tag) => replica::write_tag(disk, tag)?,
        None => disk.remove(&layout::replica_tag())?,
    }
    replica::write_group(disk, &request.group)?;
    disk.sync_dir(&layout::replica().parent())?;
    Ok(replica)
}
