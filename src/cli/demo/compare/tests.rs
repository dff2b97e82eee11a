//! Every kind of difference is seen.

use super::*;
use crate::cli::demo::content::Author;
use crate::disk::OsFolder;
use crate::disk::folder::{Attributes, FileTime};

fn path(name: &[u8]) -> RelPath {
    RelPath::new(name).unwrap()
}

#[test]
fn equal_folders_are_equal_and_each_change_shows() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folders = [OsFolder::open(one.path()).unwrap(), OsFolder::open(other.path()).unwrap()];
    for folder in &folders {
        Author::new(folder, 1).first_week().unwrap();
        let time = FileTime { secs: 1, nanos: 2 };
        folder.set_attributes(&RelPath::root(), &Attributes { mtime: Some(time), ..Attributes::default() }).unwrap();
    }
    let [one, other] = &folders;
    let same = compare(one, other).unwrap();
    assert_eq!(same.differences, Vec::<String>::new());
    assert!(same.entries > 2400, "{}", same.entries);
    // One bit, one time, one mode, one target, one name more and one less.
    let original = other.stat(&path(b"binaries/003.bin")).unwrap().unwrap();
    let mut bytes = Vec::new();
    other.open(&path(b"binaries/003.bin")).unwrap().read_to_end(&mut bytes).unwrap();
    bytes[200_000] ^= 1;
    other.remove_file(&path(b"binaries/003.bin")).unwrap();
    let mut file = other.create_file(&path(b"binaries/003.bin")).unwrap();
    file.append(&bytes).unwrap();
    file.finish().unwrap();
    let set = |name: &[u8], mode, mtime| {
        other.set_attributes(&path(name), &Attributes { mode, mtime, ..Attributes::default() }).unwrap();
    };
    set(b"binaries/003.bin", Some(original.mode), Some(original.mtime));
    set(b"binaries/004.bin", None, Some(FileTime { secs: 5, nanos: 0 }));
    set(b"binaries/005.bin", Some(0o500), None);
    // Windows makes no links, and of a mode knows whether a file may be written to.
    if cfg!(unix) {
        let link = other.stat(&path(b"odd/link")).unwrap().unwrap();
        other.remove_file(&path(b"odd/link")).unwrap();
        other.create_symlink(&path(b"odd/link"), b"elsewhere").unwrap();
        set(b"odd/link", None, Some(link.mtime));
    }
    other.remove_file(&path(b"odd/nothing")).unwrap();
    other.create_dir(&path(b"odd/more")).unwrap();
    let found = compare(one, other).unwrap().differences;
    let wanted = [
        "/binaries differs in time",
        "/binaries/003.bin differs in content",
        "/binaries/004.bin differs in time",
        "/binaries/005.bin differs in mode",
        "/odd differs in time",
        "/odd/link differs in target",
        "/odd/more was not there before",
        "/odd/nothing is missing",
    ];
    let mut sorted = found.clone();
    sorted.sort();
    assert_eq!(sorted, wanted.into_iter().filter(|line| cfg!(unix) || !line.contains("link")).collect::<Vec<_>>());
}
