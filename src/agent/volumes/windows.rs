//! Windows: drive letters of what people plug in, and a directory of which every folder is a volume.
//!
//! The system tells that a volume came or went, but not of a letter that it is given later, nor of a card in a reader. So drives are looked
//! at when it tells, once a second for a while after that and while anything is plugged in that may change, and else once a minute. A
//! system that does not tell, and the folders, are looked at once a second. While nothing changes a look is one call that reads a number
//! from memory the process shares with the kernel, and one more for each drive that people plug in. Limits: what is pulled and plugged in
//! again between two looks counts as never pulled; the run on it ends by the errors that it gets.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Seen, Standing, Standings, Tell, Volumes, Watching, tell_changes};
use crate::agent::event::VolumeKey;
use crate::base::clock::SystemClock;
use crate::base::{Clock, RelPath};
use crate::disk::drives::{Bell, Drive, Drives};
use crate::disk::folder::FileKind;
use crate::disk::{Folder, OsFolder};
use crate::error::{Error, ErrorKind, Result};

/// How often a look is taken.
const GAP: Duration = Duration::from_secs(1);
/// How often while nothing is plugged in, on a system that tells when that changes.
const REST: Duration = Duration::from_secs(60);
/// How many looks follow each other after the system told of something: a letter comes a while after its volume.
const STIRRED: u32 = 30;
/// By how much a wait may last longer than it should, and the wall clock may run away, before that is news.
const JUMP: Duration = Duration::from_secs(10);

/// Keys, cards and disks that are plugged in and have a drive letter. A volume's key is its letter, as `E:`.
#[derive(Debug, Default)]
pub struct Plugged;

impl Volumes for Plugged {
    fn name(&self) -> &'static str {
        "what the system tells of volumes, and looks at the drives"
    }

    fn start(self: Box<Self>, tell: Tell) -> Result<Box<dyn Watching>> {
        let mut drives = Drives::default();
        let look = move || {
            let standings = drives.plugged().into_iter().map(standing_of).collect();
            Look { standings, may_change: drives.has_letters() }
        };
        start(look, true, tell)
    }
}

fn standing_of(drive: Drive) -> (VolumeKey, Standing) {
    let key = VolumeKey(format!("{}:", drive.letter));
    (key, Standing { path: drive.root, marks: BTreeSet::from([u64::from(drive.serial)]) })
}

/// Every folder in a directory is a volume. A key is the folder's name.
#[derive(Debug)]
pub struct Folders {
    /// The directory; it has to stay.
    pub dir: PathBuf,
}

impl Volumes for Folders {
    fn name(&self) -> &'static str {
        "the folders of a directory"
    }

    fn start(self: Box<Self>, tell: Tell) -> Result<Box<dyn Watching>> {
        let folder = OsFolder::open(&self.dir)?;
        start(move || Look { standings: folders_in(&folder, &self.dir), may_change: true }, false, tell)
    }
}

/// Looks at the folders of a directory; what cannot be read counts as not there.
fn folders_in(folder: &OsFolder, dir: &Path) -> Standings {
    let mut standings = Standings::new();
    for (name, stat) in folder.list(&RelPath::root()).unwrap_or_default() {
        let Some(stat) = stat.ok().filter(|stat| stat.kind == FileKind::Dir) else { continue };
        let Ok(name) = std::str::from_utf8(name.as_bytes()) else { continue };
        let standing = Standing { path: dir.join(name), marks: BTreeSet::from([stat.inode]) };
        standings.insert(VolumeKey(name.to_owned()), standing);
    }
    standings
}

/// What a look finds.
struct Look {
    standings: Standings,
    /// Whether it may be another soon without a word of the system.
    may_change: bool,
}

/// What the thread that looks is told.
enum Call {
    Look,
    End,
}

/// A thread that looks and tells.
struct Thread {
    calls: Sender<Call>,
    bell: Option<Bell>,
    handle: Option<JoinHandle<()>>,
}

impl Watching for Thread {}

impl Drop for Thread {
    fn drop(&mut self) {
        drop(self.bell.take());
        let _ = self.calls.send(Call::End);
        if let Some(handle) = self.handle.take() {
            let _ = handle.join();
        }
    }
}

fn start(look: impl FnMut() -> Look + Send + 'static, listens: bool, tell: Tell) -> Result<Box<dyn Watching>> {
    let (calls, called) = channel();
    let ring = calls.clone();
    let hang = || Bell::hang(move || drop(ring.send(Call::Look)));
    let bell = listens.then(hang).flatten();
    let pace = Pace { is_told: bell.is_some(), stirred: 0 };
    let run = move || look_and_tell(look, pace, &called, &SystemClock, &*tell);
    let spawned = std::thread::Builder::new().name("volumes".to_owned()).spawn(run);
    let handle = spawned.map_err(|error| Error::with_source(ErrorKind::Other, "cannot look for volumes", error))?;
    Ok(Box::new(Thread { calls, bell, handle: Some(handle) }))
}

/// How long it is until the next look.
struct Pace {
    /// Whether the system tells of volumes.
    is_told: bool,
    /// How many looks are still to follow each other.
    stirred: u32,
}

impl Pace {
    fn after(&mut self, is_stirred: bool, may_change: bool) -> Duration {
        self.stirred = if is_stirred { STIRRED } else { self.stirred.saturating_sub(1) };
        if self.is_told && self.stirred == 0 && !may_change { REST } else { GAP }
    }
}

fn look_and_tell(
    mut look: impl FnMut() -> Look,
    mut pace: Pace,
    calls: &Receiver<Call>,
    clock: &dyn Clock,
    tell: &dyn Fn(Seen),
) {
    let (mut standings, mut is_called) = (Standings::new(), true);
    let mut moment = Moment::of(clock);
    loop {
        let now = look();
        tell_changes(&standings, &now.standings, tell);
        let gap = pace.after(is_called || standings != now.standings, now.may_change);
        standings = now.standings;
        is_called = match calls.recv_timeout(gap) {
            Ok(Call::Look) => true,
            Err(RecvTimeoutError::Timeout) => false,
            Ok(Call::End) | Err(RecvTimeoutError::Disconnected) => return,
        };
        let next = Moment::of(clock);
        if moment.jumps_to(next, gap) {
            tell(Seen::Jumped);
        }
        moment = next;
    }
}

/// What both clocks say.
#[derive(Debug, Clone, Copy)]
struct Moment {
    monotonic: Duration,
    wall_nanos: i64,
}

impl Moment {
    fn of(clock: &dyn Clock) -> Self {
        Self { monotonic: clock.monotonic(), wall_nanos: clock.now().0 }
    }

    /// Returns whether the machine slept or the wall clock was set since, in a wait of at most `gap`.
    fn jumps_to(self, later: Self, gap: Duration) -> bool {
        let passed = later.monotonic.saturating_sub(self.monotonic);
        let passed_nanos = i64::try_from(passed.as_nanos()).unwrap_or(i64::MAX);
        let off = later.wall_nanos.saturating_sub(self.wall_nanos).saturating_sub(passed_nanos).unsigned_abs();
        passed > gap + JUMP || u128::from(off) > JUMP.as_nanos()
    }
}

#[cfg(test)]
mod tests;
