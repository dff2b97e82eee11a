//! A look at every file by which a store opens, each on its own: marker, trust, records, manifests. It ends at no damage, so
//! that whoever checks or mends a store hears of all of it.
//!
//! Nothing found here is a reason to open anything: [`super::Store::open`] alone decides what does.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use super::error::StoreError;
use super::manifest::PackSet;
use super::trust::{CHAIN_MAX, TrustChain};
use super::{head, layout, replica};
use crate::base::limits::{HEAD_MAX_BYTES, MANIFEST_CHAIN_MAX, MARKER_MAX_BYTES, TRUST_MAX_BYTES};
use crate::base::{Generation, StoreId, StorePath, TrustHash};
use crate::crypto::sign::{Purpose, verify};
use crate::disk::{Disk, DiskErrorKind, DiskFileKind, read_all};
use crate::format::FormatError;
use crate::format::head::SignedHead;
use crate::format::manifest::{Base, Manifest};
use crate::format::marker::Marker;
use crate::format::trust::SignedTrust;

/// Which kind of file is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// `STORE`.
    Marker,
    /// A file of the chain of trust.
    Trust,
    /// `HEAD`, `HEAD.new`, a record, or the directory of records.
    Head,
    /// A manifest of the own chain.
    Manifest,
    /// A file of this replica alone.
    Replica,
}

/// How a file is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Nothing stands there.
    Missing,
    /// It is not what its hash or the format says.
    Damaged,
    /// The medium does not give it.
    Unreadable(String),
    /// A directory or another thing that is no file stands under its name.
    InTheWay,
    /// It reads, and a signature or a link of the chain of trust does not hold.
    NotTrusted(String),
    /// It is of a newer format.
    TooNew,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("it is missing"),
            Self::Damaged => f.write_str("it is not what it should be"),
            Self::Unreadable(why) => write!(f, "it does not read: {why}"),
            Self::InTheWay => {
                f.write_str("something that is no file is in its way: move that away, then run this again")
            }
            Self::NotTrusted(why) => write!(f, "not trusted: {why}"),
            Self::TooNew => f.write_str("it is of a newer format"),
        }
    }
}

/// What should stand under a name, as something that holds says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// The BLAKE3 of its bytes.
    pub hash: [u8; 32],
    /// Most bytes that it has.
    pub max_bytes: u64,
}

/// One file that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// What kind of file it is.
    pub part: Part,
    /// Where it stands.
    pub path: StorePath,
    /// How it is wrong.
    pub fault: Fault,
    /// What should stand there, if that is known.
    pub wanted: Option<Wanted>,
}

/// What a look found.
#[derive(Debug, Clone)]
pub struct Survey {
    /// Which store it is: by its marker, else by what all its records say.
    pub id: Option<StoreId>,
    /// The store that `trust/1` and a record which it vouches for agree on, and no record speaks against.
    pub vouched: Option<StoreId>,
    /// The newest record whose manifests are there and right.
    pub newest: Option<SignedHead>,
    /// A record newer than that may be whole, so that nothing may be built in its place.
    pub hides_newer: bool,
    /// Records that are newer than that and torn, so that nothing can be learned from them.
    pub torn: Vec<StorePath>,
    /// Everything that is wrong.
    pub flaws: Vec<Flaw>,
}

impl Survey {
    /// Returns whether a file was found wrong.
    #[must_use]
    pub fn flaw(&self, path: &StorePath) -> Option<&Flaw> {
        self.flaws.iter().find(|flaw| flaw.path == *path)
    }
}

/// Looks at everything by which a store opens; nothing where no store ever stood, or only one that an `init` or `clone` has
/// not ended making. Costs a few small reads, and reads each manifest of one chain; writes nothing.
///
/// # Errors
/// [`StoreError::Gone`], [`StoreError::TooNew`] for a marker of a newer format.
pub fn survey(disk: &dyn Disk) -> Result<Option<Survey>, StoreError> {
    let mut look = Look { disk, flaws: Vec::new(), witness: None };
    let marker = look.marker()?;
    let mut records = look.records()?;
    let signed = |record: &Record| record.signed.as_ref().map(|signed| signed.head.generation);
    if marker.is_none() {
        let newest = records.iter().filter_map(|record| signed(record).max(record.promised)).max();
        let is_unfinished = matches!(replica::read_unclean(disk), Ok(Some(Generation(0))));
        if is_unfinished || newest.is_none_or(|newest| newest <= Generation(1)) {
            return Ok(None);
        }
    }
    let named = agreed(&records);
    let id = marker.or(named);
    let trust = look.trust(&records, id)?;
    look.judge(&mut records, trust.as_ref());
    let vouches = records.iter().any(|record| record.standing == Standing::Vouched);
    let vouched = trust.as_ref().map(|trust| trust.newest().trust.store);
    let vouched = vouched.filter(|id| vouches && named.as_ref() == Some(id));
    let (newest, mut hides_newer) = look.manifests(&records)?;
    look.own_files()?;
    let opened = newest.as_ref().map_or(Generation(0), |newest| newest.head.generation);
    let trust_version = newest.as_ref().map_or(0, |newest| newest.head.trust_version);
    let is_newer = |record: &&Record| {
        // What was signed under an older trust file is behind, whatever its generation.
        let is_outdated = record.signed.as_ref().is_some_and(|signed| signed.head.trust_version < trust_version);
        record.promised.is_some_and(|promised| promised > opened) && !is_outdated
    };
    hides_newer |= records.iter().filter(is_newer).any(|record| record.standing == Standing::MayBeWhole);
    let torn = records.iter().filter(is_newer).filter(|record| record.standing == Standing::Torn);
    let torn = torn.map(|record| record.path.clone()).collect();
    look.require_medium()?;
    Ok(Some(Survey { id, vouched, newest, hides_newer, torn, flaws: look.flaws }))
}

/// What stands where a record may.
struct Record {
    path: StorePath,
    /// The generation that its name promises.
    promised: Option<Generation>,
    /// A record whose own signature holds, whoever made it.
    signed: Option<SignedHead>,
    standing: Standing,
    fault: Option<Fault>,
}

/// How far what stands there is a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// The chain of trust vouches for it.
    Vouched,
    /// It is signed, and the trust file that it names is not there to vouch for it.
    Unvouched,
    /// It cannot be told what it was.
    MayBeWhole,
    /// It is no record: torn, or nothing.
    Torn,
}

/// Returns the store that all signed records are of.
fn agreed(records: &[Record]) -> Option<StoreId> {
    let mut ids = records.iter().filter_map(|record| record.signed.as_ref()).map(|signed| signed.head.store);
    let first = ids.next()?;
    ids.all(|id| id == first).then_some(first)
}

/// What stands under a name.
enum Found {
    Bytes(Vec<u8>),
    Nothing(Fault),
}

fn read(disk: &dyn Disk, path: &StorePath, max_bytes: u64) -> Result<Found, StoreError> {
    Ok(match read_all(disk, path, max_bytes) {
        Ok(Some(bytes)) => Found::Bytes(bytes),
        Ok(None) => Found::Nothing(Fault::Missing),
        Err(error) if error.kind == DiskErrorKind::Gone => return Err(error.into()),
        Err(error) if error.kind == DiskErrorKind::WrongType => {
            // A file in a directory's place is in the way of all that should be below it.
            let is_file = matches!(disk.metadata(path), Ok(Some(found)) if found.kind == DiskFileKind::File);
            Found::Nothing(if is_file { Fault::Damaged } else { Fault::InTheWay })
        }
        Err(error) => Found::Nothing(Fault::Unreadable(error.source.to_string())),
    })
}

/// Looks at a small file that is known by its hash; nothing is wrong where nothing is returned.
///
/// # Errors
/// [`StoreError::Gone`].
pub fn fault_of(disk: &dyn Disk, path: &StorePath, wanted: &Wanted) -> Result<Option<Fault>, StoreError> {
    Ok(match read(disk, path, wanted.max_bytes)? {
        Found::Bytes(bytes) if *blake3::hash(&bytes).as_bytes() == wanted.hash => None,
        Found::Bytes(_) => Some(Fault::Damaged),
        Found::Nothing(fault) => Some(fault),
    })
}

struct Look<'a> {
    disk: &'a dyn Disk,
    flaws: Vec<Flaw>,
    /// A file that read whole: while it stands, the medium does.
    witness: Option<StorePath>,
}

impl Look<'_> {
    fn tell(&mut self, part: Part, path: StorePath, fault: Fault, wanted: Option<Wanted>) {
        if self.flaws.iter().all(|flaw| flaw.path != path) {
            self.flaws.push(Flaw { part, path, fault, wanted });
        }
    }

    fn read(&mut self, path: &StorePath, max_bytes: u64) -> Result<Found, StoreError> {
        let found = read(self.disk, path, max_bytes)?;
        if matches!(found, Found::Bytes(_)) {
            self.witness.get_or_insert_with(|| path.clone());
        }
        Ok(found)
    }

    /// Tells a pulled medium, on which everything is missing, from a damaged store.
    fn require_medium(&self) -> Result<(), StoreError> {
        let stands = match &self.witness {
            Some(path) => self.disk.metadata(path)?.is_some(),
            None => true,
        };
        let is_suspicious = !self.flaws.is_empty();
        if is_suspicious && (self.disk.is_gone() || !stands) { Err(StoreError::Gone(None)) } else { Ok(()) }
    }

    fn marker(&mut self) -> Result<Option<StoreId>, StoreError> {
        let path = layout::marker();
        let fault = match self.read(&path, MARKER_MAX_BYTES)? {
            Found::Bytes(bytes) => match Marker::decode(&bytes) {
                Ok(marker) => return Ok(Some(marker.store)),
                Err(error @ FormatError::TooNew(_)) => return Err(StoreError::TooNew(error)),
                Err(_) => Fault::Damaged,
            },
            Found::Nothing(fault) => fault,
        };
        self.tell(Part::Marker, path, fault, None);
        Ok(None)
    }

    fn records(&mut self) -> Result<Vec<Record>, StoreError> {
        let mut places = vec![(layout::head(), None), (layout::head_new(), None)];
        let mut records = Vec::new();
        match head::names(self.disk) {
            Ok(mut names) => {
                names.sort_unstable();
                places.extend(names.into_iter().map(|generation| (layout::head_record(generation), Some(generation))));
            }
            Err(error @ (StoreError::Disk(_) | StoreError::Corrupt { .. })) => {
                let (path, promised) = (layout::heads(), Some(Generation(u64::MAX)));
                let fault = Some(match error {
                    StoreError::Disk(error) => Fault::Unreadable(error.source.to_string()),
                    _ => Fault::InTheWay,
                });
                records.push(Record { path, promised, signed: None, standing: Standing::MayBeWhole, fault });
            }
            Err(error) => return Err(error),
        }
        for (path, promised) in places {
            let found = self.read(&path, HEAD_MAX_BYTES)?;
            records.push(record_of(path, promised, found));
        }
        Ok(records)
    }

    /// Checks the chain of trust as far as records name it, and each file by what names it; returns as much of it as holds.
    fn trust(&mut self, records: &[Record], id: Option<StoreId>) -> Result<Option<TrustChain>, StoreError> {
        let mut named: BTreeMap<u32, HashSet<TrustHash>> = BTreeMap::from([(1, HashSet::new())]);
        for signed in records.iter().filter_map(|record| record.signed.as_ref()) {
            let version = signed.head.trust_version;
            if (1..=CHAIN_MAX).contains(&version) {
                named.entry(version).or_default().insert(signed.head.trust);
            }
        }
        let top = named.last_key_value().map_or(1, |(version, _)| *version);
        let mut files = BTreeMap::new();
        for version in (1..=top).rev() {
            let path = layout::trust(version);
            let hashes = named.get(&version).cloned().unwrap_or_default();
            let fault = match self.read(&path, TRUST_MAX_BYTES)? {
                Found::Bytes(bytes) => match SignedTrust::decode(&bytes) {
                    Ok(file) if hashes.is_empty() || hashes.contains(&file.hash()) => {
                        if let Some(previous) = file.trust.previous.filter(|_| version > 1) {
                            named.entry(version - 1).or_default().insert(previous);
                        }
                        files.insert(version, bytes);
                        continue;
                    }
                    Ok(_) => Fault::NotTrusted("it is another file than the one that HEAD leads to".into()),
                    Err(FormatError::TooNew(_)) => Fault::TooNew,
                    Err(_) => Fault::Damaged,
                },
                Found::Nothing(fault) => fault,
            };
            // Where records name different files nobody says which is right.
            let one = hashes.iter().next().filter(|_| hashes.len() == 1);
            let wanted = one.map(|hash| Wanted { hash: hash.0, max_bytes: TRUST_MAX_BYTES });
            self.tell(Part::Trust, path, fault, wanted);
        }
        let (chain, fault) = chain_of(&files, id);
        if let Some((version, why)) = fault {
            self.tell(Part::Trust, layout::trust(version), Fault::NotTrusted(why), None);
        }
        Ok(chain)
    }

    /// Holds every record to the chain of trust, and tells of those that should hold and do not.
    fn judge(&mut self, records: &mut [Record], trust: Option<&TrustChain>) {
        for record in records.iter_mut().filter(|record| record.standing == Standing::Unvouched) {
            let Some((trust, signed)) = trust.zip(record.signed.as_ref()) else { continue };
            match trust.check_head(signed) {
                Ok(()) => record.standing = Standing::Vouched,
                // The trust file that it names is told as missing or damaged itself.
                Err(_) if trust.version(signed.head.trust_version).is_none() => {}
                Err(error) => {
                    record.standing = Standing::MayBeWhole;
                    record.fault = Some(Fault::NotTrusted(error.to_string()));
                }
            }
        }
        let is_record = |record: &&Record| matches!(record.standing, Standing::Vouched | Standing::Unvouched);
        let generation = |record: &Record| record.signed.as_ref().map(|signed| signed.head.generation);
        let at_head =
            records.iter().find(|record| record.path == layout::head()).filter(is_record).and_then(generation);
        let signed = records.iter().filter(is_record).filter_map(|record| record.signed.as_ref());
        let newest = signed.max_by_key(|signed| signed.head.rank());
        let own = newest.map(|newest| layout::head_record(newest.head.generation));
        for record in &*records {
            // A commit that was cut off leaves a torn record that is newer than HEAD. HEAD.new vouches for nothing, and the
            // next writer replaces whatever it can.
            let is_cut_off = match record.promised {
                Some(promised) => record.standing == Standing::Torn && at_head.is_some_and(|head| promised > head),
                None => record.path == layout::head_new(),
            };
            let blocks = record.fault == Some(Fault::InTheWay);
            if let Some(fault) = record.fault.clone().filter(|_| blocks || !is_cut_off) {
                self.tell(Part::Head, record.path.clone(), fault, None);
            }
        }
        if let Some(own) = own.filter(|own| records.iter().all(|record| record.path != *own)) {
            self.tell(Part::Head, own, Fault::Missing, None);
        }
    }

    /// Tells of things that are no files where verbs make and lock files of their own.
    fn own_files(&mut self) -> Result<(), StoreError> {
        for path in [layout::pending(), layout::unclean(), layout::write_lock(), layout::read_lock()] {
            match self.disk.metadata(&path) {
                Ok(Some(found)) if found.kind != DiskFileKind::File => {
                    self.tell(Part::Replica, path, Fault::InTheWay, None);
                }
                Err(error) if error.kind == DiskErrorKind::Gone => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }

    /// Checks the manifests of the newest record, and of older ones as long as none is whole. Returns the one that is, and
    /// whether a newer one is not.
    fn manifests(&mut self, records: &[Record]) -> Result<(Option<SignedHead>, bool), StoreError> {
        let vouched = records.iter().any(|record| record.standing == Standing::Vouched);
        let wanted = if vouched { Standing::Vouched } else { Standing::Unvouched };
        let hides = records.iter().any(|record| vouched && record.standing == Standing::Unvouched);
        let of_standing = records.iter().filter(|record| record.standing == wanted);
        let mut candidates: Vec<_> = of_standing.filter_map(|record| record.signed.as_ref()).collect();
        candidates.sort_by_key(|signed| std::cmp::Reverse(signed.head.rank()));
        candidates.dedup_by(|a, b| a.bytes() == b.bytes());
        for (at, signed) in candidates.into_iter().enumerate() {
            if let Some(packs) = self.chain(signed)? {
                for flaw in &mut self.flaws {
                    let heads =
                        packs.heads.iter().find(|(generation, _)| layout::head_record(**generation) == flaw.path);
                    flaw.wanted =
                        flaw.wanted.or(heads.map(|(_, hash)| Wanted { hash: hash.0, max_bytes: HEAD_MAX_BYTES }));
                }
                return Ok((Some(signed.clone()), hides || at > 0));
            }
        }
        Ok((None, true))
    }

    /// Checks each manifest of a record's chain by its hash; returns what they come to if all are right.
    fn chain(&mut self, signed: &SignedHead) -> Result<Option<PackSet>, StoreError> {
        let said = &signed.head;
        let mut next =
            Some(Base { depth: MANIFEST_CHAIN_MAX, hash: said.manifest, len_bytes: said.manifest_len_bytes });
        // A chain is at most so long whatever its files say.
        for _ in 0..=MANIFEST_CHAIN_MAX {
            let Some(base) = next else { break };
            let path = layout::manifest(&base.hash);
            let wanted = Wanted { hash: base.hash.0, max_bytes: base.len_bytes };
            let fault = match self.read(&path, base.len_bytes)? {
                Found::Bytes(bytes) if *blake3::hash(&bytes).as_bytes() == base.hash.0 => {
                    match Manifest::decode(&bytes, said.store) {
                        Ok(manifest) => {
                            next = manifest.base;
                            continue;
                        }
                        Err(FormatError::TooNew(_)) => (Fault::TooNew, None),
                        Err(_) => (Fault::Damaged, None),
                    }
                }
                Found::Bytes(_) => (Fault::Damaged, Some(wanted)),
                Found::Nothing(fault) => (fault, Some(wanted)),
            };
            self.tell(Part::Manifest, path, fault.0, fault.1);
            return Ok(None);
        }
        match PackSet::load_from_disk(self.disk, said.store, said.manifest, said.manifest_len_bytes) {
            Ok(packs) => Ok(Some(packs)),
            Err(error @ StoreError::Gone(_)) => Err(error),
            Err(_) => {
                self.tell(Part::Manifest, layout::manifest(&said.manifest), Fault::Damaged, None);
                Ok(None)
            }
        }
    }
}

/// Tells what stands under a record's name, as far as the file alone says.
fn record_of(path: StorePath, promised: Option<Generation>, found: Found) -> Record {
    let nothing = |standing, fault| Record { path: path.clone(), promised, signed: None, standing, fault: Some(fault) };
    let bytes = match found {
        Found::Bytes(bytes) => bytes,
        Found::Nothing(fault @ Fault::Unreadable(_)) => return nothing(Standing::MayBeWhole, fault),
        Found::Nothing(Fault::Missing) if path == layout::head_new() => {
            return Record { fault: None, ..nothing(Standing::Torn, Fault::Missing) };
        }
        Found::Nothing(fault) => return nothing(Standing::Torn, fault),
    };
    match SignedHead::decode(&bytes) {
        Ok(signed) if promised.is_some_and(|promised| promised != signed.head.generation) => {
            nothing(Standing::Torn, Fault::Damaged)
        }
        // A flipped bit looks like this, and so would a forgery by nobody.
        Ok(signed) if !verify(&signed.head.writer, Purpose::Head, signed.body(), &signed.signature) => {
            nothing(Standing::MayBeWhole, Fault::Damaged)
        }
        Ok(signed) => Record { path, promised, signed: Some(signed), standing: Standing::Unvouched, fault: None },
        Err(FormatError::TooNew(_)) => nothing(Standing::MayBeWhole, Fault::TooNew),
        Err(_) => nothing(Standing::Torn, Fault::Damaged),
    }
}

/// Links files to a chain as far as they hold; tells which does not, and why.
fn chain_of(files: &BTreeMap<u32, Vec<u8>>, id: Option<StoreId>) -> (Option<TrustChain>, Option<(u32, String)>) {
    let Some(first) = files.get(&1) else { return (None, None) };
    let mut chain = match TrustChain::start(first) {
        Ok(chain) if id.is_none_or(|id| id == chain.newest().trust.store) => chain,
        Ok(_) => return (None, Some((1, "the trust file is of another store".into()))),
        Err(error) => return (None, Some((1, error.to_string()))),
    };
    for (expected, (version, bytes)) in (2..).zip(files.range(2..)) {
        if *version != expected {
            break;
        }
        if let Err(error) = chain.add(bytes) {
            return (Some(chain), Some((*version, error.to_string())));
        }
    }
    (Some(chain), None)
}
