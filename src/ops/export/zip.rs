//! A zip archive that is written front to back: what follows a file says how long it is and what its sum is.

use std::io::{self, Write};

use zip::write::{FullFileOptions, StreamWriter};
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::{Archive, Fused, ZipRoom};
use crate::base::RelPath;
use crate::format::tree::{Entry, Meta, Node};

/// The extra field that holds a time in UTC, which a zip's own field cannot: Info-ZIP's extended timestamp.
const EXTENDED_TIMESTAMP: u16 = 0x5455;
/// Its first byte: the time of the last change follows.
const HAS_MTIME: u8 = 1;
/// Longest name, which is counted by 16 bits.
const NAME_MAX_BYTES: usize = u16::MAX as usize;

/// Writes a zip archive.
pub struct ZipArchive<'a> {
    writer: ZipWriter<StreamWriter<Fused<'a>>>,
    room: ZipRoom,
}

impl<'a> ZipArchive<'a> {
    /// Begins an archive that takes so much.
    pub fn new(sink: Fused<'a>, room: ZipRoom) -> Self {
        Self { writer: ZipWriter::new_stream(sink), room }
    }
}

impl Archive for ZipArchive<'_> {
    fn refuses(&self, path: &RelPath, entry: &Entry) -> Option<&'static str> {
        if std::str::from_utf8(path.as_bytes()).is_err() {
            return Some("a zip archive holds names in UTF-8 alone");
        }
        if path.as_bytes().len() >= NAME_MAX_BYTES {
            return Some("the path is too long for a zip archive");
        }
        if leads_elsewhere(path.as_bytes()) {
            return Some(
                "whoever unpacks a zip archive may take a backslash for a separator, and a colon for a drive's",
            );
        }
        match &entry.node {
            Node::File { .. } | Node::Dir { .. } => None,
            Node::Symlink { target } if std::str::from_utf8(target).is_ok() => None,
            Node::Symlink { .. } => Some("a zip archive holds targets of links in UTF-8 alone"),
            Node::Fifo | Node::Socket => Some("a zip archive holds no pipes and sockets"),
            Node::CharDevice(_) | Node::BlockDevice(_) => Some("a zip archive holds no devices"),
        }
    }

    fn begin(&mut self, path: &RelPath, entry: &Entry, _: Option<&RelPath>) -> io::Result<()> {
        let name = std::str::from_utf8(path.as_bytes()).map_err(io::Error::other)?;
        let options = options(&entry.meta)?;
        let begun = match &entry.node {
            Node::Dir { .. } => self.writer.add_directory(format!("{name}/"), options),
            Node::Symlink { target } => {
                let target = std::str::from_utf8(target).map_err(io::Error::other)?;
                self.writer.add_symlink(name, target, options)
            }
            // Whether it outgrows 4 GiB shows before the first byte; packed it may be a little longer.
            Node::File { len_bytes, .. } => self.writer.start_file(name, options.large_file(*len_bytes >= 1 << 31)),
            _ => return Err(io::Error::other("an entry that a zip archive cannot hold")),
        };
        begun.map_err(io::Error::from)
    }

    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes)
    }

    fn end(&mut self) -> io::Result<()> {
        // The next entry, or the end of the archive, ends a file.
        Ok(())
    }

    fn has_room(&mut self, path: &RelPath) -> bool {
        self.room.take(path)
    }

    fn has_hard_links(&self) -> bool {
        false
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        let sink = self.writer.finish().map_err(io::Error::from)?;
        sink.into_inner().flush()
    }
}

/// Returns whether a program that unpacks on Windows may find another path in a name: `..\x` or `C:x`, which are plain names on
/// other systems.
fn leads_elsewhere(path: &[u8]) -> bool {
    path.contains(&b'\\') || matches!(path, [letter, b':', ..] if letter.is_ascii_alphabetic())
}

fn options(meta: &Meta) -> io::Result<FullFileOptions<'static, 'static>> {
    let mut options = FullFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .unix_permissions(meta.mode)
        .last_modified_time(dos_time(meta).unwrap_or_default());
    // The field has 32 bits; other times have only the one that DOS knew.
    if let Ok(secs) = i32::try_from(meta.mtime_secs) {
        let field = [&[HAS_MTIME], &secs.to_le_bytes()[..]].concat();
        options.add_extra_field(EXTENDED_TIMESTAMP, field, false).map_err(io::Error::from)?;
    }
    Ok(options)
}

/// Returns the time as DOS writes it, in UTC, or nothing outside 1980 to 2107.
fn dos_time(meta: &Meta) -> Option<DateTime> {
    let time = jiff::Timestamp::from_second(meta.mtime_secs).ok()?.to_zoned(jiff::tz::TimeZone::UTC);
    let part = |number: i8| u8::try_from(number).ok();
    DateTime::from_date_and_time(
        u16::try_from(time.year()).ok()?,
        part(time.month())?,
        part(time.day())?,
        part(time.hour())?,
        part(time.minute())?,
        part(time.second())?,
    )
    .ok()
}
