//! exFAT volumes as a cut may leave them, and worse.

use super::build::{Build, exfat_set};
use super::*;

const FILE: u8 = 0x20;
const DIR: u8 = 0x10;
/// The flags of a file with a chain of links.
const LINKED: u8 = 0x01;
/// The flags of a file whose clusters lie in a row.
const ROW: u8 = 0x03;

/// Something done to a sound volume.
type Change = fn(&mut Build);

/// Makes a volume with one file in the root.
fn with_file(flags: u8, first: u8, lens: [u64; 2]) -> Build {
    let mut build = Build::exfat();
    build.entries(2, 1, &exfat_set("File with a longer name", FILE, flags, first, lens));
    build
}

#[test]
fn the_sum_of_a_set_is_ignored_as_linux_does_but_not_the_order_of_its_entries() {
    let mut build = with_file(ROW, 10, [0, 0]);
    assert_eq!(names(&open(&build.bytes), ""), ["File with a longer name"]);
    assert!(open(&build.bytes).metadata("FILE WITH A longer name").is_ok());
    // The part of a name that did not reach the device is what was there before: here, an entry deleted.
    build.cluster(2)[4 * 32] = 0x41;
    assert_eq!(names(&open(&build.bytes), "").len(), 0);
    assert!(open(&build.bytes).metadata("File with a longer name").is_err());
}

#[test]
fn deleted_sets_are_gone_and_an_unused_entry_ends_the_directory() {
    let mut build = Build::exfat();
    let mut deleted = exfat_set("deleted", FILE, ROW, 0, [0, 0]);
    deleted.iter_mut().for_each(|entry| entry[0] &= 0x7F);
    build.entries(2, 1, &deleted);
    build.entries(2, 4, &exfat_set("kept", FILE, ROW, 0, [0, 0]));
    build.entries(2, 9, &exfat_set("behind", FILE, ROW, 0, [0, 0]));
    let volume = open(&build.bytes);
    assert_eq!(names(&volume, ""), ["kept"]);
    assert!(volume.metadata("behind").is_err() && volume.metadata("deleted").is_err());
}

#[test]
fn a_name_with_the_wrong_hash_or_length_is_listed_and_not_found() {
    for at in [3, 4] {
        let mut build = with_file(ROW, 10, [0, 0]);
        build.cluster(2)[2 * 32 + at] ^= 1;
        let listed = open(&build.bytes).list("").unwrap();
        assert!(matches!(listed[0].metadata, Err(VolumeError::NotFound { .. })), "{at}");
    }
}

#[test]
fn bytes_past_the_valid_length_are_zeros() {
    let mut build = with_file(ROW, 10, [600, 1500]);
    (10..13).for_each(|cluster| build.fill(cluster, 9));
    let bytes = read(&open(&build.bytes), "file with a longer name").unwrap();
    assert_eq!((&bytes[..600], &bytes[600..]), (&[9; 600][..], &[0; 900][..]));
}

#[test]
fn clusters_in_a_row_need_no_links_and_links_are_followed_where_they_count() {
    let mut build = with_file(ROW, 10, [1024, 1024]);
    build.chain(&[10, 20]);
    build.fill(11, 3);
    build.fill(20, 4);
    assert_eq!(read(&open(&build.bytes), "File with a longer name").unwrap()[512..], [3; 512]);
    build.cluster(2)[2 * 32 + 1] = LINKED;
    assert_eq!(read(&open(&build.bytes), "File with a longer name").unwrap()[512..], [4; 512]);
}

#[test]
fn a_file_longer_than_its_clusters_is_an_error_where_they_end() {
    let endings = [(LINKED, 10, 0), (LINKED, 10, u32::MAX), (LINKED, 10, 0xFFFF_FFF7), (LINKED, 10, 1002)];
    for (flags, first, end) in endings.into_iter().chain([(ROW, 0, 0), (LINKED, 0, 0), (ROW, 1, 0)]) {
        let mut build = with_file(flags, first, [9000, 9000]);
        (10..19).for_each(|cluster| build.link(cluster, u32::try_from(cluster).unwrap() + 1));
        build.link(19, end);
        let file = open(&build.bytes).open_file("File with a longer name").unwrap();
        assert_eq!(file.readable_bytes(), if first == 10 { 4096 } else { 0 }, "{flags} {first} {end}");
        assert!(matches!(file.read_at(8000, &mut [0; 9]), Err(VolumeError::Damaged { .. })));
    }
    let file = open(&with_file(ROW, 250, [u64::MAX, u64::MAX]).bytes).open_file("File with a longer name").unwrap();
    assert_eq!(file.readable_bytes(), (1002 - 250) * 512);
}

#[test]
fn a_directory_whose_chain_breaks_before_its_end_is_an_error() {
    let mut build = Build::exfat();
    build.entries(2, 1, &exfat_set("cut", DIR, LINKED, 10, [1024, 1024]));
    build.entries(2, 4, &exfat_set("ended", DIR, LINKED, 11, [1024, 1024]));
    build.entries(2, 7, &exfat_set("row", DIR, ROW, 12, [512, 512]));
    build.entries(2, 10, &exfat_set("loop", DIR, LINKED, 13, [512, 512]));
    build.fill(10, 0x05);
    build.link(13, 13);
    build.entries(12, 0, &exfat_set("inside", FILE, ROW, 0, [0, 0]));
    build.entries(13, 0, &exfat_set("again", DIR, LINKED, 13, [512, 512]));
    let volume = open(&build.bytes);
    assert!(matches!(volume.metadata("cut"), Err(VolumeError::Damaged { .. })));
    assert!(volume.metadata("ended").is_ok());
    assert_eq!(names(&volume, "row"), ["inside"]);
    assert_eq!(names(&volume, "loop/again/again"), ["again"]);
    assert!(volume.walk().iter().any(|walked| walked.path == "loop/again" && walked.kind.is_err()));
}

#[test]
fn a_volume_that_linux_does_not_mount_does_not_open() {
    let changes: [(&str, Change); 6] = [
        ("boot check sum", |build| build.bytes[100] ^= 1),
        ("sector size", |build| build.bytes[108] = 8),
        ("no table", |build| build.bytes[84] = 0),
        ("clusters in the table", |build| build.bytes[88] = 31),
        ("no bitmap", |build| build.cluster(2)[0] = 0x01),
        ("root ends in a free cluster", |build| build.link(2, 0)),
    ];
    for (what, change) in changes {
        let mut build = Build::exfat();
        change(&mut build);
        if what != "boot check sum" {
            build.seal();
        }
        let opened = Volume::open(Arc::new(image_of(&build.bytes)));
        assert!(matches!(opened, Err(VolumeError::NotMountable { .. })), "{what}");
    }
    // The flags change while the volume is mounted, and no sum counts them.
    let mut build = Build::exfat();
    build.bytes[106] = 2;
    open(&build.bytes);
}
