//! What a remote's HEAD means to a store: pure decisions over ranks, hashes and who signed.
//!
//! Generations decide among HEADs whose writers are trusted. A HEAD whose writer the roots removed since decides nothing: a
//! stolen key may have signed the highest generation that there is, and whoever took that comes back by a plain sync.

use std::collections::BTreeMap;

use crate::base::{Generation, HeadHash, PublicKey};
use crate::format::head::{Rank, SignedHead};
use crate::format::trust::Trust;

/// A HEAD as judging sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// Its trust version and generation.
    pub rank: Rank,
    /// The hash of its bytes.
    pub head: HeadHash,
    /// Who signed it; nothing where a host's memory does not say.
    pub writer: Option<PublicKey>,
}

impl Shown {
    /// Takes what judging needs of a HEAD.
    #[must_use]
    pub fn of(head: &SignedHead) -> Self {
        Self { rank: head.head.rank(), head: head.hash(), writer: Some(head.head.writer) }
    }

    /// Returns its generation.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.rank.generation
    }

    /// Returns whether a trust file removed its writer since.
    #[must_use]
    pub fn is_disowned_by(&self, trust: &Trust) -> bool {
        self.writer.is_some_and(|writer| trust.disowns(self.rank.trust_version, &writer))
    }
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
    /// A state under a newer trust file, in which the writer of mine is no writer any more: it is taken whatever its generation,
    /// and need not descend from mine.
    Recovered,
    /// An earlier state than mine, which it may simply not have got yet.
    Lagging,
    /// An earlier state than it showed before.
    RolledBack,
    /// A later generation under an older trust file than is known: whoever signed it may have been removed since.
    OldTrust,
    /// Another history under the same generation.
    Fork,
}

/// Judges a verified HEAD of the same store; `trust` is the trust file that it names.
#[must_use]
pub fn judge(known: &Known<'_>, remote: Shown, trust: &Trust) -> Verdict {
    let mine = known.mine;
    if let Some(verdict) = known.shown_before.and_then(|before| judge_again(before, remote, trust)) {
        return verdict;
    }
    if mine.is_disowned_by(trust) {
        return Verdict::Recovered;
    }
    if remote.generation() > mine.generation() {
        let is_outdated = remote.rank.trust_version < mine.rank.trust_version;
        return if is_outdated { Verdict::OldTrust } else { Verdict::Newer };
    }
    if remote.generation() == mine.generation() {
        return if remote.head == mine.head { Verdict::UpToDate } else { Verdict::Fork };
    }
    if known.my_heads.get(&remote.generation()).is_some_and(|head| *head != remote.head) {
        return Verdict::Fork;
    }
    // A store got what it has from its own remote, unless another one is newer still: showing less is going back.
    let unexplained = known.is_recorded && known.shown_before.is_none() && !known.newer_elsewhere;
    if unexplained { Verdict::RolledBack } else { Verdict::Lagging }
}

/// Judges what a remote shows by what it showed before; nothing where that does not speak against it.
#[must_use]
pub fn judge_again(before: Shown, remote: Shown, trust: &Trust) -> Option<Verdict> {
    if before.is_disowned_by(trust) {
        return None;
    }
    if remote.generation() < before.generation() {
        return Some(Verdict::RolledBack);
    }
    if remote.rank.trust_version < before.rank.trust_version {
        return Some(Verdict::OldTrust);
    }
    let is_other = remote.generation() == before.generation() && remote.head != before.head;
    is_other.then_some(Verdict::Fork)
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
    match heads.get(&ancestor.generation()) {
        Some(head) if *head == ancestor.head => Descent::Proven,
        Some(_) => Descent::Refuted,
        None => match heads.first_key_value() {
            Some((oldest, _)) if ancestor.generation() < *oldest && oldest.0 > 1 => Descent::Forgotten,
            _ => Descent::Refuted,
        },
    }
}

#[cfg(test)]
mod tests;
