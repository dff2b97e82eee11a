//! Ways back that a person took, copies of a store under one replica id, and a store whose trust was replaced.

use std::path::Path;

use super::{Cli, Ran, has_fields};
use crate::env::copy_dir;

/// Copies a store behind the program's back, as a person copies a key.
fn copy(cli: &Cli, from: &str, to: &str) {
    copy_dir(&cli.path(from), &cli.path(to));
}

/// A store `pub`, a `mirror` of its first commit, a copy `old` of that, and a `key` that holds the second.
fn scene() -> Cli {
    let cli = Cli::with_store();
    cli.ok(&["push", "./mirror", "--store", "pub", "--keys", "k"]);
    copy(&cli, "mirror", "old");
    commit(&cli, "pub", "two", &[]);
    cli.ok(&["push", "./mirror", "--store", "pub", "--keys", "k"]);
    let status = cli.ok(&["status", "--store", "pub", "--json"]).document();
    cli.ok(&["clone", "./mirror", "key", "--trust", status["fingerprint"].as_str().unwrap()]);
    cli
}

fn commit(cli: &Cli, store: &str, text: &str, flags: &[&str]) -> Ran {
    cli.write(&format!("files/{text}"), text.as_bytes());
    cli.run(&[&["commit", "files", "--store", store, "--keys", "k", "-m", text], flags].concat())
}

fn status(cli: &Cli, store: &str) -> serde_json::Value {
    cli.ok(&["status", "--store", store, "--json"]).document()
}

// U18
#[test]
fn a_way_back_is_said_once_and_remembered() {
    let cli = scene();
    std::fs::rename(cli.path("mirror"), cli.path("newer")).unwrap();
    copy(&cli, "old", "mirror");
    let refused = cli.run(&["sync", "--store", "key"]);
    assert_eq!(refused.code, 18, "{refused:?}");
    assert_eq!(status(&cli, "key")["accepted"], serde_json::json!([]));
    let back = cli.ok(&["sync", "--store", "key", "--accept-older"]);
    let lines: Vec<_> = back.stderr.lines().filter(|line| line.contains("went back")).collect();
    assert_eq!(lines.len(), 1, "{back:?}");
    assert!(lines[0].starts_with("chunkstore: went back from generation 3 to 2 of "), "{back:?}");
    assert!(lines[0].ends_with("mirror, as asked for"), "{back:?}");
    let text = cli.ok(&["status", "--store", "key"]).stdout;
    assert!(text.contains("from generation 3 to 2 of "), "{text}");
    let document = status(&cli, "key");
    let accepted = document["accepted"].as_array().unwrap();
    assert_eq!(accepted.len(), 1, "{document}");
    has_fields(&accepted[0], &["time", "remote", "from", "to"]);
    assert_eq!((&accepted[0]["from"], &accepted[0]["to"]), (&3.into(), &2.into()));
    assert_eq!(document["replica_seen"]["likeness"], "same", "what was accepted is no copy: {document}");
    // Again it is nothing new, and going on is no way back.
    assert!(!cli.ok(&["sync", "--store", "key", "--accept-older"]).stderr.contains("went back"));
    std::fs::remove_dir_all(cli.path("mirror")).unwrap();
    std::fs::rename(cli.path("newer"), cli.path("mirror")).unwrap();
    let done = cli.ok(&["sync", "--store", "key", "--json"]).last();
    assert_eq!((&done["generation"], &done["went_back"]), (&3.into(), &serde_json::Value::Null));
    assert_eq!(status(&cli, "key")["accepted"].as_array().unwrap().len(), 1);
}

// U2
#[test]
fn a_copy_of_a_key_is_named_and_gets_an_id_of_its_own() {
    let cli = scene();
    copy(&cli, "key", "copy");
    commit(&cli, "pub", "three", &[]);
    cli.ok(&["push", "./mirror", "--store", "pub", "--keys", "k"]);
    cli.ok(&["sync", "--store", "key"]);
    let document = status(&cli, "copy");
    assert_eq!(document["replica_seen"]["likeness"], "behind", "{document}");
    assert_eq!(document["replica_seen"]["generation"], 4, "{document}");
    let text = cli.ok(&["status", "--store", "copy"]).stdout;
    assert!(text.contains("this is a copy of that store, or restored from a backup"), "{text}");
    assert_eq!(status(&cli, "key")["replica_seen"]["likeness"], "same");
    let old = document["replica_id"].as_str().unwrap();
    let renewed = cli.ok(&["repair", "--new-replica", "--store", "copy", "--json"]).document();
    assert_eq!(renewed["old_replica_id"], old, "{renewed}");
    let document = status(&cli, "copy");
    assert_eq!(document["replica_id"], renewed["replica_id"], "{document}");
    assert_ne!(document["replica_id"], old);
    assert!(document["replica_seen"].is_null(), "{document}");
    assert_eq!(status(&cli, "key")["replica_id"], old, "the original keeps its own");
    // What it holds is as it was, and it goes on as any other.
    cli.ok(&["verify", "--store", "copy"]);
    assert_eq!(cli.ok(&["sync", "--store", "copy", "--json"]).last()["generation"], 4);
    assert_eq!(cli.run(&["repair", "--new-replica", "--dry-run", "--store", "copy"]).code, 2);
    assert_eq!(cli.run(&["repair", "--new-replica", "--store", "files"]).code, 10);
}

// U2
#[test]
fn two_histories_under_one_replica_id_take_no_commit() {
    let cli = scene();
    copy(&cli, "pub", "copy");
    assert_eq!(commit(&cli, "pub", "three", &[]).code, 0);
    // A copy that this host saw less of has to be synced first.
    let behind = commit(&cli, "copy", "other", &[]);
    assert_eq!(behind.code, 17, "{behind:?}");
    // Another machine does not know, and makes another generation 4.
    assert_eq!(commit(&cli, "copy", "other", &["--cache", "elsewhere"]).code, 0);
    for attempt in 0..2 {
        let forked = commit(&cli, "copy", &format!("more-{attempt}"), &[]);
        assert_eq!(forked.code, 17, "{forked:?}");
        assert!(forked.stderr.contains("had another history on this host"), "{forked:?}");
        assert!(forked.stderr.contains("repair --new-replica"), "{forked:?}");
    }
    assert_eq!(status(&cli, "copy")["replica_seen"]["likeness"], "forked");
    let text = cli.ok(&["status", "--store", "copy"]).stdout;
    assert!(text.contains("it takes no commit"), "{text}");
    // The one that was seen first goes on, and a copy with an id of its own is another replica: its history is still another.
    assert_eq!(commit(&cli, "pub", "four", &[]).code, 0);
    cli.ok(&["push", "./mirror", "--store", "pub", "--keys", "k"]);
    cli.ok(&["repair", "--new-replica", "--store", "copy"]);
    let behind = commit(&cli, "copy", "five", &[]);
    assert!(behind.code == 17 && behind.stderr.contains("this host has seen"), "{behind:?}");
    assert_eq!(commit(&cli, "copy", "five", &["--cache", "elsewhere"]).code, 0);
    let pushed = cli.run(&["push", "./mirror", "--store", "copy", "--keys", "k", "--cache", "elsewhere"]);
    assert_eq!(pushed.code, 17, "{pushed:?}");
}

#[test]
fn a_store_whose_trust_was_replaced_is_no_more_trusted_by_any_verb() {
    let cli = scene();
    let document = status(&cli, "key");
    let (id, fingerprint) = (document["store_id"].as_str().unwrap(), document["fingerprint"].as_str().unwrap());
    let memory = find(&cli.path("home"), &format!("{id}/state.json"));
    // The host knows the store by another fingerprint, as if the one on the key were a finder's.
    let text = std::fs::read_to_string(&memory).unwrap();
    assert!(text.contains(fingerprint), "{text}");
    std::fs::write(&memory, text.replace(fingerprint, &"ab".repeat(16))).unwrap();
    for verb in [
        &["ls", "/"][..],
        &["log"],
        &["restore", "/", "out"],
        &["status"],
        &["verify"],
        &["sync"],
        &["push", "./elsewhere"],
        &["commit", "files"],
    ] {
        let ran = cli.run(&[verb, &["--store", "key", "--keys", "k"]].concat());
        assert_eq!(ran.code, 18, "{verb:?}: {ran:?}");
        assert!(ran.stderr.contains("its trust was replaced"), "{verb:?}: {ran:?}");
    }
    assert!(!cli.path("out/a.txt").exists());
}

/// Returns the file below a directory whose path ends so.
fn find(dir: &Path, end: &str) -> std::path::PathBuf {
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for path in std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
            match path.is_dir() {
                true => dirs.push(path),
                false if path.ends_with(end) => return path,
                false => {}
            }
        }
    }
    panic!("no {end}");
}
