//! `diff`: what changed from one snapshot to another, at the cost of what changed.
//!
//! Moves are known by file id. To tell them, what was added and what was removed is held until the end, sorted then; beyond
//! a bound it is told as it comes, moves as an addition and a removal. The time of a directory, which changes with every
//! entry that it gains or loses, is no change. Limit: a hard link that came or went is told as its entry is.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use crate::base::RelPath;
use crate::base::monitor::{Amount, Problem, Task};
use crate::base::units::show_size;
use crate::error::{Error, ErrorKind, Result};
use crate::format::attributes::BIRTH_TAG;
use crate::format::tree::{Entry, Node};
use crate::ops::Run;
use crate::ops::open::{Reading, Stopped, named_at};
use crate::store::StoreError;
use crate::store::reader::ObjectReader;
use crate::tree::diff::{Difference, Trees, walk_differences};
use crate::tree::read::{Named, entries_max, same_bytes};

/// Most changes that are held to be sorted and to find moves among them.
pub const HELD_MAX: usize = 50_000;

/// What is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiffRequest {
    /// Name of the old snapshot.
    pub old: String,
    /// Name of the new one.
    pub new: String,
    /// Which part of both.
    pub path: RelPath,
}

/// How an entry changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// It is only in the new snapshot.
    Added,
    /// It is only in the old one.
    Removed,
    /// Other bytes, or another target or device.
    Content,
    /// The same content under other rights, owner, time or attributes.
    Metadata,
    /// A file became a link, and the like.
    Type,
    /// It stands under another path; its content may have changed as well.
    Moved,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// How.
    pub kind: ChangeKind,
    /// Where; of a moved entry where it stands now.
    pub path: RelPath,
    /// Where a moved entry stood.
    pub from: Option<RelPath>,
    /// What stood there.
    pub old: Option<Box<Entry>>,
    /// What stands there now.
    pub new: Option<Box<Entry>>,
}

/// What a comparison found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diffed {
    /// How many changes there are of each kind.
    pub counts: HashMap<ChangeKind, u64>,
    /// Bytes of files that are new, by the new length.
    pub added_bytes: u64,
    /// Bytes of files that are gone.
    pub removed_bytes: u64,
    /// Bytes of files with other content, moved ones too, by the new length.
    pub changed_bytes: u64,
    /// Directories and files that could not be compared because the store is damaged.
    pub damaged: u64,
    /// Whether moves were looked for among all changes.
    pub all_moves: bool,
}

impl Diffed {
    /// Returns how many changes of each kind there were, with the words for them; kinds that there were none of are left out.
    #[must_use]
    pub fn in_words(&self) -> Vec<(u64, String)> {
        let kinds = [
            (ChangeKind::Added, format!("added ({})", show_size(self.added_bytes))),
            (ChangeKind::Removed, format!("removed ({})", show_size(self.removed_bytes))),
            (ChangeKind::Content, format!("with other content ({})", show_size(self.changed_bytes))),
            (ChangeKind::Metadata, "with other metadata".to_owned()),
            (ChangeKind::Type, "of another type".to_owned()),
            (ChangeKind::Moved, "moved".to_owned()),
        ];
        let counted = kinds.into_iter().map(|(kind, words)| (self.counts.get(&kind).copied().unwrap_or(0), words));
        counted.filter(|(count, _)| *count > 0).collect()
    }
}

/// Compares two snapshots and gives what changed to `take`, by path as far as it could be held.
///
/// # Errors
/// [`ErrorKind::Other`] when there is no such snapshot, or nothing at the path in both; whatever `take` returns. What is
/// damaged is told to the monitor and counted.
pub fn diff(
    reading: &Reading,
    request: &DiffRequest,
    run: Run<'_>,
    take: &mut dyn FnMut(&Change) -> Result<()>,
) -> Result<Diffed> {
    let (_, old) = reading.snapshot(&request.old)?;
    let (_, new) = reading.snapshot(&request.new)?;
    let at = |snapshot| named_at(reading, snapshot, &request.path);
    let sides = (at(&old)?, at(&new)?);
    if let (None, None) = sides {
        return Err(Error::new(ErrorKind::Other, format!("neither snapshot holds {}", request.path)));
    }
    run.monitor.begin(Task::Read, None);
    let mut comparer = Comparer {
        reading,
        run,
        left: entries_max(&old).saturating_add(entries_max(&new)),
        changes: Vec::new(),
        gone: Vec::new(),
        come: Vec::new(),
        is_holding: true,
        take,
        done: Diffed { all_moves: true, ..Diffed::default() },
    };
    let compared = comparer.sides(&request.path, sides, (old.root, new.root)).and_then(|()| comparer.finish());
    let done = comparer.done;
    run.monitor.end(Task::Read);
    compared?;
    reading.check_medium(done.damaged)?;
    Ok(done)
}

/// An entry that stands on one side alone, as far as is known.
struct Candidate {
    path: RelPath,
    entry: Box<Entry>,
    /// Whether what lies below it is held beside it.
    is_unfolded: bool,
}

impl Candidate {
    fn new(path: &RelPath, entry: &Entry) -> Self {
        Self { path: path.clone(), entry: Box::new(entry.clone()), is_unfolded: false }
    }
}

struct Comparer<'a> {
    reading: &'a Reading,
    run: Run<'a>,
    /// Entries that may still differ.
    left: u64,
    changes: Vec<Change>,
    gone: Vec<Candidate>,
    come: Vec<Candidate>,
    /// Whether changes are held until the end.
    is_holding: bool,
    take: &'a mut dyn FnMut(&Change) -> Result<()>,
    done: Diffed,
}

impl Comparer<'_> {
    /// Compares what stands at the path that was asked for.
    fn sides(
        &mut self,
        path: &RelPath,
        sides: (Option<Named>, Option<Named>),
        roots: (crate::format::Pointer, crate::format::Pointer),
    ) -> Result<()> {
        let entry = |side| match side {
            Some(Named::Entry(entry)) => Some(entry),
            Some(Named::Root) | None => None,
        };
        let difference = match (entry(sides.0), entry(sides.1)) {
            (Some(old), Some(new)) if old == new => return Ok(()),
            (Some(old), Some(new)) => Difference::Both(old, new),
            (Some(old), None) => Difference::Old(*old),
            (None, Some(new)) => Difference::New(*new),
            (None, None) => return self.below(Trees { old: Some(roots.0), new: Some(roots.1) }, path, None),
        };
        if self.difference(path, None, &difference)? {
            self.below(difference.trees(), path, None)?;
        }
        Ok(())
    }

    /// Compares two directories; `from` is the old one's path where that is another.
    fn below(&mut self, trees: Trees, path: &RelPath, from: Option<&RelPath>) -> Result<()> {
        if trees.old == trees.new {
            return Ok(());
        }
        let (reading, left) = (self.reading, self.left);
        let (mut stopped, mut broken, mut seen) = (Stopped::default(), Vec::new(), 0);
        let walked = walk_differences(
            &reading.reader,
            trees,
            path,
            left,
            &mut |below, difference| {
                seen += 1;
                let from = from.map(|from| moved_path(below, path, from));
                stopped.keep(self.difference(below, from.as_ref(), difference))
            },
            &mut |path, error| {
                if !error.costs_one_entry() {
                    return Err(error);
                }
                broken.push((path.clone(), error));
                Ok(())
            },
        );
        self.left = self.left.saturating_sub(seen);
        for (path, error) in broken {
            self.damaged(&path, &error);
        }
        stopped.or(reading, walked)
    }

    fn damaged(&mut self, path: &RelPath, error: &StoreError) {
        self.done.damaged += 1;
        self.run.monitor.problem(Problem { subject: path.to_string(), reason: format!("not compared, {error}") });
    }

    /// Takes a difference; tells whether to go into it.
    fn difference(&mut self, path: &RelPath, from: Option<&RelPath>, difference: &Difference) -> Result<bool> {
        self.run.check()?;
        self.run.monitor.advance(Task::Read, Amount { files: 1, bytes: 0 });
        match difference {
            Difference::Old(entry) => self.one_sided(Candidate::new(from.unwrap_or(path), entry), ChangeKind::Removed),
            Difference::New(entry) => self.one_sided(Candidate::new(path, entry), ChangeKind::Added),
            Difference::Both(old, new) => {
                if let Some(kind) = self.compare(path, old, new)? {
                    self.tell(Change {
                        kind,
                        path: path.clone(),
                        from: None,
                        old: Some(old.clone()),
                        new: Some(new.clone()),
                    })?;
                }
                Ok(true)
            }
        }
    }

    /// Holds an entry of one side, in which a directory stands for all below it; or tells it and goes into it.
    fn one_sided(&mut self, candidate: Candidate, kind: ChangeKind) -> Result<bool> {
        if !self.is_holding {
            self.tell(one_sided(candidate, kind))?;
            return Ok(true);
        }
        let held = if kind == ChangeKind::Added { &mut self.come } else { &mut self.gone };
        held.push(candidate);
        self.bound()?;
        Ok(false)
    }

    /// Says how two entries of one path differ, if it is worth a word; what cannot be read is told, and counts as changed.
    fn compare(&mut self, path: &RelPath, old: &Entry, new: &Entry) -> Result<Option<ChangeKind>> {
        match kind_of_change(&self.reading.reader, old, new) {
            Ok(kind) => Ok(kind),
            Err(error) if error.costs_one_entry() => {
                self.damaged(path, &error);
                Ok(Some(ChangeKind::Content))
            }
            Err(error) => Err(self.reading.store.settle(error).into()),
        }
    }

    fn tell(&mut self, change: Change) -> Result<()> {
        if !self.is_holding {
            return self.hand_on(&change);
        }
        self.changes.push(change);
        self.bound()
    }

    fn hand_on(&mut self, change: &Change) -> Result<()> {
        self.run.check()?;
        *self.done.counts.entry(change.kind).or_default() += 1;
        let len_of = |entry: &Option<Box<Entry>>| match entry.as_deref() {
            Some(Entry { node: Node::File { len_bytes, .. }, .. }) => *len_bytes,
            _ => 0,
        };
        let (old, new) = (len_of(&change.old), len_of(&change.new));
        match change.kind {
            ChangeKind::Added => self.done.added_bytes += new,
            ChangeKind::Removed => self.done.removed_bytes += old,
            ChangeKind::Content | ChangeKind::Type => self.done.changed_bytes += new,
            ChangeKind::Moved if content_of(change.old.as_deref()) != content_of(change.new.as_deref()) => {
                self.done.changed_bytes += new;
            }
            ChangeKind::Moved | ChangeKind::Metadata => {}
        }
        (self.take)(change)
    }

    /// Stops holding changes when there are too many: what is held is told, and the rest will be as it comes.
    fn bound(&mut self) -> Result<()> {
        if !self.is_holding || self.changes.len() + self.gone.len() + self.come.len() <= HELD_MAX {
            return Ok(());
        }
        self.is_holding = false;
        self.done.all_moves = false;
        self.hand_on_all()?;
        for (candidates, kind) in
            [(std::mem::take(&mut self.gone), ChangeKind::Removed), (std::mem::take(&mut self.come), ChangeKind::Added)]
        {
            for candidate in candidates {
                let (path, trees) = (candidate.path.clone(), trees_of(&candidate.entry, kind));
                let is_unfolded = candidate.is_unfolded;
                self.tell(one_sided(candidate, kind))?;
                if !is_unfolded {
                    self.below(trees, &path, None)?;
                }
            }
        }
        Ok(())
    }

    fn hand_on_all(&mut self) -> Result<()> {
        let mut changes = std::mem::take(&mut self.changes);
        changes.sort_by(|one, other| path_order(&one.path, &other.path));
        changes.iter().try_for_each(|change| self.hand_on(change))
    }

    /// Finds what moved among what is held, tells everything, and ends.
    fn finish(&mut self) -> Result<()> {
        // Directories that moved as they are: what changed in them is compared, the rest is never read.
        while self.is_holding {
            let pairs = self.pair();
            if pairs.is_empty() {
                break;
            }
            for (old, new) in pairs {
                let trees = Trees {
                    old: trees_of(&old.entry, ChangeKind::Removed).old,
                    ..trees_of(&new.entry, ChangeKind::Added)
                };
                let (from, path) = (old.path.clone(), new.path.clone());
                self.moved(old, new)?;
                self.below(trees, &path, Some(&from))?;
            }
        }
        // What moved into or out of directories that came or went as a whole.
        self.unfold(ChangeKind::Removed)?;
        self.unfold(ChangeKind::Added)?;
        if self.is_holding {
            self.moves_within()?;
            for (kind, candidates) in [
                (ChangeKind::Removed, std::mem::take(&mut self.gone)),
                (ChangeKind::Added, std::mem::take(&mut self.come)),
            ] {
                self.changes.extend(candidates.into_iter().map(|candidate| one_sided(candidate, kind)));
            }
            self.hand_on_all()?;
        }
        Ok(())
    }

    /// Takes the pairs of one file id and type out of what is held, by path.
    fn pair(&mut self) -> Vec<(Candidate, Candidate)> {
        let key = |candidate: &Candidate| (candidate.entry.file_id, std::mem::discriminant(&candidate.entry.node));
        let mut gone: HashMap<_, Vec<Candidate>> = HashMap::new();
        for candidate in self.gone.drain(..).rev() {
            gone.entry(key(&candidate)).or_default().push(candidate);
        }
        let (mut pairs, mut alone) = (Vec::new(), Vec::new());
        for candidate in self.come.drain(..) {
            match gone.get_mut(&key(&candidate)).and_then(Vec::pop) {
                Some(old) => pairs.push((old, candidate)),
                None => alone.push(candidate),
            }
        }
        self.come = alone;
        self.gone = gone.into_values().flatten().collect();
        self.gone.sort_by(|one, other| path_order(&one.path, &other.path));
        pairs.sort_by(|one, other| path_order(&one.1.path, &other.1.path));
        pairs
    }

    fn moved(&mut self, old: Candidate, new: Candidate) -> Result<()> {
        let (old, from, path, new) = (Some(old.entry), Some(old.path), new.path, Some(new.entry));
        self.tell(Change { kind: ChangeKind::Moved, path, from, old, new })
    }

    /// Puts everything below the directories that are held beside them.
    fn unfold(&mut self, kind: ChangeKind) -> Result<()> {
        let mut at = 0;
        loop {
            let held = if kind == ChangeKind::Added { &mut self.come } else { &mut self.gone };
            let Some(candidate) = held.get_mut(at) else { return Ok(()) };
            candidate.is_unfolded = true;
            let (path, trees) = (candidate.path.clone(), trees_of(&candidate.entry, kind));
            at += 1;
            // What this finds comes behind, so it is unfolded in its turn.
            self.below(trees, &path, None)?;
        }
    }

    /// Tells moves among single entries; what only went along with its directory is no move of its own.
    fn moves_within(&mut self) -> Result<()> {
        let mut dirs: HashSet<(RelPath, RelPath)> = HashSet::new();
        for (old, new) in self.pair() {
            if let Node::Dir { .. } = new.entry.node {
                dirs.insert((old.path.clone(), new.path.clone()));
            }
            let went_along = match (old.path.split_last(), new.path.split_last()) {
                (Some((from, old_name)), Some((to, new_name))) => old_name == new_name && dirs.contains(&(from, to)),
                _ => false,
            };
            if !went_along {
                self.moved(old, new)?;
            } else if let Some(kind) = self.compare(&new.path, &old.entry, &new.entry)? {
                self.tell(Change { kind, path: new.path, from: None, old: Some(old.entry), new: Some(new.entry) })?;
            }
        }
        Ok(())
    }
}

/// Says how two entries of one path differ, if it is worth a word. Where the same bytes may have been cut in another way, when
/// the files beside them changed, they are read and compared.
///
/// # Errors
/// [`StoreError::Corrupt`] and others, of what had to be read.
pub fn kind_of_change(
    reader: &ObjectReader,
    old: &Entry,
    new: &Entry,
) -> std::result::Result<Option<ChangeKind>, StoreError> {
    if std::mem::discriminant(&old.node) != std::mem::discriminant(&new.node) {
        return Ok(Some(ChangeKind::Type));
    }
    let is_content = match (&old.node, &new.node) {
        (
            Node::File { len_bytes: old_len, content: old_content },
            Node::File { len_bytes: new_len, content: new_content },
        ) => old_len != new_len || (old_content != new_content && !same_bytes(reader, old_content, new_content)?),
        (Node::Dir { .. }, Node::Dir { .. }) => false,
        (old, new) => old != new,
    };
    let mut aside = old.meta.clone();
    if let Node::Dir { .. } = new.node {
        (aside.mtime_secs, aside.mtime_nanos) = (new.meta.mtime_secs, new.meta.mtime_nanos);
    }
    let is_metadata = aside != new.meta || lasting(old).ne(lasting(new));
    Ok(if is_content { Some(ChangeKind::Content) } else { is_metadata.then_some(ChangeKind::Metadata) })
}

/// Returns the extensions that count: a file that was made anew has another time of birth, which alone is no change of it.
fn lasting(entry: &Entry) -> impl Iterator<Item = &(u64, Vec<u8>)> {
    entry.extensions.iter().filter(|(tag, _)| *tag != BIRTH_TAG)
}

fn one_sided(candidate: Candidate, kind: ChangeKind) -> Change {
    let Candidate { path, entry, .. } = candidate;
    let (old, new) = if kind == ChangeKind::Added { (None, Some(entry)) } else { (Some(entry), None) };
    Change { kind, path, from: None, old, new }
}

fn trees_of(entry: &Entry, kind: ChangeKind) -> Trees {
    let tree = if let Node::Dir { tree } = entry.node { Some(tree) } else { None };
    if kind == ChangeKind::Added { Trees { old: None, new: tree } } else { Trees { old: tree, new: None } }
}

fn content_of(entry: Option<&Entry>) -> Option<&Node> {
    entry.map(|entry| &entry.node)
}

/// Returns the path below `from` that is to it what `below` is to `path`.
fn moved_path(below: &RelPath, path: &RelPath, from: &RelPath) -> RelPath {
    below
        .names()
        .skip(path.depth())
        .try_fold(from.clone(), |path, name| path.join(&name))
        .unwrap_or_else(|_| from.clone())
}

/// Orders paths as a walk meets them: a directory before what it holds, and that before its next neighbour.
fn path_order(one: &RelPath, other: &RelPath) -> Ordering {
    one.as_bytes().split(|&b| b == b'/').cmp(other.as_bytes().split(|&b| b == b'/'))
}
