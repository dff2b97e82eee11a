//! Places in snapshots as people write them.

use super::*;

#[test]
fn snapshot_and_path_are_told_apart() {
    let parse = |text: &str| Spot::parse(text.as_bytes()).map(|spot| (spot.snapshot, spot.path.as_bytes().to_vec()));
    let spot = |snapshot: &str, path: &str| (snapshot.to_owned(), path.as_bytes().to_vec());
    assert_eq!(parse("/").unwrap(), spot("HEAD", ""));
    assert_eq!(parse("/a:b").unwrap(), spot("HEAD", "a:b"));
    assert_eq!(parse("a/b").unwrap(), spot("HEAD", "a/b"));
    assert_eq!(parse("HEAD~1:/a").unwrap(), spot("HEAD~1", "a"));
    assert_eq!(parse("@2026-11-21T07:35:00Z:/a:b").unwrap(), spot("@2026-11-21T07:35:00Z", "a:b"));
    assert_eq!(parse("deadbeef:").unwrap(), spot("deadbeef", ""));
    for bad in [":/a", "/../a", "HEAD:/a/../b"] {
        assert_eq!(parse(bad).unwrap_err().kind(), ErrorKind::Usage, "{bad}");
    }
}
