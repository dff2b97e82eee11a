//! What a key that has all old packs fetches of those that gc made: counted from their recipes.

use std::collections::HashSet;
use std::fmt::Write;
use std::sync::Arc;

use chunkstore::base::PackHash;
use chunkstore::disk::{Disk, read_all};
use chunkstore::format::Class;
use chunkstore::format::manifest::PackRef;
use chunkstore::format::pack::{PACK_HEADER_BYTES, PackHeader};
use chunkstore::format::recipe::RecipeStep;
use chunkstore::store::recipe::read_recipe;
use chunkstore::store::{Store, layout};
use serde_json::{Value, json};

use crate::Result;

/// Returns the packs that a store lists.
///
/// # Errors
/// Those of the store.
pub fn listed(disk: &Arc<dyn Disk>) -> Result<HashSet<PackHash>> {
    Ok(Store::open(Arc::clone(disk))?.packs().packs().iter().map(|pack| pack.hash).collect())
}

/// Bytes of packs of one class that gc made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Repacked {
    packs: u64,
    made_bytes: u64,
    /// What recipes have fetched.
    fetched_bytes: u64,
    /// Of that, what must be: headers and indexes.
    new_bytes: u64,
    recipe_bytes: u64,
    steps: u64,
}

impl Repacked {
    fn percent(&self) -> f64 {
        (self.fetched_bytes + self.recipe_bytes) as f64 * 100.0 / self.made_bytes.max(1) as f64
    }

    fn add(&mut self, other: Self) {
        self.packs += other.packs;
        self.made_bytes += other.made_bytes;
        self.fetched_bytes += other.fetched_bytes;
        self.new_bytes += other.new_bytes;
        self.recipe_bytes += other.recipe_bytes;
        self.steps += other.steps;
    }
}

/// What gc made: data and meta packs by recipe, and packs without one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    data: Repacked,
    meta: Repacked,
    /// Packs that hold nothing old: merged indexes.
    without: Repacked,
}

impl Tally {
    /// Counts the packs that are listed now and were not before.
    ///
    /// # Errors
    /// Those of the store; when a recipe names a pack that no key can have.
    pub fn count(&mut self, disk: &Arc<dyn Disk>, before: &HashSet<PackHash>) -> Result<()> {
        let store = Store::open(Arc::clone(disk))?;
        for pack in store.packs().packs().iter().filter(|pack| !before.contains(&pack.hash)) {
            let listed = store.packs().recipes.iter().find(|recipe| recipe.pack == pack.hash);
            let recipe = listed.map(|listed| read_recipe(disk.as_ref(), store.id(), listed)).transpose()?.flatten();
            let mut made = Repacked {
                packs: 1,
                made_bytes: pack.len_bytes,
                new_bytes: index_bytes(disk.as_ref(), &store, pack)? + PACK_HEADER_BYTES as u64,
                recipe_bytes: listed.map_or(0, |listed| listed.len_bytes),
                ..Repacked::default()
            };
            let Some(recipe) = recipe else {
                self.without.add(Repacked { fetched_bytes: pack.len_bytes, new_bytes: pack.len_bytes, ..made });
                continue;
            };
            if !recipe.sources.iter().all(|source| before.contains(source)) {
                return Err("a recipe names a pack that was not listed before".into());
            }
            let fetched = recipe.steps.iter().filter(|step| matches!(step, RecipeStep::Fetch { .. }));
            made.fetched_bytes = fetched.map(|step| step.len_bytes()).sum();
            made.steps = recipe.steps.len() as u64;
            let row = if pack.class == Class::Data { &mut self.data } else { &mut self.meta };
            row.add(made);
        }
        Ok(())
    }

    /// Returns how many bytes of a hundred that were made are fetched, recipes and all.
    #[must_use]
    pub fn percent(&self) -> f64 {
        self.all().percent()
    }

    /// Returns the rows as a table for people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = "| packs | number | made bytes | fetched | of that new | recipes | steps | share |\n".to_owned();
        text.push_str("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n");
        for (what, row) in self.rows() {
            let (packs, made, fetched, new) = (row.packs, row.made_bytes, row.fetched_bytes, row.new_bytes);
            let (recipes, steps, percent) = (row.recipe_bytes, row.steps, row.percent());
            let _ = writeln!(
                text,
                "| {what} | {packs} | {made} | {fetched} | {new} | {recipes} | {steps} | {percent:.2} % |"
            );
        }
        text
    }

    /// Returns the rows as one document.
    #[must_use]
    pub fn document(&self) -> Value {
        let rows = self.rows().map(|(what, row)| {
            json!({
                "packs": what, "count": row.packs, "made_bytes": row.made_bytes, "fetched_bytes": row.fetched_bytes,
                "new_bytes": row.new_bytes, "recipe_bytes": row.recipe_bytes, "percent": row.percent(),
            })
        });
        json!(rows)
    }

    fn rows(&self) -> [(&'static str, Repacked); 4] {
        [("data", self.data), ("meta", self.meta), ("without recipe", self.without), ("all", self.all())]
    }

    fn all(&self) -> Repacked {
        let mut all = self.data;
        all.add(self.meta);
        all.add(self.without);
        all
    }
}

fn index_bytes(disk: &dyn Disk, store: &Store, pack: &PackRef) -> Result<u64> {
    let bytes = read_all(disk, &layout::pack(&pack.hash), pack.len_bytes)?.ok_or("a listed pack is not there")?;
    let header = PackHeader::decode(bytes.get(..PACK_HEADER_BYTES).ok_or("a torn pack")?, store.id())?;
    Ok(u64::from(header.index_len_bytes))
}

#[cfg(test)]
mod tests;
