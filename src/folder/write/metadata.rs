//! Setting attributes, one kind at a time, so that one that cannot be set does not keep the others from it.

use std::collections::BTreeSet;

use crate::base::RelPath;
use crate::base::monitor::{Monitor, Problem};
use crate::disk::folder::Attributes;
use crate::disk::{DiskError, DiskErrorKind, Folder};
use crate::folder::read::reason;

/// Setuid and setgid: rights that belong to an owner, and must not pass to another one.
const OWNERS_BITS: u32 = 0o6000;

/// What can fail to be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Owner,
    Mode,
    Time,
    OwnersBits,
}

/// Sets attributes in one folder and reports each kind that cannot be set once.
pub(super) struct Metadata<'a> {
    folder: &'a dyn Folder,
    monitor: &'a dyn Monitor,
    reported: BTreeSet<Kind>,
}

impl<'a> Metadata<'a> {
    pub(super) fn new(folder: &'a dyn Folder, monitor: &'a dyn Monitor) -> Self {
        Self { folder, monitor, reported: BTreeSet::new() }
    }

    /// Sets attributes of the entry at `path`, which people know as `shown`.
    ///
    /// The owner comes first, since changing it clears bits of the mode; the time comes last.
    pub(super) fn set(&mut self, path: &RelPath, shown: &RelPath, wanted: &Attributes) -> Result<(), DiskError> {
        let owned = match wanted.owner {
            Some(owner) => self.try_set(Kind::Owner, path, shown, owner_only(owner))?,
            None => true,
        };
        if let Some(mode) = wanted.mode {
            let mode = if owned { mode } else { self.without_owners_bits(shown, mode) };
            self.try_set(Kind::Mode, path, shown, Attributes { mode: Some(mode), ..Attributes::default() })?;
        }
        if let Some(mtime) = wanted.mtime {
            self.try_set(Kind::Time, path, shown, Attributes { mtime: Some(mtime), ..Attributes::default() })?;
        }
        Ok(())
    }

    fn without_owners_bits(&mut self, shown: &RelPath, mode: u32) -> u32 {
        if mode & OWNERS_BITS != 0 {
            let why = "the setuid and setgid bits are left out, since the owner could not be set";
            self.report(Kind::OwnersBits, shown, why);
        }
        mode & !OWNERS_BITS
    }

    fn try_set(&mut self, kind: Kind, path: &RelPath, shown: &RelPath, one: Attributes) -> Result<bool, DiskError> {
        match self.folder.set_attributes(path, &one) {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.kind, DiskErrorKind::Gone | DiskErrorKind::NoSpace) => Err(error),
            Err(error) => {
                self.report(kind, shown, &reason(&error));
                Ok(false)
            }
        }
    }

    fn report(&mut self, kind: Kind, shown: &RelPath, why: &str) {
        if self.reported.insert(kind) {
            let reason = format!("{why}; further entries like this one are not reported");
            self.monitor.problem(Problem { subject: shown.to_string(), reason });
        }
    }
}

fn owner_only(owner: (u32, u32)) -> Attributes {
    Attributes { owner: Some(owner), ..Attributes::default() }
}
