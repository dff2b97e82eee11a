//! One legal value of each kind, from fixed secrets, and how each kind is read and written again.

use std::sync::Mutex;

use chunkstore::base::*;
use chunkstore::chunker::Chunker;
use chunkstore::crypto::sign::{Purpose as Signed, SignKey};
use chunkstore::crypto::{Secret, seal};
use chunkstore::format::attributes::{
    decode_attributes, decode_birth, decode_holes, encode_attributes, encode_birth, encode_holes,
};
use chunkstore::format::codec::{Decoder, Encoder};
use chunkstore::format::head::{Group, Head, SignedHead};
use chunkstore::format::index::{IndexEntry, IndexPart};
use chunkstore::format::keylist::{KeyEntry, KeyList, KeyRole, KeyTag};
use chunkstore::format::list::{ListChild, ListNode};
use chunkstore::format::manifest::{Base, CondemnedPack, FileKind, FileRef, KeyShards, Manifest, PackRef, RecipeRef};
use chunkstore::format::marker::Marker;
use chunkstore::format::order::{OrderFile, decode_objects, decode_snapshots, encode_objects, encode_snapshots};
use chunkstore::format::pack::{PackHeader, decode_index, encode_index};
use chunkstore::format::receipt::{Receipt, SignedReceipt};
use chunkstore::format::recipe::{Recipe, RecipeStep};
use chunkstore::format::roster::{Holder, RosterFile, decode_holders, encode_holders};
use chunkstore::format::sealed::{ChunkerParameters, IndexRef, SealedPart, SnapshotRef};
use chunkstore::format::snapshot::{Conflict, Parent, Snapshot, Totals};
use chunkstore::format::tree::{Child, Content, Entry, Meta, Node, TreeNode};
use chunkstore::format::trust::{SignedTrust, Trust, Writer};
use chunkstore::format::{Class, Codec, Extent, FormatError, Kind, Pointer};
use chunkstore::store::keyring::{KeyFileContent, WriterKeys, decode_key_file};
use chunkstore::store::object::{Opener, Purpose, SealedObject, Sealer, open_outer, pointer_to, seal_outer};
use chunkstore::store::pack::PackBuilder;

use super::Vector;

pub const STORE: StoreId = StoreId([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
const CHUNK: &[u8] = b"hello, key\n";

/// Gives 00 01 02 ... for ever.
struct Counting(Mutex<u8>);

impl Random for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        let mut next = self.0.lock().unwrap();
        for byte in buffer {
            *byte = *next;
            *next = next.wrapping_add(1);
        }
    }
}

/// Store secret 00 to 1f, epoch secret 20 to 3f, dedup secret 40 to 5f.
fn keys() -> WriterKeys {
    WriterKeys::generate(STORE, &Counting(Mutex::new(0)))
}

fn run<const N: usize>(first: u8) -> [u8; N] {
    std::array::from_fn(|at| first.wrapping_add(at as u8))
}

fn signer(first: u8) -> SignKey {
    SignKey::from_seed(&Secret::from_bytes(run(first)))
}

fn root_key() -> Secret {
    keys().reader.root_key(Epoch(1)).unwrap()
}

fn index_key() -> Secret {
    keys().reader.index_key(Epoch(1)).unwrap()
}

const TIME: Timestamp = Timestamp(1_800_000_000_123_456_789);

pub fn pointer(kind: Kind, plaintext: &[u8]) -> Pointer {
    let keys = keys();
    pointer_to(&keys.reader, &keys.key_maker(DedupGeneration(1)).unwrap(), kind, plaintext)
}

pub fn head() -> Head {
    Head {
        inner_version: 1,
        store: STORE,
        generation: Generation(7),
        manifest: ManifestHash(run(0x10)),
        manifest_len_bytes: 1234,
        trust_version: 1,
        trust: TrustHash(run(0x30)),
        writer: signer(0x60).public(),
        previous: vec![HeadHash(run(0x50))],
        time: TIME,
        expires: TIME.plus_secs(90 * 86_400),
        group: Group::all(),
        floor: Generation(0),
        epoch: Epoch(1),
        commitment: keys().reader.commitment(Epoch(1)).unwrap(),
    }
}

pub fn sign_head(head: Head) -> Vec<u8> {
    let signature = signer(0x60).sign(Signed::Head, &head.encode_body());
    SignedHead::new(head, signature).bytes().to_vec()
}

pub fn receipt() -> Receipt {
    Receipt {
        store: STORE,
        replica: ReplicaId(run(0x70)),
        generation: Generation(7),
        head: HeadHash(run(0x50)),
        reached: Some(TIME),
        time: TIME.plus_secs(2),
        outcome: "done".into(),
        free_bytes: Some(12_000_000_000),
        problems: 0,
        tag: Some(KeyTag([0x12, 0xab, 0xff, 0])),
        program: "chunkstore 1.0".into(),
        purge: Generation(5),
        key: signer(0xc0).public(),
    }
}

/// What a key says that knows little and met trouble.
fn short_receipt() -> Receipt {
    let outcome = "damaged".into();
    Receipt { reached: None, free_bytes: None, tag: None, purge: Generation(0), problems: 3, outcome, ..receipt() }
}

pub fn sign_receipt(receipt: Receipt) -> Vec<u8> {
    let signature = signer(0xc0).sign(Signed::Receipt, &receipt.encode_body());
    SignedReceipt::new(receipt, signature).bytes().to_vec()
}

pub fn trust() -> Trust {
    Trust {
        store: STORE,
        version: 1,
        previous: None,
        time: TIME,
        expires: TIME.plus_secs(730 * 86_400),
        floor: Generation(0),
        threshold: 2,
        roots: vec![signer(0x80).public(), signer(0xa0).public()],
        writers: vec![Writer {
            key: signer(0x60).public(),
            recipient: "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa".into(),
        }],
    }
}

pub fn sign_trust(trust: Trust) -> Vec<u8> {
    let signers = [signer(0x80), signer(0xa0)];
    let body = trust.encode_body();
    let signatures = signers.iter().map(|root| (root.public(), root.sign(Signed::Trust, &body))).collect();
    SignedTrust::new(trust, signatures).bytes().to_vec()
}

pub fn pack_ref(first: u8, class: Class) -> PackRef {
    PackRef { hash: PackHash(run(first)), len_bytes: 16_777_216, class, set_label: 0 }
}

pub fn manifest() -> Manifest {
    let sealed = seal_outer(STORE, Purpose::Manifest, &root_key(), &sealed_part().encode(512)).unwrap();
    Manifest {
        clash_counter: 0,
        generation: Generation(7),
        base: Some(Base { depth: 1, hash: ManifestHash(run(0x40)), len_bytes: 4096 }),
        removed: vec![PackHash(run(0x21)), PackHash(run(0x22))],
        added: vec![pack_ref(0x31, Class::Data), pack_ref(0x32, Class::Meta)],
        condemned: [0x21, 0x22]
            .map(|at| CondemnedPack { hash: PackHash(run(at)), len_bytes: 4096, since: TIME })
            .into(),
        recipes: vec![
            RecipeRef { pack: PackHash(run(0x31)), recipe: RecipeHash(run(0x51)), len_bytes: 150 },
            RecipeRef { pack: PackHash(run(0x32)), recipe: RecipeHash(run(0x50)), len_bytes: 160 },
        ],
        heads: vec![(Generation(5), HeadHash(run(0x60))), (Generation(6), HeadHash(run(0x50)))],
        key_lists: vec![KeyShards {
            epoch: Epoch(1),
            shards: vec![(KeyListHash(run(0x70)), 84), (KeyListHash(run(0x71)), 128)],
        }],
        sealed: (Epoch(1), sealed),
        // A kind of a later version is carried as well.
        files: [(1, 0x82), (1, 0x83), (3, 0x81), (9, 0x80)]
            .map(|(kind, at)| FileRef { kind: FileKind(kind), len_bytes: 700, hash: FileHash(run(at)) })
            .into(),
    }
}

pub fn full_manifest() -> Manifest {
    Manifest {
        base: None,
        removed: Vec::new(),
        condemned: Vec::new(),
        recipes: Vec::new(),
        files: Vec::new(),
        ..manifest()
    }
}

pub fn sealed_part() -> SealedPart {
    SealedPart {
        // Not the default, which may change while these bytes stay.
        chunker: ChunkerParameters { level: 3, min_bytes: 64 << 10, avg_bytes: 256 << 10, max_bytes: 1 << 20 },
        dedup_generation: DedupGeneration(1),
        snapshots: vec![SnapshotRef {
            id: ObjectId(run(0x90)),
            epoch: Epoch(1),
            len_bytes: 300,
            generation: Generation(7),
            time: TIME,
            tags: vec!["v1".into()],
        }],
        indexes: vec![IndexRef {
            pointer: pointer(Kind::Index, &index_part().encode()),
            pack: PackHash(run(0x32)),
            offset: 64,
            sealed_len_bytes: 200,
            codec: Codec::Stored,
        }],
        older_epochs: Vec::new(),
        index_keys: Vec::new(),
        extensions: vec![(1, b"kept".to_vec())],
    }
}

pub fn sealed_chunk(plaintext: &[u8]) -> SealedObject {
    let pointer = pointer(Kind::Chunk, plaintext);
    let mut sealer = Sealer::new(STORE, 3).unwrap();
    sealer.seal(Kind::Chunk, pointer.id, pointer.dedup_generation, &pointer.key, plaintext).unwrap()
}

fn pack() -> Vec<u8> {
    let mut builder = PackBuilder::new(STORE, Class::Data, Epoch(1));
    [CHUNK, b"second chunk"].into_iter().for_each(|plaintext| builder.push(sealed_chunk(plaintext)));
    builder.finish(&index_key(), &|_| false).unwrap().bytes
}

pub fn pack_header() -> Vec<u8> {
    pack()[..64].to_vec()
}

fn pack_index_sealed() -> Vec<u8> {
    let pack = pack();
    let header = PackHeader::decode(&pack[..64], STORE).unwrap();
    pack[header.index_offset() as usize..].to_vec()
}

pub fn pack_index() -> Vec<u8> {
    open_outer(STORE, Purpose::PackIndex, &index_key(), "", &pack_index_sealed()).unwrap()
}

pub fn key_list() -> KeyList {
    let entry = |tag, role, first| KeyEntry { tag: KeyTag(tag), role, len_bytes: 420, hash: run(first) };
    KeyList {
        clash_counter: 0,
        epoch: Epoch(1),
        shard: 1,
        shards: 2,
        entries: vec![entry([0x8a, 0, 0, 1], KeyRole::Reader, 0x10), entry([0xff, 2, 3, 4], KeyRole::Writer, 0x20)],
    }
}

pub fn holders() -> Vec<Holder> {
    let reader = Holder {
        tag: KeyTag([0x8a, 0, 0, 0]),
        role: KeyRole::Reader,
        recipient: "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p".into(),
        identity: Vec::new(),
        name: "ada".into(),
        note: "the blue key".into(),
        added: TIME,
        since: Epoch(1),
        until: Some(Epoch(2)),
        extensions: vec![(1, b"kept".to_vec())],
    };
    let (tag, role, name, until) = (KeyTag([0xff, 2, 3, 4]), KeyRole::Writer, "publisher".into(), None);
    let writer =
        Holder { tag, role, name, until, identity: b"an age file".to_vec(), extensions: Vec::new(), ..reader.clone() };
    vec![reader, writer]
}

pub fn encoded_holders(holders: &[Holder], len: usize) -> Vec<u8> {
    encode_holders(&holders.iter().collect::<Vec<_>>(), len)
}

/// A file of 512 bytes, whose header takes 40 and whose seal as many.
pub fn roster() -> RosterFile {
    let key = keys().roster_key(DedupGeneration(1)).unwrap();
    let frame = seal_outer(STORE, Purpose::Roster, &key, &encoded_holders(&holders(), 432)).unwrap();
    RosterFile { clash_counter: 0, shard: 1, shards: 2, dedup_generation: DedupGeneration(1), frame }
}

pub fn order_snapshots() -> Vec<(ObjectId, ObjectId)> {
    vec![(ObjectId(run(0x10)), ObjectId(run(0x91))), (ObjectId(run(0x90)), ObjectId(run(0x92)))]
}

pub fn order_objects() -> Vec<ObjectId> {
    vec![ObjectId(run(0x11)), ObjectId(run(0x12))]
}

/// What is signed of the order; what it seals is padded to a PADME length.
pub fn order() -> OrderFile {
    let keys = keys();
    let (for_readers, for_writers) = (keys.reader.order_key(Epoch(1)), keys.order_key(DedupGeneration(1)));
    let seal = |purpose, key: &Secret, plain: &[u8]| seal_outer(STORE, purpose, key, plain).unwrap();
    OrderFile {
        clash_counter: 0,
        generation: Generation(7),
        part: 0,
        parts: 1,
        epoch: Epoch(1),
        dedup_generation: DedupGeneration(1),
        writer: signer(0x60).public(),
        packs: vec![PackHash(run(0x21)), PackHash(run(0x22))],
        snapshots: seal(Purpose::OrderSnapshots, &for_readers.unwrap(), &encode_snapshots(&order_snapshots(), 136)),
        objects: seal(Purpose::OrderObjects, &for_writers.unwrap(), &encode_objects(&order_objects(), 72)),
    }
}

pub fn encoded_order(order: &OrderFile) -> Vec<u8> {
    let body = order.encode_body(STORE);
    let signature = signer(0x60).sign(chunkstore::crypto::sign::Purpose::Order, &body);
    [&body[..], &signature].concat()
}

/// Reads an order and puts what was read together again.
fn read_order(bytes: &[u8]) -> Result<Vec<u8>, FormatError> {
    let (order, signature, _) = OrderFile::decode(bytes, STORE)?;
    Ok([&order.encode_body(STORE)[..], &signature].concat())
}

/// A sealed part after a purge.
pub fn sealed_part_cut() -> SealedPart {
    let index_keys =
        vec![(Epoch(1), zeroize::Zeroizing::new(run(0xa0))), (Epoch(2), zeroize::Zeroizing::new(run(0xc0)))];
    SealedPart { index_keys, extensions: vec![(1, b"kept".to_vec()), (5, b"kept, too".to_vec())], ..sealed_part() }
}

pub fn recipe() -> Recipe {
    Recipe {
        clash_counter: 0,
        pack: PackHash(run(0x31)),
        pack_len_bytes: 20_480,
        sources: vec![PackHash(run(0x21)), PackHash(run(0x22))],
        steps: vec![
            RecipeStep::Copy { source: 0, offset: 4096, len_bytes: 8192 },
            RecipeStep::Fetch { len_bytes: 4096 },
            RecipeStep::Copy { source: 1, offset: 0, len_bytes: 8192 },
        ],
    }
}

pub fn chunk_pointer() -> Pointer {
    pointer(Kind::Chunk, CHUNK)
}

fn encoded_pointer(pointer: &Pointer) -> Vec<u8> {
    let mut out = Encoder::new();
    pointer.put(&mut out);
    out.finish()
}

fn zeros() -> Vec<u8> {
    vec![0; 100_000]
}

fn frame(plaintext: &[u8]) -> Vec<u8> {
    let pointer = pointer(Kind::Chunk, plaintext);
    let sealed =
        Sealer::new(STORE, 3).unwrap().seal(Kind::Chunk, pointer.id, DedupGeneration(1), &pointer.key, plaintext);
    sealed.unwrap().frame
}

fn extents() -> Vec<Extent> {
    let (first, second) = (chunk_pointer(), pointer(Kind::Chunk, b"second chunk"));
    let extent = |chunk, offset, len_bytes| Extent { chunk, offset, len_bytes };
    vec![extent(first, 0, 11), extent(second, 3, 9), extent(first, 4, 2)]
}

pub fn list_leaf() -> ListNode {
    ListNode::Leaf(extents())
}

pub fn list_inner() -> ListNode {
    let leaf = pointer(Kind::List, &list_leaf().encode());
    ListNode::Inner(1, vec![ListChild { pointer: leaf, len_bytes: 22 }, ListChild { pointer: leaf, len_bytes: 22 }])
}

fn meta(mode: u32) -> Meta {
    Meta {
        mode,
        mtime_secs: -1,
        mtime_nanos: 999_999_999,
        uid: 1000,
        gid: 100,
        user: "ada".into(),
        group: "users".into(),
    }
}

pub fn entry(name: &str, file_id: u8, node: Node) -> Entry {
    Entry {
        name: EntryName::new(name.as_bytes()).unwrap(),
        file_id: FileId(run(file_id)),
        hard_linked: false,
        meta: meta(0o644),
        node,
        extensions: Vec::new(),
    }
}

/// Every type, a hard link under two names, slices of a shared chunk, an extension that may be ignored.
pub fn tree_leaf() -> TreeNode {
    let slice = |offset, len_bytes| Content::Inline(vec![Extent { chunk: chunk_pointer(), offset, len_bytes }]);
    let linked =
        |name| Entry { hard_linked: true, ..entry(name, 0x40, Node::File { len_bytes: 5, content: slice(0, 5) }) };
    let list = pointer(Kind::List, &list_leaf().encode());
    let mut last = entry("z", 0x48, Node::File { len_bytes: 3, content: slice(7, 3) });
    last.extensions = vec![(1, b"ignored and kept".to_vec())];
    TreeNode::Leaf(vec![
        entry("a-dir", 0x41, Node::Dir { tree: pointer(Kind::Tree, &TreeNode::Leaf(Vec::new()).encode()) }),
        entry("b-block", 0x42, Node::BlockDevice(0x0801)),
        entry("c-char", 0x43, Node::CharDevice(0x0103)),
        entry("d-fifo", 0x44, Node::Fifo),
        entry("e-socket", 0x45, Node::Socket),
        entry("f-link", 0x46, Node::Symlink { target: b"../elsewhere".to_vec() }),
        entry("g-empty", 0x47, Node::File { len_bytes: 0, content: Content::Inline(Vec::new()) }),
        linked("h-one"),
        linked("h-two"),
        entry("long", 0x49, Node::File { len_bytes: 22, content: Content::List(list) }),
        last,
    ])
}

fn attributes() -> Vec<u8> {
    let pairs = [(b"user.empty".to_vec(), Vec::new()), (b"user.note".to_vec(), b"kept".to_vec())];
    encode_attributes(&pairs).0.unwrap()
}

fn holes() -> Vec<u8> {
    encode_holes(&[(0, 4096), (8192, 1 << 20)]).unwrap()
}

/// The content is zeros, and complete for whoever passes over the hole.
fn tree_extended() -> TreeNode {
    let chunk = pointer(Kind::Chunk, &zeros());
    let content = Content::Inline(vec![Extent { chunk, offset: 0, len_bytes: 100_000 }]);
    let mut file = entry("sparse", 0x4a, Node::File { len_bytes: 100_000, content });
    let holes = encode_holes(&[(0, 100_000)]).unwrap();
    file.extensions = vec![(1, attributes()), (3, encode_birth(-1, 500_000_000)), (5, holes)];
    TreeNode::Leaf(vec![file])
}

pub fn tree_inner() -> TreeNode {
    let child = |name: &str, node: TreeNode, entries| Child {
        first: EntryName::new(name.as_bytes()).unwrap(),
        pointer: pointer(Kind::Tree, &node.encode()),
        entries,
    };
    TreeNode::Inner(
        1,
        vec![child("a-dir", tree_leaf(), 11), child("zz", TreeNode::Leaf(vec![entry("zz", 1, Node::Fifo)]), 1)],
    )
}

pub fn snapshot() -> Snapshot {
    let path = |text: &str| RelPath::new(text.as_bytes()).unwrap();
    Snapshot {
        root: pointer(Kind::Tree, &tree_leaf().encode()),
        root_file_id: FileId(run(0x40)),
        root_meta: meta(0o755),
        parents: vec![
            Parent { id: ObjectId(run(0x90)), epoch: Epoch(1), len_bytes: 300 },
            Parent { id: ObjectId(run(0x91)), epoch: Epoch(1), len_bytes: 301 },
        ],
        replica: ReplicaId(run(0xa0)),
        sequence: 3,
        epoch: Epoch(1),
        time: TIME,
        author: "ada@desk".into(),
        message: "both sides".into(),
        totals: Totals { files: 5, dirs: 1, others: 5, bytes: 35 },
        conflicts: vec![Conflict {
            path: path("plan.txt"),
            sides: vec![path("plan.txt"), path("plan (conflict a0a1a2a3 3).txt")],
        }],
        extensions: vec![(1, b"kept".to_vec())],
    }
}

pub fn index_part() -> IndexPart {
    let mut header = PackHeader::decode(&pack_header(), STORE).unwrap();
    header.clash_counter = 0;
    let mut entries: Vec<_> = decode_index(&pack_index(), &header)
        .unwrap()
        .into_iter()
        .map(|(offset, entry)| IndexEntry { pack: 1, offset, entry })
        .collect();
    entries.sort_by_key(|entry| (entry.entry.id, entry.entry.dedup_generation));
    IndexPart { packs: vec![PackHash(run(0x31)), PackHash(*blake3::hash(&pack()).as_bytes())], entries }
}

/// What the doc derives from the fixed secrets, worked out here with BLAKE3 alone.
fn derived() -> Vec<(String, String)> {
    let (store, epoch, dedup) = (run::<32>(0), run::<32>(0x20), run::<32>(0x40));
    let derive = |context, key: &[u8; 32]| blake3::derive_key(context, key);
    let root = derive("chunkstore 1 root", &epoch);
    let index = derive("chunkstore 1 pack index", &root);
    let id_key = derive("chunkstore 1 object id", &store);
    let maker = derive("chunkstore 1 object key", &dedup);
    let roster = derive("chunkstore 1 roster", &dedup);
    let order_objects = derive("chunkstore 1 order objects", &dedup);
    let order_snapshots = derive("chunkstore 1 order snapshots", &root);
    let id = blake3::keyed_hash(&id_key, &[&[1], CHUNK].concat());
    let key = blake3::keyed_hash(&maker, &[&[1], &id.as_bytes()[..]].concat());
    let commitment_key = derive("chunkstore 1 commitment", &epoch);
    let commitment = blake3::keyed_hash(&commitment_key, &[&STORE.0[..], &[1, 0, 0, 0], &store].concat());
    let boundary = derive("chunkstore 1 node boundary", &store);
    let file_id_key = derive("chunkstore 1 file id", &store);
    let file_input = [&run::<16>(0xa0)[..], &3u64.to_le_bytes(), &9u64.to_le_bytes(), b"a/b"].concat();
    let file_id = blake3::keyed_hash(&file_id_key, &file_input);

    let keys = keys();
    assert_eq!(root, *root_key().expose());
    assert_eq!(roster, *keys.roster_key(DedupGeneration(1)).unwrap().expose());
    assert_eq!(order_objects, *keys.order_key(DedupGeneration(1)).unwrap().expose());
    assert_eq!(order_snapshots, *keys.reader.order_key(Epoch(1)).unwrap().expose());
    assert_eq!(index, *index_key().expose());
    assert_eq!((*id.as_bytes(), *key.as_bytes()), (chunk_pointer().id.0, chunk_pointer().key.0));
    assert_eq!(*commitment.as_bytes(), keys.reader.commitment(Epoch(1)).unwrap());
    assert_eq!(boundary, *keys.reader.boundary_key().expose());
    assert_eq!(file_id.as_bytes()[..16], keys.reader.file_id(ReplicaId(run(0xa0)), 3, 9, b"a/b").0);
    [
        ("store-secret", hex::encode(store)),
        ("epoch-secret", hex::encode(epoch)),
        ("dedup-secret", hex::encode(dedup)),
        ("object-id-key", hex::encode(id_key)),
        ("object-key-maker", hex::encode(maker)),
        ("roster-key", hex::encode(roster)),
        ("order-objects-key", hex::encode(order_objects)),
        ("order-snapshots-key", hex::encode(order_snapshots)),
        ("root-key", hex::encode(root)),
        ("pack-index-key", hex::encode(index)),
        ("frame-order-key", hex::encode(derive("chunkstore 1 frame order", &index))),
        ("commitment-key", hex::encode(commitment_key)),
        ("commitment-of-epoch-1", hex::encode(commitment.as_bytes())),
        ("node-boundary-key", hex::encode(boundary)),
        ("file-id-key", hex::encode(file_id_key)),
        ("file-id-of-a0..af-3-9-a/b", hex::encode(&file_id.as_bytes()[..16])),
        ("chunk-id-of-hello-key", hex::encode(id.as_bytes())),
        ("chunk-key-of-hello-key", hex::encode(key.as_bytes())),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// Cut points of 4 MiB of the BLAKE3 stream that the note names, with the gear table of the fixed store secret.
fn cut_points() -> String {
    let mut stream = vec![0; 4 << 20];
    blake3::Hasher::new_derive_key("chunkstore 1 test stream").update(b"content").finalize_xof().fill(&mut stream);
    let chunker = Chunker::new(64 << 10, 256 << 10, 1 << 20, 3, &keys().reader.gear_table()).unwrap();
    let mut lens = Vec::new();
    let mut rest = &stream[..];
    while !rest.is_empty() {
        let len = chunker.cut(&rest[..rest.len().min(chunker.max_bytes())]);
        lens.push(len.to_string());
        rest = &rest[len..];
    }
    lens.join(",")
}

fn vector(name: &str, kind: &'static str, note: &str, bytes: Vec<u8>) -> Vector {
    Vector {
        name: name.to_owned(),
        kind,
        note: note.to_owned(),
        values: Vec::new(),
        expect: None,
        decoding_only: false,
        bytes,
    }
}

pub fn all() -> Vec<Vector> {
    let gear = keys().reader.gear_table();
    let mut vectors = outer();
    vectors.extend(inner());
    let mut table =
        vector("gear-table", "gear-table", "the 256 little-endian numbers of the gear table", gear.to_vec());
    table.values = vec![("blake3".into(), blake3::hash(&gear[..]).to_string()), ("cut-points".into(), cut_points())];
    let mut derived_keys = vector("derived", "nothing", "keys and ids from the fixed secrets", Vec::new());
    derived_keys.values = derived();
    vectors.extend([table, derived_keys]);
    vectors
}

fn outer() -> Vec<Vector> {
    let sealed = |plain: &[u8]| seal_outer(STORE, Purpose::Manifest, &root_key(), plain).unwrap();
    vec![
        vector("marker", "marker", "STORE", Marker { store: STORE }.encode()),
        vector("head", "head", "HEAD, signed by the writer of seed 60..7f", sign_head(head())),
        vector("trust", "trust", "trust/1, signed by the roots of seeds 80..9f and a0..bf", sign_trust(trust())),
        vector("manifest", "manifest", "a manifest of changes over a full one", manifest().encode(STORE)),
        vector("manifest-full", "manifest", "a full manifest", full_manifest().encode(STORE)),
        vector("sealed-part", "sealed-part", "the plaintext of a manifest's sealed part", sealed_part().encode(512)),
        vector("sealed-part-sealed", "sealed-part-sealed", "the same, sealed", sealed(&sealed_part().encode(512))),
        vector("pack", "pack", "a whole pack: two chunks", pack()),
        vector("pack-header", "pack-header", "its header", pack_header()),
        vector("pack-index", "pack-index", "the plaintext of its index", pack_index()),
        vector("pack-index-sealed", "pack-index-sealed", "its index, sealed", pack_index_sealed()),
        vector("key-list", "key-list", "a key list: shard 1 of 2", key_list().encode(STORE)),
        vector("recipe", "recipe", "a recipe", recipe().encode(STORE)),
        vector("receipt", "receipt", "a receipt, signed by the key of seed c0..df", sign_receipt(receipt())),
        vector("receipt-short", "receipt", "one without what need not stand", sign_receipt(short_receipt())),
        vector("roster", "roster", "a roster: shard 1 of 2", roster().encode(STORE)),
        vector("holders", "holders", "the plaintext of its sealed part", encoded_holders(&holders(), 432)),
        vector("order", "order", "a purge order, signed by the writer of seed 60..7f", encoded_order(&order())),
        vector(
            "order-snapshots",
            "order-snapshots",
            "what it says to readers",
            encode_snapshots(&order_snapshots(), 136),
        ),
        vector("order-objects", "order-objects", "what it says to writers", encode_objects(&order_objects(), 72)),
        vector("sealed-part-cut", "sealed-part", "a sealed part after a purge", sealed_part_cut().encode(0)),
        vector("reader-keys", "key-file", "what a reader's key file wraps", keys().reader.encode().as_bytes().to_vec()),
        vector("writer-keys", "key-file", "what a writer's key file wraps", keys().encode().as_bytes().to_vec()),
    ]
}

fn inner() -> Vec<Vector> {
    let mut zstd =
        vector("frame-zstd", "frame-zstd", "100,000 zeros as a chunk, compressed and sealed", frame(&zeros()));
    zstd.decoding_only = true;
    vec![
        vector("pointer", "pointer", "a pointer to the chunk 'hello, key' LF", encoded_pointer(&chunk_pointer())),
        vector("frame-stored", "frame", "the chunk 'hello, key' LF, stored and sealed", frame(CHUNK)),
        zstd,
        vector("list-leaf", "list", "three extents of two chunks", list_leaf().encode()),
        vector("list-inner", "list", "two children", list_inner().encode()),
        vector("tree-leaf", "tree", "every type of entry", tree_leaf().encode()),
        vector("extended-attributes", "extended-attributes", "two attributes, one without a value", attributes()),
        vector("time-of-birth", "time-of-birth", "half a second before 1970", encode_birth(-1, 500_000_000)),
        vector("holes", "holes", "the first 4 KiB, and 1 MiB from 8 KiB on", holes()),
        vector(
            "tree-extended",
            "tree",
            "a file that is a hole, with an attribute and a time of birth",
            tree_extended().encode(),
        ),
        vector("tree-empty", "tree", "an empty directory", TreeNode::Leaf(Vec::new()).encode()),
        vector("tree-inner", "tree", "two children", tree_inner().encode()),
        vector("snapshot", "snapshot", "a merge with a conflict", snapshot().encode()),
        vector("index-part", "index", "a merged index of the pack above", index_part().encode()),
    ]
}

fn open_frame(frame: &[u8], plaintext: &[u8], codec: Codec) -> Result<Vec<u8>, String> {
    let pointer = pointer(Kind::Chunk, plaintext);
    let opened = Opener::new(STORE).unwrap().open(&keys().reader, &pointer, codec, &mut frame.to_vec());
    let opened = opened.map_err(|error| format!("{error:?}"))?;
    assert_eq!(opened, plaintext);
    Ok(frame.to_vec())
}

fn read_pack_index(bytes: &[u8]) -> Result<Vec<u8>, FormatError> {
    let header = PackHeader::decode(&pack_header(), STORE)?;
    let entries: Vec<_> = decode_index(bytes, &header)?.into_iter().map(|(_, entry)| entry).collect();
    Ok(encode_index(&entries, bytes.len()))
}

fn read_pack(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let shown = |error: FormatError| format!("{error:?}");
    let header = PackHeader::decode(&bytes[..64], STORE).map_err(shown)?;
    assert_eq!(header.len_bytes, bytes.len() as u64);
    let index = again("pack-index-sealed", &bytes[header.index_offset() as usize..])?;
    let entries = decode_index(&open_outer(STORE, Purpose::PackIndex, &index_key(), "", &index).unwrap(), &header);
    for (offset, entry) in entries.map_err(shown)? {
        let frame = &bytes[offset as usize..][..entry.sealed_len_bytes as usize];
        assert_eq!(entry.sealed_len_bytes as usize, entry.len_bytes as usize + seal::OVERHEAD_BYTES);
        let plaintext = if offset == 64 { CHUNK } else { b"second chunk" };
        open_frame(frame, plaintext, entry.codec)?;
    }
    Ok(bytes.to_vec())
}

fn open_sealed(purpose: Purpose, key: &Secret, bytes: &[u8]) -> Result<Vec<u8>, String> {
    let plain = open_outer(STORE, purpose, key, "it", bytes).map_err(|error| format!("{error:?}"))?;
    Ok(seal_outer(STORE, purpose, key, &plain).unwrap())
}

fn read_key_file(bytes: &[u8]) -> Result<Vec<u8>, String> {
    match decode_key_file(bytes, STORE, Epoch(1)) {
        Ok(KeyFileContent::Reader(keys)) => Ok(keys.encode().as_bytes().to_vec()),
        Ok(KeyFileContent::Writer(keys)) => Ok(keys.encode().as_bytes().to_vec()),
        Err(error) => Err(format!("{error:?}")),
    }
}

fn read_pointer(bytes: &[u8]) -> Result<Vec<u8>, FormatError> {
    let mut input = Decoder::new("a pointer", bytes);
    let pointer = Pointer::get(&mut input, Kind::Chunk)?;
    input.end()?;
    Ok(encoded_pointer(&pointer))
}

/// Reads bytes as a kind and writes them again; the error as Rust shows it.
pub fn again(kind: &str, bytes: &[u8]) -> Result<Vec<u8>, String> {
    let read = match kind {
        "marker" => Marker::decode(bytes).map(|marker| marker.encode()),
        "head" => SignedHead::decode(bytes).map(|head| SignedHead::new(head.head, head.signature).bytes().to_vec()),
        "receipt" => {
            SignedReceipt::decode(bytes).map(|it| SignedReceipt::new(it.receipt, it.signature).bytes().to_vec())
        }
        "trust" => SignedTrust::decode(bytes).map(|it| SignedTrust::new(it.trust, it.signatures).bytes().to_vec()),
        "manifest" => Manifest::decode(bytes, STORE).map(|manifest| manifest.encode(STORE)),
        "sealed-part" => SealedPart::decode(bytes).map(|part| part.encode(bytes.len())),
        "pack-header" => PackHeader::decode(bytes, STORE).map(|header| header.encode(STORE)),
        "pack-index" => read_pack_index(bytes),
        "key-list" => KeyList::decode(bytes, STORE).map(|list| list.encode(STORE)),
        "roster" => RosterFile::decode(bytes, STORE).map(|file| file.encode(STORE)),
        "holders" => decode_holders(bytes).map(|holders| encoded_holders(&holders, bytes.len())),
        "order" => read_order(bytes),
        "order-snapshots" => decode_snapshots(bytes).map(|pairs| encode_snapshots(&pairs, bytes.len())),
        "order-objects" => decode_objects(bytes).map(|ids| encode_objects(&ids, bytes.len())),
        "recipe" => Recipe::decode(bytes, STORE).map(|recipe| recipe.encode(STORE)),
        "pointer" => read_pointer(bytes),
        "list" => ListNode::decode(bytes).map(|node| node.encode()),
        "tree" => TreeNode::decode(bytes).map(|node| node.encode()),
        "extended-attributes" => decode_attributes(bytes).map(|pairs| encode_attributes(&pairs).0.unwrap()),
        "time-of-birth" => decode_birth(bytes).map(|(secs, nanos)| encode_birth(secs, nanos)),
        "holes" => decode_holes(bytes, 2 << 20).map(|holes| encode_holes(&holes).unwrap()),
        "snapshot" => Snapshot::decode(bytes).map(|snapshot| snapshot.encode()),
        "index" => IndexPart::decode(bytes).map(|part| part.encode()),
        "pack" => return read_pack(bytes),
        "sealed-part-sealed" => return open_sealed(Purpose::Manifest, &root_key(), bytes),
        "pack-index-sealed" => return open_sealed(Purpose::PackIndex, &index_key(), bytes),
        "key-file" => return read_key_file(bytes),
        "frame" => return open_frame(bytes, CHUNK, Codec::Stored),
        "frame-zstd" => return open_frame(bytes, &zeros(), Codec::Zstd),
        _ => Ok(bytes.to_vec()),
    };
    read.map_err(|error| format!("{error:?}"))
}
