//! A pack on its way in: appended to its final name piece by piece and hashed on the way, going on from the last whole MiB
//! of what an earlier run left. Where what was left may not be appended to, it is written anew from memory.
//!
//! A damaged file that is not short may still give most of its objects. So it stands until the whole pack has come: that is
//! held in memory, takes its place at the end, and whatever ends the run before then leaves the file as it was.

use crate::base::StorePath;
use crate::base::units::MIB;
use crate::disk::{Disk, DiskError, DiskErrorKind, DiskFileKind, WriteFile, write_whole};
use crate::format::manifest::PackRef;
use crate::store::layout;
use crate::store::pack::{PackState, create_in_place, pack_state, read_exactly};

/// Bytes that are read back at a time.
const READ_BACK_BYTES: u64 = MIB;
/// Most bytes of what was left that are held in memory; of a longer pack the rest is fetched again.
const REWRITE_MAX_BYTES: u64 = 32 * MIB;

/// The file of a pack that is not whole yet.
pub struct Incoming<'a> {
    disk: &'a dyn Disk,
    pack: PackRef,
    path: StorePath,
    content: Content,
    hasher: blake3::Hasher,
    len_bytes: u64,
}

/// Where the bytes go that arrive.
enum Content {
    /// To the pack's own file.
    File(Box<dyn WriteFile>),
    /// To memory, while a damaged file stands under the pack's name.
    Held(Vec<u8>),
}

impl<'a> Incoming<'a> {
    /// Opens the file: goes on from the last whole MiB of a shorter one, and lets any other stand until the pack is whole.
    ///
    /// # Errors
    /// [`DiskErrorKind::WrongType`] where no file stands under the pack's name but something else; other [`DiskError`]s.
    pub fn open(disk: &'a dyn Disk, pack: PackRef) -> Result<Self, DiskError> {
        let path = layout::pack(&pack.hash);
        let standing = match pack_state(disk, &pack)? {
            PackState::Missing => 0,
            PackState::Partial(len_bytes) => len_bytes / MIB * MIB,
            PackState::FullLength | PackState::Foreign => return Self::beside(disk, pack, path),
        };
        if disk.capabilities().append_after_cut {
            Self::go_on(disk, pack, path, standing)
        } else {
            Self::write_anew(disk, pack, path, standing.min(REWRITE_MAX_BYTES))
        }
    }

    fn beside(disk: &'a dyn Disk, pack: PackRef, path: StorePath) -> Result<Self, DiskError> {
        if disk.metadata(&path)?.is_some_and(|metadata| metadata.kind != DiskFileKind::File) {
            return Err(DiskError::of(DiskErrorKind::WrongType, "replace", &path, "not a regular file"));
        }
        let content = Content::Held(Vec::new());
        Ok(Self { disk, pack, path, content, hasher: blake3::Hasher::new(), len_bytes: 0 })
    }

    fn go_on(disk: &'a dyn Disk, pack: PackRef, path: StorePath, standing: u64) -> Result<Self, DiskError> {
        let mut hasher = blake3::Hasher::new();
        // A stretch that cannot be read back is a bad sector: the file starts again.
        if standing == 0 || !read_prefix(disk, &path, standing, &mut |piece| _ = hasher.update(piece)) {
            return Self::write_anew(disk, pack, path, 0);
        }
        let file = disk.append_after(&path, standing)?;
        Ok(Self { disk, pack, path, content: Content::File(file), hasher, len_bytes: standing })
    }

    fn write_anew(disk: &'a dyn Disk, pack: PackRef, path: StorePath, standing: u64) -> Result<Self, DiskError> {
        let mut held = Vec::new();
        if !read_prefix(disk, &path, standing, &mut |piece| held.extend_from_slice(piece)) {
            held.clear();
        }
        let mut file = create_fresh(disk, &path)?;
        file.reserve(pack.len_bytes).inspect_err(|_| discard(disk, &path))?;
        let content = Content::File(file);
        let mut fresh = Self { disk, pack, path, content, hasher: blake3::Hasher::new(), len_bytes: 0 };
        fresh.append(&held)?;
        Ok(fresh)
    }

    /// Returns where it stands.
    #[must_use]
    pub fn path(&self) -> &StorePath {
        &self.path
    }

    /// Returns the bytes that are there.
    #[must_use]
    pub fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// Returns the bytes that are not there yet.
    #[must_use]
    pub fn missing_bytes(&self) -> u64 {
        self.pack.len_bytes - self.len_bytes
    }

    /// Appends a piece; never more than is missing.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn append(&mut self, piece: &[u8]) -> Result<(), DiskError> {
        let most = usize::try_from(self.missing_bytes()).unwrap_or(usize::MAX);
        let piece = &piece[..piece.len().min(most)];
        match &mut self.content {
            Content::File(file) => file.append(piece).inspect_err(|_| discard(self.disk, &self.path))?,
            Content::Held(held) => held.extend_from_slice(piece),
        }
        self.hasher.update(piece);
        self.len_bytes += piece.len() as u64;
        Ok(())
    }

    /// Syncs what is there, for the next run to go on from; what is held in memory is dropped.
    ///
    /// # Durability
    /// The bytes of the file are durable; the name once its directory is synced.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn keep(mut self) -> Result<(), DiskError> {
        match &mut self.content {
            Content::File(file) => file.sync().inspect_err(|_| discard(self.disk, &self.path)),
            Content::Held(_) => Ok(()),
        }
    }

    /// Ends a file that is complete: keeps it if it is the pack, else removes what came; says which.
    ///
    /// # Durability
    /// The pack's bytes are durable; the name once its directory is synced.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn finish(self) -> Result<bool, DiskError> {
        let is_it = self.missing_bytes() == 0 && *self.hasher.finalize().as_bytes() == self.pack.hash.0;
        match self.content {
            Content::File(_) if is_it => self.keep()?,
            Content::File(file) => {
                drop(file);
                self.disk.remove(&self.path)?;
            }
            Content::Held(held) if is_it => {
                let file = create_fresh(self.disk, &self.path)?;
                write_whole(file, &held).inspect_err(|_| discard(self.disk, &self.path))?;
            }
            Content::Held(_) => {}
        }
        Ok(is_it)
    }
}

/// Syncs a whole file once more: a run that was killed may have left it in the system's cache alone.
///
/// # Durability
/// The bytes are durable when this returns; the name once its directory is synced.
///
/// # Errors
/// [`DiskError`].
pub fn sync_again(disk: &dyn Disk, path: &StorePath, len_bytes: u64) -> Result<(), DiskError> {
    disk.append_after(path, len_bytes)?.sync()
}

/// Tells the first bytes of a file; false where they cannot all be read.
fn read_prefix(disk: &dyn Disk, path: &StorePath, len_bytes: u64, hear: &mut dyn FnMut(&[u8])) -> bool {
    let Ok(file) = disk.open(path) else { return len_bytes == 0 };
    (0..len_bytes).step_by(READ_BACK_BYTES as usize).all(|offset| {
        let piece = read_exactly(file.as_ref(), offset, READ_BACK_BYTES.min(len_bytes - offset), "a pack");
        piece.is_ok_and(|piece| {
            hear(&piece);
            true
        })
    })
}

/// Removes a file after a failed write or sync: the system's cache would show bytes that no later sync makes durable.
fn discard(disk: &dyn Disk, path: &StorePath) {
    // The first failure is what is told.
    let _ = disk.remove(path);
}

/// Creates a file in place of whatever broken one stands there; makes its directory again where that was lost.
fn create_fresh(disk: &dyn Disk, path: &StorePath) -> Result<Box<dyn WriteFile>, DiskError> {
    disk.remove(path)?;
    create_in_place(disk, path)
}
