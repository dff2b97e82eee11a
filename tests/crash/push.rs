//! `push` to a path: what lies there opens as the old or the new state, and the next push completes and sends no pack again.

use std::sync::Arc;

use chunkstore::disk::sim::Profile;
use chunkstore::disk::{Disk, SimDisk};
use chunkstore::format::manifest::PackRef;
use chunkstore::ops::host_state::HostState;
use chunkstore::ops::push::{PushRequest, Pushed, push};
use chunkstore::path_remote::PathRemote;
use chunkstore::remote::Remote;
use chunkstore::store::{Store, StoreError};

use crate::publisher::{Holding, Publisher, folder_variant, holding};
use crate::story::{OneByOne, is_whole};
use crate::sweep::{Met, Recorded, Seen, Sweep};

fn push_to(publisher: &Publisher, source: &SimDisk, target: &SimDisk) -> Pushed {
    let (source, target): (Arc<dyn Disk>, Arc<dyn Disk>) = (Arc::new(source.clone()), Arc::new(target.clone()));
    let remote: Arc<dyn Remote> = Arc::new(OneByOne(PathRemote::new(target, "/mirror".into())));
    push(
        &source,
        &remote,
        &PushRequest { renew: None, ..PushRequest::default() },
        &mut HostState::default(),
        publisher.run(),
    )
    .unwrap()
}

/// A recorded push onto a path that holds the first `before` commits; none is an empty directory.
struct Push {
    publisher: Publisher,
    source: SimDisk,
    target: SimDisk,
    before: u64,
    packs: Vec<PackRef>,
    /// What each generation holds.
    contents: Vec<Holding>,
    right: Seen,
}

impl Push {
    fn record(profile: Profile, variant: u64, before: u64) -> Self {
        let folder_after = |step| folder_variant(variant, step);
        let (source, target) = (SimDisk::new(Profile::Ext4), SimDisk::new(profile));
        let publisher = Publisher::init(&source).unwrap();
        for step in 1..=before {
            publisher.commit(&source, &folder_after(step)).unwrap();
            push_to(&publisher, &source, &target);
        }
        publisher.commit(&source, &folder_after(before + 1)).unwrap();
        let (source, target) = (source.settled(), target.settled());
        push_to(&publisher, &source, &target);
        let packs = Store::open(Arc::new(source.clone())).unwrap().packs().packs().to_vec();
        let contents = [before, before + 1].map(|step| holding(&folder_after(step))).into();
        Self { publisher, source, target, before, packs, contents, right: Seen::default() }
    }

    /// Returns what opens: the old state, none being one too, or the new one.
    fn opened(&self, image: &SimDisk) -> usize {
        match Store::open(Arc::new(image.clone())) {
            Ok(store) => {
                let opened = store.head().head.generation.0;
                assert!(opened == self.before + 2 || (opened == self.before + 1 && self.before > 0), "opened {opened}");
                let at = usize::from(opened == self.before + 2);
                assert!(self.publisher.restored(image) == self.contents[at]);
                at
            }
            Err(StoreError::NoStore | StoreError::Corrupt { .. }) if self.before == 0 => 0,
            Err(error) => panic!("{error}"),
        }
    }
}

impl Recorded for Push {
    fn disk(&self) -> &SimDisk {
        &self.target
    }

    fn again(&self, image: &SimDisk) -> (usize, usize) {
        let before = self.opened(image);
        push_to(&self.publisher, &self.source, image);
        (before, 1)
    }

    fn check(&self, met: &Met, promise: usize, image: &SimDisk) {
        let at = self.opened(image);
        assert!(at >= promise, "push had returned");
        met.note(if at == 1 { "new" } else { "old" });
        let whole = self.packs.iter().filter(|pack| is_whole(image, pack)).count();
        let again = push_to(&self.publisher, &self.source, image);
        assert!(again.packs_sent as usize <= self.packs.len() - whole, "{again:?}, and {whole} were whole");
        let least = image.plug_back();
        self.right.once(1, &least, || {
            assert_eq!(Store::open(Arc::new(least.clone())).unwrap().head().head.generation.0, self.before + 2);
            assert_eq!(self.publisher.verify(&least).unwrap().findings, []);
            assert!(self.publisher.restored(&least) == self.contents[1]);
        });
    }
}

fn sweep(test: &'static str, profile: Profile, before: u64) {
    let sweep = Sweep::new(test, 8);
    let count = sweep.run(|variant| Push::record(profile, variant, before));
    sweep.require(count, 20, &["old", "new"]);
}

/// Cuts the next push, too, after each cut. // U7
fn sweep_again(test: &'static str, profile: Profile) {
    let sweep = Sweep::new(test, 3);
    let count = sweep.run_again(|variant| Push::record(profile, variant, 3));
    sweep.require(count, 12, &["old", "new"]);
}

/// Onto an empty path.
mod first {
    use super::*;

    #[test]
    fn ext4() {
        sweep("push::first::ext4", Profile::Ext4, 0);
    }

    #[test]
    fn ntfs() {
        sweep("push::first::ntfs", Profile::Ntfs, 0);
    }

    #[test]
    fn exfat() {
        sweep("push::first::exfat", Profile::ExFat, 0);
    }

    #[test]
    fn fat32() {
        sweep("push::first::fat32", Profile::Fat32, 0);
    }
}

/// Onto a path that holds the commit before.
mod update {
    use super::*;

    #[test]
    fn ext4() {
        sweep("push::update::ext4", Profile::Ext4, 3);
    }

    #[test]
    fn ntfs() {
        sweep("push::update::ntfs", Profile::Ntfs, 3);
    }

    #[test]
    fn exfat() {
        sweep("push::update::exfat", Profile::ExFat, 3);
    }

    #[test]
    fn fat32() {
        sweep("push::update::fat32", Profile::Fat32, 3);
    }
}

/// An update that is cut, gone on with and cut again.
mod cut_again {
    use super::*;

    #[test]
    fn ext4() {
        sweep_again("push::cut_again::ext4", Profile::Ext4);
    }

    #[test]
    fn ntfs() {
        sweep_again("push::cut_again::ntfs", Profile::Ntfs);
    }

    #[test]
    fn exfat() {
        sweep_again("push::cut_again::exfat", Profile::ExFat);
    }

    #[test]
    fn fat32() {
        sweep_again("push::cut_again::fat32", Profile::Fat32);
    }
}
