//! The fixture with what deletion and repacking leave in a store: dead packs, condemned ones, a recipe, a target, orphans.

use std::sync::Arc;

use chunkstore::base::{DedupGeneration, PackHash, RecipeHash, StoreId, Timestamp};
use chunkstore::disk::{Disk, OsDisk};
use chunkstore::format::Kind;
use chunkstore::format::manifest::{CondemnedPack, PackRef, RecipeRef};
use chunkstore::format::recipe::{Recipe, RecipeStep};
use chunkstore::ops::local_keys::KeyDir;
use chunkstore::store::object::{Sealer, pointer_to};
use chunkstore::store::writer::PackWriter;
use chunkstore::store::{self, Basis, Next, Store, layout, pack::create_immutable};

use super::copy::{Copy, STORE};

pub const NOW: Timestamp = Timestamp(1_800_000_000_000_000_000);

/// A copy with: generation 16, which adds two dead packs, one of them by a recipe; 17, which condemns the second; `pending`
/// with one pack more; a pack, a manifest and a key file that nothing names. The chain of 17 has three manifests.
pub struct Grown {
    pub copy: Copy,
    /// Listed, and nothing in it is live.
    pub dead: PackRef,
    /// Condemned by the newest generation, listed by the one before.
    pub condemned: PackRef,
    /// Named by `pending` alone.
    pub ahead: PackRef,
    /// The file of the recipe of `dead`.
    pub recipe: String,
}

/// Writes a pack of one chunk that nothing names.
fn dead_pack(store: &Store, copy: &Copy, disk: &dyn Disk, content: &[u8]) -> PackRef {
    let writer = writer(copy);
    let (keys, _) = store.unlock_writer(&[writer.identity]).unwrap();
    let maker = keys.key_maker(DedupGeneration(1)).unwrap();
    let mut sealer = Sealer::new(store.id(), 1).unwrap();
    let pointer = pointer_to(&keys.reader, &maker, Kind::Chunk, content);
    let sealed = sealer.seal(Kind::Chunk, pointer.id, maker.generation(), &pointer.key, content).unwrap();
    let index_key = keys.reader.index_key(keys.reader.epoch()).unwrap();
    let mut packs = PackWriter::new(disk, store.id(), keys.reader.epoch(), index_key, Some(store.packs()));
    packs.put(sealed).unwrap();
    packs.finish().unwrap().packs[0]
}

pub fn writer(copy: &Copy) -> chunkstore::ops::local_keys::WriterKey {
    let keys = KeyDir::new(&copy.dir.path().join("keys"), STORE.parse().unwrap());
    keys.load_writer(&|_| panic!("no passphrase")).unwrap().unwrap()
}

/// Commits what `change` makes of the next state; `change` may write files first.
pub fn commit(copy: &Copy, change: &dyn Fn(&Store, &dyn Disk, &mut Next)) {
    let disk: Arc<dyn Disk> = Arc::new(OsDisk::open(&copy.store()).unwrap());
    let store = Store::open(Arc::clone(&disk)).unwrap();
    let writer = writer(copy);
    let signer = writer.signer();
    let (keys, unlocked) = store.unlock_writer(&[writer.identity]).unwrap();
    let mut next = Next::following(store.packs(), unlocked.sealed, NOW);
    change(&store, disk.as_ref(), &mut next);
    let basis = Basis { store: store.id(), trust: store.trust(), current: Some((store.head(), store.packs())) };
    store::commit(disk.as_ref(), &basis, &keys.reader, &signer, next).unwrap();
}

fn write_recipe(disk: &dyn Disk, store: StoreId, pack: &PackRef, source: PackHash) -> RecipeRef {
    let len_bytes = 64;
    let steps = vec![
        RecipeStep::Copy { source: 0, offset: 0, len_bytes },
        RecipeStep::Fetch { len_bytes: pack.len_bytes - len_bytes },
    ];
    let (pack, pack_len_bytes) = (pack.hash, pack.len_bytes);
    let bytes = Recipe { clash_counter: 0, pack, pack_len_bytes, sources: vec![source], steps }.encode(store);
    let recipe = RecipeHash(*blake3::hash(&bytes).as_bytes());
    create_immutable(disk, &layout::recipe(&recipe), &bytes).unwrap();
    RecipeRef { pack, recipe, len_bytes: bytes.len() as u64 }
}

impl Grown {
    pub fn new() -> Self {
        let copy = Copy::whole();
        commit(&copy, &|_, _, _| {});
        commit(&copy, &|_, _, _| {});
        let made = std::cell::RefCell::new(Vec::new());
        commit(&copy, &|store, disk, next| {
            let (dead, condemned) =
                (dead_pack(store, &copy, disk, b"dead"), dead_pack(store, &copy, disk, b"condemned"));
            let recipe = write_recipe(disk, store.id(), &dead, store.packs().packs()[0].hash);
            made.borrow_mut().extend([dead, condemned]);
            (next.added, next.recipes) = (vec![dead, condemned], vec![recipe]);
        });
        commit(&copy, &|_, _, next| {
            let condemned = made.borrow()[1];
            next.removed = vec![condemned.hash];
            next.condemned = vec![CondemnedPack { hash: condemned.hash, len_bytes: condemned.len_bytes, since: NOW }];
        });
        let head = std::fs::read(copy.store().join("HEAD")).unwrap();
        let oldest = std::fs::read(copy.store().join("heads/00000014")).unwrap();
        commit(&copy, &|store, disk, next| {
            let ahead = dead_pack(store, &copy, disk, b"ahead");
            made.borrow_mut().push(ahead);
            next.added = vec![ahead];
        });
        std::fs::rename(copy.store().join("HEAD"), copy.store().join("pending")).unwrap();
        std::fs::remove_file(copy.store().join("heads/00000018")).unwrap();
        std::fs::write(copy.store().join("HEAD"), head).unwrap();
        std::fs::write(copy.store().join("heads/00000014"), oldest).unwrap();
        for orphan in ["packs/AB/CDEF0123.456", "manifests/00000000.000", "keys/00000001/DEADBEEF.age"] {
            std::fs::write(copy.store().join(orphan), b"nobody names it").unwrap();
        }
        let [dead, condemned, ahead] = made.into_inner()[..] else { panic!("three packs were made") };
        let disk = OsDisk::open(&copy.store()).unwrap();
        let store = Store::open(Arc::new(disk)).unwrap();
        let recipe = layout::recipe(&store.packs().recipes[0].recipe).to_string();
        Self { copy, dead, condemned, ahead, recipe }
    }
}
