//! Where objects lie: merged indexes and the packs' own, each read on its own, so that one lost index hides no other.

use std::collections::{BTreeMap, HashMap, HashSet};

use chunkstore::base::{DedupGeneration, ObjectId, PackHash};
use chunkstore::format::Pointer;
use chunkstore::format::index::IndexPart;
use chunkstore::format::manifest::PackRef;
use chunkstore::format::pack::PackEntry;
use chunkstore::store::index::{ObjectIndex, read_part};
use chunkstore::store::layout;
use chunkstore::store::object::Opener;
use chunkstore::store::pack::{PackState, pack_state, read_exactly, read_index};

use crate::sealed::Opened;
use crate::view::View;
use crate::why;

/// Where one object lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The pack.
    pub pack: PackHash,
    /// Where its frame starts.
    pub offset: u64,
    /// What an index says of it.
    pub entry: PackEntry,
}

/// Returns the objects of one pack: from its own index, or else from merged ones with what is wrong with its own.
#[must_use]
pub fn of_pack(view: &View, opened: &Opened, pack: &PackRef) -> (Vec<Place>, Option<String>) {
    let own = read_index(view.disk.as_ref(), view.store, pack, &|epoch| opened.keys.index_key(epoch));
    match own {
        Ok(entries) => {
            let place = |(offset, entry)| Place { pack: pack.hash, offset, entry };
            (entries.into_iter().map(place).collect(), None)
        }
        Err(error) => {
            let mut places = Vec::new();
            for_each_merged(view, opened, &mut |_| {}, &mut |place| {
                if place.pack == pack.hash {
                    places.push(place);
                }
            });
            (places, Some(why(error)))
        }
    }
}

/// Gives every entry of every index to `take`, merged ones first; an object may come more than once.
pub fn for_each(view: &View, opened: &Opened, problem: &mut dyn FnMut(String), take: &mut dyn FnMut(Place)) {
    for_each_merged(view, opened, problem, take);
    for pack in &view.packs {
        match read_index(view.disk.as_ref(), view.store, pack, &|epoch| opened.keys.index_key(epoch)) {
            Ok(entries) => {
                entries.into_iter().for_each(|(offset, entry)| take(Place { pack: pack.hash, offset, entry }));
            }
            Err(error) => problem(format!("the index of {}: {}", layout::pack(&pack.hash), why(error))),
        }
    }
}

fn for_each_merged(view: &View, opened: &Opened, problem: &mut dyn FnMut(String), take: &mut dyn FnMut(Place)) {
    let parts = opened.part.as_ref().map_or(&[][..], |part| &part.indexes);
    let mut opener = match Opener::new(view.store) {
        Ok(opener) => opener,
        Err(error) => return problem(why(error)),
    };
    for part in parts {
        match read_part(view.disk.as_ref(), part, &opened.keys, &mut opener) {
            Ok(IndexPart { packs, entries }) => {
                let place = |entry: chunkstore::format::index::IndexEntry| Place {
                    pack: packs[entry.pack as usize],
                    offset: entry.offset,
                    entry: entry.entry,
                };
                entries.into_iter().map(place).for_each(&mut *take);
            }
            Err(error) => {
                let at = layout::pack(&part.pack);
                problem(format!("the merged index {} in {at}: {}", part.pointer.id, why(error)));
            }
        }
    }
}

/// Where all objects lie.
#[derive(Default)]
pub struct Table {
    /// Every object once.
    pub index: ObjectIndex,
    /// What lies in each pack, copies of objects that the table has elsewhere among it; a pack whose index does not read and that
    /// no merged one covers is missing.
    pub packs: HashMap<PackHash, Stored>,
}

/// Objects of a pack or below a path, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stored {
    /// How many.
    pub objects: u64,
    /// The bytes that they take in packs, sealed.
    pub bytes: u64,
}

impl Stored {
    /// Counts an object.
    pub fn add(&mut self, entry: &PackEntry) {
        self.objects += 1;
        self.bytes = self.bytes.saturating_add(entry.sealed_len_bytes);
    }
}

impl Table {
    fn add(&mut self, pack: PackHash, entries: &[(u64, PackEntry)]) {
        let stored = self.packs.entry(pack).or_default();
        entries.iter().for_each(|(_, entry)| stored.add(entry));
        self.index.add_pack(pack, entries.iter().copied());
    }
}

/// Makes one table of all indexes, for reading by pointer. Of several copies of an object it has the one that was written first
/// among the packs that stand in their full length.
///
/// A merged index stands in for a pack's own one that does not read. Costs the index of every pack, and about 60 bytes an object.
#[must_use]
pub fn table(view: &View, opened: &Opened, problem: &mut dyn FnMut(String)) -> Table {
    let mut table = Table::default();
    let mut unread: BTreeMap<PackHash, (String, Entries)> = BTreeMap::new();
    let stands =
        |pack: &&PackRef| pack_state(view.disk.as_ref(), pack).is_ok_and(|state| state == PackState::FullLength);
    let (whole, broken): (Vec<&PackRef>, Vec<&PackRef>) = view.packs.iter().partition(stands);
    for pack in whole.into_iter().chain(broken) {
        match read_index(view.disk.as_ref(), view.store, pack, &|epoch| opened.keys.index_key(epoch)) {
            Ok(entries) => table.add(pack.hash, &entries),
            Err(error) => {
                unread.insert(pack.hash, (why(error), Vec::new()));
            }
        }
    }
    let listed: HashSet<PackHash> = view.packs.iter().map(|pack| pack.hash).collect();
    // Below a gap in the chain packs stand that only merged indexes know.
    let is_whole = view.is_whole();
    for_each_merged(view, opened, problem, &mut |place| {
        if let Some((_, entries)) = unread.get_mut(&place.pack) {
            entries.push((place.offset, place.entry));
        } else if !is_whole && !listed.contains(&place.pack) {
            table.add(place.pack, &[(place.offset, place.entry)]);
        }
    });
    for (pack, (wrong, entries)) in &unread {
        let known = match entries.len() {
            0 => "its objects are not known".to_owned(),
            count => format!("{count} objects of it are known from merged indexes"),
        };
        if !entries.is_empty() {
            table.add(*pack, entries);
        }
        problem(format!("{}: its index does not read: {wrong}; {known}", layout::pack(pack)));
    }
    table.index.sort();
    table
}

/// Objects of one pack, each with the offset of its frame.
type Entries = Vec<(u64, PackEntry)>;

/// Opens an object where it lies.
///
/// # Errors
/// Why it does not.
pub fn open(view: &View, opened: &Opened, place: &Place, pointer: &Pointer) -> Result<Vec<u8>, String> {
    let path = layout::pack(&place.pack);
    let file = view.disk.open(&path).map_err(why)?;
    let what = format!("its frame in {path}");
    let frame = read_exactly(file.as_ref(), place.offset, place.entry.sealed_len_bytes, &what);
    let mut frame = frame.map_err(|_| format!("{what} lies behind the end of the file"))?;
    let mut opener = Opener::new(view.store).map_err(why)?;
    opener.open(&opened.keys, pointer, place.entry.codec, &mut frame).map_err(why)
}

/// What names an object.
pub type Name = (ObjectId, DedupGeneration);
