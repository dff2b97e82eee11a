//! Windows: drive letters of what people plug in, and a directory of which every folder is a volume; both looked at once a second.
//!
//! A service hears of volumes by no call that is documented and works for a card in a reader, for a drive letter that is given later,
//! and for a program as well, so this source looks. While nothing changes a look is one call that reads a number from memory the
//! process shares with the kernel, and one more for each drive that people plug in. Limits: what is pulled and plugged in again
//! between two looks counts as never pulled; the run on it ends by the errors that it gets.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Seen, Standing, Standings, Tell, Volumes, Watching, tell_changes};
use crate::agent::event::VolumeKey;
use crate::base::clock::SystemClock;
use crate::base::{Clock, RelPath};
use crate::disk::drives::{Drive, Drives};
use crate::disk::folder::FileKind;
use crate::disk::{Folder, OsFolder};
use crate::error::{Error, ErrorKind, Result};

/// How often a look is taken.
const GAP: Duration = Duration::from_secs(1);
/// By how much a wait may last longer than it should, and the wall clock may run away, before that is news.
const JUMP: Duration = Duration::from_secs(10);

/// Keys, cards and disks that are plugged in and have a drive letter. A volume's key is its letter, as `E:`.
#[derive(Debug, Default)]
pub struct Plugged;

impl Volumes for Plugged {
    fn name(&self) -> &'static str {
        "a look at the drives every second"
    }

    fn start(self: Box<Self>, tell: Tell) -> Result<Box<dyn Watching>> {
        let mut drives = Drives::default();
        start(move || drives.plugged().into_iter().map(standing_of).collect(), tell)
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
        start(move || folders_in(&folder, &self.dir), tell)
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

/// A thread that looks and tells.
struct Thread {
    end: Option<Sender<()>>,
    handle: Option<JoinHandle<()>>,
}

impl Watching for Thread {}

impl Drop for Thread {
    fn drop(&mut self) {
        // What it waits for is gone, which ends it.
        drop(self.end.take());
        if let Some(handle) = self.handle.take() {
            let _ = handle.join();
        }
    }
}

fn start(look: impl FnMut() -> Standings + Send + 'static, tell: Tell) -> Result<Box<dyn Watching>> {
    let (end, ends) = channel();
    let run = move || look_and_tell(look, &ends, &SystemClock, &*tell);
    let spawned = std::thread::Builder::new().name("volumes".to_owned()).spawn(run);
    let handle = spawned.map_err(|error| Error::with_source(ErrorKind::Other, "cannot look for volumes", error))?;
    Ok(Box::new(Thread { end: Some(end), handle: Some(handle) }))
}

fn look_and_tell(mut look: impl FnMut() -> Standings, end: &Receiver<()>, clock: &dyn Clock, tell: &dyn Fn(Seen)) {
    let mut standing = Standings::new();
    let mut moment = Moment::of(clock);
    loop {
        let now = look();
        tell_changes(&standing, &now, tell);
        standing = now;
        if end.recv_timeout(GAP) != Err(RecvTimeoutError::Timeout) {
            return;
        }
        let next = Moment::of(clock);
        if moment.jumps_to(next) {
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

    /// Returns whether the machine slept or the wall clock was set since.
    fn jumps_to(self, later: Self) -> bool {
        let passed = later.monotonic.saturating_sub(self.monotonic);
        let passed_nanos = i64::try_from(passed.as_nanos()).unwrap_or(i64::MAX);
        let off = later.wall_nanos.saturating_sub(self.wall_nanos).saturating_sub(passed_nanos).unsigned_abs();
        passed > GAP + JUMP || u128::from(off) > JUMP.as_nanos()
    }
}

#[cfg(test)]
mod tests;
