//! Purge orders among the carried files of a state: written with a purge, checked by whoever carries a store, opened by those
//! who hold its keys.

use std::collections::{BTreeMap, BTreeSet};

use super::error::StoreError;
use super::keyring::{ReaderKeys, WriterKeys};
use super::layout;
use super::object::{Purpose, open_outer, seal_outer};
use super::pack::create_immutable;
use super::trust::TrustChain;
use super::{Store, head};
use crate::base::limits::HEAD_MAX_BYTES;
use crate::base::{FileHash, Generation, ObjectId, PackHash, StoreId, StorePath};
use crate::crypto::Secret;
use crate::crypto::sign::{Purpose as Signed, SignKey, verify};
use crate::disk::{Disk, read_all};
use crate::format::head::SignedHead;
use crate::format::manifest::{FileKind, FileRef};
use crate::format::order::{
    ORDER_ITEMS_MAX, ORDER_PARTS_MAX, OrderFile, decode_objects, decode_snapshots, encode_objects, encode_snapshots,
};
use crate::format::pack::{SEAL_OVERHEAD_BYTES, padme};

/// What the purges of a store have ordered, the newest one's generation and all of them together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Order {
    /// The generation of the newest purge.
    pub generation: Generation,
    /// Packs that are to be gone.
    pub packs: BTreeSet<PackHash>,
    /// Which snapshot stands in the place of which that was there before.
    pub snapshots: BTreeMap<ObjectId, ObjectId>,
    /// Chunks that were taken away.
    pub objects: BTreeSet<ObjectId>,
}

/// Reads what the orders of a state say in clear: signed by a writer whom the chain of trust knows, each part there and right.
/// One that names a generation above that of the HEAD which lists it does not count: no purge was before it was made. Nothing
/// where there is none.
///
/// # Errors
/// [`StoreError::Corrupt`] when a part is missing or wrong, [`StoreError::NotTrusted`] for a wrong signature.
pub fn read_orders(
    disk: &dyn Disk,
    store: StoreId,
    trust: &TrustChain,
    files: &[FileRef],
    head: Generation,
) -> Result<Vec<OrderFile>, StoreError> {
    let listed = files.iter().filter(|file| file.kind == FileKind::ORDER);
    let orders = listed.map(|file| read_order(disk, store, trust, file));
    orders.filter(|order| order.as_ref().map_or(true, |order| order.generation <= head)).collect()
}

/// Reads the orders of an open store.
///
/// # Errors
/// As [`read_orders`].
pub fn orders_of(store: &Store) -> Result<Vec<OrderFile>, StoreError> {
    let (head, files) = (store.head().head.generation, &store.packs().top.files);
    read_orders(store.disk().as_ref(), store.id(), store.trust(), files, head)
}

/// Reads the orders that an open store was told of; none where one does not read: it is healed first.
///
/// # Errors
/// Those of the disk.
pub fn readable_orders_of(store: &Store) -> Result<Vec<OrderFile>, StoreError> {
    match orders_of(store) {
        Err(error @ StoreError::Gone(_)) => Err(error),
        Err(error) if error.costs_one_entry() || matches!(error, StoreError::NotTrusted(_)) => Ok(Vec::new()),
        orders => orders,
    }
}

/// Returns the generation of the newest purge that an open store was told of; 0 where there was none, and where the order does not
/// read.
///
/// # Errors
/// Those of the disk.
pub fn purged_below(store: &Store) -> Result<Generation, StoreError> {
    Ok(readable_orders_of(store)?.iter().map(|order| order.generation).max().unwrap_or_default())
}

/// Says which parts of its orders a state does not list, if any are missing: what those order is known to nobody. Each part says
/// how many there are.
#[must_use]
pub fn missing_parts(orders: &[OrderFile]) -> Option<String> {
    let mut known: BTreeMap<Generation, (u16, BTreeSet<u16>)> = BTreeMap::new();
    for order in orders {
        let (parts, listed) = known.entry(order.generation).or_default();
        *parts = order.parts.max(*parts);
        listed.insert(order.part);
    }
    let is_short = |(parts, listed): &(u16, BTreeSet<u16>)| listed.len() < usize::from(*parts);
    let (generation, (parts, listed)) = known.into_iter().find(|(_, order)| is_short(order))?;
    let missing = usize::from(parts) - listed.len();
    Some(format!(
        "the purge order of generation {generation} lacks {missing} of its {parts} parts: purge anything again"
    ))
}

/// Returns the records that stand and are of before the newest purge: while there is one, the purge is not carried out here. Those
/// are the older ones, and those of another history, which a recovery left under the same generations.
///
/// # Errors
/// Those of the disk.
pub fn superseded(store: &Store) -> Result<Vec<StorePath>, StoreError> {
    let purged = purged_below(store)?;
    if purged == Generation(0) {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for generation in head::names(store.disk().as_ref())? {
        if generation < purged || is_of_another_history(store, generation)? {
            found.push(layout::head_record(generation));
        }
    }
    Ok(found)
}

/// Returns whether a record of an earlier generation is none of those that the state lists as its own, as far back as the list goes.
fn is_of_another_history(store: &Store, generation: Generation) -> Result<bool, StoreError> {
    let listed = &store.packs().heads;
    let is_covered = listed.keys().next().is_some_and(|first| *first <= generation);
    if !is_covered || generation >= store.head().head.generation {
        return Ok(false);
    }
    let bytes = match read_all(store.disk().as_ref(), &layout::head_record(generation), HEAD_MAX_BYTES) {
        Err(error) if error.kind.is_of_the_medium() => return Err(error.into()),
        // What does not read leads to nothing, and is left for whoever looks at damage.
        bytes => bytes.ok().flatten().and_then(|bytes| SignedHead::decode(&bytes).ok()),
    };
    Ok(bytes.is_some_and(|record| listed.get(&generation) != Some(&record.hash())))
}

fn read_order(disk: &dyn Disk, store: StoreId, trust: &TrustChain, file: &FileRef) -> Result<OrderFile, StoreError> {
    let path = layout::carried_file(&file.hash);
    let what = || format!("purge order {path}");
    let bytes = read_all(disk, &path, u64::from(file.len_bytes)).map_err(|error| StoreError::unread(what(), error))?;
    let bytes = bytes.filter(|bytes| *blake3::hash(bytes).as_bytes() == file.hash.0);
    let bytes = bytes.ok_or_else(|| StoreError::damaged(what()))?;
    let decoded = OrderFile::decode(&bytes, store);
    let (order, signature, signed) = decoded.map_err(|error| StoreError::format(what(), error))?;
    let mut writers = trust.files().iter().flat_map(|file| &file.trust.writers);
    let is_writer = writers.any(|writer| writer.key == order.writer);
    if is_writer && verify(&order.writer, Signed::Order, &bytes[..signed], &signature) {
        return Ok(order);
    }
    Err(StoreError::NotTrusted(format!("{} is not signed by a writer of the store", what())))
}

impl Order {
    /// Opens and joins all parts of all orders of a state, with a writer's keys.
    ///
    /// # Errors
    /// As [`read_orders`]; [`StoreError::NoIdentity`] when a secret is not at hand.
    pub fn open(store: StoreId, keys: &WriterKeys, files: &[OrderFile]) -> Result<Self, StoreError> {
        let mut order = Self::default();
        for file in files {
            let key = keys.order_key(file.dedup_generation).ok_or(StoreError::NoIdentity)?;
            let plain = open_outer(store, Purpose::OrderObjects, &key, "a purge order", &file.objects)?;
            let objects = decode_objects(&plain).map_err(|error| StoreError::format("a purge order", error))?;
            order.objects.extend(objects);
            order.snapshots.extend(open_snapshots(store, &keys.reader, file)?);
            order.generation = order.generation.max(file.generation);
            order.packs.extend(&file.packs);
        }
        Ok(order)
    }

    /// Notes that newer snapshots stand in the place of those that stood until now.
    pub fn replace_snapshots(&mut self, replaced: &BTreeMap<ObjectId, ObjectId>) {
        for newer in self.snapshots.values_mut() {
            *newer = replaced.get(newer).copied().unwrap_or(*newer);
        }
        self.snapshots.extend(replaced);
    }

    /// Writes the order; returns how the manifest lists its parts.
    ///
    /// # Durability
    /// Everything is durable when this returns.
    ///
    /// # Errors
    /// [`StoreError::TooMuch`] for more than an order can say, and those of the disk.
    pub fn write(
        &self,
        disk: &dyn Disk,
        store: StoreId,
        keys: &WriterKeys,
        signer: &SignKey,
    ) -> Result<Vec<FileRef>, StoreError> {
        let packs: Vec<PackHash> = self.packs.iter().copied().collect();
        let snapshots: Vec<(ObjectId, ObjectId)> = self.snapshots.iter().map(|(old, new)| (*old, *new)).collect();
        let objects: Vec<ObjectId> = self.objects.iter().copied().collect();
        let longest = packs.len().max(snapshots.len()).max(objects.len());
        let parts = longest.div_ceil(ORDER_ITEMS_MAX).max(1);
        let parts = u16::try_from(parts).ok().filter(|parts| *parts <= ORDER_PARTS_MAX);
        let parts = parts.ok_or(StoreError::TooMuch("the purge order"))?;
        let (epoch, dedup_generation) = (keys.reader.epoch(), keys.dedup_generation());
        let for_readers = keys.reader.order_key(epoch).ok_or(StoreError::NoIdentity)?;
        let for_writers = keys.order_key(dedup_generation).ok_or(StoreError::NoIdentity)?;
        let mut listed = Vec::new();
        for part in 0..parts {
            let (snapshots, objects) = (of_part(&snapshots, part), of_part(&objects, part));
            let file = OrderFile {
                clash_counter: 0,
                generation: self.generation,
                part,
                parts,
                epoch,
                dedup_generation,
                writer: signer.public(),
                packs: of_part(&packs, part).to_vec(),
                snapshots: seal(store, Purpose::OrderSnapshots, &for_readers, &|len| encode_snapshots(snapshots, len))?,
                objects: seal(store, Purpose::OrderObjects, &for_writers, &|len| encode_objects(objects, len))?,
            };
            listed.push(write_part(disk, store, signer, &file)?);
        }
        disk.sync_dir(&layout::manifests())?;
        listed.sort_unstable_by_key(|file| file.hash);
        Ok(listed)
    }
}

/// Opens which snapshots stand in the place of which, with a reader's keys.
///
/// # Errors
/// [`StoreError::NoIdentity`] when the epoch's secret is not at hand, [`StoreError::Corrupt`].
pub fn open_snapshots(
    store: StoreId,
    keys: &ReaderKeys,
    file: &OrderFile,
) -> Result<Vec<(ObjectId, ObjectId)>, StoreError> {
    let key = keys.order_key(file.epoch).ok_or(StoreError::NoIdentity)?;
    let plain = open_outer(store, Purpose::OrderSnapshots, &key, "a purge order", &file.snapshots)?;
    decode_snapshots(&plain).map_err(|error| StoreError::format("a purge order", error))
}

fn of_part<T>(items: &[T], part: u16) -> &[T] {
    items.chunks(ORDER_ITEMS_MAX).nth(usize::from(part)).unwrap_or_default()
}

/// Seals what `encode` writes, padded to a length that says little.
fn seal(
    store: StoreId,
    purpose: Purpose,
    key: &Secret,
    encode: &dyn Fn(usize) -> Vec<u8>,
) -> Result<Vec<u8>, StoreError> {
    let padded = padme(encode(0).len() as u64 + SEAL_OVERHEAD_BYTES) - SEAL_OVERHEAD_BYTES;
    seal_outer(store, purpose, key, &encode(usize::try_from(padded).unwrap_or(0)))
}

fn write_part(disk: &dyn Disk, store: StoreId, signer: &SignKey, file: &OrderFile) -> Result<FileRef, StoreError> {
    let mut bytes = file.encode_body(store);
    let signature = signer.sign(Signed::Order, &bytes);
    bytes.extend_from_slice(&signature);
    let hash = FileHash(*blake3::hash(&bytes).as_bytes());
    create_immutable(disk, &layout::carried_file(&hash), &bytes)?;
    // A part is well below 1 MiB.
    Ok(FileRef { kind: FileKind::ORDER, len_bytes: bytes.len() as u32, hash })
}

#[cfg(test)]
mod tests;
