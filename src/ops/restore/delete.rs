//! What goes from the target since the snapshot does not have it: planned first, removed deepest first.
//!
//! The plan compares listings with the snapshot and changes nothing. What a directory holds that does not read, in the
//! snapshot or in the target, stays, and so do other file systems, what the selection leaves out, and what is protected.
//! Links go themselves and are never followed. What changed since the plan was made stays. A name that the target spells
//! otherwise than the snapshot (case, Unicode) is found by its inode.

use std::collections::{BTreeMap, HashSet};

use super::walk::readable_entries;
use super::{RestoreRequest, Source, Stop, target_error};
use crate::base::monitor::Problem;
use crate::base::{EntryName, RelPath};
use crate::disk::folder::{FileKind, Stat};
use crate::disk::{DiskError, DiskErrorKind, Folder};
use crate::error::{Error, ErrorKind, Result};
use crate::folder::marker_of;
use crate::format::Pointer;
use crate::format::tree::{Entry, Node};
use crate::ops::Run;
use crate::store::reader::ObjectReader;
use crate::tree::cursor::Cursor;
use crate::tree::read::kind_of;

/// From so many entries on, removing more than half of what stands in the target counts as a mistake.
const BRAKE_MIN_ENTRIES: usize = 10;

/// How `restore` removes.
#[derive(Debug, Clone, Default)]
pub struct Deletion {
    /// What stays whatever the snapshot says, with all below it.
    pub protected: Vec<RelPath>,
    /// Whether what looks like a mistake is done all the same.
    pub force: bool,
}

/// An entry that is to go, as it stood when the plan was made.
pub struct Doomed {
    /// Its path in the target.
    pub path: RelPath,
    stat: Stat,
}

/// What is to go, each directory after what it holds.
#[derive(Default)]
pub struct Plan {
    /// What is of another type than the snapshot's entry of that name, and goes before that is written.
    pub in_the_way: Vec<Doomed>,
    /// What the snapshot does not have.
    pub extra: Vec<Doomed>,
    /// Entries that stand in the target.
    standing: usize,
    is_source_empty: bool,
}

impl Plan {
    /// Returns all of it.
    pub fn all(&self) -> impl Iterator<Item = &Doomed> {
        self.in_the_way.iter().chain(&self.extra)
    }

    /// Refuses what looks like a mistake: an empty source, or most of the target gone.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`].
    pub fn refuse_mistakes(&self, source: &Source, request: &RestoreRequest<'_>) -> Result<()> {
        if source.dir().is_none() {
            let text = "--delete compares directories, and what is restored is a single entry";
            return Err(Error::new(ErrorKind::Usage, text));
        }
        let count = self.all().count();
        if count == 0 || request.options.delete.as_ref().is_some_and(|delete| delete.force) {
            return Ok(());
        }
        let why = if self.is_source_empty {
            format!("{} is empty in the snapshot, so all that stands in the target would be removed", request.spot.path)
        } else if count >= BRAKE_MIN_ENTRIES && 2 * count > self.standing {
            format!("{count} of the {} entries in the target would be removed", self.standing)
        } else {
            return Ok(());
        };
        let text = format!("{why}: look with --dry-run, and add --yes if that is meant; nothing was changed");
        Err(Error::new(ErrorKind::Conflict, text))
    }
}

/// Plans what is to go.
///
/// # Errors
/// Those of the medium of the store, and of a target that fails.
pub fn plan(
    reader: &ObjectReader,
    folder: &dyn Folder,
    source: &Source,
    request: &RestoreRequest<'_>,
    run: Run<'_>,
) -> std::result::Result<Plan, Stop> {
    let (Some(tree), Some(root)) = (source.dir(), folder.stat(&RelPath::root()).map_err(target_error)?) else {
        return Ok(Plan::default());
    };
    let (device, left) = (root.device, source.entries_max);
    let own = marker_of(source.restore);
    let mut planner = Planner { reader, folder, request, run, device, own, left, plan: Plan::default() };
    let is_taken = request.options.selection.takes_root();
    planner.dir(&RelPath::root(), Known::Tree(*tree), is_taken, Goes::Extra)?;
    planner.plan.is_source_empty = Cursor::new(reader, tree).next_entry().is_ok_and(|first| first.is_none());
    Ok(planner.plan)
}

/// What the snapshot has of a directory of the target.
#[derive(Clone, Copy)]
enum Known {
    Tree(Pointer),
    Nothing,
}

/// Which part of the plan an entry belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Goes {
    InTheWay,
    Extra,
}

struct Planner<'a> {
    reader: &'a ObjectReader,
    folder: &'a dyn Folder,
    request: &'a RestoreRequest<'a>,
    run: Run<'a>,
    device: u64,
    /// What stands in the target while this restore is not done.
    own: Option<RelPath>,
    /// How many entries of the snapshot it may still find.
    left: u64,
    plan: Plan,
}

impl Planner<'_> {
    /// Plans for what a directory holds; tells whether all of it goes.
    fn dir(&mut self, path: &RelPath, known: Known, is_taken: bool, goes: Goes) -> std::result::Result<bool, Stop> {
        self.run.check()?;
        let Some(known) = self.known_entries(known)? else { return Ok(false) };
        let listing = match self.folder.list(path) {
            Ok(listing) => listing,
            Err(error) if error.kind == DiskErrorKind::Gone => return Err(target_error(error)),
            Err(error) => {
                self.leave(path, &format!("cannot {}: {}", error.act, error.source));
                return Ok(false);
            }
        };
        let aliases = self.aliases(path, &known, &listing)?;
        let mut all_go = true;
        for (name, stat) in listing {
            self.plan.standing += 1;
            let Ok(below) = path.join(&name) else {
                all_go = false;
                continue;
            };
            let stat = match stat {
                Ok(stat) if aliases.contains(&(stat.device, stat.inode)) => {
                    all_go = false;
                    continue;
                }
                Ok(stat) => stat,
                Err(error) => {
                    self.leave(&below, &format!("cannot {}: {}", error.act, error.source));
                    all_go = false;
                    continue;
                }
            };
            all_go &= self.entry(below, stat, known.get(&name), is_taken, goes)?;
        }
        Ok(all_go)
    }

    /// Plans for one entry; tells whether it goes.
    fn entry(
        &mut self,
        path: RelPath,
        stat: Stat,
        known: Option<&Entry>,
        above: bool,
        goes: Goes,
    ) -> std::result::Result<bool, Stop> {
        let is_dir = stat.kind == FileKind::Dir;
        let Some(is_taken) = self.request.options.selection.takes(&path, is_dir, above) else { return Ok(false) };
        if self.is_protected(&path) || self.own.as_ref() == Some(&path) {
            return Ok(false);
        }
        if is_dir && stat.device != self.device {
            self.leave(&path, "another file system is mounted there; it is left alone");
            return Ok(false);
        }
        let (below, goes, may_go) = match known.map(|entry| &entry.node) {
            Some(Node::Dir { tree }) if is_dir => (Known::Tree(*tree), goes, false),
            // A directory stands where something else belongs, or the other way round.
            Some(node) if is_dir || kind_of(node) == FileKind::Dir => {
                let replaces = self.request.options.overwrite.replaces();
                (Known::Nothing, Goes::InTheWay, replaces && is_taken)
            }
            Some(_) => return Ok(false),
            None => (Known::Nothing, goes, is_taken),
        };
        let is_kept_dir = is_dir && !may_go && known.is_some_and(|entry| kind_of(&entry.node) != FileKind::Dir);
        let empties = !is_dir || (!is_kept_dir && self.dir(&path, below, is_taken, goes)?);
        if !(may_go && empties) {
            return Ok(false);
        }
        let part = if goes == Goes::InTheWay { &mut self.plan.in_the_way } else { &mut self.plan.extra };
        part.push(Doomed { path, stat });
        Ok(true)
    }

    /// Returns what the snapshot has in a directory; nothing where that does not read, and then nothing goes.
    fn known_entries(&mut self, known: Known) -> std::result::Result<Option<BTreeMap<EntryName, Entry>>, Stop> {
        let Known::Tree(tree) = known else { return Ok(Some(BTreeMap::new())) };
        let (entries, damage) = readable_entries(self.reader, &tree, &mut self.left).map_err(Stop::Store)?;
        // The walk that writes reports the damage.
        Ok(damage.is_none().then(|| entries.into_iter().map(|entry| (entry.name.clone(), entry)).collect()))
    }

    /// Returns the inodes that the target finds under names of the snapshot but lists under others.
    fn aliases(
        &self,
        dir: &RelPath,
        known: &BTreeMap<EntryName, Entry>,
        listing: &[(EntryName, std::result::Result<Stat, DiskError>)],
    ) -> std::result::Result<HashSet<(u64, u64)>, Stop> {
        let mut aliases = HashSet::new();
        if listing.iter().all(|(name, _)| known.contains_key(name)) {
            return Ok(aliases);
        }
        let listed: HashSet<&EntryName> = listing.iter().map(|(name, _)| name).collect();
        for name in known.keys().filter(|name| !listed.contains(name)) {
            let Ok(path) = dir.join(name) else { continue };
            match self.folder.stat(&path) {
                Ok(Some(stat)) => {
                    aliases.insert((stat.device, stat.inode));
                }
                Err(error) if error.kind == DiskErrorKind::Gone => return Err(target_error(error)),
                Ok(None) | Err(_) => {}
            }
        }
        Ok(aliases)
    }

    fn is_protected(&self, path: &RelPath) -> bool {
        self.request.options.delete.as_ref().is_some_and(|delete| delete.protected.contains(path))
    }

    fn leave(&self, path: &RelPath, why: &str) {
        self.run.monitor.problem(Problem { subject: path.to_string(), reason: why.to_owned() });
    }
}

/// Removes what still stands as it was planned; returns how many entries went.
///
/// # Durability
/// The removals are durable after the next sync of the folder.
///
/// # Errors
/// When the medium fails, or someone asked to stop; a single entry that cannot go is reported and stays.
pub fn remove(folder: &dyn Folder, doomed: &[Doomed], run: Run<'_>) -> std::result::Result<u64, Stop> {
    let mut count = 0;
    for Doomed { path, stat } in doomed {
        run.check()?;
        let removed = match folder.stat(path) {
            Ok(None) => continue,
            Ok(Some(now)) if is_as_planned(stat, &now) => match stat.kind {
                FileKind::Dir => folder.remove_dir(path),
                _ => folder.remove_file(path),
            },
            Ok(Some(_)) => {
                let reason = "it changed since the run began; it is left alone".to_owned();
                run.monitor.problem(Problem { subject: path.to_string(), reason });
                continue;
            }
            Err(error) => Err(error),
        };
        match removed {
            Ok(()) => count += 1,
            Err(error) if matches!(error.kind, DiskErrorKind::Gone | DiskErrorKind::ReadOnly) => {
                return Err(target_error(error));
            }
            Err(error) => {
                let reason = format!("cannot {}: {}; it is left alone", error.act, error.source);
                run.monitor.problem(Problem { subject: path.to_string(), reason });
            }
        }
    }
    Ok(count)
}

/// Returns whether an entry is the one that was planned. A directory changes as it is emptied; whether it is empty is for
/// the system to say.
fn is_as_planned(planned: &Stat, now: &Stat) -> bool {
    let one = |stat: &Stat| (stat.kind, stat.device, stat.inode);
    let content = |stat: &Stat| (stat.len_bytes, stat.mtime);
    one(planned) == one(now) && (planned.kind == FileKind::Dir || content(planned) == content(now))
}
