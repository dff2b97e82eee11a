//! What the extensions of an entry say: extended attributes, time of birth, holes.
//!
//! Each stands under an odd tag, so whoever does not know it passes over it and keeps it. Holes are a hint on top of a
//! content that is complete without it: whoever passes over it writes zeros.

use super::codec::{Decoder, EXTENSION_MAX_BYTES, Encoder, Extensions, FormatError};

/// Tag of extended attributes, in an entry or, for the root directory, in the snapshot.
pub const ATTRIBUTES_TAG: u64 = 1;
/// Tag of the time of birth.
pub const BIRTH_TAG: u64 = 3;
/// Tag of the holes of a file.
pub const HOLES_TAG: u64 = 5;
/// Longest name of an extended attribute.
pub const ATTRIBUTE_NAME_MAX_BYTES: usize = 255;

const ATTRIBUTES: &str = "the extended attributes of an entry";
const BIRTH: &str = "the time of birth of an entry";
const HOLES: &str = "the holes of a file";

/// A name and a value.
pub type Attribute = (Vec<u8>, Vec<u8>);

/// Offset and length in bytes of a stretch that takes no room.
pub type Stretch = (u64, u64);

/// Returns the bytes under a tag.
#[must_use]
pub fn extension(extensions: &Extensions, tag: u64) -> Option<&[u8]> {
    let at = extensions.binary_search_by_key(&tag, |(tag, _)| *tag).ok()?;
    Some(&extensions[at].1)
}

/// Puts bytes under a tag, or takes it out.
pub fn set_extension(extensions: &mut Extensions, tag: u64, bytes: Option<Vec<u8>>) {
    match (extensions.binary_search_by_key(&tag, |(tag, _)| *tag), bytes) {
        (Ok(at), Some(bytes)) => extensions[at].1 = bytes,
        (Ok(at), None) => {
            extensions.remove(at);
        }
        (Err(at), Some(bytes)) => extensions.insert(at, (tag, bytes)),
        (Err(_), None) => {}
    }
}

/// Writes attributes, which are sorted by name; nothing where there are none.
///
/// Returns the names of those that were left out, since all together may not be longer than an extension.
#[must_use]
pub fn encode_attributes(attributes: &[Attribute]) -> (Option<Vec<u8>>, Vec<&[u8]>) {
    // The count takes at most three bytes, since each attribute takes at least three.
    let mut room = EXTENSION_MAX_BYTES - 3;
    let (mut kept, mut left_out) = (Vec::new(), Vec::new());
    for (name, value) in attributes {
        let mut one = Encoder::new();
        one.bytes(name);
        one.bytes(value);
        let fits = (1..=ATTRIBUTE_NAME_MAX_BYTES).contains(&name.len()) && one.len() <= room;
        if fits {
            room -= one.len();
            kept.push(one.finish());
        } else {
            left_out.push(&name[..]);
        }
    }
    if kept.is_empty() {
        return (None, left_out);
    }
    let mut out = Encoder::new();
    out.count(kept.len());
    kept.iter().for_each(|one| out.raw(one));
    (Some(out.finish()), left_out)
}

/// Reads attributes.
///
/// # Errors
/// [`FormatError`]; [`FormatError::NotCanonical`] for an empty list or names that do not ascend, [`FormatError::Limit`]
/// for a name that is empty, too long or holds a NUL.
pub fn decode_attributes(bytes: &[u8]) -> Result<Vec<Attribute>, FormatError> {
    let mut input = Decoder::new(ATTRIBUTES, bytes);
    let count = input.count(3)?;
    let mut attributes: Vec<Attribute> = Vec::with_capacity(count);
    for _ in 0..count {
        let name = input.bytes(ATTRIBUTE_NAME_MAX_BYTES)?;
        if name.is_empty() || name.contains(&0) {
            return Err(FormatError::Limit(ATTRIBUTES));
        }
        if attributes.last().is_some_and(|(last, _)| &last[..] >= name) {
            return Err(FormatError::NotCanonical(ATTRIBUTES));
        }
        attributes.push((name.to_vec(), input.bytes(EXTENSION_MAX_BYTES)?.to_vec()));
    }
    input.end()?;
    if attributes.is_empty() { Err(FormatError::NotCanonical(ATTRIBUTES)) } else { Ok(attributes) }
}

/// Writes a time of birth: seconds since 1970 and nanoseconds below 1,000,000,000 after them.
#[must_use]
pub fn encode_birth(secs: i64, nanos: u32) -> Vec<u8> {
    let mut out = Encoder::new();
    out.signed(secs);
    out.number(u64::from(nanos));
    out.finish()
}

/// Reads a time of birth.
///
/// # Errors
/// [`FormatError`].
pub fn decode_birth(bytes: &[u8]) -> Result<(i64, u32), FormatError> {
    let mut input = Decoder::new(BIRTH, bytes);
    let birth = (input.signed()?, input.number_to(999_999_999)? as u32);
    input.end()?;
    Ok(birth)
}

/// Writes holes, which are in order and apart; nothing where there are none. Those that no longer fit are left out.
#[must_use]
pub fn encode_holes(holes: &[Stretch]) -> Option<Vec<u8>> {
    let mut room = EXTENSION_MAX_BYTES - 3;
    let mut body = Encoder::new();
    let (mut count, mut end) = (0, 0);
    for &(offset, len_bytes) in holes {
        let mut one = Encoder::new();
        one.number(offset - end);
        one.number(len_bytes);
        if one.len() > room {
            break;
        }
        room -= one.len();
        body.raw(&one.finish());
        (count, end) = (count + 1, offset + len_bytes);
    }
    let mut out = Encoder::new();
    out.count(count);
    out.raw(&body.finish());
    (count > 0).then(|| out.finish())
}

/// Reads the holes of a file of `file_len_bytes`.
///
/// # Errors
/// [`FormatError`]; [`FormatError::Limit`] for an empty hole or one that leaves the file, [`FormatError::NotCanonical`] for
/// an empty list or holes that touch.
pub fn decode_holes(bytes: &[u8], file_len_bytes: u64) -> Result<Vec<Stretch>, FormatError> {
    let mut input = Decoder::new(HOLES, bytes);
    let count = input.count(2)?;
    let mut holes: Vec<Stretch> = Vec::with_capacity(count);
    let mut end = 0u64;
    for _ in 0..count {
        let (gap, len_bytes) = (input.number()?, input.number()?);
        if gap == 0 && !holes.is_empty() {
            return Err(FormatError::NotCanonical(HOLES));
        }
        let offset = end.checked_add(gap);
        let Some((offset, next)) = offset.and_then(|offset| Some((offset, offset.checked_add(len_bytes)?))) else {
            return Err(FormatError::Limit(HOLES));
        };
        if len_bytes == 0 || next > file_len_bytes {
            return Err(FormatError::Limit(HOLES));
        }
        holes.push((offset, len_bytes));
        end = next;
    }
    input.end()?;
    if holes.is_empty() { Err(FormatError::NotCanonical(HOLES)) } else { Ok(holes) }
}

#[cfg(test)]
mod tests;
