//! Which entries are restored: globs that take in, and globs that leave out.

use crate::base::RelPath;
use crate::folder::Excludes;

/// Picks entries by their path below the one that is restored.
#[derive(Debug, Clone)]
pub struct Selection {
    include: Option<Excludes>,
    exclude: Excludes,
}

impl Default for Selection {
    fn default() -> Self {
        Self { include: None, exclude: Excludes::none() }
    }
}

impl Selection {
    /// Takes what `include` matches and all below it (everything where it is none), without what `exclude` matches.
    #[must_use]
    pub fn new(include: Option<Excludes>, exclude: Excludes) -> Self {
        Self { include, exclude }
    }

    /// Returns whether only a part of the entries may be taken.
    #[must_use]
    pub fn is_narrow(&self) -> bool {
        self.include.is_some()
    }

    /// Returns whether an entry is taken, `above` telling that of its directory; nothing where it is left out with all
    /// below it. A directory that is not taken may hold entries that are.
    #[must_use]
    pub fn takes(&self, path: &RelPath, is_dir: bool, above: bool) -> Option<bool> {
        if self.exclude.excludes(path, is_dir) {
            return None;
        }
        Some(above || self.include.as_ref().is_none_or(|include| include.excludes(path, is_dir)))
    }

    /// Returns whether the root itself is taken.
    #[must_use]
    pub fn takes_root(&self) -> bool {
        self.include.is_none()
    }
}
