//! What a key that has all old packs fetches of those that gc made anew after weekly commits: counted from the recipes.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use chunkstore::disk::{Disk, OsDisk};
use xtask::stage::{Stage, succeed};

use crate::fetched::{Tally, listed};
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
            let before = listed(&disk)?;
            quiet(&["gc", "--store", "store"])?;
            tally.count(&disk, &before)?;
        }
    }
    println!("{}\n{}", tally.table(), tally.document());
    Ok(tally.percent() <= FETCHED_PERCENT_MAX)
}

#[cfg(test)]
mod tests;
