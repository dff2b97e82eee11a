//! What a writer who keeps no rules, or whoever can change the target, plants to be written elsewhere: each row says which
//! system, and what becomes of it. Nothing is ever written outside the target.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use chunkstore::base::RelPath;
use chunkstore::disk::folder::{
    Attributes, ExtendedAttribute, FileKind, Folder, FolderFile, FolderWriter, Listing, Stat,
};
use chunkstore::disk::sim_folder::SimRules;
use chunkstore::disk::{DiskError, OsFolder, SimFolder};
use chunkstore::error::{ErrorKind, Result};
use chunkstore::format::Pointer;
use chunkstore::format::tree::Node;
use chunkstore::ops::export::{ArchiveFormat, export};
use chunkstore::ops::open::{Reading, Spot};
use chunkstore::ops::restore::{Overwrite, RestoreOptions, RestoreRequest, Restored, restore};

use crate::handmade::{self, Hand};
use crate::scene::{Scene, rel};

/// Windows, as far as names go.
const WINDOWS: SimRules = SimRules {
    fold_case: true,
    windows_names: true,
    refuse_owners: false,
    refuse_modes: false,
    plain_files_only: false,
    refuse_extended: true,
    zeros_are_holes: false,
    coarse_times: false,
    is_gone: false,
};

/// What becomes of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is written under its very name, in the target.
    Written,
    /// It is left out and told (exit code 3).
    LeftOut,
}
use Fate::*;

/// A name, and what becomes of it on Linux and on Windows. Slashes and `..` alone no entry can have; see below.
const NAMES: [(&str, Fate, Fate); 34] = [
    ("C:", Written, LeftOut),
    ("C:evil", Written, LeftOut),
    ("c:\\windows\\evil", Written, LeftOut),
    ("\\evil", Written, LeftOut),
    ("..\\evil", Written, LeftOut),
    ("..\\..\\evil", Written, LeftOut),
    ("\\\\server\\share\\evil", Written, LeftOut),
    ("\\\\?\\C:\\evil", Written, LeftOut),
    ("CON", Written, LeftOut),
    ("nul", Written, LeftOut),
    ("NUL.txt", Written, LeftOut),
    ("Aux .h", Written, LeftOut),
    ("COM1", Written, LeftOut),
    ("com9.log", Written, LeftOut),
    ("LPT1.txt", Written, LeftOut),
    ("COM\u{b9}", Written, LeftOut),
    ("CONIN$", Written, LeftOut),
    ("conout$", Written, LeftOut),
    ("file:stream", Written, LeftOut),
    ("file::$DATA", Written, LeftOut),
    ("dot.", Written, LeftOut),
    ("blank ", Written, LeftOut),
    (".. ", Written, LeftOut),
    ("...", Written, LeftOut),
    ("bell\x07", Written, LeftOut),
    ("\x1b]0;title\x07", Written, LeftOut),
    ("new\nline", Written, LeftOut),
    ("star*", Written, LeftOut),
    ("-rf", Written, Written),
    ("~", Written, Written),
    ("$HOME", Written, Written),
    ("%TEMP%", Written, Written),
    ("\u{202e}gpj.exe", Written, Written),
    (".chunkstore-0123abcd.tmp", Written, Written),
];

fn request<'a>(identities: &'a [chunkstore::crypto::wrap::Identity], options: RestoreOptions) -> RestoreRequest<'a> {
    RestoreRequest { spot: Spot::parse(b"/").unwrap(), identities, owners: false, options }
}

fn into(scene: &Scene, folder: &dyn Folder) -> Result<Restored> {
    restore(scene.shared_disk(), folder, &request(&scene.readers(), RestoreOptions::default()), scene.run())
}

/// Every name of `NAMES` as a file, and as a directory of a file.
fn names_tree(hand: &mut Hand) -> Pointer {
    let mut entries = Vec::new();
    for (at, (name, ..)) in NAMES.iter().enumerate() {
        let at = at as u64;
        let inner = vec![hand.file("inner", 1000 + at, name.as_bytes())];
        entries.push(hand.dir(&format!("dir-{at}"), 2000 + at, vec![]));
        let named = vec![hand.dir(name, 3000 + at, inner)];
        entries.push(hand.dir(&format!("of-dirs-{at}"), 4000 + at, named));
        entries.push(hand.file(name, at, name.as_bytes()));
    }
    hand.tree(entries)
}

/// All files and links below a directory, with what they hold.
fn all(dir: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    fn look(at: &Path, dir: &Path, found: &mut BTreeMap<Vec<u8>, Vec<u8>>) {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(dir).unwrap().as_os_str().as_bytes().to_vec();
            let kind = fs::symlink_metadata(&path).unwrap().file_type();
            if kind.is_dir() {
                look(&path, dir, found);
            } else if kind.is_symlink() {
                found.insert(name, fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec());
            } else {
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    look(dir, dir, &mut found);
    found
}

#[test]
fn names_stay_in_a_target_on_linux() {
    let scene = Scene::new();
    handmade::commit(&scene, names_tree);
    let target = scene.path("around/target");
    fs::create_dir_all(&target).unwrap();
    let done = into(&scene, &OsFolder::open(&target).unwrap()).unwrap();
    assert_eq!(done.left_alone, 0);
    let around = all(&scene.path("around"));
    assert_eq!(around.len(), 2 * NAMES.len(), "nothing but what was restored: {around:?}");
    for (at, (name, on_linux, _)) in NAMES.iter().enumerate() {
        assert_eq!(*on_linux, Written);
        let of_dir = format!("target/of-dirs-{at}/{name}/inner");
        assert_eq!(around[format!("target/{name}").as_bytes()], name.as_bytes());
        assert_eq!(around[of_dir.as_bytes()], name.as_bytes());
    }
}

#[test]
fn names_that_stand_for_something_else_on_windows_are_left_out_and_told() {
    let scene = Scene::new();
    handmade::commit(&scene, names_tree);
    let folder = SimFolder::new(WINDOWS);
    let done = into(&scene, &folder).unwrap();
    let stands = |name: &str| folder.entries().contains_key(&rel(name));
    let mut left_out = 0;
    for (at, (name, _, on_windows)) in NAMES.iter().enumerate() {
        let fate = |found: bool| if found { Written } else { LeftOut };
        assert_eq!(fate(stands(name)), *on_windows, "{name:?}");
        assert_eq!(fate(stands(&format!("of-dirs-{at}/{name}/inner"))), *on_windows, "below {name:?}");
        left_out += u64::from(*on_windows == LeftOut);
    }
    let told = scene.monitor.problems();
    assert!(done.left_alone >= 2 * left_out, "{} for {left_out} names", done.left_alone);
    for (name, ..) in NAMES.iter().filter(|(.., fate)| *fate == LeftOut) {
        assert!(told.iter().any(|problem| problem.subject == rel(name).to_string()), "{name:?}");
    }
}

#[test]
fn no_tree_holds_a_name_that_leads_up_or_away() {
    for forged in ["..", ".", "/x", "a/b", "../x", "/etc/x", "a/../../x", "x\0y", "\0"] {
        let scene = Scene::new();
        handmade::commit(&scene, |hand| {
            let tree = hand.forged(forged, 1, b"evil");
            let entries = vec![Hand::over("dir", 2, tree), hand.file("kept", 3, b"kept")];
            hand.totals.dirs = 1;
            hand.tree(entries)
        });
        let target = scene.path("around/target");
        fs::create_dir_all(&target).unwrap();
        let done = into(&scene, &OsFolder::open(&target).unwrap()).unwrap();
        assert_eq!(done.damaged, 1, "{forged:?} is damage (exit code 13)");
        let around = all(&scene.path("around"));
        assert_eq!(around.keys().collect::<Vec<_>>(), [b"target/kept"], "{forged:?}");
        for format in [ArchiveFormat::Tar, ArchiveFormat::Zip] {
            let mut bytes = Vec::new();
            let identities = scene.readers();
            let reading = Reading::open(scene.shared_disk(), &identities, scene.run()).unwrap();
            let done = export(&reading, &Spot::parse(b"/").unwrap(), format, &mut bytes, scene.run()).unwrap();
            assert_eq!(done.damaged, 1, "{forged:?}");
        }
    }
}

#[test]
fn names_that_fall_together_are_written_once() {
    let scene = Scene::new();
    let rows = ["Read", "READ", "read.", "read ", "r\u{c9}ad", "r\u{e9}ad"];
    handmade::commit(&scene, |hand| {
        let mut entries: Vec<_> = rows.iter().zip(1..).map(|(name, at)| hand.file(name, at, name.as_bytes())).collect();
        // A link and a directory of one name: what lies in the directory must not be written through the link.
        entries.push(Hand::entry("A", 10, Node::Symlink { target: b"/outside".to_vec() }));
        let inner = vec![hand.file("evil", 11, b"evil")];
        entries.push(hand.dir("a", 12, inner));
        let inner = vec![hand.file("evil", 13, b"evil")];
        entries.push(hand.dir("B", 14, inner));
        entries.push(Hand::entry("b", 15, Node::Symlink { target: b"/outside".to_vec() }));
        hand.tree(entries)
    });
    // FAT drops dots at the end instead of refusing them.
    let folder = SimFolder::new(SimRules { fold_case: true, ..SimRules::default() });
    let done = into(&scene, &folder).unwrap();
    let entries = folder.entries();
    let names: Vec<String> = entries.keys().map(ToString::to_string).collect();
    let reads = names.iter().filter(|name| name.to_lowercase().starts_with("/read")).count();
    assert_eq!(reads, 1, "{names:?}");
    assert_eq!(names.iter().filter(|name| name.to_lowercase() == "/r\u{e9}ad").count(), 1, "{names:?}");
    assert!(done.left_alone >= 5, "{names:?}");
    for (name, entry) in &entries {
        let is_link = entry.stat.kind == FileKind::Symlink;
        let below =
            entries.keys().filter(|path| path.as_bytes().starts_with(&[name.as_bytes(), b"/"].concat())).count();
        assert!(!is_link || below == 0, "something stands below the link {name}");
    }
}

#[test]
fn members_of_archives_are_plain_relative_paths() {
    let scene = Scene::new();
    handmade::commit(&scene, names_tree);
    let identities = scene.readers();
    let reading = Reading::open(scene.shared_disk(), &identities, scene.run()).unwrap();
    let exported = |format| {
        let mut bytes = Vec::new();
        export(&reading, &Spot::parse(b"/").unwrap(), format, &mut bytes, scene.run()).unwrap();
        bytes
    };
    let bytes = exported(ArchiveFormat::Tar);
    let mut archive = tar::Archive::new(&bytes[..]);
    for entry in archive.entries().unwrap() {
        let name = entry.unwrap().path_bytes().into_owned();
        assert!(!name.starts_with(b"/") && !name.split(|b| *b == b'/').any(|part| part == b".." || part == b"."));
    }
    let bytes = exported(ArchiveFormat::Zip);
    let archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let names: Vec<String> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
    assert!(names.iter().any(|name| name == "LPT1.txt"));
    for name in names {
        assert!(
            !name.starts_with('/') && !name.contains('\\') && !name.split('/').any(|part| part == ".." || part == ".")
        );
        assert!(!matches!(name.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic()), "{name:?}");
    }
}

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
