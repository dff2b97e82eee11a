//! Ranges, versions, names and times of downloads.

use super::*;

fn range(value: &str, len_bytes: u64) -> Wanted {
    let headers = [(header::RANGE, value.parse().unwrap())].into_iter().collect();
    wanted(&headers, "\"1\"", len_bytes)
}

#[test]
fn ranges_are_those_of_http() {
    assert_eq!(wanted(&HeaderMap::new(), "\"1\"", 10), Wanted::All);
    assert_eq!(range("bytes=0-0", 10), Wanted::Range(0, 1));
    assert_eq!(range("bytes=2-5", 10), Wanted::Range(2, 4));
    assert_eq!(range("bytes=2-500", 10), Wanted::Range(2, 8));
    assert_eq!(range("bytes=9-", 10), Wanted::Range(9, 1));
    assert_eq!(range("bytes=-3", 10), Wanted::Range(7, 3));
    assert_eq!(range("bytes=-30", 10), Wanted::Range(0, 10));
    assert_eq!(range("bytes=2-99999999999999999999999", 10), Wanted::Range(2, 8));
    for beyond in ["bytes=10-", "bytes=10-11", "bytes=-0", "bytes=99999999999999999999999-"] {
        assert_eq!(range(beyond, 10), Wanted::Beyond, "{beyond}");
    }
    assert_eq!((range("bytes=0-", 0), range("bytes=-1", 0)), (Wanted::Beyond, Wanted::Beyond));
    for none in ["bytes=", "bytes=-", "bytes=5-2", "bytes=a-b", "bytes=0-1,3-4", "lines=0-1", "bytes=+1-2", "bytes= 1"]
    {
        assert_eq!(range(none, 10), Wanted::All, "{none}");
    }
}

#[test]
fn a_range_of_another_version_is_answered_with_the_whole() {
    let given = |version: &str| {
        let lines = [(header::RANGE, "bytes=1-2"), (header::IF_RANGE, version)];
        wanted(&lines.map(|(name, value)| (name, value.parse().unwrap())).into_iter().collect(), "\"1\"", 10)
    };
    assert_eq!(given("\"1\""), Wanted::Range(1, 2));
    assert_eq!(given("\"2\""), Wanted::All);
    assert_eq!(given("W/\"1\""), Wanted::All);
}

#[test]
fn names_are_good_in_a_header() {
    assert_eq!(named("attachment", b"a b.txt"), "attachment; filename=\"a b.txt\"; filename*=UTF-8''a%20b.txt");
    assert_eq!(named("inline", "ä.txt".as_bytes()), "inline; filename=\"_.txt\"; filename*=UTF-8''%C3%A4.txt");
    assert_eq!(
        named("attachment", "a\"\r\nX: y\u{202e}gpj.exe\\%41\u{7f}".as_bytes()),
        "attachment; filename=\"a___X: y_gpj.exe__41_\"; filename*=UTF-8''a%22__X%3A%20y_gpj.exe_%2541_"
    );
    assert_eq!(named("attachment", b"\xff"), "attachment; filename=\"_\"; filename*=UTF-8''_");
}

#[test]
fn times_are_those_of_http() {
    assert_eq!(http_date(784_111_777).unwrap(), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!((http_date(i64::MAX), http_date(-1)), (None, None));
}
