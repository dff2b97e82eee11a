//! Proxies between here and a server: SOCKS5 (RFC 1928, with the login of RFC 1929) and `CONNECT` of HTTP (RFC 9110, 9.3.6).
//!
//! What a proxy says is trusted as little as what a server says: every answer is bounded in bytes, all of them together in
//! time. Nothing is read past the answer, for a server of FTP speaks first. A login is sent in clear, as both protocols
//! have it, and never shown.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::RemoteErrorKind;
use super::url::{Credentials, ParseUrlError, URL_MAX_BYTES, decode, parse_place};
use crate::base::Clock;
use crate::base::paths::show_bytes;

/// Longest head of an answer to `CONNECT`, interim ones included.
const HEAD_MAX_BYTES: usize = 8 * 1024;
/// Most bytes of a proxy's words that an error repeats.
const SHOWN_BYTES: usize = 160;
/// Longest user and password that SOCKS5 can send.
const SOCKS_LOGIN_MAX_BYTES: usize = 255;

/// Reports a proxy that cannot be used, without showing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseProxyError {
    /// Not one of the three schemes.
    #[error("proxy is none of socks5://, socks5h:// and http://")]
    Scheme,
    /// A path, a query or a fragment.
    #[error("proxy has more behind its port than a slash")]
    Rest,
    /// User or password are too long for SOCKS5.
    #[error("proxy has a login that is longer than SOCKS5 can send")]
    Login,
    /// As in any address.
    #[error("proxy: {0}")]
    Url(#[from] ParseUrlError),
}

/// How a proxy is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    /// `socks5://`: this machine looks names up.
    Socks,
    /// `socks5h://`: the proxy looks names up.
    SocksNames,
    /// `http://`: `CONNECT`; the proxy looks names up.
    Http,
}

impl Scheme {
    const ALL: [Self; 3] = [Self::Socks, Self::SocksNames, Self::Http];

    fn name(self) -> &'static str {
        match self {
            Self::Socks => "socks5",
            Self::SocksNames => "socks5h",
            Self::Http => "http",
        }
    }

    fn default_port(self) -> u16 {
        if self == Self::Http { 80 } else { 1080 }
    }
}

/// A proxy: `scheme://[user[:password]@]host[:port]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    scheme: Scheme,
    host: String,
    port: u16,
    login: Option<Credentials>,
}

impl fmt::Display for Proxy {
    /// Shows the proxy without its login.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.name(), place(&self.host, self.port))
    }
}

/// Writes a host and a port, an IPv6 address in brackets.
fn place(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// A tunnel that did not come about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyError {
    /// What the caller can decide on.
    pub kind: RemoteErrorKind,
    /// Which proxy, and why.
    pub reason: String,
}

/// What went wrong, before it is known of which proxy.
type Answer<T> = Result<T, (RemoteErrorKind, String)>;

impl Proxy {
    /// Parses a proxy; without a scheme it is one of HTTP, as most programs have it.
    ///
    /// # Errors
    /// [`ParseProxyError`]; it never repeats the text, which may hold a password.
    pub fn parse(text: &str) -> Result<Self, ParseProxyError> {
        if text.len() > URL_MAX_BYTES {
            return Err(ParseUrlError::TooLong.into());
        }
        let (scheme, rest) = match text.split_once("://") {
            None => (Scheme::Http, text),
            Some((name, rest)) => {
                let found = Scheme::ALL.into_iter().find(|scheme| scheme.name().eq_ignore_ascii_case(name));
                (found.ok_or(ParseProxyError::Scheme)?, rest)
            }
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#']) {
            return Err(ParseProxyError::Rest);
        }
        let (login, place) = rest.rsplit_once('@').map_or((None, rest), |(login, place)| (Some(login), place));
        let (host, port) = parse_place(place, scheme.default_port())?;
        let login = login.map(parse_login).transpose()?.filter(|login| !login.user.is_empty());
        let too_long = |login: &Credentials| {
            login.user.len().max(login.password.reveal().len()) > SOCKS_LOGIN_MAX_BYTES && scheme != Scheme::Http
        };
        if login.as_ref().is_some_and(too_long) {
            return Err(ParseProxyError::Login);
        }
        Ok(Self { scheme, host, port, login })
    }

    /// Looks up where the proxy listens.
    ///
    /// # Errors
    /// [`ProxyError`].
    pub fn addresses(&self) -> Result<Vec<SocketAddr>, ProxyError> {
        let resolved = (self.host.as_str(), self.port).to_socket_addrs();
        Ok(resolved.map_err(|error| self.failed(RemoteErrorKind::Unreachable, error))?.collect())
    }

    /// Returns whether the proxy is told addresses, so that this machine has to look names up.
    #[must_use]
    pub fn takes_addresses(&self) -> bool {
        self.scheme == Scheme::Socks
    }

    /// Says what went wrong with this proxy.
    pub fn failed(&self, kind: RemoteErrorKind, reason: impl fmt::Display) -> ProxyError {
        ProxyError { kind, reason: format!("proxy {self}: {reason}") }
    }

    /// Asks the proxy at the other end of `tcp` for a connection to a server; when this returns, the socket leads there. All
    /// of it has to happen within `limit`. Timeouts of the socket are left changed.
    ///
    /// # Errors
    /// [`ProxyError`]; the socket is of no use then.
    pub fn open(
        &self,
        tcp: &TcpStream,
        host: &str,
        port: u16,
        limit: Duration,
        clock: &dyn Clock,
    ) -> Result<(), ProxyError> {
        let ends_at = clock.monotonic().saturating_add(limit);
        self.ask(&mut Bounded { tcp, clock, ends_at }, host, port)
    }

    /// Does the same over any stream, whose waits are bounded elsewhere.
    ///
    /// # Errors
    /// As [`Proxy::open`].
    pub fn ask(&self, stream: &mut (impl Read + Write), host: &str, port: u16) -> Result<(), ProxyError> {
        let opened = match self.scheme {
            Scheme::Http => connect(stream, host, port, self.login.as_ref()),
            Scheme::Socks | Scheme::SocksNames => {
                greet_socks(stream, self.login.as_ref()).and_then(|()| ask_socks(stream, host, port))
            }
        };
        opened.map_err(|(kind, reason)| self.failed(kind, reason))
    }
}

fn parse_login(text: &str) -> Result<Credentials, ParseUrlError> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    Ok(Credentials::new(&decode(user)?, &decode(password)?))
}

/// A socket whose waits all end at one moment.
struct Bounded<'a> {
    tcp: &'a TcpStream,
    clock: &'a dyn Clock,
    ends_at: Duration,
}

impl Bounded<'_> {
    fn left(&self) -> io::Result<Duration> {
        let left = self.ends_at.saturating_sub(self.clock.monotonic());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.tcp.set_read_timeout(Some(self.left()?))?;
        self.tcp.read(buffer)
    }
}

impl Write for Bounded<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.tcp.set_write_timeout(Some(self.left()?))?;
        self.tcp.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}

fn of_io(error: &io::Error) -> (RemoteErrorKind, String) {
    let reason = match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "no answer in time".to_owned(),
        io::ErrorKind::UnexpectedEof => "it hung up".to_owned(),
        _ => error.to_string(),
    };
    (RemoteErrorKind::Unreachable, reason)
}

fn send(stream: &mut impl Write, bytes: &[u8]) -> Answer<()> {
    stream.write_all(bytes).and_then(|()| stream.flush()).map_err(|error| of_io(&error))
}

fn take<const N: usize>(stream: &mut impl Read) -> Answer<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).map_err(|error| of_io(&error))?;
    Ok(bytes)
}

fn no_socks() -> (RemoteErrorKind, String) {
    (RemoteErrorKind::Protocol, "it does not speak SOCKS5".to_owned())
}

fn refused(why: &str) -> (RemoteErrorKind, String) {
    (RemoteErrorKind::Refused, why.to_owned())
}

/// Agrees on how to log in, and does so.
fn greet_socks(stream: &mut (impl Read + Write), login: Option<&Credentials>) -> Answer<()> {
    const NOTHING: u8 = 0;
    const PASSWORD: u8 = 2;
    let hello: &[u8] = if login.is_some() { &[5, 2, NOTHING, PASSWORD] } else { &[5, 1, NOTHING] };
    send(stream, hello)?;
    match (take::<2>(stream)?, login) {
        ([5, NOTHING], _) => Ok(()),
        ([5, PASSWORD], Some(login)) => {
            let (user, password) = (login.user.as_bytes(), login.password.reveal().as_bytes());
            let mut line = zeroize::Zeroizing::new(vec![1]);
            for part in [user, password] {
                line.push(u8::try_from(part.len()).map_err(|_| refused("the login is too long"))?);
                line.extend_from_slice(part);
            }
            send(stream, &line)?;
            match take::<2>(stream)? {
                [1, 0] => Ok(()),
                [1, _] => Err(refused("it refuses the login")),
                _ => Err(no_socks()),
            }
        }
        ([5, 0xff], None) => Err(refused("it wants a login, and none is known")),
        ([5, 0xff], Some(_)) => Err(refused("it takes no login by password")),
        _ => Err(no_socks()),
    }
}

/// Asks for the connection.
fn ask_socks(stream: &mut (impl Read + Write), host: &str, port: u16) -> Answer<()> {
    let mut line = vec![5, 1, 0];
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => {
            line.push(1);
            line.extend(address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            line.push(4);
            line.extend(address.octets());
        }
        Err(_) => {
            line.push(3);
            line.push(u8::try_from(host.len()).map_err(|_| refused("the host's name is too long"))?);
            line.extend(host.as_bytes());
        }
    }
    line.extend(port.to_be_bytes());
    send(stream, &line)?;
    let [version, code, _, address_type] = take::<4>(stream)?;
    if version != 5 {
        return Err(no_socks());
    }
    if code != 0 {
        return Err(of_socks_code(code));
    }
    // The address at which the proxy's own connection begins is of no use here, but has to be read.
    let rest = match address_type {
        1 => 4,
        3 => usize::from(take::<1>(stream)?[0]),
        4 => 16,
        _ => return Err(no_socks()),
    };
    let mut bytes = [0; 255 + 2];
    stream.read_exact(&mut bytes[..rest + 2]).map_err(|error| of_io(&error))
}

fn of_socks_code(code: u8) -> (RemoteErrorKind, String) {
    use RemoteErrorKind::{Protocol, Refused, Unreachable};
    let (kind, why) = match code {
        1 => (Unreachable, "it failed"),
        2 => (Refused, "its rules do not allow the connection"),
        3 => (Unreachable, "it cannot reach the server's network"),
        4 => (Unreachable, "it cannot reach the server"),
        5 => (Unreachable, "the server refuses its connection"),
        6 => (Unreachable, "the server is too many hops away from it"),
        7 => (Refused, "it makes no connections"),
        8 => (Refused, "it knows no addresses of that kind"),
        _ => (Protocol, "it answers with an unknown code"),
    };
    (kind, why.to_owned())
}

/// Asks an HTTP proxy for the connection.
fn connect(stream: &mut (impl Read + Write), host: &str, port: u16, login: Option<&Credentials>) -> Answer<()> {
    let place = place(host, port);
    let mut request = zeroize::Zeroizing::new(format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n"));
    if let Some(login) = login {
        let pair = zeroize::Zeroizing::new(format!("{}:{}", login.user, login.password.reveal()));
        request.push_str("Proxy-Authorization: Basic ");
        request.push_str(&base64(pair.as_bytes()));
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    send(stream, request.as_bytes())?;
    let mut left_bytes = HEAD_MAX_BYTES;
    loop {
        let head = take_head(stream, &mut left_bytes)?;
        let line = head.split(|&byte| byte == b'\n').next().unwrap_or_default().trim_ascii();
        let code = status_of(line).ok_or_else(|| {
            let said = show_bytes(&line[..line.len().min(SHOWN_BYTES)]);
            (RemoteErrorKind::Protocol, format!("it does not speak HTTP, it says {said:?}"))
        })?;
        let kind = match code {
            100..200 => continue,
            200..300 => return Ok(()),
            500..600 => RemoteErrorKind::Unreachable,
            _ => RemoteErrorKind::Refused,
        };
        return Err((kind, format!("it says {:?}", show_bytes(&line[..line.len().min(SHOWN_BYTES)]))));
    }
}

/// Reads up to the empty line and not a byte further.
fn take_head(stream: &mut impl Read, left_bytes: &mut usize) -> Answer<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && !head.ends_with(b"\n\n") {
        if *left_bytes == 0 {
            return Err((RemoteErrorKind::Protocol, "its answer has no end".to_owned()));
        }
        *left_bytes -= 1;
        head.push(take::<1>(stream)?[0]);
    }
    Ok(head)
}

/// Reads the code of `HTTP/1.1 200 OK`.
fn status_of(line: &[u8]) -> Option<u16> {
    let rest = line.strip_prefix(b"HTTP/1.")?.get(1..)?.strip_prefix(b" ")?;
    let digits = std::str::from_utf8(rest.get(..3)?).ok()?;
    let ends = rest.get(3).is_none_or(|&byte| byte == b' ');
    digits.parse().ok().filter(|code| ends && (100..600).contains(code))
}

/// Encodes as RFC 4648, 4 says.
fn base64(bytes: &[u8]) -> zeroize::Zeroizing<String> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = zeroize::Zeroizing::new(String::with_capacity(bytes.len().div_ceil(3) * 4));
    for three in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | usize::from(three.get(at).copied().unwrap_or(0)));
        for at in 0..4 {
            let digit = char::from(DIGITS[bits >> (18 - 6 * at) & 63]);
            text.push(if at <= three.len() { digit } else { '=' });
        }
    }
    text
}

/// The hosts that are reached without a proxy.
#[derive(Debug, Clone, Default)]
pub struct NoProxy(Vec<String>);

impl NoProxy {
    /// Takes a list as `NO_PROXY` has it: names with all names below them, addresses, networks as `10.0.0.0/8`, or `*`,
    /// with commas or blanks between.
    #[must_use]
    pub fn new(list: &str) -> Self {
        let entries = list.split([',', ' ', '\t']).filter(|entry| !entry.is_empty());
        Self(entries.map(str::to_ascii_lowercase).collect())
    }

    /// Returns whether a host, a name or an address, is on the list.
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let host = host.trim_end_matches('.');
        self.0.iter().any(|entry| covers(entry, host))
    }
}

/// Returns whether an entry of `NO_PROXY` means a host; both are in lower case.
fn covers(entry: &str, host: &str) -> bool {
    if entry == "*" {
        return true;
    }
    let bare = entry.strip_prefix('[').and_then(|entry| entry.strip_suffix(']')).unwrap_or(entry);
    let Ok(address) = host.parse::<IpAddr>() else {
        let name = bare.trim_start_matches("*.").trim_matches('.');
        let below = host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
        return !name.is_empty() && (host == name || below);
    };
    match bare.split_once('/') {
        None => bare.parse() == Ok(address),
        Some((network, len)) => match (network.parse(), len.parse()) {
            (Ok(network), Ok(len)) => is_within(address, network, len),
            _ => false,
        },
    }
}

/// Returns whether the first `len` bits of two addresses of one kind are the same.
fn is_within(address: IpAddr, network: IpAddr, len: u32) -> bool {
    let (differing, bits) = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits() ^ b.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits(), 128),
        _ => return false,
    };
    len <= bits && differing.checked_shr(bits - len).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests;
