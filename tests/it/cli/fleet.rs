//! `fleet` as people and scripts run it.

use std::sync::Arc;

use chunkstore::base::clock::SystemClock;
use chunkstore::disk::served::ServedDir;
use chunkstore::serve::{Faults, ServeOptions, Server};
use serde_json::Value;

use super::{Cli, Ran, fields};

const KEYS: [&str; 4] = ["--store", "pub", "--keys", "k"];

/// A store, pushed to `mirror` and cloned to `key` and `other`, which gave receipts.
fn scene() -> Cli {
    let cli = Cli::with_store();
    cli.ok(&[&["push", "./mirror"], &KEYS[..]].concat());
    let status = cli.ok(&["status", "--store", "pub", "--json"]).document();
    for key in ["key", "other"] {
        cli.ok(&["clone", "./mirror", key, "--receipt", "--trust", status["fingerprint"].as_str().unwrap()]);
    }
    cli
}

fn id_of(cli: &Cli, key: &str) -> String {
    let status = cli.ok(&["status", "--store", key, "--json"]).document();
    status["replica_id"].as_str().unwrap().to_owned()
}

fn fleet(cli: &Cli, args: &[&str]) -> Ran {
    cli.run(&[&["fleet", "status"], args, &KEYS].concat())
}

/// The flags of one key, and the exit code.
fn flags(cli: &Cli, id: &str) -> (Vec<String>, i32) {
    let ran = fleet(cli, &["--json"]);
    let lines = ran.lines();
    let row = lines.iter().find(|line| line["replica_id"] == id).unwrap_or_else(|| panic!("{ran:?}"));
    let flags = row["flags"].as_array().unwrap().iter().map(|flag| flag.as_str().unwrap().to_owned());
    (flags.collect(), ran.code)
}

#[test]
fn it_is_shown_in_every_form() {
    let cli = scene();
    cli.write("files/new.txt", b"more");
    cli.ok(&[&["commit", "files"], &KEYS[..]].concat());
    cli.ok(&[&["push", "./mirror"], &KEYS[..]].concat());
    cli.ok(&["sync", "--store", "key", "--receipt"]);
    let (key, other) = (id_of(&cli, "key"), id_of(&cli, "other"));
    let table = fleet(&cli, &[]);
    assert_eq!((table.code, &*table.stderr), (0, ""), "{table:?}");
    assert!(table.stdout.contains("where generation 3 is the newest: 1 current, 1 behind"), "{table:?}");
    let lines: Vec<&str> = table.stdout.lines().collect();
    assert!(lines[0].starts_with("key           name  generation  behind"), "{table:?}");
    assert!(lines[1].starts_with(&other[..12]) && lines[2].starts_with(&key[..12]), "{table:?}");
    let behind = fleet(&cli, &["./mirror", "--behind", "--csv"]);
    assert!(behind.stdout.lines().count() == 2 && behind.stdout.contains(&format!("\n{other},")), "{behind:?}");
    assert_lines(&fleet(&cli, &["--json", "--sort", "seen"]).lines(), &other);
    let metrics = fleet(&cli, &["--prometheus", "--json"]);
    assert!(metrics.stdout.contains("chunkstore_fleet_keys{standing=\"behind\"} 1\n"), "{metrics:?}");
    cli.write("fleet.html", &[b'x'; 200_000]);
    let page = fleet(&cli, &["--html", "fleet.html"]);
    assert_eq!(page.code, 0, "{page:?}");
    let text = std::fs::read_to_string(cli.path("fleet.html")).unwrap();
    assert!(text.starts_with("<!DOCTYPE html>") && text.ends_with("</html>\n") && text.contains(&key), "{text}");
    for wrong in [&["--csv", "--html", "x"][..], &["--csv", "--prometheus"], &["--sort", "best"]] {
        assert_eq!(fleet(&cli, wrong).code, 2, "{wrong:?}");
    }
}

/// Says that all fields are there, and the key that lags first.
fn assert_lines(json: &[Value], lagging: &str) {
    assert_eq!(
        fields(&json[0]),
        [
            "behind",
            "behind_longer",
            "behind_secs",
            "event",
            "flags",
            "free_bytes",
            "generation",
            "name",
            "note",
            "outcome",
            "problems",
            "program",
            "purge",
            "reached",
            "reason",
            "replica_id",
            "seen",
            "standing",
            "tag"
        ]
    );
    assert_eq!(
        (&json[0]["replica_id"], &json[0]["standing"], &json[0]["behind"]),
        (&lagging.into(), &"behind".into(), &1.into())
    );
    let done = json.last().unwrap();
    assert_eq!(
        fields(done),
        [
            "behind",
            "current",
            "event",
            "flags",
            "generation",
            "held",
            "keys",
            "left_out",
            "purged",
            "remote",
            "spread",
            "stage",
            "store_id",
            "time",
            "unknown"
        ]
    );
    assert_eq!((&done["keys"], &done["current"], &done["generation"]), (&2.into(), &1.into(), &3.into()));
    assert_eq!(done["spread"]["generations"].as_array().unwrap().len(), 3);
}

#[test]
fn it_says_what_is_in_its_way() {
    let cli = scene();
    let no_key = cli.run(&["fleet", "status", "./mirror", "--store", "pub"]);
    assert_eq!(no_key.code, 12, "{no_key:?}");
    let nobody = fleet(&cli, &["ftp://127.0.0.1:9/x", "--timeout", "1s"]);
    assert_eq!(nobody.code, 14, "{nobody:?}");
    assert_eq!(fleet(&cli, &["./nowhere/at/all"]).code, 14);
    let none = cli.run(&["fleet", "status", "--store", "key", "--keys", "k", "--cache", "c"]);
    assert_eq!(none.code, 0, "a clone knows its remote: {none:?}");
    std::fs::write(cli.path("mirror/receipts").join(id_of(&cli, "key")), "torn").unwrap();
    let torn = fleet(&cli, &[]);
    assert_eq!(torn.code, 3, "{torn:?}");
    assert!(torn.stderr.contains("1 receipts cannot be read") && torn.stdout.contains("unreadable"), "{torn:?}");
    std::fs::remove_dir_all(cli.path("mirror/receipts")).unwrap();
    let cleared = cli.ok(&[&["fleet", "status", "--cache", "new"], &KEYS[..], &["./mirror"]].concat());
    assert!(cleared.stdout.starts_with("no key has given a receipt at "), "{cleared:?}");
    assert_eq!(fleet(&cli, &["--json"]).lines().last().unwrap()["flags"]["no-receipt"], 1);
}

#[test]
fn a_copy_is_told_of_until_a_person_takes_it() {
    let cli = scene();
    let id = id_of(&cli, "key");
    assert_eq!(flags(&cli, &id), (vec![], 0));
    std::fs::remove_file(cli.path("key/replica/receipt.key")).unwrap();
    cli.ok(&["sync", "--store", "key", "--receipt"]);
    assert_eq!(flags(&cli, &id), (vec!["another-key".to_owned()], 0));
    assert!(fleet(&cli, &[]).stdout.contains("signed by another key than before"));
    for (word, code) in [("zz", 2), ("00000000000000000000000000000000", 1)] {
        assert_eq!(cli.run(&["fleet", "forget", word, "--store", "pub"]).code, code, "{word}");
    }
    let forgot = cli.ok(&["fleet", "forget", &id[..8], "--store", "pub", "--json"]).document();
    assert_eq!(forgot["forgotten"][0], Value::from(id.clone()));
    assert_eq!(flags(&cli, &id), (vec![], 0));
}

#[test]
fn receipts_are_read_from_a_server() {
    let cli = scene();
    let dir = ServedDir::open_root(&cli.path("mirror")).unwrap();
    let server = Server::start(dir, ServeOptions::default(), Faults::none(), Arc::new(SystemClock)).unwrap();
    let url = format!("ftp://127.0.0.1:{}//", server.addr().port());
    let done = fleet(&cli, &[&url, "--json", "--connections", "3"]);
    assert_eq!((done.code, &done.lines().last().unwrap()["current"]), (0, &2.into()), "{done:?}");
}

// S17
#[test]
fn a_purge_names_the_keys_that_have_not_carried_it_out() {
    let cli = scene();
    cli.ok(&[&["purge", "/a.txt", "--yes"], &KEYS[..]].concat());
    cli.ok(&[&["push", "./mirror"], &KEYS[..]].concat());
    cli.ok(&["sync", "--store", "key", "--receipt"]);
    let other = id_of(&cli, "other");
    let args = [&["purge", "status", "./mirror"], &KEYS[..]].concat();
    let status = cli.ok(&[&args[..], &["--json"]].concat()).document();
    assert_eq!((&status["keys"]["known"], &status["keys"]["pending_total"]), (&2.into(), &1.into()), "{status}");
    assert_eq!(fields(&status["keys"]["pending"][0]), ["generation", "name", "replica_id", "seen"]);
    assert_eq!(status["keys"]["pending"][0]["replica_id"], Value::from(other.clone()));
    let text = cli.ok(&args).stdout;
    assert!(
        text.contains("1 of 2 say that they carried it out") && text.contains(&format!("not yet  {other}")),
        "{text}"
    );
    // Its receipt is of before the purge, which gave the writer another identity.
    assert_eq!(flags(&cli, &other), (vec!["sealed".to_owned(), "purge-pending".to_owned()], 3));
    let unasked = cli.ok(&["purge", "status", "./mirror", "--store", "pub", "--json"]).document();
    assert!(unasked["keys"].is_null(), "{unasked}");
    cli.ok(&["sync", "--store", "other", "--receipt"]);
    assert!(cli.ok(&args).stdout.contains("2 of 2 say that they carried it out"));
}
