//! `forget`: takes snapshots off the list of those that are kept, as a new generation.
//!
//! It reads the list alone, which lies in the sealed part of the manifest, so a snapshot whose objects are lost or damaged can be
//! forgotten like any other. Not one byte is given back here: what nothing reaches any more is for `gc`.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use crate::base::{Generation, ObjectId};
use crate::disk::Disk;
use crate::error::{Error, ErrorKind, Result};
use crate::format::sealed::SnapshotRef;
use crate::ops::Run;
use crate::ops::host_state::HostState;
use crate::ops::local_keys::WriterKey;
use crate::ops::open::find_snapshot;
use crate::ops::transfer::settle;
use crate::ops::writing::{Writing, remember, require_newest};
use crate::store::lock::ReadLock;
use crate::store::{Next, StoreError, read_marker};
use crate::tree::retention::{Policy, Reason, judge};

/// Which snapshots go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// All that no word of a policy keeps.
    ByPolicy(Policy),
    /// These, by any name that snapshots go by.
    ByName(Vec<String>),
}

/// What `forget` is asked for.
pub struct ForgetRequest<'a> {
    /// Which snapshots go.
    pub choice: Choice,
    /// Signs, and opens what it takes to write.
    pub writer: &'a WriterKey,
    /// The folder of this host's caches.
    pub cache: Option<&'a Path>,
}

/// What `forget` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forgotten {
    /// The snapshots that stay, oldest first, each with why.
    pub kept: Vec<(SnapshotRef, Vec<Reason>)>,
    /// Those that go, oldest first.
    pub forgotten: Vec<SnapshotRef>,
    /// The store's generation; the one that stands where nothing was forgotten or written.
    pub generation: Generation,
}

/// Forgets snapshots. Where none goes nothing is written.
///
/// # Durability
/// The new state is what opens once this returns; after a cut within, the old one or the new one.
///
/// # Errors
/// [`ErrorKind::Usage`] for the newest snapshot and for names that could be none, [`ErrorKind::Other`] for a name that no snapshot has
/// and for a policy that no snapshot fits, and those of [`Writing::begin`] and [`Writing::publish`]; the old state stays.
pub fn forget(disk: &Arc<dyn Disk>, request: &ForgetRequest<'_>, run: Run<'_>) -> Result<Forgotten> {
    read_marker(disk.as_ref())?.ok_or(StoreError::NoStore)?;
    lock_and_forget(disk, request, run).map_err(|error| settle(disk.as_ref(), error))
}

/// Tells what [`forget`] would do, and writes nothing at all.
///
/// # Errors
/// As [`forget`].
pub fn preview(disk: &Arc<dyn Disk>, request: &ForgetRequest<'_>, run: Run<'_>) -> Result<Forgotten> {
    read_marker(disk.as_ref())?.ok_or(StoreError::NoStore)?;
    let look = || {
        let _lock = ReadLock::share(disk.as_ref())?;
        let writing = Writing::look(Arc::clone(disk), request.writer, run)?;
        require_newest(&writing.store, &HostState::load(request.cache, writing.store.id()))?;
        plan(&writing, &request.choice, run)
    };
    look().map_err(|error| settle(disk.as_ref(), error))
}

fn lock_and_forget(disk: &Arc<dyn Disk>, request: &ForgetRequest<'_>, run: Run<'_>) -> Result<Forgotten> {
    let (_lock, writing) = Writing::begin(disk, request.writer, request.cache, run)?;
    let mut done = plan(&writing, &request.choice, run)?;
    if done.forgotten.is_empty() {
        return Ok(done);
    }
    run.check()?;
    let mut sealed = writing.unlocked.sealed.clone();
    sealed.snapshots = done.kept.iter().map(|(snapshot, _)| snapshot.clone()).collect();
    let record = writing.publish(Next::following(writing.store.packs(), sealed, run.clock.now()))?;
    done.generation = record.head.generation;
    remember(request.cache, &writing, done.generation, run);
    Ok(done)
}

/// Parts the list into what stays and what goes.
fn plan(writing: &Writing, choice: &Choice, run: Run<'_>) -> Result<Forgotten> {
    let (sealed, now) = (&writing.unlocked.sealed, run.clock.now());
    let reasons = match choice {
        Choice::ByPolicy(policy) => {
            let reasons = judge(&sealed.snapshots, policy, now);
            require_fit(policy, &reasons)?;
            reasons
        }
        Choice::ByName(names) => {
            let named = names.iter().map(|name| find_snapshot(sealed, name, now).map(|snapshot| (name, snapshot)));
            let named = named.collect::<Result<Vec<_>>>()?;
            let newest = sealed.snapshots.last().map(|newest| newest.id);
            if let Some((name, _)) = named.iter().find(|(_, snapshot)| Some(snapshot.id) == newest) {
                let text = format!(
                    "cannot forget {name:?}: it is the newest snapshot, which is what HEAD opens and stays; commit another \
                     one first"
                );
                return Err(Error::new(ErrorKind::Usage, text));
            }
            let named: HashSet<ObjectId> = named.iter().map(|(_, snapshot)| snapshot.id).collect();
            let reason = |snapshot: &SnapshotRef| match snapshot.id {
                id if named.contains(&id) => vec![],
                id if Some(id) == newest => vec![Reason::Newest],
                _ => vec![Reason::NotNamed],
            };
            sealed.snapshots.iter().map(reason).collect()
        }
    };
    let judged = sealed.snapshots.iter().cloned().zip(reasons);
    let (kept, forgotten): (Vec<_>, Vec<_>) = judged.partition(|(_, reasons)| !reasons.is_empty());
    let forgotten = forgotten.into_iter().map(|(snapshot, _)| snapshot).collect();
    Ok(Forgotten { kept, forgotten, generation: writing.store.head().head.generation })
}

/// Refuses a policy that fits no snapshot at all, as of a tag that was mistyped: it would leave nothing but the newest.
fn require_fit(policy: &Policy, reasons: &[Vec<Reason>]) -> Result<()> {
    let fits = reasons.iter().flatten().any(|reason| *reason != Reason::Newest);
    if fits || reasons.is_empty() {
        return Ok(());
    }
    let tags = policy.tags.join(" or ");
    let text = format!("no snapshot has the tag {tags:?}, so nothing but the newest would stay; nothing was forgotten");
    Err(Error::new(ErrorKind::Other, text))
}
