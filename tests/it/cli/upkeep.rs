//! `gc` as people and scripts see it: a publisher forgets and collects, a server and a key follow.

use std::path::Path;

use super::Cli;

/// A store of three snapshots, pushed to `mirror` and cloned to `key`; each week a long file is replaced.
fn scene() -> Cli {
    let cli = Cli::with_store();
    for week in 1..=2u8 {
        cli.write("files/long.bin", &noise(week, 700_000));
        cli.ok(&["commit", "files", "--store", "pub", "--keys", "k", "-m", "a week"]);
    }
    cli.ok(&["push", "./mirror", "--store", "pub", "--keys", "k"]);
    let status = cli.ok(&["status", "--store", "pub", "--json"]).document();
    cli.ok(&["clone", "./mirror", "key", "--trust", status["fingerprint"].as_str().unwrap()]);
    cli
}

fn noise(seed: u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes
}

fn pack_bytes(store: &Path) -> u64 {
    let dirs = std::fs::read_dir(store.join("packs")).unwrap();
    let files = dirs.flat_map(|dir| std::fs::read_dir(dir.unwrap().path()).unwrap());
    files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
}

const GC: [&str; 5] = ["gc", "--store", "pub", "--keys", "k"];

#[test]
fn what_a_publisher_forgets_leaves_its_store_the_server_and_the_keys() {
    let cli = scene();
    let [store, mirror, key] = ["pub", "mirror", "key"].map(|name| cli.path(name));
    cli.ok(&["forget", "--keep-last", "1", "--store", "pub", "--keys", "k"]);
    let planned = cli.ok(&[&GC[..], &["--dry-run", "--json"]].concat()).document();
    assert!(planned["dry_run"] == true && planned["changed"] == true, "{planned}");
    assert!(planned["packs"]["dropped_bytes"].as_u64().unwrap() > 600_000, "{planned}");
    let before = pack_bytes(&store);
    let done = cli.ok(&[&GC[..], &["--json"]].concat()).document();
    assert_eq!(
        (&done["removed_files"], &done["removed_bytes"]),
        (&0.into(), &0.into()),
        "it waits for its grace: {done}"
    );
    assert_eq!(done["packs"]["dropped_bytes"], planned["packs"]["dropped_bytes"]);
    assert!(done["waiting_bytes"].as_u64().unwrap() > 600_000, "{done}");
    assert!(pack_bytes(&store) >= before);
    let ran = cli.ok(&[&GC[..], &["--grace", "0s"]].concat());
    assert!(ran.stderr.contains("without a grace") && ran.stdout.contains("removed "), "{ran:?}");
    assert!(pack_bytes(&store) < before - 600_000);
    assert!(cli.ok(&GC).stdout.contains("every pack is worth keeping"));
    cli.ok(&["verify", "--read-data", "--store", "pub", "--keys", "k"]);
    assert!(pack_bytes(&mirror) >= before, "the server was not told yet");
    cli.ok(&["push", "./mirror", "--store", "pub", "--keys", "k"]);
    assert_eq!(pack_bytes(&mirror), pack_bytes(&store), "what was condemned is deleted where a push arrives");
    cli.ok(&["sync", "--store", "key"]);
    let held = cli.ok(&["gc", "--store", "key", "--grace", "0s", "--json"]).document();
    assert!(held["packs"].is_null() && held["held_bytes"].as_u64().unwrap() > 600_000, "{held}");
    cli.write("files/another.txt", b"one more week");
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k", "-m", "a week"]);
    cli.ok(&["push", "./mirror", "--store", "pub", "--keys", "k"]);
    cli.ok(&["sync", "--store", "key"]);
    let freed = cli.ok(&["gc", "--store", "key", "--grace", "0s", "--json"]).document();
    assert!(freed["removed_bytes"].as_u64().unwrap() > 600_000, "{freed}");
    assert_eq!(pack_bytes(&key), pack_bytes(&mirror));
    cli.ok(&["restore", "/", "out", "--store", "key", "--keys", "k"]);
    assert_eq!(std::fs::read(cli.path("out/long.bin")).unwrap(), noise(2, 700_000));
}

// A key on the publisher's own machine is a key all the same: a generation of its own would be another history.
#[test]
fn with_the_writer_s_key_at_hand_a_clone_is_collected_as_a_key() {
    let cli = scene();
    cli.ok(&["forget", "--keep-last", "1", "--store", "pub", "--keys", "k"]);
    cli.ok(&["push", "./mirror", "--store", "pub", "--keys", "k"]);
    cli.ok(&["sync", "--store", "key"]);
    let generation = |store: &str| cli.ok(&["status", "--store", store, "--json"]).document()["generation"].clone();
    let before = generation("key");
    let done = cli.ok(&["gc", "--store", "key", "--keys", "k", "--json"]).document();
    assert!(done["packs"].is_null() && generation("key") == before, "{done}");
    let done = cli.ok(&["gc", "--store", "key", "--keys", "k", "--as-publisher", "--json"]).document();
    assert!(!done["packs"].is_null() && generation("key") != before, "{done}");
}

#[test]
fn files_only_and_spans_of_time() {
    let cli = scene();
    cli.ok(&["forget", "--keep-last", "1", "--store", "pub", "--keys", "k"]);
    let done = cli.ok(&[&GC[..], &["--files-only", "--json"]].concat()).document();
    assert!(done["packs"].is_null() && done["changed"] == false, "{done}");
    for wrong in ["1", "-1s", "1.5d", "d", "", "99999999999999999999s", "101y"] {
        let ran = cli.run(&[&GC[..], &[&format!("--grace={wrong}")]].concat());
        assert!(ran.code == 2 && ran.stderr.contains("--grace takes"), "{wrong}: {ran:?}");
    }
    let listed = cli.ok(&[&GC[..], &["--dry-run"]].concat());
    assert!(listed.stdout.contains("would drop"), "{listed:?}");
    assert_eq!(cli.run(&["gc", "--store", "nowhere"]).code, 10);
}

#[test]
fn a_store_that_cannot_be_seen_through_loses_nothing() {
    let cli = scene();
    cli.ok(&["forget", "--keep-last", "1", "--store", "pub", "--keys", "k"]);
    let before = pack_bytes(&cli.path("pub"));
    for dir in std::fs::read_dir(cli.path("pub/packs")).unwrap() {
        for file in std::fs::read_dir(dir.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let mut bytes = std::fs::read(&path).unwrap();
            // The class of a pack stands behind the common header: 1 is for all but content.
            if bytes[32] == 1 {
                bytes[64..90].fill(0);
                std::fs::write(&path, bytes).unwrap();
            }
        }
    }
    for flags in [&[][..], &["--grace", "0s"]] {
        let ran = cli.run(&[&GC[..], flags].concat());
        assert!(ran.code == 13 && ran.stderr.contains("nothing was dropped"), "{ran:?}");
    }
    assert_eq!(pack_bytes(&cli.path("pub")), before);
}
