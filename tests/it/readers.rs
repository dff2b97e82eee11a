//! Readers come and go: U21, D24, D25, and what each of them can open.

use std::sync::Arc;

use chunkstore::base::Epoch;
use chunkstore::crypto::wrap::{Identity, Recipient};
use chunkstore::disk::sim::Profile;
use chunkstore::disk::{Disk, SimDisk};
use chunkstore::error::{ErrorKind, Result};
use chunkstore::format::head::Group;
use chunkstore::format::keylist::{KeyRole, KeyTag};
use chunkstore::format::roster::Holder;
use chunkstore::ops::clone::{CloneRequest, clone_store};
use chunkstore::ops::host_state::HostState;
use chunkstore::ops::list::cat;
use chunkstore::ops::open::{Reading, Spot};
use chunkstore::ops::push::{PushRequest, push};
use chunkstore::ops::readers::{self, Handed, add, revoke, rotate};
use chunkstore::ops::rekey::NewHolder;
use chunkstore::ops::sync::{SyncRequest, Synced, sync};
use chunkstore::remote::Remote;
use chunkstore::remote::mem::MemRemote;
use chunkstore::store::{Store, layout};

use super::purge::{Image, Secrets};
use super::scene::Scene;

/// A person with an identity of their own.
struct Person {
    name: String,
    identity: Identity,
    tag: KeyTag,
}

fn reader(name: &str, recipient: Recipient) -> NewHolder {
    NewHolder { role: KeyRole::Reader, recipient, identity: vec![], name: name.to_owned(), note: String::new() }
}

fn add_people(scene: &Scene, names: &[String]) -> Vec<Person> {
    let identities: Vec<_> = names.iter().map(|_| Identity::generate()).collect();
    let readers = names.iter().zip(&identities).map(|(name, identity)| reader(name, identity.recipient())).collect();
    let added = add(&scene.shared_disk(), &scene.writer(), readers, None, scene.run()).unwrap().holders;
    let people = names.iter().zip(identities).zip(added);
    people.map(|((name, identity), holder)| Person { name: name.clone(), identity, tag: holder.tag }).collect()
}

fn named(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn run_revoke(scene: &Scene, who: &[&str]) -> Result<Handed> {
    revoke(&scene.shared_disk(), &scene.writer(), &named(who), None, scene.run())
}

fn read(scene: &Scene, disk: &SimDisk, identity: &Identity, spot: &str) -> Result<Vec<u8>> {
    let reading = Reading::open(Arc::new(disk.clone()), std::slice::from_ref(identity), scene.run())?;
    let mut bytes = Vec::new();
    cat(&reading, &Spot::parse(spot.as_bytes()).unwrap(), &mut |piece| {
        bytes.extend_from_slice(piece);
        Ok(())
    })?;
    Ok(bytes)
}

fn push_to(scene: &Scene, remote: &Arc<dyn Remote>) {
    let mut state = HostState::load(None, scene.store);
    push(&scene.shared_disk(), remote, &PushRequest::default(), &mut state, scene.run()).unwrap();
}

fn clone_for(scene: &Scene, remote: &Arc<dyn Remote>, tag: KeyTag) -> SimDisk {
    let key = SimDisk::new(Profile::Fat32);
    let disk: Arc<dyn Disk> = Arc::new(key.clone());
    let request = CloneRequest {
        group: Group::all(),
        trust: Some(scene.fingerprint.clone()),
        confirm: &|_| Ok(true),
        reader: Some(tag),
        accept_older: false,
    };
    clone_store(remote, &disk, &request, None, scene.run()).unwrap();
    key
}

fn sync_key(scene: &Scene, key: &SimDisk, remote: &Arc<dyn Remote>) -> Synced {
    let disk: Arc<dyn Disk> = Arc::new(key.clone());
    let mut state = HostState::load(None, scene.store);
    sync(&disk, std::slice::from_ref(remote), SyncRequest::default(), &mut state, scene.run()).unwrap()
}

#[test]
fn whoever_is_added_reads_and_whoever_is_not_does_not() {
    let scene = Scene::new();
    scene.write("a", b"first");
    scene.commit("one").unwrap();
    let stranger = Identity::generate();
    assert_eq!(read(&scene, &scene.disk, &stranger, "/a").unwrap_err().kind(), ErrorKind::NoIdentity);
    let people = add_people(&scene, &named(&["ada", "grace"]));
    for person in &people {
        assert_eq!(read(&scene, &scene.disk, &person.identity, "/a").unwrap(), b"first", "{}", person.name);
    }
    assert_eq!(read(&scene, &scene.disk, &scene.readers()[0], "/a").unwrap(), b"first");
    assert_eq!(read(&scene, &scene.disk, &stranger, "/a").unwrap_err().kind(), ErrorKind::NoIdentity);
    let listed = readers::list(&scene.shared_disk(), &scene.writer(), KeyRole::Reader).unwrap();
    let names: Vec<&str> = listed.iter().map(|holder| holder.name.as_str()).collect();
    assert_eq!(names, ["ada", "grace", "publisher"]);
    assert!(listed.iter().all(|holder| holder.since == Epoch(1) && holder.until.is_none()));
}

/// U21, D25: new snapshots are closed to the one, old ones are not, the others notice nothing, and no pack is made again.
#[test]
fn whoever_is_revoked_reads_nothing_that_is_written_after() {
    let scene = Scene::new();
    scene.write("a", b"first");
    scene.commit("one").unwrap();
    let people = add_people(&scene, &named(&["ada", "grace", "alan"]));
    let (_, remote) = remote();
    push_to(&scene, &remote);
    let keys: Vec<SimDisk> = people.iter().map(|person| clone_for(&scene, &remote, person.tag)).collect();
    let before = Store::open(scene.shared_disk()).unwrap().packs().packs().to_vec();
    let image = keys[1].snapshot();

    let done = run_revoke(&scene, &["grace"]).unwrap();
    assert_eq!((done.epoch, done.readers, done.holders[0].tag), (Epoch(2), 3, people[1].tag));
    assert_eq!(Store::open(scene.shared_disk()).unwrap().packs().packs(), before, "no pack was made");
    scene.write("a", b"second");
    scene.commit("two").unwrap();
    push_to(&scene, &remote);
    for (person, key) in people.iter().zip(&keys) {
        sync_key(&scene, key, &remote);
        let (new, old) = (read(&scene, key, &person.identity, "/a"), read(&scene, key, &person.identity, "HEAD~1:/a"));
        if person.name == "grace" {
            assert_eq!(new.unwrap_err().kind(), ErrorKind::NoIdentity);
            assert_eq!(read(&scene, &image, &person.identity, "/a").unwrap(), b"first", "what it had, it has");
        } else {
            assert_eq!((new.unwrap(), old.unwrap()), (b"second".to_vec(), b"first".to_vec()), "{}", person.name);
        }
    }
    assert_eq!(read(&scene, &scene.disk, &scene.readers()[0], "/a").unwrap(), b"second");
}

/// The secrets that the revoked one held open nothing that is sealed after: not the sealed part, no index, no object.
#[test]
fn the_secrets_of_an_older_epoch_open_no_newer_pack() {
    let scene = Scene::new();
    scene.write("a", b"first");
    scene.commit("one").unwrap();
    let old = Store::open(scene.shared_disk()).unwrap().unlock(&scene.readers()).unwrap();
    let packs_before = Store::open(scene.shared_disk()).unwrap().packs().packs().to_vec();
    let secrets = Secrets::of_readers(&scene);
    rotate(&scene.shared_disk(), &scene.writer(), None, scene.run()).unwrap();
    scene.write("b", b"what only the next epoch opens");
    scene.commit("two").unwrap();
    // Whatever number it has: no secret of before, and nothing that the format derives from one, opens what is new.
    let image = Image::of(&scene);
    let is_new = |plain: &Vec<u8>| plain.windows(22).any(|part| part == b"what only the next epo");
    assert!(image.opened(&Secrets::of_readers(&scene)).values().any(is_new), "the attack works with today's secrets");
    let opened = image.opened(&secrets);
    assert!(!opened.is_empty() && !opened.values().any(is_new));
    let store = Store::open(scene.shared_disk()).unwrap();
    assert!(old.keys.root_key(store.head().head.epoch).is_none());
    let mut opened = 0;
    for pack in store.packs().packs() {
        let read =
            chunkstore::store::pack::read_index(&scene.disk, scene.store, pack, &|epoch| old.keys.index_key(epoch));
        assert_eq!(read.is_ok(), packs_before.contains(pack), "{read:?}");
        opened += u32::from(read.is_ok());
    }
    assert!(opened > 0);
}

#[test]
fn revoked_and_added_again_reads_all() {
    let scene = Scene::new();
    scene.write("a", b"first");
    scene.commit("one").unwrap();
    let ada = add_people(&scene, &named(&["ada"])).remove(0);
    run_revoke(&scene, &["ada"]).unwrap();
    let readers = vec![reader("ada", ada.identity.recipient())];
    let back = add(&scene.shared_disk(), &scene.writer(), readers, None, scene.run()).unwrap();
    assert_ne!(back.holders[0].tag, ada.tag, "a tag is never given again");
    assert_eq!(read(&scene, &scene.disk, &ada.identity, "/a").unwrap(), b"first");
    let all = readers::list(&scene.shared_disk(), &scene.writer(), KeyRole::Reader).unwrap();
    let epochs = |holder: &Holder| (holder.since, holder.until);
    let of_ada: Vec<_> = all.iter().filter(|holder| holder.name == "ada").map(epochs).collect();
    assert!(of_ada.contains(&(Epoch(1), Some(Epoch(2)))) && of_ada.contains(&(Epoch(2), None)), "{of_ada:?}");
}

#[test]
fn many_epochs_are_all_readable() {
    let scene = Scene::new();
    for number in 0..6u8 {
        scene.write("a", &[number; 100]);
        scene.commit("next").unwrap();
        rotate(&scene.shared_disk(), &scene.writer(), None, scene.run()).unwrap();
    }
    for back in 0..6u8 {
        let bytes = read(&scene, &scene.disk, &scene.readers()[0], &format!("HEAD~{back}:/a")).unwrap();
        assert_eq!(bytes, [5 - back; 100]);
    }
    let store = Store::open(scene.shared_disk()).unwrap();
    assert_eq!(store.packs().top.key_lists.len(), 1, "the newest epoch's alone");
}

#[test]
fn names_and_recipients_are_taken_once() {
    let scene = Scene::new();
    let ada = add_people(&scene, &named(&["ada"])).remove(0);
    let generation = Store::open(scene.shared_disk()).unwrap().head().head.generation;
    let tries = [
        (reader("ada", Identity::generate().recipient()), ErrorKind::Other),
        (reader("another", ada.identity.recipient()), ErrorKind::Other),
        (reader("", Identity::generate().recipient()), ErrorKind::Usage),
        (reader("bell\u{7}", Identity::generate().recipient()), ErrorKind::Usage),
        (reader(&"n".repeat(129), Identity::generate().recipient()), ErrorKind::Usage),
    ];
    for (wanted, kind) in tries {
        let name = wanted.name.clone();
        let failed = add(&scene.shared_disk(), &scene.writer(), vec![wanted], None, scene.run());
        assert_eq!(failed.unwrap_err().kind(), kind, "{name:?}");
    }
    assert_eq!(run_revoke(&scene, &["nobody"]).unwrap_err().kind(), ErrorKind::Other);
    let now = Store::open(scene.shared_disk()).unwrap().head().head.generation;
    assert_eq!(now, generation, "what fails makes no generation");
    run_revoke(&scene, &[&ada.tag.to_string()]).unwrap();
    let again = run_revoke(&scene, &[ada.identity.recipient().as_str()]);
    assert_eq!(again.unwrap_err().kind(), ErrorKind::Other, "who went is not there any more");
}

/// D24: each of 400 readers is one small file, and a key fetches its own alone, with the list and the roster.
#[test]
fn four_hundred_readers_cost_a_key_one_file_each_epoch() {
    let scene = Scene::new();
    scene.write("a", b"first");
    scene.commit("one").unwrap();
    let names: Vec<String> = (0..400).map(|number| format!("reader {number}")).collect();
    let people = add_people(&scene, &names);
    let (_, remote) = remote();
    push_to(&scene, &remote);
    let key = clone_for(&scene, &remote, people[137].tag);
    assert_eq!(key_files(&key), [layout::key_file(Epoch(1), people[137].tag).to_string()]);

    run_revoke(&scene, &["reader 7"]).unwrap();
    push_to(&scene, &remote);
    let synced = sync_key(&scene, &key, &remote);
    assert!(synced.fetched_bytes <= 128 << 10, "{synced:?}");
    assert_eq!(synced.packs_fetched, 0);
    assert!(key_files(&key).contains(&layout::key_file(Epoch(2), people[137].tag).to_string()));
    assert_eq!(key_files(&key).len(), 2, "the old one waits for gc");
    assert_eq!(read(&scene, &key, &people[137].identity, "/a").unwrap(), b"first");
}

fn key_files(key: &SimDisk) -> Vec<String> {
    key.paths().into_iter().filter(|path| path.starts_with("keys/")).collect()
}

fn remote() -> (MemRemote, Arc<dyn Remote>) {
    let remote = MemRemote::new();
    (remote.clone(), Arc::new(remote))
}

/// Names, notes and recipients stand in no file of the store in clear.
#[test]
fn nobody_on_the_roster_is_named_in_clear() {
    let scene = Scene::new();
    let identity = Identity::generate();
    let holder =
        NewHolder { note: "the blue key of the harbour".into(), ..reader("Ada Lovelace", identity.recipient()) };
    add(&scene.shared_disk(), &scene.writer(), vec![holder], None, scene.run()).unwrap();
    for path in scene.disk.paths() {
        let Some(bytes) = scene.disk.content(&path) else { continue };
        for secret in ["Ada Lovelace", "blue key", identity.recipient().as_str()] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret} in {path}");
        }
    }
}
