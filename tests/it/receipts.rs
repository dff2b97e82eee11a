//! Receipts of keys: given after a run, sealed to the writers, and in nobody's way.

use std::sync::Arc;

use chunkstore::base::Generation;
use chunkstore::base::limits::RECEIPT_MAX_BYTES;
use chunkstore::crypto::wrap::Identity;
use chunkstore::disk::read_all;
use chunkstore::error::{Error, ErrorKind};
use chunkstore::format::receipt::Receipt;
use chunkstore::ops::gc::{GcRequest, gc};
use chunkstore::ops::local_keys::KeyDir;
use chunkstore::ops::receipt::{RunEnd, send};
use chunkstore::ops::replica_id::renew;
use chunkstore::ops::verify::{VerifyRequest, verify};
use chunkstore::remote::mem::{Fault, MemRemote, Rule};
use chunkstore::store::{StoreError, layout, receipt, replica};

use super::env::{Key, NOW, Publisher, arc, kind};

fn writer(publisher: &Publisher) -> Vec<Identity> {
    let keys = KeyDir::new(&publisher.keys(), publisher.id);
    keys.load_writer(&|_| unreachable!()).unwrap().unwrap().identities()
}

fn sealed(key: &Key, remote: &MemRemote) -> Vec<u8> {
    let id = replica::read_id(key.disk.as_ref()).unwrap().unwrap();
    remote.file(&layout::receipt(id)).expect("a receipt")
}

fn opened(publisher: &Publisher, key: &Key, remote: &MemRemote) -> Receipt {
    receipt::open(&sealed(key, remote), &writer(publisher)).unwrap()
}

/// The length of what follows age's header, which has a stanza of random length.
fn payload_len(sealed: &[u8]) -> usize {
    let end = sealed.windows(5).position(|window| window == b"\n--- ").unwrap() + 5;
    sealed[end..].iter().position(|byte| *byte == b'\n').map(|at| sealed.len() - end - at - 1).unwrap()
}

fn give(key: &Key, remote: &MemRemote, end: RunEnd) -> Result<(), Error> {
    send(&key.disk, &[arc(remote)], None, end, key.world.run())
}

#[test]
fn a_receipt_says_how_a_run_ended_and_the_writer_alone_reads_it() {
    let publisher = Publisher::new(1);
    publisher.commit(&[1000]);
    let remote = publisher.remote();
    let mut key = Key::of(&publisher, &remote);
    give(&key, &remote, RunEnd::of_clone(false)).unwrap();
    let first = opened(&publisher, &key, &remote);
    let store = key.open();
    assert_eq!((first.store, first.generation, first.head), (store.id(), Generation(2), store.head().hash()));
    assert_eq!(Some(first.replica), replica::read_id(key.disk.as_ref()).unwrap());
    assert_eq!((first.time, first.reached, &*first.outcome, first.problems), (NOW, Some(NOW), "done", 0));
    assert_eq!((first.tag, first.purge), (None, Generation(0)));
    assert!(first.free_bytes.is_some() && first.program.starts_with("chunkstore "));
    let one_length = payload_len(&sealed(&key, &remote));
    // A nonce and a tag.
    assert_eq!(one_length as u64, RECEIPT_MAX_BYTES + 32);
    let stranger = receipt::open(&sealed(&key, &remote), &[Identity::generate()]);
    assert!(matches!(stranger, Err(StoreError::NoIdentity)), "{stranger:?}");
    // U4: the key that signs was written once, and a run that changes nothing writes nothing.
    let before = key.snapshot();
    let synced = key.sync(&remote);
    give(&key, &remote, RunEnd::of_sync(&synced).unwrap()).unwrap();
    assert_eq!(key.snapshot(), before);
    let second = opened(&publisher, &key, &remote);
    assert_eq!((second.outcome.as_str(), second.reached, second.key), ("nothing-new", None, first.key));
    assert_eq!(payload_len(&sealed(&key, &remote)), one_length);
    publisher.commit(&[1000]);
    publisher.plant(&remote);
    let synced = key.sync(&remote);
    assert_eq!(synced.as_ref().unwrap().source, Some(arc(&remote).address()));
    give(&key, &remote, RunEnd::of_sync(&synced).unwrap()).unwrap();
    let third = opened(&publisher, &key, &remote);
    assert_eq!((third.outcome.as_str(), third.reached, third.generation), ("done", Some(NOW), Generation(3)));
    assert_eq!(payload_len(&sealed(&key, &remote)), one_length);
    let files = remote.paths().into_iter().filter(|path| path.as_str().starts_with("receipts/"));
    assert_eq!(files.count(), 1);
}

#[test]
fn every_writer_opens_a_receipt_and_a_changed_one_opens_for_nobody() {
    let publisher = Publisher::new(1);
    let remote = publisher.remote();
    let key = Key::of(&publisher, &remote);
    let signing = receipt::draw_key(key.disk.as_ref(), &key.world.random).unwrap();
    give(&key, &remote, RunEnd::of_clone(false)).unwrap();
    let said = opened(&publisher, &key, &remote);
    assert_eq!(said.key, signing.public());
    let mut trust = key.open().trust().newest().trust.clone();
    let other = Identity::generate();
    let mut second = trust.writers[0].clone();
    second.recipient = other.recipient().as_str().to_owned();
    trust.writers.push(second);
    let bytes = receipt::seal(said.clone(), &signing, &trust).unwrap();
    for identities in [writer(&publisher), vec![other]] {
        assert_eq!(receipt::open(&bytes, &identities).unwrap(), said);
    }
    for at in [0, bytes.len() / 2, bytes.len() - 1] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(receipt::open(&changed, &writer(&publisher)).is_err(), "{at}");
    }
    // Signed by another key than the one that it names.
    let forger = receipt::draw_key(Key::empty(5).disk.as_ref(), &Key::empty(6).world.random).unwrap();
    let forged = receipt::seal(said.clone(), &forger, &trust).unwrap();
    assert!(matches!(receipt::open(&forged, &writer(&publisher)), Err(StoreError::NotTrusted(_))));
    trust.writers.clear();
    assert!(receipt::seal(said, &signing, &trust).is_err());
}

#[test]
fn a_run_that_failed_says_why_unless_no_server_was_reached() {
    let of = |kind| RunEnd::of_sync(&Err(Error::new(kind, "x"))).map(|end| (end.outcome, end.brought, end.problems));
    assert_eq!(of(ErrorKind::NoSpace), Some(("full", false, 1)));
    assert_eq!(of(ErrorKind::Corrupt), Some(("damaged", false, 1)));
    assert_eq!(of(ErrorKind::NotTrusted), Some(("not-trusted", false, 1)));
    assert_eq!(of(ErrorKind::Other), Some(("failed", false, 1)));
    // Whoever stopped a run waits for its end.
    for none in [
        ErrorKind::Interrupted,
        ErrorKind::Remote,
        ErrorKind::Locked,
        ErrorKind::Gone,
        ErrorKind::NoStore,
        ErrorKind::Usage,
    ] {
        assert_eq!(of(none), None);
    }
    assert_eq!(RunEnd::of_clone(true).outcome, "stale");
}

#[test]
fn a_server_that_takes_no_receipt_is_told_of_and_the_next_one_is_asked() {
    let publisher = Publisher::new(1);
    let (closed, open) = (publisher.remote(), publisher.remote());
    let key = Key::of(&publisher, &closed);
    let id = replica::read_id(key.disk.as_ref()).unwrap().unwrap();
    closed.script(Rule::always(Fault::RefuseRename).at(&layout::receipt(id)));
    let before = key.open().head().hash();
    assert_eq!(kind(give(&key, &closed, RunEnd::of_clone(false))), ErrorKind::Remote);
    send(&key.disk, &[arc(&closed), arc(&open)], None, RunEnd::of_clone(false), key.world.run()).unwrap();
    assert!(open.file(&layout::receipt(id)).is_some() && closed.file(&layout::receipt(id)).is_none());
    assert_eq!(key.open().head().hash(), before);
    assert_eq!(kind(send(&key.disk, &[], None, RunEnd::of_clone(false), key.world.run())), ErrorKind::Usage);
}

#[test]
fn a_new_replica_id_has_a_new_key_and_a_torn_one_is_drawn_again() {
    let publisher = Publisher::new(1);
    let remote = publisher.remote();
    let key = Key::of(&publisher, &remote);
    give(&key, &remote, RunEnd::of_clone(false)).unwrap();
    let first = opened(&publisher, &key, &remote);
    renew(key.disk.as_ref(), key.world.run()).unwrap();
    give(&key, &remote, RunEnd::of_clone(false)).unwrap();
    let second = opened(&publisher, &key, &remote);
    assert!(first.replica != second.replica && first.key != second.key);
    key.disk.remove(&layout::receipt_key()).unwrap();
    key.disk.create_new(&layout::receipt_key()).unwrap().sync().unwrap();
    give(&key, &remote, RunEnd::of_clone(false)).unwrap();
    assert_ne!(opened(&publisher, &key, &remote).key, second.key);
}

#[test]
fn gc_verify_and_heal_leave_the_receipts_beside_a_store_alone() {
    let publisher = Publisher::new(1);
    publisher.commit(&[1000]);
    let remote = publisher.remote();
    let key = Key::of(&publisher, &remote);
    give(&key, &remote, RunEnd::of_clone(false)).unwrap();
    let path = layout::receipt(replica::read_id(key.disk.as_ref()).unwrap().unwrap());
    // As on a path, or in a server's folder: with a publisher's replica files, and without.
    for is_server in [false, true] {
        publisher.disk.create_dir(&path.parent()).unwrap();
        let mut file = publisher.disk.create_new(&path).unwrap();
        file.append(&sealed(&key, &remote)).unwrap();
        file.sync().unwrap();
        drop(file);
        if is_server {
            publisher.disk.remove(&layout::replica()).unwrap();
        }
        gc(&publisher.disk, &GcRequest::default(), publisher.world.run()).unwrap();
        for heal in [vec![], vec![arc(&remote)]] {
            let request = VerifyRequest { heal: &heal, ..VerifyRequest::default() };
            let report = verify(Arc::clone(&publisher.disk), &request, publisher.world.run()).unwrap();
            assert!(report.findings.is_empty(), "{:?}", report.findings);
        }
        let stands = read_all(publisher.disk.as_ref(), &path, 1 << 20).unwrap();
        assert_eq!(stands, Some(sealed(&key, &remote)), "server: {is_server}");
        publisher.disk.remove(&path).unwrap();
    }
}
