//! Keys follow from secrets as BLAKE3 has it, and no secret is shown.

use super::*;
use crate::base::random::SeededRandom;

#[test]
fn keys_and_hashes_are_those_of_blake3() {
    let bytes = std::array::from_fn(|at| at as u8);
    let secret = Secret::from_bytes(bytes);
    assert_eq!(*secret.expose(), bytes);
    assert_eq!(*secret.derive("chunkstore 1 root").expose(), blake3::derive_key("chunkstore 1 root", &bytes));
    assert_eq!(secret.keyed_hash(&[b"one", b"", b"two"]), *blake3::keyed_hash(&bytes, b"onetwo").as_bytes());
    let (mut filled, mut expected) = ([0; 100], [0; 100]);
    secret.fill_stream(&mut filled);
    blake3::Hasher::new_keyed(&bytes).finalize_xof().fill(&mut expected);
    assert_eq!(filled, expected);
}

#[test]
fn secrets_are_drawn_and_differ() {
    let random = SeededRandom::new(1);
    let (one, other) = (Secret::generate(&random), Secret::generate(&random));
    assert!(one != other && one.clone() == one);
    assert_ne!(*one.expose(), [0; 32]);
}

#[test]
fn a_secret_is_never_shown() {
    assert_eq!(format!("{:?}", Secret::from_bytes([0x41; 32])), "Secret(..)");
}
