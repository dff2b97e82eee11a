//! Repacked packs are made of what a key holds.

use std::io::Read;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chunkstore::base::{PackHash, StorePath};
use chunkstore::error::ErrorKind;
use chunkstore::format::manifest::PackRef;
use chunkstore::ops::heal::heal;
use chunkstore::ops::host_state::HostState;
use chunkstore::ops::push::{PushRequest, Pushed, push};
use chunkstore::ops::verify::{VerifyRequest, verify};
use chunkstore::remote::mem::{Fault, MemRemote, Rule};
use chunkstore::remote::{Fetched, Remote, RemoteError, RemoteErrorKind, Session};
use chunkstore::store::grace::REMOTE_SECS;
use chunkstore::store::layout;

use super::env::{Key, Publisher, arc, damage, kind};
use crate::repack::Repacker;

const KIB: usize = 1 << 10;

/// A publisher that repacks, and what a key of its first generation has.
pub struct Repacked {
    pub publisher: Publisher,
    pub remote: MemRemote,
    pub key: Key,
}

impl Repacked {
    /// Three packs of 2 MiB on the publisher and on a key.
    pub fn new() -> Self {
        let publisher = Publisher::new(1);
        for _ in 0..3 {
            repacker(&publisher, |repacker| drop(repacker.commit(8, 256 * KIB)));
        }
        let remote = publisher.remote();
        let key = Key::of(&publisher, &remote);
        Self { publisher, remote, key }
    }

    fn repack(&self) {
        repacker(&self.publisher, |repacker| drop(repacker.repack(REMOTE_SECS)));
        self.publisher.plant(&self.remote);
    }

    fn only_pack(&self) -> PackRef {
        let packs = self.publisher.open().packs().packs().to_vec();
        assert_eq!(packs.len(), 1);
        packs[0]
    }

    fn recipe_path(&self, pack: &PackHash) -> StorePath {
        layout::recipe(&self.publisher.open().packs().recipe(pack).unwrap().recipe)
    }

    fn assert_synced(&self) {
        self.key.assert_holds(self.publisher.open().head());
    }
}

pub fn repacker<T>(publisher: &Publisher, act: impl FnOnce(&Repacker<'_>) -> T) -> T {
    let (keys, now) = (publisher.keys(), publisher.world.run().clock.now());
    act(&Repacker { disk: &publisher.disk, keys: &keys, random: &publisher.world.random, now })
}

#[test]
fn a_key_that_holds_the_old_packs_fetches_a_twentieth_of_a_repacked_one() {
    let mut scene = Repacked::new();
    scene.repack();
    let synced = scene.key.sync(&scene.remote).unwrap();
    let pack = scene.only_pack();
    let counts = scene.remote.counts();
    assert!(counts.fetched_bytes <= pack.len_bytes / 20, "{counts:?} of {}", pack.len_bytes);
    assert_eq!(
        counts.fetches, 16,
        "HEAD, the manifest, the recipe, the ends of the pack and what surrounds its 11 joints"
    );
    assert_eq!((synced.packs_fetched, synced.fetched_bytes), (1, counts.fetched_bytes));
    assert!(synced.reused_bytes >= pack.len_bytes * 19 / 20 && synced.reused_bytes < pack.len_bytes);
    scene.assert_synced();
    assert!(scene.key.world.monitor.notes().is_empty());
    // The key may be another's origin.
    assert!(scene.key.disk.metadata(&scene.recipe_path(&pack.hash)).unwrap().is_some());
    // With nothing new there is nothing to look for.
    scene.remote.reset_counts();
    assert!(!scene.key.sync(&scene.remote).unwrap().changed);
    assert_eq!(scene.remote.counts().fetches, 1);
}

#[test]
fn a_key_that_is_two_repacks_behind_goes_through_both_recipes() {
    let mut scene = Repacked::new();
    scene.repack();
    repacker(&scene.publisher, |repacker| drop(repacker.commit(4, 256 * KIB)));
    scene.repack();
    let synced = scene.key.sync(&scene.remote).unwrap();
    let (pack, unknown) = (scene.only_pack(), 2 * 256 * KIB as u64);
    let fetched = scene.remote.counts().fetched_bytes;
    // The joints of two repacks are fetched.
    assert!(fetched >= unknown && fetched <= unknown + pack.len_bytes / 16, "{fetched} of {}", pack.len_bytes);
    assert!(synced.reused_bytes > pack.len_bytes / 2);
    scene.assert_synced();
    // A third time with nothing new in between, from the very first packs.
    let mut scene = Repacked::new();
    (0..3).for_each(|_| scene.repack());
    scene.key.sync(&scene.remote).unwrap();
    let (fetched, len_bytes) = (scene.remote.counts().fetched_bytes, scene.only_pack().len_bytes);
    assert!(fetched <= len_bytes / 10, "{fetched} of {len_bytes}, with three manifests and recipes");
    scene.assert_synced();
}

#[test]
fn a_source_that_rotted_or_does_not_read_costs_the_whole_pack() {
    for is_missing in [false, true] {
        let mut scene = Repacked::new();
        let source = scene.publisher.open().packs().packs()[1];
        scene.repack();
        if is_missing {
            scene.key.disk.remove(&layout::pack(&source.hash)).unwrap();
        } else {
            damage(&scene.key.path(), &layout::pack(&source.hash), |bytes| bytes[150 * KIB] ^= 1);
        }
        scene.key.sync(&scene.remote).unwrap();
        scene.assert_synced();
        let (fetched, pack) = (scene.remote.counts().fetched_bytes, scene.only_pack());
        let notes = scene.key.world.monitor.notes();
        if is_missing {
            // What the other two hold is copied all the same.
            assert!(fetched < pack.len_bytes / 2 && notes.is_empty(), "{fetched} of {}, {notes:?}", pack.len_bytes);
        } else {
            assert!(fetched > pack.len_bytes, "{fetched} of {}", pack.len_bytes);
            assert!(notes.len() == 1 && notes[0].contains("is fetched and not made of older packs"), "{notes:?}");
        }
    }
}

#[test]
fn a_recipe_that_cannot_be_had_costs_a_note_and_the_whole_pack() {
    let faults = [Fault::NotFound, Fault::FlipBit { offset: 40 }, Fault::Truncate { after_bytes: 50 }, Fault::Endless];
    for fault in faults {
        let mut scene = Repacked::new();
        scene.repack();
        let pack = scene.only_pack();
        scene.remote.script(Rule::always(fault.clone()).at(&scene.recipe_path(&pack.hash)));
        scene.key.sync(&scene.remote).unwrap();
        scene.assert_synced();
        assert!(scene.remote.counts().fetched_bytes > pack.len_bytes);
        let notes = scene.key.world.monitor.notes();
        assert!(notes.len() == 1 && notes[0].contains("recipe"), "{fault:?}: {notes:?}");
        assert!(scene.key.disk.metadata(&scene.recipe_path(&pack.hash)).unwrap().is_none());
        // A key that lacks one is none the worse.
        assert!(!scene.key.sync(&scene.remote).unwrap().changed);
    }
}

// U5
#[test]
fn a_rebuild_that_is_cut_off_goes_on_where_it_was() {
    let mut scene = Repacked::new();
    scene.repack();
    let pack = scene.only_pack();
    let path = layout::pack(&pack.hash);
    // The beginning and 11 joints come; what is between them is copied; the line is dead when the end is asked for.
    for _ in 0..12 {
        scene.remote.script(Rule::once(Fault::Stall { after_bytes: 1 << 20 }).at(&path));
    }
    scene.remote.script(Rule::always(Fault::Reset { after_bytes: 0 }).at(&path));
    assert_eq!(kind(scene.key.sync(&scene.remote)), ErrorKind::Remote);
    let left = scene.key.disk.metadata(&path).unwrap().unwrap().len_bytes;
    assert!(left > pack.len_bytes * 9 / 10 && left < pack.len_bytes, "{left}");
    scene.remote.heal();
    scene.remote.reset_counts();
    let synced = scene.key.sync(&scene.remote).unwrap();
    assert!(scene.remote.counts().fetched_bytes <= pack.len_bytes / 20);
    assert!(synced.reused_bytes > pack.len_bytes * 9 / 10 && synced.reused_bytes < pack.len_bytes);
    scene.assert_synced();
}

#[test]
fn a_clone_fetches_no_condemned_pack_and_no_recipe() {
    let scene = Repacked::new();
    scene.repack();
    let condemned = scene.publisher.open().packs().top.condemned.clone();
    let mut key = Key::empty(5);
    let cloned = key.clone_from_remote(&scene.publisher, &scene.remote).unwrap();
    assert_eq!((condemned.len(), cloned.packs_fetched), (3, 1));
    for pack in &condemned {
        let path = layout::pack(&pack.hash);
        assert!(scene.remote.file(&path).is_some() && key.disk.metadata(&path).unwrap().is_none());
    }
    assert!(key.disk.metadata(&scene.recipe_path(&scene.only_pack().hash)).unwrap().is_none());
    key.assert_holds(scene.publisher.open().head());
}

// U7
#[test]
fn a_clone_that_was_cut_off_before_a_repack_goes_on_with_what_it_has() {
    let mut scene = Repacked::new();
    // Without the marker, which is written last, it is no store yet.
    scene.key.disk.remove(&layout::marker()).unwrap();
    scene.repack();
    let cloned = scene.key.clone_with(&arc(&scene.remote), Some(&scene.publisher.fingerprint), None).unwrap();
    let pack = scene.only_pack();
    assert!(cloned.fetched_bytes < pack.len_bytes / 10, "{} of {}", cloned.fetched_bytes, pack.len_bytes);
    assert!(cloned.packs_fetched == 1 && cloned.reused_bytes > pack.len_bytes * 9 / 10);
    scene.assert_synced();
}

// U10
#[test]
fn a_damaged_pack_is_healed_from_the_packs_that_it_was_made_of() {
    let mut scene = Repacked::new();
    scene.repack();
    scene.key.sync(&scene.remote).unwrap();
    let pack = scene.only_pack();
    damage(&scene.key.path(), &layout::pack(&pack.hash), |bytes| bytes[1 << 20] ^= 1);
    let healing = heal(&scene.key.open(), &[arc(&scene.remote)], &[pack.hash], &[], scene.key.world.run()).unwrap();
    assert_eq!(healing.failure, None);
    assert!(healing.fetched_bytes < pack.len_bytes / 20, "{} of {}", healing.fetched_bytes, pack.len_bytes);
    scene.assert_synced();
}

#[test]
fn a_store_without_its_recipes_is_whole_and_is_pushed() {
    let mut scene = Repacked::new();
    scene.repack();
    let path = scene.recipe_path(&scene.only_pack().hash);
    scene.publisher.disk.remove(&path).unwrap();
    let remote = MemRemote::new();
    assert!(scene.push_to(&arc(&remote), &mut HostState::default()).changed);
    assert_eq!(remote.file(&path), None);
    scene.key.sync(&remote).unwrap();
    scene.assert_synced();
    let report = verify(Arc::clone(&scene.key.disk), &VerifyRequest::default(), scene.key.world.run()).unwrap();
    assert!(report.findings.is_empty(), "{report:?}");
}

/// A remote in two states: it turns from the one to the other when a file is fetched, and may refuse to delete.
struct Turning {
    before: MemRemote,
    after: MemRemote,
    at: StorePath,
    turned: Arc<AtomicBool>,
    keeps_all: bool,
}

struct TurningSession {
    before: Box<dyn Session>,
    after: Box<dyn Session>,
    at: StorePath,
    turned: Arc<AtomicBool>,
    keeps_all: bool,
}

impl Remote for Turning {
    fn address(&self) -> String {
        self.after.address()
    }

    fn connect(&self) -> Result<Box<dyn Session>, RemoteError> {
        Ok(Box::new(TurningSession {
            before: self.before.connect()?,
            after: self.after.connect()?,
            at: self.at.clone(),
            turned: Arc::clone(&self.turned),
            keeps_all: self.keeps_all,
        }))
    }

    /// One after the other, so that what comes before the turn has come.
    fn session_limit(&self) -> usize {
        1
    }

    fn wire_bytes(&self) -> u64 {
        self.before.wire_bytes() + self.after.wire_bytes()
    }
}

impl TurningSession {
    fn now(&mut self) -> &mut dyn Session {
        if self.turned.load(Ordering::Relaxed) { self.after.as_mut() } else { self.before.as_mut() }
    }
}

impl Session for TurningSession {
    fn length(&mut self, path: &StorePath) -> Result<Option<u64>, RemoteError> {
        self.now().length(path)
    }

    fn fetch(
        &mut self,
        path: &StorePath,
        offset: u64,
        max_bytes: u64,
        sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<Fetched, RemoteError> {
        if *path == self.at {
            self.turned.store(true, Ordering::Relaxed);
        }
        self.now().fetch(path, offset, max_bytes, sink)
    }

    fn list(&mut self, dir: &StorePath) -> Result<Vec<String>, RemoteError> {
        self.now().list(dir)
    }

    fn send(&mut self, path: &StorePath, source: &mut dyn Read) -> Result<(), RemoteError> {
        self.now().send(path, source)
    }

    fn send_from(&mut self, path: &StorePath, offset: u64, source: &mut dyn Read) -> Result<(), RemoteError> {
        self.now().send_from(path, offset, source)
    }

    fn replace(&mut self, path: &StorePath, bytes: &[u8]) -> Result<(), RemoteError> {
        self.now().replace(path, bytes)
    }

    fn create_dir(&mut self, path: &StorePath) -> Result<(), RemoteError> {
        self.now().create_dir(path)
    }

    fn remove(&mut self, path: &StorePath) -> Result<(), RemoteError> {
        if self.keeps_all {
            return Err(RemoteError::new(RemoteErrorKind::Refused, "remove", path, "nothing is ever deleted here"));
        }
        self.now().remove(path)
    }
}

/// As in duplicacy's issue 323, where a backup that ran while a prune deleted chunks ended with a revision whose chunks could
/// not be found: here a push deletes the packs that a key has seen in a HEAD and is about to fetch. Its sync starts again from
/// the new HEAD, with what it has fetched and what it can make of its own packs.
#[test]
fn a_key_whose_packs_are_deleted_in_the_middle_of_a_sync_ends_at_the_new_state() {
    let mut scene = Repacked::new();
    // A generation with a new pack and a repacked one; and the next, pushed without a grace, which repacks that one again.
    repacker(&scene.publisher, |repacker| drop(repacker.commit(4, 64 * KIB)));
    repacker(&scene.publisher, |repacker| drop(repacker.repack_these(0, |at| at < 3)));
    scene.publisher.plant(&scene.remote);
    let gone = scene.publisher.open().packs().packs()[1];
    let before = scene.remote.fork();
    repacker(&scene.publisher, |repacker| drop(repacker.repack_these(0, |at| at == 1)));
    let pushed = scene.push(&mut HostState::default());
    assert_eq!((pushed.removed_packs, scene.remote.file(&layout::pack(&gone.hash))), (4, None));

    let at = layout::pack(&gone.hash);
    let turned = Arc::new(AtomicBool::new(false));
    let remote = Turning { before, after: scene.remote.clone(), at, turned: Arc::clone(&turned), keeps_all: false };
    scene.remote.reset_counts();
    let synced = scene.key.sync_all(&[Arc::new(remote)]).unwrap();
    assert!(turned.load(Ordering::Relaxed));
    let packs = scene.publisher.open().packs().packs().to_vec();
    assert_eq!((synced.packs_fetched, synced.packs_reused), (1, 1), "the new pack had come before the turn");
    let fetched = scene.remote.counts().fetched_bytes;
    assert!(fetched < packs[1].len_bytes / 8, "{fetched} of {}, by way of the pack that is gone", packs[1].len_bytes);
    scene.assert_synced();
}

impl Repacked {
    fn push(&self, state: &mut HostState) -> Pushed {
        self.push_to(&arc(&self.remote), state)
    }

    fn push_to(&self, remote: &Arc<dyn Remote>, state: &mut HostState) -> Pushed {
        push(&self.publisher.disk, remote, &PushRequest::default(), state, self.publisher.world.run()).unwrap()
    }

    fn days(&self, days: u64) {
        self.publisher.world.clock.advance(Duration::from_secs(days * 24 * 3600));
    }
}

#[test]
fn a_push_deletes_condemned_packs_after_their_grace_and_asks_once() {
    let scene = Repacked::new();
    let old = scene.publisher.open().packs().packs().to_vec();
    let mut state = HostState::default();
    repacker(&scene.publisher, |repacker| drop(repacker.repack(REMOTE_SECS)));
    let stand = || old.iter().filter(|pack| scene.remote.file(&layout::pack(&pack.hash)).is_some()).count();
    let pushed = scene.push(&mut state);
    assert_eq!((pushed.changed, pushed.removed_packs, stand()), (true, 0, 3), "keys may be in the middle of a sync");
    assert!(scene.remote.file(&scene.recipe_path(&scene.only_pack().hash)).is_some());
    scene.days(29);
    assert_eq!((scene.push(&mut state).removed_packs, stand()), (0, 3));
    scene.days(1);
    // One that cannot be deleted is no reason to fail, and no reason to forget.
    let at = layout::marker();
    let (before, after, turned) = (scene.remote.clone(), scene.remote.clone(), Arc::default());
    let stubborn: Arc<dyn Remote> = Arc::new(Turning { before, after, at, turned, keeps_all: true });
    let pushed = scene.push_to(&stubborn, &mut state);
    assert_eq!((pushed.changed, pushed.removed_packs, stand()), (false, 0, 3));
    let notes = scene.publisher.world.monitor.notes();
    assert!(notes.iter().any(|note| note.starts_with("3 condemned packs stay at mem:")), "{notes:?}");
    let pushed = scene.push(&mut state);
    let bytes = old.iter().map(|pack| pack.len_bytes).sum();
    assert_eq!((pushed.removed_packs, pushed.removed_bytes, stand()), (3, bytes, 0));
    // What was deleted is not asked for again, but by a host that does not know.
    scene.remote.plant(&layout::pack(&old[0].hash), b"a pack");
    assert_eq!((scene.push(&mut state).removed_packs, stand()), (0, 1));
    assert_eq!((scene.push(&mut HostState::default()).removed_packs, stand()), (3, 0));
    Key::of(&scene.publisher, &scene.remote).assert_holds(scene.publisher.open().head());
}

#[test]
fn packs_that_were_condemned_at_the_same_moment_are_all_deleted() {
    let scene = Repacked::new();
    let mut state = HostState::default();
    let mut removed = Vec::new();
    for _ in 0..3 {
        // The clock stands still, and no grace is given.
        repacker(&scene.publisher, |repacker| drop(repacker.repack(0)));
        removed.push(scene.push(&mut state).removed_packs);
        assert_eq!(scene.push(&mut state).removed_packs, 0);
    }
    let condemned = scene.publisher.open().packs().top.condemned.clone();
    assert_eq!((removed[0], condemned.len()), (3, 5));
    assert!(condemned.iter().all(|pack| scene.remote.file(&layout::pack(&pack.hash)).is_none()));
    // A later push of something else has nothing to delete.
    scene.days(1);
    repacker(&scene.publisher, |repacker| drop(repacker.commit(1, KIB)));
    let pushed = scene.push(&mut state);
    assert_eq!((pushed.changed, pushed.removed_packs), (true, 0));
}

// U13
#[test]
fn a_recipe_takes_no_room_that_the_packs_need() {
    let mut scene = Repacked::new();
    scene.repack();
    let pack = scene.only_pack();
    // A pack, a manifest and six other files with room for their names, and no name more.
    let free_bytes = pack.len_bytes + 8 * layout::ENTRY_OVERHEAD_BYTES + 20_000;
    scene.key.disk = Arc::new(super::tight::Tight { inner: Arc::clone(&scene.key.disk), free_bytes });
    scene.key.sync(&scene.remote).unwrap();
    assert!(scene.remote.counts().fetched_bytes > pack.len_bytes);
    assert!(scene.key.disk.metadata(&scene.recipe_path(&pack.hash)).unwrap().is_none());
    scene.assert_synced();
}
