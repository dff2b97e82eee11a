//! What the threads of a commit share, and what they send each other.

use std::ops::{Deref, Range};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};

use super::stats::{Remembered, StatCache};
use super::survivors::Survivors;
use crate::base::monitor::Problem;
use crate::base::{FileId, ReplicaId, StoreId, Timestamp};
use crate::disk::Folder;
use crate::error::{Error, ErrorKind, Result};
use crate::folder::Excludes;
use crate::format::Pointer;
use crate::format::codec::Extensions;
use crate::format::sealed::ChunkerParameters;
use crate::format::snapshot::{Snapshot, Totals};
use crate::format::tree::{Entry, Meta};
use crate::ops::Run;
use crate::store::keyring::{KeyMaker, ReaderKeys};
use crate::store::object::SealedObject;
use crate::store::reader::ObjectReader;

/// What there is to read.
pub struct Job<'a> {
    /// The folder.
    pub folder: &'a dyn Folder,
    /// What is left out.
    pub excludes: &'a Excludes,
    /// The snapshot before.
    pub parent: Option<&'a Snapshot>,
    /// What the files were like then.
    pub memory: &'a StatCache,
    /// Who commits.
    pub replica: ReplicaId,
    /// That replica's number for the snapshot.
    pub sequence: u64,
    /// When the commit began.
    pub began: Timestamp,
    /// Clock and monitor.
    pub run: Run<'a>,
}

/// What all threads share.
pub struct Parts<'a> {
    /// The store's id.
    pub store: StoreId,
    /// Makes ids.
    pub keys: &'a ReaderKeys,
    /// Makes object keys.
    pub maker: &'a KeyMaker,
    /// Knows what the store holds.
    pub reader: &'a ObjectReader,
    /// Knows what it holds under keys of earlier dedup generations.
    pub survivors: &'a Survivors<'a>,
    /// How content is cut.
    pub chunker: ChunkerParameters,
    /// How hard what is cut is compressed.
    pub levels: Levels,
}

/// zstd levels by where a chunk comes from.
#[derive(Debug, Clone, Copy)]
pub struct Levels {
    /// Of runs of small files, and of directories.
    pub runs: i32,
    /// Of longer files.
    pub files: i32,
}

/// Where the source's output goes.
pub struct Outlets {
    /// Chunks for the workers.
    pub work: Sender<Work>,
    /// The order for the assembler.
    pub steps: Sender<Step>,
}

/// What a worker made of a chunk: its pointer, and the sealed object unless the store or an earlier chunk has it.
pub struct Made {
    /// The pointer.
    pub pointer: Pointer,
    /// The object, if it may be new.
    pub sealed: Option<SealedObject>,
}

/// A chunk on its way to a worker.
pub struct Work {
    /// Its place in the order of the source.
    pub sequence: u64,
    /// Its bytes.
    pub plaintext: Stretch,
    /// How hard it is compressed.
    pub level: i32,
    /// Where the result goes.
    pub done: Sender<Result<Made>>,
}

/// A stretch of a buffer that neighbours share, so that cutting copies nothing.
pub struct Stretch {
    buffer: Arc<Vec<u8>>,
    range: Range<usize>,
}

impl Stretch {
    /// Takes a stretch that lies within the buffer.
    #[must_use]
    pub fn of(buffer: &Arc<Vec<u8>>, range: Range<usize>) -> Self {
        Self { buffer: Arc::clone(buffer), range }
    }
}

impl Deref for Stretch {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.buffer[self.range.clone()]
    }
}

/// What the source tells the assembler, in order.
pub enum Step {
    /// A directory begins.
    Enter,
    /// The next chunk of the stream under way.
    Chunk(Receiver<Result<Made>>),
    /// So many zeros follow in the stream under way, which nobody read.
    Zeros(u64),
    /// The stream under way is whole.
    EndStream,
    /// The stream under way is void: its file changed while it was read.
    VoidStream,
    /// The directory under way is complete.
    Leave(Box<Directory>),
    /// The source could not go on.
    Failed(Error),
}

/// Where an entry's content comes from.
pub enum Origin {
    /// It is in the entry already.
    Given,
    /// A stretch of one of the directory's streams, in the order of their ends.
    Stream {
        /// Which.
        stream: usize,
        /// Where it starts.
        start: u64,
        /// How long it is.
        len_bytes: u64,
    },
    /// The directory of that name that was left last among those not yet taken.
    Directory,
}

/// A directory that was read, for the assembler to finish.
#[derive(Default)]
pub struct Directory {
    /// Its entries by name; what `Origin` names is filled in later.
    pub entries: Vec<(Entry, Origin)>,
    /// Its own mode, time and owner.
    pub meta: Meta,
    /// What differs from the last snapshot.
    pub changes: Changes,
    /// What it adds to the totals.
    pub totals: Totals,
    /// What was left out or kept as it was.
    pub problems: Vec<Problem>,
    /// Files to remember.
    pub stats: Vec<Remembered>,
    /// The root directory's file id and extensions; only the last directory, the root, has them.
    pub root: Option<(FileId, Extensions)>,
}

/// How a folder differs from the last snapshot, as far as the walk tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changes {
    /// Entries under names that the last snapshot does not have.
    pub new: u64,
    /// Files that were read, since they are new or not known to be unchanged.
    pub read: u64,
    /// Entries of the last snapshot that are gone or left out now; a directory counts as one.
    pub gone: u64,
}

impl Changes {
    /// Adds those of another directory.
    pub fn add(&mut self, other: Self) {
        self.new += other.new;
        self.read += other.read;
        self.gone += other.gone;
    }
}

/// A step out of place: the threads disagree, which is a mistake of this program.
pub fn lost() -> Error {
    Error::new(ErrorKind::Other, "the threads of the commit lost each other")
}
