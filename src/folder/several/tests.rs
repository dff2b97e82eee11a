//! Folders side by side: each call reaches the one that its path names, and none writes.

use std::collections::BTreeMap;

use super::SeveralFolders;
use crate::base::{EntryName, RelPath};
use crate::disk::folder::Folder;
use crate::disk::sim_folder::SimRules;
use crate::disk::{DiskErrorKind, SimFolder};

fn path(text: &str) -> RelPath {
    RelPath::new(text.as_bytes()).unwrap()
}

fn two() -> (SimFolder, SimFolder, SeveralFolders<SimFolder>) {
    let (one, two) = (SimFolder::default(), SimFolder::default());
    one.put_file(&path("d/f"), b"of one");
    two.put_file(&path("d/f"), b"of two");
    let name = |text: &str| EntryName::new(text.as_bytes()).unwrap();
    let both = BTreeMap::from([(name("b"), two.clone()), (name("a"), one.clone())]);
    (one, two, SeveralFolders::new(both))
}

#[test]
fn each_path_leads_into_its_folder() {
    let (_, _, both) = two();
    let names: Vec<String> =
        both.list(&RelPath::root()).unwrap().iter().map(|(name, stat)| format!("{name} {}", stat.is_ok())).collect();
    assert_eq!(names, ["a true", "b true"]);
    for (at, wanted) in [("a/d/f", b"of one"), ("b/d/f", b"of two")] {
        let mut bytes = Vec::new();
        both.open(&path(at)).unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, wanted);
    }
    assert!(both.stat(&path("c")).unwrap().is_none());
    assert_eq!(both.list(&path("c")).unwrap_err().kind, DiskErrorKind::NotFound);
    assert_eq!(both.open(&RelPath::root()).err().unwrap().kind, DiskErrorKind::WrongType);
}

#[test]
fn the_root_changes_with_any_of_them() {
    let (one, other, both) = two();
    let before = both.stat(&RelPath::root()).unwrap().unwrap();
    assert_eq!(before, both.stat(&RelPath::root()).unwrap().unwrap());
    for folder in [one, other] {
        let before = both.stat(&RelPath::root()).unwrap().unwrap();
        folder.create_dir(&path("new")).unwrap();
        folder.create_dir(&path("newer")).unwrap();
        let after = both.stat(&RelPath::root()).unwrap().unwrap();
        assert!(after.mtime >= before.mtime);
        assert_eq!((after.device, after.inode), (before.device, before.inode), "still the same directories");
    }
    let another = SeveralFolders::new(BTreeMap::from([(EntryName::new(b"a").unwrap(), SimFolder::default())]));
    assert_ne!(another.stat(&RelPath::root()).unwrap().unwrap().inode, before.inode);
}

#[test]
fn nothing_is_written() {
    let (one, other, both) = two();
    let before = (one.entries(), other.entries());
    assert_eq!(both.create_dir(&path("a/x")).unwrap_err().kind, DiskErrorKind::ReadOnly);
    assert_eq!(both.create_file(&path("a/x")).err().unwrap().kind, DiskErrorKind::ReadOnly);
    assert_eq!(both.remove_file(&path("a/d/f")).unwrap_err().kind, DiskErrorKind::ReadOnly);
    assert_eq!(both.rename(&path("a/d/f"), &path("b/x")).unwrap_err().kind, DiskErrorKind::ReadOnly);
    assert_eq!((one.entries(), other.entries()), before);
}

#[test]
fn all_are_gone_with_the_medium_of_one() {
    let name = |text: &str| EntryName::new(text.as_bytes()).unwrap();
    let gone = SimFolder::new(SimRules { is_gone: true, ..SimRules::default() });
    let both = SeveralFolders::new(BTreeMap::from([(name("a"), SimFolder::default()), (name("b"), gone)]));
    assert!(both.is_gone());
    assert!(!two().2.is_gone());
}
