//! What a key that has all old packs fetches of those that gc made anew after weekly commits: counted from the recipes.

use std::collections::HashSet;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use chunkstore::base::PackHash;
use chunkstore::disk::{Disk, OsDisk, read_all};
use chunkstore::format::Class;
use chunkstore::format::manifest::PackRef;
use chunkstore::format::pack::{PACK_HEADER_BYTES, PackHeader};
use chunkstore::format::recipe::RecipeStep;
use chunkstore::store::recipe::read_recipe;
use chunkstore::store::{Store, layout};
use serde_json::json;
use xtask::stage::{Stage, succeed};

use crate::{Result, keep_newest};
use archive::Archive;

mod archive;

/// Most that is fetched of a hundred bytes that were made anew.
const FETCHED_PERCENT_MAX: f64 = 5.0;

/// What is asked for.
#[derive(Debug, clap::Args)]
pub struct WeeksArgs {
    /// Weekly commits
    #[arg(long, value_name = "N", default_value_t = 52)]
    weeks: u64,
    /// Snapshots that are kept whenever gc runs
    #[arg(long, value_name = "N", default_value_t = 4)]
    kept: usize,
    /// Weeks from one gc to the next
    #[arg(long, value_name = "N", default_value_t = 52)]
    gc_every: u64,
    /// What the folder holds in MiB, about a tenth of which changes each week
    #[arg(long, value_name = "MIB", default_value_t = 300)]
    mib: u64,
    /// What all content follows from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
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
    sources: u64,
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
        self.sources += other.sources;
        self.steps += other.steps;
    }
}

/// What all runs of gc made: data and meta packs by recipe, and packs without one.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    data: Repacked,
    meta: Repacked,
    /// Packs that hold nothing old: merged indexes.
    without: Repacked,
}

impl Tally {
    fn all(&self) -> Repacked {
        let mut all = self.data;
        all.add(self.meta);
        all.add(self.without);
        all
    }
}

/// Commits, collects, counts and prints; returns whether the bound held.
///
/// # Errors
/// When a verb fails.
pub fn run(root: &Path, args: &WeeksArgs) -> Result<bool> {
    let stage = Stage::new(root, "scale-weeks")?;
    stage.init("store")?;
    let mut archive = Archive::new(&stage.path("folder"), args.mib << 20, args.seed)?;
    let quiet = |words: &[&str]| succeed(stage.program(words).stdout(Stdio::null()).stderr(Stdio::null()));
    let disk: Arc<dyn Disk> = Arc::new(OsDisk::create(&stage.path("store"))?);
    let mut tally = Tally::default();
    for week in 1..=args.weeks {
        if week > 1 {
            archive.change()?;
        }
        quiet(&["commit", "folder", "--store", "store", "-m", "week"])?;
        if week % args.gc_every.max(1) == 0 || week == args.weeks {
            keep_newest(&stage.path("store"), &stage.path("keys"), args.kept)?;
            let before: HashSet<PackHash> =
                Store::open(Arc::clone(&disk))?.packs().packs().iter().map(|pack| pack.hash).collect();
            quiet(&["gc", "--store", "store"])?;
            count(&disk, &before, &mut tally)?;
        }
    }
    print(&tally);
    Ok(tally.all().percent() <= FETCHED_PERCENT_MAX)
}

fn print(tally: &Tally) {
    println!("| packs | number | made bytes | fetched | of that new | recipes | steps | share |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    let rows = [("data", tally.data), ("meta", tally.meta), ("without recipe", tally.without), ("all", tally.all())];
    for (what, row) in rows {
        println!(
            "| {what} | {} | {} | {} | {} | {} | {} | {:.2} % |",
            row.packs, row.made_bytes, row.fetched_bytes, row.new_bytes, row.recipe_bytes, row.steps, row.percent()
        );
    }
    let document = rows.map(|(what, row)| {
        json!({
            "packs": what, "count": row.packs, "made_bytes": row.made_bytes, "fetched_bytes": row.fetched_bytes,
            "new_bytes": row.new_bytes, "recipe_bytes": row.recipe_bytes, "percent": row.percent(),
        })
    });
    println!("{}", json!(document));
}

/// Counts the packs that are there now and were not before.
fn count(disk: &Arc<dyn Disk>, before: &HashSet<PackHash>, tally: &mut Tally) -> Result<()> {
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
            tally.without.add(Repacked { fetched_bytes: pack.len_bytes, new_bytes: pack.len_bytes, ..made });
            continue;
        };
        if !recipe.sources.iter().all(|source| before.contains(source)) {
            return Err("a recipe names a pack that was not listed before".into());
        }
        let fetched = recipe.steps.iter().filter(|step| matches!(step, RecipeStep::Fetch { .. }));
        made.fetched_bytes = fetched.map(|step| step.len_bytes()).sum();
        (made.sources, made.steps) = (recipe.sources.len() as u64, recipe.steps.len() as u64);
        let row = if pack.class == Class::Data { &mut tally.data } else { &mut tally.meta };
        row.add(made);
    }
    Ok(())
}

fn index_bytes(disk: &dyn Disk, store: &Store, pack: &PackRef) -> Result<u64> {
    let bytes = read_all(disk, &layout::pack(&pack.hash), pack.len_bytes)?.ok_or("a listed pack is not there")?;
    let header = PackHeader::decode(bytes.get(..PACK_HEADER_BYTES).ok_or("a torn pack")?, store.id())?;
    Ok(u64::from(header.index_len_bytes))
}

#[cfg(test)]
mod tests;
