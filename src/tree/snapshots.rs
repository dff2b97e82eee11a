//! Snapshots by the names that people give them: an id prefix, `HEAD`, `HEAD~N`, a tag, `@DATE`.

use crate::base::{ObjectId, Timestamp};
use crate::format::sealed::{SealedPart, SnapshotRef};
use crate::format::snapshot::Snapshot;
use crate::store::StoreError;
use crate::store::object::snapshot_pointer;
use crate::store::reader::ObjectReader;

/// Shortest id prefix that is taken, in hex digits.
pub const PREFIX_MIN_DIGITS: usize = 4;

/// Why a name names no snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The store holds no snapshot yet.
    #[error("the store holds no snapshot yet")]
    Empty,
    /// No snapshot goes by that name.
    #[error("no snapshot goes by {0:?} (an id prefix, HEAD, HEAD~N, a tag, or @DATE)")]
    Unknown(String),
    /// Several do.
    #[error("{0:?} is short for several snapshots")]
    Ambiguous(String),
    /// The text behind `@` is no date.
    #[error("{0:?} is not a date such as 2026-11-21 or 2026-11-21T07:35:00Z")]
    NotADate(String),
}

/// Finds a kept snapshot by its name. A tag goes before an id prefix; of several with one tag the newest is taken;
/// `@DATE` is the newest at or before that time, `HEAD~N` the N-th before the newest.
///
/// # Errors
/// [`NameError`].
pub fn find<'a>(sealed: &'a SealedPart, name: &str) -> Result<&'a SnapshotRef, NameError> {
    let newest = sealed.snapshots.last().ok_or(NameError::Empty)?;
    let unknown = || NameError::Unknown(name.to_owned());
    if name == "HEAD" {
        return Ok(newest);
    }
    if let Some(back) = name.strip_prefix("HEAD~") {
        let back: usize = back.parse().map_err(|_| unknown())?;
        return sealed.snapshots.iter().rev().nth(back).ok_or_else(unknown);
    }
    if let Some(date) = name.strip_prefix('@') {
        let time = parse_date(date).ok_or_else(|| NameError::NotADate(date.to_owned()))?;
        return sealed.snapshots.iter().rfind(|snapshot| snapshot.time <= time).ok_or_else(unknown);
    }
    if let Some(tagged) = sealed.snapshots.iter().rfind(|snapshot| snapshot.tags.iter().any(|tag| tag == name)) {
        return Ok(tagged);
    }
    let is_prefix = name.len() >= PREFIX_MIN_DIGITS && name.bytes().all(|b| b.is_ascii_hexdigit());
    let prefix = name.to_ascii_lowercase();
    let mut matches =
        sealed.snapshots.iter().filter(|snapshot| is_prefix && snapshot.id.to_string().starts_with(&prefix));
    match (matches.next(), matches.next()) {
        (Some(found), None) => Ok(found),
        (Some(_), Some(_)) => Err(NameError::Ambiguous(name.to_owned())),
        (None, _) => Err(unknown()),
    }
}

/// Reads a date (the end of that day in UTC) or a time.
fn parse_date(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| format!("{text}T23:59:59.999999999Z").parse().ok())
}

/// Reads a kept snapshot.
///
/// # Errors
/// [`StoreError::Corrupt`], [`StoreError::NoIdentity`] when its epoch's secret is not at hand.
pub fn load(reader: &ObjectReader, named: &SnapshotRef) -> Result<Snapshot, StoreError> {
    load_by_id(reader, named.id, named.epoch, named.len_bytes)
}

fn load_by_id(
    reader: &ObjectReader,
    id: ObjectId,
    epoch: crate::base::Epoch,
    len_bytes: u64,
) -> Result<Snapshot, StoreError> {
    let pointer = snapshot_pointer(reader.keys(), id, epoch, len_bytes).ok_or(StoreError::NoIdentity)?;
    let plain = reader.read(&pointer)?;
    Snapshot::decode(&plain).map_err(|error| StoreError::format(format!("snapshot {id}"), error))
}
