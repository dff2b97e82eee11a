//! A second implementation of the rules that have no encoder of their own, written from `objects-format.md` alone.

use chunkstore::chunker::Chunker;
use chunkstore::crypto::{Secret, seal};
use chunkstore::format::pack::padme;
use chunkstore::format::tree::{Node, TreeNode, entry_len_alone};
use chunkstore::format::{Kind, Pointer};
use chunkstore::tree::build::build_tree;

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

/// Splits items into runs by the rule of "Where nodes end": `len` and name of each.
fn runs(items: &[(u64, Vec<u8>)], key: &Secret) -> Vec<usize> {
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

#[test]
fn node_boundaries_follow_from_the_document() {
    let key = Secret::from_bytes([9; 32]);
    let entries: Vec<_> = (0..6000).map(|at| good::entry(&format!("entry {at:05}"), 1, Node::Fifo)).collect();
    let mut leaves = Vec::new();
    let mut levels = Vec::new();
    let root = build_tree(entries.clone(), &key, &mut |kind, plain| {
        match TreeNode::decode(plain).unwrap() {
            TreeNode::Leaf(entries) => leaves.push(entries.len()),
            TreeNode::Inner(level, children) => levels.push((level, children.len())),
        }
        let pointer: Pointer = good::pointer(Kind::Tree, plain);
        assert_eq!(kind, Kind::Tree);
        Ok(pointer)
    });
    assert!(root.is_ok());
    let items: Vec<_> = entries.iter().map(|e| (entry_len_alone(e) as u64, e.name.as_bytes().to_vec())).collect();
    assert_eq!(leaves, runs(&items, &key));
    assert!(leaves.len() > 5 && leaves.len() < 40, "{leaves:?}");
    assert_eq!(levels, [(1, leaves.len())]);
}
