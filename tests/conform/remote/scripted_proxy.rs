//! A proxy on loopback that speaks SOCKS5 and `CONNECT`, counts what it carries, and misbehaves as it is told.
//!
//! It knows one name, [`NAME`], which nobody else can look up: whoever reaches a server by that name came through here.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Stands for 127.0.0.1.
pub const NAME: &str = "store.invalid";
/// Longest life of a connection that is only held.
const HELD_MAX: Duration = Duration::from_secs(20);

/// What a proxy does with whoever connects.
#[derive(Debug, Clone)]
pub enum Conduct {
    /// Speaks both protocols, and asks for this login if there is one.
    Serve(Option<(&'static str, &'static str)>),
    /// The same without a login, but for so many tunnels only; further ones are refused by its rules.
    ServeOnly(usize),
    /// Says this and holds the connection.
    Say(Vec<u8>),
    /// Says this again and again, a byte in 100 milliseconds.
    Drip(Vec<u8>),
    /// Hangs up at once.
    HangUp,
}

struct Shared {
    conduct: Conduct,
    targets: Mutex<Vec<String>>,
    connections: Mutex<usize>,
    ended: AtomicBool,
}

/// A proxy that runs until it is dropped.
pub struct ScriptedProxy {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

impl ScriptedProxy {
    pub fn start(conduct: Conduct) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let (targets, connections, ended) = (Mutex::default(), Mutex::default(), AtomicBool::new(false));
        let shared = Arc::new(Shared { conduct, targets, connections, ended });
        let of_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if of_thread.ended.load(Ordering::SeqCst) {
                    break;
                }
                *of_thread.connections.lock().unwrap() += 1;
                let shared = Arc::clone(&of_thread);
                // A client that hangs up in the middle is what some tests are about.
                std::thread::spawn(move || drop(shared.meet(client)));
            }
        });
        Self { addr, shared }
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Every place that a tunnel was opened to.
    pub fn targets(&self) -> Vec<String> {
        self.shared.targets.lock().unwrap().clone()
    }

    /// Connections that came, with a tunnel or without.
    pub fn connections(&self) -> usize {
        *self.shared.connections.lock().unwrap()
    }
}

impl Drop for ScriptedProxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.addr);
    }
}

fn take(from: &mut impl Read, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    from.read_exact(&mut bytes).map(|()| bytes)
}

fn wrong() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

impl Shared {
    fn meet(&self, mut client: TcpStream) -> io::Result<()> {
        client.set_read_timeout(Some(HELD_MAX))?;
        match &self.conduct {
            Conduct::Serve(login) => self.serve(client, *login, usize::MAX),
            Conduct::ServeOnly(tunnels) => self.serve(client, None, *tunnels),
            Conduct::HangUp => Ok(()),
            Conduct::Say(bytes) => {
                client.write_all(bytes)?;
                io::copy(&mut client, &mut io::sink()).map(drop)
            }
            Conduct::Drip(bytes) => loop {
                for byte in bytes {
                    client.write_all(&[*byte])?;
                    std::thread::park_timeout(Duration::from_millis(100));
                }
            },
        }
    }

    fn serve(&self, mut client: TcpStream, login: Option<(&str, &str)>, most: usize) -> io::Result<()> {
        let first = take(&mut client, 1)?[0];
        let is_socks = first == 5;
        let place = if is_socks { greet_socks(&mut client, login)? } else { read_connect(&mut client, login)? };
        let Some(place) = place else { return Ok(()) };
        let number = {
            let mut targets = self.targets.lock().unwrap();
            targets.push(place.clone());
            targets.len()
        };
        if number > most {
            return client.write_all(if is_socks { b"\x05\x02\0\x01\0\0\0\0\0\0" } else { b"HTTP/1.1 403 No\r\n\r\n" });
        }
        let server = TcpStream::connect(place.replace(NAME, "127.0.0.1"));
        let Ok(server) = server else {
            return client.write_all(if is_socks { b"\x05\x05\0\x01\0\0\0\0\0\0" } else { b"HTTP/1.1 502 No\r\n\r\n" });
        };
        let done: &[u8] = if is_socks { b"\x05\0\0\x01\0\0\0\0\0\0" } else { b"HTTP/1.1 200 Go on\r\nVia: x\r\n\r\n" };
        client.write_all(done)?;
        client.set_read_timeout(None)?;
        relay(client, server)
    }
}

/// Speaks SOCKS5 behind its first byte; nothing where the login is wrong.
fn greet_socks(client: &mut TcpStream, login: Option<(&str, &str)>) -> io::Result<Option<String>> {
    let count = take(client, 1)?[0];
    let methods = take(client, count.into())?;
    let method = if login.is_some() { 2 } else { 0 };
    if !methods.contains(&method) {
        client.write_all(b"\x05\xff")?;
        return Ok(None);
    }
    client.write_all(&[5, method])?;
    if let Some((user, password)) = login {
        let part = |client: &mut TcpStream| take(client, 1).and_then(|len| take(client, len[0].into()));
        let version = take(client, 1)?[0];
        let is_right = version == 1 && part(client)? == user.as_bytes() && part(client)? == password.as_bytes();
        client.write_all(&[1, u8::from(!is_right)])?;
        if !is_right {
            return Ok(None);
        }
    }
    let head = take(client, 4)?;
    if head[..3] != [5, 1, 0] {
        return Err(wrong());
    }
    let host = match head[3] {
        1 => take(client, 4)?.iter().map(ToString::to_string).collect::<Vec<_>>().join("."),
        3 => {
            let len = take(client, 1)?[0];
            String::from_utf8(take(client, len.into())?).map_err(|_| wrong())?
        }
        _ => return Err(wrong()),
    };
    let port = take(client, 2)?;
    Ok(Some(format!("{host}:{}", u16::from_be_bytes([port[0], port[1]]))))
}

/// Speaks HTTP behind the first byte of `CONNECT`; nothing where the login is wrong. A login is told by its encoding.
fn read_connect(client: &mut TcpStream, login: Option<(&str, &str)>) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.extend(take(client, 1)?);
    }
    let head = String::from_utf8(head).map_err(|_| wrong())?;
    let place = head.strip_prefix("ONNECT ").and_then(|rest| rest.split(' ').next()).ok_or_else(wrong)?;
    let wanted = login.map(|(_, encoded)| format!("\r\nProxy-Authorization: Basic {encoded}\r\n"));
    if wanted.is_some_and(|line| !head.contains(&line)) {
        client.write_all(b"HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic\r\n\r\n")?;
        return Ok(None);
    }
    Ok(Some(place.to_owned()))
}

/// Carries bytes both ways until both sides have ended.
fn relay(client: TcpStream, server: TcpStream) -> io::Result<()> {
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    let there = std::thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_server);
        to_server.shutdown(Shutdown::Write)
    });
    let (mut from_server, mut to_client) = (server, client);
    let _ = io::copy(&mut from_server, &mut to_client);
    let _ = to_client.shutdown(Shutdown::Write);
    let _ = there.join();
    Ok(())
}
