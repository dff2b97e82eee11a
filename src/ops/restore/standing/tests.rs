//! Times as file systems keep them.

use super::is_same_time;
use crate::disk::folder::FileTime;

#[test]
fn a_time_counts_as_the_same_where_the_file_system_keeps_no_more_of_it() {
    let time = |secs, nanos| FileTime { secs, nanos };
    let given = time(1_700_000_001, 123_456_789);
    for shown in [given, time(1_700_000_001, 123_456_700), time(1_700_000_001, 0), time(1_700_000_000, 0)] {
        assert!(is_same_time(given, shown), "{shown:?}");
    }
    let others = [(1_700_000_001, 123_456_788), (1_700_000_001, 123_456_800), (1_700_000_002, 0), (1_699_999_999, 0)];
    for (secs, nanos) in others {
        assert!(!is_same_time(given, time(secs, nanos)), "{secs} {nanos}");
    }
    assert!(!is_same_time(time(1_700_000_000, 5), time(1_699_999_998, 0)));
}
