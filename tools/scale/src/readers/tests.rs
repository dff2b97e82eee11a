//! Each bound is one that can break.

use super::*;

fn outcome(add_secs: f64, revoked: Week) -> Outcome {
    let plain = Week { fetched_bytes: 100_000, packs: 2, key_files: 0 };
    Outcome { readers: 400, add_secs, revoke_secs: 0.5, plain, revoked }
}

#[test]
fn a_week_holds_by_time_bytes_and_key_files() {
    let good = Week { fetched_bytes: 101_000, packs: 2, key_files: 1 };
    assert!(outcome(1.0, good).holds());
    assert!(!outcome(1.1, good).holds(), "adding took too long");
    assert!(!outcome(0.3, Week { fetched_bytes: 101_001, ..good }).holds(), "too much was moved");
    assert!(!outcome(0.3, Week { key_files: 2, ..good }).holds(), "somebody else's key file came along");
    assert!(!outcome(0.3, Week { key_files: 0, ..good }).holds(), "the holder cannot read on");
}
