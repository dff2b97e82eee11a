//! The status file is read back as it was written.

use super::*;
use crate::agent::event::{Progress, VolumeKey};
use crate::base::{ReplicaId, StoreId};

fn record() -> Record {
    Record {
        store: StoreId([1; 16]),
        replica: ReplicaId([2; 16]),
        generation: Some(Generation(7)),
        seen: Timestamp(5),
        last_good: Some(Timestamp(4)),
        last_sample: None,
        result: "updated".into(),
        no_receipt: Some("cannot give a receipt: the server refuses".into()),
    }
}

#[test]
fn what_is_known_of_keys_comes_back() {
    let volume = VolumeView {
        key: VolumeKey("8:17".into()),
        path: Some("/mnt/key".into()),
        store: Some(StoreId([1; 16])),
        replica: None,
        stage: "syncing",
        why: None,
        next: None,
        progress: Some(Progress { done_bytes: 1, total_bytes: 4 }),
        told: Some(Notice::Updating),
    };
    let document = document_of(&View { volumes: vec![volume], records: vec![record()] }, Timestamp(0));
    assert_eq!(
        (&document["volumes"][0]["percent"], &document["volumes"][0]["notice"]),
        (&json!(25), &json!("updating"))
    );
    assert!(document["volumes"][0]["message"].as_str().unwrap().contains("unplug it at any time"));
    assert_eq!(records_in(document.to_string().as_bytes()), [record()]);
}

#[test]
fn a_file_that_says_nothing_sensible_is_empty() {
    for bytes in [&b""[..], b"{", b"[]", b"{\"keys\": 3}", b"{\"keys\": [3, {}, {\"store_id\": \"xx\"}]}", b"\xff"] {
        assert_eq!(records_in(bytes), []);
    }
}
