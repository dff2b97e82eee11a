//! The program and its tests built for Windows on Linux, and run under wine.
//!
//! Rust's own standard library for `x86_64-pc-windows-gnu`, Debian's mingw and Debian's wine; see [`bed`] for what is set up and
//! where. Wine is not Windows: access lists, NTFS, links and what a power cut leaves stay untested, and what wine does otherwise
//! is listed with its reason in [`exceptions`].

use std::path::Path;

use clap::{Parser, Subcommand};

pub mod bed;
pub mod exceptions;
pub mod service;
pub mod suite;

use bed::Bed;

/// What to do; all of it where nothing is said.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask windows",
    bin_name = "cargo xtask windows",
    about = "The program and its tests on Windows, by wine"
)]
pub struct WindowsArgs {
    #[command(subcommand)]
    step: Option<Step>,
}

#[derive(Debug, Subcommand)]
enum Step {
    /// Installs what is missing (Debian's mingw and wine, as root; the target by rustup) and makes the wine prefix
    Setup,
    /// Builds the release program
    Build,
    /// Builds the tests and runs them, or those of one binary, or those of it whose names hold a word
    Test {
        /// A binary: lib, it, crash, faults, conform, vectors, fuzz_smoke
        binary: Option<String>,
        /// A part of the tests' names
        filter: Option<String>,
    },
    /// Installs the agent as a service, plugs a key in, pulls it, and takes the service away; needs vsftpd
    Service,
    /// Runs the release program under wine
    Run {
        /// Its words
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
}

/// Runs the steps; returns whether all went well.
#[must_use]
pub fn run(root: &Path, args: &WindowsArgs) -> bool {
    let bed = Bed::at(root);
    let done = match &args.step {
        Some(Step::Setup) => bed.set_up(),
        Some(Step::Build) => {
            bed.set_up().and_then(|()| bed.build_release()).map(|program| println!("{}", program.display()))
        }
        Some(Step::Test { binary, filter }) => {
            bed.set_up().and_then(|()| suite::run(&bed, binary.as_deref(), filter.as_deref()))
        }
        Some(Step::Service) => bed.set_up().and_then(|()| service::run(&bed)),
        Some(Step::Run { words }) => bed.run_release(words),
        None => bed.set_up().and_then(|()| everything(&bed)),
    };
    if let Err(why) = &done {
        eprintln!("windows: {why}");
    }
    done.is_ok()
}

fn everything(bed: &Bed) -> Result<(), String> {
    bed.build_release()?;
    bed.run_release(&["version".to_owned()])?;
    suite::run(bed, None, None)?;
    service::run(bed)
}
