//! `stats` and `status`: what snapshots and directories take, what is dead, and what the numbers have to add up to.

use std::time::Duration;

use chunkstore::error::ErrorKind;
use chunkstore::format::sealed::SnapshotRef;
use chunkstore::ops::forget::{Choice, ForgetRequest, forget};
use chunkstore::ops::host_state::HostState;
use chunkstore::ops::open::{Reading, Spot};
use chunkstore::ops::stats::by_path::{ByPath, DIRS_MAX, by_path};
use chunkstore::ops::stats::{Dead, Stats, stats};
use chunkstore::ops::status::{Orphans, orphans, status};
use chunkstore::store::{Store, grace, layout};

use super::env::kind;
use super::handmade::{Hand, commit};
use super::reading::bomb;
use super::scene::{Scene, noise};

fn reading(scene: &Scene) -> Reading {
    Reading::open(scene.shared_disk(), &scene.readers(), scene.run()).unwrap()
}

fn counted(scene: &Scene) -> Stats {
    stats(&reading(scene), None, scene.run()).unwrap()
}

fn paths(scene: &Scene, spot: &str, depth: usize) -> ByPath {
    by_path(&reading(scene), &Spot::parse(spot.as_bytes()).unwrap(), depth, scene.run()).unwrap()
}

fn forget_named(scene: &Scene, names: &[&str]) {
    let writer = scene.writer();
    let choice = Choice::ByName(names.iter().map(|&name| name.to_owned()).collect());
    let request = ForgetRequest { choice, writer: &writer, cache: None };
    forget(&scene.shared_disk(), &request, scene.run()).unwrap();
}

/// Three snapshots: one file is in all, one in the second alone, one in the first and the third.
fn three() -> Scene {
    let scene = Scene::new();
    let remove = |name: &str| std::fs::remove_file(scene.path("folder").join(name)).unwrap();
    scene.write("all/large", &noise(1, 1_500_000));
    scene.write("comes-back/large", &noise(2, 1_200_000));
    scene.commit("one").unwrap();
    remove("comes-back/large");
    scene.write("second/large", &noise(3, 1_100_000));
    scene.commit("two").unwrap();
    remove("second/large");
    scene.write("comes-back/large", &noise(2, 1_200_000));
    scene.commit("three").unwrap();
    scene
}

#[test]
fn what_a_snapshot_alone_holds_is_what_is_dead_once_it_is_forgotten() {
    for name in ["HEAD~1", "HEAD~2"] {
        let scene = three();
        let before = counted(&scene);
        assert_eq!(before.dead, Some(Dead::default()), "all that stands there is reached");
        let id = reading(&scene).snapshot(name).unwrap().0.id;
        let is_that = |named: &SnapshotRef| named.id == id;
        let alone = before.snapshots.iter().find(|each| is_that(&each.named)).unwrap().alone_bytes.unwrap();
        forget_named(&scene, &[name]);
        let after = counted(&scene);
        assert_eq!(after.stored.stored_bytes, before.stored.stored_bytes - alone, "{name}");
        let dead = after.dead.unwrap();
        assert!(dead.bytes >= alone && dead.bytes - alone < 64_000, "{name}: {alone} {dead:?}");
        assert!(name != "HEAD~1" || dead.full_packs > 0, "the pack of its large file holds nothing else");
    }
}

#[test]
fn only_what_no_other_snapshot_reaches_counts_as_its_own() {
    let scene = three();
    let alone: Vec<_> = counted(&scene).snapshots.iter().map(|each| each.alone_bytes.unwrap()).collect();
    // Newest first: the second one alone has a large file of its own.
    assert!(alone[0] < 10_000 && alone[2] < 10_000, "{alone:?}");
    assert!((1_100_000..1_120_000).contains(&alone[1]), "{alone:?}");
    let added: Vec<_> = counted(&scene).snapshots.iter().map(|each| each.stored.stored_bytes).collect();
    assert!(added[0] < 10_000 && added[2] > 2_700_000, "{added:?}");
    // Of one snapshot alone nobody knows what others reach.
    let one = stats(&reading(&scene), Some("HEAD"), scene.run()).unwrap();
    assert_eq!((one.snapshots[0].alone_bytes, one.dead), (None, None));
}

#[test]
fn a_lost_snapshot_is_told_and_the_others_are_counted() {
    let scene = Scene::new();
    scene.write("a", b"a");
    scene.commit("one").unwrap();
    let before: Vec<_> = scene.disk.paths();
    scene.write("b", b"b");
    scene.commit("two").unwrap();
    let of_two: Vec<_> = scene.disk.paths().into_iter().filter(|path| !before.contains(path)).collect();
    scene.write("c", b"c");
    scene.commit("three").unwrap();
    for pack in of_two.iter().filter(|path| path.starts_with("packs/")) {
        assert!(scene.disk.corrupt(pack, |bytes| bytes.fill(0)));
    }
    let counted = counted(&scene);
    assert_eq!((counted.snapshots.len(), counted.dead), (2, None), "what it reached is not known");
    assert!(counted.damaged > 0);
}

#[test]
fn dead_bytes_are_told_by_whole_packs_and_parts() {
    let scene = Scene::new();
    scene.write("stays/large", &noise(1, 1_500_000));
    scene.write("goes/large", &noise(2, 1_500_000));
    scene.commit("one").unwrap();
    std::fs::remove_dir_all(scene.path("folder/goes")).unwrap();
    scene.commit("two").unwrap();
    forget_named(&scene, &["HEAD~1"]);
    let dead = counted(&scene).dead.unwrap();
    // Both files lie in one pack of data; the trees of the first snapshot in a pack that nothing needs.
    assert!(dead.part_packs >= 1, "{dead:?}");
    assert!(dead.bytes > 1_500_000 && dead.bytes < 1_550_000, "{dead:?}");
    assert!(dead.full_pack_bytes < 10_000, "{dead:?}");
}

fn shown(counted: &ByPath) -> Vec<(String, u64, u64)> {
    counted.paths.iter().map(|each| (each.path.to_string(), each.stored.content_bytes, each.shared_bytes)).collect()
}

#[test]
fn directories_take_what_they_reach_and_what_they_share_is_said() {
    let scene = Scene::new();
    let shared = noise(1, 1_500_000);
    scene.write("a/twin", &shared);
    scene.write("b/deep/twin", &shared);
    scene.write("b/own", &noise(2, 1_200_000));
    scene.write("c/small", b"small");
    scene.write("top", &noise(3, 1_100_000));
    scene.commit("one").unwrap();
    let one = paths(&scene, "/", 1);
    let by = shown(&one);
    let names: Vec<_> = by.iter().map(|(path, ..)| path.as_str()).collect();
    assert_eq!(names, ["/", "/b", "/a", "/c"], "what takes most comes first");
    // In the whole each object counts once; in two of its directories the twins count in each.
    assert_eq!((by[0].1, by[0].2), (1_500_000 + 1_200_000 + 5 + 1_100_000, 0));
    assert_eq!((by[1].1, by[2].1, by[3].1), (2_700_000, 1_500_000, 5));
    assert_eq!(by[1].2, by[2].2);
    assert!((1_500_000..1_510_000).contains(&by[1].2) && by[3].2 == 0, "{by:?}");
    let two = paths(&scene, "/", 2);
    assert_eq!((two.paths.len(), two.left_out, two.damaged), (5, false, 0));
    // Deeper, nothing of the same depth shares it.
    assert_eq!(shown(&two)[2], ("/a".to_owned(), 1_500_000, by[2].2));
    assert!(shown(&two).contains(&("/b/deep".to_owned(), 1_500_000, 0)));
    assert_eq!(paths(&scene, "/", 0).paths.len(), 1);
    assert_eq!(paths(&scene, "/", 900).paths.len(), 5);
    assert_eq!(shown(&paths(&scene, "HEAD:/b", 1))[1].0, "/b/deep");
    assert_eq!(shown(&paths(&scene, "/top", 3)), [("/top".to_owned(), 1_100_000, 0)]);
    let nowhere = by_path(&reading(&scene), &Spot::parse(b"/nowhere").unwrap(), 1, scene.run());
    assert_eq!(kind(nowhere.map(drop)), ErrorKind::Other);
}

#[test]
fn by_path_does_not_unfold_a_small_store_without_end() {
    let scene = Scene::new();
    commit(&scene, |hand: &mut Hand| hand.tree(vec![]));
    commit(&scene, bomb);
    let counted = paths(&scene, "/", 40);
    assert!(counted.left_out && counted.paths.len() <= DIRS_MAX, "{}", counted.paths.len());
    assert_eq!(counted.paths[0].stored.content_bytes, 1);
}

#[test]
fn what_does_not_read_is_counted_once_however_deep_one_looks() {
    let scene = Scene::new();
    scene.write("a/b/c/file", b"file");
    scene.commit("one").unwrap();
    let before: Vec<_> = scene.disk.paths();
    scene.write("x/y/file", b"another");
    scene.commit("two").unwrap();
    // The second commit made the trees of x anew and took over those of a.
    for pack in before.iter().filter(|path| path.starts_with("packs/")) {
        assert!(scene.disk.corrupt(pack, |bytes| bytes.fill(0)));
    }
    let (flat, deep) = (paths(&scene, "/", 0), paths(&scene, "/", 9));
    assert!(flat.damaged > 0);
    assert_eq!(flat.damaged, deep.damaged);
    assert!(shown(&deep).iter().any(|(path, ..)| path == "/x/y"), "{:?}", shown(&deep));
}

#[test]
fn orphans_are_packs_that_no_state_names() {
    let scene = Scene::new();
    let found = |scene: &Scene| orphans(scene.shared_disk(), scene.run()).unwrap();
    assert_eq!(found(&scene), Orphans::default());
    scene.write("a", &noise(1, 5000));
    scene.commit("one").unwrap();
    scene.write("b", &noise(2, 5000));
    scene.commit("two").unwrap();
    assert_eq!(found(&scene), Orphans::default());
    // An interrupted run left one pack; the rest is nobody's, or no pack.
    scene.disk.put("packs/00/00000000.000", &[1; 700]);
    scene.disk.put("packs/00/._000000.000", &[1; 100]);
    scene.disk.put("packs/notes.txt", b"mine");
    scene.disk.reset_counts();
    assert_eq!(found(&scene), Orphans { packs: 1, bytes: 700 });
    assert_eq!(scene.disk.counts().bytes_written, 0);
}

#[test]
fn what_waits_for_its_end_is_no_orphan_until_it_may_go() {
    let publisher = super::env::Publisher::new(3);
    publisher.commit(&[5000, 6000]);
    let pack = publisher.open().packs().packs()[0];
    publisher.condemn(&pack);
    let state = HostState::default();
    let told = status(publisher.disk.clone(), &[], &state, publisher.world.run()).unwrap();
    assert_eq!(told.condemned, (1, pack.len_bytes));
    let found = || orphans(publisher.disk.clone(), publisher.world.run()).unwrap();
    // Enough generations, so that no record names it; its grace is what holds it.
    for _ in 0..5 {
        publisher.commit(&[]);
    }
    assert_eq!(found(), Orphans::default());
    publisher.world.clock.advance(Duration::from_secs(grace::LOCAL_SECS.unsigned_abs()));
    assert_eq!(found(), Orphans { packs: 1, bytes: pack.len_bytes });
    assert!(publisher.disk.metadata(&layout::pack(&pack.hash)).unwrap().is_some());
    assert!(Store::open(publisher.disk.clone()).unwrap().packs().pack(&pack.hash).is_none());
}
