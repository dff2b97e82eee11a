//! Whatever was copied, following the recipe gives the pack.

use proptest::prelude::*;

use super::*;
use crate::base::random::{Random, SeededRandom};
use crate::disk::SimDisk;
use crate::disk::sim::Profile;
use crate::store::create_layout;

const STORE: StoreId = StoreId([7; 16]);
const KIB: usize = 1 << 10;

fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    SeededRandom::new(seed).fill(&mut bytes);
    bytes
}

fn source(name: u8) -> PackHash {
    PackHash([name; 32])
}

/// A pack of stretches: copies of sources by number, offset there and length, or new bytes.
fn assemble(sources: &[Vec<u8>], parts: &[(Option<(usize, usize)>, usize)]) -> (Vec<u8>, Vec<Copied>) {
    let (mut pack, mut copied) = (Vec::new(), Vec::new());
    for (number, (from, len)) in parts.iter().enumerate() {
        match from {
            Some((at, offset)) => {
                let piece = &sources[*at][*offset..(*offset + *len).min(sources[*at].len())];
                copied.push(Copied {
                    offset: pack.len() as u64,
                    source: source(*at as u8),
                    source_offset: *offset as u64,
                    len_bytes: piece.len() as u64,
                });
                pack.extend_from_slice(piece);
            }
            None => pack.extend_from_slice(&noise(1000 + number as u64, *len)),
        }
    }
    (pack, copied)
}

/// Follows a recipe; `own` gives what is fetched.
fn follow(recipe: &Recipe, sources: &[Vec<u8>], own: &[u8]) -> Vec<u8> {
    let mut made = Vec::new();
    for step in &recipe.steps {
        match *step {
            RecipeStep::Copy { source, offset, len_bytes } => {
                let from = usize::from(recipe.sources[source as usize].0[0]);
                made.extend_from_slice(&sources[from][offset as usize..(offset + len_bytes) as usize]);
            }
            RecipeStep::Fetch { len_bytes } => {
                let at = made.len();
                made.extend_from_slice(&own[at..at + len_bytes as usize]);
            }
        }
    }
    made
}

/// Checks what holds of every recipe: it encodes, ranges are rounded, and none is parted from the next by too little.
fn require_sound(recipe: &Recipe) {
    assert_eq!(Recipe::decode(&recipe.encode(STORE), STORE).as_ref(), Ok(recipe));
    let (mut at, mut last_end) = (0, None);
    for step in &recipe.steps {
        let end = at + step.len_bytes();
        if matches!(step, RecipeStep::Fetch { .. }) {
            assert_eq!(at % RANGE_ALIGN_BYTES, 0);
            assert!(end % RANGE_ALIGN_BYTES == 0 || end == recipe.pack_len_bytes);
            assert!(last_end.is_none_or(|last| at >= last + COPY_MIN_BYTES), "two ranges are nearly one");
            last_end = Some(end);
        }
        at = end;
    }
    assert_eq!(at, recipe.pack_len_bytes);
}

/// Checks that no step begins where an object does, but by chance.
fn require_rounded(recipe: &Recipe) {
    let mut at = 0;
    for step in &recipe.steps {
        assert_eq!(at % RANGE_ALIGN_BYTES, 0, "{:?}", recipe.steps);
        at += step.len_bytes();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_copied_and_what_is_fetched_make_the_pack(
        parts in prop::collection::vec((prop::option::of((0..3usize, 0..400 * KIB)), 1..200 * KIB), 0..12)
    ) {
        let sources: Vec<_> = (0..3).map(|seed| noise(seed, 400 * KIB)).collect();
        let (pack, copied) = assemble(&sources, &parts);
        let recipe = recipe_of(source(9), pack.len() as u64, &copied);
        require_sound(&recipe);
        require_rounded(&recipe);
        prop_assert!(follow(&recipe, &sources, &pack) == pack);
    }

    #[test]
    fn no_list_of_stretches_makes_an_unsound_recipe(
        len in 0..PACK_MAX_BYTES,
        stretches in prop::collection::vec((any::<u64>(), 0..4u8, any::<u64>(), any::<u64>(), 0..64u32), 0..40)
    ) {
        let copied: Vec<_> = stretches.into_iter().map(|(offset, name, source_offset, len_bytes, shift)| Copied {
            offset: offset >> shift,
            source: source(name),
            source_offset: source_offset >> shift,
            len_bytes: len_bytes >> shift,
        }).collect();
        let recipe = recipe_of(source(9), len, &copied);
        require_sound(&recipe);
        require_rounded(&recipe);
    }
}

#[test]
fn ranges_are_rounded_out_and_short_copies_fetched_with_them() {
    let copy = |offset: usize, source_offset: usize, len: usize| Copied {
        offset: offset as u64,
        source: source(1),
        source_offset: source_offset as u64,
        len_bytes: len as u64,
    };
    // A header, two frames that follow each other in the source, a new one, a short copy, and the index.
    let copied = [
        copy(64, 1000, 100 * KIB),
        copy(64 + 100 * KIB, 1000 + 100 * KIB, 100 * KIB),
        copy(300 * KIB, 500 * KIB, 60 * KIB),
        copy(400 * KIB, 700 * KIB, 80 * KIB),
    ];
    let recipe = recipe_of(source(9), 500 * KIB as u64 + 1, &copied);
    let fetch = |len: usize| RecipeStep::Fetch { len_bytes: len as u64 };
    let from = |offset: usize, len: usize| RecipeStep::Copy { source: 0, offset: offset as u64, len_bytes: len as u64 };
    let expected = [
        fetch(4 * KIB),
        from(1000 + 4 * KIB - 64, 196 * KIB),
        fetch(200 * KIB),
        from(700 * KIB, 80 * KIB),
        fetch(20 * KIB + 1),
    ];
    assert_eq!(recipe.steps, expected);
    assert_eq!((recipe.sources.len(), copied_bytes(&recipe)), (1, 276 * KIB as u64));
    assert_eq!(recipe_of(source(9), 0, &[]).steps, []);
}

#[test]
fn a_joint_of_two_stretches_is_fetched_by_a_recipe_and_no_matter_to_who_follows_it() {
    let copy = |name: u8, offset: usize, source_offset: usize, len: usize| Copied {
        offset: offset as u64,
        source: source(name),
        source_offset: source_offset as u64,
        len_bytes: len as u64,
    };
    let fetch = |len: usize| RecipeStep::Fetch { len_bytes: len as u64 };
    let from = |source: u32, offset: usize, len: usize| RecipeStep::Copy {
        source,
        offset: offset as u64,
        len_bytes: len as u64,
    };
    // Two places of one source, another source, and a joint that lies at a rounded place already.
    let copied = [
        copy(1, 0, 7, 100 * KIB + 5),
        copy(1, 100 * KIB + 5, 9, 200 * KIB - 5),
        copy(2, 300 * KIB, 500, 100 * KIB),
        copy(1, 400 * KIB, 3, 10 * KIB),
    ];
    let len = 410 * KIB as u64;
    let expected = [
        from(0, 7, 100 * KIB),
        fetch(4 * KIB),
        from(0, 9 + 4 * KIB - 5, 192 * KIB),
        fetch(4 * KIB),
        from(1, 500, 96 * KIB),
        fetch(4 * KIB),
        from(0, 3, 10 * KIB),
    ];
    assert_eq!(recipe_of(source(9), len, &copied).steps, expected);
    assert_eq!(copied_bytes(&recipe_with(source(9), len, &copied, COPY_MIN_BYTES)), len, "nothing is fetched");
    assert_eq!(recipe_of(source(9), 8, &[copy(1, 0, 0, 3), copy(2, 3, 9, 5)]).steps, [fetch(8)], "both are short");
    assert_eq!(recipe_of(source(9), 2, &[copy(1, 0, 0, 1), copy(2, 1, 9, 1)]).steps, [fetch(2)]);
}

#[test]
fn a_recipe_is_read_back_and_never_takes_the_name_of_another_file() {
    let disk = SimDisk::new(Profile::Fat32);
    create_layout(&disk).unwrap();
    let recipe = recipe_of(source(9), 1 << 20, &[]);
    let listed = write_recipe(&disk, STORE, recipe.clone()).unwrap();
    assert_eq!(read_recipe(&disk, STORE, &listed).unwrap(), Some(recipe.clone()));
    assert_eq!(write_recipe(&disk, STORE, recipe.clone()).unwrap(), listed, "the same bytes have the same name");
    // What a cut left is replaced.
    let path = layout::recipe(&listed.recipe);
    assert!(disk.corrupt(path.as_str(), |bytes| bytes[40] ^= 1));
    assert!(matches!(read_recipe(&disk, STORE, &listed), Err(StoreError::Corrupt { .. })));
    write_recipe(&disk, STORE, recipe.clone()).unwrap();
    assert_eq!(read_recipe(&disk, STORE, &listed).unwrap(), Some(recipe));
    // It is believed for the pack that it was listed for alone.
    let other = RecipeRef { pack: source(8), ..listed };
    assert!(matches!(read_recipe(&disk, STORE, &other), Err(StoreError::Corrupt { .. })));
    disk.remove(&path).unwrap();
    assert_eq!(read_recipe(&disk, STORE, &listed).unwrap(), None);
    // Two hashes that begin alike: the first whole file stays.
    let bytes = b"a whole file".to_vec();
    let hash = RecipeHash(*blake3::hash(&bytes).as_bytes());
    let mut alike = hash;
    alike.0[31] ^= 1;
    assert!(keep_recipe(&disk, &hash, &bytes).unwrap());
    assert!(!keep_recipe(&disk, &alike, b"another").unwrap());
    assert_eq!(disk.content(layout::recipe(&hash).as_str()), Some(bytes));
}
