//! What receipts say of keys, held against what their publisher knows: pure decisions over what was read before.
//!
//! All of it is advice. Whoever finds a key can sign its receipts, and a server can show old ones or none.

use std::collections::{BTreeMap, BTreeSet};

use super::remembered::Remembered;
use crate::base::clock::secs_ahead;
use crate::base::{Generation, HeadHash, ReplicaId, StoreId, Timestamp};
use crate::format::head::Group;
use crate::format::keylist::KeyTag;
use crate::format::receipt::Receipt;
use crate::store::EXPIRY_SECS;
use crate::store::roster::Roster;

/// What stands where a replica's receipt is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// One that opens, signed by the key that it names.
    Receipt(Box<Receipt>),
    /// One that this writer cannot open, since it is sealed for others.
    Sealed,
    /// Something else, and why it is no receipt.
    Unread(String),
}

/// What a publisher knows of its store's past.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// The newest generation that keys can have.
    pub newest: Generation,
    /// HEADs by generation, as far as they are known.
    pub heads: BTreeMap<Generation, HeadHash>,
    /// When generations were made, as far as that is known.
    pub times: BTreeMap<Generation, Timestamp>,
    /// Until when the newest HEAD is vouched for.
    pub expires: Option<Timestamp>,
    /// Since when the newest of those packs is not needed any more that may have left servers.
    pub gone_since: Option<Timestamp>,
    /// The generation of the newest purge; 0 where there was none.
    pub purged: Generation,
    /// The rollout group that the newest generation is for, and which generation others may stay at; nothing where it is for all.
    pub stage: Option<(Group, Generation)>,
}

impl History {
    /// Returns since when a later generation than this one has been known to be there, and whether one was there before.
    fn overtaken(&self, held: Generation) -> Option<(Timestamp, bool)> {
        let next = held.next().filter(|next| *next <= self.newest)?;
        let (first, time) = self.times.range(next..=self.newest).next()?;
        Some((*time, *first != next))
    }

    /// Returns a moment by which a generation had been made, and whether it is the very moment.
    fn made_by(&self, held: Generation) -> Option<(Timestamp, bool)> {
        self.times.range(held..).next().map(|(first, time)| (*time, *first == held))
    }

    /// Returns whether a state may list packs that have left servers since.
    fn has_lost(&self, held: Generation) -> bool {
        let Some((gone, (made, is_exact))) = self.gone_since.zip(self.made_by(held)) else { return false };
        made < gone || (made == gone && !is_exact)
    }

    /// Returns whether nobody vouches for a state any more.
    fn is_stale(&self, held: Generation, now: Timestamp) -> bool {
        let is_old = |(made, _): (Timestamp, bool)| now.secs_since(made) > EXPIRY_SECS;
        self.expires.is_some_and(|expires| now > expires) || self.made_by(held).is_some_and(is_old)
    }

    /// Returns whether a state is, or may be, one of this store's.
    pub(super) fn may_hold(&self, generation: Generation, head: &HeadHash) -> bool {
        match self.heads.get(&generation) {
            Some(known) => known == head,
            None => !self.is_ahead(generation) && self.heads.keys().next().is_none_or(|oldest| generation < *oldest),
        }
    }

    fn is_ahead(&self, generation: Generation) -> bool {
        let known = self.heads.keys().next_back().copied().unwrap_or_default();
        generation > known.max(self.newest)
    }
}

/// Everything that receipts are held against.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// Which store.
    pub store: StoreId,
    /// The publisher's clock.
    pub now: Timestamp,
    /// Its past.
    pub history: &'a History,
    /// Who holds keys.
    pub roster: &'a Roster,
}

/// Something about a key that its publisher should look at; the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flag {
    /// Its receipt is signed by another key than those before: of a copy, or forged.
    AnotherKey,
    /// What stands in the place of its receipt does not open, or is of another replica.
    Unreadable,
    /// Its receipt is sealed for other writers, as one of before a purge is: it was not synced since.
    Sealed,
    /// Its receipt is of another store.
    ForeignStore,
    /// It was revoked.
    Revoked,
    /// It carries a key file that was never handed out.
    UnknownHolder,
    /// It holds another state than the store had under that generation.
    OtherHistory,
    /// It holds a generation that the store does not have yet.
    Ahead,
    /// It holds less than it did before.
    WentBack,
    /// Its receipt is older than the last one that was seen.
    OlderReceipt,
    /// It is known, and there is no receipt of it.
    NoReceipt,
    /// What the server dropped since may be what it would need, so it would fetch most anew.
    StartsOver,
    /// It has not carried out a purge.
    PurgePending,
    /// The publisher does not vouch for its state any more.
    Stale,
    /// Its clock is ahead by more than a day.
    FromTheFuture,
}

impl Flag {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::AnotherKey,
        Self::Unreadable,
        Self::Sealed,
        Self::ForeignStore,
        Self::Revoked,
        Self::UnknownHolder,
        Self::OtherHistory,
        Self::Ahead,
        Self::WentBack,
        Self::OlderReceipt,
        Self::NoReceipt,
        Self::StartsOver,
        Self::PurgePending,
        Self::Stale,
        Self::FromTheFuture,
    ];

    /// Returns the word for it, for people and programs alike.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::AnotherKey => "another-key",
            Self::Unreadable => "unreadable",
            Self::Sealed => "sealed",
            Self::ForeignStore => "foreign-store",
            Self::Revoked => "revoked",
            Self::UnknownHolder => "unknown-holder",
            Self::OtherHistory => "other-history",
            Self::Ahead => "ahead",
            Self::WentBack => "went-back",
            Self::OlderReceipt => "older-receipt",
            Self::NoReceipt => "no-receipt",
            Self::StartsOver => "starts-over",
            Self::PurgePending => "purge-pending",
            Self::Stale => "stale",
            Self::FromTheFuture => "from-the-future",
        }
    }

    /// Returns whether the receipt is not one of the key that it names, as far as can be told.
    fn is_doubt(self) -> bool {
        matches!(self, Self::AnotherKey | Self::Unreadable | Self::Sealed | Self::ForeignStore | Self::NoReceipt)
    }
}

/// How far a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// No receipt tells.
    Unknown,
    /// There is a newer generation.
    Behind,
    /// There is a newer generation for a group of keys so far, and it has what all others may stay at.
    Held,
    /// It has the newest generation.
    Current,
}

impl Standing {
    /// Returns the word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Behind => "behind",
            Self::Held => "held",
            Self::Current => "current",
        }
    }
}

/// One key, as its receipt has it; where there is none that counts, as it was last known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Which key.
    pub replica: ReplicaId,
    /// The tag of the key file that it carries; whose that is, the roster says.
    pub tag: Option<KeyTag>,
    /// How far it is.
    pub standing: Standing,
    /// The generation that it holds.
    pub generation: Option<Generation>,
    /// How many generations there are after that one.
    pub behind: Option<u64>,
    /// For how many seconds there has been one.
    pub behind_secs: Option<i64>,
    /// For how long is not known: it is at least that long.
    pub is_behind_longer: bool,
    /// When its receipt was made, by the clock of the machine that it was in.
    pub seen: Option<Timestamp>,
    /// When the generation came onto it, if its last run brought it.
    pub reached: Option<Timestamp>,
    /// How its last run ended.
    pub outcome: Option<String>,
    /// Problems that the run met.
    pub problems: Option<u64>,
    /// Bytes that are free on it.
    pub free_bytes: Option<u64>,
    /// Its program and version.
    pub program: Option<String>,
    /// The generation of the newest purge, if it carried that out; 0 if not.
    pub purge: Option<Generation>,
    /// What to look at.
    pub flags: BTreeSet<Flag>,
    /// Why its receipt does not count.
    pub reason: Option<String>,
}

impl Row {
    /// Returns whether it has a flag.
    #[must_use]
    pub fn has(&self, flag: Flag) -> bool {
        self.flags.contains(&flag)
    }

    fn last_known(replica: ReplicaId, memory: Option<&Remembered>) -> Self {
        Self {
            replica,
            tag: memory.and_then(|known| known.tag),
            standing: Standing::Unknown,
            generation: memory.map(|known| known.generation).filter(|known| known.0 > 0),
            behind: None,
            behind_secs: None,
            is_behind_longer: false,
            seen: memory.map(|known| known.seen),
            reached: None,
            outcome: None,
            problems: None,
            free_bytes: None,
            program: None,
            purge: memory.map(|known| known.purge),
            flags: BTreeSet::new(),
            reason: None,
        }
    }
}

/// Judges one replica by what stands in the place of its receipt, and by what is remembered of it.
#[must_use]
pub fn judge(replica: ReplicaId, found: Option<&Found>, memory: Option<&Remembered>, known: &Known<'_>) -> Row {
    let mut row = Row::last_known(replica, memory);
    match found {
        Some(Found::Receipt(receipt)) if receipt.replica != replica => {
            row.flags.insert(Flag::Unreadable);
            row.reason = Some(format!("it is the receipt of {}", receipt.replica));
        }
        Some(Found::Receipt(receipt)) if receipt.store != known.store => {
            row.flags.insert(Flag::ForeignStore);
            row.reason = Some(format!("it is of the store {}", receipt.store));
        }
        Some(Found::Receipt(receipt)) => take(&mut row, receipt, memory, known),
        Some(Found::Unread(why)) => {
            row.flags.insert(Flag::Unreadable);
            row.reason = Some(why.clone());
        }
        Some(Found::Sealed) => drop(row.flags.insert(Flag::Sealed)),
        None => drop(row.flags.insert(Flag::NoReceipt)),
    }
    let holder = row.tag.map(|tag| known.roster.holder(tag).or_else(|| known.roster.holder(tag.twin())));
    match holder {
        Some(Some(holder)) if holder.until.is_some() => drop(row.flags.insert(Flag::Revoked)),
        Some(None) => drop(row.flags.insert(Flag::UnknownHolder)),
        _ => {}
    }
    weigh(&mut row, known);
    row
}

/// Takes what a receipt says, and holds it against what is remembered of its replica.
fn take(row: &mut Row, receipt: &Receipt, memory: Option<&Remembered>, known: &Known<'_>) {
    let history = known.history;
    row.tag = receipt.tag;
    row.generation = Some(receipt.generation);
    row.seen = Some(receipt.time);
    row.reached = receipt.reached;
    row.outcome = Some(receipt.outcome.clone());
    row.problems = Some(receipt.problems);
    row.free_bytes = receipt.free_bytes;
    row.program = Some(receipt.program.clone());
    row.purge = Some(receipt.purge);
    let other = history.heads.get(&receipt.generation).is_some_and(|head| *head != receipt.head);
    let mut flags = vec![
        (Flag::AnotherKey, memory.is_some_and(|before| before.key != receipt.key)),
        (Flag::OtherHistory, other),
        (Flag::Ahead, history.is_ahead(receipt.generation)),
        (Flag::FromTheFuture, secs_ahead(receipt.time, known.now).is_some()),
        (Flag::Stale, receipt.outcome == "stale"),
    ];
    // What was held before counts as long as it is of this history: whoever changed trust may have dropped it.
    let before = memory.filter(|before| history.may_hold(before.generation, &before.head));
    if let Some(before) = before.filter(|before| receipt.generation < before.generation) {
        let is_later = receipt.time > before.seen;
        flags.push((if is_later { Flag::WentBack } else { Flag::OlderReceipt }, true));
    }
    row.flags.extend(flags.into_iter().filter(|(_, holds)| *holds).map(|(flag, _)| flag));
}

/// Says how far behind a key is, and what follows from that.
fn weigh(row: &mut Row, known: &Known<'_>) {
    let history = known.history;
    if history.purged > row.purge.unwrap_or_default() && !row.has(Flag::ForeignStore) {
        row.flags.insert(Flag::PurgePending);
    }
    let Some(held) = row.generation else { return };
    let behind = history.newest.0.saturating_sub(held.0);
    row.behind = Some(behind);
    if let Some((since, is_longer)) = history.overtaken(held) {
        row.behind_secs = Some(known.now.secs_since(since).max(0));
        row.is_behind_longer = is_longer;
    }
    if !row.flags.iter().any(|flag| flag.is_doubt()) {
        row.standing = match &history.stage {
            _ if behind == 0 => Standing::Current,
            Some((_, floor)) if held >= *floor => Standing::Held,
            _ => Standing::Behind,
        };
    }
    let flags =
        [(Flag::Stale, history.is_stale(held, known.now)), (Flag::StartsOver, behind > 0 && history.has_lost(held))];
    row.flags.extend(flags.into_iter().filter(|(_, holds)| *holds).map(|(flag, _)| flag));
}

#[cfg(test)]
mod tests;
