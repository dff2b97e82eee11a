//! Proxies are read strictly, spoken to as the specifications say, and believed in nothing.

use proptest::prelude::*;

use super::*;
use RemoteErrorKind::{Protocol, Refused, Unreachable};

/// What a proxy says, and what it was told.
struct Scripted<'a> {
    says: &'a [u8],
    heard: Vec<u8>,
}

impl Read for Scripted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.says.read(buffer)
    }
}

impl Write for Scripted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.heard.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns what a proxy was told, what came of it, and how much of its words was left unread.
fn asked(proxy: &str, host: &str, says: &[u8]) -> (Vec<u8>, Result<(), ProxyError>, usize) {
    let mut stream = Scripted { says, heard: Vec::new() };
    let ended = Proxy::parse(proxy).unwrap().ask(&mut stream, host, 2121);
    (stream.heard, ended, stream.says.len())
}

#[test]
fn every_part_is_read() {
    let shown = |text: &str| Proxy::parse(text).map(|proxy| proxy.to_string());
    assert_eq!(shown("socks5://h"), Ok("socks5://h:1080".to_owned()));
    assert_eq!(shown("SOCKS5H://u:geheim@[::1]:99/"), Ok("socks5h://[::1]:99".to_owned()));
    assert_eq!(shown("h:3128"), Ok("http://h:3128".to_owned()));
    assert_eq!(shown("http://h"), Ok("http://h:80".to_owned()));
    let login = Proxy::parse("http://a%40b:c%3Ad@h").unwrap().login.unwrap();
    assert_eq!((login.user.as_str(), login.password.reveal()), ("a@b", "c:d"));
    assert!(!format!("{:?}", Proxy::parse("http://u:geheim@h")).contains("geheim"));
    for wrong in ["https://h", "socks4://h", "socks5://h/x", "http://h?x", "http://", "http://h:0", "http://u%0a@h", ""]
    {
        assert!(shown(wrong).is_err(), "{wrong}");
    }
    let long = format!("socks5://u:{}@h", "x".repeat(256));
    assert_eq!(Proxy::parse(&long), Err(ParseProxyError::Login));
}

#[test]
fn socks_is_spoken_as_specified() {
    const BOUND: &[u8] = b"\x05\0\0\x01\x7f\0\0\x01\x12\x34220 greeting";
    let (heard, ended, left) = asked("socks5h://h", "ftp.example", &[b"\x05\0", BOUND].concat());
    assert_eq!((ended, left), (Ok(()), b"220 greeting".len()), "nothing is read past the answer");
    assert_eq!(heard, b"\x05\x01\0\x05\x01\0\x03\x0bftp.example\x08\x49");
    let (heard, ended, _) = asked("socks5://u:pw@h", "127.0.0.1", &[b"\x05\x02\x01\0", BOUND].concat());
    assert_eq!(ended, Ok(()));
    assert_eq!(heard, b"\x05\x02\0\x02\x01\x01u\x02pw\x05\x01\0\x01\x7f\0\0\x01\x08\x49");
    let (heard, ended, left) = asked("socks5://h", "::1", b"\x05\0\x05\0\0\x03\x02ab\0\0rest");
    assert_eq!((ended, left), (Ok(()), 4), "a bound name is read over");
    assert_eq!(heard[6], 4);
    let bound_v6 = [&b"\x05\0\x05\0\0\x04"[..], &[0; 18]].concat();
    assert_eq!(asked("socks5://h", "::1", &bound_v6).1, Ok(()));
}

#[test]
fn http_is_spoken_as_specified() {
    let says = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 Connection established\r\nVia: x\r\n\r\n220 greeting";
    let (heard, ended, left) = asked("http://user:pass@h", "::1", says);
    assert_eq!((ended, left), (Ok(()), b"220 greeting".len()), "nothing is read past the answer");
    let wanted = "CONNECT [::1]:2121 HTTP/1.1\r\nHost: [::1]:2121\r\nProxy-Authorization: Basic dXNlcjpwYXNz\r\n\r\n";
    assert_eq!(String::from_utf8(heard).unwrap(), wanted);
    for (plain, encoded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
        assert_eq!(*base64(plain.as_bytes()), encoded);
    }
}

#[test]
fn refusals_and_nonsense_are_told_apart() {
    let endless = [b"HTTP/1.1 200 OK\r\n".to_vec(), vec![b'x'; 20_000]].concat();
    let interim = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(1000);
    let socks: [(&[u8], RemoteErrorKind, &str); 12] = [
        (b"", Unreachable, "hung up"),
        (b"\x05", Unreachable, "hung up"),
        (b"\x04\0", Protocol, "SOCKS5"),
        (b"220 I am FTP", Protocol, "SOCKS5"),
        (b"\x05\xff", Refused, "wants a login"),
        (b"\x05\x02", Protocol, "SOCKS5"),
        (b"\x05\0\x05\x02\0\x01", Refused, "rules"),
        (b"\x05\0\x05\x05\0\x01", Unreachable, "server refuses"),
        (b"\x05\0\x05\x63\0\x01", Protocol, "unknown code"),
        (b"\x05\0\x04\0\0\x01", Protocol, "SOCKS5"),
        (b"\x05\0\x05\0\0\x09", Protocol, "SOCKS5"),
        (b"\x05\0\x05\0\0\x03\xffshort", Unreachable, "hung up"),
    ];
    let http: [(&[u8], RemoteErrorKind, &str); 8] = [
        (b"", Unreachable, "hung up"),
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", Refused, "407"),
        (b"HTTP/1.1 403 \x1b[2J\r\n\r\n", Refused, "\\\\x1b"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", Unreachable, "502"),
        (b"220 I am FTP\r\n\r\n", Protocol, "does not speak HTTP"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", Protocol, "does not speak HTTP"),
        (&endless, Protocol, "no end"),
        (&interim, Protocol, "no end"),
    ];
    let all = socks.iter().map(|row| ("socks5h://p", row)).chain(http.iter().map(|row| ("http://p", row)));
    for (proxy, (says, kind, why)) in all {
        let error = asked(proxy, "h", says).1.unwrap_err();
        assert_eq!(error.kind, *kind, "{error:?}");
        assert!(error.reason.starts_with(&format!("proxy {proxy}:")) && error.reason.contains(why), "{error:?}");
        assert!(error.reason.len() < 400 && !error.reason.chars().any(char::is_control), "{error:?}");
    }
    let error = asked("socks5h://u:geheim@p", "h", b"\x05\x02\x01\x01").1.unwrap_err();
    assert_eq!((error.kind, error.reason.as_str()), (Refused, "proxy socks5h://p:1080: it refuses the login"));
}

#[test]
fn exceptions_are_names_addresses_and_networks() {
    for (list, host, is_covered) in [
        ("", "h", false),
        ("*", "h", true),
        ("a, Example.org", "example.ORG", true),
        ("example.org", "ftp.example.org.", true),
        (".example.org", "ftp.example.org", true),
        ("*.example.org", "ftp.example.org", true),
        ("example.org", "anexample.org", false),
        (".", "example.org", false),
        ("127.0.0.1", "127.0.0.1", true),
        ("0.0.1", "127.0.0.1", false),
        ("127.0.0.0/8", "127.9.9.9", true),
        ("10.0.0.0/33", "10.0.0.0", false),
        ("0.0.0.0/0", "8.8.8.8", true),
        ("0.0.0.0/0", "::1", false),
        ("[::1]", "::1", true),
        ("fd00::/8", "fd12::1", true),
        ("::/0", "fd12::1", true),
    ] {
        assert_eq!(NoProxy::new(list).covers(host), is_covered, "{list:?} {host:?}");
    }
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(text in "((socks5h?|http)://)?.{0,60}") {
        if let Ok(proxy) = Proxy::parse(&text) {
            prop_assert_eq!(Proxy::parse(&proxy.to_string()).unwrap().to_string(), proxy.to_string());
        }
    }

    #[test]
    fn any_answer_ends(says in proptest::collection::vec(any::<u8>(), 0..600), socks in any::<bool>()) {
        let (heard, ended, _) = asked(if socks { "socks5h://u:pw@p" } else { "http://u:pw@p" }, "h", &says);
        prop_assert!(heard.len() < 200);
        if let Err(error) = ended {
            prop_assert!(!error.reason.contains("pw") && !error.reason.chars().any(char::is_control));
        }
    }
}
