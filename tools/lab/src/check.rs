//! The verdict on one state: it opens as exactly the acknowledged generation or the next one, nothing that was
//! acknowledged is lost, and the next sync goes on from what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use chunkstore::base::clock::FixedClock;
use chunkstore::base::limits::HEAD_MAX_BYTES;
use chunkstore::base::monitor::SilentMonitor;
use chunkstore::base::random::SeededRandom;
use chunkstore::base::{Generation, StorePath, Timestamp};
use chunkstore::disk::sim::Profile;
use chunkstore::disk::{Disk, DiskErrorKind, DiskFileKind, SimDisk, read_all};
use chunkstore::format::head::Group;
use chunkstore::format::head::SignedHead;
use chunkstore::format::keylist::KeyTag;
use chunkstore::ops::Run;
use chunkstore::ops::clone::{CloneRequest, clone_store};
use chunkstore::ops::host_state::HostState;
use chunkstore::ops::sync::{SyncRequest, sync};
use chunkstore::ops::verify::{ProblemKind, VerifyRequest, verify};
use chunkstore::path_remote::PathRemote;
use chunkstore::remote::{Remote, RemoteError, Session};
use chunkstore::store::head::Soundness;
use chunkstore::store::pack::pack_is_whole;
use chunkstore::store::{Store, StoreError, layout, replica};

use crate::error::{LabError, Result};
use crate::opening::OpensImages;
use crate::recording::{Mark, Recording};
use crate::states::{Player, StateId};
use crate::upkeep::{Broken, Upkeep};
use crate::volume::{Act, Refusal};

/// What a state opened as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The acknowledged generation.
    Old,
    /// The next generation.
    New,
    /// No store yet.
    None,
    /// No store yet, and the folder that was being made for it does not read until the file system is repaired.
    Unread,
    /// One of both by its record, since `HEAD` does not hold: the next run writes it again.
    HeadLost,
    /// One of both, and a newer record is there that does not open.
    Older,
}

/// How a state is not what was promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// It does not open, or as something that no step made.
    Inconsistent,
    /// Something that was acknowledged is missing or damaged.
    Lost,
    /// The next run does not end what was begun, or fetches what was there.
    Refetched,
    /// The kernel's own driver shows another volume than the lab's reader, so no verdict on it counts.
    Differs,
    /// Linux stops writing to the volume when the next run uses the store's files, until somebody repairs it.
    Refused,
}

/// A state that is not what was promised, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// How.
    pub failure: Failure,
    /// Why, in one line.
    pub why: String,
}

/// The generations that a state may open as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// What the last step before the cut acknowledged; nothing before the first.
    pub acknowledged: Option<u64>,
    /// What the next step acknowledges.
    pub next: Option<u64>,
    /// How many steps had been acknowledged.
    pub steps: usize,
}

/// What a recording says about each of its states.
pub struct Facts {
    marks: Vec<Mark>,
    /// The bytes of each generation's record.
    heads: BTreeMap<u64, Vec<u8>>,
    time: Timestamp,
    /// The store at the end, which is the remote of the next sync.
    last: Store,
    remote: Arc<dyn Remote>,
    fingerprint: String,
    tag: Option<KeyTag>,
    /// What is asked beyond that where the last verb keeps a store in order.
    upkeep: Option<Upkeep>,
}

impl Facts {
    /// Takes the legal records from the device at each mark and at the end, and the store at the end as remote.
    ///
    /// # Errors
    /// [`LabError`] where the recording has no marks, one is not where its step ended, or its end does not open.
    pub fn gather(recording: &Recording, medium: &dyn OpensImages) -> Result<Self> {
        let time = recording.header.recorded.parse();
        let time = time.map_err(|error| LabError::because("the recording's time does not read", error))?;
        let last_mark =
            recording.marks().last().ok_or_else(|| LabError::new("the recording has no acknowledged step"))?;
        let mut heads = BTreeMap::new();
        let mut player = Player::new(recording);
        let mut upkeep = None;
        for mark in recording.marks() {
            let opened = player.show(&StateId::Prefix { count: mark.at + 1 }, |image| medium.open(image))??;
            let store = open_at(&opened.disk, mark)?;
            note_record(&mut heads, mark.generation, store.head().bytes())?;
            if mark == &recording.marks()[0] {
                upkeep = Upkeep::of(&recording.header, recording.marks(), &store, time)?;
            }
            match &mut upkeep {
                Some(upkeep) => upkeep.note(&opened.disk)?,
                None => refuse_late(&opened.disk, &store, mark)?,
            }
        }
        let end = StateId::Prefix { count: recording.log.entries.len() };
        let opened = player.show(&end, |image| medium.open(image))??;
        read_heads(opened.disk.as_ref(), &mut heads)?;
        let copy = load(opened.disk.as_ref())?;
        let failed = |error: StoreError| LabError::because("the store at the recording's end does not open", error);
        let last = Store::open(Arc::new(copy.clone())).map_err(failed)?;
        if last.head().head.generation.0 != last_mark.generation {
            return Err(LabError::new("the store at the recording's end is not what its last step acknowledged"));
        }
        let tag = replica::read_tag(&copy).map_err(failed)?;
        let remote = Arc::new(OneByOne(PathRemote::new(Arc::new(copy), "/publisher".into())));
        let fingerprint = last.trust().fingerprint();
        Ok(Self { marks: recording.marks().to_vec(), heads, time, last, remote, fingerprint, tag, upkeep })
    }

    /// Returns what a state may open as.
    #[must_use]
    pub fn expected(&self, id: &StateId) -> Expected {
        let before = self.marks.partition_point(|mark| mark.at < id.begun());
        let generation = |at: usize| self.marks.get(at).map(|mark| mark.generation);
        Expected { acknowledged: before.checked_sub(1).and_then(generation), next: generation(before), steps: before }
    }
}

/// Opens the store at a mark.
fn open_at(disk: &Arc<dyn Disk>, mark: &Mark) -> Result<Store> {
    let Mark { step, generation, .. } = mark;
    let failed =
        |error: StoreError| LabError::because(format!("the store does not open at the mark of step {step}"), error);
    let store = Store::open(Arc::clone(disk)).map_err(failed)?;
    let opened = store.head().head.generation.0;
    if opened != *generation {
        let text = format!("at the mark of step {step} the store has generation {opened}, not {generation}");
        return Err(LabError::new(text));
    }
    Ok(store)
}

/// Refuses a mark that is not where its step ended: later, less would be asked of each state than was promised.
fn refuse_late(disk: &Arc<dyn Disk>, store: &Store, mark: &Mark) -> Result<()> {
    let step = mark.step;
    let failed = |error| LabError::because(format!("the store does not list at the mark of step {step}"), error);
    let listed: BTreeSet<StorePath> = store.packs().packs().iter().map(|pack| layout::pack(&pack.hash)).collect();
    for dir in (0..=255).map(layout::pack_dir) {
        for (name, _) in disk.list(&dir).map_err(failed)? {
            let is_listed = StorePath::new(&format!("{dir}/{name}")).is_ok_and(|path| listed.contains(&path));
            if !is_listed {
                let text = format!("the mark of step {step} came late: {dir}/{name} is of a later step");
                return Err(LabError::new(text));
            }
        }
    }
    Ok(())
}

/// Notes the records that a store holds, by generation.
fn read_heads(disk: &dyn Disk, heads: &mut BTreeMap<u64, Vec<u8>>) -> Result<()> {
    let failed = |error| LabError::because("the records of the recording do not read", error);
    let names = disk.list(&layout::heads()).map_err(failed)?;
    let records = names.iter().filter_map(|(name, _)| layout::head_record_generation(name)).map(layout::head_record);
    for path in records.chain([layout::head()]) {
        let Some(bytes) = read_all(disk, &path, HEAD_MAX_BYTES).map_err(failed)? else { continue };
        if let Ok(record) = SignedHead::decode(&bytes) {
            note_record(heads, record.head.generation.0, &bytes)?;
        }
    }
    Ok(())
}

/// Notes a record, and refuses a second one of the same generation.
fn note_record(heads: &mut BTreeMap<u64, Vec<u8>>, generation: u64, bytes: &[u8]) -> Result<()> {
    let known = heads.entry(generation).or_insert_with(|| bytes.to_vec());
    if known != bytes {
        return Err(LabError::new(format!("the recording has two records of generation {generation}")));
    }
    Ok(())
}

/// Judges one state; a deep look also syncs a copy of it with the store at the recording's end.
///
/// # Errors
/// [`Failed`], also where the program panicked.
pub fn check(
    disk: &Arc<dyn Disk>,
    facts: &Facts,
    expected: Expected,
    is_deep: bool,
) -> std::result::Result<Outcome, Failed> {
    let judged = catch_unwind(AssertUnwindSafe(|| judge(disk, facts, expected, is_deep)));
    judged.unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a word");
        inconsistent(format!("the program panicked: {said}"))
    })
}

/// Returns whether an honest next run may meet a refusal: it looks at, reads and removes any file of the store, and appends to
/// none that a cut left on FAT (`Capabilities::append_after_cut`).
#[must_use]
pub fn is_met(refusal: &Refusal) -> bool {
    refusal.act != Act::Append
}

/// Fails a state that is right but for a refusal; before the first step nothing was promised.
///
/// # Errors
/// [`Failed`].
pub fn check_refused(refusal: &Refusal, expected: Expected) -> std::result::Result<(), Failed> {
    if expected.acknowledged.is_none() {
        return Ok(());
    }
    let act = match refusal.act {
        Act::LookUp => "is looked up",
        Act::Read => "is read",
        Act::Remove => "is removed",
        Act::Append => "is appended to",
    };
    let why = format!("Linux stops writing when {} {act}: {}", refusal.path, refusal.why);
    Err(Failed { failure: Failure::Refused, why })
}

fn inconsistent<T>(why: impl Into<String>) -> std::result::Result<T, Failed> {
    Err(Failed { failure: Failure::Inconsistent, why: why.into() })
}

fn lost<T>(why: impl Into<String>) -> std::result::Result<T, Failed> {
    Err(Failed { failure: Failure::Lost, why: why.into() })
}

fn refetched<T>(why: impl Into<String>) -> std::result::Result<T, Failed> {
    Err(Failed { failure: Failure::Refetched, why: why.into() })
}

// U5 U7 U9 U11
fn judge(
    disk: &Arc<dyn Disk>,
    facts: &Facts,
    expected: Expected,
    is_deep: bool,
) -> std::result::Result<Outcome, Failed> {
    let opened = match (Store::open(Arc::clone(disk)), expected.acknowledged) {
        (Ok(store), _) => Some(store),
        (Err(StoreError::NoStore | StoreError::Corrupt { .. }), None) => None,
        // A folder that a cut tore while it was made; nothing had been promised, and no program can undo it.
        (Err(StoreError::Disk(error)), None) if error.kind == DiskErrorKind::Io => return Ok(Outcome::Unread),
        (Err(StoreError::NoStore), Some(generation)) => {
            return lost(format!("there is no store, and generation {generation} was acknowledged"));
        }
        (Err(error), _) => return inconsistent(format!("it does not open: {}", in_full(&error))),
    };
    let outcome = match &opened {
        Some(store) => judge_opened(store, facts, expected)?,
        None => Outcome::None,
    };
    if let Some(upkeep) = facts.upkeep.as_ref().filter(|_| opened.is_some()) {
        let copy = load(disk.as_ref()).or_else(|error| inconsistent(error.to_string()))?;
        match upkeep.check(&copy, expected.steps, &facts.remote) {
            Err(Broken::Lost(why)) => return lost(why),
            Err(Broken::Unfinished(why)) => return refetched(why),
            Ok(()) => {}
        }
    } else if is_deep {
        match load(disk.as_ref()) {
            Ok(copy) => sync_again(&copy, facts, opened.as_ref())?,
            // As above: a folder of the store, torn while it was made.
            Err(_) if opened.is_none() => return Ok(Outcome::Unread),
            Err(error) => return inconsistent(error.to_string()),
        }
    }
    Ok(outcome)
}

fn judge_opened(store: &Store, facts: &Facts, expected: Expected) -> std::result::Result<Outcome, Failed> {
    let generation = store.head().head.generation.0;
    let outcome = match expected {
        Expected { acknowledged: Some(old), .. } if old == generation => Outcome::Old,
        Expected { next: Some(new), .. } if new == generation => Outcome::New,
        // On the way to what it acknowledges a step may make more than one record.
        Expected { acknowledged: Some(old), next: Some(new), .. }
            if (old..new).contains(&generation) && facts.upkeep.is_some() =>
        {
            Outcome::New
        }
        Expected { acknowledged: Some(old), .. } if generation < old => {
            return lost(format!("it opens as generation {generation}, and {old} was acknowledged"));
        }
        _ => return inconsistent(format!("it opens as generation {generation}, which no step made")),
    };
    if facts.heads.get(&generation).is_none_or(|bytes| bytes != store.head().bytes()) {
        return inconsistent(format!("it opens as another generation {generation} than the one that was made"));
    }
    let (clock, random) = (FixedClock::new(facts.time), SeededRandom::new(1));
    let run = Run { clock: &clock, random: &random, monitor: &SilentMonitor };
    let request = VerifyRequest { identities: &[], read_data: false, ..VerifyRequest::default() };
    let report = match verify(Arc::clone(store.disk()), &request, run) {
        Ok(report) => report,
        Err(error) => return inconsistent(format!("verify fails: {}", error.in_full())),
    };
    let mut is_head_lost = false;
    for finding in &report.findings {
        match finding.kind {
            ProblemKind::Head => is_head_lost = true,
            _ if facts.upkeep.as_ref().is_some_and(|upkeep| upkeep.tolerates(expected.steps, &finding.file)) => {}
            kind => return lost(format!("verify finds a problem ({}) in {}", kind.name(), finding.file)),
        }
    }
    Ok(match store.soundness() {
        Soundness::Older => Outcome::Older,
        _ if is_head_lost => Outcome::HeadLost,
        _ => outcome,
    })
}

/// Plugs a copy of the state in again: the next run reaches the last generation and fetches exactly what is not whole.
fn sync_again(copy: &SimDisk, facts: &Facts, opened: Option<&Store>) -> std::result::Result<(), Failed> {
    let target = facts.last.head().head.generation;
    if opened.is_some_and(|store| store.head().head.generation > target) {
        return Ok(());
    }
    let packs = facts.last.packs().packs();
    let whole = |disk: &SimDisk| packs.iter().filter(|pack| is_whole(disk, pack)).count();
    let before = whole(copy);
    let (generation, fetched, reused) = match run_again(copy, facts, opened.is_some()) {
        Ok(done) => done,
        Err(error) => return refetched(format!("the next run fails: {}", error.in_full())),
    };
    if generation != target {
        return refetched(format!("the next run reaches generation {generation}, not {target}"));
    }
    if (fetched, reused) != ((packs.len() - before) as u64, before as u64) {
        return refetched(format!("{before} of {} packs were whole, and {fetched} were fetched", packs.len()));
    }
    let least = copy.plug_back();
    let reopened = Store::open(Arc::new(least.clone()));
    let is_there = reopened.is_ok_and(|store| store.head().bytes() == facts.last.head().bytes());
    if !is_there || whole(&least) < packs.len() {
        return refetched(format!("after the next run generation {target} is not durable"));
    }
    if copy.content("pending").is_some() || copy.content("replica/unclean").is_some() {
        return refetched("the next run left a trace of itself");
    }
    Ok(())
}

/// Returns whether the remote, which is the store at the recording's end, makes a broken state whole, by a sync or, where no
/// store opens, by the clone done again: it opens as the remote's generation, and verify finds nothing.
#[must_use]
pub fn is_mended_from_remote(disk: &Arc<dyn Disk>, facts: &Facts) -> bool {
    let Ok(copy) = load(disk.as_ref()) else { return false };
    let mended = catch_unwind(AssertUnwindSafe(|| {
        let (generation, _, _) = run_again(&copy, facts, Store::open(Arc::new(copy.clone())).is_ok())?;
        let (clock, random) = (FixedClock::new(facts.time), SeededRandom::new(1));
        let run = Run { clock: &clock, random: &random, monitor: &SilentMonitor };
        let request = VerifyRequest { identities: &[], read_data: false, ..VerifyRequest::default() };
        let report = verify(Arc::new(copy.plug_back()), &request, run)?;
        Ok::<_, chunkstore::error::Error>(generation == facts.last.head().head.generation && report.findings.is_empty())
    }));
    matches!(mended, Ok(Ok(true)))
}

fn is_whole(disk: &SimDisk, pack: &chunkstore::format::manifest::PackRef) -> bool {
    pack_is_whole(disk, pack, &mut |_| {}).unwrap_or(false)
}

/// Syncs a store, or clones where there is none yet; returns the generation, packs fetched and packs that were there.
fn run_again(
    copy: &SimDisk,
    facts: &Facts,
    is_store: bool,
) -> std::result::Result<(Generation, u64, u64), chunkstore::error::Error> {
    let disk: Arc<dyn Disk> = Arc::new(copy.clone());
    let (clock, random) = (FixedClock::new(facts.time), SeededRandom::new(1));
    let run = Run { clock: &clock, random: &random, monitor: &SilentMonitor };
    if is_store {
        let remotes = [Arc::clone(&facts.remote)];
        let synced = sync(&disk, &remotes, SyncRequest::default(), &mut HostState::default(), run)?;
        return Ok((synced.generation, synced.packs_fetched, synced.packs_reused));
    }
    let trust = Some(facts.fingerprint.clone());
    let request =
        CloneRequest { group: Group::all(), trust, confirm: &|_| Ok(false), reader: facts.tag, accept_older: false };
    let cloned = clone_store(&facts.remote, &disk, &request, None, run)?;
    Ok((cloned.generation, cloned.packs_fetched, cloned.packs_reused))
}

/// Copies a store's directory to a simulated FAT key, durable; of a file that does not read the part that does.
///
/// # Errors
/// [`LabError`] for a directory that does not list.
pub fn load(disk: &dyn Disk) -> Result<SimDisk> {
    let copy = SimDisk::new(Profile::Fat32);
    let failed = |error| LabError::because("the state cannot be copied", error);
    let mut dirs = vec![StorePath::root()];
    while let Some(dir) = dirs.pop() {
        let is_root = dir.as_str().is_empty();
        // Before the first step there may be no directory at all.
        if is_root && !disk.metadata(&dir).map_err(failed)?.is_some_and(|found| found.kind == DiskFileKind::Dir) {
            break;
        }
        for (name, metadata) in disk.list(&dir).map_err(failed)? {
            let path = if is_root { name } else { format!("{dir}/{name}") };
            // A name that lies deeper than a store goes is foreign.
            let Ok(path) = StorePath::new(&path) else { continue };
            match metadata.kind {
                DiskFileKind::Dir => {
                    copy.create_dir(&path).map_err(failed)?;
                    dirs.push(path);
                }
                DiskFileKind::File => copy.put(path.as_str(), &read_what_reads(disk, &path, metadata.len_bytes)),
                DiskFileKind::Other => {}
            }
        }
    }
    Ok(copy.settled())
}

/// Longest file that is copied: more than any of a store.
const COPY_MAX_BYTES: u64 = 256 << 20;

fn read_what_reads(disk: &dyn Disk, path: &StorePath, len_bytes: u64) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(len_bytes.min(COPY_MAX_BYTES)).unwrap_or(0)];
    let mut filled = 0;
    if let Ok(file) = disk.open(path) {
        while filled < bytes.len() {
            let piece = (bytes.len() - filled).min(1 << 16);
            match file.read_at(filled as u64, &mut bytes[filled..filled + piece]) {
                Ok(count) if count > 0 => filled += count,
                _ => break,
            }
        }
    }
    bytes.truncate(filled);
    bytes
}

/// Returns an error and its causes in one line.
fn in_full(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// A remote that takes one session at a time, so that a run is the same each time.
struct OneByOne(PathRemote);

impl Remote for OneByOne {
    fn address(&self) -> String {
        self.0.address()
    }

    fn connect(&self) -> std::result::Result<Box<dyn Session>, RemoteError> {
        self.0.connect()
    }

    fn session_limit(&self) -> usize {
        1
    }

    fn wire_bytes(&self) -> u64 {
        self.0.wire_bytes()
    }
}
