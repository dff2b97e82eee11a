//! Which files of a store nothing names: those under names that only this program makes, less all that some states lead to.
//!
//! Needs no secret. Whatever else stands in the directory is foreign and never looked at.

use std::collections::HashSet;

use super::error::StoreError;
use super::keys::read_key_list;
use super::layout;
use super::manifest::PackSet;
use crate::base::{Epoch, StoreId, StorePath};
use crate::disk::{Disk, DiskErrorKind, DiskFileKind, Metadata};

/// A file that stands in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Where.
    pub path: StorePath,
    /// Its length in bytes.
    pub len_bytes: u64,
}

/// What some states lead to.
#[derive(Debug, Default, Clone)]
pub struct Reached {
    files: HashSet<StorePath>,
    /// Epochs of which not every key list reads, so that any of their key files may be named.
    vague_epochs: HashSet<Epoch>,
    /// A state whose manifests do not read leads to files that nobody can tell.
    vague: bool,
}

impl Reached {
    /// Adds all that a state leads to: its manifests, packs, recipes, key lists, key files and carried files.
    pub fn add(&mut self, disk: &dyn Disk, store: StoreId, packs: &PackSet) {
        self.files.extend(packs.chain.iter().map(|(hash, _)| layout::manifest(hash)));
        self.files.extend(packs.packs().iter().map(|pack| layout::pack(&pack.hash)));
        self.files.extend(packs.recipes.iter().map(|recipe| layout::recipe(&recipe.recipe)));
        self.files.extend(packs.top.files.iter().map(|file| layout::carried_file(&file.hash)));
        for lists in &packs.top.key_lists {
            for (hash, len_bytes) in &lists.shards {
                self.files.insert(layout::key_list(hash));
                match read_key_list(disk, store, hash, *len_bytes) {
                    Ok(list) => {
                        let files = list.entries.iter().map(|entry| layout::key_file(lists.epoch, entry.tag));
                        self.files.extend(files);
                    }
                    Err(_) => _ = self.vague_epochs.insert(lists.epoch),
                }
            }
        }
    }

    /// Adds one file.
    pub fn add_file(&mut self, path: StorePath) {
        self.files.insert(path);
    }

    /// Notes that a state counts whose manifests do not read: no file of a pack or beside the manifests can be told to be
    /// garbage.
    pub fn add_unknown(&mut self) {
        self.vague = true;
    }

    /// Returns whether a state counts whose manifests do not read.
    #[must_use]
    pub fn has_unknown(&self) -> bool {
        self.vague
    }

    /// Returns whether a standing file is led to, or may be.
    #[must_use]
    pub fn contains(&self, path: &StorePath) -> bool {
        let dir = path.parent();
        let epoch = (dir.parent() == layout::keys_dir()).then(|| layout::key_dir_epoch(dir.file_name())).flatten();
        match epoch {
            Some(epoch) => self.vague_epochs.contains(&epoch) || self.files.contains(path),
            None => self.vague || self.files.contains(path),
        }
    }
}

/// Lists packs, files beside the manifests and key files that stand, by directory and name. Costs a listing of each of the 256
/// directories of packs.
///
/// # Errors
/// Those of the disk; a directory that is missing holds nothing.
pub fn list_standing(disk: &dyn Disk) -> Result<Vec<Standing>, StoreError> {
    let mut standing = Vec::new();
    list_files(disk, &layout::manifests(), layout::is_hash_name, &mut standing)?;
    for first_byte in 0..=255 {
        list_files(disk, &layout::pack_dir(first_byte), layout::is_hash_name, &mut standing)?;
    }
    for (name, metadata) in list(disk, &layout::keys_dir())? {
        if let Some(epoch) = layout::key_dir_epoch(&name).filter(|_| metadata.kind == DiskFileKind::Dir) {
            list_files(disk, &layout::key_dir(epoch), layout::is_key_file_name, &mut standing)?;
        }
    }
    Ok(standing)
}

fn list_files(
    disk: &dyn Disk,
    dir: &StorePath,
    is_ours: fn(&str) -> bool,
    standing: &mut Vec<Standing>,
) -> Result<(), StoreError> {
    for (name, metadata) in list(disk, dir)? {
        if let Some(path) = layout::listed(dir, &name)
            && metadata.kind == DiskFileKind::File
            && is_ours(&name)
        {
            standing.push(Standing { path, len_bytes: metadata.len_bytes });
        }
    }
    Ok(())
}

fn list(disk: &dyn Disk, dir: &StorePath) -> Result<Vec<(String, Metadata)>, StoreError> {
    match disk.list(dir) {
        Err(error) if error.kind == DiskErrorKind::NotFound => Ok(Vec::new()),
        listed => Ok(listed?),
    }
}

#[cfg(test)]
mod tests;
