//! Linux: the table of mounts and uevents for what people plug in, and a directory of which every folder is a volume.
//!
//! One thread blocks in `poll` on all that may change: the table of mounts, uevents of the kernel, notes of a directory, a timer
//! that the kernel cancels when the wall clock is set or the machine slept, and the wish to end. Whatever wakes it, it looks at
//! what stands now, and tells what is different from the last look: so nothing hangs on what an event says, and a source that
//! some system does not give (uevents in a container) costs speed alone: a key that was pulled and stays mounted is then noticed
//! by the run on it, or when it is unmounted.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::io::Errno;
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use super::{Seen, Standing, Standings, Tell, Volumes, Watching, tell_changes};
use crate::agent::event::VolumeKey;
use crate::disk::Medium;
use crate::disk::watch::{Found, Mount, MountTable, WatchedDir};
use crate::error::{Error, ErrorKind, Result};

/// Where desktops and people mount what is plugged in.
const PLACES: [&str; 3] = ["/media", "/run/media", "/mnt"];
/// The group of uevents that the kernel itself sends to.
const KERNEL_GROUP: u32 = 1;
/// How often a directory is looked at which the system notes nothing of.
const LOOK_EVERY: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };
/// A moment that never comes, in seconds since 1970.
const NEVER_SECS: i64 = i32::MAX as i64 * 16;

/// Keys, cards and disks that are plugged in and mounted by whoever does that here: the desktop, or a person.
///
/// A volume is a block device that is mounted and sits on a plug (USB, a card reader), or is mounted below `/media`, `/run/media`
/// or `/mnt`. Its key is the device's number.
#[derive(Debug, Default)]
pub struct Plugged;

impl Volumes for Plugged {
    fn name(&self) -> &'static str {
        "uevents and the table of mounts"
    }

    fn start(self: Box<Self>, tell: Tell) -> Result<Box<dyn Watching>> {
        let table = MountTable::open()?;
        start(Looker::Table { table, uevents: uevents().ok() }, tell)
    }
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
        let dir = WatchedDir::open(&self.dir)?;
        start(Looker::Dir { dir, table: MountTable::open().ok() }, tell)
    }
}

/// What is waited for and looked at.
enum Looker {
    Table { table: MountTable, uevents: Option<OwnedFd> },
    Dir { dir: WatchedDir, table: Option<MountTable> },
}

impl Looker {
    fn waits_for(&self) -> Vec<PollFd<'_>> {
        fn data(fd: BorrowedFd<'_>) -> PollFd<'_> {
            PollFd::from_borrowed_fd(fd, PollFlags::IN)
        }
        fn change(table: &MountTable) -> PollFd<'_> {
            PollFd::new(table, PollFlags::PRI)
        }
        match self {
            Self::Table { table, uevents } => {
                [change(table)].into_iter().chain(uevents.as_ref().map(|uevents| data(uevents.as_fd()))).collect()
            }
            Self::Dir { dir, table } => dir.notes().map(data).into_iter().chain(table.as_ref().map(change)).collect(),
        }
    }

    /// Returns after how long to look although nothing woke us: where the system notes nothing.
    fn look_every(&self) -> Option<&'static Timespec> {
        match self {
            Self::Dir { dir, .. } if dir.notes().is_none() => Some(&LOOK_EVERY),
            _ => None,
        }
    }

    /// Takes what woke us, so that it does not wake us again. Returns what went meanwhile and may be back already.
    fn drain(&self) -> BTreeSet<VolumeKey> {
        match self {
            Self::Table { uevents, .. } => {
                uevents.iter().for_each(drain_uevents);
                // What is mounted anew has another number.
                BTreeSet::new()
            }
            Self::Dir { dir, .. } => dir.drain().into_iter().map(VolumeKey).collect(),
        }
    }

    /// Looks at what stands; what cannot be read counts as not there.
    fn look(&self) -> Standings {
        match self {
            Self::Table { table, .. } => {
                let is_there = |mount: &Mount| {
                    let medium = Medium::of_device(mount.device);
                    !medium.is_gone() && (medium.is_pluggable() || is_in_a_place(&mount.point))
                };
                standings_of(table.read().unwrap_or_default(), is_there)
            }
            Self::Dir { dir, .. } => {
                let standing = |(name, found): (String, Found)| {
                    let marks = BTreeSet::from([mix(found.id)]);
                    (VolumeKey(name), Standing { path: found.path, marks })
                };
                dir.dirs().unwrap_or_default().into_iter().map(standing).collect()
            }
        }
    }
}

fn is_in_a_place(point: &Path) -> bool {
    PLACES.iter().any(|place| point.starts_with(place) && point != Path::new(place))
}

/// Gathers mounts by device, each under the path that it was mounted at first.
fn standings_of(mounts: Vec<Mount>, is_there: impl Fn(&Mount) -> bool) -> Standings {
    let mut standings = Standings::new();
    let mut mounts: Vec<_> = mounts.into_iter().filter(|mount| mount.device.0 != 0 && is_there(mount)).collect();
    mounts.sort_by_key(|mount| mount.id);
    for Mount { id, device: (major, minor), point } in mounts {
        let key = VolumeKey(format!("{major}:{minor}"));
        let standing = standings.entry(key).or_insert_with(|| Standing { path: point, marks: BTreeSet::new() });
        standing.marks.insert(id);
    }
    standings
}

/// Makes one number of two; two folders that stand under one name in turn do not meet.
fn mix((device, inode): (u64, u64)) -> u64 {
    device.rotate_left(40) ^ inode
}

/// Opens the kernel's uevents; they are a reason to look and no more, so nobody can tell lies by them.
fn uevents() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(KOBJECT_UEVENT))?;
    bind(&socket, &SocketAddrNetlink::new(0, KERNEL_GROUP))?;
    Ok(socket)
}

fn drain_uevents(uevents: &OwnedFd) {
    let mut room = [0; 8192];
    loop {
        match recv(uevents, &mut room[..], RecvFlags::DONTWAIT) {
            // One that did not fit was lost, and the look that follows finds what it told of.
            Ok(_) | Err(Errno::NOBUFS) => {}
            Err(_) => return,
        }
    }
}

/// A timer for a moment that never comes; the kernel ends it early when the clock is set or the machine wakes up.
fn jumps() -> io::Result<OwnedFd> {
    let timer = timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
    let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
    let never = Itimerspec { it_interval: zero, it_value: Timespec { tv_sec: NEVER_SECS, tv_nsec: 0 } };
    let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
    timerfd_settime(&timer, flags, &never)?;
    Ok(timer)
}

/// A thread that waits, looks and tells.
struct Thread {
    end: Arc<OwnedFd>,
    handle: Option<JoinHandle<()>>,
}

impl Watching for Thread {}

impl Drop for Thread {
    fn drop(&mut self) {
        let _ = rustix::io::write(&*self.end, &1_u64.to_ne_bytes());
        if let Some(handle) = self.handle.take() {
            let _ = handle.join();
        }
    }
}

fn start(looker: Looker, tell: Tell) -> Result<Box<dyn Watching>> {
    let refused = |error: io::Error| Error::with_source(ErrorKind::Other, "cannot wait for volumes", error);
    let end = Arc::new(eventfd(0, EventfdFlags::CLOEXEC).map_err(|error| refused(error.into()))?);
    let (ends, jumps) = (Arc::clone(&end), jumps().ok());
    let run = move || wait_look_tell(&looker, &ends, jumps.as_ref(), &*tell);
    let spawned = std::thread::Builder::new().name("volumes".to_owned()).stack_size(256 * 1024).spawn(run);
    Ok(Box::new(Thread { end, handle: Some(spawned.map_err(refused)?) }))
}

fn wait_look_tell(looker: &Looker, end: &OwnedFd, jumps: Option<&OwnedFd>, tell: &dyn Fn(Seen)) {
    let mut standing = Standings::new();
    loop {
        for key in looker.drain() {
            if standing.remove(&key).is_some() {
                tell(Seen::Gone(key));
            }
        }
        let now = looker.look();
        tell_changes(&standing, &now, tell);
        standing = now;
        let mut waits = looker.waits_for();
        let (end_at, jumps_at) = (waits.len(), waits.len() + 1);
        waits.push(PollFd::new(end, PollFlags::IN));
        waits.extend(jumps.map(|jumps| PollFd::new(jumps, PollFlags::IN)));
        match poll(&mut waits, looker.look_every()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return,
        }
        if !waits[end_at].revents().is_empty() {
            return;
        }
        if waits.get(jumps_at).is_some_and(|jumps| !jumps.revents().is_empty()) {
            // Reading takes the news; it fails with ECANCELED, as it should.
            let _ = jumps.map(|jumps| rustix::io::read(jumps, &mut [0; 8]));
            tell(Seen::Jumped);
        }
    }
}

#[cfg(test)]
mod tests;
