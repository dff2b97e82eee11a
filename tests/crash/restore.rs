//! `restore`: each final name holds what it held before or the whole entry, and the next run completes.

use chunkstore::base::RelPath;
use chunkstore::disk::sim::Profile;
use chunkstore::disk::sim_folder::SimRules;
use chunkstore::disk::{Folder, SimDisk, SimFolder};
use chunkstore::folder::is_temporary;

use crate::publisher::{Holding, Publisher, folder_variant, holding, noise, rel};
use crate::sweep::{Met, Sweep};

fn is_temporary_path(path: &RelPath) -> bool {
    path.split_last().is_some_and(|(_, name)| is_temporary(&name))
}

/// A target in which some of what is restored stands already, otherwise, beside what is not.
fn target(rules: SimRules) -> (SimFolder, Holding) {
    let folder = SimFolder::new(rules);
    folder.put_file(&rel("a/large"), &noise(1, 500));
    folder.put_file(&rel("b/changes"), b"as it was");
    folder.put_file(&rel("b/own"), b"not of the snapshot");
    folder.settle();
    let before = holding(&folder);
    (folder, before)
}

/// Restores onto a target and returns it with the check of its images.
fn record(variant: u64, rules: SimRules) -> (SimFolder, impl Fn(&Met, usize, &SimFolder)) {
    let disk = SimDisk::new(Profile::Ext4);
    let publisher = Publisher::init(&disk).unwrap();
    let source = folder_variant(variant, 3);
    source.remove_file(&rel("b/link")).unwrap();
    publisher.commit(&disk, &source).unwrap();
    let (folder, before) = target(rules);
    publisher.restore(&disk, &folder).unwrap();
    let mut after = holding(&folder);
    assert_eq!(after.remove(&rel("b/own")), before.get(&rel("b/own")).cloned());
    assert!(after.keys().eq(holding(&source).keys()));
    let check = move |met: &Met, promise: usize, image: &SimFolder| {
        let found = holding(image);
        for (path, held) in &found {
            let is =
                |state: &Holding| state.get(path).is_some_and(|was| (was.kind, &was.bytes) == (held.kind, &held.bytes));
            if is_temporary_path(path) {
                met.note("temporary");
            } else if is(&before) {
                met.note("old");
            } else {
                assert!(is(&after), "{path} is neither as it was nor whole");
                met.note("new");
            }
        }
        assert!(found.contains_key(&rel("b/own")));
        if promise == 1 {
            assert!(after.iter().all(|(path, held)| found.get(path) == Some(held)), "restore had returned");
        }
        publisher.restore(&disk, image).unwrap();
        let mut again = holding(image);
        again.retain(|path, _| !is_temporary_path(path) && *path != rel("b/own"));
        assert!(again == after, "the second run");
    };
    (folder, check)
}

// F1 F3
fn sweep(test: &'static str, name: &str, rules: SimRules) {
    let sweep = Sweep::new(test, 24);
    let count = sweep.run_folder(name, |variant| record(variant, rules));
    sweep.require(count, 300, &["temporary", "old", "new"]);
}

#[test]
fn onto_a_plain_file_system() {
    sweep("restore::onto_a_plain_file_system", "plain", SimRules::default());
}

#[test]
fn onto_a_key() {
    let rules = SimRules {
        fold_case: true,
        windows_names: true,
        plain_files_only: true,
        refuse_modes: true,
        refuse_owners: true,
        coarse_times: true,
        is_gone: false,
        refuse_extended: true,
        zeros_are_holes: false,
    };
    sweep("restore::onto_a_key", "key", rules);
}
