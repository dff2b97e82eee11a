//! Where an entry can go: the directories above it, and a free temporary name beside it.

use std::collections::{BTreeMap, BTreeSet};

use super::ends_the_run;
use crate::base::monitor::{Monitor, Problem};
use crate::base::{EntryName, Random, RelPath};
use crate::disk::folder::FileKind;
use crate::disk::{DiskError, DiskErrorKind, Folder};
use crate::folder::read::reason;
use crate::folder::temporary::temporary_beside;

/// Temporary names that are drawn before a directory counts as full of them.
const NAME_ATTEMPTS: u32 = 16;

/// Finds places in one folder, and remembers what it found.
pub(super) struct Places<'a> {
    folder: &'a dyn Folder,
    random: &'a dyn Random,
    monitor: &'a dyn Monitor,
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
        let Some((parent, _)) = target.split_last() else {
            return self.refuse(target, "only a directory can be the root");
        };
        if !self.ensure_dir(&parent)? {
            return Ok(None);
        }
        match self.folder.stat(target) {
            Ok(Some(stat)) if stat.kind == FileKind::Dir => {
                return self.refuse(target, "a directory stands there; it is left alone");
            }
            Ok(_) => {}
            Err(error) if ends_the_run(error.kind) => return Err(error),
            Err(error) => return self.refuse(target, &reason(&error)),
        }
        if !self.claim(target) {
            return self.refuse(target, "an entry whose name differs only in case was restored there already");
        }
        for _ in 0..NAME_ATTEMPTS {
            let Some(temporary) = temporary_beside(target, self.random) else {
                return self.refuse(target, "no room for a temporary name beside it");
            };
            match create(&temporary) {
                Ok(made) => {
                    self.probe_case(&temporary, target);
                    return Ok(Some((temporary, made)));
                }
                Err(error) if error.kind == DiskErrorKind::Exists => {}
                Err(error) if ends_the_run(error.kind) => return Err(error),
                Err(error) => return self.refuse(target, &reason(&error)),
            }
        }
        self.refuse(target, "no temporary name beside it is free")
    }

    /// Takes a target's name; false where another spelling of it was taken on a medium that folds case.
    fn claim(&mut self, target: &RelPath) -> bool {
        self.folds_case != Some(true) || self.folded.entry(folded(target)).or_insert_with(|| target.clone()) == target
    }

    /// Asks, once, whether the medium finds an entry under its name in capitals.
    fn probe_case(&mut self, temporary: &RelPath, target: &RelPath) {
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

    fn refuse<T>(&self, path: &RelPath, why: &str) -> Result<Option<T>, DiskError> {
        self.report(path, why.to_owned());
        Ok(None)
    }

    fn report(&self, path: &RelPath, reason: String) {
        self.monitor.problem(Problem { subject: path.to_string(), reason });
    }
}

fn folded(path: &RelPath) -> String {
    String::from_utf8_lossy(path.as_bytes()).to_lowercase()
}
