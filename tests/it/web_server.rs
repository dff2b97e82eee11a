//! A small server of files over HTTP, plain or with TLS, that can be told to misbehave.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Conduct {
    #[default]
    Right,
    /// Ranges are not known: the whole file is sent.
    NoRanges,
    /// Everything is somewhere else.
    Redirects,
    /// Half of the body is sent, and the connection ends.
    Truncates,
    /// The body never ends, whatever the head says: it has no length.
    Endless,
    /// Another stretch is sent than was asked for.
    WrongRange,
    /// What comes is no HTTP.
    Garbage,
    /// A head that never ends.
    EndlessHead,
    /// Nothing is said after the request.
    Silent,
    /// A status that says that it is too busy.
    Busy,
}

struct Shared {
    root: PathBuf,
    conduct: Mutex<Conduct>,
    stops: AtomicBool,
    requests: AtomicU64,
    body_bytes: AtomicU64,
    connections: AtomicU64,
}

pub struct WebServer {
    address: SocketAddr,
    is_tls: bool,
    shared: Arc<Shared>,
    accepts: Option<JoinHandle<()>>,
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

impl WebServer {
    pub fn plain(root: &Path) -> Self {
        Self::start(root, None)
    }

    /// Serves with a certificate of its own.
    pub fn with_tls(root: &Path, made: &rcgen::CertifiedKey<rcgen::KeyPair>) -> Self {
        let chain = vec![CertificateDer::from(made.cert.der().to_vec())];
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        Self::start(root, Some(Arc::new(config)))
    }

    fn start(root: &Path, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            root: root.to_owned(),
            conduct: Mutex::default(),
            stops: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            body_bytes: AtomicU64::new(0),
            connections: AtomicU64::new(0),
        });
        let (is_tls, own) = (tls.is_some(), Arc::clone(&shared));
        let accepts = std::thread::spawn(move || {
            for tcp in listener.incoming() {
                if own.stops.load(Ordering::Relaxed) {
                    return;
                }
                own.connections.fetch_add(1, Ordering::Relaxed);
                let (shared, tls) = (Arc::clone(&own), tls.clone());
                std::thread::spawn(move || shared.serve(tcp.unwrap(), tls));
            }
        });
        Self { address, is_tls, shared, accepts: Some(accepts) }
    }

    pub fn url(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}/", self.address.port())
    }

    pub fn behave(&self, conduct: Conduct) {
        *self.shared.conduct.lock().unwrap() = conduct;
    }

    /// Requests, bytes of bodies, connections so far.
    pub fn counts(&self) -> (u64, u64, u64) {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (load(&self.shared.requests), load(&self.shared.body_bytes), load(&self.shared.connections))
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.shared.stops.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
        let _ = self.accepts.take().unwrap().join();
    }
}

impl Shared {
    fn serve(&self, tcp: TcpStream, tls: Option<Arc<ServerConfig>>) {
        let stream: Box<dyn Stream> = match tls {
            Some(config) => Box::new(StreamOwned::new(ServerConnection::new(config).unwrap(), tcp)),
            None => Box::new(tcp),
        };
        let mut stream = BufReader::new(stream);
        // Whatever breaks is the client's business.
        while let Ok(true) = self.answer(&mut stream) {}
    }

    /// Answers one request; says whether the connection stays.
    fn answer(&self, stream: &mut BufReader<Box<dyn Stream>>) -> std::io::Result<bool> {
        let (mut line, mut range) = (String::new(), None);
        if stream.read_line(&mut line)? == 0 {
            return Ok(false);
        }
        loop {
            let mut header = String::new();
            stream.read_line(&mut header)?;
            if let Some(asked) = header.to_ascii_lowercase().strip_prefix("range: bytes=") {
                let (from, to) = asked.trim().split_once('-').unwrap();
                range = Some((from.parse::<usize>().unwrap(), to.parse::<usize>().unwrap()));
            }
            if header.trim().is_empty() {
                break;
            }
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        let mut words = line.split(' ');
        let (is_head, path) = (words.next() == Some("HEAD"), words.next().unwrap().trim_start_matches('/'));
        let file = std::fs::read(self.root.join(path));
        let conduct = *self.conduct.lock().unwrap();
        if let Some(stays) = misbehave(conduct, stream)? {
            return Ok(stays);
        }
        let out = stream.get_mut();
        let Ok(file) = file else {
            out.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\n")?;
            out.write_all(if is_head { b"" } else { b"not found" })?;
            return out.flush().map(|()| true);
        };
        let range = range.filter(|_| conduct != Conduct::NoRanges);
        if range.is_some_and(|(from, _)| from >= file.len()) {
            let head = format!("HTTP/1.1 416 No\r\nContent-Range: bytes */{}\r\nContent-Length: 0\r\n\r\n", file.len());
            out.write_all(head.as_bytes())?;
            return out.flush().map(|()| true);
        }
        let mut head = "HTTP/1.1 200 OK\r\n".to_owned();
        let mut body = file.as_slice();
        if let Some((from, to)) = range {
            body = &file[from..file.len().min(to + 1)];
            let said = if conduct == Conduct::WrongRange { from + 1 } else { from };
            let end = from + body.len() - 1;
            head = format!("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {said}-{end}/{}\r\n", file.len());
        }
        if conduct == Conduct::Endless && !is_head {
            out.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes())?;
            out.write_all(body)?;
            loop {
                out.write_all(&[0; 4096])?;
                self.body_bytes.fetch_add(4096, Ordering::Relaxed);
            }
        }
        out.write_all(format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes())?;
        let sent = if conduct == Conduct::Truncates { body.len() / 2 } else { body.len() };
        if !is_head {
            out.write_all(&body[..sent])?;
            self.body_bytes.fetch_add(sent as u64, Ordering::Relaxed);
        }
        out.flush().map(|()| conduct != Conduct::Truncates)
    }
}

/// Answers as no good server does; says whether the connection stays, or nothing where the answer is still to come.
fn misbehave(conduct: Conduct, stream: &mut BufReader<Box<dyn Stream>>) -> std::io::Result<Option<bool>> {
    let out = stream.get_mut();
    match conduct {
        Conduct::Redirects => {
            let head = "HTTP/1.1 302 Found\r\nLocation: https://elsewhere.example/\r\nContent-Length: 0\r\n\r\n";
            out.write_all(head.as_bytes())?;
            out.flush().map(|()| Some(true))
        }
        Conduct::Busy => {
            out.write_all(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")?;
            out.flush().map(|()| Some(true))
        }
        Conduct::Garbage => {
            out.write_all(b"220 this is ftp\r\n\r\n\r\n")?;
            out.flush().map(|()| Some(false))
        }
        Conduct::EndlessHead => {
            out.write_all(b"HTTP/1.1 200 OK\r\n")?;
            loop {
                out.write_all(b"X-More: more and more and more\r\n")?;
            }
        }
        Conduct::Silent => {
            let _ = stream.read(&mut [0]);
            Ok(Some(false))
        }
        _ => Ok(None),
    }
}
