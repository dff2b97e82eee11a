//! The real host of an agent: the system's clock, the configuration, stderr, the desktop and the status file.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::desktop::{self, Desktop};
use super::metered::ways_out;
use super::section::Extras;
use crate::agent::courtesy::Courteous;
use crate::agent::document::{document_of, message_of};
use crate::agent::event::{Ended, Found, Notice, VolumeKey};
use crate::agent::now::Now;
use crate::agent::rules::{Rules, Stores};
use crate::agent::run::{Host, Stage};
use crate::agent::step::view::View;
use crate::agent::supervisor::Supervisor;
use crate::agent::words::{Person, Priority, name_of, words_of};
use crate::agent::work::{Job, Tools, carry_out, find};
use crate::base::clock::SystemClock;
use crate::base::random::OsRandom;
use crate::base::{Clock, Monitor, Random, StoreId};
use crate::cli::config::parts;
use crate::cli::context::Context;
use crate::cli::notices::Notices;
use crate::cli::output::{Output, on_one_line, shown};
use crate::cli::remotes::{Need, Remotes, Several};
use crate::cli::settings::Settings;
use crate::disk::OsDisk;
use crate::disk::host::replace_host_file;
use crate::error::{Error, ErrorKind, Result};
use crate::remote::rate::{RateLimit, Throttle};
use crate::remote::url::FtpUrl;
use crate::store::replica;

/// How long a program may take to give a password; nobody is there whom it could ask.
const PASSWORD_WITHIN: Duration = Duration::from_secs(60);

/// Everything that follows from the configuration file.
struct Configured {
    settings: Settings,
    extras: Extras,
    throttle: Option<Arc<dyn Throttle>>,
}

impl Configured {
    fn new(mut settings: Settings, clock: &Arc<dyn Clock>) -> Result<Self> {
        let extras = settings.config.agent.extras().map_err(|error| error.within("cannot use [agent]"))?;
        settings.remote.connections = extras.connections.unwrap_or(settings.remote.connections);
        let limit = |rate| Arc::new(RateLimit::new(rate, Arc::clone(clock))) as Arc<dyn Throttle>;
        let throttle = extras.limit_rate.or(settings.remote.limit_rate).map(limit);
        Ok(Self { settings, extras, throttle })
    }

    fn remotes(&self, clock: &Arc<dyn Clock>) -> Remotes<'_> {
        Remotes::unattended(&self.settings, Arc::clone(clock), self.throttle.clone(), PASSWORD_WITHIN)
    }
}

/// The host of `agent run`.
pub struct CliHost {
    configured: Mutex<Arc<Configured>>,
    stores: Option<Stores>,
    source: &'static str,
    status_file: PathBuf,
    shown: Mutex<Shown>,
    clock: Arc<dyn Clock>,
    output: Arc<Output>,
    notices: Notices,
    desktop: Desktop,
    supervisor: Supervisor,
}

/// What was last written to the status file.
#[derive(Default)]
struct Shown {
    document: Value,
    has_failed: bool,
}

impl CliHost {
    /// Prepares the host; `stores` are those that were typed.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a section `[agent]` that makes no sense.
    pub fn new(context: &Context, status_file: PathBuf, stores: Option<Stores>, source: &'static str) -> Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let service = &context.settings.service;
        Ok(Self {
            configured: Mutex::new(Arc::new(Configured::new(context.settings.clone(), &clock)?)),
            stores,
            source,
            status_file,
            shown: Mutex::default(),
            clock,
            output: Arc::clone(&context.output),
            notices: context.notices.clone(),
            desktop: Desktop::default(),
            supervisor: Supervisor::new(service.notify_socket.as_deref(), service.watchdog_micros.as_deref()),
        })
    }

    fn configured(&self) -> Arc<Configured> {
        Arc::clone(&lock(&self.configured))
    }

    /// Has another supervisor than the environment names.
    #[must_use]
    pub fn under(self, supervisor: Supervisor) -> Self {
        Self { supervisor, ..self }
    }

    fn log(&self, priority: Priority, line: &str) {
        let line = on_one_line(line);
        if self.supervisor.log(priority, &line) {
            return;
        }
        if self.configured().settings.service.has_journal {
            self.notices.line(&format!("<{}>{line}", priority as u8));
        } else {
            self.notices.line(&format!("chunkstore: {line}"));
        }
    }

    /// Tells the person at the desktop, if there is one and they want to be told.
    fn ring(&self, person: &Person, priority: Priority) {
        let configured = self.configured();
        if configured.settings.service.has_desktop && configured.extras.notifies {
            self.desktop.show(desktop::Message::new(person, priority));
        }
    }

    /// Reads the configuration file again, as far as it can be used.
    fn read_again(&self) -> Result<Rules> {
        let mut settings = self.configured().settings.clone();
        if let Some(file) = &settings.config_file {
            let (config, faults) = parts::load(file)?;
            faults.iter().for_each(|fault| self.log(Priority::Error, fault));
            settings.config = config;
        }
        let mut rules = settings.config.agent.rules()?;
        if let Some(stores) = &self.stores {
            rules.stores = stores.clone();
        }
        *lock(&self.configured) = Arc::new(Configured::new(settings, &self.clock)?);
        Ok(rules)
    }

    fn is_named(&self, store: StoreId) -> bool {
        self.configured().settings.config.agent.remotes.contains_key(&store.to_string())
    }
}

impl Host for CliHost {
    fn now(&self) -> Now {
        let wall = self.clock.now();
        let section = &self.configured().settings.config.agent;
        let moment = jiff::Timestamp::from_nanosecond(i128::from(wall.0)).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        // Only whoever has windows of time needs to know what time it is here.
        let zone = (!section.windows.is_empty()).then(jiff::tz::TimeZone::system);
        Now {
            monotonic: self.clock.monotonic(),
            wall,
            utc_offset_secs: zone.map_or(0, |zone| zone.to_offset(moment).seconds()),
            is_metered: !section.metered.is_empty() && ways_out().iter().any(|way| section.costs(way)),
        }
    }

    fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    fn random(&self) -> &dyn Random {
        &OsRandom
    }

    fn find(&self, path: &Path) -> Found {
        find(path, &|store| self.is_named(store))
    }

    /// Makes the remotes that the configuration names for a store, else the one that it was cloned from. Whoever had the key in
    /// hand may have written that: it gets no login of this host, and leads to no folder of it.
    fn remotes(&self, job: &Job) -> Result<Vec<Arc<Courteous>>> {
        let configured = self.configured();
        let makes = configured.remotes(&self.clock);
        let named = configured.settings.config.agent.remotes.get(&job.marked.store.to_string());
        let found = match named {
            Some(words) => {
                let Several { remotes, mut absent } = makes.find_several(words)?;
                if remotes.is_empty() && !absent.is_empty() {
                    return Err(absent.swap_remove(0).1);
                }
                remotes
            }
            None => {
                let none = || Error::new(ErrorKind::Usage, "the store remembers no remote");
                let recorded = replica::read_remote(&OsDisk::open(&job.path)?)?.ok_or_else(none)?;
                if !FtpUrl::is_ftp(&recorded) && !makes.knows(&recorded) {
                    let text = "the store names a path as its remote: name it in [agent.remotes] if that is right";
                    return Err(Error::new(ErrorKind::Usage, text));
                }
                makes.withheld(&recorded).iter().for_each(|line| self.notices.line(line));
                vec![makes.find_recorded(&recorded, Need::Read)?]
            }
        };
        Ok(found.into_iter().map(|remote| Arc::new(Courteous::new(remote))).collect())
    }

    fn work(&self, job: &Job, remotes: Result<Vec<Arc<Courteous>>>, monitor: &dyn Monitor) -> Ended {
        let configured = self.configured();
        let tools = Tools {
            clock: self.clock.as_ref(),
            random: &OsRandom,
            monitor,
            cache: configured.settings.cache.as_deref(),
            sample_percent: configured.extras.sample_percent,
            leaves_receipts: configured.extras.leaves_receipts,
            warn: &|line| self.log(Priority::Warning, line),
        };
        carry_out(job, remotes, &tools)
    }

    fn ran(&self, job: &Job, ended: Option<&Ended>) {
        let mut event = json!({
            "event": if ended.is_some() { "ended" } else { "began" },
            "work": job.work.name(),
            "path": job.path.to_string_lossy(),
            "store_id": job.marked.store.to_string(),
            "replica_id": job.marked.replica.map(|id| id.to_string()),
        });
        if let Some(ended) = ended {
            event["result"] = json!(ended.outcome.name());
        }
        self.output.event(&event);
    }

    fn tell(&self, key: &VolumeKey, path: Option<&Path>, notice: &Notice) {
        let now = self.clock.now();
        let words = words_of(notice, now);
        let place = path.map_or_else(|| on_one_line(&key.0), shown);
        self.log(words.priority, &format!("{place} {}", words.line));
        self.output.event(&json!({
            "event": "notice",
            "volume": key.0,
            "path": path.map(|path| path.to_string_lossy()),
            "notice": name_of(notice),
            "message": message_of(notice, now),
        }));
        if let Some(person) = &words.person {
            self.ring(person, words.priority);
        }
    }

    fn show(&self, view: &View) {
        let now = self.clock.now();
        let mut document = document_of(view, now);
        let mut last = lock(&self.shown);
        if last.document == document {
            return;
        }
        last.document = document.clone();
        document["updated"] = json!(now.to_string());
        document["pid"] = json!(std::process::id());
        document["source"] = json!(self.source);
        let written = replace_host_file(&self.status_file, document.to_string().as_bytes(), 0o644);
        match written {
            Ok(()) => last.has_failed = false,
            Err(error) => {
                let is_news = !std::mem::replace(&mut last.has_failed, true);
                drop(last);
                if is_news {
                    let why = Error::from(error).within("cannot write the status file, and goes on without it");
                    self.log(Priority::Error, &why.in_full());
                }
            }
        }
    }

    fn reload(&self) -> Option<Rules> {
        match self.read_again() {
            Ok(rules) => {
                self.log(Priority::Info, "the configuration was read again");
                self.output.event(&json!({"event": "configured"}));
                Some(rules)
            }
            Err(error) => {
                self.log(Priority::Error, &error.within("the configuration stays as it was").in_full());
                self.output.event(&json!({"event": "not-configured"}));
                None
            }
        }
    }

    fn stage(&self, stage: Stage) {
        match stage {
            Stage::Ready => {
                self.supervisor.say("READY=1");
                self.output.event(&json!({"event": "ready", "source": self.source}));
                self.log(Priority::Info, &format!("waiting for keys, by {}", self.source));
            }
            Stage::Ending => self.supervisor.say("STOPPING=1"),
        }
    }

    fn beat(&self, is_busy: bool) -> Option<Duration> {
        self.supervisor.beat(is_busy)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
