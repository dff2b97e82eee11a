//! Where objects lie: merged indexes and the packs' own, each read on its own, so that one lost index hides no other.

use std::collections::BTreeMap;

use chunkstore::base::{DedupGeneration, ObjectId, PackHash};
use chunkstore::format::Pointer;
use chunkstore::format::index::IndexPart;
use chunkstore::format::manifest::PackRef;
use chunkstore::format::pack::PackEntry;
use chunkstore::store::index::{ObjectIndex, read_part};
use chunkstore::store::layout;
use chunkstore::store::object::Opener;
use chunkstore::store::pack::{read_exactly, read_index};

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
            Err(error) => problem(format!("the merged index {}: {}", part.pointer.id, why(error))),
        }
    }
}

/// Makes one table of all indexes, for reading by pointer.
#[must_use]
pub fn table(view: &View, opened: &Opened, problem: &mut dyn FnMut(String)) -> ObjectIndex {
    let mut by_pack: BTreeMap<PackHash, Vec<(u64, PackEntry)>> = BTreeMap::new();
    for_each(view, opened, problem, &mut |place| {
        by_pack.entry(place.pack).or_default().push((place.offset, place.entry));
    });
    let mut index = ObjectIndex::default();
    by_pack.into_iter().for_each(|(pack, entries)| index.add_pack(pack, entries));
    index.sort();
    index
}

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
