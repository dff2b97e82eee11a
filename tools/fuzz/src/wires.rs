//! Targets that need a socket on the loopback: what a server of files answers, and what a client asks of `browse`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use chunkstore::base::clock::{FixedClock, SystemClock};
use chunkstore::base::monitor::SilentMonitor;
use chunkstore::base::random::SeededRandom;
use chunkstore::base::{StorePath, Timestamp};
use chunkstore::crypto::wrap::Identity;
use chunkstore::disk::sim::Profile;
use chunkstore::disk::{Disk, SimDisk};
use chunkstore::ops::open::Reading;
use chunkstore::remote::ftp::TlsTrust;
use chunkstore::remote::http::{HttpOptions, HttpRemote, HttpUrl};
use chunkstore::remote::{Remote, RemoteError, Session};
use chunkstore::view::{View, ViewRequest};
use chunkstore::web::{Bounds, Web, WebOptions};

use super::READER;

/// Longer than any answer takes, and an end where nothing comes.
const PATIENCE: Duration = Duration::from_secs(20);
/// 2027-01-15T08:00:00Z.
const NOW: Timestamp = Timestamp(1_800_000_000_000_000_000);
/// Longest reason of an error: the client's own words, and the server's as far as they are repeated.
const REASON_MAX_BYTES: usize = 2048;

/// A server that says the same to whoever asks, whatever is asked, and ends the connection.
struct Parrot {
    address: SocketAddr,
    words: Arc<Mutex<Vec<u8>>>,
}

impl Parrot {
    fn get() -> &'static Self {
        static PARROT: OnceLock<Parrot> = OnceLock::new();
        PARROT.get_or_init(|| {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
            let (address, words) = (listener.local_addr().expect("an address"), Arc::new(Mutex::new(Vec::new())));
            let said = Arc::clone(&words);
            std::thread::spawn(move || {
                for tcp in listener.incoming().flatten() {
                    let words = said.lock().expect("words").clone();
                    // Whatever breaks is the client's business.
                    let _ = heard(&tcp).and_then(|()| (&tcp).write_all(&words));
                }
            });
            Self { address, words }
        })
    }
}

/// Reads a request without a body to its end: a connection that is closed over something unread is reset.
fn heard(mut tcp: &TcpStream) -> std::io::Result<()> {
    let (mut request, mut piece) = (Vec::new(), [0; 1024]);
    while !request.ends_with(b"\r\n\r\n") {
        match tcp.read(&mut piece)? {
            0 => return Ok(()),
            count => request.extend_from_slice(&piece[..count]),
        }
    }
    Ok(())
}

/// What a server of files answers, from its first byte on, to each of the questions of a session.
pub fn http_answer(bytes: &[u8]) {
    let parrot = Parrot::get();
    *parrot.words.lock().expect("words") = bytes.to_vec();
    let url = HttpUrl::parse(&format!("http://{}/d", parrot.address)).expect("an address");
    let options = HttpOptions {
        connections: 1,
        timeout: PATIENCE,
        least_bytes_per_sec: 0,
        rate_window: PATIENCE,
        throttle: None,
        proxy: None,
        trust: TlsTrust::PublicRoots,
    };
    let remote = HttpRemote::new(url, options, Arc::new(SystemClock)).expect("a remote");
    let path = StorePath::new("HEAD").expect("a path");
    let mut session = match remote.connect() {
        Ok(session) => session,
        Err(error) => return is_plain(&error),
    };
    session.length(&path).map_or_else(|error| is_plain(&error), drop);
    for (offset, max_bytes) in [(0, 64), (0, u64::MAX), (7, 3), (u64::MAX - 1, u64::MAX)] {
        fetch(session.as_mut(), &path, offset, max_bytes);
    }
}

fn fetch(session: &mut dyn Session, path: &StorePath, offset: u64, max_bytes: u64) {
    let mut given = 0;
    let fetched = session.fetch(path, offset, max_bytes, &mut |piece| {
        given += piece.len() as u64;
        ControlFlow::Continue(())
    });
    assert!(given <= max_bytes, "{given} bytes of {max_bytes}");
    match fetched {
        Ok(fetched) => assert_eq!(fetched.len_bytes, given),
        Err(error) => is_plain(&error),
    }
}

fn is_plain(error: &RemoteError) {
    assert!(error.reason.len() < REASON_MAX_BYTES, "{error:?}");
    assert!(!error.reason.chars().any(char::is_control), "{error:?}");
}

/// The store that is kept as a fixture, served to a browser that was let in.
struct Site {
    web: Web,
    home: String,
    cookie: String,
}

impl Site {
    fn get() -> &'static Self {
        static SITE: OnceLock<Site> = OnceLock::new();
        SITE.get_or_init(|| {
            let disk = SimDisk::new(Profile::Ext4);
            copy(&fixture(), "", &disk);
            let identities = Identity::parse_file(READER).expect("an identity");
            let copies = vec![Arc::new(disk) as Arc<dyn Disk>];
            let request = ViewRequest { copies, identities: &identities, snapshot: None, now: NOW };
            let view = View::open(request, &SilentMonitor).expect("a view");
            let (disk, reader) = view.shared();
            let reading = Reading::sharing(disk, reader, &identities, NOW).expect("a store");
            let (clock, random) = (Arc::new(FixedClock::new(NOW)), Arc::new(SeededRandom::new(3)));
            let bounds = Bounds { head_timeout: PATIENCE / 2, ..Bounds::default() };
            let web = Web::start(WebOptions { view, reading, port: 0, clock, random, bounds }).expect("a server");
            let token = web.url().split("/open/").nth(1).expect("a token").to_owned();
            let opened = ask(web.address(), &format!("GET /open/{token} HTTP/1.1\r\nHost: {}\r\n", web.address()), b"");
            let opened = String::from_utf8(opened).expect("a page");
            let after = |mark: &str, end: char| opened.split(mark).nth(1).and_then(|rest| rest.split(end).next());
            let cookie = after("set-cookie: ", ';').expect("a cookie").to_owned();
            let home = after("<p><a href=\"", '"').expect("a way on").to_owned();
            Self { web, home, cookie }
        })
    }
}

/// Finds the fixture from the fuzzer's folder and from the package's.
fn fixture() -> PathBuf {
    let dirs = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut places = dirs.map(|dir| dir.join("tests/data/stores/outer-1-inner-1/store"));
    places.find(|place| place.is_dir()).expect("the fixture")
}

fn copy(from: &Path, below: &str, disk: &SimDisk) {
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let name = format!("{below}{}", entry.file_name().to_str().expect("a name"));
        if entry.path().is_dir() {
            copy(&entry.path(), &format!("{name}/"), disk);
        } else {
            disk.put(&name, &std::fs::read(entry.path()).expect("a file"));
        }
    }
}

/// Sends the first lines of a request and a body; returns all that comes back.
fn ask(address: SocketAddr, head: &str, body: &[u8]) -> Vec<u8> {
    let mut tcp = TcpStream::connect(address).expect("a connection");
    tcp.set_read_timeout(Some(PATIENCE)).expect("a wait");
    let head = format!("{head}Connection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    // A server may refuse before it has read all, and reset the connection over the rest.
    let _ = tcp.write_all(&[head.as_bytes(), body].concat());
    let mut answer = Vec::new();
    if let Err(error) = tcp.read_to_end(&mut answer) {
        let is_hang = matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut);
        assert!(!is_hang, "no end after {} bytes", answer.len());
    }
    answer
}

/// A request of who was let in: a line with the method and the address, lines of the head, an empty one, and the body. `@home@` and
/// `@password@` stand for what this run drew.
pub fn web_request(bytes: &[u8]) {
    let site = Site::get();
    let (head, body) = match bytes.windows(2).position(|two| two == b"\n\n") {
        Some(end) => (&bytes[..end], &bytes[end + 2..]),
        None => (bytes, &b""[..]),
    };
    let head = String::from_utf8_lossy(head);
    let head = head.replace("@home@", &site.home).replace("@password@", site.web.dav_login().1);
    let mut lines = head.lines();
    let mut text = format!("{} HTTP/1.1\r\n", lines.next().unwrap_or_default());
    text += &format!("Host: {}\r\nCookie: {}\r\n", site.web.address(), site.cookie);
    for line in lines {
        // How long the body is and what becomes of the connection is not the input's to say: it would only make the client wait.
        let name = line.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
        if !["connection", "content-length", "transfer-encoding", "expect", "upgrade"].contains(&name.as_str()) {
            text += &format!("{line}\r\n");
        }
    }
    let answer = String::from_utf8_lossy(&ask(site.web.address(), &text, body)).into_owned();
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse::<u16>().ok());
    // Nothing in the store is damaged, so that an error of the server is one of this program.
    assert!(status.is_none_or(|status| status < 500 || status == 503), "{text:?}: {answer}");
    let Some((said, page)) = answer.split_once("\r\n\r\n") else { return };
    if said.contains("content-type: text/html") {
        assert!(said.contains("\r\ncontent-security-policy: default-src 'none'"), "{text:?}: {answer}");
        assert!(!page.contains("<q"), "text of a request became a part of the page: {text:?}: {answer}");
    }
}
