//! Sending packs and the small files around them. A pack is hashed while it is sent, so that a rotten one is never
//! published; small files are sent only once every pack was acknowledged.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::caller::{CallError, Caller};
use super::carried::read_file;
use super::{Meter, gravity};
use crate::base::StorePath;
use crate::base::limits::{KEY_FILE_MAX_BYTES, KEY_LIST_MAX_BYTES, TRUST_MAX_BYTES};
use crate::base::monitor::{Amount, Task};
use crate::disk::{Disk, ReadAt, read_all};
use crate::error::{Error, ErrorKind, Result};
use crate::format::head::SignedHead;
use crate::format::keylist::KeyTag;
use crate::format::manifest::{KeyShards, PackRef, RecipeRef};
use crate::ops::Run;
use crate::ops::host_state::HostState;
use crate::remote::retry::{Retry, RetryPolicy};
use crate::remote::{Remote, RemoteError, RemoteErrorKind};
use crate::store::keys::read_key_list;
use crate::store::manifest::PackSet;
use crate::store::recipe::decode_recipe;
use crate::store::{Store, StoreError, layout};

/// How many recipes are held at a time.
const RECIPES_HELD: usize = 64;
/// How many acknowledged packs may be unremembered when a push is killed.
const REMEMBER_EVERY: usize = 8;

/// Where files go.
#[derive(Clone, Copy)]
pub struct Sending<'a> {
    /// The disk that they come from.
    pub disk: &'a dyn Disk,
    /// The remote.
    pub remote: &'a dyn Remote,
    /// Time, randomness, monitor.
    pub run: Run<'a>,
    /// Counts what goes.
    pub meter: &'a Meter,
    /// The remote holds no store yet, so its own directory may lack too.
    pub is_first: bool,
}

/// What became of the packs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sent {
    /// Sent now.
    pub packs_sent: u64,
    /// There already.
    pub packs_reused: u64,
    /// Bytes of those.
    pub reused_bytes: u64,
}

/// A small file to send.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Where to.
    pub path: StorePath,
    /// All of it.
    pub bytes: Vec<u8>,
}

struct Queue {
    wanted: VecDeque<PackRef>,
    workers: usize,
}

struct Pool<'a, 'b> {
    sending: Sending<'a>,
    address: String,
    queue: Mutex<Queue>,
    state: Mutex<(&'b mut HostState, usize)>,
    sent: Mutex<Sent>,
    failures: Mutex<Vec<Error>>,
    dirs: Mutex<HashSet<StorePath>>,
    stop: AtomicBool,
}

/// Sends packs, several at a time; the ones that are there already are passed over.
///
/// # Errors
/// The gravest of all failures. A pack that failed ends the run, since HEAD cannot follow.
pub fn send_packs(sending: Sending<'_>, wanted: &[PackRef], state: &mut HostState) -> Result<Sent> {
    if wanted.is_empty() {
        return Ok(Sent::default());
    }
    let bytes = wanted.iter().map(|pack| pack.len_bytes).sum();
    sending.run.monitor.begin(Task::Send, Some(Amount { files: wanted.len() as u64, bytes }));
    let workers = sending.remote.session_limit().clamp(1, wanted.len());
    let pool = Pool {
        sending,
        address: sending.remote.address(),
        queue: Mutex::new(Queue { wanted: wanted.iter().copied().collect(), workers }),
        state: Mutex::new((state, 0)),
        sent: Mutex::default(),
        failures: Mutex::default(),
        dirs: Mutex::default(),
        stop: AtomicBool::new(false),
    };
    std::thread::scope(|scope| {
        for _ in 1..workers {
            scope.spawn(|| pool.work());
        }
        pool.work();
    });
    sending.run.monitor.end(Task::Send);
    let failures = pool.failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    match failures.into_iter().min_by_key(|error| gravity(error.kind())) {
        Some(error) => Err(error),
        None => Ok(pool.sent.into_inner().unwrap_or_else(PoisonError::into_inner)),
    }
}

/// How one pack got there.
enum Arrival {
    Sent,
    Reused,
    /// Given back to the queue: the remote has too many sessions.
    Left,
}

impl Pool<'_, '_> {
    fn work(&self) {
        let mut caller = Caller::new(self.sending.remote, self.sending.run, self.sending.meter);
        while let Some(pack) = self.next() {
            match self.bring(&mut caller, &pack) {
                Ok(Arrival::Left) => return,
                Ok(arrival) => self.arrived(&pack, &arrival),
                Err(error) => {
                    self.stop.store(true, Ordering::Relaxed);
                    lock(&self.failures).push(error);
                }
            }
        }
    }

    fn next(&self) -> Option<PackRef> {
        let mut queue = lock(&self.queue);
        let pack = if self.stop.load(Ordering::Relaxed) { None } else { queue.wanted.pop_front() };
        if pack.is_none() {
            queue.workers -= 1;
        }
        pack
    }

    fn leave(&self, pack: &PackRef) -> bool {
        let mut queue = lock(&self.queue);
        let others = queue.workers > 1;
        if others {
            queue.workers -= 1;
            queue.wanted.push_front(*pack);
        }
        others
    }

    fn arrived(&self, pack: &PackRef, arrival: &Arrival) {
        let mut sent = lock(&self.sent);
        match arrival {
            Arrival::Sent => sent.packs_sent += 1,
            _ => {
                sent.packs_reused += 1;
                sent.reused_bytes += pack.len_bytes;
            }
        }
        drop(sent);
        self.sending.run.monitor.advance(Task::Send, Amount { files: 1, bytes: 0 });
        let mut guard = lock(&self.state);
        let (state, unsaved) = &mut *guard;
        state.sent(&self.address, &pack.hash);
        *unsaved += 1;
        if *unsaved >= REMEMBER_EVERY {
            *unsaved = 0;
            // A memory that cannot be written costs reading back after a kill, nothing else.
            let _ = state.save();
        }
    }

    fn bring(&self, caller: &mut Caller<'_>, pack: &PackRef) -> Result<Arrival> {
        let path = layout::pack(&pack.hash);
        self.make_dirs(caller, &path)?;
        if self.is_there(caller, pack)? {
            return Ok(Arrival::Reused);
        }
        let mut retry = Retry::new(RetryPolicy::default());
        loop {
            let error = match self.send(caller, pack, &path)? {
                Ok(()) => return Ok(Arrival::Sent),
                Err(error) => error,
            };
            if error.kind == RemoteErrorKind::Busy && self.leave(pack) {
                return Ok(Arrival::Left);
            }
            caller.wait_after(&mut retry, error)?;
        }
    }

    /// Returns whether the remote holds a pack that an earlier run sent.
    fn is_there(&self, caller: &mut Caller<'_>, pack: &PackRef) -> Result<bool> {
        let path = layout::pack(&pack.hash);
        let length = caller.call(&mut |session| match session.length(&path) {
            Err(error) if error.kind == RemoteErrorKind::NotFound => Ok(None),
            other => other,
        })?;
        if length != Some(pack.len_bytes) {
            return Ok(false);
        }
        if lock(&self.state).0.was_sent(&self.address, &pack.hash) {
            return Ok(true);
        }
        self.reads_back(caller, pack, &path)
    }

    fn reads_back(&self, caller: &mut Caller<'_>, pack: &PackRef, path: &StorePath) -> Result<bool> {
        let Sending { run, meter, .. } = self.sending;
        let found = caller.call(&mut |session| {
            let mut hasher = blake3::Hasher::new();
            session.fetch(path, 0, pack.len_bytes, &mut |piece| {
                meter.fetched(piece.len() as u64);
                hasher.update(piece);
                if run.monitor.cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
            Ok(*hasher.finalize().as_bytes())
        });
        run.check()?;
        match found {
            Ok(hash) => Ok(hash == pack.hash.0),
            Err(CallError::Remote(error)) if error.kind == RemoteErrorKind::NotFound => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends a pack once; hashes it on the way.
    fn send(
        &self,
        caller: &mut Caller<'_>,
        pack: &PackRef,
        path: &StorePath,
    ) -> Result<std::result::Result<(), RemoteError>> {
        let Sending { disk, run, meter, .. } = self.sending;
        let file = disk.open(path).map_err(|error| StoreError::corrupt(format!("pack {path}"), error))?;
        let mut source = Source { file, offset: 0, hasher: blake3::Hasher::new(), run, meter, stopped: false };
        let result = caller.once(&mut |session| {
            source.rewind();
            session.send(path, &mut source)
        })?;
        if source.stopped {
            return Err(CallError::Interrupted.into());
        }
        match result {
            Err(error) if error.kind == RemoteErrorKind::Local => {
                Err(StoreError::corrupt(format!("pack {path}"), error).into())
            }
            Ok(()) if source.offset != pack.len_bytes || source.hasher.finalize().as_bytes() != &pack.hash.0 => {
                // What was sent is no pack; nothing names it yet, and nothing shall find it.
                caller.call(&mut |session| session.remove(path))?;
                Err(StoreError::damaged(format!("pack {path}")).into())
            }
            other => Ok(other),
        }
    }

    fn make_dirs(&self, caller: &mut Caller<'_>, path: &StorePath) -> Result<()> {
        make_dirs(caller, path, self.sending.is_first, &self.dirs)
    }
}

/// Makes the directories above a path that are new to this run: asking costs less than a pack that is refused.
fn make_dirs(
    caller: &mut Caller<'_>,
    path: &StorePath,
    with_root: bool,
    made: &Mutex<HashSet<StorePath>>,
) -> Result<()> {
    let mut dirs = Vec::new();
    let mut dir = path.parent();
    while dir != StorePath::root() {
        dirs.push(dir.clone());
        dir = dir.parent();
    }
    if with_root {
        dirs.push(StorePath::root());
    }
    for dir in dirs.iter().rev() {
        if !lock(made).contains(dir) {
            // Noted once it stands: two sessions may make the same one, and neither may build on one that is only begun.
            caller.call(&mut |session| session.create_dir(dir))?;
            lock(made).insert(dir.clone());
        }
    }
    Ok(())
}

/// A pack's bytes on their way out.
struct Source<'a> {
    file: Box<dyn ReadAt>,
    offset: u64,
    hasher: blake3::Hasher,
    run: Run<'a>,
    meter: &'a Meter,
    stopped: bool,
}

impl Source<'_> {
    fn rewind(&mut self) {
        self.offset = 0;
        self.hasher.reset();
    }
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.run.monitor.cancelled() {
            self.stopped = true;
            return Err(io::Error::other("interrupted"));
        }
        let count = self.file.read_at(self.offset, buffer).map_err(io::Error::other)?;
        self.hasher.update(&buffer[..count]);
        self.offset += count as u64;
        self.meter.sent(count as u64);
        self.run.monitor.advance(Task::Send, Amount { files: 0, bytes: count as u64 });
        Ok(count)
    }
}

/// Sends small files in order, making directories where they lack.
///
/// # Errors
/// Those of the remote.
pub fn send_files(sending: Sending<'_>, caller: &mut Caller<'_>, files: &[Outgoing]) -> Result<()> {
    let made = Mutex::default();
    for file in files {
        make_dirs(caller, &file.path, sending.is_first, &made)?;
        sending.meter.sent(file.bytes.len() as u64);
        caller.call(&mut |session| session.send(&file.path, &mut &file.bytes[..]))?;
    }
    Ok(())
}

/// Sends the recipes that a remote does not list yet, as far as they are here: they are hints, so none needs to be.
///
/// # Errors
/// Those of the remote.
pub fn send_recipes(
    sending: Sending<'_>,
    caller: &mut Caller<'_>,
    store: &Store,
    packs_there: Option<&PackSet>,
) -> Result<()> {
    let is_there = |listed: &RecipeRef| packs_there.and_then(|there| there.recipe(&listed.pack)) == Some(listed);
    let missing: Vec<_> = store.packs().recipes.iter().filter(|listed| !is_there(listed)).collect();
    let read = |listed: &&RecipeRef| {
        let path = layout::recipe(&listed.recipe);
        let bytes = read_all(sending.disk, &path, listed.len_bytes).ok().flatten()?;
        decode_recipe(&bytes, store.id(), listed).ok().map(|_| Outgoing { path, bytes })
    };
    for some in missing.chunks(RECIPES_HELD) {
        send_files(sending, caller, &some.iter().filter_map(read).collect::<Vec<_>>())?;
    }
    Ok(())
}

/// Collects the small files that a remote lacks: key files, key lists, trust files, manifests, in this order.
///
/// # Errors
/// [`ErrorKind::Corrupt`] when one is missing here; key files that this store does not carry are left out.
pub fn outer_files(
    disk: &dyn Disk,
    store: &Store,
    packs_there: Option<&PackSet>,
    head_there: Option<&SignedHead>,
) -> Result<Vec<Outgoing>> {
    let mut files = Vec::new();
    let mut lists = Vec::new();
    for shards in &store.packs().top.key_lists {
        let there = packs_there.and_then(|packs| packs.top.key_lists.iter().find(|other| other.epoch == shards.epoch));
        collect_keys(disk, store, shards, there, &mut files, &mut lists)?;
    }
    files.extend(lists);
    for file in &store.packs().top.files {
        if !packs_there.is_some_and(|there| there.top.files.contains(file)) {
            let path = layout::carried_file(&file.hash);
            let bytes = read_file(disk, file).ok_or_else(|| StoreError::damaged(format!("carried file {path}")))?;
            files.push(Outgoing { path, bytes });
        }
    }
    let trust_there = head_there.map_or(0, |head| head.head.trust_version);
    let needed = store.head().head.trust_version;
    for version in trust_there + 1..=needed {
        files.push(read_outgoing(disk, layout::trust(version), TRUST_MAX_BYTES)?);
    }
    // Bases before what changes them.
    for (hash, len_bytes) in store.packs().chain.iter().rev() {
        if packs_there.is_none_or(|packs| !packs.chain.iter().any(|(other, _)| other == hash)) {
            files.push(read_outgoing(disk, layout::manifest(hash), *len_bytes)?);
        }
    }
    Ok(files)
}

fn collect_keys(
    disk: &dyn Disk,
    store: &Store,
    shards: &KeyShards,
    there: Option<&KeyShards>,
    files: &mut Vec<Outgoing>,
    lists: &mut Vec<Outgoing>,
) -> Result<()> {
    let known = entries_there(disk, store, there);
    for (hash, len_bytes) in &shards.shards {
        if there.is_some_and(|there| there.shards.iter().any(|(other, _)| other == hash)) {
            continue;
        }
        let list = read_key_list(disk, store.id(), hash, *len_bytes)?;
        lists.push(read_outgoing(disk, layout::key_list(hash), KEY_LIST_MAX_BYTES)?);
        for entry in list.entries.iter().filter(|entry| known.get(&entry.tag) != Some(&entry.hash)) {
            let path = layout::key_file(shards.epoch, entry.tag);
            // A replica that carries one reader's key file has no others to give.
            if let Some(bytes) = read_all(disk, &path, KEY_FILE_MAX_BYTES)? {
                if *blake3::hash(&bytes).as_bytes() != entry.hash {
                    return Err(StoreError::damaged(format!("key file {path}")).into());
                }
                files.push(Outgoing { path, bytes });
            }
        }
    }
    Ok(())
}

/// Returns the key files that the remote's own lists name, as far as those lists stand here too.
fn entries_there(disk: &dyn Disk, store: &Store, there: Option<&KeyShards>) -> HashMap<KeyTag, [u8; 32]> {
    let lists = there.into_iter().flat_map(|there| &there.shards);
    let lists = lists.filter_map(|(hash, len_bytes)| read_key_list(disk, store.id(), hash, *len_bytes).ok());
    lists.flat_map(|list| list.entries).map(|entry| (entry.tag, entry.hash)).collect()
}

fn read_outgoing(disk: &dyn Disk, path: StorePath, max_bytes: u64) -> Result<Outgoing> {
    match read_all(disk, &path, max_bytes)? {
        Some(bytes) => Ok(Outgoing { path, bytes }),
        None => Err(Error::new(ErrorKind::Corrupt, format!("cannot send {path}: it is missing"))),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
