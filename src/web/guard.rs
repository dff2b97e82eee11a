//! Who may come in: addresses that work once, sessions, the password of WebDAV, and requests that another site had made.
//!
//! Whoever may use this machine's loopback can connect, and a page of any site can have a browser send requests here. So each
//! request names this server as its host, comes from no other site, and carries a session's cookie or the password. Secrets
//! are compared by their hashes, in a time that says nothing of them.
//!
//! A browser sends a cookie to every port of a host, also to one where another user of this machine listens. So all pages lie below
//! a path that nobody can guess, and the cookie is for that path alone.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::{HeaderMap, header};
use blake3::Hash;

use crate::base::Random;
use crate::base::random::random_array;

/// Bytes of a secret.
const SECRET_BYTES: usize = 24;
/// Sessions at a time; the oldest goes first.
const SESSIONS_MAX: usize = 16;
/// The user of WebDAV; any name is taken.
pub const USER: &str = "chunkstore";

/// Knows what lets in.
pub struct Guard {
    /// What a request may name as its host.
    hosts: Vec<String>,
    random: Arc<dyn Random>,
    /// The one token that is good now.
    token: Mutex<String>,
    sessions: Mutex<VecDeque<Hash>>,
    password: String,
    /// The path of all pages, with a `/` at both ends.
    home: String,
    /// The name of the cookie; servers on other ports have others.
    cookie: String,
}

impl Guard {
    /// Draws the first token, the password and the path of the pages, for a server on a port of the loopback.
    #[must_use]
    pub fn new(port: u16, random: Arc<dyn Random>) -> Self {
        let mut hosts = vec![format!("127.0.0.1:{port}"), format!("localhost:{port}")];
        if port == 80 {
            hosts.extend(["127.0.0.1".to_owned(), "localhost".to_owned()]);
        }
        let (token, password) = (secret(random.as_ref()), secret(random.as_ref()));
        let (home, cookie) = (format!("/{}/", secret(random.as_ref())), format!("chunkstore-session-{port}"));
        Self { hosts, random, token: Mutex::new(token), sessions: Mutex::default(), password, home, cookie }
    }

    /// Returns the token that opens a session now.
    #[must_use]
    pub fn token(&self) -> String {
        lock(&self.token).clone()
    }

    /// Returns the password of WebDAV.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Returns the path below which all pages lie, with a `/` at both ends; for who was let in alone.
    #[must_use]
    pub fn home(&self) -> &str {
        &self.home
    }

    /// Takes a token, which is good for nothing from then on, and returns the header that hands a session to the browser.
    #[must_use]
    pub fn open(&self, given: &str) -> Option<String> {
        let mut token = lock(&self.token);
        if !same(&token, given) {
            return None;
        }
        *token = secret(self.random.as_ref());
        let session = secret(self.random.as_ref());
        let mut sessions = lock(&self.sessions);
        sessions.push_back(blake3::hash(session.as_bytes()));
        if sessions.len() > SESSIONS_MAX {
            sessions.pop_front();
        }
        Some(format!("{}={session}; Path={}; HttpOnly; SameSite=Strict", self.cookie, self.home))
    }

    /// Returns whether a request carries the cookie of a session.
    #[must_use]
    pub fn knows(&self, headers: &HeaderMap) -> bool {
        let sessions = lock(&self.sessions);
        let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
        let values =
            lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().strip_prefix(self.cookie.as_str()));
        let given: Vec<Hash> =
            values.filter_map(|value| Some(blake3::hash(value.strip_prefix('=')?.as_bytes()))).collect();
        sessions.iter().any(|session| given.contains(session))
    }

    /// Returns whether a text is the password.
    #[must_use]
    pub fn is_password(&self, given: &str) -> bool {
        same(&self.password, given)
    }

    /// Returns whether a request carries the password as HTTP's basic authentication has it, under any name.
    #[must_use]
    pub fn has_password(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let encoded =
            given.and_then(|value| value.split_once(' ')).filter(|(kind, _)| kind.eq_ignore_ascii_case("basic"));
        let pair = encoded.and_then(|(_, encoded)| from_base64(encoded.trim()));
        let pair = pair.and_then(|pair| String::from_utf8(pair).ok());
        pair.is_some_and(|pair| pair.split_once(':').is_some_and(|(_, password)| self.is_password(password)))
    }

    /// Returns whether a request names this server as its host: not the name of a site that leads here.
    #[must_use]
    pub fn is_host(&self, headers: &HeaderMap) -> bool {
        let mut hosts = headers.get_all(header::HOST).into_iter();
        let host = hosts.next().and_then(|host| host.to_str().ok());
        hosts.next().is_none() && host.is_some_and(|host| self.hosts.iter().any(|own| own.eq_ignore_ascii_case(host)))
    }

    /// Returns whether another site had the browser send a request. Where the browser does not tell, the cookie is not sent.
    #[must_use]
    pub fn is_foreign(&self, headers: &HeaderMap) -> bool {
        let own = headers.get(header::HOST).and_then(|host| host.to_str().ok()).map(|host| format!("http://{host}"));
        let origin = headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or("null"));
        let site = headers.get("sec-fetch-site").map(|site| site.to_str().unwrap_or("cross-site"));
        origin.is_some_and(|origin| Some(origin) != own.as_deref())
            || site.is_some_and(|site| !matches!(site, "same-origin" | "none"))
    }

    /// Returns whether a browser only wants to have a page at hand in case that somebody goes there.
    #[must_use]
    pub fn is_guess(headers: &HeaderMap) -> bool {
        ["sec-purpose", "purpose"].iter().any(|name| {
            headers.get(*name).and_then(|value| value.to_str().ok()).is_some_and(|value| value.contains("prefetch"))
        })
    }
}

/// Compares two secrets.
fn same(one: &str, other: &str) -> bool {
    blake3::hash(one.as_bytes()) == blake3::hash(other.as_bytes())
}

fn secret(random: &dyn Random) -> String {
    hex::encode(random_array::<SECRET_BYTES>(random))
}

/// Decodes base64 with or without its padding.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=').as_bytes();
    let value = |letter: &u8| match letter {
        b'A'..=b'Z' => Some(letter - b'A'),
        b'a'..=b'z' => Some(letter - b'a' + 26),
        b'0'..=b'9' => Some(letter - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    for group in text.chunks(4) {
        let mut bits = 0u32;
        for letter in group {
            bits = bits << 6 | u32::from(value(letter)?);
        }
        bits <<= 6 * (4 - group.len());
        bytes.extend_from_slice(bits.to_be_bytes().get(1..group.len())?);
    }
    Some(bytes)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
