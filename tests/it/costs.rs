//! What each verb asks of the store's disk and of the folder, in calls: calls are the same on every machine, times are not.

use std::sync::Arc;
use std::time::Duration;

use chunkstore::disk::sim::{CallCounts, Profile};
use chunkstore::disk::sim_folder::SimCounts;
use chunkstore::disk::{Disk, SimDisk, SimFolder};
use chunkstore::format::head::Group;
use chunkstore::ops::clone::{CloneRequest, clone_store};
use chunkstore::ops::commit::Committed;
use chunkstore::ops::host_state::HostState;
use chunkstore::ops::list::{cat, ls};
use chunkstore::ops::open::{Reading, Spot};
use chunkstore::ops::restore::{RestoreOptions, RestoreRequest, restore};
use chunkstore::ops::sync::{SyncRequest, Synced, sync};
use chunkstore::ops::verify::{VerifyRequest, verify};
use chunkstore::path_remote::PathRemote;
use chunkstore::remote::Remote;
use chunkstore::store::Store;

use crate::scene::{Scene, noise, rel};

/// Directories of each folder.
const DIRS: u64 = 3;
/// Files of each directory: what must not grow with files is held with both.
const SIZES: [u64; 2] = [10, 100];
/// What a commit writes and syncs besides packs: the marker once more, manifest, record, `HEAD`.
const COMMIT_SYNCS: u64 = 4;
/// What a sync writes and syncs besides packs: the marker of the run, manifest, `pending`, record, `HEAD`.
const SYNC_SYNCS: u64 = 5;

/// A publisher and the folder that it commits.
struct Costs {
    scene: Scene,
    folder: SimFolder,
    files: u64,
}

impl Costs {
    fn of(files_in_each: u64) -> Self {
        let folder = SimFolder::default();
        for at in 0..DIRS * files_in_each {
            folder.put_file(&rel(&format!("d{}/{}", at % DIRS, at / DIRS)), &noise(at, 3000));
        }
        Self { scene: Scene::new(), folder, files: DIRS * files_in_each }
    }

    /// A store of three generations: the empty one, a whole folder, and one changed file.
    fn with_two_commits(files_in_each: u64) -> Self {
        let costs = Self::of(files_in_each);
        costs.commit();
        costs.change_one();
        costs.commit();
        costs
    }

    fn change_one(&self) {
        self.folder.put_file(&rel("d0/7"), &noise(77_777, 3000));
    }

    /// Commits later than any file's time, and returns what that asked of the disk and of the folder.
    fn commit(&self) -> (Committed, CallCounts, SimCounts) {
        self.scene.clock.advance(Duration::from_secs(3600));
        let before = self.folder.counts();
        let mut committed = None;
        let spent = spent(&self.scene.disk, || {
            committed = Some(self.scene.commit_folder(&self.folder, "a commit").unwrap());
        });
        let now = self.folder.counts();
        let asked = SimCounts {
            calls: now.calls - before.calls,
            opens: now.opens - before.opens,
            stats: now.stats - before.stats,
            lists: now.lists - before.lists,
            reads: now.reads - before.reads,
            appends: 0,
            syncs: now.syncs - before.syncs,
        };
        (committed.unwrap(), spent, asked)
    }

    fn packs(&self) -> u64 {
        Store::open(self.scene.shared_disk()).unwrap().packs().packs().len() as u64
    }

    fn open(&self) -> Reading {
        Reading::open(self.scene.shared_disk(), &self.scene.readers(), self.scene.run()).unwrap()
    }

    /// Returns the opens and reads that an act takes on top of opening the store.
    fn beyond_opening(&self, act: impl FnOnce(&Reading)) -> (u64, u64) {
        let reading = self.open();
        let counts = spent(&self.scene.disk, || act(&reading));
        assert_eq!(writing(counts), 0, "{counts:?}");
        (counts.opens, counts.reads)
    }

    fn verify(&self, read_data: bool) -> CallCounts {
        let request = VerifyRequest { identities: &self.scene.readers(), read_data, ..VerifyRequest::default() };
        spent(&self.scene.disk, || {
            assert_eq!(verify(self.scene.shared_disk(), &request, self.scene.run()).unwrap().findings, []);
        })
    }

    /// A key that holds what the publisher has now.
    fn key(&self) -> Key {
        let disk = SimDisk::new(Profile::Ext4);
        let (remote, shared) = (self.remote(), Arc::new(disk.clone()) as Arc<dyn Disk>);
        let trust = Some(self.scene.fingerprint.clone());
        let request =
            CloneRequest { group: Group::all(), trust, confirm: &|_| Ok(false), reader: None, accept_older: false };
        clone_store(&remote, &shared, &request, None, self.scene.run()).unwrap();
        Key { disk, state: HostState::default() }
    }

    fn remote(&self) -> Arc<dyn Remote> {
        Arc::new(PathRemote::new(self.scene.shared_disk(), "/publisher".into()))
    }
}

struct Key {
    disk: SimDisk,
    state: HostState,
}

impl Key {
    /// Syncs, and returns what that asked of the key and of the remote.
    fn sync(&mut self, from: &Costs) -> (Synced, CallCounts, CallCounts) {
        let (remote, shared) = (from.remote(), Arc::new(self.disk.clone()) as Arc<dyn Disk>);
        from.scene.disk.reset_counts();
        let mut synced = None;
        let spent = spent(&self.disk, || {
            let run = from.scene.run();
            synced = Some(sync(&shared, &[remote], SyncRequest::default(), &mut self.state, run).unwrap());
        });
        (synced.unwrap(), spent, from.scene.disk.counts())
    }
}

fn spent(disk: &SimDisk, act: impl FnOnce()) -> CallCounts {
    disk.reset_counts();
    act();
    disk.counts()
}

/// Counts the calls that change a medium or make a change durable.
fn writing(counts: CallCounts) -> u64 {
    counts.creates + counts.appends + counts.syncs + counts.dir_syncs + counts.renames + counts.removes + counts.dirs
}

fn at(path: &str) -> Spot {
    Spot::parse(path.as_bytes()).unwrap()
}

#[test]
fn a_first_commit_opens_reads_and_looks_at_each_file_once() {
    for size in SIZES {
        let costs = Costs::of(size);
        let (_, _, asked) = costs.commit();
        assert_eq!((asked.opens, asked.reads), (costs.files, costs.files));
        assert_eq!(asked.lists, DIRS + 1, "each directory once, with the state of all that it holds");
        assert_eq!(asked.stats, costs.files + 3, "an open file once more, the folder itself at the start and the end");
        let attributes = costs.files + DIRS + 1;
        assert_eq!(asked.calls, asked.opens + asked.reads + asked.lists + asked.stats + attributes);
        assert_eq!(asked.syncs, 0);
    }
}

#[test]
fn an_unchanged_commit_opens_no_file_and_writes_nothing() {
    for size in SIZES {
        let costs = Costs::of(size);
        costs.commit();
        let (committed, spent, asked) = costs.commit();
        assert!(!committed.changed);
        assert_eq!((asked.opens, asked.reads, asked.stats, asked.lists), (0, 0, 3, DIRS + 1));
        assert_eq!(asked.calls, asked.stats + asked.lists + DIRS + 1, "and the attributes of each directory");
        assert_eq!((spent.bytes_written, spent.appends, spent.renames, spent.removes, spent.dirs), (0, 0, 0, 0, 0));
        assert_eq!((spent.creates, spent.syncs, spent.dir_syncs), (1, 1, 1), "the marker is made durable once more");
        let snapshot_and_trees = 1 + 1 + DIRS;
        let who_this_is = 3;
        assert_eq!(spent.reads, 15 + who_this_is + snapshot_and_trees, "whatever the directories hold");
    }
}

#[test]
fn a_commit_of_one_changed_file_opens_that_file_alone() {
    for size in SIZES {
        let costs = Costs::of(size);
        costs.commit();
        costs.change_one();
        let (committed, spent, asked) = costs.commit();
        assert!(committed.changed);
        assert_eq!((asked.opens, asked.reads, asked.stats, asked.lists), (1, 1, 1 + 3, DIRS + 1));
        let who_this_is = 3;
        assert_eq!(spent.reads, 15 + who_this_is + 1 + 1 + DIRS, "whatever the directories hold");
    }
}

#[test]
fn the_syncs_of_a_commit_grow_with_its_packs_and_not_with_its_files() {
    for size in SIZES {
        let costs = Costs::of(size);
        for _ in 0..2 {
            let before = costs.packs();
            let (_, spent, _) = costs.commit();
            let packs = costs.packs() - before;
            assert_eq!(packs, 2, "one of content, one of trees");
            assert_eq!((spent.creates, spent.syncs), (packs + COMMIT_SYNCS, packs + COMMIT_SYNCS));
            // Of the marker, of each pack, of the manifest, of the record, of `HEAD`.
            assert!((COMMIT_SYNCS + 1..=COMMIT_SYNCS + packs).contains(&spent.dir_syncs), "{spent:?}");
            assert_eq!((spent.renames, spent.appends), (1, packs + COMMIT_SYNCS - 1), "each file is written in one go");
            costs.change_one();
        }
    }
    let costs = Costs::of(1);
    (0..40).for_each(|at| costs.folder.put_file(&rel(&format!("long/{at}")), &noise(at, 1 << 20)));
    let (_, spent, _) = costs.commit();
    assert!(costs.packs() >= 4);
    assert_eq!(spent.syncs, costs.packs() + COMMIT_SYNCS);
}

#[test]
fn opening_a_store_takes_a_few_reads_whatever_it_holds() {
    for size in SIZES {
        let costs = Costs::with_two_commits(size);
        let (generations, packs) = (3, costs.packs());
        let counts = spent(&costs.scene.disk, || drop(costs.open()));
        assert_eq!(writing(counts), 0, "{counts:?}");
        // The marker before the lock is taken and after it, two names of trust files, `HEAD`, `HEAD.new`, the tag, the key list,
        // a key file; of these the next trust file, `HEAD.new` and the tag are not there.
        let (small, missing) = (9, 3);
        // Each generation has a record and a manifest, and each pack an index of its own, found by the pack's header.
        assert_eq!(counts.opens, small + 2 * generations + packs);
        assert_eq!(counts.reads, small - missing + 2 * generations + 2 * packs);
        assert_eq!((counts.lists, counts.metadata), (1, 0));
    }
}

#[test]
fn ls_and_cat_read_the_objects_on_the_way_alone() {
    for size in SIZES {
        let costs = Costs::with_two_commits(size);
        let list = |spot: &str, recursive| {
            costs.beyond_opening(|reading| ls(reading, &at(spot), recursive, &mut |_, _| Ok(())).unwrap())
        };
        assert_eq!(list("/d0", false), (1, 3), "the snapshot, the root, the directory; the root has all in one pack");
        assert_eq!(list("/", true).1, 2 + DIRS, "each directory once");
        let shown = costs.beyond_opening(|reading| cat(reading, &at("/d0/3"), &mut |_| Ok(())).unwrap());
        assert_eq!(shown, (2, 4), "and the one chunk");
    }
}

#[test]
fn restoring_one_file_reads_that_file_and_syncs_twice() {
    for size in SIZES {
        let costs = Costs::with_two_commits(size);
        let opening = spent(&costs.scene.disk, || drop(costs.open()));
        let (target, identities) = (SimFolder::default(), costs.scene.readers());
        let options = RestoreOptions { threads: 1, ..RestoreOptions::default() };
        let request = RestoreRequest { spot: at("/d0/3"), identities: &identities, owners: false, options };
        let counts = spent(&costs.scene.disk, || {
            assert_eq!(restore(costs.scene.shared_disk(), &target, &request, costs.scene.run()).unwrap().files, 1);
        });
        assert_eq!(writing(counts), 0, "{counts:?}");
        assert_eq!(counts.reads - opening.reads, 5, "snapshot, root, directory, chunk, and the marker at the end");
        assert_eq!((target.counts().calls, target.counts().syncs), (10, 2), "before and after the file gets its name");
    }
}

#[test]
fn verify_reads_each_pack_once_and_each_object_once_more_with_its_data() {
    let mut reads = Vec::new();
    for size in SIZES {
        let costs = Costs::with_two_commits(size);
        let packs = Store::open(costs.scene.shared_disk()).unwrap().packs().len_bytes();
        let (outer, all) = (costs.verify(false), costs.verify(true));
        assert_eq!((writing(outer), writing(all)), (0, 0));
        assert!((packs..packs + 36_864).contains(&outer.bytes_read), "{outer:?} of {packs}");
        assert!((packs..2 * packs + 36_864).contains(&all.bytes_read), "{all:?} of {packs}");
        // 30 files lie in a chunk for each directory, and the changed file in one more.
        reads.push((outer.reads, all.reads - outer.reads));
    }
    assert_eq!(reads[0].1, DIRS + 1);
    assert_eq!(reads[0].0, reads[1].0, "whatever the directories hold");
}

#[test]
fn a_sync_with_nothing_new_writes_nothing_and_reads_a_dozen_small_files() {
    for size in SIZES {
        let costs = Costs::with_two_commits(size);
        let mut key = costs.key();
        let (synced, here, there) = key.sync(&costs);
        assert!(!synced.changed);
        assert_eq!(writing(here), 0, "{here:?}");
        assert_eq!((there.opens, there.metadata, writing(there)), (1, 0, 0), "its HEAD");
        assert_eq!((here.opens, here.reads), (20, 15), "{here:?}");
        assert_eq!(here.metadata, costs.packs() + 1, "the length of each pack, and whether a run is pending");
    }
}

#[test]
fn a_sync_of_one_commit_writes_and_syncs_each_file_once() {
    for size in SIZES {
        let costs = Costs::of(size);
        costs.commit();
        let mut key = costs.key();
        costs.change_one();
        costs.commit();
        let (synced, here, there) = key.sync(&costs);
        assert_eq!((synced.packs_fetched, synced.packs_reused), (2, 2));
        assert_eq!((there.opens, writing(there)), (2 + synced.packs_fetched, 0), "HEAD, the manifest, the packs");
        let files = synced.packs_fetched + SYNC_SYNCS;
        assert_eq!((here.creates, here.syncs, here.renames), (files, files, 1), "{here:?}");
        // Each file's directory, and once more where `pending` and the run's marker go away.
        assert!((SYNC_SYNCS + 3..=files + 2).contains(&here.dir_syncs), "{here:?}");
    }
}
