//! [`BatchWriter`]: puts restored entries in place so that nothing half-written ever stands under a final name.
//!
//! Each file, link and special file is made under a temporary name beside its target. When a batch is full,
//! everything is synced at once, then every temporary name is renamed over its target; the end syncs once more
//! and sets the attributes of directories, deepest first. So after a power cut each final name holds what it
//! held before, or the whole new entry, or (where the medium cannot replace atomically) nothing.
//!
//! What stands in the way (a directory where a file should go, a file or link where a directory should) is
//! reported and left alone, and so is what this medium cannot hold. Metadata that cannot be set is reported once
//! per kind.
//!
//! A long file of a restore that has an id is written under a name that the next run finds, and is left there when this one
//! ends early, so that the next goes on behind what it finds to be right. Limits: directories already made stay when the
//! work is given up; on media where `a` and `A` are one name the first restored entry keeps it and the others are reported.

mod metadata;
mod place;

use std::collections::{BTreeMap, BTreeSet};

use crate::base::monitor::{Monitor, Problem};
use crate::base::units::MIB;
use crate::base::{Random, RelPath};
use crate::disk::folder::{Attributes, FileKind, FolderFile, FolderWriter};
use crate::disk::{DiskError, DiskErrorKind, Folder};

use super::read::reason;
use super::temporary::{RestoreId, is_written_by, part_beside};
use metadata::{Metadata, Unset, set_each};
use place::{Made, Places, make_beside};

/// When a batch is full: at whichever limit is reached first.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    /// Bytes written.
    pub bytes: u64,
    /// Entries made.
    pub files: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self { bytes: 512 * MIB, files: 16 * 1024 }
    }
}

/// An entry that was made under a temporary name.
struct Pending {
    temporary: RelPath,
    target: RelPath,
    /// Whether it stays when the work is given up.
    is_part: bool,
}

/// A file being written under a temporary name, which is removed if the file is dropped unfinished, unless it is a part that
/// the next run can go on with.
///
/// It does not borrow the [`BatchWriter`], so several may be written at a time, by several threads; it is made on disk with
/// its first bytes. Where it turns out to have no place, what is written goes nowhere and [`BatchWriter::finish_file`] reports it.
pub struct NewFile<'a> {
    folder: &'a dyn Folder,
    random: &'a dyn Random,
    target: RelPath,
    restore: Option<RestoreId>,
    /// The name under which it stays when the run ends early.
    part: Option<RelPath>,
    state: FileState,
    bytes: u64,
    unset: Unset,
}

enum FileState {
    Planned,
    Open(RelPath, Box<dyn FolderWriter>),
    Closed(RelPath),
    Refused(String),
    Taken,
}

impl NewFile<'_> {
    /// Opens what an earlier run left of the file; nothing where it left nothing that reads.
    #[must_use]
    pub fn left(&self) -> Option<Box<dyn FolderFile>> {
        let part = self.part.as_ref().filter(|_| matches!(self.state, FileState::Planned))?;
        self.folder.open(part).ok()
    }

    /// Goes on behind the first bytes of what an earlier run left; tells whether it can.
    ///
    /// # Errors
    /// [`DiskError`] when the medium fails.
    pub fn go_on_behind(&mut self, keep_bytes: u64) -> Result<bool, DiskError> {
        let Some(part) = &self.part else { return Ok(false) };
        match self.folder.append_after(part, keep_bytes) {
            Ok(writer) => self.state = FileState::Open(part.clone(), writer),
            Err(error) if ends_the_run(error.kind) => return Err(error),
            Err(_) => return Ok(false),
        }
        self.bytes = keep_bytes;
        Ok(true)
    }

    /// Says how many bytes will follow, as [`FolderWriter::reserve`] does.
    ///
    /// # Errors
    /// [`DiskError`]; drop the file then.
    pub fn reserve(&mut self, len_bytes: u64) -> Result<(), DiskError> {
        self.writer()?.map_or(Ok(()), |writer| writer.reserve(len_bytes))
    }

    /// Drops the file and what was written of it.
    pub fn discard(mut self) {
        self.part = None;
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// [`DiskError`]; drop the file then.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        self.bytes += bytes.len() as u64;
        self.writer()?.map_or(Ok(()), |writer| writer.append(bytes))
    }

    /// Leaves a hole that reads as zeros.
    ///
    /// # Errors
    /// [`DiskError`]; drop the file then.
    pub fn skip(&mut self, len_bytes: u64) -> Result<(), DiskError> {
        self.writer()?.map_or(Ok(()), |writer| writer.skip(len_bytes))
    }

    /// Sets attributes and closes the file; what cannot be set is kept for the report.
    ///
    /// # Errors
    /// [`DiskError`]; drop the file then.
    pub fn close(&mut self, attributes: &Attributes) -> Result<(), DiskError> {
        self.writer()?;
        match std::mem::replace(&mut self.state, FileState::Taken) {
            FileState::Open(temporary, mut writer) => {
                let unset = set_each(attributes, &mut |one| writer.set_attributes(one));
                let closed = writer.finish();
                self.state = FileState::Closed(temporary);
                self.unset = unset?;
                closed
            }
            other => {
                self.state = other;
                Ok(())
            }
        }
    }

    fn writer(&mut self) -> Result<Option<&mut Box<dyn FolderWriter>>, DiskError> {
        if matches!(self.state, FileState::Planned) {
            self.state = self.made()?;
        }
        match &mut self.state {
            FileState::Open(_, writer) => Ok(Some(writer)),
            _ => Ok(None),
        }
    }

    /// Makes the file: under the name of its part in place of what stands there, else under a fresh one.
    fn made(&mut self) -> Result<FileState, DiskError> {
        let folder = self.folder;
        if let Some(part) = &self.part {
            let made = folder.remove_file(part).and_then(|()| folder.create_file(part));
            match made {
                Ok(writer) => return Ok(FileState::Open(part.clone(), writer)),
                Err(error) if ends_the_run(error.kind) => return Err(error),
                // A directory may stand there.
                Err(_) => self.part = None,
            }
        }
        Ok(match make_beside(&self.target, self.restore, self.random, |temporary| folder.create_file(temporary))? {
            Made::Here(temporary, writer) => FileState::Open(temporary, writer),
            Made::Refused(why) => FileState::Refused(why),
        })
    }
}

impl Drop for NewFile<'_> {
    fn drop(&mut self) {
        // Closed first: some systems do not remove open files.
        let temporary = match std::mem::replace(&mut self.state, FileState::Taken) {
            FileState::Open(temporary, writer) => {
                drop(writer);
                temporary
            }
            FileState::Closed(temporary) => temporary,
            FileState::Planned | FileState::Refused(_) | FileState::Taken => return,
        };
        if self.part.as_ref() != Some(&temporary) {
            let _ = self.folder.remove_file(&temporary);
        }
    }
}

/// Writes entries into a folder, batch by batch.
pub struct BatchWriter<'a> {
    folder: &'a dyn Folder,
    random: &'a dyn Random,
    monitor: &'a dyn Monitor,
    limits: BatchLimits,
    places: Places<'a>,
    metadata: Metadata<'a>,
    pending: Vec<Pending>,
    pending_bytes: u64,
    dir_attributes: BTreeMap<RelPath, Attributes>,
    left_alone: BTreeSet<RelPath>,
    /// The file that stands for as long as the restore is not done.
    marker: Option<RelPath>,
    /// Names of parts that were given out: two targets may hash to one.
    parts: BTreeSet<RelPath>,
}

impl<'a> BatchWriter<'a> {
    /// Writes into `folder`; problems go to `monitor`.
    #[must_use]
    pub fn new(folder: &'a dyn Folder, random: &'a dyn Random, monitor: &'a dyn Monitor, limits: BatchLimits) -> Self {
        Self {
            folder,
            random,
            monitor,
            limits,
            places: Places::new(folder, random, monitor),
            metadata: Metadata::new(folder, monitor),
            pending: Vec::new(),
            pending_bytes: 0,
            dir_attributes: BTreeMap::new(),
            left_alone: BTreeSet::new(),
            marker: None,
            parts: BTreeSet::new(),
        }
    }

    /// Has the next run of the same restore find what this one leaves: long files by their names, and at the `marker`, a file of the
    /// folder, when the last batch was put in place.
    pub fn go_on_later(&mut self, restore: RestoreId, marker: &RelPath) {
        self.places.restore = Some(restore);
        self.marker = Some(marker.clone());
        self.places.probe_case(marker, marker);
    }

    /// Removes what a dead run of the same restore left in a directory, but for long files.
    ///
    /// # Errors
    /// [`DiskError`] when the medium fails.
    pub fn clear(&self, dir: &RelPath) -> Result<(), DiskError> {
        let Some(restore) = self.places.restore else { return Ok(()) };
        let listing = match self.folder.list(dir) {
            Err(error) if ends_the_run(error.kind) => return Err(error),
            // What does not list is told of when something is written there.
            listing => listing.unwrap_or_default(),
        };
        for (name, stat) in listing.into_iter().filter(|(name, _)| is_written_by(name, restore)) {
            if let (true, Ok(path)) = (stat.is_ok_and(|stat| stat.kind != FileKind::Dir), dir.join(&name)) {
                self.folder.remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// Makes a directory and those above it; `attributes` are set by [`BatchWriter::finish`].
    ///
    /// Tells whether the directory stands; if not, the reason was reported.
    ///
    /// # Errors
    /// [`DiskError`] when the medium fails or is full.
    pub fn directory(&mut self, path: &RelPath, attributes: Attributes) -> Result<bool, DiskError> {
        let stands = self.places.ensure_dir(path)?;
        if stands {
            self.dir_attributes.insert(path.clone(), attributes);
        }
        Ok(stands)
    }

    /// Starts a file; directories above it are made. Nothing comes back when the file has no place here, which
    /// was reported.
    ///
    /// # Errors
    /// [`DiskError`] when the medium fails or is full.
    pub fn begin_file(&mut self, path: &RelPath) -> Result<Option<NewFile<'a>>, DiskError> {
        if !self.places.find(path)? {
            self.left_alone.insert(path.clone());
            return Ok(None);
        }
        let (folder, random, target) = (self.folder, self.random, path.clone());
        let (restore, state, unset) = (self.places.restore, FileState::Planned, Vec::new());
        let mut file = NewFile { folder, random, target, restore, part: None, state, bytes: 0, unset };
        if !self.places.knows_case() {
            file.writer()?;
            if let FileState::Open(temporary, _) = &file.state {
                self.places.probe_case(temporary, path);
            }
        }
        Ok(Some(file))
    }

    /// Starts a long file, as [`BatchWriter::begin_file`] does; what an earlier run left of it is in [`NewFile::left`].
    ///
    /// # Errors
    /// As [`BatchWriter::begin_file`].
    pub fn begin_long_file(&mut self, path: &RelPath) -> Result<Option<NewFile<'a>>, DiskError> {
        let Some(mut file) = self.begin_file(path)? else { return Ok(None) };
        let part = self.places.restore.and_then(|restore| part_beside(path, restore));
        let part = part.filter(|_| matches!(file.state, FileState::Planned));
        file.part = part.filter(|part| self.parts.insert(part.clone()));
        Ok(Some(file))
    }

    /// Ends a file, closing it where that was not done yet, and adds it to the batch, which is put in place when it is full.
    ///
    /// Tells whether the file has a place here; if not, that was reported.
    ///
    /// # Errors
    /// [`DiskError`]; the file's temporary name is then removed where the medium still works.
    pub fn finish_file(&mut self, mut file: NewFile<'a>, attributes: &Attributes) -> Result<bool, DiskError> {
        file.close(attributes)?;
        self.metadata.report_all(&file.target, &file.unset);
        self.pending_bytes += file.bytes;
        match std::mem::replace(&mut file.state, FileState::Taken) {
            FileState::Closed(temporary) => {
                let (target, is_part) = (file.target.clone(), file.part.as_ref() == Some(&temporary));
                self.pending.push(Pending { temporary, target, is_part });
            }
            FileState::Refused(why) => {
                self.left_alone.insert(file.target.clone());
                self.places.report(&file.target, why);
                return Ok(false);
            }
            _ => return Ok(false),
        }
        self.flush_if_full()?;
        Ok(true)
    }

    /// Sets attributes of what stands under a path.
    ///
    /// # Errors
    /// [`DiskError`] when the medium fails or is full; what cannot be set is reported.
    pub fn set_attributes(&mut self, path: &RelPath, attributes: &Attributes) -> Result<(), DiskError> {
        self.metadata.set(path, path, attributes)
    }

    /// Makes a symbolic link; its mode is not set. Tells whether it has a place here; if not, that was reported.
    ///
    /// # Errors
    /// [`DiskError`] when the medium fails or is full.
    pub fn symlink(&mut self, path: &RelPath, target: &[u8], attributes: &Attributes) -> Result<bool, DiskError> {
        let folder = self.folder;
        let made = self.make(path, |temporary| folder.create_symlink(temporary, target))?;
        self.add(made, Some(&Attributes { mode: None, ..attributes.clone() }))
    }

    /// Makes a pipe, socket or device. Tells whether it has a place here; if not, that was reported.
    ///
    /// # Errors
    /// [`DiskError`] when the medium fails or is full.
    pub fn special(
        &mut self,
        path: &RelPath,
        kind: FileKind,
        rdev: u64,
        attributes: &Attributes,
    ) -> Result<bool, DiskError> {
        let folder = self.folder;
        let made = self.make(path, |temporary| folder.create_special(temporary, kind, rdev))?;
        self.add(made, Some(attributes))
    }

    /// Gives a file that this writer has finished earlier one more name, `path`.
    ///
    /// Tells whether that could be done. If not, and unless `path` has no place here, which is reported, the
    /// caller writes the file once more under `path`.
    ///
    /// # Errors
    /// [`DiskError`] when the medium is gone or full.
    pub fn hard_link(&mut self, existing: &RelPath, path: &RelPath) -> Result<bool, DiskError> {
        // What stands there is not what this writer wrote.
        if self.left_alone.contains(existing) {
            return Ok(false);
        }
        let here = self.pending.iter().rev().find(|pending| pending.target == *existing);
        let source = here.map_or(existing, |pending| &pending.temporary).clone();
        let folder = self.folder;
        let made = self.make(path, |temporary| match folder.create_hard_link(&source, temporary) {
            Err(error) if error.kind == DiskErrorKind::Io => Ok(false),
            Err(error) if error.kind != DiskErrorKind::Exists && !ends_the_run(error.kind) => Ok(false),
            result => result.map(|()| true),
        })?;
        match made {
            Some((pending, true)) => self.add(Some((pending, ())), None),
            _ => Ok(false),
        }
    }

    /// Puts the batch in place: syncs, then renames each entry over its target.
    ///
    /// # Durability
    /// The renames are durable after the next batch or [`BatchWriter::finish`].
    ///
    /// # Errors
    /// [`DiskError`]; after a failed sync the batch is given up, since what it wrote may be lost unseen.
    pub fn flush(&mut self) -> Result<(), DiskError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.folder.sync_all() {
            self.abort();
            return Err(error);
        }
        self.pending_bytes = 0;
        let mut batch = std::mem::take(&mut self.pending).into_iter();
        while let Some(pending) = batch.next() {
            if let Err(error) = self.put_in_place(&pending) {
                self.pending.push(pending);
                self.pending.extend(batch);
                self.abort();
                return Err(error);
            }
        }
        if let Some(marker) = &self.marker {
            // Its own clock tells when; where it does not, the next run writes more than it had to.
            let _ = self.folder.set_attributes(marker, &Attributes { mode: Some(0o600), ..Attributes::default() });
        }
        Ok(())
    }

    /// Puts the last batch in place, sets the attributes of directories, and syncs.
    ///
    /// # Durability
    /// Everything that was written survives a cut.
    ///
    /// # Errors
    /// [`DiskError`]; what is in place stays.
    pub fn finish(mut self) -> Result<(), DiskError> {
        self.flush()?;
        let mut dirs: Vec<(RelPath, Attributes)> = std::mem::take(&mut self.dir_attributes).into_iter().collect();
        dirs.sort_by_key(|(path, _)| std::cmp::Reverse(path.depth()));
        for (path, attributes) in &dirs {
            self.metadata.set(path, path, attributes)?;
        }
        self.folder.sync_all()
    }

    /// Gives up what is not in place yet and removes its temporary names, but for parts; dropping the writer does the same.
    pub fn abort(&mut self) {
        self.pending_bytes = 0;
        for pending in self.pending.drain(..).filter(|pending| !pending.is_part) {
            // On a medium that is gone nothing more can be done; a scan leaves such names out.
            let _ = self.folder.remove_file(&pending.temporary);
        }
    }

    /// Makes an entry under a temporary name beside `path`, or reports why it has no place here.
    fn make<T>(
        &mut self,
        path: &RelPath,
        create: impl Fn(&RelPath) -> Result<T, DiskError>,
    ) -> Result<Option<(Pending, T)>, DiskError> {
        match self.places.make(path, create)? {
            Some((temporary, made)) => Ok(Some((Pending { temporary, target: path.clone(), is_part: false }, made))),
            None => {
                self.left_alone.insert(path.clone());
                Ok(None)
            }
        }
    }

    fn add(&mut self, made: Option<(Pending, ())>, attributes: Option<&Attributes>) -> Result<bool, DiskError> {
        let Some((pending, ())) = made else { return Ok(false) };
        let set = attributes.map(|attributes| self.metadata.set(&pending.temporary, &pending.target, attributes));
        // Added even when setting failed, so that giving up finds and removes it.
        self.pending.push(pending);
        if let Some(Err(error)) = set {
            self.abort();
            return Err(error);
        }
        self.flush_if_full()?;
        Ok(true)
    }

    fn flush_if_full(&mut self) -> Result<(), DiskError> {
        let full = self.pending.len() >= self.limits.files || self.pending_bytes >= self.limits.bytes;
        if full { self.flush() } else { Ok(()) }
    }

    fn put_in_place(&mut self, pending: &Pending) -> Result<(), DiskError> {
        match self.folder.rename(&pending.temporary, &pending.target) {
            Err(error) if !ends_the_run(error.kind) => {
                self.folder.remove_file(&pending.temporary)?;
                self.left_alone.insert(pending.target.clone());
                self.monitor.problem(Problem { subject: pending.target.to_string(), reason: reason(&error) });
                Ok(())
            }
            result => result,
        }
    }
}

impl Drop for BatchWriter<'_> {
    fn drop(&mut self) {
        self.abort();
    }
}

/// Returns whether a failure concerns the medium, not the one entry.
fn ends_the_run(kind: DiskErrorKind) -> bool {
    matches!(kind, DiskErrorKind::NoSpace | DiskErrorKind::Gone | DiskErrorKind::ReadOnly | DiskErrorKind::Io)
}

#[cfg(test)]
mod tests;
