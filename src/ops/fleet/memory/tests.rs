//! What is remembered, how it is bounded, and that nothing torn is believed.

use std::collections::BTreeSet;

use super::super::judge::Standing;
use super::*;
use crate::base::{HeadHash, PublicKey};
use crate::format::keylist::KeyTag;

const DAY_SECS: i64 = 24 * 3600;
/// 2026-01-01.
const NOW: Timestamp = Timestamp(1_767_225_600_000_000_000);
const STORE: StoreId = StoreId([7; 16]);

fn history(newest: u64) -> History {
    History {
        newest: Generation(newest),
        times: (1..=newest).map(|g| (Generation(g), NOW.plus_secs(DAY_SECS * (g as i64 - newest as i64)))).collect(),
        heads: (1..=newest).map(|g| (Generation(g), HeadHash([g as u8; 32]))).collect(),
        ..History::default()
    }
}

fn receipt(replica: ReplicaId, generation: u64) -> Receipt {
    Receipt {
        store: STORE,
        replica,
        generation: Generation(generation),
        head: HeadHash([generation as u8; 32]),
        reached: Some(NOW),
        time: NOW,
        outcome: "done".into(),
        free_bytes: None,
        problems: 0,
        tag: Some(KeyTag([1, 2, 3, 4])),
        program: "chunkstore".into(),
        purge: Generation(1),
        key: PublicKey([3; 32]),
    }
}

fn row(replica: ReplicaId, flags: &[Flag]) -> Row {
    Row {
        replica,
        tag: None,
        standing: Standing::Current,
        generation: None,
        behind: None,
        behind_secs: None,
        is_behind_longer: false,
        seen: None,
        reached: None,
        outcome: None,
        problems: None,
        free_bytes: None,
        program: None,
        purge: None,
        flags: flags.iter().copied().collect::<BTreeSet<_>>(),
        reason: None,
    }
}

fn id(number: u32) -> ReplicaId {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    ReplicaId(bytes)
}

fn learn(memory: &mut FleetMemory, receipt: &Receipt, flags: &[Flag], history: &History) -> bool {
    memory.learn(&row(receipt.replica, flags), receipt, history, NOW)
}

#[test]
fn the_first_receipt_pins_and_a_doubtful_one_teaches_nothing() {
    let (mut memory, history) = (FleetMemory::default(), history(5));
    assert!(learn(&mut memory, &receipt(id(1), 3), &[], &history));
    let first = memory.of(id(1)).unwrap().clone();
    assert_eq!((first.key, first.generation, first.purge), (PublicKey([3; 32]), Generation(3), Generation(1)));
    let forged = Receipt { key: PublicKey([9; 32]), ..receipt(id(1), 5) };
    for doubt in [Flag::AnotherKey, Flag::ForeignStore, Flag::Unreadable] {
        assert!(learn(&mut memory, &forged, &[doubt], &history));
    }
    assert_eq!(memory.of(id(1)), Some(&first));
    // A generation that never was is not believed, and a time from the future makes nothing look old.
    let ahead = Receipt { time: NOW.plus_secs(1_000_000), ..receipt(id(1), 90) };
    assert!(learn(&mut memory, &ahead, &[Flag::Ahead, Flag::FromTheFuture], &history));
    let known = memory.of(id(1)).unwrap();
    assert_eq!((known.generation, known.seen), (Generation(3), NOW));
    memory.forget(id(1));
    assert!(memory.of(id(1)).is_none());
}

#[test]
fn what_was_reached_stays_though_a_key_goes_back() {
    let (mut memory, history) = (FleetMemory::default(), history(5));
    learn(&mut memory, &receipt(id(1), 4), &[], &history);
    learn(&mut memory, &receipt(id(1), 2), &[Flag::WentBack], &history);
    let known = memory.of(id(1)).unwrap();
    assert_eq!(known.generation, Generation(4));
    let reached: Vec<u64> = known.reached.iter().map(|(generation, _)| generation.0).collect();
    assert_eq!(reached, [1, 2, 3, 4]);
    // What was remembered is of a history that was dropped.
    memory.replicas.get_mut(&id(1)).unwrap().head = HeadHash([99; 32]);
    learn(&mut memory, &receipt(id(1), 2), &[], &history);
    assert_eq!(memory.of(id(1)).unwrap().generation, Generation(2));
}

#[test]
fn days_lie_between_a_generation_and_today() {
    let (mut memory, history) = (FleetMemory::default(), history(5));
    for (number, time, day) in
        [(1, Timestamp(0), -2), (2, NOW, 0), (3, Timestamp(i64::MAX), 0), (4, Timestamp(i64::MIN), -2)]
    {
        let wrong = Receipt { time, reached: None, ..receipt(id(number), 3) };
        learn(&mut memory, &wrong, &[], &history);
        let reached = memory.of(id(number)).unwrap().reached.clone();
        assert_eq!(reached.last(), Some(&(Generation(3), Day(Day::of(NOW).0 + day))), "{number}");
    }
    assert_eq!(Day::of(Day(-5).start()), Day(-5));
}

#[test]
fn it_is_bounded() {
    let mut memory = FleetMemory::default();
    let early = history(20);
    for number in 0..FLEET_MAX as u32 {
        assert!(learn(&mut memory, &receipt(id(number), 20), &[], &early));
    }
    assert!(!learn(&mut memory, &receipt(id(u32::MAX), 20), &[], &early));
    // Those that are known are kept up to date.
    assert!(learn(&mut memory, &receipt(id(5), 20), &[], &early));
    assert_eq!(memory.replicas().count(), FLEET_MAX);
    assert_eq!(memory.of(id(5)).unwrap().reached.len() as u64, FLEET_GENERATIONS);
    let bytes = serde_json::to_vec(&Entry::of(memory.of(id(5)).unwrap())).unwrap().len() as u64 + 40;
    assert!(bytes * (FLEET_MAX as u64) < FLEET_MEMORY_MAX_BYTES, "{bytes}");
    memory.note_generations(&history(25));
    assert_eq!(memory.generations().len() as u64, FLEET_GENERATIONS);
    assert_eq!(memory.of(id(5)).unwrap().reached.first().unwrap().0, Generation(14));
}

#[test]
fn it_comes_back_and_a_torn_one_counts_as_none() {
    let dir = tempfile::tempdir().unwrap();
    let mut memory = FleetMemory::load(Some(dir.path()), STORE);
    learn(&mut memory, &receipt(id(1), 3), &[], &history(5));
    memory.note_generations(&history(5));
    memory.save().unwrap();
    let again = FleetMemory::load(Some(dir.path()), STORE);
    assert_eq!((again.of(id(1)), again.generations()), (memory.of(id(1)), memory.generations()));
    assert!(again.of(id(1)).is_some());
    let file = dir.path().join(STORE.to_string()).join("fleet.json");
    let whole = read_host_file(&file, 1 << 20).unwrap().unwrap();
    for torn in [&whole[..whole.len() / 2], b"", b"[]", b"{\"replicas\":{\"x\":{}}}"] {
        replace_host_file(&file, torn, 0o600).unwrap();
        let none = FleetMemory::load(Some(dir.path()), STORE);
        assert_eq!((none.replicas().count(), none.generations().len()), (0, 0));
    }
    // An entry that no program wrote costs itself.
    let text = String::from_utf8(whole)
        .unwrap()
        .replace("\"replicas\":{", "\"replicas\":{\"00\":{\"key\":\"\",\"generation\":1,\"head\":\"\",\"seen\":\"\"},");
    replace_host_file(&file, text.as_bytes(), 0o600).unwrap();
    assert_eq!(FleetMemory::load(Some(dir.path()), STORE).replicas().count(), 1);
    assert!(FleetMemory::load(None, STORE).save().is_ok());
}

#[test]
fn what_two_runs_learned_stands_whoever_saves_first() {
    for turned in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let load = || FleetMemory::load(Some(dir.path()), STORE);
        let mut before = load();
        let early = |number| Receipt { time: NOW.plus_secs(-20), ..receipt(id(number), 3) };
        (1..=3).for_each(|number| assert!(learn(&mut before, &early(number), &[], &history(5))));
        before.save().unwrap();
        let (mut one, mut other) = (load(), load());
        let later = Receipt { time: NOW.plus_secs(-10), ..receipt(id(1), 4) };
        one.forget(id(2));
        learn(&mut one, &receipt(id(1), 5), &[], &history(5));
        learn(&mut one, &receipt(id(4), 5), &[], &history(5));
        one.note_generations(&history(6));
        learn(&mut other, &later, &[], &history(5));
        learn(&mut other, &receipt(id(5), 5), &[], &history(5));
        other.note_generations(&history(5));
        let (first, second) = if turned { (&other, &one) } else { (&one, &other) };
        first.save().unwrap();
        second.save().unwrap();
        let now = load();
        let replicas: Vec<_> = now.replicas().map(|(id, _)| id).collect();
        assert_eq!(replicas, [1, 3, 4, 5].map(id), "turned: {turned}");
        assert_eq!(now.of(id(1)).unwrap().generation, Generation(5), "turned: {turned}");
        assert_eq!(now.generations().keys().last(), Some(&Generation(6)), "turned: {turned}");
    }
}

#[test]
fn of_two_first_receipts_the_one_that_was_saved_first_pins_the_key() {
    let dir = tempfile::tempdir().unwrap();
    let load = || FleetMemory::load(Some(dir.path()), STORE);
    let (mut one, mut other) = (load(), load());
    learn(&mut one, &receipt(id(1), 3), &[], &history(5));
    learn(&mut other, &Receipt { key: PublicKey([4; 32]), ..receipt(id(1), 3) }, &[], &history(5));
    one.save().unwrap();
    other.save().unwrap();
    assert_eq!(load().of(id(1)).unwrap().key, PublicKey([3; 32]));
}

#[test]
fn a_replica_goes_by_how_its_id_begins() {
    let (mut memory, history) = (FleetMemory::default(), history(5));
    for number in [0x1234_5678, 0x1234_9999, 0xabcd_0000] {
        learn(&mut memory, &receipt(id(number), 3), &[], &history);
    }
    assert_eq!(memory.find(" ABCD ").unwrap(), id(0xabcd_0000));
    assert_eq!(memory.find(&id(0x1234_5678).to_string()).unwrap(), id(0x1234_5678));
    for (wrong, kind) in [
        ("1234", ErrorKind::Other),
        ("9999", ErrorKind::Other),
        ("abc", ErrorKind::Usage),
        ("", ErrorKind::Usage),
        ("xyz1", ErrorKind::Usage),
    ] {
        assert_eq!(memory.find(wrong).unwrap_err().kind(), kind, "{wrong}");
    }
}
