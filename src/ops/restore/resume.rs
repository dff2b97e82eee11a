//! How a restore goes on where an earlier run of it ended: cut off, killed, or without its medium.
//!
//! While a restore runs, an empty locked file stands in the target whose name says what is restored: the snapshot and the path in
//! it. Whoever finds it there goes on. What was put in place between the making of that file and its last change, which follows each
//! batch, and has the length and time of the snapshot's entry, stays; of a long file that was not finished the chunks that have
//! their ids stay.

use std::io::Read;

use super::{Stop, target_error};
use crate::base::RelPath;
use crate::disk::folder::{FileTime, FolderFile, Stat};
use crate::disk::{DiskErrorKind, Folder, Lock};
use crate::error::{Error, ErrorKind};
use crate::folder::{RestoreId, marker_of};
use crate::format::tree::Content;
use crate::store::StoreError;
use crate::store::reader::ObjectReader;
use crate::tree::read::for_each_extent;

/// Length from which on the next run goes on with what this one has written of a file.
pub const PART_MIN_BYTES: u64 = 16 << 20;

/// A span of the target's own time, both ends in it.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    first: FileTime,
    last: FileTime,
}

impl Span {
    /// Returns whether an entry was last made or changed within.
    #[must_use]
    pub fn holds(&self, stat: &Stat) -> bool {
        (self.first..=self.last).contains(&stat.changed())
    }
}

/// The file that stands in the target while a restore is not done; it stays there when this is dropped.
pub struct Marker {
    /// What is restored.
    pub restore: RestoreId,
    /// Where it stands.
    pub path: RelPath,
    /// From when to when an earlier run put entries in place.
    pub earlier: Option<Span>,
    lock: Box<dyn Lock>,
}

impl Marker {
    /// Places the file, or finds that of an earlier run. Nothing in a target that takes no such file.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`] while another process restores the same into the target; a medium that fails.
    pub fn place(folder: &dyn Folder, restore: RestoreId) -> Result<Option<Self>, Stop> {
        let Some(path) = marker_of(restore) else { return Ok(None) };
        let ends_the_run = |kind| matches!(kind, DiskErrorKind::Gone | DiskErrorKind::Io | DiskErrorKind::NoSpace);
        let earlier = match folder.stat(&path) {
            Ok(stat) => stat.map(|stat| Span {
                first: [stat.birth.unwrap_or(stat.mtime), stat.mtime, stat.ctime].into_iter().min().unwrap_or_default(),
                last: stat.changed(),
            }),
            Err(error) if ends_the_run(error.kind) => return Err(target_error(error)),
            Err(_) => return Ok(None),
        };
        match folder.lock(&path) {
            Ok(Some(lock)) => Ok(Some(Self { restore, path, earlier, lock })),
            Ok(None) => {
                let text = "another process restores the same into the target: wait for it, or end it";
                Err(Error::new(ErrorKind::Locked, text).into())
            }
            Err(error) if error.kind == DiskErrorKind::Gone => Err(target_error(error)),
            Err(_) => Ok(None),
        }
    }

    /// Takes the file away: the restore is done.
    ///
    /// # Errors
    /// Those of the target.
    pub fn lift(self, folder: &dyn Folder) -> Result<(), Stop> {
        // Before the lock goes, so that nobody locks what is about to go.
        let removed = folder.remove_file(&self.path);
        drop(self.lock);
        removed.map_err(target_error)
    }
}

/// Returns how many bytes at the start of what is left of a file are as its content has them: those of whole chunks that have their
/// ids. They go through `hasher`.
///
/// Costs reading and hashing them; nothing of the store but nodes.
///
/// # Errors
/// [`StoreError::Interrupted`], and nodes that do not read.
pub fn matching_bytes(
    reader: &ObjectReader,
    left: &mut dyn FolderFile,
    content: &Content,
    hasher: &mut blake3::Hasher,
    cancelled: &dyn Fn() -> bool,
) -> Result<u64, StoreError> {
    let (mut matching_bytes, mut is_over) = (0, false);
    let mut buffer = Vec::new();
    for_each_extent(reader, content, &mut |extent| {
        if cancelled() {
            return Err(StoreError::Interrupted);
        }
        let chunk = &extent.chunk;
        is_over = is_over || extent.offset != 0 || extent.len_bytes != chunk.len_bytes;
        if is_over {
            return Ok(());
        }
        buffer.clear();
        let read = left.take(chunk.len_bytes).read_to_end(&mut buffer);
        is_over = read.is_err() || reader.keys().object_id(chunk.kind, &buffer) != chunk.id;
        if !is_over {
            matching_bytes += chunk.len_bytes;
            hasher.update(&buffer);
        }
        Ok(())
    })?;
    Ok(matching_bytes)
}
