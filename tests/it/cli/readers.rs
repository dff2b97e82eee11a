//! `reader` and `key` as people and scripts run them.

use std::path::PathBuf;
use std::process::Command;

use chunkstore::crypto::wrap::Identity;

use super::{Cli, Ran, fields};

const KEYS: [&str; 4] = ["--store", "pub", "--keys", "k"];

fn with_keys(cli: &Cli, args: &[&str]) -> Ran {
    cli.run(&[args, &KEYS].concat())
}

/// Makes an age identity as another machine would: the identity of a store of its own.
fn identity(cli: &Cli, name: &str) -> (String, PathBuf) {
    let document =
        cli.ok(&["init", name, "--keys", name_of_keys(name).as_str(), "--no-passphrase", "--json"]).document();
    let id = document["store_id"].as_str().unwrap().to_owned();
    let file = cli.path(&name_of_keys(name)).join(id).join("reader.key");
    let text = std::fs::read_to_string(&file).unwrap();
    let recipient = text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap();
    (recipient.to_owned(), file)
}

fn name_of_keys(name: &str) -> String {
    format!("keys of {name}")
}

#[test]
fn a_reader_is_added_listed_and_revoked() {
    let cli = Cli::with_store();
    let (recipient, file) = identity(&cli, "ada");
    let added = with_keys(&cli, &["reader", "add", &recipient, "--name", "ada", "--note", "the blue key", "--json"]);
    let added = added.document();
    assert_eq!(fields(&added), ["added", "epoch", "generation", "readers"]);
    assert_eq!((&added["readers"], &added["epoch"]), (&2.into(), &1.into()));
    let names = ["added", "by_passphrase", "name", "note", "recipient", "role", "since_epoch", "tag", "until_epoch"];
    assert_eq!(fields(&added["added"][0]), names);
    let as_ada = ["cat", "/a.txt", "--store", "pub", "--identity", file.to_str().unwrap()];
    assert_eq!(cli.ok(&as_ada).stdout, "first");

    let listed = with_keys(&cli, &["reader", "list"]);
    assert!(listed.stdout.contains("  ada  ") && listed.stdout.contains("the blue key"), "{listed:?}");
    let revoked = with_keys(&cli, &["reader", "revoke", "ada"]);
    assert!(revoked.stdout.contains("1 reader can read epoch 2"), "{revoked:?}");
    let closed = cli.run(&as_ada);
    assert_eq!(closed.code, 12, "{closed:?}");
    assert_eq!(with_keys(&cli, &["reader", "list", "--json"]).document()["readers"].as_array().unwrap().len(), 1);
    let all = with_keys(&cli, &["reader", "list", "--all"]);
    assert!(all.stdout.contains("revoked with epoch 2"), "{all:?}");
    assert_eq!(with_keys(&cli, &["reader", "revoke", "ada"]).code, 1);
}

/// As whoever lost a reader's key to a thief does, on a machine that has nothing but the program.
#[test]
fn a_machine_makes_a_key_for_reading_of_its_own() {
    let cli = Cli::with_store();
    let new = ["reader", "new", "--store", "pub", "--keys", "k2", "--no-passphrase"];
    let made = cli.ok(&new);
    let recipient = made.stdout.trim();
    assert!(recipient.starts_with("age1") && made.stderr.contains("the line above is no secret"), "{made:?}");
    assert_eq!(cli.run(&new).code, 1, "a key file is never overwritten");
    let as_new = ["cat", "/a.txt", "--store", "pub", "--keys", "k2"];
    assert_eq!(cli.run(&as_new).code, 12, "nobody added it yet");
    assert_eq!(with_keys(&cli, &["reader", "add", recipient, "--name", "again"]).code, 0);
    assert_eq!(with_keys(&cli, &["reader", "revoke", "publisher"]).code, 0);
    assert_eq!(cli.ok(&as_new).stdout, "first");
    let other = cli.ok(&["reader", "new", "--store", "pub", "--keys", "k3", "--no-passphrase", "--json"]).document();
    assert_eq!(fields(&other), ["key_file", "recipient"]);
    assert_ne!(other["recipient"], recipient);
}

#[test]
fn readers_come_from_a_file() {
    let cli = Cli::with_store();
    let people: Vec<String> = (0..3).map(|number| identity(&cli, &format!("s{number}")).0).collect();
    let text = format!("# who\n\n{}\tada\tthe blue key\n{}\tgrace\n{}\n", people[0], people[1], people[2]);
    cli.write("readers.tsv", text.as_bytes());
    let added = with_keys(&cli, &["reader", "add", "--from-file", "readers.tsv", "--json"]).document();
    let names: Vec<&str> =
        added["added"].as_array().unwrap().iter().map(|holder| holder["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["ada", "grace", people[2].as_str()]);
    for (text, words) in [
        ("age1nonsense\tada", "line 1 has to be a recipient"),
        ("# nobody\n", "no reader stands in it"),
        (&format!("{}\ta\tb\tc", people[0]), "line 1 has more than"),
    ] {
        cli.write("bad.tsv", text.as_bytes());
        let ran = with_keys(&cli, &["reader", "add", "--from-file", "bad.tsv"]);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.contains(words), "{ran:?}");
    }
    // Twice the same fails as a whole, and nobody is added.
    assert_eq!(with_keys(&cli, &["reader", "add", "--from-file", "readers.tsv"]).code, 1);
    assert_eq!(with_keys(&cli, &["reader", "list", "--json"]).document()["readers"].as_array().unwrap().len(), 4);
}

#[test]
fn a_passphrase_alone_opens_a_store_and_stays_good_through_epochs() {
    let cli = Cli::with_store();
    cli.write("secret", b"correct horse\n");
    cli.write("wrong", b"correct cow\n");
    let add = ["reader", "add", "--by-passphrase-file", "secret", "--name", "grace", "--json"];
    let tag = with_keys(&cli, &add).document()["added"][0]["tag"].as_str().unwrap().to_owned();
    cli.ok(&["push", "./remote", "--store", "pub", "--keys", "k"]);
    let fingerprint = cli.ok(&["status", "--store", "pub", "--json"]).document()["fingerprint"].clone();
    cli.ok(&["clone", "./remote", "key", "--trust", fingerprint.as_str().unwrap(), "--reader", &tag]);
    let read = |passphrase: &str| cli.run(&["cat", "/a.txt", "--store", "key", "--passphrase-file", passphrase]);
    assert_eq!(read("secret").stdout, "first");
    assert_eq!(read("wrong").code, 12, "{:?}", read("wrong"));
    assert_eq!(cli.run(&["cat", "/a.txt", "--store", "key"]).code, 12, "nobody to ask");

    assert_eq!(with_keys(&cli, &["key", "rotate"]).code, 0);
    cli.write("files/a.txt", b"second");
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k"]);
    cli.ok(&["push", "./remote", "--store", "pub", "--keys", "k"]);
    cli.ok(&["sync", "./remote", "--store", "key"]);
    assert_eq!(read("secret").stdout, "second");
    assert_eq!(with_keys(&cli, &["reader", "revoke", "grace"]).code, 0);
    cli.ok(&["push", "./remote", "--store", "pub", "--keys", "k"]);
    let told = cli.ok(&["sync", "./remote", "--store", "key", "--json"]);
    assert!(told.stderr.contains("the reader of this key is not listed"), "{told:?}");
    assert_eq!(told.last()["key_lack"], "unlisted");
    assert_eq!(read("secret").code, 12);
}

#[test]
fn a_copy_that_nobody_can_read_from_is_told_of_when_it_is_made() {
    let cli = Cli::with_store();
    let people: String = (0..64).map(|_| format!("{}\n", Identity::generate().recipient().as_str())).collect();
    cli.write("people.tsv", people.as_bytes());
    let added = with_keys(&cli, &["reader", "add", "--from-file", "people.tsv", "--json"]).document();
    cli.ok(&["push", "./remote", "--store", "pub", "--keys", "k"]);
    let fingerprint = cli.ok(&["status", "--store", "pub", "--json"]).document()["fingerprint"].clone();
    let clone = |name: &str, more: &[&str]| {
        let made =
            cli.ok(&[&["clone", "./remote", name, "--trust", fingerprint.as_str().unwrap(), "--json"], more].concat());
        (made.last()["key_lack"].clone(), made.stderr)
    };
    let (lack, told) = clone("mirror", &[]);
    assert!(told.contains("nobody can read from this copy") && told.contains("clone --reader TAG"), "{told}");
    assert_eq!(lack, "too-many");
    assert!(!cli.ok(&["sync", "--store", "mirror"]).stderr.contains("nobody can read"), "it is told once");
    let (lack, told) = clone("key", &["--reader", added["added"][0]["tag"].as_str().unwrap()]);
    assert!(lack.is_null() && !told.contains("nobody can read"), "{lack} {told}");
    let (lack, told) = clone("other", &["--reader", "00000000"]);
    assert!(lack == "unlisted" && told.contains("is not listed"), "{lack} {told}");
}

/// What is wrapped for a reader opens with the `age` command: the identity under a passphrase is an identity file of its own.
#[test]
fn a_key_file_opens_with_the_age_command() {
    let Some(age) = std::env::var_os("CHUNKSTORE_TEST_AGE") else {
        println!("SKIPPED: no age here; set CHUNKSTORE_TEST_AGE (tools/test-tools.sh fetches it)");
        return;
    };
    let cli = Cli::with_store();
    let (recipient, file) = identity(&cli, "ada");
    let tag = with_keys(&cli, &["reader", "add", &recipient, "--name", "ada", "--json"]).document();
    let tag = tag["added"][0]["tag"].as_str().unwrap().to_owned();
    let key_file = cli.path("pub/keys/00000001").join(format!("{tag}.age"));
    let opened = Command::new(age).arg("--decrypt").arg("-i").arg(file).arg(key_file).output().unwrap();
    assert!(opened.status.success(), "{opened:?}");
    let text = String::from_utf8(opened.stdout).unwrap();
    assert!(text.starts_with("chunkstore reader keys\nstore ") && text.contains("\nepoch 1 "), "{text}");
}

#[test]
fn a_key_goes_to_paper_and_comes_back() {
    let cli = Cli::with_store();
    for which in ["reader", "writer", "root"] {
        let page = with_keys(&cli, &["key", "export", which, "--paper"]);
        assert_eq!(page.code, 0, "{page:?}");
        for words in ["fingerprint ", "Whoever has this page has the key", "█▀▀▀▀▀█", &format!("chunkstore {which}")]
        {
            assert!(page.stdout.contains(words), "{words}: {page:?}");
        }
        cli.write("page.txt", page.stdout.as_bytes());
        let back = cli.run(&["key", "import", "page.txt", "--store", "pub", "--keys", "k2", "--no-passphrase"]);
        assert_eq!(back.code, 0, "{back:?}");
        let again = cli.run(&["key", "import", "page.txt", "--store", "pub", "--keys", "k2", "--no-passphrase"]);
        assert_eq!(again.code, 1, "a key file is never overwritten: {again:?}");
    }
    assert_eq!(cli.ok(&["cat", "/a.txt", "--store", "pub", "--keys", "k2"]).stdout, "first");
    cli.write("files/a.txt", b"second");
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k2"]);

    let page = with_keys(&cli, &["key", "export", "writer", "--paper", "--json"]).document();
    assert_eq!(fields(&page), ["fingerprint", "key", "store_id", "text"]);
    cli.ok(&["init", "other", "--keys", "k", "--no-passphrase"]);
    cli.write("text", page["text"].as_str().unwrap().as_bytes());
    let foreign = cli.run(&["key", "import", "text", "--store", "other", "--keys", "k3", "--no-passphrase"]);
    assert!(foreign.code == 2 && foreign.stderr.contains("is of another store"), "{foreign:?}");
    // As an editor on Windows saves it.
    let typed = format!("\u{feff}{}", page["text"].as_str().unwrap().replace('\n', " \r\n"));
    cli.write("typed", typed.as_bytes());
    cli.ok(&["key", "import", "typed", "--store", "pub", "--keys", "k4", "--no-passphrase"]);
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k4"]);
    // A seed that was mistyped is the seed of another key.
    let at = typed.find("sign-seed ").unwrap() + "sign-seed ".len();
    let digit = if typed[at..].starts_with('0') { "1" } else { "0" };
    cli.write("typed", format!("{}{digit}{}", &typed[..at], &typed[at + 1..]).as_bytes());
    let wrong = cli.run(&["key", "import", "typed", "--store", "pub", "--keys", "k5", "--no-passphrase"]);
    assert!(wrong.code == 2 && wrong.stderr.contains("a digit may be mistyped"), "{wrong:?}");
    assert!(!cli.path("k5").exists());
    cli.write("nonsense", b"hello");
    assert_eq!(with_keys(&cli, &["key", "import", "nonsense", "--no-passphrase"]).code, 2);
}
