//! The table of mounts as the kernel writes it, and a directory that is watched.

use rustix::event::{PollFd, PollFlags, poll};

use super::*;

#[test]
fn a_line_of_the_table_is_read() {
    let line = b"36 35 98:17 /sub /mnt/with\\040space\\134 rw,noatime master:1 - vfat /dev/sdb1 rw,errors=continue";
    let mount = parse_mount(line).unwrap();
    assert_eq!(mount, Mount { id: 36, device: (98, 17), point: "/mnt/with space\\".into() });
}

#[test]
fn what_is_no_line_is_left_out() {
    let lines: [&[u8]; 6] =
        [b"", b"36", b"x 35 98:0 / / rw", b"36 35 980 / / rw", b"36 35 98:0 /", b"36 35 98:\xff / / rw"];
    for line in lines {
        assert_eq!(parse_mount(line), None, "{line:?}");
    }
    assert_eq!(unescape(b"\\777\\04\\"), b"\\777\\04\\", "no escape of a byte stays as it is");
}

#[test]
fn the_own_table_has_a_root() {
    let table = MountTable::open().unwrap();
    for _ in 0..2 {
        assert!(table.read().unwrap().iter().any(|mount| mount.point == Path::new("/")));
    }
}

fn is_noted(dir: &WatchedDir) -> bool {
    let now = rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::from_borrowed_fd(dir.notes().unwrap(), PollFlags::IN)], Some(&now)).unwrap() > 0
}

#[test]
fn a_directory_that_cannot_be_watched_is_looked_at_all_the_same() {
    let parent = tempfile::tempdir().unwrap();
    let dir = WatchedDir::unwatched(parent.path()).unwrap();
    std::fs::create_dir(parent.path().join("a")).unwrap();
    assert!(dir.notes().is_none() && dir.drain().is_empty());
    assert_eq!(dir.dirs().unwrap().keys().collect::<Vec<_>>(), ["a"]);
    assert!(WatchedDir::unwatched(&parent.path().join("none")).is_err());
}

#[test]
fn names_that_come_and_go_are_noted_and_files_are_no_volumes() {
    let parent = tempfile::tempdir().unwrap();
    let dir = WatchedDir::open(parent.path()).unwrap();
    assert!(!is_noted(&dir) && dir.dirs().unwrap().is_empty());
    std::fs::create_dir(parent.path().join("a")).unwrap();
    std::fs::write(parent.path().join("file"), b"x").unwrap();
    std::os::unix::fs::symlink("a", parent.path().join("link")).unwrap();
    assert!(is_noted(&dir));
    assert!(dir.drain().is_empty(), "nothing went");
    assert!(!is_noted(&dir));
    let first = dir.dirs().unwrap();
    assert_eq!(first.keys().collect::<Vec<_>>(), ["a"]);
    std::fs::rename(parent.path().join("a"), parent.path().join("b")).unwrap();
    assert!(is_noted(&dir));
    assert_eq!(dir.dirs().unwrap()["b"].id, first["a"].id);
    std::fs::rename(parent.path().join("b"), parent.path().join("a")).unwrap();
    assert_eq!(dir.drain(), BTreeSet::from(["a".to_owned(), "b".to_owned()]), "also what is back");
    assert!(WatchedDir::open(&parent.path().join("file")).is_err());
}
