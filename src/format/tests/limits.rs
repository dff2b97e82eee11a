//! Edges that no vector stands at, and what small types say of themselves.

use super::Draw;
use crate::base::StoreId;
use crate::base::limits::{HEAD_MAX_BYTES, RECEIPT_MAX_BYTES};
use crate::format::INNER_VERSION;
use crate::format::codec::FormatError;
use crate::format::head::{GROUP_MAX_BYTES, Head, SignedHead};
use crate::format::keylist::{KeyRole, KeyTag};
use crate::format::manifest::Manifest;
use crate::format::receipt::SignedReceipt;

#[test]
fn a_tag_reads_as_it_is_shown_and_its_twin_is_another_in_the_same_shard() {
    for tag in [KeyTag([0x12, 0xab, 0xff, 0x00]), KeyTag([0x12, 0xab, 0xff, 0x01])] {
        assert_eq!(tag.to_string().parse(), Ok(tag));
        assert_ne!(tag.twin(), tag);
        assert_eq!(tag.twin().twin(), tag);
        assert_eq!(tag.twin().shard(1 << 12), tag.shard(1 << 12));
    }
    assert_eq!(KeyTag([0x12, 0xab, 0xff, 0x00]).to_string(), "12ABFF00");
    assert_eq!(
        [KeyRole::Reader, KeyRole::Writer, KeyRole::Identity].map(KeyRole::name),
        ["reader", "writer", "identity"]
    );
}

#[test]
fn the_body_of_a_head_is_all_before_its_signature() {
    let head = Draw::new(1).head();
    let signed = SignedHead::new(head.clone(), [7; 64]);
    assert_eq!(signed.body(), head.encode_body());
    assert_eq!(
        signed.bytes().strip_prefix(signed.body()).unwrap(),
        format!("signature {}\n", "07".repeat(64)).as_bytes()
    );
    assert_eq!(SignedHead::decode(signed.bytes()).unwrap().body(), signed.body());
    assert!(Head { inner_version: INNER_VERSION, ..head.clone() }.inner_known());
    assert!(!Head { inner_version: INNER_VERSION + 1, ..head }.inner_known());
}

#[test]
fn a_group_has_so_many_letters_digits_and_dashes() {
    let decoded = |group: &str| {
        let text = String::from_utf8(SignedHead::new(Draw::new(1).head(), [7; 64]).bytes().to_vec()).unwrap();
        SignedHead::decode(text.replace("target all", &format!("target {group}")).as_bytes())
            .map(|read| read.head.group.to_string())
    };
    for group in ["a", "a-1", "-", "0", &"z".repeat(GROUP_MAX_BYTES)] {
        assert_eq!(decoded(group).as_deref(), Ok(group));
    }
    for group in ["A", "a_1", "ä", &"z".repeat(GROUP_MAX_BYTES + 1)] {
        assert!(decoded(group).is_err(), "{group}");
    }
}

#[test]
fn a_head_may_be_as_long_as_its_limit() {
    let text = String::from_utf8(SignedHead::new(Draw::new(1).head(), [7; 64]).bytes().to_vec()).unwrap();
    let padded = |len: usize| {
        let line = format!("later {}\nsignature ", "x".repeat(len - text.len() - "later \n".len()));
        text.replace("signature ", &line)
    };
    let longest = usize::try_from(HEAD_MAX_BYTES).unwrap();
    assert_eq!(padded(longest).len(), longest);
    assert!(SignedHead::decode(padded(longest).as_bytes()).is_ok());
    assert_eq!(SignedHead::decode(padded(longest + 1).as_bytes()), Err(FormatError::Limit("HEAD")));
}

#[test]
fn nothing_stands_twice_in_a_manifest() {
    let draw = Draw::new(3);
    let store = StoreId([9; 16]);
    let mut drawn = (0..1000).map(|_| draw.manifest());
    let mut full = |has: fn(&Manifest) -> bool| drawn.find(has).unwrap();
    let twice = |mut manifest: Manifest, double: fn(&mut Manifest)| {
        assert!(Manifest::decode(&manifest.encode(store), store).is_ok());
        double(&mut manifest);
        assert_eq!(Manifest::decode(&manifest.encode(store), store), Err(FormatError::NotCanonical("a manifest")));
    };
    twice(full(|it| !it.removed.is_empty()), |it| it.removed.push(*it.removed.last().unwrap()));
    twice(full(|it| !it.condemned.is_empty()), |it| it.condemned.push(*it.condemned.last().unwrap()));
    twice(full(|it| !it.recipes.is_empty()), |it| it.recipes.push(*it.recipes.last().unwrap()));
    twice(full(|it| !it.heads.is_empty()), |it| it.heads.push(*it.heads.last().unwrap()));
    twice(full(|it| !it.key_lists.is_empty()), |it| it.key_lists.push(it.key_lists.last().unwrap().clone()));
    twice(full(|it| !it.files.is_empty()), |it| it.files.push(*it.files.last().unwrap()));
}

#[test]
fn every_receipt_is_sealed_at_one_length() {
    let signed = |seed| SignedReceipt::new(Draw::new(seed).receipt(), [7; 64]);
    for seed in 0..20 {
        let (receipt, padded) = (signed(seed), signed(seed).padded().unwrap());
        assert_eq!(padded.len() as u64, RECEIPT_MAX_BYTES);
        assert_eq!(SignedReceipt::decode_padded(&padded), Ok(receipt));
    }
    let padded = signed(1).padded().unwrap();
    let other_end = [&padded[..padded.len() - 1], b"x"].concat();
    assert!(SignedReceipt::decode_padded(&other_end).is_err());
    let not_canonical = Err(FormatError::NotCanonical("a receipt"));
    assert_eq!(SignedReceipt::decode_padded(&padded[1..]), not_canonical);
    assert_eq!(SignedReceipt::decode_padded(&[&padded[..], &[0]].concat()), not_canonical);
    assert_eq!(SignedReceipt::decode_padded(&[0; 4096]), Err(FormatError::WrongKind("a receipt")));
}

#[test]
fn the_body_of_a_receipt_is_all_before_its_signature() {
    let receipt = Draw::new(3).receipt();
    let signed = SignedReceipt::new(receipt.clone(), [7; 64]);
    assert_eq!(signed.body(), receipt.encode_body());
    assert_eq!(SignedReceipt::decode(signed.bytes()).unwrap().body(), signed.body());
    assert_eq!(SignedReceipt::decode(&vec![b'x'; 4097]), Err(FormatError::Limit("a receipt")));
}
