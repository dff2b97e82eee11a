//! Where a store was cloned from, whatever the path is called.

use super::*;
use crate::disk::SimDisk;
use crate::disk::sim::Profile;
use crate::store::create_layout;

fn disk() -> SimDisk {
    let disk = SimDisk::new(Profile::Fat32);
    create_layout(&disk).unwrap();
    disk
}

#[test]
fn an_address_reads_as_it_was_written() {
    for address in [
        "ftp://h/a%20b",
        "/media/a b/c",
        "/media/b\u{fc}cher",
        "/a\nb",
        "file:///x",
        "C:\\keys\\%41",
        "\u{65e5}\u{672c}",
    ] {
        let disk = disk();
        write_remote(&disk, address).unwrap();
        assert_eq!(read_remote(&disk).unwrap().as_deref(), Some(address));
        assert!(disk.content("replica/remote").unwrap().is_ascii());
    }
    let disk = disk();
    write_remote(&disk, "ftp://h/a%20b").unwrap();
    assert_eq!(disk.content("replica/remote").unwrap(), b"chunkstore replica\nremote ftp://h/a%20b\n");
}

#[test]
fn an_address_that_would_not_be_read_again_is_not_written() {
    let disk = disk();
    assert!(matches!(write_remote(&disk, &"/a".repeat(600)), Err(StoreError::TooMuch(_))));
    assert_eq!(read_remote(&disk).unwrap(), None);
    assert_eq!(unescape("%4"), None);
    assert_eq!(unescape("%zz"), None);
    assert_eq!(unescape("%FF"), None, "no UTF-8");
    assert_eq!(unescape("%41"), None, "a second spelling");
    assert_eq!(unescape("%C3%BC").as_deref(), Some("\u{fc}"));
}
