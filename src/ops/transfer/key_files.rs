//! Which wrapped key files a store carries: the one of its own reader, or all of them while they are few.

use super::caller::{Caller, fetch_from_any};
use super::incoming::sync_again;
use super::target::Target;
use super::{Shortfall, TransferError};
use crate::base::limits::KEY_FILE_MAX_BYTES;
use crate::base::{Epoch, KeyListHash, StoreId};
use crate::disk::{Disk, read_all};
use crate::error::Error;
use crate::format::keylist::{KeyEntry, KeyList, KeyTag};
use crate::store::keys::{check_key_list, read_key_list};
use crate::store::layout;
use crate::store::pack::create_immutable;

/// Most key files that a store without a tag of its own carries.
pub const KEY_FILES_MAX: usize = 64;

/// What a store lacks of the key files that it should carry.
#[derive(Debug, Default)]
pub struct KeyPlan {
    /// The epoch that they open.
    pub epoch: Epoch,
    /// Key lists that came from a remote.
    pub new_lists: Vec<(KeyListHash, Vec<u8>)>,
    /// Key lists that stand, and that a run which did not end may not have synced.
    pub standing_lists: Vec<(KeyListHash, u64)>,
    /// Key files to fetch.
    pub missing: Vec<KeyEntry>,
    /// Key files that stand, and that a run which did not end may not have synced.
    pub standing: Vec<KeyEntry>,
    /// The readers are too many for a store without a tag; it carries no key file.
    pub too_many: bool,
    /// The store's own tag is not listed any more.
    pub tag_unlisted: bool,
}

impl KeyPlan {
    /// Returns whether nothing is lacking.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.new_lists.is_empty() && self.missing.is_empty()
    }

    /// Returns the room that lists and files take.
    #[must_use]
    pub fn needed_bytes(&self) -> u64 {
        let lists: u64 = self.new_lists.iter().map(|(_, bytes)| bytes.len() as u64).sum();
        lists + self.missing.iter().map(|entry| u64::from(entry.len_bytes)).sum::<u64>()
    }

    /// Returns how many files are to be written.
    #[must_use]
    pub fn files(&self) -> u64 {
        (self.new_lists.len() + self.missing.len()) as u64
    }
}

/// Finds out what is lacking for a target; writes nothing.
///
/// # Errors
/// [`TransferError`].
pub fn plan_keys(
    disk: &dyn Disk,
    target: &Target,
    tag: Option<KeyTag>,
    callers: &mut [Caller<'_>],
) -> Result<KeyPlan, TransferError> {
    let (store, epoch) = (target.head.head.store, target.head.head.epoch);
    let mut plan = KeyPlan { epoch, ..KeyPlan::default() };
    let Some(lists) = target.packs.top.key_lists.iter().find(|lists| lists.epoch == epoch) else { return Ok(plan) };
    let shards = match tag {
        Some(tag) => &lists.shards[tag.shard(lists.shards.len())..][..1],
        // One shard holds up to a thousand readers, so more of them are too many.
        None if lists.shards.len() > 1 => {
            plan.too_many = true;
            return Ok(plan);
        }
        None => &lists.shards[..],
    };
    for (hash, len_bytes) in shards {
        let list = read_or_fetch(disk, store, (hash, *len_bytes), callers, &mut plan)?;
        plan.too_many = tag.is_none() && list.entries.len() > KEY_FILES_MAX;
        let wanted = |entry: &&KeyEntry| !plan.too_many && tag.is_none_or(|tag| tag == entry.tag);
        let wanted: Vec<_> = list.entries.iter().filter(wanted).copied().collect();
        plan.tag_unlisted = tag.is_some() && wanted.is_empty();
        let (standing, missing): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|entry| stands(disk, epoch, entry));
        plan.standing.extend(standing);
        plan.missing.extend(missing);
    }
    if plan.too_many {
        plan.new_lists.clear();
    }
    Ok(plan)
}

fn read_or_fetch(
    disk: &dyn Disk,
    store: StoreId,
    (hash, len_bytes): (&KeyListHash, u64),
    callers: &mut [Caller<'_>],
    plan: &mut KeyPlan,
) -> Result<KeyList, TransferError> {
    if let Ok(list) = read_key_list(disk, store, hash, len_bytes) {
        plan.standing_lists.push((*hash, len_bytes));
        return Ok(list);
    }
    let bytes = fetch_from_any(callers, "key list", &layout::key_list(hash), len_bytes, &hash.0)?;
    let list = check_key_list(&bytes, store, hash).map_err(Error::from)?;
    plan.new_lists.push((*hash, bytes));
    Ok(list)
}

fn stands(disk: &dyn Disk, epoch: Epoch, entry: &KeyEntry) -> bool {
    let found = read_all(disk, &layout::key_file(epoch, entry.tag), KEY_FILE_MAX_BYTES);
    matches!(found, Ok(Some(bytes)) if *blake3::hash(&bytes).as_bytes() == entry.hash)
}

/// Fetches the key files that are missing, each from the first remote that has it right, and writes them; `in_doubt` says
/// that those which stand may not be durable.
///
/// # Durability
/// All are durable when this returns.
///
/// # Errors
/// [`TransferError`]; where one file could not be had, after the others were brought.
pub fn fetch_keys(
    disk: &dyn Disk,
    plan: &KeyPlan,
    in_doubt: bool,
    callers: &mut [Caller<'_>],
) -> Result<(), TransferError> {
    let doubted = if in_doubt { &plan.standing[..] } else { &[] };
    if plan.missing.is_empty() && doubted.is_empty() {
        return Ok(());
    }
    let dir = layout::key_dir(plan.epoch);
    disk.create_dir(&dir).map_err(Error::from)?;
    for entry in doubted {
        sync_again(disk, &layout::key_file(plan.epoch, entry.tag), u64::from(entry.len_bytes)).map_err(Error::from)?;
    }
    let mut shortfall = Shortfall::default();
    for entry in &plan.missing {
        let path = layout::key_file(plan.epoch, entry.tag);
        let brought = fetch_from_any(callers, "key file", &path, u64::from(entry.len_bytes), &entry.hash)
            .and_then(|bytes| create_immutable(disk, &path, &bytes).map_err(|error| Error::from(error).into()));
        shortfall.pass(brought)?;
    }
    disk.sync_dir(&dir).map_err(Error::from)?;
    disk.sync_dir(&dir.parent()).map_err(Error::from)?;
    shortfall.end()
}
