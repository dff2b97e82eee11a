//! `chunks`: the chunks of one file in order, where each lies, whether it opens, and which snapshot brought it.

use std::collections::{HashMap, HashSet};

use chunkstore::error::{Error, ErrorKind, Result};
use chunkstore::format::tree::{Content, Node};
use chunkstore::format::{Extent, Pointer};
use chunkstore::store::StoreError;
use chunkstore::store::index;
use chunkstore::store::layout;
use chunkstore::tree::reach::{Met, Visitor, reach};
use chunkstore::tree::read::{Named, for_each_extent};
use chunkstore::tree::snapshots;

use crate::hunt::{lost, name_of};
use crate::places::Name;
use crate::report::{Problems, Report};
use crate::sealed::Opened;
use crate::shown::Shown;
use crate::spots::{self, Place};
use crate::view::View;
use crate::{ITEMS_MAX, why};

const COLUMNS: &[&str] = &["at", "len_bytes", "chunk", "offset", "pack", "opens", "brought", "brought_by"];

/// Reports on the chunks of a file. Costs every index, every directory once, and the file's content.
///
/// # Errors
/// [`ErrorKind::Usage`] for a path that is none, or no file; [`ErrorKind::Other`] where nothing goes by that name.
pub fn report(view: &View, opened: &Opened, spot: &str) -> Result<Report> {
    let mut problems = view.findings();
    let Some(place) = spots::find(view, opened, spot, &mut problems)? else {
        return Ok(Report::new(view.asked("chunks", spot), problems).with_list("chunks", COLUMNS, []));
    };
    let Named::Entry(entry) = &place.what else { return Err(no_file(&place)) };
    let Node::File { len_bytes, content } = &entry.node else { return Err(no_file(&place)) };
    let (extents, more) = extents(&place, content, &mut problems);
    let mut wanted: HashMap<Name, Option<usize>> = extents.iter().map(|e| (name_of(&e.chunk), None)).collect();
    let chunks = wanted.len();
    let all_reached = attribute(&place, &mut wanted, &mut problems);
    let mut rows = Vec::new();
    let mut at = 0u64;
    let mut seen = HashSet::new();
    for extent in &extents {
        let is_first = seen.insert(name_of(&extent.chunk));
        rows.push(row(&place, extent, at, &wanted, is_first, &mut problems));
        at = at.saturating_add(extent.len_bytes);
    }
    let head = view
        .asked("chunks", spot)
        .with_text("snapshot", place.named.id)
        .with("size", *len_bytes)
        .with("extents", extents.len())
        .with("all_extents", !more)
        .with("different_chunks", chunks)
        .with("all_reached", all_reached);
    Ok(Report::new(head, problems).with_list("chunks", COLUMNS, rows))
}

fn no_file(place: &Place<'_>) -> Error {
    Error::new(ErrorKind::Usage, format!("{} is no file, so it has no chunks", place.spot.path))
}

/// Returns the extents of a file as far as they read and as many as are shown, and whether there are more.
fn extents(place: &Place<'_>, content: &Content, problems: &mut Problems) -> (Vec<Extent>, bool) {
    let mut extents = Vec::new();
    let mut is_cut = false;
    let walked = for_each_extent(&place.reader, content, &mut |extent| {
        if extents.len() == ITEMS_MAX {
            is_cut = true;
            return Err(StoreError::Interrupted);
        }
        extents.push(*extent);
        Ok(())
    });
    match walked {
        Err(error) if !is_cut => {
            problems.add(format!("{}: its extents do not read to the end: {}", place.spot.path, why(error)));
            (extents, true)
        }
        _ => (extents, is_cut),
    }
}

/// Finds for each wanted object the oldest snapshot that reaches it; returns whether all that could be older was read.
fn attribute(place: &Place<'_>, wanted: &mut HashMap<Name, Option<usize>>, problems: &mut Problems) -> bool {
    let before = problems.count();
    let mut met = Met::default();
    let mut left = wanted.len();
    for (at, named) in place.part.snapshots.iter().enumerate() {
        match snapshots::load(&place.reader, named) {
            Ok(snapshot) => {
                let mut seeker = Seeker { wanted, left: &mut left, snapshot: at, problems };
                // An end before the end means that all was found.
                let _ = reach(&place.reader, &snapshot.root, &mut met, &mut seeker);
            }
            Err(error) => problems.add(format!("snapshot {}: {}", named.id, why(error))),
        }
        if left == 0 {
            break;
        }
    }
    problems.count() == before
}

struct Seeker<'a> {
    wanted: &'a mut HashMap<Name, Option<usize>>,
    left: &'a mut usize,
    snapshot: usize,
    problems: &'a mut Problems,
}

impl Visitor for Seeker<'_> {
    fn object(&mut self, place: &index::Place) -> std::result::Result<(), StoreError> {
        let found = self.wanted.get_mut(&(place.entry.id, place.entry.dedup_generation));
        if let Some(brought_by) = found.filter(|brought_by| brought_by.is_none()) {
            *brought_by = Some(self.snapshot);
            *self.left -= 1;
        }
        if *self.left == 0 { Err(StoreError::Interrupted) } else { Ok(()) }
    }

    fn lost(&mut self, pointer: &Pointer, error: StoreError) -> std::result::Result<(), StoreError> {
        self.problems.add(format!("{}: {}", lost(pointer), why(error)));
        Ok(())
    }
}

fn row(
    place: &Place<'_>,
    extent: &Extent,
    at: u64,
    wanted: &HashMap<Name, Option<usize>>,
    is_first: bool,
    problems: &mut Problems,
) -> Shown {
    let chunk = &extent.chunk;
    let stored = place.reader.index().find(&chunk.id, chunk.dedup_generation);
    let brought_by = wanted.get(&name_of(chunk)).copied().flatten().map(|at| &place.part.snapshots[at]);
    let shown = Shown::row()
        .with("at", at)
        .with("len_bytes", extent.len_bytes)
        .with_text("chunk", chunk.id)
        .with("offset", extent.offset)
        .with("chunk_len_bytes", stored.map(|stored| stored.entry.len_bytes))
        .with("sealed_len_bytes", stored.map(|stored| stored.entry.sealed_len_bytes))
        .with("pack", stored.map(|stored| layout::pack(&stored.pack).to_string()))
        .with("brought", brought_by.map(|named| named.time.to_string()))
        .with("brought_by", brought_by.map(|named| named.id.to_string()));
    if !is_first {
        return shown;
    }
    match place.reader.read(chunk) {
        Ok(_) => shown.with("opens", true),
        Err(error) => {
            problems.add(format!("{}: {}", lost(chunk), why(error)));
            shown.with("opens", false)
        }
    }
}
