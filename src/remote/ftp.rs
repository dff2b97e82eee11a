//! [`FtpRemote`]: a remote reached by FTP, plain or with TLS, over the blocking client of suppaftp.
//!
//! The habits here come from trials with vsftpd, ProFTPD, Pure-FTPd and pyftpdlib. Transfers are binary from the login
//! on. `ABOR` is never sent: a transfer that is cut short is read to its end when little is left, else its data connection
//! alone is closed, which all of them answer with one reply; where another answer comes or none, the control connection is
//! dropped and the next call opens another. What a short range takes in beyond its end is bounded by a small receive buffer. Any failure of a socket, and any wait that ends without an answer, makes a
//! session useless. Listings are never asked for. Every wait is bounded, and a transfer that crawls is given up.
//!
//! A plain connection shows its password to the network; what a store holds is sealed and signed anyway.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::proxy::Proxy;
use super::rate::Throttle;
use super::url::{Credentials, FtpUrl, Protection};
use super::{Remote, RemoteError, RemoteErrorKind, Session};
use crate::base::Clock;
use hang_up::HangUp;
use watch::Watches;

pub(in crate::remote) mod dial;
mod hang_up;
mod link;
pub(in crate::remote) mod reply;
mod session;
pub(in crate::remote) mod tls;
mod watch;

pub use tls::TlsTrust;

/// What a reply of a server says, as far as a session acts on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyFacts {
    /// The code of its last line, or 0.
    pub code: u16,
    /// The number that its words are, as after `SIZE`.
    pub number: Option<u64>,
    /// The size among its facts, as after `MLST`.
    pub fact_size: Option<u64>,
    /// The directory that it names, as after `PWD`.
    pub home: Option<String>,
    /// How an error repeats it.
    pub shown: String,
}

/// Reads all lines of a reply as a session does, without a server: for whoever tries hostile ones.
#[must_use]
pub fn read_reply(lines: Vec<u8>) -> ReplyFacts {
    let reply = reply::Reply::of_body(lines);
    ReplyFacts {
        code: reply.code,
        number: session::parse_number(reply.last_words()),
        fact_size: session::parse_fact_size(&reply),
        home: link::parse_home(reply.last_words()),
        shown: reply::Trouble::of_reply(&reply, reply::Phase::Read).reason,
    }
}

/// Reads a list of names as a session does, without a server: for whoever tries hostile ones.
#[must_use]
pub fn read_names(list: &[u8]) -> Vec<String> {
    session::names_of(list)
}

/// How to use an FTP remote.
#[derive(Clone)]
pub struct FtpOptions {
    /// Sessions at a time, at least 1.
    pub connections: usize,
    /// Longest wait for the server to connect, to answer, or to send anything at all.
    pub timeout: Duration,
    /// Fewest bytes a second that a transfer may bring over [`FtpOptions::rate_window`]; 0 for none.
    pub least_bytes_per_sec: u64,
    /// The stretch of waiting over which the rate is looked at.
    pub rate_window: Duration,
    /// What slows transfers down, if anything; sessions of several remotes may share it.
    pub throttle: Option<Arc<dyn Throttle>>,
    /// What all connections go through, if anything.
    pub proxy: Option<Proxy>,
    /// Which certificate is accepted where the address asks for TLS.
    pub trust: TlsTrust,
    /// Whether `ftp://` may be used at all.
    pub allow_plaintext: bool,
}

impl Default for FtpOptions {
    fn default() -> Self {
        Self {
            connections: 2,
            timeout: Duration::from_secs(30),
            least_bytes_per_sec: 1024,
            rate_window: Duration::from_secs(30),
            throttle: None,
            proxy: None,
            trust: TlsTrust::PublicRoots,
            allow_plaintext: true,
        }
    }
}

impl fmt::Debug for FtpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FtpOptions")
            .field("connections", &self.connections)
            .field("timeout", &self.timeout)
            .field("allow_plaintext", &self.allow_plaintext)
            .finish_non_exhaustive()
    }
}

/// What every session of a remote needs.
struct Target {
    url: FtpUrl,
    credentials: Credentials,
    options: FtpOptions,
    clock: Arc<dyn Clock>,
    wire_bytes: Arc<AtomicU64>,
    /// False after the server's answer to a transfer that was cut short did not fit: from then on each costs a connection.
    survives_cuts: AtomicBool,
    watches: Watches,
    hang_up: Arc<HangUp>,
}

impl Target {
    fn place(&self) -> dial::Place<'_> {
        let (options, clock) = (&self.options, &self.clock);
        let (host, port, proxy) = (self.url.host.as_str(), self.url.port, options.proxy.as_ref());
        dial::Place { host, port, proxy, timeout: options.timeout, clock }
    }

    fn count(&self, bytes: usize) {
        self.wire_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// An FTP server's directory as a remote.
pub struct FtpRemote {
    target: Arc<Target>,
}

impl FtpRemote {
    /// Names a remote; nothing is connected.
    ///
    /// Without `credentials`, those in the address are used, else the login that servers with public files take. The
    /// clock bounds waits on real sockets, so it has to be one that moves.
    #[must_use]
    pub fn new(url: FtpUrl, credentials: Option<Credentials>, options: FtpOptions, clock: Arc<dyn Clock>) -> Self {
        let in_url = || {
            let user = url.user.as_deref()?;
            let password = url.password.as_ref().map_or("", |password| password.reveal());
            Some(Credentials::new(user, password))
        };
        let credentials = credentials.or_else(in_url).unwrap_or_else(Credentials::anonymous);
        let wire_bytes = Arc::new(AtomicU64::new(0));
        let survives_cuts = AtomicBool::new(true);
        let (watches, hang_up) = (Watches::default(), Arc::default());
        let target = Target { url, credentials, options, clock, wire_bytes, survives_cuts, watches, hang_up };
        Self { target: Arc::new(target) }
    }
}

impl Remote for FtpRemote {
    fn address(&self) -> String {
        self.target.url.to_string()
    }

    fn connect(&self) -> Result<Box<dyn Session>, RemoteError> {
        if self.target.url.protection == Protection::Plain && !self.target.options.allow_plaintext {
            let why = "connections without TLS are not allowed here";
            return Err(RemoteError::new(RemoteErrorKind::Refused, "connect to", &self.target.url, why));
        }
        Ok(Box::new(session::FtpSession::open(Arc::clone(&self.target))?))
    }

    fn session_limit(&self) -> usize {
        self.target.options.connections.max(1)
    }

    /// Over TLS this is every byte of every socket but those that a proxy is asked with. Over plain FTP the crate swallows the short replies that open and
    /// close a transfer, about a hundred bytes each time, so these are missing. Of a transfer that was cut short, what the system
    /// had taken in and nobody read counts, up to 128 KiB; what was still on its way then is seen by nobody.
    fn wire_bytes(&self) -> u64 {
        self.target.wire_bytes.load(Ordering::Relaxed)
    }

    fn hang_up(&self) {
        self.target.hang_up.come();
        self.target.watches.shut_all();
    }
}
