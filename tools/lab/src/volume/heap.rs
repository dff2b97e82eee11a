//! [`Heap`]: the clusters of a volume, and the chains that link them.

use std::sync::Arc;

use super::VolumeError;
use super::directory::Node;
use crate::image::Image;

/// What is wrong with a part of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Damage(pub &'static str);

impl Damage {
    /// Says where the damage lies.
    pub fn at(self, path: &str) -> VolumeError {
        VolumeError::Damaged { path: path.to_owned(), why: self.0 }
    }
}

/// What the table says after a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    /// The next cluster, not yet checked.
    Next(u32),
    /// The chain ends.
    End,
    /// No chain can go through this value.
    Broken(Damage),
}

/// Clusters that follow each other on the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// Where the run begins in the chain, counted in clusters.
    pub index: u64,
    /// Its first cluster.
    pub first: u32,
    /// Its clusters.
    pub count: u32,
}

/// The clusters of a file or directory, as far as they can be followed.
#[derive(Debug, Default)]
pub(super) struct Chain {
    /// The clusters, in order.
    pub runs: Vec<Run>,
    /// The number of clusters.
    pub clusters: u64,
    /// Why it stops, unless it ended as it says or has as many clusters as were asked for.
    pub damage: Option<Damage>,
}

impl Chain {
    /// Adds a cluster.
    fn push(&mut self, cluster: u32) {
        match self.runs.last_mut() {
            Some(run) if run.first + run.count == cluster => run.count += 1,
            _ => self.runs.push(Run { index: self.clusters, first: cluster, count: 1 }),
        }
        self.clusters += 1;
    }
}

/// The clusters of a volume.
pub(super) struct Heap {
    /// The device.
    pub image: Arc<Image>,
    /// Where the table of links begins, in bytes.
    pub table_offset: u64,
    /// Where cluster 2 begins, in bytes.
    pub offset: u64,
    /// Bytes of a cluster.
    pub cluster_bytes: u64,
    /// The number after the last cluster's.
    pub end: u32,
    /// Reads an entry of the table.
    pub decode: fn(u32) -> Link,
}

impl Heap {
    /// Returns whether a cluster has this number.
    pub fn holds(&self, cluster: u32) -> bool {
        (2..self.end).contains(&cluster)
    }

    /// Returns the number of clusters.
    pub fn clusters(&self) -> u64 {
        u64::from(self.end.saturating_sub(2))
    }

    /// Returns the most clusters that differ and lie on the device, as a volume may claim more.
    fn clusters_on_device(&self) -> u64 {
        self.clusters().min(self.image.len_bytes() / self.cluster_bytes + 1)
    }

    /// Returns where a cluster begins, in bytes.
    pub fn offset_of(&self, cluster: u32) -> u64 {
        self.offset + u64::from(cluster.saturating_sub(2)) * self.cluster_bytes
    }

    /// Returns what follows a cluster.
    pub fn link(&self, cluster: u32) -> Link {
        let mut entry = [0; 4];
        if self.image.read_at(self.table_offset + u64::from(cluster) * 4, &mut entry) < 4 {
            return Link::Broken(Damage("the table of links lies beyond the device"));
        }
        (self.decode)(u32::from_le_bytes(entry))
    }

    /// Follows a node's clusters up to a number of them; of a chain in a circle each cluster comes once, as a volume
    /// has no more.
    pub fn chain(&self, node: &Node, clusters_max: u64) -> Chain {
        match node.first {
            None => Chain::default(),
            Some(first) if node.contiguous => self.row(first, clusters_max),
            Some(first) => self.linked(first, clusters_max),
        }
    }

    /// Follows clusters that lie in a row.
    fn row(&self, first: u32, clusters_max: u64) -> Chain {
        if !self.holds(first) {
            return Chain { damage: Some(Damage("its first cluster is not one of the volume")), ..Chain::default() };
        }
        let count = u32::try_from(clusters_max).unwrap_or(u32::MAX).min(self.end - first);
        let damage = (u64::from(count) < clusters_max).then_some(Damage("its clusters run past the volume's end"));
        Chain { runs: vec![Run { index: 0, first, count }], clusters: u64::from(count), damage }
    }

    /// Follows clusters by the table.
    fn linked(&self, first: u32, clusters_max: u64) -> Chain {
        let mut chain = Chain::default();
        let mut next = Link::Next(first);
        while chain.clusters < clusters_max {
            let damage = match next {
                Link::Next(_) if chain.clusters == self.clusters_on_device() => {
                    Damage("its chain of clusters is a circle")
                }
                Link::Next(cluster) if self.holds(cluster) => {
                    chain.push(cluster);
                    next = self.link(cluster);
                    continue;
                }
                Link::Next(_) => Damage("its chain leads to a cluster that the volume does not have"),
                Link::Broken(damage) => damage,
                Link::End => break,
            };
            chain.damage = Some(damage);
            break;
        }
        chain
    }

    /// Fills a buffer from an offset in bytes.
    pub fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Damage> {
        if self.image.read_at(offset, buffer) < buffer.len() {
            return Err(Damage("it lies beyond the device"));
        }
        Ok(())
    }

    /// Reads the clusters of a chain, at most so many bytes, as a directory is read: in one piece.
    pub fn read_chain(&self, chain: &Chain, bytes_max: u64) -> Result<Vec<u8>, Damage> {
        let mut bytes = Vec::new();
        for run in &chain.runs {
            let start = bytes.len();
            let wanted = (u64::from(run.count) * self.cluster_bytes).min(bytes_max - start as u64);
            bytes.resize(start + usize::try_from(wanted).unwrap_or(usize::MAX), 0);
            self.read(self.offset_of(run.first), &mut bytes[start..])?;
        }
        Ok(bytes)
    }
}

/// Reads a number of 16 bits.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

/// Reads a number of 32 bits.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

/// Reads a number of 64 bits.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

/// Turns UTF-16 up to its first zero into text; halves of pairs are left out, as Linux does.
pub(super) fn text_of(units: &[u16]) -> String {
    let units = units.iter().copied().take_while(|unit| *unit != 0);
    char::decode_utf16(units).filter_map(Result::ok).collect()
}
