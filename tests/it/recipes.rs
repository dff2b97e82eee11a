//! Repacked packs are made of what a key holds.

use chunkstore::base::{PackHash, StorePath};
use chunkstore::error::ErrorKind;
use chunkstore::format::manifest::PackRef;
use chunkstore::remote::mem::{Fault, MemRemote, Rule};
use chunkstore::store::grace::REMOTE_SECS;
use chunkstore::store::layout;

use super::env::{Key, Publisher, damage, kind};
use crate::repack::Repacker;

const KIB: usize = 1 << 10;

/// A publisher that repacks, and what a key of its first generation has.
pub struct Repacked {
    pub publisher: Publisher,
    pub remote: MemRemote,
    pub key: Key,
}

impl Repacked {
    /// Three packs of 2 MiB on the publisher and on a key.
    pub fn new() -> Self {
        let publisher = Publisher::new(1);
        for _ in 0..3 {
            repacker(&publisher, |repacker| drop(repacker.commit(32, 64 * KIB)));
        }
        let remote = publisher.remote();
        let key = Key::of(&publisher, &remote);
        Self { publisher, remote, key }
    }

    fn repack(&self) {
        repacker(&self.publisher, |repacker| drop(repacker.repack(REMOTE_SECS)));
        self.publisher.plant(&self.remote);
    }

    fn only_pack(&self) -> PackRef {
        let packs = self.publisher.open().packs().packs().to_vec();
        assert_eq!(packs.len(), 1);
        packs[0]
    }

    fn recipe_path(&self, pack: &PackHash) -> StorePath {
        layout::recipe(&self.publisher.open().packs().recipe(pack).unwrap().recipe)
    }

    fn assert_synced(&self) {
        self.key.assert_holds(self.publisher.open().head());
    }
}

pub fn repacker<T>(publisher: &Publisher, act: impl FnOnce(&Repacker<'_>) -> T) -> T {
    let (keys, now) = (publisher.keys(), publisher.world.run().clock.now());
    act(&Repacker { disk: &publisher.disk, keys: &keys, random: &publisher.world.random, now })
}

#[test]
fn a_key_that_holds_the_old_packs_fetches_a_twentieth_of_a_repacked_one() {
    let mut scene = Repacked::new();
    scene.repack();
    let synced = scene.key.sync(&scene.remote).unwrap();
    let pack = scene.only_pack();
    let counts = scene.remote.counts();
    assert!(counts.fetched_bytes <= pack.len_bytes / 20, "{counts:?} of {}", pack.len_bytes);
    assert_eq!(counts.fetches, 5, "HEAD, the manifest, the recipe, the beginning and the end of the pack");
    assert_eq!((synced.packs_fetched, synced.fetched_bytes), (1, counts.fetched_bytes));
    assert!(synced.reused_bytes >= pack.len_bytes * 19 / 20 && synced.reused_bytes < pack.len_bytes);
    scene.assert_synced();
    assert!(scene.key.world.monitor.notes().is_empty());
    // The key may be another's origin.
    assert!(scene.key.disk.metadata(&scene.recipe_path(&pack.hash)).unwrap().is_some());
    // With nothing new there is nothing to look for.
    scene.remote.reset_counts();
    assert!(!scene.key.sync(&scene.remote).unwrap().changed);
    assert_eq!(scene.remote.counts().fetches, 1);
}

#[test]
fn a_key_that_is_two_repacks_behind_goes_through_both_recipes() {
    let mut scene = Repacked::new();
    scene.repack();
    repacker(&scene.publisher, |repacker| drop(repacker.commit(16, 64 * KIB)));
    scene.repack();
    let synced = scene.key.sync(&scene.remote).unwrap();
    let (pack, unknown) = (scene.only_pack(), 8 * 64 * KIB as u64);
    let fetched = scene.remote.counts().fetched_bytes;
    assert!(fetched >= unknown && fetched <= unknown + pack.len_bytes / 20, "{fetched} of {}", pack.len_bytes);
    assert!(synced.reused_bytes > pack.len_bytes / 2);
    scene.assert_synced();
    // A third time with nothing new in between, from the very first packs.
    let mut scene = Repacked::new();
    (0..3).for_each(|_| scene.repack());
    scene.key.sync(&scene.remote).unwrap();
    let (fetched, len_bytes) = (scene.remote.counts().fetched_bytes, scene.only_pack().len_bytes);
    assert!(fetched <= len_bytes / 10, "{fetched} of {len_bytes}, with three manifests and recipes");
    scene.assert_synced();
}

#[test]
fn a_source_that_rotted_or_does_not_read_costs_the_whole_pack() {
    for is_missing in [false, true] {
        let mut scene = Repacked::new();
        let source = scene.publisher.open().packs().packs()[1];
        scene.repack();
        if is_missing {
            scene.key.disk.remove(&layout::pack(&source.hash)).unwrap();
        } else {
            damage(&scene.key.path(), &layout::pack(&source.hash), |bytes| bytes[100 * KIB] ^= 1);
        }
        scene.key.sync(&scene.remote).unwrap();
        scene.assert_synced();
        let (fetched, pack) = (scene.remote.counts().fetched_bytes, scene.only_pack());
        let notes = scene.key.world.monitor.notes();
        if is_missing {
            // What the other two hold is copied all the same.
            assert!(fetched < pack.len_bytes / 2 && notes.is_empty(), "{fetched} of {}, {notes:?}", pack.len_bytes);
        } else {
            assert!(fetched > pack.len_bytes, "{fetched} of {}", pack.len_bytes);
            assert!(notes.len() == 1 && notes[0].contains("is fetched and not made of older packs"), "{notes:?}");
        }
    }
}

#[test]
fn a_recipe_that_cannot_be_had_costs_a_note_and_the_whole_pack() {
    let faults = [Fault::NotFound, Fault::FlipBit { offset: 40 }, Fault::Truncate { after_bytes: 50 }, Fault::Endless];
    for fault in faults {
        let mut scene = Repacked::new();
        scene.repack();
        let pack = scene.only_pack();
        scene.remote.script(Rule::always(fault.clone()).at(&scene.recipe_path(&pack.hash)));
        scene.key.sync(&scene.remote).unwrap();
        scene.assert_synced();
        assert!(scene.remote.counts().fetched_bytes > pack.len_bytes);
        let notes = scene.key.world.monitor.notes();
        assert!(notes.len() == 1 && notes[0].contains("recipe"), "{fault:?}: {notes:?}");
        assert!(scene.key.disk.metadata(&scene.recipe_path(&pack.hash)).unwrap().is_none());
        // A key that lacks one is none the worse.
        assert!(!scene.key.sync(&scene.remote).unwrap().changed);
    }
}

// U5
#[test]
fn a_rebuild_that_is_cut_off_goes_on_where_it_was() {
    let mut scene = Repacked::new();
    scene.repack();
    let pack = scene.only_pack();
    let path = layout::pack(&pack.hash);
    // The beginning comes; what follows is copied; the line is dead when the end is asked for.
    scene.remote.script(Rule::once(Fault::Stall { after_bytes: 1 << 20 }).at(&path));
    scene.remote.script(Rule::always(Fault::Reset { after_bytes: 0 }).at(&path));
    assert_eq!(kind(scene.key.sync(&scene.remote)), ErrorKind::Remote);
    let left = scene.key.disk.metadata(&path).unwrap().unwrap().len_bytes;
    assert!(left > pack.len_bytes * 9 / 10 && left < pack.len_bytes, "{left}");
    scene.remote.heal();
    scene.remote.reset_counts();
    let synced = scene.key.sync(&scene.remote).unwrap();
    assert!(scene.remote.counts().fetched_bytes <= pack.len_bytes / 20);
    assert!(synced.reused_bytes > pack.len_bytes * 9 / 10 && synced.reused_bytes < pack.len_bytes);
    scene.assert_synced();
}
