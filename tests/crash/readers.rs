//! Readers that come and go: wherever that is cut, the store opens with the readers of before or of after, each of whom reads
//! all, and whoever was revoked opens nothing of the new epoch.

use std::sync::Arc;

use chunkstore::crypto::wrap::Identity;
use chunkstore::disk::sim::Profile;
use chunkstore::disk::{Disk, SimDisk};
use chunkstore::format::keylist::KeyRole;
use chunkstore::ops::readers::{add, list, revoke, rotate};
use chunkstore::ops::rekey::NewHolder;
use chunkstore::ops::verify::ProblemKind;
use chunkstore::store::{Store, StoreError};

use crate::publisher::{Holding, Publisher, folder_variant};
use crate::sweep::{Met, Recorded, Seen, Sweep};

/// Who reads after each step, by name; the publisher's own reader is called so.
const READERS: [&[&str]; 4] =
    [&["publisher"], &["ada", "grace", "publisher"], &["grace", "publisher"], &["grace", "publisher"]];
/// The epoch after each step.
const EPOCHS: [u32; 4] = [1, 1, 2, 3];

/// Several changes in a row on one disk.
struct Changing {
    publisher: Publisher,
    disk: SimDisk,
    ada: Identity,
    grace: Identity,
    /// How many operations had been done when each change returned, from the start on.
    ends: Vec<usize>,
    generation: u64,
    content: Holding,
    /// States that were found right after the next change.
    right: Seen,
}

impl Changing {
    fn record(profile: Profile, variant: u64) -> Self {
        let disk = SimDisk::new(profile);
        let publisher = Publisher::init(&disk).unwrap();
        publisher.commit(&disk, &folder_variant(variant, 1)).unwrap();
        let disk = disk.settled();
        let (generation, content) = (open(&disk).head().head.generation.0, publisher.restored(&disk));
        let (ada, grace, right) = (Identity::generate(), Identity::generate(), Seen::default());
        let ends = vec![disk.op_count()];
        let mut changing = Self { publisher, disk, ada, grace, ends, generation, content, right };
        for step in 1..READERS.len() {
            changing.step(&changing.disk, step);
            changing.ends.push(changing.disk.op_count());
        }
        changing
    }

    /// Takes one step.
    fn step(&self, disk: &SimDisk, step: usize) {
        let (disk, writer, run): (Arc<dyn Disk>, _, _) =
            (Arc::new(disk.clone()), &self.publisher.writer, self.publisher.run());
        let people = [("ada", &self.ada), ("grace", &self.grace)];
        let readers = people.map(|(name, identity)| NewHolder {
            role: KeyRole::Reader,
            recipient: identity.recipient(),
            identity: Vec::new(),
            name: name.to_owned(),
            note: String::new(),
        });
        let done = match step {
            1 => add(&disk, writer, readers.to_vec(), None, run),
            2 => revoke(&disk, writer, &["ada".to_owned()], None, run),
            _ => rotate(&disk, writer, None, run),
        };
        assert_eq!(done.unwrap().generation.0, self.generation + step as u64);
    }

    /// Returns after how many steps the state is the one that opens, and checks who reads it.
    fn opened(&self, image: &SimDisk) -> usize {
        let store = open(image);
        let at = usize::try_from(store.head().head.generation.0 - self.generation).unwrap();
        // What a step that was cut left behind has a number that is not given again.
        let (epoch, least) = (store.head().head.epoch.0, EPOCHS[at]);
        assert!((least..least + 3).contains(&epoch), "epoch {epoch} after {at} steps");
        let disk: Arc<dyn Disk> = Arc::new(image.clone());
        let listed = list(&disk, &self.publisher.writer, KeyRole::Reader).unwrap();
        let names: Vec<&str> =
            listed.iter().filter(|holder| holder.until.is_none()).map(|holder| holder.name.as_str()).collect();
        assert_eq!(names, READERS[at], "who reads after {at} steps");
        for (name, identity) in [("ada", &self.ada), ("grace", &self.grace)] {
            match store.unlock(std::slice::from_ref(identity)) {
                Ok(_) => assert!(READERS[at].contains(&name), "{name} reads after {at} steps"),
                Err(StoreError::NoIdentity) => assert!(!READERS[at].contains(&name), "{name} does not read"),
                Err(error) => panic!("{error}"),
            }
        }
        at
    }
}

fn open(disk: &SimDisk) -> Store {
    Store::open(Arc::new(disk.clone())).unwrap()
}

impl Recorded for Changing {
    fn disk(&self) -> &SimDisk {
        &self.disk
    }

    fn first_op(&self) -> usize {
        self.ends[0]
    }

    fn promised(&self, at_op: usize) -> usize {
        self.ends.iter().rposition(|end| *end <= at_op).unwrap_or(0)
    }

    fn again(&self, image: &SimDisk) -> (usize, usize) {
        let at = self.opened(image);
        let next = (at + 1).min(READERS.len() - 1);
        if next > at {
            self.step(image, next);
        }
        (at, next)
    }

    // U7 U21
    fn check(&self, met: &Met, acked: usize, image: &SimDisk) {
        let at = self.opened(image);
        assert!(at == acked || at == acked + 1, "opened after {at} steps, and {acked} had returned");
        met.note(if at == acked { "old" } else { "new" });
        let findings = self.publisher.verify(image).unwrap().findings;
        let head_only = findings.iter().all(|found| found.kind == ProblemKind::Head && found.file == "HEAD");
        assert!(head_only, "{findings:?}");
        assert!(self.publisher.restored(image) == self.content, "the newest snapshot");
        let (_, next) = self.again(image);
        if next == at {
            return;
        }
        // The step has returned, so even if nothing more persists its state opens.
        let least = image.plug_back();
        self.right.once(next as u64, &least, || {
            assert_eq!(self.opened(&least), next);
            assert_eq!(self.publisher.verify(&least).unwrap().findings, []);
            assert!(self.publisher.restored(&least) == self.content, "the newest snapshot after the next step");
        });
    }
}

fn sweep(test: &'static str, profile: Profile) {
    let sweep = Sweep::new(test, 6);
    let count = sweep.run(|variant| Changing::record(profile, variant));
    sweep.require(count, 30, &["old", "new"]);
}

/// Cuts the next step, too, after each cut.
fn sweep_again(test: &'static str, profile: Profile) {
    let sweep = Sweep::new(test, 2);
    let count = sweep.run_again(|variant| Changing::record(profile, variant));
    sweep.require(count, 15, &["old", "new"]);
}

/// Three changes in a row.
mod in_a_row {
    use super::*;

    #[test]
    fn ext4() {
        sweep("readers::in_a_row::ext4", Profile::Ext4);
    }

    #[test]
    fn ntfs() {
        sweep("readers::in_a_row::ntfs", Profile::Ntfs);
    }

    #[test]
    fn exfat() {
        sweep("readers::in_a_row::exfat", Profile::ExFat);
    }

    #[test]
    fn fat32() {
        sweep("readers::in_a_row::fat32", Profile::Fat32);
    }
}

/// A change that is cut, followed by the next one, which is cut, too.
mod cut_again {
    use super::*;

    #[test]
    fn ext4() {
        sweep_again("readers::cut_again::ext4", Profile::Ext4);
    }

    #[test]
    fn fat32() {
        sweep_again("readers::cut_again::fat32", Profile::Fat32);
    }
}
