//! A small store of the maker is sound, and gc leaves it so.

use chunkstore::format::manifest::PackRef;
use chunkstore::ops::gc::{Collected, GcRequest, gc};
use chunkstore::ops::local_keys::KeyDir;
use chunkstore::ops::verify::{VerifyRequest, verify};
use chunkstore::store::Store;

use super::*;

const SMALL: Sizes = Sizes { objects: 24_000, packs: 240, chunk_bytes: 40, weeks: 6, kept: 2, seed: 7 };

struct Made {
    dir: tempfile::TempDir,
    disk: Arc<dyn Disk>,
}

impl Made {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        make(&dir.path().join("store"), &dir.path().join("keys"), &SMALL).unwrap();
        let disk = Arc::new(OsDisk::create(&dir.path().join("store")).unwrap());
        Self { dir, disk }
    }

    fn store(&self) -> Store {
        Store::open(Arc::clone(&self.disk)).unwrap()
    }

    fn packs(&self) -> Vec<PackRef> {
        self.store().packs().packs().to_vec()
    }

    fn gc(&self) -> Collected {
        let writer = writer_key(&self.dir.path().join("keys"), self.store().id()).unwrap();
        let request = GcRequest { writer: Some(&writer), grace_secs: Some(0), ..GcRequest::default() };
        gc(&self.disk, &request, run()).unwrap()
    }

    /// Opens everything that the kept snapshots hold; returns how many objects that are.
    fn check(&self) -> u64 {
        let keys = KeyDir::new(&self.dir.path().join("keys"), self.store().id());
        let identities = keys.load_reader(&|_| panic!("no passphrase is asked for")).unwrap();
        let request = VerifyRequest { identities: &identities, read_data: true, ..VerifyRequest::default() };
        let report = verify(Arc::clone(&self.disk), &request, run()).unwrap();
        assert!(report.inner && report.findings.is_empty(), "{:?}", report.findings);
        report.objects
    }
}

#[test]
fn a_made_store_is_sound_before_and_after_gc() {
    let made = Made::new();
    let objects = made.check();
    assert!((12_000..24_000).contains(&objects), "of 24,000 objects {objects} live");
    let packs = made.packs().len();
    assert!((240..300).contains(&packs), "{packs} packs");
    let done = made.gc();
    let changes = done.packs.unwrap();
    assert!(!changes.dropped.is_empty() && !changes.repacked.is_empty() && done.removed_bytes > 0, "{changes:?}");
    assert!(made.packs().len() < packs);
    assert_eq!(made.check(), objects);
}
