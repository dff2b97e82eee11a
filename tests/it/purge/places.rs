//! A purge in the places that it reaches: remotes, keys, this machine's own keys and caches.

use std::collections::BTreeSet;
use std::sync::Arc;

use chunkstore::base::clock::FixedClock;
use chunkstore::base::{DedupGeneration, Generation, RelPath, StorePath};
use chunkstore::crypto::sign::{Purpose, SignKey};
use chunkstore::crypto::wrap::{Identity, unwrap};
use chunkstore::disk::sim::{FaultKind, Profile};
use chunkstore::disk::{Disk, LockKind, SimDisk, read_all};
use chunkstore::error::ErrorKind;
use chunkstore::format::Class;
use chunkstore::format::head::{Group, Head, SignedHead};
use chunkstore::ops::clone::{CloneRequest, clone_store};
use chunkstore::ops::commit::path_key;
use chunkstore::ops::host_state::HostState;
use chunkstore::ops::local_keys::{KeyDir, LocalKey};
use chunkstore::ops::purge::rotate::{OwnKeys, Rotated};
use chunkstore::ops::purge::status::{RemoteStanding, status};
use chunkstore::ops::purge::{PurgeRequest, Purged, plan, purge};
use chunkstore::ops::push::{PushRequest, Pushed, push};
use chunkstore::ops::receipt::{RunEnd, send};
use chunkstore::ops::repair::{RepairRequest, repair};
use chunkstore::ops::sync::{SyncRequest, Synced, sync};
use chunkstore::ops::verify::{VerifyRequest, verify};
use chunkstore::remote::mem::{Fault, MemRemote, Rule};
use chunkstore::store::order::{orders_of, superseded};
use chunkstore::store::pack::create_immutable;
use chunkstore::store::{Store, layout, receipt, replica};

use super::{PATHS, SECRET, holds, story, text};
use crate::env::{arc, files};
use crate::scene::{NOW, Scene, noise};

fn push_to(scene: &Scene, remote: &MemRemote, state: &mut HostState) -> Pushed {
    push(&scene.shared_disk(), &arc(remote), &PushRequest::default(), state, scene.run()).unwrap()
}

fn clone_of(scene: &Scene, remote: &MemRemote) -> SimDisk {
    let disk = SimDisk::new(Profile::Fat32);
    let request = CloneRequest {
        group: Group::all(),
        trust: Some(scene.fingerprint.clone()),
        confirm: &|_| Ok(false),
        reader: None,
        accept_older: false,
    };
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    clone_store(&arc(remote), &shared, &request, None, scene.run()).unwrap();
    disk
}

/// Syncs a key where there is no identity at all.
fn sync_from(scene: &Scene, disk: &SimDisk, remote: &MemRemote) -> Synced {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    sync(&shared, &[arc(remote)], SyncRequest::default(), &mut HostState::default(), scene.run()).unwrap()
}

/// Checks that a place holds the state of a store and not one file besides that leads to anything.
fn assert_nothing_else(scene: &Scene, place: &BTreeSet<StorePath>) {
    let own: BTreeSet<StorePath> = files(&scene.disk).into_iter().collect();
    let is_own =
        |path: &StorePath| ["packs", "manifests", "keys", "heads"].contains(&path.as_str().split('/').next().unwrap());
    let others: Vec<_> = place.iter().filter(|path| is_own(path) && !own.contains(*path)).collect();
    assert!(others.is_empty(), "{others:?}");
}

fn sound(scene: &Scene, disk: &SimDisk) {
    let identities = scene.readers();
    let request = VerifyRequest { identities: &identities, read_data: true, ..VerifyRequest::default() };
    let report = verify(Arc::new(disk.clone()), &request, scene.run()).unwrap();
    assert!(report.inner && report.findings.is_empty(), "{:?}", report.findings);
}

// S17: servers by push, keys by the sync that takes the purge's generation, however many they are behind.
#[test]
fn servers_and_keys_have_nothing_left() {
    let scene = story();
    let (remote, mut state) = (MemRemote::new(), HostState::default());
    push_to(&scene, &remote, &mut state);
    let far_behind = clone_of(&scene, &remote);
    for at in 0..6 {
        scene.write("docs/often", &noise(50 + at, 5000));
        scene.commit("again").unwrap();
        push_to(&scene, &remote, &mut state);
    }
    let behind = clone_of(&scene, &remote);
    scene.purge(&PATHS);
    let told = status(&scene.shared_disk(), &[arc(&remote)], scene.run()).unwrap();
    assert!(told.here.is_clear() && told.is_clear() == Some(false), "{told:?}");
    let RemoteStanding::Asked(_, standing) = &told.remotes[0].1 else { panic!("{told:?}") };
    assert!(standing.packs > 0 && standing.records > 0);
    let pushed = push_to(&scene, &remote, &mut state);
    assert!(pushed.removed_packs > 0 && pushed.removed_files > 10, "{pushed:?}");
    assert_nothing_else(&scene, &remote.paths().into_iter().collect());
    assert_eq!(status(&scene.shared_disk(), &[arc(&remote)], scene.run()).unwrap().is_clear(), Some(true));
    for key in [far_behind, behind, clone_of(&scene, &remote)] {
        sync_from(&scene, &key, &remote);
        assert_nothing_else(&scene, &files(&key).into_iter().collect());
        sound(&scene, &key);
        assert!(!sync_from(&scene, &key, &remote).changed);
    }
    remote.reset_counts();
    assert_eq!(push_to(&scene, &remote, &mut state).removed_files, 0);
    assert_eq!(remote.counts().fetches, 1, "a push with nothing new costs what it did");
}

#[test]
fn a_push_that_fails_in_the_middle_is_ended_by_the_next() {
    let scene = story();
    let (remote, mut state) = (MemRemote::new(), HostState::default());
    for at in 0..3 {
        push_to(&scene, &remote, &mut state);
        scene.write("docs/often", &noise(50 + at, 5000));
        scene.commit("again").unwrap();
    }
    push_to(&scene, &remote, &mut state);
    scene.purge(&PATHS);
    let record = remote.paths().into_iter().find(|path| path.as_str().starts_with("heads/")).unwrap();
    remote.script(Rule::always(Fault::Reset { after_bytes: 0 }).at(&record));
    let pushed = push(&scene.shared_disk(), &arc(&remote), &PushRequest::default(), &mut state, scene.run());
    assert_eq!(pushed.unwrap_err().kind(), ErrorKind::Remote);
    let told = status(&scene.shared_disk(), &[arc(&remote)], scene.run()).unwrap();
    assert_eq!(told.is_clear(), Some(false), "{told:?}");
    remote.heal();
    push_to(&scene, &remote, &mut state);
    assert_nothing_else(&scene, &remote.paths().into_iter().collect());
    assert_eq!(status(&scene.shared_disk(), &[arc(&remote)], scene.run()).unwrap().is_clear(), Some(true));
}

#[test]
fn a_place_that_does_not_answer_is_not_clear() {
    let scene = story();
    assert_eq!(status(&scene.shared_disk(), &[], scene.run()).unwrap().purged, None);
    scene.purge(&PATHS);
    let remote = MemRemote::new();
    let told = status(&scene.shared_disk(), &[arc(&remote)], scene.run()).unwrap();
    assert!(matches!(told.remotes[0].1, RemoteStanding::Unknown(_)) && told.is_clear() == Some(false));
    assert!(told.purged > Some(Generation(1)) && told.packs > 0);
}

// While somebody reads, nothing is removed; whatever comes next ends it.
#[test]
fn what_a_reader_kept_goes_with_the_next_commit_or_gc_or_purge() {
    for next in ["commit", "gc", "purge"] {
        let scene = story();
        let reader = scene.disk.lock(&layout::read_lock(), LockKind::Shared).unwrap().unwrap();
        let plan = scene.plan_purge(&PATHS);
        let done = scene.try_purge(&PATHS, &plan.unwrap().hash).unwrap();
        assert!(done.obeyed.readers && done.obeyed.files == 0);
        assert!(!status(&scene.shared_disk(), &[], scene.run()).unwrap().here.is_clear());
        drop(reader);
        match next {
            "commit" => {
                scene.write("docs/later", b"later");
                scene.commit("later").unwrap();
            }
            "gc" => _ = scene.gc(),
            _ => {
                let done = scene.try_purge(&PATHS, "").unwrap();
                assert!(done.plan.is_none() && done.obeyed.files > 0);
            }
        }
        assert!(status(&scene.shared_disk(), &[], scene.run()).unwrap().here.is_clear(), "{next}");
        scene.assert_sound();
    }
}

// What an interrupted sync waits for may be any pack where its record does not read, so they stay, and the records that tell of the
// purge with them.
#[test]
fn what_an_unreadable_pending_kept_goes_once_it_reads() {
    let scene = story();
    let head = String::from_utf8(scene.store().head().bytes().to_vec()).unwrap();
    let newer = head.replacen("\nouter 1\n", "\nouter 999\n", 1);
    create_immutable(&scene.disk, &layout::pending(), newer.as_bytes()).unwrap();
    scene.purge(&PATHS);
    let clear = || status(&scene.shared_disk(), &[], scene.run()).unwrap().here.is_clear();
    assert!(!clear(), "its packs stand");
    scene.disk.remove(&layout::pending()).unwrap();
    let done = scene.try_purge(&PATHS, "").unwrap();
    assert!(done.plan.is_none() && done.obeyed.files > 0 && clear());
    scene.assert_sound();
}

// A recovery may leave records of the history that was taken back, under generations of the one that purged.
#[test]
fn records_of_another_history_are_of_before_the_purge() {
    let scene = story();
    let disk = &scene.disk;
    let old = scene.store().head().clone();
    let is_outer = |path: &&StorePath| ["packs", "manifests", "keys"].iter().any(|dir| path.as_str().starts_with(dir));
    let before: Vec<(StorePath, Vec<u8>)> = files(disk)
        .iter()
        .filter(is_outer)
        .map(|path| (path.clone(), read_all(disk, path, 1 << 30).unwrap().unwrap()))
        .collect();
    let purged = scene.purge(&PATHS).generation;
    for at in 0..3 {
        scene.write("docs/later", &[at; 9]);
        scene.commit("later").unwrap();
    }
    let after: BTreeSet<StorePath> = files(disk).into_iter().collect();
    for (path, bytes) in before.iter().filter(|(path, _)| !after.contains(path)) {
        disk.create_dir(&path.parent()).unwrap();
        create_immutable(disk, path, bytes).unwrap();
    }
    let other = Head { generation: Generation(purged.0 + 2), ..old.head };
    let signature = scene.writer().signer().sign(Purpose::Head, &other.encode_body());
    let record = layout::head_record(other.generation);
    disk.remove(&record).unwrap();
    create_immutable(disk, &record, SignedHead::new(other, signature).bytes()).unwrap();
    let told = status(&scene.shared_disk(), &[], scene.run()).unwrap();
    assert!(told.here.records == 1 && told.here.packs > 0, "{told:?}");
    // Own records stay.
    let own = superseded(&scene.store()).unwrap();
    assert_eq!(own, std::slice::from_ref(&record));
    scene.write("docs/last", b"last");
    scene.commit("last").unwrap();
    assert!(status(&scene.shared_disk(), &[], scene.run()).unwrap().here.is_clear());
    let left: Vec<StorePath> = files(disk)
        .into_iter()
        .filter(|path| !after.contains(path) && before.iter().any(|(old, _)| old == path))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(disk.metadata(&record).unwrap().is_none());
    scene.assert_sound();
}

fn own_keys<'a>(scene: &Scene, roots: &'a [SignKey]) -> OwnKeys<'a> {
    OwnKeys { dir: KeyDir::new(&scene.path("keys"), scene.store), ask: &|_| panic!("no passphrase was set"), roots }
}

fn purge_and_rotate(scene: &Scene, paths: &[&str], roots: &[SignKey]) -> Purged {
    let (writer, own) = (scene.writer(), own_keys(scene, roots));
    let paths: Vec<RelPath> = paths.iter().map(|path| RelPath::new(path.as_bytes()).unwrap()).collect();
    let request = PurgeRequest { paths: &paths, writer: &writer, cache: None, own: Some(&own) };
    let plan = plan(&scene.shared_disk(), &request, scene.run()).unwrap();
    purge(&scene.shared_disk(), &request, &plan.hash, scene.run()).unwrap()
}

/// Key files of a moment.
fn key_files(scene: &Scene) -> Vec<Vec<u8>> {
    let all = files(&scene.disk).into_iter().filter(|path| path.as_str().starts_with("keys/"));
    all.map(|path| read_all(&scene.disk, &path, 1 << 20).unwrap().unwrap()).collect()
}

fn opens_one(files: &[Vec<u8>], identities: &[Identity]) -> bool {
    files.iter().any(|file| unwrap(identities, file, 1 << 20).is_ok())
}

// S18: an old image of keys/ is worth nothing once the identities of its time are thrown away.
#[test]
fn this_machine_s_identities_are_new_ones() {
    let scene = story();
    let roots = KeyDir::new(&scene.path("keys"), scene.store).load_roots(&|_| panic!()).unwrap();
    let (before, image) = ([scene.readers(), scene.writer().identities()].concat(), key_files(&scene));
    assert!(opens_one(&image, &before));
    let done = purge_and_rotate(&scene, &PATHS, &roots);
    assert_eq!(done.rotated, Some((Rotated::Yes, Rotated::Yes)));
    let after = [scene.readers(), scene.writer().identities()].concat();
    assert_eq!(after.len(), 2);
    assert!(!opens_one(&image, &after), "a new identity opens an old key file");
    assert!(!opens_one(&key_files(&scene), &before), "an old identity opens a new key file");
    let trust = scene.store().trust().newest().trust.clone();
    assert_eq!((trust.version, trust.writers.len()), (2, 1));
    assert_eq!(trust.writers[0].recipient, scene.writer().identity.recipient().as_str());
    scene.assert_sound();
    scene.write("docs/later", b"later");
    scene.commit("later").unwrap();
    // Without the root key the writer's identity stays, and that is said.
    let done = purge_and_rotate(&scene, &["docs/later"], &[]);
    assert_eq!(done.rotated, Some((Rotated::Yes, Rotated::LacksRoots)));
    assert_eq!(scene.store().trust().newest().trust.version, 2);
    scene.commit("again").unwrap();
    scene.assert_sound();
}

// At every failing call one of the identities in the key files opens the store, whichever state that is.
#[test]
fn a_rotation_that_was_cut_off_leaves_keys_that_open() {
    let scene = story();
    let roots = KeyDir::new(&scene.path("keys"), scene.store).load_roots(&|_| panic!()).unwrap();
    let dir = scene.path("keys").join(scene.store.to_string());
    let names = [LocalKey::Reader, LocalKey::Writer].map(LocalKey::file_name);
    let old = names.map(|name| std::fs::read(dir.join(name)).unwrap());
    let run = |disk: &SimDisk| {
        let (writer, own) = (scene.writer(), own_keys(&scene, &roots));
        let paths = PATHS.map(|path| RelPath::new(path.as_bytes()).unwrap());
        let request = PurgeRequest { paths: &paths, writer: &writer, cache: None, own: Some(&own) };
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let planned = plan(&disk, &request, scene.run());
        purge(&disk, &request, &planned.map_or(String::new(), |plan| plan.hash), scene.run())
    };
    let whole = scene.disk.settled();
    run(&whole).unwrap();
    let calls = whole.call_count();
    let (mut before, mut after) = (0, 0);
    for call in (0..calls).filter(|call| call % 23 == 0 || call + 70 > calls) {
        names.iter().zip(&old).for_each(|(name, bytes)| std::fs::write(dir.join(name), bytes).unwrap());
        let disk = scene.disk.settled();
        disk.fail_nth_call(call, FaultKind::Io);
        let _ = run(&disk);
        let disk = disk.plug_back();
        let store = Store::open(Arc::new(disk.clone())).unwrap();
        store.unlock_writer(&scene.writer().identities()).unwrap();
        store.unlock(&scene.readers()).unwrap();
        if store.head().head.generation == scene.store().head().head.generation {
            before += 1;
        } else {
            after += 1;
        }
        // The next run ends it, and throws away what is not needed.
        let _ = run(&disk);
        assert_eq!((scene.readers().len(), scene.writer().identities().len()), (1, 1), "call {call}");
        Store::open(Arc::new(disk)).unwrap().unlock(&scene.readers()).unwrap();
    }
    assert!(before > 5 && after > 5, "{before} before, {after} after");
}

// S15 S19: neither paths nor content, nor a hash that anybody could make of a path.
#[test]
fn the_host_remembers_nothing_of_it_and_nothing_is_stored_again() {
    let scene = story();
    let gone = [format!("docs/{SECRET}-one"), format!("private/{SECRET}/long"), format!("private/{SECRET}/short")];
    let keys: Vec<[u8; 16]> = gone.iter().map(|path| path_key(&RelPath::new(path.as_bytes()).unwrap())).collect();
    let kept = path_key(&RelPath::new(b"docs/long").unwrap());
    let host = || -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut dirs = vec![scene.path("cache")];
        while let Some(dir) = dirs.pop() {
            for entry in std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
                if entry.is_dir() { dirs.push(entry) } else { bytes.extend(std::fs::read(entry).unwrap()) }
            }
        }
        bytes
    };
    let has = |bytes: &[u8], key: &[u8]| bytes.windows(key.len()).any(|window| window == key);
    assert!(keys.iter().all(|key| has(&host(), key)), "it was remembered");
    scene.purge(&PATHS);
    let after = host();
    assert!(!keys.iter().any(|key| has(&after, key)) && !holds(&after, SECRET));
    assert!(has(&after, &kept), "what stays is remembered");
    let said = format!("{:?} {:?}", scene.monitor.notes(), scene.monitor.problems());
    assert!(!said.contains(SECRET), "{said}");
    // The folder without it is what the store holds, and nothing of it is read, cut or stored again.
    std::fs::remove_file(scene.path("folder").join(&gone[0])).unwrap();
    std::fs::remove_dir_all(scene.path("folder/private").join(SECRET)).unwrap();
    scene.write("docs/one-more", &text("more", 20));
    let committed = scene.commit("after").unwrap();
    assert!(committed.new_bytes < 60_000, "{} bytes are new", committed.new_bytes);
    scene.assert_sound();
    // Even where the host forgot everything, or every time was touched.
    std::fs::remove_dir_all(scene.path("cache")).unwrap();
    scene.write("docs/two-more", &text("two more", 20));
    let remembered = committed.new_bytes;
    let committed = scene.commit("with no memory").unwrap();
    println!("a small file after a purge stores {remembered} bytes, with no memory {}", committed.new_bytes);
    assert!(committed.new_bytes < 60_000, "{} bytes are new", committed.new_bytes);
    assert_eq!(scene.commit("unchanged").unwrap().new_bytes, 0);
    scene.assert_sound();
}

// U11: keys of what stays stand in trees alone, and a repair finds them there.
#[test]
fn what_stays_can_be_repaired() {
    let scene = story();
    scene.purge(&PATHS);
    let pack = scene.packs(Class::Data).into_iter().max_by_key(|pack| pack.len_bytes).unwrap();
    // One frame of many.
    scene.spoil(&layout::pack(&pack.hash), |bytes| bytes[100] ^= 1);
    let writer = scene.writer();
    let request = RepairRequest { writer: Some(&writer), ..RepairRequest::default() };
    let repaired = repair(&scene.shared_disk(), &request, scene.run()).unwrap();
    assert_eq!(repaired.lost_objects, 1, "{repaired:?}");
    assert!(repaired.salvaged_objects > 3, "{repaired:?}");
}

// More packs than a manifest's sealed part is asked for one by one.
#[test]
fn merged_indexes_name_nothing_that_went() {
    let scene = story();
    for at in 0..24 {
        scene.write(&format!("docs/many-{at}"), &noise(100 + at, 3000));
        scene.commit("many").unwrap();
    }
    let identities = scene.readers();
    assert!(!scene.store().unlock(&identities).unwrap().sealed.indexes.is_empty());
    let image = super::Image::of(&scene);
    scene.purge(&PATHS);
    let opened = image.opened(&super::Secrets::of(&scene));
    let indexes = image.frames.iter().filter(|(_, _, entry)| entry.kind == chunkstore::format::Kind::Index);
    let names: Vec<_> = indexes.map(|(_, _, entry)| (entry.id, entry.dedup_generation)).collect();
    assert!(!names.is_empty() && !names.iter().any(|name| opened.contains_key(name)), "a list of what there was opens");
    assert!(!opened.values().any(|plain| holds(plain, SECRET)));
    scene.assert_sound();
    let store = Store::open(scene.shared_disk()).unwrap();
    assert_eq!(store.unlock(&scene.readers()).unwrap().sealed.dedup_generation, DedupGeneration(2));
}

/// What a purge that was just made takes away from a place.
fn first_ordered_pack(scene: &Scene) -> StorePath {
    let orders = orders_of(&scene.store()).unwrap();
    layout::pack(&orders[0].packs[0])
}

// S17: the packs of a purge go whatever the clock says, and what a host remembers of earlier ones.
#[test]
fn a_clock_that_stepped_back_keeps_nothing_on_a_server() {
    let mut scene = story();
    let (remote, mut state) = (MemRemote::new(), HostState::default());
    push_to(&scene, &remote, &mut state);
    scene.purge(&PATHS[..1]);
    push_to(&scene, &remote, &mut state);
    std::fs::remove_file(scene.path("folder").join(PATHS[0].trim_start_matches('/'))).unwrap();
    scene.clock = FixedClock::new(NOW.plus_secs(-100 * 24 * 3600));
    scene.write("docs/again", &noise(9, 5000));
    scene.commit("again").unwrap();
    push_to(&scene, &remote, &mut state);
    scene.purge(&PATHS[1..]);
    // Further back before the push.
    scene.clock = FixedClock::new(NOW.plus_secs(-200 * 24 * 3600));
    push_to(&scene, &remote, &mut state);
    assert_nothing_else(&scene, &remote.paths().into_iter().collect());
    assert_eq!(status(&scene.shared_disk(), &[arc(&remote)], scene.run()).unwrap().is_clear(), Some(true));
}

#[test]
fn a_push_that_cannot_delete_what_was_purged_has_not_ended_well() {
    let scene = story();
    let (remote, mut state) = (MemRemote::new(), HostState::default());
    push_to(&scene, &remote, &mut state);
    scene.purge(&PATHS);
    let pack = first_ordered_pack(&scene);
    assert!(remote.file(&pack).is_some());
    remote.script(Rule::always(Fault::RefuseRemove).at(&pack));
    let pushed = push(&scene.shared_disk(), &arc(&remote), &PushRequest::default(), &mut state, scene.run());
    assert_eq!(pushed.unwrap_err().kind(), ErrorKind::Remote);
    remote.heal();
    assert!(push_to(&scene, &remote, &mut state).removed_packs > 0);
    assert_nothing_else(&scene, &remote.paths().into_iter().collect());
}

// After the roots took generations back, a purge may have a lower one than one that the host remembers.
#[test]
fn a_later_purge_of_a_lower_generation_is_carried_out_as_well() {
    let mut scene = story();
    let (early, mut state) = (scene.disk.settled(), HostState::default());
    for at in 0..3 {
        scene.write("docs/often", &noise(50 + at, 5000));
        scene.commit("again").unwrap();
    }
    scene.purge(&PATHS);
    let taken_back = scene.store().head().head.generation;
    push_to(&scene, &MemRemote::new(), &mut state);
    std::fs::remove_dir_all(scene.path("cache")).unwrap();
    scene.disk = early;
    let remote = MemRemote::new();
    push_to(&scene, &remote, &mut state);
    scene.purge(&PATHS);
    assert!(scene.store().head().head.generation < taken_back);
    assert!(push_to(&scene, &remote, &mut state).removed_files > 0);
    assert_nothing_else(&scene, &remote.paths().into_iter().collect());
}

#[test]
fn a_receipt_tells_which_purge_a_key_has_carried_out() {
    let scene = story();
    let (remote, mut state) = (MemRemote::new(), HostState::default());
    push_to(&scene, &remote, &mut state);
    let key = clone_of(&scene, &remote);
    let told = || {
        let shared: Arc<dyn Disk> = Arc::new(key.clone());
        send(&shared, &[arc(&remote)], None, RunEnd::of_clone(false), scene.run()).unwrap();
        let id = replica::read_id(&key).unwrap().unwrap();
        receipt::open(&remote.file(&layout::receipt(id)).unwrap(), &scene.writer().identities()).unwrap().purge
    };
    assert_eq!(told(), Generation(0));
    scene.purge(&PATHS);
    push_to(&scene, &remote, &mut state);
    assert_eq!(told(), Generation(0));
    let synced = sync_from(&scene, &key, &remote);
    assert_eq!(told(), synced.generation);
    // A record of before that stands again, as where somebody read the store meanwhile.
    key.create_new(&layout::head_record(Generation(1))).unwrap().sync().unwrap();
    assert_eq!(told(), Generation(0));
}
