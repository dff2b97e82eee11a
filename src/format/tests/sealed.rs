//! What a manifest's sealed part takes in, and how much room is set aside for it before secrets are written there.

use zeroize::Zeroizing;

use super::Draw;
use crate::base::Epoch;
use crate::format::codec::FormatError;
use crate::format::sealed::{ChunkerParameters, OfEpoch, SealedPart, SnapshotRef};

fn empty() -> SealedPart {
    let (snapshots, indexes, extensions) = (Vec::new(), Vec::new(), Vec::new());
    let (older_epochs, index_keys) = (Vec::new(), Vec::new());
    SealedPart { snapshots, indexes, extensions, older_epochs, index_keys, ..Draw::new(1).sealed() }
}

fn secrets(epochs: &[u32]) -> Vec<OfEpoch> {
    epochs.iter().map(|epoch| (Epoch(*epoch), Zeroizing::new([0xee; 32]))).collect()
}

#[test]
fn no_secret_is_shown() {
    let shown = format!(
        "{:?}",
        SealedPart { older_epochs: secrets(&[41]), index_keys: secrets(&[42]), ..Draw::new(1).sealed() }
    );
    assert!(shown.contains("older_epochs: [Epoch(41)]") && shown.contains("index_keys: [Epoch(42)]"), "{shown}");
    assert!(!shown.contains("238, 238"), "{shown}");
}

// Each item counts with what its fields take in their longest spelling, ten bytes for a number: room that is too small would leave
// secrets behind in a buffer that moved, room that is much too large would be taken for nothing.
#[test]
fn room_is_set_aside_for_the_longest_spelling_of_each_item() {
    let drawn = (0..200).map(|seed| Draw::new(seed).sealed());
    let drawn: Vec<_> = drawn.filter(|part| !part.indexes.is_empty() && !part.snapshots.is_empty()).collect();
    let snapshot = SnapshotRef { tags: Vec::new(), ..drawn[0].snapshots[0].clone() };
    let tagged = SnapshotRef { tags: vec!["abc".to_owned(), String::new()], ..snapshot.clone() };
    let more = |part: SealedPart| part.room_bytes() - empty().room_bytes();
    assert_eq!(empty().room_bytes(), 94);
    assert_eq!(more(SealedPart { snapshots: vec![snapshot.clone(); 3], ..empty() }), 3 * 82);
    assert_eq!(more(SealedPart { snapshots: vec![tagged], ..empty() }), 82 + 13 + 10);
    assert_eq!(more(SealedPart { indexes: vec![drawn[0].indexes[0]; 3], ..empty() }), 3 * 138);
    assert_eq!(more(SealedPart { older_epochs: secrets(&[1, 2, 3]), ..empty() }), 3 * 42);
    assert_eq!(more(SealedPart { index_keys: secrets(&[1, 2, 3]), ..empty() }), 3 * 42);
    assert_eq!(more(SealedPart { extensions: vec![(9, vec![0; 5]), (11, Vec::new())], ..empty() }), 25 + 20);
    assert!(drawn.iter().all(|part| part.encode(0).len() <= part.room_bytes()));
}

#[test]
fn an_epoch_stands_once() {
    for part in [
        SealedPart { older_epochs: secrets(&[4, 4]), ..empty() },
        SealedPart { index_keys: secrets(&[4, 4]), ..empty() },
        SealedPart { older_epochs: secrets(&[5, 4]), ..empty() },
    ] {
        assert!(matches!(SealedPart::decode(&part.encode(0)), Err(FormatError::NotCanonical(_))));
    }
}

#[test]
fn chunks_have_a_shortest_an_average_and_a_longest_that_differ() {
    let with = |min_bytes, avg_bytes, max_bytes| {
        let chunker = ChunkerParameters { level: 3, min_bytes, avg_bytes, max_bytes };
        SealedPart::decode(&SealedPart { chunker, ..empty() }.encode(0)).map(|read| read.chunker == chunker)
    };
    assert_eq!(with(64, 256, 258), Ok(true));
    let limit = Err(FormatError::Limit("chunker parameters"));
    for (min, avg, max) in [(64, 256, 256), (256, 256, 512), (62, 256, 512), (64, 384, 512), (65, 256, 512)] {
        assert_eq!(with(min, avg, max), limit, "{min} {avg} {max}");
    }
}
