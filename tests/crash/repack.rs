//! What `gc` does with mostly dead packs, by hand: packs of many objects, and new ones of the frames that are still alive.

use std::path::Path;
use std::sync::Arc;

use chunkstore::base::random::Random;
use chunkstore::base::{DedupGeneration, Timestamp};
use chunkstore::disk::Disk;
use chunkstore::format::head::SignedHead;
use chunkstore::format::manifest::{CondemnedPack, PackRef, RecipeRef};
use chunkstore::format::{Class, Kind};
use chunkstore::ops::local_keys::KeyDir;
use chunkstore::store::keyring::WriterKeys;
use chunkstore::store::object::{SealedObject, Sealer, pointer_to};
use chunkstore::store::pack::{PackBuilder, create_immutable, read_exactly, read_index};
use chunkstore::store::recipe::{Copied, recipe_of, write_recipe};
use chunkstore::store::{self, Basis, Next, Store, grace, layout};

/// A publisher that repacks.
pub struct Repacker<'a> {
    pub disk: &'a Arc<dyn Disk>,
    pub keys: &'a Path,
    pub random: &'a dyn Random,
    pub now: Timestamp,
}

/// What a generation changes.
#[derive(Default)]
struct Change {
    added: Vec<PackRef>,
    removed: Vec<PackRef>,
    recipes: Vec<RecipeRef>,
    grace_secs: i64,
}

impl Repacker<'_> {
    /// Commits one pack with this many objects of that length.
    pub fn commit(&self, count: usize, len: usize) -> SignedHead {
        self.publish(|store, keys| {
            let maker = keys.key_maker(DedupGeneration(1)).unwrap();
            let mut sealer = Sealer::new(store.id(), 1).unwrap();
            let mut builder = PackBuilder::new(store.id(), Class::Data, keys.reader.epoch());
            for _ in 0..count {
                let mut plain = vec![0; len];
                self.random.fill(&mut plain);
                let pointer = pointer_to(&keys.reader, &maker, Kind::Chunk, &plain);
                builder.push(sealer.seal(Kind::Chunk, pointer.id, maker.generation(), &pointer.key, &plain).unwrap());
            }
            Change { added: vec![self.write(keys, builder).0], ..Change::default() }
        })
    }

    /// Repacks everything into one pack, without every second object, and condemns what was there.
    pub fn repack(&self, grace_secs: i64) -> SignedHead {
        self.repack_these(grace_secs, |_| true)
    }

    /// Repacks some packs, by their place, in the same way.
    pub fn repack_these(&self, grace_secs: i64, picks: impl Fn(usize) -> bool) -> SignedHead {
        self.publish(|store, keys| {
            let mut builder = PackBuilder::new(store.id(), Class::Data, keys.reader.epoch()).in_order();
            let mut from = Vec::new();
            let packs = store.packs().packs().iter().enumerate();
            let removed: Vec<_> = packs.filter(|(at, _)| picks(*at)).map(|(_, pack)| *pack).collect();
            for pack in &removed {
                let index_key = |epoch| keys.reader.index_key(epoch);
                let file = self.disk.open(&layout::pack(&pack.hash)).unwrap();
                let entries = read_index(self.disk.as_ref(), store.id(), pack, &index_key).unwrap();
                for (offset, entry) in entries.into_iter().step_by(2) {
                    let frame = read_exactly(file.as_ref(), offset, entry.sealed_len_bytes, "a pack").unwrap();
                    builder.push(SealedObject { entry, frame });
                    from.push((pack.hash, offset));
                }
            }
            let (added, places) = self.write(keys, builder);
            let copied = from.into_iter().zip(places).map(|((source, source_offset), (offset, len_bytes))| Copied {
                offset,
                source,
                source_offset,
                len_bytes,
            });
            let recipe = recipe_of(added.hash, added.len_bytes, &copied.collect::<Vec<_>>());
            let recipes = vec![write_recipe(self.disk.as_ref(), store.id(), recipe).unwrap()];
            Change { added: vec![added], removed, recipes, grace_secs }
        })
    }

    /// Writes a pack; returns also where its frames lie.
    fn write(&self, keys: &WriterKeys, builder: PackBuilder) -> (PackRef, Vec<(u64, u64)>) {
        let index_key = keys.reader.index_key(keys.reader.epoch()).unwrap();
        let built = builder.finish(&index_key, &|_| false).unwrap();
        create_immutable(self.disk.as_ref(), &layout::pack(&built.listed.hash), &built.bytes).unwrap();
        self.disk.sync_dir(&layout::pack_dir(built.listed.hash.0[0])).unwrap();
        let places = built.entries.iter().map(|(offset, entry)| (*offset, entry.sealed_len_bytes)).collect();
        (built.listed, places)
    }

    fn publish(&self, change: impl FnOnce(&Store, &WriterKeys) -> Change) -> SignedHead {
        let store = Store::open(Arc::clone(self.disk)).unwrap();
        let writer = KeyDir::new(self.keys, store.id()).load_writer(&|_| unreachable!()).unwrap().unwrap();
        let signer = writer.signer();
        let (keys, unlocked) = store.unlock_writer(&[writer.identity]).unwrap();
        let Change { added, removed, recipes, grace_secs } = change(&store, &keys);
        let since = grace::condemned_since(self.now, grace_secs);
        let mut next = Next::following(store.packs(), unlocked.sealed, self.now);
        let condemned = removed.iter().map(|pack| CondemnedPack { hash: pack.hash, len_bytes: pack.len_bytes, since });
        next.condemned.extend(condemned);
        let removed = removed.iter().map(|pack| pack.hash).collect();
        let next = Next { added, removed, recipes, ..next };
        let basis = Basis { store: store.id(), trust: store.trust(), current: Some((store.head(), store.packs())) };
        store::commit(self.disk.as_ref(), &basis, &keys.reader, &signer, next).unwrap()
    }
}
