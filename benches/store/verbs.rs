//! Whole verbs, each on a fresh copy of the same state.

use std::sync::Arc;

use chunkstore::disk::sim::Profile;
use chunkstore::disk::{SimDisk, SimFolder};
use chunkstore::format::head::Group;
use chunkstore::ops::clone::{CloneRequest, clone_store};
use chunkstore::ops::host_state::HostState;
use chunkstore::ops::open::Spot;
use chunkstore::ops::restore::{RestoreOptions, RestoreRequest};
use chunkstore::ops::sync::{SyncRequest, Synced};
use chunkstore::remote::Remote;
use chunkstore::remote::mem::MemRemote;
use criterion::{BatchSize, Criterion, Throughput};

use crate::scene::{Publisher, folder, len_bytes, remote_of, shared};

/// Commits a folder that is all new, and one that did not change.
pub fn commit(criterion: &mut Criterion) {
    let (publisher, folder) = (Publisher::new(), folder());
    let committed = publisher.committed(&folder, true);
    let mut group = criterion.benchmark_group("commit");
    group.throughput(Throughput::Bytes(len_bytes(&folder)));
    group.bench_function("new", |bench| {
        let fresh = || publisher.empty.settled();
        bench.iter_batched(fresh, |disk| publisher.commit(&disk, &folder, false), BatchSize::PerIteration);
    });
    group.bench_function("unchanged", |bench| {
        let fresh = || committed.settled();
        bench.iter_batched(fresh, |disk| publisher.commit(&disk, &folder, true), BatchSize::PerIteration);
    });
    group.finish();
}

/// Restores all of a snapshot into an empty folder.
pub fn restore(criterion: &mut Criterion) {
    let (publisher, folder) = (Publisher::new(), folder());
    let disk = publisher.committed(&folder, false);
    let identities = publisher.keys.load_reader(&|_| unreachable!()).unwrap();
    let spot = Spot::parse(b"/").unwrap();
    let options = RestoreOptions::default();
    let request = RestoreRequest { spot, identities: &identities, owners: false, options };
    let mut group = criterion.benchmark_group("restore");
    group.throughput(Throughput::Bytes(len_bytes(&folder)));
    group.bench_function("all", |bench| {
        let restore = |target: SimFolder| {
            let restored = chunkstore::ops::restore::restore(shared(&disk), &target, &request, publisher.run());
            assert_eq!(restored.unwrap().bytes, len_bytes(&folder));
            target
        };
        bench.iter_batched(SimFolder::default, restore, BatchSize::PerIteration);
    });
    group.finish();
}

/// Syncs a key that has everything, and one that is one commit behind.
pub fn sync(criterion: &mut Criterion) {
    let (publisher, folder) = (Publisher::new(), folder());
    let behind = key_of(&publisher, &remote_of(&publisher.empty));
    let remote = remote_of(&publisher.committed(&folder, false));
    let whole = key_of(&publisher, &remote);
    let fetched_bytes = sync_once(&publisher, &behind.settled(), &remote).fetched_bytes;
    let mut group = criterion.benchmark_group("sync");
    group.bench_function("up to date", |bench| {
        let fresh = || whole.settled();
        bench.iter_batched(fresh, |disk| sync_once(&publisher, &disk, &remote), BatchSize::PerIteration);
    });
    group.throughput(Throughput::Bytes(fetched_bytes));
    group.bench_function("behind", |bench| {
        let fresh = || behind.settled();
        bench.iter_batched(fresh, |disk| sync_once(&publisher, &disk, &remote), BatchSize::PerIteration);
    });
    group.finish();
}

/// Clones a remote onto a new key.
fn key_of(publisher: &Publisher, remote: &MemRemote) -> SimDisk {
    let disk = SimDisk::new(Profile::ExFat);
    let trust = Some(publisher.fingerprint.clone());
    let request =
        CloneRequest { group: Group::all(), trust, confirm: &|_| Ok(false), reader: None, accept_older: false };
    clone_store(&shared_remote(remote), &shared(&disk), &request, None, publisher.run()).unwrap();
    disk.settled()
}

fn sync_once(publisher: &Publisher, disk: &SimDisk, remote: &MemRemote) -> Synced {
    // A host that never saw the key.
    let mut state = HostState::load(None, publisher.id);
    let remotes = [shared_remote(remote)];
    chunkstore::ops::sync::sync(&shared(disk), &remotes, SyncRequest::default(), &mut state, publisher.run()).unwrap()
}

fn shared_remote(remote: &MemRemote) -> Arc<dyn Remote> {
    Arc::new(remote.clone())
}
