//! What is shown is bounded, and nothing in it drives a terminal or ends a line.

use super::*;

#[test]
fn what_is_shown_is_one_line_and_bounded() {
    let shown = |body: &str, priority| Message::new(&Person { title: "Key is full", body: body.to_owned() }, priority);
    let plain = shown("There is no room <on> the key & more.", Priority::Error);
    assert_eq!((plain.title, plain.is_urgent), ("Key is full", true));
    // A toast escapes it, and `notify-send` is handed it as it is.
    assert_eq!(plain.body, "There is no room <on> the key & more.");
    let hostile = shown("one\ntwo\0three\u{1b}[2Jfour\u{202e}five", Priority::Warning);
    assert!(!hostile.is_urgent);
    assert!(hostile.body.starts_with("one two") && !hostile.body.chars().any(char::is_control), "{hostile:?}");
    assert!(!hostile.body.contains('\u{202e}'), "{hostile:?}");
    let long = shown(&"\u{fc}".repeat(100_000), Priority::Notice);
    assert_eq!(long.body.chars().count(), BODY_MAX_CHARS);
}
