//! Makes a store of any number of objects and packs, as a publisher's would be after a year: grown week by week, with
//! directories that were replaced and files that were touched, so that of the packs some are dead, some mostly and most not.
//!
//! Objects are sealed, packed and indexed by the program's own parts; only chunks are not cut from files but made. Content
//! follows from the numbers of directory, file and version, so that nothing of it is kept in memory.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use chunkstore::base::{EntryName, FileId, ObjectId};
use chunkstore::crypto::Secret;
use chunkstore::disk::{Disk, OsDisk};
use chunkstore::format::sealed::SnapshotRef;
use chunkstore::format::snapshot::{Parent, Snapshot, Totals};
use chunkstore::format::tree::{Entry, Meta, Node};
use chunkstore::format::{Extent, Kind, Pointer};
use chunkstore::ops::init::{InitRequest, init};
use chunkstore::ops::local_keys::WriterKey;
use chunkstore::ops::merged_index::merge_indexes;
use chunkstore::ops::writing::Writing;
use chunkstore::store::keyring::KeyMaker;
use chunkstore::store::object::{Sealer, pointer_to, snapshot_pointer};
use chunkstore::store::writer::{PackWriter, Written};
use chunkstore::store::{Next, StoreError};
use chunkstore::tree::build::{build_content, build_tree};
use xtask::content::Draw;

use crate::{Result, keep_newest, run, writer_key};

/// Directories in one directory.
const AREA_DIRS: usize = 40;
/// In each week, of a hundred objects, so many are of new directories, and as many more of directories that are replaced.
const NEW_PERCENT: u64 = 70;
const REPLACED_PERCENT: u64 = 20;
/// One file in so many of a directory that is touched is written anew.
const TOUCHED_ONE_IN: u64 = 30;
/// What commits compress with.
const LEVEL: i32 = 5;

/// How big a store is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args)]
pub struct Sizes {
    /// About so many objects
    #[arg(long, value_name = "N", default_value_t = 2_000_000)]
    pub objects: u64,
    /// In about so many packs
    #[arg(long, value_name = "N", default_value_t = 5_000)]
    pub packs: u64,
    /// Chunks are at least so long, and less than twice
    #[arg(long, value_name = "BYTES", default_value_t = 1_100)]
    pub chunk_bytes: u64,
    /// Commits that the store grows by
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub weeks: u64,
    /// Snapshots that are kept of them
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub kept: usize,
    /// What all content follows from
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

/// Makes a store in `store` and its keys in `keys`; both are made.
///
/// # Errors
/// Those of the store.
pub fn make(store: &Path, keys: &Path, sizes: &Sizes) -> Result<()> {
    let disk: Arc<dyn Disk> = Arc::new(OsDisk::create(store)?);
    let request = InitRequest { readers: Vec::new(), keys, root_keys: keys, passphrase: None };
    let made = init(disk.as_ref(), &request, run())?;
    let writer = writer_key(keys, made.store)?;
    let mut folder = Folder::new(*sizes);
    for week in 0..sizes.weeks.max(1) {
        commit_week(&disk, &writer, &mut folder, week)?;
    }
    keep_newest(store, keys, sizes.kept)
}

/// What the store holds, as far as it does not follow from numbers.
struct Folder {
    sizes: Sizes,
    draw: Draw,
    dirs: Vec<Dir>,
    areas: Vec<Option<Pointer>>,
}

/// A directory of files.
struct Dir {
    /// How often it was replaced.
    version: u64,
    /// Files that were written anew since, with how often.
    touched: BTreeMap<u64, u64>,
    tree: Pointer,
    totals: Totals,
}

/// What is written of a directory.
enum Fresh {
    All,
    /// These files.
    Files(HashSet<u64>),
}

impl Folder {
    fn new(sizes: Sizes) -> Self {
        Self { sizes, draw: Draw::new(sizes.seed), dirs: Vec::new(), areas: Vec::new() }
    }

    fn any_dir(&mut self) -> usize {
        usize::try_from(self.draw.below(self.dirs.len().max(1) as u64)).unwrap_or(0)
    }

    /// Writes new, replaced and touched directories until the week has its objects.
    fn grow(&mut self, packer: &mut Packer<'_>) -> Result<()> {
        let wanted = self.sizes.objects / self.sizes.weeks.max(1);
        let is_first = self.dirs.is_empty();
        let share = |percent: u64| if is_first { wanted } else { wanted * percent / 100 };
        while packer.objects < share(NEW_PERCENT).max(1) {
            let at = self.dirs.len();
            self.write_dir(at, 0, BTreeMap::new(), &Fresh::All, packer)?;
        }
        while packer.objects < share(NEW_PERCENT + REPLACED_PERCENT) {
            let at = self.any_dir();
            let version = self.dirs[at].version + 1;
            self.write_dir(at, version, BTreeMap::new(), &Fresh::All, packer)?;
        }
        while packer.objects < wanted {
            let at = self.any_dir();
            let (version, mut touched) = (self.dirs[at].version, self.dirs[at].touched.clone());
            let files = self.dirs[at].totals.files;
            let fresh: HashSet<u64> = (0..=files / TOUCHED_ONE_IN).map(|_| self.draw.below(files)).collect();
            fresh.iter().for_each(|file| *touched.entry(*file).or_default() += 1);
            self.write_dir(at, version, touched, &Fresh::Files(fresh), packer)?;
        }
        Ok(())
    }

    fn write_dir(
        &mut self,
        at: usize,
        version: u64,
        touched: BTreeMap<u64, u64>,
        fresh: &Fresh,
        packer: &mut Packer<'_>,
    ) -> Result<()> {
        let dir = self.sizes.seed.wrapping_mul(0x1_0000_0001) ^ ((at as u64) << 20) ^ (version << 56);
        let files = 100 + Draw::new(dir).below(901);
        let mut totals = Totals { files, dirs: 1, ..Totals::default() };
        let mut entries = Vec::new();
        for file in 0..files {
            let own = Draw::new(dir ^ (file << 8) ^ touched.get(&file).copied().unwrap_or(0)).number();
            let is_fresh = matches!(fresh, Fresh::All) || matches!(fresh, Fresh::Files(files) if files.contains(&file));
            let extents = self.content(own, is_fresh, packer)?;
            let len_bytes = extents.iter().map(|extent| extent.len_bytes).sum();
            totals.bytes += len_bytes;
            let boundary = packer.boundary.clone();
            let content = build_content(extents, &boundary, &mut |kind, plain| packer.put_node(kind, plain))?;
            entries.push(entry(&format!("file {file:04}.dat"), dir ^ file, Node::File { len_bytes, content })?);
        }
        let tree = packer.tree(entries)?;
        let made = Dir { version, touched, tree, totals };
        match self.dirs.get_mut(at) {
            Some(dir) => *dir = made,
            None => self.dirs.push(made),
        }
        self.areas.resize(self.dirs.len().div_ceil(AREA_DIRS), None);
        self.areas[at / AREA_DIRS] = None;
        Ok(())
    }

    /// Returns what a file consists of; most have one chunk, and one in 200 so many that they stand in a list.
    fn content(&self, own: u64, is_fresh: bool, packer: &mut Packer<'_>) -> Result<Vec<Extent>> {
        let mut draw = Draw::new(own);
        let chunks = match draw.below(200) {
            0 => 40 + draw.below(160),
            1..=20 => 2 + draw.below(7),
            _ => 1,
        };
        let mut extents = Vec::new();
        for _ in 0..chunks {
            let len = self.sizes.chunk_bytes + draw.below(self.sizes.chunk_bytes.max(1));
            let mut plain = vec![0; usize::try_from(len)?];
            draw.fill(&mut plain);
            extents.push(Extent { chunk: packer.chunk(&plain, is_fresh)?, offset: 0, len_bytes: len });
        }
        Ok(extents)
    }

    /// Builds the directories above what changed, and returns the root with what lies below.
    fn root(&mut self, packer: &mut Packer<'_>) -> Result<(Pointer, Totals)> {
        let mut totals = Totals::default();
        for dir in &self.dirs {
            totals.files += dir.totals.files;
            totals.dirs += 1;
            totals.bytes += dir.totals.bytes;
        }
        totals.dirs += self.areas.len() as u64;
        let mut root = Vec::new();
        for (number, dirs) in self.dirs.chunks(AREA_DIRS).enumerate() {
            let area = match self.areas[number] {
                Some(area) => area,
                None => {
                    let entries = dirs.iter().enumerate().map(|(at, dir)| {
                        let number = number * AREA_DIRS + at;
                        entry(&format!("folder {number:06}"), number as u64, Node::Dir { tree: dir.tree })
                    });
                    packer.tree(entries.collect::<Result<_>>()?)?
                }
            };
            self.areas[number] = Some(area);
            root.push(entry(&format!("area {number:05}"), !(number as u64), Node::Dir { tree: area })?);
        }
        Ok((packer.tree(root)?, totals))
    }
}

fn entry(name: &str, number: u64, node: Node) -> Result<Entry> {
    let mut file_id = [0; 16];
    let mut draw = Draw::new(number);
    draw.fill(&mut file_id);
    let meta =
        Meta { mode: 0o644, mtime_secs: 1_700_000_000, mtime_nanos: (number & 0xfff_ffff) as u32, ..Meta::default() };
    let name = EntryName::new(name.as_bytes())?;
    Ok(Entry { name, file_id: FileId(file_id), hard_linked: false, meta, node, extensions: Vec::new() })
}

/// Puts a week's objects into packs.
struct Packer<'w> {
    writing: &'w Writing,
    maker: KeyMaker,
    boundary: Secret,
    sealer: Sealer,
    data: PackWriter<'w>,
    meta: PackWriter<'w>,
    chunks_in_pack: u64,
    chunks_of_pack: u64,
    put: HashSet<ObjectId>,
    written: Written,
    objects: u64,
}

impl<'w> Packer<'w> {
    fn new(writing: &'w Writing, sizes: &Sizes) -> Result<Self> {
        Ok(Self {
            writing,
            maker: writing.key_maker()?,
            boundary: writing.unlocked.keys.boundary_key(),
            sealer: Sealer::new(writing.store.id(), LEVEL)?,
            data: writing.pack_writer()?,
            meta: writing.pack_writer()?,
            chunks_in_pack: 0,
            chunks_of_pack: (sizes.objects / sizes.packs.max(1)).max(1),
            put: HashSet::new(),
            written: Written::default(),
            objects: 0,
        })
    }

    /// Returns the pointer to a chunk, and writes it if it is new.
    fn chunk(&mut self, plain: &[u8], is_new: bool) -> Result<Pointer> {
        let pointer = pointer_to(&self.writing.unlocked.keys, &self.maker, Kind::Chunk, plain);
        if is_new {
            let object = self.sealer.seal(Kind::Chunk, pointer.id, pointer.dedup_generation, &pointer.key, plain)?;
            self.data.put(object)?;
            self.objects += 1;
            self.chunks_in_pack += 1;
            if self.chunks_in_pack == self.chunks_of_pack {
                self.close_data()?;
            }
        }
        Ok(pointer)
    }

    fn close_data(&mut self) -> Result<()> {
        self.chunks_in_pack = 0;
        let full = std::mem::replace(&mut self.data, self.writing.pack_writer()?);
        self.keep(full.finish()?);
        Ok(())
    }

    fn keep(&mut self, made: Written) {
        self.written.packs.extend(made.packs);
        self.written.entries.extend(made.entries);
    }

    fn tree(&mut self, entries: Vec<Entry>) -> Result<Pointer> {
        let boundary = self.boundary.clone();
        Ok(build_tree(entries, &boundary, &mut |kind, plain| self.put_node(kind, plain))?)
    }

    /// Writes a tree or list, unless the store has it.
    fn put_node(&mut self, kind: Kind, plain: &[u8]) -> std::result::Result<Pointer, StoreError> {
        let pointer = pointer_to(&self.writing.unlocked.keys, &self.maker, kind, plain);
        let is_known = self.writing.reader.index().find(&pointer.id, pointer.dedup_generation).is_some();
        if !is_known && self.put.insert(pointer.id) {
            let object = self.sealer.seal(kind, pointer.id, pointer.dedup_generation, &pointer.key, plain)?;
            self.meta.put(object)?;
            self.objects += 1;
        }
        Ok(pointer)
    }
}

/// Writes one week and publishes it as a commit does, merged indexes and all.
fn commit_week(disk: &Arc<dyn Disk>, writer: &WriterKey, folder: &mut Folder, week: u64) -> Result<()> {
    let (_lock, writing) = Writing::begin(disk, writer, None, run())?;
    let mut packer = Packer::new(&writing, &folder.sizes)?;
    folder.grow(&mut packer)?;
    let (root, totals) = folder.root(&mut packer)?;
    let keys = &writing.unlocked.keys;
    let mut sealed = writing.unlocked.sealed.clone();
    let now = run().clock.now();
    let parent =
        sealed.snapshots.last().map(|named| Parent { id: named.id, epoch: named.epoch, len_bytes: named.len_bytes });
    let generation = writing.store.head().head.generation.next().ok_or("no generation is left")?;
    let snapshot = Snapshot {
        root,
        root_file_id: FileId([0; 16]),
        root_meta: Meta { mode: 0o755, ..Meta::default() },
        parents: parent.into_iter().collect(),
        replica: writing.store.replica()?.ok_or("the store has no replica")?,
        sequence: generation.0,
        epoch: writing.keys.reader.epoch(),
        time: now,
        author: "scale".to_owned(),
        message: format!("week {week}"),
        totals,
        conflicts: Vec::new(),
        extensions: Vec::new(),
    };
    let plain = snapshot.encode();
    let (id, epoch, len_bytes) = (keys.object_id(Kind::Snapshot, &plain), snapshot.epoch, plain.len() as u64);
    let pointer = snapshot_pointer(keys, id, epoch, len_bytes).ok_or("no key of the epoch")?;
    let snapshot = packer.sealer.seal(Kind::Snapshot, id, pointer.dedup_generation, &pointer.key, &plain)?;
    packer.meta.put(snapshot)?;
    packer.close_data()?;
    let Packer { meta, mut written, mut sealer, .. } = packer;
    let last = meta.finish()?;
    written.packs.extend(last.packs);
    written.entries.extend(last.entries);
    sealed.snapshots.push(SnapshotRef { id, epoch, len_bytes, generation, time: now, tags: Vec::new() });
    merge_indexes(
        &writing,
        writing.reader.index(),
        &std::collections::HashSet::new(),
        &mut sealed,
        &mut written,
        &mut sealer,
    )?;
    writing.publish(Next { added: written.packs, ..Next::following(writing.store.packs(), sealed, now) })?;
    Ok(())
}

#[cfg(test)]
mod tests;
