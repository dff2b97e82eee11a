//! One suite per boundary, run by every implementation of it, the simulated twins among them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests fail by panicking"
)]

mod disk;
mod folder;
mod remote;
