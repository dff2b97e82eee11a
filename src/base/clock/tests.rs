//! Times as text.

use super::*;

#[test]
fn text_has_nine_decimals_and_reads_back() {
    let time = Timestamp(1_795_246_500_123_456_789);
    assert_eq!(time.to_string(), "2026-11-21T07:35:00.123456789Z");
    assert_eq!(time.to_string().parse(), Ok(time));
    assert_eq!("yesterday".parse::<Timestamp>(), Err(ParseTimeError));
    assert_eq!("9999-01-01T00:00:00Z".parse::<Timestamp>(), Err(ParseTimeError));
    for edge in [i64::MIN, i64::MAX, 0] {
        assert_eq!(Timestamp(edge).to_string().parse(), Ok(Timestamp(edge)));
    }
}

#[test]
fn now_is_never_before_a_signed_time() {
    let [past, now, future] = [1, 50, 90].map(|secs| Timestamp::default().plus_secs(secs));
    assert_eq!(no_earlier_than([], now), now);
    assert_eq!(no_earlier_than([past], now), now);
    assert_eq!(no_earlier_than([past, future], now), future);
    assert_eq!(no_earlier_than([future, past], Timestamp(0)), future);
    assert_eq!(no_earlier_than([Timestamp(i64::MIN)], Timestamp(i64::MAX)), Timestamp(i64::MAX));
}

#[test]
fn a_day_between_two_clocks_is_nothing() {
    let now = Timestamp::default().plus_secs(1_000_000);
    for (secs, ahead) in [(-5, None), (0, None), (86_400, None), (86_401, Some(86_401))] {
        assert_eq!(secs_ahead(now.plus_secs(secs), now), ahead, "{secs}");
    }
    // The ends of time do not overflow.
    assert!(secs_ahead(Timestamp(i64::MAX), Timestamp(i64::MIN)).is_some());
    assert_eq!(secs_ahead(Timestamp(i64::MIN), Timestamp(i64::MAX)), None);
}
