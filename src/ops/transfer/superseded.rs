//! Deleting from a remote what led to states before a purge: their manifests, key lists and key files, recipes, carried files and
//! records. Otherwise a push leaves those; their packs go as all condemned ones do.
//!
//! A remote does not list what it holds, so the records that it may have are asked for one by one, once after each purge.

use std::collections::HashSet;

use super::caller::{CallError, Caller};
use crate::base::limits::{HEAD_MAX_BYTES, KEY_LIST_MAX_BYTES, MANIFEST_MAX_BYTES};
use crate::base::monitor::{Amount, Task};
use crate::base::{Generation, ManifestHash, StorePath};
use crate::error::Result;
use crate::format::head::SignedHead;
use crate::format::keylist::KeyList;
use crate::format::manifest::Manifest;
use crate::ops::Run;
use crate::ops::host_state::HostState;
use crate::store::order::purged_below;
use crate::store::sweep::Reached;
use crate::store::{Store, layout};

/// Deletes it, unless this host remembers that it did. The oldest go first and a record last of all that it leads to, so that a
/// run which was cut off is gone on with.
///
/// # Errors
/// Those of the remote: what stays could be opened with an old identity, so a push that leaves it has not ended well.
pub fn remove_superseded(caller: &mut Caller<'_>, store: &Store, state: &mut HostState, run: Run<'_>) -> Result<u64> {
    let purged = purged_below(store)?;
    let address = caller.address();
    if purged == Generation(0) || state.purged_up_to(&address) >= purged {
        return Ok(0);
    }
    let mut kept = Reached::default();
    kept.add(store.disk().as_ref(), store.id(), store.packs());
    let mut removing = Removing { caller, store, run, kept, seen: HashSet::new(), removed: 0 };
    let older: Vec<Generation> = store.packs().heads.range(..purged).map(|(generation, _)| *generation).collect();
    run.monitor.begin(Task::Remove, Some(Amount { files: older.len() as u64, bytes: 0 }));
    let done = older.iter().try_for_each(|generation| removing.record(*generation));
    let removed = removing.removed;
    run.monitor.end(Task::Remove);
    done?;
    state.purged(&address, purged);
    Ok(removed)
}

struct Removing<'a, 'c> {
    caller: &'a mut Caller<'c>,
    store: &'a Store,
    run: Run<'a>,
    /// What the state that the remote shows leads to.
    kept: Reached,
    /// Files that were looked at.
    seen: HashSet<StorePath>,
    removed: u64,
}

impl Removing<'_, '_> {
    fn record(&mut self, generation: Generation) -> Result<()> {
        let path = layout::head_record(generation);
        if let Some(bytes) = self.caller.fetch_small(&path, HEAD_MAX_BYTES)? {
            if let Ok(record) = SignedHead::decode(&bytes) {
                self.manifests(record.head.manifest)?;
            }
            self.remove(&path)?;
        }
        self.run.monitor.advance(Task::Remove, Amount { files: 1, bytes: 0 });
        Ok(())
    }

    /// Removes a chain of manifests with all that only they lead to, from the top down; a part of it may be gone already.
    fn manifests(&mut self, top: ManifestHash) -> Result<()> {
        let mut next = Some(top);
        let mut chain = Vec::new();
        while let Some(hash) = next.take() {
            let path = layout::manifest(&hash);
            if self.kept.contains(&path) || !self.seen.insert(path.clone()) {
                break;
            }
            let Some(bytes) = self.caller.fetch_small(&path, MANIFEST_MAX_BYTES)? else { break };
            chain.push(path);
            let Ok(manifest) = Manifest::decode(&bytes, self.store.id()) else { break };
            next = manifest.base.map(|base| base.hash);
            self.led_to_by(&manifest)?;
        }
        // The top one last: as long as it stands, it leads to the others.
        chain.iter().rev().try_for_each(|path| self.remove(path))
    }

    fn led_to_by(&mut self, manifest: &Manifest) -> Result<()> {
        for lists in &manifest.key_lists {
            for (hash, _) in &lists.shards {
                let path = layout::key_list(hash);
                if self.kept.contains(&path) || self.seen.contains(&path) {
                    continue;
                }
                let bytes = self.caller.fetch_small(&path, KEY_LIST_MAX_BYTES)?;
                if let Some(list) = bytes.and_then(|bytes| KeyList::decode(&bytes, self.store.id()).ok()) {
                    for entry in &list.entries {
                        self.remove_once(&layout::key_file(lists.epoch, entry.tag))?;
                    }
                }
                self.remove_once(&path)?;
            }
        }
        for recipe in &manifest.recipes {
            self.remove_once(&layout::recipe(&recipe.recipe))?;
        }
        manifest.files.iter().try_for_each(|file| self.remove_once(&layout::carried_file(&file.hash)))
    }

    fn remove_once(&mut self, path: &StorePath) -> Result<()> {
        if self.kept.contains(path) || !self.seen.insert(path.clone()) {
            return Ok(());
        }
        self.remove(path)
    }

    fn remove(&mut self, path: &StorePath) -> Result<()> {
        self.run.check()?;
        let removed: std::result::Result<(), CallError> = self.caller.call(&mut |session| session.remove(path));
        removed?;
        self.removed += 1;
        Ok(())
    }
}
