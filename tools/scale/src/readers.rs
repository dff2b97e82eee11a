//! What hundreds of readers cost: adding them, revoking one, and what a key fetches in the week after it, beside the same week of the
//! same store from which nobody was revoked.
//!
//! The publisher, its remote and a key are copied after the first week, so that both weeks begin with the same bytes.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use chunkstore::crypto::wrap::Identity;
use serde_json::{Value, json};
use xtask::peers::toolchain;
use xtask::peers::trees::Trees;
use xtask::stage::{Stage, succeed};

use crate::{Result, said};

/// Longest time that adding them all may take.
const ADD_SECS_MAX: f64 = 1.0;
/// Most that the week may move more because one was revoked, in bytes of a hundred.
const MORE_PERCENT_MAX: u64 = 1;
/// The reader whose key it is, and the one who is revoked.
const HOLDER: usize = 0;
const REVOKED: usize = 1;

/// What is asked for.
#[derive(Debug, clap::Args)]
pub struct ReadersArgs {
    /// Readers beside the one that `init` makes
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = clap::value_parser!(u64).range(2..=10_000))]
    readers: u64,
    /// The tree of the first week [default: the stable Rust toolchain]
    #[arg(long, value_name = "DIR")]
    week1: Option<PathBuf>,
    /// The tree that takes its place in the second [default: the nightly Rust toolchain]
    #[arg(long, value_name = "DIR")]
    week2: Option<PathBuf>,
}

/// Plays both weeks and prints what they took; returns whether all bounds held.
///
/// # Errors
/// When a tree is missing, or a verb fails.
pub fn run(root: &Path, args: &ReadersArgs) -> Result<bool> {
    let trees = [toolchain(args.week1.as_ref(), "stable")?, toolchain(args.week2.as_ref(), "nightly")?];
    let stage = Stage::new(root, "scale-readers")?;
    let trees = Trees::copy(&stage.path("trees"), &trees)?;
    let worlds = ["plain", "revoked"].map(|name| World { stage: &stage, dir: stage.path(name), tree: trees.shown() });
    trees.show(false)?;
    let add_secs = worlds[0].first_week(args.readers)?;
    succeed(Command::new("cp").args(["-a", "--reflink=auto", "--"]).arg(&worlds[0].dir).arg(&worlds[1].dir))?;
    trees.show(true)?;
    let plain = worlds[0].next_week()?;
    let began = Instant::now();
    worlds[1].verb(&["reader", "revoke", &name_of(REVOKED), "--store", "store", "--keys", "keys"])?;
    let revoke_secs = began.elapsed().as_secs_f64();
    let revoked = worlds[1].next_week()?;
    let outcome = Outcome { readers: args.readers, add_secs, revoke_secs, plain, revoked };
    println!("{}\n{}", outcome.table(), outcome.document());
    Ok(outcome.holds())
}

fn name_of(reader: usize) -> String {
    format!("reader-{reader}")
}

/// A publisher, its remote and a key in one folder.
struct World<'a> {
    stage: &'a Stage,
    dir: PathBuf,
    tree: PathBuf,
}

impl World<'_> {
    /// Commits the first tree, adds the readers, pushes, and clones one reader's key; returns how long adding took.
    fn first_week(&self, readers: u64) -> Result<f64> {
        std::fs::create_dir_all(&self.dir)?;
        let made = self.verb(&["init", "store", "--keys", "keys", "--no-passphrase"])?;
        let fingerprint = made["fingerprint"].as_str().ok_or("init said no fingerprint")?;
        self.commit()?;
        let mut list = String::new();
        for reader in 0..usize::try_from(readers)? {
            writeln!(list, "{}\t{}\tkey number {reader}", Identity::generate().recipient().as_str(), name_of(reader))?;
        }
        std::fs::write(self.dir.join("readers.tsv"), list)?;
        let began = Instant::now();
        let added =
            self.verb(&["reader", "add", "--from-file", "readers.tsv", "--store", "store", "--keys", "keys"])?;
        let add_secs = began.elapsed().as_secs_f64();
        let tag = added["added"][HOLDER]["tag"].as_str().ok_or("reader add said no tag")?;
        self.verb(&["push", "./remote", "--store", "store", "--keys", "keys"])?;
        self.verb(&["clone", "./remote", "key", "--trust", fingerprint, "--reader", tag])?;
        Ok(add_secs)
    }

    /// Commits what the tree is now, pushes it, and has the key sync it.
    fn next_week(&self) -> Result<Week> {
        let before = self.key_files()?;
        self.commit()?;
        self.verb(&["push", "./remote", "--store", "store", "--keys", "keys"])?;
        let synced = self.verb(&["sync", "./remote", "--store", "key"])?;
        let field = |name: &str| synced[name].as_u64().ok_or(format!("sync said no {name}"));
        Ok(Week {
            fetched_bytes: field("fetched_bytes")?,
            packs: field("packs_fetched")?,
            key_files: self.key_files()?.saturating_sub(before),
        })
    }

    fn commit(&self) -> Result<()> {
        let tree = self.tree.to_string_lossy();
        self.verb(&["commit", &tree, "--store", "store", "--keys", "keys"]).map(drop)
    }

    /// Runs a verb in the folder, and returns the last document that it says.
    fn verb(&self, words: &[&str]) -> Result<Value> {
        let mut command = self.stage.program_without_keys(words);
        let home = self.dir.join("home");
        command.current_dir(&self.dir).env("XDG_CACHE_HOME", home.join("cache")).env("HOME", &home);
        said(command.stderr(Stdio::inherit()))
    }

    /// Returns how many key files the key holds, of all epochs.
    fn key_files(&self) -> Result<u64> {
        let files = xtask::content::files_below(&self.dir.join("key/keys"))?;
        Ok(files.iter().filter(|file| file.extension().is_some_and(|end| end == "age")).count() as u64)
    }
}

/// What a key fetched.
#[derive(Debug, Clone, Copy)]
struct Week {
    fetched_bytes: u64,
    packs: u64,
    key_files: u64,
}

impl Week {
    fn document(self) -> Value {
        json!({ "fetched_bytes": self.fetched_bytes, "packs": self.packs, "key_files": self.key_files })
    }
}

struct Outcome {
    readers: u64,
    add_secs: f64,
    revoke_secs: f64,
    plain: Week,
    revoked: Week,
}

impl Outcome {
    fn more_percent(&self) -> f64 {
        (self.revoked.fetched_bytes as f64 / self.plain.fetched_bytes.max(1) as f64 - 1.0) * 100.0
    }

    fn holds(&self) -> bool {
        self.add_secs <= ADD_SECS_MAX
            && self.revoked.fetched_bytes * 100 <= self.plain.fetched_bytes * (100 + MORE_PERCENT_MAX)
            && self.plain.key_files == 0
            && self.revoked.key_files == 1
    }

    fn table(&self) -> String {
        let mut text = format!(
            "{} readers added in {:.2} s (at most {ADD_SECS_MAX} s), one revoked in {:.2} s\n\n",
            self.readers, self.add_secs, self.revoke_secs
        );
        text.push_str("| the week after | fetched bytes | packs | key files |\n| --- | ---: | ---: | ---: |\n");
        for (what, week) in [("nobody revoked", self.plain), ("one revoked", self.revoked)] {
            let _ = writeln!(text, "| {what} | {} | {} | {} |", week.fetched_bytes, week.packs, week.key_files);
        }
        let _ = writeln!(text, "\n{:+.3} % (at most {MORE_PERCENT_MAX} %)", self.more_percent());
        text
    }

    fn document(&self) -> Value {
        json!({
            "readers": self.readers, "add_secs": self.add_secs, "revoke_secs": self.revoke_secs,
            "plain": self.plain.document(), "revoked": self.revoked.document(),
            "more_percent": self.more_percent(), "held": self.holds(),
        })
    }
}

#[cfg(test)]
mod tests;
