//! `cargo xtask lab`: reads the command line and runs one part of the lab.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use lab::agent::{self, AgentArgs};
use lab::amplification::{self, AmplificationArgs};
use lab::kill::{self, KillArgs};
use lab::reading::{self, ReadingArgs};
use lab::record::{self, RecordArgs};
use lab::replay::{self, ReplayArgs};
use lab::report::{self, ReportArgs};
use lab::setup::{self, SetupArgs};
use lab::unplug::{self, UnplugArgs};
use lab::worn::{self, WornArgs};

/// What a power cut or a pulled plug leaves on real file systems, and whether a store survives it.
#[derive(Parser)]
#[command(name = "cargo xtask lab")]
struct Args {
    #[command(subcommand)]
    part: Part,
}

#[derive(Subcommand)]
enum Part {
    /// Brings together what a machine needs
    Setup(SetupArgs),
    /// Plays stories in a machine and logs every write that reaches the key
    Record(RecordArgs),
    Replay(ReplayArgs),
    Amplification(AmplificationArgs),
    /// Pulls a key out of a running sync, again and again
    Unplug(UnplugArgs),
    /// Kills a running sync, or the whole machine
    Kill(KillArgs),
    /// Lets the agent sync a key that arrives, is pulled in the middle and comes back, from a real FTP server
    Agent(AgentArgs),
    /// Pulls a key that is read: through a mount, by a restore, under a browser
    Reading(ReadingArgs),
    /// Tries keys that are old, slow, full, protected or broken in one place
    Worn(WornArgs),
    /// Runs all of the above in its long form, and writes the report in the lab's README
    Report(ReportArgs),
}

fn main() -> ExitCode {
    let done = match Args::parse().part {
        Part::Setup(args) => setup::run(&args).map(|()| true),
        Part::Record(args) => record::run(&args).map(|()| true),
        Part::Replay(args) => replay::run(&args),
        Part::Amplification(args) => amplification::run(&args),
        Part::Unplug(args) => unplug::run(&args).map(|()| true),
        Part::Kill(args) => kill::run(&args).map(|()| true),
        Part::Agent(args) => agent::run(&args).map(|()| true),
        Part::Reading(args) => reading::run(&args).map(|()| true),
        Part::Worn(args) => worn::run(&args).map(|()| true),
        Part::Report(args) => report::run(&args),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("lab: {error}");
            ExitCode::FAILURE
        }
    }
}
