//! Checked settings of a run: what was typed, else what the environment says, else the profile, else the defaults of the
//! configuration file, else the platform's habit. Nothing below `cli` sees raw flags.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::args::reading::CopiesArgs;
use super::args::{GlobalArgs, When};
use super::config::parts::{self, Faults};
use super::config::{Config, Preset};
use super::environment::{Environment, ServiceEnvironment, absolute};
use super::output::shown;
use super::quantities::{parse_count, parse_duration, parse_sha256, parse_size};
use crate::disk::host::read_host_file;
use crate::error::{Error, ErrorKind, Result};
use crate::remote::ftp::{FtpOptions, TlsTrust};
use crate::remote::url::Password;

const CONNECTIONS_MAX: usize = 32;
const CA_MAX_BYTES: u64 = 4 << 20;
/// Bytes of sealed content that are kept unless told otherwise.
const CACHE_BYTES: u64 = 512 << 20;

/// Who answers for passphrases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PassphraseSource {
    /// The first line of a file.
    File(PathBuf),
    /// There is none.
    None,
    /// The person at the terminal.
    Ask,
    /// Nobody: there is no terminal and no flag.
    Nobody,
}

/// How progress is shown on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressStyle {
    /// A bar.
    Bar,
    /// A line now and then.
    Lines,
    /// Not at all.
    Silent,
}

/// What holds for every remote of a run.
#[derive(Debug, Clone)]
pub struct RemoteSettings {
    /// Sessions at a time.
    pub connections: usize,
    /// Bytes a second over all sessions.
    pub limit_rate: Option<u64>,
    /// Longest wait.
    pub timeout: Duration,
    /// Which certificates are accepted, as it was typed.
    pub typed_trust: Option<TlsTrust>,
    /// Which are accepted where neither a flag nor the remote's own entry says it.
    pub trust: TlsTrust,
    /// The variable that names a proxy for FTP, and the proxy, not yet understood: what needs none does not fail over it.
    pub proxy: Option<(&'static str, Password)>,
    /// `NO_PROXY`.
    pub no_proxy: String,
    /// `CHUNKSTORE_REMOTE_USER`.
    pub user: Option<String>,
    /// `CHUNKSTORE_REMOTE_PASSWORD`.
    pub password: Option<Password>,
}

/// Where a verb that reads finds the store besides `--store`.
#[derive(Debug, Clone)]
pub struct CopySettings {
    /// Other copies, as they were typed.
    pub also: Vec<String>,
    /// The fingerprint that was typed.
    pub trust: Option<String>,
    /// Less is taken than was shown before.
    pub accept_older: bool,
    /// Most bytes of sealed content that are kept on this machine; 0 for none.
    pub cache_bytes: u64,
    /// They are kept of a store that is near as well.
    pub caches_all: bool,
}

impl CopySettings {
    /// Checks flags.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`].
    pub fn new(args: &CopiesArgs) -> Result<Self> {
        let typed = args.cache_bytes.as_ref().map(|text| parse_size("--cache-bytes", text)).transpose()?;
        Ok(Self {
            also: args.also.clone(),
            trust: args.trust.clone(),
            accept_older: args.accept_older,
            cache_bytes: if args.no_cache { 0 } else { typed.unwrap_or(CACHE_BYTES) },
            caches_all: typed.is_some(),
        })
    }
}

/// What a run goes by.
#[derive(Clone)]
pub struct Settings {
    /// The store, if one was named.
    pub store: Option<PathBuf>,
    /// Where a verb that reads finds the store besides; nothing for other verbs.
    pub copies: Option<CopySettings>,
    /// Remotes of `push` and `sync` where none are typed.
    pub remotes: Vec<String>,
    /// The folder of the keys, if there is any.
    pub keys: Option<PathBuf>,
    /// The folder of root keys, if it was named.
    pub root_keys: Option<PathBuf>,
    /// Identity files.
    pub identities: Vec<PathBuf>,
    /// They were typed, so whoever runs this means to open the store with them.
    pub identities_typed: bool,
    /// Who answers for passphrases.
    pub passphrase: PassphraseSource,
    /// Questions can be asked.
    pub can_ask: bool,
    /// Results are JSON.
    pub json: bool,
    /// 0 to 2.
    pub verbosity: u8,
    /// How progress is shown.
    pub progress: ProgressStyle,
    /// stdout may be coloured.
    pub color: bool,
    /// stdout is a terminal.
    pub stdout_is_terminal: bool,
    /// Where the host's memory lives.
    pub cache: Option<PathBuf>,
    /// Who commits, as `user@host`.
    pub author: String,
    /// Owners may be given to others' files.
    pub privileged: bool,
    /// For remotes.
    pub remote: RemoteSettings,
    /// The configuration.
    pub config: Config,
    /// What of it was left out.
    pub config_faults: Faults,
    /// Where the configuration is written to.
    pub config_file: Option<PathBuf>,
    /// What a service is told.
    pub service: ServiceEnvironment,
}

impl Settings {
    /// Checks flags against their surroundings.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a value that makes no sense, in flags or in the file.
    pub fn new(args: GlobalArgs, environment: Environment) -> Result<Self> {
        Self::read_by(args, environment, |file| Ok((Config::load(file)?, Faults::new())))
    }

    /// Does the same for a service that nobody watches: what is broken in the configuration file is named and left out.
    ///
    /// # Errors
    /// As [`Settings::new`], and those of [`parts::load`].
    pub fn in_parts(args: GlobalArgs, environment: Environment) -> Result<Self> {
        Self::read_by(args, environment, parts::load)
    }

    fn read_by(
        args: GlobalArgs,
        environment: Environment,
        load: impl Fn(&Path) -> Result<(Config, Faults)>,
    ) -> Result<Self> {
        let config_file = environment.config_dir.as_ref().map(|dir| dir.join("config.toml"));
        let (config, config_faults) = config_file.as_deref().map(load).transpose()?.unwrap_or_default();
        let preset = config.preset(args.profile.as_deref().or(environment.profile.as_deref()))?;
        let passphrase = passphrase_source(&args, environment.can_ask);
        let progress = args.progress.or(preset.progress).unwrap_or_default();
        let color = args.color.or(preset.color).unwrap_or_default();
        let on_terminal = environment.stdout_is_terminal && !environment.no_color;
        let first = |flag: Vec<PathBuf>, then: Vec<PathBuf>| if flag.is_empty() { then } else { flag };
        Ok(Self {
            remote: remote_settings(&args, &environment, &preset)?,
            copies: None,
            remotes: preset.remotes,
            store: args.store.or(environment.store).or(preset.store),
            keys: args.keys.or(environment.keys).or(preset.keys).or(environment.config_dir).map(|dir| absolute(&dir)),
            root_keys: args.root_keys.or(preset.root_keys).map(|dir| absolute(&dir)),
            identities_typed: !args.identity.is_empty(),
            identities: first(args.identity, first(environment.identities, preset.identities)),
            passphrase,
            can_ask: environment.can_ask,
            json: args.json,
            verbosity: args.verbose.min(2),
            progress: progress_style(progress, environment.stderr_is_terminal, args.quiet),
            color: color == When::Always || (color == When::Auto && on_terminal),
            stdout_is_terminal: environment.stdout_is_terminal,
            cache: args.cache.or(preset.cache).or(environment.cache_dir),
            privileged: environment.privileged,
            author: environment.author,
            config,
            config_faults,
            config_file,
            service: environment.service,
        })
    }

    /// Returns the remote that `push` is to use: the one that was typed, else the first that the configuration names.
    #[must_use]
    pub fn push_remote<'a>(&'a self, typed: Option<&'a str>) -> Option<&'a str> {
        typed.or(self.remotes.first().map(String::as_str))
    }

    /// Returns where keys live.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] where there is neither a flag nor a home.
    pub fn keys_dir(&self) -> Result<&Path> {
        let none =
            || Error::new(ErrorKind::Usage, "there is no configuration folder here: name one for keys by --keys");
        self.keys.as_deref().ok_or_else(none)
    }
}

fn passphrase_source(args: &GlobalArgs, can_ask: bool) -> PassphraseSource {
    match &args.passphrase_file {
        Some(file) => PassphraseSource::File(file.clone()),
        None if args.no_passphrase => PassphraseSource::None,
        None if can_ask => PassphraseSource::Ask,
        None => PassphraseSource::Nobody,
    }
}

fn progress_style(when: When, terminal: bool, quiet: bool) -> ProgressStyle {
    match (when, terminal) {
        (When::Auto, true) if !quiet => ProgressStyle::Bar,
        (When::Always, true) => ProgressStyle::Bar,
        (When::Always, false) => ProgressStyle::Lines,
        _ => ProgressStyle::Silent,
    }
}

fn remote_settings(args: &GlobalArgs, environment: &Environment, preset: &Preset) -> Result<RemoteSettings> {
    let habits = FtpOptions::default();
    let connections = match (&args.connections, preset.connections) {
        (Some(text), _) => parse_count("--connections", text, 1..=CONNECTIONS_MAX)?,
        (None, Some(count)) => parse_count("connections", &count.to_string(), 1..=CONNECTIONS_MAX)?,
        (None, None) => habits.connections,
    };
    let limit_rate = args.limit_rate.as_ref().or(preset.limit_rate.as_ref());
    let timeout = args.timeout.as_ref().or(preset.timeout.as_ref());
    Ok(RemoteSettings {
        connections,
        limit_rate: limit_rate.map(|text| parse_size("--limit-rate", text)).transpose()?.filter(|rate| *rate > 0),
        timeout: timeout.map_or(Ok(habits.timeout), |text| parse_duration("--timeout", text))?,
        typed_trust: tls_trust(args.tls_ca.as_deref(), args.tls_pin.as_deref())?,
        trust: tls_trust(preset.tls_ca.as_deref(), preset.tls_pin.as_deref())?.unwrap_or_default(),
        proxy: environment.proxy.clone(),
        no_proxy: environment.no_proxy.clone(),
        user: environment.remote_user.clone(),
        password: environment.remote_password.clone(),
    })
}

/// Makes sense of a CA file and a pin; nothing where neither is named.
///
/// # Errors
/// [`ErrorKind::Usage`], also where both are named: one of them would do nothing.
pub fn tls_trust(ca: Option<&Path>, pin: Option<&str>) -> Result<Option<TlsTrust>> {
    if ca.is_some() && pin.is_some() {
        return Err(Error::new(ErrorKind::Usage, "tls-ca and tls-pin exclude each other: name one of them"));
    }
    if let Some(pin) = pin {
        return Ok(Some(TlsTrust::PinSha256(parse_sha256("--tls-pin", pin)?)));
    }
    let Some(file) = ca else { return Ok(None) };
    let missing = || Error::new(ErrorKind::Usage, format!("there is no file {} for --tls-ca", shown(file)));
    Ok(Some(TlsTrust::CaPem(read_host_file(file, CA_MAX_BYTES)?.ok_or_else(missing)?)))
}

#[cfg(test)]
mod tests;
