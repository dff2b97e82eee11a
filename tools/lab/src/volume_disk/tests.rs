//! A store's folder in images that Linux made.

use chunkstore::disk::read_all;

use super::*;
use crate::image::Image;

const IMAGES: [&[u8]; 2] = [include_bytes!("../../data/fat32.img.zst"), include_bytes!("../../data/exfat.img.zst")];

fn path(text: &str) -> StorePath {
    StorePath::new(text).unwrap()
}

fn opened(packed: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> VolumeDisk {
    let mut bytes = zstd::decode_all(packed).unwrap();
    change(&mut bytes);
    let mut image = Image::new(bytes.len() as u64);
    image.write_at(0, &bytes);
    VolumeDisk::new(Volume::open(Arc::new(image)).unwrap(), "store")
}

#[test]
fn the_folder_reads_as_a_store_and_takes_no_write() {
    for packed in IMAGES {
        let disk = opened(packed, |_| ());
        assert_eq!(read_all(&disk, &path("HEAD"), 10).unwrap().unwrap(), b"x\n");
        assert!(disk.metadata(&path("none")).unwrap().is_none());
        let names: Vec<String> = disk.list(&StorePath::root()).unwrap().into_iter().map(|(name, _)| name).collect();
        // The other names there are outside a store's grammar.
        assert_eq!(names, ["HEAD", "config.toml", "deep", "empty", "packs"]);
        assert_eq!(disk.list(&path("packs")).unwrap().len(), 15);
        assert!(disk.lock(&path("HEAD"), LockKind::Exclusive).unwrap().is_some());
        let missing = disk.lock(&path("lock"), LockKind::Shared).map(|_| ()).unwrap_err();
        let refused = disk.create_new(&path("new")).map(|_| ()).unwrap_err();
        assert_eq!((missing.kind, refused.kind), (DiskErrorKind::NotFound, DiskErrorKind::ReadOnly));
        assert!(disk.capabilities().read_only && !disk.capabilities().atomic_replace);
        let elsewhere = VolumeDisk { volume: disk.volume, root: "nowhere".to_owned() };
        assert_eq!(elsewhere.list(&StorePath::root()).unwrap_err().kind, DiskErrorKind::NotFound);
    }
}

#[test]
fn a_copy_holds_what_the_folder_holds_and_can_be_written() {
    for packed in IMAGES {
        let disk = opened(packed, |_| ());
        let loaded = load(&disk);
        assert!(loaded.unread.is_empty());
        let pack = "packs/01/0123456789abcdef0123456789abcdef";
        let whole = read_all(&disk, &path(pack), 1 << 20).unwrap().unwrap();
        assert_eq!((whole.len(), loaded.disk.content(pack)), (81_920, Some(whole)));
        assert_eq!(loaded.disk.paths(), ["HEAD", "config.toml", "empty", pack]);
        assert_eq!(loaded.disk.list(&path("packs")).unwrap().len(), 15);
        assert_eq!(loaded.disk.op_count(), 0);
        loaded.disk.create_new(&path("new")).unwrap().append(b"new").unwrap();
    }
}

#[test]
fn a_copy_keeps_the_beginning_of_a_file_that_breaks_off() {
    let disk = opened(IMAGES[0], |bytes| {
        // The links of this volume's table that lie in the middle of the pack's chain are freed.
        let whole = bytes.clone();
        let entry = whole.windows(32).position(|entry| entry[11] == 0x20 && entry[28..] == 81_920_u32.to_le_bytes());
        let first = usize::from(u16::from_le_bytes([whole[entry.unwrap() + 26], whole[entry.unwrap() + 27]]));
        let table = usize::from(u16::from_le_bytes([whole[14], whole[15]])) * 512;
        bytes[table + (first + 40) * 4..table + (first + 44) * 4].fill(0);
    });
    let loaded = load(&disk);
    assert_eq!(loaded.unread.len(), 1, "{:?}", loaded.unread);
    assert_eq!(loaded.disk.content("packs/01/0123456789abcdef0123456789abcdef").unwrap().len(), 20_480);
}
