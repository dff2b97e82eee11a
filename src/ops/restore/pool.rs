//! The threads that write files: groups of files that share chunks go to one thread each, chunks of long files to others.
//!
//! With one thread everything happens in the caller's, in order, so that a run over simulated parts can be replayed. Limits:
//! at most 1024 files are on their way; each thread holds the chunk that it writes, and of a long file 4 MiB ahead.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::content::{Ahead, ContentWriter, Failure, Wanted};
use super::{RestoreRequest, Stop};
use crate::base::{FileId, ObjectId, RelPath};
use crate::disk::folder::Attributes;
use crate::folder::NewFile;
use crate::format::tree::Content;
use crate::ops::Run;
use crate::store::reader::ObjectReader;

/// Files from which on a group ends where two share no chunk.
const GROUP_MIN_FILES: usize = 16;
/// Files and bytes at which it ends all the same.
const GROUP_MAX_FILES: usize = 128;
const GROUP_MAX_BYTES: u64 = 8 << 20;
/// Files on their way.
const IN_FLIGHT_MAX: usize = 1024;

/// A file to write.
pub struct Job<'f> {
    /// The file, which may not be made yet.
    pub file: NewFile<'f>,
    /// Where it goes.
    pub path: RelPath,
    /// Its length.
    pub len_bytes: u64,
    /// Its content.
    pub content: Content,
    /// Its holes.
    pub holes: Vec<(u64, u64)>,
    /// What is set on it.
    pub attributes: Attributes,
    /// Its place in the order of the walk.
    pub order: usize,
    /// The id that its other names share, if it may have any.
    pub linked: Option<FileId>,
}

impl Job<'_> {
    fn write(&mut self, writer: &mut ContentWriter<'_>, cancelled: &dyn Fn() -> bool) -> Outcome {
        let wanted = Wanted { len_bytes: self.len_bytes, content: &self.content, holes: &self.holes };
        let hash = writer.write(&mut self.file, &wanted, cancelled)?;
        self.file.close(&self.attributes).map_err(Failure::Target)?;
        Ok(hash)
    }

    fn chunks(&self) -> (Option<ObjectId>, Option<ObjectId>) {
        match &self.content {
            Content::Inline(extents) => {
                (extents.first().map(|extent| extent.chunk.id), extents.last().map(|extent| extent.chunk.id))
            }
            Content::List(_) => (None, None),
        }
    }
}

/// How the writing of a file went; the hash of its content where that is asked for.
type Outcome = Result<Option<[u8; 32]>, Failure>;

/// A job that was done, well or not.
pub struct Finished<'f> {
    /// The job.
    pub job: Job<'f>,
    /// How it went.
    pub outcome: Outcome,
}

/// Takes jobs and gives them back when they are done.
pub struct Writers<'p, 'f> {
    run: Run<'p>,
    how: How<'p, 'f>,
}

enum How<'p, 'f> {
    Here(ContentWriter<'p>),
    Threads(Threads<'p, 'f>),
}

struct Threads<'p, 'f> {
    jobs: Sender<Vec<Job<'f>>>,
    finished: Receiver<Finished<'f>>,
    group: Vec<Job<'f>>,
    group_bytes: u64,
    in_flight: usize,
    stop: &'p AtomicBool,
}

impl<'f> Writers<'_, 'f> {
    /// Takes a job; gives every one that is done to `done`.
    ///
    /// # Errors
    /// Whatever `done` returns.
    pub fn submit(
        &mut self,
        mut job: Job<'f>,
        done: &mut dyn FnMut(Finished<'f>) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        match &mut self.how {
            How::Here(writer) => {
                let run = self.run;
                let outcome = job.write(writer, &|| run.monitor.cancelled());
                done(Finished { job, outcome })
            }
            How::Threads(threads) => threads.submit(job, done),
        }
    }

    /// Waits for all jobs.
    ///
    /// # Errors
    /// Whatever `done` returns.
    pub fn wait(&mut self, done: &mut dyn FnMut(Finished<'f>) -> Result<(), Stop>) -> Result<(), Stop> {
        match &mut self.how {
            How::Here(_) => Ok(()),
            How::Threads(threads) => {
                threads.send();
                threads.take(0, done)
            }
        }
    }
}

impl<'f> Threads<'_, 'f> {
    fn submit(&mut self, job: Job<'f>, done: &mut dyn FnMut(Finished<'f>) -> Result<(), Stop>) -> Result<(), Stop> {
        let shares =
            self.group.last().is_some_and(|last| last.chunks().1.is_some() && last.chunks().1 == job.chunks().0);
        let full = self.group.len() >= GROUP_MAX_FILES || self.group_bytes >= GROUP_MAX_BYTES;
        if full || (self.group.len() >= GROUP_MIN_FILES && !shares) {
            self.send();
        }
        self.group_bytes += job.len_bytes;
        self.group.push(job);
        self.take(IN_FLIGHT_MAX, done)
    }

    fn send(&mut self) {
        let group = std::mem::take(&mut self.group);
        self.group_bytes = 0;
        self.in_flight += group.len();
        // The threads take jobs for as long as this end stands.
        let _ = self.jobs.send(group);
    }

    /// Takes what is done, and waits while more than so many are on their way.
    fn take(&mut self, most: usize, done: &mut dyn FnMut(Finished<'f>) -> Result<(), Stop>) -> Result<(), Stop> {
        while self.in_flight > 0 {
            let next = if self.in_flight > most { self.finished.recv().ok() } else { self.finished.try_recv().ok() };
            let Some(finished) = next else { break };
            self.in_flight -= 1;
            done(finished)?;
        }
        Ok(())
    }
}

impl Drop for Threads<'_, '_> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Runs `work` with as many writers as are asked for.
///
/// # Errors
/// Those of `work`.
pub fn with_threads<'f, T>(
    reader: &ObjectReader,
    request: &RestoreRequest<'_>,
    run: Run<'_>,
    work: impl for<'p> FnOnce(Writers<'p, 'f>) -> Result<T, Stop>,
) -> Result<T, Stop> {
    let options = &request.options;
    let count = match options.threads {
        0 => thread::available_parallelism().map_or(2, usize::from).max(2),
        count => count,
    };
    if count == 1 {
        return work(Writers { run, how: How::Here(ContentWriter::new(reader, None, options.verify)) });
    }
    let stop = AtomicBool::new(false);
    let (jobs, taken) = bounded::<Vec<Job<'f>>>(count);
    let (out, finished) = unbounded();
    let (ahead, asked) = bounded::<Ahead>(4 * count);
    thread::scope(|scope| {
        for _ in 0..count {
            let (taken, out, ahead, asked, stop) = (taken.clone(), out.clone(), ahead.clone(), asked.clone(), &stop);
            scope.spawn(move || asked.iter().for_each(|ahead| ahead.read(reader)));
            scope.spawn(move || {
                let writer = ContentWriter::new(reader, Some(ahead), options.verify);
                work_through(writer, &taken, &out, &|| stop.load(Ordering::Relaxed) || run.monitor.cancelled());
            });
        }
        drop((taken, out, ahead, asked));
        let threads = Threads { jobs, finished, group: Vec::new(), group_bytes: 0, in_flight: 0, stop: &stop };
        work(Writers { run, how: How::Threads(threads) })
    })
}

fn work_through<'f>(
    mut writer: ContentWriter<'_>,
    taken: &Receiver<Vec<Job<'f>>>,
    out: &Sender<Finished<'f>>,
    cancelled: &dyn Fn() -> bool,
) {
    for mut job in taken.iter().flatten() {
        let outcome = job.write(&mut writer, cancelled);
        // Whoever gave the job up drops its file, too.
        let _ = out.send(Finished { job, outcome });
    }
}
