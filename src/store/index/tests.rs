//! Every object is found where it lies, however its id begins.

use super::*;

fn entry(id: [u8; 32]) -> PackEntry {
    PackEntry {
        id: ObjectId(id),
        kind: Kind::Chunk,
        codec: Codec::Stored,
        dedup_generation: DedupGeneration(1),
        len_bytes: 10,
        sealed_len_bytes: 50,
    }
}

fn hashed(number: u64) -> [u8; 32] {
    *blake3::hash(&number.to_le_bytes()).as_bytes()
}

fn find(index: &ObjectIndex, id: [u8; 32]) -> Option<(PackHash, u64)> {
    index.find(&ObjectId(id), DedupGeneration(1)).map(|place| (place.pack, place.offset))
}

#[test]
fn objects_are_found_in_tables_of_every_length() {
    assert_eq!(find(&ObjectIndex::default(), hashed(0)), None);
    for count in [0, 1, 2, 15, 16, 17, 31, 32, 33, 1000, 5000] {
        let mut index = ObjectIndex::default();
        let pack = PackHash([count as u8; 32]);
        index.add_pack(pack, (0..count).map(|number| (number, entry(hashed(number)))));
        index.sort();
        for number in 0..count {
            assert_eq!(find(&index, hashed(number)), Some((pack, number)), "{number} of {count}");
        }
        assert_eq!(find(&index, hashed(count)), None);
        assert_eq!(index.find(&ObjectId(hashed(0)), DedupGeneration(2)), None);
    }
}

// Whoever makes a pack says what ids are in it.
#[test]
fn ids_that_all_begin_alike_are_found() {
    for byte in [0, 0xff] {
        let id = |number: u64| {
            let mut id = [byte; 32];
            id[24..].copy_from_slice(&number.to_be_bytes());
            id
        };
        let mut index = ObjectIndex::default();
        index.add_pack(PackHash([1; 32]), (0..2000).map(|number| (number, entry(id(number)))));
        index.sort();
        assert!((0..2000).all(|number| find(&index, id(number)) == Some((PackHash([1; 32]), number))));
        assert_eq!(find(&index, id(2000)), None);
    }
}

#[test]
fn of_two_places_the_one_in_the_earlier_pack_is_taken() {
    let mut index = ObjectIndex::default();
    index.add_pack(PackHash([2; 32]), [(7, entry(hashed(1)))]);
    index.add_pack(PackHash([1; 32]), [(8, entry(hashed(1)))]);
    index.sort();
    assert_eq!((index.len(), find(&index, hashed(1))), (1, Some((PackHash([2; 32]), 7))));
}
