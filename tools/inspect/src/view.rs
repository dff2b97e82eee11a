//! What can be found out about a store before anything of it is shown: which one it is, which state is its newest.

use std::path::Path;
use std::sync::Arc;

use chunkstore::base::StoreId;
use chunkstore::base::limits::{MARKER_MAX_BYTES, TRUST_MAX_BYTES};
use chunkstore::crypto::wrap::Identity;
use chunkstore::disk::{Disk, DiskErrorKind, OsDisk, read_all};
use chunkstore::error::{Error, ErrorKind, Result};
use chunkstore::format::head::SignedHead;
use chunkstore::format::manifest::PackRef;
use chunkstore::format::marker::Marker;
use chunkstore::format::trust::SignedTrust;
use chunkstore::store::layout;
use chunkstore::store::trust::TrustChain;

use crate::manifests::{Link, packs_of, read_chain};
use crate::read_only::ReadOnly;
use crate::records::{Record, judge, read_records};
use crate::sealed::Sealed;
use crate::why;

/// A store as far as it reads.
pub struct View {
    /// Its files.
    pub disk: Arc<dyn Disk>,
    /// Its id: the marker's, or else that of whatever else reads.
    pub store: StoreId,
    /// What is wrong beside the records: the marker, the directories.
    pub problems: Vec<String>,
    /// Whether the marker read.
    pub is_marked: bool,
    /// The chain of trust, as far as it holds.
    pub trust: Option<TrustChain>,
    /// Every record.
    pub records: Vec<Record>,
    /// The state that is shown: the newest record without fault, or else the newest that decodes.
    pub state: Option<SignedHead>,
    /// Its manifests, the newest first, as far as they read.
    pub chain: Vec<Link>,
    /// The packs that these name, in the order they were written.
    pub packs: Vec<PackRef>,
    /// What the identities open.
    pub sealed: Sealed,
}

impl View {
    /// Looks at the directory of a store.
    ///
    /// # Errors
    /// [`ErrorKind::NoStore`] when nothing there tells which store it is.
    pub fn open(path: &Path, identities: &dyn Fn(StoreId) -> Result<Vec<Identity>>) -> Result<Self> {
        let none = |why: String| Error::new(ErrorKind::NoStore, format!("there is no store to look at: {why}"));
        let disk = match OsDisk::open(path) {
            Ok(disk) => ReadOnly::new(disk),
            Err(error) if matches!(error.kind, DiskErrorKind::NotFound | DiskErrorKind::WrongType) => {
                return Err(none(why(error)));
            }
            Err(error) => return Err(error.into()),
        };
        let disk: Arc<dyn Disk> = Arc::new(disk);
        let (mut records, mut problems) = read_records(disk.as_ref());
        let marked = read_marker(disk.as_ref());
        let marker = marked.as_ref().ok().copied();
        problems.extend(marked.err());
        let store = marker
            .or_else(|| records.iter().find_map(|record| record.head.as_ref().map(|head| head.head.store)))
            .or_else(|| first_trusted(disk.as_ref()));
        let store = store.ok_or_else(|| none("neither STORE nor a record nor trust/1 reads".to_owned()))?;
        let trust = TrustChain::load(disk.as_ref(), store).ok();
        judge(&mut records, disk.as_ref(), store, trust.as_ref());
        let state = newest(&records).cloned();
        let named = state.as_ref().map(|state| (state.head.manifest, state.head.manifest_len_bytes));
        let chain = named.map_or_else(Vec::new, |(hash, len)| read_chain(disk.as_ref(), store, hash, len));
        let packs = packs_of(&chain);
        let given = identities(store)?;
        let sealed = Sealed::open(disk.as_ref(), store, state.as_ref(), &chain, &given);
        let is_marked = marker.is_some();
        Ok(Self { disk, store, problems, is_marked, trust, records, state, chain, packs, sealed })
    }

    /// Returns whether the medium went away since: its marker read then and does not now.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.is_marked && read_marker(self.disk.as_ref()).is_err()
    }

    /// Returns whether all manifests of the shown state read, so that its packs are all known.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let ends = |link: &Link| link.manifest.as_ref().is_some_and(|manifest| manifest.base.is_none());
        self.chain.iter().all(|link| link.wrong.is_empty()) && self.chain.last().is_some_and(ends)
    }
}

fn read_marker(disk: &dyn Disk) -> std::result::Result<StoreId, String> {
    let bytes = read_all(disk, &layout::marker(), MARKER_MAX_BYTES).map_err(why)?;
    let bytes = bytes.ok_or("STORE is missing: no verb takes this for a store")?;
    Marker::decode(&bytes).map(|marker| marker.store).map_err(|error| format!("STORE: {error}"))
}

fn first_trusted(disk: &dyn Disk) -> Option<StoreId> {
    let bytes = read_all(disk, &layout::trust(1), TRUST_MAX_BYTES).ok()??;
    SignedTrust::decode(&bytes).ok().map(|signed| signed.trust.store)
}

fn newest(records: &[Record]) -> Option<&SignedHead> {
    let of = |sound: bool| {
        let fit = records.iter().filter(move |record| !record.is_draft && (!sound || record.wrong.is_empty()));
        fit.filter_map(|record| record.head.as_ref()).max_by_key(|head| head.head.generation)
    };
    of(true).or_else(|| of(false))
}
