//! `push`: publishes a store's HEAD to a remote, so that a reader sees the old state or the new one and never a half.
//!
//! ```text
//! packs -> recipes -> key files, key lists, trust, manifests -> heads/<n> -> HEAD -> on the first push the marker
//!   -> after a purge what led to earlier states is deleted -> condemned packs are deleted
//! ```
//!
//! HEAD is not sent before every other file was acknowledged. What an interrupted push sent is believed if this host
//! remembers the acknowledgement, read back if it does not.

use std::collections::HashSet;
use std::sync::Arc;

use super::host_state::HostState;
use super::transfer::caller::{CallError, Caller};
use super::transfer::condemned::remove_condemned;
use super::transfer::judge::{Descent, Shown, descent};
use super::transfer::remote_state::{has_record, look};
use super::transfer::sample::draw;
use super::transfer::send::{Outgoing, Sending, outer_files, send_files, send_packs, send_recipes};
use super::transfer::superseded::remove_superseded;
use super::transfer::target::Target;
use super::transfer::{Meter, TransferError, settle};
use crate::base::limits::{HEAD_MAX_BYTES, MARKER_MAX_BYTES};
use crate::base::{Generation, PackHash, Timestamp};
use crate::crypto::sign::SignKey;
use crate::disk::{Disk, read_all};
use crate::error::{Error, ErrorKind, Result};
use crate::format::FormatError;
use crate::format::head::{Group, Head, SignedHead};
use crate::format::manifest::PackRef;
use crate::format::marker::Marker;
use crate::format::sealed::SealedPart;
use crate::ops::Run;
use crate::remote::{Remote, RemoteErrorKind};
use crate::store::head::Soundness;
use crate::store::keyring::ReaderKeys;
use crate::store::lock::{ReadLock, WriteLock};
use crate::store::manifest::PackSet;
use crate::store::{self, Audience, Basis, Next, Store, StoreError, layout};

/// What it takes to make a generation.
pub struct RenewKeys {
    /// Seals.
    pub keys: ReaderKeys,
    /// The sealed part to carry over.
    pub sealed: SealedPart,
    /// Signs.
    pub signer: SignKey,
}

/// Gives what it takes to renew, or nothing where this machine cannot.
pub type AskRenewal<'a> = &'a dyn Fn(&Store) -> Result<Option<RenewKeys>>;

/// What `push` is asked for.
#[derive(Default)]
pub struct PushRequest<'a> {
    /// Gives the keys to renew an expiry that is half used; without it, or when it gives none, HEAD goes as it is.
    pub renew: Option<AskRenewal<'a>>,
    /// The group of keys that the state is for from now on, which takes those keys; as before where nothing is said.
    pub group: Option<Group>,
}

/// What `push` did.
#[derive(Debug, Clone, Default)]
pub struct Pushed {
    /// The generation that the remote shows now.
    pub generation: Generation,
    /// The group of keys that it is for, and the generation that all others stay at.
    pub audience: Audience,
    /// The remote shows another state than before.
    pub changed: bool,
    /// The expiry was renewed, as a generation of its own.
    pub renewed: bool,
    /// Bytes of files that the remote gave.
    pub fetched_bytes: u64,
    /// Bytes of files that were given to the remote.
    pub sent_bytes: u64,
    /// Bytes of packs that the remote had.
    pub reused_bytes: u64,
    /// Packs that were sent.
    pub packs_sent: u64,
    /// Packs that the remote had.
    pub packs_reused: u64,
    /// Condemned packs that were deleted from the remote.
    pub removed_packs: u64,
    /// Bytes of those.
    pub removed_bytes: u64,
    /// Manifests, key files and such of before a purge that were deleted from the remote.
    pub removed_files: u64,
    /// Bytes that crossed the wire both ways.
    pub wire_bytes: u64,
}

/// Publishes.
///
/// # Errors
/// [`ErrorKind::Conflict`] for a remote that is ahead or holds another history, [`ErrorKind::NotTrusted`] for a foreign one,
/// [`ErrorKind::Corrupt`] when a pack to send is not what its hash says, [`ErrorKind::Remote`] and others.
pub fn push(
    disk: &Arc<dyn Disk>,
    remote: &Arc<dyn Remote>,
    request: &PushRequest<'_>,
    state: &mut HostState,
    run: Run<'_>,
) -> Result<Pushed> {
    let meter = Meter::default();
    let wire_before = remote.wire_bytes();
    store::read_marker(disk.as_ref())?.ok_or(StoreError::NoStore)?;
    let result = Pushing { disk, remote, run, meter: &meter }.push(request, state);
    let saved = state.save();
    let mut pushed = result.map_err(|error| settle(disk.as_ref(), error))?;
    saved?;
    pushed.fetched_bytes = meter.fetched_bytes();
    pushed.sent_bytes = meter.sent_bytes();
    pushed.wire_bytes = remote.wire_bytes().saturating_sub(wire_before);
    Ok(pushed)
}

/// Makes a generation that changes nothing but the time until which the publisher vouches for it, and for whom it is, if that is
/// said.
///
/// # Durability
/// As [`store::commit`].
///
/// # Errors
/// [`ErrorKind::Locked`] and those of [`store::commit`].
fn renew(store: &Store, keys: RenewKeys, audience: Option<Audience>, now: Timestamp) -> Result<SignedHead> {
    let disk = store.disk().as_ref();
    let _lock = WriteLock::take(disk)?;
    let next = Next { audience, ..Next::following(store.packs(), keys.sealed, now) };
    let basis = Basis { store: store.id(), trust: store.trust(), current: Some((store.head(), store.packs())) };
    Ok(store::commit(disk, &basis, &keys.keys, &keys.signer, next)?)
}

/// Returns whether more than half of the time until which a HEAD holds is over.
#[must_use]
pub fn is_half_used(head: &Head, now: Timestamp) -> bool {
    now.secs_since(head.time) > head.expires.secs_since(head.time) / 2
}

/// How many packs that a remote says it has are looked at on each push, drawn by chance: all of a small store, and of a large
/// one enough to notice that many are lost.
const PACKS_LOOKED_AT: usize = 32;

/// What the remote shows.
enum Shows {
    Nothing,
    /// Its packs too, unless it lost a manifest.
    Older(Box<SignedHead>, Option<Box<There>>),
    Same,
}

/// The packs of what a remote shows.
struct There {
    set: PackSet,
    /// Those that it names and does not have.
    lost: HashSet<PackHash>,
}

impl There {
    fn has(&self, pack: &PackHash) -> bool {
        self.set.pack(pack).is_some() && !self.lost.contains(pack)
    }
}

struct Pushing<'a> {
    disk: &'a Arc<dyn Disk>,
    remote: &'a Arc<dyn Remote>,
    run: Run<'a>,
    meter: &'a Meter,
}

impl Pushing<'_> {
    fn push(&self, request: &PushRequest<'_>, state: &mut HostState) -> Result<Pushed> {
        let mut store = open(self.disk)?;
        state.check_fingerprint(&store)?;
        let mut caller = Caller::new(self.remote.as_ref(), self.run, self.meter);
        let mut shows = self.shows(&store, &mut caller)?;
        let staged = self.stage(&store, &shows, request)?;
        let renewed = !staged && self.renew(&store, request)?;
        if staged || renewed {
            store = open(self.disk)?;
            if matches!(shows, Shows::Same) {
                shows = self.shows(&store, &mut caller)?;
            }
        }
        let _lock = ReadLock::share(self.disk.as_ref())?;
        let (generation, audience) = (store.head().head.generation, Audience::of(&store.head().head));
        let mut pushed = Pushed { generation, audience, renewed, ..Pushed::default() };
        if !matches!(shows, Shows::Same) {
            self.require_floor(&store, &mut caller)?;
            self.publish(&store, &shows, &mut caller, state, &mut pushed)?;
            pushed.changed = true;
        }
        let address = self.remote.address();
        let mine = store.head().hash();
        // What this host saw end well before needs no second look.
        if pushed.changed || state.shown(&address).is_none_or(|shown| shown.head != mine) {
            self.mark(&store, &mut caller)?;
        }
        let superseded = remove_superseded(&mut caller, &store, state, self.run)?;
        pushed.removed_files = superseded.files;
        state.clear_sent(&address);
        state.saw(&address, store.head());
        state.met(&store, store.head());
        let removed = remove_condemned(&mut caller, &store, &superseded.packs, state, self.run)?;
        pushed.removed_packs = superseded.packs.len() as u64 + removed.packs;
        pushed.removed_bytes = superseded.bytes + removed.bytes;
        Ok(pushed)
    }

    fn renew(&self, store: &Store, request: &PushRequest<'_>) -> Result<bool> {
        let now = self.run.clock.now();
        let Some(ask) = request.renew.filter(|_| is_half_used(&store.head().head, now)) else { return Ok(false) };
        let Some(keys) = ask(store)? else { return Ok(false) };
        renew(store, keys, None, now)?;
        Ok(true)
    }

    /// Makes a generation for the group that was asked for, where the newest is for another: all others stay at what the remote shows
    /// them now.
    fn stage(&self, store: &Store, shows: &Shows, request: &PushRequest<'_>) -> Result<bool> {
        let mine = &store.head().head;
        let Some(group) = request.group.as_ref().filter(|group| **group != mine.group) else { return Ok(false) };
        let shown = match shows {
            Shows::Nothing => None,
            Shows::Older(head, _) => Some(&head.head),
            Shows::Same => Some(mine),
        };
        let floor = match (group.is_all(), mine.group.is_all(), shown) {
            (true, ..) => Generation(0),
            (_, false, _) => mine.floor,
            (_, _, Some(shown)) if shown.group.is_all() => shown.generation,
            (_, _, Some(shown)) => shown.floor,
            (_, _, None) => {
                let text = "keys outside a group stay at what they had, and this remote has nothing yet: push to it once for all";
                return Err(Error::new(ErrorKind::Conflict, text));
            }
        };
        let no_keys = || Error::new(ErrorKind::NoIdentity, "who a state is for is signed: the writer's key is needed");
        let keys = request.renew.map_or(Ok(None), |ask| ask(store))?.ok_or_else(no_keys)?;
        renew(store, keys, Some(Audience { group: group.clone(), floor }), self.run.clock.now())?;
        Ok(true)
    }

    /// Refuses to publish for a group where all others would find nothing.
    fn require_floor(&self, store: &Store, caller: &mut Caller<'_>) -> Result<()> {
        let Audience { group, floor } = Audience::of(&store.head().head);
        if group.is_all() {
            return Ok(());
        }
        let record = caller.fetch_small(&layout::head_record(floor), HEAD_MAX_BYTES)?;
        let record = record.and_then(|bytes| SignedHead::decode(&bytes).ok());
        if record.is_some_and(|record| store.packs().heads.get(&floor) == Some(&record.hash())) {
            return Ok(());
        }
        let text = format!(
            "keys outside the group {group} stay at generation {floor}, which {} does not have: push with --group all, or to \
             another remote",
            caller.address()
        );
        Err(Error::new(ErrorKind::Conflict, text))
    }

    /// Looks at what the remote shows and refuses what must not be written over.
    fn shows(&self, store: &Store, caller: &mut Caller<'_>) -> Result<Shows> {
        let mine = Shown::of(store.head());
        let found = match look(caller, store.trust()) {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NoStore => return self.is_free(store, caller),
            Err(error) if error.kind() == ErrorKind::NotTrusted => return self.is_torn(store, caller, error),
            Err(error) => return Err(error),
        };
        let theirs = found.shown();
        if found.head.bytes() == store.head().bytes() {
            return Ok(Shows::Same);
        }
        let address = caller.address();
        let conflict = |why: &str| Error::new(ErrorKind::Conflict, format!("{address} {why}: sync first"));
        let is_disowned = theirs.is_disowned_by(&store.trust().newest().trust);
        if theirs.rank > mine.rank || (theirs.generation() > mine.generation() && !is_disowned) {
            return Err(conflict(&format!("is ahead, at generation {}", theirs.generation())));
        }
        match descent(theirs, &store.packs().heads) {
            Descent::Proven => {}
            _ if is_disowned => self.run.monitor.note(&format!(
                "{address} shows generation {} of a writer that was removed since: it is replaced by {}",
                theirs.generation(),
                mine.generation()
            )),
            Descent::Forgotten => {
                self.run.monitor.note("the remote is too far behind to prove that it has the same history");
            }
            Descent::Refuted => return Err(conflict(&format!("has another generation {}", theirs.generation()))),
        }
        let head = found.head.clone();
        let packs = match Target::load(self.disk.as_ref(), None, found, caller) {
            Ok(target) => Some(Box::new(There { lost: self.lost_packs(&target.packs, caller)?, set: target.packs })),
            // What a remote without its manifests holds is looked at pack by pack.
            Err(TransferError::Vanished(_)) => None,
            // Whoever stole a writer's key may have signed anything.
            Err(TransferError::Failed(error)) if is_disowned && error.kind() == ErrorKind::Corrupt => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Shows::Older(Box::new(head), packs))
    }

    /// Looks which packs a remote has lost that its own manifests name, by their lengths: a few, and all where one of them is.
    fn lost_packs(&self, there: &PackSet, caller: &mut Caller<'_>) -> Result<HashSet<PackHash>> {
        let all: Vec<&PackRef> = there.packs().iter().collect();
        let drawn = draw(&all, &|count, _| count < PACKS_LOOKED_AT, self.run);
        let mut lost = HashSet::new();
        for pack in drawn.iter().filter_map(|hash| there.pack(hash)) {
            if !has_in_full(pack, caller)? {
                lost.insert(pack.hash);
            }
        }
        if lost.is_empty() {
            return Ok(lost);
        }
        self.run.monitor.note(&format!("{} lost packs that it should have: all are looked at", caller.address()));
        for pack in all.iter().filter(|pack| !drawn.contains(&pack.hash)) {
            self.run.check()?;
            if !has_in_full(pack, caller)? {
                lost.insert(pack.hash);
            }
        }
        Ok(lost)
    }

    /// Refuses a place without HEAD that is another store's all the same.
    fn is_free(&self, store: &Store, caller: &mut Caller<'_>) -> Result<Shows> {
        let there = caller.fetch_small(&layout::marker(), MARKER_MAX_BYTES)?;
        match there.as_deref().map(Marker::decode) {
            Some(Ok(marker)) if marker.store != store.id() => Err(self.other_place(store)),
            Some(Err(FormatError::TooNew(_))) => Err(self.other_place(store)),
            _ => Ok(Shows::Nothing),
        }
    }

    /// Takes a HEAD that is none for the torn one of a push that was cut off, if the place is this store's and not ahead.
    fn is_torn(&self, store: &Store, caller: &mut Caller<'_>, error: Error) -> Result<Shows> {
        let there = caller.fetch_small(&layout::head(), HEAD_MAX_BYTES)?;
        let is_none =
            |bytes: &Vec<u8>| matches!(SignedHead::decode(bytes), Err(e) if !matches!(e, FormatError::TooNew(_)));
        if !there.as_ref().is_some_and(is_none) {
            return Err(error);
        }
        let next = store.head().head.generation.next().ok_or(StoreError::NoGenerationLeft)?;
        let next = layout::head_record(next);
        if caller.fetch_small(&next, HEAD_MAX_BYTES)?.is_some() {
            return Err(Error::new(ErrorKind::Conflict, format!("{} is ahead: sync first", caller.address())));
        }
        // A server that answers everything alike has no marker of this store. A first push that was cut off has none yet,
        // but the record that is written before HEAD.
        let is_ours = match caller.fetch_small(&layout::marker(), MARKER_MAX_BYTES)?.as_deref().map(Marker::decode) {
            Some(marker) => marker.is_ok_and(|marker| marker.store == store.id()),
            None => has_record(caller, store.trust(), store.head().head.generation)?,
        };
        if is_ours { Ok(Shows::Nothing) } else { Err(error) }
    }

    /// Makes the remote a store, which is the last step of a first push: one that was cut off before it is ended here.
    fn mark(&self, store: &Store, caller: &mut Caller<'_>) -> Result<()> {
        let mine = read_all(self.disk.as_ref(), &layout::marker(), MARKER_MAX_BYTES)?.ok_or(StoreError::NoStore)?;
        let there = caller.fetch_small(&layout::marker(), MARKER_MAX_BYTES)?;
        let holds = match there.as_deref().map(Marker::decode) {
            Some(Ok(marker)) if marker.store != store.id() => return Err(self.other_place(store)),
            Some(Ok(_) | Err(FormatError::TooNew(_))) => true,
            Some(Err(_)) | None => false,
        };
        if holds {
            return Ok(());
        }
        let sending = Sending {
            disk: self.disk.as_ref(),
            remote: self.remote.as_ref(),
            run: self.run,
            meter: self.meter,
            is_first: false,
        };
        send_files(sending, caller, &[Outgoing { path: layout::marker(), bytes: mine }])
    }

    fn other_place(&self, store: &Store) -> Error {
        let text = format!("{} is the place of another store than {}", self.remote.address(), store.id());
        Error::new(ErrorKind::NotTrusted, text)
    }

    fn publish(
        &self,
        store: &Store,
        shows: &Shows,
        caller: &mut Caller<'_>,
        state: &mut HostState,
        pushed: &mut Pushed,
    ) -> Result<()> {
        let (head_there, there) = match shows {
            Shows::Older(head, there) => (Some(head.as_ref()), there.as_deref()),
            _ => (None, None),
        };
        let packs_there = there.map(|there| &there.set);
        let is_there = |pack: &PackRef| there.is_some_and(|there| there.has(&pack.hash));
        let (there, wanted): (Vec<PackRef>, Vec<PackRef>) =
            store.packs().packs().iter().partition(|pack| is_there(pack));
        pushed.packs_reused = there.len() as u64;
        pushed.reused_bytes = there.iter().map(|pack| pack.len_bytes).sum();
        let sending = Sending {
            disk: self.disk.as_ref(),
            remote: self.remote.as_ref(),
            run: self.run,
            meter: self.meter,
            is_first: head_there.is_none(),
        };
        let sent = send_packs(sending, &wanted, state)?;
        pushed.packs_sent = sent.packs_sent;
        pushed.packs_reused += sent.packs_reused;
        pushed.reused_bytes += sent.reused_bytes;
        send_recipes(sending, caller, store, packs_there)?;
        let trust_there = head_there.filter(|_| packs_there.is_some());
        let files = outer_files(self.disk.as_ref(), store, packs_there, trust_there)?;
        send_files(sending, caller, &files)?;
        self.require_unmoved(caller, head_there)?;
        self.swing(sending, caller, store)
    }

    /// Refuses to go on when another publisher was quicker.
    fn require_unmoved(&self, caller: &mut Caller<'_>, before: Option<&SignedHead>) -> Result<()> {
        let now = caller.fetch_small(&layout::head(), HEAD_MAX_BYTES)?;
        // A HEAD that is missing or torn was seen so before, or is being written: the latter shows up in the next push.
        let moved = now.and_then(|bytes| SignedHead::decode(&bytes).ok());
        match moved {
            Some(head) if before.is_none_or(|before| before.bytes() != head.bytes()) => {
                Err(Error::new(ErrorKind::Conflict, format!("{} changed meanwhile: sync first", caller.address())))
            }
            _ => Ok(()),
        }
    }

    fn swing(&self, sending: Sending<'_>, caller: &mut Caller<'_>, store: &Store) -> Result<()> {
        let head = store.head();
        let record = Outgoing { path: layout::head_record(head.head.generation), bytes: head.bytes().to_vec() };
        send_files(sending, caller, &[record])?;
        self.run.check()?;
        let (path, bytes) = (layout::head(), head.bytes());
        let replaced = caller.call(&mut |session| session.replace(&path, bytes));
        self.meter.sent(bytes.len() as u64);
        match replaced {
            // The remote has no way to replace a file: readers that catch HEAD half-written ask again.
            Err(CallError::Remote(error)) if error.kind == RemoteErrorKind::Unsupported => {
                self.run.monitor.note("the remote cannot replace a file at once: HEAD is written in place");
                send_files(sending, caller, &[Outgoing { path, bytes: bytes.to_vec() }])?;
            }
            other => other?,
        }
        Ok(())
    }
}

/// Returns whether a remote has a pack in its full length. One that does not tell lengths is believed.
fn has_in_full(pack: &PackRef, caller: &mut Caller<'_>) -> Result<bool> {
    let path = layout::pack(&pack.hash);
    let length = caller.call(&mut |session| match session.length(&path) {
        Err(error) if error.kind == RemoteErrorKind::Unsupported => Ok(Some(pack.len_bytes)),
        Err(error) if error.kind == RemoteErrorKind::NotFound => Ok(None),
        length => length,
    })?;
    Ok(length == Some(pack.len_bytes))
}

fn open(disk: &Arc<dyn Disk>) -> Result<Store> {
    let store = Store::open(Arc::clone(disk))?;
    if store.soundness() == Soundness::Older {
        return Err(StoreError::Degraded.into());
    }
    Ok(store)
}
