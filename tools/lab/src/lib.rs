//! The lab: what a power cut or a pulled plug leaves on real file systems, and whether a store survives it.
//!
//! A virtual machine with a real kernel writes a store onto a virtual USB key while every block write is logged; the
//! log is replayed into every state that a cut can leave, and each state is opened. `README.md` beside this crate says
//! how to run it and what it found.
#![allow(clippy::disallowed_methods, reason = "a tool may read files, clocks and the environment")]

pub mod agent;
pub mod amplification;
pub mod bench;
pub mod blocklog;
pub mod check;
pub mod chore;
pub mod content;
pub mod cpio;
pub mod error;
pub mod image;
pub mod image_file;
pub mod initramfs;
pub mod kernel_view;
pub mod kill;
pub mod kit;
pub mod machine;
pub mod media;
pub mod opening;
pub mod publisher;
pub mod reading;
pub mod record;
pub mod recording;
pub mod recovery;
pub mod replay;
pub mod report;
pub mod sample;
pub mod scenario;
pub mod setup;
pub mod states;
pub mod trials;
pub mod unplug;
pub mod upkeep;
pub mod volume;
pub mod volume_disk;
pub mod weeks;
pub mod worn;
