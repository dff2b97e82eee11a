//! The visitors of the walk that write, or only look: what becomes of each entry, and the doing of it.

use std::collections::{HashMap, HashSet};

use super::content::Failure;
use super::pool::{Finished, Job, Writers};
use super::resume::{PART_MIN_BYTES, Span};
use super::standing::mtime;
use super::walk::{Dir, Visit};
use super::{Act, Hashes, Overwrite, RestoreRequest, Restored, Stop, Tell, damage, target_error};
use crate::base::monitor::{Amount, Problem, Task};
use crate::base::{FileId, RelPath};
use crate::disk::folder::{Attributes, ExtendedAttribute, FileKind, Stat};
use crate::disk::{DiskErrorKind, Folder};
use crate::error::{Error, ErrorKind};
use crate::folder::BatchWriter;
use crate::format::attributes::{ATTRIBUTES_TAG, HOLES_TAG, decode_attributes, decode_holes, extension};
use crate::format::codec::Extensions;
use crate::format::tree::{Entry, Meta, Node};
use crate::ops::Run;
use crate::store::StoreError;

/// Knows what stands where in the target.
struct Decider<'a> {
    folder: Option<&'a dyn Folder>,
    overwrite: Overwrite,
    /// When an earlier run of the same restore put entries in place.
    earlier: Option<Span>,
    /// Whether it is asked what stands there even where that changes nothing.
    asks: bool,
    /// Whether each directory on the way stood before.
    stood: Vec<bool>,
}

impl Decider<'_> {
    /// Enters a directory; returns its state if it stood before.
    fn enter(&mut self, path: &RelPath) -> Result<Option<Stat>, Stop> {
        let standing = self.standing(path)?.filter(|stat| stat.kind == FileKind::Dir);
        self.stood.push(standing.is_some());
        Ok(standing)
    }

    fn leave(&mut self) {
        self.stood.pop();
    }

    fn decide(&self, path: &RelPath, entry: &Entry) -> Result<(Act, Option<Stat>), Stop> {
        let standing = self.standing(path)?;
        let Some(folder) = self.folder else { return Ok((Act::Create, None)) };
        let mut act = self.overwrite.decide(folder, path, entry, standing.as_ref()).map_err(target_error)?;
        let is_of_that_run = standing.as_ref().zip(self.earlier).is_some_and(|(stat, earlier)| earlier.holds(stat));
        if act == Act::Replace && is_of_that_run {
            act = Overwrite::IfChanged.decide(folder, path, entry, standing.as_ref()).map_err(target_error)?;
        }
        Ok((act, standing))
    }

    /// Returns what stands under a path; nothing where nobody asks, or where a link or file is on the way.
    fn standing(&self, path: &RelPath) -> Result<Option<Stat>, Stop> {
        let Some(folder) = self.folder.filter(|_| self.asks && self.stood.last() != Some(&false)) else {
            return Ok(None);
        };
        match folder.stat(path) {
            Ok(standing) => Ok(standing),
            Err(error) if matches!(error.kind, DiskErrorKind::Gone | DiskErrorKind::Io) => Err(target_error(error)),
            Err(_) => Ok(None),
        }
    }
}

/// A directory on the way, made when something is written into it.
struct Above {
    path: RelPath,
    /// What is set on it; nothing where it stays as it stands.
    attributes: Option<Attributes>,
    is_made: bool,
}

/// Writes what it comes by.
pub struct Restorer<'a, 'p> {
    /// The batch under way.
    pub batch: BatchWriter<'a>,
    /// What was done so far.
    pub done: Restored,
    /// Entries that it came by.
    pub seen: u64,
    folder: &'a dyn Folder,
    run: Run<'a>,
    owners: bool,
    decider: Decider<'a>,
    writers: Writers<'p, 'a>,
    above: Vec<Above>,
    /// The first name of each file that has several, and those whose first name is being written.
    linked: HashMap<FileId, RelPath>,
    linking: HashSet<FileId>,
    files: usize,
    hashes: Hashes,
    unread_attributes: bool,
}

/// A restorer whose threads are done.
pub struct Written<'a> {
    /// The batch that is not finished yet.
    pub batch: BatchWriter<'a>,
    /// What was done.
    pub done: Restored,
    /// Entries that it came by.
    pub seen: u64,
}

impl<'a, 'p> Restorer<'a, 'p> {
    /// Writes into `folder` through `batch` and `writers`; goes on with an earlier run.
    pub fn new(
        folder: &'a dyn Folder,
        request: &RestoreRequest<'_>,
        run: Run<'a>,
        batch: BatchWriter<'a>,
        writers: Writers<'p, 'a>,
        earlier: Option<Span>,
    ) -> Self {
        let overwrite = request.options.overwrite;
        let asks = overwrite.asks() || earlier.is_some();
        Self {
            batch,
            done: Restored::default(),
            seen: 0,
            folder,
            run,
            owners: request.owners,
            decider: Decider { folder: Some(folder), overwrite, earlier, asks, stood: Vec::new() },
            writers,
            above: Vec::new(),
            linked: HashMap::new(),
            linking: HashSet::new(),
            files: 0,
            hashes: Vec::new(),
            unread_attributes: false,
        }
    }

    /// Lets go of the threads, which are done.
    pub fn written(self) -> (Written<'a>, Hashes) {
        let Self { batch, done, seen, hashes, .. } = self;
        (Written { batch, done, seen }, hashes)
    }

    /// Puts in place what is whole, as far as the target takes it, when the rest cannot be had; the next run goes on from there.
    pub fn put_in_place(mut self, goes_on: bool) {
        if self.batch.flush().is_ok() && goes_on && self.done.files > 0 {
            self.run.monitor.note("what was whole is in place; the same command goes on from there");
        }
    }

    /// Waits for the threads.
    ///
    /// # Errors
    /// Those of the files that were on their way.
    pub fn wait_for_all(&mut self) -> Result<(), Stop> {
        let mut ready = Vec::new();
        self.writers.wait(&mut |finished| {
            ready.push(finished);
            Ok(())
        })?;
        ready.into_iter().try_for_each(|finished| self.finish(finished))
    }

    /// Makes the directories on the way that are not made yet; tells whether the last one stands.
    fn make_above(&mut self) -> Result<bool, Stop> {
        let mut stands = true;
        for above in self.above.iter_mut().filter(|above| !above.is_made) {
            above.is_made = true;
            if let Some(attributes) = &above.attributes {
                stands = self.batch.directory(&above.path, attributes.clone()).map_err(target_error)?;
            }
        }
        Ok(stands)
    }

    /// Returns what is set on a directory that may have stood before.
    fn directory_attributes(&mut self, dir: &Dir<'_>, standing: Option<&Stat>) -> Result<Option<Attributes>, Stop> {
        let stays = match (self.decider.overwrite, standing) {
            (Overwrite::Never, Some(_)) => true,
            (Overwrite::IfNewer, Some(stat)) => stat.mtime >= mtime(dir.meta),
            _ => false,
        };
        // The target may have been made a moment ago to restore into it.
        let is_fresh = stays && dir.path.is_root() && self.folder.list(dir.path).map_err(target_error)?.is_empty();
        if stays && !is_fresh {
            return Ok(None);
        }
        Ok(Some(self.attributes(dir.path, dir.meta, dir.extensions)))
    }

    fn attributes(&mut self, path: &RelPath, meta: &Meta, extensions: &Extensions) -> Attributes {
        let read = extension(extensions, ATTRIBUTES_TAG).map(decode_attributes).transpose();
        if let Err(error) = &read
            && !std::mem::replace(&mut self.unread_attributes, true)
        {
            let reason = format!("{error}: left out; further entries like this one are not reported");
            self.run.monitor.problem(Problem { subject: path.to_string(), reason });
        }
        let pairs = read.ok().flatten().unwrap_or_default();
        Attributes {
            mode: Some(meta.mode),
            owner: self.owners.then_some((meta.uid, meta.gid)),
            mtime: Some(mtime(meta)),
            extended: pairs.into_iter().map(|(name, value)| ExtendedAttribute { name, value }).collect(),
        }
    }

    fn file(&mut self, path: &RelPath, entry: &Entry, act: Act, standing: Option<&Stat>) -> Result<(), Stop> {
        let Node::File { len_bytes, content } = &entry.node else { return Ok(()) };
        let order = self.files;
        self.files += 1;
        if entry.hard_linked && self.link(path, entry, act, standing)? {
            return Ok(());
        }
        if act == Act::Keep {
            if entry.hard_linked {
                self.linked.entry(entry.file_id).or_insert_with(|| path.clone());
            }
            return self.keep(path, entry, standing);
        }
        let is_long = *len_bytes >= PART_MIN_BYTES;
        let begun = if is_long { self.batch.begin_long_file(path) } else { self.batch.begin_file(path) };
        let Some(file) = begun.map_err(target_error)? else { return Ok(()) };
        // Holes are a hint; what does not read is written as zeros.
        let holes = extension(&entry.extensions, HOLES_TAG).map(|bytes| decode_holes(bytes, *len_bytes));
        let linked = entry.hard_linked.then_some(entry.file_id);
        self.linking.extend(linked);
        let job = Job {
            file,
            path: path.clone(),
            len_bytes: *len_bytes,
            content: content.clone(),
            holes: holes.and_then(Result::ok).unwrap_or_default(),
            attributes: self.attributes(path, &entry.meta, &entry.extensions),
            order,
            linked,
        };
        let mut ready = Vec::new();
        self.writers.submit(job, &mut |finished| {
            ready.push(finished);
            Ok(())
        })?;
        ready.into_iter().try_for_each(|finished| self.finish(finished))
    }

    /// Gives a file that was written or kept before one more name; tells whether that could be done.
    fn link(&mut self, path: &RelPath, entry: &Entry, act: Act, standing: Option<&Stat>) -> Result<bool, Stop> {
        if self.linking.contains(&entry.file_id) {
            self.wait_for_all()?;
        }
        let Some(first) = self.linked.get(&entry.file_id).cloned() else { return Ok(false) };
        if act == Act::Keep {
            let of_first = self.folder.stat(&first).map_err(target_error)?;
            let one = |stat: &Stat| (stat.device, stat.inode, stat.inode != 0);
            if of_first.as_ref().map(one) == standing.map(one) {
                self.done.unchanged += 1;
                return Ok(true);
            }
        }
        let made = self.batch.hard_link(&first, path).map_err(target_error)?;
        if made {
            self.count(0);
        }
        Ok(made)
    }

    /// Leaves an entry as it stands, but for what is set beside its content.
    fn keep(&mut self, path: &RelPath, entry: &Entry, standing: Option<&Stat>) -> Result<(), Stop> {
        self.done.unchanged += 1;
        let Some(stat) = standing else { return Ok(()) };
        let mut wanted = self.attributes(path, &entry.meta, &entry.extensions);
        let is_link = stat.kind == FileKind::Symlink;
        wanted.mode = wanted.mode.filter(|&mode| !is_link && mode != stat.mode);
        wanted.owner = wanted.owner.filter(|&owner| owner != (stat.uid, stat.gid));
        wanted.mtime = wanted.mtime.filter(|&mtime| stat.kind != FileKind::File && mtime != stat.mtime);
        if !wanted.extended.is_empty() {
            let there = self.folder.extended_attributes(path).unwrap_or_default();
            wanted.extended.retain(|one| !there.contains(one));
        }
        if wanted == Attributes::default() {
            return Ok(());
        }
        self.batch.set_attributes(path, &wanted).map_err(target_error)
    }

    /// Takes over a file that a thread has written, or not.
    fn finish(&mut self, finished: Finished<'a>) -> Result<(), Stop> {
        let Finished { job, outcome } = finished;
        let hash = match outcome {
            Ok(hash) => hash,
            Err(Failure::Target(error)) => return Err(target_error(error)),
            Err(Failure::Store(error)) if error.costs_one_entry() => {
                job.file.discard();
                self.broken(&job.path, &error);
                return Ok(());
            }
            Err(Failure::Store(StoreError::Interrupted)) if self.run.monitor.cancelled() => return Err(interrupted()),
            Err(Failure::Store(error)) => return Err(Stop::Store(error)),
        };
        let Job { file, path, len_bytes, attributes, order, linked, .. } = job;
        if !self.batch.finish_file(file, &attributes).map_err(target_error)? {
            return Ok(());
        }
        self.count(len_bytes);
        if let Some(id) = linked {
            self.linking.remove(&id);
            self.linked.entry(id).or_insert(path);
        }
        if hash.is_some() {
            if self.hashes.len() <= order {
                self.hashes.resize(order + 1, None);
            }
            self.hashes[order] = hash;
        }
        Ok(())
    }

    fn count(&mut self, bytes: u64) {
        self.done.files += 1;
        self.done.bytes += bytes;
        self.run.monitor.advance(Task::Restore, Amount { files: 1, bytes });
    }
}

fn interrupted() -> Stop {
    Stop::Other(Error::new(ErrorKind::Interrupted, "interrupted"))
}

impl Visit for Restorer<'_, '_> {
    fn enter(&mut self, dir: &Dir<'_>) -> Result<bool, Stop> {
        let standing = self.decider.enter(dir.path)?;
        if self.decider.earlier.is_some() && standing.is_some() {
            self.batch.clear(dir.path).map_err(target_error)?;
        }
        let attributes = self.directory_attributes(dir, standing.as_ref())?;
        self.above.push(Above { path: dir.path.clone(), attributes, is_made: false });
        if dir.is_taken { self.make_above() } else { Ok(true) }
    }

    fn leave(&mut self) {
        self.above.pop();
        self.decider.leave();
    }

    fn entry(&mut self, path: &RelPath, entry: &Entry) -> Result<(), Stop> {
        self.run.check()?;
        self.seen += 1;
        let (act, standing) = self.decider.decide(path, entry)?;
        if act == Act::Skip {
            self.files += usize::from(matches!(entry.node, Node::File { .. }));
            self.done.skipped += 1;
            return Ok(());
        }
        if !self.make_above()? {
            return Ok(());
        }
        let node = &entry.node;
        if matches!(node, Node::File { .. }) {
            return self.file(path, entry, act, standing.as_ref());
        }
        if act == Act::Keep {
            return self.keep(path, entry, standing.as_ref());
        }
        let attributes = self.attributes(path, &entry.meta, &entry.extensions);
        let written = match node {
            Node::Symlink { target } => self.batch.symlink(path, target, &attributes),
            Node::Fifo => self.batch.special(path, FileKind::Fifo, 0, &attributes),
            Node::Socket => self.batch.special(path, FileKind::Socket, 0, &attributes),
            Node::CharDevice(rdev) => self.batch.special(path, FileKind::CharDevice, *rdev, &attributes),
            Node::BlockDevice(rdev) => self.batch.special(path, FileKind::BlockDevice, *rdev, &attributes),
            Node::Dir { .. } | Node::File { .. } => Ok(false),
        };
        if written.map_err(target_error)? {
            self.count(0);
        }
        Ok(())
    }

    fn broken(&mut self, path: &RelPath, error: &StoreError) {
        self.done.damaged += 1;
        damage(self.run, path, error);
    }
}

/// Tells what would become of what it comes by.
pub struct Looking<'a> {
    decider: Decider<'a>,
    run: Run<'a>,
    tell: Tell<'a>,
    done: Restored,
    seen: u64,
}

impl<'a> Looking<'a> {
    /// Looks at a folder, if there is one.
    pub fn new(folder: Option<&'a dyn Folder>, request: &RestoreRequest<'_>, run: Run<'a>, tell: Tell<'a>) -> Self {
        let overwrite = request.options.overwrite;
        let decider = Decider { folder, overwrite, earlier: None, asks: true, stood: Vec::new() };
        Self { decider, run, tell, done: Restored::default(), seen: 0 }
    }

    /// Returns what would be done, and how many entries it came by.
    pub fn done(self) -> (Restored, u64) {
        (self.done, self.seen)
    }
}

impl Visit for Looking<'_> {
    fn enter(&mut self, dir: &Dir<'_>) -> Result<bool, Stop> {
        let standing = self.decider.enter(dir.path)?;
        if standing.is_none() && dir.is_taken && !dir.path.is_root() {
            (self.tell)(Act::Create, dir.path)?;
        }
        Ok(true)
    }

    fn leave(&mut self) {
        self.decider.leave();
    }

    fn entry(&mut self, path: &RelPath, entry: &Entry) -> Result<(), Stop> {
        self.run.check()?;
        self.seen += 1;
        let (act, _) = self.decider.decide(path, entry)?;
        match act {
            Act::Keep => self.done.unchanged += 1,
            Act::Skip => self.done.skipped += 1,
            _ => {
                self.done.files += 1;
                self.done.bytes += if let Node::File { len_bytes, .. } = entry.node { len_bytes } else { 0 };
            }
        }
        Ok((self.tell)(act, path)?)
    }

    fn broken(&mut self, path: &RelPath, error: &StoreError) {
        self.done.damaged += 1;
        damage(self.run, path, error);
    }
}
