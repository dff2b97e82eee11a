//! [`Volume::walk`]: everything in a volume, for comparing with what a kernel shows of it.

use sha2::{Digest, Sha256};

use super::directory::Node;
use super::heap::Damage;
use super::{NodeKind, Volume, VolumeError, VolumeFile, join};

/// Most names that are walked over.
const NAMES_MAX: usize = 100_000;
/// Most directories in each other.
const DEPTH_MAX: usize = 64;
/// Files are hashed until so many times the volume's bytes were read.
const VOLUMES_READ_MAX: u64 = 4;
/// Bytes read at once.
const PIECE_BYTES: usize = 64 * 1024;

/// One path of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walked {
    /// The path, parts joined by `/`; the root is empty.
    pub path: String,
    /// What stands there, or why that cannot be said.
    pub kind: Result<WalkedKind, VolumeError>,
}

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WalkedKind {
    /// A directory; when its listing failed, its names are missing and the error stands in its place.
    Dir,
    /// A file that was read whole.
    File {
        /// Length in bytes.
        len_bytes: u64,
        /// Hash of the content, in hexadecimal.
        sha256: String,
    },
}

/// A walk that is under way.
struct Walk<'a> {
    volume: &'a Volume,
    walked: Vec<Walked>,
    /// The directories that the walk is in.
    above: Vec<Node>,
    budget_bytes: u64,
}

impl Volume {
    /// Walks over everything, depth first, names in the driver's order; contents are hashed.
    #[must_use]
    pub fn walk(&self) -> Vec<Walked> {
        let budget_bytes = self.capacity_bytes().saturating_mul(VOLUMES_READ_MAX);
        let mut walk = Walk { volume: self, walked: Vec::new(), above: Vec::new(), budget_bytes };
        walk.visit_dir("", &self.system.root());
        walk.walked
    }
}

impl Walk<'_> {
    /// Walks over a directory.
    fn visit_dir(&mut self, path: &str, node: &Node) {
        let number = self.walked.len();
        self.walked.push(Walked { path: path.to_owned(), kind: Ok(WalkedKind::Dir) });
        let looped = self.above.iter().any(|above| above.first == node.first);
        let listed = match self.volume.directory_of(node, path) {
            _ if looped || self.above.len() == DEPTH_MAX => Err(Damage("this directory lies in itself").at(path)),
            Ok(directory) => {
                self.above.push(*node);
                for name in &directory.listed {
                    self.visit(&directory, &join(path, name), name);
                }
                self.above.pop();
                directory.listing_damage.map_or(Ok(()), |damage| Err(damage.at(path)))
            }
            Err(error) => Err(error),
        };
        if let Err(error) = listed {
            self.walked[number].kind = Err(error);
        }
    }

    /// Walks over one name of a directory.
    fn visit(&mut self, directory: &super::Directory, path: &str, name: &str) {
        if self.walked.len() >= NAMES_MAX {
            return;
        }
        let kind = match self.volume.child(directory, path, name) {
            Ok(node) if node.kind == NodeKind::Dir => return self.visit_dir(path, &node),
            Ok(node) => self.hash(&VolumeFile::new(self.volume.system.heap(), &node, path), path),
            Err(error) => Err(error),
        };
        self.walked.push(Walked { path: path.to_owned(), kind });
    }

    /// Reads a file whole.
    fn hash(&mut self, file: &VolumeFile, path: &str) -> Result<WalkedKind, VolumeError> {
        let len_bytes = file.len_bytes();
        if file.readable_bytes() == len_bytes {
            let enough = self.budget_bytes.checked_sub(len_bytes);
            self.budget_bytes = enough.ok_or_else(|| Damage("the walk has read enough of this volume").at(path))?;
        }
        let mut hash = Sha256::new();
        let mut piece = vec![0; PIECE_BYTES];
        let mut offset = 0;
        loop {
            match file.read_at(offset, &mut piece)? {
                0 => break,
                count => {
                    hash.update(&piece[..count]);
                    offset += count as u64;
                }
            }
        }
        let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(WalkedKind::File { len_bytes, sha256 })
    }
}
