//! What the store holds under keys of dedup generations that are over: after a purge, almost everything. It is found by the keys
//! that the last snapshot's trees hand on, so that content which is read again is not stored again.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::base::{DedupGeneration, ObjectId};
use crate::format::Pointer;
use crate::store::StoreError;
use crate::store::reader::ObjectReader;
use crate::tree::handed::pointers;
use crate::tree::reach::Met;

/// Objects of the last snapshot by their ids, gathered when one is first asked for.
pub struct Survivors<'a> {
    reader: &'a ObjectReader,
    root: Option<Pointer>,
    now: DedupGeneration,
    found: OnceLock<HashMap<ObjectId, Pointer>>,
}

impl<'a> Survivors<'a> {
    /// Looks below a root once that is needed; `now` is the dedup generation in use.
    #[must_use]
    pub fn new(reader: &'a ObjectReader, root: Option<Pointer>, now: DedupGeneration) -> Self {
        Self { reader, root, now, found: OnceLock::new() }
    }

    /// Returns a pointer to an object that the last snapshot has under a key of an earlier dedup generation.
    #[must_use]
    pub fn find(&self, id: &ObjectId) -> Option<Pointer> {
        if !self.reader.index().is_of_another_generation(id, self.now) {
            return None;
        }
        self.found.get_or_init(|| self.gather()).get(id).copied()
    }

    /// What does not read is stored again, as it would be anyhow.
    fn gather(&self) -> HashMap<ObjectId, Pointer> {
        let mut found = HashMap::new();
        if let Some(root) = &self.root {
            let wants = |pointer: &Pointer| pointer.dedup_generation != self.now;
            let check = || Ok::<_, StoreError>(());
            let _ = pointers(self.reader, root, &mut Met::default(), &wants, &check, &mut found);
        }
        found
    }
}
