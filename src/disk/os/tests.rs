//! What only a real file system has: links in the way, pipes, names from outside, and the fallbacks.

use std::fs;

use super::*;

fn path(text: &str) -> StorePath {
    StorePath::new(text).unwrap()
}

#[cfg(unix)]
#[test]
#[expect(clippy::disallowed_methods, reason = "plants links and pipes")]
fn links_and_pipes_are_never_opened_or_followed() {
    let temp = tempfile::tempdir().unwrap();
    let outside = temp.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), b"secret").unwrap();
    let disk = OsDisk::create(&temp.path().join("store")).unwrap();
    let root = temp.path().join("store");
    std::os::unix::fs::symlink(&outside, root.join("dir")).unwrap();
    std::os::unix::fs::symlink(outside.join("secret"), root.join("file")).unwrap();
    std::os::unix::fs::symlink(outside.join("fresh"), root.join("dangling")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, root.join("pipe"), rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
    for name in ["file", "dangling", "dir/secret", "pipe", "socket"] {
        let name = path(name);
        assert_eq!(disk.open(&name).err().unwrap().kind, DiskErrorKind::WrongType, "open {name}");
        assert_eq!(disk.append_after(&name, 0).err().unwrap().kind, DiskErrorKind::WrongType, "append {name}");
        assert_eq!(disk.rename(&name, &path("x")).err().unwrap().kind, DiskErrorKind::WrongType, "rename {name}");
        assert_eq!(disk.remove(&name).err().unwrap().kind, DiskErrorKind::WrongType, "remove {name}");
        assert_eq!(disk.lock(&name, LockKind::Shared).err().unwrap().kind, DiskErrorKind::WrongType, "lock {name}");
    }
    for name in ["file", "dangling", "pipe"] {
        assert!(disk.create_new(&path(name)).is_err());
        assert_eq!(disk.metadata(&path(name)).unwrap().unwrap().kind, DiskFileKind::Other);
    }
    assert!(disk.create_new(&path("dir/new")).is_err());
    assert!(disk.create_dir(&path("dir/new")).is_err());
    assert!(disk.list(&path("dir")).is_err());
    assert!(disk.metadata(&path("dir/secret")).is_err());
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1, "nothing was made outside");
    assert_eq!(fs::read(outside.join("secret")).unwrap(), b"secret");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "plants foreign names")]
fn foreign_names_are_left_out_of_a_list() {
    let temp = tempfile::tempdir().unwrap();
    for name in ["System Volume Information", "a~1", "ok", "._x", &"y".repeat(40)] {
        fs::write(temp.path().join(name), b"").unwrap();
    }
    let names: Vec<_> = OsDisk::open(temp.path()).unwrap().list(&StorePath::root()).unwrap();
    assert_eq!(names.into_iter().map(|(name, _)| name).collect::<Vec<_>>(), ["._x", "ok"]);
}

#[test]
fn a_file_that_failed_once_refuses_all_that_follows() {
    let temp = tempfile::tempdir().unwrap();
    let disk = OsDisk::open(temp.path()).unwrap();
    let (file, _) = disk.open_file("create", &path("a"), Access::CreateNew).unwrap();
    let medium = Arc::clone(&disk.medium);
    let root = Arc::clone(&disk.root);
    let mut file = OsWriteFile { file, path: path("a"), failed: false, reserved: false, root, medium };
    assert!(file.act("sync", |_| Err(io::Error::other("planted"))).is_err());
    assert!(file.append(b"x").is_err());
    assert!(file.sync().is_err());
}

#[cfg(unix)]
#[test]
#[expect(clippy::disallowed_methods, reason = "plants a link")]
fn steps_resolve_like_the_kernel() {
    use rustix::fs::{Mode, OFlags};
    let temp = tempfile::tempdir().unwrap();
    fs::create_dir(temp.path().join("a")).unwrap();
    fs::write(temp.path().join("a/b"), b"x").unwrap();
    std::os::unix::fs::symlink("a", temp.path().join("l")).unwrap();
    let root = File::open(temp.path()).unwrap();
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW;
    assert!(unix::resolve_by_steps(&root, "a/b", flags, Mode::empty()).is_ok());
    assert!(unix::resolve_by_steps(&root, "l/b", flags, Mode::empty()).is_err());
    assert!(unix::resolve_by_steps(&root, "l", flags, Mode::empty()).is_err());
}

// U4
#[cfg(target_os = "linux")]
#[test]
#[expect(clippy::disallowed_methods, reason = "plants a file and looks at its times")]
fn reading_does_not_touch_the_time_of_the_last_access() {
    use std::os::unix::fs::MetadataExt;
    let temp = tempfile::tempdir().unwrap();
    let disk = OsDisk::create(temp.path()).unwrap();
    fs::create_dir(temp.path().join("dir")).unwrap();
    fs::write(temp.path().join("dir/file"), b"content").unwrap();
    // Linux notes an access where the last one noted is older than the last change.
    let old = rustix::fs::Timespec { tv_sec: 1_000_000, tv_nsec: 0 };
    let omit = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT };
    let times = rustix::fs::Timestamps { last_access: old, last_modification: omit };
    for name in ["dir/file", "dir"] {
        let name = temp.path().join(name);
        rustix::fs::utimensat(rustix::fs::CWD, &name, &times, rustix::fs::AtFlags::empty()).unwrap();
    }
    assert_eq!(disk.list(&path("dir")).unwrap().len(), 1);
    let file = disk.open(&path("dir/file")).unwrap();
    let mut bytes = [0; 7];
    assert_eq!((file.read_at(0, &mut bytes).unwrap(), &bytes), (7, b"content"));
    for name in ["dir/file", "dir"] {
        assert_eq!(fs::metadata(temp.path().join(name)).unwrap().atime(), 1_000_000, "{name}");
    }
}
