//! Errors as they are shown.

use super::*;

#[test]
fn a_chain_is_one_line_and_says_nothing_twice() {
    let deep = Error::new(ErrorKind::Corrupt, "pack \x1b[31m3f\nis short");
    let error = deep.within("cannot verify");
    assert_eq!(sentence(&error), "cannot verify: pack \\u{1b}[31m3f is short");
    let twice = Error::with_source(ErrorKind::Other, "cannot go on: it is late", "it is late");
    assert_eq!(sentence(&twice), "cannot go on: it is late");
}

#[test]
fn json_carries_kind_code_and_sentence() {
    let value = as_json(&Error::new(ErrorKind::NoStore, "nothing"));
    assert_eq!(value, json!({"event": "error", "kind": "no-store", "code": 10, "message": "nothing"}));
}
