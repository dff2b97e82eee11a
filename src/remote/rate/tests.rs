//! Rates are limited, and a remote that falls behind is noticed.

use super::*;
use crate::base::Timestamp;
use crate::base::clock::FixedClock;

#[test]
fn a_limit_waits_for_what_exceeds_the_burst() {
    let clock = Arc::new(FixedClock::new(Timestamp(0)));
    clock.advance(Duration::from_secs(100));
    let limit = RateLimit::new(1000, Arc::clone(&clock) as Arc<dyn Clock>);
    limit.passed(1000);
    assert_eq!(clock.monotonic(), Duration::from_secs(100), "the burst is free");
    for _ in 0..10 {
        limit.passed(500);
    }
    assert_eq!(clock.monotonic(), Duration::from_secs(105));
}

#[test]
fn a_crawl_is_seen_after_one_window() {
    let mut meter = Meter::new(1024, Duration::from_secs(30));
    for _ in 0..29 {
        assert!(meter.keeps_up(1000, Duration::from_secs(1)));
    }
    assert!(!meter.keeps_up(1000, Duration::from_secs(1)));
}

#[test]
fn a_good_rate_and_no_rate_at_all_pass() {
    let mut meter = Meter::new(1024, Duration::from_secs(30));
    let mut unasked = Meter::new(0, Duration::from_secs(30));
    for _ in 0..300 {
        assert!(meter.keeps_up(1024, Duration::from_secs(1)));
        assert!(unasked.keeps_up(0, Duration::from_secs(9)));
    }
}
