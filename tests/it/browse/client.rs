//! A small HTTP client that says exactly what it is told to, and knows whether an answer is whole.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Long enough for any machine, and an end where a server hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came back.
#[derive(Debug)]
pub struct Reply {
    /// 0 where no answer came.
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
    /// Whether it ended as it said that it would.
    pub is_whole: bool,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

/// Sends bytes as they are and reads the answer.
pub fn send(address: SocketAddr, request: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // A server may refuse before it has read all.
    let _ = stream.write_all(request);
    let mut bytes = Vec::new();
    // A server that breaks off may reset the connection; what came before counts.
    let _ = stream.read_to_end(&mut bytes);
    parse(&bytes, request.starts_with(b"HEAD "))
}

fn parse(bytes: &[u8], is_head: bool) -> Reply {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let Some(end) = end else { return Reply { status: 0, head: String::new(), body: bytes.to_vec(), is_whole: false } };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let raw = &bytes[end + 4..];
    let mut reply = Reply { status, head, body: raw.to_vec(), is_whole: true };
    if is_head {
        assert!(raw.is_empty(), "HEAD has no body");
    } else if reply.header("transfer-encoding") == Some("chunked") {
        (reply.body, reply.is_whole) = unchunked(raw);
    } else {
        let said = reply.header("content-length").map(|length| length.parse::<usize>().unwrap());
        reply.is_whole = said == Some(raw.len());
    }
    reply
}

fn unchunked(mut raw: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(end) = raw.windows(2).position(|window| window == b"\r\n") else { return (body, false) };
        let len = usize::from_str_radix(std::str::from_utf8(&raw[..end]).unwrap(), 16).unwrap();
        raw = &raw[end + 2..];
        if len == 0 {
            return (body, true);
        }
        if raw.len() < len + 2 {
            return (body, false);
        }
        body.extend_from_slice(&raw[..len]);
        raw = &raw[len + 2..];
    }
}
