//! Power cuts: every verb, every operation, every legal image in a budget, on every kind of medium.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, say what they counted, and are told by the environment what to replay"
)]

mod sweep;
mod sync;
