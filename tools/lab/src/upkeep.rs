//! What is asked of a state in which `gc`, `verify --heal` or `repair` was cut: whatever an acknowledged state held is there
//! and opens, and the same verb, run again, ends what was begun.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use chunkstore::base::clock::FixedClock;
use chunkstore::base::monitor::SilentMonitor;
use chunkstore::base::random::SeededRandom;
use chunkstore::base::{ObjectId, RelPath, Timestamp};
use chunkstore::crypto::wrap::Identity;
use chunkstore::disk::{Disk, SimDisk, SimFolder};
use chunkstore::error::{Error, ErrorKind, Result as StoreResult};
use chunkstore::ops::Run;
use chunkstore::ops::gc::{Collected, GcRequest, gc};
use chunkstore::ops::local_keys::{KeyDir, WriterKey};
use chunkstore::ops::open::Spot;
use chunkstore::ops::repair::{RepairRequest, repair};
use chunkstore::ops::restore::{RestoreOptions, RestoreRequest, restore};
use chunkstore::ops::verify::{ProblemKind, Report, VerifyRequest, verify};
use chunkstore::remote::Remote;
use chunkstore::store::Store;
use chunkstore::store::sweep::{Standing, list_standing};

use crate::error::{LabError, Result};
use crate::recording::{Header, Mark};

/// The file of a writer's key.
pub const WRITER_KEY: &str = "writer.key";
/// The file of a reader's key.
pub const READER_KEY: &str = "reader.key";

/// A verb that keeps a store in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Gc,
    Heal,
    Repair,
}

/// What a snapshot's files hold.
type Holding = BTreeMap<RelPath, Vec<u8>>;

/// What a store was when a step had returned.
#[derive(Debug, Default)]
struct Acknowledged {
    /// Files that verify found broken.
    broken: BTreeSet<String>,
    /// What could be restored of each kept snapshot.
    kept: BTreeMap<ObjectId, Holding>,
}

/// How a state is not what was promised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broken {
    /// Something that an acknowledged state held.
    Lost(String),
    /// The verb, run again, does not end what was begun.
    Unfinished(String),
}

/// What a recording says about the states of its last verb.
pub struct Upkeep {
    verb: Verb,
    time: Timestamp,
    identities: Vec<Identity>,
    writer: Option<WriterKey>,
    /// In the order of the marks.
    acknowledged: Vec<Acknowledged>,
    /// Verdicts by how many marks came before, and what the store's directory held.
    seen: Mutex<BTreeMap<(usize, String), Option<Broken>>>,
}

impl Upkeep {
    /// Returns what is asked of the states of a recording whose last verb is one of these; nothing of any other.
    ///
    /// # Errors
    /// [`LabError`] where its keys do not read.
    pub fn of(header: &Header, marks: &[Mark], store: &Store, time: Timestamp) -> Result<Option<Self>> {
        let verb = match marks.last().map(|mark| mark.verb.as_str()) {
            Some("gc") => Verb::Gc,
            Some("heal") => Verb::Heal,
            Some("repair") => Verb::Repair,
            _ => return Ok(None),
        };
        let failed = |error| LabError::because("the recording's keys do not read", error);
        let dir = tempfile::tempdir().map_err(|error| LabError::because("cannot make a folder for keys", error))?;
        let keys = KeyDir::new(dir.path(), store.id());
        for (name, text) in header.keys.iter().filter(|(name, _)| [WRITER_KEY, READER_KEY].contains(&name.as_str())) {
            let path = keys.path(name);
            let written = std::fs::create_dir_all(dir.path().join(store.id().to_string()))
                .and_then(|()| std::fs::write(&path, format!("{}\n", text.trim_end())));
            written.map_err(|error| LabError::because("cannot write a key", error))?;
        }
        let closed = |_: &str| Err(Error::new(ErrorKind::NoIdentity, "it has a passphrase"));
        let identities = keys.load_reader(&closed).map_err(failed)?;
        let writer = keys.load_writer(&closed).map_err(failed)?;
        Ok(Some(Self { verb, time, identities, writer, acknowledged: Vec::new(), seen: Mutex::default() }))
    }

    /// Notes what the store is at the next mark.
    ///
    /// # Errors
    /// [`LabError`] where it does not open with the recording's keys.
    pub fn note(&mut self, disk: &Arc<dyn Disk>) -> Result<()> {
        let failed = |error| LabError::because("a state at a mark is not what it should be", error);
        let findings = self.verify(disk, &[]).map_err(failed)?.findings;
        let broken = findings.into_iter().map(|finding| finding.file).collect();
        let kept = self.kept(disk).map_err(failed)?;
        self.acknowledged.push(Acknowledged { broken, kept });
        Ok(())
    }

    /// Returns whether a file was broken when the last step before a state had returned, so that it may be broken still.
    #[must_use]
    pub fn tolerates(&self, marks_before: usize, file: &str) -> bool {
        self.at(marks_before.saturating_sub(1)).is_some_and(|then| then.broken.contains(file))
    }

    fn at(&self, mark: usize) -> Option<&Acknowledged> {
        self.acknowledged.get(mark)
    }

    /// Judges a copy of a state's store, of which the caller knows that it opens and that its packs are what they were; the
    /// copy is changed. A store that was judged already is not judged again.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn check(
        &self,
        copy: &SimDisk,
        marks_before: usize,
        remote: &Arc<dyn Remote>,
    ) -> std::result::Result<(), Broken> {
        let key = (marks_before, copy.fingerprint().to_string());
        let seen = || self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(verdict) = seen().get(&key) {
            return verdict.clone().map_or(Ok(()), Err);
        }
        let verdict = self.check_fresh(copy, marks_before, remote);
        seen().insert(key, verdict.clone().err());
        verdict
    }

    fn check_fresh(
        &self,
        copy: &SimDisk,
        marks_before: usize,
        remote: &Arc<dyn Remote>,
    ) -> std::result::Result<(), Broken> {
        let lost = |why: String| Err(Broken::Lost(why));
        let before = match self.kept(&shared(copy)) {
            Ok(kept) => kept,
            Err(error) => return lost(format!("it does not restore: {}", error.in_full())),
        };
        if let Some(why) = self.missing(marks_before, &before) {
            return lost(why);
        }
        let unfinished = |why: String| Err(Broken::Unfinished(why));
        match self.run_again(copy, remote) {
            Err(error) => return unfinished(format!("the next run fails: {}", error.in_full())),
            Ok(Some(why)) => return unfinished(format!("the next run ends nothing: {why}")),
            Ok(None) => {}
        }
        // What the run ended is durable: nothing else of the copy's state need be.
        let least = copy.plug_back();
        let after = match self.kept(&shared(&least)) {
            Ok(after) => after,
            Err(error) => return lost(format!("after the next run it does not restore: {}", error.in_full())),
        };
        if let Some(why) = first_loss(&before, &after) {
            return lost(format!("after the next run {why}"));
        }
        match self.left(&least) {
            Err(error) => unfinished(format!("after the next run it does not open: {}", error.in_full())),
            Ok(Some(why)) => unfinished(format!("after the next run {why}")),
            Ok(None) => Ok(()),
        }
    }

    /// Says which snapshot or file of the acknowledged state is not there; a state may hold the next list of snapshots as well.
    fn missing(&self, marks_before: usize, kept: &BTreeMap<ObjectId, Holding>) -> Option<String> {
        let before = self.at(marks_before.saturating_sub(1))?;
        let next = self.at(marks_before.max(1)).unwrap_or(before);
        let is_list = |of: &Acknowledged| of.kept.keys().eq(kept.keys());
        match [before, next].into_iter().find(|of| is_list(of)) {
            Some(of) => first_loss(&of.kept, kept),
            None => Some(format!("it lists {} snapshots, which no step did", kept.len())),
        }
    }

    /// Runs the verb; says how it did not do what it is for.
    fn run_again(&self, copy: &SimDisk, remote: &Arc<dyn Remote>) -> StoreResult<Option<String>> {
        match self.verb {
            Verb::Gc => {
                let done = self.collect(copy, false)?;
                Ok(done.readers.then(|| "somebody reads".to_owned()))
            }
            Verb::Heal => {
                let report = self.verify(&shared(copy), std::slice::from_ref(remote))?;
                let left = report.left().next();
                Ok(left.map(|finding| format!("{} is broken still", finding.file)))
            }
            Verb::Repair => {
                let done = with_run(self.time, |run| repair(&shared(copy), &self.repair_request(), run))?;
                let unmended = done.unmended.first();
                Ok(unmended.map(|(path, why)| format!("{path} is broken still: {why}")))
            }
        }
    }

    /// Says what a next run would find to do, or what is not as it should be in the end.
    fn left(&self, disk: &SimDisk) -> StoreResult<Option<String>> {
        let report = self.verify(&shared(disk), &[])?;
        // What no copy has stays lost, and is said.
        let is_loss = |kind| self.verb == Verb::Repair && kind == ProblemKind::Object;
        if let Some(finding) = report.findings.iter().find(|finding| !is_loss(finding.kind)) {
            return Ok(Some(format!("verify finds a problem ({}) in {}", finding.kind.name(), finding.file)));
        }
        match self.verb {
            Verb::Gc => {
                let next = self.collect(disk, true)?;
                let is_pack = |file: &&Standing| file.path.as_str().starts_with("packs/");
                // What the record before the newest leads to stays until there is a newer one.
                let held = next.garbage.held_by_record.iter().filter(is_pack).count();
                let standing = list_standing(disk)?.iter().filter(is_pack).count() - held;
                let listed = Store::open(shared(disk))?.packs().packs().len();
                let is_clean = !next.changed && next.garbage.files.is_empty() && standing == listed;
                let why =
                    || format!("{} files are left to collect, {standing} packs are not {listed}", next.removed_files);
                Ok((!is_clean).then(why))
            }
            Verb::Heal => Ok(None),
            Verb::Repair => {
                let next = with_run(self.time, |run| repair(&shared(disk), &self.repair_request(), run))?;
                let is_done = next.generation.is_none() && next.rebuilt.is_empty() && next.damaged_packs.is_empty();
                Ok((!is_done).then(|| "a second run finds something to do".to_owned()))
            }
        }
    }

    fn collect(&self, disk: &SimDisk, dry_run: bool) -> StoreResult<Collected> {
        let request = GcRequest { writer: self.writer.as_ref(), grace_secs: Some(0), dry_run, ..GcRequest::default() };
        with_run(self.time, |run| gc(&shared(disk), &request, run))
    }

    fn repair_request(&self) -> RepairRequest<'_> {
        RepairRequest { writer: self.writer.as_ref(), threads: 1, ..RepairRequest::default() }
    }

    /// Verifies everything, each object too.
    fn verify(&self, disk: &Arc<dyn Disk>, heal: &[Arc<dyn Remote>]) -> StoreResult<Report> {
        let identities = &self.identities;
        let request = VerifyRequest { identities, read_data: true, heal, threads: 1, ..VerifyRequest::default() };
        with_run(self.time, |run| verify(Arc::clone(disk), &request, run))
    }

    /// Restores every kept snapshot as far as it goes.
    fn kept(&self, disk: &Arc<dyn Disk>) -> StoreResult<BTreeMap<ObjectId, Holding>> {
        let listed = Store::open(Arc::clone(disk))?.unlock(&self.identities)?.sealed.snapshots;
        let mut kept = BTreeMap::new();
        for snapshot in listed {
            let folder = SimFolder::default();
            let spot = Spot { snapshot: snapshot.id.to_string(), path: RelPath::root() };
            let options = RestoreOptions { threads: 1, ..RestoreOptions::default() };
            let request = RestoreRequest { spot, identities: &self.identities, owners: false, options };
            match with_run(self.time, |run| restore(Arc::clone(disk), &folder, &request, run)) {
                Err(error) if error.kind() != ErrorKind::Corrupt => return Err(error),
                // A snapshot that does not read itself holds nothing.
                _ => {}
            }
            let held = folder.entries().into_iter().map(|(path, entry)| (path, entry.bytes));
            kept.insert(snapshot.id, held.collect());
        }
        Ok(kept)
    }
}

/// Says which file of a snapshot in both is not in the other what it is in the one.
fn first_loss(one: &BTreeMap<ObjectId, Holding>, other: &BTreeMap<ObjectId, Holding>) -> Option<String> {
    one.iter().find_map(|(snapshot, held)| {
        let now = other.get(snapshot)?;
        let (path, _) = held.iter().find(|(path, bytes)| now.get(*path) != Some(*bytes))?;
        Some(format!("{path} of snapshot {snapshot} is not what it was"))
    })
}

fn shared(disk: &SimDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

/// Calls an op with a clock and a source of chance that are the same each time.
fn with_run<T>(time: Timestamp, op: impl FnOnce(Run<'_>) -> T) -> T {
    let (clock, random) = (FixedClock::new(time), SeededRandom::new(1));
    op(Run { clock: &clock, random: &random, monitor: &SilentMonitor })
}
