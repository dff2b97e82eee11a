//! What is a name and what is not.

use super::*;

#[test]
fn names_that_leave_a_root_are_refused() {
    for bad in [&b""[..], b".", b"..", b"a/b", b"a\0b", &[b'x'; NAME_MAX_BYTES + 1]] {
        assert!(EntryName::new(bad).is_err(), "{bad:?}");
    }
    assert!(EntryName::new(b"...").is_ok());
    assert!(RelPath::new(b"a/../b").is_err());
    assert!(StorePath::new("a/../b").is_err());
    assert!(StorePath::new("/a").is_err());
    assert!(StorePath::new("a\r\nDELE b").is_err());
}

#[test]
fn paths_split_and_join() {
    let path = RelPath::new(b"/a//b/c/").unwrap();
    assert_eq!(path.as_bytes(), b"a/b/c");
    assert_eq!(path.depth(), 3);
    let (dir, name) = path.split_last().unwrap();
    assert_eq!((dir.as_bytes(), name.as_bytes()), (&b"a/b"[..], &b"c"[..]));
    assert_eq!(dir.join(&name).unwrap(), path);
    assert_eq!(RelPath::root().split_last(), None);
    assert_eq!(StorePath::new("packs/AB/X.Y").unwrap().parent().as_str(), "packs/AB");
}

#[test]
fn controls_are_shown_escaped() {
    assert_eq!(show_bytes(b"a\n\x1b[1m\xff\\\xc3\xa9"), "a\\x0a\\x1b[1m\\xff\\\\\u{e9}");
}

#[test]
fn depth_and_length_are_bounded() {
    let deep = vec![b"d".as_slice(); PATH_MAX_DEPTH + 1].join(&b'/');
    assert_eq!(RelPath::new(&deep), Err(PathError::TooLong));
}
