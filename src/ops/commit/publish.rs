//! The end of a commit: snapshot, merged indexes, manifest and HEAD on top of the finished tree.

use std::collections::HashMap;

use super::assemble::Tree;
use super::{CommitRequest, Start};
use crate::base::{Generation, ObjectId, ReplicaId};
use crate::error::Result;
use crate::format::index::IndexPart;
use crate::format::sealed::{IndexRef, SealedPart, SnapshotRef};
use crate::format::snapshot::{Parent, Snapshot};
use crate::format::{Kind, Pointer};
use crate::ops::Run;
use crate::ops::writing::Writing;
use crate::store::index::ObjectIndex;
use crate::store::object::{Sealer, pointer_to, snapshot_pointer};
use crate::store::writer::{PackWriter, Written};
use crate::store::{Next, StoreError};

/// From so many packs that no merged index covers, a commit merges their indexes.
const UNCOVERED_MAX: usize = 16;
/// From so many merged indexes, a commit makes one of all.
const MERGED_MAX: usize = 8;

/// Describes the snapshot of a finished tree.
pub fn snapshot_of(
    start: &Start,
    tree: &Tree,
    (replica, sequence): (ReplicaId, u64),
    request: &CommitRequest<'_>,
    run: Run<'_>,
) -> Snapshot {
    let parents = start.parent.iter();
    Snapshot {
        root: tree.root,
        root_file_id: tree.root_file_id,
        root_meta: tree.root_meta.clone(),
        parents: parents.map(|(p, _)| Parent { id: p.id, epoch: p.epoch, len_bytes: p.len_bytes }).collect(),
        replica,
        sequence,
        epoch: start.writing.keys.reader.epoch(),
        time: run.clock.now(),
        author: request.author.clone(),
        message: request.message.clone(),
        totals: tree.totals,
        conflicts: Vec::new(),
        extensions: tree.root_extensions.clone(),
    }
}

/// Puts the snapshot into the packs, finishes them, and makes the state that holds it the newest.
///
/// Returns the snapshot's id, the new generation and the bytes of all new packs.
///
/// # Errors
/// Those of the disk; the old state stays.
pub fn publish(
    start: &Start,
    mut writer: PackWriter<'_>,
    snapshot: &Snapshot,
    request: &CommitRequest<'_>,
    level: i32,
    run: Run<'_>,
) -> Result<(ObjectId, Generation, u64)> {
    let keys = &start.writing.unlocked.keys;
    let plain = snapshot.encode();
    let id = keys.object_id(Kind::Snapshot, &plain);
    let len_bytes = plain.len() as u64;
    let pointer = snapshot_pointer(keys, id, snapshot.epoch, len_bytes).ok_or(StoreError::NoIdentity)?;
    let mut sealer = Sealer::new(start.writing.store.id(), level)?;
    writer.put(&sealer.seal(Kind::Snapshot, id, pointer.dedup_generation, &pointer.key, &plain)?)?;
    let mut written = writer.finish()?;
    let generation = start.writing.store.head().head.generation.next().ok_or(StoreError::NoGenerationLeft)?;
    let mut sealed = start.writing.unlocked.sealed.clone();
    let (epoch, tags) = (snapshot.epoch, request.tags.clone());
    sealed.snapshots.push(SnapshotRef { id, epoch, len_bytes, generation, time: snapshot.time, tags });
    merge_indexes(&start.writing, start.writing.reader.index(), &mut sealed, &mut written, &mut sealer)?;
    let new_bytes = written.len_bytes();
    let now = run.clock.now();
    let next = Next { added: written.packs, ..Next::following(start.writing.store.packs(), sealed, now) };
    let record = start.writing.publish(next)?;
    Ok((id, record.head.generation, new_bytes))
}

/// Adds packs without a snapshot: they hold what the store had lost of one that the folder is still the same as. Returns the
/// new generation and the bytes of the packs; the old one where there are none.
///
/// # Errors
/// Those of the disk; the old state stays.
pub fn bring_back(start: &Start, writer: PackWriter<'_>, level: i32, run: Run<'_>) -> Result<(Generation, u64)> {
    let writing = &start.writing;
    let mut written = writer.finish()?;
    if written.packs.is_empty() {
        return Ok((writing.store.head().head.generation, 0));
    }
    let mut sealed = writing.unlocked.sealed.clone();
    let mut sealer = Sealer::new(writing.store.id(), level)?;
    merge_indexes(writing, writing.reader.index(), &mut sealed, &mut written, &mut sealer)?;
    let new_bytes = written.len_bytes();
    let next = Next { added: written.packs, ..Next::following(writing.store.packs(), sealed, run.clock.now()) };
    Ok((writing.publish(next)?.head.generation, new_bytes))
}

/// Merges the indexes of packs once many stand alone, so that opening a store stays a few reads. `index` has the objects of
/// the packs that stay, `written` those of new ones.
///
/// # Errors
/// Those of the disk.
pub fn merge_indexes(
    writing: &Writing,
    index: &ObjectIndex,
    sealed: &mut SealedPart,
    written: &mut Written,
    sealer: &mut Sealer,
) -> Result<()> {
    let uncovered = writing.store.packs().packs().iter().filter(|pack| !index.covers(&pack.hash)).count();
    if uncovered + written.packs.len() <= UNCOVERED_MAX {
        return Ok(());
    }
    let everything = sealed.indexes.len() >= MERGED_MAX;
    let parts = merged_with(index, written, everything);
    if everything {
        sealed.indexes.clear();
    }
    let (more, refs) = write_parts(writing, &parts, sealer)?;
    sealed.indexes.extend(refs);
    written.packs.extend(more.packs);
    written.entries.extend(more.entries);
    Ok(())
}

fn merged_with(index: &ObjectIndex, written: &Written, everything: bool) -> Vec<IndexPart> {
    let mut all = index.clone();
    let mut by_pack: HashMap<_, Vec<_>> = HashMap::new();
    for (pack, offset, entry) in &written.entries {
        by_pack.entry(*pack).or_default().push((*offset, *entry));
    }
    // In the order of writing, so that equal stores make equal indexes.
    for pack in &written.packs {
        all.add_pack(pack.hash, by_pack.get(&pack.hash).map_or(&[][..], Vec::as_slice));
    }
    all.sort();
    all.merge(&|pack| everything || !index.covers(pack))
}

fn write_parts(writing: &Writing, parts: &[IndexPart], sealer: &mut Sealer) -> Result<(Written, Vec<IndexRef>)> {
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
