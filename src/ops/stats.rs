//! `stats`: how much snapshots hold and what that takes in the store.
//!
//! Counts the objects that snapshots reach, each once. Reads every directory and list, no content.

use crate::base::monitor::{Amount, Problem, Task};
use crate::error::Result;
use crate::format::sealed::SnapshotRef;
use crate::format::snapshot::{Snapshot, Totals};
use crate::format::{Class, Kind, Pointer};
use crate::ops::Run;
use crate::ops::open::Reading;
use crate::store::StoreError;
use crate::store::index::Place;
use crate::store::object::snapshot_pointer;
use crate::tree::reach::{Met, Visitor, reach};
use crate::tree::snapshots;

/// Objects, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stored {
    /// How many objects.
    pub objects: u64,
    /// Bytes of content in them, each chunk once.
    pub content_bytes: u64,
    /// What that content takes in packs, compressed and sealed.
    pub content_stored_bytes: u64,
    /// What everything takes in packs, directories too.
    pub stored_bytes: u64,
}

/// One snapshot, counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotStats {
    /// Which.
    pub named: SnapshotRef,
    /// What it says that it holds.
    pub totals: Totals,
    /// The objects that it reaches; of several snapshots, those that no older one reaches.
    pub stored: Stored,
}

/// What was counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stats {
    /// The snapshots, newest first.
    pub snapshots: Vec<SnapshotStats>,
    /// What they hold together, as each says.
    pub totals: Totals,
    /// The objects that they reach together.
    pub stored: Stored,
    /// How many packs the store has.
    pub packs: u64,
    /// How long they are.
    pub pack_bytes: u64,
    /// Objects that are missing or do not read; what they name is not counted.
    pub damaged: u64,
}

/// Counts one snapshot, or all.
///
/// # Errors
/// Those of [`Reading::snapshot`]. What is damaged is told to the monitor and counted.
pub fn stats(reading: &Reading, name: Option<&str>, run: Run<'_>) -> Result<Stats> {
    let chosen: Vec<(SnapshotRef, Snapshot)> = match name {
        Some(name) => reading.snapshot(name).map(|(named, snapshot)| vec![(named.clone(), snapshot)])?,
        None => {
            let load = |named: &SnapshotRef| {
                let snapshot = snapshots::load(&reading.reader, named);
                snapshot.map(|snapshot| (named.clone(), snapshot)).map_err(|error| reading.store.settle(error).into())
            };
            reading.unlocked.sealed.snapshots.iter().map(load).collect::<Result<_>>()?
        }
    };
    let packs = reading.store.packs().packs();
    let mut stats = Stats {
        packs: packs.len() as u64,
        pack_bytes: packs.iter().map(|pack| pack.len_bytes).sum(),
        ..Stats::default()
    };
    let mut met = Met::default();
    run.monitor.begin(Task::Read, None);
    for (named, snapshot) in chosen {
        let mut counter = Counter { run, stored: Stored::default(), damaged: 0 };
        counter.snapshot_itself(reading, &named);
        let reached = reach(&reading.reader, &snapshot.root, &mut met, &mut counter);
        reached.map_err(|error| reading.store.settle(error))?;
        stats.damaged += counter.damaged;
        stats.stored.add(&counter.stored);
        add_totals(&mut stats.totals, &snapshot.totals);
        stats.snapshots.push(SnapshotStats { named, totals: snapshot.totals, stored: counter.stored });
    }
    run.monitor.end(Task::Read);
    stats.snapshots.reverse();
    reading.check_medium(stats.damaged)?;
    Ok(stats)
}

impl Stored {
    fn add(&mut self, other: &Self) {
        self.objects += other.objects;
        self.content_bytes += other.content_bytes;
        self.content_stored_bytes += other.content_stored_bytes;
        self.stored_bytes += other.stored_bytes;
    }

    fn count(&mut self, place: &Place) {
        self.objects += 1;
        self.stored_bytes += place.entry.sealed_len_bytes;
        if place.entry.kind.class() == Class::Data {
            self.content_bytes += place.entry.len_bytes;
            self.content_stored_bytes += place.entry.sealed_len_bytes;
        }
    }
}

/// Adds what a snapshot says, which anyone who signs could have made up.
fn add_totals(sum: &mut Totals, more: &Totals) {
    sum.files = sum.files.saturating_add(more.files);
    sum.dirs = sum.dirs.saturating_add(more.dirs);
    sum.others = sum.others.saturating_add(more.others);
    sum.bytes = sum.bytes.saturating_add(more.bytes);
}

struct Counter<'a> {
    run: Run<'a>,
    stored: Stored,
    damaged: u64,
}

impl Counter<'_> {
    fn snapshot_itself(&mut self, reading: &Reading, named: &SnapshotRef) {
        let pointer = snapshot_pointer(reading.reader.keys(), named.id, named.epoch, named.len_bytes);
        let place = pointer.and_then(|pointer| reading.reader.index().find(&pointer.id, pointer.dedup_generation));
        if let Some(place) = place {
            self.stored.count(&place);
        }
    }
}

impl Visitor for Counter<'_> {
    fn object(&mut self, place: &Place) -> std::result::Result<(), StoreError> {
        if self.run.monitor.cancelled() {
            return Err(StoreError::Interrupted);
        }
        self.stored.count(place);
        if place.entry.kind != Kind::Chunk {
            self.run.monitor.advance(Task::Read, Amount { files: 0, bytes: place.entry.sealed_len_bytes });
        }
        Ok(())
    }

    fn lost(&mut self, pointer: &Pointer, error: StoreError) -> std::result::Result<(), StoreError> {
        if !error.costs_one_entry() {
            return Err(error);
        }
        self.damaged += 1;
        let subject = format!("object {}", pointer.id);
        self.run.monitor.problem(Problem { subject, reason: format!("not counted, {error}") });
        Ok(())
    }
}
