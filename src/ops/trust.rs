//! Changes of trust: who may sign HEADs, and who may change that. Proposed from the newest trust file, signed by root keys
//! wherever those are, and published as a generation of its own by a writer.
//!
//! A writer that comes is handed the writers' secrets. One that goes can neither sign nor derive nor read what is written
//! after: a new epoch and a new dedup generation begin, and both are handed to the others alone.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use crate::base::{Epoch, Generation, PublicKey, Timestamp};
use crate::crypto::sign::SignKey;
use crate::crypto::wrap::Recipient;
use crate::disk::Disk;
use crate::error::{Error, ErrorKind, Result};
use crate::format::head::{Head, SignedHead};
use crate::format::keylist::{KeyRole, KeyTag};
use crate::format::roster::Holder;
use crate::format::trust::{SignedTrust, Trust, Writer};
use crate::ops::Run;
use crate::ops::host_state::HostState;
use crate::ops::local_keys::WriterKey;
use crate::ops::rekey::{Change, NewHolder, Rekeyed};
use crate::ops::transfer::settle;
use crate::ops::writing::{Writing, remember, seen_beyond};
use crate::store::head::{self, RECORDS_KEPT};
use crate::store::keyring::{Step, WriterKeys};
use crate::store::lock::WriteLock;
use crate::store::manifest::PackSet;
use crate::store::pack::{PackState, create_immutable, pack_state};
use crate::store::roster::Roster;
use crate::store::trust::TrustChain;
use crate::store::trust::change::{Edit, EditError, missing_signatures, next_trust, sign};
use crate::store::{Next, Store, StoreError, layout, read_marker};

pub mod card;
pub mod proposal;

use proposal::{Label, Proposal};

/// Fewest hex digits that name a key.
const KEY_PREFIX_MIN: usize = 8;
/// Most readers that are told of after a writer was removed.
const READERS_SHOWN: usize = 5;
/// Most records that are looked through for one to go back to: those that are kept, and as many that a cut left.
const RECORDS_LOOKED_AT: usize = 4 * RECORDS_KEPT;

/// What a change of trust is built on, where that is not the newest state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackTo {
    /// An earlier generation; what came after it is dropped.
    Generation(Generation),
    /// The newest state that no writer signed whom the change removes.
    BeforeRemoved,
}

/// Proposes a change from the trust that a store has, signed by the roots at hand.
///
/// # Errors
/// [`ErrorKind::Usage`] for a change that cannot be made.
pub fn propose(
    store: &Store,
    edits: &[Edit],
    labels: BTreeMap<PublicKey, Label>,
    roots: &[SignKey],
    now: Timestamp,
) -> Result<Proposal> {
    let last = store.trust().newest();
    let next = next_trust(last, edits, now).map_err(refusal)?;
    let mut proposal = Proposal { file: SignedTrust::new(next, Vec::new()), labels };
    add_signatures(&mut proposal, &last.trust, roots);
    Ok(proposal)
}

fn refusal(error: EditError) -> Error {
    Error::new(ErrorKind::Usage, error.to_string())
}

/// Adds the signatures of those of some keys that are roots before or after; returns how many were added.
pub fn add_signatures(proposal: &mut Proposal, before: &Trust, keys: &[SignKey]) -> usize {
    let count = proposal.file.signatures.len();
    let counts = |key: &&SignKey| {
        let public = key.public();
        before.roots.contains(&public) || proposal.file.trust.roots.contains(&public)
    };
    proposal.file = sign(&proposal.file, keys.iter().filter(counts));
    proposal.file.signatures.len().saturating_sub(count)
}

/// Refuses what too few roots have signed.
///
/// # Errors
/// [`ErrorKind::NoIdentity`], saying how many signatures are missing and how to get them.
pub fn require_signed(proposal: &Proposal, before: &Trust) -> Result<()> {
    let missing = missing_signatures(&proposal.file, before);
    if missing == 0 {
        return Ok(());
    }
    let text = format!(
        "{missing} more root {} needed than the root keys at hand can give: write the change to a file with --to FILE, \
         sign it where the other root keys are with `chunkstore trust sign FILE --root-keys DIR`, then publish it with \
         `chunkstore trust apply FILE`",
        if missing == 1 { "signature is" } else { "signatures are" },
    );
    Err(Error::new(ErrorKind::NoIdentity, text))
}

/// Checks that a proposal follows from the trust that a store has, whoever signed it so far.
///
/// # Errors
/// [`ErrorKind::Conflict`] where trust went on since it was made, [`ErrorKind::NotTrusted`] for another store's.
pub fn require_following(store: &Store, proposal: &Proposal) -> Result<()> {
    let (next, last) = (&proposal.file.trust, store.trust().newest());
    if next.store != store.id() {
        return Err(Error::new(ErrorKind::NotTrusted, "the change is of another store"));
    }
    if next.version != last.trust.version + 1 || next.previous != Some(last.hash()) {
        let text = format!(
            "the change would make trust file {}, and the store is at {}: make it again from there",
            next.version, last.trust.version
        );
        return Err(Error::new(ErrorKind::Conflict, text));
    }
    Ok(())
}

/// What a change is published with.
pub struct ApplyRequest<'a> {
    /// Signs the generation; a writer before and after the change.
    pub writer: &'a WriterKey,
    /// What it is built on, if not the newest state.
    pub back_to: Option<BackTo>,
    /// The folder of this host's caches.
    pub cache: Option<&'a Path>,
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The generation that was made.
    pub generation: Generation,
    /// The version of the trust file that it names.
    pub trust_version: u32,
    /// The epoch from now on.
    pub epoch: Epoch,
    /// Whether it began with this change.
    pub new_epoch: bool,
    /// The tags of key files for writers that came.
    pub added: Vec<KeyTag>,
    /// The generation that was newest before and is dropped, where the change was built on an earlier one.
    pub dropped: Option<Generation>,
    /// How many readers are handed the new epoch, where one began.
    pub readers: usize,
    /// Those of them who were added last, the newest first: whoever held a key that was removed may have added them.
    pub newest_readers: Vec<Holder>,
}

/// Publishes a change that enough roots signed, as a new generation.
///
/// # Durability
/// The change holds once this returns; after a cut within, the store opens as before or as after.
///
/// # Errors
/// [`ErrorKind::NotTrusted`] for a change that does not follow or a key that is no writer after it,
/// [`ErrorKind::NoIdentity`] for too few signatures, [`ErrorKind::Conflict`], [`ErrorKind::Corrupt`] and others.
pub fn apply(disk: &Arc<dyn Disk>, proposal: &Proposal, request: &ApplyRequest<'_>, run: Run<'_>) -> Result<Applied> {
    read_marker(disk.as_ref())?.ok_or(StoreError::NoStore)?;
    lock_and_apply(disk, proposal, request, run).map_err(|error| settle(disk.as_ref(), error))
}

fn lock_and_apply(
    disk: &Arc<dyn Disk>,
    proposal: &Proposal,
    request: &ApplyRequest<'_>,
    run: Run<'_>,
) -> Result<Applied> {
    let (_lock, writing, dropped) = match &request.back_to {
        None => {
            let (lock, writing) = Writing::lock(disk, request.writer, run)?;
            require_no_newer(&writing.store, request.cache)?;
            (lock, writing, None)
        }
        Some(back_to) => begin_at(disk, proposal, back_to, request.writer, run)?,
    };
    require_following(&writing.store, proposal)?;
    require_signed(proposal, &writing.store.trust().newest().trust)?;
    if !proposal.file.trust.is_writer(&request.writer.signer().public()) {
        let text = "the writer's key of this machine is removed by this change: run it where another writer's key is";
        return Err(Error::new(ErrorKind::NotTrusted, text));
    }
    let mut chain = writing.store.trust().clone();
    chain.add(proposal.file.bytes())?;
    let before = writing.keys.reader.epoch();
    let mut next = Next::following(writing.store.packs(), writing.unlocked.sealed.clone(), run.clock.now());
    let mut applied = Applied {
        generation: Generation(0),
        trust_version: proposal.file.trust.version,
        epoch: before,
        new_epoch: false,
        added: Vec::new(),
        dropped,
        readers: 0,
        newest_readers: Vec::new(),
    };
    let mut keys = writing.keys.clone();
    if let Some(change) = change_of_holders(&writing, proposal)? {
        let rekeyed = Rekeyed::draw(&writing, change, run)?;
        run.check()?;
        rekeyed.write(writing.disk(), &mut next)?;
        applied.added.clone_from(&rekeyed.added);
        keys = rekeyed.keys;
    }
    applied.epoch = keys.reader.epoch();
    applied.new_epoch = applied.epoch != before;
    if applied.new_epoch {
        let roster = Roster::of(&writing.store, &writing.keys)?;
        let mut readers: Vec<&Holder> = roster.current().filter(|holder| holder.role == KeyRole::Reader).collect();
        readers.sort_by_key(|holder| std::cmp::Reverse(holder.added));
        applied.readers = readers.len();
        applied.newest_readers = readers.into_iter().take(READERS_SHOWN).cloned().collect();
    }
    let record = publish(&writing, &chain, &keys, next)?;
    applied.generation = record.head.generation;
    remember(request.cache, &writing, record.head.generation, run);
    Ok(applied)
}

/// Refuses to go on from a state that this host has seen a newer one of: nobody but a person knows whether that was stolen.
fn require_no_newer(store: &Store, cache: Option<&Path>) -> Result<()> {
    let Some(seen) = seen_beyond(store, &HostState::load(cache, store.id()))? else { return Ok(()) };
    let opened = store.head().head.generation;
    let text = format!(
        "the store opens at generation {opened}, but this host has seen {seen}: sync it first, or if a stolen key signed \
         that, go on from here with --back-to {opened}"
    );
    Err(Error::new(ErrorKind::Conflict, text))
}

fn publish(writing: &Writing, chain: &TrustChain, keys: &WriterKeys, next: Next) -> Result<SignedHead> {
    let (disk, file) = (writing.disk(), chain.newest());
    create_immutable(disk, &layout::trust(file.trust.version), file.bytes())?;
    disk.sync_dir(&layout::trust_dir())?;
    writing.publish_under(chain, keys, next)
}

/// Opens a store for its next generation on top of an earlier one; returns which one is dropped.
fn begin_at(
    disk: &Arc<dyn Disk>,
    proposal: &Proposal,
    back_to: &BackTo,
    writer: &WriterKey,
    run: Run<'_>,
) -> Result<(WriteLock, Writing, Option<Generation>)> {
    let lock = WriteLock::take(disk.as_ref()).map_err(|error| crate::store::settle(disk.as_ref(), error))?;
    let store = Store::open(Arc::clone(disk))?;
    let (head, packs) = find_base(&store, &proposal.file.trust, back_to)?;
    crate::store::settle_marker(disk.as_ref())?;
    // What opens now is named by HEAD as well, so that its record may be replaced by the new one.
    head::settle(disk.as_ref(), store.head())?;
    let dropped = Some(store.head().head.generation).filter(|newest| *newest != head.head.generation);
    let writing = Writing::over(store.at(head, packs), writer, run)?;
    Ok((lock, writing, dropped))
}

/// Finds the earlier state to build on, all of whose packs must be here still.
fn find_base(store: &Store, next: &Trust, back_to: &BackTo) -> Result<(SignedHead, PackSet)> {
    let disk = store.disk().as_ref();
    let records = head::newest_valid(disk, store.id(), store.trust(), RECORDS_LOOKED_AT)?;
    let there: Vec<String> = records.iter().map(|(record, _)| told(&record.head)).collect();
    let fits = |record: &SignedHead| match back_to {
        BackTo::Generation(generation) => record.head.generation == *generation,
        BackTo::BeforeRemoved => next.is_writer(&record.head.writer),
    };
    let found = records.into_iter().find(|(record, _)| fits(record));
    let found = found.ok_or_else(|| {
        let what = match back_to {
            BackTo::Generation(generation) => format!("this store has no record of generation {generation}"),
            BackTo::BeforeRemoved => {
                "all that this store has a record of was signed by a writer that is removed".into()
            }
        };
        let text = format!(
            "{what}: --back-to takes one of {}; to go back further clone from a copy of the store that is still there, and make \
             the change in the clone",
            there.join(", ")
        );
        Error::new(ErrorKind::Usage, text)
    })?;
    for pack in found.1.packs() {
        if pack_state(disk, pack).map_err(StoreError::from)? != PackState::FullLength {
            let what = format!("generation {} (it lacks {})", found.0.head.generation, layout::pack(&pack.hash));
            return Err(StoreError::damaged(what).into());
        }
    }
    Ok(found)
}

/// Says which generation a record is of, and when it was signed to the minute.
fn told(head: &Head) -> String {
    let time = head.time.to_string().replacen('T', " ", 1);
    format!("{} (signed {})", head.generation, time.get(..16).unwrap_or(&time))
}

/// Works out who is to be handed writers' keys from now on: those whom the new trust lists, and nobody else.
fn change_of_holders(writing: &Writing, proposal: &Proposal) -> Result<Option<Change>> {
    let next = &proposal.file.trust;
    let roster = Roster::of(&writing.store, &writing.keys)?;
    let holders: Vec<&Holder> = roster.current().filter(|holder| holder.role == KeyRole::Writer).collect();
    let held: HashSet<&str> = holders.iter().map(|holder| holder.recipient.as_str()).collect();
    let listed: HashSet<&str> = next.writers.iter().map(|writer| writer.recipient.as_str()).collect();
    let gone: Vec<KeyTag> =
        holders.iter().filter(|holder| !listed.contains(holder.recipient.as_str())).map(|holder| holder.tag).collect();
    let mut add = Vec::new();
    for writer in next.writers.iter().filter(|writer| !held.contains(writer.recipient.as_str())) {
        add.push(new_holder(writer, &proposal.labels)?);
    }
    let said = &writing.store.head().head;
    let before = writing.store.trust().version(said.trust_version).unwrap_or(writing.store.trust().newest());
    let newest = &writing.store.trust().newest().trust;
    // A store that was made before there were rosters changes nothing of its writers, and its trust all the same.
    if roster.all().next().is_none() && before.trust.writers == next.writers {
        return Ok(None);
    }
    let was_writer = before.trust.writers.iter().chain(&newest.writers);
    let removes = !gone.is_empty() || was_writer.into_iter().any(|writer| !next.is_writer(&writer.key));
    if !removes && add.is_empty() {
        return Ok(None);
    }
    let step = if removes { Step::Next } else { Step::Keep };
    Ok(Some(Change { add, drop: gone, replace: Vec::new(), epoch: step, dedup: step }))
}

fn new_holder(writer: &Writer, labels: &BTreeMap<PublicKey, Label>) -> Result<NewHolder> {
    let recipient = Recipient::parse(&writer.recipient)
        .map_err(|error| Error::with_source(ErrorKind::Usage, "the new writer's recipient cannot be used", error))?;
    let label = labels
        .get(&writer.key)
        .cloned()
        .unwrap_or_else(|| Label { name: writer.key.to_string()[..KEY_PREFIX_MIN].to_owned(), note: String::new() });
    let Label { name, note } = label;
    Ok(NewHolder { role: KeyRole::Writer, recipient, identity: Vec::new(), name, note })
}

/// A writer as a store lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedWriter {
    /// What trust says.
    pub writer: Writer,
    /// What the roster says, where a writer's key opens it.
    pub holder: Option<Holder>,
}

/// Lists the writers of the newest trust; with a writer's key also what they are called.
///
/// # Errors
/// Those of opening the store with that key.
pub fn writers(store: &Store, key: Option<&WriterKey>) -> Result<Vec<ListedWriter>> {
    let roster = match key {
        Some(key) => {
            let (keys, _) = store.unlock_writer(&key.identities())?;
            Some(Roster::of(store, &keys)?)
        }
        None => None,
    };
    let find = |writer: &Writer| {
        let roster = roster.as_ref()?;
        let mut current = roster.current();
        current.find(|holder| holder.role == KeyRole::Writer && holder.recipient == writer.recipient).cloned()
    };
    let listed = &store.trust().newest().trust.writers;
    Ok(listed.iter().map(|writer| ListedWriter { writer: writer.clone(), holder: find(writer) }).collect())
}

/// Finds a key by a name, or by its first hex digits.
///
/// # Errors
/// [`ErrorKind::Usage`] where none or several fit.
pub fn find_key<'a>(
    who: &str,
    what: &str,
    keys: impl Iterator<Item = (PublicKey, Option<&'a str>)>,
) -> Result<PublicKey> {
    let is_prefix = who.len() >= KEY_PREFIX_MIN && who.bytes().all(|byte| byte.is_ascii_hexdigit());
    let fits = |key: &PublicKey, name: Option<&str>| {
        name == Some(who) || (is_prefix && key.to_string().starts_with(&who.to_ascii_lowercase()))
    };
    let found: Vec<PublicKey> = keys.filter(|(key, name)| fits(key, *name)).map(|(key, _)| key).collect();
    match found[..] {
        [key] => Ok(key),
        [] => Err(Error::new(
            ErrorKind::Usage,
            format!(
                "there is no {what} {who:?}: name one, or the first {KEY_PREFIX_MIN} hex digits of its key or more"
            ),
        )),
        _ => Err(Error::new(ErrorKind::Usage, format!("several keys fit {who:?}: give more digits of the key"))),
    }
}
