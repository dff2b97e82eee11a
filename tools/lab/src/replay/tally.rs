//! [`Tally`]: what came of the states of a recording, counted by kind.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::check::{Failed, Failure, Outcome};
use crate::error::LabError;
use crate::states::StateId;
use crate::volume::{NodeKind, Refusal};

/// Failures that are kept of one recording; all are counted.
const FAILURES_MAX: usize = 20;

/// What came of the states of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Row {
    /// States that were looked at.
    pub states: u64,
    /// Opened as the acknowledged generation.
    pub old: u64,
    /// Opened as the next.
    pub new: u64,
    /// No store yet.
    pub none: u64,
    /// No store yet, and its folder does not read until the file system is repaired.
    pub unread: u64,
    /// Opened by its record, without `HEAD`.
    pub head_lost: u64,
    /// Opened, and a newer record does not.
    pub older: u64,
    /// Did not open, or as what nobody made.
    pub inconsistent: u64,
    /// Opened, and something acknowledged is lost.
    pub lost: u64,
    /// The next run failed or fetched what was whole.
    pub refetched: u64,
    /// Inconsistent or lost, and whole again after a sync or a clone; tried of a medium that lies.
    pub mended: u64,
    /// The kernel's own driver shows another volume than the lab's reader.
    pub differs: u64,
    /// Linux would stop writing in the next run; counted beside one of the above, unless that is how the state failed.
    pub refused: u64,
    /// States that are not what was promised.
    pub failed: u64,
}

impl Row {
    pub(super) fn note(&mut self, Verdict { result, refused, is_mended }: &Verdict) {
        self.states += 1;
        self.mended += u64::from(*is_mended);
        self.refused += u64::from(!refused.is_empty());
        self.failed += u64::from(result.is_err());
        let count = match result {
            Ok(Outcome::Old) => &mut self.old,
            Ok(Outcome::New) => &mut self.new,
            Ok(Outcome::None) => &mut self.none,
            Ok(Outcome::Unread) => &mut self.unread,
            Ok(Outcome::HeadLost) => &mut self.head_lost,
            Ok(Outcome::Older) => &mut self.older,
            Err(Failed { failure: Failure::Inconsistent, .. }) => &mut self.inconsistent,
            Err(Failed { failure: Failure::Lost, .. }) => &mut self.lost,
            Err(Failed { failure: Failure::Refetched, .. }) => &mut self.refetched,
            Err(Failed { failure: Failure::Differs, .. }) => &mut self.differs,
            Err(Failed { failure: Failure::Refused, .. }) => return,
        };
        *count += 1;
    }

    /// Returns the counts in the order of [`COLUMNS`].
    #[must_use]
    pub fn counts(&self) -> [u64; COLUMNS.len()] {
        let mut row = *self;
        row.fields().map(|count| *count)
    }

    fn fields(&mut self) -> [&mut u64; COLUMNS.len()] {
        [
            &mut self.states,
            &mut self.old,
            &mut self.new,
            &mut self.none,
            &mut self.unread,
            &mut self.head_lost,
            &mut self.older,
            &mut self.inconsistent,
            &mut self.lost,
            &mut self.refetched,
            &mut self.mended,
            &mut self.differs,
            &mut self.refused,
            &mut self.failed,
        ]
    }

    /// Returns how many states are not what was promised.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failed
    }

    /// Adds the counts of another row.
    pub fn add(&mut self, other: &Self) {
        for (count, more) in self.fields().into_iter().zip(other.counts()) {
            *count += more;
        }
    }
}

/// The heads of the table.
pub const COLUMNS: [&str; 14] = [
    "states",
    "old",
    "new",
    "none",
    "unread",
    "head lost",
    "older",
    "inconsistent",
    "lost",
    "refetched",
    "mended",
    "differs",
    "refused",
    "failed",
];

/// What is said of one state.
pub struct Verdict {
    /// As what it opened, or how it failed.
    pub result: std::result::Result<Outcome, Failed>,
    /// Where Linux would stop writing in the next run.
    pub refused: Vec<Refusal>,
    /// It is broken, and the remote makes it whole.
    pub is_mended: bool,
}

impl Verdict {
    pub(super) fn inconsistent(error: &LabError) -> Self {
        let failed = Failed { failure: Failure::Inconsistent, why: error.to_string() };
        Self { result: Err(failed), refused: Vec::new(), is_mended: false }
    }
}

/// How many states of one kind Linux would stop writing to at one sort of path, and one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusedAt {
    /// States.
    pub states: u64,
    /// Those of them with something acknowledged.
    pub acknowledged: u64,
    /// One of those, where there is one.
    pub example: StateId,
}

/// How a state was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// As the cut left it.
    AsItIs,
    /// After a repair.
    Repaired,
    /// As the cut left it, by the kernel's own driver beside the lab's reader.
    Kernel,
}

impl Way {
    /// Returns the kind of state that such looks are counted as.
    fn kind(self, id: &StateId) -> String {
        match self {
            Self::AsItIs => id.kind().to_owned(),
            Self::Repaired => format!("{} repaired", id.kind()),
            Self::Kernel => "kernel".to_owned(),
        }
    }

    /// Returns the option by which one state is looked at so.
    pub(super) fn option(self) -> &'static str {
        match self {
            Self::AsItIs => "",
            Self::Repaired => " --after fsck",
            Self::Kernel => " --kernel 1",
        }
    }
}

/// A state that is not what was promised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which.
    pub id: StateId,
    /// How it was looked at.
    pub way: Way,
    /// How and why.
    pub failed: Failed,
}

/// What came of the states of one recording.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// By the kind of state.
    pub rows: BTreeMap<String, Row>,
    /// The first failures.
    pub findings: Vec<Finding>,
    /// A state of each outcome, to be looked at.
    pub examples: BTreeMap<Outcome, StateId>,
    /// By the kind of state and the sort of path and reason, where Linux would stop writing.
    pub refused: BTreeMap<String, RefusedAt>,
    /// States that were looked at, each counted once.
    pub looked: u64,
    /// States at which the next sync was tried.
    pub deep: u64,
}

impl Tally {
    /// Returns the sum of all rows.
    #[must_use]
    pub fn total(&self) -> Row {
        let mut total = Row::default();
        self.rows.values().for_each(|row| total.add(row));
        total
    }

    pub(super) fn note(&mut self, id: &StateId, way: Way, is_acknowledged: bool, verdict: Verdict) {
        let kind = way.kind(id);
        self.rows.entry(kind.clone()).or_default().note(&verdict);
        if let (Ok(outcome), Way::AsItIs) = (&verdict.result, way) {
            self.note_example(*outcome, *id);
        }
        // Of what the kernel is shown only differences are new.
        let told = if way == Way::Kernel { &[][..] } else { &verdict.refused };
        let sorts: BTreeSet<String> = told.iter().map(sort_of).collect();
        for sort in sorts {
            let one = RefusedAt { states: 1, acknowledged: u64::from(is_acknowledged), example: *id };
            self.note_refused(&format!("{kind} {sort}"), one);
        }
        if let Err(failed) = verdict.result
            && !verdict.is_mended
            && (way != Way::Kernel || failed.failure == Failure::Differs)
            && self.findings.len() < FAILURES_MAX
        {
            self.findings.push(Finding { id: *id, way, failed });
        }
    }

    /// Keeps the first state of each outcome, in whatever order the threads bring them.
    pub(super) fn note_example(&mut self, outcome: Outcome, id: StateId) {
        let known = self.examples.entry(outcome).or_insert(id);
        *known = id.min(*known);
    }

    pub(super) fn note_refused(&mut self, sort: &str, more: RefusedAt) {
        let Some(known) = self.refused.get_mut(sort) else {
            self.refused.insert(sort.to_owned(), more);
            return;
        };
        let rank = |at: &RefusedAt| (at.acknowledged == 0, at.example);
        known.example = rank(known).min(rank(&more)).1;
        known.states += more.states;
        known.acknowledged += more.acknowledged;
    }

    pub(super) fn merge(&mut self, other: Self) {
        for (sort, more) in &other.refused {
            self.note_refused(sort, *more);
        }
        for (kind, row) in other.rows {
            self.rows.entry(kind).or_default().add(&row);
        }
        let room = FAILURES_MAX.saturating_sub(self.findings.len());
        self.findings.extend(other.findings.into_iter().take(room));
        for (outcome, id) in other.examples {
            self.note_example(outcome, id);
        }
        self.looked += other.looked;
        self.deep += other.deep;
    }
}

/// Names the sort of a path, the act and the reason of a refusal.
#[must_use]
pub fn sort_of(refusal: &Refusal) -> String {
    let parts: Vec<&str> = refusal.path.split('/').collect();
    let path = match parts[..] {
        [dir, _] => format!("{dir}/*"),
        [dir, .., _] => format!("{dir}/*/*"),
        _ => refusal.path.clone(),
    };
    let kind = if refusal.kind == NodeKind::Dir { " (directory)" } else { "" };
    format!("{path}{kind}, {:?}: {}", refusal.act, refusal.why)
}
