//! A publisher that no longer vouches for its state: whoever opens the store is told, in one line.

use std::sync::Arc;

use chunkstore::base::clock::FixedClock;
use chunkstore::base::monitor::RecordingMonitor;
use chunkstore::base::random::SeededRandom;
use chunkstore::disk::{Disk, OsDisk, OsFolder};
use chunkstore::folder::Excludes;
use chunkstore::ops::Run;
use chunkstore::ops::commit::{CommitRequest, commit};
use chunkstore::ops::init::{InitRequest, init};
use chunkstore::ops::local_keys::KeyDir;

use super::{Cli, Ran};

const KEYS: [&str; 4] = ["--store", "old", "--keys", "k"];
const LINE: &str = "chunkstore: stale: the publisher no longer vouches for this state (since 2001-12-08 01:46:40; ";

/// A store `old` with keys `k` and two snapshots, the last of which was signed in 2001; and its fingerprint.
fn expired() -> (Cli, String) {
    let cli = Cli::new();
    let clock = FixedClock::new("2001-09-09T01:46:40Z".parse().unwrap());
    let (random, monitor) = (SeededRandom::new(1), RecordingMonitor::default());
    let run = Run { clock: &clock, random: &random, monitor: &monitor };
    let keys = cli.path("k");
    let request = InitRequest { readers: vec![], keys: &keys, root_keys: &keys, passphrase: None };
    let disk: Arc<dyn Disk> = Arc::new(OsDisk::create(&cli.path("old")).unwrap());
    let made = init(disk.as_ref(), &request, run).unwrap();
    let writer = KeyDir::new(&keys, made.store).load_writer(&|_| unreachable!()).unwrap().unwrap();
    for name in ["a", "b"] {
        cli.write(&format!("files/{name}"), name.as_bytes());
        let request = CommitRequest {
            message: String::new(),
            author: String::new(),
            tags: vec![],
            excludes: Excludes::none(),
            writer: &writer,
            cache: None,
        };
        commit(Arc::clone(&disk), &OsFolder::open(&cli.path("files")).unwrap(), &request, run).unwrap();
    }
    (cli, made.fingerprint)
}

#[track_caller]
fn assert_told(ran: &Ran, code: i32, synced: &str) {
    assert_eq!(ran.code, code, "{ran:?}");
    let lines: Vec<_> = ran.stderr.lines().filter(|line| line.contains("stale")).collect();
    assert_eq!(lines.len(), 1, "{ran:?}");
    assert!(lines[0].starts_with(&format!("{LINE}{synced}")), "{ran:?}");
}

#[test]
fn every_verb_that_opens_a_stale_store_says_so_once() {
    let (cli, _) = expired();
    for (verb, code) in [
        (&["ls", "/"][..], 0),
        (&["cat", "/a"], 0),
        (&["log"], 0),
        (&["find", "*"], 0),
        (&["diff", "HEAD~1", "HEAD"], 0),
        (&["stats"], 0),
        (&["stats", "--by-path"], 0),
        (&["export", "/", "-o", "out.tar"], 0),
        (&["restore", "/", "out"], 0),
        (&["restore", "/", "out", "--dry-run"], 0),
        (&["verify"], 0),
        (&["verify", "--read-data"], 0),
        (&["status"], 19),
        (&["status", "--check", "--json"], 19),
        (&["ls", "nonesuch:/"], 1),
        (&["commit", "files", "--dry-run"], 0),
        (&["forget", "--keep-last", "1", "--dry-run"], 0),
        (&["-q", "ls", "/"], 0),
    ] {
        let ran = cli.run(&[verb, &KEYS].concat());
        assert_told(&ran, code, "never synced well on this host)");
        assert!(verb[0] != "cat" || ran.stdout == "a", "{ran:?}");
    }
}

#[test]
fn whoever_makes_a_new_state_is_told_nothing_of_the_old_one() {
    let (cli, _) = expired();
    // Nothing changed, so no state was made.
    assert_told(&cli.run(&[&["commit", "files"], &KEYS[..]].concat()), 0, "never");
    cli.write("files/c", b"c");
    let made = cli.ok(&[&["commit", "files"], &KEYS[..]].concat());
    assert!(!made.stderr.contains("stale"), "{made:?}");
    assert!(!cli.ok(&[&["status"], &KEYS[..]].concat()).stderr.contains("stale"));
    let (cli, _) = expired();
    let forgot = cli.ok(&[&["forget", "HEAD~1"], &KEYS[..]].concat());
    assert!(!forgot.stderr.contains("stale"), "{forgot:?}");
}

#[test]
fn a_key_says_when_it_was_last_synced_well() {
    let (cli, fingerprint) = expired();
    assert_eq!(cli.run(&["clone", "./old", "key", "--trust", &fingerprint]).code, 19);
    assert_told(&cli.run(&["ls", "/", "--store", "key", "--keys", "k"]), 0, "last synced well on this host at 20");
    assert_told(&cli.run(&["sync", "--store", "key"]), 19, "last synced well on this host at 20");
    let elsewhere = cli.run(&["ls", "/", "--store", "key", "--keys", "k", "--cache", "other"]);
    assert_told(&elsewhere, 0, "never synced well on this host)");
}
