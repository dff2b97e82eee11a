//! `cargo xtask lab`: reads the command line and runs one part of the lab.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use lab::{kill, setup, unplug, worn};

/// Power cuts and pulled plugs on real file systems.
#[derive(Parser)]
#[command(name = "cargo xtask lab", max_term_width = 100)]
struct CommandLine {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Brings together what a machine needs
    Setup(setup::SetupArgs),
    /// Pulls a key out of a running sync, again and again
    Unplug(unplug::UnplugArgs),
    /// Kills a running sync, or the whole machine
    Kill(kill::KillArgs),
    /// Tries keys that are old, slow, full, protected or broken in one place
    Worn(worn::WornArgs),
}

fn main() -> ExitCode {
    let result = match CommandLine::parse().verb {
        Verb::Setup(args) => setup::run(&args),
        Verb::Unplug(args) => unplug::run(&args),
        Verb::Kill(args) => kill::run(&args),
        Verb::Worn(args) => worn::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab: {error}");
            ExitCode::FAILURE
        }
    }
}
