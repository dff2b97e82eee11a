//! Fetching packs: a few threads, each with sessions of its own, take packs from one queue and bring them whole or say why
//! not. A pack that fails does not stop the others. What older packs here hold of a repacked one is copied.

use std::collections::{BTreeSet, VecDeque};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::caller::{CallError, Caller};
use super::incoming::Incoming;
use super::plan::Wanted;
use super::rebuild::{Recipes, Way};
use super::{Meter, TransferError, gravity};
use crate::base::PackHash;
use crate::base::monitor::{Amount, Problem, Task};
use crate::base::units::{KIB, MIB};
use crate::disk::{Disk, DiskError, DiskErrorKind, ReadAt};
use crate::error::{Error, ErrorKind};
use crate::format::manifest::PackRef;
use crate::ops::Run;
use crate::remote::retry::{Retry, RetryPolicy};
use crate::remote::{Remote, RemoteError, RemoteErrorKind};
use crate::store::pack::read_exactly;
use crate::store::writer::no_space;
use crate::store::{StoreError, layout};

/// How often a pack that came wrong is fetched from one remote.
const WRONG_TRIES: u32 = 3;
/// What a try must bring for the count of failures to start again.
const PROGRESS_BYTES: u64 = 256 * KIB;
/// Bytes of an older pack that are copied at a time.
const COPY_BYTES: u64 = MIB;

/// Where packs come from and go to.
#[derive(Clone, Copy)]
pub struct Fetching<'a> {
    /// The disk that they go to.
    pub disk: &'a dyn Disk,
    /// Remotes that show the same state, the one to ask first in front.
    pub sources: &'a [Arc<dyn Remote>],
    /// How repacked packs are made of older ones that are here.
    pub recipes: &'a Recipes,
    /// Time, randomness, monitor.
    pub run: Run<'a>,
    /// Counts what arrives.
    pub meter: &'a Meter,
}

impl Fetching<'_> {
    /// Makes the error of a run that the disk ended; says how much room a pack needs where there is none. Something foreign
    /// in the place of one pack costs that pack alone.
    fn ended(&self, error: DiskError, pack: &PackRef) -> Fault {
        let is_in_the_way = error.kind == DiskErrorKind::WrongType;
        let error = no_space(self.disk, error.into(), pack.len_bytes).into();
        if is_in_the_way { Fault::Pack(error) } else { Fault::Fatal(error) }
    }
}

/// Why one pack did not come.
enum Fault {
    /// No remote has it.
    Vanished,
    /// This pack alone failed.
    Pack(Error),
    /// The run is over.
    Fatal(Error),
    /// The remote has too many sessions; this one goes.
    Crowded,
    /// Another worker met what ends the run.
    Stopped,
}

impl From<CallError> for Fault {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Interrupted => Self::Fatal(error.into()),
            CallError::Remote(error) if error.kind == RemoteErrorKind::NotFound => Self::Vanished,
            CallError::Remote(_) => Self::Pack(error.into()),
        }
    }
}

struct Queue {
    wanted: VecDeque<Wanted>,
    workers: usize,
}

struct Pool<'a> {
    fetching: Fetching<'a>,
    queue: Mutex<Queue>,
    failures: Mutex<Vec<(PackRef, Fault)>>,
    copied_bytes: AtomicU64,
    stop: AtomicBool,
}

/// A pack that is brought, with what is known of making it from older ones.
struct Making {
    wanted: Wanted,
    /// Nothing where all of it is fetched.
    way: Option<Way>,
    /// The older pack that was copied from last.
    open: Option<(PackHash, Box<dyn ReadAt>)>,
    copied_bytes: u64,
}

/// Fetches packs, whole and verified, and syncs the directories that got any; returns the bytes of them that were copied
/// from older packs.
///
/// # Durability
/// All packs are durable when this returns well. Otherwise those that came whole are, and of the others what was synced.
///
/// # Errors
/// [`TransferError::Vanished`] when no remote has a pack; else the gravest failure, after all other packs were fetched.
pub fn fetch_packs(fetching: Fetching<'_>, wanted: &[Wanted]) -> Result<u64, TransferError> {
    if wanted.is_empty() {
        return Ok(0);
    }
    let bytes = wanted.iter().map(|wanted| wanted.pack.len_bytes - wanted.resume_from_bytes).sum();
    fetching.run.monitor.begin(Task::Fetch, Some(Amount { files: wanted.len() as u64, bytes }));
    let limit = fetching.sources.first().map_or(1, |remote| remote.session_limit()).clamp(1, wanted.len());
    let pool = Pool {
        fetching,
        queue: Mutex::new(Queue { wanted: wanted.iter().copied().collect(), workers: limit }),
        failures: Mutex::new(Vec::new()),
        copied_bytes: AtomicU64::new(0),
        stop: AtomicBool::new(false),
    };
    std::thread::scope(|scope| {
        for _ in 1..limit {
            scope.spawn(|| pool.work());
        }
        pool.work();
    });
    let synced = sync_dirs(fetching, wanted);
    fetching.run.monitor.end(Task::Fetch);
    let failures = pool.failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    conclude(fetching, failures)?;
    synced?;
    Ok(pool.copied_bytes.into_inner())
}

fn sync_dirs(fetching: Fetching<'_>, wanted: &[Wanted]) -> Result<(), Error> {
    let touched: BTreeSet<u8> = wanted.iter().map(|wanted| wanted.pack.hash.0[0]).collect();
    for first_byte in touched {
        fetching.disk.sync_dir(&layout::pack_dir(first_byte))?;
    }
    Ok(())
}

/// Makes one outcome of many: the gravest error. Packs that failed on their own are told to the monitor; what ended the run is
/// said once, by whoever hears of its end.
fn conclude(fetching: Fetching<'_>, failures: Vec<(PackRef, Fault)>) -> Result<(), TransferError> {
    let mut vanished = None;
    let mut gravest: Option<Error> = None;
    for (pack, fault) in failures {
        let what = format!("pack {}", layout::pack(&pack.hash));
        let error = match fault {
            Fault::Vanished => {
                vanished = Some(what);
                continue;
            }
            Fault::Pack(error) => {
                fetching.run.monitor.problem(Problem { subject: what, reason: error.to_string() });
                error
            }
            Fault::Fatal(error) => error,
            Fault::Crowded | Fault::Stopped => continue,
        };
        if gravest.as_ref().is_none_or(|other| gravity(error.kind()) < gravity(other.kind())) {
            gravest = Some(error);
        }
    }
    match (gravest, vanished) {
        (Some(error), _) => Err(error.into()),
        (None, Some(what)) => Err(TransferError::Vanished(what)),
        (None, None) => Ok(()),
    }
}

impl Pool<'_> {
    fn work(&self) {
        let Fetching { sources, run, meter, .. } = self.fetching;
        let mut callers: Vec<_> = sources.iter().map(|remote| Caller::new(remote.as_ref(), run, meter)).collect();
        while let Some(wanted) = self.next() {
            match self.fetch(&mut callers, &wanted) {
                Ok(()) => run.monitor.advance(Task::Fetch, Amount { files: 1, bytes: 0 }),
                Err(Fault::Crowded) => return,
                Err(fault) => {
                    if matches!(fault, Fault::Fatal(_)) {
                        self.stop.store(true, Ordering::Relaxed);
                    }
                    lock(&self.failures).push((wanted.pack, fault));
                }
            }
        }
    }

    fn next(&self) -> Option<Wanted> {
        let mut queue = lock(&self.queue);
        let wanted = if self.stop.load(Ordering::Relaxed) { None } else { queue.wanted.pop_front() };
        if wanted.is_none() {
            queue.workers -= 1;
        }
        wanted
    }

    /// Gives a pack back and leaves, unless no other worker is there to take it.
    fn leave(&self, wanted: &Wanted) -> bool {
        let mut queue = lock(&self.queue);
        let others = queue.workers > 1;
        if others {
            queue.workers -= 1;
            queue.wanted.push_front(*wanted);
        }
        others
    }

    /// Fetches one pack from the first remote that has it right.
    fn fetch(&self, callers: &mut [Caller<'_>], wanted: &Wanted) -> Result<(), Fault> {
        let way = self.fetching.recipes.way_to(self.fetching.disk, wanted);
        let mut making = Making { wanted: *wanted, way, open: None, copied_bytes: 0 };
        let mut failure = Fault::Vanished;
        for caller in callers {
            match self.fetch_from(caller, &mut making) {
                Ok(()) => {
                    if let Fault::Pack(error) = failure {
                        self.tell(&making.wanted.pack, &error, caller);
                    }
                    self.copied_bytes.fetch_add(making.copied_bytes, Ordering::Relaxed);
                    return Ok(());
                }
                Err(Fault::Vanished) => {}
                Err(fault @ Fault::Pack(_)) => failure = fault,
                Err(fault) => return Err(fault),
            }
        }
        Err(failure)
    }

    /// Says that another remote gave a pack: a remote with wrong bytes is told of, one that only failed is no news.
    fn tell(&self, pack: &PackRef, error: &Error, caller: &Caller<'_>) {
        let (reason, monitor) = (format!("{error}; taken from {}", caller.address()), self.fetching.run.monitor);
        match error.kind() {
            ErrorKind::Corrupt => {
                monitor.problem(Problem { subject: format!("pack {}", layout::pack(&pack.hash)), reason });
            }
            _ => monitor.note(&reason),
        }
    }

    fn fetch_from(&self, caller: &mut Caller<'_>, making: &mut Making) -> Result<(), Fault> {
        let pack = making.wanted.pack;
        let fatal = |error| self.fetching.ended(error, &pack);
        let mut tries = 0;
        while tries < WRONG_TRIES {
            let mut incoming = Incoming::open(self.fetching.disk, pack).map_err(fatal)?;
            making.copied_bytes = 0;
            match self.fill(caller, &mut incoming, making) {
                Ok(Filled::Complete) => {
                    if incoming.finish().map_err(fatal)? {
                        return Ok(());
                    }
                    if making.copied_bytes > 0 {
                        self.give_up(making, "what it is made of here is damaged");
                        continue;
                    }
                }
                // What the remote has is shorter than the pack: the bytes that came are no part of it.
                Ok(Filled::Short) => {
                    incoming.finish().map_err(fatal)?;
                }
                Err(fault) => {
                    let kept = incoming.keep();
                    return Err(match kept {
                        Err(error) if !matches!(fault, Fault::Fatal(_)) => fatal(error),
                        _ => fault,
                    });
                }
            }
            tries += 1;
        }
        let what = layout::pack(&pack.hash);
        let text = format!("pack {what} from {} is not what its hash says", caller.address());
        Err(Fault::Pack(Error::new(ErrorKind::Corrupt, text)))
    }

    /// Fetches the rest of a pack, since copying did not do.
    fn give_up(&self, making: &mut Making, why: &str) {
        (making.way, making.open) = (None, None);
        let what = layout::pack(&making.wanted.pack.hash);
        self.fetching.run.monitor.note(&format!("pack {what} is fetched and not made of older packs: {why}"));
    }

    /// Brings what is missing of a pack: copies what stands here, and streams the rest, again from where it broke off.
    fn fill(&self, caller: &mut Caller<'_>, incoming: &mut Incoming<'_>, making: &mut Making) -> Result<Filled, Fault> {
        let mut retry = Retry::new(RetryPolicy::default());
        while incoming.missing_bytes() > 0 {
            let before = incoming.len_bytes();
            let step = making.way.as_ref().and_then(|way| way.at(before));
            let (source, len_bytes) = step.unwrap_or((None, incoming.missing_bytes()));
            if let Some(source) = source {
                self.copy(incoming, making, source, len_bytes.min(COPY_BYTES))?;
                continue;
            }
            let error = match self.pour(caller, incoming, &making.wanted, len_bytes)? {
                Ok(()) if incoming.len_bytes() - before == len_bytes => {
                    retry.progressed();
                    continue;
                }
                Ok(()) if incoming.len_bytes() == before => return Ok(Filled::Short),
                Ok(()) => RemoteError::new(RemoteErrorKind::Unreachable, "fetch", incoming.path(), "it ended early"),
                Err(error) => error,
            };
            if incoming.len_bytes() - before >= PROGRESS_BYTES {
                retry.progressed();
            }
            if error.kind == RemoteErrorKind::Busy && self.leave(&making.wanted) {
                return Err(Fault::Crowded);
            }
            caller.wait_after(&mut retry, error)?;
        }
        Ok(Filled::Complete)
    }

    /// Copies a piece of an older pack. One that cannot be read is no reason to fail, since all of it can be fetched.
    fn copy(
        &self,
        incoming: &mut Incoming<'_>,
        making: &mut Making,
        (source, offset): (PackHash, u64),
        len_bytes: u64,
    ) -> Result<(), Fault> {
        let Fetching { disk, run, .. } = self.fetching;
        run.check().map_err(Fault::Fatal)?;
        if self.stop.load(Ordering::Relaxed) {
            return Err(Fault::Stopped);
        }
        let path = layout::pack(&source);
        if making.open.as_ref().is_none_or(|(open, _)| *open != source) {
            making.open = disk.open(&path).ok().map(|file| (source, file));
        }
        let file = making.open.as_ref().map(|(_, file)| file.as_ref());
        let piece = file.and_then(|file| read_exactly(file, offset, len_bytes, "a pack").ok());
        if disk.is_gone() {
            return Err(Fault::Fatal(StoreError::Gone(None).into()));
        }
        let Some(piece) = piece else {
            self.give_up(making, &format!("pack {path} does not read"));
            return Ok(());
        };
        incoming.append(&piece).map_err(|error| self.fetching.ended(error, &making.wanted.pack))?;
        making.copied_bytes += len_bytes;
        run.monitor.advance(Task::Fetch, Amount { files: 0, bytes: len_bytes });
        Ok(())
    }

    /// One fetch of a stretch, to its end or to where it breaks off.
    fn pour(
        &self,
        caller: &mut Caller<'_>,
        incoming: &mut Incoming<'_>,
        wanted: &Wanted,
        len_bytes: u64,
    ) -> Result<Result<(), RemoteError>, Fault> {
        let Fetching { run, meter, .. } = self.fetching;
        let mut failed: Option<Fault> = None;
        let (path, offset) = (incoming.path().clone(), incoming.len_bytes());
        let mut sink = |piece: &[u8]| {
            meter.fetched(piece.len() as u64);
            run.monitor.advance(Task::Fetch, Amount { files: 0, bytes: piece.len() as u64 });
            if let Err(error) = incoming.append(piece) {
                failed = Some(self.fetching.ended(error, &wanted.pack));
            } else if self.fetching.disk.is_gone() {
                failed = Some(Fault::Fatal(StoreError::Gone(None).into()));
            } else if let Err(error) = run.check() {
                failed = Some(Fault::Fatal(error));
            }
            if failed.is_some() || self.stop.load(Ordering::Relaxed) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let result = caller.once(&mut |session| session.fetch(&path, offset, len_bytes, &mut sink));
        if let Some(fault) = failed {
            return Err(fault);
        }
        if self.stop.load(Ordering::Relaxed) {
            return Err(Fault::Stopped);
        }
        Ok(result?.map(|_| ()))
    }
}

/// How a pack's bytes came.
enum Filled {
    /// All of them.
    Complete,
    /// The remote's file ends before the pack does.
    Short,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
