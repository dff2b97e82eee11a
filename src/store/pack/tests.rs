//! The order of frames follows from what a pack holds, and not from how it came in.

use super::*;
use crate::base::{DedupGeneration, ObjectId};
use crate::format::{Codec, Kind};

const STORE: StoreId = StoreId([7; 16]);

/// An object whose frame is `40 + len` bytes of its number.
fn object(number: u8, len: usize) -> SealedObject {
    let id = ObjectId(*blake3::hash(&[number]).as_bytes());
    let frame = vec![number; 40 + len];
    let (len_bytes, sealed_len_bytes) = (len as u64, frame.len() as u64);
    let dedup_generation = DedupGeneration(1);
    let (kind, codec) = (Kind::Chunk, Codec::Stored);
    SealedObject { entry: PackEntry { id, kind, codec, dedup_generation, len_bytes, sealed_len_bytes }, frame }
}

fn builder(numbers: impl IntoIterator<Item = u8>) -> PackBuilder {
    let mut builder = PackBuilder::new(STORE, Class::Data, Epoch(1));
    numbers.into_iter().for_each(|number| builder.push(object(number, usize::from(number))));
    builder
}

fn finish(builder: PackBuilder, key: u8) -> BuiltPack {
    builder.finish(&Secret::from_bytes([key; 32]), &|_| false).unwrap()
}

/// The numbers of the objects as their frames stand; checks that the index says the same.
fn order(pack: &BuiltPack) -> Vec<u8> {
    let at = |offset: u64, len_bytes: u64| &pack.bytes[offset as usize..][..len_bytes as usize];
    let frames = pack.entries.iter().map(|(offset, entry)| (entry, at(*offset, entry.sealed_len_bytes)));
    frames
        .map(|(entry, frame)| {
            let number = frame[0];
            assert_eq!(frame, object(number, usize::from(number)).frame);
            assert_eq!(entry.id, object(number, 0).entry.id);
            number
        })
        .collect()
}

#[test]
fn equal_content_gives_the_same_pack_whatever_order_it_came_in() {
    let forward = finish(builder(0..100), 1);
    let backward = finish(builder((0..100).rev()), 1);
    assert_eq!(forward.listed.hash, backward.listed.hash);
    assert_eq!(forward.bytes, backward.bytes);
    let mut sorted = order(&forward);
    sorted.sort_unstable();
    assert_eq!(sorted, (0..100).collect::<Vec<_>>());
}

/// How often a number stands right behind the one before it.
fn neighbours(order: &[u8]) -> usize {
    order.windows(2).filter(|pair| pair[0] + 1 == pair[1]).count()
}

#[test]
fn frames_stand_in_an_order_that_follows_from_the_key() {
    let orders: Vec<Vec<u8>> = (0..50).map(|key| order(&finish(builder(0..100), key))).collect();
    for order in &orders {
        // By chance one is expected, and more than eight about once in a million.
        assert!(neighbours(order) <= 8, "{order:?}");
    }
    // Nothing stands at one place for every key: the mean place of each object is near the middle.
    for number in 0..100 {
        let places = orders.iter().map(|order| order.iter().position(|at| *at == number).unwrap());
        let mean = places.sum::<usize>() / orders.len();
        assert!((25..75).contains(&mean), "{number} stands at {mean}");
    }
}

#[test]
fn frames_that_are_copied_keep_their_order() {
    let pack = finish(builder((0..100).rev()).in_order(), 1);
    assert_eq!(order(&pack), (0..100).rev().collect::<Vec<_>>());
}
