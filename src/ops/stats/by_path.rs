//! Space by path: what the directories of one snapshot take in the store.
//!
//! In each directory every object counts once, so those that several directories share count in each of them, and what is shared
//! with another one of the same depth is said. Reads the directories of each depth twice. Holds a byte and a bit for each
//! object of the store.

use super::{Stored, Sum, hear, number_of, tell_lost};
use crate::base::RelPath;
use crate::base::monitor::Task;
use crate::error::Result;
use crate::format::Pointer;
use crate::format::sealed::SnapshotRef;
use crate::format::tree::{Content, Node};
use crate::ops::Run;
use crate::ops::list::at;
use crate::ops::open::{Reading, Spot};
use crate::store::StoreError;
use crate::store::index::Place;
use crate::tree::reach::{Met, Visitor, reach, reach_content};
use crate::tree::read::{Named, for_each_entry};

/// Most directories that are counted.
pub const DIRS_MAX: usize = 10_000;

/// One directory, or the file that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathStats {
    /// Which.
    pub path: RelPath,
    /// The objects that it reaches.
    pub stored: Stored,
    /// Bytes of those in packs that another directory of the same depth reaches, too.
    pub shared_bytes: u64,
}

/// What was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByPath {
    /// The snapshot.
    pub snapshot: SnapshotRef,
    /// The place itself and the directories below it; what takes most comes first.
    pub paths: Vec<PathStats>,
    /// Whether there are more directories than are counted: those of the next depth were left out.
    pub left_out: bool,
    /// Objects that are missing or do not read; what they name is not counted.
    pub damaged: u64,
}

/// What is counted: where it is, and what it reaches.
struct Item {
    path: RelPath,
    content: Reached,
}

enum Reached {
    Tree(Pointer),
    Content(Content),
    Nothing,
}

/// Counts what a place of a snapshot takes, and the directories down to `depth` below it.
///
/// # Errors
/// Those of [`at`]. What is damaged is told to the monitor and counted.
pub fn by_path(reading: &Reading, spot: &Spot, depth: usize, run: Run<'_>) -> Result<ByPath> {
    let (named, snapshot, found) = at(reading, spot)?;
    let content = match found {
        Named::Root => Reached::Tree(snapshot.root),
        Named::Entry(entry) => match entry.node {
            Node::Dir { tree } => Reached::Tree(tree),
            Node::File { content, .. } => Reached::Content(content),
            _ => Reached::Nothing,
        },
    };
    let mut level = vec![Item { path: spot.path.clone(), content }];
    let mut counted = ByPath { snapshot: named, paths: Vec::new(), left_out: false, damaged: 0 };
    run.monitor.begin(Task::Read, None);
    for below in 0..=depth {
        // What is lost below the place is told and counted with the place itself.
        let mut lost = Lost { told: below > 0, count: 0 };
        let paths = count_level(reading, &level, &mut lost, run).map_err(|error| reading.store.settle(error))?;
        counted.damaged += lost.count;
        counted.paths.extend(paths);
        if below == depth {
            break;
        }
        let room = DIRS_MAX - counted.paths.len();
        match dirs_below(reading, &level, room, run).map_err(|error| reading.store.settle(error))? {
            None => {
                counted.left_out = true;
                break;
            }
            Some(next) if next.is_empty() => break,
            Some(next) => level = next,
        }
    }
    run.monitor.end(Task::Read);
    counted.paths.sort_by(|a, b| (b.stored.stored_bytes, &a.path).cmp(&(a.stored.stored_bytes, &b.path)));
    reading.check_medium(counted.damaged)?;
    Ok(counted)
}

/// Lists the directories in some others; nothing where there are more than `room`.
fn dirs_below(
    reading: &Reading,
    level: &[Item],
    room: usize,
    run: Run<'_>,
) -> std::result::Result<Option<Vec<Item>>, StoreError> {
    let mut next = Vec::new();
    for item in level {
        let Reached::Tree(tree) = &item.content else { continue };
        let listed = for_each_entry(&reading.reader, tree, &mut |entry| {
            if run.monitor.cancelled() || next.len() > room {
                return Err(StoreError::Interrupted);
            }
            if let Node::Dir { tree } = entry.node {
                let path = item.path.join(&entry.name).map_err(|error| StoreError::corrupt("a path", error))?;
                next.push(Item { path, content: Reached::Tree(tree) });
            }
            Ok(())
        });
        match listed {
            Err(_) if next.len() > room => return Ok(None),
            Err(error) if !error.costs_one_entry() => return Err(error),
            _ => {}
        }
    }
    Ok((next.len() <= room).then_some(next))
}

/// What was found to be lost.
struct Lost {
    /// It was told before.
    told: bool,
    count: u64,
}

/// Counts directories of one depth.
fn count_level(
    reading: &Reading,
    level: &[Item],
    lost: &mut Lost,
    run: Run<'_>,
) -> std::result::Result<Vec<PathStats>, StoreError> {
    let mut reached_by = vec![0_u8; reading.reader.index().len()];
    let mut counted = Vec::new();
    for item in level {
        let mut count = Count { reading, run, reached_by: &mut reached_by, stored: Stored::default(), lost };
        item.reach(reading, &mut count)?;
        counted.push(PathStats { path: item.path.clone(), stored: count.stored, shared_bytes: 0 });
    }
    if level.len() > 1 {
        let wanted = |at: usize| reached_by.get(at).is_some_and(|times| *times > 1);
        for (item, counted) in level.iter().zip(&mut counted) {
            let mut sum = Sum { reading, run, wanted: &wanted, bytes: 0 };
            item.reach(reading, &mut sum)?;
            counted.shared_bytes = sum.bytes;
        }
    }
    Ok(counted)
}

impl Item {
    fn reach(&self, reading: &Reading, visitor: &mut dyn Visitor) -> std::result::Result<(), StoreError> {
        match &self.content {
            Reached::Tree(tree) => reach(&reading.reader, tree, &mut Met::default(), visitor),
            Reached::Content(content) => reach_content(&reading.reader, content, &mut Met::default(), visitor),
            Reached::Nothing => Ok(()),
        }
    }
}

/// Counts the objects of one directory, and in how many of them each was met.
struct Count<'a> {
    reading: &'a Reading,
    run: Run<'a>,
    reached_by: &'a mut [u8],
    stored: Stored,
    lost: &'a mut Lost,
}

impl Visitor for Count<'_> {
    fn object(&mut self, place: &Place) -> std::result::Result<(), StoreError> {
        if let Some(times) = number_of(self.reading, place).and_then(|at| self.reached_by.get_mut(at)) {
            *times = times.saturating_add(1);
        }
        hear(self.run, &mut self.stored, place)
    }

    fn lost(&mut self, pointer: &Pointer, error: StoreError) -> std::result::Result<(), StoreError> {
        if self.lost.told && error.costs_one_entry() {
            return Ok(());
        }
        self.lost.count += 1;
        tell_lost(self.run, pointer, error)
    }
}
