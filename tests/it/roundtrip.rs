//! Commit and restore against a plain reference: a folder that is made by the standard library, and compared by it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use rustix::fs::{SeekFrom, XattrFlags};

use crate::scene::{Scene, noise};

/// A stretch of a file.
#[derive(Debug, Clone)]
enum Piece {
    Noise(usize),
    Zeros(usize),
    Hole(u64),
}

/// An entry that a folder gets, if its place is free.
#[derive(Debug, Clone)]
enum Made {
    File { pieces: Vec<Piece>, mode: u32, attributes: Vec<(String, Vec<u8>)> },
    Dir { mode: u32, attributes: Vec<(String, Vec<u8>)> },
    Link(Vec<u8>),
    Pipe,
    SecondName(usize),
}

fn piece() -> impl Strategy<Value = Piece> {
    // Blocks of 4 KiB, so that what is a hole to this test is one to the file system.
    prop_oneof![
        (1usize..5000).prop_map(Piece::Noise),
        (1usize..400).prop_map(|blocks| Piece::Noise(blocks * 4096)),
        (1usize..600).prop_map(|blocks| Piece::Zeros(blocks * 4096)),
        (1u64..2000).prop_map(|blocks| Piece::Hole(blocks * 4096)),
    ]
}

fn attributes() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let value = proptest::collection::vec(any::<u8>(), 0..200);
    proptest::collection::vec(("user\\.[a-z]{1,12}", value), 0..3)
}

fn made() -> impl Strategy<Value = Made> {
    let file = (proptest::collection::vec(piece(), 0..5), 0o400u32..0o1000, attributes());
    prop_oneof![
        5 => file.prop_map(|(pieces, mode, attributes)| Made::File { pieces, mode, attributes }),
        2 => (0o700u32..0o1000, attributes()).prop_map(|(mode, attributes)| Made::Dir { mode, attributes }),
        1 => proptest::collection::vec(1u8..=255, 1..60).prop_map(Made::Link),
        1 => Just(Made::Pipe),
        1 => (0usize..20).prop_map(Made::SecondName),
    ]
}

/// Names that meet often, some of them no text.
fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[a-d]{1,2}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>().prop_filter("no name", |byte| *byte != b'/' && *byte != 0), 1..20)
            .prop_filter("no name", |name| name != b"." && name != b".."),
    ]
}

fn set_attributes(path: &Path, attributes: &[(String, Vec<u8>)], has_attributes: bool) {
    for (name, value) in attributes.iter().filter(|_| has_attributes) {
        rustix::fs::setxattr(path, name.as_str(), value, XattrFlags::empty()).unwrap();
    }
}

fn write_pieces(path: &Path, pieces: &[Piece], seed: u64) {
    let file = File::create(path).unwrap();
    let mut at = 0;
    for (number, piece) in pieces.iter().enumerate() {
        let bytes = match piece {
            Piece::Noise(len) => noise(seed + number as u64, *len),
            Piece::Zeros(len) => vec![0; *len],
            Piece::Hole(len) => {
                at += len;
                continue;
            }
        };
        file.write_all_at(&bytes, at).unwrap();
        at += bytes.len() as u64;
    }
    file.set_len(at).unwrap();
}

/// Makes the folder; what has no place is passed over. Modes and times come last, deepest first.
fn make(root: &Path, entries: &[(Vec<Vec<u8>>, Made)], has_attributes: bool) {
    let mut files: Vec<PathBuf> = Vec::new();
    let mut modes: Vec<(PathBuf, u32)> = Vec::new();
    for (number, (names, made)) in entries.iter().enumerate() {
        let path = names.iter().fold(root.to_owned(), |path, name| path.join(OsStr::from_bytes(name)));
        if fs::create_dir_all(path.parent().unwrap()).is_err() || path.symlink_metadata().is_ok() {
            continue;
        }
        match made {
            Made::File { pieces, mode, attributes } => {
                write_pieces(&path, pieces, 100 * number as u64);
                set_attributes(&path, attributes, has_attributes);
                files.push(path.clone());
                modes.push((path, *mode));
            }
            Made::Dir { mode, attributes } => {
                fs::create_dir(&path).unwrap();
                set_attributes(&path, attributes, has_attributes);
                modes.push((path, *mode));
            }
            Made::Link(target) => symlink(OsStr::from_bytes(target), &path).unwrap(),
            Made::Pipe => {
                let kind = rustix::fs::FileType::Fifo;
                rustix::fs::mknodat(rustix::fs::CWD, &path, kind, rustix::fs::Mode::RUSR, 0).unwrap();
            }
            Made::SecondName(of) => {
                if let Some(first) = files.get(of % files.len().max(1)) {
                    fs::hard_link(first, &path).unwrap();
                }
            }
        }
    }
    for (number, (path, mode)) in modes.iter().enumerate().rev() {
        let file = File::open(path).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::new(1_000_000 + number as u64, 12_345)).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(*mode)).unwrap();
    }
}

/// Holes as the system lists them.
fn holes(path: &Path) -> Vec<(u64, u64)> {
    let file = File::open(path).unwrap();
    let len = file.metadata().unwrap().len();
    let (mut at, mut holes) = (0, Vec::new());
    while at < len {
        let data = rustix::fs::seek(&file, SeekFrom::Data(at)).unwrap_or(len);
        if data > at {
            holes.push((at, data));
        }
        at = if data < len { rustix::fs::seek(&file, SeekFrom::Hole(data)).unwrap() } else { len };
    }
    holes
}

fn attributes_of(path: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut names = vec![0; 65_536];
    let len = rustix::fs::llistxattr(path, &mut names[..]).unwrap_or(0);
    let names = names[..len].split(|&byte| byte == 0).filter(|name| name.starts_with(b"user."));
    let mut found: Vec<_> = names
        .map(|name| {
            let mut value = vec![0; 65_536];
            let len = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap();
            (name.to_vec(), value[..len].to_vec())
        })
        .collect();
    found.sort();
    found
}

/// Says what differs between two entries and all below them.
fn compare(one: &Path, other: &Path) {
    let (a, b) = (one.symlink_metadata().unwrap(), other.symlink_metadata().unwrap());
    let shown = one.display();
    assert_eq!(a.mode(), b.mode(), "{shown}: type and mode");
    assert_eq!(attributes_of(one), attributes_of(other), "{shown}: extended attributes");
    if !a.is_symlink() {
        assert_eq!((a.mtime(), a.mtime_nsec()), (b.mtime(), b.mtime_nsec()), "{shown}: time");
    }
    if a.is_symlink() {
        assert_eq!(fs::read_link(one).unwrap(), fs::read_link(other).unwrap());
    } else if a.is_file() {
        assert_eq!(a.nlink(), b.nlink(), "{shown}: names");
        assert!(fs::read(one).unwrap() == fs::read(other).unwrap(), "{shown}: content");
        assert_eq!(holes(one), holes(other), "{shown}: holes");
    } else if a.is_dir() {
        let names = |dir: &Path| {
            let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(names(one), names(other), "{shown}");
        names(one).iter().for_each(|name| compare(&one.join(name), &other.join(name)));
    }
}

fn takes_attributes(dir: &Path) -> bool {
    rustix::fs::setxattr(dir, "user.probe", b"1", XattrFlags::empty()).is_ok()
}

fn round_trip(entries: &[(Vec<Vec<u8>>, Made)]) {
    let scene = Scene::new();
    let has_attributes = takes_attributes(&scene.path("keys"));
    if !has_attributes {
        println!("no extended attributes here: all else is checked");
    }
    make(&scene.path("folder"), entries, has_attributes);
    let committed = scene.commit("all").unwrap();
    assert_eq!(committed.problems, []);
    let done = scene.restore("/", "out").unwrap();
    assert_eq!((done.left_alone, done.damaged), (0, 0), "{:?}", scene.monitor.problems());
    compare(&scene.path("folder"), &scene.path("out"));
    assert!(!scene.commit("again").unwrap().changed, "nothing changed");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_folder_comes_back(entries in proptest::collection::vec((proptest::collection::vec(name(), 1..4), made()), 0..25)) {
        round_trip(&entries);
    }
}

#[test]
fn a_file_of_100_gb_of_holes_is_neither_read_nor_written() {
    const LEN: u64 = 100_000_000_000;
    let scene = Scene::new();
    let path = scene.path("folder/sparse");
    let file = File::create(&path).unwrap();
    if file.set_len(LEN).is_err() {
        println!("files of 100 GB are too long here: nothing to check");
        return;
    }
    for (at, seed) in [(0, 1), (50_000_003_072, 2), (LEN - 4096, 3)] {
        file.write_all_at(&noise(seed, 4096), at).unwrap();
    }
    drop(file);
    let committed = scene.commit("sparse").unwrap();
    assert_eq!(committed.totals.bytes, LEN);
    assert!(committed.new_bytes < 1 << 20, "{} bytes for three blocks", committed.new_bytes);
    let done = scene.restore("/", "out").unwrap();
    assert_eq!((done.files, done.bytes), (1, LEN));
    let out = scene.path("out/sparse");
    assert_eq!(holes(&path), holes(&out));
    assert!(out.metadata().unwrap().blocks() < 1000);
    let restored = File::open(&out).unwrap();
    for (at, seed) in [(0, 1), (50_000_003_072, 2), (LEN - 4096, 3)] {
        let mut bytes = vec![0; 4096];
        restored.read_exact_at(&mut bytes, at).unwrap();
        assert!(bytes == noise(seed, 4096), "at {at}");
    }
    assert!(!scene.commit("again").unwrap().changed);
}

#[test]
fn access_lists_and_capabilities_come_back_where_the_system_takes_them() {
    let scene = Scene::new();
    scene.write("f", b"a program");
    let path = scene.path("folder/f");
    // Version 2: owner rwx, user 12345 r-x, group r--, mask r-x, others ---.
    let list: Vec<u8> = [(1u16, 7u16, u32::MAX), (2, 5, 12345), (4, 4, u32::MAX), (16, 5, u32::MAX), (32, 0, u32::MAX)]
        .iter()
        .flat_map(|(tag, bits, id)| [&tag.to_le_bytes()[..], &bits.to_le_bytes(), &id.to_le_bytes()].concat())
        .collect();
    let list = [&2u32.to_le_bytes()[..], &list].concat();
    // Revision 2 with cap_net_raw.
    let capability = [&0x0200_0001u32.to_le_bytes()[..], &0x2000u32.to_le_bytes(), &[0; 12]].concat();
    let mut names = Vec::new();
    for (name, value) in [("system.posix_acl_access", &list), ("security.capability", &capability)] {
        match rustix::fs::setxattr(&path, name, value, XattrFlags::empty()) {
            Ok(()) => names.push(name),
            Err(error) => println!("{name} cannot be set here ({error}): not checked"),
        }
    }
    scene.commit("all").unwrap();
    let done = scene.restore("/", "out").unwrap();
    assert_eq!(done.left_alone, 0, "{:?}", scene.monitor.problems());
    let out = scene.path("out/f");
    assert_eq!(path.metadata().unwrap().mode(), out.metadata().unwrap().mode());
    for name in names {
        let value = |path: &Path| {
            let mut value = vec![0; 4096];
            let len = rustix::fs::getxattr(path, name, &mut value[..]).unwrap();
            value[..len].to_vec()
        };
        assert_eq!(value(&path), value(&out), "{name}");
    }
}

#[test]
fn a_folder_with_everything_in_it_comes_back_as_it_was() {
    let scene = Scene::new();
    let folder = scene.path("folder");
    scene.write("empty", b"");
    scene.write("small/one", b"one");
    scene.write("small/two", &noise(1, 3000));
    scene.write("large", &noise(2, 5 << 20));
    scene.write("zeros", &vec![0; 3 << 20]);
    fs::create_dir_all(folder.join("nothing/inside")).unwrap();
    symlink("../elsewhere", folder.join("small/link")).unwrap();
    symlink("", folder.join("x")).unwrap_err();
    fs::hard_link(folder.join("large"), folder.join("small/large-too")).unwrap();
    fs::write(folder.join(OsStr::from_bytes(b"not \xff utf-8\n")), b"odd").unwrap();
    fs::set_permissions(folder.join("small/one"), fs::Permissions::from_mode(0o4751)).unwrap();
    fs::set_permissions(folder.join("nothing"), fs::Permissions::from_mode(0o711)).unwrap();
    let committed = scene.commit("all").unwrap();
    assert_eq!((committed.totals.files, committed.totals.dirs, committed.totals.others), (7, 3, 1));
    assert_eq!(committed.problems, []);
    let restored = scene.restore("/", "out").unwrap();
    assert_eq!((restored.files, restored.left_alone, restored.damaged), (8, 0, 0));
    compare(&folder, &scene.path("out"));
    let (one, two) = (scene.path("out/large"), scene.path("out/small/large-too"));
    assert_eq!(one.metadata().unwrap().ino(), two.metadata().unwrap().ino(), "hard links are one file");
}
