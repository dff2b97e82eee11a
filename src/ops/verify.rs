//! `verify`: everything that a store claims, checked. It reports all it finds, and mends nothing but what it may fetch again
//! from the remotes that it was given.
//!
//! Without an identity the outer layer: marker, records, trust, manifests, key lists and key files, and every pack by its hash.
//! With one also the inner: that every pointer of every kept snapshot leads to an object, that lengths add up, and with
//! `read_data` that each object opens. A store that does not open is checked as far as its files can be.

use std::collections::HashSet;
use std::sync::Arc;

use crate::base::{PackHash, RelPath, StoreId};
use crate::crypto::wrap::Identity;
use crate::disk::Disk;
use crate::error::{Error, ErrorKind, Result};
use crate::ops::Run;
use crate::ops::heal::{Healing, heal, heal_roots};
use crate::ops::open::Reading;
use crate::ops::transfer::sample::draw;
use crate::remote::Remote;
use crate::store::survey::{Fault, Flaw, Part, Survey, survey};
use crate::store::{self, Store, StoreError};

pub mod inner;
mod outer;
pub mod packs;

use inner::{Inner, Layer};
use outer::Outer;

/// What `verify` is asked for.
#[derive(Default)]
pub struct VerifyRequest<'a> {
    /// Opens the inner layer; without one only the outer is checked.
    pub identities: &'a [Identity],
    /// Opens every object, too.
    pub read_data: bool,
    /// The share of packs that are hashed, drawn by chance and at least one; of the others only the length is looked at.
    /// More than 0 and at most 100; without one all are hashed.
    pub sample_percent: Option<f64>,
    /// Where what is broken in the outer layer may be fetched again; without any nothing is written.
    pub heal: &'a [Arc<dyn Remote>],
    /// Packs that are hashed at a time; 0 and 1 are the same. With one all calls follow from the store.
    pub threads: usize,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProblemKind {
    /// The marker is missing or damaged.
    Marker,
    /// A file of the chain of trust is missing, damaged, or does not follow from the one before it.
    Trust,
    /// `HEAD` or a record is missing or does not hold.
    Head,
    /// A manifest is missing or not what its hash says.
    Manifest,
    /// Something that is no file stands where this replica makes or locks a file of its own.
    Replica,
    /// A pack is missing.
    MissingPack,
    /// A pack is not what its name says.
    DamagedPack,
    /// A key list or key file is missing or not what its hash says.
    Key,
    /// A small file that every replica carries is missing or not what its hash says.
    CarriedFile,
    /// A recipe is not what its hash says. It is a hint: nothing is lost with it.
    Recipe,
    /// A part of a merged index does not read. The packs say the same: nothing is lost with it.
    Index,
    /// An object is missing or does not open, or is not what its parent says.
    Object,
}

impl ProblemKind {
    /// Returns the word for it in `--json` output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Marker => "marker",
            Self::Trust => "trust",
            Self::Head => "head",
            Self::Manifest => "manifest",
            Self::Replica => "replica",
            Self::MissingPack => "missing-pack",
            Self::DamagedPack => "damaged-pack",
            Self::Key => "key",
            Self::CarriedFile => "carried-file",
            Self::Recipe => "recipe",
            Self::Index => "index",
            Self::Object => "object",
        }
    }
}

impl From<Part> for ProblemKind {
    fn from(part: Part) -> Self {
        match part {
            Part::Marker => Self::Marker,
            Part::Trust => Self::Trust,
            Part::Head => Self::Head,
            Part::Manifest => Self::Manifest,
            Part::Replica => Self::Replica,
        }
    }
}

/// One problem with what it touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub kind: ProblemKind,
    /// The file of the store, or the object.
    pub file: String,
    /// How it is wrong, where that says more than the kind.
    pub why: Option<String>,
    /// A signature or a link of the chain of trust does not hold.
    pub untrusted: bool,
    /// Paths that cannot be restored for it, at most 100, the first by name; empty without an identity.
    pub paths: Vec<RelPath>,
    /// How many such paths there are.
    pub paths_total: u64,
    /// It was mended, and is wrong no more.
    pub healed: bool,
}

impl Finding {
    fn new(kind: ProblemKind, file: impl Into<String>, why: Option<String>) -> Self {
        let (file, paths) = (file.into(), Vec::new());
        Self { kind, file, why, untrusted: false, paths, paths_total: 0, healed: false }
    }

    /// Describes a file and its fault.
    fn of_fault(kind: ProblemKind, file: impl Into<String>, fault: &Fault) -> Self {
        let untrusted = matches!(fault, Fault::NotTrusted(_));
        Self { untrusted, ..Self::new(kind, file, Some(fault.to_string())) }
    }
}

impl Finding {
    /// Returns whether it is about what a store opens by.
    fn is_of_roots(&self) -> bool {
        self.kind <= ProblemKind::Replica
    }
}

impl From<&Flaw> for Finding {
    fn from(flaw: &Flaw) -> Self {
        Self::of_fault(flaw.part.into(), flaw.path.to_string(), &flaw.fault)
    }
}

/// What `verify` found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Bytes of packs that were hashed.
    pub checked_bytes: u64,
    /// Packs that were hashed.
    pub packs: u64,
    /// Packs that the store lists.
    pub total_packs: u64,
    /// Objects that were looked up, or opened with `read_data`; 0 without an identity.
    pub objects: u64,
    /// Whether the inner layer was looked at: an identity opened it.
    pub inner: bool,
    /// Key files that the store lists.
    pub key_files: u64,
    /// Those of them that are there.
    pub key_files_here: u64,
    /// Everything that is wrong, or was before it was mended.
    pub findings: Vec<Finding>,
    /// What came of mending; nothing where nothing was wrong, or no remote was given.
    pub healing: Option<Healing>,
}

impl Report {
    /// Returns what is still wrong.
    pub fn left(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| !finding.healed)
    }

    fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Holds what was found against what is found now: what is there no more was mended, if that is durable.
    fn compare(&mut self, mut now: Vec<Finding>, is_of_them: &dyn Fn(&Finding) -> bool) {
        let is_durable = self.healing.as_ref().is_some_and(Healing::is_durable);
        for finding in self.findings.iter_mut().filter(|finding| is_of_them(finding)) {
            match now.iter().position(|left| left.file == finding.file) {
                Some(at) => *finding = now.swap_remove(at),
                // After a failed write the system's cache may show bytes that a cut takes away again.
                None => finding.healed = is_durable,
            }
        }
        // What was mended may name files that are broken.
        self.findings.append(&mut now);
    }

    fn heal_with(&mut self, healing: Healing) {
        self.healing = Some(match self.healing.take() {
            Some(before) => before.and(healing),
            None => healing,
        });
    }
}

/// Checks a store, and with remotes to heal from mends what is broken in its outer layer, before the inner one is looked at.
/// Costs one read of every pack; writes nothing unless something is broken and may be mended.
///
/// # Durability
/// As [`heal`].
///
/// # Errors
/// [`ErrorKind::NoStore`] where no store ever stood, [`ErrorKind::Gone`], [`ErrorKind::Interrupted`]; those of [`heal`].
#[expect(clippy::needless_pass_by_value, reason = "an op is handed its disk")]
pub fn verify(disk: Arc<dyn Disk>, request: &VerifyRequest<'_>, run: Run<'_>) -> Result<Report> {
    let mut roots = look(&disk)?;
    let mut report = Report { findings: roots.flaws.iter().map(Finding::from).collect(), ..Report::default() };
    let heals = !request.heal.is_empty();
    if heals && roots.flaws.iter().any(|flaw| flaw.wanted.is_some() || flaw.part == Part::Marker) {
        report.heal_with(heal_roots(&disk, request.heal, run)?);
        roots = look_again(&disk)?;
    }
    let store = open(&disk, &roots, &mut report)?;
    let mut outer = Outer::default();
    if let Some(store) = &store {
        outer = Outer::check(store, &drawn(store, request, run), request.threads, run)?;
        outer.tell(&mut report);
    }
    if heals && !report.findings.is_empty() {
        if let Some(store) = &store {
            outer = mend(store, request, &outer, &mut report, run)?;
        }
        let now = look_again(&disk)?.flaws.iter().map(Finding::from).collect();
        report.compare(now, &Finding::is_of_roots);
    }
    if let Some(store) = store.filter(|_| !request.identities.is_empty()) {
        check_inner(&store, request, &outer, &mut report, run)?;
    }
    Ok(report)
}

/// Mends what is broken beyond what a store opens by, and looks at exactly that again.
fn mend(store: &Store, request: &VerifyRequest<'_>, outer: &Outer, report: &mut Report, run: Run<'_>) -> Result<Outer> {
    report.heal_with(heal(store, request.heal, &outer.broken_packs(), &outer.small, run)?);
    let store = store.open_again().map_err(|error| store.settle(error))?;
    let again = Outer::check(&store, &outer.broken_packs().into_iter().collect(), request.threads, run)?;
    report.compare(again.findings.clone(), &|finding| !finding.is_of_roots());
    (report.key_files, report.key_files_here) = (again.key_files, again.key_files_here);
    Ok(again)
}

/// Returns which store stands on a disk, also where it does not open; nothing where nothing tells.
///
/// # Errors
/// As [`verify`].
pub fn which_store(disk: &Arc<dyn Disk>) -> Result<Option<StoreId>> {
    match store::read_marker(disk.as_ref()) {
        Ok(Some(marker)) => Ok(Some(marker.store)),
        _ => Ok(look(disk)?.id),
    }
}

fn look(disk: &Arc<dyn Disk>) -> Result<Survey> {
    Ok(survey(disk.as_ref())?.ok_or(StoreError::NoStore)?)
}

/// Looks at a store that stood a moment ago, so that where there is none now the medium went away.
fn look_again(disk: &Arc<dyn Disk>) -> Result<Survey> {
    Ok(survey(disk.as_ref())?.ok_or(StoreError::Gone(None))?)
}

/// Opens a store that may be damaged; where that fails, what was found says why.
fn open(disk: &Arc<dyn Disk>, roots: &Survey, report: &mut Report) -> Result<Option<Store>> {
    let opened = match (roots.flaw(&store::layout::marker()), roots.id) {
        (Some(_), Some(id)) => Store::open_unmarked(Arc::clone(disk), id),
        (Some(_), None) => return Ok(None),
        (None, _) => Store::open(Arc::clone(disk)),
    };
    match opened.map_err(Error::from) {
        Ok(store) => Ok(Some(store)),
        Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::NotTrusted) => {
            if report.findings.is_empty() {
                let untrusted = error.kind() == ErrorKind::NotTrusted;
                report.add(Finding { untrusted, ..Finding::new(ProblemKind::Head, "HEAD", Some(error.in_full())) });
            }
            Ok(None)
        }
        // A store stood here a moment ago.
        Err(error) if error.kind() == ErrorKind::NoStore => Err(StoreError::Gone(None).into()),
        Err(error) => Err(error),
    }
}

/// Returns the packs to hash.
fn drawn(store: &Store, request: &VerifyRequest<'_>, run: Run<'_>) -> HashSet<PackHash> {
    let packs: Vec<_> = store.packs().packs().iter().collect();
    let wanted = request.sample_percent.map_or(f64::INFINITY, |percent| (packs.len() as f64 * percent / 100.0).ceil());
    if wanted >= packs.len() as f64 {
        return packs.into_iter().map(|pack| pack.hash).collect();
    }
    draw(&packs, &|count, _| (count as f64) < wanted.max(1.0), run).into_iter().collect()
}

fn check_inner(
    store: &Store,
    request: &VerifyRequest<'_>,
    outer: &Outer,
    report: &mut Report,
    run: Run<'_>,
) -> Result<()> {
    match Reading::over(store, request.identities, run) {
        Ok(reading) => {
            let Reading { store, unlocked, reader, .. } = &reading;
            let layer = Layer { store, unlocked, reader };
            let broken = outer.broken_packs().into_iter().collect();
            let found = Inner::new(layer, &broken, request.read_data, run).check()?;
            report.inner = true;
            report.objects = found.objects;
            found.tell(report);
        }
        // Carrying a store takes no identity, so one that opens another store only is no problem of this one. The caller
        // knows whether somebody meant to open it.
        Err(error) if error.kind() == ErrorKind::NoIdentity => {}
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            report.add(Finding::new(ProblemKind::Object, error.to_string(), None));
        }
        Err(error) => return Err(error),
    }
    Ok(())
}
