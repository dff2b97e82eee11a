//! What the rows play on: a publisher with a history and its forks, a key that is one generation behind, and a hostile server
//! that shows whatever a row wants, over real FTP on loopback.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chunkstore::base::clock::{FixedClock, SystemClock};
use chunkstore::base::{FileHash, Generation, KeyListHash, ManifestHash, StoreId, Timestamp};
use chunkstore::crypto::Secret;
use chunkstore::crypto::sign::{Purpose, SignKey};
use chunkstore::disk::served::ServedDir;
use chunkstore::disk::{Disk, OsDisk};
use chunkstore::format::head::{Head, SignedHead};
use chunkstore::format::keylist::{KeyEntry, KeyList, KeyRole, KeyTag};
use chunkstore::format::manifest::{Base, FileKind, FileRef, KeyShards, Manifest};
use chunkstore::format::trust::{SignedTrust, Trust};
use chunkstore::ops::host_state::HostState;
use chunkstore::ops::local_keys::KeyDir;
use chunkstore::remote::Remote;
use chunkstore::remote::ftp::{FtpOptions, FtpRemote};
use chunkstore::remote::url::FtpUrl;
use chunkstore::serve::{Answer, Fault, Faults, ServeOptions, Server};
use chunkstore::store::grace::REMOTE_SECS;
use chunkstore::store::order::Order;
use chunkstore::store::{Store, head, layout, pack};
use tempfile::TempDir;

use crate::env::{self, Key, Publisher, copy_dir};
use crate::repack::Repacker;

const KIB: usize = 1 << 10;

/// What a server shows: every file by its path.
pub type Image = BTreeMap<String, Vec<u8>>;

/// The states that rows choose from. All but `stranger` are of one store.
pub struct Stage {
    /// Generations 2, 3 and 6. A key holds 3; 6 has one new file of each kind, of packs two: one has a recipe.
    pub old: Image,
    pub mine: Image,
    pub next: Image,
    /// Another generation 3 that follows 2, and a 4 on top of it, signed by a copy of the writer's key.
    pub fork: Image,
    pub fork_next: Image,
    /// Generations 4 to 6 that a copy of the writer's key signed on top of 3, under the trust that was replaced since.
    pub thief: Image,
    pub stranger: Image,
    pub fingerprint: String,
    publisher: Publisher,
    key: Key,
    served_at: String,
}

/// The keys that a thief may have, and the store they are for.
pub struct Stolen {
    pub writer: SignKey,
    pub root: SignKey,
}

impl Stage {
    /// The one stage of a run of the tests.
    pub fn get() -> &'static Self {
        static STAGE: OnceLock<Stage> = OnceLock::new();
        STAGE.get_or_init(Self::new)
    }

    fn new() -> Self {
        let publisher = Publisher::with_readers(1, 1);
        repacking(&publisher, |repacker| drop(repacker.commit(8, 128 * KIB)));
        let old = image(&publisher.disk);
        let forked = publisher.copied(8);
        publisher.commit(&[90 * KIB]);
        let mine = image(&publisher.disk);
        let server = Hostile::showing(&mine);
        let mut key = Key::empty(77);
        key.clone_with(&server.remote(), Some(&publisher.fingerprint), None).unwrap();
        key.state.save().unwrap();
        let stolen = publisher.copied(9);
        repacking(&publisher, |repacker| drop(repacker.repack_these(REMOTE_SECS, |at| at == 0)));
        let next = Self::next(&publisher);
        forked.commit(&[70 * KIB]);
        let fork = image(&forked.disk);
        forked.commit(&[70 * KIB]);
        let fork_next = image(&forked.disk);
        (0..3).for_each(|_| drop(stolen.commit(&[20 * KIB])));
        let thief = image(&stolen.disk);
        let stranger = Publisher::new(2);
        stranger.commit(&[20 * KIB]);
        let stranger = image(&stranger.disk);
        let (fingerprint, served_at) = (publisher.fingerprint.clone(), server.address());
        Self { old, mine, next, fork, fork_next, thief, stranger, fingerprint, publisher, key, served_at }
    }

    /// Adds to the newest state what a real one may have: a trust file, a key list with its file, a carried file and a pack.
    fn next(publisher: &Publisher) -> Image {
        publisher.rotate_trust();
        publisher.commit(&[300 * KIB]);
        let (disk, id) = (publisher.disk.as_ref(), publisher.id);
        let carried = b"an order".repeat(100);
        let file = FileRef {
            kind: FileKind(4711),
            len_bytes: carried.len() as u32,
            hash: FileHash(*blake3::hash(&carried).as_bytes()),
        };
        pack::create_immutable(disk, &layout::carried_file(&file.hash), &carried).unwrap();
        let store = publisher.open();
        let epoch = store.head().head.epoch;
        let (hash, len) = store.packs().top.key_lists[0].shards[0];
        let mut list = KeyList::decode(&env::read(disk, &layout::key_list(&hash)), id).unwrap();
        assert_eq!(env::read(disk, &layout::key_list(&hash)).len() as u64, len);
        let (tag, bytes) = (KeyTag([0xFE, 0, 0, 1]), vec![7; 500]);
        let entry = KeyEntry { tag, role: KeyRole::Reader, len_bytes: 500, hash: *blake3::hash(&bytes).as_bytes() };
        list.entries.push(entry);
        list.entries.sort_unstable_by_key(|entry| entry.tag);
        pack::create_immutable(disk, &layout::key_file(epoch, tag), &bytes).unwrap();
        let list = list.encode(id);
        let hash = KeyListHash(*blake3::hash(&list).as_bytes());
        pack::create_immutable(disk, &layout::key_list(&hash), &list).unwrap();
        forge(publisher, |manifest, _| {
            manifest.files = vec![file];
            manifest.key_lists = vec![KeyShards { epoch, shards: vec![(hash, list.len() as u64)] }];
        });
        image(&publisher.disk)
    }

    /// The publisher as it was when it made a state, for a row to go on from.
    pub fn publisher_at(&self, image: &Image) -> Publisher {
        let publisher = self.publisher.copied(11);
        let root = publisher.dir.path().join("store");
        std::fs::remove_dir_all(&root).unwrap();
        materialize(&root, image);
        Publisher { disk: Arc::new(OsDisk::open(&root).unwrap()), ..publisher }
    }

    /// Every secret key that signs for the store.
    pub fn stolen(&self) -> Stolen {
        Stolen { writer: signer(&self.publisher), root: root_key(&self.publisher) }
    }

    pub fn id(&self) -> StoreId {
        self.publisher.id
    }
}

fn repacking(publisher: &Publisher, act: impl FnOnce(&Repacker<'_>)) {
    let (keys, now) = (publisher.keys(), publisher.world.run().clock.now());
    act(&Repacker { disk: &publisher.disk, keys: &keys, random: &publisher.world.random, now });
}

fn signer(publisher: &Publisher) -> SignKey {
    KeyDir::new(&publisher.keys(), publisher.id).load_writer(&|_| unreachable!()).unwrap().unwrap().signer()
}

fn root_key(publisher: &Publisher) -> SignKey {
    let file = publisher.dir.path().join("roots").join(publisher.id.to_string()).join("root.key");
    let text = std::fs::read_to_string(file).unwrap();
    let seed = text.lines().find_map(|line| line.strip_prefix("sign-seed ")).unwrap();
    let mut bytes = [0; 32];
    hex::decode_to_slice(seed, &mut bytes).unwrap();
    SignKey::from_seed(&Secret::from_bytes(bytes))
}

/// Signs a generation on top of the state that a publisher holds, whatever a writer who keeps no rules may say in it.
pub fn forge(publisher: &Publisher, change: impl FnOnce(&mut Manifest, &mut Head)) -> SignedHead {
    let store = publisher.open();
    let (old, top, disk) = (store.head(), &store.packs().top, publisher.disk.as_ref());
    let generation = Generation(old.head.generation.0 + 1);
    let mut manifest = Manifest {
        generation,
        base: Some(Base {
            depth: top.base.map_or(0, |base| base.depth) + 1,
            hash: old.head.manifest,
            len_bytes: old.head.manifest_len_bytes,
        }),
        removed: vec![],
        added: vec![],
        recipes: vec![],
        heads: vec![(old.head.generation, old.hash())],
        ..top.clone()
    };
    let mut next = Head { generation, previous: vec![old.hash()], ..old.head.clone() };
    change(&mut manifest, &mut next);
    let bytes = manifest.encode(store.id());
    next.manifest = ManifestHash(*blake3::hash(&bytes).as_bytes());
    next.manifest_len_bytes = bytes.len() as u64;
    pack::create_immutable(disk, &layout::manifest(&next.manifest), &bytes).unwrap();
    let signed = sign_head(&signer(publisher), next);
    head::swing(disk, &signed).unwrap();
    signed
}

pub fn sign_head(key: &SignKey, mut head: Head) -> SignedHead {
    head.writer = key.public();
    let signature = key.sign(Purpose::Head, &head.encode_body());
    SignedHead::new(head, signature)
}

pub fn sign_trust(keys: &[&SignKey], trust: Trust) -> SignedTrust {
    let body = trust.encode_body();
    SignedTrust::new(trust, keys.iter().map(|key| (key.public(), key.sign(Purpose::Trust, &body))).collect())
}

/// Everything that a push would have sent.
pub fn image(disk: &Arc<dyn Disk>) -> Image {
    let paths = env::files(disk.as_ref()).into_iter();
    let kept =
        paths.filter(|path| !path.as_str().starts_with("replica/") && !["lock", "readers"].contains(&path.as_str()));
    kept.map(|path| (path.to_string(), env::read(disk.as_ref(), &path))).collect()
}

pub fn materialize(root: &Path, image: &Image) {
    for (path, bytes) in image {
        let file = root.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }
}

/// The HEAD of an image.
pub fn head_of(image: &Image) -> SignedHead {
    SignedHead::decode(&image["HEAD"]).unwrap()
}

/// The paths of the files that one image has and another one lacks, by the beginning of their names.
pub fn new_files(image: &Image, before: &Image, prefix: &str) -> Vec<String> {
    let is_new = |path: &&String| path.starts_with(prefix) && before.get(*path) != image.get(*path);
    image.keys().filter(is_new).cloned().collect()
}

/// A server that does what a row tells it to.
pub struct Hostile {
    pub faults: Faults,
    pub server: Server,
    dir: TempDir,
}

impl Hostile {
    pub fn showing(image: &Image) -> Self {
        let dir = tempfile::tempdir().unwrap();
        materialize(dir.path(), image);
        let (root, faults) = (ServedDir::open_root(dir.path()).unwrap(), Faults::none());
        let options = ServeOptions { allow_upload: true, ..ServeOptions::default() };
        let server = Server::start(root, options, faults.clone(), Arc::new(SystemClock)).unwrap();
        Self { faults, server, dir }
    }

    /// Shows another state from now on.
    pub fn show(&self, image: &Image) {
        for entry in std::fs::read_dir(self.dir.path()).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() { std::fs::remove_dir_all(path).unwrap() } else { std::fs::remove_file(path).unwrap() }
        }
        materialize(self.dir.path(), image);
    }

    pub fn put(&self, path: &str, bytes: &[u8]) {
        materialize(self.dir.path(), &Image::from([(path.to_owned(), bytes.to_vec())]));
    }

    pub fn answer(&self, path: &str, answer: Answer) {
        self.faults.answer(&format!("/{path}"), &[answer]);
    }

    pub fn strike(&self, fault: Fault) {
        self.faults.add(fault, u32::MAX);
    }

    pub fn address(&self) -> String {
        format!("ftp://{}/", self.server.addr())
    }

    pub fn remote(&self) -> Arc<dyn Remote> {
        self.remote_with(FtpOptions::default())
    }

    /// The same for whoever waits for no more than a moment.
    pub fn impatient_remote(&self) -> Arc<dyn Remote> {
        let wait = Duration::from_millis(400);
        self.remote_with(FtpOptions { timeout: wait, rate_window: wait, ..FtpOptions::default() })
    }

    fn remote_with(&self, options: FtpOptions) -> Arc<dyn Remote> {
        let url = FtpUrl::parse(&self.address()).unwrap();
        Arc::new(FtpRemote::new(url, None, options, Arc::new(SystemClock)))
    }
}

/// One row as it is played: a server that shows the newest state, and a key that is one behind and came from there.
pub struct Scene {
    pub stage: &'static Stage,
    pub server: Hostile,
    pub key: Key,
    /// What the verb is given.
    pub remotes: Vec<Arc<dyn Remote>>,
    /// Servers besides the first.
    pub others: Vec<Hostile>,
    pub accept_older: bool,
    /// The fingerprint that a clone is given.
    pub fingerprint: String,
}

impl Scene {
    pub fn new() -> Self {
        let stage = Stage::get();
        let server = Hostile::showing(&stage.next);
        let key = Key::empty(78);
        copy_dir(&stage.key.path(), &key.path());
        let (address, state) = (server.remote().address(), stage.key.cache().join(stage.id().to_string()));
        let text = std::fs::read_to_string(state.join("state.json")).unwrap();
        let served_at = FtpUrl::parse(&stage.served_at).unwrap().to_string();
        assert!(text.contains(&served_at), "{text}");
        let cache = key.cache().join(stage.id().to_string());
        std::fs::create_dir_all(&cache).unwrap();
        std::fs::write(cache.join("state.json"), text.replace(&served_at, &address)).unwrap();
        chunkstore::store::replica::write_remote(key.disk.as_ref(), &address).unwrap();
        let state = HostState::load(Some(&key.cache()), stage.id());
        let (remotes, fingerprint) = (vec![server.remote()], stage.fingerprint.clone());
        Self { stage, server, key: Key { state, ..key }, remotes, others: vec![], accept_older: false, fingerprint }
    }

    /// Has a new, empty key on a machine that an address showed a state of the store.
    pub fn new_key_where_was_seen(&mut self, address: &str, head: &SignedHead) {
        self.key = Key::empty(79);
        let mut state = HostState::load(Some(&self.key.cache()), head.head.store);
        state.saw(address, head);
        state.save().unwrap();
    }

    /// Adds another server, and hands it to the verb.
    pub fn add(&mut self, image: &Image) -> &Hostile {
        let server = Hostile::showing(image);
        self.remotes.push(server.remote());
        self.others.push(server);
        &self.others[self.others.len() - 1]
    }

    /// Waits no longer than a moment for the server.
    pub fn be_impatient(&mut self) {
        self.remotes = vec![self.server.impatient_remote()];
    }

    /// A file on the key, behind the program's back.
    pub fn plant(&self, path: &str, bytes: &[u8]) {
        materialize(&self.key.path(), &Image::from([(path.to_owned(), bytes.to_vec())]));
    }

    pub fn uproot(&self, path: &str) {
        std::fs::remove_file(self.key.path().join(path)).unwrap();
    }

    /// Makes the key's store a publisher's that has purged something and pushed that; returns its HEAD.
    pub fn purge_and_push(&self) -> SignedHead {
        let publisher = self.stage.publisher_at(&self.stage.next);
        let (store, key) = (publisher.open(), self.stage.stolen().writer);
        let writer = KeyDir::new(&publisher.keys(), publisher.id).load_writer(&|_| unreachable!()).unwrap().unwrap();
        let (keys, _) = store.unlock_writer(&writer.identities()).unwrap();
        let order = Order { generation: Generation(store.head().head.generation.0 + 1), ..Order::default() };
        let files = order.write(publisher.disk.as_ref(), publisher.id, &keys, &key).unwrap();
        let head = forge(&publisher, |manifest, _| {
            manifest.files.extend(files);
            manifest.files.sort_unstable_by_key(|file| (file.kind, file.hash));
        });
        let purged = image(&publisher.disk);
        self.server.show(&purged);
        purged.iter().for_each(|(path, bytes)| self.plant(path, bytes));
        self.uproot("replica/remote");
        head
    }

    /// The set of packs and files that the newest state leads to.
    pub fn newest(&self) -> Newest {
        let dir = tempfile::tempdir().unwrap();
        materialize(dir.path(), &self.stage.next);
        let store = Store::open(Arc::new(OsDisk::open(dir.path()).unwrap())).unwrap();
        Newest { _dir: dir, store }
    }

    /// Has the clock of the key's host say something else.
    pub fn set_clock(&mut self, now: Timestamp) {
        self.key.world.clock = FixedClock::new(now);
    }

    /// The time that passes for the key and its host.
    pub fn wait_days(&self, days: u64) {
        self.key.world.clock.advance(Duration::from_secs(days * 24 * 3600));
    }
}

/// The newest state, opened.
pub struct Newest {
    _dir: TempDir,
    pub store: Store,
}

impl Newest {
    pub fn manifest(&self) -> String {
        layout::manifest(&self.store.head().head.manifest).to_string()
    }

    pub fn base_manifest(&self) -> String {
        layout::manifest(&self.store.packs().chain[1].0).to_string()
    }

    pub fn key_list(&self) -> String {
        layout::key_list(&self.store.packs().top.key_lists[0].shards[0].0).to_string()
    }

    pub fn key_file(&self) -> String {
        layout::key_file(self.store.head().head.epoch, KeyTag([0xFE, 0, 0, 1])).to_string()
    }

    pub fn carried_file(&self) -> String {
        layout::carried_file(&self.store.packs().top.files[0].hash).to_string()
    }

    pub fn recipe(&self) -> String {
        layout::recipe(&self.store.packs().recipes[0].recipe).to_string()
    }

    /// A pack that is fetched as a whole.
    pub fn pack(&self) -> String {
        let packs = self.store.packs().packs();
        layout::pack(&packs[packs.len() - 1].hash).to_string()
    }
}
