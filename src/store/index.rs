//! Where every object lies: merged indexes and the packs' own ones, in one sorted table in memory.
//!
//! 56 bytes an object. The table follows from the packs alone and is never written back as it is.

use std::collections::{HashMap, HashSet};

use super::error::StoreError;
use super::keyring::ReaderKeys;
use super::layout;
use super::manifest::PackSet;
use super::near::{Kept, through};
use super::object::Opener;
use super::pack::{PackState, pack_state, read_exactly, read_index};
use crate::base::limits::PACK_MAX_BYTES;
use crate::base::{DedupGeneration, ObjectId, PackHash, StoreId};
use crate::disk::{Disk, DiskErrorKind};
use crate::format::index::{ENTRIES_MAX, IndexEntry, IndexPart};
use crate::format::manifest::PackRef;
use crate::format::pack::PackEntry;
use crate::format::sealed::{IndexRef, SealedPart};
use crate::format::{Codec, Kind};

/// Entries of the parts that are made: half of what a part may have, since making and reading one takes six times its length.
pub const PART_ENTRIES: usize = ENTRIES_MAX / 2;

/// About 2^4 entries are searched for an id, as long as the first 16 bits tell them apart: half a MiB of beginnings.
const ENTRIES_TOGETHER_BITS: u32 = 4;
const PREFIX_BITS_MAX: u32 = 16;

/// Where one object lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The pack.
    pub pack: PackHash,
    /// Where its frame starts.
    pub offset: u64,
    /// What the pack's index says of it.
    pub entry: PackEntry,
}

/// One object in the table: an [`IndexEntry`] without the bits that no pack is long enough to need.
#[derive(Debug, Clone, Copy)]
struct Slot {
    id: ObjectId,
    dedup_generation: DedupGeneration,
    pack: u32,
    offset: u32,
    len_bytes: u32,
    sealed_len_bytes: u32,
    kind: Kind,
    codec: Codec,
}

// Offsets and lengths in a pack fit, since the format bounds a pack.
const _: () = assert!(PACK_MAX_BYTES <= u32::MAX as u64 && std::mem::size_of::<Slot>() <= 56);

impl Slot {
    fn new(pack: u32, offset: u64, entry: &PackEntry) -> Self {
        Self {
            id: entry.id,
            dedup_generation: entry.dedup_generation,
            pack,
            offset: offset as u32,
            len_bytes: entry.len_bytes as u32,
            sealed_len_bytes: entry.sealed_len_bytes as u32,
            kind: entry.kind,
            codec: entry.codec,
        }
    }

    fn name(&self) -> (ObjectId, DedupGeneration) {
        (self.id, self.dedup_generation)
    }

    fn entry(&self) -> PackEntry {
        PackEntry {
            id: self.id,
            kind: self.kind,
            codec: self.codec,
            dedup_generation: self.dedup_generation,
            len_bytes: u64::from(self.len_bytes),
            sealed_len_bytes: u64::from(self.sealed_len_bytes),
        }
    }

    fn in_pack(&self, pack: u32) -> IndexEntry {
        IndexEntry { pack, offset: u64::from(self.offset), entry: self.entry() }
    }
}

/// What an index is read from.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The disk.
    pub disk: &'a dyn Disk,
    /// The store's id.
    pub store: StoreId,
    /// The packs.
    pub set: &'a PackSet,
    /// Packs that are not looked into.
    pub left_out: &'a HashSet<PackHash>,
}

/// The table.
#[derive(Debug, Clone, Default)]
pub struct ObjectIndex {
    packs: Vec<PackHash>,
    entries: Vec<Slot>,
    /// Where the entries begin whose ids begin with the same bits, by those bits, and the end of all: a search over the whole
    /// table would wait for memory twenty times.
    begins: Vec<usize>,
    merged: Vec<Merged>,
    /// Packs that a merged index covers, with its place in `merged`.
    covered: HashMap<PackHash, usize>,
}

/// A merged index, as it was read: all parts that were made in one go, and so have the names of the same packs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// Places of its parts in the sealed part's list; ascending.
    pub parts: Vec<usize>,
    /// Entries that it has, of packs that are gone among them.
    pub entries: usize,
    /// The hash of the names of its packs.
    pub names: [u8; 32],
}

impl ObjectIndex {
    /// Reads all merged indexes, and the own index of each pack that none covers.
    ///
    /// What lies in packs that the set does not hold, or that do not stand in their full length, is left out, so that nobody
    /// takes it for stored. A damaged merged index is passed over, since the packs say the same; a damaged pack is told to
    /// `problem` and the others are used. Costs a look at the length of every pack once there are merged indexes,
    /// but for a store over a wire, where a missing pack shows when it is read.
    ///
    /// # Errors
    /// [`StoreError::NoIdentity`], [`StoreError::Gone`] and others that are no damage.
    pub fn load(
        source: Source<'_>,
        sealed: &SealedPart,
        keys: &ReaderKeys,
        problem: &mut dyn FnMut(&PackRef, StoreError),
    ) -> Result<Self, StoreError> {
        let Source { disk, store, set, left_out } = source;
        let mut index = Self::default();
        let mut opener = Opener::new(store)?;
        let mut merged: HashMap<PackHash, usize> = HashMap::new();
        let mut all_read = true;
        let is_looked_at = !sealed.indexes.is_empty() && !disk.is_far();
        let mut lost = if is_looked_at { lost_packs(disk, set)? } else { HashSet::new() };
        lost.extend(left_out);
        for (place, part) in sealed.indexes.iter().enumerate() {
            match read_part(disk, part, keys, &mut opener) {
                Ok(part) => {
                    let of = index.add_part(place, &part, |pack| set.pack(pack).is_some() && !lost.contains(pack));
                    merged.extend(part.packs.iter().map(|pack| (*pack, of)));
                }
                // The coverage of a part that does not read is not known, so every pack is asked for its own index.
                Err(StoreError::Corrupt { .. } | StoreError::Disk(_)) => all_read = false,
                Err(error) => return Err(error),
            }
        }
        if !all_read {
            merged.clear();
        }
        for pack in set.packs().iter().filter(|pack| !left_out.contains(&pack.hash)) {
            if let Some(by) = merged.get(&pack.hash).filter(|_| !lost.contains(&pack.hash)) {
                index.covered.insert(pack.hash, *by);
                continue;
            }
            match read_index(disk, store, pack, &|epoch| keys.index_key(epoch)) {
                Ok(entries) => index.add_pack(pack.hash, entries),
                Err(error @ (StoreError::Corrupt { .. } | StoreError::Disk(_))) => problem(pack, error),
                Err(error) => return Err(error),
            }
        }
        index.sort();
        Ok(index)
    }

    /// Returns the table as if every pack had been asked for its own index.
    #[must_use]
    pub fn without_merged(&self) -> Self {
        Self { merged: Vec::new(), covered: HashMap::new(), ..self.clone() }
    }

    /// Adds the objects of one pack; [`ObjectIndex::sort`] makes them found.
    pub fn add_pack(&mut self, pack: PackHash, entries: impl IntoIterator<Item = (u64, PackEntry)>) {
        let place = self.add_name(pack);
        self.entries.extend(entries.into_iter().map(|(offset, entry)| Slot::new(place, offset, &entry)));
    }

    /// Adds a part; returns the place of the merged index that it belongs to.
    fn add_part(&mut self, place: usize, part: &IndexPart, is_held: impl Fn(&PackHash) -> bool) -> usize {
        let names = names_of(&part.packs);
        let of = self.merged.iter().position(|merged| merged.names == names).unwrap_or_else(|| {
            self.merged.push(Merged { parts: Vec::new(), entries: 0, names });
            self.merged.len() - 1
        });
        let places: Vec<Option<u32>> =
            part.packs.iter().map(|pack| is_held(pack).then(|| self.add_name(*pack))).collect();
        let held = part
            .entries
            .iter()
            .filter_map(|entry| places[entry.pack as usize].map(|pack| Slot::new(pack, entry.offset, &entry.entry)));
        // Exactly as much as there may be: a table that doubles its room would take twice its size.
        self.entries.reserve_exact(part.entries.len());
        self.entries.extend(held);
        self.merged[of].parts.push(place);
        self.merged[of].entries += part.entries.len();
        of
    }

    fn add_name(&mut self, pack: PackHash) -> u32 {
        // Manifests bound the number of packs far below 2^32.
        self.packs.push(pack);
        (self.packs.len() - 1) as u32
    }

    /// Puts the table in order after packs were added.
    pub fn sort(&mut self) {
        self.entries.sort_unstable_by_key(|slot| (slot.id, slot.dedup_generation, slot.pack, slot.offset));
        self.entries.dedup_by_key(|slot| slot.name());
        let bits = self.entries.len().max(1).ilog2().saturating_sub(ENTRIES_TOGETHER_BITS).min(PREFIX_BITS_MAX);
        self.begins = vec![0; (1 << bits) + 1];
        for slot in &self.entries {
            self.begins[prefix(&slot.id, bits) + 1] += 1;
        }
        let mut begin = 0;
        for count in &mut self.begins {
            begin += *count;
            *count = begin;
        }
    }

    /// Returns where an object lies; cost: a binary search among the few whose ids begin alike.
    #[must_use]
    pub fn find(&self, id: &ObjectId, dedup_generation: DedupGeneration) -> Option<Place> {
        self.locate(id, dedup_generation).map(|(_, place)| place)
    }

    /// Returns whether an object is known under another dedup generation than one.
    #[must_use]
    pub fn is_of_another_generation(&self, id: &ObjectId, than: DedupGeneration) -> bool {
        let Some(bits) = self.begins.len().saturating_sub(1).checked_ilog2() else { return false };
        let among = prefix(id, bits);
        let among = &self.entries[self.begins[among]..self.begins[among + 1]];
        let first = among.partition_point(|slot| slot.id < *id);
        among[first..].iter().take_while(|slot| slot.id == *id).any(|slot| slot.dedup_generation != than)
    }

    /// Returns an object's number in this table, below [`ObjectIndex::len`], and where it lies.
    #[must_use]
    pub fn locate(&self, id: &ObjectId, dedup_generation: DedupGeneration) -> Option<(usize, Place)> {
        let bits = self.begins.len().saturating_sub(1).checked_ilog2()?;
        let among = prefix(id, bits);
        let (begin, end) = (self.begins[among], self.begins[among + 1]);
        let key = (*id, dedup_generation);
        let at = begin + self.entries[begin..end].binary_search_by_key(&key, Slot::name).ok()?;
        Some((at, self.place_of(&self.entries[at])))
    }

    fn place_of(&self, slot: &Slot) -> Place {
        Place { pack: self.packs[slot.pack as usize], offset: u64::from(slot.offset), entry: slot.entry() }
    }

    /// Returns where each object lies, by its number in this table.
    pub fn places(&self) -> impl Iterator<Item = Place> {
        self.entries.iter().map(|slot| self.place_of(slot))
    }

    /// Returns a table of what this one has in packs that a newer one does not know, for whoever reads an older state as long as
    /// its packs stand.
    #[must_use]
    pub fn beyond(&self, newer: &Self) -> Self {
        let known: HashSet<&PackHash> = newer.packs.iter().collect();
        let mut rest = Self::default();
        let places = self.packs.iter().map(|pack| (!known.contains(pack)).then(|| rest.add_name(*pack))).collect();
        let places: Vec<Option<u32>> = places;
        let slots = self.entries.iter();
        rest.entries.extend(slots.filter_map(|slot| places[slot.pack as usize].map(|pack| Slot { pack, ..*slot })));
        rest.sort();
        rest
    }

    /// Returns how many objects are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether no object is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the merged indexes that were read.
    #[must_use]
    pub fn merged_indexes(&self) -> &[Merged] {
        &self.merged
    }

    /// Returns the place in [`ObjectIndex::merged_indexes`] of the one that covers a pack; nothing for a pack of which its own
    /// index was read.
    #[must_use]
    pub fn covered_by(&self, pack: &PackHash) -> Option<usize> {
        self.covered.get(pack).copied()
    }

    /// Counts the objects in packs that stay by the merged index that covers their pack; those that none covers come last.
    #[must_use]
    pub fn count_covered(&self, stays: &dyn Fn(&PackHash) -> bool) -> Vec<usize> {
        let mut counts = vec![0; self.merged.len() + 1];
        let by = |pack| self.covered_by(pack).unwrap_or(self.merged.len());
        let places: Vec<Option<usize>> = self.packs.iter().map(|pack| stays(pack).then(|| by(pack))).collect();
        for place in self.entries.iter().filter_map(|slot| places[slot.pack as usize]) {
            counts[place] += 1;
        }
        counts
    }

    /// Makes the parts of a merged index, one at a time, over the packs of this table that `wanted` picks and all of another
    /// one; each part has all their names. An object of both is taken from this one.
    pub fn merged<'a>(
        &'a self,
        newer: &'a Self,
        wanted: &'a dyn Fn(&PackHash) -> bool,
    ) -> impl Iterator<Item = IndexPart> + 'a {
        let mut names = Names::default();
        let own: Vec<Option<u32>> = self.packs.iter().map(|pack| wanted(pack).then(|| names.place(pack))).collect();
        let more: Vec<Option<u32>> = newer.packs.iter().map(|pack| Some(names.place(pack))).collect();
        let mut ours = self.picked(own).peekable();
        let mut theirs = newer.picked(more).peekable();
        let mut next = move || {
            let name = |entry: &IndexEntry| (entry.entry.id, entry.entry.dedup_generation);
            match (ours.peek().map(name), theirs.peek().map(name)) {
                (Some(our), Some(their)) if our == their => {
                    theirs.next();
                    ours.next()
                }
                (Some(our), Some(their)) if our > their => theirs.next(),
                (None, _) => theirs.next(),
                _ => ours.next(),
            }
        };
        let packs = names.packs;
        std::iter::from_fn(move || {
            let mut entries: Vec<IndexEntry> = Vec::with_capacity(PART_ENTRIES);
            entries.extend(std::iter::from_fn(&mut next).take(PART_ENTRIES));
            (!entries.is_empty()).then(|| IndexPart { packs: packs.clone(), entries })
        })
    }

    /// Returns the entries in packs that have a place, but for those of merged indexes.
    fn picked(&self, places: Vec<Option<u32>>) -> impl Iterator<Item = IndexEntry> + '_ {
        let slots = self.entries.iter().filter(|slot| slot.kind != Kind::Index);
        slots.filter_map(move |slot| places[slot.pack as usize].map(|pack| slot.in_pack(pack)))
    }
}

/// Returns the first bits of an id, at most 32, as a number.
fn prefix(id: &ObjectId, bits: u32) -> usize {
    let [a, b, c, d, ..] = id.0;
    (u64::from(u32::from_be_bytes([a, b, c, d])) >> (32 - bits)) as usize
}

fn names_of(packs: &[PackHash]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    packs.iter().for_each(|pack| _ = hasher.update(&pack.0));
    *hasher.finalize().as_bytes()
}

/// Packs in the order in which they are first named.
#[derive(Default)]
struct Names {
    packs: Vec<PackHash>,
    known: HashMap<PackHash, u32>,
}

impl Names {
    fn place(&mut self, pack: &PackHash) -> u32 {
        *self.known.entry(*pack).or_insert_with(|| {
            self.packs.push(*pack);
            (self.packs.len() - 1) as u32
        })
    }
}

/// Returns the packs that do not stand in their full length.
fn lost_packs(disk: &dyn Disk, set: &PackSet) -> Result<HashSet<PackHash>, StoreError> {
    let mut lost = HashSet::new();
    for pack in set.packs() {
        match pack_state(disk, pack) {
            Ok(PackState::FullLength) => {}
            Err(error) if error.kind == DiskErrorKind::Gone => return Err(error.into()),
            Ok(_) | Err(_) => {
                lost.insert(pack.hash);
            }
        }
    }
    Ok(lost)
}

/// Reads and opens one part of a merged index where the sealed part says that it lies.
///
/// # Errors
/// [`StoreError::Corrupt`] when it is missing, does not open or is not in the format, and those of the disk.
pub fn read_part(
    disk: &dyn Disk,
    part: &IndexRef,
    keys: &ReaderKeys,
    opener: &mut Opener,
) -> Result<IndexPart, StoreError> {
    let path = layout::pack(&part.pack);
    let what = format!("pack {path}");
    let fetch = || {
        let file = disk.open(&path)?;
        read_exactly(file.as_ref(), part.offset, part.sealed_len_bytes, &what)
    };
    through(disk, Kept::Object(part.pointer.id, part.pointer.dedup_generation), fetch, |mut frame| {
        let plain = opener.open(keys, &part.pointer, part.codec, &mut frame)?;
        IndexPart::decode(&plain).map_err(|error| StoreError::format("a merged index", error))
    })
}

#[cfg(test)]
mod tests;
