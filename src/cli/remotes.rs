//! From a word to a remote: a name in the configuration, an address, or a path.
//!
//! A bare word that names neither a remote nor a folder is taken for a mistyped name; `./word` is always a path. Of user
//! and password, those in the address come first, then those of the named remote, then the environment's; a password
//! is used only with the user that it was given for.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::config::{NewRemote, RemoteEntry, add_remote};
use super::environment::absolute;
use super::output::{on_one_line, shown};
use super::settings::{Settings, tls_trust};
use crate::base::Clock;
use crate::disk::host::list_host_dir;
use crate::disk::{DiskErrorKind, OsDisk};
use crate::error::{Error, ErrorKind, Result};
use crate::path_remote::PathRemote;
use crate::remote::Remote;
use crate::remote::ftp::{FtpOptions, FtpRemote, TlsTrust};
use crate::remote::http::{HttpOptions, HttpRemote, HttpUrl};
use crate::remote::proxy::{NoProxy, Proxy};
use crate::remote::rate::{RateLimit, Throttle};
use crate::remote::url::{Credentials, FtpUrl, Password};

mod password;

/// Says which addresses there are.
pub const UNDERSTOOD: &str = "understood are ftp://, ftps://, ftps+implicit://, https:// (to read) and paths";

/// What a remote is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It has to be there.
    Read,
    /// A folder is made where none stands.
    Publish,
}

/// What several words name.
pub struct Several {
    /// The remotes that are there.
    pub remotes: Vec<Arc<dyn Remote>>,
    /// Words whose folder is not there, each with the reason.
    pub absent: Vec<(String, Error)>,
}

/// Makes remotes; those of one run share the limit of its rate.
pub struct Remotes<'a> {
    settings: &'a Settings,
    clock: Arc<dyn Clock>,
    throttle: Option<Arc<dyn Throttle>>,
    /// How long a program may take to give a password; nothing where a person sits before it.
    password_within: Option<Duration>,
}

impl<'a> Remotes<'a> {
    /// Makes remotes as the settings say.
    #[must_use]
    pub fn new(settings: &'a Settings, clock: Arc<dyn Clock>) -> Self {
        let limit = |rate| Arc::new(RateLimit::new(rate, Arc::clone(&clock))) as Arc<dyn Throttle>;
        let throttle = settings.remote.limit_rate.map(limit);
        Self { settings, clock, throttle, password_within: None }
    }

    /// Makes remotes for runs that nobody watches: they share a limit with those of other runs, and whoever is asked for a password
    /// has so long for it.
    #[must_use]
    pub fn unattended(
        settings: &'a Settings,
        clock: Arc<dyn Clock>,
        throttle: Option<Arc<dyn Throttle>>,
        password_within: Duration,
    ) -> Self {
        Self { settings, clock, throttle, password_within: Some(password_within) }
    }

    /// Returns whether this host's configuration names the remote of an address.
    #[must_use]
    pub fn knows(&self, address: &str) -> bool {
        self.entry_at(address).is_some()
    }

    /// Makes the remote that a word names; nothing is connected.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for what is not understood, [`ErrorKind::Remote`] for a folder that is not there.
    pub fn find(&self, word: &str, need: Need) -> Result<Arc<dyn Remote>> {
        match self.settings.config.remotes.get(word) {
            Some(entry) => {
                let found = self.open(&entry.url, Login::of_environment(self.settings), Some(entry), need);
                found.map_err(|error| error.within(format!("cannot use the remote {word}")))
            }
            None => {
                require_plausible(word)?;
                self.open(word, Login::of_environment(self.settings), self.entry_at(word), need)
            }
        }
    }

    /// Makes the remotes that words name, to read from. A folder that is not there is left aside, like a server that does not
    /// answer; whether enough are there is the caller's to say.
    ///
    /// # Errors
    /// As [`Remotes::find`] for anything else.
    pub fn find_several(&self, words: &[String]) -> Result<Several> {
        let mut several = Several { remotes: Vec::new(), absent: Vec::new() };
        for word in words {
            match self.find(word, Need::Read) {
                Ok(remote) => several.remotes.push(remote),
                Err(error) if error.kind() == ErrorKind::Remote => several.absent.push((word.clone(), error)),
                Err(error) => return Err(error),
            }
        }
        Ok(several)
    }

    /// Makes the remote that a store names itself. Whoever had the store in hand may have written that address, so one that
    /// this host's configuration does not know gets no login of this host.
    ///
    /// # Errors
    /// As [`Remotes::find`].
    pub fn find_recorded(&self, address: &str, need: Need) -> Result<Arc<dyn Remote>> {
        match self.entry_at(address) {
            Some(_) => self.find(address, need),
            None => self.open(address, Login::none(), None, need),
        }
    }

    /// Returns what to say where a login stands ready and [`Remotes::find_recorded`] withholds it.
    #[must_use]
    pub fn withheld(&self, address: &str) -> Option<String> {
        let withholds = self.entry_at(address).is_none() && self.settings.remote.user.is_some();
        withholds.then(|| {
            let address = on_one_line(address);
            format!("chunkstore: only the store names {address}, so it gets no login: name the remote to give it one")
        })
    }

    /// Names a remote that a store was cloned from in the configuration, with the login in its address, so that later
    /// runs find both. Nothing happens where the configuration knows the address.
    ///
    /// # Errors
    /// Those of writing the configuration.
    pub fn remember(&self, word: &str, address: &str, store: &str) -> Result<()> {
        let config = &self.settings.config;
        let Some(file) = &self.settings.config_file else { return Ok(()) };
        let url = FtpUrl::parse(word).ok();
        if config.remotes.contains_key(word) || self.entry_at(word).is_some() {
            return Ok(());
        }
        let taken = |name: &String| config.remotes.contains_key(name);
        let names = (1..).map(|number| format!("{}-{number}", store.get(..8).unwrap_or(store)));
        let Some(name) = names.take(config.remotes.len() + 1).find(|name| !taken(name)) else { return Ok(()) };
        let user = url.as_ref().and_then(|url| url.user.as_deref());
        let password = url.as_ref().and_then(|url| url.password.as_ref());
        add_remote(file, &NewRemote { name: &name, url: address, user, password })
    }

    /// Finds the named remote of an address, whose login may be needed. Another user's is another remote.
    fn entry_at(&self, text: &str) -> Option<&RemoteEntry> {
        let wanted = FtpUrl::parse(text).ok();
        if let Ok(wanted) = HttpUrl::parse(text) {
            let same = |entry: &&RemoteEntry| HttpUrl::parse(&entry.url).is_ok_and(|url| url == wanted);
            return self.settings.config.remotes.values().find(same);
        }
        let same = |entry: &&RemoteEntry| match (&wanted, FtpUrl::parse(&entry.url)) {
            (Some(wanted), Ok(url)) => {
                let user = entry.user.as_ref().or(url.user.as_ref());
                wanted.to_string() == url.to_string() && (wanted.user.is_none() || wanted.user.as_ref() == user)
            }
            (None, Err(_)) => absolute(Path::new(text)) == absolute(Path::new(&entry.url)),
            _ => false,
        };
        self.settings.config.remotes.values().find(same)
    }

    fn open(
        &self,
        text: &str,
        fallback: Login<'_>,
        entry: Option<&RemoteEntry>,
        need: Need,
    ) -> Result<Arc<dyn Remote>> {
        if FtpUrl::is_ftp(text) {
            let url = FtpUrl::parse(text).map_err(|error| {
                Error::with_source(ErrorKind::Usage, "cannot understand the remote's address", error)
            })?;
            return self.ftp(url, fallback, entry);
        }
        if HttpUrl::is_http(text) {
            let url = HttpUrl::parse(text).map_err(|error| {
                Error::with_source(ErrorKind::Usage, "cannot understand the remote's address", error)
            })?;
            return self.http(url, entry);
        }
        match scheme_of(text) {
            Some(scheme) => {
                let what = format!("cannot use {}:// as a remote: {UNDERSTOOD}", on_one_line(scheme));
                Err(Error::new(ErrorKind::Usage, what))
            }
            None => self.path(&PathBuf::from(text), need),
        }
    }

    fn path(&self, path: &Path, need: Need) -> Result<Arc<dyn Remote>> {
        let path = absolute(path);
        let disk = match need {
            Need::Read => OsDisk::open(&path),
            Need::Publish => {
                require_own_place(&path)?;
                OsDisk::create(&path)
            }
        };
        let disk = disk.map_err(|error| match error.kind {
            DiskErrorKind::NotFound | DiskErrorKind::WrongType | DiskErrorKind::Denied => {
                Error::with_source(ErrorKind::Remote, format!("cannot reach the remote {}", shown(&path)), error.source)
            }
            _ => Error::from(error),
        })?;
        let address = path.to_string_lossy().into_owned();
        Ok(Arc::new(PathRemote::throttled(Arc::new(disk), address, self.throttle.clone())))
    }

    fn ftp(&self, url: FtpUrl, fallback: Login<'_>, entry: Option<&RemoteEntry>) -> Result<Arc<dyn Remote>> {
        let settings = &self.settings.remote;
        let options = FtpOptions {
            connections: settings.connections,
            timeout: settings.timeout,
            throttle: self.throttle.clone(),
            proxy: self.proxy_for(&url.host)?,
            trust: self.trust_for(entry)?,
            ..FtpOptions::default()
        };
        let noted = entry.and_then(|entry| FtpUrl::parse(&entry.url).ok());
        let noted_password = noted.as_ref().and_then(|url| url.password.clone());
        let asks = |entry| password::of_entry(entry, self.clock.as_ref(), self.password_within);
        let entry_password = entry.map(asks).transpose()?.flatten();
        let credentials = choose_login(&[
            Login { user: url.user.as_deref(), password: url.password.clone() },
            Login { user: noted.as_ref().and_then(|url| url.user.as_deref()), password: noted_password },
            Login { user: entry.and_then(|entry| entry.user.as_deref()), password: entry_password },
            fallback,
        ]);
        Ok(Arc::new(FtpRemote::new(url, credentials, options, Arc::clone(&self.clock))))
    }

    fn http(&self, url: HttpUrl, entry: Option<&RemoteEntry>) -> Result<Arc<dyn Remote>> {
        let (settings, habits) = (&self.settings.remote, FtpOptions::default());
        let options = HttpOptions {
            connections: settings.connections,
            timeout: settings.timeout,
            least_bytes_per_sec: habits.least_bytes_per_sec,
            rate_window: habits.rate_window,
            throttle: self.throttle.clone(),
            proxy: self.proxy_for(&url.host)?,
            trust: self.trust_for(entry)?,
        };
        Ok(Arc::new(HttpRemote::new(url, options, Arc::clone(&self.clock))?))
    }

    /// Returns which certificates are accepted: as it was typed, as the remote's own entry has it, or as everywhere.
    fn trust_for(&self, entry: Option<&RemoteEntry>) -> Result<TlsTrust> {
        let settings = &self.settings.remote;
        let own = entry.map(|entry| tls_trust(entry.tls_ca.as_deref(), entry.tls_pin.as_deref())).transpose()?;
        Ok(settings.typed_trust.clone().or(own.flatten()).unwrap_or_else(|| settings.trust.clone()))
    }

    /// Returns the proxy by which a host is reached, as the environment has it.
    fn proxy_for(&self, host: &str) -> Result<Option<Proxy>> {
        let settings = &self.settings.remote;
        match &settings.proxy {
            Some((variable, text)) if !NoProxy::new(&settings.no_proxy).covers(host) => {
                let wrong = |error| {
                    let what = format!("cannot understand the proxy in {variable}");
                    Error::with_source(ErrorKind::Usage, what, error)
                };
                Proxy::parse(text.reveal()).map(Some).map_err(wrong)
            }
            _ => Ok(None),
        }
    }
}

/// What one source knows of a login.
struct Login<'a> {
    user: Option<&'a str>,
    password: Option<Password>,
}

impl<'a> Login<'a> {
    fn none() -> Self {
        Self { user: None, password: None }
    }

    fn of_environment(settings: &'a Settings) -> Self {
        Self { user: settings.remote.user.as_deref(), password: settings.remote.password.clone() }
    }
}

/// Picks the first user, and the first password that was given for that user or for nobody in particular.
fn choose_login(sources: &[Login<'_>]) -> Option<Credentials> {
    let user = sources.iter().find_map(|source| source.user)?;
    let fits = |source: &&Login<'_>| source.user.is_none_or(|other| other == user);
    let password = sources.iter().filter(fits).find_map(|source| source.password.as_ref());
    Some(Credentials::new(user, password.map_or("", Password::reveal)))
}

/// Returns the scheme of an address; a drive letter is none.
pub fn scheme_of(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once("://")?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
    (scheme.len() > 1 && scheme.bytes().all(plain)).then_some(scheme)
}

fn require_plausible(word: &str) -> Result<()> {
    let bare = !word.is_empty() && scheme_of(word).is_none() && !word.contains(['/', '\\', '.', ':']);
    if word.is_empty() || (bare && !Path::new(word).is_dir()) {
        let what = format!(
            "there is no remote and no folder {word:?}: `chunkstore remote list` shows the names, ./ makes it a path"
        );
        return Err(Error::new(ErrorKind::Usage, what));
    }
    Ok(())
}

/// Refuses to publish among a person's files: a folder that is not empty must hold a store or the beginnings of one.
fn require_own_place(path: &Path) -> Result<()> {
    let names = list_host_dir(path)?;
    let is_store = names.iter().any(|name| ["STORE", "HEAD", "heads", "packs"].contains(&name.as_str()));
    if names.is_empty() || is_store {
        return Ok(());
    }
    let text = format!("{} is not empty and holds no store: name an empty folder to publish to", shown(path));
    Err(Error::new(ErrorKind::Usage, text))
}

#[cfg(test)]
mod tests;
