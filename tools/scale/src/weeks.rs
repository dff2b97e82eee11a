//! What a key that has all old packs fetches of those that gc made anew after weekly commits: counted from the recipes, and over
//! the wire where there is a server.

use std::collections::HashSet;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use chunkstore::base::PackHash;
use chunkstore::disk::{Disk, OsDisk};
use chunkstore::store::Store;
use serde_json::{Value, json};
use xtask::stage::{Stage, succeed};

use crate::fetched::{Tally, listed};
use crate::{Result, keep_newest, said};
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
    /// Empty folder of a server through which a key syncs after the last gc, whose bytes on the wire count, too
    #[arg(long, value_name = "URL")]
    remote: Option<String>,
}

/// Commits, collects, counts and prints; returns whether the bound held.
///
/// # Errors
/// When a verb fails.
pub fn run(root: &Path, args: &WeeksArgs) -> Result<bool> {
    let stage = Stage::new(root, "scale-weeks")?;
    let trust = stage.init("store")?;
    let mut archive = Archive::new(&stage.path("folder"), args.mib << 20, args.seed)?;
    let quiet = |words: &[&str]| succeed(stage.program(words).stdout(Stdio::null()).stderr(Stdio::null()));
    let without_keys = |words: &[&str]| said(stage.program_without_keys(words).stderr(Stdio::inherit()));
    let disk: Arc<dyn Disk> = Arc::new(OsDisk::create(&stage.path("store"))?);
    let mut tally = Tally::default();
    let mut over_wire = None;
    for week in 1..=args.weeks {
        if week > 1 {
            archive.change()?;
        }
        quiet(&["commit", "folder", "--store", "store", "-m", "week"])?;
        if week % args.gc_every.max(1) == 0 || week == args.weeks {
            keep_newest(&stage.path("store"), &stage.path("keys"), args.kept)?;
            let before = listed(&disk)?;
            let remote = args.remote.as_deref().filter(|_| week == args.weeks);
            if let Some(remote) = remote {
                quiet(&["push", remote, "--store", "store"])?;
                without_keys(&["clone", remote, "key", "--trust", &trust])?;
            }
            quiet(&["gc", "--store", "store"])?;
            tally.count(&disk, &before)?;
            if let Some(remote) = remote {
                quiet(&["push", remote, "--store", "store"])?;
                let synced = without_keys(&["sync", remote, "--store", "key"])?;
                over_wire = Some(OverWire::of(&synced, new_bytes(&disk, &before)?)?);
            }
        }
    }
    println!("{}\n{}", tally.table(), tally.document());
    if let Some(over_wire) = &over_wire {
        println!("{}", over_wire.document());
    }
    let percent = over_wire.map_or(0.0, |over_wire| over_wire.percent()).max(tally.percent());
    Ok(percent <= FETCHED_PERCENT_MAX)
}

/// What one sync moved.
struct OverWire {
    /// The packs that gc made.
    made_bytes: u64,
    /// What was asked for of packs.
    fetched_bytes: u64,
    /// Everything both ways, as `sync` says.
    wire_bytes: u64,
}

impl OverWire {
    fn of(synced: &Value, made_bytes: u64) -> Result<Self> {
        let field = |name: &str| synced[name].as_u64().ok_or(format!("sync said no {name}"));
        Ok(Self { made_bytes, fetched_bytes: field("fetched_bytes")?, wire_bytes: field("wire_bytes")? })
    }

    fn percent(&self) -> f64 {
        self.wire_bytes as f64 * 100.0 / self.made_bytes.max(1) as f64
    }

    fn document(&self) -> Value {
        json!({
            "made_bytes": self.made_bytes, "fetched_bytes": self.fetched_bytes, "wire_bytes": self.wire_bytes,
            "percent": self.percent(),
        })
    }
}

/// Returns the bytes of the packs that are listed now and were not before.
fn new_bytes(disk: &Arc<dyn Disk>, before: &HashSet<PackHash>) -> Result<u64> {
    let store = Store::open(Arc::clone(disk))?;
    let new = store.packs().packs().iter().filter(|pack| !before.contains(&pack.hash));
    Ok(new.map(|pack| pack.len_bytes).sum())
}

#[cfg(test)]
mod tests;
