//! Chains at which Linux stops writing, made by hand.

use super::super::{Act, Refusal};
use super::build::{Build, exfat_set, fat_entry};
use super::*;

const FILE: u8 = 0x20;
const DIR: u8 = 0x10;
const END: u32 = 0x0FFF_FFFF;
const FREE: u32 = 0;
const FREE_LINK: &str = "its chain leads through a free cluster";

/// At which act a file is refused, and why.
type Refused = Option<(Act, &'static str)>;

/// Returns act, path and reason of each refusal in the folder `s`.
fn told(build: &Build) -> Vec<(Act, String, &'static str)> {
    let refusals = open(&build.bytes).refusals("s");
    refusals.into_iter().map(|Refusal { path, act, why, .. }| (act, path, why)).collect()
}

/// Makes a FAT volume whose folder `s` (cluster 5) holds these entries.
fn fat_folder(entries: &[[u8; 32]]) -> Build {
    let mut build = Build::fat();
    build.entry(2, 0, &fat_entry(b"S          ", DIR, 5, 0));
    build.link(5, END);
    let dots = [fat_entry(b".          ", DIR, 5, 0), fat_entry(b"..         ", DIR, 0, 0)];
    build.entries(5, 0, &[&dots[..], entries].concat());
    build
}

/// Makes a FAT volume with the file `s/F` of this length, whose clusters from 10 on have these links.
fn fat_file(first: u16, len_bytes: u32, links: &[u32]) -> Build {
    let mut build = fat_folder(&[fat_entry(b"F          ", FILE, first, len_bytes)]);
    links.iter().enumerate().for_each(|(at, next)| build.link(10 + at, *next));
    build
}

#[test]
fn a_fat_chain_must_run_to_its_end_over_clusters_in_use() {
    let missing = "its chain leads to a cluster that the volume does not have";
    let cases: &[(u16, u32, &[u32], Refused)] = &[
        (0, 0, &[], None),
        (10, 512, &[END], None),
        (10, 1024, &[11, END], None),
        (10, 1024, &[11, 0x0FFF_FFF7], None),
        // The first cluster of a file is read without a look at its link.
        (10, 512, &[FREE], Some((Act::Remove, FREE_LINK))),
        (10, 513, &[FREE], Some((Act::Read, FREE_LINK))),
        (10, 1024, &[11, FREE], Some((Act::Remove, FREE_LINK))),
        (10, 1536, &[11, FREE], Some((Act::Read, FREE_LINK))),
        (10, 512, &[11, FREE], Some((Act::Remove, FREE_LINK))),
        (10, 512, &[1], Some((Act::Remove, missing))),
        (10, 512, &[5000], Some((Act::Remove, missing))),
        (5000, 1, &[], Some((Act::Read, missing))),
        (1, 0, &[], Some((Act::Remove, missing))),
        (10, 0, &[FREE], Some((Act::Remove, FREE_LINK))),
        (10, 1024, &[END], Some((Act::Read, "its chain ends before the file does"))),
        (10, 512, &[11, END], Some((Act::Append, "its chain is longer than its length"))),
        (10, 0, &[END], Some((Act::Append, "its chain is longer than its length"))),
        (0, 1, &[], Some((Act::Append, "its entry gives a length and no first cluster"))),
        (10, 512, &[11, 10], Some((Act::Remove, "its chain of clusters is a circle"))),
    ];
    for (first, len_bytes, links, refused) in cases {
        let expected: Vec<_> = refused.iter().map(|(act, why)| (*act, "s/F".to_owned(), *why)).collect();
        assert_eq!(told(&fat_file(*first, *len_bytes, links)), expected, "{first} {len_bytes} {links:?}");
    }
}

#[test]
fn a_fat_directory_is_refused_when_it_is_looked_up() {
    let lacks = "this directory lacks its own entries";
    for (link, dots, why) in [(FREE, true, FREE_LINK), (END, false, lacks), (END, true, "")] {
        let mut build = fat_folder(&[fat_entry(b"D          ", DIR, 20, 0)]);
        build.link(20, link);
        if dots {
            build.entries(20, 0, &[fat_entry(b".          ", DIR, 20, 0), fat_entry(b"..         ", DIR, 5, 0)]);
        }
        let expected = if why.is_empty() { vec![] } else { vec![(Act::LookUp, "s/D".to_owned(), why)] };
        assert_eq!(told(&build), expected);
    }
    // The folder itself.
    let mut build = fat_folder(&[]);
    build.link(5, FREE);
    assert_eq!(told(&build), [(Act::LookUp, "s".to_owned(), FREE_LINK)]);
}

#[test]
fn files_below_are_found_and_those_elsewhere_are_not_looked_at() {
    let mut build = fat_folder(&[fat_entry(b"D          ", DIR, 20, 0)]);
    build.entry(2, 1, &fat_entry(b"ELSE       ", FILE, 30, 512));
    build.link(20, END);
    let dots = [fat_entry(b".          ", DIR, 20, 0), fat_entry(b"..         ", DIR, 5, 0)];
    build.entries(20, 0, &[&dots[..], &[fat_entry(b"F          ", FILE, 31, 512)]].concat());
    assert_eq!(told(&build), [(Act::Remove, "s/D/F".to_owned(), FREE_LINK)]);
    assert_eq!(open(&build.bytes).refusals("").len(), 2);
    assert_eq!(open(&build.bytes).refusals("none"), []);
}

#[test]
fn two_fat_chains_that_meet_cannot_both_be_freed() {
    let entries = [fat_entry(b"A          ", FILE, 10, 1024), fat_entry(b"B          ", FILE, 12, 1024)];
    let mut build = fat_folder(&entries);
    [(10, 11), (11, END), (12, 11)].iter().for_each(|(cluster, next)| build.link(*cluster, *next));
    let why = "its chain shares a cluster with another file or directory";
    assert_eq!(told(&build), [(Act::Remove, "s/B".to_owned(), why)]);
    build.link(12, 13);
    build.link(13, END);
    assert_eq!(told(&build), []);
}

#[test]
fn a_directory_in_itself_ends_the_walk() {
    let build = fat_folder(&[fat_entry(b"S          ", DIR, 5, 0)]);
    assert_eq!(told(&build).len(), 1);
}

#[test]
fn an_exfat_chain_of_links_must_not_lead_through_free_clusters() {
    let cases: &[(u8, u8, u64, &[u32], Refused)] = &[
        (0x01, 10, 1024, &[11, u32::MAX], None),
        (0x03, 10, 1024, &[FREE, FREE], None),
        (0x01, 0, 0, &[], None),
        (0x01, 1, 512, &[], None),
        (0x01, 10, 1024, &[u32::MAX], None),
        (0x01, 10, 512, &[11, u32::MAX], None),
        (0x01, 10, 512, &[FREE], Some((Act::Remove, FREE_LINK))),
        (0x01, 10, 1024, &[FREE], Some((Act::Read, FREE_LINK))),
        (0x01, 10, 1024, &[0xFFFF_FFF7], Some((Act::Read, "its chain leads through a bad cluster"))),
    ];
    for (flags, first, len_bytes, links, refused) in cases {
        let mut build = Build::exfat();
        build.entries(2, 1, &exfat_set("s", FILE, *flags, *first, [*len_bytes, *len_bytes]));
        links.iter().enumerate().for_each(|(at, next)| build.link(10 + at, *next));
        let expected: Vec<_> = refused.iter().map(|(act, why)| (*act, "s".to_owned(), *why)).collect();
        assert_eq!(told(&build), expected, "{flags} {first} {len_bytes} {links:?}");
    }
}

#[test]
fn an_exfat_directory_of_links_is_refused_when_it_is_looked_up() {
    for (link, count) in [(FREE, 1), (u32::MAX, 0)] {
        let mut build = Build::exfat();
        build.entries(2, 1, &exfat_set("s", DIR, 0x01, 10, [512, 512]));
        // A directory is read up to its first unused entry; a full one to the end of its chain.
        (0..16).for_each(|number| build.entry(10, number, &[0x05; 32]));
        build.link(10, link);
        let told = told(&build);
        assert_eq!(told.len(), count, "{told:?}");
        assert!(told.iter().all(|(act, path, _)| (*act, path.as_str()) == (Act::LookUp, "s")));
    }
}

#[test]
fn volumes_that_linux_made_refuse_nothing() {
    for (packed, _) in MADE_BY_LINUX {
        assert_eq!(open(&unpacked(packed)).refusals(""), []);
    }
}
