//! The contract of `Disk`, on a real directory and on each simulated medium.

use chunkstore::base::StorePath;
use chunkstore::disk::sim::Profile;
use chunkstore::disk::{Disk, DiskErrorKind, DiskFileKind, LockKind, Metadata, OsDisk, SimDisk, read_all};

use DiskErrorKind::{Exists, Io, NotFound, ReadOnly, WrongType};

/// Runs a check on an empty disk of every implementation.
fn on_each(check: impl Fn(&dyn Disk)) {
    let temp = tempfile::tempdir().unwrap();
    check(&OsDisk::create(&temp.path().join("a/store")).unwrap());
    for profile in Profile::ALL {
        check(&SimDisk::new(profile));
    }
}

fn path(text: &str) -> StorePath {
    StorePath::new(text).unwrap()
}

fn put(disk: &dyn Disk, name: &str, bytes: &[u8]) {
    let mut file = disk.create_new(&path(name)).unwrap();
    file.append(bytes).unwrap();
    file.sync().unwrap();
    disk.sync_dir(&path(name).parent()).unwrap();
}

fn get(disk: &dyn Disk, name: &str) -> Option<Vec<u8>> {
    read_all(disk, &path(name), 1 << 20).unwrap()
}

#[track_caller]
fn fails<T>(result: Result<T, chunkstore::disk::DiskError>, kind: DiskErrorKind) {
    assert_eq!(result.err().map(|error| error.kind), Some(kind));
}

/// A directory `d` with a file `d/f`, and the same file `f` in the root.
fn furnish(disk: &dyn Disk) {
    disk.create_dir(&path("d")).unwrap();
    put(disk, "d/f", b"inner");
    put(disk, "f", b"outer");
}

#[test]
fn files_are_created_once_and_read_back() {
    on_each(|disk| {
        furnish(disk);
        assert_eq!(get(disk, "d/f").unwrap(), b"inner");
        assert_eq!(get(disk, "none"), None);
        for taken in ["f", "d", "d/f", ""] {
            fails(disk.create_new(&path(taken)), Exists);
        }
        fails(disk.create_new(&path("none/f")), NotFound);
        fails(disk.create_new(&path("f/f")), WrongType);
        assert_eq!(get(disk, "f").unwrap(), b"outer", "a refused call changes nothing");
    });
}

#[test]
fn positioned_reads_stop_at_the_end() {
    on_each(|disk| {
        put(disk, "f", b"0123456789");
        let file = disk.open(&path("f")).unwrap();
        assert_eq!(file.len_bytes(), 10);
        let mut buffer = [0; 4];
        assert_eq!((file.read_at(3, &mut buffer).unwrap(), &buffer), (4, b"3456"));
        assert_eq!(file.read_at(8, &mut buffer).unwrap(), 2);
        assert_eq!(&buffer[..2], b"89");
        for beyond in [10, 11, 1 << 40, u64::MAX] {
            assert_eq!(file.read_at(beyond, &mut buffer).unwrap(), 0);
        }
        assert_eq!(file.read_at(0, &mut []).unwrap(), 0);
    });
}

#[test]
fn opening_and_read_all_tell_what_is_wrong() {
    on_each(|disk| {
        furnish(disk);
        fails(disk.open(&path("none")), NotFound);
        fails(disk.open(&path("none/f")), NotFound);
        fails(disk.open(&path("d")), WrongType);
        fails(disk.open(&path("")), WrongType);
        fails(disk.open(&path("f/f")), WrongType);
        fails(read_all(disk, &path("f"), 4), WrongType);
        assert_eq!(read_all(disk, &path("f"), 5).unwrap().unwrap(), b"outer");
    });
}

#[test]
fn metadata_tells_size_and_type() {
    on_each(|disk| {
        furnish(disk);
        let dir = Some(Metadata { kind: DiskFileKind::Dir, len_bytes: 0 });
        let file = Some(Metadata { kind: DiskFileKind::File, len_bytes: 5 });
        assert_eq!(disk.metadata(&path("")).unwrap(), dir);
        assert_eq!(disk.metadata(&path("d")).unwrap(), dir);
        assert_eq!(disk.metadata(&path("d/f")).unwrap(), file);
        assert_eq!(disk.metadata(&path("none")).unwrap(), None);
        assert_eq!(disk.metadata(&path("none/f")).unwrap(), None);
        fails(disk.metadata(&path("f/f")), WrongType);
    });
}

#[test]
fn lists_are_sorted_and_of_one_directory() {
    on_each(|disk| {
        furnish(disk);
        for name in ["z", "B", "a.x", "d-e", "10", "9"] {
            put(disk, name, b"");
        }
        let names: Vec<_> = disk.list(&StorePath::root()).unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["10", "9", "B", "a.x", "d", "d-e", "f", "z"]);
        let inner = disk.list(&path("d")).unwrap();
        assert_eq!(inner, [("f".to_owned(), Metadata { kind: DiskFileKind::File, len_bytes: 5 })]);
        fails(disk.list(&path("none")), NotFound);
        fails(disk.list(&path("f")), WrongType);
    });
}

#[test]
fn appending_goes_on_where_it_was_told_to() {
    on_each(|disk| {
        put(disk, "f", b"0123456789");
        let mut file = disk.append_after(&path("f"), 4).unwrap();
        assert_eq!(get(disk, "f").unwrap(), b"0123");
        file.append(b"ab").unwrap();
        file.append(b"").unwrap();
        file.append(b"c").unwrap();
        file.sync().unwrap();
        assert_eq!(get(disk, "f").unwrap(), b"0123abc");
        drop(disk.append_after(&path("f"), 7).unwrap());
        fails(disk.append_after(&path("f"), 8), Io);
        assert_eq!(get(disk, "f").unwrap(), b"0123abc");
        fails(disk.append_after(&path("none"), 0), NotFound);
        disk.create_dir(&path("d")).unwrap();
        fails(disk.append_after(&path("d"), 0), WrongType);
    });
}

#[test]
fn renames_move_and_replace_files_only() {
    on_each(|disk| {
        furnish(disk);
        disk.rename(&path("f"), &path("g")).unwrap();
        assert_eq!((get(disk, "f"), get(disk, "g")), (None, Some(b"outer".to_vec())));
        disk.rename(&path("g"), &path("d/f")).unwrap();
        assert_eq!((get(disk, "g"), get(disk, "d/f")), (None, Some(b"outer".to_vec())));
        disk.rename(&path("d/f"), &path("d/f")).unwrap();
        assert_eq!(get(disk, "d/f").unwrap(), b"outer");
        fails(disk.rename(&path("none"), &path("d/f")), NotFound);
        fails(disk.rename(&path("d/f"), &path("none/f")), NotFound);
        fails(disk.rename(&path("d/f"), &path("d")), WrongType);
        fails(disk.rename(&path("d"), &path("e")), WrongType);
        assert_eq!(get(disk, "d/f").unwrap(), b"outer");
    });
}

#[test]
fn removing_takes_files_and_forgives_nothing_there() {
    on_each(|disk| {
        furnish(disk);
        disk.remove(&path("f")).unwrap();
        disk.remove(&path("f")).unwrap();
        disk.remove(&path("none/f")).unwrap();
        assert_eq!(get(disk, "f"), None);
        fails(disk.remove(&path("d")), WrongType);
        fails(disk.remove(&path("")), WrongType);
        put(disk, "f", b"again");
        assert_eq!(get(disk, "f").unwrap(), b"again");
    });
}

#[test]
fn a_reader_outlives_the_name() {
    on_each(|disk| {
        put(disk, "f", b"bytes");
        let file = disk.open(&path("f")).unwrap();
        disk.remove(&path("f")).unwrap();
        let mut buffer = [0; 5];
        assert_eq!(file.read_at(0, &mut buffer).unwrap(), 5);
        assert_eq!(&buffer, b"bytes");
    });
}

#[test]
fn directories_are_created_and_synced() {
    on_each(|disk| {
        furnish(disk);
        disk.create_dir(&path("d")).unwrap();
        disk.create_dir(&path("")).unwrap();
        disk.create_dir(&path("d/e")).unwrap();
        disk.create_dir(&path("d/e/g")).unwrap();
        fails(disk.create_dir(&path("f")), Exists);
        fails(disk.create_dir(&path("none/e")), NotFound);
        fails(disk.create_dir(&path("f/e")), WrongType);
        disk.sync_dir(&path("d/e")).unwrap();
        fails(disk.sync_dir(&path("none")), NotFound);
        fails(disk.sync_dir(&path("f")), WrongType);
        assert_eq!(get(disk, "d/f").unwrap(), b"inner");
    });
}

#[test]
fn locks_exclude_and_share_until_dropped() {
    on_each(|disk| {
        put(disk, "lock", b"");
        put(disk, "other", b"");
        let lock = |kind| disk.lock(&path("lock"), kind).unwrap();
        let alone = lock(LockKind::Exclusive);
        assert!(alone.is_some());
        assert!(lock(LockKind::Exclusive).is_none());
        assert!(lock(LockKind::Shared).is_none());
        assert!(disk.lock(&path("other"), LockKind::Exclusive).unwrap().is_some(), "one lock per file");
        drop(alone);
        let (one, two) = (lock(LockKind::Shared), lock(LockKind::Shared));
        assert!(one.is_some() && two.is_some());
        assert!(lock(LockKind::Exclusive).is_none());
        drop(one);
        assert!(lock(LockKind::Exclusive).is_none());
        drop(two);
        assert!(lock(LockKind::Exclusive).is_some());
        fails(disk.lock(&path("none"), LockKind::Shared), NotFound);
        disk.create_dir(&path("d")).unwrap();
        fails(disk.lock(&path("d"), LockKind::Shared), WrongType);
        assert_eq!(get(disk, "lock").unwrap(), b"", "a lock writes nothing");
    });
}

#[test]
fn the_medium_tells_its_case_and_space() {
    on_each(|disk| {
        put(disk, "Name", b"x");
        assert!(disk.free_bytes().unwrap() > 0);
        let capabilities = disk.capabilities();
        assert!(!capabilities.read_only && capabilities.max_file_bytes >= u64::from(u32::MAX));
        // A medium may tell cases apart and yet not promise it, but never the other way round.
        if capabilities.case_sensitive {
            assert_eq!(get(disk, "NAME"), None);
        }
    });
}

#[test]
fn a_read_only_medium_can_be_read_and_locked() {
    for profile in Profile::ALL {
        let disk = SimDisk::new(profile);
        furnish(&disk);
        disk.set_read_only(true);
        assert!(disk.capabilities().read_only);
        assert_eq!(get(&disk, "f").unwrap(), b"outer");
        assert!(disk.lock(&path("f"), LockKind::Shared).unwrap().is_some());
        fails(disk.create_new(&path("x")), ReadOnly);
        fails(disk.append_after(&path("f"), 0), ReadOnly);
        fails(disk.rename(&path("f"), &path("x")), ReadOnly);
        fails(disk.remove(&path("f")), ReadOnly);
        fails(disk.create_dir(&path("x")), ReadOnly);
    }
}

#[test]
fn opening_a_disk_wants_a_directory() {
    let temp = tempfile::tempdir().unwrap();
    fails(OsDisk::open(&temp.path().join("none")), NotFound);
    let disk = OsDisk::open(temp.path()).unwrap();
    put(&disk, "f", b"");
    fails(OsDisk::open(&temp.path().join("f")), WrongType);
}
