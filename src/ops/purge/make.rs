//! The new objects of a purge: what stays of chunks that lose something, the trees on the way, and every kept snapshot.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::find::{Candidate, Found, Name, Paths, Touched};
use crate::base::monitor::{Amount, Task};
use crate::base::{ObjectId, RelPath};
use crate::error::{Error, ErrorKind, Result};
use crate::format::sealed::SnapshotRef;
use crate::format::snapshot::{Conflict, Parent, Snapshot, Totals};
use crate::format::{Extent, Kind, Pointer};
use crate::ops::Run;
use crate::ops::writing::Writing;
use crate::store::StoreError;
use crate::store::keyring::{KeyMaker, WriterKeys};
use crate::store::object::{Sealer, pointer_to, snapshot_pointer};
use crate::store::reader::ObjectReader;
use crate::store::writer::{PackWriter, Written};
use crate::tree::rewrite::{Change, Rewriter};

/// How hard objects are compressed: as runs of small files and directories are when they are committed.
const LEVEL: i32 = 5;

/// What was made.
pub struct Made {
    /// The packs of the new objects.
    pub written: Written,
    /// The kept snapshots, in the order of the list.
    pub snapshots: Vec<SnapshotRef>,
    /// Which of them stands in the place of which.
    pub replaced: BTreeMap<ObjectId, ObjectId>,
}

/// Makes the objects and writes them, under new keys.
///
/// # Durability
/// The packs are durable when this returns; nothing names them yet.
///
/// # Errors
/// [`ErrorKind::Corrupt`] when something does not read that stays, [`ErrorKind::Interrupted`], and those of the disk.
pub fn make(writing: &Writing, keys: &WriterKeys, paths: &Paths, found: &Found, run: Run<'_>) -> Result<Made> {
    let reader = writing.reader.as_ref();
    let epoch = keys.reader.epoch();
    let index_key = keys.reader.index_key(epoch).ok_or(StoreError::NoIdentity)?;
    let (disk, store) = (writing.disk(), writing.store.id());
    let mut sink = Sink {
        keys,
        maker: keys.key_maker(keys.dedup_generation()).ok_or(StoreError::NoIdentity)?,
        sealer: Sealer::new(store, LEVEL)?,
        writer: PackWriter::new(disk, store, epoch, index_key, Some(writing.store.packs())),
        put: HashSet::new(),
    };
    let recut = recut(writing, found, &mut sink, run)?;
    let change = Asked { paths, found, reader, recut: &recut };
    let mut rewriter = Rewriter::new(reader, &change);
    let mut roots = Vec::with_capacity(found.snapshots.len());
    for touched in &found.snapshots {
        run.check()?;
        let root = rewriter.rewrite(&touched.snapshot.root, &mut |kind, plain| sink.put(kind, plain));
        roots.push(root.map_err(|error| writing.store.settle(error))?);
    }
    let (snapshots, replaced) = seal_snapshots(writing, paths, found, &roots, &mut sink)?;
    Ok(Made { written: sink.writer.finish()?, snapshots, replaced })
}

/// Takes new objects.
struct Sink<'a> {
    keys: &'a WriterKeys,
    maker: KeyMaker,
    sealer: Sealer,
    writer: PackWriter<'a>,
    put: HashSet<ObjectId>,
}

impl Sink<'_> {
    fn put(&mut self, kind: Kind, plain: &[u8]) -> std::result::Result<Pointer, StoreError> {
        let pointer = pointer_to(&self.keys.reader, &self.maker, kind, plain);
        if self.put.insert(pointer.id) {
            let object = self.sealer.seal(kind, pointer.id, pointer.dedup_generation, &pointer.key, plain)?;
            self.writer.put(object)?;
        }
        Ok(pointer)
    }
}

/// Makes chunks of what stays of those that lose something: all of it one after another, so that each slice stays one.
fn recut(writing: &Writing, found: &Found, sink: &mut Sink<'_>, run: Run<'_>) -> Result<HashMap<Name, Pointer>> {
    let index = writing.reader.index();
    let mut chunks: Vec<(&Name, &Candidate)> =
        found.candidates.iter().filter(|(_, candidate)| candidate.is_recut()).collect();
    // In the order in which they lie, so that packs are read from front to back.
    chunks.sort_by_key(|((id, generation), _)| index.find(id, *generation).map(|place| (place.pack, place.offset)));
    let bytes = chunks.iter().map(|(_, candidate)| candidate.kept.len_bytes()).sum();
    run.monitor.begin(Task::Repack, Some(Amount { files: chunks.len() as u64, bytes }));
    let mut recut = HashMap::new();
    for (name, candidate) in chunks {
        run.check()?;
        let old = writing.reader.read(&candidate.chunk).map_err(|error| unread(writing, error))?;
        let mut plain = Vec::with_capacity(old.len());
        for (start, end) in candidate.kept.iter() {
            // The spans are of extents, which end inside their chunk.
            plain.extend_from_slice(old.get(start as usize..end as usize).unwrap_or_default());
        }
        recut.insert(*name, sink.put(Kind::Chunk, &plain)?);
        run.monitor.advance(Task::Repack, Amount { files: 1, bytes: plain.len() as u64 });
    }
    run.monitor.end(Task::Repack);
    Ok(recut)
}

fn unread(writing: &Writing, error: StoreError) -> Error {
    match writing.store.settle(error) {
        error if error.costs_one_entry() => {
            let text = "a chunk does not read of which a part goes and a part stays; nothing was purged";
            Error::with_source(ErrorKind::Corrupt, text, error)
        }
        error => error.into(),
    }
}

struct Asked<'a> {
    paths: &'a Paths,
    found: &'a Found,
    reader: &'a ObjectReader,
    recut: &'a HashMap<Name, Pointer>,
}

impl Change for Asked<'_> {
    fn drops(&self, path: &RelPath) -> bool {
        self.paths.holds(path)
    }

    fn drops_below(&self, dir: &RelPath) -> bool {
        self.paths.lie_below(dir)
    }

    fn touches(&self, node: &Pointer) -> bool {
        let located = self.reader.index().locate(&node.id, node.dedup_generation);
        located.is_some_and(|(at, _)| self.found.touching.contains(at))
    }

    fn replace(&self, extent: &Extent) -> std::result::Result<Option<Extent>, StoreError> {
        let name = (extent.chunk.id, extent.chunk.dedup_generation);
        let Some(candidate) = self.found.candidates.get(&name) else { return Ok(None) };
        if let (Some(chunk), Some(offset)) = (self.recut.get(&name), candidate.kept.place_of(extent.offset)) {
            return Ok(Some(Extent { chunk: *chunk, offset, len_bytes: extent.len_bytes }));
        }
        // A chunk that goes has no file that stays, or the plan overlooked one: then nothing of it may be published.
        let is_kept = candidate.gone_bytes() == 0 && !candidate.is_recut();
        if is_kept { Ok(None) } else { Err(StoreError::damaged("a file that stays, of a chunk that goes,")) }
    }
}

/// Seals every kept snapshot under the new epoch; parents first, so that each names the new ids of its own.
fn seal_snapshots(
    writing: &Writing,
    paths: &Paths,
    found: &Found,
    roots: &[Pointer],
    sink: &mut Sink<'_>,
) -> Result<(Vec<SnapshotRef>, BTreeMap<ObjectId, ObjectId>)> {
    let kept = &writing.unlocked.sealed.snapshots;
    let ids: HashSet<ObjectId> = kept.iter().map(|named| named.id).collect();
    let mut made: HashMap<ObjectId, SnapshotRef> = HashMap::new();
    let mut left: Vec<usize> = (0..kept.len()).collect();
    while !left.is_empty() {
        let before = left.len();
        let mut later = Vec::new();
        for at in left {
            let Touched { snapshot, gone, .. } = &found.snapshots[at];
            let waits = |parent: &Parent| ids.contains(&parent.id) && !made.contains_key(&parent.id);
            if snapshot.parents.iter().any(waits) {
                later.push(at);
                continue;
            }
            let renewed = renewed(snapshot, gone, paths, roots[at], &made, sink.keys);
            let sealed = seal_snapshot(&renewed, sink)?;
            made.insert(
                kept[at].id,
                SnapshotRef { tags: kept[at].tags.clone(), generation: kept[at].generation, ..sealed },
            );
        }
        if later.len() == before {
            return Err(StoreError::damaged("the parents of the kept snapshots").into());
        }
        left = later;
    }
    let in_order = kept.iter().filter_map(|named| made.get(&named.id).cloned()).collect();
    Ok((in_order, made.into_iter().map(|(old, new)| (old, new.id)).collect()))
}

fn renewed(
    snapshot: &Snapshot,
    gone: &Totals,
    paths: &Paths,
    root: Pointer,
    made: &HashMap<ObjectId, SnapshotRef>,
    keys: &WriterKeys,
) -> Snapshot {
    let parent = |parent: &Parent| match made.get(&parent.id) {
        Some(new) => Parent { id: new.id, epoch: new.epoch, len_bytes: new.len_bytes },
        // One that is not kept is a name alone.
        None => *parent,
    };
    let stays = |conflict: &Conflict| {
        let sides: Vec<RelPath> = conflict.sides.iter().filter(|side| !paths.holds(side)).cloned().collect();
        let is_left = !paths.holds(&conflict.path) && !sides.is_empty();
        is_left.then(|| Conflict { path: conflict.path.clone(), sides })
    };
    let Totals { files, dirs, others, bytes } = snapshot.totals;
    Snapshot {
        root,
        epoch: keys.reader.epoch(),
        parents: snapshot.parents.iter().map(parent).collect(),
        conflicts: snapshot.conflicts.iter().filter_map(stays).collect(),
        totals: Totals {
            files: files.saturating_sub(gone.files),
            dirs: dirs.saturating_sub(gone.dirs),
            others: others.saturating_sub(gone.others),
            bytes: bytes.saturating_sub(gone.bytes),
        },
        ..snapshot.clone()
    }
}

fn seal_snapshot(snapshot: &Snapshot, sink: &mut Sink<'_>) -> Result<SnapshotRef> {
    let (keys, epoch) = (&sink.keys.reader, snapshot.epoch);
    let plain = snapshot.encode();
    let (id, len_bytes) = (keys.object_id(Kind::Snapshot, &plain), plain.len() as u64);
    let pointer = snapshot_pointer(keys, id, epoch, len_bytes).ok_or(StoreError::NoIdentity)?;
    let object = sink.sealer.seal(Kind::Snapshot, id, pointer.dedup_generation, &pointer.key, &plain)?;
    sink.writer.put(object)?;
    let (generation, time, tags) = (crate::base::Generation(0), snapshot.time, Vec::new());
    Ok(SnapshotRef { id, epoch, len_bytes, generation, time, tags })
}
