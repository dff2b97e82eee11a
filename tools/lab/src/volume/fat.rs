//! [`Fat`]: FAT32 with long names, as Linux's `vfat` reads it.
//!
//! Layout: Microsoft, "FAT32 File System Specification" (fatgen103). Behaviour: Linux 6.1, `fs/fat/inode.c` (what is
//! mounted, which directory is refused), `fs/fat/cache.c` and `fatent.c` (chains), `fs/fat/dir.c` (names).

use std::sync::Arc;

use super::directory::{Directory, Node};
use super::heap::{Damage, Heap, Link, u16_at, u32_at};
use super::{FileSystem, NodeKind, VolumeKind};
use crate::image::Image;
use names::Record;

mod names;
#[cfg(test)]
pub(super) use names::checksum_of;

/// Marks an entry as a directory.
const ATTRIBUTE_DIR: u8 = 0x10;
/// Marks an entry as the volume's label; with all bits below it, as a slot of a long name.
const ATTRIBUTE_VOLUME: u8 = 0x08;
/// First byte of an entry that was deleted.
const DELETED: u8 = 0xE5;
/// Entries of the table that say something: the rest are reserved.
const ENTRY_MASK: u32 = 0x0FFF_FFFF;
/// The mark of a bad cluster; Linux takes it and all above for the end of a chain.
const BAD_CLUSTER: u32 = 0x0FFF_FFF7;

/// A FAT32 file system.
pub(super) struct Fat {
    heap: Arc<Heap>,
    root: u32,
}

impl Fat {
    /// Reads the boot sector, under the rules by which Linux mounts.
    pub(super) fn mount(image: Arc<Image>, boot: &[u8; 512]) -> Result<Self, Damage> {
        let sector_bytes = u64::from(u16_at(boot, 11));
        let cluster_sectors = u64::from(boot[13]);
        let reserved = u64::from(u16_at(boot, 14));
        let tables = u64::from(boot[16]);
        let table_sectors = u64::from(u32_at(boot, 36));
        if !sector_bytes.is_power_of_two() || !(512..=4096).contains(&sector_bytes) {
            return Err(Damage("its sector size is none"));
        }
        if !cluster_sectors.is_power_of_two() || reserved == 0 || tables == 0 {
            return Err(Damage("its cluster size or its number of tables is none"));
        }
        if !matches!(boot[21], 0xF0 | 0xF8..) {
            return Err(Damage("its medium is of no known type"));
        }
        if u16_at(boot, 22) != 0 || table_sectors == 0 {
            return Err(Damage("it is not a FAT with 32 bits"));
        }
        let root_entries = u64::from(u16_at(boot, 17));
        if !root_entries.is_multiple_of(sector_bytes / 32) {
            return Err(Damage("its number of root entries is none"));
        }
        let data_sector = reserved + tables * table_sectors + root_entries / (sector_bytes / 32);
        let sectors = Some(u64::from(u16_at(boot, 19))).filter(|few| *few != 0).unwrap_or(u64::from(u32_at(boot, 32)));
        let clusters = sectors.saturating_sub(data_sector) / cluster_sectors;
        let clusters = clusters.min((table_sectors * sector_bytes / 4).saturating_sub(2));
        let end = u32::try_from(clusters + 2).ok().filter(|end| *end <= BAD_CLUSTER);
        let heap = Heap {
            image,
            table_offset: reserved * sector_bytes,
            offset: data_sector * sector_bytes,
            cluster_bytes: cluster_sectors * sector_bytes,
            end: end.ok_or(Damage("it has more clusters than can be"))?,
            decode,
        };
        Ok(Self { heap: Arc::new(heap), root: u32_at(boot, 44) })
    }

    /// Returns what a record's entry says of its file.
    fn node(record: &Record<'_>) -> Node {
        let entry = record.entry;
        let kind = if entry[11] & ATTRIBUTE_DIR == 0 { NodeKind::File } else { NodeKind::Dir };
        let first = u32::from(u16_at(entry, 20)) << 16 | u32::from(u16_at(entry, 26));
        let len_bytes = if kind == NodeKind::File { u64::from(u32_at(entry, 28)) } else { 0 };
        Node {
            kind,
            first: Some(first).filter(|first| *first != 0),
            contiguous: false,
            len_bytes,
            valid_bytes: len_bytes,
        }
    }

    /// Refuses a directory that Linux refuses: one must hold the two directories `.` and `..`, or any two.
    fn check(&self, node: &Node, bytes: &[u8]) -> Result<(), Damage> {
        if node.first == Some(self.root) {
            return Err(Damage("this directory claims the root's cluster"));
        }
        let is_dir = |entry: &&[u8]| {
            !matches!(entry[0], 0 | DELETED) && entry[11] & ATTRIBUTE_VOLUME == 0 && entry[11] & ATTRIBUTE_DIR != 0
        };
        if bytes.chunks_exact(32).filter(is_dir).take(2).count() < 2 {
            return Err(Damage("this directory lacks its own entries"));
        }
        Ok(())
    }
}

/// Reads an entry of the table.
fn decode(entry: u32) -> Link {
    match entry & ENTRY_MASK {
        0 => Link::Broken(Damage("its chain leads through a free cluster")),
        BAD_CLUSTER.. => Link::End,
        next => Link::Next(next),
    }
}

impl FileSystem for Fat {
    fn kind(&self) -> VolumeKind {
        VolumeKind::Fat32
    }

    fn heap(&self) -> &Arc<Heap> {
        &self.heap
    }

    fn root(&self) -> Node {
        Node { kind: NodeKind::Dir, first: Some(self.root), contiguous: false, len_bytes: u64::MAX, valid_bytes: 0 }
    }

    fn read_directory(&self, node: &Node) -> Result<Directory, Damage> {
        let chain = self.heap.chain(node, u64::MAX);
        if let Some(damage) = chain.damage {
            return Err(damage);
        }
        let bytes = self.heap.read_chain(&chain, u64::MAX)?;
        if *node != self.root() {
            self.check(node, &bytes)?;
        }
        let mut directory = Directory::default();
        names::for_each_record(&bytes, |record| {
            let node = Self::node(&record);
            directory.offer(self.fold(&record.short), node);
            if let Some(long) = &record.long {
                directory.offer(self.fold(long), node);
            }
            if !record.is_dots() {
                directory.show(record.long.unwrap_or(record.short));
            }
        });
        Ok(directory)
    }

    fn fold(&self, name: &str) -> String {
        name.to_ascii_lowercase()
    }
}
