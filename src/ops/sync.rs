//! `sync`: brings a store up to the newest valid HEAD among its remotes. Needs no identity and never reads one.
//!
//! One small fetch tells that there is nothing to do, and then not one byte of the store is written.

use std::sync::Arc;

use super::host_state::HostState;
use super::purge::obey::obey;
use super::transfer::caller::Caller;
use super::transfer::judge::{Descent, Known, Shown, Verdict, descent, judge};
use super::transfer::receive::{Local, Received, Settle, receive};
use super::transfer::remote_state::{RemoteState, look, shown};
use super::transfer::target::Target;
use super::transfer::{Meter, TransferError, gravest, settle};
use crate::base::monitor::Problem;
use crate::base::{Generation, Timestamp};
use crate::disk::Disk;
use crate::error::{Error, ErrorKind, Result};
use crate::format::head::Head;
use crate::format::manifest::FileKind;
use crate::ops::Run;
use crate::remote::Remote;
use crate::store::head::{self, Soundness};
use crate::store::lock::WriteLock;
use crate::store::{self, Store, StoreError, read_marker, replica};

/// How often a run starts again from a remote's new HEAD when files of the old one are gone.
const ROUNDS: u32 = 3;

/// What `sync` is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct SyncRequest {
    /// Take an earlier state than a remote showed before, as after its server was set back on purpose.
    pub accept_older: bool,
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
    /// Remotes that were left aside, with the reason.
    pub ignored: Vec<(String, String)>,
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
        let mut ignored = Vec::new();
        let mut failures = Vec::new();
        let judged = self.survey(&store, state, &mut ignored, &mut failures)?;
        let chosen = self.choose(&store, &judged, &mut ignored, &mut failures);
        for error in &failures {
            self.run.monitor.problem(Problem { subject: "remote".into(), reason: error.in_full() });
        }
        let Some(chosen) = chosen else {
            return match gravest(failures) {
                Some(error) => Err(error.into()),
                None if store.soundness() == Soundness::Older => Err(Error::from(StoreError::Degraded).into()),
                None => Ok(self.outcome(&store, &store.head().head, &Received::default(), ignored)),
            };
        };
        let (target, sources) = self.target(&store, &judged, chosen, &mut ignored)?;
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
        if store.hidden().is_some_and(|hidden| hidden > target.head.head.generation) {
            head::forget_newer(self.disk.as_ref(), target.head.head.generation).map_err(Error::from)?;
        }
        if judged[chosen].verdict == Verdict::RolledBack {
            state.forget(&sources[0].address(), target.head.head.generation);
        }
        state.saw(&sources[0].address(), target.head.head.generation, target.head.hash());
        state.synced(self.run.clock.now());
        if target.packs.top.files.iter().any(|file| file.kind == FileKind::ORDER) {
            obey(&Store::open(Arc::clone(self.disk)).map_err(Error::from)?, self.run)?;
        }
        Ok(self.outcome(&store, &target.head.head, &received, ignored))
    }

    fn outcome(&self, before: &Store, now: &Head, received: &Received, ignored: Vec<(String, String)>) -> Synced {
        Synced {
            generation: now.generation,
            changed: now.generation != before.head().head.generation,
            stale: is_stale(now, self.run.clock.now()),
            reused_bytes: received.reused_bytes,
            packs_fetched: received.packs_fetched,
            packs_reused: received.packs_reused,
            ignored,
            ..Synced::default()
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
            match look(&mut caller, store.trust()).and_then(|found| check_trust(store, found)) {
                Ok(found) => seen.push((at, found)),
                Err(error) if error.kind() == ErrorKind::Interrupted => return Err(error),
                Err(error) => {
                    ignored.push((remote.address(), error.in_full()));
                    failures.push(error);
                }
            }
        }
        let recorded = self.recorded()?;
        let mine = shown(store.head());
        let judge_one = |at: usize, found: &RemoteState| {
            let address = self.remotes[at].address();
            let before = state.shown(&address).map(|(generation, head)| Shown { generation, head });
            let newer =
                |(other, found): &(usize, RemoteState)| *other != at && found.head.head.generation >= mine.generation;
            let known = Known {
                mine,
                my_heads: &store.packs().heads,
                shown_before: before,
                is_recorded: recorded.is_own(&address),
                newer_elsewhere: seen.iter().any(newer),
            };
            judge(&known, found.shown())
        };
        let verdicts: Vec<_> = seen.iter().map(|(at, found)| judge_one(*at, found)).collect();
        let judged = seen.into_iter().zip(verdicts).map(|((at, state), verdict)| Judged { at, state, verdict });
        let judged: Vec<_> = judged.collect();
        for found in judged.iter().filter(|found| matches!(found.verdict, Verdict::UpToDate | Verdict::Lagging)) {
            let head = found.state.shown();
            state.saw(&self.remotes[found.at].address(), head.generation, head.head);
        }
        Ok(judged)
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
                Verdict::UpToDate | Verdict::Newer if self.forgets(store, found) => {
                    let held = store.hidden().unwrap_or_default();
                    let reason = format!(
                        "{address} has generation {theirs}, and this store held {held}, which does not open any more \
                         (it is degraded): sync with a remote that has it, or take what there is with --accept-older"
                    );
                    failures.push(Error::new(ErrorKind::Corrupt, reason.clone()));
                    ignored.push((address, reason));
                    continue;
                }
                Verdict::UpToDate | Verdict::Newer => continue,
                Verdict::RolledBack if self.request.accept_older => continue,
                Verdict::Lagging => {
                    let text = format!("{address} only has generation {theirs} so far");
                    self.run.monitor.note(&text);
                    ignored.push((address, format!("it only has generation {theirs} so far")));
                    continue;
                }
                Verdict::RolledBack => format!("{address} went back to generation {theirs}"),
                Verdict::Fork => format!("{address} shows another history at generation {theirs}"),
            };
            failures.push(Error::new(ErrorKind::NotTrusted, reason.clone()));
            ignored.push((address, reason));
        }
        let newest = |wanted: &dyn Fn(Verdict) -> bool| {
            let places =
                (0..judged.len()).filter(|&at| wanted(judged[at].verdict) && !self.forgets(store, &judged[at]));
            places.max_by_key(|&at| (judged[at].state.head.head.generation, std::cmp::Reverse(at)))
        };
        newest(&|verdict| matches!(verdict, Verdict::UpToDate | Verdict::Newer))
            .or_else(|| newest(&|verdict| self.request.accept_older && verdict == Verdict::RolledBack))
    }

    /// Returns whether taking a state would make the store forget that it held a newer one, and nobody asked for that.
    fn forgets(&self, store: &Store, found: &Judged) -> bool {
        let theirs = found.state.head.head.generation;
        !self.request.accept_older && store.hidden().is_some_and(|held| theirs < held)
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
            } else if other.state.head.head.generation == target.head.head.generation {
                let text = format!("{address} and {} show two histories of one generation", sources[0].address());
                return Err(Error::new(ErrorKind::NotTrusted, text).into());
            } else if matches!(other.verdict, Verdict::UpToDate | Verdict::Newer) {
                let theirs = other.state.head.head.generation;
                ignored.push((address, format!("it only has generation {theirs} so far")));
            }
        }
        Ok((target, sources))
    }

    fn check_descent(&self, store: &Store, found: &Judged, target: &Target) -> Result<()> {
        let (mine, theirs) = (shown(store.head()), found.state.shown());
        let descends = match found.verdict {
            Verdict::Newer => descent(mine, &target.packs.heads),
            Verdict::RolledBack if theirs.generation < mine.generation => descent(theirs, &store.packs().heads),
            _ => Descent::Proven,
        };
        let address = self.remotes[found.at].address();
        match descends {
            Descent::Proven => {}
            Descent::Forgotten => self.run.monitor.note(&format!(
                "generations {} and {} are too far apart to prove that one follows from the other",
                mine.generation, theirs.generation
            )),
            Descent::Refuted => {
                let text = format!("{address} shows a history that does not come from generation {}", mine.generation);
                return Err(Error::new(ErrorKind::NotTrusted, text));
            }
        }
        if found.verdict == Verdict::RolledBack {
            let text = format!("accepting the older generation {} of {address}", theirs.generation);
            self.run.monitor.note(&text);
        }
        Ok(())
    }
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

/// Refuses a newer HEAD under an older trust file: whoever it names may have been removed since.
fn check_trust(store: &Store, found: RemoteState) -> Result<RemoteState> {
    let said = &found.head.head;
    let pinned = store.trust().newest().trust.version;
    if said.generation > store.head().head.generation && said.trust_version < pinned {
        let text = format!("its HEAD is signed under trust file {}, but {pinned} is known", said.trust_version);
        return Err(StoreError::NotTrusted(text).into());
    }
    Ok(found)
}

/// Returns whether the publisher no longer vouches for a HEAD as the newest.
#[must_use]
pub fn is_stale(head: &Head, now: Timestamp) -> bool {
    now > head.expires
}
