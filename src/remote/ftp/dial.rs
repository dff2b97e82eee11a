//! Reaching a server: directly or through a proxy, at whichever of its addresses answers, and again the same way for its
//! data connections.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::reply::Trouble;
use crate::base::Clock;
use crate::remote::RemoteErrorKind;
use crate::remote::proxy::{Proxy, ProxyError};

/// Most ways to a host that are tried.
const WAYS_MAX: usize = 8;
/// A quiet connection is asked for life after this long, so that firewalls keep it and dead peers are noticed.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// Where a server is, and how it is to be reached.
#[derive(Clone, Copy)]
pub(in crate::remote) struct Place<'a> {
    /// A name or an address.
    pub host: &'a str,
    /// The port.
    pub port: u16,
    /// What all connections go through, if anything.
    pub proxy: Option<&'a Proxy>,
    /// Longest wait of a socket.
    pub timeout: Duration,
    /// Bounds what a proxy takes.
    pub clock: &'a Arc<dyn Clock>,
}

/// One way to a server: the address of the server, or of the proxy that leads there.
///
/// Data connections take it, too: the address in a reply to PASV is the server's to choose, and no business of ours. A proxy
/// that looks names up does so once more for each of them.
#[derive(Clone)]
pub(in crate::remote) struct Way {
    first_hop: SocketAddr,
    tunnel: Option<Tunnel>,
    timeout: Duration,
    clock: Arc<dyn Clock>,
}

/// What a proxy is asked for.
#[derive(Clone)]
struct Tunnel {
    proxy: Proxy,
    /// A name or an address.
    host: String,
}

impl Way {
    /// Connects to the first address of a host that answers, by the way that led there.
    pub(in crate::remote) fn find(place: &Place<'_>) -> Result<(TcpStream, Self), Trouble> {
        let mut last = Trouble::new(RemoteErrorKind::Unreachable, "host name has no address");
        for way in ways(place)?.into_iter().take(WAYS_MAX) {
            match way.dial(place.port, None) {
                Ok(tcp) => return Ok((tcp, way)),
                Err(trouble) if trouble.kind == RemoteErrorKind::Unreachable => last = trouble,
                Err(trouble) => return Err(trouble),
            }
        }
        Err(last)
    }

    /// Returns the address to which a socket is made.
    pub(super) fn first_hop(&self) -> SocketAddr {
        self.first_hop
    }

    /// Connects to a port of the server, and bounds every wait of the socket, and where told so how much may come unread.
    pub(super) fn dial(&self, port: u16, unread_max_bytes: Option<usize>) -> Result<TcpStream, Trouble> {
        let mut hop = self.first_hop;
        if self.tunnel.is_none() {
            hop.set_port(port);
        }
        let tcp = connect(hop, self.timeout, unread_max_bytes).map_err(|error| match &self.tunnel {
            Some(tunnel) => tunnel.proxy.failed(RemoteErrorKind::Unreachable, error).into(),
            None => Trouble::of_io(&error),
        })?;
        self.lead(&tcp, port)?;
        Ok(tcp)
    }

    /// Makes a socket to the first hop one to a port of the server.
    pub(super) fn lead(&self, tcp: &TcpStream, port: u16) -> Result<(), Trouble> {
        bound(tcp, self.timeout).map_err(|error| Trouble::of_io(&error))?;
        if let Some(tunnel) = &self.tunnel {
            tunnel.proxy.open(tcp, &tunnel.host, port, self.timeout, self.clock.as_ref())?;
            bound(tcp, self.timeout).map_err(|error| Trouble::of_io(&error))?;
        }
        Ok(())
    }
}

/// Connects to an address. What a receive buffer may hold is announced with the first segment, so it is set before.
fn connect(address: SocketAddr, timeout: Duration, receive_bytes: Option<usize>) -> io::Result<TcpStream> {
    let Some(receive_bytes) = receive_bytes else { return TcpStream::connect_timeout(&address, timeout) };
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_recv_buffer_size(receive_bytes)?;
    socket.connect_timeout(&address.into(), timeout)?;
    Ok(socket.into())
}

/// Lists every way to a host.
fn ways(place: &Place<'_>) -> Result<Vec<Way>, Trouble> {
    let servers = || {
        let resolved = (place.host, place.port).to_socket_addrs();
        resolved.map_err(|error| Trouble::new(RemoteErrorKind::Unreachable, error))
    };
    let way = |first_hop, tunnel| {
        let clock = Arc::clone(place.clock);
        Way { first_hop, tunnel, timeout: place.timeout, clock }
    };
    let Some(proxy) = place.proxy else { return Ok(servers()?.map(|address| way(address, None)).collect()) };
    let hosts = if proxy.takes_addresses() {
        servers()?.map(|address| address.ip().to_string()).collect()
    } else {
        vec![place.host.to_owned()]
    };
    let hops = proxy.addresses()?;
    let pairs = hops.iter().flat_map(|hop| hosts.iter().map(|host| (*hop, host.clone())));
    Ok(pairs.map(|(hop, host)| way(hop, Some(Tunnel { proxy: proxy.clone(), host }))).collect())
}

impl From<ProxyError> for Trouble {
    fn from(error: ProxyError) -> Self {
        Self::new(error.kind, error.reason)
    }
}

/// Bounds every wait of a socket and has the system ask a quiet peer for life.
fn bound(tcp: &TcpStream, timeout: Duration) -> io::Result<()> {
    tcp.set_read_timeout(Some(timeout))?;
    tcp.set_write_timeout(Some(timeout))?;
    tcp.set_nodelay(true)?;
    socket2::SockRef::from(tcp).set_tcp_keepalive(&socket2::TcpKeepalive::new().with_time(KEEPALIVE))
}
