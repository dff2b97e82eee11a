//! [`FtpSession`]: the acts of a remote put together from FTP commands.

use std::collections::BTreeSet;
use std::io::Read;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Target;
use super::link::{Link, Transfer, Verb};
use super::reply::{Phase, Reply, Trouble};
use crate::base::StorePath;
use crate::remote::{Fetched, LIST_MAX_BYTES, RemoteError, RemoteErrorKind, Session};

/// Longest piece of a transfer.
const PIECE_BYTES: usize = 128 * 1024;
/// Most bytes read beyond those that were asked for, to see whether the file ends there; beyond that the data connection is
/// closed.
const DRAIN_MAX_BYTES: u64 = 4 * 1024;
/// Most bytes counted to learn a length that the server does not tell.
const COUNT_MAX_BYTES: u64 = 1 << 30;

/// One session; its connection is opened again where an act without an error had to drop it.
pub(super) struct FtpSession {
    target: Arc<Target>,
    link: Option<Link>,
    dead: bool,
    buffer: Vec<u8>,
}

impl Drop for FtpSession {
    fn drop(&mut self) {
        if let Some(link) = &mut self.link {
            link.quit();
        }
    }
}

/// What an act left of its connection.
enum Left<T> {
    /// In step with the server.
    Usable(T),
    /// In the middle of a transfer.
    Torn(Result<T, Trouble>),
}

impl FtpSession {
    /// Connects and logs in.
    pub(super) fn open(target: Arc<Target>) -> Result<Self, RemoteError> {
        let opened = Link::open(&target);
        let link = opened.map_err(|it| RemoteError::new(it.kind, "connect to", &target.url, it.reason))?;
        Ok(Self { target, link: Some(link), dead: false, buffer: vec![0; PIECE_BYTES] })
    }

    /// Runs an act over a connection in step with the server, and drops the connection where it no longer is.
    fn run<T>(
        &mut self,
        act: &'static str,
        path: &StorePath,
        body: impl FnOnce(&mut Link, &mut [u8]) -> Result<Left<T>, Trouble>,
    ) -> Result<T, RemoteError> {
        match self.run_body(body) {
            Ok(value) => Ok(value),
            Err(trouble) => {
                let subject = format!("{path} at {}", self.target.url);
                Err(RemoteError::new(trouble.kind, act, subject, trouble.reason))
            }
        }
    }

    fn run_body<T>(
        &mut self,
        body: impl FnOnce(&mut Link, &mut [u8]) -> Result<Left<T>, Trouble>,
    ) -> Result<T, Trouble> {
        use RemoteErrorKind::Local;
        if self.dead {
            return Err(Trouble::new(RemoteErrorKind::Unreachable, "session failed before"));
        }
        let mut link = match self.link.take() {
            Some(link) => link,
            None => Link::open(&self.target).inspect_err(|_| self.dead = true)?,
        };
        let outcome = body(&mut link, &mut self.buffer);
        let (result, usable) = match outcome {
            Ok(Left::Usable(value)) => (Ok(value), true),
            Ok(Left::Torn(result)) => (result, false),
            Err(trouble) if trouble.kind.leaves_session() && trouble.kind != Local => (Err(trouble), true),
            Err(trouble) => (Err(trouble), false),
        };
        self.dead = result.as_ref().is_err_and(|trouble| !trouble.kind.leaves_session());
        if usable {
            self.link = Some(link);
        } else {
            link.cut();
        }
        result
    }
}

impl Session for FtpSession {
    fn length(&mut self, path: &StorePath) -> Result<Option<u64>, RemoteError> {
        self.run("ask for", path, |link, buffer| length_of(link, path, buffer))
    }

    fn fetch(
        &mut self,
        path: &StorePath,
        offset: u64,
        max_bytes: u64,
        sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<Fetched, RemoteError> {
        self.run("fetch", path, |link, buffer| {
            let name = link.name_of(path.as_str());
            match retrieve(link, &name, offset, 0, max_bytes, buffer, sink) {
                Err(trouble) if offset > 0 && trouble.code >= 500 => {
                    fetch_without_resume(link, path, offset, max_bytes, buffer, sink, trouble)
                }
                other => other,
            }
        })
    }

    fn send(&mut self, path: &StorePath, source: &mut dyn Read) -> Result<(), RemoteError> {
        self.run("send", path, |link, buffer| {
            let name = link.name_of(path.as_str());
            store(link, &name, source, buffer)
        })
    }

    fn send_from(&mut self, path: &StorePath, offset: u64, source: &mut dyn Read) -> Result<(), RemoteError> {
        self.run("resume sending", path, |link, buffer| {
            let held = match length_of(link, path, buffer)? {
                Left::Usable(held) => held,
                Left::Torn(result) => return Ok(Left::Torn(result.and_then(|_| Err(cannot_resume())))),
            };
            if held != Some(offset) {
                return Err(cannot_resume());
            }
            let name = link.name_of(path.as_str());
            let appended = match upload(link, Verb::Append, &name, 0, source, buffer) {
                Err(trouble) if refuses_to_resume(&trouble) => upload(link, Verb::Store, &name, offset, source, buffer),
                other => other,
            };
            match appended {
                Err(trouble) if refuses_to_resume(&trouble) => {
                    Err(Trouble { kind: RemoteErrorKind::Unsupported, ..trouble })
                }
                Err(trouble) => Err(trouble),
                Ok(appended) => check_kept(link, &name, offset, appended),
            }
        })
    }

    /// Uploads `NAME.new` and renames it.
    ///
    /// Where the server refuses to rename over a file (ProFTPD unless told otherwise), the old file is removed first,
    /// so a reader may find none for a moment and has to ask again; where it then still refuses, the bytes are written
    /// under the final name, so that none is never the end of it.
    fn replace(&mut self, path: &StorePath, bytes: &[u8]) -> Result<(), RemoteError> {
        self.run("replace", path, |link, buffer| {
            let name = link.name_of(path.as_str());
            let fresh = format!("{name}.new");
            match store(link, &fresh, &mut &bytes[..], buffer)? {
                Left::Usable(()) => {}
                torn @ Left::Torn(_) => return Ok(torn),
            }
            let refused = match rename(link, &fresh, &name)? {
                Renamed::Done => return Ok(Left::Usable(())),
                Renamed::NoSource(reply) => {
                    return Err(Trouble {
                        kind: RemoteErrorKind::Unsupported,
                        ..Trouble::of_reply(&reply, Phase::Write)
                    });
                }
                Renamed::NoTarget(reply) => reply,
            };
            let removed = link.ask(&format!("DELE {name}"), Phase::Write)?;
            if !removed.is_done() {
                return Err(Trouble {
                    kind: RemoteErrorKind::Unsupported,
                    ..Trouble::of_reply(&refused, Phase::Write)
                });
            }
            match rename(link, &fresh, &name)? {
                Renamed::Done => Ok(Left::Usable(())),
                Renamed::NoSource(_) | Renamed::NoTarget(_) => store(link, &name, &mut &bytes[..], buffer),
            }
        })
    }

    fn create_dir(&mut self, path: &StorePath) -> Result<(), RemoteError> {
        self.run("create", path, |link, _| {
            let name = link.name_of(path.as_str());
            let refused = match make_dir(link, &name)? {
                None => return Ok(Left::Usable(())),
                Some(refused) => refused,
            };
            if !path.as_str().is_empty() {
                return Err(refused);
            }
            for (at, _) in name.match_indices('/').filter(|(at, _)| *at > 0) {
                make_dir(link, &name[..at])?;
            }
            make_dir(link, &name)?.map_or(Ok(Left::Usable(())), Err)
        })
    }

    /// Asks by NLST. Some servers answer with the path before each name, and 550 or 450 for a directory that is empty.
    fn list(&mut self, dir: &StorePath) -> Result<Vec<String>, RemoteError> {
        self.run("list", dir, |link, buffer| {
            let name = link.name_of(dir.as_str());
            match read_list(link, &name, buffer) {
                Err(trouble) if trouble.kind == RemoteErrorKind::NotFound || trouble.code == 450 => {
                    Ok(Left::Usable(Vec::new()))
                }
                other => other,
            }
        })
    }

    fn remove(&mut self, path: &StorePath) -> Result<(), RemoteError> {
        self.run("remove", path, |link, buffer| {
            let reply = link.ask(&format!("DELE {}", link.name_of(path.as_str())), Phase::Write)?;
            if reply.is_done() {
                return Ok(Left::Usable(()));
            }
            // The same code says that nothing stands there and that it may not be removed.
            let trouble = Trouble::of_reply(&reply, Phase::Write);
            match length_of(link, path, buffer)? {
                Left::Usable(None) => Ok(Left::Usable(())),
                Left::Usable(Some(_)) => Err(trouble),
                Left::Torn(_) => Ok(Left::Torn(Err(trouble))),
            }
        })
    }
}

/// Returns whether a server that would not begin to append may still take the whole file. ProFTPD says 451, as if it were
/// a matter of time.
fn refuses_to_resume(trouble: &Trouble) -> bool {
    trouble.code >= 500 || trouble.code == 451
}

fn cannot_resume() -> Trouble {
    Trouble::new(RemoteErrorKind::Unsupported, "server does not hold exactly what came before")
}

/// Asks for a length: by SIZE, else by MLST, else by counting.
fn length_of(link: &mut Link, path: &StorePath, buffer: &mut [u8]) -> Result<Left<Option<u64>>, Trouble> {
    let name = link.name_of(path.as_str());
    let reply = link.ask(&format!("SIZE {name}"), Phase::Read)?;
    let wrong = || Trouble::new(RemoteErrorKind::Protocol, "server tells no valid length");
    if reply.code == 213 {
        return Ok(Left::Usable(Some(parse_number(reply.last_words()).ok_or_else(wrong)?)));
    }
    let trouble = Trouble::of_reply(&reply, Phase::Read);
    match trouble.kind {
        RemoteErrorKind::NotFound => return Ok(Left::Usable(None)),
        RemoteErrorKind::Unsupported => {}
        _ => return Err(trouble),
    }
    let reply = link.ask(&format!("MLST {name}"), Phase::Read)?;
    if let Some(len_bytes) = parse_fact_size(&reply).filter(|_| reply.code == 250) {
        return Ok(Left::Usable(Some(len_bytes)));
    }
    match retrieve(link, &name, 0, 0, COUNT_MAX_BYTES, buffer, &mut |_| ControlFlow::Continue(())) {
        Err(trouble) if trouble.kind == RemoteErrorKind::NotFound => Ok(Left::Usable(None)),
        Err(trouble) => Err(trouble),
        Ok(Left::Usable(fetched)) if fetched.at_end => Ok(Left::Usable(Some(fetched.len_bytes))),
        Ok(_) => Err(Trouble::new(RemoteErrorKind::Protocol, "file has no end")),
    }
}

/// Streams a file from `offset`, dropping the first `skip` bytes that come.
fn retrieve(
    link: &mut Link,
    name: &str,
    offset: u64,
    mut skip: u64,
    max_bytes: u64,
    buffer: &mut [u8],
    sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
) -> Result<Left<Fetched>, Trouble> {
    let read_max_bytes = skip.saturating_add(max_bytes).saturating_add(DRAIN_MAX_BYTES + 1);
    let mut transfer = link.transfer(Verb::Retrieve, name, offset, read_max_bytes)?;
    let mut fetched = Fetched { len_bytes: 0, at_end: false };
    let mut dropped = 0_u64;
    let mut open = true;
    loop {
        let wanted = if open { max_bytes - fetched.len_bytes } else { 0 };
        let room = skip.saturating_add(wanted).saturating_add(DRAIN_MAX_BYTES + 1 - dropped);
        let room = usize::try_from(room).unwrap_or(usize::MAX).min(buffer.len());
        let count = match transfer.read(buffer.get_mut(..room).unwrap_or_default()) {
            Ok(0) => break,
            Ok(count) => count,
            // The caller has what it asked for; what became of the rest is no matter.
            Err(_) if wanted == 0 => return Ok(Left::Torn(Ok(fetched))),
            Err(trouble) => return Ok(Left::Torn(Err(trouble))),
        };
        let skipped = usize::try_from(skip).unwrap_or(usize::MAX).min(count);
        skip -= skipped as u64;
        let piece = buffer.get(skipped..count).unwrap_or_default();
        let given = usize::try_from(wanted).unwrap_or(usize::MAX).min(piece.len());
        if given > 0 {
            fetched.len_bytes += given as u64;
            open = sink(piece.get(..given).unwrap_or_default()).is_continue();
        }
        dropped += (piece.len() - given) as u64;
        if dropped > DRAIN_MAX_BYTES {
            return Ok(cut_short(transfer, fetched, buffer));
        }
    }
    fetched.at_end = open && dropped == 0;
    match transfer.finish() {
        Ok(()) => Ok(Left::Usable(fetched)),
        Err(_) if !fetched.at_end => Ok(Left::Torn(Ok(fetched))),
        Err(trouble) => Ok(Left::Torn(Err(trouble))),
    }
}

/// Ends a transfer in the middle. Where the server's answer once did not fit, no other is waited for.
fn cut_short(transfer: Transfer<'_>, fetched: Fetched, buffer: &mut [u8]) -> Left<Fetched> {
    let target = transfer.target();
    if !target.survives_cuts.load(Ordering::Relaxed) {
        return Left::Torn(Ok(fetched));
    }
    match transfer.cut_short(buffer) {
        Ok(()) => Left::Usable(fetched),
        Err(_) => {
            target.survives_cuts.store(false, Ordering::Relaxed);
            Left::Torn(Ok(fetched))
        }
    }
}

/// Goes on after a server refused to start a transfer at an offset: the file may end there, or the server cannot do it.
fn fetch_without_resume(
    link: &mut Link,
    path: &StorePath,
    offset: u64,
    max_bytes: u64,
    buffer: &mut [u8],
    sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    refused: Trouble,
) -> Result<Left<Fetched>, Trouble> {
    match length_of(link, path, buffer)? {
        Left::Torn(_) => Ok(Left::Torn(Err(refused))),
        Left::Usable(None) => Err(Trouble { kind: RemoteErrorKind::NotFound, ..refused }),
        Left::Usable(Some(len)) if len <= offset => Ok(Left::Usable(Fetched { len_bytes: 0, at_end: true })),
        Left::Usable(Some(_)) if matches!(refused.code, 500..=504 | 554) => {
            let name = link.name_of(path.as_str());
            retrieve(link, &name, 0, offset, max_bytes, buffer, sink)
        }
        Left::Usable(Some(_)) => Err(refused),
    }
}

/// Reads a list of names to its end.
fn read_list(link: &mut Link, name: &str, buffer: &mut [u8]) -> Result<Left<Vec<String>>, Trouble> {
    let mut transfer = link.transfer(Verb::List, name, 0, LIST_MAX_BYTES + 1)?;
    let mut text = Vec::new();
    loop {
        let count = match transfer.read(buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(trouble) => return Ok(Left::Torn(Err(trouble))),
        };
        text.extend_from_slice(buffer.get(..count).unwrap_or_default());
        if text.len() as u64 > LIST_MAX_BYTES {
            let trouble = Trouble::new(RemoteErrorKind::Protocol, "server's list of names has no end");
            return Ok(Left::Torn(Err(trouble)));
        }
    }
    match transfer.finish() {
        Ok(()) => Ok(Left::Usable(names_of(&text))),
        // An empty directory is a failed transfer to some.
        Err(trouble) if text.is_empty() && matches!(trouble.code, 450 | 550) => Ok(Left::Usable(Vec::new())),
        Err(trouble) => Ok(Left::Torn(Err(trouble))),
    }
}

/// Returns the names in a list: the last part of each line, where a [`StorePath`] can have it.
pub(super) fn names_of(text: &[u8]) -> Vec<String> {
    let lines = text.split(|byte| matches!(byte, b'\n' | b'\r')).filter_map(|line| std::str::from_utf8(line).ok());
    let names = lines.filter_map(|line| line.rsplit('/').next());
    let names: BTreeSet<&str> = names.filter(|name| !name.is_empty() && StorePath::new(name).is_ok()).collect();
    names.into_iter().map(str::to_owned).collect()
}

/// Uploads a source to its end. An error means that the server refused and not a byte of the source was taken.
fn upload(
    link: &mut Link,
    verb: Verb,
    name: &str,
    offset: u64,
    source: &mut dyn Read,
    buffer: &mut [u8],
) -> Result<Left<u64>, Trouble> {
    let mut transfer = link.transfer(verb, name, offset, u64::MAX)?;
    let mut sent = 0;
    loop {
        let count = match source.read(buffer) {
            Ok(0) => break,
            Ok(count) => count.min(buffer.len()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Ok(Left::Torn(Err(Trouble::new(RemoteErrorKind::Local, error)))),
        };
        if let Err(trouble) = transfer.write(buffer.get(..count).unwrap_or_default()) {
            return Ok(Left::Torn(Err(trouble)));
        }
        sent += count as u64;
    }
    match transfer.finish() {
        Ok(()) => Ok(Left::Usable(sent)),
        Err(trouble) => Ok(Left::Torn(Err(trouble))),
    }
}

/// Uploads a whole file, as a new one.
///
/// What stands there is removed first and not written over: the server may still be busy writing what an earlier,
/// broken upload left in its buffers, and would mix it in. Some servers refuse to write over a file anyway.
fn store(link: &mut Link, name: &str, source: &mut dyn Read, buffer: &mut [u8]) -> Result<Left<()>, Trouble> {
    link.ask(&format!("DELE {name}"), Phase::Write)?;
    let uploaded = upload(link, Verb::Store, name, 0, source, buffer)?;
    check_kept(link, name, 0, uploaded)
}

/// Asks whether the server holds as much as was sent: some call an upload complete that met a quota.
fn check_kept(link: &mut Link, name: &str, offset: u64, uploaded: Left<u64>) -> Result<Left<()>, Trouble> {
    let sent = match uploaded {
        Left::Usable(sent) => sent,
        Left::Torn(result) => return Ok(Left::Torn(result.map(drop))),
    };
    let size = link.ask(&format!("SIZE {name}"), Phase::Write)?;
    if size.code == 213 && parse_number(size.last_words()) != Some(offset.saturating_add(sent)) {
        return Err(Trouble::new(RemoteErrorKind::Unreachable, "server kept another length than was sent"));
    }
    Ok(Left::Usable(()))
}

/// How a rename ended.
enum Renamed {
    Done,
    NoSource(Reply),
    NoTarget(Reply),
}

fn rename(link: &mut Link, from: &str, to: &str) -> Result<Renamed, Trouble> {
    let reply = link.ask(&format!("RNFR {from}"), Phase::Write)?;
    if reply.code != 350 {
        return Ok(Renamed::NoSource(reply));
    }
    let reply = link.ask(&format!("RNTO {to}"), Phase::Write)?;
    Ok(if reply.is_done() { Renamed::Done } else { Renamed::NoTarget(reply) })
}

/// Creates a directory; returns why not, unless one stands there.
fn make_dir(link: &mut Link, name: &str) -> Result<Option<Trouble>, Trouble> {
    let reply = link.ask(&format!("MKD {name}"), Phase::Write)?;
    if reply.is_done() || reply.code == 521 {
        return Ok(None);
    }
    let entered = link.ask(&format!("CWD {name}"), Phase::Write)?;
    Ok(if entered.is_done() { None } else { Some(Trouble::of_reply(&reply, Phase::Write)) })
}

/// Reads a decimal number and nothing else.
pub(super) fn parse_number(words: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(words).ok()?;
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// Reads the size from a reply to MLST: ` size=123;type=file; name`.
pub(super) fn parse_fact_size(reply: &Reply) -> Option<u64> {
    let text = String::from_utf8_lossy(&reply.body).to_ascii_lowercase();
    let facts = text.lines().find(|line| line.starts_with(' '))?.trim_start();
    facts.split(';').find_map(|fact| fact.strip_prefix("size=")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_last_parts_of_lines_however_they_end() {
        let listed = |text: &str| names_of(text.as_bytes());
        let wanted = ["00ff", "b"];
        for text in ["b\r\n00ff\r\n", "00ff\nb", "receipts/b\r\nreceipts/00ff\r\n", "/a/b/b\n./00ff\n00ff\n\n"] {
            assert_eq!(listed(text), wanted, "{text:?}");
        }
        assert_eq!(listed("..\r\n.\r\na/\r\na b\0\r\n"), [""; 0]);
        assert_eq!(names_of(b"\xff\xfe\nb\n"), ["b"]);
    }

    #[test]
    fn numbers_are_decimal_and_nothing_else() {
        assert_eq!(parse_number(b"18446744073709551615"), Some(u64::MAX));
        for wrong in [&b""[..], b"-1", b"+1", b"1 2", b"18446744073709551616", b"\xff"] {
            assert_eq!(parse_number(wrong), None, "{wrong:?}");
        }
    }
}
