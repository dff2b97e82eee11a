//! What a client names stays below the served root.

#![expect(clippy::disallowed_methods, reason = "the test looks from outside at what the door did")]

#[cfg(unix)]
use std::os::unix::fs::symlink;

use super::*;

fn at(text: &str) -> ServedPath {
    ServedPath::default().resolve(text).unwrap()
}

#[test]
fn paths_stay_below_the_root() {
    assert_eq!(at("/a/../../../b//c/./").to_string(), "/b/c");
    assert_eq!(at("/a").resolve("../..").unwrap(), ServedPath::default());
    assert_eq!(at("/a").resolve("b").unwrap().to_string(), "/a/b");
    assert_eq!(ServedPath::default().resolve("a\rb"), None);
    assert_eq!(ServedPath::default().resolve(&"x/".repeat(33)), None);
    assert_eq!(ServedPath::default().resolve(&"x".repeat(256)), None);
}

#[test]
fn files_are_written_read_renamed_and_removed() {
    let home = tempfile::tempdir().unwrap();
    let dir = ServedDir::open_root(home.path()).unwrap();
    dir.create_dir(&at("a")).unwrap();
    assert_eq!(dir.create_dir(&at("a")).unwrap_err().kind, DiskErrorKind::Exists);
    let mut file = dir.write_after(&at("a/x"), 0).unwrap();
    file.append(b"hello ").unwrap();
    file.append(b"world").unwrap();
    file.sync().unwrap();
    // What is open is not gone for good everywhere when it is removed.
    drop(file);
    let mut file = dir.write_after(&at("a/x"), 6).unwrap();
    file.append(b"there").unwrap();
    drop(file);
    let mut buffer = [0; 64];
    let count = dir.open(&at("a/x")).unwrap().read_at(3, &mut buffer).unwrap();
    assert_eq!(&buffer[..count], b"lo there");
    assert_eq!(dir.write_after(&at("a/x"), 99).err().unwrap().kind, DiskErrorKind::Io);
    assert_eq!(dir.write_after(&at("no/x"), 0).err().unwrap().kind, DiskErrorKind::NotFound);
    dir.rename(&at("a/x"), &at("y")).unwrap();
    assert_eq!(dir.metadata(&at("a/x")).unwrap(), None);
    assert_eq!(dir.metadata(&at("y")).unwrap().unwrap().len_bytes, 11);
    let names: Vec<_> = dir.list(&at("/")).unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a", "y"]);
    dir.remove_file(&at("y")).unwrap();
    dir.remove_dir(&at("a")).unwrap();
    assert!(dir.list(&at("/")).unwrap().is_empty());
    assert_eq!(dir.remove_dir(&at("/")).unwrap_err().kind, DiskErrorKind::WrongType);
}

#[cfg(unix)]
#[test]
fn links_lead_nowhere() {
    let (home, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(outside.path().join("secret"), b"secret").unwrap();
    symlink(outside.path(), home.path().join("dir")).unwrap();
    symlink(outside.path().join("secret"), home.path().join("file")).unwrap();
    let dir = ServedDir::open_root(home.path()).unwrap();
    assert!(dir.list(&at("/")).unwrap().is_empty());
    for path in ["dir", "file", "dir/secret"] {
        assert_eq!(dir.metadata(&at(path)).unwrap(), None, "{path}");
        assert!(dir.open(&at(path)).is_err(), "{path}");
        assert!(dir.write_after(&at(path), 0).is_err(), "{path}");
    }
    assert!(dir.write_after(&at("dir/new"), 0).is_err());
    assert!(dir.create_dir(&at("dir/sub")).is_err());
    assert_eq!(std::fs::read(outside.path().join("secret")).unwrap(), b"secret");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
}
