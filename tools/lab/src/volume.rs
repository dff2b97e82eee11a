//! [`Volume`]: the files of a FAT32 or exFAT file system in an [`Image`], as the Linux drivers show them.
//!
//! A device after a power cut holds what no driver ever wrote in one piece: chains that end early, names without
//! their files, directories that were never filled. What a program sees there is decided by the driver, so the
//! readers here follow the drivers `vfat` and `exfat` of Linux 6.1 in what they accept, ignore and refuse. Every
//! number in an image is hostile: chains are bounded by the volume, walks by their own limits.
//!
//! Limits: a file system is read, never written; other kinds of FAT are refused. A directory that lies in itself is
//! followed by a path but not by [`Volume::walk`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::image::Image;
use directory::{Directory, Node};
use heap::{Damage, Heap};

mod directory;
mod exfat;
mod fat;
mod file;
mod heap;
mod walk;

pub use file::VolumeFile;
pub use walk::{Walked, WalkedKind};

/// Most directories whose content is kept.
const KEPT_DIRECTORIES_MAX: usize = 4096;

/// Reports what a volume does not give.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VolumeError {
    /// The driver would refuse to mount it.
    #[error("this is no FAT32 or exFAT file system that can be mounted: {why}")]
    NotMountable {
        /// What is wrong with it.
        why: &'static str,
    },
    /// Nothing stands there.
    #[error("nothing stands at `{path}`")]
    NotFound {
        /// The path in the volume.
        path: String,
    },
    /// A directory was asked for and a file stands there, or the other way round.
    #[error("`{path}` is not of the type asked for")]
    WrongType {
        /// The path in the volume.
        path: String,
    },
    /// The file system is damaged there; Linux says EIO.
    #[error("cannot read `{path}`: {why}")]
    Damaged {
        /// The path in the volume.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// The kind of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VolumeKind {
    /// FAT with 32 bits and long names.
    Fat32,
    /// exFAT.
    ExFat,
}

/// The type of what stands under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NodeKind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
}

/// Type and length of what stands under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// Type.
    pub kind: NodeKind,
    /// Length in bytes of a file, else 0.
    pub len_bytes: u64,
}

/// One name of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name as the driver shows it.
    pub name: String,
    /// What asking for the name gives: it may be shown and yet not be found, or be damaged.
    pub metadata: Result<Metadata, VolumeError>,
}

/// What the two kinds of file system differ in.
trait FileSystem: Send + Sync {
    /// Returns the kind.
    fn kind(&self) -> VolumeKind;
    /// Returns the clusters.
    fn heap(&self) -> &Arc<Heap>;
    /// Returns the root directory.
    fn root(&self) -> Node;
    /// Reads a directory; fails where asking for the directory itself fails.
    fn read_directory(&self, node: &Node) -> Result<Directory, Damage>;
    /// Returns the form of a name under which [`Directory`] finds it.
    fn fold(&self, name: &str) -> String;
}

/// A file system in an image.
pub struct Volume {
    system: Box<dyn FileSystem>,
    kept: Mutex<HashMap<Node, Result<Arc<Directory>, Damage>>>,
}

impl Volume {
    /// Opens the file system that begins at the image's first byte.
    ///
    /// # Errors
    /// [`VolumeError::NotMountable`].
    pub fn open(image: Arc<Image>) -> Result<Self, VolumeError> {
        let mut boot = [0; 512];
        if image.read_at(0, &mut boot) < boot.len() {
            return Err(VolumeError::NotMountable { why: "the device is shorter than a boot sector" });
        }
        let not_mountable = |damage: Damage| VolumeError::NotMountable { why: damage.0 };
        let system: Box<dyn FileSystem> = if exfat::claims(&boot) {
            Box::new(exfat::ExFat::mount(image, &boot).map_err(not_mountable)?)
        } else {
            Box::new(fat::Fat::mount(image, &boot).map_err(not_mountable)?)
        };
        let volume = Self { system, kept: Mutex::default() };
        volume.directory(&volume.system.root()).map_err(not_mountable)?;
        Ok(volume)
    }

    /// Returns the kind of file system.
    #[must_use]
    pub fn kind(&self) -> VolumeKind {
        self.system.kind()
    }

    /// Returns the bytes of all clusters that lie on the device: no file holds more that was ever written.
    #[must_use]
    pub fn capacity_bytes(&self) -> u64 {
        let heap = self.system.heap();
        (heap.clusters() * heap.cluster_bytes).min(heap.image.len_bytes())
    }

    /// Returns type and length of what stands at a path; parts are joined by `/`, the root is empty.
    ///
    /// # Errors
    /// [`VolumeError`].
    pub fn metadata(&self, path: &str) -> Result<Metadata, VolumeError> {
        Ok(metadata_of(&self.find(path)?))
    }

    /// Lists a directory in the order in which the driver shows it, without `.` and `..`.
    ///
    /// # Errors
    /// [`VolumeError`]; also when only a part of the directory can be read.
    pub fn list(&self, path: &str) -> Result<Vec<Entry>, VolumeError> {
        let directory = self.directory_at(path)?;
        if let Some(damage) = directory.listing_damage {
            return Err(damage.at(path));
        }
        let entry = |name: &String| {
            let path = join(path, name);
            Entry { name: name.clone(), metadata: self.child(&directory, &path, name).map(|node| metadata_of(&node)) }
        };
        Ok(directory.listed.iter().map(entry).collect())
    }

    /// Opens a file.
    ///
    /// # Errors
    /// [`VolumeError`]; bytes that cannot be read are found by reading.
    pub fn open_file(&self, path: &str) -> Result<VolumeFile, VolumeError> {
        let node = self.find(path)?;
        match node.kind {
            NodeKind::File => Ok(VolumeFile::new(self.system.heap(), &node, path)),
            NodeKind::Dir => Err(VolumeError::WrongType { path: path.to_owned() }),
        }
    }

    /// Follows a path from the root.
    fn find(&self, path: &str) -> Result<Node, VolumeError> {
        let mut node = self.system.root();
        for (end, part) in parts(path) {
            let directory = self.directory_of(&node, &path[..end])?;
            node = self.child(&directory, &path[..end], part)?;
        }
        Ok(node)
    }

    /// Returns the content of the directory at a path.
    fn directory_at(&self, path: &str) -> Result<Arc<Directory>, VolumeError> {
        self.directory_of(&self.find(path)?, path)
    }

    /// Returns the content of a directory that a path led to.
    fn directory_of(&self, node: &Node, path: &str) -> Result<Arc<Directory>, VolumeError> {
        match node.kind {
            NodeKind::Dir => self.directory(node).map_err(|damage| damage.at(path)),
            NodeKind::File => Err(VolumeError::WrongType { path: path.to_owned() }),
        }
    }

    /// Looks a name up in a directory; a directory it names must be readable, as the drivers read it at once.
    fn child(&self, directory: &Directory, path: &str, name: &str) -> Result<Node, VolumeError> {
        // Both drivers leave out dots at the end of a name that is looked up.
        let Some(node) = directory.found.get(&self.system.fold(name.trim_end_matches('.'))) else {
            return Err(VolumeError::NotFound { path: path.to_owned() });
        };
        if node.kind == NodeKind::Dir {
            self.directory_of(node, path)?;
        }
        Ok(*node)
    }

    /// Returns the content of a directory, from memory where it was read before.
    fn directory(&self, node: &Node) -> Result<Arc<Directory>, Damage> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.get(node) {
            return known.clone();
        }
        let directory = self.system.read_directory(node).map(Arc::new);
        if kept.len() < KEPT_DIRECTORIES_MAX {
            kept.insert(*node, directory.clone());
        }
        directory
    }
}

/// Returns what a node shows of itself.
fn metadata_of(node: &Node) -> Metadata {
    let len_bytes = if node.kind == NodeKind::File { node.len_bytes } else { 0 };
    Metadata { kind: node.kind, len_bytes }
}

/// Walks over the parts of a path, with the end of each in it.
fn parts(path: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut end = 0;
    let ends = path.split('/').map(move |part| {
        end += part.len() + 1;
        (end - 1, part)
    });
    ends.filter(|(_, part)| !part.is_empty())
}

/// Joins a directory's path and a name.
fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") }
}

#[cfg(test)]
mod tests;
