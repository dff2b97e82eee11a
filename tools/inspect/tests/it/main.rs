//! The inspector over the fixture of an earlier version: whole, grown and broken.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, reason = "a test")]

mod answers;
mod copy;
mod damaged;
mod grown;
mod hostile;
mod table;
