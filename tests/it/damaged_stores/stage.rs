//! The store that is damaged, the places in it, and the ways in which each is damaged.

use std::collections::BTreeMap;
use std::sync::Arc;

use chunkstore::base::StorePath;
use chunkstore::disk::sim::Profile;
use chunkstore::disk::{Disk, SimDisk};
use chunkstore::format::keylist::KeyRole;
use chunkstore::format::manifest::PackRef;
use chunkstore::format::{Class, Kind};
use chunkstore::store::keys::read_key_list;
use chunkstore::store::pack::read_index;
use chunkstore::store::recipe::{recipe_of, write_recipe};
use chunkstore::store::{Store, layout};

use crate::carried::publish_carrying;
use crate::publisher::{Publisher, folder_after};

/// What is done to a file, or to a stretch of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    Missing,
    Empty,
    Halved,
    Longer,
    MuchLonger,
    /// One bit, in the middle.
    Bit,
    /// The sector in the middle holds zeros.
    Sector,
    /// It and another file have each other's bytes.
    Swapped,
    /// The bytes of the same file of another store.
    Foreign,
    /// The medium does not give the sector in the middle; of a directory, no name.
    Unreadable,
    /// A directory stands in a file's place, or a file in a directory's.
    InTheWay,
}

use Damage::*;

const OF_FILES: &[Damage] =
    &[Missing, Empty, Halved, Longer, MuchLonger, Bit, Sector, Swapped, Foreign, Unreadable, InTheWay];
const OF_STRETCHES: &[Damage] = &[Bit, Sector, Unreadable];
const OF_DIRECTORIES: &[Damage] = &[Missing, Unreadable, InTheWay];

/// Where damage strikes.
pub struct Place {
    /// The paths, all of which are struck in the same way.
    pub paths: Vec<String>,
    /// The offset that one bit, one sector is lost at; without one the middle.
    at: Option<u64>,
    /// What it is swapped with.
    partner: Option<String>,
    damages: &'static [Damage],
}

#[expect(clippy::needless_pass_by_value, reason = "so that the list of places reads well")]
impl Place {
    fn file(path: impl ToString) -> Self {
        Self { paths: vec![path.to_string()], at: None, partner: None, damages: OF_FILES }
    }

    fn swapped_with(self, partner: impl ToString) -> Self {
        Self { partner: Some(partner.to_string()), ..self }
    }

    fn stretch(pack: &PackRef, at: u64) -> Self {
        Self { at: Some(at), damages: OF_STRETCHES, ..Self::file(layout::pack(&pack.hash)) }
    }

    fn directory(path: impl ToString) -> Self {
        Self { damages: OF_DIRECTORIES, ..Self::file(path) }
    }

    /// Returns the damages that can be done there.
    pub fn damages(&self) -> impl Iterator<Item = Damage> {
        let swaps = self.partner.is_some();
        self.damages.iter().copied().filter(move |damage| *damage != Swapped || swaps)
    }
}

/// A store of twelve generations and what stood before and comes after, and another store that foreign files come from.
pub struct Stage {
    pub publisher: Publisher,
    /// The store as it was at each generation before.
    pub states: BTreeMap<u64, SimDisk>,
    /// Generation 11, with snapshot 9.
    pub older: SimDisk,
    /// Generation 12, with snapshot 10.
    pub disk: SimDisk,
    /// Generation 13, with snapshot 11.
    pub newer: SimDisk,
    pub other: SimDisk,
    other_publisher: Publisher,
}

/// The newest generation of the stage's store.
pub const GENERATION: u64 = 12;
/// Its newest snapshot.
pub const SNAPSHOT: u64 = 10;

impl Stage {
    pub fn new() -> Self {
        let (publisher, states, disk) = made(7);
        let older = states[&(GENERATION - 1)].snapshot();
        let (other_publisher, _, other) = made(8);
        let newer = disk.snapshot();
        publisher.commit(&newer, &folder_after(SNAPSHOT + 1)).unwrap();
        Self { publisher, states, older, disk, newer: newer.settled(), other, other_publisher }
    }

    /// Returns the healthy store as it is before this damage: some files stand only while a run is under way.
    pub fn healthy(&self, place: &str) -> SimDisk {
        planted(&self.disk, &self.newer, place)
    }

    /// Returns the damaged store.
    pub fn damaged(&self, name: &str, damage: Damage) -> SimDisk {
        let disk = self.healthy(name);
        let place = place_in(&self.publisher, &disk, name);
        for (number, path) in place.paths.iter().enumerate() {
            match damage {
                Missing => assert!(disk.wipe(path), "{path}"),
                InTheWay if place.damages == OF_DIRECTORIES => {
                    assert!(disk.wipe(path), "{path}");
                    disk.put(path, b"a file");
                }
                InTheWay => {
                    assert!(disk.wipe(path), "{path}");
                    disk.create_dir(&StorePath::new(path).unwrap()).unwrap();
                }
                Foreign => {
                    let other = planted(&self.other, &self.other, name);
                    let theirs = place_in(&self.other_publisher, &other, name).paths[number].clone();
                    disk.put(path, &other.content(&theirs).unwrap());
                }
                Swapped => {
                    let partner = place.partner.as_ref().unwrap();
                    let (one, two) = (disk.content(path).unwrap(), disk.content(partner).unwrap());
                    disk.put(path, &two);
                    disk.put(partner, &one);
                }
                Unreadable => {}
                _ => assert!(disk.corrupt(path, |bytes| change(bytes, damage, place.at))),
            }
        }
        let disk = disk.settled();
        for path in place.paths.iter().filter(|_| damage == Unreadable) {
            let middle = disk.content(path).map_or(0, |bytes| bytes.len() as u64 / 2);
            assert!(disk.wear_out(path, place.at.unwrap_or(middle)));
        }
        disk.reset_counts();
        disk
    }

    /// Finds a place in the stage's store.
    pub fn place(&self, name: &str) -> Place {
        place_in(&self.publisher, &self.healthy(name), name)
    }

    /// Returns what kind of file stands under a path, for reports that do not hang on hashes.
    pub fn kind_of(&self, path: &str) -> String {
        let named = |name: &&&str| place_of(name, &self.disk).paths == [path];
        match FILES.iter().find(named) {
            Some(name) => (*name).to_owned(),
            None => match path.split_once('/') {
                Some(("packs", _)) => "other packs".to_owned(),
                Some(("manifests", _)) => "older manifests".to_owned(),
                _ => path.to_owned(),
            },
        }
    }
}

/// Makes a store and returns it, and every state before.
fn made(seed: u64) -> (Publisher, BTreeMap<u64, SimDisk>, SimDisk) {
    let disk = SimDisk::new(Profile::Ext4);
    let publisher = Publisher::init_from(&disk, seed).unwrap();
    let mut states = BTreeMap::new();
    for step in 1..SNAPSHOT {
        states.insert(step, disk.settled());
        publisher.commit(&disk, &folder_after(step)).unwrap();
    }
    states.insert(SNAPSHOT, disk.settled());
    let store = Store::open(Arc::new(disk.clone())).unwrap();
    let pack = store.packs().packs()[0];
    let recipe = write_recipe(&disk, store.id(), recipe_of(pack.hash, pack.len_bytes, &[])).unwrap();
    publish_carrying(&disk, &publisher.writer.signer(), &[(3, b"the state of a replica")], vec![recipe]);
    states.insert(SNAPSHOT + 1, disk.settled());
    publisher.commit(&disk, &folder_after(SNAPSHOT)).unwrap();
    assert!(!unlocked(&publisher, &disk).sealed.indexes.is_empty(), "no merged index");
    (publisher, states, disk.settled())
}

fn unlocked(publisher: &Publisher, disk: &SimDisk) -> chunkstore::store::Unlocked {
    Store::open(Arc::new(disk.clone())).unwrap().unlock(&publisher.readers).unwrap()
}

/// Adds the file of a place that a store at rest does not have.
fn planted(disk: &SimDisk, newer: &SimDisk, place: &str) -> SimDisk {
    let (disk, head) = (disk.snapshot(), disk.content("HEAD").unwrap());
    match place {
        "HEAD.new" => disk.put("HEAD.new", &head),
        "pending" => {
            // A sync got as far as the manifests of what it works towards.
            let target = Store::open(Arc::new(newer.clone())).unwrap();
            for (hash, _) in &target.packs().chain {
                let path = layout::manifest(hash).to_string();
                disk.put(&path, &newer.content(&path).unwrap());
            }
            disk.put("pending", target.head().bytes());
        }
        "replica/remote" => disk.put("replica/remote", b"chunkstore replica\nremote ftp://example.org/\n"),
        "replica/tag" => {
            let key_file = key_file(&Store::open(Arc::new(disk.clone())).unwrap(), KeyRole::Reader);
            let tag = key_file.rsplit('/').next().unwrap().trim_end_matches(".age").to_owned();
            disk.put("replica/tag", format!("chunkstore replica\ntag {tag}\n").as_bytes());
        }
        "replica/unclean" => disk.put("replica/unclean", b"chunkstore replica\ngeneration 11\n"),
        _ => {}
    }
    disk.settled()
}

/// Files of the stage's store whose names hang on a hash or a random tag.
const FILES: &[&str] = &[
    "top manifest",
    "base manifest",
    "key list",
    "reader's key file",
    "writer's key file",
    "carried file",
    "recipe",
    "old data pack",
    "old tree pack",
    "new data pack",
    "new tree pack",
];

fn key_file(store: &Store, role: KeyRole) -> String {
    let lists = &store.packs().top.key_lists[0];
    let (hash, len_bytes) = &lists.shards[0];
    let list = read_key_list(store.disk().as_ref(), store.id(), hash, *len_bytes).unwrap();
    let entry = list.entries.iter().find(|entry| entry.role == role).unwrap();
    layout::key_file(lists.epoch, entry.tag).to_string()
}

/// Finds a place in a healthy store. Old packs are covered by a merged index, which lies in a pack of trees; new ones are not.
fn place_of(name: &str, disk: &SimDisk) -> Place {
    let store = Store::open(Arc::new(disk.clone())).unwrap();
    let (set, packs) = (store.packs(), store.packs().packs());
    let record = |back| layout::head_record(chunkstore::base::Generation(store.head().head.generation.0 - back));
    let (old_data, old_trees) = (&packs[0], &packs[1]);
    let (new_data, new_trees) = (&packs[packs.len() - 2], &packs[packs.len() - 1]);
    assert_eq!((new_data.class, new_trees.class), (Class::Data, Class::Meta));
    let path = |pack: &PackRef| layout::pack(&pack.hash);
    let key_list = layout::key_list(&set.top.key_lists[0].shards[0].0);
    let carried = || layout::carried_file(&set.top.files[0].hash);
    let top = layout::manifest(&set.chain[0].0);
    let base = layout::manifest(&set.chain[set.chain.len() - 1].0);
    match name {
        "STORE" => Place::file("STORE").swapped_with("HEAD"),
        "HEAD" => Place::file("HEAD").swapped_with(record(1)),
        "newest record" => Place::file(record(0)).swapped_with(record(1)),
        "older record" => Place::file(record(1)),
        "HEAD and newest record" => {
            Place { paths: vec!["HEAD".to_owned(), record(0).to_string()], ..Place::file("HEAD") }
        }
        "top manifest" => Place::file(&top).swapped_with(base),
        "base manifest" => Place::file(base),
        "key list" => Place::file(key_list).swapped_with(carried()),
        "reader's key file" => {
            Place::file(key_file(&store, KeyRole::Reader)).swapped_with(key_file(&store, KeyRole::Writer))
        }
        "writer's key file" => Place::file(key_file(&store, KeyRole::Writer)),
        "carried file" => Place::file(carried()).swapped_with(top),
        "recipe" => Place::file(layout::recipe(&set.recipes[0].recipe)),
        "old data pack" => Place::file(path(old_data)).swapped_with(path(new_data)),
        "old tree pack" => Place::file(path(old_trees)),
        "new data pack" => Place::file(path(new_data)),
        "new tree pack" => Place::file(path(new_trees)).swapped_with(path(old_trees)),
        "header of an old data pack" => Place::stretch(old_data, 10),
        "index of an old data pack" => Place::stretch(old_data, old_data.len_bytes - 60),
        "tail of an old data pack" => Place::stretch(old_data, old_data.len_bytes - 1),
        "index of a new data pack" => Place::stretch(new_data, new_data.len_bytes - 60),
        "tail of a new tree pack" => Place::stretch(new_trees, new_trees.len_bytes - 1),
        "packs/XX" => Place::directory(path(old_data).parent()),
        directory @ ("heads" | "trust" | "manifests" | "keys" | "replica" | "packs") => Place::directory(directory),
        file => Place::file(file),
    }
}

/// Finds a place in a store, also one that takes a key to find.
fn place_in(publisher: &Publisher, disk: &SimDisk, name: &str) -> Place {
    let unlocked = || unlocked(publisher, disk);
    let store = || Store::open(Arc::new(disk.clone())).unwrap();
    let frame_of = |is_new: bool, kind| {
        let store = store();
        let packs = store.packs().packs();
        let pack = packs[if is_new { packs.len() - 1 } else { 0 }];
        let keys = unlocked().keys;
        let entries = read_index(disk, store.id(), &pack, &|epoch| keys.index_key(epoch)).unwrap();
        let (offset, entry) = entries.iter().find(|(_, entry)| entry.kind == kind).unwrap();
        Place::stretch(&pack, offset + entry.sealed_len_bytes / 2)
    };
    match name {
        "chunk in an old data pack" => frame_of(false, Kind::Chunk),
        "tree in a new tree pack" => frame_of(true, Kind::Tree),
        "snapshot in a new tree pack" => frame_of(true, Kind::Snapshot),
        "merged index" => {
            let part = unlocked().sealed.indexes[0];
            Place::stretch(store().packs().pack(&part.pack).unwrap(), part.offset + part.sealed_len_bytes / 2)
        }
        "pack of the merged index" => Place::file(layout::pack(&unlocked().sealed.indexes[0].pack)),
        _ => place_of(name, disk),
    }
}

fn change(bytes: &mut Vec<u8>, damage: Damage, at: Option<u64>) {
    let middle = at.map_or(bytes.len() / 2, |at| usize::try_from(at).unwrap());
    match damage {
        Empty => bytes.clear(),
        Halved => bytes.truncate(middle),
        Longer => bytes.extend([0xa5; 100]),
        MuchLonger => bytes.extend(vec![0; 5 << 20]),
        // In a text this bit makes another letter of any, and none that may stand there.
        Bit => bytes.get_mut(middle).into_iter().for_each(|byte| *byte ^= 0x20),
        Sector => {
            let (from, len) = (middle / 512 * 512, bytes.len());
            bytes[from.min(len)..(from + 512).min(len)].fill(0);
        }
        _ => unreachable!("no change of bytes"),
    }
}
