//! What is timed is hashed and counted right.

use super::*;

#[test]
fn a_pack_says_the_first_digits_of_its_hash() {
    assert_eq!(name_digits(Path::new("/a/store/packs/25/F2809188.C86")), "25f2809188c86");
}

#[test]
fn the_median_is_the_one_in_the_middle() {
    let times = [5, 1, 100, 2, 3].map(Duration::from_secs);
    assert_eq!(median(times.to_vec()), Duration::from_secs(3));
}

#[test]
fn a_file_is_hashed_whole() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), b"whole").unwrap();
    assert_eq!(hash(&dir.path().join("file")).unwrap(), blake3::hash(b"whole").to_hex().to_string());
}
