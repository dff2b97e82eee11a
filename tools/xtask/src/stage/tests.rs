//! Flags and fields are read strictly.

use super::*;

#[test]
fn flags_are_numbers_under_known_names() {
    let flags = [("files", 10), ("huge-gb", 100)];
    assert_eq!(read_flags(&[], flags), Some([10, 100]));
    assert_eq!(read_flags(&["--huge-gb", "3"], flags), Some([10, 3]));
    for wrong in [&["--files"][..], &["--files", "many"], &["--dirs", "3"], &["files", "3"]] {
        assert_eq!(read_flags(wrong, flags), None, "{wrong:?}");
    }
}

#[test]
fn a_field_is_found_with_and_without_space() {
    assert_eq!(text_field(r#"{"a": 1, "url": "ftp://x/"}"#, "url").as_deref(), Some("ftp://x/"));
    assert_eq!(text_field(r#"{"url":"y"}"#, "url").as_deref(), Some("y"));
    assert_eq!(text_field(r#"{"url": 3}"#, "url"), None);
}
