//! Addresses are read strictly and shown without their secrets.

use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> FtpUrl {
    FtpUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn every_part_is_read() {
    let url = parse("ftps://bob%40home:p%3Aw%2F@ftp.example.org:2121/pub/my%20store/");
    assert_eq!((url.protection, url.host.as_str(), url.port), (Protection::ExplicitTls, "ftp.example.org", 2121));
    assert_eq!((url.user.as_deref(), url.password.as_ref().unwrap().reveal()), (Some("bob@home"), "p:w/"));
    assert_eq!(url.dir, "pub/my store");
}

#[test]
fn defaults_and_directories() {
    assert_eq!(parse("ftp://h").port, 21);
    assert_eq!(parse("FTPS+Implicit://h/").port, 990);
    assert_eq!(parse("ftp://h/").dir, "");
    assert_eq!(parse("ftp://h//srv/x").dir, "/srv/x");
    assert_eq!(parse("ftp://h/%2Fsrv").dir, "/srv");
    assert_eq!(parse("ftp://h//").dir, "/");
    assert_eq!(parse("ftp://[::1]:2121/a").host, "::1");
    assert_eq!(parse("ftp://u@h/a").password, None);
    assert_eq!(parse("ftp://u:@h/a").password, Some(Password::new(String::new())));
}

#[test]
fn broken_addresses_are_refused_by_name() {
    use ParseUrlError as E;
    let cases = [
        ("http://h/", E::Scheme),
        ("h/dir", E::Scheme),
        ("ftp:///dir", E::Host),
        ("ftp://a b/", E::Host),
        ("ftp://[::1/", E::Host),
        ("ftp://[zz]/", E::Host),
        ("ftp://-oops/", E::Host),
        ("ftp://h:/", E::Port),
        ("ftp://h:0/", E::Port),
        ("ftp://h:65536/", E::Port),
        ("ftp://h:+21/", E::Port),
        ("ftp://h/%", E::Escape),
        ("ftp://h/%g0", E::Escape),
        ("ftp://h/%ff", E::Escape),
        ("ftp://h/%\u{e9}1", E::Escape),
        ("ftp://h/a%0d%0aDELE%20x", E::Control),
        ("ftp://u%0a@h/", E::Control),
        ("ftp://u:p%00@h/", E::Control),
        ("ftp://h/a\nb", E::Control),
        ("ftp://h/../x", E::Directory),
        ("ftp://h/a/%2e%2e", E::Directory),
        ("ftp://h/a//b", E::Directory),
        ("ftp://h/a?b", E::Query),
        ("ftp://h/a#b", E::Query),
    ];
    for (text, expected) in cases {
        assert_eq!(FtpUrl::parse(text).err(), Some(expected), "{text:?}");
    }
    assert_eq!(FtpUrl::parse(&format!("ftp://h/{}", "a".repeat(3000))).err(), Some(E::TooLong));
    // What it takes to show it counts as well, since that is what a store remembers and reads again.
    let brackets = |count: usize| format!("ftp://h/{}", "]".repeat(count));
    let most = (SHOWN_MAX_BYTES - "ftp://h/".len()) / "%5D".len();
    let longest = FtpUrl::parse(&brackets(most)).unwrap().to_string();
    assert_eq!(FtpUrl::parse(&longest).unwrap().to_string(), longest);
    assert_eq!(FtpUrl::parse(&brackets(most + 1)).err(), Some(E::TooLong));
}

#[test]
fn a_password_is_never_shown() {
    let url = parse("ftp://bob:tops3cret@h/dir");
    assert_eq!(url.to_string(), "ftp://h/dir");
    assert!(!format!("{url:?}").contains("tops3cret"));
    assert!(!format!("{:?}", Credentials::new("bob", "tops3cret")).contains("tops3cret"));
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(text in "(ftp|ftps|ftps\\+implicit)://.{0,60}") {
        if let Ok(url) = FtpUrl::parse(&text) {
            prop_assert!(!url.dir.chars().any(char::is_control));
            let shown = url.to_string();
            let again = FtpUrl::parse(&shown).unwrap();
            prop_assert_eq!((&again.host, again.port, &again.dir), (&url.host, url.port, &url.dir));
        }
    }
}
