//! Sockets of the server: plain or TLS, and the bounded lines of the control connection.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{HandshakeKind, ServerConfig, ServerConnection, StreamOwned};

use super::TlsIdentity;

/// Longest command line; more ends the connection.
const LINE_MAX_BYTES: usize = 4096;

/// Builds what TLS is offered with.
pub(super) fn server_config(identity: &TlsIdentity) -> io::Result<Arc<ServerConfig>> {
    let wrong = |why: String| io::Error::new(io::ErrorKind::InvalidInput, why);
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&identity.chain_pem).collect();
    let chain = chain.map_err(|_| wrong("certificate is not valid PEM".to_owned()))?;
    let key = PrivateKeyDer::from_pem_slice(&identity.key_pem).map_err(|_| wrong("key is not valid PEM".to_owned()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
    Ok(Arc::new(config.map_err(|error| wrong(error.to_string()))?))
}

/// A connection, plain or TLS.
pub(super) enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Wire {
    /// Takes a socket with bounded waits.
    pub(super) fn plain(tcp: TcpStream, timeout: Duration) -> io::Result<Self> {
        tcp.set_nonblocking(false)?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(timeout))?;
        tcp.set_write_timeout(Some(timeout))?;
        Ok(Self::Plain(tcp))
    }

    /// Answers a TLS handshake.
    pub(super) fn into_tls(self, config: &Arc<ServerConfig>) -> io::Result<Self> {
        let Self::Plain(mut tcp) = self else { return Ok(self) };
        let mut conn = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
        while conn.is_handshaking() {
            conn.complete_io(&mut tcp)?;
        }
        Ok(Self::Tls(Box::new(StreamOwned::new(conn, tcp))))
    }

    pub(super) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(stream) => &stream.sock,
        }
    }

    pub(super) fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// Returns whether the TLS session is one that was opened before.
    pub(super) fn is_resumed(&self) -> bool {
        matches!(self, Self::Tls(stream) if stream.conn.handshake_kind() == Some(HandshakeKind::Resumed))
    }

    /// Ends the connection in order.
    pub(super) fn close(mut self) {
        if let Self::Tls(stream) = &mut self {
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
        let _ = self.tcp().shutdown(std::net::Shutdown::Write);
    }

    /// Ends the connection with a reset.
    pub(super) fn reset(self) {
        let _ = socket2::SockRef::from(self.tcp()).set_linger(Some(Duration::ZERO));
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.read(buffer),
            Self::Tls(stream) => match stream.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
                other => other,
            },
        }
    }
}

impl Write for Wire {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.write(buffer),
            Self::Tls(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(tcp) => tcp.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// The control connection: lines in, replies out.
pub(super) struct Control {
    wire: Option<Wire>,
    pending: Vec<u8>,
}

impl Control {
    pub(super) fn new(wire: Wire) -> Self {
        Self { wire: Some(wire), pending: Vec::new() }
    }

    pub(super) fn wire(&mut self) -> io::Result<&mut Wire> {
        self.wire.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    pub(super) fn is_tls(&self) -> bool {
        self.wire.as_ref().is_some_and(Wire::is_tls)
    }

    /// Switches to TLS. What came before in clear and was not read yet is dropped: it could be anybody's.
    pub(super) fn secure(&mut self, config: &Arc<ServerConfig>) -> io::Result<()> {
        self.pending.clear();
        let wire = self.wire.take().ok_or(io::ErrorKind::NotConnected)?;
        self.wire = Some(wire.into_tls(config)?);
        Ok(())
    }

    /// Sends bytes as they are.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let wire = self.wire()?;
        wire.write_all(bytes)?;
        wire.flush()
    }

    /// Reads one line without its end; nothing at the end of the connection.
    pub(super) fn read_line(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = self.pending.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=end).collect();
                return Ok(Some(String::from_utf8_lossy(line.trim_ascii_end()).into_owned()));
            }
            if self.pending.len() > LINE_MAX_BYTES {
                self.send(b"500 Line too long.\r\n")?;
                return Ok(None);
            }
            let mut buffer = [0; 1024];
            match self.wire()?.read(&mut buffer)? {
                0 => return Ok(None),
                count => self.pending.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            }
        }
    }
}

/// Tells a client that there is no room for it.
pub(super) fn turn_away(tcp: TcpStream) {
    if let Ok(mut wire) = Wire::plain(tcp, Duration::from_secs(1)) {
        // The client sees the end of the connection in any case.
        let _ = wire.write_all(b"421 Too many connections, try again later.\r\n");
        wire.close();
    }
}
