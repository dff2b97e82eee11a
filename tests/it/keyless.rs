//! Carrying a store takes no secret: `clone`, `sync`, `verify`, `heal`, `gc` and mirroring run on a machine where no key material
//! exists at all, and what such a machine can decrypt is nothing.
//!
//! The machine is a home, caches and a key folder of its own, all empty at first, and the real binary with an empty
//! environment. It reaches the publisher by FTP alone. Every byte that it holds afterwards, and every byte that the program said, is
//! searched for secrets, names, content, and ids and hashes of content. That carrying verbs never even open a key file, where there is one,
//! is watched with inotify.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chunkstore::base::clock::SystemClock;
use chunkstore::crypto::wrap::Identity;
use chunkstore::disk::OsDisk;
use chunkstore::disk::served::ServedDir;
use chunkstore::error::ErrorKind;
use chunkstore::format::Kind;
use chunkstore::ops::local_keys::KeyDir;
use chunkstore::serve::{Faults, ServeOptions, Server};
use chunkstore::store::{Store, StoreError};

use crate::cli::{Cli, Ran, ended, first_file};

const NAME: &str = "a-name-that-nobody-shall-see.txt";
const TEXT: &str = "a text that nobody shall read, long enough to be found";
const MESSAGE: &str = "a message for readers alone";

/// What must stand nowhere: a word for it, and its bytes.
type Marker = (String, Vec<u8>);

struct Scene {
    publisher: Cli,
    machine: Cli,
    server: Server,
    fingerprint: String,
    said: Vec<u8>,
}

impl Scene {
    fn new() -> Self {
        let publisher = Cli::new();
        publisher.write(&format!("files/{NAME}"), TEXT.as_bytes());
        publisher.write("files/sub/big.bin", &TEXT.repeat(5_000).into_bytes());
        publisher.ok(&["init", "pub", "--keys", "k", "--no-passphrase"]);
        commit(&publisher);
        publisher.ok(&["push", "./served", "--store", "pub", "--keys", "k"]);
        let status = publisher.ok(&["status", "--store", "pub", "--json"]).document();
        let fingerprint = status["fingerprint"].as_str().unwrap().to_owned();
        let dir = ServedDir::open_root(&publisher.path("served")).unwrap();
        let options = ServeOptions { allow_upload: true, ..ServeOptions::default() };
        let server = Server::start(dir, options, Faults::none(), Arc::new(SystemClock)).unwrap();
        let machine = Cli::new();
        for dir in ["home", "no-keys"] {
            std::fs::create_dir_all(machine.path(dir)).unwrap();
        }
        Self { publisher, machine, server, fingerprint, said: vec![] }
    }

    fn url(&self) -> String {
        format!("ftp://{}/", self.server.addr())
    }

    /// Runs a verb on the machine, and keeps what it said.
    fn run(&mut self, args: &[&str]) -> Ran {
        let mut command = self.machine.command(args);
        command.env("XDG_CONFIG_HOME", self.machine.path("home/config"));
        command.env("XDG_CACHE_HOME", self.machine.path("home/cache")).args(["--keys", "no-keys"]);
        let ran = ended(&mut command);
        self.said.extend(ran.stdout.as_bytes());
        self.said.extend(ran.stderr.as_bytes());
        ran
    }

    fn ok(&mut self, args: &[&str]) -> Ran {
        let ran = self.run(args);
        assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
        ran
    }

    /// Publishes another state.
    fn publish(&self, name: &str) {
        self.publisher.write(&format!("files/{name}-{NAME}"), format!("{TEXT} {name}").as_bytes());
        commit(&self.publisher);
        self.publisher.ok(&["push", "./served", "--store", "pub", "--keys", "k"]);
    }

    /// Everything that only holders of keys may know.
    fn markers(&self) -> Vec<Marker> {
        let store = Store::open(Arc::new(OsDisk::open(&self.publisher.path("pub")).unwrap())).unwrap();
        let writer = KeyDir::new(&self.publisher.path("k"), store.id());
        let writer = writer.load_writer(&|_| unreachable!()).unwrap().unwrap();
        let (keys, unlocked) = store.unlock_writer(std::slice::from_ref(&writer.identity)).unwrap();
        let mut markers: Vec<Marker> = vec![
            ("a name".to_owned(), NAME.into()),
            ("content".to_owned(), TEXT.into()),
            ("a message".to_owned(), MESSAGE.into()),
        ];
        for (name, plain) in [("a file", TEXT.as_bytes().to_vec()), ("a long file", TEXT.repeat(5_000).into_bytes())] {
            bytes_and_hex(&mut markers, &format!("the hash of {name}"), blake3::hash(&plain).as_bytes());
            bytes_and_hex(&mut markers, &format!("the id of {name}"), &keys.reader.object_id(Kind::Chunk, &plain).0);
        }
        for snapshot in &unlocked.sealed.snapshots {
            bytes_and_hex(&mut markers, "the id of a snapshot", &snapshot.id.0);
        }
        for line in keys.encode().lines() {
            let secret = line.rsplit(' ').next().unwrap_or_default();
            if let Ok(bytes) = hex::decode(secret)
                && bytes.len() == 32
            {
                bytes_and_hex(&mut markers, "a secret of the store", &bytes);
            }
        }
        for file in files(&self.publisher.path("k")) {
            let text = String::from_utf8(std::fs::read(&file).unwrap()).unwrap();
            let words = text.split_whitespace().filter(|word| word.starts_with("AGE-SECRET-KEY") || is_seed(word));
            for word in words {
                markers.push(("a secret key".to_owned(), word.into()));
                if let Ok(bytes) = hex::decode(word) {
                    markers.push(("the bytes of a secret key".to_owned(), bytes));
                }
            }
        }
        assert!(markers.len() > 15, "{markers:?}");
        assert!(markers.iter().any(|(name, _)| name == "a secret key"));
        markers
    }

    /// Searches all that the machine holds, and all that was said on it.
    fn assert_knows_nothing(&self) {
        let mut holds: Vec<(String, Vec<u8>)> = vec![("what was said".to_owned(), self.said.clone())];
        for file in files(&self.machine.path("")) {
            let name = file.strip_prefix(self.machine.path("")).unwrap().display().to_string();
            // A path may tell as much as its file.
            holds.push((format!("the path {name}"), name.clone().into_bytes()));
            holds.push((name, std::fs::read(&file).unwrap()));
        }
        for (what, marker) in self.markers() {
            for (place, bytes) in &holds {
                assert!(!contains(bytes, &marker), "{what} stands in {place}");
            }
        }
    }
}

fn is_seed(word: &str) -> bool {
    word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn bytes_and_hex(markers: &mut Vec<Marker>, what: &str, bytes: &[u8]) {
    markers.push((what.to_owned(), bytes.to_vec()));
    markers.push((format!("{what}, in hex"), hex::encode(bytes).into_bytes()));
    markers.push((format!("{what}, in hex digits of files"), hex::encode_upper(bytes).into_bytes()));
}

fn contains(bytes: &[u8], marker: &[u8]) -> bool {
    // The first byte rules out nearly all places.
    let Some((first, rest)) = marker.split_first() else { return false };
    let places = bytes.iter().enumerate().filter(|(_, byte)| *byte == first);
    places.map(|(at, _)| at + 1).any(|at| bytes[at..].starts_with(rest))
}

fn commit(publisher: &Cli) {
    publisher.ok(&["commit", "files", "--store", "pub", "--keys", "k", "-m", MESSAGE]);
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_marker_that_is_there_is_found() {
    assert!(contains(b"xxabcx", b"abc") && contains(b"abc", b"abc") && contains(b"ab abc", b"abc"));
    assert!(!contains(b"ab", b"abc") && !contains(b"", b"a") && !contains(b"abd", b"abc"));
    // On the publisher's machine there is plenty.
    let scene = Scene::new();
    let held = files(&scene.publisher.path("")).into_iter();
    let held: Vec<_> =
        held.flat_map(|file| [std::fs::read(&file).unwrap(), file.into_os_string().into_encoded_bytes()]).collect();
    let found = scene.markers().into_iter().filter(|(_, marker)| held.iter().any(|bytes| contains(bytes, marker)));
    let mut found: Vec<_> = found.map(|(what, _)| what).collect();
    found.sort_unstable();
    found.dedup();
    for what in ["a name", "content", "a secret key"] {
        assert!(found.iter().any(|found| found == what), "no {what} among {found:?}");
    }
}

// U1
#[test]
fn a_machine_without_a_key_carries_everything_and_knows_nothing() {
    let mut scene = Scene::new();
    scene.assert_knows_nothing();
    let (url, fingerprint) = (scene.url(), scene.fingerprint.clone());
    scene.ok(&["clone", &url, "key", "--trust", &fingerprint]);
    scene.publish("two");
    let synced = scene.ok(&["sync", "--store", "key", "--json"]).last();
    assert_eq!((&synced["changed"], &synced["generation"]), (&true.into(), &3.into()), "{synced}");
    // A whole check of what can be checked, which says what it did not check.
    let verified = scene.ok(&["verify", "--store", "key", "--json"]).document();
    assert_eq!((&verified["ok"], &verified["inner"]), (&true.into(), &false.into()), "{verified}");
    assert!(verified["inner_closed"].as_str().unwrap().contains("no identity"), "{verified}");
    let verified = scene.ok(&["verify", "--store", "key"]);
    assert!(verified.stderr.contains("only the outer layer was checked: there is no identity"), "{verified:?}");
    // Healing, of packs and of what the store opens by.
    flip(&first_file(&scene.machine.path("key/packs")));
    std::fs::remove_file(scene.machine.path("key/STORE")).unwrap();
    assert_eq!(scene.run(&["verify", "--store", "key"]).code, 13);
    scene.ok(&["verify", "--store", "key", "--heal", &url]);
    // A mirror of a key, kept up from that key, and a server's directory kept up from it.
    scene.ok(&["clone", "./key", "mirror", "--trust", &fingerprint]);
    scene.ok(&["push", "./second-server", "--store", "key"]);
    scene.publish("three");
    scene.ok(&["sync", "--store", "key"]);
    scene.ok(&["sync", "--store", "mirror", "--json"]);
    scene.ok(&["push", "./second-server", "--store", "mirror"]);
    flip(&first_file(&scene.machine.path("mirror/packs")));
    scene.ok(&["verify", "--store", "mirror", "--heal", "./key"]);
    scene.ok(&["clone", "./second-server", "third", "--trust", &fingerprint]);
    for store in ["key", "mirror", "third"] {
        scene.ok(&["gc", "--store", store, "--grace", "0s"]);
        let status = scene.ok(&["status", "--store", store, "--check", "--json"]).document();
        assert_eq!((&status["generation"], &status["snapshot"]), (&4.into(), &serde_json::Value::Null), "{status}");
        scene.ok(&["verify", "--store", store]);
        scene.ok(&["repair", "--store", store]);
    }
    scene.assert_knows_nothing();
}

#[test]
fn every_way_to_read_without_an_identity_ends_with_12_and_shows_nothing() {
    let mut scene = Scene::new();
    let (url, fingerprint) = (scene.url(), scene.fingerprint.clone());
    scene.ok(&["clone", &url, "key", "--trust", &fingerprint]);
    // Another store's keys on the machine open nothing either.
    scene.machine.ok(&["init", "own", "--keys", "own-keys", "--no-passphrase"]);
    let own_keys = files(&scene.machine.path("own-keys"));
    let own = own_keys.iter().find(|file| file.ends_with("reader.key")).unwrap().display().to_string();
    for verb in [
        &["log"][..],
        &["ls", "/"],
        &["cat", &format!("/{NAME}")],
        &["find", "*"],
        &["find", "*", "--all"],
        &["diff", "HEAD", "HEAD"],
        &["stats"],
        &["stats", "--by-path"],
        &["export", "/", "-o", "out.tar"],
        &["restore", "/", "out"],
        &["restore", "/", "out", "--dry-run"],
        &["verify", "--read-data"],
        &["commit", "own", "-m", "mine"],
        &["forget", "--keep-last", "1"],
    ] {
        for flags in [&["--store", "key"][..], &["--store", "key", "--identity", &own]] {
            let ran = scene.run(&[verb, flags].concat());
            assert_eq!(ran.code, 12, "{verb:?} {flags:?}: {ran:?}");
            let is_silent = ran.stdout.is_empty() || verb[0] == "verify";
            assert!(is_silent, "{verb:?} {flags:?}: {ran:?}");
        }
    }
    let key = || Store::open(Arc::new(OsDisk::open(&scene.machine.path("key")).unwrap())).unwrap();
    for identities in [vec![], vec![Identity::generate()], vec![Identity::generate(), Identity::generate()]] {
        let unlocked = key().unlock(&identities);
        assert!(matches!(unlocked, Err(StoreError::NoIdentity)));
        let as_writer = key().unlock_writer(&identities);
        assert_eq!(
            as_writer.err().map(|error| chunkstore::error::Error::from(error).kind()),
            Some(ErrorKind::NoIdentity)
        );
    }
    assert!(!scene.machine.path("out").exists() || files(&scene.machine.path("out")).is_empty());
    scene.assert_knows_nothing();
}

/// Keys lie on the machine, and carrying verbs leave them alone. `verify`, `status` and `gc` of a store that was not cloned, and
/// `push` of one whose expiry is half used, look whether there is a key at hand.
#[cfg(target_os = "linux")]
#[test]
fn carrying_opens_no_key_file_where_there_are_some() {
    use rustix::fs::inotify;
    let scene = Scene::new();
    let (machine, url) = (&scene.publisher, scene.url());
    machine.ok(&["clone", &url, "key", "--trust", &scene.fingerprint]);
    machine.ok(&["clone", "./key", "mirror", "--trust", &scene.fingerprint]);
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK).unwrap();
    let keys = files(&machine.path("k"));
    assert_eq!(keys.len(), 3, "{keys:?}");
    for key in &keys {
        inotify::add_watch(&watch, key, inotify::WatchFlags::OPEN | inotify::WatchFlags::ACCESS).unwrap();
    }
    let opened = || {
        let mut buffer = [0; 4096];
        rustix::io::read(&watch, &mut buffer).unwrap_or(0) > 0
    };
    // The watch sees what it is to see.
    machine.ok(&["ls", "/", "--store", "key", "--keys", "k"]);
    assert!(opened(), "a verb that reads opens the reader's key");
    while opened() {}
    scene.publish("two");
    while opened() {}
    for verb in [
        &["sync", "--store", "key"][..],
        &["sync", "./served", "--store", "mirror"],
        &["sync", "--store", "mirror"],
        &["gc", "--store", "key", "--grace", "0s"],
        &["push", "./second-server", "--store", "key"],
        &["clone", "./served", "third", "--trust", &scene.fingerprint],
        &["repair", "--new-replica", "--store", "third"],
    ] {
        machine.ok(&[verb, &["--keys", "k"]].concat());
        assert!(!opened(), "{verb:?} opened a key file");
    }
}
