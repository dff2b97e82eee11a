//! Decoded objects in bounded memory: kept by what was asked for last, wiped when they go, each opened once however many ask.
//!
//! Knows no disk and no key: whoever asks brings the closure that loads. An object's name says what its bytes are, so nothing
//! here is ever stale. A failure is not kept: whoever waited for a load that failed loads on their own, at the same time as the
//! others, so that no number of readers waits for one slow failure after the other.
//!
//! Memory: the bound, and what readers hold in their hands: an object that went stays until the last of them lets go.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use zeroize::Zeroize;

use crate::base::lru::Lru;
use crate::base::{DedupGeneration, ObjectId};

/// What names an object.
pub type ObjectName = (ObjectId, DedupGeneration);

/// An object's plaintext; wiped when dropped.
pub struct Plaintext(Vec<u8>);

impl Plaintext {
    /// Takes over bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Deref for Plaintext {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Plaintext {
    fn drop(&mut self) {
        self.0.as_mut_slice().zeroize();
        #[cfg(test)]
        tests::wiped(&self.0);
    }
}

impl std::fmt::Debug for Plaintext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Plaintext({} bytes)", self.0.len())
    }
}

/// The cache; shared by threads.
#[derive(Debug)]
pub struct ObjectCache {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    held: Lru<ObjectName, Arc<Plaintext>>,
    loading: HashMap<ObjectName, Arc<Load>>,
}

/// A load that others may wait for.
#[derive(Debug, Default)]
struct Load {
    end: Mutex<Option<End>>,
    ended: Condvar,
}

/// How a load ended: the object, or nothing where it failed.
type End = Option<Arc<Plaintext>>;

/// What is to be done for an object that is not held.
enum Turn {
    Load(Arc<Load>),
    Wait(Arc<Load>),
}

impl ObjectCache {
    /// Keeps at most so many bytes.
    #[must_use]
    pub fn new(most_bytes: usize) -> Self {
        Self { state: Mutex::new(State { held: Lru::new(most_bytes), loading: HashMap::new() }) }
    }

    /// Returns an object: the one that is kept, the one that another thread is loading, or what `load` returns.
    ///
    /// Costs no load on a hit. Waits for as long as the thread that loads.
    ///
    /// # Errors
    /// Those of `load`.
    pub fn get<E>(&self, name: ObjectName, load: impl FnOnce() -> Result<Plaintext, E>) -> Result<Arc<Plaintext>, E> {
        match self.turn(name) {
            Ok(held) => Ok(held),
            Err(Turn::Load(started)) => {
                let mut landing = Landing { cache: self, name, started, object: None };
                let object = Arc::new(load()?);
                landing.object = Some(Arc::clone(&object));
                Ok(object)
            }
            Err(Turn::Wait(started)) => match started.wait() {
                Some(object) => Ok(object),
                None => {
                    let object = Arc::new(load()?);
                    self.keep(name, &object);
                    Ok(object)
                }
            },
        }
    }

    /// Keeps at most so many bytes from now on.
    pub fn bound(&self, most_bytes: usize) {
        let gone = lock(&self.state).held.bound(most_bytes);
        drop(gone);
    }

    /// Returns how many bytes are kept, with what each object costs beside its own.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        lock(&self.state).held.len_bytes()
    }

    fn turn(&self, name: ObjectName) -> Result<Arc<Plaintext>, Turn> {
        let mut state = lock(&self.state);
        if let Some(held) = state.held.get(&name) {
            return Ok(held);
        }
        if let Some(started) = state.loading.get(&name) {
            return Err(Turn::Wait(Arc::clone(started)));
        }
        let started = Arc::new(Load::default());
        state.loading.insert(name, Arc::clone(&started));
        Err(Turn::Load(started))
    }

    fn keep(&self, name: ObjectName, object: &Arc<Plaintext>) {
        let gone = lock(&self.state).held.add(name, Arc::clone(object), object.len());
        // Wiping takes time, which is not for others to wait for.
        drop(gone);
    }
}

/// Ends a load when it is dropped, so that a load that panics leaves nobody waiting.
struct Landing<'a> {
    cache: &'a ObjectCache,
    name: ObjectName,
    started: Arc<Load>,
    object: End,
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        // Kept before it stops to count as loading: between the two nobody may find neither.
        if let Some(object) = &self.object {
            self.cache.keep(self.name, object);
        }
        lock(&self.cache.state).loading.remove(&self.name);
        *lock(&self.started.end) = Some(self.object.take());
        self.started.ended.notify_all();
    }
}

impl Load {
    fn wait(&self) -> End {
        let mut end = lock(&self.end);
        loop {
            match &*end {
                Some(end) => return end.clone(),
                None => end = self.ended.wait(end).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
