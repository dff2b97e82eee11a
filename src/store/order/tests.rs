//! An order says to each who may ask what it was given to say, whatever its length, and only a writer can give one.

use super::*;
use crate::base::random::SeededRandom;
use crate::base::{Epoch, Timestamp};
use crate::disk::SimDisk;
use crate::disk::sim::Profile;
use crate::format::trust::{SignedTrust, Trust, Writer};
use crate::store::create_layout;

const STORE: StoreId = StoreId([7; 16]);
const HEAD: Generation = Generation(9);

fn id(number: u32, salt: u8) -> [u8; 32] {
    *blake3::hash(&[&number.to_le_bytes()[..], &[salt]].concat()).as_bytes()
}

fn order(count: u32) -> Order {
    Order {
        generation: Generation(9),
        packs: (0..count).map(|n| PackHash(id(n, 1))).collect(),
        snapshots: (0..count / 3).map(|n| (ObjectId(id(n, 2)), ObjectId(id(n, 3)))).collect(),
        objects: (0..count * 2).map(|n| ObjectId(id(n, 4))).collect(),
    }
}

fn signer(seed: u8) -> SignKey {
    SignKey::from_seed(&Secret::from_bytes([seed; 32]))
}

fn trust() -> TrustChain {
    let (root, writer) = (signer(1), signer(2));
    let recipient = crate::crypto::wrap::Identity::generate().recipient().as_str().to_owned();
    let trust = Trust {
        store: STORE,
        version: 1,
        previous: None,
        time: Timestamp(0),
        expires: Timestamp(1),
        floor: Generation(0),
        threshold: 1,
        roots: vec![root.public()],
        writers: vec![Writer { key: writer.public(), recipient }],
    };
    let signature = root.sign(Signed::Trust, &trust.encode_body());
    TrustChain::start(SignedTrust::new(trust, vec![(root.public(), signature)]).bytes()).unwrap()
}

fn scene() -> (SimDisk, WriterKeys) {
    let disk = SimDisk::new(Profile::Ext4);
    create_layout(&disk).unwrap();
    (disk, WriterKeys::generate(STORE, &SeededRandom::new(1)))
}

#[test]
fn orders_of_every_length_read_back() {
    let (disk, keys) = scene();
    for (count, parts) in [(0, 1), (3, 1), (2048, 1), (2049, 2), (9000, 5)] {
        let order = order(count);
        let files = order.write(&disk, STORE, &keys, &signer(2)).unwrap();
        assert_eq!(files.len(), parts, "{count} packs");
        let read = read_orders(&disk, STORE, &trust(), &files, HEAD).unwrap();
        assert_eq!(Order::open(STORE, &keys, &read).unwrap(), order);
    }
    assert_eq!(read_orders(&disk, STORE, &trust(), &[], HEAD).unwrap(), []);
}

#[test]
fn only_a_writer_gives_orders_and_none_is_changed() {
    let (disk, keys) = scene();
    let files = order(3).write(&disk, STORE, &keys, &signer(5)).unwrap();
    assert!(matches!(read_orders(&disk, STORE, &trust(), &files, HEAD), Err(StoreError::NotTrusted(_))));
    let files = order(3).write(&disk, STORE, &keys, &signer(2)).unwrap();
    let path = layout::carried_file(&files[0].hash);
    let bytes = read_all(&disk, &path, 1 << 20).unwrap().unwrap();
    // A whole file under a hash of its own, of which one byte that is signed was changed.
    for at in [40, 60, 110, bytes.len() - 70] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let hash = FileHash(*blake3::hash(&changed).as_bytes());
        create_immutable(&disk, &layout::carried_file(&hash), &changed).unwrap();
        let file = FileRef { hash, ..files[0] };
        assert!(read_orders(&disk, STORE, &trust(), &[file], HEAD).is_err(), "byte {at}");
    }
    disk.remove(&path).unwrap();
    assert!(matches!(read_orders(&disk, STORE, &trust(), &files, HEAD), Err(StoreError::Corrupt { .. })));
}

// What was purged can be recognised by those who know the ids, so it is for writers alone.
#[test]
fn a_reader_opens_the_snapshots_and_a_later_epoch_opens_nothing() {
    let (disk, keys) = scene();
    let files = order(3).write(&disk, STORE, &keys, &signer(2)).unwrap();
    let read = read_orders(&disk, STORE, &trust(), &files, HEAD).unwrap();
    let snapshots: BTreeMap<_, _> = open_snapshots(STORE, &keys.reader, &read[0]).unwrap().into_iter().collect();
    assert_eq!(snapshots, order(3).snapshots);
    let other = ReaderKeys::new(STORE, Secret::from_bytes([1; 32]), Epoch(2), Secret::from_bytes([2; 32]));
    assert!(matches!(open_snapshots(STORE, &other, &read[0]), Err(StoreError::NoIdentity)));
    let key = keys.reader.order_key(read[0].epoch).unwrap();
    assert!(open_outer(STORE, Purpose::OrderObjects, &key, "objects", &read[0].objects).is_err());
}

#[test]
fn a_second_purge_says_what_became_of_the_first_snapshots() {
    let mut order = Order::default();
    let [a, b, c, d] = [1, 2, 3, 4].map(|n| ObjectId([n; 32]));
    order.replace_snapshots(&BTreeMap::from([(a, b)]));
    order.replace_snapshots(&BTreeMap::from([(b, c), (d, d)]));
    assert_eq!(order.snapshots, BTreeMap::from([(a, c), (b, c), (d, d)]));
}

#[test]
fn each_part_tells_how_many_there_are() {
    let (disk, keys) = scene();
    let files = order(9000).write(&disk, STORE, &keys, &signer(2)).unwrap();
    let read = read_orders(&disk, STORE, &trust(), &files, HEAD).unwrap();
    assert_eq!(missing_parts(&read), None);
    assert_eq!(missing_parts(&[]), None);
    for at in 0..read.len() {
        let mut rest = read.clone();
        rest.remove(at);
        assert!(missing_parts(&rest).unwrap().contains("lacks 1 of its 5 parts"), "without {at}");
        rest.push(rest[0].clone());
        assert!(missing_parts(&rest).is_some(), "one that is there twice is no other one");
    }
}

// A stolen key could else have every record of every key removed, the one that opens included.
#[test]
fn an_order_of_a_later_generation_than_its_head_does_not_count() {
    let (disk, keys) = scene();
    let future = Order { generation: Generation(u64::MAX), ..order(3) };
    let mut files = future.write(&disk, STORE, &keys, &signer(2)).unwrap();
    assert_eq!(read_orders(&disk, STORE, &trust(), &files, HEAD).unwrap(), []);
    files.extend(order(3).write(&disk, STORE, &keys, &signer(2)).unwrap());
    let read = read_orders(&disk, STORE, &trust(), &files, HEAD).unwrap();
    assert_eq!(Order::open(STORE, &keys, &read).unwrap(), order(3));
    assert_eq!(read_orders(&disk, STORE, &trust(), &files, Generation(8)).unwrap(), []);
}
