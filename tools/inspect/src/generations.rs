//! `diff-generations`: what changed between two records that stand here: packs, what waits for its end, and snapshots.

use std::collections::BTreeMap;

use chunkstore::base::{Generation, ObjectId, PackHash, Timestamp};
use chunkstore::error::{Error, ErrorKind, Result};
use chunkstore::format::manifest::{CondemnedPack, PackRef};
use chunkstore::format::sealed::SnapshotRef;
use chunkstore::store::layout;

use crate::history::{SNAPSHOT_COLUMNS, snapshot_row};
use crate::manifests::{packs_of, read_chain};
use crate::packs::class_name;
use crate::records::Record;
use crate::report::{Problems, Report};
use crate::sealed::open_part;
use crate::shown::Shown;
use crate::states::is_whole;
use crate::view::View;

const PACK_COLUMNS: &[&str] = &["file", "class", "len_bytes"];
const CONDEMNED_COLUMNS: &[&str] = &["file", "len_bytes", "since"];

/// What one record says.
struct Side {
    packs: BTreeMap<PackHash, PackRef>,
    condemned: BTreeMap<PackHash, (u64, Timestamp)>,
    snapshots: Option<BTreeMap<(Generation, ObjectId), SnapshotRef>>,
    is_whole: bool,
}

/// Reports on the changes from one generation to another. Costs two chains of manifests.
///
/// # Errors
/// [`ErrorKind::Other`] when no record of one of the generations decodes here.
pub fn report(view: &View, from: u64, to: u64) -> Result<Report> {
    let mut problems = view.findings();
    let (before, after) = (side(view, from, &mut problems)?, side(view, to, &mut problems)?);
    let added = packs_beyond(&after, &before);
    let removed = packs_beyond(&before, &after);
    let bytes = |packs: &[PackRef]| packs.iter().map(|pack| pack.len_bytes).fold(0, u64::saturating_add);
    let mut head = view
        .asked("diff-generations", &format!("{from} {to}"))
        .with("packs_known", before.is_whole && after.is_whole)
        .with("added_bytes", bytes(&added))
        .with("removed_bytes", bytes(&removed));
    let snapshots = before.snapshots.as_ref().zip(after.snapshots.as_ref());
    if view.sealed.opened().is_some() {
        head = head.with("snapshots_known", snapshots.is_some());
    }
    let mut report = Report::new(head, problems)
        .with_list("added", PACK_COLUMNS, added.iter().map(pack_row))
        .with_list("removed", PACK_COLUMNS, removed.iter().map(pack_row))
        .with_list("condemned", CONDEMNED_COLUMNS, condemned_beyond(&after, &before))
        .with_list("condemned_no_more", CONDEMNED_COLUMNS, condemned_beyond(&before, &after));
    if let Some((before, after)) = snapshots {
        let beyond = |one: &BTreeMap<(Generation, ObjectId), SnapshotRef>, other: &BTreeMap<_, _>| -> Vec<Shown> {
            one.iter().filter(|(key, _)| !other.contains_key(*key)).map(|(_, named)| snapshot_row(named)).collect()
        };
        report = report.with_list("new_snapshots", SNAPSHOT_COLUMNS, beyond(after, before)).with_list(
            "forgotten_snapshots",
            SNAPSHOT_COLUMNS,
            beyond(before, after),
        );
    }
    Ok(report)
}

/// Reads what the record of a generation names; a fault of the chain goes to `problems`.
fn side(view: &View, generation: u64, problems: &mut Problems) -> Result<Side> {
    let record = record_of(view, generation)?;
    let Some(signed) = &record.head else { return Err(none_of(view, generation)) };
    let head = &signed.head;
    record.wrong.iter().for_each(|wrong| problems.add(format!("{}: {wrong}", record.path)));
    let chain = read_chain(view.disk.as_ref(), view.store, head.manifest, head.manifest_len_bytes);
    for link in &chain {
        link.wrong.iter().for_each(|wrong| problems.add(format!("{}: {wrong}", layout::manifest(&link.hash))));
    }
    let packs = packs_of(&chain).into_iter().map(|pack| (pack.hash, pack)).collect();
    let top = chain.first().and_then(|link| link.manifest.as_ref());
    let condemned = top.map_or(&[][..], |top| &top.condemned);
    let row = |pack: &CondemnedPack| (pack.hash, (pack.len_bytes, pack.since));
    let condemned = condemned.iter().map(row).collect();
    let snapshots = view.sealed.opened().zip(top).and_then(|(opened, top)| {
        let part = open_part(&opened.keys, top.sealed.0, &top.sealed.1);
        let part = part.map_err(|wrong| problems.add(format!("{}: {wrong}", layout::manifest(&head.manifest))));
        Some(part.ok()?.snapshots.into_iter().map(|named| ((named.generation, named.id), named)).collect())
    });
    Ok(Side { packs, condemned, snapshots, is_whole: is_whole(&chain) })
}

/// Returns the record of a generation, one without fault first.
fn record_of(view: &View, generation: u64) -> Result<&Record> {
    let is_it = |record: &&Record| record.head.as_ref().is_some_and(|head| head.head.generation.0 == generation);
    let sound = view.records.iter().filter(|record| record.wrong.is_empty()).find(is_it);
    sound.or_else(|| view.records.iter().find(is_it)).ok_or_else(|| none_of(view, generation))
}

fn none_of(view: &View, generation: u64) -> Error {
    let mut there: Vec<u64> =
        view.records.iter().filter_map(|record| Some(record.head.as_ref()?.head.generation.0)).collect();
    there.sort_unstable();
    there.dedup();
    let there: Vec<String> = there.iter().map(ToString::to_string).collect();
    let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
    Error::new(ErrorKind::Other, format!("no record of generation {generation} stands here; there are: {there}"))
}

fn packs_beyond(one: &Side, other: &Side) -> Vec<PackRef> {
    one.packs.values().filter(|pack| !other.packs.contains_key(&pack.hash)).copied().collect()
}

fn pack_row(pack: &PackRef) -> Shown {
    let shown = Shown::row().with_text("file", layout::pack(&pack.hash)).with_text("hash", pack.hash);
    shown.with("class", class_name(pack.class)).with("len_bytes", pack.len_bytes)
}

fn condemned_beyond(one: &Side, other: &Side) -> Vec<Shown> {
    let beyond = one.condemned.iter().filter(|(hash, _)| !other.condemned.contains_key(*hash));
    let row = |(hash, (len_bytes, since)): (&PackHash, &(u64, Timestamp))| {
        let shown = Shown::row().with_text("file", layout::pack(hash)).with_text("hash", hash);
        shown.with("len_bytes", *len_bytes).with_text("since", since)
    };
    beyond.map(row).collect()
}
