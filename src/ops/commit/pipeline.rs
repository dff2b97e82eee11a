//! The threads of a commit and the bounded queues between them.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::ops::{Deref, Range};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::assemble::{Assembler, Tree};
use super::lookout::Lookout;
use super::source::{self, Job};
use super::survivors::Survivors;
use crate::base::{ObjectId, StoreId};
use crate::chunker::Chunker;
use crate::error::{Error, ErrorKind, Result};
use crate::format::sealed::ChunkerParameters;
use crate::format::{Kind, Pointer};
use crate::store::StoreError;
use crate::store::keyring::{KeyMaker, ReaderKeys};
use crate::store::object::{SealedObject, Sealer, pointer_to};
use crate::store::reader::ObjectReader;
use crate::store::writer::PackWriter;

/// Chunks that wait for a worker.
const WORK_QUEUE: usize = 8;
/// Steps that wait for the assembler: at most so many chunks are in memory between the ends.
const STEP_QUEUE: usize = 24;

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
    Leave(Box<source::Directory>),
    /// The source could not go on.
    Failed(Error),
}

/// Runs a commit's threads and returns the tree of the folder. Packs go to `writer`, which is not finished.
///
/// # Errors
/// The first failure of any thread.
pub fn run(parts: &Parts<'_>, job: &Job<'_>, writer: &mut PackWriter<'_>) -> Result<Tree> {
    let table = parts.keys.gear_table();
    let cut = &parts.chunker;
    let chunker = Chunker::new(cut.min_bytes, cut.avg_bytes, cut.max_bytes, cut.level, &table);
    let chunker =
        chunker.ok_or_else(|| Error::new(ErrorKind::Corrupt, "the store's chunker parameters are unusable"))?;
    let (work_in, work_out) = bounded::<Work>(WORK_QUEUE);
    let (steps_in, steps_out) = bounded::<Step>(STEP_QUEUE);
    let claims = Mutex::new(HashMap::new());
    let workers = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            let (work, claims) = (work_out.clone(), &claims);
            scope.spawn(move || work_through(parts, claims, &work));
        }
        drop(work_out);
        let (lookout, sights) = Lookout::new(job, parts.reader);
        scope.spawn(move || lookout.run());
        scope.spawn(|| source::read(job, parts, &chunker, sights, source::Outlets { work: work_in, steps: steps_in }));
        Assembler::new(parts, writer)?.run(steps_out)
    })
}

/// Which chunk, by its place in the order, brings an object; workers of later ones leave it alone.
type Claims = Mutex<HashMap<ObjectId, u64>>;

fn work_through(parts: &Parts<'_>, claims: &Claims, work: &Receiver<Work>) {
    let mut sealer = Sealer::new(parts.store, parts.levels.runs);
    for item in work {
        let made = match &mut sealer {
            Ok(sealer) => make(parts, claims, sealer, &item).map_err(Error::from),
            Err(_) => Err(Error::new(ErrorKind::Other, "cannot start the compressor")),
        };
        // The assembler hangs up when it fails, and then nobody waits for the result.
        let _ = item.done.send(made);
    }
}

fn make(parts: &Parts<'_>, claims: &Claims, sealer: &mut Sealer, item: &Work) -> std::result::Result<Made, StoreError> {
    let pointer = pointer_to(parts.keys, parts.maker, Kind::Chunk, &item.plaintext);
    let known = parts.reader.index().find(&pointer.id, pointer.dedup_generation).is_some();
    if let Some(pointer) = parts.survivors.find(&pointer.id).filter(|_| !known) {
        return Ok(Made { pointer, sealed: None });
    }
    if known || !claim(claims, pointer.id, item.sequence) {
        return Ok(Made { pointer, sealed: None });
    }
    sealer.set_level(item.level)?;
    let sealed = sealer.seal(Kind::Chunk, pointer.id, pointer.dedup_generation, &pointer.key, &item.plaintext)?;
    Ok(Made { pointer, sealed: Some(sealed) })
}

/// Claims an object for the chunk at `sequence`; false when an earlier one has it.
///
/// A later one may have claimed it first: then both seal it and the assembler takes the earlier, so that packs do not
/// depend on which worker was faster.
fn claim(claims: &Claims, id: ObjectId, sequence: u64) -> bool {
    match claims.lock().unwrap_or_else(PoisonError::into_inner).entry(id) {
        Slot::Vacant(free) => {
            free.insert(sequence);
            true
        }
        Slot::Occupied(mut taken) => {
            let earlier = sequence < *taken.get();
            if earlier {
                taken.insert(sequence);
            }
            earlier
        }
    }
}

/// A step out of place: the threads disagree, which is a mistake of this program.
pub fn lost() -> Error {
    Error::new(ErrorKind::Other, "the threads of the commit lost each other")
}
