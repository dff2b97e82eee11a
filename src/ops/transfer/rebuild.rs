//! Rebuilding repacked packs from older ones that are here: which recipes are worth having, and the way to a pack through
//! several of them.
//!
//! A recipe is a hint of a publisher who may be hostile: it is bounded in length, in number and in how deep it leads, nothing is
//! believed of it but by the hash of the pack that comes out, and whatever is wrong with it costs a note and a whole pack.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use super::caller::{Caller, fetch_from_any};
use super::plan::{FetchPlan, Wanted};
use super::receive::Local;
use super::target::Target;
use crate::base::limits::RECIPE_MAX_BYTES;
use crate::base::{PackHash, StoreId};
use crate::disk::{Disk, DiskErrorKind, DiskFileKind};
use crate::error::{Error, ErrorKind, Result};
use crate::format::manifest::RecipeRef;
use crate::format::recipe::{Recipe, RecipeStep, STEPS_MAX};
use crate::ops::Run;
use crate::store::layout;
use crate::store::recipe::{
    COPY_MIN_BYTES, Copied, copied_bytes, decode_recipe, keep_recipe, read_recipe, recipe_with,
};

/// Through how many generations of repacked packs a way may lead.
const DEPTH_MAX: usize = 8;
/// Recipes are fetched up to this part of the packs that they are for.
const SHARE_OF_PACKS: u64 = 8;
/// What a range costs beyond its bytes: its three round trips would take 300 KiB at 10 Mbit/s and 80 ms, but the wire is counted
/// in bytes, of which it takes some 16 KiB, so every copy that a recipe lists is made.
const RANGE_COST_BYTES: u64 = COPY_MIN_BYTES;
/// After so many recipes that could not be had, no other is asked for.
const FAILURES_MAX: usize = 16;

/// The recipes that stand here for a run, and the packs to copy from.
#[derive(Debug)]
pub struct Recipes {
    store: StoreId,
    usable: HashMap<PackHash, RecipeRef>,
    here: HashMap<PackHash, u64>,
}

/// A recipe, with where each of its steps begins.
#[derive(Debug)]
pub struct Way {
    recipe: Recipe,
    starts: Vec<u64>,
}

impl Way {
    fn of(recipe: Recipe) -> Self {
        let mut at = 0;
        let start = |step: &RecipeStep| {
            at += step.len_bytes();
            at - step.len_bytes()
        };
        Self { starts: recipe.steps.iter().map(start).collect(), recipe }
    }

    /// Returns the source and the rest of the step that a place of the pack lies in: a pack and an offset in it, or nothing
    /// where it is fetched; and how many bytes of it are left.
    #[must_use]
    pub fn at(&self, offset: u64) -> Option<(Option<(PackHash, u64)>, u64)> {
        let place = self.starts.partition_point(|start| *start <= offset).checked_sub(1)?;
        let (step, into) = (*self.recipe.steps.get(place)?, offset - self.starts[place]);
        let left = step.len_bytes().checked_sub(into).filter(|left| *left > 0)?;
        Some(match step {
            RecipeStep::Copy { source, offset, .. } => {
                (Some((*self.recipe.sources.get(source as usize)?, offset + into)), left)
            }
            RecipeStep::Fetch { .. } => (None, left),
        })
    }
}

impl Recipes {
    /// Starts with none.
    #[must_use]
    pub fn none(store: StoreId) -> Self {
        Self { store, usable: HashMap::new(), here: HashMap::new() }
    }

    /// Returns how to make a pack of what is here; nothing where that gives too little of it to be worth it.
    #[must_use]
    pub fn way_to(&self, disk: &dyn Disk, wanted: &Wanted) -> Option<Way> {
        let listed = self.usable.get(&wanted.pack.hash)?;
        let mut walk = Walk { recipes: self, disk, read: HashMap::new(), read_bytes: 0, steps: 0, found: Vec::new() };
        let first = walk.load(listed)?;
        walk.follow(&first, Stretch { start: 0, len_bytes: wanted.pack.len_bytes, at: 0 }, DEPTH_MAX);
        let way = recipe_with(wanted.pack.hash, wanted.pack.len_bytes, &walk.found, RANGE_COST_BYTES);
        (copied_bytes(&way) >= COPY_MIN_BYTES).then(|| Way::of(way))
    }
}

/// A part of an older pack, and where it lies in the pack that is rebuilt.
#[derive(Clone, Copy)]
struct Stretch {
    start: u64,
    len_bytes: u64,
    at: u64,
}

/// The search for a way to one pack.
struct Walk<'a> {
    recipes: &'a Recipes,
    disk: &'a dyn Disk,
    read: HashMap<PackHash, Option<Arc<Way>>>,
    read_bytes: u64,
    steps: usize,
    found: Vec<Copied>,
}

impl Walk<'_> {
    /// Reads a recipe; at most as many bytes of them as the longest one has are held for a pack, besides its own.
    fn load(&mut self, listed: &RecipeRef) -> Option<Arc<Way>> {
        if let Some(known) = self.read.get(&listed.pack) {
            return known.clone();
        }
        if !self.read.is_empty() {
            self.read_bytes = Some(self.read_bytes + listed.len_bytes).filter(|bytes| *bytes <= RECIPE_MAX_BYTES)?;
        }
        let recipe = read_recipe(self.disk, self.recipes.store, listed).ok().flatten();
        let way = recipe.map(|recipe| Arc::new(Way::of(recipe)));
        self.read.insert(listed.pack, way.clone());
        way
    }

    /// Collects what of a stretch of a way's pack stands here, in that pack's sources or in what those were made of.
    fn follow(&mut self, way: &Way, stretch: Stretch, depth: usize) {
        let mut done = 0;
        while done < stretch.len_bytes && self.steps < STEPS_MAX {
            let Some((from, left)) = way.at(stretch.start + done) else { return };
            let (len_bytes, at) = (left.min(stretch.len_bytes - done), stretch.at + done);
            done += len_bytes;
            self.steps += 1;
            let Some((source, source_offset)) = from else { continue };
            if let Some(here) = self.recipes.here.get(&source) {
                if source_offset + len_bytes <= *here {
                    self.found.push(Copied { offset: at, source, source_offset, len_bytes });
                }
                continue;
            }
            let listed = self.recipes.usable.get(&source).filter(|_| depth > 1);
            if let Some(deeper) = listed.and_then(|listed| self.load(listed)) {
                self.follow(&deeper, Stretch { start: source_offset, len_bytes, at }, depth - 1);
            }
        }
    }
}

/// Fetches the recipes that may spare fetching a pack, and those of the packs that they copy from where these are not here,
/// and writes them. `room_bytes` is the room that the run leaves. What cannot be had is told once.
///
/// # Durability
/// All are durable when this returns.
///
/// # Errors
/// [`ErrorKind::Interrupted`] and those of the disk.
pub fn bring_recipes(
    local: Local<'_>,
    target: &Target,
    plan: &FetchPlan,
    room_bytes: u64,
    callers: &mut [Caller<'_>],
    run: Run<'_>,
) -> Result<Recipes> {
    let none = Recipes::none(target.head.head.store);
    let worth = |wanted: &&Wanted| {
        let listed = target.packs.recipe(&wanted.pack.hash);
        let missing_bytes = wanted.pack.len_bytes - wanted.resume_from_bytes;
        listed.is_some_and(|listed| listed.len_bytes + COPY_MIN_BYTES <= missing_bytes)
    };
    let wanted: Vec<_> = plan.fetch.iter().filter(worth).collect();
    if wanted.is_empty() {
        return Ok(none);
    }
    let here = packs_here(local, target, plan)?;
    if here.is_empty() {
        return Ok(none);
    }
    let disk = local.disk.as_ref();
    let fetch_max_bytes = plan.fetch_bytes() / SHARE_OF_PACKS;
    let recipes = Recipes { here, ..none };
    let mut bringing =
        Bringing { disk, target, recipes, fetch_max_bytes, room_bytes, wrote: false, failures: Vec::new() };
    bringing.bring(wanted.into_iter().map(|wanted| wanted.pack.hash), callers, run)?;
    bringing.end(run)
}

/// Returns the lengths of the packs that stand here whole as far as their length tells; nothing where none is older than
/// the target.
fn packs_here(local: Local<'_>, target: &Target, plan: &FetchPlan) -> Result<HashMap<PackHash, u64>> {
    let disk = local.disk.as_ref();
    let mine = local.current.map(|(_, packs)| packs);
    let condemned = mine.into_iter().chain([&target.packs]).flat_map(|packs| &packs.top.condemned);
    let older = mine.into_iter().flat_map(|packs| packs.packs()).map(|pack| (pack.hash, pack.len_bytes));
    let older = older.chain(condemned.map(|pack| (pack.hash, pack.len_bytes)));
    let mut here = HashMap::new();
    for (hash, len_bytes) in older.filter(|(hash, _)| target.packs.pack(hash).is_none()) {
        match disk.metadata(&layout::pack(&hash)) {
            Ok(Some(found)) if found.kind == DiskFileKind::File && found.len_bytes == len_bytes => {
                here.insert(hash, len_bytes);
            }
            Err(error) if error.kind == DiskErrorKind::Gone => return Err(error.into()),
            _ => {}
        }
    }
    if !here.is_empty() {
        here.extend(plan.present.iter().map(|pack| (pack.hash, pack.len_bytes)));
    }
    Ok(here)
}

/// The fetching of recipes for a run.
struct Bringing<'a> {
    disk: &'a dyn Disk,
    target: &'a Target,
    recipes: Recipes,
    fetch_max_bytes: u64,
    room_bytes: u64,
    wrote: bool,
    failures: Vec<Error>,
}

impl Bringing<'_> {
    fn bring(
        &mut self,
        wanted: impl Iterator<Item = PackHash>,
        callers: &mut [Caller<'_>],
        run: Run<'_>,
    ) -> Result<()> {
        let mut queue: VecDeque<_> = wanted.map(|pack| (pack, 1)).collect();
        let mut seen: HashSet<_> = queue.iter().map(|(pack, _)| *pack).collect();
        while let Some((pack, depth)) = queue.pop_front() {
            run.check()?;
            let Some(listed) = self.target.packs.recipe(&pack) else { continue };
            let recipe = match self.have(listed, callers) {
                Ok(Some(recipe)) => recipe,
                Ok(None) => continue,
                Err(error) if matches!(error.kind(), ErrorKind::Remote | ErrorKind::Corrupt) => {
                    let is_remote = error.kind() == ErrorKind::Remote;
                    self.failures.push(error);
                    // The packs that follow find out soon enough whether the remote is back.
                    if is_remote || self.failures.len() >= FAILURES_MAX {
                        self.fetch_max_bytes = 0;
                    }
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.recipes.usable.insert(pack, *listed);
            for source in &recipe.sources {
                let leads_on = depth < DEPTH_MAX
                    && !self.recipes.here.contains_key(source)
                    && self.target.packs.recipe(source).is_some();
                if leads_on && seen.insert(*source) {
                    queue.push_back((*source, depth + 1));
                }
            }
        }
        Ok(())
    }

    /// Reads a recipe, fetched first where it does not stand here; nothing where that would cost too much.
    fn have(&mut self, listed: &RecipeRef, callers: &mut [Caller<'_>]) -> Result<Option<Recipe>> {
        let standing = read_recipe(self.disk, self.recipes.store, listed).unwrap_or(None);
        let recipe = match standing {
            Some(recipe) => Some(recipe),
            None => self.fetch(listed, callers)?,
        };
        match recipe {
            Some(recipe) if self.len_of(&listed.pack) != Some(recipe.pack_len_bytes) => {
                let text = format!("recipe {} is of another length", layout::recipe(&listed.recipe));
                Err(Error::new(ErrorKind::Corrupt, text))
            }
            recipe => Ok(recipe),
        }
    }

    fn fetch(&mut self, listed: &RecipeRef, callers: &mut [Caller<'_>]) -> Result<Option<Recipe>> {
        let room = listed.len_bytes + layout::ENTRY_OVERHEAD_BYTES;
        if listed.len_bytes > self.fetch_max_bytes || room > self.room_bytes {
            return Ok(None);
        }
        let path = layout::recipe(&listed.recipe);
        let bytes = fetch_from_any(callers, "recipe", &path, listed.len_bytes, &listed.recipe.0);
        let bytes = bytes.map_err(Error::from)?;
        self.fetch_max_bytes -= listed.len_bytes;
        // One of a newer format is as good as a damaged one.
        let recipe = decode_recipe(&bytes, self.recipes.store, listed)
            .map_err(|error| Error::with_source(ErrorKind::Corrupt, format!("cannot use recipe {path}"), error))?;
        if !keep_recipe(self.disk, &listed.recipe, &bytes)? {
            return Err(Error::new(ErrorKind::Corrupt, format!("another file has the name of recipe {path}")));
        }
        self.room_bytes -= room;
        self.wrote = true;
        Ok(Some(recipe))
    }

    /// Returns the length that the manifest gives a pack, condemned or not.
    fn len_of(&self, pack: &PackHash) -> Option<u64> {
        let packs = &self.target.packs;
        let condemned = || packs.condemned(pack).map(|pack| pack.len_bytes);
        packs.pack(pack).map(|pack| pack.len_bytes).or_else(condemned)
    }

    fn end(self, run: Run<'_>) -> Result<Recipes> {
        if self.wrote {
            self.disk.sync_dir(&layout::manifests())?;
        }
        if let Some(first) = self.failures.first() {
            let count = self.failures.len();
            run.monitor.note(&format!(
                "{count} recipes of packs are of no use, so those packs come whole: {}",
                first.in_full()
            ));
        }
        Ok(self.recipes)
    }
}

#[cfg(test)]
mod tests;
