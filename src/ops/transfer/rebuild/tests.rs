//! Ways lead through several recipes, and no recipe leads astray.

use super::*;
use crate::base::units::{KIB, MIB};
use crate::disk::SimDisk;
use crate::disk::sim::Profile;
use crate::format::Class;
use crate::format::manifest::PackRef;
use crate::store::create_layout;
use crate::store::recipe::write_recipe;

const STORE: StoreId = StoreId([7; 16]);

fn name(number: u8) -> PackHash {
    PackHash([number; 32])
}

fn wanted(number: u8, len_bytes: u64) -> Wanted {
    let pack = PackRef { hash: name(number), len_bytes, class: Class::Data, set_label: 0 };
    Wanted { pack, resume_from_bytes: 0, standing_bytes: 0 }
}

/// Recipes by hand: each pack's number and steps as source, offset and length, or nothing and a length to fetch.
struct Scene {
    disk: SimDisk,
    recipes: Recipes,
}

impl Scene {
    fn new(here: &[(u8, u64)]) -> Self {
        let disk = SimDisk::new(Profile::Ext4);
        create_layout(&disk).unwrap();
        let here = here.iter().map(|(number, len_bytes)| (name(*number), *len_bytes)).collect();
        Self { disk, recipes: Recipes { here, ..Recipes::none(STORE) } }
    }

    fn add(&mut self, pack: u8, steps: &[(Option<(u8, u64)>, u64)]) {
        let mut sources: Vec<PackHash> =
            steps.iter().filter_map(|(from, _)| from.map(|(pack, _)| name(pack))).collect();
        sources.sort_unstable();
        sources.dedup();
        let step = |(from, len_bytes): &(Option<(u8, u64)>, u64)| match *from {
            Some((pack, offset)) => {
                let source = sources.iter().position(|source| *source == name(pack)).unwrap() as u32;
                RecipeStep::Copy { source, offset, len_bytes: *len_bytes }
            }
            None => RecipeStep::Fetch { len_bytes: *len_bytes },
        };
        let (steps, pack_len_bytes) = (steps.iter().map(step).collect(), steps.iter().map(|(_, len)| len).sum());
        let recipe = Recipe { clash_counter: 0, pack: name(pack), pack_len_bytes, sources, steps };
        let listed = write_recipe(&self.disk, STORE, recipe).unwrap();
        self.recipes.usable.insert(name(pack), listed);
    }

    fn way(&self, pack: u8, len_bytes: u64) -> Option<Way> {
        self.recipes.way_to(&self.disk, &wanted(pack, len_bytes))
    }
}

#[test]
fn a_way_leads_through_the_recipes_of_packs_that_are_not_here() {
    let mut scene = Scene::new(&[(1, 3 * MIB), (2, MIB)]);
    // 4 was made of 1 and new bytes; 9 of 4, of 2, and of 5, of which nothing is known.
    scene.add(4, &[(None, MIB), (Some((1, 7)), 2 * MIB)]);
    scene.add(9, &[(None, MIB), (Some((4, 512 * KIB)), 2 * MIB), (Some((2, 0)), MIB), (Some((5, 0)), MIB)]);
    let way = scene.way(9, 5 * MIB).unwrap();
    let half = 512 * KIB;
    assert_eq!(way.at(0), Some((None, MIB + half)), "new bytes, and those that were new in 4");
    assert_eq!(way.at(MIB), Some((None, half)));
    assert_eq!(way.at(MIB + half), Some((Some((name(1), 7)), MIB + half)));
    assert_eq!(way.at(2 * MIB), Some((Some((name(1), 7 + half)), MIB)));
    assert_eq!(way.at(3 * MIB), Some((Some((name(2), 0)), MIB)));
    assert_eq!((way.at(4 * MIB), way.at(5 * MIB)), (Some((None, MIB)), None));
    assert!(scene.way(4, 3 * MIB).is_some() && scene.way(5, MIB).is_none());
}

#[test]
fn a_way_that_spares_too_little_is_none() {
    let mut scene = Scene::new(&[(1, MIB)]);
    scene.add(9, &[(None, MIB), (Some((1, 0)), 60 * KIB)]);
    assert!(scene.way(9, MIB + 60 * KIB).is_none());
    // More of a source than it has.
    scene.add(8, &[(None, MIB), (Some((1, MIB)), MIB)]);
    assert!(scene.way(8, 2 * MIB).is_none());
    // A copy between ranges that is shorter than those that a recipe lists.
    scene.add(7, &[(None, MIB), (Some((1, 0)), 60 * KIB), (None, MIB), (Some((1, 300 * KIB)), 64 * KIB), (None, MIB)]);
    let way = scene.way(7, 3 * MIB + 124 * KIB).unwrap();
    assert_eq!(way.at(0), Some((None, 2 * MIB + 60 * KIB)));
    assert_eq!(way.at(2 * MIB + 60 * KIB), Some((Some((name(1), 300 * KIB)), 64 * KIB)));
}

#[test]
fn recipes_that_lead_in_circles_or_without_end_end() {
    let mut scene = Scene::new(&[(1, 64 * MIB)]);
    scene.add(4, &[(Some((5, 0)), MIB)]);
    scene.add(5, &[(Some((4, 0)), MIB)]);
    scene.add(6, &[(Some((6, 0)), MIB)]);
    assert!(scene.way(4, MIB).is_none() && scene.way(6, MIB).is_none());
    // One generation more than is gone through.
    let generations = DEPTH_MAX as u8;
    for generation in 10..10 + generations {
        scene.add(generation + 1, &[(Some((generation, 0)), MIB)]);
    }
    scene.add(10, &[(Some((1, 0)), MIB)]);
    assert!(scene.way(10 + generations - 1, MIB).is_some());
    assert!(scene.way(10 + generations, MIB).is_none());
    // Each step of one is a thousand of the next: what is looked at is bounded, and so is what is made of it.
    scene.add(40, &vec![(Some((41, 0)), 8 * KIB); 8 * 1024]);
    scene.add(41, &vec![(Some((42, 0)), 1); 8 * 1024]);
    scene.add(42, &[(Some((1, 5)), 1)]);
    assert!(scene.way(40, 64 * MIB).is_none_or(|way| way.starts.len() <= STEPS_MAX));
}

#[test]
fn a_recipe_that_does_not_read_any_more_is_no_way() {
    let mut scene = Scene::new(&[(1, MIB)]);
    scene.add(9, &[(Some((1, 0)), MIB)]);
    assert!(scene.way(9, MIB).is_some());
    let path = layout::recipe(&scene.recipes.usable[&name(9)].recipe);
    assert!(scene.disk.corrupt(path.as_str(), |bytes| bytes[60] ^= 1));
    assert!(scene.way(9, MIB).is_none());
}
