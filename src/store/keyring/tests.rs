//! Which numbers a step gives.

use super::*;
use crate::base::random::SeededRandom;

fn keys() -> WriterKeys {
    WriterKeys::generate(StoreId([7; 16]), &SeededRandom::new(1))
}

#[test]
fn an_epoch_follows_the_newest_and_one_that_was_passed() {
    let step = |epoch, dedup, above| {
        let next = keys().step(epoch, dedup, Epoch(above), &SeededRandom::new(2)).unwrap();
        (next.reader.epoch().0, next.dedup_generation().0)
    };
    assert_eq!([step(Step::Next, Step::Keep, 0), step(Step::Next, Step::Keep, 5)], [(2, 1), (6, 1)]);
    assert_eq!([step(Step::Cut, Step::Cut, 1), step(Step::Cut, Step::Cut, 9)], [(2, 2), (10, 2)]);
    assert!(keys().step(Step::Next, Step::Keep, Epoch(u32::MAX), &SeededRandom::new(2)).is_none());
}

// Whoever stole a writer's key begins epochs that the publisher never sees.
#[test]
fn where_a_writer_goes_nobody_can_tell_the_next_epoch() {
    let epoch = |seed, above| {
        let next = keys().step(Step::Next, Step::Next, Epoch(above), &SeededRandom::new(seed)).unwrap();
        assert_eq!(next.dedup_generation(), DedupGeneration(2));
        next.reader.epoch().0
    };
    let mut epochs: Vec<u32> = (0..100).map(|seed| epoch(seed, 5)).collect();
    assert!(epochs.iter().all(|epoch| (6..6 + 65_536).contains(epoch)), "{epochs:?}");
    assert!(epochs.iter().any(|epoch| *epoch > 32_768), "{epochs:?}");
    epochs.sort_unstable();
    epochs.dedup();
    assert!(epochs.len() > 90, "{epochs:?}");
    assert_eq!(epoch(1, u32::MAX - 1), u32::MAX, "there is no room to leap");
}
