//! What a trust file says of writers, what a snapshot counts, and lines of texts.

use super::{Draw, STORE};
use crate::base::limits::TRUST_MAX_BYTES;
use crate::base::{PublicKey, TrustHash};
use crate::format::codec::FormatError;
use crate::format::snapshot::{MESSAGE_MAX_BYTES, Snapshot, Totals};
use crate::format::text::Lines;
use crate::format::tree::{NODE_MAX_BYTES, TARGET_MAX_BYTES, TreeNode};
use crate::format::trust::{ROOTS_MAX, SIGNATURES_MAX, SignedTrust, Trust, WRITERS_MAX, Writer};

/// A trust file of version 5 with the writers 1 and 2.
fn trust() -> Trust {
    let writer = |key: u8| Writer { key: PublicKey([key; 32]), recipient: format!("age1{key}") };
    let previous = Some(TrustHash([3; 32]));
    Trust { store: STORE, version: 5, previous, writers: vec![writer(1), writer(2)], ..Draw::new(1).trust() }
}

#[test]
fn a_newer_file_disowns_whom_it_does_not_list() {
    let (trust, listed, other) = (trust(), PublicKey([2; 32]), PublicKey([9; 32]));
    assert!(trust.is_writer(&listed) && trust.is_writer(&PublicKey([1; 32])) && !trust.is_writer(&other));
    assert_eq!([4, 5, 6].map(|version| trust.disowns(version, &other)), [true, false, false]);
    assert_eq!([4, 5, 6].map(|version| trust.disowns(version, &listed)), [false; 3]);
}

#[test]
fn the_body_of_a_trust_file_is_all_before_its_signatures() {
    let trust = trust();
    let signatures: Vec<_> = (0..SIGNATURES_MAX).map(|at| (PublicKey([at as u8; 32]), [7; 64])).collect();
    assert_eq!(SIGNATURES_MAX, 2 * ROOTS_MAX);
    let signed = SignedTrust::new(trust.clone(), signatures.clone());
    assert_eq!(signed.body(), trust.encode_body());
    assert_eq!(SignedTrust::decode(signed.bytes()).as_ref(), Ok(&signed));
    assert_eq!(signed.fingerprint(), signed.hash().to_string()[..32]);
    let more = [&signatures[..], &[(PublicKey([99; 32]), [7; 64])]].concat();
    assert!(SignedTrust::decode(SignedTrust::new(trust, more).bytes()).is_err());
}

#[test]
fn a_trust_file_may_be_as_long_as_its_limit() {
    let text =
        String::from_utf8(SignedTrust::new(trust(), vec![(PublicKey([1; 32]), [7; 64])]).bytes().to_vec()).unwrap();
    let padded = |len: usize| {
        let line = format!("later {}\nsignature ", "x".repeat(len - text.len() - "later \n".len()));
        text.replace("signature ", &line)
    };
    let most = TRUST_MAX_BYTES as usize;
    assert!(WRITERS_MAX > 2 && SignedTrust::decode(padded(most).as_bytes()).is_ok());
    assert_eq!(SignedTrust::decode(padded(most + 1).as_bytes()), Err(FormatError::Limit("a trust file")));
}

#[test]
fn entries_of_all_types_count() {
    assert_eq!(Totals { files: 3, dirs: 20, others: 100, bytes: 7 }.entries(), 123);
    assert_eq!(Totals { files: u64::MAX, dirs: 1, others: 1, bytes: 0 }.entries(), u64::MAX);
}

#[test]
fn a_message_may_be_as_long_as_its_limit() {
    let of = |len: usize| {
        let snapshot = Snapshot { message: "m".repeat(len), ..Draw::new(1).snapshot() };
        Snapshot::decode(&snapshot.encode()).map(|read| read.message.len())
    };
    assert_eq!((MESSAGE_MAX_BYTES, of(MESSAGE_MAX_BYTES)), (65_536, Ok(MESSAGE_MAX_BYTES)));
    assert!(of(MESSAGE_MAX_BYTES + 1).is_err());
}

#[test]
fn a_line_has_a_name_and_a_value_in_printable_letters() {
    let lines = |body: &str| Lines::parse("a text", "title", format!("title\n{body}\n").as_bytes()).map(|_| ());
    assert_eq!(lines("name value"), Ok(()));
    for wrong in [" value", "name ", "name", "na\u{7f}me value", "name v\u{1}", "name \u{e4}", ""] {
        assert_eq!(lines(wrong), Err(FormatError::NotCanonical("a text")), "{wrong:?}");
    }
    assert_eq!(lines("!name value"), Err(FormatError::TooNew("a text")));
}

#[test]
fn a_node_longer_than_its_limit_is_not_looked_at() {
    assert_eq!(TARGET_MAX_BYTES, 65_536);
    let limit = Err(FormatError::Limit("a tree"));
    assert_eq!(TreeNode::decode(&vec![0; NODE_MAX_BYTES + 1]), limit);
    assert_ne!(TreeNode::decode(&vec![0; NODE_MAX_BYTES]), limit);
}
