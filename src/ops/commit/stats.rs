//! What the system said of each file when it was last read, so that an unchanged file is not read again.
//!
//! Kept on the host beside the snapshot it belongs to; of use only while that snapshot is the newest. A file counts as
//! unchanged when size, both times, inode and device are the same. One that changed within the grain of file times of
//! the commit that read it is not remembered, since a second change in the same tick would look the same (git's
//! "racy" rule, its documentation `racy-git`).
//!
//! What stands under a path is the state in which the content was read that the snapshot has there: a file that is read and
//! not remembered is forgotten, and what belongs to another snapshot is forgotten as a whole. A path that the snapshot
//! does not have may keep its state, since a file is only taken as unchanged where the snapshot has one.

use std::path::Path;

use crate::base::{ObjectId, RelPath, StoreId, Timestamp};
use crate::disk::cache::{CacheView, HostCache};
use crate::disk::folder::{FileTime, Stat};

/// Coarsest grain of a file time, FAT's, with room.
const GRAIN_SECS: i64 = 3;
/// Under this key stands the snapshot that the cache belongs to; no path is so short when hashed. The number grows when a
/// commit keeps more of each file than before, so that files are read once more for it: 2 since extended attributes, 3 since
/// states are kept as hashes.
const SNAPSHOT_KEY: &[u8] = b"snapshot 3";

/// One file's state under the hash of its path; none where the file was read and its state is not to be relied on.
pub type Remembered = (Short, Option<Short>);

/// The beginning of a BLAKE3 hash: a million files are remembered in 33 MB until the commit ends.
pub type Short = [u8; 16];

/// The cache of one store on this host; without a folder it remembers nothing.
pub struct StatCache {
    cache: Option<HostCache>,
    view: Option<CacheView>,
}

impl StatCache {
    /// Opens the cache; what it holds counts only if it belongs to `newest`.
    #[must_use]
    pub fn open(dir: Option<&Path>, store: StoreId, newest: Option<ObjectId>) -> Self {
        let cache = dir.and_then(|dir| HostCache::open(&dir.join(store.to_string()).join("stats.redb")));
        let view = belonging(cache.as_ref().and_then(HostCache::view), newest);
        Self { cache, view }
    }

    /// Opens the cache for looking alone; nothing is made where there is none.
    #[must_use]
    pub fn look(dir: Option<&Path>, store: StoreId, newest: Option<ObjectId>) -> Self {
        let view = dir.and_then(|dir| CacheView::of_file(&dir.join(store.to_string()).join("stats.redb")));
        Self { cache: None, view: belonging(view, newest) }
    }

    /// Returns whether a file is as it was when the newest snapshot read it.
    #[must_use]
    pub fn is_unchanged(&self, path: &RelPath, stat: &Stat) -> bool {
        self.view.as_ref().is_some_and(|view| view.holds(&path_key(path), &state_of(stat)))
    }

    /// Remembers the files that were read, for the snapshot that is now the newest.
    pub fn save(self, newest: ObjectId, read: &[Remembered]) {
        let Self { cache, view } = self;
        let keep = view.is_some();
        drop(view);
        if let Some(cache) = cache {
            let entries = read.iter().map(|(key, value)| (&key[..], value.as_ref().map(|value| &value[..])));
            // A cache that cannot be written costs the next commit time, nothing else.
            let _ = cache.update(keep, entries.chain([(SNAPSHOT_KEY, Some(&newest.0[..]))]));
        }
    }
}

/// Takes what is remembered for one snapshot over to another that has the same files, but for those that `keeps` does not
/// want, into a file that never held those. Where that fails, nothing is remembered any more.
pub fn carry_stats(
    dir: Option<&Path>,
    store: StoreId,
    (old, new): (ObjectId, ObjectId),
    keeps: &dyn Fn(&Short) -> bool,
) {
    let Some(file) = dir.map(|dir| dir.join(store.to_string()).join("stats.redb")) else { return };
    let belongs = CacheView::of_file(&file).is_some_and(|view| view.holds(SNAPSHOT_KEY, &old.0));
    HostCache::renew(&file, &mut |key, value| {
        if key == SNAPSHOT_KEY {
            return Some(new.0.to_vec());
        }
        let is_kept = belongs && <&Short>::try_from(key).is_ok_and(keeps);
        is_kept.then(|| value.to_vec())
    });
}

/// Returns a view if it belongs to the newest snapshot.
fn belonging(view: Option<CacheView>, newest: Option<ObjectId>) -> Option<CacheView> {
    view.filter(|view| newest.is_some_and(|id| view.holds(SNAPSHOT_KEY, &id.0)))
}

/// Returns what to remember of a file that was read: nothing if it changed so shortly before `began` that it might change
/// again unseen.
#[must_use]
pub fn remember(path: &RelPath, stat: &Stat, began: Timestamp) -> Remembered {
    let newest_secs = began.0.div_euclid(1_000_000_000) - GRAIN_SECS;
    let settled = stat.mtime.secs < newest_secs && stat.ctime.secs < newest_secs;
    (path_key(path), settled.then(|| state_of(stat)))
}

/// Returns what a file is remembered by.
#[must_use]
pub fn path_key(path: &RelPath) -> Short {
    short(blake3::hash(path.as_bytes()))
}

fn state_of(stat: &Stat) -> Short {
    let mut state = [0; 48];
    let time = |time: FileTime| time.secs.wrapping_mul(1_000_000_000).wrapping_add(i64::from(time.nanos)) as u64;
    let fields = [stat.len_bytes, time(stat.mtime), time(stat.ctime), stat.inode, stat.device, u64::from(stat.mode)];
    for (part, field) in state.chunks_exact_mut(8).zip(fields) {
        part.copy_from_slice(&field.to_le_bytes());
    }
    short(blake3::hash(&state))
}

fn short(hash: blake3::Hash) -> Short {
    let mut short = [0; 16];
    short.copy_from_slice(&hash.as_bytes()[..16]);
    short
}
