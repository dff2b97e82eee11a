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
