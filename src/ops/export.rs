//! `export`: a part of a snapshot as one archive, tar or zip, written front to back.
//!
//! An archive never holds a part of a file as if it were the whole: a file is read to its end before its entry begins,
//! small ones into memory, larger ones once to check and once to copy. What is damaged or what the archive cannot hold is left
//! out, and told. A zip keeps its directory in memory until the end, so what it takes is bounded ([`ZipRoom`]).

use std::cell::Cell;
use std::collections::HashMap;
use std::io::{self, Write};
use std::rc::Rc;

use crate::base::monitor::{Amount, Problem, Task};
use crate::base::units::{MIB, show_size};
use crate::base::{EntryName, FileId, RelPath};
use crate::error::{Error, ErrorKind, Result};
use crate::format::snapshot::Snapshot;
use crate::format::tree::{Content, Entry, Meta, Node};
use crate::ops::Run;
use crate::ops::list::at;
use crate::ops::open::{Reading, Spot, Stopped};
use crate::store::StoreError;
use crate::tree::read::{Named, Start, stream_file, walk};

mod tar;
mod zip;

/// Longest file that is held in memory instead of being read twice.
const HELD_MAX_BYTES: u64 = 8 << 20;
/// Most entries that are named in the archive as left out.
const LEFT_OUT_MAX: usize = 1000;

/// What kind of archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveFormat {
    /// POSIX pax: names of any length, nanoseconds, links, devices, owners, extended attributes.
    Tar,
    /// Zip with zip64: names in UTF-8, Unix modes, links; no pipes, sockets, devices, owners or extended attributes.
    Zip,
}

/// How much one zip takes: of each entry it keeps some 300 bytes and its name twice until the end, which comes to at most 100 MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZipRoom {
    /// Entries.
    pub entries: u64,
    /// Bytes of their paths.
    pub path_bytes: u64,
}

impl Default for ZipRoom {
    fn default() -> Self {
        Self { entries: 200_000, path_bytes: 16 * MIB }
    }
}

impl ZipRoom {
    /// Takes the room of an entry; returns false where there is none left.
    fn take(&mut self, path: &RelPath) -> bool {
        let path_bytes = path.as_bytes().len() as u64;
        let left = (self.entries.checked_sub(1), self.path_bytes.checked_sub(path_bytes));
        let (Some(entries), Some(path_bytes)) = left else { return false };
        *self = Self { entries, path_bytes };
        true
    }
}

/// Returns whether a part of a snapshot fits into one zip, as far as that is known without reading much: of a snapshot that fits as a
/// whole each part is said to.
///
/// Costs nothing else, but for a part of a snapshot that does not fit: the nodes of its directories, up to where it does not either.
///
/// # Errors
/// As [`at`]; [`ErrorKind::Interrupted`].
pub fn fits_zip(reading: &Reading, spot: &Spot, room: ZipRoom, run: Run<'_>) -> Result<bool> {
    let (_, snapshot, named) = at(reading, spot)?;
    if snapshot.totals.entries() <= room.entries {
        return Ok(true);
    }
    let tree = match &named {
        Named::Root => return Ok(false),
        Named::Entry(entry) => match &entry.node {
            Node::Dir { tree } => *tree,
            _ => return Ok(true),
        },
    };
    let (mut left, mut fits, mut stopped) = (room, true, Stopped::default());
    let walked = walk(
        &reading.reader,
        &Start::at(&snapshot, &tree, &RelPath::root()),
        &mut |path, _| {
            stopped.keep(run.check())?;
            fits = left.take(path);
            if fits { Ok(true) } else { Err(StoreError::Interrupted) }
        },
        // What does not read is not in the archive either.
        &mut |_, error| if error.costs_one_entry() { Ok(()) } else { Err(error) },
    );
    if !fits {
        return Ok(false);
    }
    stopped.or(reading, walked).map(|()| true)
}

/// What an export did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exported {
    /// Entries that are in the archive.
    pub entries: u64,
    /// Bytes of files in it.
    pub bytes: u64,
    /// Entries that were left out because the store is damaged.
    pub damaged: u64,
    /// Entries, or extended attributes of one, that the archive cannot hold.
    pub left_alone: u64,
}

/// Writes an archive of one kind. What fails leaves it unfinished, so that no program takes it for whole.
trait Archive {
    /// Says why the archive cannot hold an entry, or nothing when it can.
    fn refuses(&self, path: &RelPath, entry: &Entry) -> Option<&'static str>;

    /// Says what the archive lacks of an entry that it holds, or nothing.
    fn omits(&self, _: &Entry) -> Option<String> {
        None
    }

    /// Begins an entry. `same_as` is the path of an entry already written that is the same file.
    ///
    /// # Errors
    /// Those of the sink.
    fn begin(&mut self, path: &RelPath, entry: &Entry, same_as: Option<&RelPath>) -> io::Result<()>;

    /// Adds bytes to the file that was begun.
    ///
    /// # Errors
    /// Those of the sink.
    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Ends the file that was begun.
    ///
    /// # Errors
    /// Those of the sink.
    fn end(&mut self) -> io::Result<()>;

    /// Takes the room that the archive needs for an entry until its end; false where there is none left.
    fn has_room(&mut self, _: &RelPath) -> bool {
        true
    }

    /// Whether a second name of a file refers to the first.
    fn has_hard_links(&self) -> bool;

    /// Writes what ends an archive.
    ///
    /// # Errors
    /// Those of the sink.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// A sink that takes nothing more once it failed or was shut. The writers of archives write the end of one when they are
/// dropped; behind a part of a file, that would make it look whole.
struct Fused<'a> {
    sink: &'a mut dyn Write,
    is_shut: Rc<Cell<bool>>,
}

impl Fused<'_> {
    fn attempt<T>(&mut self, idle: T, act: impl FnOnce(&mut dyn Write) -> io::Result<T>) -> io::Result<T> {
        if self.is_shut.get() {
            return Ok(idle);
        }
        let result = act(self.sink);
        self.is_shut.set(result.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::Interrupted));
        result
    }
}

impl Write for Fused<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.attempt(bytes.len(), |sink| sink.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.attempt((), |sink| sink.flush())
    }
}

/// Writes a part of a snapshot to a sink: what lies in a directory under its names from there on, anything else under its own.
///
/// # Errors
/// As [`at`]; [`ErrorKind::Other`] when the sink fails, or for more than a zip takes; [`ErrorKind::Corrupt`] when a file that was
/// sound a moment ago is not any more. The sink then holds the beginning of an archive without its end.
pub fn export(
    reading: &Reading,
    spot: &Spot,
    format: ArchiveFormat,
    sink: &mut dyn Write,
    run: Run<'_>,
) -> Result<Exported> {
    match format {
        ArchiveFormat::Tar => export_with(reading, spot, |sink| Box::new(tar::TarArchive::new(sink)), sink, run, None),
        ArchiveFormat::Zip => {
            let room = ZipRoom::default();
            if !fits_zip(reading, spot, room, run)? {
                return Err(too_much());
            }
            export_with(reading, spot, |sink| Box::new(zip::ZipArchive::new(sink, room)), sink, run, None)
        }
    }
}

/// Writes a zip for somebody who gets nothing else: what was left out is listed in a text at its end.
///
/// # Errors
/// As [`export`]; what does not fit is one that shows before anything is written only by [`fits_zip`].
pub fn zip_telling(
    reading: &Reading,
    spot: &Spot,
    room: ZipRoom,
    sink: &mut dyn Write,
    run: Run<'_>,
) -> Result<Exported> {
    let left_out = Some(LeftOut::default());
    export_with(reading, spot, |sink| Box::new(zip::ZipArchive::new(sink, room)), sink, run, left_out)
}

fn too_much() -> Error {
    let ZipRoom { entries, path_bytes } = ZipRoom::default();
    let text = format!(
        "a zip archive takes at most {entries} entries, whose paths have {} in all: export a tar, or one folder after the other",
        show_size(path_bytes)
    );
    Error::new(ErrorKind::Other, text)
}

fn export_with<'a>(
    reading: &'a Reading,
    spot: &Spot,
    archive: impl FnOnce(Fused<'a>) -> Box<dyn Archive + 'a>,
    sink: &'a mut dyn Write,
    run: Run<'a>,
    left_out: Option<LeftOut>,
) -> Result<Exported> {
    let (_, snapshot, named) = at(reading, spot)?;
    let is_shut = Rc::new(Cell::new(false));
    let archive = archive(Fused { sink, is_shut: Rc::clone(&is_shut) });
    let total = Amount { files: snapshot.totals.entries(), bytes: snapshot.totals.bytes };
    run.monitor.begin(Task::Read, (named == Named::Root).then_some(total));
    let mut exporter = Exporter { reading, archive, run, linked: HashMap::new(), left_out, done: Exported::default() };
    let exported = exporter.named(&named, &snapshot).and_then(|()| exporter.tell_left_out());
    let Exporter { archive, done, .. } = exporter;
    run.monitor.end(Task::Read);
    let exported = exported.and_then(|()| reading.check_medium(done.damaged));
    if let Err(error) = exported {
        is_shut.set(true);
        return Err(error);
    }
    archive.finish().map_err(unwritten)?;
    Ok(done)
}

fn unwritten(error: io::Error) -> Error {
    let kind = if error.kind() == io::ErrorKind::StorageFull { ErrorKind::NoSpace } else { ErrorKind::Other };
    Error::with_source(kind, "cannot write the archive", error)
}

/// What an archive lacks, for a text in it.
struct LeftOut {
    count: u64,
    lines: Vec<String>,
    /// Names for the text that nothing in the archive has, the best one first.
    names: Vec<&'static str>,
}

impl Default for LeftOut {
    fn default() -> Self {
        Self {
            count: 0,
            lines: Vec::new(),
            names: vec!["LEFT OUT.txt", "LEFT OUT by chunkstore.txt", "LEFT OUT (1).txt"],
        }
    }
}

struct Exporter<'a> {
    reading: &'a Reading,
    archive: Box<dyn Archive + 'a>,
    run: Run<'a>,
    /// The first path of each file that has several.
    linked: HashMap<FileId, RelPath>,
    /// What is to be told in the archive itself.
    left_out: Option<LeftOut>,
    done: Exported,
}

impl Exporter<'_> {
    fn named(&mut self, named: &Named, snapshot: &Snapshot) -> Result<()> {
        let tree = match named {
            Named::Root => snapshot.root,
            Named::Entry(entry) => match &entry.node {
                Node::Dir { tree } => *tree,
                _ => return self.entry(&own_path(&entry.name), entry),
            },
        };
        let reading = self.reading;
        let start = Start::at(snapshot, &tree, &RelPath::root());
        let (mut stopped, mut broken) = (Stopped::default(), Vec::new());
        let walked = walk(
            &reading.reader,
            &start,
            &mut |path, entry| stopped.keep(self.entry(path, entry)).map(|()| true),
            &mut |path, error| {
                if !error.costs_one_entry() {
                    return Err(error);
                }
                broken.push((path.clone(), error.to_string()));
                Ok(())
            },
        );
        for (path, reason) in broken {
            self.damaged(&path, &reason);
        }
        stopped.or(reading, walked)
    }

    fn entry(&mut self, path: &RelPath, entry: &Entry) -> Result<()> {
        self.run.check()?;
        if let Some(reason) = self.archive.refuses(path, entry) {
            self.done.left_alone += 1;
            self.leave_out(path, reason);
            return Ok(());
        }
        if !self.archive.has_room(path) {
            return Err(too_much());
        }
        if let Some(left_out) = &mut self.left_out {
            left_out.names.retain(|name| name.as_bytes() != path.as_bytes());
        }
        let bytes = match &entry.node {
            Node::File { len_bytes, content } => match self.file(path, entry, *len_bytes, content)? {
                Some(bytes) => bytes,
                None => return Ok(()),
            },
            _ => {
                self.archive.begin(path, entry, None).map_err(unwritten)?;
                0
            }
        };
        if let Some(reason) = self.archive.omits(entry) {
            self.done.left_alone += 1;
            self.run.monitor.problem(Problem { subject: path.to_string(), reason });
        }
        self.done.entries += 1;
        self.done.bytes += bytes;
        self.run.monitor.advance(Task::Read, Amount { files: 1, bytes });
        Ok(())
    }

    /// Writes a file, or a link to the name it has already; returns how many bytes, or nothing when it is damaged.
    fn file(&mut self, path: &RelPath, entry: &Entry, len_bytes: u64, content: &Content) -> Result<Option<u64>> {
        let first = self.linked.get(&entry.file_id).filter(|_| entry.hard_linked && self.archive.has_hard_links());
        if let Some(first) = first {
            self.archive.begin(path, entry, Some(first)).map_err(unwritten)?;
            return Ok(Some(0));
        }
        let is_held = len_bytes <= HELD_MAX_BYTES;
        let mut held = Vec::new();
        let checked = stream_file(&self.reading.reader, len_bytes, content, &mut |bytes| {
            if is_held {
                held.extend_from_slice(bytes);
            }
            if self.run.monitor.cancelled() { Err(StoreError::Interrupted) } else { Ok(()) }
        });
        match checked {
            Ok(()) => {}
            Err(error) if error.costs_one_entry() => {
                self.damaged(path, &error.to_string());
                return Ok(None);
            }
            Err(error) => return Err(self.reading.store.settle(error).into()),
        }
        self.archive.begin(path, entry, None).map_err(unwritten)?;
        if is_held {
            self.archive.bytes(&held).map_err(unwritten)?;
        } else {
            self.copy(path, len_bytes, content)?;
        }
        self.archive.end().map_err(unwritten)?;
        if entry.hard_linked && self.archive.has_hard_links() {
            self.linked.insert(entry.file_id, path.clone());
        }
        Ok(Some(len_bytes))
    }

    /// Copies a file that was found sound.
    fn copy(&mut self, path: &RelPath, len_bytes: u64, content: &Content) -> Result<()> {
        let (archive, run) = (&mut self.archive, self.run);
        let mut stopped = Stopped::default();
        let streamed = stream_file(&self.reading.reader, len_bytes, content, &mut |bytes| {
            stopped.keep(run.check().and_then(|()| archive.bytes(bytes).map_err(unwritten)))
        });
        let ended = |error: Error| {
            if error.kind() == ErrorKind::Corrupt {
                error.within(format!("the archive ends within {path} and is not whole"))
            } else {
                error
            }
        };
        stopped.or(self.reading, streamed).map_err(ended)
    }

    fn damaged(&mut self, path: &RelPath, reason: &str) {
        self.done.damaged += 1;
        self.leave_out(path, reason);
    }

    fn leave_out(&mut self, path: &RelPath, reason: &str) {
        let problem = Problem { subject: path.to_string(), reason: format!("left out, {reason}") };
        if let Some(left_out) = &mut self.left_out {
            left_out.count += 1;
            if left_out.lines.len() < LEFT_OUT_MAX {
                left_out.lines.push(format!("{}: {reason}\n", problem.subject));
            }
        }
        self.run.monitor.problem(problem);
    }

    /// Writes the text that lists what was left out, if anything was.
    fn tell_left_out(&mut self) -> Result<()> {
        let Some(left_out) = self.left_out.take().filter(|left_out| left_out.count > 0) else { return Ok(()) };
        let Some(name) = left_out.names.first().and_then(|name| EntryName::new(name.as_bytes()).ok()) else {
            return Err(Error::new(ErrorKind::Other, "the archive has no name left for what was left out of it"));
        };
        let begin = format!("{} entries are not in this archive:\n\n", left_out.count);
        let text = [&[begin][..], &left_out.lines].concat().concat();
        let content = Content::Inline(vec![]);
        let entry = Entry {
            name,
            file_id: FileId([0; 16]),
            hard_linked: false,
            meta: Meta { mode: 0o644, ..Meta::default() },
            node: Node::File { len_bytes: text.len() as u64, content },
            extensions: vec![],
        };
        let written = self.archive.begin(&own_path(&entry.name), &entry, None);
        written.and_then(|()| self.archive.bytes(text.as_bytes())).and_then(|()| self.archive.end()).map_err(unwritten)
    }
}

fn own_path(name: &EntryName) -> RelPath {
    RelPath::root().join(name).unwrap_or_default()
}
