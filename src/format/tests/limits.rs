//! Edges that no vector stands at, and what small types say of themselves.

use super::{Draw, STORE};
use crate::base::limits::{HEAD_MAX_BYTES, MARKER_MAX_BYTES, PACK_MAX_BYTES, RECEIPT_MAX_BYTES, SMALL_FILE_MAX_BYTES};
use crate::base::{DedupGeneration, Epoch, Generation, KeyListHash, ObjectId, PackHash, PublicKey, Timestamp};
use crate::format::INNER_VERSION;
use crate::format::codec::{Encoder, FormatError};
use crate::format::head::{GROUP_MAX_BYTES, Group, Head, SignedHead};
use crate::format::keylist::{KeyRole, KeyTag};
use crate::format::manifest::{KeyShards, Manifest, SHARD_BITS_MAX};
use crate::format::marker::Marker;
use crate::format::order::{
    ORDER_ITEMS_MAX, ORDER_PARTS_MAX, OrderFile, decode_objects, decode_snapshots, encode_objects, encode_snapshots,
};
use crate::format::outer::{FileMagic, put_header};
use crate::format::pack::{PackHeader, SEAL_OVERHEAD_BYTES, padme};
use crate::format::pointer::ObjectKey;
use crate::format::receipt::{OUTCOME_MAX_BYTES, PROGRAM_MAX_BYTES, Receipt, SignedReceipt};
use crate::format::recipe::{Recipe, RecipeStep};
use crate::format::roster::{Holder, ROSTER_HEADER_BYTES, RosterFile, decode_holders, encode_holders};

#[test]
fn a_tag_reads_as_it_is_shown_and_its_twin_is_another_in_the_same_shard() {
    for tag in [KeyTag([0x12, 0xab, 0xff, 0x00]), KeyTag([0x12, 0xab, 0xff, 0x01])] {
        assert_eq!(tag.to_string().parse(), Ok(tag));
        assert_ne!(tag.twin(), tag);
        assert_eq!(tag.twin().twin(), tag);
        assert_eq!(tag.twin().shard(1 << 12), tag.shard(1 << 12));
    }
    assert_eq!(KeyTag([0x12, 0xab, 0xff, 0x00]).to_string(), "12ABFF00");
    assert_eq!(
        [KeyRole::Reader, KeyRole::Writer, KeyRole::Identity].map(KeyRole::name),
        ["reader", "writer", "identity"]
    );
}

#[test]
fn a_key_is_never_printed() {
    assert_eq!(format!("{:?}", ObjectKey([0x5a; 32])), "ObjectKey(..)");
}

#[test]
fn the_body_of_a_head_is_all_before_its_signature() {
    let head = Draw::new(1).head();
    let signed = SignedHead::new(head.clone(), [7; 64]);
    assert_eq!(signed.body(), head.encode_body());
    assert_eq!(
        signed.bytes().strip_prefix(signed.body()).unwrap(),
        format!("signature {}\n", "07".repeat(64)).as_bytes()
    );
    assert_eq!(SignedHead::decode(signed.bytes()).unwrap().body(), signed.body());
    assert!(Head { inner_version: INNER_VERSION, ..head.clone() }.inner_known());
    assert!(!Head { inner_version: INNER_VERSION + 1, ..head }.inner_known());
}

#[test]
fn a_group_has_so_many_letters_digits_and_dashes() {
    let decoded = |group: &str| {
        let text = String::from_utf8(SignedHead::new(Draw::new(1).head(), [7; 64]).bytes().to_vec()).unwrap();
        SignedHead::decode(text.replace("target all", &format!("target {group}")).as_bytes())
            .map(|read| read.head.group.to_string())
    };
    for group in ["a", "a-1", "-", "0", &"z".repeat(GROUP_MAX_BYTES)] {
        assert_eq!(decoded(group).as_deref(), Ok(group));
    }
    for group in ["A", "a_1", "ä", &"z".repeat(GROUP_MAX_BYTES + 1)] {
        assert!(decoded(group).is_err(), "{group}");
    }
}

#[test]
fn what_is_for_a_group_is_for_its_keys_and_what_is_for_all_for_every_key() {
    let group = |name: &str| name.parse::<Group>().unwrap();
    assert!(Group::all().is_all() && group("all").is_all() && !group("early").is_all());
    assert!(group("early").is_for(&group("early")) && group("all").is_for(&group("early")));
    assert!(!group("early").is_for(&group("late")) && !group("early").is_for(&Group::all()));
}

#[test]
fn a_head_may_be_as_long_as_its_limit() {
    let text = String::from_utf8(SignedHead::new(Draw::new(1).head(), [7; 64]).bytes().to_vec()).unwrap();
    let padded = |len: usize| {
        let line = format!("later {}\nsignature ", "x".repeat(len - text.len() - "later \n".len()));
        text.replace("signature ", &line)
    };
    let longest = usize::try_from(HEAD_MAX_BYTES).unwrap();
    assert_eq!(padded(longest).len(), longest);
    assert!(SignedHead::decode(padded(longest).as_bytes()).is_ok());
    assert_eq!(SignedHead::decode(padded(longest + 1).as_bytes()), Err(FormatError::Limit("HEAD")));
}

#[test]
fn nothing_stands_twice_in_a_manifest() {
    let draw = Draw::new(3);
    let mut drawn = (0..1000).map(|_| draw.manifest());
    let mut full = |has: fn(&Manifest) -> bool| drawn.find(has).unwrap();
    let twice = |mut manifest: Manifest, double: fn(&mut Manifest)| {
        assert!(Manifest::decode(&manifest.encode(STORE), STORE).is_ok());
        double(&mut manifest);
        assert_eq!(Manifest::decode(&manifest.encode(STORE), STORE), Err(FormatError::NotCanonical("a manifest")));
    };
    twice(full(|it| !it.removed.is_empty()), |it| it.removed.push(*it.removed.last().unwrap()));
    twice(full(|it| !it.condemned.is_empty()), |it| it.condemned.push(*it.condemned.last().unwrap()));
    twice(full(|it| !it.recipes.is_empty()), |it| it.recipes.push(*it.recipes.last().unwrap()));
    twice(full(|it| !it.heads.is_empty()), |it| it.heads.push(*it.heads.last().unwrap()));
    twice(full(|it| !it.key_lists.is_empty()), |it| it.key_lists.push(it.key_lists.last().unwrap().clone()));
    twice(full(|it| !it.files.is_empty()), |it| it.files.push(*it.files.last().unwrap()));
}

#[test]
fn every_receipt_is_sealed_at_one_length() {
    let signed = |seed| SignedReceipt::new(Draw::new(seed).receipt(), [7; 64]);
    for seed in 0..20 {
        let (receipt, padded) = (signed(seed), signed(seed).padded().unwrap());
        assert_eq!(padded.len() as u64, RECEIPT_MAX_BYTES);
        assert_eq!(SignedReceipt::decode_padded(&padded), Ok(receipt));
    }
    let padded = signed(1).padded().unwrap();
    let other_end = [&padded[..padded.len() - 1], b"x"].concat();
    assert!(SignedReceipt::decode_padded(&other_end).is_err());
    let not_canonical = Err(FormatError::NotCanonical("a receipt"));
    assert_eq!(SignedReceipt::decode_padded(&padded[1..]), not_canonical);
    assert_eq!(SignedReceipt::decode_padded(&[&padded[..], &[0]].concat()), not_canonical);
    assert_eq!(SignedReceipt::decode_padded(&[0; 4096]), Err(FormatError::WrongKind("a receipt")));
}

#[test]
fn the_body_of_a_receipt_is_all_before_its_signature() {
    let receipt = Draw::new(3).receipt();
    let signed = SignedReceipt::new(receipt.clone(), [7; 64]);
    assert_eq!(signed.body(), receipt.encode_body());
    assert_eq!(SignedReceipt::decode(signed.bytes()).unwrap().body(), signed.body());
    assert_eq!(SignedReceipt::decode(&vec![b'x'; 4097]), Err(FormatError::Limit("a receipt")));
}

/// Splits a manifest into its header and its sections by tag.
fn sections(bytes: &[u8]) -> (Vec<u8>, Vec<(u16, Vec<u8>)>) {
    let mut header = Encoder::new();
    put_header(&mut header, FileMagic::Manifest, STORE, 0);
    let (header, mut rest) = bytes.split_at(header.finish().len());
    let mut found = Vec::new();
    while let Some((head, after)) = rest.split_at_checked(8) {
        let (body, after) = after.split_at(u32::from_le_bytes(head[4..].try_into().unwrap()) as usize);
        found.push((u16::from_le_bytes(head[..2].try_into().unwrap()), body.to_vec()));
        rest = after;
    }
    (header.to_vec(), found)
}

fn joined(header: &[u8], sections: &[(u16, Vec<u8>)]) -> Result<Manifest, FormatError> {
    let mut bytes = header.to_vec();
    for (tag, body) in sections {
        bytes.extend([&tag.to_le_bytes()[..], &[0; 2], &(body.len() as u32).to_le_bytes(), body].concat());
    }
    Manifest::decode(&bytes, STORE)
}

#[test]
fn a_manifest_lacks_no_section_and_may_have_odd_ones_between() {
    let manifest = Draw::new(5).manifest();
    let (header, known) = sections(&manifest.encode(STORE));
    assert_eq!(joined(&header, &known).as_ref(), Ok(&manifest));
    for at in 0..=known.len() {
        let before = at.checked_sub(1).map_or(0, |before| known[before].0);
        let mut odd = known.clone();
        odd.insert(at, (before + 1, b"later".to_vec()));
        assert_eq!(joined(&header, &odd).as_ref(), Ok(&manifest), "after {before}");
    }
    for at in 0..known.len() {
        let mut lacking = known.clone();
        lacking.remove(at);
        assert_eq!(joined(&header, &lacking), Err(FormatError::Truncated("a manifest")));
    }
    let more = [&known[..], &[(known.last().unwrap().0 + 2, Vec::new())]].concat();
    assert_eq!(joined(&header, &more), Err(FormatError::TooNew("a manifest")));
}

#[test]
fn what_is_reserved_is_zero_in_each_of_its_places() {
    let draw = Draw::new(6);
    let drawn = (0..100).map(|_| draw.manifest());
    let (header, mut known) = sections(&drawn.filter(|it| !it.added.is_empty()).last().unwrap().encode(STORE));
    let added = known.iter_mut().find(|(tag, _)| *tag == 8).unwrap();
    let (small, large) = (41, 44);
    assert_eq!((added.1[small], &added.1[large..large + 4]), (0, &[0; 4][..]));
    let whole = added.1.clone();
    for places in [&[small][..], &[large], &[small, large]] {
        let mut changed = whole.clone();
        places.iter().for_each(|at| changed[*at] = 1);
        known.iter_mut().find(|(tag, _)| *tag == 8).unwrap().1 = changed;
        assert_eq!(joined(&header, &known), Err(FormatError::NotCanonical("a manifest")), "{places:?}");
    }

    let bytes = draw.pack().0.encode(STORE);
    assert!(PackHeader::decode(&bytes, STORE).is_ok());
    let (small, large) = (bytes.len() - 31, bytes.len() - 4);
    for places in [&[small][..], &[large], &[small, large]] {
        let mut changed = bytes.clone();
        places.iter().for_each(|at| changed[*at] = 1);
        assert!(PackHeader::decode(&changed, STORE).is_err(), "{places:?}");
    }
}

#[test]
fn an_epoch_has_so_many_shards_of_key_lists() {
    let with = |shards: usize| {
        let list = (KeyListHash([1; 32]), 1);
        let key_lists = vec![KeyShards { epoch: Epoch(1), shards: vec![list; shards] }];
        let manifest = Manifest { key_lists, ..Draw::new(7).manifest() };
        Manifest::decode(&manifest.encode(STORE), STORE).map(|read| read.key_lists[0].shards.len())
    };
    let most = 1 << SHARD_BITS_MAX;
    assert_eq!((with(1), with(most)), (Ok(1), Ok(most)));
    assert_eq!(
        (with(3), with(2 * most)),
        (Err(FormatError::Limit("a manifest")), Err(FormatError::Limit("a manifest")))
    );
}

#[test]
fn a_marker_may_be_as_long_as_its_limit() {
    let text = String::from_utf8(Marker { store: STORE }.encode()).unwrap();
    let padded = |len: usize| format!("{text}later {}\n", "x".repeat(len - text.len() - "later \n".len()));
    let most = MARKER_MAX_BYTES as usize;
    assert_eq!(Marker::decode(padded(most).as_bytes()), Ok(Marker { store: STORE }));
    assert!(matches!(Marker::decode(padded(most + 1).as_bytes()), Err(FormatError::Limit(_))));
}

#[test]
fn a_part_of_an_order_is_within_its_limits() {
    let least = SEAL_OVERHEAD_BYTES as usize;
    let order = |parts: u16, packs: usize, snapshots: usize, objects: usize| {
        let name = |at: usize| PackHash(std::array::from_fn(|byte| at.to_be_bytes().get(byte).copied().unwrap_or(0)));
        let file = OrderFile {
            clash_counter: 0,
            generation: Generation(1),
            part: 0,
            parts,
            epoch: Epoch(1),
            dedup_generation: DedupGeneration(1),
            writer: PublicKey([2; 32]),
            packs: (0..packs).map(name).collect(),
            snapshots: vec![3; snapshots],
            objects: vec![4; objects],
        };
        let bytes = [file.encode_body(STORE), vec![5; 64]].concat();
        let read = OrderFile::decode(&bytes, STORE).map(|(read, ..)| assert_eq!(read, file));
        (bytes.len(), read)
    };
    let limit = Err(FormatError::Limit("a purge order"));
    assert_eq!(order(ORDER_PARTS_MAX, ORDER_ITEMS_MAX, least, least).1, Ok(()));
    assert_eq!(order(ORDER_PARTS_MAX + 1, 0, least, least).1, limit);
    assert_eq!(order(1, ORDER_ITEMS_MAX + 1, least, least).1, limit);
    for (snapshots, objects) in [(least - 1, least), (least, least - 1)] {
        assert_eq!(order(1, 0, snapshots, objects).1, Err(FormatError::Truncated("a purge order")));
    }
    let most = SMALL_FILE_MAX_BYTES as usize;
    let fill = most - order(1, 0, 1 << 16, least).0 + (1 << 16);
    assert_eq!(order(1, 0, fill, least), (most, Ok(())));
    assert_eq!(order(1, 0, fill + 1, least), (most + 1, limit));
}

#[test]
fn a_part_of_an_order_lists_so_many_items_each_once() {
    let id = |at: usize| ObjectId(std::array::from_fn(|byte| at.to_be_bytes().get(byte).copied().unwrap_or(0)));
    let objects = |count: usize| decode_objects(&encode_objects(&(0..count).map(id).collect::<Vec<_>>(), 0));
    let pairs = |count: usize| {
        decode_snapshots(&encode_snapshots(&(0..count).map(|at| (id(at), id(0))).collect::<Vec<_>>(), 0))
    };
    let most = ORDER_ITEMS_MAX;
    for count in [0, 1, most] {
        assert_eq!(objects(count).map(|read| read.len()), Ok(count));
        assert_eq!(pairs(count).map(|read| read.len()), Ok(count));
    }
    assert!(matches!(objects(most + 1), Err(FormatError::Limit(_))));
    assert!(matches!(pairs(most + 1), Err(FormatError::Limit(_))));
    let twice = encode_snapshots(&[(id(1), id(2)), (id(1), id(3))], 0);
    assert!(matches!(decode_snapshots(&twice), Err(FormatError::NotCanonical(_))));
    assert!(matches!(decode_objects(&encode_objects(&[id(1), id(1)], 0)), Err(FormatError::NotCanonical(_))));
}

// The figures follow from the definition in the paper, worked out by hand.
#[test]
fn padded_lengths_are_those_of_the_paper() {
    let table = [(0, 0), (1, 1), (2, 2), (3, 3), (7, 7), (8, 8), (9, 10), (16, 16), (17, 18), (65, 72), (1000, 1024)];
    for (len, padded) in table.into_iter().chain([(1_000_001, 1_015_808), (u64::MAX, u64::MAX)]) {
        assert_eq!(padme(len), padded, "{len}");
    }
}

#[test]
fn a_receipt_is_within_its_limits() {
    let most = RECEIPT_MAX_BYTES as usize;
    let text = String::from_utf8(SignedReceipt::new(Draw::new(1).receipt(), [7; 64]).bytes().to_vec()).unwrap();
    let longer = |len: usize| {
        let line = format!("later {}\nsignature ", "x".repeat(len - text.len() - "later \n".len()));
        text.replace("signature ", &line)
    };
    assert_eq!(SignedReceipt::decode(longer(most).as_bytes()).unwrap().bytes().len(), most);
    assert_eq!(SignedReceipt::decode(longer(most + 1).as_bytes()), Err(FormatError::Limit("a receipt")));

    let with = |change: fn(&mut Receipt, usize), len: usize| {
        let mut receipt = Draw::new(1).receipt();
        change(&mut receipt, len);
        SignedReceipt::new(receipt, [7; 64])
    };
    let read = |signed: SignedReceipt| SignedReceipt::decode(signed.bytes()).map(|_| ());
    for (change, most) in [
        ((|it, len| it.outcome = "x".repeat(len)) as fn(&mut Receipt, usize), OUTCOME_MAX_BYTES),
        (|it, len| it.program = "p".repeat(len), PROGRAM_MAX_BYTES),
    ] {
        assert_eq!(read(with(change, most)), Ok(()));
        assert_eq!(read(with(change, most + 1)), Err(FormatError::Limit("a receipt")));
    }
    let program = |len: usize| with(|it, len| it.program = "p".repeat(len), len);
    let fill = most - program(0).bytes().len();
    assert_eq!(program(fill).padded().map(|padded| padded.len()), Ok(most));
    assert_eq!(program(fill + 1).padded(), Err(FormatError::Limit("a receipt")));
}

#[test]
fn a_recipe_makes_a_pack_of_at_most_the_longest() {
    let of = |len_bytes: u64| {
        let steps =
            vec![RecipeStep::Fetch { len_bytes: len_bytes / 2 }, RecipeStep::Fetch { len_bytes: len_bytes / 2 }];
        let recipe = Recipe { pack_len_bytes: len_bytes, steps, ..Draw::new(1).recipe() };
        Recipe::decode(&recipe.encode(STORE), STORE).map(|read| read.pack_len_bytes)
    };
    assert_eq!(of(PACK_MAX_BYTES), Ok(PACK_MAX_BYTES));
    assert_eq!(of(PACK_MAX_BYTES + 2), Err(FormatError::Limit("a recipe")));
}

#[test]
fn a_shard_of_the_roster_is_within_its_limits() {
    let least = SEAL_OVERHEAD_BYTES as usize;
    let shard = |shards: u16, len: usize| {
        let dedup_generation = DedupGeneration(1);
        let file = RosterFile { clash_counter: 0, shard: 0, shards, dedup_generation, frame: vec![3; len] };
        RosterFile::decode(&file.encode(STORE), STORE).map(|read| assert_eq!(read, file))
    };
    let (most, limit) = (1 << SHARD_BITS_MAX, Err(FormatError::Limit("a roster")));
    assert_eq!((shard(most, least), shard(2 * most, least), shard(3, least)), (Ok(()), limit, limit));
    assert_eq!((shard(1, least), shard(1, least - 1)), (Ok(()), Err(FormatError::Truncated("a roster"))));
    let fill = SMALL_FILE_MAX_BYTES as usize - ROSTER_HEADER_BYTES;
    assert_eq!((shard(1, fill), shard(1, fill + 1)), (Ok(()), limit));
}

#[test]
fn a_holder_holds_until_an_epoch_or_still() {
    for until in [None, Some(Epoch(1)), Some(Epoch(7))] {
        let holder = Holder {
            tag: KeyTag([1; 4]),
            role: KeyRole::Reader,
            recipient: "age1".to_owned(),
            identity: Vec::new(),
            name: "ann".to_owned(),
            note: String::new(),
            added: Timestamp(5),
            since: Epoch(1),
            until,
            extensions: Vec::new(),
        };
        assert_eq!(decode_holders(&encode_holders(&[&holder], 0)), Ok(vec![holder]));
    }
}
