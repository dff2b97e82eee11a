//! What is counted adds up.

use super::*;

#[test]
fn the_share_counts_what_is_fetched_and_the_recipes() {
    let half = Repacked { made_bytes: 1000, fetched_bytes: 40, recipe_bytes: 10, ..Repacked::default() };
    let tally = Tally { data: half, meta: half, ..Tally::default() };
    assert!((tally.percent() - 5.0).abs() < 1e-9);
}
