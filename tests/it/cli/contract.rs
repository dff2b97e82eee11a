//! The fields that scripts count on, `-q`, and the shape of what is written.

use super::{Cli, fields, has_fields};

#[test]
fn init_and_commit_write_one_document_each() {
    let cli = Cli::new();
    cli.write("files/a", b"12345");
    let made = cli.ok(&["init", "pub", "--keys", "k", "--no-passphrase", "--json"]).document();
    has_fields(&made, &["store_id", "fingerprint"]);
    let fingerprint = made["fingerprint"].as_str().unwrap();
    assert!(fingerprint.len() == 32 && fingerprint.bytes().all(|b| b.is_ascii_hexdigit()), "{made}");
    let args = ["commit", "files", "--store", "pub", "--keys", "k", "--json", "--progress", "always"];
    let done = cli.ok(&args).document();
    has_fields(&done, &["snapshot", "generation", "files", "bytes", "new_bytes"]);
    assert_eq!((&done["generation"], &done["files"], &done["bytes"]), (&2.into(), &1.into(), &5.into()));
    let again = cli.ok(&args).document();
    assert_eq!(
        (&again["snapshot"], &again["new_bytes"], &again["changed"]),
        (&done["snapshot"], &0.into(), &false.into())
    );
}

#[test]
fn status_verify_log_and_ls_keep_their_fields() {
    let cli = Cli::with_store();
    let with_keys = |verb: &[&str]| cli.ok(&[verb, &["--store", "pub", "--keys", "k", "--json"]].concat());
    let status = with_keys(&["status"]).document();
    has_fields(
        &status,
        &["store_id", "replica_id", "generation", "snapshot", "fingerprint", "stale", "degraded", "last_sync"],
    );
    assert_eq!(
        (&status["stale"], &status["degraded"], &status["generation"]),
        (&false.into(), &false.into(), &2.into())
    );
    let verified = with_keys(&["verify", "--read-data"]).document();
    has_fields(&verified, &["ok", "checked_bytes", "problems"]);
    assert_eq!((&verified["ok"], &verified["problems"]), (&true.into(), &serde_json::json!([])));
    let log = with_keys(&["log"]).lines();
    assert_eq!((&log[0]["snapshot"], &log[0]["message"]), (&status["snapshot"], &"one".into()));
    let listed = with_keys(&["ls", "/", "--recursive"]).lines();
    let paths: Vec<_> = listed.iter().map(|line| line["path"].as_str().unwrap()).collect();
    assert_eq!(
        paths,
        if cfg!(unix) { vec!["/a.txt", "/link", "/sub", "/sub/b.bin"] } else { vec!["/a.txt", "/sub", "/sub/b.bin"] }
    );
    assert_eq!(fields(&listed[0]), ["mode", "mtime", "path", "size", "type"]);
    assert_eq!((&listed[0]["type"], &listed[0]["size"]), (&"file".into(), &5.into()));
    let (mode, mtime) = (listed[0]["mode"].as_str().unwrap(), listed[0]["mtime"].as_str().unwrap());
    assert!(mode.len() == 4 && mode.starts_with('0') && mode.bytes().all(|b| (b'0'..b'8').contains(&b)), "{mode}");
    assert!(mtime.len() == "2026-11-21T07:35:00.000000000Z".len() && mtime.ends_with('Z'), "{mtime}");
}

#[test]
fn clone_and_sync_end_with_done() {
    let cli = Cli::with_store();
    let status = cli.ok(&["status", "--store", "pub", "--json"]).document();
    let trust = status["fingerprint"].as_str().unwrap();
    let wanted = [
        "event",
        "generation",
        "fetched_bytes",
        "sent_bytes",
        "reused_bytes",
        "packs_fetched",
        "packs_reused",
        "wire_bytes",
    ];
    let cloned = cli.ok(&["clone", "./pub", "key", "--trust", trust, "--json"]);
    has_fields(&cloned.last(), &wanted);
    assert_eq!(cloned.last()["event"], "done");
    assert!(cloned.lines().iter().any(|line| line["event"] == "progress" && line["task"] == "fetch"), "{cloned:?}");
    cli.write("files/c", &[3; 10_000]);
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k"]);
    let synced = cli.ok(&["sync", "--store", "key", "--json"]).last();
    has_fields(&synced, &wanted);
    assert_eq!(
        (&synced["event"], &synced["generation"], &synced["sent_bytes"]),
        (&"done".into(), &3.into(), &0.into())
    );
    assert!(synced["fetched_bytes"].as_u64().unwrap() > 0);
    let again = cli.ok(&["sync", "--store", "key", "--json"]).last();
    assert_eq!((&again["generation"], &again["packs_fetched"]), (&3.into(), &0.into()));
    assert!(!cli.ok(&["status", "--store", "key", "--json"]).document()["last_sync"].is_null());
}

#[test]
fn quiet_leaves_stdout_empty() {
    let cli = Cli::with_store();
    for verb in
        [&["status"][..], &["log"], &["ls", "/"], &["cat", "/a.txt"], &["verify"], &["version"], &["remote", "list"]]
    {
        for json in [&["--keys", "k"][..], &["--keys", "k", "--json"]] {
            let ran = cli.ok(&[verb, &["--store", "pub", "-q"], json].concat());
            assert_eq!(ran.stdout, "", "{verb:?}");
        }
    }
}

#[test]
fn cat_gives_a_files_own_bytes_in_any_mode() {
    let cli = Cli::with_store();
    for extra in [&[][..], &["--json"], &["-v"], &["--progress", "always"]] {
        let args = [&["cat", "HEAD:/a.txt", "--store", "pub", "--keys", "k"], extra].concat();
        assert_eq!(cli.ok(&args).stdout, "first", "{extra:?}");
    }
}

#[test]
fn a_pipe_gets_no_colours_unless_asked() {
    let cli = Cli::with_store();
    assert!(!cli.ok(&["status", "--store", "pub"]).stdout.contains('\u{1b}'));
    assert!(cli.ok(&["status", "--store", "pub", "--color", "always"]).stdout.contains("\u{1b}[1m"));
}

/// What a run shows on a terminal; nothing where no program makes one.
#[cfg(target_os = "linux")]
fn on_a_terminal(cli: &Cli, words: &str, variables: &[(&str, &str)]) -> Option<String> {
    let mut command = std::process::Command::new("script");
    let line = format!("{} {words}", env!("CARGO_BIN_EXE_chunkstore"));
    command.args(["-qec", &line, "/dev/null"]).current_dir(cli.path("")).stdin(std::process::Stdio::null());
    command.env("HOME", cli.path("home")).env("TERM", "xterm").env_remove("NO_COLOR").envs(variables.iter().copied());
    let Ok(output) = command.output() else {
        println!("SKIPPED: there is no program `script` here to make a terminal");
        return None;
    };
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_gets_colours_unless_it_wants_none() {
    let cli = Cli::with_store();
    let words = "status --store pub --progress never";
    let Some(shown) = on_a_terminal(&cli, words, &[]) else { return };
    assert!(shown.contains("\u{1b}[1m"), "{shown:?}");
    for (flags, variables) in [
        ("", [("NO_COLOR", "1")]),
        ("", [("TERM", "dumb")]),
        (" --color never", [("TERM", "xterm")]),
        (" --json", [("TERM", "xterm")]),
    ] {
        let plain = on_a_terminal(&cli, &format!("{words}{flags}"), &variables).unwrap();
        assert!(!plain.contains('\u{1b}') && plain.contains("generation"), "{flags} {variables:?}: {plain:?}");
    }
    // Colours take no room: with them or without, columns stand where they stand.
    let bare = |text: &str| {
        let mut parts = text.replace('\r', "");
        for code in ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m", "\u{1b}[34m", "\u{1b}[36m"] {
            parts = parts.replace(code, "");
        }
        parts
    };
    for words in ["ls / --recursive", "log", "diff HEAD HEAD", "remote list"] {
        let words = format!("{words} --store pub --keys k --progress never");
        let coloured = on_a_terminal(&cli, &words, &[]).unwrap();
        let piped = cli.ok(&words.split(' ').collect::<Vec<_>>()).stdout;
        assert_eq!(bare(&coloured), piped, "{words}");
    }
}

#[test]
fn push_ends_with_done_and_knows_an_empty_remote() {
    let cli = Cli::with_store();
    let sent = cli.ok(&["push", "./remote", "--store", "pub", "--keys", "k", "--json"]).last();
    has_fields(
        &sent,
        &[
            "event",
            "generation",
            "fetched_bytes",
            "sent_bytes",
            "reused_bytes",
            "packs_fetched",
            "packs_reused",
            "removed_packs",
            "removed_bytes",
            "wire_bytes",
        ],
    );
    assert_eq!((&sent["event"], &sent["generation"], &sent["packs_fetched"]), (&"done".into(), &2.into(), &0.into()));
    assert!(sent["sent_bytes"].as_u64().unwrap() > 5000, "{sent}");
    let again = cli.ok(&["push", "./remote", "--store", "pub", "--json"]).last();
    assert_eq!((&again["changed"], &again["sent_bytes"]), (&false.into(), &0.into()));
    let ran = cli.run(&["push", "--store", "pub"]);
    assert_eq!(ran.code, 2, "{ran:?}");
}

#[test]
fn caches_are_left_out_unless_asked_for() {
    let cli = Cli::with_store();
    cli.write("files/cache/CACHEDIR.TAG", b"Signature: 8a477f597d28d172789f06886806bc55\n");
    cli.write("files/cache/blob", b"blob");
    let held = |args: &[&str]| {
        cli.ok(&[&["commit", "files", "--store", "pub", "--keys", "k"], args].concat());
        cli.ok(&["ls", "/cache", "--store", "pub", "--keys", "k", "--json"]).lines().len()
    };
    assert_eq!(held(&[]), 1);
    assert_eq!(held(&["--with-caches"]), 2);
}

#[test]
fn store_keys_and_cache_in_the_folder_are_left_out() {
    let cli = Cli::with_store();
    let all = ["commit", ".", "--store", "pub", "--keys", "k", "--cache", "cache"];
    let first = cli.ok(&all);
    assert!(first.stderr.contains("left out"), "{first:?}");
    let held = cli.ok(&["ls", "/", "-r", "--store", "pub", "--keys", "k"]).stdout;
    assert!(held.contains("/files") && !held.contains("packs") && !held.contains(".key"), "{held}");
    assert_eq!(cli.run(&["commit", "pub/heads", "--store", "pub", "--keys", "k"]).code, 2);
}
