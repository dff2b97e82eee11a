//! The names in a FAT directory: short ones, and the slots of long ones before them.
//!
//! Slots and entries are written one by one, so after a cut there are slots without an entry, entries without their
//! slots, and slots of a name that was there before. The states and their order are those of `fs/fat/dir.c`.

use super::super::heap::{text_of, u16_at};
use super::{ATTRIBUTE_VOLUME, DELETED};

/// The attributes of a slot of a long name.
const ATTRIBUTES_SLOT: u8 = 0x0F;
/// Marks the first slot, which holds the end of the name.
const FIRST_SLOT: u8 = 0x40;
/// Most slots of a name.
const SLOTS_MAX: u8 = 20;
/// UTF-16 units in a slot.
const SLOT_UNITS: usize = 13;
/// Says that a short name's base is shown in small letters; of Windows NT.
const LOWER_BASE: u8 = 0x08;
/// Says the same of the extension.
const LOWER_EXTENSION: u8 = 0x10;
/// Code page 437 from 128 on, the one that short names are in by default.
const CODE_PAGE_437: &str = "\
    ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐\
    └┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

/// A file or directory under its names.
pub(super) struct Record<'a> {
    /// The long name, where slots that belong to the entry stand before it.
    pub long: Option<String>,
    /// The short name, as shown.
    pub short: String,
    /// The entry of 32 bytes.
    pub entry: &'a [u8],
}

impl Record<'_> {
    /// Returns whether this is `.` or `..`.
    pub fn is_dots(&self) -> bool {
        matches!(&self.entry[..11], b".          " | b"..         ")
    }
}

/// What slots led to.
enum Slots<'a> {
    /// To their entry, with the name if its check sum is the entry's.
    Entry(Option<String>, &'a [u8]),
    /// To nothing; what they led to is skipped.
    Nothing,
    /// To something that is no slot and is looked at anew.
    Other(&'a [u8]),
    /// To the directory's end.
    End,
}

/// Calls for each file and directory among the entries. An entry that begins with a zero is free and ends nothing.
pub(super) fn for_each_record<'a>(bytes: &'a [u8], mut call: impl FnMut(Record<'a>)) {
    let mut entries = bytes.chunks_exact(32);
    let mut next = entries.next();
    while let Some(entry) = next {
        let is_slot = entry[11] == ATTRIBUTES_SLOT;
        let is_free = entry[0] == DELETED || (!is_slot && (entry[0] == 0 || entry[11] & ATTRIBUTE_VOLUME != 0));
        let (long, entry) = match is_slot && !is_free {
            _ if is_free => (None, None),
            false => (None, Some(entry)),
            true => match follow_slots(entry, &mut entries) {
                Slots::Entry(long, entry) => (long, Some(entry)),
                Slots::Nothing => (None, None),
                Slots::Other(other) => {
                    next = Some(other);
                    continue;
                }
                Slots::End => return,
            },
        };
        if let Some(entry) = entry {
            let short = short_name(entry);
            if !short.is_empty() {
                call(Record { long, short, entry });
            }
        }
        next = entries.next();
    }
}

/// Follows the slots of a long name to its entry.
fn follow_slots<'a>(first: &'a [u8], entries: &mut impl Iterator<Item = &'a [u8]>) -> Slots<'a> {
    let mut units = [0; SLOTS_MAX as usize * SLOT_UNITS + 1];
    let mut entry = first;
    'name: loop {
        let count = entry[0] & !FIRST_SLOT;
        if entry[0] & FIRST_SLOT == 0 || !(1..=SLOTS_MAX).contains(&count) {
            return Slots::Nothing;
        }
        let checksum = entry[13];
        for left in (0..count).rev() {
            let start = usize::from(left) * SLOT_UNITS;
            units[start..start + SLOT_UNITS].copy_from_slice(&units_of(entry));
            if entry[0] & FIRST_SLOT != 0 {
                units[start + SLOT_UNITS] = 0;
            }
            let Some(next) = entries.next() else { return Slots::End };
            entry = next;
            if left > 0 && entry[11] != ATTRIBUTES_SLOT {
                return Slots::Other(entry);
            }
            if left > 0 && (entry[0] & !FIRST_SLOT != left || entry[13] != checksum) {
                continue 'name;
            }
        }
        if entry[0] != DELETED && entry[11] == ATTRIBUTES_SLOT {
            continue;
        }
        if matches!(entry[0], 0 | DELETED) || entry[11] & ATTRIBUTE_VOLUME != 0 {
            return Slots::Nothing;
        }
        return Slots::Entry((checksum_of(entry) == checksum).then(|| text_of(&units)), entry);
    }
}

/// Returns the part of the name in a slot.
fn units_of(slot: &[u8]) -> [u16; SLOT_UNITS] {
    const PLACES: [usize; SLOT_UNITS] = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];
    PLACES.map(|place| u16_at(slot, place))
}

/// Returns the check sum of a short name, which its slots carry.
pub(in super::super) fn checksum_of(entry: &[u8]) -> u8 {
    entry[..11].iter().fold(0, |sum: u8, byte| sum.rotate_right(1).wrapping_add(*byte))
}

/// Returns a short name as it is shown; empty for one of spaces, which is none.
fn short_name(entry: &[u8]) -> String {
    let mut name = [0; 11];
    name.copy_from_slice(&entry[..11]);
    if name[0] == 0x05 {
        name[0] = DELETED;
    }
    let base = short_part(&name[..8], entry[12] & LOWER_BASE != 0);
    let extension = short_part(&name[8..], entry[12] & LOWER_EXTENSION != 0);
    if extension.is_empty() { base } else { format!("{base}.{extension}") }
}

/// Returns one part of a short name: up to a zero, without the spaces at its end.
fn short_part(bytes: &[u8], lower: bool) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let used = bytes[..end].iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1);
    let shown = |byte: &u8| {
        let letter = match usize::from(*byte).checked_sub(128) {
            Some(place) => CODE_PAGE_437.chars().nth(place).unwrap_or('?'),
            None => char::from(*byte),
        };
        // A small letter that the code page does not have is not used.
        let mut small = letter.to_lowercase().filter(|small| small.is_ascii() || CODE_PAGE_437.contains(*small));
        if lower { small.next().unwrap_or(letter) } else { letter }
    };
    bytes[..used].iter().map(shown).collect()
}
