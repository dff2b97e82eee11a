//! `fleet status`: which key holds which generation, as their receipts on a remote have it.
//!
//! Receipts are read with a writer's identities, held against what this host remembers of each key, and judged; nothing is written
//! to the store or the remote. Whatever comes of it is advice: receipts prove nothing, and no receipt says nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::limits::HEAD_MAX_BYTES;
use crate::base::{Generation, StoreId, Timestamp};
use crate::crypto::wrap::Identity;
use crate::disk::{Disk, read_all};
use crate::error::{ErrorKind, Result};
use crate::format::head::{Group, SignedHead};
use crate::format::roster::Holder;
use crate::ops::Run;
use crate::ops::local_keys::WriterKey;
use crate::ops::transfer::caller::Caller;
use crate::ops::transfer::remote_state::look;
use crate::ops::transfer::{Meter, settle};
use crate::remote::Remote;
use crate::store::lock::ReadLock;
use crate::store::order::purged_below;
use crate::store::roster::Roster;
use crate::store::trust::TrustChain;
use crate::store::{Store, StoreError, grace, layout, read_marker};

pub mod gather;
pub mod judge;
pub mod memory;
pub mod remembered;

use gather::{Gathered, gather};
use judge::{Flag, Found, History, Known, Row, Standing, judge};
use memory::{FLEET_GENERATIONS, FleetMemory};
use remembered::Day;

/// The keys of a store, as far as their receipts tell.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// Which store.
    pub store: StoreId,
    /// The remote whose receipts these are.
    pub remote: String,
    /// The publisher's clock.
    pub time: Timestamp,
    /// The newest generation that keys can have: that of the remote, or of the store where the remote shows none.
    pub newest: Generation,
    /// The generation of the newest purge; 0 where there was none.
    pub purged: Generation,
    /// The rollout group that the newest generation is for, and which generation others may stay at; nothing where it is for all.
    pub stage: Option<(Group, Generation)>,
    /// A row for each key, by replica id.
    pub rows: Vec<Row>,
    /// Who holds keys.
    pub roster: Roster,
    /// How the last generations went through the fleet.
    pub spread: Spread,
    /// How many receipts were not read, since there are too many.
    pub left_out: u64,
    /// How many keys could not be remembered, since there are too many.
    pub forgotten: u64,
}

/// How the last generations went through a fleet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spread {
    /// How many keys there are, without those that were revoked.
    pub keys: u64,
    /// The last generations, ascending.
    pub waves: Vec<Wave>,
}

/// How one generation went through a fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wave {
    /// Which.
    pub generation: Generation,
    /// When it was made, where that is known.
    pub made: Option<Timestamp>,
    /// How many keys had reached it, or a later one, by the end of a day; ascending.
    pub reached: Vec<(Day, u64)>,
}

/// How many keys there are of a kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// All of them.
    pub keys: u64,
    /// Those that hold the newest generation.
    pub current: u64,
    /// Those that hold what they may stay at, while a newer one is for a group.
    pub held: u64,
    /// Those that hold an older one.
    pub behind: u64,
    /// Those of which no receipt tells.
    pub unknown: u64,
    /// How many have each flag.
    pub flags: BTreeMap<Flag, u64>,
}

impl Summary {
    /// Counts rows.
    #[must_use]
    pub fn of(rows: &[Row]) -> Self {
        let mut counted = Self { keys: rows.len() as u64, ..Self::default() };
        for row in rows {
            match row.standing {
                Standing::Current => counted.current += 1,
                Standing::Held => counted.held += 1,
                Standing::Behind => counted.behind += 1,
                Standing::Unknown => counted.unknown += 1,
            }
            for flag in &row.flags {
                *counted.flags.entry(*flag).or_default() += 1;
            }
        }
        counted
    }

    /// Returns how many have a flag.
    #[must_use]
    pub fn count(&self, flag: Flag) -> u64 {
        self.flags.get(&flag).copied().unwrap_or_default()
    }
}

impl Fleet {
    /// Returns who holds the key file that a key carries, as far as that is known.
    #[must_use]
    pub fn holder(&self, row: &Row) -> Option<&Holder> {
        let tag = row.tag?;
        self.roster.holder(tag).or_else(|| self.roster.holder(tag.twin()))
    }

    /// Returns whether something that stands where receipts do was not read.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.left_out > 0 || self.rows.iter().any(|row| row.has(Flag::Unreadable) || row.has(Flag::Sealed))
    }
}

/// Reads all receipts of a remote and judges them; `memory` learns from them, and is the caller's to save. Costs a look at the
/// remote's HEAD, a list, and a small fetch and an opening for each receipt, over all sessions that the remote allows.
///
/// # Errors
/// [`ErrorKind::NoIdentity`] when the writer's key does not open the store, [`ErrorKind::Remote`], and those of opening the store.
pub fn survey(
    disk: &Arc<dyn Disk>,
    remote: &dyn Remote,
    writer: &WriterKey,
    memory: &mut FleetMemory,
    run: Run<'_>,
) -> Result<Fleet> {
    read_marker(disk.as_ref())?.ok_or(StoreError::NoStore)?;
    let identities = writer.identities();
    let here = look_here(disk, &identities, run.clock.now()).map_err(|error| settle(disk.as_ref(), error))?;
    let mut history = here.history;
    let own = history.newest;
    let meter = Meter::default();
    match look(&mut Caller::new(remote, run, &meter), &here.trust) {
        Ok(state) => take_in(&mut history, &state.head),
        Err(error) if matches!(error.kind(), ErrorKind::Remote | ErrorKind::Interrupted) => return Err(error),
        Err(error) => {
            run.monitor.note(&format!("keys are held against this store's own generation: {}", error.in_full()));
        }
    }
    for (generation, time) in memory.generations() {
        history.times.entry(*generation).or_insert(*time);
        // A remote that shows less than keys could have before makes none of them current.
        history.newest = history.newest.max(own.min(*generation));
    }
    let gathered = gather(remote, &identities, &|replica| memory.of(replica).is_some(), run)?;
    let known = Known { store: here.store, now: run.clock.now(), history: &history, roster: &here.roster };
    let left_out = gathered.left_out;
    let (rows, forgotten) = judge_all(gathered, memory, &known);
    Ok(Fleet {
        spread: spread(&rows, memory, &history),
        store: here.store,
        remote: remote.address(),
        time: known.now,
        newest: history.newest,
        purged: history.purged,
        stage: history.stage.clone(),
        rows,
        roster: here.roster,
        left_out,
        forgotten,
    })
}

/// What a publisher's store says.
struct Here {
    store: StoreId,
    trust: TrustChain,
    roster: Roster,
    history: History,
}

fn look_here(disk: &Arc<dyn Disk>, identities: &[Identity], now: Timestamp) -> Result<Here> {
    let _lock = ReadLock::share(disk.as_ref())?;
    let store = Store::open(Arc::clone(disk))?;
    let (keys, unlocked) = store.unlock_writer(identities)?;
    let roster = Roster::of(&store, &keys)?;
    let (packs, head) = (store.packs(), store.head());
    // Snapshots say when their generations were made; what records say comes before that.
    let snapshots = unlocked.sealed.snapshots.iter().map(|snapshot| (snapshot.generation, snapshot.time));
    let mut history = History {
        heads: packs.heads.clone(),
        times: snapshots.collect(),
        purged: purged_below(&store)?,
        gone_since: packs
            .top
            .condemned
            .iter()
            .filter(|pack| grace::may_leave_remotes(pack, now))
            .map(|p| p.since)
            .max(),
        ..History::default()
    };
    let first = Generation(head.head.generation.0.saturating_sub(FLEET_GENERATIONS));
    for (generation, hash) in packs.heads.range(first..) {
        let record = read_all(disk.as_ref(), &layout::head_record(*generation), HEAD_MAX_BYTES).ok().flatten();
        let record = record.and_then(|bytes| SignedHead::decode(&bytes).ok()).filter(|record| record.hash() == *hash);
        history.times.extend(record.map(|record| (*generation, record.head.time)));
    }
    take_in(&mut history, head);
    Ok(Here { store: store.id(), trust: store.trust().clone(), roster, history })
}

/// Takes in a HEAD that holds: the newest that keys can have.
fn take_in(history: &mut History, head: &SignedHead) {
    let said = &head.head;
    history.newest = said.generation;
    history.expires = Some(said.expires);
    history.stage = (!said.group.is_all()).then(|| (said.group.clone(), said.floor));
    history.heads.entry(said.generation).or_insert(head.hash());
    history.times.insert(said.generation, said.time);
}

/// Judges what was found, and of what was not found what is remembered; returns how many keys there was no room to remember.
fn judge_all(gathered: Gathered, memory: &mut FleetMemory, known: &Known<'_>) -> (Vec<Row>, u64) {
    memory.note_generations(known.history);
    let mut forgotten = 0;
    let mut rows: Vec<Row> = Vec::with_capacity(gathered.found.len());
    let missing: Vec<_> = memory.replicas().map(|(id, _)| id).filter(|id| !gathered.found.contains_key(id)).collect();
    rows.extend(missing.into_iter().map(|replica| judge(replica, None, memory.of(replica), known)));
    for (replica, found) in gathered.found {
        let row = judge(replica, Some(&found), memory.of(replica), known);
        if let Found::Receipt(receipt) = &found
            && !memory.learn(&row, receipt, known.history, known.now)
        {
            forgotten += 1;
        }
        rows.push(row);
    }
    rows.sort_by_key(|row| row.replica);
    (rows, forgotten)
}

/// Counts on which days keys reached each of the last generations.
fn spread(rows: &[Row], memory: &FleetMemory, history: &History) -> Spread {
    let last_few = memory.generations().keys();
    let mut days: BTreeMap<Generation, BTreeMap<Day, u64>> = last_few.map(|g| (*g, BTreeMap::new())).collect();
    let mut keys = 0;
    for row in rows.iter().filter(|row| !row.has(Flag::Revoked)) {
        let Some(known) = memory.of(row.replica) else { continue };
        keys += 1;
        for (generation, day) in &known.reached {
            *days.entry(*generation).or_default().entry(*day).or_default() += 1;
        }
    }
    let wave = |(generation, days): (Generation, BTreeMap<Day, u64>)| {
        let mut sum = 0;
        let reached = days.into_iter().map(|(day, count)| {
            sum += count;
            (day, sum)
        });
        Wave { generation, made: history.times.get(&generation).copied(), reached: reached.collect() }
    };
    Spread { keys, waves: days.into_iter().map(wave).collect() }
}
