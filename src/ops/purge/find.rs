//! What a purge touches: which bytes go, which of them stand elsewhere as well, and which chunks hold both what goes and what
//! stays.
//!
//! ```text
//! gather: the paths that go, in every kept snapshot     -> slices of chunks, ids and contents of files
//! scan:   every tree and list once                      -> which of them lead to any of that
//! trace:  those, by path, in every kept snapshot        -> what stays of each chunk, and where else it stands
//! ```
//!
//! Costs one reading of all trees and lists. Memory: a bit for each object, and the chunks of what goes with their slices.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::spans::Spans;
use crate::base::monitor::{Amount, Task};
use crate::base::{DedupGeneration, FileId, ObjectId, RelPath};
use crate::error::{Error, ErrorKind, Result};
use crate::format::list::ListNode;
use crate::format::snapshot::{Snapshot, Totals};
use crate::format::tree::{Content, Entry, Node, TreeNode};
use crate::format::{Extent, Pointer};
use crate::ops::Run;
use crate::ops::commit::{SMALL_BYTES, path_key};
use crate::ops::writing::Writing;
use crate::store::StoreError;
use crate::store::reader::ObjectReader;
use crate::tree::cursor::{Unread, read_checked};
use crate::tree::reach::Met;
use crate::tree::read::{Named, Start, for_each_entry, for_each_extent, resolve, stream_file, walk};
use crate::tree::snapshots;

/// What an object is found by.
pub type Name = (ObjectId, DedupGeneration);

/// Most paths of a kind that a plan lists.
pub const LISTED_MAX: usize = 1000;

/// A chunk that holds something that goes, or stands beside it.
pub struct Candidate {
    /// The chunk.
    pub chunk: Pointer,
    /// What goes of it by the paths.
    pub purged: Spans,
    /// What files that stay name of it.
    pub kept: Spans,
    /// A file of the same directory as a path that goes names it: what no file names of it any more may be an earlier state of
    /// what goes.
    is_beside: bool,
}

impl Candidate {
    /// Returns how many bytes go that no file names which stays.
    #[must_use]
    pub fn gone_bytes(&self) -> u64 {
        self.purged.len_bytes() - self.purged.common_bytes(&self.kept)
    }

    /// Returns whether it is to be made anew of what stays of it.
    #[must_use]
    pub fn is_recut(&self) -> bool {
        let is_named_whole = self.kept.len_bytes() == self.chunk.len_bytes;
        !self.kept.is_empty() && (self.gone_bytes() > 0 || (self.is_beside && !is_named_whole))
    }
}

/// Why something that goes stands elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Elsewhere {
    /// How many kept snapshots have it there.
    pub snapshots: u64,
    /// It is the same file under another name.
    pub is_same_file: bool,
    /// Bytes that go by the paths and stay here.
    pub bytes: u64,
}

/// What goes of one snapshot.
pub struct Touched {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// How much less it holds afterwards.
    pub gone: Totals,
    /// Something goes.
    pub is_touched: bool,
}

/// What a purge touches.
pub struct Found {
    /// Chunks by their names.
    pub candidates: HashMap<Name, Candidate>,
    /// All kept snapshots, in the order of the list.
    pub snapshots: Vec<Touched>,
    /// Paths of files that go, as far as they are listed, and how many there are.
    pub gone: (BTreeSet<RelPath>, u64),
    /// By what the host remembers those.
    pub gone_keys: HashSet<[u8; 16]>,
    /// Paths that stay and hold something of it, as far as they are listed, and whether there are more.
    pub elsewhere: (BTreeMap<RelPath, Elsewhere>, bool),
    /// Trees and lists that kept snapshots led to.
    pub met: Met,
    /// Those of them that may lead to something of it.
    pub touching: Met,
}

/// Paths that go, each with all below it; none below another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths(pub Vec<RelPath>);

impl Paths {
    /// Takes paths that people named.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for the root and for none at all.
    pub fn new(named: &[RelPath]) -> Result<Self> {
        if named.is_empty() || named.iter().any(RelPath::is_root) {
            let text =
                "a purge takes paths in the store, and not all of it: for that, make a new store and destroy this one";
            return Err(Error::new(ErrorKind::Usage, text));
        }
        let mut paths = named.to_vec();
        paths.sort_unstable();
        paths.dedup();
        let all = Self(paths.clone());
        paths.retain(|path| path.split_last().is_none_or(|(above, _)| !all.holds(&above)));
        Ok(Self(paths))
    }

    /// Returns whether a path goes.
    #[must_use]
    pub fn holds(&self, path: &RelPath) -> bool {
        self.0.iter().any(|gone| is_at_or_below(path, gone))
    }

    /// Returns whether a path that goes lies below a directory.
    #[must_use]
    pub fn lie_below(&self, dir: &RelPath) -> bool {
        self.0.iter().any(|gone| gone != dir && is_at_or_below(gone, dir))
    }
}

fn is_at_or_below(path: &RelPath, above: &RelPath) -> bool {
    let Some(rest) = path.as_bytes().strip_prefix(above.as_bytes()) else { return false };
    above.is_root() || rest.is_empty() || rest[0] == b'/'
}

/// Returns which of the paths no kept snapshot has.
///
/// # Errors
/// As [`find`].
pub fn missing(writing: &Writing, paths: &Paths, run: Run<'_>) -> Result<Vec<RelPath>> {
    let (reader, mut missing) = (writing.reader.as_ref(), paths.0.clone());
    for named in &writing.unlocked.sealed.snapshots {
        run.check()?;
        let loaded = snapshots::load(reader, named);
        let snapshot = loaded.map_err(|error| blind(writing, &format!("snapshot {}", named.id), error))?;
        let mut left = Vec::new();
        for path in missing {
            if resolve(reader, &snapshot, &path).map_err(|error| stopped(writing, error))?.is_none() {
                left.push(path);
            }
        }
        missing = left;
    }
    Ok(missing)
}

/// Finds out, for paths each of which some kept snapshot has.
///
/// # Errors
/// [`ErrorKind::Corrupt`] when a snapshot, tree or list does not read: nobody knows then what it leads to.
/// [`ErrorKind::Interrupted`].
pub fn find(writing: &Writing, paths: &Paths, run: Run<'_>) -> Result<Found> {
    let reader = writing.reader.as_ref();
    reader.keep_nothing();
    run.monitor.begin(Task::Mark, None);
    let mut finding = Finding {
        reader,
        paths,
        run,
        found: Found {
            candidates: HashMap::new(),
            snapshots: Vec::new(),
            gone: (BTreeSet::new(), 0),
            gone_keys: HashSet::new(),
            elsewhere: (BTreeMap::new(), false),
            met: Met::default(),
            touching: Met::default(),
        },
        ids: HashSet::new(),
        contents: HashSet::new(),
        lengths: HashSet::new(),
        known: HashMap::new(),
        hashed: HashMap::new(),
    };
    let done = finding.all(writing);
    run.monitor.end(Task::Mark);
    done?;
    Ok(finding.found)
}

/// A content by its length and hash.
type Hashed = (u64, [u8; 32]);

struct Finding<'a> {
    reader: &'a ObjectReader,
    paths: &'a Paths,
    run: Run<'a>,
    found: Found,
    /// Files that go.
    ids: HashSet<FileId>,
    /// Contents of short files that go: those share chunks with others, so equal ones need not be of equal chunks.
    contents: HashSet<Hashed>,
    /// Their lengths.
    lengths: HashSet<u64>,
    /// What directories hold that go, by their trees and where those stand: of each place every path is noted.
    known: HashMap<(Name, RelPath), Totals>,
    /// Contents of short files by their first extent, which tells them apart together with their length.
    hashed: HashMap<(Name, u64, u64), [u8; 32]>,
}

impl Finding<'_> {
    fn all(&mut self, writing: &Writing) -> Result<()> {
        for named in &writing.unlocked.sealed.snapshots {
            let loaded = snapshots::load(self.reader, named);
            let snapshot = loaded.map_err(|error| blind(writing, &format!("snapshot {}", named.id), error))?;
            self.found.snapshots.push(Touched { snapshot, gone: Totals::default(), is_touched: false });
        }
        let stopped = |error| stopped(writing, error);
        for at in 0..self.found.snapshots.len() {
            self.gather(at).map_err(stopped)?;
        }
        for at in 0..self.found.snapshots.len() {
            let root = self.found.snapshots[at].snapshot.root;
            self.scan(&root).map_err(stopped)?;
        }
        for at in 0..self.found.snapshots.len() {
            self.trace(at).map_err(stopped)?;
        }
        Ok(())
    }

    fn check(&self) -> std::result::Result<(), StoreError> {
        if self.run.monitor.cancelled() { Err(StoreError::Interrupted) } else { Ok(()) }
    }

    /// Gathers what goes of a snapshot.
    fn gather(&mut self, at: usize) -> std::result::Result<(), StoreError> {
        let snapshot = self.found.snapshots[at].snapshot.clone();
        for path in &self.paths.0 {
            self.check()?;
            let Some((above, _)) = path.split_last() else { continue };
            self.gather_beside(&snapshot, &above)?;
            let Some(Named::Entry(entry)) = resolve(self.reader, &snapshot, path)? else { continue };
            let mut gone = Totals::default();
            self.gather_entry(path, &entry, &mut gone)?;
            if let Node::Dir { tree } = &entry.node {
                let below = self.gather_below(&snapshot, path, tree)?;
                add(&mut gone, &below);
            }
            let touched = &mut self.found.snapshots[at];
            touched.is_touched = true;
            add(&mut touched.gone, &gone);
        }
        Ok(())
    }

    /// Notes the chunks of the files in a directory that a path goes from.
    fn gather_beside(&mut self, snapshot: &Snapshot, dir: &RelPath) -> std::result::Result<(), StoreError> {
        let tree = match resolve(self.reader, snapshot, dir)? {
            Some(Named::Root) => snapshot.root,
            Some(Named::Entry(entry)) => match entry.node {
                Node::Dir { tree } => tree,
                _ => return Ok(()),
            },
            None => return Ok(()),
        };
        let candidates = &mut self.found.candidates;
        for_each_entry(self.reader, &tree, &mut |entry| {
            if let Node::File { content: Content::Inline(extents), .. } = &entry.node {
                extents.iter().for_each(|extent| candidate(candidates, extent).is_beside = true);
            }
            Ok(())
        })
    }

    fn gather_below(
        &mut self,
        snapshot: &Snapshot,
        path: &RelPath,
        tree: &Pointer,
    ) -> std::result::Result<Totals, StoreError> {
        let place = ((tree.id, tree.dedup_generation), path.clone());
        if let Some(known) = self.known.get(&place) {
            return Ok(*known);
        }
        let mut below = Totals::default();
        let start = Start::at(snapshot, tree, path);
        let reader = self.reader;
        walk(
            reader,
            &start,
            &mut |path, entry| self.gather_entry(path, entry, &mut below).map(|()| true),
            &mut |_, error| Err(error),
        )?;
        self.known.insert(place, below);
        Ok(below)
    }

    fn gather_entry(
        &mut self,
        path: &RelPath,
        entry: &Entry,
        gone: &mut Totals,
    ) -> std::result::Result<(), StoreError> {
        self.check()?;
        let Node::File { len_bytes, content } = &entry.node else {
            match entry.node {
                Node::Dir { .. } => gone.dirs += 1,
                _ => gone.others += 1,
            }
            return Ok(());
        };
        gone.files += 1;
        gone.bytes = gone.bytes.saturating_add(*len_bytes);
        self.ids.insert(entry.file_id);
        if self.found.gone_keys.insert(path_key(path)) {
            self.found.gone.1 += 1;
            if self.found.gone.0.len() < LISTED_MAX {
                self.found.gone.0.insert(path.clone());
            }
        }
        let candidates = &mut self.found.candidates;
        for_each_extent(self.reader, content, &mut |extent| {
            candidate(candidates, extent).purged.add(extent.offset, extent.offset + extent.len_bytes);
            Ok(())
        })?;
        if let Some(hashed) = self.hash(*len_bytes, content)? {
            self.contents.insert(hashed);
            self.lengths.insert(*len_bytes);
        }
        Ok(())
    }

    /// Returns length and hash of a short file's content; nothing for a longer one, whose chunks are its own, and for one that
    /// does not read any more.
    fn hash(&mut self, len_bytes: u64, content: &Content) -> std::result::Result<Option<Hashed>, StoreError> {
        let Content::Inline(extents) = content else { return Ok(None) };
        let Some(first) = extents.first().filter(|_| len_bytes < SMALL_BYTES) else { return Ok(None) };
        let key = ((first.chunk.id, first.chunk.dedup_generation), first.offset, len_bytes);
        if let Some(known) = self.hashed.get(&key) {
            return Ok(Some((len_bytes, *known)));
        }
        let mut hasher = blake3::Hasher::new();
        match stream_file(self.reader, len_bytes, content, &mut |piece| {
            hasher.update(piece);
            Ok(())
        }) {
            Err(error) if error.costs_one_entry() => return Ok(None),
            streamed => streamed?,
        }
        let hash = *hasher.finalize().as_bytes();
        self.hashed.insert(key, hash);
        Ok(Some((len_bytes, hash)))
    }

    /// Finds out which trees and lists lead to what goes, from a root down, each once.
    fn scan(&mut self, root: &Pointer) -> std::result::Result<(), StoreError> {
        let mut open: Vec<Frame> = Vec::new();
        let mut next = Some(Ahead::Tree(*root));
        let mut touches = false;
        loop {
            if let Some(ahead) = next.take() {
                let pointer = ahead.pointer();
                let located = self.reader.index().locate(&pointer.id, pointer.dedup_generation);
                let (at, place) =
                    located.ok_or_else(|| StoreError::damaged(format!("object {} (it is in no pack)", pointer.id)))?;
                if self.found.met.insert(at) {
                    self.check()?;
                    let bytes = place.entry.sealed_len_bytes;
                    self.run.monitor.advance(Task::Mark, Amount { files: 0, bytes });
                    let (ahead, touches) = self.look(&ahead)?;
                    open.push(Frame { at, ahead, touches });
                } else {
                    touches = self.found.touching.contains(at);
                }
            }
            let Some(frame) = open.last_mut() else { return Ok(()) };
            frame.touches |= std::mem::take(&mut touches);
            next = frame.ahead.pop();
            if next.is_none() {
                let (at, is_touching) = (frame.at, frame.touches);
                open.pop();
                if is_touching {
                    self.found.touching.insert(at);
                }
                touches = is_touching;
            }
        }
    }

    /// Reads a node; returns what it leads to, and whether it names something of what goes itself.
    fn look(&mut self, node: &Ahead) -> std::result::Result<(Vec<Ahead>, bool), StoreError> {
        let mut ahead = Vec::new();
        let mut touches = false;
        match node {
            Ahead::List(pointer) => {
                let plain = self.reader.read(pointer)?;
                let read = ListNode::decode(&plain);
                match read.map_err(|error| StoreError::format(format!("list {}", pointer.id), error))? {
                    ListNode::Leaf(extents) => touches = extents.iter().any(|extent| self.is_candidate(extent)),
                    ListNode::Inner(_, children) => {
                        ahead.extend(children.iter().map(|child| Ahead::List(child.pointer)));
                    }
                }
            }
            Ahead::Tree(pointer) => match read_checked(self.reader, &Unread { pointer: *pointer, said: None })? {
                TreeNode::Inner(_, children) => ahead.extend(children.iter().map(|child| Ahead::Tree(child.pointer))),
                TreeNode::Leaf(entries) => {
                    for entry in &entries {
                        match &entry.node {
                            Node::Dir { tree } => ahead.push(Ahead::Tree(*tree)),
                            Node::File { len_bytes, content } => {
                                if let Content::List(list) = content {
                                    ahead.push(Ahead::List(*list));
                                }
                                touches |= self.is_of_interest(entry, *len_bytes, content)?;
                            }
                            _ => {}
                        }
                    }
                }
            },
        }
        Ok((ahead, touches))
    }

    fn is_candidate(&self, extent: &Extent) -> bool {
        self.found.candidates.contains_key(&(extent.chunk.id, extent.chunk.dedup_generation))
    }

    fn is_of_interest(
        &mut self,
        entry: &Entry,
        len_bytes: u64,
        content: &Content,
    ) -> std::result::Result<bool, StoreError> {
        let names_one = match content {
            Content::Inline(extents) => extents.iter().any(|extent| self.is_candidate(extent)),
            Content::List(_) => false,
        };
        Ok(names_one || self.ids.contains(&entry.file_id) || self.is_same_content(len_bytes, content)?)
    }

    fn is_same_content(&mut self, len_bytes: u64, content: &Content) -> std::result::Result<bool, StoreError> {
        if !self.lengths.contains(&len_bytes) {
            return Ok(false);
        }
        Ok(self.hash(len_bytes, content)?.is_some_and(|hashed| self.contents.contains(&hashed)))
    }

    /// Goes by path to all that names something of what goes and stays.
    fn trace(&mut self, at: usize) -> std::result::Result<(), StoreError> {
        let snapshot = self.found.snapshots[at].snapshot.clone();
        let start = Start::at(&snapshot, &snapshot.root, &RelPath::root());
        let (reader, paths) = (self.reader, self.paths);
        walk(
            reader,
            &start,
            &mut |path, entry| {
                self.check()?;
                match &entry.node {
                    _ if paths.holds(path) => Ok(false),
                    Node::Dir { tree } => Ok(self.leads_to(tree)),
                    Node::File { len_bytes, content } => {
                        self.trace_file(path, entry, *len_bytes, content).map(|()| false)
                    }
                    _ => Ok(false),
                }
            },
            &mut |_, error| Err(error),
        )
    }

    fn leads_to(&self, node: &Pointer) -> bool {
        let located = self.reader.index().locate(&node.id, node.dedup_generation);
        located.is_some_and(|(at, _)| self.found.touching.contains(at))
    }

    fn trace_file(
        &mut self,
        path: &RelPath,
        entry: &Entry,
        len_bytes: u64,
        content: &Content,
    ) -> std::result::Result<(), StoreError> {
        let mut shared_bytes = 0;
        let skips = matches!(content, Content::List(list) if !self.leads_to(list));
        if !skips {
            let candidates = &mut self.found.candidates;
            for_each_extent(self.reader, content, &mut |extent| {
                let name = (extent.chunk.id, extent.chunk.dedup_generation);
                if let Some(candidate) = candidates.get_mut(&name) {
                    let (start, end) = (extent.offset, extent.offset + extent.len_bytes);
                    shared_bytes += candidate.purged.shared_bytes(start, end);
                    candidate.kept.add(start, end);
                }
                Ok(())
            })?;
        }
        if shared_bytes == 0 && self.is_same_content(len_bytes, content)? {
            shared_bytes = len_bytes;
        }
        let is_same_file = self.ids.contains(&entry.file_id);
        if shared_bytes == 0 && !is_same_file {
            return Ok(());
        }
        let (listed, has_more) = &mut self.found.elsewhere;
        if listed.len() >= LISTED_MAX && !listed.contains_key(path) {
            *has_more = true;
            return Ok(());
        }
        let found = listed.entry(path.clone()).or_default();
        found.snapshots += 1;
        found.is_same_file |= is_same_file;
        found.bytes = found.bytes.max(shared_bytes);
        Ok(())
    }
}

/// A node that was read, and what it leads to that was not looked at yet.
struct Frame {
    at: usize,
    ahead: Vec<Ahead>,
    touches: bool,
}

/// A node that was named.
enum Ahead {
    Tree(Pointer),
    List(Pointer),
}

impl Ahead {
    fn pointer(&self) -> Pointer {
        match self {
            Self::Tree(pointer) | Self::List(pointer) => *pointer,
        }
    }
}

fn candidate<'a>(candidates: &'a mut HashMap<Name, Candidate>, extent: &Extent) -> &'a mut Candidate {
    candidates.entry((extent.chunk.id, extent.chunk.dedup_generation)).or_insert_with(|| Candidate {
        chunk: extent.chunk,
        purged: Spans::default(),
        kept: Spans::default(),
        is_beside: false,
    })
}

fn add(all: &mut Totals, more: &Totals) {
    all.files += more.files;
    all.dirs += more.dirs;
    all.others += more.others;
    all.bytes = all.bytes.saturating_add(more.bytes);
}

fn stopped(writing: &Writing, error: StoreError) -> Error {
    blind(writing, "a tree or a list of a kept snapshot", error)
}

/// Makes the error of a run that cannot see what something leads to.
fn blind(writing: &Writing, what: &str, error: StoreError) -> Error {
    match writing.store.settle(error) {
        error if error.costs_one_entry() => {
            let text = format!("cannot tell what leads where: {what} does not read; nothing was purged");
            Error::with_source(ErrorKind::Corrupt, text, error)
        }
        error => error.into(),
    }
}

#[cfg(test)]
mod tests;
