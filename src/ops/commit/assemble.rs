//! The assembler of a commit: takes chunks in the order of the source, fills packs, and builds trees bottom-up.

use std::collections::HashSet;

use crossbeam_channel::Receiver;

use super::stats::Remembered;
use super::steps::{Changes, Directory, Made, Origin, Parts, Step, lost};
use crate::base::limits::OBJECT_MAX_BYTES;
use crate::base::monitor::Problem;
use crate::base::{FileId, ObjectId};
use crate::crypto::Secret;
use crate::error::Result;
use crate::format::codec::Extensions;
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
    /// What the extensions of its entry would say, if it had one.
    pub root_extensions: Extensions,
    /// How it differs from the last snapshot.
    pub changes: Changes,
    /// What was left out or kept as it was.
    pub problems: Vec<Problem>,
    /// Files to remember.
    pub stats: Vec<Remembered>,
}

/// A stretch of a stream: the first bytes of a chunk, most often all of them.
struct Piece {
    end: u64,
    len_bytes: u64,
    chunk: Pointer,
}

/// One finished stream.
#[derive(Default)]
struct Stream {
    pieces: Vec<Piece>,
}

impl Stream {
    /// Returns the extents of a stretch.
    fn extents(&self, start: u64, len_bytes: u64) -> Vec<Extent> {
        let end = start + len_bytes;
        let first = self.pieces.partition_point(|piece| piece.end <= start);
        let mut extents = Vec::new();
        for piece in &self.pieces[first..] {
            let piece_start = piece.end - piece.len_bytes;
            if piece_start >= end {
                break;
            }
            let from = start.max(piece_start);
            let to = end.min(piece.end);
            extents.push(Extent { chunk: piece.chunk, offset: from - piece_start, len_bytes: to - from });
        }
        extents
    }

    fn push(&mut self, chunk: Pointer, len_bytes: u64) {
        let end = self.pieces.last().map_or(0, |piece| piece.end) + len_bytes;
        self.pieces.push(Piece { end, len_bytes, chunk });
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
    /// The chunk that all unread holes are parts of.
    zeros: Option<Pointer>,
    totals: Totals,
    changes: Changes,
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
            sealer: Sealer::new(parts.store, parts.levels.runs)?,
            boundary: parts.keys.boundary_key(),
            put: HashSet::new(),
            levels: Vec::new(),
            zeros: None,
            totals: Totals::default(),
            changes: Changes::default(),
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
                Step::Zeros(len_bytes) => self.zeros(len_bytes)?,
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
            self.writer.put(object)?;
        }
        self.level()?.current.push(pointer, pointer.len_bytes);
        Ok(())
    }

    /// Adds zeros as parts of one chunk that is as long as an object may be.
    fn zeros(&mut self, len_bytes: u64) -> Result<()> {
        let zeros = match self.zeros {
            Some(zeros) => zeros,
            None => self.put_object(Kind::Chunk, &vec![0; usize::try_from(OBJECT_MAX_BYTES).unwrap_or(0)])?,
        };
        self.zeros = Some(zeros);
        let mut left = len_bytes;
        while left > 0 {
            let piece = left.min(zeros.len_bytes);
            self.level()?.current.push(zeros, piece);
            left -= piece;
        }
        Ok(())
    }

    /// Finishes a directory; returns the tree when it was the root.
    fn leave(&mut self, directory: Directory) -> Result<Option<Tree>> {
        let mut level = self.levels.pop().ok_or_else(lost)?;
        let Directory { entries, meta, changes, totals, mut problems, mut stats, root } = directory;
        // Directories were left in the order of their names, which is the order of the entries.
        let mut finished = Vec::with_capacity(entries.len());
        for (mut entry, origin) in entries {
            self.fill(&mut entry, &origin, &mut level)?;
            finished.push(entry);
        }
        let boundary = self.boundary.clone();
        let tree = build_tree(finished, &boundary, &mut |kind, plain| self.put_object(kind, plain))?;
        self.changes.add(changes);
        self.totals.files += totals.files;
        self.totals.dirs += totals.dirs;
        self.totals.others += totals.others;
        self.totals.bytes += totals.bytes;
        self.problems.append(&mut problems);
        self.stats.append(&mut stats);
        if let Some(above) = self.levels.last_mut() {
            above.dirs.push_back(tree);
            return Ok(None);
        }
        let (root_file_id, root_extensions) = root.ok_or_else(lost)?;
        Ok(Some(Tree {
            root: tree,
            root_file_id,
            root_meta: meta,
            root_extensions,
            totals: self.totals,
            changes: self.changes,
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
                let content = build_content(extents, &boundary, &mut |kind, plain| self.put_object(kind, plain))?;
                entry.node = Node::File { len_bytes, content };
            }
        }
        Ok(())
    }

    fn put_object(&mut self, kind: Kind, plaintext: &[u8]) -> std::result::Result<Pointer, StoreError> {
        let pointer = pointer_to(self.parts.keys, self.parts.maker, kind, plaintext);
        let known = self.parts.reader.index().find(&pointer.id, pointer.dedup_generation).is_some();
        if let Some(pointer) = self.parts.survivors.find(&pointer.id).filter(|_| !known) {
            return Ok(pointer);
        }
        if !known && self.put.insert(pointer.id) {
            let object = self.sealer.seal(kind, pointer.id, pointer.dedup_generation, &pointer.key, plaintext)?;
            self.writer.put(object)?;
        }
        Ok(pointer)
    }
}
