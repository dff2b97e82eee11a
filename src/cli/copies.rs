//! The ways to the copies of a store that a verb reads from: paths and addresses, each opened with what this host knows of it.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::context::Context;
use super::environment::absolute;
use super::fingerprint::{confirm_fingerprint, require_fingerprint};
use super::output::{on_one_line, shown};
use super::remotes::{Need, scheme_of};
use super::report::sentence;
use crate::base::limits::HEAD_MAX_BYTES;
use crate::base::monitor::SilentMonitor;
use crate::base::random::OsRandom;
use crate::disk::host::real_path;
use crate::disk::near::{Near, NearDisk};
use crate::disk::{Disk, DiskErrorKind, Medium, OsDisk, read_all};
use crate::error::{Error, ErrorKind, Result};
use crate::format::head::SignedHead;
use crate::ops::meet::{Meeting, meet};
use crate::ops::open::Copies;
use crate::remote::Remote;
use crate::remote::url::FtpUrl;
use crate::store::far::{FarDisk, FarOptions};
use crate::store::{Store, StoreError, layout, read_marker};

/// How often the wish to stop is looked for while a store is read over a wire.
const STOP_GAP: Duration = Duration::from_millis(250);

/// One copy, as it was named.
enum Place {
    Path(PathBuf),
    Address(String),
}

/// A copy's disk, and its address where it is reached over a wire.
struct Reached {
    disk: Arc<dyn Disk>,
    address: Option<String>,
}

impl Context {
    /// Returns the address of the store, where it is read over a wire.
    #[must_use]
    pub fn store_address(&self) -> Option<&str> {
        let named = self.settings.store.as_deref().and_then(Path::to_str);
        named.filter(|text| scheme_of(text).is_some())
    }

    /// Returns every copy of the store that a verb reads from, the first one that opens in front; those before it are told of.
    ///
    /// # Errors
    /// Why the first does not open, where none does.
    pub fn copies(&self) -> Result<Copies> {
        let mut known = self.opened_copies.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_empty() {
            *known = self.find_copies()?;
        }
        let first = known.first().ok_or(StoreError::NoStore)?;
        Ok(Copies { first: Arc::clone(first), others: known.iter().skip(1).cloned().collect() })
    }

    fn find_copies(&self) -> Result<Vec<Arc<dyn Disk>>> {
        let named = self.settings.copies.as_ref();
        let first = match self.store_address() {
            Some(address) => Place::Address(address.to_owned()),
            None => Place::Path(self.store_path()),
        };
        let also = named.iter().flat_map(|copies| &copies.also).map(|word| self.place_of(word));
        let (mut disks, mut failures): (Vec<Arc<dyn Disk>>, Vec<Error>) = (Vec::new(), Vec::new());
        let mut near = None;
        for place in [first].into_iter().chain(also) {
            // Those behind the first that opens are opened where they are needed.
            let is_first = disks.is_empty();
            match self.reach(&place).and_then(|reached| self.opening(reached, is_first, &mut near)) {
                Ok(disk) => disks.push(disk),
                Err(error) if matches!(error.kind(), ErrorKind::Usage | ErrorKind::Interrupted) => return Err(error),
                Err(error) => failures.push(error.within(format!("cannot open {}", place.shown()))),
            }
        }
        if !disks.is_empty() {
            failures
                .drain(..)
                .for_each(|error| self.notices.line(&format!("chunkstore: left out: {}", sentence(&error))));
        }
        failures.into_iter().next().map_or(Ok(disks), Err)
    }

    /// Finds out whether a copy opens, and holds what an address shows against what this host knows. Copies behind the first are
    /// read through what is kept of that one.
    fn opening(&self, reached: Reached, is_first: bool, near: &mut Option<Arc<Near>>) -> Result<Arc<dyn Disk>> {
        let caches = reached.address.is_some() || self.settings.copies.as_ref().is_some_and(|it| it.caches_all);
        if is_first {
            *near = self.near(reached.disk.as_ref());
        }
        let disk = match near {
            Some(near) if caches => Arc::new(NearDisk::new(reached.disk, Arc::clone(near))),
            _ => reached.disk,
        };
        if is_first {
            let store = Store::open(Arc::clone(&disk))?;
            match &reached.address {
                Some(address) => self.meet(&store, address)?,
                None => self.host_state(store.id()).check_fingerprint(&store)?,
            }
        }
        Ok(disk)
    }

    /// Opens what this machine keeps of a store; nothing where it shall not, cannot, or would keep it on something that can be
    /// pulled, or in the store itself. A new epoch begins empty, so that nothing stays which a purge took away.
    fn near(&self, disk: &dyn Disk) -> Option<Arc<Near>> {
        let copies = self.settings.copies.as_ref().filter(|copies| copies.cache_bytes > 0)?;
        let is_used = copies.caches_all || disk.is_far() || copies.also.iter().any(|word| self.is_address(word));
        let cache = self.settings.cache.as_deref().filter(|_| is_used)?;
        let store = read_marker(disk).ok()??.store;
        let head = read_all(disk, &layout::head(), HEAD_MAX_BYTES).ok()??;
        let era = SignedHead::decode(&head).ok()?.head.epoch.0;
        let dir = cache.join(store.to_string()).join("sealed");
        // Whether of this copy or of another one.
        let is_in_store = dir.ancestors().any(|above| real_path(&above.join(layout::marker().as_str())).is_some());
        if is_in_store || Medium::below(&dir).is_pluggable() {
            return None;
        }
        let own: Arc<dyn Disk> = Arc::new(OsDisk::create(&dir).ok()?);
        Some(Arc::new(Near::open(own, copies.cache_bytes, era.into())))
    }

    fn is_address(&self, word: &str) -> bool {
        matches!(self.place_of(word), Place::Address(_))
    }

    fn meet(&self, store: &Store, address: &str) -> Result<()> {
        let Some(copies) = &self.settings.copies else { return Ok(()) };
        copies.trust.as_deref().map_or(Ok(()), require_fingerprint)?;
        let confirm = |fingerprint: &str| confirm_fingerprint(fingerprint, self);
        let meeting = Meeting {
            store,
            address,
            trust: copies.trust.as_deref(),
            confirm: &confirm,
            accept_older: copies.accept_older,
        };
        let remarks = meet(&meeting, &mut self.host_state(store.id()), self.run(&SilentMonitor))?;
        self.tell(&remarks);
        Ok(())
    }

    /// Reads a word as a remote is read, but that what is no name and no address is a path.
    fn place_of(&self, word: &str) -> Place {
        let named = self.settings.config.remotes.get(word).map_or(word, |entry| entry.url.as_str());
        match scheme_of(named) {
            Some(_) => Place::Address(word.to_owned()),
            None => Place::Path(absolute(Path::new(named))),
        }
    }

    /// Ends every wait for a remote when somebody asks to stop, so that no silent server is sat out.
    fn hang_up_at_a_stop(&self, remote: &Arc<dyn Remote>) -> Result<()> {
        let (remote, clock, stop) = (Arc::clone(remote), Arc::clone(&self.clock), self.stop_flag());
        let watch = move || {
            while !stop.load(Ordering::Relaxed) {
                clock.sleep(STOP_GAP);
            }
            remote.hang_up();
        };
        let spawned = std::thread::Builder::new().name("hang-up".to_owned()).spawn(watch);
        spawned.map(drop).map_err(|error| Error::with_source(ErrorKind::Other, "cannot start a thread", error))
    }

    fn reach(&self, place: &Place) -> Result<Reached> {
        match place {
            Place::Path(path) => Ok(Reached { disk: open_disk(path)?, address: None }),
            Place::Address(word) => {
                let remote = self.remotes().find(word, Need::Read)?;
                self.hang_up_at_a_stop(&remote)?;
                let notices = self.notices.clone();
                let options = FarOptions {
                    clock: Arc::clone(&self.clock),
                    random: Arc::new(OsRandom),
                    stop: self.stop_flag(),
                    tell: Box::new(move |text| notices.line(&format!("chunkstore: {}", on_one_line(text)))),
                };
                let far = FarDisk::new(remote, options);
                let address = Some(far.address());
                Ok(Reached { disk: Arc::new(far), address })
            }
        }
    }
}

impl Place {
    /// Returns the place as people see it: of an address only what is no login.
    fn shown(&self) -> String {
        match self {
            Self::Path(path) => shown(path),
            Self::Address(word) => shown_address(word),
        }
    }
}

/// Returns an address without a login.
pub fn shown_address(text: &str) -> String {
    let shown = FtpUrl::parse(text).map_or_else(
        |_| match text.rsplit_once('@') {
            Some((_, rest)) => rest.to_owned(),
            None => text.to_owned(),
        },
        |url| url.to_string(),
    );
    on_one_line(&shown)
}

/// Opens a directory, which may hold no store.
///
/// # Errors
/// [`ErrorKind::NoStore`] when there is no such directory.
pub fn open_disk(path: &Path) -> Result<Arc<dyn Disk>> {
    match OsDisk::open(path) {
        Ok(disk) => Ok(Arc::new(disk)),
        Err(error) if matches!(error.kind, DiskErrorKind::NotFound | DiskErrorKind::WrongType) => {
            Err(Error::with_source(ErrorKind::NoStore, format!("there is no store at {}", shown(path)), error.source))
        }
        Err(error) => Err(error.into()),
    }
}
