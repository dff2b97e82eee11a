//! A store open for making its next generation: locked, opened with the writer's key, its index read, and the state that it
//! builds on durable and the newest that this host knows of.

use std::path::Path;
use std::sync::Arc;

use crate::base::limits::HEAD_MAX_BYTES;
use crate::base::monitor::Problem;
use crate::base::{DedupGeneration, Generation, PackHash};
use crate::crypto::Secret;
use crate::crypto::sign::SignKey;
use crate::disk::{Disk, read_all};
use crate::error::{Error, ErrorKind, Result};
use crate::format::head::SignedHead;
use crate::format::manifest::PackRef;
use crate::format::sealed::SnapshotRef;
use crate::ops::Run;
use crate::ops::host_state::{HostState, Likeness};
use crate::ops::local_keys::WriterKey;
use crate::store::head::{self, Soundness};
use crate::store::keyring::{KeyMaker, WriterKeys};
use crate::store::lock::WriteLock;
use crate::store::pack::{PackState, pack_state};
use crate::store::reader::ObjectReader;
use crate::store::trust::TrustChain;
use crate::store::writer::{PackWriter, Written};
use crate::store::{self, Basis, Next, Store, StoreError, Unlocked, layout};

/// The state that a writer starts from.
pub struct Writing {
    /// The store.
    pub store: Store,
    /// What it takes to write.
    pub keys: WriterKeys,
    /// What the writer's identity opened.
    pub unlocked: Unlocked,
    /// Reads objects.
    pub reader: Arc<ObjectReader>,
    /// Packs whose index does not read, so that nobody knows what they hold.
    pub unread: Vec<PackHash>,
    signer: SignKey,
}

impl Writing {
    /// Locks a store whose marker was read and opens it for its next generation. Packs whose index does not read are told to the
    /// monitor.
    ///
    /// # Durability
    /// The state that it builds on is durable once this returns.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`], [`ErrorKind::NoIdentity`], [`ErrorKind::NotTrusted`] for a key that is no writer,
    /// [`ErrorKind::Conflict`] when this host has seen a newer state, [`ErrorKind::Corrupt`] for a degraded store, and others.
    pub fn begin(
        disk: &Arc<dyn Disk>,
        writer: &WriterKey,
        cache: Option<&Path>,
        run: Run<'_>,
    ) -> Result<(WriteLock, Self)> {
        let (lock, writing) = Self::lock(disk, writer, run)?;
        require_newest(&writing.store, &HostState::load(cache, writing.store.id()))?;
        Ok((lock, writing))
    }

    /// Does as [`Writing::begin`] and asks nobody whether the state is the newest.
    ///
    /// # Durability
    /// As [`Writing::begin`].
    ///
    /// # Errors
    /// As [`Writing::begin`], but for what this host has seen.
    pub fn lock(disk: &Arc<dyn Disk>, writer: &WriterKey, run: Run<'_>) -> Result<(WriteLock, Self)> {
        let lock = WriteLock::take(disk.as_ref()).map_err(|error| store::settle(disk.as_ref(), error))?;
        let writing = Self::look(Arc::clone(disk), writer, run)?;
        writing.settle()?;
        Ok((lock, writing))
    }

    /// Opens a store as [`Writing::begin`] does, without a lock and without writing.
    ///
    /// # Errors
    /// As [`Writing::begin`].
    pub fn look(disk: Arc<dyn Disk>, writer: &WriterKey, run: Run<'_>) -> Result<Self> {
        let store = Store::open(disk)?;
        if store.soundness() == Soundness::Older {
            return Err(StoreError::Degraded.into());
        }
        Self::over(store, writer, run)
    }

    /// Takes a store as it was opened, without a lock and without writing.
    ///
    /// # Errors
    /// As [`Writing::begin`].
    pub fn over(store: Store, writer: &WriterKey, run: Run<'_>) -> Result<Self> {
        let disk = Arc::clone(store.disk());
        let (keys, unlocked) = store.unlock_writer(&writer.identities())?;
        let signer = writer.signer();
        if !store.trust().newest().trust.is_writer(&signer.public()) {
            return Err(Error::new(ErrorKind::NotTrusted, "this machine's writer key is no writer of the store"));
        }
        let mut unread = Vec::new();
        let index = store.load_index(&unlocked, &mut |pack, error| {
            let subject = store::layout::pack(&pack.hash).to_string();
            run.monitor.problem(Problem { subject, reason: format!("{error}; what it holds counts as lost") });
            unread.push(pack.hash);
        })?;
        let reader = Arc::new(ObjectReader::new(disk, store.id(), unlocked.keys.clone(), index));
        Ok(Self { store, keys, unlocked, reader, unread, signer })
    }

    /// Goes on with other keys, over other snapshots, with the objects of packs that were written since; no merged index counts
    /// any more.
    #[must_use]
    pub fn renewed(self, keys: WriterKeys, snapshots: Vec<SnapshotRef>, written: &Written) -> Self {
        let Self { store, mut unlocked, reader, unread, signer, .. } = self;
        let mut index = reader.index().without_merged();
        for entries in written.entries.chunk_by(|a, b| a.0 == b.0) {
            index.add_pack(entries[0].0, entries.iter().map(|(_, offset, entry)| (*offset, *entry)));
        }
        index.sort();
        unlocked.keys = keys.reader.clone();
        unlocked.sealed.snapshots = snapshots;
        unlocked.sealed.indexes.clear();
        unlocked.sealed.dedup_generation = keys.dedup_generation();
        let disk = Arc::clone(store.disk());
        let reader = Arc::new(ObjectReader::new(disk, store.id(), keys.reader.clone(), index));
        Self { store, keys, unlocked, reader, unread, signer }
    }

    /// Returns what signs.
    #[must_use]
    pub fn signer(&self) -> &SignKey {
        &self.signer
    }

    /// Ends what a run left that was cut off or killed, so that nothing is built on a state that may still be lost.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn settle(&self) -> Result<()> {
        let disk = self.disk();
        store::settle_marker(disk)?;
        if !self.store.is_settled() {
            head::settle(disk, self.store.head())?;
        }
        Ok(())
    }

    /// Returns whether no pack has a snapshot, and none is there that nobody could look into.
    #[must_use]
    pub fn is_lost(&self, snapshot: &SnapshotRef) -> bool {
        let is_found = self.reader.index().find(&snapshot.id, DedupGeneration(0)).is_some();
        !is_found && self.unread.is_empty() && self.lacks_no_pack()
    }

    fn lacks_no_pack(&self) -> bool {
        let stands = |pack: &PackRef| matches!(pack_state(self.disk(), pack), Ok(PackState::FullLength));
        self.store.packs().packs().iter().all(stands)
    }

    /// Returns the disk.
    #[must_use]
    pub fn disk(&self) -> &dyn Disk {
        self.store.disk().as_ref()
    }

    /// Starts writing packs beside those of the state.
    ///
    /// # Errors
    /// [`StoreError::NoIdentity`].
    pub fn pack_writer(&self) -> Result<PackWriter<'_>> {
        let (epoch, packs) = (self.keys.reader.epoch(), Some(self.store.packs()));
        Ok(PackWriter::new(self.disk(), self.store.id(), epoch, self.index_key()?, packs))
    }

    /// Returns what makes object keys now.
    ///
    /// # Errors
    /// [`StoreError::NoIdentity`] when the writer's key file lacks the dedup secret in use.
    pub fn key_maker(&self) -> Result<KeyMaker> {
        Ok(self.keys.key_maker(self.unlocked.sealed.dedup_generation).ok_or(StoreError::NoIdentity)?)
    }

    /// Returns the key of pack indexes now.
    ///
    /// # Errors
    /// [`StoreError::NoIdentity`].
    pub fn index_key(&self) -> Result<Secret> {
        Ok(self.keys.reader.index_key(self.keys.reader.epoch()).ok_or(StoreError::NoIdentity)?)
    }

    /// Makes the next generation.
    ///
    /// # Durability
    /// As [`store::commit`].
    ///
    /// # Errors
    /// As [`store::commit`].
    pub fn publish(&self, next: Next) -> Result<SignedHead> {
        self.publish_under(self.store.trust(), &self.keys, next)
    }

    /// Makes the next generation with other keys, or under a chain of trust that goes on, whose files are durable.
    ///
    /// # Durability
    /// As [`store::commit`].
    ///
    /// # Errors
    /// As [`store::commit`].
    pub fn publish_under(&self, trust: &TrustChain, keys: &WriterKeys, next: Next) -> Result<SignedHead> {
        let store = self.store.id();
        let basis = Basis { store, trust, current: Some((self.store.head(), self.store.packs())) };
        Ok(store::commit(self.disk(), &basis, &keys.reader, &self.signer, next)?)
    }
}

/// Refuses to build on a state that this host has seen a newer one of: a store that lost its newest records, or that came
/// back from an older copy, would make another history under the same generations.
///
/// # Errors
/// [`ErrorKind::Conflict`].
pub fn require_newest(store: &Store, state: &HostState) -> Result<()> {
    let Some(seen) = seen_beyond(store, state)? else { return Ok(()) };
    let opened = store.head().head.generation;
    let text =
        format!("the store opens at generation {opened}, but this host has seen {seen}: sync it before committing");
    Err(Error::new(ErrorKind::Conflict, text))
}

/// Returns the generation that this host has seen and that a store does not have, unless a writer signed it who was removed
/// since.
///
/// # Errors
/// [`ErrorKind::Conflict`] for another history than this host knows, [`ErrorKind::NotTrusted`] for another store.
pub fn seen_beyond(store: &Store, state: &HostState) -> Result<Option<Generation>> {
    state.check_fingerprint(store)?;
    if state.likeness(store) == Likeness::Forked {
        let replica = store.replica()?.map_or_else(String::new, |replica| format!(" {replica}"));
        let text = format!(
            "the replica{replica} had another history on this host: one of the two is a copy, and both wrote. Sync this store \
             with the one that counts, or give it an id of its own by `chunkstore repair --new-replica`"
        );
        return Err(Error::new(ErrorKind::Conflict, text));
    }
    let (opened, seen) = (store.head().head.rank(), state.highest_head());
    let is_newest = opened.generation >= seen.rank.generation && opened.trust_version >= seen.rank.trust_version;
    // What a writer signed that was removed since is nothing to wait for.
    let is_disowned = seen.is_disowned_by(&store.trust().newest().trust);
    Ok(Some(seen.rank.generation).filter(|_| !is_newest && !is_disowned))
}

/// Remembers on the host that a writer made a generation of its state; where that cannot be written, the store stands all
/// the same.
pub fn remember(cache: Option<&Path>, writing: &Writing, generation: Generation, run: Run<'_>) {
    let mut state = HostState::load(cache, writing.store.id());
    let made = read_all(writing.disk(), &layout::head_record(generation), HEAD_MAX_BYTES).ok().flatten();
    let Some(made) = made.and_then(|bytes| SignedHead::decode(&bytes).ok()) else { return };
    let is_news = state.met(&writing.store, &made);
    if state.highest_head().rank >= made.head.rank() && !is_news {
        return;
    }
    state.reached(&made);
    if let Err(error) = state.save() {
        // The next run only lacks the host's half of the memory.
        run.monitor.note(&format!("cannot remember the new generation on this host: {error}"));
    }
}
