//! Each state of a pack has its place in a plan.

use super::*;
use crate::format::Class;

fn pack(name: u8, len_bytes: u64) -> PackRef {
    PackRef { hash: PackHash([name; 32]), len_bytes, class: Class::Data, set_label: 0 }
}

// U5
#[test]
fn each_state_of_a_pack_has_its_place() {
    let target = [pack(1, 5 * MIB), pack(2, 5 * MIB), pack(3, 5 * MIB), pack(4, 5 * MIB), pack(5, 5 * MIB)];
    let half = 2 * MIB + 7;
    let states = [
        PackState::FullLength,
        PackState::FullLength,
        PackState::Partial(half),
        PackState::Missing,
        PackState::Foreign,
    ];
    let plan = plan(&target, &states, &|hash| hash.0[0] == 1);
    assert_eq!(plan.present, [target[0]]);
    assert_eq!(plan.check, [target[1]]);
    let wanted =
        |at: usize, resume_from_bytes, standing_bytes| Wanted { pack: target[at], resume_from_bytes, standing_bytes };
    assert_eq!(plan.fetch, [wanted(2, 2 * MIB, half), wanted(3, 0, 0), wanted(4, 0, 0)]);
    assert_eq!(plan.fetch_bytes(), 13 * MIB);
    assert_eq!(plan.needed_bytes(), 15 * MIB - half);
    assert_eq!(plan.reused_bytes(), 7 * MIB);
}

#[test]
fn a_check_moves_a_pack_to_where_it_belongs() {
    let target = [pack(1, MIB), pack(2, MIB)];
    let mut plan = plan(&target, &[PackState::FullLength; 2], &|_| false);
    plan.checked(target[0], true);
    plan.checked(target[1], false);
    assert!(plan.check.is_empty());
    assert_eq!(plan.present, [target[0]]);
    assert_eq!((plan.fetch.len(), plan.fetch_bytes(), plan.needed_bytes()), (1, MIB, 0));
}

#[test]
fn what_is_short_is_never_trusted() {
    let target = [pack(1, MIB)];
    let plan = plan(&target, &[PackState::Partial(MIB - 1)], &|_| true);
    assert_eq!((plan.fetch.len(), plan.fetch[0].resume_from_bytes), (1, 0));
}
