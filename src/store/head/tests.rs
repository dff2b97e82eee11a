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

/// The key of a writer, by its number; writer 1 is the root, too.
fn key(number: u8) -> SignKey {
    SignKey::from_seed(&Secret::from_bytes([number; 32]))
}

/// A trust file of some writers, signed by the root.
fn trust_file(version: u32, previous: Option<&SignedTrust>, writers: &[u8]) -> SignedTrust {
    let root = key(1);
    let recipient = Identity::generate().recipient().as_str().to_owned();
    let trust = Trust {
        store: STORE,
        version,
        previous: previous.map(SignedTrust::hash),
        time: Timestamp(0),
        expires: Timestamp(1),
        floor: Generation(0),
        threshold: 1,
        roots: vec![root.public()],
        writers: writers.iter().map(|n| Writer { key: key(*n).public(), recipient: recipient.clone() }).collect(),
    };
    let signature: (PublicKey, [u8; 64]) = (root.public(), root.sign(Purpose::Trust, &trust.encode_body()));
    SignedTrust::new(trust, vec![signature])
}

/// A store of two commits without packs, on a medium where all is durable.
fn two_commits() -> (SimDisk, TrustChain, SignedHead) {
    let disk = SimDisk::new(Profile::Ext4);
    let random = SeededRandom::new(1);
    let signer = key(1);
    let chain = TrustChain::start(trust_file(1, None, &[1]).bytes()).unwrap();
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

/// A record of the same state, signed under a version of trust.
fn signed_again(like: &SignedHead, trust: &TrustChain, version: u32, generation: u64, writer: u8) -> SignedHead {
    let file = trust.version(version).unwrap();
    let head = Head {
        generation: Generation(generation),
        trust_version: version,
        trust: file.hash(),
        writer: key(writer).public(),
        ..like.head.clone()
    };
    let signature = key(writer).sign(Purpose::Head, &head.encode_body());
    SignedHead::new(head, signature)
}

/// A store that took the last generation there can be from a stolen key (writer 1), and a record by writer 2 under a newer
/// trust file.
fn recovered() -> (SimDisk, TrustChain, [SignedHead; 3]) {
    let (disk, first, old) = two_commits();
    let mut chain = first;
    let second = trust_file(2, Some(chain.newest()), &[2]);
    chain.add(second.bytes()).unwrap();
    let stolen = signed_again(&old, &chain, 1, u64::MAX, 1);
    swing(&disk, &stolen).unwrap();
    assert_eq!(opened(&disk, &chain), (Generation(u64::MAX), Soundness::Sound));
    let recovered = signed_again(&old, &chain, 2, 3, 2);
    (disk.settled(), chain, [old, stolen, recovered])
}

// U18
#[test]
fn a_record_under_a_newer_trust_file_outranks_every_generation() {
    let (disk, trust, [_, stolen, recovered]) = recovered();
    // Cut right after the durable point: HEAD still names what the stolen key signed.
    disk.put("heads/00000003", recovered.bytes());
    let found = find_newest(&disk, STORE, &trust).unwrap();
    assert_eq!((found.head.bytes(), found.soundness), (recovered.bytes(), Soundness::Sound));
    assert_eq!((found.trust_version, found.hidden.newest(), found.is_settled), (2, None, false));
    // Without HEAD, too, and where the manifest of that record is lost.
    disk.put("HEAD", b"");
    assert_eq!(opened(&disk, &trust), (Generation(3), Soundness::HeadLost));
    let newest: Vec<_> = newest_valid(&disk, STORE, &trust, 2).unwrap().into_iter().map(|(head, _)| head).collect();
    assert_eq!(newest, [recovered.clone(), stolen.clone()]);
    let lost = Head { manifest: crate::base::ManifestHash([9; 32]), ..stolen.head.clone() };
    let signature = key(1).sign(Purpose::Head, &lost.encode_body());
    disk.put("heads/18446744073709551615", SignedHead::new(lost.clone(), signature).bytes());
    disk.put("HEAD", recovered.bytes());
    assert_eq!(opened(&disk, &trust), (Generation(3), Soundness::Sound));
    // Nor is it newer when its signature does not hold.
    disk.put("heads/18446744073709551615", SignedHead::new(lost, [0; 64]).bytes());
    assert_eq!(opened(&disk, &trust), (Generation(3), Soundness::Sound));
    let found = find_newest(&disk, STORE, &trust).unwrap();
    assert_eq!(found.hidden, Hidden::default());
}

// U18
#[test]
fn a_swing_takes_what_it_outranks_away_and_a_settled_state_does_so_again() {
    let (disk, trust, [_, _, recovered]) = recovered();
    let disk = disk.settled();
    swing(&disk, &recovered).unwrap();
    assert_eq!(names(&disk).unwrap().into_iter().max(), Some(Generation(3)));
    assert_eq!(opened(&disk, &trust), (Generation(3), Soundness::Sound));
    let (disk, ..) = self::recovered();
    disk.put("heads/00000003", recovered.bytes());
    settle(&disk, &recovered).unwrap();
    assert_eq!(names(&disk).unwrap().into_iter().max(), Some(Generation(3)));
    // What ranks higher stays, and so does what does not read.
    let (disk, trust, [old, stolen, _]) = self::recovered();
    disk.put("heads/00000009", b"torn");
    swing(&disk, &signed_again(&old, &trust, 1, 4, 1)).unwrap();
    assert!(disk.content("heads/00000009").is_some());
    assert_eq!(disk.content("heads/18446744073709551615").unwrap(), stolen.bytes());
}

// U18
#[test]
fn what_a_lost_state_held_is_told_with_who_signed_it() {
    let (disk, trust, [_, stolen, recovered]) = recovered();
    let lost = Head { manifest: crate::base::ManifestHash([9; 32]), ..recovered.head.clone() };
    let signature = key(2).sign(Purpose::Head, &lost.encode_body());
    let lost = SignedHead::new(lost, signature);
    disk.put("heads/00000003", lost.bytes());
    let found = find_newest(&disk, STORE, &trust).unwrap();
    assert_eq!((found.head.bytes(), found.soundness), (stolen.bytes(), Soundness::Older));
    assert_eq!((&found.hidden.records[..], found.trust_version), (&[lost][..], 2));
}

// U18
#[test]
fn a_record_in_the_way_is_named_by_head_before_it_goes() {
    let (disk, trust, [old, ..]) = recovered();
    let (mine, other) = (signed_again(&old, &trust, 1, 5, 1), signed_again(&old, &trust, 2, 5, 2));
    disk.put("heads/00000005", mine.bytes());
    disk.put("HEAD", b"torn");
    make_way(&disk, &mine, &signed_again(&old, &trust, 2, 6, 2)).unwrap();
    make_way(&disk, &mine, &mine).unwrap();
    assert_eq!(disk.content("HEAD").unwrap(), b"torn", "nothing is in the way");
    make_way(&disk, &mine, &other).unwrap();
    assert_eq!(disk.settled().content("HEAD").unwrap(), mine.bytes());
    let calls = disk.call_count();
    make_way(&disk, &mine, &other).unwrap();
    assert!(disk.call_count() - calls < 4, "HEAD names it already");
}

fn names_of(disk: &SimDisk) -> Vec<u64> {
    let mut names: Vec<u64> = names(disk).unwrap().into_iter().map(|generation| generation.0).collect();
    names.sort_unstable();
    names
}

#[test]
fn the_last_four_records_are_kept_and_newer_ones_forgotten_where_that_is_asked_for() {
    let (disk, trust, first) = two_commits();
    for generation in 3..=9 {
        swing(&disk, &signed_again(&first, &trust, 1, generation, 1)).unwrap();
        assert!(find_newest(&disk, STORE, &trust).unwrap().is_settled);
    }
    assert_eq!(names_of(&disk), [6, 7, 8, 9]);
    assert_eq!(newest_name(&disk).unwrap(), Some(Generation(9)));
    forget_newer(&disk, Generation(7)).unwrap();
    assert_eq!(names_of(&disk), [6, 7]);
    // HEAD still names what was forgotten, until somebody settles on another.
    let seven = signed_again(&first, &trust, 1, 7, 1);
    settle(&disk, &seven).unwrap();
    assert_eq!(opened(&disk, &trust), (Generation(7), Soundness::Sound));
    assert_eq!(disk.settled().content("HEAD").unwrap(), seven.bytes());
    // A record that is gone is made again.
    assert!(disk.wipe("heads/00000007"));
    settle(&disk, &seven).unwrap();
    assert_eq!(disk.settled().content("heads/00000007").unwrap(), seven.bytes());
}

// U11
#[test]
fn names_tell_of_what_was_newer_where_there_is_no_head() {
    let (disk, trust, first) = two_commits();
    swing(&disk, &signed_again(&first, &trust, 1, 3, 1)).unwrap();
    disk.put("heads/00000009", b"torn");
    let hidden = |disk: &SimDisk| find_newest(disk, STORE, &trust).unwrap().hidden;
    assert_eq!(hidden(&disk), Hidden::default(), "HEAD says otherwise");
    assert_eq!(opened(&disk, &trust), (Generation(3), Soundness::Sound));
    disk.put("HEAD", b"");
    assert_eq!(hidden(&disk), Hidden { records: vec![], promised: Some(Generation(9)) });
    assert_eq!(opened(&disk, &trust), (Generation(3), Soundness::Older));
    let lost = Head { manifest: crate::base::ManifestHash([9; 32]), ..first.head.clone() };
    let lost = signed_again(&SignedHead::new(lost, [0; 64]), &trust, 1, 12, 1);
    disk.put("heads/00000012", lost.bytes());
    assert_eq!(hidden(&disk).newest(), Some(Generation(12)));
    disk.put("heads/00000012", b"torn");
    assert!(disk.wipe("heads/00000009"));
    assert_eq!(hidden(&disk).newest(), Some(Generation(12)));
    // A name that is not newer tells of nothing, nor does a directory that does not list.
    assert!(disk.wipe("heads/00000012"));
    disk.put("heads/00000002", b"torn");
    assert_eq!(hidden(&disk), Hidden::default());
    assert_eq!(opened(&disk, &trust), (Generation(3), Soundness::HeadLost));
}

// U18
#[test]
fn a_newer_record_whose_signature_fails_under_the_same_trust_makes_the_state_older() {
    let (disk, trust, first) = two_commits();
    let newer = signed_again(&first, &trust, 1, 3, 1);
    disk.put("heads/00000003", SignedHead::new(newer.head.clone(), [0; 64]).bytes());
    assert_eq!(opened(&disk, &trust), (Generation(2), Soundness::Older));
    disk.put("heads/00000003", newer.bytes());
    assert_eq!(opened(&disk, &trust), (Generation(3), Soundness::Sound));
}

#[test]
fn a_medium_that_went_away_opens_nothing_and_what_does_not_read_costs_itself_alone() {
    let (disk, trust, first) = two_commits();
    disk.put("HEAD", first.bytes());
    let counted = disk.settled();
    find_newest(&counted, STORE, &trust).unwrap();
    let (mut told_gone, mut did_not_list) = (0, 0);
    for call in 0..counted.call_count() {
        let (gone, bad, listed) = (disk.settled(), disk.settled(), disk.settled());
        gone.fail_nth_call(call, FaultKind::Gone);
        // A medium that went away says "not found" as well, which whoever opens a store does not believe without its marker.
        told_gone += usize::from(matches!(find_newest(&gone, STORE, &trust), Err(StoreError::Gone(_))));
        bad.fail_nth_call(call, FaultKind::Io);
        let found = find_newest(&bad, STORE, &trust).unwrap();
        listed.fail_nth_call(call, FaultKind::Io);
        match names(&listed) {
            Ok(names) => assert_eq!(names, [Generation(1), Generation(2)], "call {call}"),
            Err(error) => {
                assert!(error.is_damage(), "{error:?}");
                assert_eq!((found.head.head.generation, found.soundness), (Generation(1), Soundness::Older));
                did_not_list += 1;
            }
        }
    }
    assert_eq!((told_gone, did_not_list), (5, 1), "three records and two manifests are read, one directory is listed");
    assert_eq!(names(&SimDisk::new(Profile::Ext4)).unwrap(), [], "no directory, no records");
}

#[test]
fn gc_spares_less_for_damage_and_nothing_is_said_to_be_spared_where_the_medium_went_away() {
    let (disk, trust, first) = two_commits();
    let counted = disk.settled();
    let spared = newest_valid(&counted, STORE, &trust, 2).unwrap();
    assert_eq!(spared.len(), 2);
    let told_gone = (0..counted.call_count()).filter(|call| {
        let gone = disk.settled();
        gone.fail_nth_call(*call, FaultKind::Gone);
        matches!(newest_valid(&gone, STORE, &trust, 2), Err(StoreError::Gone(_)))
    });
    assert_eq!(told_gone.count(), 6, "three records and three manifests are read");
    let manifest = layout::manifest(&spared[0].0.head.manifest);
    assert!(disk.corrupt(manifest.as_str(), |bytes| bytes[40] ^= 1));
    let left = newest_valid(&disk, STORE, &trust, 2).unwrap();
    assert_eq!(left.iter().map(|(record, _)| record.hash()).collect::<Vec<_>>(), [first.hash()]);
}

// U11
#[test]
fn a_record_under_the_name_of_another_is_none() {
    let (disk, trust, first) = two_commits();
    let second = disk.content("heads/00000002").unwrap();
    disk.put("HEAD", first.bytes());
    disk.put("heads/00000002", b"torn");
    disk.put("heads/00000009", &second);
    assert_eq!(opened(&disk, &trust), (Generation(1), Soundness::Sound));
}

// U11
#[test]
fn something_in_the_way_of_a_record_is_no_trouble_as_long_as_head_says_the_same() {
    let (disk, _, first) = two_commits();
    let second = SignedHead::decode(&disk.content("heads/00000002").unwrap()).unwrap();
    let in_the_way = layout::head_record(Generation(2));
    assert!(disk.wipe(in_the_way.as_str()));
    disk.create_dir(&in_the_way).unwrap();
    settle(&disk, &second).unwrap();
    assert_eq!(disk.content("HEAD").unwrap(), second.bytes());
    disk.put("HEAD", first.bytes());
    assert!(matches!(settle(&disk, &second), Err(StoreError::Corrupt { .. })), "nothing holds the record");
    assert_eq!(disk.content("HEAD").unwrap(), first.bytes());
}
