//! What a host remembers besides remotes: by which fingerprint it knows a store, the newest time that was signed, the ways back
//! that a person took, and how far it saw each replica.
//!
//! All of it is bounded, and none of it is needed: a host that lost it only notices less.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{HostState, RankMemory};
use crate::base::{Generation, HeadHash, ReplicaId, Timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::format::head::{Rank, SignedHead};
use crate::ops::settle::{settled, settled_each};
use crate::store::Store;

/// Most ways back that are remembered; the oldest goes first.
const ACCEPTED_MAX: usize = 64;
/// Most replicas that are remembered; the one that was seen least far goes first.
const REPLICAS_MAX: usize = 4096;
/// Most places that a replica was seen at; the oldest goes first.
const PLACES_MAX: usize = 4;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seen {
    #[serde(default)]
    fingerprint: Option<String>,
    #[serde(default)]
    signed: Option<SignedMemory>,
    #[serde(default)]
    accepted: Vec<AcceptedMemory>,
    #[serde(default)]
    replicas: BTreeMap<String, ReplicaMemory>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SignedMemory {
    #[serde(flatten)]
    rank: RankMemory,
    time: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct AcceptedMemory {
    time: String,
    remote: String,
    from: u64,
    to: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct ReplicaMemory {
    #[serde(flatten)]
    rank: RankMemory,
    head: String,
    #[serde(default)]
    places: Vec<String>,
}

/// A way back that a person took by `--accept-older`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// When.
    pub time: Timestamp,
    /// The remote that showed less.
    pub remote: String,
    /// The newest generation that was known before.
    pub from: Generation,
    /// The generation that was taken.
    pub to: Generation,
}

impl fmt::Display for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, remote, .. } = self;
        write!(f, "went back from generation {from} to {to} of {remote}, as asked for")
    }
}

/// The furthest that a replica was seen on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaSeen {
    /// Its rank there.
    pub rank: Rank,
    /// The HEAD that it held.
    pub head: HeadHash,
    /// Where it stood, as a volume's id or a path, the newest last: hints for a person, which prove nothing.
    pub places: Vec<String>,
}

/// What the memory of a replica's id says of a store that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Likeness {
    /// Nothing speaks against its being the one that was seen.
    Same,
    /// A store of this id held more on this host: this is a copy of it, or it was restored from a backup.
    Behind,
    /// A store of this id held another history on this host.
    Forked,
}

/// Holds a store against what was seen of its replica id: generations and hashes alone decide, never clocks and places.
#[must_use]
pub fn likeness(seen: &ReplicaSeen, opened: &SignedHead, heads: &BTreeMap<Generation, HeadHash>) -> Likeness {
    let now = opened.head.rank();
    if now == seen.rank {
        return if opened.hash() == seen.head { Likeness::Same } else { Likeness::Forked };
    }
    // Under a newer trust file the roots may have set another history in the place of what was seen.
    if now.trust_version > seen.rank.trust_version {
        return Likeness::Same;
    }
    if now < seen.rank {
        return Likeness::Behind;
    }
    let is_other = heads.get(&seen.rank.generation).is_some_and(|head| *head != seen.head);
    if is_other { Likeness::Forked } else { Likeness::Same }
}

impl Seen {
    /// Returns what a run made of `was`, and what others did that saved `theirs` since.
    pub(super) fn merged(was: &Self, mine: Self, theirs: Self) -> Self {
        let rank = |signed: &Option<SignedMemory>| signed.as_ref().map(|signed| signed.rank.rank());
        let mut accepted = theirs.accepted;
        accepted.extend(mine.accepted.into_iter().filter(|taken| !was.accepted.contains(taken)));
        let surplus = accepted.len().saturating_sub(ACCEPTED_MAX);
        accepted.drain(..surplus);
        Self {
            // Who came second is told by the next run that the store shows another one.
            fingerprint: settled(&was.fingerprint, mine.fingerprint, theirs.fingerprint, |_, _| true),
            signed: settled(&was.signed, mine.signed, theirs.signed, |theirs, mine| rank(theirs) > rank(mine)),
            accepted,
            replicas: settled_each(&was.replicas, mine.replicas, theirs.replicas, ReplicaMemory::merged),
        }
    }

    /// Takes over what is newer; ways back are a person's, and stay as they are.
    pub(super) fn absorb(&mut self, other: &Self) {
        if self.fingerprint.is_none() {
            self.fingerprint.clone_from(&other.fingerprint);
        }
        let rank = |signed: &Option<SignedMemory>| signed.as_ref().map(|signed| signed.rank.rank());
        if rank(&other.signed) > rank(&self.signed) {
            self.signed.clone_from(&other.signed);
        }
        for (id, memory) in &other.replicas {
            let known = self.replicas.entry(id.clone()).or_default();
            if known.head.is_empty() || memory.rank.rank() >= known.rank.rank() {
                known.clone_from(memory);
            }
        }
    }
}

impl ReplicaMemory {
    fn merged(was: &Self, mine: Self, theirs: Self) -> Self {
        let reached = |it: &Self| (it.rank.clone(), it.head.clone());
        let (rank, head) =
            settled(&reached(was), reached(&mine), reached(&theirs), |theirs, mine| theirs.0.rank() > mine.0.rank());
        let places = settled(&was.places, mine.places, theirs.places, |_, _| false);
        Self { rank, head, places }
    }
}

impl HostState {
    /// Refuses a store whose first trust file is not the one that this host knows it by: whoever had it in hand may have
    /// replaced all that it trusts. A store that the host meets for the first time is taken as it is.
    ///
    /// # Errors
    /// [`ErrorKind::NotTrusted`].
    pub fn check_fingerprint(&self, store: &Store) -> Result<()> {
        let (known, shown) = (self.memory.seen.fingerprint.as_deref(), store.trust().fingerprint());
        match known {
            Some(known) if known != shown => {
                let text = format!(
                    "this host knows the store by the fingerprint {known}, and it shows {shown}: its trust was replaced"
                );
                Err(Error::new(ErrorKind::NotTrusted, text))
            }
            _ => Ok(()),
        }
    }

    /// Returns the fingerprint by which this host knows the store.
    #[must_use]
    pub fn fingerprint(&self) -> Option<&str> {
        self.memory.seen.fingerprint.as_deref()
    }

    /// Remembers the fingerprint of a store, as the one that a person named or the first that was met.
    pub fn knows_as(&mut self, fingerprint: String) {
        self.memory.seen.fingerprint = Some(fingerprint);
    }

    /// Returns when the newest HEAD was signed that this host saw, if it ranks above what opened: what ranks lower was
    /// superseded, also where it bears a later time.
    #[must_use]
    pub fn signed_after(&self, opened: Rank) -> Option<Timestamp> {
        let signed = self.memory.seen.signed.as_ref().filter(|signed| signed.rank.rank() > opened)?;
        signed.time.parse().ok()
    }

    /// Says where the store stands that this is about: a volume's id or a path, a hint for a person.
    pub fn stands_at(&mut self, place: String) {
        self.place = Some(place);
    }

    /// Remembers a state that a store holds: its fingerprint, the time that it was signed, and how far this replica came. Says
    /// whether anything of it was news.
    pub fn met(&mut self, store: &Store, head: &SignedHead) -> bool {
        let (seen, rank) = (&mut self.memory.seen, head.head.rank());
        let mut is_news = seen.fingerprint.is_none();
        seen.fingerprint.get_or_insert_with(|| store.trust().fingerprint());
        if seen.signed.as_ref().is_none_or(|signed| signed.rank.rank() < rank) {
            seen.signed = Some(SignedMemory { rank: RankMemory::of(head), time: head.head.time.to_string() });
            is_news = true;
        }
        // A store on a server has no replica id, and one that does not read is told of elsewhere.
        let Ok(Some(replica)) = store.replica() else { return is_news };
        let memory = seen.replicas.entry(replica.to_string()).or_default();
        if memory.head.is_empty() || memory.rank.rank() < rank {
            (memory.rank, memory.head) = (RankMemory::of(head), head.hash().to_string());
            is_news = true;
        }
        if let Some(place) = self.place.as_ref().filter(|place| memory.places.last() != Some(*place)) {
            memory.places.retain(|known| known != place);
            memory.places.push(place.clone());
            let surplus = memory.places.len().saturating_sub(PLACES_MAX);
            memory.places.drain(..surplus);
            is_news = true;
        }
        self.bound_replicas(&replica.to_string());
        is_news
    }

    fn bound_replicas(&mut self, kept: &str) {
        let replicas = &mut self.memory.seen.replicas;
        while replicas.len() > REPLICAS_MAX {
            let others = replicas.iter().filter(|(id, _)| *id != kept);
            let Some(least) = others.min_by_key(|(_, memory)| memory.rank.rank()).map(|(id, _)| id.clone()) else {
                return;
            };
            replicas.remove(&least);
        }
    }

    /// Returns the furthest that a replica was seen on this host.
    #[must_use]
    pub fn replica(&self, replica: ReplicaId) -> Option<ReplicaSeen> {
        let memory = self.memory.seen.replicas.get(&replica.to_string())?;
        let head = memory.head.parse().ok()?;
        Some(ReplicaSeen { rank: memory.rank.rank(), head, places: memory.places.clone() })
    }

    /// Returns what the memory of a store's replica id says of it.
    #[must_use]
    pub fn likeness(&self, store: &Store) -> Likeness {
        let Ok(Some(replica)) = store.replica() else { return Likeness::Same };
        let seen = self.replica(replica);
        seen.map_or(Likeness::Same, |seen| likeness(&seen, store.head(), &store.packs().heads))
    }

    /// Remembers that a person took less than was known: nothing later counts against this store any more.
    pub fn went_back(&mut self, store: &Store, head: &SignedHead, accepted: &Accepted) {
        let seen = &mut self.memory.seen;
        seen.signed = None;
        if let Ok(Some(replica)) = store.replica() {
            seen.replicas.remove(&replica.to_string());
        }
        let Accepted { time, remote, from, to } = accepted;
        let (time, remote) = (time.to_string(), remote.clone());
        seen.accepted.push(AcceptedMemory { time, remote, from: from.0, to: to.0 });
        let surplus = seen.accepted.len().saturating_sub(ACCEPTED_MAX);
        seen.accepted.drain(..surplus);
        self.met(store, head);
    }

    /// Returns the ways back that a person took, the oldest first.
    #[must_use]
    pub fn accepted(&self) -> Vec<Accepted> {
        let read = |memory: &AcceptedMemory| {
            let (from, to) = (Generation(memory.from), Generation(memory.to));
            Some(Accepted { time: memory.time.parse().ok()?, remote: memory.remote.clone(), from, to })
        };
        self.memory.seen.accepted.iter().filter_map(read).collect()
    }
}

#[cfg(test)]
pub(super) mod tests;
