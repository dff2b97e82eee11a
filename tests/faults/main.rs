//! Faults: every verb with each call of the disk failing, in each way.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, say what they counted, and are told by the environment what to replay"
)]

#[path = "../crash/story.rs"]
mod story;
mod sync;
