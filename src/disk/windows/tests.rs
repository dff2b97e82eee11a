//! What only the calls of Windows have: pins, volumes, access lists, and buffers taken apart.

#![expect(clippy::disallowed_methods, reason = "tests look at files from outside")]

use std::fs;
use std::io;
use std::path::Path;

use super::listing::{RawStat, list};
use super::pins::{PinnedRoot, look_at, open_file, open_to_list};
use super::volume::Volume;
use super::*;

#[test]
fn what_is_pinned_stays_where_it_is() {
    let temp = tempfile::tempdir().unwrap();
    fs::create_dir_all(temp.path().join("a/b")).unwrap();
    let root = PinnedRoot::open(temp.path()).unwrap();
    let pinned = root.pin(["a", "b"]).unwrap();
    assert_eq!(pinned.depth(), 3);
    fs::write(pinned.join("f"), b"below").unwrap();
    for (from, to) in [("a", "c"), ("a/b", "a/c")] {
        assert!(fs::rename(temp.path().join(from), temp.path().join(to)).is_err(), "{from} was moved");
    }
    drop(pinned);
    fs::rename(temp.path().join("a"), temp.path().join("c")).unwrap();
    assert_eq!(fs::read(temp.path().join("c/b/f")).unwrap(), b"below");
    fs::rename(temp.path().join("c"), temp.path().join("a")).unwrap();
    let inner = PinnedRoot::open(&temp.path().join("a")).unwrap();
    fs::rename(temp.path().join("a"), temp.path().join("c")).unwrap();
    assert_eq!(inner.pin([]).err().unwrap().kind(), io::ErrorKind::NotFound);
    fs::create_dir(temp.path().join("a")).unwrap();
    assert_eq!(inner.pin([]).err().unwrap().kind(), io::ErrorKind::NotFound, "another directory of that name");
    fs::remove_dir(temp.path().join("a")).unwrap();
    assert_eq!(root.pin(["a"]).err().unwrap().kind(), io::ErrorKind::NotFound);
    assert_eq!(root.pin(["c", "b", "f"]).err().unwrap().kind(), io::ErrorKind::NotADirectory);
}

#[test]
fn a_listing_tells_what_each_entry_tells_of_itself() {
    let temp = tempfile::tempdir().unwrap();
    // More than one call takes.
    for number in 0..2000 {
        fs::write(
            temp.path().join(format!("file {number} with a name of some length, \u{fc} and \u{1f511} in it")),
            b"x",
        )
        .unwrap();
    }
    fs::create_dir(temp.path().join("dir")).unwrap();
    let listed = list(&open_to_list(temp.path()).unwrap()).unwrap();
    assert_eq!(listed.len(), 2001);
    for (name, stat) in listed.iter().rev().take(20) {
        assert_eq!(*stat, RawStat::of(&look_at(&temp.path().join(name)).unwrap()).unwrap(), "{name:?}");
    }
    let dir = listed.iter().find(|(name, _)| name == "dir").unwrap().1;
    assert!(dir.is_dir() && !dir.is_link());
    assert_ne!(listed[0].1.number, listed[1].1.number);
    assert!(open_to_list(&temp.path().join(&listed.iter().find(|(_, stat)| !stat.is_dir()).unwrap().0)).is_err());
}

#[test]
fn an_entry_that_does_not_fit_is_no_entry() {
    let mut good = vec![0; 104];
    good[56] = 0x20;
    good[60] = 4;
    good.extend([b'a', 0, b'b', 0]);
    let take = |bytes: &[u8]| {
        let mut found = Vec::new();
        listing::take_entries(bytes, &mut found).map(|()| found)
    };
    let found = take(&good).unwrap();
    assert_eq!((found.len(), found[0].0.to_str(), found[0].1.attributes), (1, Some("ab"), 0x20));
    for cut in 0..good.len() {
        assert!(take(&good[..cut]).is_err(), "{cut} bytes");
    }
    let changed = |at: usize, bytes: [u8; 4]| {
        let mut bad = good.clone();
        bad[at..at + 4].copy_from_slice(&bytes);
        take(&bad)
    };
    assert!(changed(60, [0xff; 4]).is_err(), "a name beyond the end");
    assert!(changed(0, [0xff; 4]).is_err(), "the next entry beyond the end");
    assert!(changed(0, [1, 0, 0, 0]).is_err(), "no entry begins there");
    assert!(changed(0, [8, 0, 0, 0]).is_err(), "an entry inside another that does not fit");
}

#[test]
fn a_volume_tells_what_it_is() {
    let temp = tempfile::tempdir().unwrap();
    let volume = Volume::below(temp.path()).unwrap();
    assert!(!volume.is_gone() && !volume.is_read_only() && volume.max_file_bytes() >= u64::from(u32::MAX));
    assert_eq!(Volume::below(&temp.path().join("no/such/dir")).unwrap(), volume);
    assert_eq!(Volume::below(&temp.path().canonicalize().unwrap()).unwrap(), volume, "in the long form as well");
    let long = (0..8).fold(temp.path().canonicalize().unwrap(), |dir, _| dir.join("d".repeat(60)));
    assert_eq!(Volume::below(&long).unwrap(), volume, "more units than the system takes");
    volume.sync_dir(temp.path()).unwrap();
    assert_eq!(volume.sync_dir(&temp.path().join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    assert!(calls::free_bytes(temp.path()).unwrap() > 0);
    let letters = calls::drive_letters();
    let unused = (b'D'..b'Z').find(|letter| letters & 1 << (letter - b'A') == 0).unwrap();
    assert!(Volume::below(Path::new(&format!("{}:\\x", char::from(unused)))).is_err());
}

#[test]
fn a_file_of_its_owners_is_told_from_one_that_others_read() {
    use super::rights::lets_others_read;
    for (text, expected) in [
        ("O:S-1-5-21-1-2-3-1001D:P(A;;FA;;;S-1-5-21-1-2-3-1001)(A;;FA;;;SY)", false),
        ("O:BAG:DUD:AI(A;ID;FA;;;SY)(A;ID;0x1f01ff;;;BA)", false),
        ("O:BAD:(A;;FA;;;BA)(A;;FR;;;WD)", true),
        ("O:BAD:(A;;0x1200a9;;;BU)", true),
        ("O:BAD:(A;;0x100116;;;BU)", false),
        ("O:BAD:(A;;CCDC;;;AU)", true),
        ("O:BAD:(D;;FA;;;WD)", false),
        ("O:BAD:(A;OICIIO;FA;;;BU)", false),
        ("O:BAD:NO_ACCESS_CONTROL", true),
        ("O:BA", true),
        ("O:BAD:", false),
        ("D:(A", false),
        ("O:BAD:(A;;0xzz;;;BU)", true),
    ] {
        assert_eq!(lets_others_read(text), expected, "{text}");
    }
}

#[test]
fn a_private_file_is_so_from_its_first_byte() {
    let temp = tempfile::tempdir().unwrap();
    if !Volume::below(temp.path()).unwrap().keeps_access() {
        println!("no access lists here: nothing to check");
        return;
    }
    let path = temp.path().join("key");
    drop(rights::create_private(&path).unwrap());
    assert!(!rights::is_open_to_others(&path));
    assert_eq!(rights::create_private(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    fs::create_dir(temp.path().join("keys")).unwrap();
    rights::protect_dir(&temp.path().join("keys")).unwrap();
    fs::write(temp.path().join("keys/inner"), b"").unwrap();
    assert!(!rights::is_open_to_others(&temp.path().join("keys")));
}

#[test]
fn a_directory_is_no_file_to_open() {
    let temp = tempfile::tempdir().unwrap();
    for write in [false, true] {
        let opened = open_file(temp.path(), fs::OpenOptions::new().read(true).write(write));
        assert_eq!(kind_of_error(opened.err().unwrap()), DiskErrorKind::WrongType);
    }
}

fn kind_of_error(error: io::Error) -> DiskErrorKind {
    crate::disk::DiskError::new("open", "x", error).kind
}

#[test]
fn a_file_in_use_is_tried_again_for_a_while_and_no_other() {
    let clock = crate::base::clock::FixedClock::new(crate::base::Timestamp(0));
    let mut attempts = 0;
    let mut act = |code: i32, ends_after: u32| {
        attempts = 0;
        patiently(&clock, || {
            attempts += 1;
            if attempts > ends_after { Ok(attempts) } else { Err(io::Error::from_raw_os_error(code)) }
        })
    };
    assert_eq!(act(32, 3).unwrap(), 4);
    assert_eq!(act(5, 3).unwrap_err().raw_os_error(), Some(5));
    assert_eq!(act(33, u32::MAX).unwrap_err().raw_os_error(), Some(33));
    assert_eq!(attempts, ATTEMPTS);
    assert_eq!(clock.monotonic(), FIRST_WAIT * 7 + FIRST_WAIT * 63);
}

#[test]
fn numbers_of_the_system_say_what_to_do() {
    for (code, expected) in [
        (21, DiskErrorKind::Gone),
        (1167, DiskErrorKind::Gone),
        (19, DiskErrorKind::ReadOnly),
        (32, DiskErrorKind::Denied),
        (112, DiskErrorKind::NoSpace),
        (2, DiskErrorKind::NotFound),
        (3, DiskErrorKind::NotFound),
        (5, DiskErrorKind::Denied),
        (80, DiskErrorKind::Exists),
        (123, DiskErrorKind::BadName),
        (267, DiskErrorKind::WrongType),
        (23, DiskErrorKind::Io),
    ] {
        assert_eq!(kind_of_error(io::Error::from_raw_os_error(code)), expected, "{code}");
    }
}
