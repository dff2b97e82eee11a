//! One connection: its login, its directory, its commands.

use std::fmt::Write as _;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Shared;
use super::data::{self, Ended};
use super::faults::{Answer, Fault};
use super::wire::{Control, Wire};
use crate::disk::served::{ServedMetadata, ServedPath};
use crate::disk::{DiskError, DiskErrorKind, ReadAt};

/// Failed logins after which the connection ends.
const FAILED_LOGINS_MAX: u32 = 3;

/// What a download sends, and what goes wrong with it.
type Download = (Box<dyn ReadAt>, Option<Fault>);

/// State of one connection.
struct Session<'a> {
    shared: &'a Shared,
    control: Control,
    peer: SocketAddr,
    local: SocketAddr,
    user: Option<String>,
    logged_in: bool,
    failed_logins: u32,
    cwd: ServedPath,
    restart: u64,
    rename_from: Option<ServedPath>,
    passive: Option<TcpListener>,
    protect_data: bool,
}

/// Whether the connection goes on.
enum Next {
    Go,
    End,
}

/// Serves a connection to its end.
pub(super) fn run(shared: &Shared, tcp: TcpStream) -> io::Result<()> {
    let (peer, local) = (tcp.peer_addr()?, tcp.local_addr()?);
    let mut wire = Wire::plain(tcp, shared.options.idle_timeout)?;
    if let (true, Some(config)) = (shared.options.implicit_tls, &shared.tls) {
        wire = wire.into_tls(config)?;
    }
    let protect_data = wire.is_tls();
    let mut session = Session {
        shared,
        control: Control::new(wire),
        peer,
        local,
        user: None,
        logged_in: false,
        failed_logins: 0,
        cwd: ServedPath::default(),
        restart: 0,
        rename_from: None,
        passive: None,
        protect_data,
    };
    match session.strike("")? {
        Struck::Nothing => session.reply(220, "chunkstore ready.")?,
        Struck::Answered => {}
        Struck::Ended => return Ok(()),
    }
    loop {
        let line = match session.control.read_line() {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(()),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                return session.reply(421, "Timeout.");
            }
            Err(error) => return Err(error),
        };
        if let Next::End = session.command(&line)? {
            return Ok(());
        }
    }
}

/// What a fault did to a command.
enum Struck {
    Nothing,
    Answered,
    Ended,
}

impl Session<'_> {
    fn reply(&mut self, code: u16, text: &str) -> io::Result<()> {
        self.control.send(format!("{code} {text}\r\n").as_bytes())
    }

    fn go(&mut self, code: u16, text: &str) -> io::Result<Next> {
        self.reply(code, text)?;
        Ok(Next::Go)
    }

    /// Does to a command what the script says.
    fn strike(&mut self, verb: &str) -> io::Result<Struck> {
        let Some(fault) = self.shared.faults.of_command(verb) else { return Ok(Struck::Nothing) };
        match fault {
            Fault::Reply { bytes, .. } => {
                self.control.send(&bytes)?;
                Ok(Struck::Answered)
            }
            Fault::Drip { .. } => {
                self.control.send(b"220-")?;
                while !self.shared.faults.pause(Duration::from_millis(10)) {
                    self.control.send(b"x")?;
                }
                Ok(Struck::Ended)
            }
            Fault::Flood { .. } => {
                while !self.shared.is_stopping() {
                    self.control.send(&[b'x'; 4096])?;
                }
                Ok(Struck::Ended)
            }
            Fault::Silence { .. } => {
                self.shared.faults.pause(self.shared.options.idle_timeout);
                Ok(Struck::Ended)
            }
            _ => Ok(Struck::Ended),
        }
    }

    fn command(&mut self, line: &str) -> io::Result<Next> {
        let (verb, argument) = line.split_once(' ').unwrap_or((line, ""));
        let verb = verb.to_ascii_uppercase();
        match self.strike(&verb)? {
            Struck::Nothing => {}
            Struck::Answered => return Ok(Next::Go),
            Struck::Ended => return Ok(Next::End),
        }
        match verb.as_str() {
            "USER" => self.user(argument),
            "PASS" => self.pass(argument),
            "AUTH" => self.auth(argument),
            "PBSZ" => self.go(200, "PBSZ=0"),
            "PROT" => self.prot(argument),
            "QUIT" => {
                self.reply(221, "Goodbye.")?;
                Ok(Next::End)
            }
            "NOOP" => self.go(200, "Zzz."),
            "SYST" => self.go(215, "UNIX Type: L8"),
            "FEAT" => {
                let tls = if self.shared.tls.is_some() { " AUTH TLS\r\n PBSZ\r\n PROT\r\n" } else { "" };
                let text =
                    format!("211-Features:\r\n{tls} EPSV\r\n MDTM\r\n REST STREAM\r\n SIZE\r\n UTF8\r\n211 End\r\n");
                self.control.send(text.as_bytes())?;
                Ok(Next::Go)
            }
            "OPTS" => self.go(200, "Fine."),
            _ if !self.logged_in => self.go(530, "Log in first."),
            _ => self.file_command(&verb, argument),
        }
    }

    fn file_command(&mut self, verb: &str, argument: &str) -> io::Result<Next> {
        let restart = std::mem::take(&mut self.restart);
        let rename_from = self.rename_from.take();
        let writes = matches!(verb, "STOR" | "APPE" | "MKD" | "XMKD" | "DELE" | "RMD" | "XRMD" | "RNFR" | "RNTO");
        if writes && !self.shared.options.allow_upload {
            return self.go(550, "Permission denied: read-only.");
        }
        let path = match verb {
            // Options of a listing, as `LIST -la` has them, are no path.
            "LIST" | "NLST" if argument.starts_with('-') => self.cwd.resolve(""),
            _ => self.cwd.resolve(argument),
        };
        let Some(path) = path else { return self.go(553, "Not a plain path.") };
        match verb {
            "TYPE" => self.go(200, "Transfers are binary."),
            "MODE" | "STRU" | "ALLO" => self.go(200, "Fine."),
            "PWD" | "XPWD" => {
                let shown = quoted(&self.cwd);
                self.go(257, &format!("{shown} is the current directory"))
            }
            "CWD" | "XCWD" => self.change_dir(path),
            "CDUP" | "XCUP" => {
                let above = self.cwd.resolve("..").unwrap_or_default();
                self.change_dir(above)
            }
            "PASV" => self.passive(false),
            "EPSV" => self.passive(true),
            "REST" => match argument.parse() {
                Ok(offset) => {
                    self.restart = offset;
                    self.go(350, "Restarting there.")
                }
                Err(_) => self.go(501, "Not an offset."),
            },
            "SIZE" | "MDTM" => match self.file_at(&path) {
                Some(file) if verb == "SIZE" => self.go(213, &file.len_bytes.to_string()),
                Some(file) => self.go(213, &show_time(file.mtime_secs, "%Y%m%d%H%M%S")),
                None => self.go(550, "No such file."),
            },
            "RETR" => self.retrieve(&path, restart),
            "STOR" => self.store(&path, restart),
            "APPE" => {
                let end = self.file_at(&path).map_or(0, |file| file.len_bytes);
                self.store(&path, end)
            }
            "LIST" | "NLST" => self.list(&path, verb == "LIST"),
            // Commands are read one after another, so no transfer runs when this is read.
            "ABOR" => self.go(226, "Nothing to abort."),
            _ => self.name_command(verb, path, rename_from),
        }
    }

    /// Does what changes names and moves no bytes.
    fn name_command(&mut self, verb: &str, path: ServedPath, rename_from: Option<ServedPath>) -> io::Result<Next> {
        let dir = &self.shared.dir;
        match verb {
            "MKD" | "XMKD" => {
                let made = dir.create_dir(&path);
                self.done(made, 257, &format!("{} created", quoted(&path)))
            }
            "DELE" => {
                let removed = dir.remove_file(&path);
                self.done(removed, 250, "Removed.")
            }
            "RMD" | "XRMD" => {
                let removed = dir.remove_dir(&path);
                self.done(removed, 250, "Removed.")
            }
            "RNFR" => match dir.metadata(&path) {
                Ok(Some(_)) => {
                    self.rename_from = Some(path);
                    self.go(350, "Ready for RNTO.")
                }
                _ => self.go(550, "No such file."),
            },
            "RNTO" => self.rename_to(rename_from, &path),
            _ => self.go(502, "Not implemented."),
        }
    }

    fn user(&mut self, name: &str) -> io::Result<Next> {
        if self.shared.options.require_tls && !self.control.is_tls() {
            return self.go(530, "TLS first.");
        }
        (self.logged_in, self.user) = (false, Some(name.to_owned()));
        self.go(331, "Password please.")
    }

    fn pass(&mut self, password: &str) -> io::Result<Next> {
        let Some(user) = self.user.take() else { return self.go(503, "USER first.") };
        let hash = |text: &str| blake3::hash(text.as_bytes());
        // Comparing hashes tells nothing through the time it takes.
        self.logged_in = self.shared.options.login.as_ref().is_none_or(|login| {
            let name_fits = hash(&user) == hash(&login.user);
            let password_fits = hash(password) == hash(login.password.reveal());
            name_fits & password_fits
        });
        if self.logged_in {
            self.shared.counters.logins.fetch_add(1, Ordering::Relaxed);
            return self.go(230, "Welcome.");
        }
        self.failed_logins += 1;
        if self.failed_logins >= FAILED_LOGINS_MAX {
            self.reply(421, "Too many failed logins.")?;
            return Ok(Next::End);
        }
        self.go(530, "Login incorrect.")
    }

    fn auth(&mut self, kind: &str) -> io::Result<Next> {
        let Some(config) = &self.shared.tls else { return self.go(502, "TLS is not offered.") };
        if self.control.is_tls() || !matches!(kind.to_ascii_uppercase().as_str(), "TLS" | "TLS-C" | "SSL") {
            return self.go(504, "Not that.");
        }
        self.reply(234, "Go ahead.")?;
        self.control.secure(config)?;
        (self.logged_in, self.user) = (false, None);
        Ok(Next::Go)
    }

    fn prot(&mut self, level: &str) -> io::Result<Next> {
        match level.to_ascii_uppercase().as_str() {
            _ if !self.control.is_tls() => self.go(503, "AUTH first."),
            "P" => {
                self.protect_data = true;
                self.go(200, "Data is protected.")
            }
            "C" if !self.shared.options.require_tls => {
                self.protect_data = false;
                self.go(200, "Data is in clear.")
            }
            _ => self.go(536, "Not that."),
        }
    }

    fn change_dir(&mut self, path: ServedPath) -> io::Result<Next> {
        match self.shared.dir.metadata(&path) {
            Ok(Some(found)) if found.is_dir => {
                self.cwd = path;
                self.go(250, "There we are.")
            }
            _ => self.go(550, "No such directory."),
        }
    }

    fn file_at(&self, path: &ServedPath) -> Option<ServedMetadata> {
        self.shared.dir.metadata(path).ok().flatten().filter(|found| !found.is_dir)
    }

    fn done(&mut self, outcome: Result<(), DiskError>, code: u16, text: &str) -> io::Result<Next> {
        match outcome {
            Ok(()) => self.go(code, text),
            Err(error) => self.refuse(&error),
        }
    }

    fn refuse(&mut self, error: &DiskError) -> io::Result<Next> {
        match error.kind {
            DiskErrorKind::NotFound => self.go(550, "No such file or directory."),
            DiskErrorKind::Exists => self.go(550, "It exists."),
            DiskErrorKind::NoSpace => self.go(452, "No space left."),
            DiskErrorKind::ReadOnly | DiskErrorKind::Denied => self.go(550, "Permission denied."),
            DiskErrorKind::BadName | DiskErrorKind::WrongType => self.go(553, "Not possible there."),
            DiskErrorKind::Gone
            | DiskErrorKind::Offline
            | DiskErrorKind::Withheld
            | DiskErrorKind::Interrupted
            | DiskErrorKind::Io => self.go(451, "The disk failed."),
        }
    }

    fn passive(&mut self, extended: bool) -> io::Result<Next> {
        let bound = TcpListener::bind(SocketAddr::new(self.local.ip(), 0));
        let Ok((listener, address)) =
            bound.and_then(|listener| listener.local_addr().map(|address| (listener, address)))
        else {
            return self.go(425, "No port is free.");
        };
        let port = address.port();
        self.passive = Some(listener);
        match address.ip().to_canonical() {
            _ if extended => self.go(229, &format!("Entering Extended Passive Mode (|||{port}|)")),
            std::net::IpAddr::V4(ip) => {
                let [a, b, c, d] = ip.octets();
                self.go(227, &format!("Entering Passive Mode ({a},{b},{c},{d},{},{})", port >> 8, port & 255))
            }
            std::net::IpAddr::V6(_) => self.go(522, "Use EPSV."),
        }
    }

    /// Announces a transfer and opens its data connection; nothing where that failed and was answered.
    fn open_data(&mut self) -> io::Result<Option<Wire>> {
        let Some(listener) = self.passive.take() else {
            self.reply(425, "EPSV or PASV first.")?;
            return Ok(None);
        };
        if self.shared.options.require_tls && !self.protect_data {
            self.reply(521, "PROT P first.")?;
            return Ok(None);
        }
        self.reply(150, "Here it comes.")?;
        let opened = data::accept_data(self.shared, &listener, self.peer).and_then(|wire| match &self.shared.tls {
            Some(config) if self.protect_data => wire.into_tls(config),
            _ => Ok(wire),
        });
        match opened {
            Ok(wire) if self.protect_data && self.shared.options.require_session_reuse && !wire.is_resumed() => {
                self.reply(522, "Data connection did not resume the TLS session.")?;
                Ok(None)
            }
            Ok(wire) => Ok(Some(wire)),
            Err(_) => {
                self.reply(425, "No data connection.")?;
                Ok(None)
            }
        }
    }

    fn ended(&mut self, ended: Ended) -> io::Result<Next> {
        match ended {
            Ended::Complete => self.go(226, "Complete."),
            Ended::Broken => self.go(426, "Data connection broke."),
            Ended::DiskFailed => self.go(451, "The disk failed."),
            Ended::Full => self.go(452, "No space left."),
            Ended::ResetAll => {
                let _ = socket2::SockRef::from(self.control.wire()?.tcp()).set_linger(Some(Duration::ZERO));
                Ok(Next::End)
            }
        }
    }

    fn retrieve(&mut self, path: &ServedPath, offset: u64) -> io::Result<Next> {
        self.shared.counters.retrieves.fetch_add(1, Ordering::Relaxed);
        let (file, fault) = match self.to_send(path) {
            Ok(Some(found)) => found,
            Ok(None) => return self.go(550, "No such file."),
            Err(error) => return self.refuse(&error),
        };
        if offset > file.len_bytes() {
            return self.go(554, "That is past the end.");
        }
        let Some(wire) = self.open_data()? else { return Ok(Next::Go) };
        let ended = data::send_file(self.shared, wire, &*file, offset, fault.as_ref());
        self.ended(ended)
    }

    /// Finds what a download is to get, and what goes wrong with it; nothing where the script says that there is none.
    fn to_send(&self, path: &ServedPath) -> Result<Option<Download>, DiskError> {
        let held = |bytes: Arc<[u8]>| Box::new(data::Held(bytes)) as Box<dyn ReadAt>;
        Ok(match self.shared.faults.answer_to(&path.to_string()) {
            Answer::File => {
                let fault = self.shared.faults.of_download();
                let other = match &fault {
                    Some(Fault::ServeInstead { path }) => ServedPath::default().resolve(path),
                    _ => None,
                };
                Some((self.shared.dir.open(other.as_ref().unwrap_or(path))?, fault))
            }
            Answer::Missing => None,
            Answer::Failing => return Err(DiskError::of(DiskErrorKind::Io, "read", path, "so the script has it")),
            Answer::Bytes(bytes) => Some((held(bytes), None)),
            Answer::Reset(bytes) => {
                let after_bytes = bytes.len() as u64;
                Some((held(bytes), Some(Fault::Reset { after_bytes })))
            }
            Answer::Endless(bytes) => Some((held(bytes), Some(Fault::Endless))),
            Answer::Crawl(bytes) => {
                let after_bytes = bytes.len() as u64;
                Some((held(bytes), Some(Fault::Crawl { after_bytes })))
            }
        })
    }

    fn store(&mut self, path: &ServedPath, keep_bytes: u64) -> io::Result<Next> {
        self.shared.counters.stores.fetch_add(1, Ordering::Relaxed);
        let fault = self.shared.faults.of_upload();
        let mut file = match self.shared.dir.write_after(path, keep_bytes) {
            Ok(file) => file,
            Err(error) => return self.refuse(&error),
        };
        let Some(wire) = self.open_data()? else { return Ok(Next::Go) };
        let mut ended = data::receive_file(self.shared, wire, &mut *file, fault.as_ref());
        if ended == Ended::Complete && self.shared.dir.sync_names(path).is_err() {
            ended = Ended::DiskFailed;
        }
        self.ended(ended)
    }

    fn list(&mut self, path: &ServedPath, long: bool) -> io::Result<Next> {
        let found = match self.shared.dir.list(path) {
            Ok(found) => found,
            Err(error) => return self.refuse(&error),
        };
        let mut text = String::new();
        for (name, entry) in found {
            // Writing to a string cannot fail.
            let _ = if long {
                let (kind, date) = (if entry.is_dir { 'd' } else { '-' }, show_time(entry.mtime_secs, "%b %d  %Y"));
                write!(text, "{kind}rw-r--r-- 1 ftp ftp {:>12} {date} {name}\r\n", entry.len_bytes)
            } else {
                write!(text, "{name}\r\n")
            };
        }
        let Some(wire) = self.open_data()? else { return Ok(Next::Go) };
        let ended = data::send_all(wire, text.as_bytes());
        self.ended(ended)
    }

    fn rename_to(&mut self, from: Option<ServedPath>, to: &ServedPath) -> io::Result<Next> {
        let Some(from) = from else { return self.go(503, "RNFR first.") };
        if self.file_at(to).is_some() && self.shared.faults.refuses_overwrite() {
            return self.go(550, "A file stands there.");
        }
        let renamed = self.shared.dir.rename(&from, to);
        self.done(renamed, 250, "Renamed.")
    }
}

/// Shows a path as replies do, in quotes and with its own doubled.
fn quoted(path: &ServedPath) -> String {
    format!("\"{}\"", path.to_string().replace('"', "\"\""))
}

/// Shows seconds since 1970, in UTC.
fn show_time(secs: i64, format: &str) -> String {
    jiff::Timestamp::from_second(secs).unwrap_or_default().strftime(format).to_string()
}
