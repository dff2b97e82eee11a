//! FAT32 volumes as a cut may leave them, and worse.

use super::super::fat::checksum_of;
use super::build::{Build, CLUSTER, fat_entry, slots};
use super::*;

const FILE: u8 = 0x20;
const DIR: u8 = 0x10;

/// Makes the two entries that every directory below the root has.
fn dots(own: u16) -> [[u8; 32]; 2] {
    [fat_entry(b".          ", DIR, own, 0), fat_entry(b"..         ", DIR, 0, 0)]
}

#[test]
fn short_names_show_their_case_and_long_ones_need_the_right_sum() {
    let mut build = Build::fat();
    let mut lower = fat_entry(b"SMALL   TXT", FILE, 0, 0);
    lower[12] = 0x18;
    let mut half = fat_entry(b"HALF    TXT", FILE, 0, 0);
    half[12] = 0x08;
    let fits = fat_entry(b"ALONGN~1TXT", FILE, 0, 0);
    let misfits = fat_entry(b"OTHER   TXT", FILE, 0, 0);
    build.entries(2, 0, &[lower, half]);
    build.entries(2, 2, &[&slots("a long name of a file.txt", checksum_of(&fits))[..], &[fits]].concat());
    build.entries(2, 5, &[&slots("short.text", 0x55)[..], &[misfits]].concat());
    let volume = open(&build.bytes);
    assert_eq!(names(&volume, ""), ["small.txt", "half.TXT", "a long name of a file.txt", "OTHER.TXT"]);
    assert!(volume.metadata("A LONG name of a FILE.txt").is_ok() && volume.metadata("alongn~1.TXT").is_ok());
    assert!(volume.metadata("short.text").is_err());
}

#[test]
fn slots_without_their_entry_are_ignored_and_hide_nothing_else() {
    let mut build = Build::fat();
    let entry = fat_entry(b"KEPT       ", FILE, 0, 0);
    let orphans = slots("a name of three slots, of which one is gone", 1);
    build.entries(2, 0, &orphans[..2]);
    build.entry(2, 2, &entry);
    build.entries(2, 3, &orphans[2..]);
    build.entries(2, 6, &slots("deleted", checksum_of(&entry)));
    let mut deleted = entry;
    deleted[0] = 0xE5;
    build.entry(2, 7, &deleted);
    build.entries(2, 8, &slots("at the very end", checksum_of(&entry)));
    assert_eq!(names(&open(&build.bytes), ""), ["KEPT"]);
}

#[test]
fn an_entry_that_begins_with_zero_ends_nothing_and_a_label_is_no_file() {
    let mut build = Build::fat();
    build.entry(2, 0, &fat_entry(b"LABEL      ", 0x08, 0, 0));
    build.entry(2, 9, &fat_entry(b"BEHIND     ", FILE, 0, 0));
    assert_eq!(names(&open(&build.bytes), ""), ["BEHIND"]);
}

#[test]
fn a_file_longer_than_its_chain_reads_up_to_the_last_whole_page() {
    let ends = [(0x0FFF_FFFF, "ends"), (0, "free"), (0x0FFF_FFF7, "bad"), (5000, "does not have")];
    for (end, what) in ends {
        let mut build = Build::fat();
        build.entry(2, 0, &fat_entry(b"FILE       ", FILE, 10, 9000));
        for cluster in 10..20 {
            build.link(cluster, u32::try_from(cluster).unwrap() + 1);
            build.fill(cluster, 7);
        }
        build.link(19, end);
        let file = open(&build.bytes).open_file("file").unwrap();
        assert_eq!((file.len_bytes(), file.readable_bytes()), (9000, 4096), "{what}");
        let mut page = [0; 4096];
        assert_eq!((file.read_at(0, &mut page).unwrap(), page), (4096, [7; 4096]));
        assert!(matches!(file.read_at(4096, &mut [0]), Err(VolumeError::Damaged { .. })), "{what}");
        assert!(file.read_at(0, &mut [0; 4097]).is_err() && file.read_at(8999, &mut [0]).is_err());
    }
}

#[test]
fn a_file_without_a_cluster_reads_as_zeros_and_one_in_a_circle_repeats() {
    let mut build = Build::fat();
    build.entry(2, 0, &fat_entry(b"HOLE       ", FILE, 0, 700));
    build.entry(2, 1, &fat_entry(b"CIRCLE     ", FILE, 10, 2048));
    build.entry(2, 2, &fat_entry(b"ENDLESS    ", FILE, 10, u32::MAX));
    build.link(10, 11);
    build.link(11, 10);
    build.fill(10, 1);
    build.fill(11, 2);
    let volume = open(&build.bytes);
    assert_eq!(read(&volume, "hole").unwrap(), [0; 700]);
    let twice = [[1; CLUSTER], [2; CLUSTER], [1; CLUSTER], [2; CLUSTER]].concat();
    assert_eq!(read(&volume, "circle").unwrap(), twice);
    assert_eq!(volume.open_file("endless").unwrap().readable_bytes(), 1000 * 512);
}

#[test]
fn two_files_on_one_cluster_both_show_it() {
    let mut build = Build::fat();
    build.entries(2, 0, &[fat_entry(b"A          ", FILE, 10, 512), fat_entry(b"B          ", FILE, 9, 1024)]);
    build.chain(&[9, 10]);
    build.fill(10, 5);
    let volume = open(&build.bytes);
    assert_eq!(read(&volume, "a").unwrap(), [5; 512]);
    assert_eq!(read(&volume, "b").unwrap()[512..], [5; 512]);
}

#[test]
fn a_directory_that_was_never_filled_or_leads_astray_is_an_error_and_not_empty() {
    let mut build = Build::fat();
    build.entry(2, 0, &fat_entry(b"EMPTY      ", DIR, 10, 0));
    build.entry(2, 1, &fat_entry(b"NOWHERE    ", DIR, 0, 0));
    build.entry(2, 2, &fat_entry(b"ROOT       ", DIR, 2, 0));
    build.entry(2, 3, &fat_entry(b"CIRCLE     ", DIR, 20, 0));
    build.entry(2, 4, &fat_entry(b"CUT        ", DIR, 30, 0));
    build.entry(2, 5, &fat_entry(b"SOUND      ", DIR, 40, 0));
    build.link(10, u32::MAX);
    build.link(20, 20);
    build.link(40, u32::MAX);
    for own in [20, 30, 40] {
        build.entries(own, 0, &dots(u16::try_from(own).unwrap()));
    }
    let volume = open(&build.bytes);
    for name in ["empty", "nowhere", "root", "circle", "cut"] {
        assert!(matches!(volume.metadata(name), Err(VolumeError::Damaged { .. })), "{name}");
        assert!(matches!(volume.list(name), Err(VolumeError::Damaged { .. })), "{name}");
    }
    assert_eq!(names(&volume, "sound").len(), 0);
    assert_eq!(volume.list("").unwrap().iter().filter(|entry| entry.metadata.is_ok()).count(), 1);
}

#[test]
fn a_directory_in_itself_is_walked_once() {
    let mut build = Build::fat();
    build.entry(2, 0, &fat_entry(b"LOOP       ", DIR, 10, 0));
    build.link(10, u32::MAX);
    build.entries(10, 0, &dots(10));
    build.entry(10, 2, &fat_entry(b"AGAIN      ", DIR, 10, 0));
    let volume = open(&build.bytes);
    assert_eq!(names(&volume, "loop/again/again"), ["AGAIN"]);
    let walked = volume.walk();
    assert_eq!(walked.iter().map(|walked| &*walked.path).collect::<Vec<_>>(), ["", "LOOP", "LOOP/AGAIN"]);
    assert!(walked[1].kind.is_ok() && walked[2].kind.is_err());
}

#[test]
fn a_root_that_cannot_be_read_is_not_mounted() {
    for end in [0, 2, 5000] {
        let mut build = Build::fat();
        build.link(2, end);
        assert!(Volume::open(Arc::new(image_of(&build.bytes))).is_err(), "{end}");
    }
}
