//! The fuzzer's own crate; what it runs is in [`targets`].
//!
//! ```text
//! cargo install cargo-fuzz
//! cargo test -p chunkstore --test fuzz_smoke -- --ignored write_corpus     the vectors of the format as seeds
//! cargo +nightly fuzz list --fuzz-dir tools/fuzz                           the targets
//! cargo +nightly fuzz build --fuzz-dir tools/fuzz                          all of them, once
//! cargo +nightly fuzz run --fuzz-dir tools/fuzz manifest -- -max_total_time=40
//! ```
//!
//! `cargo xtask fuzz` does all of that for every target, goes on where it ended, and writes `runs.md`.
//!
//! Seeds, what the fuzzer adds to them (`corpus`) and what fails (`artifacts`) stay in `tools/fuzz` and are not committed; the
//! shortest inputs of a small corpus are, as text (`corpus-small`), and are seeds as well.
//! An input that fails becomes a test: a bad vector of the format, or a test beside the code that it broke.

pub mod targets;
