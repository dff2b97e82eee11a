//! The fuzzer's own crate; what it runs is in [`targets`].
//!
//! ```text
//! cargo test --test fuzz_smoke -- --ignored write_corpus       the vectors of the format as seeds
//! cd tools/fuzz && cargo +nightly fuzz run --fuzz-dir . manifest
//! ```
//!
//! An input that fails becomes a test: a bad vector of the format, or a test beside the code that it broke.

pub mod targets;
