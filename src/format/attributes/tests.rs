//! Extensions of entries come back as they were written, and nothing else is taken.

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn attributes_come_back(pairs in proptest::collection::btree_map("[a-z.]{1,40}", proptest::collection::vec(any::<u8>(), 0..300), 0..40)) {
        let attributes: Vec<Attribute> = pairs.into_iter().map(|(name, value)| (name.into_bytes(), value)).collect();
        let (bytes, left_out) = encode_attributes(&attributes);
        prop_assert!(left_out.is_empty());
        match bytes {
            Some(bytes) => prop_assert_eq!(decode_attributes(&bytes).unwrap(), attributes),
            None => prop_assert!(attributes.is_empty()),
        }
    }

    #[test]
    fn holes_come_back(pieces in proptest::collection::vec((1u64..1 << 40, 1u64..1 << 40), 0..200), first in any::<bool>()) {
        let (mut at, mut holes) = (0, Vec::new());
        for (index, (gap, len)) in pieces.into_iter().enumerate() {
            let offset = if index == 0 && first { 0 } else { at + gap };
            holes.push((offset, len));
            at = offset + len;
        }
        match encode_holes(&holes) {
            Some(bytes) => {
                prop_assert_eq!(decode_holes(&bytes, at).unwrap(), &holes[..]);
                prop_assert_eq!(decode_holes(&bytes, at - 1), Err(FormatError::Limit(HOLES)));
            }
            None => prop_assert!(holes.is_empty()),
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        if let Ok(attributes) = decode_attributes(&bytes) {
            prop_assert_eq!(encode_attributes(&attributes).0.unwrap(), &bytes[..]);
        }
        if let Ok(holes) = decode_holes(&bytes, u64::MAX) {
            prop_assert_eq!(encode_holes(&holes).unwrap(), &bytes[..]);
        }
        if let Ok((secs, nanos)) = decode_birth(&bytes) {
            prop_assert_eq!(encode_birth(secs, nanos), bytes);
        }
    }
}

#[test]
fn what_does_not_fit_an_extension_is_left_out_and_named() {
    let attributes = [
        (b"user.a".to_vec(), vec![1; 40_000]),
        (b"user.b".to_vec(), vec![2; 40_000]),
        (b"user.c".to_vec(), vec![3; 9]),
    ];
    let (bytes, left_out) = encode_attributes(&attributes);
    let bytes = bytes.unwrap();
    assert!(bytes.len() <= EXTENSION_MAX_BYTES);
    assert_eq!(left_out, [b"user.b"]);
    assert_eq!(decode_attributes(&bytes).unwrap(), [attributes[0].clone(), attributes[2].clone()]);
    let holes: Vec<Stretch> = (0..60_000).map(|n| (n * 3, 2)).collect();
    let bytes = encode_holes(&holes).unwrap();
    assert!(bytes.len() <= EXTENSION_MAX_BYTES);
    let kept = decode_holes(&bytes, u64::MAX).unwrap();
    assert!(kept.len() > 30_000 && kept == holes[..kept.len()]);
}

#[test]
fn tags_stay_in_order() {
    let mut extensions = vec![(1, vec![1]), (7, vec![7])];
    set_extension(&mut extensions, BIRTH_TAG, Some(vec![3]));
    set_extension(&mut extensions, ATTRIBUTES_TAG, None);
    set_extension(&mut extensions, HOLES_TAG, None);
    set_extension(&mut extensions, 7, Some(vec![8]));
    assert_eq!(extensions, [(3, vec![3]), (7, vec![8])]);
    assert_eq!(extension(&extensions, BIRTH_TAG), Some(&[3][..]));
    assert_eq!(extension(&extensions, HOLES_TAG), None);
}

#[test]
fn an_extension_is_filled_to_its_last_byte() {
    // A name of one byte, its length, and the length of a long value take five bytes.
    let longest = EXTENSION_MAX_BYTES - 3 - 5;
    let one = |len: usize| [(b"a".to_vec(), vec![1; len])];
    assert_eq!(encode_attributes(&one(longest)).1, Vec::<&[u8]>::new());
    assert_eq!(encode_attributes(&one(longest + 1)), (None, vec![&b"a"[..]]));
    // One hole of three bytes and the rest of two.
    let rest = (EXTENSION_MAX_BYTES - 3 - 3) / 2;
    let holes = |count: usize| -> Vec<Stretch> {
        let first = std::iter::once((1, 128));
        first.chain((0..count as u64).map(|n| (130 + 2 * n, 1))).collect()
    };
    let read = |holes: &[Stretch]| decode_holes(&encode_holes(holes).unwrap(), u64::MAX).unwrap().len();
    assert_eq!(read(&holes(rest)), rest + 1);
    assert_eq!(read(&holes(rest + 1)), rest + 1);
    assert_eq!(encode_holes(&[]), None);
    assert_eq!(encode_attributes(&[]), (None, vec![]));
}
