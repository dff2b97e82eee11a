//! The scripted remote does what its rules say, once or always.

use std::io::Cursor;

use super::*;

fn path(text: &str) -> StorePath {
    StorePath::new(text).unwrap()
}

fn fetch(session: &mut dyn Session, name: &str, max: u64) -> (Vec<u8>, Result<Fetched, RemoteError>) {
    let mut got = Vec::new();
    let result = session.fetch(&path(name), 0, max, &mut |piece| {
        got.extend_from_slice(piece);
        ControlFlow::Continue(())
    });
    (got, result)
}

fn planted(rule: Rule) -> (MemRemote, Box<dyn Session>) {
    let remote = MemRemote::new();
    remote.plant(&path("packs/ab/x"), &[7; 1000]);
    remote.plant(&path("HEAD"), b"head");
    remote.script(rule);
    let session = remote.connect().unwrap();
    (remote, session)
}

#[test]
fn reset_gives_the_first_bytes_and_kills_the_session() {
    let (_, mut session) = planted(Rule::once(Fault::Reset { after_bytes: 10 }));
    let (got, result) = fetch(&mut *session, "packs/ab/x", 5000);
    assert_eq!((got.len(), result.unwrap_err().kind), (10, RemoteErrorKind::Unreachable));
    assert_eq!(session.length(&path("HEAD")).unwrap_err().kind, RemoteErrorKind::Unreachable);
}

#[test]
fn lies_of_a_fetch_are_told_without_an_error() {
    let (_, mut session) = planted(Rule::once(Fault::Truncate { after_bytes: 10 }));
    let (got, result) = fetch(&mut *session, "packs/ab/x", 5000);
    assert_eq!((got.len(), result.unwrap()), (10, Fetched { len_bytes: 10, at_end: true }));
    let (_, mut session) = planted(Rule::once(Fault::FlipBit { offset: 999 }));
    let (got, _) = fetch(&mut *session, "packs/ab/x", 5000);
    assert_eq!((got[998], got[999], got.len()), (7, 6, 1000));
    let (_, mut session) = planted(Rule::once(Fault::ServeInstead(path("HEAD"))));
    assert_eq!(fetch(&mut *session, "packs/ab/x", 5000).0, b"head");
    assert_eq!(fetch(&mut *session, "packs/ab/x", 5000).0.len(), 1000, "a rule for once strikes once");
}

#[test]
fn endless_is_cut_at_the_limit() {
    let (remote, mut session) = planted(Rule::always(Fault::Endless));
    let (got, result) = fetch(&mut *session, "packs/ab/x", 1_000_000);
    assert_eq!((got.len(), result.unwrap().at_end), (1_000_000, false));
    assert_eq!(remote.counts().fetched_bytes, 1_000_000);
}

#[test]
fn rules_hold_to_their_path() {
    let (_, mut session) = planted(Rule::always(Fault::NotFound).at(&path("HEAD")));
    assert_eq!(fetch(&mut *session, "HEAD", 10).1.unwrap_err().kind, RemoteErrorKind::NotFound);
    assert_eq!(session.length(&path("HEAD")).unwrap(), None);
    assert_eq!(fetch(&mut *session, "packs/ab/x", 5000).0.len(), 1000);
}

#[test]
fn a_broken_upload_stays_in_part_and_can_be_resumed() {
    let (remote, mut session) = planted(Rule::once(Fault::SendReset { after_bytes: 4 }));
    let new = path("packs/ab/y");
    let error = session.send(&new, &mut Cursor::new(b"12345678")).unwrap_err();
    assert_eq!((error.kind, remote.file(&new).unwrap()), (RemoteErrorKind::Unreachable, b"1234".to_vec()));
    let mut session = remote.connect().unwrap();
    let wrong = session.send_from(&new, 3, &mut Cursor::new(b"45678")).unwrap_err();
    assert_eq!(wrong.kind, RemoteErrorKind::Unsupported);
    session.send_from(&new, 4, &mut Cursor::new(b"5678")).unwrap();
    assert_eq!(remote.file(&new).unwrap(), b"12345678");
}

#[test]
fn a_full_remote_and_a_missing_directory_refuse() {
    let remote = MemRemote::new();
    remote.set_free_bytes(Some(5));
    let mut session = remote.connect().unwrap();
    let error = session.send(&path("x"), &mut Cursor::new(b"123456")).unwrap_err();
    assert_eq!(error.kind, RemoteErrorKind::NoSpace);
    let mut session = remote.connect().unwrap();
    session.replace(&path("x"), b"12345").unwrap();
    session.remove(&path("x")).unwrap();
    session.replace(&path("x"), b"54321").unwrap();
    let error = session.send(&path("no/x"), &mut Cursor::new(b"")).unwrap_err();
    assert_eq!(error.kind, RemoteErrorKind::Refused);
}

#[test]
fn replacing_can_be_refused_or_lose_its_reply() {
    let (remote, mut session) = planted(Rule::once(Fault::RefuseRename));
    assert_eq!(session.replace(&path("HEAD"), b"new").unwrap_err().kind, RemoteErrorKind::Unsupported);
    assert_eq!(remote.file(&path("HEAD")).unwrap(), b"head");
    remote.script(Rule::once(Fault::LoseReplaceReply));
    assert_eq!(session.replace(&path("HEAD"), b"new").unwrap_err().kind, RemoteErrorKind::Unreachable);
    assert_eq!(remote.file(&path("HEAD")).unwrap(), b"new");
}

#[test]
fn sessions_are_counted_and_can_be_refused() {
    let remote = MemRemote::new();
    let session = remote.connect().unwrap();
    assert_eq!(remote.open_sessions(), 1);
    drop(session);
    assert_eq!((remote.open_sessions(), remote.counts().connects), (0, 1));
}

#[test]
fn connect_rules_strike_connects_only() {
    let remote = MemRemote::new();
    remote.script(Rule::times(Fault::Connect(RemoteErrorKind::Busy), 2));
    for _ in 0..2 {
        assert_eq!(remote.connect().err().unwrap().kind, RemoteErrorKind::Busy);
    }
    assert!(remote.connect().is_ok());
}
