//! What a host remembers of a store: the newest state it saw, what each remote showed, when it last synced and verified,
//! which packs an unfinished push has sent, and up to where condemned packs were deleted.
//!
//! One small JSON file a store in the cache folder, which several runs may hold at a time: each takes over what others saved since
//! when it saves (`merge`). Losing it costs time and the host's half of the memory against
//! rollback; the other half is the store's own HEAD.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::base::{Generation, HeadHash, PackHash, PublicKey, StoreId, Timestamp};
use crate::disk::host::{lock_host_file, read_host_file, replace_host_file};
use crate::error::Result;
use crate::format::head::{Rank, SignedHead};
use crate::format::trust::Trust;
use crate::ops::transfer::judge::Shown;

mod merge;
mod seen;

pub use seen::{Accepted, Likeness, ReplicaSeen, likeness};

const MAX_BYTES: u64 = 64 << 20;

/// Where a HEAD stands in the order of HEADs, and who signed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct RankMemory {
    #[serde(default)]
    generation: u64,
    /// What earlier programs remembered was always under the first file: none of them could make another.
    #[serde(default = "first_version")]
    trust_version: u32,
    /// Nothing where an earlier program wrote this, or nobody asked.
    #[serde(default)]
    writer: Option<String>,
}

fn first_version() -> u32 {
    1
}

impl Default for RankMemory {
    fn default() -> Self {
        Self { generation: 0, trust_version: first_version(), writer: None }
    }
}

impl RankMemory {
    fn of(head: &SignedHead) -> Self {
        let said = &head.head;
        Self { generation: said.generation.0, trust_version: said.trust_version, writer: Some(said.writer.to_string()) }
    }

    fn rank(&self) -> Rank {
        Rank { trust_version: self.trust_version, generation: Generation(self.generation) }
    }

    fn writer(&self) -> Option<PublicKey> {
        self.writer.as_deref().and_then(|key| key.parse().ok())
    }
}

/// The highest HEAD that a host saw of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Highest {
    /// Its trust version and generation.
    pub rank: Rank,
    /// Who signed it, if that is remembered.
    pub writer: Option<PublicKey>,
}

impl Highest {
    /// Returns whether a trust file removed its writer since.
    #[must_use]
    pub fn is_disowned_by(&self, trust: &Trust) -> bool {
        self.writer.is_some_and(|writer| trust.disowns(self.rank.trust_version, &writer))
    }
}

/// What one remote showed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct RemoteMemory {
    #[serde(flatten)]
    rank: RankMemory,
    head: String,
    #[serde(default)]
    sent: BTreeSet<String>,
    #[serde(default)]
    removed: Option<RemovedMemory>,
    /// The purge order that was carried out there.
    #[serde(default)]
    obeyed: Option<String>,
}

/// Up to where condemned packs were deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct RemovedMemory {
    since: String,
    packs: String,
}

/// Up to where the condemned packs of a remote were deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemovedUpTo {
    /// All that were condemned before this moment, and at it those of `packs`.
    pub since: Timestamp,
    /// The hash over the hashes of the packs that were condemned at that very moment.
    pub packs: [u8; 32],
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct VerifyMemory {
    time: String,
    problems: u64,
    sample: bool,
}

/// How a store was last verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastVerify {
    /// When it ended.
    pub time: Timestamp,
    /// How many problems were left; 0 where everything that was checked held.
    pub problems: u64,
    /// Whether not all packs were hashed.
    pub sample: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Memory {
    last_sync: Option<String>,
    #[serde(default)]
    last_verify: Option<VerifyMemory>,
    #[serde(flatten)]
    highest: RankMemory,
    #[serde(default)]
    remotes: BTreeMap<String, RemoteMemory>,
    #[serde(default)]
    seen: seen::Seen,
}

/// The host's memory of one store; without a folder it forgets everything when dropped.
#[derive(Debug, Default)]
pub struct HostState {
    file: Option<PathBuf>,
    memory: Memory,
    /// What the file said when this run last read or wrote it.
    was: Memory,
    place: Option<String>,
}

impl HostState {
    /// Reads the memory of a store from the cache folder; one that does not read counts as none.
    #[must_use]
    pub fn load(cache: Option<&Path>, store: StoreId) -> Self {
        let file = cache.map(|dir| dir.join(store.to_string()).join("state.json"));
        let bytes = file.as_deref().map(read).unwrap_or_default();
        Self { file, ..Self::parse(&bytes) }
    }

    /// Reads a memory from what its file holds; one that does not read counts as none.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let memory: Memory = serde_json::from_slice(bytes).unwrap_or_default();
        Self { file: None, was: memory.clone(), memory, place: None }
    }

    /// Returns the generation of the highest HEAD that was seen of the store on this host.
    #[must_use]
    pub fn highest(&self) -> Generation {
        Generation(self.memory.highest.generation)
    }

    /// Returns the highest HEAD that was seen of the store on this host.
    #[must_use]
    pub fn highest_head(&self) -> Highest {
        Highest { rank: self.memory.highest.rank(), writer: self.memory.highest.writer() }
    }

    /// Returns when a sync last ended well.
    #[must_use]
    pub fn last_sync(&self) -> Option<Timestamp> {
        self.memory.last_sync.as_deref().and_then(|text| text.parse().ok())
    }

    /// Returns the newest that a remote showed.
    #[must_use]
    pub fn shown(&self, address: &str) -> Option<Shown> {
        let remote = self.memory.remotes.get(address)?;
        let head: HeadHash = remote.head.parse().ok()?;
        Some(Shown { rank: remote.rank.rank(), head, writer: remote.rank.writer() })
    }

    /// Returns the addresses of the remotes that showed the store on this host.
    pub fn remotes(&self) -> impl Iterator<Item = &str> {
        self.memory.remotes.iter().filter(|(_, remote)| !remote.head.is_empty()).map(|(address, _)| address.as_str())
    }

    /// Remembers that the store reached a HEAD here, if none that ranks higher was seen.
    pub fn reached(&mut self, head: &SignedHead) {
        if head.head.rank() >= self.memory.highest.rank() {
            self.memory.highest = RankMemory::of(head);
        }
    }

    /// Remembers what a remote showed, if it ranks higher than before.
    pub fn saw(&mut self, address: &str, head: &SignedHead) {
        self.reached(head);
        let remote = self.memory.remotes.entry(address.to_owned()).or_default();
        if head.head.rank() >= remote.rank.rank() {
            (remote.rank, remote.head) = (RankMemory::of(head), head.hash().to_string());
        }
    }

    /// Forgets what a remote showed, when a person accepts less: this HEAD is the highest now.
    pub fn forget(&mut self, address: &str, highest: &SignedHead) {
        self.memory.remotes.remove(address);
        self.memory.highest = RankMemory::of(highest);
    }

    /// Remembers that a sync ended well.
    pub fn synced(&mut self, time: Timestamp) {
        self.memory.last_sync = Some(time.to_string());
    }

    /// Returns how the store was last verified.
    #[must_use]
    pub fn last_verify(&self) -> Option<LastVerify> {
        let VerifyMemory { time, problems, sample } = self.memory.last_verify.as_ref()?;
        Some(LastVerify { time: time.parse().ok()?, problems: *problems, sample: *sample })
    }

    /// Remembers how the store was verified.
    pub fn verified(&mut self, last: LastVerify) {
        let LastVerify { time, problems, sample } = last;
        self.memory.last_verify = Some(VerifyMemory { time: time.to_string(), problems, sample });
    }

    /// Returns whether an unfinished push has sent a pack, and the remote said that it took it.
    #[must_use]
    pub fn was_sent(&self, address: &str, pack: &PackHash) -> bool {
        self.memory.remotes.get(address).is_some_and(|remote| remote.sent.contains(&pack.to_string()))
    }

    /// Remembers that a remote took a pack.
    pub fn sent(&mut self, address: &str, pack: &PackHash) {
        self.memory.remotes.entry(address.to_owned()).or_default().sent.insert(pack.to_string());
    }

    /// Forgets sent packs at the end of a push.
    pub fn clear_sent(&mut self, address: &str) {
        if let Some(remote) = self.memory.remotes.get_mut(address) {
            remote.sent.clear();
        }
    }

    /// Returns up to where condemned packs were deleted from a remote.
    #[must_use]
    pub fn removed_up_to(&self, address: &str) -> Option<RemovedUpTo> {
        let memory = self.memory.remotes.get(address)?.removed.as_ref()?;
        let mut packs = [0; 32];
        hex::decode_to_slice(&memory.packs, &mut packs).ok()?;
        Some(RemovedUpTo { since: memory.since.parse().ok()?, packs })
    }

    /// Remembers up to where condemned packs were deleted from a remote.
    pub fn removed(&mut self, address: &str, up_to: RemovedUpTo) {
        let removed = RemovedMemory { since: up_to.since.to_string(), packs: hex::encode(up_to.packs) };
        self.memory.remotes.entry(address.to_owned()).or_default().removed = Some(removed);
    }

    /// Returns whether a remote was cleared of all that a purge order takes away; the order goes by the hash of its parts' hashes.
    #[must_use]
    pub fn was_obeyed(&self, address: &str, order: &[u8; 32]) -> bool {
        let obeyed = self.memory.remotes.get(address).and_then(|remote| remote.obeyed.as_deref());
        obeyed == Some(hex::encode(order).as_str())
    }

    /// Remembers that a remote was cleared of all that a purge order takes away.
    pub fn obeyed(&mut self, address: &str, order: &[u8; 32]) {
        self.memory.remotes.entry(address.to_owned()).or_default().obeyed = Some(hex::encode(order));
    }

    /// Takes over what a run learned that began with a copy of this memory, while others may have written it: of each thing what
    /// ranks higher, or is later.
    pub fn absorb(&mut self, other: &Self) {
        let (mine, theirs) = (&mut self.memory, &other.memory);
        // Times of one form, so that texts sort as times do.
        mine.last_sync = mine.last_sync.take().max(theirs.last_sync.clone());
        if theirs.highest.rank() >= mine.highest.rank() {
            mine.highest = theirs.highest.clone();
        }
        for (address, remote) in &theirs.remotes {
            let known = mine.remotes.entry(address.clone()).or_default();
            if known.head.is_empty() || remote.rank.rank() >= known.rank.rank() {
                (known.rank, known.head) = (remote.rank.clone(), remote.head.clone());
            }
        }
        mine.seen.absorb(&theirs.seen);
    }

    /// Returns the same memory without its file: saving it does nothing.
    #[must_use]
    pub fn detached(self) -> Self {
        Self { file: None, ..self }
    }

    /// Writes the memory, with what other runs saved since this one read it, which this one then holds as well.
    ///
    /// Waits for others that are writing; where one takes long or the host knows no locks, goes on without.
    ///
    /// # Durability
    /// Durable when this returns.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn save(&mut self) -> Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let _lock = lock_host_file(file);
        self.memory = Memory::merged(&self.was, std::mem::take(&mut self.memory), Self::parse(&read(file)).memory);
        let bytes = serde_json::to_vec(&self.memory).unwrap_or_default();
        replace_host_file(file, &bytes, 0o600)?;
        self.was = self.memory.clone();
        Ok(())
    }
}

/// Reads what a file holds; nothing where none stands, or where it does not read.
fn read(file: &Path) -> Vec<u8> {
    read_host_file(file, MAX_BYTES).ok().flatten().unwrap_or_default()
}
