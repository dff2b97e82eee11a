//! `reach`: what the whole store holds for whom: packs with what of them is live, and files that no state names.
//!
//! Live is what the kept snapshots of the shown state reach, and its merged indexes. A copy of an object that lies elsewhere, too,
//! counts as live once, where it was written first.

use std::collections::{HashMap, HashSet};

use chunkstore::base::{Epoch, PackHash, StorePath};
use chunkstore::disk::DiskFileKind;
use chunkstore::format::Pointer;
use chunkstore::format::manifest::PackRef;
use chunkstore::store::StoreError;
use chunkstore::store::index::Place;
use chunkstore::store::layout;
use chunkstore::store::object::snapshot_pointer;
use chunkstore::store::pack::read_index;
use chunkstore::store::reader::ObjectReader;
use chunkstore::tree::reach::{Met, Visitor, reach};
use chunkstore::tree::snapshots;

use crate::hunt::lost;
use crate::objects;
use crate::packs::{class_name, here, read_header, standing};
use crate::places::Stored;
use crate::report::{Problems, Report};
use crate::sealed::Opened;
use crate::shown::Shown;
use crate::states::{Claim, States};
use crate::view::View;
use crate::why;

const RECORD_COLUMNS: &[&str] =
    &["file", "generation", "role", "manifests", "packs", "pack_bytes", "condemned", "is_whole"];
const OUTER_COLUMNS: &[&str] = &["file", "class", "len_bytes", "here_len_bytes", "named_by"];
const PACK_COLUMNS: &[&str] =
    &["file", "class", "len_bytes", "objects", "live_objects", "live_bytes", "dead_bytes", "live_percent", "named_by"];
const CONDEMNED_COLUMNS: &[&str] = &["file", "len_bytes", "since", "here_len_bytes", "named_by"];
const ORPHAN_COLUMNS: &[&str] = &["file", "len_bytes", "why"];

/// What is live in each pack.
#[derive(Default)]
struct Live {
    packs: HashMap<PackHash, Stored>,
    /// What lies in each pack in all.
    stored: HashMap<PackHash, Stored>,
    /// Whether everything that snapshots name was met.
    is_all: bool,
}

/// Reports on the whole store. Costs the manifests of every record; with an identity also every index and every directory once,
/// no content.
#[must_use]
pub fn report(view: &View) -> Report {
    let mut problems = view.findings();
    let states = States::read(view, &mut problems);
    let live = view.sealed.opened().map(|opened| live(view, opened, &mut problems));
    let mut packs = pack_rows(view, &states, live.as_ref(), &mut problems);
    packs.sort_by_key(|row| row.order);
    let condemned = condemned_rows(view, &states);
    let orphans = orphans(view, &states, &mut problems);
    let sum = |of: &dyn Fn(&PackRow) -> u64| packs.iter().map(of).fold(0, u64::saturating_add);
    let mut head = view
        .asked("reach", "")
        .with("packs_known", states.files_known)
        .with("packs_count", packs.len())
        .with("pack_bytes", sum(&|row| row.len_bytes));
    if let Some(live) = &live {
        head = head
            .with("objects", sum(&|row| row.stored.objects))
            .with("live_objects", sum(&|row| row.live.objects))
            .with("live_bytes", sum(&|row| row.live.bytes))
            .with("dead_bytes", sum(&PackRow::dead_bytes))
            .with("all_reached", live.is_all);
    }
    let orphan_bytes = orphans.iter().map(|(_, len_bytes, _)| *len_bytes).fold(0, u64::saturating_add);
    head = head.with("orphans_count", orphans.len()).with("orphan_bytes", orphan_bytes);
    let records = states.all.iter().map(|state| {
        Shown::row()
            .with_text("file", &state.file)
            .with("generation", state.generation.0)
            .with("role", state.role.name())
            .with("manifests", state.manifests)
            .with("packs", state.packs)
            .with("pack_bytes", state.pack_bytes)
            .with("condemned", state.condemned)
            .with("is_whole", state.is_whole)
    });
    let records: Vec<Shown> = records.collect();
    let orphan_row = |(path, len_bytes, why): (StorePath, u64, String)| {
        Shown::row().with_text("file", path).with("len_bytes", len_bytes).with("why", why)
    };
    let columns = if live.is_some() { PACK_COLUMNS } else { OUTER_COLUMNS };
    Report::new(head, problems)
        .with_list("records", RECORD_COLUMNS, records)
        .with_list("packs", columns, packs.into_iter().map(|row| row.shown))
        .with_list("condemned", CONDEMNED_COLUMNS, condemned)
        .with_list("orphans", ORPHAN_COLUMNS, orphans.into_iter().map(orphan_row))
}

/// A pack, and where it stands in the order: what deletion would take first.
struct PackRow {
    shown: Shown,
    order: (u8, u64, std::cmp::Reverse<u64>, PackHash),
    len_bytes: u64,
    stored: Stored,
    live: Stored,
}

impl PackRow {
    fn dead_bytes(&self) -> u64 {
        self.stored.bytes.saturating_sub(self.live.bytes)
    }
}

fn pack_rows(view: &View, states: &States, live: Option<&Live>, problems: &mut Problems) -> Vec<PackRow> {
    let shown_state: HashSet<PackHash> = view.packs.iter().map(|pack| pack.hash).collect();
    let listed = states.packs.iter().filter_map(|(hash, claim)| Some((hash, claim, claim.class?)));
    let rows = listed.map(|(hash, claim, class)| {
        let pack = PackRef { hash: *hash, len_bytes: claim.len_bytes, class, set_label: 0 };
        let path = layout::pack(hash);
        let (here_len_bytes, wrong) = here(view, &pack);
        // What an older state named may have left since.
        if shown_state.contains(hash) {
            wrong.iter().for_each(|wrong| problems.add(format!("{path}: {wrong}")));
            if live.is_none() && wrong.is_none() {
                read_header(view, &path).err().into_iter().for_each(|wrong| problems.add(format!("{path}: {wrong}")));
            }
        }
        let mut row = PackRow {
            shown: Shown::row()
                .with_text("file", &path)
                .with_text("hash", hash)
                .with("class", class_name(class))
                .with("len_bytes", claim.len_bytes)
                .with("here_len_bytes", here_len_bytes)
                .with("named_by", states.roles(claim.listed_by))
                .with("records", states.names(claim.listed_by)),
            order: (0, 0, std::cmp::Reverse(0), *hash),
            len_bytes: claim.len_bytes,
            stored: Stored::default(),
            live: Stored::default(),
        };
        if let Some(live) = live {
            row.fill(view, &pack, live, shown_state.contains(hash));
        }
        row
    });
    rows.collect()
}

impl PackRow {
    /// Adds what lies in the pack and what of it is live.
    fn fill(&mut self, view: &View, pack: &PackRef, live: &Live, in_state: bool) {
        let known = live.stored.get(&pack.hash).copied().or_else(|| if in_state { None } else { count(view, pack) });
        self.live = live.packs.get(&pack.hash).copied().unwrap_or_default();
        self.stored = known.unwrap_or_default();
        let share = |of: u64| (u128::from(self.live.bytes) * u128::from(of)) / u128::from(self.stored.bytes.max(1));
        let millionths = u64::try_from(share(1_000_000)).unwrap_or(u64::MAX);
        let is_known = known.is_some();
        self.order.0 = u8::from(!is_known);
        self.order.1 = millionths;
        self.order.2 = std::cmp::Reverse(self.dead_bytes());
        let percent = is_known.then(|| u64::try_from(share(100)).unwrap_or(u64::MAX));
        let shown = std::mem::replace(&mut self.shown, Shown::row());
        self.shown = shown
            .with("in_shown_state", in_state)
            .with("objects", known.map(|stored| stored.objects))
            .with("live_objects", self.live.objects)
            .with("live_bytes", self.live.bytes)
            .with("dead_bytes", is_known.then(|| self.dead_bytes()))
            .with("live_percent", percent);
    }
}

/// Counts the objects of a pack that the shown state does not list any more.
fn count(view: &View, pack: &PackRef) -> Option<Stored> {
    let opened = view.sealed.opened()?;
    let index_key = |epoch: Epoch| opened.keys.index_key(epoch);
    let entries = read_index(view.disk.as_ref(), view.store, pack, &index_key).ok()?;
    let mut stored = Stored::default();
    entries.iter().for_each(|(_, entry)| stored.add(entry));
    Some(stored)
}

/// Walks all snapshots and counts what they reach.
fn live(view: &View, opened: &Opened, problems: &mut Problems) -> Live {
    let (reader, stored) = objects::reader(view, opened, &mut |problem| problems.add(problem));
    let mut live = Live { stored, is_all: false, ..Live::default() };
    let Some(part) = &opened.part else { return live };
    let before = problems.count();
    for index in &part.indexes {
        note(&reader, &index.pointer, &mut live.packs);
    }
    let mut met = Met::default();
    let mut roots = HashSet::new();
    for named in &part.snapshots {
        let pointer = snapshot_pointer(&opened.keys, named.id, named.epoch, named.len_bytes);
        pointer.iter().filter(|pointer| roots.insert(pointer.id)).for_each(|p| note(&reader, p, &mut live.packs));
        match snapshots::load(&reader, named) {
            Ok(snapshot) => {
                let mut counter = Counter { packs: &mut live.packs, problems };
                // The counter ends no visit.
                let _ = reach(&reader, &snapshot.root, &mut met, &mut counter);
            }
            Err(error) => problems.add(format!("snapshot {}: {}", named.id, why(error))),
        }
    }
    live.is_all = problems.count() == before && view.is_whole();
    if !live.is_all {
        problems.add("what lies below parts that do not read is not counted as live: dead bytes are too many");
    }
    live
}

fn note(reader: &ObjectReader, pointer: &Pointer, packs: &mut HashMap<PackHash, Stored>) {
    if let Some(place) = reader.index().find(&pointer.id, pointer.dedup_generation) {
        packs.entry(place.pack).or_default().add(&place.entry);
    }
}

struct Counter<'a> {
    packs: &'a mut HashMap<PackHash, Stored>,
    problems: &'a mut Problems,
}

impl Visitor for Counter<'_> {
    fn object(&mut self, place: &Place) -> Result<(), StoreError> {
        self.packs.entry(place.pack).or_default().add(&place.entry);
        Ok(())
    }

    fn lost(&mut self, pointer: &Pointer, error: StoreError) -> Result<(), StoreError> {
        self.problems.add(format!("{}: {}", lost(pointer), why(error)));
        Ok(())
    }
}

fn condemned_rows<'a>(view: &'a View, states: &'a States) -> impl Iterator<Item = Shown> + 'a {
    let condemned = states.packs.iter().filter(|(_, claim)| claim.condemned_by != 0);
    condemned.map(|(hash, claim): (&PackHash, &Claim)| {
        let path = layout::pack(hash);
        let here = view.disk.metadata(&path).ok().flatten().map_or(0, |metadata| metadata.len_bytes);
        Shown::row()
            .with_text("file", path)
            .with_text("hash", hash)
            .with("len_bytes", claim.len_bytes)
            .with("since", claim.condemned_since.map(|since| since.to_string()))
            .with("here_len_bytes", here)
            .with("named_by", states.roles(claim.condemned_by))
            .with("records", states.names(claim.condemned_by))
    })
}

/// Returns the files that no state names, with their lengths and what is known of each, by path.
fn orphans(view: &View, states: &States, problems: &mut Problems) -> Vec<(StorePath, u64, String)> {
    let claims: HashMap<StorePath, &Claim> =
        states.packs.iter().map(|(hash, claim)| (layout::pack(hash), claim)).collect();
    let (packs, wrong) = standing(view);
    wrong.into_iter().for_each(|wrong| problems.add(wrong));
    let mut orphans = Vec::new();
    let mut judge = |path: StorePath, len_bytes: u64, named_by: u128, is_known: bool| {
        if states.pinning(named_by) != 0 {
            return;
        }
        let why = if path.parent() == layout::heads() {
            "a record that is older than the last two valid ones, or not valid".to_owned()
        } else if named_by != 0 {
            format!("only {} names it", states.names(named_by).join(" "))
        } else if is_known {
            "no record names it".to_owned()
        } else {
            "not known: a part of the state that may name it does not read".to_owned()
        };
        orphans.push((path, len_bytes, why));
    };
    for (path, len_bytes) in packs {
        let named_by = claims.get(&path).map_or(0, |claim| claim.listed_by | claim.condemned_by);
        judge(path, len_bytes, named_by, states.files_known);
    }
    let mut dirs = vec![(layout::manifests(), states.files_known), (layout::heads(), true)];
    dirs.extend(key_dirs(view).into_iter().map(|dir| (dir, states.keys_known)));
    for (dir, is_known) in dirs {
        let listed = view.disk.list(&dir).unwrap_or_else(|error| {
            problems.add(why(error));
            Vec::new()
        });
        for (name, metadata) in listed.into_iter().filter(|(_, metadata)| metadata.kind == DiskFileKind::File) {
            let Ok(path) = StorePath::new(&format!("{dir}/{name}")) else { continue };
            let named_by = states.file_claims(&path);
            judge(path, metadata.len_bytes, named_by, is_known);
        }
    }
    orphans.sort();
    orphans
}

fn key_dirs(view: &View) -> Vec<StorePath> {
    let keys = layout::key_dir(Epoch(1)).parent();
    let listed = view.disk.list(&keys).unwrap_or_default();
    let dirs = listed.into_iter().filter(|(_, metadata)| metadata.kind == DiskFileKind::Dir);
    dirs.filter_map(|(name, _)| StorePath::new(&format!("{keys}/{name}")).ok()).collect()
}
