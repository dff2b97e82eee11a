//! Chunkstore beside its peers: the same two trees backed up, restored and checked by every tool that is installed.
//!
//! The runs alternate: each tool once, then each again. A step begins with what it reads in memory, and its time goes
//! from the start of the command to the end of a sync of the file system. Everything lies below `peers` in the target
//! folder, the tools' own caches and settings too, and is removed at the end. What was restored stays until then, since
//! ext4 passes over what was freed within the last seconds, one by one: whoever writes many files soon after a removal
//! pays for it (`recently_deleted` in Linux' `fs/ext4/ialloc.c`; here up to 19 of 20 s).

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Parser;

use crate::cargo::cargo;

mod measure;
mod table;
mod tools;
pub mod trees;

use measure::Measured;
use table::Report;
use tools::{Place, Tool};
use trees::Trees;

/// What went wrong, in words.
type Result<T> = std::result::Result<T, String>;

/// What `cargo xtask peers` is asked for.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask peers", about = "Measures chunkstore and its peers on two weeks of one tree")]
pub struct PeersArgs {
    /// Runs of every tool
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub runs: u32,
    /// The tree of the first week [default: the stable Rust toolchain]
    #[arg(long, value_name = "DIR")]
    pub week1: Option<PathBuf>,
    /// The tree that takes its place in the second [default: the nightly Rust toolchain]
    #[arg(long, value_name = "DIR")]
    pub week2: Option<PathBuf>,
    /// Measures this tool alone; repeatable
    #[arg(long, value_name = "NAME")]
    pub only: Vec<String>,
    /// Prints one JSON document instead of a table
    #[arg(long)]
    pub json: bool,
    /// Puts the table on a page, too, between its `peers` lines
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
}

/// What is timed, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    First,
    Unchanged,
    NextWeek,
    Restore,
    Check,
}

impl Step {
    const ALL: [Self; 5] = [Self::First, Self::Unchanged, Self::NextWeek, Self::Restore, Self::Check];

    /// The name of its column.
    fn name(self) -> &'static str {
        match self {
            Self::First => "first backup",
            Self::Unchanged => "unchanged",
            Self::NextWeek => "next week",
            Self::Restore => "restore",
            Self::Check => "check",
        }
    }
}

/// What one run of one tool took.
#[derive(Debug, Default)]
struct Run {
    /// In the order of [`Step::ALL`]; a tool without a check has none there.
    steps: [Option<Measured>; Step::ALL.len()],
    week1_bytes: u64,
    added_bytes: u64,
}

/// A tool and how its runs went.
struct Entry {
    tool: &'static Tool,
    version: String,
    runs: Vec<Run>,
    /// Why it was left out after a step that failed.
    failed: Option<String>,
}

/// What is the same for every tool and run.
struct Bench {
    /// Everything is below this folder.
    dir: PathBuf,
    trees: Trees,
    chunkstore: PathBuf,
}

/// Measures what is installed and prints a table; returns whether every tool did its work.
#[must_use]
pub fn run(root: &Path, args: &PeersArgs) -> bool {
    match measure_all(root, args) {
        Ok(report) => report.entries.iter().all(|entry| entry.failed.is_none()),
        Err(error) => {
            eprintln!("peers: {error}");
            false
        }
    }
}

fn measure_all(root: &Path, args: &PeersArgs) -> Result<Report> {
    let tools = tools::chosen(&args.only)?;
    if let Some(page) = &args.write {
        // A page without the place is told before the hour of work, not after.
        table::put_on_page(page, None)?;
    }
    let (target, chunkstore) = build(root)?;
    let weeks = [toolchain(args.week1.as_ref(), "stable")?, toolchain(args.week2.as_ref(), "nightly")?];
    let dir = target.join("peers");
    trees::remove(&dir)?;
    let bench = Bench { trees: Trees::copy(&dir, &weeks)?, dir, chunkstore };
    let report = bench.measure(&tools, args.runs, command_line(args))?;
    trees::remove(&bench.dir)?;
    println!("{}", if args.json { report.json().to_string() } else { report.markdown() });
    if let Some(page) = &args.write {
        table::put_on_page(page, Some(&report.markdown()))?;
    }
    Ok(report)
}

/// Shows how the run can be had again; a page names no paths of one machine.
fn command_line(args: &PeersArgs) -> String {
    let mut line = format!("cargo xtask peers --runs {}", args.runs);
    for (option, given) in [(" --week1 DIR", &args.week1), (" --week2 DIR", &args.week2)] {
        line += given.as_ref().map_or("", |_| option);
    }
    line + &args.only.iter().map(|name| format!(" --only {name}")).collect::<String>()
}

/// Builds the release that is measured; returns the target folder and the program.
fn build(root: &Path) -> Result<(PathBuf, PathBuf)> {
    let own = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
    let target = own.ancestors().nth(2).ok_or("this program is in no target folder")?.to_owned();
    let status = cargo(root).args(["build", "--release", "--bin", "chunkstore"]).status();
    let status = status.map_err(|error| format!("cannot start cargo: {error}"))?;
    let program = target.join("release/chunkstore");
    if status.success() { Ok((target, program)) } else { Err("chunkstore could not be built".to_owned()) }
}

/// Returns the tree that was asked for, or the named toolchain's.
///
/// # Errors
/// When it is not installed.
pub fn toolchain(given: Option<&PathBuf>, name: &str) -> Result<PathBuf> {
    if let Some(dir) = given {
        return std::path::absolute(dir).map_err(|error| format!("{}: {error}", dir.display()));
    }
    let asked = Command::new("rustup").args(["run", name, "rustc", "--print", "sysroot"]).output();
    let asked = asked.map_err(|error| format!("cannot start rustup: {error}"))?;
    if !asked.status.success() {
        return Err(format!("the {name} toolchain is missing: `rustup toolchain install {name}`, or name other trees"));
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&asked.stdout).trim()))
}

impl Bench {
    /// Runs each tool once, then each again; one that failed is left out from then on.
    fn measure(&self, tools: &[&'static Tool], runs: u32, command: String) -> Result<Report> {
        let (mut entries, mut missing) = (Vec::new(), Vec::new());
        for &tool in tools {
            match self.place(tool).version(tool) {
                Some(version) => entries.push(Entry { tool, version, runs: Vec::new(), failed: None }),
                None => missing.push(tool),
            }
        }
        for run in 1..=runs {
            for entry in entries.iter_mut().filter(|entry| entry.failed.is_none()) {
                let told = format!("run {run} of {runs}: {}", entry.tool.name);
                match self.run(entry.tool, run, &told) {
                    Ok(run) => entry.runs.push(run),
                    Err(why) => {
                        eprintln!("peers: {told}: {why}");
                        entry.failed = Some(why);
                    }
                }
            }
        }
        Ok(Report { command, entries, missing, extents: self.trees.extents })
    }

    fn place(&self, tool: &Tool) -> Place {
        Place { dir: self.dir.clone(), own: self.dir.join(tool.name), chunkstore: self.chunkstore.clone() }
    }

    /// Measures every step of a tool once; what it restored is compared with the tree in the first run.
    fn run(&self, tool: &Tool, number: u32, told: &str) -> Result<Run> {
        let place = self.place(tool);
        place.prepare(tool)?;
        let mut run = Run::default();
        let mut before_bytes = 0;
        for (step, slot) in Step::ALL.into_iter().zip(&mut run.steps) {
            let commands = place.commands(tool, step);
            if commands.is_empty() {
                continue;
            }
            if matches!(step, Step::First | Step::NextWeek) {
                self.trees.show(step == Step::NextWeek)?;
            }
            trees::read_through(&self.trees.shown())?;
            trees::read_through(&place.own)?;
            measure::sync(&self.dir)?;
            let measured = measure::timed(commands, &place.own).map_err(|why| format!("{}: {why}", step.name()))?;
            eprintln!("peers: {told}: {}: {:.2} s", step.name(), measured.wall.as_secs_f64());
            *slot = Some(measured);
            let stored_bytes = trees::extent(&place.store())?.bytes;
            match step {
                Step::First => run.week1_bytes = stored_bytes,
                Step::NextWeek => run.added_bytes = stored_bytes.saturating_sub(before_bytes),
                Step::Restore if number == 1 => trees::compare(&self.trees.shown(), &place.out().join(tool.restored))?,
                _ => {}
            }
            before_bytes = stored_bytes;
            if step == Step::Restore {
                trees::put_aside(&place.out(), &self.dir.join("restored").join(format!("{}-{number}", tool.name)))?;
            }
        }
        trees::remove(&place.own)?;
        Ok(run)
    }
}

#[cfg(test)]
mod tests;
