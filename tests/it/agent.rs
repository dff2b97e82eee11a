//! The agent as a process: folders that come and go as volumes, a real FTP server that is scripted to misbehave.

use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::SystemTime;

use chunkstore::base::clock::SystemClock;
use chunkstore::disk::served::ServedDir;
use chunkstore::serve::{Answer, Faults, ServeOptions, Server};
use serde_json::Value;

use super::cli::Cli;
use super::scene::noise;

mod configuration;
mod lies;
mod notices;
mod runs;
mod service;

/// Settles at once, and takes any store.
const QUICK: &str = "[agent]\nstores = \"any\"\nsettle = \"1ms\"\n";

/// Runs the agent over the folders of a directory.
const RUN: [&str; 5] = ["agent", "run", "--volumes", "volumes", "--json"];

/// A publisher with its server, and a place for volumes.
struct Stage {
    cli: Cli,
    server: Server,
    faults: Faults,
    fingerprint: String,
}

impl Stage {
    fn new() -> Self {
        Self::with(ServeOptions::default())
    }

    fn with(options: ServeOptions) -> Self {
        let cli = Cli::with_store();
        std::fs::create_dir(cli.path("server")).unwrap();
        std::fs::create_dir(cli.path("volumes")).unwrap();
        cli.ok(&["push", "./server", "--store", "pub", "--keys", "k"]);
        let status = cli.ok(&["status", "--store", "pub", "--json"]).document();
        let fingerprint = status["fingerprint"].as_str().unwrap().to_owned();
        let faults = Faults::none();
        let dir = ServedDir::open_root(&cli.path("server")).unwrap();
        let server = Server::start(dir, options, faults.clone(), Arc::new(SystemClock)).unwrap();
        cli.configure(QUICK);
        Self { cli, server, faults, fingerprint }
    }

    fn url(&self, login: &str) -> String {
        format!("ftp://{login}127.0.0.1:{}/", self.server.addr().port())
    }

    /// Makes a key; it lies on a shelf.
    fn key(&self, name: &str) {
        self.key_with_login(name, "");
    }

    fn key_with_login(&self, name: &str, login: &str) {
        self.cli.ok(&["clone", &self.url(login), &format!("shelf/{name}"), "--trust", &self.fingerprint]);
    }

    /// Publishes a week of so many bytes.
    fn publish(&self, seed: u64, bytes: usize) -> u64 {
        self.cli.write(&format!("files/week{seed}.bin"), &noise(seed, bytes));
        self.cli.ok(&["commit", "files", "--store", "pub", "--keys", "k"]);
        let pushed = self.cli.ok(&["push", "./server", "--store", "pub", "--keys", "k", "--json"]).last();
        pushed["generation"].as_u64().unwrap()
    }

    /// Lets no pack through beyond so many bytes, until the faults are healed.
    fn hold_packs_after(&self, bytes: usize) {
        for (path, _, _, content) in contents(&self.cli.path("server/packs")) {
            if content.len() > bytes {
                let path = path.strip_prefix(self.cli.path("server")).unwrap();
                let name = format!("/{}", path.display());
                self.faults.answer(&name, &[Answer::Crawl(content[..bytes].into())]);
            }
        }
    }

    fn plug(&self, name: &str) {
        let (from, to) = (self.cli.path("shelf").join(name), self.volume(name));
        std::fs::rename(from, to).unwrap();
    }

    fn pull(&self, name: &str) {
        std::fs::rename(self.volume(name), self.cli.path("shelf").join(name)).unwrap();
    }

    fn volume(&self, name: &str) -> PathBuf {
        self.cli.path("volumes").join(name)
    }

    fn generation(&self, store: &str) -> u64 {
        let status = self.cli.ok(&["status", "--store", store, "--json"]).document();
        status["generation"].as_u64().unwrap()
    }

    fn agent(&self) -> Running {
        self.agent_with(&[])
    }

    fn agent_with(&self, args: &[&str]) -> Running {
        self.agent_by(self.cli.command(&[&RUN, args].concat()))
    }

    fn agent_by(&self, mut command: Command) -> Running {
        let stderr = std::fs::File::options().create(true).append(true).open(self.cli.path("agent.err")).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut running = Running { child, lines, heard: Vec::new(), errors: self.cli.path("agent.err") };
        running.wait_for("ready", |event| event["event"] == "ready");
        running
    }
}

/// A running agent.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    heard: Vec<Value>,
    errors: PathBuf,
}

impl Running {
    /// Reads events until one fits.
    fn wait_for(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let Some(line) = self.lines.next() else {
                panic!("no {what} among {:#?}: {}", self.heard, self.errors());
            };
            let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
            self.heard.push(event.clone());
            if fits(&event) {
                return event;
            }
        }
    }

    fn notice(&mut self, name: &str) -> Value {
        self.wait_for(name, |event| event["event"] == "notice" && event["notice"] == name)
    }

    fn ended(&mut self, result: &str) -> Value {
        let event = self.wait_for("end of a run", |event| event["event"] == "ended");
        assert_eq!(event["result"], result, "{:#?} {}", self.heard, self.errors());
        event
    }

    fn began(&mut self) -> Value {
        self.wait_for("run", |event| event["event"] == "began")
    }

    fn errors(&self) -> String {
        std::fs::read_to_string(&self.errors).unwrap_or_default()
    }

    fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }

    /// Ends it as a service manager does; returns its exit code.
    fn end(mut self) -> i32 {
        self.signal(rustix::process::Signal::TERM);
        while self.lines.next().is_some() {}
        self.child.wait().unwrap().code().unwrap()
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Name, time and content of everything below a folder.
fn contents(dir: &Path) -> Vec<(PathBuf, SystemTime, u64, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let (path, metadata) = (entry.path(), entry.path().symlink_metadata().unwrap());
        // A file that claims to be huge is not read.
        let is_read = metadata.is_file() && metadata.len() < 1 << 26;
        let bytes = if is_read { std::fs::read(&path).unwrap() } else { Vec::new() };
        if metadata.is_dir() {
            found.extend(contents(&path));
        }
        found.push((path, metadata.modified().unwrap(), metadata.len(), bytes));
    }
    found.sort();
    found
}
