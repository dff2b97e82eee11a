//! What makes a store this replica of it: an id, where it was cloned from, which key file it carries, and a marker
//! that stands while a run has not ended.
//!
//! Each is a small text file that is created once and at most removed; only the id and the group are made anew, where a person asks.

use zeroize::Zeroizing;

use super::error::StoreError;
use super::layout;
use super::pack::create_immutable;
use crate::base::limits::MARKER_MAX_BYTES;
use crate::base::{Generation, ReplicaId, StorePath};
use crate::crypto::Secret;
use crate::disk::{Disk, read_all};
use crate::format::head::Group;
use crate::format::keylist::KeyTag;
use crate::format::text::{Lines, parse_hex_to};

const WHOLE: &str = "a replica's file";
const TITLE: &str = "chunkstore replica";
/// What a path begins with that is written with escapes (RFC 8089, RFC 3986 section 2.1).
const ESCAPED: &str = "file://";

/// Reads the replica's id; nothing where a store carries none, as on a server.
///
/// # Errors
/// [`StoreError::Corrupt`].
pub fn read_id(disk: &dyn Disk) -> Result<Option<ReplicaId>, StoreError> {
    field(disk, &layout::replica(), "replica")
}

/// Writes the replica's id.
///
/// # Errors
/// [`StoreError`].
pub fn write_id(disk: &dyn Disk, id: ReplicaId) -> Result<(), StoreError> {
    create_immutable(disk, &layout::replica(), text("replica", &id.to_string()).as_bytes())
}

/// Reads the address that the store was cloned from.
///
/// # Errors
/// [`StoreError::Corrupt`].
pub fn read_remote(disk: &dyn Disk) -> Result<Option<String>, StoreError> {
    let written: Option<String> = field(disk, &layout::replica_remote(), "remote")?;
    let Some(written) = written else { return Ok(None) };
    let Some(escaped) = written.strip_prefix(ESCAPED) else { return Ok(Some(written)) };
    unescape(escaped).map(Some).ok_or_else(|| StoreError::damaged(layout::replica_remote()))
}

/// Writes the address that the store was cloned from, without credentials. A path of other bytes than printable ASCII is escaped.
///
/// # Errors
/// [`StoreError::TooMuch`] for one that is too long to be read again, and those of the disk.
pub fn write_remote(disk: &dyn Disk, address: &str) -> Result<(), StoreError> {
    let is_plain = address.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && !address.starts_with(ESCAPED);
    let text = text("remote", &if is_plain { address.to_owned() } else { escape(address) });
    if text.len() as u64 > MARKER_MAX_BYTES {
        return Err(StoreError::TooMuch("the remote's address"));
    }
    create_immutable(disk, &layout::replica_remote(), text.as_bytes())
}

fn escape(path: &str) -> String {
    let one = |byte: u8| match byte {
        b'/' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    ESCAPED.to_owned() + &path.bytes().map(one).collect::<String>()
}

fn unescape(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok().filter(|path| escape(path).strip_prefix(ESCAPED) == Some(text))
}

/// Reads the tag of the key file that this store carries.
///
/// # Errors
/// [`StoreError::Corrupt`].
pub fn read_tag(disk: &dyn Disk) -> Result<Option<KeyTag>, StoreError> {
    field(disk, &layout::replica_tag(), "tag")
}

/// Writes the tag of the key file that this store carries.
///
/// # Errors
/// [`StoreError`].
pub fn write_tag(disk: &dyn Disk, tag: KeyTag) -> Result<(), StoreError> {
    create_immutable(disk, &layout::replica_tag(), text("tag", &tag.to_string()).as_bytes())
}

/// Reads the rollout group that this key is in: that of every key where none is written.
///
/// # Errors
/// [`StoreError::Corrupt`].
pub fn read_group(disk: &dyn Disk) -> Result<Group, StoreError> {
    Ok(field(disk, &layout::replica_group(), "group")?.unwrap_or_else(Group::all))
}

/// Writes the rollout group that this key is in, where it is another than before. The caller syncs the folder.
///
/// # Errors
/// [`StoreError`].
pub fn write_group(disk: &dyn Disk, group: &Group) -> Result<(), StoreError> {
    if group.is_all() {
        return Ok(disk.remove(&layout::replica_group())?);
    }
    create_immutable(disk, &layout::replica_group(), text("group", &group.to_string()).as_bytes())
}

/// Reads the seed by which receipts are signed; nothing where none was drawn.
///
/// # Errors
/// [`StoreError::Corrupt`].
pub fn read_receipt_seed(disk: &dyn Disk) -> Result<Option<Secret>, StoreError> {
    let path = layout::receipt_key();
    let read = read_all(disk, &path, MARKER_MAX_BYTES).map_err(|error| StoreError::unread(&path, error));
    let Some(bytes) = read?.map(Zeroizing::new) else { return Ok(None) };
    let mut seed = Zeroizing::new([0; 32]);
    let lines = Lines::parse(WHOLE, TITLE, &bytes);
    let parsed = lines.and_then(|lines| parse_hex_to(WHOLE, lines.one("seed")?, seed.as_mut()));
    parsed.map_err(|error| StoreError::format(path, error))?;
    Ok(Some(Secret::from_bytes(*seed)))
}

/// Returns the text of the file that holds that seed.
#[must_use]
pub fn receipt_seed_text(seed: &Secret) -> Zeroizing<Vec<u8>> {
    let digits = Zeroizing::new(hex::encode(seed.expose()));
    Zeroizing::new(text("seed", &digits).into_bytes())
}

/// Marks that a run has begun on top of a generation; a marker that stands already is kept, since it tells more.
///
/// # Durability
/// Durable when this returns.
///
/// # Errors
/// [`StoreError`].
pub fn mark_unclean(disk: &dyn Disk, generation: Generation) -> Result<(), StoreError> {
    if read_unclean(disk)?.is_some() {
        return Ok(());
    }
    create_immutable(disk, &layout::unclean(), text("generation", &generation.to_string()).as_bytes())?;
    Ok(disk.sync_dir(&layout::unclean().parent())?)
}

/// Returns the generation that an unfinished run began on: what came after it is looked at before it is relied on.
///
/// A torn marker counts as one of the very first generation.
///
/// # Errors
/// [`StoreError`].
pub fn read_unclean(disk: &dyn Disk) -> Result<Option<Generation>, StoreError> {
    match field::<u64>(disk, &layout::unclean(), "generation") {
        Ok(generation) => Ok(generation.map(Generation)),
        Err(StoreError::Corrupt { .. }) => Ok(Some(Generation(0))),
        Err(error) => Err(error),
    }
}

/// Takes the marker away at the clean end of a run.
///
/// # Errors
/// [`StoreError`].
pub fn clear_unclean(disk: &dyn Disk) -> Result<(), StoreError> {
    disk.remove(&layout::unclean())?;
    Ok(disk.sync_dir(&layout::unclean().parent())?)
}

fn text(name: &str, value: &str) -> String {
    format!("{TITLE}\n{name} {value}\n")
}

fn field<T: std::str::FromStr + std::fmt::Display>(
    disk: &dyn Disk,
    path: &StorePath,
    name: &str,
) -> Result<Option<T>, StoreError> {
    let read = read_all(disk, path, MARKER_MAX_BYTES).map_err(|error| StoreError::unread(path, error));
    let Some(bytes) = read? else { return Ok(None) };
    let value = Lines::parse(WHOLE, TITLE, &bytes).and_then(|lines| lines.value(name));
    value.map(Some).map_err(|error| StoreError::format(path, error))
}

#[cfg(test)]
mod tests;
