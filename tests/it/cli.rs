//! The program itself, run as people and scripts run it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

mod browse;
mod completing;
mod contract;
mod copies;
mod failures;
mod far;
mod fleet;
mod folders;
mod forget;
mod healing;
mod http;
#[cfg(target_os = "linux")]
mod messages;
#[cfg(target_os = "linux")]
mod mount;
mod purging;
mod readers;
mod reading;
mod repairing;
mod rollout;
mod space;
mod stale;
mod story;
mod terminal;
mod trust;
mod upkeep;
mod usage;
mod wire;

/// How a run ended, with what it wrote.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Returns the lines of stdout, each of which must be JSON.
    pub fn lines(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.stdout.lines().map(parse).collect()
    }

    /// Returns the one document on stdout.
    pub fn document(&self) -> Value {
        let lines = self.lines();
        assert_eq!(lines.len(), 1, "{self:?}");
        lines[0].clone()
    }

    /// Returns the last event on stdout.
    pub fn last(&self) -> Value {
        self.lines().pop().unwrap_or_else(|| panic!("{self:?}"))
    }
}

/// A home and a working directory of their own; nothing of the surroundings leaks in.
pub struct Cli {
    dir: tempfile::TempDir,
}

impl Cli {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// The same with a store `pub`, keys `k`, and a committed folder `files` of two files, a link and a directory.
    pub fn with_store() -> Self {
        let cli = Self::new();
        cli.write("files/a.txt", b"first");
        cli.write("files/sub/b.bin", &[7; 5000]);
        #[cfg(unix)]
        std::os::unix::fs::symlink("a.txt", cli.path("files/link")).unwrap();
        cli.ok(&["init", "pub", "--keys", "k", "--no-passphrase"]);
        cli.ok(&["commit", "files", "--store", "pub", "--keys", "k", "-m", "one"]);
        cli
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub fn configure(&self, text: &str) {
        self.write("home/.config/chunkstore/config.toml", text.as_bytes());
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chunkstore"));
        command.args(args).current_dir(self.dir.path()).stdin(Stdio::null()).env_clear();
        at_home(&mut command, &self.path("home"));
        // Without it, Windows finds no library of its own.
        command.envs(std::env::var_os("SystemRoot").map(|root| ("SystemRoot", root)));
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        ended(&mut self.command(args))
    }

    /// Runs what has to succeed.
    pub fn ok(&self, args: &[&str]) -> Ran {
        let ran = self.run(args);
        assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
        ran
    }
}

/// Gives a run the folders of a person whose home this is, by the names that each system has for them.
pub fn at_home(command: &mut Command, home: &Path) {
    command.env("HOME", home).env("USERPROFILE", home);
    command.env("APPDATA", home.join(".config")).env("LOCALAPPDATA", home.join(".cache"));
}

pub fn ended(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Returns the names of the fields of an object, sorted.
pub fn fields(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Says that a document has at least these fields.
pub fn has_fields(value: &Value, wanted: &[&str]) {
    let found = fields(value);
    for name in wanted {
        assert!(found.contains(name), "no {name} in {value}");
    }
}

/// Returns the first file below a directory of directories.
pub fn first_file(dir: &Path) -> PathBuf {
    let paths = |dir: &Path| std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths(dir).flat_map(|dir| paths(&dir).collect::<Vec<_>>()).collect();
    files.sort();
    files.remove(0)
}
