//! The tools that are compared, a row each: what it is called with for each step, and how it is installed.
//!
//! Each goes by its own defaults and has as many threads as it takes. The check is in each the one that reads all that is
//! stored and proves it by its hashes. Words in braces are replaced: `{tree}` by the tree, `{store}`, `{home}` and `{out}`
//! by folders of the tool's own, `{n}` by the number of the backup, from 1 to 3, `{chunkstore}` by the program of this repository.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::{Result, Step, measure, trees};

/// One tool.
pub struct Tool {
    pub name: &'static str,
    /// How it is installed.
    pub install: &'static str,
    /// What it seals with, if it does.
    pub cipher: Option<&'static str>,
    pub compression: &'static str,
    pub env: &'static [(&'static str, &'static str)],
    /// Prints the version, on the first line.
    pub version: &'static str,
    pub init: &'static [&'static str],
    /// Runs in the folder that holds the tree.
    pub backup: &'static [&'static str],
    /// Runs in the empty folder that takes what is restored.
    pub restore: &'static [&'static str],
    /// Where in that folder the tree is then.
    pub restored: &'static str,
    pub check: &'static [&'static str],
}

/// Every tool, with the one of this repository first.
pub const TOOLS: &[Tool] = &[
    Tool {
        name: "chunkstore",
        install: "cargo build --release",
        cipher: Some("XChaCha20-Poly1305"),
        compression: "zstd 3 and 5",
        env: &[],
        version: "{chunkstore} --version",
        init: &["{chunkstore} init {store} --keys {home}/keys --root-keys {home}/root --no-passphrase"],
        backup: &["{chunkstore} commit {tree} --store {store} --keys {home}/keys --no-passphrase"],
        restore: &["{chunkstore} restore / {out} --store {store} --keys {home}/keys --no-passphrase"],
        restored: "",
        check: &["{chunkstore} verify --read-data --store {store} --keys {home}/keys --no-passphrase"],
    },
    Tool {
        name: "bupstash",
        install: "cargo install bupstash --locked",
        cipher: Some("XChaCha20-Poly1305"),
        compression: "zstd 3",
        env: &[("BUPSTASH_REPOSITORY", "{store}/repository"), ("BUPSTASH_KEY", "{home}/key")],
        version: "bupstash version",
        init: &["bupstash init", "bupstash new-key -o {home}/key"],
        backup: &["bupstash put n={n} {tree}"],
        restore: &["bupstash restore --into {out} n=3"],
        restored: "",
        check: &[],
    },
    Tool {
        name: "restic",
        install: "apt-get install restic",
        cipher: Some("AES-256-CTR and Poly1305"),
        compression: "zstd",
        env: &[("RESTIC_REPOSITORY", "{store}"), ("RESTIC_PASSWORD", "peers")],
        version: "restic version",
        init: &["restic init"],
        backup: &["restic backup {tree}"],
        restore: &["restic restore latest --target {out}"],
        restored: "tree",
        check: &["restic check --read-data"],
    },
    Tool {
        name: "rustic",
        install: "cargo install rustic-rs --locked",
        cipher: Some("AES-256-CTR and Poly1305"),
        compression: "zstd 3",
        env: &[("RUSTIC_REPOSITORY", "{store}"), ("RUSTIC_PASSWORD", "peers")],
        version: "rustic --version",
        init: &["rustic init"],
        backup: &["rustic backup {tree}"],
        restore: &["rustic restore latest:tree {out}"],
        restored: "",
        check: &["rustic check --read-data"],
    },
    Tool {
        name: "borg",
        install: "apt-get install borgbackup",
        cipher: Some("AES-256-CTR and HMAC"),
        compression: "zstd 3",
        env: &[("BORG_REPO", "{store}"), ("BORG_PASSPHRASE", "peers")],
        version: "borg --version",
        init: &["borg init --encryption repokey"],
        backup: &["borg create --compression zstd,3 ::{n} {tree}"],
        restore: &["borg extract ::3"],
        restored: "tree",
        check: &["borg check --verify-data"],
    },
    Tool {
        name: "conserve",
        install: "cargo install conserve --locked",
        cipher: None,
        compression: "snappy",
        env: &[],
        version: "conserve --version",
        init: &["conserve init {store}"],
        backup: &["conserve backup {store} {tree}"],
        restore: &["conserve restore {store} {out}"],
        restored: "",
        check: &["conserve validate {store}"],
    },
    Tool {
        name: "bup",
        install: "apt-get install bup",
        cipher: None,
        compression: "zlib 1",
        env: &[("BUP_DIR", "{store}")],
        version: "bup --version",
        init: &["bup init"],
        backup: &["bup index {tree}", "bup save --strip --name week {tree}"],
        restore: &["bup restore --outdir {out} week/latest/."],
        restored: "",
        check: &["bup fsck"],
    },
    Tool {
        name: "casync",
        install: "apt-get install casync",
        cipher: None,
        compression: "zstd",
        env: &[],
        version: "casync --version",
        init: &[],
        backup: &["casync make --store={store}/default.castr {store}/{n}.caidx {tree}"],
        restore: &["casync extract --store={store}/default.castr {store}/3.caidx {out}"],
        restored: "",
        check: &[],
    },
];

/// Returns the tools of these names, or all.
///
/// # Errors
/// When there is no tool of a name.
pub fn chosen(only: &[String]) -> Result<Vec<&'static Tool>> {
    if let Some(unknown) = only.iter().find(|name| TOOLS.iter().all(|tool| tool.name != name.as_str())) {
        let known: Vec<&str> = TOOLS.iter().map(|tool| tool.name).collect();
        return Err(format!("there is no tool {unknown}: {}", known.join(", ")));
    }
    let is_chosen = |tool: &&Tool| only.is_empty() || only.iter().any(|name| name == tool.name);
    Ok(TOOLS.iter().filter(is_chosen).collect())
}

/// Where one tool works.
pub struct Place {
    /// Holds the tree.
    pub dir: PathBuf,
    /// Holds all that the tool makes.
    pub own: PathBuf,
    /// The program of this repository.
    pub chunkstore: PathBuf,
}

impl Place {
    /// The store.
    pub fn store(&self) -> PathBuf {
        self.own.join("store")
    }

    /// What is restored.
    pub fn out(&self) -> PathBuf {
        self.own.join("out")
    }

    fn home(&self) -> PathBuf {
        self.own.join("home")
    }

    /// Makes the tool's folders and its empty store.
    ///
    /// # Errors
    /// When a folder cannot be made, or the tool fails.
    pub fn prepare(&self, tool: &Tool) -> Result<()> {
        trees::remove(&self.own)?;
        for dir in [self.store(), self.out(), self.home()] {
            std::fs::create_dir_all(&dir).map_err(|error| format!("cannot make {}: {error}", dir.display()))?;
        }
        tool.init.iter().try_for_each(|line| measure::succeed(&mut self.command(tool, line, 0), &self.own))
    }

    /// Returns the version of a tool, or nothing where it is not installed.
    pub fn version(&self, tool: &Tool) -> Option<String> {
        let asked = self.command(tool, tool.version, 0).current_dir(&self.dir).stdout(Stdio::piped()).output().ok()?;
        let said = String::from_utf8_lossy(&asked.stdout).into_owned();
        let number = |word: &&str| word.starts_with(|first: char| first.is_ascii_digit());
        Some(said.split([' ', '-', '\n']).find(number).unwrap_or("of an unknown version").to_owned())
    }

    /// Returns what a step runs; nothing where the tool has no such step.
    pub fn commands(&self, tool: &Tool, step: Step) -> Vec<Command> {
        let (lines, n) = match step {
            Step::First => (tool.backup, 1),
            Step::Unchanged => (tool.backup, 2),
            Step::NextWeek => (tool.backup, 3),
            Step::Restore => (tool.restore, 3),
            Step::Check => (tool.check, 3),
        };
        let of = |line: &&str| {
            let mut command = self.command(tool, line, n);
            if step == Step::Restore {
                command.current_dir(self.out());
            }
            command
        };
        lines.iter().map(of).collect()
    }

    /// Returns a command that sees of this machine its programs alone.
    fn command(&self, tool: &Tool, line: &str, n: u32) -> Command {
        let mut words = line.split(' ').map(|word| self.filled(word, n));
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).current_dir(&self.dir).stdin(Stdio::null()).stdout(Stdio::null());
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("LANG", "C.UTF-8");
        command.env("HOME", self.home()).env("TMPDIR", self.home());
        for (variable, folder) in [("CACHE", "cache"), ("CONFIG", "config"), ("DATA", "data"), ("STATE", "state")] {
            command.env(format!("XDG_{variable}_HOME"), self.home().join(folder));
        }
        command.envs(tool.env.iter().map(|(variable, value)| (*variable, self.filled(value, n))));
        command
    }

    fn filled(&self, word: &str, n: u32) -> String {
        let folder = |path: PathBuf| path.to_string_lossy().into_owned();
        let filled = word.replace("{store}", &folder(self.store())).replace("{home}", &folder(self.home()));
        let filled = filled.replace("{out}", &folder(self.out())).replace("{tree}", trees::SHOWN);
        filled.replace("{n}", &n.to_string()).replace("{chunkstore}", &folder(self.chunkstore.clone()))
    }
}
