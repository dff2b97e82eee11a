//! Chains fold to the same set whatever their shape, and stay short.

use super::*;
use crate::format::Class;

const STORE: StoreId = StoreId([7; 16]);

fn pack(number: u32) -> PackRef {
    let hash = PackHash(*blake3::hash(&number.to_le_bytes()).as_bytes());
    PackRef { hash, len_bytes: u64::from(number), class: Class::Data, set_label: 0 }
}

struct Files(HashMap<ManifestHash, Vec<u8>>);

impl Files {
    fn add(&mut self, manifest: &Manifest) -> (ManifestHash, u64) {
        let bytes = manifest.encode(STORE);
        let hash = ManifestHash(*blake3::hash(&bytes).as_bytes());
        let len = bytes.len() as u64;
        self.0.insert(hash, bytes);
        (hash, len)
    }

    fn load(&self, (hash, len): (ManifestHash, u64)) -> Result<PackSet, StoreError> {
        PackSet::load(STORE, hash, len, &mut |hash, _| {
            self.0.get(hash).cloned().ok_or_else(|| StoreError::damaged("a missing manifest"))
        })
    }
}

#[test]
fn a_hundred_generations_fold_to_the_packs_that_are_left() {
    let mut files = Files(HashMap::new());
    let mut current: Option<PackSet> = None;
    let mut expected: Vec<PackHash> = Vec::new();
    for generation in 1..=100u32 {
        let added: Vec<_> = (0..3).map(|n| pack(generation * 10 + n)).collect();
        let removed: Vec<_> = expected.iter().copied().take(usize::from(generation % 4 == 0)).collect();
        expected.retain(|hash| !removed.contains(hash));
        expected.extend(added.iter().map(|pack| pack.hash));
        let previous =
            (generation > 1).then(|| (Generation(u64::from(generation) - 1), HeadHash([generation as u8; 32])));
        let manifest = next_manifest(
            current.as_ref(),
            Change {
                generation: Generation(u64::from(generation)),
                previous,
                added,
                removed,
                key_lists: vec![],
                sealed: (Epoch(1), vec![1; 50]),
            },
        );
        let named = files.add(&manifest);
        let set = files.load(named).unwrap();
        assert_eq!(set.packs().iter().map(|pack| pack.hash).collect::<Vec<_>>(), expected);
        assert!(set.chain.len() <= MANIFEST_CHAIN_MAX as usize);
        assert_eq!(set.heads.len(), generation as usize - 1);
        current = Some(set);
    }
    let full = files.0.values().filter(|bytes| Manifest::decode(bytes, STORE).unwrap().base.is_none()).count();
    assert!((4..40).contains(&full), "{full} of 100 manifests are full");
}

#[test]
fn a_changed_or_missing_link_is_damage() {
    let mut files = Files(HashMap::new());
    let change = |generation, added| Change {
        generation: Generation(generation),
        previous: None,
        added,
        removed: vec![],
        key_lists: vec![],
        sealed: (Epoch(1), vec![]),
    };
    let first = files.add(&next_manifest(None, change(1, vec![pack(1)])));
    let set = files.load(first).unwrap();
    let second = files.add(&next_manifest(Some(&set), change(2, vec![pack(2)])));
    assert_eq!(files.load(second).unwrap().packs().len(), 2);
    let clash = files.add(&next_manifest(Some(&set), change(2, vec![pack(1)])));
    assert!(matches!(files.load(clash), Err(StoreError::Corrupt { .. })), "one pack added twice");
    files.0.get_mut(&first.0).unwrap()[40] ^= 1;
    assert!(matches!(files.load(second), Err(StoreError::Corrupt { .. })));
    files.0.remove(&first.0);
    assert!(matches!(files.load(second), Err(StoreError::Corrupt { .. })));
}
