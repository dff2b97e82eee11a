//! `clone`.

use std::sync::Arc;

use chunkstore::disk::{Disk, OsDisk};
use chunkstore::error::ErrorKind;
use chunkstore::ops::transfer::key_files::KeyLack;
use chunkstore::path_remote::PathRemote;
use chunkstore::remote::Remote;
use chunkstore::remote::mem::{Fault, Rule};
use chunkstore::store::{Store, layout, replica};

use super::env::{Key, MIB, Publisher, files, kind};

#[test]
fn a_clone_holds_what_the_remote_shows() {
    let publisher = Publisher::new(1);
    let head = publisher.commit(&[3 * MIB, 1000, MIB]);
    let remote = publisher.remote();
    let mut key = Key::empty(2);
    let cloned = key.clone_from_remote(&publisher, &remote).unwrap();
    assert_eq!((cloned.store, cloned.packs_fetched, cloned.generation.0), (publisher.id, 3, 2));
    assert_eq!(cloned.fingerprint, publisher.fingerprint);
    key.assert_holds(&head);
    assert_eq!(replica::read_remote(key.disk.as_ref()).unwrap().as_deref(), Some("mem:"));
    assert_eq!(key.open().replica().unwrap(), Some(cloned.replica));
    assert_ne!(publisher.open().replica().unwrap(), Some(cloned.replica));
}

#[test]
fn a_path_is_a_remote() {
    let publisher = Publisher::new(1);
    let head = publisher.commit(&[MIB, 2 * MIB]);
    let remote: Arc<dyn Remote> = Arc::new(PathRemote::new(Arc::clone(&publisher.disk), "/publisher".into()));
    let mut key = Key::empty(2);
    key.clone_with(&remote, Some(&publisher.fingerprint.to_uppercase()), None).unwrap();
    key.assert_holds(&head);
    let newer = publisher.commit(&[5 * MIB]);
    let synced = key.sync_all(&[remote]).unwrap();
    assert_eq!((synced.packs_fetched, synced.packs_reused, synced.changed), (1, 2, true));
    key.assert_holds(&newer);
}

#[test]
fn another_fingerprint_is_refused_before_any_write() {
    let publisher = Publisher::new(1);
    let remote = super::env::arc(&publisher.remote());
    let mut key = Key::empty(2);
    assert_eq!(kind(key.clone_with(&remote, Some(&"00".repeat(16)), None)), ErrorKind::NotTrusted);
    assert_eq!(kind(key.clone_with(&remote, None, None)), ErrorKind::NotTrusted, "nobody agreed");
    assert!(files(key.disk.as_ref()).is_empty());
}

#[test]
fn a_store_or_a_foreign_file_is_never_cloned_over() {
    let publisher = Publisher::new(1);
    let remote = publisher.remote();
    let mut key = Key::of(&publisher, &remote);
    assert_eq!(kind(key.clone_from_remote(&publisher, &remote)), ErrorKind::Other);
    let mut other = Key::empty(3);
    drop(other.disk.create_new(&chunkstore::base::StorePath::new("letter.txt").unwrap()).unwrap());
    assert_eq!(kind(other.clone_from_remote(&publisher, &remote)), ErrorKind::Other);
    // What was left of a clone of another store.
    let stranger = Publisher::new(4);
    let stranger_remote = stranger.remote();
    stranger.commit(&[MIB]);
    stranger.plant(&stranger_remote);
    let mut third = Key::of(&stranger, &stranger_remote);
    third.disk.remove(&layout::marker()).unwrap();
    assert_eq!(kind(third.clone_from_remote(&publisher, &remote)), ErrorKind::Other);
    third.clone_from_remote(&stranger, &stranger_remote).unwrap();
}

// U5
#[test]
fn a_clone_that_was_cut_off_goes_on() {
    let publisher = Publisher::new(1);
    let head = publisher.commit(&[4 * MIB; 4]);
    let remote = publisher.remote();
    let pack = layout::pack(&publisher.open().packs().packs()[2].hash);
    remote.script(Rule::always(Fault::Reset { after_bytes: 0 }).at(&pack));
    let mut key = Key::empty(2);
    assert_eq!(kind(key.clone_from_remote(&publisher, &remote)), ErrorKind::Remote);
    assert_eq!(Store::open(Arc::clone(&key.disk)).err().map(|e| e.to_string()), Some("there is no store here".into()));
    remote.heal();
    remote.reset_counts();
    let cloned = key.clone_from_remote(&publisher, &remote).unwrap();
    assert_eq!((cloned.packs_fetched, cloned.packs_reused), (1, 3));
    assert!(remote.counts().fetched_bytes < 5 * MIB as u64);
    key.assert_holds(&head);
}

#[test]
fn a_tag_brings_its_own_key_file_alone() {
    let publisher = Publisher::with_readers(1, 5);
    publisher.commit(&[1000]);
    let remote = publisher.remote();
    let mut key = Key::empty(2);
    key.clone_with(&super::env::arc(&remote), Some(&publisher.fingerprint), Some(publisher.tags[3])).unwrap();
    assert_eq!(key_files(&key), 1);
    assert!(key.disk.metadata(&layout::key_file(chunkstore::base::Epoch(1), publisher.tags[3])).unwrap().is_some());
    assert_eq!(replica::read_tag(key.disk.as_ref()).unwrap(), Some(publisher.tags[3]));
    // The next sync keeps to it.
    publisher.commit(&[1000]);
    publisher.plant(&remote);
    key.sync(&remote).unwrap();
    assert_eq!(key_files(&key), 1);
}

#[test]
fn up_to_64_key_files_come_along_and_beyond_that_none() {
    for (readers, carried) in [(62, 64), (63, 0)] {
        // The publisher's own reader and its writer have key files too.
        let publisher = Publisher::with_readers(1, readers);
        let (mut key, remote) = (Key::empty(2), super::env::arc(&publisher.remote()));
        let cloned = key.clone_with(&remote, Some(&publisher.fingerprint), None).unwrap();
        assert_eq!(key_files(&key), carried, "{readers} readers");
        assert_eq!(cloned.key_lack, (carried == 0).then_some(KeyLack::TooMany));
    }
}

fn key_files(key: &Key) -> usize {
    files(key.disk.as_ref()).iter().filter(|path| path.as_str().starts_with("keys/")).count()
}

#[test]
fn a_remote_without_a_store_says_so() {
    let publisher = Publisher::new(1);
    let mut key = Key::empty(2);
    let empty = chunkstore::remote::mem::MemRemote::new();
    assert_eq!(kind(key.clone_from_remote(&publisher, &empty)), ErrorKind::NoStore);
    assert!(files(key.disk.as_ref()).is_empty());
    let gone: Arc<dyn Disk> = Arc::new(OsDisk::create(&key.dir.path().join("x")).unwrap());
    drop(gone);
}
