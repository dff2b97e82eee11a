//! `find`: entries of one snapshot that match, or how those that match came and went over all snapshots.
//!
//! Over all snapshots only what differs from one to the next is read, so a long history of a large folder costs what
//! changed in it.

use globset::{Candidate, GlobBuilder, GlobMatcher};

use crate::base::monitor::{Amount, Problem, Task};
use crate::base::{RelPath, Timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::format::sealed::SnapshotRef;
use crate::format::snapshot::Snapshot;
use crate::format::tree::{Entry, Node};
use crate::ops::Run;
use crate::ops::diff::kind_of_change;
use crate::ops::list::at;
use crate::ops::open::{Reading, Spot, Stopped, named_at};
use crate::store::StoreError;
use crate::tree::diff::{Difference, Trees, walk_differences};
use crate::tree::read::{Named, Start, entries_max, walk};
use crate::tree::snapshots;

/// Longest glob in bytes: the time to compile one grows with its length.
const GLOB_MAX_BYTES: usize = 4096;

/// A type of entry that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryType {
    /// Regular files.
    File,
    /// Directories.
    Dir,
    /// Symbolic links.
    Symlink,
    /// Pipes, sockets and devices.
    Other,
}

/// What an entry has to be like besides its name; all that is said has to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// One of these; empty takes all.
    pub types: Vec<EntryType>,
    /// Only files, at least that long.
    pub size_min: Option<u64>,
    /// Only files, at most that long.
    pub size_max: Option<u64>,
    /// Changed after that moment.
    pub newer: Option<Timestamp>,
    /// Changed at or before that moment.
    pub older: Option<Timestamp>,
}

/// A checked question.
pub struct Pattern {
    glob: GlobMatcher,
    /// Whether the glob is held against the path from `/`, and not against the name.
    by_path: bool,
    wanted: Wanted,
}

impl Pattern {
    /// Compiles a glob: with a `/` in it, it is held against the whole path, from the committed folder on; else against
    /// the name. `*` and `?` do not match a `/`, `**` does.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a glob that is none.
    pub fn new(glob: &str, ignore_case: bool, wanted: Wanted) -> Result<Self> {
        let wrong = |why: String| Error::new(ErrorKind::Usage, format!("{glob:?} is no glob: {why}"));
        if glob.is_empty() || glob.len() > GLOB_MAX_BYTES {
            return Err(wrong(format!("it has 1 to {GLOB_MAX_BYTES} bytes")));
        }
        let by_path = glob.contains('/');
        let rooted = if by_path && !glob.starts_with('/') && !glob.starts_with("**/") { "/" } else { "" };
        // On Windows globset takes a `\` in a path for a `/`. Names may hold one and never a 0, which stands for it.
        let spelled = if cfg!(windows) { glob.replace(r"\\", "\0") } else { glob.to_owned() };
        let compiled = GlobBuilder::new(&format!("{rooted}{spelled}"))
            .literal_separator(true)
            .backslash_escape(true)
            .case_insensitive(ignore_case)
            .build()
            .map_err(|error| wrong(error.kind().to_string()))?;
        Ok(Self { glob: compiled.compile_matcher(), by_path, wanted })
    }

    /// Returns whether an entry is one of those that were asked for.
    #[must_use]
    pub fn matches(&self, path: &RelPath, entry: &Entry) -> bool {
        let mut name = if self.by_path { [b"/", path.as_bytes()].concat() } else { entry.name.as_bytes().to_vec() };
        if cfg!(windows) {
            name.iter_mut().filter(|byte| **byte == b'\\').for_each(|byte| *byte = 0);
        }
        self.wanted.takes(entry) && self.glob.is_match_candidate(&Candidate::from_bytes(&name))
    }
}

impl Wanted {
    fn takes(&self, entry: &Entry) -> bool {
        let (kind, len_bytes) = match entry.node {
            Node::File { len_bytes, .. } => (EntryType::File, Some(len_bytes)),
            Node::Dir { .. } => (EntryType::Dir, None),
            Node::Symlink { .. } => (EntryType::Symlink, None),
            Node::Fifo | Node::Socket | Node::CharDevice(_) | Node::BlockDevice(_) => (EntryType::Other, None),
        };
        let mtime = i128::from(entry.meta.mtime_secs) * 1_000_000_000 + i128::from(entry.meta.mtime_nanos);
        (self.types.is_empty() || self.types.contains(&kind))
            && self.size_min.is_none_or(|min| len_bytes.is_some_and(|len| len >= min))
            && self.size_max.is_none_or(|max| len_bytes.is_some_and(|len| len <= max))
            && self.newer.is_none_or(|time| mtime > i128::from(time.0))
            && self.older.is_none_or(|time| mtime <= i128::from(time.0))
    }
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Found {
    /// Entries that matched.
    pub matched: u64,
    /// Directories and files that the store's damage hid.
    pub damaged: u64,
}

/// What happened to an entry in a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It is new there.
    Added,
    /// It was in the snapshot before and is another there.
    Changed,
    /// It was in the snapshot before and is gone there.
    Removed,
}

/// Gives every entry at or below a place that matches to `take`, by path.
///
/// # Errors
/// As [`at`]; whatever `take` returns. What is damaged is told to the monitor and counted.
pub fn find(
    reading: &Reading,
    spot: &Spot,
    pattern: &Pattern,
    run: Run<'_>,
    take: &mut dyn FnMut(&SnapshotRef, &RelPath, &Entry) -> Result<()>,
) -> Result<Found> {
    let (named, snapshot, place) = at(reading, spot)?;
    let mut found = Found::default();
    let mut meet = |path: &RelPath, entry: &Entry| {
        run.check()?;
        run.monitor.advance(Task::Read, Amount { files: 1, bytes: 0 });
        if pattern.matches(path, entry) {
            found.matched += 1;
            take(&named, path, entry)?;
        }
        Ok(())
    };
    let tree = match &place {
        Named::Root => Some(snapshot.root),
        Named::Entry(entry) => {
            meet(&spot.path, entry)?;
            if let Node::Dir { tree } = entry.node { Some(tree) } else { None }
        }
    };
    let Some(tree) = tree else { return Ok(found) };
    let start = Start::at(&snapshot, &tree, &spot.path);
    let (mut stopped, mut broken) = (Stopped::default(), Broken::default());
    run.monitor.begin(Task::Read, None);
    let walked = walk(
        &reading.reader,
        &start,
        &mut |path, entry| stopped.keep(meet(path, entry)).map(|()| true),
        &mut |path, error| broken.keep(run, path, error),
    );
    run.monitor.end(Task::Read);
    stopped.or(reading, walked)?;
    found.damaged = broken.0;
    reading.check_medium(found.damaged)?;
    Ok(found)
}

/// Counts what does not read, and tells of it.
#[derive(Default)]
struct Broken(u64);

impl Broken {
    fn keep(&mut self, run: Run<'_>, path: &RelPath, error: StoreError) -> std::result::Result<(), StoreError> {
        if !error.costs_one_entry() {
            return Err(error);
        }
        self.0 += 1;
        run.monitor.problem(Problem { subject: path.to_string(), reason: format!("not searched, {error}") });
        Ok(())
    }
}

/// Gives what happened to every entry that matches, in every kept snapshot, newest first and by path. In the oldest one all
/// entries are new.
///
/// # Errors
/// [`ErrorKind::Other`] when the store holds no snapshot, or none of them the path; whatever `take` returns. What is damaged
/// is told to the monitor and counted.
pub fn find_all(
    reading: &Reading,
    path: &RelPath,
    pattern: &Pattern,
    run: Run<'_>,
    take: &mut dyn FnMut(&SnapshotRef, Event, &RelPath, &Entry) -> Result<()>,
) -> Result<Found> {
    // Says so when there is none.
    reading.snapshot("HEAD")?;
    let kept = &reading.unlocked.sealed.snapshots;
    let (broken, unread, found) = (Broken::default(), Broken::default(), Found::default());
    let mut search = Search { reading, path, pattern, run, broken, unread, found, take };
    let mut is_anywhere = false;
    run.monitor.begin(Task::Read, None);
    let mut next: Option<Side> = None;
    for at in (0..kept.len()).rev() {
        let new = next.take().map_or_else(|| search.side(&kept[at]), Ok)?;
        let old = if at == 0 { Side::default() } else { search.side(&kept[at - 1])? };
        is_anywhere |= new.found.is_some();
        search.compare(&kept[at], &old, &new)?;
        next = Some(old);
    }
    run.monitor.end(Task::Read);
    if !is_anywhere {
        return Err(Error::new(ErrorKind::Other, format!("no snapshot holds {path}")));
    }
    let found = Found { damaged: search.broken.0 + search.unread.0, ..search.found };
    reading.check_medium(found.damaged)?;
    Ok(found)
}

/// What stands at the path in one snapshot; nothing before the oldest.
#[derive(Default)]
struct Side {
    found: Option<Named>,
    snapshot: Option<Snapshot>,
}

impl Side {
    fn entry(&self) -> Option<&Entry> {
        if let Some(Named::Entry(entry)) = &self.found { Some(entry) } else { None }
    }
}

struct Search<'a> {
    reading: &'a Reading,
    path: &'a RelPath,
    pattern: &'a Pattern,
    run: Run<'a>,
    /// Directories that do not read.
    broken: Broken,
    /// Files that do not.
    unread: Broken,
    found: Found,
    take: &'a mut dyn FnMut(&SnapshotRef, Event, &RelPath, &Entry) -> Result<()>,
}

impl Search<'_> {
    fn side(&self, named: &SnapshotRef) -> Result<Side> {
        let reading = self.reading;
        let snapshot = snapshots::load(&reading.reader, named).map_err(|error| reading.store.settle(error))?;
        Ok(Side { found: named_at(reading, &snapshot, self.path)?, snapshot: Some(snapshot) })
    }

    /// Tells what differs at and below the path.
    fn compare(&mut self, named: &SnapshotRef, old: &Side, new: &Side) -> Result<()> {
        let difference = match (old.entry().cloned(), new.entry().cloned()) {
            (Some(old), Some(new)) => (old != new).then(|| Difference::Both(Box::new(old), Box::new(new))),
            (Some(old), None) => Some(Difference::Old(old)),
            (None, Some(new)) => Some(Difference::New(new)),
            (None, None) => None,
        };
        let mut trees = Trees::default();
        if let Some(difference) = &difference {
            self.meet(named, self.path, difference)?;
            trees = difference.trees();
        }
        let root = |side: &Side| side.snapshot.as_ref().filter(|_| side.found == Some(Named::Root)).map(|s| s.root);
        trees = Trees { old: trees.old.or(root(old)), new: trees.new.or(root(new)) };
        if trees.old == trees.new {
            return Ok(());
        }
        let most = [old, new].iter().filter_map(|side| side.snapshot.as_ref()).map(entries_max).sum();
        let (reading, path, run) = (self.reading, self.path, self.run);
        let (mut stopped, mut broken) = (Stopped::default(), std::mem::take(&mut self.broken));
        let walked = walk_differences(
            &reading.reader,
            trees,
            path,
            most,
            &mut |path, difference| stopped.keep(self.meet(named, path, difference)).map(|()| true),
            &mut |path, error| broken.keep(run, path, error),
        );
        self.broken = broken;
        stopped.or(reading, walked)
    }

    fn meet(&mut self, named: &SnapshotRef, path: &RelPath, difference: &Difference) -> Result<()> {
        self.run.check()?;
        self.run.monitor.advance(Task::Read, Amount { files: 1, bytes: 0 });
        let matches = |entry: &Entry| self.pattern.matches(path, entry);
        let (event, is_wanted) = match difference {
            Difference::Old(entry) => (Event::Removed, matches(entry)),
            Difference::New(entry) => (Event::Added, matches(entry)),
            Difference::Both(old, new) => {
                (Event::Changed, (matches(old) || matches(new)) && self.is_change(path, old, new)?)
            }
        };
        if is_wanted {
            self.found.matched += 1;
            (self.take)(named, event, path, difference.latest())?;
        }
        Ok(())
    }

    /// Returns whether two entries differ in more than how they are stored; what cannot be read is told, and counts as a
    /// change.
    fn is_change(&mut self, path: &RelPath, old: &Entry, new: &Entry) -> Result<bool> {
        match kind_of_change(&self.reading.reader, old, new) {
            Ok(kind) => Ok(kind.is_some()),
            Err(error) => {
                let kept = self.unread.keep(self.run, path, error);
                kept.map(|()| true).map_err(|error| self.reading.store.settle(error).into())
            }
        }
    }
}
