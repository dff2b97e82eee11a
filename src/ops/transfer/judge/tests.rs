//! Every case of the table of verdicts, and of descent.

use super::*;

fn shown(generation: u64, head: u8) -> Shown {
    Shown { generation: Generation(generation), head: HeadHash([head; 32]) }
}

fn heads(list: &[(u64, u8)]) -> BTreeMap<Generation, HeadHash> {
    list.iter().map(|&(generation, head)| (Generation(generation), HeadHash([head; 32]))).collect()
}

// U18
#[test]
fn every_case_of_the_table() {
    use Verdict::*;
    let my_heads = heads(&[(3, 3), (4, 4)]);
    // remote, shown before, is recorded, newer elsewhere, verdict
    let table = [
        (shown(5, 5), None, true, false, UpToDate),
        (shown(5, 5), Some(shown(5, 5)), true, false, UpToDate),
        (shown(5, 9), None, true, false, Fork),
        (shown(5, 9), None, false, true, Fork),
        (shown(6, 6), None, true, false, Newer),
        (shown(6, 6), Some(shown(5, 5)), true, false, Newer),
        (shown(6, 6), Some(shown(6, 6)), true, false, Newer),
        (shown(6, 7), Some(shown(6, 6)), true, false, Fork),
        (shown(6, 6), Some(shown(7, 7)), false, false, RolledBack),
        (shown(5, 5), Some(shown(6, 6)), false, false, RolledBack),
        (shown(4, 4), Some(shown(5, 5)), false, true, RolledBack),
        (shown(4, 4), Some(shown(4, 4)), true, false, Lagging),
        (shown(4, 4), None, false, false, Lagging),
        (shown(4, 4), None, true, false, RolledBack),
        (shown(4, 4), None, true, true, Lagging),
        (shown(4, 8), None, false, true, Fork),
        (shown(4, 8), Some(shown(3, 3)), false, false, Fork),
        (shown(1, 1), None, false, false, Lagging),
    ];
    for (remote, shown_before, is_recorded, newer_elsewhere, verdict) in table {
        let known = Known { mine: shown(5, 5), my_heads: &my_heads, shown_before, is_recorded, newer_elsewhere };
        assert_eq!(judge(&known, remote), verdict, "{remote:?} {shown_before:?} {is_recorded} {newer_elsewhere}");
    }
}

#[test]
fn descent_is_proven_refuted_or_forgotten() {
    let listed = heads(&[(10, 10), (11, 11)]);
    assert_eq!(descent(shown(11, 11), &listed), Descent::Proven);
    assert_eq!(descent(shown(11, 12), &listed), Descent::Refuted);
    assert_eq!(descent(shown(12, 12), &listed), Descent::Refuted);
    assert_eq!(descent(shown(9, 9), &listed), Descent::Forgotten);
    assert_eq!(descent(shown(1, 1), &heads(&[])), Descent::Refuted);
}
