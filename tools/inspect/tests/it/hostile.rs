//! A snapshot that a writer who keeps no rules could sign: directories that name one below them twice, forty times over, so
//! that a file has a million million paths.

use chunkstore::base::{DedupGeneration, EntryName, FileId, Generation, ReplicaId};
use chunkstore::format::sealed::SnapshotRef;
use chunkstore::format::snapshot::{Snapshot, Totals};
use chunkstore::format::tree::{Content, Entry, Meta, Node};
use chunkstore::format::{Extent, Kind, Pointer};
use chunkstore::store::object::{Sealer, pointer_to, snapshot_pointer};
use chunkstore::store::writer::PackWriter;
use chunkstore::tree::build::build_tree;

use super::copy::Copy;
use super::grown::{NOW, commit, writer};

const LEVELS: usize = 40;

fn entry(name: &str, node: Node) -> Entry {
    let (name, file_id) = (EntryName::new(name.as_bytes()).unwrap(), FileId([7; 16]));
    Entry { name, file_id, hard_linked: false, meta: Meta::default(), node, extensions: vec![] }
}

/// Commits the snapshot; returns the id of its only chunk.
fn unfold_without_end(copy: &Copy) -> String {
    let id = std::cell::RefCell::new(String::new());
    commit(copy, &|store, disk, next| {
        let (keys, _) = store.unlock_writer(&[writer(copy).identity]).unwrap();
        let maker = keys.key_maker(DedupGeneration(1)).unwrap();
        let mut sealer = Sealer::new(store.id(), 1).unwrap();
        let index_key = keys.reader.index_key(keys.reader.epoch()).unwrap();
        let mut packs = PackWriter::new(disk, store.id(), keys.reader.epoch(), index_key, Some(store.packs()));
        let mut put = |kind: Kind, plain: &[u8]| -> Pointer {
            let pointer = pointer_to(&keys.reader, &maker, kind, plain);
            packs.put(sealer.seal(kind, pointer.id, maker.generation(), &pointer.key, plain).unwrap()).unwrap();
            pointer
        };
        let chunk = put(Kind::Chunk, b"deep");
        id.replace(chunk.id.to_string());
        let content = Content::Inline(vec![Extent { chunk, offset: 0, len_bytes: 4 }]);
        let boundary = keys.reader.boundary_key();
        let mut tree =
            |entries: Vec<Entry>| build_tree(entries, &boundary, &mut |kind, plain| Ok(put(kind, plain))).unwrap();
        let mut below = tree(vec![entry("f", Node::File { len_bytes: 4, content })]);
        for _ in 0..LEVELS {
            let dir = |name| entry(name, Node::Dir { tree: below });
            below = tree(vec![dir("a"), dir("b")]);
        }
        let generation = Generation(store.head().head.generation.0 + 1);
        let snapshot = Snapshot {
            root: below,
            root_file_id: FileId([0; 16]),
            root_meta: Meta::default(),
            parents: vec![],
            replica: ReplicaId([1; 16]),
            sequence: generation.0,
            epoch: keys.reader.epoch(),
            time: NOW,
            author: "hand@made".to_owned(),
            message: String::new(),
            totals: Totals::default(),
            conflicts: vec![],
            extensions: vec![],
        };
        let plain = snapshot.encode();
        let (id, len_bytes) = (keys.reader.object_id(Kind::Snapshot, &plain), plain.len() as u64);
        let pointer = snapshot_pointer(&keys.reader, id, snapshot.epoch, len_bytes).unwrap();
        packs.put(sealer.seal(Kind::Snapshot, id, pointer.dedup_generation, &pointer.key, &plain).unwrap()).unwrap();
        next.added = packs.finish().unwrap().packs;
        let epoch = snapshot.epoch;
        next.sealed.snapshots.push(SnapshotRef { id, epoch, len_bytes, generation, time: NOW, tags: vec![] });
    });
    id.into_inner()
}

#[test]
fn a_snapshot_that_unfolds_without_end_ends_every_question() {
    let copy = Copy::whole();
    let chunk = unfold_without_end(&copy);
    let (code, shown) = copy.show(&["object", &chunk]);
    let paths = shown[0]["paths"].as_array().unwrap();
    assert_eq!((code, paths.len(), &paths[3]["more"]), (0, 4, &true.into()));
    assert_eq!(paths[0]["path"], format!("{}/f", "/a".repeat(LEVELS)));
    let pack = shown[0]["copies"][0]["pack"].as_str().unwrap();
    assert_eq!(copy.show(&["why", pack]).0, 0);
    assert_eq!(copy.show(&["reach"]).0, 0);
    let deepest = format!("{}/f", "/a".repeat(LEVELS));
    assert_eq!(copy.show(&["chunks", &deepest]).0, 0);
    let (code, shown) = copy.show(&["sizes", "/a", "--depth", "3"]);
    assert_eq!(code, 13, "{shown:?}");
    assert!(shown[0]["problems"][0].as_str().unwrap().contains("more entries than it says"), "{shown:?}");
    let row = &shown[0]["entries"][0];
    assert_eq!(row["stored_bytes"], row["shared_bytes"], "`b` names all of it, too");
    assert_eq!(row["objects"], LEVELS + 1, "each object once: forty directories and the chunk");
}
