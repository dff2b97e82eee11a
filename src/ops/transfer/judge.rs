//! What a remote's HEAD means to a store: pure decisions over generations and hashes.

use std::collections::BTreeMap;

use crate::base::{Generation, HeadHash};

/// A HEAD as judging sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// Its generation.
    pub generation: Generation,
    /// The hash of its bytes.
    pub head: HeadHash,
}

/// What is known before a remote is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The state of the store.
    pub mine: Shown,
    /// The HEADs before it, as its manifests list them.
    pub my_heads: &'a BTreeMap<Generation, HeadHash>,
    /// The newest that this remote showed to this host.
    pub shown_before: Option<Shown>,
    /// The remote is the one that the store was cloned from.
    pub is_recorded: bool,
    /// Another remote of the same run is at least as new as the store.
    pub newer_elsewhere: bool,
}

/// What a remote's HEAD means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The same state.
    UpToDate,
    /// A later generation; whether it descends from mine its manifests tell.
    Newer,
    /// An earlier state than mine, which it may simply not have got yet.
    Lagging,
    /// An earlier state than it showed before.
    RolledBack,
    /// Another history under the same generation.
    Fork,
}

/// Judges a verified HEAD of the same store.
#[must_use]
pub fn judge(known: &Known<'_>, remote: Shown) -> Verdict {
    if let Some(before) = known.shown_before {
        if remote.generation < before.generation {
            return Verdict::RolledBack;
        }
        if remote.generation == before.generation && remote.head != before.head {
            return Verdict::Fork;
        }
    }
    if remote.generation > known.mine.generation {
        return Verdict::Newer;
    }
    if remote.generation == known.mine.generation {
        return if remote.head == known.mine.head { Verdict::UpToDate } else { Verdict::Fork };
    }
    if known.my_heads.get(&remote.generation).is_some_and(|head| *head != remote.head) {
        return Verdict::Fork;
    }
    // A store got what it has from its own remote, unless another one is newer still: showing less is going back.
    let unexplained = known.is_recorded && known.shown_before.is_none() && !known.newer_elsewhere;
    if unexplained { Verdict::RolledBack } else { Verdict::Lagging }
}

/// Whether a state comes after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Descent {
    /// The list of earlier HEADs holds it.
    Proven,
    /// It is older than anything listed.
    Forgotten,
    /// Another HEAD is listed in its place.
    Refuted,
}

/// Looks for a state among the HEADs that a later state's manifests list.
#[must_use]
pub fn descent(ancestor: Shown, heads: &BTreeMap<Generation, HeadHash>) -> Descent {
    match heads.get(&ancestor.generation) {
        Some(head) if *head == ancestor.head => Descent::Proven,
        Some(_) => Descent::Refuted,
        None => match heads.first_key_value() {
            Some((oldest, _)) if ancestor.generation < *oldest && oldest.0 > 1 => Descent::Forgotten,
            _ => Descent::Refuted,
        },
    }
}

#[cfg(test)]
mod tests;
