//! The moment of an event, by both clocks, and what costs at that moment.

use std::time::Duration;

use crate::base::Timestamp;

/// The moment of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Never goes back; what timers are counted by.
    pub monotonic: Duration,
    /// The wall clock, which may jump.
    pub wall: Timestamp,
    /// Seconds that local time is ahead of UTC.
    pub utc_offset_secs: i32,
    /// The way to the network costs by the byte.
    pub is_metered: bool,
}
