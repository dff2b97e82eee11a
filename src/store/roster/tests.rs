//! A roster comes back as it was written, changes little, and opens to those alone who hold its secret.

use super::*;
use crate::base::random::SeededRandom;
use crate::base::{Epoch, Timestamp};
use crate::disk::SimDisk;
use crate::disk::sim::Profile;
use crate::store::keyring::Step;

const STORE: StoreId = StoreId([7; 16]);
const FIRST: DedupGeneration = DedupGeneration(1);

fn keys() -> WriterKeys {
    WriterKeys::generate(STORE, &SeededRandom::new(1))
}

fn holder(number: u32, note: &str) -> Holder {
    Holder {
        // Spread evenly, as drawn tags are.
        tag: KeyTag((number.wrapping_mul(2_654_435_761) & !1).to_be_bytes()),
        role: if number == 0 { KeyRole::Writer } else { KeyRole::Reader },
        recipient: format!("age1{number:058}"),
        identity: vec![],
        name: format!("reader {number}"),
        note: note.to_owned(),
        added: Timestamp(i64::from(number)),
        since: Epoch(1),
        until: None,
        extensions: vec![],
    }
}

fn roster(count: u32, note: &str) -> Roster {
    let mut roster = Roster::default();
    (0..count).for_each(|number| roster.put(holder(number, note)));
    roster
}

fn disk() -> SimDisk {
    let disk = SimDisk::new(Profile::Ext4);
    crate::store::create_layout(&disk).unwrap();
    disk
}

#[test]
fn a_roster_of_any_size_comes_back_and_every_file_of_it_has_a_padme_length() {
    let (disk, keys) = (disk(), keys());
    for count in [0, 1, 400, 3000] {
        let written = roster(count, "a note").write(&disk, STORE, &keys, FIRST).unwrap();
        assert_eq!(written.len(), (count as usize).div_ceil(1024).next_power_of_two());
        assert!(written.iter().all(|file| padme(u64::from(file.len_bytes)) == u64::from(file.len_bytes)));
        assert_eq!(Roster::read(&disk, STORE, &written, &keys).unwrap(), roster(count, "a note"));
    }
}

#[test]
fn a_change_writes_one_shard_anew() {
    let (disk, keys) = (disk(), keys());
    let mut roster = roster(3000, "");
    let before = roster.write(&disk, STORE, &keys, FIRST).unwrap();
    let tag = holder(17, "").tag;
    roster.holder_mut(tag).unwrap().until = Some(Epoch(2));
    let after = roster.write(&disk, STORE, &keys, FIRST).unwrap();
    assert_eq!(after.iter().filter(|file| !before.contains(file)).count(), 1);
    assert_eq!(roster.current().count(), 2999);
    assert!(roster.is_taken(tag) && roster.is_taken(tag.twin()));
}

#[test]
fn long_notes_make_more_shards() {
    let (disk, keys) = (disk(), keys());
    let roster = roster(2000, &"n".repeat(1024));
    let written = roster.write(&disk, STORE, &keys, FIRST).unwrap();
    assert_eq!(written.len(), 4);
    assert_eq!(Roster::read(&disk, STORE, &written, &keys).unwrap(), roster);
}

#[test]
fn whoever_lacks_the_secret_reads_nothing_of_it() {
    let (disk, keys) = (disk(), keys());
    let next = keys.step(Step::Next, Step::Next, Epoch(0), &SeededRandom::new(2)).unwrap();
    let written = roster(3, "unheard").write(&disk, STORE, &next, DedupGeneration(2)).unwrap();
    assert!(matches!(Roster::read(&disk, STORE, &written, &keys), Err(StoreError::NoIdentity)));
    assert!(Roster::read(&disk, STORE, &written, &next).is_ok());
    let bytes = disk.content(&layout::carried_file(&written[0].hash).to_string()).unwrap();
    assert!(!bytes.windows(7).any(|window| window == b"unheard"));
}

#[test]
fn holders_are_found_by_name_tag_and_recipient() {
    let mut roster = roster(5, "");
    let wanted = holder(3, "");
    for who in [wanted.name.clone(), wanted.recipient.clone(), wanted.tag.to_string()] {
        assert_eq!(roster.find(KeyRole::Reader, &who), [&wanted], "{who}");
        assert!(roster.find(KeyRole::Writer, &who).is_empty());
    }
    roster.holder_mut(wanted.tag).unwrap().until = Some(Epoch(2));
    assert!(roster.find(KeyRole::Reader, &wanted.name).is_empty());
}

#[test]
fn a_shard_that_is_missing_or_wrong_is_damage() {
    let (disk, keys) = (disk(), keys());
    let mut written = roster(3, "").write(&disk, STORE, &keys, FIRST).unwrap();
    written[0].hash = FileHash([1; 32]);
    assert!(matches!(Roster::read(&disk, STORE, &written, &keys), Err(StoreError::Corrupt { .. })));
}
