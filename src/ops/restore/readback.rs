//! Reading back what was written, and comparing it with what it was meant to be.
//!
//! The walk goes over the snapshot once more in the same order and reads no content of it: files are compared by the hash
//! of what was written. Limits: the system may answer from its cache and not from the medium.

use std::io::Read;

use super::walk::{Dir, Visit, walk};
use super::{Hashes, RestoreRequest, Source, Stop, target_error};
use crate::base::RelPath;
use crate::base::monitor::{Amount, Problem, Task};
use crate::disk::DiskErrorKind;
use crate::disk::Folder;
use crate::format::tree::{Entry, Node};
use crate::ops::Run;
use crate::store::StoreError;
use crate::store::reader::ObjectReader;

const BUFFER_BYTES: usize = 256 * 1024;

/// Compares what stands in the folder with `hashes`; returns how many files read back otherwise.
///
/// # Errors
/// Those of the medium of the store, and of a target that went away.
pub fn compare(
    reader: &ObjectReader,
    folder: &dyn Folder,
    (source, request): (&Source, &RestoreRequest<'_>),
    hashes: &Hashes,
    run: Run<'_>,
) -> Result<u64, Stop> {
    let mut comparer = Comparer { folder, run, hashes, files: 0, differing: 0, buffer: vec![0; BUFFER_BYTES] };
    run.monitor.begin(Task::Verify, None);
    let walked = walk(reader, source, &request.options.selection, &mut comparer);
    run.monitor.end(Task::Verify);
    walked.map(|()| comparer.differing)
}

struct Comparer<'a> {
    folder: &'a dyn Folder,
    run: Run<'a>,
    hashes: &'a Hashes,
    files: usize,
    differing: u64,
    buffer: Vec<u8>,
}

impl Comparer<'_> {
    fn hash_of(&mut self, path: &RelPath) -> std::io::Result<[u8; 32]> {
        let mut file = self.folder.open(path).map_err(|error| error.source)?;
        let mut hasher = blake3::Hasher::new();
        loop {
            match file.read(&mut self.buffer) {
                Ok(0) => return Ok(*hasher.finalize().as_bytes()),
                Ok(count) => hasher.update(&self.buffer[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
        }
    }

    fn differs(&mut self, path: &RelPath, reason: String) {
        self.differing += 1;
        self.run.monitor.problem(Problem { subject: path.to_string(), reason });
    }
}

impl Visit for Comparer<'_> {
    fn enter(&mut self, _: &Dir<'_>) -> Result<bool, Stop> {
        Ok(true)
    }

    fn leave(&mut self) {}

    fn entry(&mut self, path: &RelPath, entry: &Entry) -> Result<(), Stop> {
        self.run.check()?;
        let Node::File { len_bytes, .. } = entry.node else { return Ok(()) };
        let wanted = self.hashes.get(self.files).copied().flatten();
        self.files += 1;
        let Some(wanted) = wanted else { return Ok(()) };
        match self.hash_of(path) {
            Ok(hash) if hash == wanted => {}
            Ok(_) => self.differs(path, "it reads back otherwise than it was written".to_owned()),
            Err(error) => {
                // A target that was pulled out fails every file; one answer is enough.
                if let Err(gone) = self.folder.stat(&RelPath::root())
                    && gone.kind == DiskErrorKind::Gone
                {
                    return Err(target_error(gone));
                }
                self.differs(path, format!("it cannot be read back: {error}"));
            }
        }
        self.run.monitor.advance(Task::Verify, Amount { files: 1, bytes: len_bytes });
        Ok(())
    }

    fn broken(&mut self, _: &RelPath, _: &StoreError) {}
}
