//! Merging the indexes of packs once many stand alone, so that opening a store stays a few reads.

use std::collections::{HashMap, HashSet};

use super::writing::Writing;
use crate::base::PackHash;
use crate::error::Result;
use crate::format::index::{ENTRIES_MAX, IndexPart};
use crate::format::sealed::{IndexRef, SealedPart};
use crate::format::{Kind, Pointer};
use crate::store::index::ObjectIndex;
use crate::store::object::{Sealer, pointer_to};
use crate::store::writer::Written;

/// From so many packs that no merged index covers, their indexes are merged.
const UNCOVERED_MAX: usize = 16;
/// From so many parts more than a single merge would make, one is made of all.
const SURPLUS_PARTS_MAX: usize = 8;

/// Adds parts of a merged index to what a writer made, where the packs that no part covers have become many; `index` has the
/// objects of the packs that stay, and `removed` are packs that the next generation drops.
///
/// Parts are made one at a time, so it takes the memory of one.
///
/// # Durability
/// The packs of new parts are durable when this returns.
///
/// # Errors
/// Those of the disk.
pub fn merge_indexes(
    writing: &Writing,
    index: &ObjectIndex,
    removed: &HashSet<PackHash>,
    sealed: &mut SealedPart,
    written: &mut Written,
    sealer: &mut Sealer,
) -> Result<()> {
    let stays = |pack: &PackHash| !removed.contains(pack);
    let listed = writing.store.packs().packs().iter().map(|pack| &pack.hash).filter(|pack| stays(pack));
    let uncovered = listed.filter(|pack| !index.covers(pack)).count();
    // What lies in packs that are gone is carried along until it outweighs the rest.
    let everything = sealed.indexes.len() >= SURPLUS_PARTS_MAX + index.len() / ENTRIES_MAX
        || index.stale() > index.len().max(ENTRIES_MAX);
    if !everything && uncovered + written.packs.len() <= UNCOVERED_MAX {
        return Ok(());
    }
    let newer = index_of(written);
    let wanted = |pack: &PackHash| stays(pack) && (everything || !index.covers(pack));
    let (more, refs) = write_parts(writing, index.merged(&newer, &wanted), sealer)?;
    if everything {
        sealed.indexes.clear();
    }
    sealed.indexes.extend(refs);
    written.packs.extend(more.packs);
    written.entries.extend(more.entries);
    Ok(())
}

fn index_of(written: &Written) -> ObjectIndex {
    let mut by_pack: HashMap<_, Vec<_>> = HashMap::new();
    for (pack, offset, entry) in &written.entries {
        by_pack.entry(*pack).or_default().push((*offset, *entry));
    }
    let mut index = ObjectIndex::default();
    // In the order of writing, so that equal stores make equal indexes.
    for pack in &written.packs {
        index.add_pack(pack.hash, by_pack.get(&pack.hash).map_or(&[][..], Vec::as_slice));
    }
    index.sort();
    index
}

fn write_parts(
    writing: &Writing,
    parts: impl Iterator<Item = IndexPart>,
    sealer: &mut Sealer,
) -> Result<(Written, Vec<IndexRef>)> {
    let maker = writing.key_maker()?;
    // One that stands damaged under the same name is not listed any more once this is.
    let mut writer = writing.pack_writer()?.beside_listed();
    let mut pointers: Vec<Pointer> = Vec::new();
    for part in parts {
        let plain = part.encode();
        let pointer = pointer_to(&writing.unlocked.keys, &maker, Kind::Index, &plain);
        writer.put(&sealer.seal(Kind::Index, pointer.id, pointer.dedup_generation, &pointer.key, &plain)?)?;
        pointers.push(pointer);
    }
    let written = writer.finish()?;
    let refs = written.entries.iter().zip(pointers).map(|((pack, offset, entry), pointer)| IndexRef {
        pointer,
        pack: *pack,
        offset: *offset,
        sealed_len_bytes: entry.sealed_len_bytes,
        codec: entry.codec,
    });
    let refs = refs.collect();
    Ok((written, refs))
}
