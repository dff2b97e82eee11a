//! Recipients that cannot be wrapped for.

use super::*;
use crate::base::Timestamp;
use crate::base::random::SeededRandom;

fn refused(recipient: &str) -> Error {
    let holder = Holder {
        tag: KeyTag([2; 4]),
        role: KeyRole::Reader,
        recipient: recipient.to_owned(),
        identity: Vec::new(),
        name: "ada".to_owned(),
        note: String::new(),
        added: Timestamp(0),
        since: Epoch(1),
        until: None,
        extensions: Vec::new(),
    };
    let keys = WriterKeys::generate(StoreId([7; 16]), &SeededRandom::new(1));
    wrap_for(&keys, [&holder].into_iter()).err().unwrap()
}

#[test]
fn a_recipient_of_another_build_is_no_damage() {
    // Every build refuses this kind of SSH key.
    let error = refused("ssh-dss AAAAB3NzaC1kc3MAAACBAO");
    assert_eq!(error.kind(), ErrorKind::Other, "{}", error.in_full());
    assert!(error.in_full().contains("--features ssh"), "{}", error.in_full());
    assert_eq!(refused("age1nonsense").kind(), ErrorKind::Corrupt);
}
