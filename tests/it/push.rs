//! `push`.

use std::sync::Arc;

use chunkstore::disk::{Disk, OsDisk};
use chunkstore::error::{ErrorKind, Result};
use chunkstore::ops::host_state::HostState;
use chunkstore::ops::local_keys::KeyDir;
use chunkstore::ops::push::{PushRequest, Pushed, RenewKeys, push};
use chunkstore::path_remote::PathRemote;
use chunkstore::remote::mem::{Fault, MemRemote, Rule};
use chunkstore::remote::{Remote, RemoteErrorKind};
use chunkstore::store::{Store, layout};

use super::env::{Key, MIB, Publisher, arc, damage, files, kind};

fn push_to(publisher: &Publisher, remote: &MemRemote, state: &mut HostState) -> Result<Pushed> {
    push(&publisher.disk, &arc(remote), &PushRequest::default(), state, publisher.world.run())
}

#[test]
fn what_was_pushed_can_be_cloned_and_synced() {
    let publisher = Publisher::with_readers(1, 2);
    publisher.commit(&[3 * MIB, 1000]);
    let (remote, mut state) = (MemRemote::new(), HostState::default());
    let pushed = push_to(&publisher, &remote, &mut state).unwrap();
    assert_eq!((pushed.packs_sent, pushed.packs_reused, pushed.changed), (2, 0, true));
    assert!(pushed.sent_bytes > 3 * MIB as u64 && pushed.wire_bytes >= pushed.sent_bytes);
    let mut key = Key::of(&publisher, &remote);
    let head = publisher.commit(&[MIB]);
    let pushed = push_to(&publisher, &remote, &mut state).unwrap();
    assert_eq!((pushed.packs_sent, pushed.packs_reused), (1, 2));
    assert!(pushed.sent_bytes < MIB as u64 + 60_000, "{pushed:?}");
    key.sync(&remote).unwrap();
    key.assert_holds(&head);
    let planted = publisher.remote();
    let sent = remote.paths();
    // Records of generations that were never pushed are nobody's business.
    let left_out: Vec<_> = planted.paths().into_iter().filter(|path| !sent.contains(path)).collect();
    assert!(left_out.iter().all(|path| path.as_str().starts_with("heads/")), "{left_out:?}");
}

#[test]
fn a_second_push_sends_nothing() {
    let publisher = Publisher::new(1);
    publisher.commit(&[MIB]);
    let (remote, mut state) = (MemRemote::new(), HostState::default());
    push_to(&publisher, &remote, &mut state).unwrap();
    remote.reset_counts();
    let pushed = push_to(&publisher, &remote, &mut state).unwrap();
    assert_eq!((pushed.changed, pushed.sent_bytes, remote.counts().sends), (false, 0, 0));
    assert_eq!(remote.counts().fetches, 1);
}

#[test]
fn a_path_is_pushed_to_as_well() {
    let publisher = Publisher::new(1);
    let head = publisher.commit(&[MIB, 2 * MIB]);
    let dir = tempfile::tempdir().unwrap();
    let place: Arc<dyn Disk> = Arc::new(OsDisk::open(dir.path()).unwrap());
    let remote: Arc<dyn Remote> = Arc::new(PathRemote::new(Arc::clone(&place), "/mirror".into()));
    let mut state = HostState::default();
    push(&publisher.disk, &remote, &PushRequest::default(), &mut state, publisher.world.run()).unwrap();
    super::env::assert_holds(&place, &head);
    let head = publisher.commit(&[1000]);
    push(&publisher.disk, &remote, &PushRequest::default(), &mut state, publisher.world.run()).unwrap();
    super::env::assert_holds(&place, &head);
}

// U17, D18
#[test]
fn a_push_that_breaks_off_anywhere_is_invisible_and_goes_on() {
    let publisher = Publisher::new(1);
    let old = publisher.commit(&[MIB]);
    let (remote, mut state) = (MemRemote::new(), HostState::default());
    push_to(&publisher, &remote, &mut state).unwrap();
    let mut key = Key::of(&publisher, &remote);
    let head = publisher.commit(&[2 * MIB; 4]);
    let store = publisher.open();
    let last_pack = layout::pack(&store.packs().packs()[4].hash);
    let places =
        [last_pack, layout::manifest(&head.head.manifest), layout::head_record(head.head.generation), layout::head()];
    for (at, place) in places.iter().enumerate() {
        remote.script(Rule::always(Fault::SendReset { after_bytes: 100 }).at(place));
        remote.reset_counts();
        assert_eq!(kind(push_to(&publisher, &remote, &mut state)), ErrorKind::Remote, "{place}");
        remote.heal();
        assert!(!key.sync(&remote).unwrap().changed, "{place}");
        super::env::assert_holds(&key.disk, &old);
        let most = if at == 0 { 9 * MIB } else { 5 * MIB / 2 };
        assert!(remote.counts().sent_bytes < most as u64, "{place}: {:?}", remote.counts());
    }
    // Nothing is remembered on another host: what is there is read back and not sent.
    remote.reset_counts();
    let pushed = push_to(&publisher, &remote, &mut HostState::default()).unwrap();
    assert_eq!((pushed.packs_sent, pushed.packs_reused), (0, 5));
    assert!(remote.counts().fetched_bytes > 8 * MIB as u64 && remote.counts().sent_bytes < 20_000);
    key.sync(&remote).unwrap();
    key.assert_holds(&head);
}

#[test]
fn a_broken_leftover_of_full_length_is_sent_again() {
    let publisher = Publisher::new(1);
    let head = publisher.commit(&[MIB]);
    let remote = MemRemote::new();
    let pack = publisher.open().packs().packs()[0];
    remote.plant(&layout::pack(&pack.hash), &vec![7; usize::try_from(pack.len_bytes).unwrap()]);
    assert_eq!(push_to(&publisher, &remote, &mut HostState::default()).unwrap().packs_sent, 1);
    Key::of(&publisher, &remote).assert_holds(&head);
}

#[test]
fn a_remote_that_is_ahead_or_another_is_left_alone() {
    let publisher = Publisher::new(1);
    publisher.commit(&[1000]);
    let mut state = HostState::default();
    // Ahead.
    let (ahead, old) = (MemRemote::new(), Key::of(&publisher, &publisher.remote()));
    publisher.commit(&[1000]);
    push_to(&publisher, &ahead, &mut state).unwrap();
    let before = ahead.paths();
    let behind = push(&old.disk, &arc(&ahead), &PushRequest::default(), &mut HostState::default(), old.world.run());
    assert_eq!(kind(behind), ErrorKind::Conflict);
    // Another store.
    let stranger = Publisher::new(2);
    assert_eq!(kind(push_to(&stranger, &ahead, &mut HostState::default())), ErrorKind::NotTrusted);
    // Another store's place whose HEAD is lost.
    ahead.uproot(&layout::head());
    assert_eq!(kind(push_to(&stranger, &ahead, &mut HostState::default())), ErrorKind::NotTrusted);
    // A server that has one answer to everything.
    let marker = ahead.file(&layout::marker()).unwrap();
    ahead.plant(&layout::head(), b"<html>");
    ahead.plant(&layout::marker(), b"<html>");
    assert_eq!(kind(push_to(&publisher, &ahead, &mut state)), ErrorKind::NotTrusted);
    assert_eq!(ahead.paths().len(), before.len());
    // A HEAD that a power cut tore on this store's own place is written again, but not over one that is ahead.
    ahead.plant(&layout::marker(), &marker);
    let behind = push(&old.disk, &arc(&ahead), &PushRequest::default(), &mut HostState::default(), old.world.run());
    assert_eq!(kind(behind), ErrorKind::Conflict);
    assert!(push_to(&publisher, &ahead, &mut state).unwrap().changed);
    assert_eq!(ahead.file(&layout::head()).unwrap(), publisher.open().head().bytes());
}

#[test]
fn a_rotten_pack_is_never_published() {
    let publisher = Publisher::new(1);
    publisher.commit(&[MIB]);
    let (remote, mut state) = (MemRemote::new(), HostState::default());
    let pack = layout::pack(&publisher.open().packs().packs()[0].hash);
    damage(&publisher.dir.path().join("store"), &pack, |bytes| bytes[5000] ^= 1);
    assert_eq!(kind(push_to(&publisher, &remote, &mut state)), ErrorKind::Corrupt);
    assert_eq!(remote.file(&pack), None);
    assert_eq!(remote.file(&layout::head()), None);
    damage(&publisher.dir.path().join("store"), &pack, |bytes| bytes.truncate(9000));
    assert_eq!(kind(push_to(&publisher, &remote, &mut state)), ErrorKind::Corrupt);
    assert_eq!(remote.file(&pack), None);
}

#[test]
fn a_server_that_cannot_replace_gets_head_in_place() {
    let publisher = Publisher::new(1);
    let (remote, mut state) = (MemRemote::new(), HostState::default());
    push_to(&publisher, &remote, &mut state).unwrap();
    let head = publisher.commit(&[1000]);
    remote.script(Rule::always(Fault::RefuseRename));
    push_to(&publisher, &remote, &mut state).unwrap();
    assert_eq!(remote.file(&layout::head()).as_deref(), Some(head.bytes()));
    assert_eq!(publisher.world.monitor.notes().len(), 1);
    // An answer that is lost is asked for again.
    remote.heal();
    remote.script(Rule::once(Fault::LoseReplaceReply).at(&layout::head()));
    let head = publisher.commit(&[1000]);
    push_to(&publisher, &remote, &mut state).unwrap();
    assert_eq!(remote.file(&layout::head()).as_deref(), Some(head.bytes()));
}

#[test]
fn a_full_remote_says_so_and_keeps_its_state() {
    let publisher = Publisher::new(1);
    let (remote, mut state) = (MemRemote::new(), HostState::default());
    push_to(&publisher, &remote, &mut state).unwrap();
    let before = remote.file(&layout::head());
    publisher.commit(&[4 * MIB]);
    remote.set_free_bytes(Some(1 << 20));
    assert_eq!(kind(push_to(&publisher, &remote, &mut state)), ErrorKind::NoSpace);
    assert_eq!(remote.file(&layout::head()), before);
    remote.set_free_bytes(None);
    remote.script(Rule::times(Fault::Connect(RemoteErrorKind::Busy), 2));
    push_to(&publisher, &remote, &mut state).unwrap();
}

#[test]
fn a_half_used_expiry_is_renewed_as_a_generation() {
    let publisher = Publisher::new(1);
    let head = publisher.commit(&[1000]);
    let (remote, mut state) = (MemRemote::new(), HostState::default());
    let renew = |store: &Store| {
        let writer = KeyDir::new(&publisher.keys(), publisher.id).load_writer(&|_| unreachable!())?.unwrap();
        let signer = writer.signer();
        let (keys, unlocked) = store.unlock_writer(&[writer.identity])?;
        Ok(Some(RenewKeys { keys: keys.reader, sealed: unlocked.sealed, signer }))
    };
    let request = PushRequest { renew: Some(&renew), ..PushRequest::default() };
    let days = |days: u64| publisher.world.clock.advance(std::time::Duration::from_secs(days * 24 * 3600));
    let mut go = || push(&publisher.disk, &arc(&remote), &request, &mut state, publisher.world.run()).unwrap();
    assert!(!go().renewed);
    days(44);
    assert!(!go().renewed);
    days(2);
    let pushed = go();
    assert!(pushed.renewed && pushed.changed && pushed.generation.0 == head.head.generation.0 + 1);
    let renewed = publisher.open();
    assert_eq!(renewed.packs().packs().len(), 1);
    let renewed_by = renewed.head().head.expires.secs_since(head.head.expires) / (24 * 3600);
    assert_eq!(renewed_by, 46);
    let mut key = Key::of(&publisher, &remote);
    key.world.clock.advance(std::time::Duration::from_secs(100 * 24 * 3600));
    assert!(!key.sync(&remote).unwrap().stale);
    assert!(!files(key.disk.as_ref()).is_empty());
}

// U10
#[test]
fn packs_that_the_remote_lost_are_sent_again_and_no_others() {
    let publisher = Publisher::new(1);
    publisher.commit(&[1000; 40]);
    let (remote, mut state) = (MemRemote::new(), HostState::default());
    push_to(&publisher, &remote, &mut state).unwrap();
    let packs = publisher.open().packs().packs().to_vec();
    packs[..20].iter().for_each(|pack| remote.uproot(&layout::pack(&pack.hash)));
    let head = publisher.commit(&[1000]);
    remote.reset_counts();
    let pushed = push_to(&publisher, &remote, &mut state).unwrap();
    assert_eq!((pushed.packs_sent, pushed.packs_reused), (21, 20), "{pushed:?}");
    assert!(packs.iter().all(|pack| remote.paths().contains(&layout::pack(&pack.hash))));
    Key::of(&publisher, &remote).assert_holds(&head);
}
