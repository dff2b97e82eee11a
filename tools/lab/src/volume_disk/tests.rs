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
fn a_damaged_name_does_not_cost_its_neighbours() {
    let disk = opened(IMAGES[0], |bytes| {
        // The first cluster of `packs` lies beyond the volume.
        let whole = bytes.clone();
        let entry = whole.windows(12).position(|entry| entry == b"PACKS      \x10").unwrap();
        bytes[entry + 20..entry + 22].fill(0xff);
    });
    let names = disk.list(&StorePath::root()).unwrap();
    let kinds: Vec<_> = names.iter().map(|(name, metadata)| (name.as_str(), metadata.kind)).collect();
    assert!(
        kinds.contains(&("packs", DiskFileKind::Other)) && kinds.contains(&("HEAD", DiskFileKind::File)),
        "{kinds:?}"
    );
}
