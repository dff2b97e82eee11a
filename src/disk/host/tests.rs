//! Host files: bounds, no overwriting, rights, replacing.

use super::*;

#[test]
fn a_new_file_is_private_and_never_overwritten() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a/b/key");
    assert_eq!(read_host_file(&path, 10).unwrap(), None);
    write_host_file_new(&path, b"one").unwrap();
    assert_eq!(write_host_file_new(&path, b"two").unwrap_err().kind, DiskErrorKind::Exists);
    assert_eq!(read_host_file(&path, 3).unwrap().unwrap(), b"one");
    assert_eq!(read_host_file(&path, 2).unwrap_err().kind, DiskErrorKind::Io);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(&temp.path().join("a")), 0o700);
        assert_eq!(mode(&temp.path().join("a/b")), 0o700);
    }
}

#[test]
fn replacing_leaves_the_new_file_alone() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("state");
    replace_host_file(&path, b"one", 0o600).unwrap();
    replace_host_file(&path, b"two", 0o644).unwrap();
    assert_eq!(read_host_file(&path, 10).unwrap().unwrap(), b"two");
    assert_eq!(list_host_dir(temp.path()).unwrap(), ["state"]);
    assert!(list_host_dir(&temp.path().join("none")).unwrap().is_empty());
}

#[test]
fn a_directory_is_no_host_file() {
    let temp = tempfile::tempdir().unwrap();
    assert_eq!(read_host_file(temp.path(), 10).unwrap_err().kind, DiskErrorKind::WrongType);
    std::fs::create_dir(temp.path().join("d")).unwrap();
    assert!(replace_host_file(&temp.path().join("d"), b"x", 0o600).is_err());
    assert_eq!(list_host_dir(temp.path()).unwrap(), ["d"], "the temporary file is gone");
}
