//! Rows say when a bound is broken.

use super::*;

fn row(secs: &[u64], mib: u64) -> Row {
    Row {
        what: "gc".to_owned(),
        walls: secs.iter().copied().map(Duration::from_secs).collect(),
        anon_bytes: mib << 20,
        bound: Bound { secs: Some(60.0), mib: Some(256) },
        ..Row::default()
    }
}

#[test]
fn the_median_counts_and_the_highest_memory() {
    assert!(row(&[1, 2, 100], 256).holds());
    assert!(!row(&[1, 61, 100], 256).holds());
    assert!(!row(&[1], 257).holds());
    assert!(table(&[row(&[61], 1)]).contains("gc BROKEN | 61.00"));
    assert_eq!(document(&[row(&[1, 2, 100], 3)])[0]["median_secs"], 2.0);
}
