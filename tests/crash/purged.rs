//! A purge in a store with much waste, and what is left after it.

use std::sync::Arc;

use chunkstore::base::{Generation, RelPath};
use chunkstore::disk::{Disk, SimDisk};
use chunkstore::error::{ErrorKind, Result};
use chunkstore::ops::purge::{PurgeRequest, Purged, plan, purge};
use chunkstore::store::order::{purged_below, superseded};

use crate::publisher::Holding;
use crate::waste::{Waste, open, pack_files};

const PATHS: [&[u8]; 2] = [b"lives/short", b"changes"];

/// Plans and carries out a purge.
pub fn run(waste: &Waste, disk: &SimDisk) -> Result<Purged> {
    let paths: Vec<RelPath> = PATHS.iter().map(|path| RelPath::new(path).unwrap()).collect();
    let request = PurgeRequest { paths: &paths, writer: &waste.publisher.writer, cache: None, own: None };
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let hash = match plan(&disk, &request, waste.publisher.run()) {
        Ok(plan) => plan.hash,
        // The paths are gone; there may be something left to end all the same.
        Err(error) if error.kind() == ErrorKind::Other => String::new(),
        Err(error) => return Err(error),
    };
    purge(&disk, &request, &hash, waste.publisher.run())
}

/// Returns whether a store is one that a purge was carried out in to its end.
pub fn is_ended(disk: &SimDisk) -> bool {
    let store = open(disk);
    purged_below(&store).unwrap() > Generation(0)
        && superseded(&store).unwrap().is_empty()
        && pack_files(disk) == store.packs().packs().len()
}

/// What stays of what there was.
pub fn without_purged(holding: &Holding) -> Holding {
    let stays = |path: &RelPath| !PATHS.iter().any(|gone| path.as_bytes() == *gone);
    holding.iter().filter(|(path, _)| stays(path)).map(|(path, entry)| (path.clone(), entry.clone())).collect()
}
