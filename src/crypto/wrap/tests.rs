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

#[test]
fn content_may_be_exactly_as_long_as_allowed() {
    let identity = Identity::generate();
    let wrapped = wrap(&identity.recipient(), b"secret").unwrap();
    assert_eq!(*unwrap(std::slice::from_ref(&identity), &wrapped, 6).unwrap(), b"secret");
    assert_eq!(unwrap(std::slice::from_ref(&identity), &wrapped, 0).unwrap_err(), WrapError::TooLong);
    let empty = wrap(&identity.recipient(), b"").unwrap();
    assert_eq!(*unwrap(&[identity], &empty, 0).unwrap(), b"");
}

#[test]
fn a_recipient_is_its_first_word() {
    let identity = Identity::generate();
    let text = identity.recipient().as_str().to_owned();
    assert!(text.starts_with("age1") && text.len() == 62, "{text}");
    assert_eq!(Recipient::parse(&text), Ok(identity.recipient()));
    assert_eq!(Recipient::parse(&format!("  {text}\n")), Ok(identity.recipient()));
    let line = identity.to_line();
    assert!(line.starts_with("AGE-SECRET-KEY-1") && line.len() == 74);
}

#[test]
fn a_file_of_identities_holds_several_between_comments() {
    let (one, other) = (Identity::generate(), Identity::generate());
    let text = format!("# one\n  {}  \n\n   \n# other\n{}", *one.to_line(), *other.to_line());
    let read: Vec<Recipient> = Identity::parse_file(&text).unwrap().iter().map(Identity::recipient).collect();
    assert_eq!(read, [one.recipient(), other.recipient()]);
    assert!(matches!(Identity::parse_file(&format!("{text}\nmore")), Err(WrapError::BadIdentity)));
}

/// The work factor that the stanza of a passphrase asks for.
fn work_factor(wrapped: &[u8]) -> String {
    let header = String::from_utf8_lossy(&wrapped[..wrapped.len().min(200)]).into_owned();
    let stanza = header.lines().find(|line| line.starts_with("-> scrypt ")).unwrap().to_owned();
    stanza.rsplit(' ').next().unwrap().to_owned()
}

#[test]
fn what_lies_in_public_takes_more_work_and_what_asks_for_too_much_is_refused() {
    let wrapped = wrap_with_passphrase("right", b"secret").unwrap();
    assert_eq!(work_factor(&wrapped), "16");
    let public = wrap_in_public("right", b"secret").unwrap();
    assert_eq!(work_factor(&public), "18");
    assert_eq!(*unwrap_with_passphrase("right", &public, 6).unwrap(), b"secret");
    let at = wrapped.windows(4).position(|window| window == b" 16\n").unwrap();
    let mut greedy = wrapped;
    greedy[at..at + 4].copy_from_slice(b" 21\n");
    assert_eq!(unwrap_with_passphrase("right", &greedy, 100).unwrap_err(), WrapError::ExcessiveWork);
}

#[test]
fn what_opens_with_an_identity_is_no_passphrase_s() {
    let wrapped = wrap(&Identity::generate().recipient(), b"secret").unwrap();
    assert_eq!(is_wrapped_with_passphrase(&wrapped), Some(false));
    assert!(unwrap_with_passphrase("right", &wrapped, 100).is_err());
}

/// SSH keys as recipients and identities; the keys here were made for this test and open nothing else.
mod ssh {
    use super::*;

    const PUBLIC: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHBSfDmLdWIcLwb3TqOC+U8v/Wrs3hteuxQ3mt1Q5cYf of a test";
    const PRIVATE: &str = "\
-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
QyNTUxOQAAACBwUnw5i3ViHC8G906jgvlPL/1q7N4bXrsUN5rdUOXGHwAAAJClgnpZpYJ6
WQAAAAtzc2gtZWQyNTUxOQAAACBwUnw5i3ViHC8G906jgvlPL/1q7N4bXrsUN5rdUOXGHw
AAAEB56ALet+IsyMy6fk+1Rf6M3TI2lVHvSWGg9dFLwaJsG3BSfDmLdWIcLwb3TqOC+U8v
/Wrs3hteuxQ3mt1Q5cYfAAAACW9mIGEgdGVzdAECAwQ=
-----END OPENSSH PRIVATE KEY-----
";
    const UNDER_A_PASSPHRASE: &str = "\
-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABCq8KyZes
6AdJ9TqQpQz35EAAAAEAAAAAEAAAAzAAAAC3NzaC1lZDI1NTE5AAAAICRTui+08cCq9yiK
bL8h2E2J5GZIJbsD4VrZPr9GRN+9AAAAkGZDJGsobjaWwtmUGq5M/Zw14ClBmoiqvqmAKO
/fQG9Soqvak7jgn2F++duecenSbO0exSXcj7YESHb8YvGn36IpBPC8MuAuNO8HuP+YZdmX
/2BU5fecKwJ5cr6xiFc7KgORVpwM/n7jbN41fSec1KiLeEEJk0JCfQBn5me8/c3d7vHBxg
V6S1aTdagedLlk1A==
-----END OPENSSH PRIVATE KEY-----
";

    #[test]
    fn an_ssh_key_opens_what_was_wrapped_for_it() {
        let recipient = Recipient::parse(PUBLIC).unwrap();
        assert_eq!(recipient.as_str().split(' ').count(), 2, "the comment is left out");
        let identity = Identity::parse_file(PRIVATE).unwrap().remove(0);
        assert_eq!(identity.recipient(), recipient);
        let wrapped = wrap(&recipient, b"secret").unwrap();
        assert_eq!(*unwrap(std::slice::from_ref(&identity), &wrapped, 100).unwrap(), b"secret");
        assert_eq!(unwrap(&[Identity::generate()], &wrapped, 100).unwrap_err(), WrapError::NoMatch);
        let both = [Identity::generate(), identity];
        assert_eq!(*unwrap(&both, &wrapped, 100).unwrap(), b"secret");
    }

    #[test]
    fn what_is_no_usable_ssh_key_is_said_to_be_none() {
        assert!(matches!(Identity::parse_file(UNDER_A_PASSPHRASE), Err(WrapError::BadSshKey)));
        assert!(matches!(Identity::parse_file("-----BEGIN NONSENSE-----\n"), Err(WrapError::BadSshKey)));
        for text in ["ssh-ed25519", "ssh-ed25519 AAAA", "ssh-dss AAAAB3NzaC1kc3MAAACBAO of a test"] {
            assert_eq!(Recipient::parse(text), Err(WrapError::BadRecipient), "{text}");
        }
    }
}
