//! What a publisher's host remembers of a fleet: by which key each replica signs its receipts, how far it was, and when it
//! reached each of the last generations.
//!
//! One JSON file a store in the cache folder, beside what the host remembers of the store itself. Losing it costs the pins: the
//! next receipt of each replica is taken as its first.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::judge::{Flag, History, Row};
use super::remembered::{Day, Remembered};
use crate::base::limits::FLEET_MAX;
use crate::base::units::MIB;
use crate::base::{Generation, ReplicaId, StoreId, Timestamp};
use crate::disk::host::{lock_host_file, read_host_file, replace_host_file};
use crate::error::{Error, ErrorKind, Result};
use crate::format::receipt::Receipt;
use crate::ops::settle::{settled, settled_each};

/// How many of the last generations are followed through a fleet.
pub const FLEET_GENERATIONS: u64 = 12;
/// Longest memory of a fleet on the publisher's host.
const FLEET_MEMORY_MAX_BYTES: u64 = 128 * MIB;
/// Fewest digits of a replica's id that name it.
const PREFIX_MIN: usize = 4;

/// A replica as it stands in the file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Entry {
    key: String,
    generation: u64,
    head: String,
    seen: String,
    #[serde(default)]
    purge: u64,
    #[serde(default)]
    tag: Option<String>,
    #[serde(default)]
    reached: Vec<(u64, i64)>,
}

impl Entry {
    fn of(known: &Remembered) -> Self {
        Self {
            key: known.key.to_string(),
            generation: known.generation.0,
            head: known.head.to_string(),
            seen: known.seen.to_string(),
            purge: known.purge.0,
            tag: known.tag.map(|tag| tag.to_string()),
            reached: known.reached.iter().map(|(generation, day)| (generation.0, day.0)).collect(),
        }
    }

    fn read(self) -> Option<Remembered> {
        let reached = self.reached.into_iter().take(FLEET_GENERATIONS as usize);
        Some(Remembered {
            key: self.key.parse().ok()?,
            generation: Generation(self.generation),
            head: self.head.parse().ok()?,
            seen: self.seen.parse().ok()?,
            purge: Generation(self.purge),
            tag: self.tag.and_then(|tag| tag.parse().ok()),
            reached: reached.map(|(generation, day)| (Generation(generation), Day(day))).collect(),
        })
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct File {
    #[serde(default)]
    replicas: BTreeMap<String, Entry>,
    /// When the last generations were made.
    #[serde(default)]
    generations: BTreeMap<u64, String>,
}

impl File {
    /// Reads the file; one that does not read counts as none.
    fn read(file: &Path) -> Self {
        let bytes = read_host_file(file, FLEET_MEMORY_MAX_BYTES).ok().flatten();
        Self::parse(&bytes.unwrap_or_default())
    }

    fn parse(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).unwrap_or_default()
    }

    fn of(replicas: &BTreeMap<ReplicaId, Remembered>, generations: &BTreeMap<Generation, Timestamp>) -> Self {
        Self {
            replicas: replicas.iter().map(|(id, known)| (id.to_string(), Entry::of(known))).collect(),
            generations: generations.iter().map(|(generation, time)| (generation.0, time.to_string())).collect(),
        }
    }

    /// Returns what this run made of `was`, and what others did that saved `theirs` since: the pin that stands already, and else the
    /// later receipt. Times are of one form, so that texts sort as times do.
    fn merged(was: &Self, mine: Self, theirs: Self) -> Self {
        let prevails = |theirs: &Entry, mine: &Entry| theirs.key != mine.key || theirs.seen > mine.seen;
        let newest = |generations: &BTreeMap<u64, String>| generations.keys().last().copied();
        Self {
            replicas: settled_each(&was.replicas, mine.replicas, theirs.replicas, |was, mine, theirs| {
                settled(was, mine, theirs, prevails)
            }),
            generations: settled(&was.generations, mine.generations, theirs.generations, |theirs, mine| {
                newest(theirs) > newest(mine)
            }),
        }
    }
}

/// The memory of one fleet; without a folder it forgets everything when dropped.
#[derive(Debug, Default)]
pub struct FleetMemory {
    file: Option<PathBuf>,
    /// What stood in the file when it was read.
    was: File,
    replicas: BTreeMap<ReplicaId, Remembered>,
    generations: BTreeMap<Generation, Timestamp>,
}

impl FleetMemory {
    /// Reads the memory of a store's fleet from the cache folder; one that does not read counts as none.
    #[must_use]
    pub fn load(cache: Option<&Path>, store: StoreId) -> Self {
        let file = cache.map(|dir| dir.join(store.to_string()).join("fleet.json"));
        let read = file.as_deref().map(File::read).unwrap_or_default();
        Self { file, ..Self::of_file(read) }
    }

    /// Reads a memory from what its file holds; what makes no sense is left out.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        Self::of_file(File::parse(bytes))
    }

    fn of_file(read: File) -> Self {
        let replica = |(id, entry): (String, Entry)| Some((id.parse().ok()?, entry.read()?));
        let generation = |(number, time): (u64, String)| Some((Generation(number), time.parse().ok()?));
        let replicas = read.replicas.into_iter().filter_map(replica).take(FLEET_MAX).collect();
        let generations = read.generations.into_iter().rev().filter_map(generation).take(last_few()).collect();
        Self { file: None, was: File::of(&replicas, &generations), replicas, generations }
    }

    /// Returns what is remembered of a replica.
    #[must_use]
    pub fn of(&self, replica: ReplicaId) -> Option<&Remembered> {
        self.replicas.get(&replica)
    }

    /// Returns every replica that is remembered.
    pub fn replicas(&self) -> impl Iterator<Item = (ReplicaId, &Remembered)> {
        self.replicas.iter().map(|(id, known)| (*id, known))
    }

    /// Returns when the last generations were made, as far as that was known here.
    #[must_use]
    pub fn generations(&self) -> &BTreeMap<Generation, Timestamp> {
        &self.generations
    }

    /// Remembers when generations were made, the last few of them, and lets go of those that are no longer among them.
    pub fn note_generations(&mut self, history: &History) {
        let first = Generation(history.newest.0.saturating_sub(FLEET_GENERATIONS - 1));
        self.generations = history.times.range(first..=history.newest.max(first)).map(|(g, t)| (*g, *t)).collect();
        for known in self.replicas.values_mut() {
            known.reached.retain(|(generation, _)| *generation >= first);
        }
    }

    /// Remembers what a receipt said, if it may be the key's own; returns false where there is no room for another key.
    pub fn learn(&mut self, row: &Row, receipt: &Receipt, history: &History, now: Timestamp) -> bool {
        let doubts = [Flag::AnotherKey, Flag::Unreadable, Flag::ForeignStore];
        if doubts.into_iter().any(|flag| row.has(flag)) {
            return true;
        }
        if !self.replicas.contains_key(&row.replica) && self.replicas.len() >= FLEET_MAX {
            return false;
        }
        let known = self.replicas.entry(row.replica).or_insert_with(|| Remembered {
            key: receipt.key,
            generation: Generation(0),
            head: receipt.head,
            seen: receipt.time.min(now),
            purge: Generation(0),
            tag: None,
            reached: Vec::new(),
        });
        if row.has(Flag::OlderReceipt) {
            return true;
        }
        // One from the future would make all that follow look old.
        known.seen = known.seen.max(receipt.time.min(now));
        (known.tag, known.purge) = (receipt.tag, receipt.purge);
        let is_dropped = !history.may_hold(known.generation, &known.head);
        if history.may_hold(receipt.generation, &receipt.head) && (is_dropped || receipt.generation > known.generation)
        {
            (known.generation, known.head) = (receipt.generation, receipt.head);
            known.reach(receipt, history, now);
        }
        true
    }

    /// Returns the one replica whose id begins so.
    ///
    /// # Errors
    /// [`ErrorKind::Other`] where none does, or several; [`ErrorKind::Usage`] for what is no part of an id.
    pub fn find(&self, prefix: &str) -> Result<ReplicaId> {
        let prefix = prefix.trim().to_ascii_lowercase();
        let is_part = (PREFIX_MIN..=2 * ReplicaId::LEN).contains(&prefix.len());
        if !is_part || !prefix.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let text =
                format!("{prefix:?} is no replica: at least {PREFIX_MIN} digits of its id, as `fleet status` shows it");
            return Err(Error::new(ErrorKind::Usage, text));
        }
        let mut fitting = self.replicas.keys().filter(|id| id.to_string().starts_with(&prefix));
        match (fitting.next(), fitting.next()) {
            (Some(one), None) => Ok(*one),
            (None, _) => {
                Err(Error::new(ErrorKind::Other, format!("no replica {prefix} is remembered on this machine")))
            }
            (Some(_), Some(_)) => Err(Error::new(
                ErrorKind::Other,
                format!("more than one replica begins with {prefix}: type more of its id"),
            )),
        }
    }

    /// Forgets a replica: its next receipt counts as its first.
    pub fn forget(&mut self, replica: ReplicaId) {
        self.replicas.remove(&replica);
    }

    /// Writes the memory, with what other runs on this host learned since this one was loaded.
    ///
    /// Waits for others that are writing; where one takes long or the host knows no locks, goes on without.
    ///
    /// # Durability
    /// Durable when this returns.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn save(&self) -> Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let _lock = lock_host_file(file);
        let merged = File::merged(&self.was, File::of(&self.replicas, &self.generations), File::read(file));
        Ok(replace_host_file(file, &serde_json::to_vec(&merged).unwrap_or_default(), 0o600)?)
    }
}

fn last_few() -> usize {
    usize::try_from(FLEET_GENERATIONS).unwrap_or(usize::MAX)
}

impl Remembered {
    /// Notes the day of each of the last generations that a receipt tells of for the first time.
    fn reach(&mut self, receipt: &Receipt, history: &History, now: Timestamp) {
        let first = history.newest.0.saturating_sub(FLEET_GENERATIONS - 1).max(1);
        let last = receipt.generation.0.min(history.newest.0);
        // A clock that goes wrong reaches nothing before it was made, or after today.
        let when = receipt.reached.unwrap_or(receipt.time);
        for generation in (first..=last).map(Generation) {
            if self.reached.iter().any(|(known, _)| *known == generation) {
                continue;
            }
            let made = history.times.get(&generation).copied().unwrap_or(when);
            self.reached.push((generation, Day::of(when.max(made).min(now))));
        }
    }
}

#[cfg(test)]
mod tests;
