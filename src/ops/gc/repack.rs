//! Making packs anew from what lives in them: frames are copied as they are, so nothing is sealed again, and a recipe says
//! where each stretch stands in the old packs.
//!
//! A pack is hashed before anything of it is copied, since a frame that rotted would be vouched for by the hash of the new
//! pack. Memory: two packs, and the places of what is copied.

use std::collections::{HashMap, HashSet};

use super::mark::Marked;
use super::plan::Plan;
use crate::base::PackHash;
use crate::base::monitor::{Amount, Problem, Task};
use crate::disk::DiskErrorKind;
use crate::error::Result;
use crate::format::Class;
use crate::format::manifest::{PackRef, RecipeRef};
use crate::format::pack::PackEntry;
use crate::format::sealed::SealedPart;
use crate::ops::Run;
use crate::ops::writing::Writing;
use crate::store::object::SealedObject;
use crate::store::pack::{pack_is_whole, read_exactly, read_index};
use crate::store::recipe::{Copied, recipe_of, write_recipe};
use crate::store::writer::Written;
use crate::store::{StoreError, layout};

/// What became of a plan.
#[derive(Default)]
pub struct Repacked {
    /// Packs that the next generation does not list.
    pub gone: Vec<PackRef>,
    /// New packs with their objects.
    pub written: Written,
    /// Recipes of the new packs.
    pub recipes: Vec<RecipeRef>,
    /// Bytes that were copied.
    pub copied_bytes: u64,
    /// Packs that stay against the plan, since they are damaged or hold what may be the only whole copy of something.
    pub spared: u64,
}

/// Carries out a plan, and moves the places of merged indexes in `sealed` to where they were copied.
///
/// # Durability
/// New packs and recipes are durable when this returns; nothing names them yet.
///
/// # Errors
/// Those of the disk, [`crate::error::ErrorKind::Interrupted`].
pub fn repack(
    writing: &Writing,
    marked: &Marked,
    plan: &Plan,
    sealed: &mut SealedPart,
    run: Run<'_>,
) -> Result<Repacked> {
    let mut repacking = Repacking { writing, marked, run, whole: HashMap::new(), done: Repacked::default() };
    run.monitor.begin(Task::Repack, Some(Amount { files: plan.repack.len() as u64, bytes: plan.copied_bytes }));
    for pack in &plan.drop {
        run.check()?;
        match repacking.entries(pack)? {
            Some(entries) if repacking.may_go(pack, &entries)? => repacking.done.gone.push(*pack),
            _ => repacking.spare(pack, "it may hold the only whole copy of an object"),
        }
    }
    for class in [Class::Data, Class::Meta] {
        let packs: Vec<PackRef> = plan.repack.iter().filter(|pack| pack.class == class).copied().collect();
        repacking.copy_class(&packs, sealed)?;
    }
    run.monitor.end(Task::Repack);
    Ok(repacking.done)
}

/// Where a copied frame stood.
struct Origin {
    pack: PackHash,
    offset: u64,
}

struct Repacking<'a> {
    writing: &'a Writing,
    marked: &'a Marked,
    run: Run<'a>,
    /// Packs that were hashed in this run.
    whole: HashMap<PackHash, bool>,
    done: Repacked,
}

impl Repacking<'_> {
    /// Returns what a pack's own index lists; nothing for a pack that is not there.
    fn entries(&self, pack: &PackRef) -> Result<Option<Vec<(u64, PackEntry)>>> {
        let keys = &self.writing.keys.reader;
        let read = read_index(self.writing.disk(), self.writing.store.id(), pack, &|epoch| keys.index_key(epoch));
        match read.map_err(|error| self.writing.store.settle(error)) {
            Ok(entries) => Ok(Some(entries)),
            Err(StoreError::Disk(error)) if error.kind == DiskErrorKind::NotFound => Ok(Some(Vec::new())),
            Err(error) if error.costs_one_entry() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns whether a pack can go: what lives of its objects elsewhere lives in packs that are whole.
    fn may_go(&mut self, pack: &PackRef, entries: &[(u64, PackEntry)]) -> Result<bool> {
        for (offset, entry) in entries {
            let Some(place) = self.living(entry).filter(|place| *place != (pack.hash, *offset)) else { continue };
            if !self.is_whole(&place.0)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns the place that the index knows of an object, if the object lives.
    fn living(&self, entry: &PackEntry) -> Option<(PackHash, u64)> {
        let (at, place) = self.writing.reader.index().locate(&entry.id, entry.dedup_generation)?;
        self.marked.met.contains(at).then_some((place.pack, place.offset))
    }

    fn is_whole(&mut self, hash: &PackHash) -> Result<bool> {
        if let Some(known) = self.whole.get(hash) {
            return Ok(*known);
        }
        let Some(pack) = self.writing.store.packs().pack(hash) else { return Ok(false) };
        let whole = match pack_is_whole(self.writing.disk(), pack, &mut |_| {}) {
            Ok(whole) => whole,
            Err(error) => match self.writing.store.settle(error.into()) {
                error if error.costs_one_entry() => false,
                error => return Err(error.into()),
            },
        };
        self.whole.insert(*hash, whole);
        Ok(whole)
    }

    fn spare(&mut self, pack: &PackRef, why: &str) {
        let subject = format!("pack {}", layout::pack(&pack.hash));
        self.run.monitor.problem(Problem { subject, reason: format!("it stays: {why}") });
        self.done.spared += 1;
    }

    /// Copies what lives in packs of one class into new ones.
    fn copy_class(&mut self, packs: &[PackRef], sealed: &mut SealedPart) -> Result<()> {
        let writing = self.writing;
        // The packs that it copies from are shuffled, and stretches that stay together make a short recipe.
        let mut writer = writing.pack_writer()?.in_order();
        let mut origins: Vec<Origin> = Vec::new();
        for pack in packs {
            self.run.check()?;
            let Some(entries) = self.entries(pack)?.filter(|entries| !entries.is_empty()) else {
                self.spare(pack, "its index does not read");
                continue;
            };
            if !self.is_whole(&pack.hash)? {
                self.spare(pack, "it is damaged");
                continue;
            }
            if !self.may_go(pack, &entries)? {
                self.spare(pack, "it may hold the only whole copy of an object");
                continue;
            }
            let path = layout::pack(&pack.hash);
            let file = writing.disk().open(&path)?;
            for (offset, entry) in entries {
                if !self.lives_here(pack, offset, &entry, sealed) {
                    continue;
                }
                let frame = read_exactly(file.as_ref(), offset, entry.sealed_len_bytes, path.as_str())?;
                writer.put(SealedObject { entry, frame })?;
                origins.push(Origin { pack: pack.hash, offset });
                self.done.copied_bytes += entry.sealed_len_bytes;
                self.run.monitor.advance(Task::Repack, Amount { files: 0, bytes: entry.sealed_len_bytes });
            }
            self.run.monitor.advance(Task::Repack, Amount { files: 1, bytes: 0 });
            self.done.gone.push(*pack);
        }
        let written = writer.finish()?;
        move_indexes(&written, &origins, sealed);
        self.write_recipes(&written, &origins)?;
        // What was copied alone and whole comes out as the very pack that it was.
        let made: HashSet<PackHash> = written.entries.iter().map(|(pack, ..)| *pack).collect();
        self.done.gone.retain(|pack| !made.contains(&pack.hash));
        self.done.written.packs.extend(written.packs);
        self.done.written.entries.extend(written.entries);
        Ok(())
    }

    fn lives_here(&self, pack: &PackRef, offset: u64, entry: &PackEntry, sealed: &SealedPart) -> bool {
        let here = (pack.hash, offset);
        self.living(entry) == Some(here) || sealed.indexes.iter().any(|part| (part.pack, part.offset) == here)
    }

    fn write_recipes(&mut self, written: &Written, origins: &[Origin]) -> Result<()> {
        let mut origins = origins.iter();
        // A pack's entries stand together.
        for entries in written.entries.chunk_by(|a, b| a.0 == b.0) {
            let copied = entries.iter().zip(origins.by_ref()).map(|((_, offset, entry), origin)| {
                let (source, source_offset, len_bytes) = (origin.pack, origin.offset, entry.sealed_len_bytes);
                Copied { offset: *offset, source, source_offset, len_bytes }
            });
            let copied: Vec<Copied> = copied.collect();
            let Some(pack) = written.packs.iter().find(|pack| pack.hash == entries[0].0) else { continue };
            let recipe = recipe_of(pack.hash, pack.len_bytes, &copied);
            // A recipe without a source says nothing that the pack itself does not.
            if !recipe.sources.is_empty() {
                let recipe = write_recipe(self.writing.disk(), self.writing.store.id(), recipe)?;
                self.done.recipes.push(recipe);
            }
        }
        if !self.done.recipes.is_empty() {
            self.writing.disk().sync_dir(&layout::manifests())?;
        }
        Ok(())
    }
}

/// Moves the places of merged indexes that were copied; those of packs that go otherwise do not exist.
fn move_indexes(written: &Written, origins: &[Origin], sealed: &mut SealedPart) {
    let parts: HashSet<(PackHash, u64)> = sealed.indexes.iter().map(|part| (part.pack, part.offset)).collect();
    for ((pack, offset, _), origin) in written.entries.iter().zip(origins) {
        if !parts.contains(&(origin.pack, origin.offset)) {
            continue;
        }
        for part in &mut sealed.indexes {
            if (part.pack, part.offset) == (origin.pack, origin.offset) {
                (part.pack, part.offset) = (*pack, *offset);
            }
        }
    }
}
