//! A record that the medium does not give is no commit that was cut off.

use super::*;
use crate::base::random::SeededRandom;
use crate::base::{DedupGeneration, Epoch, PublicKey, Timestamp};
use crate::crypto::Secret;
use crate::crypto::sign::{Purpose, SignKey};
use crate::crypto::wrap::Identity;
use crate::disk::SimDisk;
use crate::disk::sim::{FaultKind, Profile};
use crate::format::sealed::{ChunkerParameters, SealedPart};
use crate::format::trust::{SignedTrust, Trust, Writer};
use crate::store::keyring::WriterKeys;
use crate::store::{Basis, Next, commit, create_layout};

const STORE: StoreId = StoreId([7; 16]);

/// A store of two commits without packs, on a medium where all is durable.
fn two_commits() -> (SimDisk, TrustChain, SignedHead) {
    let disk = SimDisk::new(Profile::Ext4);
    let random = SeededRandom::new(1);
    let signer = SignKey::from_seed(&Secret::from_bytes([1; 32]));
    let recipient = Identity::generate().recipient().as_str().to_owned();
    let trust = Trust {
        store: STORE,
        version: 1,
        previous: None,
        time: Timestamp(0),
        expires: Timestamp(1),
        floor: Generation(0),
        threshold: 1,
        roots: vec![signer.public()],
        writers: vec![Writer { key: signer.public(), recipient }],
    };
    let signature: (PublicKey, [u8; 64]) = (signer.public(), signer.sign(Purpose::Trust, &trust.encode_body()));
    let chain = TrustChain::start(SignedTrust::new(trust, vec![signature]).bytes()).unwrap();
    let keys = WriterKeys::generate(STORE, &random).reader;
    create_layout(&disk).unwrap();
    let sealed = SealedPart {
        chunker: ChunkerParameters::DEFAULT,
        dedup_generation: DedupGeneration(1),
        snapshots: vec![],
        indexes: vec![],
        older_epochs: vec![],
        index_keys: vec![],
        extensions: vec![],
    };
    let next = || Next::first(sealed.clone(), Timestamp(0));
    assert_eq!(keys.epoch(), Epoch(1));
    let basis = Basis { store: STORE, trust: &chain, current: None };
    let first = commit(&disk, &basis, &keys, &signer, next()).unwrap();
    let found = find_newest(&disk, STORE, &chain).unwrap();
    let basis = Basis { current: Some((&found.head, &found.packs)), ..basis };
    commit(&disk, &basis, &keys, &signer, next()).unwrap();
    (disk.settled(), chain, first)
}

#[test]
fn a_newer_record_that_cannot_be_read_makes_the_state_older_and_a_torn_one_does_not() {
    let (disk, trust, first) = two_commits();
    // A cut after the durable point: HEAD still names generation 1, and heads/00000002 is whole.
    disk.put("HEAD", first.bytes());
    let whole = disk.settled();
    let found = find_newest(&whole, STORE, &trust).unwrap();
    assert_eq!((found.head.head.generation, found.soundness), (Generation(2), Soundness::Sound));
    let calls = whole.call_count();
    let mut older = 0;
    for call in 0..calls {
        let disk = disk.settled();
        disk.fail_nth_call(call, FaultKind::Io);
        let Ok(found) = find_newest(&disk, STORE, &trust) else { continue };
        if found.head.head.generation < Generation(2) {
            older += 1;
            assert_eq!(found.soundness, Soundness::Older, "call {call} of {calls} failed");
        }
    }
    assert!(older >= 3, "listing, opening or reading the record fails: {older} of {calls} calls");
    assert!(disk.corrupt("heads/00000002", |bytes| bytes.truncate(100)));
    assert_eq!(opened(&disk, &trust), (Generation(1), Soundness::Sound));
}

fn opened(disk: &SimDisk, trust: &TrustChain) -> (Generation, Soundness) {
    let found = find_newest(disk, STORE, trust).unwrap();
    (found.head.head.generation, found.soundness)
}

#[test]
fn a_newer_record_of_another_format_or_with_trust_that_is_not_here_makes_the_state_older() {
    let (disk, trust, first) = two_commits();
    disk.put("HEAD", first.bytes());
    let record = disk.content("heads/00000002").unwrap();
    let text = String::from_utf8(record).unwrap();
    disk.put("heads/00000002", text.replace("\nouter 1\n", "\nouter 2\n").as_bytes());
    assert_eq!(opened(&disk, &trust), (Generation(1), Soundness::Older));
    disk.put("heads/00000002", text.replace("\ntrust 1 ", "\ntrust 2 ").as_bytes());
    assert_eq!(opened(&disk, &trust), (Generation(1), Soundness::Older));
}

#[test]
fn a_store_with_records_of_a_newer_format_alone_is_too_new() {
    let (disk, trust, _) = two_commits();
    for path in ["HEAD", "heads/00000001", "heads/00000002"] {
        let text = String::from_utf8(disk.content(path).unwrap()).unwrap();
        disk.put(path, text.replace("\nouter 1\n", "\nouter 2\n").as_bytes());
    }
    assert!(matches!(find_newest(&disk, STORE, &trust), Err(StoreError::TooNew(_))));
}
