//! A small FTP server over a directory: for a LAN, for a trial, and for tests, which script its faults.
//!
//! One thread for each connection, blocking. It is read-only unless told otherwise, listens on 127.0.0.1 unless told
//! otherwise, and bounds connections, lines, waits and failed logins. Data connections are passive only and accepted
//! only from the host of their control connection. Transfers are binary whatever `TYPE` says. An upload is answered
//! with success only once it is durable.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::base::Clock;
use crate::disk::served::ServedDir;
use crate::remote::url::Credentials;

mod data;
mod faults;
mod session;
mod wire;

pub use faults::{Answer, Fault, Faults};

/// Longest wait for a new connection of `shutdown` to itself.
const WAKE_TIMEOUT: Duration = Duration::from_secs(1);

/// A certificate chain and its key, PEM.
#[derive(Clone)]
pub struct TlsIdentity {
    /// The certificates, the server's own first.
    pub chain_pem: Vec<u8>,
    /// The private key.
    pub key_pem: Vec<u8>,
}

/// How to serve.
#[derive(Clone)]
pub struct ServeOptions {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Who may log in; nobody named means that everybody may, with any name.
    pub login: Option<Credentials>,
    /// Whether anything may be written.
    pub allow_upload: bool,
    /// Most connections at a time; more are answered 421.
    pub max_connections: usize,
    /// Longest wait for a command or for data.
    pub idle_timeout: Duration,
    /// What TLS is offered with, if at all.
    pub tls: Option<TlsIdentity>,
    /// TLS from the first byte instead of `AUTH TLS`.
    pub implicit_tls: bool,
    /// No login before TLS, no transfer outside it.
    pub require_tls: bool,
    /// Data connections have to resume the TLS session of their control connection.
    pub require_session_reuse: bool,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            login: None,
            allow_upload: false,
            max_connections: 50,
            idle_timeout: Duration::from_secs(300),
            tls: None,
            implicit_tls: false,
            require_tls: false,
            require_session_reuse: false,
        }
    }
}

/// What a server did so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Connections accepted, refused ones included.
    pub connections: u64,
    /// Logins that succeeded.
    pub logins: u64,
    /// Downloads begun.
    pub retrieves: u64,
    /// Uploads begun.
    pub stores: u64,
    /// Bytes of files sent.
    pub sent_bytes: u64,
    /// Bytes of files received.
    pub received_bytes: u64,
}

/// The same, counted by many threads.
#[derive(Default)]
struct Counters {
    connections: AtomicU64,
    logins: AtomicU64,
    retrieves: AtomicU64,
    stores: AtomicU64,
    sent_bytes: AtomicU64,
    received_bytes: AtomicU64,
}

/// What every connection of a server needs.
struct Shared {
    dir: ServedDir,
    options: ServeOptions,
    tls: Option<Arc<rustls::ServerConfig>>,
    faults: Faults,
    counters: Counters,
    clock: Arc<dyn Clock>,
    stopping: AtomicBool,
    open: Mutex<Vec<(u64, TcpStream)>>,
}

impl Shared {
    fn lock_open(&self) -> MutexGuard<'_, Vec<(u64, TcpStream)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

/// A running server. Dropping it shuts it down.
pub struct Server {
    shared: Arc<Shared>,
    addr: SocketAddr,
    accepting: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts to serve a directory on threads of its own.
    ///
    /// # Errors
    /// The system's error when it cannot listen; [`io::ErrorKind::InvalidInput`] for a certificate or key that is none.
    pub fn start(dir: ServedDir, options: ServeOptions, faults: Faults, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let tls = options.tls.as_ref().map(wire::server_config).transpose()?;
        let listener = TcpListener::bind(options.listen)?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            dir,
            options,
            tls,
            faults,
            counters: Counters::default(),
            clock,
            stopping: AtomicBool::new(false),
            open: Mutex::new(Vec::new()),
        });
        let runner = Arc::clone(&shared);
        let accepting =
            std::thread::Builder::new().name("ftp-serve".to_owned()).spawn(move || accept(&runner, &listener))?;
        Ok(Self { shared, addr, accepting: Some(accepting) })
    }

    /// Returns where the server listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns what it did so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.shared.counters;
        Counts {
            connections: load(&counters.connections),
            logins: load(&counters.logins),
            retrieves: load(&counters.retrieves),
            stores: load(&counters.stores),
            sent_bytes: load(&counters.sent_bytes),
            received_bytes: load(&counters.received_bytes),
        }
    }

    /// Stops listening, cuts every control connection and waits for the threads. A transfer whose client stands still
    /// is waited for, at most as long as [`ServeOptions::idle_timeout`].
    pub fn shutdown(mut self) {
        self.stop();
    }

    /// Waits until the server ends, which only a failure of listening brings about.
    pub fn wait(mut self) {
        if let Some(accepting) = self.accepting.take() {
            // A panic of the thread ends the server as well.
            let _ = accepting.join();
        }
    }

    fn stop(&mut self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        self.shared.faults.release();
        let Some(accepting) = self.accepting.take() else { return };
        let mut wake = self.addr;
        if wake.ip().is_unspecified() {
            wake.set_ip(if wake.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
        }
        // The thread looks at the flag after each connection, so it gets one.
        let _ = TcpStream::connect_timeout(&wake, WAKE_TIMEOUT);
        let _ = accepting.join();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Accepts connections until told to stop, then cuts those that are left.
fn accept(shared: &Arc<Shared>, listener: &TcpListener) {
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    let mut number = 0;
    while !shared.is_stopping() {
        let Ok((tcp, _)) = listener.accept() else {
            // Out of handles, most likely: some come back when connections end.
            shared.clock.sleep(Duration::from_millis(50));
            continue;
        };
        if shared.is_stopping() {
            break;
        }
        threads.retain(|thread| !thread.is_finished());
        number += 1;
        shared.counters.connections.fetch_add(1, Ordering::Relaxed);
        let full = shared.lock_open().len() >= shared.options.max_connections;
        let Ok(clone) = tcp.try_clone() else { continue };
        if full || shared.faults.refuses_connection() {
            wire::turn_away(tcp);
            continue;
        }
        shared.lock_open().push((number, clone));
        let runner = Arc::clone(shared);
        let spawned = std::thread::Builder::new().name("ftp-session".to_owned()).spawn(move || {
            // The client has gone where a session ends with an error; there is nobody to tell.
            let _ = session::run(&runner, tcp);
            close(&runner, number);
        });
        match spawned {
            Ok(thread) => threads.push(thread),
            Err(_) => close(shared, number),
        }
    }
    for (_, tcp) in shared.lock_open().iter() {
        let _ = tcp.shutdown(Shutdown::Both);
    }
    for thread in threads {
        let _ = thread.join();
    }
}

fn close(shared: &Shared, number: u64) {
    shared.lock_open().retain(|(open, tcp)| {
        if *open == number {
            let _ = tcp.shutdown(Shutdown::Both);
        }
        *open != number
    });
}
