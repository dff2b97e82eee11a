//! Text that stays text, and how things are written for people.

use super::*;

#[test]
fn a_name_never_is_more_than_text() {
    let hostile = "</title><script>alert(1)</script>\" onerror='x' &amp; {{nav}}";
    let shown = name(hostile.as_bytes());
    assert!(!shown.contains("<script") && !shown.contains('"') && !shown.contains('\''), "{shown}");
    assert_eq!(name("a\n\u{202e}b\\".as_bytes()), "<bdi>a\\x0a\\xe2\\x80\\xaeb\\\\</bdi>");
    assert_eq!(name(b"\xff"), "<bdi>\\xff</bdi>");
    let page = Page { nav: "NAV {{title}}".to_owned(), ..Page::new(hostile) };
    let (before, after) = page.around();
    assert!(before.contains("<title>&lt;/title&gt;&lt;script&gt;"), "{before}");
    assert!(before.contains("&amp;amp; {{nav}}") && before.contains("NAV {{title}}"), "filled once: {before}");
    assert!(after.contains("</html>"), "{after}");
}

#[test]
fn times_and_numbers_are_written_for_people() {
    assert_eq!(time(0), "<time datetime=\"1970-01-01T00:00:00.000000000Z\">1970-01-01 00:00</time>");
    assert_eq!(time(i64::MAX), "—");
    assert_eq!((count(0), count(999), count(1_234_567)), ("0".into(), "999".into(), "1\u{2009}234\u{2009}567".into()));
    assert_eq!((several(1, "file", "files"), several(0, "file", "files")), ("1 file".into(), "0 files".into()));
}
