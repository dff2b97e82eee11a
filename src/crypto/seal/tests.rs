//! A frame opens under its own key and data, and under nothing else.

use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn what_is_sealed_opens(key: [u8; 32], associated: Vec<u8>, payload: Vec<u8>) {
        let mut frame = seal(&key, &associated, &payload).unwrap();
        prop_assert_eq!(frame.len(), payload.len() + OVERHEAD_BYTES);
        prop_assert_eq!(&frame, &seal(&key, &associated, &payload).unwrap());
        prop_assert_eq!(open_in_place(&key, &associated, &mut frame), Ok(&payload[..]));
    }

    #[test]
    fn one_changed_bit_anywhere_is_noticed(payload: Vec<u8>, at: prop::sample::Index, bit in 0..8u32) {
        let (key, associated) = ([7; 32], b"data".to_vec());
        let mut frame = seal(&key, &associated, &payload).unwrap();
        let at = at.index(frame.len());
        frame[at] ^= 1 << bit;
        prop_assert_eq!(open_in_place(&key, &associated, &mut frame), Err(SealError));
    }
}

#[test]
fn another_key_or_other_data_does_not_open() {
    let frame = seal(&[1; 32], b"a", b"payload").unwrap();
    assert_eq!(open_in_place(&[2; 32], b"a", &mut frame.clone()), Err(SealError));
    assert_eq!(open_in_place(&[1; 32], b"b", &mut frame.clone()), Err(SealError));
    assert_eq!(open_in_place(&[1; 32], b"a", &mut frame[..frame.len() - 1].to_vec()), Err(SealError));
    assert_eq!(open_in_place(&[1; 32], b"a", &mut [0; 39]), Err(SealError));
}

#[test]
fn different_messages_have_different_nonces() {
    let nonce =
        |key: u8, associated: &[u8], payload: &[u8]| seal(&[key; 32], associated, payload).unwrap()[..24].to_vec();
    let all =
        [nonce(1, b"a", b"b"), nonce(1, b"ab", b""), nonce(1, b"", b"ab"), nonce(1, b"a", b"c"), nonce(2, b"a", b"b")];
    for (at, one) in all.iter().enumerate() {
        assert!(!all[..at].contains(one));
    }
}

#[test]
fn an_empty_payload_is_sealed_as_well() {
    let mut frame = seal(&[1; 32], b"a", b"").unwrap();
    assert_eq!(frame.len(), OVERHEAD_BYTES);
    assert_eq!(open_in_place(&[1; 32], b"a", &mut frame), Ok(&b""[..]));
    assert_eq!(open_in_place(&[1; 32], b"a", &mut []), Err(SealError));
}
