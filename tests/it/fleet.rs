//! The fleet as receipts on a remote tell of it: every key that there is, copies, forgeries, and keys that went back.

use std::collections::BTreeMap;
use std::sync::Arc;

use chunkstore::base::limits::SEALED_RECEIPT_MAX_BYTES;
use chunkstore::base::random::{Random, SeededRandom, random_array};
use chunkstore::base::{Generation, ReplicaId, StoreId, StorePath};
use chunkstore::crypto::Secret;
use chunkstore::crypto::sign::SignKey;
use chunkstore::disk::{Disk, OsDisk};
use chunkstore::error::{ErrorKind, Result};
use chunkstore::format::head::Group;
use chunkstore::format::receipt::Receipt;
use chunkstore::ops::clone::CloneRequest;
use chunkstore::ops::fleet::judge::{Flag, Row, Standing};
use chunkstore::ops::fleet::memory::FleetMemory;
use chunkstore::ops::fleet::{Fleet, Summary, survey};
use chunkstore::ops::local_keys::{KeyDir, WriterKey};
use chunkstore::ops::purge::status::keys;
use chunkstore::ops::readers::revoke;
use chunkstore::ops::receipt::{RunEnd, send};
use chunkstore::path_remote::PathRemote;
use chunkstore::remote::mem::{Fault, MemRemote, Rule};
use chunkstore::remote::{Remote, RemoteErrorKind};
use chunkstore::store::{layout, receipt, replica};

use super::env::{Key, NOW, Publisher, arc, copy_dir, kind};

fn writer(publisher: &Publisher) -> WriterKey {
    KeyDir::new(&publisher.keys(), publisher.id).load_writer(&|_| unreachable!()).unwrap().unwrap()
}

fn give(key: &Key, remote: &Arc<dyn Remote>) {
    send(&key.disk, &[Arc::clone(remote)], None, RunEnd::of_clone(false), key.world.run()).unwrap();
}

fn look(publisher: &Publisher, remote: &Arc<dyn Remote>, memory: &mut FleetMemory) -> Result<Fleet> {
    survey(&publisher.disk, remote.as_ref(), &writer(publisher), memory, publisher.world.run())
}

fn id_of(key: &Key) -> ReplicaId {
    replica::read_id(key.disk.as_ref()).unwrap().unwrap()
}

fn row<'a>(fleet: &'a Fleet, key: &Key) -> &'a Row {
    fleet.rows.iter().find(|row| row.replica == id_of(key)).expect("a row")
}

fn flags(fleet: &Fleet, key: &Key) -> Vec<Flag> {
    row(fleet, key).flags.iter().copied().collect()
}

/// Says what a key's receipt would, with another word.
fn said(key: &Key) -> Receipt {
    let store = key.open();
    Receipt {
        store: store.id(),
        replica: id_of(key),
        generation: store.head().head.generation,
        head: store.head().hash(),
        reached: None,
        time: NOW,
        outcome: "done".into(),
        free_bytes: None,
        problems: 0,
        tag: None,
        program: "test".into(),
        purge: Generation(0),
        key: signing(1).public(),
    }
}

fn signing(seed: u8) -> SignKey {
    SignKey::from_seed(&Secret::from_bytes([seed; 32]))
}

/// Seals what a forger who has the trust file can.
fn forge(publisher: &Publisher, remote: &MemRemote, name: ReplicaId, receipt: Receipt, key: &SignKey) {
    let receipt = Receipt { key: key.public(), ..receipt };
    let sealed = receipt::seal(receipt, key, &publisher.open().trust().newest().trust).unwrap();
    remote.plant(&layout::receipt(name), &sealed);
}

/// A publisher at generation 2, its remote, and so many keys that gave a receipt.
fn scene(keys: u64) -> (Publisher, MemRemote, Vec<Key>) {
    let publisher = Publisher::with_readers(1, 2);
    publisher.commit(&[1000]);
    let remote = publisher.remote();
    let keys: Vec<Key> = (0..keys)
        .map(|seed| {
            let mut key = Key::empty(100 + seed);
            key.clone_from_remote(&publisher, &remote).unwrap();
            give(&key, &arc(&remote));
            key
        })
        .collect();
    (publisher, remote, keys)
}

#[test]
fn keys_are_as_far_as_they_say() {
    let (publisher, remote, mut keys) = scene(3);
    let remote_of = arc(&remote);
    let mut memory = FleetMemory::default();
    let fleet = look(&publisher, &remote_of, &mut memory).unwrap();
    assert_eq!((fleet.newest, fleet.store, fleet.rows.len()), (Generation(2), publisher.id, 3));
    assert!(fleet.rows.iter().all(|row| row.standing == Standing::Current && row.flags.is_empty()), "{:?}", fleet.rows);
    // What was committed and not pushed, no key can have.
    publisher.world.clock.advance(std::time::Duration::from_secs(3600));
    publisher.commit(&[1000]);
    let fleet = look(&publisher, &remote_of, &mut memory).unwrap();
    assert_eq!((fleet.newest, Summary::of(&fleet.rows).current), (Generation(2), 3));
    publisher.plant(&remote);
    keys[0].sync(&remote).unwrap();
    give(&keys[0], &remote_of);
    publisher.world.clock.advance(std::time::Duration::from_secs(7200));
    let fleet = look(&publisher, &remote_of, &mut memory).unwrap();
    let summary = Summary::of(&fleet.rows);
    assert_eq!((fleet.newest, summary.keys, summary.current, summary.behind), (Generation(3), 3, 1, 2));
    let late = row(&fleet, &keys[1]);
    assert_eq!((late.behind, late.behind_secs, late.is_behind_longer), (Some(1), Some(7200), false));
    let newest = fleet.spread.waves.last().unwrap();
    assert_eq!((newest.generation, newest.reached.last().unwrap().1, fleet.spread.keys), (Generation(3), 1, 3));
    assert_eq!(fleet.spread.waves[1].reached.last().unwrap().1, 3);
    // A remote that goes back makes nobody current.
    remote.plant(&layout::head(), publisher_record(&publisher, 2).as_slice());
    assert_eq!(look(&publisher, &remote_of, &mut memory).unwrap().newest, Generation(3));
    // Without a memory there is only what the remote shows.
    assert_eq!(look(&publisher, &remote_of, &mut FleetMemory::default()).unwrap().newest, Generation(2));
}

fn publisher_record(publisher: &Publisher, generation: u64) -> Vec<u8> {
    super::env::read(publisher.disk.as_ref(), &layout::head_record(Generation(generation)))
}

// Copies, forgeries, keys that went back, and keys that are gone.
#[test]
fn what_does_not_fit_is_told_of() {
    let (publisher, remote, mut keys) = scene(6);
    let remote_of = arc(&remote);
    let mut memory = FleetMemory::default();
    publisher.commit(&[1000]);
    publisher.plant(&remote);
    keys[1].sync(&remote).unwrap();
    give(&keys[1], &remote_of);
    look(&publisher, &remote_of, &mut memory).unwrap();
    // A copy that drew a key of its own signs with that.
    let copy = Key::empty(9);
    copy_dir(&keys[0].path(), &copy.path());
    copy.disk.remove(&layout::receipt_key()).unwrap();
    give(&copy, &remote_of);
    let back = Receipt { generation: Generation(2), time: NOW.plus_secs(60), ..said(&keys[1]) };
    let own = receipt::signing_key(keys[1].disk.as_ref()).unwrap().unwrap();
    forge(&publisher, &remote, id_of(&keys[1]), Receipt { head: history_head(&publisher, 2), ..back }, &own);
    // Somebody who found a receipt's place and has the trust file.
    forge(&publisher, &remote, id_of(&keys[2]), said(&keys[2]), &signing(9));
    let other_store = Receipt { store: StoreId([9; 16]), ..said(&keys[3]) };
    forge(&publisher, &remote, id_of(&keys[3]), other_store, &signing(9));
    remote.plant(&layout::receipt(id_of(&keys[4])), b"age-encryption.org/v1\nnot really");
    remote.uproot(&layout::receipt(id_of(&keys[5])));
    let strange = ReplicaId([7; 16]);
    forge(&publisher, &remote, strange, said(&keys[1]), &signing(9));
    let ahead = ReplicaId([8; 16]);
    let future =
        Receipt { replica: ahead, generation: Generation(u64::MAX), time: NOW.plus_secs(200_000), ..said(&keys[1]) };
    forge(&publisher, &remote, ahead, future, &signing(9));
    remote.plant(&StorePath::new("receipts/note").unwrap(), b"x");
    let fleet = look(&publisher, &remote_of, &mut memory).unwrap();
    assert_eq!(flags(&fleet, &copy), [Flag::AnotherKey]);
    assert_eq!((flags(&fleet, &keys[1]), flags(&fleet, &keys[2])), (vec![Flag::WentBack], vec![Flag::AnotherKey]));
    assert_eq!((flags(&fleet, &keys[3]), flags(&fleet, &keys[4])), (vec![Flag::ForeignStore], vec![Flag::Unreadable]));
    assert_eq!((flags(&fleet, &keys[5]), row(&fleet, &keys[5]).standing), (vec![Flag::NoReceipt], Standing::Unknown));
    let by_id: BTreeMap<ReplicaId, &Row> = fleet.rows.iter().map(|row| (row.replica, row)).collect();
    assert_eq!(by_id.len(), 8);
    assert!(by_id[&strange].has(Flag::Unreadable) && by_id[&strange].generation.is_none());
    assert!(by_id[&ahead].has(Flag::Ahead) && by_id[&ahead].has(Flag::FromTheFuture));
    assert!(fleet.is_partial());
    // A person takes the new key.
    memory.forget(id_of(&copy));
    assert_eq!(flags(&look(&publisher, &remote_of, &mut memory).unwrap(), &copy), []);
}

fn history_head(publisher: &Publisher, generation: u64) -> chunkstore::base::HeadHash {
    publisher.open().packs().heads[&Generation(generation)]
}

#[test]
fn names_and_revocations_come_from_the_roster() {
    let (publisher, remote, _) = scene(0);
    let mut key = Key::empty(50);
    let tag = publisher.tags[1];
    let trust = Some(publisher.fingerprint.clone());
    let request =
        CloneRequest { trust, confirm: &|_| Ok(false), reader: Some(tag), accept_older: false, group: Group::all() };
    key.clone_as(&arc(&remote), &request).unwrap();
    give(&key, &arc(&remote));
    let mut memory = FleetMemory::default();
    let fleet = look(&publisher, &arc(&remote), &mut memory).unwrap();
    assert_eq!(fleet.holder(row(&fleet, &key)).map(|holder| holder.tag), Some(tag));
    assert_eq!((flags(&fleet, &key), fleet.spread.keys), (vec![], 1));
    revoke(&publisher.disk, &writer(&publisher), &[tag.to_string()], None, publisher.world.run()).unwrap();
    let fleet = look(&publisher, &arc(&remote), &mut memory).unwrap();
    assert_eq!((flags(&fleet, &key), fleet.spread.keys), (vec![Flag::Revoked], 0));
}

#[test]
fn a_folder_is_read_as_a_server_is() {
    let (publisher, remote, mut keys) = scene(1);
    let mirror = publisher.dir.path().join("mirror");
    copy_dir(&publisher.dir.path().join("store"), &mirror);
    let disk: Arc<dyn Disk> = Arc::new(OsDisk::open(&mirror).unwrap());
    let folder: Arc<dyn Remote> = Arc::new(PathRemote::new(disk, mirror.to_string_lossy().into_owned()));
    keys[0].sync(&remote).unwrap();
    let none = look(&publisher, &folder, &mut FleetMemory::default()).unwrap();
    assert!(none.rows.is_empty() && !none.is_partial());
    give(&keys[0], &folder);
    let fleet = look(&publisher, &folder, &mut FleetMemory::default()).unwrap();
    assert_eq!((fleet.rows.len(), row(&fleet, &keys[0]).standing), (1, Standing::Current));
}

#[test]
fn what_does_not_answer_or_open_ends_a_look() {
    let (publisher, remote, keys) = scene(2);
    let mut memory = FleetMemory::default();
    let stranger = WriterKey::generate(&SeededRandom::new(8));
    let refused = survey(&publisher.disk, &remote, &stranger, &mut memory, publisher.world.run());
    assert_eq!(kind(refused.map(drop)), ErrorKind::NoIdentity);
    // A receipt that a server does not give costs itself, one that is gone since the list is none.
    remote.script(Rule::always(Fault::NotFound).at(&layout::receipt(id_of(&keys[0]))));
    let fleet = look(&publisher, &arc(&remote), &mut memory).unwrap();
    assert_eq!((fleet.rows.len(), fleet.is_partial()), (1, false));
    // A hiccup is waited out.
    remote.script(Rule::once(Fault::Reset { after_bytes: 9 }).at(&layout::receipt(id_of(&keys[1]))));
    assert_eq!(look(&publisher, &arc(&remote), &mut memory).unwrap().rows.len(), 1);
    remote.script(Rule::always(Fault::Endless).at(&layout::receipt(id_of(&keys[1]))));
    remote.reset_counts();
    let endless = look(&publisher, &arc(&remote), &mut memory).unwrap();
    assert_eq!(flags(&endless, &keys[1]), [Flag::Unreadable]);
    assert!(remote.counts().fetched_bytes < 2 * SEALED_RECEIPT_MAX_BYTES);
    remote.script(Rule::always(Fault::Connect(RemoteErrorKind::Unreachable)));
    assert_eq!(kind(look(&publisher, &arc(&remote), &mut memory).map(drop)), ErrorKind::Remote);
}

// S17
#[test]
fn a_purge_is_pending_where_no_receipt_of_the_key_tells_of_it() {
    let (publisher, remote, keys_of) = scene(2);
    let standing = |remotes: &[Arc<dyn Remote>]| {
        let run = publisher.world.run();
        keys(&publisher.disk, publisher.id, remotes, &writer(&publisher), None, run).unwrap()
    };
    let all = standing(&[arc(&remote)]).unwrap();
    assert_eq!((all.known, all.pending.len()), (2, 0));
    assert_eq!(standing(&[]), None);
    let foreign = Receipt { store: StoreId([9; 16]), ..said(&keys_of[0]) };
    forge(&publisher, &remote, id_of(&keys_of[0]), foreign, &signing(9));
    let doubtful = standing(&[arc(&remote)]).unwrap();
    assert_eq!((doubtful.known, doubtful.pending[0].replica), (2, id_of(&keys_of[0])));
    let down = MemRemote::new();
    down.script(Rule::always(Fault::Connect(RemoteErrorKind::Refused)));
    assert_eq!(standing(&[arc(&down)]), None);
}

// 100,000 keys are planned for: calls and sessions follow from their number, and nothing else.
#[test]
fn thousands_of_receipts_cost_a_call_each() {
    const KEYS: u64 = 3000;
    let (publisher, remote, keys) = scene(1);
    let random = SeededRandom::new(4);
    let trust = publisher.open().trust().newest().trust.clone();
    let said = said(&keys[0]);
    for _ in 1..KEYS {
        let replica = ReplicaId(random_array(&random as &dyn Random));
        let sealed = receipt::seal(Receipt { replica, ..said.clone() }, &signing(1), &trust).unwrap();
        remote.plant(&layout::receipt(replica), &sealed);
    }
    remote.reset_counts();
    let mut memory = FleetMemory::default();
    let fleet = look(&publisher, &arc(&remote), &mut memory).unwrap();
    let summary = Summary::of(&fleet.rows);
    assert_eq!((summary.keys, summary.current, fleet.left_out), (KEYS, KEYS, 0));
    let counts = remote.counts();
    // HEAD and the list, over one session each, and then the receipts.
    assert_eq!(counts.fetches, KEYS + 1);
    assert!(counts.connects <= 2 + remote.session_limit() as u64, "{counts:?}");
    assert_eq!((counts.sends, fleet.spread.keys), (0, KEYS));
}
