//! `purge`: what goes opens with no secret that exists afterwards, what stays is as it was, and nothing tells of either.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chunkstore::base::{DedupGeneration, Epoch, ObjectId, RelPath, StoreId, StorePath};
use chunkstore::crypto::wrap::{Identity, unwrap};
use chunkstore::crypto::{Secret, seal};
use chunkstore::disk::read_all;
use chunkstore::error::{ErrorKind, Result};
use chunkstore::format::list::ListNode;
use chunkstore::format::manifest::{FileKind, Manifest};
use chunkstore::format::order::OrderFile;
use chunkstore::format::pack::PackEntry;
use chunkstore::format::roster::RosterFile;
use chunkstore::format::sealed::SealedPart;
use chunkstore::format::snapshot::Snapshot;
use chunkstore::format::tree::{Content, Entry, Node, TreeNode};
use chunkstore::format::{Codec, Kind, Pointer};
use chunkstore::ops::commit::path_key;
use chunkstore::ops::purge::plan::Plan;
use chunkstore::ops::purge::{PurgeRequest, Purged, plan, purge};
use chunkstore::ops::writing::Writing;
use chunkstore::store::keyring::{KeyFileContent, WriterKeys, decode_key_file};
use chunkstore::store::layout;
use chunkstore::store::object::{Purpose, associated_data, open_outer};
use chunkstore::store::pack::read_index;
use chunkstore::tree::snapshots;

use super::env::files;
use super::scene::{Scene, noise};

mod places;
mod rotation;

impl Scene {
    pub fn plan_purge(&self, paths: &[&str]) -> Result<Plan> {
        let (writer, cache) = (self.writer(), self.path("cache"));
        let paths: Vec<RelPath> = paths.iter().map(|path| RelPath::new(path.as_bytes()).unwrap()).collect();
        let request = PurgeRequest { paths: &paths, writer: &writer, cache: Some(&cache), own: None };
        plan(&self.shared_disk(), &request, self.run())
    }

    pub fn try_purge(&self, paths: &[&str], approved: &str) -> Result<Purged> {
        let (writer, cache) = (self.writer(), self.path("cache"));
        let paths: Vec<RelPath> = paths.iter().map(|path| RelPath::new(path.as_bytes()).unwrap()).collect();
        let request = PurgeRequest { paths: &paths, writer: &writer, cache: Some(&cache), own: None };
        purge(&self.shared_disk(), &request, approved, self.run())
    }

    pub fn purge(&self, paths: &[&str]) -> Purged {
        let plan = self.plan_purge(paths).unwrap();
        self.try_purge(paths, &plan.hash).unwrap()
    }
}

/// A mark that stands in content which goes, or in a name of it.
const SECRET: &str = "the-secret-mark";

fn text(about: &str, lines: usize) -> Vec<u8> {
    (0..lines).flat_map(|at| format!("{about}, line {at} of a text that repeats itself\n").into_bytes()).collect()
}

/// Three snapshots: a secret among others, changed, renamed and copied; a long one; links.
fn story() -> Scene {
    let scene = Scene::new();
    // Long after the files were made, so that the host remembers them.
    scene.clock.advance(std::time::Duration::from_secs(1000 * 24 * 3600));
    for at in 0..40 {
        scene.write(&format!("docs/file-{at:02}"), &text(&format!("docs {at}"), 40));
        scene.write(&format!("far/away/file-{at:02}"), &text(&format!("far {at}"), 10));
    }
    scene.write(&format!("docs/{SECRET}-one"), &text(SECRET, 60));
    scene.write("docs/long", &noise(1, 3 << 20));
    let mut long = noise(2, 3 << 20);
    long.extend_from_slice(SECRET.as_bytes());
    scene.write(&format!("private/{SECRET}/long"), &long);
    scene.write(&format!("private/{SECRET}/short"), &text(&format!("{SECRET} in private"), 5));
    scene.commit("one").unwrap();
    scene.write("docs/file-07", &text("docs 7, changed", 50));
    scene.write(&format!("docs/{SECRET}-one"), &text(&format!("{SECRET}, changed"), 61));
    scene.commit("two").unwrap();
    scene.write("docs/new", &text("new", 500));
    scene.write("far/new", &noise(3, 100_000));
    scene.commit("three").unwrap();
    scene
}

const PATHS: [&str; 2] = ["/docs/the-secret-mark-one", "private/the-secret-mark"];

/// Packs and manifests of a moment, and what the secrets of that moment say of where frames lie.
pub struct Image {
    store: StoreId,
    files: BTreeMap<StorePath, Vec<u8>>,
    frames: Vec<(StorePath, u64, PackEntry)>,
}

impl Image {
    pub fn of(scene: &Scene) -> Self {
        let store = scene.store();
        let writing = Writing::look(scene.shared_disk(), &scene.writer(), scene.run()).unwrap();
        let keys = &writing.keys.reader;
        let mut frames = Vec::new();
        for pack in store.packs().packs() {
            let entries = read_index(&scene.disk, store.id(), pack, &|epoch| keys.index_key(epoch)).unwrap();
            frames.extend(entries.into_iter().map(|(offset, entry)| (layout::pack(&pack.hash), offset, entry)));
        }
        let is_public =
            |path: &StorePath| path.as_str().starts_with("packs/") || path.as_str().starts_with("manifests/");
        let all = files(&scene.disk).into_iter().filter(is_public);
        let files = all.map(|path| (path.clone(), read_all(&scene.disk, &path, 1 << 30).unwrap().unwrap())).collect();
        Self { store: store.id(), files, frames }
    }

    /// Opens every frame that any of the secrets opens, and whatever opens with keys that stand in those; returns the plaintexts
    /// by what the index said of them.
    pub fn opened(&self, secrets: &Secrets) -> HashMap<(ObjectId, DedupGeneration), Vec<u8>> {
        let mut keys = secrets.keys.clone();
        for (_, part) in self.opened_manifests(&keys) {
            keys.extend(part.older_epochs.iter().chain(&part.index_keys).map(|(_, secret)| **secret));
            keys.extend(part.indexes.iter().map(|index| index.pointer.key.0));
            let older = part.older_epochs.iter().map(|(_, secret)| Secret::from_bytes(**secret));
            keys.extend(older.map(|secret| *secret.derive("chunkstore 1 root").expose()));
        }
        let mut opened = HashMap::new();
        let mut tried: BTreeSet<[u8; 32]> = BTreeSet::new();
        let mut is_first = true;
        loop {
            let fresh: Vec<[u8; 32]> = keys.difference(&tried).copied().collect();
            if fresh.is_empty() {
                return opened;
            }
            for (path, offset, entry) in &self.frames {
                let name = (entry.id, entry.dedup_generation);
                if opened.contains_key(&name) {
                    continue;
                }
                let derived = secrets.makers.iter().map(|maker| maker.object_key(entry.kind, &entry.id).0);
                let derived = derived.filter(|_| is_first);
                let plain = fresh.iter().copied().chain(derived).find_map(|key| self.open(path, *offset, entry, &key));
                if let Some(plain) = plain {
                    keys.extend(keys_in(entry.kind, &plain));
                    opened.insert(name, plain);
                }
            }
            tried.extend(fresh);
            is_first = false;
        }
    }

    fn open(&self, path: &StorePath, offset: u64, entry: &PackEntry, key: &[u8; 32]) -> Option<Vec<u8>> {
        let start = usize::try_from(offset).unwrap();
        let frame = &self.files[path][start..start + usize::try_from(entry.sealed_len_bytes).unwrap()];
        let object = Some((entry.kind, entry.codec, entry.id));
        let associated = associated_data(self.store, Purpose::Object, object, entry.len_bytes);
        let mut frame = frame.to_vec();
        let payload = seal::open_in_place(key, &associated, &mut frame).ok()?;
        Some(match entry.codec {
            Codec::Stored => payload.to_vec(),
            Codec::Zstd => zstd::decode_all(payload as &[u8]).unwrap(),
        })
    }

    /// Opens the sealed parts of all manifests that any of the keys opens.
    fn opened_manifests(&self, keys: &BTreeSet<[u8; 32]>) -> Vec<(StorePath, SealedPart)> {
        let mut opened = Vec::new();
        for (path, bytes) in &self.files {
            let Ok(manifest) = Manifest::decode(bytes, self.store) else { continue };
            for key in keys {
                let key = Secret::from_bytes(*key);
                if let Ok(plain) = open_outer(self.store, Purpose::Manifest, &key, path.as_str(), &manifest.sealed.1) {
                    opened.push((path.clone(), SealedPart::decode(&plain).unwrap()));
                }
            }
        }
        opened
    }

    /// Tries every secret on everything else that is sealed; returns how many manifests opened, and how many other files.
    fn opened_outer(&self, secrets: &Secrets) -> (usize, usize) {
        let mut others = 0;
        for (path, bytes) in self.files.iter().filter(|(path, _)| path.as_str().starts_with("manifests/")) {
            let frames: Vec<(Purpose, Vec<u8>)> =
                match (RosterFile::decode(bytes, self.store), OrderFile::decode(bytes, self.store)) {
                    (Ok(roster), _) => vec![(Purpose::Roster, roster.frame)],
                    (_, Ok((order, ..))) => {
                        vec![(Purpose::OrderSnapshots, order.snapshots), (Purpose::OrderObjects, order.objects)]
                    }
                    _ => continue,
                };
            for (purpose, frame) in frames {
                let opens = |key: &[u8; 32]| {
                    open_outer(self.store, purpose, &Secret::from_bytes(*key), path.as_str(), &frame).is_ok()
                };
                others += usize::from(secrets.keys.iter().any(opens));
            }
        }
        (self.opened_manifests(&secrets.keys).len(), others)
    }
}

/// The keys that stand in a plaintext.
fn keys_in(kind: Kind, plain: &[u8]) -> Vec<[u8; 32]> {
    let of_content = |content: &Content| match content {
        Content::List(list) => vec![list.key.0],
        Content::Inline(extents) => extents.iter().map(|extent| extent.chunk.key.0).collect(),
    };
    match kind {
        Kind::Snapshot => vec![Snapshot::decode(plain).unwrap().root.key.0],
        Kind::Tree => match TreeNode::decode(plain).unwrap() {
            TreeNode::Inner(_, children) => children.iter().map(|child| child.pointer.key.0).collect(),
            TreeNode::Leaf(entries) => {
                let of_entry = |entry: &Entry| match &entry.node {
                    Node::Dir { tree } => vec![tree.key.0],
                    Node::File { content, .. } => of_content(content),
                    _ => vec![],
                };
                entries.iter().flat_map(of_entry).collect()
            }
        },
        Kind::List => match ListNode::decode(plain).unwrap() {
            ListNode::Leaf(extents) => extents.iter().map(|extent| extent.chunk.key.0).collect(),
            ListNode::Inner(_, children) => children.iter().map(|child| child.pointer.key.0).collect(),
        },
        _ => vec![],
    }
}

/// Every secret that there is at a moment.
pub struct Secrets {
    /// Everything that may serve as a key.
    keys: BTreeSet<[u8; 32]>,
    makers: Vec<chunkstore::store::keyring::KeyMaker>,
}

impl Secrets {
    /// Takes all key files that stand, opened by all identities, all that is derived from what is in them, the sealed part, and
    /// every key that a tree hands on.
    pub fn of(scene: &Scene) -> Self {
        Self::held(scene, true)
    }

    /// The same without what writers alone hold.
    pub fn of_readers(scene: &Scene) -> Self {
        Self::held(scene, false)
    }

    fn held(scene: &Scene, by_writers: bool) -> Self {
        let store = scene.store();
        let mut identities: Vec<Identity> = scene.readers();
        identities.extend(by_writers.then(|| scene.writer().identity));
        let mut secrets = Self { keys: BTreeSet::new(), makers: Vec::new() };
        let key_files = files(&scene.disk).into_iter().filter(|path| path.as_str().starts_with("keys/"));
        for path in key_files {
            let epoch = layout::key_dir_epoch(path.parent().file_name()).unwrap();
            let bytes = read_all(&scene.disk, &path, 1 << 20).unwrap().unwrap();
            let Ok(plain) = unwrap(&identities, &bytes, 1 << 20) else { continue };
            secrets.add_hex(&plain);
            if let Ok(KeyFileContent::Writer(keys)) = decode_key_file(&plain, store.id(), epoch) {
                secrets.add_writer(&keys);
            }
        }
        let writing = Writing::look(scene.shared_disk(), &scene.writer(), scene.run()).unwrap();
        if by_writers {
            secrets.add_writer(&writing.keys);
        }
        for (_, key) in writing.unlocked.sealed.older_epochs.iter().chain(&writing.unlocked.sealed.index_keys) {
            secrets.keys.insert(**key);
        }
        for part in &writing.unlocked.sealed.indexes {
            secrets.keys.insert(part.pointer.key.0);
        }
        for named in &writing.unlocked.sealed.snapshots {
            let snapshot = snapshots::load(&writing.reader, named).unwrap();
            secrets.add_tree(&writing, &snapshot.root);
        }
        assert!(secrets.makers.is_empty() != by_writers && secrets.keys.len() > 20);
        secrets
    }

    /// Takes whatever looks like a secret in a text.
    fn add_hex(&mut self, text: &[u8]) {
        for word in String::from_utf8_lossy(text).split_whitespace().filter(|word| word.len() == 64) {
            let bytes: Vec<u8> =
                (0..32).filter_map(|at| u8::from_str_radix(&word[2 * at..2 * at + 2], 16).ok()).collect();
            if let Ok(bytes) = bytes.try_into() {
                self.add_all_of(&Secret::from_bytes(bytes));
            }
        }
    }

    /// Takes a secret and everything that the format derives from one.
    fn add_all_of(&mut self, secret: &Secret) {
        const CONTEXTS: [&str; 12] = [
            "chunkstore 1 object id",
            "chunkstore 1 gear table",
            "chunkstore 1 node boundary",
            "chunkstore 1 file id",
            "chunkstore 1 object key",
            "chunkstore 1 roster",
            "chunkstore 1 order objects",
            "chunkstore 1 root",
            "chunkstore 1 pack index",
            "chunkstore 1 order snapshots",
            "chunkstore 1 commitment",
            "chunkstore 1 plan",
        ];
        let once = CONTEXTS.map(|context| secret.derive(context));
        for first in &once {
            self.keys.insert(*first.expose());
            self.keys.extend(CONTEXTS.map(|context| *first.derive(context).expose()));
        }
        self.keys.insert(*secret.expose());
    }

    fn add_writer(&mut self, keys: &WriterKeys) {
        self.makers.extend((0..20).filter_map(|generation| keys.key_maker(DedupGeneration(generation))));
        for epoch in (0..20).map(Epoch) {
            self.keys.extend(keys.reader.root_key(epoch).map(|key| *key.expose()));
            self.keys.extend(keys.reader.index_key(epoch).map(|key| *key.expose()));
        }
    }

    fn add_tree(&mut self, writing: &Writing, tree: &Pointer) {
        if !self.keys.insert(tree.key.0) {
            return;
        }
        let plain = writing.reader.read(tree).unwrap();
        match TreeNode::decode(&plain).unwrap() {
            TreeNode::Inner(_, children) => children.iter().for_each(|child| self.add_tree(writing, &child.pointer)),
            TreeNode::Leaf(entries) => {
                for entry in entries {
                    match &entry.node {
                        Node::Dir { tree } => self.add_tree(writing, tree),
                        Node::File { content: Content::Inline(extents), .. } => {
                            self.keys.extend(extents.iter().map(|extent| extent.chunk.key.0));
                        }
                        Node::File { content: Content::List(list), .. } => self.add_list(writing, list),
                        _ => {}
                    }
                }
            }
        }
    }

    fn add_list(&mut self, writing: &Writing, list: &Pointer) {
        self.keys.insert(list.key.0);
        match ListNode::decode(&writing.reader.read(list).unwrap()).unwrap() {
            ListNode::Leaf(extents) => self.keys.extend(extents.iter().map(|extent| extent.chunk.key.0)),
            ListNode::Inner(_, children) => children.iter().for_each(|child| self.add_list(writing, &child.pointer)),
        }
    }
}

fn holds(bytes: &[u8], mark: &str) -> bool {
    bytes.windows(mark.len()).any(|window| window == mark.as_bytes())
}

/// The files of every kept snapshot, less those below some paths.
fn contents(scene: &Scene, name: &str, without: &[&str]) -> Vec<BTreeMap<String, Vec<u8>>> {
    let count =
        Writing::look(scene.shared_disk(), &scene.writer(), scene.run()).unwrap().unlocked.sealed.snapshots.len();
    let all = (0..count).map(|back| scene.content(&format!("HEAD~{back}:/"), &format!("{name}-{back}")));
    all.map(|files| {
        files
            .into_iter()
            .filter(|(path, _)| !without.iter().any(|gone| path.starts_with(gone.trim_start_matches('/'))))
            .collect()
    })
    .collect()
}

// S15 S18: an image of packs and manifests from before, and every secret that exists after.
#[test]
fn no_secret_that_exists_afterwards_opens_what_was_purged() {
    let scene = story();
    let expected = contents(&scene, "before", &PATHS);
    let image = Image::of(&scene);
    let before = image.opened(&Secrets::of(&scene));
    let (manifests, others) = image.opened_outer(&Secrets::of(&scene));
    assert!(before.len() > 20 && manifests > 0 && others > 0, "the attack works on what was not purged");
    assert!(before.values().any(|plain| holds(plain, SECRET)));
    let purged = scene.purge(&PATHS);
    assert_eq!(purged.plan.unwrap().snapshots.len(), 3);
    let secrets = Secrets::of(&scene);
    let after = image.opened(&secrets);
    for (name, plain) in &after {
        assert!(!holds(plain, SECRET), "{name:?} still opens");
    }
    assert!(!after.is_empty(), "what stays keeps its seal");
    assert_eq!(image.opened_outer(&secrets), (0, 0));
    assert_eq!(contents(&scene, "after", &[]), expected);
    scene.assert_sound();
}

// Nothing that stands is of before but packs of which everything stays.
#[test]
fn what_led_to_earlier_states_is_gone_at_once() {
    let scene = story();
    let before: BTreeSet<StorePath> = files(&scene.disk).into_iter().collect();
    let purged = scene.purge(&PATHS);
    assert!(purged.obeyed.files > 0 && !purged.obeyed.readers);
    let store = scene.store();
    let listed: BTreeSet<StorePath> = store.packs().packs().iter().map(|pack| layout::pack(&pack.hash)).collect();
    for path in files(&scene.disk).iter().filter(|path| before.contains(*path)) {
        let text = path.as_str();
        let stays =
            ["STORE", "HEAD", "lock", "readers", "trust/1", "replica/id"].contains(&text) || listed.contains(path);
        assert!(stays, "{path} is of before");
    }
    assert_eq!(store.packs().chain.len(), 1, "the manifest leans on one of before");
    assert_eq!(scene.gc().removed_files, 0);
    scene.assert_sound();
    assert!(store.packs().top.files.iter().any(|file| file.kind == FileKind::ORDER));
}

// S16
#[test]
fn what_stands_elsewhere_stays_there_and_is_said() {
    let scene = story();
    scene.write("copies/whole", &text(SECRET, 60));
    scene.write("copies/beside", &text("beside", 3));
    let mut long = noise(2, 3 << 20);
    long.extend_from_slice(SECRET.as_bytes());
    scene.write("copies/long", &long);
    // The same file, and so are the two names of a hard link.
    std::fs::hard_link(scene.path("folder/far/away/file-03"), scene.path("folder/docs/linked")).unwrap();
    scene.commit("four").unwrap();
    let plan = scene.plan_purge(&["docs/the-secret-mark-one", "private", "far/away/file-03"]).unwrap();
    let said: BTreeMap<String, _> = plan.elsewhere.iter().map(|(path, found)| (path.to_string(), *found)).collect();
    let long = said["/copies/long"];
    assert_eq!((long.snapshots, long.is_same_file), (1, false));
    assert_eq!(long.bytes, (3 << 20) + SECRET.len() as u64);
    assert_eq!(said["/copies/whole"].bytes, text(SECRET, 60).len() as u64);
    // On Windows the names of a file are saved as files of their own.
    assert_eq!(said["/docs/linked"].is_same_file, cfg!(unix));
    assert_eq!(said.len(), 3, "{said:?}");
    let expected = contents(&scene, "before", &["docs/the-secret-mark-one", "private", "far/away/file-03"]);
    scene.purge(&["docs/the-secret-mark-one", "private", "far/away/file-03"]);
    assert_eq!(contents(&scene, "after", &[]), expected);
    scene.assert_sound();
}

// An earlier state of a file that no kept snapshot has any more may stand in a chunk that its neighbours name.
#[test]
fn earlier_states_go_from_chunks_that_neighbours_share() {
    let scene = Scene::new();
    // Long after the files were made, so that neighbours are not read and cut again.
    scene.clock.advance(std::time::Duration::from_secs(1000 * 24 * 3600));
    for at in 0..10 {
        scene.write(&format!("docs/file-{at:02}"), &text(&format!("docs {at}"), 40));
    }
    scene.write("docs/file-99", &text(SECRET, 10));
    scene.commit("one").unwrap();
    scene.write("docs/file-99", &text("harmless", 10));
    scene.commit("two").unwrap();
    scene.forget_all_but(1);
    let image = Image::of(&scene);
    assert!(image.opened(&Secrets::of(&scene)).values().any(|plain| holds(plain, SECRET)));
    let plan = scene.plan_purge(&["docs/file-99"]).unwrap();
    assert!(plan.recut_chunks > 0, "{plan:?}");
    scene.purge(&["docs/file-99"]);
    assert!(!image.opened(&Secrets::of(&scene)).values().any(|plain| holds(plain, SECRET)));
    scene.assert_sound();
}

// Directories that held the same shared a chunk, also once one of them lost what goes.
#[test]
fn chunks_that_other_directories_share_are_made_anew() {
    let scene = Scene::new();
    for dir in ["a", "b"] {
        for at in 0..10 {
            scene.write(&format!("{dir}/file-{at:02}"), &text(&format!("docs {at}"), 40));
        }
        scene.write(&format!("{dir}/file-99"), &text(SECRET, 10));
    }
    scene.clock.advance(std::time::Duration::from_secs(1000 * 24 * 3600));
    scene.commit("one").unwrap();
    std::fs::remove_file(scene.path("folder/b/file-99")).unwrap();
    scene.commit("two").unwrap();
    scene.forget_all_but(1);
    let expected = contents(&scene, "before", &["a/"]);
    let image = Image::of(&scene);
    let plan = scene.plan_purge(&["a"]).unwrap();
    assert!(plan.recut_chunks > 0 && plan.gone_bytes > 0, "{plan:?}");
    scene.purge(&["a"]);
    assert!(!image.opened(&Secrets::of(&scene)).values().any(|plain| holds(plain, SECRET)));
    assert_eq!(contents(&scene, "after", &[]), expected);
    scene.assert_sound();
}

// Names of hard links in two directories may make them one tree; each path goes, is told and is forgotten by the host.
#[cfg(unix)]
#[test]
fn directories_of_hard_links_are_told_path_by_path() {
    let scene = Scene::new();
    scene.clock.advance(std::time::Duration::from_secs(1000 * 24 * 3600));
    scene.write("kept/file", b"kept");
    std::fs::create_dir(scene.path("folder/two")).unwrap();
    for name in ["a", "b"] {
        scene.write(&format!("one/{name}"), &text(name, 9));
        let path = |dir: &str| scene.path("folder").join(dir).join(name);
        std::fs::hard_link(path("one"), path("two")).unwrap();
    }
    scene.commit("one").unwrap();
    let plan = scene.plan_purge(&["one", "two"]).unwrap();
    let gone: Vec<String> = plan.gone.iter().map(ToString::to_string).collect();
    assert_eq!((gone.join(" ").as_str(), plan.gone_count), ("/one/a /one/b /two/a /two/b", 4));
    scene.purge(&["one", "two"]);
    let remembered = std::fs::read(scene.path("cache").join(scene.store.to_string()).join("stats.redb")).unwrap();
    let has = |path: &str| {
        let key = path_key(&RelPath::new(path.as_bytes()).unwrap());
        remembered.windows(key.len()).any(|window| window == key)
    };
    assert!(has("kept/file"));
    for path in ["one/a", "one/b", "two/a", "two/b"] {
        assert!(!has(path), "{path}");
    }
}

// Messages and tags stay, so who purges is told which of them name it.
#[test]
fn messages_that_name_it_are_told() {
    let scene = Scene::new();
    for (name, message) in [
        ("private/letter.txt", "adds Letter.TXT"),
        ("other", "newsletter.txts"),
        ("third", "see private/notes/deep.txt, at last"),
        ("private/notes/deep.txt", "notes"),
    ] {
        scene.write(name, name.as_bytes());
        scene.commit(message).unwrap();
    }
    let messages = |paths: &[&str]| -> Vec<usize> {
        let plan = scene.plan_purge(paths).unwrap();
        let writing = Writing::look(scene.shared_disk(), &scene.writer(), scene.run()).unwrap();
        let all = &writing.unlocked.sealed.snapshots;
        plan.mentions.iter().map(|(named, _)| all.iter().position(|one| one.id == named.id).unwrap()).collect()
    };
    assert_eq!(messages(&["private/letter.txt"]), [0]);
    assert_eq!(messages(&["private/notes"]), [2, 3]);
    assert_eq!(messages(&["private"]), [2]);
    assert_eq!(messages(&["other"]), [0_usize; 0]);
}

#[test]
fn a_path_that_is_not_there_the_root_and_a_plan_of_another_state() {
    let scene = story();
    let before = scene.disk.fingerprint();
    assert_eq!(scene.plan_purge(&["/nowhere"]).unwrap_err().kind(), ErrorKind::Other);
    assert_eq!(scene.plan_purge(&[PATHS[0], "/docs/nowhere"]).unwrap_err().kind(), ErrorKind::Other);
    assert_eq!(scene.plan_purge(&["/"]).unwrap_err().kind(), ErrorKind::Usage);
    let plan = scene.plan_purge(&PATHS).unwrap();
    assert_eq!(scene.plan_purge(&PATHS).unwrap(), plan, "a plan is what it was");
    assert_eq!(scene.disk.fingerprint(), before, "plans write nothing");
    assert_eq!(scene.try_purge(&PATHS[..1], &plan.hash).unwrap_err().kind(), ErrorKind::Conflict);
    scene.write("docs/later", b"later");
    scene.commit("later").unwrap();
    assert_eq!(scene.try_purge(&PATHS, &plan.hash).unwrap_err().kind(), ErrorKind::Conflict);
    assert!(!scene.store().packs().top.files.iter().any(|file| file.kind == FileKind::ORDER));
}

#[test]
fn the_only_file_goes_and_its_directory_stays() {
    let scene = Scene::new();
    scene.write("only/file", &text(SECRET, 3));
    scene.commit("one").unwrap();
    let image = Image::of(&scene);
    scene.purge(&["only/file"]);
    assert!(image.opened(&Secrets::of(&scene)).is_empty());
    assert_eq!(scene.content("/", "after"), BTreeMap::new());
    assert!(scene.path("after/only").is_dir());
    scene.assert_sound();
    // And it may come back: under a key of its own.
    scene.write("only/other", b"other");
    scene.commit("two").unwrap();
    assert!(scene.content("/", "again").contains_key("only/file"), "the folder still has it");
    assert!(image.opened(&Secrets::of(&scene)).is_empty());
}

#[test]
fn a_second_purge_is_as_good_as_the_first() {
    let scene = story();
    let first = Image::of(&scene);
    scene.purge(&PATHS[..1]);
    std::fs::remove_file(scene.path("folder").join(PATHS[0].trim_start_matches('/'))).unwrap();
    scene.write("docs/third", &text("third", 9));
    scene.commit("after the first").unwrap();
    let second = Image::of(&scene);
    scene.purge(&PATHS[1..]);
    let secrets = Secrets::of(&scene);
    for image in [first, second] {
        assert!(!image.opened(&secrets).values().any(|plain| holds(plain, SECRET)));
    }
    scene.assert_sound();
    let names = scene.store().packs().top.files.iter().filter(|file| file.kind == FileKind::ORDER).count();
    assert_eq!(names, 1, "one order says what both took away");
}
