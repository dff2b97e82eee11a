//! Wrapped secrets open for whom they were made, and errors say why not.

use super::*;

#[test]
fn an_identity_opens_what_was_wrapped_for_it() {
    let (alice, bob) = (Identity::generate(), Identity::generate());
    let wrapped = wrap(&alice.recipient(), b"secret").unwrap();
    assert_eq!(*unwrap(&[bob.clone(), alice.clone()], &wrapped, 100).unwrap(), b"secret");
    assert_eq!(unwrap(&[bob], &wrapped, 100).unwrap_err(), WrapError::NoMatch);
    assert_eq!(unwrap(std::slice::from_ref(&alice), &wrapped, 5).unwrap_err(), WrapError::TooLong);
    assert_eq!(unwrap(std::slice::from_ref(&alice), b"junk", 5).unwrap_err(), WrapError::Damaged);
    let mut flipped = wrapped.clone();
    *flipped.last_mut().unwrap() ^= 1;
    assert_eq!(unwrap(std::slice::from_ref(&alice), &flipped, 100).unwrap_err(), WrapError::Damaged);
    let text = format!("# comment\n\n{}\n", *alice.to_line());
    assert_eq!(Identity::parse_file(&text).unwrap()[0].recipient(), alice.recipient());
    assert!(matches!(Identity::parse_file("AGE-SECRET-KEY-1XYZ"), Err(WrapError::BadIdentity)));
    assert!(matches!(Identity::parse_file("# nothing"), Err(WrapError::BadIdentity)));
    assert_eq!(Recipient::parse("age1junk"), Err(WrapError::BadRecipient));
}

#[test]
fn a_wrong_passphrase_is_told_apart_from_damage() {
    let wrapped = wrap_with_passphrase("right", b"secret").unwrap();
    assert_eq!(is_wrapped_with_passphrase(&wrapped), Some(true));
    assert_eq!(is_wrapped_with_passphrase(b"plain"), None);
    assert_eq!(*unwrap_with_passphrase("right", &wrapped, 100).unwrap(), b"secret");
    assert_eq!(unwrap_with_passphrase("wrong", &wrapped, 100).unwrap_err(), WrapError::WrongPassphrase);
    assert_eq!(unwrap_with_passphrase("right", &wrapped[..40], 100).unwrap_err(), WrapError::Damaged);
}
