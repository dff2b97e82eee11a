//! Exit codes of runs that fail, and what they leave on stdout and stderr.

use std::io::Read;
use std::process::Stdio;

use super::{Cli, first_file};

#[test]
fn no_store_is_10() {
    let cli = Cli::new();
    std::fs::create_dir(cli.path("empty")).unwrap();
    for args in [
        ["status", "--store", "nowhere"],
        ["status", "--store", "empty"],
        ["log", "--store", "empty"],
        ["verify", "--store", "empty"],
        ["sync", "--store", "empty"],
    ] {
        let ran = cli.run(&args);
        assert_eq!((ran.code, ran.stdout.as_str()), (10, ""), "{args:?}: {ran:?}");
        assert!(ran.stderr.starts_with("chunkstore: "), "{ran:?}");
        assert!(ran.stderr.contains("hint: "), "{ran:?}");
    }
}

#[test]
fn a_wrong_passphrase_and_no_identity_are_12() {
    let cli = Cli::new();
    cli.write("right", b"correct horse\n");
    cli.write("wrong", b"battery staple\n");
    cli.write("files/a", b"a");
    cli.ok(&["init", "pub", "--keys", "k", "--passphrase-file", "right"]);
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k", "--passphrase-file", "right"]);
    cli.ok(&["cat", "/a", "--store", "pub", "--keys", "k", "--passphrase-file", "right"]);
    let wrong: [&[&str]; 4] = [
        &["cat", "/a", "--store", "pub", "--keys", "k", "--passphrase-file", "wrong"],
        &["cat", "/a", "--store", "pub", "--keys", "k", "--no-passphrase"],
        &["cat", "/a", "--store", "pub", "--keys", "elsewhere"],
        &["cat", "/a", "--store", "pub", "--identity", "nowhere"],
    ];
    for args in wrong {
        let ran = cli.run(args);
        assert_eq!((ran.code, ran.stdout.as_str()), (12, ""), "{args:?}: {ran:?}");
    }
    // A store can be looked at without any identity; nobody is asked.
    let status = cli.ok(&["status", "--store", "pub", "--keys", "k", "--json"]).document();
    assert!(status["snapshot"].is_null(), "{status}");
}

#[test]
fn damage_is_13_and_verify_says_which_paths() {
    let cli = Cli::with_store();
    let pack = first_file(&cli.path("pub/packs"));
    let mut bytes = std::fs::read(&pack).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&pack, bytes).unwrap();
    let ran = cli.run(&["verify", "--store", "pub", "--json"]);
    assert_eq!(ran.code, 13, "{ran:?}");
    let found = ran.document();
    assert_eq!(found["ok"], false);
    assert_eq!(found["problems"][0]["kind"], "damaged-pack", "{found}");
    assert!(found["problems"][0]["file"].as_str().unwrap().starts_with("packs/"), "{found}");
}

#[test]
fn another_fingerprint_is_18_and_leaves_no_store() {
    let cli = Cli::with_store();
    let ran = cli.run(&["clone", "./pub", "key", "--trust", &"00".repeat(16), "--json"]);
    assert_eq!(ran.code, 18, "{ran:?}");
    let last = ran.last();
    assert_eq!((&last["event"], &last["kind"], &last["code"]), (&"error".into(), &"not-trusted".into(), &18.into()));
    assert_eq!(cli.run(&["status", "--store", "key"]).code, 10);
}

#[test]
fn an_error_is_one_line_of_json_as_well() {
    let cli = Cli::new();
    let ran = cli.run(&["status", "--store", "nowhere", "--json"]);
    let document = ran.document();
    assert_eq!(document["kind"], "no-store");
    assert!(ran.stderr.contains(document["message"].as_str().unwrap()), "{ran:?}");
    let ran = cli.run(&["status", "--store", "nowhere", "--json", "-q"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (10, ""), "{ran:?}");
}

#[test]
fn a_closed_pipe_is_success() {
    let cli = Cli::new();
    for number in 0..3000 {
        cli.write(&format!("files/a name that is long enough to fill a pipe {number:05}"), b"");
    }
    cli.ok(&["init", "pub", "--keys", "k", "--no-passphrase"]);
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k"]);
    let mut command = cli.command(&["ls", "/", "--store", "pub", "--keys", "k", "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 10]).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_behind_stdout_is_a_failure() {
    let cli = Cli::with_store();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = cli.command(&["ls", "/", "--store", "pub", "--keys", "k"]);
    let output = command.stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("standard output"), "{output:?}");
}

#[cfg(unix)]
#[test]
fn names_that_drive_a_terminal_are_shown_escaped() {
    use std::os::unix::ffi::OsStrExt;
    let cli = Cli::with_store();
    let odd = std::ffi::OsStr::from_bytes(b"odd\x1b[2J\xff\n");
    std::fs::write(cli.path("files").join(odd), b"x").unwrap();
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k"]);
    let ran = cli.ok(&["ls", "/", "--store", "pub", "--keys", "k"]);
    assert!(ran.stdout.contains("/odd\\x1b[2J\\xff\\x0a\n"), "{ran:?}");
    let lines = cli.ok(&["ls", "/", "--store", "pub", "--keys", "k", "--json"]).lines();
    assert!(lines.iter().any(|line| line["path_hex"] == hex::encode(b"/odd\x1b[2J\xff\n")), "{lines:?}");
    let ran = cli.run(&["cat", "/\u{1b}[31mred", "--store", "pub", "--keys", "k"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(!ran.stderr.contains('\u{1b}'), "{ran:?}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_with_130_and_a_second_one_at_once() {
    use rustix::process::{Pid, Signal, kill_process};
    let cli = Cli::with_store();
    // A server that takes a connection and never says a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ftp://{}/", silent.local_addr().unwrap());
    let mut child = cli.command(&["sync", &url, "--store", "pub", "--timeout", "60s"]).spawn().unwrap();
    let connection = silent.accept().unwrap();
    let code = loop {
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        match child.try_wait().unwrap() {
            Some(status) => break status.code(),
            None => std::thread::yield_now(),
        }
    };
    drop(connection);
    assert_eq!(code, Some(130));
}

#[test]
fn a_slip_in_a_fingerprint_is_wrong_usage_and_not_another_store() {
    let cli = Cli::with_store();
    for slip in ["xyz", "00", &"0g".repeat(16), &"00".repeat(17)] {
        let ran = cli.run(&["clone", "./pub", "key", "--trust", slip]);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{slip}: {ran:?}");
        assert!(!cli.path("key").exists(), "{slip}");
    }
}

#[test]
fn verify_says_on_stderr_that_it_found_damage() {
    let cli = Cli::with_store();
    std::fs::remove_file(first_file(&cli.path("pub/packs"))).unwrap();
    let ran = cli.run(&["verify", "--store", "pub", "-q"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (13, ""), "{ran:?}");
    assert!(ran.stderr.contains("pub is damaged: 1 problem was found"), "{ran:?}");
    assert!(ran.stderr.contains("hint: "), "{ran:?}");
}

#[test]
fn what_is_said_of_a_store_that_does_not_open_names_it() {
    let cli = Cli::with_store();
    std::fs::write(cli.path("pub/STORE"), b"").unwrap();
    std::fs::create_dir(cli.path("empty")).unwrap();
    let verbs: [&[&str]; 3] = [&["sync"], &["push", "./remote"], &["commit", "files", "--keys", "k"]];
    for verb in verbs {
        for (store, code) in [("pub", 13), ("empty", 10)] {
            let ran = cli.run(&[verb, &["--store", store]].concat());
            assert_eq!(ran.code, code, "{verb:?}: {ran:?}");
            assert!(ran.stderr.contains(&format!("{}{store}: ", std::path::MAIN_SEPARATOR)), "{verb:?}: {ran:?}");
        }
    }
}

#[test]
fn a_path_that_is_none_is_named() {
    let cli = Cli::with_store();
    let ran = cli.run(&["ls", "/a/../b", "--store", "pub", "--keys", "k"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("/a/../b is no path in a snapshot"), "{ran:?}");
}

#[test]
fn a_remote_that_is_left_aside_is_named_with_the_reason_and_the_others_serve() {
    let cli = Cli::with_store();
    cli.ok(&["init", "other", "--keys", "k", "--no-passphrase"]);
    cli.ok(&["push", "./theirs", "--store", "other"]);
    cli.ok(&["push", "./ours", "--store", "pub"]);
    let trust = cli.ok(&["status", "--store", "pub", "--json"]).document();
    cli.ok(&["clone", "./ours", "key", "--trust", trust["fingerprint"].as_str().unwrap()]);
    cli.write("files/new", b"new");
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k"]);
    cli.ok(&["push", "./ours", "--store", "pub"]);
    let ran = cli.ok(&["sync", "./nowhere", "./theirs", "./ours", "--store", "key", "--json"]);
    let done = ran.last();
    assert_eq!((&done["generation"], &done["changed"]), (&3.into(), &true.into()), "{ran:?}");
    let ignored: Vec<_> =
        done["ignored"].as_array().unwrap().iter().map(|each| each["reason"].as_str().unwrap()).collect();
    assert_eq!(ignored.len(), 2, "{ran:?}");
    assert!(ignored[0].starts_with("cannot reach the remote"), "{ran:?}");
    assert!(ignored[1].ends_with("it holds another store"), "{ran:?}");
    assert_eq!(cli.run(&["sync", "./nowhere", "--store", "key"]).code, 14);
}

#[test]
fn nothing_is_published_among_a_persons_files() {
    let cli = Cli::with_store();
    let ran = cli.run(&["push", "./files", "--store", "pub", "--keys", "k"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(!cli.path("files/HEAD").exists() && !cli.path("files/packs").exists());
}

#[test]
fn verify_says_why_it_checked_the_outer_layer_alone() {
    let cli = Cli::with_store();
    cli.ok(&["init", "other", "--keys", "k", "--no-passphrase"]);
    let id = |store: &str| cli.ok(&["status", "--store", store, "--json"]).document()["store_id"].clone();
    let reader = |store: &str| format!("k/{}/reader.key", id(store).as_str().unwrap());
    let (own, foreign) = (reader("pub"), reader("other"));
    let verify = |flags: &[&str]| cli.run(&[&["verify", "--store", "pub", "--json"], flags].concat());
    let opened = verify(&["--keys", "k"]).document();
    assert_eq!((&opened["inner"], &opened["inner_closed"]), (&true.into(), &serde_json::Value::Null));
    // Which identity is meant, what the code is, and what is said.
    let rows: Vec<(Vec<&str>, i32, &str)> = vec![
        (vec!["--keys", "elsewhere"], 0, "there is no identity for this store at hand"),
        (vec!["--identity", &foreign], 12, "no identity at hand opens any of its"),
        (vec!["--identity", &own], 0, ""),
    ];
    let check = |rows: &[(Vec<&str>, i32, &str)]| {
        for (flags, code, why) in rows {
            let ran = verify(flags);
            assert_eq!(ran.code, *code, "{flags:?}: {ran:?}");
            let document = ran.document();
            let expected = (&(*code != 13).into(), &why.is_empty().into());
            assert_eq!((&document["ok"], &document["inner"]), expected, "{flags:?}");
            assert!(document["inner_closed"].as_str().unwrap_or_default().starts_with(why), "{flags:?}: {document}");
            assert!(why.is_empty() || ran.stderr.contains(why), "{flags:?}: {ran:?}");
            assert_eq!(ran.stderr.contains("hint: "), *code != 0, "{flags:?}: {ran:?}");
        }
    };
    check(&rows);
    let text = cli.ok(&["verify", "--store", "pub"]).stdout;
    assert!(text.contains("the outer layer alone: what was checked holds") && !text.contains("everything"), "{text}");
    // Where keys are cloned from, all key files are to be there.
    for file in std::fs::read_dir(cli.path("pub/keys/00000001")).unwrap().map(|entry| entry.unwrap().path()) {
        std::fs::remove_file(file).unwrap();
    }
    let rows = vec![
        (vec!["--keys", "k"], 13, "none of the 2 key files that the store lists is there"),
        (vec!["--identity", &own], 13, "none of the 2 key files"),
        (vec!["--keys", "k", "--read-data"], 13, "none of the 2 key files"),
    ];
    check(&rows);
    std::fs::remove_file(first_file(&cli.path("pub/packs"))).unwrap();
    assert_eq!(verify(&["--identity", &own]).code, 13, "damage counts before a key that does not open");
}

#[test]
fn verify_asks_nobody_for_the_passphrase_of_a_key_that_it_can_do_without() {
    let cli = Cli::new();
    cli.write("passphrase", b"correct horse\n");
    cli.ok(&["init", "pub", "--keys", "k", "--passphrase-file", "passphrase"]);
    let ran = cli.ok(&["verify", "--store", "pub", "--keys", "k"]);
    assert!(
        ran.stderr.contains("only the outer layer was checked: nobody was asked for the passphrase of "),
        "{ran:?}"
    );
    let ran = cli.ok(&["verify", "--store", "pub", "--keys", "k", "--passphrase-file", "passphrase"]);
    assert!(ran.stderr.is_empty() && ran.stdout.contains("everything holds"), "{ran:?}");
}
