//! Addresses of FTP remotes: `ftp://[user[:password]@]host[:port]/dir`, `ftps://` for explicit TLS and
//! `ftps+implicit://`.
//!
//! A directory is relative to the one that the server puts a login into; a second slash (`ftp://host//srv/x`) makes it
//! absolute. Percent escapes are decoded once, after splitting. What is decoded may hold no control character, so no
//! address can smuggle a command. Passwords are taken but never shown.

use std::fmt;

use zeroize::Zeroizing;

/// Longest address as it is typed, in bytes.
pub const URL_MAX_BYTES: usize = 2048;
/// Longest address as it is shown, in bytes, so that a store has room to remember it.
pub const SHOWN_MAX_BYTES: usize = 960;

/// Reports an address that cannot be used, without showing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseUrlError {
    /// Longer than [`URL_MAX_BYTES`], or than [`SHOWN_MAX_BYTES`] with all escapes.
    #[error("address is too long")]
    TooLong,
    /// Not one of the three schemes.
    #[error("address does not start with ftp://, ftps:// or ftps+implicit://")]
    Scheme,
    /// No host, or bytes that no host name has.
    #[error("address has no valid host name")]
    Host,
    /// Not a number from 1 to 65535.
    #[error("address has no valid port")]
    Port,
    /// A `%` without two hex digits behind it, or escapes that are no UTF-8.
    #[error("address has a broken percent escape")]
    Escape,
    /// A control character, plain or escaped.
    #[error("address holds a control character")]
    Control,
    /// A component `.` or `..`, or an empty one in the middle.
    #[error("address has a directory that is not plain")]
    Directory,
    /// `?` or `#`, which must be escaped as `%3F` and `%23`.
    #[error("address has a query or fragment")]
    Query,
}

/// How a connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// Not at all: `ftp://`.
    Plain,
    /// TLS asked for by `AUTH TLS` after connecting: `ftps://`.
    ExplicitTls,
    /// TLS from the first byte: `ftps+implicit://`.
    ImplicitTls,
}

impl Protection {
    fn scheme(self) -> &'static str {
        match self {
            Self::Plain => "ftp",
            Self::ExplicitTls => "ftps",
            Self::ImplicitTls => "ftps+implicit",
        }
    }
}

/// A password: wiped when dropped, never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Wraps a password.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Returns the password.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// Who logs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name.
    pub user: String,
    /// The password; empty where the server asks for none.
    pub password: Password,
}

impl Credentials {
    /// Pairs a user with a password.
    #[must_use]
    pub fn new(user: &str, password: &str) -> Self {
        Self { user: user.to_owned(), password: Password::new(password.to_owned()) }
    }

    /// Returns the login that servers with public files take.
    #[must_use]
    pub fn anonymous() -> Self {
        Self::new("anonymous", "anonymous@")
    }
}

/// A checked address of an FTP remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FtpUrl {
    /// How connections are protected.
    pub protection: Protection,
    /// The user in the address, if any.
    pub user: Option<String>,
    /// The password in the address, if any.
    pub password: Option<Password>,
    /// Name or address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The directory without a slash at its end; empty for the one of the login, with a leading slash if absolute.
    pub dir: String,
}

impl FtpUrl {
    /// Returns whether text names an FTP remote, valid or not, by its scheme.
    #[must_use]
    pub fn is_ftp(text: &str) -> bool {
        split_scheme(text).is_some()
    }

    /// Parses an address.
    ///
    /// # Errors
    /// [`ParseUrlError`]; it never repeats the address, which may hold a password.
    pub fn parse(text: &str) -> Result<Self, ParseUrlError> {
        if text.len() > URL_MAX_BYTES {
            return Err(ParseUrlError::TooLong);
        }
        let (protection, rest) = split_scheme(text).ok_or(ParseUrlError::Scheme)?;
        if rest.contains(['?', '#']) {
            return Err(ParseUrlError::Query);
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, place) = match authority.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, authority),
        };
        let (user, password) = match login.map(|login| login.split_once(':').unwrap_or((login, "\0"))) {
            None => (None, None),
            Some((user, "\0")) => (Some(decode(user)?), None),
            Some((user, password)) => (Some(decode(user)?), Some(Password::new(decode(password)?))),
        };
        let default_port = if protection == Protection::ImplicitTls { 990 } else { 21 };
        let (host, port) = parse_place(place, default_port)?;
        let user = user.filter(|user| !user.is_empty());
        let url = Self { protection, user, password, host, port, dir: parse_dir(path)? };
        if url.to_string().len() > SHOWN_MAX_BYTES { Err(ParseUrlError::TooLong) } else { Ok(url) }
    }
}

impl fmt::Display for FtpUrl {
    /// Shows the address without user and password; parsing it again gives the same place.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        write!(f, "{}://{host}", self.protection.scheme())?;
        let default_port = if self.protection == Protection::ImplicitTls { 990 } else { 21 };
        if self.port != default_port {
            write!(f, ":{}", self.port)?;
        }
        f.write_str("/")?;
        for byte in self.dir.bytes() {
            match byte {
                b'/' | b'-' | b'.' | b'_' | b'~' => write!(f, "{}", char::from(byte))?,
                byte if byte.is_ascii_alphanumeric() => write!(f, "{}", char::from(byte))?,
                byte => write!(f, "%{byte:02X}")?,
            }
        }
        Ok(())
    }
}

fn split_scheme(text: &str) -> Option<(Protection, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let all = [Protection::Plain, Protection::ExplicitTls, Protection::ImplicitTls];
    let protection = all.into_iter().find(|protection| protection.scheme().eq_ignore_ascii_case(scheme))?;
    Some((protection, rest))
}

/// Splits `host:port` or `[v6]:port`.
pub(super) fn parse_place(text: &str, default_port: u16) -> Result<(String, u16), ParseUrlError> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(ParseUrlError::Host)?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| ParseUrlError::Host)?;
            let port = if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or(ParseUrlError::Host)?) };
            (host, port)
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._:".contains(&b);
    if host.is_empty() || host.len() > 253 || host.starts_with('-') || !host.bytes().all(allowed) {
        return Err(ParseUrlError::Host);
    }
    let port = match port {
        None => default_port,
        Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => port.parse().map_err(|_| ParseUrlError::Port)?,
        Some(_) => return Err(ParseUrlError::Port),
    };
    if port == 0 { Err(ParseUrlError::Port) } else { Ok((host.to_owned(), port)) }
}

fn parse_dir(path: &str) -> Result<String, ParseUrlError> {
    let decoded = decode(path)?;
    let absolute = decoded.starts_with('/');
    let inner = decoded.strip_prefix('/').unwrap_or(&decoded);
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    let plain = inner.is_empty() || inner.split('/').all(|part| !matches!(part, "" | "." | ".."));
    match (plain, absolute) {
        (false, _) => Err(ParseUrlError::Directory),
        (true, true) => Ok(format!("/{inner}")),
        (true, false) => Ok(inner.to_owned()),
    }
}

/// Decodes percent escapes; the outcome is UTF-8 without control characters.
pub(super) fn decode(text: &str) -> Result<String, ParseUrlError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first != b'%' {
            bytes.push(first);
            rest = after;
            continue;
        }
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok()).ok_or(ParseUrlError::Escape)?;
        let mut byte = [0];
        hex::decode_to_slice(digits, &mut byte).map_err(|_| ParseUrlError::Escape)?;
        bytes.push(byte[0]);
        rest = after.get(2..).unwrap_or_default();
    }
    let decoded = String::from_utf8(bytes).map_err(|_| ParseUrlError::Escape)?;
    if decoded.chars().any(char::is_control) { Err(ParseUrlError::Control) } else { Ok(decoded) }
}

#[cfg(test)]
mod tests;
