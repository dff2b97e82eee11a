//! `init`: a new store, its publisher's keys, its first trust file and generation 1, which holds no snapshot.

use crate::base::random::random_array;
use crate::base::{DedupGeneration, Generation, PublicKey, ReplicaId, StoreId, Timestamp};
use crate::crypto::Secret;
use crate::crypto::sign::{Purpose, SignKey};
use crate::crypto::wrap::{Identity, Recipient};
use crate::disk::{Disk, DiskErrorKind};
use crate::error::{Error, ErrorKind, Result};
use crate::format::keylist::{KeyRole, KeyTag};
use crate::format::roster::HOLDER_NAME_MAX_BYTES;
use crate::format::sealed::{ChunkerParameters, SealedPart};
use crate::format::trust::{SignedTrust, Trust, Writer};
use crate::ops::Run;
use crate::ops::local_keys::{KeyDir, WriterKey};
use crate::ops::rekey::{NewHolder, Rekeyed};
use crate::store::keyring::WriterKeys;
use crate::store::trust::TrustChain;
use crate::store::{self, Basis, Next, StoreError, head, layout, pack, replica};

/// How long the first trust file holds: ten years, since renewing it takes the root key.
const TRUST_EXPIRY_SECS: i64 = 10 * 365 * 24 * 3600;

/// What the publisher's own reader and writer are called.
const PUBLISHER: &str = "publisher";

/// What `init` is asked for.
pub struct InitRequest<'a> {
    /// Readers besides the publisher's own.
    pub readers: Vec<Recipient>,
    /// Where the writer's and the first reader's keys go.
    pub keys: &'a std::path::Path,
    /// Where the root key goes.
    pub root_keys: &'a std::path::Path,
    /// Wraps the key files.
    pub passphrase: Option<&'a str>,
}

/// What `init` made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Initialised {
    /// The store's id.
    pub store: StoreId,
    /// By which people recognise it.
    pub fingerprint: String,
    /// The publisher's own reader first.
    pub tags: Vec<KeyTag>,
}

/// Makes a store in an empty directory. The keys are written first: a store without its keys is of no use to anyone.
///
/// # Durability
/// The store is there once this returns; after a cut within, a directory without a marker, which `init` takes again.
///
/// # Errors
/// [`ErrorKind::Other`] when the directory is not empty or a key file stands already, and those of the disk.
pub fn init(disk: &dyn Disk, request: &InitRequest<'_>, run: Run<'_>) -> Result<Initialised> {
    require_empty(disk)?;
    let store = StoreId(random_array(run.random));
    let writer = WriterKey::generate(run.random);
    let root = Secret::generate(run.random);
    let own_reader = Identity::generate();
    let secrets = WriterKeys::generate(store, run.random);
    let holders = first_holders(&writer, &own_reader, &request.readers);
    let first = Rekeyed::first(store, secrets, holders, run)?;
    let tags = first.added[..=request.readers.len()].to_vec();
    let keys = KeyDir::new(request.keys, store);
    keys.save_writer(&writer, request.passphrase)?;
    keys.save_reader(&own_reader, Some(tags[0]), request.passphrase)?;
    KeyDir::new(request.root_keys, store).save_root(&root, request.passphrase)?;
    remove_unfinished(disk)?;
    store::create_layout(disk)?;
    let fingerprint = write_store(disk, store, &first, &writer, &root, run);
    let fingerprint = fingerprint.map_err(|error| settle(disk, error))?;
    Ok(Initialised { store, fingerprint, tags })
}

/// Tells a missing medium from one that fails: directories were made, so an empty one is none.
fn settle(disk: &dyn Disk, error: Error) -> Error {
    let is_empty = || disk.list(&crate::base::StorePath::root()).is_ok_and(|names| names.is_empty());
    if error.kind() == ErrorKind::Other && (disk.is_gone() || is_empty()) {
        return Error::with_source(ErrorKind::Gone, "the medium went away", error);
    }
    error
}

/// Refuses a directory that holds a store or anything of someone else's; what a cut-off `init` or `clone` left is taken.
fn require_empty(disk: &dyn Disk) -> Result<()> {
    let names = match disk.list(&crate::base::StorePath::root()) {
        Ok(names) => names,
        Err(error) if error.kind == DiskErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let has_marker = store::read_marker(disk)?.is_some();
    let foreign = names.iter().find(|(name, _)| (has_marker && is_name(name, "STORE")) || !is_unfinished(name));
    match foreign {
        Some((name, _)) => Err(StoreError::NotEmpty(format!("the directory (it holds {name})")).into()),
        None => require_no_commits(disk),
    }
}

/// Returns whether a cut-off run may have left a name. FAT may show the short form of a name that was not synced.
fn is_unfinished(name: &str) -> bool {
    let files = ["STORE", "HEAD", "HEAD.new", "lock", "readers", "pending"];
    name.starts_with('.') || layout::DIRS.iter().chain(&files).any(|known| is_name(name, known))
}

fn is_name(name: &str, known: &str) -> bool {
    name.eq_ignore_ascii_case(known)
}

/// Refuses a store that lost its marker: its records are worth more than a fresh start.
fn require_no_commits(disk: &dyn Disk) -> Result<()> {
    match head::newest_name(disk)? {
        Some(generation) if generation > Generation(1) => {
            Err(StoreError::NotEmpty(format!("the directory (it holds generation {generation} of a store)")).into())
        }
        _ => Ok(()),
    }
}

/// Returns who holds keys of the new store: its publisher as a reader and as a writer, and the readers that were named, each
/// called by its recipient.
fn first_holders(writer: &WriterKey, own_reader: &Identity, readers: &[Recipient]) -> Vec<NewHolder> {
    let holder = |role, recipient: Recipient, name: &str| NewHolder {
        role,
        recipient,
        identity: Vec::new(),
        name: name.to_owned(),
        note: String::new(),
    };
    let own = holder(KeyRole::Reader, own_reader.recipient(), PUBLISHER);
    let others = readers.iter().map(|recipient| holder(KeyRole::Reader, recipient.clone(), &short(recipient.as_str())));
    let writer = holder(KeyRole::Writer, writer.identity.recipient(), PUBLISHER);
    std::iter::once(own).chain(others).chain([writer]).collect()
}

/// Shortens a recipient, which is ASCII, to what fits into a name.
fn short(recipient: &str) -> String {
    recipient.chars().filter(|c| !c.is_control()).take(HOLDER_NAME_MAX_BYTES).collect()
}

fn first_trust(store: StoreId, writer: &WriterKey, root: &SignKey, now: Timestamp) -> SignedTrust {
    let trust = Trust {
        store,
        version: 1,
        previous: None,
        time: now,
        expires: now.plus_secs(TRUST_EXPIRY_SECS),
        floor: Generation(0),
        threshold: 1,
        roots: vec![root.public()],
        writers: vec![Writer {
            key: writer.signer().public(),
            recipient: writer.identity.recipient().as_str().to_owned(),
        }],
    };
    let signatures: Vec<(PublicKey, [u8; 64])> = vec![(root.public(), root.sign(Purpose::Trust, &trust.encode_body()))];
    SignedTrust::new(trust, signatures)
}

fn write_store(
    disk: &dyn Disk,
    store: StoreId,
    first: &Rekeyed,
    writer: &WriterKey,
    root: &Secret,
    run: Run<'_>,
) -> Result<String> {
    let now = run.clock.now();
    let trust = first_trust(store, writer, &SignKey::from_seed(root), now);
    pack::create_immutable(disk, &layout::trust(1), trust.bytes())?;
    disk.sync_dir(&layout::trust_dir())?;
    let chain = TrustChain::start(trust.bytes())?;
    replica::write_id(disk, ReplicaId(random_array(run.random)))?;
    disk.sync_dir(&layout::replica().parent())?;
    let sealed = SealedPart {
        chunker: ChunkerParameters::DEFAULT,
        dedup_generation: DedupGeneration(1),
        snapshots: Vec::new(),
        indexes: Vec::new(),
        older_epochs: Vec::new(),
        index_keys: Vec::new(),
        extensions: Vec::new(),
    };
    let mut next = Next::first(sealed, now);
    first.write(disk, &mut next)?;
    let basis = Basis { store, trust: &chain, current: None };
    store::commit(disk, &basis, &first.keys.reader, &writer.signer(), next)?;
    store::write_marker(disk, store)?;
    Ok(chain.fingerprint())
}

/// Clears what a cut-off run left where this one must not be mistaken for it: records, trust and replica of another store.
fn remove_unfinished(disk: &dyn Disk) -> Result<()> {
    for file in [layout::head(), layout::head_new(), layout::pending()] {
        disk.remove(&file)?;
    }
    for dir in [layout::heads(), layout::trust_dir(), layout::replica().parent()] {
        let names = match disk.list(&dir) {
            Ok(names) => names,
            Err(error) if error.kind == DiskErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        for (name, _) in names {
            if let Ok(path) = crate::base::StorePath::new(&format!("{dir}/{name}")) {
                disk.remove(&path)?;
            }
        }
        disk.sync_dir(&dir)?;
    }
    Ok(())
}
