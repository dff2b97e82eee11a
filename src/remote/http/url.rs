//! Addresses of HTTP remotes: `https://host[:port]/dir`, and `http://` to this machine itself.
//!
//! No login can be given: what lies there is sealed and signed, so a server of public files is enough.

use std::fmt;
use std::net::IpAddr;

use crate::remote::url::{ParseUrlError, SHOWN_MAX_BYTES, URL_MAX_BYTES, decode, parse_place};

/// A checked address of an HTTP remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpUrl {
    /// Whether it is `https://`.
    pub is_tls: bool,
    /// Name or address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The directory without slashes at its ends.
    pub dir: String,
}

/// Reports an address that cannot be used, without showing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HttpUrlError {
    /// As any other address.
    #[error(transparent)]
    Parse(#[from] ParseUrlError),
    /// It has a user or a password.
    #[error("address over http has no place for a user or a password")]
    Login,
    /// Without TLS, to another machine.
    #[error("http:// shows everybody on the way what is read, and is for this machine alone: use https://")]
    Plain,
}

impl HttpUrl {
    /// Returns whether text names an HTTP remote, valid or not, by its scheme.
    #[must_use]
    pub fn is_http(text: &str) -> bool {
        split_scheme(text).is_some()
    }

    /// Parses an address.
    ///
    /// # Errors
    /// [`HttpUrlError`]; it never repeats the address.
    pub fn parse(text: &str) -> Result<Self, HttpUrlError> {
        if text.len() > URL_MAX_BYTES {
            return Err(ParseUrlError::TooLong.into());
        }
        let (is_tls, rest) = split_scheme(text).ok_or(ParseUrlError::Scheme)?;
        if rest.contains(['?', '#']) {
            return Err(ParseUrlError::Query.into());
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err(HttpUrlError::Login);
        }
        let (host, port) = parse_place(authority, default_port(is_tls))?;
        if !is_tls && !is_this_machine(&host) {
            return Err(HttpUrlError::Plain);
        }
        let decoded = decode(path)?;
        let dir = decoded.strip_suffix('/').unwrap_or(&decoded).to_owned();
        if !dir.is_empty() && dir.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(ParseUrlError::Directory.into());
        }
        let url = Self { is_tls, host, port, dir };
        if url.to_string().len() > SHOWN_MAX_BYTES { Err(ParseUrlError::TooLong.into()) } else { Ok(url) }
    }

    /// Returns the address of a file below the directory, whose path needs no escapes.
    pub(super) fn of_file(&self, path: &str) -> String {
        format!("{}{}{path}", self, if self.dir.is_empty() { "" } else { "/" })
    }
}

impl fmt::Display for HttpUrl {
    /// Shows the address; parsing it again gives the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        write!(f, "{}://{host}", if self.is_tls { "https" } else { "http" })?;
        if self.port != default_port(self.is_tls) {
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

fn default_port(is_tls: bool) -> u16 {
    if is_tls { 443 } else { 80 }
}

fn split_scheme(text: &str) -> Option<(bool, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    match scheme.to_ascii_lowercase().as_str() {
        "https" => Some((true, rest)),
        "http" => Some((false, rest)),
        _ => None,
    }
}

fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown_alike() {
        for (text, shown) in [
            ("https://example.org", "https://example.org/"),
            ("HTTPS://example.org:443/a/b/", "https://example.org/a/b"),
            ("https://[::1]:8443/x%20y", "https://[::1]:8443/x%20y"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/"),
            ("http://localhost/s", "http://localhost/s"),
        ] {
            let url = HttpUrl::parse(text).unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!(HttpUrl::parse(shown).unwrap(), url);
        }
        assert_eq!(HttpUrl::parse("https://h/d").unwrap().of_file("trust/1"), "https://h/d/trust/1");
        assert_eq!(HttpUrl::parse("https://h").unwrap().of_file("HEAD"), "https://h/HEAD");
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        use HttpUrlError as E;
        for (text, error) in [
            ("ftp://h/", E::Parse(ParseUrlError::Scheme)),
            ("https:///d", E::Parse(ParseUrlError::Host)),
            ("https://me:secret@h/", E::Login),
            ("http://example.org/", E::Plain),
            ("http://10.0.0.1/", E::Plain),
            ("https://h/a/../b", E::Parse(ParseUrlError::Directory)),
            ("https://h/a%0d%0ab", E::Parse(ParseUrlError::Control)),
            ("https://h/a?b", E::Parse(ParseUrlError::Query)),
            ("https://h:0/", E::Parse(ParseUrlError::Port)),
        ] {
            assert_eq!(HttpUrl::parse(text), Err(error), "{text}");
        }
    }
}
