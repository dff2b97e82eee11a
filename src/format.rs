#![doc = include_str!("../objects-format.md")]

pub mod attributes;
pub mod codec;
pub mod head;
pub mod index;
pub mod keylist;
pub mod list;
pub mod manifest;
pub mod marker;
pub mod order;
pub mod outer;
pub mod pack;
pub mod pointer;
pub mod receipt;
pub mod recipe;
pub mod roster;
pub mod sealed;
pub mod snapshot;
pub mod text;
pub mod tree;
pub mod trust;

pub use codec::FormatError;
pub use pointer::{Class, Codec, Extent, Kind, ObjectKey, Pointer};

/// Version of the outer layer: what it takes to carry, check and mirror.
pub const OUTER_VERSION: u16 = 1;
/// Version of the sealed layer: what it takes to read.
pub const INNER_VERSION: u16 = 1;

#[cfg(test)]
mod tests;
