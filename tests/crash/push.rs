//! `push` to a path: what lies there opens as the old or the new state, and the next push completes and sends no pack again.

use std::sync::Arc;

use chunkstore::disk::sim::Profile;
use chunkstore::disk::{Disk, SimDisk};
use chunkstore::ops::host_state::HostState;
use chunkstore::ops::push::{PushRequest, Pushed, push};
use chunkstore::path_remote::PathRemote;
use chunkstore::remote::Remote;
use chunkstore::store::pack::pack_is_whole;
use chunkstore::store::{Store, StoreError};

use crate::publisher::{Publisher, folder_after, holding};
use crate::story::OneByOne;
use crate::sweep::{Cut, Met, Sweep};

fn push_to(publisher: &Publisher, source: &SimDisk, target: &SimDisk) -> Pushed {
    let (source, target): (Arc<dyn Disk>, Arc<dyn Disk>) = (Arc::new(source.clone()), Arc::new(target.clone()));
    let remote: Arc<dyn Remote> = Arc::new(OneByOne(PathRemote::new(target, "/mirror".into())));
    push(&source, &remote, &PushRequest { renew: None }, &mut HostState::default(), publisher.run()).unwrap()
}

/// Records a push onto a path that holds the first `before` commits; none is an empty directory.
fn sweep(test: &'static str, profile: Profile, before: u64) {
    let (sweep, met) = (Sweep::new(test, 8), Met::default());
    let (source, target) = (SimDisk::new(Profile::Ext4), SimDisk::new(profile));
    let publisher = Publisher::init(&source).unwrap();
    for step in 1..=before {
        publisher.commit(&source, &folder_after(step)).unwrap();
        push_to(&publisher, &source, &target);
    }
    publisher.commit(&source, &folder_after(before + 1)).unwrap();
    let (source, target, new) = (source.settled(), target.settled(), before + 2);
    push_to(&publisher, &source, &target);
    let packs = Store::open(Arc::new(source.clone())).unwrap().packs().packs().to_vec();
    let check = |cut: &Cut, image: &SimDisk| {
        let returned = cut.at_op == target.op_count();
        match Store::open(Arc::new(image.clone())) {
            Ok(store) => {
                let opened = store.head().head.generation.0;
                assert!(opened == new || (opened == before + 1 && before > 0 && !returned), "opened {opened}");
                met.note(if opened == new { "new" } else { "old" });
                assert!(publisher.restored(image) == holding(&folder_after(opened - 1)));
            }
            Err(StoreError::NoStore | StoreError::Corrupt { .. }) if before == 0 && !returned => met.note("old"),
            Err(error) => panic!("{error}"),
        }
        let whole = packs.iter().filter(|pack| pack_is_whole(image, pack, &mut |_| {}).unwrap()).count();
        let again = push_to(&publisher, &source, image);
        assert!(again.packs_sent as usize <= packs.len() - whole, "{again:?}, and {whole} were whole");
        let least = image.plug_back();
        assert_eq!(Store::open(Arc::new(least.clone())).unwrap().head().head.generation.0, new);
        assert_eq!(publisher.verify(&least).unwrap().findings, []);
        assert!(publisher.restored(&least) == holding(&folder_after(before + 1)));
    };
    let count = sweep.run(&target, 0, check);
    met.require(&sweep, &["old", "new"]);
    sweep.require(count, 60);
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
