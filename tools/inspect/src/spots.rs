//! A path of a snapshot, found through a store that may be damaged, for the answers that begin there.

use chunkstore::base::clock::{Clock, SystemClock};
use chunkstore::error::{Error, ErrorKind, Result};
use chunkstore::format::sealed::{SealedPart, SnapshotRef};
use chunkstore::format::snapshot::Snapshot;
use chunkstore::ops::open::Spot;
use chunkstore::store::reader::ObjectReader;
use chunkstore::tree::read::{Named, resolve};
use chunkstore::tree::snapshots;

use crate::objects;
use crate::report::Problems;
use crate::sealed::Opened;
use crate::view::View;
use crate::why;

/// What is looked at.
pub struct Place<'a> {
    /// The path as it was given.
    pub spot: Spot,
    /// Reads objects.
    pub reader: ObjectReader,
    /// The sealed part.
    pub part: &'a SealedPart,
    /// The snapshot as the sealed part names it.
    pub named: &'a SnapshotRef,
    /// The snapshot.
    pub snapshot: Snapshot,
    /// What the path names.
    pub what: Named,
}

/// Finds what `spot` names; `None` where something on the way does not read, which `problems` then says.
///
/// # Errors
/// [`ErrorKind::Usage`] for a path that is none, [`ErrorKind::Other`] where nothing goes by that name.
pub fn find<'a>(view: &View, opened: &'a Opened, spot: &str, problems: &mut Problems) -> Result<Option<Place<'a>>> {
    let spot = Spot::parse(spot.as_bytes())?;
    // That no sealed part opens was said.
    let Some(part) = &opened.part else { return Ok(None) };
    let named = snapshots::find(part, &spot.snapshot, SystemClock.now());
    let named = named.map_err(|error| Error::new(ErrorKind::Other, error.to_string()))?;
    let (reader, _) = objects::reader(view, opened, &mut |problem| problems.add(problem));
    let read = snapshots::load(&reader, named).and_then(|snapshot| {
        let what = resolve(&reader, &snapshot, &spot.path)?;
        Ok((snapshot, what))
    });
    match read {
        Ok((snapshot, Some(what))) => Ok(Some(Place { spot, reader, part, named, snapshot, what })),
        Ok((_, None)) => Err(Error::new(ErrorKind::Other, format!("snapshot {} holds no {}", named.id, spot.path))),
        Err(error) => {
            problems.add(format!("{} in snapshot {}: {}", spot.path, named.id, why(error)));
            Ok(None)
        }
    }
}
