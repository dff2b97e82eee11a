//! [`ExFat`]: exFAT, as Linux's `exfat` reads it.
//!
//! Layout: Microsoft, "exFAT file system specification". Behaviour: Linux 6.1, `fs/exfat/super.c` (what is mounted),
//! `fatent.c` and `inode.c` (chains), `dir.c` (sets of entries). The check sum of a set is not looked at, as there.
//! One thing is as the specification and Linux from 6.8 on have it: bytes past the valid length are zeros, where
//! Linux 6.1 ends the file. Linux writes both lengths as one.

use std::sync::Arc;

use super::directory::{Directory, Node};
use super::heap::{Damage, Heap, Link, u16_at, u32_at, u64_at};
use super::{FileSystem, NodeKind, VolumeKind};
use crate::image::Image;

mod sets;
#[cfg(test)]
pub(super) use sets::hash_of;

/// The name of the file system in its boot sector.
const NAME: &[u8] = b"EXFAT   ";
/// The mark of a bad cluster; above it are only marks of a chain's end.
const BAD_CLUSTER: u32 = 0xFFFF_FFF7;
/// Bytes of an entry.
const ENTRY_BYTES: usize = 32;
/// Type of an entry that was never used, which ends a directory.
const UNUSED: u8 = 0;
/// Type of the entry of the allocation bitmap.
const BITMAP: u8 = 0x81;
/// Most bytes of a directory, by specification.
const DIRECTORY_MAX_BYTES: u64 = 256 << 20;

/// An exFAT file system.
pub(super) struct ExFat {
    heap: Arc<Heap>,
    root: u32,
}

/// Returns whether a boot sector says that it is one of exFAT.
pub(super) fn claims(boot: &[u8; 512]) -> bool {
    &boot[3..11] == NAME
}

impl ExFat {
    /// Reads the boot sectors and the root, under the rules by which Linux mounts.
    pub(super) fn mount(image: Arc<Image>, boot: &[u8; 512]) -> Result<Self, Damage> {
        let (sector_bits, cluster_bits) = (u32::from(boot[108]), u32::from(boot[109]));
        let tables = u64::from(boot[110]);
        if u16_at(boot, 510) != 0xAA55 || boot[11..64].iter().any(|byte| *byte != 0) {
            return Err(Damage("its boot sector is not that of exFAT"));
        }
        if !(9..=12).contains(&sector_bits) || cluster_bits > 25 - sector_bits || !(1..=2).contains(&tables) {
            return Err(Damage("its sector size, cluster size or number of tables is none"));
        }
        let (table_sector, table_sectors) = (u64::from(u32_at(boot, 80)), u64::from(u32_at(boot, 84)));
        let end = u32_at(boot, 92).checked_add(2).filter(|end| *end <= BAD_CLUSTER);
        let end = end.ok_or(Damage("it has more clusters than can be"))?;
        if table_sectors << sector_bits < u64::from(end) * 4 {
            return Err(Damage("its table is too short"));
        }
        let data_sector = u64::from(u32_at(boot, 88));
        if data_sector < table_sector + table_sectors * tables {
            return Err(Damage("its clusters begin inside its table"));
        }
        let heap = Heap {
            image,
            table_offset: table_sector << sector_bits,
            offset: data_sector << sector_bits,
            cluster_bytes: 1 << (sector_bits + cluster_bits),
            end,
            decode,
        };
        check_boot_region(&heap, 1 << sector_bits)?;
        let volume = Self { heap: Arc::new(heap), root: u32_at(boot, 96) };
        volume.check_root()?;
        Ok(volume)
    }

    /// Refuses a root whose chain is broken or that names no bitmap of the clusters.
    fn check_root(&self) -> Result<(), Damage> {
        let chain = self.heap.chain(&self.root(), u64::MAX);
        if let Some(damage) = chain.damage {
            return Err(damage);
        }
        let bytes = self.heap.read_chain(&chain, u64::MAX)?;
        let mut used = bytes.chunks_exact(ENTRY_BYTES).take_while(|entry| entry[0] != UNUSED);
        let bitmap = used.find(|entry| entry[0] == BITMAP && entry[1] == 0);
        let bitmap = bitmap.ok_or(Damage("it has no bitmap of its clusters"))?;
        let needed_bytes = self.heap.clusters().div_ceil(8);
        let first = u32_at(bitmap, 20);
        let lies_inside =
            self.heap.holds(first) && self.heap.offset_of(first) + needed_bytes <= self.heap.image.len_bytes();
        if u64_at(bitmap, 24) < needed_bytes || !lies_inside {
            return Err(Damage("its bitmap of clusters is too short or lies elsewhere"));
        }
        Ok(())
    }
}

/// Reads an entry of the table.
fn decode(entry: u32) -> Link {
    match entry {
        0 => Link::Broken(Damage("its chain leads through a free cluster")),
        BAD_CLUSTER => Link::Broken(Damage("its chain leads through a bad cluster")),
        mark if mark > BAD_CLUSTER => Link::End,
        next => Link::Next(next),
    }
}

/// Checks the sum over the eleven boot sectors, which the twelfth repeats.
fn check_boot_region(heap: &Heap, sector_bytes: usize) -> Result<(), Damage> {
    let mut sectors = vec![0; 12 * sector_bytes];
    heap.read(0, &mut sectors)?;
    let (summed, sums) = sectors.split_at(11 * sector_bytes);
    // The flags and the percentage in use change while the volume is mounted.
    let counted = summed.iter().enumerate().filter(|(at, _)| !matches!(at, 106 | 107 | 112));
    let sum = counted.fold(0, |sum: u32, (_, byte)| sum.rotate_right(1).wrapping_add(u32::from(*byte)));
    if sums.chunks_exact(4).any(|stored| u32_at(stored, 0) != sum) {
        return Err(Damage("the check sum of its boot sectors is wrong"));
    }
    Ok(())
}

impl FileSystem for ExFat {
    fn kind(&self) -> VolumeKind {
        VolumeKind::ExFat
    }

    fn heap(&self) -> &Arc<Heap> {
        &self.heap
    }

    fn root(&self) -> Node {
        let len_bytes = self.heap.clusters() * self.heap.cluster_bytes;
        Node { kind: NodeKind::Dir, first: Some(self.root), contiguous: false, len_bytes, valid_bytes: len_bytes }
    }

    fn read_directory(&self, node: &Node) -> Result<Directory, Damage> {
        // Only clusters without links are counted by the length; Linux takes one at least.
        let clusters = if node.contiguous { (node.len_bytes / self.heap.cluster_bytes).max(1) } else { u64::MAX };
        let clusters = clusters.min(DIRECTORY_MAX_BYTES / self.heap.cluster_bytes);
        let chain = self.heap.chain(node, clusters);
        let bytes_max = if node.contiguous { node.len_bytes } else { u64::MAX };
        let bytes = self.heap.read_chain(&chain, bytes_max)?;
        sets::directory_of(&bytes, chain.damage)
    }

    fn fold(&self, name: &str) -> String {
        sets::fold(name)
    }
}
