//! The verbs, one module each, over one harness.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests fail by panicking and set their own scene"
)]

mod commit;
mod damage;
#[path = "../crash/publisher.rs"]
mod publisher;
mod scene;
mod verify;
