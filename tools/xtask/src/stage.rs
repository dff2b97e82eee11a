//! Where the program is measured: a release build of it, in a folder of its own below `target`, with its own keys and caches.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cargo::cargo;

/// A folder below `target` that is gone again when this is dropped.
pub struct Stage {
    dir: PathBuf,
    program: PathBuf,
}

impl Stage {
    /// Builds the program and makes an empty folder for what `name` measures.
    ///
    /// # Errors
    /// When the program does not build, and those of the file system.
    pub fn new(root: &Path, name: &str) -> io::Result<Self> {
        Self::built(root, name, "release", &["--release"])
    }

    /// Does the same with a build for tests, where nothing is measured.
    ///
    /// # Errors
    /// As [`Stage::new`].
    pub fn unmeasured(root: &Path, name: &str) -> io::Result<Self> {
        Self::built(root, name, "debug", &[])
    }

    fn built(root: &Path, name: &str, profile: &str, flags: &[&str]) -> io::Result<Self> {
        let mut build = cargo(root);
        build.args(["build", "--quiet", "--package", "chunkstore", "--bin", "chunkstore"]).args(flags);
        succeed(&mut build)?;
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let dir = target.join(name);
        remove(&dir)?;
        std::fs::create_dir_all(&dir)?;
        Ok(Self { dir, program: target.join(profile).join("chunkstore") })
    }

    /// Returns a path in the folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Returns a call of the program that runs in the folder with its keys and leaves the person's own settings alone.
    #[must_use]
    pub fn program(&self, words: &[&str]) -> Command {
        let mut command = self.program_without_keys(words);
        command.args(["--keys", "keys"]);
        command
    }

    /// As [`Stage::program`], without any keys.
    #[must_use]
    pub fn program_without_keys(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        let home = self.path("home");
        command.current_dir(&self.dir).env("HOME", &home).env("XDG_CACHE_HOME", home.join("cache"));
        command.env("XDG_CONFIG_HOME", home.join("config")).env_remove("CHUNKSTORE_STORE");
        command.args(words).stdin(Stdio::null());
        command
    }

    /// Makes a store and returns its fingerprint.
    ///
    /// # Errors
    /// When the program fails, or says no fingerprint.
    pub fn init(&self, store: &str) -> io::Result<String> {
        let said = self.program(&["init", store, "--no-passphrase", "--json"]).stderr(Stdio::null()).output()?;
        let text = String::from_utf8_lossy(&said.stdout);
        text_field(&text, "fingerprint").ok_or_else(|| io::Error::other("init said no fingerprint"))
    }

    /// Removes something that stands in the folder.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        remove(&self.path(name))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.dir) {
            eprintln!("xtask: cannot remove {}: {error}", self.dir.display());
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Runs a command to its end.
///
/// # Errors
/// When it does not start or does not end well.
pub fn succeed(command: &mut Command) -> io::Result<()> {
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(failed(command, status)) }
}

/// Says that a command did not end well.
#[must_use]
pub fn failed(command: &Command, status: std::process::ExitStatus) -> io::Error {
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
    io::Error::other(format!("{} {}: {status}", command.get_program().to_string_lossy(), words.join(" ")))
}

/// Returns the text of a field in a JSON document that has it once, with nothing in it that is escaped.
#[must_use]
pub fn text_field(json: &str, name: &str) -> Option<String> {
    let (_, rest) = json.split_once(&format!("\"{name}\":"))?;
    let (text, _) = rest.trim_start().strip_prefix('"')?.split_once('"')?;
    Some(text.to_owned())
}

/// Reads flags of the form `--name NUMBER` into the numbers that go by those names; nothing for any other word.
#[must_use]
pub fn read_flags<const N: usize>(words: &[&str], mut flags: [(&str, u64); N]) -> Option<[u64; N]> {
    let (pairs, rest) = words.as_chunks::<2>();
    for [name, number] in pairs {
        let flag = flags.iter_mut().find(|(known, _)| name.strip_prefix("--") == Some(*known))?;
        flag.1 = number.parse().ok()?;
    }
    rest.is_empty().then(|| flags.map(|(_, number)| number))
}

#[cfg(test)]
mod tests;
