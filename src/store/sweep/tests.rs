//! Only names that this program makes are looked at, and what is not known is not garbage.

use super::*;
use crate::disk::SimDisk;
use crate::disk::sim::Profile;

fn with_files(paths: &[&str]) -> SimDisk {
    let disk = SimDisk::new(Profile::Ext4);
    for path in paths {
        let path = StorePath::new(path).unwrap();
        let mut dirs = vec![path.parent()];
        while let Some(above) = dirs.last().map(StorePath::parent).filter(|above| *above != StorePath::root()) {
            dirs.push(above);
        }
        dirs.iter().rev().for_each(|dir| disk.create_dir(dir).unwrap());
        disk.create_new(&path).unwrap().append(b"some bytes").unwrap();
    }
    disk
}

#[test]
fn foreign_names_are_never_listed() {
    let ours =
        ["keys/00000001/0A0B0C0D.age", "manifests/ABABABAB.ABA", "packs/00/01234567.89A", "packs/FF/FFFFFFFF.FFF"];
    let foreign = [
        "manifests/ABABABAB.ABG",
        "manifests/abababab.aba",
        "manifests/README.txt",
        "packs/0/01234567.89A",
        "packs/00/01234567.89AB",
        "packs/00/ABABABAB",
        "packs/01234567.89A",
        "keys/1/0A0B0C0D.age",
        "keys/00000001/0A0B0C0D.key",
        "keys/00000001/0a0b0c0d.age",
        "heads/00000001",
        "trust/1",
        "HEAD",
    ];
    let mut found = list_standing(&with_files(&[&ours[..], &foreign[..]].concat())).unwrap();
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert_eq!(found.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), ours);
    assert!(found.iter().all(|file| file.len_bytes == 10));
}

#[test]
fn a_directory_under_a_pack_s_name_is_foreign() {
    let disk = with_files(&["packs/00/01234567.89A"]);
    disk.create_dir(&StorePath::new("packs/00/01234567.89B").unwrap()).unwrap();
    assert_eq!(list_standing(&disk).unwrap().len(), 1);
}

#[test]
fn what_nobody_can_tell_is_reached() {
    let path = |text| StorePath::new(text).unwrap();
    let (pack, list, key) =
        (path("packs/00/01234567.89A"), path("manifests/ABABABAB.ABA"), path("keys/00000003/0A0B0C0D.age"));
    let mut reached = Reached::default();
    assert!(![&pack, &list, &key].iter().any(|path| reached.contains(path)));
    reached.vague_epochs.insert(Epoch(3));
    assert!(
        reached.contains(&key) && !reached.contains(&path("keys/00000004/0A0B0C0D.age")) && !reached.contains(&pack)
    );
    reached.add_unknown();
    assert!(reached.contains(&pack) && reached.contains(&list));
    assert!(!reached.contains(&path("keys/00000004/0A0B0C0D.age")), "key lists say all of key files");
}
