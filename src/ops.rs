//! The verbs: each takes what it needs, does one thing in the write order, and returns what it did.
//!
//! A verb never prints, never asks, never reads the environment. What it meets on the way goes to the monitor.

use crate::base::{Clock, Monitor, Random};
use crate::error::{Error, ErrorKind, Result};

pub mod clone;
pub mod commit;
pub mod diff;
pub mod export;
pub mod find;
pub mod fleet;
pub mod forget;
pub mod freshness;
pub mod gc;
pub mod heal;
pub mod host_state;
pub mod init;
pub mod list;
pub mod local_keys;
pub mod meet;
pub mod merged_index;
pub mod open;
pub mod purge;
pub mod push;
pub mod readers;
pub mod receipt;
pub mod rekey;
pub mod repair;
pub mod replica_id;
pub mod restore;
pub mod settle;
pub mod stats;
pub mod status;
pub mod sync;
pub mod transfer;
pub mod trust;
pub mod verify;
pub mod writing;

/// What every run is given: time, randomness, and someone to tell.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// The clock.
    pub clock: &'a dyn Clock,
    /// Random bytes.
    pub random: &'a dyn Random,
    /// Hears of progress and problems, and says when to stop.
    pub monitor: &'a dyn Monitor,
}

impl Run<'_> {
    /// Returns an error when someone asked to stop.
    ///
    /// # Errors
    /// [`ErrorKind::Interrupted`].
    pub fn check(&self) -> Result<()> {
        if self.monitor.cancelled() { Err(Error::new(ErrorKind::Interrupted, "interrupted")) } else { Ok(()) }
    }
}
