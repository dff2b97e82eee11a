//! Trees made by hand for tests: any nodes, right or wrong, sealed into packs on a simulated disk.

use std::collections::HashSet;
use std::sync::Arc;

use super::build::build_tree;
use crate::base::random::SeededRandom;
use crate::base::{DedupGeneration, EntryName, FileId, ObjectId, StoreId, Timestamp};
use crate::disk::sim::Profile;
use crate::disk::{Disk, SimDisk};
use crate::format::snapshot::{Snapshot, Totals};
use crate::format::tree::{Content, Entry, Meta, Node, TreeNode};
use crate::format::{Kind, Pointer};
use crate::store::index::ObjectIndex;
use crate::store::keyring::WriterKeys;
use crate::store::object::{Sealer, pointer_to};
use crate::store::pack::read_index;
use crate::store::reader::ObjectReader;
use crate::store::writer::PackWriter;
use crate::store::{create_layout, layout};

/// Objects that go into packs once a reader is asked for.
pub struct Handmade {
    pub disk: SimDisk,
    keys: WriterKeys,
    sealer: Sealer,
    known: HashSet<ObjectId>,
    sealed: Vec<crate::store::object::SealedObject>,
}

const STORE: StoreId = StoreId([7; 16]);

impl Handmade {
    pub fn new() -> Self {
        let disk = SimDisk::new(Profile::Ext4);
        create_layout(&disk).unwrap();
        let keys = WriterKeys::generate(STORE, &SeededRandom::new(1));
        Self { disk, keys, sealer: Sealer::new(STORE, 1).unwrap(), known: HashSet::new(), sealed: Vec::new() }
    }

    /// Seals an object, once.
    pub fn put(&mut self, kind: Kind, plain: &[u8]) -> Pointer {
        let maker = self.keys.key_maker(DedupGeneration(1)).unwrap();
        let pointer = pointer_to(&self.keys.reader, &maker, kind, plain);
        if self.known.insert(pointer.id) {
            let object = self.sealer.seal(kind, pointer.id, maker.generation(), &pointer.key, plain).unwrap();
            self.sealed.push(object);
        }
        pointer
    }

    pub fn node(&mut self, node: &TreeNode) -> Pointer {
        self.put(Kind::Tree, &node.encode())
    }

    /// Makes a directory as a commit does.
    pub fn dir(&mut self, entries: Vec<Entry>) -> Pointer {
        let key = self.keys.reader.boundary_key();
        build_tree(entries, &key, &mut |kind, plain| Ok(self.put(kind, plain))).unwrap()
    }

    /// Writes the packs and reads from them.
    pub fn reader(&mut self) -> ObjectReader {
        let keys = &self.keys.reader;
        let index_key = keys.index_key(keys.epoch()).unwrap();
        let mut packs = PackWriter::new(&self.disk, STORE, keys.epoch(), index_key, None);
        self.sealed.drain(..).for_each(|object| packs.put(object).unwrap());
        let mut index = ObjectIndex::default();
        for pack in packs.finish().unwrap().packs {
            let entries = read_index(&self.disk, STORE, &pack, &|epoch| keys.index_key(epoch)).unwrap();
            assert!(self.disk.metadata(&layout::pack(&pack.hash)).unwrap().is_some());
            index.add_pack(pack.hash, entries);
        }
        index.sort();
        self.disk.reset_counts();
        ObjectReader::new(Arc::new(self.disk.clone()), STORE, keys.clone(), index)
    }
}

pub fn name(text: &str) -> EntryName {
    EntryName::new(text.as_bytes()).unwrap()
}

/// An empty file whose id comes from its number.
pub fn file(text: &str, number: u64) -> Entry {
    let mut file_id = [0; 16];
    file_id[..8].copy_from_slice(&number.to_le_bytes());
    Entry {
        name: name(text),
        file_id: FileId(file_id),
        hard_linked: false,
        meta: Meta::default(),
        node: Node::File { len_bytes: 0, content: Content::Inline(vec![]) },
        extensions: vec![],
    }
}

pub fn dir(text: &str, number: u64, tree: Pointer) -> Entry {
    Entry { node: Node::Dir { tree }, ..file(text, number) }
}

pub fn files(count: u64) -> Vec<Entry> {
    (0..count).map(|number| file(&format!("file-{number:08}"), number)).collect()
}

/// A snapshot that says it holds so many files.
pub fn snapshot(root: Pointer, files: u64) -> Snapshot {
    Snapshot {
        root,
        root_file_id: FileId([0; 16]),
        root_meta: Meta::default(),
        parents: vec![],
        replica: crate::base::ReplicaId([1; 16]),
        sequence: 1,
        epoch: crate::base::Epoch(1),
        time: Timestamp(0),
        author: String::new(),
        message: String::new(),
        totals: Totals { files, ..Totals::default() },
        conflicts: vec![],
        extensions: vec![],
    }
}
