//! Golden cut points, and the properties that deduplication rests on.

use super::*;

fn stream(seed: &str, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new_derive_key("chunkstore 1 test stream").update(seed.as_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

fn chunker() -> Chunker {
    let table = stream("gear", 2048).try_into().unwrap();
    Chunker::new(64 << 10, 256 << 10, 1 << 20, 3, &table).unwrap()
}

fn cuts(chunker: &Chunker, bytes: &[u8]) -> Vec<usize> {
    let mut lens = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let window = &rest[..rest.len().min(chunker.max_bytes())];
        let len = chunker.cut(window);
        assert!(len > 0 && len <= window.len());
        lens.push(len);
        rest = &rest[len..];
    }
    lens
}

#[test]
fn golden_cut_points_do_not_move() {
    let chunker = chunker();
    assert_eq!(cuts(&chunker, &stream("content", 4 << 20)), GOLDEN);
    assert_eq!(cuts(&chunker, &vec![0; 3 << 20]), [1 << 20; 3]);
    assert_eq!(cuts(&chunker, &[1]), [1]);
}

const GOLDEN: &[usize] = &[
    272_412, 283_456, 278_806, 271_547, 265_334, 273_887, 307_216, 263_341, 270_646, 296_203, 281_512, 292_230,
    262_931, 328_763, 246_020,
];

#[test]
fn the_gear_table_is_wiped_when_dropped() {
    fn is_wiped<T: zeroize::ZeroizeOnDrop>() -> bool {
        std::mem::needs_drop::<T>()
    }
    assert!(is_wiped::<Chunker>());
}

#[test]
fn an_inserted_byte_moves_few_cut_points() {
    let chunker = chunker();
    let before = stream("content", 8 << 20);
    let mut after = before.clone();
    after.insert(3 << 20, 7);
    let ends = |bytes: &[u8]| {
        cuts(&chunker, bytes)
            .into_iter()
            .scan(0, |at, len| {
                *at += len;
                Some(bytes.len() - *at)
            })
            .collect::<Vec<_>>()
    };
    let (before, after) = (ends(&before), ends(&after));
    let moved = after.iter().filter(|end| !before.contains(end) && **end < (5 << 20) - (2 << 20)).count();
    assert_eq!(moved, 0, "cut points far behind the change moved");
}

#[test]
fn parameters_outside_the_format_are_refused() {
    let table = [0; 2048];
    assert!(Chunker::new(64, 256, 1024, 3, &table).is_some());
    assert!(Chunker::new(256, 256, 1024, 3, &table).is_none());
    assert!(Chunker::new(63, 256, 1024, 3, &table).is_none());
    assert!(Chunker::new(64, 300, 1024, 3, &table).is_none());
    assert!(Chunker::new(64, 256, 1024, 4, &table).is_none());
}
