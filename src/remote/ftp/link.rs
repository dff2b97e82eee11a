//! [`Link`]: one logged-in control connection and the transfers over it. Every call ends within its bounds.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use suppaftp::{Encoding, FtpError, FtpResult, ImplFtpStream, Mode, Status, TransferStream};

use super::Target;
use super::dial::Way;
use super::reply::{Phase, Reply, Trouble};
use super::tls::{Connector, Slot, Wire, keep};
use super::watch::{Door, Watch};
use crate::base::units::{KIB, MIB};
use crate::remote::RemoteErrorKind;
use crate::remote::rate::Meter;
use crate::remote::url::Protection;

type Ftp = ImplFtpStream<Wire>;

/// Longest directory that a server may say it puts a login into.
const HOME_MAX_BYTES: usize = 1024;

/// The code of a transfer that was completed.
const COMPLETE: u16 = 226;
/// Longest wait for what a server says of a transfer that was cut short.
const CUT_WAIT: Duration = Duration::from_secs(10);
/// The smallest receive buffer that is asked for: a full segment of an Ethernet fits, with what the system keeps beside it.
const RECEIVE_MIN_BYTES: u64 = 8 * KIB;
/// The largest one: enough for 10 Mbit/s over round trips of 100 ms.
const RECEIVE_MAX_BYTES: u64 = 128 * KIB;
/// From this length on a transfer gets the buffer that the system finds best: what comes too far weighs little beside it.
const LONG_BYTES: u64 = 2 * MIB;

/// What a transfer does with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Retrieve,
    Store,
    Append,
    List,
}

impl Verb {
    fn name(self) -> &'static str {
        match self {
            Self::Retrieve => "RETR",
            Self::Store => "STOR",
            Self::Append => "APPE",
            Self::List => "NLST",
        }
    }

    fn phase(self) -> Phase {
        if matches!(self, Self::Retrieve | Self::List) { Phase::Read } else { Phase::Write }
    }
}

/// Counts the commands of a plain connection, whose socket the crate does not let us wrap.
#[derive(Debug)]
struct CountedCommands(Arc<AtomicU64>);

impl Encoding for CountedCommands {
    fn encode(&self, text: &str) -> std::io::Result<Vec<u8>> {
        self.0.fetch_add(text.len() as u64, Ordering::Relaxed);
        Ok(text.as_bytes().to_vec())
    }

    fn decode(&self, bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }
}

/// One logged-in control connection.
pub(super) struct Link {
    ftp: Ftp,
    watch: Watch,
    target: Arc<Target>,
    tls: bool,
    /// Where the sockets of this connection leave what went wrong: the crate has no room for it.
    slot: Slot,
    /// The store's directory: absolute where the server told where we are.
    base: String,
    /// The receive buffer that the next data connection asks for in bytes; 0 for none of its own.
    receive_bytes: Arc<AtomicUsize>,
    /// Codes that were the only answer to a transfer that was cut short.
    proven_cuts: Vec<u16>,
    /// A transfer went through, so a refusal is about the transfer and not about EPSV.
    passive_proven: bool,
}

impl Link {
    /// Connects, protects, logs in, and asks for binary transfers, unless somebody hangs up.
    pub(super) fn open(target: &Arc<Target>) -> Result<Self, Trouble> {
        let reaches = Arc::clone(target);
        target.hang_up.unless_it_comes(move || Self::reach(&reaches))
    }

    fn reach(target: &Arc<Target>) -> Result<Self, Trouble> {
        let limit = target.options.timeout;
        let mut link = match target.url.protection {
            Protection::Plain | Protection::ExplicitTls => Self::greet(target)?,
            Protection::ImplicitTls => Self::greet_implicit(target)?,
        };
        if target.url.protection != Protection::Plain {
            link = link.protect(limit)?;
        } else {
            link.ftp.set_encoding(CountedCommands(Arc::clone(&target.wire_bytes)));
        }
        link.ftp.set_mode(Mode::ExtendedPassive);
        link.log_in()?;
        link.expect_done("TYPE I", Phase::Login)?;
        link.find_base()?;
        Ok(link)
    }

    /// Connects and hears the greeting.
    fn greet(target: &Arc<Target>) -> Result<Self, Trouble> {
        let (tcp, way) = Way::find(&target.place())?;
        let watch = Watch::new(&tcp, Arc::clone(&target.clock)).map_err(|error| Trouble::of_io(&error))?;
        target.watches.add(&watch);
        watch.arm(target.options.timeout);
        let greeted = Ftp::connect_with_stream(tcp);
        watch.disarm();
        let ftp = greeted.map_err(|error| Trouble::of_ftp(error, Phase::Login))?;
        Ok(Self::over(ftp, watch, target, way, Slot::default()))
    }

    /// Connects with TLS from the first byte.
    ///
    /// The crate dials by itself here and without a limit of time, so a first connection, closed at once, finds out
    /// whether and where the server answers.
    fn greet_implicit(target: &Arc<Target>) -> Result<Self, Trouble> {
        let (probe, way) = Way::find(&target.place())?;
        drop(probe);
        let slot = Slot::default();
        let connector = Connector::new(&target.options.trust, Arc::clone(&target.wire_bytes), Arc::clone(&slot))?;
        let connector = connector.leading_first(way.clone(), target.url.port);
        let greeted = Ftp::connect_secure_implicit(way.first_hop(), connector, &target.url.host);
        let ftp = greeted.map_err(|error| kept_or(error, &slot))?;
        let watch = Watch::new(&ftp.get_ref(), Arc::clone(&target.clock)).map_err(|error| Trouble::of_io(&error))?;
        target.watches.add(&watch);
        Ok(Self { tls: true, ..Self::over(ftp, watch, target, way, slot) })
    }

    fn over(ftp: Ftp, watch: Watch, target: &Arc<Target>, way: Way, slot: Slot) -> Self {
        let receive_bytes = Arc::new(AtomicUsize::new(0));
        let hang_up = Arc::clone(&target.hang_up);
        let dial = move |port, receive_bytes| {
            let way = way.clone();
            hang_up.unless_it_comes(move || way.dial(port, receive_bytes))
        };
        let ftp = with_data_sockets(ftp, dial, watch.door(), Arc::clone(&slot), Arc::clone(&receive_bytes));
        let (target, base) = (Arc::clone(target), String::new());
        let proven_cuts = Vec::new();
        Self { ftp, watch, target, tls: false, slot, base, receive_bytes, proven_cuts, passive_proven: false }
    }

    /// Switches to TLS, for the data connections too.
    fn protect(mut self, limit: Duration) -> Result<Self, Trouble> {
        if self.tls {
            self.expect_done("PBSZ 0", Phase::Login)?;
            self.expect_done("PROT P", Phase::Login)?;
            return Ok(self);
        }
        let (trust, wire_bytes) = (&self.target.options.trust, Arc::clone(&self.target.wire_bytes));
        let connector = Connector::new(trust, wire_bytes, Arc::clone(&self.slot))?;
        self.watch.arm(limit * 2);
        let secured = self.ftp.into_secure(connector, &self.target.url.host);
        self.watch.disarm();
        let ftp = secured.map_err(|error| match kept_or(error, &self.slot) {
            refused if refused.code >= 500 => {
                Trouble { kind: RemoteErrorKind::Refused, reason: format!("no TLS: {}", refused.reason), ..refused }
            }
            other => other,
        })?;
        Ok(Self { ftp, tls: true, ..self })
    }

    fn log_in(&mut self) -> Result<(), Trouble> {
        let credentials = self.target.credentials.clone();
        let mut reply = self.ask(&format!("USER {}", credentials.user), Phase::Login)?;
        if reply.code == 331 {
            reply = self.ask(&format!("PASS {}", credentials.password.reveal()), Phase::Login)?;
        }
        if reply.is_done() { Ok(()) } else { Err(Trouble::of_reply(&reply, Phase::Login)) }
    }

    /// Makes the store's directory absolute, so that no later `CWD` changes what a path means.
    fn find_base(&mut self) -> Result<(), Trouble> {
        let dir = self.target.url.dir.clone();
        if dir.starts_with('/') {
            self.base = dir.trim_end_matches('/').to_owned();
            return Ok(());
        }
        let reply = self.ask("PWD", Phase::Login)?;
        let home = (reply.code == 257).then(|| parse_home(reply.last_words())).flatten();
        self.base = match (home, dir.is_empty()) {
            (Some(home), true) => home,
            (Some(home), false) => format!("{home}/{dir}"),
            (None, true) => ".".to_owned(),
            (None, false) => dir,
        };
        Ok(())
    }

    /// Returns the name by which the server knows a path of the store.
    pub(super) fn name_of(&self, path: &str) -> String {
        match path {
            "" if self.base.is_empty() => "/".to_owned(),
            "" => self.base.clone(),
            path => format!("{}/{path}", self.base),
        }
    }

    /// Sends a command without data and returns its reply, whatever it says.
    pub(super) fn ask(&mut self, line: &str, phase: Phase) -> Result<Reply, Trouble> {
        const GOOD: [Status; 3] = [Status::CommandOk, Status::RequestedFileActionOk, Status::RequestFilePending];
        self.watch.arm(self.target.options.timeout * 2);
        let answered = self.ftp.custom_command(line, &GOOD);
        self.watch.disarm();
        let reply = match answered {
            Ok(response) | Err(FtpError::UnexpectedResponse(response)) => Reply::new(response),
            Err(error) => return Err(self.trouble(error, phase)),
        };
        if !self.tls {
            self.target.count(reply.body.len());
        }
        match reply.code {
            421 => Err(Trouble::of_reply(&reply, phase)),
            0 => Err(Trouble::new(RemoteErrorKind::Protocol, reply)),
            _ => Ok(reply),
        }
    }

    fn expect_done(&mut self, line: &str, phase: Phase) -> Result<(), Trouble> {
        let reply = self.ask(line, phase)?;
        if reply.is_done() { Ok(()) } else { Err(Trouble::of_reply(&reply, phase)) }
    }

    fn expect_code(&mut self, line: &str, code: u16) -> Result<(), Trouble> {
        let reply = self.ask(line, Phase::Read)?;
        if reply.code == code { Ok(()) } else { Err(Trouble::of_reply(&reply, Phase::Read)) }
    }

    /// Says goodbye; nothing depends on the answer.
    pub(super) fn quit(&mut self) {
        self.watch.arm(self.target.options.timeout.min(Duration::from_secs(2)));
        let _ = self.ftp.quit();
        self.watch.shut();
    }

    /// Cuts every socket, so that nothing waits for the server any more.
    pub(super) fn cut(&mut self) {
        self.watch.shut();
    }

    /// Opens a transfer of which at most `max_bytes` are read, by EPSV, or by PASV where the server knows no EPSV.
    pub(super) fn transfer(
        &mut self,
        verb: Verb,
        name: &str,
        offset: u64,
        max_bytes: u64,
    ) -> Result<Transfer<'_>, Trouble> {
        // At most `RECEIVE_MAX_BYTES`.
        let receive_bytes =
            if max_bytes < LONG_BYTES { max_bytes.clamp(RECEIVE_MIN_BYTES, RECEIVE_MAX_BYTES) } else { 0 };
        self.receive_bytes.store(receive_bytes as usize, Ordering::Relaxed);
        let refused_epsv = |code| matches!(code, 500 | 501 | 502 | 504 | 522);
        let opened = match self.try_transfer(verb, name, offset) {
            Err(trouble) if !self.passive_proven && refused_epsv(trouble.code) => {
                self.ftp.set_mode(Mode::Passive);
                self.ftp.set_passive_nat_workaround(true);
                self.try_transfer(verb, name, offset)
            }
            other => other,
        };
        let stream = opened.inspect_err(|_| self.watch.release_data())?;
        self.passive_proven = true;
        let options = &self.target.options;
        let meter = Meter::new(options.least_bytes_per_sec, options.rate_window);
        Ok(Transfer { stream: Some(stream), link: self, meter, wrote: false })
    }

    fn try_transfer(&mut self, verb: Verb, name: &str, offset: u64) -> Result<TransferStream<Wire>, Trouble> {
        let offset = usize::try_from(offset)
            .map_err(|_| Trouble::new(RemoteErrorKind::Unsupported, "offset is beyond what this machine can count"))?;
        self.watch.arm(self.target.options.timeout * 4);
        let opened = self.ftp.resume_transfer(offset).and_then(|()| {
            let expected = [Status::AboutToSend, Status::AlreadyOpen];
            self.ftp.custom_data_command(format!("{} {name}", verb.name()), &expected)
        });
        self.watch.disarm();
        match opened {
            Ok((response, stream)) => {
                if !self.tls {
                    self.target.count(response.body.len());
                }
                Ok(stream)
            }
            Err(error) => Err(self.trouble(error, verb.phase())),
        }
    }

    fn trouble(&self, error: FtpError, phase: Phase) -> Trouble {
        let trouble = take_kept(&self.slot).unwrap_or_else(|| Trouble::of_ftp(error, phase));
        if self.watch.fired() && trouble.code == 0 {
            return Trouble::new(RemoteErrorKind::Unreachable, "no answer in time");
        }
        trouble
    }
}

/// An open data connection. Dropped without [`Transfer::finish`], it cuts the whole link.
pub(super) struct Transfer<'a> {
    stream: Option<TransferStream<Wire>>,
    link: &'a mut Link,
    meter: Meter,
    wrote: bool,
}

impl Transfer<'_> {
    /// Returns what the transfer's connection leads to.
    pub(super) fn target(&self) -> Arc<Target> {
        Arc::clone(&self.link.target)
    }

    /// Reads some bytes; 0 at the end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Trouble> {
        let count = self.timed(|stream| match stream.read(buffer) {
            // Many servers end a TLS data connection without the closing message. Whether the file is whole is
            // told by the reply, and by the caller's hash.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(0),
            other => other,
        })?;
        Ok(count)
    }

    /// Writes all bytes.
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> Result<(), Trouble> {
        self.wrote |= !bytes.is_empty();
        while !bytes.is_empty() {
            let count = self.timed(|stream| match stream.write(bytes) {
                Ok(0) => Err(std::io::ErrorKind::WriteZero.into()),
                other => other,
            })?;
            bytes = bytes.get(count..).unwrap_or_default();
        }
        Ok(())
    }

    /// Runs one call of the socket under guard; counts its bytes and its time.
    fn timed(
        &mut self,
        act: impl FnOnce(&mut TransferStream<Wire>) -> std::io::Result<usize>,
    ) -> Result<usize, Trouble> {
        let Some(stream) = &mut self.stream else { return Ok(0) };
        let target = &self.link.target;
        let start = target.clock.monotonic();
        self.link.watch.arm(target.options.timeout);
        let done = act(stream);
        self.link.watch.disarm();
        let waited = target.clock.monotonic().saturating_sub(start);
        let count = done.map_err(|error| self.link.trouble(FtpError::ConnectionError(error), Phase::Read))?;
        if !self.link.tls {
            target.count(count);
        }
        if let Some(throttle) = &target.options.throttle {
            throttle.passed(count);
        }
        if count > 0 && !self.meter.keeps_up(count, waited) {
            let least = target.options.least_bytes_per_sec;
            return Err(Trouble::new(RemoteErrorKind::Unreachable, format!("slower than {least} bytes a second")));
        }
        Ok(count)
    }

    /// Closes the data connection and hears whether the server calls the transfer complete.
    pub(super) fn finish(mut self) -> Result<(), Trouble> {
        let Some(stream) = self.stream.take() else { return Ok(()) };
        // Over TLS the crate half-closes and drains an upload itself, which our own handle must not outlive unguarded.
        if !self.link.tls || !self.wrote {
            self.link.watch.release_data();
        }
        self.link.watch.arm(self.link.target.options.timeout * 2);
        let finished = stream.finish();
        self.link.watch.disarm();
        self.link.watch.release_data();
        let phase = if self.wrote { Phase::Write } else { Phase::Read };
        finished.map_err(|error| match self.link.trouble(error, phase) {
            // After the data, "not found" and "unsupported" make no sense: the transfer failed and may work again.
            trouble if matches!(trouble.kind, RemoteErrorKind::NotFound | RemoteErrorKind::Unsupported) => {
                Trouble { kind: RemoteErrorKind::Unreachable, ..trouble }
            }
            trouble => trouble,
        })
    }

    /// Closes the data connection before its end and hears what the server says of it: 426 or 451 where it noticed, 226 where
    /// the last bytes were on their way. `ABOR` is not needed for that, and servers answer it in more ways.
    ///
    /// An error means that the connection is out of step. A code is trusted after it was once the only answer.
    pub(super) fn cut_short(mut self, buffer: &mut [u8]) -> Result<(), Trouble> {
        let Some(stream) = self.stream.take() else { return Ok(()) };
        let link = &mut *self.link;
        link.target.count(unread_bytes(stream.get_ref().get_ref(), buffer));
        link.watch.release_data();
        link.watch.arm(link.target.options.timeout.min(CUT_WAIT));
        let finished = stream.finish();
        link.watch.disarm();
        let code = match finished {
            Ok(()) => COMPLETE,
            Err(FtpError::UnexpectedResponse(response)) => {
                let reply = Reply::new(response);
                if !link.tls {
                    link.target.count(reply.body.len());
                }
                if !matches!(reply.code, 200..300 | 400..600) || reply.code == 421 {
                    return Err(Trouble::of_reply(&reply, Phase::Read));
                }
                reply.code
            }
            Err(error) => return Err(link.trouble(error, Phase::Read)),
        };
        if !link.proven_cuts.contains(&code) {
            link.expect_code("NOOP", 200)?;
            link.proven_cuts.push(code);
        }
        Ok(())
    }
}

impl Drop for Transfer<'_> {
    fn drop(&mut self) {
        if self.stream.is_some() {
            self.link.cut();
        }
    }
}

/// Counts what the system took in of a data connection and nobody reads any more, as far as it fits into `buffer`.
fn unread_bytes(data: &TcpStream, buffer: &mut [u8]) -> usize {
    let seen = data.set_nonblocking(true).and_then(|()| data.peek(buffer));
    // The closing message of TLS is written yet.
    let blocking = data.set_nonblocking(false);
    seen.ok().filter(|_| blocking.is_ok()).unwrap_or(0)
}

/// Takes what a socket of the connection left, else what the crate says.
fn kept_or(error: FtpError, slot: &Slot) -> Trouble {
    take_kept(slot).unwrap_or_else(|| Trouble::of_ftp(error, Phase::Login))
}

fn take_kept(slot: &Slot) -> Option<Trouble> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Has data connections made by the way of the control connection, with bounded waits and under guard.
fn with_data_sockets(
    ftp: Ftp,
    dial: impl Fn(u16, Option<usize>) -> Result<TcpStream, Trouble> + Send + Sync + 'static,
    door: Door,
    slot: Slot,
    receive_bytes: Arc<AtomicUsize>,
) -> Ftp {
    ftp.passive_stream_builder(move |address| -> FtpResult<TcpStream> {
        let receive_bytes = Some(receive_bytes.load(Ordering::Relaxed)).filter(|bytes| *bytes > 0);
        let tcp = dial(address.port(), receive_bytes).map_err(|trouble| {
            let text = trouble.reason.clone();
            keep(&slot, trouble);
            FtpError::ConnectionError(std::io::Error::other(text))
        })?;
        door.guard_data(&tcp).map_err(FtpError::ConnectionError)?;
        Ok(tcp)
    })
}

/// Reads the directory from `"/some/dir" is the current directory`, with `""` for a quote.
pub(super) fn parse_home(words: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(words).ok()?.strip_prefix('"')?;
    let mut home = String::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c == '"' && rest.next_if_eq(&'"').is_none() {
            let plain = home.starts_with('/') && home.len() <= HOME_MAX_BYTES && !home.chars().any(char::is_control);
            return plain.then(|| home.trim_end_matches('/').to_owned());
        }
        home.push(c);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::parse_home;

    #[test]
    fn the_home_directory_is_read_or_left() {
        assert_eq!(parse_home(b"\"/\" is the current directory"), Some(String::new()));
        assert_eq!(parse_home(b"\"/home/a\"\"b\""), Some("/home/a\"b".to_owned()));
        assert_eq!(parse_home(b"/home/x"), None);
        assert_eq!(parse_home(b"\"relative\""), None);
        assert_eq!(parse_home(b"\"/unfinished"), None);
        assert_eq!(parse_home(b"\"/a\rb\""), None);
    }
}
