//! A map that is bounded by the bytes of what it holds: what was asked for longest ago goes first.
//!
//! Each entry counts [`ENTRY_BYTES`] beside its own length, so that no number of empty ones is free.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// What an entry counts beside its own length, in bytes.
pub const ENTRY_BYTES: usize = 128;

/// The map. Asking and adding cost a search in a balanced tree.
#[derive(Debug)]
pub struct Lru<K, V> {
    held: HashMap<K, Held<V>>,
    /// Keys by when they were asked for last.
    order: BTreeMap<u64, K>,
    asked: u64,
    len_bytes: usize,
    most_bytes: usize,
}

#[derive(Debug)]
struct Held<V> {
    value: V,
    asked: u64,
    len_bytes: usize,
}

impl<K: Copy + Eq + Hash, V: Clone> Lru<K, V> {
    /// Holds nothing yet, and never more than so many bytes.
    #[must_use]
    pub fn new(most_bytes: usize) -> Self {
        Self { held: HashMap::new(), order: BTreeMap::new(), asked: 0, len_bytes: 0, most_bytes }
    }

    /// Returns the value of a key, which is now the one that goes last.
    pub fn get(&mut self, key: &K) -> Option<V> {
        let held = self.held.get_mut(key)?;
        self.order.remove(&held.asked);
        self.asked += 1;
        held.asked = self.asked;
        self.order.insert(self.asked, *key);
        Some(held.value.clone())
    }

    /// Holds a value of some length under a key, in place of what stood there; returns what has to go for it, so that the caller
    /// drops it where nobody waits. What is longer than the bound is among that.
    #[must_use]
    pub fn add(&mut self, key: K, value: V, len_bytes: usize) -> Vec<V> {
        let mut gone: Vec<V> = self.take(&key).into_iter().collect();
        let len_bytes = len_bytes.saturating_add(ENTRY_BYTES);
        if len_bytes > self.most_bytes {
            gone.push(value);
            return gone;
        }
        self.asked += 1;
        self.order.insert(self.asked, key);
        self.held.insert(key, Held { value, asked: self.asked, len_bytes });
        self.len_bytes += len_bytes;
        gone.extend(self.shrink());
        gone
    }

    /// Sets another bound; returns what has to go for it.
    #[must_use]
    pub fn bound(&mut self, most_bytes: usize) -> Vec<V> {
        self.most_bytes = most_bytes;
        self.shrink()
    }

    /// Returns how many bytes it holds, each entry's own among them.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.len_bytes
    }

    fn shrink(&mut self) -> Vec<V> {
        let mut gone = Vec::new();
        while self.len_bytes > self.most_bytes
            && let Some((_, oldest)) = self.order.first_key_value()
        {
            let oldest = *oldest;
            gone.extend(self.take(&oldest));
        }
        gone
    }

    fn take(&mut self, key: &K) -> Option<V> {
        let held = self.held.remove(key)?;
        self.order.remove(&held.asked);
        self.len_bytes -= held.len_bytes;
        Some(held.value)
    }
}

#[cfg(test)]
mod tests;
