//! The threads of a commit and the bounded queues between them.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::{Mutex, PoisonError};
use std::thread;

use crossbeam_channel::{Receiver, bounded};

use super::assemble::{Assembler, Tree};
use super::lookout::Lookout;
use super::source;
use super::steps::{Job, Made, Outlets, Parts, Step, Work};
use crate::base::ObjectId;
use crate::chunker::Chunker;
use crate::error::{Error, ErrorKind, Result};
use crate::format::Kind;
use crate::store::StoreError;
use crate::store::object::{Sealer, pointer_to};
use crate::store::writer::PackWriter;

/// Chunks that wait for a worker.
const WORK_QUEUE: usize = 8;
/// Steps that wait for the assembler: at most so many chunks are in memory between the ends.
const STEP_QUEUE: usize = 24;

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
        scope.spawn(|| source::read(job, parts, &chunker, sights, Outlets { work: work_in, steps: steps_in }));
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
