//! Where an entry can go: the directories above it, and a free temporary name beside it.

use std::collections::{BTreeMap, BTreeSet};

use super::ends_the_run;
use crate::base::monitor::{Monitor, Problem};
use crate::base::{EntryName, Random, RelPath};
use crate::disk::folder::FileKind;
use crate::disk::{DiskError, DiskErrorKind, Folder};
use crate::folder::read::reason;
use crate::folder::temporary::{RestoreId, temporary_beside};

/// Temporary names that are drawn before a directory counts as full of them.
const NAME_ATTEMPTS: u32 = 16;

/// What became of the making of an entry.
pub(super) enum Made<T> {
    /// It stands under this temporary name.
    Here(RelPath, T),
    /// It has no place, and why.
    Refused(String),
}

/// Makes an entry under a fresh temporary name beside `target`.
pub(super) fn make_beside<T>(
    target: &RelPath,
    restore: Option<RestoreId>,
    random: &dyn Random,
    create: impl Fn(&RelPath) -> Result<T, DiskError>,
) -> Result<Made<T>, DiskError> {
    for _ in 0..NAME_ATTEMPTS {
        let Some(temporary) = temporary_beside(target, restore, random) else {
            return Ok(Made::Refused("no room for a temporary name beside it".to_owned()));
        };
        match create(&temporary) {
            Ok(made) => return Ok(Made::Here(temporary, made)),
            Err(error) if error.kind == DiskErrorKind::Exists => {}
            Err(error) if ends_the_run(error.kind) => return Err(error),
            Err(error) => return Ok(Made::Refused(reason(&error))),
        }
    }
    Ok(Made::Refused("no temporary name beside it is free".to_owned()))
}

/// Finds places in one folder, and remembers what it found.
pub(super) struct Places<'a> {
    folder: &'a dyn Folder,
    random: &'a dyn Random,
    monitor: &'a dyn Monitor,
    /// What the entries are of, if it is a restore that may be gone on with.
    pub(super) restore: Option<RestoreId>,
    dirs: BTreeSet<RelPath>,
    refused_dirs: BTreeSet<RelPath>,
    /// Whether `a` and `A` are one name here, asked when the first entry is made.
    folds_case: Option<bool>,
    /// Targets so far by their case-folded path, kept only where that matters.
    folded: BTreeMap<String, RelPath>,
}

impl<'a> Places<'a> {
    pub(super) fn new(folder: &'a dyn Folder, random: &'a dyn Random, monitor: &'a dyn Monitor) -> Self {
        Self {
            folder,
            random,
            monitor,
            restore: None,
            dirs: BTreeSet::new(),
            refused_dirs: BTreeSet::new(),
            folds_case: None,
            folded: BTreeMap::new(),
        }
    }

    /// Makes a directory and those above it; tells whether it stands.
    pub(super) fn ensure_dir(&mut self, path: &RelPath) -> Result<bool, DiskError> {
        let mut dir = RelPath::root();
        for name in path.names() {
            dir = match dir.join(&name) {
                Ok(dir) => dir,
                Err(_) => return Ok(false),
            };
            if self.refused_dirs.contains(&dir) {
                return Ok(false);
            }
            if self.dirs.contains(&dir) {
                continue;
            }
            match self.folder.create_dir(&dir) {
                Ok(()) => self.dirs.insert(dir.clone()),
                Err(error) if ends_the_run(error.kind) => return Err(error),
                Err(error) => {
                    let why = match error.kind {
                        DiskErrorKind::Exists | DiskErrorKind::WrongType => {
                            "what stands there is no directory; it is left alone, and all below it is left out".into()
                        }
                        _ => format!("{}; all below it is left out", reason(&error)),
                    };
                    self.report(&dir, why);
                    self.refused_dirs.insert(dir);
                    return Ok(false);
                }
            };
        }
        Ok(true)
    }

    /// Makes an entry under a fresh temporary name beside `target`, or reports why it has no place.
    pub(super) fn make<T>(
        &mut self,
        target: &RelPath,
        create: impl Fn(&RelPath) -> Result<T, DiskError>,
    ) -> Result<Option<(RelPath, T)>, DiskError> {
        if !self.find(target)? {
            return Ok(None);
        }
        match make_beside(target, self.restore, self.random, create)? {
            Made::Here(temporary, made) => {
                self.probe_case(&temporary, target);
                Ok(Some((temporary, made)))
            }
            Made::Refused(why) => {
                self.report(target, why);
                Ok(None)
            }
        }
    }

    /// Finds the place of an entry: makes the directories above it and takes its name; tells whether it has one, having
    /// reported why not.
    pub(super) fn find(&mut self, target: &RelPath) -> Result<bool, DiskError> {
        let Some((parent, _)) = target.split_last() else {
            return Ok(self.refuse(target, "only a directory can be the root"));
        };
        if !self.ensure_dir(&parent)? {
            return Ok(false);
        }
        match self.folder.stat(target) {
            Ok(Some(stat)) if stat.kind == FileKind::Dir => {
                return Ok(self.refuse(target, "a directory stands there; it is left alone"));
            }
            Ok(_) => {}
            Err(error) if ends_the_run(error.kind) => return Err(error),
            Err(error) => return Ok(self.refuse(target, &reason(&error))),
        }
        Ok(self.claim(target)
            || self.refuse(
                target,
                "an entry whose name differs only in case or in dots at its end was restored there already",
            ))
    }

    /// Returns whether it is known if `a` and `A` are one name here; until then entries are made one after the other.
    pub(super) fn knows_case(&self) -> bool {
        self.folds_case.is_some()
    }

    /// Takes a target's name; false where another spelling of it was taken on a medium that folds case.
    fn claim(&mut self, target: &RelPath) -> bool {
        self.folds_case != Some(true) || self.folded.entry(folded(target)).or_insert_with(|| target.clone()) == target
    }

    /// Asks, once, whether the medium finds an entry under its name in capitals.
    pub(super) fn probe_case(&mut self, temporary: &RelPath, target: &RelPath) {
        if self.folds_case.is_some() {
            return;
        }
        let capitals = temporary.split_last().and_then(|(dir, name)| {
            let name = EntryName::new(&name.as_bytes().to_ascii_uppercase()).ok()?;
            dir.join(&name).ok()
        });
        // A question that fails is asked again with the next entry.
        self.folds_case = capitals.and_then(|path| self.folder.stat(&path).ok()).map(|stat| stat.is_some());
        self.claim(target);
    }

    fn refuse(&self, path: &RelPath, why: &str) -> bool {
        self.report(path, why.to_owned());
        false
    }

    pub(super) fn report(&self, path: &RelPath, reason: String) {
        self.monitor.problem(Problem { subject: path.to_string(), reason });
    }
}

/// Returns what a medium that folds case may find a path under: Linux's vfat and exFAT, and Windows, also drop dots and blanks
/// at the end of a name.
fn folded(path: &RelPath) -> String {
    let text = String::from_utf8_lossy(path.as_bytes()).to_lowercase();
    text.split('/').map(|name| name.trim_end_matches(['.', ' '])).collect::<Vec<_>>().join("/")
}
