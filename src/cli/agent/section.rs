//! The section `[agent]` of the configuration file, as it is written and as rules.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;

use crate::agent::rules::{Rules, Stores};
use crate::agent::windows::Windows;
use crate::base::StoreId;
use crate::cli::quantities::{parse_count, parse_duration, parse_keeping, parse_percent, parse_size};
use crate::error::{Error, ErrorKind, Result};

/// Every key of the section.
pub const KEYS: [&str; 15] = [
    "stores",
    "remotes",
    "windows",
    "metered",
    "spread",
    "settle",
    "runs",
    "recheck",
    "collect-below",
    "verify-every",
    "verify-sample",
    "limit-rate",
    "connections",
    "notify",
    "receipts",
];
const RUNS_MAX: usize = 16;
const CONNECTIONS_MAX: usize = 32;
/// What stands for "not at all".
const NEVER: &str = "never";

/// What the section says.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AgentSection {
    /// `"any"`, or a list of ids.
    pub stores: Option<Named>,
    /// Names, addresses or paths of remotes by store id, in place of the one that a store was cloned from.
    #[serde(default)]
    pub remotes: BTreeMap<String, Vec<String>>,
    /// When runs may begin and go on.
    #[serde(default)]
    pub windows: Vec<String>,
    /// Network interfaces that cost by the byte; a `*` at the end stands for anything.
    #[serde(default)]
    pub metered: Vec<String>,
    /// Over how long starts are spread.
    pub spread: Option<String>,
    /// How long a volume is left to itself after it was mounted.
    pub settle: Option<String>,
    /// Most runs at a time.
    pub runs: Option<usize>,
    /// How often a key that stays plugged in is looked at again.
    pub recheck: Option<String>,
    /// Below how much free room garbage is collected.
    pub collect_below: Option<String>,
    /// How often a sample of a key is verified.
    pub verify_every: Option<String>,
    /// How much of it.
    pub verify_sample: Option<String>,
    /// Bytes a second over all runs.
    pub limit_rate: Option<String>,
    /// Sessions of a run with its remote at a time.
    pub connections: Option<usize>,
    /// Whether the person at the desktop is told.
    pub notify: Option<bool>,
    /// Whether runs leave a receipt on their server.
    pub receipts: Option<bool>,
}

/// Some by name, or any.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Named {
    /// `"any"`.
    Word(String),
    /// Ids.
    List(Vec<String>),
}

/// What the section comes to, besides the rules.
#[derive(Debug, Clone, PartialEq)]
pub struct Extras {
    /// The share of packs that a sample hashes, in percent.
    pub sample_percent: f64,
    /// Bytes a second over all runs.
    pub limit_rate: Option<u64>,
    /// Sessions of a run at a time.
    pub connections: Option<usize>,
    /// The person at the desktop is told.
    pub notifies: bool,
    /// Runs leave a receipt on their server.
    pub leaves_receipts: bool,
}

impl AgentSection {
    /// Makes rules of it.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] that names the key.
    pub fn rules(&self) -> Result<Rules> {
        let habits = Rules::default();
        Ok(Rules {
            stores: self.stores.as_ref().map_or(Ok(habits.stores), stores_of)?,
            windows: self.parsed_windows()?,
            on_metered: self.metered.is_empty(),
            spread: span("spread", self.spread.as_deref(), habits.spread)?,
            settle: self.settle.as_deref().map_or(Ok(habits.settle), |text| parse_duration("settle", text))?,
            runs_max: self
                .runs
                .map_or(Ok(habits.runs_max), |runs| parse_count("runs", &runs.to_string(), 1..=RUNS_MAX))?,
            recheck: span("recheck", self.recheck.as_deref(), habits.recheck)?,
            collect_below_bytes: match self.collect_below.as_deref() {
                None | Some(NEVER) => None,
                Some(text) => Some(parse_size("collect-below", text)?),
            },
            sample_every: span("verify-every", self.verify_every.as_deref(), habits.sample_every)?,
        })
    }

    /// Makes sense of the rest.
    ///
    /// # Errors
    /// As [`AgentSection::rules`].
    pub fn extras(&self) -> Result<Extras> {
        let count = |count: usize| parse_count("connections", &count.to_string(), 1..=CONNECTIONS_MAX);
        let rate = self.limit_rate.as_deref().map(|text| parse_size("limit-rate", text)).transpose()?;
        Ok(Extras {
            sample_percent: parse_percent("verify-sample", self.verify_sample.as_deref().unwrap_or("5%"))?,
            limit_rate: rate.filter(|rate| *rate > 0),
            connections: self.connections.map(count).transpose()?,
            notifies: self.notify.unwrap_or(true),
            leaves_receipts: self.receipts.unwrap_or(false),
        })
    }

    fn parsed_windows(&self) -> Result<Windows> {
        let wrong = |text: &str, error| Error::with_source(ErrorKind::Usage, format!("windows has {text:?}"), error);
        let parsed = self.windows.iter().map(|text| text.parse().map_err(|error| wrong(text, error)));
        Windows::new(parsed.collect::<Result<_>>()?).map_err(|error| wrong("too many", error))
    }

    /// Returns whether a network interface costs by the byte.
    #[must_use]
    pub fn costs(&self, interface: &str) -> bool {
        self.metered.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => interface.starts_with(start),
            None => pattern == interface,
        })
    }
}

fn stores_of(named: &Named) -> Result<Stores> {
    match named {
        Named::Word(word) if word == "any" => Ok(Stores::Any),
        Named::Word(word) => parse_ids(std::slice::from_ref(word)),
        Named::List(ids) => parse_ids(ids),
    }
}

/// Reads a list of store ids.
///
/// # Errors
/// [`ErrorKind::Usage`].
pub fn parse_ids(ids: &[String]) -> Result<Stores> {
    let parse = |text: &String| {
        let wrong = || format!("{text:?} is no store id: `chunkstore status` shows one, as 32 hex digits");
        text.parse::<StoreId>().map_err(|error| Error::with_source(ErrorKind::Usage, wrong(), error))
    };
    Ok(Stores::Listed(ids.iter().map(parse).collect::<Result<BTreeSet<_>>>()?))
}

/// Reads a span of whole seconds up to years; `never` is none.
fn span(key: &str, text: Option<&str>, habit: Option<Duration>) -> Result<Option<Duration>> {
    match text {
        None => Ok(habit),
        Some(NEVER) => Ok(None),
        Some(text) => Ok(Some(Duration::from_secs(parse_keeping(key, text)?.max(1).unsigned_abs()))),
    }
}

#[cfg(test)]
mod tests;
