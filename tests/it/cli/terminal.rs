//! Whatever a writer or a remote says, no byte of it drives the terminal that shows it.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;

use chunkstore::crypto::wrap::Identity;
use chunkstore::disk::{Disk, OsDisk};
use chunkstore::format::tree::Node;
use chunkstore::ops::local_keys::KeyDir;
use chunkstore::store::Store;

use super::{Cli, Ran};
use crate::handmade::{self, Hand};

const KEYS: [&str; 4] = ["--store", "pub", "--keys", "k"];

/// Sets a title, clears the screen, answers for the terminal, turns the line around, and begins new lines; C1 controls, too.
const EVIL: &str = "x\x1b]0;title\x07\x1b[2J\x1b[6n\u{9b}31m\u{202e}gpj\u{2028}y\r\x08\x7f";

/// Asserts that what was written is plain: lines, tabs, and colours that the program itself paints.
#[track_caller]
fn assert_plain(what: &str, ran: &Ran) {
    for text in [&ran.stdout, &ran.stderr] {
        let mut rest = text.clone();
        for code in ["0", "1", "31", "32", "33", "34", "36"] {
            rest = rest.replace(&format!("\x1b[{code}m"), "");
        }
        let bad = rest.chars().find(|c| {
            (c.is_control() && *c != '\n')
                || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}')
        });
        assert_eq!(bad, None, "{what}: {text:?}");
    }
}

/// Two snapshots with `EVIL` wherever a snapshot has text, a damaged file among them.
fn hostile() -> Cli {
    let cli = Cli::new();
    cli.ok(&["init", "pub", "--keys", "k", "--no-passphrase"]);
    let disk: Arc<dyn Disk> = Arc::new(OsDisk::open(&cli.path("pub")).unwrap());
    let store = Store::open(Arc::clone(&disk)).unwrap().id();
    for round in 0..2u64 {
        let writer = KeyDir::new(&cli.path("k"), store).load_writer(&|_| unreachable!()).unwrap().unwrap();
        handmade::commit_to(&disk, writer, |hand| {
            (hand.author, hand.message) = (EVIL.to_owned(), format!("{EVIL}{round}"));
            hand.tags = vec![format!("t{round}\x1b[2J")];
            let mut file = hand.file(EVIL, 1, format!("content {round}").as_bytes());
            (file.meta.user, file.meta.group) = (EVIL.to_owned(), EVIL.to_owned());
            let moved = hand.file(&format!("{EVIL}{round}"), 2, b"moved");
            let wrong = hand.forged("..", 3, b"lost");
            let wrong = Hand::over(&format!("{EVIL}damaged"), 8, wrong);
            let inner = vec![hand.file(EVIL, 4, b"inner")];
            let dir = hand.dir(&format!("{EVIL}dir"), 5, inner);
            let link = Hand::entry(&format!("{EVIL}link"), 6, Node::Symlink { target: EVIL.as_bytes().to_vec() });
            let socket = Hand::entry(&format!("{EVIL}socket"), 7, Node::Socket);
            hand.tree(vec![file, moved, wrong, dir, link, socket])
        });
    }
    cli
}

#[test]
fn nothing_that_a_snapshot_says_drives_a_terminal() {
    let cli = hostile();
    let evil_path = format!("/{EVIL}damaged");
    let evil_spot = format!("{EVIL}:/");
    // Someone who may read, with a name and a note as any writer could give them.
    let recipient = Identity::generate().recipient().as_str().to_owned();
    let added = cli.run(&[&["reader", "add", &recipient, "--name", "x\u{202e}y", "--note", EVIL], &KEYS[..]].concat());
    assert_plain("reader add", &added);
    let verbs: [&[&str]; 25] = [
        &["reader", "list"],
        &["writer", "list"],
        &["purge", &evil_path, "--dry-run"],
        &["log"],
        &["ls", "/"],
        &["ls", "-r", "/"],
        &["ls", &evil_path],
        &["ls", &evil_spot],
        &["cat", &evil_path],
        &["find", "*"],
        &["find", "*", "--all"],
        &["diff", "HEAD~1", "HEAD"],
        &["stats"],
        &["stats", "--by-path"],
        &["status"],
        &["status", "--check"],
        &["verify"],
        &["verify", "--read-data"],
        &["restore", "/", "out"],
        &["restore", "/", "out2", "--dry-run"],
        &["restore", &evil_path, "out3"],
        &["export", "/", "-o", "out.tar"],
        &["export", "/", "-o", "out.zip"],
        &["forget", "--keep-last", "1", "--dry-run"],
        &["commit", "out", "-m", "more", "--dry-run"],
    ];
    for verb in verbs {
        for flags in [&["--color", "always"][..], &["--color", "never"], &["--json"], &["-vv", "--progress", "always"]]
        {
            let ran = cli.run(&[verb, &KEYS, flags].concat());
            assert!(ran.code != 2, "{verb:?}: {ran:?}");
            if flags[0] != "-vv" {
                assert_plain(&format!("{verb:?} {flags:?}"), &ran);
            }
        }
    }
    let listed = cli.ok(&[&["ls", "/"], &KEYS[..]].concat());
    assert!(listed.stdout.contains("\\x1b]0;title\\x07"), "shown, but escaped: {listed:?}");
}

/// A server that greets and then refuses everything with the same words.
fn rude(words: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ftp://u:p@{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        // The test's process ends it.
        for stream in listener.incoming().flatten() {
            let mut answers = &stream;
            let _ = answers.write_all(b"220-\x1b[2J\r\n220 \x1b[6n\r\n");
            for _ in BufReader::new(&stream).lines().map_while(Result::ok) {
                let _ = answers.write_all(words);
            }
        }
    });
    url
}

#[test]
fn nothing_that_a_remote_says_drives_a_terminal() {
    let cli = Cli::with_store();
    // Each refuses the login for good, so that nothing is tried again.
    let plain = &b"530 no \x1b]0;title\x07\x1b[2J\xc2\x9b31m \xe2\x80\xaegpj\r\n"[..];
    for words in [plain, b"530-\x1b[2J\r\n\x1b[6n\r\n530 \x07\r\n"] {
        let url = rude(words);
        for flags in [&["--color", "always"][..], &["--json"], &["-vv"]] {
            for verb in [&["push", &url][..], &["sync", &url], &["clone", &url, "key", "--trust", &"0".repeat(32)]] {
                let ran = cli.run(&[verb, if verb[0] == "clone" { &[] } else { &KEYS }, flags].concat());
                assert_eq!(ran.code, 14, "{ran:?}");
                assert_plain(&format!("{verb:?} {flags:?}"), &ran);
            }
        }
    }
}

#[test]
fn nothing_that_was_typed_drives_a_terminal() {
    let cli = Cli::with_store();
    // As a shell puts names of files there.
    let flag = format!("--{EVIL}");
    for args in
        [&[EVIL][..], &[&flag], &["ls", "/", &flag], &["browse", "--port", EVIL], &["fleet", EVIL], &["agent", EVIL]]
    {
        let ran = cli.run(args);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.contains("error: ") && ran.stderr.contains("\\u{202e}gpj"), "shown, but escaped: {ran:?}");
        assert_plain(&format!("{args:?}"), &ran);
    }
}

#[test]
fn no_name_in_a_change_of_trust_drives_a_terminal() {
    let cli = Cli::with_store();
    let made = cli.ok(&["writer", "new", "--store", "pub", "--keys", "k2", "--no-passphrase", "--json"]).document();
    let card = made["card"].as_str().unwrap();
    let name = "x\u{202e}y\u{2028}z";
    let told = cli.ok(&[&["writer", "add", card, "--name", name, "--to", "change"], &KEYS[..]].concat());
    assert!(told.stdout.contains("+ writer"), "{told:?}");
    assert_plain("--to", &told);
}
