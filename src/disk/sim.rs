//! [`SimDisk`]: the simulated twin of a store's medium, for tests of power cuts, faults and damage.
//!
//! It logs every operation, rebuilds each legal image after a cut at any of them, fails a chosen call, runs out of
//! space, and vanishes. It takes every liberty that the contract of [`Disk`](super::Disk) leaves, and the ones that
//! were measured on real media. Everything is in memory and follows from the calls and a seed; no time, no threads.
//!
//! Limits: one power cut loses whole sectors of 512 bytes, never a part of one, and never what was synced. Kinder than real FAT
//! is that a rename holds once its directory was synced (Linux leaves an empty file until the file is synced again), that a
//! removed name comes back with its own bytes (its clusters may be another file's by then), that no name stands twice,
//! and that every file of an image can be read (a lost chain of clusters gives an I/O error, and a read-only mount).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Capabilities;
use state::{Body, Ino, Inode, Key, Medium, Op};

mod content;
mod handle;
mod images;
mod state;

pub use images::{ImageBudget, ImageLabel};

/// Most checkpoints of the log that are kept.
const CHECKPOINTS_MAX: usize = 32;
/// Bytes that reach a medium together or not at all, and that it gives or does not give as one.
const SECTOR_BYTES: u64 = 512;
/// Space of a medium that no test limited.
const ROOMY_BYTES: u64 = 1 << 40;

/// The kind of medium that is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Profile {
    /// A journal keeps names in order; bytes come before the length that covers them, but after any name.
    Ext4,
    /// A journal keeps names in order; a length may come before its bytes.
    Ntfs,
    /// No journal: any sector of names and bytes, in any order; names are case-blind.
    ExFat,
    /// As exFAT, with short names that outlive long ones and files below 4 GiB.
    Fat32,
}

impl Profile {
    /// All profiles, for tests that run on each.
    pub const ALL: [Self; 4] = [Self::Ext4, Self::Ntfs, Self::ExFat, Self::Fat32];

    /// Returns whether changes of names persist in order and whole.
    fn journaled(self) -> bool {
        matches!(self, Self::Ext4 | Self::Ntfs)
    }

    /// Returns what the medium says of itself.
    fn capabilities(self, read_only: bool) -> Capabilities {
        Capabilities {
            atomic_replace: self.journaled(),
            sync_dir: true,
            case_sensitive: self == Self::Ext4,
            append_after_cut: !matches!(self, Self::Fat32 | Self::ExFat),
            max_file_bytes: if self == Self::Fat32 { u64::from(u32::MAX) } else { i64::MAX.unsigned_abs() },
            read_only,
        }
    }
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// An error, and the act was not done; of an append half may be there.
    Io,
    /// An error, and yet the act was done.
    IoDone,
    /// No space; a call that needs none does not fail.
    NoSpace,
    /// The medium is pulled out before the call and stays away.
    Gone,
}

/// How often each kind of call was made, failed ones included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CallCounts {
    /// Calls of `metadata`.
    pub metadata: u64,
    /// Calls of `list`.
    pub lists: u64,
    /// Calls of `open`.
    pub opens: u64,
    /// Calls of `read_at`.
    pub reads: u64,
    /// Calls of `create_new` and `append_after`.
    pub creates: u64,
    /// Calls of `append`.
    pub appends: u64,
    /// Calls of `sync` on a file.
    pub syncs: u64,
    /// Calls of `sync_dir`.
    pub dir_syncs: u64,
    /// Calls of `rename`.
    pub renames: u64,
    /// Calls of `remove`.
    pub removes: u64,
    /// Calls of `create_dir`.
    pub dirs: u64,
    /// Calls of `lock` and `free_bytes`.
    pub others: u64,
    /// Bytes that reads returned.
    pub bytes_read: u64,
    /// Bytes that appends took.
    pub bytes_written: u64,
}

/// A simulated medium; clones are handles to the same one.
#[derive(Clone)]
pub struct SimDisk(Arc<Mutex<State>>);

/// What all handles share.
struct State {
    now: Medium,
    /// The medium before the first operation of the log.
    base: Medium,
    log: Vec<Op>,
    checkpoints: Vec<(usize, Medium)>,
    checkpoint_every: usize,
    next_ino: Ino,
    faults: BTreeMap<u64, FaultKind>,
    calls: u64,
    counts: CallCounts,
    capacity_bytes: Option<u64>,
    read_only: bool,
    gone: bool,
    /// The sector that does not read of each file on a worn place, by its first byte.
    worn: BTreeMap<Ino, u64>,
    /// Directories that do not list.
    worn_dirs: BTreeSet<Key>,
    /// Holders of each locked file: the number of those that share it, or nothing for one that does not.
    locks: BTreeMap<Ino, Option<u64>>,
}

impl State {
    /// Starts an empty log on a medium.
    fn new(medium: Medium) -> Self {
        // Even numbers, since those that images give to broken files are odd.
        let next_ino = medium.inodes.keys().next_back().map_or(2, |last| (last + 2) & !1);
        Self {
            base: medium.clone(),
            now: medium,
            log: Vec::new(),
            checkpoints: Vec::new(),
            checkpoint_every: 64,
            next_ino,
            faults: BTreeMap::new(),
            calls: 0,
            counts: CallCounts::default(),
            capacity_bytes: None,
            read_only: false,
            gone: false,
            worn: BTreeMap::new(),
            worn_dirs: BTreeSet::new(),
            locks: BTreeMap::new(),
        }
    }

    /// Does an operation and logs it.
    fn record(&mut self, op: Op) {
        self.now.apply(self.log.len(), &op);
        self.log.push(op);
        if self.log.len().is_multiple_of(self.checkpoint_every) {
            self.checkpoints.push((self.log.len(), self.now.clone()));
        }
        if self.checkpoints.len() > CHECKPOINTS_MAX {
            self.checkpoint_every *= 2;
            let every = self.checkpoint_every;
            self.checkpoints.retain(|(at, _)| at.is_multiple_of(every));
        }
    }

    /// Returns the medium after the first `count` operations.
    fn medium_after(&self, count: usize) -> Medium {
        let near = self.checkpoints.iter().rev().find(|(at, _)| *at <= count);
        let (start, mut medium) = near.map_or_else(|| (0, self.base.clone()), |(at, medium)| (*at, medium.clone()));
        for (at, op) in self.log.iter().enumerate().take(count).skip(start) {
            medium.apply(at, op);
        }
        medium
    }

    /// Returns a number for a new file.
    fn new_ino(&mut self) -> Ino {
        self.next_ino += 2;
        self.next_ino - 2
    }

    /// Returns the key that a path is found by.
    fn key(&self, path: &str) -> Key {
        if self.now.profile == Profile::Ext4 { path.into() } else { path.to_ascii_uppercase().into() }
    }

    /// Returns the bytes that files take.
    fn used_bytes(&self) -> u64 {
        let len = |body: Body| match body {
            Body::File(ino) => self.now.inodes.get(&ino).map_or(0, |inode| inode.live.len()),
            Body::Dir => 0,
        };
        self.now.live.values().map(|node| len(node.body)).sum()
    }

    /// Returns the bytes that can still be written.
    fn free_bytes(&self) -> u64 {
        self.capacity_bytes.unwrap_or(ROOMY_BYTES).saturating_sub(self.used_bytes())
    }
}

impl SimDisk {
    /// Makes an empty medium.
    #[must_use]
    pub fn new(profile: Profile) -> Self {
        Self::of(Medium::new(profile))
    }

    /// Makes a disk whose whole content is durable.
    fn of(medium: Medium) -> Self {
        Self(Arc::new(Mutex::new(State::new(medium))))
    }

    /// Locks the shared state; a panic of another test thread leaves it usable.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the kind of medium.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.state().now.profile
    }

    /// Returns the number of operations that were logged: those that change the medium, and syncs.
    #[must_use]
    pub fn op_count(&self) -> usize {
        self.state().log.len()
    }

    /// Returns the images that a power cut may leave while operation `at_op` runs, `0..=op_count()`.
    ///
    /// The operations before it have returned; it itself may have happened in part. The images of a cut between
    /// two operations are among them. Everything in an image is durable, and its log is empty. The order is fixed.
    pub fn crash_images(&self, at_op: usize, budget: &ImageBudget) -> impl Iterator<Item = (ImageLabel, Self)> + use<> {
        let state = self.state();
        let mut medium = state.medium_after(at_op);
        if let Some(op) = state.log.get(at_op).filter(|op| !op.is_barrier()) {
            medium.apply(at_op, op);
        }
        images::Images::new(medium, at_op, *budget).map(|(label, medium)| (label, Self::of(medium)))
    }

    /// Makes the call with this number fail; calls are counted from 0 by [`SimDisk::call_count`].
    pub fn fail_nth_call(&self, number: u64, kind: FaultKind) {
        self.state().faults.insert(number, kind);
    }

    /// Returns the number of calls so far, of this and all handles and files of it, failed ones included.
    ///
    /// `capabilities` and `len_bytes` cannot fail and are not counted.
    #[must_use]
    pub fn call_count(&self) -> u64 {
        self.state().calls
    }

    /// Returns how often each kind of call was made.
    #[must_use]
    pub fn counts(&self) -> CallCounts {
        self.state().counts
    }

    /// Starts the counts by kind anew; [`SimDisk::call_count`] goes on.
    pub fn reset_counts(&self) {
        self.state().counts = CallCounts::default();
    }

    /// Limits the bytes that all files may take together.
    pub fn set_capacity_bytes(&self, capacity_bytes: Option<u64>) {
        self.state().capacity_bytes = capacity_bytes;
    }

    /// Makes the medium refuse writes, or take them again.
    pub fn set_read_only(&self, read_only: bool) {
        self.state().read_only = read_only;
    }

    /// Pulls the medium out: its handles lie as Linux does, see [`FaultKind::Gone`].
    pub fn unplug(&self) {
        self.state().gone = true;
    }

    /// Returns the medium as it comes back when nothing unsynced persisted; the old handles stay gone.
    #[must_use]
    pub fn plug_back(&self) -> Self {
        Self::of(images::Images::least(&self.state().now))
    }

    /// Returns an independent copy with the same log and unsynced effects, without locks and faults.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        let state = self.state();
        let mut copy = State::new(state.now.clone());
        copy.base = state.base.clone();
        copy.log.clone_from(&state.log);
        copy.checkpoints.clone_from(&state.checkpoints);
        copy.checkpoint_every = state.checkpoint_every;
        copy.next_ino = state.next_ino;
        copy.capacity_bytes = state.capacity_bytes;
        copy.read_only = state.read_only;
        copy.worn.clone_from(&state.worn);
        copy.worn_dirs.clone_from(&state.worn_dirs);
        Self(Arc::new(Mutex::new(copy)))
    }

    /// Returns an independent copy in which everything is durable and the log is empty.
    #[must_use]
    pub fn settled(&self) -> Self {
        let mut medium = self.state().now.clone();
        medium.durable = Arc::clone(&medium.live);
        medium.effects.clear();
        medium.dirty.clear();
        for inode in Arc::make_mut(&mut medium.inodes).values_mut() {
            *inode = Arc::new(Inode::clean(Arc::clone(&inode.live)));
        }
        Self::of(medium)
    }

    /// Returns the paths of all files, sorted.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        let state = self.state();
        let is_file = |key: &&Key| matches!(state.now.live.get(*key).map(|node| node.body), Some(Body::File(_)));
        let mut paths: Vec<_> = state.now.live.keys().filter(is_file).map(|key| shown_path(&state.now, key)).collect();
        paths.sort();
        paths
    }

    /// Returns a file's bytes without a call; nothing where no file stands.
    #[must_use]
    pub fn content(&self, path: &str) -> Option<Vec<u8>> {
        let state = self.state();
        state.now.file(&state.key(path)).map(|(_, inode)| inode.live.to_vec())
    }

    /// Returns the BLAKE3 hash of a file's bytes without a call; nothing where no file stands.
    #[must_use]
    pub fn content_hash(&self, path: &str) -> Option<blake3::Hash> {
        let state = self.state();
        state.now.file(&state.key(path)).map(|(_, inode)| inode.live.hash())
    }

    /// Returns a hash of all that programs see: every name as it is shown, and every file's bytes.
    ///
    /// Two media of one profile with the same fingerprint cannot be told apart by any call.
    #[must_use]
    pub fn fingerprint(&self) -> blake3::Hash {
        let state = self.state();
        let mut hasher = blake3::Hasher::new();
        for (key, node) in state.now.live.iter() {
            // No name holds a zero byte, so where one ends is never in doubt.
            hasher.update(key.as_bytes()).update(b"\0").update(node.name.as_bytes()).update(b"\0");
            match node.body {
                Body::Dir => hasher.update(b"d"),
                Body::File(ino) => {
                    let hash = state.now.inodes.get(&ino).map(|inode| inode.live.hash());
                    hasher.update(b"f").update(hash.unwrap_or_else(|| blake3::hash(b"")).as_bytes())
                }
            };
        }
        hasher.finalize()
    }

    /// Puts a file on the medium itself, durable at once, its directories too; replaces what a file there holds.
    pub fn put(&self, path: &str, bytes: &[u8]) {
        let mut state = self.state();
        let key = state.key(path);
        let known = state.now.file(&key).map(|(ino, _)| ino);
        let ino = known.unwrap_or_else(|| state.new_ino());
        state.record(Op::Put { key, name: last_name(path), ino, bytes: bytes.into() });
    }

    /// Changes a file's bytes on the medium itself, durable at once; returns whether a file stood there.
    #[must_use]
    pub fn corrupt(&self, path: &str, change: impl FnOnce(&mut Vec<u8>)) -> bool {
        let Some(mut bytes) = self.content(path) else { return false };
        change(&mut bytes);
        self.put(path, &bytes);
        true
    }

    /// Takes a file, or a directory with all that is in it, off the medium itself, durable at once; returns whether one stood
    /// there.
    #[must_use]
    pub fn wipe(&self, path: &str) -> bool {
        let mut state = self.state();
        let key = state.key(path);
        let below = format!("{key}/");
        let goes = |name: &&Key| **name == key || name.starts_with(&below);
        let keys: Vec<Key> = state.now.live.keys().filter(goes).cloned().collect();
        keys.iter().for_each(|key| state.record(Op::Wipe { key: key.clone() }));
        !keys.is_empty()
    }

    /// Makes the sector of 512 bytes around an offset of a file unreadable, or a directory as a whole; returns whether one
    /// stands there. Whatever is created under the name later is elsewhere on the medium and reads.
    #[must_use]
    pub fn wear_out(&self, path: &str, offset: u64) -> bool {
        let mut state = self.state();
        let key = state.key(path);
        match state.now.live.get(&key).map(|node| node.body) {
            Some(Body::File(ino)) => drop(state.worn.insert(ino, offset / SECTOR_BYTES * SECTOR_BYTES)),
            Some(Body::Dir) => drop(state.worn_dirs.insert(key)),
            None => return false,
        }
        true
    }
}

/// Returns the last name of a path.
fn last_name(path: &str) -> Arc<str> {
    path.rsplit_once('/').map_or(path, |(_, name)| name).into()
}

/// Returns a folded path as it is shown.
fn shown_path(medium: &Medium, key: &str) -> String {
    let ends = key.match_indices('/').map(|(at, _)| at).chain([key.len()]);
    let names = ends.map(|end| medium.live.get(&key[..end]).map_or("?", |node| &*node.name));
    names.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests;
