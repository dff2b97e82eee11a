//! What every remote does alike. Each step says what it tried when it fails.

use std::io::{Cursor, Read};
use std::ops::ControlFlow;

use chunkstore::base::StorePath;
use chunkstore::remote::{Fetched, Remote, RemoteError, RemoteErrorKind, Session};

/// Longer than any piece and any buffer on the way, and no multiple of them.
const LONG_BYTES: usize = 3 * 1024 * 1024 + 17;

pub fn path(text: &str) -> StorePath {
    StorePath::new(text).unwrap()
}

/// Bytes with every value, line ends in every order among them.
pub fn sample(len_bytes: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..len_bytes).map(|at| u8::try_from((at * 7 + at / 251) % 256).unwrap()).collect();
    let ends = b"\r\n\n\r\r\r\n\xff\xf4\x00";
    bytes.iter_mut().zip(ends).for_each(|(byte, end)| *byte = *end);
    bytes
}

pub fn fetch(
    session: &mut dyn Session,
    name: &str,
    offset: u64,
    max_bytes: u64,
) -> (Vec<u8>, Result<Fetched, RemoteError>) {
    let mut got = Vec::new();
    let result = session.fetch(&path(name), offset, max_bytes, &mut |piece| {
        assert!(!piece.is_empty() && piece.len() <= 256 * 1024, "a piece of {} bytes", piece.len());
        got.extend_from_slice(piece);
        ControlFlow::Continue(())
    });
    (got, result)
}

/// A source that fails in the middle.
struct Failing(usize);

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.0 == 0 {
            return Err(std::io::Error::other("the source failed"));
        }
        let count = self.0.min(buffer.len());
        self.0 -= count;
        Ok(count)
    }
}

/// Runs the suite against an empty remote.
pub fn run(name: &str, remote: &dyn Remote) {
    let mut session = remote.connect().unwrap_or_else(|error| panic!("{name}: {error}"));
    let session = &mut *session;
    directories(session);
    whole_files(session);
    ranges(session);
    cut_short(session);
    many_ranges(session);
    resumed_uploads(session);
    replacing(session);
    removing(session);
    listing(session);
    failing_source(session);
    two_sessions(remote);
    never_torn(remote);
    missing_directory(remote);
    assert!(remote.wire_bytes() > LONG_BYTES as u64, "{name}: {} bytes on the wire", remote.wire_bytes());
    assert!(remote.session_limit() >= 1);
    assert!(!remote.address().is_empty());
}

fn directories(session: &mut dyn Session) {
    session.create_dir(&StorePath::root()).expect("the root, which stands or not");
    for dir in ["packs", "packs/ab", "packs", "packs/ab", "manifest"] {
        session.create_dir(&path(dir)).unwrap_or_else(|error| panic!("create {dir}: {error}"));
    }
}

fn listing(session: &mut dyn Session) {
    let dir = path("receipts");
    let list = |session: &mut dyn Session| session.list(&dir).unwrap_or_else(|error| panic!("list: {error}"));
    assert_eq!(list(session), [""; 0], "a directory that is missing");
    session.create_dir(&dir).unwrap();
    assert_eq!(list(session), [""; 0], "an empty directory");
    let mut names: Vec<String> = (0..3_u32).map(|at| format!("{:032x}", at.wrapping_mul(0x9e37_79b9))).collect();
    for name in &names {
        session.replace(&path(&format!("receipts/{name}")), b"a receipt").unwrap();
    }
    names.sort();
    assert_eq!(list(session), names);
    session.remove(&path(&format!("receipts/{}", names.remove(1)))).unwrap();
    assert_eq!(list(session), names);
    // The session goes on after a list, and other acts stand beside lists.
    assert_eq!(session.length(&path(&format!("receipts/{}", names[0]))).unwrap(), Some(9));
    for name in names {
        session.remove(&path(&format!("receipts/{name}"))).unwrap();
    }
}

fn whole_files(session: &mut dyn Session) {
    assert_eq!(session.length(&path("packs/ab/missing")).unwrap(), None);
    let (_, missing) = fetch(session, "packs/ab/missing", 0, 10);
    assert_eq!(missing.unwrap_err().kind, RemoteErrorKind::NotFound);
    let (_, missing) = fetch(session, "packs/zz/missing", 0, 10);
    assert_eq!(missing.unwrap_err().kind, RemoteErrorKind::NotFound);
    for len_bytes in [LONG_BYTES, 0, 1, 65_536] {
        let bytes = sample(len_bytes);
        session.send(&path("packs/ab/x.pak"), &mut Cursor::new(&bytes)).expect("send, over what stands there too");
        assert_eq!(session.length(&path("packs/ab/x.pak")).unwrap(), Some(len_bytes as u64));
        let (got, result) = fetch(session, "packs/ab/x.pak", 0, u64::MAX);
        assert_eq!(result.unwrap(), Fetched { len_bytes: len_bytes as u64, at_end: true });
        assert!(got == bytes, "{len_bytes} bytes came back different");
    }
}

fn ranges(session: &mut dyn Session) {
    let bytes = sample(LONG_BYTES);
    let len = LONG_BYTES as u64;
    session.send(&path("packs/ab/x.pak"), &mut Cursor::new(&bytes)).unwrap();
    for (offset, max_bytes, at_end) in [
        (len - 1, u64::MAX, true),
        (1 << 20, u64::MAX, true),
        (0, len, true),
        (0, len - 1, false),
        (5, len - 5, true),
        (len, u64::MAX, true),
        (len - 10, 3, false),
    ] {
        let (got, result) = fetch(session, "packs/ab/x.pak", offset, max_bytes);
        let end = len.min(offset.saturating_add(max_bytes));
        let expected = &bytes[usize::try_from(offset).unwrap()..usize::try_from(end).unwrap()];
        assert_eq!(result.unwrap(), Fetched { len_bytes: end - offset, at_end }, "{offset} {max_bytes}");
        assert!(got == expected, "bytes at {offset}, at most {max_bytes}");
    }
    let (got, past) = fetch(session, "packs/ab/x.pak", len + 1000, u64::MAX);
    assert_eq!((got.len(), past.unwrap()), (0, Fetched { len_bytes: 0, at_end: true }), "past the end");
    let (_, missing) = fetch(session, "packs/ab/none", 100, 10);
    assert_eq!(missing.unwrap_err().kind, RemoteErrorKind::NotFound, "resumed where nothing stands");
    assert_eq!(session.length(&path("packs/ab/x.pak")).unwrap(), Some(len), "offsets do not stick");
    assert!(fetch(session, "packs/ab/x.pak", 0, u64::MAX).0 == bytes, "offsets do not stick");
}

fn cut_short(session: &mut dyn Session) {
    for _ in 0..3 {
        let (got, result) = fetch(session, "packs/ab/x.pak", 0, 1000);
        assert_eq!((got.len(), result.unwrap().at_end), (1000, false));
        let mut pieces = 0;
        let result = session.fetch(&path("packs/ab/x.pak"), 0, u64::MAX, &mut |_| {
            pieces += 1;
            ControlFlow::Break(())
        });
        assert_eq!((pieces, result.unwrap().at_end), (1, false));
        assert_eq!(session.length(&path("packs/ab/x.pak")).unwrap(), Some(LONG_BYTES as u64), "usable after a cut");
    }
}

fn resumed_uploads(session: &mut dyn Session) {
    let (bytes, name) = (sample(300_000), path("packs/ab/y.pak"));
    let missing = session.send_from(&name, 10, &mut Cursor::new(b"x")).unwrap_err();
    assert_eq!(missing.kind, RemoteErrorKind::Unsupported, "{missing}");
    session.send(&name, &mut Cursor::new(&bytes[..123_456])).unwrap();
    let wrong = session.send_from(&name, 1000, &mut Cursor::new(b"x")).unwrap_err();
    assert_eq!(wrong.kind, RemoteErrorKind::Unsupported, "{wrong}");
    assert_eq!(session.length(&name).unwrap(), Some(123_456), "nothing was written at a wrong offset");
    match session.send_from(&name, 123_456, &mut Cursor::new(&bytes[123_456..])) {
        Ok(()) => {}
        Err(error) if error.kind == RemoteErrorKind::Unsupported => {
            println!("  resuming is unsupported: {error}");
            session.send(&name, &mut Cursor::new(&bytes)).unwrap();
        }
        Err(error) => panic!("resume: {error}"),
    }
    assert!(fetch(session, "packs/ab/y.pak", 0, u64::MAX).0 == bytes, "a resumed upload is whole");
}

fn replacing(session: &mut dyn Session) {
    for head in [&b"one"[..], b"two, longer", b"3", &sample(4096)] {
        session.replace(&path("HEAD"), head).unwrap_or_else(|error| panic!("replace: {error}"));
        assert!(fetch(session, "HEAD", 0, 4097).0 == head, "HEAD is what was put there");
    }
    assert_eq!(session.length(&path("HEAD.new")).unwrap(), None, "no leftover");
    session.send(&path("HEAD.new"), &mut Cursor::new(sample(9000))).unwrap();
    session.replace(&path("HEAD"), b"after a leftover").unwrap();
    assert_eq!(fetch(session, "HEAD", 0, 4097).0, b"after a leftover");
}

fn removing(session: &mut dyn Session) {
    for _ in 0..2 {
        session.remove(&path("packs/ab/y.pak")).unwrap();
        assert_eq!(session.length(&path("packs/ab/y.pak")).unwrap(), None);
    }
    session.remove(&path("packs/zz/nothing")).unwrap();
}

fn failing_source(session: &mut dyn Session) {
    let error = session.send(&path("packs/ab/z.pak"), &mut Failing(100_000)).unwrap_err();
    assert_eq!(error.kind, RemoteErrorKind::Local, "{error}");
    session.send(&path("packs/ab/z.pak"), &mut Cursor::new(b"whole")).expect("usable after our own failure");
    assert_eq!(fetch(session, "packs/ab/z.pak", 0, 100).0, b"whole");
}

fn two_sessions(remote: &dyn Remote) {
    let (mut one, mut two) = (remote.connect().unwrap(), remote.connect().unwrap());
    one.send(&path("packs/ab/one"), &mut Cursor::new(sample(50_000))).unwrap();
    two.send(&path("packs/ab/two"), &mut Cursor::new(sample(60_000))).unwrap();
    assert!(fetch(&mut *two, "packs/ab/one", 0, u64::MAX).0 == sample(50_000));
    assert!(fetch(&mut *one, "packs/ab/two", 0, u64::MAX).0 == sample(60_000));
}

/// A reader sees the old HEAD or the new one; or none for a moment, where the server cannot rename over a file.
fn never_torn(remote: &dyn Remote) {
    const ROUNDS: usize = 20;
    let heads: Vec<Vec<u8>> = (0..ROUNDS).map(|at| sample(1000 + at * 70)).collect();
    let mut writer = remote.connect().unwrap();
    writer.replace(&path("HEAD"), &heads[0]).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    let order = std::sync::atomic::Ordering::SeqCst;
    let (ready, started) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let done = &done;
        let heads = &heads;
        let reading = scope.spawn(move || {
            let mut reader = remote.connect().unwrap();
            ready.send(()).unwrap();
            // Each read costs a port for a minute, so there is an end to them.
            for _ in 0..ROUNDS * 3 {
                let last = done.load(order);
                match fetch(&mut *reader, "HEAD", 0, 4096) {
                    (got, Ok(_)) => assert!(heads.contains(&got), "a torn HEAD of {} bytes", got.len()),
                    (_, Err(error)) => assert_eq!(error.kind, RemoteErrorKind::NotFound, "{error}"),
                }
                if last {
                    break;
                }
            }
        });
        started.recv().expect("the reader is connected");
        let written = heads.iter().try_for_each(|head| writer.replace(&path("HEAD"), head));
        done.store(true, order);
        written.unwrap();
        reading.join().unwrap();
    });
    assert!(fetch(&mut *writer, "HEAD", 0, 4096).0 == heads[ROUNDS - 1]);
}

fn missing_directory(remote: &dyn Remote) {
    let mut session = remote.connect().unwrap();
    let error = session.send(&path("packs/none/x"), &mut Cursor::new(b"x")).unwrap_err();
    assert_eq!(error.kind, RemoteErrorKind::Refused, "{error}");
    let mut session = remote.connect().unwrap();
    assert_eq!(session.length(&path("packs/none/x")).unwrap(), None);
}

/// Ranges that end in the middle of a file leave a session as usable as any other.
fn many_ranges(session: &mut dyn Session) {
    let bytes = sample(LONG_BYTES);
    session.send(&path("ranges"), &mut Cursor::new(&bytes)).unwrap();
    for at in 0..12 {
        let (offset, len_bytes) = (at * 200_003, [4096, 1, 70_000, 300_000][at % 4]);
        let (got, result) = fetch(session, "ranges", offset as u64, len_bytes as u64);
        assert_eq!(result.unwrap(), Fetched { len_bytes: len_bytes as u64, at_end: false }, "range {at}");
        assert!(got == bytes[offset..offset + len_bytes], "range {at}");
    }
    assert!(fetch(session, "ranges", 0, u64::MAX).0 == bytes, "a whole file after ranges");
    session.send(&path("sent"), &mut Cursor::new(&bytes)).expect("an upload after ranges");
    assert_eq!(session.length(&path("sent")).unwrap(), Some(LONG_BYTES as u64));
}

/// Sends a long file and fetches ranges from its middle in one session, then another file whole; returns the bytes on the wire
/// for each range.
pub fn wire_bytes_of_ranges(remote: &dyn Remote, len_bytes: u64) -> u64 {
    const RANGES: u64 = 10;
    let mut session = remote.connect().unwrap();
    session.create_dir(&StorePath::root()).unwrap();
    session.send(&path("long"), &mut Cursor::new(sample(LONG_BYTES))).unwrap();
    let before = remote.wire_bytes();
    for at in 0..RANGES {
        let (got, result) = fetch(&mut *session, "long", at * 250_000, len_bytes);
        assert_eq!((got.len() as u64, result.unwrap().at_end), (len_bytes, false));
    }
    let wire_bytes = (remote.wire_bytes() - before) / RANGES;
    many_ranges(&mut *session);
    wire_bytes
}
