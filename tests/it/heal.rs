//! `verify --heal`: what is broken is found and fetched again, exactly that, and nothing is lost where that fails.

use std::sync::Arc;

use chunkstore::base::StorePath;
use chunkstore::error::{ErrorKind, Result};
use chunkstore::ops::verify::{Finding, ProblemKind, Report, VerifyRequest, verify};
use chunkstore::path_remote::PathRemote;
use chunkstore::remote::mem::{Fault, MemRemote, Rule};
use chunkstore::remote::{Remote, RemoteErrorKind};
use chunkstore::store::keys::read_key_list;
use chunkstore::store::layout;
use chunkstore::store::lock::WriteLock;

use super::env::{Key, MIB, Named, Publisher, arc, damage, kind, read};

/// What the packs of a scene hold, in bytes.
const LENGTHS: [usize; 4] = [MIB, 300_000, 2000, MIB + 500_000];
/// Room for what packs add to their content.
const SLACK_BYTES: u64 = 100_000;

/// A publisher, its remote, and a key that holds the same.
struct Scene {
    publisher: Publisher,
    remote: MemRemote,
    key: Key,
}

impl Scene {
    fn new() -> Self {
        let publisher = Publisher::with_readers(1, 1);
        publisher.commit(&LENGTHS);
        let remote = publisher.remote();
        let key = Key::of(&publisher, &remote);
        Self { publisher, remote, key }
    }

    fn pack(&self, at: usize) -> StorePath {
        layout::pack(&self.publisher.open().packs().packs()[at].hash)
    }

    fn spoil(&self, path: &StorePath, change: impl FnOnce(&mut Vec<u8>)) {
        damage(&self.key.path(), path, change);
    }

    fn remove(&self, path: &StorePath) {
        std::fs::remove_file(self.key.path().join(path.as_str())).unwrap();
    }

    fn try_heal(&self, heal: &[Arc<dyn Remote>]) -> Result<Report> {
        let request = VerifyRequest { heal, ..VerifyRequest::default() };
        verify(Arc::clone(&self.key.disk), &request, self.key.world.run())
    }

    fn heal_from(&self, heal: &[Arc<dyn Remote>]) -> Report {
        self.try_heal(heal).unwrap()
    }

    fn heal(&self) -> Report {
        self.heal_from(&[arc(&self.remote)])
    }

    /// Checks that all is sound again, that healing does nothing more, and that the key is as it was.
    fn assert_sound(&self) {
        let before = self.key.snapshot();
        let again = self.heal_from(&[arc(&self.remote)]);
        assert_eq!((&again.findings[..], &again.healing), (&[][..], &None));
        assert_eq!(self.key.snapshot(), before, "a sound store was written to");
        self.key.assert_holds(&self.publisher.open().head().clone());
    }
}

fn told(report: &Report) -> Vec<(ProblemKind, &str, bool)> {
    report.findings.iter().map(|found| (found.kind, found.file.as_str(), found.healed)).collect()
}

fn fetched_bytes(report: &Report) -> u64 {
    report.healing.as_ref().unwrap().fetched_bytes
}

fn failure(report: &Report) -> Option<ErrorKind> {
    report.healing.as_ref().unwrap().failure.as_ref().map(|failure| failure.kind)
}

/// A way to damage a pack, and what verify calls it.
type Damage = (&'static str, fn(&mut Vec<u8>), ProblemKind);

const DAMAGES: [Damage; 6] = [
    ("one flipped bit", |bytes| bytes[1000] ^= 4, ProblemKind::DamagedPack),
    ("a zeroed sector", |bytes| bytes[512..1024].fill(0), ProblemKind::DamagedPack),
    ("all zeros", |bytes| bytes.fill(0), ProblemKind::DamagedPack),
    ("truncated", |bytes| bytes.truncate(bytes.len() / 2), ProblemKind::DamagedPack),
    ("empty", Vec::clear, ProblemKind::DamagedPack),
    ("extended", |bytes| bytes.extend([7; 5000]), ProblemKind::DamagedPack),
];

// U10
#[test]
fn exactly_the_damaged_pack_is_fetched_whatever_the_damage() {
    for (name, change, found) in DAMAGES {
        let scene = Scene::new();
        let pack = scene.pack(1);
        scene.spoil(&pack, change);
        let report = scene.heal();
        assert_eq!(told(&report), [(found, pack.as_str(), true)], "{name}");
        assert_eq!((report.packs, report.total_packs, failure(&report)), (4, 4, None), "{name}");
        let fetched = fetched_bytes(&report);
        assert!((300_000..300_000 + SLACK_BYTES).contains(&fetched), "{name}: {fetched} bytes");
        assert_eq!((scene.remote.counts().fetches, scene.remote.counts().fetched_bytes), (1, fetched), "{name}");
        scene.assert_sound();
    }
}

// U10
#[test]
fn missing_and_swapped_packs_come_back_and_the_others_stay() {
    let scene = Scene::new();
    let [missing, one, other] = [0, 1, 2].map(|at| scene.pack(at));
    scene.remove(&missing);
    let swapped = [&one, &other].map(|path| read(scene.key.disk.as_ref(), path));
    scene.spoil(&one, |bytes| *bytes = swapped[1].clone());
    scene.spoil(&other, |bytes| *bytes = swapped[0].clone());
    let report = scene.heal();
    let mut found = told(&report);
    found.sort();
    let mut wanted = [
        (ProblemKind::MissingPack, missing.as_str(), true),
        (ProblemKind::DamagedPack, one.as_str(), true),
        (ProblemKind::DamagedPack, other.as_str(), true),
    ];
    wanted.sort();
    assert_eq!(found, wanted);
    assert_eq!(scene.remote.counts().fetches, 3);
    assert!(fetched_bytes(&report) < (MIB + 302_000) as u64 + SLACK_BYTES, "{report:?}");
    scene.assert_sound();
}

// U10
#[test]
fn a_directory_in_the_way_costs_its_own_pack_alone() {
    let scene = Scene::new();
    let [blocked, damaged] = [0, 1].map(|at| scene.pack(at));
    scene.remove(&blocked);
    let obstacle = scene.key.path().join(blocked.as_str());
    std::fs::create_dir(&obstacle).unwrap();
    scene.spoil(&damaged, |bytes| bytes[0] ^= 1);
    scene.spoil(&layout::head(), Vec::clear);
    let report = scene.heal();
    let left: Vec<&Finding> = report.left().collect();
    assert_eq!((report.findings.len(), left.len(), left[0].file.as_str()), (3, 1, blocked.as_str()), "{report:?}");
    assert_eq!((failure(&report), scene.remote.counts().fetches), (Some(ErrorKind::Corrupt), 1));
    std::fs::remove_dir(obstacle).unwrap();
    assert_eq!(told(&scene.heal()), [(ProblemKind::MissingPack, blocked.as_str(), true)]);
    scene.assert_sound();
}

// U10
#[test]
fn remotes_that_each_have_a_half_heal_the_whole() {
    let scene = Scene::new();
    let (one, other) = (scene.remote.fork(), scene.remote.fork());
    let key_file = a_key_file(&scene);
    for path in [scene.pack(0), key_file.clone()] {
        one.uproot(&path);
    }
    other.uproot(&scene.pack(1));
    scene.spoil(&scene.pack(0), |bytes| bytes[9] ^= 1);
    scene.remove(&scene.pack(1));
    scene.spoil(&key_file, |bytes| bytes[9] ^= 1);
    let report = scene.heal_from(&[Arc::new(Named(one, "mem:one")), Arc::new(Named(other, "mem:other"))]);
    assert_eq!((report.findings.len(), report.left().count(), failure(&report)), (3, 0, None), "{report:?}");
    assert_eq!(report.healing.unwrap().sources, ["mem:one", "mem:other"]);
    scene.assert_sound();
}

// U6 U10
#[test]
fn what_no_remote_gives_right_stays_as_it_was_and_the_rest_is_healed() {
    let page = StorePath::new("packs/error.htm").unwrap();
    let faults = [
        (Fault::NotFound, ErrorKind::Corrupt),
        (Fault::FlipBit { offset: 5000 }, ErrorKind::Corrupt),
        (Fault::Truncate { after_bytes: 0 }, ErrorKind::Corrupt),
        (Fault::ServeInstead(page.clone()), ErrorKind::Corrupt),
        (Fault::Reset { after_bytes: 0 }, ErrorKind::Remote),
    ];
    for (fault, wanted) in faults {
        let scene = Scene::new();
        let (lost, other, key_file) = (scene.pack(0), scene.pack(2), a_key_file(&scene));
        scene.spoil(&lost, |bytes| bytes[700_000] ^= 1);
        scene.spoil(&other, |bytes| bytes[100] ^= 1);
        scene.spoil(&key_file, Vec::clear);
        scene.spoil(&layout::head(), |bytes| bytes[100] ^= 1);
        let remains = read(scene.key.disk.as_ref(), &lost);
        scene.remote.plant(&page, b"<html>not found</html>");
        scene.remote.script(Rule::always(fault.clone()).at(&lost));
        let report = scene.heal();
        let left: Vec<_> = report.left().map(|found| (found.kind, found.file.as_str())).collect();
        assert_eq!(left, [(ProblemKind::DamagedPack, lost.as_str())], "{fault:?}");
        assert_eq!((report.findings.len(), failure(&report)), (4, Some(wanted)), "{fault:?}");
        // Most objects of a damaged pack still open, so it is not given up for nothing.
        assert!(read(scene.key.disk.as_ref(), &lost) == remains, "{fault:?}: the damaged pack is gone");
        // Another that has it ends the matter.
        let sound = scene.remote.fork();
        let report = scene.heal_from(&[arc(&scene.remote), Arc::new(Named(sound, "mem:sound"))]);
        assert_eq!((told(&report), failure(&report)), (vec![(ProblemKind::DamagedPack, lost.as_str(), true)], None));
        scene.remote.heal();
        scene.assert_sound();
    }
}

// U6 U10
#[test]
fn a_remote_that_is_down_or_of_another_store_changes_nothing() {
    let scene = Scene::new();
    let pack = scene.pack(0);
    scene.spoil(&pack, |bytes| bytes[9] ^= 1);
    let remains = read(scene.key.disk.as_ref(), &pack);
    let stranger = Publisher::new(9);
    stranger.commit(&[MIB]);
    let down = MemRemote::new();
    down.script(Rule::always(Fault::Connect(RemoteErrorKind::Unreachable)));
    for (remote, wanted) in [(stranger.remote(), ErrorKind::Corrupt), (down.clone(), ErrorKind::Remote)] {
        let report = scene.heal_from(&[arc(&remote)]);
        assert_eq!(told(&report), [(ProblemKind::DamagedPack, pack.as_str(), false)]);
        assert_eq!(failure(&report), Some(wanted));
        assert!(read(scene.key.disk.as_ref(), &pack) == remains);
    }
    let report = scene.heal_from(&[arc(&down), arc(&stranger.remote()), arc(&scene.remote)]);
    assert_eq!((report.left().count(), failure(&report)), (0, None), "{report:?}");
    scene.assert_sound();
}

// U10
#[test]
fn an_older_and_a_newer_mirror_are_as_good_for_what_they_have() {
    let scene = Scene::new();
    let older = scene.remote.fork();
    scene.publisher.commit(&[4000]);
    let key = Key::of(&scene.publisher, &scene.publisher.remote());
    let head = scene.publisher.open().head().clone();
    let (old_pack, new_pack) = (scene.pack(0), scene.pack(4));
    damage(&key.path(), &old_pack, |bytes| bytes[9] ^= 1);
    damage(&key.path(), &new_pack, |bytes| bytes[9] ^= 1);
    let scene = Scene { key, ..scene };
    let report = scene.heal_from(&[arc(&older)]);
    assert_eq!(report.left().map(|found| found.file.as_str()).collect::<Vec<_>>(), [new_pack.as_str()]);
    assert_eq!(scene.key.open().head().bytes(), head.bytes(), "an older mirror sets nothing back");
    // And a mirror that has moved on does not move the key.
    scene.publisher.commit(&[5000]);
    let report = scene.heal_from(&[arc(&scene.publisher.remote())]);
    assert_eq!(told(&report), [(ProblemKind::DamagedPack, new_pack.as_str(), true)]);
    scene.key.assert_holds(&head);
}

// U10 U11
#[test]
fn head_key_lists_and_key_files_are_healed() {
    let scene = Scene::new();
    let store = scene.key.open();
    let list = layout::key_list(&store.packs().top.key_lists[0].shards[0].0);
    let record = layout::head_record(store.head().head.generation);
    let key_file = a_key_file(&scene);
    drop(store);
    for path in [layout::head(), record, list, key_file.clone()] {
        for (name, change, _) in DAMAGES.iter().filter(|(name, ..)| *name != "a zeroed sector") {
            scene.spoil(&path, |bytes| if bytes.len() > 1000 { change(bytes) } else { bytes.push(b'x') });
            let report = scene.heal();
            assert_eq!((report.findings.len(), report.left().count()), (1, 0), "{path} {name}: {report:?}");
            scene.assert_sound();
        }
        // No key misses the key files of others.
        if path != key_file {
            scene.remove(&path);
            let report = scene.heal();
            assert_eq!((report.findings.len(), report.left().count()), (1, 0), "{path}: {report:?}");
            scene.assert_sound();
        }
    }
}

/// A key file that the key carries.
fn a_key_file(scene: &Scene) -> StorePath {
    let store = scene.key.open();
    let lists = &store.packs().top.key_lists[0];
    let (hash, len_bytes) = &lists.shards[0];
    let list = read_key_list(store.disk().as_ref(), store.id(), hash, *len_bytes).unwrap();
    layout::key_file(lists.epoch, list.entries[0].tag)
}

// U10 U11
#[test]
fn a_degraded_store_heals_exactly_what_its_newer_record_names() {
    let mut scene = Scene::new();
    let head = scene.publisher.commit(&[4000]);
    scene.publisher.plant(&scene.remote);
    scene.key.sync(&scene.remote).unwrap();
    let manifest = layout::manifest(&head.head.manifest);
    scene.remove(&manifest);
    scene.spoil(&scene.pack(1), |bytes| bytes[9] ^= 1);
    let newest = read(scene.key.disk.as_ref(), &layout::head());
    // Without the manifest what tells of the newer state stays.
    let older = scene.remote.fork();
    older.uproot(&manifest);
    let report = scene.heal_from(&[arc(&older)]);
    let left: Vec<_> = report.left().map(|found| (found.kind, found.file.as_str())).collect();
    assert_eq!(
        (report.findings.len(), &left[..]),
        (2, &[(ProblemKind::Manifest, manifest.as_str())][..]),
        "{report:?}"
    );
    assert!(read(scene.key.disk.as_ref(), &layout::head()) == newest, "HEAD went back");
    let report = scene.heal();
    assert_eq!(told(&report), [(ProblemKind::Manifest, manifest.as_str(), true)]);
    scene.key.assert_holds(&head);
    scene.assert_sound();
}

// U10 U11
#[test]
fn a_store_that_does_not_open_is_healed_by_its_hashes() {
    let mut scene = Scene::new();
    scene.publisher.rotate_trust();
    let head = scene.publisher.commit(&[4000]);
    scene.publisher.plant(&scene.remote);
    scene.key.sync(&scene.remote).unwrap();
    let chain = scene.publisher.open().packs().chain.clone();
    assert!(chain.len() >= 2 && head.head.trust_version == 2, "{chain:?}");
    let (marker, first, second) = (layout::marker(), layout::trust(1), layout::trust(2));
    let manifests = [0, 1].map(|at| layout::manifest(&chain[at].0));
    let rows: [(&[&StorePath], ProblemKind); 5] = [
        (&[&marker], ProblemKind::Marker),
        (&[&first], ProblemKind::Trust),
        (&[&first, &second], ProblemKind::Trust),
        (&[&manifests[1]], ProblemKind::Manifest),
        (&[&manifests[0], &manifests[1]], ProblemKind::Manifest),
    ];
    for (paths, found) in rows {
        for (name, change, _) in DAMAGES.iter().filter(|(name, ..)| ["one flipped bit", "empty"].contains(name)) {
            for path in paths {
                let cut = |bytes: &mut Vec<u8>| if bytes.len() > 1000 { change(bytes) } else { bytes.truncate(9) };
                scene.spoil(path, cut);
            }
            assert!(scene.try_heal(&[]).unwrap().left().all(|left| left.kind == found), "{paths:?} {name}");
            let report = scene.heal();
            assert!(!report.findings.is_empty() && report.left().count() == 0, "{paths:?} {name}: {report:?}");
            assert_eq!((report.total_packs, failure(&report)), (5, None), "{paths:?} {name}");
            scene.key.assert_holds(&head);
            scene.assert_sound();
        }
        for path in paths {
            scene.remove(path);
        }
        let report = scene.heal();
        assert!(!report.findings.is_empty() && report.left().count() == 0, "{paths:?} missing: {report:?}");
        scene.assert_sound();
    }
}

// U10 U11
#[test]
fn everything_at_once_is_told_of_and_healed() {
    let scene = Scene::new();
    let store = scene.key.open();
    let list = layout::key_list(&store.packs().top.key_lists[0].shards[0].0);
    let manifest = layout::manifest(&store.packs().chain[0].0);
    drop(store);
    let paths = [layout::marker(), layout::trust(1), manifest, list, a_key_file(&scene), scene.pack(2)];
    paths.iter().for_each(|path| scene.remove(path));
    scene.spoil(&layout::head(), |bytes| bytes.truncate(9));
    let found = scene.try_heal(&[]).unwrap();
    let mut kinds: Vec<_> = found.left().map(|left| left.kind).collect();
    kinds.dedup();
    assert!(kinds.contains(&ProblemKind::Marker) && kinds.contains(&ProblemKind::Trust), "{found:?}");
    let report = scene.heal();
    // Which key files there are nobody could say without the list.
    assert_eq!((report.left().count(), failure(&report)), (0, None), "{report:?}");
    assert!(report.findings.len() >= 6, "{report:?}");
    scene.assert_sound();
}

// U10
#[test]
fn a_key_file_that_the_store_should_carry_is_missed_and_healed() {
    let scene = Scene::new();
    let key_file = a_key_file(&scene);
    scene.remove(&key_file);
    let report = scene.heal();
    assert_eq!(told(&report), [(ProblemKind::Key, key_file.as_str(), true)]);
    scene.assert_sound();
    // A key with a tag carries its own, and misses no other.
    let mut key = Key::empty(78);
    let tag = scene.publisher.tags[0];
    key.clone_with(&arc(&scene.remote), Some(&scene.publisher.fingerprint), Some(tag)).unwrap();
    let scene = Scene { key, ..scene };
    scene.assert_sound();
    let own = layout::key_file(scene.key.open().head().head.epoch, tag);
    scene.remove(&own);
    assert_eq!(told(&scene.heal()), [(ProblemKind::Key, own.as_str(), true)]);
    scene.assert_sound();
}

#[test]
fn a_sound_store_is_neither_locked_nor_are_remotes_asked() {
    let scene = Scene::new();
    let lock = WriteLock::take(scene.key.disk.as_ref()).unwrap();
    let before = scene.key.snapshot();
    assert_eq!(scene.heal().healing, None);
    assert_eq!((scene.remote.counts().connects, scene.key.snapshot()), (0, before));
    scene.spoil(&scene.pack(2), |bytes| bytes[9] ^= 1);
    assert_eq!(kind(scene.try_heal(&[arc(&scene.remote)])), ErrorKind::Locked);
    drop(lock);
    assert_eq!(scene.heal().left().count(), 0);
    scene.assert_sound();
}

// U10
#[test]
fn a_path_heals_as_a_server_does() {
    let scene = Scene::new();
    scene.spoil(&scene.pack(3), |bytes| bytes[1_200_000] ^= 1);
    let mirror: Arc<dyn Remote> = Arc::new(PathRemote::new(Arc::clone(&scene.publisher.disk), "/publisher".into()));
    let report = scene.heal_from(&[mirror]);
    assert_eq!(told(&report), [(ProblemKind::DamagedPack, scene.pack(3).as_str(), true)]);
    scene.assert_sound();
}

// U5 U10
#[test]
fn a_heal_that_broke_off_goes_on() {
    let scene = Scene::new();
    let [one, other] = [0, 3].map(|at| scene.pack(at));
    scene.spoil(&one, |bytes| bytes[9] ^= 1);
    scene.remove(&other);
    scene.remote.script(Rule::once(Fault::Reset { after_bytes: MIB as u64 + 200_000 }).at(&other));
    scene.remote.script(Rule::always(Fault::Reset { after_bytes: 0 }).at(&other));
    let report = scene.heal();
    assert_eq!((report.left().count(), failure(&report)), (1, Some(ErrorKind::Remote)), "{report:?}");
    scene.remote.heal();
    let report = scene.heal();
    assert_eq!(told(&report), [(ProblemKind::DamagedPack, other.as_str(), true)]);
    assert!(fetched_bytes(&report) < 500_000 + SLACK_BYTES, "what had come is kept: {report:?}");
    scene.assert_sound();
}

// U10
#[test]
fn a_sample_hashes_its_share_and_looks_at_every_length() {
    let publisher = Publisher::new(1);
    publisher.commit(&[3000; 20]);
    let remote = publisher.remote();
    let key = Key::of(&publisher, &remote);
    let sample = |sample_percent: f64| {
        let request = VerifyRequest { sample_percent: Some(sample_percent), ..VerifyRequest::default() };
        verify(Arc::clone(&key.disk), &request, key.world.run()).unwrap()
    };
    for (percent, packs) in [(0.01, 1), (5.0, 1), (5.1, 2), (50.0, 10), (100.0, 20)] {
        let report = sample(percent);
        assert_eq!((report.packs, report.total_packs, report.findings.len()), (packs, 20, 0), "{percent}");
        assert!(report.checked_bytes >= packs * 3000 && report.checked_bytes < packs * 4000, "{report:?}");
    }
    let paths: Vec<_> = publisher.open().packs().packs().iter().map(|pack| layout::pack(&pack.hash)).collect();
    damage(&key.path(), &paths[7], |bytes| bytes.truncate(100));
    assert_eq!(sample(0.01).findings[0].file, paths[7].as_str(), "a length that is wrong costs no hashing");
    damage(&key.path(), &paths[3], |bytes| bytes[50] ^= 1);
    let found = |report: Report| report.findings.iter().any(|found| found.file == paths[3].as_str());
    assert!((0..100).any(|_| found(sample(5.0))), "chance leads everywhere");
    assert!((0..20).any(|_| !found(sample(5.0))));
}

#[test]
fn an_empty_store_has_nothing_to_sample() {
    let publisher = Publisher::new(1);
    let key = Key::of(&publisher, &publisher.remote());
    let request = VerifyRequest { sample_percent: Some(1.0), ..VerifyRequest::default() };
    let report = verify(Arc::clone(&key.disk), &request, key.world.run()).unwrap();
    assert_eq!((report.packs, report.total_packs, report.findings.len()), (0, 0, 0));
}
