//! `forget`: what goes off the list and what stays, what is refused, and that it is the way out of a damaged store.

use std::collections::HashSet;
use std::time::Duration;

use chunkstore::error::{ErrorKind, Result};
use chunkstore::ops::forget::{Choice, ForgetRequest, Forgotten, forget, preview};
use chunkstore::ops::host_state::HostState;
use chunkstore::ops::list::log;
use chunkstore::ops::open::Reading;
use chunkstore::ops::push::{PushRequest, push};
use chunkstore::ops::verify::{Report, VerifyRequest, verify};
use chunkstore::remote::mem::MemRemote;
use chunkstore::store::lock::WriteLock;
use chunkstore::store::{Store, head};
use chunkstore::tree::retention::{Count, Policy, Reason};

use super::env::{Key, arc, kind};
use super::scene::{Scene, noise};

const DAY: Duration = Duration::from_secs(86_400);

/// A store of snapshots a day apart; each adds a file.
fn days(count: u64) -> Scene {
    let scene = Scene::new();
    for day in 1..=count {
        scene.write(&format!("day-{day}"), &noise(day, 3000));
        scene.commit(&format!("day {day}")).unwrap();
        scene.clock.advance(DAY);
    }
    scene
}

fn last(count: u32) -> Choice {
    Choice::ByPolicy(Policy { last: Some(Count::AtMost(count.try_into().unwrap())), ..Policy::default() })
}

fn named(names: &[&str]) -> Choice {
    Choice::ByName(names.iter().map(|&name| name.to_owned()).collect())
}

fn run(scene: &Scene, choice: Choice) -> Result<Forgotten> {
    let (writer, cache) = (scene.writer(), scene.path("cache"));
    let request = ForgetRequest { choice, writer: &writer, cache: Some(&cache) };
    forget(&scene.shared_disk(), &request, scene.run())
}

fn look(scene: &Scene, choice: Choice) -> Result<Forgotten> {
    let (writer, cache) = (scene.writer(), scene.path("cache"));
    let request = ForgetRequest { choice, writer: &writer, cache: Some(&cache) };
    preview(&scene.shared_disk(), &request, scene.run())
}

fn generation(scene: &Scene) -> u64 {
    Store::open(scene.shared_disk()).unwrap().head().head.generation.0
}

/// The messages of the log, newest first.
fn messages(scene: &Scene) -> Vec<String> {
    let reading = Reading::open(scene.shared_disk(), &scene.readers(), scene.run()).unwrap();
    log(&reading).unwrap().into_iter().map(|(_, snapshot)| snapshot.message).collect()
}

fn verified(scene: &Scene) -> Report {
    let identities = scene.readers();
    let request = VerifyRequest { identities: &identities, read_data: true, ..VerifyRequest::default() };
    verify(scene.shared_disk(), &request, scene.run()).unwrap()
}

#[test]
fn what_no_word_keeps_goes_and_the_rest_is_a_generation() {
    let scene = days(5);
    let before = generation(&scene);
    let packs = Store::open(scene.shared_disk()).unwrap().packs().packs().to_vec();
    let done = run(&scene, last(2)).unwrap();
    assert_eq!((done.kept.len(), done.forgotten.len(), done.generation.0), (2, 3, before + 1));
    assert_eq!(done.kept[1].1, [Reason::Newest, Reason::Last]);
    assert_eq!(generation(&scene), before + 1);
    assert_eq!(messages(&scene), ["day 5", "day 4"]);
    assert_eq!(Store::open(scene.shared_disk()).unwrap().packs().packs(), packs, "gc drops packs, not forget");
    assert_eq!(verified(&scene).findings, []);
    assert_eq!(HostState::load(Some(&scene.path("cache")), scene.store).highest(), done.generation);
    // The next commit builds on the newest as ever.
    scene.write("more", b"more");
    assert!(scene.commit("day 6").unwrap().changed);
    assert_eq!(messages(&scene), ["day 6", "day 5", "day 4"]);
    assert_eq!(scene.restore("HEAD~1:/", "out").unwrap().damaged, 0);
}

#[test]
fn nothing_to_forget_writes_nothing() {
    let scene = days(2);
    scene.disk.reset_counts();
    let done = run(&scene, last(2)).unwrap();
    assert_eq!((done.forgotten.len(), done.generation.0), (0, generation(&scene)));
    assert_eq!(scene.disk.counts().bytes_written, 0);
}

#[test]
fn a_dry_run_says_the_same_and_writes_nothing() {
    let scene = days(4);
    scene.disk.reset_counts();
    let (before, planned) = (generation(&scene), look(&scene, last(1)).unwrap());
    assert_eq!((scene.disk.counts().bytes_written, generation(&scene)), (0, before));
    assert_eq!(planned.generation.0, before);
    let done = run(&scene, last(1)).unwrap();
    assert_eq!((planned.kept, planned.forgotten), (done.kept, done.forgotten));
}

#[test]
fn snapshots_go_by_their_names() {
    let scene = days(4);
    let oldest = look(&scene, last(4)).unwrap().kept[0].0.id.to_string();
    // The names are those before anything went, and one snapshot may have several.
    let done = run(&scene, named(&["HEAD~2", &oldest[..8], "HEAD~3"])).unwrap();
    assert_eq!(done.forgotten.len(), 2);
    let reasons: Vec<_> = done.kept.iter().map(|(_, reasons)| reasons.clone()).collect();
    assert_eq!(reasons, [vec![Reason::NotNamed], vec![Reason::Newest]]);
    assert_eq!(messages(&scene), ["day 4", "day 3"]);
}

#[test]
fn what_cannot_be_forgotten_leaves_everything() {
    let scene = days(3);
    let newest = look(&scene, last(3)).unwrap().kept[2].0.id.to_string();
    let tagless = Choice::ByPolicy(Policy { tags: vec!["relaese".to_owned()], ..Policy::default() });
    for (choice, kind, word) in [
        (named(&["HEAD"]), ErrorKind::Usage, "newest"),
        (named(&["HEAD~1", &newest]), ErrorKind::Usage, "newest"),
        (named(&["@now"]), ErrorKind::Usage, "newest"),
        (named(&["HEAD~1", "nonesuch"]), ErrorKind::Other, "nonesuch"),
        (named(&["HEAD~3"]), ErrorKind::Other, "HEAD~3"),
        (named(&["@2026-02-30"]), ErrorKind::Usage, "2026-02-30"),
        (tagless, ErrorKind::Other, "relaese"),
    ] {
        for act in [run, look] {
            let error = act(&scene, choice.clone()).unwrap_err();
            assert_eq!(error.kind(), kind, "{choice:?}: {error}");
            assert!(error.to_string().contains(word), "{choice:?}: {error}");
        }
    }
    assert_eq!(messages(&scene).len(), 3);
}

#[test]
fn a_store_without_a_snapshot_has_nothing_to_forget() {
    let scene = Scene::new();
    assert_eq!(run(&scene, last(1)).unwrap().forgotten, []);
    assert_eq!(kind(run(&scene, named(&["HEAD"]))), ErrorKind::Other);
}

#[test]
fn another_writer_and_a_newer_state_elsewhere_are_respected() {
    let scene = days(3);
    let lock = WriteLock::take(&scene.disk).unwrap();
    assert_eq!(kind(run(&scene, last(1))), ErrorKind::Locked);
    drop(lock);
    let image = scene.disk.settled();
    run(&scene, last(2)).unwrap();
    // The store of before came back, on the host that has seen the next generation.
    let (writer, cache) = (scene.writer(), scene.path("cache"));
    let request = ForgetRequest { choice: last(1), writer: &writer, cache: Some(&cache) };
    let disk: std::sync::Arc<dyn chunkstore::disk::Disk> = std::sync::Arc::new(image);
    assert_eq!(kind(forget(&disk, &request, scene.run())), ErrorKind::Conflict);
    assert_eq!(kind(preview(&disk, &request, scene.run())), ErrorKind::Conflict);
}

#[test]
fn a_degraded_store_forgets_nothing() {
    let scene = days(3);
    let newest = Store::open(scene.shared_disk()).unwrap().packs().chain[0].0;
    assert!(scene.disk.corrupt(chunkstore::store::layout::manifest(&newest).as_str(), |bytes| bytes[100] ^= 1));
    assert_eq!(Store::open(scene.shared_disk()).unwrap().soundness(), head::Soundness::Older);
    assert_eq!(kind(run(&scene, last(1))), ErrorKind::Corrupt);
}

// U10: a lost snapshot is forgotten like any other, and the rest is whole.
#[test]
fn forgetting_what_is_lost_is_the_way_out_of_a_damaged_store() {
    let scene = Scene::new();
    scene.write("stays", b"stays");
    scene.commit("one").unwrap();
    let packs = |scene: &Scene| -> HashSet<String> {
        scene.disk.paths().into_iter().filter(|path| path.starts_with("packs/")).collect()
    };
    let before = packs(&scene);
    scene.write("comes and goes", &noise(1, 20_000));
    scene.commit("two").unwrap();
    let of_two = packs(&scene);
    std::fs::remove_file(scene.path("folder/comes and goes")).unwrap();
    scene.write("three", b"three");
    scene.commit("three").unwrap();
    for pack in of_two.difference(&before) {
        assert!(scene.disk.corrupt(pack, |bytes| bytes.fill(0)));
    }
    assert!(verified(&scene).findings.iter().any(|found| found.file.starts_with("snapshot")));
    let done = run(&scene, named(&["HEAD~1"])).unwrap();
    assert_eq!((done.kept.len(), done.forgotten.len()), (2, 1));
    assert_eq!(messages(&scene), ["three", "one"]);
    assert!(verified(&scene).findings.iter().all(|found| !found.file.starts_with("snapshot")), "nothing misses it");
    assert_eq!(scene.restore("/", "out").unwrap().damaged, 0);
}

#[test]
fn a_push_brings_the_shorter_list_to_the_keys() {
    let scene = days(4);
    let (remote, mut state) = (MemRemote::new(), HostState::default());
    let mut publish = |scene: &Scene| {
        let request = PushRequest::default();
        push(&scene.shared_disk(), &arc(&remote), &request, &mut state, scene.run()).unwrap()
    };
    publish(&scene);
    let mut key = Key::empty(5);
    key.clone_with(&arc(&remote), Some(&scene.fingerprint), None).unwrap();
    run(&scene, last(1)).unwrap();
    let pushed = publish(&scene);
    assert!(pushed.changed && pushed.packs_sent == 0, "{pushed:?}");
    assert!(key.sync(&remote).unwrap().changed);
    let reading = Reading::open(std::sync::Arc::clone(&key.disk), &scene.readers(), scene.run()).unwrap();
    assert_eq!(log(&reading).unwrap().len(), 1);
}
