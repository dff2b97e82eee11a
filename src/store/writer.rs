//! Writing packs: objects go in in order, packs come out whole, synced and listed.

use std::collections::BTreeSet;

use super::error::StoreError;
use super::layout;
use super::manifest::PackSet;
use super::object::SealedObject;
use super::pack::{BuiltPack, PackBuilder, create_immutable, holds};
use crate::base::units::MIB;
use crate::base::{Epoch, PackHash, StoreId};
use crate::crypto::Secret;
use crate::disk::{Disk, DiskErrorKind};
use crate::format::Class;
use crate::format::manifest::PackRef;
use crate::format::pack::PackEntry;

/// What a writer made.
#[derive(Debug, Default)]
pub struct Written {
    /// Packs in the order they were written.
    pub packs: Vec<PackRef>,
    /// Their objects: pack, offset of the frame, what the index says.
    pub entries: Vec<(PackHash, u64, PackEntry)>,
}

impl Written {
    /// Returns the bytes of all packs.
    #[must_use]
    pub fn len_bytes(&self) -> u64 {
        self.packs.iter().map(|pack| pack.len_bytes).sum()
    }
}

/// The one ordered writer of packs; after a failure it takes nothing more.
pub struct PackWriter<'a> {
    disk: &'a dyn Disk,
    store: StoreId,
    epoch: Epoch,
    index_key: Secret,
    listed: Option<&'a PackSet>,
    data: PackBuilder,
    meta: PackBuilder,
    written: Written,
    unsynced_dirs: BTreeSet<u8>,
    poisoned: bool,
    writes: bool,
    beside: bool,
    in_order: bool,
}

impl<'a> PackWriter<'a> {
    /// Starts writing packs beside those that a set lists.
    #[must_use]
    pub fn new(
        disk: &'a dyn Disk,
        store: StoreId,
        epoch: Epoch,
        index_key: Secret,
        listed: Option<&'a PackSet>,
    ) -> Self {
        Self {
            disk,
            store,
            epoch,
            index_key,
            listed,
            data: PackBuilder::new(store, Class::Data, epoch),
            meta: PackBuilder::new(store, Class::Meta, epoch),
            written: Written::default(),
            unsynced_dirs: BTreeSet::new(),
            poisoned: false,
            writes: true,
            beside: false,
            in_order: false,
        }
    }

    /// Builds, names and counts packs as before, and writes none of them.
    #[must_use]
    pub fn without_writing(mut self) -> Self {
        self.writes = false;
        self
    }

    /// Makes a pack that a listed one says the same as under another name, so that what stands damaged is not touched.
    #[must_use]
    pub fn beside_listed(mut self) -> Self {
        self.beside = true;
        self
    }

    /// Keeps the order in which objects come, as [`PackBuilder::in_order`].
    #[must_use]
    pub fn in_order(mut self) -> Self {
        self.in_order = true;
        self
    }

    /// Adds an object to the pack of its class; writes that pack first if the object does not fit.
    ///
    /// # Errors
    /// [`StoreError::NoSpace`], [`StoreError::Poisoned`] after an earlier failure, and others.
    pub fn put(&mut self, object: SealedObject) -> Result<(), StoreError> {
        let class = object.entry.kind.class();
        if !self.builder(class).fits(object.frame.len() as u64) {
            self.flush(class)?;
        }
        self.builder(class).push(object);
        Ok(())
    }

    /// Writes what is left and syncs every directory that got a pack.
    ///
    /// # Durability
    /// All packs are durable when this returns.
    ///
    /// # Errors
    /// As [`PackWriter::put`].
    pub fn finish(mut self) -> Result<Written, StoreError> {
        self.flush(Class::Data)?;
        self.flush(Class::Meta)?;
        for first_byte in std::mem::take(&mut self.unsynced_dirs) {
            self.disk.sync_dir(&layout::pack_dir(first_byte))?;
        }
        Ok(self.written)
    }

    fn builder(&mut self, class: Class) -> &mut PackBuilder {
        match class {
            Class::Data => &mut self.data,
            Class::Meta => &mut self.meta,
        }
    }

    fn flush(&mut self, class: Class) -> Result<(), StoreError> {
        if self.poisoned {
            return Err(StoreError::Poisoned);
        }
        let empty = PackBuilder::new(self.store, class, self.epoch);
        let builder = std::mem::replace(self.builder(class), empty);
        if builder.is_empty() {
            return Ok(());
        }
        let result = self.write(builder);
        self.poisoned = result.is_err();
        result
    }

    fn write(&mut self, builder: PackBuilder) -> Result<(), StoreError> {
        let builder = if self.in_order { builder.in_order() } else { builder };
        let built = builder.finish(&self.index_key, &|hash| self.name_is_taken(hash))?;
        let hash = built.listed.hash;
        let is_listed = self.listed.is_some_and(|listed| listed.pack(&hash).is_some());
        // A listed pack is made again where it stands damaged, and is not listed twice.
        if self.writes && (!is_listed || !holds(self.disk, &layout::pack(&hash), &built.bytes)) {
            create_immutable(self.disk, &layout::pack(&hash), &built.bytes)
                .map_err(|error| self.with_space(error, &built))?;
            self.unsynced_dirs.insert(hash.0[0]);
        }
        if !is_listed {
            self.written.packs.push(built.listed);
        }
        self.written.entries.extend(built.entries.iter().map(|(offset, entry)| (hash, *offset, *entry)));
        Ok(())
    }

    /// Returns whether another listed pack has the same 52 bits in its name, or this one may not take that of the listed one.
    fn name_is_taken(&self, hash: &PackHash) -> bool {
        if self.beside && self.listed.is_some_and(|listed| listed.pack(hash).is_some()) {
            return true;
        }
        let path = layout::pack(hash);
        let listed = self.listed.map_or(&[][..], PackSet::packs).iter().chain(&self.written.packs);
        // Most lie in another directory, and then no path needs making.
        let mut beside = listed.into_iter().filter(|pack| pack.hash.0[0] == hash.0[0] && pack.hash != *hash);
        beside.any(|pack| layout::pack(&pack.hash) == path)
    }

    fn with_space(&self, error: StoreError, built: &BuiltPack) -> StoreError {
        no_space(self.disk, error, built.listed.len_bytes + MIB)
    }
}

/// Says how much is needed and free where the disk said that it is full.
#[must_use]
pub fn no_space(disk: &dyn Disk, error: StoreError, needed_bytes: u64) -> StoreError {
    match error {
        StoreError::Disk(error) if error.kind == DiskErrorKind::NoSpace => {
            StoreError::NoSpace { needed_bytes, free_bytes: disk.free_bytes().unwrap_or(0) }
        }
        error => error,
    }
}
