//! The guest's words are read, and every difference between two views is told.

use super::*;

const HASH_A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn file(len_bytes: u64) -> Seen {
    Seen::File { len_bytes, sha256: HASH_A.to_owned() }
}

fn shown(paths: &[(&str, Seen)], stops: Option<Act>) -> Shown {
    let paths = paths.iter().map(|(path, seen)| ((*path).to_owned(), seen.clone())).collect();
    Shown { paths, status: state(3, false, 0, false), verify: "no problem".to_owned(), stops }
}

fn ended(code: i32, stdout: &str) -> Ended {
    Ended { code, stdout: stdout.to_owned(), stderr: String::new() }
}

#[test]
fn a_listing_of_the_guest_is_read() {
    let listed = "\
.
./store
./store/packs
find: ./store/packs: Input/output error
find: ./store/a: b: No such file or directory
7 ./store/a name
0 ./store/torn";
    let hashed = format!("{HASH_A}  ./store/a name\n");
    let paths = parse(listed, &hashed).unwrap();
    let expected = [
        ("", Seen::Dir),
        ("store", Seen::Dir),
        ("store/a name", file(7)),
        ("store/a: b", Seen::NotFound),
        ("store/packs", Seen::Damaged),
        ("store/torn", Seen::Damaged),
    ];
    assert_eq!(paths, shown(&expected, None).paths);
}

#[test]
fn what_is_no_listing_is_refused() {
    for (listed, hashed) in [
        ("what", ""),
        ("many ./a", ""),
        ("7 a", ""),
        ("7 .hidden", ""),
        ("find: ./a", ""),
        (".", "sha256sum: ./a: Input/output error"),
        (".", &format!("{HASH_A}  /a")),
    ] {
        let error = parse(listed, hashed).unwrap_err().to_string();
        assert!(error.contains("does not read"), "{listed} {hashed}: {error}");
    }
}

#[test]
fn a_driver_that_stopped_writing_is_told_by_its_mount() {
    let mounts = |options: &str| {
        format!("rootfs / rootfs ro 0 0\n/dev/sda {MOUNT} vfat {options} 0 0\ntmp /tmp tmpfs rw,relatime 0 0\n")
    };
    assert!(is_read_only(&mounts("ro,relatime,errors=remount-ro")));
    assert!(!is_read_only(&mounts("rw,relatime,errors=remount-ro")));
    assert!(!is_read_only("rootfs / rootfs ro 0 0\n"));
}

#[test]
fn the_program_in_the_guest_is_understood() {
    let said = r#"{"generation":3,"degraded":true,"missing_packs":2,"unclean":false}"#;
    assert_eq!(status_there(&ended(0, said)), state(3, true, 2, false));
    // A store whose publisher does not vouch for it any more is open all the same.
    assert_eq!(status_there(&ended(19, said)), state(3, true, 2, false));
    assert_eq!(status_there(&ended(12, "")), "exit 12");
    let found = r#"{"ok":false,"problems":[{"kind":"missing-pack","file":"packs/b"},{"kind":"head","file":"HEAD"}]}"#;
    assert_eq!(verify_there(&ended(13, found)), "head HEAD, missing-pack packs/b");
    assert_eq!(verify_there(&ended(0, r#"{"ok":true,"problems":[]}"#)), "no problem");
    assert_eq!(verify_there(&ended(16, "")), "exit 16");
}

#[test]
fn every_difference_is_told_and_likeness_is_not() {
    let ours = shown(&[("", Seen::Dir), ("a", file(7)), ("b", Seen::Damaged)], None);
    assert!(ours.differences(&ours).is_empty());
    let theirs = shown(&[("", Seen::Dir), ("a", file(8)), ("b", file(7)), ("c", Seen::Dir)], None);
    let said = ours.differences(&theirs);
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(["`a`", "`b`", "`c`"].iter().zip(&said).all(|(path, said)| said.starts_with(path)), "{said:?}");
    assert_eq!(theirs.differences(&ours).len(), 3);
    for change in [
        (|shown| shown.status = state(2, false, 0, false)) as fn(&mut Shown),
        |shown| shown.verify = exit(13),
        |shown| shown.stops = Some(Act::Remove),
    ] {
        let mut theirs = ours.clone();
        change(&mut theirs);
        assert_eq!(ours.differences(&theirs).len(), 1, "{theirs:?}");
    }
}

#[test]
fn a_listing_that_breaks_off_is_no_difference_once_the_driver_stopped_writing() {
    let ours = |stops| shown(&[("d", Seen::Damaged), ("d/first", file(7))], stops);
    let theirs = |stops| shown(&[("d", Seen::Dir), ("d/first", file(7))], stops);
    let stopped = Some(Act::LookUp);
    assert!(ours(stopped).differences(&theirs(stopped)).is_empty());
    assert_eq!(ours(None).differences(&theirs(None)).len(), 1);
    assert_eq!(theirs(stopped).differences(&ours(stopped)).len(), 1);
}
