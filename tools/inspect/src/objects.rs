//! Objects: found by id or by path, opened where that can be done, and shown as far as they decode.
//!
//! The key of an object stands in whatever points to it, so opening one by its id means finding it from the snapshots down.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;

use chunkstore::base::clock::{Clock, SystemClock};
use chunkstore::error::{Error, ErrorKind, Result};
use chunkstore::format::list::ListNode;
use chunkstore::format::snapshot::Snapshot;
use chunkstore::format::tree::{Content, Node, TreeNode};
use chunkstore::format::{Kind, Pointer};
use chunkstore::ops::open::Spot;
use chunkstore::store::layout;
use chunkstore::store::object::snapshot_pointer;
use chunkstore::store::reader::ObjectReader;
use chunkstore::tree::read::{Named, resolve};
use chunkstore::tree::snapshots;

use crate::content;
use crate::places::{self, Name, Place};
use crate::sealed::Opened;
use crate::shown::{Screen, Shown};
use crate::view::View;
use crate::why;

/// The most objects that the beginning of an id may stand for.
const MATCHES_MAX: usize = 64;

/// Pointers found from the snapshots down.
pub struct Pointers {
    found: HashMap<Name, Pointer>,
    /// Whether some node on the way did not read, so that what lies below it was not looked at.
    is_partial: bool,
}

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

/// Makes what reads objects by pointer; what is wrong with indexes goes to `problem`.
#[must_use]
pub fn reader(view: &View, opened: &Opened, problem: &mut dyn FnMut(String)) -> ObjectReader {
    let table = places::table(view, opened, problem);
    ObjectReader::new(Arc::clone(&view.disk), view.store, opened.keys.clone(), table)
}

impl Pointers {
    /// Walks all snapshots and keeps the pointers to what is `wanted`. Each node is read once.
    #[must_use]
    pub fn find(view: &View, opened: &Opened, wanted: &dyn Fn(&Name) -> bool) -> Self {
        let reader = reader(view, opened, &mut |_| {});
        let mut walk = Walk { wanted, seen: HashSet::new(), stack: Vec::new(), found: HashMap::new() };
        let mut is_partial = false;
        if let Some(part) = &opened.part {
            part.indexes.iter().for_each(|index| walk.note(&index.pointer));
            for named in &part.snapshots {
                let pointer = snapshot_pointer(&opened.keys, named.id, named.epoch, named.len_bytes);
                pointer.iter().for_each(|pointer| walk.meet(pointer));
            }
        }
        while let Some(pointer) = walk.stack.pop() {
            is_partial |= reader.read(&pointer).map_err(why).and_then(|plain| walk.expand(&pointer, &plain)).is_err();
        }
        Self { found: walk.found, is_partial }
    }

    /// Adds what is known of an object and whether it opens; returns its plaintext if it does.
    #[must_use]
    pub fn describe(&self, view: &View, opened: &Opened, place: &Place, shown: Shown) -> (Shown, Option<Vec<u8>>) {
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
        let Some(pointer) = self.found.get(&(entry.id, entry.dedup_generation)) else {
            let how = if self.is_partial {
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
}

struct Walk<'a> {
    wanted: &'a dyn Fn(&Name) -> bool,
    seen: HashSet<Name>,
    stack: Vec<Pointer>,
    found: HashMap<Name, Pointer>,
}

impl Walk<'_> {
    fn note(&mut self, pointer: &Pointer) {
        let name = (pointer.id, pointer.dedup_generation);
        if (self.wanted)(&name) {
            self.found.insert(name, *pointer);
        }
    }

    /// Notes a pointer, and reads what is below it later.
    fn meet(&mut self, pointer: &Pointer) {
        self.note(pointer);
        if pointer.kind != Kind::Chunk && self.seen.insert((pointer.id, pointer.dedup_generation)) {
            self.stack.push(*pointer);
        }
    }

    fn expand(&mut self, pointer: &Pointer, plain: &[u8]) -> std::result::Result<(), String> {
        let odd = |error: chunkstore::format::FormatError| error.to_string();
        match pointer.kind {
            Kind::Snapshot => self.meet(&Snapshot::decode(plain).map_err(odd)?.root),
            Kind::Tree => match TreeNode::decode(plain).map_err(odd)? {
                TreeNode::Leaf(entries) => entries.iter().for_each(|entry| match &entry.node {
                    Node::Dir { tree } => self.meet(tree),
                    Node::File { content: Content::List(list), .. } => self.meet(list),
                    Node::File { content: Content::Inline(extents), .. } => {
                        extents.iter().for_each(|extent| self.note(&extent.chunk));
                    }
                    _ => {}
                }),
                TreeNode::Inner(_, children) => children.iter().for_each(|child| self.meet(&child.pointer)),
            },
            Kind::List => match ListNode::decode(plain).map_err(odd)? {
                ListNode::Leaf(extents) => extents.iter().for_each(|extent| self.note(&extent.chunk)),
                ListNode::Inner(_, children) => children.iter().for_each(|child| self.meet(&child.pointer)),
            },
            Kind::Chunk | Kind::Index => {}
        }
        Ok(())
    }
}

/// Shows every object whose id begins so, with what it holds; tells whether there is one.
///
/// # Errors
/// Those of the sink.
pub fn show_by_id(view: &View, opened: &Opened, wanted: &str, screen: &mut Screen<'_>) -> io::Result<bool> {
    let wanted = wanted.to_ascii_lowercase();
    let mut problems = Vec::new();
    let mut matches: Vec<Place> = Vec::new();
    places::for_each(view, opened, &mut |problem| problems.push(problem), &mut |place| {
        let fits = matches.len() < MATCHES_MAX && place.entry.id.to_string().starts_with(&wanted);
        if fits && !matches.contains(&place) {
            matches.push(place);
        }
    });
    if !problems.is_empty() {
        screen.show(&Shown::new("indexes").but_all(problems))?;
    }
    let names: HashSet<Name> = matches.iter().map(|place| (place.entry.id, place.entry.dedup_generation)).collect();
    let pointers = Pointers::find(view, opened, &|name| names.contains(name));
    for place in &matches {
        let (shown, plain) = pointers.describe(view, opened, place, Shown::new("object"));
        screen.show(&shown)?;
        if let Some(plain) = plain {
            content::show(place.entry.kind, &plain, screen)?;
        }
    }
    Ok(!matches.is_empty())
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
    let reader = reader(view, opened, &mut |problem| problems.push(problem));
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
