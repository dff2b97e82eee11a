//! The configuration file in parts, for a service that nobody watches: what is broken is named and left out, and the rest holds.
//!
//! A file that is no TOML, and a section of the agent itself that makes no sense, leave nothing to go by and are errors. A remote or a
//! profile that is broken costs itself alone, and so does a key that nobody knows.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::{Config, MAX_BYTES, fault, fault_at};
use crate::cli::agent::section::{AgentSection, KEYS};
use crate::cli::output::shown;
use crate::disk::host::{is_open_to_others, read_host_file};
use crate::error::{Error, ErrorKind, Result};

/// What is wrong with a file that can be used all the same.
pub type Faults = Vec<String>;

/// Reads the file part by part; no file is an empty one. A remote whose password stands in a file that others may read is left
/// out.
///
/// # Errors
/// [`ErrorKind::Usage`] with line and column where nothing of it, or of the agent's section, can be used.
pub fn load(file: &Path) -> Result<(Config, Faults)> {
    let bytes = read_host_file(file, MAX_BYTES)?.unwrap_or_default();
    let no_text = |_| Error::new(ErrorKind::Usage, format!("{} is no UTF-8 text", shown(file)));
    let (mut config, mut faults) = parse(&String::from_utf8(bytes).map_err(no_text)?, file)?;
    if is_open_to_others(file) {
        let has_password = |name: &String| config.remotes[name].password.is_some();
        let open: Vec<_> = config.remotes.keys().filter(|name| has_password(name)).cloned().collect();
        for name in open {
            let file = shown(file);
            faults.push(format!(
                "the remote {name} is left out: {file} has its password and can be read by others: chmod 600 {file}"
            ));
            config.remotes.remove(&name);
        }
    }
    Ok((config, faults))
}

/// Reads the text of a file part by part; what is wrong names `file`.
///
/// # Errors
/// As [`load`].
pub fn parse(text: &str, file: &Path) -> Result<(Config, Faults)> {
    let table = DeTable::parse(text).map_err(|error| fault(text, file, &error))?.into_inner();
    let mut parts = Parts { text, file, faults: Vec::new() };
    let mut config = Config::default();
    for (key, value) in in_order(table) {
        match key.get_ref().as_ref() {
            "defaults" => config.defaults = parts.take(value).unwrap_or_default(),
            "profiles" => config.profiles = parts.each(value),
            "remotes" => config.remotes = parts.each(value),
            "agent" => config.agent = parts.agent(value)?,
            other => parts.unknown(other, key.span()),
        }
    }
    Ok((config, parts.faults))
}

/// Returns what stands in a table as it is written, so that what is wrong is told of from top to bottom.
fn in_order(table: DeTable<'_>) -> Vec<(Spanned<Cow<'_, str>>, Spanned<DeValue<'_>>)> {
    let mut entries: Vec<_> = table.into_iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

struct Parts<'a> {
    text: &'a str,
    file: &'a Path,
    faults: Faults,
}

impl Parts<'_> {
    fn unknown(&mut self, key: &str, span: Range<usize>) {
        let what = format!("there is no key {key:?}: it is left out");
        self.add(&fault_at(self.text, self.file, span.start, &what));
    }

    fn add(&mut self, error: &Error) {
        self.faults.push(error.to_string());
    }

    /// Reads one part; a broken one is named.
    fn take<T: DeserializeOwned>(&mut self, value: Spanned<DeValue<'_>>) -> Option<T> {
        let read = T::deserialize(ValueDeserializer::from(value));
        read.map_err(|error| self.add(&fault(self.text, self.file, &error))).ok()
    }

    /// Reads a table of parts.
    fn each<T: DeserializeOwned>(&mut self, value: Spanned<DeValue<'_>>) -> BTreeMap<String, T> {
        let span = value.span();
        let DeValue::Table(table) = value.into_inner() else {
            self.add(&fault_at(self.text, self.file, span.start, "a table is wanted here"));
            return BTreeMap::new();
        };
        let named = in_order(table).into_iter().map(|(key, value)| (key.get_ref().to_string(), value));
        named.filter_map(|(name, value)| Some((name, self.take(value)?))).collect()
    }

    /// Reads the agent's section without keys that nobody knows.
    fn agent(&mut self, value: Spanned<DeValue<'_>>) -> Result<AgentSection> {
        let span = value.span();
        let mut value = value.into_inner();
        if let DeValue::Table(table) = &mut value {
            let unknown = table.keys().filter(|key| !KEYS.contains(&key.get_ref().as_ref()));
            let unknown: Vec<_> = unknown.map(|key| (key.get_ref().to_string(), key.span())).collect();
            for (key, span) in unknown {
                self.unknown(&key, span);
                table.remove(key.as_str());
            }
        }
        let read = serde::Deserialize::deserialize(ValueDeserializer::from(Spanned::new(span, value)));
        read.map_err(|error| fault(self.text, self.file, &error))
    }
}

#[cfg(test)]
mod tests;
