//! `verify`: everything that a store claims, checked. It reports all it finds, and mends nothing but what it may fetch again
//! from the remotes that it was given.
//!
//! Without an identity the outer layer: records, trust, manifests, key lists and every pack by its hash. With one also the
//! inner: that every pointer of every kept snapshot leads to an object, and with `read_data` that each opens.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use crate::base::limits::{HEAD_MAX_BYTES, KEY_FILE_MAX_BYTES};
use crate::base::monitor::{Amount, Task};
use crate::base::random::random_array;
use crate::base::{ObjectId, PackHash, RelPath};
use crate::crypto::wrap::Identity;
use crate::disk::{Disk, DiskErrorKind, read_all};
use crate::error::{Error, ErrorKind, Result};
use crate::format::head::SignedHead;
use crate::format::manifest::PackRef;
use crate::format::tree::Node;
use crate::format::{Extent, Pointer};
use crate::ops::Run;
use crate::ops::heal::{Healing, heal};
use crate::ops::open::Reading;
use crate::ops::transfer::carried::missing_files;
use crate::ops::transfer::settle;
use crate::remote::Remote;
use crate::store::head::Soundness;
use crate::store::keys::read_key_list;
use crate::store::pack::{PackState, pack_is_whole, pack_state};
use crate::store::{Store, StoreError, layout};
use crate::tree::read::{Start, for_each_extent, walk};
use crate::tree::snapshots;

/// Most paths that are named for one problem.
const PATHS_MAX: usize = 100;

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
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProblemKind {
    /// `HEAD` or a record is missing or does not hold.
    Head,
    /// A pack is missing.
    MissingPack,
    /// A pack is not what its name says.
    DamagedPack,
    /// A key list or key file is missing or not what its hash says.
    Key,
    /// A small file that every replica carries is missing or not what its hash says.
    CarriedFile,
    /// An object is missing or does not open.
    Object,
}

impl ProblemKind {
    /// Returns the word for it in `--json` output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::MissingPack => "missing-pack",
            Self::DamagedPack => "damaged-pack",
            Self::Key => "key",
            Self::CarriedFile => "carried-file",
            Self::Object => "object",
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
    /// Paths that cannot be restored for it, at most 100; empty without an identity.
    pub paths: Vec<RelPath>,
    /// It was mended, and is wrong no more.
    pub healed: bool,
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
}

/// Checks a store, and with remotes to heal from mends what is broken in its outer layer, before the inner one is looked at.
/// Costs one read of every pack; writes nothing unless something is broken and may be mended.
///
/// # Durability
/// As [`heal`].
///
/// # Errors
/// [`ErrorKind::Corrupt`] when no record opens at all, [`ErrorKind::Gone`], [`ErrorKind::Interrupted`]; those of [`heal`].
pub fn verify(disk: Arc<dyn Disk>, request: &VerifyRequest<'_>, run: Run<'_>) -> Result<Report> {
    let store = Store::open(disk.clone())?;
    let chosen = draw(store.packs().packs(), request.sample_percent, run);
    let mut report = Report::default();
    let mut broken = check_outer(&store, &chosen, &mut report, run)?;
    drop(store);
    if !report.findings.is_empty() && !request.heal.is_empty() {
        broken = mend(&disk, request.heal, &broken, &mut report, run)?;
    }
    if !request.identities.is_empty() {
        match Reading::open(disk, request.identities, run) {
            Ok(reading) => Inner::new(&reading, &broken, request.read_data, run).check(&mut report)?,
            // Carrying a store takes no identity, so one that opens another store only is no problem of this one. The
            // caller knows whether somebody meant to open it.
            Err(error) if error.kind() == ErrorKind::NoIdentity => {}
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                add(&mut report, ProblemKind::Object, error.to_string());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(report)
}

/// Draws the packs to hash, each once.
fn draw(packs: &[PackRef], percent: Option<f64>, run: Run<'_>) -> HashSet<PackHash> {
    let mut left: Vec<PackHash> = packs.iter().map(|pack| pack.hash).collect();
    let Some(percent) = percent else { return left.into_iter().collect() };
    let wanted = (left.len() as f64 * percent / 100.0).ceil().max(1.0);
    let mut drawn = HashSet::new();
    while !left.is_empty() && (drawn.len() as f64) < wanted {
        let at = u64::from_le_bytes(random_array(run.random)) % left.len() as u64;
        drawn.insert(left.swap_remove(usize::try_from(at).unwrap_or(0)));
    }
    drawn
}

/// Checks the outer layer, and hashes the chosen packs; returns those that are missing or wrong.
fn check_outer(
    store: &Store,
    chosen: &HashSet<PackHash>,
    report: &mut Report,
    run: Run<'_>,
) -> Result<HashSet<PackHash>> {
    check_records(store, report)?;
    check_keys(store, report)?;
    for file in missing_files(store.disk().as_ref(), &store.packs().top.files) {
        add(report, ProblemKind::CarriedFile, layout::carried_file(&file.hash).to_string());
    }
    check_packs(store, chosen, report, run)
}

/// Mends what is broken and looks at exactly that again; returns the packs that are broken still.
fn mend(
    disk: &Arc<dyn Disk>,
    remotes: &[Arc<dyn Remote>],
    broken: &HashSet<PackHash>,
    report: &mut Report,
    run: Run<'_>,
) -> Result<HashSet<PackHash>> {
    let packs: Vec<PackHash> = broken.iter().copied().collect();
    let healing = heal(disk, remotes, &packs, run)?;
    let mut after = Report::default();
    // A store stood here a moment ago, so where there is none now the medium went away.
    let store = Store::open(Arc::clone(disk)).map_err(|error| settle(disk.as_ref(), error.into()))?;
    let broken = check_outer(&store, broken, &mut after, run)?;
    for finding in &mut report.findings {
        match after.findings.iter().position(|left| left.file == finding.file) {
            Some(at) => *finding = after.findings.swap_remove(at),
            // After a failed write the system's cache may show bytes that a cut takes away again.
            None => finding.healed = healing.is_durable(),
        }
    }
    // A list of keys that reads again may name files that are broken.
    report.findings.append(&mut after.findings);
    report.healing = Some(healing);
    (report.key_files, report.key_files_here) = (after.key_files, after.key_files_here);
    Ok(broken)
}

fn add(report: &mut Report, kind: ProblemKind, file: String) {
    report.findings.push(Finding { kind, file, paths: Vec::new(), healed: false });
}

fn check_records(store: &Store, report: &mut Report) -> Result<()> {
    let disk = store.disk().as_ref();
    let record = |path| match read_all(disk, &path, HEAD_MAX_BYTES) {
        Ok(bytes) => Ok(bytes.and_then(|bytes| SignedHead::decode(&bytes).ok())),
        Err(error) if error.kind == DiskErrorKind::Gone => Err(store.settle(error.into())),
        Err(_) => Ok(None),
    };
    let own = store.head().head.generation;
    for path in [layout::head(), layout::head_record(own)] {
        let holds = record(path.clone())?.is_some_and(|record| store.trust().check_head(&record).is_ok());
        if !holds {
            add(report, ProblemKind::Head, path.to_string());
        }
    }
    if store.soundness() == Soundness::Older {
        add(report, ProblemKind::Head, "heads (the newest record does not open)".to_owned());
    }
    Ok(())
}

fn check_keys(store: &Store, report: &mut Report) -> Result<()> {
    let disk = store.disk().as_ref();
    for lists in &store.packs().top.key_lists {
        for (hash, len_bytes) in &lists.shards {
            let list = match read_key_list(disk, store.id(), hash, *len_bytes) {
                Ok(list) => list,
                Err(StoreError::Corrupt { .. }) => {
                    add(report, ProblemKind::Key, layout::key_list(hash).to_string());
                    continue;
                }
                Err(error) => return Err(store.settle(error).into()),
            };
            for entry in &list.entries {
                let path = layout::key_file(lists.epoch, entry.tag);
                // A key carries its own reader's file alone, so a missing one is no damage.
                report.key_files += 1;
                let holds = match read_all(disk, &path, KEY_FILE_MAX_BYTES).map_err(|error| store.settle(error.into()))
                {
                    Ok(bytes) => {
                        report.key_files_here += u64::from(bytes.is_some());
                        bytes.is_none_or(|bytes| *blake3::hash(&bytes).as_bytes() == entry.hash)
                    }
                    Err(gone @ StoreError::Gone(_)) => return Err(gone.into()),
                    Err(_) => false,
                };
                if !holds {
                    add(report, ProblemKind::Key, path.to_string());
                }
            }
        }
    }
    Ok(())
}

/// Looks at the length of every pack and hashes the chosen ones; returns those that are missing or wrong.
fn check_packs(
    store: &Store,
    chosen: &HashSet<PackHash>,
    report: &mut Report,
    run: Run<'_>,
) -> Result<HashSet<PackHash>> {
    let disk = store.disk().as_ref();
    let packs = store.packs().packs();
    let bytes = packs.iter().filter(|pack| chosen.contains(&pack.hash)).map(|pack| pack.len_bytes).sum();
    let total = Amount { files: chosen.len() as u64, bytes };
    report.total_packs = packs.len() as u64;
    run.monitor.begin(Task::Verify, Some(total));
    let mut broken = HashSet::new();
    for pack in packs {
        run.check()?;
        let state = pack_state(disk, pack).map_err(|error| store.settle(error.into()))?;
        if state == PackState::FullLength && !chosen.contains(&pack.hash) {
            continue;
        }
        let mut hear = |bytes| run.monitor.advance(Task::Verify, Amount { files: 0, bytes });
        let whole = match pack_is_whole(disk, pack, &mut hear) {
            Ok(whole) => whole,
            Err(error) if error.kind == DiskErrorKind::Io => {
                // A bad sector is this pack's; a vanished medium is everything's.
                if let gone @ StoreError::Gone(_) = store.settle(error.into()) {
                    return Err(gone.into());
                }
                false
            }
            Err(error) => return Err(store.settle(error.into()).into()),
        };
        run.monitor.advance(Task::Verify, Amount { files: 1, bytes: 0 });
        report.packs += u64::from(chosen.contains(&pack.hash));
        report.checked_bytes += if state == PackState::FullLength { pack.len_bytes } else { 0 };
        if !whole {
            let missing = state == PackState::Missing;
            let kind = if missing { ProblemKind::MissingPack } else { ProblemKind::DamagedPack };
            add(report, kind, layout::pack(&pack.hash).to_string());
            broken.insert(pack.hash);
        }
    }
    run.monitor.end(Task::Verify);
    // An empty-looking medium makes every pack missing: believe it only while the marker still stands.
    if !broken.is_empty()
        && let gone @ StoreError::Gone(_) = store.settle(StoreError::damaged("a pack"))
    {
        return Err(gone.into());
    }
    Ok(broken)
}

/// The check of the inner layer.
struct Inner<'a> {
    reading: &'a Reading,
    broken: &'a HashSet<PackHash>,
    read_data: bool,
    run: Run<'a>,
    seen: HashSet<ObjectId>,
    bad: HashSet<ObjectId>,
    objects: u64,
    /// Paths by the file of the store that spoils them.
    spoiled: BTreeMap<(ProblemKind, String), BTreeSet<RelPath>>,
}

impl<'a> Inner<'a> {
    fn new(reading: &'a Reading, broken: &'a HashSet<PackHash>, read_data: bool, run: Run<'a>) -> Self {
        let (seen, bad, spoiled) = (HashSet::new(), HashSet::new(), BTreeMap::new());
        Self { reading, broken, read_data, run, seen, bad, objects: 0, spoiled }
    }

    fn check(mut self, report: &mut Report) -> Result<()> {
        for named in self.reading.unlocked.sealed.snapshots.iter().rev() {
            match snapshots::load(&self.reading.reader, named) {
                Ok(snapshot) => self.tree(&snapshot.root, &RelPath::root())?,
                Err(StoreError::Corrupt { .. }) => {
                    self.spoil(ProblemKind::Object, format!("snapshot {}", named.id), None);
                }
                Err(error) => return Err(self.reading.store.settle(error).into()),
            }
        }
        report.inner = true;
        report.objects = self.objects;
        for ((kind, file), paths) in self.spoiled {
            let paths: Vec<_> = paths.into_iter().take(PATHS_MAX).collect();
            match report.findings.iter_mut().find(|finding| finding.file == file && !finding.healed) {
                Some(finding) => finding.paths = paths,
                None => report.findings.push(Finding { kind, file, paths, healed: false }),
            }
        }
        Ok(())
    }

    fn spoil(&mut self, kind: ProblemKind, file: String, path: Option<&RelPath>) {
        self.spoiled.entry((kind, file)).or_default().extend(path.cloned());
    }

    fn tree(&mut self, root: &Pointer, path: &RelPath) -> Result<()> {
        let reading = self.reading;
        let mut trees: Vec<(RelPath, Pointer)> = vec![(path.clone(), *root)];
        while let Some((path, tree)) = trees.pop() {
            self.run.check()?;
            // A directory that an earlier snapshot holds, too, was checked with it.
            if !self.seen.insert(tree.id) {
                continue;
            }
            self.objects += 1;
            let mut broken = Vec::new();
            let mut entries = Vec::new();
            // One directory at a time, and each once, so nothing unfolds.
            let start = Start { tree, path, entries_max: u64::MAX };
            let walked = walk(
                &reading.reader,
                &start,
                &mut |path, entry| {
                    entries.push((path.clone(), entry.clone()));
                    Ok(false)
                },
                &mut |path, error| {
                    broken.push((path.clone(), error));
                    Ok(())
                },
            );
            walked.map_err(|error| reading.store.settle(error))?;
            for (path, error) in broken {
                self.unreadable(&path, &tree, error)?;
            }
            for (path, entry) in entries {
                match entry.node {
                    Node::Dir { tree } => trees.push((path, tree)),
                    Node::File { content, .. } => self.file(&path, &content)?,
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn unreadable(&mut self, path: &RelPath, tree: &Pointer, error: StoreError) -> Result<()> {
        match self.reading.store.settle(error) {
            StoreError::Corrupt { .. } => self.blame(tree, path),
            StoreError::Disk(error) if error.kind == DiskErrorKind::Io => self.blame(tree, path),
            error => return Err(error.into()),
        }
        Ok(())
    }

    fn file(&mut self, path: &RelPath, content: &crate::format::tree::Content) -> Result<()> {
        let reading = self.reading;
        let mut extents: Vec<Extent> = Vec::new();
        let listed = for_each_extent(&reading.reader, content, &mut |extent| {
            extents.push(*extent);
            Ok(())
        });
        if let Err(error) = listed {
            let error = Error::from(reading.store.settle(error));
            if error.kind() != ErrorKind::Corrupt {
                return Err(error);
            }
            self.spoil(ProblemKind::Object, error.to_string(), Some(path));
        }
        for extent in extents {
            self.chunk(&extent.chunk, path)?;
        }
        Ok(())
    }

    fn chunk(&mut self, chunk: &Pointer, path: &RelPath) -> Result<()> {
        if !self.seen.insert(chunk.id) {
            if self.bad.contains(&chunk.id) {
                self.blame(chunk, path);
            }
            return Ok(());
        }
        self.objects += 1;
        let place = self.reading.reader.index().find(&chunk.id, chunk.dedup_generation);
        let listed =
            place.filter(|place| place.entry.len_bytes == chunk.len_bytes && !self.broken.contains(&place.pack));
        let sound = match listed {
            None => false,
            Some(_) if !self.read_data => true,
            Some(_) => match self.reading.reader.read(chunk) {
                Ok(_) => true,
                Err(error) => match self.reading.store.settle(error) {
                    StoreError::Corrupt { .. } | StoreError::Disk(_) => false,
                    error => return Err(error.into()),
                },
            },
        };
        if !sound {
            self.bad.insert(chunk.id);
            self.blame(chunk, path);
        }
        Ok(())
    }

    /// Notes that a path is spoiled by the pack that should hold an object, or by the object where none does.
    fn blame(&mut self, pointer: &Pointer, path: &RelPath) {
        let place = self.reading.reader.index().find(&pointer.id, pointer.dedup_generation);
        match place {
            Some(place) => self.spoil(ProblemKind::DamagedPack, layout::pack(&place.pack).to_string(), Some(path)),
            None => self.spoil(ProblemKind::Object, format!("object {}", pointer.id), Some(path)),
        }
    }
}
