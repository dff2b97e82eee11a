//! The verbs, one module each, over one harness.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests fail by panicking and set their own scene"
)]

mod carried;
mod commit;
mod scene;
mod verify;
