//! Reading objects by pointer: found in the index, read with positioned reads, opened, checked, and kept for a while.
//!
//! Shared by threads. Keeps at most 32 MiB of plaintext, since files of one directory share chunks. What the store does not give
//! is asked of other copies of it, one after the other, where there are any.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use zeroize::Zeroizing;

use super::cache::{ObjectCache, Plaintext};
use super::error::StoreError;
use super::index::{ObjectIndex, Place};
use super::keyring::ReaderKeys;
use super::layout;
use super::near::{Kept, through};
use super::object::Opener;
use super::pack::read_exactly;
use crate::base::{PackHash, StoreId};
use crate::disk::{Disk, ReadAt};
use crate::format::Pointer;

/// How much plaintext is kept unless [`ObjectReader::keep`] says otherwise.
pub const KEPT_BYTES: usize = 32 << 20;
const OPEN_PACKS: usize = 16;

/// Reads objects of one store.
pub struct ObjectReader {
    store: StoreId,
    keys: ReaderKeys,
    first: Source,
    others: Vec<Source>,
    cache: Arc<ObjectCache>,
    openers: Mutex<Vec<Opener>>,
}

/// One copy of the store.
struct Source {
    disk: Arc<dyn Disk>,
    index: Arc<ObjectIndex>,
    /// What earlier states had, each beyond the next.
    earlier: Vec<Arc<ObjectIndex>>,
    open: Mutex<VecDeque<(PackHash, Arc<dyn ReadAt>)>>,
}

impl ObjectReader {
    /// Reads from the packs of a disk that an index knows.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>, store: StoreId, keys: ReaderKeys, index: ObjectIndex) -> Self {
        let (first, others) = (Source::new(disk, index), Vec::new());
        let cache = Arc::new(ObjectCache::new(KEPT_BYTES));
        Self { store, keys, first, others, cache, openers: Mutex::default() }
    }

    /// Asks another copy of the same store for what those before it do not give: what they lack, what is damaged there, and
    /// all there is once their medium is gone.
    #[must_use]
    pub fn or_from(mut self, disk: Arc<dyn Disk>, index: ObjectIndex) -> Self {
        self.others.push(Source::new(disk, index));
        self
    }

    /// Returns a reader of a later state of the same store, which shares what this one keeps, and finds what this one finds for as
    /// long as its pack stands. `indexes` are those of the copies that changed, each with its place; the others stay.
    #[must_use]
    pub fn renewed(&self, keys: ReaderKeys, mut indexes: HashMap<usize, ObjectIndex>) -> Self {
        let mut renew = |at, source: &Source| source.renewed(indexes.remove(&at));
        let first = renew(0, &self.first);
        let others = self.others.iter().enumerate().map(|(at, other)| renew(at + 1, other)).collect();
        Self { store: self.store, keys, first, others, cache: Arc::clone(&self.cache), openers: Mutex::default() }
    }

    /// Returns the index.
    #[must_use]
    pub fn index(&self) -> &ObjectIndex {
        &self.first.index
    }

    /// Returns the keys.
    #[must_use]
    pub fn keys(&self) -> &ReaderKeys {
        &self.keys
    }

    /// Returns an object's plaintext; a miss costs one read and one opening, for all threads that ask at the same time.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it is missing, does not open, or is not what its id says; with several copies, the error of
    /// the first.
    pub fn read(&self, pointer: &Pointer) -> Result<Arc<Plaintext>, StoreError> {
        self.cache.get((pointer.id, pointer.dedup_generation), || {
            let error = match self.load(&self.first, pointer) {
                Ok(plaintext) => return Ok(plaintext),
                Err(error) => error,
            };
            self.others.iter().find_map(|source| self.load(source, pointer).ok()).ok_or(error)
        })
    }

    /// Keeps no plaintext from now on, for whoever reads each object once.
    pub fn keep_nothing(&self) {
        self.keep(0);
    }

    /// Keeps at most so many bytes of plaintext from now on.
    pub fn keep(&self, most_bytes: usize) {
        self.cache.bound(most_bytes);
    }

    fn load(&self, source: &Source, pointer: &Pointer) -> Result<Plaintext, StoreError> {
        let place = source
            .find(pointer)
            .ok_or_else(|| StoreError::damaged(format!("object {} (it is in no pack)", pointer.id)))?;
        let what = format!("pack {}", layout::pack(&place.pack));
        let fetch = || {
            let file = source.open_pack(&place.pack)?;
            read_exactly(file.as_ref(), place.offset, place.entry.sealed_len_bytes, &what)
        };
        let kept = Kept::Object(pointer.id, pointer.dedup_generation);
        through(source.disk.as_ref(), kept, fetch, |frame| {
            // It is opened in place, so plaintext stands in it afterwards.
            let mut frame = Zeroizing::new(frame);
            let opener = lock(&self.openers).pop();
            let mut opener = opener.map_or_else(|| Opener::new(self.store), Ok)?;
            let plaintext = opener.open(&self.keys, pointer, place.entry.codec, &mut frame);
            lock(&self.openers).push(opener);
            plaintext.map(Plaintext::new).map_err(|error| StoreError::corrupt(&what, error))
        })
    }
}

impl Source {
    fn new(disk: Arc<dyn Disk>, index: ObjectIndex) -> Self {
        Self { disk, index: Arc::new(index), earlier: Vec::new(), open: Mutex::default() }
    }

    fn renewed(&self, index: Option<ObjectIndex>) -> Self {
        let (disk, earlier) = (Arc::clone(&self.disk), self.earlier.clone());
        let Some(index) = index else {
            return Self { disk, index: Arc::clone(&self.index), earlier, open: Mutex::default() };
        };
        let beyond = self.index.beyond(&index);
        let mut renewed = Self { earlier, ..Self::new(disk, index) };
        if !beyond.is_empty() {
            renewed.earlier.push(Arc::new(beyond));
        }
        renewed
    }

    fn find(&self, pointer: &Pointer) -> Option<Place> {
        let find = |index: &ObjectIndex| index.find(&pointer.id, pointer.dedup_generation);
        find(&self.index).or_else(|| self.earlier.iter().rev().find_map(|index| find(index)))
    }

    fn open_pack(&self, pack: &PackHash) -> Result<Arc<dyn ReadAt>, StoreError> {
        let mut open = lock(&self.open);
        if let Some(at) = open.iter().position(|(name, _)| name == pack) {
            return Ok(open[at].1.clone());
        }
        let path = layout::pack(pack);
        let file: Arc<dyn ReadAt> = match self.disk.open(&path) {
            Ok(file) => file.into(),
            Err(error) if error.kind == crate::disk::DiskErrorKind::NotFound => {
                return Err(StoreError::corrupt(format!("pack {path}"), error));
            }
            Err(error) => return Err(error.into()),
        };
        open.push_back((*pack, file.clone()));
        if open.len() > OPEN_PACKS {
            open.pop_front();
        }
        Ok(file)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
