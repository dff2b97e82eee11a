//! One spelling for each value, and nothing read past the end.

use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn numbers_read_back(value: u64, signed: i64, bytes: Vec<u8>) {
        let mut out = Encoder::new();
        out.number(value);
        out.signed(signed);
        out.bytes(&bytes);
        let encoded = out.finish();
        let mut input = Decoder::new("test", &encoded);
        prop_assert_eq!(input.number(), Ok(value));
        prop_assert_eq!(input.signed(), Ok(signed));
        prop_assert_eq!(input.bytes(1 << 20), Ok(&bytes[..]));
        prop_assert_eq!(input.end(), Ok(()));
    }

    #[test]
    fn whatever_decodes_as_a_number_encodes_to_the_same_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
        let mut input = Decoder::new("test", &bytes);
        if let Ok(value) = input.number() {
            let used = bytes.len() - input.remaining();
            let mut out = Encoder::new();
            out.number(value);
            prop_assert_eq!(out.finish(), &bytes[..used]);
        }
    }
}

#[test]
fn second_spellings_and_lies_are_refused() {
    let read = |bytes: &[u8]| Decoder::new("test", bytes).number();
    assert_eq!(read(&[0x80, 0x00]), Err(FormatError::NotCanonical("test")));
    assert_eq!(read(&[0xff; 11]), Err(FormatError::NotCanonical("test")));
    assert_eq!(read(&[0x80]), Err(FormatError::Truncated("test")));
    assert_eq!(Decoder::new("test", &[200, 1, 0]).count(4), Err(FormatError::Truncated("test")));
    assert_eq!(Decoder::new("test", &[5, 0]).bytes(4), Err(FormatError::Limit("test")));
    assert_eq!(Decoder::new("test", &[0, 1]).end_padding(), Err(FormatError::NotCanonical("test")));
    assert_eq!(Decoder::new("test", &[0]).end(), Err(FormatError::Trailing("test")));
}

#[test]
fn odd_extensions_are_kept_and_even_ones_refused() {
    let encode = |fields: &[(u64, Vec<u8>)]| {
        let mut out = Encoder::new();
        put_extensions(&mut out, fields);
        out.finish()
    };
    let decode = |bytes: &[u8]| get_extensions(&mut Decoder::new("test", bytes));
    let odd = vec![(1, b"a".to_vec()), (7, vec![])];
    assert_eq!(decode(&encode(&odd)), Ok(odd));
    assert_eq!(decode(&encode(&[(2, vec![])])), Err(FormatError::TooNew("test")));
    assert_eq!(decode(&encode(&[(3, vec![]), (1, vec![])])), Err(FormatError::NotCanonical("test")));
}

#[test]
fn a_count_is_held_against_what_is_left_and_counts_may_be_as_high_as_their_limit() {
    assert_eq!(Decoder::new("test", &[3, 0, 0, 0, 0]).count(4), Err(FormatError::Truncated("test")));
    assert_eq!(Decoder::new("test", &[1, 0, 0, 0, 0]).count(4), Ok(1));
    let encode = |fields: &[(u64, Vec<u8>)]| {
        let mut out = Encoder::new();
        put_extensions(&mut out, fields);
        out.finish()
    };
    let many = |count: u64| (0..count).map(|at| (2 * at + 1, vec![])).collect::<Vec<_>>();
    let most = many(EXTENSIONS_MAX as u64);
    assert_eq!(get_extensions(&mut Decoder::new("test", &encode(&most))), Ok(most));
    let more = encode(&many(EXTENSIONS_MAX as u64 + 1));
    assert_eq!(get_extensions(&mut Decoder::new("test", &more)), Err(FormatError::Limit("test")));
    let (empty, mut some) = (Encoder::new(), Encoder::new());
    some.u8(0);
    assert!(empty.is_empty() && !some.is_empty());
}
