//! The record of the committed state: found again after any cut, and swung to the next one.
//!
//! Committing creates `heads/<n>` under its final name and syncs it: that is the durable point, since it needs no
//! rename. `HEAD` is rewritten afterwards for readers that look there first; on FAT that rename may leave it empty,
//! which costs nothing. Opening takes the newest record that holds, wherever it stands.
//!
//! The newest is the one of the highest rank: a record under a newer trust file comes after all under older ones, so that a
//! high generation which a stolen key signed is behind the state that was signed once its writer had been removed.

use super::error::StoreError;
use super::layout;
use super::manifest::PackSet;
use super::pack::{create_immutable, holds};
use super::trust::TrustChain;
use crate::base::limits::HEAD_MAX_BYTES;
use crate::base::{Generation, StoreId, StorePath};
use crate::disk::{Disk, DiskErrorKind, read_all, write_whole};
use crate::format::FormatError;
use crate::format::head::{Head, SignedHead};

/// How many records `heads/` keeps: the last two valid ones are what gc spares, two more are kept for luck.
pub const RECORDS_KEPT: usize = 4;

/// How far the record that opened is the one that should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Soundness {
    /// HEAD and the newest record agree, or a commit was cut off before or after its durable point.
    Sound,
    /// HEAD is missing or damaged, and the newest record holds: the next writer writes HEAD again.
    HeadLost,
    /// A newer record was there and what it names is not, or it cannot be read or understood: this state is older than it should be.
    Older,
}

/// The newest record that holds, with everything that was checked on the way.
pub struct Found {
    /// The record.
    pub head: SignedHead,
    /// Its packs.
    pub packs: PackSet,
    /// How far it is the one that should have opened.
    pub soundness: Soundness,
    /// What was newer and does not open any more.
    pub hidden: Hidden,
    /// Version of the newest trust file that a record which holds names.
    pub trust_version: u32,
    /// Whether `HEAD` and `heads/<n>` both are this very record, so that the run that made it got past its durable point
    /// and neither was lost since.
    pub is_settled: bool,
}

/// What a store held beyond the state that opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hidden {
    /// Records that hold and whose manifests are missing or wrong.
    pub records: Vec<SignedHead>,
    /// The newest generation that names in `heads/` tell of, where there is no `HEAD` that could say otherwise.
    pub promised: Option<Generation>,
}

impl Hidden {
    /// Returns the newest generation that is told of.
    #[must_use]
    pub fn newest(&self) -> Option<Generation> {
        self.records.iter().map(|record| record.head.generation).chain(self.promised).max()
    }
}

/// Promised by a directory of records that does not list.
const UNKNOWN: Generation = Generation(u64::MAX);

struct Candidate {
    path: StorePath,
    /// The generation that its name promises.
    promised: Option<Generation>,
    record: Option<SignedHead>,
    /// The version of the trust file that it names, if that is in the chain.
    trust_version: Option<u32>,
    /// Whether it is no torn file and yet no record: the medium does not give it, the chain of trust lacks what it names, or
    /// it is of a newer format.
    may_be_whole: bool,
    too_new: Option<FormatError>,
}

impl Candidate {
    fn nothing(path: StorePath, promised: Option<Generation>) -> Self {
        Self { path, promised, record: None, trust_version: None, may_be_whole: false, too_new: None }
    }

    /// Returns whether its name promises a newer state than the one that opened. What was signed under an older trust file is
    /// behind it, whatever its generation.
    fn is_newer(&self, opened: &Head) -> bool {
        let is_outdated = self.trust_version.is_some_and(|version| version < opened.trust_version);
        self.promised.is_some_and(|promised| promised > opened.generation) && !is_outdated
    }
}

/// Finds the newest record that holds: signed under the chain of trust, its manifests there and right.
///
/// Costs a few small reads; packs are not looked at.
///
/// # Errors
/// [`StoreError::Corrupt`] when none holds, [`StoreError::TooNew`] when all that is there is of a newer format.
pub fn find_newest(disk: &dyn Disk, store: StoreId, trust: &TrustChain) -> Result<Found, StoreError> {
    let candidates = read_candidates(disk, trust)?;
    let records = newest_first(&candidates);
    let mut failure = None;
    for (at, record) in records.iter().enumerate() {
        match PackSet::load_from_disk(disk, store, record.head.manifest, record.head.manifest_len_bytes) {
            Ok(packs) => {
                let soundness = if at > 0 { Soundness::Older } else { judge(&candidates, record) };
                let own = [layout::head(), layout::head_record(record.head.generation)];
                let stands = |path: &StorePath| {
                    let found = candidates.iter().find(|found| found.path == *path);
                    found.and_then(|found| found.record.as_ref()).is_some_and(|there| there.bytes() == record.bytes())
                };
                let is_settled = own.iter().all(stands);
                let hidden = hidden(&candidates, &records[..at], record);
                let trust_version = records[0].head.trust_version;
                return Ok(Found { head: (*record).clone(), packs, soundness, hidden, trust_version, is_settled });
            }
            Err(error) if error.is_of_the_disk() => return Err(error),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    let too_new = candidates.into_iter().find_map(|found| found.too_new).map(StoreError::TooNew);
    Err(failure.or(too_new).unwrap_or_else(|| StoreError::damaged("every HEAD record")))
}

/// Returns the newest records that hold, at most `most`, each with its packs, the newest first: what gc spares.
///
/// # Errors
/// Those of the disk.
pub fn newest_valid(
    disk: &dyn Disk,
    store: StoreId,
    trust: &TrustChain,
    most: usize,
) -> Result<Vec<(SignedHead, PackSet)>, StoreError> {
    let candidates = read_candidates(disk, trust)?;
    let mut valid = Vec::new();
    for record in newest_first(&candidates) {
        if valid.len() == most {
            break;
        }
        match PackSet::load_from_disk(disk, store, record.head.manifest, record.head.manifest_len_bytes) {
            Ok(packs) => valid.push((record.clone(), packs)),
            Err(error) if error.is_of_the_disk() => return Err(error),
            Err(_) => {}
        }
    }
    Ok(valid)
}

fn newest_first(candidates: &[Candidate]) -> Vec<&SignedHead> {
    let mut records: Vec<&SignedHead> = candidates.iter().filter_map(|found| found.record.as_ref()).collect();
    records.sort_by_key(|record| std::cmp::Reverse(record.head.rank()));
    records.dedup_by(|a, b| a.bytes() == b.bytes());
    records
}

/// Returns the newest generation that a name in `heads/` promises, whatever stands under it.
///
/// # Errors
/// [`StoreError`].
pub fn newest_name(disk: &dyn Disk) -> Result<Option<Generation>, StoreError> {
    Ok(names(disk)?.into_iter().max())
}

/// Lists the generations that names in `heads/` promise.
pub(super) fn names(disk: &dyn Disk) -> Result<Vec<Generation>, StoreError> {
    match disk.list(&layout::heads()) {
        Ok(names) => Ok(names.iter().filter_map(|(name, _)| layout::head_record_generation(name)).collect()),
        Err(error) if error.kind == DiskErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

fn read_candidates(disk: &dyn Disk, trust: &TrustChain) -> Result<Vec<Candidate>, StoreError> {
    let mut places = vec![(layout::head(), None), (layout::head_new(), None)];
    let mut candidates = Vec::new();
    match names(disk) {
        Ok(names) => {
            places.extend(names.into_iter().map(|generation| (layout::head_record(generation), Some(generation))));
        }
        // What does not list costs its records, not the store; any of them may be newer than what opens.
        Err(error) if error.is_damage() => {
            let promised = Some(UNKNOWN);
            candidates.push(Candidate { may_be_whole: true, ..Candidate::nothing(layout::heads(), promised) });
        }
        Err(error) => return Err(error),
    }
    for (path, promised) in places {
        candidates.push(read_candidate(disk, trust, &path, promised)?);
    }
    Ok(candidates)
}

fn read_candidate(
    disk: &dyn Disk,
    trust: &TrustChain,
    path: &StorePath,
    promised: Option<Generation>,
) -> Result<Candidate, StoreError> {
    let nothing = || Candidate::nothing(path.clone(), promised);
    let bytes = match read_all(disk, path, HEAD_MAX_BYTES) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(nothing()),
        Err(error) if error.kind.is_of_the_medium() => return Err(error.into()),
        // A bad sector or a foreign thing in the way costs this record, not the store.
        Err(error) => {
            let may_be_whole = matches!(error.kind, DiskErrorKind::Io | DiskErrorKind::Denied);
            return Ok(Candidate { may_be_whole, ..nothing() });
        }
    };
    match SignedHead::decode(&bytes) {
        Ok(record) if promised.is_some_and(|generation| generation != record.head.generation) => Ok(nothing()),
        Ok(record) => {
            let is_known =
                trust.version(record.head.trust_version).is_some_and(|file| file.hash() == record.head.trust);
            let trust_version = is_known.then_some(record.head.trust_version);
            let holds = trust.check_head(&record).is_ok();
            Ok(Candidate { record: holds.then_some(record), trust_version, may_be_whole: !holds, ..nothing() })
        }
        Err(error @ FormatError::TooNew(_)) => Ok(Candidate { may_be_whole: true, too_new: Some(error), ..nothing() }),
        Err(_) => Ok(nothing()),
    }
}

/// Judges the state when the newest readable record opened.
fn judge(candidates: &[Candidate], opened: &SignedHead) -> Soundness {
    let head_holds = candidates.iter().any(|found| found.path == layout::head() && found.record.is_some());
    let mut newer = candidates.iter().filter(|found| found.is_newer(&opened.head));
    // A newer record that is torn beside a HEAD that holds is a commit that was cut off before its durable point. Any
    // other may be a whole commit, and without HEAD, which is only rewritten after its record is durable, even a torn one was.
    if newer.any(|found| found.may_be_whole || !head_holds) {
        return Soundness::Older;
    }
    if head_holds { Soundness::Sound } else { Soundness::HeadLost }
}

/// Returns what the store had and what did not open. `HEAD` is written after a record, so what stands under a newer name while
/// `HEAD` holds may never have been one.
fn hidden(candidates: &[Candidate], newer: &[&SignedHead], opened: &SignedHead) -> Hidden {
    let head_holds = candidates.iter().any(|found| found.path == layout::head() && found.record.is_some());
    let told = candidates.iter().filter(|found| !head_holds && found.record.is_none() && found.is_newer(&opened.head));
    let promised = told.filter_map(|found| found.promised).filter(|promised| *promised != UNKNOWN).max();
    Hidden { records: newer.iter().map(|record| (*record).clone()).collect(), promised }
}

/// Makes a record the committed state: creates `heads/<n>`, then rewrites `HEAD`, then prunes old records.
///
/// Everything that the record names must be durable before.
///
/// # Durability
/// Once `heads/<n>` and its directory are synced the new state is what opens; a cut before leaves the old one.
///
/// # Errors
/// [`StoreError`]; the state on the medium is then the old or the new one.
pub fn swing(disk: &dyn Disk, record: &SignedHead) -> Result<(), StoreError> {
    create_immutable(disk, &layout::head_record(record.head.generation), record.bytes())?;
    disk.sync_dir(&layout::heads())?;
    rewrite_head(disk, record)?;
    prune(disk, &record.head)
}

/// Makes room for a record whose name another one has, as after a stolen key was used: the state that stands is named by `HEAD`
/// first, so that it opens until the new record is durable.
///
/// # Durability
/// The state that stands is what opens once this returns.
///
/// # Errors
/// [`StoreError`].
pub fn make_way(disk: &dyn Disk, standing: &SignedHead, coming: &SignedHead) -> Result<(), StoreError> {
    let is_in_the_way = standing.head.generation == coming.head.generation && standing.bytes() != coming.bytes();
    if is_in_the_way && !holds(disk, &layout::head(), standing.bytes()) { rewrite_head(disk, standing) } else { Ok(()) }
}

/// Ends what a run began that was cut off or killed: makes the record that opened durable and `HEAD` name it.
///
/// A killed run may have left the record in the system's cache alone, so that it opens and is still lost at a power cut.
///
/// # Durability
/// The record is what opens once this returns.
///
/// # Errors
/// [`StoreError`].
pub fn settle(disk: &dyn Disk, record: &SignedHead) -> Result<(), StoreError> {
    let path = layout::head_record(record.head.generation);
    if holds(disk, &path, record.bytes()) {
        disk.append_after(&path, record.bytes().len() as u64)?.sync()?;
    } else {
        match create_immutable(disk, &path, record.bytes()) {
            // Something foreign is in the way of the record; `HEAD` says the same.
            Err(StoreError::Corrupt { .. }) if holds(disk, &layout::head(), record.bytes()) => return Ok(()),
            created => created?,
        }
    }
    disk.sync_dir(&layout::heads())?;
    rewrite_head(disk, record)?;
    remove_outranked(disk, &record.head)
}

/// Removes records newer than a state that someone accepted as the newest, oldest first and each synced before the next, so
/// that a cut in between leaves the newest of them or the accepted one, and never one in the middle.
///
/// The accepted record must be durable before.
///
/// # Errors
/// [`StoreError`].
pub fn forget_newer(disk: &dyn Disk, accepted: Generation) -> Result<(), StoreError> {
    let mut newer = names(disk)?;
    newer.retain(|generation| *generation > accepted);
    newer.sort_unstable();
    for generation in newer {
        disk.remove(&layout::head_record(generation))?;
        disk.sync_dir(&layout::heads())?;
    }
    Ok(())
}

/// Writes `HEAD` again from a record that is durable already.
fn rewrite_head(disk: &dyn Disk, record: &SignedHead) -> Result<(), StoreError> {
    disk.remove(&layout::head_new())?;
    write_whole(disk.create_new(&layout::head_new())?, record.bytes())?;
    disk.rename(&layout::head_new(), &layout::head())?;
    Ok(disk.sync_dir(&StorePath::root())?)
}

fn prune(disk: &dyn Disk, newest: &Head) -> Result<(), StoreError> {
    remove_outranked(disk, newest)?;
    let mut older = names(disk)?;
    older.retain(|generation| *generation < newest.generation);
    older.sort_unstable();
    let surplus = older.len().saturating_sub(RECORDS_KEPT - 1);
    for generation in &older[..surplus] {
        disk.remove(&layout::head_record(*generation))?;
    }
    Ok(())
}

/// Removes records of higher generations that were signed under an older trust file: what a stolen key left, and of no use to
/// anyone. The newest record must be durable before.
fn remove_outranked(disk: &dyn Disk, newest: &Head) -> Result<(), StoreError> {
    let mut removed = false;
    for generation in names(disk)?.into_iter().filter(|generation| *generation > newest.generation) {
        let path = layout::head_record(generation);
        // What does not read is left for whoever looks at damage.
        let Ok(Some(bytes)) = read_all(disk, &path, HEAD_MAX_BYTES) else { continue };
        if SignedHead::decode(&bytes).is_ok_and(|record| record.head.rank() < newest.rank()) {
            disk.remove(&path)?;
            removed = true;
        }
    }
    if removed { Ok(disk.sync_dir(&layout::heads())?) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
