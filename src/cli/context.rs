//! What every verb is given: settings, where results go, time and randomness, and the ways to a store and its keys.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use zeroize::Zeroizing;

use super::copies::{open_disk, shown_address};
use super::environment::absolute;
use super::notices::Notices;
use super::output::{Output, on_one_line, shown};
use super::passphrase::Passphrases;
use super::progress::{Look, Progress};
use super::remotes::Remotes;
use super::settings::{PassphraseSource, Settings};
use super::signals;
use crate::base::clock::SystemClock;
use crate::base::limits::KEY_FILE_MAX_BYTES;
use crate::base::monitor::SilentMonitor;
use crate::base::random::OsRandom;
use crate::base::{Clock, Monitor, Random, StoreId};
use crate::crypto::wrap::{Identity, WrapError, unwrap_with_passphrase};
use crate::disk::{Disk, Medium};
use crate::error::{Error, ErrorKind, Result};
use crate::ops::Run;
use crate::ops::freshness::{Freshness, ahead_remark};
use crate::ops::host_state::HostState;
use crate::ops::local_keys::{AskPassphrase, KeyDir, WriterKey, load_identity_file};
use crate::ops::open::Reading;
use crate::ops::purge::rotate::{OwnKeys, end_rotation};
use crate::store::replica::read_remote;
use crate::store::{Store, StoreError, read_marker};

/// Most identities that a passphrase is tried on, at about a second each.
const PASSPHRASES_TRIED_MAX: usize = 8;
/// Most packs that are hashed at a time.
const HASHING_THREADS_MAX: usize = 4;

/// What a verb works with.
pub struct Context {
    /// What the run goes by.
    pub settings: Settings,
    /// stdout.
    pub output: Arc<Output>,
    /// stderr.
    pub notices: Notices,
    /// The system's clock.
    pub clock: Arc<dyn Clock>,
    /// Answers for passphrases.
    pub passphrases: Passphrases,
    random: OsRandom,
    stop: Arc<AtomicBool>,
    told_stale: AtomicBool,
    told_open: AtomicBool,
    told_old_trust: AtomicBool,
    /// Of a verb that reads, the first that opens in front; none yet.
    pub(super) opened_copies: Mutex<Vec<Arc<dyn Disk>>>,
}

/// What is said of a HEAD that has expired.
pub const STALE: &str = "stale: the publisher no longer vouches for this state";

/// How a verb tells of its progress in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One document at the end.
    Document,
    /// One event a line.
    Events,
}

impl Context {
    /// Prepares a run.
    #[must_use]
    pub fn new(settings: Settings, output: Arc<Output>) -> Self {
        Self {
            passphrases: Passphrases::new(settings.passphrase.clone()),
            settings,
            output,
            notices: Notices::default(),
            clock: Arc::new(SystemClock),
            random: OsRandom,
            stop: Arc::default(),
            told_stale: AtomicBool::default(),
            told_open: AtomicBool::default(),
            told_old_trust: AtomicBool::default(),
            opened_copies: Mutex::default(),
        }
    }

    /// Has it say nothing on stderr.
    #[must_use]
    pub fn hushed(self) -> Self {
        Self { notices: Notices::silent(), ..self }
    }

    /// Starts long work: signals ask for its end from here on.
    ///
    /// # Errors
    /// [`ErrorKind::Other`] when the system refuses.
    pub fn start(&self, shape: Shape) -> Result<Progress> {
        signals::watch(&self.stop)?;
        let events = shape == Shape::Events && self.settings.json;
        let look = Look { style: self.settings.progress, events, verbosity: self.settings.verbosity };
        let (output, stop) = (Arc::clone(&self.output), Arc::clone(&self.stop));
        Ok(Progress::new(look, output, self.notices.clone(), Arc::clone(&self.clock), stop))
    }

    /// Returns what an op is given.
    #[must_use]
    pub fn run<'a>(&'a self, monitor: &'a dyn Monitor) -> Run<'a> {
        Run { clock: self.clock.as_ref(), random: &self.random, monitor }
    }

    /// Returns what makes remotes.
    #[must_use]
    pub fn remotes(&self) -> Remotes<'_> {
        Remotes::new(&self.settings, Arc::clone(&self.clock))
    }

    /// Returns what becomes true when somebody asks to stop.
    #[must_use]
    pub fn stop_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    /// Returns the path of the store: the one named, else the working directory. An address stays as it is, less its login, and is
    /// no path of anything.
    #[must_use]
    pub fn store_path(&self) -> PathBuf {
        if let Some(address) = self.store_address() {
            return shown_address(address).into();
        }
        absolute(self.settings.store.as_deref().unwrap_or(Path::new(".")))
    }

    /// Returns how many packs are hashed at a time: one on what can be pulled, whose controller takes one read after the
    /// other, and a few on a fixed disk.
    #[must_use]
    pub fn hashing_threads(&self) -> usize {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        if Medium::below(&self.store_path()).is_pluggable() { 1 } else { processors.min(HASHING_THREADS_MAX) }
    }

    /// Opens the store's directory, which may hold none; for a verb that reads, the first copy of the store that opens.
    ///
    /// # Errors
    /// [`ErrorKind::NoStore`] when there is no such directory; [`ErrorKind::Usage`] for an address where nothing is only read.
    pub fn disk(&self) -> Result<Arc<dyn Disk>> {
        match (&self.settings.copies, self.store_address()) {
            (Some(_), _) => Ok(self.copies()?.first),
            (None, None) => open_disk(&self.store_path()),
            (None, Some(address)) => {
                let shown = shown_address(address);
                let text =
                    format!("{shown} can only be read: this verb takes a store in a folder (clone it, or push to it)");
                Err(Error::new(ErrorKind::Usage, text))
            }
        }
    }

    /// Opens the directory of a store and reads which one it is.
    ///
    /// # Errors
    /// [`ErrorKind::NoStore`] when there is none, and those of reading its marker.
    pub fn marked_disk(&self) -> Result<(Arc<dyn Disk>, StoreId)> {
        let path = self.store_path();
        let disk = self.disk()?;
        let marker = read_marker(disk.as_ref()).and_then(|marker| marker.ok_or(StoreError::NoStore));
        let marker = marker.map_err(|error| Error::from(error).within(format!("cannot open {}", shown(&path))))?;
        Ok((disk, marker.store))
    }

    /// Opens the store; a stale one is told of on stderr, once a run.
    ///
    /// # Errors
    /// [`ErrorKind::NoStore`] when there is none, and those of opening.
    pub fn store(&self) -> Result<Store> {
        let path = self.store_path();
        let opened = Store::open(self.disk()?);
        let store = opened.map_err(|error| Error::from(error).within(format!("cannot open {}", shown(&path))))?;
        let state = self.host_state(store.id());
        state.check_fingerprint(&store).map_err(|error| error.within(format!("cannot open {}", shown(&path))))?;
        self.tell_age(&store, &state);
        Ok(store)
    }

    /// Loads what this host remembers of the store that it was given.
    #[must_use]
    pub fn host_state(&self, store: StoreId) -> HostState {
        let mut state = HostState::load(self.settings.cache.as_deref(), store);
        if self.store_address().is_none() {
            state.stands_at(self.place());
        }
        state
    }

    /// Returns where the store stands, as a hint: the id of its volume, else its path.
    #[must_use]
    pub fn place(&self) -> String {
        let path = self.store_path();
        Medium::volume_id(&path).map_or_else(|| shown(&path), |id| format!("volume {id}"))
    }

    /// Says sentences that no result holds, a line each.
    pub fn tell(&self, remarks: &[String]) {
        remarks.iter().for_each(|remark| self.notices.line(&format!("chunkstore: {}", on_one_line(remark))));
    }

    /// Says since when the publisher no longer vouches for the state of a store, and when it was last synced well on this host.
    fn tell_age(&self, store: &Store, state: &HostState) {
        let trust = &store.trust().newest().trust;
        if self.clock.now() > trust.expires && !self.told_old_trust.swap(true, Ordering::Relaxed) {
            let since = short_time(trust.expires.to_string());
            self.notices.line(&format!(
                "chunkstore: the list of who may write has expired (since {since}); its publisher renews it by `trust renew`"
            ));
        }
        let (head, fresh) = (&store.head().head, Freshness::of_store(store, state, self.clock.now()));
        if self.told_stale.swap(true, Ordering::Relaxed) {
            return;
        }
        self.tell(&fresh.ahead_secs.map(ahead_remark).into_iter().collect::<Vec<_>>());
        if !fresh.is_stale {
            return;
        }
        let synced = match state.last_sync() {
            Some(time) => format!("last synced well on this host at {}", short_time(time.to_string())),
            None => "never synced well on this host".to_owned(),
        };
        let since = short_time(head.expires.to_string());
        self.notices.line(&format!("chunkstore: {STALE} (since {since}; {synced})"));
    }

    /// Returns every identity that may open a store for reading: those named, and this machine's own for it.
    ///
    /// # Errors
    /// [`ErrorKind::NoIdentity`] for a named file that is not usable.
    pub fn identities(&self, store: StoreId) -> Result<Vec<Identity>> {
        self.identities_by(store, &|purpose| self.passphrases.for_existing(purpose))
    }

    /// Returns the same where nobody has to be asked.
    ///
    /// # Errors
    /// As [`Context::identities`], also where somebody would have to be asked.
    pub fn identities_at_hand(&self, store: StoreId) -> Result<Vec<Identity>> {
        self.identities_by(store, &|purpose| self.ask_for(purpose, false))
    }

    /// Returns every identity that may open a store for reading: those of [`Context::identities`], and where there is none, the
    /// one in the store that a passphrase opens.
    ///
    /// # Errors
    /// As [`Context::identities`]; [`ErrorKind::NoIdentity`] for a wrong passphrase.
    pub fn identities_for(&self, store: &Store) -> Result<Vec<Identity>> {
        let identities = self.identities(store.id())?;
        let may_ask = !matches!(self.settings.passphrase, PassphraseSource::None | PassphraseSource::Nobody);
        if !identities.is_empty() || !may_ask {
            return Ok(identities);
        }
        let wrapped = store.identities_under_passphrases()?;
        if wrapped.len() > PASSPHRASES_TRIED_MAX {
            let text = "many readers open this store by a passphrase: `clone --reader TAG` says which one is meant";
            return Err(Error::new(ErrorKind::NoIdentity, text));
        }
        for (tag, bytes) in wrapped {
            let passphrase = self.passphrases.for_existing("passphrase of the reader")?;
            let unusable =
                |error| Error::with_source(ErrorKind::NoIdentity, format!("cannot use the key of {tag}"), error);
            match unwrap_with_passphrase(&passphrase, &bytes, KEY_FILE_MAX_BYTES) {
                Err(WrapError::WrongPassphrase) => {}
                opened => {
                    let text = opened.map_err(unusable)?;
                    let text = std::str::from_utf8(&text).map_err(|_| unusable(WrapError::Damaged))?;
                    return Identity::parse_file(text).map_err(unusable);
                }
            }
        }
        Ok(identities)
    }

    fn identities_by(&self, store: StoreId, ask: AskPassphrase<'_>) -> Result<Vec<Identity>> {
        let mut identities = Vec::new();
        for file in &self.settings.identities {
            identities.extend(load_identity_file(file, ask)?);
        }
        // Whoever names an identity means that one: no passphrase of another is asked for.
        if identities.is_empty()
            && let Some(keys) = &self.settings.keys
        {
            let keys = KeyDir::new(keys, store);
            self.warn_of_open_files(&keys);
            identities.extend(keys.load_reader(ask)?);
        }
        Ok(identities)
    }

    /// Opens the store for reading.
    ///
    /// # Errors
    /// Those of [`Context::store`], [`Context::identities`] and [`Reading::open`].
    pub fn reading(&self, monitor: &dyn Monitor) -> Result<Reading> {
        let store = self.store()?;
        let identities = self.identities_for(&store)?;
        drop(store);
        Reading::open(self.copies()?, &identities, self.run(monitor))
    }

    /// Returns this machine's key for changing what a store lists, or why there is none. A store that was cloned has a
    /// publisher elsewhere, whose next generation would be another than one made here.
    ///
    /// # Errors
    /// [`ErrorKind::NoIdentity`] where it has a key that does not open; those of the disk.
    pub fn publisher_key(
        &self,
        disk: &dyn Disk,
        store: StoreId,
        as_publisher: bool,
    ) -> Result<std::result::Result<WriterKey, String>> {
        let cloned_from = match read_remote(disk) {
            Ok(remote) => remote,
            // What does not read says that there is something to read.
            Err(StoreError::Corrupt { .. }) => Some("another store".to_owned()),
            Err(error) => return Err(error.into()),
        };
        if let Some(remote) = cloned_from.filter(|_| !as_publisher) {
            let text = "it was cloned from REMOTE, so what it lists is for its publisher to change (or --as-publisher)";
            return Ok(Err(text.replace("REMOTE", &on_one_line(&remote))));
        }
        let none = || "there is no writer's key for this store at hand".to_owned();
        let Some(keys) = &self.settings.keys else { return Ok(Err(none())) };
        let keys = KeyDir::new(keys, store);
        self.warn_of_open_files(&keys);
        let key = keys.load_writer(&|purpose| self.passphrases.for_existing(purpose))?;
        Ok(key.map(|key| self.settled(keys, key)).ok_or_else(none))
    }

    /// Returns this machine's key for writing to a store.
    ///
    /// # Errors
    /// [`ErrorKind::NoIdentity`] where there is none.
    pub fn writer_key(&self, store: StoreId) -> Result<WriterKey> {
        let ask = |purpose: &str| self.passphrases.for_existing(purpose);
        let keys = KeyDir::new(self.settings.keys_dir()?, store);
        self.warn_of_open_files(&keys);
        let Some(key) = keys.load_writer(&ask)? else {
            let file = shown(&keys.path("writer.key"));
            let text = format!("there is no writer's key for this store at {file}");
            return Err(Error::new(ErrorKind::NoIdentity, text));
        };
        Ok(self.settled(keys, key))
    }

    /// Throws away old identities that a purge left here which was cut off; where that cannot be now, the next run does.
    fn settled(&self, dir: KeyDir, key: WriterKey) -> WriterKey {
        if key.rotating.is_none() {
            return key;
        }
        let own = OwnKeys { dir, ask: &|purpose| self.passphrases.for_existing(purpose), roots: &[] };
        let cache = self.settings.cache.as_deref();
        let ended = self.disk().and_then(|disk| end_rotation(&disk, &key, &own, cache, self.run(&SilentMonitor)));
        match ended {
            Ok(settled) => settled,
            Err(error) => {
                let why = error.in_full();
                self.notices
                    .line(&format!("chunkstore: identities of before a purge stay in this machine's keys: {why}"));
                key
            }
        }
    }

    /// Returns this machine's key for writing to a store where there is one and nobody has to be asked.
    #[must_use]
    pub fn writer_key_at_hand(&self, store: StoreId) -> Option<WriterKey> {
        let keys = KeyDir::new(self.settings.keys.as_deref()?, store);
        keys.load_writer(&|purpose| self.ask_for(purpose, false)).ok().flatten()
    }

    /// Returns the folder of root keys: the one that was named, else that of all keys.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] where there is neither a flag nor a home.
    pub fn root_keys_dir(&self) -> Result<&Path> {
        self.settings.root_keys.as_deref().map_or_else(|| self.settings.keys_dir(), Ok)
    }

    /// Answers for a passphrase: a file does, and with `ask` a person.
    ///
    /// # Errors
    /// [`ErrorKind::NoIdentity`] where nobody was asked, and those of asking.
    pub fn ask_for(&self, purpose: &str, ask: bool) -> Result<Zeroizing<String>> {
        match self.settings.passphrase {
            PassphraseSource::File(_) => self.passphrases.for_existing(purpose),
            _ if ask => self.passphrases.for_existing(purpose),
            _ => Err(Error::new(ErrorKind::NoIdentity, format!("nobody was asked for the {purpose}"))),
        }
    }

    /// Returns where random bytes come from.
    #[must_use]
    pub fn random(&self) -> &dyn Random {
        &self.random
    }

    /// Warns, once a run, of key files that other people on this machine may read.
    pub fn warn_of_open_files(&self, keys: &KeyDir) {
        let open = keys.open_to_others().unwrap_or_default();
        if open.is_empty() || self.told_open.swap(true, Ordering::Relaxed) {
            return;
        }
        for path in open {
            let path = shown(&path);
            let mend = if cfg!(windows) {
                format!("icacls \"{path}\" /inheritance:r /grant:r \"%USERNAME%:F\"")
            } else {
                format!("chmod go= {path}")
            };
            self.notices.line(&format!("chunkstore: {path} can be read by others on this machine: {mend}"));
        }
    }
}

/// Shortens an RFC 3339 time to whole seconds for people; it stays UTC.
#[must_use]
pub fn short_time(mut text: String) -> String {
    if let Some(dot) = text.find('.') {
        text.truncate(dot);
    }
    text.replace('T', " ")
}
