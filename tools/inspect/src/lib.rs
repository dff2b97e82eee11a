//! Shows what a store holds: records, trust, manifests, packs, indexes and objects, as text or JSON.
//!
//! Built for stores that no verb opens any more. Nothing here stops at the first problem: each part is read on its own,
//! what is wrong with it stands beside it, and what can still be decoded is. It never writes and never locks
//! ([`read_only`] sees to that), so it may run beside a writer; what it shows is then no single moment.

pub mod alive;
pub mod chunks;
pub mod command;
pub mod content;
pub mod generations;
pub mod history;
pub mod hunt;
pub mod manifests;
pub mod objects;
pub mod packs;
pub mod places;
pub mod reach;
pub mod read_only;
pub mod records;
pub mod report;
pub mod sealed;
pub mod shown;
pub mod sizes;
pub mod spots;
pub mod states;
pub mod trust;
pub mod view;

/// The most items of one list that are shown, so that a hostile store cannot fill a disk with what is said of it.
pub const ITEMS_MAX: usize = 100_000;

/// Returns the whole chain of an error on one line.
#[must_use]
pub fn why(error: impl Into<chunkstore::error::Error>) -> String {
    error.into().in_full()
}
