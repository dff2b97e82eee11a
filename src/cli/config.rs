//! The configuration file `chunkstore/config.toml`: named remotes, profiles, and defaults for flags.
//!
#![doc = include_str!("config.md")]
//!
//! No error repeats a line of the file, which may hold passwords. A key that is not understood is an error: a flag that
//! silently does nothing costs more than a word to mend. `remote add` appends, so that comments stay.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::agent::section::AgentSection;
use super::args::When;
use super::output::{on_one_line, shown};
use crate::disk::host::{read_host_file, replace_host_file};
use crate::error::{Error, ErrorKind, Result};
use crate::remote::url::Password;

pub mod parts;

const MAX_BYTES: u64 = 1 << 20;
const NAME_MAX_BYTES: usize = 64;

/// What the file says.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Stand in for flags that are not given.
    #[serde(default)]
    pub defaults: Preset,
    /// By name; one that is chosen comes before the defaults.
    #[serde(default)]
    pub profiles: BTreeMap<String, Preset>,
    /// By name.
    #[serde(default)]
    pub remotes: BTreeMap<String, RemoteEntry>,
    /// How the agent goes about it.
    #[serde(default)]
    pub agent: AgentSection,
}

/// What stands in for global flags, and for the remotes of `push` and `sync`.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Preset {
    /// `--store`.
    pub store: Option<PathBuf>,
    /// Where none is typed: all of them for `sync`, the first for `push`.
    #[serde(default)]
    pub remotes: Vec<String>,
    /// `--keys`.
    pub keys: Option<PathBuf>,
    /// `--root-keys`.
    pub root_keys: Option<PathBuf>,
    /// `--identity`.
    #[serde(default)]
    pub identities: Vec<PathBuf>,
    /// `--cache`.
    pub cache: Option<PathBuf>,
    /// `--progress`.
    pub progress: Option<When>,
    /// `--color`.
    pub color: Option<When>,
    /// `--connections`.
    pub connections: Option<usize>,
    /// `--limit-rate`.
    pub limit_rate: Option<String>,
    /// `--timeout`.
    pub timeout: Option<String>,
    /// `--tls-ca`.
    pub tls_ca: Option<PathBuf>,
    /// `--tls-pin`.
    pub tls_pin: Option<String>,
}

impl Preset {
    /// Takes what another says where this one is silent.
    fn or(self, other: Self) -> Self {
        // Both say whom to trust, so they come from one place.
        let own_trust = self.tls_ca.is_some() || self.tls_pin.is_some();
        let (tls_ca, tls_pin) = if own_trust { (self.tls_ca, self.tls_pin) } else { (other.tls_ca, other.tls_pin) };
        Self {
            store: self.store.or(other.store),
            remotes: if self.remotes.is_empty() { other.remotes } else { self.remotes },
            keys: self.keys.or(other.keys),
            root_keys: self.root_keys.or(other.root_keys),
            identities: if self.identities.is_empty() { other.identities } else { self.identities },
            cache: self.cache.or(other.cache),
            progress: self.progress.or(other.progress),
            color: self.color.or(other.color),
            connections: self.connections.or(other.connections),
            limit_rate: self.limit_rate.or(other.limit_rate),
            timeout: self.timeout.or(other.timeout),
            tls_ca,
            tls_pin,
        }
    }
}

/// A named remote.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RemoteEntry {
    /// An address or a path.
    pub url: String,
    /// Who logs in.
    pub user: Option<String>,
    /// With what.
    pub password: Option<Secret>,
    /// With what: the first line of a file that nobody else may read.
    pub password_file: Option<PathBuf>,
    /// With what: the first line that a program writes, as one that asks a keyring.
    pub password_command: Option<Vec<String>>,
    /// Trusts the authorities in this file alone.
    pub tls_ca: Option<PathBuf>,
    /// Trusts this certificate alone.
    pub tls_pin: Option<String>,
}

/// A password in the file: never shown.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Returns it as a password.
    #[must_use]
    pub fn password(&self) -> Password {
        Password::new(self.0.clone())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Config {
    /// Reads the file; no file is an empty one.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] with line and column where it is not understood.
    pub fn load(file: &Path) -> Result<Self> {
        let bytes = read_host_file(file, MAX_BYTES)?.unwrap_or_default();
        let text = String::from_utf8(bytes)
            .map_err(|_| Error::new(ErrorKind::Usage, format!("{} is no UTF-8 text", shown(file))))?;
        Self::parse(&text, file)
    }

    /// Reads the text of a file; errors name `file`.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, file: &Path) -> Result<Self> {
        toml::from_str(text).map_err(|error| fault(text, file, &error))
    }

    /// Returns what a profile says, with the defaults behind it; without a profile the defaults alone.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] with the names that there are.
    pub fn preset(&self, profile: Option<&str>) -> Result<Preset> {
        let Some(name) = profile else { return Ok(self.defaults.clone()) };
        let unknown = || {
            let names: Vec<_> = self.profiles.keys().map(|name| on_one_line(name)).collect();
            let known = if names.is_empty() {
                "the configuration file has none".to_owned()
            } else {
                format!("the configuration file has {}", names.join(", "))
            };
            Error::new(ErrorKind::Usage, format!("there is no profile {name:?}: {known}"))
        };
        Ok(self.profiles.get(name).ok_or_else(unknown)?.clone().or(self.defaults.clone()))
    }
}

fn fault(text: &str, file: &Path, error: &toml::de::Error) -> Error {
    fault_at(text, file, error.span().map_or(0, |span| span.start), error.message())
}

/// Says what is wrong with the file, and where.
fn fault_at(text: &str, file: &Path, at: usize, reason: &str) -> Error {
    let (line, column) = position(text, at);
    Error::new(ErrorKind::Usage, format!("{} line {line} column {column}: {reason}", shown(file)))
}

/// Returns line and column, both from 1, of a byte; columns count characters.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// A remote to be named.
pub struct NewRemote<'a> {
    /// Letters, digits, `-` and `_`.
    pub name: &'a str,
    /// Without user and password.
    pub url: &'a str,
    /// Who logs in.
    pub user: Option<&'a str>,
    /// With what.
    pub password: Option<&'a Password>,
}

/// Appends a named remote to the file, which is made where there is none; only its owner can read it then.
///
/// # Durability
/// The file is the old or the new one.
///
/// # Errors
/// [`ErrorKind::Usage`] for a name that is taken or not plain, and those of the disk.
pub fn add_remote(file: &Path, remote: &NewRemote<'_>) -> Result<()> {
    require_plain_name(remote.name)?;
    if Config::load(file)?.remotes.contains_key(remote.name) {
        let taken = format!("a remote {} is already in {}", remote.name, shown(file));
        return Err(Error::new(ErrorKind::Usage, taken));
    }
    let mut text = String::from_utf8(read_host_file(file, MAX_BYTES)?.unwrap_or_default()).unwrap_or_default();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    let gap = if text.is_empty() { "" } else { "\n" };
    text.push_str(&format!("{gap}[remotes.{}]\n", remote.name));
    let values =
        [("url", Some(remote.url)), ("user", remote.user), ("password", remote.password.map(Password::reveal))];
    for (key, value) in values {
        if let Some(value) = value {
            text.push_str(&format!("{key} = {}\n", toml::Value::String(value.to_owned())));
        }
    }
    Config::parse(&text, file).map_err(|error| error.within("cannot append to the configuration: add it by hand"))?;
    Ok(replace_host_file(file, text.as_bytes(), 0o600)?)
}

fn require_plain_name(name: &str) -> Result<()> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
    if !name.is_empty() && name.len() <= NAME_MAX_BYTES && !name.starts_with('-') && name.bytes().all(plain) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Usage, "a remote's name is made of up to 64 letters, digits, - and _"))
}

#[cfg(test)]
mod tests;
