//! Files that change, grow, vanish or fail while they are read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{ReadOutcome, ReadSink, StableReader};
use crate::base::clock::FixedClock;
use crate::base::{RelPath, Timestamp};
use crate::disk::DiskErrorKind;
use crate::disk::folder::{Folder, Stat};
use crate::disk::sim_folder::{SimFault, SimFolder, SimRules};

fn path(text: &str) -> RelPath {
    RelPath::new(text.as_bytes()).unwrap()
}

/// A clock long after every time of the simulated folder.
fn later() -> FixedClock {
    FixedClock::new(Timestamp(2_000_000_000_000_000_000))
}

fn folder_with(bytes: &[u8]) -> (SimFolder, Stat) {
    let folder = SimFolder::default();
    folder.put_file(&path("f"), bytes);
    let stat = folder.stat(&path("f")).unwrap().unwrap();
    (folder, stat)
}

fn read(folder: &SimFolder, clock: &FixedClock, expected: &Stat) -> (ReadOutcome, Vec<u8>) {
    let mut bytes = b"left from the file before".to_vec();
    let outcome = StableReader::new(folder, clock).read_small(&path("f"), expected, 1 << 20, &mut bytes);
    (outcome.unwrap(), bytes)
}

#[test]
fn a_quiet_file_costs_one_open_and_one_question() {
    let (folder, stat) = folder_with(b"quiet");
    let before = folder.counts();
    let (outcome, bytes) = read(&folder, &later(), &stat);
    assert!(matches!(outcome, ReadOutcome::Read { stat: read, .. } if read == stat));
    assert_eq!(bytes, b"quiet");
    let after = folder.counts();
    assert_eq!((after.opens - before.opens, after.stats - before.stats, after.reads - before.reads), (1, 1, 1));
}

#[test]
fn an_empty_file_is_read() {
    let (folder, stat) = folder_with(b"");
    let (outcome, bytes) = read(&folder, &later(), &stat);
    assert!(matches!(outcome, ReadOutcome::Read { .. }) && bytes.is_empty());
}

#[test]
fn a_file_that_changes_once_is_read_again_from_the_start() {
    // F20
    let (folder, stat) = folder_with(&[1; 600_000]);
    let mut reads = 0;
    folder.on_read(&path("f"), move |folder| {
        reads += 1;
        if reads == 2 {
            folder.put_file(&path("f"), &[2; 600_000]);
        }
    });
    let (outcome, bytes) = read(&folder, &later(), &stat);
    assert!(matches!(outcome, ReadOutcome::Read { stat: read, .. } if read.mtime > stat.mtime));
    assert!(bytes == [2; 600_000], "never a mixture");
}

#[test]
fn a_file_that_keeps_changing_is_given_up() {
    // F20
    let (folder, stat) = folder_with(b"0");
    let reads = Arc::new(AtomicU32::new(0));
    let seen = reads.clone();
    folder.on_read(&path("f"), move |folder| {
        let number = seen.fetch_add(1, Ordering::Relaxed);
        folder.put_file(&path("f"), number.to_string().as_bytes());
    });
    assert!(matches!(read(&folder, &later(), &stat).0, ReadOutcome::Changing));
    assert!(reads.load(Ordering::Relaxed) <= 8, "a bounded number of times");
}

#[test]
fn a_file_that_grows_without_end_is_given_up() {
    let (folder, stat) = folder_with(&[0; 10]);
    folder.on_read(&path("f"), |folder| {
        let len = folder.stat(&path("f")).unwrap().unwrap().len_bytes as usize;
        folder.put_file(&path("f"), &vec![0; len + 1000]);
    });
    let (outcome, bytes) = read(&folder, &later(), &stat);
    assert!(matches!(outcome, ReadOutcome::Changing));
    assert!(bytes.len() < 10_000);
}

/// No more is collected than the caller has room for, however long the file has become.
#[test]
fn a_small_file_that_grew_is_not_collected() {
    let (folder, stat) = folder_with(&[1; 10]);
    folder.put_file(&path("f"), &[2; 300_000]);
    let clock = later();
    let mut reader = StableReader::new(&folder, &clock);
    let mut bytes = Vec::new();
    assert!(reader.read_small(&path("f"), &stat, 65_536, &mut bytes).is_none());
    assert!(bytes.capacity() <= 65_536, "{}", bytes.capacity());
    assert!(reader.read_small(&path("f"), &stat, 300_000, &mut bytes).is_some());
}

/// A file that is changed, within one grain of the times, between the first and the second read.
fn changed_unseen() -> (SimFolder, Stat) {
    let folder = SimFolder::new(SimRules { coarse_times: true, ..SimRules::default() });
    folder.put_file(&path("f"), &[1; 600_000]);
    let stat = folder.stat(&path("f")).unwrap().unwrap();
    let mut reads = 0;
    folder.on_read(&path("f"), move |folder| {
        reads += 1;
        if reads == 2 {
            folder.put_file(&path("f"), &[2; 600_000]);
        }
    });
    (folder, stat)
}

#[test]
fn a_fresh_file_counts_only_when_two_readings_agree() {
    // F20
    let (folder, stat) = changed_unseen();
    let now = FixedClock::new(Timestamp(stat.mtime.secs * 1_000_000_000 + 1_500_000_000));
    let (outcome, bytes) = read(&folder, &now, &stat);
    assert!(matches!(outcome, ReadOutcome::Read { stat: read, .. } if read == stat), "the times tell nothing");
    assert!(bytes == [2; 600_000], "never a mixture");
    // Believing the times alone would have taken the mixture: the test above can fail.
    let (folder, stat) = changed_unseen();
    let (outcome, bytes) = read(&folder, &later(), &stat);
    assert!(matches!(outcome, ReadOutcome::Read { .. }));
    assert!(bytes.contains(&1) && bytes.contains(&2));
}

#[test]
fn what_is_gone_or_no_file_or_denied_says_so() {
    let (folder, stat) = folder_with(b"x");
    folder.deny(path("f"));
    assert!(matches!(read(&folder, &later(), &stat).0, ReadOutcome::Unreadable(e) if e.kind == DiskErrorKind::Denied));
    folder.remove_file(&path("f")).unwrap();
    assert!(matches!(read(&folder, &later(), &stat).0, ReadOutcome::Vanished));
    folder.create_symlink(&path("f"), b"elsewhere").unwrap();
    assert!(matches!(read(&folder, &later(), &stat).0, ReadOutcome::Changing));
}

#[test]
fn a_medium_that_goes_away_is_told_apart() {
    let (folder, stat) = folder_with(b"x");
    for at_call in 0..3 {
        folder.set_fault(Some(SimFault { at_call, kind: DiskErrorKind::Gone }));
        let outcome = read(&folder, &later(), &stat).0;
        assert!(matches!(outcome, ReadOutcome::Unreadable(e) if e.kind == DiskErrorKind::Gone), "at call {at_call}");
    }
}

#[test]
fn a_failing_sink_ends_the_reading() {
    struct Full;
    impl ReadSink for Full {
        type Error = &'static str;
        fn start(&mut self, _: u64) -> Result<(), Self::Error> {
            Ok(())
        }
        fn take(&mut self, _: &[u8]) -> Result<(), Self::Error> {
            Err("full")
        }
        fn take_hole(&mut self, _: u64) -> Result<(), Self::Error> {
            Err("full")
        }
    }
    let (folder, stat) = folder_with(b"x");
    let outcome = StableReader::new(&folder, &later()).read(&path("f"), &stat, &mut Full);
    assert_eq!(outcome.err(), Some("full"));
}

#[test]
fn long_holes_are_not_read_and_short_ones_are() {
    let folder = SimFolder::new(SimRules { zeros_are_holes: true, ..SimRules::default() });
    let mut bytes = vec![0; 5 << 20];
    bytes[8192..8200].copy_from_slice(b"a little");
    bytes[16_384..16_389].copy_from_slice(b"later");
    bytes.extend_from_slice(b"the end");
    folder.put_file(&path("f"), &bytes);
    let stat = folder.stat(&path("f")).unwrap().unwrap();
    assert!(stat.is_sparse);
    let before = folder.counts().reads;
    let mut read = Vec::new();
    let outcome = StableReader::new(&folder, &later()).read_small(&path("f"), &stat, 8 << 20, &mut read);
    let Some(ReadOutcome::Read { extras, .. }) = outcome else { panic!("{outcome:?}") };
    assert!(read == bytes);
    let holes: Vec<(u64, u64)> = extras.holes.iter().map(|hole| (hole.offset, hole.len_bytes)).collect();
    assert_eq!(holes, [(0, 8192), (12_288, 4096), (20_480, (5 << 20) - 20_480)]);
    assert!(folder.counts().reads - before <= 3, "{} reads", folder.counts().reads - before);
    // A file that changed a moment ago is read twice, holes and all.
    let now = FixedClock::new(Timestamp(stat.mtime.secs * 1_000_000_000));
    let outcome = StableReader::new(&folder, &now).read_small(&path("f"), &stat, 8 << 20, &mut read);
    assert!(matches!(outcome, Some(ReadOutcome::Read { .. })) && read == bytes);
}
