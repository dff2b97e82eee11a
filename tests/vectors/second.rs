//! A second implementation of the rules that have no encoder of their own, written from `objects-format.md` alone.

use chunkstore::base::{DedupGeneration, Epoch, ObjectId};
use chunkstore::chunker::Chunker;
use chunkstore::crypto::{Secret, seal};
use chunkstore::format::list::ListNode;
use chunkstore::format::pack::padme;
use chunkstore::format::tree::{Content, Entry, Node, TreeNode, entry_len_alone};
use chunkstore::format::{Class, Extent, Kind, ObjectKey, Pointer};
use chunkstore::store::pack::PackBuilder;
use chunkstore::tree::build::{build_content, build_tree};

use super::good;

fn stream(seed: &str, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new_derive_key("chunkstore 1 test stream").update(seed.as_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// The masks as the document lists them, by number.
fn masks() -> [u64; 26] {
    let text = include_str!("../../objects-format.md");
    let block = text.split_once("Masks, by number:").unwrap().1.split("```").nth(1).unwrap();
    let words: Vec<&str> = block.split_whitespace().skip(1).collect();
    let mut masks = [0; 26];
    for pair in words.chunks(2) {
        masks[pair[0].parse::<usize>().unwrap()] = u64::from_str_radix(pair[1], 16).unwrap();
    }
    masks
}

/// Cuts a window by the steps of "Gear table and FastCDC".
fn cut(window: &[u8], sizes: [usize; 3], level: usize, gear: &[u64; 256]) -> usize {
    let [shortest, average, longest] = sizes;
    let window = &window[..window.len().min(longest)];
    if window.len() <= shortest {
        return window.len();
    }
    let bits = average.trailing_zeros() as usize;
    let (small, large) = (masks()[bits + level], masks()[bits - level]);
    let centre = average.min(window.len()) & !1;
    let mut hash = 0u64;
    for a in (shortest..window.len() & !1).step_by(2) {
        let mask = if a < centre { small } else { large };
        hash = (hash << 2).wrapping_add(gear[usize::from(window[a])] << 1);
        if hash & (mask << 1) == 0 {
            return a;
        }
        hash = hash.wrapping_add(gear[usize::from(window[a + 1])]);
        if hash & mask == 0 {
            return a + 1;
        }
    }
    window.len()
}

#[test]
fn cut_points_follow_from_the_document() {
    let table: [u8; 2048] = stream("gear", 2048).try_into().unwrap();
    let gear: [u64; 256] = std::array::from_fn(|at| u64::from_le_bytes(table[8 * at..8 * at + 8].try_into().unwrap()));
    for (sizes, level) in
        [([64, 256, 1024], 0), ([64, 256, 1024], 3), ([2048, 8192, 65536], 1), ([4096, 16384, 65536], 2)]
    {
        let [min, avg, max] = sizes;
        let chunker = Chunker::new(min as u32, avg as u32, max as u32, level, &table).unwrap();
        for seed in ["a", "b"] {
            // An odd length, so that the last window ends on half a pair.
            let content = stream(seed, 300_001);
            let mut rest = &content[..];
            while !rest.is_empty() {
                let len = chunker.cut(&rest[..rest.len().min(max)]);
                assert_eq!(
                    len,
                    cut(rest, sizes, usize::from(level), &gear),
                    "{sizes:?}, level {level}, {} left",
                    rest.len()
                );
                rest = &rest[len..];
            }
        }
    }
}

#[test]
fn nonces_follow_from_the_document() {
    let (key, associated, payload) = ([7; 32], b"associated", b"payload");
    let nonce_key = blake3::derive_key("chunkstore 1 nonce", &key);
    let message = [&10u64.to_le_bytes()[..], associated, payload].concat();
    let hash = blake3::keyed_hash(&nonce_key, &message);
    assert_eq!(seal::seal(&key, associated, payload).unwrap()[..24], hash.as_bytes()[..24]);
}

#[test]
fn padded_lengths_follow_from_the_document() {
    for (len, padded) in [(0, 0), (1, 1), (2, 2), (3, 3), (7, 7), (8, 8), (9, 10), (100, 104), (1_000_000, 1_015_808)] {
        assert_eq!(padme(len), padded, "{len}");
    }
}

/// An item as "Where nodes end" counts it: `len`, and what `h` is taken of.
type Item = (u64, Vec<u8>);
/// The nodes of each level, leaves first: how many items a node has, and what it is to the level above.
type Levels = Vec<Vec<(usize, Item)>>;

const BOUNDARY_KEY: [u8; 32] = [9; 32];

/// Splits the items of one level into nodes.
fn runs(items: &[Item], key: &Secret) -> Vec<usize> {
    let (mut runs, mut count, mut size) = (Vec::new(), 0, 0);
    for (len, name) in items {
        count += 1;
        size += len;
        let hash = blake3::keyed_hash(key.expose(), name);
        let h = u64::from_le_bytes(hash.as_bytes()[..8].try_into().unwrap());
        if size >= 65_536 || (size >= 16_384 && u128::from(h) * 16_384 < u128::from(*len) << 64) {
            runs.push(count);
            (count, size) = (0, 0);
        }
    }
    if count > 0 {
        runs.push(count);
    }
    runs
}

/// Checks every level against the one below it.
fn check_levels(leaf_items: Vec<Item>, levels: &Levels) {
    let mut items = leaf_items;
    for (level, nodes) in levels.iter().enumerate() {
        assert!(level == 0 || items.len() > 1, "a level above a root");
        let mut expected = runs(&items, &Secret::from_bytes(BOUNDARY_KEY));
        if level > 0 && expected.len() > 1 && expected.last() == Some(&1) {
            expected.pop();
            *expected.last_mut().unwrap() += 1;
        }
        assert_eq!(nodes.iter().map(|node| node.0).collect::<Vec<_>>(), expected, "level {level}");
        items = nodes.iter().map(|node| node.1.clone()).collect();
    }
    assert_eq!(items.len(), 1, "one root");
}

fn push(levels: &mut Levels, level: u8, items: usize, item: Item) {
    levels.resize(levels.len().max(usize::from(level) + 1), Vec::new());
    levels[usize::from(level)].push((items, item));
}

/// How many items make leaves that fill the first node above them, and one leaf more of a single item.
fn one_leaf_over(levels: &Levels) -> usize {
    levels[0][..levels[1][0].0].iter().map(|leaf| leaf.0).sum::<usize>() + 1
}

fn tree_levels(entries: &[Entry]) -> Levels {
    let mut levels = Levels::new();
    let root = build_tree(entries.to_vec(), &Secret::from_bytes(BOUNDARY_KEY), &mut |kind, plain| {
        let (level, items, first) = match TreeNode::decode(plain).unwrap() {
            TreeNode::Leaf(entries) => (0, entries.len(), entries[0].name.clone()),
            TreeNode::Inner(level, children) => (level, children.len(), children[0].first.clone()),
        };
        push(&mut levels, level, items, (80 + first.as_bytes().len() as u64, first.as_bytes().to_vec()));
        assert_eq!(kind, Kind::Tree);
        Ok(good::pointer(Kind::Tree, plain))
    });
    assert!(root.is_ok());
    let items = entries.iter().map(|e| (entry_len_alone(e) as u64, e.name.as_bytes().to_vec()));
    check_levels(items.collect(), &levels);
    levels
}

#[test]
fn tree_node_boundaries_follow_from_the_document() {
    let entries = |count: usize, padding: usize| -> Vec<_> {
        let name = |at: usize| format!("{at:05}{}", "x".repeat(padding));
        (0..count).map(|at| good::entry(&name(at), 1, Node::Fifo)).collect()
    };
    let short = tree_levels(&entries(6000, 6));
    assert!(short[0].len() > 5 && short[0].len() < 40, "{} leaves", short[0].len());
    // Long names make many small levels of few entries.
    let long = entries(4000, 1000);
    let levels = tree_levels(&long);
    assert!(levels.len() == 3 && levels[1].len() > 2, "{} levels", levels.len());
    // The last node of level 1 would have one child.
    let joined = tree_levels(&long[..one_leaf_over(&levels)]);
    assert_eq!(joined.len(), 2);
    assert_eq!(joined[1][0].0, levels[1][0].0 + 1);
}

fn extent(at: u32) -> Extent {
    let id = ObjectId(*blake3::hash(&at.to_le_bytes()).as_bytes());
    let key = ObjectKey([0; 32]);
    let chunk = Pointer { kind: Kind::Chunk, dedup_generation: DedupGeneration(1), len_bytes: 4096, id, key };
    Extent { chunk, offset: u64::from(at % 7), len_bytes: 1 + u64::from(at % 5) }
}

fn list_levels(extents: &[Extent]) -> Levels {
    let mut levels = Levels::new();
    let mut last = None;
    let content = build_content(extents.to_vec(), &Secret::from_bytes(BOUNDARY_KEY), &mut |kind, plain| {
        let (level, items) = match ListNode::decode(plain).unwrap() {
            ListNode::Leaf(extents) => (0, extents.len()),
            ListNode::Inner(level, children) => (level, children.len()),
        };
        let pointer = good::pointer(Kind::List, plain);
        push(&mut levels, level, items, (80, pointer.id.0.to_vec()));
        assert_eq!(kind, Kind::List);
        last = Some(pointer);
        Ok(pointer)
    });
    assert_eq!(content.unwrap(), Content::List(last.unwrap()));
    let item = |e: &Extent| [&e.chunk.id.0[..], &e.offset.to_le_bytes(), &e.len_bytes.to_le_bytes()].concat();
    check_levels(extents.iter().map(|e| (80, item(e))).collect(), &levels);
    levels
}

#[test]
fn list_node_boundaries_follow_from_the_document() {
    let extents: Vec<_> = (0..500_000).map(extent).collect();
    assert_eq!(list_levels(&extents[..33]).len(), 1);
    let levels = list_levels(&extents);
    assert!(levels.len() == 3 && levels[1].len() > 1, "{} levels", levels.len());
    // The last node of level 1 would have one child.
    let joined = list_levels(&extents[..one_leaf_over(&levels)]);
    assert_eq!(joined.len(), 2);
    assert_eq!(joined[1][0].0, levels[1][0].0 + 1);
}

/// The order of frames as "Pack" has it.
#[test]
fn the_order_of_frames_follows_from_the_document() {
    let index_key = Secret::from_bytes([9; 32]);
    let order_key = blake3::derive_key("chunkstore 1 frame order", index_key.expose());
    let objects: Vec<_> = (0..200u32).map(|at| good::sealed_chunk(&at.to_le_bytes())).collect();
    let mut expected: Vec<_> = objects.iter().map(|object| object.entry).collect();
    expected.sort_by_key(|entry| {
        let input = [&[1], &entry.id.0[..], &[1, 0, 0, 0]].concat();
        *blake3::keyed_hash(&order_key, &input).as_bytes()
    });
    let mut builder = PackBuilder::new(good::STORE, Class::Data, Epoch(1));
    objects.into_iter().for_each(|object| builder.push(object));
    let pack = builder.finish(&index_key, &|_| false).unwrap();
    assert_eq!(pack.entries.iter().map(|(_, entry)| *entry).collect::<Vec<_>>(), expected);
}
