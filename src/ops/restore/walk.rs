//! The walk over what is restored: each directory before what it holds, and its files in the order of the packs.

use super::{Source, Stop};
use crate::base::paths::PATH_MAX_DEPTH;
use crate::base::{PackHash, RelPath};
use crate::disk::folder::FileKind;
use crate::format::Pointer;
use crate::format::codec::Extensions;
use crate::format::tree::{Content, Entry, Meta, Node};
use crate::ops::restore::select::Selection;
use crate::store::StoreError;
use crate::store::reader::ObjectReader;
use crate::tree::cursor::Cursor;
use crate::tree::read::{Named, kind_of, too_many};

/// A directory on the way.
pub struct Dir<'d> {
    /// Its path below the target.
    pub path: &'d RelPath,
    /// Its mode, time and owner.
    pub meta: &'d Meta,
    /// Its extensions.
    pub extensions: &'d Extensions,
    /// Whether it is restored itself, and not only what lies below it.
    pub is_taken: bool,
}

/// Comes by every entry that is selected.
pub trait Visit {
    /// Enters a directory; tells whether to go on into it.
    ///
    /// # Errors
    /// What ends the walk.
    fn enter(&mut self, dir: &Dir<'_>) -> Result<bool, Stop>;

    /// Leaves the directory that was entered last.
    fn leave(&mut self);

    /// Comes by anything but a directory.
    ///
    /// # Errors
    /// What ends the walk.
    fn entry(&mut self, path: &RelPath, entry: &Entry) -> Result<(), Stop>;

    /// Hears of a directory that does not read.
    fn broken(&mut self, path: &RelPath, error: &StoreError);
}

/// Walks over a source.
///
/// # Errors
/// [`StoreError::Corrupt`] when there is more than the source may hold; those of the medium of the store, and whatever the
/// visitor returns.
pub fn walk(
    reader: &ObjectReader,
    source: &Source,
    selection: &Selection,
    visitor: &mut dyn Visit,
) -> Result<(), Stop> {
    let root = RelPath::root();
    let mut walk = Walk { reader, selection, visitor, left: source.entries_max };
    match (&source.named, source.dir()) {
        (_, Some(tree)) => {
            let is_taken = selection.takes_root();
            let dir = Dir { path: &root, meta: &source.meta, extensions: &source.extensions, is_taken };
            walk.dir(&dir, tree)
        }
        (Named::Entry(entry), None) => {
            let path = root.join(&entry.name).unwrap_or_default();
            match selection.takes(&path, false, selection.takes_root()) {
                Some(true) => walk.visitor.entry(&path, entry),
                _ => Ok(()),
            }
        }
        (Named::Root, None) => Ok(()),
    }
}

/// Returns the entries of a directory, and why it stops to read behind them if it does; counts them off from `left`.
///
/// # Errors
/// [`StoreError::Corrupt`] when there are more than are left; those of the medium of the store.
pub fn readable_entries(
    reader: &ObjectReader,
    tree: &Pointer,
    left: &mut u64,
) -> Result<(Vec<Entry>, Option<StoreError>), StoreError> {
    let (mut cursor, mut entries) = (Cursor::new(reader, tree), Vec::new());
    loop {
        match cursor.next_entry() {
            Ok(Some(entry)) => {
                *left = left.checked_sub(1).ok_or_else(too_many)?;
                entries.push(entry);
            }
            Ok(None) => return Ok((entries, None)),
            Err(error) if error.costs_one_entry() => return Ok((entries, Some(error))),
            Err(error) => return Err(error),
        }
    }
}

struct Walk<'a> {
    reader: &'a ObjectReader,
    selection: &'a Selection,
    visitor: &'a mut dyn Visit,
    /// How many entries it may still find.
    left: u64,
}

impl Walk<'_> {
    fn dir(&mut self, dir: &Dir<'_>, tree: &Pointer) -> Result<(), Stop> {
        if dir.path.depth() >= PATH_MAX_DEPTH {
            self.visitor.broken(dir.path, &StoreError::damaged("a directory that is nested too deep"));
            return Ok(());
        }
        if self.visitor.enter(dir)? {
            let (entries, damage) = readable_entries(self.reader, tree, &mut self.left).map_err(Stop::Store)?;
            if let Some(error) = damage {
                self.visitor.broken(dir.path, &error);
            }
            self.entries(dir, entries)?;
        }
        self.visitor.leave();
        Ok(())
    }

    fn entries(&mut self, dir: &Dir<'_>, entries: Vec<Entry>) -> Result<(), Stop> {
        let (dirs, mut others): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| kind_of(&entry.node) == FileKind::Dir);
        others.sort_by_cached_key(|entry| self.place_of(entry));
        for entry in &others {
            let Some(path) = self.below(dir, entry) else { continue };
            if self.selection.takes(&path, false, dir.is_taken) == Some(true) {
                self.visitor.entry(&path, entry)?;
            }
        }
        for entry in &dirs {
            let Some(path) = self.below(dir, entry) else { continue };
            let Node::Dir { tree } = &entry.node else { continue };
            if let Some(is_taken) = self.selection.takes(&path, true, dir.is_taken) {
                self.dir(&Dir { path: &path, meta: &entry.meta, extensions: &entry.extensions, is_taken }, tree)?;
            }
        }
        Ok(())
    }

    fn below(&mut self, dir: &Dir<'_>, entry: &Entry) -> Option<RelPath> {
        let path = dir.path.join(&entry.name);
        if path.is_err() {
            self.visitor.broken(dir.path, &StoreError::damaged("a path that is too long"));
        }
        path.ok()
    }

    /// Returns where an entry's content begins; what has none comes first.
    fn place_of(&self, entry: &Entry) -> Option<(PackHash, u64, u64)> {
        let Node::File { content, .. } = &entry.node else { return None };
        let (pointer, offset) = match content {
            Content::Inline(extents) => extents.first().map(|extent| (&extent.chunk, extent.offset))?,
            Content::List(pointer) => (pointer, 0),
        };
        let place = self.reader.index().find(&pointer.id, pointer.dedup_generation)?;
        Some((place.pack, place.offset, offset))
    }
}
