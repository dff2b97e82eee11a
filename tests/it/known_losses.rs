//! How programs of this kind lost data in garbage collection and repair: each such bug as a test of ours.

use std::sync::Arc;

use chunkstore::base::RelPath;
use chunkstore::disk::{Disk, LockKind};
use chunkstore::error::ErrorKind;
use chunkstore::format::Class;
use chunkstore::format::tree::Node;
use chunkstore::ops::Run;
use chunkstore::ops::gc::{GcRequest, gc};
use chunkstore::ops::open::{Reading, named_at};
use chunkstore::ops::repair::{RepairRequest, repair};
use chunkstore::store::{Store, layout};
use chunkstore::tree::read::Named;

use super::env::kind;
use super::gc::{StopsAfter, half_dead, two_weeks};
use super::handmade::{self, Hand};
use super::scene::{Scene, noise};

const MIB: usize = 1 << 20;

/// rustic's issue 392: a pack that held the same needed object several times was taken for unneeded and deleted.
#[test]
fn rustic_392_a_pack_that_holds_an_object_twice_is_needed() {
    let scene = Scene::new();
    scene.write("gone", &noise(9, MIB));
    scene.commit("week 1").unwrap();
    let bytes = noise(1, 50_000);
    handmade::commit(&scene, |hand: &mut Hand| {
        let entries = vec![hand.file("one", 1, &bytes), hand.file("two", 2, &bytes)];
        hand.repeat_last(2);
        hand.tree(entries)
    });
    let twice = scene.packs(Class::Data)[1];
    assert!(twice.len_bytes > 150_000, "the object is not there three times: {twice:?}");
    scene.forget_all_but(1);
    scene.gc_at_once();
    scene.gc_at_once();
    let content = scene.content("HEAD:/", "out");
    assert!(content.len() == 2 && content.values().all(|found| *found == bytes));
    scene.assert_sound();
    let left: u64 = scene.packs(Class::Data).iter().map(|pack| pack.len_bytes).sum();
    assert!(left < 70_000, "one copy is enough, and {left} bytes stayed");
}

/// borg's issue 9748: a compaction that was interrupted left an index that still named what it had deleted, so the next backup
/// took it for stored, ended well, and could not be restored.
#[test]
fn borg_9748_after_an_interrupted_gc_a_commit_stores_what_was_dropped() {
    let mut interrupted = 0;
    for steps in 0.. {
        let scene = two_weeks();
        scene.forget_all_but(1);
        let (writer, cache) = (scene.writer(), scene.path("cache"));
        let monitor = StopsAfter::new(steps);
        let request =
            GcRequest { writer: Some(&writer), cache: Some(&cache), grace_secs: Some(0), ..GcRequest::default() };
        let ended = gc(&scene.shared_disk(), &request, Run { monitor: &monitor, ..scene.run() });
        // What the first snapshot held comes back under the same name, with the same bytes.
        scene.write("old", &noise(1, 3 * MIB));
        scene.commit("week 3").unwrap();
        let content = scene.content("HEAD:/", "out");
        assert!(content["old"] == noise(1, 3 * MIB) && content["new"] == noise(2, 2 * MIB));
        scene.assert_sound();
        if ended.is_ok() {
            break;
        }
        interrupted += 1;
    }
    assert!(interrupted > 5, "{interrupted}");
}

/// A tree that is damaged in a snapshot of three directories.
fn one_lost_tree() -> Scene {
    let scene = Scene::new();
    for dir in ["a", "b", "c"] {
        scene.write(&format!("{dir}/file"), &noise(u64::from(dir.as_bytes()[0]), 2 * MIB));
        scene.commit(dir).unwrap();
    }
    let reading = Reading::open(scene.shared_disk(), &scene.readers(), scene.run()).unwrap();
    let (_, snapshot) = reading.snapshot("HEAD").unwrap();
    let named = named_at(&reading, &snapshot, &RelPath::new(b"b").unwrap()).unwrap();
    let Some(Named::Entry(entry)) = named else { panic!("there is no b") };
    let Node::Dir { tree } = entry.node else { panic!("b is no directory") };
    let place = reading.reader.index().find(&tree.id, tree.dedup_generation).unwrap();
    drop(reading);
    scene.spoil(&layout::pack(&place.pack), |bytes| bytes[place.offset as usize + 6] ^= 1);
    scene
}

/// borg's issue 3444: a repair that met missing metadata lost its place and dropped items that were whole.
#[test]
fn borg_3444_a_repair_drops_nothing_for_a_tree_that_is_lost() {
    let scene = one_lost_tree();
    let snapshots = |scene: &Scene| {
        let store = Store::open(scene.shared_disk()).unwrap();
        store.unlock(&scene.readers()).unwrap().sealed.snapshots
    };
    let before = snapshots(&scene);
    let writer = scene.writer();
    let done =
        repair(&scene.shared_disk(), &RepairRequest { writer: Some(&writer), ..RepairRequest::default() }, scene.run());
    let done = done.unwrap();
    assert!(!done.is_whole() && done.lost_objects >= 1, "{done:?}");
    assert_eq!(snapshots(&scene), before, "no snapshot is altered");
    let restored = scene.restore("HEAD:/", "out").unwrap();
    assert!(restored.damaged > 0);
    for whole in ["a", "c"] {
        let file = scene.path("out").join(whole).join("file");
        assert!(super::scene::read(file) == noise(u64::from(whole.as_bytes()[0]), 2 * MIB), "{whole}");
    }
    // What nobody can see through keeps everything, until the snapshots that lost something are forgotten.
    assert_eq!(kind(scene.try_gc(Some(0), false)), ErrorKind::Corrupt);
    scene.commit("once more").unwrap();
    assert_eq!(scene.content("HEAD:/", "again").len(), 3);
    scene.forget_all_but(1);
    assert!(scene.gc_at_once().changed);
    scene.assert_sound();
}

/// borg's issue 5325: a repair that was interrupted lost data that it had not got to yet.
#[test]
fn borg_5325_an_interrupted_repair_loses_nothing() {
    let mut interrupted = 0;
    for steps in 0.. {
        let scene = one_lost_tree();
        let writer = scene.writer();
        let request = RepairRequest { writer: Some(&writer), ..RepairRequest::default() };
        let monitor = StopsAfter::new(steps);
        let ended = repair(&scene.shared_disk(), &request, Run { monitor: &monitor, ..scene.run() });
        let done = repair(&scene.shared_disk(), &request, scene.run()).unwrap();
        assert!(done.lost_paths_total <= 1, "{done:?}");
        scene.commit("once more").unwrap();
        assert_eq!(scene.content("HEAD:/", "again").len(), 3);
        scene.forget_all_but(1);
        scene.assert_sound();
        match ended {
            Ok(_) => break,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Interrupted),
        }
        interrupted += 1;
    }
    assert!(interrupted > 3, "{interrupted}");
}

/// duplicacy's issue 323: a prune that ran while a backup did deleted chunks that the backup had taken for stored. Here the two
/// exclude each other, and whoever reads keeps what it reads.
#[test]
fn duplicacy_323_a_gc_and_a_commit_never_run_at_the_same_time() {
    let scene = two_weeks();
    scene.forget_all_but(1);
    let disk: Arc<dyn Disk> = scene.shared_disk();
    let writing = disk.lock(&layout::write_lock(), LockKind::Exclusive).unwrap().unwrap();
    assert_eq!(kind(scene.try_gc(Some(0), false)), ErrorKind::Locked);
    assert_eq!(kind(scene.commit("at the same time")), ErrorKind::Locked);
    drop(writing);
    let reading = disk.lock(&layout::read_lock(), LockKind::Shared).unwrap().unwrap();
    let done = scene.gc_at_once();
    assert!(done.readers && done.removed_files == 0, "{done:?}");
    drop(reading);
    // A commit after the packs were dropped, and before their files are gone, takes none of them for stored.
    scene.write("old", &noise(1, 3 * MIB));
    scene.commit("week 3").unwrap();
    assert!(scene.gc_at_once().removed_files > 0);
    assert!(scene.content("HEAD:/", "out")["old"] == noise(1, 3 * MIB));
    scene.assert_sound();
}

/// kopia wrote files without syncing them, so that a power cut after a run that had ended well left indexes and packs empty.
#[test]
fn kopia_what_a_run_that_ended_well_wrote_is_synced() {
    let scene = half_dead();
    let content = scene.content("HEAD:/", "before");
    assert!(scene.gc_at_once().changed);
    // Only what was synced is there after the cut.
    let scene = scene.after_a_cut();
    assert_eq!(scene.content("HEAD:/", "after gc"), content);
    scene.assert_sound();
    let data = scene.packs(Class::Data)[0];
    scene.spoil(&layout::pack(&data.hash), |bytes| *bytes.last_mut().unwrap() ^= 1);
    let writer = scene.writer();
    let request = RepairRequest { writer: Some(&writer), ..RepairRequest::default() };
    repair(&scene.shared_disk(), &request, scene.run()).unwrap();
    let scene = scene.after_a_cut();
    scene.commit("the same again").unwrap();
    let scene = scene.after_a_cut();
    scene.assert_sound();
    assert_eq!(scene.content("HEAD:/", "after repair"), content);
}
