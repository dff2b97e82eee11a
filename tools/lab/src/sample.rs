//! [`Mounts`]: ext4 and NTFS, which the lab does not read itself: each image is mounted by the host, which replays the
//! journal, looked at, and unmounted. It takes root and some ten milliseconds a state, so only a sample is looked at.
//!
//! NTFS-3G changes the first record of the master file table and that record's mirror one after the other, and mounts no
//! volume in which they differ. Such an image is mounted after `ntfsfix`, which copies the record to the mirror; how many
//! there were is said at the end.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chunkstore::disk::OsDisk;

use crate::error::{LabError, Result};
use crate::image::Image;
use crate::image_file::{is_installed, run, write_image};
use crate::opening::{Opened, OpensImages};
use crate::recording::Header;

/// A file system that the host mounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Driver {
    /// The kernel's ext4, over a loop device.
    Ext4,
    /// NTFS-3G, in user space.
    Ntfs3g,
}

/// Opens images by mounting them.
pub struct Mounts {
    driver: Driver,
    scratch: tempfile::TempDir,
    /// Makes the names of files and mount points.
    next: AtomicU64,
    /// Images that were mounted only after a repair.
    repaired: AtomicU64,
    volume_bytes: u64,
    store: String,
}

impl Mounts {
    /// Looks whether the host can mount such images.
    ///
    /// # Errors
    /// [`LabError`] for a file system that the lab does not know, where a program is missing, or without root.
    pub fn new(header: &Header) -> Result<Self> {
        let driver = match header.medium.split('-').next() {
            Some("ext4") => Driver::Ext4,
            Some("ntfs") => Driver::Ntfs3g,
            _ => return Err(LabError::new(format!("the lab knows no medium `{}`", header.medium))),
        };
        let program = if driver == Driver::Ext4 { "mount" } else { "ntfs-3g" };
        if !is_installed(program) {
            return Err(LabError::new(format!("{program} is not installed, so {} cannot be mounted", header.medium)));
        }
        let failed = |error| LabError::because("cannot make a folder for mounts", error);
        let scratch = tempfile::Builder::new().prefix("lab-mounts").tempdir().map_err(failed)?;
        if !is_root(scratch.path()) {
            return Err(LabError::new(format!("only root may mount {}: run this part as root", header.medium)));
        }
        let (volume_bytes, store) = (header.volume_bytes, header.store.clone());
        Ok(Self { driver, scratch, next: AtomicU64::new(0), repaired: AtomicU64::new(0), volume_bytes, store })
    }

    fn mount(&self, file: &Path, point: &Path) -> Result<()> {
        match self.driver {
            Driver::Ext4 => run(Command::new("mount").args(["-t", "ext4", "-o", "loop"]).args([file, point]), 0),
            Driver::Ntfs3g => self.mount_ntfs(file, point),
        }
    }

    fn mount_ntfs(&self, file: &Path, point: &Path) -> Result<()> {
        let mount = || run(Command::new("ntfs-3g").args([file, point]), 0);
        mount().or_else(|refused| {
            run(Command::new("ntfsfix").arg(file), 0)
                .and_then(|()| mount())
                .map_err(|error| LabError::because(format!("{refused}; after ntfsfix: {error}"), error))?;
            self.repaired.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
    }
}

/// Returns whether this process is root: what it makes belongs to user 0.
fn is_root(made: &Path) -> bool {
    std::os::unix::fs::MetadataExt::uid(&match std::fs::metadata(made) {
        Ok(metadata) => metadata,
        Err(_) => return false,
    }) == 0
}

impl OpensImages for Mounts {
    fn open(&self, image: &Arc<Image>) -> Result<Opened> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let file = self.scratch.path().join(format!("{number}.img"));
        let point = self.scratch.path().join(format!("{number}"));
        let mounted = Mounted { file, point, driver: self.driver };
        std::fs::create_dir(&mounted.point).map_err(|error| LabError::because("cannot make a mount point", error))?;
        write_image(image, self.volume_bytes, &mounted.file)?;
        self.mount(&mounted.file, &mounted.point)?;
        let store = mounted.point.join(&self.store);
        // Before the first step there is no such directory, and the empty volume is no store either.
        let root = if store.is_dir() { store } else { mounted.point.clone() };
        let disk = OsDisk::open(&root).map_err(|error| LabError::because("the mounted volume does not open", error))?;
        Ok(Opened::new(Arc::new(disk), Some(Box::new(mounted))))
    }

    fn repaired(&self) -> u64 {
        self.repaired.load(Ordering::Relaxed)
    }
}

/// A mount that is undone when it is dropped, with its file.
struct Mounted {
    file: PathBuf,
    point: PathBuf,
    driver: Driver,
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let undo = |option: &[&str]| match self.driver {
            Driver::Ext4 => run(Command::new("umount").args(option).arg(&self.point), 0),
            Driver::Ntfs3g => run(Command::new("fusermount3").arg("-u").args(option).arg(&self.point), 0),
        };
        if is_mount_point(&self.point)
            && let Err(error) = undo(&[]).or_else(|_| undo(if self.driver == Driver::Ext4 { &["-l"] } else { &["-z"] }))
        {
            eprintln!("lab: {error}; {} stays mounted", self.point.display());
            return;
        }
        // What stays behind goes with the folder that it lies in.
        let _ = std::fs::remove_dir(&self.point);
        let _ = std::fs::remove_file(&self.file);
    }
}

/// Returns whether a directory lies on another file system than the one that it is in.
fn is_mount_point(point: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| std::fs::metadata(path).map(|metadata| metadata.dev()).ok();
    device(point) != point.parent().and_then(device)
}
