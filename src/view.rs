//! A store as a read-only tree of files: numbers, lookups, listings and reads at an offset, for a mount, a web page or WebDAV.
//!
//! Knows no kernel and no protocol. Over a whole store it shows
//!
//! ```text
//! /latest               a link to the newest snapshot
//! /snapshots/<time>     links, one for each snapshot
//! /by-id/<id>           the snapshots, each a tree
//! ```
//!
//! and over one snapshot that tree alone. A snapshot stands in one place, since a kernel takes a directory's number for one place.
//! A number stands for one thing as it is in one snapshot: whoever holds it reads that one, whatever is committed meanwhile. What is
//! committed or synced is shown from the next [`View::refresh`] on.
//!
//! Nothing is written anywhere. The readers' lock of each copy is held until the view is dropped, so that gc waits. Damage costs
//! what it hits alone, and [`View::reason`] tells why. Memory: the readers' cache, 16 MiB of nodes, and what [`inodes`] knows.

mod ahead;
pub mod inodes;
mod nodes;
mod shown;
mod source;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::base::lru::Lru;
use crate::base::monitor::Problem;
use crate::base::paths::PATH_MAX_DEPTH;
use crate::base::{EntryName, Monitor, Timestamp};
use crate::crypto::wrap::Identity as Opens;
use crate::disk::Disk;
use crate::disk::folder::{FileKind, FileTime};
use crate::error::{Error, ErrorKind, Result as Outcome};
use crate::format::attributes::{ATTRIBUTES_TAG, Attribute, HOLES_TAG, decode_attributes, decode_holes, extension};
use crate::format::codec::Extensions;
use crate::format::tree::{Entry, Meta, Node};
use crate::store::cache::Plaintext;
use crate::store::reader::ObjectReader;
use crate::store::{StoreError, Unlocked, settle};
use crate::tree::read::kind_of;
use crate::tree::snapshots;
use ahead::Ahead;
use inodes::{Dir, Identity, Inodes, Kept, Root, Thing};
use nodes::{Nodes, Placed};
use shown::{Made, Shown};
use source::Source;

/// The number of the top.
pub const TOP: u64 = 1;
/// The attribute under which the reason stands of a thing that did not read.
pub const DAMAGE_ATTRIBUTE: &[u8] = b"user.chunkstore.damage";
/// Most bytes that one read returns.
pub const READ_MAX_BYTES: usize = 8 << 20;
/// Most entries that one page has.
pub const PAGE_MAX: usize = 4096;

const SNAPSHOTS: u64 = 2;
const BY_ID: u64 = 3;
/// Bytes of reasons that are remembered.
const REASONS_BYTES: usize = 256 << 10;

/// Why the view does not give what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    /// Nobody holds a reference to that number.
    #[error("no such inode is known")]
    Unknown,
    /// Nothing goes by that name.
    #[error("nothing goes by that name")]
    NoEntry,
    /// It is no directory.
    #[error("not a directory")]
    NotADirectory,
    /// It is a directory or a special file.
    #[error("not a regular file")]
    NotAFile,
    /// It is no symbolic link.
    #[error("not a symbolic link")]
    NotALink,
    /// More is held at a time than there is room for.
    #[error("too many files are known at a time")]
    TooMany,
    /// It is damaged or missing in every copy.
    #[error("{0}")]
    Damaged(String),
    /// The medium went away, and no other copy has it.
    #[error("the medium went away")]
    Gone,
    /// What holds it is not to be reached now, and no other copy has it: it may well be whole.
    #[error("{0}")]
    Offline(String),
    /// Someone asked to stop.
    #[error("interrupted")]
    Interrupted,
}

type Result<T> = std::result::Result<T, ViewError>;

/// What is to be shown.
pub struct ViewRequest<'a> {
    /// Copies of one store. The first says what snapshots there are; the others are asked for what those before them do not
    /// give.
    pub copies: Vec<Arc<dyn Disk>>,
    /// Opens them.
    pub identities: &'a [Opens],
    /// One snapshot by its name; nothing for the whole store.
    pub snapshot: Option<&'a str>,
    /// What `@2w` counts from.
    pub now: Timestamp,
}

/// What a thing is; the state of a link is its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// Its number.
    pub inode: u64,
    /// Its type.
    pub kind: FileKind,
    /// Permission bits, owner and time.
    pub meta: Meta,
    /// Length in bytes of a file or a link's target.
    pub len_bytes: u64,
    /// Bytes of a file that are no hole.
    pub taken_bytes: u64,
    /// 2 where there may be other names, of which the view does not know how many, else 1.
    pub links: u32,
    /// Number of the device that a device entry stands for, else 0.
    pub rdev: u64,
}

impl Stat {
    /// Returns when the content last changed.
    #[must_use]
    pub fn mtime(&self) -> FileTime {
        FileTime { secs: self.meta.mtime_secs, nanos: self.meta.mtime_nanos }
    }
}

/// One entry of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: EntryName,
    /// The number that a lookup would give now; without a reference.
    pub inode: u64,
    /// Its type.
    pub kind: FileKind,
    /// Where the listing goes on behind it.
    pub next: u64,
}

/// The tree; shared by threads.
pub struct View {
    nodes: Arc<Nodes>,
    ahead: Ahead,
    /// What the directories hold that the view makes; nothing of one snapshot alone.
    shown: RwLock<Arc<Shown>>,
    inodes: Mutex<Inodes>,
    reasons: Mutex<Lru<u64, Arc<str>>>,
    /// Of the first copy: it tells damage from a medium that went away.
    disk: Arc<dyn Disk>,
    /// The copies, held for their locks, and renewed by one at a time.
    sources: Mutex<Vec<Source>>,
    is_one: bool,
}

impl View {
    /// Opens a view. A copy but the first that does not open is told to the monitor and left out.
    ///
    /// # Errors
    /// [`ErrorKind::NoStore`], [`ErrorKind::NoIdentity`], [`ErrorKind::Locked`] while gc removes files, [`ErrorKind::Usage`] for a
    /// copy of another store; those of a name that names no snapshot.
    pub fn open(request: ViewRequest<'_>, monitor: &dyn Monitor) -> Outcome<Self> {
        let mut copies = request.copies.into_iter();
        let first = copies.next().ok_or_else(|| Error::new(ErrorKind::Usage, "there is no store to show"))?;
        let (first, index) = source::open(&first, request.identities, monitor)?;
        let (disk, keys) = (Arc::clone(first.store.disk()), first.unlocked.keys.clone());
        let mut reader = ObjectReader::new(disk, first.store.id(), keys, index);
        let mut sources = vec![first];
        for (number, copy) in copies.enumerate() {
            let what = format!("copy {} of the store", number + 2);
            let Some((other, index)) = source::open_other(&copy, &sources[0], &what, request.identities, monitor)?
            else {
                continue;
            };
            reader = reader.or_from(Arc::clone(other.store.disk()), index);
            sources.push(other);
        }
        let (disk, sealed) = (Arc::clone(sources[0].store.disk()), &sources[0].unlocked.sealed);
        let one = request.snapshot.map(|name| snapshots::find(sealed, name, request.now)).transpose()?.cloned();
        let mut inodes = Inodes::default();
        let shown = match &one {
            Some(one) => {
                inodes.pin_as(TOP, Thing::Root(Kept::new(one.clone())));
                Shown::default()
            }
            None => {
                for (number, thing) in [(TOP, Thing::Top), (SNAPSHOTS, Thing::Snapshots), (BY_ID, Thing::ById)] {
                    inodes.pin_as(number, thing);
                }
                Shown::of(&sealed.snapshots, &Shown::default())
            }
        };
        let view = Self {
            nodes: Arc::new(Nodes::new(reader)),
            ahead: Ahead::default(),
            shown: RwLock::new(Arc::new(shown)),
            inodes: Mutex::new(inodes),
            reasons: Mutex::new(Lru::new(REASONS_BYTES)),
            disk,
            sources: Mutex::new(sources),
            is_one: one.is_some(),
        };
        if view.is_one {
            // What does not open at all is better known at once.
            view.stat(TOP).map_err(|error| Error::new(error.kind(), error.to_string()))?;
        }
        Ok(view)
    }

    /// Shows what was committed or synced since; returns whether that is anything. A view of one snapshot stays at that one.
    ///
    /// Whoever holds a number reads on what it stood for, also of a snapshot that the store no longer lists. Costs one read of HEAD
    /// for each copy where nothing changed, else what opening costs, in which nobody waits who reads. A state that does not open
    /// is an error once, and the view stays as it was until HEAD changes again; a copy but the first is told to the monitor.
    ///
    /// # Errors
    /// [`ErrorKind::Gone`] when the medium of the only copy went away; those of opening the first copy.
    pub fn refresh(&self, identities: &[Opens], monitor: &dyn Monitor) -> Outcome<bool> {
        let mut sources = lock(&self.sources);
        let is_alone = sources.len() == 1;
        if self.is_one {
            return if is_alone { sources[0].look().map(|_| false) } else { Ok(false) };
        }
        let mut indexes = HashMap::new();
        for (at, source) in sources.iter_mut().enumerate() {
            match source.refresh(identities, monitor) {
                Ok(index) => indexes.extend(index.map(|index| (at, index))),
                // The others go on without it.
                Err(error) if error.kind() == ErrorKind::Gone && !is_alone => {}
                Err(error) if at == 0 => return Err(error),
                Err(error) => {
                    let (subject, reason) = (format!("copy {} of the store", at + 1), error.in_full());
                    monitor.problem(Problem { subject, reason });
                }
            }
        }
        if indexes.is_empty() {
            return Ok(false);
        }
        let Unlocked { keys, sealed } = &sources[0].unlocked;
        // First what reads them, so that nothing is shown that would not read.
        self.nodes.renew(self.nodes.reader().renewed(keys.clone(), indexes));
        let shown = Shown::of(&sealed.snapshots, &self.shown());
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(shown);
        Ok(true)
    }

    /// Returns whether the media of all copies are known to be gone; no says nothing.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        lock(&self.sources).iter().all(|source| source.store.disk().is_gone())
    }

    /// Returns whether what a directory holds may change while the view stands: of those that the view makes.
    #[must_use]
    pub fn may_change(&self, dir: u64) -> bool {
        !self.is_one && matches!(dir, TOP | SNAPSHOTS | BY_ID)
    }

    /// Finds a name in a directory and hands out a reference to what it names, which [`View::forget`] takes back.
    ///
    /// Costs at most one node for each level of the directory, however many entries it has.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn lookup(&self, dir: u64, name: &EntryName) -> Result<Stat> {
        let thing = self.thing(dir)?;
        if let Some(made) = self.shown().dir(&thing) {
            let at = made.binary_search_by(|made| made.name.cmp(name)).map_err(|_| ViewError::NoEntry)?;
            return self.refer_to(&made[at]);
        }
        let dir = self.dir(dir, &thing)?;
        let placed = self.nodes.find(&dir.tree, name).map_err(|error| self.broken(dir.number, error))?;
        let placed = placed.ok_or(ViewError::NoEntry)?;
        self.refer(&dir, &placed)
    }

    /// Hands out a reference to an entry.
    fn refer(&self, dir: &Arc<Dir>, placed: &Placed) -> Result<Stat> {
        let entry = placed.entry();
        let identity = Identity::of_entry(&dir.identity, entry);
        if dir.depth >= PATH_MAX_DEPTH {
            return Err(ViewError::Damaged("a path that is nested too deep is damaged".to_owned()));
        }
        let has_attributes = extension(&entry.extensions, ATTRIBUTES_TAG).is_some();
        let make = |number| match entry.node {
            Node::Dir { tree } => {
                let (above, depth) = (Some((Arc::clone(dir), placed.position)), dir.depth + 1);
                let name = entry.name.clone();
                Thing::Dir(Arc::new(Dir { number, identity, name, tree, above, depth, has_attributes }))
            }
            _ => Thing::Entry { dir: Arc::clone(dir), position: placed.position, has_attributes },
        };
        let number = lock(&self.inodes).refer(identity, make).ok_or(ViewError::TooMany)?;
        Ok(stat_of(number, entry))
    }

    /// Takes back references that lookups handed out.
    pub fn forget(&self, inode: u64, references: u64) {
        lock(&self.inodes).forget(inode, references);
    }

    /// Returns the directory above a directory; the top is above itself.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn parent(&self, dir: u64) -> Result<u64> {
        match self.thing(dir)? {
            Thing::Top | Thing::Snapshots | Thing::ById => Ok(TOP),
            Thing::Root(_) => Ok(if dir == TOP { TOP } else { BY_ID }),
            Thing::Dir(dir) => Ok(dir.above.as_ref().map_or(TOP, |(above, _)| above.number)),
            Thing::Link(_) | Thing::Entry { .. } => Err(ViewError::NotADirectory),
        }
    }

    /// Returns up to `most` entries of a directory by name, from a place on: 0, or what a page before said of its last entry.
    /// Empty at the end. Hands out no references. Costs at most one node for each level, and the leaves that hold the page.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn list(&self, dir: u64, from: u64, most: usize) -> Result<Vec<Listed>> {
        let most = most.min(PAGE_MAX);
        let thing = self.thing(dir)?;
        if let Some(made) = self.shown().dir(&thing) {
            let from = usize::try_from(from).unwrap_or(usize::MAX);
            let inodes = lock(&self.inodes);
            let some = made.iter().enumerate().skip(from).take(most);
            let listed = some.map(|(at, made)| {
                let inode = made.number(&inodes).ok_or(ViewError::TooMany)?;
                Ok(Listed { name: made.name.clone(), inode, kind: made.kind(), next: at as u64 + 1 })
            });
            return listed.collect();
        }
        let dir = self.dir(dir, &thing)?;
        let mut page = Vec::new();
        let mut next: Option<Placed> = None;
        let mut at = from;
        while page.len() < most {
            let placed = match next.take() {
                Some(placed) => Some(placed),
                None => self.nodes.at(&dir.tree, at).map_err(|error| self.broken(dir.number, error))?,
            };
            let Some(placed) = placed else { break };
            let entry = placed.entry();
            at = u64::from(placed.position) + 1;
            let number = lock(&self.inodes).number(&Identity::of_entry(&dir.identity, entry));
            page.push(Listed {
                name: entry.name.clone(),
                inode: number.ok_or(ViewError::TooMany)?,
                kind: kind_of(&entry.node),
                next: at,
            });
            next = placed.next();
        }
        Ok(page)
    }

    /// Shows entries of a directory of a snapshot to `take`, by name from a place on, with all that a lookup would say and where the
    /// listing goes on behind each, until it returns false or there are no more. Each that it took is a reference handed out. A
    /// directory that the view makes is not shown.
    ///
    /// Costs what [`View::list`] does.
    ///
    /// # Errors
    /// [`ViewError`]; what `take` took before stays taken.
    pub fn walk(&self, dir: u64, from: u64, take: &mut dyn FnMut(&EntryName, &Stat, u64) -> bool) -> Result<()> {
        let thing = self.thing(dir)?;
        let dir = self.dir(dir, &thing)?;
        let (mut at, mut next): (u64, Option<Placed>) = (from, None);
        loop {
            let placed = match next.take() {
                Some(placed) => Some(placed),
                None => self.nodes.at(&dir.tree, at).map_err(|error| self.broken(dir.number, error))?,
            };
            let Some(placed) = placed else { return Ok(()) };
            at = u64::from(placed.position) + 1;
            let stat = self.refer(&dir, &placed)?;
            if !take(&placed.entry().name, &stat, at) {
                self.forget(stat.inode, 1);
                return Ok(());
            }
            next = placed.next();
        }
    }

    /// Returns what a thing is.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn stat(&self, inode: u64) -> Result<Stat> {
        match self.thing(inode)? {
            Thing::Top | Thing::Snapshots | Thing::ById => Ok(self.made_stat(inode, FileKind::Dir, 0)),
            Thing::Link(target) => Ok(self.made_stat(inode, FileKind::Symlink, target.len() as u64)),
            Thing::Root(kept) => {
                let root = self.root(&kept)?;
                Ok(stat_with(inode, FileKind::Dir, root.meta.clone()))
            }
            thing => Ok(stat_of(inode, self.placed(inode, &thing)?.entry())),
        }
    }

    /// Reads bytes of a file: as many as asked for and at most [`READ_MAX_BYTES`], but for the end of the file. Holes are zeros.
    ///
    /// Costs the chunks that hold them, none that is kept, and of a long file one node a level. Where reads follow each other, the chunks
    /// that come next are opened in the background.
    ///
    /// # Errors
    /// [`ViewError`]; [`ViewError::Damaged`] when any of the bytes does not read.
    pub fn read(&self, file: u64, offset: u64, len_bytes: usize) -> Result<Plaintext> {
        let thing = self.thing(file)?;
        let Thing::Entry { .. } = thing else { return Err(ViewError::NotAFile) };
        let placed = self.placed(file, &thing)?;
        let Node::File { len_bytes: file_bytes, content } = &placed.entry().node else {
            return Err(ViewError::NotAFile);
        };
        let content = (*file_bytes, content);
        let read = self.nodes.read(content, offset, len_bytes.min(READ_MAX_BYTES));
        let read = read.map_err(|error| self.broken(file, error))?;
        if let Some((from, to)) = self.ahead.hear(file, offset, offset.saturating_add(read.len() as u64)) {
            // What does not read is told when it is asked for.
            let chunks = self.nodes.chunks(content, from, to).unwrap_or_default();
            self.ahead.open(&self.nodes, &chunks);
        }
        Ok(read)
    }

    /// Returns where a symbolic link points.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn readlink(&self, link: u64) -> Result<Vec<u8>> {
        match self.thing(link)? {
            Thing::Link(target) => Ok(target.to_vec()),
            thing @ Thing::Entry { .. } => match &self.placed(link, &thing)?.entry().node {
                Node::Symlink { target } => Ok(target.clone()),
                _ => Err(ViewError::NotALink),
            },
            _ => Err(ViewError::NotALink),
        }
    }

    /// Returns the extended attributes of a thing by name, with [`DAMAGE_ATTRIBUTE`] where it did not read. What the snapshot has
    /// under that name is not shown.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn attributes(&self, inode: u64) -> Result<Vec<Attribute>> {
        let read = |extensions: &Extensions| {
            let read = extension(extensions, ATTRIBUTES_TAG).map(decode_attributes).transpose();
            read.map_err(|error| self.broken(inode, StoreError::format("the attributes", error)))
        };
        let attributes = match self.thing(inode)? {
            Thing::Top | Thing::Snapshots | Thing::ById | Thing::Link(_) => None,
            // Listings ask for attributes of everything, and most things have none.
            Thing::Entry { has_attributes: false, .. } => None,
            Thing::Dir(dir) if !dir.has_attributes => None,
            Thing::Root(kept) => read(&self.root(&kept)?.extensions)?,
            thing => read(&self.placed(inode, &thing)?.entry().extensions)?,
        };
        let mut attributes = attributes.unwrap_or_default();
        attributes.retain(|(name, _)| name != DAMAGE_ATTRIBUTE);
        if let Some(reason) = self.reason(inode) {
            let at = attributes.partition_point(|(name, _)| &name[..] < DAMAGE_ATTRIBUTE);
            attributes.insert(at, (DAMAGE_ATTRIBUTE.to_vec(), reason.as_bytes().to_vec()));
        }
        Ok(attributes)
    }

    /// Returns whether [`View::attributes`] of a thing may have to read from a medium; of most things it does not.
    #[must_use]
    pub fn has_attributes(&self, inode: u64) -> bool {
        match self.thing(inode) {
            Ok(Thing::Entry { has_attributes, .. }) => has_attributes,
            Ok(Thing::Dir(dir)) => dir.has_attributes,
            Ok(Thing::Root(_)) => true,
            Ok(Thing::Top | Thing::Snapshots | Thing::ById | Thing::Link(_)) | Err(_) => false,
        }
    }

    /// Returns why a thing last did not read; the reasons of the last few hundred are remembered.
    #[must_use]
    pub fn reason(&self, inode: u64) -> Option<Arc<str>> {
        lock(&self.reasons).get(&inode)
    }

    /// Returns the first copy, and what reads from all of them with one index and one cache: for verbs beside a view.
    #[must_use]
    pub fn shared(&self) -> (Arc<dyn Disk>, Arc<ObjectReader>) {
        (Arc::clone(&self.disk), self.nodes.reader())
    }

    /// Returns how many things are known.
    #[must_use]
    pub fn known(&self) -> usize {
        lock(&self.inodes).len()
    }

    /// Returns the known directories of snapshots that have no other known ones below them, by name and each with the number of the
    /// directory that it lies in: a kernel that drops those names forgets what nobody has open there.
    #[must_use]
    pub fn droppable(&self) -> Vec<(u64, EntryName)> {
        lock(&self.inodes).lowest((!self.is_one).then_some(BY_ID))
    }

    fn thing(&self, inode: u64) -> Result<Thing> {
        lock(&self.inodes).thing(inode).ok_or(ViewError::Unknown)
    }

    fn shown(&self) -> Arc<Shown> {
        Arc::clone(&self.shown.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Hands out a reference to something that the view makes.
    fn refer_to(&self, made: &Made) -> Result<Stat> {
        let number = made.fixed().or_else(|| lock(&self.inodes).refer(made.identity, |_| made.thing.clone()));
        let number = number.ok_or(ViewError::TooMany)?;
        // What is refused is not held.
        self.stat(number).inspect_err(|_| self.forget(number, 1))
    }

    fn made_stat(&self, inode: u64, kind: FileKind, len_bytes: u64) -> Stat {
        let time = self.shown().time.0;
        let (mtime_secs, nanos) = (time.div_euclid(1_000_000_000), time.rem_euclid(1_000_000_000));
        let mode = if kind == FileKind::Dir { 0o555 } else { 0o777 };
        let meta = Meta { mode, mtime_secs, mtime_nanos: nanos as u32, ..Meta::default() };
        Stat { len_bytes, ..stat_with(inode, kind, meta) }
    }

    /// Returns a directory of a snapshot.
    fn dir(&self, inode: u64, thing: &Thing) -> Result<Arc<Dir>> {
        match thing {
            Thing::Root(kept) => {
                let dir = &self.root(kept).inspect_err(|error| self.note(inode, error))?.dir;
                Ok(Arc::clone(dir))
            }
            Thing::Dir(dir) => Ok(Arc::clone(dir)),
            _ => Err(ViewError::NotADirectory),
        }
    }

    /// Returns the entry of something below the root of a snapshot.
    fn placed(&self, inode: u64, thing: &Thing) -> Result<Placed> {
        let (dir, position) = match thing {
            Thing::Dir(dir) => match &dir.above {
                Some((above, position)) => (above, *position),
                None => return Err(ViewError::Unknown),
            },
            Thing::Entry { dir, position, .. } => (dir, *position),
            _ => return Err(ViewError::Unknown),
        };
        let placed = self.nodes.at(&dir.tree, u64::from(position)).map_err(|error| self.broken(inode, error))?;
        placed.ok_or(ViewError::NoEntry)
    }

    /// Returns the root of a snapshot, read the first time that it is asked for.
    fn root<'a>(&self, kept: &'a Kept) -> Result<&'a Root> {
        if let Some(root) = kept.root.get() {
            return Ok(root);
        }
        let snapshot = snapshots::load(&self.nodes.reader(), &kept.named).map_err(|error| self.settled(error))?;
        let identity = Identity::of_snapshot(&kept.named.id);
        let number = if self.is_one { Some(TOP) } else { lock(&self.inodes).number(&identity) };
        let number = number.ok_or(ViewError::TooMany)?;
        let name = EntryName::new(kept.named.id.to_string().as_bytes()).map_err(|_| ViewError::Unknown)?;
        let dir =
            Arc::new(Dir { number, identity, name, tree: snapshot.root, above: None, depth: 0, has_attributes: false });
        let (meta, extensions) = (snapshot.root_meta, snapshot.extensions);
        Ok(kept.root.get_or_init(|| Root { dir, meta, extensions }))
    }

    /// Tells damage from a medium that went away, and from what is not to be reached.
    fn settled(&self, error: StoreError) -> ViewError {
        match settle(self.disk.as_ref(), error) {
            StoreError::Gone(_) => ViewError::Gone,
            StoreError::Interrupted => ViewError::Interrupted,
            error @ StoreError::Offline(_) => ViewError::Offline(Error::from(error).in_full()),
            error if error.is_withheld() => ViewError::Offline(Error::from(error).in_full()),
            error => ViewError::Damaged(Error::from(error).in_full()),
        }
    }

    /// Settles an error of a thing, and remembers why it does not read.
    fn broken(&self, inode: u64, error: StoreError) -> ViewError {
        let error = self.settled(error);
        self.note(inode, &error);
        error
    }

    /// Remembers damage. A medium that is gone or a remote that is not reached says nothing of the thing.
    fn note(&self, inode: u64, error: &ViewError) {
        if !matches!(error, ViewError::Damaged(_)) {
            return;
        }
        let text: Arc<str> = error.to_string().into();
        let len_bytes = text.len();
        drop(lock(&self.reasons).add(inode, text, len_bytes));
    }
}

impl ViewError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Damaged(_) => ErrorKind::Corrupt,
            Self::Gone => ErrorKind::Gone,
            Self::Offline(_) => ErrorKind::Remote,
            Self::Interrupted => ErrorKind::Interrupted,
            _ => ErrorKind::Other,
        }
    }
}

fn stat_with(inode: u64, kind: FileKind, meta: Meta) -> Stat {
    Stat { inode, kind, meta, len_bytes: 0, taken_bytes: 0, links: 1, rdev: 0 }
}

fn stat_of(inode: u64, entry: &Entry) -> Stat {
    let mut stat = stat_with(inode, kind_of(&entry.node), entry.meta.clone());
    stat.links = if entry.hard_linked { 2 } else { 1 };
    match &entry.node {
        Node::File { len_bytes, .. } => {
            // Holes that do not read are a hint that says nothing.
            let holes = extension(&entry.extensions, HOLES_TAG).and_then(|bytes| decode_holes(bytes, *len_bytes).ok());
            let hole_bytes: u64 = holes.iter().flatten().map(|(_, len_bytes)| len_bytes).sum();
            (stat.len_bytes, stat.taken_bytes) = (*len_bytes, len_bytes.saturating_sub(hole_bytes));
        }
        Node::Symlink { target } => stat.len_bytes = target.len() as u64,
        Node::CharDevice(rdev) | Node::BlockDevice(rdev) => stat.rdev = *rdev,
        Node::Dir { .. } | Node::Fifo | Node::Socket => {}
    }
    stat
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
