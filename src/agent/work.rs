//! What a run does: reads a marker, or syncs, collects, verifies and heals one store. Each call blocks its thread; everything it
//! needs it is given.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::courtesy::Courteous;
use super::event::{Ended, Found, Marked, Outcome, Work};
use crate::base::{Clock, Monitor, Random, StoreId};
use crate::disk::{Disk, DiskErrorKind, Medium, OsDisk};
use crate::error::{Error, ErrorKind, Result};
use crate::ops::Run;
use crate::ops::gc::{GcRequest, gc};
use crate::ops::host_state::HostState;
use crate::ops::receipt::{self, RunEnd};
use crate::ops::sync::{SyncRequest, sync};
use crate::ops::verify::{Report, VerifyRequest, verify};
use crate::remote::Remote;
use crate::store::{StoreError, layout, read_marker, replica};

/// How long the system takes to strike a device from its list after the first call failed.
const PULL_DELAY: Duration = Duration::from_secs(1);
/// How often it is looked for in that time.
const PULL_GAP: Duration = Duration::from_millis(50);

/// One writer of the host's memory at a time; runs on several keys of one store end whenever they do.
static MEMORY: Mutex<()> = Mutex::new(());

/// One piece of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// What.
    pub work: Work,
    /// Where.
    pub path: PathBuf,
    /// What stood there when it was looked at.
    pub marked: Marked,
}

/// What a run needs of its host.
pub struct Tools<'a> {
    /// The clock.
    pub clock: &'a dyn Clock,
    /// Random bytes.
    pub random: &'a dyn Random,
    /// Hears of progress, and says when to stop.
    pub monitor: &'a dyn Monitor,
    /// Where the host remembers what it saw.
    pub cache: Option<&'a Path>,
    /// The share of packs that a sample hashes, in percent.
    pub sample_percent: f64,
    /// Gives the publisher a receipt after each sync.
    pub leaves_receipts: bool,
    /// Hears what does not end a run.
    pub warn: &'a dyn Fn(&str),
}

/// Reads what stands at a path, and writes nothing: its marker alone, and of a store which replica it is and where it came from.
/// `is_named` says whether the configuration names a remote for a store.
#[must_use]
pub fn find(path: &Path, is_named: &dyn Fn(StoreId) -> bool) -> Found {
    match look(path, is_named) {
        Ok(Some(marked)) => Found::Store(marked),
        Ok(None) => Found::NoStore,
        Err(StoreError::TooNew(_)) => Found::Newer,
        Err(error) => Found::Unread(Error::from(error).in_full()),
    }
}

fn look(path: &Path, is_named: &dyn Fn(StoreId) -> bool) -> std::result::Result<Option<Marked>, StoreError> {
    let disk = match OsDisk::open(path) {
        Ok(disk) => disk,
        Err(error) if matches!(error.kind, DiskErrorKind::NotFound | DiskErrorKind::WrongType) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    // What is no regular file of a marker's size is no marker, whatever it is.
    match disk.metadata(&layout::marker())? {
        Some(stands) if stands.kind == crate::disk::DiskFileKind::File => {}
        _ => return Ok(None),
    }
    if disk.metadata(&layout::marker())?.is_some_and(|stands| stands.len_bytes > crate::base::limits::MARKER_MAX_BYTES)
    {
        return Ok(None);
    }
    let Some(marker) = read_marker(&disk)? else { return Ok(None) };
    Ok(Some(Marked {
        store: marker.store,
        replica: or_none(replica::read_id(&disk))?,
        is_pinned: disk.metadata(&layout::trust(1))?.is_some(),
        has_remote: or_none(replica::read_remote(&disk))?.is_some() || is_named(marker.store),
    }))
}

/// A file that says nothing sensible counts as none.
fn or_none<T>(read: std::result::Result<Option<T>, StoreError>) -> std::result::Result<Option<T>, StoreError> {
    match read {
        Err(StoreError::Corrupt { .. }) => Ok(None),
        read => read,
    }
}

/// Carries out a job with these remotes. Never fails: how it ended is the answer.
#[must_use]
pub fn carry_out(job: &Job, remotes: Result<Vec<Arc<Courteous>>>, tools: &Tools<'_>) -> Ended {
    let medium = Medium::below(&job.path);
    let mut no_receipt = None;
    let (outcome, free_bytes) = match remotes.and_then(|remotes| Ok((OsDisk::open(&job.path)?, remotes))) {
        Ok((disk, remotes)) => {
            let disk: Arc<dyn Disk> = Arc::new(disk);
            let ended = attempt(job, &disk, &remotes, tools, &mut no_receipt);
            let outcome = ended.unwrap_or_else(|error| outcome_of(&error, &remotes));
            (outcome, disk.free_bytes().ok())
        }
        Err(error) => (outcome_of(&error, &[]), None),
    };
    let outcome = if looks_like_pulled(&outcome) && goes_soon(&medium, tools.clock) { Outcome::Gone } else { outcome };
    Ended { outcome, free_bytes, no_receipt }
}

fn attempt(
    job: &Job,
    disk: &Arc<dyn Disk>,
    remotes: &[Arc<Courteous>],
    tools: &Tools<'_>,
    no_receipt: &mut Option<String>,
) -> Result<Outcome> {
    let run = Run { clock: tools.clock, random: tools.random, monitor: tools.monitor };
    // The path may lead to another volume by now.
    let marker = read_marker(disk.as_ref())?.filter(|marker| marker.store == job.marked.store);
    marker.ok_or(StoreError::Gone(None))?;
    let remotes: Vec<Arc<dyn Remote>> = remotes.iter().map(|remote| Arc::clone(remote) as Arc<dyn Remote>).collect();
    let check = |sample_percent| {
        let request = VerifyRequest { heal: &remotes, sample_percent, threads: 1, ..VerifyRequest::default() };
        verify(Arc::clone(disk), &request, run).map(|report| outcome_of_report(&report))
    };
    match job.work {
        Work::Sync => sync_one(job, disk, &remotes, run, tools, no_receipt),
        Work::Collect => gc(disk, &GcRequest::default(), run).map(|done| Outcome::Collected(done.removed_bytes)),
        Work::Sample => check(Some(tools.sample_percent)),
        Work::Heal => check(None),
    }
}

fn sync_one(
    job: &Job,
    disk: &Arc<dyn Disk>,
    remotes: &[Arc<dyn Remote>],
    run: Run<'_>,
    tools: &Tools<'_>,
    no_receipt: &mut Option<String>,
) -> Result<Outcome> {
    let mut state = HostState::load(tools.cache, job.marked.store).detached();
    let path = || job.path.display().to_string();
    state.stands_at(Medium::volume_id(&job.path).map_or_else(path, |id| format!("volume {id}")));
    let synced = sync(disk, remotes, SyncRequest::default(), &mut state, run);
    if let Err(error) = remember(&state, tools.cache, job.marked.store) {
        // The key is as it is; the host only forgets what it saw.
        (tools.warn)(&error.within("cannot remember on this host what was seen").in_full());
    }
    if let Some(end) = RunEnd::of_sync(&synced).filter(|_| tools.leaves_receipts) {
        let source = synced.as_ref().ok().and_then(|synced| synced.source.as_deref());
        if let Err(error) = receipt::send(disk, remotes, source, end, run) {
            let why = error.within("cannot give a receipt").in_full();
            (tools.warn)(&why);
            *no_receipt = Some(why);
        }
    }
    let synced = synced?;
    Ok(Outcome::Synced { generation: synced.generation, changed: synced.changed, stale: synced.stale })
}

fn remember(learned: &HostState, cache: Option<&Path>, store: StoreId) -> Result<()> {
    let _one_at_a_time = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
    let mut memory = HostState::load(cache, store);
    memory.absorb(learned);
    memory.save()
}

fn outcome_of_report(report: &Report) -> Outcome {
    match report.left().next() {
        None if report.findings.is_empty() => Outcome::Sound,
        None => Outcome::Healed,
        Some(first) => {
            let why = first.why.as_deref().map_or_else(String::new, |why| format!(": {why}"));
            Outcome::Damaged(format!("{} {}{why}", first.kind.name(), first.file))
        }
    }
}

fn outcome_of(error: &Error, remotes: &[Arc<Courteous>]) -> Outcome {
    let why = error.in_full();
    match error.kind() {
        ErrorKind::Remote => Courteous::explain(remotes, why),
        ErrorKind::NotTrusted => Outcome::NotTrusted(why),
        ErrorKind::Corrupt => Outcome::Damaged(why),
        ErrorKind::NoSpace => Outcome::Full(why),
        ErrorKind::Locked => Outcome::Locked,
        ErrorKind::Gone | ErrorKind::NoStore => Outcome::Gone,
        ErrorKind::Interrupted => Outcome::Interrupted,
        // A login or an address that this host's configuration does not give.
        ErrorKind::Usage => Outcome::Refused(why),
        ErrorKind::NoIdentity | ErrorKind::Conflict | ErrorKind::Other => Outcome::Failed(why),
    }
}

/// Calls fail, and find nothing, a moment before a pulled device leaves the system's list.
fn looks_like_pulled(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Damaged(_) | Outcome::Failed(_) | Outcome::Full(_))
}

fn goes_soon(medium: &Medium, clock: &dyn Clock) -> bool {
    let until = clock.monotonic() + PULL_DELAY;
    while medium.is_pluggable() && !medium.is_gone() && clock.monotonic() < until {
        clock.sleep(PULL_GAP);
    }
    medium.is_gone()
}

#[cfg(test)]
mod tests;
