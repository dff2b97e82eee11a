//! [`Medium`]: the file systems that a key may have, one line each.

use std::path::Path;
use std::process::Command;

use crate::error::{LabError, Result};

/// How the guest mounts a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// The kernel's driver, by its name.
    Kernel(&'static str),
    /// A program in user space, by its name; setup puts it into the guest.
    Program(&'static str),
}

/// A file system on a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Medium {
    /// Its name on the command line.
    pub name: &'static str,
    /// The command that makes it, without the image.
    pub mkfs: &'static [&'static str],
    /// What mounts it.
    pub driver: Driver,
    /// What follows `-o` when it is mounted; empty for the defaults.
    pub options: &'static str,
    /// What mends it before it is mounted once more, where a cut left it so that it does not mount; empty where nothing has to.
    pub repair: &'static str,
    /// The size of the file system.
    pub volume_bytes: u64,
}

const fn medium(
    name: &'static str,
    mkfs: &'static [&'static str],
    (driver, options): (Driver, &'static str),
    volume_mib: u64,
) -> Medium {
    let repair = match driver {
        Driver::Kernel(_) => "",
        Driver::Program(_) => "ntfsfix",
    };
    Medium { name, mkfs, driver, options, repair, volume_bytes: volume_mib << 20 }
}

const VFAT: Driver = Driver::Kernel("vfat");
const FAT: &[&str] = &["mkfs.vfat", "-F", "32", "-s", "1"];
const FAT_4K: &[&str] = &["mkfs.vfat", "-F", "32", "-s", "8"];
const EXT4: &[&str] = &["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"];

/// Every medium. Desktops mount vfat with `flush`.
///
/// # Durability
/// NTFS-3G answers an `fsync`, of a file or a directory, by one of the whole device, unless nothing was written since the
/// last; so the key is flushed as with the kernel's drivers. But it keeps no journal: a cut within a change leaves a mirror
/// that differs from the file table, or a directory that cannot be listed, until the volume is repaired.
pub const MEDIA: &[Medium] = &[
    medium("vfat", FAT, (VFAT, ""), 64),
    medium("vfat-flush", FAT, (VFAT, "flush"), 64),
    medium("vfat-4k", FAT_4K, (VFAT, ""), 320),
    medium("exfat", &["mkfs.exfat"], (Driver::Kernel("exfat"), ""), 64),
    medium("ntfs", &["mkfs.ntfs", "-Q", "-q", "-F"], (Driver::Program("ntfs-3g"), ""), 64),
    medium("ext4", EXT4, (Driver::Kernel("ext4"), ""), 64),
];

/// Space behind the file system, where the marks are written.
pub const MARKS_BYTES: u64 = 1 << 20;

impl Medium {
    /// Finds a medium by name.
    ///
    /// # Errors
    /// When there is none; it lists those that are.
    pub fn named(name: &str) -> Result<&'static Self> {
        MEDIA.iter().find(|medium| medium.name == name).ok_or_else(|| {
            let names: Vec<_> = MEDIA.iter().map(|medium| medium.name).collect();
            LabError::new(format!("there is no medium {name}; there are {}", names.join(", ")))
        })
    }

    /// Makes an image file that holds a fresh file system and, behind it, the space for marks.
    ///
    /// # Errors
    /// When the image cannot be written or the tool is missing or fails.
    pub fn format(&self, image: &Path) -> Result<()> {
        let failed = |error| LabError::because(format!("cannot write {}", image.display()), error);
        let file = std::fs::File::create(image).map_err(failed)?;
        file.set_len(self.volume_bytes).map_err(failed)?;
        let output = Command::new(self.mkfs[0]).args(&self.mkfs[1..]).arg(image).output().map_err(|error| {
            let tool = self.mkfs[0];
            LabError::because(
                format!("cannot start {tool} for {}; `cargo xtask lab setup` installs it", self.name),
                error,
            )
        })?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(LabError::new(format!("{} failed on {}: {said}", self.mkfs.join(" "), image.display())));
        }
        file.set_len(self.device_bytes()).map_err(failed)
    }

    /// Returns the size of the whole key.
    #[must_use]
    pub fn device_bytes(&self) -> u64 {
        self.volume_bytes + MARKS_BYTES
    }

    /// Returns the guest's command that succeeds where what mounts it is there.
    #[must_use]
    pub fn driver_command(&self) -> String {
        match self.driver {
            Driver::Kernel(fs_type) => format!("grep -qw {fs_type} /proc/filesystems"),
            Driver::Program(program) => format!("command -v {program}"),
        }
    }

    /// Returns the guest's command that mounts a block device.
    #[must_use]
    pub fn mount_command(&self, device: &str, at: &str) -> String {
        let options = if self.options.is_empty() { String::new() } else { format!("-o {} ", self.options) };
        let mount = match self.driver {
            Driver::Kernel(fs_type) => format!("mount -t {fs_type}"),
            Driver::Program(program) => program.to_owned(),
        };
        format!("mkdir -p {at} && {mount} {options}{device} {at}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_medium_is_found_by_name_and_mounted_with_its_options() {
        let flush = Medium::named("vfat-flush").unwrap();
        assert_eq!(
            flush.mount_command("/dev/sda", "/mnt/k"),
            "mkdir -p /mnt/k && mount -t vfat -o flush /dev/sda /mnt/k"
        );
        let plain = Medium::named("exfat").unwrap();
        assert_eq!(plain.mount_command("/dev/sdb", "/m"), "mkdir -p /m && mount -t exfat /dev/sdb /m");
        let ntfs = Medium::named("ntfs").unwrap();
        assert_eq!(ntfs.mount_command("/dev/sda", "/m"), "mkdir -p /m && ntfs-3g /dev/sda /m");
        assert_eq!(plain.device_bytes(), (64 << 20) + MARKS_BYTES);
        let error = Medium::named("zfs").unwrap_err().to_string();
        assert!(MEDIA.iter().all(|medium| error.contains(medium.name)), "{error}");
    }

    #[test]
    fn names_are_distinct_and_fat32_has_clusters_enough() {
        for (at, medium) in MEDIA.iter().enumerate() {
            assert!(MEDIA[..at].iter().all(|other| other.name != medium.name), "{} twice", medium.name);
        }
        // Below 65,525 clusters a volume is FAT16 by Microsoft's rule, whatever mkfs was told.
        assert!(Medium::named("vfat-4k").unwrap().volume_bytes / 4096 > 65_525);
        assert!(Medium::named("vfat").unwrap().volume_bytes / 512 > 65_525);
    }

    #[test]
    fn a_tool_that_is_not_there_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let medium = Medium { mkfs: &["mkfs.of-no-one"], ..MEDIA[0] };
        let error = medium.format(&dir.path().join("image")).unwrap_err().to_string();
        assert!(error.contains("mkfs.of-no-one") && error.contains("lab setup"), "{error}");
    }
}
