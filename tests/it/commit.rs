//! What is committed comes back as it was, and what did not change is not read again.

use chunkstore::base::monitor::{Amount, Monitor, Problem, Task};
use chunkstore::disk::folder::{Attributes, FileTime};
use chunkstore::disk::sim_folder::SimRules;
use chunkstore::disk::{Disk, Folder, OsFolder, SimFolder};
use chunkstore::error::ErrorKind;
use chunkstore::folder::Excludes;
use chunkstore::format::manifest::{CondemnedPack, PackRef};
use chunkstore::ops::Run;
use chunkstore::ops::commit::{CommitRequest, commit, preview};
use chunkstore::store::{self, Basis, Next, Store, layout};

use crate::scene::{NOW, Scene, noise, read, rel};

#[test]
fn an_unchanged_folder_makes_no_snapshot_and_a_changed_file_adds_little() {
    let scene = Scene::new();
    for n in 0..50 {
        scene.write(&format!("dir/{n}"), &noise(n, 20_000));
    }
    let first = scene.commit("one").unwrap();
    assert!(first.changed && first.new_bytes > 1_000_000, "{first:?}");
    let again = scene.commit("two").unwrap();
    assert!(!again.changed);
    assert_eq!((again.snapshot, again.generation, again.new_bytes), (first.snapshot, first.generation, 0));
    scene.write("dir/7", &noise(700, 20_000));
    let next = scene.commit("three").unwrap();
    assert!(next.changed && next.new_bytes < 600_000, "{next:?}");
    assert_eq!(next.generation.0, first.generation.0 + 1);
    scene.restore("HEAD~1:/", "before").unwrap();
    scene.restore("/dir", "after").unwrap();
    assert!(read(scene.path("before/dir/7")) == noise(7, 20_000));
    assert!(read(scene.path("after/7")) == noise(700, 20_000));
}

#[test]
fn an_unchanged_file_is_not_opened_again() {
    let scene = Scene::new();
    let folder = SimFolder::new(SimRules::default());
    for n in 0..20 {
        folder.put_file(&rel(&format!("d/{n}")), &noise(n, 10_000));
    }
    folder.put_file(&rel("long"), &noise(99, 2 << 20));
    scene.clock.advance(std::time::Duration::from_secs(3600));
    scene.commit_folder(&folder, "one").unwrap();
    let opens = folder.counts().opens;
    assert!(opens >= 21, "{opens} opens");
    let again = scene.commit_folder(&folder, "two").unwrap();
    assert!(!again.changed);
    assert_eq!(folder.counts().opens - opens, 0, "opens of an unchanged folder");
    folder.put_file(&rel("d/3"), &noise(1000, 10_000));
    scene.clock.advance(std::time::Duration::from_secs(3600));
    assert!(scene.commit_folder(&folder, "three").unwrap().changed);
    assert!(folder.counts().opens - opens <= 2, "{} opens for one changed file", folder.counts().opens - opens);
}

/// Gives a file a time at which a second change could go unseen, so that it is not remembered as unchanged.
fn make_racy(folder: &SimFolder, path: &str) {
    let mtime = FileTime { secs: NOW.0 / 1_000_000_000 + 1_000_000, nanos: 0 };
    folder.set_attributes(&rel(path), &Attributes { mtime: Some(mtime), ..Attributes::default() }).unwrap();
}

#[test]
fn a_directory_that_was_put_aside_for_one_commit_comes_back_with_its_own_content() {
    let scene = Scene::new();
    let folder = SimFolder::new(SimRules::default());
    folder.put_file(&rel("d/f"), b"old");
    scene.commit_folder(&folder, "one").unwrap();
    folder.rename(&rel("d"), &rel("aside")).unwrap();
    folder.put_file(&rel("d/f"), b"new");
    make_racy(&folder, "d/f");
    scene.commit_folder(&folder, "two").unwrap();
    folder.rename(&rel("d"), &rel("other")).unwrap();
    folder.rename(&rel("aside"), &rel("d")).unwrap();
    scene.commit_folder(&folder, "three").unwrap();
    scene.restore("/", "out").unwrap();
    assert_eq!(read(scene.path("out/d/f")), b"old", "its state is that of commit one, and its content, too");
    assert_eq!(read(scene.path("out/other/f")), b"new");
}

#[test]
fn what_this_host_remembers_of_an_older_snapshot_is_not_taken_for_what_another_host_committed() {
    let scene = Scene::new();
    let of = |content: &[u8], shut: bool| {
        let folder = SimFolder::new(SimRules::default());
        folder.put_file(&rel("f"), content);
        if shut {
            folder.deny(rel("f"));
        }
        folder
    };
    scene.commit_folder(&of(b"mine", false), "here").unwrap();
    std::fs::rename(scene.path("cache"), scene.path("cache of this host")).unwrap();
    scene.commit_folder(&of(b"yours", false), "elsewhere").unwrap();
    std::fs::remove_dir_all(scene.path("cache")).unwrap();
    std::fs::rename(scene.path("cache of this host"), scene.path("cache")).unwrap();
    let kept = scene.commit_folder(&of(b"mine", true), "here, and it cannot be read").unwrap();
    assert_eq!(kept.problems.len(), 1);
    scene.commit_folder(&of(b"mine", false), "here, and it can be read again").unwrap();
    scene.restore("/", "out").unwrap();
    assert_eq!(read(scene.path("out/f")), b"mine");
}

#[test]
fn a_commit_cuts_a_run_again_when_less_than_half_of_a_shared_chunk_is_named() {
    let scene = Scene::new();
    let folder = SimFolder::new(SimRules::default());
    for n in 0..10 {
        folder.put_file(&rel(&format!("{n}")), &noise(n, 5_000));
    }
    scene.clock.advance(std::time::Duration::from_secs(3600));
    scene.commit_folder(&folder, "one").unwrap();
    for n in 0..4 {
        folder.remove_file(&rel(&format!("{n}"))).unwrap();
    }
    let opens = folder.counts().opens;
    scene.commit_folder(&folder, "six of ten are left").unwrap();
    assert_eq!(folder.counts().opens, opens, "more than half is named");
    for n in 4..7 {
        folder.remove_file(&rel(&format!("{n}"))).unwrap();
    }
    scene.commit_folder(&folder, "three of ten are left").unwrap();
    assert_eq!(folder.counts().opens, opens + 3, "less than half is named");
    scene.restore("/", "out").unwrap();
    assert!(read(scene.path("out/9")) == noise(9, 5_000));
}

#[test]
fn excludes_and_cache_directories_are_left_out() {
    let scene = Scene::new();
    scene.write("keep/a", b"a");
    scene.write("keep/b.tmp", b"b");
    scene.write("cache/CACHEDIR.TAG", b"Signature: 8a477f597d28d172789f06886806bc55\n");
    scene.write("cache/blob", b"blob");
    let folder = OsFolder::open(&scene.path("folder")).unwrap();
    let excludes = Excludes::new(["*.tmp"]).unwrap().and_caches();
    scene.commit_with(&folder, "some", excludes).unwrap();
    scene.restore("/", "out").unwrap();
    assert!(scene.path("out/keep/a").exists() && scene.path("out/cache/CACHEDIR.TAG").exists());
    assert!(!scene.path("out/keep/b.tmp").exists() && !scene.path("out/cache/blob").exists());
}

#[test]
fn a_file_that_keeps_changing_is_reported_and_stays_as_it_was() {
    let scene = Scene::new();
    let folder = SimFolder::new(SimRules::default());
    folder.put_file(&rel("calm"), b"calm");
    folder.put_file(&rel("wild"), &vec![0; 300_000]);
    scene.clock.advance(std::time::Duration::from_secs(3600));
    scene.commit_folder(&folder, "before").unwrap();
    folder.put_file(&rel("wild"), &vec![1; 300_000]);
    let mut round = 1;
    folder.on_read(&rel("wild"), move |folder| {
        round += 1;
        folder.put_file(&rel("wild"), &vec![round; 300_000 + usize::from(round)]);
    });
    let committed = scene.commit_folder(&folder, "while it changes").unwrap();
    assert_eq!(committed.problems.len(), 1, "{:?}", committed.problems);
    assert_eq!(committed.problems[0].subject, "/wild");
    scene.restore("/", "out").unwrap();
    assert!(read(scene.path("out/wild")) == vec![0; 300_000], "never torn: the last snapshot's version stays");
}

#[test]
fn a_small_file_that_grows_while_it_is_read_is_kept_as_a_long_one() {
    let scene = Scene::new();
    let folder = SimFolder::new(SimRules::default());
    for name in ["a", "log", "z"] {
        folder.put_file(&rel(name), b"short");
    }
    let mut reads = 0;
    folder.on_read(&rel("log"), move |folder| {
        reads += 1;
        if reads == 1 {
            folder.put_file(&rel("log"), &noise(5, 400_000));
        }
    });
    scene.clock.advance(std::time::Duration::from_secs(3600));
    let committed = scene.commit_folder(&folder, "growing").unwrap();
    assert_eq!(committed.problems, []);
    scene.restore("/", "out").unwrap();
    assert!(read(scene.path("out/log")) == noise(5, 400_000));
    assert_eq!((read(scene.path("out/a")), read(scene.path("out/z"))), (b"short".to_vec(), b"short".to_vec()));
}

#[test]
fn two_writers_at_once_and_a_foreign_writer_are_refused() {
    let scene = Scene::new();
    scene.write("a", b"a");
    let lock = chunkstore::store::lock::WriteLock::take(&scene.disk).unwrap();
    assert_eq!(scene.commit("locked out").unwrap_err().kind(), ErrorKind::Locked);
    drop(lock);
    scene.commit("alone").unwrap();
}

#[test]
fn a_full_disk_leaves_the_old_state_and_says_how_much_is_needed() {
    let scene = Scene::new();
    scene.write("a", &noise(1, 100_000));
    let first = scene.commit("fits").unwrap();
    scene.write("b", &noise(2, 40 << 20));
    scene.disk.set_capacity_bytes(Some(20 << 20));
    let error = scene.commit("does not fit").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
    scene.disk.set_capacity_bytes(None);
    let store = chunkstore::store::Store::open(scene.shared_disk()).unwrap();
    assert_eq!(store.head().head.generation, first.generation);
    let again = scene.commit("fits now").unwrap();
    assert!(again.changed);
}

#[test]
fn a_directory_that_cannot_be_listed_stays_as_it_was() {
    let scene = Scene::new();
    let folder = SimFolder::new(SimRules::default());
    folder.put_file(&rel("open/a"), b"a");
    folder.put_file(&rel("shut/deep/b"), b"bb");
    scene.commit_folder(&folder, "before").unwrap();
    folder.put_file(&rel("open/a"), b"new");
    folder.deny(rel("shut"));
    let committed = scene.commit_folder(&folder, "one is shut").unwrap();
    assert_eq!(committed.problems.len(), 1, "{:?}", committed.problems);
    assert_eq!((committed.totals.files, committed.totals.dirs, committed.totals.bytes), (2, 3, 5));
    scene.restore("/", "out").unwrap();
    assert_eq!(read(scene.path("out/shut/deep/b")), b"bb");
    assert_eq!(read(scene.path("out/open/a")), b"new");
}

/// Removes a folder as soon as the first bytes of one of its files were read.
struct Remover<'a>(&'a std::path::Path);

impl Monitor for Remover<'_> {
    fn begin(&self, _: Task, _: Option<Amount>) {}
    fn advance(&self, _: Task, _: Amount) {
        let _ = std::fs::remove_dir_all(self.0);
    }
    fn end(&self, _: Task) {}
    fn problem(&self, _: Problem) {}
    fn note(&self, _: &str) {}
    fn cancelled(&self) -> bool {
        false
    }
}

// F16
#[test]
#[cfg_attr(windows, ignore = "Windows does not let a directory go that is held open")]
fn a_folder_that_is_removed_while_it_is_read_makes_no_snapshot() {
    let scene = Scene::new();
    scene.write("kept", b"kept");
    let before = scene.commit("whole").unwrap();
    scene.write("large", &noise(3, 5 << 20));
    scene.write("sub/file", b"file");
    let (path, writer) = (scene.path("folder"), scene.writer());
    let folder = OsFolder::open(&path).unwrap();
    let request = CommitRequest {
        message: String::new(),
        author: String::new(),
        tags: vec![],
        excludes: Excludes::none(),
        writer: &writer,
        cache: None,
    };
    let remover = Remover(&path);
    let run = Run { monitor: &remover, ..scene.run() };
    let error = commit(scene.shared_disk(), &folder, &request, run).unwrap_err();
    assert!(!path.exists());
    assert_eq!(error.to_string(), "the folder to commit was removed while it was read");
    assert_eq!(Store::open(scene.shared_disk()).unwrap().head().head.generation, before.generation);
}

#[test]
fn what_lay_in_a_lost_pack_that_a_merged_index_covers_is_stored_again() {
    let scene = Scene::new();
    scene.write("0", &noise(0, 200_000));
    scene.commit("the pack that will be lost").unwrap();
    let lost = |path: &String| path.starts_with("packs/") && scene.disk.content(path).unwrap().len() > 200_000;
    let lost: Vec<_> = scene.disk.paths().into_iter().filter(lost).collect();
    assert_eq!(lost.len(), 1);
    for n in 1..12 {
        scene.write(&format!("{n}"), &noise(n, 70_000));
        scene.commit("more").unwrap();
    }
    assert!(scene.disk.wipe(&lost[0]));
    scene.write("again", &noise(0, 200_000));
    scene.commit("the same content once more").unwrap();
    assert_eq!(scene.restore("/", "out").unwrap().damaged, 0);
    assert!(read(scene.path("out/again")) == noise(0, 200_000));
}

// U2, U18
#[test]
fn a_store_that_fell_back_behind_what_this_host_has_seen_takes_no_commit() {
    let scene = Scene::new();
    scene.write("a", b"one");
    scene.commit("one").unwrap();
    let older = scene.disk.snapshot();
    scene.write("a", b"two");
    scene.commit("two").unwrap();
    let (writer, cache) = (scene.writer(), scene.path("cache"));
    let request = CommitRequest {
        message: String::new(),
        author: String::new(),
        tags: vec![],
        excludes: Excludes::none(),
        writer: &writer,
        cache: Some(&cache),
    };
    let folder = OsFolder::open(&scene.path("folder")).unwrap();
    let error = commit(std::sync::Arc::new(older), &folder, &request, scene.run()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
}

#[test]
fn a_folder_whose_medium_went_away_is_not_believed() {
    let scene = Scene::new();
    scene.write("a", b"one");
    let first = scene.commit("one").unwrap();
    // As a pulled key looks for a while: everything reads, and some of it is missing.
    let folder = SimFolder::new(SimRules { is_gone: true, ..SimRules::default() });
    folder.put_file(&rel("b"), b"from the cache");
    let (writer, cache) = (scene.writer(), scene.path("cache"));
    let request = CommitRequest {
        message: String::new(),
        author: String::new(),
        tags: vec![],
        excludes: Excludes::none(),
        writer: &writer,
        cache: Some(&cache),
    };
    for op in [commit, preview] {
        let error = op(scene.shared_disk(), &folder, &request, scene.run()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Gone, "{error}");
        assert_eq!(error.to_string(), "the medium of the folder to commit went away");
    }
    let store = Store::open(scene.shared_disk()).unwrap();
    assert_eq!(store.head().head.generation, first.generation);
}

#[test]
fn an_object_in_a_condemned_pack_is_not_taken_for_stored() {
    let scene = Scene::new();
    let content = noise(4, 300_000);
    scene.write("a", &content);
    scene.commit("first").unwrap();
    // A gc dropped everything, and its packs still stand.
    let store = Store::open(scene.shared_disk()).unwrap();
    let writer = scene.writer();
    let signer = writer.signer();
    let (keys, unlocked) = store.unlock_writer(&[writer.identity]).unwrap();
    let mut next = Next::following(store.packs(), unlocked.sealed, NOW);
    next.sealed.snapshots.clear();
    next.sealed.indexes.clear();
    next.removed = store.packs().packs().iter().map(|pack| pack.hash).collect();
    let condemned = |pack: &PackRef| CondemnedPack { hash: pack.hash, len_bytes: pack.len_bytes, since: NOW };
    next.condemned = store.packs().packs().iter().map(condemned).collect();
    let basis = Basis { store: store.id(), trust: store.trust(), current: Some((store.head(), store.packs())) };
    store::commit(&scene.disk, &basis, &keys.reader, &signer, next).unwrap();
    let committed = scene.commit("again").unwrap();
    assert!(committed.changed && committed.new_bytes > 300_000, "{committed:?}");
    // With the condemned packs gone, all of it is still there.
    let store = Store::open(scene.shared_disk()).unwrap();
    assert!(!store.packs().top.condemned.is_empty());
    for pack in &store.packs().top.condemned {
        assert!(store.packs().pack(&pack.hash).is_none());
        scene.disk.remove(&layout::pack(&pack.hash)).unwrap();
    }
    scene.restore("/", "out").unwrap();
    assert!(read(scene.path("out/a")) == content);
}
