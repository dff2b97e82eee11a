//! What a hostile text looks like.

use super::*;

const HOSTILE: &str = "a\x1b[2J\u{9b}31m\u{202e}b\n\\";

#[test]
fn nothing_that_drives_a_terminal_gets_through() {
    let thing = Shown::new("entry").with("path", HOSTILE).with("target", HOSTILE).but(HOSTILE);
    for json in [false, true] {
        let mut bytes = Vec::new();
        Screen::new(&mut bytes, json).show(&thing).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(!text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{text:?}");
        assert_eq!(text.lines().count(), if json { 1 } else { 3 });
    }
}

#[test]
fn json_says_exactly_what_stood_there() {
    let mut bytes = Vec::new();
    let mut screen = Screen::new(&mut bytes, true);
    screen.show(&Shown::new("entry").with("path", HOSTILE)).unwrap();
    screen.show(&Shown::new("entry").with_bytes(["path", "path_hex"], b"\xff").but("bad")).unwrap();
    assert_eq!(screen.wrong(), 1);
    let lines: Vec<Value> =
        bytes.split(|&b| b == b'\n').filter(|l| !l.is_empty()).map(|l| serde_json::from_slice(l).unwrap()).collect();
    assert_eq!(lines[0]["path"], HOSTILE);
    assert_eq!((&lines[1]["path_hex"], &lines[1]["wrong"]), (&json!("ff"), &json!(["bad"])));
}

#[test]
fn a_long_text_is_cut_for_people_alone() {
    let long = "x".repeat(60_000);
    let thing = Shown::new("snapshot").with("id", 1).with("message", long.clone());
    assert!(thing.to_text().len() < 3000);
    assert_eq!(thing.to_json()["message"], long);
}
