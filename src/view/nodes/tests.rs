//! Names, positions and offsets lead to the same as reading all of it does, cheaply, and nodes that lie are refused.

use super::*;
use crate::format::Kind;
use crate::tree::handmade::{Handmade, dir, file, files, name};

fn child(first: &str, pointer: Pointer, entries: u64) -> Child {
    Child { first: name(first), pointer, entries }
}

fn is_corrupt<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Corrupt { .. }))
}

#[test]
fn every_name_and_every_position_of_a_large_directory_is_found() {
    let mut made = Handmade::new();
    let all = files(5000);
    let (root, empty) = (made.dir(all.clone()), made.dir(vec![]));
    let nodes = Nodes::new(made.reader());
    for (position, entry) in all.iter().enumerate().step_by(7) {
        let found = nodes.find(&root, &entry.name).unwrap().unwrap();
        assert_eq!((found.entry(), found.position as usize), (entry, position));
        assert_eq!(nodes.at(&root, position as u64).unwrap().unwrap().entry(), entry);
    }
    for absent in ["!", "file-00000001x", "zz"] {
        assert!(nodes.find(&root, &name(absent)).unwrap().is_none(), "{absent}");
    }
    for beyond in [5000, u64::MAX] {
        assert!(nodes.at(&root, beyond).unwrap().is_none());
    }
    assert!(nodes.find(&empty, &name("a")).unwrap().is_none() && nodes.at(&empty, 0).unwrap().is_none());
}

#[test]
fn one_name_of_a_hundred_thousand_costs_a_node_a_level() {
    let mut made = Handmade::new();
    let root = made.dir(files(100_000));
    let nodes = Nodes::new(made.reader());
    nodes.find(&root, &name("file-00054321")).unwrap().unwrap();
    let read = made.disk.counts().reads;
    assert!(read <= 4, "{read} reads");
    nodes.find(&root, &name("file-00054322")).unwrap().unwrap();
    nodes.at(&root, 54_321).unwrap().unwrap();
    assert_eq!(made.disk.counts().reads, read, "what is decoded is not read again");
}

#[test]
fn the_entries_of_one_leaf_follow_each_other() {
    let mut made = Handmade::new();
    let root = made.dir(files(20));
    let nodes = Nodes::new(made.reader());
    let mut placed = nodes.at(&root, 17).unwrap();
    let mut seen = vec![];
    while let Some(one) = placed {
        seen.push((one.position, one.entry().name.to_string()));
        placed = one.next();
    }
    assert_eq!(
        seen,
        [(17, "file-00000017".to_owned()), (18, "file-00000018".to_owned()), (19, "file-00000019".to_owned())]
    );
}

#[test]
fn nodes_that_lie_about_what_lies_below_them_are_refused_on_every_way_down() {
    let mut made = Handmade::new();
    let a = made.node(&TreeNode::Leaf(vec![file("a", 1), file("b", 2)]));
    let c = made.node(&TreeNode::Leaf(vec![file("c", 3)]));
    let late = made.node(&TreeNode::Leaf(vec![file("a", 1), file("z", 2)]));
    let inner = made.node(&TreeNode::Inner(1, vec![child("a", a, 2), child("c", c, 1)]));
    let list = made.put(Kind::List, &ListNode::Inner(1, vec![]).encode());
    let mut inner_of = |level, first, one: Pointer, count, other| {
        made.node(&TreeNode::Inner(level, vec![child(first, one, count), child("c", c, other)]))
    };
    let wrong = [
        ("too many below", inner_of(1, "a", a, 3, 1)),
        ("too few below", inner_of(1, "a", a, 1, 1)),
        ("too many to count", inner_of(1, "a", a, 2, u64::MAX)),
        ("too many to number", inner_of(1, "a", a, u64::from(u32::MAX) + 9, 1)),
        ("another level", inner_of(2, "a", a, 2, 1)),
        ("another first name", inner_of(1, "A", a, 2, 1)),
        ("names of the next node", inner_of(1, "a", late, 2, 1)),
        ("a level twice", inner_of(1, "a", inner, 3, 1)),
        ("a list", list),
    ];
    let nodes = Nodes::new(made.reader());
    assert_eq!(nodes.find(&inner, &name("c")).unwrap().unwrap().position, 2);
    for (what, root) in wrong {
        assert!(is_corrupt(&nodes.find(&root, &name("a"))), "{what}");
        assert!(is_corrupt(&nodes.at(&root, 0)), "{what}");
    }
}

/// A file of 900 extents of 1 to 30 bytes, under a list of several levels.
fn long_file(made: &mut Handmade) -> (Vec<u8>, Pointer) {
    let (mut bytes, mut leaves) = (Vec::new(), Vec::new());
    for leaf in 0..30u8 {
        let mut extents = Vec::new();
        for at in 0..30u8 {
            let plain: Vec<u8> = (0..=at + 5).map(|byte| byte ^ leaf).collect();
            let chunk = made.put(Kind::Chunk, &plain);
            extents.push(Extent { chunk, offset: 5, len_bytes: u64::from(at) + 1 });
            bytes.extend_from_slice(&plain[5..]);
        }
        let len_bytes = extents.iter().map(|extent| extent.len_bytes).sum();
        leaves.push(ListChild { pointer: made.put(Kind::List, &ListNode::Leaf(extents).encode()), len_bytes });
    }
    let inner: Vec<_> = leaves
        .chunks(6)
        .map(|children| {
            let len_bytes = children.iter().map(|child| child.len_bytes).sum();
            ListChild { pointer: made.put(Kind::List, &ListNode::Inner(1, children.to_vec()).encode()), len_bytes }
        })
        .collect();
    (bytes, made.put(Kind::List, &ListNode::Inner(2, inner).encode()))
}

#[test]
fn every_stretch_of_a_long_file_reads_as_it_is() {
    let mut made = Handmade::new();
    let (bytes, root) = long_file(&mut made);
    let nodes = Nodes::new(made.reader());
    let (len, content) = (bytes.len() as u64, Content::List(root));
    let file = (len, &content);
    assert_eq!(nodes.read(file, 0, usize::MAX).unwrap()[..], bytes);
    for (offset, count) in [(0, 1), (1, 900), (464, 2), (465, 465), (7000, 1), (len - 1, 100), (len, 1), (u64::MAX, 5)]
    {
        let from = (offset as usize).min(bytes.len());
        let to = from.saturating_add(count).min(bytes.len());
        assert_eq!(nodes.read(file, offset, count).unwrap()[..], bytes[from..to], "{count} from {offset}");
    }
    for lie in [len - 1, len + 1, 0, u64::MAX] {
        let read = nodes.read((lie, &content), 0, 10);
        assert!(is_corrupt(&read) || (lie == 0 && read.is_ok_and(|read| read.is_empty())), "a length of {lie}");
    }
}

#[test]
fn lists_that_lie_are_refused() {
    let mut made = Handmade::new();
    let chunk = made.put(Kind::Chunk, b"twelve bytes");
    let leaf = made.put(Kind::List, &ListNode::Leaf(vec![Extent { chunk, offset: 0, len_bytes: 12 }]).encode());
    let tree = made.dir(vec![dir("d", 1, leaf)]);
    let mut over = |level, one, other| {
        let child = |len_bytes| ListChild { pointer: leaf, len_bytes };
        made.put(Kind::List, &ListNode::Inner(level, vec![child(one), child(other)]).encode())
    };
    let (right, wrong) = (over(1, 12, 12), [over(1, 11, 13), over(2, 12, 12), over(1, 12, u64::MAX)]);
    let nodes = Nodes::new(made.reader());
    assert_eq!(nodes.read((24, &Content::List(right)), 6, 12).unwrap()[..], *b" bytestwelve");
    for root in wrong.into_iter().chain([Pointer { kind: Kind::List, ..tree }]) {
        assert!(nodes.read((24, &Content::List(root)), 6, 12).is_err());
    }
}
