//! The contract of `disk::Folder`, held against the system's folder and the simulated one.

#![expect(clippy::disallowed_methods, reason = "tests look at a real folder from outside")]

use std::fs;

use chunkstore::base::RelPath;
use chunkstore::disk::folder::{Attributes, ExtendedAttribute, FileKind, FileTime, Folder};
use chunkstore::disk::{DiskError, DiskErrorKind, OsFolder, SimFolder};

#[cfg(unix)]
mod unix;

/// Whether the system's folder makes symbolic links, pipes and sockets, and counts the names of a file.
const HAS_LINKS: bool = cfg!(unix);

fn path(text: &str) -> RelPath {
    RelPath::new(text.as_bytes()).unwrap()
}

fn raw(bytes: &[u8]) -> RelPath {
    RelPath::new(bytes).unwrap()
}

fn write(folder: &dyn Folder, at: &RelPath, bytes: &[u8]) {
    let mut writer = folder.create_file(at).unwrap();
    writer.append(bytes).unwrap();
    writer.finish().unwrap();
}

fn read(folder: &dyn Folder, at: &RelPath) -> Vec<u8> {
    let mut bytes = Vec::new();
    folder.open(at).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn kind<T>(result: Result<T, DiskError>) -> DiskErrorKind {
    result.err().expect("the call is refused").kind
}

fn mtime(secs: i64, nanos: u32) -> Attributes {
    Attributes { mtime: Some(FileTime { secs, nanos }), ..Attributes::default() }
}

fn mode(mode: u32) -> Attributes {
    Attributes { mode: Some(mode), ..Attributes::default() }
}

/// Makes one test for each implementation out of each case; on Windows, the system's folder has not what some are about.
macro_rules! conform {
    (anywhere: $($case:ident),*; unix: $($unix:ident),* $(,)?) => {
        mod os {
            $(#[test] fn $case() {
                let dir = tempfile::tempdir().unwrap();
                super::$case(&super::OsFolder::open(dir.path()).unwrap());
            })*
            $(#[cfg(unix)] #[test] fn $unix() {
                let dir = tempfile::tempdir().unwrap();
                super::$unix(&super::OsFolder::open(dir.path()).unwrap());
            })*
        }
        mod sim {
            $(#[test] fn $case() { super::$case(&super::SimFolder::default()); })*
            $(#[test] fn $unix() { super::$unix(&super::SimFolder::default()); })*
        }
    };
}

conform!(
    anywhere:
    listings_are_sorted_by_bytes,
    files_on_the_way_are_refused,
    missing_directories_are_not_found,
    the_root_is_a_directory_like_any_other,
    only_regular_files_are_opened,
    what_stands_there_is_not_created_again,
    a_rename_replaces_files_and_links_only,
    directories_move_with_what_they_hold,
    removing_is_exact,
    holes_read_as_zeros,
    an_open_file_tells_its_own_state,
    extended_attributes_come_back_by_name,
    a_hole_at_the_end_keeps_the_time_that_was_set,
    a_file_is_gone_on_with_behind_what_is_kept,
    a_lock_is_for_one_until_it_is_dropped;
    unix:
    names_are_bytes,
    links_on_the_way_are_refused,
    hard_links_share_a_file,
    renaming_one_name_over_another_of_the_same_file_leaves_one,
    times_keep_their_nanoseconds,
    modes_keep_all_twelve_bits,
    links_have_a_time_of_their_own,
    pipes_and_sockets_are_made_and_never_opened,
);

fn names_are_bytes(folder: &dyn Folder) {
    let long = [b'n'; 255];
    let names: [&[u8]; 9] = [b"caf\xe9", b"\xff", b"a\nb", b"back\\slash", b"-rf", b" ", b"...", b"con.", &long];
    for name in names {
        write(folder, &raw(name), name);
    }
    let listed: Vec<Vec<u8>> =
        folder.list(&RelPath::root()).unwrap().iter().map(|(name, _)| name.as_bytes().to_vec()).collect();
    let mut expected: Vec<Vec<u8>> = names.iter().map(|name| name.to_vec()).collect();
    expected.sort();
    assert_eq!(listed, expected);
    for name in names {
        assert_eq!(read(folder, &raw(name)), name);
    }
    assert_eq!(kind(folder.create_file(&raw(&[b'n'; 256]))), DiskErrorKind::BadName);
    // No call can even be asked for these.
    for bad in [&b".."[..], b".", b"a/../b", b"a\0b"] {
        assert!(RelPath::new(bad).is_err());
    }
}

fn listings_are_sorted_by_bytes(folder: &dyn Folder) {
    for name in ["b", "C", "a.b", "a", "a-b"] {
        folder.create_dir(&path(name)).unwrap();
    }
    write(folder, &path("a/b"), b"12345");
    let listed = folder.list(&RelPath::root()).unwrap();
    let names: Vec<&[u8]> = listed.iter().map(|(name, _)| name.as_bytes()).collect();
    assert_eq!(names, [&b"C"[..], b"a", b"a-b", b"a.b", b"b"]);
    for (name, stat) in folder.list(&path("a")).unwrap() {
        assert_eq!(Some(stat.unwrap()), folder.stat(&path("a").join(&name).unwrap()).unwrap());
    }
}

/// Every call that names a path.
fn refused_by_all(folder: &dyn Folder, at: &str, expected: DiskErrorKind) {
    let (at, other) = (path(at), path("other"));
    assert_eq!(kind(folder.stat(&at)), expected, "stat");
    assert_eq!(kind(folder.list(&at)), expected, "list");
    assert_eq!(kind(folder.open(&at)), expected, "open");
    assert_eq!(kind(folder.read_link(&at)), expected, "read_link");
    assert_eq!(kind(folder.create_dir(&at)), expected, "create_dir");
    assert_eq!(kind(folder.create_file(&at)), expected, "create_file");
    assert_eq!(kind(folder.append_after(&at, 0)), expected, "append_after");
    assert_eq!(kind(folder.lock(&at)), expected, "lock");
    assert_eq!(kind(folder.create_symlink(&at, b"x")), expected, "create_symlink");
    assert_eq!(kind(folder.create_special(&at, FileKind::Fifo, 0)), expected, "create_special");
    assert_eq!(kind(folder.create_hard_link(&other, &at)), expected, "create_hard_link to");
    assert_eq!(kind(folder.create_hard_link(&at, &path("fresh"))), expected, "create_hard_link from");
    assert_eq!(kind(folder.set_attributes(&at, &mode(0o777))), expected, "set_attributes mode");
    assert_eq!(kind(folder.set_attributes(&at, &mtime(1, 1))), expected, "set_attributes mtime");
    assert_eq!(kind(folder.rename(&other, &at)), expected, "rename to");
    assert_eq!(kind(folder.rename(&at, &path("fresh"))), expected, "rename from");
    assert_eq!(kind(folder.remove_file(&at)), expected, "remove_file");
    assert_eq!(kind(folder.remove_dir(&at)), expected, "remove_dir");
}

fn links_on_the_way_are_refused(folder: &dyn Folder) {
    folder.create_dir(&path("real")).unwrap();
    folder.create_dir(&path("real/sub")).unwrap();
    write(folder, &path("real/file"), b"safe");
    write(folder, &path("real/sub/file"), b"safe");
    write(folder, &path("other"), b"other");
    folder.create_symlink(&path("link"), b"real").unwrap();
    refused_by_all(folder, "link/file", DiskErrorKind::WrongType);
    refused_by_all(folder, "link/sub/file", DiskErrorKind::WrongType);
    refused_by_all(folder, "link/sub/missing", DiskErrorKind::WrongType);
    assert_eq!(kind(folder.list(&path("link"))), DiskErrorKind::WrongType);
    assert_eq!(kind(folder.open(&path("link"))), DiskErrorKind::WrongType);
    assert_eq!(read(folder, &path("real/file")), b"safe");
    assert_eq!(folder.list(&path("real")).unwrap().len(), 2);
}

fn files_on_the_way_are_refused(folder: &dyn Folder) {
    write(folder, &path("file"), b"safe");
    write(folder, &path("other"), b"other");
    refused_by_all(folder, "file/below", DiskErrorKind::WrongType);
    assert_eq!(read(folder, &path("file")), b"safe");
}

fn missing_directories_are_not_found(folder: &dyn Folder) {
    assert!(folder.stat(&path("a/b/c")).unwrap().is_none());
    assert_eq!(kind(folder.create_file(&path("a/b"))), DiskErrorKind::NotFound);
    assert_eq!(kind(folder.list(&path("a"))), DiskErrorKind::NotFound);
    assert_eq!(kind(folder.open(&path("a"))), DiskErrorKind::NotFound);
    assert_eq!(kind(folder.rename(&path("a"), &path("b"))), DiskErrorKind::NotFound);
    folder.remove_file(&path("a/b")).unwrap();
}

fn the_root_is_a_directory_like_any_other(folder: &dyn Folder) {
    let root = RelPath::root();
    assert_eq!(folder.stat(&root).unwrap().unwrap().kind, FileKind::Dir);
    folder.set_attributes(&root, &mtime(77, 500)).unwrap();
    assert_eq!(folder.stat(&root).unwrap().unwrap().mtime, FileTime { secs: 77, nanos: 500 });
    folder.create_dir(&root).unwrap();
    assert!(folder.create_file(&root).is_err() && folder.remove_dir(&root).is_err());
    assert_eq!(kind(folder.open(&root)), DiskErrorKind::WrongType);
}

fn hard_links_share_a_file(folder: &dyn Folder) {
    write(folder, &path("a"), b"shared");
    folder.create_dir(&path("d")).unwrap();
    folder.create_hard_link(&path("a"), &path("d/b")).unwrap();
    let (a, b) = (folder.stat(&path("a")).unwrap().unwrap(), folder.stat(&path("d/b")).unwrap().unwrap());
    assert_eq!((a.inode, a.device, a.links), (b.inode, b.device, 2));
    assert_eq!(kind(folder.create_hard_link(&path("a"), &path("d/b"))), DiskErrorKind::Exists);
    assert_eq!(kind(folder.create_hard_link(&path("d"), &path("e"))), DiskErrorKind::WrongType);
    folder.create_symlink(&path("link"), b"a").unwrap();
    folder.create_hard_link(&path("link"), &path("link too")).unwrap();
    assert_eq!(folder.read_link(&path("link too")).unwrap(), b"a", "the link itself, not what it points to");
}

fn renaming_one_name_over_another_of_the_same_file_leaves_one(folder: &dyn Folder) {
    write(folder, &path("a"), b"1");
    folder.create_hard_link(&path("a"), &path("b")).unwrap();
    folder.rename(&path("a"), &path("b")).unwrap();
    assert!(folder.stat(&path("a")).unwrap().is_none());
    assert_eq!(folder.stat(&path("b")).unwrap().unwrap().links, 1);
    folder.rename(&path("b"), &path("b")).unwrap();
    assert_eq!(read(folder, &path("b")), b"1", "a name over itself is no loss");
}

fn times_keep_their_nanoseconds(folder: &dyn Folder) {
    folder.create_dir(&path("d")).unwrap();
    write(folder, &path("f"), b"");
    for name in ["d", "f"] {
        for (secs, nanos) in [(1_700_000_000, 123_456_789), (0, 1), (-1, 999_999_999), (-86_400 * 365, 7)] {
            folder.set_attributes(&path(name), &mtime(secs, nanos)).unwrap();
            assert_eq!(folder.stat(&path(name)).unwrap().unwrap().mtime, FileTime { secs, nanos }, "{name}");
        }
    }
}

fn modes_keep_all_twelve_bits(folder: &dyn Folder) {
    folder.create_dir(&path("d")).unwrap();
    write(folder, &path("f"), b"");
    assert_eq!(folder.stat(&path("d")).unwrap().unwrap().mode, 0o700);
    assert_eq!(folder.stat(&path("f")).unwrap().unwrap().mode, 0o600);
    for bits in [0o000, 0o4755, 0o2750, 0o1777, 0o644, 0o7777] {
        for name in ["d", "f"] {
            folder.set_attributes(&path(name), &mode(bits)).unwrap();
            assert_eq!(folder.stat(&path(name)).unwrap().unwrap().mode, bits, "{name}");
        }
    }
    // The owner that it has already: allowed to everybody, and the mode survives it when both are set.
    let stat = folder.stat(&path("f")).unwrap().unwrap();
    let both = Attributes { owner: Some((stat.uid, stat.gid)), ..mode(0o4711) };
    folder.set_attributes(&path("f"), &both).unwrap();
    assert_eq!(folder.stat(&path("f")).unwrap().unwrap().mode, 0o4711);
    assert_eq!(kind(folder.set_attributes(&path("missing"), &mode(0o644))), DiskErrorKind::NotFound);
}

fn links_have_a_time_of_their_own(folder: &dyn Folder) {
    write(folder, &path("f"), b"");
    folder.set_attributes(&path("f"), &mtime(1000, 1)).unwrap();
    folder.create_symlink(&path("link"), b"f").unwrap();
    folder.set_attributes(&path("link"), &Attributes { mode: Some(0), ..mtime(-2000, 2) }).unwrap();
    let (file, link) = (folder.stat(&path("f")).unwrap().unwrap(), folder.stat(&path("link")).unwrap().unwrap());
    assert_eq!((link.kind, link.len_bytes, link.mtime), (FileKind::Symlink, 1, FileTime { secs: -2000, nanos: 2 }));
    assert_eq!((file.mode, file.mtime), (0o600, FileTime { secs: 1000, nanos: 1 }), "the target is left alone");
    let odd: &[u8] = b"/no/such/\xff\xfe/../place";
    folder.create_symlink(&path("dangling"), odd).unwrap();
    assert_eq!(folder.read_link(&path("dangling")).unwrap(), odd);
    assert_eq!(kind(folder.read_link(&path("f"))), DiskErrorKind::WrongType);
    for bad in [&b""[..], b"a\0b", &[b'x'; 5000]] {
        assert_eq!(kind(folder.create_symlink(&path("bad"), bad)), DiskErrorKind::BadName);
    }
}

fn pipes_and_sockets_are_made_and_never_opened(folder: &dyn Folder) {
    for (name, special) in [("pipe", FileKind::Fifo), ("socket", FileKind::Socket)] {
        folder.create_special(&path(name), special, 0).unwrap();
        let stat = folder.stat(&path(name)).unwrap().unwrap();
        assert_eq!((stat.kind, stat.len_bytes, stat.rdev), (special, 0, 0));
        folder.set_attributes(&path(name), &mode(0o622)).unwrap();
        assert_eq!(folder.stat(&path(name)).unwrap().unwrap().mode, 0o622);
        assert_eq!(kind(folder.open(&path(name))), DiskErrorKind::WrongType);
        folder.rename(&path(name), &path("moved")).unwrap();
        folder.remove_file(&path("moved")).unwrap();
    }
    assert_eq!(kind(folder.create_special(&path("x"), FileKind::File, 0)), DiskErrorKind::WrongType);
}

fn only_regular_files_are_opened(folder: &dyn Folder) {
    folder.create_dir(&path("d")).unwrap();
    write(folder, &path("f"), b"");
    assert_eq!(kind(folder.open(&path("d"))), DiskErrorKind::WrongType);
    if HAS_LINKS {
        folder.create_symlink(&path("l"), b"f").unwrap();
        assert_eq!(kind(folder.open(&path("l"))), DiskErrorKind::WrongType);
    }
    assert_eq!(kind(folder.list(&path("f"))), DiskErrorKind::WrongType);
}

fn what_stands_there_is_not_created_again(folder: &dyn Folder) {
    folder.create_dir(&path("d")).unwrap();
    write(folder, &path("f"), b"kept");
    if HAS_LINKS {
        folder.create_symlink(&path("l"), b"nowhere").unwrap();
    }
    for name in ["d", "f", "l"].into_iter().filter(|name| HAS_LINKS || *name != "l") {
        assert_eq!(kind(folder.create_file(&path(name))), DiskErrorKind::Exists, "{name}");
        assert_eq!(kind(folder.create_symlink(&path(name), b"x")), DiskErrorKind::Exists, "{name}");
        assert_eq!(kind(folder.create_special(&path(name), FileKind::Fifo, 0)), DiskErrorKind::Exists, "{name}");
    }
    folder.create_dir(&path("d")).unwrap();
    for name in ["f", "l"].into_iter().filter(|name| HAS_LINKS || *name != "l") {
        assert_eq!(kind(folder.create_dir(&path(name))), DiskErrorKind::Exists, "{name}");
    }
    assert_eq!(read(folder, &path("f")), b"kept");
    assert!(folder.stat(&path("nowhere")).unwrap().is_none(), "no link was followed to create its target");
}

fn a_rename_replaces_files_and_links_only(folder: &dyn Folder) {
    for dir in ["empty", "full", "full/x"] {
        folder.create_dir(&path(dir)).unwrap();
    }
    if HAS_LINKS {
        folder.create_symlink(&path("l"), b"empty").unwrap();
    } else {
        write(folder, &path("l"), b"in place of a link");
    }
    write(folder, &path("old"), b"old");
    write(folder, &path("new"), b"new");
    for dir in ["empty", "full"] {
        assert_eq!(kind(folder.rename(&path("new"), &path(dir))), DiskErrorKind::WrongType, "{dir}");
        assert_eq!(kind(folder.rename(&path("l"), &path(dir))), DiskErrorKind::WrongType, "{dir}");
    }
    for there in ["old", "l", "empty"] {
        assert_eq!(kind(folder.rename(&path("full"), &path(there))), DiskErrorKind::WrongType, "{there}");
    }
    folder.rename(&path("new"), &path("old")).unwrap();
    assert_eq!(read(folder, &path("old")), b"new");
    folder.rename(&path("old"), &path("l")).unwrap();
    assert_eq!(read(folder, &path("l")), b"new", "the link went, not what it points to");
    assert_eq!(folder.list(&RelPath::root()).unwrap().len(), 3);
}

fn directories_move_with_what_they_hold(folder: &dyn Folder) {
    folder.create_dir(&path("a")).unwrap();
    write(folder, &path("a/f"), b"1");
    folder.rename(&path("a"), &path("b")).unwrap();
    folder.create_dir(&path("a")).unwrap();
    assert!(folder.stat(&path("a/f")).unwrap().is_none(), "the new directory, not the moved one");
    assert_eq!(read(folder, &path("b/f")), b"1");
    write(folder, &path("a/g"), b"2");
    assert!(folder.stat(&path("b/g")).unwrap().is_none());
    assert_eq!(kind(folder.rename(&path("b"), &path("b/inside"))), DiskErrorKind::BadName);
}

fn removing_is_exact(folder: &dyn Folder) {
    folder.create_dir(&path("d")).unwrap();
    write(folder, &path("d/f"), b"");
    assert_eq!(kind(folder.remove_file(&path("d"))), DiskErrorKind::WrongType);
    assert_eq!(kind(folder.remove_dir(&path("d/f"))), DiskErrorKind::WrongType);
    if HAS_LINKS {
        folder.create_symlink(&path("l"), b"d/f").unwrap();
        assert_eq!(kind(folder.remove_dir(&path("l"))), DiskErrorKind::WrongType);
    }
    assert!(folder.remove_dir(&path("d")).is_err(), "not empty");
    folder.remove_file(&path("l")).unwrap();
    folder.remove_file(&path("l")).unwrap();
    assert!(folder.stat(&path("d/f")).unwrap().is_some());
    folder.remove_file(&path("d/f")).unwrap();
    folder.remove_dir(&path("d")).unwrap();
    assert_eq!(kind(folder.remove_dir(&path("d"))), DiskErrorKind::NotFound);
}

fn holes_read_as_zeros(folder: &dyn Folder) {
    let mut writer = folder.create_file(&path("f")).unwrap();
    writer.skip(3).unwrap();
    writer.append(b"a").unwrap();
    writer.skip(2).unwrap();
    writer.append(b"").unwrap();
    writer.append(b"b").unwrap();
    writer.skip(4).unwrap();
    writer.finish().unwrap();
    assert_eq!(read(folder, &path("f")), b"\0\0\0a\0\0b\0\0\0\0");
    assert!(folder.create_file(&path("g")).unwrap().skip(u64::MAX).is_err(), "longer than any file");
}

fn extended_attributes_come_back_by_name(folder: &dyn Folder) {
    let one = |name: &str, value: &[u8]| ExtendedAttribute { name: name.into(), value: value.to_vec() };
    let set = |all: Vec<ExtendedAttribute>| Attributes { extended: all, ..Attributes::default() };
    folder.create_dir(&path("d")).unwrap();
    write(folder, &path("f"), b"");
    if let Err(error) = folder.set_attributes(&path("f"), &set(vec![one("user.b", b"2")])) {
        println!("no extended attributes here ({error}): nothing to check");
        return;
    }
    folder.create_symlink(&path("l"), b"f").unwrap();
    let wanted = [one("user.a", &[0, 255, 7]), one("user.b", b"3"), one("user.long", &[9; 2000])];
    for name in ["d", "f"] {
        folder.set_attributes(&path(name), &set(wanted.iter().rev().cloned().collect())).unwrap();
        assert_eq!(folder.extended_attributes(&path(name)).unwrap(), wanted, "{name}");
    }
    assert_eq!(folder.open(&path("f")).unwrap().extended_attributes().unwrap(), wanted);
    assert_eq!(folder.extended_attributes(&path("l")).unwrap(), [], "a link has none, and is not followed");
    assert_eq!(kind(folder.extended_attributes(&path("missing"))), DiskErrorKind::NotFound);
    for foreign in ["trusted.overlay.opaque", "security.selinux", ""] {
        let refused = folder.set_attributes(&path("f"), &set(vec![one(foreign, b"x")]));
        assert_eq!(kind(refused), DiskErrorKind::BadName, "{foreign}");
    }
    let mut writer = folder.create_file(&path("g")).unwrap();
    writer.append(b"1").unwrap();
    writer.set_attributes(&set(vec![one("user.a", b"1")])).unwrap();
    writer.finish().unwrap();
    assert_eq!(folder.extended_attributes(&path("g")).unwrap(), [one("user.a", b"1")]);
}

fn a_hole_at_the_end_keeps_the_time_that_was_set(folder: &dyn Folder) {
    let mut writer = folder.create_file(&path("f")).unwrap();
    writer.append(b"a").unwrap();
    writer.skip(10_000).unwrap();
    writer.set_attributes(&Attributes { mode: Some(0o444), ..mtime(77, 500) }).unwrap();
    writer.finish().unwrap();
    let stat = folder.stat(&path("f")).unwrap().unwrap();
    assert_eq!((stat.len_bytes, stat.mode, stat.mtime), (10_001, 0o444, FileTime { secs: 77, nanos: 500 }));
}

fn an_open_file_tells_its_own_state(folder: &dyn Folder) {
    write(folder, &path("f"), b"first");
    write(folder, &path("g"), b"the other");
    let file = folder.open(&path("f")).unwrap();
    folder.rename(&path("g"), &path("f")).unwrap();
    assert_eq!(file.stat().unwrap().len_bytes, 5);
    assert_ne!(file.stat().unwrap().inode, folder.stat(&path("f")).unwrap().unwrap().inode);
}

fn a_file_is_gone_on_with_behind_what_is_kept(folder: &dyn Folder) {
    let at = path("part");
    write(folder, &at, b"right and wrong");
    let mut writer = folder.append_after(&at, 5).unwrap();
    writer.reserve(1 << 20).unwrap();
    assert_eq!(folder.stat(&at).unwrap().unwrap().len_bytes, 5, "room is no length");
    writer.append(b", still").unwrap();
    writer.set_attributes(&mtime(7, 0)).unwrap();
    writer.finish().unwrap();
    assert_eq!(read(folder, &at), b"right, still");
    assert_eq!(folder.stat(&at).unwrap().unwrap().mtime, FileTime { secs: 7, nanos: 0 });
    assert_eq!(kind(folder.append_after(&path("none"), 0)), DiskErrorKind::NotFound);
    folder.create_dir(&path("dir")).unwrap();
    assert_eq!(kind(folder.append_after(&path("dir"), 0)), DiskErrorKind::WrongType);
}

fn a_lock_is_for_one_until_it_is_dropped(folder: &dyn Folder) {
    let at = path("lock");
    let lock = folder.lock(&at).unwrap().expect("nobody has it");
    assert_eq!(folder.stat(&at).unwrap().map(|stat| stat.len_bytes), Some(0));
    assert!(folder.lock(&at).unwrap().is_none());
    drop(lock);
    assert!(folder.lock(&at).unwrap().is_some());
    folder.remove_file(&at).unwrap();
    folder.create_dir(&at).unwrap();
    assert_eq!(kind(folder.lock(&at)), DiskErrorKind::WrongType);
}

#[test]
fn the_root_must_be_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), b"").unwrap();
    assert_eq!(kind(OsFolder::open(&dir.path().join("file"))), DiskErrorKind::WrongType);
    assert_eq!(kind(OsFolder::open(&dir.path().join("missing"))), DiskErrorKind::NotFound);
}
