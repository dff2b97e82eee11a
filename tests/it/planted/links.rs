//! Links that stand in the target, or come while it is written.

use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicU64, Ordering};

use chunkstore::base::RelPath;
use chunkstore::disk::folder::{Attributes, ExtendedAttribute, FolderFile, FolderWriter, Listing, Stat};
use chunkstore::disk::{DiskError, Lock};
use chunkstore::error::ErrorKind;
use chunkstore::ops::restore::Overwrite;

use super::*;

/// A committed tree `sub/file`, `sub/deep/file`, `file`, `link`.
fn committed() -> Scene {
    let scene = Scene::new();
    for name in ["sub/file", "sub/deep/file", "file"] {
        scene.write(name, b"restored");
    }
    symlink("sub/file", scene.path("folder/link")).unwrap();
    scene.commit("all").unwrap();
    scene
}

/// What stands in the target before, where `outside` is a directory beside it that holds `file` and `deep/file`.
type Plant = fn(target: &Path, outside: &Path);

#[test]
fn what_is_planted_in_the_target_leads_nowhere() {
    // What is planted, and whether something is left alone (exit code 3).
    let rows: [(&str, Plant, bool); 8] = [
        (
            "a link to a directory, for a directory",
            |target, outside| symlink(outside, target.join("sub")).unwrap(),
            true,
        ),
        ("a relative one", |target, _| symlink("../outside", target.join("sub")).unwrap(), true),
        (
            "one further down",
            |target, outside| {
                fs::create_dir(target.join("sub")).unwrap();
                symlink(outside.join("deep"), target.join("sub/deep")).unwrap();
            },
            true,
        ),
        (
            "a link to a file, for a file",
            |target, outside| symlink(outside.join("file"), target.join("file")).unwrap(),
            false,
        ),
        (
            "a link to nothing, for a file",
            |target, outside| symlink(outside.join("new"), target.join("file")).unwrap(),
            false,
        ),
        ("a link to a directory, for a file", |target, outside| symlink(outside, target.join("file")).unwrap(), false),
        (
            "a link to a file, for a link",
            |target, outside| symlink(outside.join("file"), target.join("link")).unwrap(),
            false,
        ),
        (
            "one more name of a file",
            |target, outside| fs::hard_link(outside.join("file"), target.join("file")).unwrap(),
            false,
        ),
    ];
    for (what, plant, is_left) in rows {
        for overwrite in [Overwrite::Always, Overwrite::IfChanged, Overwrite::IfNewer, Overwrite::Never] {
            let scene = committed();
            let (target, outside) = (scene.path("around/target"), scene.path("around/outside"));
            fs::create_dir_all(outside.join("deep")).unwrap();
            fs::create_dir_all(&target).unwrap();
            fs::write(outside.join("file"), b"outside").unwrap();
            fs::write(outside.join("deep/file"), b"outside").unwrap();
            plant(&target, &outside);
            let before = all(&outside);
            let options = RestoreOptions { overwrite, ..RestoreOptions::default() };
            let folder = OsFolder::open(&target).unwrap();
            let done = restore(scene.shared_disk(), &folder, &request(&scene.readers(), options), scene.run()).unwrap();
            assert_eq!(all(&outside), before, "{what}, {overwrite:?}");
            assert_eq!(done.left_alone > 0, is_left, "{what}, {overwrite:?}: {:?}", scene.monitor.problems());
        }
    }
}

/// A folder in which, before the n-th call, a directory becomes a link to the outside.
struct Planted<'a> {
    folder: OsFolder,
    calls: AtomicU64,
    at_call: u64,
    plant: &'a (dyn Fn() + Sync),
}

impl Planted<'_> {
    fn called(&self) -> &OsFolder {
        if self.calls.fetch_add(1, Ordering::Relaxed) == self.at_call {
            (self.plant)();
        }
        &self.folder
    }
}

type Done<T> = std::result::Result<T, DiskError>;

impl Folder for Planted<'_> {
    fn stat(&self, path: &RelPath) -> Done<Option<Stat>> {
        self.called().stat(path)
    }
    fn list(&self, dir: &RelPath) -> Done<Listing> {
        self.called().list(dir)
    }
    fn open(&self, path: &RelPath) -> Done<Box<dyn FolderFile>> {
        self.called().open(path)
    }
    fn read_link(&self, path: &RelPath) -> Done<Vec<u8>> {
        self.called().read_link(path)
    }
    fn extended_attributes(&self, path: &RelPath) -> Done<Vec<ExtendedAttribute>> {
        self.called().extended_attributes(path)
    }
    fn create_dir(&self, path: &RelPath) -> Done<()> {
        self.called().create_dir(path)
    }
    fn create_file(&self, path: &RelPath) -> Done<Box<dyn FolderWriter>> {
        self.called().create_file(path)
    }
    fn append_after(&self, path: &RelPath, keep_bytes: u64) -> Done<Box<dyn FolderWriter>> {
        self.called().append_after(path, keep_bytes)
    }
    fn lock(&self, path: &RelPath) -> Done<Option<Box<dyn Lock>>> {
        self.called().lock(path)
    }
    fn create_symlink(&self, path: &RelPath, target: &[u8]) -> Done<()> {
        self.called().create_symlink(path, target)
    }
    fn create_special(&self, path: &RelPath, kind: FileKind, rdev: u64) -> Done<()> {
        self.called().create_special(path, kind, rdev)
    }
    fn create_hard_link(&self, existing: &RelPath, path: &RelPath) -> Done<()> {
        self.called().create_hard_link(existing, path)
    }
    fn set_attributes(&self, path: &RelPath, attributes: &Attributes) -> Done<()> {
        self.called().set_attributes(path, attributes)
    }
    fn rename(&self, from: &RelPath, to: &RelPath) -> Done<()> {
        self.called().rename(from, to)
    }
    fn remove_file(&self, path: &RelPath) -> Done<()> {
        self.called().remove_file(path)
    }
    fn remove_dir(&self, path: &RelPath) -> Done<()> {
        self.called().remove_dir(path)
    }
    fn sync_all(&self) -> Done<()> {
        self.called().sync_all()
    }
    fn owner_names(&self, uid: u32, gid: u32) -> (Option<String>, Option<String>) {
        self.folder.owner_names(uid, gid)
    }
}

#[test]
fn a_link_planted_between_any_two_calls_leads_nowhere() {
    let scene = committed();
    let (identities, outside) = (scene.readers(), scene.path("outside"));
    fs::create_dir_all(outside.join("deep")).unwrap();
    let mut was_planted = 0;
    for at_call in 0.. {
        for dir in ["sub", "sub/deep"] {
            let target = scene.path(&format!("target-{at_call}-{}", dir.len()));
            fs::create_dir(&target).unwrap();
            let plant = || {
                let place = target.join(dir);
                // Where the directory does not stand yet, the link comes first.
                let _ = fs::rename(&place, target.join("aside"));
                was_planted_at(&place, &outside);
            };
            let folder = OsFolder::open(&target).unwrap();
            let folder = Planted { folder, calls: AtomicU64::new(0), at_call, plant: &plant };
            let options = RestoreOptions { threads: 1, ..RestoreOptions::default() };
            let ended = restore(scene.shared_disk(), &folder, &request(&identities, options), scene.run());
            assert!(all(&outside).is_empty(), "call {at_call}, {dir}: {ended:?}");
            if let Err(error) = &ended {
                assert_ne!(error.kind(), ErrorKind::Corrupt, "{error}");
            }
            was_planted += u64::from(folder.calls.load(Ordering::Relaxed) > at_call);
        }
        if was_planted < 2 * (at_call + 1) {
            break;
        }
    }
    assert!(was_planted > 40, "{was_planted} calls");
}

fn was_planted_at(place: &Path, outside: &Path) {
    // Below a directory that does not stand yet nothing can be planted.
    let _ = symlink(outside, place);
}
