//! What a purge that was cut off leaves of this machine's keys: at every cut of the store and of the key files something in them
//! opens the store, also where a second purge is cut off after the first, and whatever writes next ends it.

use std::collections::BTreeMap;
use std::sync::Arc;

use chunkstore::base::RelPath;
use chunkstore::crypto::sign::SignKey;
use chunkstore::disk::sim::FaultKind;
use chunkstore::disk::{Disk, SimDisk};
use chunkstore::error::Result;
use chunkstore::format::keylist::KeyTag;
use chunkstore::ops::local_keys::{KeyDir, LocalKey};
use chunkstore::ops::purge::rotate::{OwnKeys, end_rotation};
use chunkstore::ops::purge::{PurgeRequest, Purged, plan, purge};
use chunkstore::store::Store;

use crate::scene::Scene;

/// How many calls fail before and after the one that makes a new generation.
const AROUND: u64 = 16;

/// The store and the key files of a moment.
#[derive(Clone)]
struct Image {
    disk: SimDisk,
    writer: Vec<u8>,
    reader: Vec<u8>,
}

/// What tells images apart: the new generation stands, the identities in `writer.key` and in `reader.key`.
type Kind = (bool, usize, usize);

struct Machine {
    scene: Scene,
    roots: Vec<SignKey>,
}

impl Machine {
    fn new(with_roots: bool) -> Self {
        let scene = Scene::new();
        for name in ["a", "b", "c"] {
            scene.write(name, name.as_bytes());
        }
        scene.commit("one").unwrap();
        let roots = KeyDir::new(&scene.path("keys"), scene.store).load_roots(&|_| panic!()).unwrap();
        Self { scene, roots: if with_roots { roots } else { Vec::new() } }
    }

    fn own(&self) -> OwnKeys<'_> {
        let dir = KeyDir::new(&self.scene.path("keys"), self.scene.store);
        OwnKeys { dir, ask: &|_| panic!("no passphrase was set"), roots: &self.roots }
    }

    fn purge(&self, path: &str) -> Result<Purged> {
        let (writer, own) = (self.scene.writer(), self.own());
        let paths = [RelPath::new(path.as_bytes()).unwrap()];
        let request = PurgeRequest { paths: &paths, writer: &writer, cache: None, own: Some(&own) };
        let disk = self.scene.shared_disk();
        let planned = plan(&disk, &request, self.scene.run());
        purge(&disk, &request, &planned.map_or(String::new(), |plan| plan.hash), self.scene.run())
    }

    fn file(&self, key: LocalKey) -> std::path::PathBuf {
        self.own().dir.path(key.file_name())
    }

    fn image(&self) -> Image {
        let read = |key| std::fs::read(self.file(key)).unwrap();
        Image { disk: self.scene.disk.plug_back(), writer: read(LocalKey::Writer), reader: read(LocalKey::Reader) }
    }

    /// Goes back to a moment, on a host that remembers nothing of what came after it.
    fn put_back(&mut self, image: &Image) {
        std::fs::write(self.file(LocalKey::Writer), &image.writer).unwrap();
        std::fs::write(self.file(LocalKey::Reader), &image.reader).unwrap();
        let _ = std::fs::remove_dir_all(self.scene.path("cache"));
        self.scene.disk = image.disk.settled();
    }

    fn generation(&self) -> u64 {
        Store::open(self.scene.shared_disk()).unwrap().head().head.generation.0
    }

    /// Purges a path from a moment on, with a failing call.
    fn purge_failing(&mut self, from: &Image, path: &str, call: u64) {
        self.put_back(from);
        self.scene.disk.fail_nth_call(call, FaultKind::Io);
        let _ = self.purge(path);
        let image = self.image();
        self.put_back(&image);
    }

    /// Purges a path from a moment on, with each call failing once around the one that makes the new generation; returns what that
    /// left, one of each kind, with those between two key files that are written one after the other.
    fn cut_everywhere(&mut self, from: &Image, path: &str) -> BTreeMap<Kind, Image> {
        self.put_back(from);
        let first = self.generation();
        self.purge(path).unwrap();
        let (mut old, mut new, mut left) = (0, self.scene.disk.call_count(), BTreeMap::new());
        while new - old > 1 {
            let middle = old.midpoint(new);
            self.purge_failing(from, path, middle);
            *(if self.generation() > first { &mut new } else { &mut old }) = middle;
        }
        for call in new.saturating_sub(AROUND)..new + AROUND {
            self.purge_failing(from, path, call);
            let image = self.image();
            let is_new = self.generation() > first;
            let (writer, readers) = (self.scene.writer(), self.scene.readers());
            left.insert((is_new, writer.identities().len(), readers.len()), image.clone());
            if writer.rotating.is_none() || readers.len() < 2 {
                continue;
            }
            let mut between = Image { reader: from.reader.clone(), ..image };
            if is_new {
                self.own().dir.replace_reader(&readers[..1], KeyTag([0; 4]), &|_| panic!()).unwrap();
                between = self.image();
            }
            left.insert((is_new, writer.identities().len(), 1), between);
        }
        left
    }

    /// Checks that the keys of a moment open its store for reading and for writing.
    fn assert_opens(&mut self, image: &Image) {
        self.put_back(image);
        let store = Store::open(self.scene.shared_disk()).unwrap();
        store.unlock(&self.scene.readers()).unwrap();
        store.unlock_writer(&self.scene.writer().identities()).unwrap();
        self.scene.write("later", b"later");
        self.scene.commit("later").unwrap();
        let disk: Arc<dyn Disk> = self.scene.shared_disk();
        end_rotation(&disk, &self.scene.writer(), &self.own(), None, self.scene.run()).unwrap();
        let (writer, readers) = (self.scene.writer(), self.scene.readers());
        assert_eq!((writer.identities().len(), readers.len(), writer.rotating), (1, 1, None));
        let store = Store::open(disk).unwrap();
        store.unlock(&readers).unwrap();
        store.unlock_writer(&writer.identities()).unwrap();
    }
}

/// Cuts a purge, commits, and cuts another one, everywhere.
fn twice(with_roots: bool, kinds: &[Kind]) {
    let mut machine = Machine::new(with_roots);
    let first = machine.cut_everywhere(&machine.image(), "a");
    assert_eq!(first.keys().copied().collect::<Vec<_>>(), kinds);
    for image in first.values() {
        machine.assert_opens(image);
        machine.put_back(image);
        machine.scene.write("between", b"between");
        machine.scene.commit("between").unwrap();
        let committed = machine.image();
        for second in machine.cut_everywhere(&committed, "b").values() {
            machine.assert_opens(second);
        }
        for second in machine.cut_everywhere(image, "c").values() {
            machine.assert_opens(second);
        }
    }
}

// S18 S19
#[test]
fn of_both_keys() {
    let old = [(false, 1, 1), (false, 2, 1), (false, 2, 2)];
    twice(true, &[&old[..], &[(true, 1, 1), (true, 2, 1), (true, 2, 2)]].concat());
}

// The roots are not at hand, so the writer's identity stays.
#[test]
fn of_the_reader_s_key_alone() {
    twice(false, &[(false, 1, 1), (false, 1, 2), (true, 1, 1), (true, 1, 2)]);
}
