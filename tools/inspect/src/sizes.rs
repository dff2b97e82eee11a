//! `sizes`: what lies below a path, directory by directory: files, bytes, what they take in packs, and what of that is shared.
//!
//! An object counts once within each directory, however many files name it. It is shared where the rest of the same snapshot names
//! it, too, so what is not shared is what the snapshot would lose with the directory.
//!
//! Memory: about four bytes an object of the store for each level of directories that is shown, and the directories.

use std::collections::HashMap;

use chunkstore::base::RelPath;
use chunkstore::error::Result;
use chunkstore::format::Pointer;
use chunkstore::format::tree::{Content, Entry, Node};
use chunkstore::store::reader::ObjectReader;
use chunkstore::tree::cursor::{Cursor, Front};
use chunkstore::tree::read::{Named, Start, walk};

use crate::history::rooted;
use crate::hunt::{children, lost};
use crate::places::Stored;
use crate::report::{Problems, Report};
use crate::sealed::Opened;
use crate::shown::Shown;
use crate::spots::{self, Place};
use crate::view::View;
use crate::{ITEMS_MAX, why};

/// The deepest that directories can be asked for.
pub const DEPTH_MAX: u8 = 16;
const COLUMNS: &[&str] = &["files", "bytes", "stored_bytes", "shared_bytes", "path"];
const NOBODY: u32 = u32::MAX;

/// One directory, or whatever the path names; the first stands for the rest of the snapshot.
struct Row {
    path: RelPath,
    parent: usize,
    level: usize,
    tree: Option<Pointer>,
    files: u64,
    dirs: u64,
    bytes: u64,
    stored: Stored,
    /// What of it no other part of the snapshot names.
    own_bytes: u64,
}

/// Reports on what lies below a path, `depth` levels of directories one by one. Costs every index, and every directory of the
/// snapshot; no content.
///
/// # Errors
/// [`chunkstore::error::ErrorKind::Usage`] for a path that is none, [`chunkstore::error::ErrorKind::Other`] where nothing goes by
/// that name.
pub fn report(view: &View, opened: &Opened, spot: &str, depth: u8) -> Result<Report> {
    let mut problems = view.findings();
    let Some(place) = spots::find(view, opened, spot, &mut problems)? else {
        return Ok(Report::new(view.asked("sizes", spot), problems).with_list("entries", COLUMNS, []));
    };
    let (mut rows, is_cut) = count(&place, depth, &mut problems);
    let mut weighing = Weighing::new(&place.reader, &mut rows, &mut problems);
    weighing.rest(&place);
    match &place.what {
        Named::Entry(entry) if !matches!(entry.node, Node::Dir { .. }) => weighing.entry(1, entry),
        _ => weighing.rows(),
    }
    for at in (1..rows.len()).rev() {
        let (own_bytes, parent) = (rows[at].own_bytes, rows[at].parent);
        rows[parent].own_bytes = rows[parent].own_bytes.saturating_add(own_bytes);
    }
    let head = view.asked("sizes", spot).with_text("snapshot", place.named.id).with("all_directories", !is_cut);
    let shown = rows.iter().skip(1).map(|row| {
        Shown::row()
            .with_bytes(["path", "path_hex"], &rooted(&row.path))
            .with("files", row.files)
            .with("dirs", row.dirs)
            .with("bytes", row.bytes)
            .with("objects", row.stored.objects)
            .with("stored_bytes", row.stored.bytes)
            .with("shared_bytes", row.stored.bytes.saturating_sub(row.own_bytes))
    });
    let shown: Vec<Shown> = shown.collect();
    Ok(Report::new(head, problems).with_list("entries", COLUMNS, shown))
}

fn row(path: RelPath, parent: usize, level: usize, tree: Option<Pointer>) -> Row {
    Row { path, parent, level, tree, files: 0, dirs: 0, bytes: 0, stored: Stored::default(), own_bytes: 0 }
}

/// Makes a row for each directory in the order of the tree and counts what lies below; tells whether some got none.
fn count(place: &Place<'_>, depth: u8, problems: &mut Problems) -> (Vec<Row>, bool) {
    let path = &place.spot.path;
    let mut rows = vec![row(RelPath::root(), 0, 0, None)];
    let tree = match &place.what {
        Named::Root => place.snapshot.root,
        Named::Entry(entry) => match &entry.node {
            Node::Dir { tree } => *tree,
            node => {
                let len_bytes = if let Node::File { len_bytes, .. } = node { Some(*len_bytes) } else { None };
                let (files, bytes) = (u64::from(len_bytes.is_some()), len_bytes.unwrap_or(0));
                rows.push(Row { files, bytes, ..row(path.clone(), 0, 1, None) });
                return (rows, false);
            }
        },
    };
    rows.push(row(path.clone(), 0, 1, Some(tree)));
    let top_depth = path.depth();
    let mut is_cut = false;
    // The rows of the directories on the way to where the walk stands, outermost first.
    let mut open = vec![1usize];
    let walked = walk(
        &place.reader,
        &Start::at(&place.snapshot, &tree, path),
        &mut |below, entry| {
            let level = below.depth().saturating_sub(top_depth);
            open.truncate(level);
            let len_bytes = if let Node::File { len_bytes, .. } = &entry.node { Some(*len_bytes) } else { None };
            for at in &open {
                rows[*at].files += u64::from(len_bytes.is_some());
                rows[*at].bytes = rows[*at].bytes.saturating_add(len_bytes.unwrap_or(0));
                rows[*at].dirs += u64::from(matches!(entry.node, Node::Dir { .. }));
            }
            if let Node::Dir { tree } = &entry.node
                && level <= usize::from(depth)
                && open.len() == level
            {
                if rows.len() > ITEMS_MAX {
                    is_cut = true;
                } else {
                    open.push(rows.len());
                    rows.push(row(below.clone(), open[level - 1], level + 1, Some(*tree)));
                }
            }
            Ok(true)
        },
        &mut |below, error| {
            problems.add(format!("{below}: what follows in it is not counted: {}", why(error)));
            Ok(())
        },
    );
    walked.err().into_iter().for_each(|error| problems.add(why(error)));
    (rows, is_cut)
}

/// Finds out which rows name each object.
struct Weighing<'a> {
    reader: &'a ObjectReader,
    rows: &'a mut Vec<Row>,
    problems: &'a mut Problems,
    /// The innermost row that holds all names of an object, by its number in the table.
    owners: Vec<u32>,
    /// By level: the last row of that level that an object was met in. All rows below a directory come before the next one of
    /// its level, so one number each will do.
    met: Vec<Vec<u32>>,
}

impl<'a> Weighing<'a> {
    fn new(reader: &'a ObjectReader, rows: &'a mut Vec<Row>, problems: &'a mut Problems) -> Self {
        let objects = reader.index().len();
        let levels = rows.iter().map(|row| row.level).max().unwrap_or(0) + 1;
        Self { reader, rows, problems, owners: vec![NOBODY; objects], met: vec![vec![NOBODY; objects]; levels] }
    }

    /// Goes over the snapshot beside the path.
    fn rest(&mut self, place: &Place<'_>) {
        let mut tree = place.snapshot.root;
        for on_the_way in place.spot.path.names() {
            let mut below = None;
            self.directory(0, &tree, &mut |weighing, entry| {
                if entry.name != on_the_way {
                    weighing.entry(0, entry);
                } else if let Node::Dir { tree } = &entry.node {
                    below = Some(*tree);
                }
            });
            let Some(next) = below else { return };
            tree = next;
        }
    }

    /// Goes over every row, each without the rows below it.
    fn rows(&mut self) {
        let places: HashMap<RelPath, usize> =
            self.rows.iter().enumerate().skip(1).map(|(at, row)| (row.path.clone(), at)).collect();
        for at in 1..self.rows.len() {
            let Some(tree) = self.rows[at].tree else { continue };
            let path = self.rows[at].path.clone();
            self.directory(at, &tree, &mut |weighing, entry| {
                let is_row = path.join(&entry.name).is_ok_and(|below| places.contains_key(&below));
                if !(is_row && matches!(entry.node, Node::Dir { .. })) {
                    weighing.entry(at, entry);
                }
            });
        }
    }

    /// Meets the nodes of one directory and gives its entries to `take`.
    fn directory(&mut self, row: usize, tree: &Pointer, take: &mut dyn FnMut(&mut Self, &Entry)) {
        let reader = self.reader;
        let mut cursor = Cursor::new(reader, tree);
        loop {
            let pointer = match cursor.front() {
                None => return,
                Some(Front::Node(node)) => node.pointer,
                Some(Front::Entry(_)) => {
                    if let Ok(Some(entry)) = cursor.next_entry() {
                        take(self, &entry);
                    }
                    continue;
                }
            };
            // The rest of the snapshot may name the same directory again, and then must go below it.
            if row == 0 {
                self.claim(row, &pointer)
            } else {
                self.meet(row, &pointer).map_or((), drop)
            }
            if let Err(error) = cursor.open() {
                self.problems.add(format!("{}: {}", lost(&pointer), why(error)));
                return;
            }
        }
    }

    /// Meets all that an entry names.
    fn entry(&mut self, row: usize, entry: &Entry) {
        let mut ahead = match &entry.node {
            Node::Dir { tree } => vec![*tree],
            Node::File { content: Content::List(list), .. } => vec![*list],
            Node::File { content: Content::Inline(extents), .. } => extents.iter().map(|e| e.chunk).collect(),
            _ => Vec::new(),
        };
        while let Some(pointer) = ahead.pop() {
            let is_node = pointer.kind != chunkstore::format::Kind::Chunk;
            if self.meet(row, &pointer) != Some(true) || !is_node {
                continue;
            }
            let read = self.reader.read(&pointer).map_err(why);
            match read.and_then(|plain| children(&pointer, &plain).map_err(|error| error.to_string())) {
                Ok(named) => ahead.extend(named.into_iter().rev()),
                Err(error) => self.problems.add(format!("{}: {error}", lost(&pointer))),
            }
        }
    }

    /// Counts an object for a row and all above it; tells whether the row met it for the first time, or nothing where it lies
    /// nowhere.
    fn meet(&mut self, row: usize, pointer: &Pointer) -> Option<bool> {
        let Some((number, place)) = self.reader.index().locate(&pointer.id, pointer.dedup_generation) else {
            self.problems.add(format!("{}: it is in no pack that reads", lost(pointer)));
            return None;
        };
        let mut is_new = None;
        let mut at = row;
        loop {
            let level = self.rows[at].level;
            let met = &mut self.met[level][number];
            let is_new_here = *met != at as u32;
            *met = at as u32;
            is_new.get_or_insert(is_new_here);
            if is_new_here {
                self.rows[at].stored.add(&place.entry);
            }
            if at == 0 || self.rows[at].parent == 0 {
                break;
            }
            at = self.rows[at].parent;
        }
        self.own(row, number, place.entry.sealed_len_bytes);
        is_new
    }

    /// Notes that a row names an object, without counting it.
    fn claim(&mut self, row: usize, pointer: &Pointer) {
        if let Some((number, place)) = self.reader.index().locate(&pointer.id, pointer.dedup_generation) {
            self.own(row, number, place.entry.sealed_len_bytes);
        }
    }

    /// Makes the innermost row that holds both the owner so far and `row` the owner.
    fn own(&mut self, row: usize, number: usize, len_bytes: u64) {
        let owner = self.owners[number];
        let mut shared = row;
        if owner != NOBODY {
            let mut other = owner as usize;
            // Parents come before what lies below them, so the later of two is never above the other.
            while shared != other {
                if shared > other { shared = self.rows[shared].parent } else { other = self.rows[other].parent }
            }
            let before = &mut self.rows[owner as usize].own_bytes;
            *before = before.saturating_sub(len_bytes);
        }
        self.owners[number] = shared as u32;
        let after = &mut self.rows[shared].own_bytes;
        *after = after.saturating_add(len_bytes);
    }
}
