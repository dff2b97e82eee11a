//! What a hostile server can do: a row for each attack of the lists of The Update Framework (TUF, section 1.5.2 of its
//! specification) and of Uptane, and of our own threat model, played over real FTP on loopback by a server that is scripted for it.
//!
//! A row says what the server does, how the verb ends, what the person reads, and what the store is afterwards. What holds in every
//! row is in [`play`]: nothing that stood is lost, no more bytes cross the wire and no more room is taken than the row allows,
//! and as soon as the server is honest again the next sync brings the newest state. The table of `objects-format.md` is made of
//! these rows; the ignored test writes it.
//!
//! # What each row leans on
//!
//! Each check was taken out by hand once; these rows failed. What no row failed for stands at the end.
//!
#![doc = include_str!("attacks/mutations.md")]

use std::fmt::Write as _;
use std::path::Path;

use chunkstore::base::StorePath;
use chunkstore::error::{Error, Result};
use chunkstore::format::head::Group;
use chunkstore::ops::clone::{CloneRequest, Cloned};
use chunkstore::ops::push::{PushRequest, Pushed, push};
use chunkstore::ops::sync::{SyncRequest, Synced, sync};
use chunkstore::store::head::Soundness;
use chunkstore::store::pack::pack_is_whole;
use chunkstore::store::{Store, layout};

mod deny;
mod document;
mod endless;
mod forged;
mod freeze;
mod mix;
mod orders;
mod planted;
mod rollback;
mod several;
mod stage;

use stage::{Scene, head_of};

use crate::env::host_bytes;

/// Which list an attack stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// The Update Framework and Uptane.
    Tuf,
    /// Uptane alone.
    Uptane,
    /// This program's own threat model.
    Own,
}

/// What the person runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Sync,
    Clone,
    Push,
}

/// What the store is afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// Every byte of it and every time of a file are as they were.
    Unchanged,
    /// It opens as it was; whole files of the next state may have come.
    Kept,
    /// It holds the newest state.
    Newest,
    /// It holds generation 2: a person asked for it, or nobody could know better.
    Older,
    /// There is none, as before.
    None,
    /// It holds the newest state, but is degraded until a person says that what is there is all: a newer record may be lost.
    Degraded,
    /// It holds generation 7, which a stolen key signed.
    Forged,
    /// It holds the generation after that.
    Recovered,
}

/// One attack.
pub struct Row {
    pub name: &'static str,
    pub list: List,
    /// What the server does, or whoever had the key in hand.
    pub does: &'static str,
    pub verb: Verb,
    /// The exit code.
    pub code: u8,
    /// What the person reads, in part; empty where nobody says anything.
    pub says: &'static str,
    pub after: After,
    /// Brings it about.
    pub arrange: fn(&mut Scene),
    /// Whether an honest server is all that it takes afterwards.
    pub recovers: bool,
}

/// How a verb ended.
struct Ended {
    code: u8,
    /// Everything that was said, a line each.
    said: String,
}

/// What a run that is refused before it fetches any content may take off the wire at most, with all its tries: what the system
/// of the machine takes in before a connection is closed counts, too.
const REFUSED_MAX_BYTES: u64 = 1 << 20;
/// What any other run may take at most, three tries of each file included.
const UPDATE_MAX_BYTES: u64 = 6 << 20;

impl Row {
    /// It takes more than an honest server to go on: the trust has to be rotated, or the key mended.
    const fn for_good(self) -> Self {
        Self { recovers: false, ..self }
    }

    /// Plays a row, and says what is not as it should be.
    fn play(&self) -> Vec<String> {
        let mut scene = Scene::new();
        (self.arrange)(&mut scene);
        let mut off = Vec::new();
        let before = scene.key.snapshot();
        let ended = match self.verb {
            Verb::Sync => run_sync(&mut scene),
            Verb::Clone => run_clone(&mut scene),
            Verb::Push => run_push(&mut scene),
        };
        let mut require = |holds: bool, what: String| {
            if !holds {
                off.push(format!("{}: {what}\n{}", self.name, ended.said));
            }
        };
        require(ended.code == self.code, format!("ended with {} and not with {}", ended.code, self.code));
        require(self.is_said(&ended.said), format!("nobody said {:?}", self.says));
        let wire: u64 = scene.remotes.iter().map(|remote| remote.wire_bytes()).sum();
        let small = matches!(self.after, After::Unchanged | After::None);
        let most = if small { REFUSED_MAX_BYTES } else { UPDATE_MAX_BYTES };
        require(wire <= most, format!("{wire} bytes crossed the wire, at most {most} may"));
        let after = scene.key.snapshot();
        let room = |files: &[(std::path::PathBuf, std::time::SystemTime, Vec<u8>)]| -> u64 {
            files.iter().map(|(_, _, bytes)| bytes.len() as u64).sum()
        };
        let update: u64 = scene.stage.next.values().map(|bytes| bytes.len() as u64).sum();
        let grown = room(&after).saturating_sub(room(&before));
        require(grown <= update + (64 << 10), format!("the store grew by {grown} bytes, and the state has {update}"));
        match self.after {
            After::Unchanged | After::None => require(after == before, "something was written".to_owned()),
            After::Kept => {
                let lost = lost(&scene, &before);
                require(lost.is_empty(), format!("lost or changed: {lost:?}"));
                require(opens_as(&scene, &scene.stage.mine), "another state opens".to_owned());
            }
            After::Newest => require(holds(&scene, &scene.stage.next), "it does not hold the newest state".to_owned()),
            After::Older => require(holds(&scene, &scene.stage.old), "it does not hold the older state".to_owned()),
            After::Degraded => {
                require(opens_as(&scene, &scene.stage.next), "it does not hold the newest state".to_owned());
            }
            After::Forged | After::Recovered => {
                let generation = Store::open(scene.key.disk.clone()).unwrap().head().head.generation;
                let wanted = if self.after == After::Forged { 7 } else { 8 };
                require(generation.0 == wanted, format!("generation {generation} opens"));
            }
        }
        if self.recovers {
            self.recover(scene, &mut off);
        }
        off
    }

    /// Returns whether a person reads it; what starts with `-v: ` only with that flag.
    fn is_said(&self, said: &str) -> bool {
        let (is_verbose, text) = self.says.strip_prefix("-v: ").map_or((false, self.says), |text| (true, text));
        text.is_empty() || said.lines().any(|line| line.starts_with("-v: ") == is_verbose && line.contains(text))
    }

    /// An honest server brings the newest state, whatever happened before.
    fn recover(&self, mut scene: Scene, off: &mut Vec<String>) {
        scene.server.faults.heal();
        scene.server.show(&scene.stage.next);
        let remote = scene.server.remote();
        scene.remotes = vec![remote];
        scene.accept_older = self.after == After::Degraded;
        let ended = match self.after {
            After::None => {
                scene.fingerprint.clone_from(&scene.stage.fingerprint);
                run_clone(&mut scene)
            }
            _ => run_sync(&mut scene),
        };
        if !matches!(ended.code, 0 | 19) {
            off.push(format!("{}: an honest server does not help: {}\n{}", self.name, ended.code, ended.said));
            return;
        }
        if !holds(&scene, &scene.stage.next) {
            off.push(format!("{}: with an honest server the newest state is not there\n{}", self.name, ended.said));
        }
    }
}

/// Returns whether a state opens, soundly and with all its packs.
fn opens_as(scene: &Scene, image: &stage::Image) -> bool {
    let store = Store::open(scene.key.disk.clone()).unwrap();
    let is_whole = |pack| pack_is_whole(scene.key.disk.as_ref(), pack, &mut |_| {}).unwrap();
    store.head().bytes() == image["HEAD"] && store.packs().packs().iter().all(is_whole)
}

/// The same, with no trace of a run and nothing that makes the store refuse to go on.
fn holds(scene: &Scene, image: &stage::Image) -> bool {
    let is_there = |path: StorePath| scene.key.disk.metadata(&path).unwrap().is_some();
    let sound = Store::open(scene.key.disk.clone()).unwrap().soundness() == Soundness::Sound;
    opens_as(scene, image) && sound && !is_there(layout::pending()) && !is_there(layout::unclean())
}

/// Returns the files of a store's state that are not what they were. `HEAD` and what marks a run are not of the state.
fn lost(scene: &Scene, before: &[(std::path::PathBuf, std::time::SystemTime, Vec<u8>)]) -> Vec<String> {
    let marks = ["replica/unclean", "pending"];
    let of_state = |path: &Path| !path.is_dir() && marks.iter().all(|mark| !path.ends_with(mark));
    let changed = |path: &Path, bytes: &[u8]| !path.exists() || host_bytes(path) != bytes;
    let files = before.iter().filter(|(path, _, _)| of_state(path) && *path != scene.key.path());
    let files = files.filter(|(path, _, bytes)| !(bytes.is_empty() && path.is_dir()) && changed(path, bytes));
    files.map(|(path, _, _)| path.display().to_string()).collect()
}

fn run_sync(scene: &mut Scene) -> Ended {
    let (run, request) =
        (scene.key.world.run(), SyncRequest { accept_older: scene.accept_older, ..SyncRequest::default() });
    let result = sync(&scene.key.disk, &scene.remotes, request, &mut scene.key.state, run);
    ended(scene, &result, |synced: &Synced| (synced.stale, synced.remarks()))
}

fn run_clone(scene: &mut Scene) -> Ended {
    let (remote, fingerprint) = (scene.remotes[0].clone(), scene.fingerprint.clone());
    let accept_older = scene.accept_older;
    let request = CloneRequest {
        group: Group::all(),
        trust: Some(fingerprint),
        confirm: &|_| Ok(false),
        reader: None,
        accept_older,
    };
    let result = scene.key.clone_as(&remote, &request);
    ended(scene, &result, |cloned: &Cloned| (cloned.stale, cloned.remarks()))
}

fn run_push(scene: &mut Scene) -> Ended {
    let (run, request) = (scene.key.world.run(), PushRequest::default());
    let result = push(&scene.key.disk, &scene.remotes[0], &request, &mut scene.key.state, run);
    ended(scene, &result, |_: &Pushed| (false, vec![]))
}

/// Puts together what a person reads, as the program writes it.
fn ended<T>(scene: &Scene, result: &Result<T>, of: impl Fn(&T) -> (bool, Vec<String>)) -> Ended {
    let monitor = &scene.key.world.monitor;
    let mut said = String::new();
    for note in monitor.notes() {
        writeln!(said, "-v: {note}").unwrap();
    }
    for problem in monitor.problems() {
        writeln!(said, "{}: {}", problem.subject, problem.reason).unwrap();
    }
    let code = match result {
        Ok(done) => {
            let (stale, lines) = of(done);
            lines.iter().for_each(|line| writeln!(said, "{line}").unwrap());
            if stale {
                said.push_str("stale: the publisher no longer vouches for this state\n");
            }
            if stale { 19 } else { 0 }
        }
        Err(error) => {
            writeln!(said, "{}", Error::in_full(error)).unwrap();
            error.kind().exit_code()
        }
    };
    Ended { code, said }
}

/// Every row, by family.
fn families() -> [&'static [Row]; 8] {
    [rollback::ROWS, freeze::ROWS, mix::ROWS, forged::ROWS, endless::ROWS, deny::ROWS, several::ROWS, planted::ROWS]
}

/// Plays all rows of a family. `CHUNKSTORE_ROW=text` plays those alone that have it in their name.
fn play(rows: &[Row]) {
    let only = std::env::var("CHUNKSTORE_ROW").ok();
    let wanted = rows.iter().filter(|row| only.as_deref().is_none_or(|only| row.name.contains(only)));
    let off: Vec<_> = wanted.flat_map(Row::play).collect();
    assert!(off.is_empty(), "{}", off.join("\n"));
}

#[test]
fn no_two_rows_have_one_name() {
    let mut names: Vec<_> = families().into_iter().flatten().map(|row| row.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

/// Row literals read as a table.
const fn row(
    name: &'static str,
    list: List,
    does: &'static str,
    ends: (Verb, u8, &'static str, After),
    arrange: fn(&mut Scene),
) -> Row {
    let (verb, code, says, after) = ends;
    Row { name, list, does, verb, code, says, after, arrange, recovers: true }
}
