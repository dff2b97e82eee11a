//! The table of exit codes, and which wins.

use super::*;

#[test]
fn the_published_order_decides_between_several() {
    let published = [18, 16, 15, 14, 13, 12, 17, 3, 19];
    for (at, winner) in published.iter().enumerate() {
        for loser in &published[at + 1..] {
            assert_eq!(strongest(&[*loser, *winner]), *winner, "{winner} against {loser}");
            assert_eq!(strongest(&[*winner, *loser, 0]), *winner);
        }
    }
    assert_eq!(strongest(&[]), 0);
    assert_eq!(strongest(&[0, 0]), 0);
    assert_eq!(strongest(&[3, 1]), 1);
    assert_eq!(strongest(&[13, 130]), 130);
}

#[test]
fn every_code_has_its_place() {
    use ErrorKind::*;
    let kinds = [
        (Other, 1),
        (Usage, 2),
        (NoStore, 10),
        (Locked, 11),
        (NoIdentity, 12),
        (Corrupt, 13),
        (Remote, 14),
        (NoSpace, 15),
        (Gone, 16),
        (Conflict, 17),
        (NotTrusted, 18),
        (Interrupted, 130),
    ];
    for (kind, code) in kinds {
        assert_eq!(Outcome::Found(kind).exit_code(), code, "{kind:?}");
        assert!(ORDER.contains(&code));
    }
    assert_eq!(Outcome::Done.and(Outcome::Stale), Outcome::Stale);
    assert_eq!(Outcome::Stale.and(Outcome::Partial), Outcome::Partial);
    assert_eq!(Outcome::Partial.and(Outcome::Found(Corrupt)), Outcome::Found(Corrupt));
}
