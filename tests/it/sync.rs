//! `sync`.

use std::sync::Arc;

use chunkstore::base::{Clock, StorePath};
use chunkstore::error::ErrorKind;
use chunkstore::ops::sync::{SyncRequest, sync};
use chunkstore::remote::mem::{Fault, Rule};
use chunkstore::remote::{Remote, RemoteErrorKind};
use chunkstore::store::layout;

use super::env::{Key, MIB, Named, Publisher, arc, damage, kind};

fn pack_path(publisher: &Publisher, at: usize) -> StorePath {
    layout::pack(&publisher.open().packs().packs()[at].hash)
}

// U4
#[test]
fn nothing_new_writes_nothing_and_costs_one_fetch() {
    let publisher = Publisher::new(1);
    publisher.commit(&[MIB, MIB]);
    let remote = publisher.remote();
    let mut key = Key::of(&publisher, &remote);
    let before = key.snapshot();
    let synced = key.sync(&remote).unwrap();
    assert!(!synced.changed);
    assert_eq!((synced.packs_fetched, synced.packs_reused, synced.generation.0), (0, 2, 2));
    assert_eq!((remote.counts().connects, remote.counts().fetches), (1, 1));
    assert_eq!(key.snapshot(), before);
    assert!(key.state.last_sync().is_some());
}

#[test]
fn only_what_is_missing_is_fetched() {
    let publisher = Publisher::new(1);
    publisher.commit(&[2 * MIB; 3]);
    let remote = publisher.remote();
    let mut key = Key::of(&publisher, &remote);
    let head = publisher.commit(&[MIB, 1000]);
    publisher.plant(&remote);
    let synced = key.sync(&remote).unwrap();
    assert_eq!((synced.packs_fetched, synced.packs_reused, synced.changed), (2, 3, true));
    assert!(remote.counts().fetched_bytes < MIB as u64 + 60_000, "{:?}", remote.counts());
    assert!(synced.fetched_bytes == remote.counts().fetched_bytes && synced.wire_bytes == synced.fetched_bytes);
    key.assert_holds(&head);
    assert!(!key.sync(&remote).unwrap().changed);
}

#[test]
fn many_generations_at_once_with_packs_removed() {
    let publisher = Publisher::new(1);
    publisher.commit(&[50_000; 3]);
    let remote = publisher.remote();
    let mut key = Key::of(&publisher, &remote);
    for _ in 0..40 {
        publisher.commit(&[3000]);
    }
    let removed = publisher.open().packs().packs()[1];
    let head = publisher.commit_removing(&[1000], &[removed]);
    publisher.plant(&remote);
    key.sync(&remote).unwrap();
    key.assert_holds(&head);
}

// U5
#[test]
fn an_interrupted_fetch_goes_on_where_it_was() {
    for percent in [30, 60, 90] {
        let publisher = Publisher::new(1);
        publisher.commit(&[1000]);
        let remote = publisher.remote();
        let mut key = Key::of(&publisher, &remote);
        let head = publisher.commit(&[12 * MIB]);
        publisher.plant(&remote);
        let pack = pack_path(&publisher, 1);
        let whole = publisher.open().packs().packs()[1].len_bytes;
        let cut = whole * percent / 100;
        // One stretch arrives, then the line is dead for good.
        remote.script(Rule::once(Fault::Reset { after_bytes: cut }).at(&pack));
        remote.script(Rule::always(Fault::Reset { after_bytes: 0 }).at(&pack));
        assert_eq!(kind(key.sync(&remote)), ErrorKind::Remote);
        assert!(key.open().head().head.generation < head.head.generation);
        remote.heal();
        remote.reset_counts();
        let synced = key.sync(&remote).unwrap();
        let again = (cut + remote.counts().fetched_bytes).saturating_sub(whole);
        assert!(again <= MIB as u64 + 20_000, "{percent} %: {again} bytes came twice");
        assert!(synced.reused_bytes >= cut - MIB as u64);
        key.assert_holds(&head);
    }
}

#[test]
fn a_line_that_breaks_often_still_gets_there() {
    let publisher = Publisher::new(1);
    publisher.commit(&[1000]);
    let remote = publisher.remote();
    let mut key = Key::of(&publisher, &remote);
    let head = publisher.commit(&[8 * MIB, 3 * MIB]);
    publisher.plant(&remote);
    for at in [1, 2] {
        remote.script(Rule::always(Fault::Reset { after_bytes: 600_000 }).at(&pack_path(&publisher, at)));
    }
    let synced = key.sync(&remote).unwrap();
    let packs: u64 = publisher.open().packs().packs()[1..].iter().map(|pack| pack.len_bytes).sum();
    assert!(synced.fetched_bytes < packs + 10_000, "a byte of a pack came twice");
    key.assert_holds(&head);
}

// U6
#[test]
fn whatever_comes_wrong_is_fetched_again_and_the_others_are_not() {
    let page = StorePath::new("packs/error.htm").unwrap();
    let faults = [
        Fault::FlipBit { offset: 700_000 },
        Fault::Truncate { after_bytes: 300_000 },
        Fault::Truncate { after_bytes: 0 },
        Fault::ServeInstead(page.clone()),
        Fault::Endless,
        Fault::Stall { after_bytes: 100 },
    ];
    for fault in faults {
        let publisher = Publisher::new(1);
        publisher.commit(&[1000]);
        let remote = publisher.remote();
        remote.plant(&page, &b"<html><body>404 not found</body></html>".repeat(50));
        let mut key = Key::of(&publisher, &remote);
        let head = publisher.commit(&[2 * MIB, 2 * MIB, 2 * MIB]);
        publisher.plant(&remote);
        remote.script(Rule::once(fault.clone()).at(&pack_path(&publisher, 2)));
        let synced = key.sync(&remote).unwrap();
        assert!(synced.fetched_bytes <= 9 * MIB as u64, "{fault:?}");
        key.assert_holds(&head);
    }
}

// U6
#[test]
fn a_pack_that_stays_wrong_stops_the_run_but_not_the_others() {
    let page = StorePath::new("packs/error.htm").unwrap();
    let faults = [Fault::FlipBit { offset: 9 }, Fault::Truncate { after_bytes: 0 }, Fault::ServeInstead(page.clone())];
    for fault in faults {
        let publisher = Publisher::new(1);
        let old = publisher.commit(&[1000]);
        let remote = publisher.remote();
        remote.plant(&page, b"<html>");
        let mut key = Key::of(&publisher, &remote);
        let head = publisher.commit(&[2 * MIB, 2 * MIB, 2 * MIB]);
        publisher.plant(&remote);
        remote.script(Rule::always(fault.clone()).at(&pack_path(&publisher, 2)));
        let error = key.sync(&remote).expect_err("it cannot be right");
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{fault:?}: {error}");
        super::env::assert_holds(&key.disk, &old);
        remote.heal();
        let synced = key.sync(&remote).unwrap();
        assert_eq!((synced.packs_fetched, synced.packs_reused), (1, 3), "{fault:?}");
        key.assert_holds(&head);
    }
}

#[test]
fn a_pack_that_is_not_to_be_had_costs_itself_alone_and_many_cost_the_rest() {
    for fault in [Fault::Unavailable, Fault::Stall { after_bytes: 0 }] {
        let publisher = Publisher::new(1);
        publisher.commit(&[1000]);
        let remote = publisher.remote();
        let mut key = Key::of(&publisher, &remote);
        let head = publisher.commit(&[1000; 40]);
        publisher.plant(&remote);
        remote.script(Rule::always(fault.clone()).at(&pack_path(&publisher, 7)));
        let error = key.sync(&remote).expect_err("a pack is missing");
        assert_eq!(error.kind(), ErrorKind::Remote, "{fault:?}: {error}");
        remote.heal();
        assert_eq!(key.sync(&remote).unwrap().packs_fetched, 1, "{fault:?}: all others had come");
        key.assert_holds(&head);
        // A server that gives none of them could else hold a key for hours.
        let head = publisher.commit(&[1000; 40]);
        publisher.plant(&remote);
        (41..81).for_each(|at| remote.script(Rule::always(fault.clone()).at(&pack_path(&publisher, at))));
        remote.reset_counts();
        let before = key.world.clock.monotonic();
        let error = key.sync(&remote).expect_err("all packs are missing");
        assert_eq!(error.kind(), ErrorKind::Remote, "{fault:?}: {error}");
        let (waited, fetches) = (key.world.clock.monotonic() - before, remote.counts().fetches);
        assert!(waited.as_secs() < 300 && fetches < 60, "{fault:?}: {waited:?}, {fetches} fetches");
        remote.heal();
        assert_eq!(key.sync(&remote).unwrap().packs_fetched, 40, "{fault:?}");
        key.assert_holds(&head);
    }
}

#[test]
fn a_wrong_manifest_or_key_file_is_refused() {
    let publisher = Publisher::new(1);
    let old = publisher.commit(&[1000]);
    let remote = publisher.remote();
    let mut key = Key::of(&publisher, &remote);
    let head = publisher.commit(&[MIB]);
    publisher.plant(&remote);
    let before = key.snapshot();
    remote.script(Rule::always(Fault::FlipBit { offset: 60 }).at(&layout::manifest(&head.head.manifest)));
    assert_eq!(kind(key.sync(&remote)), ErrorKind::Corrupt);
    assert_eq!(key.snapshot(), before);
    super::env::assert_holds(&key.disk, &old);
    remote.heal();
    remote.script(Rule::once(Fault::FlipBit { offset: 60 }).at(&layout::manifest(&head.head.manifest)));
    key.sync(&remote).unwrap();
    key.assert_holds(&head);
}

// U11
#[test]
fn a_lost_head_is_written_again() {
    let publisher = Publisher::new(1);
    let head = publisher.commit(&[MIB]);
    let remote = publisher.remote();
    let mut key = Key::of(&publisher, &remote);
    for zeroed in [true, false] {
        if zeroed {
            damage(&key.path(), &layout::head(), |bytes| bytes.fill(0));
        } else {
            key.disk.remove(&layout::head()).unwrap();
        }
        assert_eq!(key.sync(&remote).unwrap().packs_fetched, 0);
        assert_eq!(super::env::read(key.disk.as_ref(), &layout::head()), head.bytes());
        key.assert_holds(&head);
    }
}

// U11
#[test]
fn a_store_that_lost_its_newest_state_gets_it_back() {
    let publisher = Publisher::new(1);
    publisher.commit(&[MIB]);
    let remote = publisher.remote();
    let mut key = Key::of(&publisher, &remote);
    let head = publisher.commit(&[2 * MIB]);
    publisher.plant(&remote);
    key.sync(&remote).unwrap();
    damage(&key.path(), &layout::manifest(&head.head.manifest), |bytes| bytes[50] ^= 1);
    assert_eq!(key.open().soundness(), chunkstore::store::head::Soundness::Older);
    let synced = key.sync(&remote).unwrap();
    assert_eq!(synced.packs_fetched, 0, "its packs were there");
    key.assert_holds(&head);
    assert_eq!(key.open().soundness(), chunkstore::store::head::Soundness::Sound);
}

#[test]
fn a_missing_pack_of_the_current_state_is_fetched_again() {
    let publisher = Publisher::new(1);
    let head = publisher.commit(&[MIB, MIB]);
    let remote = publisher.remote();
    let mut key = Key::of(&publisher, &remote);
    key.disk.remove(&pack_path(&publisher, 1)).unwrap();
    let synced = key.sync(&remote).unwrap();
    assert_eq!((synced.packs_fetched, synced.changed), (1, false));
    key.assert_holds(&head);
}

// U12
#[test]
fn after_an_unclean_end_what_came_last_is_looked_at() {
    let publisher = Publisher::new(1);
    let old = publisher.commit(&[MIB, MIB]);
    let remote = publisher.remote();
    let mut key = Key::of(&publisher, &remote);
    let head = publisher.commit(&[2 * MIB, MIB]);
    publisher.plant(&remote);
    key.sync(&remote).unwrap();
    // The run's marker came back, and flash lost a bit of each pack that it had written.
    chunkstore::store::replica::mark_unclean(key.disk.as_ref(), old.head.generation).unwrap();
    for at in [2, 3] {
        damage(&key.path(), &pack_path(&publisher, at), |bytes| bytes[1000] ^= 4);
    }
    // And one of the earlier ones: few enough here to be all in the sample.
    damage(&key.path(), &pack_path(&publisher, 0), |bytes| bytes[1000] ^= 4);
    let synced = key.sync(&remote).unwrap();
    assert!(synced.packs_fetched >= 2, "{synced:?}");
    assert_eq!(synced.packs_fetched, 3, "two packs are all in the sample");
    key.assert_holds(&head);
}

// U13
#[test]
fn a_full_key_is_refused_with_numbers_and_left_alone() {
    let publisher = Publisher::new(1);
    publisher.commit(&[1000]);
    let remote = publisher.remote();
    let mut key = Key::of(&publisher, &remote);
    publisher.commit(&[4 * MIB]);
    publisher.plant(&remote);
    let before = key.snapshot();
    key.disk =
        std::sync::Arc::new(super::tight::Tight { inner: std::sync::Arc::clone(&key.disk), free_bytes: 4 << 20 });
    let error = key.sync(&remote).expect_err("there is no room");
    assert_eq!(error.kind(), ErrorKind::NoSpace);
    assert!(error.to_string().contains("needed, 4.0 MiB free"), "{error}");
    assert_eq!(key.snapshot(), before);
}

// U9 U22
#[test]
fn a_pulled_key_ends_the_fetch_even_where_the_system_takes_its_writes() {
    let publisher = Publisher::new(1);
    publisher.commit(&[1000]);
    let remote = publisher.remote();
    let mut key = Key::of(&publisher, &remote);
    publisher.commit(&[4 * MIB]);
    publisher.plant(&remote);
    key.disk = std::sync::Arc::new(super::tight::Pulled { inner: std::sync::Arc::clone(&key.disk) });
    let error = key.sync(&remote).expect_err("the key is gone");
    assert_eq!(error.kind(), ErrorKind::Gone, "{error}");
    assert!(key.world.monitor.problems().is_empty(), "it is said once: {:?}", key.world.monitor.problems());
}

// U17
#[test]
fn a_publish_that_is_under_way_is_invisible() {
    let publisher = Publisher::new(1);
    let old = publisher.commit(&[MIB]);
    let remote = publisher.remote();
    let mut key = Key::of(&publisher, &remote);
    publisher.commit(&[MIB]);
    let head = super::env::read(publisher.disk.as_ref(), &layout::head());
    publisher.plant(&remote);
    remote.plant(&layout::head(), old.bytes());
    assert!(!key.sync(&remote).unwrap().changed);
    key.assert_holds(&old);
    // HEAD caught half-written once, then missing once, then whole.
    remote.plant(&layout::head(), &head);
    remote.script(Rule::once(Fault::Truncate { after_bytes: 200 }).at(&layout::head()));
    remote.script(Rule::once(Fault::NotFound).at(&layout::head()));
    assert!(key.sync(&remote).unwrap().changed);
}

// U18
#[test]
fn a_server_that_went_back_is_refused() {
    let publisher = Publisher::new(1);
    let old = publisher.commit(&[MIB]);
    let before = publisher.remote();
    let head = publisher.commit(&[MIB]);
    let remote = publisher.remote();
    let mut key = Key::of(&publisher, &remote);
    let files = key.snapshot();
    assert_eq!(kind(key.sync(&before)), ErrorKind::NotTrusted);
    // On a fresh host the key itself remembers where it came from.
    key.on_a_fresh_host();
    assert_eq!(kind(key.sync(&before)), ErrorKind::NotTrusted);
    assert_eq!(key.snapshot(), files);
    key.assert_holds(&head);
    // Unless a person says that it is meant.
    let synced = key.sync_accepting(&before).unwrap();
    assert_eq!((synced.generation, synced.changed), (old.head.generation, true));
    key.assert_holds(&old);
    assert!(!key.sync(&before).unwrap().changed);
    // The server caught up: what was accepted is no obstacle.
    assert!(key.sync(&remote).unwrap().changed);
    key.assert_holds(&head);
}

// U18
#[test]
fn another_history_is_refused() {
    let publisher = Publisher::new(1);
    publisher.commit(&[MIB]);
    let fork = Publisher { world: super::env::World::new(9), ..publisher.copied(8) };
    let head = publisher.commit(&[MIB]);
    fork.commit(&[1000]);
    let same_generation = fork.remote();
    fork.commit(&[1000]);
    let newer = fork.remote();
    let mut key = Key::of(&publisher, &publisher.remote());
    for remote in [same_generation, newer] {
        let before = key.snapshot();
        assert_eq!(kind(key.sync(&remote)), ErrorKind::NotTrusted);
        assert_eq!(kind(key.sync_accepting(&remote)), ErrorKind::NotTrusted);
        assert_eq!(key.snapshot(), before);
    }
    key.assert_holds(&head);
}

// U19
#[test]
fn a_foreign_store_is_refused_before_any_write() {
    let publisher = Publisher::new(1);
    let remote = publisher.remote();
    let mut key = Key::of(&publisher, &remote);
    let stranger = Publisher::new(2);
    stranger.commit(&[1000]);
    let before = key.snapshot();
    assert_eq!(kind(key.sync(&stranger.remote())), ErrorKind::NotTrusted);
    assert_eq!(key.snapshot(), before);
}

#[test]
fn a_head_that_stays_unreadable_is_not_trusted_and_none_is_no_store() {
    let publisher = Publisher::new(1);
    let remote = publisher.remote();
    let mut key = Key::of(&publisher, &remote);
    remote.plant(&layout::head(), b"<html>");
    assert_eq!(kind(key.sync(&remote)), ErrorKind::NotTrusted);
    remote.uproot(&layout::head());
    assert_eq!(kind(key.sync(&remote)), ErrorKind::NoStore);
    remote.script(Rule::always(Fault::Connect(RemoteErrorKind::Unreachable)));
    assert_eq!(kind(key.sync(&remote)), ErrorKind::Remote);
}

#[test]
fn an_expired_head_is_synced_and_called_stale() {
    let publisher = Publisher::new(1);
    let remote = publisher.remote();
    let mut key = Key::of(&publisher, &remote);
    assert!(!key.sync(&remote).unwrap().stale);
    publisher.commit(&[1000]);
    publisher.plant(&remote);
    key.world.clock.advance(std::time::Duration::from_secs(91 * 24 * 3600));
    let synced = key.sync(&remote).unwrap();
    assert!(synced.stale && synced.changed);
    assert!(key.sync(&remote).unwrap().stale);
}

#[test]
fn of_several_remotes_the_newest_wins_and_the_others_are_named() {
    let publisher = Publisher::new(1);
    publisher.commit(&[MIB]);
    let lagging = publisher.remote();
    let mut key = Key::of(&publisher, &lagging);
    let head = publisher.commit(&[MIB, 2 * MIB]);
    let (good, broken) = (publisher.remote(), publisher.remote());
    broken.script(Rule::always(Fault::FlipBit { offset: 77 }).at(&pack_path(&publisher, 2)));
    let dead = publisher.remote();
    dead.script(Rule::always(Fault::Connect(RemoteErrorKind::Refused)));
    let stranger = Publisher::new(2).remote();
    let remotes: Vec<std::sync::Arc<dyn chunkstore::remote::Remote>> = vec![
        std::sync::Arc::new(Named(lagging, "lagging")),
        std::sync::Arc::new(Named(dead, "dead")),
        std::sync::Arc::new(Named(stranger, "stranger")),
        std::sync::Arc::new(Named(broken, "broken")),
        std::sync::Arc::new(Named(good, "good")),
    ];
    let synced = key.sync_all(&remotes).unwrap();
    let names: Vec<_> = synced.ignored.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["dead", "stranger", "lagging"]);
    assert_eq!(synced.packs_fetched, 2);
    key.assert_holds(&head);
    assert_eq!(key.world.monitor.problems().len(), 3, "two that could not be used, and one that gave a wrong pack");
    // With none of them usable the gravest reason decides; a remote that only lags is no failure.
    assert_eq!(kind(key.sync_all(&remotes[1..3])), ErrorKind::NotTrusted);
    assert_eq!(kind(key.sync_all(&remotes[..2])), ErrorKind::Remote);
    assert!(!key.sync_all(&remotes[..1]).unwrap().changed);
}

#[test]
fn a_publisher_that_moved_on_is_followed() {
    let publisher = Publisher::new(1);
    publisher.commit(&[MIB]);
    let remote = publisher.remote();
    let mut key = Key::of(&publisher, &remote);
    publisher.commit(&[MIB, MIB]);
    publisher.plant(&remote);
    // Its gc took a pack away before this key came; then it publishes what it is now.
    remote.uproot(&pack_path(&publisher, 1));
    assert_eq!(kind(key.sync(&remote)), ErrorKind::Corrupt);
    let gone = publisher.open().packs().packs()[1];
    let head = publisher.commit_removing(&[1000], &[gone]);
    publisher.plant(&remote);
    remote.uproot(&layout::pack(&gone.hash));
    let synced = key.sync(&remote).unwrap();
    assert_eq!((synced.packs_fetched, synced.packs_reused), (1, 2), "what had come was kept");
    key.assert_holds(&head);
}

#[test]
fn a_wish_to_stop_is_heard_and_what_came_is_kept() {
    let publisher = Publisher::new(1);
    let old = publisher.commit(&[MIB]);
    let remote = publisher.remote();
    let mut key = Key::of(&publisher, &remote);
    let head = publisher.commit(&[8 * MIB]);
    publisher.plant(&remote);
    let stopping = super::tight::StopAfter::new(5 << 20);
    let run = chunkstore::ops::Run { monitor: &stopping, ..key.world.run() };
    let request = chunkstore::ops::sync::SyncRequest::default();
    let result = chunkstore::ops::sync::sync(&key.disk, &[arc(&remote)], request, &mut key.state, run);
    assert_eq!(kind(result), ErrorKind::Interrupted);
    super::env::assert_holds(&key.disk, &old);
    remote.reset_counts();
    key.sync(&remote).unwrap();
    assert!(remote.counts().fetched_bytes < 4 << 20, "{:?}", remote.counts());
    key.assert_holds(&head);
}

#[test]
fn a_server_with_too_few_places_is_used_with_one() {
    let publisher = Publisher::new(1);
    publisher.commit(&[1000]);
    let remote = publisher.remote();
    let mut key = Key::of(&publisher, &remote);
    let head = publisher.commit(&[MIB; 5]);
    publisher.plant(&remote);
    // The first session is the one that looks at HEAD.
    remote.script(Rule::times(Fault::Connect(RemoteErrorKind::Busy), 3));
    key.sync(&remote).unwrap();
    key.assert_holds(&head);
    assert_eq!(remote.open_sessions(), 0);
}

#[test]
fn one_writer_at_a_time() {
    let publisher = Publisher::new(1);
    let remote = publisher.remote();
    let mut key = Key::of(&publisher, &remote);
    let lock = chunkstore::store::lock::WriteLock::take(key.disk.as_ref()).unwrap();
    assert_eq!(kind(key.sync(&remote)), ErrorKind::Locked);
    drop(lock);
    key.sync(&remote).unwrap();
}

#[test]
fn trust_moves_on_by_its_chain_and_never_back() {
    let publisher = Publisher::new(1);
    publisher.commit(&[1000]);
    let before = publisher.remote();
    let mut key = Key::of(&publisher, &before);
    // A copy of the publisher's keys that nobody trusts any more goes on under the old trust file.
    let stolen = publisher.copied(8);
    stolen.commit(&[1000]);
    stolen.commit(&[1000]);
    stolen.commit(&[1000]);
    publisher.rotate_trust();
    let head = publisher.commit(&[1000]);
    assert_eq!(head.head.trust_version, 2);
    let remote = publisher.remote();
    remote.script(Rule::always(Fault::FlipBit { offset: 300 }).at(&layout::trust(2)));
    assert_eq!(kind(key.sync(&remote)), ErrorKind::NotTrusted);
    remote.heal();
    assert!(key.sync(&remote).unwrap().changed);
    key.assert_holds(&head);
    assert_eq!(key.open().trust().newest().trust.version, 2);
    key.on_a_fresh_host();
    assert_eq!(kind(key.sync(&stolen.remote())), ErrorKind::NotTrusted);
    key.assert_holds(&head);
}

// U11
#[test]
fn a_degraded_store_does_not_forget_what_it_held_unless_it_is_told_to() {
    let publisher = Publisher::new(1);
    let old = publisher.commit(&[MIB]);
    let (remote, older) = (publisher.remote(), publisher.remote());
    let mut key = Key::of(&publisher, &remote);
    let head = publisher.commit(&[2 * MIB]);
    publisher.plant(&remote);
    key.sync(&remote).unwrap();
    damage(&key.path(), &layout::manifest(&head.head.manifest), |bytes| bytes[50] ^= 1);
    key.on_a_fresh_host();
    let older: Arc<dyn Remote> = Arc::new(Named(older, "mem:older"));
    let before = key.snapshot();
    assert_eq!(kind(key.sync_all(&[Arc::clone(&older)])), ErrorKind::Corrupt);
    assert_eq!(key.snapshot(), before, "nothing was written");
    let request = SyncRequest { accept_older: true, ..SyncRequest::default() };
    sync(&key.disk, &[Arc::clone(&older)], request, &mut key.state, key.world.run()).unwrap();
    key.assert_holds(&old);
    assert_eq!(key.open().soundness(), chunkstore::store::head::Soundness::Sound);
    // A remote that has what was lost is taken, whatever another one lacks.
    key.sync(&remote).unwrap();
    damage(&key.path(), &layout::manifest(&head.head.manifest), |bytes| bytes[50] ^= 1);
    key.sync_all(&[older, arc(&remote)]).unwrap();
    key.assert_holds(&head);
}
