//! Nodes are stable under small changes, and read back as what went in.

use std::collections::HashMap;

use super::*;
use crate::base::{DedupGeneration, EntryName, FileId, ObjectId};
use crate::format::ObjectKey;
use crate::format::tree::{Meta, Node};

#[derive(Default)]
struct Nodes(HashMap<ObjectId, Vec<u8>>);

impl Nodes {
    fn put(&mut self, kind: Kind, bytes: &[u8]) -> Pointer {
        let id = ObjectId(*blake3::hash(bytes).as_bytes());
        self.0.insert(id, bytes.to_vec());
        Pointer { kind, dedup_generation: DedupGeneration(1), len_bytes: bytes.len() as u64, id, key: ObjectKey(id.0) }
    }

    fn names(&self, root: &Pointer) -> Vec<EntryName> {
        match TreeNode::decode(&self.0[&root.id]).unwrap() {
            TreeNode::Leaf(entries) => entries.into_iter().map(|entry| entry.name).collect(),
            TreeNode::Inner(_, children) => children.iter().flat_map(|child| self.names(&child.pointer)).collect(),
        }
    }
}

fn entries(count: usize) -> Vec<Entry> {
    let entry = |n: usize| Entry {
        name: EntryName::new(format!("file-{n:08}").as_bytes()).unwrap(),
        file_id: FileId([n as u8; 16]),
        hard_linked: false,
        meta: Meta::default(),
        node: Node::File { len_bytes: 0, content: Content::Inline(vec![]) },
        extensions: vec![],
    };
    (0..count).map(entry).collect()
}

fn build(nodes: &mut Nodes, entries: Vec<Entry>) -> Pointer {
    build_tree(entries, &Secret::from_bytes([5; 32]), &mut |kind, bytes| Ok(nodes.put(kind, bytes))).unwrap()
}

#[test]
fn every_size_of_directory_reads_back() {
    for count in [0, 1, 2, 300, 400, 1000, 20_000] {
        let mut nodes = Nodes::default();
        let root = build(&mut nodes, entries(count));
        let expected: Vec<_> = entries(count).into_iter().map(|entry| entry.name).collect();
        assert_eq!(nodes.names(&root), expected, "{count} entries");
        let longest = nodes.0.values().map(Vec::len).max().unwrap();
        assert!(longest < 80 * 1024, "a node of {longest} bytes");
    }
}

#[test]
fn one_change_in_a_hundred_thousand_entries_rewrites_few_nodes() {
    let mut nodes = Nodes::default();
    build(&mut nodes, entries(100_000));
    let before = nodes.0.len();
    let mut changed = entries(100_000);
    changed[50_000].meta.mode = 0o600;
    build(&mut nodes, changed);
    let mut shorter = entries(100_000);
    shorter.remove(70_000);
    let middle = nodes.0.len();
    build(&mut nodes, shorter);
    assert!(before > 50, "{before} nodes");
    assert!(middle - before <= 3, "a changed entry made {} nodes", middle - before);
    assert!(nodes.0.len() - middle <= 6, "a removed entry made {} nodes", nodes.0.len() - middle);
}

#[test]
fn long_files_become_lists() {
    let mut nodes = Nodes::default();
    let extent = |n: u32, nodes: &mut Nodes| {
        let chunk = nodes.put(Kind::Chunk, &n.to_le_bytes());
        Extent { chunk, offset: 0, len_bytes: 4 }
    };
    let extents: Vec<_> = (0..50_000).map(|n| extent(n, &mut nodes)).collect();
    let key = Secret::from_bytes([5; 32]);
    let content = build_content(extents, &key, &mut |kind, bytes| Ok(nodes.put(kind, bytes))).unwrap();
    let Content::List(root) = content else { panic!("50,000 extents stand in the entry") };
    fn count(nodes: &Nodes, pointer: &Pointer) -> usize {
        match ListNode::decode(&nodes.0[&pointer.id]).unwrap() {
            ListNode::Leaf(extents) => extents.len(),
            ListNode::Inner(_, children) => children.iter().map(|child| count(nodes, &child.pointer)).sum(),
        }
    }
    assert_eq!(count(&nodes, &root), 50_000);
    let few = build_content(vec![extent(1, &mut nodes)], &key, &mut |_, _| panic!("no node is needed")).unwrap();
    assert!(matches!(few, Content::Inline(extents) if extents.len() == 1));
}
