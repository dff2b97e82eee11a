//! How much of each pack lives: every object that a kept snapshot reaches, met once.
//!
//! Whoever would drop what it cannot see loses it, so nothing is marked at all where a tree, a list or a snapshot does not
//! read. Costs one reading of all trees and lists, and a bit for each object.

use std::collections::{HashMap, HashSet};

use super::plan::PackUse;
use crate::base::PackHash;
use crate::base::monitor::{Amount, Problem, Task};
use crate::disk::DiskErrorKind;
use crate::error::{Error, ErrorKind, Result};
use crate::format::manifest::PackRef;
use crate::format::pack::{PACK_HEADER_BYTES, PackHeader};
use crate::format::{Kind, Pointer};
use crate::ops::Run;
use crate::ops::writing::Writing;
use crate::store::index::Place;
use crate::store::object::snapshot_pointer;
use crate::store::pack::read_exactly;
use crate::store::{StoreError, layout};
use crate::tree::reach::{Met, Visitor, reach};
use crate::tree::snapshots;

/// What lives.
pub struct Marked {
    /// The objects that live, by their place in the index; merged indexes not among them.
    pub met: Met,
    /// How much of each pack lives, in the order of the manifest.
    pub uses: Vec<PackUse>,
    /// Chunks that snapshots name and no pack holds: they hide nothing else, so they keep nothing from being dropped.
    pub missing_chunks: u64,
}

/// Marks what the kept snapshots reach.
///
/// # Errors
/// [`ErrorKind::Corrupt`] when something does not read that may lead to other objects, [`ErrorKind::Interrupted`], others.
pub fn mark(writing: &Writing, run: Run<'_>) -> Result<Marked> {
    let packs = writing.store.packs().packs();
    let places = packs.iter().enumerate().map(|(at, pack)| (pack.hash, at)).collect();
    let mut marker = Marker { run, places, live: vec![(0, 0); packs.len()], missing_chunks: 0 };
    let mut met = Met::default();
    // Each tree and list is read once, whatever names it.
    writing.reader.keep_nothing();
    run.monitor.begin(Task::Mark, None);
    for named in &writing.unlocked.sealed.snapshots {
        let reader = &writing.reader;
        let pointer = snapshot_pointer(reader.keys(), named.id, named.epoch, named.len_bytes);
        let pointer = pointer.ok_or(StoreError::NoIdentity)?;
        let snapshot = snapshots::load(reader, named).map_err(|error| blind(writing, &pointer, error))?;
        if let Some((at, place)) = reader.index().locate(&pointer.id, pointer.dedup_generation)
            && met.insert(at)
        {
            marker.add(&place.pack, place.entry.sealed_len_bytes);
        }
        let mut unread = None;
        let mut visitor = Seeing { marker: &mut marker, unread: &mut unread };
        let reached = reach(reader, &snapshot.root, &mut met, &mut visitor);
        if let Some((pointer, error)) = unread {
            return Err(blind(writing, &pointer, error));
        }
        reached.map_err(|error| writing.store.settle(error))?;
    }
    for part in &writing.unlocked.sealed.indexes {
        marker.add(&part.pack, part.sealed_len_bytes);
    }
    run.monitor.end(Task::Mark);
    let (live, missing_chunks) = (marker.live, marker.missing_chunks);
    Ok(Marked { met, uses: uses(writing, &live, missing_chunks)?, missing_chunks })
}

/// Makes the error of a run that cannot see what an object leads to.
fn blind(writing: &Writing, pointer: &Pointer, error: StoreError) -> Error {
    match writing.store.settle(error) {
        error if error.costs_one_entry() => {
            let what = match pointer.kind {
                Kind::Snapshot => "snapshot",
                _ => "object",
            };
            let text =
                format!("cannot tell what still lives: {what} {} does not read; nothing was dropped", pointer.id);
            Error::with_source(ErrorKind::Corrupt, text, error)
        }
        error => error.into(),
    }
}

struct Marker<'a> {
    run: Run<'a>,
    places: HashMap<PackHash, usize>,
    /// Objects and bytes that live, of each pack.
    live: Vec<(u64, u64)>,
    missing_chunks: u64,
}

impl Marker<'_> {
    fn add(&mut self, pack: &PackHash, sealed_len_bytes: u64) {
        if let Some(&at) = self.places.get(pack) {
            self.live[at].0 += 1;
            self.live[at].1 += sealed_len_bytes;
        }
    }
}

/// Marks objects and stops at the first that hides others.
struct Seeing<'a, 'b> {
    marker: &'a mut Marker<'b>,
    unread: &'a mut Option<(Pointer, StoreError)>,
}

impl Visitor for Seeing<'_, '_> {
    fn object(&mut self, place: &Place) -> std::result::Result<(), StoreError> {
        let run = self.marker.run;
        if run.monitor.cancelled() {
            return Err(StoreError::Interrupted);
        }
        self.marker.add(&place.pack, place.entry.sealed_len_bytes);
        if place.entry.kind != Kind::Chunk {
            run.monitor.advance(Task::Mark, Amount { files: 0, bytes: place.entry.sealed_len_bytes });
        }
        Ok(())
    }

    fn lost(&mut self, pointer: &Pointer, error: StoreError) -> std::result::Result<(), StoreError> {
        if pointer.kind == Kind::Chunk {
            self.marker.missing_chunks += 1;
            let subject = format!("object {}", pointer.id);
            self.marker.run.monitor.problem(Problem { subject, reason: error.to_string() });
            return Ok(());
        }
        *self.unread = Some((*pointer, error));
        Err(StoreError::Interrupted)
    }
}

fn uses(writing: &Writing, live: &[(u64, u64)], missing_chunks: u64) -> Result<Vec<PackUse>> {
    let unread: HashSet<&PackHash> = writing.unread.iter().collect();
    let packs = writing.store.packs().packs().iter().zip(live);
    let uses = packs.map(|(pack, &(live_objects, live_bytes))| {
        let unknown = PackUse { pack: *pack, frame_bytes: live_bytes, live_bytes, live_objects, unknown: true };
        match frame_bytes(writing, pack).map_err(|error| writing.store.settle(error)) {
            Ok(Some(frame_bytes)) => Ok(PackUse { frame_bytes, unknown: unread.contains(&pack.hash), ..unknown }),
            // Where nothing is missing, a pack that is not there is not needed; else it may be what is missing.
            Ok(None) => Ok(PackUse { unknown: missing_chunks > 0, ..unknown }),
            Err(error) if error.costs_one_entry() => Ok(unknown),
            Err(error) => Err(error.into()),
        }
    });
    uses.collect()
}

/// Reads off a pack's header how many bytes its frames take; nothing for a pack that is not there.
fn frame_bytes(writing: &Writing, pack: &PackRef) -> std::result::Result<Option<u64>, StoreError> {
    let what = format!("pack {}", layout::pack(&pack.hash));
    let file = match writing.disk().open(&layout::pack(&pack.hash)) {
        Ok(file) => file,
        Err(error) if error.kind == DiskErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let header = read_exactly(file.as_ref(), 0, PACK_HEADER_BYTES as u64, &what)?;
    let header = PackHeader::decode(&header, writing.store.id()).map_err(|error| StoreError::format(&what, error))?;
    if header.len_bytes != pack.len_bytes {
        return Err(StoreError::damaged(what));
    }
    Ok(Some(header.index_offset().saturating_sub(PACK_HEADER_BYTES as u64)))
}
