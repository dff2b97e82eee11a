//! [`SeveralFolders`]: folders side by side, each under a name of its own, read as if they lay in one.
//!
//! The root that holds them stands on no disk: it has the mode and owner of the first and the time of the one that
//! changed last. Limits: for reading alone; every call that writes is refused.

use std::collections::BTreeMap;

use crate::base::{EntryName, RelPath};
use crate::disk::folder::{Attributes, ExtendedAttribute, FileKind, Folder, FolderFile, FolderWriter, Listing, Stat};
use crate::disk::{DiskError, DiskErrorKind, Lock};

/// Folders by the names that they have here.
pub struct SeveralFolders<F> {
    folders: BTreeMap<EntryName, F>,
}

impl<F: Folder> SeveralFolders<F> {
    /// Puts folders side by side.
    #[must_use]
    pub fn new(folders: BTreeMap<EntryName, F>) -> Self {
        Self { folders }
    }

    /// Returns which folder a path leads into, and the path there; nothing for the root and names that no folder has.
    fn find(&self, path: &RelPath) -> Option<(&F, RelPath)> {
        let mut names = path.names();
        let folder = self.folders.get(&names.next()?)?;
        let below = names.try_fold(RelPath::root(), |below, name| below.join(&name)).ok()?;
        Some((folder, below))
    }

    fn require(&self, act: &'static str, path: &RelPath) -> Result<(&F, RelPath), DiskError> {
        let (kind, why) = match path.is_root() {
            true => (DiskErrorKind::WrongType, "the folders side by side"),
            false => (DiskErrorKind::NotFound, "no folder of that name"),
        };
        self.find(path).ok_or_else(|| DiskError::of(kind, act, path, why))
    }

    /// Returns the state of the root: it is another one as soon as one of the folders is, and gone with any of them.
    fn root(&self) -> Result<Option<Stat>, DiskError> {
        let mut root: Option<Stat> = None;
        for folder in self.folders.values() {
            let Some(one) = folder.stat(&RelPath::root())? else { return Ok(None) };
            if one.kind != FileKind::Dir {
                return Ok(None);
            }
            let first = root.unwrap_or(Stat { device: 0, inode: 0, ..one });
            root = Some(Stat {
                mtime: first.mtime.max(one.mtime),
                ctime: first.ctime.max(one.ctime),
                device: mixed(first.device, one.device),
                inode: mixed(first.inode, one.inode),
                links: first.links.min(one.links),
                birth: None,
                ..first
            });
        }
        Ok(root)
    }
}

/// Mixes one more number into a sum, so that any other number makes another sum.
fn mixed(sum: u64, number: u64) -> u64 {
    sum.rotate_left(17).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number
}

fn read_only<T>(act: &'static str, path: &RelPath) -> Result<T, DiskError> {
    Err(DiskError::of(DiskErrorKind::ReadOnly, act, path, "several folders are read together and not written"))
}

impl<F: Folder> Folder for SeveralFolders<F> {
    fn stat(&self, path: &RelPath) -> Result<Option<Stat>, DiskError> {
        if path.is_root() {
            return self.root();
        }
        self.find(path).map_or(Ok(None), |(folder, below)| folder.stat(&below))
    }

    fn list(&self, dir: &RelPath) -> Result<Listing, DiskError> {
        if !dir.is_root() {
            let (folder, below) = self.require("list", dir)?;
            return folder.list(&below);
        }
        let stat = |name: &EntryName, folder: &F| {
            let gone = || DiskError::of(DiskErrorKind::NotFound, "look at", name, "the folder is gone");
            folder.stat(&RelPath::root()).and_then(|stat| stat.ok_or_else(gone))
        };
        Ok(self.folders.iter().map(|(name, folder)| (name.clone(), stat(name, folder))).collect())
    }

    fn open(&self, path: &RelPath) -> Result<Box<dyn FolderFile>, DiskError> {
        let (folder, below) = self.require("open", path)?;
        folder.open(&below)
    }

    fn read_link(&self, path: &RelPath) -> Result<Vec<u8>, DiskError> {
        let (folder, below) = self.require("read the link", path)?;
        folder.read_link(&below)
    }

    fn extended_attributes(&self, path: &RelPath) -> Result<Vec<ExtendedAttribute>, DiskError> {
        self.find(path).map_or(Ok(Vec::new()), |(folder, below)| folder.extended_attributes(&below))
    }

    fn create_dir(&self, path: &RelPath) -> Result<(), DiskError> {
        read_only("create", path)
    }

    fn create_file(&self, path: &RelPath) -> Result<Box<dyn FolderWriter>, DiskError> {
        read_only("create", path)
    }

    fn append_after(&self, path: &RelPath, _: u64) -> Result<Box<dyn FolderWriter>, DiskError> {
        read_only("write", path)
    }

    fn lock(&self, path: &RelPath) -> Result<Option<Box<dyn Lock>>, DiskError> {
        read_only("lock", path)
    }

    fn create_symlink(&self, path: &RelPath, _: &[u8]) -> Result<(), DiskError> {
        read_only("create", path)
    }

    fn create_special(&self, path: &RelPath, _: FileKind, _: u64) -> Result<(), DiskError> {
        read_only("create", path)
    }

    fn create_hard_link(&self, _: &RelPath, path: &RelPath) -> Result<(), DiskError> {
        read_only("link", path)
    }

    fn set_attributes(&self, path: &RelPath, _: &Attributes) -> Result<(), DiskError> {
        read_only("set attributes of", path)
    }

    fn rename(&self, _: &RelPath, to: &RelPath) -> Result<(), DiskError> {
        read_only("rename", to)
    }

    fn remove_file(&self, path: &RelPath) -> Result<(), DiskError> {
        read_only("remove", path)
    }

    fn remove_dir(&self, path: &RelPath) -> Result<(), DiskError> {
        read_only("remove", path)
    }

    fn sync_all(&self) -> Result<(), DiskError> {
        Ok(())
    }

    fn owner_names(&self, uid: u32, gid: u32) -> (Option<String>, Option<String>) {
        self.folders.values().next().map_or((None, None), |folder| folder.owner_names(uid, gid))
    }

    fn is_gone(&self) -> bool {
        self.folders.values().any(Folder::is_gone)
    }
}

#[cfg(test)]
mod tests;
