//! Deleting from a remote what a purge takes away: the packs that it orders to be gone, and what led to states before it: their
//! manifests, key lists and key files, recipes, carried files and records. Otherwise a push leaves those, and packs go as all
//! condemned ones do.
//!
//! A remote does not list what it holds, so what it may have is asked for one by one, once after each purge. Whatever the remote
//! gives is followed only where it is what the store's own state leads to, by hash.

use std::collections::{BTreeSet, HashSet};

use super::caller::{CallError, Caller};
use crate::base::limits::{HEAD_MAX_BYTES, MANIFEST_CHAIN_MAX};
use crate::base::monitor::{Amount, Task};
use crate::base::{Generation, HeadHash, KeyListHash, ManifestHash, PackHash, StorePath};
use crate::error::Result;
use crate::format::head::SignedHead;
use crate::format::manifest::{FileKind, KeyShards, Manifest};
use crate::ops::Run;
use crate::ops::host_state::HostState;
use crate::store::keys::check_key_list;
use crate::store::order::readable_orders_of;
use crate::store::sweep::Reached;
use crate::store::{Store, layout};

/// What was deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Superseded {
    /// Packs that are ordered to be gone; those that were gone already count as well.
    pub packs: BTreeSet<PackHash>,
    /// Their bytes, as far as the state still tells.
    pub bytes: u64,
    /// Other files.
    pub files: u64,
}

/// Deletes it, unless this host remembers that it did. The oldest go first and a record last of all that it leads to, so that a
/// run which was cut off is gone on with.
///
/// # Errors
/// Those of the remote: what stays could be opened with an old identity, so a push that leaves it has not ended well.
pub fn remove_superseded(
    caller: &mut Caller<'_>,
    store: &Store,
    state: &mut HostState,
    run: Run<'_>,
) -> Result<Superseded> {
    let orders = readable_orders_of(store)?;
    let (address, name) = (caller.address(), name_of_orders(store));
    let purged = orders.iter().map(|order| order.generation).max();
    let Some(purged) = purged.filter(|_| !state.was_obeyed(&address, &name)) else { return Ok(Superseded::default()) };
    let packs: BTreeSet<PackHash> = orders.iter().flat_map(|order| order.packs.iter().copied()).collect();
    let mut kept = Reached::default();
    kept.add(store.disk().as_ref(), store.id(), store.packs());
    let older: Vec<_> = store.packs().heads.range(..purged).map(|(generation, head)| (*generation, *head)).collect();
    let files = (older.len() + packs.len()) as u64;
    let mut removing = Removing { caller, store, run, kept, seen: HashSet::new(), removed: Superseded::default() };
    run.monitor.begin(Task::Remove, Some(Amount { files, bytes: 0 }));
    let done = older.iter().try_for_each(|(generation, head)| removing.record(*generation, head));
    let done = done.and_then(|()| packs.iter().try_for_each(|pack| removing.pack(pack)));
    let removed = removing.removed;
    run.monitor.end(Task::Remove);
    done?;
    state.obeyed(&address, &name);
    Ok(removed)
}

/// Returns what tells the orders of a state from all others: a later purge may have a lower generation, if the roots took one back.
fn name_of_orders(store: &Store) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    let listed = store.packs().top.files.iter().filter(|file| file.kind == FileKind::ORDER);
    listed.for_each(|file| _ = hasher.update(&file.hash.0));
    *hasher.finalize().as_bytes()
}

struct Removing<'a, 'c> {
    caller: &'a mut Caller<'c>,
    store: &'a Store,
    run: Run<'a>,
    /// What the state that the remote shows leads to.
    kept: Reached,
    /// Files that were looked at.
    seen: HashSet<StorePath>,
    removed: Superseded,
}

impl Removing<'_, '_> {
    /// Removes a record, and what it leads to where it is the one that the store's state follows on.
    fn record(&mut self, generation: Generation, head: &HeadHash) -> Result<()> {
        let path = layout::head_record(generation);
        if let Some(bytes) = self.caller.fetch_small(&path, HEAD_MAX_BYTES)? {
            if let Some(record) = SignedHead::decode(&bytes).ok().filter(|record| record.hash() == *head) {
                self.manifests(record.head.manifest, record.head.manifest_len_bytes)?;
            }
            self.remove(&path)?;
        }
        self.run.monitor.advance(Task::Remove, Amount { files: 1, bytes: 0 });
        Ok(())
    }

    /// Removes a chain of manifests with all that only they lead to, from the top down; a part of it may be gone already.
    fn manifests(&mut self, top: ManifestHash, len_bytes: u64) -> Result<()> {
        let mut next = Some((top, len_bytes));
        let mut chain = Vec::new();
        while let Some((hash, len_bytes)) = next.take().filter(|_| chain.len() < MANIFEST_CHAIN_MAX as usize) {
            let path = layout::manifest(&hash);
            if self.kept.contains(&path) || !self.seen.insert(path.clone()) {
                break;
            }
            let Some(bytes) = self.caller.fetch_small(&path, len_bytes)? else { break };
            chain.push(path);
            let is_right = *blake3::hash(&bytes).as_bytes() == hash.0;
            let decoded = is_right.then(|| Manifest::decode(&bytes, self.store.id()).ok()).flatten();
            let Some(manifest) = decoded else { break };
            next = manifest.base.map(|base| (base.hash, base.len_bytes));
            self.led_to_by(&manifest)?;
        }
        // The top one last: as long as it stands, it leads to the others.
        chain.iter().rev().try_for_each(|path| self.remove(path))
    }

    fn led_to_by(&mut self, manifest: &Manifest) -> Result<()> {
        for lists in &manifest.key_lists {
            for (hash, len_bytes) in &lists.shards {
                self.key_list(lists, hash, *len_bytes)?;
            }
        }
        for recipe in &manifest.recipes {
            self.remove_once(&layout::recipe(&recipe.recipe))?;
        }
        manifest.files.iter().try_for_each(|file| self.remove_once(&layout::carried_file(&file.hash)))
    }

    fn key_list(&mut self, lists: &KeyShards, hash: &KeyListHash, len_bytes: u64) -> Result<()> {
        let path = layout::key_list(hash);
        if self.kept.contains(&path) || self.seen.contains(&path) {
            return Ok(());
        }
        let bytes = self.caller.fetch_small(&path, len_bytes)?;
        let list = bytes.and_then(|bytes| check_key_list(&bytes, self.store.id(), hash).ok());
        for entry in list.iter().flat_map(|list| &list.entries) {
            self.remove_once(&layout::key_file(lists.epoch, entry.tag))?;
        }
        self.remove_once(&path)
    }

    fn pack(&mut self, pack: &PackHash) -> Result<()> {
        let path = layout::pack(pack);
        // Names are shorter than hashes: none goes that a pack of the state may have.
        if !self.kept.contains(&path) {
            self.delete(&path)?;
            self.removed.packs.insert(*pack);
            self.removed.bytes += self.store.packs().condemned(pack).map_or(0, |pack| pack.len_bytes);
        }
        self.run.monitor.advance(Task::Remove, Amount { files: 1, bytes: 0 });
        Ok(())
    }

    fn remove_once(&mut self, path: &StorePath) -> Result<()> {
        if self.kept.contains(path) || !self.seen.insert(path.clone()) {
            return Ok(());
        }
        self.remove(path)
    }

    fn remove(&mut self, path: &StorePath) -> Result<()> {
        self.delete(path)?;
        self.removed.files += 1;
        Ok(())
    }

    fn delete(&mut self, path: &StorePath) -> Result<()> {
        self.run.check()?;
        let deleted: std::result::Result<(), CallError> = self.caller.call(&mut |session| session.remove(path));
        Ok(deleted?)
    }
}
