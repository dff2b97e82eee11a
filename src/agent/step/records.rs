//! What an agent remembers of each key that it saw: bounded, and lost without harm.

use std::collections::BTreeMap;

use crate::agent::event::{Ended, Marked, Outcome, Work};
use crate::agent::now::Now;
use crate::base::{Generation, ReplicaId, StoreId, Timestamp};

/// Most keys that are remembered; the one that was met longest ago goes first.
const RECORDS_MAX: usize = 4096;

/// What is remembered of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Which store.
    pub store: StoreId,
    /// Which replica of it.
    pub replica: ReplicaId,
    /// The generation that it last held.
    pub generation: Option<Generation>,
    /// When a run on it last ended.
    pub seen: Timestamp,
    /// When it was last found up to date.
    pub last_good: Option<Timestamp>,
    /// When a sample of it was last found whole.
    pub last_sample: Option<Timestamp>,
    /// How the last run ended, in one word.
    pub result: String,
    /// Why the publisher got no receipt of the last sync; nothing where it got one or none was due.
    pub no_receipt: Option<String>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Records(BTreeMap<ReplicaId, Record>);

impl Records {
    pub(super) fn new(records: Vec<Record>) -> Self {
        let mut known = Self(records.into_iter().map(|record| (record.replica, record)).collect());
        known.bound();
        known
    }

    pub(super) fn get(&self, marked: &Marked) -> Option<&Record> {
        self.0.get(&marked.replica?)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Record> {
        self.0.values()
    }

    /// Remembers how a run ended; says whether there is anything new to keep.
    pub(super) fn note(&mut self, marked: &Marked, work: Work, ended: &Ended, now: &Now) -> bool {
        let outcome = &ended.outcome;
        let (Some(replica), false) = (marked.replica, *outcome == Outcome::Interrupted) else { return false };
        let record = self.0.entry(replica).or_insert_with(|| Record {
            store: marked.store,
            replica,
            generation: None,
            seen: now.wall,
            last_good: None,
            last_sample: None,
            result: String::new(),
            no_receipt: None,
        });
        (record.store, record.seen, record.result) = (marked.store, now.wall, outcome.name().to_owned());
        if work == Work::Sync {
            record.no_receipt.clone_from(&ended.no_receipt);
        }
        if let Outcome::Synced { generation, .. } = outcome {
            (record.generation, record.last_good) = (Some(*generation), Some(now.wall));
        }
        if matches!((work, outcome), (Work::Sample | Work::Heal, Outcome::Sound | Outcome::Healed)) {
            record.last_sample = Some(now.wall);
        }
        self.bound();
        true
    }

    fn bound(&mut self) {
        while self.0.len() > RECORDS_MAX {
            let Some(oldest) = self.0.values().min_by_key(|record| record.seen).map(|record| record.replica) else {
                return;
            };
            self.0.remove(&oldest);
        }
    }
}
