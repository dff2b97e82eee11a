//! The shared line, and weeks that are short enough for a test.

use super::*;

fn play(keys: usize, sessions: usize, spread: Spread) -> Week {
    let link = Link::new(2_500_000, 1_000_000, sessions);
    World::new(keys, 10_000_000, link, spread, Duration::from_secs(8 * 3600), 7).play()
}

#[test]
fn sessions_share_a_line_evenly_up_to_their_own() {
    let mut link = Link::new(100, 60, 3);
    assert!(link.log_in() && link.log_in() && link.log_in() && !link.log_in());
    link.begin(1, 120.0);
    assert_eq!(link.next_end(), Some(2.0));
    link.advance(1.0);
    // Two share 100: 50 each, so the first one's last 60 bytes take 1.2 s.
    let begun = link.begin(2, 1000.0);
    assert_eq!(link.next_end(), Some(2.2));
    link.advance(2.2);
    assert_eq!(link.end_next(), Some(1));
    link.advance(3.2);
    assert_eq!(link.cut(2, begun).round(), 120.0);
    assert_eq!(link.next_end(), None);
    assert_eq!(link.sent_bytes.round(), 240.0);
    link.log_out();
    assert!(link.sessions() == 2 && link.log_in());
}

#[test]
fn every_key_has_the_release_in_the_end_and_gets_its_bytes_once() {
    for spread in Spread::ALL {
        let week = play(500, 20, spread);
        assert_eq!((week.current, week.starved), (500, 0), "{spread:?}");
        assert_eq!((week.bytes as f64 / 1e6).round(), 5000.0, "{spread:?}");
        assert!(week.curve.sessions.iter().all(|count| *count <= 20) && week.curve.sessions.len() == 7 * 24 * 60);
        let by_minute = week.curve.bytes.iter().sum::<u64>();
        assert!(week.bytes.abs_diff(by_minute) <= week.curve.bytes.len() as u64, "{by_minute} and {}", week.bytes);
        assert!(week.hours_until(0.5).unwrap() <= week.hours_until(0.99).unwrap());
    }
}

#[test]
fn spreading_turns_fewer_away() {
    let (once, spread) = (play(2000, 5, Spread::None), play(2000, 5, Spread::Configured));
    assert!(once.turned_away > 4 * spread.turned_away, "{} and {}", once.turned_away, spread.turned_away);
    assert!(play(2000, 5, Spread::Asked).turned_away < once.turned_away);
}

#[test]
fn the_same_seed_plays_the_same_week() {
    let (one, two) = (play(200, 3, Spread::None), play(200, 3, Spread::None));
    assert_eq!((one.asked, one.turned_away, one.curve.current), (two.asked, two.turned_away, two.curve.current));
}

#[test]
fn the_picture_has_a_line_for_each_week_in_each_strip() {
    let week = play(50, 3, Spread::None);
    let drawn = picture(&[("one", &week.curve), ("two", &week.curve)], 50);
    assert_eq!(drawn.matches("<polyline").count(), 8);
    assert!(drawn.starts_with("<svg ") && drawn.ends_with("</svg>\n") && !drawn.contains("NaN"));
}
