//! [`HttpRemote`]: a remote that is only read, over `https://`, and over `http://` on this machine alone.
//!
//! Any server of files will do: it is asked by `HEAD` and by `GET` with a range, and one that does not know ranges gives files from
//! their start. Nothing can be listed, so what needs a list (receipts of a fleet, an inspection of what lies there) is not for it;
//! reading, `clone` and `sync` need none. Redirects are refused: the address that was named is the one that is asked.
//!
//! The protocol is ureq's. Sockets, proxies and certificates are those of [`super::ftp`], so that a pin, a proxy and a wait mean the
//! same everywhere. Every wait is bounded, what a server sends is cut where it was asked to end, and a transfer that crawls is given up.

use std::io::{self, Read};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ureq::Agent;
use ureq::http::{Response, StatusCode, header};

use super::ftp::TlsTrust;
use super::proxy::Proxy;
use super::rate::{Meter, Throttle};
use super::{Fetched, Remote, RemoteError, RemoteErrorKind, Session};
use crate::base::paths::show_bytes;
use crate::base::units::MIB;
use crate::base::{Clock, StorePath};
use line::{Dialer, Nowhere};
pub use url::{HttpUrl, HttpUrlError};

mod line;
mod url;

/// Longest piece of a transfer.
const PIECE_BYTES: usize = 128 * 1024;
/// Most bytes that are read past where a server does not know ranges.
const SKIP_MAX_BYTES: u64 = 64 * MIB;
/// Most bytes of a refusal that are read past.
const WORDS_MAX_BYTES: u64 = 16 * 1024;
/// Most bytes of a server's words that an error repeats.
const SHOWN_BYTES: usize = 160;

/// How to use an HTTP remote.
#[derive(Clone)]
pub struct HttpOptions {
    /// Sessions at a time, at least 1.
    pub connections: usize,
    /// Longest wait for the server to connect, to answer, or to send anything at all.
    pub timeout: Duration,
    /// Fewest bytes a second that a transfer may bring over [`HttpOptions::rate_window`]; 0 for none.
    pub least_bytes_per_sec: u64,
    /// The stretch of waiting over which the rate is looked at.
    pub rate_window: Duration,
    /// What slows transfers down, if anything.
    pub throttle: Option<Arc<dyn Throttle>>,
    /// What all connections go through, if anything.
    pub proxy: Option<Proxy>,
    /// Which certificate is accepted.
    pub trust: TlsTrust,
}

/// A server's directory as a remote. Its sessions share connections.
pub struct HttpRemote {
    shared: Arc<Shared>,
}

struct Shared {
    url: HttpUrl,
    agent: Agent,
    options: HttpOptions,
    clock: Arc<dyn Clock>,
    wire_bytes: Arc<AtomicU64>,
}

impl HttpRemote {
    /// Names a remote; nothing is connected. The clock bounds waits on real sockets, so it has to be one that moves.
    ///
    /// # Errors
    /// [`RemoteErrorKind::Refused`] where the authorities to trust make no sense.
    pub fn new(url: HttpUrl, options: HttpOptions, clock: Arc<dyn Clock>) -> Result<Self, RemoteError> {
        let wire_bytes = Arc::new(AtomicU64::new(0));
        let dialer = Dialer::new(&url, &options, Arc::clone(&clock), Arc::clone(&wire_bytes));
        let dialer = dialer.map_err(|it| RemoteError::new(it.kind, "connect to", &url, it.reason))?;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent("chunkstore")
            .accept("*/*")
            .accept_encoding("identity")
            .timeout_recv_response(Some(options.timeout.saturating_mul(2)))
            .max_idle_connections_per_host(options.connections.max(1))
            .build();
        let agent = Agent::with_parts(config, dialer, Nowhere);
        Ok(Self { shared: Arc::new(Shared { url, agent, options, clock, wire_bytes }) })
    }
}

impl Remote for HttpRemote {
    fn address(&self) -> String {
        self.shared.url.to_string()
    }

    /// Asks for a file that every store has, so that a server which is not there or is not trusted is told at once.
    fn connect(&self) -> Result<Box<dyn Session>, RemoteError> {
        let session = HttpSession { shared: Arc::clone(&self.shared), buffer: vec![0; PIECE_BYTES] };
        let url = &self.shared.url;
        let answer = self.shared.agent.head(url.of_file("HEAD")).call();
        let answer = answer.map_err(|error| failed("connect to", url.to_string(), &error))?;
        match refusal(&answer) {
            Some((RemoteErrorKind::NotFound | RemoteErrorKind::Unsupported, _)) | None => Ok(Box::new(session)),
            Some((kind, reason)) => Err(RemoteError::new(kind, "connect to", url, reason)),
        }
    }

    fn session_limit(&self) -> usize {
        self.shared.options.connections.max(1)
    }

    fn wire_bytes(&self) -> u64 {
        self.shared.wire_bytes.load(Ordering::Relaxed)
    }

    fn hang_up(&self) {
        self.shared.agent.clone().shutdown();
    }
}

/// Says what an answer means that is neither a file nor a part of one.
fn refusal<T>(answer: &Response<T>) -> Option<(RemoteErrorKind, String)> {
    use RemoteErrorKind as R;
    let status = answer.status();
    let kind = match status.as_u16() {
        200 | 206 | 416 => return None,
        404 | 410 => R::NotFound,
        405 | 501 => R::Unsupported,
        429 | 503 => R::Busy,
        300..=399 => {
            let to = answer.headers().get(header::LOCATION).map(header::HeaderValue::as_bytes).unwrap_or_default();
            let to = show_bytes(&to[..to.len().min(SHOWN_BYTES)]);
            return Some((R::Refused, format!("server sends on to {to:?}, which is not followed: name that address")));
        }
        400..=499 => R::Refused,
        500 => R::Unavailable,
        501..=599 => R::Unreachable,
        _ => R::Protocol,
    };
    Some((kind, format!("server says {}", shown(status))))
}

fn shown(status: StatusCode) -> String {
    format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or_default()).trim_end().to_owned()
}

/// Says what an error of the client means.
fn failed(act: &'static str, subject: String, error: &ureq::Error) -> RemoteError {
    let (kind, reason) = line::meaning(error);
    RemoteError::new(kind, act, subject, reason)
}

struct HttpSession {
    shared: Arc<Shared>,
    buffer: Vec<u8>,
}

/// What of a file an answer holds.
struct Part {
    /// Bytes before what was asked for.
    skip_bytes: u64,
    /// The file's length, where the server says it.
    total_bytes: Option<u64>,
}

impl HttpSession {
    fn subject(&self, path: &StorePath) -> String {
        format!("{path} at {}", self.shared.url)
    }

    fn error(&self, kind: RemoteErrorKind, act: &'static str, path: &StorePath, reason: &str) -> RemoteError {
        RemoteError::new(kind, act, self.subject(path), reason)
    }

    fn only_read<T>(&self, act: &'static str, path: &StorePath) -> Result<T, RemoteError> {
        Err(self.error(RemoteErrorKind::Unsupported, act, path, "what is reached over http can only be read"))
    }

    fn meter(&self) -> Meter {
        Meter::new(self.shared.options.least_bytes_per_sec, self.shared.options.rate_window)
    }

    /// Reads some bytes of a body under the rule for transfers that crawl; 0 at the end.
    fn read(
        &mut self,
        body: &mut dyn Read,
        most: usize,
        meter: &mut Meter,
    ) -> Result<usize, (RemoteErrorKind, String)> {
        let (clock, options) = (&self.shared.clock, &self.shared.options);
        let start = clock.monotonic();
        let most = most.min(self.buffer.len());
        let count = body.read(&mut self.buffer[..most]).map_err(|error| match error.kind() {
            // What it does so with one file it may not do with another.
            io::ErrorKind::UnexpectedEof => {
                (RemoteErrorKind::Protocol, "server ends its answer before the length that it says".to_owned())
            }
            _ => line::meaning_of_io(&error),
        })?;
        let waited = clock.monotonic().saturating_sub(start);
        if let Some(throttle) = &options.throttle {
            throttle.passed(count);
        }
        if count > 0 && !meter.keeps_up(count, waited) {
            let why = format!("slower than {} bytes a second", options.least_bytes_per_sec);
            return Err((RemoteErrorKind::Unreachable, why));
        }
        Ok(count)
    }

    /// Gives what was asked for of a body to the sink.
    fn pour(
        &mut self,
        body: &mut dyn Read,
        part: &Part,
        (offset, max_bytes): (u64, u64),
        sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<Fetched, (RemoteErrorKind, String)> {
        let mut meter = self.meter();
        let mut skipped = 0;
        while skipped < part.skip_bytes {
            let most = usize::try_from(part.skip_bytes - skipped).unwrap_or(usize::MAX);
            match self.read(body, most, &mut meter)? {
                0 => return Ok(Fetched { len_bytes: 0, at_end: true }),
                count => skipped += count as u64,
            }
        }
        let mut len_bytes = 0;
        while len_bytes < max_bytes {
            let most = usize::try_from(max_bytes - len_bytes).unwrap_or(usize::MAX);
            let count = self.read(body, most, &mut meter)?;
            if count == 0 {
                return Ok(Fetched { len_bytes, at_end: true });
            }
            len_bytes += count as u64;
            if sink(&self.buffer[..count]).is_break() && len_bytes < max_bytes {
                return Ok(Fetched { len_bytes, at_end: false });
            }
        }
        // Also where the length is known: the connection is used again once its answer was read to the end.
        let has_more = self.read(body, 1, &mut meter)? > 0;
        let at_end = part.total_bytes.map_or(!has_more, |total| offset.saturating_add(len_bytes) >= total);
        Ok(Fetched { len_bytes, at_end })
    }
}

/// Says what of a file an answer with a body holds, of which a stretch from `offset` on was asked for.
fn part_of<T>(answer: &Response<T>, offset: u64) -> Result<Part, String> {
    if answer.status() == StatusCode::OK {
        if offset > SKIP_MAX_BYTES {
            return Err("server does not know ranges".to_owned());
        }
        return Ok(Part { skip_bytes: offset, total_bytes: number(answer, header::CONTENT_LENGTH) });
    }
    let range = answer.headers().get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let parsed = range.and_then(|range| {
        let (stretch, total) = range.trim().strip_prefix("bytes ")?.split_once('/')?;
        let (from, _) = stretch.split_once('-')?;
        Some((from.trim().parse::<u64>().ok()?, total.trim().parse::<u64>().ok()))
    });
    match parsed {
        Some((from, total_bytes)) if from == offset => Ok(Part { skip_bytes: 0, total_bytes }),
        _ => Err("server sends another range than it was asked for".to_owned()),
    }
}

fn number<T>(answer: &Response<T>, name: header::HeaderName) -> Option<u64> {
    answer.headers().get(name)?.to_str().ok()?.trim().parse().ok()
}

impl Session for HttpSession {
    fn length(&mut self, path: &StorePath) -> Result<Option<u64>, RemoteError> {
        let answer = self.shared.agent.head(self.shared.url.of_file(path.as_str())).call();
        let answer = answer.map_err(|error| failed("ask for", self.subject(path), &error))?;
        match refusal(&answer) {
            Some((RemoteErrorKind::NotFound, _)) => Ok(None),
            Some((kind, reason)) => Err(self.error(kind, "ask for", path, &reason)),
            None => match number(&answer, header::CONTENT_LENGTH) {
                Some(length) => Ok(Some(length)),
                None => Err(self.error(RemoteErrorKind::Protocol, "ask for", path, "server tells no length")),
            },
        }
    }

    fn fetch(
        &mut self,
        path: &StorePath,
        offset: u64,
        max_bytes: u64,
        sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<Fetched, RemoteError> {
        if max_bytes == 0 {
            return Ok(Fetched { len_bytes: 0, at_end: false });
        }
        let last = offset.saturating_add(max_bytes - 1);
        let asked = self.shared.agent.get(self.shared.url.of_file(path.as_str()));
        let answer = asked.header(header::RANGE, format!("bytes={offset}-{last}")).call();
        let answer = answer.map_err(|error| failed("fetch", self.subject(path), &error))?;
        if let Some((kind, reason)) = refusal(&answer) {
            // The few words of a refusal are read past, so that the connection is used again.
            let mut words = answer.into_body().into_reader().take(WORDS_MAX_BYTES);
            let mut meter = self.meter();
            while self.read(&mut words, PIECE_BYTES, &mut meter).is_ok_and(|count| count > 0) {}
            return Err(self.error(kind, "fetch", path, &reason));
        }
        if answer.status() == StatusCode::RANGE_NOT_SATISFIABLE {
            return Ok(Fetched { len_bytes: 0, at_end: true });
        }
        let part = part_of(&answer, offset);
        let part = part.map_err(|reason| self.error(RemoteErrorKind::Protocol, "fetch", path, &reason))?;
        let mut body = answer.into_body().into_reader();
        let poured = self.pour(&mut body, &part, (offset, max_bytes), sink);
        poured.map_err(|(kind, reason)| self.error(kind, "fetch", path, &reason))
    }

    fn send(&mut self, path: &StorePath, _: &mut dyn Read) -> Result<(), RemoteError> {
        self.only_read("send", path)
    }

    fn send_from(&mut self, path: &StorePath, _: u64, _: &mut dyn Read) -> Result<(), RemoteError> {
        self.only_read("send", path)
    }

    fn replace(&mut self, path: &StorePath, _: &[u8]) -> Result<(), RemoteError> {
        self.only_read("replace", path)
    }

    fn create_dir(&mut self, path: &StorePath) -> Result<(), RemoteError> {
        self.only_read("create", path)
    }

    fn list(&mut self, dir: &StorePath) -> Result<Vec<String>, RemoteError> {
        Err(self.error(RemoteErrorKind::Unsupported, "list", dir, "a server of files by http lists nothing"))
    }

    fn remove(&mut self, path: &StorePath) -> Result<(), RemoteError> {
        self.only_read("remove", path)
    }
}

#[cfg(test)]
mod tests;
