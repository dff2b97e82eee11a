//! Words and logins.

use super::*;

fn login<'a>(user: Option<&'a str>, password: Option<&str>) -> Login<'a> {
    Login { user, password: password.map(|text| Password::new(text.to_owned())) }
}

#[test]
fn a_password_goes_only_with_its_user() {
    let chosen = |sources: &[Login<'_>]| {
        choose_login(sources).map(|found| (found.user.clone(), found.password.reveal().to_owned()))
    };
    let is = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
    assert_eq!(chosen(&[login(None, None), login(None, Some("p"))]), None);
    assert_eq!(chosen(&[login(Some("a"), Some("x")), login(Some("b"), Some("y"))]), is("a", "x"));
    assert_eq!(chosen(&[login(Some("a"), None), login(Some("b"), Some("y"))]), is("a", ""));
    assert_eq!(chosen(&[login(Some("a"), None), login(Some("b"), Some("y")), login(None, Some("z"))]), is("a", "z"));
    assert_eq!(chosen(&[login(None, None), login(Some("b"), None), login(Some("b"), Some("z"))]), is("b", "z"));
}

#[test]
fn schemes_are_told_from_paths() {
    assert_eq!(scheme_of("http://h/x"), Some("http"));
    assert_eq!(scheme_of("/a://b"), None);
    assert_eq!(scheme_of("c://b"), None);
    assert!(require_plausible("no-such-name").is_err());
    assert!(require_plausible("").is_err());
    assert!(require_plausible("./no-such-name").is_ok());
}
