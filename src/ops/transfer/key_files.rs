//! Which wrapped key files a store carries: the one of its own reader, or all of them while they are few; where keys are
//! cloned from, all of them.

use std::collections::BTreeSet;

use super::caller::{Caller, fetch_from_any};
use super::incoming::sync_again;
use super::target::Target;
use super::{Shortfall, TransferError};
use crate::base::limits::KEY_FILE_MAX_BYTES;
use crate::base::{Epoch, KeyListHash, StoreId};
use crate::disk::{Disk, read_all};
use crate::error::Error;
use crate::format::keylist::{KeyEntry, KeyList, KeyRole, KeyTag};
use crate::format::manifest::KeyShards;
use crate::store::keys::{check_key_list, read_key_list};
use crate::store::pack::create_immutable;
use crate::store::{StoreError, layout, replica};

/// Most key files that a store without a tag of its own carries.
pub const KEY_FILES_MAX: usize = 64;

/// Which key files a store is to carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carried {
    /// That of one reader, whose tag it noted when it was cloned.
    Own(KeyTag),
    /// All of them, as long as they are few.
    WhileFew,
    /// All of them: it is the publisher's own store, or a server's copy of it.
    All,
}

impl Carried {
    /// Reads off a store's own files what it is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn by(disk: &dyn Disk) -> std::result::Result<Self, StoreError> {
        if let Some(tag) = replica::read_tag(disk)? {
            return Ok(Self::Own(tag));
        }
        match replica::read_remote(disk) {
            Ok(None) => Ok(Self::All),
            // Even where it does not read, only a clone has one.
            Ok(Some(_)) | Err(StoreError::Corrupt { .. } | StoreError::Disk(_)) => Ok(Self::WhileFew),
            Err(error) => Err(error),
        }
    }

    /// Returns those of an epoch's key lists that it carries.
    #[must_use]
    pub fn lists(self, lists: &KeyShards) -> &[(KeyListHash, u64)] {
        match self {
            Self::Own(tag) => lists.shards.get(tag.shard(lists.shards.len())..).and_then(|rest| rest.get(..1)),
            // One shard holds up to a thousand readers, so more of them are too many.
            Self::WhileFew if lists.shards.len() > 1 => None,
            Self::WhileFew | Self::All => Some(&lists.shards[..]),
        }
        .unwrap_or_default()
    }

    /// Returns whether it carries a key file of such a list.
    #[must_use]
    pub fn wants(self, list: &KeyList, entry: &KeyEntry) -> bool {
        match self {
            Self::Own(tag) => entry.tag == tag || (entry.role == KeyRole::Identity && entry.tag == tag.twin()),
            Self::WhileFew => list.entries.len() <= KEY_FILES_MAX,
            Self::All => true,
        }
    }
}

/// Why no key file comes with a state, so that nobody reads it from this store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyLack {
    /// The readers are too many for a store without a tag.
    TooMany,
    /// The store's own tag is not listed, or not any more.
    Unlisted,
}

impl KeyLack {
    /// Returns its name in output for programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TooMany => "too-many",
            Self::Unlisted => "unlisted",
        }
    }

    /// Returns what a person should hear of it.
    #[must_use]
    pub fn remark(self) -> String {
        match self {
            Self::TooMany => {
                "nobody can read from this copy: the store has too many readers for it to carry all their key files; \
                 `clone --reader TAG` takes that of one, and `reader list` shows the tags"
            }
            Self::Unlisted => {
                "the reader of this key is not listed, or not any more: what is new cannot be read with it"
            }
        }
        .to_owned()
    }
}

/// What a store lacks of the key files that it should carry.
#[derive(Debug, Default)]
pub struct KeyPlan {
    /// Key lists that came from a remote.
    pub new_lists: Vec<(KeyListHash, Vec<u8>)>,
    /// Key lists that stand, and that a run which did not end may not have synced.
    pub standing_lists: Vec<(KeyListHash, u64)>,
    /// Key files to fetch, with the epoch that they open.
    pub missing: Vec<(Epoch, KeyEntry)>,
    /// Key files that stand, and that a run which did not end may not have synced.
    pub standing: Vec<(Epoch, KeyEntry)>,
    /// Why it carries no key file of the target.
    pub lack: Option<KeyLack>,
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
        lists + self.missing.iter().map(|(_, entry)| u64::from(entry.len_bytes)).sum::<u64>()
    }

    /// Returns how many files are to be written.
    #[must_use]
    pub fn files(&self) -> u64 {
        (self.new_lists.len() + self.missing.len()) as u64
    }
}

/// Finds out what is lacking for a target, of its own epoch and of all that it still lists; writes nothing. `pass` says whether
/// to go on without a list that could not be had.
///
/// # Errors
/// Those that `pass` does not pass over.
pub fn plan_keys(
    disk: &dyn Disk,
    target: &Target,
    carried: Carried,
    callers: &mut [Caller<'_>],
    pass: &mut dyn FnMut(Result<KeyList, TransferError>) -> Result<Option<KeyList>, TransferError>,
) -> Result<KeyPlan, TransferError> {
    let (store, newest) = (target.head.head.store, target.head.head.epoch);
    let mut plan = KeyPlan::default();
    for lists in &target.packs.top.key_lists {
        let epoch = lists.epoch;
        let mut wanted = Vec::new();
        let mut is_known = true;
        for (hash, len_bytes) in carried.lists(lists) {
            let Some(list) = pass(read_or_fetch(disk, store, (hash, *len_bytes), callers, &mut plan))? else {
                is_known = false;
                continue;
            };
            wanted.extend(list.entries.iter().filter(|entry| carried.wants(&list, entry)).copied());
        }
        if epoch == newest && is_known && wanted.is_empty() {
            plan.lack = match carried {
                Carried::WhileFew => Some(KeyLack::TooMany),
                Carried::Own(_) => Some(KeyLack::Unlisted),
                Carried::All => None,
            };
        }
        for entry in wanted {
            let of_state = if stands(disk, epoch, &entry) { &mut plan.standing } else { &mut plan.missing };
            of_state.push((epoch, entry));
        }
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
    let epochs: BTreeSet<Epoch> = plan.missing.iter().chain(doubted).map(|(epoch, _)| *epoch).collect();
    let failed = |error| Error::from(StoreError::from(error));
    if disk.metadata(&layout::keys_dir()).map_err(failed)?.is_none() {
        disk.create_dir(&layout::keys_dir()).map_err(failed)?;
        disk.sync_dir(&layout::keys_dir().parent()).map_err(failed)?;
    }
    for epoch in &epochs {
        disk.create_dir(&layout::key_dir(*epoch)).map_err(failed)?;
    }
    for (epoch, entry) in doubted {
        sync_again(disk, &layout::key_file(*epoch, entry.tag), u64::from(entry.len_bytes)).map_err(Error::from)?;
    }
    let mut shortfall = Shortfall::default();
    for (epoch, entry) in &plan.missing {
        let path = layout::key_file(*epoch, entry.tag);
        let brought = fetch_from_any(callers, "key file", &path, u64::from(entry.len_bytes), &entry.hash)
            .and_then(|bytes| create_immutable(disk, &path, &bytes).map_err(|error| Error::from(error).into()));
        shortfall.pass(brought)?;
    }
    for epoch in &epochs {
        disk.sync_dir(&layout::key_dir(*epoch)).map_err(Error::from)?;
    }
    disk.sync_dir(&layout::keys_dir()).map_err(Error::from)?;
    shortfall.end()
}
