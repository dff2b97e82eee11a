//! `repair`: everything that still opens is saved, nothing is made up, and what stays lost is named.

use std::time::Duration;

use chunkstore::error::{ErrorKind, Result};
use chunkstore::ops::repair::{RepairRequest, Repaired, repair};
use chunkstore::ops::verify::{Report, VerifyRequest, verify};
use chunkstore::store::{Store, layout};

use crate::scene::{Scene, noise, read};

/// A way to damage a pack.
type Damage = (&'static str, fn(&mut Vec<u8>));

/// Length of each file in bytes: long enough to share no chunk with another.
const LEN: usize = 1_500_000;

/// A store of two snapshots: `kept` and `hit` in the first, `later` besides in the second.
struct Damaged {
    scene: Scene,
}

impl Damaged {
    fn new() -> Self {
        let scene = Scene::new();
        // After the time of every file, so that what was read once is known to be unchanged.
        scene.clock.advance(Duration::from_secs(400 * 365 * 24 * 3600 / 4));
        scene.write("kept", &noise(1, LEN));
        scene.write("hit", &noise(2, LEN));
        scene.commit("one").unwrap();
        scene.write("later", &noise(3, LEN));
        scene.commit("two").unwrap();
        Self { scene }
    }

    fn open(&self) -> Store {
        Store::open(self.scene.shared_disk()).unwrap()
    }

    fn generation(&self) -> u64 {
        self.open().head().head.generation.0
    }

    /// The pack of a number, in the order of writing.
    fn pack(&self, at: usize) -> String {
        layout::pack(&self.open().packs().packs()[at].hash).to_string()
    }

    /// The pack with the content of the first snapshot.
    fn data(&self) -> String {
        let len = |at: &usize| self.scene.disk.content(&self.pack(*at)).unwrap().len();
        let longest = (0..2).max_by_key(len).unwrap();
        self.pack(longest)
    }

    /// The pack with the trees and the snapshot of the first commit.
    fn meta(&self) -> String {
        let data = self.data();
        (0..2).map(|at| self.pack(at)).find(|path| *path != data).unwrap()
    }

    fn spoil(&self, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        assert!(self.scene.disk.corrupt(path, change), "{path}");
    }

    fn try_repair(&self, dry_run: bool) -> Result<Repaired> {
        let writer = self.scene.writer();
        let request = RepairRequest { writer: Some(&writer), dry_run, ..RepairRequest::default() };
        repair(&self.scene.shared_disk(), &request, self.scene.run())
    }

    fn repair(&self) -> Repaired {
        self.try_repair(false).unwrap()
    }

    fn files(&self) -> Vec<(String, Vec<u8>)> {
        let paths = self.scene.disk.paths().into_iter().map(|path| path.to_string());
        paths.map(|path| (path.clone(), self.scene.disk.content(&path).unwrap())).collect()
    }

    /// Checks that a dry run tells the same and writes nothing, then repairs.
    fn rehearse_and_repair(&self) -> Repaired {
        let before = self.files();
        let planned = self.try_repair(true).unwrap();
        assert_eq!(self.files(), before, "a dry run wrote");
        let done = self.repair();
        let told = |repaired: &Repaired| {
            let lost = (repaired.lost_objects, repaired.lost_snapshots.clone(), repaired.lost_paths.clone());
            (repaired.salvaged_objects, repaired.salvaged_bytes, lost, repaired.rebuilt.clone())
        };
        assert_eq!(told(&planned), told(&done));
        assert_eq!((planned.generation, planned.packs), (None, 0));
        done
    }

    fn verify(&self) -> Report {
        let identities = self.scene.readers();
        let request = VerifyRequest { identities: &identities, read_data: true, ..VerifyRequest::default() };
        verify(self.scene.shared_disk(), &request, self.scene.run()).unwrap()
    }

    fn assert_restores(&self, spot: &str, target: &str, files: &[(&str, u64)]) {
        let restored = self.scene.restore(spot, target).unwrap();
        assert_eq!((restored.damaged, restored.files), (0, files.len() as u64), "{spot}");
        for (name, seed) in files {
            assert!(read(self.scene.path(target).join(name)) == noise(*seed, LEN), "{spot}: {name}");
        }
    }

    /// Checks that all is there again, and that another repair has nothing to do (borg 8302: each repair healed the same file).
    fn assert_whole(&self) {
        assert_eq!(self.verify().findings, []);
        self.assert_restores("HEAD~1:/", "out1", &[("kept", 1), ("hit", 2)]);
        self.assert_restores("HEAD:/", "out2", &[("kept", 1), ("hit", 2), ("later", 3)]);
        let before = self.files();
        let again = self.repair();
        assert!(again.is_whole() && again.generation.is_none(), "{again:?}");
        assert_eq!(self.files(), before, "there was nothing to repair");
    }
}

#[test]
fn nothing_is_written_where_nothing_is_wrong() {
    Damaged::new().assert_whole();
}

// U11
#[test]
fn what_still_opens_is_saved_whatever_else_of_a_pack_is_damaged() {
    // Header, padded index, bytes behind the end: every frame is right.
    let damages: [Damage; 3] = [
        ("header", |bytes| bytes[2] ^= 1),
        ("behind the end", |bytes| bytes.extend([7; 900])),
        ("index", |bytes| *bytes.last_mut().unwrap() ^= 1),
    ];
    for (name, damage) in damages {
        let store = Damaged::new();
        for _ in 0..16 {
            // With merged indexes a pack without its own is no riddle.
            store.scene.write("more", name.as_bytes());
            store.scene.commit("more").unwrap();
            std::fs::remove_file(store.scene.path("folder/more")).unwrap();
            store.scene.commit("less").unwrap();
        }
        let snapshots = store.open().unlock(&store.scene.readers()).unwrap().sealed.snapshots;
        let (data, generation) = (store.data(), store.generation());
        store.spoil(&data, damage);
        let remains = store.scene.disk.content(&data).unwrap();
        let done = store.rehearse_and_repair();
        assert!(done.is_whole() && done.salvaged_objects >= 2 && done.packs >= 1, "{name}: {done:?}");
        assert_eq!((done.generation, done.lost_objects), (Some(generation + 1), 0), "{name}");
        assert!(store.scene.disk.content(&data).unwrap() == remains, "{name}: the damaged pack was touched");
        let opened = store.open();
        assert!(opened.packs().top.condemned.iter().any(|gone| layout::pack(&gone.hash).as_str() == data), "{name}");
        assert_eq!(opened.unlock(&store.scene.readers()).unwrap().sealed.snapshots, snapshots, "{name}");
        assert_eq!(store.verify().findings, [], "{name}");
        store.assert_restores(&format!("{}:/", snapshots[0].id), "first", &[("kept", 1), ("hit", 2)]);
        assert!(store.repair().generation.is_none(), "{name}");
    }
}

/// borg 9748: an index said that objects were stored which were gone, so that the next backup left them out, ended well, and could
/// not be restored. rustic 249: the same with a pack that was missing and stayed in the index. borg 5235: a check after a repair that
/// found chunks lost told of no problem.
// U11
#[test]
fn a_lost_chunk_is_named_and_comes_back_with_a_commit_of_the_same_folder() {
    for is_missing in [false, true] {
        let store = Damaged::new();
        let (data, generation) = (store.data(), store.generation());
        if is_missing {
            assert!(store.scene.disk.wipe(&data));
        } else {
            store.spoil(&data, |bytes| bytes[1000] ^= 1);
        }
        let done = store.rehearse_and_repair();
        assert!(!done.is_whole() && done.looked, "{done:?}");
        assert_eq!(done.salvaged_objects == 0, is_missing, "{done:?}");
        assert!(done.lost_objects >= 1 && done.lost_paths_total >= 1 && done.lost_snapshots.is_empty(), "{done:?}");
        assert_eq!((done.generation, done.lost_paths.len() as u64), (Some(generation + 1), done.lost_paths_total));
        // Nobody put anything in its place.
        assert!(store.scene.restore("/", "partly").unwrap().damaged >= 1);
        let again = store.repair();
        assert_eq!((again.generation, again.lost_objects), (None, done.lost_objects), "it stays told of");
        // The folder did not change, and its files are known to be unchanged.
        let committed = store.scene.commit("again").unwrap();
        assert!(!committed.changed && committed.new_bytes > 0, "{committed:?}");
        assert!((1..3).contains(&committed.changes.read), "only what was lost is read again: {committed:?}");
        assert_eq!(committed.generation.0, generation + 2);
        store.assert_whole();
        assert_eq!(store.scene.commit("once more").unwrap().new_bytes, 0);
    }
}

// U11
#[test]
fn a_lost_snapshot_stays_in_the_list_and_a_commit_goes_on_without_it() {
    let store = Damaged::new();
    let kept = store.open().unlock(&store.scene.readers()).unwrap().sealed.snapshots;
    let last = store.open().packs().packs().len() - 1;
    assert!(store.scene.disk.wipe(&store.pack(last)), "the pack with the newest snapshot");
    let done = store.rehearse_and_repair();
    assert_eq!((done.lost_snapshots.clone(), done.is_whole()), (vec![kept[1].id], false), "{done:?}");
    let unlocked = store.open().unlock(&store.scene.readers()).unwrap();
    assert_eq!(unlocked.sealed.snapshots, kept, "no snapshot is made up, altered or dropped");
    let committed = store.scene.commit("on").unwrap();
    assert!(committed.changed, "{committed:?}");
    store.assert_restores("HEAD:/", "out", &[("kept", 1), ("hit", 2), ("later", 3)]);
    store.assert_restores("HEAD~2:/", "first", &[("kept", 1), ("hit", 2)]);
    assert_eq!(store.repair().lost_snapshots, [kept[1].id]);
}

// U11
#[test]
fn a_torn_pack_gives_what_lies_before_the_cut_by_the_merged_index() {
    let store = Damaged::new();
    for at in 0..12 {
        store.scene.write("more", &[at; 10]);
        store.scene.commit("more").unwrap();
    }
    let sealed = store.open().unlock(&store.scene.readers()).unwrap().sealed;
    assert!(!sealed.indexes.is_empty());
    let data = store.data();
    store.spoil(&data, |bytes| bytes.truncate(LEN + LEN / 2));
    let done = store.rehearse_and_repair();
    assert!(done.salvaged_objects >= 1 && done.lost_objects >= 1, "{done:?}");
    let committed = store.scene.commit("again").unwrap();
    assert!(!committed.changed && committed.new_bytes > 0, "{committed:?}");
    assert_eq!(store.verify().findings, []);
}

// U11
#[test]
fn a_damaged_merged_index_is_dropped_and_nothing_is_lost() {
    let store = Damaged::new();
    for at in 0..12 {
        store.scene.write("more", &[at; 10]);
        store.scene.commit("more").unwrap();
    }
    let part = store.open().unlock(&store.scene.readers()).unwrap().sealed.indexes[0];
    let at = part.offset as usize + 50;
    store.spoil(layout::pack(&part.pack).as_str(), |bytes| bytes[at] ^= 1);
    let done = store.rehearse_and_repair();
    assert!(done.is_whole() && done.dropped_indexes == 1, "{done:?}");
    assert_eq!(store.verify().findings, []);
    assert!(store.repair().generation.is_none());
}

// U11
#[test]
fn what_follows_from_what_stands_takes_no_secret() {
    let store = Damaged::new();
    let sound = store.files();
    let generation = store.generation();
    let record = layout::head_record(store.open().head().head.generation);
    assert!(store.scene.disk.wipe("STORE"));
    store.spoil("HEAD", |bytes| bytes.truncate(20));
    assert!(store.scene.disk.wipe("HEAD"));
    store.scene.disk.put("HEAD.new", b"chunkst");
    store.scene.disk.put("pending", b"chunkstore he");
    let request = RepairRequest::default();
    let done = repair(&store.scene.shared_disk(), &request, store.scene.run()).unwrap();
    let mut rebuilt: Vec<_> = done.rebuilt.iter().map(ToString::to_string).collect();
    rebuilt.sort();
    assert_eq!(rebuilt, ["HEAD", "HEAD.new", "STORE", "pending"]);
    assert!(done.is_whole() && !done.looked && done.generation.is_none(), "{done:?}");
    assert_eq!(store.files(), sound);
    assert!(store.scene.disk.wipe(record.as_str()));
    let done = repair(&store.scene.shared_disk(), &request, store.scene.run()).unwrap();
    assert_eq!((done.rebuilt, store.generation()), (vec![record], generation));
    assert_eq!(store.files(), sound);
}

// U11
#[test]
fn a_root_is_never_guessed() {
    // The newest state's manifest is gone: a copy may have it, so HEAD stays and nothing is built.
    let store = Damaged::new();
    let manifest = layout::manifest(&store.open().packs().chain[0].0);
    assert!(store.scene.disk.wipe(manifest.as_str()));
    let before = store.files();
    let done = store.repair();
    assert!(!done.is_whole() && done.rebuilt.is_empty() && !done.looked, "{done:?}");
    assert_eq!(done.unmended[0].0, manifest);
    assert_eq!(store.files(), before);
    // No record vouches for a marker.
    let store = Damaged::new();
    let trust = store.scene.disk.content("trust/1").unwrap();
    assert!(store.scene.disk.wipe("STORE") && store.scene.disk.wipe("trust/1"));
    let before = store.files();
    let done = store.try_repair(false).unwrap();
    assert!(done.rebuilt.is_empty() && !done.is_whole(), "{done:?}");
    assert_eq!(store.files(), before);
    store.scene.disk.put("trust/1", &trust);
    assert!(store.repair().is_whole());
    store.assert_whole();
    // Where no store ever stood is none.
    let scene = Scene::new();
    assert!(scene.disk.wipe("STORE"));
    let error = repair(&scene.shared_disk(), &RepairRequest::default(), scene.run()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoStore);
}

// U11
#[test]
fn without_the_writers_key_damaged_packs_are_told_of_and_left() {
    let store = Damaged::new();
    let data = store.data();
    store.spoil(&data, |bytes| bytes[1000] ^= 1);
    let before = store.files();
    let done = repair(&store.scene.shared_disk(), &RepairRequest::default(), store.scene.run()).unwrap();
    assert!(!done.is_whole() && !done.looked, "{done:?}");
    assert_eq!(done.damaged_packs.iter().map(ToString::to_string).collect::<Vec<_>>(), [data]);
    assert_eq!(store.files(), before);
}

// U11
#[test]
fn a_pack_of_trees_is_saved_like_any_other() {
    let store = Damaged::new();
    let meta = store.meta();
    let len = store.scene.disk.content(&meta).unwrap().len();
    store.spoil(&meta, |bytes| bytes[len - 3] ^= 1);
    let done = store.rehearse_and_repair();
    // Its own index is gone and none else covers it, so nobody knows where its objects begin.
    assert!(done.salvaged_objects == 0 && done.lost_snapshots.len() == 1, "{done:?}");
    let store = Damaged::new();
    let meta = store.meta();
    store.spoil(&meta, |bytes| bytes.extend([1; 10]));
    let done = store.rehearse_and_repair();
    assert!(done.is_whole() && done.salvaged_objects >= 2, "{done:?}");
    store.assert_whole();
}
