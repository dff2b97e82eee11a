//! Each state against one that is built from the beginning, by hand.

use std::collections::BTreeSet;

use super::*;
use crate::recording::{Header, mark_sector};

const SECTORS: u64 = 64;

fn write(sector: u64, sectors: usize, fill: u8, fua: bool) -> Entry {
    Entry::Write { sector, data: vec![fill; sectors * SECTOR_BYTES], fua }
}

/// Two stretches of writes, a mark within the second, a write with FUA, a discard.
fn sample() -> Recording {
    let entries = vec![
        write(0, 2, 1, false),
        write(1, 3, 2, false),
        Entry::Flush,
        write(4, 4, 3, false),
        write(9, 1, 4, true),
        write(SECTORS, 1, 0, false),
        Entry::Discard { sector: 0, sectors: 2 },
        write(12, 1, 5, false),
        Entry::Flush,
        write(20, 1, 6, false),
    ];
    let mut log = BlockLog { entries };
    log.entries[5] = Entry::Write { sector: SECTORS, data: mark_sector(1, "init", 1), fua: false };
    let device_bytes = (SECTORS + 8) * SECTOR_BYTES as u64;
    let header = Header {
        medium: "none".into(),
        mount: String::new(),
        kernel: String::new(),
        recorded: String::new(),
        story: String::new(),
        device_bytes,
        volume_bytes: SECTORS * SECTOR_BYTES as u64,
        store: String::new(),
        steps: vec![],
        keys: std::collections::BTreeMap::new(),
    };
    let mut base = Image::new(device_bytes);
    base.write_at(0, &[9; 1024]);
    Recording::new(header, base, log).unwrap()
}

/// The first byte of each sector.
fn seen(image: &Arc<Image>) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(image.len_bytes()).unwrap()];
    image.read_at(0, &mut bytes);
    bytes.chunks(SECTOR_BYTES).map(|sector| sector[0]).collect()
}

fn show(id: &StateId) -> Vec<u8> {
    Player::new(&sample()).show(id, seen).unwrap()
}

fn choice(torn: Torn, subsets: u32, window: u32) -> Choice {
    Choice { torn, torn_unit: 1, subsets, seed: 5, window }
}

#[test]
fn a_name_is_read_as_it_is_shown_and_nothing_else_is() {
    let recording = sample();
    for window in [0, 2] {
        for id in states(&recording, choice(Torn::All, 9, window)) {
            assert_eq!(id.to_string().parse::<StateId>().unwrap(), id);
        }
    }
    for text in ["", "prefix", "prefix:-1", "prefix:1:2", "torn:1", "subset:1:4294967296", "other:1", "lying:1:2"] {
        assert!(text.parse::<StateId>().is_err(), "{text}");
    }
}

#[test]
fn prefixes_and_torn_writes_are_what_their_names_say() {
    assert_eq!(show(&StateId::Prefix { count: 0 })[..6], [9, 9, 0, 0, 0, 0]);
    assert_eq!(show(&StateId::Prefix { count: 2 })[..6], [1, 2, 2, 2, 0, 0]);
    assert_eq!(show(&StateId::Torn { at: 1, sectors: 2 })[..6], [1, 2, 2, 0, 0, 0]);
    assert_eq!(show(&StateId::Torn { at: 6, sectors: 1 })[..10], [0, 2, 2, 2, 3, 3, 3, 3, 0, 4]);
    let all = show(&StateId::Prefix { count: 10 });
    assert_eq!(all[..13], [0, 0, 2, 2, 3, 3, 3, 3, 0, 4, 0, 0, 5]);
    assert_eq!((all[20], all[usize::try_from(SECTORS).unwrap()]), (6, 0), "a mark is on the device");
    assert!(Player::new(&sample()).show(&StateId::Prefix { count: 11 }, seen).is_err());
}

#[test]
fn a_subset_keeps_what_was_flushed_and_what_was_written_with_fua() {
    let mut met = BTreeSet::new();
    for seed in 0..200 {
        let state = show(&StateId::Subset { at: 7, seed });
        assert_eq!((&state[2..4], state[9]), (&[2, 2][..], 4), "seed {seed}");
        assert!(matches!(state[0..2], [1, 2] | [0, 0]), "seed {seed}");
        met.insert((state[0], state[4], state[12]));
        assert_eq!(show(&StateId::Subset { at: 1, seed })[4..].iter().max(), Some(&0), "seed {seed}");
    }
    assert_eq!(met.len(), 8, "not every subset was met");
    let durable = (0..200).all(|seed| show(&StateId::Subset { at: 4, seed })[9] == 4);
    assert!(!durable, "a write with FUA that has not returned may be lost");
}

#[test]
fn a_medium_that_lies_loses_what_was_flushed_within_its_window() {
    let lost = |window| {
        let states = (0..100).map(|seed| show(&StateId::Lying { at: 9, window, seed }));
        let states: Vec<_> = states.collect();
        (states.iter().any(|state| state[9] == 0), states.iter().any(|state| state[2] == 0))
    };
    assert_eq!((lost(0), lost(1), lost(2), lost(9)), ((false, false), (true, false), (true, true), (true, true)));
}

#[test]
fn every_state_alone_is_the_one_that_was_met_on_the_way() {
    let recording = sample();
    for window in [0, 1] {
        let states = states(&recording, choice(Torn::All, 30, window));
        let mut player = Player::new(&recording);
        for id in &states {
            assert_eq!(player.show(id, seen).unwrap(), show(id), "{id}");
        }
        for id in states.iter().rev() {
            assert_eq!(player.show(id, seen).unwrap(), show(id), "{id}, backwards");
        }
    }
}

#[test]
fn the_lists_are_as_long_as_asked_for() {
    let recording = sample();
    let count = |torn, kind: &str| states(&recording, choice(torn, 4, 0)).iter().filter(|id| id.kind() == kind).count();
    // Seven requests and a mark change something; one write has two sectors, one three, one four, the discard two.
    assert_eq!((count(Torn::None, "prefix"), count(Torn::None, "torn"), count(Torn::All, "torn")), (9, 0, 7));
    assert!((4..=7).contains(&count(Torn::Few, "torn")));
    assert_eq!(states(&recording, choice(Torn::Few, 4, 0)), states(&recording, choice(Torn::Few, 4, 0)));
    let many = states(&recording, choice(Torn::None, 1000, 0));
    let tenth = many.iter().filter(|id| id.is_every(10)).count();
    assert!((many.len() / 20..many.len() / 5).contains(&tenth), "{tenth} of {}", many.len());
}

#[test]
fn drawn_states_are_as_many_as_asked_for_and_the_wanted_ones_come_first() {
    let states = states(&sample(), choice(Torn::All, 20, 0));
    let wanted = [states[3], states[9]];
    let drawn = draw_states(&states, &wanted, 6, 1);
    assert_eq!(drawn, draw_states(&states, &wanted, 6, 1));
    assert!(drawn.len() == 6 && wanted.iter().all(|id| drawn.contains(id)), "{drawn:?}");
    let places: Vec<_> = drawn.iter().map(|id| states.iter().position(|other| other == id)).collect();
    assert!(places.is_sorted(), "{places:?}");
    assert_ne!(drawn, draw_states(&states, &wanted, 6, 2));
    assert!(wanted.contains(&draw_states(&states, &wanted, 1, 1)[0]));
    assert_eq!(draw_states(&states, &[], states.len() + 9, 1), states);
}
