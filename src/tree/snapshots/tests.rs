//! Which snapshot goes by which name.

use super::*;
use crate::base::{DedupGeneration, Epoch, Generation};
use crate::format::sealed::ChunkerParameters;

const DAY: i64 = 86_400_000_000_000;

/// Snapshots a day apart, from 1970-01-02; the byte begins the id.
fn sealed(snapshots: &[(u8, &[&str])]) -> SealedPart {
    let snapshots = snapshots.iter().enumerate().map(|(at, (byte, tags))| {
        let mut id = [0xab; 32];
        id[0] = *byte;
        id[31] = at as u8;
        SnapshotRef {
            id: ObjectId(id),
            epoch: Epoch(1),
            len_bytes: 1,
            generation: Generation(at as u64 + 2),
            time: Timestamp((at as i64 + 1) * DAY),
            tags: tags.iter().map(|&tag| tag.to_owned()).collect(),
        }
    });
    SealedPart {
        chunker: ChunkerParameters::DEFAULT,
        dedup_generation: DedupGeneration(1),
        snapshots: snapshots.collect(),
        indexes: vec![],
        older_epochs: vec![],
        index_keys: vec![],
        extensions: vec![],
    }
}

fn found(sealed: &SealedPart, name: &str) -> Result<u64, NameError> {
    find(sealed, name, Timestamp(10 * DAY)).map(|snapshot| snapshot.generation.0 - 2)
}

#[test]
fn every_kind_of_name_finds_its_snapshot() {
    let sealed = sealed(&[(0x10, &["old"]), (0x20, &["week"]), (0x30, &["week", "cafe"]), (0xca, &[])]);
    for (name, at) in [
        ("HEAD", 3),
        ("HEAD~", 2),
        ("HEAD~0", 3),
        ("HEAD~3", 0),
        ("HEAD~0000000000000000000000001", 2),
        ("old", 0),
        ("week", 2),
        ("10ab", 0),
        ("20AB", 1),
        ("cafe", 2),
        ("caab", 3),
        ("@1970-01-03", 1),
        ("@1970-01-03T00:00:00Z", 1),
        ("@now", 3),
        ("@8d", 1),
        ("@1970-01", 3),
    ] {
        assert_eq!(found(&sealed, name), Ok(at), "{name}");
    }
    let whole = sealed.snapshots[1].id.to_string();
    assert_eq!(found(&sealed, &whole), Ok(1));
    assert_eq!(found(&sealed, &whole.to_uppercase()), Ok(1));
}

#[test]
fn what_names_none_says_why() {
    let sealed = sealed(&[(0x10, &[]), (0x20, &[])]);
    for name in ["", "head", "10a", "30ab", "nonesuch", "10ab ", &"0".repeat(64), &"1".repeat(65)] {
        assert_eq!(found(&sealed, name), Err(NameError::Unknown(name.to_owned())));
    }
    for name in ["HEAD~2", "HEAD~99999999999999999999999999"] {
        assert_eq!(found(&sealed, name), Err(NameError::TooFar { name: name.to_owned(), count: 2 }));
    }
    for name in ["HEAD~-1", "HEAD~x", "HEAD~+1", "HEAD~ 1"] {
        assert_eq!(found(&sealed, name), Err(NameError::NotAName(name.to_owned())));
    }
    assert_eq!(found(&sealed, "@tomorrow-ish"), Err(NameError::NotADate(MomentError("tomorrow-ish".to_owned()))));
    let oldest = Timestamp(DAY);
    assert_eq!(found(&sealed, "@1970-01-01"), Err(NameError::TooOld { name: "@1970-01-01".to_owned(), oldest }));
    assert_eq!(found(&super::tests::sealed(&[]), "HEAD"), Err(NameError::Empty));
}

#[test]
fn an_ambiguous_prefix_lists_the_candidates_newest_first_and_apart() {
    let sealed = sealed(&[(0x10, &[][..]); 11]);
    let Err(NameError::Ambiguous { candidates, .. }) = found(&sealed, "10ab") else { panic!("it is ambiguous") };
    let ids: Vec<String> = sealed.snapshots.iter().rev().take(8).map(|snapshot| snapshot.id.to_string()).collect();
    assert!(candidates.starts_with(&format!("{} of 1970-01-12T", ids[0])), "{candidates}");
    assert!(ids.iter().all(|id| candidates.contains(id)), "{candidates}");
    assert!(candidates.ends_with(" and 3 more"), "{candidates}");
}

#[test]
fn a_tag_is_never_taken_for_another_name() {
    for tag in ["week-1", "cafe", "v1.0", "Größe", &"f".repeat(63), &"g".repeat(64)] {
        assert_eq!(check_tag(tag), Ok(()), "{tag}");
    }
    for (tag, error) in [
        ("", TagError::Length),
        (&"x".repeat(65), TagError::Length),
        ("a:b", TagError::Letter),
        ("a/b", TagError::Letter),
        ("a b", TagError::Letter),
        ("a\u{1b}b", TagError::Letter),
        ("HEAD", TagError::OtherName),
        ("HEAD~1", TagError::OtherName),
        ("@2026-11-21", TagError::OtherName),
        ("-x", TagError::OtherName),
        (&"f".repeat(64), TagError::OtherName),
    ] {
        assert_eq!(check_tag(tag), Err(error), "{tag}");
    }
}
