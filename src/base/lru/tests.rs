//! What stays, what goes, and that the count of bytes is right whatever happens.

use proptest::prelude::*;

use super::*;

const ROOM: usize = 3 * (ENTRY_BYTES + 10);

#[test]
fn what_was_asked_for_longest_ago_goes_first() {
    let mut lru = Lru::new(ROOM);
    for key in 1..=3 {
        assert!(lru.add(key, key, 10).is_empty());
    }
    assert_eq!(lru.get(&1), Some(1));
    assert_eq!(lru.add(4, 4, 10), [2]);
    assert_eq!((lru.get(&1), lru.get(&2), lru.get(&3), lru.get(&4)), (Some(1), None, Some(3), Some(4)));
    assert_eq!(lru.len_bytes(), ROOM);
}

#[test]
fn what_is_longer_than_the_bound_is_not_held_and_costs_nothing_else() {
    let mut lru = Lru::new(ROOM);
    assert!(lru.add(1, "short", 10).is_empty());
    assert_eq!(lru.add(2, "long", ROOM - ENTRY_BYTES + 1), ["long"]);
    assert_eq!((lru.get(&1), lru.get(&2)), (Some("short"), None));
    assert_eq!(lru.add(3, "all of it", ROOM - ENTRY_BYTES), ["short"]);
    assert_eq!(lru.add(4, "endless", usize::MAX), ["endless"]);
}

#[test]
fn another_value_takes_the_place_of_the_first_and_a_bound_of_nothing_holds_nothing() {
    let mut lru = Lru::new(ROOM);
    assert!(lru.add(1, "old", 10).is_empty());
    assert_eq!(lru.add(1, "new", 20), ["old"]);
    assert_eq!((lru.get(&1), lru.len_bytes()), (Some("new"), ENTRY_BYTES + 20));
    assert_eq!(lru.bound(0), ["new"]);
    assert_eq!(lru.add(2, "none", 0), ["none"]);
    assert_eq!((lru.get(&1), lru.len_bytes()), (None, 0));
}

proptest! {
    #[test]
    fn the_bound_holds_and_every_byte_is_counted(acts in prop::collection::vec((0u8..12, 0usize..300, any::<bool>()), 0..200)) {
        let mut lru = Lru::new(1000);
        // The lengths of what is held, as what goes tells.
        let mut expected: Vec<(u8, usize)> = Vec::new();
        for (key, len, asks) in acts {
            if asks {
                let held = expected.iter().any(|(held, _)| *held == key);
                prop_assert_eq!(lru.get(&key).is_some(), held);
                continue;
            }
            expected.retain(|(held, _)| *held != key);
            expected.push((key, len));
            for (gone, gone_len) in lru.add(key, (key, len), len) {
                expected.retain(|one| *one != (gone, gone_len));
            }
            if lru.get(&key).is_some() && !expected.contains(&(key, len)) {
                // The same value took its own place.
                expected.push((key, len));
            }
            prop_assert!(lru.len_bytes() <= 1000);
            prop_assert_eq!(lru.len_bytes(), expected.iter().map(|(_, len)| len + ENTRY_BYTES).sum::<usize>());
        }
    }
}
