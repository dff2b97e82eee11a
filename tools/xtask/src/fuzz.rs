//! The fuzz targets one after the other, each for a while: what is done is remembered with the commit that it was done for, so
//! a run that ends goes on where it was. What a target adds to its corpus is made small and kept as text.
//!
//! Needs a nightly toolchain and `cargo install cargo-fuzz --locked`. The build is cargo-fuzz's own, in `tools/fuzz/target`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use clap::Parser;

use crate::cargo::cargo;

const FUZZ_DIR: &str = "tools/fuzz";
/// Inputs that are kept, a file of lines in hex for each target.
const SMALL_CORPUS: &str = "tools/fuzz/corpus-small";
/// What is done.
const RECORD: &str = "tools/fuzz/runs.md";
/// The longest that the kept inputs of one target may be together, as bytes.
const KEPT_MAX_BYTES: usize = 2048;
/// An input longer than this is not kept.
const INPUT_MAX_BYTES: usize = 512;

/// Runs the fuzz targets, each for as long as it has not run on this commit.
#[derive(Parser)]
#[command(name = "cargo xtask fuzz", no_binary_name = false)]
pub struct FuzzArgs {
    /// How long each target runs
    #[arg(long, value_name = "N", default_value_t = 600)]
    seconds: u64,
    /// How many targets run at once
    #[arg(long, value_name = "N", default_value_t = 1)]
    jobs: usize,
    /// Runs targets that are done as well
    #[arg(long)]
    again: bool,
    /// Keeps no inputs in tools/fuzz/corpus-small
    #[arg(long)]
    keep_nothing: bool,
    /// Which targets; all of them unless named
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
}

/// One run of one target.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Done {
    seconds: u64,
    inputs: u64,
    edges: u64,
    commit: String,
    failed: bool,
}

/// Runs what is not done, and returns whether no target failed.
#[must_use]
pub fn run(root: &Path, args: &FuzzArgs) -> bool {
    match run_all(root, args) {
        Ok(passed) => passed,
        Err(error) => {
            eprintln!("fuzz: {error}");
            false
        }
    }
}

fn run_all(root: &Path, args: &FuzzArgs) -> Result<bool, String> {
    let all = targets(root)?;
    let wanted: Vec<&String> =
        all.iter().filter(|name| args.targets.is_empty() || args.targets.contains(name)).collect();
    if let Some(unknown) = args.targets.iter().find(|name| !all.contains(name)) {
        return Err(format!("there is no target `{unknown}`, but {}", all.join(", ")));
    }
    let commit = commit(root)?;
    let record = read_record(&std::fs::read_to_string(root.join(RECORD)).unwrap_or_default());
    let is_done = |done: &Done| done.commit == commit && done.seconds >= args.seconds && !done.failed;
    let todo: Vec<&String> =
        wanted.into_iter().filter(|name| args.again || !record.get(*name).is_some_and(is_done)).collect();
    println!("fuzz: {} of {} targets to run, {} s each, on {commit}", todo.len(), all.len(), args.seconds);
    if todo.is_empty() {
        return Ok(true);
    }
    prepare(root)?;
    let todo = Mutex::new(todo.into_iter());
    let next = || todo.lock().unwrap_or_else(PoisonError::into_inner).next();
    let record = Mutex::new(record);
    let job = || {
        let mut passed = true;
        while let Some(name) = next() {
            let done = run_one(root, name, args, &commit)?;
            passed &= !done.failed;
            let mut record = record.lock().unwrap_or_else(PoisonError::into_inner);
            record.insert(name.clone(), done);
            record.retain(|name, _| all.contains(name));
            write(&root.join(RECORD), &shown_record(&record))?;
        }
        Ok(passed)
    };
    let outcomes: Vec<Result<bool, String>> = std::thread::scope(|scope| {
        let jobs: Vec<_> = (0..args.jobs.max(1)).map(|_| scope.spawn(job)).collect();
        jobs.into_iter().map(|job| job.join().unwrap_or_else(|_| Err("a job panicked".to_owned()))).collect()
    });
    let passed = outcomes.into_iter().try_fold(true, |passed, outcome| Ok::<_, String>(passed & outcome?))?;
    print!("{}", shown_record(&record.into_inner().unwrap_or_else(PoisonError::into_inner)));
    Ok(passed)
}

/// Returns the names of the targets, as the fuzzer's manifest has them.
fn targets(root: &Path) -> Result<Vec<String>, String> {
    let manifest = root.join(FUZZ_DIR).join("Cargo.toml");
    let text =
        std::fs::read_to_string(&manifest).map_err(|error| format!("cannot read {}: {error}", manifest.display()))?;
    let names = text.split("[[bin]]\nname = \"").skip(1).filter_map(|rest| rest.split('"').next());
    Ok(names.map(str::to_owned).collect())
}

/// Returns the commit that stands, and whether something beside the record differs from it.
fn commit(root: &Path) -> Result<String, String> {
    let git = |args: &[&str]| {
        let output =
            Command::new("git").arg("-C").arg(root).args(args).output().map_err(|error| format!("git: {error}"))?;
        Ok::<_, String>(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let dirty = !git(&[
        "status",
        "--porcelain",
        "--untracked-files=no",
        "--",
        "src",
        FUZZ_DIR,
        ":!tools/fuzz/runs.md",
        ":!tools/fuzz/corpus-small",
    ])?
    .is_empty();
    Ok(format!("{}{}", git(&["rev-parse", "--short=12", "HEAD"])?, if dirty { "+" } else { "" }))
}

/// Writes the seeds and builds every target.
fn prepare(root: &Path) -> Result<(), String> {
    let installed = cargo(root).args(["fuzz", "--version"]).output().is_ok_and(|output| output.status.success());
    if !installed {
        return Err(
            "cargo-fuzz is not installed: cargo install cargo-fuzz --locked, and a nightly toolchain".to_owned()
        );
    }
    let seeds = ["test", "-p", "chunkstore", "--test", "fuzz_smoke", "--quiet", "--", "--ignored", "write_corpus"];
    succeed(cargo(root).args(seeds), "the seeds")?;
    succeed(nightly(root).args(["fuzz", "build", "--fuzz-dir", FUZZ_DIR]), "the build")
}

/// Returns a call of the nightly toolchain's cargo, whichever runs this tool.
fn nightly(root: &Path) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo"]).current_dir(root).env_remove("CARGO");
    cargo(root).get_envs().filter(|(_, value)| value.is_none()).for_each(|(name, _)| {
        command.env_remove(name);
    });
    command
}

fn succeed(command: &mut Command, what: &str) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("cannot start cargo: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{what} failed")) }
}

/// Runs one target, says how it went and keeps what it found worth keeping.
fn run_one(root: &Path, name: &str, args: &FuzzArgs, commit: &str) -> Result<Done, String> {
    let seconds = args.seconds;
    let limits = [format!("-max_total_time={seconds}"), "-timeout=120".into(), "-rss_limit_mb=2048".into()];
    let mut command = nightly(root);
    command.args(["fuzz", "run", "--fuzz-dir", FUZZ_DIR, name, "--"]).args(limits).arg("-print_final_stats=1");
    let output = command.output().map_err(|error| format!("cannot start cargo: {error}"))?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let failed = !output.status.success();
    if failed {
        eprintln!("{text}");
    }
    let (inputs, edges) = stats(&text);
    println!("fuzz: {name}: {inputs} inputs, {edges} edges{}", if failed { ", FAILED" } else { "" });
    if !args.keep_nothing && !failed {
        keep_small(root, name)?;
    }
    Ok(Done { seconds, inputs, edges, commit: commit.to_owned(), failed })
}

/// Returns how many inputs ran, and how many edges they reached, from what libFuzzer printed.
fn stats(text: &str) -> (u64, u64) {
    let number = |rest: &str| rest.split_whitespace().next().and_then(|word| word.parse().ok());
    let inputs =
        text.lines().filter_map(|line| number(line.strip_prefix("stat::number_of_executed_units:")?)).next_back();
    let edges = text.lines().filter_map(|line| number(line.split_once(" cov: ")?.1)).max();
    (inputs.unwrap_or(0), edges.unwrap_or(0))
}

/// Makes a corpus small, and keeps the shortest inputs of it.
fn keep_small(root: &Path, name: &str) -> Result<(), String> {
    succeed(nightly(root).args(["fuzz", "cmin", "--fuzz-dir", FUZZ_DIR, name]), "making the corpus small")?;
    let dir = root.join(FUZZ_DIR).join("corpus").join(name);
    let files = std::fs::read_dir(&dir).map_err(|error| format!("cannot list {}: {error}", dir.display()))?;
    let paths: Vec<PathBuf> = files.filter_map(|entry| Some(entry.ok()?.path())).collect();
    let inputs: Vec<Vec<u8>> = paths.iter().filter_map(|path| std::fs::read(path).ok()).collect();
    write(&root.join(SMALL_CORPUS).join(format!("{name}.txt")), &kept(inputs))
}

/// Returns the shortest inputs as lines in hex, as many as may be kept.
fn kept(mut inputs: Vec<Vec<u8>>) -> String {
    inputs.retain(|input| !input.is_empty() && input.len() <= INPUT_MAX_BYTES);
    inputs.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    let mut left = KEPT_MAX_BYTES;
    let fits = inputs.iter().take_while(|input| {
        left = left.saturating_sub(input.len());
        left > 0
    });
    let hex = |input: &Vec<u8>| input.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n";
    fits.map(hex).collect()
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    let failed = |error| format!("cannot write {}: {error}", path.display());
    path.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(failed)?;
    std::fs::write(path, text).map_err(failed)
}

/// Reads the table; rows that do not read are not done.
fn read_record(text: &str) -> BTreeMap<String, Done> {
    let rows = text.lines().filter_map(|line| {
        let cells: Vec<&str> = line.strip_prefix('|')?.trim_end_matches('|').split('|').map(str::trim).collect();
        let [name, seconds, inputs, edges, commit, outcome] = cells[..] else { return None };
        let (seconds, inputs, edges) = (seconds.parse().ok()?, inputs.parse().ok()?, edges.parse().ok()?);
        Some((name.to_owned(), Done { seconds, inputs, edges, commit: commit.to_owned(), failed: outcome != "held" }))
    });
    rows.collect()
}

fn shown_record(record: &BTreeMap<String, Done>) -> String {
    let mut text = "# Runs of the fuzz targets\n\nWritten by `cargo xtask fuzz`: the last run of each target. `+` is a commit with changes on top.\n\n\
        | target | seconds | inputs | edges | commit | outcome |\n| --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for (name, Done { seconds, inputs, edges, commit, failed }) in record {
        let outcome = if *failed { "failed" } else { "held" };
        text += &format!("| {name} | {seconds} | {inputs} | {edges} | {commit} | {outcome} |\n");
    }
    text
}

#[cfg(test)]
mod tests;
