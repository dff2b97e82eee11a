//! Merging the indexes of packs once many stand alone, so that opening a store stays a few reads.

use std::collections::{BTreeSet, HashSet};

use super::writing::Writing;
use crate::base::PackHash;
use crate::error::Result;
use crate::format::index::IndexPart;
use crate::format::sealed::{IndexRef, SealedPart};
use crate::format::{Kind, Pointer};
use crate::store::index::{ObjectIndex, PART_ENTRIES};
use crate::store::object::{Sealer, pointer_to};
use crate::store::writer::Written;

/// How hard merged indexes are compressed where nothing else is.
pub const INDEX_LEVEL: i32 = 5;
/// From so many packs that no merged index covers, their indexes are merged.
const UNCOVERED_MAX: usize = 16;

/// Adds parts of a merged index to what a writer made, where the packs that no part covers have become many; `index` has the
/// objects of the packs that stay, and `removed` are packs that the next generation drops.
///
/// Merged indexes that are no longer than what is merged anyway are merged with it, so there are never more of them than the
/// store has doublings, and an entry is written again as often at most: a week costs the index of a few weeks, not that of the
/// store. Parts are made one at a time, so it takes the memory of one.
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
    let uncovered = listed.filter(|pack| index.covered_by(pack).is_none()).count() + written.packs.len();
    let mut live = index.count_covered(&stays);
    let fresh = live.pop().unwrap_or(0) + written.entries.len();
    let before: Vec<Length> = index
        .merged_indexes()
        .iter()
        .zip(live)
        .map(|(merged, live)| Length { entries: merged.entries, live })
        .collect();
    if uncovered <= UNCOVERED_MAX && !before.iter().any(|merged| merged.stale() > merged.live.max(PART_ENTRIES)) {
        return Ok(());
    }
    let chosen = choose(&before, fresh);
    let newer = index_of(written);
    let wanted = |pack: &PackHash| stays(pack) && index.covered_by(pack).is_none_or(|merged| chosen[merged]);
    let (more, refs) = write_parts(writing, index.merged(&newer, &wanted), sealer)?;
    // A part that did not read covers nothing and goes, too.
    let kept = index
        .merged_indexes()
        .iter()
        .zip(&chosen)
        .filter(|(_, chosen)| !**chosen)
        .flat_map(|(merged, _)| &merged.parts);
    sealed.indexes = kept.collect::<BTreeSet<_>>().into_iter().map(|place| sealed.indexes[*place]).collect();
    sealed.indexes.extend(refs);
    written.packs.extend(more.packs);
    written.entries.extend(more.entries);
    Ok(())
}

/// How long a merged index is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Length {
    entries: usize,
    /// Of these, such as are of packs that stay.
    live: usize,
}

impl Length {
    fn stale(self) -> usize {
        self.entries.saturating_sub(self.live)
    }
}

/// Says which merged indexes are made anew together with so many entries that none covers: from the shortest on those that are
/// no longer than what there is, and those of which most entries are of packs that are gone.
fn choose(before: &[Length], mut entries: usize) -> Vec<bool> {
    let mut chosen = vec![false; before.len()];
    let mut by_length: Vec<usize> = (0..before.len()).collect();
    by_length.sort_by_key(|at| before[*at].live);
    for at in by_length {
        let merged = before[at];
        chosen[at] = merged.live <= entries || merged.stale() > merged.live;
        if chosen[at] {
            entries += merged.live;
        }
    }
    chosen
}

fn index_of(written: &Written) -> ObjectIndex {
    let mut index = ObjectIndex::default();
    // A pack's entries stand together, in the order of writing, so that equal stores make equal indexes.
    for entries in written.entries.chunk_by(|a, b| a.0 == b.0) {
        index.add_pack(entries[0].0, entries.iter().map(|(_, offset, entry)| (*offset, *entry)));
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
        drop(part);
        let pointer = pointer_to(&writing.unlocked.keys, &maker, Kind::Index, &plain);
        writer.put(sealer.seal(Kind::Index, pointer.id, pointer.dedup_generation, &pointer.key, &plain)?)?;
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

#[cfg(test)]
mod tests;
