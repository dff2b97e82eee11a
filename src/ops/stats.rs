//! `stats`: how much snapshots hold and what that takes in the store.
//!
//! Counts the objects that snapshots reach, each once. Reads every directory and list, of several snapshots twice, no content.
//! Holds a few bytes for each object of the store.

pub mod by_path;

use std::collections::{HashMap, HashSet};

use crate::base::PackHash;
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
    /// Bytes in packs that no other kept snapshot reaches: what nothing would need any more if it alone were forgotten.
    /// Nothing where one snapshot was asked for, since it takes all of them to tell.
    pub alone_bytes: Option<u64>,
}

/// What stands in packs and no kept snapshot reaches, as far as the indexes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dead {
    /// Its bytes: whole packs, and objects in others.
    pub bytes: u64,
    /// Packs of which nothing is reached.
    pub full_packs: u64,
    /// How long they are.
    pub full_pack_bytes: u64,
    /// Packs of which a part is reached.
    pub part_packs: u64,
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
    /// What of them no kept snapshot reaches; nothing where one snapshot was asked for, or where something is damaged, so that
    /// nobody knows what it reaches.
    pub dead: Option<Dead>,
    /// Packs that wait for their end, and their bytes; they are not among the packs above.
    pub condemned: (u64, u64),
    /// Snapshots and objects that are missing or do not read; what they name is not counted.
    pub damaged: u64,
}

/// Counts one snapshot, or all.
///
/// # Errors
/// Those of [`Reading::snapshot`]. What is damaged is told to the monitor and counted.
pub fn stats(reading: &Reading, name: Option<&str>, run: Run<'_>) -> Result<Stats> {
    let mut stats = Stats::default();
    let chosen: Vec<(SnapshotRef, Snapshot)> = match name {
        Some(name) => reading.snapshot(name).map(|(named, snapshot)| vec![(named.clone(), snapshot)])?,
        None => load_all(reading, &mut stats.damaged, run)?,
    };
    let (packs, condemned) = (reading.store.packs().packs(), &reading.store.packs().top.condemned);
    (stats.packs, stats.pack_bytes) = (packs.len() as u64, packs.iter().map(|pack| pack.len_bytes).sum());
    stats.condemned = (condemned.len() as u64, condemned.iter().map(|pack| pack.len_bytes).sum());
    let (mut met, mut owners) = (Met::default(), Owners::default());
    run.monitor.begin(Task::Read, None);
    for (number, (named, snapshot)) in chosen.iter().enumerate() {
        let mut counter = Counter { reading, run, number, owners: &mut owners, stored: Stored::default(), damaged: 0 };
        counter.snapshot_itself(named, &mut met);
        let reached = reach(&reading.reader, &snapshot.root, &mut met, &mut counter);
        reached.map_err(|error| reading.store.settle(error))?;
        let (stored, damaged) = (counter.stored, counter.damaged);
        stats.damaged += damaged;
        stats.stored.add(&stored);
        add_totals(&mut stats.totals, &snapshot.totals);
        let (named, totals) = (named.clone(), snapshot.totals);
        stats.snapshots.push(SnapshotStats { named, totals, stored, alone_bytes: None });
    }
    if name.is_none() {
        let alone = alone(reading, &chosen, &owners, run)?;
        stats.snapshots.iter_mut().zip(alone).for_each(|(each, bytes)| each.alone_bytes = Some(bytes));
        stats.dead = (stats.damaged == 0).then(|| dead(reading, &met));
    }
    run.monitor.end(Task::Read);
    stats.snapshots.reverse();
    reading.check_medium(stats.damaged)?;
    Ok(stats)
}

/// Reads all kept snapshots, oldest first; one that does not read is told and passed over.
fn load_all(reading: &Reading, damaged: &mut u64, run: Run<'_>) -> Result<Vec<(SnapshotRef, Snapshot)>> {
    let mut all = Vec::new();
    for named in &reading.unlocked.sealed.snapshots {
        match snapshots::load(&reading.reader, named).map_err(|error| reading.store.settle(error)) {
            Ok(snapshot) => all.push((named.clone(), snapshot)),
            Err(error) if error.costs_one_entry() => {
                *damaged += 1;
                let subject = format!("snapshot {}", named.id);
                run.monitor.problem(Problem { subject, reason: format!("not counted, {error}") });
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(all)
}

/// Returns for each snapshot, oldest first, the bytes that it alone reaches.
///
/// The oldest snapshot that reaches an object is known; going from the newest to the oldest, the first to meet it is the newest
/// that does. Where both are the same one, no other reaches it.
fn alone(reading: &Reading, chosen: &[(SnapshotRef, Snapshot)], owners: &Owners, run: Run<'_>) -> Result<Vec<u64>> {
    let (mut met, mut alone) = (Met::default(), vec![0; chosen.len()]);
    for (number, (named, snapshot)) in chosen.iter().enumerate().rev() {
        let mut sum = Sum { reading, run, wanted: &|at| owners.oldest(at) == Some(number), bytes: 0 };
        if let Some((at, place)) = locate_snapshot(reading, named)
            && met.insert(at)
        {
            sum.object(&place).map_err(|error| reading.store.settle(error))?;
        }
        let reached = reach(&reading.reader, &snapshot.root, &mut met, &mut sum);
        reached.map_err(|error| reading.store.settle(error))?;
        alone[number] = sum.bytes;
    }
    Ok(alone)
}

/// Counts what stands in packs and was not met. Packs of which no index tells what they hold are left out.
fn dead(reading: &Reading, met: &Met) -> Dead {
    let indexes = &reading.unlocked.sealed.indexes;
    let indexes: HashSet<(PackHash, u64)> = indexes.iter().map(|index| (index.pack, index.offset)).collect();
    let mut packs: HashMap<PackHash, (u64, u64)> = HashMap::new();
    for (at, place) in reading.reader.index().places().enumerate() {
        let (live, dead) = packs.entry(place.pack).or_default();
        let is_live = met.contains(at) || indexes.contains(&(place.pack, place.offset));
        *(if is_live { live } else { dead }) += place.entry.sealed_len_bytes;
    }
    let mut sum = Dead::default();
    for pack in reading.store.packs().packs() {
        match packs.get(&pack.hash) {
            Some((0, _)) => {
                sum.bytes += pack.len_bytes;
                sum.full_packs += 1;
                sum.full_pack_bytes += pack.len_bytes;
            }
            Some((_, dead @ 1..)) => {
                sum.bytes += dead;
                sum.part_packs += 1;
            }
            _ => {}
        }
    }
    sum
}

fn locate_snapshot(reading: &Reading, named: &SnapshotRef) -> Option<(usize, Place)> {
    let pointer = snapshot_pointer(reading.reader.keys(), named.id, named.epoch, named.len_bytes)?;
    reading.reader.index().locate(&pointer.id, pointer.dedup_generation)
}

/// By their numbers, which snapshot is the oldest that reaches each object.
#[derive(Default)]
struct Owners {
    /// The snapshot's number and 1; 0 for none.
    numbers: Vec<u32>,
}

impl Owners {
    fn oldest(&self, at: usize) -> Option<usize> {
        self.numbers.get(at).and_then(|number| number.checked_sub(1)).map(|number| number as usize)
    }

    fn set(&mut self, at: usize, snapshot: usize) {
        if self.numbers.len() <= at {
            self.numbers.resize(at + 1, 0);
        }
        // A sealed part holds far fewer than 2^32 snapshots.
        self.numbers[at] = u32::try_from(snapshot + 1).unwrap_or(u32::MAX);
    }
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
    reading: &'a Reading,
    run: Run<'a>,
    /// The snapshot's number.
    number: usize,
    owners: &'a mut Owners,
    stored: Stored,
    damaged: u64,
}

impl Counter<'_> {
    fn snapshot_itself(&mut self, named: &SnapshotRef, met: &mut Met) {
        if let Some((at, place)) = locate_snapshot(self.reading, named)
            && met.insert(at)
        {
            self.owners.set(at, self.number);
            self.stored.count(&place);
        }
    }
}

/// Counts an object that a visit met.
fn hear(run: Run<'_>, stored: &mut Stored, place: &Place) -> std::result::Result<(), StoreError> {
    if run.monitor.cancelled() {
        return Err(StoreError::Interrupted);
    }
    stored.count(place);
    if place.entry.kind != Kind::Chunk {
        run.monitor.advance(Task::Read, Amount { files: 0, bytes: place.entry.sealed_len_bytes });
    }
    Ok(())
}

/// Tells of an object that a visit could not count; whatever costs more than that object ends the visit.
fn tell_lost(run: Run<'_>, pointer: &Pointer, error: StoreError) -> std::result::Result<(), StoreError> {
    if !error.costs_one_entry() {
        return Err(error);
    }
    let subject = format!("object {}", pointer.id);
    run.monitor.problem(Problem { subject, reason: format!("not counted, {error}") });
    Ok(())
}

impl Visitor for Counter<'_> {
    fn object(&mut self, place: &Place) -> std::result::Result<(), StoreError> {
        if let Some(at) = number_of(self.reading, place) {
            self.owners.set(at, self.number);
        }
        hear(self.run, &mut self.stored, place)
    }

    fn lost(&mut self, pointer: &Pointer, error: StoreError) -> std::result::Result<(), StoreError> {
        self.damaged += 1;
        tell_lost(self.run, pointer, error)
    }
}

/// Sums up the objects that are wanted, by their numbers in the index. What is lost was told before.
struct Sum<'a> {
    reading: &'a Reading,
    run: Run<'a>,
    wanted: &'a dyn Fn(usize) -> bool,
    bytes: u64,
}

impl Visitor for Sum<'_> {
    fn object(&mut self, place: &Place) -> std::result::Result<(), StoreError> {
        if self.run.monitor.cancelled() {
            return Err(StoreError::Interrupted);
        }
        if number_of(self.reading, place).is_some_and(self.wanted) {
            self.bytes += place.entry.sealed_len_bytes;
        }
        Ok(())
    }

    fn lost(&mut self, _: &Pointer, error: StoreError) -> std::result::Result<(), StoreError> {
        if error.costs_one_entry() { Ok(()) } else { Err(error) }
    }
}

fn number_of(reading: &Reading, place: &Place) -> Option<usize> {
    reading.reader.index().locate(&place.entry.id, place.entry.dedup_generation).map(|(at, _)| at)
}
