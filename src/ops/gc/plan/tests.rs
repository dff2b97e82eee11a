//! What is planned for stores of all shapes.

use proptest::prelude::*;

use super::*;

const POLICY: Policy = Policy {
    mostly_dead_percent: 50,
    dead_percent_max: 10,
    pack_dead_percent_min: 20,
    small_bytes: 100,
    small_packs_max: 3,
    copied_bytes_max: 5000,
    copied_objects_max: 1000,
};

fn found(number: u32, frame_bytes: u64, live_bytes: u64) -> PackUse {
    let hash = PackHash(*blake3::hash(&number.to_le_bytes()).as_bytes());
    let pack = PackRef { hash, len_bytes: frame_bytes + 64, class: Class::Data, set_label: 0 };
    PackUse { pack, frame_bytes, live_bytes, live_objects: live_bytes.min(1), unknown: false }
}

fn hashes(packs: &[PackRef]) -> Vec<PackHash> {
    packs.iter().map(|pack| pack.hash).collect()
}

#[test]
fn what_lives_in_nothing_is_dropped_and_what_mostly_lives_stays() {
    let uses = [found(1, 1000, 0), found(2, 1000, 1000), found(3, 1000, 950)];
    let plan = plan(&uses, &POLICY);
    assert_eq!(hashes(&plan.drop), [uses[0].pack.hash]);
    assert_eq!((plan.repack.len(), plan.copied_bytes, plan.live_bytes, plan.dead_bytes_left), (0, 0, 1950, 50));
}

#[test]
fn mostly_dead_packs_are_made_anew_in_the_order_of_the_manifest() {
    let uses = [found(1, 1000, 400), found(2, 9000, 9000), found(3, 1000, 100)];
    let plan = plan(&uses, &POLICY);
    assert_eq!(hashes(&plan.repack), [uses[0].pack.hash, uses[2].pack.hash]);
    assert_eq!((plan.copied_bytes, plan.dead_bytes_left, plan.postponed), (500, 0, 0));
}

#[test]
fn the_deadest_go_until_a_tenth_of_all_is_dead() {
    // 670 of 3000 bytes are dead; without the first pack's 12 % of the store are left, without the second's 4 %.
    let uses = [found(1, 1000, 700), found(2, 1000, 750), found(3, 1000, 880)];
    let plan = plan(&uses, &POLICY);
    assert_eq!(hashes(&plan.repack), [uses[0].pack.hash, uses[1].pack.hash]);
    assert_eq!(plan.dead_bytes_left, 120);
    // A pack of which little is dead is not worth copying, however much is dead in all.
    let uses: Vec<_> = (0..20).map(|number| found(number, 1000, 850)).collect();
    assert!(super::plan(&uses, &POLICY).is_empty());
}

#[test]
fn one_generation_copies_so_much_and_no_more() {
    let uses: Vec<_> = (0..20).map(|number| found(number, 2000, 900)).collect();
    let plan = plan(&uses, &POLICY);
    assert_eq!((plan.repack.len(), plan.copied_bytes, plan.postponed), (5, 4500, 15));
    let many =
        [PackUse { live_objects: 900, ..found(1, 1000, 10) }, PackUse { live_objects: 101, ..found(2, 1000, 10) }];
    let plan = super::plan(&many, &POLICY);
    assert_eq!((plan.repack.len(), plan.postponed), (1, 1));
}

#[test]
fn small_packs_are_joined_once_they_are_many() {
    let small = |count: u32| (0..count).map(|number| found(number, 30, 30)).collect::<Vec<_>>();
    assert!(plan(&small(3), &POLICY).is_empty());
    assert_eq!(plan(&small(4), &POLICY).repack.len(), 4);
    let mut mixed = small(4);
    mixed[0].pack.class = Class::Meta;
    assert!(plan(&mixed, &POLICY).is_empty(), "three of one class and one of the other");
}

#[test]
fn what_nobody_can_look_into_stays() {
    let uses = [PackUse { unknown: true, ..found(1, 0, 0) }, PackUse { unknown: true, ..found(2, 1000, 10) }];
    assert!(plan(&uses, &POLICY).is_empty());
}

#[test]
fn an_object_of_no_length_keeps_its_pack() {
    // Sealing adds to every object, so this cannot be; if it were, the object would count.
    let uses = [PackUse { live_objects: 1, ..found(1, 0, 0) }];
    assert!(plan(&uses, &POLICY).is_empty());
}

fn any_use() -> impl Strategy<Value = PackUse> {
    (any::<u32>(), 0u64..3000, 0u64..=100, any::<bool>(), prop::bool::weighted(0.1)).prop_map(
        |(number, frame_bytes, percent, is_meta, unknown)| {
            let mut found = found(number, frame_bytes, frame_bytes * percent / 100);
            found.pack.class = if is_meta { Class::Meta } else { Class::Data };
            PackUse { unknown, ..found }
        },
    )
}

proptest! {
    #[test]
    fn whatever_stands_there_what_lives_is_kept_or_copied(uses in prop::collection::vec(any_use(), 0..60)) {
        let plan = plan(&uses, &POLICY);
        for found in &uses {
            let (dropped, copied) = (plan.drop.contains(&found.pack), plan.repack.contains(&found.pack));
            prop_assert!(!(dropped && copied));
            prop_assert!(!dropped || found.live_bytes == 0);
            prop_assert!(!found.unknown || !(dropped || copied));
        }
        let copied: u64 = uses.iter().filter(|found| plan.repack.contains(&found.pack)).map(|found| found.live_bytes).sum();
        prop_assert!(plan.copied_bytes <= POLICY.copied_bytes_max);
        prop_assert_eq!(copied, plan.copied_bytes);
        prop_assert_eq!(super::plan(&uses, &POLICY), plan, "the same twice");
    }
}
