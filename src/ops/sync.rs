//! `sync`: brings a store up to the newest valid HEAD among its remotes. Needs no identity and never reads one.
//!
//! One small fetch tells that there is nothing to do, and then not one byte of the store is written.

use std::sync::Arc;

use super::freshness::{Freshness, ahead_remark};
use super::host_state::{Accepted, HostState};
use super::purge::obey::obey;
use super::transfer::caller::Caller;
use super::transfer::judge::{Descent, Known, Shown, Verdict, descent, judge};
use super::transfer::key_files::KeyLack;
use super::transfer::receive::{Local, Received, Settle, receive};
use super::transfer::remote_state::{RemoteState, look};
use super::transfer::stage::{self, Asking, Held, Meant, held_remark};
use super::transfer::target::Target;
use super::transfer::{Meter, TransferError, gravest, settle};
use crate::base::Generation;
use crate::base::monitor::Problem;
use crate::disk::Disk;
use crate::error::{Error, ErrorKind, Result};
use crate::format::head::{Group, Head, SignedHead};
use crate::format::manifest::FileKind;
use crate::ops::Run;
use crate::remote::Remote;
use crate::store::head::{self, Soundness};
use crate::store::lock::WriteLock;
use crate::store::{self, Store, StoreError, layout, read_marker, replica};

/// How often a run starts again from a remote's new HEAD when files of the old one are gone.
const ROUNDS: u32 = 3;

/// What `sync` is asked for.
#[derive(Debug, Clone, Default)]
pub struct SyncRequest {
    /// Take an earlier state than a remote showed before, as after its server was set back on purpose.
    pub accept_older: bool,
    /// The rollout group that the key is in from now on; as before where nothing is said.
    pub group: Option<Group>,
}

/// What `sync` did.
#[derive(Debug, Clone, Default)]
pub struct Synced {
    /// The generation that the store holds now.
    pub generation: Generation,
    /// The store moved to another generation.
    pub changed: bool,
    /// The publisher's HEAD has expired.
    pub stale: bool,
    /// Bytes of files that remotes gave.
    pub fetched_bytes: u64,
    /// Bytes of files that were given to remotes; none, ever.
    pub sent_bytes: u64,
    /// Bytes of packs that were there already.
    pub reused_bytes: u64,
    /// Packs that were fetched.
    pub packs_fetched: u64,
    /// Packs of the state that were there already.
    pub packs_reused: u64,
    /// Bytes that crossed the wire both ways.
    pub wire_bytes: u64,
    /// By how many seconds the newest signed time lies ahead of this machine's clock, where that is more than a day.
    pub ahead_secs: Option<i64>,
    /// The way back that was taken, as the request allowed.
    pub went_back: Option<Accepted>,
    /// The generation that the store held, where its writer was removed since and the state that was taken does not come from it.
    pub recovered_from: Option<Generation>,
    /// A newer record stands in the store that nobody can vouch for, so that it stays degraded.
    pub stays_degraded: bool,
    /// The newest generation that is for another group of keys so far, and that group.
    pub held: Option<Held>,
    /// Why the store carries no key file of its state.
    pub key_lack: Option<KeyLack>,
    /// The remote that the state was taken from, or that has the same; nothing where none counted.
    pub source: Option<String>,
    /// Remotes that were left aside, with the reason.
    pub ignored: Vec<(String, String)>,
}

impl Synced {
    /// Returns what a person should hear besides what was fetched, a sentence each.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        let aside = self.ignored.iter().map(|(remote, reason)| format!("left aside {remote}: {reason}"));
        let back = self.went_back.iter().map(Accepted::to_string);
        let recovered = self.recovered_from.iter().map(|from| {
            let to = self.generation;
            format!("the writer who signed generation {from} here was removed since: went on from generation {to}")
        });
        let degraded = self.stays_degraded.then(|| {
            "a newer record stands in heads/ that nobody can vouch for: the store stays degraded until --accept-older \
             removes it"
                .to_owned()
        });
        let held = self.held.iter().map(held_remark);
        aside
            .chain(held)
            .chain(back)
            .chain(recovered)
            .chain(degraded)
            .chain(self.key_lack.map(KeyLack::remark))
            .chain(self.ahead_secs.map(ahead_remark))
            .collect()
    }
}

/// Syncs a store with its remotes.
///
/// # Durability
/// The new state is what opens once this returns; after a cut within, the old or the new one.
///
/// # Errors
/// By the kinds of `cli.md`: [`ErrorKind::NotTrusted`] for a bad signature, a rollback, a fork or a foreign store,
/// [`ErrorKind::NoStore`], [`ErrorKind::Remote`], [`ErrorKind::NoSpace`], [`ErrorKind::Gone`], [`ErrorKind::Corrupt`],
/// [`ErrorKind::Locked`], [`ErrorKind::Interrupted`].
pub fn sync(
    disk: &Arc<dyn Disk>,
    remotes: &[Arc<dyn Remote>],
    request: SyncRequest,
    state: &mut HostState,
    run: Run<'_>,
) -> Result<Synced> {
    if remotes.is_empty() {
        return Err(Error::new(ErrorKind::Usage, "no remote to sync with"));
    }
    let meter = Meter::default();
    let wire_before = wire_bytes(remotes);
    // The store is opened once it is locked; where none stands, there is nothing to lock either.
    read_marker(disk.as_ref())?.ok_or(StoreError::NoStore)?;
    let _lock = WriteLock::take(disk.as_ref()).map_err(|error| store::settle(disk.as_ref(), error))?;
    let result = Syncing { disk, remotes, request, run, meter: &meter }.rounds(state);
    let saved = state.save();
    let mut synced = result.map_err(|error| settle(disk.as_ref(), error))?;
    saved?;
    synced.fetched_bytes = meter.fetched_bytes();
    synced.wire_bytes = wire_bytes(remotes).saturating_sub(wire_before);
    Ok(synced)
}

/// Returns what crossed the wire to all remotes so far.
#[must_use]
pub fn wire_bytes(remotes: &[Arc<dyn Remote>]) -> u64 {
    remotes.iter().map(|remote| remote.wire_bytes()).sum()
}

struct Syncing<'a> {
    disk: &'a Arc<dyn Disk>,
    remotes: &'a [Arc<dyn Remote>],
    request: SyncRequest,
    run: Run<'a>,
    meter: &'a Meter,
}

/// A remote's verified state and what it means.
struct Judged {
    at: usize,
    /// The generation of its HEAD, whatever that means to this key.
    shows: Generation,
    state: RemoteState,
    verdict: Verdict,
}

impl Syncing<'_> {
    fn rounds(&self, state: &mut HostState) -> Result<Synced> {
        let mut last = None;
        for _ in 0..ROUNDS {
            match self.round(state) {
                Ok(synced) => return Ok(synced),
                Err(TransferError::Failed(error)) => return Err(error),
                Err(vanished @ TransferError::Vanished(_)) => last = Some(vanished),
            }
        }
        Err(last.map_or_else(|| Error::new(ErrorKind::Other, "no round was made"), Error::from))
    }

    fn round(&self, state: &mut HostState) -> std::result::Result<Synced, TransferError> {
        let store = Store::open(Arc::clone(self.disk)).map_err(Error::from)?;
        state.check_fingerprint(&store)?;
        let mut ignored = Vec::new();
        let mut failures = Vec::new();
        let judged = self.survey(&store, state, &mut ignored, &mut failures)?;
        let (judged, held) = self.for_this_key(&store, judged, state, &mut ignored, &mut failures)?;
        let chosen = self.choose(&store, &judged, &mut ignored, &mut failures);
        for error in &failures {
            self.run.monitor.problem(Problem { subject: "remote".into(), reason: error.in_full() });
        }
        let Some(chosen) = chosen else {
            return match gravest(failures) {
                Some(error) => Err(error.into()),
                None if store.soundness() == Soundness::Older => Err(Error::from(StoreError::Degraded).into()),
                None => {
                    state.met(&store, store.head());
                    let fresh = Freshness::of_store(&store, state, self.run.clock.now());
                    let synced = outcome(&store, &store.head().head, &Received::default(), fresh, ignored);
                    Ok(Synced { held, ..synced })
                }
            };
        };
        let (target, sources) = self.target(&store, &judged, chosen, &mut ignored)?;
        // What a remote showed counts even where not all of it comes: it may show something else when it is asked again.
        state.saw(&sources[0].address(), &target.head);
        let local = Local {
            disk: self.disk,
            trust: store.trust(),
            current: Some((store.head(), store.packs())),
            settle: match store.soundness() {
                // `HEAD` may be all that tells of the newer state, so it is only given up where that is asked for.
                Soundness::Older if !self.request.accept_older => Settle::Never,
                Soundness::Sound if store.is_settled() => Settle::InDoubt,
                _ => Settle::Always,
            },
            distrusted: &[],
        };
        let received = receive(local, &target, &sources, self.run, self.meter)?;
        let stays_degraded = self.drop_newer(&store, target.head.head.generation)?;
        let (address, now) = (sources[0].address(), self.run.clock.now());
        let went_back = self.went_back(&store, &judged[chosen], state);
        if let Some(accepted) = &went_back {
            state.forget(&address, &target.head);
            state.went_back(&store, &target.head, accepted);
        }
        state.saw(&address, &target.head);
        state.met(&store, &target.head);
        state.synced(now);
        if target.packs.top.files.iter().any(|file| file.kind == FileKind::ORDER) {
            obey(&Store::open(Arc::clone(self.disk)).map_err(Error::from)?, self.run)?;
        }
        let later: Vec<_> = state.signed_after(target.head.head.rank()).into_iter().collect();
        let fresh = Freshness::of(&target.head, &target.trust, &later, now);
        let synced = outcome(&store, &target.head.head, &received, fresh, ignored);
        let recovered_from = recovered_from(&store, &judged[chosen], &target);
        Ok(Synced { went_back, source: Some(address), recovered_from, stays_degraded, held, ..synced })
    }

    /// Returns what there is to remember of a way back that a person took, where this was one.
    fn went_back(&self, store: &Store, chosen: &Judged, state: &HostState) -> Option<Accepted> {
        let (remote, to) = (self.remotes[chosen.at].address(), chosen.state.head.head.generation);
        let held = store.hidden().newest().into_iter().chain([store.head().head.generation]);
        let from = held.chain(state.shown(&remote).map(|shown| shown.generation())).max()?;
        let is_back = chosen.verdict == Verdict::RolledBack || (self.request.accept_older && from > chosen.shows);
        is_back.then(|| Accepted { time: self.run.clock.now(), remote, from, to })
    }

    /// Removes what tells of a newer state than the one that was taken, where that was asked for; else says whether it stands.
    fn drop_newer(&self, before: &Store, taken: Generation) -> Result<bool> {
        if before.soundness() != Soundness::Older {
            return Ok(false);
        }
        // Had it been worth keeping, nothing below it would have been taken unasked.
        let is_known = before.hidden().newest().is_some_and(|hidden| hidden > taken);
        if is_known || self.request.accept_older {
            head::forget_newer(self.disk.as_ref(), taken)?;
            return Ok(false);
        }
        match head::newest_name(self.disk.as_ref()) {
            Ok(newest) => Ok(newest.is_some_and(|newest| newest > taken)),
            Err(error @ StoreError::Gone(_)) => Err(error.into()),
            // Nobody knows what stands there, and all else was brought.
            Err(_) => Ok(true),
        }
    }

    /// Looks at every remote and judges what it shows; those that failed go to `failures`.
    fn survey(
        &self,
        store: &Store,
        state: &mut HostState,
        ignored: &mut Vec<(String, String)>,
        failures: &mut Vec<Error>,
    ) -> Result<Vec<Judged>> {
        let mut seen = Vec::new();
        for (at, remote) in self.remotes.iter().enumerate() {
            let mut caller = Caller::new(remote.as_ref(), self.run, self.meter);
            match look(&mut caller, store.trust()) {
                Ok(found) => seen.push((at, found)),
                Err(error) if error.kind() == ErrorKind::Interrupted => return Err(error),
                Err(error) => {
                    ignored.push((remote.address(), error.in_full()));
                    failures.push(error);
                }
            }
        }
        let recorded = self.recorded()?;
        let mine = Shown::of(store.head());
        let judge_one = |at: usize, found: &RemoteState| {
            let address = self.remotes[at].address();
            let newer = |(other, found): &(usize, RemoteState)| *other != at && found.head.head.rank() >= mine.rank;
            let known = Known {
                mine,
                my_heads: &store.packs().heads,
                shown_before: state.shown(&address),
                is_recorded: recorded.is_own(&address),
                newer_elsewhere: seen.iter().any(newer),
            };
            judge(&known, found.shown(), found.trust_of_head())
        };
        let verdicts: Vec<_> = seen.iter().map(|(at, found)| judge_one(*at, found)).collect();
        let judged = seen.into_iter().zip(verdicts).map(|((at, state), verdict)| {
            let shows = state.head.head.generation;
            Judged { at, shows, state, verdict }
        });
        let judged: Vec<_> = judged.collect();
        for found in judged.iter().filter(|found| matches!(found.verdict, Verdict::UpToDate | Verdict::Lagging)) {
            state.saw(&self.remotes[found.at].address(), &found.state.head);
        }
        Ok(judged)
    }

    /// Puts in the place of states that are for another group of keys what they mean to this key.
    fn for_this_key(
        &self,
        store: &Store,
        judged: Vec<Judged>,
        state: &mut HostState,
        ignored: &mut Vec<(String, String)>,
        failures: &mut Vec<Error>,
    ) -> std::result::Result<(Vec<Judged>, Option<Held>), TransferError> {
        let is_for_all = |found: &Judged| found.state.head.head.group.is_all();
        if self.request.group.is_none() && judged.iter().all(is_for_all) {
            return Ok((judged, None));
        }
        let group = self.group()?;
        let (mut meant, mut held): (Vec<Judged>, Option<Held>) = (Vec::new(), None);
        for mut found in judged {
            let is_taken = match found.verdict {
                Verdict::Newer | Verdict::Recovered => true,
                Verdict::RolledBack => self.accepts(store, &found),
                Verdict::UpToDate | Verdict::Lagging | Verdict::OldTrust | Verdict::Fork => false,
            };
            let said = &found.state.head.head;
            if !is_taken || said.group.is_for(&group) {
                meant.push(found);
                continue;
            }
            if held.as_ref().is_none_or(|(newest, _)| *newest < said.generation) {
                held = Some((said.generation, said.group.clone()));
            }
            let remote = &self.remotes[found.at];
            state.saw(&remote.address(), &found.state.head);
            let mut caller = Caller::new(remote.as_ref(), self.run, self.meter);
            let mine = Some((store.head(), store.packs()));
            let may_stay = found.verdict == Verdict::Newer;
            let asking = Asking { disk: self.disk.as_ref(), group: &group, mine, may_stay };
            match stage::meant(asking, &found.state, &mut caller) {
                Ok(Meant::Itself) => {}
                Ok(Meant::Nothing) => {
                    (found.state.head, found.verdict) = (store.head().clone(), Verdict::UpToDate);
                }
                Ok(Meant::Floor(floor)) => found.state = *floor,
                Err(TransferError::Failed(error)) if error.kind() != ErrorKind::Interrupted => {
                    ignored.push((remote.address(), error.in_full()));
                    failures.push(error);
                    continue;
                }
                Err(error) => return Err(error),
            }
            meant.push(found);
        }
        Ok((meant, held))
    }

    /// Returns the rollout group that the key is in; one that does not read is none.
    fn group(&self) -> Result<Group> {
        let disk = self.disk.as_ref();
        let known = match replica::read_group(disk) {
            Err(StoreError::Corrupt { .. }) => None,
            known => Some(known?),
        };
        let Some(asked) = &self.request.group else { return Ok(known.unwrap_or_else(Group::all)) };
        if known.as_ref() != Some(asked) {
            replica::write_group(disk, asked)?;
            disk.sync_dir(&layout::replica_group().parent())?;
        }
        Ok(asked.clone())
    }

    /// Reads which remote the store was cloned from.
    fn recorded(&self) -> Result<Recorded> {
        match replica::read_remote(self.disk.as_ref()) {
            // On a medium that went away nothing stands anywhere, which must not make the judgement laxer.
            Ok(None) if read_marker(self.disk.as_ref())?.is_none() => Err(StoreError::Gone(None).into()),
            Ok(address) => Ok(Recorded::Known(address)),
            Err(StoreError::Corrupt { .. }) => Ok(Recorded::Damaged),
            Err(error) => Err(error.into()),
        }
    }

    /// Picks the newest usable state; what is not usable is told of.
    fn choose(
        &self,
        store: &Store,
        judged: &[Judged],
        ignored: &mut Vec<(String, String)>,
        failures: &mut Vec<Error>,
    ) -> Option<usize> {
        for found in judged.iter() {
            let address = self.remotes[found.at].address();
            let theirs = found.state.head.head.generation;
            let reason = match found.verdict {
                Verdict::UpToDate | Verdict::Newer | Verdict::Recovered if self.forgets(store, found) => {
                    let held = store.hidden().newest().unwrap_or_default();
                    let reason = format!(
                        "{address} has generation {theirs}, and this store held {held}, which does not open any more \
                         (it is degraded): sync with a remote that has it, or take what there is with --accept-older"
                    );
                    failures.push(Error::new(ErrorKind::Corrupt, reason.clone()));
                    ignored.push((address, reason));
                    continue;
                }
                Verdict::UpToDate | Verdict::Newer | Verdict::Recovered => continue,
                Verdict::RolledBack if self.accepts(store, found) => continue,
                Verdict::Lagging => {
                    let text = format!("{address} only has generation {theirs} so far");
                    self.run.monitor.note(&text);
                    ignored.push((address, format!("it only has generation {theirs} so far")));
                    continue;
                }
                Verdict::RolledBack if self.request.accept_older => format!(
                    "{address} went back to generation {theirs} under an older trust file than is known, which nobody accepts"
                ),
                Verdict::RolledBack => format!("{address} went back to generation {theirs}"),
                Verdict::OldTrust => format!(
                    "{address} shows generation {theirs} under trust file {}, and a newer one is known: whoever signed it \
                     may have been removed since",
                    found.state.head.head.trust_version
                ),
                Verdict::Fork => format!("{address} shows another history at generation {theirs}"),
            };
            failures.push(Error::new(ErrorKind::NotTrusted, reason.clone()));
            ignored.push((address, reason));
        }
        let newest = |wanted: &dyn Fn(&Judged) -> bool| {
            let places = (0..judged.len()).filter(|&at| wanted(&judged[at]) && !self.forgets(store, &judged[at]));
            places.max_by_key(|&at| (judged[at].state.head.head.rank(), std::cmp::Reverse(at)))
        };
        let is_usable =
            |found: &Judged| matches!(found.verdict, Verdict::UpToDate | Verdict::Newer | Verdict::Recovered);
        newest(&is_usable)
            .or_else(|| newest(&|found| found.verdict == Verdict::RolledBack && self.accepts(store, found)))
    }

    /// Returns whether a person accepts a state that went back. Trust never does: what was signed under an older file than
    /// this store knows is taken by nobody.
    fn accepts(&self, store: &Store, found: &Judged) -> bool {
        self.request.accept_older && found.state.head.head.trust_version >= store.trust().newest().trust.version
    }

    /// Returns whether taking a state would make the store forget that it held a newer one, and nobody asked for that.
    fn forgets(&self, store: &Store, found: &Judged) -> bool {
        let (theirs, trust) = (found.state.head.head.rank(), found.state.trust_of_head());
        let held = store.hidden();
        // What a writer signed that was removed since is nothing to be kept.
        let counts = |record: &&SignedHead| !trust.disowns(record.head.trust_version, &record.head.writer);
        let is_less = held.records.iter().filter(counts).any(|record| theirs < record.head.rank())
            || held.promised.is_some_and(|promised| theirs.generation < promised);
        !self.request.accept_older && is_less
    }

    /// Loads the chosen state and finds every remote that shows the same.
    fn target(
        &self,
        store: &Store,
        judged: &[Judged],
        chosen: usize,
        ignored: &mut Vec<(String, String)>,
    ) -> std::result::Result<(Target, Vec<Arc<dyn Remote>>), TransferError> {
        let found = &judged[chosen];
        let mut sources = vec![Arc::clone(&self.remotes[found.at])];
        let mut caller = Caller::new(sources[0].as_ref(), self.run, self.meter);
        let target = match found.verdict {
            Verdict::UpToDate => Target::standing(store.head(), store.trust(), store.packs()),
            _ => Target::load(self.disk.as_ref(), Some(store.packs()), found.state.clone(), &mut caller)?,
        };
        self.check_descent(store, found, &target)?;
        for other in judged.iter().filter(|other| other.at != found.at) {
            let address = self.remotes[other.at].address();
            if other.state.head.bytes() == target.head.bytes() {
                sources.push(Arc::clone(&self.remotes[other.at]));
            } else if other.state.head.head.rank() == target.head.head.rank() {
                let text = format!("{address} and {} show two histories of one generation", sources[0].address());
                return Err(Error::new(ErrorKind::NotTrusted, text).into());
            } else if matches!(other.verdict, Verdict::UpToDate | Verdict::Newer | Verdict::Recovered) {
                let theirs = other.state.head.head.generation;
                ignored.push((address, format!("it only has generation {theirs} so far")));
            }
        }
        Ok((target, sources))
    }

    fn check_descent(&self, store: &Store, found: &Judged, target: &Target) -> Result<()> {
        let (mine, theirs) = (Shown::of(store.head()), found.state.shown());
        let descends = match found.verdict {
            Verdict::Newer | Verdict::Recovered => descent(mine, &target.packs.heads),
            Verdict::RolledBack if theirs.generation() < mine.generation() => descent(theirs, &store.packs().heads),
            _ => Descent::Proven,
        };
        let address = self.remotes[found.at].address();
        match descends {
            Descent::Proven => {}
            _ if found.verdict == Verdict::Recovered => {}
            Descent::Forgotten => self.run.monitor.note(&format!(
                "generations {} and {} are too far apart to prove that one follows from the other",
                mine.generation(),
                theirs.generation()
            )),
            Descent::Refuted => {
                let mine = mine.generation();
                let text = format!("{address} shows a history that does not come from generation {mine}");
                return Err(Error::new(ErrorKind::NotTrusted, text));
            }
        }
        Ok(())
    }
}

fn outcome(
    before: &Store,
    now: &Head,
    received: &Received,
    fresh: Freshness,
    ignored: Vec<(String, String)>,
) -> Synced {
    Synced {
        generation: now.generation,
        changed: *now != before.head().head,
        stale: fresh.is_stale,
        ahead_secs: fresh.ahead_secs,
        reused_bytes: received.reused_bytes,
        packs_fetched: received.packs_fetched,
        packs_reused: received.packs_reused,
        key_lack: received.key_lack,
        ignored,
        ..Synced::default()
    }
}

/// Returns the generation that a store held, where the state that it took outranks it and does not come from it.
fn recovered_from(store: &Store, found: &Judged, target: &Target) -> Option<Generation> {
    let mine = Shown::of(store.head());
    let is_other = found.verdict == Verdict::Recovered && descent(mine, &target.packs.heads) != Descent::Proven;
    is_other.then(|| mine.generation())
}

/// The remote that a store was cloned from.
enum Recorded {
    Known(Option<String>),
    Damaged,
}

impl Recorded {
    /// Returns whether a remote may be the store's own; the stricter answer where that does not read.
    fn is_own(&self, address: &str) -> bool {
        match self {
            Self::Known(recorded) => recorded.as_deref() == Some(address),
            Self::Damaged => true,
        }
    }
}
