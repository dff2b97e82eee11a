//! Meaning: directories, files and snapshots made of objects, and read back from them.
//!
//! Building takes a sink for finished nodes, reading takes an [`crate::store::reader::ObjectReader`]; neither knows
//! where the bytes lie.

pub mod build;
pub mod cursor;
pub mod diff;
pub mod handed;
#[cfg(test)]
pub(crate) mod handmade;
pub mod reach;
pub mod read;
pub mod retention;
pub mod rewrite;
pub mod snapshots;
