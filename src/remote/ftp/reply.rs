//! Replies of an FTP server and what they mean to a caller. Nothing that a server says is shown unescaped or unbounded.

use std::fmt;
use std::io;

use suppaftp::FtpError;
use suppaftp::types::Response;

use crate::base::paths::show_bytes;
use crate::remote::RemoteErrorKind;

/// Most bytes of a server's words that an error repeats.
const SHOWN_BYTES: usize = 160;

/// A complete reply: the code of its last line and its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    /// Three digits, or 0 where the server sent none.
    pub code: u16,
    /// All lines as they came.
    pub body: Vec<u8>,
}

impl Reply {
    /// Reads the code from the bytes: the crate knows only some codes and hands 0 for others, 522 and 554 among them.
    pub(super) fn new(response: Response) -> Self {
        Self::of_body(response.body)
    }

    /// Reads all lines of a reply.
    pub(super) fn of_body(body: Vec<u8>) -> Self {
        let last = body.trim_ascii_end().rsplit(|&byte| byte == b'\n').next().unwrap_or_default();
        let digits = last.get(..3).filter(|digits| digits.iter().all(u8::is_ascii_digit));
        let code = digits.map_or(0, |digits| digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0')));
        Self { code, body }
    }

    /// Returns whether the act was completed.
    pub(super) fn is_done(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// Returns the words after the code of the last line.
    pub(super) fn last_words(&self) -> &[u8] {
        let last = self.body.trim_ascii_end().rsplit(|&byte| byte == b'\n').next().unwrap_or_default();
        last.get(4..).unwrap_or_default().trim_ascii()
    }

    /// Returns whether the words hold one of these, in any case.
    fn says(&self, words: &[&str]) -> bool {
        let text = String::from_utf8_lossy(&self.body[..self.body.len().min(1024)]).to_ascii_lowercase();
        words.iter().any(|word| text.contains(word))
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.body.split(|&byte| byte == b'\n').next().unwrap_or_default().trim_ascii();
        write!(f, "server says {:?}", show_bytes(&line[..line.len().min(SHOWN_BYTES)]))
    }
}

/// What a session was doing when a reply came: the same code means different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Connecting and logging in.
    Login,
    /// Reading a file or asking about one.
    Read,
    /// Writing, renaming, removing.
    Write,
}

/// A failure before it is known which file it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::remote) struct Trouble {
    pub kind: RemoteErrorKind,
    pub reason: String,
    /// The code of the reply that it came from, or 0.
    pub code: u16,
}

impl Trouble {
    pub(in crate::remote) fn new(kind: RemoteErrorKind, reason: impl fmt::Display) -> Self {
        Self { kind, reason: reason.to_string(), code: 0 }
    }

    /// Says what a refusing reply means.
    pub(super) fn of_reply(reply: &Reply, phase: Phase) -> Self {
        Self { kind: kind_of(reply, phase), reason: reply.to_string(), code: reply.code }
    }

    /// Says what an error of a socket means.
    pub(super) fn of_io(error: &io::Error) -> Self {
        use io::ErrorKind::{InvalidData, InvalidInput, TimedOut, WouldBlock};
        match error.kind() {
            WouldBlock | TimedOut => Self::new(RemoteErrorKind::Unreachable, "no answer in time"),
            InvalidData => Self::new(RemoteErrorKind::Protocol, error),
            InvalidInput => Self::new(RemoteErrorKind::Refused, error),
            _ => Self::new(RemoteErrorKind::Unreachable, error),
        }
    }

    /// Says what an error of the crate means.
    pub(super) fn of_ftp(error: FtpError, phase: Phase) -> Self {
        match error {
            FtpError::ConnectionError(error) => Self::of_io(&error),
            FtpError::UnexpectedResponse(response) => Self::of_reply(&Reply::new(response), phase),
            FtpError::BadResponse => Self::new(RemoteErrorKind::Protocol, "server's reply is no FTP reply"),
            FtpError::SecureError(why) => Self::new(RemoteErrorKind::Unreachable, show_bytes(why.as_bytes())),
            other => Self::new(RemoteErrorKind::Protocol, other),
        }
    }
}

/// Decides what a reply that is no success means.
fn kind_of(reply: &Reply, phase: Phase) -> RemoteErrorKind {
    use RemoteErrorKind::{Busy, NoSpace, NotFound, Protocol, Refused, Unavailable, Unreachable, Unsupported};
    let crowded = || reply.says(&["too many", "maximum", "limit", "try again", "try later", "users"]);
    let full = || reply.says(&["no space", "disk full", "quota", "insufficient", "not enough"]);
    let forbidden = || reply.says(&["permission", "denied", "not permitted", "not allowed", "forbidden"]);
    match (reply.code, phase) {
        (120 | 421, Phase::Login) => Busy,
        (530 | 550, Phase::Login) if crowded() => Busy,
        (452 | 552, _) => NoSpace,
        (400..600, Phase::Write) if full() => NoSpace,
        (430 | 431 | 434, _) => Refused,
        (450 | 451, Phase::Read | Phase::Write) => Unavailable,
        (400..500, _) => Unreachable,
        (550 | 551, Phase::Read) if forbidden() => Refused,
        (550 | 551, Phase::Read) => NotFound,
        (500..=504, _) => Unsupported,
        (500..600, _) => Refused,
        _ => Protocol,
    }
}

#[cfg(test)]
mod tests;
