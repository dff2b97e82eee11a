//! What a writer who keeps no rules, or whoever can change the target, plants to be written elsewhere: each row says which
//! system, and what becomes of it. Nothing is ever written outside the target.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use chunkstore::disk::folder::{FileKind, Folder};
use chunkstore::disk::sim_folder::SimRules;
use chunkstore::disk::{OsFolder, SimFolder};
use chunkstore::error::Result;
use chunkstore::format::Pointer;
use chunkstore::format::tree::Node;
use chunkstore::ops::export::{ArchiveFormat, export};
use chunkstore::ops::open::{Reading, Spot};
use chunkstore::ops::restore::{RestoreOptions, RestoreRequest, Restored, restore};

use crate::handmade::{self, Hand};
use crate::scene::{Scene, rel};

#[cfg(unix)]
mod links;

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
            let names = path.strip_prefix(dir).unwrap().iter().map(OsStr::as_encoded_bytes);
            let name = names.collect::<Vec<_>>().join(&b'/');
            let kind = fs::symlink_metadata(&path).unwrap().file_type();
            if kind.is_dir() {
                look(&path, dir, found);
            } else if kind.is_symlink() {
                found.insert(name, fs::read_link(&path).unwrap().as_os_str().as_encoded_bytes().to_vec());
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
fn names_stay_in_a_target_of_this_system() {
    let scene = Scene::new();
    handmade::commit(&scene, names_tree);
    let target = scene.path("around/target");
    fs::create_dir_all(&target).unwrap();
    let done = into(&scene, &OsFolder::open(&target).unwrap()).unwrap();
    let around = all(&scene.path("around"));
    let mut written = 0;
    for (at, (name, on_unix, on_windows)) in NAMES.iter().enumerate() {
        let fate = if cfg!(windows) { on_windows } else { on_unix };
        for place in [format!("target/{name}"), format!("target/of-dirs-{at}/{name}/inner")] {
            let found = around.get(place.as_bytes()).map(Vec::as_slice);
            assert_eq!(found, (*fate == Written).then_some(name.as_bytes()), "{place:?}");
            written += usize::from(*fate == Written);
        }
    }
    assert_eq!(around.len(), written, "nothing but what was restored: {around:?}");
    assert_eq!(done.left_alone > 0, cfg!(windows));
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
