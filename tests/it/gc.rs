//! `gc`: what nobody needs goes, what anybody needs stays, and a run that cannot tell them apart drops nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chunkstore::base::monitor::{Amount, Monitor, Problem, Task};
use chunkstore::base::{PackHash, StorePath};
use chunkstore::disk::{Disk, LockKind, SimDisk, read_all};
use chunkstore::error::{ErrorKind, Result};
use chunkstore::format::Class;
use chunkstore::format::manifest::PackRef;
use chunkstore::format::sealed::IndexRef;
use chunkstore::ops::Run;
use chunkstore::ops::gc::mark::mark;
use chunkstore::ops::gc::plan::Plan;
use chunkstore::ops::gc::repack::repack;
use chunkstore::ops::gc::{Collected, GcRequest, PackChanges, gc};
use chunkstore::ops::verify::{VerifyRequest, verify};
use chunkstore::ops::writing::Writing;
use chunkstore::store::head::newest_valid;
use chunkstore::store::pack::{create_immutable, read_index};
use chunkstore::store::{Next, Store, layout};

use super::env::{Key, MIB, Publisher, files, kind};
use super::scene::{Scene, noise, read};

const DAY: Duration = Duration::from_secs(24 * 3600);

impl Scene {
    pub fn store(&self) -> Store {
        Store::open(self.shared_disk()).unwrap()
    }

    pub fn try_gc(&self, grace_secs: Option<i64>, dry_run: bool) -> Result<Collected> {
        let (writer, cache) = (self.writer(), self.path("cache"));
        let request = GcRequest { writer: Some(&writer), cache: Some(&cache), grace_secs, dry_run };
        gc(&self.shared_disk(), &request, self.run())
    }

    pub fn gc(&self) -> Collected {
        self.try_gc(None, false).unwrap()
    }

    pub fn gc_at_once(&self) -> Collected {
        self.try_gc(Some(0), false).unwrap()
    }

    /// Keeps the newest snapshots alone.
    pub fn forget_all_but(&self, newest: usize) {
        let (_lock, writing) = Writing::begin(&self.shared_disk(), &self.writer(), None, self.run()).unwrap();
        let mut sealed = writing.unlocked.sealed.clone();
        sealed.snapshots.drain(..sealed.snapshots.len() - newest);
        writing.publish(Next::following(writing.store.packs(), sealed, self.run().clock.now())).unwrap();
    }

    pub fn assert_sound(&self) {
        let identities = self.readers();
        let request = VerifyRequest { identities: &identities, read_data: true, ..VerifyRequest::default() };
        let report = verify(self.shared_disk(), &request, self.run()).unwrap();
        assert!(report.inner && report.findings.is_empty(), "{:?}", report.findings);
    }

    /// Restores a snapshot and returns each file's content.
    pub fn content(&self, spot: &str, target: &str) -> BTreeMap<String, Vec<u8>> {
        let done = self.restore(spot, target).unwrap();
        assert_eq!((done.damaged, done.left_alone), (0, 0));
        contents(&self.path(target))
    }

    pub fn packs(&self, class: Class) -> Vec<PackRef> {
        self.store().packs().packs().iter().filter(|pack| pack.class == class).copied().collect()
    }

    pub fn pack_files(&self) -> Vec<StorePath> {
        files(&self.disk).into_iter().filter(layout::is_below_packs).collect()
    }

    pub fn spoil(&self, path: &StorePath, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = read_all(&self.disk, path, 1 << 30).unwrap().unwrap();
        change(&mut bytes);
        self.disk.remove(path).unwrap();
        let mut file = self.disk.create_new(path).unwrap();
        file.append(&bytes).unwrap();
        file.sync().unwrap();
    }
}

fn contents(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
                found.insert(name, read(&path));
            }
        }
    }
    found
}

/// Content of every file of a disk.
fn all_of(disk: &SimDisk) -> BTreeMap<StorePath, Vec<u8>> {
    files(disk).into_iter().map(|path| (path.clone(), read_all(disk, &path, 1 << 30).unwrap().unwrap())).collect()
}

fn changes(done: &Collected) -> &PackChanges {
    done.packs.as_ref().unwrap()
}

/// Two snapshots that share nothing.
pub fn two_weeks() -> Scene {
    let scene = Scene::new();
    scene.write("old", &noise(1, 3 * MIB));
    scene.commit("week 1").unwrap();
    std::fs::remove_file(scene.path("folder").join("old")).unwrap();
    scene.write("new", &noise(2, 2 * MIB));
    scene.commit("week 2").unwrap();
    scene
}

/// One data pack of which about two thirds die with the first snapshot.
pub fn half_dead() -> Scene {
    let scene = Scene::new();
    for (at, name) in ["a", "b", "c", "d", "e", "f"].into_iter().enumerate() {
        scene.write(name, &noise(at as u64, 2 * MIB));
    }
    scene.commit("week 1").unwrap();
    for name in ["a", "c", "d", "f"] {
        std::fs::remove_file(scene.path("folder").join(name)).unwrap();
    }
    scene.commit("week 2").unwrap();
    scene.forget_all_but(1);
    scene
}

#[test]
fn while_snapshots_need_everything_nothing_changes() {
    let scene = two_weeks();
    let before = all_of(&scene.disk);
    let done = scene.gc();
    assert_eq!((done.changed, done.removed_files), (false, 0));
    let packs = changes(&done);
    assert_eq!((packs.dropped.len(), packs.repacked.len(), packs.condemned), (0, 0, (0, 0)));
    assert_eq!(all_of(&scene.disk), before, "a store with nothing to collect was written to");
}

#[test]
fn a_forgotten_snapshot_s_packs_are_condemned_first_and_go_when_nothing_leads_to_them() {
    let scene = two_weeks();
    let week_2 = scene.content("HEAD:/", "before");
    let dead: Vec<PackHash> = scene.packs(Class::Data).iter().take(1).map(|pack| pack.hash).collect();
    scene.forget_all_but(1);
    let done = scene.gc();
    assert!(done.changed && done.removed_files == 0, "{done:?}");
    assert!(changes(&done).dropped.iter().any(|pack| pack.hash == dead[0]));
    let store = scene.store();
    assert!(store.packs().pack(&dead[0]).is_none());
    assert!(store.packs().top.condemned.iter().any(|pack| pack.hash == dead[0]));
    let stands = || scene.disk.metadata(&layout::pack(&dead[0])).unwrap().is_some();
    assert!(stands() && !done.garbage.waiting.is_empty(), "it waits for its grace");
    scene.clock.advance(DAY / 2);
    assert!(!scene.gc().changed && stands());
    // A day later the grace is over, and the record before the newest still leads to it: a second one lets go of it.
    scene.clock.advance(DAY);
    let last = scene.gc();
    assert!(last.changed && last.removed_files > 0 && !stands(), "{last:?}");
    assert!(!scene.gc().changed, "there is an end to it");
    assert_eq!(scene.content("HEAD:/", "after"), week_2);
    scene.assert_sound();
}

#[test]
fn without_a_grace_one_run_gives_the_room_back() {
    let scene = two_weeks();
    scene.forget_all_but(1);
    let before = scene.pack_files().len();
    let done = scene.gc_at_once();
    assert!(done.removed_bytes > 3 * MIB as u64, "{done:?}");
    assert_eq!(scene.pack_files().len(), scene.store().packs().packs().len());
    assert!(scene.pack_files().len() < before);
    assert_eq!(scene.gc_at_once().removed_files, 0);
    // What was condemned stays listed until servers have heard of it, and counts as old enough there.
    let condemned = scene.store().packs().top.condemned.clone();
    assert!(!condemned.is_empty());
    assert!(condemned.iter().all(|pack| chunkstore::store::grace::may_leave_remotes(pack, scene.run().clock.now())));
    scene.assert_sound();
}

// Decision 2 of the model: frames are copied as they are, with a recipe.
#[test]
fn what_lives_of_a_mostly_dead_pack_is_copied_byte_by_byte() {
    let scene = half_dead();
    let content = scene.content("HEAD:/", "before");
    let old = scene.packs(Class::Data)[0];
    let done = scene.gc();
    let packs = changes(&done);
    assert_eq!(packs.repacked.iter().filter(|pack| pack.class == Class::Data).count(), 1);
    let store = scene.store();
    let made = packs.made.iter().find(|pack| pack.class == Class::Data).unwrap();
    assert!(made.len_bytes < old.len_bytes / 2);
    let writing = Writing::look(scene.shared_disk(), &scene.writer(), scene.run()).unwrap();
    let entries_of = |pack: &PackRef| {
        read_index(&scene.disk, scene.store, pack, &|epoch| writing.keys.reader.index_key(epoch)).unwrap()
    };
    let bytes_of = |pack: &PackRef| read_all(&scene.disk, &layout::pack(&pack.hash), 1 << 30).unwrap().unwrap();
    let (old_bytes, new_bytes, old_entries) = (bytes_of(&old), bytes_of(made), entries_of(&old));
    for (offset, entry) in entries_of(made) {
        let (was, same) = old_entries.iter().find(|(_, other)| other.id == entry.id).unwrap();
        assert_eq!(same, &entry);
        let stretch = |bytes: &[u8], at: u64| bytes[at as usize..][..entry.sealed_len_bytes as usize].to_vec();
        assert_eq!(stretch(&new_bytes, offset), stretch(&old_bytes, *was), "it was sealed anew");
    }
    assert!(store.packs().recipes.iter().any(|recipe| recipe.pack == made.hash));
    assert_eq!(scene.content("HEAD:/", "after"), content);
    scene.assert_sound();
    assert!(!scene.gc().changed, "a pack that was made anew is worth keeping");
}

#[test]
fn a_dry_run_writes_nothing_and_tells_what_a_run_does() {
    let scene = half_dead();
    let before = all_of(&scene.disk);
    let planned = scene.try_gc(None, true).unwrap();
    assert_eq!(all_of(&scene.disk), before);
    let done = scene.gc();
    let (would, did) = (changes(&planned), changes(&done));
    assert_eq!((&would.dropped, &would.repacked, would.copied_bytes), (&did.dropped, &did.repacked, did.copied_bytes));
    assert!(planned.changed && done.changed);
    assert!(planned.generation < done.generation);
}

/// Many commits, so that indexes are merged, and merged indexes are copied and die like everything else.
#[test]
fn merged_indexes_survive_being_copied() {
    let scene = Scene::new();
    for week in 0..24 {
        scene.write("changes", &noise(week, 400_000));
        scene.write(&format!("stays/{week}"), &noise(1000 + week, 60_000));
        scene.commit("a week").unwrap();
    }
    let writing = Writing::look(scene.shared_disk(), &scene.writer(), scene.run()).unwrap();
    assert!(!writing.unlocked.sealed.indexes.is_empty(), "nothing was merged");
    let content = scene.content("HEAD:/", "before");
    scene.forget_all_but(2);
    let done = scene.gc_at_once();
    assert!(changes(&done).dropped.len() + changes(&done).repacked.len() > 20, "{done:?}");
    assert_eq!(scene.content("HEAD:/", "after"), content);
    scene.assert_sound();
    let reading = Writing::look(scene.shared_disk(), &scene.writer(), scene.run()).unwrap();
    assert!(reading.unread.is_empty());
    let packs = reading.store.packs();
    assert!(reading.unlocked.sealed.indexes.iter().all(|part| packs.pack(&part.pack).is_some()));
    assert!(!scene.gc_at_once().changed);
    scene.write("changes", &noise(99, 400_000));
    assert!(scene.commit("one more").unwrap().changed);
    scene.assert_sound();
}

// Whoever cannot see what a tree leads to must not take it for nothing.
#[test]
fn while_a_tree_does_not_read_nothing_is_dropped() {
    for make in [two_weeks, half_dead] {
        let scene = make();
        scene.forget_all_but(1);
        for pack in scene.packs(Class::Meta) {
            scene.spoil(&layout::pack(&pack.hash), |bytes| bytes[64..200].fill(0));
        }
        let before = all_of(&scene.disk);
        assert_eq!(kind(scene.try_gc(None, false)), ErrorKind::Corrupt);
        assert_eq!(kind(scene.try_gc(Some(0), false)), ErrorKind::Corrupt);
        assert_eq!(all_of(&scene.disk), before);
    }
}

#[test]
fn a_missing_pack_keeps_what_may_hold_the_same_and_a_missing_tree_stops_all() {
    let scene = two_weeks();
    let data = scene.packs(Class::Data);
    scene.disk.remove(&layout::pack(&data[1].hash)).unwrap();
    let done = scene.gc();
    assert!(changes(&done).missing_chunks > 0);
    assert!(scene.store().packs().pack(&data[1].hash).is_some(), "a pack that is needed stays listed");
    let meta = scene.packs(Class::Meta);
    scene.disk.remove(&layout::pack(&meta[0].hash)).unwrap();
    assert_eq!(kind(scene.try_gc(Some(0), false)), ErrorKind::Corrupt);
}

#[test]
fn a_missing_pack_that_nothing_needs_is_dropped() {
    let scene = two_weeks();
    let dead = scene.packs(Class::Data)[0];
    scene.forget_all_but(1);
    scene.disk.remove(&layout::pack(&dead.hash)).unwrap();
    let done = scene.gc();
    assert!(changes(&done).dropped.contains(&dead), "{done:?}");
    scene.assert_sound();
}

// A frame that rotted would be vouched for by the hash of a new pack. U10
#[test]
fn a_damaged_pack_is_not_copied() {
    let scene = half_dead();
    let old = scene.packs(Class::Data)[0];
    scene.spoil(&layout::pack(&old.hash), |bytes| bytes[3 * MIB] ^= 1);
    let done = scene.gc();
    assert_eq!(changes(&done).spared, 1);
    assert!(scene.store().packs().pack(&old.hash).is_some());
    assert!(scene.monitor.problems().iter().any(|problem| problem.reason.contains("damaged")));
}

// Of two copies of an object the index knows one: the other's pack may go only while that one is whole. U10
#[test]
fn the_only_whole_copy_of_an_object_stays() {
    let scene = Scene::new();
    scene.write("file", &noise(5, MIB));
    scene.commit("week 1").unwrap();
    let first = scene.packs(Class::Data)[0];
    // With the first pack out of sight the same content is stored again.
    let bytes = read_all(&scene.disk, &layout::pack(&first.hash), 1 << 30).unwrap().unwrap();
    scene.disk.remove(&layout::pack(&first.hash)).unwrap();
    std::fs::remove_dir_all(scene.path("cache")).unwrap();
    scene.write("other", &noise(6, MIB));
    scene.commit("week 2").unwrap();
    let second = scene.packs(Class::Data).into_iter().find(|pack| pack.hash != first.hash).unwrap();
    create_immutable(&scene.disk, &layout::pack(&first.hash), &bytes).unwrap();
    assert!(second.len_bytes > first.len_bytes, "both files are in the second pack");
    scene.spoil(&layout::pack(&first.hash), |bytes| bytes[5000] ^= 1);
    scene.gc_at_once();
    scene.gc_at_once();
    let kept = scene.store();
    assert!(kept.packs().pack(&second.hash).is_some(), "what may be the only whole copy is gone");
}

#[test]
fn a_degraded_store_and_a_reader_keep_everything() {
    let scene = two_weeks();
    scene.forget_all_but(1);
    let before = scene.pack_files();
    let reader = scene.disk.lock(&layout::read_lock(), LockKind::Shared).unwrap().unwrap();
    let done = scene.gc_at_once();
    assert!(done.readers && done.changed && done.removed_files == 0);
    assert!(before.iter().all(|path| scene.pack_files().contains(path)));
    drop(reader);
    assert!(scene.gc_at_once().removed_files > 0);
    let newest = scene.store().head().head.manifest;
    scene.spoil(&layout::manifest(&newest), |bytes| bytes[50] ^= 1);
    let before = all_of(&scene.disk);
    for grace in [None, Some(0)] {
        assert_eq!(kind(scene.try_gc(grace, false)), ErrorKind::Corrupt);
        let request = GcRequest { grace_secs: grace, ..GcRequest::default() };
        assert_eq!(kind(gc(&scene.shared_disk(), &request, scene.run())), ErrorKind::Corrupt);
    }
    assert_eq!(all_of(&scene.disk), before);
}

/// Stops a run after so many steps.
pub struct StopsAfter(AtomicI64);

impl StopsAfter {
    pub fn new(steps: i64) -> Self {
        Self(AtomicI64::new(steps))
    }
}

impl Monitor for StopsAfter {
    fn begin(&self, _: Task, _: Option<Amount>) {}
    fn advance(&self, _: Task, _: Amount) {}
    fn end(&self, _: Task) {}
    fn problem(&self, _: Problem) {}
    fn note(&self, _: &str) {}
    fn cancelled(&self) -> bool {
        self.0.fetch_sub(1, Ordering::Relaxed) <= 0
    }
}

#[test]
fn ctrl_c_anywhere_is_harmless_and_the_next_run_ends_it() {
    let mut interrupted = 0;
    for steps in 0.. {
        let scene = half_dead();
        let content = scene.content("HEAD:/", "before");
        let monitor = StopsAfter::new(steps);
        let run = Run { monitor: &monitor, ..scene.run() };
        let writer = scene.writer();
        let request = GcRequest { writer: Some(&writer), grace_secs: Some(0), ..GcRequest::default() };
        let ended = gc(&scene.shared_disk(), &request, run);
        scene.assert_sound();
        scene.gc_at_once();
        assert_eq!(scene.pack_files().len(), scene.store().packs().packs().len());
        assert_eq!(scene.content("HEAD:/", "after"), content);
        scene.assert_sound();
        match ended {
            Ok(_) => break,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Interrupted),
        }
        interrupted += 1;
    }
    assert!(interrupted > 8, "{interrupted}");
}

// U13
#[test]
fn a_key_drops_orphans_without_any_secret_and_keeps_its_last_two_states() {
    let publisher = Publisher::new(1);
    publisher.commit(&[MIB, 300_000]);
    let remote = publisher.remote();
    let mut key = Key::of(&publisher, &remote);
    let first = publisher.open().packs().packs().to_vec();
    publisher.commit_removing(&[200_000], &first[..1]);
    publisher.plant(&remote);
    key.sync(&remote).unwrap();
    let orphan = layout::pack(&PackHash([0xAB; 32]));
    create_immutable(key.disk.as_ref(), &orphan, &[1; 5000]).unwrap();
    std::fs::write(key.path().join("packs/00/holiday.jpg"), b"not ours").unwrap();
    std::fs::write(key.path().join("HEAD.new"), b"torn").unwrap();
    let collect =
        |key: &Key, dry_run| gc(&key.disk, &GcRequest { dry_run, ..GcRequest::default() }, key.world.run()).unwrap();
    let planned = collect(&key, true);
    let done = collect(&key, false);
    assert_eq!(planned.garbage, done.garbage);
    assert_eq!((done.removed_files, done.removed_bytes), (2, 5004), "{done:?}");
    assert!(done.packs.is_none() && !done.changed);
    let disk = Arc::clone(&key.disk);
    let stands = |path: &StorePath| disk.metadata(path).unwrap().is_some();
    assert!(!stands(&orphan) && key.path().join("packs/00/holiday.jpg").exists());
    assert!(stands(&layout::pack(&first[0].hash)), "the record before the newest leads to it");
    publisher.commit(&[1000]);
    publisher.plant(&remote);
    key.sync(&remote).unwrap();
    let done = collect(&key, false);
    assert!(!stands(&layout::pack(&first[0].hash)) && done.removed_bytes > MIB as u64);
    let records = newest_valid(disk.as_ref(), publisher.id, key.open().trust(), 2).unwrap();
    let packs: Vec<_> = records.iter().flat_map(|(_, packs)| packs.packs()).collect();
    assert!(records.len() == 2 && packs.iter().all(|pack| stands(&layout::pack(&pack.hash))));
    key.assert_holds(publisher.open().head());
    let before = key.snapshot();
    assert_eq!(collect(&key, false).removed_files, 0);
    assert_eq!(key.snapshot(), before, "with nothing to do not one byte is written"); // U4
}

/// What an interrupted sync brought is pinned by `pending`, whether or not its manifests read.
#[test]
fn what_an_interrupted_sync_brought_stays() {
    let publisher = Publisher::new(1);
    publisher.commit(&[MIB]);
    let key = Key::of(&publisher, &publisher.remote());
    let head = publisher.commit(&[50_000, 60_000]);
    let (store, disk) = (publisher.open(), key.disk.as_ref());
    let copy = |path: &StorePath| {
        let bytes = read_all(publisher.disk.as_ref(), path, 1 << 30).unwrap().unwrap();
        create_immutable(disk, path, &bytes).unwrap();
    };
    let (manifest, pack) = (layout::manifest(&head.head.manifest), store.packs().packs().last().unwrap().hash);
    copy(&layout::pack(&pack));
    create_immutable(disk, &layout::pending(), head.bytes()).unwrap();
    let collect =
        || gc(&key.disk, &GcRequest { grace_secs: Some(0), ..GcRequest::default() }, key.world.run()).unwrap();
    assert_eq!(collect().removed_files, 0, "the manifests of pending do not read, so nothing can be told");
    copy(&manifest);
    assert_eq!(collect().removed_files, 0, "pending leads to them");
    std::fs::write(key.path().join("pending"), &head.bytes()[..100]).unwrap();
    let done = collect();
    assert_eq!(done.removed_files, 3, "a torn pending pins nothing: it, a manifest and a pack go: {done:?}");
    assert!(disk.metadata(&layout::pending()).unwrap().is_none());
}

// Packs that a push brought and no manifest names yet look like garbage where they arrive.
#[test]
fn on_a_server_s_copy_what_may_be_arriving_stays() {
    let publisher = Publisher::new(1);
    publisher.commit(&[MIB]);
    let key = Key::of(&publisher, &publisher.remote());
    std::fs::remove_dir_all(key.path().join("replica")).unwrap();
    let arriving = layout::pack(&PackHash([0xCD; 32]));
    create_immutable(key.disk.as_ref(), &arriving, &[1; 5000]).unwrap();
    let collect =
        |grace_secs| gc(&key.disk, &GcRequest { grace_secs, ..GcRequest::default() }, key.world.run()).unwrap();
    let done = collect(None);
    assert_eq!((done.removed_files, done.garbage.maybe_arriving.len()), (0, 1));
    assert_eq!(collect(Some(0)).removed_files, 1);
    assert!(key.disk.metadata(&arriving).unwrap().is_none());
}

#[test]
fn another_program_that_writes_is_waited_for() {
    let scene = two_weeks();
    let lock = scene.disk.lock(&layout::write_lock(), LockKind::Exclusive).unwrap().unwrap();
    assert_eq!(kind(scene.try_gc(None, false)), ErrorKind::Locked);
    assert_eq!(kind(gc(&scene.shared_disk(), &GcRequest::default(), scene.run())), ErrorKind::Locked);
    drop(lock);
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(chunkstore::disk::sim::Profile::Ext4));
    assert_eq!(kind(gc(&disk, &GcRequest::default(), scene.run())), ErrorKind::NoStore);
}

/// A plan that copies these packs and nothing else.
fn copy_of(packs: &[PackRef]) -> Plan {
    Plan { repack: packs.to_vec(), ..Plan::default() }
}

fn look(scene: &Scene) -> Writing {
    Writing::look(scene.shared_disk(), &scene.writer(), scene.run()).unwrap()
}

/// What is copied alone and whole comes out as the very pack that it was, which must not go then.
#[test]
fn a_pack_that_is_copied_as_it_is_stays() {
    let scene = Scene::new();
    scene.write("a", &noise(1, 50_000));
    scene.commit("one").unwrap();
    let writing = look(&scene);
    let marked = mark(&writing, scene.run()).unwrap();
    for pack in writing.store.packs().packs() {
        let mut sealed = writing.unlocked.sealed.clone();
        let done = repack(&writing, &marked, &copy_of(&[*pack]), &mut sealed, scene.run()).unwrap();
        assert_eq!((done.gone, done.written.packs), (vec![], vec![]), "{pack:?}");
        assert_eq!(done.recipes, []);
    }
}

/// A part of a merged index that is copied with other objects is found where it stands now.
#[test]
fn the_place_of_a_merged_index_moves_with_it() {
    let scene = Scene::new();
    for week in 0..24 {
        scene.write("changes", &noise(week, 40_000));
        scene.commit("a week").unwrap();
    }
    let writing = look(&scene);
    let marked = mark(&writing, scene.run()).unwrap();
    let mut sealed = writing.unlocked.sealed.clone();
    let part = sealed.indexes[0];
    let of_part = *writing.store.packs().pack(&part.pack).unwrap();
    let other = scene.packs(Class::Meta).into_iter().find(|pack| pack.hash != part.pack).unwrap();
    let done = repack(&writing, &marked, &copy_of(&[other, of_part]), &mut sealed, scene.run()).unwrap();
    assert_eq!((done.gone.len(), done.written.packs.len()), (2, 1));
    let moved = sealed.indexes[0];
    assert_eq!(moved.pack, done.written.packs[0].hash);
    let frame_of = |part: &IndexRef| {
        let bytes = scene.disk.content(layout::pack(&part.pack).as_str()).unwrap();
        bytes[part.offset as usize..][..part.sealed_len_bytes as usize].to_vec()
    };
    assert_eq!(frame_of(&moved), frame_of(&part));
}
