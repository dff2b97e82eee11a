//! Every case of the table of verdicts, and of descent.

use super::*;
use crate::base::{StoreId, Timestamp};
use crate::format::trust::Writer;

fn ranked(trust_version: u32, generation: u64, head: u8, writer: u8) -> Shown {
    let rank = Rank { trust_version, generation: Generation(generation) };
    Shown { rank, head: HeadHash([head; 32]), writer: Some(PublicKey([writer; 32])) }
}

fn shown(generation: u64, head: u8) -> Shown {
    ranked(1, generation, head, 1)
}

/// A trust file that nobody has to sign, since judging reads it alone.
fn trust(version: u32, writers: &[u8]) -> Trust {
    Trust {
        store: StoreId([7; 16]),
        version,
        previous: None,
        time: Timestamp(0),
        expires: Timestamp(1),
        floor: Generation(0),
        threshold: 1,
        roots: vec![],
        writers: writers.iter().map(|key| Writer { key: PublicKey([*key; 32]), recipient: String::new() }).collect(),
    }
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
        let judged = judge(&known, remote, &trust(1, &[1]));
        assert_eq!(judged, verdict, "{remote:?} {shown_before:?} {is_recorded} {newer_elsewhere}");
    }
}

// U18
#[test]
fn every_case_of_a_changed_trust() {
    use Verdict::*;
    let my_heads = heads(&[(3, 3), (4, 4)]);
    let unnamed = Shown { writer: None, ..ranked(1, u64::MAX, 66, 1) };
    let stolen = ranked(1, u64::MAX, 66, 1);
    // mine, remote, writers of the trust file that it names, shown before, verdict
    let table = [
        // The writer of mine was removed: generations count for nothing, whatever this remote showed of that writer.
        (stolen, ranked(2, 6, 6, 2), &[2][..], None, Recovered),
        (stolen, ranked(2, 6, 6, 2), &[2][..], Some(stolen), Recovered),
        (shown(5, 5), ranked(2, 5, 6, 2), &[2][..], None, Recovered),
        (shown(5, 5), ranked(2, 6, 6, 2), &[2][..], Some(shown(5, 5)), Recovered),
        (shown(5, 5), ranked(3, 1, 6, 2), &[2][..], Some(shown(5, 5)), Recovered),
        // It still stands: the usual rules hold.
        (stolen, ranked(2, 6, 6, 2), &[1, 2][..], None, Lagging),
        (stolen, ranked(2, 6, 6, 2), &[1, 2][..], Some(stolen), RolledBack),
        (shown(5, 5), ranked(2, 5, 6, 2), &[1, 2][..], None, Fork),
        (shown(5, 5), ranked(2, 6, 6, 2), &[1, 2][..], None, Newer),
        // The same trust file removes nobody, even where somebody signed who is not in it.
        (ranked(2, 9, 9, 1), ranked(2, 6, 6, 2), &[2][..], None, Lagging),
        // What this remote showed came from a removed writer, and mine did not.
        (ranked(1, 5, 5, 2), ranked(2, 6, 6, 2), &[2][..], Some(stolen), Newer),
        (ranked(1, 5, 5, 2), ranked(2, 6, 6, 2), &[2][..], Some(unnamed), RolledBack),
        (ranked(1, 5, 5, 2), ranked(2, 6, 6, 2), &[2][..], Some(ranked(2, 7, 7, 2)), RolledBack),
        // A later generation under an older trust file.
        (ranked(2, 5, 5, 2), ranked(1, 6, 6, 1), &[1, 2][..], None, OldTrust),
        (ranked(2, 5, 5, 2), stolen, &[1, 2][..], Some(stolen), OldTrust),
        (ranked(1, 5, 5, 2), ranked(1, 8, 6, 1), &[1, 2][..], Some(ranked(2, 7, 7, 2)), OldTrust),
        (ranked(2, 5, 5, 2), ranked(2, 6, 6, 2), &[2][..], Some(ranked(2, 5, 5, 2)), Newer),
        // An earlier one is what a mirror that lags still has.
        (ranked(2, 5, 5, 2), ranked(1, 4, 4, 1), &[1, 2][..], None, Lagging),
        (ranked(2, 5, 5, 2), ranked(1, 4, 9, 1), &[1, 2][..], None, Fork),
    ];
    for (mine, remote, writers, shown_before, verdict) in table {
        let known = Known { mine, my_heads: &my_heads, shown_before, is_recorded: false, newer_elsewhere: false };
        let judged = judge(&known, remote, &trust(remote.rank.trust_version, writers));
        assert_eq!(judged, verdict, "{mine:?} {remote:?} {writers:?} {shown_before:?}");
    }
}

#[test]
fn descent_is_proven_refuted_or_forgotten() {
    let listed = heads(&[(10, 10), (11, 11)]);
    assert_eq!(descent(shown(11, 11), &listed), Descent::Proven);
    assert_eq!(descent(shown(11, 12), &listed), Descent::Refuted);
    assert_eq!(descent(shown(12, 12), &listed), Descent::Refuted);
    assert_eq!(descent(shown(9, 9), &listed), Descent::Forgotten);
    assert_eq!(descent(shown(10, 11), &listed), Descent::Refuted);
    assert_eq!(descent(shown(1, 1), &heads(&[])), Descent::Refuted);
    assert_eq!(descent(shown(0, 0), &heads(&[(1, 1)])), Descent::Refuted);
}
