//! Numbers that nobody shares, that come back, and that are forgotten.

use super::*;

/// An identity of a chosen number, told apart by the rest.
fn identity(number: u64, rest: u8) -> Identity {
    let mut bytes = [rest; 16];
    bytes[..8].copy_from_slice(&(number << 1).to_le_bytes());
    Identity(bytes)
}

fn refer(inodes: &mut Inodes, identity: Identity) -> Option<u64> {
    inodes.refer(identity, |_| Thing::Top)
}

#[test]
fn things_of_one_number_get_numbers_of_their_own_and_keep_them() {
    let mut inodes = Inodes::default();
    let numbers: Vec<_> = (0..8).map(|rest| refer(&mut inodes, identity(100, rest)).unwrap()).collect();
    assert_eq!(numbers, [100, 101, 102, 103, 104, 105, 106, 107]);
    assert_eq!(refer(&mut inodes, identity(100, 9)), None, "beyond that there is no room");
    inodes.forget(102, 1);
    assert_eq!(refer(&mut inodes, identity(100, 5)), Some(105), "a thing stays what it is when one before it goes");
    assert_eq!(refer(&mut inodes, identity(100, 9)), Some(102));
}

#[test]
fn numbers_are_of_63_bits_and_never_those_of_the_view() {
    let mut inodes = Inodes::default();
    for (own, expected) in [(0, 16), (7, 17), (i64::MAX as u64, 18)] {
        let number = refer(&mut inodes, identity(own, 1)).unwrap();
        assert_eq!(number, expected, "{own}");
    }
    assert_eq!(refer(&mut inodes, Identity([255; 16])), Some(19));
    assert!(inodes.known.keys().all(|number| (FIRST..=i64::MAX as u64).contains(number)));
}

#[test]
fn a_thing_is_forgotten_with_its_last_reference_and_a_pinned_one_never() {
    let mut inodes = Inodes::default();
    inodes.pin_as(1, Thing::Top);
    inodes.pin_as(2, Thing::ById);
    let number = refer(&mut inodes, identity(70, 1)).unwrap();
    assert_eq!(refer(&mut inodes, identity(70, 1)), Some(number));
    inodes.forget(number, 1);
    assert!(inodes.thing(number).is_some());
    inodes.forget(number, 1);
    assert!(inodes.thing(number).is_none());
    for fixed in [1, 2] {
        inodes.forget(fixed, u64::MAX);
        assert!(inodes.thing(fixed).is_some());
    }
    inodes.forget(4711, 1);
    assert_eq!(inodes.len(), 2);
}

#[test]
fn no_more_is_known_than_there_is_room_for() {
    let mut inodes = Inodes { known_max: 3, ..Inodes::default() };
    let numbers: Vec<_> = (0..3).map(|at| refer(&mut inodes, identity(100 * (at + 1), 1)).unwrap()).collect();
    assert_eq!(refer(&mut inodes, identity(1000, 1)), None);
    assert!(refer(&mut inodes, identity(100, 1)).is_some(), "what is known already is handed out");
    inodes.forget(numbers[1], 1);
    assert!(refer(&mut inodes, identity(1000, 1)).is_some());
}
