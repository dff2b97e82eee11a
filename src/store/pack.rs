//! Packs between objects and files: built whole in memory, named by their hash, created once and synced.
//!
//! A pack is at most 16 MiB, so building one costs one buffer; its bytes follow from its objects alone, so an
//! interrupted run that starts again makes the same files and finds them. Its frames are shuffled, so that what a place in
//! a pack tells, as recipes do, says nothing of the place in a tree.

use super::error::StoreError;
use super::layout;
use super::near::{Kept, through};
use super::object::{Purpose, SealedObject, open_outer, seal_outer};
use crate::base::limits::{PACK_MAX_BYTES, PACK_TARGET_BYTES};
use crate::base::{Epoch, PackHash, StoreId, StorePath};
use crate::crypto::Secret;
use crate::disk::{Disk, DiskError, DiskErrorKind, ReadAt, WriteFile, read_all, write_whole};
use crate::format::Class;
use crate::format::manifest::PackRef;
use crate::format::pack::{
    PACK_HEADER_BYTES, PackEntry, PackHeader, SEAL_OVERHEAD_BYTES, decode_index, encode_index, padme,
};

/// The most that one entry adds to a pack's index.
const INDEX_ENTRY_MAX_BYTES: u64 = 32 + 2 + 5 + 4 + 4;

/// What the order of the frames is drawn from, of the index key.
const ORDER_CONTEXT: &str = "chunkstore 1 frame order";

/// A pack being filled.
pub struct PackBuilder {
    store: StoreId,
    class: Class,
    epoch: Epoch,
    objects: Vec<SealedObject>,
    frames_len_bytes: u64,
    shuffled: bool,
}

/// A finished pack that is not written yet.
pub struct BuiltPack {
    /// What the manifest will say of it.
    pub listed: PackRef,
    /// The file.
    pub bytes: Vec<u8>,
    /// Each object with the offset of its frame.
    pub entries: Vec<(u64, PackEntry)>,
}

impl PackBuilder {
    /// Starts a pack of new objects: it shuffles them.
    #[must_use]
    pub fn new(store: StoreId, class: Class, epoch: Epoch) -> Self {
        Self { store, class, epoch, objects: Vec::new(), frames_len_bytes: 0, shuffled: true }
    }

    /// Keeps the order in which objects come, for frames that are copied out of packs that were shuffled: what stood
    /// together there stands together here, so that recipes stay short.
    #[must_use]
    pub fn in_order(mut self) -> Self {
        self.shuffled = false;
        self
    }

    /// Returns whether it holds nothing yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// Returns whether a frame still fits below the target length.
    #[must_use]
    pub fn fits(&self, frame_len_bytes: u64) -> bool {
        let index = (self.objects.len() as u64 + 1) * INDEX_ENTRY_MAX_BYTES + 16 + SEAL_OVERHEAD_BYTES;
        let frames = PACK_HEADER_BYTES as u64 + self.frames_len_bytes + frame_len_bytes;
        self.objects.is_empty() || frames + index <= PACK_TARGET_BYTES
    }

    /// Adds an object.
    pub fn push(&mut self, object: SealedObject) {
        self.frames_len_bytes += object.frame.len() as u64;
        self.objects.push(object);
    }

    /// Shuffles the frames, seals the index, pads the length, and names the file: with a clash counter that makes a name which is
    /// not taken. The frames are let go of while they are laid out.
    ///
    /// The order follows from the objects and the index key alone, whatever order they came in.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the cipher refuses.
    pub fn finish(mut self, index_key: &Secret, is_taken: &dyn Fn(&PackHash) -> bool) -> Result<BuiltPack, StoreError> {
        if self.shuffled {
            shuffle(&mut self.objects, index_key);
        }
        let entries: Vec<PackEntry> = self.objects.iter().map(|object| object.entry).collect();
        let index = encode_index(&entries, 0);
        let index_offset = PACK_HEADER_BYTES as u64 + self.frames_len_bytes;
        let bare = index_offset + index.len() as u64 + SEAL_OVERHEAD_BYTES;
        let len_bytes = padme(bare);
        let padded = index.len() + usize::try_from(len_bytes - bare).unwrap_or(0);
        let sealed = seal_outer(self.store, Purpose::PackIndex, index_key, &encode_index(&entries, padded))?;
        let mut header = PackHeader {
            clash_counter: 0,
            class: self.class,
            set_label: 0,
            epoch: self.epoch,
            len_bytes,
            // The index is part of a pack of at most 64 MiB.
            index_len_bytes: sealed.len() as u32,
        };
        let mut bytes = Vec::with_capacity(usize::try_from(len_bytes).unwrap_or(0));
        bytes.resize(PACK_HEADER_BYTES, 0);
        for object in self.objects {
            bytes.extend_from_slice(&object.frame);
        }
        bytes.extend_from_slice(&sealed);
        let hash = loop {
            bytes[..PACK_HEADER_BYTES].copy_from_slice(&header.encode(self.store));
            let hash = PackHash(*blake3::hash(&bytes).as_bytes());
            if !is_taken(&hash) {
                break hash;
            }
            header.clash_counter += 1;
        };
        let mut offset = PACK_HEADER_BYTES as u64;
        let entries = entries.into_iter().map(|entry| {
            let at = offset;
            offset += entry.sealed_len_bytes;
            (at, entry)
        });
        let entries = entries.collect();
        Ok(BuiltPack { listed: PackRef { hash, len_bytes, class: self.class, set_label: 0 }, bytes, entries })
    }
}

/// Puts objects into the order of the keyed hashes of their ids, which only who can open the index can tell from chance.
fn shuffle(objects: &mut [SealedObject], index_key: &Secret) {
    let key = index_key.derive(ORDER_CONTEXT);
    objects.sort_by_cached_key(|SealedObject { entry, .. }| {
        key.keyed_hash(&[&[entry.kind.byte()], &entry.id.0, &entry.dedup_generation.0.to_le_bytes()])
    });
}

/// Creates an immutable file under its final name and syncs it; its directory is synced by the caller.
///
/// What an interrupted run left under the name is kept if it is the same, and replaced if it is not. After a failed write or
/// sync nothing is left there: the system's cache would show bytes that no later sync makes durable.
///
/// # Durability
/// The content is durable when this returns; the name once its directory is synced.
///
/// # Errors
/// [`StoreError`].
pub fn create_immutable(disk: &dyn Disk, path: &StorePath, bytes: &[u8]) -> Result<(), StoreError> {
    let written = write_immutable(disk, path, bytes);
    if written.is_err() {
        // The first failure is what is told.
        let _ = disk.remove(path);
    }
    written
}

fn write_immutable(disk: &dyn Disk, path: &StorePath, bytes: &[u8]) -> Result<(), StoreError> {
    let file = match create_in_place(disk, path) {
        Ok(file) => file,
        Err(error) if error.kind == DiskErrorKind::Exists => {
            if holds(disk, path, bytes) {
                return Ok(disk.append_after(path, bytes.len() as u64)?.sync()?);
            }
            disk.remove(path)?;
            disk.create_new(path)?
        }
        Err(error) => return Err(error.into()),
    };
    Ok(write_whole(file, bytes)?)
}

/// Creates a file; makes its directories again where they were lost.
///
/// # Durability
/// Directories that were made are durable when this returns; the file is as [`Disk::create_new`] has it.
///
/// # Errors
/// [`DiskError`].
pub fn create_in_place(disk: &dyn Disk, path: &StorePath) -> Result<Box<dyn WriteFile>, DiskError> {
    match disk.create_new(path) {
        Err(error) if error.kind == DiskErrorKind::NotFound => {
            let dir = path.parent();
            for dir in [dir.parent(), dir].into_iter().filter(|dir| *dir != StorePath::root()) {
                disk.create_dir(&dir)?;
                disk.sync_dir(&dir.parent())?;
            }
            disk.create_new(path)
        }
        other => other,
    }
}

/// Returns whether a file holds exactly these bytes.
pub(super) fn holds(disk: &dyn Disk, path: &StorePath, bytes: &[u8]) -> bool {
    matches!(read_all(disk, path, bytes.len() as u64), Ok(Some(found)) if found == bytes)
}

/// Hashes a file from its start to its end in pieces of 1 MiB; tells each piece's length to `hear`.
///
/// # Errors
/// [`DiskError`]; whatever `hear` returns.
pub fn hash_file(file: &dyn ReadAt, hear: &mut dyn FnMut(u64)) -> Result<[u8; 32], DiskError> {
    let mut hasher = blake3::Hasher::new();
    let longest = file.len_bytes().clamp(1, 1 << 20);
    let mut buffer = vec![0; usize::try_from(longest).unwrap_or(1)];
    let mut offset = 0;
    loop {
        let count = file.read_at(offset, &mut buffer)?;
        if count == 0 {
            return Ok(*hasher.finalize().as_bytes());
        }
        hasher.update(&buffer[..count]);
        offset += count as u64;
        hear(count as u64);
    }
}

/// What stands where a pack should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackState {
    /// Nothing.
    Missing,
    /// Fewer bytes than the pack has; how many.
    Partial(u64),
    /// As many bytes as the pack has; their hash was not looked at.
    FullLength,
    /// More bytes, or no file.
    Foreign,
}

/// Looks at what stands where a pack should, without reading it.
///
/// # Errors
/// [`DiskError`].
pub fn pack_state(disk: &dyn Disk, pack: &PackRef) -> Result<PackState, DiskError> {
    let metadata = match disk.metadata(&layout::pack(&pack.hash)) {
        // A file stands in the place of its directory.
        Err(error) if error.kind == DiskErrorKind::WrongType => return Ok(PackState::Foreign),
        metadata => metadata?,
    };
    Ok(match metadata {
        None => PackState::Missing,
        Some(found) if found.kind != crate::disk::DiskFileKind::File => PackState::Foreign,
        Some(found) if found.len_bytes == pack.len_bytes => PackState::FullLength,
        Some(found) if found.len_bytes < pack.len_bytes => PackState::Partial(found.len_bytes),
        Some(_) => PackState::Foreign,
    })
}

/// Hashes a pack on a disk and says whether it is what its name claims.
///
/// # Errors
/// [`DiskError`], a bad sector among them.
pub fn pack_is_whole(disk: &dyn Disk, pack: &PackRef, hear: &mut dyn FnMut(u64)) -> Result<bool, DiskError> {
    if pack_state(disk, pack)? != PackState::FullLength {
        return Ok(false);
    }
    let file = disk.open(&layout::pack(&pack.hash))?;
    Ok(hash_file(file.as_ref(), hear)? == pack.hash.0)
}

/// Reads and opens the index of one pack.
///
/// # Errors
/// [`StoreError::Corrupt`] when header or index do not hold, [`StoreError::NoIdentity`] when the epoch's key is not known.
pub fn read_index(
    disk: &dyn Disk,
    store: StoreId,
    pack: &PackRef,
    index_key: &dyn Fn(Epoch) -> Option<Secret>,
) -> Result<Vec<(u64, PackEntry)>, StoreError> {
    let path = layout::pack(&pack.hash);
    let what = format!("pack {path}");
    let decode_header = |bytes: &[u8]| {
        let header = PackHeader::decode(bytes, store).map_err(|error| StoreError::format(&what, error))?;
        let is_listed = header.len_bytes == pack.len_bytes && header.class == pack.class;
        if is_listed { Ok(header) } else { Err(StoreError::damaged(&what)) }
    };
    let fetch = || {
        let file = disk.open(&path)?;
        let mut bytes = read_exactly(file.as_ref(), 0, PACK_HEADER_BYTES as u64, &what)?;
        let header = decode_header(&bytes)?;
        let index_len_bytes = u64::from(header.index_len_bytes);
        bytes.extend(read_exactly(file.as_ref(), header.index_offset(), index_len_bytes, &what)?);
        Ok(bytes)
    };
    through(disk, Kept::Index(pack.hash), fetch, |bytes| {
        let (header, sealed) = bytes.split_at_checked(PACK_HEADER_BYTES).ok_or_else(|| StoreError::damaged(&what))?;
        let header = decode_header(header)?;
        let key = index_key(header.epoch).ok_or(StoreError::NoIdentity)?;
        let plain = open_outer(store, Purpose::PackIndex, &key, &what, sealed)?;
        decode_index(&plain, &header).map_err(|error| StoreError::format(&what, error))
    })
}

/// Reads a stretch of a pack that must be there.
///
/// # Errors
/// [`StoreError::Corrupt`] when the file ends before the stretch does.
pub fn read_exactly(file: &dyn ReadAt, offset: u64, len_bytes: u64, what: &str) -> Result<Vec<u8>, StoreError> {
    if offset.saturating_add(len_bytes) > file.len_bytes() || len_bytes > PACK_MAX_BYTES {
        return Err(StoreError::damaged(what));
    }
    let mut bytes = vec![0; usize::try_from(len_bytes).unwrap_or(0)];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(offset + filled as u64, &mut bytes[filled..])? {
            0 => return Err(StoreError::damaged(what)),
            count => filled += count,
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
