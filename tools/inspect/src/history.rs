//! Which snapshot brought something, which still reach it, and at which paths.

use chunkstore::format::sealed::{SealedPart, SnapshotRef};
use chunkstore::store::reader::ObjectReader;
use chunkstore::tree::snapshots;

use crate::hunt::Hunt;
use crate::report::Problems;
use crate::shown::Shown;
use crate::why;

/// What a table shows of snapshots.
pub const SNAPSHOT_COLUMNS: &[&str] = &["snapshot", "generation", "time", "tags"];
/// What a table shows of paths.
pub const PATH_COLUMNS: &[&str] = &["snapshot", "more", "path"];

/// What snapshots have to do with some objects.
#[derive(Default)]
pub struct History {
    /// The oldest kept snapshot that reaches them.
    pub brought_by: Option<SnapshotRef>,
    /// Every kept one that does, oldest first.
    pub snapshots: Vec<Shown>,
    /// The first paths in each of these.
    pub paths: Vec<Shown>,
}

/// Walks all snapshots; what does not read goes to `problems`.
#[must_use]
pub fn history(part: &SealedPart, reader: &ObjectReader, hunt: &mut Hunt<'_>, problems: &mut Problems) -> History {
    let mut history = History::default();
    let reached = hunt.all(part);
    hunt.problems().texts().iter().for_each(|problem| problems.add(problem));
    for named in part.snapshots.iter().zip(reached).filter_map(|(named, reaches)| reaches.then_some(named)) {
        history.brought_by.get_or_insert_with(|| named.clone());
        history.snapshots.push(snapshot_row(named));
        let snapshot = match snapshots::load(reader, named) {
            Ok(snapshot) => snapshot,
            Err(error) => {
                problems.add(format!("snapshot {}: {}", named.id, why(error)));
                continue;
            }
        };
        let paths = hunt.paths(&snapshot.root);
        let last = paths.first.len().saturating_sub(1);
        for (at, path) in paths.first.iter().enumerate() {
            let shown = Shown::row().with_text("snapshot", named.id).with_bytes(["path", "path_hex"], &rooted(path));
            history.paths.push(if at == last { shown.with("more", paths.more) } else { shown });
        }
    }
    history
}

/// Returns what a row says of a snapshot.
#[must_use]
pub fn snapshot_row(named: &SnapshotRef) -> Shown {
    Shown::row()
        .with_text("snapshot", named.id)
        .with("generation", named.generation.0)
        .with_text("time", named.time)
        .with("tags", named.tags.clone())
}

/// Returns a path as people write it, from the committed folder.
#[must_use]
pub fn rooted(path: &chunkstore::base::RelPath) -> Vec<u8> {
    [b"/", path.as_bytes()].concat()
}
