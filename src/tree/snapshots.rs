//! Snapshots by the names that people give them: an id prefix, `HEAD`, `HEAD~N`, a tag, `@DATE`.

use std::fmt::Write as _;

use crate::base::moment::{self, MomentError};
use crate::base::{ObjectId, Timestamp};
use crate::format::sealed::{SealedPart, SnapshotRef, TAG_MAX_BYTES};
use crate::format::snapshot::Snapshot;
use crate::store::StoreError;
use crate::store::object::snapshot_pointer;
use crate::store::reader::ObjectReader;

/// Shortest id prefix that is taken, in hex digits.
pub const PREFIX_MIN_DIGITS: usize = 4;
/// Hex digits of a whole id.
const ID_DIGITS: usize = 64;
/// Most snapshots that an error lists.
const CANDIDATES_MAX: usize = 8;

/// Why a name names no snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The store holds no snapshot yet.
    #[error("the store holds no snapshot yet")]
    Empty,
    /// No snapshot goes by that name.
    #[error("no snapshot goes by {0:?}: `log` lists them; an id prefix of 4 digits, HEAD~N, a tag or @DATE name one")]
    Unknown(String),
    /// There are not so many.
    #[error("{name:?} goes back too far: the oldest snapshot that is kept is HEAD~{}", count - 1)]
    TooFar {
        /// The name.
        name: String,
        /// How many snapshots there are.
        count: usize,
    },
    /// All are younger.
    #[error("no snapshot is as old as {name:?}: the oldest is of {oldest}")]
    TooOld {
        /// The name.
        name: String,
        /// When the oldest was committed.
        oldest: Timestamp,
    },
    /// Several do.
    #[error("{name:?} is short for several snapshots: {candidates}")]
    Ambiguous {
        /// The name.
        name: String,
        /// Some of them, in words.
        candidates: String,
    },
    /// The text behind `@` is no date.
    #[error(transparent)]
    NotADate(#[from] MomentError),
    /// The text is no name at all.
    #[error("{0:?} names no snapshot: HEAD~N takes a number, as HEAD~2")]
    NotAName(String),
}

/// Why a text cannot be a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// It is empty or over 64 bytes.
    #[error("a tag has 1 to {TAG_MAX_BYTES} bytes")]
    Length,
    /// It would be taken for something else on a command line.
    #[error("a tag holds no `:`, `/`, spaces or control characters")]
    Letter,
    /// It would be taken for another kind of name.
    #[error("a tag is not `HEAD` or `HEAD~N`, does not begin with `@` or `-`, and is no whole snapshot id")]
    OtherName,
}

/// Checks that a text can be a tag which nobody takes for another kind of name.
///
/// # Errors
/// [`TagError`].
pub fn check_tag(tag: &str) -> Result<(), TagError> {
    if tag.is_empty() || tag.len() > TAG_MAX_BYTES {
        return Err(TagError::Length);
    }
    if tag.chars().any(|c| c == ':' || c == '/' || c.is_whitespace() || c.is_control()) {
        return Err(TagError::Letter);
    }
    let is_id = tag.len() == ID_DIGITS && is_hex(tag);
    if tag == "HEAD" || tag.starts_with("HEAD~") || tag.starts_with(['@', '-']) || is_id {
        return Err(TagError::OtherName);
    }
    Ok(())
}

/// Finds a kept snapshot by its name, at the time `now`.
///
/// A whole id goes first, then a tag, then a prefix of an id; of several snapshots with one tag the newest is taken.
/// `HEAD~N` is the N-th before the newest, `@DATE` the newest at or before a moment ([`moment::parse`]).
///
/// # Errors
/// [`NameError`].
pub fn find<'a>(sealed: &'a SealedPart, name: &str, now: Timestamp) -> Result<&'a SnapshotRef, NameError> {
    let kept = &sealed.snapshots;
    let newest = kept.last().ok_or(NameError::Empty)?;
    if name == "HEAD" {
        return Ok(newest);
    }
    if let Some(back) = name.strip_prefix("HEAD~") {
        return nth_before(kept, name, back);
    }
    if let Some(date) = name.strip_prefix('@') {
        let time = moment::parse(date, now)?;
        let found = kept.iter().rfind(|snapshot| snapshot.time <= time);
        return found.ok_or_else(|| NameError::TooOld { name: name.to_owned(), oldest: kept[0].time });
    }
    let digits = if is_hex(name) { name.to_ascii_lowercase() } else { String::new() };
    let by_id = |snapshot: &&SnapshotRef| snapshot.id.to_string().starts_with(&digits);
    if digits.len() == ID_DIGITS {
        return kept.iter().rfind(by_id).ok_or_else(|| NameError::Unknown(name.to_owned()));
    }
    if let Some(tagged) = kept.iter().rfind(|snapshot| snapshot.tags.iter().any(|tag| tag == name)) {
        return Ok(tagged);
    }
    let matches: Vec<_> = kept.iter().filter(|_| digits.len() >= PREFIX_MIN_DIGITS).filter(by_id).collect();
    match matches[..] {
        [found] => Ok(found),
        [] => Err(NameError::Unknown(name.to_owned())),
        _ => Err(NameError::Ambiguous { name: name.to_owned(), candidates: list(&matches) }),
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Finds `HEAD~N`; without a number N is 1, as in git.
fn nth_before<'a>(kept: &'a [SnapshotRef], name: &str, back: &str) -> Result<&'a SnapshotRef, NameError> {
    if !back.bytes().all(|b| b.is_ascii_digit()) {
        return Err(NameError::NotAName(name.to_owned()));
    }
    // A number that does not fit goes back too far in any case.
    let back = if back.is_empty() { 1 } else { back.parse().unwrap_or(usize::MAX) };
    let too_far = || NameError::TooFar { name: name.to_owned(), count: kept.len() };
    kept.iter().rev().nth(back).ok_or_else(too_far)
}

/// Lists snapshots for an error, newest first: as many digits as tell them apart, and when they were committed.
fn list(snapshots: &[&SnapshotRef]) -> String {
    let ids: Vec<String> = snapshots.iter().map(|snapshot| snapshot.id.to_string()).collect();
    let apart = |digits: &usize| {
        let mut short: Vec<&str> = ids.iter().map(|id| id.get(..*digits).unwrap_or(id)).collect();
        short.sort_unstable();
        short.windows(2).all(|pair| pair[0] != pair[1])
    };
    let digits = (12..ID_DIGITS).find(apart).unwrap_or(ID_DIGITS);
    let mut text = String::new();
    for (snapshot, id) in snapshots.iter().zip(&ids).rev().take(CANDIDATES_MAX) {
        let separator = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{separator}{} of {}", id.get(..digits).unwrap_or(id), snapshot.time);
    }
    if snapshots.len() > CANDIDATES_MAX {
        let _ = write!(text, " and {} more", snapshots.len() - CANDIDATES_MAX);
    }
    text
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

#[cfg(test)]
mod tests;
