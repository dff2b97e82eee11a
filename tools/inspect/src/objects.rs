//! Objects: found by id or by path, opened where that can be done, and shown as far as they decode.
//!
//! The key of an object stands in whatever points to it, so opening one by its id means finding it from the snapshots down.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;

use chunkstore::base::clock::{Clock, SystemClock};
use chunkstore::base::{ObjectId, PackHash};
use chunkstore::error::{Error, ErrorKind, Result};
use chunkstore::format::Kind;
use chunkstore::format::snapshot::Snapshot;
use chunkstore::format::tree::Node;
use chunkstore::ops::open::Spot;
use chunkstore::store::layout;
use chunkstore::store::reader::ObjectReader;
use chunkstore::tree::read::{Named, resolve};
use chunkstore::tree::snapshots;

use crate::content;
use crate::history::{PATH_COLUMNS, SNAPSHOT_COLUMNS, history};
use crate::hunt::Hunt;
use crate::places::{self, Name, Place, Stored, Table};
use crate::report::Report;
use crate::sealed::Opened;
use crate::shown::{Screen, Shown};
use crate::view::View;

/// The most objects that the beginning of an id may stand for.
const MATCHES_MAX: usize = 64;

/// Returns the word for a kind.
#[must_use]
pub fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Chunk => "chunk",
        Kind::List => "list",
        Kind::Tree => "tree",
        Kind::Snapshot => "snapshot",
        Kind::Index => "index",
    }
}

/// Makes what reads objects by pointer, and what lies in each pack; what is wrong with indexes goes to `problem`.
#[must_use]
pub fn reader(
    view: &View,
    opened: &Opened,
    problem: &mut dyn FnMut(String),
) -> (ObjectReader, HashMap<PackHash, Stored>) {
    let Table { index, packs } = places::table(view, opened, problem);
    (ObjectReader::new(Arc::clone(&view.disk), view.store, opened.keys.clone(), index), packs)
}

/// Adds what is known of an object and whether it opens; returns its plaintext if it does.
#[must_use]
pub fn describe(
    view: &View,
    opened: &Opened,
    hunt: &Hunt<'_>,
    place: &Place,
    shown: Shown,
) -> (Shown, Option<Vec<u8>>) {
    let entry = &place.entry;
    let shown = shown
        .with_text("id", entry.id)
        .with("kind", kind_name(entry.kind))
        .with("dedup_generation", entry.dedup_generation.0)
        .with("codec", format!("{:?}", entry.codec).to_lowercase())
        .with("len_bytes", entry.len_bytes)
        .with_text("pack", layout::pack(&place.pack))
        .with("offset", place.offset)
        .with("sealed_len_bytes", entry.sealed_len_bytes);
    let Some(pointer) = hunt.pointer(&(entry.id, entry.dedup_generation)) else {
        let how = if hunt.is_partial() {
            "no pointer to it was found; some nodes on the way do not read"
        } else {
            "no snapshot that is kept reaches it"
        };
        return (shown.with("opens", serde_json::Value::Null).with("why", how), None);
    };
    match places::open(view, opened, place, pointer) {
        Ok(plain) => (shown.with("opens", true), Some(plain)),
        Err(error) => (shown.with("opens", false).but(error), None),
    }
}

/// Reports on the objects whose id begins so: every copy of each and whether it opens; of a single one also which snapshots
/// reach it, and what it holds. Costs every index and every directory once.
///
/// # Errors
/// [`ErrorKind::Other`] when there is none.
pub fn report_by_id(view: &View, opened: &Opened, wanted: &str) -> Result<Report> {
    let wanted = wanted.to_ascii_lowercase();
    let mut problems = view.findings();
    let mut matches: Vec<Place> = Vec::new();
    let mut is_cut = false;
    let (reader, _) = reader(view, opened, &mut |problem| problems.add(problem));
    places::for_each(view, opened, &mut |_| {}, &mut |place| {
        if place.entry.id.to_string().starts_with(&wanted) && !matches.contains(&place) {
            is_cut |= matches.len() == MATCHES_MAX;
            matches.truncate(MATCHES_MAX - 1);
            matches.push(place);
        }
    });
    if matches.is_empty() && problems.count() == 0 {
        return Err(Error::new(ErrorKind::Other, "no object's id begins so"));
    }
    matches.sort_by_key(|place| (place.entry.id, place.entry.dedup_generation, place.pack, place.offset));
    let names: HashSet<Name> = matches.iter().map(|place| (place.entry.id, place.entry.dedup_generation)).collect();
    let ids: HashSet<ObjectId> = names.iter().map(|(id, _)| *id).collect();
    let mut hunt = Hunt::new(&reader, names);
    let history = opened.part.as_ref().map(|part| history(part, &reader, &mut hunt, &mut problems));
    let mut contents = Vec::new();
    let mut copies = Vec::new();
    for place in &matches {
        let (mut shown, plain) = describe(view, opened, &hunt, place, Shown::row());
        let path = layout::pack(&place.pack);
        shown.take_wrong().into_iter().for_each(|wrong| problems.add(format!("{path}: {wrong}")));
        copies.push(shown);
        contents.extend(plain.filter(|_| contents.is_empty()).map(|plain| (place.entry.kind, plain)));
    }
    let head = view.asked("object", &wanted).with("ids", ids.len()).with("all_matches", !is_cut);
    let columns = &["id", "kind", "len_bytes", "codec", "pack", "offset", "sealed_len_bytes", "opens"];
    if ids.len() != 1 {
        let head = head.with("history", "several ids begin so: a longer one tells which snapshots reach it");
        return Ok(Report::new(head, problems).with_list("copies", columns, copies));
    }
    let history = history.unwrap_or_default();
    let brought_by = history.brought_by.as_ref();
    let head = head
        .with("brought_by", brought_by.map(|named| named.id.to_string()))
        .with("brought", brought_by.map(|named| named.time.to_string()))
        .with("all_reached", !hunt.is_partial() && opened.part.is_some());
    let content = contents.first().map_or_else(Vec::new, |(kind, plain)| content::rows(*kind, plain, &mut problems));
    Ok(Report::new(head, problems)
        .with_list("copies", columns, copies)
        .with_list("snapshots", SNAPSHOT_COLUMNS, history.snapshots)
        .with_list("paths", PATH_COLUMNS, history.paths)
        .with_list("content", content::COLUMNS, content))
}

/// Shows what a path of a snapshot names: the entry, and its extents or its entries.
///
/// # Errors
/// [`ErrorKind::Usage`] for a path that is none, [`ErrorKind::Other`] where nothing goes by that name,
/// [`ErrorKind::Corrupt`] when a node on the way does not read; those of the sink.
pub fn show_by_path(view: &View, opened: &Opened, spot: &str, screen: &mut Screen<'_>) -> Result<io::Result<()>> {
    let spot = Spot::parse(spot.as_bytes())?;
    let part = opened.part.as_ref();
    let part = part.ok_or_else(|| {
        Error::new(ErrorKind::Corrupt, "no manifest's sealed part opens: its snapshots are not known")
    })?;
    let mut problems = Vec::new();
    let (reader, _) = reader(view, opened, &mut |problem| problems.push(problem));
    let named = snapshots::find(part, &spot.snapshot, SystemClock.now())
        .map_err(|error| Error::new(ErrorKind::Other, error.to_string()))?;
    if !problems.is_empty()
        && let Err(error) = screen.show(&Shown::new("indexes").but_all(problems))
    {
        return Ok(Err(error));
    }
    let snapshot = snapshots::load(&reader, named)?;
    let nothing = || Error::new(ErrorKind::Other, format!("snapshot {} holds no {}", named.id, spot.path));
    let what = resolve(&reader, &snapshot, &spot.path)?.ok_or_else(nothing)?;
    Ok(show_named(&reader, &snapshot, &what, screen))
}

fn show_named(reader: &ObjectReader, snapshot: &Snapshot, what: &Named, screen: &mut Screen<'_>) -> io::Result<()> {
    let entry = match what {
        Named::Root => {
            screen.show(&content::describe_snapshot(snapshot))?;
            return content::show_dir(reader, &snapshot.root, screen);
        }
        Named::Entry(entry) => entry,
    };
    screen.show(&content::describe_entry(entry))?;
    match &entry.node {
        Node::Dir { tree } => content::show_dir(reader, tree, screen),
        Node::File { content, .. } => content::show_extents(reader, content, screen),
        _ => Ok(()),
    }
}
