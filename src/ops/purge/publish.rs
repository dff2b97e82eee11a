//! The generation of a purge: packs without what goes, the order, and nothing that leans on what was before.

use std::collections::HashSet;

use super::find::{Found, Name};
use super::make::Made;
use crate::base::{DedupGeneration, PackHash};
use crate::error::{Error, ErrorKind, Result};
use crate::format::Kind;
use crate::format::head::SignedHead;
use crate::format::manifest::{CondemnedPack, FileKind};
use crate::ops::Run;
use crate::ops::gc::mark::{Marked, mark};
use crate::ops::gc::plan::Plan;
use crate::ops::gc::repack::{Repacked, repack};
use crate::ops::merged_index::{INDEX_LEVEL, merge_indexes};
use crate::ops::rekey::Rekeyed;
use crate::ops::writing::Writing;
use crate::store::object::Sealer;
use crate::store::order::{Order, orders_of};
use crate::store::pack::read_index;
use crate::store::trust::TrustChain;
use crate::store::{Next, StoreError, grace};

/// What kept snapshots led to before, by name.
pub struct Before {
    names: HashSet<Name>,
    /// Chunks that go or are made anew.
    chunks: Vec<Name>,
    order: Order,
}

impl Before {
    /// Notes what there is, while the keys are at hand that open it.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] when an order does not read.
    pub fn of(writing: &Writing, found: &Found) -> Result<Self> {
        let places = writing.reader.index().places().enumerate();
        let met = places.filter(|(at, _)| found.met.contains(*at));
        let mut names: HashSet<Name> = met.map(|(_, place)| (place.entry.id, place.entry.dedup_generation)).collect();
        names.extend(writing.unlocked.sealed.snapshots.iter().map(|named| (named.id, DedupGeneration(0))));
        let going = found.candidates.iter().filter(|(_, candidate)| candidate.gone_bytes() > 0 || candidate.is_recut());
        let chunks: Vec<Name> = going.map(|(name, _)| *name).collect();
        names.extend(&chunks);
        let order = Order::open(writing.store.id(), &writing.keys, &orders_of(&writing.store)?)?;
        Ok(Self { names, chunks, order })
    }
}

/// Makes the generation. `writing` is open with the new keys and over the new snapshots; `stage` is the last thing to be done before
/// it is made, and says under which chain of trust.
///
/// # Durability
/// The new state is what opens once this returns; after a cut within, the old or the new one.
///
/// # Errors
/// [`ErrorKind::Corrupt`] where a pack cannot be made anew, since it is damaged; those of the disk. The old state stays.
pub fn publish(
    writing: &Writing,
    before: Before,
    made: Made,
    rekeyed: &Rekeyed,
    stage: &dyn Fn() -> Result<TrustChain>,
    run: Run<'_>,
) -> Result<SignedHead> {
    let marked = mark(writing, run)?;
    let mut sealed = writing.unlocked.sealed.clone();
    let plan = plan(writing, &before, &marked)?;
    let repacked = repack(writing, &marked, &plan, &mut sealed, run)?;
    if repacked.spared > 0 {
        let text = "packs that hold what goes are damaged, so nothing was purged: heal or repair the store first";
        return Err(Error::new(ErrorKind::Corrupt, text));
    }
    let gone: HashSet<PackHash> = repacked.gone.iter().map(|pack| pack.hash).collect();
    let (recipes, condemned) = (repacked.recipes.clone(), condemned(writing, &repacked, run));
    let mut written = made.written;
    written.packs.extend(repacked.written.packs);
    written.entries.extend(repacked.written.entries);
    let mut sealer = Sealer::new(writing.store.id(), INDEX_LEVEL)?;
    merge_indexes(writing, writing.reader.index(), &gone, &mut sealed, &mut written, &mut sealer)?;
    let following = Next::following(writing.store.packs(), sealed, run.clock.now());
    let removed = gone.into_iter().collect();
    let mut next = Next { added: written.packs, removed, recipes, condemned, is_full: true, ..following };
    rekeyed.write(writing.disk(), &mut next)?;
    let generation = writing.store.head().head.generation.next().ok_or(StoreError::NoGenerationLeft)?;
    let mut order = Order { generation, ..before.order };
    order.replace_snapshots(&made.replaced);
    order.packs.extend(next.condemned.iter().map(|pack| pack.hash));
    next.added.iter().for_each(|pack| _ = order.packs.remove(&pack.hash));
    order.objects.extend(before.chunks.iter().map(|(id, _)| *id));
    next.files.retain(|file| file.kind != FileKind::ORDER);
    next.files.extend(order.write(writing.disk(), writing.store.id(), &rekeyed.keys, writing.signer())?);
    next.files.sort_unstable_by_key(|file| (file.kind, file.hash));
    run.check()?;
    writing.publish_under(&stage()?, &rekeyed.keys, next)
}

/// Picks the packs that hold anything which kept snapshots led to and lead to no more, or a list of what there was.
fn plan(writing: &Writing, before: &Before, marked: &Marked) -> Result<Plan> {
    let index = writing.reader.index();
    let lives = |(id, generation): &Name| index.locate(id, *generation).is_some_and(|(at, _)| marked.met.contains(at));
    let doomed: HashSet<&Name> = before.names.iter().filter(|name| !lives(name)).collect();
    let keys = &writing.keys.reader;
    let mut plan = Plan::default();
    for found in &marked.uses {
        let entries = read_index(writing.disk(), writing.store.id(), &found.pack, &|epoch| keys.index_key(epoch));
        let entries = entries.map_err(|error| unread(writing, error))?;
        let is_dead = found.live_objects == 0;
        let holds = entries
            .iter()
            .any(|(_, entry)| entry.kind == Kind::Index || doomed.contains(&(entry.id, entry.dedup_generation)));
        if is_dead {
            plan.drop.push(found.pack);
        } else if holds {
            plan.copied_bytes += found.live_bytes;
            plan.repack.push(found.pack);
        }
    }
    Ok(plan)
}

fn unread(writing: &Writing, error: StoreError) -> Error {
    match writing.store.settle(error) {
        error if error.costs_one_entry() => {
            let text = "a pack does not tell what it holds, so nothing was purged: heal or repair the store first";
            Error::with_source(ErrorKind::Corrupt, text, error)
        }
        error => error.into(),
    }
}

/// Returns all packs that wait for their end; none waits any longer.
fn condemned(writing: &Writing, repacked: &Repacked, run: Run<'_>) -> Vec<CondemnedPack> {
    let now = run.clock.now();
    let since = grace::condemned_since(now, 0);
    let before = writing.store.packs().top.condemned.iter().filter(|pack| !grace::may_be_forgotten(pack, now));
    let before = before.map(|pack| CondemnedPack { since: pack.since.min(since), ..*pack });
    let gone = repacked.gone.iter();
    let gone = gone.map(|pack| CondemnedPack { hash: pack.hash, len_bytes: pack.len_bytes, since });
    let mut condemned: Vec<CondemnedPack> = before.chain(gone).collect();
    condemned.sort_unstable_by_key(|pack| pack.hash);
    condemned.dedup_by_key(|pack| pack.hash);
    condemned
}
