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
use chunkstore::base::{PublicKey, StoreId};
use chunkstore::ops::trust::card::Card;
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
    match name {
        "proposal" => seeds.extend(handed_over()),
        "host-memory" => seeds.push(kept_near()),
        _ => {}
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

/// A card, and a change of trust without signatures of its own.
fn handed_over() -> [Vec<u8>; 2] {
    let card = Card::Root { store: StoreId([7; 16]), key: PublicKey([9; 32]) };
    let trust = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/vectors/good/trust.txt");
    let trust = vector_of("trust", &trust).unwrap();
    [card.to_string().into_bytes(), [b"chunkstore trust proposal\n\n", &trust[..]].concat()]
}

/// A record of a segment, with its check.
fn kept_near() -> Vec<u8> {
    let (name, length, bytes) = ([7; 16], 5_u32.to_le_bytes(), b"hello");
    let hash = blake3::hash(&[&name[..], &length, bytes].concat());
    [&name[..], &length, &hash.as_bytes()[..12], bytes].concat()
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
            "00ff\r\nreceipts/b\r\n./c\n..\n",
        ],
        "proposal" => {
            &["chunkstore trust proposal\nwriter-name 00 laptop\nwriter-note 00 a note\n\nchunkstore trust\n"]
        }
        "url" => &[
            "https://h:8443/a%20b/",
            "http://127.0.0.1:8080/d",
            "ftp://user:p%20w@host:2121/dir/a%2fb",
            "ftps+implicit://[::1]:990/",
            "ftps://h/%00",
        ],
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
        _ => texts_of_wires_and_hosts(name),
    }
}

fn texts_of_wires_and_hosts(name: &str) -> &'static [&'static str] {
    match name {
        "http-answer" => &[
            "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nhello, world",
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 7-9/12\r\nContent-Length: 3\r\n\r\nwor",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            "HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\x1b[2J\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 416 Range Not Satisfiable\r\nContent-Range: bytes */12\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno\n",
        ],
        "web-request" => &[
            "GET @home@files/latest/",
            "GET @home@files/latest/%3Cq%20onload=x%3E?sort=size&desc=1&page=2\nRange: bytes=0-3",
            "GET @home@search/latest/?q=%3Cq%3E*.txt",
            "GET @home@changes/latest/?old=latest&new=latest\nAccept: application/json",
            "GET @home@download/latest/a.txt\nRange: bytes=1-\nIf-Range: \"1-2\"",
            "HEAD @home@zip/latest/\nOrigin: http://elsewhere",
            "PROPFIND /dav/@password@/by-id/\nDepth: 1\n\n<propfind xmlns=\"DAV:\"><prop><getetag/></prop></propfind>",
            "GET /dav/\nAuthorization: Basic Y2h1bmtzdG9yZTp4",
            "GET @home@snapshots?page=2",
            "GET @home@preview/latest/a.txt?at=3",
        ],
        "host-memory" => &[
            "{\"keys\":[{\"store_id\":\"000102030405060708090a0b0c0d0e0f\",\"replica_id\":\"70717273747576777879\
             7a7b7c7d7e7f\",\"generation\":7,\"result\":\"updated\",\"seen\":\"2027-01-15T08:00:00.000000000Z\"}]}",
            "{\"last_sync\":\"2027-01-15T08:00:00.000000000Z\",\"generation\":7,\"trust_version\":1,\"remotes\":\
             {\"ftp://h/\":{\"generation\":7,\"head\":\"00\",\"sent\":[]}},\"seen\":{\"accepted\":[]}}",
            "{\"replicas\":{\"707172737475767778797a7b7c7d7e7f\":{\"key\":\"000102030405060708090a0b0c0d0e0f101112131415\
             161718191a1b1c1d1e1f\",\"generation\":7,\"head\":\"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c\
             1d1e1f\",\"seen\":\"2027-01-15T08:00:00.000000000Z\",\"reached\":[[7,20833],[6,-9223372036854775808]]}},\
             \"generations\":{\"7\":\"2027-01-15T08:00:00.000000000Z\"}}",
        ],
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
