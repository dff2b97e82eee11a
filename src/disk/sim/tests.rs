//! That the simulated medium keeps its promises, and that each cruelty it is meant to have shows in some image.

use std::collections::BTreeSet;

use super::*;
use crate::base::StorePath;
use crate::disk::{Disk, DiskErrorKind, LockKind, read_all};

const BUDGET: ImageBudget = ImageBudget { max_images: 2000, seed: 7, tears: 0 };

fn path(text: &str) -> StorePath {
    StorePath::new(text).unwrap()
}

/// Creates a file without any sync.
fn create(disk: &SimDisk, name: &str, bytes: &[u8]) -> Box<dyn crate::disk::WriteFile> {
    let mut file = disk.create_new(&path(name)).unwrap();
    file.append(bytes).unwrap();
    file
}

/// Creates a file that survives.
fn create_synced(disk: &SimDisk, name: &str, bytes: &[u8]) {
    create(disk, name, bytes).sync().unwrap();
    disk.sync_dir(&path(name).parent()).unwrap();
}

/// Returns what each image after the last operation holds under a name.
fn states(disk: &SimDisk, name: &str) -> BTreeSet<Option<Vec<u8>>> {
    disk.crash_images(disk.op_count(), &BUDGET).map(|(_, image)| image.content(name)).collect()
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at % 251).unwrap() | 1).collect()
}

#[test]
fn what_was_synced_survives_in_every_image() {
    for profile in Profile::ALL {
        let disk = SimDisk::new(profile);
        disk.create_dir(&path("dir")).unwrap();
        disk.sync_dir(&StorePath::root()).unwrap();
        create_synced(&disk, "dir/kept", &pattern(3000));
        let since = disk.op_count();
        // Noise of every kind around it.
        create(&disk, "dir/new-file.long", &pattern(2000));
        create_synced(&disk, "other", b"o");
        disk.rename(&path("dir/new-file.long"), &path("other")).unwrap();
        let mut file = disk.append_after(&path("dir/kept"), 3000).unwrap();
        file.append(&pattern(5000)).unwrap();
        let mut images = 0;
        for at in since..=disk.op_count() {
            for (label, image) in disk.crash_images(at, &BUDGET) {
                let kept = image.content("dir/kept").unwrap_or_else(|| panic!("{profile:?} {label}: lost"));
                assert_eq!(kept[..3000], pattern(3000), "{profile:?} {label}");
                assert_eq!(image.op_count(), 0);
                images += 1;
            }
        }
        assert!(images > 20, "{profile:?}: only {images} images");
    }
}

#[test]
fn what_was_not_synced_is_lost_whole_and_cut_in_some_image() {
    for profile in Profile::ALL {
        let disk = SimDisk::new(profile);
        create(&disk, "A", &pattern(2000));
        let states = states(&disk, "A");
        for expected in [None, Some(Vec::new()), Some(pattern(2000)), Some(pattern(512)), Some(pattern(1536))] {
            assert!(states.contains(&expected), "{profile:?}: {:?} is missing", expected.map(|bytes| bytes.len()));
        }
    }
}

#[test]
fn unwritten_space_shows_as_zeros_garbage_and_reordered_sectors() {
    let zeros_after = |keep: usize| {
        move |bytes: &Vec<u8>| {
            bytes.len() == 2000 && bytes[..keep] == pattern(2000)[..keep] && bytes[keep..].iter().all(|&b| b == 0)
        }
    };
    let has = |profile: Profile, test: &dyn Fn(&Vec<u8>) -> bool| {
        let disk = SimDisk::new(profile);
        create(&disk, "A", &pattern(2000));
        states(&disk, "A").iter().flatten().any(test)
    };
    for profile in Profile::ALL {
        assert_eq!(has(profile, &zeros_after(0)), profile != Profile::Ext4, "{profile:?}");
        assert_eq!(has(profile, &zeros_after(512)), profile != Profile::Ext4, "{profile:?}");
        let reordered = |b: &Vec<u8>| b.len() == 2000 && b[..512] == [0; 512] && b[512..] == pattern(2000)[512..];
        assert_eq!(has(profile, &reordered), !profile.journaled(), "{profile:?}");
        let garbage = |b: &Vec<u8>| b.len() == 2000 && b[..512] != [0; 512] && b[..512] != pattern(512);
        assert_eq!(has(profile, &garbage), !profile.journaled(), "{profile:?}");
    }
}

#[test]
fn a_cut_off_tail_may_come_back_or_be_written_over() {
    let disk = SimDisk::new(Profile::Fat32);
    create_synced(&disk, "A", &[1; 3000]);
    disk.append_after(&path("A"), 1000).unwrap().append(&[2; 500]).unwrap();
    let states = states(&disk, "A");
    let overlaid: Vec<u8> = [vec![1; 1000], vec![2; 500], vec![1; 1500]].concat();
    for expected in [vec![1; 3000], vec![1; 1000], [vec![1; 1000], vec![2; 500]].concat(), overlaid] {
        assert!(states.contains(&Some(expected)));
    }
    assert!(states.iter().flatten().all(|bytes| bytes[..1000] == [1; 1000]), "kept bytes stay");
}

#[test]
fn a_rename_over_a_file_tears_on_fat_until_the_directory_is_synced() {
    for profile in Profile::ALL {
        let disk = SimDisk::new(profile);
        create_synced(&disk, "HEAD", b"old");
        create_synced(&disk, "HEAD.NEW", b"new!");
        disk.rename(&path("HEAD.NEW"), &path("HEAD")).unwrap();
        // While the directory is being synced it is as torn as before.
        disk.sync_dir(&StorePath::root()).unwrap();
        let both: BTreeSet<_> = disk
            .crash_images(disk.op_count() - 1, &BUDGET)
            .map(|(_, image)| (image.content("HEAD"), image.content("HEAD.NEW")))
            .collect();
        let (old, new) = (Some(b"old".to_vec()), Some(b"new!".to_vec()));
        if profile.journaled() {
            assert_eq!(both, BTreeSet::from([(old, new.clone()), (new.clone(), None)]), "{profile:?}");
        } else {
            for head in [old, new.clone(), None, Some(Vec::new())] {
                assert!(both.contains(&(head.clone(), None)), "{profile:?} {head:?} without the new name");
                assert!(both.contains(&(head.clone(), new.clone())), "{profile:?} {head:?} with the new name");
            }
            assert!(both.iter().any(|(head, _)| head.as_ref().is_some_and(|h| h.len() == 512)), "{profile:?}: corrupt");
        }
        assert_eq!(states(&disk, "HEAD"), BTreeSet::from([new]), "{profile:?}: durable after the sync");
    }
}

#[test]
fn a_renamed_file_may_show_before_its_bytes() {
    for profile in Profile::ALL {
        let disk = SimDisk::new(profile);
        create_synced(&disk, "HEAD", b"old");
        create(&disk, "TEMP", &pattern(1000));
        disk.rename(&path("TEMP"), &path("HEAD")).unwrap();
        assert!(states(&disk, "HEAD").contains(&Some(Vec::new())), "{profile:?}");
    }
    let disk = SimDisk::new(Profile::Fat32);
    create_synced(&disk, "TEMP", b"synced");
    disk.rename(&path("TEMP"), &path("FRESH")).unwrap();
    let states = states(&disk, "FRESH");
    assert!(states.contains(&None) && states.contains(&Some(Vec::new())), "acknowledged files empty or missing");
}

#[test]
fn a_journal_keeps_the_order_of_names_and_fat_does_not() {
    for profile in Profile::ALL {
        let disk = SimDisk::new(profile);
        create(&disk, "A", b"").sync().unwrap();
        create(&disk, "B", b"");
        let mut images = disk.crash_images(disk.op_count(), &BUDGET);
        let second_alone = images.any(|(_, image)| image.content("A").is_none() && image.content("B").is_some());
        assert_eq!(second_alone, profile == Profile::ExFat, "{profile:?}");
    }
}

#[test]
fn a_long_name_may_come_back_short() {
    for profile in [Profile::ExFat, Profile::Fat32] {
        let disk = SimDisk::new(profile);
        create(&disk, "pack.tmp", b"x").sync().unwrap();
        create(&disk, "long-name.text", b"y").sync().unwrap();
        let images: Vec<_> = disk.crash_images(disk.op_count(), &BUDGET).map(|(_, image)| image.paths()).collect();
        let shows = |name: &str| images.iter().any(|paths| paths.iter().any(|path| path == name));
        assert!(shows("PACK.TMP") && shows("pack.tmp") && shows("long-name.text"), "{profile:?} {images:?}");
        assert!(shows("LONG-N~1.TEX"), "{profile:?} {images:?}");
        if profile == Profile::Fat32 {
            assert!(states(&disk, "pack.tmp").iter().all(Option::is_some), "the short entry is durable");
        }
        disk.sync_dir(&StorePath::root()).unwrap();
        let images: Vec<_> = disk.crash_images(disk.op_count(), &BUDGET).collect();
        assert!(images.iter().all(|(_, image)| image.paths() == ["long-name.text", "pack.tmp"]), "{profile:?}");
    }
}

#[test]
fn removed_files_and_unsynced_directories_come_and_go() {
    for profile in Profile::ALL {
        let disk = SimDisk::new(profile);
        create_synced(&disk, "A", b"a");
        disk.remove(&path("A")).unwrap();
        disk.create_dir(&path("D")).unwrap();
        create_synced(&disk, "D/F", b"f");
        let a = states(&disk, "A");
        assert!(a.contains(&None), "{profile:?}");
        // The journal took the older removal along with the directory that was synced.
        assert_eq!(a.contains(&Some(b"a".to_vec())), !profile.journaled(), "{profile:?}");
        assert_eq!(states(&disk, "D/F").contains(&None), !profile.journaled(), "{profile:?}: with its directory");
        disk.sync_dir(&StorePath::root()).unwrap();
        assert_eq!(states(&disk, "A"), BTreeSet::from([None]), "{profile:?}");
        assert_eq!(states(&disk, "D/F"), BTreeSet::from([Some(b"f".to_vec())]), "{profile:?}");
    }
}

#[test]
fn images_are_deterministic_bounded_and_hold_the_extremes() {
    let disk = SimDisk::new(Profile::Fat32);
    for number in 0..30 {
        create(&disk, &format!("F{number}"), &pattern(1500));
    }
    let run = |seed| -> Vec<(String, Vec<Option<Vec<u8>>>)> {
        let budget = ImageBudget { max_images: 300, seed, tears: 0 };
        let show = |(label, image): (ImageLabel, SimDisk)| {
            (label.to_string(), (0..30).map(|number| image.content(&format!("F{number}"))).collect())
        };
        disk.crash_images(disk.op_count(), &budget).map(show).collect()
    };
    let (one, two) = (run(1), run(1));
    assert_eq!(one.len(), 300);
    assert_eq!(one, two);
    assert_ne!(one, run(2));
    assert!(one.iter().any(|(_, files)| files.iter().all(Option::is_none)), "nothing persisted");
    assert!(one.iter().any(|(_, files)| files.iter().all(|f| f.as_deref() == Some(&pattern(1500)))), "everything");
}

#[test]
fn drawn_tears_give_other_images_of_whole_sectors_and_keep_what_was_synced() {
    for profile in Profile::ALL {
        let disk = SimDisk::new(profile);
        create_synced(&disk, "A", &pattern(700));
        disk.append_after(&path("A"), 700).unwrap().append(&pattern(9000)).unwrap();
        let whole = disk.content("A").unwrap();
        let run = |seed, tears| -> BTreeSet<Vec<u8>> {
            let budget = ImageBudget { max_images: 2000, seed, tears };
            disk.crash_images(disk.op_count(), &budget).map(|(_, image)| image.content("A").unwrap()).collect()
        };
        let (plain, torn) = (run(2, 0), run(2, 3));
        assert!(torn.is_superset(&plain) && torn.len() > plain.len(), "{profile:?}");
        assert_eq!(torn, run(2, 3), "{profile:?}");
        assert_ne!(torn, run(3, 3), "{profile:?}");
        for bytes in torn.difference(&plain) {
            assert_eq!(bytes[..700], whole[..700], "{profile:?}");
            let same = |(at, sector): (usize, &[u8])| sector == &whole[at * 512..at * 512 + sector.len()];
            // The sector that was synced in part keeps that part; of each other one all or nothing is there.
            let lost = bytes.chunks(512).enumerate().skip(2).filter(|sector| !same(*sector));
            assert!(lost.clone().count() > 0 || bytes.len() < whole.len() && bytes.len() % 512 == 0, "{profile:?}");
            assert!(lost.clone().count() == 0 || profile != Profile::Ext4, "{profile:?}: only a length may be lost");
        }
    }
}

#[test]
fn equal_fingerprints_are_equal_media() {
    let make = |name: &str, bytes: &[u8]| {
        let disk = SimDisk::new(Profile::Fat32);
        create_synced(&disk, name, bytes);
        disk.fingerprint()
    };
    assert_eq!(make("A", b"a"), make("A", b"a"));
    assert_ne!(make("A", b"a"), make("A", b"b"));
    assert_ne!(make("A", b"a"), make("a", b"a"), "names as they are shown");
    assert_ne!(make("A", b"a"), make("B", b"a"));
    let disk = SimDisk::new(Profile::Fat32);
    let mut file = create(&disk, "A", b"a");
    assert_eq!(disk.content_hash("A"), Some(blake3::hash(b"a")));
    file.append(b"b").unwrap();
    assert_eq!(disk.content_hash("A"), Some(blake3::hash(b"ab")), "a hash is of what is there now");
    assert_eq!(disk.content_hash("B"), None);
}

#[test]
fn checkpoints_do_not_change_what_a_cut_leaves() {
    let disk = SimDisk::new(Profile::Fat32);
    for number in 0..900 {
        create_synced(&disk, &format!("F{number}"), &[u8::try_from(number % 256).unwrap(); 600]);
    }
    let without = disk.snapshot();
    without.state().checkpoints.clear();
    assert!(!disk.state().checkpoints.is_empty());
    for at in [0, 1, 63, 64, 65, 129, 2000, 3599, 3600] {
        let show = |disk: &SimDisk| -> Vec<_> {
            disk.crash_images(at, &BUDGET).map(|(label, image)| (label.to_string(), image.paths())).collect()
        };
        assert_eq!(show(&disk), show(&without), "cut at {at}");
    }
}

#[test]
fn the_nth_call_fails_once_and_a_failed_append_leaves_a_part() {
    let disk = SimDisk::new(Profile::Ext4);
    disk.fail_nth_call(1, FaultKind::Io);
    let mut file = disk.create_new(&path("A")).unwrap();
    assert_eq!(file.append(&[1; 100]).unwrap_err().kind, DiskErrorKind::Io);
    assert_eq!(disk.content("A").unwrap(), [1; 50]);
    assert!(file.sync().is_err(), "a failed file stays failed");
    disk.fail_nth_call(disk.call_count(), FaultKind::NoSpace);
    assert_eq!(disk.create_new(&path("B")).err().unwrap().kind, DiskErrorKind::NoSpace);
    disk.create_new(&path("B")).unwrap();
    disk.fail_nth_call(disk.call_count(), FaultKind::IoDone);
    assert_eq!(disk.rename(&path("B"), &path("C")).unwrap_err().kind, DiskErrorKind::Io);
    assert_eq!(disk.paths(), ["A", "C"], "it was done all the same");
}

#[test]
fn after_a_failed_sync_no_later_sync_saves_the_bytes() {
    let disk = SimDisk::new(Profile::Ext4);
    create_synced(&disk, "A", b"kept");
    let mut file = disk.append_after(&path("A"), 4).unwrap();
    file.append(b" lost").unwrap();
    disk.fail_nth_call(disk.call_count(), FaultKind::Io);
    assert!(file.sync().is_err());
    disk.append_after(&path("A"), 9).unwrap().sync().unwrap();
    assert!(states(&disk, "A").contains(&Some(b"kept".to_vec())));
}

#[test]
fn a_full_medium_takes_what_fits() {
    let disk = SimDisk::new(Profile::Fat32);
    disk.set_capacity_bytes(Some(100));
    let mut file = create(&disk, "A", &[1; 80]);
    assert_eq!(disk.free_bytes().unwrap(), 20);
    assert_eq!(file.append(&[2; 30]).unwrap_err().kind, DiskErrorKind::NoSpace);
    assert_eq!(disk.content("A").unwrap().len(), 100);
    disk.remove(&path("A")).unwrap();
    assert_eq!(disk.free_bytes().unwrap(), 100);
}

#[test]
fn a_key_that_is_pulled_out_lies() {
    let disk = SimDisk::new(Profile::Fat32);
    create_synced(&disk, "A", b"durable");
    let reader = disk.open(&path("A")).unwrap();
    let mut file = create(&disk, "B", b"unsynced");
    disk.fail_nth_call(disk.call_count(), FaultKind::Gone);
    file.append(b"nowhere").unwrap();
    assert!(disk.list(&StorePath::root()).unwrap().is_empty());
    assert_eq!(disk.metadata(&path("A")).unwrap(), None);
    assert_eq!(disk.open(&path("A")).err().unwrap().kind, DiskErrorKind::NotFound);
    assert_eq!(file.sync().unwrap_err().kind, DiskErrorKind::Gone);
    assert_eq!(disk.sync_dir(&StorePath::root()).unwrap_err().kind, DiskErrorKind::Gone);
    assert_eq!(reader.read_at(0, &mut [0; 4]).unwrap_err().kind, DiskErrorKind::Gone);
    let back = disk.plug_back();
    assert_eq!(read_all(&back, &path("A"), 100).unwrap().unwrap(), b"durable");
    assert_eq!(back.content("B"), None);
    assert!(disk.list(&StorePath::root()).unwrap().is_empty(), "the old handle stays gone");
}

#[test]
fn damage_is_durable_and_open_readers_see_it() {
    let disk = SimDisk::new(Profile::ExFat);
    disk.put("packs/ab/x", b"good");
    let copy = disk.snapshot();
    let reader = disk.open(&path("packs/ab/x")).unwrap();
    assert!(disk.corrupt("packs/ab/x", |bytes| bytes[0] ^= 1));
    assert!(!disk.corrupt("none", |_| {}));
    let mut buffer = [0; 4];
    reader.read_at(0, &mut buffer).unwrap();
    assert_eq!(&buffer, b"food", "an open reader sees the flipped bit");
    assert_eq!(states(&disk, "packs/ab/x"), BTreeSet::from([Some(buffer.to_vec())]));
    assert_eq!(copy.content("packs/ab/x").unwrap(), b"good", "a snapshot is independent");
    assert!(disk.wipe("packs/ab/x"));
    assert!(disk.paths().is_empty());
}

#[test]
fn settled_keeps_the_content_and_counts_tell_the_calls() {
    let disk = SimDisk::new(Profile::Ntfs);
    create(&disk, "A", &pattern(700));
    let settled = disk.settled();
    assert_eq!(states(&settled, "A"), BTreeSet::from([Some(pattern(700))]));
    let counts = disk.counts();
    assert_eq!((counts.creates, counts.appends, counts.bytes_written, counts.syncs), (1, 1, 700, 0));
    assert_eq!(disk.call_count(), 2);
    let lock = disk.create_new(&path("L")).and_then(|_| disk.lock(&path("L"), LockKind::Exclusive)).unwrap();
    assert!(lock.is_some() && disk.clone().lock(&path("L"), LockKind::Shared).unwrap().is_none());
}

#[test]
fn a_worn_sector_fails_until_its_file_is_made_anew() {
    let disk = SimDisk::new(Profile::Fat32);
    disk.put("packs/AB/X", &pattern(1500));
    assert!(disk.wear_out("packs/AB/X", 700) && disk.wear_out("packs", 0) && !disk.wear_out("none", 0));
    let kind = |at, len| {
        let read = disk.open(&path("packs/AB/X")).unwrap().read_at(at, &mut vec![0; len]);
        read.map_err(|error| error.kind)
    };
    assert_eq!((kind(0, 512), kind(1024, 600)), (Ok(512), Ok(476)));
    assert_eq!((kind(0, 513), kind(900, 1)), (Err(DiskErrorKind::Io), Err(DiskErrorKind::Io)));
    assert_eq!(disk.list(&path("packs")).unwrap_err().kind, DiskErrorKind::Io);
    assert_eq!(disk.list(&path("packs/AB")).unwrap().len(), 1);
    disk.remove(&path("packs/AB/X")).unwrap();
    create(&disk, "packs/AB/X", &pattern(1500));
    assert_eq!(kind(0, 1500), Ok(1500));
    assert!(disk.wipe("packs"));
    assert!(disk.metadata(&path("packs/AB")).unwrap().is_none() && disk.paths().is_empty());
}
