//! The short form of the lab: the recordings in `data/`, which real kernels made, replayed with a fixed seed.
//!
//! Takes no root, no machine and no network. The long form is `cargo xtask lab replay`.

#![allow(clippy::disallowed_methods, reason = "the lab's tests read its recordings")]

use std::path::Path;

use lab::amplification::steps;
use lab::check::Facts;
use lab::opening::opener_of;
use lab::recording::Recording;
use lab::replay::{Refused, Replay, Row, recordings};
use lab::states::{Choice, Torn, states};

const CHOICE: Choice = Choice { torn: Torn::Few, torn_unit: 1, subsets: 20, seed: 1, window: 0 };
/// Most bytes that the repository keeps of recordings.
const DATA_MAX_BYTES: u64 = 13 << 20;
const RECORDINGS: [&str; 14] = [
    "gc-key-exfat",
    "gc-key-vfat",
    "gc-publisher-exfat",
    "gc-publisher-vfat",
    "heal-exfat",
    "heal-vfat",
    "key-exfat",
    "key-vfat-flush",
    "key-vfat",
    "publisher-exfat",
    "publisher-vfat-flush",
    "publisher-vfat",
    "repair-exfat",
    "repair-vfat",
];
/// Fewest states that are worth the name of a test.
const STATES_MIN: u64 = 3000;

// U5 U7 U9 U11
#[test]
fn no_cut_in_the_recordings_breaks_a_store() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let files = recordings(&[dir]).unwrap();
    let names: Vec<_> = files.iter().filter_map(|file| file.file_stem()?.to_str()).collect();
    assert_eq!(names, RECORDINGS);
    let len_bytes: u64 = files.iter().map(|file| file.metadata().unwrap().len()).sum();
    assert!(len_bytes <= DATA_MAX_BYTES, "the recordings take {len_bytes} bytes");
    let mut all = Row::default();
    for file in files {
        let recording = Recording::read(&file).unwrap();
        all.add(&replay(&file, &recording));
    }
    assert!(all.states >= STATES_MIN && all.old > 0 && all.new > 0 && all.none > 0, "{all:?}");
}

/// Looks at the states of one recording.
fn replay(file: &Path, recording: &Recording) -> Row {
    let medium = opener_of(&recording.header).unwrap();
    let facts = Facts::gather(recording, medium.as_ref()).unwrap();
    let replay = Replay {
        recording,
        facts: &facts,
        medium: medium.as_ref(),
        deep_every: 100,
        repair: None,
        refused: Refused::Fail,
        mends: false,
        threads: 2,
    };
    let tally = replay.run(&states(recording, CHOICE), &mut |_| {}).unwrap();
    for found in &tally.findings {
        eprintln!("cargo xtask lab replay {} --state {}: {}", file.display(), found.id, found.failed.why);
    }
    let row = tally.total();
    assert_eq!(row.failures(), 0, "{}: {row:?}", file.display());
    assert!(row.old > 0 && tally.deep > 0, "{}: {row:?}", file.display());
    row
}

// U24
#[test]
fn no_commit_writes_much_more_than_its_payload() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let mut commits = 0;
    for file in recordings(&[dir]).unwrap() {
        let recording = Recording::read(&file).unwrap();
        let medium = opener_of(&recording.header).unwrap();
        for step in steps(&recording, medium.as_ref()).unwrap().iter().filter(|step| step.verb == "commit") {
            assert!(step.is_within(), "{}: {step:?}", file.display());
            commits += 1;
        }
    }
    assert_eq!(commits, 6);
}
