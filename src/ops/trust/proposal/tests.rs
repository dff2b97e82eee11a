//! A proposal is read back as it was written; what else it may hold is refused.

use super::*;
use crate::base::{Generation, StoreId, Timestamp};
use crate::format::trust::{Trust, Writer};

fn proposal() -> Proposal {
    let key = PublicKey([4; 32]);
    let trust = Trust {
        store: StoreId([3; 16]),
        version: 1,
        previous: None,
        time: Timestamp(0),
        expires: Timestamp(1),
        floor: Generation(0),
        threshold: 1,
        roots: vec![PublicKey([5; 32])],
        writers: vec![Writer { key, recipient: "age1xyz".into() }],
    };
    let label = Label { name: "Ännis PC".into(), note: "in the office, 2nd floor".into() };
    let file = SignedTrust::new(trust, vec![(PublicKey([5; 32]), [7; 64])]);
    Proposal { file, labels: BTreeMap::from([(key, label)]) }
}

#[test]
fn it_is_read_back() {
    let full = proposal();
    assert_eq!(Proposal::decode(&full.encode()), Ok(full.clone()));
    let bare = Proposal { labels: BTreeMap::new(), ..full };
    assert_eq!(Proposal::decode(&bare.encode()), Ok(bare));
}

#[test]
fn what_is_none_is_refused() {
    let bytes = proposal().encode();
    // Without its last lines it is a proposal of fewer writers, or one that nobody has signed yet.
    for at in (0..bytes.len()).filter(|at| *at == 0 || bytes[*at - 1] != b'\n') {
        assert!(Proposal::decode(&bytes[..at]).is_err(), "cut at {at}");
    }
    let text = String::from_utf8(bytes).unwrap();
    for (from, to) in [
        ("chunkstore trust proposal", "chunkstore trust"),
        ("writer-name", "writer-age"),
        ("outer 1\n", "outer 1\nnew field\n"),
        ("Ännis", " Ännis"),
        ("Ännis", "\u{1b}[2J"),
        ("Ännis PC", &"x".repeat(HOLDER_NAME_MAX_BYTES + 1)),
        ("in the office", &"x".repeat(NOTE_MAX_BYTES + 1)),
        ("writer-name", "\n"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text);
        assert!(Proposal::decode(changed.as_bytes()).is_err(), "{from} -> {to}");
    }
    let mut long = text.into_bytes();
    long.resize(PROPOSAL_MAX_BYTES as usize + 1, b'\n');
    assert!(Proposal::decode(&long).is_err());
}
