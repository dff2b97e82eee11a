//! What stands in the target already, and what becomes of it.

use super::Act;
use crate::base::RelPath;
use crate::disk::folder::{FileTime, Stat};
use crate::disk::{DiskError, Folder};
use crate::format::tree::{Entry, Meta, Node};
use crate::tree::read::kind_of;

/// What becomes of entries that stand in the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overwrite {
    /// They are written anew.
    #[default]
    Always,
    /// Those of the same type, length and time stay, and only what is set beside the content is made right.
    IfChanged,
    /// Those that are as new or newer stay.
    IfNewer,
    /// They stay.
    Never,
}

impl Overwrite {
    /// Returns whether it matters what stands there.
    pub(super) fn asks(self) -> bool {
        self != Self::Always
    }

    /// Returns whether what is of another type than the snapshot's entry may be taken out of its way.
    pub(super) fn replaces(self) -> bool {
        matches!(self, Self::Always | Self::IfChanged)
    }

    /// Decides on an entry where `standing` stands.
    ///
    /// # Errors
    /// [`DiskError`] of reading a link.
    pub(super) fn decide(
        self,
        folder: &dyn Folder,
        path: &RelPath,
        entry: &Entry,
        standing: Option<&Stat>,
    ) -> Result<Act, DiskError> {
        let Some(stat) = standing else { return Ok(Act::Create) };
        Ok(match self {
            Self::Never => Act::Skip,
            Self::IfNewer if stat.mtime >= mtime(&entry.meta) => Act::Skip,
            Self::IfChanged if is_same(folder, path, entry, stat)? => Act::Keep,
            _ => Act::Replace,
        })
    }
}

pub(super) fn mtime(meta: &Meta) -> FileTime {
    FileTime { secs: meta.mtime_secs, nanos: meta.mtime_nanos }
}

fn is_same(folder: &dyn Folder, path: &RelPath, entry: &Entry, stat: &Stat) -> Result<bool, DiskError> {
    if stat.kind != kind_of(&entry.node) {
        return Ok(false);
    }
    Ok(match &entry.node {
        Node::File { len_bytes, .. } => *len_bytes == stat.len_bytes && is_same_time(mtime(&entry.meta), stat.mtime),
        Node::Symlink { target } => folder.read_link(path)? == *target,
        Node::CharDevice(rdev) | Node::BlockDevice(rdev) => *rdev == stat.rdev,
        Node::Dir { .. } | Node::Fifo | Node::Socket => true,
    })
}

/// Returns whether a file system that was given a time may show it so: NTFS keeps units of 100 ns, others whole seconds,
/// FAT even ones.
fn is_same_time(given: FileTime, shown: FileTime) -> bool {
    let of_ntfs = given.secs == shown.secs && shown.nanos.is_multiple_of(100) && given.nanos / 100 == shown.nanos / 100;
    let of_seconds = given.secs == shown.secs && shown.nanos == 0;
    let of_fat = shown.nanos == 0 && shown.secs.rem_euclid(2) == 0 && given.secs == shown.secs.saturating_add(1);
    given == shown || of_ntfs || of_seconds || of_fat
}

#[cfg(test)]
mod tests;
