//! Whole verbs over real and scripted parts: a module for each verb, over one harness or the other.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests fail by panicking and set their own scene"
)]

mod carried;
mod cli;
mod clone;
mod commit;
mod damage;
mod env;
#[path = "../crash/publisher.rs"]
mod publisher;
mod push;
mod restore;
mod roundtrip;
mod scene;
mod sync;
mod tight;
mod verify;
