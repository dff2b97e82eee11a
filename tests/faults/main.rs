//! Failing calls: every n-th call of every verb fails in every way, or the process is killed there.
//!
//! `CHUNKSTORE_SWEEP=long` takes every call on every kind of medium. A failure names the call; `CHUNKSTORE_CALL` runs it alone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, say what they counted, and are told by the environment what to replay"
)]

mod calls;
mod commit;
mod gc;
mod init;
mod killed;
#[path = "../crash/publisher.rs"]
mod publisher;
mod purge;
#[path = "../crash/purged.rs"]
mod purged;
mod read_only;
#[path = "../crash/repack.rs"]
mod repack;
mod repair;
mod restore;
#[allow(dead_code, reason = "shared with the crash sweeps, which use all of it")]
#[path = "../crash/story.rs"]
mod story;
mod sync;
mod trust;
#[allow(dead_code, reason = "shared with the crash sweeps, which use all of it")]
#[path = "../crash/waste.rs"]
mod waste;
