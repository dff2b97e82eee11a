//! What differs is found, whatever the shape of the nodes, and at the cost of what differs.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::tree::handmade::{Handmade, file, files};

type Names = Vec<EntryName>;

fn differences(reader: &ObjectReader, old: &Pointer, new: &Pointer) -> (Names, Names, Names) {
    let mut found = (vec![], vec![], vec![]);
    let mut all = Differences::new(reader, Trees { old: Some(*old), new: Some(*new) });
    while let Some(difference) = all.next_difference().unwrap() {
        match difference {
            Difference::Old(entry) => found.0.push(entry.name),
            Difference::New(entry) => found.1.push(entry.name),
            Difference::Both(old, new) => {
                assert!(old.name == new.name && old != new);
                found.2.push(old.name);
            }
        }
    }
    found
}

// D34
#[test]
fn one_change_in_a_million_files_costs_a_few_nodes() {
    let mut made = Handmade::new();
    let mut entries = files(1_000_000);
    let old = made.dir(entries.clone());
    entries[654_321].meta.mode = 0o600;
    let new = made.dir(entries);
    let reader = made.reader();
    let found = differences(&reader, &old, &new);
    assert_eq!(found, (vec![], vec![], vec![file("file-00654321", 0).name]));
    let reads = made.disk.counts().reads;
    assert!((4..=10).contains(&reads), "{reads} nodes of two trees were read");
    made.disk.reset_counts();
    assert_eq!(differences(&reader, &new, &new), (vec![], vec![], vec![]));
    assert_eq!(made.disk.counts().reads, 0);
}

#[test]
fn a_directory_that_grew_a_level_shares_what_it_shared() {
    let mut made = Handmade::new();
    let (small, large) = (files(100), files(50_000));
    let (old, new) = (made.dir(small), made.dir(large.clone()));
    let reader = made.reader();
    let (gone, added, changed) = differences(&reader, &old, &new);
    assert_eq!((gone.len(), changed.len()), (0, 0));
    assert_eq!(added, large[100..].iter().map(|entry| entry.name.clone()).collect::<Vec<_>>());
    let (gone, added, _) = differences(&reader, &new, &old);
    assert_eq!((gone.len(), added.len()), (49_900, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_same_as_comparing_all_entries(
        count in 0..3000u64,
        edits in prop::collection::vec((0..3000u64, 0..3u8), 0..40),
    ) {
        let before: BTreeMap<_, _> = files(count).into_iter().map(|entry| (entry.name.clone(), entry)).collect();
        let mut after = before.clone();
        for (number, edit) in edits {
            let key = file(&format!("file-{number:08}"), number);
            match edit {
                0 => drop(after.remove(&key.name)),
                1 => drop(after.insert(crate::tree::handmade::name(&format!("file-{number:08}-more")), {
                    file(&format!("file-{number:08}-more"), number)
                })),
                _ => {
                    if let Some(entry) = after.get_mut(&key.name) {
                        entry.meta.mode ^= 1;
                    }
                }
            }
        }
        let mut made = Handmade::new();
        let old = made.dir(before.values().cloned().collect());
        let new = made.dir(after.values().cloned().collect());
        let reader = made.reader();
        let names = |all: &BTreeMap<EntryName, Entry>, wanted: &dyn Fn(&Entry) -> bool| -> Names {
            all.values().filter(|entry| wanted(entry)).map(|entry| entry.name.clone()).collect()
        };
        let expected = (
            names(&before, &|entry| !after.contains_key(&entry.name)),
            names(&after, &|entry| !before.contains_key(&entry.name)),
            names(&before, &|entry| after.get(&entry.name).is_some_and(|new| new != entry)),
        );
        prop_assert_eq!(differences(&reader, &old, &new), expected);
    }
}
