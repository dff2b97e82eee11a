//! What is kept is found again, bounded, and never believed without its check, whatever cut, damage or full disk comes.

use super::*;
use crate::disk::sim::{FaultKind, ImageBudget, Profile};
use crate::disk::{OsDisk, SimDisk};

const ROOM: u64 = 1 << 20;

fn sim() -> SimDisk {
    SimDisk::new(Profile::Ext4)
}

fn open(disk: &SimDisk, most_bytes: u64) -> Near {
    Near::open(Arc::new(disk.clone()), most_bytes, 1)
}

fn name(number: u32) -> Name {
    let mut name = [0x5A; NAME_BYTES];
    name[..4].copy_from_slice(&number.to_le_bytes());
    name
}

fn bytes(number: u32, len: usize) -> Vec<u8> {
    (0..len).map(|at| (at as u32 ^ number) as u8).collect()
}

fn fill(near: &Near, numbers: std::ops::Range<u32>, len: usize) {
    numbers.for_each(|number| near.put(&name(number), &bytes(number, len)));
}

/// Returns which of these are there, all of which have to be what was put.
fn found(near: &Near, numbers: std::ops::Range<u32>, len: usize) -> Vec<u32> {
    let right = |number: &u32| match near.get(&name(*number)) {
        Some(there) => {
            assert!(there == bytes(*number, len), "entry {number} is something else");
            true
        }
        None => false,
    };
    numbers.filter(right).collect()
}

fn held(disk: &SimDisk) -> u64 {
    disk.paths().iter().map(|path| disk.content(path).unwrap().len() as u64).sum()
}

#[test]
fn what_was_put_is_there_now_and_later() {
    let disk = sim();
    let near = open(&disk, ROOM);
    fill(&near, 0..50, 1000);
    assert_eq!(found(&near, 0..60, 1000), (0..50).collect::<Vec<_>>());
    near.put(&name(3), b"other");
    assert_eq!(found(&near, 3..4, 1000), [3], "the first stays");
    drop(near);
    let near = open(&disk, ROOM);
    assert_eq!(found(&near, 0..60, 1000), (0..50).collect::<Vec<_>>());
    fill(&near, 50..60, 1000);
    assert_eq!(found(&open(&disk, ROOM), 0..60, 1000).len(), 60);
    assert_eq!(disk.paths().len(), 2, "each process has a segment of its own");
}

#[test]
fn the_oldest_goes_and_the_bound_holds() {
    let disk = sim();
    let near = open(&disk, ROOM);
    for number in 0..3000 {
        fill(&near, number..number + 1, 1000);
        assert!(held(&disk) <= ROOM, "{number}: {}", held(&disk));
    }
    let kept = found(&near, 0..3000, 1000);
    assert!(kept.len() > 700 && kept.iter().copied().eq(3000 - kept.len() as u32..3000), "{} kept", kept.len());
    assert_eq!(found(&open(&disk, ROOM), 0..3000, 1000), kept);
    assert!(found(&open(&disk, ROOM / 2), 0..3000, 1000).len() < kept.len(), "a smaller bound holds at once");
    assert!(held(&disk) <= ROOM / 2);
    let whole = bytes(1, ROOM as usize);
    near.put(&name(9999), &whole);
    assert_eq!(near.get(&name(9999)), None, "half of the room is the most for one");
}

#[test]
fn a_forgotten_entry_is_put_again_and_the_newer_one_counts() {
    let disk = sim();
    let near = open(&disk, ROOM);
    near.put(&name(1), b"wrong");
    near.forget(&name(1));
    assert_eq!(near.get(&name(1)), None);
    near.put(&name(1), &bytes(1, 10));
    drop(near);
    assert_eq!(found(&open(&disk, ROOM), 1..2, 10), [1]);
}

#[test]
fn another_era_begins_empty() {
    let disk = sim();
    fill(&open(&disk, ROOM), 0..10, 100);
    let near = Near::open(Arc::new(disk.clone()), ROOM, 2);
    assert_eq!(found(&near, 0..10, 100), [0_u32; 0]);
    assert_eq!(disk.paths(), [""; 0]);
}

#[test]
fn every_flipped_bit_and_every_torn_tail_costs_what_it_hits() {
    let disk = sim();
    fill(&open(&disk, ROOM), 0..5, 40);
    let path = disk.paths().remove(0);
    let whole = disk.content(&path).unwrap();
    for at in 0..whole.len() {
        let torn = sim();
        torn.put(&path, &whole[..at]);
        let left = found(&open(&torn, ROOM), 0..5, 40).len();
        assert_eq!(left, at.saturating_sub(16) / 72, "cut at {at}");
        let flipped = sim();
        flipped.put(&path, &whole);
        assert!(flipped.corrupt(&path, |bytes| bytes[at] ^= 1));
        let near = open(&flipped, ROOM);
        found(&near, 0..5, 40);
        fill(&near, 0..5, 40);
        assert_eq!(found(&near, 0..5, 40).len(), 5, "bit at {at}: what is lost is kept anew");
    }
    let zeros = sim();
    zeros.put(&path, &[whole.as_slice(), &[0; 5000]].concat());
    assert_eq!(found(&open(&zeros, ROOM), 0..5, 40).len(), 5, "a cut may leave zeros");
    let foreign = sim();
    foreign.put("00000009.seg", &[0xFF; 5000]);
    foreign.put("other.txt", b"not ours");
    assert_eq!(found(&open(&foreign, ROOM), 0..5, 40), [0_u32; 0]);
    assert_eq!(foreign.paths(), ["other.txt"]);
}

#[test]
fn a_cut_at_any_moment_leaves_what_is_right_or_nothing() {
    let disk = sim();
    let near = open(&disk, 16 * SEGMENT_MIN_BYTES);
    fill(&near, 0..30, 9000);
    let budget = ImageBudget { max_images: 12, seed: 1, tears: 2 };
    for at in 0..=disk.op_count() {
        for (label, image) in disk.crash_images(at, &budget) {
            let near = open(&image, 16 * SEGMENT_MIN_BYTES);
            found(&near, 0..30, 9000);
            fill(&near, 0..3, 9000);
            assert_eq!(found(&near, 0..3, 9000).len(), 3, "{at} {label:?}");
        }
    }
}

#[test]
fn every_call_that_fails_costs_entries_and_nothing_else() {
    for kind in [FaultKind::NoSpace, FaultKind::Io, FaultKind::IoDone, FaultKind::Gone] {
        let mut calls = 1;
        let mut number = 0;
        while number < calls {
            let disk = sim();
            fill(&open(&disk, 4 * SEGMENT_MIN_BYTES), 0..5, 9000);
            let before = disk.call_count();
            disk.fail_nth_call(before + number, kind);
            let near = open(&disk, 4 * SEGMENT_MIN_BYTES);
            fill(&near, 5..40, 9000);
            found(&near, 0..40, 9000);
            calls = disk.call_count() - before;
            number += 1;
        }
        assert!(calls > 20 || kind == FaultKind::Gone, "{kind:?}: {calls}");
    }
}

// D27
#[test]
fn a_full_or_read_only_disk_is_gone_on_without() {
    let disk = sim();
    disk.set_capacity_bytes(Some(30_000));
    let near = open(&disk, ROOM);
    fill(&near, 0..50, 1000);
    let kept = found(&near, 0..50, 1000).len();
    assert!((20..30).contains(&kept), "{kept}");
    let refusing = sim();
    refusing.set_read_only(true);
    let near = open(&refusing, ROOM);
    fill(&near, 0..50, 1000);
    assert_eq!(found(&near, 0..50, 1000), [0_u32; 0]);
}

#[test]
fn two_processes_do_each_other_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let process = || Near::open(Arc::new(OsDisk::open(dir.path()).unwrap()), 8 * SEGMENT_MIN_BYTES, 1);
    let (one, other) = (process(), process());
    std::thread::scope(|scope| {
        for (near, first) in [(&one, 0), (&other, 1000), (&one, 2000), (&other, 500)] {
            scope.spawn(move || {
                for number in first..first + 600 {
                    fill(near, number..number + 1, 2000);
                    found(near, first..number, 2000);
                }
            });
        }
    });
    let third = process();
    assert!(!found(&third, 0..2600, 2000).is_empty());
    assert!(third.len_bytes() <= 8 * SEGMENT_MIN_BYTES);
}
