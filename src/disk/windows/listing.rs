//! The entries of a directory as the system packs them into a buffer (`FILE_ID_BOTH_DIR_INFO`): one call tells names, states and
//! numbers of hundreds of files, none of which is opened.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::windows::ffi::OsStringExt;
use std::os::windows::fs::MetadataExt;

use super::calls;

/// Room for entries of one call, in words of eight bytes.
const BUFFER_WORDS: usize = 8 << 10;
/// Where entries begin: at multiples of this.
const ALIGNMENT: usize = 8;
/// Where the name begins in an entry.
const NAME_AT: usize = 104;

/// `FILE_ATTRIBUTE_READONLY`, `FILE_ATTRIBUTE_DIRECTORY`, `FILE_ATTRIBUTE_REPARSE_POINT`.
const READ_ONLY: u32 = 0x1;
const DIRECTORY: u32 = 0x10;
const MARKED: u32 = 0x400;
/// The bit of a mark that says that the file stands for another.
const NAME_SURROGATE: u32 = 0x2000_0000;

/// The system's clock: ticks of 100 nanoseconds, from 1601; that is so many seconds before 1970.
const TICKS_PER_SEC: i64 = 10_000_000;
const EPOCH_SECS: i64 = 11_644_473_600;

/// What the system says of a file. Times are in its ticks: 100 nanoseconds since 1601, 0 for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RawStat {
    /// `FILE_ATTRIBUTE_…` bits.
    pub attributes: u32,
    /// What kind of mark it has, where [`RawStat::attributes`] says that it has one (`IO_REPARSE_TAG_…`).
    pub tag: u32,
    /// When it was made.
    pub created: i64,
    /// When its content was last changed.
    pub written: i64,
    /// When its entry was last changed.
    pub changed: i64,
    /// Length in bytes.
    pub len_bytes: u64,
    /// Its number on the volume.
    pub number: u64,
}

impl RawStat {
    /// Asks for the state of an open file.
    pub fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let attributes = metadata.file_attributes();
        let ticks = |ticks: u64| i64::try_from(ticks).unwrap_or(0);
        Ok(Self {
            attributes,
            // The standard library has asked for the mark, and tells of links alone.
            tag: if metadata.is_symlink() { NAME_SURROGATE } else { 0 },
            created: ticks(metadata.creation_time()),
            written: ticks(metadata.last_write_time()),
            changed: calls::change_ticks(file)?,
            len_bytes: metadata.len(),
            number: calls::file_number(file)?,
        })
    }

    /// Returns whether it is a directory, or a link to one.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.attributes & DIRECTORY != 0
    }

    /// Returns whether it stands for something elsewhere: a symbolic link, a junction, a mounted volume. Of other marks the
    /// system itself takes care when a file is opened.
    #[must_use]
    pub fn is_link(&self) -> bool {
        self.attributes & MARKED != 0 && self.tag & NAME_SURROGATE != 0
    }

    /// Returns when its content was last changed, in seconds since 1970.
    #[must_use]
    pub fn written_secs(&self) -> i64 {
        since_1970(self.written).0
    }

    /// Returns whether it may not be written to.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.attributes & READ_ONLY != 0
    }
}

/// Turns the system's ticks into seconds since 1970 and nanoseconds after them.
#[must_use]
pub fn since_1970(ticks: i64) -> (i64, u32) {
    let nanos = u32::try_from(ticks.rem_euclid(TICKS_PER_SEC)).unwrap_or(0) * 100;
    (ticks.div_euclid(TICKS_PER_SEC) - EPOCH_SECS, nanos)
}

/// Lists a directory, `.` and `..` left out.
pub fn list(dir: &File) -> io::Result<Vec<(OsString, RawStat)>> {
    let mut buffer = vec![0_u64; BUFFER_WORDS];
    let mut found = Vec::new();
    let mut from_start = true;
    while calls::read_directory(dir, from_start, &mut buffer)? {
        from_start = false;
        let bytes: Vec<u8> = buffer.iter().flat_map(|word| word.to_le_bytes()).collect();
        take_entries(&bytes, &mut found)?;
    }
    Ok(found)
}

/// Takes the entries of one call apart.
pub(super) fn take_entries(bytes: &[u8], found: &mut Vec<(OsString, RawStat)>) -> io::Result<()> {
    let mut at = 0_usize;
    loop {
        let entry = bytes.get(at..).unwrap_or_default();
        let (name, stat, step) = take_entry(entry).ok_or(io::ErrorKind::InvalidData)?;
        if name != "." && name != ".." {
            found.push((name, stat));
        }
        if step == 0 {
            return Ok(());
        }
        if step % ALIGNMENT != 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        at = at.checked_add(step).ok_or(io::ErrorKind::InvalidData)?;
    }
}

/// Takes one entry apart: its name, its state, and how far away the next one is.
fn take_entry(entry: &[u8]) -> Option<(OsString, RawStat, usize)> {
    let word = |at: usize| Some(u32::from_le_bytes(*entry.get(at..)?.first_chunk()?));
    let long = |at: usize| Some(u64::from_le_bytes(*entry.get(at..)?.first_chunk()?));
    let name = entry.get(NAME_AT..)?.get(..word(60)? as usize)?;
    let units: Vec<u16> = name.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    let stat = RawStat {
        attributes: word(56)?,
        // The room of the extended attributes' length, where there is a mark.
        tag: word(64)?,
        created: long(8)?.cast_signed(),
        written: long(24)?.cast_signed(),
        changed: long(32)?.cast_signed(),
        len_bytes: long(40)?,
        number: long(96)?,
    };
    Some((OsString::from_wide(&units), stat, word(0)? as usize))
}
