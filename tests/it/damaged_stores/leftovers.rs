//! What earlier runs and foreign hands left under the names that a commit writes to.

use std::sync::Arc;

use chunkstore::disk::folder::Attributes;
use chunkstore::disk::sim::Profile;
use chunkstore::disk::{Folder, SimDisk};
use chunkstore::store::head::Soundness;
use chunkstore::store::{Store, layout};

use super::stage::{GENERATION, SNAPSHOT, Stage};
use crate::publisher::{Publisher, folder_after, holding};

/// The files that the next commit of a stage makes, as far as their names are known before it.
fn next_files(stage: &Stage) -> Vec<String> {
    let done = stage.disk.snapshot();
    stage.publisher.commit(&done, &folder_after(SNAPSHOT + 1)).unwrap();
    let new = |path: &String| stage.disk.content(path).is_none();
    let files: Vec<_> = done.paths().into_iter().filter(new).collect();
    assert!(files.len() >= 4, "{files:?}");
    files
}

// U5
#[test]
fn what_stands_under_the_names_of_the_next_commit_is_replaced_if_it_is_wrong() {
    let stage = Stage::new();
    for path in next_files(&stage) {
        for leftover in [&b""[..], b"a few bytes", &[0; 600], &[0xff; 200_000]] {
            let disk = stage.disk.snapshot();
            disk.put(&path, leftover);
            assert_eq!(
                stage.publisher.commit(&disk, &folder_after(SNAPSHOT + 1)).unwrap().generation.0,
                GENERATION + 1,
                "{path}"
            );
            let least = disk.plug_back();
            assert_eq!(stage.publisher.verify(&least).unwrap().findings, [], "{path}");
            assert_eq!(stage.publisher.restored(&least), holding(&folder_after(SNAPSHOT + 1)), "{path}");
        }
    }
}

#[test]
fn a_record_of_another_store_or_of_an_older_generation_under_the_next_name_never_opens() {
    let stage = Stage::new();
    for foreign in [stage.other.content("HEAD"), stage.disk.content("heads/00000011")] {
        for name in ["heads/00000013", "heads/99999999", "heads/18446744073709551615", "heads/0000000013"] {
            let disk = stage.disk.snapshot();
            disk.put(name, &foreign.clone().unwrap());
            let store = Store::open(Arc::new(disk.clone())).unwrap();
            assert_eq!((store.head().head.generation.0, store.soundness()), (GENERATION, Soundness::Sound));
            assert_eq!(
                stage.publisher.commit(&disk, &folder_after(SNAPSHOT + 1)).unwrap().generation.0,
                GENERATION + 1
            );
            assert_eq!(stage.publisher.restored(&disk.plug_back()), holding(&folder_after(SNAPSHOT + 1)), "{name}");
        }
    }
}

#[test]
fn a_damaged_pack_that_comes_out_the_same_again_is_healed_and_listed_once() {
    type Damage = (&'static str, fn(&SimDisk, &str) -> bool);
    let damages: [Damage; 3] = [
        ("missing", SimDisk::wipe),
        ("empty", |disk, path| disk.corrupt(path, Vec::clear)),
        ("zeroed", |disk, path| disk.corrupt(path, |bytes| bytes.fill(0))),
    ];
    for (damage, damage_it) in damages {
        let disk = SimDisk::new(Profile::Ext4);
        let publisher = Publisher::init(&disk).unwrap();
        let folder = folder_after(1);
        publisher.commit(&disk, &folder).unwrap();
        let data = layout::pack(&Store::open(Arc::new(disk.clone())).unwrap().packs().packs()[0].hash);
        assert!(damage_it(&disk, data.as_str()), "{damage}");
        // The same content under another mode: the same data pack, and another tree.
        let attributes = Attributes { mode: Some(0o600), ..Attributes::default() };
        folder.set_attributes(&crate::publisher::rel("a/small"), &attributes).unwrap();
        assert!(publisher.commit(&disk, &folder).unwrap().changed);
        let least = disk.plug_back();
        assert_eq!(publisher.verify(&least).unwrap().findings, [], "{damage}");
        assert_eq!(publisher.restored(&least), holding(&folder));
    }
}
