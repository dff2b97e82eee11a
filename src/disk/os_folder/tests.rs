//! What the conformance suite cannot see: kept handles, long paths, names that lead elsewhere.

#![expect(clippy::disallowed_methods, reason = "tests look at a real folder from outside")]

use std::fs;
use std::io::Read;

use super::OsFolder;
use crate::base::RelPath;
use crate::disk::DiskErrorKind;
use crate::disk::folder::{Attributes, FileTime, Folder};

fn path(text: &str) -> RelPath {
    RelPath::new(text.as_bytes()).unwrap()
}

/// Writes, lists, reads and renames: what every implementation can.
fn smoke(folder: &dyn Folder) {
    folder.create_dir(&path("a")).unwrap();
    folder.create_dir(&path("a")).unwrap();
    let mut writer = folder.create_file(&path("a/tmp")).unwrap();
    writer.append(b"one").unwrap();
    writer.skip(5).unwrap();
    writer.finish().unwrap();
    let mtime = FileTime { secs: -5, nanos: 123_456_700 };
    folder.set_attributes(&path("a/tmp"), &Attributes { mtime: Some(mtime), ..Attributes::default() }).unwrap();
    folder.rename(&path("a/tmp"), &path("a/b")).unwrap();
    folder.sync_all().unwrap();
    let listed = folder.list(&path("a")).unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].0.as_bytes(), b"b");
    let stat = listed[0].1.as_ref().unwrap();
    assert_eq!((stat.len_bytes, stat.mtime), (8, mtime));
    let mut bytes = Vec::new();
    folder.open(&path("a/b")).unwrap().read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, b"one\0\0\0\0\0");
    folder.remove_file(&path("a/b")).unwrap();
    folder.remove_dir(&path("a")).unwrap();
    assert!(folder.stat(&path("a")).unwrap().is_none());
}

#[test]
fn the_systems_folder_works() {
    let dir = tempfile::tempdir().unwrap();
    smoke(&OsFolder::open(dir.path()).unwrap());
}

#[test]
fn a_removed_and_remade_directory_is_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let folder = OsFolder::open(dir.path()).unwrap();
    fs::create_dir(dir.path().join("a")).unwrap();
    fs::write(dir.path().join("a/old"), b"1").unwrap();
    assert!(folder.stat(&path("a/old")).unwrap().is_some());
    fs::remove_dir_all(dir.path().join("a")).unwrap();
    fs::create_dir(dir.path().join("a")).unwrap();
    fs::write(dir.path().join("a/new"), b"1").unwrap();
    assert!(folder.stat(&path("a/new")).unwrap().is_some());
    folder.create_file(&path("a/third")).unwrap().finish().unwrap();
    assert!(dir.path().join("a/third").exists());
}

#[test]
fn paths_longer_than_one_call_takes_work() {
    let dir = tempfile::tempdir().unwrap();
    let folder = OsFolder::open(dir.path()).unwrap();
    // Wine takes no more than the system below it does in one call.
    let levels = if cfg!(windows) { 15 } else { 30 };
    let mut deep = RelPath::root();
    for _ in 0..levels {
        deep = deep.join(&crate::base::EntryName::new(&[b'd'; 200]).unwrap()).unwrap();
        folder.create_dir(&deep).unwrap();
    }
    let file = deep.join(&crate::base::EntryName::new(b"file").unwrap()).unwrap();
    folder.create_file(&file).unwrap().finish().unwrap();
    // Nothing is kept after a sync, so this goes the whole way from the root.
    folder.sync_all().unwrap();
    assert!(folder.stat(&file).unwrap().is_some());
}

#[cfg(unix)]
#[test]
fn going_by_component_refuses_links_too() {
    let dir = tempfile::tempdir().unwrap();
    let folder = OsFolder::open(dir.path()).unwrap();
    let mut deep = path("real");
    folder.create_dir(&deep).unwrap();
    for _ in 0..30 {
        deep = deep.join(&crate::base::EntryName::new(&[b'd'; 200]).unwrap()).unwrap();
        folder.create_dir(&deep).unwrap();
    }
    folder.create_symlink(&path("link"), b"real").unwrap();
    folder.sync_all().unwrap();
    let through = RelPath::new(&[b"link", &deep.as_bytes()[4..]].concat()).unwrap();
    assert_eq!(folder.list(&through).unwrap_err().kind, DiskErrorKind::WrongType);
    assert!(folder.list(&deep).is_ok());
}

#[cfg(windows)]
#[test]
fn no_name_leads_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let (root, outside) = (dir.path().join("root"), dir.path().join("outside"));
    fs::create_dir(&root).unwrap();
    fs::create_dir(&outside).unwrap();
    let folder = OsFolder::open(&root).unwrap();
    for name in ["CON", "LPT1.txt", "a:b", "..\\outside\\x", "C:x", "dot.", "blank ", "\x1b[2J"] {
        let bad = path(name);
        assert_eq!(folder.create_file(&bad).err().unwrap().kind, DiskErrorKind::BadName, "{name:?}");
        assert_eq!(folder.create_dir(&bad).unwrap_err().kind, DiskErrorKind::BadName, "{name:?}");
        let below = RelPath::new(&[name.as_bytes(), b"/x"].concat()).unwrap();
        assert_eq!(folder.create_file(&below).err().unwrap().kind, DiskErrorKind::BadName, "below {name:?}");
        folder.create_file(&path("plain")).unwrap().finish().unwrap();
        assert_eq!(folder.rename(&path("plain"), &bad).unwrap_err().kind, DiskErrorKind::BadName, "{name:?}");
        folder.remove_file(&path("plain")).unwrap();
    }
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[cfg(windows)]
#[test]
fn a_read_only_file_is_told_synced_replaced_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let folder = OsFolder::open(dir.path()).unwrap();
    let mode = |mode| Attributes { mode: Some(mode), ..Attributes::default() };
    let write = |name: &str, bits| {
        let mut writer = folder.create_file(&path(name)).unwrap();
        writer.append(name.as_bytes()).unwrap();
        writer.set_attributes(&mode(bits)).unwrap();
        writer.finish().unwrap();
    };
    write("kept", 0o444);
    assert_eq!(folder.stat(&path("kept")).unwrap().unwrap().mode, 0o444);
    folder.sync_all().unwrap();
    assert_eq!(folder.stat(&path("kept")).unwrap().unwrap().mode, 0o444, "the sync leaves it as it is");
    write("new", 0o755);
    folder.rename(&path("new"), &path("kept")).unwrap();
    assert_eq!(folder.stat(&path("kept")).unwrap().unwrap().mode, 0o644);
    assert_eq!(fs::read(dir.path().join("kept")).unwrap(), b"new");
    folder.set_attributes(&path("kept"), &mode(0o400)).unwrap();
    folder.remove_file(&path("kept")).unwrap();
    assert!(folder.stat(&path("kept")).unwrap().is_none());
}

#[cfg(windows)]
#[test]
fn a_name_changes_its_case_in_place() {
    let dir = tempfile::tempdir().unwrap();
    let folder = OsFolder::open(dir.path()).unwrap();
    folder.create_file(&path("readme")).unwrap().finish().unwrap();
    folder.rename(&path("readme"), &path("README")).unwrap();
    let names: Vec<_> = folder.list(&RelPath::root()).unwrap().into_iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(names, ["README"]);
}
