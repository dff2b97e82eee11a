//! The next trust file of a rotation, and why there may be none.

use super::*;
use crate::base::random::SeededRandom;
use crate::base::{Generation, StoreId, TrustHash};
use crate::crypto::Secret;
use crate::format::trust::Writer;

fn last(version: u32, root: &SignKey, writer: &WriterKey) -> SignedTrust {
    let trust = Trust {
        store: StoreId([7; 16]),
        version,
        previous: Some(TrustHash([1; 32])),
        time: Timestamp(0),
        expires: Timestamp(1),
        floor: Generation(0),
        threshold: 1,
        roots: vec![root.public()],
        writers: vec![Writer { key: writer.signer().public(), recipient: writer.identity.recipient().as_str().into() }],
    };
    sign(&SignedTrust::new(trust, Vec::new()), std::slice::from_ref(root))
}

// What is added to a full chain would never be loaded, and the store open by an identity that is thrown away.
#[test]
fn a_full_chain_of_trust_keeps_the_writer_s_identity() {
    let root = SignKey::from_seed(&Secret::from_bytes([1; 32]));
    let (own, other) = (WriterKey::generate(&SeededRandom::new(1)), WriterKey::generate(&SeededRandom::new(2)));
    let new = Identity::generate().recipient();
    let next = |version, writer: &WriterKey, roots: &[SignKey]| {
        let last = last(version, &root, &own);
        next_trust(&last, writer, &new, roots, Timestamp(0)).map(|next| next.trust.version)
    };
    let roots = std::slice::from_ref(&root);
    assert_eq!(next(CHAIN_MAX - 1, &own, roots), Ok(CHAIN_MAX));
    assert_eq!(next(CHAIN_MAX, &own, roots), Err(Rotated::ChainFull));
    assert_eq!(next(1, &own, &[]), Err(Rotated::LacksRoots));
    assert_eq!(next(1, &other, roots), Err(Rotated::Unknown));
}
