//! Windows of time.

use super::*;
use crate::base::Timestamp;

/// Monday, 2026-01-05, at an hour and minute in UTC, some days on.
fn at(day: i64, hour: i64, minute: i64) -> Now {
    let secs = 1_767_571_200 + day * 86_400 + hour * 3600 + minute * 60;
    Now { monotonic: Duration::ZERO, wall: Timestamp(secs * 1_000_000_000), utc_offset_secs: 0, is_metered: false }
}

fn windows(list: &[&str]) -> Windows {
    Windows::new(list.iter().map(|text| text.parse().unwrap()).collect()).unwrap()
}

#[test]
fn no_window_is_always_open() {
    assert!(Windows::default().is_open(&at(0, 3, 0)));
    assert_eq!(Windows::default().until_change(&at(0, 3, 0)), None);
    assert_eq!(windows(&["00:00-24:00"]).until_change(&at(3, 3, 0)), None);
}

#[test]
fn a_window_over_midnight_belongs_to_the_day_on_which_it_begins() {
    let nights = windows(&["mon-fri 18:00-08:00"]);
    assert!(!nights.is_open(&at(0, 7, 59)), "Sunday's night is not listed");
    assert!(!nights.is_open(&at(0, 17, 59)));
    assert!(nights.is_open(&at(0, 18, 0)));
    assert!(nights.is_open(&at(1, 7, 59)));
    assert!(!nights.is_open(&at(1, 8, 0)));
    assert!(nights.is_open(&at(5, 7, 0)), "Friday's night");
    assert!(!nights.is_open(&at(5, 18, 0)));
    assert_eq!(nights.until_change(&at(0, 17, 0)), Some(Duration::from_secs(3600)));
    assert_eq!(nights.until_change(&at(5, 8, 0)), Some(Duration::from_secs((2 * 24 + 10) * 3600)));
}

#[test]
fn local_time_counts() {
    let noon = windows(&["12:00-13:00"]);
    let mut now = at(2, 10, 30);
    assert!(!noon.is_open(&now));
    now.utc_offset_secs = 2 * 3600;
    assert!(noon.is_open(&now));
    assert_eq!(noon.until_change(&now), Some(Duration::from_secs(1800)));
}

#[test]
fn days_are_lists_and_ranges_that_may_wrap() {
    let window: Window = "sat-mon,wed 06:30-07:00".parse().unwrap();
    assert_eq!(window.to_string(), "mon,wed,sat,sun 06:30-07:00");
    let list = Windows::new(vec![window]).unwrap();
    let open: Vec<_> = (0..7).filter(|day| list.is_open(&at(*day, 6, 45))).collect();
    assert_eq!(open, [0, 2, 5, 6]);
}

#[test]
fn what_is_no_window_is_refused() {
    for text in [
        "",
        "mon",
        "mon 8-9",
        "mon 08:00",
        "mon 25:00-26:00",
        "24:00-25:00",
        "fun 08:00-09:00",
        "08:60-09:00",
        "+8:00-09:00",
    ] {
        assert!(text.parse::<Window>().is_err(), "{text:?}");
    }
    let window: Window = "08:00-09:00".parse().unwrap();
    assert!(Windows::new(vec![window; 101]).is_err());
}
