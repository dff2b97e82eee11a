//! Every change and every refusal; what is signed and by whom.

use super::*;
use crate::base::{Generation, StoreId};
use crate::crypto::Secret;

const NOW: Timestamp = Timestamp(1000);

fn key(number: u8) -> SignKey {
    SignKey::from_seed(&Secret::from_bytes([number; 32]))
}

fn public(number: u8) -> PublicKey {
    key(number).public()
}

fn writer(number: u8) -> Writer {
    Writer { key: public(number), recipient: format!("age1{number}") }
}

/// A first file: roots by number, writers by number.
fn first(roots: &[u8], threshold: u32, writers: &[u8]) -> SignedTrust {
    let trust = Trust {
        store: StoreId([7; 16]),
        version: 1,
        previous: None,
        time: Timestamp(0),
        expires: Timestamp(5000),
        floor: Generation(3),
        threshold,
        roots: roots.iter().map(|root| public(*root)).collect(),
        writers: writers.iter().map(|n| writer(*n)).collect(),
    };
    let keys: Vec<SignKey> = roots.iter().map(|root| key(*root)).collect();
    sign(&SignedTrust::new(trust, vec![]), &keys)
}

#[test]
fn each_change_makes_the_next_file_and_leaves_the_rest() {
    let last = first(&[1, 2], 1, &[10]);
    type Changed = fn(&mut Trust);
    let table: [(Edit, Changed); 5] = [
        (Edit::AddWriter(writer(11)), |trust| trust.writers.push(writer(11))),
        (Edit::AddRoot(public(3)), |trust| trust.roots.push(public(3))),
        (Edit::RemoveRoot(public(1)), |trust| trust.roots = vec![public(2)]),
        (Edit::Threshold(2), |trust| trust.threshold = 2),
        (Edit::Renew(Timestamp(1001)), |trust| trust.expires = Timestamp(1001)),
    ];
    for (edit, change) in table {
        let mut expected = Trust { version: 2, previous: Some(last.hash()), time: NOW, ..last.trust.clone() };
        change(&mut expected);
        assert_eq!(next_trust(&last, std::slice::from_ref(&edit), NOW), Ok(expected), "{edit:?}");
    }
    let two = first(&[1], 1, &[10, 11]);
    let swapped = next_trust(&two, &[Edit::AddWriter(writer(12)), Edit::RemoveWriter(public(10))], NOW).unwrap();
    assert_eq!(swapped.writers, [writer(11), writer(12)]);
    assert_eq!(swapped.floor, Generation(3));
}

#[test]
fn what_would_lock_people_out_is_refused() {
    let last = first(&[1, 2], 2, &[10]);
    let same_recipient = Writer { key: public(12), ..writer(10) };
    let same_key = Writer { recipient: "age1other".into(), ..writer(10) };
    let table = [
        (Edit::AddWriter(same_recipient), EditError::AlreadyWriter),
        (Edit::AddWriter(same_key), EditError::AlreadyWriter),
        (Edit::RemoveWriter(public(11)), EditError::NoWriter),
        (Edit::RemoveWriter(public(10)), EditError::LastWriter),
        (Edit::AddRoot(public(2)), EditError::AlreadyRoot),
        (Edit::RemoveRoot(public(3)), EditError::NoRoot),
        (Edit::RemoveRoot(public(1)), EditError::TooFewRoots { left: 1, threshold: 2 }),
        (Edit::Threshold(0), EditError::BadThreshold { roots: 2 }),
        (Edit::Threshold(3), EditError::BadThreshold { roots: 2 }),
        (Edit::Threshold(2), EditError::NothingChanges),
        (Edit::Renew(NOW), EditError::ExpiryPast),
        (Edit::Renew(Timestamp(5000)), EditError::NothingChanges),
    ];
    for (edit, error) in table {
        assert_eq!(next_trust(&last, std::slice::from_ref(&edit), NOW), Err(error), "{edit:?}");
    }
    assert_eq!(next_trust(&last, &[], NOW), Err(EditError::NothingChanges));
    // The last root may go where another came.
    let one = first(&[1], 1, &[10]);
    assert_eq!(
        next_trust(&one, &[Edit::RemoveRoot(public(1))], NOW),
        Err(EditError::TooFewRoots { left: 0, threshold: 1 })
    );
    let rotated = next_trust(&one, &[Edit::AddRoot(public(2)), Edit::RemoveRoot(public(1))], NOW).unwrap();
    assert_eq!(rotated.roots, [public(2)]);
}

#[test]
fn limits_hold() {
    let numbers = |count: usize| -> Vec<u8> { (1..=count).map(|n| n as u8).collect() };
    let (most_roots, most_writers) = (numbers(ROOTS_MAX), numbers(WRITERS_MAX));
    let full = first(&most_roots, 1, &most_writers);
    assert_eq!(next_trust(&full, &[Edit::AddRoot(public(200))], NOW), Err(EditError::TooManyRoots));
    assert_eq!(next_trust(&full, &[Edit::AddWriter(writer(200))], NOW), Err(EditError::TooManyWriters));
    let nearly = first(&most_roots[1..], 1, &most_writers[1..]);
    let edits = [Edit::AddRoot(public(200)), Edit::AddWriter(writer(200))];
    let next = next_trust(&nearly, &edits, NOW).unwrap();
    let signed = SignedTrust::new(next, vec![]);
    assert!(SignedTrust::decode(signed.bytes()).is_ok(), "a full file can be read");
    let last = |version| {
        let trust = Trust { version, previous: Some(full.hash()), ..full.trust.clone() };
        next_trust(&SignedTrust::new(trust, vec![]), &[Edit::Renew(Timestamp(9999))], NOW)
    };
    assert_eq!(last(CHAIN_MAX), Err(EditError::ChainFull));
    assert_eq!(last(CHAIN_MAX - 1).unwrap().version, CHAIN_MAX);
}

#[test]
fn signatures_add_up_and_each_root_counts_once() {
    let last = first(&[1, 2, 3], 2, &[10]);
    let next = next_trust(&last, &[Edit::AddRoot(public(4))], NOW).unwrap();
    let bare = SignedTrust::new(next, vec![]);
    assert_eq!(missing_signatures(&bare, &last.trust), 2);
    let once = sign(&bare, &[key(1), key(1)]);
    assert_eq!((once.signatures.len(), missing_signatures(&once, &last.trust)), (1, 1));
    assert_eq!(sign(&once, &[key(1)]), once);
    // The root that comes is none of those before.
    let with_new = sign(&once, &[key(4)]);
    assert_eq!(missing_signatures(&with_new, &last.trust), 1);
    let twice = sign(&once, &[key(3)]);
    assert_eq!(missing_signatures(&twice, &last.trust), 0);
    // A signature that does not hold is left out, and so is a second one of the same root.
    let mut spoiled = twice.signatures.clone();
    spoiled[0].1[5] ^= 1;
    spoiled.push(spoiled[1]);
    let spoiled = SignedTrust::new(twice.trust.clone(), spoiled);
    assert_eq!(missing_signatures(&spoiled, &last.trust), 1);
    assert_eq!(sign(&spoiled, &[]).signatures, [twice.signatures[1]]);
    // A higher threshold must be met by the file that sets it.
    let higher = SignedTrust::new(next_trust(&last, &[Edit::Threshold(3)], NOW).unwrap(), vec![]);
    assert_eq!(missing_signatures(&sign(&higher, &[key(1), key(2)]), &last.trust), 1);
    let lower = SignedTrust::new(next_trust(&last, &[Edit::Threshold(1)], NOW).unwrap(), vec![]);
    assert_eq!(missing_signatures(&sign(&lower, &[key(1)]), &last.trust), 1);
}

#[test]
fn no_file_has_more_signatures_than_one_may_have() {
    let keys: Vec<SignKey> = (1..=SIGNATURES_MAX + 1).map(|number| key(number.try_into().unwrap())).collect();
    let unsigned = SignedTrust::new(first(&[1], 1, &[10]).trust, vec![]);
    let signed = sign(&unsigned, &keys);
    assert_eq!(signed.signatures.len(), SIGNATURES_MAX);
    assert!(SignedTrust::decode(signed.bytes()).is_ok());
}
