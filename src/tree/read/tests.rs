//! Trees that are wrong are refused, and none unfolds without end.

use super::*;
use crate::format::tree::Child;
use crate::tree::handmade::{Handmade, dir, file, files, name, snapshot};

fn child(first: &str, pointer: Pointer) -> Child {
    Child { first: name(first), pointer, entries: 1 }
}

fn is_corrupt<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Corrupt { .. }))
}

#[test]
fn every_name_of_a_large_directory_is_looked_up() {
    let mut made = Handmade::new();
    let all = files(5000);
    let root = made.dir(all.clone());
    let reader = made.reader();
    for entry in all.iter().step_by(7).chain(all.last()) {
        assert_eq!(lookup(&reader, &root, &entry.name).unwrap().as_ref(), Some(entry));
    }
    for absent in ["", "file", "file-00000001x", "zz"].iter().filter_map(|text| EntryName::new(text.as_bytes()).ok()) {
        assert_eq!(lookup(&reader, &root, &absent).unwrap(), None, "{absent}");
    }
    assert_eq!(entries(&reader, &root).unwrap(), all);
}

#[test]
fn a_node_of_another_level_or_first_name_is_refused_on_every_way_down() {
    let mut made = Handmade::new();
    let (a, b) = (made.node(&TreeNode::Leaf(vec![file("a", 1)])), made.node(&TreeNode::Leaf(vec![file("b", 2)])));
    let inner = made.node(&TreeNode::Inner(1, vec![child("a", a), child("b", b)]));
    let wrong_level = made.node(&TreeNode::Inner(3, vec![child("a", inner), child("b", b)]));
    let wrong_first = made.node(&TreeNode::Inner(1, vec![child("A", a), child("b", b)]));
    let empty = made.node(&TreeNode::Leaf(vec![]));
    let with_empty = made.node(&TreeNode::Inner(1, vec![child("a", empty), child("b", b)]));
    let reader = made.reader();
    assert!(lookup(&reader, &inner, &name("a")).unwrap().is_some());
    for root in [wrong_level, wrong_first, with_empty] {
        assert!(is_corrupt(&lookup(&reader, &root, &name("a"))), "{root:?}");
        assert!(is_corrupt(&entries(&reader, &root)), "{root:?}");
    }
}

#[test]
fn nodes_out_of_order_are_refused() {
    let mut made = Handmade::new();
    let far = made.node(&TreeNode::Leaf(vec![file("a", 1), file("z", 2)]));
    let b = made.node(&TreeNode::Leaf(vec![file("b", 3)]));
    let root = made.node(&TreeNode::Inner(1, vec![child("a", far), child("b", b)]));
    let reader = made.reader();
    assert!(is_corrupt(&entries(&reader, &root)));
}

/// 2^40 files out of 41 directories, each of which names the one below twice.
fn bomb(made: &mut Handmade) -> Pointer {
    let leaf = made.dir(vec![file("x", 1)]);
    (0..40).fold(leaf, |below, level| made.dir(vec![dir("a", 2 * level + 2, below), dir("b", 2 * level + 3, below)]))
}

#[test]
fn a_small_store_does_not_unfold_without_end() {
    let mut made = Handmade::new();
    let root = bomb(&mut made);
    let reader = made.reader();
    for (said, allowed) in [(1, (1 << 16) + 2), (100_000, (1 << 16) + 200_000)] {
        let start = Start::at(&snapshot(root, said), &root, &RelPath::root());
        let mut seen = 0u64;
        let walked = walk(
            &reader,
            &start,
            &mut |_, _| {
                seen += 1;
                Ok(true)
            },
            &mut |_, error| Err(error),
        );
        assert_eq!(
            (walked.unwrap_err().to_string().as_str(), seen),
            ("the snapshot, which holds more entries than it says, is damaged", allowed)
        );
    }
    assert_eq!(entries_max(&snapshot(root, u64::MAX)), 1 << 32);
}

#[test]
fn a_directory_that_does_not_read_costs_what_lies_behind_it_alone() {
    let mut made = Handmade::new();
    let lost = Pointer { id: crate::base::ObjectId([9; 32]), ..made.node(&TreeNode::Leaf(vec![file("q", 9)])) };
    let whole = made.dir(vec![file("in", 1)]);
    let root = made.dir(vec![dir("a", 2, lost), dir("b", 3, whole), file("c", 4)]);
    let reader = made.reader();
    let (mut seen, mut broken) = (vec![], vec![]);
    let start = Start::at(&snapshot(root, 4), &root, &RelPath::root());
    walk(
        &reader,
        &start,
        &mut |path, _| {
            seen.push(path.to_string());
            Ok(true)
        },
        &mut |path, _| {
            broken.push(path.to_string());
            Ok(())
        },
    )
    .unwrap();
    assert_eq!((seen, broken), (["/a", "/b", "/b/in", "/c"].map(String::from).to_vec(), vec!["/a".to_owned()]));
}
