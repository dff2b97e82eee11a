//! Recipes: how a repacked pack is made of older ones. They are hints: a pack that was rebuilt counts by its hash alone, and a
//! recipe that is missing or wrong costs bytes on the wire and nothing else.

use std::collections::{HashMap, HashSet};

use super::error::StoreError;
use super::layout;
use super::pack::create_immutable;
use crate::base::limits::{MANIFEST_MAX_BYTES, PACK_MAX_BYTES};
use crate::base::units::KIB;
use crate::base::{PackHash, RecipeHash, StoreId, StorePath};
use crate::disk::{Disk, DiskErrorKind, read_all};
use crate::format::manifest::RecipeRef;
use crate::format::recipe::{Recipe, RecipeStep, SOURCES_MAX, STEPS_MAX};

/// Fetched ranges begin and end at multiples of this, but for the end of the pack.
pub const RANGE_ALIGN_BYTES: u64 = 4 * KIB;
/// The shortest copy that may part two fetched ranges: another range costs about three round trips over FTP, in which this
/// much could have come.
pub const COPY_MIN_BYTES: u64 = 64 * KIB;

/// A stretch of a pack that stands in an older one, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// Where it begins in the new pack.
    pub offset: u64,
    /// The older pack.
    pub source: PackHash,
    /// Where it begins there.
    pub source_offset: u64,
    /// How many bytes it has.
    pub len_bytes: u64,
}

impl Copied {
    fn end(&self) -> u64 {
        self.offset + self.len_bytes
    }

    /// Returns the part between two places of the new pack, if there is any.
    fn within(&self, start: u64, end: u64) -> Option<Self> {
        let (from, to) = (self.offset.max(start), self.end().min(end));
        let source_offset = self.source_offset + (from - self.offset);
        (from < to).then(|| Self { offset: from, source_offset, len_bytes: to - from, ..*self })
    }
}

/// Makes the recipe of a pack of which `copied` stands in older packs, ascending by offset; all else is fetched. Ranges to
/// fetch are rounded out, and a copy that is too short to part two of them is fetched with them. A stretch that no recipe can
/// hold is fetched as well.
///
/// Anyone can read it, so no step begins where an object does: where stretches from two places touch, what surrounds the joint
/// is fetched as if something new stood there.
#[must_use]
pub fn recipe_of(pack: PackHash, pack_len_bytes: u64, copied: &[Copied]) -> Recipe {
    let mut copied = joined(copied, pack_len_bytes);
    for at in 1..copied.len() {
        // A gap of one byte is rounded out like any other.
        copied[at - 1].len_bytes -= u64::from(copied[at - 1].end() == copied[at].offset);
    }
    recipe_with(pack, pack_len_bytes, &copied, COPY_MIN_BYTES)
}

/// As [`recipe_of`], for whoever follows it and shows it to nobody: stretches that touch part nothing, and a range to fetch
/// costs as much as `copy_min_bytes` that are fetched.
#[must_use]
pub fn recipe_with(pack: PackHash, pack_len_bytes: u64, copied: &[Copied], copy_min_bytes: u64) -> Recipe {
    let copied = joined(copied, pack_len_bytes);
    let fetched = fetched_ranges(&copied, pack_len_bytes, copy_min_bytes);
    let mut recipe = Recipe { clash_counter: 0, pack, pack_len_bytes, sources: Vec::new(), steps: Vec::new() };
    let mut places = HashMap::new();
    let mut copied = copied.iter().peekable();
    let mut kept_from = 0;
    for (start, end) in fetched.into_iter().chain([(pack_len_bytes, pack_len_bytes)]) {
        while let Some(copy) = copied.next_if(|copy| copy.offset < start) {
            let Some(part) = copy.within(kept_from, start) else { continue };
            let source = *places.entry(part.source).or_insert_with(|| {
                recipe.sources.push(part.source);
                // There are at most 2^16.
                recipe.sources.len() as u32 - 1
            });
            recipe.steps.push(RecipeStep::Copy { source, offset: part.source_offset, len_bytes: part.len_bytes });
        }
        if end > start {
            recipe.steps.push(RecipeStep::Fetch { len_bytes: end - start });
        }
        kept_from = end;
    }
    recipe
}

/// Returns the stretches that a recipe can hold, without overlaps; those that go on where the one before ended are one.
fn joined(copied: &[Copied], pack_len_bytes: u64) -> Vec<Copied> {
    let mut joined: Vec<Copied> = Vec::new();
    let mut sources = HashSet::new();
    for copy in copied {
        let is_sound = [copy.offset, copy.source_offset, copy.len_bytes].iter().all(|&number| number <= PACK_MAX_BYTES)
            && copy.source_offset + copy.len_bytes <= PACK_MAX_BYTES;
        let start = joined.last().map_or(0, Copied::end);
        let Some(copy) = Some(copy).filter(|_| is_sound).and_then(|copy| copy.within(start, pack_len_bytes)) else {
            continue;
        };
        match joined.last_mut() {
            Some(last)
                if last.end() == copy.offset
                    && last.source == copy.source
                    && last.source_offset + last.len_bytes == copy.source_offset =>
            {
                last.len_bytes += copy.len_bytes;
            }
            _ => {
                let fits = sources.len() < SOURCES_MAX || sources.contains(&copy.source);
                // Each may be followed by a range to fetch, and one more may come first.
                if fits && joined.len() < STEPS_MAX / 2 - 1 {
                    sources.insert(copy.source);
                    joined.push(copy);
                }
            }
        }
    }
    joined
}

/// Returns the ranges that lie between copies, rounded out, and joined where too little would part them.
fn fetched_ranges(copied: &[Copied], pack_len_bytes: u64, copy_min_bytes: u64) -> Vec<(u64, u64)> {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    let mut end_before = 0;
    for next in copied.iter().map(|copy| (copy.offset, copy.end())).chain([(pack_len_bytes, pack_len_bytes)]) {
        let (gap_start, gap_end) = (end_before, next.0);
        end_before = next.1;
        if gap_start >= gap_end {
            continue;
        }
        let start = gap_start / RANGE_ALIGN_BYTES * RANGE_ALIGN_BYTES;
        let end = gap_end.next_multiple_of(RANGE_ALIGN_BYTES).min(pack_len_bytes);
        match ranges.last_mut() {
            Some(last) if start < last.1 + copy_min_bytes => last.1 = last.1.max(end),
            _ => ranges.push((start, end)),
        }
    }
    ranges
}

/// Returns how many bytes of a pack need not be fetched by a recipe whose sources are all there.
#[must_use]
pub fn copied_bytes(recipe: &Recipe) -> u64 {
    recipe.steps.iter().filter(|step| matches!(step, RecipeStep::Copy { .. })).map(|step| step.len_bytes()).sum()
}

/// Writes a recipe under a name that is free or holds the same bytes already.
///
/// # Durability
/// The content is durable when this returns; the name once `manifests/` is synced, as every commit does after writing its
/// manifest.
///
/// # Errors
/// [`StoreError`].
pub fn write_recipe(disk: &dyn Disk, store: StoreId, mut recipe: Recipe) -> Result<RecipeRef, StoreError> {
    loop {
        let bytes = recipe.encode(store);
        let hash = RecipeHash(*blake3::hash(&bytes).as_bytes());
        if keep_recipe(disk, &hash, &bytes)? {
            return Ok(RecipeRef { pack: recipe.pack, recipe: hash, len_bytes: bytes.len() as u64 });
        }
        recipe.clash_counter += 1;
    }
}

/// Writes the bytes of a recipe under the name that its hash gives it; false where another whole file has that name.
///
/// # Durability
/// As [`write_recipe`].
///
/// # Errors
/// [`StoreError`].
pub fn keep_recipe(disk: &dyn Disk, hash: &RecipeHash, bytes: &[u8]) -> Result<bool, StoreError> {
    let path = layout::recipe(hash);
    if is_taken(disk, &path, bytes)? {
        return Ok(false);
    }
    create_immutable(disk, &path, bytes)?;
    Ok(true)
}

/// Returns whether other bytes stand under a name that are whole, which they are if the name is theirs by right. What an
/// interrupted run left is not.
fn is_taken(disk: &dyn Disk, path: &StorePath, bytes: &[u8]) -> Result<bool, StoreError> {
    match read_all(disk, path, MANIFEST_MAX_BYTES) {
        Ok(Some(other)) => Ok(other != bytes && layout::recipe(&RecipeHash(*blake3::hash(&other).as_bytes())) == *path),
        Ok(None) => Ok(false),
        Err(error) if error.kind == DiskErrorKind::Gone => Err(error.into()),
        Err(_) => Ok(false),
    }
}

/// Reads a recipe that a manifest lists; nothing where none stands.
///
/// # Errors
/// [`StoreError::Corrupt`] when it is not what its hash says, does not decode, or is of another pack; [`StoreError::TooNew`].
pub fn read_recipe(disk: &dyn Disk, store: StoreId, listed: &RecipeRef) -> Result<Option<Recipe>, StoreError> {
    let bytes = read_all(disk, &layout::recipe(&listed.recipe), listed.len_bytes)?;
    bytes.map(|bytes| decode_recipe(&bytes, store, listed)).transpose()
}

/// Decodes the bytes of a recipe that a manifest lists.
///
/// # Errors
/// As [`read_recipe`].
pub fn decode_recipe(bytes: &[u8], store: StoreId, listed: &RecipeRef) -> Result<Recipe, StoreError> {
    let what = format!("recipe {}", layout::recipe(&listed.recipe));
    if bytes.len() as u64 != listed.len_bytes || *blake3::hash(bytes).as_bytes() != listed.recipe.0 {
        return Err(StoreError::damaged(what));
    }
    let recipe = Recipe::decode(bytes, store).map_err(|error| StoreError::format(&what, error))?;
    if recipe.pack == listed.pack { Ok(recipe) } else { Err(StoreError::damaged(what)) }
}

#[cfg(test)]
mod tests;
