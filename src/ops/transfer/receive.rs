//! Bringing a disk to a target state, in the write order: everything that HEAD leads to is durable before HEAD moves.
//!
//! ```text
//! unclean marker -> manifests, key lists, trust -> pending -> carried files -> recipes -> packs -> key files -> heads/<n>, HEAD -> pending and marker go
//! ```
//!
//! A run that ends anywhere leaves the old state and files that nothing names; the next run finds them by name and length,
//! and believes them by hash.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::caller::Caller;
use super::carried::{bring_files, missing_files};
use super::fetch::{Fetching, fetch_packs};
use super::incoming::sync_again;
use super::key_files::{Carried, KeyLack, KeyPlan, fetch_keys, plan_keys};
use super::plan::{FetchPlan, plan};
use super::rebuild::bring_recipes;
use super::sample::draw;
use super::target::Target;
use super::{Meter, Shortfall, TransferError};
use crate::base::limits::HEAD_MAX_BYTES;
use crate::base::monitor::{Amount, Task};
use crate::base::units::MIB;
use crate::base::{Generation, KeyListHash, PackHash, StorePath};
use crate::disk::{Disk, read_all};
use crate::error::{Error, Result};
use crate::format::head::SignedHead;
use crate::format::manifest::{FileRef, PackRef};
use crate::ops::Run;
use crate::remote::Remote;
use crate::store::manifest::PackSet;
use crate::store::pack::{create_immutable, pack_is_whole, pack_state};
use crate::store::trust::TrustChain;
use crate::store::{StoreError, head, layout, replica};

/// After an unclean end, how much is hashed of what was there before it: flash may damage what lies beside a torn write.
const SAMPLE_PACKS: usize = 8;
const SAMPLE_BYTES: u64 = 64 * MIB;
/// Files that a run may write besides packs, manifests and key files, for the estimate of room.
const OTHER_FILES: u64 = 6;

/// When `HEAD` and its record are written again although the state stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settle {
    /// Whatever else there is to do: one of them does not name the state.
    Always,
    /// When the last run did not end, so that they may not be durable.
    InDoubt,
    /// Never: a newer record may be told of by them alone.
    Never,
}

/// The disk as it is before a run.
#[derive(Clone, Copy)]
pub struct Local<'a> {
    /// The disk.
    pub disk: &'a Arc<dyn Disk>,
    /// The trust that stands on it.
    pub trust: &'a TrustChain,
    /// Its state, unless it has none yet.
    pub current: Option<(&'a SignedHead, &'a PackSet)>,
    /// When `HEAD` is written again.
    pub settle: Settle,
    /// Packs that are hashed whatever vouches for them, since they were found broken.
    pub distrusted: &'a [PackHash],
}

/// What a run did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Received {
    /// The generation that the disk holds now.
    pub generation: Generation,
    /// Packs that were fetched.
    pub packs_fetched: u64,
    /// Packs of the target that were there.
    pub packs_reused: u64,
    /// Bytes of packs that were there, the beginnings of fetched ones and what was copied from older ones included.
    pub reused_bytes: u64,
    /// Why it carries no key file of the target, as far as that is news.
    pub key_lack: Option<KeyLack>,
    /// Something was written.
    pub wrote: bool,
}

/// Brings the disk to the target; writes nothing when it is there already.
///
/// # Durability
/// The target is what opens once this returns; after a cut within, the old state or the target.
///
/// # Errors
/// [`TransferError`]. What stands already is mended as far as the sources have it; a new state only as a whole.
pub fn receive(
    local: Local<'_>,
    target: &Target,
    sources: &[Arc<dyn Remote>],
    run: Run<'_>,
    meter: &Meter,
) -> std::result::Result<Received, TransferError> {
    if sources.is_empty() {
        return Ok(Received::default());
    }
    let disk = local.disk.as_ref();
    let changes_head = local.current.is_none_or(|(head, _)| head.bytes() != target.head.bytes());
    let mut lack = Lack { allowed: !changes_head, shortfall: Shortfall::default() };
    let mut callers: Vec<_> = sources.iter().map(|remote| Caller::new(remote.as_ref(), run, meter)).collect();
    let carried = Carried::by(disk).map_err(Error::from)?;
    let mut pass = |list| if lack.allowed { lack.shortfall.pass(list) } else { list.map(Some) };
    let keys = plan_keys(disk, target, carried, &mut callers, &mut pass)?;
    let files = missing_files(disk, &target.packs.top.files);
    let plan = plan_packs(local, target, run)?;
    let received = Received {
        generation: target.head.head.generation,
        packs_fetched: plan.fetch.len() as u64,
        packs_reused: plan.present.len() as u64,
        reused_bytes: plan.reused_bytes(),
        // Where it is meant to carry none, that is said once.
        key_lack: keys.lack.filter(|lack| *lack != KeyLack::TooMany || local.current.is_none()),
        wrote: true,
    };
    let in_doubt = replica::read_unclean(disk).map_err(Error::from)?.is_some();
    let left_over = in_doubt || stands(disk, &layout::pending()).map_err(Error::from)?;
    let complete = plan.fetch.is_empty() && keys.is_empty() && files.is_empty();
    if !changes_head && local.settle != Settle::Always && complete && !left_over {
        lack.shortfall.end()?;
        return Ok(Received { wrote: false, ..received });
    }
    let room_bytes = check_space(disk, target, &plan, &keys, &files)?;
    write_outer(local, target, &keys, changes_head)?;
    sync_found(disk, &plan.found)?;
    let may_float = in_doubt || local.current.is_none();
    lack.pass(bring_files(disk, &target.packs.top.files, may_float, &mut callers))?;
    let recipes = &bring_recipes(local, target, &plan, room_bytes, &mut callers, run)?;
    let copied_bytes = lack.pass(fetch_packs(Fetching { disk, sources, recipes, run, meter }, &plan.fetch))?;
    lack.pass(fetch_keys(disk, &keys, may_float, &mut callers))?;
    commit(local, target, changes_head, in_doubt)?;
    lack.shortfall.end()?;
    clear_traces(disk).map_err(Error::from)?;
    Ok(Received { reused_bytes: received.reused_bytes + copied_bytes, ..received })
}

/// What a run could not get: a state that stands already goes without it, to be mended as far as the sources reach.
struct Lack {
    allowed: bool,
    shortfall: Shortfall,
}

impl Lack {
    fn pass<T: Default>(
        &mut self,
        step: std::result::Result<T, TransferError>,
    ) -> std::result::Result<T, TransferError> {
        if self.allowed { Ok(self.shortfall.pass(step)?.unwrap_or_default()) } else { step }
    }
}

/// Makes packs durable that were found by their hash: a run that was killed may have left them in the system's cache alone.
fn sync_found(disk: &dyn Disk, found: &[PackRef]) -> Result<()> {
    for pack in found {
        sync_again(disk, &layout::pack(&pack.hash), pack.len_bytes)?;
    }
    let dirs: BTreeSet<u8> = found.iter().map(|pack| pack.hash.0[0]).collect();
    for first_byte in dirs {
        disk.sync_dir(&layout::pack_dir(first_byte))?;
    }
    Ok(())
}

fn stands(disk: &dyn Disk, path: &StorePath) -> std::result::Result<bool, StoreError> {
    Ok(disk.metadata(path)?.is_some())
}

/// Plans the packs and settles every doubt by hashing, so that the room needed is known before anything is written.
fn plan_packs(local: Local<'_>, target: &Target, run: Run<'_>) -> Result<FetchPlan> {
    let disk = local.disk.as_ref();
    let mut suspects = suspects(local, run)?;
    suspects.extend(local.distrusted);
    let listed = |hash: &PackHash| local.current.is_some_and(|(_, packs)| packs.pack(hash).is_some());
    let states = target.packs.packs().iter().map(|pack| pack_state(disk, pack));
    let states = states.collect::<std::result::Result<Vec<_>, _>>()?;
    let mut plan = plan(target.packs.packs(), &states, &|hash| listed(hash) && !suspects.contains(hash));
    let check = plan.check.clone();
    if check.is_empty() {
        return Ok(plan);
    }
    let bytes = check.iter().map(|pack| pack.len_bytes).sum();
    run.monitor.begin(Task::Verify, Some(Amount { files: check.len() as u64, bytes }));
    for pack in check {
        run.check()?;
        let mut hear = |bytes| run.monitor.advance(Task::Verify, Amount { files: 0, bytes });
        // A bad sector is as good as a wrong hash: the pack is fetched again.
        let is_whole = match pack_is_whole(disk, &pack, &mut hear) {
            Ok(is_whole) => is_whole,
            Err(error) if error.kind == crate::disk::DiskErrorKind::Gone => return Err(error.into()),
            Err(_) => false,
        };
        if !is_whole && listed(&pack.hash) {
            run.monitor.note(&format!("pack {} is damaged here and fetched again", layout::pack(&pack.hash)));
        }
        plan.checked(pack, is_whole);
    }
    run.monitor.end(Task::Verify);
    Ok(plan)
}

/// Returns the packs that an unclean end puts in doubt: all that came since the run began, and a sample of the rest.
fn suspects(local: Local<'_>, run: Run<'_>) -> Result<HashSet<PackHash>> {
    let disk = local.disk.as_ref();
    let (Some((current, packs)), Some(since)) = (local.current, replica::read_unclean(disk)?) else {
        return Ok(HashSet::new());
    };
    let before = if since == current.head.generation { Some(packs.clone()) } else { packs_at(local, since) };
    let was_there = |pack: &&PackRef| before.as_ref().is_some_and(|before| before.pack(&pack.hash).is_some());
    let (rest, added): (Vec<&PackRef>, Vec<&PackRef>) = packs.packs().iter().partition(was_there);
    let mut doubted: HashSet<PackHash> = added.iter().map(|pack| pack.hash).collect();
    doubted.extend(draw(&rest, &|packs, bytes| packs < SAMPLE_PACKS && bytes < SAMPLE_BYTES, run));
    Ok(doubted)
}

/// Returns the packs of an earlier generation, if its record and manifests still stand.
fn packs_at(local: Local<'_>, generation: Generation) -> Option<PackSet> {
    let disk = local.disk.as_ref();
    let bytes = read_all(disk, &layout::head_record(generation), HEAD_MAX_BYTES).ok()??;
    let record = SignedHead::decode(&bytes).ok()?;
    local.trust.check_head(&record).ok()?;
    PackSet::load_from_disk(disk, record.head.store, record.head.manifest, record.head.manifest_len_bytes).ok()
}

/// Refuses to begin what the disk has no room for; returns the room that is left.
fn check_space(disk: &dyn Disk, target: &Target, plan: &FetchPlan, keys: &KeyPlan, carried: &[FileRef]) -> Result<u64> {
    let manifests: u64 = target.new_manifests.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    let carried_bytes: u64 = carried.iter().map(|file| u64::from(file.len_bytes)).sum();
    let files = (plan.fetch.len() + target.new_manifests.len() + carried.len()) as u64 + keys.files() + OTHER_FILES;
    let content = plan.needed_bytes() + manifests + keys.needed_bytes() + carried_bytes;
    let needed_bytes = content + files * layout::ENTRY_OVERHEAD_BYTES;
    let free_bytes = disk.free_bytes()?;
    free_bytes.checked_sub(needed_bytes).ok_or_else(|| StoreError::NoSpace { needed_bytes, free_bytes }.into())
}

/// Writes everything small that the target leads to, then the target itself as `pending`.
fn write_outer(local: Local<'_>, target: &Target, keys: &KeyPlan, changes_head: bool) -> Result<()> {
    let disk = local.disk.as_ref();
    replica::mark_unclean(disk, local.current.map_or(Generation(0), |(head, _)| head.head.generation))?;
    for (hash, bytes) in &target.new_manifests {
        create_immutable(disk, &layout::manifest(hash), bytes)?;
    }
    for (hash, bytes) in &keys.new_lists {
        create_immutable(disk, &layout::key_list(hash), bytes)?;
    }
    let doubted: Vec<_> = keys.standing_lists.iter().filter(|(hash, _)| changes_head && !names(local, hash)).collect();
    for (hash, len_bytes) in &doubted {
        sync_again(disk, &layout::key_list(hash), *len_bytes)?;
    }
    if !target.new_manifests.is_empty() || !keys.new_lists.is_empty() || !doubted.is_empty() {
        disk.sync_dir(&layout::manifests())?;
    }
    // What my state does not name may stand without being durable, so it is written or synced again.
    let vouched = local.current.map_or(1, |(head, _)| head.head.trust_version) as usize;
    let new_trust = target.trust.files().get(vouched..).unwrap_or_default();
    for file in new_trust {
        create_immutable(disk, &layout::trust(file.trust.version), file.bytes())?;
    }
    if !new_trust.is_empty() {
        disk.sync_dir(&layout::trust_dir())?;
    }
    if changes_head { write_pending(disk, &target.head) } else { Ok(()) }
}

/// Returns whether the state of the disk names a key list: then the list was durable before that state was.
fn names(local: Local<'_>, list: &KeyListHash) -> bool {
    let key_lists = local.current.map_or(&[][..], |(_, packs)| &packs.top.key_lists);
    key_lists.iter().flat_map(|lists| &lists.shards).any(|(hash, _)| hash == list)
}

fn write_pending(disk: &dyn Disk, target: &SignedHead) -> Result<()> {
    create_immutable(disk, &layout::pending(), target.bytes())?;
    Ok(disk.sync_dir(&StorePath::root())?)
}

/// Makes the target the committed state. `in_doubt` says that the last run did not end, so what names the state may not be
/// durable.
fn commit(local: Local<'_>, target: &Target, changes_head: bool, in_doubt: bool) -> Result<()> {
    let disk = local.disk.as_ref();
    if changes_head {
        if let Some((standing, _)) = local.current {
            head::make_way(disk, standing, &target.head)?;
        }
        head::swing(disk, &target.head)?;
        let goes_back = local.current.is_some_and(|(head, _)| head.head.generation > target.head.head.generation);
        if goes_back {
            head::forget_newer(disk, target.head.head.generation)?;
        }
    } else if local.settle == Settle::Always || (local.settle == Settle::InDoubt && in_doubt) {
        head::settle(disk, &target.head)?;
    }
    Ok(())
}

/// Takes the traces of a run away that has nothing left to do.
fn clear_traces(disk: &dyn Disk) -> std::result::Result<(), StoreError> {
    if stands(disk, &layout::pending())? {
        disk.remove(&layout::pending())?;
        disk.sync_dir(&StorePath::root())?;
    }
    replica::clear_unclean(disk)
}
