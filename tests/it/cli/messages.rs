//! Every message that people read: the help of each verb, and a sentence for each exit code, held word for word.
//!
//! What changed on purpose is taken over by running this with `INSTA_UPDATE=always`; the diff of the files then shows it.

use super::{Cli, first_file};

/// Replaces what differs from run to run: the working directory, and what is drawn at random.
fn steady(cli: &Cli, text: &str) -> String {
    let dir = cli.path("").canonicalize().unwrap();
    let mut text = text.to_owned();
    for dir in [dir.as_path(), &cli.path("")] {
        text = text.replace(dir.to_str().unwrap().trim_end_matches('/'), "[DIR]");
    }
    let hex_or_name = |c: char| c.is_ascii_hexdigit();
    let words = text.split_inclusive(|c: char| !(c.is_ascii_alphanumeric() || c == '.'));
    words
        .map(|word| {
            let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            let is_random = bare.len() >= 12 && bare.chars().all(|c| hex_or_name(c) || c == '.');
            if is_random { word.replacen(bare, "[RANDOM]", 1) } else { word.to_owned() }
        })
        .collect::<String>()
        .split("packs/")
        .enumerate()
        // The directory of a pack is two digits of its name.
        .map(
            |(at, part)| {
                if at > 0 { format!("packs/[..]{}", part.get(2..).unwrap_or_default()) } else { part.to_owned() }
            },
        )
        .collect()
}

#[track_caller]
fn assert_message(cli: &Cli, name: &str, args: &[&str], code: i32) {
    let ran = cli.run(args);
    assert_eq!(ran.code, code, "{args:?}: {ran:?}");
    let shown = steady(cli, &format!("$ chunkstore {}\nexit {code}\n{}{}", args.join(" "), ran.stdout, ran.stderr));
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false, snapshot_path => "messages" }, {
        insta::assert_snapshot!(name, shown);
    });
}

#[test]
fn help_of_every_verb() {
    let cli = Cli::new();
    assert_message(&cli, "help", &["--help"], 0);
    let listed = cli.ok(&["--help"]).stdout;
    let verbs = listed.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let mut count = 0;
    for verb in verbs.filter_map(|line| line.split_whitespace().next()).filter(|verb| *verb != "help") {
        assert_message(&cli, &format!("help-{verb}"), &[verb, "--help"], 0);
        count += 1;
    }
    assert!(count >= 21, "{count} verbs in:\n{listed}");
    for verb in ["add", "list"] {
        assert_message(&cli, &format!("help-remote-{verb}"), &["remote", verb, "--help"], 0);
    }
}

#[test]
fn a_sentence_for_every_exit_code() {
    let cli = Cli::with_store();
    let on_pub = |args: &[&'static str]| [args, &["--store", "pub", "--keys", "k"]].concat();
    for (name, args, code) in [
        ("1-snapshot", &["ls", "nonesuch:/"][..], 1),
        ("1-too-far", &["ls", "HEAD~99999999999999999999:/"], 1),
        ("1-path", &["cat", "/nowhere"], 1),
        ("1-through-a-file", &["ls", "/a.txt/below"], 1),
        ("1-directory", &["cat", "/sub"], 1),
        ("1-diff-path", &["diff", "HEAD", "HEAD", "/nowhere"], 1),
        ("2-date", &["ls", "@2026-02-30:/"], 2),
        ("2-back", &["ls", "HEAD~x:/"], 2),
        ("2-glob", &["find", "a[b"], 2),
        ("2-size", &["find", "*", "--size", "much"], 2),
        ("2-newer", &["find", "*", "--newer", "soon"], 2),
        ("2-all-snapshot", &["find", "*", "HEAD:/", "--all"], 2),
        ("2-path", &["ls", "/a/../b"], 2),
        ("2-tag", &["commit", "files", "--tag", "HEAD"], 2),
        ("2-remote", &["sync", "gopher://host/"], 2),
        ("2-man", &["man", "nonesuch"], 2),
        ("14-remote", &["sync", "./nowhere"], 14),
    ] {
        assert_message(&cli, name, &on_pub(args), code);
    }
    cli.configure("[profiles.home]\n[profiles.away]\n");
    assert_message(&cli, "2-profile", &["status", "--profile", "nonesuch"], 2);
    assert_message(&cli, "2-no-verb-like-that", &["frobnicate"], 2);
    assert_message(&cli, "2-value", &["status", "--progress", "sometimes"], 2);
    assert_message(&cli, "10-no-store", &["status", "--store", "nowhere"], 10);
    assert_message(&cli, "12-no-identity", &["cat", "/a.txt", "--store", "pub", "--keys", "elsewhere"], 12);
    assert_message(&cli, "18-fingerprint", &["clone", "./pub", "key", "--trust", &"00".repeat(16)], 18);
    let foreign = ["verify", "--store", "pub", "--identity", "stranger"];
    cli.write("stranger", age_identity().as_bytes());
    assert_message(&cli, "12-verify", &foreign, 12);
    let trust = cli.ok(&["status", "--store", "pub", "--json"]).document();
    cli.ok(&["clone", "./pub", "behind", "--trust", trust["fingerprint"].as_str().unwrap()]);
    cli.write("files/a.txt", b"changed");
    cli.ok(&on_pub(&["commit", "files"]));
    cli.ok(&on_pub(&["push", "./remote"]));
    assert_message(&cli, "17-remote-is-ahead", &["push", "./remote", "--store", "behind"], 17);
    let lock = std::fs::File::options().write(true).open(cli.path("pub/lock")).unwrap();
    lock.lock().unwrap();
    cli.write("files/more", b"more");
    assert_message(&cli, "11-locked", &on_pub(&["commit", "files"]), 11);
    lock.unlock().unwrap();
    odd_name(&cli);
    assert_message(&cli, "3-left-out", &on_pub(&["export", "/", "-o", "out.zip"]), 3);
    for pack in std::iter::repeat_with(|| first_file(&cli.path("pub/packs"))).take(pack_count(&cli)) {
        std::fs::remove_file(pack).unwrap();
    }
    assert_message(&cli, "13-packs-lost", &on_pub(&["ls", "/"]), 13);
    assert_message(&cli, "13-verify", &["verify", "--store", "pub", "-q"], 13);
}

/// An identity of age that opens no store.
fn age_identity() -> String {
    let identity = chunkstore::crypto::wrap::Identity::generate();
    identity.to_line().to_string()
}

/// Commits a name that is no UTF-8.
fn odd_name(cli: &Cli) {
    use std::os::unix::ffi::OsStrExt;
    std::fs::write(cli.path("files").join(std::ffi::OsStr::from_bytes(b"odd\xff")), b"x").unwrap();
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k"]);
}

fn pack_count(cli: &Cli) -> usize {
    let status = cli.ok(&["status", "--store", "pub", "--json"]).document();
    status["packs"].as_u64().unwrap() as usize
}
