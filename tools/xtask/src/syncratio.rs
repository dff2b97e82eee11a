//! How much longer a sync by FTP takes than the least that anyone could do: fetching the same packs with curl, hashing and
//! writing them, with a sync at the end.
//!
//! Both take turns, against a real server on loopback, and the medians count. What is synced at the end are the files that were
//! fetched: a sync of the whole file system would also wait for what everybody else writes.

use std::fmt::Write;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::content::{Draw, files_below, noise};
use crate::stage::{Stage, read_flags, succeed};
use vsftpd::Vsftpd;

pub mod vsftpd;

/// Most that a sync may take of what curl takes.
const RATIO_MAX: f64 = 1.3;

const USAGE: &str = "\
Usage: cargo xtask syncratio [--mib N] [--rounds N] [--connections N]

  --mib N          length of what is synced in MiB (300)
  --rounds N       how often each way is timed (5)
  --connections N  sessions of a sync (2, as it takes by itself); curl has one

Needs curl and vsftpd: CHUNKSTORE_TEST_VSFTPD says where it is (tools/test-tools.sh fetches it).
";

/// Measures and prints a table; returns whether the ratio of the medians stayed within its bound.
#[must_use]
pub fn run(root: &Path, words: &[&str]) -> bool {
    let flags = [("mib", 300), ("rounds", 5), ("connections", 2)];
    let Some([mib, rounds, connections]) = read_flags(words, flags) else {
        eprint!("{USAGE}");
        return false;
    };
    let measured = measure(root, mib, rounds.max(1), connections.max(1));
    measured.as_ref().inspect_err(|error| eprintln!("syncratio: {error}")).is_ok_and(|ratio| *ratio <= RATIO_MAX)
}

fn measure(root: &Path, mib: u64, rounds: u64, connections: u64) -> io::Result<f64> {
    let stage = Stage::new(root, "syncratio")?;
    let server = Vsftpd::start(root, &stage.path("ftp"))?;
    let store = server.url("store");
    prepare(&stage, &store, mib)?;
    let packs = files_below(&stage.path("store/packs"))?;
    println!("| round | sync s | curl, hash, write, sync s |\n| ---: | ---: | ---: |");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        ours.push(sync(&stage, &store, connections)?);
        theirs.push(fetch(&stage, &store, &packs)?);
        println!("| {round} | {:.3} | {:.3} |", seconds(ours.last()), seconds(theirs.last()));
    }
    let (ours, theirs) = (median(ours), median(theirs));
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    println!("\n{mib} MiB in {} packs: {ratio:.2} times as long, by the medians; at most {RATIO_MAX}", packs.len());
    Ok(ratio)
}

/// Publishes an empty store, makes a key of it, and publishes what the key then lacks.
fn prepare(stage: &Stage, store: &str, mib: u64) -> io::Result<()> {
    let fingerprint = stage.init("store")?;
    let quiet = |words: &[&str]| succeed(stage.program(words).stdout(Stdio::null()));
    quiet(&["push", store, "--store", "store"])?;
    quiet(&["clone", store, "empty-key", "--trust", &fingerprint])?;
    std::fs::create_dir(stage.path("files"))?;
    noise(&stage.path("files/noise"), mib << 20, &mut Draw::new(1))?;
    quiet(&["commit", "files", "--store", "store", "-m", "all"])?;
    quiet(&["push", store, "--store", "store"])
}

fn settle(stage: &Stage) -> io::Result<()> {
    succeed(Command::new("sync").arg("-f").arg(stage.path("")))
}

/// Times a sync of a key that lacks everything.
fn sync(stage: &Stage, store: &str, connections: u64) -> io::Result<Duration> {
    succeed(Command::new("cp").arg("-a").arg(stage.path("empty-key")).arg(stage.path("key")))?;
    settle(stage)?;
    let connections = connections.to_string();
    let mut command = stage.program(&["sync", store, "--store", "key", "--connections", &connections]);
    let started = Instant::now();
    succeed(command.stdout(Stdio::null()))?;
    let took = started.elapsed();
    stage.remove("key")?;
    Ok(took)
}

/// Times curl with all packs over one connection, the hash of each, and the sync.
fn fetch(stage: &Stage, store: &str, packs: &[PathBuf]) -> io::Result<Duration> {
    let (local, fetched) = (stage.path("store/packs"), stage.path("fetched"));
    let mut wanted = String::new();
    for (at, pack) in packs.iter().enumerate() {
        let below = pack.strip_prefix(&local).unwrap_or(pack).display();
        let _ = writeln!(wanted, "url = \"{store}/packs/{below}\"\noutput = \"{}/{at}\"", fetched.display());
    }
    std::fs::create_dir(&fetched)?;
    std::fs::write(stage.path("wanted"), wanted)?;
    settle(stage)?;
    let started = Instant::now();
    succeed(Command::new("curl").args(["--silent", "--show-error", "--fail", "--config"]).arg(stage.path("wanted")))?;
    for (at, pack) in packs.iter().enumerate() {
        let hash = hash(&fetched.join(at.to_string()))?;
        if !hash.starts_with(&name_digits(pack)) {
            return Err(io::Error::other(format!("{} came as {hash}", pack.display())));
        }
    }
    for at in 0..packs.len() {
        File::open(fetched.join(at.to_string()))?.sync_all()?;
    }
    File::open(&fetched)?.sync_all()?;
    let took = started.elapsed();
    stage.remove("fetched")?;
    Ok(took)
}

fn hash(path: &Path) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// Returns the first digits of a pack's hash, which its path is made of: `25/F2809188.C86`.
fn name_digits(pack: &Path) -> String {
    let names = pack.iter().rev().take(2).map(|name| name.to_string_lossy().to_lowercase());
    let names: Vec<_> = names.collect();
    names.iter().rev().flat_map(|name| name.chars()).filter(char::is_ascii_hexdigit).collect()
}

fn seconds(time: Option<&Duration>) -> f64 {
    time.map_or(0.0, Duration::as_secs_f64)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[cfg(test)]
mod tests;
