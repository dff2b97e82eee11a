//! The socket below ureq: dialled as for FTP, with the same certificates and proxies, counted, and bounded in every wait.
//!
//! The traits that this implements are outside of what ureq promises to keep, so its version is pinned.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, ShutdownHandle, Transport,
};

use super::{HttpOptions, HttpUrl};
use crate::base::Clock;
use crate::remote::RemoteErrorKind;
use crate::remote::ftp::dial::{Place, Way};
use crate::remote::ftp::reply::Trouble;
use crate::remote::ftp::tls::{client_config, of_handshake, of_tls};
use crate::remote::proxy::Proxy;

/// A failure of ours on its way through the client.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
struct Failure {
    kind: RemoteErrorKind,
    reason: String,
}

fn carried(trouble: Trouble) -> ureq::Error {
    ureq::Error::Io(io::Error::other(Failure { kind: trouble.kind, reason: trouble.reason }))
}

/// Says what an error of the client means.
pub(super) fn meaning(error: &ureq::Error) -> (RemoteErrorKind, String) {
    use RemoteErrorKind::{Protocol, Refused, Unreachable};
    match error {
        ureq::Error::Io(error) => meaning_of_io(error),
        ureq::Error::Timeout(_) => (Unreachable, "no answer in time".to_owned()),
        ureq::Error::Protocol(error) => (Protocol, format!("server's answer is no HTTP answer: {error}")),
        ureq::Error::ConnectionFailed | ureq::Error::HostNotFound => (Unreachable, error.to_string()),
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => (Refused, "address cannot be asked for".to_owned()),
        other => (Protocol, other.to_string()),
    }
}

/// Says what an error of a body or a socket means.
pub(super) fn meaning_of_io(error: &io::Error) -> (RemoteErrorKind, String) {
    let inner = error.get_ref();
    if let Some(failure) = inner.and_then(|inner| inner.downcast_ref::<Failure>()) {
        return (failure.kind, failure.reason.clone());
    }
    if let Some(error) = inner.and_then(|inner| inner.downcast_ref::<ureq::Error>()) {
        return meaning(error);
    }
    let trouble = of_handshake(error);
    (trouble.kind, trouble.reason)
}

/// Looks nothing up: whoever dials does, or the proxy.
#[derive(Debug)]
pub(super) struct Nowhere;

impl Resolver for Nowhere {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut addresses = self.empty();
        addresses.push(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
        Ok(addresses)
    }
}

/// Opens connections to the one server that there is.
pub(super) struct Dialer {
    tls: Option<Arc<ClientConfig>>,
    host: String,
    port: u16,
    proxy: Option<Proxy>,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    wire_bytes: Arc<AtomicU64>,
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer").field("host", &self.host).finish_non_exhaustive()
    }
}

impl Dialer {
    pub(super) fn new(
        url: &HttpUrl,
        options: &HttpOptions,
        clock: Arc<dyn Clock>,
        wire_bytes: Arc<AtomicU64>,
    ) -> Result<Self, Trouble> {
        let versions = [&rustls::version::TLS13, &rustls::version::TLS12];
        let tls = url.is_tls.then(|| client_config(&options.trust, &versions).map(Arc::new)).transpose()?;
        let (host, port, timeout) = (url.host.clone(), url.port, options.timeout);
        Ok(Self { tls, host, port, proxy: options.proxy.clone(), timeout, clock, wire_bytes })
    }

    fn protect(&self, config: &Arc<ClientConfig>, mut socket: Counted) -> Result<Stream, Trouble> {
        let name = ServerName::try_from(self.host.clone())
            .map_err(|_| Trouble::new(RemoteErrorKind::Refused, "host name is none that a certificate can have"))?;
        let mut conn = ClientConnection::new(Arc::clone(config), name).map_err(|error| of_tls(&error))?;
        while conn.is_handshaking() {
            conn.complete_io(&mut socket).map_err(|error| of_handshake(&error))?;
        }
        Ok(Stream::Tls(Box::new(StreamOwned::new(conn, socket))))
    }
}

impl Connector for Dialer {
    type Out = Line;

    fn connect(&self, details: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<Line>, ureq::Error> {
        let place = Place {
            host: &self.host,
            port: self.port,
            proxy: self.proxy.as_ref(),
            timeout: self.timeout,
            clock: &self.clock,
        };
        let (tcp, _) = Way::find(&place).map_err(carried)?;
        let tcp = Arc::new(tcp);
        let handle: Arc<dyn ShutdownHandle> = Arc::clone(&tcp) as _;
        (details.register_shutdown)(Arc::downgrade(&handle) as Weak<dyn ShutdownHandle>)?;
        let socket = Counted { tcp: Arc::clone(&tcp), wire_bytes: Arc::clone(&self.wire_bytes) };
        let stream = match &self.tls {
            Some(config) => self.protect(config, socket).map_err(carried)?,
            None => Stream::Plain(socket),
        };
        let buffers = LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(Line { buffers, stream, tcp, timeout: self.timeout }))
    }
}

/// A socket that counts the bytes both ways.
#[derive(Debug)]
struct Counted {
    tcp: Arc<TcpStream>,
    wire_bytes: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = (&*self.tcp).read(buffer)?;
        self.wire_bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl Write for Counted {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = (&*self.tcp).write(buffer)?;
        self.wire_bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self.tcp).flush()
    }
}

#[derive(Debug)]
enum Stream {
    Plain(Counted),
    Tls(Box<StreamOwned<ClientConnection, Counted>>),
}

/// A connection as the client uses it.
pub(super) struct Line {
    buffers: LazyBuffers,
    stream: Stream,
    tcp: Arc<TcpStream>,
    timeout: Duration,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Line")
    }
}

impl Line {
    /// Returns how long one call may wait: the client's own bound, and never longer than ours.
    fn limit(&self, timeout: NextTimeout) -> Duration {
        timeout.not_zero().map_or(self.timeout, |left| (*left).min(self.timeout))
    }
}

impl Transport for Line {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.tcp.set_write_timeout(Some(self.limit(timeout)))?;
        let output = &self.buffers.output()[..amount];
        match &mut self.stream {
            Stream::Plain(socket) => socket.write_all(output)?,
            Stream::Tls(stream) => stream.write_all(output).and_then(|()| stream.flush())?,
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.tcp.set_read_timeout(Some(self.limit(timeout)))?;
        let input = self.buffers.input_append_buf();
        let read = match &mut self.stream {
            Stream::Plain(socket) => socket.read(input),
            Stream::Tls(stream) => stream.read(input),
        };
        let count = match read {
            // Many servers end without the closing message. Whether the file is whole is told by its length, and by the caller's hash.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            read => read?,
        };
        self.buffers.input_appended(count);
        Ok(count > 0)
    }

    /// Finds out whether the server still holds the connection and sent nothing unasked.
    fn is_open(&mut self) -> bool {
        let quiet = self.tcp.set_nonblocking(true).is_ok()
            && matches!(self.tcp.peek(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        self.tcp.set_nonblocking(false).is_ok() && quiet
    }

    fn is_tls(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }
}
