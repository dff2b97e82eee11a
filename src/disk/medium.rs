//! [`Medium`]: the device below a directory, and whether it is still plugged in.
//!
//! Linux keeps the mount of a key that was pulled: it lists as empty or fails with the error of a bad sector, and what lies in
//! the system's cache still reads and even takes writes. The device itself is the witness: its entry below
//! `/sys/dev/block` goes when it does. On Windows it is the volume: its drive letter goes, or another volume stands there.
//! Limits: a file system that lies on no single block device, on one that another device feeds (an encrypted key), on another
//! machine, or on another system than these two counts as there; callers then go by the errors they get.

use std::path::Path;

use super::{DiskError, DiskErrorKind};

/// A device that may be pulled out.
#[derive(Debug, Default)]
pub struct Medium {
    /// The device's entry in the system's list, where it has one.
    #[cfg(target_os = "linux")]
    entry: Option<std::path::PathBuf>,
    #[cfg(windows)]
    volume: Option<super::windows::volume::Volume>,
}

impl Medium {
    /// Finds the device below a path, or below the nearest directory above it that stands.
    #[must_use]
    pub fn below(path: &Path) -> Self {
        #[cfg(target_os = "linux")]
        if let Some(stat) = path.ancestors().find_map(|above| rustix::fs::stat(above_or_here(above)).ok()) {
            return Self { entry: entry_of(stat.st_dev) };
        }
        #[cfg(windows)]
        if let Ok(volume) = super::windows::volume::Volume::below(path) {
            return Self { volume: Some(volume) };
        }
        let _ = path;
        Self::default()
    }

    /// Names a device by its numbers, as the table of mounts has them.
    #[cfg(target_os = "linux")]
    #[must_use]
    pub fn of_device((major, minor): (u32, u32)) -> Self {
        Self { entry: entry_of(rustix::fs::makedev(major, minor)) }
    }

    /// Returns the id of the file system below a path, as the system lists it: the serial number of a key, for one. Anybody can
    /// set it to anything, so it is a hint and no more.
    #[must_use]
    pub fn volume_id(path: &Path) -> Option<String> {
        #[cfg(target_os = "linux")]
        return rustix::fs::stat(path).ok().and_then(|stat| volume_id_of(stat.st_dev));
        #[cfg(windows)]
        return super::windows::volume::Volume::below(path).ok().and_then(|volume| volume.id());
        #[cfg(not(any(target_os = "linux", windows)))]
        {
            let _ = path;
            None
        }
    }

    /// Returns whether the device is known to be gone; no says nothing.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        #[cfg(target_os = "linux")]
        return self.entry.as_deref().is_some_and(|entry| !stands(entry));
        #[cfg(windows)]
        return self.volume.as_ref().is_some_and(super::windows::volume::Volume::is_gone);
        #[cfg(not(any(target_os = "linux", windows)))]
        false
    }

    /// Returns whether the device is of a kind that people pull out: USB, or a card in a reader.
    #[must_use]
    pub fn is_pluggable(&self) -> bool {
        #[cfg(target_os = "linux")]
        return self.entry.as_deref().is_some_and(is_on_a_plug);
        #[cfg(windows)]
        return self.volume.as_ref().is_some_and(super::windows::volume::Volume::is_pluggable);
        #[cfg(not(any(target_os = "linux", windows)))]
        false
    }

    /// Makes an error one of the medium where that is gone, whatever the system called it.
    #[must_use]
    pub fn judge(&self, error: DiskError) -> DiskError {
        let kind = if self.is_gone() { DiskErrorKind::Gone } else { error.kind };
        DiskError { kind, ..error }
    }
}

/// The end of a relative path's ancestors is the working directory.
#[cfg(target_os = "linux")]
fn above_or_here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

/// Returns where the system lists a device; nothing for one that is none (major 0), or where there is no such list.
#[cfg(target_os = "linux")]
fn entry_of(device: u64) -> Option<std::path::PathBuf> {
    let list = Path::new("/sys/dev/block");
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    (major != 0 && stands(list)).then(|| list.join(format!("{major}:{minor}")))
}

/// Finds the name under which the system lists the file system of a device.
#[cfg(target_os = "linux")]
fn volume_id_of(device: u64) -> Option<String> {
    use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let list = rustix::fs::openat(CWD, "/dev/disk/by-uuid", flags, Mode::empty()).ok()?;
    let is_it = |name: &std::ffi::CStr| {
        rustix::fs::statat(&list, name, AtFlags::empty()).is_ok_and(|stat| stat.st_rdev == device)
    };
    let names = Dir::read_from(&list).ok()?.filter_map(Result::ok);
    let found = names.map(|entry| entry.file_name().to_owned()).find(|name| is_it(name))?;
    found.into_string().ok()
}

#[cfg(target_os = "linux")]
fn stands(path: &Path) -> bool {
    !matches!(rustix::fs::stat(path), Err(rustix::io::Errno::NOENT))
}

/// The entry is a link to the device's place in the tree of all devices, which names the buses on the way.
#[cfg(target_os = "linux")]
fn is_on_a_plug(entry: &Path) -> bool {
    let place = rustix::fs::readlink(entry, Vec::new()).unwrap_or_default();
    place.to_bytes().split(|&byte| byte == b'/').any(|part| part.starts_with(b"usb") || part.starts_with(b"mmc"))
}

#[cfg(test)]
mod tests;
