//! The names in an exFAT directory: sets of entries for a file, its stream and the parts of its name.
//!
//! Linux lists by one rule and looks up by another, see `exfat_readdir` and `exfat_find_dir_entry` in
//! `fs/exfat/dir.c`. Up-casing follows Unicode, not the volume's table; they agree on the names of
//! a store, and a name of letters on which they do not is not found.

use std::ops::Range;

use super::super::NodeKind;
use super::super::directory::{Directory, Node};
use super::super::heap::{Damage, text_of, u16_at, u32_at, u64_at};
use super::{ENTRY_BYTES, UNUSED};

/// Type of the first entry of a file or directory.
const FILE: u8 = 0x85;
/// Type of the entry that says where the bytes lie.
const STREAM: u8 = 0xC0;
/// Type of an entry with a part of the name.
const NAME: u8 = 0xC1;
/// Types that may stand behind the name: the critical ones. Later kernels list a set with benign ones (0xE0) too.
const FOLLOWERS: Range<u8> = 0xC2..0xE0;
/// Marks a directory.
const ATTRIBUTE_DIR: u16 = 0x10;
/// The flags of clusters that follow each other without links.
const NO_LINKS: u8 = 0x03;
/// UTF-16 units in an entry.
const PART_UNITS: usize = 15;

/// Reads the entries of a directory whose clusters end with a damage or as they should; fails where the driver,
/// which counts them up to the first unused one, finds the damage at once.
pub(super) fn directory_of(bytes: &[u8], damage: Option<Damage>) -> Result<Directory, Damage> {
    let entries: Vec<&[u8]> = bytes.chunks_exact(ENTRY_BYTES).collect();
    let used = entries.iter().position(|entry| entry[0] == UNUSED);
    if let (None, Some(damage)) = (used, damage) {
        return Err(damage);
    }
    let mut directory = Directory::default();
    list(&entries, damage, &mut directory);
    let searched = &entries[..used.unwrap_or(entries.len())];
    for at in (0..searched.len()).filter(|at| searched[*at][0] == FILE) {
        if let Some(name) = searched_name(&searched[at..]) {
            directory.offer(fold(&name), node_of(searched[at], searched[at + 1]));
        }
    }
    Ok(directory)
}

/// Lists the names of sets that are well formed, up to an unused entry that is in no set.
///
/// A set that is not gives an empty name, which ends a system call early; the next call goes on behind the set, but
/// one that shows nothing is taken for the directory's end. The first call shows `.` and `..`.
fn list(entries: &[&[u8]], damage: Option<Damage>, directory: &mut Directory) {
    let mut shown_in_call = true;
    let mut at = 0;
    while at < entries.len() {
        match entries[at][0] {
            UNUSED => return,
            FILE if at + 1 < entries.len() => {}
            FILE => {
                directory.listing_damage = Some(Damage("a set of entries runs past this directory's end"));
                return;
            }
            _ => {
                at += 1;
                continue;
            }
        }
        match listed_name(&entries[at..]).filter(|name| !name.is_empty()) {
            Some(name) => {
                directory.show(name);
                shown_in_call = true;
            }
            None if shown_in_call => shown_in_call = false,
            None => return,
        }
        at += 1 + usize::from(entries[at][1]);
    }
    directory.listing_damage = directory.listing_damage.or(damage);
}

/// Returns the name of the set that begins with a file entry; nothing where its types are not in order.
fn listed_name(entries: &[&[u8]]) -> Option<String> {
    let set = entries.get(..1 + usize::from(entries[0][1]))?;
    let types: Vec<u8> = set.iter().map(|entry| entry[0]).collect();
    let names = types.iter().skip(2).take_while(|kind| **kind == NAME).count();
    let rest = types.get(2 + names..).unwrap_or_default();
    let in_order = names > 0 && types[1] == STREAM && rest.iter().all(|kind| FOLLOWERS.contains(kind));
    // A part that ends early ends the name; parts behind it are not reached.
    let units: Vec<u16> = set.iter().skip(2).take(names).flat_map(|part| units_of(part)).collect();
    in_order.then(|| text_of(&units))
}

/// Returns the name by which the set that begins with a file entry is found.
fn searched_name(entries: &[&[u8]]) -> Option<String> {
    let secondaries = usize::from(entries[0][1]);
    let set = entries.get(..1 + secondaries)?;
    let stream = set.get(1).filter(|entry| entry[0] == STREAM)?;
    let len_units = usize::from(stream[3]);
    let parts = len_units.div_ceil(PART_UNITS);
    let (names, rest) = set[2..].split_at_checked(parts)?;
    if len_units == 0 || names.iter().any(|entry| entry[0] != NAME) || rest.iter().any(|entry| entry[0] <= NAME) {
        return None;
    }
    let units: Vec<u16> = names.iter().flat_map(|part| units_of(part)).take_while(|unit| *unit != 0).collect();
    let name = text_of(&units);
    (units.len() == len_units && hash_of(&name) == u16_at(stream, 4)).then_some(name)
}

/// Returns the part of the name in an entry.
fn units_of(entry: &[u8]) -> [u16; PART_UNITS] {
    std::array::from_fn(|number| u16_at(entry, 2 + 2 * number))
}

/// Returns what a file entry and its stream say.
fn node_of(file: &[u8], stream: &[u8]) -> Node {
    let kind = if u16_at(file, 4) & ATTRIBUTE_DIR == 0 { NodeKind::File } else { NodeKind::Dir };
    let len_bytes = u64_at(stream, 24);
    let first = Some(u32_at(stream, 20)).filter(|_| kind == NodeKind::Dir || len_bytes > 0);
    Node { kind, first, contiguous: stream[1] == NO_LINKS, len_bytes, valid_bytes: u64_at(stream, 8) }
}

/// Returns the form of a name under which it is found.
pub(super) fn fold(name: &str) -> String {
    let upper = |letter: char| {
        let mut upper = letter.to_uppercase();
        upper.next().filter(|_| upper.len() == 0).unwrap_or(letter)
    };
    name.chars().map(upper).collect()
}

/// Returns the hash of a name, which its stream carries.
pub(in super::super) fn hash_of(name: &str) -> u16 {
    let bytes = fold(name).encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    bytes.iter().fold(0, |hash: u16, byte| hash.rotate_right(1).wrapping_add(u16::from(*byte)))
}
