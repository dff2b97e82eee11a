//! `objects-format.md` against the code: the vectors that it quotes, and every limit, magic and context by value.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use chunkstore::base::{limits, paths};
use chunkstore::format::outer::FileMagic;
use chunkstore::format::{
    attributes, codec, head, index, keylist, list, manifest, outer, pack, pointer, receipt, recipe, sealed, snapshot,
};
use chunkstore::format::{order, roster, tree, trust};
use chunkstore::{format, store};

use super::{good, hex_lines};

const MARK: &str = "<!-- what follows is written by `cargo test --test vectors -- --ignored rewrite` -->\n";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn document() -> String {
    std::fs::read_to_string(root().join("objects-format.md")).unwrap()
}

/// The part of the document that quotes the vectors.
fn quoted() -> String {
    let mut text = String::new();
    for vector in good::all() {
        // Two packs of hex are enough for a table that is all alike.
        let shown = if vector.kind == "gear-table" { &vector.bytes[..64] } else { &vector.bytes };
        let rest =
            if shown.len() < vector.bytes.len() { format!(", the first {}", shown.len()) } else { String::new() };
        writeln!(text, "\n`{}`: {} ({} bytes{rest})\n\n```text", vector.name, vector.note, vector.bytes.len()).unwrap();
        for (name, value) in &vector.values {
            writeln!(text, "{name} {value}").unwrap();
        }
        text.push_str(&hex_lines(shown));
        text.push_str("```\n");
    }
    text
}

pub fn rewrite_vectors() {
    let text = document();
    let (before, _) = text.split_once(MARK).expect("the mark before the vectors");
    std::fs::write(root().join("objects-format.md"), format!("{before}{MARK}{}", quoted())).unwrap();
}

#[test]
fn the_document_quotes_the_vectors() {
    let text = document();
    assert_eq!(text.split_once(MARK).expect("the mark before the vectors").1, quoted());
}

fn sources(dirs: &[&str]) -> String {
    let mut text = String::new();
    for dir in dirs {
        let path = root().join("src").join(dir);
        let mut files: Vec<PathBuf> = if path.is_dir() {
            std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()).collect()
        } else {
            vec![path]
        };
        files.retain(|path| path.extension() == Some(Path::new("x.rs").extension().unwrap()));
        files.sort();
        files.iter().for_each(|file| text.push_str(&std::fs::read_to_string(file).unwrap()));
    }
    text
}

/// Every public limit of the format by name and value.
fn limit_values() -> BTreeMap<&'static str, u64> {
    BTreeMap::from([
        ("HEAD_MAX_BYTES", limits::HEAD_MAX_BYTES),
        ("MARKER_MAX_BYTES", limits::MARKER_MAX_BYTES),
        ("TRUST_MAX_BYTES", limits::TRUST_MAX_BYTES),
        ("RECEIPT_MAX_BYTES", limits::RECEIPT_MAX_BYTES),
        ("SEALED_RECEIPT_MAX_BYTES", limits::SEALED_RECEIPT_MAX_BYTES),
        ("FLEET_MAX", limits::FLEET_MAX as u64),
        ("OUTCOME_MAX_BYTES", receipt::OUTCOME_MAX_BYTES as u64),
        ("PROGRAM_MAX_BYTES", receipt::PROGRAM_MAX_BYTES as u64),
        ("KEY_FILE_MAX_BYTES", limits::KEY_FILE_MAX_BYTES),
        ("KEY_LIST_MAX_BYTES", limits::KEY_LIST_MAX_BYTES),
        ("MANIFEST_MAX_BYTES", limits::MANIFEST_MAX_BYTES),
        ("RECIPE_MAX_BYTES", limits::RECIPE_MAX_BYTES),
        ("SMALL_FILE_MAX_BYTES", limits::SMALL_FILE_MAX_BYTES),
        ("PACK_MAX_BYTES", limits::PACK_MAX_BYTES),
        ("PACK_TARGET_BYTES", limits::PACK_TARGET_BYTES),
        ("OBJECT_MAX_BYTES", limits::OBJECT_MAX_BYTES),
        ("MANIFEST_CHAIN_MAX", limits::MANIFEST_CHAIN_MAX.into()),
        ("ROSTER_HEADER_BYTES", roster::ROSTER_HEADER_BYTES as u64),
        ("ORDER_ITEMS_MAX", order::ORDER_ITEMS_MAX as u64),
        ("ORDER_PARTS_MAX", order::ORDER_PARTS_MAX.into()),
        ("HOLDER_NAME_MAX_BYTES", roster::HOLDER_NAME_MAX_BYTES as u64),
        ("NOTE_MAX_BYTES", roster::NOTE_MAX_BYTES as u64),
        ("RECIPIENT_MAX_BYTES", roster::RECIPIENT_MAX_BYTES as u64),
        ("IDENTITY_MAX_BYTES", roster::IDENTITY_MAX_BYTES as u64),
        ("NAME_MAX_BYTES", paths::NAME_MAX_BYTES as u64),
        ("PATH_MAX_BYTES", paths::PATH_MAX_BYTES as u64),
        ("PATH_MAX_DEPTH", paths::PATH_MAX_DEPTH as u64),
        ("EXTENSION_MAX_BYTES", codec::EXTENSION_MAX_BYTES as u64),
        ("EXTENSIONS_MAX", codec::EXTENSIONS_MAX as u64),
        ("ATTRIBUTE_NAME_MAX_BYTES", attributes::ATTRIBUTE_NAME_MAX_BYTES as u64),
        ("PREVIOUS_MAX", head::PREVIOUS_MAX as u64),
        ("GROUP_MAX_BYTES", head::GROUP_MAX_BYTES as u64),
        ("ENTRIES_MAX", index::ENTRIES_MAX as u64),
        ("LIST_NODE_MAX_BYTES", list::LIST_NODE_MAX_BYTES as u64),
        ("HEADS_MAX", manifest::HEADS_MAX as u64),
        ("SHARD_BITS_MAX", manifest::SHARD_BITS_MAX.into()),
        ("HEADER_BYTES", outer::HEADER_BYTES as u64),
        ("PACK_HEADER_BYTES", pack::PACK_HEADER_BYTES as u64),
        ("SEAL_OVERHEAD_BYTES", pack::SEAL_OVERHEAD_BYTES),
        ("MIN_BYTES", pointer::Pointer::MIN_BYTES as u64),
        ("SOURCES_MAX", recipe::SOURCES_MAX as u64),
        ("STEPS_MAX", recipe::STEPS_MAX as u64),
        ("TAG_MAX_BYTES", sealed::TAG_MAX_BYTES as u64),
        ("AVG_MAX_BYTES", sealed::AVG_MAX_BYTES.into()),
        ("TAGS_MAX", sealed::TAGS_MAX as u64),
        ("PARENTS_MAX", snapshot::PARENTS_MAX as u64),
        ("SIDES_MAX", snapshot::SIDES_MAX as u64),
        ("AUTHOR_MAX_BYTES", snapshot::AUTHOR_MAX_BYTES as u64),
        ("MESSAGE_MAX_BYTES", snapshot::MESSAGE_MAX_BYTES as u64),
        ("LEVELS_MAX", tree::LEVELS_MAX.into()),
        ("NODE_MAX_BYTES", tree::NODE_MAX_BYTES as u64),
        ("TARGET_MAX_BYTES", tree::TARGET_MAX_BYTES as u64),
        ("OWNER_MAX_BYTES", tree::OWNER_MAX_BYTES as u64),
        ("INLINE_EXTENTS_MAX", tree::INLINE_EXTENTS_MAX as u64),
        ("ROOTS_MAX", trust::ROOTS_MAX as u64),
        ("WRITERS_MAX", trust::WRITERS_MAX as u64),
        ("SIGNATURES_MAX", trust::SIGNATURES_MAX as u64),
    ])
}

#[test]
fn every_limit_stands_in_the_document_by_value() {
    let text = document();
    let values = limit_values();
    for (name, value) in &values {
        let row = format!("| `{name}` | {value} |");
        assert!(text.contains(&row), "the document lacks the row {row}");
    }
    let code = sources(&["format", "base/limits.rs", "base/paths.rs"]);
    for line in code.lines().filter_map(|line| line.trim_start().strip_prefix("pub const ")) {
        let name = line.split(':').next().unwrap();
        let is_limit = name.contains("MAX") || name.ends_with("_BYTES");
        assert!(!is_limit || values.contains_key(name), "the document's test does not know {name}");
    }
}

#[test]
fn every_magic_title_context_and_version_stands_in_the_document() {
    let text = document();
    for magic in [FileMagic::Pack, FileMagic::Manifest, FileMagic::KeyList, FileMagic::Recipe] {
        let magic = std::str::from_utf8(magic.bytes()).unwrap();
        assert!(text.contains(&format!("`{magic}`")), "{magic}");
    }
    let code = sources(&["format", "crypto", "store", "chunker.rs"]);
    let mut found = 0;
    for literal in code.split('"').skip(1).step_by(1).filter(|part| part.starts_with("chunkstore ")) {
        let literal = literal.trim_end_matches("\\0");
        if literal.contains(['\n', '{']) || literal.contains("test") {
            continue;
        }
        found += 1;
        assert!(text.contains(&format!("`{literal}")), "the document lacks {literal:?}");
    }
    assert!(found >= 16, "only {found} contexts and titles were found");
    for (name, version) in [("outer", format::OUTER_VERSION), ("inner", format::INNER_VERSION)] {
        assert!(text.contains(&format!("{name} version {version}")), "{name}");
    }
    assert!(text.contains(&format!("all {} bytes", store::object::ASSOCIATED_BYTES)));
    let _ = keylist::KeyTag([0; 4]);
}
