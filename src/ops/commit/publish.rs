//! The end of a commit: snapshot, merged indexes, manifest and HEAD on top of the finished tree.

use std::collections::HashSet;

use super::assemble::Tree;
use super::{CommitRequest, Start};
use crate::base::{Generation, ObjectId, ReplicaId};
use crate::error::Result;
use crate::format::Kind;
use crate::format::sealed::SnapshotRef;
use crate::format::snapshot::{Parent, Snapshot};
use crate::ops::Run;
use crate::ops::merged_index::merge_indexes;
use crate::store::object::{Sealer, snapshot_pointer};
use crate::store::writer::PackWriter;
use crate::store::{Next, StoreError};

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
    writer.put(sealer.seal(Kind::Snapshot, id, pointer.dedup_generation, &pointer.key, &plain)?)?;
    let mut written = writer.finish()?;
    let generation = start.writing.store.head().head.generation.next().ok_or(StoreError::NoGenerationLeft)?;
    let mut sealed = start.writing.unlocked.sealed.clone();
    let (epoch, tags) = (snapshot.epoch, request.tags.clone());
    sealed.snapshots.push(SnapshotRef { id, epoch, len_bytes, generation, time: snapshot.time, tags });
    let index = start.writing.reader.index();
    merge_indexes(&start.writing, index, &HashSet::new(), &mut sealed, &mut written, &mut sealer)?;
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
    merge_indexes(writing, writing.reader.index(), &HashSet::new(), &mut sealed, &mut written, &mut sealer)?;
    let new_bytes = written.len_bytes();
    let next = Next { added: written.packs, ..Next::following(writing.store.packs(), sealed, run.clock.now()) };
    Ok((writing.publish(next)?.head.generation, new_bytes))
}
