//! Spans are what a set of bytes would be.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn bytes(spans: &Spans) -> BTreeSet<u64> {
    spans.iter().flat_map(|(start, end)| start..end).collect()
}

proptest! {
    #[test]
    fn spans_are_sets_of_bytes(
        one in prop::collection::vec((0..60u64, 0..12u64), 0..12),
        other in prop::collection::vec((0..60u64, 0..12u64), 0..12),
    ) {
        let make = |stretches: &[(u64, u64)]| {
            let (mut spans, mut model) = (Spans::default(), BTreeSet::new());
            for &(start, len_bytes) in stretches {
                spans.add(start, start + len_bytes);
                model.extend(start..start + len_bytes);
            }
            (spans, model)
        };
        let ((one, first), (other, second)) = (make(&one), make(&other));
        prop_assert_eq!(bytes(&one), first.clone());
        prop_assert!(one.0.windows(2).all(|pair| pair[0].1 < pair[1].0));
        prop_assert_eq!(one.len_bytes(), first.len() as u64);
        prop_assert_eq!(one.is_empty(), first.is_empty());
        prop_assert_eq!(one.common_bytes(&other), first.intersection(&second).count() as u64);
        for offset in 0..80 {
            let place = first.iter().position(|byte| *byte == offset);
            prop_assert_eq!(one.place_of(offset), place.map(|place| place as u64));
        }
    }
}
