//! The sealed layer, as far as the identities at hand open it.
//!
//! Key files are looked for by name and not by the manifest's lists, so that a damaged manifest does not lock anyone out.

use std::io;

use chunkstore::base::limits::KEY_FILE_MAX_BYTES;
use chunkstore::base::{Epoch, StoreId};
use chunkstore::crypto::wrap::{Identity, WrapError, unwrap};
use chunkstore::disk::{Disk, read_all};
use chunkstore::format::head::SignedHead;
use chunkstore::format::keylist::KeyTag;
use chunkstore::format::sealed::SealedPart;
use chunkstore::store::keyring::{KeyFileContent, ReaderKeys, decode_key_file};
use chunkstore::store::layout;
use chunkstore::store::object::{Purpose, open_outer};
use zeroize::Zeroizing;

use crate::manifests::Link;
use crate::shown::{Screen, Shown};
use crate::why;

/// The most key files of one epoch that are tried.
const KEY_FILES_MAX: usize = 4096;

/// What the identities open.
pub enum Sealed {
    /// None was given: the outer layer only.
    NotAsked,
    /// None of them opens a key file.
    Closed(Vec<String>),
    /// One of them does.
    Open(Box<Opened>),
}

/// An opened sealed layer.
pub struct Opened {
    /// What it takes to read.
    pub keys: ReaderKeys,
    /// The key file that opened.
    pub tag: KeyTag,
    /// The sealed part of the newest manifest that has one which opens.
    pub part: Option<SealedPart>,
    /// What is wrong.
    pub wrong: Vec<String>,
}

impl Sealed {
    /// Opens whichever key file fits, of the epoch of the shown state first, then the sealed part of its manifests.
    #[must_use]
    pub fn open(
        disk: &dyn Disk,
        store: StoreId,
        state: Option<&SignedHead>,
        chain: &[Link],
        identities: &[Identity],
    ) -> Self {
        if identities.is_empty() {
            return Self::NotAsked;
        }
        let mut wrong = Vec::new();
        let mut epochs = epochs(disk);
        let said = state.map(|state| state.head.epoch);
        epochs.sort_by_key(|epoch| std::cmp::Reverse((Some(*epoch) == said, *epoch)));
        for epoch in epochs {
            if let Some((tag, keys)) = open_epoch(disk, store, epoch, identities, &mut wrong) {
                return Self::Open(Box::new(Opened::new(keys, tag, state, chain, wrong)));
            }
        }
        Self::Closed(wrong)
    }

    /// Returns why the sealed layer stays closed.
    #[must_use]
    pub fn why_closed(&self) -> Option<&'static str> {
        match self {
            Self::NotAsked => Some("no identity was given (--identity FILE, --keys DIR): the outer layer only"),
            Self::Closed(_) => Some("none of the identities opens a key file here: the outer layer only"),
            Self::Open(_) => None,
        }
    }

    /// Returns the opened layer.
    #[must_use]
    pub fn opened(&self) -> Option<&Opened> {
        if let Self::Open(opened) = self { Some(opened) } else { None }
    }
}

fn epochs(disk: &dyn Disk) -> Vec<Epoch> {
    let listed = disk.list(&layout::key_dir(Epoch(1)).parent()).unwrap_or_default();
    let number = |name: &str| name.parse().ok().map(Epoch).filter(|epoch| layout::key_dir(*epoch).file_name() == name);
    listed.iter().filter_map(|(name, _)| number(name)).collect()
}

fn open_epoch(
    disk: &dyn Disk,
    store: StoreId,
    epoch: Epoch,
    identities: &[Identity],
    wrong: &mut Vec<String>,
) -> Option<(KeyTag, ReaderKeys)> {
    let listed = disk.list(&layout::key_dir(epoch)).unwrap_or_default();
    let tags = listed.iter().filter_map(|(name, _)| name.strip_suffix(".age")?.parse::<KeyTag>().ok());
    for tag in tags.take(KEY_FILES_MAX) {
        let path = layout::key_file(epoch, tag);
        let bytes = match read_all(disk, &path, KEY_FILE_MAX_BYTES) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => continue,
            Err(error) => {
                wrong.push(why(error));
                continue;
            }
        };
        let content = match unwrap(identities, &bytes, KEY_FILE_MAX_BYTES) {
            Ok(content) => decode_key_file(&content, store, epoch).map_err(why),
            Err(WrapError::NoMatch) => continue,
            Err(error) => Err(error.to_string()),
        };
        match content {
            Ok(KeyFileContent::Reader(keys)) => return Some((tag, keys)),
            Ok(KeyFileContent::Writer(keys)) => return Some((tag, keys.reader)),
            Err(error) => wrong.push(format!("{path}: {error}")),
        }
    }
    None
}

impl Opened {
    fn new(
        mut keys: ReaderKeys,
        tag: KeyTag,
        state: Option<&SignedHead>,
        chain: &[Link],
        mut wrong: Vec<String>,
    ) -> Self {
        if let Some(said) = state.map(|state| &state.head)
            && keys.commitment(said.epoch).is_some_and(|commitment| commitment != said.commitment)
        {
            wrong.push("HEAD commits to other secrets than the key file holds".to_owned());
        }
        let mut part = None;
        for link in chain {
            let Some(manifest) = &link.manifest else { continue };
            match open_part(&keys, manifest.sealed.0, &manifest.sealed.1) {
                Ok(opened) => {
                    keys.add_older(&opened.older_epochs);
                    part = Some(opened);
                    break;
                }
                Err(error) => wrong.push(format!("{}: {error}", layout::manifest(&link.hash))),
            }
        }
        Self { keys, tag, part, wrong }
    }
}

/// Opens the sealed part of a manifest.
///
/// # Errors
/// Why it does not open.
pub fn open_part(keys: &ReaderKeys, epoch: Epoch, frame: &[u8]) -> Result<SealedPart, String> {
    let key =
        keys.root_key(epoch).ok_or_else(|| format!("its sealed part is of epoch {epoch}, whose key is not at hand"))?;
    let plain = open_outer(keys.store(), Purpose::Manifest, &key, "its sealed part", frame).map_err(why)?;
    SealedPart::decode(&Zeroizing::new(plain)).map_err(|error| error.to_string())
}

/// Shows what is open, and the snapshots and merged indexes that it names.
///
/// # Errors
/// Those of the sink.
pub fn show(sealed: &Sealed, screen: &mut Screen<'_>) -> io::Result<()> {
    let closed = Shown::new("sealed layer").with("open", false).with("why", sealed.why_closed());
    let opened = match sealed {
        Sealed::NotAsked => return screen.show(&closed),
        Sealed::Closed(wrong) => return screen.show(&closed.but_all(wrong.iter().cloned())),
        Sealed::Open(opened) => opened,
    };
    let mut shown = Shown::new("sealed layer").with("open", true).with_text("key_file", opened.tag);
    shown = shown.with("epoch", opened.keys.epoch().0);
    let Some(part) = &opened.part else {
        return screen.show(&shown.but_all(opened.wrong.iter().cloned()).but("no sealed part of a manifest opens"));
    };
    let chunker = &part.chunker;
    let older: Vec<u32> = part.older_epochs.iter().map(|(epoch, _)| epoch.0).collect();
    shown = shown
        .with("dedup_generation", part.dedup_generation.0)
        .with("chunk_min_bytes", chunker.min_bytes)
        .with("chunk_avg_bytes", chunker.avg_bytes)
        .with("chunk_max_bytes", chunker.max_bytes)
        .with("older_epochs", older)
        .with("snapshots", part.snapshots.len())
        .with("indexes", part.indexes.len());
    screen.show(&shown.but_all(opened.wrong.iter().cloned()))?;
    for snapshot in &part.snapshots {
        let shown = Shown::new("snapshot")
            .with_text("id", snapshot.id)
            .with("generation", snapshot.generation.0)
            .with_text("time", snapshot.time)
            .with("tags", snapshot.tags.clone())
            .with("epoch", snapshot.epoch.0)
            .with("len_bytes", snapshot.len_bytes);
        screen.show(&shown)?;
    }
    for index in &part.indexes {
        let shown = Shown::new("index")
            .with_text("id", index.pointer.id)
            .with_text("pack", index.pack)
            .with("offset", index.offset)
            .with("sealed_len_bytes", index.sealed_len_bytes);
        screen.show(&shown)?;
    }
    Ok(())
}
