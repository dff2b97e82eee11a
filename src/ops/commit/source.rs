//! The source of a commit: takes what the lookout sees, decides what must be read, reads it, cuts it into chunks.
//!
//! Small files of one directory are cut as one stream, ordered by the extensions of their names; longer ones and hard links
//! each as their own. What cannot be read is reported and stays as the last snapshot had it, so that a locked file is never
//! mistaken for a deleted one.

use std::collections::HashMap;
use std::sync::Arc;

use crossbeam_channel::{Receiver, bounded};

use super::extensions::{extensions, root_extensions};
use super::lookout::{Entries, Sighted};
use super::stats::remember;
use super::steps::{Directory, Job, Made, Origin, Outlets, Parts, Step, Stretch, Work, lost};
use crate::base::monitor::{Amount, Problem, Task};
use crate::base::{EntryName, FileId, ObjectId, RelPath};
use crate::chunker::Chunker;
use crate::disk::folder::{FileKind, Stat};
use crate::error::{Error, ErrorKind, Result};
use crate::folder::read::BUFFER_BYTES;
use crate::folder::{Extras, ReadOutcome, ReadSink, ScannedDir, StableReader};
use crate::format::snapshot::Totals;
use crate::format::tree::{Content, Entry, Meta, Node, OWNER_MAX_BYTES, TARGET_MAX_BYTES};
use crate::format::{Extent, Pointer};
use crate::ops::Run;
use crate::store::StoreError;
use crate::tree::read::{Start, for_each_extent, walk};

/// Files below this length share chunks with their neighbours.
pub const SMALL_BYTES: u64 = 1024 * 1024;
/// Longest file with holes: its extents are held in memory, one for each 16 MiB of a hole.
const SPARSE_MAX_BYTES: u64 = 8 << 40;
/// Longest chunks that are gathered before any is cut. The window stays in memory until the last chunk of it is sealed.
const WINDOW_CHUNKS: usize = 3;

/// The assembler hung up: it failed, and says why itself.
struct HungUp;

enum Stop {
    HungUp,
    Failed(Error),
}

impl From<HungUp> for Stop {
    fn from(_: HungUp) -> Self {
        Self::HungUp
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Reads the folder and tells the outlets; the last step is the root's `Leave`, or `Failed`.
pub fn read(job: &Job<'_>, parts: &Parts<'_>, chunker: &Chunker, sights: Receiver<Result<Sighted>>, outlets: Outlets) {
    let mut source = Source {
        job,
        parts,
        reader: StableReader::new(job.folder, job.run.clock),
        sights,
        cutter: Cutter { chunker, outlets, window: Vec::new(), sequence: 0, level: parts.levels.runs },
        operations: 0,
        linked: HashMap::new(),
    };
    if let Err(Stop::Failed(error)) = source.root() {
        let _ = source.cutter.outlets.steps.send(Step::Failed(error));
    }
}

/// Cuts a stream into chunks and hands them out.
struct Cutter<'a> {
    chunker: &'a Chunker,
    outlets: Outlets,
    window: Vec<u8>,
    sequence: u64,
    /// The zstd level of the stream under way.
    level: i32,
}

impl Cutter<'_> {
    fn step(&self, step: Step) -> std::result::Result<(), HungUp> {
        self.outlets.steps.send(step).map_err(|_| HungUp)
    }

    /// Makes room for a stream of about so many bytes.
    fn expect(&mut self, len_bytes: u64) {
        let len = usize::try_from(len_bytes).unwrap_or(usize::MAX);
        self.window.reserve_exact(len.min(self.window_bytes() + BUFFER_BYTES));
    }

    fn window_bytes(&self) -> usize {
        WINDOW_CHUNKS * self.chunker.max_bytes()
    }

    /// Adds bytes to the stream under way and hands out the chunks that are certain.
    fn take(&mut self, bytes: &[u8]) -> std::result::Result<(), HungUp> {
        self.window.extend_from_slice(bytes);
        // A cut is certain once the chunker sees as much as the longest chunk; gathering a few at a time moves
        // the rest of the window less often.
        if self.window.len() >= self.window_bytes() {
            self.cut_while(|left, max| left >= max)?;
        }
        Ok(())
    }

    /// Adds zeros that were not read: the bytes before them end in a chunk of their own.
    fn take_hole(&mut self, len_bytes: u64) -> std::result::Result<(), HungUp> {
        self.cut_while(|left, _| left > 0)?;
        self.step(Step::Zeros(len_bytes))
    }

    /// Ends the stream under way.
    fn end(&mut self) -> std::result::Result<(), HungUp> {
        self.cut_while(|left, _| left > 0)?;
        self.step(Step::EndStream)
    }

    /// Gives up the stream under way.
    fn void(&mut self) -> std::result::Result<(), HungUp> {
        self.window.clear();
        self.step(Step::VoidStream)
    }

    fn cut_while(&mut self, more: impl Fn(usize, usize) -> bool) -> std::result::Result<(), HungUp> {
        let max = self.chunker.max_bytes();
        let window = Arc::new(std::mem::take(&mut self.window));
        let mut at = 0;
        while more(window.len() - at, max) {
            let ahead = &window[at..window.len().min(at + max)];
            let end = at + self.chunker.cut(ahead);
            self.hand_out(Stretch::of(&window, at..end))?;
            at = end;
        }
        if at < window.len() {
            self.window = Vec::with_capacity(window.capacity());
            self.window.extend_from_slice(&window[at..]);
        }
        Ok(())
    }

    fn hand_out(&mut self, plaintext: Stretch) -> std::result::Result<(), HungUp> {
        let (done, result) = bounded::<Result<Made>>(1);
        self.step(Step::Chunk(result))?;
        let work = Work { sequence: self.sequence, plaintext, level: self.level, done };
        self.sequence += 1;
        self.outlets.work.send(work).map_err(|_| HungUp)
    }
}

/// Feeds one long file to the cutter; a reading that starts over voids what came before.
struct LongFile<'s, 'a> {
    cutter: &'s mut Cutter<'a>,
    run: Run<'s>,
    dirty: bool,
}

impl ReadSink for LongFile<'_, '_> {
    type Error = Stop;

    fn start(&mut self, len_bytes: u64) -> std::result::Result<(), Stop> {
        if std::mem::replace(&mut self.dirty, false) {
            self.cutter.void()?;
        }
        self.cutter.expect(len_bytes);
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) -> std::result::Result<(), Stop> {
        self.run.check()?;
        self.dirty = true;
        self.run.monitor.advance(Task::Commit, Amount { files: 0, bytes: bytes.len() as u64 });
        Ok(self.cutter.take(bytes)?)
    }

    fn take_hole(&mut self, len_bytes: u64) -> std::result::Result<(), Stop> {
        self.run.check()?;
        self.dirty = true;
        self.run.monitor.advance(Task::Commit, Amount { files: 0, bytes: len_bytes });
        Ok(self.cutter.take_hole(len_bytes)?)
    }
}

struct Source<'a> {
    job: &'a Job<'a>,
    parts: &'a Parts<'a>,
    reader: StableReader<'a>,
    sights: Receiver<Result<Sighted>>,
    cutter: Cutter<'a>,
    operations: u64,
    /// File ids of inodes with several names.
    linked: HashMap<(u64, u64), FileId>,
}

/// One directory while it is read.
struct Open {
    path: RelPath,
    directory: Directory,
    before: Entries,
    streams: usize,
}

impl Source<'_> {
    fn root(&mut self) -> std::result::Result<(), Stop> {
        let root = RelPath::root();
        let stat = self.job.folder.stat(&root).map_err(Error::from)?;
        let stat = stat.ok_or_else(|| Error::new(ErrorKind::Other, "the folder to commit is not there"))?;
        let sighted = self.sighted(&root)?;
        let file_id = self.job.parent.map_or_else(|| self.fresh_id(&root), |parent| parent.root_file_id);
        let scanned = sighted.scanned.map_err(Error::from)?;
        self.directory(&root, &stat, (scanned, sighted.before), Some(file_id))
    }

    /// Returns what the lookout saw of a directory, which is the next in order.
    fn sighted(&self, path: &RelPath) -> std::result::Result<Sighted, Stop> {
        let sighted = self.sights.recv().map_err(|_| lost())??;
        if sighted.path == *path { Ok(sighted) } else { Err(lost().into()) }
    }

    fn directory(
        &mut self,
        path: &RelPath,
        stat: &Stat,
        (scanned, before): (ScannedDir, Entries),
        root_file_id: Option<FileId>,
    ) -> std::result::Result<(), Stop> {
        self.job.run.check()?;
        self.cutter.step(Step::Enter)?;
        let mut open = Open {
            path: path.clone(),
            directory: Directory { meta: self.meta(stat), ..Directory::default() },
            before,
            streams: 0,
        };
        if let Some(file_id) = root_file_id {
            let before = self.job.parent.map(root_extensions);
            let extras = self.extras(path, stat);
            let extensions = extensions(before, extras, stat, path, &mut |problem| self.report(&mut open, problem));
            open.directory.root = Some((file_id, extensions));
        }
        scanned.notes.iter().for_each(|note| self.job.run.monitor.note(note));
        for (name, problem) in scanned.unreadable {
            self.keep_as_before(&mut open, &name, problem);
        }
        let mut dirs = Vec::new();
        self.files(&mut open, scanned.entries, &mut dirs)?;
        for (name, stat) in dirs {
            self.subdirectory(&mut open, name, &stat)?;
        }
        open.directory.changes.gone += open.before.len() as u64;
        open.directory.entries.sort_unstable_by(|(a, _), (b, _)| a.name.cmp(&b.name));
        Ok(self.cutter.step(Step::Leave(Box::new(open.directory)))?)
    }

    /// Handles everything but directories, which are put aside.
    fn files(
        &mut self,
        open: &mut Open,
        listed: Vec<(EntryName, Stat)>,
        dirs: &mut Vec<(EntryName, Stat)>,
    ) -> std::result::Result<(), Stop> {
        let mut files = Vec::new();
        for (name, stat) in listed {
            match stat.kind {
                FileKind::Dir => dirs.push((name, stat)),
                FileKind::File => files.push((name, stat)),
                _ => self.other(open, name, &stat),
            }
        }
        let reusable = self.reusable(open, &files);
        let mut small = Vec::new();
        let mut long = Vec::new();
        for ((name, stat), is_reusable) in files.into_iter().zip(reusable) {
            if is_reusable {
                self.reuse(open, &name, &stat)?;
            } else if stat.len_bytes < SMALL_BYTES && stat.links < 2 {
                small.push((name, stat));
            } else {
                long.push((name, stat));
            }
        }
        long.extend(self.small_files(open, small)?);
        for (name, stat) in long {
            self.long_file(open, name, &stat)?;
        }
        Ok(())
    }

    /// Tells of each file whether it needs no reading: it is unchanged, and of its shared chunks at least half is still named
    /// here.
    fn reusable(&self, open: &Open, files: &[(EntryName, Stat)]) -> Vec<bool> {
        let unchanged = |(name, stat): &(EntryName, Stat)| {
            let Some(Node::File { content, len_bytes }) = open.before.get(name).map(|entry| &entry.node) else {
                return None;
            };
            let path = open.path.join(name).ok()?;
            let is_kept = self.job.memory.is_unchanged(&path, stat) && self.is_stored(content);
            is_kept.then_some((*len_bytes, content))
        };
        let unchanged: Vec<Option<(u64, &Content)>> = files.iter().map(unchanged).collect();
        let mut named: HashMap<ObjectId, u64> = HashMap::new();
        for extent in unchanged.iter().flatten().flat_map(|(len_bytes, content)| shared_extents(*len_bytes, content)) {
            *named.entry(extent.chunk.id).or_default() += extent.len_bytes;
        }
        let is_worth_keeping = |extent: &Extent| 2 * named[&extent.chunk.id] >= extent.chunk.len_bytes;
        let keeps = |(len_bytes, content)| shared_extents(len_bytes, content).all(is_worth_keeping);
        unchanged.into_iter().map(|found| found.is_some_and(keeps)).collect()
    }

    /// Returns whether the store still has a content: what a damaged pack lost is read from the folder again.
    fn is_stored(&self, content: &Content) -> bool {
        let index = self.parts.reader.index();
        let has = |pointer: &Pointer| index.find(&pointer.id, pointer.dedup_generation).is_some();
        let mut check = |extent: &Extent| {
            if has(&extent.chunk) { Ok(()) } else { Err(StoreError::damaged("a chunk that is in no pack")) }
        };
        for_each_extent(self.parts.reader, content, &mut check).is_ok()
    }

    fn reuse(&mut self, open: &mut Open, name: &EntryName, stat: &Stat) -> std::result::Result<(), Stop> {
        let Some(before) = open.before.remove(name) else { return Ok(()) };
        self.job.run.check()?;
        self.job.run.monitor.advance(Task::Commit, Amount { files: 1, bytes: stat.len_bytes });
        let entry = Entry { meta: self.meta(stat), hard_linked: stat.links > 1, ..before };
        if stat.links > 1 {
            self.linked.entry((stat.device, stat.inode)).or_insert(entry.file_id);
        }
        open.directory.totals.files += 1;
        open.directory.totals.bytes += stat.len_bytes;
        open.directory.entries.push((entry, Origin::Given));
        Ok(())
    }

    /// Reads small files as one stream; returns those that grew too long for that.
    fn small_files(
        &mut self,
        open: &mut Open,
        mut files: Vec<(EntryName, Stat)>,
    ) -> std::result::Result<Vec<(EntryName, Stat)>, Stop> {
        let mut grown = Vec::new();
        let mut bytes = Vec::new();
        let mut start = 0;
        self.cutter.level = self.parts.levels.runs;
        // Files of one type compress better together.
        files.sort_by(|(a, _), (b, _)| extension(a).cmp(extension(b)));
        for (name, stat) in files {
            self.job.run.check()?;
            let Ok(path) = open.path.join(&name) else { continue };
            match self.reader.read_small(&path, &stat, SMALL_BYTES, &mut bytes) {
                Some(ReadOutcome::Read { stat, extras }) => {
                    self.job.run.monitor.advance(Task::Commit, Amount { files: 1, bytes: bytes.len() as u64 });
                    let len_bytes = bytes.len() as u64;
                    self.cutter.take(&bytes)?;
                    let origin = Origin::Stream { stream: open.streams, start, len_bytes };
                    self.add_file(open, name, &path, &stat, (origin, extras));
                    start += len_bytes;
                }
                Some(outcome) => self.unread(open, &name, &path, &outcome),
                None => grown.push((name, stat)),
            }
        }
        if start > 0 {
            self.cutter.end()?;
            open.streams += 1;
        }
        Ok(grown)
    }

    fn long_file(&mut self, open: &mut Open, name: EntryName, stat: &Stat) -> std::result::Result<(), Stop> {
        let Ok(path) = open.path.join(&name) else { return Ok(()) };
        if stat.is_sparse && stat.len_bytes > SPARSE_MAX_BYTES {
            let reason = "a file with holes may be at most 8 TiB long".to_owned();
            self.keep_as_before(open, &name, Problem { subject: path.to_string(), reason });
            return Ok(());
        }
        self.cutter.level = self.parts.levels.files;
        let mut sink = LongFile { cutter: &mut self.cutter, run: self.job.run, dirty: false };
        let outcome = self.reader.read(&path, stat, &mut sink)?;
        let dirty = sink.dirty;
        match outcome {
            ReadOutcome::Read { stat, extras } => {
                if dirty {
                    self.cutter.end()?;
                }
                let origin = Origin::Stream { stream: open.streams, start: 0, len_bytes: stat.len_bytes };
                open.streams += usize::from(dirty);
                self.job.run.monitor.advance(Task::Commit, Amount { files: 1, bytes: 0 });
                self.add_file(open, name, &path, &stat, (origin, extras));
            }
            outcome => {
                if dirty {
                    self.cutter.void()?;
                }
                self.unread(open, &name, &path, &outcome);
            }
        }
        Ok(())
    }

    fn add_file(
        &mut self,
        open: &mut Open,
        name: EntryName,
        path: &RelPath,
        stat: &Stat,
        (origin, extras): (Origin, Extras),
    ) {
        let node = Node::File { len_bytes: stat.len_bytes, content: Content::Inline(Vec::new()) };
        open.directory.changes.read += 1;
        let entry = self.entry(open, name, path, stat, node, extras);
        let origin = if stat.len_bytes == 0 { Origin::Given } else { origin };
        open.directory.totals.files += 1;
        open.directory.totals.bytes += stat.len_bytes;
        open.directory.stats.push(remember(path, stat, self.job.began));
        open.directory.entries.push((entry, origin));
    }

    /// Reports a file that could not be read, and keeps what the last snapshot had of it.
    fn unread(&mut self, open: &mut Open, name: &EntryName, path: &RelPath, outcome: &ReadOutcome) {
        let reason = match outcome {
            ReadOutcome::Vanished => return self.job.run.monitor.note(&format!("{path}: gone before it was read")),
            ReadOutcome::Changing => "it keeps changing while it is read".to_owned(),
            ReadOutcome::Unreadable(error) => format!("cannot {}: {}", error.act, error.source),
            ReadOutcome::Read { .. } => return,
        };
        self.keep_as_before(open, name, Problem { subject: path.to_string(), reason });
    }

    fn keep_as_before(&mut self, open: &mut Open, name: &EntryName, mut problem: Problem) {
        if let Some(before) = open.before.remove(name) {
            problem.reason.push_str("; it stays as the last snapshot has it");
            self.count_kept(&mut open.directory.totals, &before);
            open.directory.entries.push((before, Origin::Given));
        }
        self.report(open, problem);
    }

    /// Counts an entry that stays as the last snapshot has it, with all below it that reads.
    fn count_kept(&self, totals: &mut Totals, kept: &Entry) {
        let mut count = |entry: &Entry| match &entry.node {
            Node::File { len_bytes, .. } => {
                totals.files += 1;
                totals.bytes += len_bytes;
            }
            Node::Dir { .. } => totals.dirs += 1,
            _ => totals.others += 1,
        };
        count(kept);
        if let Node::Dir { tree } = &kept.node
            && let Some(parent) = self.job.parent
        {
            let mut below = |_: &RelPath, entry: &Entry| {
                count(entry);
                Ok(true)
            };
            // What does not read is for `verify` to tell; the entry stays all the same.
            let start = Start::at(parent, tree, &RelPath::root());
            let _ = walk(self.parts.reader, &start, &mut below, &mut |_, _| Ok(()));
        }
    }

    /// Handles links, pipes and devices.
    fn other(&mut self, open: &mut Open, name: EntryName, stat: &Stat) {
        let Ok(path) = open.path.join(&name) else { return };
        let node = match stat.kind {
            FileKind::Symlink => match self.job.folder.read_link(&path) {
                Ok(target) if target.len() <= TARGET_MAX_BYTES => Node::Symlink { target },
                Ok(_) => {
                    let reason = "the target of the link is too long".to_owned();
                    return self.keep_as_before(open, &name, Problem { subject: path.to_string(), reason });
                }
                Err(error) => {
                    let reason = format!("cannot {}: {}", error.act, error.source);
                    return self.keep_as_before(open, &name, Problem { subject: path.to_string(), reason });
                }
            },
            FileKind::Fifo => Node::Fifo,
            FileKind::Socket => Node::Socket,
            FileKind::CharDevice => Node::CharDevice(stat.rdev),
            FileKind::BlockDevice => Node::BlockDevice(stat.rdev),
            FileKind::File | FileKind::Dir => return,
        };
        let extras = self.extras(&path, stat);
        let entry = self.entry(open, name, &path, stat, node, extras);
        self.job.run.monitor.advance(Task::Commit, Amount { files: 1, bytes: 0 });
        open.directory.totals.others += 1;
        open.directory.entries.push((entry, Origin::Given));
    }

    fn subdirectory(&mut self, open: &mut Open, name: EntryName, stat: &Stat) -> std::result::Result<(), Stop> {
        let Ok(path) = open.path.join(&name) else { return Ok(()) };
        let Sighted { scanned, before, .. } = self.sighted(&path)?;
        let scanned = match scanned {
            Ok(scanned) => scanned,
            Err(error) => {
                let reason = format!("cannot {}: {}", error.act, error.source);
                self.keep_as_before(open, &name, Problem { subject: path.to_string(), reason });
                return Ok(());
            }
        };
        self.directory(&path, stat, (scanned, before), None)?;
        let extras = self.extras(&path, stat);
        // The assembler puts the pointer in; until then an empty file stands in its place.
        let stand_in = Node::File { len_bytes: 0, content: Content::Inline(Vec::new()) };
        let entry = self.entry(open, name, &path, stat, stand_in, extras);
        open.directory.totals.dirs += 1;
        open.directory.entries.push((Entry { hard_linked: false, ..entry }, Origin::Directory));
        Ok(())
    }

    /// Makes an entry that keeps the file id of what stood under the name, if that was of the same type.
    fn entry(
        &mut self,
        open: &mut Open,
        name: EntryName,
        path: &RelPath,
        stat: &Stat,
        node: Node,
        extras: Extras,
    ) -> Entry {
        let before = open.before.remove(&name);
        open.directory.changes.new += u64::from(before.is_none());
        let before = before.filter(|entry| is_of_kind(&entry.node, stat.kind));
        let hard_linked = stat.links > 1 && stat.kind != FileKind::Dir;
        let known = before.as_ref().map(|entry| entry.file_id);
        let file_id = if hard_linked {
            let fresh = known.unwrap_or_else(|| self.fresh_id(path));
            *self.linked.entry((stat.device, stat.inode)).or_insert(fresh)
        } else {
            known.unwrap_or_else(|| self.fresh_id(path))
        };
        let before = before.map(|entry| entry.extensions);
        let extensions = extensions(before, extras, stat, path, &mut |problem| self.report(open, problem));
        Entry { name, file_id, hard_linked, meta: self.meta(stat), node, extensions }
    }

    fn report(&self, open: &mut Open, problem: Problem) {
        self.job.run.monitor.problem(problem.clone());
        open.directory.problems.push(problem);
    }

    /// Asks for the extended attributes of anything but a file, which is asked while it is open.
    fn extras(&self, path: &RelPath, stat: &Stat) -> Extras {
        let has_some = stat.kind != FileKind::Symlink;
        let extended = if has_some { self.job.folder.extended_attributes(path) } else { Ok(Vec::new()) };
        Extras { holes: Vec::new(), extended }
    }

    fn fresh_id(&mut self, path: &RelPath) -> FileId {
        self.operations += 1;
        self.parts.keys.file_id(self.job.replica, self.job.sequence, self.operations, path.as_bytes())
    }

    fn meta(&self, stat: &Stat) -> Meta {
        let (user, group) = self.job.folder.owner_names(stat.uid, stat.gid);
        let name = |name: Option<String>| name.filter(|name| name.len() <= OWNER_MAX_BYTES).unwrap_or_default();
        Meta {
            mode: stat.mode & 0o7777,
            mtime_secs: stat.mtime.secs,
            mtime_nanos: stat.mtime.nanos.min(999_999_999),
            uid: stat.uid,
            gid: stat.gid,
            user: name(user),
            group: name(group),
        }
    }
}

/// Returns what follows the last dot of a name; nothing where there is none.
fn extension(name: &EntryName) -> &[u8] {
    let bytes = name.as_bytes();
    bytes.iter().rposition(|byte| *byte == b'.').map_or(&[], |dot| &bytes[dot + 1..])
}

fn is_of_kind(node: &Node, kind: FileKind) -> bool {
    match node {
        Node::File { .. } => kind == FileKind::File,
        Node::Dir { .. } => kind == FileKind::Dir,
        Node::Symlink { .. } => kind == FileKind::Symlink,
        Node::Fifo => kind == FileKind::Fifo,
        Node::Socket => kind == FileKind::Socket,
        Node::CharDevice(_) => kind == FileKind::CharDevice,
        Node::BlockDevice(_) => kind == FileKind::BlockDevice,
    }
}

/// Returns the extents of a small file that are parts of chunks, as files of one directory share them. Longer files
/// share nothing but parts of the chunk of zeros.
fn shared_extents(len_bytes: u64, content: &Content) -> impl Iterator<Item = &Extent> {
    let extents = match content {
        Content::Inline(extents) if len_bytes < SMALL_BYTES => &extents[..],
        _ => &[],
    };
    extents.iter().filter(|extent| extent.len_bytes < extent.chunk.len_bytes)
}
