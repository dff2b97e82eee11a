//! Every verb on a damaged store: how it ends, and what must hold however it ends.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;

use chunkstore::base::{RelPath, StorePath};
use chunkstore::disk::folder::FileKind;
use chunkstore::disk::sim::Profile;
use chunkstore::disk::{Disk, SimDisk, SimFolder, read_all};
use chunkstore::error::{ErrorKind, Result};
use chunkstore::format::head::Group;
use chunkstore::ops::clone::{CloneRequest, clone_store};
use chunkstore::ops::diff::{DiffRequest, diff};
use chunkstore::ops::export::{ArchiveFormat, export};
use chunkstore::ops::find::{Pattern, Wanted, find};
use chunkstore::ops::forget::{Choice, ForgetRequest, forget};
use chunkstore::ops::gc::{GcRequest, gc};
use chunkstore::ops::host_state::HostState;
use chunkstore::ops::list::{cat, log, ls};
use chunkstore::ops::open::{Reading, Spot};
use chunkstore::ops::push::{PushRequest, push};
use chunkstore::ops::repair::{RepairRequest, repair};
use chunkstore::ops::stats::stats;
use chunkstore::ops::status::status;
use chunkstore::ops::sync::{SyncRequest, sync};
use chunkstore::ops::verify::{Report, VerifyRequest, verify};
use chunkstore::path_remote::PathRemote;
use chunkstore::remote::Remote;
use chunkstore::store::{Store, layout};

use super::stage::{GENERATION, SNAPSHOT, Stage};
use crate::publisher::{folder_after, holding};

/// A verb, and what it is run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    Status,
    Log,
    Ls,
    Cat,
    Find,
    Diff,
    Stats,
    Export,
    Restore,
    /// Verifies without an identity, hashing everything.
    VerifyOuter,
    /// Verifies with an identity.
    VerifyInner,
    /// Verifies with an identity and opens every object.
    VerifyData,
    /// Clones the damaged store.
    Clone,
    /// Pushes the damaged store to a whole copy that is a generation behind.
    Push,
    /// Syncs a whole copy that is a generation behind from the damaged store.
    SyncFrom,
    /// Pushes the next generation of a whole store to the damaged one.
    PushTo,
    /// Syncs the damaged store from a whole copy of the same generation.
    Sync,
    /// Syncs the damaged store from a whole copy of the next generation.
    SyncNewer,
    /// Syncs the damaged store from a whole copy of the generation before.
    SyncOlder,
    /// Verifies, and heals from a whole copy.
    Heal,
    /// Repairs without a key.
    Repair,
    /// Repairs with the writer's key.
    RepairKey,
    /// Collects garbage without a key.
    Gc,
    /// Collects garbage with the writer's key.
    GcKey,
    Forget,
    Commit,
}

use Verb::*;

pub const VERBS: [Verb; 26] = [
    Status,
    Log,
    Ls,
    Cat,
    Find,
    Diff,
    Stats,
    Export,
    Restore,
    VerifyOuter,
    VerifyInner,
    VerifyData,
    Clone,
    Push,
    SyncFrom,
    PushTo,
    Sync,
    SyncNewer,
    SyncOlder,
    Heal,
    Repair,
    RepairKey,
    Gc,
    GcKey,
    Forget,
    Commit,
];

impl Verb {
    pub fn name(self) -> &'static str {
        match self {
            Status => "status",
            Log => "log",
            Ls => "ls",
            Cat => "cat",
            Find => "find",
            Diff => "diff",
            Stats => "stats",
            Export => "export",
            Restore => "restore",
            VerifyOuter => "verify-outer",
            VerifyInner => "verify-inner",
            VerifyData => "verify",
            Clone => "clone",
            Push => "push",
            SyncFrom => "sync-from",
            PushTo => "push-to",
            Sync => "sync",
            SyncNewer => "sync-newer",
            SyncOlder => "sync-older",
            Heal => "heal",
            Repair => "repair",
            RepairKey => "repair-key",
            Gc => "gc",
            GcKey => "gc-key",
            Forget => "forget",
            Commit => "commit",
        }
    }

    /// Returns whether the damaged store must be left as it is, to the byte.
    fn only_reads(self) -> bool {
        self <= SyncFrom
    }

    /// Returns whether it reads one of the snapshots for a person.
    fn shows_content(self) -> bool {
        self > Status && self < VerifyOuter
    }
}

/// How a verb ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ran {
    /// The exit code.
    pub code: u8,
    /// What it says or gives, in words that do not hang on hashes.
    pub said: String,
    /// The error, or the findings.
    pub why: String,
}

impl Ran {
    fn of<T>(result: Result<T>, told: impl FnOnce(T) -> (u8, String)) -> Self {
        match result {
            Ok(value) => {
                let (code, said) = told(value);
                Self { code, said, why: String::new() }
            }
            Err(error) => Self { code: error.kind().exit_code(), said: String::new(), why: error.in_full() },
        }
    }
}

fn damaged_or(damaged: u64, said: String) -> (u8, String) {
    (if damaged > 0 { ErrorKind::Corrupt.exit_code() } else { 0 }, said)
}

fn remote(disk: &SimDisk, name: &str) -> Arc<dyn Remote> {
    Arc::new(PathRemote::new(Arc::new(disk.clone()), format!("disk:{name}")))
}

/// A verb on one damaged store.
pub struct Trial<'a> {
    pub stage: &'a Stage,
    /// The store before the damage.
    pub healthy: &'a SimDisk,
    /// The store after it; verbs run on copies.
    pub damaged: &'a SimDisk,
}

impl Trial<'_> {
    /// Runs a verb and checks what must hold however it ends; what does not goes to `off`.
    pub fn run(&self, verb: Verb, off: &mut Vec<String>) -> Ran {
        let disk = self.damaged.snapshot();
        let before = disk.fingerprint();
        let ran = self.carry_out(verb, &disk, off);
        if matches!(ran.code, 1 | 2) {
            off.push(format!("exit code {}: {}", ran.code, ran.why));
        }
        let counts = disk.counts();
        let written = counts.creates + counts.renames + counts.removes + counts.dirs + counts.bytes_written;
        if verb.only_reads() && (disk.fingerprint() != before || written > 0) {
            off.push("it wrote".to_owned());
        }
        if !verb.only_reads() {
            self.assert_nothing_whole_is_lost(verb, &disk, off);
        }
        ran
    }

    fn carry_out(&self, verb: Verb, disk: &SimDisk, off: &mut Vec<String>) -> Ran {
        match verb {
            Status => self.status(disk),
            _ if verb.shows_content() => self.show(verb, disk, off),
            VerifyOuter | VerifyInner | VerifyData | Heal => self.verify(verb, disk, off),
            Clone => self.clone(disk, off),
            Push | PushTo | SyncFrom => self.transfer(verb, disk, off),
            Sync | SyncNewer | SyncOlder => self.sync(verb, disk),
            Repair | RepairKey => self.repair(verb, disk),
            _ => self.write(verb, disk, off),
        }
    }

    fn status(&self, disk: &SimDisk) -> Ran {
        let publisher = &self.stage.publisher;
        let told = status(Arc::new(disk.clone()), &publisher.readers, &HostState::default(), publisher.run());
        Ran::of(told, |told| (0, format!("{} {:?}", told.generation, told.soundness)))
    }

    /// Returns what a verb gives of the newest snapshot; a number of entries that damage hid besides.
    fn shown(&self, verb: Verb, disk: &SimDisk) -> Result<(u64, String)> {
        let publisher = &self.stage.publisher;
        let run = publisher.run();
        let mut text = String::new();
        if verb == Restore {
            let folder = SimFolder::default();
            let done = publisher.restore(disk, &folder)?;
            return Ok((done.damaged, String::new()));
        }
        let reading = Reading::open(Arc::new(disk.clone()), &publisher.readers, run)?;
        let root = Spot::parse(b"/")?;
        let damaged = match verb {
            Log => {
                log(&reading)?.iter().for_each(|(named, _)| writeln!(text, "{}", named.id).unwrap());
                0
            }
            Ls => {
                let mut take = |path: &RelPath, entry: &_| {
                    writeln!(text, "{path} {entry:?}").unwrap();
                    Ok(())
                };
                ls(&reading, &root, true, &mut take)?;
                0
            }
            Cat => {
                for path in ["/a/large", "/a/small", "/b/changes"] {
                    let mut hasher = blake3::Hasher::new();
                    cat(&reading, &Spot::parse(path.as_bytes())?, &mut |bytes| {
                        hasher.update(bytes);
                        Ok(())
                    })?;
                    writeln!(text, "{path} {}", hasher.finalize()).unwrap();
                }
                0
            }
            Find => {
                let pattern = Pattern::new("*", false, Wanted::default())?;
                let mut take = |_: &_, path: &RelPath, entry: &_| {
                    writeln!(text, "{path} {entry:?}").unwrap();
                    Ok(())
                };
                find(&reading, &root, &pattern, run, &mut take)?.damaged
            }
            Diff => {
                let request = DiffRequest { old: "HEAD~1".to_owned(), new: "HEAD".to_owned(), path: RelPath::root() };
                let mut take = |change: &chunkstore::ops::diff::Change| {
                    writeln!(text, "{:?} {}", change.kind, change.path).unwrap();
                    Ok(())
                };
                diff(&reading, &request, run, &mut take)?.damaged
            }
            Stats => {
                let told = stats(&reading, None, run)?;
                write!(text, "{:?}", told.stored).unwrap();
                told.damaged
            }
            _ => {
                let mut archive = Vec::new();
                let done = export(&reading, &root, ArchiveFormat::Tar, &mut archive, run)?;
                write!(text, "{}", blake3::hash(&archive)).unwrap();
                done.damaged
            }
        };
        Ok((damaged, text))
    }

    /// Shows content; whatever is shown as whole must be what the state held when it was.
    fn show(&self, verb: Verb, disk: &SimDisk, off: &mut Vec<String>) -> Ran {
        let ran = Ran::of(self.shown(verb, disk), |(damaged, said)| damaged_or(damaged, said));
        let generation = Store::open(Arc::new(disk.clone())).map(|store| store.head().head.generation.0);
        let was = generation.as_ref().ok().and_then(|generation| self.stage.states.get(generation));
        let was = was.unwrap_or(self.healthy);
        if ran.code == 0 && ran.said != self.shown(verb, was).unwrap().1 {
            off.push("it gives other content".to_owned());
        }
        if verb == Restore {
            let folder = SimFolder::default();
            let done = self.stage.publisher.restore(disk, &folder);
            // Generation 11 brought no snapshot, nor did the first.
            let of = |generation| if generation < GENERATION - 1 { generation - 1 } else { generation - 2 };
            let snapshot = generation.map_or(SNAPSHOT, of);
            let (here, wanted) = (holding(&folder), holding(&folder_after(snapshot)));
            let is_right = |path: &RelPath| here[path].kind == FileKind::Dir || wanted.get(path) == Some(&here[path]);
            if !here.keys().all(is_right) || (done.is_ok() && ran.code == 0 && here != wanted) {
                off.push("it writes other content".to_owned());
            }
        }
        Ran { said: String::new(), ..ran }
    }

    fn report(&self, verb: Verb, disk: &SimDisk) -> Result<Report> {
        let publisher = &self.stage.publisher;
        let heal = [remote(&copy_of(&self.stage.disk), "whole")];
        let request = VerifyRequest {
            identities: if verb == VerifyInner || verb == VerifyData { &publisher.readers } else { &[] },
            read_data: verb == VerifyData,
            heal: if verb == Heal { &heal } else { &[] },
            ..VerifyRequest::default()
        };
        verify(Arc::new(disk.clone()), &request, publisher.run())
    }

    fn verify(&self, verb: Verb, disk: &SimDisk, off: &mut Vec<String>) -> Ran {
        let ran = Ran::of(self.report(verb, disk), |report| {
            let mut kinds: Vec<_> = report.findings.iter().map(|found| found.kind.name()).collect();
            kinds.sort_unstable();
            kinds.dedup();
            (code_of(&report), kinds.join(" "))
        });
        if verb != Heal {
            return ran;
        }
        // Nobody sees less of a store that was healed, and healing it again does nothing.
        let once = disk.fingerprint();
        let again = self.report(verb, disk).map_or_else(|error| error.kind().exit_code(), |report| code_of(&report));
        if again > ran.code || (ran.code == 0 && disk.fingerprint() != once) {
            off.push(format!("healed with {}, then again with {again}", ran.code));
        }
        Ran { said: self.not_as_before(disk), ..ran }
    }

    fn clone(&self, disk: &SimDisk, off: &mut Vec<String>) -> Ran {
        let made = SimDisk::new(Profile::Ext4);
        let trust = Store::open(Arc::new(self.stage.disk.clone())).unwrap().trust().fingerprint();
        let request = CloneRequest {
            group: Group::all(),
            trust: Some(trust),
            confirm: &|_| Ok(false),
            reader: None,
            accept_older: false,
        };
        let run = self.stage.publisher.run();
        let target: Arc<dyn Disk> = Arc::new(made.clone());
        let ran = Ran::of(clone_store(&remote(disk, "damaged"), &target, &request, None, run), |_| (0, String::new()));
        if ran.code == 0 {
            self.require_sound(&made, off);
        }
        ran
    }

    fn transfer(&self, verb: Verb, disk: &SimDisk, off: &mut Vec<String>) -> Ran {
        let run = self.stage.publisher.run();
        let mut state = HostState::default();
        let request = PushRequest::default();
        let (here, there) = match verb {
            Push => (disk.clone(), copy_of(&self.stage.older)),
            PushTo => (self.stage.newer.snapshot(), disk.clone()),
            _ => (self.stage.older.snapshot(), disk.clone()),
        };
        let (own, address): (Arc<dyn Disk>, _) = (Arc::new(here.clone()), remote(&there, "there"));
        let ran = if verb == SyncFrom {
            let done = sync(&own, &[address], SyncRequest::default(), &mut state, run);
            Ran::of(done, |done| (0, done.generation.to_string()))
        } else {
            Ran::of(push(&own, &address, &request, &mut state, run), |done| (0, done.generation.to_string()))
        };
        let arrived = if verb == SyncFrom { &here } else { &there };
        if ran.code == 0 && verb != PushTo {
            self.require_sound(arrived, off);
        }
        if ran.code == 0 && verb == PushTo {
            let report = self.report(VerifyOuter, arrived);
            let left = report.map_or(ErrorKind::Corrupt.exit_code(), |report| code_of(&report));
            return Ran { said: if left == 0 { "mended".to_owned() } else { "damaged still".to_owned() }, ..ran };
        }
        ran
    }

    fn sync(&self, verb: Verb, disk: &SimDisk) -> Ran {
        let source = match verb {
            Sync => &self.stage.disk,
            SyncNewer => &self.stage.newer,
            _ => &self.stage.older,
        };
        let (own, source): (Arc<dyn Disk>, _) = (Arc::new(disk.clone()), remote(&copy_of(source), verb.name()));
        let run = self.stage.publisher.run();
        let done = sync(&own, &[source], SyncRequest::default(), &mut HostState::default(), run);
        Ran::of(done, |done| (0, done.generation.to_string()))
    }

    fn repair(&self, verb: Verb, disk: &SimDisk) -> Ran {
        let publisher = &self.stage.publisher;
        let writer = Some(&publisher.writer).filter(|_| verb == RepairKey);
        let own: Arc<dyn Disk> = Arc::new(disk.clone());
        let done = repair(&own, &RepairRequest { writer, ..RepairRequest::default() }, publisher.run());
        Ran::of(done, |done| {
            let code = if done.is_whole() { 0 } else { ErrorKind::Corrupt.exit_code() };
            let lost = (done.lost_snapshots.len(), done.lost_paths_total);
            let said = match done.generation {
                _ if verb == Repair => self.not_as_before(disk),
                None if lost == (0, 0) => self.not_as_before(disk),
                None => format!("lost {} snapshots, {} paths", lost.0, lost.1),
                Some(_) if lost == (0, 0) => "all in a new generation".to_owned(),
                Some(_) => format!("all but {} snapshots, {} paths", lost.0, lost.1),
            };
            (code, said)
        })
    }

    fn write(&self, verb: Verb, disk: &SimDisk, off: &mut Vec<String>) -> Ran {
        let publisher = &self.stage.publisher;
        let (own, run): (Arc<dyn Disk>, _) = (Arc::new(disk.clone()), publisher.run());
        match verb {
            Gc | GcKey => {
                let writer = Some(&publisher.writer).filter(|_| verb == GcKey);
                Ran::of(gc(&own, &GcRequest { writer, ..GcRequest::default() }, run), |done| {
                    let is_damaged = done.packs.as_ref().is_some_and(|packs| packs.missing_chunks + packs.spared > 0);
                    damaged_or(u64::from(is_damaged), String::new())
                })
            }
            Forget => {
                let choice = Choice::ByName(vec!["HEAD~3".to_owned()]);
                let request = ForgetRequest { choice, writer: &publisher.writer, cache: None };
                Ran::of(forget(&own, &request, run), |done| (0, done.generation.to_string()))
            }
            _ => {
                let folder = folder_after(SNAPSHOT + 1);
                let done = publisher.commit(disk, &folder);
                let is_done = done.is_ok();
                let ran = Ran::of(done, |done| (0, done.generation.to_string()));
                let restored = SimFolder::default();
                if is_done && publisher.restore(disk, &restored).is_ok() {
                    let (here, wanted) = (holding(&restored), holding(&folder));
                    let right = |(path, held): (&RelPath, &_)| wanted.get(path) == Some(held);
                    if !here.iter().filter(|(_, held)| held.kind != FileKind::Dir).all(right) {
                        off.push("it commits other content".to_owned());
                    }
                }
                ran
            }
        }
    }

    fn require_sound(&self, disk: &SimDisk, off: &mut Vec<String>) {
        match self.report(VerifyData, disk) {
            Ok(report) if report.findings.is_empty() => {}
            Ok(report) => off.push(format!("what arrived is damaged: {:?}", report.findings)),
            Err(error) => off.push(format!("what arrived does not open: {}", error.in_full())),
        }
    }

    /// Returns which files are not as they were before the damage; of those that come and go none.
    fn not_as_before(&self, disk: &SimDisk) -> String {
        let (were, are) = (contents(self.healthy), contents(disk));
        let paths = were.keys().chain(are.keys()).collect::<std::collections::BTreeSet<_>>();
        let off = paths.into_iter().filter(|path| !comes_and_goes(path) && were.get(*path) != are.get(*path));
        let mut names: Vec<_> = off.map(|path| self.stage.kind_of(path)).collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() { "all".to_owned() } else { format!("not {}", names.join(", ")) }
    }

    /// What was whole stays as it is, unless the verb takes it from a healthy store as well, or replaces it.
    fn assert_nothing_whole_is_lost(&self, verb: Verb, disk: &SimDisk, off: &mut Vec<String>) {
        let (were, before, after) = (contents(self.healthy), contents(self.damaged), contents(disk));
        let whole = before.iter().filter(|(path, hash)| were.get(*path) == Some(hash));
        let lost: Vec<_> = whole.filter(|(path, hash)| after.get(*path) != Some(hash)).map(|(path, _)| path).collect();
        let lost: Vec<_> = lost.into_iter().filter(|path| *path != "HEAD" && !comes_and_goes(path)).collect();
        if lost.is_empty() {
            return;
        }
        // Gc keeps what the last two intact records lead to, whichever those are: where the newest one is gone altogether,
        // nothing leads to what only that one names. A new generation takes the oldest record's place.
        let needed = opened_files(self.damaged);
        let is_stored = |path: &str| path.starts_with("manifests/") || path.starts_with("packs/");
        let may_go = |path: &str| match verb {
            Gc | GcKey => is_stored(path) && !needed.contains(path),
            _ => path == "heads/00000009",
        };
        let healthy = self.healthy.snapshot();
        self.carry_out(verb, &healthy, &mut Vec::new());
        let kept = contents(&healthy);
        for path in lost.into_iter().filter(|path| kept.get(*path) == were.get(*path) && !may_go(path)) {
            off.push(format!("it takes {path} away"));
        }
    }
}

fn comes_and_goes(path: &str) -> bool {
    ["HEAD.new", "pending", "replica/unclean", "lock", "readers"].contains(&path)
}

/// Returns the exit code, as the verb has it.
pub fn code_of(report: &Report) -> u8 {
    let left: Vec<_> = report.left().collect();
    match left.iter().any(|finding| finding.untrusted) {
        _ if left.is_empty() => 0,
        true => ErrorKind::NotTrusted.exit_code(),
        false => ErrorKind::Corrupt.exit_code(),
    }
}

/// Returns the hash of every file that reads.
fn contents(disk: &SimDisk) -> BTreeMap<String, blake3::Hash> {
    let hash = |path: &str| {
        let bytes = read_all(disk, &StorePath::new(path).unwrap(), u64::MAX).ok()??;
        Some(blake3::hash(&bytes))
    };
    disk.paths().into_iter().filter_map(|path| Some((path.clone(), hash(&path)?))).collect()
}

/// Returns the files in `manifests/` and `packs/` that the state which opens leads to.
fn opened_files(disk: &SimDisk) -> HashSet<String> {
    let Ok(store) = Store::open(Arc::new(disk.clone())) else { return HashSet::new() };
    let (set, top) = (store.packs(), &store.packs().top);
    let lists = top.key_lists.iter().flat_map(|lists| &lists.shards).map(|(hash, _)| layout::key_list(hash));
    let manifests = set.chain.iter().map(|(hash, _)| layout::manifest(hash));
    let files = top.files.iter().map(|file| layout::carried_file(&file.hash));
    let recipes = set.recipes.iter().map(|recipe| layout::recipe(&recipe.recipe));
    let packs = set.packs().iter().map(|pack| layout::pack(&pack.hash));
    lists.chain(manifests).chain(files).chain(recipes).chain(packs).map(|path| path.to_string()).collect()
}

/// Returns a store as it stands on a server.
pub fn copy_of(disk: &SimDisk) -> SimDisk {
    let copy = disk.snapshot();
    for path in disk.paths().iter().filter(|path| path.starts_with("replica/")) {
        assert!(copy.wipe(path));
    }
    copy
}
