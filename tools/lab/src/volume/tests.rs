//! Images that Linux 6.1 made, read as it lists them; and images that no driver would make.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;

mod build;
mod exfat_damage;
mod fat_damage;

/// Images of 4 MiB with long names, nested and emptied directories, files in pieces; and what `find` and `sha256sum`
/// said of them in the kernel that made them.
const MADE_BY_LINUX: [(&[u8], &str); 2] = [
    (include_bytes!("../../data/fat32.img.zst"), include_str!("../../data/fat32.sha256")),
    (include_bytes!("../../data/exfat.img.zst"), include_str!("../../data/exfat.sha256")),
];

/// Makes an image of bytes.
pub(super) fn image_of(bytes: &[u8]) -> Image {
    let mut image = Image::new(bytes.len() as u64);
    for (number, page) in bytes.chunks(4096).enumerate().filter(|(_, page)| page.iter().any(|byte| *byte != 0)) {
        image.write_at(number as u64 * 4096, page);
    }
    image
}

/// Opens a volume that must open.
pub(super) fn open(bytes: &[u8]) -> Volume {
    Volume::open(Arc::new(image_of(bytes))).unwrap()
}

/// Reads a whole file.
pub(super) fn read(volume: &Volume, path: &str) -> Result<Vec<u8>, VolumeError> {
    let file = volume.open_file(path)?;
    let mut bytes = vec![1; usize::try_from(file.len_bytes()).unwrap() + 1];
    let count = file.read_at(0, &mut bytes)?;
    bytes.truncate(count);
    Ok(bytes)
}

/// Lists the names of a directory.
pub(super) fn names(volume: &Volume, path: &str) -> Vec<String> {
    volume.list(path).unwrap().into_iter().map(|entry| entry.name).collect()
}

fn unpacked(packed: &[u8]) -> Vec<u8> {
    zstd::decode_all(packed).unwrap()
}

#[test]
fn everything_reads_as_in_the_kernel_that_wrote_it() {
    for (packed, listing) in MADE_BY_LINUX {
        let mut lines: Vec<String> = open(&unpacked(packed))
            .walk()
            .into_iter()
            .filter(|walked| !walked.path.is_empty())
            .map(|walked| match walked.kind.unwrap() {
                WalkedKind::Dir => format!("directory  {}", walked.path),
                WalkedKind::File { sha256, .. } => format!("{sha256}  {}", walked.path),
            })
            .collect();
        lines.sort_by(|a, b| a.split_once("  ").unwrap().1.cmp(b.split_once("  ").unwrap().1));
        assert_eq!(lines, listing.lines().collect::<Vec<_>>());
    }
}

#[test]
fn names_are_found_in_any_case_and_paths_follow_directories_only() {
    for (packed, _) in MADE_BY_LINUX {
        let volume = open(&unpacked(packed));
        assert_eq!(read(&volume, "STORE/head").unwrap(), b"x\n");
        assert_eq!(read(&volume, "/store//ÜNÏCÖDÉ-ŷ€.TXT").is_ok(), volume.kind() == VolumeKind::ExFat);
        assert_eq!(volume.metadata("").unwrap().kind, NodeKind::Dir);
        assert_eq!(volume.metadata("store/HEAD").unwrap(), Metadata { kind: NodeKind::File, len_bytes: 2 });
        assert!(matches!(volume.metadata("store/none"), Err(VolumeError::NotFound { .. })));
        assert!(matches!(volume.metadata("store/HEAD/x"), Err(VolumeError::WrongType { .. })));
        assert!(matches!(volume.open_file("store"), Err(VolumeError::WrongType { .. })));
        assert!(matches!(volume.list("store/HEAD"), Err(VolumeError::WrongType { .. })));
    }
}

#[test]
fn reads_anywhere_give_the_bytes_that_lie_there() {
    for (packed, _) in MADE_BY_LINUX {
        let volume = open(&unpacked(packed));
        let path = "a file written into the holes.bin";
        let whole = read(&volume, path).unwrap();
        let file = volume.open_file(path).unwrap();
        for (offset, len) in [(0, 1), (511, 2), (1023, 4097), (16_999, 1), (3000, 9000)] {
            let mut buffer = vec![0; len];
            assert_eq!(file.read_at(offset as u64, &mut buffer).unwrap(), len);
            assert_eq!(buffer, whole[offset..offset + len]);
        }
        assert_eq!(file.read_at(16_000, &mut [0; 4096]).unwrap(), 1000);
        assert_eq!((file.read_at(17_000, &mut [0]).unwrap(), file.read_at(u64::MAX, &mut [0]).unwrap()), (0, 0));
    }
}

#[test]
fn what_is_no_volume_does_not_open() {
    let zeros = vec![0; 1 << 20];
    let ones = vec![0xFF; 1 << 20];
    for bytes in [&[][..], &[0; 100], &zeros, &ones] {
        let opened = Volume::open(Arc::new(image_of(bytes)));
        assert!(matches!(opened, Err(VolumeError::NotMountable { .. })));
    }
    for (packed, _) in MADE_BY_LINUX {
        let whole = unpacked(packed);
        let boot_alone = Volume::open(Arc::new(image_of(&whole[..512])));
        assert!(matches!(boot_alone, Err(VolumeError::NotMountable { .. })));
    }
}

/// Numbers that look random, the same on each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

#[test]
fn no_damage_makes_a_walk_panic_or_last() {
    let mut numbers = Numbers(7);
    for (packed, _) in MADE_BY_LINUX {
        let sound = unpacked(packed);
        let written: Vec<usize> = (0..sound.len()).filter(|at| sound[*at] != 0).collect();
        let started = Instant::now();
        let mut opened = 0;
        for round in 0..300 {
            let mut bytes = sound.clone();
            for _ in 0..1 + numbers.below(20) {
                // A third goes into the boot sectors, whose numbers decide on everything else.
                let at = if round % 3 == 0 { numbers.below(512) } else { written[numbers.below(written.len())] };
                bytes[at] = u8::try_from(numbers.below(256)).unwrap();
            }
            if let Ok(volume) = Volume::open(Arc::new(image_of(&bytes))) {
                opened += 1;
                assert!(!volume.walk().is_empty());
            }
        }
        assert!(opened > 100, "only {opened} damaged volumes opened");
        assert!(started.elapsed() < Duration::from_secs(120));
    }
}
