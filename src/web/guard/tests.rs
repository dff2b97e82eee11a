//! Tokens, sessions, passwords, hosts and sites.

use super::*;
use crate::base::random::SeededRandom;

fn guard() -> Guard {
    Guard::new(4711, Arc::new(SeededRandom::new(1)))
}

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    lines.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

#[test]
fn a_token_opens_one_session_and_another_takes_its_place() {
    let guard = guard();
    let token = guard.token();
    assert!(guard.open("").is_none() && guard.open(&token[1..]).is_none() && guard.open(guard.password()).is_none());
    let cookie = guard.open(&token).unwrap();
    assert!(cookie.starts_with("chunkstore-session-4711="), "{cookie}");
    assert!(cookie.ends_with(&format!("; Path={}; HttpOnly; SameSite=Strict", guard.home())), "{cookie}");
    assert!(guard.open(&token).is_none() && guard.token() != token);
    let pair = cookie.split(';').next().unwrap();
    assert!(guard.knows(&headers(&[("cookie", pair)])));
    assert!(guard.knows(&headers(&[("cookie", &format!("a=b; {pair}; c=d"))])));
    for wrong in
        ["", "chunkstore-session-4711=", "chunkstore-session-4711", &pair[..pair.len() - 1], &format!("x{pair}")]
    {
        assert!(!guard.knows(&headers(&[("cookie", wrong)])), "{wrong}");
    }
    for _ in 0..SESSIONS_MAX {
        assert!(guard.open(&guard.token()).is_some());
    }
    assert!(!guard.knows(&headers(&[("cookie", pair)])), "the oldest session went");
}

#[test]
fn a_cookie_is_for_the_pages_of_one_run_alone() {
    let random = Arc::new(SeededRandom::new(1));
    let (one, other) = (Guard::new(4711, random.clone()), Guard::new(9999, random));
    for guard in [&one, &other] {
        let home = guard.home().trim_matches('/').to_owned();
        assert!(guard.home().len() == home.len() + 2 && home.len() == 2 * SECRET_BYTES, "{home}");
        assert!(home != guard.token() && home != guard.password(), "each secret is drawn for itself");
    }
    assert_ne!(one.home(), other.home());
    let cookie = one.open(&one.token()).unwrap();
    let pair = cookie.split(';').next().unwrap();
    assert!(!other.knows(&headers(&[("cookie", pair)])));
    assert!(!other.knows(&headers(&[("cookie", &pair.replace("4711", "9999"))])));
}

#[test]
fn the_password_comes_by_basic_authentication_under_any_name() {
    let guard = Guard { password: "s3cret".to_owned(), ..guard() };
    for (value, is_right) in [
        ("Basic Y2h1bmtzdG9yZTpzM2NyZXQ=", true),
        ("basic Y2h1bmtzdG9yZTpzM2NyZXQ", true),
        ("Basic OnMzY3JldA==", true),
        ("Basic YTpzM2NyZXQh", false),
        ("Basic czNjcmV0", false),
        ("Bearer OnMzY3JldA==", false),
        ("Basic \u{7f}", false),
        ("Basic A", false),
        ("Basic", false),
    ] {
        let mut given = HeaderMap::new();
        if let Ok(value) = value.parse() {
            given.insert(header::AUTHORIZATION, value);
        }
        assert_eq!(guard.has_password(&given), is_right, "{value}");
    }
}

#[test]
fn other_hosts_and_other_sites_are_told_apart() {
    let guard = guard();
    for (host, is_own) in [
        ("127.0.0.1:4711", true),
        ("LOCALHOST:4711", true),
        ("127.0.0.1", false),
        ("127.0.0.1:4712", false),
        ("evil.example:4711", false),
        ("127.0.0.1:4711.evil.example", false),
        ("", false),
    ] {
        assert_eq!(guard.is_host(&headers(&[("host", host)])), is_own, "{host}");
    }
    assert!(!guard.is_host(&headers(&[])));
    let mut twice = headers(&[("host", "127.0.0.1:4711")]);
    twice.append("host", "evil.example".parse().unwrap());
    assert!(!guard.is_host(&twice));
    for (name, value, is_foreign) in [
        ("origin", "http://127.0.0.1:4711", false),
        ("origin", "http://localhost:4711", true),
        ("origin", "http://127.0.0.1:80", true),
        ("origin", "null", true),
        ("sec-fetch-site", "same-origin", false),
        ("sec-fetch-site", "none", false),
        ("sec-fetch-site", "same-site", true),
        ("sec-fetch-site", "cross-site", true),
        ("sec-fetch-site", "something", true),
    ] {
        let given = headers(&[("host", "127.0.0.1:4711"), (name, value)]);
        assert_eq!(guard.is_foreign(&given), is_foreign, "{name}: {value}");
    }
}

#[test]
fn base64_is_read_as_others_write_it() {
    assert_eq!(from_base64("").unwrap(), b"");
    assert_eq!(from_base64("TWFu").unwrap(), b"Man");
    assert_eq!(from_base64("TWE=").unwrap(), b"Ma");
    assert_eq!(from_base64("TQ==").unwrap(), b"M");
    assert_eq!(from_base64("+/+/").unwrap(), [0xfb, 0xff, 0xbf]);
    assert!(from_base64("TW-u").is_none());
}
