//! Each flag, and how far a key is.

use super::*;
use crate::base::{Epoch, PublicKey};
use crate::format::keylist::KeyRole;
use crate::format::roster::Holder;

const DAY: i64 = 24 * 3600;
/// 2026-01-01.
const NOW: Timestamp = Timestamp(1_767_225_600_000_000_000);
const STORE: StoreId = StoreId([7; 16]);
const REPLICA: ReplicaId = ReplicaId([1; 16]);
const TAG: KeyTag = KeyTag([1, 2, 3, 4]);

fn ago(days: i64) -> Timestamp {
    NOW.plus_secs(-days * DAY)
}

fn head(generation: u64) -> HeadHash {
    HeadHash([generation as u8; 32])
}

/// Generations 1 to 9, of which 6 to 9 have times, a week apart.
fn history() -> History {
    History {
        newest: Generation(9),
        heads: (1..=9).map(|generation| (Generation(generation), head(generation))).collect(),
        times: (6..=9).map(|generation| (Generation(generation), ago(7 * (9 - generation as i64) + 1))).collect(),
        expires: Some(NOW.plus_secs(DAY)),
        ..History::default()
    }
}

fn receipt(generation: u64) -> Receipt {
    Receipt {
        store: STORE,
        replica: REPLICA,
        generation: Generation(generation),
        head: head(generation),
        reached: None,
        time: NOW,
        outcome: "done".into(),
        free_bytes: Some(5),
        problems: 0,
        tag: None,
        program: "chunkstore 1".into(),
        purge: Generation(0),
        key: PublicKey([3; 32]),
    }
}

fn remembered(generation: u64) -> Remembered {
    Remembered {
        key: PublicKey([3; 32]),
        generation: Generation(generation),
        head: head(generation),
        seen: ago(2),
        purge: Generation(0),
        tag: None,
        reached: Vec::new(),
    }
}

fn holder(tag: KeyTag, until: Option<Epoch>) -> Holder {
    Holder {
        tag,
        role: KeyRole::Reader,
        recipient: "age1".into(),
        identity: Vec::new(),
        name: "ada".into(),
        note: String::new(),
        added: ago(100),
        since: Epoch(1),
        until,
        extensions: crate::format::codec::Extensions::default(),
    }
}

/// Judges a receipt against a history, a roster and a memory.
fn row_of(receipt: Receipt, memory: Option<&Remembered>, history: &History, roster: &Roster) -> Row {
    let known = Known { store: STORE, now: NOW, history, roster };
    judge(REPLICA, Some(&Found::Receipt(Box::new(receipt))), memory, &known)
}

fn flags(receipt: Receipt, memory: Option<&Remembered>) -> Vec<Flag> {
    row_of(receipt, memory, &history(), &Roster::default()).flags.into_iter().collect()
}

#[test]
fn a_key_is_as_far_as_its_receipt_says() {
    let row = |generation| row_of(receipt(generation), None, &history(), &Roster::default());
    let newest = row(9);
    assert_eq!((newest.standing, newest.behind, newest.behind_secs), (Standing::Current, Some(0), None));
    assert!(newest.flags.is_empty(), "{:?}", newest.flags);
    assert_eq!((newest.outcome.as_deref(), newest.free_bytes, newest.seen), (Some("done"), Some(5), Some(NOW)));
    // It has been behind since generation 8 was made.
    let late = row(7);
    assert_eq!((late.standing, late.behind, late.behind_secs), (Standing::Behind, Some(2), Some(8 * DAY)));
    assert!(!late.is_behind_longer);
    // When generation 4 was made is not known: it was before 6 was.
    let later = row(3);
    assert_eq!((later.behind, later.behind_secs, later.is_behind_longer), (Some(6), Some(22 * DAY), true));
    let unknown = History { times: BTreeMap::new(), ..history() };
    let row = row_of(receipt(3), None, &unknown, &Roster::default());
    assert_eq!((row.behind, row.behind_secs), (Some(6), None));
    // Whoever is at the floor of a stage or above may stay there.
    let staged = History { stage: Some(("pilot".parse().unwrap(), Generation(7))), ..history() };
    let standing = |generation| row_of(receipt(generation), None, &staged, &Roster::default()).standing;
    assert_eq!([9, 8, 7, 6].map(standing), [Standing::Current, Standing::Held, Standing::Held, Standing::Behind]);
    // What is not published yet cannot be missed.
    let published = History { newest: Generation(7), ..history() };
    assert_eq!(row_of(receipt(7), None, &published, &Roster::default()).standing, Standing::Current);
    let ahead = row_of(receipt(8), None, &published, &Roster::default());
    assert_eq!((ahead.standing, ahead.behind, ahead.flags.len()), (Standing::Current, Some(0), 0));
}

#[test]
fn a_copied_or_forged_key_signs_otherwise() {
    let memory = remembered(8);
    assert_eq!(flags(receipt(9), Some(&memory)), []);
    let other = Receipt { key: PublicKey([4; 32]), ..receipt(9) };
    assert_eq!(flags(other.clone(), Some(&memory)), [Flag::AnotherKey]);
    let row = row_of(other.clone(), Some(&memory), &history(), &Roster::default());
    assert_eq!((row.standing, row.generation), (Standing::Unknown, Some(Generation(9))));
    // Nobody to compare it with.
    assert_eq!(flags(other, None), []);
}

#[test]
fn whose_receipt_it_is_has_to_fit() {
    let memory = remembered(8);
    let other = Receipt { replica: ReplicaId([2; 16]), ..receipt(9) };
    let row = row_of(other, Some(&memory), &history(), &Roster::default());
    assert_eq!(Vec::from_iter(row.flags), [Flag::Unreadable]);
    assert_eq!((row.standing, row.generation, row.outcome), (Standing::Unknown, Some(Generation(8)), None));
    assert!(row.reason.unwrap().contains("0202"));
    let foreign = Receipt { store: StoreId([8; 16]), ..receipt(9) };
    let row = row_of(foreign, None, &history(), &Roster::default());
    assert_eq!(Vec::from_iter(row.flags), [Flag::ForeignStore]);
    assert_eq!((row.standing, row.generation), (Standing::Unknown, None));
    let (history, roster) = (history(), Roster::default());
    let known = Known { store: STORE, now: NOW, history: &history, roster: &roster };
    let torn = judge(REPLICA, Some(&Found::Unread("torn".into())), None, &known);
    assert_eq!((Vec::from_iter(torn.flags), torn.reason.as_deref()), (vec![Flag::Unreadable], Some("torn")));
    let gone = judge(REPLICA, None, Some(&memory), &known);
    assert_eq!((Vec::from_iter(gone.flags), gone.generation), (vec![Flag::NoReceipt], Some(Generation(8))));
    assert_eq!((gone.standing, gone.behind, gone.seen), (Standing::Unknown, Some(1), Some(ago(2))));
}

#[test]
fn going_back_is_told_from_an_old_receipt() {
    let memory = remembered(9);
    assert_eq!(flags(receipt(8), Some(&memory)), [Flag::WentBack]);
    let old = Receipt { time: ago(3), ..receipt(8) };
    assert_eq!(flags(old, Some(&memory)), [Flag::OlderReceipt]);
    // Clocks of machines differ: a time alone says nothing.
    assert_eq!(flags(Receipt { time: ago(3), ..receipt(9) }, Some(&memory)), []);
    // What it held was dropped from the history since.
    let dropped = Remembered { head: head(99), ..memory };
    assert_eq!(flags(receipt(8), Some(&dropped)), []);
}

#[test]
fn states_that_the_store_never_had_are_told_of() {
    let forked = Receipt { head: head(99), ..receipt(8) };
    assert_eq!(flags(forked, None), [Flag::OtherHistory]);
    assert_eq!(flags(receipt(10), None), [Flag::Ahead]);
    let last = row_of(receipt(u64::MAX), None, &history(), &Roster::default());
    assert!(last.has(Flag::Ahead) && last.behind == Some(0));
}

#[test]
fn clocks_and_expiry_are_told_of() {
    assert_eq!(flags(Receipt { time: NOW.plus_secs(DAY + 1), ..receipt(9) }, None), [Flag::FromTheFuture]);
    assert_eq!(flags(Receipt { time: NOW.plus_secs(DAY - 1), ..receipt(9) }, None), []);
    assert_eq!(flags(Receipt { outcome: "stale".into(), ..receipt(9) }, None), [Flag::Stale]);
    let expired = History { expires: Some(NOW.plus_secs(-1)), ..history() };
    assert!(row_of(receipt(9), None, &expired, &Roster::default()).has(Flag::Stale));
    let old = History { times: [(Generation(5), ago(91))].into(), ..history() };
    assert!(row_of(receipt(4), None, &old, &Roster::default()).has(Flag::Stale));
    assert!(!row_of(receipt(6), None, &old, &Roster::default()).has(Flag::Stale));
}

#[test]
fn packs_that_are_gone_make_a_key_start_over() {
    // Generation 7 condemned packs, and they have left servers.
    let history = History { gone_since: Some(ago(15)), ..history() };
    let starts_over =
        |generation| row_of(receipt(generation), None, &history, &Roster::default()).has(Flag::StartsOver);
    assert_eq!([5, 6, 7, 8, 9].map(starts_over), [true, true, false, false, false]);
    // That 6 was made before is known by 7 alone.
    let sparse = History { times: [(Generation(7), ago(15))].into(), ..history.clone() };
    assert!(row_of(receipt(6), None, &sparse, &Roster::default()).has(Flag::StartsOver));
    assert!(!row_of(receipt(8), None, &sparse, &Roster::default()).has(Flag::StartsOver));
}

#[test]
fn a_purge_is_pending_until_a_receipt_says_otherwise() {
    let history = History { purged: Generation(8), ..history() };
    let pending = |receipt| row_of(receipt, None, &history, &Roster::default()).has(Flag::PurgePending);
    assert!(pending(receipt(9)) && pending(Receipt { purge: Generation(7), ..receipt(9) }));
    assert!(!pending(Receipt { purge: Generation(8), ..receipt(9) }));
    // A purge gives writers new identities: what was sealed before opens no more, and what is remembered counts.
    let roster = Roster::default();
    let known = Known { store: STORE, now: NOW, history: &history, roster: &roster };
    let sealed =
        |memory: Option<&Remembered>| Vec::from_iter(judge(REPLICA, Some(&Found::Sealed), memory, &known).flags);
    assert_eq!(sealed(None), [Flag::Sealed, Flag::PurgePending]);
    assert_eq!(sealed(Some(&remembered(7))), [Flag::Sealed, Flag::PurgePending]);
    assert_eq!(sealed(Some(&Remembered { purge: Generation(8), ..remembered(9) })), [Flag::Sealed]);
}

#[test]
fn the_roster_says_who_was_revoked() {
    let with_tag = || Receipt { tag: Some(TAG), ..receipt(9) };
    let mut roster = Roster::default();
    assert_eq!(Vec::from_iter(row_of(with_tag(), None, &history(), &roster).flags), [Flag::UnknownHolder]);
    roster.put(holder(TAG, None));
    assert!(row_of(with_tag(), None, &history(), &roster).flags.is_empty());
    roster.put(holder(TAG, Some(Epoch(2))));
    assert_eq!(Vec::from_iter(row_of(with_tag(), None, &history(), &roster).flags), [Flag::Revoked]);
    let twin = Receipt { tag: Some(TAG.twin()), ..receipt(9) };
    assert_eq!(Vec::from_iter(row_of(twin, None, &history(), &roster).flags), [Flag::Revoked]);
}

#[test]
fn every_flag_is_listed_under_a_word_of_its_own() {
    let words: BTreeSet<&str> = Flag::ALL.iter().map(|flag| flag.word()).collect();
    assert_eq!(words.len(), Flag::ALL.len());
    assert!(Flag::ALL.is_sorted());
}
