#![doc = include_str!("ARCHITECTURE.md")]

pub mod agent;
pub mod base;
pub mod chunker;
pub mod cli;
pub mod crypto;
pub mod disk;
pub mod error;
pub mod folder;
pub mod format;
pub mod ops;
pub mod path_remote;
pub mod remote;
pub mod serve;
pub mod store;
pub mod tree;
pub mod view;
