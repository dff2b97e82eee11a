//! Trust that changes: a removed writer, and a key that comes back from what a stolen one signed. Wherever it is cut, the store
//! opens as before or as after, and the next run ends it.

use std::collections::BTreeMap;
use std::sync::Arc;

use chunkstore::base::Generation;
use chunkstore::crypto::sign::{Purpose, SignKey};
use chunkstore::crypto::wrap::Identity;
use chunkstore::disk::sim::Profile;
use chunkstore::disk::{Disk, SimDisk};
use chunkstore::error::Result;
use chunkstore::format::head::Group;
use chunkstore::format::head::{Head, SignedHead};
use chunkstore::format::trust::Writer;
use chunkstore::ops::clone::{CloneRequest, clone_store};
use chunkstore::ops::local_keys::WriterKey;
use chunkstore::ops::rekey::{Change, Rekeyed};
use chunkstore::ops::trust::{Applied, ApplyRequest, BackTo, apply, propose};
use chunkstore::ops::writing::Writing;
use chunkstore::path_remote::PathRemote;
use chunkstore::remote::Remote;
use chunkstore::store::head::{self, Soundness};
use chunkstore::store::keyring::Step;
use chunkstore::store::trust::change::Edit;
use chunkstore::store::{Next, Store};

use crate::publisher::{Holding, Publisher, folder_variant};
use crate::story::{OneByOne, sync_with};
use crate::sweep::{Met, Recorded, Seen, Sweep};

/// A publisher with two writers and what it committed, on a disk where all is durable.
struct House {
    publisher: Publisher,
    second: WriterKey,
    disk: SimDisk,
}

impl House {
    fn new(profile: Profile, variant: u64) -> Self {
        let disk = SimDisk::new(profile);
        let publisher = Publisher::init(&disk).unwrap();
        let second = WriterKey::generate(&publisher.random);
        publisher.commit(&disk, &folder_variant(variant, 1)).unwrap();
        let house = Self { publisher, second, disk };
        let recipient = house.second.identity.recipient().as_str().to_owned();
        let add = Edit::AddWriter(Writer { key: house.second.signer().public(), recipient });
        house.change(&house.disk, &house.publisher.writer, add, None).unwrap();
        Self { disk: house.disk.settled(), ..house }
    }

    fn change(&self, disk: &SimDisk, by: &WriterKey, edit: Edit, back_to: Option<BackTo>) -> Result<Applied> {
        let (disk, run): (Arc<dyn Disk>, _) = (Arc::new(disk.clone()), self.publisher.run());
        let (store, roots) = (Store::open(Arc::clone(&disk))?, &self.publisher.roots);
        let proposal = propose(&store, &[edit], BTreeMap::new(), roots, run.clock.now())?;
        apply(&disk, &proposal, &ApplyRequest { writer: by, back_to, cache: None }, run)
    }

    fn remove_first(&self, disk: &SimDisk, back_to: Option<BackTo>) -> Result<Applied> {
        let key = self.publisher.writer.signer().public();
        self.change(disk, &self.second, Edit::RemoveWriter(key), back_to)
    }

    /// Makes a generation on a disk that the first writer's key signed, whoever had it, under any number.
    fn steal(&self, disk: &SimDisk, generation: u64) -> SignedHead {
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let run = self.publisher.run();
        let writing = Writing::look(shared, &self.second, run).unwrap();
        let next = Next::following(writing.store.packs(), writing.unlocked.sealed.clone(), run.clock.now());
        let forged = writing.publish(next).unwrap();
        let signer: SignKey = self.publisher.writer.signer();
        let head = Head { generation: Generation(generation), writer: signer.public(), ..forged.head.clone() };
        let stolen = SignedHead::new(head.clone(), signer.sign(Purpose::Head, &head.encode_body()));
        head::swing(disk, &stolen).unwrap();
        if generation != forged.head.generation.0 {
            disk.remove(&chunkstore::store::layout::head_record(forged.head.generation)).unwrap();
        }
        stolen
    }
}

impl House {
    /// Begins an epoch on a disk with the first writer's key, whoever had it.
    fn steal_epoch(&self, disk: &SimDisk) -> SignedHead {
        let (shared, run): (Arc<dyn Disk>, _) = (Arc::new(disk.clone()), self.publisher.run());
        let writing = Writing::look(shared, &self.publisher.writer, run).unwrap();
        let change = Change { epoch: Step::Next, ..Change::default() };
        let rekeyed = Rekeyed::draw(&writing, change, run).unwrap();
        let mut next = Next::following(writing.store.packs(), writing.unlocked.sealed.clone(), run.clock.now());
        rekeyed.write(disk, &mut next).unwrap();
        writing.publish_under(writing.store.trust(), &rekeyed.keys, next).unwrap()
    }
}

fn open(disk: &SimDisk) -> Store {
    Store::open(Arc::new(disk.clone())).unwrap()
}

/// A recorded `writer remove`.
struct Removing {
    house: House,
    /// The record before.
    old: SignedHead,
    back_to: Option<BackTo>,
    content: Holding,
    right: Seen,
}

impl Removing {
    /// `took` tells that the store had taken the last generation from the stolen key before.
    fn record(profile: Profile, variant: u64, took: bool) -> Self {
        let house = House::new(profile, variant);
        let content = house.publisher.restored(&house.disk);
        let back_to = took.then(|| BackTo::Generation(open(&house.disk).head().head.generation));
        if took {
            house.steal(&house.disk, u64::MAX);
        }
        let house = House { disk: house.disk.settled(), ..house };
        let old = open(&house.disk).head().clone();
        house.remove_first(&house.disk, back_to.clone()).unwrap();
        Self { house, old, back_to, content, right: Seen::default() }
    }

    fn is_new(&self, image: &SimDisk) -> bool {
        let store = open(image);
        assert_ne!(store.soundness(), Soundness::Older);
        let is_new = store.trust().newest().trust.version == 3;
        assert_eq!(store.head().head.trust_version, store.trust().newest().trust.version);
        assert!(is_new || store.head().bytes() == self.old.bytes(), "neither the old state nor the new one");
        assert_eq!(store.unlock_writer(std::slice::from_ref(&self.house.publisher.writer.identity)).is_err(), is_new);
        assert!(store.unlock_writer(std::slice::from_ref(&self.house.second.identity)).is_ok());
        is_new
    }

    fn go_on(&self, image: &SimDisk) {
        if !self.is_new(image) {
            self.house.remove_first(image, self.back_to.clone()).unwrap();
        }
        assert!(self.is_new(image));
    }
}

impl Recorded for Removing {
    fn disk(&self) -> &SimDisk {
        &self.house.disk
    }

    fn again(&self, image: &SimDisk) -> (usize, usize) {
        let before = usize::from(self.is_new(image));
        self.go_on(image);
        (before, 1)
    }

    // U7 U17
    fn check(&self, met: &Met, promise: usize, image: &SimDisk) {
        let is_new = self.is_new(image);
        assert!(promise == 0 || is_new, "it was done");
        met.note(if is_new { "new" } else { "old" });
        assert!(self.house.publisher.restored(image) == self.content, "the newest snapshot");
        self.go_on(image);
        let least = image.plug_back();
        self.right.once(1, &least, || {
            assert!(self.is_new(&least));
            assert!(self.house.publisher.restored(&least) == self.content, "the newest snapshot after the next run");
        });
    }
}

/// What the stolen key signed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stolen {
    /// The last generation there can be.
    Last,
    /// The very one that the publisher makes next.
    Next,
    /// The same, with keys of the epoch that the publisher would begin next, which it took as well.
    Epoch,
    /// The same, and the publisher never saw it.
    Unseen,
}

/// A recorded sync of a key that had taken what a stolen key signed.
struct Recovering {
    disk: SimDisk,
    remote: Arc<dyn Remote>,
    old: SignedHead,
    new: SignedHead,
    readers: Vec<Identity>,
    right: Seen,
}

fn remote_of(disk: &SimDisk) -> Arc<dyn Remote> {
    Arc::new(OneByOne(PathRemote::new(Arc::new(disk.settled()), "/publisher".into())))
}

impl Recovering {
    fn record(profile: Profile, variant: u64, stolen: Stolen) -> Self {
        let mut house = House::new(Profile::Ext4, variant);
        let base = open(&house.disk).head().head.generation;
        let next = base.0 + 1;
        let forked = house.disk.settled();
        let old = match stolen {
            Stolen::Last => house.steal(&forked, u64::MAX),
            Stolen::Next => house.steal(&forked, next),
            Stolen::Epoch | Stolen::Unseen => house.steal_epoch(&forked),
        };
        let (disk, fingerprint) = (SimDisk::new(profile), open(&forked).trust().fingerprint());
        let request = CloneRequest {
            group: Group::all(),
            trust: Some(fingerprint),
            confirm: &|_| Ok(false),
            reader: None,
            accept_older: false,
        };
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        clone_store(&remote_of(&forked), &shared, &request, None, house.publisher.run()).unwrap();
        let back_to = (stolen == Stolen::Epoch).then_some(BackTo::Generation(base));
        if back_to.is_some() {
            house.disk = forked;
        }
        house.remove_first(&house.disk, back_to).unwrap();
        let new = open(&house.disk).head().clone();
        assert_eq!(new.head.generation.0, next);
        let (disk, remote) = (disk.settled(), remote_of(&house.disk));
        sync_with(&disk, &remote, false).unwrap();
        Self { disk, remote, old, new, readers: house.publisher.readers, right: Seen::default() }
    }

    fn is_new(&self, image: &SimDisk) -> bool {
        let store = open(image);
        let bytes = store.head().bytes();
        assert!([self.old.bytes(), self.new.bytes()].contains(&bytes), "neither the old state nor the new one");
        store.unlock(&self.readers).unwrap();
        bytes == self.new.bytes()
    }

    fn go_on(&self, image: &SimDisk) {
        sync_with(image, &self.remote, false).unwrap();
        assert!(self.is_new(image));
        assert_eq!(open(image).soundness(), Soundness::Sound);
        assert_eq!(
            head::newest_name(image).unwrap(),
            Some(self.new.head.generation),
            "what the stolen key signed stayed"
        );
    }
}

impl Recorded for Recovering {
    fn disk(&self) -> &SimDisk {
        &self.disk
    }

    fn again(&self, image: &SimDisk) -> (usize, usize) {
        let before = usize::from(self.is_new(image));
        self.go_on(image);
        (before, 1)
    }

    // U7 U18
    fn check(&self, met: &Met, promise: usize, image: &SimDisk) {
        let is_new = self.is_new(image);
        assert!(promise == 0 || is_new, "it was done");
        met.note(if is_new { "new" } else { "old" });
        self.go_on(image);
        let least = image.plug_back();
        self.right.once(1, &least, || assert!(self.is_new(&least)));
    }
}

const KINDS: [&str; 2] = ["old", "new"];

fn sweep_removed(test: &'static str, profile: Profile, took: bool) {
    let sweep = Sweep::new(test, 6);
    let count = sweep.run(|variant| Removing::record(profile, variant, took));
    sweep.require(count, 20, &KINDS);
}

fn sweep_recovered(test: &'static str, profile: Profile, stolen: Stolen) {
    let sweep = Sweep::new(test, 12);
    let count = sweep.run(|variant| Recovering::record(profile, variant, stolen));
    sweep.require(count, 20, &KINDS);
}

/// Cuts the next sync, too, after each cut.
fn sweep_recovered_again(test: &'static str, profile: Profile) {
    let sweep = Sweep::new(test, 3);
    let count = sweep.run_again(|variant| Recovering::record(profile, variant, Stolen::Next));
    sweep.require(count, 15, &KINDS);
}

/// A writer is removed.
mod removed {
    use super::*;

    #[test]
    fn ext4() {
        sweep_removed("trust::removed::ext4", Profile::Ext4, false);
    }

    #[test]
    fn ntfs() {
        sweep_removed("trust::removed::ntfs", Profile::Ntfs, false);
    }

    #[test]
    fn exfat() {
        sweep_removed("trust::removed::exfat", Profile::ExFat, false);
    }

    #[test]
    fn fat32() {
        sweep_removed("trust::removed::fat32", Profile::Fat32, false);
    }
}

/// A writer is removed whose key made the store's newest generation the last there can be.
mod discarded {
    use super::*;

    #[test]
    fn ext4() {
        sweep_removed("trust::discarded::ext4", Profile::Ext4, true);
    }

    #[test]
    fn fat32() {
        sweep_removed("trust::discarded::fat32", Profile::Fat32, true);
    }
}

/// A key comes back from the last generation there can be.
mod recovered {
    use super::*;

    #[test]
    fn ext4() {
        sweep_recovered("trust::recovered::ext4", Profile::Ext4, Stolen::Last);
    }

    #[test]
    fn ntfs() {
        sweep_recovered("trust::recovered::ntfs", Profile::Ntfs, Stolen::Last);
    }

    #[test]
    fn exfat() {
        sweep_recovered("trust::recovered::exfat", Profile::ExFat, Stolen::Last);
    }

    #[test]
    fn fat32() {
        sweep_recovered("trust::recovered::fat32", Profile::Fat32, Stolen::Last);
    }
}

/// A key comes back from another record of the very generation that it goes to.
mod replaced {
    use super::*;

    #[test]
    fn ext4() {
        sweep_recovered("trust::replaced::ext4", Profile::Ext4, Stolen::Next);
    }

    #[test]
    fn exfat() {
        sweep_recovered("trust::replaced::exfat", Profile::ExFat, Stolen::Next);
    }

    #[test]
    fn fat32() {
        sweep_recovered("trust::replaced::fat32", Profile::Fat32, Stolen::Next);
    }
}

/// A key comes back from an epoch that a stolen key began: whichever state opens, its own key files stand.
mod rekeyed {
    use super::*;

    #[test]
    fn ext4() {
        sweep_recovered("trust::rekeyed::ext4", Profile::Ext4, Stolen::Epoch);
    }

    #[test]
    fn fat32() {
        sweep_recovered("trust::rekeyed::fat32", Profile::Fat32, Stolen::Epoch);
    }
}

/// The same, where the publisher never saw that epoch and begins one that has no number in common with it.
mod unseen {
    use super::*;

    #[test]
    fn ext4() {
        sweep_recovered("trust::unseen::ext4", Profile::Ext4, Stolen::Unseen);
    }

    #[test]
    fn fat32() {
        sweep_recovered("trust::unseen::fat32", Profile::Fat32, Stolen::Unseen);
    }
}

/// The same, cut, gone on with and cut again.
mod cut_again {
    use super::*;

    #[test]
    fn ext4() {
        sweep_recovered_again("trust::cut_again::ext4", Profile::Ext4);
    }

    #[test]
    fn fat32() {
        sweep_recovered_again("trust::cut_again::fat32", Profile::Fat32);
    }
}
