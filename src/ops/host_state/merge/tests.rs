//! Two runs that load one memory before either saves.

use super::super::seen::tests::head;
use super::super::*;

const STORE: StoreId = StoreId([1; 16]);

fn pack(number: u8) -> PackHash {
    PackHash([number; 32])
}

/// Saves what was remembered before, and loads it twice.
fn two(dir: &Path, before: impl FnOnce(&mut HostState)) -> (HostState, HostState) {
    let mut first = HostState::load(Some(dir), STORE);
    before(&mut first);
    first.save().unwrap();
    (HostState::load(Some(dir), STORE), HostState::load(Some(dir), STORE))
}

#[test]
fn what_two_runs_learned_stands_whoever_saves_first() {
    for turned in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let (mut one, mut other) = two(dir.path(), |state| state.saw("ftp://a", &head(1, 5, 1)));
        one.saw("ftp://a", &head(1, 7, 3));
        one.sent("ftp://a", &pack(1));
        one.synced(Timestamp::default().plus_secs(10));
        other.saw("ftp://a", &head(1, 6, 2));
        other.saw("ftp://b", &head(1, 6, 2));
        other.sent("ftp://a", &pack(2));
        other.knows_as("fingerprint".to_owned());
        other.verified(LastVerify { time: Timestamp::default().plus_secs(20), problems: 3, sample: false });
        let (first, second) = if turned { (&mut other, &mut one) } else { (&mut one, &mut other) };
        first.save().unwrap();
        second.save().unwrap();
        let now = HostState::load(Some(dir.path()), STORE);
        assert_eq!(now.highest(), Generation(7));
        assert_eq!(now.shown("ftp://a").unwrap().head, head(1, 7, 3).hash());
        assert_eq!(now.shown("ftp://b").unwrap().head, head(1, 6, 2).hash());
        assert!(now.was_sent("ftp://a", &pack(1)) && now.was_sent("ftp://a", &pack(2)));
        assert_eq!(now.last_sync(), Some(Timestamp::default().plus_secs(10)));
        assert_eq!((now.fingerprint(), now.last_verify().unwrap().problems), (Some("fingerprint"), 3));
        // Who saved last holds all of it as well.
        assert_eq!(second.shown("ftp://b"), now.shown("ftp://b"));
    }
}

#[test]
fn what_a_person_takes_back_stays_back_and_what_was_sent_is_forgotten_once() {
    let dir = tempfile::tempdir().unwrap();
    let (mut one, mut other) = two(dir.path(), |state| {
        state.saw("ftp://a", &head(1, 9, 1));
        state.sent("ftp://a", &pack(1));
    });
    other.verified(LastVerify { time: Timestamp::default(), problems: 0, sample: true });
    one.clear_sent("ftp://a");
    // Also after a save on the way, as an upload does it.
    one.save().unwrap();
    one.forget("ftp://a", &head(1, 4, 1));
    one.saw("ftp://a", &head(1, 4, 1));
    one.save().unwrap();
    other.save().unwrap();
    let now = HostState::load(Some(dir.path()), STORE);
    assert_eq!((now.highest(), now.shown("ftp://a").unwrap().rank.generation), (Generation(4), Generation(4)));
    assert!(!now.was_sent("ftp://a", &pack(1)) && now.last_verify().is_some());
    // Nobody forgets what another run learned since.
    let (mut one, mut other) = two(dir.path(), |_| {});
    one.forget("ftp://a", &head(1, 3, 1));
    other.saw("ftp://a", &head(1, 5, 1));
    other.save().unwrap();
    one.save().unwrap();
    let now = HostState::load(Some(dir.path()), STORE);
    assert_eq!((now.highest(), now.shown("ftp://a").unwrap().rank.generation), (Generation(5), Generation(5)));
}

#[test]
fn many_that_save_at_a_time_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let dir = dir.path();
            scope.spawn(move || {
                let mut state = HostState::load(Some(dir), STORE);
                for pack_number in 0..4 {
                    state.sent("ftp://a", &pack(number * 4 + pack_number));
                    state.save().unwrap();
                }
            });
        }
    });
    let now = HostState::load(Some(dir.path()), STORE);
    assert!((0..32).all(|number| now.was_sent("ftp://a", &pack(number))));
}
