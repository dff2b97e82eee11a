//! What a manifest lists arrives whatever its kind, and nothing else is believed.

use super::*;
use crate::base::clock::FixedClock;
use crate::base::monitor::SilentMonitor;
use crate::base::random::SeededRandom;
use crate::base::{FileHash, Timestamp};
use crate::disk::SimDisk;
use crate::disk::sim::Profile;
use crate::format::manifest::FileKind;
use crate::ops::Run;
use crate::ops::transfer::Meter;
use crate::remote::mem::{Fault, MemRemote, Rule};

fn file(kind: u16, bytes: &[u8]) -> FileRef {
    let hash = FileHash(*blake3::hash(bytes).as_bytes());
    FileRef { kind: FileKind(kind), len_bytes: bytes.len() as u32, hash }
}

/// A disk with the directory, a remote with three files, and their references.
fn scene() -> (SimDisk, MemRemote, Vec<FileRef>) {
    let (disk, remote) = (SimDisk::new(Profile::Fat32), MemRemote::new());
    disk.create_dir(&layout::manifests()).unwrap();
    let contents = [(1, &b"an order"[..]), (3, b"a state"), (4711, b"of a later version")];
    let files = contents.map(|(kind, bytes)| {
        let file = file(kind, bytes);
        remote.plant(&layout::carried_file(&file.hash), bytes);
        file
    });
    (disk, remote, files.to_vec())
}

fn fetch(disk: &SimDisk, remote: &MemRemote, missing: &[FileRef]) -> Result<(), TransferError> {
    let (clock, random) = (FixedClock::new(Timestamp(0)), SeededRandom::new(1));
    let (meter, monitor) = (Meter::default(), SilentMonitor);
    let run = Run { clock: &clock, random: &random, monitor: &monitor };
    bring_files(disk, missing, false, &mut [Caller::new(remote, run, &meter)])
}

#[test]
fn every_kind_is_fetched_once_and_damage_is_mended() {
    let (disk, remote, files) = scene();
    assert_eq!(missing_files(&disk, &files), files);
    fetch(&disk, &remote, &files).unwrap();
    assert_eq!(missing_files(&disk, &files), []);
    assert_eq!(read_file(&disk, &files[2]).unwrap(), b"of a later version");
    assert_eq!(read_file(&disk, &FileRef { len_bytes: 7, ..files[2] }), None);
    let damaged = layout::carried_file(&files[1].hash);
    assert!(disk.corrupt(damaged.as_str(), |bytes| bytes[0] ^= 1));
    assert_eq!(missing_files(&disk, &files), [files[1]]);
    fetch(&disk, &remote, &[files[1]]).unwrap();
    assert_eq!(disk.content(damaged.as_str()).unwrap(), b"a state");
    remote.reset_counts();
    fetch(&disk, &remote, &missing_files(&disk, &files)).unwrap();
    assert_eq!(remote.counts().connects, 0);
}

#[test]
fn a_file_that_is_gone_or_another_is_not_taken() {
    let (disk, remote, files) = scene();
    let path = layout::carried_file(&files[0].hash);
    remote.script(Rule::always(Fault::FlipBit { offset: 0 }).at(&path));
    assert!(matches!(fetch(&disk, &remote, &files[..1]), Err(TransferError::Failed(_))));
    remote.heal();
    let other_length = FileRef { len_bytes: 7, ..files[0] };
    assert!(matches!(fetch(&disk, &remote, &[other_length]), Err(TransferError::Failed(_))));
    remote.uproot(&path);
    assert!(matches!(fetch(&disk, &remote, &files[..1]), Err(TransferError::Vanished(_))));
    assert_eq!(disk.content(path.as_str()), None);
}
