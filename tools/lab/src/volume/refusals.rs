//! [`Volume::refusals`]: the files and directories at which Linux stops writing to a file system.
//!
//! Both drivers remount a file system read-only (`errors=remount-ro`, their default) once they meet a chain of clusters
//! that cannot be: no program can write there any more, until somebody repairs it. A cut leaves such chains where an
//! entry of a directory reached the device and the table of links did not. Behaviour: Linux 6.1, calls of
//! `fat_fs_error` in `fs/fat/inode.c` (`fat_fill_inode`, `__fat_get_block`), `cache.c` (`fat_get_cluster`, `fat_bmap`),
//! `fatent.c` (`fat_ent_read`, `fat_free_clusters`), `file.c` (`fat_free`) and `misc.c` (`fat_chain_add`); and of
//! `exfat_fs_error` in `fs/exfat/fatent.c` (`exfat_ent_get`), `cache.c` and `dir.c`.
//!
//! Limits: the numbers of free clusters, the bitmap of exFAT and files outside of the path are not looked at.

use std::collections::HashSet;

use super::directory::Node;
use super::heap::{Chain, Damage};
use super::{NodeKind, Volume, VolumeError, VolumeKind, join};

/// Most names that are looked at.
const NAMES_MAX: usize = 100_000;
/// Most directories in each other.
const DEPTH_MAX: usize = 64;

/// What a program does when Linux stops writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// It looks up a name, as every use of it begins.
    LookUp,
    /// It reads a file to its end.
    Read,
    /// It removes a file or directory, or truncates a file to nothing.
    Remove,
    /// It writes at the end of a file that was not truncated since the mount.
    Append,
}

/// A file or directory at which Linux stops writing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The path in the volume.
    pub path: String,
    /// What stands there.
    pub kind: NodeKind,
    /// The first act that Linux refuses; those after it in [`Act`]'s order are refused, too.
    pub act: Act,
    /// Why.
    pub why: &'static str,
}

/// A walk that is under way.
struct Walk<'a> {
    volume: &'a Volume,
    refusals: Vec<Refusal>,
    names: usize,
    depth: usize,
    /// Clusters of the files and directories that were visited.
    taken: HashSet<u32>,
}

impl Volume {
    /// Returns where Linux stops writing when the files and directories from a path down are used; nothing where
    /// nothing stands there. No data are read.
    #[must_use]
    pub fn refusals(&self, path: &str) -> Vec<Refusal> {
        let mut walk = Walk { volume: self, refusals: Vec::new(), names: 0, depth: 0, taken: HashSet::new() };
        match self.find(path) {
            Ok(node) => walk.visit(path, &node),
            Err(VolumeError::Damaged { path, why }) => walk.refuse(&path, NodeKind::Dir, Act::LookUp, why),
            Err(_) => {}
        }
        walk.refusals
    }
}

impl Walk<'_> {
    fn refuse(&mut self, path: &str, kind: NodeKind, act: Act, why: &'static str) {
        self.refusals.push(Refusal { path: path.to_owned(), kind, act, why });
    }

    /// Looks at what a path led to, and at everything in it.
    fn visit(&mut self, path: &str, node: &Node) {
        let chain = self.volume.system.heap().chain(node, if node.contiguous { 0 } else { u64::MAX });
        let refused = match node.kind {
            NodeKind::Dir => None,
            NodeKind::File => self.refused(node, &chain),
        };
        let is_shared = !self.take(&chain) && self.volume.kind() == VolumeKind::Fat32;
        // What frees a cluster a second time meets a free one.
        let shared = is_shared.then_some((Act::Remove, "its chain shares a cluster with another file or directory"));
        if let Some((act, why)) = refused.filter(|(act, _)| *act <= Act::Remove).or(shared).or(refused) {
            self.refuse(path, node.kind, act, why);
        }
        if node.kind == NodeKind::Dir && !is_shared {
            self.visit_dir(path, node);
        }
    }

    /// Looks at everything in a directory.
    fn visit_dir(&mut self, path: &str, node: &Node) {
        let directory = match self.volume.directory(node) {
            Ok(directory) => directory,
            Err(Damage(why)) => return self.refuse(path, NodeKind::Dir, Act::LookUp, why),
        };
        if let Some(Damage(why)) = directory.listing_damage {
            self.refuse(path, NodeKind::Dir, Act::LookUp, why);
        }
        if self.depth == DEPTH_MAX {
            return;
        }
        self.depth += 1;
        for name in &directory.listed {
            self.names += 1;
            if self.names > NAMES_MAX {
                break;
            }
            let path = join(path, name);
            match self.volume.child(&directory, &path, name) {
                Ok(node) => self.visit(&path, &node),
                Err(VolumeError::Damaged { why, .. }) => self.refuse(&path, NodeKind::Dir, Act::LookUp, why),
                // A name that is listed and not found leads to nothing.
                Err(_) => {}
            }
        }
        self.depth -= 1;
    }

    /// Notes the clusters of a chain; returns whether all were new.
    fn take(&mut self, chain: &Chain) -> bool {
        let mut is_new = true;
        for run in &chain.runs {
            for cluster in run.first..run.first + run.count {
                is_new &= self.taken.insert(cluster);
            }
        }
        is_new
    }

    /// Returns at which act on a file Linux stops writing.
    fn refused(&self, file: &Node, chain: &Chain) -> Option<(Act, &'static str)> {
        let heap = self.volume.system.heap();
        let wanted = file.len_bytes.div_ceil(heap.cluster_bytes);
        match (self.volume.kind(), file.first) {
            _ if file.contiguous => None,
            (VolumeKind::Fat32, None) => {
                (wanted > 0).then_some((Act::Append, "its entry gives a length and no first cluster"))
            }
            // Since Linux 5.19 a first cluster that the volume does not have makes the file an empty one.
            (VolumeKind::ExFat, None) => None,
            (VolumeKind::ExFat, Some(first)) if !heap.holds(first) => None,
            (kind, Some(_)) => match chain.damage {
                Some(Damage(why)) => Some((if wanted > chain.clusters { Act::Read } else { Act::Remove }, why)),
                // There exFAT reads zeros, and appends where the chain ends.
                None if kind == VolumeKind::ExFat => None,
                None if wanted > chain.clusters => Some((Act::Read, "its chain ends before the file does")),
                None if wanted < chain.clusters => Some((Act::Append, "its chain is longer than its length")),
                None => None,
            },
        }
    }
}
