//! A store on a disk: packs, manifest, HEAD, trust, keys and locks, with the write order that everything leans on.
//!
//! ```text
//! objects -> packs -> key files, trust, manifest -> heads/<n> (the durable point) -> HEAD -> what is old may go
//! ```
//!
//! Each step is synced before the next begins. Opening goes the other way and takes the newest record that holds, so
//! whatever a cut leaves behind is either the old state or the new one, plus files that nothing names.

use std::collections::HashSet;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::base::limits::MARKER_MAX_BYTES;
use crate::base::{Generation, ManifestHash, PackHash, ReplicaId, StoreId, StorePath, Timestamp};
use crate::crypto::sign::{Purpose as Signed, SignKey};
use crate::crypto::wrap::Identity;
use crate::disk::{Disk, DiskErrorKind, read_all};
use crate::format::FormatError;
use crate::format::head::{Group, Head, SignedHead};
use crate::format::keylist::KeyTag;
use crate::format::manifest::{CondemnedPack, FileRef, KeyShards, Manifest, PackRef, RecipeRef};
use crate::format::marker::Marker;
use crate::format::pack::padme;
use crate::format::sealed::SealedPart;
use crate::format::{INNER_VERSION, pack::SEAL_OVERHEAD_BYTES};

pub mod cache;
pub mod error;
pub mod far;
pub mod grace;
pub mod head;
pub mod index;
pub mod keyring;
pub mod keys;
pub mod layout;
pub mod lock;
pub mod manifest;
pub mod near;
pub mod object;
pub mod order;
pub mod pack;
pub mod reader;
pub mod receipt;
pub mod recipe;
pub mod replica;
pub mod roster;
pub mod survey;
pub mod sweep;
pub mod trust;
pub mod writer;

pub use error::StoreError;
use head::{Found, Hidden, Soundness};
use keyring::{ReaderKeys, WriterKeys};
use manifest::{Change, PackSet, next_manifest};
use object::{Purpose, open_outer, seal_outer};
use trust::TrustChain;

/// How long a publisher vouches for a HEAD unless told otherwise: 90 days.
pub const EXPIRY_SECS: i64 = 90 * 24 * 3600;

/// An open store: one state of it, checked down to its manifests.
pub struct Store {
    disk: Arc<dyn Disk>,
    id: StoreId,
    trust: TrustChain,
    found: Found,
    /// Whether the marker stood when it was opened, so that it tells a medium that went away since.
    is_marked: bool,
}

/// What an identity opens.
pub struct Unlocked {
    /// What it takes to read.
    pub keys: ReaderKeys,
    /// The sealed part of the manifest.
    pub sealed: SealedPart,
}

impl Store {
    /// Opens a store as its newest record that holds.
    ///
    /// # Errors
    /// [`StoreError::NoStore`], [`StoreError::Corrupt`], [`StoreError::NotTrusted`], [`StoreError::TooNew`] and those of the
    /// disk.
    pub fn open(disk: Arc<dyn Disk>) -> Result<Self, StoreError> {
        let id = read_marker(disk.as_ref())?.ok_or(StoreError::NoStore)?.store;
        let (trust, found) = load(disk.as_ref(), id).map_err(|error| settle(disk.as_ref(), error))?;
        Ok(Self { disk, id, trust, found, is_marked: true })
    }

    /// Opens a store whose marker does not read as what its records say that it is, to check or mend it.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_unmarked(disk: Arc<dyn Disk>, id: StoreId) -> Result<Self, StoreError> {
        let (trust, found) = load(disk.as_ref(), id)?;
        Ok(Self { disk, id, trust, found, is_marked: false })
    }

    /// Opens the same store once more, as it is now.
    ///
    /// # Errors
    /// As [`Store::open`], but for [`StoreError::Gone`] where it stands no more.
    pub fn open_again(&self) -> Result<Self, StoreError> {
        let disk = Arc::clone(&self.disk);
        let opened = if self.is_marked { Self::open(disk) } else { Self::open_unmarked(disk, self.id) };
        opened.map_err(|error| if matches!(error, StoreError::NoStore) { StoreError::Gone(None) } else { error })
    }

    /// Returns the same store as one of its earlier records, to build on that one.
    #[must_use]
    pub fn at(&self, head: SignedHead, packs: PackSet) -> Self {
        let trust_version = self.found.trust_version;
        let (soundness, hidden) = (Soundness::Sound, Hidden::default());
        let found = Found { head, packs, soundness, hidden, trust_version, is_settled: true };
        Self { disk: Arc::clone(&self.disk), id: self.id, trust: self.trust.clone(), found, is_marked: self.is_marked }
    }

    /// Returns the disk.
    #[must_use]
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// Returns the store's id.
    #[must_use]
    pub fn id(&self) -> StoreId {
        self.id
    }

    /// Returns the chain of trust, as far as a record of this store names it.
    #[must_use]
    pub fn trust(&self) -> &TrustChain {
        &self.trust
    }

    /// Returns the record that opened.
    #[must_use]
    pub fn head(&self) -> &SignedHead {
        &self.found.head
    }

    /// Returns the packs of the state that opened.
    #[must_use]
    pub fn packs(&self) -> &PackSet {
        &self.found.packs
    }

    /// Returns how far the state is the one that should have opened.
    #[must_use]
    pub fn soundness(&self) -> Soundness {
        self.found.soundness
    }

    /// Returns what a degraded store held beyond the state that opened, as far as that can be told.
    #[must_use]
    pub fn hidden(&self) -> &Hidden {
        &self.found.hidden
    }

    /// Returns whether `HEAD` and its record both name the state that opened; if not, [`head::settle`] makes them do so.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.found.is_settled
    }

    /// Returns the replica's id; nothing on a server's copy.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn replica(&self) -> Result<Option<ReplicaId>, StoreError> {
        replica::read_id(self.disk.as_ref())
    }

    /// Opens the sealed layer with one of the identities.
    ///
    /// # Errors
    /// [`StoreError::NoIdentity`], [`StoreError::TooNew`] when the sealed layer is of a newer format,
    /// [`StoreError::NotTrusted`] when the secrets are not those that HEAD commits to.
    pub fn unlock(&self, identities: &[Identity]) -> Result<Unlocked, StoreError> {
        self.check_inner()?;
        let hint = replica::read_tag(self.disk.as_ref()).unwrap_or(None);
        let epoch = self.head().head.epoch;
        let keys = keys::open_reader(self.disk.as_ref(), self.id, self.packs(), epoch, identities, hint)?;
        self.unseal(keys)
    }

    /// Returns the identities under passphrases that stand in the store, with the tags of their readers: that of its own reader
    /// alone, if it notes one.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when a list or a file is damaged.
    pub fn identities_under_passphrases(&self) -> Result<Vec<(KeyTag, Vec<u8>)>, StoreError> {
        let hint = replica::read_tag(self.disk.as_ref()).unwrap_or(None);
        keys::read_identities(self.disk.as_ref(), self.id, self.packs(), self.head().head.epoch, hint)
    }

    /// Opens the sealed layer and what it takes to write with a writer's identity.
    ///
    /// # Errors
    /// As [`Store::unlock`].
    pub fn unlock_writer(&self, identities: &[Identity]) -> Result<(WriterKeys, Unlocked), StoreError> {
        self.check_inner()?;
        let epoch = self.head().head.epoch;
        let mut keys = keys::open_writer(self.disk.as_ref(), self.id, self.packs(), epoch, identities)?;
        let unlocked = self.unseal(keys.reader)?;
        keys.reader = unlocked.keys.clone();
        Ok((keys, unlocked))
    }

    fn check_inner(&self) -> Result<(), StoreError> {
        if self.head().head.inner_known() {
            return Ok(());
        }
        Err(StoreError::TooNew(crate::format::FormatError::TooNew("the sealed layer of the store")))
    }

    fn unseal(&self, mut keys: ReaderKeys) -> Result<Unlocked, StoreError> {
        let said = &self.head().head;
        if keys.commitment(said.epoch) != Some(said.commitment) {
            return Err(StoreError::NotTrusted("its HEAD commits to other secrets than the key file holds".into()));
        }
        let (epoch, frame) = &self.packs().top.sealed;
        if *epoch != said.epoch {
            return Err(StoreError::damaged("the epoch of the manifest"));
        }
        let key = keys.root_key(*epoch).ok_or(StoreError::NoIdentity)?;
        let what = "the sealed part of the manifest";
        let plain = Zeroizing::new(open_outer(self.id, Purpose::Manifest, &key, what, frame)?);
        let sealed = SealedPart::decode(&plain).map_err(|error| StoreError::format(what, error))?;
        keys.add_older(&sealed.older_epochs);
        keys.add_index_keys(&sealed.index_keys);
        Ok(Unlocked { keys, sealed })
    }

    /// Reads the index of all objects; damaged packs are told to `problem`.
    ///
    /// # Errors
    /// As [`index::ObjectIndex::load`].
    pub fn load_index(
        &self,
        unlocked: &Unlocked,
        problem: &mut dyn FnMut(&PackRef, StoreError),
    ) -> Result<index::ObjectIndex, StoreError> {
        self.load_index_without(&HashSet::new(), unlocked, problem)
    }

    /// Reads the index of all objects but those of packs that nobody shall look into.
    ///
    /// # Errors
    /// As [`index::ObjectIndex::load`].
    pub fn load_index_without(
        &self,
        left_out: &HashSet<PackHash>,
        unlocked: &Unlocked,
        problem: &mut dyn FnMut(&PackRef, StoreError),
    ) -> Result<index::ObjectIndex, StoreError> {
        let source = index::Source { disk: self.disk.as_ref(), store: self.id, set: self.packs(), left_out };
        index::ObjectIndex::load(source, &unlocked.sealed, &unlocked.keys, problem)
    }

    /// Tells a missing medium from a damaged store: an error that a pulled key could have caused is one of the medium
    /// when the marker does not read either.
    #[must_use]
    pub fn settle(&self, error: StoreError) -> StoreError {
        if self.is_marked {
            return settle(self.disk.as_ref(), error);
        }
        if self.disk.is_gone() { StoreError::Gone(None) } else { error }
    }
}

fn load(disk: &dyn Disk, id: StoreId) -> Result<(TrustChain, Found), StoreError> {
    let trust = TrustChain::load(disk, id)?;
    let found = head::find_newest(disk, id, &trust)?;
    // A trust file that no record names yet was left by a run that was cut off, and another may come in its place.
    Ok((trust.up_to(found.trust_version), found))
}

/// See [`Store::settle`].
#[must_use]
pub fn settle(disk: &dyn Disk, error: StoreError) -> StoreError {
    let suspicious = match &error {
        StoreError::Corrupt { .. } | StoreError::NoIdentity => true,
        StoreError::Disk(error) => matches!(error.kind, DiskErrorKind::NotFound | DiskErrorKind::Io),
        _ => false,
    };
    if suspicious && (disk.is_gone() || !matches!(read_marker(disk), Ok(Some(_)))) {
        return StoreError::Gone(if let StoreError::Disk(error) = error { Some(error) } else { None });
    }
    error
}

/// Reads the marker; nothing where none stands, or a torn one of an `init` that was cut off at its very end.
///
/// # Errors
/// [`StoreError::Corrupt`] for a damaged one of a store that has commits, [`StoreError::TooNew`].
pub fn read_marker(disk: &dyn Disk) -> Result<Option<Marker>, StoreError> {
    let unread = |error| StoreError::unread("the store's marker", error);
    let Some(bytes) = read_all(disk, &layout::marker(), MARKER_MAX_BYTES).map_err(unread)? else { return Ok(None) };
    match Marker::decode(&bytes) {
        Ok(marker) => Ok(Some(marker)),
        Err(error @ FormatError::TooNew(_)) => Err(StoreError::TooNew(error)),
        // The marker is written last, so without it generation 1, which holds nothing, was never handed to anyone.
        Err(_) if head::newest_name(disk)?.is_none_or(|newest| newest <= Generation(1)) => Ok(None),
        Err(error) => Err(StoreError::corrupt("the store's marker", error)),
    }
}

/// Makes every directory and lock file of an empty store.
///
/// # Durability
/// All are durable when this returns.
///
/// # Errors
/// [`StoreError`].
pub fn create_layout(disk: &dyn Disk) -> Result<(), StoreError> {
    for dir in layout::dirs() {
        disk.create_dir(&dir)?;
    }
    for first_byte in 0..=255 {
        disk.create_dir(&layout::pack_dir(first_byte))?;
    }
    disk.sync_dir(&layout::pack_dir(0).parent())?;
    for lock in [layout::write_lock(), layout::read_lock()] {
        if disk.metadata(&lock)?.is_none() {
            disk.create_new(&lock)?.sync()?;
        }
    }
    Ok(disk.sync_dir(&StorePath::root())?)
}

/// Writes the marker, which makes a directory a store: the last step of `init` and `clone`.
///
/// # Durability
/// Durable when this returns.
///
/// # Errors
/// [`StoreError`].
pub fn write_marker(disk: &dyn Disk, store: StoreId) -> Result<(), StoreError> {
    pack::create_immutable(disk, &layout::marker(), &Marker { store }.encode())?;
    Ok(disk.sync_dir(&StorePath::root())?)
}

/// Makes the marker durable that is there: the run that wrote it may have been killed before it was.
///
/// # Durability
/// Durable when this returns.
///
/// # Errors
/// [`StoreError`].
pub fn settle_marker(disk: &dyn Disk) -> Result<(), StoreError> {
    // Its length is asked for, since a newer version may say more in it, and nothing of it may be cut off.
    let stands = disk.metadata(&layout::marker())?.ok_or(StoreError::NoStore)?;
    disk.append_after(&layout::marker(), stands.len_bytes)?.sync()?;
    Ok(disk.sync_dir(&StorePath::root())?)
}

/// What a commit is based on: the state that opened, or nothing yet.
pub struct Basis<'a> {
    /// The store's id.
    pub store: StoreId,
    /// The trust that the new HEAD names.
    pub trust: &'a TrustChain,
    /// The HEAD and packs that it follows.
    pub current: Option<(&'a SignedHead, &'a PackSet)>,
}

/// What a commit changes.
pub struct Next {
    /// New packs in the order they were written, all durable.
    pub added: Vec<PackRef>,
    /// Packs that are gone.
    pub removed: Vec<PackHash>,
    /// All packs that wait for their end; one that is added again waits no more.
    pub condemned: Vec<CondemnedPack>,
    /// Recipes of added packs, all durable.
    pub recipes: Vec<RecipeRef>,
    /// Key lists by epoch, all durable.
    pub key_lists: Vec<KeyShards>,
    /// Carried files, ascending by kind and hash, all durable.
    pub files: Vec<FileRef>,
    /// The manifest says everything itself and leans on none before it.
    pub is_full: bool,
    /// The new sealed part.
    pub sealed: SealedPart,
    /// Now.
    pub time: Timestamp,
    /// Until when the publisher vouches for it.
    pub expires: Timestamp,
    /// For whom it is; nothing for those that the state before is for.
    pub audience: Option<Audience>,
}

/// For whom a state is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience {
    /// The group of keys.
    pub group: Group,
    /// The generation that keys outside the group stay at, or go to.
    pub floor: Generation,
}

impl Audience {
    /// Every key.
    #[must_use]
    pub fn all() -> Self {
        Self { group: Group::all(), floor: Generation(0) }
    }

    /// Returns for whom a HEAD is.
    #[must_use]
    pub fn of(head: &Head) -> Self {
        Self { group: head.group.clone(), floor: head.floor }
    }
}

impl Default for Audience {
    fn default() -> Self {
        Self::all()
    }
}

impl Next {
    /// Starts with no packs and no key lists: what the first generation builds on.
    #[must_use]
    pub fn first(sealed: SealedPart, time: Timestamp) -> Self {
        let (added, removed, condemned, recipes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let expires = time.plus_secs(EXPIRY_SECS);
        let (key_lists, files) = (Vec::new(), Vec::new());
        Self {
            added,
            removed,
            condemned,
            recipes,
            key_lists,
            files,
            is_full: false,
            sealed,
            time,
            expires,
            audience: None,
        }
    }

    /// Starts with what a state has: changes nothing but the sealed part and the time.
    #[must_use]
    pub fn following(current: &PackSet, sealed: SealedPart, time: Timestamp) -> Self {
        let Manifest { condemned, key_lists, files, .. } = current.top.clone();
        Self { condemned, key_lists, files, ..Self::first(sealed, time) }
    }
}

/// Commits: writes the manifest, signs the HEAD, swings it.
///
/// # Durability
/// The new state is what opens once this returns; after a cut within, the old or the new one.
///
/// # Errors
/// [`StoreError`].
pub fn commit(
    disk: &dyn Disk,
    basis: &Basis<'_>,
    keys: &ReaderKeys,
    signer: &SignKey,
    next: Next,
) -> Result<SignedHead, StoreError> {
    let epoch = keys.epoch();
    let previous = basis.current.map(|(head, _)| (head.head.generation, head.hash()));
    let last = previous.map_or(Generation(0), |(generation, _)| generation);
    let generation = last.next().ok_or(StoreError::NoGenerationLeft)?;
    let change = Change {
        generation,
        previous,
        added: next.added,
        removed: next.removed,
        condemned: next.condemned,
        recipes: next.recipes,
        key_lists: next.key_lists,
        files: next.files,
        is_full: next.is_full,
        sealed: (epoch, seal_part(basis.store, keys, &next.sealed)?),
    };
    let manifest = next_manifest(basis.current.map(|(_, packs)| packs), change);
    let (hash, len_bytes) = write_manifest(disk, basis.store, manifest)?;
    let trust = basis.trust.newest();
    let before = || basis.current.map_or_else(Audience::all, |(head, _)| Audience::of(&head.head));
    let Audience { group, floor } = next.audience.unwrap_or_else(before);
    let unsigned = Head {
        inner_version: INNER_VERSION,
        store: basis.store,
        generation,
        manifest: hash,
        manifest_len_bytes: len_bytes,
        trust_version: trust.trust.version,
        trust: trust.hash(),
        writer: signer.public(),
        previous: previous.into_iter().map(|(_, hash)| hash).collect(),
        time: next.time,
        expires: next.expires,
        group,
        floor,
        epoch,
        commitment: keys.commitment(epoch).ok_or(StoreError::NoIdentity)?,
    };
    let signature = signer.sign(Signed::Head, &unsigned.encode_body());
    let record = SignedHead::new(unsigned, signature);
    basis.trust.check_head(&record)?;
    head::swing(disk, &record)?;
    Ok(record)
}

fn seal_part(store: StoreId, keys: &ReaderKeys, part: &SealedPart) -> Result<Vec<u8>, StoreError> {
    let key = keys.root_key(keys.epoch()).ok_or(StoreError::NoIdentity)?;
    let bare = Zeroizing::new(part.encode(0)).len();
    let padded = padme(bare as u64 + SEAL_OVERHEAD_BYTES) - SEAL_OVERHEAD_BYTES;
    let plain = Zeroizing::new(part.encode(usize::try_from(padded).unwrap_or(bare)));
    seal_outer(store, Purpose::Manifest, &key, &plain)
}

/// Writes a manifest under a name that is free or holds the same bytes already.
fn write_manifest(disk: &dyn Disk, store: StoreId, mut manifest: Manifest) -> Result<(ManifestHash, u64), StoreError> {
    loop {
        let bytes = manifest.encode(store);
        let hash = ManifestHash(*blake3::hash(&bytes).as_bytes());
        let taken = manifest.base.is_some_and(|base| layout::manifest(&base.hash) == layout::manifest(&hash));
        if !taken {
            pack::create_immutable(disk, &layout::manifest(&hash), &bytes)?;
            disk.sync_dir(&layout::manifests())?;
            return Ok((hash, bytes.len() as u64));
        }
        manifest.clash_counter += 1;
    }
}
