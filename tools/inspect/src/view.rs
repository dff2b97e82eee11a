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
use crate::report::Problems;
use crate::sealed::Sealed;
use crate::shown::Shown;
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
    /// What the store's id was taken from: `STORE`, or else the first file that tells it.
    pub store_from: String,
    /// The chain of trust, as far as it holds.
    pub trust: Option<TrustChain>,
    /// Why there is none.
    pub trust_wrong: Option<String>,
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
    /// Looks at the directory of a store. `assumed` says which one it is where the marker does not.
    ///
    /// # Errors
    /// [`ErrorKind::NoStore`] when nothing there tells which store it is and none is assumed, [`ErrorKind::Usage`] when the marker
    /// says another one.
    pub fn open(
        path: &Path,
        assumed: Option<StoreId>,
        identities: &dyn Fn(StoreId) -> Result<Vec<Identity>>,
    ) -> Result<Self> {
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
        if let (Some(marker), Some(assumed)) = (marker, assumed)
            && marker != assumed
        {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("this is store {marker}, not {assumed} (--assume-store)"),
            ));
        }
        let told = told_store(disk.as_ref(), marker, assumed, &records);
        let (store, store_from) = told.ok_or_else(|| {
            none("neither STORE nor a record nor trust/1 reads; --assume-store ID looks at it all the same".to_owned())
        })?;
        if marker.is_none() {
            problems.push(format!("STORE does not tell which store this is; its id is that of {store_from}"));
        }
        let (trust, trust_wrong) = match TrustChain::load(disk.as_ref(), store) {
            Ok(trust) => (Some(trust), None),
            Err(error) => (None, Some(format!("the chain of trust does not hold: {}", why(error)))),
        };
        judge(&mut records, disk.as_ref(), store, trust.as_ref());
        let state = newest(&records).cloned();
        let named = state.as_ref().map(|state| (state.head.manifest, state.head.manifest_len_bytes));
        let chain = named.map_or_else(Vec::new, |(hash, len)| read_chain(disk.as_ref(), store, hash, len));
        let packs = packs_of(&chain);
        let given = identities(store)?;
        let sealed = Sealed::open(disk.as_ref(), store, state.as_ref(), &chain, &given);
        let is_marked = marker.is_some();
        Ok(Self {
            disk,
            store,
            problems,
            is_marked,
            store_from,
            trust,
            trust_wrong,
            records,
            state,
            chain,
            packs,
            sealed,
        })
    }

    /// Returns what is wrong with whatever every answer rests on: the marker, trust, the records, the chain, the sealed layer.
    #[must_use]
    pub fn findings(&self) -> Problems {
        let mut problems = Problems::default();
        self.problems.iter().chain(&self.trust_wrong).for_each(|problem| problems.add(problem));
        for record in self.records.iter().filter(|record| !record.is_draft) {
            record.wrong.iter().for_each(|wrong| problems.add(format!("{}: {wrong}", record.path)));
        }
        match &self.state {
            None => problems.add("no record decodes: nothing says which files belong to the store"),
            Some(state) if self.records.iter().all(|record| record.is_draft || !record.wrong.is_empty()) => {
                let generation = state.head.generation;
                problems.add(format!(
                    "no record is without fault; generation {generation} is shown, the newest that decodes"
                ));
            }
            Some(_) => {}
        }
        for link in &self.chain {
            link.wrong.iter().for_each(|wrong| problems.add(format!("{}: {wrong}", layout::manifest(&link.hash))));
        }
        match &self.sealed {
            Sealed::NotAsked => {}
            Sealed::Closed(wrong) => wrong.iter().for_each(|wrong| problems.add(wrong)),
            Sealed::Open(opened) => {
                opened.wrong.iter().for_each(|wrong| problems.add(wrong));
                if opened.part.is_none() {
                    problems.add("no sealed part of a manifest opens: the snapshots are not known");
                }
            }
        }
        problems
    }

    /// Starts the head of a report: what is asked, the store, the state, and how far the identities open it.
    #[must_use]
    pub fn asked(&self, what: &'static str, subject: &str) -> Shown {
        let shown = match subject {
            "" => Shown::new(what).with_text("store", self.store),
            subject => Shown::new(what).with("of", subject).with_text("store", self.store),
        };
        let shown = shown
            .with("generation", self.state.as_ref().map(|state| state.head.generation.0))
            .with("sealed_open", self.sealed.opened().is_some());
        match self.sealed.why_closed() {
            Some(why) => shown.with("outer_only", why),
            None => shown,
        }
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

/// Returns the store's id and what tells it: the marker, else what is assumed, else a record, else the first trust file.
fn told_store(
    disk: &dyn Disk,
    marker: Option<StoreId>,
    assumed: Option<StoreId>,
    records: &[Record],
) -> Option<(StoreId, String)> {
    let by_marker = marker.map(|store| (store, layout::marker().to_string()));
    let assumed = assumed.map(|store| (store, "--assume-store".to_owned()));
    let of_record = |record: &Record| record.head.as_ref().map(|head| (head.head.store, record.path.to_string()));
    let by_record = || records.iter().find_map(of_record);
    let by_trust = || first_trusted(disk).map(|store| (store, layout::trust(1).to_string()));
    by_marker.or(assumed).or_else(by_record).or_else(by_trust)
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
