//! Snapshots made by hand: whatever a writer who keeps no rules could sign.

use std::sync::Arc;

use chunkstore::base::{DedupGeneration, EntryName, FileId, Generation, ReplicaId};
use chunkstore::disk::Disk;
use chunkstore::format::sealed::SnapshotRef;
use chunkstore::format::snapshot::{Snapshot, Totals};
use chunkstore::format::tree::{Content, Entry, Meta, Node, TreeNode};
use chunkstore::format::{Extent, Kind, Pointer};
use chunkstore::ops::local_keys::WriterKey;
use chunkstore::store::keyring::WriterKeys;
use chunkstore::store::object::{SealedObject, Sealer, pointer_to, snapshot_pointer};
use chunkstore::store::writer::PackWriter;
use chunkstore::store::{self, Basis, Next, Store, Unlocked};
use chunkstore::tree::build::build_tree;

use crate::scene::{NOW, Scene};

/// The objects of one snapshot.
pub struct Hand {
    store: Store,
    keys: WriterKeys,
    unlocked: Unlocked,
    sealer: Sealer,
    objects: Vec<SealedObject>,
    pub totals: Totals,
    pub author: String,
    pub message: String,
    pub tags: Vec<String>,
}

impl Hand {
    fn put(&mut self, kind: Kind, plain: &[u8]) -> Pointer {
        let maker = self.keys.key_maker(DedupGeneration(1)).unwrap();
        let pointer = pointer_to(&self.keys.reader, &maker, kind, plain);
        let is_known = self.objects.iter().any(|object| object.entry.id == pointer.id);
        if !is_known {
            self.objects.push(self.sealer.seal(kind, pointer.id, maker.generation(), &pointer.key, plain).unwrap());
        }
        pointer
    }

    /// An entry of any kind.
    pub fn entry(name: &str, number: u64, node: Node) -> Entry {
        let mut file_id = [0; 16];
        file_id[..8].copy_from_slice(&number.to_le_bytes());
        let meta = Meta { mode: 0o644, mtime_secs: 1_000_000_000, ..Meta::default() };
        let name = EntryName::new(name.as_bytes()).unwrap();
        Entry { name, file_id: FileId(file_id), hard_linked: false, meta, node, extensions: vec![] }
    }

    pub fn file(&mut self, name: &str, number: u64, bytes: &[u8]) -> Entry {
        let len_bytes = bytes.len() as u64;
        let chunk = self.put(Kind::Chunk, bytes);
        let content = Content::Inline(vec![Extent { chunk, offset: 0, len_bytes }]);
        self.totals.files += 1;
        self.totals.bytes += len_bytes;
        Self::entry(name, number, Node::File { len_bytes, content })
    }

    /// A file whose entry says another length than its content has.
    pub fn file_of_length(&mut self, name: &str, number: u64, bytes: &[u8], len_bytes: u64) -> Entry {
        let mut entry = self.file(name, number, bytes);
        if let Node::File { len_bytes: said, .. } = &mut entry.node {
            *said = len_bytes;
        }
        entry
    }

    pub fn dir(&mut self, name: &str, number: u64, entries: Vec<Entry>) -> Entry {
        let tree = self.tree(entries);
        self.totals.dirs += 1;
        Self::entry(name, number, Node::Dir { tree })
    }

    /// A directory over a tree that stands already.
    pub fn over(name: &str, number: u64, tree: Pointer) -> Entry {
        Self::entry(name, number, Node::Dir { tree })
    }

    /// A directory of one file whose name is forged after it was written: of the same length, and none that an entry may have.
    pub fn forged(&mut self, name: &str, number: u64, bytes: &[u8]) -> Pointer {
        let (honest, forged) = ("Q".repeat(name.len()), name.as_bytes());
        let plain = TreeNode::Leaf(vec![self.file(&honest, number, bytes)]).encode();
        let at = plain.windows(honest.len()).position(|window| window == honest.as_bytes()).unwrap();
        self.put(Kind::Tree, &[&plain[..at], forged, &plain[at + honest.len()..]].concat())
    }

    /// Puts the last object into the pack so many times more.
    pub fn repeat_last(&mut self, times: usize) {
        for _ in 0..times {
            if let Some(SealedObject { entry, frame }) = self.objects.last() {
                self.objects.push(SealedObject { entry: *entry, frame: frame.clone() });
            }
        }
    }

    /// Loses the object that was made before the last one.
    pub fn lose_last_but_one(&mut self) {
        self.objects.remove(self.objects.len() - 2);
    }

    pub fn tree(&mut self, mut entries: Vec<Entry>) -> Pointer {
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        let key = self.keys.reader.boundary_key();
        build_tree(entries, &key, &mut |kind, plain| Ok(self.put(kind, plain))).unwrap()
    }
}

/// Commits what `make` returns as the root of a snapshot; its totals are what was counted, or were set.
pub fn commit(scene: &Scene, make: impl FnOnce(&mut Hand) -> Pointer) {
    commit_to(&scene.shared_disk(), scene.writer(), make);
}

/// The same into a store on any disk.
pub fn commit_to(disk: &Arc<dyn Disk>, writer: WriterKey, make: impl FnOnce(&mut Hand) -> Pointer) {
    let store = Store::open(Arc::clone(disk)).unwrap();
    let signer = writer.signer();
    let (keys, unlocked) = store.unlock_writer(&[writer.identity]).unwrap();
    let sealer = Sealer::new(store.id(), 1).unwrap();
    let (totals, author, message) = (Totals::default(), "hand@made".to_owned(), String::new());
    let mut hand = Hand { store, keys, unlocked, sealer, objects: vec![], totals, author, message, tags: vec![] };
    let root = make(&mut hand);
    let Hand { store, keys, unlocked, mut sealer, objects, totals, author, message, tags } = hand;
    let reader = &keys.reader;
    let generation = Generation(store.head().head.generation.0 + 1);
    let snapshot = Snapshot {
        root,
        root_file_id: FileId([0; 16]),
        root_meta: Meta::default(),
        parents: vec![],
        replica: ReplicaId([1; 16]),
        sequence: generation.0,
        epoch: reader.epoch(),
        time: NOW,
        author,
        message,
        totals,
        conflicts: vec![],
        extensions: vec![],
    };
    let plain = snapshot.encode();
    let (id, len_bytes) = (reader.object_id(Kind::Snapshot, &plain), plain.len() as u64);
    let pointer = snapshot_pointer(reader, id, snapshot.epoch, len_bytes).unwrap();
    let index_key = reader.index_key(reader.epoch()).unwrap();
    let mut packs = PackWriter::new(disk.as_ref(), store.id(), reader.epoch(), index_key, Some(store.packs()));
    objects.into_iter().for_each(|object| packs.put(object).unwrap());
    packs.put(sealer.seal(Kind::Snapshot, id, pointer.dedup_generation, &pointer.key, &plain).unwrap()).unwrap();
    let mut sealed = unlocked.sealed;
    sealed.snapshots.push(SnapshotRef { id, epoch: snapshot.epoch, len_bytes, generation, time: NOW, tags });
    let added = packs.finish().unwrap().packs;
    let next = Next { added, ..Next::following(store.packs(), sealed, NOW) };
    let basis = Basis { store: store.id(), trust: store.trust(), current: Some((store.head(), store.packs())) };
    store::commit(disk.as_ref(), &basis, reader, &signer, next).unwrap();
}
