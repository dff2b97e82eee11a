//! Releases that are held to a group of keys first: who gets what, what the server can do about it, and how a stage ends.

use std::sync::Arc;
use std::time::Duration;

use chunkstore::base::Generation;
use chunkstore::error::{ErrorKind, Result};
use chunkstore::format::head::{Group, SignedHead};
use chunkstore::ops::clone::CloneRequest;
use chunkstore::ops::host_state::HostState;
use chunkstore::ops::local_keys::KeyDir;
use chunkstore::ops::push::{PushRequest, Pushed, RenewKeys, push};
use chunkstore::ops::sync::{SyncRequest, Synced, sync};
use chunkstore::remote::mem::MemRemote;
use chunkstore::store::{Store, grace, layout};

use super::env::{Key, Publisher, arc, damage, files, kind};

/// A publisher with a remote that it pushed generation 2 to, for all.
struct Stage {
    publisher: Publisher,
    remote: MemRemote,
    state: HostState,
}

impl Stage {
    fn new() -> Self {
        let publisher = Publisher::new(1);
        publisher.commit(&[1000, 2000]);
        let mut stage = Self { publisher, remote: MemRemote::new(), state: HostState::default() };
        stage.push(None).unwrap();
        stage
    }

    fn push(&mut self, to: Option<&str>) -> Result<Pushed> {
        let remote = self.remote.clone();
        self.push_to(&remote, to)
    }

    fn push_to(&mut self, remote: &MemRemote, to: Option<&str>) -> Result<Pushed> {
        let renew = |store: &Store| {
            let writer = KeyDir::new(&self.publisher.keys(), self.publisher.id).load_writer(&|_| unreachable!())?;
            let writer = writer.unwrap();
            let (keys, unlocked) = store.unlock_writer(&writer.identities())?;
            Ok(Some(RenewKeys { keys: keys.reader, sealed: unlocked.sealed, signer: writer.signer() }))
        };
        let request = PushRequest { renew: Some(&renew), group: to.map(group) };
        push(&self.publisher.disk, &arc(remote), &request, &mut self.state, self.publisher.world.run())
    }

    /// Commits, and pushes for a group.
    fn release(&mut self, to: &str) -> SignedHead {
        self.publisher.commit(&[3000]);
        self.push(Some(to)).unwrap();
        self.publisher.open().head().clone()
    }

    fn key(&self, of: &str) -> Result<Key> {
        let mut key = Key::empty(77);
        let trust = Some(self.publisher.fingerprint.clone());
        let request =
            CloneRequest { trust, confirm: &|_| Ok(false), reader: None, accept_older: false, group: group(of) };
        key.clone_as(&arc(&self.remote), &request)?;
        self.remote.reset_counts();
        Ok(key)
    }
}

fn group(name: &str) -> Group {
    name.parse().unwrap()
}

fn join(key: &mut Key, remote: &MemRemote, name: &str) -> Result<Synced> {
    let request = SyncRequest { group: Some(group(name)), ..SyncRequest::default() };
    sync(&key.disk, &[arc(remote)], request, &mut key.state, key.world.run())
}

fn held(generation: u64, name: &str) -> Option<(Generation, Group)> {
    Some((Generation(generation), group(name)))
}

// U4
#[test]
fn a_release_goes_to_its_group_and_others_stay_untouched_until_it_is_for_all() {
    let mut stage = Stage::new();
    let before = stage.publisher.open().head().clone();
    let (mut early, mut other) = (stage.key("early").unwrap(), stage.key("all").unwrap());
    let staged = stage.release("early");
    assert_eq!((staged.head.group.clone(), staged.head.floor), (group("early"), before.head.generation));
    let synced = early.sync(&stage.remote).unwrap();
    assert!(synced.changed && synced.held.is_none());
    early.assert_holds(&staged);

    let files = other.snapshot();
    stage.remote.reset_counts();
    let synced = other.sync(&stage.remote).unwrap();
    assert_eq!((synced.changed, synced.generation, synced.held.clone()), (false, Generation(2), held(4, "early")));
    assert_eq!(synced.remarks(), ["generation 4 is for the group early so far"]);
    assert_eq!((stage.remote.counts().connects, stage.remote.counts().fetches), (1, 1));
    assert_eq!(other.snapshot(), files);
    other.assert_holds(&before);

    let pushed = stage.push(Some("all")).unwrap();
    assert_eq!((pushed.changed, pushed.generation, pushed.packs_sent), (true, Generation(5), 0));
    let released = stage.publisher.open().head().clone();
    for key in [&mut early, &mut other] {
        assert!(key.sync(&stage.remote).unwrap().held.is_none());
        key.assert_holds(&released);
    }
}

#[test]
fn what_is_committed_and_pushed_meanwhile_is_for_the_same_group_and_the_floor_stays() {
    let mut stage = Stage::new();
    let mut other = stage.key("all").unwrap();
    stage.release("early");
    stage.publisher.commit(&[10]);
    stage.push(None).unwrap();
    let newest = stage.publisher.open().head().head.clone();
    assert_eq!((newest.generation.0, newest.group.clone(), newest.floor.0), (5, group("early"), 2));
    assert!(!other.sync(&stage.remote).unwrap().changed);
    // A second group joins in: whoever is in neither stays where he is.
    stage.push(Some("late")).unwrap();
    let newest = stage.publisher.open().head().head.clone();
    assert_eq!((newest.generation.0, newest.group.clone(), newest.floor.0), (6, group("late"), 2));
    assert_eq!(other.sync(&stage.remote).unwrap().held, held(6, "late"));
    // The same group again makes no generation.
    assert!(!stage.push(Some("late")).unwrap().changed);
    assert_eq!(join(&mut other, &stage.remote, "late").unwrap().generation, Generation(6));
}

#[test]
fn the_floor_is_what_the_remote_showed_and_not_what_was_committed_since() {
    let mut stage = Stage::new();
    stage.publisher.commit(&[10]);
    stage.publisher.commit(&[10]);
    stage.push(Some("early")).unwrap();
    let staged = stage.publisher.open().head().head.clone();
    assert_eq!((staged.generation.0, staged.floor.0), (5, 2));
}

#[test]
fn keys_below_the_floor_and_new_keys_go_up_to_it() {
    let mut stage = Stage::new();
    let mut late = stage.key("all").unwrap();
    let floor = stage.publisher.commit(&[500]);
    stage.push(None).unwrap();
    stage.release("early");
    let synced = late.sync(&stage.remote).unwrap();
    assert_eq!((synced.changed, synced.generation, synced.held.clone()), (true, Generation(3), held(5, "early")));
    late.assert_holds(&floor);
    assert!(!late.sync(&stage.remote).unwrap().changed);

    let fresh = stage.key("other").unwrap();
    fresh.assert_holds(&floor);
    let early = stage.key("early").unwrap();
    early.assert_holds(stage.publisher.open().head());
}

#[test]
fn a_key_joins_a_group_and_leaves_it_and_never_goes_back() {
    let mut stage = Stage::new();
    let mut key = stage.key("all").unwrap();
    let staged = stage.release("early");
    let before = files(key.disk.as_ref());
    assert!(join(&mut key, &stage.remote, "early").unwrap().changed);
    key.assert_holds(&staged);
    assert!(key.disk.metadata(&layout::replica_group()).unwrap().is_some());
    let synced = join(&mut key, &stage.remote, "all").unwrap();
    assert!(!synced.changed && key.disk.metadata(&layout::replica_group()).unwrap().is_none());
    key.assert_holds(&staged);
    assert_ne!(files(key.disk.as_ref()), before);
    stage.release("early");
    let synced = key.sync(&stage.remote).unwrap();
    assert_eq!((synced.changed, synced.held), (false, held(5, "early")));
    key.assert_holds(&staged);
}

#[test]
fn a_group_that_does_not_read_is_none() {
    let mut stage = Stage::new();
    let mut key = stage.key("early").unwrap();
    stage.release("early");
    damage(&key.path(), &layout::replica_group(), |bytes| bytes.truncate(3));
    assert_eq!(key.sync(&stage.remote).unwrap().held, held(4, "early"));
    assert!(join(&mut key, &stage.remote, "early").unwrap().changed);
}

#[test]
fn a_release_for_a_group_needs_a_floor_on_the_remote_and_a_writer() {
    let mut stage = Stage::new();
    let fresh = MemRemote::new();
    let before = stage.publisher.open().head().clone();
    assert_eq!(kind(stage.push_to(&fresh, Some("early"))), ErrorKind::Conflict);
    assert_eq!(stage.publisher.open().head().bytes(), before.bytes());
    stage.release("early");
    // Another remote never had what all others stay at.
    assert_eq!(kind(stage.push_to(&fresh, None)), ErrorKind::Conflict);
    assert!(!fresh.paths().contains(&layout::head()));
    let request = PushRequest { group: Some(group("all")), ..PushRequest::default() };
    let (publisher, remote) = (&stage.publisher, arc(&stage.remote));
    let unsigned = push(&publisher.disk, &remote, &request, &mut stage.state, publisher.world.run());
    assert_eq!(kind(unsigned), ErrorKind::NoIdentity);
    stage.push_to(&fresh, Some("all")).unwrap();
}

// U18
#[test]
fn the_floor_is_the_one_that_the_newest_state_comes_from() {
    let mut stage = Stage::new();
    let forker = stage.publisher.copied(9);
    let mut key = stage.key("all").unwrap();
    stage.publisher.commit(&[500]);
    stage.push(None).unwrap();
    stage.release("early");
    let path = layout::head_record(Generation(3));
    let honest = stage.remote.file(&path).unwrap();
    // Signed by a writer, of the same generation, and of another history.
    let forked = forker.commit(&[600]);
    forker.plant(&stage.remote);
    stage.publisher.plant(&stage.remote);
    let earlier = stage.remote.file(&layout::head_record(Generation(2))).unwrap();
    for wrong in [forked.bytes(), earlier.as_slice(), b"", b"no record"] {
        stage.remote.plant(&path, wrong);
        assert_eq!(kind(key.sync(&stage.remote)), ErrorKind::NotTrusted);
        assert_eq!(kind(stage.key("all").map(|_| ())), ErrorKind::NotTrusted);
    }
    stage.remote.uproot(&path);
    assert_eq!(kind(key.sync(&stage.remote)), ErrorKind::Corrupt);
    assert_eq!(key.open().head().head.generation, Generation(2));
    stage.remote.plant(&path, &honest);
    assert_eq!(key.sync(&stage.remote).unwrap().generation, Generation(3));
}

// U18
#[test]
fn a_server_that_goes_back_behind_a_held_release_is_found_out() {
    let mut stage = Stage::new();
    let mut key = stage.key("all").unwrap();
    let before = stage.remote.fork();
    stage.release("early");
    key.sync(&stage.remote).unwrap();
    stage.remote.plant(&layout::head(), &before.file(&layout::head()).unwrap());
    assert_eq!(kind(key.sync(&stage.remote)), ErrorKind::NotTrusted);
    let synced = key.sync_accepting(&stage.remote).unwrap();
    assert_eq!(synced.generation, Generation(2));
    assert!(synced.went_back.is_some());
}

#[test]
fn taking_less_on_purpose_is_no_way_back_where_a_release_is_held() {
    let mut stage = Stage::new();
    let mut key = stage.key("all").unwrap();
    stage.release("early");
    for _ in 0..2 {
        let synced = key.sync_accepting(&stage.remote).unwrap();
        assert_eq!((synced.generation, synced.went_back), (Generation(2), None));
    }
}

#[test]
fn a_key_that_is_held_back_beyond_the_expiry_knows_it() {
    let mut stage = Stage::new();
    let mut key = stage.key("all").unwrap();
    let expires = stage.publisher.open().head().head.expires;
    stage.publisher.world.clock.advance(Duration::from_secs(20 * 24 * 3600));
    stage.release("early");
    assert!(!key.sync(&stage.remote).unwrap().stale);
    let secs = expires.secs_since(key.world.run().clock.now()) + 1;
    key.world.clock.advance(Duration::from_secs(secs as u64));
    assert!(key.sync(&stage.remote).unwrap().stale);
}

#[test]
fn what_the_floor_holds_stays_on_the_remote_while_a_release_is_held() {
    let mut stage = Stage::new();
    let pack = stage.publisher.open().packs().packs()[0];
    stage.publisher.condemn(&pack);
    stage.push(Some("early")).unwrap();
    stage.publisher.world.clock.advance(Duration::from_secs(grace::REMOTE_SECS as u64 + 1));
    stage.push(None).unwrap();
    assert!(stage.remote.paths().contains(&layout::pack(&pack.hash)));
    stage.key("all").unwrap();
    assert_eq!(stage.push(Some("all")).unwrap().removed_packs, 1);
    assert!(!stage.remote.paths().contains(&layout::pack(&pack.hash)));
}

#[test]
fn several_remotes_agree_on_what_a_key_is_meant_to_have() {
    let mut stage = Stage::new();
    let mut key = stage.key("all").unwrap();
    let other = stage.remote.fork();
    stage.release("early");
    stage.push_to(&other, None).unwrap();
    let floor = key.open().head().clone();
    let synced = key.sync_all(&[arc(&stage.remote), arc(&other)]).unwrap();
    assert_eq!((synced.generation, synced.held), (Generation(2), held(4, "early")));
    key.assert_holds(&floor);
    let taken: Arc<dyn chunkstore::remote::Remote> = arc(&other);
    assert!(!key.sync_all(&[taken]).unwrap().changed);
}
