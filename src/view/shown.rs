//! What the directories hold that the view makes: the snapshots of a store by id and by time, and a link to the newest.

use std::collections::HashMap;
use std::sync::Arc;

use super::inodes::{Identity, Inodes, Kept, Thing};
use super::{BY_ID, SNAPSHOTS};
use crate::base::{EntryName, ObjectId, Timestamp};
use crate::disk::folder::FileKind;
use crate::format::sealed::SnapshotRef;

/// A name in one of these directories.
#[derive(Debug)]
pub struct Made {
    /// The name.
    pub name: EntryName,
    /// What it names, for as long as somebody holds that.
    pub identity: Identity,
    /// What its number stands for.
    pub thing: Thing,
}

impl Made {
    /// Returns the number that is its own for ever, where it has one.
    #[must_use]
    pub fn fixed(&self) -> Option<u64> {
        match self.thing {
            Thing::Snapshots => Some(SNAPSHOTS),
            Thing::ById => Some(BY_ID),
            _ => None,
        }
    }

    /// Returns the number that it has, or would have now.
    #[must_use]
    pub fn number(&self, inodes: &Inodes) -> Option<u64> {
        self.fixed().or_else(|| inodes.number(&self.identity))
    }

    /// Returns its type.
    #[must_use]
    pub fn kind(&self) -> FileKind {
        if matches!(self.thing, Thing::Link(_)) { FileKind::Symlink } else { FileKind::Dir }
    }
}

/// The directories, each by name, as one state of the store has them.
#[derive(Debug, Default)]
pub struct Shown {
    top: Vec<Made>,
    times: Vec<Made>,
    ids: Vec<Made>,
    /// When the newest snapshot was committed.
    pub time: Timestamp,
}

impl Shown {
    /// Lays out snapshots, the oldest first; what is known of one that the state before has too stays known.
    #[must_use]
    pub fn of(snapshots: &[SnapshotRef], before: &Self) -> Self {
        let held = before.ids.iter().filter_map(|made| match &made.thing {
            Thing::Root(kept) => Some((kept.named.id, Arc::clone(kept))),
            _ => None,
        });
        let held: HashMap<ObjectId, Arc<Kept>> = held.collect();
        let mut shown = Self { time: snapshots.last().map_or(Timestamp(0), |newest| newest.time), ..Self::default() };
        let mut last: Option<(String, usize)> = None;
        for named in snapshots {
            let (id, time) = (named.id.to_string(), time_name(named.time));
            let kept = held.get(&named.id).map_or_else(|| Kept::new(named.clone()), Arc::clone);
            shown.ids.extend(made(&id, Identity::of_snapshot(&named.id), Thing::Root(kept)));
            let count = last.as_ref().filter(|(before, _)| *before == time).map_or(1, |(_, count)| count + 1);
            let name = if count == 1 { time.clone() } else { format!("{time}-{count}") };
            last = Some((time, count));
            shown.times.extend(link(&name, format!("../by-id/{id}")));
        }
        shown.top.extend(snapshots.last().and_then(|newest| link("latest", format!("by-id/{}", newest.id))));
        for (name, number, thing) in [("by-id", BY_ID, Thing::ById), ("snapshots", SNAPSHOTS, Thing::Snapshots)] {
            shown.top.extend(made(name, Identity::of_fixed(number), thing));
        }
        for dir in [&mut shown.top, &mut shown.times, &mut shown.ids] {
            dir.sort_by(|one, other| one.name.cmp(&other.name));
            // A list may name a snapshot twice.
            dir.dedup_by(|one, other| one.name == other.name);
        }
        shown
    }

    /// Returns what a directory holds; nothing for one that the view does not make.
    #[must_use]
    pub fn dir(&self, thing: &Thing) -> Option<&[Made]> {
        match thing {
            Thing::Top => Some(&self.top),
            Thing::Snapshots => Some(&self.times),
            Thing::ById => Some(&self.ids),
            _ => None,
        }
    }
}

fn made(name: &str, identity: Identity, thing: Thing) -> Option<Made> {
    EntryName::new(name.as_bytes()).ok().map(|name| Made { name, identity, thing })
}

fn link(name: &str, target: String) -> Option<Made> {
    let identity = Identity::of_link(name.as_bytes(), target.as_bytes());
    made(name, identity, Thing::Link(target.into_bytes().into()))
}

/// Names a moment so that every system takes it for a file's name: to the second, without colons.
fn time_name(time: Timestamp) -> String {
    let text = time.to_string();
    format!("{}Z", text.split(['.', 'Z']).next().unwrap_or_default().replace(':', "-"))
}
