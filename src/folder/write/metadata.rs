//! Setting attributes, one kind at a time, so that one that cannot be set does not keep the others from it.

use std::collections::BTreeSet;

use crate::base::RelPath;
use crate::base::monitor::{Monitor, Problem};
use crate::disk::folder::{Attributes, ExtendedAttribute};
use crate::disk::{DiskError, DiskErrorKind, Folder};
use crate::folder::read::reason;

/// Setuid and setgid: rights that belong to an owner, and must not pass to another one.
const OWNERS_BITS: u32 = 0o6000;

/// What can fail to be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Owner,
    Mode,
    Time,
    OwnersBits,
    UserAttribute,
    AccessList,
    Capability,
    OtherAttribute,
}

impl Kind {
    fn of(attribute: &ExtendedAttribute) -> Self {
        match &attribute.name[..] {
            name if name.starts_with(b"user.") => Self::UserAttribute,
            name if name.starts_with(b"system.posix_acl_") => Self::AccessList,
            b"security.capability" => Self::Capability,
            _ => Self::OtherAttribute,
        }
    }
}

/// What could not be set of one entry, and why.
pub(super) type Unset = Vec<(Kind, String)>;

/// Sets attributes one by one through `set`, each whatever became of the others; returns those that could not be set.
///
/// The owner comes first, since changing it clears bits of the mode and capabilities; the attributes of a user next, since
/// they take the right to write; then the mode, and access lists, which bring bits of the mode of their own; the time last.
pub(super) fn set_each(
    wanted: &Attributes,
    set: &mut dyn FnMut(&Attributes) -> Result<(), DiskError>,
) -> Result<Unset, DiskError> {
    let mut unset = Unset::new();
    let mut try_set = |kind: Kind, one: Attributes| match set(&one) {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.kind, DiskErrorKind::Gone | DiskErrorKind::NoSpace) => Err(error),
        Err(error) => {
            unset.push((kind, reason(&error)));
            Ok(false)
        }
    };
    let owned = match wanted.owner {
        Some(owner) => try_set(Kind::Owner, Attributes { owner: Some(owner), ..Attributes::default() })?,
        None => true,
    };
    let (early, late): (Vec<_>, Vec<_>) =
        wanted.extended.iter().partition(|attribute| Kind::of(attribute) == Kind::UserAttribute);
    for attribute in early {
        try_set(Kind::UserAttribute, Attributes { extended: vec![attribute.clone()], ..Attributes::default() })?;
    }
    let mut left_bits = false;
    if let Some(mode) = wanted.mode {
        left_bits = !owned && mode & OWNERS_BITS != 0;
        let mode = if left_bits { mode & !OWNERS_BITS } else { mode };
        try_set(Kind::Mode, Attributes { mode: Some(mode), ..Attributes::default() })?;
    }
    for attribute in late {
        try_set(Kind::of(attribute), Attributes { extended: vec![attribute.clone()], ..Attributes::default() })?;
    }
    if let Some(mtime) = wanted.mtime {
        try_set(Kind::Time, Attributes { mtime: Some(mtime), ..Attributes::default() })?;
    }
    if left_bits {
        let why = "the setuid and setgid bits are left out, since the owner could not be set".to_owned();
        unset.push((Kind::OwnersBits, why));
    }
    Ok(unset)
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
    pub(super) fn set(&mut self, path: &RelPath, shown: &RelPath, wanted: &Attributes) -> Result<(), DiskError> {
        let unset = set_each(wanted, &mut |one| self.folder.set_attributes(path, one))?;
        self.report_all(shown, &unset);
        Ok(())
    }

    /// Reports what could not be set of an entry, as far as its kind was not reported before.
    pub(super) fn report_all(&mut self, shown: &RelPath, unset: &[(Kind, String)]) {
        unset.iter().for_each(|(kind, why)| self.report(*kind, shown, why));
    }

    fn report(&mut self, kind: Kind, shown: &RelPath, why: &str) {
        if self.reported.insert(kind) {
            let reason = format!("{why}; further entries like this one are not reported");
            self.monitor.problem(Problem { subject: shown.to_string(), reason });
        }
    }
}
