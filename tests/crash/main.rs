//! Power cuts: every verb, every operation, every legal image in a budget, on every kind of medium.
//!
//! `CHUNKSTORE_SWEEP=long` takes many more images, of stories of other shapes; a number takes so many distinct ones of each
//! test. `cargo xtask sweep` sums them. A failure prints the command that replays its image.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, say what they counted, and are told by the environment what to replay"
)]

mod commit;
mod forget;
mod gc;
mod heal;
mod init;
mod publisher;
mod purge;
mod purged;
mod push;
mod readers;
mod repack;
mod repair;
mod restore;
mod story;
mod sweep;
mod sync;
mod trust;
mod waste;
