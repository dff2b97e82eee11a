//! `restore` in all its ways: globs, overwrite modes, removal, reading back, threads, and what a target cannot hold.

#[cfg(unix)]
use std::os::unix::fs::{MetadataExt, symlink};

use chunkstore::base::RelPath;
use chunkstore::base::monitor::RecordingMonitor;
use chunkstore::disk::folder::{Attributes, ExtendedAttribute, FileKind, FileTime};
use chunkstore::disk::sim_folder::{SimEntry, SimRules};
use chunkstore::disk::{Folder, OsFolder, SimFolder};
use chunkstore::error::{ErrorKind, Result};
use chunkstore::folder::Excludes;
use chunkstore::ops::Run;
use chunkstore::ops::open::Spot;
use chunkstore::ops::restore::{
    Act, Deletion, Overwrite, RestoreOptions, RestoreRequest, Restored, Selection, preview, restore,
};
use chunkstore::store::{Store, layout};

use crate::gc::StopsAfter;
use crate::handmade;
use crate::publisher::holding;
use crate::reading::bomb;
use crate::scene::{Scene, noise, read, rel};

fn selection(include: &[&str], exclude: &[&str]) -> Selection {
    let include = (!include.is_empty()).then(|| Excludes::new(include).unwrap());
    Selection::new(include, Excludes::new(exclude).unwrap())
}

fn with(overwrite: Overwrite) -> RestoreOptions {
    RestoreOptions { overwrite, ..RestoreOptions::default() }
}

fn deleting(force: bool) -> RestoreOptions {
    RestoreOptions { delete: Some(Deletion { force, ..Deletion::default() }), ..RestoreOptions::default() }
}

/// Restores all into a simulated folder.
fn into(scene: &Scene, folder: &SimFolder, options: RestoreOptions) -> Result<Restored> {
    let identities = scene.readers();
    let request = RestoreRequest { spot: Spot::parse(b"/").unwrap(), identities: &identities, owners: false, options };
    restore(scene.shared_disk(), folder, &request, scene.run())
}

/// Tells what a restore of all would do.
fn looked(scene: &Scene, folder: &SimFolder, options: RestoreOptions) -> (Restored, Vec<String>) {
    let identities = scene.readers();
    let request = RestoreRequest { spot: Spot::parse(b"/").unwrap(), identities: &identities, owners: false, options };
    let mut told = Vec::new();
    let done = preview(scene.shared_disk(), Some(folder), &request, scene.run(), &mut |act, path| {
        told.push(format!("{act:?} {path}"));
        Ok(())
    });
    told.sort();
    (done.unwrap(), told)
}

/// A committed folder of a few files in memory.
fn committed() -> (Scene, SimFolder) {
    let (scene, folder) = (Scene::new(), SimFolder::default());
    for (name, bytes) in [("a/one.txt", &b"one"[..]), ("a/two.bin", b"two"), ("b/c/three.txt", b"three")] {
        folder.put_file(&rel(name), bytes);
    }
    folder.put_file(&rel("top"), &noise(1, 300_000));
    folder.create_symlink(&rel("b/link"), b"../top").unwrap();
    scene.commit_folder(&folder, "all").unwrap();
    (scene, folder)
}

fn paths(folder: &SimFolder) -> Vec<String> {
    folder.entries().keys().map(ToString::to_string).collect()
}

#[test]
fn globs_pick_entries_and_make_only_the_directories_above_them() {
    let (scene, _) = committed();
    let cases: [(&[&str], &[&str], &[&str]); 5] = [
        (&["*.txt"], &[], &["/a", "/a/one.txt", "/b", "/b/c", "/b/c/three.txt"]),
        (&["*.txt"], &["/b"], &["/a", "/a/one.txt"]),
        (&["/b"], &["*.txt"], &["/b", "/b/c", "/b/link"]),
        (&[], &["a", "b"], &["/top"]),
        (&["a", "!a/two.bin"], &["one*"], &["/a", "/a/two.bin"]),
    ];
    for (include, exclude, wanted) in cases {
        let folder = SimFolder::default();
        let options = RestoreOptions { selection: selection(include, exclude), ..RestoreOptions::default() };
        into(&scene, &folder, options).unwrap();
        assert_eq!(paths(&folder), wanted, "{include:?} {exclude:?}");
    }
    let options = RestoreOptions { selection: selection(&["*.tyop"], &[]), ..RestoreOptions::default() };
    let error = into(&scene, &SimFolder::default(), options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Other);
    assert!(error.to_string().contains("--include"), "{error}");
}

#[test]
fn each_mode_leaves_what_it_says() {
    let scene = Scene::new();
    scene.write("same", b"same");
    scene.write("other", b"of the snapshot");
    scene.write("new", b"new");
    for (name, secs) in [("same", 1000), ("other", 2000), ("new", 3000)] {
        let file = std::fs::File::options().append(true).open(scene.path("folder").join(name)).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(secs)).unwrap();
    }
    #[cfg(unix)]
    symlink("same", scene.path("folder/link")).unwrap();
    let links = u64::from(cfg!(unix));
    scene.commit("all").unwrap();
    // Which of same (unchanged, but for its mode), other (older or newer than the snapshot's) and new are written.
    let cases = [
        (Overwrite::Always, 1500, [true, true], (3 + links, 0, 0)),
        (Overwrite::IfChanged, 1500, [false, true], (2, 1 + links, 0)),
        (Overwrite::IfChanged, 2500, [false, true], (2, 1 + links, 0)),
        (Overwrite::IfNewer, 1500, [false, true], (2, 0, 1 + links)),
        (Overwrite::IfNewer, 2500, [false, false], (1, 0, 2 + links)),
        (Overwrite::Never, 1500, [false, false], (1, 0, 2 + links)),
    ];
    for (number, (mode, mtime, written, counts)) in cases.into_iter().enumerate() {
        let name = format!("out{number}");
        scene.restore("/", &name).unwrap();
        let out = scene.path(&name);
        std::fs::remove_file(out.join("new")).unwrap();
        let mut permissions = std::fs::metadata(out.join("same")).unwrap().permissions();
        permissions.set_readonly(true);
        std::fs::set_permissions(out.join("same"), permissions).unwrap();
        std::fs::write(out.join("other"), b"of the target!!").unwrap();
        let file = std::fs::File::options().append(true).open(out.join("other")).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(mtime)).unwrap();
        // Not every Windows has another file take the name of one that is open.
        drop(file);
        let folder = OsFolder::open(&out).unwrap();
        let inode = |name: &str| folder.stat(&rel(name)).unwrap().unwrap().inode;
        let before = [inode("same"), inode("other")];
        let done = scene.restore_with("/", &name, with(mode)).unwrap();
        assert_eq!((done.files, done.unchanged, done.skipped), counts, "{mode:?} {mtime}: {done:?}");
        // Elsewhere the number of a file that was replaced may be given again at once.
        if cfg!(unix) {
            assert_eq!([inode("same") != before[0], inode("other") != before[1]], written, "{mode:?} {mtime}");
        }
        let other: &[u8] = if written[1] { b"of the snapshot" } else { b"of the target!!" };
        assert_eq!(read(out.join("other")), other, "{mode:?} {mtime}");
        assert_eq!(read(out.join("new")), b"new");
        let is_read_only = std::fs::metadata(out.join("same")).unwrap().permissions().readonly();
        assert_eq!(is_read_only, !matches!(mode, Overwrite::Always | Overwrite::IfChanged), "{mode:?}");
    }
}

#[cfg(unix)]
#[test]
fn names_of_one_file_stay_one_file_in_every_mode() {
    let scene = Scene::new();
    scene.write("d/a", &noise(4, 100_000));
    for name in ["b", "d/c"] {
        std::fs::hard_link(scene.path("folder/d/a"), scene.path("folder").join(name)).unwrap();
    }
    scene.commit("all").unwrap();
    let inodes =
        |out: &std::path::Path| ["d/a", "b", "d/c"].map(|name| std::fs::metadata(out.join(name)).unwrap().ino());
    for mode in [Overwrite::Always, Overwrite::IfChanged, Overwrite::Never] {
        let name = format!("{mode:?}");
        scene.restore("/", &name).unwrap();
        let out = scene.path(&name);
        let before = inodes(&out);
        // A copy under one of the names is the same content, and another file.
        std::fs::copy(out.join("d/a"), out.join("copy")).unwrap();
        let mtime = std::fs::metadata(out.join("d/a")).unwrap().modified().unwrap();
        std::fs::File::options().append(true).open(out.join("copy")).unwrap().set_modified(mtime).unwrap();
        std::fs::rename(out.join("copy"), out.join("b")).unwrap();
        let done = scene.restore_with("/", &name, with(mode)).unwrap();
        let after = inodes(&out);
        let is_one = after.iter().all(|inode| *inode == after[0]);
        assert_eq!(is_one, mode != Overwrite::Never, "{mode:?} {done:?}");
        // Under `IfChanged` the name that is come by first stays, and the others become names of that file.
        let stays = if mode == Overwrite::IfChanged { after[1] != before[1] } else { after[0] == before[0] };
        assert_eq!(stays, mode != Overwrite::Always, "{mode:?}");
    }
}

// S4 S10 F24
#[test]
fn what_the_snapshot_does_not_have_goes_and_nothing_else() {
    let scene = Scene::new();
    for name in ["keep", "dir/in", "was-dir/x"] {
        scene.write(name, name.as_bytes());
    }
    std::fs::write(scene.path("folder/was-file"), b"now a file").unwrap();
    scene.commit("all").unwrap();
    let (out, outside) = (scene.path("out"), scene.path("outside"));
    std::fs::create_dir_all(outside.join("sub")).unwrap();
    std::fs::write(outside.join("sub/precious"), b"precious").unwrap();
    for dir in ["dir/deep/deeper", "own", "was-file/below"] {
        std::fs::create_dir_all(out.join(dir)).unwrap();
    }
    for name in ["dir/deep/deeper/f", "dir/extra", "own/store", "was-dir", "was-file/below/f", "built.o", "dir/b.o"] {
        std::fs::write(out.join(name), b"of the target").unwrap();
    }
    #[cfg(unix)]
    symlink(&outside, out.join("dir/to-dir")).unwrap();
    #[cfg(unix)]
    symlink(outside.join("sub/precious"), out.join("to-file")).unwrap();
    let links = if cfg!(unix) { 2 } else { 0 };
    let delete = Some(Deletion { protected: vec![rel("own/store")], force: true });
    let options = RestoreOptions { delete, selection: selection(&[], &["*.o"]), ..RestoreOptions::default() };
    let done = scene.restore_with("/", "out", options).unwrap();
    // deeper/f, deeper, deep, extra, two links; in the way: was-dir, was-file with below and f.
    assert_eq!((done.files, done.deleted, done.left_alone), (4, 8 + links, 0), "{:?}", scene.monitor.problems());
    let mut names = Vec::new();
    let mut open = vec![out.clone()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()) {
            names.push(entry.strip_prefix(&out).unwrap().to_str().unwrap().replace('\\', "/"));
            open.extend(entry.symlink_metadata().unwrap().is_dir().then_some(entry));
        }
    }
    names.sort();
    let wanted =
        ["built.o", "dir", "dir/b.o", "dir/in", "keep", "own", "own/store", "was-dir", "was-dir/x", "was-file"];
    assert_eq!(names, wanted);
    assert_eq!(read(outside.join("sub/precious")), b"precious", "links are never followed");
    assert_eq!(read(out.join("was-file")), b"now a file");
}

// F16 F17
#[test]
fn a_deletion_that_looks_like_a_mistake_is_refused_before_anything_changes() {
    let scene = Scene::new();
    scene.write("a/f", b"f");
    std::fs::create_dir(scene.path("folder/empty")).unwrap();
    scene.commit("all").unwrap();
    let target = |name: &str, count: usize| {
        std::fs::create_dir(scene.path(name)).unwrap();
        (0..count).for_each(|n| std::fs::write(scene.path(name).join(n.to_string()), b"x").unwrap());
    };
    let count = |name: &str| std::fs::read_dir(scene.path(name)).unwrap().count();
    target("one", 1);
    let error = scene.restore_with("/empty", "one", deleting(false)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("--yes"), "{error}");
    target("many", 12);
    let error = scene.restore_with("/", "many", deleting(false)).unwrap_err();
    assert_eq!((error.kind(), count("many")), (ErrorKind::Conflict, 12), "{error}");
    assert_eq!(scene.restore_with("/a/f", "one", deleting(true)).unwrap_err().kind(), ErrorKind::Usage);
    assert_eq!(count("one"), 1);
    // A few of them are no mass change, and whoever means it says so.
    target("few", 9);
    assert_eq!(scene.restore_with("/", "few", deleting(false)).unwrap().deleted, 9);
    assert_eq!(scene.restore_with("/", "many", deleting(true)).unwrap().deleted, 12);
    assert_eq!(scene.restore_with("/empty", "one", deleting(true)).unwrap().deleted, 1);
}

#[test]
fn a_damaged_store_gives_what_it_can_and_nothing_is_removed() {
    let (scene, folder) = committed();
    folder.put_file(&rel("later"), &noise(9, 400_000));
    scene.commit_folder(&folder, "more").unwrap();
    let store = Store::open(scene.shared_disk()).unwrap();
    // The newest data pack holds the new file alone.
    let packs = store.packs().packs();
    let data = packs.iter().rev().find(|pack| pack.class == chunkstore::format::Class::Data).unwrap();
    let path = layout::pack(&data.hash).to_string();
    let mut bytes = scene.disk.content(&path).unwrap();
    bytes[5000] ^= 1;
    scene.disk.put(&path, &bytes);
    let target = SimFolder::default();
    target.put_file(&rel("extra"), b"extra");
    target.put_file(&rel("later"), b"as it was");
    let done = into(&scene, &target, deleting(true)).unwrap();
    assert_eq!((done.files, done.damaged, done.deleted), (5, 1, 0));
    assert!(paths(&target).contains(&"/extra".to_owned()));
    assert_eq!(target.entries()[&rel("later")].bytes, b"as it was");
    assert_eq!(target.entries()[&rel("top")].bytes, noise(1, 300_000));
}

// F26
#[test]
fn a_dry_run_tells_what_the_run_does_and_changes_nothing() {
    let (scene, _) = committed();
    let target = SimFolder::default();
    target.put_file(&rel("a/one.txt"), b"older");
    target.put_file(&rel("a/gone/deep"), b"extra");
    target.create_symlink(&rel("b"), b"a").unwrap();
    target.settle();
    let (before, calls) = (holding(&target), target.op_count());
    let options = || RestoreOptions { overwrite: Overwrite::IfChanged, threads: 1, ..deleting(true) };
    let (found, told) = looked(&scene, &target, options());
    assert!(holding(&target) == before && target.op_count() == calls, "a dry run wrote");
    let wanted = [
        "Create /a/two.bin",
        "Create /b",
        "Create /b/c",
        "Create /b/c/three.txt",
        "Create /b/link",
        "Create /top",
        "Delete /a/gone",
        "Delete /a/gone/deep",
        "Delete /b",
        "Replace /a/one.txt",
    ];
    assert_eq!(told, wanted);
    let done = into(&scene, &target, options()).unwrap();
    assert_eq!((done.files, done.bytes, done.deleted), (found.files, found.bytes, found.deleted));
    let (again, told) = looked(&scene, &target, options());
    assert_eq!((again.files, again.unchanged, again.deleted), (0, 5, 0), "{told:?}");
    assert!(told.iter().all(|line| line.starts_with(&format!("{:?}", Act::Keep))), "{told:?}");
}

#[test]
fn what_was_written_is_read_back() {
    let (scene, source) = committed();
    let verifying = || RestoreOptions { verify: true, ..RestoreOptions::default() };
    let target = SimFolder::default();
    let reads = target.counts().reads;
    assert_eq!(into(&scene, &target, verifying()).unwrap().differing, 0);
    assert!(target.counts().reads - reads >= 4);
    assert!(holding(&target) == holding(&source));
    let spoiled = SimFolder::default();
    spoiled.deny(rel("a/one.txt"));
    let done = into(&scene, &spoiled, verifying()).unwrap();
    assert_eq!((done.differing, done.left_alone), (1, 0));
    let problems = scene.monitor.problems();
    assert!(problems.iter().any(|problem| problem.subject == "/a/one.txt" && problem.reason.contains("read back")));
}

#[test]
fn threads_write_what_one_writes() {
    let (scene, source) = (Scene::new(), SimFolder::new(SimRules { zeros_are_holes: true, ..SimRules::default() }));
    for n in 0..400u64 {
        source.put_file(&rel(&format!("d{}/{n}", n % 7)), &noise(n, (n * 37 % 9000) as usize));
    }
    source.put_file(&rel("long"), &noise(900, 9 << 20));
    source.put_file(&rel("longer"), &[noise(901, 3 << 20), vec![0; 5 << 20], noise(902, 1 << 20)].concat());
    source.create_hard_link(&rel("d0/0"), &rel("d6/name")).unwrap();
    source.create_hard_link(&rel("long"), &rel("d5/long too")).unwrap();
    scene.commit_folder(&source, "all").unwrap();
    for threads in [1, 2, 5] {
        let target = SimFolder::default();
        let done = into(&scene, &target, RestoreOptions { threads, ..RestoreOptions::default() }).unwrap();
        assert_eq!((done.files, done.left_alone, done.damaged), (404, 0, 0));
        assert!(holding(&target) == holding(&source), "{threads} threads");
        assert!(target.counts().syncs <= 2, "{} syncs", target.counts().syncs);
    }
}

// F25
#[test]
fn metadata_that_the_target_cannot_hold_is_reported_once_a_kind() {
    let (scene, folder) = committed();
    let extended = vec![ExtendedAttribute { name: b"user.note".to_vec(), value: b"x".to_vec() }];
    for name in ["a/one.txt", "top", "b/c"] {
        let attributes = Attributes {
            extended: extended.clone(),
            mtime: Some(FileTime { secs: 7, nanos: 0 }),
            ..Attributes::default()
        };
        folder.set_attributes(&rel(name), &attributes).unwrap();
    }
    scene.commit_folder(&folder, "noted").unwrap();
    let target = SimFolder::new(SimRules { refuse_extended: true, ..SimRules::default() });
    let monitor = RecordingMonitor::default();
    let identities = scene.readers();
    let spot = Spot::parse(b"/").unwrap();
    let options = RestoreOptions::default();
    let request = RestoreRequest { spot, identities: &identities, owners: false, options };
    let run = Run { monitor: &monitor, ..scene.run() };
    let done = restore(scene.shared_disk(), &target, &request, run).unwrap();
    assert_eq!((done.files, done.left_alone, monitor.problems().len()), (5, 1, 1), "{:?}", monitor.problems());
    assert!(monitor.problems()[0].reason.contains("extended attribute"), "{:?}", monitor.problems());
    let target = SimFolder::default();
    into(&scene, &target, RestoreOptions::default()).unwrap();
    for name in ["a/one.txt", "top", "b/c"] {
        assert_eq!(target.extended_attributes(&rel(name)).unwrap(), extended, "{name}");
    }
}

#[test]
fn another_file_system_in_the_target_is_left_alone() {
    // Only root may mount; what a plain user has is the same folder without one.
    let scene = Scene::new();
    scene.write("f", b"f");
    scene.commit("all").unwrap();
    let mounted = scene.path("out/mounted");
    std::fs::create_dir_all(&mounted).unwrap();
    let mount = |args: &[&str]| {
        let status = std::process::Command::new("mount").args(args).arg(&mounted).output();
        status.is_ok_and(|output| output.status.success())
    };
    if !mount(&["-t", "tmpfs", "none"]) {
        println!("cannot mount here: only checked that a plain directory goes");
        assert_eq!(scene.restore_with("/", "out", deleting(true)).unwrap().deleted, 1);
        return;
    }
    std::fs::write(mounted.join("precious"), b"precious").unwrap();
    let done = scene.restore_with("/", "out", deleting(true));
    let kept = std::fs::read(mounted.join("precious"));
    std::process::Command::new("umount").arg(&mounted).status().unwrap();
    let done = done.unwrap();
    assert_eq!((kept.unwrap().as_slice(), done.deleted, done.left_alone), (&b"precious"[..], 0, 1));
}

#[test]
fn a_real_folder_gets_its_names_in_few_syncs_and_keeps_no_temporary_ones() {
    let scene = Scene::new();
    for n in 0..300 {
        scene.write(&format!("d{}/{n}", n % 9), &noise(n, 500));
    }
    scene.commit("all").unwrap();
    let done = scene.restore("/", "out").unwrap();
    assert_eq!(done.files, 300);
    let folder = OsFolder::open(&scene.path("out")).unwrap();
    for n in 0..9 {
        let names = folder.list(&rel(&format!("d{n}"))).unwrap();
        assert!(names.iter().all(|(name, _)| !chunkstore::folder::is_temporary(name)));
    }
}

/// Makes directories as the bomb names them, so many levels deep.
fn stand(dir: &std::path::Path, levels: u32) {
    std::fs::create_dir(dir).unwrap();
    for name in if levels > 0 { &["a", "b"][..] } else { &[] } {
        stand(&dir.join(name), levels - 1);
    }
}

#[test]
fn a_small_store_is_not_unfolded_without_end() {
    let scene = Scene::new();
    handmade::commit(&scene, bomb);
    let refused = |error: chunkstore::error::Error| {
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert_eq!(error.to_string(), "the snapshot, which holds more entries than it says, is damaged");
    };
    let identities = scene.readers();
    let (spot, options) = (Spot::parse(b"/").unwrap(), RestoreOptions::default());
    let request = RestoreRequest { spot, identities: &identities, owners: false, options };
    refused(preview(scene.shared_disk(), None, &request, scene.run(), &mut |_, _| Ok(())).unwrap_err());
    // What to remove is looked for in the directories that stand, before anything is written.
    let out = scene.path("out");
    stand(&out, 15);
    refused(scene.restore_with("/", "out", deleting(true)).unwrap_err());
    assert!(!out.join("a/".repeat(16)).exists());
}

#[test]
fn what_reads_of_a_damaged_directory_is_written_and_nothing_is_removed_for_the_rest() {
    let scene = Scene::new();
    handmade::commit(&scene, |hand| {
        let model = hand.file("x", 1, b"x");
        let many = (0..3000).map(|number| {
            let name = chunkstore::base::EntryName::new(format!("{number:04}").as_bytes()).unwrap();
            chunkstore::format::tree::Entry { name, ..model.clone() }
        });
        let tree = hand.tree(many.collect());
        // The last leaf, before the root node above it.
        hand.lose_last_but_one();
        hand.tree(vec![handmade::Hand::over("many", 3, tree)])
    });
    let folder = SimFolder::default();
    folder.put_file(&rel("many/extra"), b"x");
    let done = into(&scene, &folder, deleting(true)).unwrap();
    assert_eq!((done.damaged, done.deleted), (1, 0));
    assert!((1..3000).contains(&done.files), "{done:?}");
    let names = paths(&folder);
    assert!(names.contains(&"/many/0000".to_owned()) && names.contains(&"/many/extra".to_owned()));
    assert!(!names.contains(&"/many/2999".to_owned()));
}

#[test]
fn a_target_whose_medium_went_away_holds_nothing() {
    let (scene, _) = committed();
    let gone = SimFolder::new(SimRules { is_gone: true, ..SimRules::default() });
    for options in [RestoreOptions::default(), deleting(true), RestoreOptions { verify: true, ..Default::default() }] {
        let error = into(&scene, &gone, options).unwrap_err();
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::Gone, "the target's medium went away".to_owned()));
    }
    let identities = scene.readers();
    let (spot, options) = (Spot::parse(b"/").unwrap(), RestoreOptions::default());
    let request = RestoreRequest { spot, identities: &identities, owners: false, options };
    let looked = preview(scene.shared_disk(), Some(&gone), &request, scene.run(), &mut |_, _| Ok(()));
    assert_eq!(looked.unwrap_err().kind(), ErrorKind::Gone);
}

/// A restore of all that is told to stop at some moment; true if it did not come to that.
fn cut_off(scene: &Scene, folder: &SimFolder, steps: i64, options: RestoreOptions) -> bool {
    let identities = scene.readers();
    let request = RestoreRequest { spot: Spot::parse(b"/").unwrap(), identities: &identities, owners: false, options };
    let monitor = StopsAfter::new(steps);
    let ended = restore(scene.shared_disk(), folder, &request, Run { monitor: &monitor, ..scene.run() });
    assert!(ended.as_ref().err().is_none_or(|error| error.kind() == ErrorKind::Interrupted), "{ended:?}");
    ended.is_ok()
}

fn one_thread() -> RestoreOptions {
    RestoreOptions { threads: 1, ..RestoreOptions::default() }
}

fn endings(folder: &SimFolder, ending: &str) -> Vec<RelPath> {
    folder.entries().into_keys().filter(|path| path.to_string().ends_with(ending)).collect()
}

// F1
#[test]
fn the_same_restore_goes_on_where_one_was_cut_off() {
    let (scene, source) = (Scene::new(), SimFolder::default());
    for at in 0..60 {
        source.put_file(&rel(&format!("dir{}/{at}", at % 3)), &noise(at, 2_000));
    }
    scene.commit_folder(&source, "all").unwrap();
    let mtime = source.entries()[&rel("dir2/2")].stat.mtime;
    for steps in [20, 60, 100] {
        let folder = SimFolder::default();
        // It stood there before, and looks like what is to be written.
        folder.put_file(&rel("dir2/2"), &[1; 2_000]);
        let attributes = Attributes { mtime: Some(mtime), ..Attributes::default() };
        folder.set_attributes(&rel("dir2/2"), &attributes).unwrap();
        assert!(!cut_off(&scene, &folder, steps, one_thread()));
        assert_eq!(endings(&folder, ".restore").len(), 1);
        let is_whole = |(path, entry): (&RelPath, &SimEntry)| {
            entry.stat.kind == FileKind::File && source.entries().get(path).is_some_and(|of| of.bytes == entry.bytes)
        };
        let in_place = folder.entries().iter().filter(|&one| is_whole(one)).count() as u64;
        let changed = folder.entries().into_keys().find(|path| path.to_string().starts_with("/dir0/"));
        let changed = u64::from(changed.is_some_and(|path| {
            folder.put_file(&path, b"changed meanwhile");
            true
        }));
        let done = into(&scene, &folder, one_thread()).unwrap();
        assert_eq!((done.unchanged, done.files), (in_place - changed, 60 - in_place + changed), "{steps} steps");
        assert!(in_place > 0, "{steps} steps");
        assert!(holding(&folder) == holding(&source), "nothing else is left");
        let again = into(&scene, &folder, one_thread()).unwrap();
        assert_eq!((again.unchanged, again.files), (0, 60), "one that was done is done anew");
    }
}

// F1
#[test]
fn a_long_file_goes_on_behind_what_is_right_of_it() {
    let (scene, source) = (Scene::new(), SimFolder::default());
    source.put_file(&rel("long"), &noise(1, 40 << 20));
    scene.commit_folder(&source, "all").unwrap();
    let options = || RestoreOptions { verify: true, ..one_thread() };
    let whole = SimFolder::default();
    into(&scene, &whole, options()).unwrap();
    let appends = whole.counts().appends;
    for is_torn in [false, true] {
        let folder = SimFolder::default();
        assert!(!cut_off(&scene, &folder, appends as i64 * 3 / 4, options()));
        let [part] = &endings(&folder, ".part")[..] else { panic!("{:?}", paths(&folder)) };
        let mut left = folder.entries()[part].bytes.clone();
        assert!((10 << 20..39 << 20).contains(&left.len()), "{}", left.len());
        let mut right = left.len();
        if is_torn {
            // As after a power cut.
            right /= 2;
            left[right..].fill(0);
            folder.put_file(part, &left);
        }
        let before = folder.counts().appends;
        let done = into(&scene, &folder, options()).unwrap();
        assert_eq!((done.files, done.differing), (1, 0));
        assert!(holding(&folder) == holding(&source));
        let again = folder.counts().appends - before;
        // The cut goes through a chunk, and chunks differ in length.
        let most = appends * ((42 << 20) - right as u64) / (40 << 20) + 2;
        assert!(again <= most, "{again} of {appends} were written again, {right} bytes were right");
    }
}

#[test]
fn two_runs_of_one_restore_do_not_meet_and_removal_spares_what_says_so() {
    let (scene, source) = committed();
    let folder = SimFolder::default();
    assert!(!cut_off(&scene, &folder, 3, one_thread()));
    let [marker] = &endings(&folder, ".restore")[..] else { panic!("{:?}", paths(&folder)) };
    let lock = folder.lock(marker).unwrap().expect("nobody has it any more");
    let error = into(&scene, &folder, one_thread()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
    drop(lock);
    folder.put_file(&rel("extra"), b"goes");
    let done = into(&scene, &folder, RestoreOptions { threads: 1, ..deleting(true) }).unwrap();
    assert_eq!(done.deleted, 1);
    assert!(holding(&folder) == holding(&source));
}
