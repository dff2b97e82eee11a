//! A publisher, a server on loopback and a key, each a process of its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use super::Cli;

/// A running `serve`.
struct Serving {
    child: Child,
    url: String,
}

impl Serving {
    fn start(cli: &Cli, args: &[&str]) -> Self {
        let args = [&["serve", "--listen", "127.0.0.1:0", "--json"], args].concat();
        let mut child = cli.command(&args).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(event["event"], "listening");
        Self { child, url: format!("ftp://{}/", event["address"].as_str().unwrap()) }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_key_is_cloned_synced_and_restored_over_ftp() {
    let cli = Cli::with_store();
    cli.write("pw", b"geheim\n");
    std::fs::create_dir(cli.path("server")).unwrap();
    let login = ["--user", "u", "--password-file", "pw", "--allow-upload"];
    let server = Serving::start(&cli, &[&["server"], &login[..]].concat());
    let publish = server.url.replace("ftp://", "ftp://u:geheim@");
    let push = ["push", &publish, "--store", "pub", "--keys", "k"];
    cli.ok(&push);
    let status = cli.ok(&["status", "--store", "pub", "--json"]).document();
    let trust = status["fingerprint"].as_str().unwrap();
    let ran = cli.run(&["clone", &server.url, "key", "--trust", trust]);
    assert_eq!(ran.code, 14, "{ran:?}");
    let url = server.url.replace("ftp://", "ftp://u:geheim@");
    let ran = cli.ok(&["clone", &url, "key", "--trust", trust]);
    assert!(!ran.stdout.contains("geheim") && !ran.stderr.contains("geheim"), "{ran:?}");
    cli.write("files/new.txt", b"the second week");
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k"]);
    cli.ok(&push);
    // The login was kept on the host, not in the store.
    cli.ok(&["sync", "--store", "key"]);
    assert!(!std::fs::read_to_string(cli.path("key/replica/remote")).unwrap_or_default().contains("geheim"));
    // Another host has no memory of it. The login of its environment goes to a remote that is named, not to an address
    // that whoever had the key in hand may have written.
    let elsewhere = |args: &[&str]| {
        let mut command = cli.command(args);
        super::at_home(&mut command, &cli.path("other home"));
        command.env("CHUNKSTORE_REMOTE_USER", "u").env("CHUNKSTORE_REMOTE_PASSWORD", "geheim");
        super::ended(&mut command)
    };
    let withheld = elsewhere(&["sync", "--store", "key"]);
    assert_eq!(withheld.code, 14);
    assert!(withheld.stderr.contains("name the remote"), "{withheld:?}");
    assert_eq!(elsewhere(&["sync", &server.url, "--store", "key"]).code, 0);
    cli.ok(&["restore", "/", "out", "--store", "key", "--keys", "k"]);
    assert_eq!(std::fs::read(cli.path("out/new.txt")).unwrap(), b"the second week");
    assert_eq!(std::fs::read(cli.path("out/sub/b.bin")).unwrap(), [7; 5000]);
}

#[cfg(unix)]
#[test]
fn serve_ends_well_when_told_to() {
    let cli = Cli::with_store();
    let mut server = Serving::start(&cli, &["pub"]);
    let pid = rustix::process::Pid::from_child(&server.child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

#[test]
fn the_demo_brings_everything_back() {
    let cli = Cli::new();
    let ran = cli.ok(&["demo", "--json", "--keep", "kept"]);
    let lines = ran.lines();
    let step =
        |name: &str| lines.iter().find(|line| line["name"] == name).unwrap_or_else(|| panic!("no {name}: {ran:?}"));
    assert_eq!(step("compare")["differences"], 0);
    let (here, total) =
        (step("status")["here_bytes"].as_u64().unwrap(), step("status")["total_bytes"].as_u64().unwrap());
    assert!(here > 0 && here < total, "{here} of {total}");
    // U5: what was synced is not fetched again, but for a MiB of each of the two sessions and the small files.
    assert!(step("sync again")["refetched_bytes"].as_u64().unwrap() < 3 << 20, "{ran:?}");
    assert_eq!(ran.last()["ok"], true);
    assert!(cli.path("kept/restored/large.img").exists());
    assert_eq!(cli.run(&["demo", "--keep", "kept"]).code, 2);
}

#[test]
fn a_key_gives_receipts_where_it_is_told_to_and_a_server_that_takes_none_changes_nothing() {
    let cli = Cli::with_store();
    cli.write("pw", b"geheim\n");
    std::fs::create_dir(cli.path("server")).unwrap();
    let login = ["--user", "u", "--password-file", "pw", "--allow-upload"];
    let server = Serving::start(&cli, &[&["server"], &login[..]].concat());
    let url = server.url.replace("ftp://", "ftp://u:geheim@");
    let push = ["push", &url, "--store", "pub", "--keys", "k"];
    cli.ok(&push);
    let status = cli.ok(&["status", "--store", "pub", "--json"]).document();
    let trust = status["fingerprint"].as_str().unwrap();
    let cloned = cli.ok(&["clone", &url, "key", "--trust", trust, "--receipt", "--json"]).last();
    assert_eq!(cloned["receipt"], true, "{cloned}");
    let receipt = cli.path("server/receipts").join(cloned["replica_id"].as_str().unwrap());
    let first = std::fs::read(&receipt).unwrap();
    assert_eq!(cli.ok(&["sync", "--store", "key", "--json"]).last()["receipt"], serde_json::Value::Null);
    assert_eq!(std::fs::read(&receipt).unwrap(), first);
    assert_eq!(cli.ok(&["sync", "--store", "key", "--receipt", "--json"]).last()["receipt"], true);
    assert_ne!(std::fs::read(&receipt).unwrap(), first);
    // The publisher goes on as ever beside it.
    cli.write("files/new.txt", b"the second week");
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k"]);
    cli.ok(&push);
    drop(server);
    let server = Serving::start(&cli, &["server", "--user", "u", "--password-file", "pw"]);
    let url = server.url.replace("ftp://", "ftp://u:geheim@");
    let ran = cli.ok(&["sync", &url, "--store", "key", "--receipt", "--json"]);
    assert_eq!((&ran.last()["receipt"], &ran.last()["changed"]), (&false.into(), &true.into()), "{ran:?}");
    assert!(ran.stderr.contains("cannot give a receipt"), "{ran:?}");
    assert!(receipt.exists());
}
