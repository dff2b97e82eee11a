//! `writer`, `root`, `trust` and `key passphrase` as people and scripts run them, and that no secret is ever told.

use std::path::{Path, PathBuf};

use chunkstore::base::clock::FixedClock;
use chunkstore::base::monitor::SilentMonitor;
use chunkstore::base::random::SeededRandom;
use chunkstore::crypto::wrap::Identity;
use chunkstore::disk::OsDisk;
use chunkstore::ops::Run;
use chunkstore::ops::init::{InitRequest, init};
use serde_json::Value;

use super::{Cli, Ran, fields};

const PUB: [&str; 4] = ["--store", "pub", "--keys", "k"];

fn on_pub(cli: &Cli, args: &[&str]) -> Ran {
    cli.run(&[args, &PUB].concat())
}

#[track_caller]
fn ok_on_pub(cli: &Cli, args: &[&str]) -> Ran {
    cli.ok(&[args, &PUB].concat())
}

/// Makes a key for writing in a folder of its own, and returns its card.
fn new_writer(cli: &Cli, keys: &str) -> String {
    let made = cli.ok(&["writer", "new", "--store", "pub", "--keys", keys, "--no-passphrase", "--json"]).document();
    made["card"].as_str().unwrap().to_owned()
}

fn fingerprint(cli: &Cli) -> String {
    cli.ok(&["trust", "show", "--store", "pub", "--json"]).document()["fingerprint"].as_str().unwrap().to_owned()
}

fn writers(cli: &Cli, args: &[&str]) -> Value {
    cli.ok(&[&["writer", "list", "--json"], args].concat()).document()["writers"].clone()
}

/// The steps of the README, by the program alone.
#[test]
fn a_stolen_writers_key_is_replaced() {
    let cli = Cli::with_store();
    ok_on_pub(&cli, &["push", "./server"]);
    cli.ok(&["clone", "./server", "key", "--trust", &fingerprint(&cli)]);
    let card = new_writer(&cli, "k2");
    let added = ok_on_pub(&cli, &["writer", "add", &card, "--name", "new", "--note", "since the theft", "--json"]);
    let added = added.document();
    assert_eq!(
        fields(&added),
        ["dropped", "epoch", "generation", "new_epoch", "readers", "trust_version", "writer_tags"]
    );
    assert_eq!((&added["trust_version"], &added["new_epoch"]), (&2.into(), &false.into()));
    let listed = writers(&cli, &["--store", "pub", "--keys", "k2"]);
    let names: Vec<_> = listed.as_array().unwrap().iter().map(|writer| writer["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["publisher", "new"]);
    assert_eq!(listed[1]["this_machine"], true);
    assert_eq!(writers(&cli, &["--store", "pub", "--keys", "nowhere"])[0]["name"], Value::Null);
    // Only whoever stays can remove another one.
    let own = on_pub(&cli, &["writer", "remove", "publisher"]);
    assert_eq!(own.code, 18, "{own:?}");
    let new = ["--store", "pub", "--keys", "k2", "--root-keys", "k"];
    let removed = cli.ok(&[&["writer", "remove", "publisher", "--json"], &new[..]].concat()).document();
    assert_eq!((&removed["trust_version"], &removed["new_epoch"]), (&3.into(), &true.into()));
    cli.ok(&["push", "./server", "--store", "pub", "--keys", "k2"]);
    cli.ok(&["sync", "--store", "key"]);
    cli.write("files/more", b"more");
    let refused = on_pub(&cli, &["commit", "files"]);
    assert_eq!(refused.code, 12, "{refused:?}");
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k2"]);
    // The reader of the publisher's first machine still reads.
    assert_eq!(ok_on_pub(&cli, &["cat", "/more"]).stdout, "more");
    let shown = cli.ok(&["trust", "show", "--store", "key", "--json"]).document();
    assert_eq!((&shown["trust_version"], shown["writers"].as_array().unwrap().len()), (&3.into(), 1));
}

/// The publisher took so much of what the thief signed that no record of before is left, and this host has seen it all.
#[test]
fn what_is_too_far_back_for_a_store_comes_from_another_copy() {
    let cli = Cli::with_store();
    ok_on_pub(&cli, &["push", "./server"]);
    for copy in ["thief", "lags"] {
        cli.ok(&["clone", "./server", copy, "--trust", &fingerprint(&cli)]);
    }
    let good = cli.ok(&["status", "--store", "lags", "--json"]).document()["generation"].to_string();
    let card = new_writer(&cli, "k2");
    let add = |store: &str, more: &[&str]| {
        cli.run(&[&["writer", "add", &card, "--name", "new", "--store", store, "--keys", "k"], more].concat())
    };
    for round in 0..4 {
        cli.write("files/of the thief", format!("{round}").as_bytes());
        cli.ok(&["commit", "files", "--store", "thief", "--keys", "k"]);
        if round == 0 {
            let told = add("lags", &[]);
            assert!(told.code == 17 && told.stderr.contains(&format!("--back-to {good}")), "{told:?}");
        }
        cli.ok(&["push", "./server", "--store", "thief", "--keys", "k"]);
        cli.ok(&["sync", "./server", "--store", "pub"]);
    }
    let told = add("pub", &["--back-to", &good]);
    assert!(told.code == 2 && told.stderr.contains("clone from a copy of the store"), "{told:?}");
    cli.ok(&["clone", "./lags", "again", "--trust", &fingerprint(&cli)]);
    assert_eq!(add("again", &[]).code, 17, "this host has seen more");
    assert_eq!(add("again", &["--back-to", &good]).code, 0);
    let new = ["--store", "again", "--keys", "k2", "--root-keys", "k"];
    let removed = cli.ok(&[&["writer", "remove", "publisher"], &new[..]].concat());
    assert!(removed.stderr.contains("1 reader reads on"), "{removed:?}");
    cli.ok(&["push", "./server", "--store", "again", "--keys", "k2"]);
    for store in ["pub", "lags"] {
        cli.ok(&["sync", "./server", "--store", store]);
        let left = cli.ok(&["ls", "/", "--store", store, "--keys", "k"]).stdout;
        assert!(left.contains("a.txt") && !left.contains("of the thief"), "{store}: {left}");
    }
}

#[test]
fn a_change_that_two_roots_must_sign_travels_as_a_file() {
    let cli = Cli::with_store();
    let made = cli.ok(&["root", "new", "--store", "pub", "--root-keys", "r2", "--no-passphrase", "--json"]).document();
    ok_on_pub(&cli, &["root", "add", made["card"].as_str().unwrap()]);
    ok_on_pub(&cli, &["root", "threshold", "2", "--to", "higher"]);
    let signed = cli.ok(&["trust", "sign", "higher", "--root-keys", "r2", "--json"]).document();
    assert_eq!((&signed["signatures"], &signed["missing_signatures"]), (&2.into(), &0.into()));
    ok_on_pub(&cli, &["trust", "apply", "higher"]);
    let listed = ok_on_pub(&cli, &["root", "list", "--json"]).document();
    assert_eq!((&listed["threshold"], &listed["roots"][0]["at_hand"]), (&2.into(), &true.into()));
    assert_eq!(listed["roots"][1]["at_hand"], false);
    let card = new_writer(&cli, "k2");
    let alone = on_pub(&cli, &["writer", "add", &card, "--name", "laptop"]);
    assert_eq!(alone.code, 12, "{alone:?}");
    for word in ["1 more root signature is needed", "--to FILE", "trust sign FILE", "trust apply FILE"] {
        assert!(alone.stderr.contains(word), "{word}: {}", alone.stderr);
    }
    let planned = ok_on_pub(&cli, &["writer", "add", &card, "--name", "laptop", "--to", "change", "--json"]).document();
    assert_eq!((&planned["missing_signatures"], &planned["trust_version"]), (&1.into(), &4.into()));
    assert_eq!(on_pub(&cli, &["trust", "apply", "change"]).code, 12);
    assert_eq!(
        cli.run(&["trust", "sign", "change", "--root-keys", "k", "--store", "pub"]).code,
        12,
        "it signed already"
    );
    let shown = cli.ok(&["trust", "sign", "change", "--root-keys", "r2", "--store", "pub"]).stdout;
    assert!(shown.contains("+ writer") && shown.contains("laptop"), "{shown}");
    ok_on_pub(&cli, &["trust", "apply", "change"]);
    assert_eq!(writers(&cli, &PUB)[1]["name"], "laptop");
    assert_eq!(on_pub(&cli, &["trust", "apply", "change"]).code, 17, "it was overtaken by itself");
    for wrong in ["nowhere", "files/a.txt"] {
        assert_eq!(on_pub(&cli, &["trust", "apply", wrong]).code, 2);
    }
}

/// Whoever is handed a change sees all that it changes: a recipient in the place of a known writer's would be handed what writers know.
#[test]
fn a_change_that_gives_a_writer_another_recipient_is_told() {
    let cli = Cli::with_store();
    ok_on_pub(&cli, &["trust", "renew", "--for", "3y", "--to", "change"]);
    let honest = std::fs::read_to_string(cli.path("change")).unwrap();
    let own = writers(&cli, &PUB)[0]["recipient"].as_str().unwrap().to_owned();
    let other = Identity::generate().recipient().as_str().to_owned();
    let unsigned = honest.lines().filter(|line| !line.starts_with("signature ")).map(|line| format!("{line}\n"));
    let forged = unsigned.collect::<String>().replace(&own, &other).replace("\nfloor 0\n", "\nfloor 2\n");
    cli.write("change", forged.as_bytes());
    let told = ok_on_pub(&cli, &["trust", "sign", "change"]).stdout;
    assert!(told.contains(&format!("{own} -> {other}")), "{told}");
    assert!(told.contains("generations below 2 are not accepted any more"), "{told}");
    assert!(!told.contains("+ writer"), "{told}");
}

#[test]
fn what_cannot_be_is_refused() {
    let cli = Cli::with_store();
    cli.ok(&["init", "other", "--keys", "ko", "--no-passphrase"]);
    let foreign = cli.ok(&["writer", "new", "--store", "other", "--keys", "k3", "--no-passphrase"]).stdout;
    let (card, root) = (new_writer(&cli, "k2"), root_card(&cli));
    let first = writers(&cli, &PUB)[0]["key"].as_str().unwrap().to_owned();
    let roots = ok_on_pub(&cli, &["root", "list", "--json"]).document();
    let only_root = roots["roots"][0]["key"].as_str().unwrap()[..16].to_owned();
    for args in [
        &["writer", "add", foreign.trim(), "--name", "x"][..],
        &["writer", "add", &card[..card.len() - 1], "--name", "x"],
        &["writer", "add", &root, "--name", "x"],
        &["writer", "add", &card, "--name", ""],
        &["writer", "add", &card, "--name", "two\nlines"],
        &["root", "add", &card],
        &["writer", "remove", "nobody"],
        &["writer", "remove", &first[..7]],
        &["writer", "remove", &first],
        &["root", "remove", &only_root],
        &["root", "threshold", "2"],
        &["root", "threshold", "0"],
        &["trust", "renew", "--for", "0s"],
        &["writer", "remove", &first, "--discard", "--back-to", "1"],
        &["root", "threshold", "1", "--to", "f", "--back-to", "1"],
    ] {
        let ran = on_pub(&cli, args);
        assert_eq!(ran.code, 2, "{args:?}: {ran:?}");
    }
    assert_eq!(on_pub(&cli, &["writer", "new", "--no-passphrase"]).code, 1, "a key file is never overwritten");
    ok_on_pub(&cli, &["writer", "add", &card, "--name", "x"]);
    let twice = on_pub(&cli, &["writer", "add", &card, "--name", "y"]);
    assert_eq!(twice.code, 2, "{twice:?}");
    let without_root = cli.run(&["trust", "renew", "--store", "pub", "--keys", "k", "--root-keys", "nowhere"]);
    assert_eq!(without_root.code, 12, "{without_root:?}");
    ok_on_pub(&cli, &["trust", "renew", "--for", "5y"]);
    let shown = cli.ok(&["trust", "show", "--store", "pub", "--json"]).document();
    assert_eq!((&shown["trust_version"], &shown["expired"]), (&3.into(), &false.into()));
}

fn root_card(cli: &Cli) -> String {
    cli.ok(&["root", "new", "--store", "pub", "--root-keys", "r2", "--no-passphrase"]).stdout.trim().to_owned()
}

#[test]
fn a_root_key_is_rotated() {
    let cli = Cli::with_store();
    let old = ok_on_pub(&cli, &["root", "list", "--json"]).document()["roots"][0]["key"].as_str().unwrap().to_owned();
    // Beside the old one, under another name.
    let card = ok_on_pub(&cli, &["root", "new", "--no-passphrase", "--json"]).document();
    assert!(card["key_file"].as_str().unwrap().contains("root-"), "{card}");
    ok_on_pub(&cli, &["root", "add", card["card"].as_str().unwrap()]);
    let both = on_pub(&cli, &["key", "export", "root", "--paper"]);
    assert!(both.code == 2 && both.stderr.contains("several root keys"), "{both:?}");
    ok_on_pub(&cli, &["root", "remove", &old[..12]]);
    let new = std::fs::read_to_string(card["key_file"].as_str().unwrap()).unwrap();
    let exported = || ok_on_pub(&cli, &["key", "export", "root", "--paper", "--json"]).document()["text"].clone();
    assert_eq!(exported(), new, "of two the one that is trusted");
    std::fs::remove_file(key_files(&cli, "k").into_iter().find(|path| path.ends_with("root.key")).unwrap()).unwrap();
    assert_eq!(exported(), new, "the only one, whatever it is called");
    ok_on_pub(&cli, &["trust", "renew", "--for", "3y"]);
    let left = ok_on_pub(&cli, &["root", "list", "--json"]).document();
    assert_eq!((left["roots"].as_array().unwrap().len(), &left["roots"][0]["at_hand"]), (1, &true.into()));
}

#[test]
fn the_passphrase_of_key_files_is_changed() {
    let cli = Cli::with_store();
    for (file, text) in [("p1", "first secret\n"), ("p2", "second secret\n"), ("empty", "\n")] {
        cli.write(file, text.as_bytes());
    }
    let change = |args: &[&str]| on_pub(&cli, &[&["key", "passphrase", "--json"], args].concat());
    let done = change(&["--no-passphrase", "--new-passphrase-file", "p1"]).document();
    assert_eq!((done["changed"].as_array().unwrap().len(), &done["files"]), (3, &3.into()));
    assert_eq!(on_pub(&cli, &["cat", "/a.txt", "--no-passphrase"]).code, 12);
    assert_eq!(ok_on_pub(&cli, &["cat", "/a.txt", "--passphrase-file", "p1"]).stdout, "first");
    // A run that was cut off left some files with the new one: the next run ends it.
    let writer = key_files(&cli, "k").into_iter().find(|path| path.ends_with("writer.key")).unwrap();
    let kept = std::fs::read(&writer).unwrap();
    assert_eq!(change(&["--passphrase-file", "p2", "--new-passphrase-file", "p2"]).code, 12, "the wrong one");
    change(&["--passphrase-file", "p1", "--new-passphrase-file", "p2"]).document();
    std::fs::write(&writer, kept).unwrap();
    let again = change(&["--passphrase-file", "p1", "--new-passphrase-file", "p2"]).document();
    assert_eq!(again["changed"].as_array().unwrap().len(), 1, "{again}");
    assert_eq!(change(&["--passphrase-file", "p2", "--new-passphrase-file", "empty"]).code, 2);
    assert_eq!(change(&["--passphrase-file", "p2"]).code, 2, "nobody can be asked");
    ok_on_pub(&cli, &["commit", "files", "--passphrase-file", "p2"]);
    ok_on_pub(&cli, &["trust", "renew", "--for", "2y", "--passphrase-file", "p2"]);
    change(&["--passphrase-file", "p2", "--no-new-passphrase"]).document();
    assert_eq!(ok_on_pub(&cli, &["cat", "/a.txt"]).stdout, "first");
    assert_private(&cli);
}

fn key_files(cli: &Cli, keys: &str) -> Vec<PathBuf> {
    let store = std::fs::read_dir(cli.path(keys)).unwrap().next().unwrap().unwrap().path();
    std::fs::read_dir(store).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Checks that key files are their owner's alone.
#[cfg(windows)]
fn assert_private(cli: &Cli) {
    assert!(key_files(cli, "k").len() >= 3);
    assert!(!ok_on_pub(cli, &["ls", "/"]).stderr.contains("can be read"));
}

/// Checks that key files are their owner's alone, and that those which are not are told of.
#[cfg(unix)]
fn assert_private(cli: &Cli) {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let files = key_files(cli, "k");
    assert!(files.len() >= 3 && files.iter().all(|file| mode(file) == 0o600), "{files:?}");
    assert_eq!(mode(files[0].parent().unwrap()), 0o700);
    for (open, bits) in [(&files[0], 0o640), (&files[0], 0o604), (&files[0].parent().unwrap().to_owned(), 0o711)] {
        let before = std::fs::metadata(open).unwrap().permissions();
        std::fs::set_permissions(open, std::fs::Permissions::from_mode(bits)).unwrap();
        for args in
            [&["ls", "/"][..], &["commit", "files"], &["root", "list"], &["key", "passphrase", "--no-new-passphrase"]]
        {
            let told = ok_on_pub(cli, args).stderr;
            assert_eq!(told.matches("can be read by others").count(), 1, "{args:?}: {told}");
        }
        std::fs::set_permissions(open, before).unwrap();
    }
    assert!(!ok_on_pub(cli, &["ls", "/"]).stderr.contains("can be read"));
}

/// Every secret of the key files of some folders, as a text might tell it.
fn secrets(cli: &Cli, keys: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for file in keys.iter().flat_map(|keys| key_files(cli, keys)) {
        let text = std::fs::read_to_string(&file).unwrap();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let secret = line.strip_prefix("sign-seed ").or_else(|| line.strip_prefix("identity ")).unwrap_or(line);
            if secret.len() >= 64 {
                found.push(secret.to_owned());
            }
        }
    }
    found.push("a passphrase that nobody tells".to_owned());
    found
}

fn all_files(dir: &Path, left_out: &[PathBuf], found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        if left_out.contains(&entry) {
            continue;
        }
        if entry.is_dir() && !entry.is_symlink() {
            all_files(&entry, left_out, found);
        } else if entry.is_file() {
            found.push(entry);
        }
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|part| part.eq_ignore_ascii_case(needle))
}

// U16
#[test]
fn no_secret_is_told_or_written_anywhere_but_in_key_files() {
    let cli = Cli::with_store();
    cli.write("phrase", b"a passphrase that nobody tells\n");
    let card = new_writer(&cli, "k2");
    let root = root_card(&cli);
    let mut told = cli.ok(&["reader", "new", "--store", "pub", "--keys", "k3", "--no-passphrase", "-vv"]).stderr;
    let mut run = |args: &[&str]| {
        for more in [&[][..], &["-vv"], &["--json", "-vv"]] {
            let ran = cli.run(&[args, more].concat());
            told.push_str(&format!("{args:?} {}\n{}{}", ran.code, ran.stdout, ran.stderr));
        }
    };
    let keys = ["--store", "pub", "--keys", "k"];
    let on_pub: [&[&str]; 16] = [
        &["writer", "add", &card, "--name", "x"],
        &["writer", "list"],
        &["root", "add", &root],
        &["root", "list"],
        &["trust", "renew", "--for", "7y"],
        &["trust", "show"],
        &["writer", "remove", "x", "--to", "change"],
        &["trust", "sign", "change"],
        &["writer", "remove", "x"],
        &["commit", "files"],
        &["log"],
        &["ls", "/"],
        &["status"],
        &["verify", "--read-data"],
        &["gc", "--dry-run"],
        &["push", "./server"],
    ];
    for args in on_pub {
        run(&[args, &keys].concat());
    }
    // What goes wrong tells no more.
    run(&["commit", "files", "--store", "pub", "--keys", "k2"]);
    let damaged = key_files(&cli, "k2").pop().unwrap();
    let text = std::fs::read_to_string(&damaged).unwrap();
    let found = secrets(&cli, &["k", "k2", "k3", "r2"]);
    assert!(found.len() >= 8, "{}", found.len());
    std::fs::write(&damaged, text.replace("sign-seed ", "sign-seed x").replace("\nstore ", "\nstore")).unwrap();
    run(&["commit", "files", "--store", "pub", "--keys", "k2"]);
    std::fs::write(&damaged, text.replace("identity AGE", "identity GAE")).unwrap();
    run(&["commit", "files", "--store", "pub", "--keys", "k2"]);
    let identity = damaged.to_str().unwrap();
    run(&["ls", "/", "--store", "pub", "--identity", identity]);
    run(&["key", "passphrase", "--store", "pub", "--keys", "k", "--new-passphrase-file", "phrase"]);
    run(&["ls", "/", "--store", "pub", "--keys", "k", "--passphrase-file", "phrase"]);
    assert!(told.len() > 10_000);
    for secret in &found {
        assert!(!contains(told.as_bytes(), secret.as_bytes()), "a secret was told in:\n{told}");
    }
    let (mut files, left_out) = (Vec::new(), ["k", "k2", "k3", "r2", "phrase"].map(|name| cli.path(name)));
    all_files(&cli.path(""), &left_out, &mut files);
    assert!(files.len() > 30, "{files:?}");
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        for secret in &found {
            assert!(!contains(&bytes, secret.as_bytes()), "a secret stands in {}", file.display());
            if let Some(raw) = unhex(secret) {
                assert!(!bytes.windows(32).any(|part| part == raw), "a secret stands in {}", file.display());
            }
        }
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 {
        return None;
    }
    (0..32).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()).collect()
}

/// A trust file that expired is told of, and nothing ends for it.
#[test]
fn trust_that_expired_is_told_of() {
    let cli = Cli::new();
    let (clock, random) = (FixedClock::new("2001-09-09T01:46:40Z".parse().unwrap()), SeededRandom::new(1));
    let keys = cli.path("k");
    let request = InitRequest { readers: vec![], keys: &keys, root_keys: &keys, passphrase: None };
    let disk = OsDisk::create(&cli.path("pub")).unwrap();
    init(&disk, &request, Run { clock: &clock, random: &random, monitor: &SilentMonitor }).unwrap();
    cli.write("files/a.txt", b"first");
    ok_on_pub(&cli, &["commit", "files"]);
    let told = ok_on_pub(&cli, &["ls", "/"]).stderr;
    assert_eq!((told.matches("has expired").count(), told.matches("trust renew").count()), (1, 1), "{told}");
    assert_eq!(cli.ok(&["trust", "show", "--store", "pub", "--json"]).document()["expired"], true);
    cli.ok(&["clone", "./pub", "key", "--trust", &fingerprint(&cli)]);
    ok_on_pub(&cli, &["trust", "renew"]);
    assert!(!ok_on_pub(&cli, &["ls", "/"]).stderr.contains("has expired"));
    cli.ok(&["sync", "--store", "key"]);
    assert_eq!(cli.ok(&["trust", "show", "--store", "key", "--json"]).document()["expired"], false);
}
