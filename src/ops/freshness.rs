//! Whether the publisher still vouches for a state, on machines whose clocks may say anything.
//!
//! The clock is held against times that were signed. Of those the newest counts by the order of history, not by the calendar: a
//! HEAD that ranks higher supersedes the time of one that ranks lower. So whoever signs the year 2262 with a stolen key, or with
//! a clock that runs ahead, bounds nobody's time any more once the next generation is there, or a new trust file.

use crate::base::Timestamp;
use crate::base::clock::{no_earlier_than, secs_ahead};
use crate::base::units::show_span;
use crate::format::head::SignedHead;
use crate::ops::host_state::HostState;
use crate::store::Store;
use crate::store::trust::TrustChain;

/// What the time says of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// Now, as far as the clock and what was signed tell.
    pub now: Timestamp,
    /// The publisher no longer vouches for the state as the newest.
    pub is_stale: bool,
    /// By how many seconds the newest signed time lies ahead of the clock, where that is more than a day.
    pub ahead_secs: Option<i64>,
}

impl Freshness {
    /// Judges a HEAD that was just fetched or opened; `later` are times of what ranks above it.
    #[must_use]
    pub fn of(head: &SignedHead, trust: &TrustChain, later: &[Timestamp], clock: Timestamp) -> Self {
        let signed = [head.head.time, trust.newest().trust.time];
        let now = no_earlier_than(signed.iter().chain(later).copied(), clock);
        Self { now, is_stale: now > head.head.expires, ahead_secs: secs_ahead(now, clock) }
    }

    /// Judges the state that a store opened as, by all that it and its host know.
    #[must_use]
    pub fn of_store(store: &Store, state: &HostState, clock: Timestamp) -> Self {
        let trust = &store.trust().newest().trust;
        let counts = |record: &&SignedHead| !trust.disowns(record.head.trust_version, &record.head.writer);
        let held = store.hidden().records.iter().filter(counts).map(|record| record.head.time);
        let later: Vec<_> = held.chain(state.signed_after(store.head().head.rank())).collect();
        Self::of(store.head(), store.trust(), &later, clock)
    }
}

/// Says that a clock here and one at the publisher do not agree.
#[must_use]
pub fn ahead_remark(secs: i64) -> String {
    let span = show_span(secs);
    format!("the state was signed {span} after what this machine's clock says: one of the two clocks is wrong")
}
