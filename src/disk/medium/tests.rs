//! The device of a path that stands, of one that does not, and of one that is gone.

use super::*;

#[test]
fn the_device_of_the_working_directory_is_there_by_whatever_path() {
    for path in ["/", ".", "", "no/such/dir", "/no/such/dir"] {
        assert!(!Medium::below(Path::new(path)).is_gone(), "{path:?}");
    }
}

// U9 U22
#[cfg(target_os = "linux")]
#[test]
fn an_error_on_a_device_that_left_the_list_is_one_of_the_medium() {
    let error = |kind| DiskError::of(kind, "open", "HEAD", "test");
    // No driver owns this number, so the device is never there.
    let gone = Medium { entry: Some("/sys/dev/block/4095:1048575".into()) };
    for kind in [DiskErrorKind::NotFound, DiskErrorKind::Io, DiskErrorKind::ReadOnly, DiskErrorKind::Gone] {
        assert_eq!(gone.judge(error(kind)).kind, DiskErrorKind::Gone, "{kind:?}");
        assert_eq!(Medium::default().judge(error(kind)).kind, kind);
    }
    assert_eq!(entry_of(rustix::fs::makedev(0, 40)), None, "a file system on no device");
    let listed = entry_of(rustix::fs::makedev(8, 1)).is_none_or(|entry| entry.ends_with("8:1"));
    assert!(listed);
}

#[cfg(target_os = "linux")]
#[test]
fn a_device_behind_a_usb_bus_or_a_card_reader_can_be_pulled() {
    let dir = tempfile::tempdir().unwrap();
    for (name, place, expected) in [
        ("8:0", "../../devices/pci0000:00/0000:00:02.0/usb2/2-1/2-1:1.0/host0/target0:0:0/0:0:0:0/block/sda", true),
        ("179:1", "../../devices/platform/soc/mmc_host/mmc0/mmc0:0001/block/mmcblk0/mmcblk0p1", true),
        ("259:0", "../../devices/pci0000:00/0000:00:04.0/nvme/nvme0/nvme0n1", false),
    ] {
        let entry = dir.path().join(name);
        std::os::unix::fs::symlink(place, &entry).unwrap();
        assert_eq!(Medium { entry: Some(entry) }.is_pluggable(), expected, "{place}");
    }
    assert!(!Medium::default().is_pluggable());
}
