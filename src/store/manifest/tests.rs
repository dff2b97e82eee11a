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

fn plain_change(generation: u64, added: Vec<PackRef>) -> Change {
    Change {
        generation: Generation(generation),
        previous: None,
        added,
        removed: vec![],
        condemned: vec![],
        recipes: vec![],
        key_lists: vec![],
        files: vec![],
        is_full: false,
        sealed: (Epoch(1), vec![]),
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
                sealed: (Epoch(1), vec![1; 50]),
                ..plain_change(u64::from(generation), vec![])
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
    let change = plain_change;
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

#[test]
fn files_are_carried_from_manifest_to_manifest() {
    use crate::base::FileHash;
    use crate::format::manifest::{FileKind, FileRef};
    let mut files = Files(HashMap::new());
    let mut first = next_manifest(None, plain_change(1, vec![pack(1)]));
    let file = |kind, at| FileRef { kind: FileKind(kind), len_bytes: 9, hash: FileHash([at; 32]) };
    first.files = vec![file(1, 5), file(77, 4)];
    let named = files.add(&first);
    let mut set = files.load(named).unwrap();
    let mut bases = 0;
    for generation in 2..=40 {
        // Who makes the next generation says which files it carries, whatever shape its manifest takes.
        let change = Change { files: set.top.files.clone(), ..plain_change(generation, vec![pack(generation as u32)]) };
        let next = next_manifest(Some(&set), change);
        assert_eq!(next.files, first.files, "generation {generation}");
        bases += u32::from(next.base.is_some());
        let named = files.add(&next);
        set = files.load(named).unwrap();
    }
    assert!(bases > 0 && bases < 39, "full manifests and changes both carry them");
}

#[test]
fn the_later_of_two_recipes_counts_and_one_of_a_removed_pack_goes() {
    use crate::base::RecipeHash;
    let mut files = Files(HashMap::new());
    let recipe = |number, at| RecipeRef { pack: pack(number).hash, recipe: RecipeHash([at; 32]), len_bytes: 9 };
    let sorted = |mut recipes: Vec<RecipeRef>| {
        recipes.sort_unstable_by_key(|recipe| recipe.pack);
        recipes
    };
    let mut first = next_manifest(None, plain_change(1, vec![pack(1), pack(2)]));
    first.recipes = sorted(vec![recipe(1, 1), recipe(2, 2)]);
    let named = files.add(&first);
    let mut second = next_manifest(Some(&files.load(named).unwrap()), plain_change(2, vec![pack(3)]));
    second.recipes = sorted(vec![recipe(1, 3), recipe(3, 4)]);
    assert!(second.base.is_some());
    let named = files.add(&second);
    let mut set = files.load(named).unwrap();
    assert_eq!(set.recipes, sorted(vec![recipe(1, 3), recipe(2, 2), recipe(3, 4)]));
    // The first full manifest after this takes them all over, but for the pack that it drops itself.
    for generation in 3.. {
        let mut change = plain_change(generation, vec![]);
        let mut next = next_manifest(Some(&set), plain_change(generation, vec![]));
        if next.base.is_none() {
            change.removed = vec![pack(2).hash];
            next = next_manifest(Some(&set), change);
            assert_eq!(next.recipes, sorted(vec![recipe(1, 3), recipe(3, 4)]));
            let named = files.add(&next);
            assert_eq!(files.load(named).unwrap().recipes, next.recipes);
            return;
        }
        let named = files.add(&next);
        set = files.load(named).unwrap();
    }
}

#[test]
fn a_manifest_that_is_to_lean_on_nothing_says_everything_and_forgets_recipes_of_what_went() {
    use crate::base::{RecipeHash, Timestamp};
    let mut files = Files(HashMap::new());
    let recipe = |number, at| RecipeRef { pack: pack(number).hash, recipe: RecipeHash([at; 32]), len_bytes: 9 };
    let mut first = next_manifest(None, plain_change(1, (1..=40).map(pack).collect()));
    first.recipes = vec![recipe(1, 1), recipe(2, 2)];
    first.recipes.sort_unstable_by_key(|recipe| recipe.pack);
    let named = files.add(&first);
    let set = files.load(named).unwrap();
    let gone = CondemnedPack { hash: pack(2).hash, len_bytes: 2, since: Timestamp(0) };
    let change = || Change { removed: vec![pack(2).hash], condemned: vec![gone], ..plain_change(2, vec![pack(50)]) };
    let leaning = next_manifest(Some(&set), change());
    assert!(leaning.base.is_some());
    let full = next_manifest(Some(&set), Change { is_full: true, ..change() });
    assert!(full.base.is_none() && full.removed.is_empty());
    assert_eq!(full.recipes, vec![recipe(1, 1)]);
    let named = files.add(&full);
    let packs: Vec<PackRef> = files.load(named).unwrap().packs().to_vec();
    assert_eq!(packs, (1..=40).filter(|at| *at != 2).chain([50]).map(pack).collect::<Vec<_>>());
}
