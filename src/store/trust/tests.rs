//! The chain from version 1 on, each way in which a link may not hold, and what a HEAD must be under it.

use super::change::{Edit, next_trust, sign};
use super::*;
use crate::base::{Epoch, Generation, ManifestHash, Timestamp, TrustHash};
use crate::crypto::Secret;
use crate::crypto::sign::SignKey;
use crate::disk::SimDisk;
use crate::disk::sim::Profile;
use crate::format::head::{Group, Head};
use crate::format::trust::Writer;

const STORE: StoreId = StoreId([7; 16]);

fn key(number: u8) -> SignKey {
    SignKey::from_seed(&Secret::from_bytes([number; 32]))
}

fn writer(number: u8) -> Writer {
    Writer { key: key(number).public(), recipient: format!("age1{number}") }
}

fn signed(trust: Trust, roots: &[u8]) -> SignedTrust {
    let keys: Vec<SignKey> = roots.iter().map(|root| key(*root)).collect();
    sign(&SignedTrust::new(trust, vec![]), &keys)
}

/// What a first file of some roots and writer 10 says.
fn first(roots: &[u8], threshold: u32) -> Trust {
    Trust {
        store: STORE,
        version: 1,
        previous: None,
        time: Timestamp(0),
        expires: Timestamp(1),
        floor: Generation(5),
        threshold,
        roots: roots.iter().map(|root| key(*root).public()).collect(),
        writers: vec![writer(10)],
    }
}

fn follow(chain: &mut TrustChain, edits: &[Edit], roots: &[u8]) {
    let next = next_trust(chain.newest(), edits, Timestamp(9)).unwrap();
    chain.add(signed(next, roots).bytes()).unwrap();
}

// U18
#[test]
fn a_chain_is_followed_from_version_1_to_9_and_loaded_again() {
    let mut chain = TrustChain::start(signed(first(&[1], 1), &[1]).bytes()).unwrap();
    let fingerprint = chain.fingerprint();
    assert_eq!(fingerprint.len(), 32);
    follow(&mut chain, &[Edit::AddRoot(key(2).public())], &[1]);
    follow(&mut chain, &[Edit::AddRoot(key(3).public())], &[1]);
    follow(&mut chain, &[Edit::Threshold(2)], &[2, 3]);
    follow(&mut chain, &[Edit::RemoveRoot(key(1).public())], &[1, 2, 3]);
    follow(&mut chain, &[Edit::AddWriter(writer(11))], &[2, 3]);
    follow(&mut chain, &[Edit::RemoveWriter(key(10).public())], &[2, 3]);
    follow(&mut chain, &[Edit::Threshold(1)], &[3, 2]);
    follow(&mut chain, &[Edit::Renew(Timestamp(99))], &[3]);
    assert_eq!((chain.newest().trust.version, chain.fingerprint()), (9, fingerprint));
    let disk = SimDisk::new(Profile::Ext4);
    for file in chain.files() {
        disk.put(&format!("trust/{}", file.trust.version), file.bytes());
    }
    let loaded = TrustChain::load(&disk, STORE).unwrap();
    assert_eq!(loaded.files(), chain.files());
    assert!(TrustChain::load(&disk, StoreId([8; 16])).is_err());
    // As far as files follow without a gap.
    for (missing, newest) in [(9, 8), (4, 3)] {
        assert!(disk.corrupt(&format!("trust/{missing}"), |bytes| bytes.truncate(20)));
        assert_eq!(TrustChain::load(&disk, STORE).unwrap().newest().trust.version, newest);
    }
    for (version, newest) in [(0, 1), (1, 1), (5, 5), (9, 9), (10, 9), (u32::MAX, 9)] {
        assert_eq!(chain.up_to(version).newest().trust.version, newest);
    }
    assert_eq!(chain.version(0), None);
    assert_eq!(chain.version(10), None);
    assert_eq!(chain.version(9).unwrap(), chain.newest());
}

// U18
#[test]
fn a_first_file_must_be_signed_by_its_own_roots() {
    assert!(TrustChain::start(signed(first(&[1, 2], 2), &[1, 2]).bytes()).is_ok());
    for roots in [&[1][..], &[1, 1], &[1, 3], &[]] {
        assert!(TrustChain::start(signed(first(&[1, 2], 2), roots).bytes()).is_err(), "{roots:?}");
    }
    let of_version_2 = Trust { version: 2, previous: Some(TrustHash([1; 32])), ..first(&[1], 1) };
    assert!(TrustChain::start(signed(of_version_2, &[1]).bytes()).is_err());
    // A signature for another purpose is none.
    let trust = first(&[1], 1);
    let signature = key(1).sign(Purpose::Head, &trust.encode_body());
    assert!(TrustChain::start(SignedTrust::new(trust, vec![(key(1).public(), signature)]).bytes()).is_err());
}

// U18
#[test]
fn a_gap_a_fork_wrong_keys_and_too_few_signatures_are_refused() {
    let mut chain = TrustChain::start(signed(first(&[1, 2], 2), &[1, 2]).bytes()).unwrap();
    follow(&mut chain, &[Edit::AddWriter(writer(11))], &[1, 2]);
    let next = next_trust(chain.newest(), &[Edit::AddRoot(key(3).public())], Timestamp(9)).unwrap();
    let fork = next_trust(&chain.files()[0], &[Edit::AddWriter(writer(12))], Timestamp(9)).unwrap();
    let bad: [(&str, Trust, &[u8]); 8] = [
        ("a gap", Trust { version: 4, ..next.clone() }, &[1, 2]),
        ("the version before", Trust { version: 2, ..next.clone() }, &[1, 2]),
        ("a fork", fork, &[1, 2]),
        ("another file before", Trust { previous: Some(TrustHash([1; 32])), ..next.clone() }, &[1, 2]),
        ("another store", Trust { store: StoreId([8; 16]), ..next.clone() }, &[1, 2]),
        ("a floor that falls", Trust { floor: Generation(4), ..next.clone() }, &[1, 2]),
        ("one signature of two", next.clone(), &[2]),
        ("the new root in place of an old one", next.clone(), &[1, 3]),
    ];
    for (what, trust, roots) in bad {
        let error = chain.clone().add(signed(trust, roots).bytes()).unwrap_err();
        assert!(matches!(error, StoreError::NotTrusted(_)), "{what}: {error}");
    }
    // Roots that are wholly other ones sign for themselves alone.
    let others = Trust { roots: vec![key(8).public(), key(9).public()], ..next.clone() };
    assert!(chain.clone().add(signed(others.clone(), &[8, 9]).bytes()).is_err());
    assert!(chain.clone().add(signed(others.clone(), &[1, 2]).bytes()).is_err());
    assert!(chain.clone().add(signed(others.clone(), &[1, 2, 8]).bytes()).is_err());
    assert!(chain.clone().add(signed(others, &[1, 2, 8, 9]).bytes()).is_ok());
    // A byte that changed after it was signed.
    let file = signed(next.clone(), &[1, 2]);
    let text = String::from_utf8(file.bytes().to_vec()).unwrap();
    let changed = text.replace(&key(3).public().to_string(), &key(4).public().to_string());
    assert!(chain.clone().add(changed.as_bytes()).is_err());
    assert!(chain.clone().add(&file.bytes()[1..]).is_err());
    let higher = Trust { floor: Generation(6), ..next.clone() };
    assert!(chain.clone().add(signed(higher, &[1, 2]).bytes()).is_ok(), "a floor that rises");
    chain.add(file.bytes()).unwrap();
}

fn head(trust: &SignedTrust, generation: u64, writer: u8) -> Head {
    Head {
        inner_version: 1,
        store: STORE,
        generation: Generation(generation),
        manifest: ManifestHash([1; 32]),
        manifest_len_bytes: 1,
        trust_version: trust.trust.version,
        trust: trust.hash(),
        writer: key(writer).public(),
        previous: vec![],
        time: Timestamp(0),
        expires: Timestamp(1),
        group: Group::all(),
        floor: Generation(0),
        epoch: Epoch(1),
        commitment: [0; 32],
    }
}

fn sign_head(head: Head, writer: u8) -> SignedHead {
    let signature = key(writer).sign(Purpose::Head, &head.encode_body());
    SignedHead::new(head, signature)
}

// U18
#[test]
fn a_head_is_signed_by_a_writer_of_the_very_file_that_it_names() {
    let mut chain = TrustChain::start(signed(first(&[1], 1), &[1]).bytes()).unwrap();
    follow(&mut chain, &[Edit::AddWriter(writer(11))], &[1]);
    follow(&mut chain, &[Edit::RemoveWriter(key(10).public())], &[1]);
    let [one, two, three] = chain.files() else { panic!("three files") };
    for (trust, writer, holds) in
        [(one, 10, true), (one, 11, false), (two, 10, true), (two, 11, true), (three, 10, false), (three, 11, true)]
    {
        assert_eq!(chain.check_head(&sign_head(head(trust, 7, writer), writer)).is_ok(), holds);
    }
    let good = head(three, 5, 11);
    assert!(chain.check_head(&sign_head(good.clone(), 11)).is_ok(), "the floor itself");
    let bad = [
        Head { store: StoreId([8; 16]), ..good.clone() },
        Head { generation: Generation(4), ..good.clone() },
        Head { trust: two.hash(), ..good.clone() },
        Head { trust_version: 4, ..good.clone() },
        Head { trust_version: 0, ..good.clone() },
        Head { expires: Timestamp(0).plus_secs(VOUCHED_MAX_SECS + 1), ..good.clone() },
        Head { time: Timestamp(i64::MIN), expires: Timestamp(i64::MAX), ..good.clone() },
    ];
    let longest = Head { expires: Timestamp(0).plus_secs(VOUCHED_MAX_SECS), ..good.clone() };
    assert!(chain.check_head(&sign_head(longest, 11)).is_ok(), "a year and a day");
    for bad in bad {
        assert!(chain.check_head(&sign_head(bad.clone(), 11)).is_err(), "{bad:?}");
    }
    assert!(chain.check_head(&sign_head(good.clone(), 10)).is_err(), "another key's signature");
    let wrong_purpose = key(11).sign(Purpose::Trust, &good.encode_body());
    assert!(chain.check_head(&SignedHead::new(good, wrong_purpose)).is_err());
    // The order of HEADs and who is disowned.
    assert!(head(three, 1, 11).rank() > head(two, 9, 11).rank());
    assert!(head(two, 9, 11).rank() > head(two, 8, 11).rank());
    let (removed, stands) = (key(10).public(), key(11).public());
    for (version, writer, disowned) in
        [(1, &removed, true), (2, &removed, true), (3, &removed, false), (4, &removed, false), (2, &stands, false)]
    {
        assert_eq!(three.trust.disowns(version, writer), disowned, "{version}");
    }
}

#[test]
fn a_file_that_does_not_read_is_named() {
    let mut chain = TrustChain::start(signed(first(&[1], 1), &[1]).bytes()).unwrap();
    follow(&mut chain, &[Edit::AddRoot(key(2).public())], &[1]);
    let named = |error: StoreError| error.to_string();
    let error = chain.add(b"torn").map_err(named).unwrap_err();
    assert!(error.contains("trust/3"), "{error}");
    let error = TrustChain::start(b"torn").map(|_| ()).map_err(named).unwrap_err();
    assert!(error.contains("trust/1"), "{error}");
}

// Nobody would load what came after.
#[test]
fn no_chain_is_longer_than_one_that_is_loaded() {
    let last = |version| signed(Trust { version, previous: Some(TrustHash([1; 32])), ..first(&[1], 1) }, &[1]);
    let add = |version| {
        let mut chain = TrustChain { files: vec![last(version)] };
        let previous = Some(chain.newest().hash());
        let next = signed(Trust { version: version + 1, previous, ..first(&[1], 1) }, &[1]);
        chain.add(next.bytes())
    };
    add(CHAIN_MAX - 1).unwrap();
    assert!(matches!(add(CHAIN_MAX), Err(StoreError::NotTrusted(_))));
}
