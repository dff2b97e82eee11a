//! What a person decided, as the pure part needs it: which stores, when, how often, and what to do afterwards.

use std::collections::BTreeSet;
use std::time::Duration;

use super::windows::Windows;
use crate::base::StoreId;

/// Which stores are synced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stores {
    /// Every one that has its trust pinned and knows its remote.
    Any,
    /// These alone.
    Listed(BTreeSet<StoreId>),
}

impl Stores {
    /// Returns whether a store is among them.
    #[must_use]
    pub fn contain(&self, store: StoreId) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(ids) => ids.contains(&store),
        }
    }
}

/// The rules that an agent goes by.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Which stores are synced.
    pub stores: Stores,
    /// When runs may begin and go on.
    pub windows: Windows,
    /// Whether a way that costs by the byte is taken.
    pub on_metered: bool,
    /// Spreads the starts of all keys over so long, each at its own place; nothing starts at once.
    pub spread: Option<Duration>,
    /// How long a volume is left to itself after it was mounted.
    pub settle: Duration,
    /// Most runs at a time, at least 1.
    pub runs_max: usize,
    /// How often a key that stays plugged in is looked at again; nothing is once.
    pub recheck: Option<Duration>,
    /// Below so many free bytes garbage is collected after a sync; nothing is never.
    pub collect_below_bytes: Option<u64>,
    /// How long after the last one a sample is verified; nothing is never.
    pub sample_every: Option<Duration>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            stores: Stores::Listed(BTreeSet::new()),
            windows: Windows::default(),
            on_metered: true,
            spread: None,
            settle: Duration::from_secs(2),
            runs_max: 2,
            recheck: Some(Duration::from_secs(6 * 3600)),
            collect_below_bytes: None,
            sample_every: None,
        }
    }
}
