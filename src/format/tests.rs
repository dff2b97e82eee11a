//! Properties of every decoder: what was encoded reads back, no input panics, and whatever decodes has one spelling.
//!
//! A failing case prints its seed and its edits; the values follow from the seed alone.

mod draw;
mod limits;
mod sealed;
mod texts;
mod vectors;

use draw::Draw;
use proptest::prelude::*;

use super::codec::{Decoder, Encoder, FormatError, get_extensions, put_extensions};
use super::head::SignedHead;
use super::index::{ENTRIES_MAX, IndexEntry, IndexPart};
use super::keylist::KeyList;
use super::list::ListNode;
use super::manifest::Manifest;
use super::marker::Marker;
use super::pack::{PackEntry, PackHeader, decode_index, encode_index, padme};
use super::receipt::SignedReceipt;
use super::recipe::{Recipe, RecipeStep, SOURCES_MAX, STEPS_MAX};
use super::sealed::SealedPart;
use super::snapshot::Snapshot;
use super::tree::{TreeNode, entry_len_alone};
use super::trust::SignedTrust;
use super::{Class, Codec, Kind, Pointer};
use crate::base::{DedupGeneration, Epoch, ObjectId, PackHash, StoreId};

const STORE: StoreId = StoreId([7; 16]);

/// One decoder: legal bytes from a seed, and how they are read and written again.
struct Subject {
    name: &'static str,
    make: fn(&Draw) -> Vec<u8>,
    again: fn(&[u8]) -> Result<Vec<u8>, FormatError>,
    /// Unknown fields, flags or sections may be ignored, so that writing it again may leave something out.
    keeps_own_bytes: bool,
}

fn read<T>(
    bytes: &[u8],
    get: impl Fn(&mut Decoder<'_>) -> Result<T, FormatError>,
    put: impl Fn(&mut Encoder, &T),
) -> Result<Vec<u8>, FormatError> {
    let mut input = Decoder::new("test", bytes);
    let value = get(&mut input)?;
    input.end()?;
    let mut out = Encoder::new();
    put(&mut out, &value);
    Ok(out.finish())
}

/// A header for whatever index: its class and room are those that the index wants.
fn index_again(bytes: &[u8]) -> Result<Vec<u8>, FormatError> {
    let header = |class, frames: u64| PackHeader {
        clash_counter: 0,
        class,
        set_label: 0,
        epoch: Epoch(1),
        len_bytes: 64 + frames + 40,
        index_len_bytes: 40,
    };
    // The sum of the frames is not known before the index is read, so the first bytes of the test input say it.
    let (frames, index) = bytes.split_at_checked(9).ok_or(FormatError::Truncated("test"))?;
    let class = Class::from_byte(frames[0])?;
    let frames = u64::from_le_bytes(frames[1..].try_into().unwrap()) >> 8;
    let entries = decode_index(index, &header(class, frames))?;
    let mut offset = 64;
    for (at, entry) in &entries {
        assert_eq!(*at, offset);
        offset += entry.sealed_len_bytes;
    }
    let entries: Vec<_> = entries.into_iter().map(|(_, entry)| entry).collect();
    Ok([&bytes[..9], &encode_index(&entries, index.len())].concat())
}

fn make_index(draw: &Draw) -> Vec<u8> {
    let (header, entries) = draw.pack();
    let frames: u64 = entries.iter().map(|entry| entry.sealed_len_bytes).sum();
    let mut bytes = vec![header.class.byte()];
    bytes.extend_from_slice(&(frames << 8).to_le_bytes());
    bytes.extend_from_slice(&encode_index(&entries, draw.to(300) as usize));
    bytes
}

const SUBJECTS: &[Subject] = &[
    Subject {
        name: "marker",
        make: |draw| Marker { store: StoreId(draw.array()) }.encode(),
        again: |bytes| Ok(Marker::decode(bytes)?.encode()),
        keeps_own_bytes: true,
    },
    Subject {
        name: "head",
        make: |draw| SignedHead::new(draw.head(), draw.array()).bytes().to_vec(),
        again: |bytes| Ok(SignedHead::decode(bytes)?.bytes().to_vec()),
        keeps_own_bytes: false,
    },
    Subject {
        name: "receipt",
        make: |draw| SignedReceipt::new(draw.receipt(), draw.array()).bytes().to_vec(),
        again: |bytes| Ok(SignedReceipt::decode(bytes)?.bytes().to_vec()),
        keeps_own_bytes: false,
    },
    Subject {
        name: "trust",
        make: |draw| {
            let trust = draw.trust();
            let signatures = trust.roots.iter().map(|root| (*root, draw.array())).collect();
            SignedTrust::new(trust, signatures).bytes().to_vec()
        },
        again: |bytes| Ok(SignedTrust::decode(bytes)?.bytes().to_vec()),
        keeps_own_bytes: false,
    },
    Subject {
        name: "manifest",
        make: |draw| draw.manifest().encode(STORE),
        again: |bytes| Ok(Manifest::decode(bytes, STORE)?.encode(STORE)),
        keeps_own_bytes: true,
    },
    Subject {
        name: "sealed part",
        make: |draw| draw.sealed().encode(draw.to(2000) as usize),
        again: |bytes| Ok(SealedPart::decode(bytes)?.encode(bytes.len())),
        keeps_own_bytes: false,
    },
    Subject {
        name: "pack header",
        make: |draw| {
            let mut header = draw.pack().0;
            header.len_bytes = header.len_bytes.min(64 << 20);
            header.encode(STORE)
        },
        again: |bytes| Ok(PackHeader::decode(bytes, STORE)?.encode(STORE)),
        keeps_own_bytes: true,
    },
    Subject { name: "pack index", make: make_index, again: index_again, keeps_own_bytes: false },
    Subject {
        name: "key list",
        make: |draw| draw.key_list().encode(STORE),
        again: |bytes| Ok(KeyList::decode(bytes, STORE)?.encode(STORE)),
        keeps_own_bytes: true,
    },
    Subject {
        name: "recipe",
        make: |draw| draw.recipe().encode(STORE),
        again: |bytes| Ok(Recipe::decode(bytes, STORE)?.encode(STORE)),
        keeps_own_bytes: true,
    },
    Subject {
        name: "merged index",
        make: |draw| draw.index().encode(),
        again: |bytes| Ok(IndexPart::decode(bytes)?.encode()),
        keeps_own_bytes: false,
    },
    Subject {
        name: "list",
        make: |draw| draw.list().encode(),
        again: |bytes| Ok(ListNode::decode(bytes)?.encode()),
        keeps_own_bytes: false,
    },
    Subject {
        name: "tree",
        make: |draw| draw.tree().encode(),
        again: |bytes| Ok(TreeNode::decode(bytes)?.encode()),
        keeps_own_bytes: false,
    },
    Subject {
        name: "snapshot",
        make: |draw| draw.snapshot().encode(),
        again: |bytes| Ok(Snapshot::decode(bytes)?.encode()),
        keeps_own_bytes: false,
    },
    Subject {
        name: "pointer",
        make: |draw| {
            let mut out = Encoder::new();
            draw.pointer(Kind::Chunk).put(&mut out);
            out.finish()
        },
        again: |bytes| read(bytes, |input| Pointer::get(input, Kind::Chunk), |out, pointer| pointer.put(out)),
        keeps_own_bytes: false,
    },
    Subject {
        name: "extensions",
        make: |draw| {
            let mut out = Encoder::new();
            put_extensions(&mut out, &draw.extensions());
            out.finish()
        },
        again: |bytes| read(bytes, get_extensions, |out, extensions| put_extensions(out, extensions)),
        keeps_own_bytes: false,
    },
];

/// One edit of valid bytes, at a place that is a share of their length.
#[derive(Debug, Clone)]
enum Edit {
    Set(u16, u8),
    Flip(u16, u8),
    Insert(u16, Vec<u8>),
    Remove(u16, u8),
    Cut(u16),
    Repeat(u16, u8),
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let place = |share: u16| usize::from(share) * bytes.len() / 65536;
        match self {
            _ if bytes.is_empty() => {}
            Self::Set(at, value) => {
                let at = place(*at);
                bytes[at] = *value;
            }
            Self::Flip(at, bit) => {
                let at = place(*at);
                bytes[at] ^= 1 << (bit % 8);
            }
            Self::Insert(at, more) => {
                let at = place(*at);
                bytes.splice(at..at, more.iter().copied());
            }
            Self::Remove(at, count) => {
                let at = place(*at);
                let end = (at + usize::from(*count)).min(bytes.len());
                bytes.drain(at..end);
            }
            Self::Cut(at) => {
                let at = place(*at);
                bytes.truncate(at);
            }
            Self::Repeat(at, count) => {
                let at = place(*at);
                let end = (at + usize::from(*count)).min(bytes.len());
                let again = bytes[at..end].to_vec();
                bytes.splice(end..end, again);
            }
        }
    }
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        (any::<u16>(), any::<u8>()).prop_map(|(at, value)| Edit::Set(at, value)),
        (0u16..2000, any::<u8>()).prop_map(|(at, value)| Edit::Set(at, value)),
        (any::<u16>(), any::<u8>()).prop_map(|(at, bit)| Edit::Flip(at, bit)),
        (any::<u16>(), proptest::collection::vec(any::<u8>(), 1..12)).prop_map(|(at, more)| Edit::Insert(at, more)),
        (any::<u16>(), any::<u8>()).prop_map(|(at, count)| Edit::Remove(at, count)),
        any::<u16>().prop_map(Edit::Cut),
        (any::<u16>(), any::<u8>()).prop_map(|(at, count)| Edit::Repeat(at, count)),
    ]
}

/// Checks that bytes are refused, or read to a value that is written as the same bytes.
fn check(subject: &Subject, bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(again) = (subject.again)(bytes) {
        if subject.keeps_own_bytes && again != bytes {
            // What was left out is all that may differ: what is written again is canonical.
            prop_assert_eq!((subject.again)(&again), Ok(again.clone()), "{}", subject.name);
        } else {
            prop_assert_eq!(&again[..], bytes, "{} has two spellings", subject.name);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_written_reads_back(seed: u64) {
        for subject in SUBJECTS {
            let bytes = (subject.make)(&Draw::new(seed));
            prop_assert_eq!((subject.again)(&bytes), Ok(bytes.clone()), "{}", subject.name);
        }
    }

    #[test]
    fn values_read_back_equal(seed: u64) {
        let draw = || Draw::new(seed);
        prop_assert_eq!(TreeNode::decode(&draw().tree().encode()), Ok(draw().tree()));
        prop_assert_eq!(ListNode::decode(&draw().list().encode()), Ok(draw().list()));
        prop_assert_eq!(Snapshot::decode(&draw().snapshot().encode()), Ok(draw().snapshot()));
        prop_assert_eq!(Manifest::decode(&draw().manifest().encode(STORE), STORE), Ok(draw().manifest()));
        prop_assert_eq!(SealedPart::decode(&draw().sealed().encode(0)), Ok(draw().sealed()));
        prop_assert_eq!(IndexPart::decode(&draw().index().encode()), Ok(draw().index()));
        prop_assert_eq!(KeyList::decode(&draw().key_list().encode(STORE), STORE), Ok(draw().key_list()));
        prop_assert_eq!(Recipe::decode(&draw().recipe().encode(STORE), STORE), Ok(draw().recipe()));
        let head = SignedHead::new(draw().head(), [1; 64]);
        prop_assert_eq!(SignedHead::decode(head.bytes()), Ok(head));
        let receipt = SignedReceipt::new(draw().receipt(), [1; 64]);
        prop_assert_eq!(SignedReceipt::decode(receipt.bytes()), Ok(receipt));
        let trust = SignedTrust::new(draw().trust(), vec![]);
        prop_assert_eq!(SignedTrust::decode(trust.bytes()), Ok(trust));
    }

    #[test]
    fn changed_bytes_are_refused_or_have_one_spelling(seed: u64, edits in proptest::collection::vec(edit(), 1..4)) {
        for subject in SUBJECTS {
            let mut bytes = (subject.make)(&Draw::new(seed));
            edits.iter().for_each(|edit| edit.apply(&mut bytes));
            check(subject, &bytes)?;
        }
    }

    #[test]
    fn any_bytes_are_refused_or_have_one_spelling(bytes in proptest::collection::vec(any::<u8>(), 0..200), keep in 0usize..80) {
        for subject in SUBJECTS {
            check(subject, &bytes)?;
            let mut begun = (subject.make)(&Draw::new(1));
            begun.truncate(keep);
            begun.extend_from_slice(&bytes);
            check(subject, &begun)?;
        }
    }

    #[test]
    fn padded_lengths_grow_little_and_keep_few_bits(len: u64) {
        let padded = padme(len);
        prop_assert!(padded >= len && (padded == u64::MAX || padded - len <= len / 8 + 1));
        prop_assert!(len > u64::MAX / 2 || padme(padded) == padded);
    }

    #[test]
    fn an_entry_alone_is_as_long_as_its_leaf_but_for_the_frame(seed: u64) {
        if let TreeNode::Leaf(entries) = Draw::new(seed).tree() {
            for entry in entries {
                let alone = entry_len_alone(&entry);
                // Version, level and the count of one entry.
                prop_assert_eq!(TreeNode::Leaf(vec![entry]).encode().len(), alone + 3);
            }
        }
    }
}

/// Every prefix of legal bytes is refused, but for those that end where only padding is missing.
#[test]
fn cut_bytes_are_refused() {
    for subject in SUBJECTS {
        for seed in 0..20 {
            let bytes = (subject.make)(&Draw::new(seed));
            for len in 0..bytes.len() {
                check(subject, &bytes[..len]).unwrap_or_else(|error| panic!("seed {seed}, {len}: {error}"));
            }
        }
    }
}

#[test]
fn lying_counts_reserve_nothing() {
    let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    for subject in SUBJECTS {
        for seed in 0..4 {
            let bytes = (subject.make)(&Draw::new(seed));
            for at in 0..bytes.len().min(300) {
                let lie = [&bytes[..at], &huge[..], &bytes[at..]].concat();
                check(subject, &lie).unwrap_or_else(|error| panic!("seed {seed}, {at}: {error}"));
            }
        }
    }
}

#[test]
fn counts_and_lengths_over_their_limits_are_refused() {
    let limit =
        |outcome: Result<(), FormatError>| assert!(matches!(outcome, Err(FormatError::Limit(_))), "{outcome:?}");
    let mut index = IndexPart::default();
    let entry = PackEntry {
        id: ObjectId([0; 32]),
        kind: Kind::Chunk,
        codec: Codec::Stored,
        dedup_generation: DedupGeneration(1),
        len_bytes: 1,
        sealed_len_bytes: 41,
    };
    index.packs.push(PackHash([0; 32]));
    index.entries = (0..=ENTRIES_MAX as u32)
        .map(|at| {
            let mut id = [0; 32];
            id[..4].copy_from_slice(&at.to_be_bytes());
            let entry = PackEntry { id: ObjectId(id), ..entry };
            IndexEntry { pack: 0, offset: 64, entry }
        })
        .collect();
    limit(IndexPart::decode(&index.encode()).map(drop));
    index.entries.pop();
    assert_eq!(IndexPart::decode(&index.encode()), Ok(index));

    let steps = STEPS_MAX + 1;
    let mut recipe = Draw::new(1).recipe();
    recipe.steps = vec![RecipeStep::Fetch { len_bytes: 1 }; steps];
    recipe.pack_len_bytes = steps as u64;
    limit(Recipe::decode(&recipe.encode(STORE), STORE).map(drop));
    recipe.steps.pop();
    recipe.pack_len_bytes -= 1;
    recipe.sources = vec![PackHash([0; 32]); SOURCES_MAX];
    assert!(Recipe::decode(&recipe.encode(STORE), STORE).is_ok());
    recipe.sources.push(PackHash([0; 32]));
    limit(Recipe::decode(&recipe.encode(STORE), STORE).map(drop));

    let zeros = vec![0; (32 << 20) + 1];
    limit(Manifest::decode(&zeros, STORE).map(drop));
    limit(Recipe::decode(&zeros[..(16 << 20) + 1], STORE).map(drop));
    limit(KeyList::decode(&zeros[..(4 << 20) + 1], STORE).map(drop));
    limit(TreeNode::decode(&zeros[..(8 << 20) + 1]).map(drop));
    limit(ListNode::decode(&zeros[..(128 << 10) + 1]).map(drop));
    limit(SignedTrust::decode(&zeros[..(64 << 10) + 1]).map(drop));
    limit(SignedHead::decode(&zeros[..4097]).map(drop));
    limit(Marker::decode(&zeros[..1025]).map(drop));
}

/// The room that is reserved for a sealed part is never outgrown, so no copy of a secret is left where it moved from.
#[test]
fn a_sealed_part_is_written_without_moving() {
    for seed in 0..200 {
        let part = Draw::new(seed).sealed();
        let bytes = part.encode(0);
        assert!(part.room_bytes() >= bytes.len(), "seed {seed}");
        assert_eq!(SealedPart::decode(&bytes).unwrap(), part);
    }
}

/// The secrets of older epochs never reach a log.
#[test]
fn a_sealed_part_does_not_show_secrets() {
    let mut part = Draw::new(1).sealed();
    part.older_epochs = vec![(Epoch(1), zeroize::Zeroizing::new([0xab; 32]))];
    let shown = format!("{part:?}");
    assert!(!shown.contains("171, 171") && !shown.contains("abab"), "{shown}");
}
