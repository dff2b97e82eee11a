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
//! A number stands for one thing as it is in one snapshot: whoever holds it reads that one, whatever is committed meanwhile.
//!
//! Nothing is written anywhere. The readers' lock of each copy is held until the view is dropped, so that gc waits. Damage costs
//! what it hits alone, and [`View::reason`] tells why. Memory: the readers' cache, 16 MiB of nodes, and what [`inodes`] knows.

pub mod inodes;
mod nodes;
mod source;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::base::lru::Lru;
use crate::base::paths::PATH_MAX_DEPTH;
use crate::base::{EntryName, Monitor, Timestamp};
use crate::crypto::wrap::Identity as Opens;
use crate::disk::Disk;
use crate::disk::folder::{FileKind, FileTime};
use crate::error::{Error, ErrorKind, Result as Outcome};
use crate::format::attributes::{ATTRIBUTES_TAG, Attribute, HOLES_TAG, decode_attributes, decode_holes, extension};
use crate::format::codec::Extensions;
use crate::format::sealed::SnapshotRef;
use crate::format::tree::{Entry, Meta, Node};
use crate::store::cache::Plaintext;
use crate::store::reader::ObjectReader;
use crate::store::{Store, StoreError};
use crate::tree::snapshots;
use inodes::{Dir, Identity, Inodes, Thing};
use nodes::{Nodes, Placed};
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

/// A kept snapshot, and its root once somebody went there.
struct Kept {
    named: SnapshotRef,
    root: OnceLock<Root>,
}

struct Root {
    dir: Arc<Dir>,
    meta: Meta,
    extensions: Extensions,
}

/// A name in one of the directories that the view makes.
struct Made {
    name: EntryName,
    inode: u64,
    kind: FileKind,
}

/// The tree; shared by threads.
pub struct View {
    nodes: Nodes,
    /// In the order of the store, oldest first.
    kept: Vec<Kept>,
    /// What the directories hold that the view makes, by name.
    top: Vec<Made>,
    times: Vec<Made>,
    ids: Vec<Made>,
    inodes: Mutex<Inodes>,
    reasons: Mutex<Lru<u64, Arc<str>>>,
    first: Source,
    #[expect(dead_code, reason = "held for their locks")]
    others: Vec<Source>,
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
        let mut others = Vec::new();
        for (number, copy) in copies.enumerate() {
            let what = format!("copy {} of the store", number + 2);
            let Some((other, index)) = source::open_other(&copy, &first, &what, request.identities, monitor)? else {
                continue;
            };
            reader = reader.or_from(Arc::clone(other.store.disk()), index);
            others.push(other);
        }
        let one = request.snapshot.map(|name| snapshots::find(&first.unlocked.sealed, name, request.now));
        let one = one.transpose()?.cloned();
        let named = one.clone().map_or_else(|| first.unlocked.sealed.snapshots.clone(), |one| vec![one]);
        let kept = named.into_iter().map(|named| Kept { named, root: OnceLock::new() }).collect();
        let (inodes, reasons) = (Mutex::default(), Mutex::new(Lru::new(REASONS_BYTES)));
        let (top, times, ids) = (Vec::new(), Vec::new(), Vec::new());
        let mut view = Self { nodes: Nodes::new(reader), kept, top, times, ids, inodes, reasons, first, others };
        if one.is_some() {
            lock(&view.inodes).pin_as(TOP, Thing::Root(0));
            // What does not open at all is better known at once.
            view.root(0).map_err(|error| Error::new(error.kind(), error.to_string()))?;
        } else {
            view.lay_out()
                .ok_or_else(|| Error::new(ErrorKind::Corrupt, "the store lists more snapshots than it can hold"))?;
        }
        Ok(view)
    }

    /// Makes the directories over the snapshots.
    fn lay_out(&mut self) -> Option<()> {
        let mut inodes = Inodes::default();
        inodes.pin_as(TOP, Thing::Top);
        inodes.pin_as(SNAPSHOTS, Thing::Snapshots);
        inodes.pin_as(BY_ID, Thing::ById);
        let name = |text: &str| EntryName::new(text.as_bytes()).ok();
        let made = |text: &str, inode, kind| Some(Made { name: name(text)?, inode, kind });
        let link = |inodes: &mut Inodes, name: &str, target: String| {
            let identity = Identity::of_link(name.as_bytes(), target.as_bytes());
            inodes.pin(identity, Thing::Link(target.into_bytes().into()))
        };
        let mut last: Option<(String, usize)> = None;
        for (at, kept) in self.kept.iter().enumerate() {
            let (id, time) = (kept.named.id.to_string(), time_name(kept.named.time));
            let number = inodes.pin(Identity::of_snapshot(&kept.named.id), Thing::Root(at))?;
            self.ids.push(made(&id, number, FileKind::Dir)?);
            let count = last.as_ref().filter(|(before, _)| *before == time).map_or(1, |(_, count)| count + 1);
            let shown = if count == 1 { time.clone() } else { format!("{time}-{count}") };
            last = Some((time, count));
            let number = link(&mut inodes, &shown, format!("../by-id/{id}"))?;
            self.times.push(made(&shown, number, FileKind::Symlink)?);
        }
        if let Some(newest) = self.kept.last() {
            let number = link(&mut inodes, "latest", format!("by-id/{}", newest.named.id))?;
            self.top.push(made("latest", number, FileKind::Symlink)?);
        }
        self.top.push(made("by-id", BY_ID, FileKind::Dir)?);
        self.top.push(made("snapshots", SNAPSHOTS, FileKind::Dir)?);
        for dir in [&mut self.top, &mut self.times, &mut self.ids] {
            dir.sort_by(|one, other| one.name.cmp(&other.name));
            // A list may name a snapshot twice.
            dir.dedup_by(|one, other| one.name == other.name);
        }
        self.inodes = Mutex::new(inodes);
        Some(())
    }

    /// Finds a name in a directory and hands out a reference to what it names, which [`View::forget`] takes back.
    ///
    /// Costs at most one node for each level of the directory, however many entries it has.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn lookup(&self, dir: u64, name: &EntryName) -> Result<Stat> {
        let thing = self.thing(dir)?;
        if let Some(made) = self.made(&thing) {
            let at = made.binary_search_by(|made| made.name.cmp(name)).map_err(|_| ViewError::NoEntry)?;
            return self.stat(made[at].inode);
        }
        let dir = self.dir(dir, &thing)?;
        let placed = self.nodes.find(&dir.tree, name).map_err(|error| self.broken(dir.number, error))?;
        let placed = placed.ok_or(ViewError::NoEntry)?;
        let entry = placed.entry();
        let identity = Identity::of_entry(&dir.identity, entry);
        if dir.depth >= PATH_MAX_DEPTH {
            return Err(ViewError::Damaged("a path that is nested too deep is damaged".to_owned()));
        }
        let make = |number| match entry.node {
            Node::Dir { tree } => {
                let (above, depth) = (Some((Arc::clone(&dir), placed.position)), dir.depth + 1);
                Thing::Dir(Arc::new(Dir { number, identity, tree, above, snapshot: dir.snapshot, depth }))
            }
            _ => Thing::Entry(Arc::clone(&dir), placed.position),
        };
        let (number, _) = lock(&self.inodes).refer(identity, make).ok_or(ViewError::TooMany)?;
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
            Thing::Link(_) | Thing::Entry(..) => Err(ViewError::NotADirectory),
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
        if let Some(made) = self.made(&thing) {
            let from = usize::try_from(from).unwrap_or(usize::MAX);
            let some = made.iter().enumerate().skip(from).take(most);
            let listed = some.map(|(at, Made { name, inode, kind })| Listed {
                name: name.clone(),
                inode: *inode,
                kind: *kind,
                next: at as u64 + 1,
            });
            return Ok(listed.collect());
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

    /// Returns what a thing is.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn stat(&self, inode: u64) -> Result<Stat> {
        match self.thing(inode)? {
            Thing::Top | Thing::Snapshots | Thing::ById => Ok(self.made_stat(inode, FileKind::Dir, 0)),
            Thing::Link(target) => Ok(self.made_stat(inode, FileKind::Symlink, target.len() as u64)),
            Thing::Root(at) => {
                let root = self.root(at)?;
                Ok(stat_with(inode, FileKind::Dir, root.meta.clone()))
            }
            thing => Ok(stat_of(inode, self.placed(inode, &thing)?.entry())),
        }
    }

    /// Reads bytes of a file: as many as asked for and at most [`READ_MAX_BYTES`], but for the end of the file. Holes are zeros.
    ///
    /// Costs the chunks that hold them, none that is kept, and of a long file one node a level.
    ///
    /// # Errors
    /// [`ViewError`]; [`ViewError::Damaged`] when any of the bytes does not read.
    pub fn read(&self, file: u64, offset: u64, len_bytes: usize) -> Result<Plaintext> {
        let thing = self.thing(file)?;
        let Thing::Entry(..) = thing else { return Err(ViewError::NotAFile) };
        let placed = self.placed(file, &thing)?;
        let Node::File { len_bytes: file_bytes, content } = &placed.entry().node else {
            return Err(ViewError::NotAFile);
        };
        let read = self.nodes.read((*file_bytes, content), offset, len_bytes.min(READ_MAX_BYTES));
        read.map_err(|error| self.broken(file, error))
    }

    /// Returns where a symbolic link points.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn readlink(&self, link: u64) -> Result<Vec<u8>> {
        match self.thing(link)? {
            Thing::Link(target) => Ok(target.to_vec()),
            thing @ Thing::Entry(..) => match &self.placed(link, &thing)?.entry().node {
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
            Thing::Root(at) => read(&self.root(at)?.extensions)?,
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

    /// Returns why a thing last did not read; the reasons of the last few hundred are remembered.
    #[must_use]
    pub fn reason(&self, inode: u64) -> Option<Arc<str>> {
        lock(&self.reasons).get(&inode)
    }

    /// Returns the first copy, and what reads from all of them with one index and one cache: for verbs beside a view.
    #[must_use]
    pub fn shared(&self) -> (&Store, &Arc<ObjectReader>) {
        (&self.first.store, self.nodes.reader())
    }

    /// Returns how many things are known.
    #[must_use]
    pub fn known(&self) -> usize {
        lock(&self.inodes).len()
    }

    fn thing(&self, inode: u64) -> Result<Thing> {
        lock(&self.inodes).thing(inode).ok_or(ViewError::Unknown)
    }

    /// Returns what a directory holds that the view makes.
    fn made(&self, thing: &Thing) -> Option<&[Made]> {
        match thing {
            Thing::Top => Some(&self.top),
            Thing::Snapshots => Some(&self.times),
            Thing::ById => Some(&self.ids),
            _ => None,
        }
    }

    fn made_stat(&self, inode: u64, kind: FileKind, len_bytes: u64) -> Stat {
        let time = self.kept.last().map_or(0, |newest| newest.named.time.0);
        let (mtime_secs, nanos) = (time.div_euclid(1_000_000_000), time.rem_euclid(1_000_000_000));
        let mode = if kind == FileKind::Dir { 0o555 } else { 0o777 };
        let meta = Meta { mode, mtime_secs, mtime_nanos: nanos as u32, ..Meta::default() };
        Stat { len_bytes, ..stat_with(inode, kind, meta) }
    }

    /// Returns a directory of a snapshot.
    fn dir(&self, inode: u64, thing: &Thing) -> Result<Arc<Dir>> {
        match thing {
            Thing::Root(at) => {
                let dir = &self.root(*at).inspect_err(|error| self.note(inode, error))?.dir;
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
            Thing::Entry(dir, position) => (dir, *position),
            _ => return Err(ViewError::Unknown),
        };
        let placed = self.nodes.at(&dir.tree, u64::from(position)).map_err(|error| self.broken(inode, error))?;
        placed.ok_or(ViewError::NoEntry)
    }

    /// Returns the root of a snapshot, read the first time that it is asked for.
    fn root(&self, at: usize) -> Result<&Root> {
        let kept = self.kept.get(at).ok_or(ViewError::Unknown)?;
        if let Some(root) = kept.root.get() {
            return Ok(root);
        }
        let snapshot = snapshots::load(self.nodes.reader(), &kept.named).map_err(|error| self.settled(error))?;
        let identity = Identity::of_snapshot(&kept.named.id);
        let is_top = matches!(lock(&self.inodes).thing(TOP), Some(Thing::Root(_)));
        let number = if is_top { Some(TOP) } else { lock(&self.inodes).number(&identity) };
        let number = number.ok_or(ViewError::TooMany)?;
        let dir = Dir { number, identity, tree: snapshot.root, above: None, snapshot: at, depth: 0 };
        let extensions = snapshot.extensions;
        let root = Root { dir: Arc::new(dir), meta: snapshot.root_meta, extensions };
        Ok(kept.root.get_or_init(|| root))
    }

    /// Tells damage from a medium that went away.
    fn settled(&self, error: StoreError) -> ViewError {
        match self.first.store.settle(error) {
            StoreError::Gone(_) => ViewError::Gone,
            error => ViewError::Damaged(Error::from(error).in_full()),
        }
    }

    /// Settles an error of a thing, and remembers why it does not read.
    fn broken(&self, inode: u64, error: StoreError) -> ViewError {
        let error = self.settled(error);
        self.note(inode, &error);
        error
    }

    fn note(&self, inode: u64, error: &ViewError) {
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
            _ => ErrorKind::Other,
        }
    }
}

/// Names a moment so that every system takes it for a file's name: to the second, without colons.
fn time_name(time: Timestamp) -> String {
    let text = time.to_string();
    format!("{}Z", text.split(['.', 'Z']).next().unwrap_or_default().replace(':', "-"))
}

fn kind_of(node: &Node) -> FileKind {
    match node {
        Node::File { .. } => FileKind::File,
        Node::Dir { .. } => FileKind::Dir,
        Node::Symlink { .. } => FileKind::Symlink,
        Node::Fifo => FileKind::Fifo,
        Node::Socket => FileKind::Socket,
        Node::CharDevice(_) => FileKind::CharDevice,
        Node::BlockDevice(_) => FileKind::BlockDevice,
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
