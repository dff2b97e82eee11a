//! What a host remembers of a store: the newest state it saw, what each remote showed, when it last synced and verified,
//! which packs an unfinished push has sent, and up to where condemned packs were deleted.
//!
//! One small JSON file a store in the cache folder. Losing it costs time and the host's half of the memory against
//! rollback; the other half is the store's own HEAD.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::base::{Generation, HeadHash, PackHash, StoreId, Timestamp};
use crate::disk::host::{read_host_file, replace_host_file};
use crate::error::Result;

const MAX_BYTES: u64 = 64 << 20;

/// What one remote showed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct RemoteMemory {
    generation: u64,
    head: String,
    #[serde(default)]
    sent: BTreeSet<String>,
    #[serde(default)]
    removed: Option<RemovedMemory>,
    #[serde(default)]
    purged: u64,
}

/// Up to where condemned packs were deleted.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
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

#[derive(Debug, Clone, Serialize, Deserialize)]
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

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Memory {
    last_sync: Option<String>,
    #[serde(default)]
    last_verify: Option<VerifyMemory>,
    #[serde(default)]
    generation: u64,
    #[serde(default)]
    remotes: BTreeMap<String, RemoteMemory>,
}

/// The host's memory of one store; without a folder it forgets everything when dropped.
#[derive(Debug, Default)]
pub struct HostState {
    file: Option<PathBuf>,
    memory: Memory,
}

impl HostState {
    /// Reads the memory of a store from the cache folder; one that does not read counts as none.
    #[must_use]
    pub fn load(cache: Option<&Path>, store: StoreId) -> Self {
        let file = cache.map(|dir| dir.join(store.to_string()).join("state.json"));
        let bytes = file.as_deref().and_then(|file| read_host_file(file, MAX_BYTES).ok().flatten());
        let memory = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        Self { file, memory }
    }

    /// Returns the highest generation that was ever seen of the store on this host.
    #[must_use]
    pub fn highest(&self) -> Generation {
        Generation(self.memory.generation)
    }

    /// Returns when a sync last ended well.
    #[must_use]
    pub fn last_sync(&self) -> Option<Timestamp> {
        self.memory.last_sync.as_deref().and_then(|text| text.parse().ok())
    }

    /// Returns the newest that a remote showed.
    #[must_use]
    pub fn shown(&self, address: &str) -> Option<(Generation, HeadHash)> {
        let remote = self.memory.remotes.get(address)?;
        Some((Generation(remote.generation), remote.head.parse().ok()?))
    }

    /// Remembers that the store reached a generation here.
    pub fn reached(&mut self, generation: Generation) {
        self.memory.generation = self.memory.generation.max(generation.0);
    }

    /// Remembers what a remote showed, if it is newer than before.
    pub fn saw(&mut self, address: &str, generation: Generation, head: HeadHash) {
        self.reached(generation);
        let remote = self.memory.remotes.entry(address.to_owned()).or_default();
        if generation.0 >= remote.generation {
            (remote.generation, remote.head) = (generation.0, head.to_string());
        }
    }

    /// Forgets what a remote showed, when a person accepts less.
    pub fn forget(&mut self, address: &str, highest: Generation) {
        self.memory.remotes.remove(address);
        self.memory.generation = highest.0;
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

    /// Returns up to which purge a remote was cleared of what had led to earlier states.
    #[must_use]
    pub fn purged_up_to(&self, address: &str) -> Generation {
        Generation(self.memory.remotes.get(address).map_or(0, |remote| remote.purged))
    }

    /// Remembers that a remote was cleared up to a purge.
    pub fn purged(&mut self, address: &str, generation: Generation) {
        self.memory.remotes.entry(address.to_owned()).or_default().purged = generation.0;
    }

    /// Writes the memory.
    ///
    /// # Durability
    /// Durable when this returns.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn save(&self) -> Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let bytes = serde_json::to_vec(&self.memory).unwrap_or_default();
        Ok(replace_host_file(file, &bytes, 0o600)?)
    }
}
