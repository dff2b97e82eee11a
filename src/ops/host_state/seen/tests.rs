//! What a replica id tells of a store.

use super::*;
use crate::base::TrustHash;
use crate::crypto::Secret;
use crate::crypto::sign::SignKey;
use crate::format::head::{Group, Head};

pub fn head(trust_version: u32, generation: u64, secs: i64) -> SignedHead {
    let time = Timestamp::default().plus_secs(secs);
    let said = Head {
        inner_version: 1,
        store: crate::base::StoreId([1; 16]),
        generation: Generation(generation),
        manifest: crate::base::ManifestHash([2; 32]),
        manifest_len_bytes: 100,
        trust_version,
        trust: TrustHash([3; 32]),
        writer: SignKey::from_seed(&Secret::from_bytes([4; 32])).public(),
        previous: vec![],
        time,
        expires: time,
        group: Group::all(),
        floor: Generation(0),
        epoch: crate::base::Epoch(1),
        commitment: [5; 32],
    };
    SignedHead::new(said, [6; 64])
}

fn seen(head: &SignedHead) -> ReplicaSeen {
    ReplicaSeen { rank: head.head.rank(), head: head.hash(), places: vec![] }
}

// U2
#[test]
fn a_copy_is_told_by_what_it_lacks_and_a_fork_by_what_it_says() {
    let (five, other, six) = (head(1, 5, 1), head(1, 5, 2), head(1, 6, 1));
    let none = BTreeMap::new();
    assert_eq!(likeness(&seen(&five), &five, &none), Likeness::Same);
    assert_eq!(likeness(&seen(&five), &other, &none), Likeness::Forked);
    assert_eq!(likeness(&seen(&six), &five, &none), Likeness::Behind);
    assert_eq!(likeness(&seen(&five), &six, &none), Likeness::Same, "nothing is listed that speaks against it");
    let listed = BTreeMap::from([(Generation(5), five.hash())]);
    assert_eq!(likeness(&seen(&five), &six, &listed), Likeness::Same);
    assert_eq!(likeness(&seen(&other), &six, &listed), Likeness::Forked);
    // What the roots set right is no fork.
    assert_eq!(likeness(&seen(&other), &head(2, 5, 1), &listed), Likeness::Same);
    assert_eq!(likeness(&seen(&head(2, 4, 1)), &five, &listed), Likeness::Behind);
}

#[test]
fn what_ranks_lower_bounds_nobody() {
    let mut state = HostState::default();
    let rank = |trust_version, generation| Rank { trust_version, generation: Generation(generation) };
    assert_eq!(state.signed_after(rank(1, 1)), None);
    let future = head(1, 7, 9_000_000_000);
    let time = future.head.time.to_string();
    state.memory.seen.signed = Some(SignedMemory { rank: RankMemory::of(&future), time });
    assert_eq!(state.signed_after(rank(1, 6)), Some(future.head.time));
    assert_eq!(state.signed_after(rank(1, 7)), None);
    assert_eq!(state.signed_after(rank(1, 8)), None);
    assert_eq!(state.signed_after(rank(2, 1)), None, "a newer trust file is above all that was signed before");
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut state = HostState::default();
    for number in 0..REPLICAS_MAX + 5 {
        let memory = ReplicaMemory { rank: RankMemory::of(&head(1, number as u64, 1)), ..ReplicaMemory::default() };
        state.memory.seen.replicas.insert(format!("{number:08}"), memory);
    }
    state.bound_replicas("00000000");
    let replicas = &state.memory.seen.replicas;
    assert_eq!(replicas.len(), REPLICAS_MAX);
    assert!(
        replicas.contains_key("00000000") && !replicas.contains_key("00000001"),
        "the least goes, but for the one at hand"
    );
}

#[test]
fn a_memory_of_before_reads() {
    let memory: super::super::Memory = serde_json::from_str(r#"{"last_sync":null,"generation":4}"#).unwrap();
    assert!(memory.seen.accepted.is_empty() && memory.seen.fingerprint.is_none());
}
