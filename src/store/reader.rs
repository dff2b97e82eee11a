//! Reading objects by pointer: found in the index, read with positioned reads, opened, checked, and kept for a while.
//!
//! Shared by threads. Keeps at most 32 MiB of plaintext, since files of one directory share chunks.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use super::error::StoreError;
use super::index::ObjectIndex;
use super::keyring::ReaderKeys;
use super::layout;
use super::object::Opener;
use super::pack::read_exactly;
use crate::base::{DedupGeneration, ObjectId, PackHash, StoreId};
use crate::disk::{Disk, ReadAt};
use crate::format::Pointer;

const CACHE_BYTES: usize = 32 << 20;
const OPEN_PACKS: usize = 16;

/// What names an object.
type Name = (ObjectId, DedupGeneration);

/// Reads objects of one store.
pub struct ObjectReader {
    disk: Arc<dyn Disk>,
    store: StoreId,
    keys: ReaderKeys,
    index: ObjectIndex,
    cache: Mutex<Cache>,
    open: Mutex<VecDeque<(PackHash, Arc<dyn ReadAt>)>>,
    openers: Mutex<Vec<Opener>>,
}

struct Cache {
    objects: HashMap<Name, Arc<Vec<u8>>>,
    order: VecDeque<Name>,
    len_bytes: usize,
    most_bytes: usize,
}

impl Default for Cache {
    fn default() -> Self {
        Self { objects: HashMap::new(), order: VecDeque::new(), len_bytes: 0, most_bytes: CACHE_BYTES }
    }
}

impl ObjectReader {
    /// Reads from the packs of a disk that an index knows.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>, store: StoreId, keys: ReaderKeys, index: ObjectIndex) -> Self {
        let (cache, open, openers) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { disk, store, keys, index, cache, open, openers }
    }

    /// Returns the index.
    #[must_use]
    pub fn index(&self) -> &ObjectIndex {
        &self.index
    }

    /// Returns the keys.
    #[must_use]
    pub fn keys(&self) -> &ReaderKeys {
        &self.keys
    }

    /// Returns an object's plaintext; a miss costs one read and one opening.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it is missing, does not open, or is not what its id says.
    pub fn read(&self, pointer: &Pointer) -> Result<Arc<Vec<u8>>, StoreError> {
        let name = (pointer.id, pointer.dedup_generation);
        if let Some(found) = lock(&self.cache).objects.get(&name) {
            return Ok(found.clone());
        }
        let place = self.index.find(&pointer.id, pointer.dedup_generation);
        let place = place.ok_or_else(|| StoreError::damaged(format!("object {} (it is in no pack)", pointer.id)))?;
        let what = format!("pack {}", layout::pack(&place.pack));
        let file = self.open_pack(&place.pack)?;
        let mut frame = read_exactly(file.as_ref(), place.offset, place.entry.sealed_len_bytes, &what)?;
        let opener = lock(&self.openers).pop();
        let mut opener = opener.map_or_else(|| Opener::new(self.store), Ok)?;
        let plaintext = opener.open(&self.keys, pointer, place.entry.codec, &mut frame);
        lock(&self.openers).push(opener);
        let plaintext = Arc::new(plaintext.map_err(|error| StoreError::corrupt(what, error))?);
        lock(&self.cache).add(name, plaintext.clone());
        Ok(plaintext)
    }

    /// Keeps no plaintext from now on, for whoever reads each object once.
    pub fn keep_nothing(&self) {
        *lock(&self.cache) = Cache { most_bytes: 0, ..Cache::default() };
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

impl Cache {
    fn add(&mut self, name: Name, object: Arc<Vec<u8>>) {
        self.len_bytes += object.len();
        match self.objects.insert(name, object) {
            Some(same) => self.len_bytes -= same.len(),
            None => self.order.push_back(name),
        }
        while self.len_bytes > self.most_bytes {
            let Some(oldest) = self.order.pop_front() else { break };
            self.len_bytes -= self.objects.remove(&oldest).map_or(0, |object| object.len());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
