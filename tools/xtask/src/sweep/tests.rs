//! That lines are read as tests print them, and summed by story and medium.

use super::*;

#[test]
fn lines_are_summed_by_story_and_medium() {
    let mut sum = Sum::default();
    for line in [
        "running 4 tests",
        "sweep | commit::in_a_row::ext4                   | Ext4   |    141 operations |    115 images",
        "test commit::in_a_row::ext4 ... sweep | commit::in_a_row::fat32 | Fat32 | 141 operations | 20 images",
        "sweep | init::ext4 | Ext4 | 306 operations | 7 images",
        "sweep | restore::onto_a_key | key | 38 operations | 5 images",
        "test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 31.32s",
    ] {
        sum.add(line);
    }
    let images = [("commit::in_a_row", [115, 0, 0, 20, 0]), ("init", [7, 0, 0, 0, 0])];
    let images = images.into_iter().chain([("restore::onto_a_key", [0, 0, 0, 0, 5])]);
    let images = images.map(|(story, counts)| (story.to_owned(), counts)).collect();
    assert_eq!(sum, Sum { images, passed: 3, failed: 1 });
    assert_eq!(sum.total(), 147);
    assert!(sum.table().contains("147 distinct images"));
}

#[test]
fn lines_that_are_no_sums_are_passed_over() {
    let mut sum = Sum::default();
    for line in ["sweep | ", "sweep | a | b", "sweep | a | b | many images", "replay: CHUNKSTORE_REPLAY=1/2/3/4/5"] {
        sum.add(line);
    }
    assert_eq!(sum, Sum::default());
}
