//! Names of any bytes in addresses, and addresses that lead nowhere.

use super::*;

#[test]
fn names_of_any_bytes_go_through_an_address_and_back() {
    for name in
        [&b"plain.txt"[..], b"a b", b"<b>&\"'", b"100%", b"%2F", b"\xff\xfe", "ä\u{202e}".as_bytes(), b"\n\t", b"a\\b"]
    {
        let encoded = encode(name);
        assert!(encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)), "{encoded}");
        assert_eq!(decode(&encoded), name);
        assert_eq!(decode_path(&encoded).unwrap().as_bytes(), name);
    }
    assert_eq!(decode("%"), b"%");
    assert_eq!(decode("%4"), b"%4");
    assert_eq!(decode("%zz%41"), b"%zzA");
    assert_eq!(decode("%+1"), b"%+1");
}

#[test]
fn no_address_leaves_the_snapshot() {
    for wrong in ["..", "a/../b", "%2e%2e", "a/%2E", "a%2Fb", "a%00b"] {
        assert!(decode_path(wrong).is_err(), "{wrong}");
    }
    assert_eq!(decode_path("a//b/").unwrap().as_bytes(), b"a/b");
    assert_eq!(decode_path("").unwrap(), RelPath::root());
}
