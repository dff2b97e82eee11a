//! TLS of a session: which certificate is accepted, and a stream that counts what crosses the wire.
//!
//! Each control connection gets a configuration of its own, with TLS 1.2 alone: then its data connections resume the
//! control connection's TLS session, which vsftpd and ProFTPD insist on. A shared configuration is answered with 425,
//! uploads over TLS 1.3 with 522.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme, StreamOwned,
    SupportedProtocolVersion,
};
use suppaftp::{FtpError, FtpResult, TlsConnector, TlsStream};

use super::dial::Way;
use super::reply::Trouble;
use crate::remote::RemoteErrorKind;

/// Most certificates taken from a CA file.
const CA_MAX_CERTIFICATES: usize = 1000;

/// Which certificate of a server is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum TlsTrust {
    /// One that a public authority of Mozilla's list vouches for, for the host's name.
    #[default]
    PublicRoots,
    /// One that an authority in this PEM text vouches for, for the host's name. Nothing else is trusted then.
    CaPem(Vec<u8>),
    /// Exactly the certificate whose DER bytes have this SHA-256 (`openssl x509 -fingerprint -sha256`), whatever its
    /// name, its issuer and its dates say.
    PinSha256([u8; 32]),
}

impl TlsTrust {
    /// Reads a pin: the SHA-256 of the certificate as 64 hex digits, colons between them allowed as openssl prints them.
    #[must_use]
    pub fn parse_pin(text: &str) -> Option<Self> {
        let digits: String = text.trim().chars().filter(|&c| c != ':').collect();
        let mut sha256 = [0; 32];
        hex::decode_to_slice(digits, &mut sha256).ok()?;
        Some(Self::PinSha256(sha256))
    }
}

/// Accepts one certificate, by its hash.
#[derive(Debug)]
struct PinVerifier {
    sha256: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if sha256(end_entity).is_some_and(|hash| hash == self.sha256) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::Error::InvalidCertificate(rustls::CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Hashes with the SHA-256 that rustls carries for its cipher suites.
fn sha256(bytes: &[u8]) -> Option<[u8; 32]> {
    let rustls::SupportedCipherSuite::Tls12(suite) = ring::cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
    else {
        return None;
    };
    suite.common.hash_provider.hash(bytes).as_ref().try_into().ok()
}

/// Builds a fresh configuration for these versions of TLS.
pub(in crate::remote) fn client_config(
    trust: &TlsTrust,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<ClientConfig, Trouble> {
    let wrong = |why: String| Trouble::new(RemoteErrorKind::Refused, why);
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(|error| wrong(error.to_string()))?;
    let verifier: Arc<dyn ServerCertVerifier> = match trust {
        TlsTrust::PinSha256(sha256) => Arc::new(PinVerifier { sha256: *sha256, provider }),
        TlsTrust::PublicRoots => {
            let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
            web_verifier(roots, provider)?
        }
        TlsTrust::CaPem(pem) => {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(pem).take(CA_MAX_CERTIFICATES) {
                let certificate = certificate.map_err(|_| wrong("the CA file is not valid PEM".to_owned()))?;
                roots.add(certificate).map_err(|error| wrong(format!("the CA file: {error}")))?;
            }
            web_verifier(roots, provider)?
        }
    };
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

fn web_verifier(roots: RootCertStore, provider: Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, Trouble> {
    let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    Ok(built.map_err(|error| Trouble::new(RemoteErrorKind::Refused, format!("no authority to trust: {error}")))?)
}

/// A socket that counts the bytes both ways.
#[derive(Debug)]
pub(super) struct Counted {
    tcp: TcpStream,
    wire_bytes: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.tcp.read(buffer)?;
        self.wire_bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl Write for Counted {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.tcp.write(buffer)?;
        self.wire_bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}

/// A TLS stream over a counted socket.
#[derive(Debug)]
pub(super) struct Wire {
    stream: StreamOwned<ClientConnection, Counted>,
}

impl TlsStream for Wire {
    type InnerStream = StreamOwned<ClientConnection, Counted>;

    fn tcp_stream(self) -> FtpResult<TcpStream> {
        self.stream.sock.tcp.try_clone().map_err(FtpError::ConnectionError)
    }

    fn get_ref(&self) -> &TcpStream {
        &self.stream.sock.tcp
    }

    fn mut_ref(&mut self) -> &mut Self::InnerStream {
        &mut self.stream
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // A server takes a data connection that ends without this for a torn one. Nobody is left to hear an error.
        self.stream.conn.send_close_notify();
        let _ = self.stream.flush();
    }
}

/// Where the sockets of a session leave what went wrong; the crate turns errors into text.
pub(super) type Slot = Arc<Mutex<Option<Trouble>>>;

/// Leaves what went wrong.
pub(super) fn keep(slot: &Slot, trouble: Trouble) {
    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(trouble);
}

/// Opens TLS on the sockets of one session.
pub(super) struct Connector {
    config: Arc<ClientConfig>,
    wire_bytes: Arc<AtomicU64>,
    /// The way on from a first socket that was made elsewhere, and the port to which it leads.
    leads: Mutex<Option<(Way, u16)>>,
    slot: Slot,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

impl Connector {
    /// Makes a connector with a configuration of its own.
    pub(super) fn new(trust: &TlsTrust, wire_bytes: Arc<AtomicU64>, slot: Slot) -> Result<Self, Trouble> {
        Ok(Self {
            config: Arc::new(client_config(trust, &[&rustls::version::TLS12])?),
            wire_bytes,
            leads: Mutex::default(),
            slot,
        })
    }

    /// Has the connector take its first socket for one that goes to the first hop of a way only.
    pub(super) fn leading_first(self, way: Way, port: u16) -> Self {
        Self { leads: Mutex::new(Some((way, port))), ..self }
    }

    fn open(&self, host: &str, tcp: TcpStream) -> Result<Wire, Trouble> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| Trouble::new(RemoteErrorKind::Refused, "host name is none that a certificate can have"))?;
        let mut conn = ClientConnection::new(Arc::clone(&self.config), name).map_err(|error| of_tls(&error))?;
        if let Some((way, port)) = self.leads.lock().unwrap_or_else(PoisonError::into_inner).take() {
            way.lead(&tcp, port)?;
        }
        let mut sock = Counted { tcp, wire_bytes: Arc::clone(&self.wire_bytes) };
        while conn.is_handshaking() {
            conn.complete_io(&mut sock).map_err(|error| of_handshake(&error))?;
        }
        Ok(Wire { stream: StreamOwned::new(conn, sock) })
    }
}

impl TlsConnector for Connector {
    type Stream = Wire;

    fn connect(&self, host: &str, tcp: TcpStream) -> FtpResult<Wire> {
        self.open(host, tcp).map_err(|trouble| {
            let text = trouble.reason.clone();
            keep(&self.slot, trouble);
            FtpError::SecureError(text)
        })
    }
}

/// Says what an error of a socket under TLS means.
pub(in crate::remote) fn of_handshake(error: &io::Error) -> Trouble {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(inner) => of_tls(inner),
        None => Trouble::of_io(error),
    }
}

/// Says what an error of TLS means.
pub(in crate::remote) fn of_tls(error: &rustls::Error) -> Trouble {
    let kind = match error {
        rustls::Error::InvalidMessage(_) | rustls::Error::DecryptError => RemoteErrorKind::Protocol,
        _ => RemoteErrorKind::Refused,
    };
    Trouble::new(kind, format!("TLS: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_read_as_openssl_prints_it() {
        let plain = "ab".repeat(32);
        let colons = vec!["AB"; 32].join(":");
        assert_eq!(TlsTrust::parse_pin(&plain), Some(TlsTrust::PinSha256([0xab; 32])));
        assert_eq!(TlsTrust::parse_pin(&colons), Some(TlsTrust::PinSha256([0xab; 32])));
        assert_eq!(TlsTrust::parse_pin(&plain[2..]), None);
        assert_eq!(TlsTrust::parse_pin(&"zz".repeat(32)), None);
    }

    #[test]
    fn the_hash_is_sha_256() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256(b"").map(hex::encode).as_deref(), Some(empty));
    }
}
