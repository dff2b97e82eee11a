//! The vectors of the format held against this module alone: what is good is written again as it was, what is bad fails as it says.
//!
//! `tests/vectors` makes the files and opens what is sealed besides; this holds the decoders where they stand.
#![allow(clippy::disallowed_methods, reason = "a test reads the vectors themselves")]

use std::path::Path;

use crate::base::StoreId;
use crate::format::attributes::{
    decode_attributes, decode_birth, decode_holes, encode_attributes, encode_birth, encode_holes,
};
use crate::format::codec::{Decoder, Encoder, FormatError};
use crate::format::head::SignedHead;
use crate::format::index::IndexPart;
use crate::format::keylist::KeyList;
use crate::format::list::ListNode;
use crate::format::manifest::Manifest;
use crate::format::marker::Marker;
use crate::format::order::{OrderFile, decode_objects, decode_snapshots, encode_objects, encode_snapshots};
use crate::format::pack::{PackHeader, decode_index, encode_index};
use crate::format::receipt::SignedReceipt;
use crate::format::recipe::Recipe;
use crate::format::roster::{RosterFile, decode_holders, encode_holders};
use crate::format::sealed::SealedPart;
use crate::format::snapshot::Snapshot;
use crate::format::tree::TreeNode;
use crate::format::trust::SignedTrust;
use crate::format::{Kind, Pointer};

/// The store that the vectors belong to.
const STORE: StoreId = StoreId([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
/// The file whose holes they are.
const HOLES_FILE_BYTES: u64 = 2 << 20;

/// Reads a kind and writes it again; nothing for kinds that take a key.
fn again(kind: &str, bytes: &[u8], header: &PackHeader) -> Option<Result<Vec<u8>, FormatError>> {
    Some(match kind {
        "marker" => Marker::decode(bytes).map(|marker| marker.encode()),
        "head" => SignedHead::decode(bytes).map(|read| SignedHead::new(read.head, read.signature).bytes().to_vec()),
        "receipt" => {
            SignedReceipt::decode(bytes).map(|it| SignedReceipt::new(it.receipt, it.signature).bytes().to_vec())
        }
        "trust" => SignedTrust::decode(bytes).map(|it| SignedTrust::new(it.trust, it.signatures).bytes().to_vec()),
        "manifest" => Manifest::decode(bytes, STORE).map(|manifest| manifest.encode(STORE)),
        "sealed-part" => SealedPart::decode(bytes).map(|part| part.encode(bytes.len())),
        "pack-header" => PackHeader::decode(bytes, STORE).map(|header| header.encode(STORE)),
        "pack-index" => decode_index(bytes, header).map(|entries| {
            let entries: Vec<_> = entries.into_iter().map(|(_, entry)| entry).collect();
            encode_index(&entries, bytes.len())
        }),
        "key-list" => KeyList::decode(bytes, STORE).map(|list| list.encode(STORE)),
        "roster" => RosterFile::decode(bytes, STORE).map(|file| file.encode(STORE)),
        "holders" => {
            decode_holders(bytes).map(|holders| encode_holders(&holders.iter().collect::<Vec<_>>(), bytes.len()))
        }
        "order" => OrderFile::decode(bytes, STORE).map(|(order, signature, signed)| {
            assert_eq!(order.encode_body(STORE), bytes[..signed]);
            [&order.encode_body(STORE)[..], &signature].concat()
        }),
        "order-snapshots" => decode_snapshots(bytes).map(|pairs| encode_snapshots(&pairs, bytes.len())),
        "order-objects" => decode_objects(bytes).map(|ids| encode_objects(&ids, bytes.len())),
        "recipe" => Recipe::decode(bytes, STORE).map(|recipe| recipe.encode(STORE)),
        "pointer" => pointer_again(bytes),
        "list" => ListNode::decode(bytes).map(|node| node.encode()),
        "tree" => TreeNode::decode(bytes).map(|node| node.encode()),
        "extended-attributes" => decode_attributes(bytes).map(|pairs| encode_attributes(&pairs).0.unwrap()),
        "time-of-birth" => decode_birth(bytes).map(|(secs, nanos)| encode_birth(secs, nanos)),
        "holes" => decode_holes(bytes, HOLES_FILE_BYTES).map(|holes| encode_holes(&holes).unwrap()),
        "snapshot" => Snapshot::decode(bytes).map(|snapshot| snapshot.encode()),
        "index" => IndexPart::decode(bytes).map(|part| part.encode()),
        _ => return None,
    })
}

fn pointer_again(bytes: &[u8]) -> Result<Vec<u8>, FormatError> {
    let mut input = Decoder::new("a pointer", bytes);
    let pointer = Pointer::get(&mut input, Kind::Chunk)?;
    input.end()?;
    let mut out = Encoder::new();
    pointer.put(&mut out);
    Ok(out.finish())
}

/// One file: its name, the lines before the bytes, and the bytes.
struct File {
    name: String,
    text: String,
    bytes: Vec<u8>,
}

impl File {
    fn field(&self, name: &str) -> Option<&str> {
        self.text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
    }
}

fn files(which: &str) -> Vec<File> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/vectors").join(which);
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let digits: String = text.split_once("\nbytes ").unwrap().1.lines().skip(1).collect();
        File { name: path.display().to_string(), bytes: hex::decode(digits).unwrap(), text }
    };
    std::fs::read_dir(dir).unwrap().map(read).collect()
}

/// The header of the pack that the vectors' index stands in.
fn header() -> PackHeader {
    let file = files("good").into_iter().find(|file| file.name.ends_with("pack-header.txt")).unwrap();
    PackHeader::decode(&file.bytes, STORE).unwrap()
}

#[test]
fn good_vectors_are_written_again_as_they_were() {
    let (header, mut tried) = (header(), 0);
    for file in files("good") {
        let Some(read) = again(file.field("kind").unwrap(), &file.bytes, &header) else { continue };
        assert_eq!(read, Ok(file.bytes), "{}", file.name);
        tried += 1;
    }
    assert!(tried > 25, "{tried}");
}

#[test]
fn bad_vectors_fail_as_they_say() {
    let (header, mut tried) = (header(), 0);
    for file in files("bad") {
        let Some(read) = again(file.field("kind").unwrap(), &file.bytes, &header) else { continue };
        let error = read.map_err(|error| format!("{error:?}"));
        assert_eq!(error.as_ref().map_err(String::as_str), Err(file.field("expect").unwrap()), "{}", file.name);
        tried += 1;
    }
    assert!(tried > 250, "{tried}");
}
