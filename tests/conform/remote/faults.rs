//! Whatever a server does: a typed error, soon, within bounds.

#![expect(clippy::disallowed_methods, reason = "the tests plant files and look at them from outside")]

use std::io::Cursor;
use std::time::Duration;

use chunkstore::base::Clock;
use chunkstore::base::clock::SystemClock;
use chunkstore::remote::ftp::{FtpOptions, TlsTrust};
use chunkstore::remote::{Fetched, Remote, RemoteError, RemoteErrorKind, Session};
use chunkstore::serve::Fault;

use super::embedded::{Served, serve, with_tls};
use super::suite::{fetch, path, sample};
use super::{Identity, options};

/// No fault may hold a caller for longer than this; the options below make the bounds of the session far shorter.
const PATIENCE: Duration = Duration::from_secs(15);
const LEN: usize = 1_000_000;

fn short() -> FtpOptions {
    FtpOptions {
        timeout: Duration::from_millis(400),
        rate_window: Duration::from_millis(300),
        least_bytes_per_sec: 10_000,
        ..options(TlsTrust::PublicRoots)
    }
}

/// A server with `HEAD` (4 bytes) and `packs/ab/x` (a million).
fn planted() -> Served {
    plant(serve(|_| {}))
}

fn plant(served: Served) -> Served {
    let store = served.home.path().join("a/store");
    std::fs::create_dir_all(store.join("packs/ab")).unwrap();
    std::fs::write(store.join("HEAD"), b"head").unwrap();
    std::fs::write(store.join("packs/ab/x"), sample(LEN)).unwrap();
    served
}

fn soon<T>(what: &str, act: impl FnOnce() -> T) -> T {
    let start = SystemClock.monotonic();
    let value = act();
    let took = SystemClock.monotonic() - start;
    assert!(took < PATIENCE, "{what} took {took:?}");
    value
}

/// Fetches the pack over a session of its own while the fault strikes.
fn struck(fault: &Fault, max_bytes: u64) -> (Vec<u8>, Result<Fetched, RemoteError>) {
    let served = planted();
    let remote = served.remote("ftp", short());
    let mut session = remote.connect().unwrap();
    served.faults.add(fault.clone(), 1);
    let (got, result) = soon(&format!("{fault:?}"), || fetch(&mut *session, "packs/ab/x", 0, max_bytes));
    if let Err(error) = &result
        && error.kind != RemoteErrorKind::NotFound
    {
        assert!(session.length(&path("HEAD")).is_err(), "a session that failed stays dead");
    }
    let mut session = remote.connect().unwrap();
    assert_eq!(fetch(&mut *session, "HEAD", 0, 10).0, b"head", "a new session works");
    (got, result)
}

#[test]
fn a_transfer_that_breaks_off_is_unreachable_and_what_came_is_right() {
    for fault in [
        Fault::Reset { after_bytes: 300_000 },
        Fault::Fail { after_bytes: 300_000 },
        Fault::Stall { after_bytes: 300_000 },
        Fault::Crawl { after_bytes: 0 },
    ] {
        let (got, result) = struck(&fault, u64::MAX);
        assert_eq!(result.unwrap_err().kind, RemoteErrorKind::Unreachable, "{fault:?}");
        assert!(matches!(fault, Fault::Crawl { .. }) || sample(LEN).starts_with(&got), "{fault:?}");
    }
}

#[test]
fn lies_are_passed_on_within_bounds() {
    let (got, result) = struck(&Fault::Truncate { after_bytes: 5000 }, u64::MAX);
    assert_eq!((got.len(), result.unwrap()), (5000, Fetched { len_bytes: 5000, at_end: true }));
    let (got, _) = struck(&Fault::FlipBit { offset: 70_000 }, u64::MAX);
    let differing: Vec<_> = got.iter().zip(sample(LEN)).enumerate().filter(|(_, (a, b))| **a != *b).collect();
    assert_eq!((differing.len(), differing[0].0, got.len()), (1, 70_000, LEN));
    let (got, result) = struck(&Fault::ServeInstead { path: "/a/store/HEAD".to_owned() }, u64::MAX);
    assert_eq!((&got[..], result.unwrap().at_end), (&b"head"[..], true));
}

#[test]
fn an_endless_file_is_cut_and_the_session_goes_on() {
    let served = planted();
    let remote = served.remote("ftp", short());
    let mut session = remote.connect().unwrap();
    served.faults.add(Fault::Endless, 1);
    let (got, result) = soon("endless", || fetch(&mut *session, "packs/ab/x", 0, 2_000_000));
    assert_eq!((got.len(), result.unwrap()), (2_000_000, Fetched { len_bytes: 2_000_000, at_end: false }));
    assert_eq!(fetch(&mut *session, "HEAD", 0, 10).0, b"head");
    assert!(remote.wire_bytes() < 4_000_000, "{}", remote.wire_bytes());
}

#[test]
fn an_odd_answer_to_a_cut_costs_a_login_and_no_second_wait() {
    let stray = Fault::Reply { verb: "NOOP", bytes: b"226 Closing, again\r\n".to_vec() };
    // One piece of the server's and one read of the client's, so that the server stalls whoever is quicker.
    for fault in [Fault::Stall { after_bytes: 65_536 }, stray] {
        let served = planted();
        let mut session = served.remote("ftp", short()).connect().unwrap();
        served.faults.add(fault.clone(), 1);
        for logins in 1..5 {
            let (got, result) = soon(&format!("{fault:?}"), || fetch(&mut *session, "packs/ab/x", 5000, 60_000));
            assert_eq!(result.unwrap(), Fetched { len_bytes: 60_000, at_end: false }, "{fault:?}");
            assert!(got == sample(LEN)[5000..65_000], "{fault:?}");
            assert_eq!(served.server.counts().logins, logins, "{fault:?}: each one after the first costs a login");
        }
        assert_eq!(fetch(&mut *session, "HEAD", 0, 10).0, b"head");
    }
}

/// Replies that no command expects, and what a fetch makes of them.
fn answered(verb: &'static str, bytes: &[u8]) -> Result<Fetched, RemoteError> {
    struck(&Fault::Reply { verb, bytes: bytes.to_vec() }, u64::MAX).1
}

#[test]
fn refusals_are_told_apart() {
    let kind = |verb, bytes: &[u8]| answered(verb, bytes).unwrap_err().kind;
    assert_eq!(kind("RETR", b"550 No such file\r\n"), RemoteErrorKind::NotFound);
    assert_eq!(kind("RETR", b"550 Permission denied\r\n"), RemoteErrorKind::Refused);
    assert_eq!(kind("RETR", b"425 Can't open data connection\r\n"), RemoteErrorKind::Unreachable);
    assert_eq!(kind("RETR", b"421 Timeout\r\n"), RemoteErrorKind::Unreachable);
    assert_eq!(kind("RETR", b"999 what\r\n"), RemoteErrorKind::Protocol);
    assert_eq!(kind("RETR", b"<html><body>Please log in</body></html>\r\n"), RemoteErrorKind::Protocol);
    assert_eq!(kind("RETR", b"\xff\xfe\x00\x01\r\n"), RemoteErrorKind::Protocol);
    assert_eq!(kind("RETR", b"\r\n"), RemoteErrorKind::Protocol);
    assert_eq!(kind("EPSV", b"229 Entering Extended Passive Mode (|||99999999|)\r\n"), RemoteErrorKind::Protocol);
    assert_eq!(kind("EPSV", b"229 (|||1|)\r\n"), RemoteErrorKind::Unreachable);
}

// RFC 959: 450 is of a file that is busy, 451 of a server that cannot read it; neither says anything of another file.
#[test]
fn a_file_that_is_not_to_be_had_now_costs_no_session() {
    let served = planted();
    let mut session = served.remote("ftp", short()).connect().unwrap();
    for bytes in [&b"450 File is busy.\r\n"[..], b"451 Local error.\r\n"] {
        served.faults.add(Fault::Reply { verb: "RETR", bytes: bytes.to_vec() }, 1);
        let error = fetch(&mut *session, "packs/ab/x", 0, u64::MAX).1.unwrap_err();
        assert_eq!(error.kind, RemoteErrorKind::Unavailable, "{error}");
        assert_eq!(fetch(&mut *session, "HEAD", 0, 10).0, b"head");
    }
    assert_eq!(served.server.counts().logins, 1);
}

#[test]
fn words_of_the_server_are_shown_escaped() {
    let error = answered("RETR", b"550 Permission denied \x1b[31m\x07 end\r\n").unwrap_err();
    assert!(!error.to_string().chars().any(char::is_control), "{error}");
    assert!(error.to_string().contains("denied"), "{error}");
}

#[test]
fn a_server_that_stops_answering_does_not_hold_a_caller() {
    for verb in ["EPSV", "RETR"] {
        for fault in [Fault::Silence { verb }, Fault::Drip { verb }, Fault::Flood { verb }, Fault::HangUp { verb }] {
            let error = struck(&fault, u64::MAX).1.unwrap_err();
            let expected = [RemoteErrorKind::Unreachable, RemoteErrorKind::Protocol];
            assert!(expected.contains(&error.kind), "{fault:?}: {error}");
        }
    }
}

#[test]
fn a_login_can_fail_in_every_way() {
    use RemoteErrorKind::{Busy, Protocol, Refused, Unreachable};
    let html = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n\r\n<html></html>\r\n".to_vec();
    let reply = |verb, bytes: &[u8]| Fault::Reply { verb, bytes: bytes.to_vec() };
    let cases = [
        (Fault::RefuseConnection, Busy),
        (reply("", b"421 Service not available\r\n"), Busy),
        (reply("", &html), Protocol),
        (reply("USER", &html), Protocol),
        (reply("USER", b"530 This server is private\r\n"), Refused),
        (reply("PASS", b"530 Sorry, the maximum number of clients are connected\r\n"), Busy),
        (reply("PASS", b"530 Login incorrect\r\n"), Refused),
        (Fault::HangUp { verb: "" }, Unreachable),
        (Fault::Silence { verb: "" }, Unreachable),
        (Fault::Drip { verb: "" }, Unreachable),
        (Fault::Silence { verb: "PASS" }, Unreachable),
        (Fault::Flood { verb: "" }, Protocol),
    ];
    for (fault, kind) in cases {
        let served = planted();
        let remote = served.remote("ftp", short());
        served.faults.add(fault.clone(), 1);
        let error = soon(&format!("{fault:?}"), || remote.connect().err().unwrap());
        assert_eq!(error.kind, kind, "{fault:?}: {error}");
        assert!(error.to_string().len() < 600, "{error}");
        remote.connect().unwrap_or_else(|error| panic!("after {fault:?}: {error}"));
    }
}

/// A remote and a session while commands are answered so for ever.
fn lacking(replies: &[(&'static str, &[u8])]) -> (Served, Box<dyn Session>) {
    let served = planted();
    for (verb, bytes) in replies {
        served.faults.add(Fault::Reply { verb, bytes: bytes.to_vec() }, u32::MAX);
    }
    let session = served.remote("ftp", short()).connect().unwrap();
    (served, session)
}

#[test]
fn servers_that_lack_a_command_still_serve() {
    let (_served, mut session) = lacking(&[("EPSV", b"500 What?\r\n")]);
    assert!(fetch(&mut *session, "packs/ab/x", 0, u64::MAX).0 == sample(LEN), "by PASV");
    let (_served, mut session) = lacking(&[("REST", b"502 What?\r\n")]);
    assert!(fetch(&mut *session, "packs/ab/x", 700_000, 1000).0 == sample(LEN)[700_000..701_000], "without REST");
    let (_served, mut session) = lacking(&[("SIZE", b"500 What?\r\n")]);
    assert_eq!(session.length(&path("packs/ab/x")).unwrap(), Some(LEN as u64), "without SIZE, counted");
    assert_eq!(session.length(&path("packs/ab/none")).unwrap(), None);
    let facts = b"250-Listing\r\n type=file;Size=4321; /a/store/packs/ab/x\r\n250 End\r\n";
    let (_served, mut session) = lacking(&[("SIZE", b"500 What?\r\n"), ("MLST", facts)]);
    assert_eq!(session.length(&path("packs/ab/x")).unwrap(), Some(4321), "by MLST");
    let (_served, mut session) = lacking(&[("PWD", b"550 No.\r\n")]);
    assert_eq!(fetch(&mut *session, "HEAD", 0, 9).0, b"head", "without PWD");
}

#[test]
fn an_address_in_a_pasv_reply_is_not_believed() {
    let served = planted();
    served.faults.add(Fault::Reply { verb: "EPSV", bytes: b"500 What?\r\n".to_vec() }, 1);
    served.faults.add(Fault::Reply { verb: "PASV", bytes: b"227 (192,0,2,1,0,1)\r\n".to_vec() }, 1);
    let mut session = served.remote("ftp", short()).connect().unwrap();
    let error = soon("PASV", || fetch(&mut *session, "HEAD", 0, 9).1.unwrap_err());
    assert!(error.reason.contains("refused"), "asked port 1 of the server itself, not of 192.0.2.1: {error}");
}

#[test]
fn a_broken_upload_is_told_and_can_be_resumed() {
    let (served, bytes, name) = (planted(), sample(500_000), path("packs/ab/new"));
    let remote = served.remote("ftp", short());
    served.faults.add(Fault::ResetUpload { after_bytes: 100_000 }, 1);
    let mut session = remote.connect().unwrap();
    let error = soon("reset", || session.send(&name, &mut Cursor::new(&bytes)).unwrap_err());
    assert_eq!(error.kind, RemoteErrorKind::Unreachable, "{error}");
    let mut session = remote.connect().unwrap();
    assert_eq!(session.length(&name).unwrap(), Some(100_000));
    session.send_from(&name, 100_000, &mut Cursor::new(&bytes[100_000..])).unwrap();
    assert!(fetch(&mut *session, "packs/ab/new", 0, u64::MAX).0 == bytes);
    served.faults.add(Fault::Reply { verb: "APPE", bytes: b"550 Permission denied.\r\n".to_vec() }, u32::MAX);
    session.send(&name, &mut Cursor::new(&bytes[..10])).unwrap();
    session.send_from(&name, 10, &mut Cursor::new(&bytes[10..])).expect("by REST and STOR");
    assert!(fetch(&mut *session, "packs/ab/new", 0, u64::MAX).0 == bytes);
    served.faults.heal();
    session.send(&name, &mut Cursor::new(&bytes[..10])).unwrap();
    for verb in ["APPE", "STOR"] {
        let bytes = b"451 Append/Restart not permitted, try again\r\n".to_vec();
        served.faults.add(Fault::Reply { verb, bytes }, 1);
    }
    let error = session.send_from(&name, 10, &mut Cursor::new(&bytes[10..])).unwrap_err();
    assert_eq!(error.kind, RemoteErrorKind::Unsupported, "ProFTPD with AllowStoreRestart off: {error}");
    served.faults.add(Fault::NoSpace { after_bytes: 1000 }, 1);
    let error = soon("full", || session.send(&name, &mut Cursor::new(&bytes)).unwrap_err());
    assert!(matches!(error.kind, RemoteErrorKind::NoSpace | RemoteErrorKind::Unreachable), "{error}");
}

#[test]
fn head_is_swung_or_stays() {
    let served = planted();
    let remote = served.remote("ftp", short());
    let head = |served: &Served| std::fs::read(served.home.path().join("a/store/HEAD")).ok();
    served.faults.add(Fault::LoseUpload { after_bytes: 3 }, 1);
    let error = remote.connect().unwrap().send(&path("packs/ab/y"), &mut Cursor::new(b"bytes")).unwrap_err();
    assert_eq!(error.kind, RemoteErrorKind::Unreachable, "a pack that was cut and called complete: {error}");
    served.faults.add(Fault::LoseUpload { after_bytes: 3 }, 1);
    let error = remote.connect().unwrap().replace(&path("HEAD"), b"newer").unwrap_err();
    assert_eq!((error.kind, head(&served)), (RemoteErrorKind::Unreachable, Some(b"head".to_vec())));
    served.faults.add(Fault::Reply { verb: "RNFR", bytes: b"502 No renames here.\r\n".to_vec() }, 1);
    let error = remote.connect().unwrap().replace(&path("HEAD"), b"newer").unwrap_err();
    assert_eq!((error.kind, head(&served)), (RemoteErrorKind::Unsupported, Some(b"head".to_vec())));
    served.faults.add(Fault::HangUp { verb: "RNTO" }, 1);
    let error = remote.connect().unwrap().replace(&path("HEAD"), b"newer").unwrap_err();
    assert_eq!((error.kind, head(&served)), (RemoteErrorKind::Unreachable, Some(b"head".to_vec())));
    served.faults.add(Fault::RefuseOverwrite, u32::MAX);
    remote.connect().unwrap().replace(&path("HEAD"), b"newer").expect("removed, then renamed");
    assert_eq!(head(&served), Some(b"newer".to_vec()));
    served.faults.add(Fault::Reply { verb: "RNTO", bytes: b"550 Never.\r\n".to_vec() }, 2);
    remote.connect().unwrap().replace(&path("HEAD"), b"newest").expect("written in place as a last resort");
    assert_eq!(head(&served), Some(b"newest".to_vec()));
}

#[test]
fn a_server_that_shuts_down_is_unreachable() {
    let served = planted();
    let mut session = served.remote("ftp", short()).connect().unwrap();
    soon("shutdown", || served.server.shutdown());
    let error = soon("fetch", || fetch(&mut *session, "HEAD", 0, 9).1.unwrap_err());
    assert_eq!(error.kind, RemoteErrorKind::Unreachable);
}

#[test]
fn over_tls_nothing_holds_a_caller_either() {
    let identity = Identity::new();
    let faults = [
        Fault::Reset { after_bytes: 300_000 },
        Fault::Fail { after_bytes: 300_000 },
        Fault::Stall { after_bytes: 300_000 },
        Fault::Crawl { after_bytes: 0 },
        Fault::Silence { verb: "RETR" },
        Fault::Drip { verb: "EPSV" },
        Fault::HangUp { verb: "RETR" },
    ];
    for fault in faults {
        let served = plant(serve(|options| options.tls = Some(with_tls(&identity))));
        let remote = served.remote("ftps", FtpOptions { trust: identity.trust(), ..short() });
        let mut session = remote.connect().unwrap();
        served.faults.add(fault.clone(), 1);
        let (_, result) = soon(&format!("{fault:?}"), || fetch(&mut *session, "packs/ab/x", 0, u64::MAX));
        assert_eq!(result.unwrap_err().kind, RemoteErrorKind::Unreachable, "{fault:?}");
        soon("goodbye", || drop(session));
    }
}

#[test]
fn a_tls_handshake_that_fails_is_told() {
    let identity = Identity::new();
    let served = serve(|options| options.tls = Some(with_tls(&identity)));
    let remote = served.remote("ftps", FtpOptions { trust: identity.trust(), ..short() });
    let replies: [(&[u8], RemoteErrorKind); 3] = [
        (b"234 Go ahead, I speak no TLS\r\n", RemoteErrorKind::Protocol),
        (b"502 No TLS here\r\n", RemoteErrorKind::Refused),
        (b"421 Busy\r\n", RemoteErrorKind::Busy),
    ];
    for (bytes, kind) in replies {
        served.faults.add(Fault::Reply { verb: "AUTH", bytes: bytes.to_vec() }, 1);
        let error = soon("AUTH", || remote.connect().err().unwrap());
        let silent = kind == RemoteErrorKind::Protocol && error.kind == RemoteErrorKind::Unreachable;
        assert!(error.kind == kind || silent, "{error}");
    }
    for fault in [Fault::Silence { verb: "AUTH" }, Fault::Drip { verb: "AUTH" }, Fault::HangUp { verb: "PROT" }] {
        served.faults.add(fault.clone(), 1);
        let error = soon(&format!("{fault:?}"), || remote.connect().err().unwrap());
        assert_eq!(error.kind, RemoteErrorKind::Unreachable, "{fault:?}: {error}");
    }
    assert_eq!(served.server.counts().logins, 0, "no password went out in clear");
}
