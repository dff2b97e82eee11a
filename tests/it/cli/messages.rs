//! Every message that people read: the help of each verb, and a sentence for each exit code, held word for word.
//!
//! What changed on purpose is taken over by running this with `INSTA_UPDATE=always`; the diff of the files then shows it.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;

use chunkstore::base::clock::{FixedClock, SystemClock};
use chunkstore::base::monitor::RecordingMonitor;
use chunkstore::base::random::SeededRandom;
use chunkstore::disk::OsDisk;
use chunkstore::disk::served::ServedDir;
use chunkstore::ops::Run;
use chunkstore::ops::init::{InitRequest, init};
use chunkstore::remote::url::Credentials;
use chunkstore::serve::{Fault, Faults, ServeOptions, Server};
use rustix::process::{Pid, Signal, kill_process};

use super::{Cli, Ran, ended, first_file};

/// Takes the part between two words out of a line that has both.
fn without(line: &str, before: &str, after: &str, name: &str) -> Option<String> {
    let (start, rest) = line.split_once(before)?;
    Some(format!("{start}{before}{name}{}", &rest[rest.find(after)?..]))
}

/// Replaces a port that was free, how much room there is, and how long key files came out.
fn without_amounts(line: &str) -> String {
    without(line, "ftp://127.0.0.1:", "/", "[PORT]")
        .or_else(|| without(line, " needed, ", " free", "[ROOM]"))
        .or_else(|| without(line, "free         ", "\n", "[ROOM]"))
        .or_else(|| without(line, "signed       2001-09-09 01:46:40, ", " ago", "[AGE]"))
        .or_else(|| without(line, "last synced well on this host at ", ")", "[TIME]"))
        .or_else(|| without(line, "fetched      0 packs, ", "\n", "[SIZE]"))
        .unwrap_or_else(|| line.to_owned())
}

/// Replaces what differs from run to run: amounts as above, the working directory, and what is drawn at random.
fn steady(cli: &Cli, text: &str) -> String {
    let dir = cli.path("").canonicalize().unwrap();
    let mut text = text.to_owned();
    for dir in [dir.as_path(), &cli.path("")] {
        text = text.replace(dir.to_str().unwrap().trim_end_matches('/'), "[DIR]");
    }
    let text: String = text.split_inclusive('\n').map(without_amounts).collect();
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
    assert_ended(cli, name, args, code, &cli.run(args));
}

/// As [`assert_message`], of a run that has ended.
#[track_caller]
fn assert_ended(cli: &Cli, name: &str, args: &[&str], code: i32, ran: &Ran) {
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
    for (verb, words) in [
        ("writer", &["new", "add", "list", "remove"][..]),
        ("root", &["new", "list", "add", "remove", "threshold"]),
        ("trust", &["show", "sign", "apply", "renew"]),
        ("reader", &["new", "add", "list", "revoke"]),
        ("key", &["rotate", "export", "import", "passphrase"]),
        ("fleet", &["status", "forget"]),
        ("agent", &["run", "install", "uninstall", "status"]),
    ] {
        for word in words {
            assert_message(&cli, &format!("help-{verb}-{word}"), &[verb, word, "--help"], 0);
        }
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

/// A server over a directory of the scene, to which anyone may upload.
fn serve(cli: &Cli, dir: &str, login: Option<Credentials>, faults: Faults) -> Server {
    let dir = ServedDir::open_root(&cli.path(dir)).unwrap();
    let options = ServeOptions { login, allow_upload: true, ..ServeOptions::default() };
    Server::start(dir, options, faults, Arc::new(SystemClock)).unwrap()
}

fn url(addr: SocketAddr) -> String {
    format!("ftp://{addr}/")
}

#[test]
fn a_remote_that_refuses() {
    let cli = Cli::with_store();
    let server = serve(&cli, "pub", Some(Credentials::new("ann", "s3cret")), Faults::none());
    assert_message(&cli, "14-refused", &["sync", &url(server.addr()), "--store", "pub"], 14);
}

#[test]
fn no_room_here_and_there() {
    let cli = Cli::with_store();
    let mut noise = vec![0; 300_000];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    cli.write("files/noise", &noise);
    let commit = ["commit", "files", "--store", "pub", "--keys", "k"];
    // Files may not grow beyond 128 blocks, of 512 or 1024 bytes: to a store, that is a full disk.
    let mut limited = cli.command(&commit);
    let program = limited.get_program().to_owned();
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 128; exec \"$0\" \"$@\""]).arg(program).args(commit);
    shell.current_dir(cli.path("")).stdin(Stdio::null()).env_clear();
    shell.envs(limited.env_clear().get_envs().filter_map(|(name, value)| Some((name, value?))));
    assert_ended(&cli, "15-disk", &commit, 15, &ended(&mut shell));
    cli.ok(&commit);
    std::fs::create_dir(cli.path("remote")).unwrap();
    let faults = Faults::none();
    faults.add(Fault::NoSpace { after_bytes: 100 }, u32::MAX);
    let server = serve(&cli, "remote", None, faults);
    assert_message(&cli, "15-remote", &["push", &url(server.addr()), "--store", "pub"], 15);
}

/// Passes connections on to a server; the first one once `opened` has returned.
fn gate(server: SocketAddr, opened: impl FnOnce() + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let mut opened = Some(opened);
    std::thread::spawn(move || {
        for near in listener.incoming().map(Result::unwrap) {
            opened.take().into_iter().for_each(|opened| opened());
            let far = TcpStream::connect(server).unwrap();
            for (from, to) in [(&near, &far), (&far, &near)] {
                let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            }
        }
    });
    addr
}

#[test]
fn a_medium_that_goes_away_while_it_is_synced() {
    let cli = Cli::with_store();
    let trust = cli.ok(&["status", "--store", "pub", "--json"]).document();
    cli.ok(&["clone", "./pub", "key", "--trust", trust["fingerprint"].as_str().unwrap()]);
    cli.write("files/new", b"new");
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k"]);
    let server = serve(&cli, "pub", None, Faults::none());
    let key = cli.path("key");
    // The store is open by the time that its remote is called.
    let gate = gate(server.addr(), move || std::fs::remove_dir_all(key).unwrap());
    assert_message(&cli, "16-medium-gone", &["sync", &url(gate), "--store", "key"], 16);
}

#[test]
fn a_publisher_whose_head_has_expired() {
    let cli = Cli::new();
    let (clock, random) = (FixedClock::new("2001-09-09T01:46:40Z".parse().unwrap()), SeededRandom::new(1));
    let monitor = RecordingMonitor::default();
    let keys = cli.path("k");
    let request = InitRequest { readers: vec![], keys: &keys, root_keys: &keys, passphrase: None };
    let disk = OsDisk::create(&cli.path("old")).unwrap();
    let made = init(&disk, &request, Run { clock: &clock, random: &random, monitor: &monitor }).unwrap();
    assert_message(&cli, "19-status", &["status", "--store", "old"], 19);
    assert_message(&cli, "19-clone", &["clone", "./old", "key", "--trust", &made.fingerprint], 19);
    assert_message(&cli, "19-sync", &["sync", "--store", "key"], 19);
}

#[test]
fn a_run_that_is_told_to_stop() {
    let cli = Cli::with_store();
    // It takes a connection and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = url(silent.local_addr().unwrap());
    let args = ["sync", &url, "--store", "pub", "--timeout", "60s"];
    let mut command = cli.command(&args);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let connection = silent.accept().unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    drop(connection);
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let ran = Ran { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) };
    assert_ended(&cli, "130-interrupted", &args, 130, &ran);
}
