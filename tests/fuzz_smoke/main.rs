//! Every fuzz target over the vectors of the format and seeded changes of them, for a moment each, on any toolchain.
//!
//! `CHUNKSTORE_SWEEP=long` takes thirty seconds a target. A failure names the target and its input in hex.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]
#![allow(clippy::disallowed_methods, reason = "a test reads its seeds and measures its own time")]

mod change;
#[path = "../../tools/fuzz/src/targets.rs"]
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use change::Changes;
use targets::{TARGETS, Target};

/// The most inputs of one target in a short run, so that a fast machine ends early.
const INPUTS_MAX: usize = 400_000;
/// How long the file of the vectors of holes is.
const HOLES_FILE_BYTES: u64 = 2 << 20;

fn time_of_one() -> Duration {
    let long = std::env::var("CHUNKSTORE_SWEEP").is_ok_and(|value| value == "long");
    if long { Duration::from_secs(30) } else { Duration::from_millis(700) }
}

/// The seeds of a target: every vector of its kind, good and bad, and some texts of people and servers.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = texts(name).iter().map(|text| text.as_bytes().to_vec()).collect();
    for which in ["good", "bad"] {
        let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/vectors").join(which);
        let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        seeds.extend(files.iter().filter_map(|path| vector_of(name, path)));
    }
    if name == "wrapped-key" {
        let keys = "tests/data/stores/outer-1-inner-1/store/keys/00000001";
        let files = std::fs::read_dir(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(keys)).unwrap();
        let mut files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        seeds.extend(files.iter().map(|path| std::fs::read(path).unwrap()));
    }
    seeds.extend(small_corpus(name));
    assert!(!seeds.is_empty(), "{name} has no seeds");
    seeds
}

/// What the fuzzer found that reaches further than the vectors: an input a line in hex, kept small by `cargo xtask fuzz`.
fn small_corpus(name: &str) -> Vec<Vec<u8>> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tools/fuzz/corpus-small").join(format!("{name}.txt"));
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().map(|line| hex::decode(line).unwrap()).collect()
}

fn vector_of(name: &str, path: &Path) -> Option<Vec<u8>> {
    let text = std::fs::read_to_string(path).unwrap();
    let kind = text.lines().find_map(|line| line.strip_prefix("kind ")).unwrap();
    let kind = if name == "text" && kind == "marker" { "text" } else { kind };
    if kind != name {
        return None;
    }
    let digits: String = text.split_once("\nbytes ").unwrap().1.lines().skip(1).collect();
    let bytes = hex::decode(digits).unwrap();
    Some(match name {
        // The index of the vectors stands in a data pack of two frames.
        "pack-index" => [&[0, 155, 0, 0, 0], &bytes[..]].concat(),
        "holes" => [&HOLES_FILE_BYTES.to_le_bytes(), &bytes[..]].concat(),
        _ => bytes,
    })
}

fn texts(name: &str) -> &'static [&'static str] {
    match name {
        "text" => &["chunkstore replica\ngeneration 7\n", "chunkstore replica\nremote ftp://host/dir\n"],
        "frame" => &["\x05\0\0\0hello", "\x05\0\0\0\u{28}\u{7f}"],
        "wrapped-key" => {
            &["age-encryption.org/v1\n-> X25519 abc\nbody\n--- mac\n", "# key\nAGE-SECRET-KEY-1QQQ\n", "age1qqq"]
        }
        "ftp-reply" => &[
            "220 ready\r\n",
            "257 \"/home/a\"\"b\" is the current directory\r\n",
            "213 18446744073709551615\r\n",
            "250-Listing\r\n type=file;size=123; HEAD\r\n250 End\r\n",
            "452 disk full\r\n",
            "530 too many users\r\n",
        ],
        "url" => &["ftp://user:p%20w@host:2121/dir/a%2fb", "ftps+implicit://[::1]:990/", "ftps://h/%00"],
        "proxy" => &[
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nVia: x\r\n\r\n220 ready",
            "HTTP/1.0 407 Who are you\r\n\r\n",
            "\x05\x02\x01\0\x05\0\0\x03\x02ab\0\x15",
            "\x05\0\x05\x05\0\x01",
            "socks5h://user:p%20w@[::1]:1080/",
            "10.0.0.0/8, .example.org",
        ],
        "config" => &[
            "[defaults]\nkeys = \"/k\"\nconnections = 3\n[remotes.office]\nurl = \"ftp://h/d\"\nuser = \"u\"\n",
            "[remotes.a]\nurl = 3\n",
        ],
        "names" => {
            &["HEAD~1:/a/b", "@2026-11-21T07:35:00Z:/x", "packs/AB/CDEF0123.456", "2026-11-21T07:35:00.000000001Z"]
        }
        "served-path" => &["/a/b\n../c\n.", "a//b/\n/..\n../../x\n\u{1}"],
        _ => &[],
    }
}

fn try_one(target: &Target, input: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err() {
        panic!("target {} fails on {}", target.name, hex::encode(input));
    }
}

fn smoke(target: &Target) -> usize {
    let seeds = seeds(target.name);
    seeds.iter().for_each(|seed| try_one(target, seed));
    let mut changes = Changes::new(target.name);
    let (began, time) = (Instant::now(), time_of_one());
    let mut inputs = 0;
    while began.elapsed() < time && (inputs < INPUTS_MAX || time > Duration::from_secs(1)) {
        try_one(target, &changes.next(&seeds));
        inputs += 1;
    }
    inputs
}

#[test]
fn no_input_makes_a_decoder_fail() {
    for target in TARGETS {
        let inputs = smoke(target);
        println!("{}: {inputs} inputs", target.name);
        assert!(inputs > 50, "{}: {inputs} inputs are too few to say anything", target.name);
    }
}

/// Writes the seeds where `cargo fuzz` looks for them.
#[test]
#[ignore = "writes into tools/fuzz/corpus, for the fuzzer"]
fn write_corpus() {
    for target in TARGETS {
        let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tools/fuzz/corpus").join(target.name);
        std::fs::create_dir_all(&dir).unwrap();
        for seed in seeds(target.name) {
            std::fs::write(dir.join(blake3::hash(&seed).to_hex().as_str()), seed).unwrap();
        }
    }
}

/// The targets are the ones that the fuzzer has, so that none is forgotten in either place.
#[test]
fn the_fuzzer_has_every_target() {
    let manifest = include_str!("../../tools/fuzz/Cargo.toml");
    let named: Vec<&str> =
        manifest.split("[[bin]]\nname = \"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(named, TARGETS.iter().map(|target| target.name).collect::<Vec<_>>());
    TARGETS.iter().for_each(|target| targets::run(target.name, b""));
}

/// The search can find something: a target that fails on some change of a seed is reported with its input.
#[test]
fn a_failing_target_is_found() {
    let target = Target { name: "marker", run: |bytes| assert!(bytes.len() < 100) };
    let found = catch_unwind(|| smoke(&target)).unwrap_err();
    assert!(found.downcast_ref::<String>().unwrap().starts_with("target marker fails on "));
}
