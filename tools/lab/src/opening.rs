//! [`OpensImages`]: how the store in an image is opened: by the lab's own readers, or by a mount.

use std::any::Any;
use std::sync::Arc;

use chunkstore::disk::Disk;

use crate::error::{LabError, Result};
use crate::image::Image;
use crate::recording::Header;
use crate::sample::Mounts;
use crate::volume::{Refusal, Volume};
use crate::volume_disk::VolumeDisk;

/// Opens the store in an image.
pub trait OpensImages: Sync {
    /// Opens the store; its volume is there for as long as what is returned lives.
    ///
    /// # Errors
    /// [`LabError`] where the volume does not open.
    fn open(&self, image: &Arc<Image>) -> Result<Opened>;

    /// Returns how many images opened only after a repair.
    fn repaired(&self) -> u64 {
        0
    }
}

/// A store's disk, and what holds its volume.
pub struct Opened {
    /// The disk.
    pub disk: Arc<dyn Disk>,
    /// Where Linux would stop writing to the volume when the store's files are used; known of what the lab reads.
    pub refusals: Vec<Refusal>,
    /// Dropped after the disk.
    _held: Option<Box<dyn Any>>,
}

impl Opened {
    /// Makes it of a disk and what holds its volume.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>, held: Option<Box<dyn Any>>) -> Self {
        Self { disk, refusals: Vec::new(), _held: held }
    }
}

/// FAT32 and exFAT, by the lab's own readers.
struct Readers {
    store: String,
}

impl OpensImages for Readers {
    fn open(&self, image: &Arc<Image>) -> Result<Opened> {
        let failed = |error| LabError::because("the volume does not open", error);
        let volume = Volume::open(Arc::clone(image)).map_err(failed)?;
        let mut refusals = volume.refusals(&self.store);
        for refusal in &mut refusals {
            let inside = refusal.path.strip_prefix(&self.store).map(|path| path.trim_start_matches('/').to_owned());
            refusal.path = inside.filter(|path| !path.is_empty()).unwrap_or_else(|| ".".to_owned());
        }
        let opened = Opened::new(Arc::new(VolumeDisk::new(volume, &self.store)), None);
        Ok(Opened { refusals, ..opened })
    }
}

/// Returns whether the lab reads a medium itself, and so all of its states.
#[must_use]
pub fn has_reader(medium: &str) -> bool {
    medium.starts_with("vfat") || medium.starts_with("exfat")
}

/// Returns what opens the images of a recording.
///
/// # Errors
/// [`LabError`] for a file system that the lab does not know, or cannot mount here.
pub fn opener_of(header: &Header) -> Result<Box<dyn OpensImages>> {
    if has_reader(&header.medium) {
        return Ok(Box::new(Readers { store: header.store.clone() }));
    }
    Ok(Box::new(Mounts::new(header)?))
}
