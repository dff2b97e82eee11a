//! What a folder holds: the entries of one directory at a time, after excludes.
//!
//! Excludes are globs as in a `.gitignore`, matched against the path below the folder's root, byte for byte.
//! With [`Excludes::and_caches`], a directory below the root that holds a regular file `CACHEDIR.TAG` with the
//! signature of <https://bford.info/cachedir/> is kept with that file alone: the same as `tar --exclude-caches`
//! and `restic --exclude-caches`. An excluded entry is told apart from a missing one, so that nobody takes an
//! exclude for a deletion. Limits: a directory's entries are held in memory.

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::base::monitor::Problem;
use crate::base::{EntryName, RelPath};
use crate::disk::folder::{FileKind, Stat};
use crate::disk::{DiskError, Folder};

use super::is_temporary;

const CACHE_TAG: &[u8] = b"CACHEDIR.TAG";
const CACHE_SIGNATURE: &[u8; 43] = b"Signature: 8a477f597d28d172789f06886806bc55";

/// Reports a pattern that cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the exclude pattern {pattern:?}")]
pub struct ExcludeError {
    /// The pattern as given.
    pub pattern: String,
    /// What is wrong with it.
    #[source]
    pub source: ignore::Error,
}

/// Which entries of a folder are left out.
#[derive(Debug, Clone)]
pub struct Excludes {
    globs: Gitignore,
    caches: bool,
    paths: Vec<RelPath>,
}

impl Excludes {
    /// Leaves nothing out.
    #[must_use]
    pub fn none() -> Self {
        Self { globs: Gitignore::empty(), caches: false, paths: Vec::new() }
    }

    /// Compiles patterns in gitignore's grammar; of several that match an entry the last one decides, and one
    /// that starts with `!` takes an entry back in.
    ///
    /// # Errors
    /// [`ExcludeError`] for a pattern that is malformed, empty or a comment.
    pub fn new<S: AsRef<str>>(patterns: impl IntoIterator<Item = S>) -> Result<Self, ExcludeError> {
        let mut builder = GitignoreBuilder::new("");
        for pattern in patterns {
            let pattern = pattern.as_ref();
            let fail = |source| ExcludeError { pattern: pattern.to_owned(), source };
            if pattern.trim().is_empty() || pattern.starts_with('#') || pattern.contains(['\n', '\0']) {
                let err = "an empty line or comment excludes nothing".to_owned();
                return Err(fail(ignore::Error::Glob { glob: None, err }));
            }
            builder.add_line(None, pattern).map_err(fail)?;
        }
        let globs = builder.build().map_err(|source| ExcludeError { pattern: String::from("(all)"), source })?;
        Ok(Self { globs, caches: false, paths: Vec::new() })
    }

    /// Leaves out what directories tagged as caches hold, too.
    #[must_use]
    pub fn and_caches(mut self) -> Self {
        self.caches = true;
        self
    }

    /// Leaves out what stands under these very paths, too.
    #[must_use]
    pub fn and_paths(mut self, paths: Vec<RelPath>) -> Self {
        self.paths = paths;
        self
    }

    /// Returns whether an entry is left out; what lies below an excluded directory is not asked for.
    #[must_use]
    pub fn excludes(&self, path: &RelPath, is_dir: bool) -> bool {
        let by_glob = || !self.globs.is_empty() && self.matches(path.as_bytes(), is_dir);
        !path.is_root() && (self.paths.contains(path) || by_glob())
    }

    #[cfg(unix)]
    fn matches(&self, path: &[u8], is_dir: bool) -> bool {
        use std::os::unix::ffi::OsStrExt;
        self.globs.matched(std::ffi::OsStr::from_bytes(path), is_dir).is_ignore()
    }

    #[cfg(windows)]
    fn matches(&self, path: &[u8], is_dir: bool) -> bool {
        self.globs.matched(&*String::from_utf8_lossy(path), is_dir).is_ignore()
    }
}

/// What one directory holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScannedDir {
    /// Entries to keep, sorted by name bytes.
    pub entries: Vec<(EntryName, Stat)>,
    /// Names left out by excludes, sorted; they stand there and are no deletions.
    pub excluded: Vec<EntryName>,
    /// Entries whose state could not be asked, sorted; they may stand there and are no deletions.
    pub unreadable: Vec<(EntryName, Problem)>,
    /// Lines on what was left out for what it is: sockets and leftovers of an interrupted restore.
    pub notes: Vec<String>,
}

/// Lists directories of one folder.
#[derive(Clone, Copy)]
pub struct Scanner<'a> {
    folder: &'a dyn Folder,
    excludes: &'a Excludes,
}

impl<'a> Scanner<'a> {
    /// Scans `folder` without what `excludes` leaves out.
    #[must_use]
    pub fn new(folder: &'a dyn Folder, excludes: &'a Excludes) -> Self {
        Self { folder, excludes }
    }

    /// Returns a directory's entries after excludes.
    ///
    /// Costs one listing, and the reading of 43 bytes where a directory has a file of a cache tag's name.
    ///
    /// # Errors
    /// [`DiskError`] when the directory itself cannot be listed; whether that ends the run is the caller's to say.
    pub fn list(&self, dir: &RelPath) -> Result<ScannedDir, DiskError> {
        let listed = self.folder.list(dir)?;
        let tagged = self.excludes.caches && !dir.is_root() && self.is_cache(dir, &listed);
        let mut scanned = ScannedDir::default();
        for (name, stat) in listed {
            // A path over the limit can be neither stored nor opened.
            let Ok(path) = dir.join(&name) else {
                let subject = format!("{dir}/{name}");
                scanned.unreadable.push((name, Problem { subject, reason: "the path is too long or too deep".into() }));
                continue;
            };
            let is_dir = stat.as_ref().is_ok_and(|stat| stat.kind == FileKind::Dir);
            if (tagged && name.as_bytes() != CACHE_TAG) || self.excludes.excludes(&path, is_dir) {
                scanned.excluded.push(name);
                continue;
            }
            match stat {
                Err(error) => scanned.unreadable.push((name, problem(&path, &error))),
                Ok(stat) if stat.kind == FileKind::Socket => {
                    scanned.notes.push(format!("{path}: a socket, left out"));
                }
                Ok(stat) if stat.kind == FileKind::File && is_temporary(&name) => {
                    scanned.notes.push(format!("{path}: left over from an interrupted restore, left out"));
                }
                Ok(stat) => scanned.entries.push((name, stat)),
            }
        }
        Ok(scanned)
    }

    /// Returns whether a directory holds the tag of a cache; one that cannot be read counts as none.
    fn is_cache(&self, dir: &RelPath, listed: &[(EntryName, Result<Stat, DiskError>)]) -> bool {
        let Ok(at) = listed.binary_search_by(|(name, _)| name.as_bytes().cmp(CACHE_TAG)) else { return false };
        let (name, Ok(stat)) = &listed[at] else { return false };
        if stat.kind != FileKind::File || stat.len_bytes < CACHE_SIGNATURE.len() as u64 {
            return false;
        }
        let Some(mut file) = dir.join(name).ok().and_then(|path| self.folder.open(&path).ok()) else { return false };
        let mut start = [0; CACHE_SIGNATURE.len()];
        file.read_exact(&mut start).is_ok() && start == *CACHE_SIGNATURE
    }
}

fn problem(path: &RelPath, error: &DiskError) -> Problem {
    Problem { subject: path.to_string(), reason: super::read::reason(error) }
}

#[cfg(test)]
mod tests;
