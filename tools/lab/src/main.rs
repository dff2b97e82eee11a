//! `cargo xtask lab`: reads the command line and runs one part of the lab.

use std::process::ExitCode;

fn main() -> ExitCode {
    eprintln!("lab: setup, record, replay, unplug, kill, report");
    ExitCode::from(2)
}
