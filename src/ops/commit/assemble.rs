//! The assembler of a commit: takes chunks in the order of the source, fills packs, and builds trees bottom-up.

use std::collections::HashSet;

use crossbeam_channel::Receiver;

use super::pipeline::{Made, Parts, Step};
use super::source::{Directory, Origin};
use super::stats::Remembered;
use crate::base::monitor::Problem;
use crate::base::{FileId, ObjectId};
use crate::crypto::Secret;
use crate::error::{Error, ErrorKind, Result};
use crate::format::snapshot::Totals;
use crate::format::tree::{Entry, Meta, Node};
use crate::format::{Extent, Kind, Pointer};
use crate::store::StoreError;
use crate::store::object::{Sealer, pointer_to};
use crate::store::writer::PackWriter;
use crate::tree::build::{build_content, build_tree};

/// The folder as objects.
pub struct Tree {
    /// The root directory.
    pub root: Pointer,
    /// Its file id.
    pub root_file_id: FileId,
    /// Its mode, time and owner.
    pub root_meta: Meta,
    /// What it holds.
    pub totals: Totals,
    /// What was left out or kept as it was.
    pub problems: Vec<Problem>,
    /// Files to remember.
    pub stats: Vec<Remembered>,
}

/// One finished stream: its chunks with the offset of each one's end.
#[derive(Default)]
struct Stream {
    chunks: Vec<(u64, Pointer)>,
}

impl Stream {
    /// Returns the extents of a stretch.
    fn extents(&self, start: u64, len_bytes: u64) -> Vec<Extent> {
        let end = start + len_bytes;
        let first = self.chunks.partition_point(|(chunk_end, _)| *chunk_end <= start);
        let mut extents = Vec::new();
        for (chunk_end, chunk) in &self.chunks[first..] {
            let chunk_start = chunk_end - chunk.len_bytes;
            if chunk_start >= end {
                break;
            }
            let from = start.max(chunk_start);
            let to = end.min(*chunk_end);
            extents.push(Extent { chunk: *chunk, offset: from - chunk_start, len_bytes: to - from });
        }
        extents
    }
}

/// A directory that is under way.
#[derive(Default)]
struct Level {
    streams: Vec<Stream>,
    current: Stream,
    /// Finished directories below it, in the order they were left.
    dirs: std::collections::VecDeque<Pointer>,
}

/// Takes steps until the root is done.
pub struct Assembler<'a, 'w> {
    parts: &'a Parts<'a>,
    writer: &'a mut PackWriter<'w>,
    sealer: Sealer,
    boundary: Secret,
    /// New objects that are in packs.
    put: HashSet<ObjectId>,
    levels: Vec<Level>,
    totals: Totals,
    problems: Vec<Problem>,
    stats: Vec<Remembered>,
}

impl<'a, 'w> Assembler<'a, 'w> {
    /// Starts with nothing.
    ///
    /// # Errors
    /// When the compressor cannot start.
    pub fn new(parts: &'a Parts<'a>, writer: &'a mut PackWriter<'w>) -> Result<Self> {
        Ok(Self {
            parts,
            writer,
            sealer: Sealer::new(parts.store, parts.level)?,
            boundary: parts.keys.boundary_key(),
            put: HashSet::new(),
            levels: Vec::new(),
            totals: Totals::default(),
            problems: Vec::new(),
            stats: Vec::new(),
        })
    }

    /// Takes steps until the root is left. Dropping the queue on a failure tells the source to stop.
    ///
    /// # Errors
    /// The first failure of the source, a worker or the disk.
    pub fn run(mut self, steps: Receiver<Step>) -> Result<Tree> {
        for step in steps {
            match step {
                Step::Enter => self.levels.push(Level::default()),
                Step::Chunk(made) => self.chunk(&made)?,
                Step::EndStream => {
                    let level = self.level()?;
                    let stream = std::mem::take(&mut level.current);
                    level.streams.push(stream);
                }
                Step::VoidStream => self.level()?.current = Stream::default(),
                Step::Failed(error) => return Err(error),
                Step::Leave(directory) => {
                    if let Some(tree) = self.leave(*directory)? {
                        return Ok(tree);
                    }
                }
            }
        }
        Err(lost())
    }

    fn level(&mut self) -> Result<&mut Level> {
        self.levels.last_mut().ok_or_else(lost)
    }

    fn chunk(&mut self, made: &Receiver<Result<Made>>) -> Result<()> {
        let Made { pointer, sealed } = made.recv().map_err(|_| lost())??;
        if let Some(object) = sealed
            && self.put.insert(pointer.id)
        {
            self.writer.put(&object)?;
        }
        let stream = &mut self.level()?.current;
        let end = stream.chunks.last().map_or(0, |(end, _)| *end) + pointer.len_bytes;
        stream.chunks.push((end, pointer));
        Ok(())
    }

    /// Finishes a directory; returns the tree when it was the root.
    fn leave(&mut self, directory: Directory) -> Result<Option<Tree>> {
        let mut level = self.levels.pop().ok_or_else(lost)?;
        let Directory { entries, meta, totals, mut problems, mut stats, root_file_id } = directory;
        // Directories were left in the order of their names, which is the order of the entries.
        let mut finished = Vec::with_capacity(entries.len());
        for (mut entry, origin) in entries {
            self.fill(&mut entry, &origin, &mut level)?;
            finished.push(entry);
        }
        let boundary = self.boundary.clone();
        let root = build_tree(finished, &boundary, &mut |kind, plain| self.put_node(kind, plain))?;
        self.totals.files += totals.files;
        self.totals.dirs += totals.dirs;
        self.totals.others += totals.others;
        self.totals.bytes += totals.bytes;
        self.problems.append(&mut problems);
        self.stats.append(&mut stats);
        if let Some(above) = self.levels.last_mut() {
            above.dirs.push_back(root);
            return Ok(None);
        }
        Ok(Some(Tree {
            root,
            root_file_id: root_file_id.ok_or_else(lost)?,
            root_meta: meta,
            totals: self.totals,
            problems: std::mem::take(&mut self.problems),
            stats: std::mem::take(&mut self.stats),
        }))
    }

    fn fill(&mut self, entry: &mut Entry, origin: &Origin, level: &mut Level) -> Result<()> {
        match *origin {
            Origin::Given => {}
            Origin::Directory => entry.node = Node::Dir { tree: level.dirs.pop_front().ok_or_else(lost)? },
            Origin::Stream { stream, start, len_bytes } => {
                let extents = level.streams.get(stream).ok_or_else(lost)?.extents(start, len_bytes);
                let boundary = self.boundary.clone();
                let content = build_content(extents, &boundary, &mut |kind, plain| self.put_node(kind, plain))?;
                entry.node = Node::File { len_bytes, content };
            }
        }
        Ok(())
    }

    fn put_node(&mut self, kind: Kind, plaintext: &[u8]) -> std::result::Result<Pointer, StoreError> {
        let pointer = pointer_to(self.parts.keys, self.parts.maker, kind, plaintext);
        let known = self.parts.reader.index().find(&pointer.id, pointer.dedup_generation).is_some();
        if !known && self.put.insert(pointer.id) {
            let object = self.sealer.seal(kind, pointer.id, pointer.dedup_generation, &pointer.key, plaintext)?;
            self.writer.put(&object)?;
        }
        Ok(pointer)
    }
}

/// A step out of place: the source and the assembler disagree, which is a mistake of this program.
fn lost() -> Error {
    Error::new(ErrorKind::Other, "the threads of the commit lost each other")
}
