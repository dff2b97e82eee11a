//! Quantities as people type them, right and wrong.

use super::*;

#[test]
fn sizes_take_binary_units() {
    for (text, bytes) in
        [("0", 0), ("512", 512), ("1K", 1024), ("1.5m", 1_572_864), ("2 GiB", 2 << 30), ("1MB/s", 1 << 20)]
    {
        assert_eq!(parse_size("--limit-rate", text).unwrap(), bytes, "{text}");
    }
    for text in ["", "K", "1X", "-1", "1..2", "99999999999T", "NaN", "1 2"] {
        let error = parse_size("--limit-rate", text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{text}");
        assert!(error.to_string().starts_with("--limit-rate takes"), "{error}");
    }
}

#[test]
fn spans_of_time_are_bounded() {
    for (text, millis) in [("30", 30_000), ("30s", 30_000), ("2m", 120_000), ("500ms", 500), ("1h", 3_600_000)] {
        assert_eq!(parse_duration("--timeout", text).unwrap(), Duration::from_millis(millis), "{text}");
    }
    for text in ["", "0", "0s", "25h", "s", "1y", "1e9", "-3s"] {
        assert!(parse_duration("--timeout", text).is_err(), "{text}");
    }
}

#[test]
fn shares_are_more_than_none_and_at_most_all() {
    for (text, percent) in [("5%", 5.0), ("100 %", 100.0), ("0.5", 0.5), ("33.3%", 33.3)] {
        assert_eq!(parse_percent("--sample", text).unwrap(), percent, "{text}");
    }
    for text in ["", "%", "0%", "0", "100.1%", "-5%", "NaN", "1e1", "5 %x", "inf"] {
        let error = parse_percent("--sample", text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{text}");
    }
}

#[test]
fn counts_and_hashes() {
    assert_eq!(parse_count("--connections", "4", 1..=32).unwrap(), 4);
    assert!(parse_count("--connections", "0", 1..=32).is_err());
    assert!(parse_count("--connections", "33", 1..=32).is_err());
    let hash = "AB:".repeat(31) + "AB";
    assert_eq!(parse_sha256("--tls-pin", &hash).unwrap(), [0xab; 32]);
    assert_eq!(parse_sha256("--tls-pin", &format!("sha256:{}", "00".repeat(32))).unwrap(), [0; 32]);
    assert!(parse_sha256("--tls-pin", "abcd").is_err());
}

#[test]
fn snapshots_to_keep_are_counted_from_1_or_are_all() {
    assert_eq!(parse_keep("--keep-last", "7").unwrap(), Count::AtMost(7.try_into().unwrap()));
    for text in ["unlimited", "-1"] {
        assert_eq!(parse_keep("--keep-last", text).unwrap(), Count::Unlimited, "{text}");
    }
    for text in ["", "0", "-2", "1.5", "all", "5x", "4294967296"] {
        let error = parse_keep("--keep-last", text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{text}");
        assert!(error.to_string().starts_with("--keep-last takes a number of snapshots from 1"), "{error}");
    }
}
