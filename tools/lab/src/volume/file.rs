//! [`VolumeFile`]: a file of a volume, open for positioned reads.

use std::sync::Arc;

use super::VolumeError;
use super::directory::Node;
use super::heap::{Chain, Damage, Heap};

/// Linux fills its cache by pages: one sector that cannot be found takes its whole page with it.
const PAGE_BYTES: u64 = 4096;

/// A file of a volume.
pub struct VolumeFile {
    heap: Arc<Heap>,
    chain: Chain,
    len_bytes: u64,
    valid_bytes: u64,
    readable_bytes: u64,
    path: String,
}

impl VolumeFile {
    /// Follows a file's clusters.
    pub(super) fn new(heap: &Arc<Heap>, node: &Node, path: &str) -> Self {
        let wanted = node.len_bytes.div_ceil(heap.cluster_bytes);
        let chain = heap.chain(node, wanted);
        let have_bytes = chain.clusters.saturating_mul(heap.cluster_bytes);
        let cut = node.first.is_some() && have_bytes < node.len_bytes;
        Self {
            heap: Arc::clone(heap),
            chain,
            len_bytes: node.len_bytes,
            valid_bytes: if node.first.is_some() { node.valid_bytes.min(node.len_bytes) } else { 0 },
            readable_bytes: if cut { have_bytes / PAGE_BYTES * PAGE_BYTES } else { node.len_bytes },
            path: path.to_owned(),
        }
    }

    /// Returns the length in bytes that the directory gives.
    #[must_use]
    pub fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// Returns how many bytes from the start can be read.
    #[must_use]
    pub fn readable_bytes(&self) -> u64 {
        self.readable_bytes
    }

    /// Reads up to `buffer.len()` bytes from `offset`; fewer only at the end of the file, 0 beyond it.
    ///
    /// # Errors
    /// [`VolumeError::Damaged`] where a byte of the range has no cluster or lies beyond the device.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, VolumeError> {
        let left = usize::try_from(self.len_bytes.saturating_sub(offset)).unwrap_or(usize::MAX);
        let count = buffer.len().min(left);
        let wanted = &mut buffer[..count];
        if count > 0 && offset + count as u64 > self.readable_bytes {
            let damage = self.chain.damage.unwrap_or(Damage("its chain ends before the file does"));
            return Err(damage.at(&self.path));
        }
        let valid = usize::try_from(self.valid_bytes.saturating_sub(offset)).unwrap_or(usize::MAX).min(count);
        wanted[valid..].fill(0);
        self.read_valid(offset, &mut wanted[..valid]).map_err(|damage| damage.at(&self.path))?;
        Ok(count)
    }

    /// Reads bytes that have clusters.
    fn read_valid(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Damage> {
        let cluster_bytes = self.heap.cluster_bytes;
        let mut done = 0;
        while done < buffer.len() {
            let at = offset + done as u64;
            let after = self.chain.runs.partition_point(|run| run.index <= at / cluster_bytes);
            let Some(run) = after.checked_sub(1).map(|number| self.chain.runs[number]) else {
                return Err(Damage("its chain ends before the file does"));
            };
            let into = at - run.index * cluster_bytes;
            let left = u64::from(run.count) * cluster_bytes - into;
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len() - done);
            self.heap.read(self.heap.offset_of(run.first) + into, &mut buffer[done..done + count])?;
            done += count;
        }
        Ok(())
    }
}
