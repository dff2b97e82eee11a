//! `browse`: what it prints, and how it ends.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Stdio};

use serde_json::Value;

use super::{Cli, has_fields};
use crate::browse::client::send;

/// A running `browse`; killed when dropped.
struct Browse {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Browse {
    fn start(cli: &Cli, words: &[&str]) -> Self {
        let fixed = ["browse", "--store", "pub", "--keys", "k"];
        let mut child = cli.command(&[&fixed[..], words].concat()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }

    fn event(&mut self) -> Value {
        serde_json::from_str(&self.line()).unwrap()
    }
}

impl Drop for Browse {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn open(event: &Value) -> u16 {
    let address = event["address"].as_str().map(str::to_owned);
    let url = event["url"].as_str().unwrap();
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    assert!(address.is_none_or(|address| address == host));
    send(host.parse().unwrap(), format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes())
        .status
}

#[test]
fn it_says_where_it_listens_and_each_next_address() {
    let cli = Cli::with_store();
    let mut browse = Browse::start(&cli, &["--json"]);
    let listening = browse.event();
    has_fields(&listening, &["address", "webdav_url", "webdav_user", "webdav_password"]);
    assert!(listening["address"].as_str().unwrap().starts_with("127.0.0.1:"), "{listening}");
    assert_eq!((open(&listening), open(&listening)), (200, 403));
    let next = browse.event();
    assert_eq!((next["event"].as_str(), open(&next)), (Some("opened"), 200));
    assert_ne!(next["url"], listening["url"]);
}

#[test]
fn a_port_that_is_taken_and_a_store_that_is_none_are_told() {
    let cli = Cli::with_store();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ran = cli.run(&["browse", "--store", "pub", "--keys", "k", "--port", &port]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
    assert!(ran.stderr.contains("another program has port") && ran.stderr.contains(&port), "{ran:?}");
    assert_eq!(cli.run(&["browse", "--store", "none", "--keys", "k"]).code, 10);
    assert_eq!(cli.run(&["browse", "--store", "pub", "--keys", "nowhere"]).code, 12);
    assert_eq!(cli.run(&["browse", "--store", "pub", "--port", "70000"]).code, 2);
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_it_also_in_the_middle_of_an_answer() {
    use std::io::{Read, Write};
    let cli = Cli::with_store();
    cli.write("files/long", &crate::scene::noise(1, 30_000_000));
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k"]);
    let mut browse = Browse::start(&cli, &["--json"]);
    let listening = browse.event();
    let (address, password) = (listening["address"].as_str().unwrap(), listening["webdav_password"].as_str().unwrap());
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "GET /dav/{password}/latest/long HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    stream.read_exact(&mut [0; 1000]).unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_child(&browse.child), rustix::process::Signal::INT)
        .unwrap();
    assert_eq!(browse.child.wait().unwrap().code(), Some(0));
    assert_eq!(browse.event(), serde_json::json!({"event": "done", "requests": 1}));
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(rest.len() < 30_000_000, "it was broken off");
}

#[test]
fn people_read_where_to_go() {
    let cli = Cli::with_store();
    let mut browse = Browse::start(&cli, &[]);
    let lines: Vec<String> = (0..4).map(|_| browse.line()).collect();
    assert!(lines[0].starts_with("in a browser, once: http://127.0.0.1:"), "{lines:?}");
    assert!(lines[1].contains("/dav/ (user chunkstore, password ") && lines[2].ends_with('/'), "{lines:?}");
}

/// A `browse` under strace over a store that is mounted read-only.
#[cfg(target_os = "linux")]
fn traced(cli: &Cli) -> Browse {
    let script = "
        set -e
        mount --bind pub pub && mount -o remount,bind,ro pub
        exec strace -f -y -o trace -e trace=file,desc $CHUNKSTORE browse --store pub --keys k --json";
    let mut command = std::process::Command::new("unshare");
    command.args(["-m", "--propagation", "private", "sh", "-c", script]).current_dir(cli.path("."));
    command.env("CHUNKSTORE", env!("CARGO_BIN_EXE_chunkstore")).env("HOME", cli.path("home"));
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    Browse { child, lines }
}

// U14
#[cfg(target_os = "linux")]
#[test]
fn a_store_that_cannot_be_written_is_browsed_and_nothing_there_is_opened_for_writing() {
    use rustix::process::{Pid, Signal, kill_process};
    let cli = Cli::with_store();
    cli.write("files/dir/long.txt", &crate::scene::noise(1, 3_000_000));
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k"]);
    let goes = |program: &str, word: &[&str]| {
        let ran = std::process::Command::new(program).args(word).stdout(Stdio::null()).stderr(Stdio::null()).status();
        ran.is_ok_and(|ended| ended.success())
    };
    if !goes("strace", &["-V"]) || !goes("unshare", &["-m", "true"]) {
        println!("not checked here: strace or the right to mount is missing");
        return;
    }
    let mut browse = traced(&cli);
    let listening = browse.event();
    let host = listening["address"].as_str().unwrap().to_owned();
    let ask = |method: &str, path: &str, line: &str| {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{line}\r\n\r\n");
        let reply = send(host.parse().unwrap(), head.as_bytes());
        assert!(reply.is_whole && [200, 207, 303].contains(&reply.status), "{method} {path}: {reply:?}");
        reply
    };
    let opening = listening["url"].as_str().unwrap().split_once(&host).unwrap().1;
    let opened = ask("GET", opening, "Accept: */*");
    let cookie = format!("Cookie: {}", opened.header("set-cookie").unwrap().split(';').next().unwrap());
    let home = opened.text().split_once("<p><a href=\"").unwrap().1.split('"').next().unwrap().to_owned();
    let files = ask("GET", &home, &cookie).header("location").unwrap().to_owned();
    for word in ["files", "zip", "changes"] {
        ask("GET", &files.replace("/files/", &format!("/{word}/")), &cookie);
    }
    for word in ["files", "preview", "download"] {
        ask("GET", &format!("{}dir/long.txt", files.replace("/files/", &format!("/{word}/"))), &cookie);
    }
    ask("GET", &format!("{}?q=long", files.replace("/files/", "/search/")), &cookie);
    ask("GET", &format!("{home}snapshots"), &cookie);
    let dav = format!("/dav/{}/latest/", listening["webdav_password"].as_str().unwrap());
    ask("PROPFIND", &dav, "Depth: 1");
    ask("GET", &format!("{dav}dir/long.txt"), "Accept: */*");
    let trace = || String::from_utf8_lossy(&std::fs::read(cli.path("trace")).unwrap()).into_owned();
    let process = trace().split(' ').next().unwrap().parse().unwrap();
    kill_process(Pid::from_raw(process).unwrap(), Signal::INT).unwrap();
    assert_eq!(browse.child.wait().unwrap().code(), Some(0));
    let (trace, below) = (trace(), cli.path("pub").display().to_string());
    let of_the_store: Vec<&str> = trace.lines().filter(|line| line.contains(&below)).collect();
    assert!(of_the_store.iter().any(|line| line.contains("packs/")), "it reads: {}", of_the_store.len());
    let words = ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "write(", "rename", "unlink", "mkdir", "utimens", "chmod"];
    let writes = |line: &&&str| words.iter().any(|word| line.contains(word));
    assert_eq!(of_the_store.iter().find(writes), None);
}
