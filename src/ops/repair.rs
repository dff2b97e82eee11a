//! `repair`: mends what can be mended without another copy. What follows from what stands is made again, and of damaged packs
//! every object whose seal still holds goes into new ones.
//!
//! It never guesses: no snapshot is made up, altered or dropped, no lost chunk is replaced, and what stays lost is listed. The
//! damaged packs stay where they are, condemned, for as long as any condemned pack does.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::base::limits::HEAD_MAX_BYTES;
use crate::base::monitor::{Amount, Task};
use crate::base::{ObjectId, PackHash, RelPath, StorePath};
use crate::disk::{Disk, DiskErrorKind, read_all};
use crate::error::{Error, ErrorKind, Result};
use crate::format::head::SignedHead;
use crate::format::manifest::{CondemnedPack, PackRef};
use crate::format::pack::PackEntry;
use crate::format::sealed::SealedPart;
use crate::format::{FormatError, Kind, Pointer};
use crate::ops::Run;
use crate::ops::heal::mend_marker;
use crate::ops::host_state::HostState;
use crate::ops::local_keys::WriterKey;
use crate::ops::merged_index::{INDEX_LEVEL, merge_indexes};
use crate::ops::verify::inner::{Found, Inner, Layer};
use crate::ops::verify::packs::check_packs;
use crate::ops::writing::{Writing, remember, require_newest};
use crate::store::head;
use crate::store::index::{ObjectIndex, Source, read_part};
use crate::store::lock::WriteLock;
use crate::store::object::{Opener, SealedObject, Sealer, snapshot_pointer};
use crate::store::pack::{read_exactly, read_index};
use crate::store::reader::ObjectReader;
use crate::store::survey::{Fault, Survey, survey};
use crate::store::writer::Written;
use crate::store::{Next, Store, StoreError, Unlocked, layout};
use crate::tree::handed::pointers;
use crate::tree::reach::Met;
use crate::tree::snapshots;

/// How often is read what the medium does not give.
const READ_TRIES: u32 = 3;

/// What `repair` is asked for.
#[derive(Default)]
pub struct RepairRequest<'a> {
    /// Opens and signs; without it only what needs no secret is mended.
    pub writer: Option<&'a WriterKey>,
    /// The folder of this host's caches.
    pub cache: Option<&'a Path>,
    /// Says what would be done, and writes nothing.
    pub dry_run: bool,
    /// Packs that are hashed at a time.
    pub threads: usize,
}

/// What `repair` did, or would do.
#[derive(Debug, Clone, Default)]
pub struct Repaired {
    /// Files that were made again or taken away, without a secret.
    pub rebuilt: Vec<StorePath>,
    /// Files by which the store opens that are wrong still, and why.
    pub unmended: Vec<(StorePath, String)>,
    /// Packs that are missing or damaged.
    pub damaged_packs: Vec<StorePath>,
    /// Whether a writer's key looked into the store, so that what is lost is known.
    pub looked: bool,
    /// Objects that were brought out of damaged packs.
    pub salvaged_objects: u64,
    /// Their bytes as they are stored.
    pub salvaged_bytes: u64,
    /// New packs.
    pub packs: u64,
    /// Parts of merged indexes that were dropped; they are made again when they are needed.
    pub dropped_indexes: u64,
    /// The generation that was made; none where there was nothing to make it for.
    pub generation: Option<u64>,
    /// Objects that kept snapshots need and no pack has.
    pub lost_objects: u64,
    /// Kept snapshots that do not read themselves; `forget` drops them.
    pub lost_snapshots: Vec<ObjectId>,
    /// Paths that cannot be restored, at most 100, the first by name.
    pub lost_paths: Vec<RelPath>,
    /// How many such paths there are.
    pub lost_paths_total: u64,
    /// Whether the store notes where it was cloned from, or pushed to.
    pub has_remote: bool,
}

impl Repaired {
    /// Returns whether the store is whole again, as far as could be seen.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let is_salvaged = self.looked || self.damaged_packs.is_empty();
        self.unmended.is_empty() && is_salvaged && self.lost_objects == 0 && self.lost_snapshots.is_empty()
    }
}

/// Repairs a store. Costs one read of every pack; writes nothing where there is nothing to mend.
///
/// # Durability
/// What was mended is durable once this returns. After a cut within, the store opens as before or as repaired, and no object
/// that could be read before is lost.
///
/// # Errors
/// [`ErrorKind::NoStore`] where no store ever stood, [`ErrorKind::Locked`], [`ErrorKind::NoSpace`], [`ErrorKind::Gone`],
/// [`ErrorKind::Interrupted`], [`ErrorKind::NotTrusted`] for a key that is no writer, [`ErrorKind::Conflict`] when this host
/// has seen a newer state.
pub fn repair(disk: &Arc<dyn Disk>, request: &RepairRequest<'_>, run: Run<'_>) -> Result<Repaired> {
    let found = look(disk)?;
    let mut repaired = Repaired::default();
    let _lock = if request.dry_run { None } else { Some(WriteLock::take(disk.as_ref())?) };
    let stands = if request.dry_run {
        plan_roots(disk.as_ref(), &found, &mut repaired)?;
        found
    } else {
        mend_roots(disk.as_ref(), &found, &mut repaired)?;
        // A store stood here a moment ago.
        survey(disk.as_ref())?.ok_or(StoreError::Gone(None))?
    };
    for flaw in &stands.flaws {
        if !repaired.rebuilt.contains(&flaw.path) {
            repaired.unmended.push((flaw.path.clone(), flaw.fault.to_string()));
        }
    }
    repaired.has_remote = matches!(crate::store::replica::read_remote(disk.as_ref()), Ok(Some(_)));
    let opened = match stands.id.filter(|_| stands.flaw(&layout::marker()).is_some()) {
        Some(id) => Store::open_unmarked(Arc::clone(disk), id),
        None => Store::open(Arc::clone(disk)),
    };
    let store = match opened.map_err(Error::from) {
        Ok(store) => store,
        Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::NotTrusted) => return Ok(repaired),
        Err(error) => return Err(error),
    };
    let all = store.packs().packs().iter().map(|pack| pack.hash).collect();
    let damaged = check_packs(&store, &all, request.threads, run)?.broken;
    repaired.damaged_packs = damaged.iter().map(|(pack, _)| layout::pack(&pack.hash)).collect();
    drop(store);
    // On a state that is older than it should be nothing may be built, nor on one that nobody else can open.
    let may_build = !stands.hides_newer && stands.flaw(&layout::marker()).is_none();
    if let Some(writer) = request.writer.filter(|_| may_build) {
        let writing = Writing::look(Arc::clone(disk), writer, run)?;
        Salvage::new(&writing, &damaged, run)?.carry_out(request, &mut repaired)?;
    }
    Ok(repaired)
}

fn look(disk: &Arc<dyn Disk>) -> Result<Survey> {
    Ok(survey(disk.as_ref())?.ok_or(StoreError::NoStore)?)
}

/// Says which files can be made again, or are of no use and can go.
fn plan_roots(disk: &dyn Disk, found: &Survey, repaired: &mut Repaired) -> Result<()> {
    let is_there = |path: &StorePath| disk.metadata(path).map(|found| found.is_some());
    let mends = |path: &StorePath| found.flaw(path).is_some_and(|flaw| flaw.fault != Fault::InTheWay);
    if found.vouched.is_some() && mends(&layout::marker()) {
        repaired.rebuilt.push(layout::marker());
    }
    if let Some(newest) = found.newest.as_ref().filter(|_| !found.hides_newer) {
        let own = [layout::head_record(newest.head.generation), layout::head()];
        repaired.rebuilt.extend(own.into_iter().filter(|path| mends(path)));
        // A torn record tells of nothing, but beside a HEAD that is made again it would look like a newer state.
        repaired.rebuilt.extend(found.torn.iter().filter(|path| mends(path)).cloned());
        let older = found.flaws.iter().filter(|flaw| {
            let name = flaw.path.as_str().strip_prefix("heads/").and_then(layout::head_record_generation);
            name.is_some_and(|name| name < newest.head.generation) && flaw.fault == Fault::Damaged
        });
        repaired.rebuilt.extend(older.map(|flaw| flaw.path.clone()));
    }
    for leftover in [layout::head_new(), layout::pending()] {
        if is_there(&leftover)? && is_torn_record(disk, &leftover) {
            repaired.rebuilt.push(leftover);
        }
    }
    Ok(())
}

fn is_torn_record(disk: &dyn Disk, path: &StorePath) -> bool {
    match read_all(disk, path, HEAD_MAX_BYTES) {
        Ok(Some(bytes)) => !matches!(SignedHead::decode(&bytes), Ok(_) | Err(FormatError::TooNew(_))),
        _ => false,
    }
}

/// Makes again what follows from what stands, and takes away what tells of nothing.
fn mend_roots(disk: &dyn Disk, found: &Survey, repaired: &mut Repaired) -> Result<()> {
    plan_roots(disk, found, repaired)?;
    mend_marker(disk, found)?;
    let own = found.newest.as_ref().map(|newest| layout::head_record(newest.head.generation));
    let made = [Some(layout::marker()), Some(layout::head()), own.clone()];
    if let Some(newest) = &found.newest
        && repaired.rebuilt.iter().any(|path| *path == layout::head() || Some(path) == own.as_ref())
    {
        head::settle(disk, newest)?;
    }
    // Only once HEAD and its record are durable may go what stood beside them.
    for path in repaired.rebuilt.iter().filter(|path| !made.contains(&Some((*path).clone()))) {
        disk.remove(path)?;
        disk.sync_dir(&path.parent())?;
    }
    Ok(())
}

/// A frame that opens, and where it stands.
type Frame = (u64, PackEntry);

/// The rescue of what damaged packs still hold.
struct Salvage<'a> {
    writing: &'a Writing,
    damaged: &'a [(PackRef, Fault)],
    run: Run<'a>,
    sealed: SealedPart,
    dropped: u64,
    /// Objects of packs that are whole, and of damaged ones those that open where they stand.
    index: ObjectIndex,
    /// What trees hand on the keys to, gathered when it is first needed.
    handed: OnceLock<HashMap<ObjectId, Pointer>>,
    /// What opens in each damaged pack and is in no other.
    frames: Vec<(PackHash, Vec<Frame>)>,
}

impl<'a> Salvage<'a> {
    /// Finds out what can be saved; writes nothing.
    fn new(writing: &'a Writing, damaged: &'a [(PackRef, Fault)], run: Run<'a>) -> Result<Self> {
        let broken: HashSet<PackHash> = damaged.iter().map(|(pack, _)| pack.hash).collect();
        let Unlocked { keys, sealed } = &writing.unlocked;
        let (store, disk) = (&writing.store, writing.disk());
        let mut opener = Opener::new(store.id())?;
        let mut listed: HashMap<PackHash, Vec<Frame>> = HashMap::new();
        let mut kept = sealed.clone();
        kept.indexes.clear();
        for part in &sealed.indexes {
            match try_again(|| read_part(disk, part, keys, &mut opener)) {
                Ok(read) => {
                    for entry in &read.entries {
                        let pack = read.packs[entry.pack as usize];
                        if broken.contains(&pack) {
                            listed.entry(pack).or_default().push((entry.offset, entry.entry));
                        }
                    }
                    if !broken.contains(&part.pack) && store.packs().pack(&part.pack).is_some() {
                        kept.indexes.push(*part);
                    }
                }
                Err(error) => passed(store, error)?,
            }
        }
        let dropped = (sealed.indexes.len() - kept.indexes.len()) as u64;
        let source = Source { disk, store: store.id(), set: store.packs(), left_out: &broken };
        let index = ObjectIndex::load(source, &kept, keys, &mut |_, _| {})?;
        let (handed, frames) = (OnceLock::new(), Vec::new());
        let mut salvage = Self { writing, damaged, run, sealed: kept, dropped, index, handed, frames };
        salvage.open_frames(&mut listed, &mut opener)?;
        Ok(salvage)
    }

    fn open_frames(&mut self, listed: &mut HashMap<PackHash, Vec<Frame>>, opener: &mut Opener) -> Result<()> {
        let store = &self.writing.store;
        let keys = &self.writing.unlocked.keys;
        let total = Amount { files: self.damaged.len() as u64, bytes: 0 };
        self.run.monitor.begin(Task::Read, Some(total));
        let mut found: HashSet<(ObjectId, _)> = HashSet::new();
        for (pack, fault) in self.damaged.iter().filter(|(_, fault)| *fault != Fault::Missing) {
            self.run.check()?;
            let disk = self.writing.disk();
            let read = try_again(|| read_index(disk, store.id(), pack, &|epoch| keys.index_key(epoch)));
            let mut entries = match read {
                Ok(entries) => entries,
                Err(error) => {
                    passed(store, error)?;
                    listed.remove(&pack.hash).unwrap_or_default()
                }
            };
            entries.sort_unstable_by_key(|(offset, _)| *offset);
            entries.retain(|(_, entry)| self.index.find(&entry.id, entry.dedup_generation).is_none());
            let mut opened = Vec::new();
            for (offset, entry) in entries.iter().filter(|_| *fault != Fault::InTheWay) {
                self.run.check()?;
                if !found.contains(&(entry.id, entry.dedup_generation))
                    && self.frame(pack, *offset, entry, opener)?.is_some()
                {
                    found.insert((entry.id, entry.dedup_generation));
                    opened.push((*offset, *entry));
                }
            }
            self.run.monitor.advance(Task::Read, Amount { files: 1, bytes: 0 });
            self.frames.push((pack.hash, opened));
        }
        self.run.monitor.end(Task::Read);
        for (pack, opened) in &self.frames {
            self.index.add_pack(*pack, opened.iter().copied());
        }
        self.index.sort();
        Ok(())
    }

    /// Reads a frame and tries its seal; nothing where it does not hold, or its key cannot be made.
    fn frame(&self, pack: &PackRef, offset: u64, entry: &PackEntry, opener: &mut Opener) -> Result<Option<Vec<u8>>> {
        let Some(pointer) = self.pointer(entry) else { return Ok(None) };
        let disk = self.writing.disk();
        let read = try_again(|| {
            let file = disk.open(&layout::pack(&pack.hash))?;
            let frame = read_exactly(file.as_ref(), offset, entry.sealed_len_bytes, "a frame")?;
            // Opening uses a frame up.
            opener.open(&self.writing.unlocked.keys, &pointer, entry.codec, &mut frame.clone()).map(|_| frame)
        });
        match read {
            Ok(frame) => Ok(Some(frame)),
            Err(error) => passed(&self.writing.store, error).map(|()| None),
        }
    }

    /// Makes the pointer that a parent would have. Merged indexes are made again rather than saved.
    fn pointer(&self, entry: &PackEntry) -> Option<Pointer> {
        let Writing { keys, unlocked, .. } = self.writing;
        match entry.kind {
            Kind::Index => None,
            Kind::Snapshot => {
                // One that is not kept any more needs no saving.
                let kept = unlocked.sealed.snapshots.iter().find(|kept| kept.id == entry.id)?;
                snapshot_pointer(&unlocked.keys, entry.id, kept.epoch, entry.len_bytes)
            }
            kind => {
                let Some(maker) = keys.key_maker(entry.dedup_generation) else {
                    // A purge threw the secret away; what stayed is handed on by trees alone.
                    let handed = self.handed.get_or_init(|| self.gather()).get(&entry.id).copied();
                    return handed.filter(|handed| handed.dedup_generation == entry.dedup_generation);
                };
                let key = maker.object_key(kind, &entry.id);
                let (dedup_generation, len_bytes) = (entry.dedup_generation, entry.len_bytes);
                Some(Pointer { kind, dedup_generation, len_bytes, id: entry.id, key })
            }
        }
    }

    /// Gathers the pointers that the trees of kept snapshots hand on, as far as those read where they stand.
    fn gather(&self) -> HashMap<ObjectId, Pointer> {
        let (reader, mut met, mut found) = (&self.writing.reader, Met::default(), HashMap::new());
        for named in &self.writing.unlocked.sealed.snapshots {
            // What does not read hands on nothing; a medium that went away shows at the next frame.
            if let Ok(snapshot) = snapshots::load(reader, named) {
                let _ = pointers(reader, &snapshot.root, &mut met, &|_| true, &|| Ok(()), &mut found);
            }
        }
        found
    }

    /// Says what is lost, and unless it is a dry run makes the generation without the damage.
    fn carry_out(self, request: &RepairRequest<'_>, repaired: &mut Repaired) -> Result<()> {
        let lost = self.lost()?;
        repaired.looked = true;
        (repaired.lost_objects, repaired.lost_snapshots) = (lost.lost_objects, lost.lost_snapshots);
        (repaired.lost_paths, repaired.lost_paths_total) = (lost.paths.first(), lost.paths.total());
        let saved = self.frames.iter().flat_map(|(_, frames)| frames);
        repaired.salvaged_objects = saved.clone().count() as u64;
        repaired.salvaged_bytes = saved.map(|(_, entry)| entry.sealed_len_bytes).sum();
        repaired.dropped_indexes = self.dropped;
        let is_needed = self.dropped > 0 || !self.damaged.is_empty();
        if request.dry_run || !is_needed {
            return Ok(());
        }
        self.writing.settle()?;
        require_newest(&self.writing.store, &HostState::load(request.cache, self.writing.store.id()))?;
        self.publish(request, repaired)
    }

    /// Goes through every kept snapshot with what there will be.
    fn lost(&self) -> Result<Found> {
        let Writing { store, unlocked, .. } = self.writing;
        let disk = Arc::clone(store.disk());
        let reader = ObjectReader::new(disk, store.id(), unlocked.keys.clone(), self.index.clone());
        let sealed = self.sealed.clone();
        let unlocked = &Unlocked { keys: unlocked.keys.clone(), sealed };
        Inner::new(Layer { store, unlocked, reader: &reader }, &HashSet::new(), false, self.run).check()
    }

    fn publish(mut self, request: &RepairRequest<'_>, repaired: &mut Repaired) -> Result<()> {
        let writing = self.writing;
        let mut written = self.copy()?;
        // What was saved is found in the new packs from here on, and not where it stood.
        let broken: HashSet<PackHash> = self.damaged.iter().map(|(pack, _)| pack.hash).collect();
        let Unlocked { keys, .. } = &writing.unlocked;
        let (disk, set) = (writing.disk(), writing.store.packs());
        let source = Source { disk, store: writing.store.id(), set, left_out: &broken };
        let index = ObjectIndex::load(source, &self.sealed, keys, &mut |_, _| {})?;
        let mut sealer = Sealer::new(writing.store.id(), INDEX_LEVEL)?;
        merge_indexes(writing, &index, &broken, &mut self.sealed, &mut written, &mut sealer)?;
        let now = self.run.clock.now();
        let mut next = Next::following(set, self.sealed, now);
        next.removed = self.damaged.iter().map(|(pack, _)| pack.hash).collect();
        let standing = self.damaged.iter().filter(|(_, fault)| *fault != Fault::Missing);
        next.condemned.extend(standing.map(|(pack, _)| CondemnedPack {
            hash: pack.hash,
            len_bytes: pack.len_bytes,
            since: now,
        }));
        repaired.packs = written.packs.len() as u64;
        next.added = written.packs;
        let record = writing.publish(next)?;
        repaired.generation = Some(record.head.generation.0);
        remember(request.cache, writing, record.head.generation, self.run);
        Ok(())
    }

    /// Copies every frame that opens, as it is.
    fn copy(&self) -> Result<Written> {
        let mut writer = self.writing.pack_writer()?.beside_listed();
        let mut opener = Opener::new(self.writing.store.id())?;
        let packs: HashMap<_, _> = self.damaged.iter().map(|(pack, _)| (pack.hash, pack)).collect();
        for (pack, frames) in &self.frames {
            for (offset, entry) in frames {
                self.run.check()?;
                let frame = self.frame(packs[pack], *offset, entry, &mut opener)?;
                let frame = frame.ok_or_else(|| StoreError::damaged("a frame that opened a moment ago"))?;
                writer.put(SealedObject { entry: *entry, frame })?;
            }
        }
        Ok(writer.finish()?)
    }
}

/// Reads again what a worn medium does not give the first time, since what is given up here is lost.
fn try_again<T>(mut read: impl FnMut() -> std::result::Result<T, StoreError>) -> std::result::Result<T, StoreError> {
    for _ in 1..READ_TRIES {
        match read() {
            Err(StoreError::Disk(error)) if error.kind == DiskErrorKind::Io => {}
            done => return done,
        }
    }
    read()
}

/// Goes on past what costs one object; whatever else failed ends the run.
fn passed(store: &Store, error: StoreError) -> Result<()> {
    match store.settle(error) {
        StoreError::Disk(error) if error.kind == DiskErrorKind::NotFound => Ok(()),
        error if error.costs_one_entry() => Ok(()),
        error => Err(error.into()),
    }
}
