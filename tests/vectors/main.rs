//! The vectors of the format: `tests/data/vectors/good` and `bad`, and the hex that `objects-format.md` quotes.
//!
//! Good ones are made again by the library's encoders and compared byte for byte; bad ones must fail with exactly the
//! error that they name. After a deliberate change of the format, write all of them again with
//! `cargo test --test vectors -- --ignored rewrite` and read the difference.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]
#![allow(clippy::disallowed_methods, reason = "a test reads and writes the vectors themselves")]

mod bad;
mod document;
mod good;
mod second;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

/// One file of the vectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vector {
    /// The file's name without its ending.
    pub name: String,
    /// What decodes it.
    pub kind: &'static str,
    /// What it shows, one line.
    pub note: String,
    /// Named inputs and outcomes besides the bytes.
    pub values: Vec<(String, String)>,
    /// The error that decoding it must give, as Rust shows it; none for a good one.
    pub expect: Option<String>,
    /// Whether another encoder may make other bytes of the same value.
    pub decoding_only: bool,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Vector {
    fn render(&self) -> String {
        let mut text = format!("# {}\nkind {}\n", self.note, self.kind);
        if self.decoding_only {
            text.push_str("# another encoder may make other bytes: this fixes decoding only\n");
        }
        for (name, value) in &self.values {
            writeln!(text, "value {name} {value}").unwrap();
        }
        if let Some(expect) = &self.expect {
            writeln!(text, "expect {expect}").unwrap();
        }
        writeln!(text, "bytes {}", self.bytes.len()).unwrap();
        text.push_str(&hex_lines(&self.bytes));
        text
    }
}

/// Returns hex in lines of 32 bytes; equal lines are not shortened, so that a reader needs no rule.
#[must_use]
pub fn hex_lines(bytes: &[u8]) -> String {
    bytes.chunks(32).map(|line| hex::encode(line) + "\n").collect()
}

/// Reads the bytes of a vector's file.
fn bytes_of(text: &str) -> Vec<u8> {
    let after = text.split_once("\nbytes ").expect("a line with the number of bytes").1;
    let (count, digits) = after.split_once('\n').unwrap();
    let bytes = hex::decode(digits.replace('\n', "")).unwrap();
    assert_eq!(bytes.len().to_string(), count);
    bytes
}

fn dir(which: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/vectors").join(which)
}

fn on_disk(which: &str) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(dir(which)).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(&path).unwrap()))
        .collect()
}

fn compare(which: &str, vectors: &[Vector]) {
    let files = on_disk(which);
    for vector in vectors {
        let file = files.get(&vector.name).unwrap_or_else(|| panic!("{which}/{} is missing", vector.name));
        if !vector.decoding_only {
            assert_eq!(*file, vector.render(), "{which}/{} changed", vector.name);
        }
    }
    let names: Vec<_> = files.keys().filter(|name| !vectors.iter().any(|vector| vector.name == **name)).collect();
    assert!(names.is_empty(), "nothing makes {names:?}");
}

#[test]
fn good_vectors_are_made_again_byte_for_byte() {
    compare("good", &good::all());
}

#[test]
fn good_vectors_decode_and_are_written_as_they_were() {
    for vector in good::all() {
        let bytes = bytes_of(&on_disk("good")[&vector.name]);
        match good::again(vector.kind, &bytes) {
            Ok(again) => assert_eq!(again, bytes, "{}", vector.name),
            Err(error) => panic!("{}: {error}", vector.name),
        }
    }
}

#[test]
fn bad_vectors_are_made_again_byte_for_byte() {
    compare("bad", &bad::all());
}

#[test]
fn bad_vectors_fail_as_they_say() {
    let files = on_disk("bad");
    assert!(files.len() > 100);
    for vector in bad::all() {
        let file = &files[&vector.name];
        let expect = file.lines().find_map(|line| line.strip_prefix("expect ")).expect("an expected error");
        let error = good::again(vector.kind, &bytes_of(file)).expect_err(&vector.name);
        assert_eq!(error, expect, "{}", vector.name);
    }
}

#[test]
#[ignore = "writes the vectors again after a deliberate change of the format"]
fn rewrite() {
    for (which, vectors) in [("good", good::all()), ("bad", bad::all())] {
        let _ = std::fs::remove_dir_all(dir(which));
        std::fs::create_dir_all(dir(which)).unwrap();
        for vector in vectors {
            std::fs::write(dir(which).join(vector.name.clone() + ".txt"), vector.render()).unwrap();
        }
    }
    document::rewrite_vectors();
}
