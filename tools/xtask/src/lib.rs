//! The chores of this repository: [`tidy`] holds the code to its own rules, [`ci`] runs every check in order,
//! [`sweep`] cuts the power a million times, [`peers`] measures the program beside others of its kind, [`memory`] watches what
//! each verb holds, [`syncratio`] races a sync against curl, [`windows`] builds and runs all of it for Windows,
//! [`dist`] makes what travels on a key.
//!
//! A library so that `cargo test` runs tidy too. Nothing here is part of the program.
#![allow(clippy::disallowed_methods, reason = "a tool may read files, the environment and the clock")]

pub mod agent;
pub mod browse;
pub mod cargo;
pub mod ci;
pub mod content;
pub mod deny;
pub mod dist;
pub mod fuzz;
pub mod memory;
pub mod mutants;
pub mod peers;
pub mod stage;
pub mod sweep;
pub mod syncratio;
pub mod tidy;
pub mod toolchain;
pub mod windows;
