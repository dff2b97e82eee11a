//! Which numbers a step gives.

use super::*;
use crate::base::random::SeededRandom;

// Nor does whoever takes nearly all of them leave none.
#[test]
fn numbers_that_are_taken_are_not_given_again() {
    let random = SeededRandom::new(1);
    let keys = WriterKeys::generate(StoreId([7; 16]), &random);
    let step = |epoch, dedup| {
        let taken = Taken { epoch: Epoch(epoch), dedup: DedupGeneration(dedup) };
        let next = keys.step(Step::Next, Step::Next, taken, &random).unwrap();
        (next.reader.epoch().0, next.dedup_generation().0)
    };
    assert_eq!([step(0, 0), step(1, 1), step(5, 9)], [(2, 2), (2, 2), (6, 10)]);
    assert_eq!([step(u32::MAX, 9), step(5, u32::MAX)], [(2, 10), (6, 2)]);
}
