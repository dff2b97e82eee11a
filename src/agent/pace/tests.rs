//! Spans, jitter and places.

use super::*;

const BACKOFF: Backoff = Backoff { first: Duration::from_secs(30), longest: Duration::from_secs(3600) };

#[test]
fn waits_double_up_to_the_longest_and_stay_in_their_upper_half() {
    let mut jitter = Jitter::new(7);
    for (failures, span_secs) in [(1, 30), (2, 60), (5, 480), (8, 3600), (40, 3600), (u32::MAX, 3600)] {
        for _ in 0..100 {
            let delay = BACKOFF.delay(failures, &mut jitter);
            let span = Duration::from_secs(span_secs);
            assert!(delay >= span / 2 && delay <= span, "{failures}: {delay:?}");
        }
    }
}

#[test]
fn one_seed_gives_one_stream_and_another_seed_another() {
    let waits = |seed| {
        let mut jitter = Jitter::new(seed);
        [1, 2, 3].map(|failures| BACKOFF.delay(failures, &mut jitter))
    };
    assert_eq!(waits(1), waits(1));
    assert_ne!(waits(1), waits(2));
}

#[test]
fn places_are_even_and_fixed() {
    let window = Duration::from_secs(8 * 3600);
    let mut hours = [0; 8];
    for number in 0..4000_u32 {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_le_bytes());
        let place = place_in(window, &ReplicaId(id));
        assert_eq!(place, place_in(window, &ReplicaId(id)));
        hours[usize::try_from(place.as_secs() / 3600).unwrap()] += 1;
    }
    assert!(hours.iter().all(|count| (400..600).contains(count)), "{hours:?}");
}
